"""Preparing images: random settings and sizes, against transformers' processors with the Pillow backend."""

import json
import os
import random

import nestling
import numpy as np
import pytest
import torch
import transformers
from PIL import Image

SEEDS = range(10 * int(os.environ.get("NESTLING_PARITY_SEEDS", "3")))
CLASSES = ("ViT", "DeiT", "Bit", "CLIP", "Siglip")
# Pixels may lie in any order.
FORMS = (
    lambda image: image,
    lambda image: np.asfortranarray(image),
    lambda image: image[::-1].copy()[::-1],
    lambda image: image[:, ::-1].copy()[:, ::-1],
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A small random model that takes images; the settings beside it are each test's own."""
    path = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=16, patch_size=8
    )
    transformers.ViTModel(config, add_pooling_layer=False).save_pretrained(path)
    return path


def draw_settings(draw, name):
    """Settings of a class: some keys of its own, some left out."""
    side = lambda: draw.randint(1, 40)  # noqa: E731
    sizes = [
        {"height": side(), "width": side()},
        {"shortest_edge": side()},
        {"shortest_edge": draw.randint(1, 20), "longest_edge": draw.randint(20, 60)},
        {"max_height": draw.randint(20, 60), "max_width": draw.randint(20, 60)},
        side(),
    ]
    settings = {
        "size": draw.choice(sizes),
        "crop_size": draw.choice([{"height": side(), "width": side()}, side()]),
        "resample": draw.randint(0, 5),
        "do_resize": draw.random() < 0.9,
        "do_rescale": draw.random() < 0.9,
        "rescale_factor": draw.choice([1 / 255, 1 / 127.5, 0.01]),
        "do_normalize": draw.random() < 0.8,
        "image_mean": [draw.random() for _ in range(3)],
        "image_std": [draw.uniform(0.1, 1) for _ in range(3)],
    }
    for key in list(settings):
        if key not in ("size", "crop_size") and draw.random() < 0.3:
            del settings[key]
    # Without a crop, what 5 classes make of their own sizes is large.
    settings["do_center_crop"] = draw.random() < 0.7
    return settings


def draw_image(draw, seed):
    """Noise, or a smooth picture, of an odd size; gray and with alpha, too."""
    numbers = np.random.default_rng(seed)
    height, width = (int(draw.choice([1, 2, 3, draw.randint(4, 60), draw.randint(60, 300)])) for _ in range(2))
    channels = draw.choice([1, 3, 3, 3, 4])
    if draw.random() < 0.3:
        y, x = np.mgrid[0:height, 0:width]
        image = np.stack([127 + 120 * np.sin(x / (3 + c) + y / (7 - c)) for c in range(channels)], 2)
        return image.astype(np.uint8)
    return numbers.integers(0, 256, (height, width, channels), np.uint8)


def reference(settings, name, image):
    processor = getattr(transformers, f"{name}ImageProcessorPil")(**settings, do_convert_rgb=True)
    return np.asarray(processor(image, input_data_format="channels_last")["pixel_values"][0], np.float32), processor


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CLASSES)
def test_prepared_pixels(name, seed, checkpoint):
    draw = random.Random(f"{name} {seed}")
    settings = draw_settings(draw, name)
    (checkpoint / "preprocessor_config.json").write_text(
        json.dumps({**settings, "image_processor_type": f"{name}ImageProcessor"})
    )
    model = nestling.load(checkpoint)
    images = []
    for number in range(4):
        image = draw_image(draw, 100 * seed + number)
        try:
            reference(settings, name, image)
            images.append(image)
        except ValueError as error:  # nothing is left of a line of pixels that is made smaller
            assert "must be > 0" in str(error)
            with pytest.raises(nestling.InvalidArgumentError, match="would be resized to"):
                model.prepare(image)
    for image, prepared in zip(images, model.prepare([form(image) for form, image in zip(FORMS, images)])):
        expected, processor = reference(settings, name, image)
        assert prepared.shape == expected.shape, (settings, image.shape)
        # One level of 255 before normalization is the promise; the same bits are what there is.
        scale = processor.rescale_factor if processor.do_rescale else 1
        spread = np.array(processor.image_std).reshape(-1, 1, 1) if processor.do_normalize else 1
        assert np.abs((prepared - expected) * spread).max() <= scale * 1.001, (settings, image.shape)
        assert (prepared == expected).all(), (settings, image.shape)


