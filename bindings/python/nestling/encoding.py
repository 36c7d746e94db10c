"""The tokens of a text, and where in the text they come from."""

from __future__ import annotations

from typing import Any, Callable, Optional, TypeVar

import numpy as np
import numpy.typing as npt

from . import _ffi
from ._columns import Batch, Columns, Pad, joined
from ._cutting import chosen, natural
from .errors import InvalidArgumentError

_T = TypeVar("_T")


class Encoding:
    """The tokens of one text or pair of texts; every list has one element for each token.

    Names and results are those of ``tokenizers.Encoding``. Lists are made when they are asked for, each time anew.
    `tokens` are the vocabulary entries of the ids, also where an unknown piece or the spaces that an added token took
    along stood in the text. Padding tokens are of no sequence.

    Positions are counted in characters (Unicode code points), in a pair from the beginning of each text. A "word" is a
    piece that the pre-tokenizer made; words, too, are counted in each text by itself.
    """

    # The tokens are _begin ..< _end of _columns, and _before and _after them padding tokens of the kind _pad.
    __slots__ = (
        "_after",
        "_before",
        "_begin",
        "_columns",
        "_end",
        "_names",
        "_overflowing",
        "_pad",
        "_sequences",
        "_spans",
    )

    def __init__(
        self, columns: Columns, begin: int, end: int, sequences: int, names: Callable[[list[int]], list[str]]
    ) -> None:
        self._columns = columns
        self._begin = begin
        self._end = end
        self._before = 0
        self._after = 0
        self._pad = Pad()
        self._sequences = sequences
        # Where each sequence begins and ends, counted from _begin. None: as the columns say. A sequence that is not
        # among them is the whole encoding.
        self._spans: Optional[dict[int, tuple[int, int]]] = None
        self._names = names
        self._overflowing: list[Encoding] = []

    # Lists

    @property
    def ids(self) -> list[int]:
        """Token ids."""
        return self._list(self._columns.ids, self._pad.id)

    @property
    def type_ids(self) -> list[int]:
        """0 for the first text, 1 for the second, in the vocabularies that tell them apart."""
        return self._list(self._columns.type_ids, self._pad.type_id)

    @property
    def tokens(self) -> list[str]:
        """The vocabulary entries of the ids."""
        core = self._names(self._columns.ids[self._begin : self._end].tolist())
        names = self._columns.names
        if names is not None:
            given = names[self._begin : self._end]
            core = [token if name is None else name for name, token in zip(given, core)]
        return self._around(core, self._pad.token)

    @property
    def attention_mask(self) -> list[int]:
        """0 for padding, else 1."""
        if self._columns.attention is None:
            return self._around([1] * (self._end - self._begin), 0)
        return self._list(self._columns.attention, 0)

    @property
    def special_tokens_mask(self) -> list[int]:
        """1 for special tokens that were added, and for padding."""
        return self._list(self._columns.special_mask, 1)

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Which characters of its text each token stands for; (0, 0) for special tokens, and without offsets."""
        starts, ends = self._columns.starts, self._columns.ends
        if starts is None or ends is None:
            return [(0, 0)] * len(self)
        part = slice(self._begin, self._end)
        return self._around(list(zip(starts[part].tolist(), ends[part].tolist())), (0, 0))

    @property
    def word_ids(self) -> list[Optional[int]]:
        """The word of its text that each token is of; None for special tokens."""
        if self._columns.word_ids is None:
            return [None] * len(self)
        values = self._columns.word_ids[self._begin : self._end].tolist()
        return self._around([None if value < 0 else value for value in values], None)

    @property
    def words(self) -> list[Optional[int]]:
        """The same as `word_ids`, under its old name."""
        return self.word_ids

    @property
    def sequence_ids(self) -> list[Optional[int]]:
        """0 for tokens of the first text, 1 for those of the second; None for special tokens."""
        result: list[Optional[int]] = [None] * len(self)
        for sequence in range(self.n_sequences):
            begin, end = self._span(sequence)
            result[begin:end] = [sequence] * (end - begin)
        return result

    @property
    def n_sequences(self) -> int:
        """2 for pairs, else 1."""
        return self._sequences if self._spans is None else max(len(self._spans), 1)

    @property
    def overflowing(self) -> list[Encoding]:
        """The parts that truncation cut off."""
        return [part._copy() for part in self._overflowing]

    def __len__(self) -> int:
        return self._before + self._end - self._begin + self._after

    def __repr__(self) -> str:
        return (
            f"Encoding(num_tokens={len(self)}, attributes=[ids, type_ids, tokens, offsets, attention_mask, "
            "special_tokens_mask, overflowing])"
        )

    def _list(self, column: npt.NDArray[Any], pad: int) -> list[int]:
        values: list[int] = column[self._begin : self._end].tolist()
        return self._around(values, pad)

    def _around(self, core: list[_T], pad: _T) -> list[_T]:
        if self._before or self._after:
            return [pad] * self._before + core + [pad] * self._after
        return core

    # Places

    def char_to_token(self, char_pos: int, sequence_index: int = 0) -> Optional[int]:
        """Returns the token that stands for a character, or None if none does.

        Parameters
        ----------
        char_pos
            Position in the text.
        sequence_index
            0: the first text, 1: the second.
        """
        position = _index(char_pos, "char_pos")
        begin, end = self._span(_index(sequence_index, "sequence_index"))
        starts, ends = self._columns.starts, self._columns.ends
        if starts is None or ends is None:
            return None
        part = self._inner(begin, end)
        hits = (starts[part] <= position) & (position < ends[part])
        first = int(hits.argmax()) if len(hits) else 0
        if not len(hits) or not hits[first]:
            return None
        return first + int(part.start) - self._begin + self._before

    def char_to_word(self, char_pos: int, sequence_index: int = 0) -> Optional[int]:
        """Returns the word that holds a character, or None if none does. Parameters as in `char_to_token`."""
        token = self.char_to_token(char_pos, sequence_index)
        return None if token is None else self.token_to_word(token)

    def token_to_chars(self, token_index: int) -> Optional[tuple[int, int]]:
        """Returns the first character that a token stands for and the one after the last; None for special tokens."""
        token = _index(token_index, "token_index")
        if token >= len(self) or self.token_to_sequence(token) is None:
            return None
        place = token - self._before
        starts, ends = self._columns.starts, self._columns.ends
        if starts is None or ends is None or not 0 <= place < self._end - self._begin:
            return 0, 0
        return int(starts[self._begin + place]), int(ends[self._begin + place])

    def token_to_word(self, token_index: int) -> Optional[int]:
        """Returns the word that a token is of; None for special tokens."""
        token = _index(token_index, "token_index")
        place = token - self._before
        words = self._columns.word_ids
        if words is None or not 0 <= place < self._end - self._begin or self.token_to_sequence(token) is None:
            return None
        word = int(words[self._begin + place])
        return None if word < 0 else word

    def token_to_sequence(self, token_index: int) -> Optional[int]:
        """Returns 0 for a token of the first text, 1 for one of the second; None for special tokens."""
        token = _index(token_index, "token_index")
        if token > len(self):
            return None
        if self._spans is not None and not self._spans:
            return 0
        for sequence in self._known_spans():
            begin, end = self._span(sequence)
            if begin <= token < end:
                return sequence
        return None

    def word_to_tokens(self, word_index: int, sequence_index: int = 0) -> Optional[tuple[int, int]]:
        """Returns the first token of a word and the one after the last, or None if there is no such word.

        Parameters
        ----------
        word_index
            Number of the word in its text.
        sequence_index
            0: the first text, 1: the second.
        """
        word = _index(word_index, "word_index")
        begin, end = self._span(_index(sequence_index, "sequence_index"))
        if self._columns.word_ids is None:
            return None
        part = self._inner(begin, end)
        words = self._columns.word_ids[part]
        # Words count up, but for the whole of a pair they begin again: what comes after a later word is not looked at.
        later = np.flatnonzero(words > word)
        hits = np.flatnonzero(words[: later[0] if len(later) else len(words)] == word)
        if not len(hits):
            return None
        shift = part.start - self._begin + self._before
        return int(hits[0]) + shift, int(hits[-1]) + 1 + shift

    def word_to_chars(self, word_index: int, sequence_index: int = 0) -> Optional[tuple[int, int]]:
        """Returns the first character of a word and the one after the last. Parameters as in `word_to_tokens`."""
        tokens = self.word_to_tokens(word_index, sequence_index)
        starts, ends = self._columns.starts, self._columns.ends
        if tokens is None or starts is None or ends is None:
            return None
        shift = self._begin - self._before
        return int(starts[tokens[0] + shift]), int(ends[tokens[1] - 1 + shift])

    def _known_spans(self) -> dict[int, tuple[int, int]]:
        """Returns where each sequence begins and ends, counted from _begin; empty: one sequence, of all tokens."""
        if self._spans is None:
            part = slice(self._begin, self._end)
            sequences = self._columns.sequence_ids
            if sequences is None:  # one text: what is not special is of it
                sequences = self._columns.special_mask.view(np.int8)
                sequences = -sequences[part]
            else:
                sequences = sequences[part]
            self._spans = {}
            for sequence in range(self._sequences):
                tokens = np.flatnonzero(sequences == sequence)
                self._spans[sequence] = (int(tokens[0]), int(tokens[-1]) + 1) if len(tokens) else (0, 0)
        return self._spans

    def _span(self, sequence: int) -> tuple[int, int]:
        """Returns where a sequence begins and ends, counted from the first token, padding included."""
        span = self._known_spans().get(sequence)
        if span is None:
            return 0, len(self)
        return span[0] + self._before, span[1] + self._before

    def _inner(self, begin: int, end: int) -> slice:
        """Returns the elements of the columns that are tokens begin ..< end, without the padding."""
        first = min(max(begin - self._before, 0) + self._begin, self._end)
        return slice(first, min(max(end - self._before + self._begin, first), self._end))

    # Changes

    def pad(
        self,
        length: int,
        *,
        direction: str = "right",
        pad_id: int = 0,
        pad_type_id: int = 0,
        pad_token: str = "[PAD]",
    ) -> None:
        """Fills this encoding, and the parts that were cut off, up to a length; longer ones stay as they are.

        Parameters
        ----------
        length
            Tokens.
        direction
            "right" or "left": where to put padding tokens.
        pad_id, pad_type_id, pad_token
            What to put there.
        """
        target = natural(length, "length")
        left = chosen(direction, _ffi.SIDES, "direction") == "left"
        if not isinstance(pad_token, str):
            raise TypeError(f"pad_token must be a str, not {type(pad_token).__name__}")
        pad = Pad(natural(pad_id, "pad_id", 2**31 - 1), natural(pad_type_id, "pad_type_id", 2**31 - 1), pad_token)
        self._fill(target, left, pad)

    def _fill(self, target: int, left: bool, pad: Pad) -> None:
        for part in self._overflowing:
            part._fill(target, left, pad)
        missing = target - len(self)
        if missing <= 0:
            return
        if (self._before or self._after) and self._pad != pad:
            self._settle()
        self._pad = pad
        if left:
            self._before += missing
        else:
            self._after += missing

    def truncate(self, max_length: int, stride: int = 0, direction: str = "right") -> None:
        """Cuts this encoding; what is cut off becomes `overflowing`.

        Special tokens are cut as all others, and what was known of sequences is lost: to cut texts, see
        `Tokenizer.enable_truncation`.

        Parameters
        ----------
        max_length
            Tokens to keep.
        stride
            Tokens that each part shares with the part before it; less than max_length.
        direction
            "right" or "left": which end is cut off.
        """
        most = natural(max_length, "max_length")
        shared = natural(stride, "stride")
        left = chosen(direction, _ffi.SIDES, "direction") == "left"
        total = len(self)
        if most >= total:
            return
        if most and shared >= most:
            raise InvalidArgumentError(f"stride must be less than max_length {most}, not {shared}")
        self._settle()
        if most == 0:
            self._overflowing = [self._copy()]
            self._end = self._begin
            self._spans = {}
            return
        bounds = []
        for done in range(0, total, most - shared):
            begin, end = (max(total - done - most, 0), total - done) if left else (done, min(done + most, total))
            bounds.append((begin, end))
            if (begin == 0) if left else (end == total):
                break
        self._spans = {}
        first = self._begin
        self._overflowing = []
        for begin, end in bounds[1:]:
            part = Encoding(self._columns, first + begin, first + end, 1, self._names)
            part._spans = {}
            self._overflowing.append(part)
        self._begin, self._end = first + bounds[0][0], first + bounds[0][1]

    def set_sequence_id(self, sequence_id: int) -> None:
        """Says that all tokens are of one sequence."""
        spans = dict(self._known_spans())
        spans[_index(sequence_id, "sequence_id")] = (-self._before, self._end - self._begin + self._after)
        self._spans = spans

    def _settle(self) -> None:
        """Makes the padding part of columns that belong to this encoding alone."""
        if not self._before and not self._after:
            return
        spans = self._known_spans()
        total = len(self)
        self._columns = joined(self._columns, self._begin, self._end, self._before, self._after, self._pad)
        self._spans = {key: (begin + self._before, end + self._before) for key, (begin, end) in spans.items()}
        self._begin, self._end = 0, total
        self._before = self._after = 0

    def _copy(self) -> Encoding:
        copy = Encoding(self._columns, self._begin, self._end, self._sequences, self._names)
        copy._before, copy._after, copy._pad = self._before, self._after, self._pad
        copy._spans = self._spans
        copy._overflowing = [part._copy() for part in self._overflowing]
        return copy


def _index(value: Any, what: str) -> int:
    return natural(value, what, 2**63 - 1)


def encodings_of(batch: Batch, pairs: Optional[list[bool]], names: Callable[[list[int]], list[str]]) -> list[Encoding]:
    """Returns one encoding for each text, with its parts that were cut off.

    Parameters
    ----------
    batch
        What the texts became.
    pairs
        Which of them are pairs; None: none of them.
    names
        Gives the vocabulary entries of ids.
    """
    columns = batch.columns
    offsets = batch.offsets.tolist()
    parts = batch.parts
    if pairs is None and len(parts) == len(offsets):  # nothing was cut off
        return [Encoding(columns, begin, end, 1, names) for begin, end in zip(offsets, offsets[1:])]
    result = []
    for text in range(len(parts) - 1):
        sequences = 2 if pairs is not None and pairs[text] else 1
        made = [
            Encoding(columns, offsets[part], offsets[part + 1], sequences, names)
            for part in range(parts[text], parts[text + 1])
        ]
        first = made[0]
        first._overflowing = made[1:]
        result.append(first)
    return result
