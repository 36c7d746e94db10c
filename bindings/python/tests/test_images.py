"""Models of images: pixels in, vectors, hidden states and scores out."""

import pathlib

import nestling
import numpy as np
import pytest
from support import read_safetensors, relative_error


@pytest.fixture(scope="module")
def images(fixtures: pathlib.Path) -> list[np.ndarray]:
    pixels = read_safetensors(fixtures / "vision" / "pixels.safetensors")
    return [pixels[str(index)] for index in range(4)]


@pytest.fixture(scope="module")
def vit(fixtures: pathlib.Path) -> nestling.Model:
    return nestling.load(fixtures / "vit" / "base")


@pytest.fixture(scope="module")
def golden(fixtures: pathlib.Path) -> dict[str, np.ndarray]:
    return read_safetensors(fixtures / "vit" / "base" / "golden.safetensors")


def test_hidden_states(vit, golden, images):
    for layer in range(vit.layers + 1):
        states = vit.hidden_states(pixels=images, layer=layer)
        assert [len(state) for state in states] == [17, 16, 13, 21]
        for index, state in enumerate(states):
            if f"hidden.{layer}.{index}" in golden:
                assert relative_error(state, golden[f"hidden.{layer}.{index}"]) < 1e-4


def test_vectors(vit, golden, images):
    vectors = vit.encode(pixels=images)
    assert vectors.shape == (4, 20) == (4, vit.output_dimensions)
    for index, vector in enumerate(vectors):
        assert relative_error(vector, golden[f"vector.{index}"]) < 1e-4
    lengths = np.linalg.norm(vit.encode(pixels=images, normalize_embeddings=True, truncate_dim=7), axis=1)
    assert np.allclose(lengths, 1)


def test_logits(fixtures, images):
    model = nestling.load(fixtures / "deit" / "with-teacher")
    golden = read_safetensors(fixtures / "deit" / "with-teacher" / "golden.safetensors")
    assert model.default_head == "sequence_classification" and model.labels == 3
    for index, scores in enumerate(model.logits(pixels=images)):
        assert scores.shape == (3,) and relative_error(scores, golden[f"logits.{index}"]) < 1e-4
    assert np.array_equal(model.logits(pixels=images[1]), model.logits(pixels=images)[1])


def test_batches_and_single_images(vit, images):
    """An array [n, 3, h, w], a list, and one image; any strides; other types of numbers."""
    alone = vit.hidden_states(pixels=images[0])
    assert alone.shape == (17, 32)
    stacked = vit.hidden_states(pixels=np.stack([images[0]] * 3))
    assert len(stacked) == 3 and all(np.array_equal(state, alone) for state in stacked)
    strided = np.asfortranarray(images[0])
    for other in (strided, images[0].transpose(1, 2, 0).copy().transpose(2, 0, 1), images[0].astype(np.float64)):
        assert np.array_equal(vit.hidden_states(pixels=other), alone)
    backwards = images[0][:, ::-1, ::-1].copy()[:, ::-1, ::-1]
    assert np.array_equal(vit.hidden_states(pixels=backwards), alone)
    flat = np.broadcast_to(np.float32(0.5), (3, 32, 32))
    assert np.array_equal(vit.hidden_states(pixels=flat), vit.hidden_states(pixels=flat.copy()))
    assert vit.hidden_states(pixels=[]) == [] and vit.encode(pixels=[]).shape == (0, 20)


def test_description(vit):
    assert vit.describe()["image"] == {
        "channels": 3, "height": 32, "width": 32, "patch_height": 8, "patch_width": 8, "prefix_tokens": 1}  # fmt: skip
    assert vit.describe()["pooling"] == ["cls"] and vit.vocabulary_size == 0 and vit.maximum_tokens is None


def test_merging(vit, images):
    states = vit.hidden_states(pixels=images, reduction={"method": "tome", "r": 4, "protect": "first"})
    assert [len(state) for state in states] == [9, 8, 5, 13]
    maps = vit.token_map(pixels=images, reduction={"method": "tome", "r": 4, "protect": "first"})
    assert [len(rows) for rows in maps] == [17, 16, 13, 21]
    assert [rows.max() + 1 for rows in maps] == [9, 8, 5, 13]
    assert len(vit.token_map(pixels=images[1], reduction=nestling.ToMe(r=2))) == 16
    unmerged = vit.hidden_states(pixels=images, reduction=nestling.ToMe(r=4), unmerge=True)
    assert [len(state) for state in unmerged] == [17, 16, 13, 21]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "int4"])
