"""Tokenizers."""

from __future__ import annotations

import json
import pathlib
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import recorded_tokenizer

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
    assert encoding.offsets[0] == (0, 0)
    assert encoding.word_ids[0] is None
    assert encoding.sequence_ids[0] is None
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


# What the package `tokenizers` made of texts

FOLDER = pathlib.Path(__file__).resolve().parent.parent.parent.parent / "Tests" / "TokenizersTests" / "Fixtures"
STRATEGIES = {"LongestFirst": "longest_first", "OnlyFirst": "only_first", "OnlySecond": "only_second"}


def assert_fields(encoding: nestling.Encoding, row: dict[str, Any]) -> None:
    assert encoding.ids == row["ids"]
    if "types" in row:
        assert encoding.type_ids == row["types"]
        assert encoding.special_tokens_mask == row["mask"]
        assert [-1 if word is None else word for word in encoding.word_ids] == row["words"]
        assert [place for pair in encoding.offsets for place in pair] == row["offsets"]


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.jsonl")))
def test_encodings_are_those_of_the_package(name: str) -> None:
    tokenizer = recorded_tokenizer(name)
    rows = [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_bytes().split(b"\n")[1:] if line]
    for row in rows:
        if "ids" not in row and "Truncation error" not in row.get("error", ""):  # ids alone; a panic
            continue
        if row.get("max") == 0:  # refused here; there it means not to cut
            continue
        tokenizer.no_truncation()
        if "max" in row:
            direction = "left" if row["left"] else "right"
            tokenizer.enable_truncation(row["max"], row["stride"], STRATEGIES[row["strategy"]], direction)
        arguments = (row["text"], row.get("pair"), False, row.get("special", True))
        if "error" in row:
            with pytest.raises(nestling.InvalidArgumentError):
                tokenizer.encode(*arguments)
            continue
        encoding = tokenizer.encode(*arguments)
        assert_fields(encoding, row)
        for part, wanted in zip(encoding.overflowing, row.get("overflowing", ())):
            assert_fields(part, wanted)
        assert len(encoding.overflowing) == len(row.get("overflowing", ()))
        if row.get("decode") is not None:
            assert tokenizer.decode(row["ids"]) == row["decode"]
    whole = [
        row for row in rows if "max" not in row and "ids" in row and "pair" not in row and row.get("special", True)
    ]
    assert len(whole) > 3
    tokenizer.no_truncation()
    batch = tokenizer.encode_batch([row["text"] for row in whole])
    assert [encoding.ids for encoding in batch] == [row["ids"] for row in whole]
    assert [ids.tolist() for ids in tokenizer.encode_batch_ids([row["text"] for row in whole])] == [
        row["ids"] for row in whole
    ]
    decoded = [row for row in whole if row.get("decode") is not None]
    assert tokenizer.decode_batch([row["ids"] for row in decoded]) == [row["decode"] for row in decoded]


# Batches


def test_pairs_and_texts_mix(tokenizer: nestling.Tokenizer) -> None:
    batch = tokenizer.encode_batch(["a small bird", ("a small bird", "the river"), ["the", "river"]])
    assert [encoding.n_sequences for encoding in batch] == [1, 2, 2]
    assert batch[1].ids == tokenizer.encode("a small bird", "the river").ids
    assert batch[2].ids == tokenizer.encode("the", "river").ids
    assert tokenizer.encode_batch([]) == []
    assert tokenizer.encode_batch_ids([]) == []
    assert tokenizer.encode_batch(text for text in ("a", "b"))[1].ids == tokenizer.encode("b").ids


@pytest.mark.parametrize("wrong", ["text", b"text", [b"text"], [None], [("a",)], [("a", "b", "c")], [("a", None)], [3]])
def test_wrong_batches(tokenizer: nestling.Tokenizer, wrong: Any) -> None:
    for method in (tokenizer.encode_batch, tokenizer.encode_batch_fast):
        with pytest.raises(TypeError):
            method(wrong)


def test_errors_of_batches_name_the_text(tokenizer: nestling.Tokenizer) -> None:
    with pytest.raises(nestling.InvalidArgumentError, match=r"text 2 .*surrogate"):
        tokenizer.encode_batch(["a", "b", "\ud800"])
    with pytest.raises(nestling.InvalidArgumentError, match=r"second text 1 .*surrogate"):
        tokenizer.encode_batch(["a", ("b", "\udfff")])
    tokenizer = nestling.Tokenizer.from_file(FOLDER / "bert.json")
    tokenizer.enable_truncation(5, strategy="only_second")
    with pytest.raises(nestling.InvalidArgumentError, match="1"):
        tokenizer.encode_batch(["a", "the quick brown fox and others"])


def test_words_are_refused(tokenizer: nestling.Tokenizer) -> None:
    with pytest.raises(nestling.UnsupportedError, match="is_pretokenized"):
        tokenizer.encode(["a", "b"], is_pretokenized=True)  # type: ignore[arg-type]
    with pytest.raises(nestling.UnsupportedError, match="is_pretokenized"):
        tokenizer.encode_batch([["a", "b"]], is_pretokenized=True)


