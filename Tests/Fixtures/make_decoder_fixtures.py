"""Makes the tiny random-weight checkpoints and goldens of decoders.

    python Tests/Fixtures/make_decoder_fixtures.py [--only llama/base qwen3 ...]

needs what make_fixtures.py needs, and works like it: weights are seeded, written by `save_pretrained`, read back and run one
sequence at a time, in float64 for the goldens and in float32 to make sure that the two agree. README.md tells how goldens are laid
out.
"""

import argparse
import shutil
import sys

import numpy as np
import torch
import transformers
from make_fixtures import (HERE, labels, load, made_with, make_goldens, make_readable, randomize, seed_of)
from safetensors.numpy import save_file

LENGTHS = (1, 2, 9, 17, 70)

# Six heads of queries share two of keys. The window is shorter than the texts; so are the contexts of training below.
LLAMA = dict(vocab_size=97, hidden_size=36, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2,
             intermediate_size=53, max_position_embeddings=80)
SMALL = LLAMA | dict(vocab_size=61, hidden_size=24, num_hidden_layers=1, num_attention_heads=4, intermediate_size=29)
GPT2 = dict(vocab_size=97, n_embd=36, n_layer=2, n_head=6, n_positions=80)
SMALL_GPT2 = GPT2 | dict(vocab_size=61, n_embd=20, n_layer=1, n_head=2)
NEOX = dict(vocab_size=97, hidden_size=48, num_hidden_layers=2, num_attention_heads=3, intermediate_size=53,
            max_position_embeddings=80)
SMALL_NEOX = NEOX | dict(vocab_size=61, hidden_size=24, num_hidden_layers=1, intermediate_size=29)
OPT = dict(vocab_size=97, hidden_size=36, num_hidden_layers=2, num_attention_heads=4, ffn_dim=53,
           max_position_embeddings=80)
SMALL_OPT = OPT | dict(vocab_size=61, hidden_size=20, num_hidden_layers=1, ffn_dim=29)


def rope(kind, **parameters):
    """The config entry of a way to scale rotary positions."""
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=1000.0, **parameters))


