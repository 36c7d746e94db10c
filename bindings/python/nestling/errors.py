"""Exceptions: one class per status of the C interface, each also the builtin that a caller would expect."""

from __future__ import annotations


class Error(Exception):
    """Base of everything that Nestling raises on its own account.

    The text is the library's one-line message: what was wrong, in which file, tensor, key or argument.
    Values of a wrong Python type raise `TypeError`, as everywhere in Python.

    Attributes
    ----------
    status : int
        The ``NESTLING_ERROR_...`` code, or 0 where the error arose in Python before the library was called.
    """

    status: int = 0


class InvalidArgumentError(Error, ValueError):
    """The caller passed something that cannot be meant."""

    status = -1


class NotFoundError(Error, FileNotFoundError, LookupError):
    """A file, tensor, head or token that was asked for does not exist.

    The C interface has one status for all of them, so the class is both of the builtins that Python has for them:
    ``except FileNotFoundError`` catches a missing checkpoint, ``except LookupError`` a head that the checkpoint does
    not carry. `errno` and `filename` are not set; the text names the culprit.
    """

    status = -2


class InputOutputError(Error, OSError):
    """The operating system refused to read or write. `errno` is not set; the text tells the reason."""

    status = -3


class CorruptError(Error, ValueError):
    """A file is damaged or contradicts itself."""

    status = -4


class UnsupportedError(Error, NotImplementedError):
    """Well formed, but it says something that this library cannot do."""

    status = -5


class OutOfMemoryError(Error, MemoryError):
    """Memory ran out, or a limit that the caller set would be passed."""

    status = -6


class BufferTooSmallError(Error, BufferError):
    """A buffer was too small. The bindings size buffers themselves: callers do not see this one."""

    status = -7


class CancelledError(Error, RuntimeError):
    """A progress callback asked to stop. The model remains usable."""

    status = -8


class InternalError(Error, RuntimeError):
    """A mistake of the library: please report it."""

    status = -9


class LibraryError(Error, ImportError):
    """The shared library was not found, could not be loaded, or does not fit these bindings."""


_BY_STATUS: dict[int, type[Error]] = {
    kind.status: kind
    for kind in (
        InvalidArgumentError,
        NotFoundError,
        InputOutputError,
        CorruptError,
        UnsupportedError,
        OutOfMemoryError,
        BufferTooSmallError,
        CancelledError,
        InternalError,
    )
}


def error_for_status(status: int, message: str) -> Error:
    """Returns the exception for a status; an `Error` with that status for codes that these bindings do not know."""
    kind = _BY_STATUS.get(status)
    if kind is not None:
        return kind(message)
    error = Error(message or f"unknown status {status}")
    error.status = status
    return error
