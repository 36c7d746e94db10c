"""Encodings: where tokens come from, padding, cutting, and how long the library's memory lives."""

from __future__ import annotations

import gc
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nestling

FOLDER = pathlib.Path(__file__).resolve().parent.parent.parent.parent / "Tests" / "TokenizersTests" / "Fixtures"
BERT = nestling.Tokenizer.from_file(FOLDER / "bert.json")
ROBERTA = nestling.Tokenizer.from_file(FOLDER / "roberta.json")
TEXT = "The quick fox, na\u00efve"


def all_of(encoding: nestling.Encoding) -> list[object]:
    lists = (
        encoding.ids,
        encoding.type_ids,
        encoding.tokens,
        encoding.offsets,
        encoding.attention_mask,
        encoding.special_tokens_mask,
        encoding.word_ids,
        encoding.sequence_ids,
    )
    return [*lists, [all_of(part) for part in encoding.overflowing]]


def test_places_agree_with_the_lists() -> None:
    encoding = BERT.encode(TEXT, "fox")
    assert encoding.n_sequences == 2
    assert encoding.words == encoding.word_ids
    for token, (begin, end) in enumerate(encoding.offsets):
        sequence = encoding.sequence_ids[token]
        assert encoding.token_to_sequence(token) == sequence
        assert encoding.token_to_word(token) == encoding.word_ids[token]
        assert encoding.token_to_chars(token) == (None if sequence is None else (begin, end))
        if sequence is not None:
            assert encoding.char_to_token(begin, sequence) == token
            word = encoding.word_ids[token]
            assert word is not None
            assert encoding.char_to_word(begin, sequence) == word
            first, last = encoding.word_to_tokens(word, sequence) or (0, 0)
            assert first <= token < last
            assert encoding.word_to_chars(word, sequence) == (encoding.offsets[first][0], encoding.offsets[last - 1][1])
    assert TEXT[slice(*(encoding.word_to_chars(1) or ()))] == "quick"
    space = TEXT.index(" ")
    assert encoding.char_to_token(space) is None
    assert encoding.char_to_word(space) is None
    assert encoding.char_to_token(1000) is None
    assert encoding.word_to_tokens(1000) is None
    assert encoding.token_to_word(1000) is None


def test_lists_are_the_callers_own() -> None:
    encoding = BERT.encode(TEXT)
    ids = encoding.ids
    encoding.ids.clear()
    encoding.tokens.clear()
    assert encoding.ids == ids
    assert len(encoding.tokens) == len(ids)


def test_memory_lives_as_long_as_an_encoding() -> None:
    expected = [BERT.encode(f"{TEXT} {number}").ids for number in range(200)]
    kept = BERT.encode_batch([f"{TEXT} {number}" for number in range(200)])[::7]
    gc.collect()
    for _ in range(5):
        BERT.encode_batch(["other words"] * 500)
    assert [encoding.ids for encoding in kept] == expected[::7]
    ids = BERT.encode_batch_ids([TEXT])[0]
    ids[0] = 0  # an array of its own
    assert BERT.encode_ids(TEXT)[0] != 0


def test_padding_an_encoding() -> None:
    plain = BERT.encode(TEXT, "fox")
    count = len(plain)
    encoding = BERT.encode(TEXT, "fox")
    encoding.pad(count - 1)
    assert all_of(encoding) == all_of(plain)
    encoding.pad(count + 2, direction="left", pad_id=7, pad_type_id=1, pad_token="<pad>")
    encoding.pad(count + 3)
    assert len(encoding) == count + 3
    assert encoding.ids == [7, 7, *plain.ids, 0]
    assert encoding.type_ids == [1, 1, *plain.type_ids, 0]
    assert encoding.tokens == ["<pad>", "<pad>", *plain.tokens, "[PAD]"]
    assert encoding.attention_mask == [0, 0, *[1] * count, 0]
    assert encoding.special_tokens_mask == [1, 1, *plain.special_tokens_mask, 1]
    assert encoding.offsets == [(0, 0), (0, 0), *plain.offsets, (0, 0)]
    assert encoding.word_ids == [None, None, *plain.word_ids, None]
    assert encoding.sequence_ids == [None, None, *plain.sequence_ids, None]
    for position in range(len(TEXT)):
        token = plain.char_to_token(position)
        assert encoding.char_to_token(position) == (None if token is None else token + 2)
    assert encoding.word_to_chars(0, 1) == plain.word_to_chars(0, 1)
    assert encoding.token_to_chars(0) is None
    assert encoding.token_to_chars(3) == plain.token_to_chars(1)
    assert encoding.token_to_word(3) == plain.token_to_word(1)
    with pytest.raises(nestling.InvalidArgumentError, match="direction"):
        encoding.pad(50, direction="up")
    with pytest.raises(TypeError):
        encoding.pad(50, pad_token=3)  # type: ignore[arg-type]


