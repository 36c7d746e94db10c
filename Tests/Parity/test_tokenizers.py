"""Tokenizers against the package `tokenizers`, live: random ones of every component, and the pipelines of well-known models.

Everything that an encoding says must be the same: ids, type ids, tokens, offsets, words, sequences, the mask of special tokens;
and what decoding makes of ids, at once and as a stream. What is drawn depends on NESTLING_PARITY_SEEDS (3) only. The number of
strings that were compared is printed at the end.
"""

import json
import os
import random
import sys
import unicodedata
from pathlib import Path

import nestling
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "TokenizersTests" / "Generators"))

import nasty_strings
import pipelines
import random_tokenizers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

SEEDS = range(int(os.environ.get("NESTLING_PARITY_SEEDS", "3")))
RANDOM_TOKENIZERS = 25
PER_RANDOM_TOKENIZER = 500
PER_PIPELINE = 900
PER_EXPRESSION = 150
# Words in the messages of panics: the reference came apart, so that there is nothing to compare with.
PANICS = ("panic", "unwrap", "index out", "range", "overflow", "slice", "bad split")


# MARK: - What is compared

class Count:
    """How much was compared, by kind."""

    def __init__(self):
        self.kinds = {}

    def add(self, kind, number=1):
        self.kinds[kind] = self.kinds.get(kind, 0) + number

    def __str__(self):
        return "tokenizers: compared " + ", ".join(f"{number:,} {kind}" for kind, number in self.kinds.items())


@pytest.fixture(scope="module")
def count(request):
    """The count, shown when the tests of this file have run."""
    count = Count()
    yield count
    plugins = request.config.pluginmanager
    with plugins.get_plugin("capturemanager").global_and_fixture_disabled():
        reporter = plugins.get_plugin("terminalreporter")
        reporter.ensure_newline()
        reporter.write_line(str(count))


@pytest.fixture(scope="module", autouse=True)
def quiet():
    """Panics of the reference write to the process's standard error."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    yield
    os.dup2(kept, 2)
    os.close(kept)
    os.close(nowhere)


@pytest.fixture(scope="module")
def charsmap():
    return random_tokenizers.train_charsmap()


def attempt(function, *arguments, **named):
    """(result, None), or (None, the error's text). A panic of the reference is no Exception."""
    try:
        return function(*arguments, **named), None
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, MemoryError)):
            raise
        return None, str(error)


FIELDS = ("ids", "type_ids", "offsets", "word_ids", "sequence_ids", "special_tokens_mask")


