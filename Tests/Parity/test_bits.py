"""A sequence's result does not depend on its batch, on threads, or on how work was divided: bit for bit."""

import nestling
import numpy as np
import pytest
from drawing import FAMILIES, draw_inputs, draw_model


def results(model, ids, types, **arguments):
    """Last states and sequence vectors of a batch."""
    states = model.hidden_states(ids, token_type_ids=types, **arguments)
    return list(zip(states, model.encode(ids, token_type_ids=types, **arguments)))


def assert_same_bits(actual, wanted, what):
    for a, b in zip(actual, wanted, strict=True):
        assert a.shape == b.shape and a.tobytes() == b.tobytes(), what


@pytest.mark.parametrize("reduction", (None, nestling.ToMe(r=3)), ids=("whole", "merged"))
@pytest.mark.parametrize("family", FAMILIES)
def test_alone_in_a_batch_and_threaded(family, reduction, tmp_path):
    theirs = draw_model(family, "Model", 8, tmp_path)
    model = nestling.load(tmp_path)
    random = np.random.default_rng(8)
    lengths = [1, 2, 3, 512, 40, *random.integers(1, 130, 45).tolist()]
    ids, types = draw_inputs(theirs, 8, lengths)
    with nestling.threads(1):
        wanted = results(model, ids, types, reduction=reduction)
    for threads in (1, 2):
        with nestling.threads(threads):
            for index in range(len(ids)):
                alone = results(model, ids[index:index + 1], types and types[index:index + 1], reduction=reduction)
                assert_same_bits(alone[0], wanted[index], f"{lengths[index]} tokens alone, {threads} threads")
            for got, want in zip(results(model, ids, types, reduction=reduction), wanted, strict=True):
                assert_same_bits(got, want, f"in the batch, {threads} threads")
            order = random.permutation(len(ids))
            mixed = results(model, [ids[i] for i in order], types and [types[i] for i in order], reduction=reduction)
            for index, got in zip(order, mixed, strict=True):
                assert_same_bits(got, wanted[index], f"{lengths[index]} tokens in another order, {threads} threads")
    with model.session(slice_tokens=64) as session:
        sliced = session.hidden_states(ids, token_type_ids=types, reduction=reduction)
        for index, got in enumerate(sliced):
            assert_same_bits([got], wanted[index][:1], f"{lengths[index]} tokens, small slices")
