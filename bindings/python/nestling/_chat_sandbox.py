"""Jinja's sandbox as chat templates expect it: a template comes from whoever made the checkpoint.

The settings, filters and functions are those that transformers gives templates. Jinja is imported with the first one.
"""

from __future__ import annotations

import contextvars
import datetime
import functools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional

from . import _chat_limits as limit
from .errors import CorruptError, Error, InvalidArgumentError, OutOfMemoryError, UnsupportedError

#: Templates can leave the sandbox of older ones.
_OLDEST = (3, 1, 6)
#: What makes much of little and is no part of chats.
_UNSAFE_METHODS = frozenset({"encode", "expandtabs", "format_map", "maketrans", "translate"})
_UNSAFE_FILTERS = ("pprint", "random", "urlize", "wordwrap", "xmlattr")
_FILTERS_WITH_WIDTHS = frozenset({"batch", "center", "slice", "truncate"})


#: Characters that JSON leaves as they are.
_marks: contextvars.ContextVar[str] = contextvars.ContextVar("marks", default="")


def render(template: str, variables: Mapping[str, Any], *, source: type[Error] = CorruptError, marks: str = "") -> str:
    """Returns the text that a template makes.

    Parameters
    ----------
    template
        Its text.
    variables
        Plain values only: what they can do, the template can do.
    source
        What to raise for a text that is no template.
    marks
        Characters in the variables that only the caller knows of, and that no filter may spell in another way.

    Raises
    ------
    InvalidArgumentError
        If the template does not fit the variables, or says so itself.
    CorruptError
        If it tries what templates may not.
    UnsupportedError
        If it takes too long, or makes too much.
    ImportError
        If Jinja is missing.
    """
    jinja2 = _jinja()
    with limit.limits():
        try:
            compiled = _compiled(template)
            before = _marks.set(marks)
        except jinja2.TemplateSyntaxError as error:
            raise source(f"the chat template is no Jinja: line {error.lineno}: {_line(error)}") from None
        except Error:
            raise
        except Exception as error:  # nested more deeply than Jinja or Python's compiler can go
            raise source(f"the chat template cannot be compiled: {_line(error)}") from None
        try:
            text: str = compiled.render(variables)
            return text
        except Error:
            raise
        except jinja2.sandbox.SecurityError as error:
            raise CorruptError(f"the chat template{_place(error)} does what it may not: {_line(error)}") from None
        except RecursionError:
            raise UnsupportedError("the chat template calls itself without end") from None
        except OverflowError as error:
            raise UnsupportedError(f"the chat template{_place(error)} goes too far: {_line(error)}") from None
        except MemoryError:
            raise OutOfMemoryError("the chat template needs more memory than there is") from None
        except Exception as error:
            raise InvalidArgumentError(
                f"the chat template{_place(error)} cannot be applied to these messages: {_line(error)}"
            ) from None
        finally:
            _marks.reset(before)


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 400 else text[:400] + "..."


def _place(error: BaseException) -> str:
    """Returns where in a template an error arose, which Jinja writes into the traceback."""
    line, level = 0, error.__traceback__
    while level is not None:
        if level.tb_frame.f_code.co_filename == "<template>":
            line = level.tb_lineno
        level = level.tb_next
    return f", line {line}," if line else ""


@functools.lru_cache(maxsize=1)
def _jinja() -> Any:
    try:
        import jinja2
        import jinja2.ext
        import jinja2.sandbox
        import jinja2.visitor
    except ImportError:
        raise ImportError(
            "chat templates need the package jinja2, which is not installed: pip install 'nestling[chat]'"
        ) from None
    found = tuple(int(part) for part in re.findall(r"\d+", jinja2.__version__)[:3])
    if found < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise ImportError(f"chat templates need jinja2 {oldest} or later, not {jinja2.__version__}")
    return jinja2


@functools.lru_cache(maxsize=16)
def _compiled(template: str) -> Any:
    return _environment().from_string(template)


# What templates find by name


