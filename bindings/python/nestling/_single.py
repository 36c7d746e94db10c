"""One short text at a time: into arrays that are there already, instead of an object of the library for each call."""

from __future__ import annotations

import ctypes
import threading
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from . import _ffi
from ._arrays import encode_utf8, pointer
from ._columns import Columns
from ._handles import Handle
from ._library import library
from .errors import BufferTooSmallError

#: Tokens that there is room for.
_CAPACITY = 1024


class _Columns(Columns):
    """Columns out of two arrays; each is made when it is first asked for, since few are."""

    def __init__(
        self, integers: npt.NDArray[np.int32], places: npt.NDArray[np.uint64], mask: npt.NDArray[np.uint8]
    ) -> None:
        self._integers = integers
        self._places = places
        self.special_mask = mask

    def __getattr__(self, name: str) -> Any:
        if name in ("starts", "ends"):
            array: Any = self._places[int(name == "ends")]
        elif name in _Buffers.rows:
            array = self._integers[_Buffers.rows[name]]
        else:
            raise AttributeError(name)
        setattr(self, name, array)  # two threads may both make one: they are the same
        return array


class _Buffers(threading.local):
    """What a thread's calls write to."""

    rows = {"ids": 0, "type_ids": 1, "word_ids": 2, "sequence_ids": 3}

    def __init__(self) -> None:
        self.integers = np.empty((len(self.rows), _CAPACITY), np.int32)
        self.places = np.empty((2, _CAPACITY), np.uint64)
        self.mask = np.empty(_CAPACITY, np.uint8)
        self.ids = pointer(self.integers[0], ctypes.c_int32)
        self.details = _ffi.TokenDetails(
            characters=1,
            type_ids=pointer(self.integers[1], ctypes.c_int32),
            starts=pointer(self.places[0], ctypes.c_uint64),
            ends=pointer(self.places[1], ctypes.c_uint64),
            word_ids=pointer(self.integers[2], ctypes.c_int32),
            sequence_ids=pointer(self.integers[3], ctypes.c_int32),
            special_mask=pointer(self.mask, ctypes.c_uint8),
        )
        self.options = {special: _ffi.TokenizeOptions(special_tokens=1 if special else -1) for special in (True, False)}
        self.count = ctypes.c_size_t()
        # A signal's handler may tokenize between a call and the reading of its result.
        self.are_used = False


_buffers = _Buffers()


def encode_single(tokenizer: Handle, text: str, special: bool) -> Optional[tuple[Columns, int]]:
    """Returns the columns of one text, and how many tokens there are; None for texts that need more room."""
    buffers = _buffers
    if len(text) > _CAPACITY or buffers.are_used:
        return None
    data = encode_utf8(text, "text")
    buffers.are_used = True
    try:
        buffers.count.value = _CAPACITY
        library.nestling_tokenizer_encode(
            tokenizer,
            data,
            len(data),
            ctypes.byref(buffers.options[special]),
            buffers.ids,
            ctypes.byref(buffers.details),
            ctypes.byref(buffers.count),
        )
        count = buffers.count.value
        columns = _Columns(
            buffers.integers[:, :count].copy(), buffers.places[:, :count].copy(), buffers.mask[:count].copy()
        )
    except BufferTooSmallError:
        return None
    finally:
        buffers.are_used = False
    return columns, count
