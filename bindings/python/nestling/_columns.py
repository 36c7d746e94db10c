"""What a batch of texts became: one array for each kind of thing that is known of tokens."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

import numpy as np
import numpy.typing as npt

from . import _ffi
from ._arrays import encode_utf8
from ._handles import Handle, own_encodings
from ._library import library
from ._progress import Reporter


class Columns(NamedTuple):
    """Arrays with one element for each token. Nobody writes to them: encodings share them.

    Attributes
    ----------
    ids, type_ids : int32 [tokens]
    special_mask : uint8 [tokens]
        1 for special tokens that were added, and for padding.
    starts, ends : uint64 [tokens], or None
        None, here and below, if it was not asked for.
    word_ids, sequence_ids : int32 [tokens], or None
        -1: none.
    attention : uint8 [tokens], or None
        0 for padding. None: there is no padding.
    names : list of (str or None), or None
        What `tokens` shows in place of the vocabulary entry, where that is not None.
    """

    ids: npt.NDArray[np.int32]
    type_ids: npt.NDArray[np.int32]
    special_mask: npt.NDArray[np.uint8]
    starts: Optional[npt.NDArray[np.uint64]]
    ends: Optional[npt.NDArray[np.uint64]]
    word_ids: Optional[npt.NDArray[np.int32]]
    sequence_ids: Optional[npt.NDArray[np.int32]]
    attention: Optional[npt.NDArray[np.uint8]] = None
    names: Optional[list[Optional[str]]] = None


class Batch(NamedTuple):
    """Encodings back to back.

    Attributes
    ----------
    columns : Columns
    parts : uintp [texts + 1]
        Text t became encodings parts[t] ..< parts[t + 1]: what was kept, then what was cut off.
    offsets : uintp [encodings + 1]
        Encoding e is the tokens offsets[e] ..< offsets[e + 1].
    """

    columns: Columns
    parts: npt.NDArray[np.uintp]
    offsets: npt.NDArray[np.uintp]


class _Memory:
    """Memory of a C object as NumPy takes it: arrays made of it hold this object, and so the C object, alive."""

    def __init__(self, owner: Handle, address: int, count: int, kind: str) -> None:
        self.owner = owner
        self.__array_interface__ = {"version": 3, "shape": (count,), "typestr": kind, "data": (address, True)}


def _view(owner: Handle, first: Any, count: int, kind: Any) -> npt.NDArray[Any]:
    dtype = np.dtype(kind)
    if not count or not first:
        return np.empty(0, dtype)
    return np.asarray(_Memory(owner, ctypes.addressof(first.contents), count, dtype.str))


def _pointers(texts: Sequence[Optional[str]], what: str) -> tuple[Any, npt.NDArray[np.uintp]]:
    """Returns the texts as C takes them: pointers to UTF-8 (they keep it alive), and the numbers of bytes."""
    single = len(texts) == 1
    encoded = [
        None if text is None else encode_utf8(text, what if single else f"{what} {index}")
        for index, text in enumerate(texts)
    ]
    lengths = np.fromiter((0 if data is None else len(data) for data in encoded), np.uintp, len(encoded))
    return (ctypes.c_char_p * len(encoded))(*encoded), lengths


def encode_batch(
    tokenizer: Handle,
    texts: Sequence[str],
    seconds: Optional[Sequence[Optional[str]]],
    options: _ffi.TokenizeOptions,
) -> Batch:
    """Turns texts, or pairs of texts, into encodings.

    Parameters
    ----------
    texts
        All str.
    seconds
        None, or for each text the second one of its pair, or None.
    options
        As C takes them; Ctrl-C is watched for, so they must name no progress function.
    """
    pointers, lengths = _pointers(texts, "text")
    second_pointers = second_lengths = None
    size = int(lengths.sum())
    if seconds is not None:
        second_pointers, second_sizes = _pointers(seconds, "second text")
        second_lengths = second_sizes.ctypes.data_as(ctypes.POINTER(ctypes.c_size_t))
        size += int(second_sizes.sum())
    made = ctypes.POINTER(_ffi.EncodingsHandle)()
    # A megabyte takes long enough that somebody may want to interrupt it; the limit inside is counted in tokens.
    reporter = Reporter("Tokenizing", size=size // 256)
    reporter.install(options)
    reporter.call(
        library.nestling_tokenizer_encode_batch,
        tokenizer,
        pointers,
        lengths.ctypes.data_as(ctypes.POINTER(ctypes.c_size_t)),
        second_pointers,
        second_lengths,
        len(texts),
        ctypes.byref(options),
        ctypes.byref(made),
    )
    owner = own_encodings(made)
    content = _ffi.EncodingsContent()
    library.nestling_encodings_get_content(owner, ctypes.byref(content))
    return _read(owner, content)


def _read(owner: Handle, content: _ffi.EncodingsContent) -> Batch:
    count = content.token_count

    def column(name: str, kind: Any) -> npt.NDArray[Any]:
        return _view(owner, getattr(content, name), count, kind)

    def detail(name: str, kind: Any) -> Optional[npt.NDArray[Any]]:
        return column(name, kind) if count == 0 or getattr(content, name) else None

    columns = Columns(
        column("ids", np.int32),
        column("type_ids", np.int32),
        column("special_mask", np.uint8),
        detail("starts", np.uint64),
        detail("ends", np.uint64),
        detail("word_ids", np.int32),
        detail("sequence_ids", np.int32),
    )
    parts = _view(owner, content.parts, content.text_count + 1, np.uintp)
    offsets = _view(owner, content.offsets, content.encoding_count + 1, np.uintp)
    if len(offsets) == 0:  # no texts
        parts = offsets = np.zeros(1, np.uintp)
    return Batch(columns, parts, offsets)


class Pad(NamedTuple):
    """What a padding token is."""

    id: int = 0
    type_id: int = 0
    token: str = "[PAD]"


def joined(columns: Columns, begin: int, end: int, before: int, after: int, pad: Pad) -> Columns:
    """Returns a part of columns with padding around it, as columns of their own."""

    def filled(array: npt.NDArray[Any], value: int) -> npt.NDArray[Any]:
        kind = array.dtype
        return np.concatenate([np.full(before, value, kind), array[begin:end], np.full(after, value, kind)])

    def maybe(array: Optional[npt.NDArray[Any]], value: int) -> Optional[npt.NDArray[Any]]:
        return None if array is None else filled(array, value)

    attention, names = columns.attention, columns.names
    if before or after or attention is not None:
        attention = filled(np.ones(end, np.uint8) if attention is None else attention, 0)
    if before or after or names is not None:
        inner = [None] * (end - begin) if names is None else names[begin:end]
        names = [pad.token] * before + inner + [pad.token] * after
    return Columns(
        filled(columns.ids, pad.id),
        filled(columns.type_ids, pad.type_id),
        filled(columns.special_mask, 1),
        maybe(columns.starts, 0),
        maybe(columns.ends, 0),
        maybe(columns.word_ids, -1),
        maybe(columns.sequence_ids, -1),
        attention,
        names,
    )
