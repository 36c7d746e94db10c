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
            "Gemma2": {}, "Gemma3": {}, "Gemma3n": {}}
FLOATS = [maker.Type.F32, maker.Type.F16, maker.Type.BF16]


def draw(family, random):
    """A model whose rows are whole blocks."""
    heads, groups = [(4, 2), (8, 2), (2, 2), (8, 1)][random.integers(4)]
    settings = dict(vocab_size=int(random.integers(40, 90)), hidden_size=256, num_hidden_layers=int(random.integers(1, 4)),
                    num_attention_heads=heads, num_key_value_heads=groups, head_dim=int(random.choice([16, 32, 64])),
                    intermediate_size=int(random.choice([32, 64, 256])), max_position_embeddings=200,
                    rms_norm_eps=float(random.choice([1e-5, 1e-6])), tie_word_embeddings=bool(random.integers(2)),
                    rope_parameters=dict(rope_type="default", rope_theta=float(random.uniform(50, 5000))))
    if family == "Gemma3n":
        return draw_gemma3n(settings, random)
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


def draw_gemma3n(settings, random):
    """A width, a type and a sparsity for each layer; four streams, which the converter takes for granted."""
    return settings | dict(
        tie_word_embeddings=True, num_hidden_layers=5, intermediate_size=random.choice([32, 64, 256], 5).tolist(),
        layer_types=["sliding_attention", "full_attention", "sliding_attention", "sliding_attention", "full_attention"],
        num_kv_shared_layers=int(random.choice([0, 1, 3])), sliding_window=int(random.integers(3, 40)),
        activation_sparsity_pattern=random.choice([0.0, 0.123, 0.5, 0.95, 0.999], 5).tolist(),
        final_logit_softcapping=float(random.choice([3.0, 30.0])), altup_num_inputs=4,
        altup_active_idx=int(random.integers(4)), laurel_rank=int(random.choice([5, 32])),
        hidden_size_per_layer_input=int(random.choice([6, 32, 256])), vocab_size_per_layer_input=settings["vocab_size"] - 3,
        rope_parameters=dict(full_attention=settings["rope_parameters"],
                             sliding_attention=dict(rope_type="default", rope_theta=200.0)))


def make_gguf(family, settings, seed, path, choose):
    """Writes a model with `choose(shape)` as the type of each matrix; gives the model of transformers of what is in it."""
    random = np.random.default_rng([seed, 1])
    name = family + "ForCausalLM"
    model = make_model(name, settings, seed)
    config = model.config.to_dict()
    kept, types, meant = {}, {}, {}
    for key, value in model.state_dict().items():
        if key == "lm_head.weight" and config["tie_word_embeddings"]:
            continue
        values = kept[key] = meant[key] = value.numpy()
        short = maker.gguf_name(key, maker.kind_of(config))
        if values.ndim < 2:
            continue
        kind = types.setdefault(short, choose(values.shape))
        if kind in maker.BLOCKS:
            kept[key] = maker.random_blocks(random, kind, *values.shape)
            meant[key] = maker.dequantize(kept[key], kind)
        else:
            meant[key] = maker.dequantize(maker.quantize(values, kind), kind).reshape(values.shape)
    maker.write(path, config, kept, types)
    if family == "Gemma3n":  # the converter gives the table of each layer a row for each token
        table = "model.embed_tokens_per_layer.weight"
        meant[table] = maker.padded(meant[table], config["vocab_size"])
        settings = settings | dict(vocab_size_per_layer_input=config["vocab_size"])
    exact = make_model(name, settings, seed)
    exact.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in meant.items()}, strict=False)
    exact.tie_weights()
    return exact


def draw_types(random):
    """Any type whose blocks make whole rows."""

    def choose(shape):
        usable = [kind for kind in maker.BLOCKS if shape[1] % gguf.GGML_QUANT_SIZES[kind][0] == 0]
        return (FLOATS + usable)[random.integers(3 + len(usable))]

    return choose


def compare(mine, model, random, what):
    """The logits of short and long texts, against transformers in float64."""
    vocabulary = model.config.vocab_size
    ids = [random.integers(0, vocabulary, length).tolist() for length in (1, 2, 33, 90)]
    model = model.double().eval()
    for row, logits in zip(ids, mine.logits(ids)):
        with torch.no_grad():
            assert_close(logits, model(torch.tensor([row])).logits[0].numpy(), f"{what}, {len(row)} tokens")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_random_models(family, seed, tmp_path):
    random = np.random.default_rng([seed, *family.encode()])
    path = tmp_path / "model.gguf"
    exact = make_gguf(family, draw(family, random), seed, path, draw_types(random))
    mine = nestling.load(path)
    compare(mine, exact, random, f"{family} {seed}")
    if family in ("Llama", "Qwen2"):
        theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file=path.name, dtype=torch.float32)
        compare(mine, theirs, random, f"{family} {seed}, read by transformers")


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0"])
def test_gemma3n(kind, tmp_path):
    """Files as the converter writes them, of one type where it suits: logits, what is generated, a submodel, and what
    transformers makes of saved ones."""
    random = np.random.default_rng([7, *kind.encode()])
    settings = draw("Gemma3n", random)
    wanted = maker.Type[kind]

    def choose(shape):
        if shape[1] == 4:  # coefficients of streams
            return maker.Type.F32
        return maker.Type.F16 if kind == "Q8_0" and shape[1] % 32 else wanted

    exact = make_gguf("Gemma3n", settings, 5, tmp_path / "model.gguf", choose)
    mine = nestling.load(tmp_path / "model.gguf")
    compare(mine, exact, random, kind)
    for length in (1, 45):
        prompt = random.integers(0, settings["vocab_size"], length).tolist()
        assert mine.generate(prompt, max_new_tokens=12, temperature=0, ignore_eos=True) == generate(exact, prompt, 12)
    widths = [width // 2 for width in settings["intermediate_size"]]
    for name, model in (("whole", mine), ("cut", mine.submodel(ffn=widths))):
        model.save(tmp_path / name)
        theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / name, dtype=torch.float32)
        assert theirs.config.activation_sparsity_pattern == pytest.approx(settings["activation_sparsity_pattern"], rel=1e-6)
        compare(model, theirs, random, f"{kind}, {name}")


def generate(model, prompt, count):
    """The tokens that transformers generates: random weights end no text."""
    model.generation_config.eos_token_id = None
    ids = torch.tensor([prompt])
    with torch.no_grad():
        text = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False)
    return text[0, len(prompt):].tolist()
