"""Makes the GGUF files under Tests/Fixtures/gguf, and what they must say.

    python Tests/Fixtures/make_gguf_fixtures.py

needs the package gguf (0.19.0), which writes the files and is the reference for what blocks mean, and for the quantized model torch
and transformers. Metadata, names and the order of rows are those that convert_hf_to_gguf.py of llama.cpp gives.

`<family>.gguf` holds the weights of the checkpoint CHECKPOINTS names, whose goldens it must reproduce. `quantized.gguf` is a model
in all types of blocks, `gemma3n.gguf` one of Gemma 3n in Q8_0; the safetensors of these names are what transformers computes in
float64 of the numbers that they mean.
`blocks.safetensors` has random blocks of each type, "TYPE.bytes", and their numbers, "TYPE.values". `tokenizer-*.gguf` hold the
tokenizers of Tests/TokenizersTests/Fixtures and hardly a model.
"""

import functools
import json
import pathlib
import re
import sys

import gguf
import numpy as np
from gguf.quants import dequantize, quantize
from safetensors.numpy import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "gguf"
TOKENIZERS = HERE.parent / "TokenizersTests" / "Fixtures"
Type = gguf.GGMLQuantizationType

CHECKPOINTS = {"llama": "llama/llama3", "qwen2": "qwen2/causal-lm", "qwen3": "qwen3/causal-lm", "gemma2": "gemma2/causal-lm",
               "gemma3": "gemma3/causal-lm"}

KINDS = {"gemma3_text": "gemma3", "gemma3n_text": "gemma3n", "mistral": "llama"}


def kind_of(config):
    """What GGUF files call the architecture."""
    return KINDS.get(config["model_type"], config["model_type"])


@functools.cache
def name_map(kind):
    return gguf.get_tensor_name_map(next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == kind), 16)


def gguf_name(name, kind):
    """The name of a tensor of transformers in GGUF files; the projections of streams are one tensor there."""
    name = re.sub(r"(altup_\w*projections)\.\d+", r"\1", name)
    name += ".weight" if name.endswith("_scale") else ""
    return name_map(kind).get_name(name, (".weight", ".bias"))