def test_pillow_images(checkpoint):
    """Modes are converted as transformers does it."""
    (checkpoint / "preprocessor_config.json").write_text(json.dumps({"size": 20, "crop_size": 16}))
    model = nestling.load(checkpoint)
    noise = np.random.default_rng(1).integers(0, 256, (33, 21, 4), np.uint8)
    rgba = Image.fromarray(noise)
    for mode in ("RGB", "L", "1", "CMYK", "YCbCr", "P"):
        image = rgba.convert("RGB").convert(mode)
        expected, _ = reference({"size": 20}, "ViT", image)
        assert (model.prepare(image) == expected).all(), mode
    # Alpha is laid on white; Pillow rounds what transformers does with arrays a little differently.
    for mode in ("RGBA", "LA"):
        expected, processor = reference({"size": 20}, "ViT", rgba.convert(mode))
        assert np.abs(model.prepare(rgba.convert(mode)) - expected).max() * 0.5 <= 1.001 / 255, mode


def test_floats(checkpoint):
    """Floats are not rounded to 8 bits, which transformers does; within one level all the same."""
    (checkpoint / "preprocessor_config.json").write_text(json.dumps({"size": 24, "resample": 3}))
    model = nestling.load(checkpoint)
    image = np.random.default_rng(2).integers(0, 256, (50, 31, 3), np.uint8)
    levels, floats = model.prepare(image), model.prepare(image / 255)
    assert np.abs(levels - floats).max() * 0.5 <= 1.5 / 255


@pytest.mark.parametrize("name", CLASSES)
def test_saved_settings(name, checkpoint, tmp_path):
    """Settings as this version of transformers saves them, class defaults spelled out."""
    processor = getattr(transformers, f"{name}ImageProcessorPil")()
    processor.save_pretrained(checkpoint)
    image = np.random.default_rng(3).integers(0, 256, (301, 257, 3), np.uint8)
    expected = processor(image, input_data_format="channels_last")["pixel_values"][0]
    assert (nestling.load(checkpoint).prepare(image) == expected).all()


def test_the_whole_way(checkpoint):
    """From a photograph's pixels to hidden states."""
    transformers.ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(checkpoint)
    theirs = transformers.ViTModel.from_pretrained(checkpoint, add_pooling_layer=False).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(checkpoint, backend="pil")
    images = [Image.fromarray(np.random.default_rng(n).integers(0, 256, (40 + n, 70, 3), np.uint8)) for n in range(3)]
    with torch.no_grad():
        expected = theirs(**processor(images, return_tensors="pt")).last_hidden_state.numpy()
    for ours, reference_states in zip(nestling.load(checkpoint).hidden_states(images=images), expected):
        error = np.linalg.norm(ours - reference_states) / np.linalg.norm(reference_states)
        assert error < 1e-5


def test_vectors_of_a_tower(tmp_path):
    """CLIP, with the settings where a processor of texts and images has them."""
    small = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    config = transformers.CLIPConfig(
        text_config=dict(small, vocab_size=50, bos_token_id=1, eos_token_id=2, max_position_embeddings=16),
        vision_config=dict(small, image_size=16, patch_size=8), projection_dim=12,
    )  # fmt: skip
    torch.manual_seed(1)
    theirs = transformers.CLIPModel(config).eval()
    theirs.save_pretrained(tmp_path)
    processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 20}, crop_size={"height": 16, "width": 16})
    (tmp_path / "processor_config.json").write_text(
        json.dumps({"processor_class": "CLIPProcessor", "image_processor": json.loads(processor.to_json_string())})
    )
    images = [np.random.default_rng(n).integers(0, 256, (50, 30 + n, 3), np.uint8) for n in range(3)]
    pixels = processor(images, input_data_format="channels_last", return_tensors="pt")
    with torch.no_grad():
        expected = theirs.get_image_features(**pixels)
    expected = getattr(expected, "pooler_output", expected).numpy()
    vectors = nestling.load(tmp_path, tower="vision").encode(images=images)
    assert np.linalg.norm(vectors - expected) / np.linalg.norm(expected) < 1e-5
