"""Models: loading, running, cutting, saving."""

from __future__ import annotations

import ctypes
import math
import numbers
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NoReturn, Optional, Union, overload

import numpy as np
import numpy.typing as npt

from . import _ffi
from ._arrays import Inputs, as_count, encode_path, memory_files, pointer, ragged, split
from ._chat_files import ChatFiles
from ._handles import Handle, own_model, read_json
from ._images import Images
from ._library import library
from ._loaded import LoadedModel, ModelInfo
from ._progress import ProgressFunction, Reporter
from .errors import InvalidArgumentError, UnsupportedError
from .generator import CacheType, Generator, stream_pieces
from .reduction import Reduction
from .session import Floats, Head, Pooling, Session, SessionPool, session_options
from .similarity import SimilarityName, similarity
from .tokenizer import Tokenizer

Path = Union[str, "os.PathLike[str]"]
DType = Literal["float32", "bfloat16", "int8", "int4"]
Tower = Literal["text", "vision"]
#: Texts or sequences of token ids: one (str, flat list or 1-D array of int), or many.
Single = Union[str, "Sequence[int]"]
Batch = Union["Sequence[str]", "Sequence[Sequence[int]]", "Sequence[npt.NDArray[np.integer[Any]]]"]
#: Of a submodel: a ratio, an exact width, or one of either for each kept layer.
Widths = Union[float, int, "Sequence[Union[float, int]]"]


def load(
    path: Path,
    *,
    dtype: Optional[DType] = None,
    tower: Optional[Tower] = None,
    map_weights: bool = True,
    show_progress_bar: Optional[bool] = False,
    progress: Optional[ProgressFunction] = None,
) -> Model:
    """Loads a checkpoint directory as Hugging Face transformers or sentence-transformers writes it, or a GGUF file.

    Nothing is downloaded and nothing in the files is executed; they may come from anyone.

    Parameters
    ----------
    path
        The directory with ``config.json`` and ``model.safetensors`` (or its shards), and what else belongs to it; or a
        GGUF file, or a directory that holds one.
    dtype
        How the weights of linear layers are kept and multiplied; everything between layers is float32. "float32";
        "bfloat16" (half the memory); "int8" (a quarter; inputs of products get 8 bits too, with a scale for each token);
        "int4" (an eighth). None: as the checkpoint is packed (see `Model.save`), or else float32.
    tower
        Which network of a checkpoint that has two, as CLIP and SigLIP: "text" (vectors are transformers' ``text_embeds``) or
        "vision" (``image_embeds``); see `joint_similarity`.
    map_weights
        Map the files into memory (default); False reads them, so that others may truncate them meanwhile.
    show_progress_bar
        True: on stderr. None: if the ``nestling`` logger's level is INFO or DEBUG and stderr is a terminal.
    progress
        Called with (stage, done, total); returning False, or raising, cancels.

    Raises
    ------
    NotFoundError, InputOutputError, CorruptError, UnsupportedError, OutOfMemoryError
        With a message that names the file, tensor or key.
    CancelledError
        If `progress` returned False.
    """
    encoded = encode_path(path)

    def open_model(options: Any, opened: Any) -> None:
        library.nestling_model_open(encoded, options, opened)

    return _open(open_model, dtype, tower, map_weights, show_progress_bar, progress, None, ChatFiles.beside(path))


def load_bytes(
    files: Mapping[str, Any],
    *,
    dtype: Optional[DType] = None,
    tower: Optional[Tower] = None,
    show_progress_bar: Optional[bool] = False,
    progress: Optional[ProgressFunction] = None,
) -> Model:
    """Loads a checkpoint whose files lie in memory.

    Parameters
    ----------
    files
        Contents by name as in the directory, for example ``{"config.json": ..., "model.safetensors": ...,
        "1_Pooling/config.json": ...}``, or ``{"model.gguf": ...}``. Contents are bytes or anything with a contiguous buffer (bytearray,
        memoryview, mmap, uint8 array). They are not copied: the model, and all derived from it, keep them alive, and
        they must not change meanwhile.
    dtype, tower, show_progress_bar, progress
        As in `load`.

    Raises
    ------
    As `load`.
    """
    array, contents = memory_files(files)

    def open_model(options: Any, opened: Any) -> None:
        library.nestling_model_open_memory(array, len(array), options, opened)

    return _open(open_model, dtype, tower, True, show_progress_bar, progress, contents, ChatFiles(files))


def check(path: Path, *, values: bool = False) -> dict[str, Any]:
    """Checks a checkpoint directory, or a GGUF file, without loading its weights.

    Parameters
    ----------
    path
        The directory, or the file.
    values
        Also read every weight and check that it is finite.

    Returns
    -------
    dict
        ``{"valid": bool, "problems": [...], "family": ..., "tensors": ..., "parameters": ...}``

    Raises
    ------
    NotFoundError, InputOutputError
        If the check could not be made. A checkpoint with problems is no error.
    """
    encoded = encode_path(path)
    report: dict[str, Any] = read_json(
        lambda buffer, count: library.nestling_check(encoded, int(bool(values)), buffer, count), guess=65536
    )
    return report