def test_cutting_an_encoding() -> None:
    plain = BERT.encode(TEXT)
    ids, count = plain.ids, len(plain)
    encoding = BERT.encode(TEXT)
    encoding.truncate(4, stride=1)
    assert [encoding.ids, *(part.ids for part in encoding.overflowing)] == [
        ids[begin : begin + 4] for begin in range(0, count - 1, 3)
    ]
    assert encoding.n_sequences == 1
    assert encoding.sequence_ids == [0] * 4
    encoding = BERT.encode(TEXT)
    encoding.truncate(4, direction="left")
    assert encoding.ids == ids[-4:]
    assert encoding.overflowing[0].offsets == plain.offsets[-8:-4]
    encoding = BERT.encode(TEXT)
    encoding.truncate(0)
    assert encoding.ids == []
    assert all_of(encoding.overflowing[0]) == all_of(plain)
    encoding = BERT.encode(TEXT)
    encoding.truncate(count)
    assert all_of(encoding) == all_of(plain)
    with pytest.raises(nestling.InvalidArgumentError, match="stride"):
        encoding.truncate(3, stride=3)
    with pytest.raises(nestling.InvalidArgumentError):
        encoding.truncate(-1)


def test_padding_cutting_and_padding_again() -> None:
    encoding = BERT.encode("fox")
    core = encoding.ids
    encoding.pad(len(core) + 2, pad_id=5, pad_token="five")
    encoding.truncate(len(core) + 1)
    encoding.pad(len(core) + 2, pad_id=6, direction="left")
    assert encoding.ids == [6, *core, 5]
    assert encoding.attention_mask == [0, *[1] * len(core), 0]
    assert encoding.tokens[0] == "[PAD]"
    assert encoding.tokens[-1] == "five"
    assert encoding.overflowing[0].ids == [6] * (len(core) + 1) + [5]


def test_parts_are_copies() -> None:
    encoding = BERT.encode(TEXT)
    encoding.truncate(3)
    part = encoding.overflowing[0]
    part.pad(20)
    assert len(encoding.overflowing[0]) == 3
    encoding.pad(5)
    assert {len(part) for part in encoding.overflowing} == {5}


def test_set_sequence_id() -> None:
    encoding = BERT.encode("fox")
    encoding.set_sequence_id(1)
    assert encoding.n_sequences == 2
    assert encoding.token_to_sequence(0) == 1
    assert encoding.sequence_ids == [1] * len(encoding)


def test_wrong_places() -> None:
    encoding = BERT.encode("fox")
    for method in (encoding.char_to_token, encoding.token_to_chars, encoding.word_to_tokens):
        with pytest.raises(nestling.InvalidArgumentError):
            method(-1)
        with pytest.raises(TypeError):
            method("0")  # type: ignore[arg-type]
    with pytest.raises(nestling.InvalidArgumentError):
        encoding.char_to_token(0, -1)


@given(
    st.lists(st.one_of(st.text(max_size=30), st.tuples(st.text(max_size=30), st.text(max_size=30))), max_size=5),
    st.booleans(),
)
def test_batches_are_what_single_texts_are(inputs: list[object], special: bool) -> None:
    for tokenizer in (BERT, ROBERTA):
        batch = tokenizer.encode_batch(inputs, add_special_tokens=special)  # type: ignore[arg-type]
        fast = tokenizer.encode_batch_fast(inputs, add_special_tokens=special)  # type: ignore[arg-type]
        assert len(batch) == len(fast) == len(inputs)
        for entry, encoding, quick in zip(inputs, batch, fast):
            arguments = entry if isinstance(entry, tuple) else (entry,)
            alone = tokenizer.encode(*arguments, add_special_tokens=special)
            assert all_of(encoding) == all_of(alone)
            assert quick.ids == alone.ids
            assert quick.type_ids == alone.type_ids
            assert quick.tokens == alone.tokens
            assert quick.sequence_ids == alone.sequence_ids
            assert quick.special_tokens_mask == alone.special_tokens_mask
            assert set(quick.offsets) <= {(0, 0)}
            assert set(quick.word_ids) <= {None}
            assert quick.char_to_token(0) is None
            assert len(alone.tokens) == len(alone.offsets) == len(alone)


@given(st.text(max_size=60), st.integers(3, 20), st.data())
def test_parts_cover_the_text(text: str, length: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(0, length - 3))
    tokenizer = nestling.Tokenizer.from_file(FOLDER / "bert.json")
    whole = tokenizer.encode(text, add_special_tokens=False).ids
    tokenizer.enable_truncation(length, stride=stride)
    tokenizer.enable_padding(length=length)
    encoding = tokenizer.encode(text)
    parts = [encoding, *encoding.overflowing]
    assert {len(part) for part in parts} == {length}
    inner = [[id for id, special in zip(part.ids, part.special_tokens_mask) if not special] for part in parts]
    joined = inner[0]
    for part in inner[1:]:
        joined = joined + part[stride:]
    assert joined == whole
