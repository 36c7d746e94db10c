"""Fresh random models of every family of images: Nestling in one ragged batch against transformers, one by one."""

import os

import nestling
import numpy as np
import pytest
import torch
import transformers
from drawing import ACTIVATIONS, assert_close
from make_fixtures import labels, load, randomize
from make_vision_fixtures import TEXT, VIT, make_images, make_model, run_image, run_towers

SEEDS = range(int(os.environ.get("NESTLING_PARITY_SEEDS", "3")))
CLASSES = ("ViTModel", "ViTForImageClassification", "DeiTModel", "DeiTForImageClassification",
           "DeiTForImageClassificationWithTeacher", "Dinov2Model", "Dinov2ForImageClassification",
           "Dinov2WithRegistersModel", "Dinov2WithRegistersForImageClassification", "ViTMAEModel")


def draw_settings(class_name, random):
    """A configuration of odd sizes."""
    heads, patch = int(random.integers(1, 5)), int(random.integers(3, 9))
    settings = dict(hidden_size=heads * int(random.integers(5, 20)), num_attention_heads=heads, patch_size=patch,
                    num_hidden_layers=int(random.integers(1, 4)), image_size=patch * int(random.integers(2, 6)) + 1,
                    num_channels=int(random.choice([1, 3])), layer_norm_eps=float(random.choice([1e-12, 1e-6, 1e-3])),
                    qkv_bias=bool(random.integers(2)), hidden_act=str(random.choice(ACTIVATIONS)))
    if "Classification" in class_name:
        settings |= labels(int(random.integers(1, 9)))
    if not class_name.startswith("Dinov2"):
        return settings | dict(intermediate_size=int(random.integers(9, 200)))
    settings |= dict(mlp_ratio=int(random.integers(1, 5)), use_swiglu_ffn=bool(random.integers(2)))
    return settings | (dict(num_register_tokens=int(random.integers(1, 6))) if "Registers" in class_name else {})


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("class_name", CLASSES)
def test_family(class_name, seed, tmp_path):
    random = np.random.default_rng([seed, CLASSES.index(class_name)])
    settings = draw_settings(class_name, random)
    make_model(class_name, settings, seed).save_pretrained(tmp_path)
    theirs, ours = load(class_name, tmp_path), nestling.load(tmp_path)
    side, patch = settings["image_size"], settings["patch_size"]
    sizes = [(side, side)] + [tuple(int(s) for s in random.integers(patch, 3 * side, 2)) for _ in range(4)]
    images = [random.normal(size=(settings["num_channels"], *size)).astype(np.float32) for size in sizes]
    wanted = [run_image(theirs, image) for image in images]
    if "Classification" in class_name:
        assert ours.default_head == "sequence_classification"
        for size, (_, _, logits), scores in zip(sizes, wanted, ours.logits(pixels=images)):
            assert_close(scores, logits, f"logits of {size}")
        return
    for layer in range(ours.layers + 1):
        for size, (states, _, _), state in zip(sizes, wanted, ours.hidden_states(pixels=images, layer=layer)):
            assert_close(state, states[layer], f"layer {layer} of {size}")
    for size, (_, pooled, _), vector in zip(sizes, wanted, ours.encode(pixels=images)):
        if pooled is not None:
            assert_close(vector, pooled, f"vector of {size}")


def test_saved_submodel_loads_in_transformers(tmp_path):
    """Fewer layers and a narrower FFN are an ordinary ViT; a DINOv2 keeps its scales."""
    random = np.random.default_rng(7)
    image = random.normal(size=(3, 40, 24)).astype(np.float32)
    sizes = dict(hidden_size=24, num_attention_heads=3, num_hidden_layers=3, image_size=32, patch_size=8)
    for class_name, more, ffn in (("ViTModel", dict(intermediate_size=50), 20), ("Dinov2Model", dict(mlp_ratio=3), 48)):
        whole, saved = tmp_path / class_name / "whole", tmp_path / class_name / "saved"
        make_model(class_name, sizes | more, 7).save_pretrained(whole)
        small = nestling.load(whole).submodel(layers=[0, 2], ffn=ffn)
        small.save(saved)
        assert not (saved / "nestling.json").exists()
        theirs = load(class_name, saved)
        states, _, _ = run_image(theirs, image)
        assert len(states) == 3 and torch.is_tensor(next(theirs.parameters()))
        assert_close(small.hidden_states(pixels=image), states[-1], class_name)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", ("CLIP", "Siglip"))
