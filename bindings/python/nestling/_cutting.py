"""What a tokenizer does to lengths: truncation and padding, in the dict form of the PyPI package `tokenizers`."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, NamedTuple, Optional

from . import _ffi
from ._arrays import as_count
from .errors import InvalidArgumentError

_UINT32_MAX = 2**32 - 1
_INT32_MAX = 2**31 - 1


def chosen(value: Any, table: Iterable[str], what: str) -> str:
    """Returns `value`, which must be one of the strings of `table`; `what` names it in errors."""
    names = list(table)
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")
    if value not in names:
        raise InvalidArgumentError(f"{what} must be one of {names}, not {value!r}")
    return value


def natural(value: Any, what: str, most: int = _UINT32_MAX) -> int:
    """Returns an int from 0 to `most`; `what` names it in errors."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be an int, not {type(value).__name__}") from None
    if not 0 <= number <= most:
        raise InvalidArgumentError(f"{what} must be between 0 and {most}, not {number}")
    return number


class Truncation(NamedTuple):
    """Where and how texts are cut."""

    max_length: int
    stride: int = 0
    strategy: str = "longest_first"
    direction: str = "right"

    @classmethod
    def checked(cls, max_length: Any, stride: Any, strategy: Any, direction: Any, special_tokens: int) -> Truncation:
        """Returns the settings; `special_tokens` is how many of the tokens are special ones.

        Raises
        ------
        InvalidArgumentError
        """
        settings = cls(
            min(as_count(max_length, "max_length"), _UINT32_MAX),
            natural(stride, "stride"),
            chosen(strategy, _ffi.TRUNCATIONS, "strategy"),
            chosen(direction, _ffi.SIDES, "direction"),
        )
        room = settings.max_length - special_tokens
        # As in the package; C refuses what is still too much for a text, which may get fewer special tokens, or more.
        if settings.stride > room >= 0:
            raise InvalidArgumentError(
                f"stride must be less than the {room} tokens that max_length {settings.max_length} leaves "
                f"beside {special_tokens} special ones, not {settings.stride}"
            )
        return settings

    def install(self, options: _ffi.TokenizeOptions) -> None:
        """Sets the fields of an options struct."""
        options.maximum_tokens = self.max_length
        options.stride = self.stride
        options.truncation = _ffi.TRUNCATIONS[self.strategy]
        options.truncation_side = _ffi.SIDES[self.direction]


class Padding(NamedTuple):
    """How long texts shall be, and with what they are filled up."""

    length: Optional[int] = None
    pad_to_multiple_of: Optional[int] = None
    pad_id: int = 0
    pad_token: str = "[PAD]"
    pad_type_id: int = 0
    direction: str = "right"

    @classmethod
    def checked(
        cls, length: Any, pad_to_multiple_of: Any, pad_id: Any, pad_token: Any, pad_type_id: Any, direction: Any
    ) -> Padding:
        """Returns the settings.

        Raises
        ------
        InvalidArgumentError
        """
        if not isinstance(pad_token, str):
            raise TypeError(f"pad_token must be a str, not {type(pad_token).__name__}")
        return cls(
            None if length is None else natural(length, "length"),
            None if pad_to_multiple_of is None else natural(pad_to_multiple_of, "pad_to_multiple_of"),
            natural(pad_id, "pad_id", _INT32_MAX),
            pad_token,
            natural(pad_type_id, "pad_type_id", _INT32_MAX),
            chosen(direction, _ffi.SIDES, "direction"),
        )

    def target(self, longest: int) -> int:
        """Returns the length to pad a batch to, the longest of which has `longest` tokens."""
        target = longest if self.length is None else self.length
        if self.pad_to_multiple_of:
            target += -target % self.pad_to_multiple_of
        return target
