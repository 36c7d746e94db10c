"""Every method of nestling.Tokenizer, Encoding and DecodeStream against the PyPI package `tokenizers`, on random arguments.

The tokenizers are the trained ones of Tests/TokenizersTests/Fixtures. Where the two differ by intention:

- `tokens` are the vocabulary entries of the ids; there, they are the text where an added token took spaces along, and where
  a Unigram model met an unknown piece. So they are compared with `id_to_token` of the ids.
- Padding is of no sequence; there, it is of sequence 0 if the tokenizer has no post-processor and there is one text. Without
  one, parts that were cut off know there of one sequence only.
- Parts that were cut off have no parts of their own; there, some have, which stand in the list of the whole as well.
- A `max_length` that leaves no room beside the special tokens, and a `stride` that is not less than that room, are errors;
  there, the first means not to cut, and the second stops the process's thread with a panic where a text is cut.
- `encode_batch_fast` knows the tokens, and the type ids of second texts in parts that were cut off, and without post-processor.
"""

import copy
import inspect
import os
import random
import re
import warnings
from pathlib import Path

import nestling
import pytest
import strings
import tokenizers
from tokenizers import decoders, processors

FIXTURES = Path(__file__).resolve().parent.parent / "TokenizersTests" / "Fixtures"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.json") if path.stem != "versions")
ROUNDS = int(os.environ.get("NESTLING_PARITY_ROUNDS", "60"))
# Changed pipelines of the trained ones, by name.
VARIANTS = {
    "bert without post-processor": ("bert", {"post_processor": None}),
    "gpt2 without decoder": ("gpt2", {"decoder": None}),
    "bert, second text first": ("bert", {"post_processor": processors.TemplateProcessing(
        single="[SEP] $A", pair="[CLS] $B:1 [SEP]:1 $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])}),
}
TEXTS = [text for text in strings.generate(2000) if len(text) <= 160]
PLAIN = [" ".join(random.Random(seed).choices(strings.WORDS, k=seed % 23)) for seed in range(200)]


def make(name):
    """The two tokenizers of a name, theirs and ours, from the same JSON."""
    base, changes = VARIANTS.get(name, (name, {}))
    theirs = tokenizers.Tokenizer.from_file(str(FIXTURES / f"{base}.json"))
    for part, value in changes.items():
        setattr(theirs, part, value)
    theirs.no_truncation()
    theirs.no_padding()
    return theirs, nestling.Tokenizer.from_str(theirs.to_str())


@pytest.fixture(params=[*NAMES, *VARIANTS])
def both(request):
    return make(request.param)


def draw_text(generator):
    return generator.choice(PLAIN if generator.random() < 0.5 else TEXTS)


def draw_input(generator, pairs=0.4):
    text = draw_text(generator)
    return (text, draw_text(generator)) if generator.random() < pairs else text


def draw_cut(generator, room):
    """Arguments of enable_truncation. `room`: special tokens of a pair."""
    longest = room + generator.choice((1, 2, 3, 5, 9, 20, 60))
    stride = generator.randrange(longest - room) if generator.random() < 0.5 else 0
    arguments = {"max_length": longest, "stride": stride}
    if generator.random() < 0.8:
        arguments["strategy"] = generator.choice(("longest_first", "only_first", "only_second"))
    if generator.random() < 0.8:
        arguments["direction"] = generator.choice(("left", "right"))
    return arguments


def draw_padding(generator, theirs):
    arguments = {}
    if generator.random() < 0.7:
        arguments["direction"] = generator.choice(("left", "right"))
    if generator.random() < 0.7:
        arguments["pad_id"] = generator.randrange(theirs.get_vocab_size())
    if generator.random() < 0.5:
        arguments["pad_type_id"] = generator.randrange(4)
    if generator.random() < 0.5:
        arguments["pad_token"] = generator.choice(("[PAD]", "<pad>", "\u00e9"))
    if generator.random() < 0.5:
        arguments["length"] = generator.choice((None, 0, 1, 7, 30, 100))
    if generator.random() < 0.5:
        arguments["pad_to_multiple_of"] = generator.choice((None, 0, 1, 4, 8, 13))
    return arguments


def outcome(function, *arguments, **named):
    """What a call gives: ("gives", result) or ("refuses", None); a panic of the Rust side is no Exception."""
    try:
        return "gives", function(*arguments, **named)
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        return "refuses", None


def assert_same(ours, theirs, tokenizer, pad_token="[PAD]", fast=False, spans=True, part=False):
    """Compares two encodings, and all that was cut off. `spans`: theirs knows where the sequences are."""
    for name in ("ids", "type_ids", "attention_mask", "special_tokens_mask", "offsets", "word_ids"):
        if name == "type_ids" and fast and (part or tokenizer.post_processor is None):
            continue
        assert getattr(ours, name) == getattr(theirs, name), name
    assert len(ours) == len(theirs)
    assert repr(ours) == repr(theirs)
    if not fast:
        wanted = [tokenizer.id_to_token(id) if attended else pad_token for id, attended in zip(theirs.ids, theirs.attention_mask)]
        assert ours.tokens == wanted
    if spans and (tokenizer.post_processor is not None or not part):
        assert ours.sequence_ids == theirs.sequence_ids
        assert ours.n_sequences == theirs.n_sequences
    if part:
        return
    assert len(ours.overflowing) == len(theirs.overflowing)
    for mine, other in zip(ours.overflowing, theirs.overflowing):
        assert_same(mine, other, tokenizer, pad_token, fast, spans, part=True)


def assert_same_places(ours, theirs, generator, spans=True):
    """Compares the methods that go from characters, tokens and words to each other, at every place and a little beyond."""
    sequences = (0, 1, 2, 7)
    last = max((end for _, end in theirs.offsets), default=0)
    for position in {*range(min(last + 3, 40)), *generator.choices(range(last + 3), k=5)}:
        for sequence in sequences:
            for name in ("char_to_token", "char_to_word"):
                assert getattr(ours, name)(position, sequence) == getattr(theirs, name)(position, sequence), (name, position, sequence)
        assert ours.char_to_token(position) == theirs.char_to_token(position)
    for token in range(len(theirs) + 3) if spans else ():
        for name in ("token_to_chars", "token_to_word", "token_to_sequence"):
            assert getattr(ours, name)(token) == getattr(theirs, name)(token), (name, token)
    words = max((word for word in theirs.word_ids if word is not None), default=0)
    for word in range(words + 3):
        for sequence in sequences:
            for name in ("word_to_tokens", "word_to_chars"):
                assert getattr(ours, name)(word, sequence) == getattr(theirs, name)(word, sequence), (name, word, sequence)


def has_spans(theirs, entry):
    """Tells whether theirs knows where the text is: then padding is of no sequence."""
    return theirs.post_processor is not None or isinstance(entry, tuple)


def test_signatures():
    for ours, theirs in ((nestling.Tokenizer, tokenizers.Tokenizer), (nestling.Encoding, tokenizers.Encoding),
                         (nestling.DecodeStream, decoders.DecodeStream)):
        for name, method in vars(theirs).items():
            signature = getattr(method, "__text_signature__", None)
            if name.startswith("_") or signature is None or name == "from_pretrained" or not hasattr(ours, name):
                continue
            wanted = [part.strip().lstrip("*") for part in signature.strip("()").split(",")]
            wanted = [part for part in wanted if part not in ("self", "$self", "/", "")]
            mine = [parameter for parameter in inspect.signature(getattr(ours, name)).parameters.values() if parameter.name != "self"]
            shown = [parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default!r}"
                     for parameter in mine if not (name.startswith("encode") and parameter.name == "max_length")]
            assert shown == [part.replace('"', "'") for part in wanted], f"{theirs.__name__}.{name}"


def test_every_public_name_is_there():
    pipeline = {"model", "normalizer", "pre_tokenizer", "post_processor", "decoder", "post_process", "encode_special_tokens",
                "add_tokens", "add_special_tokens", "train", "train_from_iterator", "save", "to_str", "merge"}
    for ours, theirs in ((nestling.Tokenizer, tokenizers.Tokenizer), (nestling.Encoding, tokenizers.Encoding),
                         (nestling.DecodeStream, decoders.DecodeStream)):
        names = {name for name in dir(theirs) if not name.startswith(("_", "async_"))}
        assert names - pipeline <= set(dir(ours))


def test_encoding(both):
    theirs, ours = both
    generator = random.Random(1)
    for _ in range(ROUNDS):
        entry = draw_input(generator)
        arguments = entry if isinstance(entry, tuple) else (entry,)
        special = generator.random() < 0.7
        mine, other = ours.encode(*arguments, add_special_tokens=special), theirs.encode(*arguments, add_special_tokens=special)
        assert_same(mine, other, theirs)
        assert_same_places(mine, other, generator, has_spans(theirs, entry))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert mine.words == other.words


def test_truncation_and_padding(both):
    theirs, ours = both
    generator = random.Random(2)
    refused = 0
    for _ in range(ROUNDS):
        theirs.no_truncation(), ours.no_truncation(), theirs.no_padding(), ours.no_padding()
        assert ours.truncation is None and ours.padding is None
        if generator.random() < 0.8:
            arguments = draw_cut(generator, theirs.num_special_tokens_to_add(True))
            theirs.enable_truncation(**arguments), ours.enable_truncation(**arguments)
        pad_token = "[PAD]"
        if generator.random() < 0.6:
            arguments = draw_padding(generator, theirs)
            pad_token = arguments.get("pad_token", pad_token)
            theirs.enable_padding(**arguments), ours.enable_padding(**arguments)
        assert ours.truncation == theirs.truncation and ours.padding == theirs.padding
        special = generator.random() < 0.7

        entry = draw_input(generator)
        arguments = entry if isinstance(entry, tuple) else (entry,)
        kind, mine = outcome(ours.encode, *arguments, add_special_tokens=special)
        wanted, other = outcome(theirs.encode, *arguments, add_special_tokens=special)
        assert kind == wanted, (ours.truncation, arguments, special)
        if kind == "gives":
            spans = has_spans(theirs, entry)
            assert_same(mine, other, theirs, pad_token, spans=spans)
            assert_same_places(mine, other, generator, spans)
            for first, second in zip(mine.overflowing[:3], other.overflowing[:3]) if theirs.post_processor else ():
                assert_same_places(first, second, generator, spans)
        refused += kind == "refuses"

        entries = [draw_input(generator, 0.2) for _ in range(generator.randrange(7))]
        for name in ("encode_batch", "encode_batch_fast"):
            kind, mine = outcome(getattr(ours, name), entries, add_special_tokens=special)
            wanted, other = outcome(getattr(theirs, name), entries, add_special_tokens=special)
            assert kind == wanted
            if kind == "refuses":
                continue
            for entry, first, second in zip(entries, mine, other, strict=True):
                fast = name == "encode_batch_fast"
                assert_same(first, second, theirs, pad_token, fast, has_spans(theirs, entry))
    assert refused < ROUNDS / 2


def test_stored_truncation_and_padding(both):
    theirs, _ = both
    generator = random.Random(3)
    for _ in range(10):
        theirs.no_truncation(), theirs.no_padding()
        if generator.random() < 0.8:
            theirs.enable_truncation(**draw_cut(generator, theirs.num_special_tokens_to_add(True)))
        if generator.random() < 0.8:
            theirs.enable_padding(**draw_padding(generator, theirs) | {"pad_to_multiple_of": generator.choice((None, 8))})
        ours = nestling.Tokenizer.from_str(theirs.to_str())
        assert ours.truncation is None and ours.padding is None
        assert ours.stored_truncation == theirs.truncation and ours.stored_padding == theirs.padding
        if theirs.truncation:
            ours.enable_truncation(**ours.stored_truncation)
        if theirs.padding:
            ours.enable_padding(**ours.stored_padding)
        pad_token = (theirs.padding or {}).get("pad_token")
        texts = [draw_text(generator) for _ in range(5)]
        kind, mine = outcome(ours.encode_batch, texts)
        wanted, other = outcome(theirs.encode_batch, texts)
        assert kind == wanted
        for first, second in zip(mine, other, strict=True) if kind == "gives" else ():
            assert_same(first, second, theirs, pad_token, spans=has_spans(theirs, ""))


def test_padding_and_cutting_encodings(both):
    theirs, ours = both
    generator = random.Random(4)
    for _ in range(ROUNDS):
        entry = draw_input(generator)
        arguments = entry if isinstance(entry, tuple) else (entry,)
        if generator.random() < 0.5:
            cut = draw_cut(generator, theirs.num_special_tokens_to_add(True)) | {"strategy": "longest_first"}
            theirs.enable_truncation(**cut), ours.enable_truncation(**cut)
        kind, other = outcome(theirs.encode, *arguments)
        if kind == "refuses":
            continue
        mine = ours.encode(*arguments)
        spans, overlapping = has_spans(theirs, entry), False
        for _ in range(generator.randrange(1, 4)):
            change = generator.random()
            if change < 0.5:
                pad = {key: value for key, value in draw_padding(generator, theirs).items()
                       if key in ("direction", "pad_id", "pad_type_id")}
                length = generator.randrange(60)
                mine.pad(length, **pad), other.pad(length, **pad)
            elif change < 0.9:
                length = generator.choice((0, 1, 2, 5, 10, 40))
                cut = (length, generator.randrange(max(length, 1)), generator.choice(("left", "right")))
                mine.truncate(*cut), other.truncate(*cut)
            elif theirs.post_processor is not None:
                number = generator.randrange(3)
                mine.set_sequence_id(number), other.set_sequence_id(number)
                overlapping = True  # then token_to_sequence is there one of several, by chance
        assert_same(mine, other, theirs, spans=spans)
        assert_same_places(mine, other, generator, spans and not overlapping)
        theirs.no_truncation(), ours.no_truncation()


def test_vocabulary(both):
    theirs, ours = both
    for added in (True, False):
        assert ours.get_vocab(added) == theirs.get_vocab(added)
        assert ours.get_vocab_size(added) == theirs.get_vocab_size(added)
    assert ours.get_vocab() == theirs.get_vocab()
    for pair in (True, False):
        assert ours.num_special_tokens_to_add(pair) == theirs.num_special_tokens_to_add(pair)
    for id in range(-1 + 1, theirs.get_vocab_size() + 10):
        assert ours.id_to_token(id) == theirs.id_to_token(id)
    for token in [*theirs.get_vocab(), "no such token", "", "\u00e9\u00e9", "a\0b"]:
        assert ours.token_to_id(token) == theirs.token_to_id(token), token
    mine, other = ours.get_added_tokens_decoder(), theirs.get_added_tokens_decoder()
    assert list(mine) == list(other)
    for id, token in other.items():
        for field in ("content", "single_word", "lstrip", "rstrip", "normalized", "special"):
            assert getattr(mine[id], field) == getattr(token, field)
        assert repr(mine[id]) == repr(token)
        assert str(mine[id]) == str(token)


def test_added_tokens():
    generator = random.Random(5)
    made = []
    for _ in range(40):
        flags = {name: generator.random() < 0.5 for name in ("single_word", "lstrip", "rstrip", "normalized", "special")
                 if generator.random() < 0.6}
        content = generator.choice("ab")
        mine, other = nestling.AddedToken(content, **flags), tokenizers.AddedToken(content, **flags)
        assert (repr(mine), str(mine)) == (repr(other), str(other))
        made.append((mine, other))
    for mine, other in made:
        for first, second in made:
            assert (mine == first) == (other == second)
            assert mine != first or hash(mine) == hash(first)


def draw_ids(generator, theirs):
    """Ids as encoded text has them, or as no text has them."""
    size = theirs.get_vocab_size()
    if generator.random() < 0.6:
        return theirs.encode(draw_text(generator)).ids
    return [generator.randrange(size + 3) for _ in range(generator.randrange(20))]


def test_decoding(both):
    theirs, ours = both
    generator = random.Random(6)
    for _ in range(ROUNDS):
        skip = generator.random() < 0.5
        ids = draw_ids(generator, theirs)
        assert ours.decode(ids, skip) == theirs.decode(ids, skip)
        assert ours.decode(tuple(ids), skip_special_tokens=skip) == theirs.decode(tuple(ids), skip_special_tokens=skip)
        batch = [draw_ids(generator, theirs) for _ in range(generator.randrange(6))]
        assert ours.decode_batch(batch, skip) == theirs.decode_batch(batch, skip)


def stream_of(stream, tokenizer, ids):
    """The texts that a stream gives, one for each id; "stops" in place of the rest if it raises an error."""
    given = []
    for id in ids:
        try:
            given.append(stream.step(tokenizer, id))
        except Exception:
            return [*given, "stops"]
    return given


def test_decode_streams(both):
    theirs, ours = both
    generator = random.Random(7)
    for _ in range(ROUNDS):
        skip = generator.random() < 0.5
        ids = draw_ids(generator, theirs)
        other = stream_of(decoders.DecodeStream(skip_special_tokens=skip), theirs, ids)
        mine = stream_of(nestling.DecodeStream(skip_special_tokens=skip), ours, ids)
        if "stops" in other:
            mine = [*mine[:other.index("stops")], "stops"]
        assert mine == other, (ids, skip)


def test_decode_streams_with_prompts_and_several_ids(both):
    theirs, ours = both
    generator = random.Random(8)
    for _ in range(ROUNDS):
        skip = generator.random() < 0.5
        # Of bytes that make no characters the pieces may differ where several ids come at once; no text has such ids.
        ids = theirs.encode(draw_text(generator)).ids
        prompt, steps = ids[:generator.randrange(6)], []
        rest = ids[len(prompt):]
        while rest:
            count = generator.choice((1, 1, 2, 3))
            steps.append(rest[0] if count == 1 else rest[:count])
            rest = rest[count:]
        other = stream_of(decoders.DecodeStream(prompt, skip_special_tokens=skip), theirs, steps)
        mine = stream_of(nestling.DecodeStream(prompt, skip_special_tokens=skip), ours, steps)
        if "stops" in other:
            mine = [*mine[:other.index("stops")], "stops"]
        assert mine == other, (prompt, steps, skip)


def test_which_truncations_are_refused(both):
    theirs, ours = both
    for length in range(1, 8):
        for stride in range(9):
            assert outcome(ours.enable_truncation, length, stride) == outcome(theirs.enable_truncation, length, stride=stride)
    for arguments in ({"strategy": "x"}, {"direction": "x"}, {"stride": -1}, {"max_length": -1}, {"max_length": "9"}):
        arguments = {"max_length": 9} | arguments
        assert outcome(ours.enable_truncation, **arguments) == outcome(theirs.enable_truncation, **arguments) == ("refuses", None)


def test_odd_arguments_are_refused_by_both():
    theirs, ours = make("bert")
    for name, arguments in [
        ("encode", (None,)), ("encode", (b"a",)), ("encode", (5,)), ("encode", (["a"],)), ("encode", ("\ud800",)), ("encode", ("a", 5)),
        ("encode_batch", ("abc",)), ("encode_batch", ([("a",)],)), ("encode_batch", ([("a", "b", "c")],)), ("encode_batch", (["a", 3],)),
        ("encode_batch", (5,)), ("decode", (5,)), ("decode", ([2**33],)), ("decode", (["a"],)), ("decode", (None,)),
        ("decode_batch", ([5],)), ("decode_batch", (5,)), ("id_to_token", (2**40,)), ("id_to_token", ("a",)), ("token_to_id", (5,)),
        ("token_to_id", (None,)), ("num_special_tokens_to_add", ()), ("enable_padding", (3,)),
    ]:
        kinds = [outcome(getattr(tokenizer, name), *arguments)[0] for tokenizer in (theirs, ours)]
        assert kinds == ["refuses", "refuses"], (name, arguments)
    encodings = [tokenizer.encode("some words") for tokenizer in (theirs, ours)]
    for name, arguments in [("char_to_token", (-1,)), ("token_to_chars", ("a",)), ("pad", (-1,)), ("truncate", (1, 1)), ("truncate", (1, 0, "x"))]:
        assert [outcome(getattr(encoding, name), *arguments)[0] for encoding in encodings] == ["refuses", "refuses"], (name, arguments)


def test_an_ordinary_use():
    theirs, ours = make("bert")
    texts = ["A sentence.", ("A question?", "An answer.")]
    for tokenizer in (theirs, ours):
        tokenizer.enable_truncation(max_length=12, stride=2)
        tokenizer.enable_padding(length=12)
    for mine, other in zip(ours.encode_batch(texts), theirs.encode_batch(texts), strict=True):
        assert_same(mine, other, theirs)
    assert re.fullmatch(r"<nestling.Tokenizer, \d+ entries>", repr(ours))
    assert copy.copy(nestling.DecodeStream()).finish() == ""
