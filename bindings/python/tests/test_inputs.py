"""What users pass, turned into ragged batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nestling
from nestling._arrays import Inputs, Texts, Tokens


def _tokens(inputs: Any) -> Tokens:
    tokens = Inputs(inputs).tokens
    assert tokens is not None
    return tokens


def test_text() -> None:
    batch = Inputs("a")
    assert (batch.texts, batch.tokens, batch.single, batch.count) == (["a"], None, True, 1)


@pytest.mark.parametrize("texts", [["a", "b"], ("a", "b"), np.array(["a", "b"]), np.array(["a", "b"], object)])
def test_texts(texts: Any) -> None:
    batch = Inputs(texts)
    assert (batch.texts, batch.single, batch.count) == (["a", "b"], False, 2)


def test_generator_of_texts() -> None:
    assert Inputs(letter for letter in "ab").texts == ["a", "b"]


@pytest.mark.parametrize("empty", [[], (), np.empty((0, 3), np.int32), np.array([])])
def test_empty(empty: Any) -> None:
    assert Inputs(empty).count == 0
    assert not Inputs(empty).single


@pytest.mark.parametrize("ids", [[3, 4], (3, 4), range(3, 5), np.array([3, 4]), np.array([3, 4], np.uint8)])
def test_one_sequence(ids: Any) -> None:
    batch = Inputs(ids)
    assert batch.single
    assert batch.tokens is not None
    assert batch.tokens.ids.dtype == np.int32
    assert batch.tokens.ids.tolist() == [3, 4]
    assert batch.tokens.offsets.tolist() == [0, 2]


@pytest.mark.parametrize("ids", [[[3, 4], [5]], [np.array([3, 4]), np.array([5], np.uint16)], ((3, 4), (5,))])
def test_ragged(ids: Any) -> None:
    tokens = _tokens(ids)
    assert tokens.ids.tolist() == [3, 4, 5]
    assert tokens.offsets.tolist() == [0, 2, 3]
    assert tokens.offsets.dtype == np.uintp


def test_rectangle() -> None:
    tokens = _tokens(np.arange(6).reshape(2, 3))
    assert tokens.ids.tolist() == [0, 1, 2, 3, 4, 5]
    assert tokens.offsets.tolist() == [0, 3, 6]


def test_int32_is_not_copied() -> None:
    rectangle = np.zeros((2, 3), np.int32)
    assert np.shares_memory(_tokens(rectangle).ids, rectangle)
    row = np.zeros(3, np.int32)
    assert np.shares_memory(_tokens([row]).ids, row)
    assert np.shares_memory(Inputs(row).tokens.ids, row)  # type: ignore[union-attr]


def test_layouts_that_need_a_copy_are_copied() -> None:
    rectangle = np.arange(12, dtype=np.int32).reshape(3, 4)
    assert _tokens(rectangle.T).ids.tolist() == rectangle.T.reshape(-1).tolist()
    assert _tokens([rectangle[0, ::2]]).ids.tolist() == [0, 2]
    assert _tokens(rectangle.astype(">i4")).ids.tolist() == list(range(12))


@pytest.mark.parametrize("ids", [[[2**31]], [[-(2**31) - 1]], [[2**63]], [[2**80]], np.array([[2**40]])])
def test_out_of_range(ids: Any) -> None:
    with pytest.raises(nestling.InvalidArgumentError, match="32-bit"):
        Inputs(ids)


@pytest.mark.parametrize(
    "wrong",
    [None, 3, 1.5, b"bytes", [b"bytes"], {"a": 1}, [1.5], [[1.5]], ["a", 3], [3, "a"], [None], [[None]], object()],
)
def test_wrong_types(wrong: Any) -> None:
    with pytest.raises(TypeError):
        Inputs(wrong)


def test_too_many_dimensions() -> None:
    with pytest.raises(nestling.InvalidArgumentError):
        Inputs(np.zeros((2, 2, 2), np.int32))


@pytest.mark.parametrize(("text", "place"), [("\ud800", 0), ("ab\udfff", 2)])
def test_lone_surrogates_are_named(text: str, place: int) -> None:
    with pytest.raises(nestling.InvalidArgumentError, match=f"text 1 .*character {place}.*U\\+D"):
        Texts(["fine", text])


def test_texts_carry_their_bytes() -> None:
    texts = Texts(["", "é\0x"])
    assert texts.lengths.tolist() == [0, 4]
    assert texts.pointers[1] == "é".encode()  # ctypes stops at NUL; the length does not
    assert texts.size == 4
