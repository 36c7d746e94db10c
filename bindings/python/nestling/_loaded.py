"""What a model and its sessions share: the handle, the sizes, the tokenizer."""

from __future__ import annotations

import ctypes
import dataclasses
import json
from typing import Any, Optional

from . import _ffi
from ._arrays import Inputs, Tokens
from ._chat_files import ChatFiles
from ._handles import Handle, own_tokenizer, read_json
from ._library import library
from .errors import InvalidArgumentError
from .reduction import Reduction, to_json
from .tokenizer import Tokenizer

_UNLIMITED = 2**32 - 1


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """Sizes of a model or submodel.

    Attributes
    ----------
    layers : int
        Blocks.
    hidden_size : int
        Elements of one token's hidden state.
    output_dimensions : int
        Elements of one sequence vector.
    vocabulary_size : int
        Token ids are 0 ..< vocabulary_size.
    token_types : int
        Token type ids are 0 ..< token_types; 0: the model has none.
    maximum_tokens : int or None
        The longest sequence that the positions allow; None: unlimited.
    text_tokens : int or None
        Texts are cut to this many tokens, special ones included; None: they are not cut.
    labels : int
        Scores per row of the default head.
    heads : tuple of str
        The heads that the checkpoint carries.
    default_head : str or None
        The head that the checkpoint's config names.
    pooling : str
        How token vectors become a sequence vector, as the checkpoint asks.
    normalizes : bool
        The checkpoint asks for vectors of length 1.
    has_tokenizer : bool
        Texts can be given; otherwise only token ids.
    parameters : int
        Weights that this model uses.
    weight_bytes : int
        Memory of the weights, shared with all models derived from the same one.
    """

    layers: int
    hidden_size: int
    output_dimensions: int
    vocabulary_size: int
    token_types: int
    maximum_tokens: Optional[int]
    text_tokens: Optional[int]
    labels: int
    heads: tuple[str, ...]
    default_head: Optional[str]
    pooling: str
    normalizes: bool
    has_tokenizer: bool
    parameters: int
    weight_bytes: int


def _read_info(handle: Handle) -> ModelInfo:
    raw = _ffi.ModelInfo()
    library.nestling_model_get_info(handle, ctypes.byref(raw))
    head_names = {number: name for name, number in _ffi.HEADS.items()}
    pooling_names = {number: name for name, number in _ffi.POOLINGS.items()}
    return ModelInfo(
        layers=raw.layers,
        hidden_size=raw.hidden_size,
        output_dimensions=raw.output_dimensions,
        vocabulary_size=raw.vocabulary_size,
        token_types=raw.token_types,
        maximum_tokens=None if raw.maximum_tokens == _UNLIMITED else raw.maximum_tokens,
        text_tokens=None if raw.text_tokens == _UNLIMITED else raw.text_tokens,
        labels=raw.labels,
        heads=tuple(name for number, name in sorted(head_names.items()) if number and raw.heads >> number & 1),
        default_head=head_names.get(raw.default_head) if raw.default_head else None,
        pooling=pooling_names.get(raw.pooling, "default"),
        normalizes=bool(raw.normalizes),
        has_tokenizer=bool(raw.has_tokenizer),
        parameters=raw.parameters,
        weight_bytes=raw.weight_bytes,
    )


class LoadedModel:
    """A model's handle and what is read from it once. Immutable; any thread may use it."""

    def __init__(self, handle: Handle, chat_files: Optional[ChatFiles] = None) -> None:
        self.handle = handle
        self.chat_files = chat_files
        self.info = _read_info(handle)
        description = self.describe()
        self.dtype: str = description["dtype"]
        # A GGUF file has no files beside it: what they would say stands in it.
        if description["tokenizer_config"] is not None:
            config = json.dumps(description["tokenizer_config"]).encode()
            self.chat_files = ChatFiles({"tokenizer_config.json": config})
        self._tokenizer: Optional[Tokenizer] = None

    @property
    def tokenizer(self) -> Tokenizer:
        """The checkpoint's tokenizer. Raises NotFoundError if it has none."""
        if self._tokenizer is None:  # two threads may both get it once: they are the same
            self._tokenizer = self._get_tokenizer()
        return self._tokenizer

    def _get_tokenizer(self) -> Tokenizer:
        pointer = ctypes.POINTER(_ffi.TokenizerHandle)()
        library.nestling_model_get_tokenizer(self.handle, ctypes.byref(pointer))
        return Tokenizer(own_tokenizer(pointer, keep=self.handle.keep), self.chat_files)

    def describe(self) -> dict[str, Any]:
        """Returns the library's JSON description as a new dict."""
        description: dict[str, Any] = read_json(
            lambda buffer, count: library.nestling_model_describe(self.handle, buffer, count)
        )
        return description

    def estimate_reduction(self, tokens: int, reduction: Reduction) -> dict[str, Any]:
        """Returns the library's estimate as a new dict."""
        text = (to_json(reduction) or "").encode()
        estimate: dict[str, Any] = read_json(
            lambda buffer, count: library.nestling_model_estimate_reduction(self.handle, tokens, text, buffer, count)
        )
        return estimate

    def tokens_of(self, batch: Inputs) -> Tokens:
        """Returns the token ids of a batch; texts are tokenized and cut as the checkpoint says."""
        if batch.tokens is not None:
            return batch.tokens
        if not batch.texts:
            raise InvalidArgumentError("no texts")
        return self.tokenizer._ragged(batch.texts, self.info.text_tokens)
