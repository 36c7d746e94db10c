"""Fresh random models in GGUF files, in a type of blocks drawn for each tensor: Nestling against transformers, whose model has the
weights that gguf-py decodes. Where transformers' own reader of GGUF takes over all that a config says, it is asked as well."""

import os

import nestling
import numpy as np
import pytest
import torch
import transformers
from drawing import assert_close
from make_decoder_fixtures import make_model

gguf = pytest.importorskip("gguf")
pytest.importorskip("accelerate")

import make_gguf_fixtures as maker  # noqa: E402

SEEDS = range(int(os.environ.get("NESTLING_PARITY_SEEDS", "3")))
FAMILIES = {"Llama": {}, "Mistral": {}, "Qwen2": {}, "Qwen3": {}, "Gemma": dict(hidden_act="gelu_pytorch_tanh"),
            "Gemma2": {}, "Gemma3": {}}
FLOATS = [maker.Type.F32, maker.Type.F16, maker.Type.BF16]


def draw(family, random):
    """A model whose rows are whole blocks."""
    heads, groups = [(4, 2), (6, 2), (2, 2), (8, 1)][random.integers(4)]
    settings = dict(vocab_size=int(random.integers(40, 90)), hidden_size=256, num_hidden_layers=int(random.integers(1, 4)),
                    num_attention_heads=heads, num_key_value_heads=groups, head_dim=int(random.choice([16, 32, 64])),
                    intermediate_size=int(random.choice([32, 64, 256])), max_position_embeddings=200,
                    rms_norm_eps=float(random.choice([1e-5, 1e-6])), tie_word_embeddings=bool(random.integers(2)),
                    rope_parameters=dict(rope_type="default", rope_theta=float(random.uniform(50, 5000))))
    if family.startswith("Gemma"):
        settings["tie_word_embeddings"] = True
    if family in ("Mistral", "Gemma2", "Gemma3"):
        settings["sliding_window"] = int(random.integers(3, 40))
    if family in ("Gemma2", "Gemma3"):
        settings["query_pre_attn_scalar"] = settings["head_dim"]
    if family == "Gemma3":
        settings["rope_parameters"] = dict(full_attention=settings["rope_parameters"],
                                           sliding_attention=dict(rope_type="default", rope_theta=10000.0))
        settings["num_hidden_layers"] = 7
    if family == "Qwen2":  # transformers' reader takes the size of its heads for granted
        settings |= dict(num_attention_heads=4, num_key_value_heads=2, head_dim=64)
    return settings | FAMILIES[family]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_random_models(family, seed, tmp_path):
    random = np.random.default_rng([seed, *family.encode()])
    name = family + "ForCausalLM"
    model = make_model(name, draw(family, random), seed)
    config = model.config.to_dict()
    kept, types, meant = {}, {}, {}
    for key, value in model.state_dict().items():
        values = value.numpy()
        kept[key] = meant[key] = values
        if key == "lm_head.weight" and config["tie_word_embeddings"]:
            del kept[key], meant[key]
        elif values.ndim == 2:
            usable = [kind for kind in maker.BLOCKS if values.shape[1] % gguf.GGML_QUANT_SIZES[kind][0] == 0]
            kind = (FLOATS + usable)[random.integers(3 + len(usable))]
            types[maker.gguf_name(key, family in ("Gemma2", "Gemma3"))] = kind
            if kind in usable:
                kept[key] = maker.random_blocks(random, kind, *values.shape)
                meant[key] = maker.dequantize(kept[key], kind)
            else:
                meant[key] = maker.dequantize(maker.quantize(values, kind), kind).reshape(values.shape)
    path = tmp_path / "model.gguf"
    maker.write(path, config, kept, types)
    exact = make_model(name, draw(family, np.random.default_rng([seed, *family.encode()])), seed)
    exact.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in meant.items()}, strict=False)
    exact.tie_weights()
    models = [exact]
    if family in ("Llama", "Qwen2"):
        models.append(transformers.AutoModelForCausalLM.from_pretrained(
            tmp_path, gguf_file=path.name, dtype=torch.float32))
    mine = nestling.load(path)
    ids = [random.integers(0, config["vocab_size"], length).tolist() for length in (1, 2, 33, 90)]
    for row, logits in zip(ids, mine.logits(ids)):
        for other in models:
            with torch.no_grad():
                expected = other.double().eval()(torch.tensor([row])).logits[0].numpy()
            assert_close(logits, expected, f"{family} {seed}, {len(row)} tokens")
