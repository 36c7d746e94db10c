"""Memory comes back, and does not grow with use."""

from __future__ import annotations

import gc
import pathlib

import numpy as np
import pytest
from support import run_python

import nestling


def test_ten_thousand_texts(dense: nestling.Model) -> None:
    words = ["bird", "river", "old", "tree", "child", "book", "city", "dog", "cat", "sparrow"]
    generator = np.random.default_rng(7)
    texts = [" ".join(generator.choice(words, generator.integers(0, 25))) for _ in range(10_000)]
    vectors = dense.encode(texts)
    assert vectors.shape == (10_000, 10)
    assert np.isfinite(vectors).all()
    for index in range(0, 10_000, 997):
        assert np.array_equal(dense.encode(texts[index]), vectors[index])


_STABLE = """
import gc, sys
import numpy as np
import nestling

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

model = nestling.load({path!r})
texts = ["a small bird sings " * (1 + index % 12) for index in range(200)]
ids = model.tokenize(texts)

def round():
    model.encode(texts)
    model.encode(ids, reduction=nestling.ToMe(r=1))
    model.hidden_states(ids[:50], layer=0)
    model.encode(texts, progress=lambda *step: None)
    small = model.submodel(ffn=0.5, output_dim=5)
    small.encode(ids[:10])
    with model.session() as session:
        session.encode(ids[:10])
        session.token_map()
    tokenizer = model.tokenizer
    tokenizer.encode("a small bird")
    for encoding in tokenizer.encode_batch([*texts, ("a", "pair")]):
        encoding.pad(len(encoding) + 5)
        encoding.truncate(4, stride=1)
        encoding.offsets, encoding.overflowing
    tokenizer.decode_batch([encoding.ids for encoding in tokenizer.encode_batch_fast(texts)])
    stream = nestling.DecodeStream()
    stream.step(tokenizer, ids[0])
    nestling.Tokenizer.from_file({path!r}).enable_truncation(5)
    model.describe()
    try:
        model.encode([[10**6]])
    except nestling.InvalidArgumentError:
        pass
    try:
        model.encode(texts, progress=lambda *step: False)
    except nestling.CancelledError:
        pass
    with nestling.load({path!r}) as other:
        other.encode("a bird")

gc.disable()  # nothing may wait for the garbage collector
for _ in range(30):
    round()
before = resident()
for _ in range(150):
    round()
grown = resident() - before
print(grown)
sys.exit(grown > 3_000_000)
"""


def test_memory_is_stable(dense_path: pathlib.Path) -> None:
    result = run_python(_STABLE.format(path=str(dense_path)), check=False)
    assert result.returncode == 0, (result.stdout, result.stderr)


def test_a_model_is_freed_without_the_garbage_collector(fixtures: pathlib.Path) -> None:
    from nestling import _handles

    def handles() -> int:
        return sum(isinstance(thing, _handles.Handle) for thing in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = handles()
        model = nestling.load(fixtures / "bert" / "base")
        model.encode([[5, 6, 7]] * 2000)
        with pytest.raises(nestling.InvalidArgumentError):
            model.encode([[5, -6]])
        with pytest.raises(nestling.CancelledError):
            model.encode([[5]] * 5000, progress=lambda *step: False)
        small = model.submodel(ffn=0.5)
        small.encode([5])
        assert handles() > before
        del model, small
        assert handles() == before
    finally:
        gc.enable()
