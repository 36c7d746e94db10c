"""How many threads one call may use."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ._library import library


def get_thread_count() -> int:
    """Returns how many threads one call may use, the calling one included."""
    return int(library.nestling_thread_count())


def set_thread_count(count: int) -> None:
    """Sets how many threads one call may use, in the whole process.

    Results do not depend on it, bit for bit.

    Parameters
    ----------
    count
        1 to 1024; 0 restores the default: the processors that affinity and cgroup quota allow.

    Raises
    ------
    InvalidArgumentError
        If `count` is out of range.
    """
    library.nestling_set_thread_count(count)


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Sets the thread count inside a ``with`` block, and restores what it was.

    The count belongs to the process, not to the block: other Python threads see it too. For a limit of one's own, use
    `nestling.Model.session` with `thread_count`.

    Parameters
    ----------
    count
        1 to 1024; 0 for the default.

    Examples
    --------
    >>> with nestling.threads(2):                                              # doctest: +SKIP
    ...     model.encode(texts)
    """
    before = get_thread_count()
    set_thread_count(count)
    try:
        yield
    finally:
        set_thread_count(before)