def side_by_side(rows, head_size):
    """Rows of heads whose rotary pairs are half a head apart, in the order that has them side by side."""
    heads = rows.reshape(-1, 2, head_size // 2, *rows.shape[1:])
    return np.ascontiguousarray(heads.swapaxes(1, 2)).reshape(rows.shape)


def llama3_factors(rope, head_size):
    """What Llama 3 divides the frequency of each pair by, as rope_freqs.weight has it."""
    frequencies = 1 / rope["rope_theta"] ** (np.arange(0, head_size, 2) / head_size)
    lengths = 2 * np.pi / frequencies
    tokens, low, high = rope["original_max_position_embeddings"], rope["low_freq_factor"], rope["high_freq_factor"]
    share = np.clip((tokens / lengths - low) / (high - low), 0, 1)
    return (1 / ((1 - share) / rope["factor"] + share)).astype(np.float32)


def padded(table, rows):
    """A table with rows of zeros behind it."""
    return np.pad(table, [(0, rows - table.shape[0]), (0, 0)])


def add_streams(writer, config):
    """What only Gemma 3n has. The share of gates that become 0 is said by where the normal distribution reaches it."""
    import torch
    writer.add_altup_active_idx(config["altup_active_idx"])
    writer.add_altup_num_inputs(config["altup_num_inputs"])
    writer.add_embedding_length_per_layer_input(config["hidden_size_per_layer_input"])
    writer.add_shared_kv_layers(config["num_kv_shared_layers"])
    shares = torch.tensor(config["activation_sparsity_pattern"], dtype=torch.float32)
    writer.add_activation_sparsity_scale(torch.distributions.normal.Normal(0, 1).icdf(shares).tolist())


def write(path, config, tensors, types=None, add=None):
    """Writes a model: `config` and `tensors` as transformers has them, `types` of some tensors by their GGUF names."""
    kind = kind_of(config)
    writer = gguf.GGUFWriter(path, kind)
    heads = config["num_attention_heads"]
    head_size = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(head_size)
    writer.add_value_length(head_size)
    writer.add_rope_dimension_count(head_size)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    rope = config["rope_parameters"]
    if "full_attention" in rope:
        local, rope = rope["sliding_attention"], rope["full_attention"]
        writer.add_float32(f"{kind}.rope.freq_base_swa", local["rope_theta"])
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        writer.add_float32(f"{kind}.rope.scaling.yarn_beta_fast", rope.get("beta_fast", 32.0))
    norms_are_shifted = kind in ("gemma", "gemma2", "gemma3")
    if config.get("attn_logit_softcapping"):
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
    if config.get("final_logit_softcapping"):
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    if "query_pre_attn_scalar" in config:
        writer.add_attention_scale(config["query_pre_attn_scalar"] ** -0.5)
    if config.get("sliding_window") and config["model_type"] != "qwen2":
        writer.add_sliding_window(config["sliding_window"])
    if kind in ("gemma3", "gemma3n"):
        writer.add_sliding_window_pattern([layer == "sliding_attention" for layer in config["layer_types"]])
    if kind == "gemma3n":
        add_streams(writer, config)
    if rope["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(rope, head_size))
    if add:
        add(writer)
    stacks = {}
    for name, values in tensors.items():
        short = gguf_name(name, kind)
        if kind == "llama" and (".q_proj." in name or ".k_proj." in name):
            values = side_by_side(values, head_size)
        if norms_are_shifted and name.endswith("norm.weight"):
            values = values + 1
        if short == "per_layer_token_embd.weight":
            values = padded(values, config["vocab_size"])
        if short.startswith("altup_"):
            stacks.setdefault(short, []).append(values)
            if len(stacks[short]) < config["altup_num_inputs"] - 1:
                continue
            values = np.stack(stacks[short])
        kind_of_tensor = (types or {}).get(short, Type.F32)
        if kind_of_tensor == Type.F32:
            writer.add_tensor(short, values.astype(np.float32))
        else:
            stored = values if values.dtype == np.uint8 else quantize(values, kind_of_tensor)
            writer.add_tensor(short, stored, raw_dtype=kind_of_tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def random_blocks(random, kind, rows, columns):
    """Random blocks of finite numbers: all bytes, but the scales, are any."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (rows, columns // elements, size), dtype=np.uint8)
    places = {Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0], Type.Q4_K: [0, 2],
              Type.Q5_K: [0, 2], Type.Q6_K: [208], Type.Q2_K: [80, 82], Type.Q3_K: [108], Type.IQ4_NL: [0], Type.IQ4_XS: [0],
              Type.TQ1_0: [52], Type.TQ2_0: [64], Type.MXFP4: []}
    widths = {Type.Q8_0: 0.0015, Type.Q4_K: 0.0005, Type.Q5_K: 0.0003, Type.Q6_K: 0.00006, Type.Q2_K: 0.005,
              Type.Q3_K: 0.002, Type.IQ4_NL: 0.002, Type.IQ4_XS: 0.0001, Type.TQ1_0: 0.1, Type.TQ2_0: 0.1}
    if kind == Type.MXFP4:  # exponents
        blocks[:, :, 0] = random.integers(117, 122, blocks.shape[:2])
    for place in places[kind]:
        scales = (widths.get(kind, 0.02) * random.uniform(-1, 1, blocks.shape[:2])).astype(np.float16)
        blocks[:, :, place:place + 2] = scales[:, :, None].view(np.uint8).reshape(*blocks.shape[:2], 2)
    return blocks.reshape(rows, -1)


BLOCKS = [Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0, Type.Q4_K, Type.Q5_K, Type.Q6_K,
          Type.Q2_K, Type.Q3_K, Type.IQ4_NL, Type.IQ4_XS, Type.MXFP4, Type.TQ1_0, Type.TQ2_0]


def make_blocks():
    """Blocks of each type, and what they mean."""
    random = np.random.default_rng(7)
    tensors = {}
    for kind in BLOCKS:
        blocks = random_blocks(random, kind, 3, 256)
        tensors[f"{kind.name}.bytes"] = blocks
        tensors[f"{kind.name}.values"] = dequantize(blocks, kind).astype(np.float32)
    save_file(tensors, OUT / "blocks.safetensors")


# 256 columns, because that is what blocks of K need; heads of 16, of which two share one of keys.
QUANTIZED = dict(vocab_size=40, hidden_size=256, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
                 intermediate_size=32, max_position_embeddings=80, rms_norm_eps=1e-5, tie_word_embeddings=True,
                 rope_parameters=dict(rope_type="default", rope_theta=300.0))
QUANTIZED_TYPES = {
    "token_embd.weight": Type.Q6_K, "blk.0.attn_q.weight": Type.Q4_K, "blk.0.attn_k.weight": Type.Q5_K,
    "blk.0.attn_v.weight": Type.Q6_K, "blk.0.attn_output.weight": Type.Q5_1, "blk.0.ffn_gate.weight": Type.Q4_0,
    "blk.0.ffn_up.weight": Type.Q8_0, "blk.0.ffn_down.weight": Type.Q5_0,
}


# Rows of whole blocks of Q8_0 but for one; an own width for each layer, windows, and keys that the last layer takes.
STREAMS = dict(vocab_size=40, hidden_size=32, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
               intermediate_size=[64, 32, 32], max_position_embeddings=80, rms_norm_eps=1e-5, sliding_window=4,
               layer_types=["sliding_attention", "full_attention", "sliding_attention"], num_kv_shared_layers=1,
               activation_sparsity_pattern=[0.95, 0.0, 0.3], final_logit_softcapping=3.0, vocab_size_per_layer_input=40,
               hidden_size_per_layer_input=32, altup_num_inputs=4, altup_active_idx=1, laurel_rank=6,
               rope_parameters=dict(full_attention=dict(rope_type="default", rope_theta=500.0),
                                    sliding_attention=dict(rope_type="default", rope_theta=60.0)))


def types_of_q8(names):
    """The types that convert_hf_to_gguf.py gives to tensors of these names and shapes with --outtype q8_0."""
    return {name: Type.Q8_0 if shape[-1] % 32 == 0 else Type.F16 for name, shape in names.items()
            if len(shape) > 1 and not name.endswith(("correct_coef.weight", "predict_coef.weight"))}


def make_quantized(file, class_name, settings, types_of, seeds):
    """A model of blocks, and the logits that transformers computes of what they mean."""
    import torch
    import transformers
    from make_decoder_fixtures import make_model
    random = np.random.default_rng(seeds[0])
    model = make_model(class_name, settings, seeds[1])
    config = model.config.to_dict()
    weights = {name: value.numpy() for name, value in model.state_dict().items() if name != "lm_head.weight"}
    names = {name: gguf_name(name, kind_of(config)) for name in weights}
    types = types_of({names[name]: values.shape for name, values in weights.items()})
    stored, meant = {}, {}
    for name, values in weights.items():
        kind = types.get(names[name])
        stored[name] = meant[name] = values
        if kind in BLOCKS:
            stored[name] = random_blocks(random, kind, *values.shape)
            meant[name] = dequantize(stored[name], kind).astype(np.float32)
        elif kind:
            meant[name] = dequantize(quantize(values, kind), kind).astype(np.float32)
    write(OUT / f"{file}.gguf", config, stored, types)
    model.load_state_dict({name: torch.from_numpy(value) for name, value in meant.items()}, strict=False)
    model.tie_weights()
    exact = model.double().eval()
    ids = random.integers(0, config["vocab_size"], 21)
    with torch.no_grad():
        logits = exact(torch.from_numpy(ids)[None]).logits[0].numpy()
    save_file({"ids": ids.astype(np.int32), "logits": logits.astype(np.float32)}, OUT / f"{file}.safetensors",
              metadata={"transformers": transformers.__version__})


def tokens_of(vocabulary, added):
    """Tokens by id, and what they are for."""
    names = {index: (token, gguf.TokenType.NORMAL) for token, index in vocabulary.items()}
    for token in added:
        kind = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
        names[token["id"]] = (token["content"], kind)
    count = max(names) + 1
    # What nobody uses fills the table up, as converters do.
    pairs = [names.get(index, (f"[PAD{index}]", gguf.TokenType.UNUSED)) for index in range(count + 3)]
    return [name for name, _ in pairs], [int(kind) for _, kind in pairs]


def write_tokenizer(path, kind, count, add):
    """A model of one layer and one element, that has a tokenizer."""
    config = dict(model_type=kind, vocab_size=count, hidden_size=2, num_hidden_layers=1, num_attention_heads=1,
                  num_key_value_heads=1, head_dim=2, intermediate_size=1, max_position_embeddings=8, rms_norm_eps=1e-5,
                  rope_parameters=dict(rope_type="default", rope_theta=10.0))
    layer = "model.layers.0."
    shapes = {"model.embed_tokens": (count, 2), "model.norm": (2,), layer + "input_layernorm": (2,),
              layer + "post_attention_layernorm": (2,), layer + "mlp.gate_proj": (1, 2), layer + "mlp.up_proj": (1, 2),
              layer + "mlp.down_proj": (2, 1)}
    shapes |= {f"{layer}self_attn.{name}_proj": (2, 2) for name in "qkvo"}
    tensors = {name + ".weight": np.zeros(shape, np.float32) for name, shape in shapes.items()}
    if kind == "qwen2":
        tensors |= {f"{layer}self_attn.{name}_proj.bias": np.zeros(2, np.float32) for name in "qkv"}
    write(path, config, tensors, {"token_embd.weight": Type.F16}, add)


def make_byte_tokenizers():
    """Of the BPE of bytes."""
    for name, pre, family in [("llama3", "llama-bpe", "llama"), ("qwen", "qwen2", "qwen2"), ("gpt2", "gpt-2", "llama")]:
        source = json.loads((TOKENIZERS / f"{name}.json").read_text())
        tokens, kinds = tokens_of(source["model"]["vocab"], source["added_tokens"])
        merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in source["model"]["merges"]]
        first = (source["post_processor"] or {}).get("special_tokens") or {}
        for part in (source["post_processor"] or {}).get("processors", []):
            first = first or part.get("special_tokens", {})

        def add(writer):
            writer.add_tokenizer_model("gpt2")
            writer.add_tokenizer_pre(pre)
            writer.add_token_list(tokens)
            writer.add_token_types(kinds)
            writer.add_token_merges(merges)
            writer.add_add_bos_token(bool(first))
            if first:
                writer.add_bos_token_id(next(iter(first.values()))["ids"][0])
            writer.add_eos_token_id(len(tokens) - 4)
            writer.add_chat_template("{{ messages }}")

        write_tokenizer(OUT / f"tokenizer-{name}.gguf", family, len(tokens), add)


def make_piece_tokenizers():
    """Of SentencePiece."""
    from sentencepiece import sentencepiece_model_pb2 as protocol
    for name, family in [("llama", "llama"), ("gemma", "gemma")]:
        model = protocol.ModelProto()
        model.ParseFromString((TOKENIZERS / f"sentencepiece_{name}.model").read_bytes())

        def add(writer):
            writer.add_tokenizer_model("llama")
            writer.add_tokenizer_pre("default")
            writer.add_token_list([piece.piece for piece in model.pieces])
            writer.add_token_scores([piece.score for piece in model.pieces])
            writer.add_token_types([piece.type for piece in model.pieces])
            writer.add_bos_token_id(model.trainer_spec.bos_id)
            writer.add_eos_token_id(model.trainer_spec.eos_id)
            writer.add_unk_token_id(model.trainer_spec.unk_id)
            writer.add_add_bos_token(True)
            writer.add_add_eos_token(False)
            writer.add_add_space_prefix(family != "gemma")

        write_tokenizer(OUT / f"tokenizer-{name}.gguf", family, len(model.pieces), add)


def main():
    OUT.mkdir(exist_ok=True)
    sys.path.insert(0, str(HERE))
    for family, directory in CHECKPOINTS.items():
        config = json.loads((HERE / directory / "config.json").read_text())
        write(OUT / f"{family}.gguf", config, load_file(HERE / directory / "model.safetensors"))
    make_blocks()
    make_quantized("quantized", "LlamaForCausalLM", QUANTIZED, lambda names: QUANTIZED_TYPES, (8, 9))
    make_quantized("gemma3n", "Gemma3nForCausalLM", STREAMS, types_of_q8, (10, 11))
    make_byte_tokenizers()
    make_piece_tokenizers()


if __name__ == "__main__":
    main()
