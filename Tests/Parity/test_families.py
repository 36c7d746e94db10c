"""Fresh random models of every family and head: Nestling in one ragged batch against transformers, one by one."""

import os

import nestling
import pytest
from drawing import FAMILIES, HEADS, assert_close, draw_inputs, draw_model, expected

SEEDS = range(int(os.environ.get("NESTLING_PARITY_SEEDS", "3")))
CASES = [(family, head, seed) for family, heads in FAMILIES.items() for head in heads for seed in SEEDS]


@pytest.mark.parametrize("family,head,seed", CASES, ids=[f"{f}{h}-{s}" for f, h, s in CASES])
def test_family(family, head, seed, tmp_path):
    theirs = draw_model(family, head, seed, tmp_path)
    ids, types = draw_inputs(theirs, seed)
    ours = nestling.load(tmp_path)
    wanted = expected(theirs, ids, types)
    layers = len(wanted[0][0]) - 1
    assert ours.layers == layers
    for layer in range(layers + 1):
        states = ours.hidden_states(ids, layer=layer, token_type_ids=types)
        for row, (reference, _), state in zip(ids, wanted, states):
            assert_close(state, reference[layer], f"layer {layer} of {layers}, {len(row)} tokens")
    for row, (reference, _), state in zip(ids, wanted, ours.hidden_states(ids, token_type_ids=types)):
        assert_close(state, reference[-1], f"last state, {len(row)} tokens")
    if HEADS[head] is None:
        return
    assert ours.default_head == HEADS[head] and HEADS[head] in ours.heads
    for name in (None, HEADS[head]):
        for row, (_, logits), scores in zip(ids, wanted, ours.logits(ids, head=name, token_type_ids=types)):
            reference = logits[0] if head == "ForSequenceClassification" else logits
            assert_close(scores, reference, f"logits, {len(row)} tokens")


@pytest.mark.parametrize("dtype", ("float16", "bfloat16"))
@pytest.mark.parametrize("family", ("Bert", "ModernBert", "Gte"))
def test_half_precision_files(family, dtype, tmp_path):
    """Weights stored in half precision run as if they had been float32 all along."""
    import torch
    from make_fixtures import load

    draw_model(family, "Model", 5, tmp_path).to(getattr(torch, dtype)).save_pretrained(tmp_path)
    theirs = load(family + "Model", tmp_path)
    ids, types = draw_inputs(theirs, 5)
    states = nestling.load(tmp_path).hidden_states(ids, token_type_ids=types)
    for (reference, _), state in zip(expected(theirs, ids, types), states):
        assert_close(state, reference[-1], dtype)


def test_shards(tmp_path):
    """The same weights in one file and in many give the same bits."""
    theirs = draw_model("Bert", "ForMaskedLM", 6, tmp_path / "one", hidden_size=60, num_attention_heads=4)
    theirs.save_pretrained(tmp_path / "many", max_shard_size="20KB")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 3
    ids, types = draw_inputs(theirs, 6, (1, 30))
    one, many = (nestling.load(tmp_path / name).logits(ids, token_type_ids=types) for name in ("one", "many"))
    assert all((a == b).all() for a, b in zip(one, many))
