"""Comparing vectors, with the four functions that sentence-transformers knows."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from .errors import InvalidArgumentError

Floats = npt.NDArray[np.float32]
SimilarityName = Literal["cosine", "dot", "euclidean", "manhattan"]
SIMILARITY_NAMES = ("cosine", "dot", "euclidean", "manhattan")

_TINY = 1e-12


def normalized(vectors: Floats) -> Floats:
    """Scales the vectors of the last axis to length 1; null vectors stay null."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return cast(Floats, vectors / np.maximum(lengths, np.float32(_TINY)))


def similarity(a: npt.ArrayLike, b: npt.ArrayLike, function: SimilarityName = "cosine") -> Floats:
    """Compares all vectors of `a` with all of `b`.

    Parameters
    ----------
    a, b
        [n, dimensions] and [m, dimensions]; one vector [dimensions] counts as a batch of one.
    function
        "cosine", "dot", or the negative distances "euclidean" and "manhattan".

    Returns
    -------
    float32 [n, m]
    """
    left, right = _batch(a, "a"), _batch(b, "b")
    _check_widths(left, right)
    if function == "cosine":
        return cast(Floats, normalized(left) @ normalized(right).T)
    if function == "dot":
        return cast(Floats, left @ right.T)
    if function == "euclidean":
        return _rowwise(left, right, lambda difference: -np.linalg.norm(difference, axis=-1))
    if function == "manhattan":
        return _rowwise(left, right, lambda difference: -np.abs(difference).sum(axis=-1))
    raise _unknown(function)


def similarity_pairwise(a: npt.ArrayLike, b: npt.ArrayLike, function: SimilarityName = "cosine") -> Any:
    """Compares vector i of `a` with vector i of `b`.

    Parameters
    ----------
    a, b
        Both [n, dimensions], or both [dimensions].
    function
        As in `similarity`.

    Returns
    -------
    float32 [n], or a float32 scalar for two single vectors
    """
    left, right = _floats(a), _floats(b)
    _check_widths(left, right)
    if function == "cosine":
        return (normalized(left) * normalized(right)).sum(axis=-1)
    if function == "dot":
        return (left * right).sum(axis=-1)
    if function == "euclidean":
        return -np.linalg.norm(left - right, axis=-1)
    if function == "manhattan":
        return -np.abs(left - right).sum(axis=-1)
    raise _unknown(function)


def _floats(vectors: Any) -> Floats:
    return np.asarray(vectors, dtype=np.float32)


def _batch(vectors: Any, what: str) -> Floats:
    array = _floats(vectors)
    if array.ndim == 1:
        array = array[np.newaxis]
    if array.ndim != 2:
        raise InvalidArgumentError(f"{what} must have 1 or 2 dimensions, not {array.ndim}")
    return array


def _check_widths(left: Floats, right: Floats) -> None:
    if left.shape[-1] != right.shape[-1]:
        raise InvalidArgumentError(f"vectors have {left.shape[-1]} and {right.shape[-1]} dimensions")


def _rowwise(left: Floats, right: Floats, distance: Any) -> Floats:
    """Builds the matrix one row at a time, so that no [n, m, dimensions] array is needed."""
    result = np.empty((len(left), len(right)), np.float32)
    for index, row in enumerate(left):
        result[index] = distance(right - row)
    return result


def _unknown(function: object) -> InvalidArgumentError:
    return InvalidArgumentError(f"similarity must be one of {', '.join(map(repr, SIMILARITY_NAMES))}, not {function!r}")