class Model:
    """Architecture and weights, or a nested part of them. Made by `load`, `load_bytes` and `Model.submodel`.

    A model is immutable, and any number of Python threads may use one at once: each call borrows a session (workspace
    memory) from the model's pool, and calls release the GIL. After ``os.fork()`` the child may use it too.

    The result for a sequence does not depend on what else is in the batch, on threads, or on how work was divided: on
    machines with the same instruction set it is the same bit for bit.

    Wherever texts are taken, token ids are taken as well: a str, or a flat list or 1-D array of integers, is one
    sequence; a list of them, or a 2-D integer array, is a batch. A result for one sequence comes without the batch
    dimension. Models are context managers; leaving the block closes them.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded_or_none: Optional[LoadedModel] = loaded
        self._sessions = SessionPool(loaded)

    # Lifetime

    @property
    def _loaded(self) -> LoadedModel:
        if self._loaded_or_none is None:
            raise InvalidArgumentError("the model is closed")
        return self._loaded_or_none

    def close(self) -> None:
        """Gives the model's memory back.

        Calls in progress in other threads finish undisturbed, and submodels stay usable: the memory goes with the last
        of them. Closing twice does nothing.
        """
        self._loaded_or_none = None
        self._sessions.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Model cannot be pickled: load it in each process (mapped files are shared between them)")

    def __repr__(self) -> str:
        if self._loaded_or_none is None:
            return "<nestling.Model, closed>"
        info = self.info
        size = f"{info.parameters / 1e6:.1f} M" if info.parameters >= 1e6 else str(info.parameters)
        return (
            f"<nestling.Model: {info.layers} layers, hidden size {info.hidden_size}, {size} parameters, {self.dtype}>"
        )

    # What it is

    @property
    def info(self) -> ModelInfo:
        """All sizes at once."""
        return self._loaded.info

    @property
    def dtype(self) -> str:
        """How weights are stored and multiplied."""
        return self._loaded.dtype

    @property
    def layers(self) -> int:
        """Number of blocks."""
        return self.info.layers

    @property
    def hidden_size(self) -> int:
        """Elements of one token's hidden state."""
        return self.info.hidden_size

    @property
    def output_dimensions(self) -> int:
        """Elements of one sequence vector."""
        return self.info.output_dimensions

    @property
    def vocabulary_size(self) -> int:
        """Token ids are 0 ..< vocabulary_size."""
        return self.info.vocabulary_size

    @property
    def maximum_tokens(self) -> Optional[int]:
        """The longest sequence that the positions allow; None: unlimited."""
        return self.info.maximum_tokens

    @property
    def text_tokens(self) -> Optional[int]:
        """Texts are cut to this many tokens, special ones included; None: they are not cut."""
        return self.info.text_tokens

    @property
    def labels(self) -> int:
        """Scores per row of the default head."""
        return self.info.labels

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads that the checkpoint carries, as `logits` names them."""
        return self.info.heads

    @property
    def default_head(self) -> Optional[str]:
        """The head that the checkpoint's config names."""
        return self.info.default_head

    @property
    def parameters(self) -> int:
        """Weights that this model uses."""
        return self.info.parameters

    @property
    def weight_bytes(self) -> int:
        """Memory of the weights, shared with all models derived from the same one."""
        return self.info.weight_bytes

    @property
    def tokenizer(self) -> Tokenizer:
        """The checkpoint's tokenizer. Raises NotFoundError if it has none."""
        return self._loaded.tokenizer

    def describe(self) -> dict[str, Any]:
        """Returns family, sizes, widths and heads per layer, pooling, prompts, heads and labels, as a new dict."""
        return self._loaded.describe()

    def estimate_reduction(self, tokens: int, reduction: Reduction) -> dict[str, Any]:
        """Says what a reduction is expected to gain on a sequence of `tokens`, without running anything.

        Returns
        -------
        dict
            "tokens"; "remaining", after each layer; "multiply_adds", "reduced_multiply_adds" and "overhead_multiply_adds" (of
            reducing) for a vector of the sequence; "speed_up", their ratio; "pays": whether that is at least 1.02. A model of
            the work, not a measurement.
        """
        return self._loaded.estimate_reduction(tokens, reduction)

    # Running it

    def prepare(self, images: Any) -> Any:
        """Returns the pixels of images as the network takes them, by the checkpoint's preprocessor_config.json.

        The numbers are those of transformers' image processors with the Pillow backend. `encode`, `hidden_states` and
        `logits` do this themselves for `images`; what is returned here may be passed to them as `pixels`.

        Parameters
        ----------
        images
            A list of images, an array [n, height, width, channels], or one image: an array [height, width, channels] or
            [height, width] in any order in memory, or a Pillow image. Pixels are uint8, or float from 0 to 1; channels are
            1 (gray), 3, or 4 with alpha, which is laid on white.

        Returns
        -------
        list of float32 [3, height, width], or float32 [3, height, width] for a single image

        Raises
        ------
        InvalidArgumentError
            Names the image whose shape cannot be meant, or that has a pixel that is not a number from 0 to 1.
        UnsupportedError
            If the checkpoint does not say how images are prepared, or names a processor that is not known.
        """
        batch = Images(images)
        arguments = (self._loaded.handle, *batch.arguments)
        count = ctypes.c_size_t(0)
        sizes = np.empty((batch.count, 2), np.uint32)
        library.nestling_model_prepare_images(*arguments, None, ctypes.byref(count), pointer(sizes, ctypes.c_uint32))
        values = np.empty(count.value, np.float32)
        library.nestling_model_prepare_images(*arguments, pointer(values, ctypes.c_float), ctypes.byref(count), None)
        shapes = [(3, int(height), int(width)) for height, width in sizes]
        ends = np.cumsum([0] + [math.prod(shape) for shape in shapes])
        prepared = [values[begin:end].reshape(shape) for begin, end, shape in zip(ends, ends[1:], shapes)]
        return prepared[0] if batch.single else prepared

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
        """Returns sequence vectors.

        Parameters
        ----------
        inputs
            A str, a list of str, or token ids (special tokens included). Texts are cut to `text_tokens`.
        pixels
            Instead of `inputs`, for models of images: float32 [n, channels, height, width], or a list of arrays
            [channels, height, width] of any sizes, resized and normalized as the model's processor does it. One array
            [channels, height, width] is a single image. The vector of an image is what the model's pooler makes
            (``pooler_output`` in transformers), or its class token where there is no pooler.
        images
            Instead of `inputs`, for models of images: what `prepare` takes, which happens to it first.
        prompt_name
            One of the checkpoint's prompts, put before each text.
        prompt
            A prompt itself; it wins over `prompt_name`. "" means none. With neither, the checkpoint's default prompt
            is used, if it has one.
        batch_size
            Accepted for habit's sake: the whole batch goes to the library in one call, which runs it in slices of
            bounded size without padding. Neither results nor memory depend on it.
        show_progress_bar
            True: on stderr (with tqdm where installed). None: if the ``nestling`` logger's level is INFO or DEBUG and
            stderr is a terminal.
        normalize_embeddings
            True: scale vectors to length 1. False, as in sentence-transformers: add nothing to what the checkpoint
            does, which may itself normalize. "never": not even that.
        truncate_dim
            Keep only the leading dimensions, before normalizing (Matryoshka Representation Learning, Kusupati et al.,
            arXiv 2205.13147). More than there are means all.
        pooling
            How token vectors become a sequence vector: "default" (as the checkpoint says), "cls", "mean", "max",
            "last", "weighted_mean", "mean_sqrt_length".
        reduction
            How tokens are merged while the model runs, for example ``nestling.ToMe(r=8)``.
        token_type_ids
            Like the token ids, of the same lengths. Not for texts.
        progress
            Called with (stage, sequences done, sequences); returning False, or raising, cancels.

        Returns
        -------
        float32 [n, dimensions], or float32 [dimensions] for a single input

        Raises
        ------
        InvalidArgumentError
            Names the sequence and the position of a token id that is out of range, an empty sequence, a lone
            surrogate...
        NotFoundError
            For texts, if the checkpoint has no tokenizer.
        CancelledError
            If `progress` returned False. KeyboardInterrupt and what `progress` raises come through as they are.
        """
        with self._sessions.borrow() as session:
            return session.encode(
                inputs,
                pixels=pixels,
                images=images,
                prompt_name=prompt_name,
                prompt=prompt,
                batch_size=batch_size,
                show_progress_bar=show_progress_bar,
                normalize_embeddings=normalize_embeddings,
                truncate_dim=truncate_dim,
                pooling=pooling,
                reduction=reduction,
                token_type_ids=token_type_ids,
                progress=progress,
            )

    def encode_query(
        self,
        inputs: Any,
        *,
        batch_size: Optional[int] = None,
        show_progress_bar: Optional[bool] = None,
        normalize_embeddings: Union[bool, Literal["never"]] = False,
        truncate_dim: Optional[int] = None,
        reduction: Optional[Reduction] = None,
    ) -> Floats:
        """Returns vectors of search queries: `encode` with the checkpoint's prompt "query", or none if it has none."""
        batch = Inputs.of(inputs)
        return self.encode(
            batch,
            prompt=self._prompt(("query",), batch),
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
            reduction=reduction,
        )

    def encode_document(
        self,
        inputs: Any,
        *,
        batch_size: Optional[int] = None,
        show_progress_bar: Optional[bool] = None,
        normalize_embeddings: Union[bool, Literal["never"]] = False,
        truncate_dim: Optional[int] = None,
        reduction: Optional[Reduction] = None,
    ) -> Floats:
        """Returns vectors of documents to be searched: `encode` with the checkpoint's prompt "document", else
        "passage", else "corpus", or none if it has none of them."""
        batch = Inputs.of(inputs)
        return self.encode(
            batch,
            prompt=self._prompt(("document", "passage", "corpus"), batch),
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
            reduction=reduction,
        )

    def _prompt(self, names: Iterable[str], batch: Inputs) -> Optional[str]:
        """Returns the first of the named prompts; "" if there is none. Token ids take no prompt: None."""
        if batch.tokens is not None:
            return None
        prompts = self.describe().get("prompts") or {}
        return next((prompts[name] for name in names if name in prompts), "")

    @overload
    def hidden_states(  # type: ignore[overload-overlap]
        self,
        inputs: Single,
        *,
        layer: Optional[int] = ...,
        reduction: Optional[Reduction] = ...,
        unmerge: bool = ...,
        token_type_ids: Any = ...,
        show_progress_bar: Optional[bool] = ...,
        progress: Optional[ProgressFunction] = ...,
    ) -> Floats: ...

    @overload
    def hidden_states(
        self,
        inputs: Batch,
        *,
        layer: Optional[int] = ...,
        reduction: Optional[Reduction] = ...,
        unmerge: bool = ...,
        token_type_ids: Any = ...,
        show_progress_bar: Optional[bool] = ...,
        progress: Optional[ProgressFunction] = ...,
    ) -> list[Floats]: ...

    @overload
    def hidden_states(
        self,
        inputs: npt.NDArray[Any],
        *,
        layer: Optional[int] = ...,
        reduction: Optional[Reduction] = ...,
        unmerge: bool = ...,
        token_type_ids: Any = ...,
        show_progress_bar: Optional[bool] = ...,
        progress: Optional[ProgressFunction] = ...,
    ) -> Any: ...

    @overload
    def hidden_states(
        self,
        inputs: None = ...,
        *,
        pixels: Any = ...,
        images: Any = ...,
        layer: Optional[int] = ...,
        reduction: Optional[Reduction] = ...,
        unmerge: bool = ...,
        show_progress_bar: Optional[bool] = ...,
        progress: Optional[ProgressFunction] = ...,
    ) -> Any: ...

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
        """Returns the hidden states of every token.

        Parameters
        ----------
        inputs
            Token ids (special tokens included) or texts.
        pixels, images
            Instead of `inputs`, as in `encode`. The rows of an image are those of its class token, distillation token and
            registers, as far as the model has them (``describe()["image"]["prefix_tokens"]``), then one for each patch.
        layer
            Counted as Hugging Face counts ``hidden_states``: 0 is the output of the embeddings, k the output of block
            k, and negative numbers count from the end. None: the last, with the final norm if the model has one.
        reduction
            How tokens are merged while the model runs; a sequence then has fewer rows than tokens.
        unmerge
            Give every original token the row of the token it was merged into, so that lengths are as without reduction.
        token_type_ids
            Like the token ids, of the same lengths.
        show_progress_bar, progress
            As in `encode`.

        Returns
        -------
        list of float32 [length, hidden_size], or float32 [length, hidden_size] for a single input
            The arrays of a list are views of one array. Where a network merges patches between its stages (Swin), lengths and
            sizes are those of the layer (``describe()["hidden_sizes"]``); where tokens have several streams (Gemma 3n),
            rows of layers before the last hold them side by side.
        """
        with self._sessions.borrow() as session:
            return session.hidden_states(
                inputs,
                pixels=pixels,
                images=images,
                layer=layer,
                reduction=reduction,
                unmerge=unmerge,
                token_type_ids=token_type_ids,
                show_progress_bar=show_progress_bar,
                progress=progress,
            )

    @overload
    def logits(  # type: ignore[overload-overlap]
        self,
        inputs: Single,
        *,
        head: Optional[Head] = ...,
        reduction: Optional[Reduction] = ...,
        unmerge: bool = ...,
        token_type_ids: Any = ...,
        show_progress_bar: Optional[bool] = ...,
        progress: Optional[ProgressFunction] = ...,
    ) -> Floats: ...

    @overload
    def logits(
        self,
        inputs: Batch,
        *,
        head: Optional[Head] = ...,
        reduction: Optional[Reduction] = ...,
        unmerge: bool = ...,
        token_type_ids: Any = ...,
        show_progress_bar: Optional[bool] = ...,
        progress: Optional[ProgressFunction] = ...,
    ) -> list[Floats]: ...

    @overload
    def logits(
        self,
        inputs: npt.NDArray[Any],
        *,
        head: Optional[Head] = ...,
        reduction: Optional[Reduction] = ...,
        unmerge: bool = ...,
        token_type_ids: Any = ...,
        show_progress_bar: Optional[bool] = ...,
        progress: Optional[ProgressFunction] = ...,
    ) -> Any: ...

    @overload
    def logits(
        self,
        inputs: None = ...,
        *,
        pixels: Any = ...,
        images: Any = ...,
        head: Optional[Head] = ...,
        reduction: Optional[Reduction] = ...,
        unmerge: bool = ...,
        show_progress_bar: Optional[bool] = ...,
        progress: Optional[ProgressFunction] = ...,
    ) -> Any: ...

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
        """Returns the scores of a head.

        Parameters
        ----------
        inputs
            Token ids (special tokens included) or texts.
        pixels, images
            Instead of `inputs`, as in `encode`. Image classifiers have the head "sequence_classification".
        head
            "masked_lm", "sequence_classification", "token_classification", "question_answering", "replaced_token" or
            "causal_lm"; None: the one that the checkpoint's config names, or the only one that it carries.
        reduction, unmerge, token_type_ids, show_progress_bar, progress
            As in `hidden_states`.

        Returns
        -------
        list of float32 arrays, or one array for a single input
            [labels] for sequence classification; [length, scores] for the others, where scores is the vocabulary
            size (language models), the number of labels (token classification), 2 (question answering: the answer starts
            here, ends here) or 1 (replaced token).

        Raises
        ------
        NotFoundError
            If the checkpoint does not carry the head.
        """
        with self._sessions.borrow() as session:
            return session.logits(
                inputs,
                pixels=pixels,
                images=images,
                head=head,
                reduction=reduction,
                unmerge=unmerge,
                token_type_ids=token_type_ids,
                show_progress_bar=show_progress_bar,
                progress=progress,
            )

    def generator(
        self,
        *,
        cache_dtype: Optional[CacheType] = None,
        cache_limit: Optional[int] = None,
        memory_limit: Optional[int] = None,
        slice_tokens: Optional[int] = None,
        maximum_requests: Optional[int] = None,
        thread_count: Optional[int] = None,
    ) -> Generator:
        """Returns a generator of texts: any number at once, which come and go between steps.

        Parameters
        ----------
        cache_dtype
            In what keys and values are kept: "float32" (exact), "bfloat16" or "int8". None: float32 for a float32 model, else
            bfloat16.
        cache_limit
            Bytes of keys and values of all texts; who finds no room waits. None: no limit.
        memory_limit
            Bytes of activations. None: no limit.
        slice_tokens
            Tokens of prompts that one step runs, so that others do not wait long. None: 512.
        maximum_requests
            Texts that run at once; others wait. None: 64.
        thread_count
            As in `session`.

        Raises
        ------
        NotFoundError, UnsupportedError
            If the model is no decoder.
        """
        return Generator(
            self._loaded,
            cache_dtype=cache_dtype,
            cache_limit=cache_limit,
            memory_limit=memory_limit,
            slice_tokens=slice_tokens,
            maximum_requests=maximum_requests,
            thread_count=thread_count,
        )

    def generate(
        self,
        prompts: Any,
        *,
        max_new_tokens: Optional[int] = None,
        temperature: Optional[float] = None,
        stream: bool = False,
        cache_dtype: Optional[CacheType] = None,
        cache_limit: Optional[int] = None,
        **options: Any,
    ) -> Any:
        """Generates what follows prompts.

        Parameters
        ----------
        prompts
            Texts or token ids: one (str, flat list or 1-D array of int), or several, which are generated at once.
        max_new_tokens
            At most so many tokens of each. None: as far as the context reaches.
        temperature
            0: greedy. None: as the checkpoint's generation_config.json says, or greedy.
        stream
            Of one prompt: return an iterator of pieces as they are generated, whole characters (of token ids: ids).
        cache_dtype, cache_limit
            As in `generator`.
        options
            As in `nestling.Generator.add`: top_k, top_p, seed, stop, draft, logit_bias...

        Returns
        -------
        str for a text, list of int for token ids, a list of them for several, or an iterator
            Without the prompt.

        Raises
        ------
        InvalidArgumentError
            For an empty or too long prompt, token ids past the vocabulary, options that cannot be meant.
        CorruptError
            If the model's scores are not numbers.
        """
        batch = Inputs.of(prompts)
        sequences: list[Any] = batch.texts if batch.texts is not None else split(batch.tokens.ids, batch.tokens.offsets)  # type: ignore[union-attr]
        options.update(max_new_tokens=max_new_tokens, temperature=temperature)
        as_text = batch.texts is not None
        return self._generate(sequences, batch.single, stream, as_text, cache_dtype, cache_limit, **options)

    def chat(
        self,
        messages: Any,
        *,
        tools: Optional[Iterable[Any]] = None,
        documents: Optional[Iterable[Any]] = None,
        continue_final_message: Union[bool, str] = False,
        chat_template: Optional[str] = None,
        chat_template_kwargs: Optional[Mapping[str, Any]] = None,
        sanitize_control_tokens: bool = False,
        stream: bool = False,
        **options: Any,
    ) -> Any:
        """Generates the next message of a chat. Needs the package jinja2.

        Parameters
        ----------
        messages
            Each ``{"role": ..., "content": ...}`` and whatever else the template reads; or a list of chats.
        tools, documents, chat_template, sanitize_control_tokens
            As in `nestling.Tokenizer.apply_chat_template`, which also tells what special tokens in messages do.
        continue_final_message
            Go on with the last message instead of beginning an answer. A str: with that field of it.
        chat_template_kwargs
            Further variables of the template, such as ``{"enable_thinking": False}``.
        stream
            Of one chat: return an iterator of pieces.
        options
            As in `generate`: max_new_tokens, temperature, cache_dtype...

        Returns
        -------
        str, a list of them for several chats, or an iterator of pieces
            What the model says, without special tokens; tool calls are in it as the model writes them.

        Raises
        ------
        As `generate` and `nestling.Tokenizer.apply_chat_template`.
        """
        ids = self.tokenizer.apply_chat_template(
            messages,
            tools=tools,
            documents=documents,
            chat_template=chat_template,
            add_generation_prompt=not continue_final_message,
            continue_final_message=continue_final_message,
            sanitize_control_tokens=sanitize_control_tokens,
            **(chat_template_kwargs or {}),
        )
        single = not ids or not isinstance(ids[0], list)
        return self._generate([ids] if single else ids, single, stream, True, **options)

    def _generate(
        self,
        prompts: Sequence[Any],
        single: bool,
        stream: bool,
        as_text: bool,
        cache_dtype: Optional[CacheType] = None,
        cache_limit: Optional[int] = None,
        **options: Any,
    ) -> Any:
        """Returns what follows prompts, as texts or ids; of a single one itself, or an iterator."""
        generator = self.generator(cache_dtype=cache_dtype, cache_limit=cache_limit)
        if stream:
            if not single:
                raise InvalidArgumentError("stream=True takes one prompt; use generator() for several")
            return stream_pieces(generator, prompts[0], as_text, options)
        with generator:
            generations = [generator.add(prompt, **options) for prompt in prompts]
            generator.run()
        for generation in generations:
            if generation.error is not None:
                raise generation.error
        results = [generation.text if as_text else generation.ids for generation in generations]
        return results[0] if single else results

    def score(
        self,
        inputs: Any,
        *,
        show_progress_bar: Optional[bool] = None,
        progress: Optional[ProgressFunction] = None,
    ) -> Any:
        """Returns how probable given texts are to a decoder.

        Parameters
        ----------
        inputs
            Texts (tokenized with special tokens, not cut) or token ids: one, or several.
        show_progress_bar, progress
            As in `load`.

        Returns
        -------
        list of float64 [length], or float64 [length] for a single input
            Natural logarithm of the probability of every token given those before it; 0 for the first, of which nothing is
            known. ``numpy.exp(-result[1:].mean())`` is the perplexity.
        """
        batch = Inputs.of(inputs)
        with self.generator() as generator:
            tokens = batch.tokens
            if tokens is None:
                tokens = ragged([generator._ids(text) for text in batch.texts or []], "token ids")
            values = generator.score(tokens, show_progress_bar=show_progress_bar, progress=progress)
        rows = split(values, tokens.offsets)
        return rows[0] if batch.single else rows

    def token_map(
        self,
        inputs: Any = None,
        *,
        pixels: Any = None,
        images: Any = None,
        reduction: Optional[Reduction],
        layer: Optional[int] = None,
        token_type_ids: Any = None,
    ) -> Any:
        """Runs the model and tells where each original token went.

        For states and maps of one run, or maps of several layers, use `session`.

        Parameters
        ----------
        inputs
            Token ids or texts.
        pixels, images
            Instead of `inputs`, as in `encode`.
        reduction
            How tokens are merged.
        layer
            After which layer, 1 for the first. None: after the last one.

        Returns
        -------
        list of int32 [length], or int32 [length] for a single input
            Entry i is the row of the token that original token i is part of.
        """
        batch = None if inputs is None else Inputs.of(inputs)
        if batch is not None and batch.count == 0:
            return []
        with self.session() as session:
            session.hidden_states(
                batch, pixels=pixels, images=images, reduction=reduction, token_type_ids=token_type_ids
            )
            return session.token_map(layer)

    @overload
    def tokenize(self, texts: str, *, add_special_tokens: bool = ...) -> list[int]: ...  # type: ignore[overload-overlap]

    @overload
    def tokenize(self, texts: Iterable[str], *, add_special_tokens: bool = ...) -> list[list[int]]: ...

    def tokenize(
        self, texts: Union[str, Iterable[str]], *, add_special_tokens: bool = True
    ) -> Union[list[int], list[list[int]]]:
        """Returns the token ids that `encode` would use, without prompt, cut to `text_tokens`.

        Returns
        -------
        list of list of int, or list of int for a single str

        Raises
        ------
        NotFoundError
            If the checkpoint has no tokenizer.
        """
        given = [texts] if isinstance(texts, str) else list(texts)
        tokens = self.tokenizer._ragged(given, self.text_tokens, add_special_tokens=add_special_tokens)
        ids: list[list[int]] = [row.tolist() for row in split(tokens.ids, tokens.offsets)]
        return ids[0] if isinstance(texts, str) else ids

    def similarity(self, a: npt.ArrayLike, b: npt.ArrayLike, *, function: SimilarityName = "cosine") -> Floats:
        """Compares all vectors of `a` with all of `b`.

        Parameters
        ----------
        a, b
            [n, dimensions] and [m, dimensions]; one vector [dimensions] counts as a batch of one.
        function
            "cosine", "dot", or the negative distances "euclidean" and "manhattan".

        Returns
        -------
        float32 [n, m]
            Higher is more similar.
        """
        return similarity(a, b, function)

    def session(
        self,
        *,
        slice_tokens: Optional[int] = None,
        memory_limit: Optional[int] = None,
        thread_count: Optional[int] = None,
    ) -> Session:
        """Makes a session of one's own, for one thread at a time.

        Parameters
        ----------
        slice_tokens
            A batch is run in slices of at most this many tokens. None: 4096. It bounds memory and changes no result.
        memory_limit
            Bytes that the workspace may take; runs that need more raise OutOfMemoryError. None: no limit.
        thread_count
            Threads that calls of this session may use. None: `get_thread_count()` at the time of the call.
        """
        return Session(self._loaded, slice_tokens=slice_tokens, memory_limit=memory_limit, thread_count=thread_count)

    def estimate(
        self,
        tokens: Optional[int] = None,
        *,
        slice_tokens: Optional[int] = None,
        memory_limit: Optional[int] = None,
        thread_count: Optional[int] = None,
    ) -> int:
        """Returns how many bytes of workspace a session needs, without taking them.

        Parameters
        ----------
        tokens
            Of the longest slice; None: a full slice.
        slice_tokens, memory_limit, thread_count
            As in `session`.
        """
        options = session_options(slice_tokens, memory_limit, thread_count)
        number = 0 if tokens is None else min(as_count(tokens, "tokens"), 2**32 - 1)
        needed = ctypes.c_uint64()
        library.nestling_session_estimate(self._loaded.handle, ctypes.byref(options), number, ctypes.byref(needed))
        return needed.value

    # Cutting and saving it

    def submodel(
        self,
        *,
        ffn: Optional[Widths] = None,
        heads: Optional[Widths] = None,
        layers: Optional[Sequence[int]] = None,
        output_dim: Optional[int] = None,
    ) -> Model:
        """Derives a nested part of this model that shares its weights and copies none of them.

        It takes microseconds, and any number may be alive and in use at once (MatFormer, Devvrit et al., arXiv
        2310.07707; for output dimensions Matryoshka, Kusupati et al., arXiv 2205.13147). All widths are prefixes: the
        first neurons, the first heads, the first dimensions.

        Parameters
        ----------
        ffn
            What each kept layer keeps of its FFN: a float is a ratio, 0 < ratio <= 1, rounded to the nearest width,
            at least 1; an int is an exact width (so 1.0 is all of it, and 1 is one neuron); a list has one of either
            for each kept layer. None: all.
        heads
            The same for attention heads.
        layers
            Indices of the layers to keep, rising, 0 for the first. None: all.
        output_dim
            Leading dimensions of sequence vectors. None: all.

        Raises
        ------
        InvalidArgumentError
            Names the field and the layer.

        Examples
        --------
        >>> half = model.submodel(ffn=0.5)                                     # doctest: +SKIP
        >>> small = model.submodel(layers=[0, 2, 4], ffn=[512, 0.25, 1.0], output_dim=128)   # doctest: +SKIP
        """
        loaded = self._loaded
        spec = _ffi.SubmodelSpec()
        kept: Optional[list[int]] = None
        if layers is not None:
            kept = [_whole(index, "layers") for index in layers]
            if not kept:
                raise InvalidArgumentError("layers is empty: a submodel keeps at least one layer")
            spec.layers, spec.layer_count = _int32s(kept, "layers"), len(kept)
        if output_dim is not None:
            spec.output_dimensions = min(as_count(output_dim, "output_dim"), 2**32 - 1)
        if ffn is not None:
            spec.ffn_ratio, widths = self._widths(ffn, "ffn", "ffn_widths", kept)
            if widths is not None:
                spec.ffn_widths, spec.ffn_width_count = _int32s(widths, "ffn"), len(widths)
        if heads is not None:
            spec.head_ratio, widths = self._widths(heads, "heads", "heads", kept)
            if widths is not None:
                spec.heads, spec.head_count = _int32s(widths, "heads"), len(widths)
        derived = ctypes.POINTER(_ffi.ModelHandle)()
        library.nestling_model_derive(loaded.handle, ctypes.byref(spec), ctypes.byref(derived))
        return Model(LoadedModel(own_model(derived, keep=loaded.handle.keep), loaded.chat_files))

    def _widths(
        self, given: Widths, what: str, key: str, kept: Optional[list[int]]
    ) -> tuple[float, Optional[list[int]]]:
        """Returns (ratio, None) or (0, exact widths)."""
        if isinstance(given, numbers.Integral) and not isinstance(given, bool):
            return 0.0, [int(given)]
        if isinstance(given, numbers.Real) and not isinstance(given, bool):
            return _ratio(given, what), None
        if isinstance(given, (str, bool)) or not isinstance(given, Iterable):
            raise TypeError(f"{what} must be a ratio (float), a width (int), or a list of them, not {given!r}")
        entries: list[Any] = list(given)
        indices = list(range(self.layers)) if kept is None else kept
        if len(entries) != len(indices):
            raise InvalidArgumentError(f"{what} has {len(entries)} entries for {len(indices)} kept layers")
        full: Optional[Sequence[int]] = None
        widths = []
        for index, entry in zip(indices, entries):
            if isinstance(entry, numbers.Integral) and not isinstance(entry, bool):
                widths.append(int(entry))
            elif isinstance(entry, numbers.Real) and not isinstance(entry, bool):
                ratio = _ratio(entry, f"{what} of layer {index}")
                if full is None:
                    full = self.describe()[key]
                if not 0 <= index < len(full):
                    raise InvalidArgumentError(f"layers: {index} is not one of the {self.layers} layers")
                widths.append(max(1, math.floor(ratio * full[index] + 0.5)))
            else:
                raise TypeError(f"{what} of layer {index} must be a ratio (float) or a width (int), not {entry!r}")
        return 0.0, widths

    def save(
        self,
        path: Path,
        *,
        packed: Optional[bool] = None,
        overwrite: bool = False,
        show_progress_bar: Optional[bool] = False,
        progress: Optional[ProgressFunction] = None,
    ) -> None:
        """Saves the model or submodel as a checkpoint directory, tokenizer and settings included.

        What transformers can express (one FFN width, fewer layers) loads there and gives the same hidden states. What
        it cannot is written to ``nestling.json``, which names each such property under "not_in_transformers".

        Parameters
        ----------
        path
            Created if missing; its parent must exist.
        packed
            True: the weights as they lie in memory, in the model's `dtype`. Such a checkpoint opens at once, is mapped and
            used in place, and gives the same bits; only Nestling reads it. False: tensors as transformers has them.
            None: as the model was opened.
        overwrite
            Replace a checkpoint that lies there; otherwise it is refused.
        show_progress_bar, progress
            As in `load`.

        Raises
        ------
        InvalidArgumentError, InputOutputError, UnsupportedError, OutOfMemoryError, CancelledError
            On failure nothing usable is left under the final file names.
        """
        if packed not in _ffi.SAVE_FORMS:
            raise InvalidArgumentError(f"packed must be True, False or None, not {packed!r}")
        options = _ffi.SaveOptions(overwrite=1 if overwrite else 0, form=_ffi.SAVE_FORMS[packed])
        reporter = Reporter("save", show_progress_bar=show_progress_bar, progress=progress)
        reporter.install(options)
        reporter.call(library.nestling_model_save, self._loaded.handle, encode_path(path), ctypes.byref(options))


