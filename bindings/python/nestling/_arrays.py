"""What users pass, as the C interface wants it: texts as UTF-8 pointers, token ids as one ragged batch."""

from __future__ import annotations

import ctypes
import operator
import os
from collections.abc import Iterable, Mapping
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _ffi
from .errors import InvalidArgumentError

_INT32 = np.iinfo(np.int32)


def encode_utf8(text: str, what: str) -> bytes:
    """Returns the UTF-8 of a text; `what` names it in the error for texts that have none (lone surrogates)."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(
            f"{what} is not valid Unicode: character {error.start} is the lone surrogate "
            f"U+{ord(text[error.start]):04X}; read the text with errors='replace', or mend it before"
        ) from None


def encode_string(text: str, what: str) -> bytes:
    """Returns the UTF-8 of a text that C reads up to the first NUL, and so may hold none."""
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a str, not {type(text).__name__}")
    data = encode_utf8(text, what)
    if b"\0" in data:
        raise InvalidArgumentError(f"{what} holds a NUL character")
    return data


def encode_path(path: Union[str, "os.PathLike[str]"]) -> bytes:
    """Returns the bytes of a path, in the encoding of the file system."""
    data = os.fsencode(path)
    if b"\0" in data:
        raise InvalidArgumentError("the path holds a NUL character")
    return data


def as_count(value: Any, what: str) -> int:
    """Returns a positive int; `what` names it in errors."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be an int, not {type(value).__name__}") from None
    if number <= 0:
        raise InvalidArgumentError(f"{what} must be positive, not {number}")
    return number


def pointer(array: Optional[npt.NDArray[Any]], kind: Any) -> Any:
    """Returns a typed ctypes pointer to the elements of a contiguous array; it keeps the array alive. None for None."""
    if array is None:
        return None
    # A short text is run in less than a millisecond: array.ctypes.data_as takes four times as long as this.
    address = ctypes.pointer(kind.from_address(array.__array_interface__["data"][0]))
    address.array = array
    return address


def check_text(text: Any, what: str) -> None:
    """Refuses what is not a str; `what` names it in the error."""
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a str, not {type(text).__name__}")


def texts_and_pairs(inputs: Iterable[Any]) -> tuple[list[str], Optional[list[Optional[str]]]]:
    """Returns the first texts, and the second ones if there are any."""
    if isinstance(inputs, (str, bytes)):
        raise TypeError(f"expected a list of texts or pairs of texts, not one {type(inputs).__name__}")
    texts: list[str] = []
    seconds: dict[int, str] = {}
    for index, entry in enumerate(inputs):
        if isinstance(entry, str):
            texts.append(entry)
            continue
        if not isinstance(entry, (tuple, list)) or len(entry) != 2:
            raise TypeError(f"input {index} must be a str or a pair of them, not {type(entry).__name__}")
        check_text(entry[0], f"the first text of input {index}")
        check_text(entry[1], f"the second text of input {index}")
        texts.append(entry[0])
        seconds[index] = entry[1]
    if not seconds:
        return texts, None
    return texts, [seconds.get(index) for index in range(len(texts))]


def memory_files(files: Mapping[str, Any]) -> tuple[Any, list[npt.NDArray[np.uint8]]]:
    """Returns files by name as C takes them, and their contents, which must live as long as C reads them."""
    contents = [np.frombuffer(data, dtype=np.uint8) for data in files.values()]
    array = (_ffi.File * len(contents))()
    for entry, name, content in zip(array, files, contents):
        entry.name = encode_string(name, "file name")
        entry.data = content.ctypes.data
        entry.size = content.size
    return array, contents


