"""Arguments that programs pass to sentence-transformers: what can be meant is taken, what asks for something else is refused.

Each table gives every argument a reader, or the reason why it does not matter here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from .errors import InvalidArgumentError, UnsupportedError

#: A pool as sentence-transformers has it. One call uses all processors of this process by itself, so it is empty.
Pool = dict[str, Any]

# Which code of PyTorch multiplies, or how its weights are read: the numbers are the same.
_MODEL_IRRELEVANT = {
    "attn_implementation",
    "low_cpu_mem_usage",
    "use_safetensors",
    "trust_remote_code",
    "cache_dir",
    "local_files_only",
    "revision",
    "token",
    "use_cache",
}
# There is one tokenizer, it needs no padding, and a model's limit is asked of it.
_PROCESSOR_IRRELEVANT = {
    "use_fast",
    "padding",
    "padding_side",
    "trust_remote_code",
    "cache_dir",
    "local_files_only",
    "revision",
    "token",
    "clean_up_tokenization_spaces",
}
_CONFIG_IRRELEVANT = {
    "trust_remote_code",
    "use_memory_efficient_attention",
    "unpad_inputs",
    "attn_implementation",
    "output_hidden_states",
    "output_attentions",
    "return_dict",
    "use_cache",
}
_DTYPES = {"float32": "float32", "float": "float32", "bfloat16": "bfloat16", "auto": None, "None": None}


def last_word(value: Any) -> str:
    """Returns the name of a dtype without the package that it is of: "float32" of torch.float32."""
    return str(value).rpartition(".")[2]


def check_device(device: Any) -> None:
    """Refuses all devices but "cpu"."""
    if device is not None and str(device) != "cpu":
        raise InvalidArgumentError(f"device must be 'cpu' or None, not {device!r}: Nestling runs on CPUs")


def check_constructor(modules: Any, backend: str) -> None:
    """Refuses what a constructor's arguments ask for that is not there."""
    if modules is not None:
        raise UnsupportedError("modules: parts of PyTorch cannot be run; save them as a checkpoint and name its directory")
    if backend not in ("torch", "nestling"):
        raise UnsupportedError(
            f"backend {backend!r}: leave it out. Nestling runs the checkpoint's own weights; its onnx and openvino files are not read"
        )


def dtype_of(model_kwargs: Optional[Mapping[str, Any]], dtype: Any) -> Any:
    """Returns the dtype that `model_kwargs` ask for, if `dtype` does not.

    Raises
    ------
    UnsupportedError
        For an argument that asks for something else.
    """
    for name, value in (model_kwargs or {}).items():
        if name in ("dtype", "torch_dtype"):
            wanted = last_word(value)
            if wanted not in _DTYPES:
                raise UnsupportedError(f"model_kwargs: {name} {value!r}: give float32 or bfloat16, or dtype='int8' or 'int4'")
            dtype = _DTYPES[wanted] if dtype is None else dtype
        elif name == "device_map":
            if str(value) not in ("None", "auto", "cpu"):
                raise InvalidArgumentError(f"model_kwargs: device_map must be 'cpu', not {value!r}: Nestling runs on CPUs")
        elif name not in _MODEL_IRRELEVANT and value is not None and value is not False:
            hint = "; dtype='int8' and dtype='int4' quantize" if name.startswith(("load_in", "quantization")) else ""
            raise UnsupportedError(f"model_kwargs: {name} is not supported{hint}")
    return dtype


def token_limit(processor_kwargs: Optional[Mapping[str, Any]]) -> Optional[int]:
    """Returns the limit of tokens that arguments of the tokenizer ask for."""
    limit: Optional[int] = None
    for name, value in (processor_kwargs or {}).items():
        if name in ("model_max_length", "max_length"):
            limit = value
        elif name == "truncation_side" and value != "right":
            raise UnsupportedError(f"tokenizer_kwargs: truncation_side {value!r}: texts are cut as the checkpoint says")
        elif name not in _PROCESSOR_IRRELEVANT and name not in ("truncation_side", "truncation") and value is not None:
            raise UnsupportedError(f"tokenizer_kwargs: {name} is not supported: change the checkpoint's tokenizer_config.json")
    return limit


def check_config(config_kwargs: Optional[Mapping[str, Any]]) -> None:
    """Refuses changes of config.json."""
    for name in config_kwargs or {}:
        if name not in _CONFIG_IRRELEVANT:
            raise UnsupportedError(f"config_kwargs: {name} is not supported: change the checkpoint's config.json")


def check_pool(pool: Any, chunk_size: Any, device: Any) -> None:
    """Checks what spreads work over processes elsewhere: here a call uses all processors as it is."""
    if pool is not None and not isinstance(pool, Mapping):
        raise InvalidArgumentError(f"pool must be what start_multi_process_pool gives, not {type(pool).__name__}")
    if chunk_size is not None and chunk_size <= 0:
        raise InvalidArgumentError(f"chunk_size must be a positive integer, not {chunk_size}")
    for one in device if isinstance(device, (list, tuple)) else [device]:
        check_device(one)


class Part:
    """A module of the pipeline, as indexing a `SentenceTransformer` gives it: a name, and what it says of itself."""

    def __init__(self, name: str, **facts: Any) -> None:
        self.name = name
        self.__dict__.update(facts)

    def __repr__(self) -> str:
        facts = {key: value for key, value in self.__dict__.items() if key not in ("name", "owner")}
        return f"<{self.name}: {facts}>"


class TransformerPart(Part):
    """The first module: the network and its tokenizer."""

    def __init__(self, owner: Any) -> None:
        super().__init__("Transformer", owner=owner)

    @property
    def tokenizer(self) -> Any:
        """The checkpoint's tokenizer."""
        return self.owner.tokenizer

    @property
    def max_seq_length(self) -> Optional[int]:
        """Texts are cut to this many tokens. It can be set."""
        limit: Optional[int] = self.owner.max_seq_length
        return limit

    @max_seq_length.setter
    def max_seq_length(self, value: Optional[int]) -> None:
        self.owner.max_seq_length = value

    def get_embedding_dimension(self) -> int:
        """Returns how many values a token's hidden state has."""
        return int(self.owner.model.hidden_size)

    #: The name before sentence-transformers 5.
    get_word_embedding_dimension = get_embedding_dimension


def parts(owner: Any) -> list[Part]:
    """Returns the modules of `owner`'s pipeline, in order."""
    description = owner.model.describe()
    listed: list[Part] = [TransformerPart(owner)]
    if description.get("pooling"):
        listed.append(Part("Pooling", pooling_mode=tuple(description["pooling"])))
    if description.get("normalizes"):
        listed.append(Part("Normalize"))
    return listed
