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


def draw_swin(random):
    """A Swin of odd sizes: windows that divide no grid, images that no patch divides."""
    stages, patch = int(random.integers(1, 4)), int(random.integers(1, 6))
    heads = [int(random.integers(1, 4)) for _ in range(stages)]
    side = patch * int(random.integers(4, 16)) + int(random.integers(3))
    settings = dict(embed_dim=int(np.lcm.reduce(heads)) * int(random.integers(1, 8)), patch_size=patch, image_size=side,
                    depths=[int(random.integers(1, 4)) for _ in range(stages)], num_heads=heads,
                    window_size=int(random.integers(1, 9)), mlp_ratio=float(random.choice([1, 2.5, 3.3, 4])),
                    qkv_bias=bool(random.integers(2)), hidden_act=str(random.choice(ACTIVATIONS)),
                    num_channels=int(random.choice([1, 3])), use_absolute_embeddings=bool(random.integers(2)),
                    layer_norm_eps=float(random.choice([1e-12, 1e-5, 1e-3])))
    sizes = [(side, side)] + [tuple(int(s) for s in random.integers(1, 2 * side, 2)) for _ in range(4)]
    return settings, [random.normal(size=(settings["num_channels"], *size)).astype(np.float32) for size in sizes]


@pytest.mark.parametrize("seed", range(4 * len(SEEDS)))
def test_swin(seed, tmp_path):
    random = np.random.default_rng([seed, 77])
    settings, images = draw_swin(random)
    make_model("SwinModel", settings, seed).save_pretrained(tmp_path / "base")
    theirs, ours = load("SwinModel", tmp_path / "base").double(), nestling.load(tmp_path / "base")
    wanted = [run_image(theirs, image) for image in images]
    assert ours.layers == sum(settings["depths"])
    for layer in range(ours.layers + 1):
        for image, (states, _, _), state in zip(images, wanted, ours.hidden_states(pixels=images, layer=layer)):
            assert state.shape == states[layer].shape
            assert_close(state, states[layer], f"{settings}: layer {layer} of {image.shape}")
    vectors = ours.encode(pixels=images)
    for image, (_, pooled, _), vector in zip(images, wanted, vectors):
        assert_close(vector, pooled, f"{settings}: vector of {image.shape}")
    # Bits depend on neither batch, slices nor threads.
    for image, vector in zip(images, vectors):
        with nestling.threads(1):
            assert np.array_equal(ours.encode(pixels=image), vector)
    make_model("SwinForImageClassification", settings | labels(5), seed).save_pretrained(tmp_path / "classes")
    theirs = load("SwinForImageClassification", tmp_path / "classes").double()
    for image, scores in zip(images, nestling.load(tmp_path / "classes").logits(pixels=images)):
        assert_close(scores, run_image(theirs, image)[2], f"{settings}: logits of {image.shape}")


@pytest.mark.parametrize("size", ((40, 40), (48, 36), (80, 64)))
def test_swin_as_transformers_runs_it(size, tmp_path):
    """Where grids are no smaller than windows transformers runs as it is, without the reference's corrections."""
    settings = dict(embed_dim=12, depths=[2, 2], num_heads=[2, 3], patch_size=4, window_size=4, image_size=48)
    make_model("SwinModel", settings, 5).save_pretrained(tmp_path)
    image = np.random.default_rng(5).normal(size=(3, *size)).astype(np.float32)
    with torch.no_grad():
        wanted = load("SwinModel", tmp_path)(torch.from_numpy(image[None]), output_hidden_states=True)
    ours = nestling.load(tmp_path)
    for stage, layer in enumerate((0, 2)):
        assert_close(ours.hidden_states(pixels=image, layer=layer), wanted.hidden_states[stage][0].numpy(), f"stage {stage}")
    assert_close(ours.hidden_states(pixels=image), wanted.last_hidden_state[0].numpy(), "states")
    assert_close(ours.encode(pixels=image), wanted.pooler_output[0].numpy(), "vector")


def test_swin_submodels(tmp_path):
    """A ratio of widths and fewer blocks in a stage are an ordinary Swin, as long as shifted blocks stay shifted ones."""
    settings = dict(embed_dim=12, depths=[2, 4, 2], num_heads=[2, 4, 4], patch_size=4, window_size=3, image_size=48)
    make_model("SwinModel", settings, 6).save_pretrained(tmp_path / "whole")
    whole = nestling.load(tmp_path / "whole")
    image = np.random.default_rng(6).normal(size=(3, 44, 61)).astype(np.float32)
    for number, (spec, isPlain) in enumerate((
            (dict(ffn=0.5), True), (dict(layers=[0, 1, 4, 5, 6, 7], ffn=0.25), True), (dict(layers=[0, 1, 2, 5, 6, 7]), True),
            (dict(layers=[1, 2, 3, 4, 5, 6]), False), (dict(heads=0.5), False), (dict(ffn=20), False))):
        small, saved = whole.submodel(**spec), tmp_path / str(number)
        small.save(saved)
        assert (saved / "nestling.json").exists() != isPlain, spec
        assert np.array_equal(nestling.load(saved).hidden_states(pixels=image), small.hidden_states(pixels=image))
        if isPlain:
            states, pooled, _ = run_image(load("SwinModel", saved), image)
            assert_close(small.hidden_states(pixels=image), states[-1], str(spec))
            assert_close(small.encode(pixels=image), pooled, str(spec))
    with pytest.raises(nestling.Error, match="layer 1 ends a stage"):
        whole.submodel(layers=[0, 2, 3, 4, 5, 6])
    with pytest.raises(nestling.Error, match="cannot be reduced"):
        whole.encode(pixels=image, reduction=nestling.ToMe(r=2))


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
