"""Models of text: token ids of every case, seeded, and what converters must know of their inputs."""

import ast
import re
import sysconfig
from pathlib import Path

import numpy as np

SHAPES = {"1 x 16": (1, 16), "1 x 128": (1, 128), "8 x 128": (8, 128), "1 x 512": (1, 512)}
SENTENCES = "256 sentences"
PEER_BATCH = 32
VOCABULARY = 30522
# Inputs of the network and their axes of any size, onnxruntime's name of such networks, Nestling's of such inputs.
AXES = {name: {0: "batch", 1: "tokens"} for name in ("input_ids", "attention_mask")}
OPTIMIZER = "bert"
ARGUMENT = "inputs"


def python_sentences(count, seed=1):
    """Sentences of 20 to 600 characters from the docstrings of the standard library."""
    sentences = set()
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = " ".join((ast.get_docstring(node) or "").split())
                sentences.update(part for part in re.split(r"(?<=[.!?])\s+", text) if 20 <= len(part) <= 600)
    ordered = sorted(sentences)
    chosen = np.random.default_rng(seed).choice(len(ordered), count, replace=False)
    return [ordered[index] for index in chosen]


def tokenized(tokenizer_path, texts):
    """Ids of texts, special tokens included, at most 512 each."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(512)
    return [row.ids for row in tokenizer.encode_batch(texts)]


def make_inputs(tokenizer_path):
    """Token ids of every case: {name: list of lists of int}."""
    random = np.random.default_rng(2)
    cases = {name: random.integers(1000, VOCABULARY, shape).tolist() for name, shape in SHAPES.items()}
    cases[SENTENCES] = tokenized(tokenizer_path, python_sentences(256))
    return cases


def feed(rows):
    """Rows of one length as the network's inputs."""
    ids = np.array(rows, np.int64)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def tokens(rows):
    return sum(map(len, rows))


def example():
    """Inputs to trace a network with."""
    return feed(np.ones((2, 16)))


def calibration(model):
    """What a peer may calibrate a static quantization with: sentences and random ids, none of which is measured."""
    random = np.random.default_rng(4)
    rows = tokenized(Path(model.directory) / "tokenizer.json", python_sentences(64, seed=3))
    return [feed([row]) for row in rows + random.integers(1000, VOCABULARY, (16, 128)).tolist()]


def padded_batches(rows):
    """Batches of PEER_BATCH rows of similar length, longest first: (indices, ids int64 [b, n], mask int64 [b, n])."""
    order = sorted(range(len(rows)), key=lambda index: -len(rows[index]))
    for begin in range(0, len(order), PEER_BATCH):
        chosen = order[begin:begin + PEER_BATCH]
        ids = np.zeros((len(chosen), len(rows[chosen[0]])), np.int64)
        mask = np.zeros_like(ids)
        for place, index in enumerate(chosen):
            ids[place, :len(rows[index])] = rows[index]
            mask[place, :len(rows[index])] = 1
        yield chosen, ids, mask
