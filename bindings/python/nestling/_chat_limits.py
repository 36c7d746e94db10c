"""What chat templates may take: time, and the size of what they make.

Jinja's sandbox keeps a template from reaching what it should not. It does not keep it from doubling a text forty times,
nor from three loops inside each other. So whatever repeats, and whatever makes a value of others, asks here.
"""

from __future__ import annotations

import contextlib
import contextvars
import re
import time
from collections.abc import Iterable, Iterator
from typing import Any

from .errors import UnsupportedError

#: Characters of a text, and of all texts in a list together; a list itself counts as one, too.
MAXIMUM_SIZE = 1 << 24
#: Lists in lists. Python hashes tuples by recursion, without looking at the depth.
MAXIMUM_DEPTH = 100
#: What a function, a method or a filter is given as a width or count.
MAXIMUM_NUMBER = 1 << 20
#: Processor time. An ordinary chat takes a thousandth of it.
MAXIMUM_SECONDS = 5.0

_CONTAINERS = (list, tuple, dict, set, frozenset)
# The sizes and depths of large containers are remembered: a list of lists costs its length. The container is kept, so
# that its id stays its own. Nothing in the sandbox changes one.
_Known = dict[int, tuple[Any, int, int]]
_deadline: contextvars.ContextVar[float] = contextvars.ContextVar("deadline", default=float("inf"))
_known: contextvars.ContextVar[_Known] = contextvars.ContextVar("known")


@contextlib.contextmanager
def limits() -> Iterator[None]:
    """What happens inside has so much time from now on."""
    before = _deadline.set(time.thread_time() + MAXIMUM_SECONDS)
    known = _known.set({})
    try:
        yield
    finally:
        _known.reset(known)
        _deadline.reset(before)


def step() -> None:
    """Part of every round of a loop, of every call and of every operation."""
    if time.thread_time() > _deadline.get():
        raise UnsupportedError(f"the chat template takes more than {MAXIMUM_SECONDS:g} seconds")


def check_size(size: int) -> None:
    """Refuses what would be larger than anything may be."""
    if size > MAXIMUM_SIZE:
        raise UnsupportedError(f"the chat template makes a value of more than {MAXIMUM_SIZE} characters or elements")


def checked(value: Any) -> Any:
    """Returns a value that a template has made, if it is not too large; iterators are looked at as they go on."""
    if isinstance(value, str):
        check_size(len(value))
    elif isinstance(value, _CONTAINERS):
        _measure(value)
    elif isinstance(value, Iterator):
        return _checked_items(value)
    return value


def _checked_items(items: Iterator[Any]) -> Iterator[Any]:
    total = 0
    for item in items:
        step()
        total += _measure(item)[0]
        check_size(total)
        yield item


def size_of(value: Any) -> int:
    """Returns about how many characters the text of a value has."""
    return _measure(value)[0]


def _measure(value: Any) -> tuple[int, int]:
    """Returns size and depth."""
    if isinstance(value, str):
        return 1 + len(value), 0
    if isinstance(value, int):
        return 1 + value.bit_length() // 3, 0
    if not isinstance(value, _CONTAINERS):
        return 16, 0
    known = _known.get(None)
    found = None if known is None else known.get(id(value))
    if found is not None:
        return found[1], found[2]
    size, depth = 1, 0
    for item in value:
        for part in (item, value[item]) if isinstance(value, dict) else (item,):
            part_size, part_depth = _measure(part)
            size, depth = size + part_size, max(depth, part_depth + 1)
        check_size(size)
        if depth > MAXIMUM_DEPTH:
            raise UnsupportedError(f"the chat template nests lists more than {MAXIMUM_DEPTH} deep")
    if known is not None and size > 256:
        known[id(value)] = (value, size, depth)
    return size, depth


def check_numbers(values: Iterable[Any]) -> None:
    """Refuses widths and counts that no chat needs."""
    for value in values:
        if isinstance(value, int) and abs(value) > MAXIMUM_NUMBER:
            raise UnsupportedError(f"the chat template passes a number beyond {MAXIMUM_NUMBER} to a function")


def check_format(text: str, values: Iterable[Any]) -> None:
    """Refuses formats, of either kind, that make too much: by a width, or by naming a value again and again."""
    given = list(values)
    check_numbers(given)
    if re.search(r"\d{7}", text):
        raise UnsupportedError(f"the chat template formats with a width beyond {MAXIMUM_NUMBER}")
    places = text.count("%") + text.count("{")
    widths = sum(int(width) for width in re.findall(r"\d+", text))
    check_size(len(text) + widths + places * max(map(size_of, given), default=0))


def check_operation(operator: str, left: Any, right: Any) -> None:
    """Refuses an operation whose result would be too large."""
    if operator == "*":
        for values, count in ((left, right), (right, left)):
            if isinstance(values, (str, list, tuple)) and isinstance(count, int):
                check_size(size_of(values) * max(count, 0))
        if isinstance(left, int) and isinstance(right, int):
            check_size(left.bit_length() + right.bit_length())
    elif operator == "**" and isinstance(left, int) and isinstance(right, int):
        # The time of a power rises with the square of its digits.
        check_size((left.bit_length() * abs(right)) ** 2 // 16)
    elif operator == "%" and isinstance(left, str):
        check_format(left, right if isinstance(right, tuple) else (right,))


def joined(parts: Iterable[Any], separator: str = "") -> str:
    """Returns texts, or what has a text, as one."""
    texts = []
    size = 0
    for part in parts:
        text = part if isinstance(part, str) else str(checked(part))
        size += len(text) + len(separator)
        check_size(size)
        texts.append(text)
    return separator.join(texts)


def replaced(text: str, old: str, new: str, count: int = -1) -> str:
    """Returns a text in which another one stands for the first `count` (-1: all) of one."""
    places = text.count(old) if count < 0 else min(text.count(old), count)
    check_size(len(text) + max(len(new) - len(old), 0) * places)
    return text.replace(old, new, count)


def indented(text: str, width: Any = 4, first: bool = False, blank: bool = False) -> str:
    """Returns a text whose lines are indented: the first too if `first`, and empty ones if `blank`."""
    space = width if isinstance(width, str) else " " * int(width)
    lines = (str(text) + "\n").splitlines()
    check_size(len(text) + len(space) * len(lines))
    rest = [space + line if line or blank else line for line in lines[1:]]
    return "\n".join(([space + lines[0] if first else lines[0]] if lines else []) + rest)
