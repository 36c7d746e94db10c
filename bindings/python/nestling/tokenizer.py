"""Text to token ids and back."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _ffi
from ._arrays import as_count, encode_path, encode_string, encode_utf8, one_sequence, pointer
from ._handles import Handle, own_tokenizer, read_text
from ._library import library
from .errors import BufferTooSmallError, NotFoundError


class Encoding:
    """The tokens of one text or pair of texts; every list has one element for each token.

    Attributes
    ----------
    ids : list of int
    type_ids : list of int
        0 for the first text, 1 for the second, in the vocabularies that tell them apart.
    tokens : list of str
        The vocabulary entries of the ids.
    offsets : list of (int, int)
        Which characters of its text each token stands for; (0, 0) for special tokens.
    word_ids : list of int or None
        The word of its text that each token is of; None for special tokens.
    sequence_ids : list of int or None
        0 for the first text, 1 for the second; None for special tokens.
    special_tokens_mask : list of int
        1 for special tokens that were added.
    attention_mask : list of int
        All 1: there is no padding.
    """

    __slots__ = ("_tokenizer", "ids", "offsets", "sequence_ids", "special_tokens_mask", "type_ids", "word_ids")

    def __init__(self, tokenizer: Tokenizer, ids: npt.NDArray[np.int32], details: _Details) -> None:
        count = len(ids)
        self._tokenizer = tokenizer
        self.ids: list[int] = ids.tolist()
        self.type_ids: list[int] = details.type_ids[:count].tolist()
        self.offsets: list[tuple[int, int]] = list(
            zip(details.starts[:count].tolist(), details.ends[:count].tolist())
        )
        self.word_ids: list[Optional[int]] = _none_if_negative(details.word_ids[:count])
        self.sequence_ids: list[Optional[int]] = _none_if_negative(details.sequence_ids[:count])
        self.special_tokens_mask: list[int] = details.special_mask[:count].tolist()

    @property
    def tokens(self) -> list[str]:
        return [self._tokenizer.id_to_token(id) or "" for id in self.ids]

    @property
    def attention_mask(self) -> list[int]:
        return [1] * len(self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Encoding({len(self.ids)} tokens)"


def _none_if_negative(values: npt.NDArray[np.int32]) -> list[Optional[int]]:
    return [None if value < 0 else value for value in values.tolist()]


class _Details:
    """Arrays that receive what the library can tell of each token."""

    def __init__(self, capacity: int) -> None:
        self.type_ids = np.empty(capacity, np.int32)
        self.starts = np.empty(capacity, np.uint64)
        self.ends = np.empty(capacity, np.uint64)
        self.word_ids = np.empty(capacity, np.int32)
        self.sequence_ids = np.empty(capacity, np.int32)
        self.special_mask = np.empty(capacity, np.uint8)

    def structure(self) -> _ffi.TokenDetails:
        return _ffi.TokenDetails(
            characters=1,
            type_ids=pointer(self.type_ids, ctypes.c_int32),
            starts=pointer(self.starts, ctypes.c_uint64),
            ends=pointer(self.ends, ctypes.c_uint64),
            word_ids=pointer(self.word_ids, ctypes.c_int32),
            sequence_ids=pointer(self.sequence_ids, ctypes.c_int32),
            special_mask=pointer(self.special_mask, ctypes.c_uint8),
        )


class Tokenizer:
    """A tokenizer, immutable; any number of threads may use one at once.

    Made by `from_file`, `from_pretrained`, `from_buffer`, or as `nestling.Model.tokenizer`.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    @classmethod
    def from_file(cls, path: Union[str, os.PathLike[str]]) -> Tokenizer:
        """Opens a ``tokenizer.json`` or ``vocab.txt``.

        Raises
        ------
        NotFoundError, InputOutputError, CorruptError, UnsupportedError
        """
        opened = ctypes.POINTER(_ffi.TokenizerHandle)()
        library.nestling_tokenizer_open(encode_path(path), ctypes.byref(opened))
        return cls(own_tokenizer(opened))

    @classmethod
    def from_pretrained(cls, directory: Union[str, os.PathLike[str]]) -> Tokenizer:
        """Opens the tokenizer of a checkpoint directory. Nothing is downloaded.

        Raises
        ------
        NotFoundError, InputOutputError, CorruptError, UnsupportedError
        """
        return cls.from_file(directory)

    @classmethod
    def from_buffer(cls, data: Union[bytes, bytearray, memoryview]) -> Tokenizer:
        """Opens a ``tokenizer.json`` that lies in memory; the bytes are not needed afterwards.

        Raises
        ------
        CorruptError, UnsupportedError
        """
        content = np.frombuffer(data, dtype=np.uint8)
        opened = ctypes.POINTER(_ffi.TokenizerHandle)()
        library.nestling_tokenizer_open_memory(content.ctypes.data, content.size, ctypes.byref(opened))
        return cls(own_tokenizer(opened))

    def encode(
        self,
        text: str,
        pair: Optional[str] = None,
        add_special_tokens: bool = True,
        *,
        max_length: Optional[int] = None,
    ) -> Encoding:
        """Turns a text into token ids.

        Parameters
        ----------
        text
            May hold NUL characters, but no lone surrogates.
        pair
            The second text of a pair.
        add_special_tokens
            Add what the checkpoint's post-processor adds, such as [CLS] and [SEP].
        max_length
            Cut to this many tokens, special ones included. None: do not cut.

        Raises
        ------
        InvalidArgumentError
            For lone surrogates.
        """
        ids, details = self._encode(text, pair, add_special_tokens, max_length, with_details=True)
        assert details is not None
        return Encoding(self, ids, details)

    def encode_batch(
        self, texts: Iterable[str], add_special_tokens: bool = True, *, max_length: Optional[int] = None
    ) -> list[Encoding]:
        """Turns texts into token ids, each as `encode` does."""
        return [self.encode(text, None, add_special_tokens, max_length=max_length) for text in texts]

    def encode_ids(
        self, text: str, *, add_special_tokens: bool = True, max_length: Optional[int] = None
    ) -> npt.NDArray[np.int32]:
        """Turns a text into token ids, int32 [length]; otherwise as `encode`."""
        return self._encode(text, None, add_special_tokens, max_length, with_details=False)[0]

    def _encode(
        self, text: str, pair: Optional[str], special: bool, max_length: Optional[int], *, with_details: bool
    ) -> tuple[npt.NDArray[np.int32], Optional[_Details]]:
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, not {type(text).__name__}")
        data = encode_utf8(text, "text")
        options = _ffi.TokenizeOptions(special_tokens=1 if special else -1)
        if max_length is not None:
            options.maximum_tokens = min(as_count(max_length, "max_length"), 2**32 - 1)
        second = b""
        if pair is not None:
            if not isinstance(pair, str):
                raise TypeError(f"pair must be a str, not {type(pair).__name__}")
            second = encode_utf8(pair, "pair")
            options.second_text = second
            options.second_length = len(second)
        # Nearly always enough: one token per byte and a few special ones. Normalizers may expand characters.
        capacity = len(data) + len(second) + 8
        while True:
            ids = np.empty(capacity, np.int32)
            details = _Details(capacity) if with_details else None
            count = ctypes.c_size_t(capacity)
            try:
                library.nestling_tokenizer_encode(
                    self._handle,
                    data,
                    len(data),
                    ctypes.byref(options),
                    pointer(ids, ctypes.c_int32),
                    None if details is None else ctypes.byref(details.structure()),
                    ctypes.byref(count),
                )
            except BufferTooSmallError:
                capacity = count.value
                continue
            return ids[: count.value].copy(), details

    def decode(self, ids: Any, skip_special_tokens: bool = True) -> str:
        """Turns token ids into text; ids past the vocabulary are left out.

        Parameters
        ----------
        ids
            List or array of integers, [length].
        skip_special_tokens
            Leave special tokens out.
        """
        array = one_sequence(ids, "token ids")
        return read_text(
            lambda buffer, count: library.nestling_tokenizer_decode(
                self._handle, pointer(array, ctypes.c_int32), len(array), int(bool(skip_special_tokens)), buffer, count
            ),
            guess=16 * len(array) + 64,
        )

    def decode_batch(self, sequences: Iterable[Any], skip_special_tokens: bool = True) -> list[str]:
        """Turns sequences of token ids into texts, each as `decode` does."""
        return [self.decode(ids, skip_special_tokens) for ids in sequences]

    def token_to_id(self, token: str) -> Optional[int]:
        """Returns the id of a vocabulary entry, or None if there is no such entry."""
        found = ctypes.c_int32()
        try:
            library.nestling_tokenizer_token_to_id(self._handle, encode_string(token, "token"), ctypes.byref(found))
        except NotFoundError:
            return None
        return found.value

    def id_to_token(self, id: int) -> Optional[str]:
        """Returns the vocabulary entry of an id, or None if the id is not in the vocabulary."""
        try:
            return read_text(
                lambda buffer, count: library.nestling_tokenizer_id_to_token(self._handle, id, buffer, count), guess=64
            )
        except NotFoundError:
            return None

    def get_vocab_size(self) -> int:
        """Returns how many entries the vocabulary has, added tokens included."""
        return int(library.nestling_tokenizer_vocabulary_size(self._handle))

    def __len__(self) -> int:
        return self.get_vocab_size()

    def __repr__(self) -> str:
        return f"<nestling.Tokenizer, {self.get_vocab_size()} entries>"
