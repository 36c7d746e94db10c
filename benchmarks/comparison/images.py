"""Models of images: pixels of every case, seeded, and what converters must know of their inputs."""

import numpy as np

SHAPES = {"1 image": (1, 3, 224, 224), "8 images": (8, 3, 224, 224)}
PATCH = 16
AXES = {"pixel_values": {0: "batch"}}
OPTIMIZER = "vit"
ARGUMENT = "pixels"


def write_vit_base(directory, classifies):
    """A ViT-B/16 (12 layers of 768, images of 224 x 224), or one that knows 1,000 classes, with seeded random weights. Runs in a
    process of its own.
    """
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    if classifies:
        network = transformers.ViTForImageClassification(transformers.ViTConfig(num_labels=1000))
    else:
        network = transformers.ViTModel(transformers.ViTConfig(), add_pooling_layer=False)
    network.save_pretrained(directory)


def make_inputs():
    """Pixels of every case, prepared: {name: float32 [b, channels, height, width]}."""
    random = np.random.default_rng(5)
    return {name: pixels(random, shape) for name, shape in SHAPES.items()}


def pixels(random, shape):
    """Blurred noise: neighbours are alike, as in pictures."""
    noise = random.normal(size=shape)
    for axis in (2, 3):
        noise = sum(np.roll(noise, step, axis) for step in range(8)) / 8 ** 0.5
    return np.clip(noise / 2, -1, 1).astype(np.float32)


def feed(rows):
    """Pixels as the network's inputs."""
    return {"pixel_values": rows}


def tokens(rows):
    """Patches, and the class token of each image."""
    return len(rows) * (1 + rows.shape[2] // PATCH * (rows.shape[3] // PATCH))


def example():
    """Inputs to trace a network with."""
    return feed(np.zeros((2, 3, 224, 224), np.float32))


def calibration(model):
    """What a peer may calibrate a static quantization with: images that are not measured."""
    random = np.random.default_rng(6)
    return [feed(pixels(random, SHAPES["1 image"])) for _ in range(32)]