@pytest.mark.parametrize("name", ["vit/base", "dinov2/base", "dinov2/swiglu"])
def test_dtypes_and_packed_files(fixtures, images, name, dtype, tmp_path):
    """Rounded as far as a network of 32 features can be; scales (DINOv2) are in the packed weights and not applied twice."""
    model = nestling.load(fixtures / name, dtype=dtype)
    expected = nestling.load(fixtures / name).encode(pixels=images)
    limit = {"float32": 1e-9, "bfloat16": 0.03, "int8": 0.06, "int4": 0.4}[dtype]
    assert relative_error(model.encode(pixels=images), expected) < limit
    model.save(tmp_path / "packed", packed=True)
    again = nestling.load(tmp_path / "packed")
    assert again.dtype == dtype
    assert np.array_equal(again.encode(pixels=images), model.encode(pixels=images))


def test_submodels(vit, images, tmp_path):
    small = vit.submodel(ffn=40, layers=[1])
    small.save(tmp_path / "small")
    again = nestling.load(tmp_path / "small")
    assert again.layers == 1 and not (tmp_path / "small" / "nestling.json").exists()
    for ours, theirs in zip(again.hidden_states(pixels=images), small.hidden_states(pixels=images)):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["vit/base", "dinov2/base", "dinov2/swiglu", "dinov2_with_registers/base", "vit_mae/base"])
@pytest.mark.parametrize("packed", [False, True])
def test_submodels_that_transformers_cannot_express(fixtures, images, name, packed, tmp_path):
    whole = nestling.load(fixtures / name)
    for spec in (dict(heads=1), dict(ffn=[20, 9]), dict(ffn=0.5, heads=[2, 1], output_dim=5)):
        small = whole.submodel(**spec)
        small.save(tmp_path / "small", packed=packed, overwrite=True)
        again = nestling.load(tmp_path / "small")
        assert np.array_equal(again.encode(pixels=images), small.encode(pixels=images))
        for ours, theirs in zip(again.hidden_states(pixels=images), small.hidden_states(pixels=images)):
            assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-4), ("bfloat16", 0.05), ("int8", 0.3), ("int4", 1.0)])
def test_swin(fixtures, images, dtype, tolerance, tmp_path):
    """Stages of other sizes: rows and columns of each layer are its own."""
    golden = read_safetensors(fixtures / "swin" / "base" / "golden.safetensors")
    model = nestling.load(fixtures / "swin" / "base", dtype=dtype)
    assert model.hidden_size == 24 and model.describe()["hidden_sizes"] == [6, 6, 12, 24, 24, 24]
    for layer in range(model.layers + 1):
        for index, state in enumerate(model.hidden_states(pixels=images, layer=layer)):
            if f"hidden.{layer}.{index}" in golden:
                assert state.shape == golden[f"hidden.{layer}.{index}"].shape
                assert relative_error(state, golden[f"hidden.{layer}.{index}"]) < tolerance
    vectors = model.encode(pixels=images)
    for index, vector in enumerate(vectors):
        assert relative_error(vector, golden[f"vector.{index}"]) < tolerance
    model.save(tmp_path / "packed", packed=True)
    assert np.array_equal(nestling.load(tmp_path / "packed").encode(pixels=images), vectors)
    scores = nestling.load(fixtures / "swin" / "image-classification", dtype=dtype).logits(pixels=images)
    assert [len(row) for row in scores] == [5] * 4
    for reduction in (nestling.ToMe(r=2), nestling.EViT(keep=0.5)):
        for call in (model.encode, model.hidden_states):
            with pytest.raises(nestling.UnsupportedError, match="swin model cannot be reduced"):
                call(pixels=images, reduction=reduction)
    with pytest.raises(nestling.UnsupportedError, match="swin model cannot be reduced"):
        model.estimate_reduction(64, nestling.ToMe(r=2))