def test_threads_give_the_same() -> None:
    tokenizer = nestling.Tokenizer.from_file(FOLDER / "gpt2.json")
    texts = [f"{number} words of a text, {number * 7919}" for number in range(500)]
    results = []
    for count in (1, 2, 4):
        with nestling.threads(count):
            results.append([encoding.ids for encoding in tokenizer.encode_batch(texts)])
    assert results[0] == results[1] == results[2]


# Vocabulary


def test_whole_vocabulary(tokenizer: nestling.Tokenizer, vocabulary: list[str]) -> None:
    assert tokenizer.get_vocab() == {token: id for id, token in enumerate(vocabulary)}
    gpt2 = nestling.Tokenizer.from_file(FOLDER / "modernbert.json")
    table = json.loads((FOLDER / "modernbert.json").read_text(encoding="utf-8"))
    assert gpt2.get_vocab(with_added_tokens=False) == table["model"]["vocab"]
    assert gpt2.get_vocab_size(with_added_tokens=False) == len(table["model"]["vocab"])
    added = {entry["content"]: entry["id"] for entry in table["added_tokens"]}
    assert gpt2.get_vocab() == {**table["model"]["vocab"], **added}
    assert gpt2.get_vocab_size() == len(gpt2.get_vocab())


def test_added_tokens() -> None:
    table = json.loads((FOLDER / "roberta.json").read_text(encoding="utf-8"))
    tokens = nestling.Tokenizer.from_file(FOLDER / "roberta.json").get_added_tokens_decoder()
    assert tokens == {entry.pop("id"): nestling.AddedToken(**entry) for entry in table["added_tokens"]}
    mask = nestling.AddedToken("<mask>", lstrip=True, special=True)
    assert mask in tokens.values()
    assert len({mask, *tokens.values()}) == len(tokens)
    assert str(mask) == "<mask>"
    assert repr(mask) == (
        'AddedToken("<mask>", rstrip=False, lstrip=True, single_word=False, normalized=False, special=True)'
    )
    assert nestling.AddedToken("a").normalized
    with pytest.raises(AttributeError):
        mask.content = "other"  # type: ignore[misc]


def test_special_tokens_to_add(tokenizer: nestling.Tokenizer) -> None:
    assert tokenizer.num_special_tokens_to_add(False) == len(tokenizer.encode(""))
    assert tokenizer.num_special_tokens_to_add(is_pair=True) == len(tokenizer.encode("", ""))


def test_opening_from_memory(dense_path: pathlib.Path, tokenizer: nestling.Tokenizer) -> None:
    text = "a small bird"
    data = (dense_path / "tokenizer.json").read_bytes()
    names = ("vocab.txt", "tokenizer_config.json")
    files = {name: (dense_path / name).read_bytes() for name in names if (dense_path / name).exists()}
    for other in (
        nestling.Tokenizer.from_str(data.decode()),
        nestling.Tokenizer.from_files({"tokenizer.json": data, "config.json": b"{}"}),
        nestling.Tokenizer.from_files(files),
    ):
        assert other.encode(text).ids == tokenizer.encode(text).ids
    with pytest.raises(nestling.NotFoundError):
        nestling.Tokenizer.from_files({"config.json": b"{}"})
    with pytest.raises(nestling.InvalidArgumentError):
        nestling.Tokenizer.from_files({"a\0": b"{}"})
    for wrong in ("", "{", "[]", "\ud800"):
        with pytest.raises(nestling.Error):
            nestling.Tokenizer.from_str(wrong)
    with pytest.raises(TypeError):
        nestling.Tokenizer.from_str(data)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        pickle.dumps(tokenizer)


# Lengths


def with_lengths(truncation: Any, padding: Any) -> nestling.Tokenizer:
    table = json.loads((FOLDER / "bert.json").read_text(encoding="utf-8"))
    table["truncation"], table["padding"] = truncation, padding
    return nestling.Tokenizer.from_str(json.dumps(table))


def test_what_the_file_asks_for_is_told_and_not_done() -> None:
    tokenizer = with_lengths(
        {"direction": "Left", "max_length": 6, "strategy": "OnlyFirst", "stride": 1},
        {
            "strategy": {"Fixed": 8},
            "direction": "Left",
            "pad_to_multiple_of": 4,
            "pad_id": 3,
            "pad_type_id": 1,
            "pad_token": "[SEP]",
        },
    )
    assert tokenizer.truncation is None
    assert tokenizer.padding is None
    ids = tokenizer.encode("the quick fox").ids
    assert len(ids) > 6
    stored = {"max_length": 6, "stride": 1, "strategy": "only_first", "direction": "left"}
    assert tokenizer.stored_truncation == stored
    assert tokenizer.stored_padding == {
        "length": 8,
        "pad_to_multiple_of": 4,
        "pad_id": 3,
        "pad_token": "[SEP]",
        "pad_type_id": 1,
        "direction": "left",
    }
    tokenizer.enable_truncation(**tokenizer.stored_truncation)
    tokenizer.enable_padding(**tokenizer.stored_padding)
    assert tokenizer.truncation == tokenizer.stored_truncation
    assert tokenizer.padding == tokenizer.stored_padding
    assert tokenizer.encode("the quick fox").ids == [3, 3, ids[0], *ids[-5:]]
    tokenizer.no_truncation()
    tokenizer.no_padding()
    assert tokenizer.encode("the quick fox").ids == ids
    plain = with_lengths(None, None)
    assert plain.stored_truncation is None
    assert plain.stored_padding is None


