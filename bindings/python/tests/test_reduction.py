"""Token merging, against the NumPy reference of Tests/Reference."""

from __future__ import annotations

import csv
import io
import json
import pathlib
from typing import Any

import numpy as np
import pytest
from support import read_safetensors, relative_error, split

import nestling
from nestling.reduction import to_json

TOLERANCE = 1e-4


def read_goldens(path: pathlib.Path, name: str) -> tuple[nestling.Model, dict[str, Any], dict[str, Any]]:
    """The checkpoint at `path`, the arrays of a golden file with its sequences and their types, and its cases."""
    model, golden = nestling.load(path), dict(read_safetensors(path / f"{name}.safetensors"))
    golden["sequences"] = split(golden["ids"], golden["offsets"])
    typed = model.info.token_types > 1
    golden["types"] = split(golden["token_type_ids"], golden["offsets"]) if typed else None
    return model, golden, json.loads((path / f"{name}.json").read_text())


def test_json() -> None:
    assert to_json(None) is None
    assert to_json('{"as": "is"}') == '{"as": "is"}'
    assert json.loads(to_json(nestling.ToMe(r=8)) or "") == {"method": "tome", "r": 8}
    assert json.loads(to_json(nestling.ToMe(r=range(3))) or "")["r"] == [0, 1, 2]
    assert json.loads(to_json(nestling.ToMe(r=np.array([2, 1]))) or "")["r"] == [2, 1]  # type: ignore[arg-type]
    full = nestling.ToMe(ratio=0.5, schedule="decreasing", protect="none", proportional_attention=False)
    assert json.loads(to_json(full) or "") == {
        "method": "tome",
        "ratio": 0.5,
        "schedule": "decreasing",
        "protect": "none",
        "proportional_attention": False,
    }


@pytest.mark.parametrize("wrong", [3, ["r"], object()])
def test_wrong_types(wrong: Any) -> None:
    with pytest.raises(TypeError):
        to_json(wrong)


def test_not_a_number() -> None:
    with pytest.raises(nestling.InvalidArgumentError):
        to_json(nestling.ToMe(ratio=float("nan")))


@pytest.mark.parametrize("family", ["bert", "mpnet", "modernbert"])
def test_states_maps_and_vectors_are_those_of_the_reference(fixtures: pathlib.Path, family: str) -> None:
    model, golden, cases = read_goldens(fixtures / family / "base", "tome")
    sequences, types = golden["sequences"], golden["types"]
    for name, case in cases.items():
        chosen = [sequences[index] for index in case["sequences"]]
        kinds = None if types is None else [types[index] for index in case["sequences"]]
        with model.session() as session:
            states = session.hidden_states(chosen, reduction=case["reduction"], token_type_ids=kinds)
            maps = session.token_map()
        assert [len(rows) for rows in states] == np.diff(golden[f"{name}.offsets"]).tolist(), name
        assert relative_error(np.concatenate(states), golden[f"{name}.states"]) <= TOLERANCE, name
        assert np.array_equal(np.concatenate(maps), golden[f"{name}.map"]), name
        assert [len(row) for row in maps] == [len(ids) for ids in chosen], name

        unmerged = model.hidden_states(chosen, reduction=case["reduction"], unmerge=True, token_type_ids=kinds)
        for rows, merged, row in zip(unmerged, states, maps):
            assert np.array_equal(rows, merged[row]), name

        vectors = model.encode(chosen, reduction=case["reduction"], token_type_ids=kinds, pooling="mean")
        assert relative_error(vectors, golden[f"{name}.pooled.mean"]) <= TOLERANCE, name


