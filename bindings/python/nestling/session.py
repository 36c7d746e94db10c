"""Sessions: running a model. Most callers use `nestling.Model`, which keeps a pool of them."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from typing import Any, Literal, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _ffi
from ._arrays import Inputs, Texts, Tokens, as_count, encode_string, pointer, split, type_ids_like
from ._handles import own_session
from ._images import Images, Pixels
from ._library import library
from ._loaded import LoadedModel
from ._progress import ProgressFunction, Reporter
from .errors import InvalidArgumentError
from .reduction import Reduction, to_json

Floats = npt.NDArray[np.float32]
Pooling = Literal["default", "cls", "mean", "max", "last", "weighted_mean", "mean_sqrt_length"]
Head = Literal[
    "default",
    "masked_lm",
    "sequence_classification",
    "token_classification",
    "question_answering",
    "replaced_token",
    "causal_lm",
]


class _LastRun:
    """What splits a token map by sequence. It holds no ids and no texts, for sessions wait long in pools."""

    __slots__ = ("offsets", "single")

    def __init__(self, offsets: Optional[npt.NDArray[np.uintp]], single: bool) -> None:
        self.offsets = offsets
        self.single = single


class Session:
    """The mutable state of running one model: workspace memory and the token map of the last run.

    One thread at a time. `nestling.Model` has the same methods and may be used from any number of threads: it borrows
    a session from its pool for each call. A session of one's own is for limits (`memory_limit`, `thread_count`) and
    for reading several token maps of one run. Made by `nestling.Model.session`.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        slice_tokens: Optional[int] = None,
        memory_limit: Optional[int] = None,
        thread_count: Optional[int] = None,
    ) -> None:
        options = session_options(slice_tokens, memory_limit, thread_count)
        created = ctypes.POINTER(_ffi.SessionHandle)()
        library.nestling_session_create(loaded.handle, ctypes.byref(options), ctypes.byref(created))
        self._handle_or_none = own_session(created, keep=loaded)
        self._loaded = loaded
        self._last: Optional[_LastRun] = None
        self._widths: dict[tuple[str, int, int], int] = {}

    # Lifetime

    @property
    def _handle(self) -> Any:
        if self._handle_or_none is None:
            raise InvalidArgumentError("the session is closed")
        return self._handle_or_none

    def close(self) -> None:
        """Frees the session's memory, once no call is in progress on it. Closing twice does nothing."""
        self._handle_or_none = None  # type: ignore[assignment]

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Runs

    def encode(
        self,
        inputs: Any = None,
        *,
        pixels: Any = None,
        images: Any = None,
        prompt_name: Optional[str] = None,
        prompt: Optional[str] = None,
        batch_size: Optional[int] = None,
        show_progress_bar: Optional[bool] = None,
        normalize_embeddings: Union[bool, Literal["never"]] = False,
        truncate_dim: Optional[int] = None,
        pooling: Pooling = "default",
        reduction: Optional[Reduction] = None,
        token_type_ids: Any = None,
        progress: Optional[ProgressFunction] = None,
    ) -> Floats:
        """Returns vectors of sequences or images; see `nestling.Model.encode`."""
        pictures = _images(inputs, pixels, images, token_type_ids, prompt, prompt_name)
        batch = Inputs.of([] if pictures else inputs)
        options = _ffi.RunOptions(
            pooling=_choice(pooling, _ffi.POOLINGS, "pooling"),
            normalize=_normalize(normalize_embeddings),
        )
        dimensions = self._dimensions(options, pictures)
        if batch_size is not None:
            as_count(batch_size, "batch_size")
        if truncate_dim is not None:
            dimensions = min(as_count(truncate_dim, "truncate_dim"), dimensions)
            options.output_dimensions = dimensions
        self._set_reduction(options, reduction)
        if pictures:
            return self._encode_images(pictures, dimensions, options, show_progress_bar, progress)
        if batch.tokens is None:
            if token_type_ids is not None:
                raise InvalidArgumentError("token_type_ids go with token ids, not with texts")
            if prompt is not None:
                options.prompt = encode_string(prompt, "prompt")
            elif prompt_name is not None:
                options.prompt_name = encode_string(prompt_name, "prompt_name")
        elif prompt or prompt_name:
            raise InvalidArgumentError("prompts go before texts, not before token ids")
        vectors = np.empty((batch.count, dimensions), np.float32)
        if batch.count == 0:
            return vectors
        count = ctypes.c_size_t(vectors.size)
        handle = self._handle
        if batch.tokens is None:
            texts = Texts(batch.texts or [])
            reporter = self._report(options, "encode", show_progress_bar, progress, texts.size)
            reporter.call(
                library.nestling_session_encode_texts,
                handle,
                texts.pointers,
                pointer(texts.lengths, ctypes.c_size_t),
                texts.count,
                ctypes.byref(options),
                pointer(vectors, ctypes.c_float),
                ctypes.byref(count),
            )
        else:
            tokens = batch.tokens
            type_ids = self._set_type_ids(options, token_type_ids, batch)
            reporter = self._report(options, "encode", show_progress_bar, progress, tokens.size)
            reporter.call(
                library.nestling_session_encode,
                handle,
                *_token_arguments(tokens),
                ctypes.byref(options),
                pointer(vectors, ctypes.c_float),
                ctypes.byref(count),
            )
            del type_ids
        self._last = _LastRun(batch.tokens.offsets if batch.tokens else None, batch.single)
        return vectors[0] if batch.single else vectors

    def hidden_states(
        self,
        inputs: Any = None,
        *,
        pixels: Any = None,
        images: Any = None,
        layer: Optional[int] = None,
        reduction: Optional[Reduction] = None,
        unmerge: bool = False,
        token_type_ids: Any = None,
        show_progress_bar: Optional[bool] = None,
        progress: Optional[ProgressFunction] = None,
    ) -> Union[Floats, list[Floats]]:
        """Returns hidden states; see `nestling.Model.hidden_states`."""
        pictures = _images(inputs, pixels, images, token_type_ids)
        options = _ffi.RunOptions(layer=self._layer(layer), unmerge=1 if unmerge else 0)
        if pictures:
            return self._run_images(
                library.nestling_session_image_hidden_states,
                pictures,
                options,
                reduction,
                ("hidden states", show_progress_bar, progress),
            )
        batch = Inputs.of(inputs)
        if batch.count == 0:
            return []
        tokens = self._loaded.tokens_of(batch)
        return self._run_rows(
            library.nestling_session_hidden_states,
            batch,
            tokens,
            self._width(library.nestling_session_hidden_states, tokens, options, tokens.size),
            options,
            reduction=reduction,
            token_type_ids=token_type_ids,
            reporter_arguments=("hidden states", show_progress_bar, progress),
        )

    def _width(self, function: Any, tokens: Any, options: Any, rows: int) -> int:
        """How many numbers a row of a result has, known only to the library: ask it how many `rows` rows would, unreduced."""
        asked = (function.__name__, options.layer, options.head)
        if asked not in self._widths:
            needed = ctypes.c_size_t(0)
            function(self._handle, *_token_arguments(tokens), ctypes.byref(options), None, ctypes.byref(needed), None)
            self._widths[asked] = needed.value // max(rows, 1)
        return self._widths[asked]

    def logits(
        self,
        inputs: Any = None,
        *,
        pixels: Any = None,
        images: Any = None,
        head: Optional[Head] = None,
        reduction: Optional[Reduction] = None,
        unmerge: bool = False,
        token_type_ids: Any = None,
        show_progress_bar: Optional[bool] = None,
        progress: Optional[ProgressFunction] = None,
    ) -> Union[Floats, list[Floats]]:
        """Returns scores of a head; see `nestling.Model.logits`."""
        pictures = _images(inputs, pixels, images, token_type_ids)
        options = _ffi.RunOptions(
            head=_choice("default" if head is None else head, _ffi.HEADS, "head"), unmerge=1 if unmerge else 0
        )
        if pictures:
            scores = self._run_images(
                library.nestling_session_image_logits,
                pictures,
                options,
                reduction,
                ("logits", show_progress_bar, progress),
            )
            return scores[0] if pictures.single else [row[0] for row in scores]
        batch = Inputs.of(inputs)
        if batch.count == 0:
            return []
        tokens = self._loaded.tokens_of(batch)
        if head is None or head == "default":
            info = self._loaded.info
            head = info.default_head or (info.heads[0] if len(info.heads) == 1 else None)  # type: ignore[assignment]
        per_sequence = head == "sequence_classification"
        rows = tokens.count if per_sequence else tokens.size
        results = self._run_rows(
            library.nestling_session_logits,
            batch,
            tokens,
            self._width(library.nestling_session_logits, tokens, options, rows),
            options,
            reduction=reduction,
            token_type_ids=token_type_ids,
            reporter_arguments=("logits", show_progress_bar, progress),
            rows=rows,
        )
        if not per_sequence:
            return results
        return results[0] if batch.single else [scores[0] for scores in results]

    def token_map(self, layer: Optional[int] = None) -> Union[npt.NDArray[np.int32], list[npt.NDArray[np.int32]]]:
        """Tells where each original token went in this session's last run.

        Parameters
        ----------
        layer
            After which layer, 1 for the first. None: after the last one.

        Returns
        -------
        list of int32 [length], or int32 [length] if the run was on a single sequence
            Entry i is the row, within its own sequence, of the token that original token i is part of. Without
            reduction it is the token's own position.

        Raises
        ------
        NotFoundError
            Before the first run.
        InvalidArgumentError
            If there is no such layer, or if the last run was `encode` on several texts: which tokens belong to which
            text is known for token ids only, so tokenize first (`nestling.Model.tokenize`).
        """
        number = 0 if layer is None else as_count(layer, "layer")
        count = ctypes.c_size_t(0)
        library.nestling_session_token_map(self._handle, number, None, ctypes.byref(count))
        rows = np.empty(count.value, np.int32)
        library.nestling_session_token_map(self._handle, number, pointer(rows, ctypes.c_int32), ctypes.byref(count))
        if self._last is None or self._last.single:
            return rows
        if self._last.offsets is None:
            raise InvalidArgumentError("the last run was on texts: tokenize them first, and pass token ids")
        return split(rows, self._last.offsets)

    # Parts

    def _dimensions(self, options: _ffi.RunOptions, pictures: Optional[Pixels]) -> int:
        """Returns the length of vectors: a pooling of the caller's choice may give less than several of the checkpoint."""
        if options.pooling == _ffi.POOLINGS["default"] or (pictures and pictures.count == 0):
            return self._loaded.info.output_dimensions
        count = ctypes.c_size_t(0)
        if pictures:
            arguments = (*pictures.arguments, ctypes.byref(options), None, ctypes.byref(count))
            library.nestling_session_encode_images(self._handle, *arguments)
            return count.value // pictures.count
        ids, offsets = np.zeros(1, np.int32), np.array([0, 1], np.uintp)
        arguments = (pointer(ids, ctypes.c_int32), pointer(offsets, ctypes.c_size_t), 1)
        library.nestling_session_encode(self._handle, *arguments, ctypes.byref(options), None, ctypes.byref(count))
        return count.value

    def _encode_images(
        self,
        images: Pixels,
        dimensions: int,
        options: _ffi.RunOptions,
        show_progress_bar: Optional[bool],
        progress: Optional[ProgressFunction],
    ) -> Floats:
        vectors = np.empty((images.count, dimensions), np.float32)
        count = ctypes.c_size_t(vectors.size)
        reporter = self._report(options, "encode", show_progress_bar, progress, images.size)
        reporter.call(
            library.nestling_session_encode_images,
            self._handle,
            *images.arguments,
            ctypes.byref(options),
            pointer(vectors, ctypes.c_float),
            ctypes.byref(count),
        )
        self._last = _LastRun(self._token_offsets(images), images.single)
        return vectors[0] if images.single else vectors

    def _run_images(
        self,
        function: Any,
        images: Pixels,
        options: _ffi.RunOptions,
        reduction: Optional[Reduction],
        reporter_arguments: tuple[str, Optional[bool], Optional[ProgressFunction]],
    ) -> Any:
        """Runs a function whose result is rows per image, and splits them."""
        self._set_reduction(options, reduction)
        offsets = np.zeros(images.count + 1, np.uintp)
        count = ctypes.c_size_t(0)
        arguments = (self._handle, *images.arguments, ctypes.byref(options))
        # How many rows an image has is for the library to say; it does not look at pixels for that.
        function(*arguments, None, ctypes.byref(count), pointer(offsets, ctypes.c_size_t))
        rows = int(offsets[-1])
        results = np.empty((rows, count.value // max(rows, 1)), np.float32)
        description, show_progress_bar, progress = reporter_arguments
        reporter = self._report(options, description, show_progress_bar, progress, images.size)
        arguments = (self._handle, *images.arguments, ctypes.byref(options))
        reporter.call(function, *arguments, pointer(results, ctypes.c_float), ctypes.byref(count), None)
        self._last = _LastRun(self._token_offsets(images), images.single)
        parts = split(results, offsets)
        return parts[0] if images.single else parts

    def _token_offsets(self, images: Pixels) -> npt.NDArray[np.uintp]:
        """Returns where the tokens of each image begin before any are merged. The library does not look at pixels for that."""
        offsets = np.zeros(images.count + 1, np.uintp)
        count = ctypes.c_size_t(0)
        options = _ffi.RunOptions(layer=_ffi.LAYER_EMBEDDINGS)
        library.nestling_session_image_hidden_states(
            self._handle,
            *images.arguments,
            ctypes.byref(options),
            None,
            ctypes.byref(count),
            pointer(offsets, ctypes.c_size_t),
        )
        return offsets

    def _run_rows(
        self,
        function: Any,
        batch: Inputs,
        tokens: Tokens,
        width: int,
        options: _ffi.RunOptions,
        *,
        reduction: Optional[Reduction],
        token_type_ids: Any,
        reporter_arguments: tuple[str, Optional[bool], Optional[ProgressFunction]],
        rows: Optional[int] = None,
    ) -> Union[Floats, list[Floats]]:
        """Runs a function whose result is rows per sequence, and splits them. `rows` bounds their number."""
        self._set_reduction(options, reduction)
        type_ids = self._set_type_ids(options, token_type_ids, batch)
        results = np.empty((tokens.size if rows is None else rows, width), np.float32)
        count = ctypes.c_size_t(results.size)
        offsets = np.empty(tokens.count + 1, np.uintp)
        description, show_progress_bar, progress = reporter_arguments
        reporter = self._report(options, description, show_progress_bar, progress, tokens.size)
        reporter.call(
            function,
            self._handle,
            *_token_arguments(tokens),
            ctypes.byref(options),
            pointer(results, ctypes.c_float),
            ctypes.byref(count),
            pointer(offsets, ctypes.c_size_t),
        )
        del type_ids
        self._last = _LastRun(tokens.offsets, batch.single)
        parts = split(results, offsets)
        return parts[0] if batch.single else parts

    def _layer(self, layer: Optional[int]) -> int:
        """Turns an index into the list of hidden states, embeddings first, into the header's numbers."""
        if layer is None:
            return 0
        count = self._loaded.info.layers
        index = layer.__index__()
        if not -count - 1 <= index <= count:
            raise InvalidArgumentError(f"layer must be 0 (embeddings) to {count}, not {index}")
        if index < 0:
            index += count + 1
        return index if index else _ffi.LAYER_EMBEDDINGS

    @staticmethod
    def _set_reduction(options: _ffi.RunOptions, reduction: Optional[Reduction]) -> None:
        text = to_json(reduction)
        if text is not None:
            options.reduction = encode_string(text, "reduction")

    @staticmethod
    def _set_type_ids(options: _ffi.RunOptions, token_type_ids: Any, batch: Inputs) -> Any:
        """Sets the pointer; the caller keeps the returned array alive until the call is over."""
        if token_type_ids is None:
            return None
        if batch.tokens is None:
            raise InvalidArgumentError("token_type_ids go with token ids, not with texts")
        type_ids = type_ids_like(token_type_ids, batch.tokens, batch.single)
        options.token_type_ids = pointer(type_ids, ctypes.c_int32)
        return type_ids

    @staticmethod
    def _report(
        options: _ffi.RunOptions,
        description: str,
        show_progress_bar: Optional[bool],
        progress: Optional[ProgressFunction],
        size: int,
    ) -> Reporter:
        reporter = Reporter(description, show_progress_bar=show_progress_bar, progress=progress, size=size)
        reporter.install(options)
        return reporter


class SessionPool:
    """The sessions of one model: made when a call finds none idle, kept for the next call.

    As many exist as calls ran at once. Taking and giving back are single operations on a list, which Python makes
    atomic, so the pool needs no lock that a fork could leave locked.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded: Optional[LoadedModel] = loaded  # None: closed
        self._idle: list[Session] = []
        self._most_idle = max(4, os.cpu_count() or 1)

    @contextlib.contextmanager
    def borrow(self) -> Iterator[Session]:
        """Lends a session for one call. Raises InvalidArgumentError if the pool is closed."""
        loaded = self._loaded
        if loaded is None:
            raise InvalidArgumentError("the model is closed")
        try:
            session = self._idle.pop()
        except IndexError:
            session = Session(loaded)
        try:
            yield session
        finally:
            if len(self._idle) < self._most_idle:
                self._idle.append(session)
            if self._loaded is None:
                self._idle.clear()

    def close(self) -> None:
        """Frees the idle sessions; the others go when their calls end."""
        self._loaded = None
        self._idle.clear()


def session_options(
    slice_tokens: Optional[int], memory_limit: Optional[int], thread_count: Optional[int]
) -> _ffi.SessionOptions:
    """Returns the options struct; None means the default."""
    return _ffi.SessionOptions(
        slice_tokens=0 if slice_tokens is None else min(as_count(slice_tokens, "slice_tokens"), 2**32 - 1),
        memory_limit=0 if memory_limit is None else as_count(memory_limit, "memory_limit"),
        thread_count=0 if thread_count is None else min(as_count(thread_count, "thread_count"), 2**31 - 1),
    )


def _images(inputs: Any, pixels: Any, images: Any, *for_tokens: Any) -> Optional[Pixels]:
    """Returns the images, or None if `inputs` are given instead."""
    given = sum(value is not None for value in (inputs, pixels, images))
    if given == 0:
        raise TypeError("texts, token ids, pixels or images are missing")
    if given > 1:
        raise TypeError("texts or token ids, pixels, and images exclude each other")
    if inputs is not None:
        return None
    if any(value is not None for value in for_tokens):
        raise InvalidArgumentError("prompts and token_type_ids do not go with pixels or images")
    return Pixels(pixels) if images is None else Images(images)


def _token_arguments(tokens: Tokens) -> tuple[Any, Any, int]:
    return pointer(tokens.ids, ctypes.c_int32), pointer(tokens.offsets, ctypes.c_size_t), tokens.count


def _choice(value: str, choices: dict[str, int], what: str) -> int:
    number = choices.get(value) if isinstance(value, str) else None
    if number is None:
        raise InvalidArgumentError(f"{what} must be one of {', '.join(map(repr, choices))}, not {value!r}")
    return number


def _normalize(normalize_embeddings: Union[bool, Literal["never"]]) -> int:
    if isinstance(normalize_embeddings, str):
        if normalize_embeddings != "never":
            raise InvalidArgumentError(f"normalize_embeddings must be a bool or 'never', not {normalize_embeddings!r}")
        return -1
    return 1 if normalize_embeddings else 0
