"""Progress of long calls: bars, callbacks of the user, exceptions and signals inside them."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from typing import Any, Callable, Optional

from . import _ffi
from ._signals import DeferredSignals
from .errors import CancelledError

#: What `progress` arguments take: called with (stage, done, total); returning False cancels, raising does too.
ProgressFunction = Callable[[str, int, int], Optional[bool]]

logger = logging.getLogger("nestling")

# Calls with fewer tokens than this run as one slice of the engine: there is nothing to report or to interrupt.
_SMALL_CALL = 4096


class _PlainBar:
    """A bar on stderr for those who have no tqdm."""

    def __init__(self, total: int, description: str) -> None:
        self.total = total
        self.description = description
        self.start = time.monotonic()
        self.shown = 0.0
        self.show(0)

    def show(self, done: int) -> None:
        now = time.monotonic()
        if done < self.total and now - self.shown < 0.1:
            return
        self.shown = now
        width = max(10, min(40, shutil.get_terminal_size().columns - 50))
        filled = width * done // max(self.total, 1)
        seconds = now - self.start
        rate = f"{done / seconds:.0f}/s" if done and seconds > 0 else ""
        bar = "#" * filled + " " * (width - filled)
        sys.stderr.write(f"\r{self.description} |{bar}| {done}/{self.total} {seconds:.1f} s {rate} ")
        sys.stderr.flush()

    def close(self) -> None:
        sys.stderr.write("\n")
        sys.stderr.flush()


class _TqdmBar:
    def __init__(self, tqdm: Any, total: int, description: str) -> None:
        self.total = total
        self.bar = tqdm(total=total, desc=description)

    def show(self, done: int) -> None:
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        self.bar.close()


def wants_bar(show_progress_bar: Optional[bool]) -> bool:
    """Tells whether to show a bar.

    True and False are obeyed. None means, as in sentence-transformers, that the bar is for those whose logging level
    is INFO or DEBUG; and only where stderr is a terminal.
    """
    if show_progress_bar is None:
        return logger.getEffectiveLevel() in (logging.INFO, logging.DEBUG) and sys.stderr.isatty()
    return bool(show_progress_bar)


class Reporter:
    """One call's progress: hands a callback to C, shows the bar, and brings exceptions home.

    An exception cannot pass through C. What the user's function raises is stored, the call is cancelled, and the
    exception is raised where the call was made. What handlers of signals (Ctrl-C) raise takes the same way.

    Parameters
    ----------
    description
        Label of the bar.
    show_progress_bar
        As in `wants_bar`.
    progress
        The user's function, or None.
    size
        Work of the call in tokens or bytes; small calls are not watched unless something wants to see them. None:
        unknown, always watched.
    """

    def __init__(
        self,
        description: str,
        *,
        show_progress_bar: Optional[bool] = False,
        progress: Optional[ProgressFunction] = None,
        size: Optional[int] = None,
    ) -> None:
        if progress is not None and not callable(progress):
            raise TypeError(f"progress must be callable, not {type(progress).__name__}")
        self._description = description
        self._wants_bar = wants_bar(show_progress_bar)
        self._progress = progress
        self._bar: Any = None
        self._signals = DeferredSignals()
        watched = size is None or size > _SMALL_CALL or self._wants_bar or progress is not None
        self._callback = _ffi.Progress(self._report) if watched else None

    def install(self, options: Any) -> None:
        """Sets the `progress` field of an options struct; it stays null if nothing is watched."""
        if self._callback is not None:
            options.progress = self._callback

    def _report(self, stage: bytes, done: int, total: int, user_data: Any) -> int:
        try:
            if self._signals.exception is not None:
                return 1
            if self._wants_bar:
                self._show(done, total)
            if self._progress is not None and self._progress(stage.decode("utf-8", "replace"), done, total) is False:
                return 1
            return 0
        except BaseException as exception:
            self._signals.store(exception)
            return 1

    def _show(self, done: int, total: int) -> None:
        if self._bar is None:
            try:
                from tqdm.auto import tqdm  # type: ignore[import-untyped,unused-ignore]
            except ImportError:
                self._bar = _PlainBar(total, self._description)
            else:
                self._bar = _TqdmBar(tqdm, total, self._description)
        self._bar.show(done)

    def call(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Makes the C call.

        Raises
        ------
        BaseException
            What the user's function or a signal handler raised during the call.
        CancelledError
            If the user's function returned False.
        """
        if self._callback is None:
            function(*arguments)
            return
        try:
            with self._signals:
                function(*arguments)
                if self._bar is not None:
                    self._bar.show(self._bar.total)
        except CancelledError:
            if self._signals.exception is None:
                raise
        finally:
            self._callback = None  # it refers to this object, which shall not wait for the garbage collector
            if self._bar is not None:
                self._bar.close()
        self._signals.raise_stored()
