"""Control tokens in messages that are to be text and nothing else.

What comes from outside is marked on its way through the template: a character before and one after each control token,
two that stand in nothing else. Templates see the token between them, so that they still find and split at what they
look for. In the rendered text, what the marks enclose is plain; they themselves go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional

from .errors import InvalidArgumentError

Spans = Callable[[str], "list[tuple[int, int]]"]
#: Signs of Linear A. Unlike private characters they are printable: a list's text spells them as they are.
_MARKS = [chr(code) for code in range(0x10600, 0x10737)]
_USED = re.compile(f"[{_MARKS[0]}-{_MARKS[-1]}]")


class Marks:
    """Two characters that nothing of what is given holds, and the tokens that they are put around.

    Parameters
    ----------
    tokens
        The control tokens.
    given
        Everything that comes from outside, made of nothing but what JSON has.
    spans
        Finds further ranges of a text's characters that become control tokens: spelled otherwise.
    """

    def __init__(self, tokens: Iterable[str], given: Any, spans: Optional[Spans] = None) -> None:
        used: set[str] = set()
        _collect(given, used)
        free = [mark for mark in _MARKS if mark not in used]
        if len(free) < 2:
            raise InvalidArgumentError("the messages hold every sign of Linear A, two of which are needed as marks")
        self.begin, self.end = free[:2]
        longest = sorted(tokens, key=len, reverse=True)
        self._tokens = re.compile("|".join(map(re.escape, longest)) or "(?!)")
        self._spans = spans

    def put(self, value: Any) -> Any:
        """Returns a value with marks around the control tokens of its texts; keys stay as they are."""
        if isinstance(value, str):
            found = [match.span() for match in self._tokens.finditer(value)]
            found += self._spans(value) if self._spans else []
            parts, done = [], 0
            for begin, end in _joined(found, touching=False):
                parts += [value[done:begin], self.begin, value[begin:end], self.end]
                done = end
            return "".join([*parts, value[done:]])
        if isinstance(value, Mapping):
            return {key: self.put(entry) for key, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.put(entry) for entry in value)
        return value

    def take(self, rendered: str) -> tuple[str, list[tuple[int, int]]]:
        """Returns the text without marks, and which ranges of its characters are plain, rising.

        Where a template has cut a token from one of its marks, the other tells. Nothing that spans the place of a mark
        without a token is a token.
        """
        parts = re.split(f"([{self.begin}{self.end}])", rendered)
        texts, marks = parts[::2], parts[1::2]
        text = "".join(texts)
        ranges = []
        place = 0
        for index, mark in enumerate(marks):
            before, after = texts[index], texts[index + 1]
            place += len(before)
            if mark == self.begin:
                match = self._tokens.match(after)
                if marks[index + 1 : index + 2] == [self.end]:
                    ranges.append((place, place + len(after)))
                    continue
                if match:
                    ranges.append((place, place + match.end()))
                    continue
            elif marks[index - 1 : index] == [self.begin]:
                continue
            else:
                ends = [match.start() for match in self._tokens.finditer(before) if match.end() == len(before)]
                if ends:
                    ranges.append((place - len(before) + ends[0], place))
                    continue
            if 0 < place < len(text) and not self._tokens.match(text, place):
                ranges.append((place, place + 1))
        return text, _joined([(begin, end) for begin, end in ranges if begin < end])


def _joined(ranges: list[tuple[int, int]], *, touching: bool = True) -> list[tuple[int, int]]:
    """Returns ranges that rise and do not overlap; `touching` ones become one."""
    result: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if result and begin < result[-1][1] + touching:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((begin, end))
    return result


def _collect(value: Any, used: set[str]) -> None:
    if isinstance(value, str):
        used.update(_USED.findall(value))
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            _collect(key, used)
            _collect(entry, used)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            _collect(entry, used)
