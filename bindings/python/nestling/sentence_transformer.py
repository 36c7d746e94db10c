"""A class to use where a program has a ``sentence_transformers.SentenceTransformer`` today."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Optional, Union, overload

import numpy as np

from ._arrays import Inputs, split
from ._drop_in import (
    Part,
    Pool,
    check_config,
    check_constructor,
    check_device,
    check_pool,
    dtype_of,
    last_word,
    parts,
    token_limit,
)
from .errors import CorruptError, InvalidArgumentError, UnsupportedError
from .model import DType, Model, Path, load
from .quantization import Precision, check_precision, quantize
from .reduction import Reduction
from .similarity import SIMILARITY_NAMES, SimilarityName, normalized, similarity, similarity_pairwise
from .tokenizer import Tokenizer

OutputValue = Literal["sentence_embedding", "token_embeddings"]

_CONFIG = "config_sentence_transformers.json"
_logger = logging.getLogger("nestling")


class SentenceTransformer:
    """Sentence vectors with the arguments and results of sentence-transformers (5.x and 6.x), without PyTorch.

    What differs, and why:

    - Checkpoints are local directories; nothing is downloaded.
    - An empty list gives an array of shape [0, dimensions], so that it can be stacked with others.
    - ``output_value="token_embeddings"`` and ``None`` give NumPy arrays, unless ``convert_to_numpy=False`` or
      ``convert_to_tensor=True`` asks for tensors, which is the only time that torch is imported. There is no padding
      in them.
    - `similarity` gives tensors for tensors, and NumPy arrays for everything else.
    - `batch_size` changes nothing: the library takes the whole batch and needs no padding.
    - Token ids are taken wherever texts are.

    One object may be used from any number of threads at once.

    Parameters
    ----------
    model_name_or_path
        A checkpoint directory, or a loaded `nestling.Model` (a submodel, for example).
    device
        None or "cpu".
    prompts
        Texts to put before inputs, by name; they win over the checkpoint's.
    default_prompt_name
        The prompt that is used if a call names none.
    similarity_fn_name
        "cosine" (default), "dot", "euclidean" or "manhattan".
    truncate_dim
        Leading dimensions to keep. None: all, or as the checkpoint says.
    model_kwargs
        "dtype" (or "torch_dtype"): float32 or bfloat16. What chooses between ways of PyTorch to compute the same changes nothing;
        what asks for other weights is refused.
    processor_kwargs, tokenizer_kwargs
        "model_max_length" can lower `max_seq_length`. What would make other token ids is refused.
    config_kwargs, modules, backend
        Refused where they ask for another network than the checkpoint's.
    cache_folder, trust_remote_code, revision, local_files_only, token, use_auth_token, model_card_data
        Accepted: they are of no consequence for a local directory, of which nothing is executed.
    dtype
        As in `nestling.load`.

    Raises
    ------
    As `nestling.load`; InvalidArgumentError (a ValueError) for arguments that cannot be meant.
    """

    def __init__(
        self,
        model_name_or_path: Union[Path, Model, None] = None,
        *,
        modules: None = None,
        device: Any = None,
        prompts: Optional[Mapping[str, str]] = None,
        default_prompt_name: Optional[str] = None,
        cache_folder: Optional[Path] = None,
        trust_remote_code: bool = False,
        revision: Optional[str] = None,
        local_files_only: bool = False,
        token: Union[None, bool, str] = None,
        use_auth_token: Union[None, bool, str] = None,
        model_kwargs: Optional[Mapping[str, Any]] = None,
        processor_kwargs: Optional[Mapping[str, Any]] = None,
        tokenizer_kwargs: Optional[Mapping[str, Any]] = None,
        config_kwargs: Optional[Mapping[str, Any]] = None,
        model_card_data: Any = None,
        backend: str = "torch",
        similarity_fn_name: Optional[SimilarityName] = None,
        truncate_dim: Optional[int] = None,
        dtype: Optional[DType] = None,
    ) -> None:
        check_device(device)
        check_constructor(modules, backend)
        check_config(config_kwargs)
        limit = token_limit({**(processor_kwargs or {}), **(tokenizer_kwargs or {})})
        dtype = dtype_of(model_kwargs, dtype)
        if model_name_or_path is None:
            raise TypeError("SentenceTransformer() takes a checkpoint's directory or a nestling.Model as its first argument")
        self._path: Optional[Path] = None if isinstance(model_name_or_path, Model) else model_name_or_path
        if isinstance(model_name_or_path, Model):
            self.model = model_name_or_path
            config = _config_of_model(self.model)
        else:
            self.model = load(model_name_or_path, dtype=dtype)
            config = _config_of_directory(model_name_or_path)
        saved_prompts = config.get("prompts")
        self.prompts: dict[str, str] = {"query": "", "document": ""}
        if isinstance(saved_prompts, Mapping):
            self.prompts.update({name: text for name, text in saved_prompts.items() if isinstance(text, str)})
        self.prompts.update(prompts or {})
        self.default_prompt_name: Optional[str] = (
            config.get("default_prompt_name") if default_prompt_name is None else default_prompt_name
        )
        if self.default_prompt_name is not None and self.default_prompt_name not in self.prompts:
            raise InvalidArgumentError(
                f"default_prompt_name {self.default_prompt_name!r} is not one of the prompts {list(self.prompts)}"
            )
        saved_similarity = config.get("similarity_fn_name")
        self._similarity_fn_name: SimilarityName = (
            saved_similarity if saved_similarity in SIMILARITY_NAMES else "cosine"
        )
        if similarity_fn_name is not None:
            self.similarity_fn_name = similarity_fn_name
        self.truncate_dim: Optional[int] = config.get("truncate_dim") if truncate_dim is None else truncate_dim
        self._max_seq_length: Optional[int] = None
        if limit is not None and (self.model.text_tokens is None or limit < self.model.text_tokens):
            self.max_seq_length = limit

    # What it is

    @property
    def tokenizer(self) -> Tokenizer:
        """The checkpoint's tokenizer (a `nestling.Tokenizer`)."""
        return self.model.tokenizer

    @property
    def device(self) -> str:
        """Always "cpu"."""
        return "cpu"

    @property
    def max_seq_length(self) -> Optional[int]:
        """Texts are cut to this many tokens, special ones included. It can be set."""
        return self.model.text_tokens if self._max_seq_length is None else self._max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, value: Optional[int]) -> None:
        if value is not None and value <= 0:
            raise InvalidArgumentError(f"max_seq_length must be positive, not {value}")
        self._max_seq_length = value

    @property
    def similarity_fn_name(self) -> SimilarityName:
        """What `similarity` computes. It can be set."""
        return self._similarity_fn_name

    @similarity_fn_name.setter
    def similarity_fn_name(self, value: SimilarityName) -> None:
        value = getattr(value, "value", value)  # sentence-transformers' enumeration
        if value not in SIMILARITY_NAMES:
            raise InvalidArgumentError(f"similarity_fn_name must be one of {SIMILARITY_NAMES}, not {value!r}")
        self._similarity_fn_name = value

    def get_max_seq_length(self) -> Optional[int]:
        """Returns `max_seq_length`."""
        return self.max_seq_length

    def get_embedding_dimension(self) -> int:
        """Returns how many dimensions the vectors of `encode` have."""
        dimensions = self.model.output_dimensions
        return dimensions if self.truncate_dim is None else min(dimensions, self.truncate_dim)

    def get_sentence_embedding_dimension(self) -> int:
        """Returns how many dimensions the vectors of `encode` have (the older name)."""
        return self.get_embedding_dimension()

    @contextlib.contextmanager
    def truncate_embeddings(self, truncate_dim: Optional[int]) -> Iterator[None]:
        """Sets `truncate_dim` inside a ``with`` block."""
        before = self.truncate_dim
        self.truncate_dim = truncate_dim
        try:
            yield
        finally:
            self.truncate_dim = before

    #: The name before sentence-transformers 5.
    truncate_sentence_embeddings = truncate_embeddings

    def eval(self) -> SentenceTransformer:
        """Does nothing: there is no training. Returns the object, as PyTorch does."""
        return self

    def to(self, device: Any = None, *arguments: Any, **keywords: Any) -> SentenceTransformer:
        """Accepts "cpu" and a dtype (`float`, `bfloat16`), and returns the object."""
        for value in (device, *arguments, *keywords.values()):
            name = last_word(value)
            if name in ("float32", "bfloat16", "float16"):
                self._reopen("float32" if name == "float32" else "bfloat16")
            elif not isinstance(value, bool):
                check_device(value)
        return self

    def cpu(self) -> SentenceTransformer:
        """Does nothing, and returns the object."""
        return self

    def float(self) -> SentenceTransformer:
        """Opens the checkpoint again with float32 weights, and returns the object."""
        return self._reopen("float32")

    def bfloat16(self) -> SentenceTransformer:
        """Opens the checkpoint again with bfloat16 weights, and returns the object."""
        return self._reopen("bfloat16")

    def half(self) -> SentenceTransformer:
        """Opens the checkpoint again with weights of 16 bits, and returns the object. They are bfloat16: so vectors differ
        from those of PyTorch's float16 in their third digit."""
        return self._reopen("bfloat16")

    def _reopen(self, dtype: DType) -> SentenceTransformer:
        if self.model.dtype != dtype:
            if self._path is None:
                raise UnsupportedError(f"the model was given, not its directory: give one loaded with dtype={dtype!r}")
            self.model = load(self._path, dtype=dtype)
        return self

    def train(self, mode: bool = True) -> SentenceTransformer:
        """Accepts False, and returns the object: there is no training."""
        if mode:
            raise UnsupportedError("Nestling does not train models")
        return self

    def __len__(self) -> int:
        return len(parts(self))

    def __getitem__(self, index: Any) -> Any:
        return parts(self)[index]

    def __iter__(self) -> Iterator[Part]:
        return iter(parts(self))

    def __bool__(self) -> bool:
        return True

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        raise UnsupportedError("a SentenceTransformer of Nestling has no forward pass over tensors: use encode()")

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        """Returns the token ids that `encode` would use, without prompt. No tensors: sequences are not padded."""
        return [ids.tolist() for ids in self._tokenize(texts, "")]

    def __repr__(self) -> str:
        return f"<nestling.SentenceTransformer: {self.model!r}>"

    # Vectors

    @overload
    def encode(
        self,
        inputs: Any = ...,
        prompt_name: Optional[str] = ...,
        prompt: Optional[str] = ...,
        batch_size: int = ...,
        show_progress_bar: Optional[bool] = ...,
        output_value: Literal["sentence_embedding"] = ...,
        precision: Precision = ...,
        convert_to_numpy: Literal[True] = ...,
        convert_to_tensor: Literal[False] = ...,
        device: Any = ...,
        normalize_embeddings: bool = ...,
        truncate_dim: Optional[int] = ...,
        pool: Optional[Pool] = ...,
        chunk_size: Optional[int] = ...,
        *,
        task: Optional[str] = ...,
        sentences: Any = ...,
        reduction: Optional[Reduction] = ...,
    ) -> np.ndarray[Any, np.dtype[Any]]: ...

    @overload
    def encode(
        self,
        inputs: Any = ...,
        prompt_name: Optional[str] = ...,
        prompt: Optional[str] = ...,
        batch_size: int = ...,
        show_progress_bar: Optional[bool] = ...,
        output_value: Optional[OutputValue] = ...,
        precision: Precision = ...,
        convert_to_numpy: bool = ...,
        convert_to_tensor: bool = ...,
        device: Any = ...,
        normalize_embeddings: bool = ...,
        truncate_dim: Optional[int] = ...,
        pool: Optional[Pool] = ...,
        chunk_size: Optional[int] = ...,
        *,
        task: Optional[str] = ...,
        sentences: Any = ...,
        reduction: Optional[Reduction] = ...,
    ) -> Any: ...

    def encode(
        self,
        inputs: Any = None,
        prompt_name: Optional[str] = None,
        prompt: Optional[str] = None,
        batch_size: int = 32,
        show_progress_bar: Optional[bool] = None,
        output_value: Optional[OutputValue] = "sentence_embedding",
        precision: Precision = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        normalize_embeddings: bool = False,
        truncate_dim: Optional[int] = None,
        pool: Optional[Pool] = None,
        chunk_size: Optional[int] = None,
        *,
        task: Optional[str] = None,
        sentences: Any = None,
        reduction: Optional[Reduction] = None,
    ) -> Any:
        """Returns vectors.

        Parameters
        ----------
        inputs, sentences
            A str, or a list of str (or token ids). Both names are taken; give one.
        prompt_name
            One of `prompts`, put before each text.
        prompt
            A prompt itself; it wins over `prompt_name`.
        batch_size
            Must be positive; changes nothing.
        show_progress_bar
            True: on stderr. None: if the ``nestling`` logger's level is INFO or DEBUG and stderr is a terminal.
        output_value
            "sentence_embedding"; "token_embeddings" (one array per input, [length, hidden_size]); or None (one dict
            per input with "input_ids", "attention_mask", "token_embeddings" and "sentence_embedding").
        precision
            "float32", "int8", "uint8", "binary" or "ubinary".
        convert_to_numpy
            True: one NumPy array. False: a list of torch tensors.
        convert_to_tensor
            True: one torch tensor.
        device
            None or "cpu".
        normalize_embeddings
            Scale the vectors to length 1, after truncating. The checkpoint may normalize before that by itself.
        truncate_dim
            Leading dimensions to keep; None: as the object's `truncate_dim`.
        pool, chunk_size
            Taken, and of no consequence: one call uses all processors, without processes.
        task
            Taken for checkpoints that route inputs by task; of no consequence for others.
        reduction
            How tokens are merged while the model runs, for example ``nestling.ToMe(r=8)``. This one is Nestling's own.

        Returns
        -------
        float32 [n, dimensions], or [dimensions] for a single input; other types as asked for

        Raises
        ------
        InvalidArgumentError (a ValueError), UnsupportedError, KeyboardInterrupt
        """
        if (inputs is None) == (sentences is None):
            raise TypeError("encode() takes texts, as its first argument or as 'sentences' or 'inputs' (one of them)")
        if batch_size <= 0:
            raise InvalidArgumentError(f"batch_size must be a positive integer, not {batch_size}")
        if output_value not in ("sentence_embedding", "token_embeddings", None):
            raise InvalidArgumentError(
                f"output_value must be 'sentence_embedding', 'token_embeddings' or None, not {output_value!r}"
            )
        check_pool(pool, chunk_size, device)
        precision = precision or "float32"
        check_precision(precision)
        batch = Inputs(inputs if sentences is None else sentences)
        text = self._resolve_prompt(prompt, prompt_name)
        text = text or ""  # the checkpoint's own default has been taken into account
        if batch.tokens is None and self._max_seq_length is not None:
            batch = self._tokenized(batch, text)
        if truncate_dim is None:
            truncate_dim = self.truncate_dim
        as_tensors = convert_to_tensor or not convert_to_numpy
        if output_value != "sentence_embedding":
            tokens: Any = batch if batch.tokens is not None else self._tokenized(batch, text)
            states: Any = self.model.hidden_states(tokens, reduction=reduction, show_progress_bar=show_progress_bar)
            if output_value is None:
                vectors = self._vectors(batch, text, False, truncate_dim, normalize_embeddings, reduction)
                return _everything(tokens, states, vectors, as_tensors)
            if not as_tensors:
                return states
            convert = _import_torch().as_tensor
            return convert(states) if batch.single else [convert(rows) for rows in states]

        vectors = self._vectors(batch, text, show_progress_bar, truncate_dim, normalize_embeddings, reduction)
        if precision != "float32":
            vectors = quantize(vectors[np.newaxis] if batch.single else vectors, precision)
            vectors = vectors[0] if batch.single else vectors
        if not as_tensors:
            return vectors
        torch = _import_torch()
        tensor = torch.from_numpy(vectors)
        return tensor if convert_to_tensor or batch.single else list(tensor)

    def encode_query(
        self,
        inputs: Any = None,
        prompt_name: Optional[str] = None,
        prompt: Optional[str] = None,
        batch_size: int = 32,
        show_progress_bar: Optional[bool] = None,
        output_value: Optional[OutputValue] = "sentence_embedding",
        precision: Precision = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        normalize_embeddings: bool = False,
        truncate_dim: Optional[int] = None,
        pool: Optional[Pool] = None,
        chunk_size: Optional[int] = None,
        *,
        task: Optional[str] = None,
        sentences: Any = None,
        reduction: Optional[Reduction] = None,
    ) -> Any:
        """Returns vectors of search queries: `encode` with the prompt "query", unless the call names another."""
        if prompt_name is None and prompt is None and "query" in self.prompts:
            prompt_name = "query"
        return self.encode(
            inputs,
            prompt_name=prompt_name,
            prompt=prompt,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            output_value=output_value,
            precision=precision,
            convert_to_numpy=convert_to_numpy,
            convert_to_tensor=convert_to_tensor,
            device=device,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
            pool=pool,
            chunk_size=chunk_size,
            task=task,
            sentences=sentences,
            reduction=reduction,
        )

    def encode_document(
        self,
        inputs: Any = None,
        prompt_name: Optional[str] = None,
        prompt: Optional[str] = None,
        batch_size: int = 32,
        show_progress_bar: Optional[bool] = None,
        output_value: Optional[OutputValue] = "sentence_embedding",
        precision: Precision = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        normalize_embeddings: bool = False,
        truncate_dim: Optional[int] = None,
        pool: Optional[Pool] = None,
        chunk_size: Optional[int] = None,
        *,
        task: Optional[str] = None,
        sentences: Any = None,
        reduction: Optional[Reduction] = None,
    ) -> Any:
        """Returns vectors of documents: `encode` with the first of the prompts "document", "passage" and "corpus" that
        there is, unless the call names another."""
        if prompt_name is None and prompt is None:
            prompt_name = next((name for name in ("document", "passage", "corpus") if name in self.prompts), None)
        return self.encode(
            inputs,
            prompt_name=prompt_name,
            prompt=prompt,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            output_value=output_value,
            precision=precision,
            convert_to_numpy=convert_to_numpy,
            convert_to_tensor=convert_to_tensor,
            device=device,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
            pool=pool,
            chunk_size=chunk_size,
            task=task,
            sentences=sentences,
            reduction=reduction,
        )

    # Processes, of which there is no need

    def start_multi_process_pool(self, target_devices: Optional[Sequence[str]] = None) -> Pool:
        """Returns what `encode` and `encode_multi_process` take as a pool. No process is started."""
        for device in target_devices or []:
            check_device(device)
        return {"input": None, "output": None, "processes": []}

    @staticmethod
    def stop_multi_process_pool(pool: Pool) -> None:
        """Does nothing: no process was started."""

    def encode_multi_process(
        self,
        sentences: Any,
        pool: Optional[Pool] = None,
        prompt_name: Optional[str] = None,
        prompt: Optional[str] = None,
        batch_size: int = 32,
        chunk_size: Optional[int] = None,
        show_progress_bar: Optional[bool] = None,
        precision: Precision = "float32",
        normalize_embeddings: bool = False,
        truncate_dim: Optional[int] = None,
    ) -> np.ndarray[Any, np.dtype[Any]]:
        """Returns vectors as `encode` does, in this process, on all its processors."""
        return self.encode(
            sentences,
            prompt_name=prompt_name,
            prompt=prompt,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            precision=precision,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
            pool=pool,
            chunk_size=chunk_size,
        )

    # Saving

    def save_pretrained(
        self,
        path: Path,
        model_name: Optional[str] = None,
        create_model_card: bool = True,
        train_datasets: Any = None,
        safe_serialization: bool = True,
    ) -> None:
        """Saves the model, its tokenizer and settings as a checkpoint directory, over one that lies there.

        Parameters
        ----------
        path
            Made if missing, with its parents.
        model_name, create_model_card, train_datasets
            Of no consequence: no model card is written.
        safe_serialization
            Must be true: weights are written as safetensors.
        """
        if not safe_serialization:
            raise UnsupportedError("safe_serialization must be True: weights are written as safetensors alone")
        os.makedirs(os.path.dirname(os.path.abspath(os.fsdecode(path))), exist_ok=True)
        self.model.save(path, overwrite=True)
        config = {
            **_config_of_directory(path),
            "prompts": self.prompts,
            "default_prompt_name": self.default_prompt_name,
            "similarity_fn_name": self._similarity_fn_name,
        }
        with open(os.path.join(os.fsdecode(path), _CONFIG), "w", encoding="utf-8") as stream:
            json.dump(config, stream, indent=2)

    #: The older name.
    save = save_pretrained

    # Similarity

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Compares all of `embeddings1` with all of `embeddings2`, by `similarity_fn_name`.

        Parameters
        ----------
        embeddings1, embeddings2
            [n, dimensions] and [m, dimensions], or single vectors; NumPy arrays, lists or torch tensors.

        Returns
        -------
        float32 [n, m]
            A torch tensor if either argument is one, or a list of them.
        """
        return self._compare(similarity, embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Compares vector i of `embeddings1` with vector i of `embeddings2`; float32 [n]. Otherwise as `similarity`."""
        return self._compare(similarity_pairwise, embeddings1, embeddings2)

    def _compare(self, function: Any, first: Any, second: Any) -> Any:
        result = function(_as_numpy(first), _as_numpy(second), self.similarity_fn_name)
        if _is_torch(first) or _is_torch(second):
            return _import_torch().as_tensor(result)
        return result

    # Parts

    def _resolve_prompt(self, prompt: Optional[str], prompt_name: Optional[str]) -> Optional[str]:
        if prompt is not None:
            if prompt_name is not None:
                _logger.warning("both prompt and prompt_name are given: prompt_name is ignored")
            return prompt
        if prompt_name is None:
            prompt_name = self.default_prompt_name
        if prompt_name is None:
            return None
        if prompt_name not in self.prompts:
            raise InvalidArgumentError(f"prompt_name {prompt_name!r} is not one of the prompts {list(self.prompts)}")
        return self.prompts[prompt_name]

    def _tokenize(self, texts: list[str], prompt: str) -> list[Any]:
        tokens = self.tokenizer._ragged([prompt + text for text in texts], self.max_seq_length)
        return split(tokens.ids, tokens.offsets)

    def _tokenized(self, batch: Inputs, prompt: str) -> Inputs:
        """Returns the same batch as token ids."""
        sequences = self._tokenize(batch.texts or [], prompt)
        return Inputs(sequences[0]) if batch.single else Inputs(sequences)

    def _vectors(
        self,
        batch: Inputs,
        prompt: str,
        show_progress_bar: Optional[bool],
        truncate_dim: Optional[int],
        normalize: bool,
        reduction: Optional[Reduction],
    ) -> Any:
        """Encodes, truncates, then normalizes. The checkpoint's own normalizing comes first, as there."""
        vectors: Any = self.model.encode(
            batch,
            prompt=None if batch.tokens is not None else prompt,
            show_progress_bar=show_progress_bar,
            reduction=reduction,
        )
        if truncate_dim is not None:
            if truncate_dim <= 0:
                raise InvalidArgumentError(f"truncate_dim must be positive, not {truncate_dim}")
            if truncate_dim < vectors.shape[-1]:
                vectors = np.ascontiguousarray(vectors[..., :truncate_dim])
        return normalized(vectors) if normalize else vectors


