"""An engine in a process of its own, so that its threads and memory are its own."""

import contextlib
import dataclasses
import importlib
import multiprocessing
import os
import re
import time
from pathlib import Path

import numpy as np

from . import engines
from .texts import SENTENCES

# An answer that takes longer than this is none.
PATIENCE = 900


class EngineFailure(Exception):
    """An engine could not do what it was asked."""


@dataclasses.dataclass(frozen=True)
class Setup:
    """What a process runs: engine, precision and one of its variants."""

    engine: str
    dtype: str
    variant: str
    settings: dict = dataclasses.field(default_factory=dict, hash=False)

    def __str__(self):
        return f"{self.engine} {self.dtype}" + (f" ({self.variant})" if self.variant != "default" else "")


def in_child(function, *arguments):
    """Calls a function of a module in a process of its own and returns what it returns."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def resident_bytes():
    """What this process has in memory now, and had at most."""
    status = Path("/proc/self/status").read_text()
    return [int(re.search(rf"{key}:\s+(\d+) kB", status)[1]) * 1024 for key in ("VmRSS", "VmHWM")]


def timed(run, rows, pooled, count):
    """Seconds of the first run, and the mean of `count` more."""
    begin = time.perf_counter()
    run(rows, pooled)
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    for _ in range(count):
        run(rows, pooled)
    return first, (time.perf_counter() - begin) / count


def serve(setup, model, threads, inputs, first_case, pipe):
    """The life of the process: loads the model, runs the first case, then answers "check", "time" and "memory"."""
    try:
        module = engines.module(setup.engine)
        for name in module.PACKAGES:
            importlib.import_module(name)
        before = resident_bytes()[0]
        begin = time.perf_counter()
        run = module.load(model, setup.dtype, threads, setup.settings)
        run(inputs[first_case], first_case == SENTENCES)
        pipe.send(time.perf_counter() - begin)
    except Exception as error:
        pipe.send(EngineFailure(one_line(error)))
        return
    while True:
        try:
            request, case, count = pipe.recv()
        except EOFError:  # the parent is gone
            return
        if request == "stop":
            return
        rows, pooled = inputs.get(case), case == SENTENCES
        try:
            if request == "check":
                pipe.send(np.array(run(rows, pooled), np.float32))
            elif request == "time":
                pipe.send(timed(run, rows, pooled, count))
            elif request == "memory":
                now, most = resident_bytes()
                pipe.send({"before": before, "now": now, "most": most, "added": now - before})
        except Exception as error:
            pipe.send(EngineFailure(one_line(error)))


def one_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:300]}"


class EngineProcess:
    """The parent's side of such a process. Raises EngineFailure, also if the process dies or never answers."""

    def __init__(self, setup, model, threads, inputs, first_case):
        context = multiprocessing.get_context("spawn")
        self.setup = setup
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(setup, model, threads, inputs, first_case, other), daemon=True)
        with environment(setup.settings.get("environment", {})):
            self.process.start()
        other.close()
        try:
            self.load_seconds = self.receive()
        except EngineFailure:
            self.stop()
            raise

    def receive(self):
        try:
            if self.pipe.poll(PATIENCE):
                answer = self.pipe.recv()
            else:
                self.process.kill()  # a late answer would be taken for that of the next question
                answer = EngineFailure(f"no answer in {PATIENCE} seconds")
        except (EOFError, OSError):
            self.process.join(5)
            answer = EngineFailure(f"the process ended with {self.process.exitcode}")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ask(self, request, case=None, count=1):
        try:
            self.pipe.send((request, case, count))
        except OSError as error:
            raise EngineFailure(one_line(error)) from None
        return self.receive()

    def settle(self):
        """Waits 20 ms, and then until this process has stopped spinning (a second at most)."""
        time.sleep(0.02)
        # The kernel's number of the clock of another process's processor time.
        clock = (~self.process.pid << 3) | 2
        end = time.perf_counter() + 1
        try:
            used = time.clock_gettime(clock)
            while time.perf_counter() < end:
                time.sleep(0.005)
                previous, used = used, time.clock_gettime(clock)
                if used - previous < 0.0005:
                    return
        except OSError:
            pass  # it has ended; the next question will tell

    def stop(self):
        with contextlib.suppress(OSError):
            self.pipe.send(("stop", None, 0))
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join(5)
        self.pipe.close()


@contextlib.contextmanager
def environment(variables):
    """Sets environment variables for processes started within."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