def _open(
    open_model: Any,
    dtype: Optional[str],
    tower: Optional[str],
    map_weights: bool,
    show_progress_bar: Optional[bool],
    progress: Optional[ProgressFunction],
    keep: Any,
    chat_files: ChatFiles,
) -> Model:
    number = 0 if dtype is None else _ffi.DTYPES.get(dtype) if isinstance(dtype, str) else None
    if number is None:
        raise UnsupportedError(f"dtype must be one of {', '.join(map(repr, _ffi.DTYPES))}, not {dtype!r}")
    if tower not in _ffi.TOWERS:
        raise InvalidArgumentError(f"tower must be 'text' or 'vision', not {tower!r}")
    options = _ffi.OpenOptions(dtype=number, map_weights=1 if map_weights else -1, tower=_ffi.TOWERS[tower])
    reporter = Reporter("load", show_progress_bar=show_progress_bar, progress=progress)
    reporter.install(options)
    opened = ctypes.POINTER(_ffi.ModelHandle)()
    handle: Optional[Handle] = None
    try:
        reporter.call(open_model, ctypes.byref(options), ctypes.byref(opened))
    finally:  # an interrupt that came last may leave an opened model behind
        if opened:
            handle = own_model(opened, keep)
    assert handle is not None
    return Model(LoadedModel(handle, chat_files))


def _whole(value: Any, what: str) -> int:
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"{what} must be integers, not {value!r}")
    return int(value)


def _ratio(value: Any, what: str) -> float:
    ratio = float(value)
    if not 0 < ratio <= 1:
        raise InvalidArgumentError(f"{what}: a ratio (float) must be greater than 0 and at most 1, not {ratio:g}")
    return ratio


def _int32s(values: Sequence[int], what: str) -> Any:
    """Returns a ctypes array; a structure to whose pointer field it is assigned keeps it alive."""
    for value in values:
        if not -(2**31) <= value < 2**31:
            raise InvalidArgumentError(f"{what}: {value} is no 32-bit integer")
    return (ctypes.c_int32 * len(values))(*values)
