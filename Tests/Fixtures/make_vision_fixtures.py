"""Makes the tiny random-weight checkpoints and goldens of the families that take images.

    python Tests/Fixtures/make_vision_fixtures.py [--only vit/base clip ...]

needs what make_fixtures.py needs, and works like it: weights are seeded, written by `save_pretrained`, read back and run one
image at a time, in float64 for the goldens and in float32 to make sure that the two agree. README.md tells how goldens are laid
out. All checkpoints see the same images, vision/pixels.safetensors.
"""

import argparse
import copy
import shutil
import sys

import numpy as np
import torch
import transformers
from make_fixtures import (FLOAT32_TOLERANCE, HERE, labels, load, made_with, make_readable, randomize, relative_error,
                           seed_of, shorten)
from safetensors.numpy import save_file
from transformers.models.swin.modeling_swin import SwinLayer, SwinRelativePositionBias, SwinStage

# [height, width]: that of training, two whose positions are interpolated up and down, and one that is no multiple of the patch.
SIZES = ((32, 32), (40, 24), (16, 48), (45, 33))
PIXELS = HERE / "vision" / "pixels.safetensors"

VIT = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=76, image_size=32, patch_size=8)
DINO = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8, mlp_ratio=3)
SWIN = dict(embed_dim=6, image_size=32)
TEXT = dict(vocab_size=99, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=44,
            max_position_embeddings=20, bos_token_id=97, pad_token_id=1)

# path under Tests/Fixtures -> (class, configuration)
CHECKPOINTS = {
    "vit/base": ("ViTModel", VIT | dict(layer_norm_eps=1e-3, pooler_output_size=20)),
    "vit/image-classification": ("ViTForImageClassification", VIT | labels(5) | dict(
        image_size=[40, 24], qkv_bias=False, hidden_act="gelu_new")),
    "deit/base": ("DeiTModel", VIT | dict(num_attention_heads=2, pooler_act="relu")),
    "deit/image-classification": ("DeiTForImageClassification", VIT | labels(3) | dict(num_hidden_layers=1)),
    "deit/with-teacher": ("DeiTForImageClassificationWithTeacher", VIT | labels(3) | dict(num_hidden_layers=1)),
    "dinov2/base": ("Dinov2Model", DINO | dict(layer_norm_eps=1e-3)),
    "dinov2/image-classification": ("Dinov2ForImageClassification", DINO | labels(4) | dict(num_hidden_layers=1)),
    "dinov2/swiglu": ("Dinov2Model", DINO | dict(hidden_size=24, num_attention_heads=3, use_swiglu_ffn=True,
                                                 qkv_bias=False)),
    "dinov2_with_registers/base": ("Dinov2WithRegistersModel", DINO | dict(num_register_tokens=3)),
    "dinov2_with_registers/image-classification": ("Dinov2WithRegistersForImageClassification", DINO | labels(4) | dict(
        num_hidden_layers=1, num_register_tokens=2)),
    "vit_mae/base": ("ViTMAEModel", VIT),
    # Windows that pad every grid of the first image; at the end they are larger than the grids of all but one.
    "swin/base": ("SwinModel", SWIN | dict(depths=[2, 1, 2], num_heads=[2, 3, 4], window_size=3, layer_norm_eps=1e-3,
                                           patch_size=[3, 4], mlp_ratio=2.5)),
    # Shifted by an even and by an odd number, none; grids of odd sides merge.
    "swin/even-windows": ("SwinModel", SWIN | dict(embed_dim=10, depths=[2, 2], num_heads=[1, 4], window_size=4, patch_size=3,
                                                   use_absolute_embeddings=True, image_size=[45, 33])),
    "swin/image-classification": ("SwinForImageClassification", SWIN | labels(5) | dict(
        depths=[1, 2, 1], num_heads=[2, 2, 2], window_size=5, patch_size=5, qkv_bias=False, hidden_act="gelu_new",
        use_absolute_embeddings=True, image_size=32)),
    "clip/base": ("CLIPModel", dict(projection_dim=20, vision_config=VIT | dict(layer_norm_eps=1e-3),
                                    text_config=TEXT | dict(eos_token_id=98, hidden_act="gelu"))),
    "clip/legacy": ("CLIPModel", dict(projection_dim=12, vision_config=VIT | dict(num_hidden_layers=1),
                                      text_config=TEXT | dict(eos_token_id=2, num_hidden_layers=1))),
    "siglip/base": ("SiglipModel", dict(
        vision_config=VIT | dict(layer_norm_eps=1e-3),
        text_config=TEXT | dict(hidden_size=32, num_attention_heads=4, eos_token_id=98, projection_size=32))),
}