class Pair:
    """One tokenizer on both sides."""

    def __init__(self, theirs, count):
        self.theirs = theirs
        self.ours = nestling.Tokenizer.from_buffer(theirs.to_str().encode())
        self.count = count

    def text(self, text, pair=None, special=True, most=None):
        """Compares one string or pair, cut to `most` tokens."""
        if most is not None:
            self.theirs.enable_truncation(most)
        theirs, failure = attempt(self.theirs.encode, text, pair, add_special_tokens=special)
        if most is not None:
            self.theirs.no_truncation()
        what = f"{text!r}, pair {pair!r}, special {special}, most {most}"
        if failure is not None:
            if not any(word in failure for word in PANICS):
                with pytest.raises(nestling.Error):
                    self.ours.encode(text, pair, add_special_tokens=special, max_length=most)
                self.count.add("failures")
            return
        ours = self.ours.encode(text, pair, add_special_tokens=special, max_length=most)
        for field in FIELDS:
            actual, wanted = getattr(ours, field), getattr(theirs, field)
            assert actual == wanted, f"{field} of {what}:\n{actual}\ninstead of\n{wanted}"
        # Here tokens are entries of the vocabulary; in the reference some are pieces of the text, for example unknown ones.
        wanted = [self.theirs.id_to_token(id) or "" for id in theirs.ids]
        assert ours.tokens == wanted, f"tokens of {what}:\n{ours.tokens}\ninstead of\n{wanted}"
        self.count.add("pairs" if pair is not None else "strings" if most is None else "cut strings")
        self.ids(theirs.ids)

    def ids(self, ids):
        """Compares what decoding makes of `ids`."""
        for skip in (True, False):
            wanted, failure = attempt(self.theirs.decode, ids, skip_special_tokens=skip)
            if failure is not None:
                continue
            actual = self.ours.decode(ids, skip)
            assert actual == wanted, f"decoding {ids}, skip {skip}: {actual!r} instead of {wanted!r}"
            self.count.add("decoded lists")

    def stream(self, ids, skip):
        """Compares what comes out of streams after each id, up to where the reference gives up."""
        theirs, ours = decoders.DecodeStream(skip_special_tokens=skip), nestling.DecodeStream(skip_special_tokens=skip)
        for place, id in enumerate(ids):
            wanted, failure = attempt(theirs.step, self.theirs, id)
            if failure is not None:
                return
            actual = ours.step(self.ours, id)
            assert actual == wanted, f"streaming {ids[:place + 1]}, skip {skip}: {actual!r} instead of {wanted!r}"
        self.count.add("streams")

    def several(self, source, texts):
        """Compares `texts`: some with a pair, without special tokens, or cut."""
        for text in texts:
            kind = source.random()
            pair = source.choice(texts) if kind < 0.15 else None
            special = kind < 0.8
            most = None
            if kind > 0.9:
                most = self.theirs.num_special_tokens_to_add(False) + source.choice((1, 2, 3, 5, 8, 40))
                special = True
            self.text(text, pair, special, most)
        size = self.theirs.get_vocab_size() + 5
        for _ in range(len(texts) // 10):
            ids = [source.randrange(size) for _ in range(source.choice((0, 1, 2, 3, 5, 20)))]
            self.ids(ids)
            self.stream(ids, source.random() < 0.5)
        for text in source.sample(texts, len(texts) // 10):
            theirs, failure = attempt(self.theirs.encode, text)
            if failure is None:
                self.stream(theirs.ids[:60], source.random() < 0.5)


def texts_of(number, seed, fixed=0.1):
    """`number` strings: some of those that are always the same, the others fresh."""
    source = random.Random(seed)
    always = list(nasty_strings.strings(340, 0, long=False))
    texts = source.sample(always, int(number * fixed))
    texts += list(nasty_strings.strings(340 + number - len(texts), seed, long=False))[340:]
    return texts


# MARK: - Random tokenizers

@pytest.mark.parametrize("number", range(RANDOM_TOKENIZERS * len(SEEDS)))
def test_random_tokenizer(number, count, charsmap):
    source = random.Random(7_000_000 + number)
    theirs = random_tokenizers.tokenizer(source, random_tokenizers.corpus(), charsmap)
    both = Pair(theirs, count)
    try:
        both.several(source, texts_of(PER_RANDOM_TOKENIZER, 7_000_000 + number))
    except AssertionError as error:
        written = json.loads(theirs.to_str())
        parts = {key: written[key] for key in ("normalizer", "pre_tokenizer", "post_processor", "decoder", "added_tokens")}
        settings = {key: value for key, value in written["model"].items() if key not in ("vocab", "merges")}
        raise AssertionError(f"{error}\nmodel {settings}\n{json.dumps(parts, ensure_ascii=False)}") from None


# MARK: - Pipelines of well-known models

def pipeline_corpus(seed):
    source = random.Random(seed)
    return [" ".join(source.choices(nasty_strings.WORDS, k=12)) for _ in range(400)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", pipelines.ALL)
def test_pipeline(name, seed, count, charsmap):
    source = random.Random(f"{name} {seed}")
    ((_, theirs),) = pipelines.all_of(pipeline_corpus(seed), 600 + 700 * seed, charsmap, [name])
    both = Pair(Tokenizer.from_str(theirs.to_str()), count)
    assert both.ours.get_vocab_size() == both.theirs.get_vocab_size()
    both.several(source, texts_of(PER_PIPELINE, source.randrange(1 << 30)))


@pytest.mark.parametrize("name", ("bert", "gpt2", "llama2", "t5"))
def test_long_strings(name, count, charsmap):
    ((_, theirs),) = pipelines.all_of(pipeline_corpus(0), 900, charsmap, [name])
    both = Pair(theirs, count)
    both.theirs.decoder = theirs.decoder
    for text in ("ab" * 50_000, "the cat sat on the mat. " * 4_000, "\u6587\u5b57" * 5_000, "\u00e9 \u00fc \u00f1 " * 5_000,
                 "\U0001f600" * 5_000, "a\u0301\u0323" * 5_000, " " * 20_000, "!" * 10_000, "[MASK]<s>" * 2_000):
        both.text(text)
        both.text(text, "x" + text[:1000], most=512)


# MARK: - Regular expressions

@pytest.mark.parametrize("pattern", random_tokenizers.REGEXES)
def test_regular_expression(pattern, count):
    """Each as a cut, on a model of bytes: words show where it matches."""
    vocabulary = {f"<0x{byte:02X}>": byte for byte in range(256)} | {"?": 256}
    theirs = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="?", byte_fallback=True))
    source = random.Random(pattern)
    for behavior in source.sample(random_tokenizers.BEHAVIORS, 2):
        theirs.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior, source.random() < 0.3)
        both = Pair(theirs, count)
        for text in texts_of(PER_EXPRESSION * len(SEEDS), source.randrange(1 << 30)):
            both.text(text, special=False)