def _to_json(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """Unlike Jinja's own, escapes nothing that only matters in HTML."""
    spaces = indent if isinstance(indent, int) else len(indent or "")
    if spaces > 64 or any(len(separator) > 64 for separator in separators or ()):
        raise UnsupportedError("the chat template indents JSON by more than 64 characters")
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators, sort_keys=sort_keys)
    if not ensure_ascii or (text.isascii() and "\x7f" not in text):
        return text
    # What is not ASCII stands inside of strings only.
    marks = _marks.get()
    return "".join(letter if letter < "\x7f" or letter in marks else json.dumps(letter)[1:-1] for letter in text)


def _now(format: str) -> str:
    limit.check_format(str(format), ())
    return datetime.datetime.now().strftime(format)


def _replace(text: Any, old: Any, new: Any, count: Optional[int] = None) -> str:
    return limit.replaced(str(text), str(old), str(new), -1 if count is None else count)


def _format(text: Any, *arguments: Any, **named: Any) -> str:
    limit.check_format(str(text), [*arguments, *named.values()])
    return str(text) % (named or arguments)


def _sum(values: Iterable[Any], attribute: Any = None, start: Any = 0) -> Any:
    if attribute is not None or not isinstance(start, (int, float)):
        raise UnsupportedError("the chat template sums up what are no numbers")
    return sum(values, start)


class _Dict:
    """What templates know as ``dict``: not the type, through which they could look further."""

    def __call__(self, *arguments: Any, **named: Any) -> dict[Any, Any]:
        return dict(*arguments, **named)

    def fromkeys(self, keys: Iterable[Any], value: Any = None) -> dict[Any, Any]:
        return dict.fromkeys(keys, value)


def _limited(function: Callable[..., Any], widths: bool = False) -> Callable[..., Any]:
    """Returns a filter or test that takes time, and whose result is looked at."""

    @functools.wraps(function)  # and with it what Jinja passes first
    def limited(*arguments: Any, **named: Any) -> Any:
        limit.step()
        if widths:
            limit.check_numbers([*arguments[1:], *named.values()])
        return limit.checked(function(*arguments, **named))

    return limited