def test_padding_to_the_longest() -> None:
    tokenizer = nestling.Tokenizer.from_file(FOLDER / "bert.json")
    texts = ["fox", "the quick fox", ""]
    plain = tokenizer.encode_batch(texts)
    tokenizer.enable_padding()
    batch = tokenizer.encode_batch(texts)
    assert {len(encoding) for encoding in batch} == {len(plain[1])}
    for encoding, bare in zip(batch, plain):
        assert encoding.ids == bare.ids + [0] * (len(encoding) - len(bare))
        assert sum(encoding.attention_mask) == len(bare)
    tokenizer.enable_padding(pad_to_multiple_of=32, direction="left")
    assert {len(encoding) for encoding in tokenizer.encode_batch_fast(texts)} == {32}
    assert len(tokenizer.encode("fox")) == 32
    assert len(tokenizer.encode_ids("fox")) == len(plain[0])  # never padded


def test_truncation_reaches_ids_but_not_models(dense: nestling.Model, dense_path: pathlib.Path) -> None:
    text = "a small bird by the river"
    expected = dense.encode(text)
    ids = dense.tokenize(text)
    tokenizer = dense.tokenizer
    try:
        tokenizer.enable_truncation(4)
        assert len(tokenizer.encode(text)) == len(tokenizer.encode_ids(text)) == 4
        assert [len(ids) for ids in tokenizer.encode_batch_ids([text])] == [4]
        assert len(tokenizer.encode(text, max_length=5)) == 5
        assert tokenizer.encode(text).overflowing
        assert dense.tokenize(text) == ids
        assert np.array_equal(dense.encode(text), expected)
    finally:
        tokenizer.no_truncation()
    assert not tokenizer.encode(text, max_length=5).overflowing


def test_wrong_lengths() -> None:
    tokenizer = nestling.Tokenizer.from_file(FOLDER / "bert.json")
    wrong: list[dict[str, Any]] = [
        {"max_length": 0},
        {"max_length": -1},
        {"max_length": 5, "stride": 4},
        {"max_length": 5, "stride": -1},
        {"max_length": 5, "strategy": "first"},
        {"max_length": 5, "direction": "up"},
    ]
    for arguments in wrong:
        with pytest.raises(nestling.InvalidArgumentError):
            tokenizer.enable_truncation(**arguments)
    with pytest.raises(TypeError):
        tokenizer.enable_truncation("5")  # type: ignore[arg-type]
    assert tokenizer.truncation is None
    wrong = [{"direction": "up"}, {"length": -1}, {"pad_id": 2**31}, {"pad_id": -1}, {"pad_to_multiple_of": -8}]
    for arguments in wrong:
        with pytest.raises(nestling.InvalidArgumentError):
            tokenizer.enable_padding(**arguments)
    with pytest.raises(TypeError):
        tokenizer.enable_padding(pad_token=None)  # type: ignore[arg-type]
    assert tokenizer.padding is None
    tokenizer.enable_truncation(2**40)
    assert tokenizer.encode("the quick fox").overflowing == []


def test_wrong_ids(tokenizer: nestling.Tokenizer) -> None:
    for wrong in (5, "ab", [[1, 2]], [2**40], [1.5], None):
        with pytest.raises((TypeError, nestling.InvalidArgumentError)):
            tokenizer.decode(wrong)
    for batch in (5, [5], [[2**40]], ["ab"], None):
        with pytest.raises((TypeError, nestling.InvalidArgumentError)):
            tokenizer.decode_batch(batch)  # type: ignore[arg-type]
    for id in (2**40, "a", None):
        with pytest.raises((TypeError, nestling.InvalidArgumentError)):
            tokenizer.id_to_token(id)  # type: ignore[arg-type]
    assert tokenizer.id_to_token(-1) is None
    assert tokenizer.decode_batch([]) == []
    assert tokenizer.decode_batch(np.array([[5, 6], [7, 8]])) == [tokenizer.decode([5, 6]), tokenizer.decode([7, 8])]
    with pytest.raises(TypeError):
        tokenizer.token_to_id(5)  # type: ignore[arg-type]
    assert tokenizer.token_to_id("a\0b") is None


@given(st.lists(st.lists(st.integers(0, 1000), max_size=30), max_size=8), st.booleans())
def test_decoding_batches_is_decoding_each(batch: list[list[int]], skip: bool) -> None:
    for name in ("llama2", "bert", "t5"):
        tokenizer = TOKENIZERS.setdefault(name, nestling.Tokenizer.from_file(FOLDER / f"{name}.json"))
        assert tokenizer.decode_batch(batch, skip) == [tokenizer.decode(ids, skip) for ids in batch]


TOKENIZERS: dict[str, nestling.Tokenizer] = {}
