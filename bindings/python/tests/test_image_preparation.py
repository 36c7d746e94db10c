"""Images that the library prepares: numbers against transformers' processors, and what callers hold."""

from __future__ import annotations

import json
import pathlib
import shutil
import sys
from typing import Any, Callable

import nestling
import numpy as np
import pytest
from support import read_safetensors

Make = Callable[[Any], nestling.Model]


@pytest.fixture(scope="module")
def noise(fixtures: pathlib.Path) -> Any:
    sys.path.insert(0, str(fixtures))
    try:
        from noise import noise
    finally:
        sys.path.pop(0)
    return noise


@pytest.fixture()
def make(fixtures: pathlib.Path, tmp_path: pathlib.Path) -> Make:
    """Opens a model of images with settings of its own."""

    def make(settings: Any) -> nestling.Model:
        path = tmp_path / str(len(list(tmp_path.iterdir())))
        shutil.copytree(fixtures / "vit" / "base", path)
        (path / "preprocessor_config.json").write_text(json.dumps(settings))
        return nestling.load(path)

    return make


SQUARE = {"image_processor_type": "ViTImageProcessor", "size": 24}


def test_numbers_of_transformers(fixtures, make, noise):
    cases = json.loads((fixtures / "images" / "processors.json").read_text())
    golden = read_safetensors(fixtures / "images" / "processors.safetensors")
    for first in range(0, len(cases), 6):
        model = make(cases[first]["settings"])
        images = [noise(case["width"], case["height"], case["channels"]) for case in cases[first : first + 6]]
        for number, prepared in enumerate(model.prepare(images), first):
            assert np.array_equal(prepared, golden[str(number)]), cases[number]


def test_what_callers_hold(make, noise):
    model = make(SQUARE)
    image = noise(31, 22, 3)
    expected = model.prepare(image)
    assert expected.shape == (3, 24, 24) and expected.dtype == np.float32
    forms = [np.asfortranarray(image), image[::-1].copy()[::-1], image[..., ::-1].copy()[..., ::-1]]
    for form in [*forms, np.repeat(image, 2, axis=1)[:, ::2]]:
        assert np.array_equal(model.prepare(form), expected)
    assert all(np.array_equal(one, expected) for one in model.prepare(np.stack([image, image])))
    assert model.prepare([]) == []
    for dtype in (np.float16, np.float32, np.float64):
        # Half a level for the 8-bit rounding at the end, and up to one more for the one between the passes.
        assert np.abs(model.prepare((image / 255).astype(dtype)) - expected).max() * 127.5 <= 1.5
    gray = noise(9, 9, 1)
    assert np.array_equal(model.prepare(gray), model.prepare(gray[:, :, 0]))
    flat = np.broadcast_to(np.uint8(7), (5, 6, 3))
    assert np.array_equal(model.prepare(flat), model.prepare(flat.copy()))


def test_runs_prepare_first(make, noise, tmp_path):
    model = make(SQUARE)
    images = [noise(31, 22, 3), noise(17, 50, 4)]
    pixels = model.prepare(images)
    assert np.array_equal(model.encode(images=images), model.encode(pixels=pixels))
    assert model.encode(images=images[0]).shape == (model.output_dimensions,)
    for ours, theirs in zip(model.hidden_states(images=images), model.hidden_states(pixels=pixels)):
        assert np.array_equal(ours, theirs) and len(ours) == 1 + 9
    model.submodel(layers=[0]).save(tmp_path / "small")
    assert np.array_equal(nestling.load(tmp_path / "small").prepare(images[0]), pixels[0])


def test_threads_change_nothing(make, noise):
    model = make(SQUARE)
    images = [noise(40 + 3 * number, 30 + number, 3) for number in range(7)]
    with nestling.threads(1):
        one = model.prepare(images)
    with nestling.threads(3):
        three = model.prepare(images)
    assert all(np.array_equal(a, b) for a, b in zip(one, three))


