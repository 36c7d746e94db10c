"""Nestling: an embeddable transformer inference engine for Linux CPUs.

    import nestling

    model = nestling.load("path/to/checkpoint")
    vectors = model.encode(["A sentence.", "Another one."])      # float32 [2, dimensions]
    small = model.submodel(ffn=0.5)                              # shares the weights, copies nothing
    faster = model.encode(texts, reduction=nestling.ToMe(r=8))   # token merging
    for piece in model.generate("Once upon a time", stream=True): print(piece, end="")

`SentenceTransformer` is a class to use where a program has one today; `Tokenizer`, `Encoding`, `AddedToken` and
`DecodeStream` are those of the package tokenizers. Errors are `nestling.Error` and its kinds, each
also the builtin that one would expect (ValueError, FileNotFoundError, MemoryError...).
"""

from __future__ import annotations

import logging as _logging
from typing import Any as _Any

from ._handles import read_json as _read_json
from ._library import library as _library
from ._library import library_path
from ._loaded import ModelInfo
from .added_token import AddedToken
from .decode_stream import DecodeStream
from .encoding import Encoding
from .errors import (
    BufferTooSmallError,
    CancelledError,
    CorruptError,
    Error,
    InputOutputError,
    InternalError,
    InvalidArgumentError,
    LibraryError,
    NotFoundError,
    OutOfMemoryError,
    UnsupportedError,
)
from .generator import CachedSequence, Generation, Generator, TokenLogprob
from .model import Model, check, load, load_bytes
from .reduction import (
    MAELRE,
    AttentionPruning,
    EViT,
    LocalMerging,
    PiToMe,
    Reducer,
    ToFu,
    TokenTransforming,
    ToMe,
)
from .sentence_transformer import SentenceTransformer
from .session import Session
from .threads import get_thread_count, set_thread_count, threads
from .tokenizer import Tokenizer
from .towers import joint_similarity

__all__ = [
    "AddedToken",
    "BufferTooSmallError",
    "CachedSequence",
    "CancelledError",
    "CorruptError",
    "DecodeStream",
    "Encoding",
    "Error",
    "Generation",
    "Generator",
    "InputOutputError",
    "InternalError",
    "InvalidArgumentError",
    "LibraryError",
    "Model",
    "ModelInfo",
    "NotFoundError",
    "OutOfMemoryError",
    "SentenceTransformer",
    "Session",
    "ToMe",
    "PiToMe",
    "EViT",
    "AttentionPruning",
    "ToFu",
    "LocalMerging",
    "TokenTransforming",
    "MAELRE",
    "Reducer",
    "TokenLogprob",
    "Tokenizer",
    "UnsupportedError",
    "build_info",
    "check",
    "get_thread_count",
    "joint_similarity",
    "library_path",
    "load",
    "load_bytes",
    "set_thread_count",
    "threads",
]

_logging.getLogger("nestling").addHandler(_logging.NullHandler())


def build_info() -> dict[str, _Any]:
    """Returns the library's version, the instruction set in use and the number of threads."""
    info: dict[str, _Any] = _read_json(_library.nestling_build_info)
    return info


def _version() -> str:
    number = _library.nestling_version_number()
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


#: Version of the loaded library; the package is built with the same.
__version__ = _version()
