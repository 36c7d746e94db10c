"""Token merging against the NumPy reference, on random sequences and settings.

A float32 engine may decide a close call differently from float64: sequences in which any decision is closer than MARGIN are
left out, and counted, so that the test cannot become empty unnoticed.
"""

import nestling
import numpy as np
import pytest
from drawing import assert_close
from encoder import Encoder
from make_fixtures import HERE as FIXTURES
from make_vision_fixtures import make_model
from tome import Reduction

MARGIN = 2e-5
SETTINGS = [
    dict(r=1), dict(r=2), dict(r=5), dict(r=1000), dict(r=[4, 0, 3]), dict(r=4, schedule="decreasing"),
    dict(r=4, schedule="increasing"), dict(ratio=0.5), dict(ratio=0.9), dict(ratio=0.1), dict(ratio=1.0),
    dict(r=3, protect="none"), dict(r=3, protect="first"), dict(r=3, protect="last"),
    dict(r=3, proportional_attention=False),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=[" ".join(f"{k}={v}" for k, v in s.items()) for s in SETTINGS])
@pytest.mark.parametrize("name", ("bert/base", "mpnet/base", "modernbert/base"))
def test_merging(name, settings):
    encoder, model = Encoder(FIXTURES / name), nestling.load(FIXTURES / name)
    random = np.random.default_rng(31)
    batch, wanted = [], []
    lengths = [*range(1, 26), 33, 64, 128]
    for length in lengths:
        ids = random.integers(3, 100, length)
        run = encoder.run(ids, reduction=Reduction(**settings))
        if run.margin > MARGIN:
            batch.append(ids.tolist())
            wanted.append(run)
    assert len(batch) > len(lengths) * 0.6
    reduction = nestling.ToMe(**settings)
    with model.session() as session:
        states = session.hidden_states(batch, reduction=reduction)
        maps = {layer: session.token_map(layer or None) for layer in range(len(encoder.layers) + 1)}
        for layer, found in maps.items():
            for run, row in zip(wanted, found, strict=True):
                assert np.array_equal(row, run.maps[layer or -1]), f"map after layer {layer or 'last'}"
        for run, state in zip(wanted, states, strict=True):
            assert_close(state, run.states[-1], f"{len(run.maps[0])} tokens")
        unmerged = session.hidden_states(batch, reduction=reduction, unmerge=True)
        for run, state in zip(wanted, unmerged, strict=True):
            assert_close(state, run.unmerged(), f"{len(run.maps[0])} tokens unmerged")
        for layer in range(1, len(encoder.layers)):
            for run, state in zip(wanted, session.hidden_states(batch, layer=layer, reduction=reduction), strict=True):
                assert_close(state, run.states[layer], f"layer {layer}, {len(run.maps[0])} tokens")
    for ours, theirs in dict(mean="mean", cls="cls", last="lasttoken").items():
        vectors = model.encode(batch, reduction=reduction, pooling=ours, normalize_embeddings="never")
        for run, vector in zip(wanted, vectors, strict=True):
            assert_close(vector, run.pooled(theirs), f"{ours}, {len(run.maps[0])} tokens")


@pytest.mark.parametrize("proportional", (True, False))
def test_merging_in_a_vit_of_base_size(proportional, tmp_path_factory):
    """ViT-B/16 at 224 x 224, 13 of 197 tokens in each of 12 layers: 41 remain. Decisions are too many for all images to decide
    them clearly; in float32 similarities are some 1e-7 away."""
    folder = tmp_path_factory.getbasetemp() / "vit-base-size"
    if not folder.exists():
        make_model("ViTModel", {}, seed=41).save_pretrained(folder)
    encoder, model = Encoder(folder), nestling.load(folder)
    random = np.random.default_rng(42)
    images, wanted = [], []
    for _ in range(8):
        image = random.normal(size=(3, 224, 224)).astype(np.float32)
        settings = dict(r=13, protect="first", proportional_attention=proportional)
        run = encoder.run(image, reduction=Reduction(**settings))
        if run.margin > 2e-6:
            images.append(image)
            wanted.append(run)
        if len(images) == 2:
            break
    assert len(images) == 2
    with model.session() as session:
        states = session.hidden_states(pixels=images, reduction=nestling.ToMe(**settings))
        for run, row in zip(wanted, session.token_map(None), strict=True):
            assert np.array_equal(row, run.maps[-1])
        for run, state in zip(wanted, states, strict=True):
            assert state.shape == (41, 768)
            assert_close(state, run.states[-1], "states")
