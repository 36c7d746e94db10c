"""Owned handles of the C interface, and the idiom for results of unknown size."""

from __future__ import annotations

import ctypes
import json
from typing import Any, Callable

from ._library import library
from .errors import BufferTooSmallError


class Handle:
    """One reference to a C object, given back when the last Python reference to this object goes.

    Whoever makes a call holds the `Handle` during it. So `close()` of an object only drops its own reference, and a
    call that another thread has in progress finishes undisturbed.

    Parameters
    ----------
    pointer
        A typed ctypes pointer that owns one reference.
    release
        The C function that gives it back.
    keep
        What must live as long as the handle: for models in memory, the files.
    """

    __slots__ = ("_as_parameter_", "_release", "keep")

    def __init__(self, pointer: Any, release: Callable[[Any], None], keep: Any = None) -> None:
        self._as_parameter_ = pointer
        self._release = release
        self.keep = keep

    def __del__(self) -> None:
        pointer = getattr(self, "_as_parameter_", None)
        if pointer:
            self._release(pointer)


def own_model(pointer: Any, keep: Any = None) -> Handle:
    """Takes over one reference to a ``nestling_model``."""
    return Handle(pointer, library.nestling_model_release, keep)


def own_session(pointer: Any, keep: Any) -> Handle:
    """Takes over one reference to a ``nestling_session``."""
    return Handle(pointer, library.nestling_session_release, keep)


def own_tokenizer(pointer: Any, keep: Any = None) -> Handle:
    """Takes over one reference to a ``nestling_tokenizer``."""
    return Handle(pointer, library.nestling_tokenizer_release, keep)


def own_encodings(pointer: Any) -> Handle:
    """Takes over one reference to a ``nestling_encodings``."""
    return Handle(pointer, library.nestling_encodings_release)


def own_decode_stream(pointer: Any, keep: Any) -> Handle:
    """Takes over a ``nestling_decode_stream``."""
    return Handle(pointer, library.nestling_decode_stream_release, keep)


def read_text(call: Callable[[Any, Any], Any], guess: int = 256) -> str:
    """Reads a NUL-terminated text of unknown length.

    Parameters
    ----------
    call
        Called with (buffer, pointer to the count in bytes); a second time if the first buffer was too small.
    guess
        Bytes of the first buffer.
    """
    count = ctypes.c_size_t(guess)
    buffer = ctypes.create_string_buffer(guess)
    try:
        call(buffer, ctypes.byref(count))
    except BufferTooSmallError:
        buffer = ctypes.create_string_buffer(count.value)
        call(buffer, ctypes.byref(count))
    # The count includes the NUL; decoded texts may hold further NULs, so `buffer.value` would cut them.
    return buffer.raw[: max(count.value, 1) - 1].decode("utf-8", "replace")


def read_json(call: Callable[[Any, Any], Any], guess: int = 4096) -> Any:
    """Reads a JSON text of unknown length and parses it."""
    return json.loads(read_text(call, guess))
