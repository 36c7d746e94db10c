"""Checks the reference itself: against transformers' goldens, and against properties that merging must have.

    python -m pytest Tests/Reference

needs pytest and NumPy.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import make_goldens  # noqa: E402
import reducers  # noqa: E402
from encoder import Encoder, Part, read_safetensors  # noqa: E402
from tome import Reduction, State, match  # noqa: E402

FIXTURES = Path(__file__).resolve().parent.parent / "Fixtures"
NAMES = ("bert/base", "mpnet/base", "modernbert/base")


def relative_error(actual, expected):
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("name", NAMES)
def test_encoder_equals_transformers(name):
    encoder, golden = Encoder(FIXTURES / name), read_safetensors(FIXTURES / name / "golden.safetensors")
    types = golden.get("token_type_ids")
    for begin, end in zip(golden["offsets"], golden["offsets"][1:]):
        run = encoder.run(golden["ids"][begin:end], None if types is None else types[begin:end])
        length = end - begin
        for layer, states in enumerate(run.states):
            key = f"hidden.{layer}.{length}"
            if key in golden:
                assert relative_error(states[golden[f"rows.{length}"]], golden[key]) < 2e-6
        assert relative_error(run.pooled("mean"), golden[f"mean.{length}"]) < 2e-6


def test_vision_encoder_equals_transformers():
    """An image of the configured size, the first of all."""
    folder = FIXTURES / "vit" / "base"
    encoder, golden = Encoder(folder), read_safetensors(folder / "golden.safetensors")
    run = encoder.run(read_safetensors(FIXTURES / "vision" / "pixels.safetensors")["0"])
    for layer, states in enumerate(run.states):
        assert relative_error(states, golden[f"hidden.{layer}.0"]) < 2e-6


def brute_force_match(metric, r, protected):
    """The same rule in loops, with no shared code."""
    count = len(metric)
    candidates = []
    free = [index for index in range(count) if not protected[index]]
    for source in free:
        if source % 2:
            continue
        best = None
        for destination in free:
            if destination % 2 == 0:
                continue
            lengths = np.sqrt((metric[source] ** 2).sum() * (metric[destination] ** 2).sum())
            score = (metric[source] * metric[destination]).sum() / lengths if lengths else 0.0
            if best is None or score > best[0] + 1e-12:
                best = (score, destination)
        if best:
            candidates.append((-round(best[0], 10), source, best[1]))
    candidates = sorted(candidates)[:max(0, min(r, len(free) // 2))]
    return sorted((source, destination) for _, source, destination in candidates)


@pytest.mark.parametrize("protect", ("special", "first", "last", "none"))
def test_matching_equals_brute_force(protect):
    random = np.random.default_rng(3)
    for length in range(1, 24):
        for r in (0, 1, 2, 5, 1000):
            for metric in (random.normal(size=(length, 5)), np.eye(3)[random.integers(0, 3, length)]):
                protected = Reduction(protect=protect).protected(length)
                found = match(metric, r, protected)
                assert list(zip(found.sources, found.destinations)) == brute_force_match(metric, r, protected)


def published(x, sizes, groups, metric, r, has_class_token):
    """One layer of the published procedure as it is told: the rows themselves are put in the order [unmerged, destinations].

    x [n, d], sizes [n], groups: a set of original tokens for each row; metric [n, d]
    """
    unit = metric / np.linalg.norm(metric, axis=1, keepdims=True)
    even, odd = np.arange(0, len(x), 2), np.arange(1, len(x), 2)
    scores = unit[even] @ unit[odd].T
    if has_class_token:
        scores[0] = -np.inf
    r = min(r, (len(x) - has_class_token) // 2)
    if r == 0:
        return x, sizes, groups
    edges = np.argsort(-scores.max(axis=1))
    partner = scores.argmax(axis=1)
    unmerged = np.sort(edges[r:]) if has_class_token else edges[r:]
    sums, mass, members = x * sizes[:, None], sizes.copy(), list(groups)
    for edge in edges[:r]:
        source, destination = even[edge], odd[partner[edge]]
        sums[destination] += sums[source]
        mass[destination] += mass[source]
        members[destination] = members[destination] | members[source]
    kept = [*even[unmerged], *odd]
    return sums[kept] / mass[kept][:, None], mass[kept], [members[row] for row in kept]


@pytest.mark.parametrize("protect", ("first", "none"))
def test_layers_equal_the_published_procedure(protect):
    """Rows that stay where they are and an order give the groups and features of rows that are moved."""
    random = np.random.default_rng(9)
    for length in (2, 3, 9, 10, 26, 197):
        for r in (1, 2, 5, 16, 1000):
            x = random.normal(size=(length, 6))
            mix = random.normal(size=(8, 6, 6))
            state, rows = State.initial(length, Reduction(r=r, protect=protect)), x
            moved, sizes, groups = x, np.ones(length), [frozenset([token]) for token in range(length)]
            for layer in range(8):  # each layer sees the rows in another way
                rows, state = state.merge(rows, rows @ mix[layer], r)
                moved, sizes, groups = published(moved, sizes, groups, moved @ mix[layer], r, protect == "first")
                ours = [frozenset(np.flatnonzero(state.map == row)) for row in range(len(rows))]
                assert set(ours) == set(groups)
                places = [groups.index(group) for group in ours]
                assert np.allclose(rows, moved[places], rtol=0, atol=1e-9)
                assert (state.sizes == sizes[places]).all()
                assert places == list(np.argsort(state.order))


def test_most_that_can_merge():
    for length in range(1, 40):
        found = match(np.random.default_rng(length).normal(size=(length, 4)), 10**6, Reduction().protected(length))
        assert len(found.sources) == max(0, (length - 2) // 2)


@pytest.mark.parametrize("name", NAMES)
def test_merging_keeps_what_it_must(name):
    encoder = Encoder(FIXTURES / name)
    random = np.random.default_rng(5)
    for length in (1, 2, 3, 4, 7, 20, 33):
        ids = random.integers(3, 100, length)
        run = encoder.run(ids, reduction=Reduction(r=3))
        for layer, sizes in enumerate(run.sizes):
            assert sizes.sum() == length and (sizes > 0).all()
            assert (np.bincount(run.maps[layer], minlength=len(sizes)) == sizes).all()
            assert run.maps[layer][0] == 0 and run.maps[layer][-1] == len(sizes) - 1
        assert sizes[0] == 1 and sizes[-1] == 1
        weighed = (run.states[-1] * run.sizes[-1][:, None]).sum(axis=0) / length
        assert np.allclose(run.pooled("mean"), weighed, rtol=0, atol=1e-12)
        plain = encoder.run(ids)
        assert np.array_equal(encoder.run(ids, reduction=Reduction(r=0)).states[-1], plain.states[-1])


@pytest.mark.parametrize("case", make_goldens.REDUCERS)
def test_other_methods_keep_what_they_must(case):
    encoder, reduction = Encoder(FIXTURES / "bert/base"), make_goldens.reduction(case)
    random = np.random.default_rng(6)
    for length in (1, 2, 3, 4, 9, 20):
        ids = random.integers(3, 100, length)
        run = encoder.run(ids, reduction=reduction)
        matrix = run.last.matrix
        assert np.allclose(matrix.sum(axis=0), run.last.sizes)
        assert (matrix >= 0).all() and matrix.any(axis=0).all()
        shares = matrix.sum(axis=1)
        assert np.allclose(shares[list(run.last.pruned)], 0)
        assert np.allclose(np.delete(shares, list(run.last.pruned)), 1)
        # Protected tokens are alone in their rows, in their places.
        for token in set(range(length)) - set(reduction.free(length)):
            assert matrix[token].max() == 1 and np.count_nonzero(matrix[:, matrix[token].argmax()]) == 1
        # What was restored is restored to itself.
        rows = run.last.restored(run.states[-1])
        if not run.last.pruned and not case.startswith("transforming"):
            assert np.array_equal(run.last.restored(np.linalg.pinv(matrix) @ rows).round(9), rows.round(9))
    if reduction.method != "maelre":
        nothing = reducers.Reduction(reduction.method, r=0, protect=reduction.protect, options=reduction.options)
        assert np.array_equal(encoder.run(ids, reduction=nothing).states[-1], encoder.run(ids).states[-1])


def test_proportional_attention_of_twins():
    """Two tokens with equal keys and values are one token of size two, exactly: attention over twins equals attention over
    merged ones."""
    encoder = Encoder(FIXTURES / "bert/base")
    layer = encoder.layers[0]
    x = np.random.default_rng(2).normal(size=(6, 32))
    twins = np.repeat(x, 2, axis=0)
    merged = State(np.full(6, 2), np.arange(6), np.repeat(np.arange(6), 2), Reduction())
    apart, *_ = encoder._attend(layer, twins, State.initial(12, Reduction()), layer.heads)
    joined, *_ = encoder._attend(layer, x, merged, layer.heads)
    assert np.allclose(apart[::2], joined, rtol=0, atol=1e-12)


def test_schedules():
    assert Reduction(r=8).counts(100, 4) == [8, 8, 8, 8]
    assert Reduction(r=8, schedule="decreasing").counts(100, 5) == [16, 12, 8, 4, 0]
    assert Reduction(r=8, schedule="increasing").counts(100, 5) == [0, 4, 8, 12, 16]
    assert Reduction(r=3, schedule="decreasing").counts(100, 3) == [6, 3, 0]
    assert Reduction(r=3, schedule="decreasing").counts(100, 4) == [6, 4, 2, 0]
    assert Reduction(r=1, schedule="decreasing").counts(100, 12) == [2] + [1] * 5 + [0] * 6
    assert Reduction(r=5, schedule="decreasing").counts(100, 1) == [5]
    assert Reduction(r=[4, 2]).counts(100, 3) == [4, 2, 0]
    assert Reduction(r=[4, 2, 1]).counts(100, 2) == [4, 2]
    assert Reduction(ratio=0.5).counts(11, 3) == [1, 2, 2]
    assert Reduction(ratio=1.0).counts(11, 3) == [0, 0, 0]


@pytest.mark.parametrize("name", NAMES)
def test_parts(name):
    encoder = Encoder(FIXTURES / name)
    ids = np.random.default_rng(9).integers(3, 100, 12)
    layers = encoder.layers
    whole = encoder.run(ids)
    everything = Part(list(range(len(layers))), [len(layer.up[0]) for layer in layers], [layer.heads for layer in layers])
    assert np.array_equal(encoder.run(ids, part=everything).states[-1], whole.states[-1])
    half = encoder.run(ids, part=Part(feed_forward_widths=[38] * len(layers)))
    assert relative_error(half.states[-1], whole.states[-1]) > 1e-3
