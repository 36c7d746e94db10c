"""Chats as text: messages, tools and documents through a checkpoint's template."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np

from ._chat_files import ChatTemplate
from ._chat_plain import Marks, Spans
from ._chat_sandbox import render
from .errors import CorruptError, Error, InvalidArgumentError, NotFoundError

#: A message is a mapping with "role" and "content", or an object that has one; a chat is a list of them.
Message = Any
Chat = Sequence[Message]

#: Names under which the reasoning before an answer goes. Templates read the first, or one that came before it.
_REASONING = ("reasoning_content", "thinking", "reasoning")
#: Subclasses bring methods of their own; these conversions do not ask them.
_SCALARS: Any = ((str, str.__str__), (int, int.__int__), (float, float.__float__))
_MARK = "THE-FINAL-MESSAGE-ENDS-HERE"


def chosen_template(
    templates: Optional[ChatTemplate], given: Optional[str], tools: Optional[Iterable[Any]]
) -> tuple[str, type[Error]]:
    """Returns a template's text, and what to raise if it is none.

    Parameters
    ----------
    templates
        Those of the checkpoint.
    given
        A template's text, or the name of one of several. None: "tool_use" if it exists and there are tools, else
        "default".
    tools
        None: there are no tools.
    """
    if given is not None and not isinstance(given, str):
        raise TypeError(f"chat_template must be a str, not {type(given).__name__}")
    if isinstance(templates, dict):
        if given is not None and given in templates:
            return templates[given], CorruptError
        if given is None:
            for name in ("tool_use", "default") if tools is not None else ("default",):
                if name in templates:
                    return templates[name], CorruptError
            names = ", ".join(map(repr, sorted(templates)))
            raise InvalidArgumentError(f"none of the chat templates is the default: name one of {names}")
    if given is not None:
        return given, InvalidArgumentError
    if not isinstance(templates, str):
        raise NotFoundError("the checkpoint has no chat template: pass one as chat_template")
    return templates, CorruptError


def chat_text(
    messages: Chat,
    template: str,
    source: type[Error],
    *,
    tools: Optional[Iterable[Any]],
    documents: Optional[Iterable[Any]],
    add_generation_prompt: bool,
    continue_final_message: Union[bool, str],
    special_tokens: Mapping[str, str],
    variables: Mapping[str, Any],
    control_tokens: Collection[str] = (),
    control_spans: Optional[Spans] = None,
) -> tuple[str, list[tuple[int, int]]]:
    """Returns the text of one chat, and the ranges of its characters that are `control_tokens` of the caller's.

    See `nestling.Tokenizer.apply_chat_template` for the rest.
    """
    given = {
        **_plain(variables),
        "messages": [_message(message, index) for index, message in enumerate(messages)],
        "tools": None if tools is None else [_tool(tool) for tool in tools],
        "documents": None if documents is None else [_mapping(document, "a document") for document in documents],
    }
    if not given["messages"]:
        raise InvalidArgumentError("the chat has no messages")
    marks = Marks(control_tokens, given, control_spans) if control_tokens else None
    given = {
        **special_tokens,
        **(marks.put(given) if marks else given),
        "add_generation_prompt": bool(add_generation_prompt),
    }
    final = _mark_final(given["messages"][-1], template, add_generation_prompt, continue_final_message)
    text = render(template, given, source=source, marks=marks.begin + marks.end if marks else "")
    text = text if final is None else _before_mark(text, final)
    return marks.take(text) if marks else (text, [])


def _mark_final(
    message: dict[str, Any], template: str, add_generation_prompt: bool, continue_final_message: Union[bool, str]
) -> Optional[str]:
    """Puts the mark behind what is to be continued, and returns what that was; None if a message is to be begun."""
    if not continue_final_message:
        return None
    if add_generation_prompt:
        raise InvalidArgumentError(
            "add_generation_prompt begins a new message, continue_final_message goes on with the last: not both"
        )
    field = continue_final_message if isinstance(continue_final_message, str) else "content"
    final = message.get(field)
    if final is None:
        raise InvalidArgumentError(f"continue_final_message: the last message has no {field!r}")
    fields = [field]
    if field in _REASONING:  # the same text under several names, of which the template reads one
        fields = [name for name in _REASONING if message.get(name) == final]
    if not any(name in template for name in fields):
        raise InvalidArgumentError(f"continue_final_message: the chat template does not read {field!r}")
    # The space shows whether the template cuts white space off.
    if isinstance(final, str):
        for name in fields:
            message[name] = final + _MARK + " "
        return final
    for block in reversed(final if isinstance(final, (list, tuple)) else []):
        if isinstance(block, dict) and isinstance(block.get("text"), str):
            text: str = block["text"]
            block["text"] = text + _MARK + " "
            return text
    raise InvalidArgumentError(f"continue_final_message: {field!r} of the last message has no text")


def _before_mark(text: str, final: str) -> str:
    end = text.rfind(_MARK)
    if end < 0 or final.strip() not in text:
        raise InvalidArgumentError("continue_final_message: the chat template changes or leaves out the last message")
    before = text[:end]
    return before if text.startswith(_MARK + " ", end) else before.rstrip()


def _message(message: Message, index: int) -> dict[str, Any]:
    plain = _mapping(message, f"message {index}")
    # None is how interfaces of chats say that there is no such field, and templates would write it as a word.
    fields = {name: value for name, value in plain.items() if value is not None}
    reasoning = next((fields[name] for name in _REASONING if name in fields), None)
    if reasoning is not None:
        fields = {"thinking": reasoning, **fields, "reasoning_content": reasoning}
    return fields


def _tool(tool: Any) -> dict[str, Any]:
    if callable(tool) and not isinstance(tool, Mapping):
        raise TypeError(
            "a tool must be a mapping with its JSON schema, not a function: see transformers.utils.get_json_schema"
        )
    return _mapping(tool, "a tool")


def _mapping(value: Any, what: str) -> dict[str, Any]:
    plain = _plain(value)
    if not isinstance(plain, dict):
        raise TypeError(f"{what} must be a mapping, not {type(value).__name__}")
    return plain


def _plain(value: Any, depth: int = 0) -> Any:
    """Returns a copy made of nothing but what JSON has: other objects have methods that a template might call."""
    if depth > 64:
        raise InvalidArgumentError("the messages are nested more than 64 deep")
    if value is None or isinstance(value, bool):
        return value
    for kind, exactly in _SCALARS:
        if isinstance(value, kind):
            return value if type(value) is kind else exactly(value)
    if isinstance(value, Mapping):
        return {_plain(key, depth + 1): _plain(entry, depth + 1) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry, depth + 1) for entry in value]
    if isinstance(value, tuple):
        return tuple(_plain(entry, depth + 1) for entry in value)
    if isinstance(value, np.generic):
        return _plain(value.item(), depth + 1)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name), depth + 1) for field in dataclasses.fields(value)}
    if callable(getattr(value, "model_dump", None)):  # pydantic
        return _plain(value.model_dump(), depth + 1)
    # Images and the like: templates ask whether they are there, not what they are.
    return f"<{type(value).__name__}>"