FAMILIES = ("Dinov2WithRegisters", "ViTMAE", "Dinov2", "Siglip", "CLIP", "DeiT", "ViT", "Swin")


# MARK: - Models and inputs

def make_model(class_name, settings, seed):
    """A float32 model of a transformers class with random weights."""
    family = next(family for family in FAMILIES if class_name.startswith(family))
    return randomize(getattr(transformers, class_name)(getattr(transformers, family + "Config")(**settings)), seed)


def make_images():
    """Prepared pixels, as processors give them: [3, height, width] each, of few bits so that git stores them in little room."""
    random = np.random.default_rng(seed_of("images"))
    return [shorten(torch.from_numpy(random.normal(size=(3, *size)).astype(np.float32))).numpy() for size in SIZES]


def make_texts(configuration):
    """Ids that end in the end-of-text token, and for one of them go on after it."""
    random = np.random.default_rng(seed_of("texts"))
    end = 98
    bodies = [random.integers(3, 97, length) for length in (1, 6, 19)]
    texts = [np.append(body, end) for body in bodies] + [np.concatenate([bodies[1], [end, 5, 7, end]])]
    return [text.astype(np.int32)[: configuration.max_position_embeddings] for text in texts]


# MARK: - Goldens

def run_image(model, pixels):
    """Runs one image alone.

    returns: ([layers + 1] hidden states [tokens, hidden], pooled vector or None, logits or None)
    """
    if type(model).__name__.startswith("Swin"):
        return run_swin(model, pixels)
    arguments = dict(pixel_values=torch.from_numpy(pixels[None]).to(model.dtype), output_hidden_states=True)
    name = type(model).__name__
    if not name.startswith("Dinov2") and pixels.shape[1:] != np_size(model.config.image_size):
        arguments["interpolate_pos_encoding"] = True
    if name.startswith("ViTMAE"):  # nothing is masked, and the patches stay in order
        model.config.mask_ratio = 0.0
        grid = [side // model.config.patch_size for side in pixels.shape[1:]]
        arguments["noise"] = torch.arange(grid[0] * grid[1])[None]
    with torch.no_grad():
        output = model(**arguments)
    states = [state[0].double().numpy() for state in output.hidden_states]
    if "last_hidden_state" in output:
        states[-1] = output.last_hidden_state[0].double().numpy()
    pooled = output["pooler_output"][0].double().numpy() if "pooler_output" in output else None
    logits = output.logits[0].double().numpy() if "logits" in output else None
    return states, pooled, logits


def run_swin(model, pixels):
    """As run_image; states of every block, the last of a stage with the patch merging after it.

    transformers remembers the window and shift of the smallest image that a model has seen, so each image gets a model of its
    own. It adds the bias of the configured window to a window that a smaller grid has made smaller, which fails. There the bias
    is that of the same distances: the middle of the table, in transformers' own module for windows of that size. It counts
    patches that an image fills in part when it embeds them, but not when it interpolates positions, which fails; here both do.
    """
    model = copy.deepcopy(model)
    configuration, states = model.config, []
    embeddings = getattr(model, "swin", model).embeddings

    def interpolate(patches, height, width):
        table = embeddings.position_embeddings.unflatten(1, embeddings.patch_embeddings.grid_size).permute(0, 3, 1, 2)
        grid = [-(-side // patch) for side, patch in zip((height, width), embeddings.patch_embeddings.patch_size)]
        return torch.nn.functional.interpolate(table, size=grid, mode="bicubic", align_corners=False).flatten(2).mT

    embeddings.interpolate_pos_encoding = interpolate

    def fit_bias(layer, arguments):
        size, window = configuration.window_size, min(arguments[1])
        if window < size:
            whole = layer.attention.relative_position_bias.relative_position_bias_table
            middle = slice(size - window, size + window - 1)
            table = whole.reshape(2 * size - 1, 2 * size - 1, -1)[middle, middle].reshape((2 * window - 1) ** 2, -1)
            bias = SwinRelativePositionBias(whole.shape[1], (window, window))
            bias.relative_position_bias_table = torch.nn.Parameter(table.clone())
            layer.attention.relative_position_bias = bias

    def keep(module, arguments, output):
        states.append(output[0][0].double().numpy())

    def keep_merged(stage, arguments, output):
        states[-1] = output[0][0].double().numpy()

    embeddings.register_forward_hook(keep)
    for module in model.modules():
        if isinstance(module, SwinLayer):
            module.register_forward_pre_hook(fit_bias)
            module.register_forward_hook(keep)
        if isinstance(module, SwinStage):
            module.register_forward_hook(keep_merged)
    with torch.no_grad():
        output = model(pixel_values=torch.from_numpy(pixels[None]).to(model.dtype), interpolate_pos_encoding=True)
    if "logits" in output:
        return states, None, output.logits[0].double().numpy()
    states[-1] = output.last_hidden_state[0].double().numpy()
    return states, output.pooler_output[0].double().numpy(), None


def np_size(size):
    """[height, width] of a config's image_size."""
    return (size, size) if isinstance(size, int) else tuple(size)


def run_text(model, ids):
    """Runs the text tower on one sequence. returns: (states, projected vector)"""
    with torch.no_grad():
        output = model.get_text_features(torch.from_numpy(ids[None].astype(np.int64)), output_hidden_states=True)
    states = [state[0].double().numpy() for state in output.hidden_states]
    states[-1] = output.last_hidden_state[0].double().numpy()
    return states, output.pooler_output[0].double().numpy()


def run_towers(model, images, texts):
    """Both towers, and transformers' own similarity of all images with all texts, where the texts are alone."""
    tensors = {}
    for index, pixels in enumerate(images):
        arguments = dict(pixel_values=torch.from_numpy(pixels[None]).to(model.dtype), interpolate_pos_encoding=True)
        with torch.no_grad():
            output = model.get_image_features(**arguments, output_hidden_states=True)
        for layer, state in enumerate(output.hidden_states):
            tensors[f"hidden.{layer}.{index}"] = state[0]
        tensors[f"hidden.{len(output.hidden_states) - 1}.{index}"] = output.last_hidden_state[0]
        tensors[f"vector.{index}"] = output.pooler_output[0]
        for number, ids in enumerate(texts):
            with torch.no_grad():
                joint = model(input_ids=torch.from_numpy(ids[None].astype(np.int64)), **arguments)
            tensors[f"similarity.{index}.{number}"] = joint.logits_per_image[0]
    tensors = {key: value.double().numpy() for key, value in tensors.items()}
    for number, ids in enumerate(texts):
        states, vector = run_text(model, ids)
        for layer, state in enumerate(states):
            tensors[f"text.hidden.{layer}.{number}"] = state
        tensors[f"text.vector.{number}"] = vector
    return tensors


def run_all(model, images):
    """Every image that the model takes; states of all layers of the first two, and the last ones of the others."""
    tensors = {}
    for index, pixels in enumerate(images):
        size = np_size(model.config.image_size)
        if size[0] != size[1] and pixels.shape[1:] != size:
            continue  # transformers interpolates positions of square grids only
        states, pooled, logits = run_image(model, pixels)
        if logits is not None:
            tensors[f"logits.{index}"] = logits
            continue
        for layer, state in enumerate(states):
            if index < 2 or layer == len(states) - 1:
                tensors[f"hidden.{layer}.{index}"] = state
        if pooled is not None:
            tensors[f"vector.{index}"] = pooled
    return tensors


def make_checkpoint(name, images):
    """Writes one checkpoint of CHECKPOINTS and its goldens."""
    class_name, settings = CHECKPOINTS[name]
    directory = HERE / name
    shutil.rmtree(directory, ignore_errors=True)
    make_model(class_name, settings, seed_of(name)).save_pretrained(directory)
    single, exact = load(class_name, directory), load(class_name, directory).double()
    tensors = {}
    if hasattr(single, "text_model"):
        texts = make_texts(single.config.text_config)
        tensors = {"text.ids": np.concatenate(texts), "text.offsets": np.cumsum([0] + [len(ids) for ids in texts])}
        goldens, others = run_towers(exact, images, texts), run_towers(single, images, texts)
    else:
        goldens, others = run_all(exact, images), run_all(single, images)
    worst = max(relative_error(others[key], golden) for key, golden in goldens.items())
    assert worst < FLOAT32_TOLERANCE, f"{name}: float32 is {worst} away from float64"
    tensors = {key: value.astype(np.int32) for key, value in tensors.items()}
    # safetensors writes memory as it lies.
    tensors |= {key: np.ascontiguousarray(value, np.float32) for key, value in goldens.items()}
    save_file(tensors, directory / "golden.safetensors", metadata=made_with(class_name))
    make_readable(directory)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[""], help="beginnings of names, for example vit/base clip")
    chosen = tuple(parser.parse_args().only)
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    images = make_images()
    PIXELS.parent.mkdir(exist_ok=True)
    save_file({str(index): pixels for index, pixels in enumerate(images)}, PIXELS)
    make_readable(PIXELS.parent)
    for name in CHECKPOINTS:
        if name.startswith(chosen):
            worst = make_checkpoint(name, images)
            size = sum(path.stat().st_size for path in (HERE / name).rglob("*") if path.is_file())
            print(f"{name:45} {size / 1024:7.1f} KiB   float32 differs by {worst:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
