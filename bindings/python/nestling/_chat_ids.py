"""Ids of a rendered chat, in which some control tokens are plain text."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from . import _ffi
from ._arrays import encode_utf8, pointer
from ._handles import Handle
from ._library import library
from .errors import BufferTooSmallError, UnsupportedError


def encode_plain(
    tokenizer: Handle, text: str, plain: Sequence[tuple[int, int]], control_tokens: Mapping[str, int]
) -> list[int]:
    """Returns the ids of a text, to which no special tokens are added.

    Parameters
    ----------
    plain
        Ranges of its characters, rising, in which no added token is found.
    control_tokens
        Those that the model of the vocabulary must not make of plain text either, with their ids.
    """
    data = encode_utf8(text, "the text of the chat")
    # The same places in bytes: begin, end, begin, end...
    places = list(itertools.chain.from_iterable(plain))
    lengths = [len(text[begin:end].encode()) for begin, end in zip([0, *places], places)]
    bounds = np.cumsum(lengths, dtype=np.uintp)
    options = _ffi.TokenizeOptions(special_tokens=-1, plain_range_count=len(plain))
    if plain:
        options.plain_ranges = pointer(bounds, ctypes.c_size_t)
    capacity = len(data) + 8
    while True:
        ids = np.empty(capacity, np.int32)
        starts, ends = np.empty((2, capacity), np.uint64)
        details = _ffi.TokenDetails(starts=pointer(starts, ctypes.c_uint64), ends=pointer(ends, ctypes.c_uint64))
        count = ctypes.c_size_t(capacity)
        arguments = (pointer(ids, ctypes.c_int32), ctypes.byref(details), ctypes.byref(count))
        try:
            library.nestling_tokenizer_encode(tokenizer, data, len(data), ctypes.byref(options), *arguments)
            break
        except BufferTooSmallError:
            capacity = count.value
    if plain:
        names = {id: token for token, id in control_tokens.items()}
        for index in np.flatnonzero(np.isin(ids[: count.value], list(names))):
            # The first plain range that ends behind the token's beginning: does it begin before the token's end?
            part = int(np.searchsorted(bounds[1::2], starts[index], side="right"))
            if part < len(plain) and bounds[2 * part] < ends[index]:
                raise UnsupportedError(f"the tokenizer makes {names[int(ids[index])]!r} of plain text, too")
    made: list[int] = ids[: count.value].tolist()
    return made