def test_swin_tokens(fixtures, images):
    """Patches of 3 x 4 pixels: 11 x 8 of an image of 32 x 32, and a quarter of them, rounded up, after each stage."""
    with nestling.load(fixtures / "swin" / "base").session() as session:
        states = session.hidden_states(pixels=images[:1])
        assert [len(state) for state in states] == [6]
        (places,) = session.token_map()
        expected = [(row // 4) * 2 + column // 4 for row in range(11) for column in range(8)]
        assert np.array_equal(places, expected)


def test_refusals(vit, bert, images):
    for call in (vit.encode, vit.hidden_states):
        with pytest.raises(nestling.InvalidArgumentError, match="takes images, not token ids"):
            call([[1, 2, 3]])
        with pytest.raises(TypeError, match="exclude"):
            call([[1, 2, 3]], pixels=images)
        with pytest.raises(TypeError, match="missing"):
            call()
        for bad, what in [
            (images[0][0], "dimensions"),
            ([images[0], images[0][:1]], "image 1 has 1 channels, the model takes 3"),
            ([images[0], images[0][:, :7]], "image 1 of 32 x 7 pixels"),
            ([images[0], np.full((3, 32, 32), np.nan)], "image 1: .*nan"),
            ([images[0][:, :0]], "image 0"),
        ]:
            with pytest.raises(nestling.InvalidArgumentError, match=what):
                call(pixels=[bad] if bad is images[0][0] or getattr(bad, "ndim", 0) == 2 else bad)
        with pytest.raises(TypeError):
            call(pixels="text")
    with pytest.raises(nestling.InvalidArgumentError, match="takes token ids, not images"):
        bert.encode(pixels=images)
    with pytest.raises(nestling.InvalidArgumentError, match="pixels"):
        vit.encode(pixels=images, prompt="x")
    with pytest.raises(nestling.NotFoundError):
        vit.logits(pixels=images)


@pytest.mark.parametrize("name", ["clip/base", "clip/legacy", "siglip/base"])
def test_towers(fixtures, images, name):
    path = fixtures / name
    golden = read_safetensors(path / "golden.safetensors")
    texts, vision = (nestling.load(path, tower=tower) for tower in ("text", "vision"))
    assert [texts.describe()["tower"], vision.describe()["tower"]] == ["text", "vision"]
    offsets = golden["text.offsets"]
    ids = [golden["text.ids"][start:end].tolist() for start, end in zip(offsets, offsets[1:])]
    text_vectors, image_vectors = texts.encode(ids), vision.encode(pixels=images)
    for index, vector in enumerate(text_vectors):
        assert relative_error(vector, golden[f"text.vector.{index}"]) < 1e-4
    for index, vector in enumerate(image_vectors):
        assert relative_error(vector, golden[f"vector.{index}"]) < 1e-4
    scores = nestling.joint_similarity(texts, text_vectors, image_vectors)
    assert scores.shape == (4, 4)
    assert np.array_equal(scores, nestling.joint_similarity(vision, text_vectors, image_vectors))
    expected = [[golden[f"similarity.{image}.{text}"][0] for text in range(4)] for image in range(4)]
    assert np.allclose(scores, expected, rtol=1e-4, atol=1e-4)


def test_choosing_a_tower(fixtures, vit, images, tmp_path):
    path = fixtures / "clip" / "base"
    with pytest.raises(nestling.InvalidArgumentError, match="two towers"):
        nestling.load(path)
    with pytest.raises(nestling.InvalidArgumentError, match="no text tower"):
        nestling.load(fixtures / "vit" / "base", tower="text")
    with pytest.raises(nestling.InvalidArgumentError, match="tower must be"):
        nestling.load(path, tower="both")
    with pytest.raises(nestling.InvalidArgumentError, match="does not say"):
        nestling.joint_similarity(vit, [[1.0]], [[1.0]])
    report = nestling.check(path, values=True)
    assert report["valid"] and report["unused_tensors"] == []
    # A smaller tower is saved with the other one beside it; packed, it is alone.
    vision = nestling.load(path, tower="vision")
    small = vision.submodel(ffn=40, layers=[1])
    for packed in (False, True):
        saved = tmp_path / str(packed)
        small.save(saved, packed=packed)
        again = nestling.load(saved, tower="vision")
        assert np.array_equal(again.encode(pixels=images), small.encode(pixels=images))
    assert not (tmp_path / "False" / "nestling.json").exists()
    text = nestling.load(tmp_path / "False", tower="text")
    assert np.array_equal(text.encode([[5, 98]]), nestling.load(path, tower="text").encode([[5, 98]]))
    with pytest.raises(nestling.InvalidArgumentError, match="no text tower"):
        nestling.load(tmp_path / "True", tower="text")