class Texts:
    """A batch of texts: UTF-8 with byte counts, so that NUL characters are no end.

    Attributes
    ----------
    count : int
        Texts.
    size : int
        Bytes of all texts, an upper bound for their tokens in all but odd vocabularies.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.encoded = [encode_utf8(text, f"text {index}") for index, text in enumerate(texts)]
        self.count = len(self.encoded)
        self.lengths = np.fromiter(map(len, self.encoded), dtype=np.uintp, count=self.count)
        self.size = int(self.lengths.sum())
        self.pointers = (ctypes.c_char_p * self.count)(*self.encoded)


class Tokens:
    """A ragged batch of token ids: all sequences back to back, and where each begins.

    Attributes
    ----------
    ids : int32 [tokens]
        A view of the caller's array where dtype and layout allow.
    offsets : uintp [count + 1]
    """

    def __init__(self, ids: npt.NDArray[np.int32], offsets: npt.NDArray[np.uintp]) -> None:
        self.ids = ids
        self.offsets = offsets
        self.count = len(offsets) - 1
        self.size = int(offsets[-1])


def split(rows: npt.NDArray[Any], offsets: npt.NDArray[np.uintp]) -> list[npt.NDArray[Any]]:
    """Returns one view of `rows` per sequence."""
    ends = offsets.tolist()
    return [rows[start:end] for start, end in zip(ends, ends[1:])]


def _as_int32(array: npt.NDArray[Any], what: str) -> npt.NDArray[np.int32]:
    """Returns an integer array as contiguous int32 of the same shape; no copy if it is one."""
    if array.dtype != np.int32 and array.size:
        if array.dtype.kind not in "iu":
            raise TypeError(f"{what} must be integers, not {array.dtype}")
        for value in (array.min(), array.max()):
            if not _INT32.min <= value <= _INT32.max:
                raise InvalidArgumentError(f"{what}: {value} is no 32-bit integer")
    return np.ascontiguousarray(array, dtype=np.int32)


def one_sequence(values: Any, what: str) -> npt.NDArray[np.int32]:
    """Returns one row of integers as contiguous int32."""
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError) as error:  # ragged, or integers past 64 bits
        raise InvalidArgumentError(f"{what}: {error}") from None
    if array.dtype.kind == "O" and all(isinstance(value, int) for value in array.flat):
        raise InvalidArgumentError(f"{what}: {max(array.flat, key=abs)} is no 32-bit integer")
    if array.ndim != 1:
        raise InvalidArgumentError(f"{what} must be one row of integers, not {array.ndim} dimensions")
    return _as_int32(array, what)


def ragged(sequences: Any, what: str) -> Tokens:
    """Returns a batch of sequences of integers; `what` names them in errors."""
    if isinstance(sequences, np.ndarray) and sequences.ndim == 2 and sequences.dtype.kind != "O":
        count, length = sequences.shape
        offsets = np.arange(count + 1, dtype=np.uintp) * np.uintp(length)
        return Tokens(_as_int32(sequences, what).reshape(-1), offsets)
    rows = [one_sequence(sequence, f"{what} of sequence {index}") for index, sequence in enumerate(sequences)]
    offsets = np.zeros(len(rows) + 1, dtype=np.uintp)
    np.cumsum(np.fromiter(map(len, rows), dtype=np.uintp, count=len(rows)), out=offsets[1:])
    if len(rows) == 1:
        return Tokens(rows[0], offsets)
    return Tokens(np.concatenate(rows) if rows else np.empty(0, np.int32), offsets)


class Inputs:
    """A batch that is either texts or token ids.

    A str is one text; a flat list or 1-D array of integers is one sequence of token ids. Lists of them, and 2-D
    integer arrays, are batches. An empty list is an empty batch.

    Attributes
    ----------
    texts : list of str, or None
    tokens : Tokens, or None
        Exactly one of the two is set.
    single : bool
        One text or sequence was given, not a batch: the result is given without the batch dimension.
    """

    def __init__(self, inputs: Any) -> None:
        self.texts: Optional[list[str]] = None
        self.tokens: Optional[Tokens] = None
        self.single = False
        if isinstance(inputs, str):
            self.single = True
            self.texts = [inputs]
            return
        if isinstance(inputs, (bytes, bytearray, Mapping)) or not isinstance(inputs, Iterable):
            raise TypeError(
                f"expected texts (str, or a list of str) or token ids (lists or arrays of int), got {_name(inputs)}"
            )
        if hasattr(inputs, "__array__"):  # NumPy, torch, pandas
            inputs = np.asarray(inputs)
            if inputs.dtype.kind in "UO" or inputs.ndim == 0:
                inputs = inputs.tolist()
        elif not isinstance(inputs, list):
            inputs = list(inputs)
        if len(inputs) == 0:
            self.texts = []
            return
        first = inputs[0]
        if isinstance(first, str):
            for index, text in enumerate(inputs):
                if not isinstance(text, str):
                    raise TypeError(f"texts must be str: number {index} is {_name(text)}")
            self.texts = inputs
        elif isinstance(first, bytes):
            raise TypeError("texts must be str, not bytes: decode them first")
        elif np.ndim(first) == 0:
            self.single = True
            self.tokens = ragged([inputs], "token ids")
        else:
            self.tokens = ragged(inputs, "token ids")

    @classmethod
    def of(cls, inputs: Any) -> Inputs:
        """Returns the batch; one that is already made stays what it is."""
        return inputs if isinstance(inputs, Inputs) else cls(inputs)

    @property
    def count(self) -> int:
        """Sequences."""
        return len(self.texts) if self.tokens is None else self.tokens.count  # type: ignore[arg-type]


def type_ids_like(type_ids: Any, tokens: Tokens, single: bool) -> Optional[npt.NDArray[np.int32]]:
    """Returns token type ids flattened; they must have the lengths of the token ids."""
    if type_ids is None:
        return None
    given = ragged([type_ids] if single else type_ids, "token_type_ids")
    if not np.array_equal(given.offsets, tokens.offsets):
        raise InvalidArgumentError("token_type_ids must have one entry for each token id")
    return given.ids


def _name(value: Any) -> str:
    return "None" if value is None else type(value).__name__
