"""Weights in fewer bits, and packed checkpoints."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest

import nestling

DTYPES = ("float32", "bfloat16", "int8", "int4")
# Of a tiny random network, whose weights are as hard to round as any.
COSINES = {"float32": 0.9999999, "bfloat16": 0.9999, "int8": 0.99, "int4": 0.9}
SEQUENCES = [[2, 5, 3], [2, 7, 8, 9, 11, 3], list(range(2, 40))]


@pytest.mark.parametrize("dtype", DTYPES)
def test_vectors_are_close_to_those_in_float32(fixtures: pathlib.Path, dtype: Any) -> None:
    path = fixtures / "bert" / "base"
    reference = nestling.load(path).encode(SEQUENCES, normalize_embeddings=True)
    model = nestling.load(path, dtype=dtype)
    assert model.dtype == dtype
    vectors = model.encode(SEQUENCES, normalize_embeddings=True)
    assert (vectors * reference).sum(axis=1).min() >= COSINES[dtype]
    assert np.array_equal(vectors, reference) == (dtype == "float32")


@pytest.mark.parametrize("dtype", DTYPES)
def test_packed_checkpoints_give_the_same_bits(fixtures: pathlib.Path, tmp_path: pathlib.Path, dtype: Any) -> None:
    model = nestling.load(fixtures / "bert" / "base", dtype=dtype)
    model.save(tmp_path / "whole", packed=True)
    opened = nestling.load(tmp_path / "whole")
    assert opened.dtype == dtype
    assert np.array_equal(opened.encode(SEQUENCES), model.encode(SEQUENCES))
    half = model.submodel(ffn=0.5)
    half.save(tmp_path / "half", packed=True)
    again = nestling.load(tmp_path / "half", dtype=dtype)
    assert np.array_equal(again.encode(SEQUENCES), half.encode(SEQUENCES))
    again.save(tmp_path / "again")  # as it was opened
    assert np.array_equal(nestling.load(tmp_path / "again").encode(SEQUENCES), half.encode(SEQUENCES))
    files = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir() if path.is_file()}
    assert np.array_equal(nestling.load_bytes(files).encode(SEQUENCES), model.encode(SEQUENCES))


def test_what_packed_checkpoints_cannot(fixtures: pathlib.Path, tmp_path: pathlib.Path) -> None:
    nestling.load(fixtures / "bert" / "base", dtype="int8").save(tmp_path / "packed", packed=True)
    with pytest.raises(nestling.UnsupportedError, match="packed as int8"):
        nestling.load(tmp_path / "packed", dtype="float32")
    with pytest.raises(nestling.UnsupportedError, match="packed"):
        nestling.load(tmp_path / "packed").save(tmp_path / "ordinary", packed=False)
    with pytest.raises(nestling.InvalidArgumentError, match="packed"):
        nestling.load(tmp_path / "packed").save(tmp_path / "other", packed="yes")  # type: ignore[arg-type]
