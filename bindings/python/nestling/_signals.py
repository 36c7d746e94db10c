"""Signals that arrive while C runs: their handlers' exceptions must not strike inside a callback, where ctypes loses them."""

from __future__ import annotations

import signal
import threading
from typing import Any, Optional

# Those whose handlers people write, and which may raise: Ctrl-C, time limits, requests to end.
_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class DeferredSignals:
    """While entered, what handlers of signals raise is stored instead, and raised, once, by `raise_stored`.

    Python runs handlers in the main thread, the next time that its interpreter runs there; during a call of C that is
    inside a callback, perhaps before its first line, where nothing could catch what they raise. The handlers run as
    before and as soon as before. In other threads nothing is to be done.

    Attributes
    ----------
    exception : BaseException or None
        What a handler raised first. A callback that sees one should end the work.
    """

    __slots__ = ("exception", "_replaced")

    def __init__(self) -> None:
        self.exception: Optional[BaseException] = None
        self._replaced: list[tuple[int, Any]] = []

    def __enter__(self) -> DeferredSignals:
        if threading.current_thread() is threading.main_thread():
            try:
                self._replace_handlers()
            except BaseException:
                self.__exit__()
                raise
        return self

    def _replace_handlers(self) -> None:
        for number in _NUMBERS:
            handler = signal.getsignal(number)
            if callable(handler):
                self._replaced.append((number, handler))
                signal.signal(number, self._storing(handler))

    def __exit__(self, *exception: object) -> None:
        while self._replaced:
            number, handler = self._replaced.pop()
            signal.signal(number, handler)

    def _storing(self, handler: Any) -> Any:
        def deliver(number: int, frame: Any) -> None:
            try:
                handler(number, frame)
            except BaseException as exception:
                self.store(exception)

        return deliver

    def store(self, exception: BaseException) -> None:
        """Keeps an exception to be raised later, unless there is one already."""
        if self.exception is None:
            self.exception = exception

    def raise_stored(self) -> None:
        """Raises what was stored, if anything was, and forgets it."""
        exception, self.exception = self.exception, None
        if exception is not None:
            try:
                raise exception
            finally:
                del exception  # its traceback refers to this frame
