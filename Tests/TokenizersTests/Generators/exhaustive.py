#!/usr/bin/env python3
"""Every code point, alone and within words, through every normalizer and pre-tokenizer.

The model spells bytes, so that ids show the text, word ids the cuts and offsets the alignment.

Usage: python exhaustive.py FOLDER [component...]      one case file per component
"""

import os
import sys

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

import cases
import pipelines
import random_tokenizers

SCALARS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def components():
    n, p = normalizers, pre_tokenizers
    yield "bert", n.BertNormalizer(), p.BertPreTokenizer()
    yield "bert_cased", n.BertNormalizer(lowercase=False), p.Punctuation("contiguous")
    yield "nfc", n.NFC(), p.WhitespaceSplit()
    yield "nfd", n.NFD(), p.Whitespace()
    yield "nfkc", n.NFKC(), p.Digits(individual_digits=True)
    yield "nfkd", n.NFKD(), p.UnicodeScripts()
    yield "lowercase", n.Lowercase(), p.Punctuation("isolated")
    yield "strip_accents", n.Sequence([n.Strip(), n.StripAccents()]), p.Metaspace()
    yield "nmt", n.Nmt(), p.ByteLevel(add_prefix_space=False)
    yield "precompiled", n.Precompiled(random_tokenizers.train_charsmap()), None
    yield "llama3", None, p.Split(Regex(pipelines.GPT4), "isolated")
    yield "qwen", None, p.Split(Regex(pipelines.QWEN), "isolated")
    yield "words", None, p.Split(Regex(r"\w+|\d|[^\W_]|\s|[[:punct:]]+|\bx"), "isolated")
    yield "letters", None, p.Split(Regex(r"\p{Lu}+|\p{Ll}+|\p{Lm}+|\p{Mn}+|\p{Mc}+|\p{Nd}+|\p{No}+|\p{P}+|\p{S}+|\p{Cn}+|\p{Cf}+"), "isolated")
    yield "marks", n.NFC(), p.FixedLength(3)


def texts(name, size=96):
    for start in range(0, len(SCALARS), size):
        part = SCALARS[start:start + size]
        if name == "marks":
            yield "".join(f"e\u0323{c}\u0301{c} \uac00{c}" for c in part)
        else:
            yield "".join(f"a{c}b {c}" for c in part)
    yield from SCALARS[:0x3000]
    for c in SCALARS[:0x3000]:
        yield c + "x" + c


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    vocabulary = {f"<0x{b:02X}>": b for b in range(256)} | {"?": 256}
    for name, normalizer, pre_tokenizer in components():
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        t = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="?", byte_fallback=True))
        if normalizer is not None:
            t.normalizer = normalizer
        if pre_tokenizer is not None:
            t.pre_tokenizer = pre_tokenizer
        t.save(f"{folder}/{name}.json")
        cases.write(f"{folder}/{name}.jsonl", f"{name}.json", (cases.case(t, text, special=False) for text in texts(name)))
        print(name, flush=True)


if __name__ == "__main__":
    main()
