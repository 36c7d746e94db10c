"""A Llama of 1.1 billion random weights: as a Hugging Face checkpoint, and as a GGUF file."""

import json

import torch
from safetensors import safe_open
from safetensors.torch import save_file

LAYERS, HIDDEN, FFN, HEADS, KEY_HEADS, VOCABULARY, CONTEXT = 16, 2048, 8192, 32, 8, 32000, 4096
HEAD_SIZE = HIDDEN // HEADS
EPSILON, THETA = 1e-5, 10000.0

# Names of a layer's tensors in the checkpoint, in a GGUF file, and their shapes; None: a norm.
LAYER = {
    "self_attn.q_proj": ("attn_q", (HIDDEN, HIDDEN)),
    "self_attn.k_proj": ("attn_k", (KEY_HEADS * HEAD_SIZE, HIDDEN)),
    "self_attn.v_proj": ("attn_v", (KEY_HEADS * HEAD_SIZE, HIDDEN)),
    "self_attn.o_proj": ("attn_output", (HIDDEN, HIDDEN)),
    "mlp.gate_proj": ("ffn_gate", (FFN, HIDDEN)),
    "mlp.up_proj": ("ffn_up", (FFN, HIDDEN)),
    "mlp.down_proj": ("ffn_down", (HIDDEN, FFN)),
    "input_layernorm": ("attn_norm", None),
    "post_attention_layernorm": ("ffn_norm", None),
}
ENDS = {
    "model.embed_tokens": ("token_embd", (VOCABULARY, HIDDEN)),
    "lm_head": ("output", (VOCABULARY, HIDDEN)),
    "model.norm": ("output_norm", None),
}


def tensors():
    """(checkpoint's name, GGUF's name, shape or None) of every tensor."""
    for name, (other, shape) in ENDS.items():
        yield f"{name}.weight", f"{other}.weight", shape
    for layer in range(LAYERS):
        for name, (other, shape) in LAYER.items():
            yield f"model.layers.{layer}.{name}.weight", f"blk.{layer}.{other}.weight", shape


def write_checkpoint(folder):
    """config.json and model.safetensors in bfloat16."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(1)
    weights = {}
    for name, _, shape in tensors():
        if shape is None:
            weights[name] = torch.ones(HIDDEN, dtype=torch.bfloat16)
        else:
            weights[name] = (torch.randn(shape, generator=generator) * 0.02).to(torch.bfloat16)
    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": HIDDEN, "intermediate_size": FFN,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KEY_HEADS,
        "vocab_size": VOCABULARY, "max_position_embeddings": CONTEXT, "rms_norm_eps": EPSILON, "rope_theta": THETA,
        "tie_word_embeddings": False, "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def write_gguf(folder, path, gguf):
    """The same weights in float16, by the module `gguf`. Its rotary pairs are neighbours, not halves."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_dimension_count(HEAD_SIZE)
    writer.add_rope_freq_base(THETA)
    writer.add_vocab_size(VOCABULARY)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([f"<{token}>".encode() for token in range(VOCABULARY)])
    writer.add_token_scores([0.0] * VOCABULARY)
    writer.add_token_types([1] * VOCABULARY)
    with safe_open(folder / "model.safetensors", "pt") as file:
        for name, other, shape in tensors():
            values = file.get_tensor(name).float()
            if "q_proj" in name or "k_proj" in name:
                halves = values.reshape(-1, 2, HEAD_SIZE // 2, HIDDEN)
                values = halves.transpose(1, 2).reshape(values.shape)
            writer.add_tensor(other, values.half().numpy() if shape else values.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