def test_settings_beside_those_of_a_tokenizer(fixtures, noise, tmp_path):
    """Where transformers 5 writes them for models that take texts, too; and files that name no class."""
    path = tmp_path / "model"
    shutil.copytree(fixtures / "vit" / "base", path)
    (path / "preprocessor_config.json").write_text(json.dumps({"size": 8}))
    assert nestling.load(path).prepare(noise(5, 5, 3)).shape == (3, 8, 8)
    (path / "processor_config.json").write_text(json.dumps({"image_processor": SQUARE}))
    assert nestling.load(path).prepare(noise(5, 5, 3)).shape == (3, 24, 24)


def test_refusals(fixtures, bert, make, noise):
    image = noise(9, 9, 3)
    plain = nestling.load(fixtures / "vit" / "base")
    with pytest.raises(nestling.UnsupportedError, match=r"preprocessor_config\.json"):
        plain.prepare(image)
    with pytest.raises(nestling.UnsupportedError, match=r"preprocessor_config\.json"):
        plain.encode(images=image)
    other = make({"image_processor_type": "Owlv2ImageProcessor"})
    with pytest.raises(nestling.UnsupportedError, match="Owlv2ImageProcessor"):
        other.prepare(image)
    assert other.encode(pixels=np.zeros((3, 32, 32))).shape == (other.output_dimensions,)
    with pytest.raises(nestling.CorruptError, match="size is -3"):
        make({"size": -3}).prepare(image)
    with pytest.raises(nestling.InvalidArgumentError, match="takes token ids"):
        bert.prepare(image)
    model = make(SQUARE)
    for value, text in [(np.nan, "nan"), (np.inf, "inf"), (1.5, "1.5"), (-1, "-1")]:
        bad = image / 255
        bad[3, 4, 1] = value
        message = f"image 1: channel 1 of the pixel in row 3, column 4 is {text}.*0...1"
        with pytest.raises(nestling.InvalidArgumentError, match=message):
            model.prepare([image, bad])
    for bad, kind in [
        (np.zeros((0, 3, 3), np.uint8), nestling.InvalidArgumentError),
        (np.zeros((4, 4, 2), np.uint8), nestling.InvalidArgumentError),
        (np.zeros((4, 4, 3), np.int32), TypeError),
        ([np.zeros(4, np.uint8)], nestling.InvalidArgumentError),
        ("text", TypeError),
        ([object()], TypeError),
    ]:
        with pytest.raises(kind):
            model.prepare(bad)
    with pytest.raises(TypeError, match="exclude"):
        model.encode("text", images=image)


def test_plot_of_merged_patches(make, noise):
    pytest.importorskip("matplotlib")
    import nestling.plot

    image = noise(24, 24, 3)
    figure = nestling.plot.tokens(make(SQUARE), image, reduction=nestling.ToMe(r=2))
    assert np.allclose(figure.axes[0].images[0].get_array(), image / 255, atol=1e-6)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["10 tokens", "layer 1: 8", "layer 2: 6"]


def test_panels_of_merged_patches():
    from nestling.plot import _merged

    picture = np.arange(5 * 4 * 3, dtype=np.float32).reshape(5, 4, 3)
    merged = _merged(picture, np.array([3, 3, 3, 7]), (2, 2))
    # Groups [[0, 0], [0, 1]]; the row and the column beside group 1 are outlined, and the fifth row is in no patch.
    mean = (picture[0:2, 0:4].reshape(-1, 3).sum(0) + picture[2:4, 0:2].reshape(-1, 3).sum(0)) / 12
    assert np.allclose(merged[0, 0], mean) and np.array_equal(merged[4], picture[4])
    assert (merged[2, 1] == 1).all() and (merged[1, 2:] == 1).all() and np.allclose(merged[1, :2], mean)
    assert np.allclose(merged[3, 3], picture[2:4, 2:4].reshape(-1, 3).mean(0))