# path under Tests/Fixtures -> (class, configuration)
CHECKPOINTS = {
    "llama/base": ("LlamaModel", LLAMA | dict(attention_bias=True, mlp_bias=True, rms_norm_eps=1e-3)),
    "llama/causal-lm": ("LlamaForCausalLM", SMALL | dict(head_dim=10, rope_parameters=dict(
        rope_type="default", rope_theta=300.0))),
    "llama/sequence-classification": ("LlamaForSequenceClassification", SMALL | labels(3)),
    "llama/token-classification": ("LlamaForTokenClassification", SMALL | labels(5)),
    "llama/linear": ("LlamaForCausalLM", SMALL | rope("linear", factor=3.0)),
    "llama/dynamic": ("LlamaForCausalLM", SMALL | dict(max_position_embeddings=30) | rope("dynamic", factor=2.5)),
    "llama/llama3": ("LlamaForCausalLM", SMALL | dict(head_dim=16) | rope(
        "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)),
    "llama/yarn": ("LlamaForCausalLM", SMALL | dict(head_dim=16) | rope(
        "yarn", factor=4.0, original_max_position_embeddings=64, beta_fast=8.0)),
    "llama/longrope": ("LlamaForCausalLM", SMALL | rope(
        "longrope", short_factor=[1.0, 1.2, 1.5], long_factor=[1.5, 3.0, 7.0], original_max_position_embeddings=20)),
    "llama/proportional": ("LlamaForCausalLM", SMALL | dict(head_dim=12) | rope(
        "proportional", factor=1.5, partial_rotary_factor=0.5)),
    "mistral/base": ("MistralModel", LLAMA | dict(sliding_window=5, num_key_value_heads=3)),
    "mistral/causal-lm": ("MistralForCausalLM", SMALL | dict(sliding_window=None, head_dim=8, hidden_act="gelu",
                                                             tie_word_embeddings=True)),
    "qwen2/base": ("Qwen2Model", LLAMA | dict(num_hidden_layers=3, use_sliding_window=True, max_window_layers=1,
                                              sliding_window=6)),
    "qwen2/causal-lm": ("Qwen2ForCausalLM", SMALL | dict(tie_word_embeddings=True)),
    "qwen2/bidirectional": ("Qwen2Model", SMALL | dict(is_causal=False)),
    "qwen3/base": ("Qwen3Model", LLAMA | dict(head_dim=10, attention_bias=True, sliding_window=4, use_sliding_window=True,
                                              layer_types=["sliding_attention", "full_attention"])),
    "qwen3/causal-lm": ("Qwen3ForCausalLM", SMALL | dict(head_dim=14)),
    "gpt2/base": ("GPT2Model", GPT2 | dict(n_inner=53)),
    "gpt2/causal-lm": ("GPT2LMHeadModel", SMALL_GPT2 | dict(
        n_layer=2, scale_attn_weights=False, scale_attn_by_inverse_layer_idx=True, activation_function="relu")),
    "gpt_neox/base": ("GPTNeoXModel", NEOX),
    "gpt_neox/causal-lm": ("GPTNeoXForCausalLM", SMALL_NEOX | dict(attention_bias=False, rope_parameters=dict(
        rope_type="linear", factor=2.0, rope_theta=500.0, partial_rotary_factor=0.5))),
    "gpt_neox/sequential": ("GPTNeoXForCausalLM", SMALL_NEOX | dict(use_parallel_residual=False, tie_word_embeddings=True)),
    "opt/base": ("OPTModel", OPT),
    "opt/causal-lm": ("OPTForCausalLM", SMALL_OPT | dict(enable_bias=False, layer_norm_elementwise_affine=False,
                                                         activation_function="gelu")),
    "opt/post-norm": ("OPTForCausalLM", SMALL_OPT | dict(word_embed_proj_dim=15, do_layer_norm_before=False)),
    "phi3/base": ("Phi3Model", LLAMA | dict(sliding_window=5, pad_token_id=0, original_max_position_embeddings=20,
        rope_parameters=dict(rope_type="longrope", rope_theta=1000.0, short_factor=[1.0, 1.2, 1.5],
                             long_factor=[1.5, 3.0, 7.0]))),
    "phi3/causal-lm": ("Phi3ForCausalLM", SMALL | dict(hidden_size=32, pad_token_id=0, rope_parameters=dict(
        rope_type="default", rope_theta=1000.0, partial_rotary_factor=0.75))),
    "gemma/base": ("GemmaModel", LLAMA | dict(head_dim=10, hidden_act="gelu")),
    "gemma/causal-lm": ("GemmaForCausalLM", SMALL | dict(head_dim=6, attention_bias=True)),
    "gemma2/base": ("Gemma2Model", LLAMA | dict(head_dim=10, query_pre_attn_scalar=7, sliding_window=5,
                                                attn_logit_softcapping=2.0)),
    "gemma2/causal-lm": ("Gemma2ForCausalLM", SMALL | dict(head_dim=6, query_pre_attn_scalar=6,
                                                           final_logit_softcapping=1.5)),
    "gemma3/base": ("Gemma3TextModel", LLAMA | dict(num_hidden_layers=3, head_dim=10, query_pre_attn_scalar=7,
        sliding_window=5, layer_types=["sliding_attention", "full_attention", "sliding_attention"], rope_parameters=dict(
            full_attention=dict(rope_type="linear", factor=8.0, rope_theta=5000.0),
            sliding_attention=dict(rope_type="default", rope_theta=100.0)))),
    "gemma3/causal-lm": ("Gemma3ForCausalLM", SMALL | dict(head_dim=6, num_hidden_layers=2, query_pre_attn_scalar=6,
                                                           sliding_window=4, final_logit_softcapping=2.0)),
    "gemma3/bidirectional": ("Gemma3TextModel", SMALL | dict(head_dim=6, num_hidden_layers=2, sliding_window=7,
        use_bidirectional_attention=True, layer_types=["sliding_attention", "full_attention"])),
    "gemma3n/base": ("Gemma3nTextModel", SMALL | dict(
        hidden_size=20, num_hidden_layers=6, head_dim=6, intermediate_size=[29, 22, 29, 17, 29, 19], sliding_window=5,
        layer_types=["sliding_attention", "full_attention"] * 3, num_kv_shared_layers=3,
        activation_sparsity_pattern=[0.9, 0.5, 0.0, 0.0, 0.7, 0.0], vocab_size_per_layer_input=55,
        hidden_size_per_layer_input=6, altup_num_inputs=3, laurel_rank=7, rms_norm_eps=1e-4, rope_parameters=dict(
            full_attention=dict(rope_type="default", rope_theta=5000.0),
            sliding_attention=dict(rope_type="default", rope_theta=100.0)))),
    "gemma3n/causal-lm": ("Gemma3nForCausalLM", SMALL | dict(
        num_hidden_layers=2, head_dim=6, sliding_window=4, attention_bias=True, final_logit_softcapping=2.0,
        layer_types=["full_attention", "full_attention"], num_kv_shared_layers=0, vocab_size_per_layer_input=61,
        hidden_size_per_layer_input=5, altup_num_inputs=2, altup_active_idx=1, altup_correct_scale=False, laurel_rank=3)),
}

FAMILIES = ("Mistral", "Llama", "Qwen2", "Qwen3", "GPTNeoX", "GPT2", "OPT", "Phi3", "Gemma2", "Gemma3nText", "Gemma3n",
            "Gemma3Text", "Gemma3", "Gemma")


def make_model(class_name, settings, seed):
    """A float32 model of a transformers class with random weights."""
    family = next(family for family in FAMILIES if class_name.startswith(family))
    texts = family + "Text" if family in ("Gemma3", "Gemma3n") else family
    configuration = getattr(transformers, texts + "Config")(**settings)
    return randomize(getattr(transformers, class_name)(configuration), seed)


def make_checkpoint(name):
    """Writes one checkpoint of CHECKPOINTS and its goldens."""
    class_name, settings = CHECKPOINTS[name]
    directory = HERE / name
    shutil.rmtree(directory, ignore_errors=True)
    model = make_model(class_name, settings, seed_of(name))
    model.save_pretrained(directory)
    (directory / "generation_config.json").unlink(missing_ok=True)
    random = np.random.default_rng(seed_of(name + " inputs"))
    sequences = [(random.integers(3, model.config.vocab_size, length), None) for length in LENGTHS]
    worst = 0.0
    tensors = {}
    # A fresh model for each sequence: some ways to scale rotary positions remember the longest.
    for sequence in sequences:
        single, exact = load(class_name, directory), load(class_name, directory).double()
        own, error = make_goldens(exact, single, [sequence])
        # OPT may project its last states to a narrower table; here they are as wide as the others.
        width = getattr(model.config, "word_embed_proj_dim", model.config.hidden_size)
        # Those of Gemma 3n are not normalized, where there are logits.
        if width != model.config.hidden_size or class_name == "Gemma3nForCausalLM":
            own = {key: value for key, value in own.items() if not key.startswith("hidden.")}
        tensors |= own
        worst = max(worst, error)
    tensors["ids"] = np.concatenate([ids for ids, _ in sequences]).astype(np.int32)
    tensors["offsets"] = np.cumsum([0] + [len(ids) for ids, _ in sequences]).astype(np.int32)
    save_file(tensors, directory / "golden.safetensors", metadata=made_with(class_name))
    make_readable(directory)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[""], help="beginnings of names, for example llama/base qwen3")
    chosen = tuple(parser.parse_args().only)
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for name in CHECKPOINTS:
        if name.startswith(chosen):
            worst = make_checkpoint(name)
            size = sum(path.stat().st_size for path in (HERE / name).rglob("*") if path.is_file())
            print(f"{name:35} {size / 1024:7.1f} KiB   float32 differs by {worst:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
