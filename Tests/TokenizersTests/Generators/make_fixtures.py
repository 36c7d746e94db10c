#!/usr/bin/env python3
"""Writes the fixtures in Tests/TokenizersTests/Fixtures: a small tokenizer per pipeline and what it makes of nasty strings.

Usage: pip install tokenizers==0.23.3 sentencepiece && python make_fixtures.py ../Fixtures
"""

import json
import os
import random
import sys

import tokenizers
from tokenizers import Tokenizer

import cases
import differential
import nasty_strings
import pipelines
import random_tokenizers

STRINGS = 260


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    charsmap = random_tokenizers.train_charsmap()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    corpus = [" ".join(random.Random(n).choices(nasty_strings.WORDS, k=12)) for n in range(60)]
    everything = list(nasty_strings.strings(3000, 20, long=False))
    for name, made in pipelines.all_of(corpus, 420, charsmap):
        if name in ("xlmr", "albert"):
            # The charsmap is large: one pipeline is enough for it.
            continue
        made.save(f"{folder}/{name}.json", pretty=False)
        t = Tokenizer.from_file(f"{folder}/{name}.json")
        r = random.Random(name)
        texts = [text for text in r.sample(everything, STRINGS) if len(text) < 60]
        lines = list(differential.compare(r, t, texts, True))
        cases.write(f"{folder}/{name}.jsonl", f"{name}.json", lines)
    with open(f"{folder}/versions.json", "w") as out:
        json.dump({"tokenizers": tokenizers.__version__}, out)
        out.write("\n")


if __name__ == "__main__":
    main()
