#!/usr/bin/env python3
"""SentencePiece models of every kind, and what the packages sentencepiece and transformers make of nasty strings with each.

Usage: pip install sentencepiece==0.2.3 transformers==5.23.0
       python sentencepiece_cases.py fixtures ../Fixtures
       python sentencepiece_cases.py random FOLDER --models 60 --strings 400 --seed 1
       NESTLING_TOKENIZER_CASES=$(ls FOLDER/*.jsonl | paste -sd:) swift test --filter TokenizersTests

`fixtures` writes the few that are kept in the repository.
"""

import argparse
import io
import json
import os
import random
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

import differential
import nasty_strings

KINDS = sentencepiece_model_pb2.ModelProto.SentencePiece


def corpus(seed):
    r = random.Random(seed)
    return [" ".join(r.choices(nasty_strings.WORDS, k=10)) for _ in range(120)] + [
        "The quick brown fox jumps over the lazy dog 0123 4567 89", "a\tb  c", "<sep> x<mask>y"] * 4


def small_corpus():
    """A few words of few characters, for models that are kept in the repository."""
    r = random.Random(0)
    return [" ".join(r.choices(nasty_strings.WORDS[:60] + ["привет", "日本"], k=10)) for _ in range(60)]


def train(seed=0, lines=None, **options):
    """The parsed model that training with `options` on `lines` gives."""
    out = io.BytesIO()
    options = {"vocab_size": 300, "model_type": "unigram", "hard_vocab_limit": False, "num_threads": 1, "minloglevel": 2,
               "character_coverage": 0.98, "normalization_rule_name": "identity", **options}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines or corpus(seed)), model_writer=out, **options)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(out.getvalue())
    for field in ("accept_language", "input", "model_prefix", "required_chars", "normalization_rule_tsv"):
        if field in proto.trainer_spec.DESCRIPTOR.fields_by_name:
            proto.trainer_spec.ClearField(field)
    return proto


def small_charsmap():
    """Some rules of our own, which take less room than those of Unicode."""
    out = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        for old, new in [("A", "a"), ("B", "b"), ("ab", "x"), ("abc", ""), ("AB", "y y"), ("Q", " "), ("Z", "  "), ("\t", " "),
                         ("ﬁ", "fi"), ("½", "1⁄2"), ("e\u0301", "é"), ("ﷺ", "صلى الله عليه وسلم")]:
            rules.write(" ".join(f"{ord(c):x}" for c in old) + "\t" + " ".join(f"{ord(c):x}" for c in new) + "\n")
        rules.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus(0)), model_writer=out, vocab_size=900, hard_vocab_limit=False, minloglevel=2,
            normalization_rule_tsv=rules.name)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(out.getvalue())
    return proto.normalizer_spec.precompiled_charsmap


