"""Submodels: against models cut by hand in transformers, and after saving them."""

import json

import nestling
import numpy as np
import pytest
from drawing import FAMILIES, HEADS, assert_close, draw_inputs, draw_model, expected
from make_fixtures import load

SHARED = ("Albert",)  # all layers use the same weights: dropping one means running the others less often


@pytest.mark.parametrize("head", ("Model", "ForMaskedLM", "ForSequenceClassification"))
@pytest.mark.parametrize("family", FAMILIES)
def test_saved_submodel_loads_in_transformers(family, head, tmp_path):
    """One FFN width and fewer layers: transformers reads what was saved and gives the states of the view."""
    theirs = draw_model(family, head, 21, tmp_path / "full", **layer_setting(family, 4))
    ids, types = draw_inputs(theirs, 21, (1, 2, 17, 128))
    full = nestling.load(tmp_path / "full")
    width = full.describe()["ffn_widths"][0]
    arguments = dict(ffn=max(1, (width * 3) // 5))
    if family not in SHARED:
        arguments["layers"] = [0, 1, 3]
    view = full.submodel(**arguments)
    view.save(tmp_path / "cut")
    again = nestling.load(tmp_path / "cut")
    cut = load(family + head, tmp_path / "cut")
    for index, (states, logits) in enumerate(expected(cut, ids, types)):
        one, one_types = [ids[index]], types and [types[index]]
        assert_close(view.hidden_states(one, token_type_ids=one_types)[0], states[-1], "view")
        assert_close(again.hidden_states(one, token_type_ids=one_types)[0], states[-1], "saved")
        assert_close(again.hidden_states(one, token_type_ids=one_types)[0],
                     view.hidden_states(one, token_type_ids=one_types)[0], "saved against view", 1e-6)
        if HEADS[head]:
            reference = logits[0] if head == "ForSequenceClassification" else logits
            assert_close(view.logits(one, token_type_ids=one_types)[0], reference, "logits of the view")
            assert_close(again.logits(one, token_type_ids=one_types)[0], reference, "logits after saving")


def layer_setting(family, count):
    """The configuration entry for a number of layers."""
    settings = {"n_layers" if family == "DistilBert" else "num_hidden_layers": count}
    if family == "Albert":
        settings |= dict(num_hidden_groups=1, inner_group_num=1)
    return settings


@pytest.mark.parametrize("family", FAMILIES)
def test_full_ratio_is_the_full_model(family, tmp_path):
    theirs = draw_model(family, "Model", 22, tmp_path)
    ids, types = draw_inputs(theirs, 22, (1, 33))
    model = nestling.load(tmp_path)
    for arguments in (dict(ffn=1.0), dict(heads=1.0), dict(ffn=1.0, heads=1.0, layers=list(range(model.layers)))):
        view = model.submodel(**arguments)
        for a, b in zip(view.hidden_states(ids, token_type_ids=types), model.hidden_states(ids, token_type_ids=types)):
            assert a.tobytes() == b.tobytes(), arguments


@pytest.mark.parametrize("family", ("Bert", "ModernBert", "MPNet", "DistilBert"))
def test_mixed_submodel_survives_saving(family, tmp_path):
    """Widths that transformers cannot express are kept in nestling.json, which says so."""
    theirs = draw_model(family, "Model", 23, tmp_path / "full", **layer_setting(family, 3))
    ids, types = draw_inputs(theirs, 23, (1, 2, 40))
    model = nestling.load(tmp_path / "full")
    widths, heads = model.describe()["ffn_widths"], model.describe()["heads"]
    view = model.submodel(ffn=[1, widths[1], max(1, widths[2] // 3)], heads=[1, heads[1], max(1, heads[2] - 1)])
    view.save(tmp_path / "cut")
    described = json.loads((tmp_path / "cut" / "nestling.json").read_text())
    assert described["not_in_transformers"]
    again = nestling.load(tmp_path / "cut")
    for a, b in zip(again.hidden_states(ids, token_type_ids=types), view.hidden_states(ids, token_type_ids=types)):
        assert_close(a, b, "saved against view", 1e-6)


@pytest.mark.parametrize("name", ("bert/base", "mpnet/base", "modernbert/base"))
def test_views_equal_the_reference(name):
    """Random widths, heads and layers against the NumPy encoder."""
    from encoder import Encoder, Part
    from make_fixtures import HERE as FIXTURES

    encoder, model = Encoder(FIXTURES / name), nestling.load(FIXTURES / name)
    random = np.random.default_rng(24)
    for _ in range(30):
        count = len(encoder.layers)
        layers = np.flatnonzero(random.random(count) < 0.7).tolist() or [int(random.integers(count))]
        widths = random.integers(1, len(encoder.layers[0].up[0]) + 1, len(layers)).tolist()
        heads = random.integers(1, encoder.layers[0].heads + 1, len(layers)).tolist()
        ids = random.integers(3, 100, int(random.integers(1, 40)))
        view = model.submodel(layers=layers, ffn=widths, heads=heads)
        wanted = encoder.run(ids, part=Part(layers, widths, heads)).states[-1]
        assert_close(view.hidden_states([ids.tolist()])[0], wanted, f"{layers} {widths} {heads}")


def test_output_dimensions(tmp_path):
    theirs = draw_model("Bert", "Model", 25, tmp_path)
    ids, _ = draw_inputs(theirs, 25, (1, 9, 30))
    model = nestling.load(tmp_path)
    full = model.encode(ids)
    for dimensions in (1, 3, model.output_dimensions):
        short = model.submodel(output_dim=dimensions)
        assert short.output_dimensions == dimensions
        assert np.array_equal(short.encode(ids), full[:, :dimensions])
        unit = short.encode(ids, normalize_embeddings=True)
        wanted = full[:, :dimensions] / np.linalg.norm(full[:, :dimensions], axis=1, keepdims=True)
        assert_close(unit, wanted, "normalized after cutting", 1e-6)