@functools.lru_cache(maxsize=1)
def _environment() -> Any:
    jinja2 = _jinja()
    nodes = jinja2.nodes

    def checked(expression: Any, filter: str = "checked") -> Any:
        return nodes.Filter(expression, filter, [], [], None, None).set_lineno(expression.lineno)

    class Limits(jinja2.visitor.NodeTransformer):  # type: ignore[name-defined,misc]
        """Lets every round of a loop, and everything that makes or compares values, ask for permission."""

        def visit_For(self, node: Any) -> Any:
            self.generic_visit(node)
            yes = nodes.Const(True).set_lineno(node.lineno)
            node.body.insert(0, nodes.ExprStmt(checked(yes)).set_lineno(node.lineno))
            if node.test is not None:
                node.test = nodes.And(checked(yes), node.test).set_lineno(node.lineno)
            return node

        def visit_Concat(self, node: Any) -> Any:
            self.generic_visit(node)
            return checked(nodes.List(node.nodes).set_lineno(node.lineno), "concatenated")

        def visit_Compare(self, node: Any) -> Any:
            self.generic_visit(node)
            node.expr = checked(node.expr)
            return node

        def visit_List(self, node: Any) -> Any:
            self.generic_visit(node)
            return checked(node)

        def visit_Tuple(self, node: Any) -> Any:
            self.generic_visit(node)
            return checked(node) if node.ctx == "load" else node

        visit_Dict = visit_List

    class Generation(jinja2.ext.Extension):  # type: ignore[name-defined,misc]
        """``{% generation %}`` marks what the assistant says, for training; here it is text like any other."""

        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body).set_lineno(line)

    def check_name(name: Any) -> None:
        if not isinstance(name, str) or name.startswith("_"):
            raise jinja2.sandbox.SecurityError(f"a namespace has no names that begin with an underscore: {name!r}")

    class Namespace(jinja2.utils.Namespace):  # type: ignore[name-defined,misc]
        """Without the names that Python itself asks objects for; its text does not tell what is in it."""

        def __init__(*arguments: Any, **named: Any) -> None:
            values = dict(*arguments[1:], **named)
            for name in values:
                check_name(name)
            jinja2.utils.Namespace.__init__(arguments[0], values)

        def __setitem__(self, name: str, value: Any) -> None:
            check_name(name)
            super().__setitem__(name, value)

        def __repr__(self) -> str:
            return "<Namespace>"

    class Environment(jinja2.sandbox.ImmutableSandboxedEnvironment):  # type: ignore[name-defined,misc]
        intercepted_binops = frozenset({"+", "*", "**", "%"})
        concat = staticmethod(limit.joined)

        def _generate(self, source: Any, *arguments: Any, **named: Any) -> Any:
            Limits().visit(source)
            source.set_environment(self)
            return super()._generate(source, *arguments, **named)

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            if isinstance(obj, str) and attr in _UNSAFE_METHODS:
                return False
            return bool(super().is_safe_attribute(obj, attr, value))

        def wrap_str_format(self, value: Any) -> Any:
            format = super().wrap_str_format(value)
            if format is None:
                return None

            def limited(*arguments: Any, **named: Any) -> Any:
                limit.check_format(value.__self__, [*arguments, *named.values()])
                return format(*arguments, **named)

            return limited

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            limit.step()
            limit.check_operation(operator, left, right)
            return limit.checked(super().call_binop(context, operator, left, right))

        def call(__self, __context: Any, __obj: Any, *arguments: Any, **named: Any) -> Any:
            limit.step()
            owner, name = getattr(__obj, "__self__", None), getattr(__obj, "__name__", "")
            if isinstance(owner, str):
                # Without what Jinja itself passes in loops and blocks.
                given = {name: value for name, value in named.items() if name not in ("_loop_vars", "_block_vars")}
                limit.check_numbers([*arguments, *given.values()])
                if name == "join" and len(arguments) == 1:
                    return limit.joined(_texts(arguments[0]), owner)
                if name == "replace" and len(arguments) >= 2 and all(isinstance(text, str) for text in arguments[:2]):
                    return limit.replaced(owner, *arguments, **given)
            elif __obj is __self.globals["range"]:
                limit.check_numbers(arguments)
            return limit.checked(super().call(__context, __obj, *arguments, **named))

    @jinja2.pass_environment  # type: ignore[untyped-decorator]
    def join(environment: Any, values: Iterable[Any], d: Any = "", attribute: Any = None) -> str:
        if attribute is not None:
            values = map(jinja2.filters.make_attrgetter(environment, attribute), values)
        return limit.joined(values, str(d))

    # A filter that takes the context is not worked out when the template is compiled.
    @jinja2.pass_context  # type: ignore[untyped-decorator]
    def check(_: Any, value: Any) -> Any:
        limit.step()
        return limit.checked(value)

    @jinja2.pass_context  # type: ignore[untyped-decorator]
    def concatenated(_: Any, values: list[Any]) -> str:
        return limit.joined(values)

    def fail(message: Any) -> None:
        raise jinja2.TemplateError(str(message))

    environment = Environment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    filters = environment.filters
    filters.update(tojson=_to_json, replace=_replace, format=_format, sum=_sum, join=join, indent=limit.indented)
    for name in _UNSAFE_FILTERS:
        del filters[name]
    for name, function in filters.items():
        filters[name] = _limited(function, name in _FILTERS_WITH_WIDTHS)
    for name, function in environment.tests.items():
        environment.tests[name] = _limited(function)
    filters.update(checked=check, concatenated=concatenated)
    environment.globals.update(raise_exception=fail, strftime_now=_now, dict=_Dict(), namespace=Namespace)
    del environment.globals["lipsum"]
    return environment


def _texts(values: Iterable[Any]) -> Iterable[str]:
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise TypeError(f"sequence item {index}: expected str instance, {type(value).__name__} found")
        yield value
