#!/usr/bin/env python3
"""Random tokenizers of every component, and what the Python package makes of nasty strings with each.

Usage: pip install tokenizers sentencepiece
       python differential.py FOLDER --tokenizers 200 --strings 300 --seed 1
       NESTLING_TOKENIZER_CASES=$(ls FOLDER/*.jsonl | paste -sd:) swift test --filter TokenizersTests
"""

import argparse
import os
import random

from tokenizers import decoders

import cases
import nasty_strings
import random_tokenizers


def compare(r, t, texts, full):
    """Cases of one tokenizer; those on which the reference panics are left out."""
    def keep(line):
        error = line.get("error", "")
        return not any(word in error for word in ("panic", "unwrap", "index out", "range", "overflow", "slice", "bad split", "stride set"))

    for text in texts:
        pick = r.random()
        pair = r.choice(texts) if pick < .25 and len(text) < 2000 else None
        special = r.random() < .7
        if r.random() < .25:
            # Fewer tokens than the special ones that are added: the reference wraps around, here it is an error.
            least = t.num_special_tokens_to_add(pair is not None) if special else 0
            line = cases.truncated(t, text, pair, least + r.choice([0, 1, 2, 3, 4, 5, 8, 13, 40]), r.choice([0, 0, 1, 2, 3]),
                                   r.choice(["longest_first", "only_first", "only_second"]), r.random() < .3, special)
        else:
            line = cases.case(t, text, pair, special)
        if keep(line):
            yield line
    size = t.get_vocab_size() + 5
    for _ in range(len(texts) // 5):
        ids = [r.randrange(size) for _ in range(r.choice([0, 1, 2, 3, 5, 20]))]
        skip = r.random() < .5
        try:
            line = {"text": "", "decode_ids": ids, "skip": skip, "decode": t.decode(ids, skip_special_tokens=skip)}
        except BaseException:
            continue
        try:
            stream = decoders.DecodeStream(skip_special_tokens=skip)
            line["stream"] = [stream.step(t, i) for i in ids]
        except BaseException:
            line.pop("stream", None)  # the reference gives up when a decoder changes its mind
        yield line


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder")
    arguments.add_argument("--tokenizers", type=int, default=100)
    arguments.add_argument("--strings", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    os.makedirs(options.folder, exist_ok=True)
    charsmap = random_tokenizers.train_charsmap()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # panics of the reference print there
    corpus = random_tokenizers.corpus()
    total = 0
    for number in range(options.tokenizers):
        r = random.Random(options.seed * 100_000 + number)
        t = random_tokenizers.tokenizer(r, corpus, charsmap)
        name = f"random_{options.seed}_{number}"
        t.save(f"{options.folder}/{name}.json")
        texts = list(nasty_strings.strings(options.strings + 340, options.seed * 1000 + number, long=False))
        r.shuffle(texts)
        lines = list(compare(r, t, texts, True))
        total += len(lines)
        cases.write(f"{options.folder}/{name}.jsonl", f"{name}.json", lines)
    print(f"{options.tokenizers} tokenizers, {total} cases")


if __name__ == "__main__":
    main()
