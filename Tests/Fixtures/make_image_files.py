"""Makes images/files/: small PNG and JPEG files of every kind, and what Pillow makes of them.

    python Tests/Fixtures/make_image_files.py           needs numpy, pillow, safetensors

NAME.png, NAME.jpg       the files
decoded.safetensors      uint8 [height, width, 3], by file name: Image.open(file).convert("RGB"), but the upper 8 of gray samples of
                         16 bits, which Pillow would clip
"""

import pathlib
import struct
import zlib

import numpy
from noise import noise
from PIL import Image
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent / "images/files"
WIDTH, HEIGHT = 19, 13
GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGBA: 4}
# Adam7 (ISO/IEC 15948, 8.2): first row and column of each pass, and the steps.
PASSES = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


def packed(rows, bits):
    """Rows of samples as bytes, each row behind the filter type 0."""
    for row in rows:
        samples = row.ravel()
        if bits == 16:
            yield b"\0" + samples.astype(">u2").tobytes()
        else:
            digits = "".join(format(int(sample), f"0{bits}b") for sample in samples)
            digits += "0" * (-len(digits) % 8)
            yield b"\0" + bytes(int(digits[place : place + 8], 2) for place in range(0, len(digits), 8))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(samples, colours, bits, *, interlaced=False, before=(), split=1):
    """A PNG file of samples [height, width, channels], written by hand: Pillow writes neither interlaced ones nor all depths."""
    height, width = samples.shape[:2]
    passes = PASSES if interlaced else [(0, 0, 1, 1)]
    parts = (samples[row::down, column::right] for row, column, down, right in passes)
    data = zlib.compress(b"".join(b"".join(packed(part, bits)) for part in parts if part.size))
    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, int(interlaced))
    pieces = [data[len(data) * n // split : len(data) * (n + 1) // split] for n in range(split)]
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *(chunk(*pair) for pair in before),
         *(chunk(b"IDAT", piece) for piece in pieces), chunk(b"IEND", b"")]
    )  # fmt: skip


def samples(colours, bits, seed):
    generator = numpy.random.default_rng(seed)
    return generator.integers(0, 1 << bits, (HEIGHT, WIDTH, CHANNELS[colours]))


def files():
    palette = bytes(numpy.random.default_rng(1).integers(0, 256, 256 * 3, dtype=numpy.uint8))
    for colours, name, depths in [
        (GRAY, "gray", (1, 2, 4, 8, 16)), (RGB, "rgb", (8, 16)), (PALETTE, "palette", (1, 2, 4, 8)),
        (GRAY_ALPHA, "gray-alpha", (8, 16)), (RGBA, "rgba", (8, 16)),
    ]:  # fmt: skip
        for bits in depths:
            before = [(b"PLTE", palette[: 3 << bits])] if colours == PALETTE else []
            yield f"{name}-{bits}.png", png(samples(colours, bits, bits), colours, bits, before=before)
            interlaced = png(samples(colours, bits, bits + 50), colours, bits, before=before, interlaced=True)
            yield f"{name}-{bits}-interlaced.png", interlaced
    # What decoders may look at, and need not: gamma, a profile that is none, text, a transparent colour; data in five pieces.
    extra = [(b"gAMA", struct.pack(">I", 100000)), (b"tEXt", b"Title\0a nest"), (b"iCCP", b"none\0\0" + zlib.compress(b"no profile"))]
    yield "rgb-chunks.png", png(samples(RGB, 8, 3), RGB, 8, before=[*extra, (b"tRNS", bytes(6))], split=5)
    transparent = [(b"PLTE", palette), (b"tRNS", bytes(range(0, 250, 10)))]
    yield "palette-transparent.png", png(samples(PALETTE, 8, 4), PALETTE, 8, before=transparent)
    yield "gray-transparent.png", png(samples(GRAY, 4, 5), GRAY, 4, before=[(b"tRNS", b"\0\3")])
    yield "one-pixel-interlaced.png", png(samples(RGB, 8, 6)[:1, :1], RGB, 8, interlaced=True)

    # A picture of slow changes, as photographs are: Pillow's PNG has all filters, and JPEG is made for it.
    image = Image.fromarray(noise(6, 5, 3)).resize((45, 37), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned by a quarter
    kinds = {
        "filters.png": (image, {"optimize": True}),
        "420.jpg": (image, {"quality": 75, "subsampling": "4:2:0"}),
        "422.jpg": (image, {"quality": 90, "subsampling": "4:2:2"}),
        "444.jpg": (image, {"quality": 95, "subsampling": "4:4:4"}),
        "rgb.jpg": (image, {"quality": 90, "keep_rgb": True}),
        "progressive.jpg": (image, {"quality": 80, "progressive": True}),
        "restarts.jpg": (image, {"quality": 60, "restart_marker_blocks": 2}),
        "orientation.jpg": (image, {"quality": 80, "exif": exif}),
        "gray.jpg": (image.convert("L"), {"quality": 80}),
        "cmyk.jpg": (image.convert("CMYK"), {"quality": 90}),
    }
    for name, (picture, options) in kinds.items():
        path = HERE / name
        picture.save(path, **options)
        yield name, path.read_bytes()


def decoded(path):
    image = Image.open(path)
    if image.mode == "I;16":
        return numpy.repeat((numpy.asarray(image) >> 8).astype(numpy.uint8)[..., None], 3, axis=2)
    return numpy.asarray(image.convert("RGB"))


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for old in HERE.iterdir():
        old.unlink()
    tensors = {}
    for name, data in files():
        (HERE / name).write_bytes(data)
        tensors[name] = numpy.ascontiguousarray(decoded(HERE / name))
    save_file(tensors, HERE / "decoded.safetensors")
    (HERE / "decoded.safetensors").chmod(0o644)
