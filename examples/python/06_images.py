"""Images: what Pillow or NumPy holds goes in as it is; vectors, scores, and a look at which patches became one.

python 06_images.py path/to/vit-base-patch16-224 [photo.jpg]
"""

import sys

import numpy as np

import nestling


def disc(width: int = 320, height: int = 200) -> np.ndarray:
    """A disc on a slope of colours: uint8 [height, width, 3]."""
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 128)], 2)
    picture[(x - width // 2) ** 2 + (y - height // 2) ** 2 < 70**2] = (240, 200, 40)
    return picture.astype(np.uint8)


def main(path: str, photo: str = "") -> None:
    model = nestling.load(path)
    image = disc()
    if photo:
        from PIL import Image

        image = np.asarray(Image.open(photo).convert("RGB"))

    pixels = model.prepare(image)
    print(f"{image.shape[1]} x {image.shape[0]} pixels become {pixels.shape[2]} x {pixels.shape[1]}")

    vectors = model.encode(images=[image, image[:, ::-1], 255 - image])
    print("the image, its mirror image and its negative:")
    print(np.round(model.similarity(vectors, vectors), 3))
    if model.default_head:
        print("scores:", np.round(model.logits(images=image)[:5], 3))

    shape = model.describe()["image"]
    rows, columns = pixels.shape[1] // shape["patch_height"], pixels.shape[2] // shape["patch_width"]
    with model.session() as session:
        session.hidden_states(images=image, reduction=nestling.ToMe(r=2))
        groups = session.token_map()[shape["prefix_tokens"] :].reshape(rows, columns)
    print(f"of {rows * columns} patches {len(np.unique(groups))} groups are left:")
    print(groups)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
