"""Writes a model as a Hugging Face checkpoint, without transformers: LlamaForCausalLM and a tokenizer of bytes."""

import json
import shutil
import sysconfig
from pathlib import Path

import torch
from safetensors.torch import save_file

import corpus
from matformer import MatFormer

END_OF_TEXT = "<|endoftext|>"
PADDING = "<|padding|>"


def save(folder: Path, model: MatFormer, card: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"model.{name}": tensor.detach().to("cpu", torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # save_file lets nobody else read it
    special = {"bos_token_id": corpus.END_OF_TEXT, "eos_token_id": corpus.END_OF_TEXT, "pad_token_id": corpus.PADDING}
    write(folder / "config.json", config(model) | special)
    write(
        folder / "generation_config.json",
        special | {"do_sample": True, "temperature": 0.7, "max_length": model.shape.context},
    )
    write(folder / "tokenizer.json", tokenizer())
    write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": END_OF_TEXT,
            "eos_token": END_OF_TEXT,
            "pad_token": PADDING,
            "clean_up_tokenization_spaces": False,
            "model_max_length": model.shape.context,
        },
    )
    (folder / "README.md").write_text(card)
    # The licence of the text asks that it goes with what is made from it.
    licence = Path(sysconfig.get_path("stdlib")) / "LICENSE.txt"
    if licence.exists():
        shutil.copyfile(licence, folder / "LICENSE.python.txt")


def write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def config(model: MatFormer) -> dict[str, object]:
    shape = model.shape
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.ffn,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head,
        "hidden_act": "silu",
        "max_position_embeddings": shape.context,
        "rms_norm_eps": shape.epsilon,
        # Before and since version 5 of transformers.
        "rope_theta": shape.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.rope_theta},
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "dtype": "bfloat16",
        "matformer_ffn_widths": [shape.ffn >> halvings for halvings in (3, 2, 1, 0)],
    }


def tokenizer() -> dict[str, object]:
    """Byte-level BPE without merges: ids 0 to 255 are bytes, so that any text goes in and comes out."""
    # The letters that stand for bytes, those of GPT-2: bytes that print stand for themselves, the others follow 255.
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printing]
    letters = {byte: chr(byte) for byte in printing} | {byte: chr(256 + index) for index, byte in enumerate(others)}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": index,
                "content": content,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for index, content in ((corpus.END_OF_TEXT, END_OF_TEXT), (corpus.PADDING, PADDING))
        ],
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": None,
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {letters[byte]: byte for byte in range(256)},
            "merges": [],
        },
    }