def plain_cases(proto, texts, r):
    """What sentencepiece itself answers."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())
    for text in texts:
        ids = processor.encode(text)
        yield {"text": text, "ids": ids, "decode": processor.decode(ids)}
    for _ in range(len(texts) // 4):
        ids = [r.randrange(len(proto.pieces)) for _ in range(r.choice([0, 1, 2, 3, 5, 20]))]
        yield {"text": "", "decode_ids": ids, "skip": r.random() < 0.5, "decode": processor.decode(ids)}
    if proto.trainer_spec.byte_fallback:
        first = next(i for i, piece in enumerate(proto.pieces) if piece.type == KINDS.BYTE)
        for _ in range(len(texts) // 8):
            ids = [first + r.choice([0x61, 0xC3, 0xA9, 0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0x80, 0xFF, 0xED, 0xA0]) if r.random() < 0.9
                   else r.randrange(len(proto.pieces)) for _ in range(8)]
            yield {"text": "", "decode_ids": ids, "skip": False, "decode": processor.decode(ids)}


def write(folder, name, proto, lines, settings=None):
    with open(f"{folder}/{name}.model", "wb") as out:
        out.write(proto.SerializeToString())
    with open(f"{folder}/{name}.jsonl", "w") as out:
        out.write(json.dumps({"tokenizer": f"{name}.model", "settings": settings or {}}) + "\n")
        for line in lines:
            out.write(json.dumps(line) + "\n")


def twisted(proto, r):
    """Changes that training does not make: equal scores, unused pieces, other kinds of pieces, odd settings."""
    normal = [piece for piece in proto.pieces if piece.type == KINDS.NORMAL]
    if r.random() < 0.4:
        for piece in normal:
            piece.score = round(piece.score)
    if r.random() < 0.4:
        for piece in r.sample(normal, len(normal) // 8):
            piece.type = KINDS.UNUSED
    if r.random() < 0.3:
        for piece in r.sample(normal, 6):
            piece.type = KINDS.USER_DEFINED
    if r.random() < 0.2:
        scores = [piece.score for piece in normal]
        r.shuffle(scores)
        for piece, score in zip(normal, scores):
            piece.score = score
    if r.random() < 0.2:
        for piece in normal:
            piece.score = abs(piece.score)
    if r.random() < 0.2:
        proto.trainer_spec.unk_surface = r.choice(["", "<?>", "▁"])
    if r.random() < 0.2:
        proto.denormalizer_spec.precompiled_charsmap = small_charsmap()
        for field in ("add_dummy_prefix", "remove_extra_whitespaces", "escape_whitespaces"):
            setattr(proto.denormalizer_spec, field, r.random() < 0.3)
    if r.random() < 0.1:
        proto.normalizer_spec.escape_whitespaces = False


def random_model(r):
    options = {
        "model_type": r.choice(["unigram", "bpe", "unigram", "bpe", "word", "char"]), "vocab_size": r.choice([300, 500, 900]),
        "byte_fallback": r.random() < 0.4, "add_dummy_prefix": r.random() < 0.7, "remove_extra_whitespaces": r.random() < 0.6,
        "normalization_rule_name": r.choice(["identity", "nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf"]),
        "treat_whitespace_as_suffix": r.random() < 0.2, "split_digits": r.random() < 0.4, "split_by_whitespace": r.random() < 0.8,
        "allow_whitespace_only_pieces": r.random() < 0.3, "split_by_unicode_script": r.random() < 0.7,
        "character_coverage": r.choice([0.98, 1.0]),
        "user_defined_symbols": r.sample(["<mask>", "fox", "▁the", "é", "ab", "abc", "  ", " x", "12", "A", "!", "'s"], r.randrange(6)),
        "control_symbols": r.sample(["<sep>", "[CLS]", "<pad>", "q", "[MASK]"], r.randrange(3)),
    }
    if options["model_type"] == "word":
        options.pop("split_by_whitespace")
    if r.random() < 0.3:
        options.update(pad_id=0, unk_id=3, bos_id=1, eos_id=2)
    if r.random() < 0.2:
        options.update(bos_id=-1)
    return options


def make_random(folder, models, strings, seed):
    total = 0
    for number in range(models):
        r = random.Random(seed * 100_000 + number)
        while True:
            try:
                options = random_model(r)
                proto = train(number, **options)
                break
            except (RuntimeError, OSError):
                continue
        if r.random() < 0.4:
            proto.normalizer_spec.precompiled_charsmap = small_charsmap()
        if r.random() < 0.5:
            twisted(proto, r)
        texts = list(nasty_strings.strings(strings + 340, seed * 1000 + number, long=number % 10 == 0))
        lines = list(plain_cases(proto, texts, r))
        total += len(lines)
        write(folder, f"random_{seed}_{number}", proto, lines)
    print(f"{models} models, {total} cases")


def family(r, name):
    """Training options and a tokenizer_config.json as checkpoints of the class `name` have them, varied a little."""
    config = {"tokenizer_class": name}
    options = {"vocab_size": r.choice([850, 1000])}
    user = r.sample(["fox", "é", "12", "the", "  ", "!"], r.randrange(4))
    control = r.sample(["<ctl>", "<reserved>"], r.randrange(3))
    if name == "LlamaTokenizer":
        options.update(model_type="bpe", byte_fallback=r.random() < 0.8, split_digits=True)
        config.update({"add_bos_token": True} if r.random() < 0.6 else {}, **({"add_eos_token": True} if r.random() < 0.3 else {}))
        config.update({"legacy": r.random() < 0.5} if r.random() < 0.5 else {}, **({"add_prefix_space": r.random() < 0.5} if r.random() < 0.4 else {}))
        if r.random() < 0.3:
            config["pad_token"] = r.choice(["<pad>", "</s>"])
    elif name == "GemmaTokenizer":
        options.update(model_type="bpe", byte_fallback=True, pad_id=0, eos_id=1, bos_id=2, unk_id=3, add_dummy_prefix=False,
                       bos_piece="<bos>", eos_piece="<eos>", remove_extra_whitespaces=False, allow_whitespace_only_pieces=True)
        user = ["<mask>", "\n"] + user + ["  "] * ("  " not in user)
        config.update({"add_bos_token": True} if r.random() < 0.8 else {})
    elif name == "T5Tokenizer":
        options.update(pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
        config.update({"extra_ids": r.choice([0, 5, 100])} if r.random() < 0.4 else {})
    elif name == "AlbertTokenizer":
        options.update(pad_id=0, unk_id=1, bos_id=-1, eos_id=-1)
        control, user = ["[CLS]", "[SEP]"] + control, ["[MASK]"] + user
        config.update({"do_lower_case": r.random() < 0.5} if r.random() < 0.5 else {}, **({"keep_accents": r.random() < 0.5} if r.random() < 0.5 else {}))
    elif name == "XLNetTokenizer":
        control = ["<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>"] + control
        config.update({"do_lower_case": True} if r.random() < 0.3 else {})
    elif name == "DebertaV2Tokenizer":
        options.update(pad_id=0, unk_id=3, bos_id=1, eos_id=2, bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]", pad_piece="[PAD]")
        config.update({"do_lower_case": True} if r.random() < 0.3 else {}, **({"split_by_punct": True} if r.random() < 0.3 else {}))
    if options.get("model_type") != "bpe":
        options["normalization_rule_name"] = r.choice(["identity", "nmt_nfkc", "nmt_nfkc_cf"])
    if r.random() < 0.3:
        flags = {"lstrip": r.random() < 0.5, "rstrip": r.random() < 0.5, "single_word": r.random() < 0.3,
                 "normalized": r.random() < 0.3, "special": r.random() < 0.7}
        config["added_tokens_decoder"] = {"2000": {"content": "ing", **flags}, "2001": {"content": "<new>", **flags}}
    return {**options, "user_defined_symbols": user, "control_symbols": control}, config


FAMILIES = {"LlamaTokenizer": "tokenizer.model", "GemmaTokenizer": "tokenizer.model", "T5Tokenizer": "spiece.model",
            "XLMRobertaTokenizer": "sentencepiece.bpe.model", "CamembertTokenizer": "sentencepiece.bpe.model",
            "MBartTokenizer": "sentencepiece.bpe.model", "AlbertTokenizer": "spiece.model", "XLNetTokenizer": "spiece.model",
            "DebertaV2Tokenizer": "spm.model"}


def converted(proto, config):
    """transformers' tokenizer of a checkpoint with these two files."""
    import transformers
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/{FAMILIES[config['tokenizer_class']]}", "wb") as out:
            out.write(proto.SerializeToString())
        with open(f"{folder}/tokenizer_config.json", "w") as out:
            json.dump(config, out)
        return getattr(transformers, config["tokenizer_class"]).from_pretrained(folder)._tokenizer


