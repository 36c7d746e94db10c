"""Fresh random decoders of every family: Nestling in one ragged batch against transformers, one sequence at a time."""

import os

import nestling
import numpy as np
import pytest
import torch
from drawing import assert_close
from make_decoder_fixtures import make_model
from make_fixtures import load, run

SEEDS = range(int(os.environ.get("NESTLING_PARITY_SEEDS", "3")))
LENGTHS = (1, 2, 19, 33, 64, 65, 130)
CAUSAL = {"Gemma3": "Gemma3ForCausalLM", "GPT2": "GPT2LMHeadModel"}
BARE = {"Gemma3": "Gemma3TextModel", "Gemma3n": "Gemma3nTextModel"}
FAMILIES = ("Llama", "Mistral", "Qwen2", "Qwen3", "GPT2", "GPTNeoX", "OPT", "Phi3", "Gemma", "Gemma2", "Gemma3", "Gemma3n")
SCALINGS = ("linear", "dynamic", "llama3", "yarn", "longrope", "proportional")


def draw_scaling(kind, size, random):
    """Random parameters of a way to scale rotary positions, for heads of `size` elements."""
    original = int(random.integers(16, 70))
    factor = float(random.uniform(1, 9))
    own = dict(linear=dict(factor=factor), dynamic=dict(factor=factor), proportional=dict(
        factor=factor, partial_rotary_factor=float(random.choice([0.25, 0.5, 1.0]))))
    own["llama3"] = dict(factor=factor, low_freq_factor=float(random.uniform(0.5, 2)),
                         high_freq_factor=float(random.uniform(3, 6)), original_max_position_embeddings=original)
    own["yarn"] = dict(factor=factor, original_max_position_embeddings=original,
                       beta_fast=float(random.uniform(4, 32)), beta_slow=float(random.uniform(0.5, 2)))
    extra = random.integers(4)
    if extra == 1:
        own["yarn"] |= dict(mscale=float(random.uniform(0.5, 2)), mscale_all_dim=float(random.uniform(0.5, 2)))
    if extra == 2:
        own["yarn"] |= dict(attention_factor=float(random.uniform(0.5, 2)), truncate=False)
    own["longrope"] = dict(short_factor=random.uniform(1, 2, size // 2).tolist(),
                           long_factor=random.uniform(1, 20, size // 2).tolist(),
                           original_max_position_embeddings=original)
    if extra == 3:
        own["longrope"] |= dict(attention_factor=float(random.uniform(0.5, 2)))
    return dict(rope_type=kind, rope_theta=float(random.choice([100.0, 1000.0, 10000.0])), **own[kind])


def draw_settings(family, random):
    """A configuration of odd shapes."""
    groups = int(random.integers(1, 4))
    key_heads = int(random.integers(1, 4))
    heads = groups * key_heads
    size = 2 * int(random.integers(3, 10))
    vocabulary, layers = int(random.integers(40, 300)), int(random.integers(1, 5))
    width = int(random.integers(9, 200))
    activation = str(random.choice(["silu", "gelu", "gelu_pytorch_tanh", "relu"]))
    if family == "GPT2":
        return dict(vocab_size=vocabulary, n_embd=heads * size, n_head=heads, n_layer=layers, n_positions=140,
                    n_inner=random.choice([None, width]), activation_function=activation,
                    scale_attn_by_inverse_layer_idx=bool(random.integers(2)))
    settings = dict(vocab_size=vocabulary, hidden_size=heads * size, num_attention_heads=heads, num_hidden_layers=layers,
                    max_position_embeddings=140)
    tied = dict(tie_word_embeddings=bool(random.integers(2)))
    if family == "OPT":
        before = bool(random.integers(2))
        return settings | tied | dict(
            ffn_dim=width, activation_function=activation, do_layer_norm_before=before,
            enable_bias=bool(random.integers(2)), layer_norm_elementwise_affine=bool(random.integers(2)),
            word_embed_proj_dim=int(random.choice([heads * size, 11])))
    settings |= tied | dict(intermediate_size=width)
    if family == "GPTNeoX":
        return settings | dict(
            use_parallel_residual=bool(random.integers(2)), attention_bias=bool(random.integers(2)),
            hidden_act=activation, hidden_size=heads * 16, rope_parameters=dict(
                rope_type="default", rope_theta=500.0, partial_rotary_factor=float(random.choice([0.25, 0.5, 1.0]))))
    settings["num_key_value_heads"] = key_heads
    settings["hidden_activation" if family in ("Gemma2", "Gemma3", "Gemma3n") else "hidden_act"] = activation
    window = int(random.integers(1, 150))
    kinds = [str(random.choice(["sliding_attention", "full_attention"])) for _ in range(layers)]
    if family != "Phi3":
        settings["head_dim"] = 2 * int(random.integers(3, 12))
    if family in ("Llama", "Qwen3", "Gemma", "Gemma2", "Gemma3", "Gemma3n"):
        settings["attention_bias"] = bool(random.integers(2))
    if family == "Llama":
        settings["mlp_bias"] = bool(random.integers(2))
    if family == "Mistral":
        settings["sliding_window"] = random.choice([None, window])
    if family in ("Qwen2", "Qwen3"):
        settings |= dict(use_sliding_window=True, sliding_window=window, max_window_layers=int(random.integers(4)))
    if family == "Phi3":
        settings |= dict(sliding_window=window, pad_token_id=0, hidden_size=heads * 16, rope_parameters=dict(
            rope_type="default", rope_theta=1000.0, partial_rotary_factor=float(random.choice([0.5, 0.75, 1.0]))))
    if family == "Gemma3n":
        return draw_gemma3n(settings, window, random)
    if family in ("Gemma2", "Gemma3"):
        settings |= dict(sliding_window=window, layer_types=kinds, query_pre_attn_scalar=int(random.integers(3, 40)),
                         final_logit_softcapping=float(random.uniform(1, 9)))
    if family == "Gemma2":
        settings["attn_logit_softcapping"] = float(random.uniform(1, 9))
    return settings


def draw_gemma3n(settings, window, random, layers=None):
    """Of each layer a width, a type and a sparsity; streams, and as many layers that share keys as their types allow."""
    layers = layers or int(random.integers(1, 8))
    kinds = [str(random.choice(["sliding_attention", "full_attention"])) for _ in range(layers)]
    shared = [count for count in range(layers) if set(kinds[:layers - count]) == set(kinds)]
    streams = int(random.integers(1, 5))
    return settings | dict(
        num_hidden_layers=layers, layer_types=kinds, sliding_window=window, num_kv_shared_layers=int(random.choice(shared)),
        intermediate_size=[int(random.integers(9, 120)) for _ in range(layers)],
        activation_sparsity_pattern=[float(random.choice([0.0, 0.3, 0.95])) for _ in range(layers)],
        final_logit_softcapping=float(random.uniform(1, 9)), altup_num_inputs=streams,
        altup_active_idx=int(random.integers(streams)), altup_correct_scale=bool(random.integers(2)),
        laurel_rank=int(random.integers(1, 20)), hidden_size_per_layer_input=int(random.integers(1, 40)),
        vocab_size_per_layer_input=settings["vocab_size"] - int(random.integers(0, 9)))


def plain(settings):
    """Python's numbers in place of NumPy's."""
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in settings.items()}


def compare(class_name, settings, seed, directory):
    """Every layer and the scores of a fresh model."""
    make_model(class_name, plain(settings), seed).save_pretrained(directory)
    random = np.random.default_rng(seed)
    ids = [random.integers(0, settings["vocab_size"], length) for length in LENGTHS]
    ours = nestling.load(directory)
    wanted = [run(load(class_name, directory).double(), row, None) for row in ids]
    rows = [row.tolist() for row in ids]
    layers = len(wanted[0][0]) - 1
    assert ours.layers == layers
    for layer in range(layers + 1):
        # What OPT projects again is compared as scores.
        if class_name.startswith("OPT") and layer == layers and settings.get("word_embed_proj_dim") == 11:
            continue
        # Those of Gemma 3n's last layer are of all streams, and not normalized, where there are logits.
        if class_name == "Gemma3nForCausalLM" and layer == layers:
            continue
        last = dict() if layer == layers else dict(layer=layer)
        for state, (states, _) in zip(ours.hidden_states(rows, **last), wanted):
            assert_close(state, states[layer], f"layer {layer} of {layers}, {len(state)} tokens")
    if wanted[0][1] is not None:
        assert ours.default_head == "causal_lm"
        for scores, (_, logits) in zip(ours.logits(rows), wanted):
            assert_close(scores, logits, f"logits, {len(scores)} tokens")
    return ours


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_causal_lm(family, seed, tmp_path):
    settings = draw_settings(family, np.random.default_rng([seed, *family.encode()]))
    compare(CAUSAL.get(family, family + "ForCausalLM"), settings, seed, tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
def test_bare(family, tmp_path):
    settings = draw_settings(family, np.random.default_rng([99, *family.encode()]))
    compare(BARE.get(family, family + "Model"), settings, 99, tmp_path)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", SCALINGS)
def test_rope_scaling(kind, seed, tmp_path):
    """The context of training is 40 tokens where the way of scaling looks at it: shorter and longer sequences."""
    random = np.random.default_rng([seed, *kind.encode()])
    settings = draw_settings("Llama", random) | dict(max_position_embeddings=40)
    settings["head_dim"] = 4 * int(random.integers(2, 6))
    settings["rope_parameters"] = draw_scaling(kind, settings["head_dim"], random)
    compare("LlamaForCausalLM", settings, seed, tmp_path)


@pytest.mark.parametrize("kind", ("linear", "yarn", "longrope"))
def test_rope_scaling_in_older_configs(kind, tmp_path):
    """`rope_scaling` and `rope_theta`, as configs had them before transformers 5."""
    import json

    random = np.random.default_rng([7, *kind.encode()])
    settings = draw_settings("Qwen2", random) | dict(use_sliding_window=False)
    settings["head_dim"] = 12
    settings["rope_parameters"] = draw_scaling(kind, 12, random)
    make_model("Qwen2ForCausalLM", plain(settings), 3).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    parameters = config.pop("rope_parameters")
    config["rope_theta"] = parameters.pop("rope_theta")
    config["rope_scaling"] = parameters
    (tmp_path / "config.json").write_text(json.dumps(config))
    ids = random.integers(0, settings["vocab_size"], 50)
    logits = run(load("Qwen2ForCausalLM", tmp_path).double(), ids, None)[1]
    assert_close(nestling.load(tmp_path).logits([ids.tolist()])[0], logits, kind)


@pytest.mark.parametrize("seed", SEEDS)
def test_gemma3n_slices(seed, tmp_path):
    """A width for each layer, and layers left out, as E2B is cut out of E4B: transformers gives the scores of the view, for a
    checkpoint of texts alone and for the texts of one of texts, images and sounds."""
    import json

    from safetensors.numpy import load_file, save_file

    random = np.random.default_rng([seed, 3])
    settings = draw_gemma3n(draw_settings("Llama", random), 5, random, layers=9)
    settings.pop("mlp_bias"), settings.pop("hidden_act")
    settings |= dict(layer_types=["sliding_attention", "sliding_attention", "full_attention"] * 3, num_kv_shared_layers=4)
    make_model("Gemma3nForCausalLM", plain(settings), seed).save_pretrained(tmp_path / "full")
    full = nestling.load(tmp_path / "full")
    with pytest.raises(nestling.Error, match="must be kept"):
        full.submodel(layers=[0, 1, 2, 3, 5, 6, 7, 8])
    kept = [[0, 1, 2, 3, 4, 8], [0, 2, 3, 4, 5, 6, 7], [1, 2, 4]][seed % 3]
    widths = [max(1, settings["intermediate_size"][layer] * (1 + layer % 3) // 3) for layer in kept]
    view = full.submodel(ffn=widths, layers=kept)
    view.save(tmp_path / "cut")
    assert not (tmp_path / "cut" / "nestling.json").exists()
    cut, again = load("Gemma3nForCausalLM", tmp_path / "cut").double(), nestling.load(tmp_path / "cut")
    config = json.loads((tmp_path / "full" / "config.json").read_text())
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "config.json").write_text(json.dumps(dict(
        model_type="gemma3n", architectures=["Gemma3nForConditionalGeneration"], text_config=config)))
    tensors = load_file(tmp_path / "full" / "model.safetensors")
    tensors = {name.replace("model.", "model.language_model."): tensor for name, tensor in tensors.items()}
    tensors["model.vision_tower.weight"] = np.ones((3, 3), np.float32)
    save_file(tensors, tmp_path / "all" / "model.safetensors", metadata={"format": "pt"})
    whole = nestling.load(tmp_path / "all")
    assert whole.default_head == "causal_lm"
    whole.submodel(ffn=widths, layers=kept).save(tmp_path / "all_cut")
    assert not (tmp_path / "all_cut" / "nestling.json").exists()
    for length in (1, 2, 70):
        ids = random.integers(0, settings["vocab_size"], length)
        logits = run(cut, ids, None)[1]
        for model, name in ((view, "view"), (again, "saved"), (nestling.load(tmp_path / "all_cut"), "all")):
            assert_close(model.logits([ids.tolist()])[0], logits, name)
        assert whole.logits([ids.tolist()])[0].tobytes() == full.logits([ids.tolist()])[0].tobytes()


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "Gemma3n"])
def test_saved_submodel_loads_in_transformers(family, tmp_path):
    """One FFN width and fewer layers: transformers reads what was saved and gives the scores of the view."""
    random = np.random.default_rng([5, *family.encode()])
    settings = draw_settings(family, random)
    settings.pop("layer_types", None)
    settings["n_layer" if family == "GPT2" else "num_hidden_layers"] = 4
    if family == "GPT2":
        settings["scale_attn_by_inverse_layer_idx"] = False
    class_name = CAUSAL.get(family, family + "ForCausalLM")
    make_model(class_name, plain(settings), 5).save_pretrained(tmp_path / "full")
    full = nestling.load(tmp_path / "full")
    width = full.describe()["ffn_widths"][0]
    view = full.submodel(ffn=max(1, width * 3 // 5), layers=[0, 1, 3])
    view.save(tmp_path / "cut")
    assert not (tmp_path / "cut" / "nestling.json").exists()
    cut, again = load(class_name, tmp_path / "cut").double(), nestling.load(tmp_path / "cut")
    for length in (1, 2, 70):
        ids = random.integers(0, settings["vocab_size"], length)
        logits = run(cut, ids, None)[1]
        assert_close(view.logits([ids.tolist()])[0], logits, "view")
        assert_close(again.logits([ids.tolist()])[0], logits, "saved")


@pytest.mark.parametrize("dtype", ("bfloat16", "int8", "int4"))
@pytest.mark.parametrize("family", FAMILIES)
def test_fewer_bits(family, dtype, tmp_path):
    """Scores stay near those of float32, and a packed checkpoint gives the same bits."""
    settings = draw_settings(family, np.random.default_rng([11, *family.encode()]))
    if family == "Gemma3n":
        # Sparse gates of so few neurons pass errors on five times as large: transformers' own bfloat16 is then 0.28 off.
        settings["activation_sparsity_pattern"] = [0.0] * settings["num_hidden_layers"]
    class_name = CAUSAL.get(family, family + "ForCausalLM")
    make_model(class_name, plain(settings), 11).save_pretrained(tmp_path / "full")
    rows = [np.arange(length) % settings["vocab_size"] for length in (3, 40)]
    rows = [row.tolist() for row in rows]
    model = nestling.load(tmp_path / "full", dtype=dtype)
    scores, exact = model.logits(rows), nestling.load(tmp_path / "full").logits(rows)
    for a, b in zip(scores, exact):
        error = np.linalg.norm(a - b) / np.linalg.norm(b)
        assert error < {"bfloat16": 0.05, "int8": 0.15, "int4": 0.6}[dtype], error
    model.save(tmp_path / "packed", packed=True)
    for a, b in zip(nestling.load(tmp_path / "packed").logits(rows), scores):
        assert a.tobytes() == b.tobytes()


def test_multimodal_gemma3(tmp_path):
    """The texts of a checkpoint of texts and images."""
    import transformers
    from make_fixtures import randomize

    text = dict(vocab_size=120, hidden_size=24, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=6,
                intermediate_size=29, sliding_window=5, max_position_embeddings=80, query_pre_attn_scalar=6)
    vision = dict(hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14)
    config = transformers.Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=100)
    model = randomize(transformers.Gemma3ForConditionalGeneration(config), 3)
    model.save_pretrained(tmp_path)
    ours = nestling.load(tmp_path)
    assert ours.default_head == "causal_lm"
    for length in (1, 9, 40):
        ids = np.random.default_rng(length).integers(3, 99, length)
        with torch.no_grad():
            logits = model.double()(input_ids=torch.from_numpy(ids[None])).logits[0].numpy()
        assert_close(ours.logits([ids.tolist()])[0], logits, f"{length} tokens")


def test_refusals(tmp_path):
    """Keys that would change the result are refused by name."""
    import json

    settings = dict(vocab_size=40, hidden_size=24, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2,
                    intermediate_size=20, max_position_embeddings=40)
    make_model("LlamaForCausalLM", settings, 1).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for key, value, culprit in [
        ("quantization_config", {"quant_method": "gptq"}, "quantization_config"),
        ("rope_scaling", {"rope_type": "magic", "factor": 2.0}, "magic"),
        ("rope_parameters", {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}, "partial_rotary_factor"),
        ("hidden_act", "magic", "hidden_act"),
        ("num_key_value_heads", 3, "num_key_value_heads"),
    ]:
        (tmp_path / "config.json").write_text(json.dumps(config | {key: value}))
        with pytest.raises(nestling.Error, match=culprit):
            nestling.load(tmp_path)


def test_embedding_model(tmp_path):
    """As Qwen3-Embedding is stored: names without a prefix, the last token's state, scaled to length 1, prompts."""
    from make_fixtures import make_tokenizer
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    tokenizer, vocabulary = make_tokenizer(64)
    settings = dict(vocab_size=len(vocabulary), hidden_size=24, num_hidden_layers=2, num_attention_heads=4,
                    num_key_value_heads=2, head_dim=10, intermediate_size=29, max_position_embeddings=80,
                    tie_word_embeddings=True)
    make_model("Qwen3Model", settings, 3).save_pretrained(tmp_path / "body")
    tokenizer.save_pretrained(tmp_path / "body")
    transformer = Transformer(str(tmp_path / "body"), model_kwargs=dict(attn_implementation="eager"))
    modules = [transformer, Pooling(24, pooling_mode="lasttoken"), Normalize()]
    theirs = SentenceTransformer(modules=modules, prompts={"query": "search query: "}, device="cpu").eval()
    theirs.save_pretrained(str(tmp_path / "model"), create_model_card=False)
    ours = nestling.load(tmp_path / "model")
    texts = ["a bird sings", "the nestling eats from the hand of a child and sings", "tree"]
    wanted = np.stack([theirs.encode([text])[0] for text in texts])
    assert_close(ours.encode(texts), wanted, "vectors")
    wanted = np.stack([theirs.encode([text], prompt_name="query")[0] for text in texts])
    assert_close(ours.encode(texts, prompt_name="query"), wanted, "vectors with a prompt")
