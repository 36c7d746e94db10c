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
}

FAMILIES = ("Mistral", "Llama", "Qwen2", "Qwen3")


def make_model(class_name, settings, seed):
    """A float32 model of a transformers class with random weights."""
    family = next(family for family in FAMILIES if class_name.startswith(family))
    return randomize(getattr(transformers, class_name)(getattr(transformers, family + "Config")(**settings)), seed)


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
