"""What a checkpoint's files say of chats: templates, and the texts of special tokens that templates write."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Optional, Union

from .errors import CorruptError, InputOutputError

#: One template, or several by their names, of which "default" and "tool_use" are chosen by themselves.
ChatTemplate = Union[str, "dict[str, str]"]

SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")

_CONFIG = "tokenizer_config.json"
_TOKENS = "special_tokens_map.json"
_DEFAULT = "chat_template.jinja"
_FOLDER = "additional_chat_templates"
_SUFFIX = ".jinja"


class ChatFiles:
    """The files beside a tokenizer, which are read when a chat first needs them.

    Parameters
    ----------
    source
        A directory, or contents by name. None: there are no such files.
    """

    def __init__(self, source: Union[pathlib.Path, Mapping[str, Any], None]) -> None:
        self._directory = source if isinstance(source, pathlib.Path) else None
        # Only what may be needed: who opens a tokenizer from memory may drop the rest.
        named = source.items() if isinstance(source, Mapping) else ()
        self._contents = {name: bytes(content) for name, content in named if _belongs(name)}

    @classmethod
    def beside(cls, path: Union[str, bytes, os.PathLike[Any]]) -> ChatFiles:
        """Returns the files in a directory, or beside a file."""
        given = pathlib.Path(os.fsdecode(path))
        return cls(given if given.is_dir() else given.parent)

    def read(self) -> ChatSettings:
        """Reads them.

        Raises
        ------
        CorruptError, InputOutputError
        """
        config = self._json(_CONFIG)
        tokens = _special_tokens(config, _CONFIG)
        # Files of today list their added tokens in tokenizer_config.json, and then the older file is not read.
        if "added_tokens_decoder" not in config:
            tokens.update(_special_tokens(self._json(_TOKENS), _TOKENS))
        return ChatSettings(self._template_files() or _template(config.get("chat_template")), tokens)

    def _template_files(self) -> Optional[ChatTemplate]:
        """Returns the templates that have files of their own: they come before those of tokenizer_config.json."""
        templates: dict[str, str] = {}
        default = self._text(_DEFAULT)
        if default is not None:
            templates["default"] = default
        for name in sorted(self._additional()):
            text = self._text(f"{_FOLDER}/{name}{_SUFFIX}")
            if text is not None:
                templates[name] = text
        return templates["default"] if list(templates) == ["default"] else templates or None

    def _additional(self) -> Iterator[str]:
        names: Iterable[str] = (name.partition("/")[2] for name in self._contents if name.startswith(_FOLDER + "/"))
        if self._directory is not None:
            folder = self._directory / _FOLDER
            try:
                names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
            except OSError as error:
                raise InputOutputError(f"{folder}: {error.strerror}") from None
        return (name[: -len(_SUFFIX)] for name in names if name.endswith(_SUFFIX) and "/" not in name)

    def _json(self, name: str) -> dict[str, Any]:
        text = self._text(name)
        if text is None:
            return {}
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CorruptError(f"{name}: {error or 'nested too deeply'}") from None
        if not isinstance(content, dict):
            raise CorruptError(f"{name}: expected an object")
        return content

    def _text(self, name: str) -> Optional[str]:
        content = self._contents.get(name)
        if self._directory is not None:
            path = self._directory / name
            try:
                content = path.read_bytes() if path.is_file() else None
            except OSError as error:
                raise InputOutputError(f"{path}: {error.strerror}") from None
        if content is None:
            return None
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise CorruptError(f"{name}: byte {error.start} is not UTF-8") from None


class ChatSettings(NamedTuple):
    """What `ChatFiles.read` found: the template or templates, and the texts of special tokens by their names."""

    template: Optional[ChatTemplate]
    special_tokens: dict[str, str]


def _belongs(name: str) -> bool:
    return name in (_CONFIG, _TOKENS, _DEFAULT) or (name.startswith(_FOLDER + "/") and name.endswith(_SUFFIX))


def _special_tokens(config: Mapping[str, Any], file: str) -> dict[str, str]:
    """Returns the named special tokens of a file: a text each, or an object with its content."""
    named = {name: config[name] for name in SPECIAL_TOKENS if config.get(name) is not None}
    own = config.get("extra_special_tokens")
    if isinstance(own, Mapping):  # those that only this model has; a list of them has no names
        named.update(own)
    tokens = {}
    for name, value in named.items():
        text = value.get("content") if isinstance(value, Mapping) else value
        if not isinstance(text, str):
            raise CorruptError(f"{file}: {name!r} is neither a text nor an object with its content")
        tokens[name] = text
    return tokens


def _template(given: Any) -> Optional[ChatTemplate]:
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, list):
        entries: Any = [(entry.get("name"), entry.get("template")) for entry in given if isinstance(entry, Mapping)]
        if len(entries) == len(given) and all(isinstance(part, str) for entry in entries for part in entry):
            return dict(entries)
    raise CorruptError(f"{_CONFIG}: 'chat_template' is neither a text nor a list of objects with 'name' and 'template'")
