"""One module per engine. Each has

    PACKAGES                                   modules imported before the clock of loading starts
    variants(dtype) -> {name: settings}        the settings worth trying; empty: the engine has no such precision
    prepare(model, dtype)                      writes what loading needs into model.converted, if it is not there
    load(model, dtype, threads, settings) -> run(rows, pooled) -> float32 [b, n, hidden], or a list of [n, hidden], or
                                               [b, hidden] if pooled, or [b, classes] of a model that classifies

Rows are lists of token ids, or one array of pixels [b, channels, height, width].

The settings "environment" are set before the process starts. With "workers", batches run side by side, one thread each;
with "static", the model is compiled for each shape.
"""

import concurrent.futures
import importlib
import shutil

import numpy as np

from ..texts import padded_batches

NAMES = ("nestling", "onnxruntime", "openvino", "pytorch", "ctranslate2")


def module(name):
    return importlib.import_module("." + name, __name__)


def suits(settings, pooled):
    """Whether settings are meant for a case: static shapes not for mixed lengths, a batch per thread only for several."""
    return not settings.get("static") if pooled else not settings.get("workers")


def once(folder, write):
    """Calls write(an empty folder), which gets its name when it is complete; nothing if it is there."""
    if not folder.exists():
        unfinished = folder.with_name(folder.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        write(unfinished)
        unfinished.rename(folder)


def with_workers(variants):
    """The variants, and each of them once more with a batch per thread."""
    return variants | {f"{name}, a batch per thread": {**settings, "workers": True} for name, settings in variants.items()}


def means(states, mask):
    """Mean of the states [b, n, hidden] where mask [b, n] is 1: [b, hidden]."""
    weights = mask.astype(np.float32)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.matmul(weights[:, None, :], states)[:, 0, :]


def transformers_network(model, **options):
    """The checkpoint in transformers, and what its result is called."""
    import transformers

    transformers.logging.set_verbosity_error()
    kind = transformers.AutoModelForImageClassification if model.classifies else transformers.AutoModel
    network = kind.from_pretrained(model.directory, **options).eval()
    if not model.classifies:
        network.pooler = None  # not asked of any engine
    return network, "logits" if model.classifies else "last_hidden_state"


def result_module(model, attention):
    """The checkpoint as a module of PyTorch from the inputs, in the order of `model.takes.AXES`, to the result."""
    import torch

    network, result = transformers_network(model, attn_implementation=attention)

    class Result(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, *inputs):
            return self.network(**dict(zip(model.takes.AXES, inputs)))[result]

    return Result()


def padded_runner(model, forward, threads, settings):
    """The `run` of an engine that needs padding. forward: the inputs by name, int64 [b, n] or float32 pixels -> states float32
    NumPy array. Without padding there is a mask, of ones.
    """
    workers = concurrent.futures.ThreadPoolExecutor(threads) if settings.get("workers") else None

    def run_batch(batch):
        chosen, ids, mask = batch
        return chosen, means(forward({"input_ids": ids, "attention_mask": mask}), mask)

    def run(rows, pooled):
        if not pooled:
            return forward(model.takes.feed(rows))
        batches = padded_batches(rows)
        vectors = None
        for chosen, found in (workers.map(run_batch, batches) if workers else map(run_batch, batches)):
            if vectors is None:
                vectors = np.empty((len(rows), found.shape[1]), np.float32)
            vectors[chosen] = found
        return vectors

    return run


def engine_threads(threads, settings):
    """How many threads one call may use."""
    return 1 if settings.get("workers") else threads