def _everything(batch: Inputs, states: Any, vectors: Any, as_tensors: bool) -> Any:
    """Returns what there is per input, in a dict; a list of them for a batch."""
    convert = _import_torch().as_tensor if as_tensors else (lambda array: array)
    if batch.tokens is None:
        return []
    results = [
        {
            "input_ids": convert(ids.astype(np.int64)),
            "attention_mask": convert(np.ones(len(ids), np.int64)),
            "token_embeddings": convert(rows),
            "sentence_embedding": convert(vector),
        }
        for ids, rows, vector in zip(
            split(batch.tokens.ids, batch.tokens.offsets),
            [states] if batch.single else states,
            [vectors] if batch.single else vectors,
        )
    ]
    return results[0] if batch.single else results


def _config_of_directory(path: Path) -> dict[str, Any]:
    """Returns what config_sentence_transformers.json says; {} if there is none."""
    file = os.path.join(os.fsdecode(path), _CONFIG)
    try:
        with open(file, encoding="utf-8") as stream:
            config = json.load(stream)
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"{file}: {error}") from None
    if not isinstance(config, dict):
        raise CorruptError(f"{file}: expected an object")
    return config


def _config_of_model(model: Model) -> dict[str, Any]:
    """Returns the same settings as the library read them."""
    description = model.describe()
    return {**description, "similarity_fn_name": description.get("similarity")}


def _import_torch() -> Any:
    try:
        import torch  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise ImportError("tensors were asked for, and torch is not installed: use convert_to_numpy=True") from None
    return torch


def _is_torch(value: Any) -> bool:
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    if isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, torch.Tensor)


def _as_numpy(value: Any) -> Any:
    if not _is_torch(value):
        return value
    if isinstance(value, (list, tuple)):
        return np.stack([item.detach().cpu().numpy() for item in value])
    return value.detach().cpu().numpy()
