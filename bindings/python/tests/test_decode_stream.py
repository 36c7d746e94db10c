"""Token ids to text while they come."""

from __future__ import annotations

import copy
import json
import pathlib
from typing import Any

import pytest
from support import recorded_tokenizer

import nestling

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent.parent
FOLDER = REPOSITORY / "Tests" / "TokenizersTests" / "Fixtures"
#: What the package `tokenizers` gave for each of several ids.
NAMES = sorted(path.stem for path in FOLDER.glob("*.jsonl"))


def lines(name: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_bytes().split(b"\n") if line]
    return [row for row in rows if row.get("stream")]


@pytest.fixture(scope="module")
def llama() -> nestling.Tokenizer:
    """A tokenizer with byte fallback."""
    return nestling.Tokenizer.from_file(FOLDER / "llama2.json")


@pytest.mark.parametrize("name", [name for name in NAMES if lines(name)])
def test_streams_are_those_of_the_package(name: str) -> None:
    tokenizer = recorded_tokenizer(name)
    for row in lines(name):
        stream = nestling.DecodeStream(skip_special_tokens=row["skip"])
        assert [stream.step(tokenizer, id) for id in row["decode_ids"]] == row["stream"]


def test_a_text_comes_whole(llama: nestling.Tokenizer) -> None:
    text = "An \u00e9t\u00e9, \U0001f600 \u4e2d\u6587"
    ids = llama.encode(text, add_special_tokens=False).ids
    stream = nestling.DecodeStream()
    pieces = [stream.step(llama, id) for id in ids]
    assert None in pieces  # half a character waits
    assert "".join(piece or "" for piece in pieces) + stream.finish() == llama.decode(ids) == text


def test_finish_gives_what_waited(llama: nestling.Tokenizer) -> None:
    half = llama.token_to_id("<0xE4>")
    stream = nestling.DecodeStream()
    assert stream.step(llama, half) is None
    assert stream.finish() == "\ufffd"
    assert stream.finish() == ""
    a = llama.encode("a", add_special_tokens=False).ids
    assert "".join(stream.step(llama, id) or "" for id in a) == "a"


def test_several_ids_are_one_step(llama: nestling.Tokenizer) -> None:
    ids = llama.encode("some words", add_special_tokens=False).ids
    assert len(ids) > 2
    stream = nestling.DecodeStream()
    assert stream.step(llama, ids) == "some words"
    half = [llama.token_to_id("<0xE4>"), llama.token_to_id("<0xB8>"), llama.token_to_id("<0xAD>")]
    assert stream.step(llama, half[:2]) is None
    assert stream.step(llama, half[2:]) == "\u4e2d"
    assert stream.step(llama, []) is None


def test_what_came_before_is_not_given_out(llama: nestling.Tokenizer) -> None:
    ids = llama.encode("some words and more", add_special_tokens=False).ids
    stream = nestling.DecodeStream(ids[:-1])
    last = stream.step(llama, ids[-1])
    assert last
    assert llama.decode(ids) == llama.decode(ids[:-1]) + last
    # But for the half of a character.
    half = llama.token_to_id("<0xC3>")
    stream = nestling.DecodeStream([half], skip_special_tokens=True)
    assert stream.step(llama, llama.token_to_id("<0xA9>")) == "\u00e9"


def test_special_tokens(llama: nestling.Tokenizer) -> None:
    assert nestling.DecodeStream(skip_special_tokens=True).step(llama, 1) is None
    assert nestling.DecodeStream().step(llama, 1) == "<s>"


def test_copies_go_on_by_themselves(llama: nestling.Tokenizer) -> None:
    halves = [llama.token_to_id("<0xC3>"), llama.token_to_id("<0xA9>"), llama.token_to_id("<0xA8>")]
    for make in (copy.copy, copy.deepcopy):
        stream = nestling.DecodeStream()
        assert make(stream).finish() == ""
        assert stream.step(llama, halves[0]) is None
        other = make(stream)
        assert stream.step(llama, halves[1]) == "\u00e9"
        assert other.step(llama, halves[2]) == "\u00e8"


def test_a_stream_outlives_its_tokenizer() -> None:
    stream = nestling.DecodeStream()
    tokenizer = nestling.Tokenizer.from_file(FOLDER / "llama2.json")
    half = tokenizer.token_to_id("<0xC3>")
    stream.step(tokenizer, half)
    del tokenizer
    assert stream.finish() == "\ufffd"


def test_wrong_arguments(llama: nestling.Tokenizer) -> None:
    stream = nestling.DecodeStream()
    with pytest.raises(TypeError):
        stream.step(None, 1)  # type: ignore[arg-type]
    for wrong in ("a", None, 1.5):
        with pytest.raises((TypeError, nestling.InvalidArgumentError)):
            stream.step(llama, wrong)  # type: ignore[arg-type]
    with pytest.raises(nestling.InvalidArgumentError):
        stream.step(llama, 2**40)
    assert stream.step(llama, 10**6) is None
    other = nestling.Tokenizer.from_file(FOLDER / "llama2.json")
    with pytest.raises(nestling.InvalidArgumentError, match="tokenizer"):
        stream.step(other, 5)
    with pytest.raises(nestling.Error):
        nestling.DecodeStream([2**40])
