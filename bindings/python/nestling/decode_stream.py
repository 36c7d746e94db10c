"""Token ids to text while they come."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any, Optional, Union

from . import _ffi
from ._arrays import one_sequence
from ._handles import Handle, own_decode_stream, read_text
from ._library import library
from .errors import InvalidArgumentError
from .tokenizer import Tokenizer


class DecodeStream:
    """Turns token ids into text as they come, for example from a model that generates them.

    As ``tokenizers.decoders.DecodeStream``, with `finish` besides. One thread at a time.

        stream = nestling.DecodeStream(skip_special_tokens=True)
        for id in ids:
            text = stream.step(tokenizer, id)
            if text is not None:
                print(text, end="", flush=True)
        print(stream.finish())

    Parameters
    ----------
    ids
        What came before, for example a prompt: not given out, but it decides what follows looks like.
    skip_special_tokens
        Leave special tokens out.
    """

    def __init__(self, ids: Optional[Iterable[int]] = None, skip_special_tokens: bool = False) -> None:
        self._skip = bool(skip_special_tokens)
        self._before = [] if ids is None else one_sequence(list(ids), "ids").tolist()
        self._taken: list[int] = []
        self._tokenizer: Optional[Tokenizer] = None
        self._handle: Optional[Handle] = None
        # Text that was given by C and not to the caller yet.
        self._held = ""

    def step(self, tokenizer: Tokenizer, id: Union[int, Iterable[int]]) -> Optional[str]:
        """Takes the next id, or list of ids.

        Parameters
        ----------
        tokenizer
            The same at each step.
        id
            One or several ids.

        Returns
        -------
        str or None
            The text that the ids complete; None if the ids that follow must decide.

        Raises
        ------
        InvalidArgumentError
            If the tokenizer is not that of the first step.
        """
        handle = self._open(tokenizer)
        ids = one_sequence(list(id) if isinstance(id, Iterable) else [id], "id").tolist()
        self._taken += ids
        waits = self._append(handle, tokenizer, ids)
        # Several ids are one step: all of its text waits if some of it does.
        return None if waits else self._take() or None

    def finish(self) -> str:
        """Ends the text: returns what waited for ids that did not come, incomplete characters as U+FFFD.

        The stream can then be used for another text.
        """
        if self._handle is not None:
            handle = self._handle
            self._held += read_text(lambda buffer, count: library.nestling_decode_stream_finish(handle, buffer, count))
        self._taken = []
        self._before = []
        return self._take()

    def _take(self) -> str:
        text, self._held = self._held, ""
        return text

    def _open(self, tokenizer: Tokenizer) -> Handle:
        if not isinstance(tokenizer, Tokenizer):
            raise TypeError(f"tokenizer must be a nestling.Tokenizer, not {type(tokenizer).__name__}")
        if self._handle is not None:
            if tokenizer is not self._tokenizer:
                raise InvalidArgumentError("a stream keeps to the tokenizer of its first step")
            return self._handle
        opened = ctypes.POINTER(_ffi.DecodeStreamHandle)()
        library.nestling_decode_stream_create(tokenizer._handle, int(self._skip), ctypes.byref(opened))
        handle = own_decode_stream(opened, keep=tokenizer._handle)
        # As in the package: what came before is given out after all if it ended in the middle of a character.
        if not self._append(handle, tokenizer, self._before):
            self._held = ""
        self._tokenizer, self._handle = tokenizer, handle
        return handle

    def _append(self, handle: Handle, tokenizer: Tokenizer, ids: list[int]) -> bool:
        """Takes ids and keeps their text. Tells whether they end in the middle of a character."""
        silent = 0
        for id in ids:
            text = _append(handle, id)
            self._held += text
            silent = 0 if text else silent + 1
        if not silent:
            return False
        count = ctypes.c_size_t()
        library.nestling_decode_stream_finish(handle, None, ctypes.byref(count))
        # The 1 is for the NUL. Bytes that make no characters together may leave nothing for the end.
        return count.value > 1 or tokenizer.decode(ids[-silent:], self._skip).endswith("\ufffd")

    def __copy__(self) -> DecodeStream:
        copy = DecodeStream(self._before, self._skip)
        if self._tokenizer is not None:
            handle = copy._open(self._tokenizer)
            for number in self._taken:
                _append(handle, number)
            copy._taken = list(self._taken)
        copy._held = self._held
        return copy

    def __deepcopy__(self, memo: dict[int, Any]) -> DecodeStream:
        return self.__copy__()


def _append(handle: Handle, id: int) -> str:
    return read_text(lambda buffer, count: library.nestling_decode_stream_append(handle, id, buffer, count), guess=64)
