"""Tokenizers."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

import nestling


@pytest.fixture(scope="module")
def tokenizer(dense_path: pathlib.Path) -> nestling.Tokenizer:
    return nestling.Tokenizer.from_file(dense_path / "tokenizer.json")


@pytest.fixture(scope="module")
def vocabulary(dense_path: pathlib.Path) -> list[str]:
    return (dense_path / "vocab.txt").read_text(encoding="utf-8").splitlines()


def test_all_ways_to_open_one_agree(
    dense_path: pathlib.Path, dense: nestling.Model, tokenizer: nestling.Tokenizer
) -> None:
    text = "A small bird; naïve café, unknownword"
    expected = tokenizer.encode(text).ids
    data = (dense_path / "tokenizer.json").read_bytes()
    for other in (
        nestling.Tokenizer.from_pretrained(dense_path),
        nestling.Tokenizer.from_file(str(dense_path / "vocab.txt")),
        nestling.Tokenizer.from_buffer(data),
        nestling.Tokenizer.from_buffer(bytearray(data)),
        dense.tokenizer,
    ):
        assert other.encode(text).ids == expected


def test_encoding(tokenizer: nestling.Tokenizer, vocabulary: list[str]) -> None:
    encoding = tokenizer.encode("a small bird")
    assert encoding.tokens[0] == "[CLS]"
    assert encoding.tokens[-1] == "[SEP]"
    assert [vocabulary[id] for id in encoding.ids] == encoding.tokens
    assert len(encoding) == len(encoding.ids) == len(encoding.type_ids) == len(encoding.attention_mask)
    assert set(encoding.type_ids) == {0}
    assert tokenizer.encode("a small bird", add_special_tokens=False).ids == encoding.ids[1:-1]


def test_offsets_count_characters(tokenizer: nestling.Tokenizer) -> None:
    text = "a \u00e9t\u00e9 small bird"
    encoding = tokenizer.encode(text, "the river")
    second = encoding.sequence_ids.index(1)
    assert encoding.special_tokens_mask[0] == encoding.special_tokens_mask[-1] == 1
    assert encoding.offsets[0] == (0, 0) and encoding.word_ids[0] is None and encoding.sequence_ids[0] is None
    assert [text[slice(*part)] for part in encoding.offsets[second - 3 : second - 1]] == ["small", "bird"]
    assert encoding.offsets[second] == (0, 3)
    assert encoding.word_ids[second] == 0
    lists = encoding.ids, encoding.type_ids, encoding.offsets, encoding.word_ids, encoding.special_tokens_mask
    assert {len(list) for list in lists} == {len(encoding)}


def test_pairs(tokenizer: nestling.Tokenizer) -> None:
    first, second = tokenizer.encode("a small bird").ids, tokenizer.encode("the river").ids
    encoding = tokenizer.encode("a small bird", "the river")
    assert encoding.ids == first + second[1:]
    assert encoding.type_ids == [0] * len(first) + [1] * (len(second) - 1)


def test_cutting(tokenizer: nestling.Tokenizer) -> None:
    whole = tokenizer.encode("the river " * 20).ids
    cut = tokenizer.encode("the river " * 20, max_length=7).ids
    assert cut == [*whole[:6], whole[-1]]
    with pytest.raises(nestling.InvalidArgumentError):
        tokenizer.encode("a", max_length=0)


def test_batches(tokenizer: nestling.Tokenizer) -> None:
    texts = ["a small bird", "", "the river"]
    assert [encoding.ids for encoding in tokenizer.encode_batch(texts)] == [
        tokenizer.encode(text).ids for text in texts
    ]


def test_decoding(tokenizer: nestling.Tokenizer) -> None:
    ids = tokenizer.encode("a small bird").ids
    assert tokenizer.decode(ids) == "a small bird"
    assert tokenizer.decode(ids, skip_special_tokens=False) == "[CLS] a small bird [SEP]"
    assert tokenizer.decode(np.array(ids)) == "a small bird"
    assert tokenizer.decode([]) == ""
    assert tokenizer.decode([10**6]) == ""
    assert tokenizer.decode_batch([ids, []]) == ["a small bird", ""]
    assert len(tokenizer.decode(ids * 1000)) > 10_000


def test_vocabulary(tokenizer: nestling.Tokenizer, vocabulary: list[str]) -> None:
    assert tokenizer.get_vocab_size() == len(tokenizer) == len(vocabulary)
    for id in (0, 5, len(vocabulary) - 1):
        assert tokenizer.id_to_token(id) == vocabulary[id]
        assert tokenizer.token_to_id(vocabulary[id]) == id
    assert tokenizer.token_to_id("no such token") is None
    assert tokenizer.id_to_token(len(vocabulary)) is None


def test_odd_texts(tokenizer: nestling.Tokenizer) -> None:
    assert tokenizer.encode("").ids == tokenizer.encode("  \n").ids
    assert tokenizer.encode("a\0b").ids
    assert tokenizer.encode("\ufdfa" * 50, max_length=5).ids  # one character that normalizes to many
    with pytest.raises(nestling.InvalidArgumentError, match="surrogate"):
        tokenizer.encode("\ud800")
    with pytest.raises(nestling.InvalidArgumentError, match="surrogate"):
        tokenizer.encode("a", "\ud800")
    with pytest.raises(TypeError):
        tokenizer.encode(b"a")  # type: ignore[arg-type]


def test_bad_files(tmp_path: pathlib.Path, dense_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        nestling.Tokenizer.from_file(tmp_path / "nowhere.json")
    with pytest.raises(nestling.Error):
        nestling.Tokenizer.from_buffer(b"")
    with pytest.raises(nestling.CorruptError):
        nestling.Tokenizer.from_buffer((dense_path / "tokenizer.json").read_bytes()[:-10])
    table = json.loads((dense_path / "tokenizer.json").read_text(encoding="utf-8"))
    table["model"]["type"] = "NoSuchModel"
    with pytest.raises(nestling.Error, match="NoSuchModel"):
        nestling.Tokenizer.from_buffer(json.dumps(table).encode())
