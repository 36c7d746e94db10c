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


class Columns:
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


#: Columns of the library's encodings.
_KINDS: dict[str, Any] = {
    "ids": np.int32,
    "type_ids": np.int32,
    "special_mask": np.uint8,
    "starts": np.uint64,
    "ends": np.uint64,
    "word_ids": np.int32,
    "sequence_ids": np.int32,
}


class _LibraryColumns(Columns):
    """Columns in the library's memory; the arrays are made when they are first asked for, since few are."""

    def __init__(self, owner: Handle, content: _ffi.EncodingsContent, places: bool) -> None:
        self._owner = owner
        self._content = content
        if not places:
            self.starts = self.ends = self.word_ids = None

    def __getattr__(self, name: str) -> Any:
        kind = _KINDS.get(name)
        if kind is None:
            raise AttributeError(name)
        first = getattr(self._content, name)
        count = self._content.token_count
        array = _view(self._owner, first, count, kind) if first or not count else None
        setattr(self, name, array)  # two threads may both make one: they are the same
        return array


class Batch(NamedTuple):
    """Encodings back to back.

    Attributes
    ----------
    columns : Columns
    parts : list of int [texts + 1]
        Text t became encodings parts[t] ..< parts[t + 1]: what was kept, then what was cut off.
    offsets : uintp [encodings + 1]
        Encoding e is the tokens offsets[e] ..< offsets[e + 1].
    """

    columns: Columns
    parts: list[int]
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


def _joined(texts: Sequence[Any]) -> Optional[tuple[Any, Any, int]]:
    """Does what `_pointers` does with one piece of memory for all texts; None if one is missing or has no UTF-8."""
    try:
        data = "".join(texts).encode("utf-8")
    except (TypeError, UnicodeEncodeError):
        return None
    ends = np.cumsum(
        np.fromiter((len(text) if text.isascii() else len(text.encode("utf-8")) for text in texts), np.uintp, len(texts))
    )
    lengths = np.diff(ends, prepend=np.uintp(0))
    memory = ctypes.c_char_p(data)
    address = ctypes.cast(memory, ctypes.c_void_p).value or 0
    addresses = (ends - lengths + np.uintp(address)).astype(np.uintp, copy=False)
    pointers = (ctypes.c_char_p * len(texts)).from_buffer(addresses)
    pointers._memory = memory  # type: ignore[attr-defined]
    return pointers, (ctypes.c_size_t * len(texts)).from_buffer(lengths), len(data)


def _pointers(texts: Sequence[Optional[str]], what: str) -> tuple[Any, Any, int]:
    """Returns the texts as C takes them: pointers to UTF-8 (they keep it alive), numbers of bytes; and their sum."""
    if len(texts) > 1:
        made = _joined(texts)
        if made is not None:
            return made
    single = len(texts) == 1
    encoded = [
        None if text is None else encode_utf8(text, what if single else f"{what} {index}")
        for index, text in enumerate(texts)
    ]
    lengths = [0 if data is None else len(data) for data in encoded]
    count = len(encoded)
    return (ctypes.c_char_p * count)(*encoded), (ctypes.c_size_t * count)(*lengths), sum(lengths)


def encode_batch(
    tokenizer: Handle,
    texts: Sequence[str],
    seconds: Optional[Sequence[Optional[str]]],
    options: _ffi.TokenizeOptions,
    *,
    places: bool = True,
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
    places
        False: leave starts, ends and words out even if the library tells them.
    """
    pointers, lengths, size = _pointers(texts, "text")
    second_pointers = second_lengths = None
    if seconds is not None:
        second_pointers, second_lengths, second_size = _pointers(seconds, "second text")
        size += second_size
    made = ctypes.POINTER(_ffi.EncodingsHandle)()
    arguments = (tokenizer, pointers, lengths, second_pointers, second_lengths, len(texts))
    # A megabyte takes long enough that somebody may want to interrupt it; the limit inside is counted in tokens.
    reporter = Reporter("Tokenizing", size=size // 256)
    reporter.install(options)
    reporter.call(library.nestling_tokenizer_encode_batch, *arguments, ctypes.byref(options), ctypes.byref(made))
    owner = own_encodings(made)
    content = _ffi.EncodingsContent()
    library.nestling_encodings_get_content(owner, ctypes.byref(content))
    count = content.encoding_count
    parts = content.parts[: content.text_count + 1] if count else [0]
    offsets = _view(owner, content.offsets, count + 1, np.uintp) if count else np.zeros(1, np.uintp)
    return Batch(_LibraryColumns(owner, content, places), parts, offsets)


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
    result = Columns()
    result.ids = filled(columns.ids, pad.id)
    result.type_ids = filled(columns.type_ids, pad.type_id)
    result.special_mask = filled(columns.special_mask, 1)
    result.starts = maybe(columns.starts, 0)
    result.ends = maybe(columns.ends, 0)
    result.word_ids = maybe(columns.word_ids, -1)
    result.sequence_ids = maybe(columns.sequence_ids, -1)
    result.attention = attention
    result.names = names
    return result
