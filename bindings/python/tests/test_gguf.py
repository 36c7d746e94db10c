"""GGUF files from Python: the numbers are tested in Swift, here that a path of one is a checkpoint."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import nestling

GGUF = pathlib.Path(__file__).resolve().parent.parent.parent.parent / "Tests" / "Fixtures" / "gguf"


def test_a_file_is_a_checkpoint(tmp_path: pathlib.Path) -> None:
    model = nestling.load(GGUF / "quantized.gguf")
    assert (model.vocabulary_size, model.hidden_size) == (40, 256)
    [logits] = model.logits([[1, 5, 6]])
    model.save(tmp_path / "packed", packed=True)
    assert np.array_equal(nestling.load(tmp_path / "packed").logits([[1, 5, 6]])[0], logits)
    from_memory = nestling.load_bytes({"model.gguf": (GGUF / "quantized.gguf").read_bytes()})
    assert np.array_equal(from_memory.logits([[1, 5, 6]])[0], logits)
    ids = model.generate([1, 5, 6], max_new_tokens=4, temperature=0, ignore_eos=True)
    assert len(ids) == 4


def test_its_tokenizer_comes_along() -> None:
    model = nestling.load(GGUF / "tokenizer-llama3.gguf")
    assert model.tokenize(["Hello"]) == [[420, 397]]
    tokenizer = nestling.Tokenizer.from_file(GGUF / "tokenizer-qwen.gguf")
    assert tokenizer.decode(tokenizer.encode("Hello").ids) == "Hello"
    assert model.describe()["tokenizer_config"]["chat_template"] == "{{ messages }}"


def test_it_is_checked(tmp_path: pathlib.Path) -> None:
    assert nestling.check(GGUF / "gemma3.gguf", values=True)["valid"]
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes((GGUF / "gemma3.gguf").read_bytes()[:-100])
    report = nestling.check(damaged)
    assert not report["valid"] and "damaged.gguf: tensor" in report["problems"][0]
    with pytest.raises(nestling.CorruptError, match=r"damaged\.gguf: tensor"):
        nestling.load(damaged)
    with pytest.raises(nestling.UnsupportedError, match="holds 12 GGUF files"):
        nestling.load(GGUF)