def test_towers(family, seed, tmp_path):
    random = np.random.default_rng(seed)
    heads, patch, end = int(random.integers(1, 5)), int(random.integers(3, 9)), 90
    hidden = heads * int(random.integers(5, 20))
    common = dict(num_attention_heads=heads, hidden_size=hidden, num_hidden_layers=int(random.integers(1, 4)),
                  intermediate_size=int(random.integers(9, 150)), layer_norm_eps=float(random.choice([1e-6, 1e-3])))
    text = common | dict(vocab_size=95, max_position_embeddings=30, bos_token_id=1, pad_token_id=0, projection_size=hidden,
                         eos_token_id=int(random.choice([2, end])))
    vision = common | dict(image_size=patch * int(random.integers(2, 6)), patch_size=patch)
    settings = dict(text_config=text, vision_config=vision) | (dict(projection_dim=17) if family == "CLIP" else {})
    make_model(family + "Model", settings, seed).save_pretrained(tmp_path)
    theirs = load(family + "Model", tmp_path)
    texts = [np.append(random.integers(3, end, length), end).astype(np.int32) for length in (1, 8, 29)]
    sizes = [(vision["image_size"],) * 2, tuple(int(side) for side in random.integers(patch, 60, 2))]
    images = [random.normal(size=(3, *size)).astype(np.float32) for size in sizes]
    wanted = run_towers(theirs, images, texts)
    ours = {tower: nestling.load(tmp_path, tower=tower) for tower in ("text", "vision")}
    vectors = ours["text"].encode([ids.tolist() for ids in texts]), ours["vision"].encode(pixels=images)
    for prefix, rows in zip(("text.", ""), vectors):
        for index, row in enumerate(rows):
            assert_close(row, wanted[f"{prefix}vector.{index}"], f"{prefix}vector {index}")
    states = ours["vision"].hidden_states(pixels=images)
    for index, state in enumerate(states):
        assert_close(state, wanted[f"hidden.{ours['vision'].layers}.{index}"], f"states of image {index}")
    scores = nestling.joint_similarity(ours["text"], *vectors)
    reference = [[wanted[f"similarity.{i}.{t}"][0] for t in range(len(texts))] for i in range(len(images))]
    assert np.allclose(scores, reference, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("class_name,output", (
    ("CLIPTextModel", "pooler_output"), ("CLIPTextModelWithProjection", "text_embeds"), ("CLIPVisionModel", "pooler_output"),
    ("CLIPVisionModelWithProjection", "image_embeds"), ("SiglipTextModel", "pooler_output"),
    ("SiglipVisionModel", "pooler_output")))
def test_one_tower_alone(class_name, output, tmp_path):
    """Checkpoints of one tower need no choice."""
    tower = "text" if "Text" in class_name else "vision"
    family = "CLIP" if class_name.startswith("CLIP") else "Siglip"
    settings = TEXT | dict(eos_token_id=98) if tower == "text" else VIT
    settings |= dict(projection_dim=14) if family == "CLIP" else {}
    configuration = getattr(transformers, f"{family}{tower.title()}Config")(**settings)
    randomize(getattr(transformers, class_name)(configuration), 3).save_pretrained(tmp_path)
    theirs, ours = load(class_name, tmp_path), nestling.load(tmp_path)
    assert ours.describe()["tower"] == tower
    ids, pixels = [5, 9, 11, 98, 7], make_images()[1]
    if tower == "text":
        wanted = theirs(input_ids=torch.tensor([ids]))
        states, vector = ours.hidden_states(ids), ours.encode(ids)
    else:
        wanted = theirs(pixel_values=torch.from_numpy(pixels[None]), interpolate_pos_encoding=True)
        states, vector = ours.hidden_states(pixels=pixels), ours.encode(pixels=pixels)
    assert_close(states, wanted.last_hidden_state[0].numpy(), "states")
    assert_close(vector, wanted[output][0].numpy(), "vector")
