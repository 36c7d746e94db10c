"""Which builtins the exceptions are."""

from __future__ import annotations

import pytest

import nestling
from nestling import errors


@pytest.mark.parametrize(
    ("kind", "builtins"),
    [
        (nestling.InvalidArgumentError, [ValueError]),
        (nestling.NotFoundError, [FileNotFoundError, LookupError, OSError]),
        (nestling.InputOutputError, [OSError]),
        (nestling.CorruptError, [ValueError]),
        (nestling.UnsupportedError, [NotImplementedError]),
        (nestling.OutOfMemoryError, [MemoryError]),
        (nestling.BufferTooSmallError, [BufferError]),
        (nestling.CancelledError, [RuntimeError]),
        (nestling.InternalError, [RuntimeError]),
        (nestling.LibraryError, [ImportError]),
    ],
)
def test_each_error_is_the_builtin_one_expects(kind: type[Exception], builtins: list[type[Exception]]) -> None:
    error = kind("what was wrong")
    assert isinstance(error, nestling.Error)
    assert str(error) == "what was wrong"
    for builtin in builtins:
        assert isinstance(error, builtin)


def test_unknown_status() -> None:
    error = errors.error_for_status(-4711, "new")
    assert type(error) is nestling.Error
    assert error.status == -4711
    assert str(error) == "new"
