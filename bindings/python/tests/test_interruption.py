"""Ctrl-C, other signals and exceptions of callbacks while texts are generated."""

from __future__ import annotations

import pathlib
import signal
import time
from typing import Any, Optional

import pytest
from support import run_python

import nestling

PROMPT = [5, 17, 3, 50]


@pytest.fixture(scope="module")
def model(fixtures: pathlib.Path) -> nestling.Model:
    """A decoder whose context is 80 tokens."""
    return nestling.load(fixtures / "gemma3" / "causal-lm")


# Generates again and again, with the stream or without, while a timer sends Ctrl-C at moments that no one chooses.
INTERRUPTED = """
import os, random, signal, sys, threading, time
import nestling

model = nestling.load(sys.argv[1])
options = dict(max_new_tokens=70, temperature=0.0, ignore_eos=True)
if {constrained}:
    options["constraint"] = lambda ids, scores: None
expected = model.generate([5, 17, 3, 50], **options)
draw = random.Random(7)
for turn in range(60):
    timer = threading.Timer(draw.uniform(0, 0.01), os.kill, (os.getpid(), signal.SIGINT))
    heard = False
    try:
        timer.start()
        while True:
            ids = model.generate([5, 17, 3, 50], stream={stream}, **options)
            assert list(ids) == expected, "a text that was cut looks complete"
    except KeyboardInterrupt as interrupt:
        heard = True
        assert interrupt.__context__ is None
    assert heard
    timer.join()
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert model.generate([5, 17, 3, 50], **options) == expected
print("whole")
"""


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("constrained", [False, True])
def test_ctrl_c_is_heard_wherever_it_strikes(fixtures: pathlib.Path, stream: bool, constrained: bool) -> None:
    code = INTERRUPTED.format(stream=stream, constrained=constrained).replace(
        "sys.argv[1]", repr(str(fixtures / "gemma3" / "causal-lm"))
    )
    result = run_python(code, timeout=120)
    assert result.stdout == "whole\n"
    assert result.stderr == "", "an exception was lost inside a callback"


def test_an_interrupted_step_leaves_the_texts_running(model: nestling.Model) -> None:
    options: dict[str, Any] = dict(max_new_tokens=20, temperature=0.0, ignore_eos=True)
    expected = model.generate(PROMPT, **options)
    heard: list[str] = []

    def interrupt(piece: str) -> None:
        heard.append(piece)
        if len(heard) == 3:
            signal.raise_signal(signal.SIGINT)

    with model.generator() as generator:
        text = generator.add(PROMPT, on_text=interrupt, **options)
        other = generator.add(PROMPT[:2], **options)
        with pytest.raises(KeyboardInterrupt):
            generator.run()
        assert len(heard) == 3, "the work went on after the interruption"
        assert not text.finished and not other.finished
        generator.run()
    assert text.ids == expected
    assert other.ids == model.generate(PROMPT[:2], **options)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGALRM, signal.SIGHUP, signal.SIGUSR1])
def test_other_signals_that_raise(model: nestling.Model, number: signal.Signals) -> None:
    def handler(received: int, frame: Any) -> None:
        raise TimeoutError("too long")

    before = signal.signal(number, handler)
    try:
        with pytest.raises(TimeoutError, match="too long") as caught:
            for count, _ in enumerate(model.generate(PROMPT, stream=True, max_new_tokens=50, ignore_eos=True)):
                if count == 5:
                    signal.raise_signal(number)
        assert caught.value.__context__ is None
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError])
@pytest.mark.parametrize("callback", ["on_text", "constraint"])
def test_exceptions_of_callbacks_come_home_once(model: nestling.Model, kind: type[BaseException], callback: str) -> None:
    calls: list[int] = []

    def strike(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise kind("from the callback")

    with model.generator() as generator:
        options: dict[str, Any] = {callback: strike}
        text = generator.add(PROMPT, max_new_tokens=30, ignore_eos=True, **options)
        other = generator.add(PROMPT, max_new_tokens=30, temperature=0.0, ignore_eos=True)
        with pytest.raises(kind, match="from the callback"):
            generator.run()
        assert len(calls) == 4
        assert text.finish_reason == "cancelled" and not other.finished
        generator.run()
        assert len(calls) == 4
    assert other.ids == model.generate(PROMPT, max_new_tokens=30, temperature=0.0, ignore_eos=True)


def test_a_text_whose_callback_was_kept_from_hearing_has_ended(
    model: nestling.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no handler of ours sees, as an exception set by another thread, may still strike before the callback's first line."""
    from nestling import generator as module

    hear = module._hear
    calls: list[Optional[int]] = []

    def lost(*arguments: Any) -> int:
        calls.append(hear(*arguments))
        if len(calls) == 2:
            return 1  # the text ends in C, and its callback is not called again
        return 0

    monkeypatch.setattr(module, "_hear", lost)
    start = time.monotonic()
    with pytest.raises(nestling.CancelledError, match="struck before its callback"):
        list(model.generate(PROMPT, stream=True, max_new_tokens=50, ignore_eos=True))
    assert time.monotonic() - start < 10
