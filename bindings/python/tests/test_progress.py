"""Progress, cancelling, Ctrl-C, and exceptions on their way through C."""

from __future__ import annotations

import logging
import os
import pathlib
import signal
import threading
import time
from typing import Any

import numpy as np
import pytest
from support import run_python

import nestling
from nestling import _progress


@pytest.fixture
def work(bert: nestling.Model) -> Any:
    """Token ids that take a while: many slices."""
    generator = np.random.default_rng(3)
    return generator.integers(0, bert.vocabulary_size, (2000, 64), np.int32)


def test_progress_rises_to_the_number_of_sequences(bert: nestling.Model, work: Any) -> None:
    seen: list[tuple[str, int, int]] = []
    bert.encode(work, progress=lambda *step: seen.append(step))
    done = [step[1] for step in seen]
    assert {step[0] for step in seen} == {"encode"}
    assert {step[2] for step in seen} == {len(work)}
    assert done == sorted(done)
    assert done[-1] == len(work)
    assert len(done) > 10


def test_every_run_reports(bert: nestling.Model) -> None:
    for call in (bert.encode, bert.hidden_states):
        seen: list[Any] = []
        call([[5, 6]], progress=lambda *step: seen.append(step))  # noqa: B023
        assert seen


def test_loading_reports(fixtures: pathlib.Path) -> None:
    seen: list[tuple[str, int, int]] = []
    nestling.load(fixtures / "bert" / "base", progress=lambda *step: seen.append(step))
    assert seen
    assert {step[0] for step in seen} == {"load"}
    assert seen[-1][1] == seen[-1][2]
    with pytest.raises(nestling.CancelledError):
        nestling.load(fixtures / "bert" / "base", progress=lambda *step: False)


def test_returning_false_cancels_and_leaves_the_model_usable(bert: nestling.Model, work: Any) -> None:
    reference = bert.encode(work[:10])
    with pytest.raises(nestling.CancelledError):
        bert.encode(work, progress=lambda stage, done, total: done < total // 2)
    assert np.array_equal(bert.encode(work[:10]), reference)


@pytest.mark.parametrize("answer", [None, True, 0, 1, "yes"])
def test_other_answers_do_not_cancel(bert: nestling.Model, answer: Any) -> None:
    assert bert.encode([[5, 6]], progress=lambda *step: answer).shape == (1, 32)


class _Boom(Exception):
    pass


@pytest.mark.parametrize("kind", [_Boom, KeyboardInterrupt, SystemExit])
def test_exceptions_come_home(bert: nestling.Model, work: Any, kind: type[BaseException]) -> None:
    calls = []

    def progress(*step: Any) -> None:
        calls.append(step)
        if len(calls) == 2:
            raise kind("from the callback")

    with pytest.raises(kind, match="from the callback") as caught:
        bert.encode(work, progress=progress)
    assert len(calls) == 2, "the call went on after the exception"
    assert caught.value.__context__ is None
    assert bert.encode([5]).shape == (32,)


def test_exceptions_while_loading(fixtures: pathlib.Path) -> None:
    def progress(*step: Any) -> None:
        raise _Boom

    with pytest.raises(_Boom):
        nestling.load(fixtures / "bert" / "base", progress=progress)


def test_progress_must_be_callable(bert: nestling.Model) -> None:
    with pytest.raises(TypeError, match="callable"):
        bert.encode([5], progress=3)  # type: ignore[arg-type]


# Signals


def _interrupt_after(seconds: float) -> None:
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()


@pytest.mark.parametrize("delay", [0.02, 0.05, 0.08, 0.11])
def test_keyboard_interrupt_stops_a_long_call(bert: nestling.Model, work: Any, delay: float) -> None:
    endless = np.concatenate([work] * 100)  # minutes, if nothing stops it
    reference = bert.encode(work[:10])
    _interrupt_after(delay)
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt) as caught:
        bert.encode(endless)
    assert time.monotonic() - start < 10
    assert caught.value.__context__ is None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert np.array_equal(bert.encode(work[:10]), reference)


def test_a_handler_that_does_not_raise_does_not_cancel(bert: nestling.Model, work: Any) -> None:
    heard = []
    before = signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        bert.encode(work)
        assert heard
    finally:
        signal.signal(signal.SIGALRM, before)


def test_other_threads_leave_signal_handlers_alone(bert: nestling.Model, work: Any) -> None:
    handlers: list[Any] = []
    thread = threading.Thread(
        target=lambda: bert.encode(work, progress=lambda *_: handlers.append(signal.getsignal(signal.SIGINT)))
    )
    thread.start()
    thread.join()
    assert set(handlers) == {signal.default_int_handler}


# Bars


def test_when_a_bar_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("nestling")
    for level, terminal, expected in [
        (logging.WARNING, True, False),
        (logging.INFO, False, False),
        (logging.INFO, True, True),
        (logging.DEBUG, True, True),
    ]:
        monkeypatch.setattr(logger, "level", level)
        logger.manager._clear_cache()  # type: ignore[attr-defined]
        monkeypatch.setattr("sys.stderr.isatty", lambda terminal=terminal: terminal)
        assert _progress.wants_bar(None) is expected
        assert _progress.wants_bar(True) is True
        assert _progress.wants_bar(False) is False


_BAR = """
import sys
if {plain}:
    sys.modules["tqdm"] = sys.modules["tqdm.auto"] = None
import nestling
model = nestling.load({path!r})
model.encode([[5, 6]] * 3000, show_progress_bar={asked})
"""


@pytest.mark.parametrize("plain", [True, False])
def test_bars_go_to_stderr_if_asked(fixtures: pathlib.Path, plain: bool) -> None:
    code = _BAR.format(plain=plain, path=str(fixtures / "bert" / "base"), asked=True)
    result = run_python(code)
    assert "3000/3000" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("asked", [None, False])
def test_no_bar_otherwise(fixtures: pathlib.Path, asked: Any) -> None:
    result = run_python(_BAR.format(plain=True, path=str(fixtures / "bert" / "base"), asked=asked))
    assert result.stderr == ""