def make_converted(folder, models, strings, seed):
    total = 0
    for number in range(models):
        r = random.Random(seed * 100_000 + number)
        name = list(FAMILIES)[number % len(FAMILIES)]
        options, config = family(r, name)
        proto = train(number, **options)
        t = converted(proto, config)
        texts = list(nasty_strings.strings(strings + 340, seed * 1000 + number, long=number % 10 == 0))
        texts += ["<ctl>fox <new>ing  <extra_id_3> <mask> [MASK] en_XX </s>é12!", "a <mask>b  [MASK] c"] * 5
        lines = list(differential.compare(r, t, texts, True))
        total += len(lines)
        write(folder, f"converted_{seed}_{number}", proto, lines, config)
    print(f"{models} models, {total} cases")


def make_fixtures(folder):
    lines = small_corpus()
    everything = list(nasty_strings.strings(3000, 20, long=False))
    symbols = ["<mask>", "fox", "▁the", "ab", "abc"]
    for name, options in {
        "unigram": {"vocab_size": 240},
        "unigram_rules": {"vocab_size": 240, "user_defined_symbols": symbols, "control_symbols": ["<ctl>"], "add_dummy_prefix": False},
        "unigram_bytes": {"vocab_size": 460, "byte_fallback": True, "treat_whitespace_as_suffix": True, "remove_extra_whitespaces": False},
        "bpe": {"vocab_size": 460, "model_type": "bpe", "byte_fallback": True, "split_digits": True, "user_defined_symbols": symbols},
        "bpe_unused": {"vocab_size": 300, "model_type": "bpe", "add_dummy_prefix": False, "remove_extra_whitespaces": False},
        "word": {"vocab_size": 100, "model_type": "word"}, "char": {"vocab_size": 120, "model_type": "char", "user_defined_symbols": symbols},
    }.items():
        r = random.Random(name)
        proto = train(lines=lines, **options)
        if name == "unigram_rules":
            proto.normalizer_spec.precompiled_charsmap = small_charsmap()
        if name == "bpe_unused":
            for piece in r.sample([piece for piece in proto.pieces if piece.type == KINDS.NORMAL], 50):
                piece.type = KINDS.UNUSED
            for piece in proto.pieces:
                piece.score = piece.score // 8
        texts = r.sample([text for text in everything if len(text) < 60], 60) + ["ABab abc  Q Z ﬁ½", "a\0b", "\0", "▁", " ▁ the▁", "the\tfox"]
        write(folder, f"sentencepiece_{name}", proto, plain_cases(proto, texts, r))
    for name in FAMILIES:
        r = random.Random(name)
        options, config = family(r, name)
        config.pop("added_tokens_decoder", None)
        proto = train(lines=lines, **{**options, "vocab_size": 480 if options.get("model_type") == "bpe" else 220, "normalization_rule_name": "identity"})
        if options.get("model_type") != "bpe":
            proto.normalizer_spec.precompiled_charsmap = small_charsmap()
        texts = r.sample([text for text in everything if len(text) < 40], 16) + ["a <mask>b  [MASK] c <extra_id_0> fox</s> ABab abc"]
        short = name.removesuffix("Tokenizer").lower()
        write(folder, f"sentencepiece_{short}", proto, differential.compare(r, converted(proto, config), texts, True), config)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("what", choices=["fixtures", "random", "converted"])
    arguments.add_argument("folder")
    arguments.add_argument("--models", type=int, default=30)
    arguments.add_argument("--strings", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    os.makedirs(options.folder, exist_ok=True)
    if options.what == "fixtures":
        make_fixtures(options.folder)
    elif options.what == "random":
        make_random(options.folder, options.models, options.strings, options.seed)
    elif options.what == "converted":
        make_converted(options.folder, options.models, options.strings, options.seed)


if __name__ == "__main__":
    main()
