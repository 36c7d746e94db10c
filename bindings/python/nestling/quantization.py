"""Vectors in fewer bits, as the `precision` argument of sentence-transformers has them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .errors import InvalidArgumentError

Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]
PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")


def quantize(vectors: npt.NDArray[np.float32], precision: Precision) -> npt.NDArray[Any]:
    """Turns vectors into fewer bits.

    Parameters
    ----------
    vectors
        float32 [n, dimensions]
    precision
        "int8", "uint8": each dimension's range over these n vectors is cut into 255 steps, and the step's number is
        kept (less 128 for int8). "binary", "ubinary": one bit per dimension, set where the value is positive, eight
        to a byte (less 128 for "binary", whose bytes are int8); the last byte is filled with zero bits.
        "float32": unchanged.

    Returns
    -------
    int8 or uint8 [n, dimensions], or [n, ceil(dimensions / 8)] for the binary ones

    Raises
    ------
    InvalidArgumentError
        For another precision; and for int8 and uint8 of a single vector, which has no range.
    """
    check_precision(precision)
    if precision == "float32":
        return vectors
    if precision in ("binary", "ubinary"):
        bits = np.packbits(vectors > 0, axis=-1)
        return bits if precision == "ubinary" else (bits ^ 0x80).view(np.int8)
    if len(vectors) == 1:
        raise InvalidArgumentError(f"{precision} needs several vectors, whose ranges it uses; there is one")
    lowest = vectors.min(axis=0, initial=np.inf)
    steps = (vectors.max(axis=0, initial=-np.inf) - lowest) / np.float32(255)
    steps[~(steps > 0)] = 1  # the dimension is constant (or there is no vector)
    numbers: npt.NDArray[Any] = np.clip(np.floor((vectors - lowest) / steps), 0, 255)
    return numbers.astype(np.uint8) if precision == "uint8" else (numbers - 128).astype(np.int8)


def check_precision(precision: str) -> None:
    """Raises InvalidArgumentError for names that are no precision."""
    if precision not in PRECISIONS:
        raise InvalidArgumentError(f"precision must be one of {', '.join(map(repr, PRECISIONS))}, not {precision!r}")