@pytest.mark.parametrize("family", ["bert", "mpnet", "modernbert"])
def test_other_methods_are_those_of_the_reference(fixtures: pathlib.Path, family: str) -> None:
    model, golden, cases = read_goldens(fixtures / family / "base", "reducers")
    sequences, types = golden["sequences"], golden["types"]
    for name, reduction in cases.items():
        with model.session() as session:
            states = session.hidden_states(sequences, reduction=reduction, token_type_ids=types)
            maps = session.token_map()
        assert relative_error(np.concatenate(states), golden[f"{name}.states"]) <= TOLERANCE, name
        assert np.array_equal(np.concatenate(maps), golden[f"{name}.map.{model.layers}"]), name
        unmerged = model.hidden_states(sequences, reduction=reduction, unmerge=True, token_type_ids=types)
        assert relative_error(np.concatenate(unmerged), golden[f"{name}.unmerged"]) <= TOLERANCE, name


def test_estimate(bert: nestling.Model) -> None:
    estimate = bert.estimate_reduction(100, nestling.ToMe(r=8))
    assert estimate["tokens"] == 100 and estimate["remaining"][0] == 92
    assert estimate["reduced_multiply_adds"] < estimate["multiply_adds"]
    assert estimate["pays"] is (estimate["speed_up"] >= 1.02)
    states = bert.hidden_states(list(range(5, 105)), reduction=nestling.LocalMerging(flops=0.6))
    assert len(states) == bert.estimate_reduction(100, {"method": "local", "flops": 0.6})["remaining"][-1]
    with pytest.raises(nestling.InvalidArgumentError, match="tokens"):
        bert.estimate_reduction(100_000, nestling.ToMe(r=8))


def test_methods_as_objects() -> None:
    made = [
        nestling.PiToMe(keep=0.9, margin=0.5),
        nestling.EViT(keep=0.7, layers=[4, 7, 10]),
        nestling.AttentionPruning(r=2, protect=[1, 0]),
        nestling.ToFu(r=2, prune_layers=1),
        nestling.LocalMerging(ratio=0.5, band=2, causal=True),
        nestling.MAELRE(flops=0.5, exact=1024, groups=128),
        nestling.TokenTransforming(keep=0.5, layers=range(1, 3), temperature=0.2, score="received"),
    ]
    assert [json.loads(to_json(reduction) or "") for reduction in made] == [
        {"method": "pitome", "keep": 0.9, "margin": 0.5},
        {"method": "evit", "keep": 0.7, "layers": [4, 7, 10]},
        {"method": "attention_received", "r": 2, "protect": [1, 0]},
        {"method": "tofu", "r": 2, "prune_layers": 1},
        {"method": "local", "ratio": 0.5, "band": 2, "causal": True},
        {"method": "maelre", "flops": 0.5, "exact": 1024, "groups": 128},
        {"method": "token_transforming", "keep": 0.5, "layers": [1, 2], "temperature": 0.2, "score": "received"},
    ]


def test_maps_of_every_layer(fixtures: pathlib.Path) -> None:
    path = fixtures / "bert" / "base"
    golden = read_safetensors(path / "tome.safetensors")
    case = json.loads((path / "tome.json").read_text())["r2"]
    chosen = [split(golden["ids"], golden["offsets"])[index] for index in case["sequences"]]
    kinds = [split(golden["token_type_ids"], golden["offsets"])[index] for index in case["sequences"]]
    model = nestling.load(path)
    for layer in (1, 2):
        maps = model.token_map(chosen, reduction=nestling.ToMe(r=2), layer=layer, token_type_ids=kinds)
        assert np.array_equal(np.concatenate(maps), golden[f"r2.map.{layer}"])


def test_a_sequence_merges_by_itself(bert: nestling.Model) -> None:
    generator = np.random.default_rng(2)
    batch = [generator.integers(0, bert.vocabulary_size, length) for length in (1, 2, 7, 30, 64)]
    together = bert.hidden_states(batch, reduction=nestling.ToMe(r=3))
    for sequence, rows in zip(batch, together):
        assert np.array_equal(bert.hidden_states(sequence, reduction=nestling.ToMe(r=3)), rows)


