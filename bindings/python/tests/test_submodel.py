"""Submodels: against the NumPy reference, and what must hold of any nested part."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pytest
from support import read_safetensors, relative_error, split

import nestling

TOLERANCE = 1e-4


@pytest.mark.parametrize("family", ["bert", "mpnet", "modernbert"])
def test_states_are_those_of_the_reference(fixtures: pathlib.Path, family: str) -> None:
    path = fixtures / family / "base"
    golden = read_safetensors(path / "submodel.safetensors")
    cases = json.loads((path / "submodel.json").read_text())
    sequences = split(golden["ids"], golden["offsets"])
    model = nestling.load(path)
    types = split(golden["token_type_ids"], golden["offsets"]) if model.info.token_types > 1 else None
    assert cases
    for name, case in cases.items():
        small = model.submodel(ffn=case["ffn_widths"], heads=case["heads"], layers=case["layers"])
        states = np.concatenate(small.hidden_states(sequences, token_type_ids=types))
        assert relative_error(states, golden[f"{name}.states"]) <= TOLERANCE, name


def test_ratio_one_is_the_whole_model_bit_for_bit(bert: nestling.Model) -> None:
    ids = [5, 6, 7, 8]
    for whole in (bert.submodel(), bert.submodel(ffn=1.0, heads=1.0), bert.submodel(ffn=76, layers=[0, 1, 2])):
        assert np.array_equal(whole.hidden_states(ids), bert.hidden_states(ids))
        assert whole.parameters == bert.parameters


def _states(model: nestling.Model) -> Any:
    return model.hidden_states([5, 6, 7, 8])


def test_ratios_widths_and_lists_mean_the_same(bert: nestling.Model) -> None:
    half = _states(bert.submodel(ffn=0.5))
    for same in (38, [38, 38, 38], [0.5, 38, 0.5], np.array([38, 38, 38]), np.float32(0.5), np.int64(38), (0.5,) * 3):
        widths: Any = same
        assert np.array_equal(_states(bert.submodel(ffn=widths)), half), same
    one_head = _states(bert.submodel(heads=0.25))
    assert np.array_equal(_states(bert.submodel(heads=1)), one_head)
    assert np.array_equal(_states(bert.submodel(heads=[1, 0.25, 1])), one_head)


@pytest.mark.parametrize("ratio", [0.001, 0.1, 1 / 3, 0.37, 0.5, 0.66, 0.999, 1.0])
def test_a_ratio_is_rounded_the_same_alone_and_in_a_list(bert: nestling.Model, ratio: float) -> None:
    alone, listed = bert.submodel(ffn=ratio), bert.submodel(ffn=[ratio] * 3)
    assert alone.parameters == listed.parameters
    assert np.array_equal(_states(alone), _states(listed))
    alone, listed = bert.submodel(heads=ratio), bert.submodel(heads=[ratio] * 3)
    assert alone.parameters == listed.parameters


def test_lists_follow_the_kept_layers(bert: nestling.Model) -> None:
    small = bert.submodel(layers=[0, 2], ffn=[20, 0.5])
    assert small.layers == 2
    assert small.describe()["ffn_widths"] == [20, 38]
    with pytest.raises(nestling.InvalidArgumentError, match="3 entries for 2 kept layers"):
        bert.submodel(layers=[0, 2], ffn=[20, 20, 20])
    with pytest.raises(nestling.InvalidArgumentError, match="1 entries for 3"):
        bert.submodel(ffn=[20])


def test_a_submodel_of_a_submodel(bert: nestling.Model) -> None:
    nested = bert.submodel(ffn=0.5).submodel(ffn=0.5)
    assert nested.describe()["ffn_widths"] == [19, 19, 19]
    assert np.array_equal(_states(nested), _states(bert.submodel(ffn=19)))


def test_it_copies_no_weights(bert: nestling.Model) -> None:
    small = bert.submodel(ffn=0.5, layers=[0])
    assert small.parameters < bert.parameters
    assert small.weight_bytes == bert.weight_bytes


def test_output_dimensions(bert: nestling.Model) -> None:
    small = bert.submodel(output_dim=10)
    assert small.output_dimensions == 10
    assert np.array_equal(small.encode([5, 6]), bert.encode([5, 6])[:10])
    with pytest.raises(nestling.InvalidArgumentError):
        bert.submodel(output_dim=33)
    with pytest.raises(nestling.InvalidArgumentError):
        bert.submodel(output_dim=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ffn": 0.0}, {"ffn": 1.5}, {"ffn": -0.5}, {"ffn": float("nan")}, {"ffn": 0}, {"ffn": 77}, {"ffn": -1},
        {"ffn": [1, 1, 77]}, {"ffn": [0.5, 0.5, 2.0]}, {"ffn": []}, {"ffn": 2**40}, {"heads": 5}, {"heads": 0},
        {"layers": []}, {"layers": [3]}, {"layers": [-1]}, {"layers": [1, 1]}, {"layers": [2, 0]},
        {"layers": [3], "ffn": [0.5]},
    ],
)  # fmt: skip
def test_what_cannot_be_meant(bert: nestling.Model, wrong: Any) -> None:
    with pytest.raises(nestling.InvalidArgumentError) as caught:
        bert.submodel(**wrong)
    assert any(word in str(caught.value).lower() for word in wrong), caught.value


@pytest.mark.parametrize(
    "wrong", [{"ffn": True}, {"ffn": "half"}, {"ffn": ["a"] * 3}, {"layers": [0.5]}, {"heads": {}}]
)
def test_wrong_types(bert: nestling.Model, wrong: Any) -> None:
    with pytest.raises((TypeError, nestling.InvalidArgumentError)):
        bert.submodel(**wrong)


# Saving


@pytest.mark.parametrize(
    "spec", [{}, {"ffn": 0.5}, {"ffn": 33, "layers": [0, 2]}, {"ffn": [10, 20, 30], "heads": [1, 2, 4]}]
)
def test_a_saved_submodel_is_the_same_model(bert: nestling.Model, tmp_path: pathlib.Path, spec: Any) -> None:
    small = bert.submodel(**spec)
    small.save(tmp_path / "small")
    loaded = nestling.load(tmp_path / "small")
    assert loaded.parameters == small.parameters
    assert relative_error(_states(loaded), _states(small)) <= 1e-6


def test_saving_keeps_tokenizer_prompts_and_pooling(dense: nestling.Model, tmp_path: pathlib.Path) -> None:
    small = dense.submodel(ffn=0.5)
    small.save(tmp_path / "small")
    loaded = nestling.load(tmp_path / "small")
    for query in (True, False):
        vectors = [(m.encode_query if query else m.encode)(["a small bird", "the river"]) for m in (small, loaded)]
        assert relative_error(vectors[1], vectors[0]) <= 1e-6


def test_saving_does_not_overwrite_unless_asked(bert: nestling.Model, tmp_path: pathlib.Path) -> None:
    bert.save(tmp_path / "model")
    with pytest.raises(nestling.Error, match="model"):
        bert.save(tmp_path / "model")
    bert.submodel(layers=[0]).save(tmp_path / "model", overwrite=True)
    assert nestling.load(tmp_path / "model").layers == 1
    with pytest.raises(nestling.Error):
        bert.save(tmp_path / "no" / "parent")


def test_progress_and_cancelling_of_saving(bert: nestling.Model, tmp_path: pathlib.Path) -> None:
    seen: list[tuple[str, int, int]] = []
    bert.save(tmp_path / "model", progress=lambda *step: seen.append(step))
    assert seen
    assert {stage for stage, _, _ in seen} == {"save"}
    with pytest.raises(nestling.CancelledError):
        bert.save(tmp_path / "cancelled", progress=lambda *step: False)
    with pytest.raises(nestling.Error):
        nestling.load(tmp_path / "cancelled")
