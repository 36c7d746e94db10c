"""Entries of a vocabulary that are found in texts as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True, init=False, repr=False)
class AddedToken:
    """A token that is found in a text before the text is cut into words; as in the PyPI package `tokenizers`.

    Attributes
    ----------
    content : str
        The token.
    single_word : bool
        Found only where no letter, digit or underscore stands beside it.
    lstrip : bool
        Takes the white space on its left along.
    rstrip : bool
        Takes the white space on its right along.
    normalized : bool
        Looked for in the normalized text, not in the text as given. By default what `special` is not.
    special : bool
        Left out by decoders that skip special tokens.
    """

    content: str
    single_word: bool
    lstrip: bool
    rstrip: bool
    normalized: bool
    special: bool

    def __init__(
        self,
        content: str = "",
        *,
        single_word: bool = False,
        lstrip: bool = False,
        rstrip: bool = False,
        normalized: Optional[bool] = None,
        special: bool = False,
    ) -> None:
        if normalized is None:
            normalized = not special
        fields = (content, single_word, lstrip, rstrip, normalized, special)
        for name, value in zip(self.__dataclass_fields__, fields):
            object.__setattr__(self, name, value)

    def __str__(self) -> str:
        return self.content

    def __repr__(self) -> str:
        return (
            f'AddedToken("{self.content}", rstrip={self.rstrip}, lstrip={self.lstrip}, '
            f"single_word={self.single_word}, normalized={self.normalized}, special={self.special})"
        )
