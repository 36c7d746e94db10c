"""One model in many Python threads, and in children after fork."""

from __future__ import annotations

import os
import pathlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from support import run_python

import nestling


def test_thread_count() -> None:
    before = nestling.get_thread_count()
    assert before >= 1
    with nestling.threads(3):
        assert nestling.get_thread_count() == 3
        with nestling.threads(1):
            assert nestling.get_thread_count() == 1
        assert nestling.get_thread_count() == 3
    assert nestling.get_thread_count() == before
    with pytest.raises(ZeroDivisionError), nestling.threads(2):
        raise ZeroDivisionError
    assert nestling.get_thread_count() == before
    nestling.set_thread_count(0)
    assert nestling.get_thread_count() >= 1


@pytest.mark.parametrize("wrong", [-1, 1025, 10**6])
def test_thread_counts_out_of_range(wrong: int) -> None:
    with pytest.raises(nestling.InvalidArgumentError):
        nestling.set_thread_count(wrong)


def test_many_threads_use_one_model(dense: nestling.Model) -> None:
    texts = [f"the bird {index} sings " * (1 + index % 7) for index in range(40)]
    reference = dense.encode(texts)
    small = dense.submodel(ffn=0.5)
    small_reference = small.encode(texts)
    barrier = threading.Barrier(8)

    def work(seed: int) -> bool:
        generator = np.random.default_rng(seed)
        barrier.wait()
        for _ in range(20):
            chosen = generator.permutation(40)[: generator.integers(1, 40)]
            model, expected = (dense, reference) if generator.random() < 0.5 else (small, small_reference)
            if not np.array_equal(model.encode([texts[index] for index in chosen]), expected[chosen]):
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_thread_count_changes_no_bit(bert: nestling.Model) -> None:
    batch = np.random.default_rng(4).integers(0, bert.vocabulary_size, (50, 33))
    results = []
    for count in (1, 2, 3):
        with nestling.threads(count):
            results.append(bert.encode(batch))
        with bert.session(thread_count=count, slice_tokens=100) as session:
            results.append(session.encode(batch))
    assert all(np.array_equal(result, results[0]) for result in results)


def test_calls_release_the_gil(bert: nestling.Model) -> None:
    """While one thread computes, another one gets to run Python."""
    batch = np.random.default_rng(5).integers(0, bert.vocabulary_size, (3000, 64))
    bert.encode(batch[:1])
    running = threading.Event()
    ticks: list[float] = []

    def tick() -> None:
        running.wait()
        while running.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.monotonic()
    running.set()
    bert.encode(batch)
    running.clear()
    end = time.monotonic()
    thread.join()
    inside = [moment for moment in ticks if start + 0.1 * (end - start) < moment < end - 0.1 * (end - start)]
    assert len(inside) >= 5, (len(ticks), end - start)


def test_a_session_serves_one_thread_at_a_time(bert: nestling.Model) -> None:
    batch = np.random.default_rng(6).integers(0, bert.vocabulary_size, (2000, 64))
    session = bert.session()
    refused: list[Any] = []

    def intrude(*step: Any) -> None:
        def encode() -> None:
            try:
                session.encode([5])
            except nestling.Error as error:
                refused.append(error)

        if not refused:
            thread = threading.Thread(target=encode)
            thread.start()
            thread.join()

    result = session.encode(batch, progress=intrude)
    assert refused
    assert np.array_equal(result, bert.encode(batch))


def test_memory_limit(bert: nestling.Model) -> None:
    needed = bert.estimate(512)
    assert 0 < needed < bert.estimate(4096)
    with bert.session(memory_limit=1000) as session, pytest.raises(MemoryError):
        session.encode([[5] * 400])
    with bert.session(memory_limit=bert.estimate()) as session:
        assert session.encode([[5] * 400]).shape == (1, 32)


@pytest.mark.parametrize("wrong", [{"slice_tokens": 0}, {"memory_limit": -1}, {"thread_count": 0}])
def test_session_options_out_of_range(bert: nestling.Model, wrong: Any) -> None:
    with pytest.raises(nestling.InvalidArgumentError):
        bert.session(**wrong)


_FORK = """
import os, sys, threading, time
import numpy as np
import nestling

model = nestling.load({path!r})
batch = np.random.default_rng(0).integers(0, model.vocabulary_size, (400, 64))
reference = model.encode(batch)
small = model.submodel(ffn=0.5)
if {busy}:
    stop = threading.Event()
    def work():
        while not stop.is_set():
            model.encode(batch)
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
child = os.fork()
if child == 0:
    ok = np.array_equal(model.encode(batch), reference)
    ok = ok and np.array_equal(small.encode(batch), model.submodel(ffn=0.5).encode(batch))
    with nestling.threads(2):
        ok = ok and np.array_equal(model.encode(batch), reference)
    os._exit(0 if ok else 3)
deadline = time.monotonic() + 60
while True:
    pid, status = os.waitpid(child, os.WNOHANG)
    if pid:
        break
    if time.monotonic() > deadline:
        os.kill(child, 9)
        sys.exit("the child hangs")
    time.sleep(0.01)
if {busy}:
    stop.set()
    for thread in threads:
        thread.join()
assert os.waitstatus_to_exitcode(status) == 0, status
assert np.array_equal(model.encode(batch), reference)
"""


@pytest.mark.parametrize("busy", [False, True])
def test_models_work_after_fork(fixtures: pathlib.Path, busy: bool) -> None:
    """In the child, also when other threads of the parent were inside calls when it forked."""
    run_python(_FORK.format(path=str(fixtures / "bert" / "base"), busy=busy))


def test_process_pool(fixtures: pathlib.Path) -> None:
    run_python(
        f"""
import multiprocessing
import numpy as np
import nestling

model = nestling.load({str(fixtures / "bert" / "base")!r})

def work(seed):
    return model.encode(np.random.default_rng(seed).integers(0, model.vocabulary_size, (10, 30)))

if __name__ == "__main__":
    expected = [work(seed) for seed in range(8)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for result, reference in zip(pool.map(work, range(8)), expected):
            assert np.array_equal(result, reference)
"""
    )


def test_exit_while_threads_compute(fixtures: pathlib.Path) -> None:
    """Daemon threads inside calls must not crash the interpreter's end."""
    run_python(
        f"""
import threading, time
import nestling
model = nestling.load({str(fixtures / "bert" / "base")!r})
def work():
    while True:
        model.encode([[5, 6, 7] * 20] * 500)
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
"""
    )


def test_processors_of_the_affinity_mask_are_counted() -> None:
    cpu = min(os.sched_getaffinity(0))
    output = run_python(
        f"import os; os.sched_setaffinity(0, {{{cpu}}}); import nestling; print(nestling.get_thread_count())"
    ).stdout
    assert output.strip() == "1"