def test_without_reduction_a_token_stays_where_it_is(bert: nestling.Model) -> None:
    assert bert.token_map([5, 6, 7], reduction=None).tolist() == [0, 1, 2]
    assert [row.tolist() for row in bert.token_map([[5], [6, 7]], reduction=None)] == [[0], [0, 1]]
    assert bert.token_map([], reduction=None) == []


def test_merged_logits(fixtures: pathlib.Path) -> None:
    model = nestling.load(fixtures / "bert" / "token-classification")
    batch = [list(range(5, 15)), [5, 6, 7, 8, 9]]
    reduction = nestling.ToMe(r=2)
    merged = model.logits(batch, reduction=reduction)
    unmerged = model.logits(batch, reduction=reduction, unmerge=True)
    maps = model.token_map(batch, reduction=reduction)
    for sequence, short, long, row in zip(batch, merged, unmerged, maps):
        assert len(short) < len(sequence) == len(long)
        assert np.array_equal(long, short[row])
    classifier = nestling.load(fixtures / "bert" / "sequence-classification")
    assert [scores.shape for scores in classifier.logits(batch, reduction=reduction)] == [(3,), (3,)]


def test_token_maps_of_a_session(dense: nestling.Model) -> None:
    with dense.session() as session:
        with pytest.raises(nestling.NotFoundError):
            session.token_map()
        session.encode("a small bird sings in the old tree", reduction=nestling.ToMe(r=2), prompt="")
        assert len(session.token_map()) == len(dense.tokenize("a small bird sings in the old tree"))
        session.encode(["two", "texts"])
        with pytest.raises(nestling.InvalidArgumentError, match="tokenize"):
            session.token_map()
        with pytest.raises(nestling.InvalidArgumentError):
            session.token_map(99)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"method": "tome", "r": 1, "sort": True}, "sort"),
        ({"method": "shrink"}, "shrink"),
        ({"method": "tome"}, "r"),
        ({"method": "tome", "r": -1}, "r"),
        ({"method": "tome", "ratio": 2.0}, "ratio"),
        (nestling.ToMe(r=1, schedule="random"), "schedule"),  # type: ignore[arg-type]
        ("not json", "reduction"),
    ],
)
def test_what_cannot_be_meant_is_named(bert: nestling.Model, wrong: Any, word: str) -> None:
    with pytest.raises(nestling.InvalidArgumentError, match=word):
        bert.encode([5, 6, 7], reduction=wrong)


ROWS = """model,method,value,cosine_mean,same_top_label,seconds,full_seconds,pays
vit,tome,4,0.99,1.0,0.010,0.012,true
vit,tome,8,0.95,0.9,0.008,0.012,true
vit,evit,4,0.98,0.9,0.0125,0.012,false
"""


def test_plot_of_a_sweep(tmp_path):
    pytest.importorskip("matplotlib")
    import nestling.plot

    (tmp_path / "sweep.csv").write_text(ROWS)
    figure = nestling.plot.sweep(tmp_path / "sweep.csv")
    cosines, labels = figure.axes
    lines = {line.get_label(): line for line in cosines.get_lines() if not line.get_label().startswith("_")}
    assert list(lines) == ["tome", "evit"]
    np.testing.assert_allclose(lines["tome"].get_xdata(), [10, 8])
    np.testing.assert_allclose(lines["tome"].get_ydata(), [0.99, 0.95])
    hollow = [line for line in cosines.get_lines() if line.get_marker() == "o" and line.get_fillstyle() == "none"]
    assert [float(line.get_xdata()[0]) for line in hollow] == [12.5]
    assert labels.get_lines()[0].get_ydata()[1] == 0.9
    without_labels = [{**row, "same_top_label": ""} for row in csv.DictReader(io.StringIO(ROWS))]
    assert len(nestling.plot.sweep(without_labels).axes) == 1
    with pytest.raises(nestling.InvalidArgumentError, match="row 0 of the sweep has no seconds"):
        nestling.plot.sweep([{"method": "tome", "value": 1, "cosine_mean": 1}])
    with pytest.raises(nestling.InvalidArgumentError, match="no rows"):
        nestling.plot.sweep([])
