"""Text to token ids and back."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _ffi
from ._arrays import (
    Tokens,
    as_count,
    check_text,
    encode_path,
    encode_string,
    encode_utf8,
    memory_files,
    one_sequence,
    pointer,
    ragged,
    texts_and_pairs,
)
from ._chat import Chat, chat_text, chosen_template
from ._chat_files import ChatFiles, ChatSettings, ChatTemplate
from ._chat_ids import encode_plain
from ._chat_plain import Spans
from ._columns import Pad, encode_batch
from ._cutting import Padding, Truncation
from ._handles import Handle, own_tokenizer, read_json, read_text
from ._library import library
from ._single import encode_single
from .added_token import AddedToken
from .encoding import Encoding, encodings_of
from .errors import BufferTooSmallError, InvalidArgumentError, NotFoundError, UnsupportedError

#: What one entry of a batch may be.
TextInput = Union[str, "tuple[str, str]", "list[str]"]

_UINT32_MAX = 2**32 - 1


class Tokenizer:
    """Text to token ids and back, with the names and results of ``tokenizers.Tokenizer``.

    Made by `from_file`, `from_pretrained`, `from_str`, `from_buffer`, `from_files`, or as `nestling.Model.tokenizer`.

    Many files ask for truncation or padding. Neither is applied by itself, because models here cut texts themselves
    and never pad: `truncation` and `padding`, which tell what is in force, are None at first. What the file asks for is
    told by `stored_truncation` and `stored_padding`, so

        if tokenizer.stored_padding:
            tokenizer.enable_padding(**tokenizer.stored_padding)

    gives what the package gives, and likewise with `enable_truncation`. Both concern the encodings that this object
    makes, not what models make of texts.

    Any number of threads may use one tokenizer at once, and calls release the GIL. `enable_truncation` and the like are
    for one thread, before.
    """

    def __init__(self, handle: Handle, chat_files: Optional[ChatFiles] = None) -> None:
        self._handle = handle
        self._chat_files = chat_files or ChatFiles(None)
        self._chat_settings: Optional[ChatSettings] = None
        self._truncation: Optional[Truncation] = None
        self._padding: Optional[Padding] = None
        self._description: Optional[dict[str, Any]] = None
        # Vocabulary entries that have been asked for; two threads may both look one up: they get the same.
        self._entries: dict[int, str] = {}

    # Opening

    @classmethod
    def from_file(cls, path: Union[str, os.PathLike[str]]) -> Tokenizer:
        """Opens a ``tokenizer.json``, a ``vocab.txt`` or a SentencePiece model (``tokenizer.model``).

        Raises
        ------
        NotFoundError, InputOutputError, CorruptError, UnsupportedError
        """
        opened = ctypes.POINTER(_ffi.TokenizerHandle)()
        library.nestling_tokenizer_open(encode_path(path), ctypes.byref(opened))
        return cls(own_tokenizer(opened), ChatFiles.beside(path))

    @classmethod
    def from_pretrained(cls, directory: Union[str, os.PathLike[str]]) -> Tokenizer:
        """Opens the tokenizer of a checkpoint directory. Nothing is downloaded.

        Raises
        ------
        NotFoundError, InputOutputError, CorruptError, UnsupportedError
        """
        return cls.from_file(directory)

    @classmethod
    def from_buffer(cls, buffer: Union[bytes, bytearray, memoryview]) -> Tokenizer:
        """Opens a ``tokenizer.json`` or SentencePiece model that lies in memory; the bytes are not needed afterwards.

        Raises
        ------
        CorruptError, UnsupportedError
        """
        content = np.frombuffer(buffer, dtype=np.uint8)
        opened = ctypes.POINTER(_ffi.TokenizerHandle)()
        library.nestling_tokenizer_open_memory(content.ctypes.data, content.size, ctypes.byref(opened))
        return cls(own_tokenizer(opened))

    @classmethod
    def from_str(cls, json: str) -> Tokenizer:
        """Opens the text of a ``tokenizer.json``. Raises CorruptError, UnsupportedError."""
        if not isinstance(json, str):
            raise TypeError(f"json must be a str, not {type(json).__name__}")
        return cls.from_buffer(encode_utf8(json, "json"))

    @classmethod
    def from_files(cls, files: Mapping[str, Any]) -> Tokenizer:
        """Opens a tokenizer whose files lie in memory.

        Parameters
        ----------
        files
            Contents (bytes, or anything with a contiguous buffer) by name as in the directory of a checkpoint, for
            example ``{"vocab.json": ..., "merges.txt": ..., "tokenizer_config.json": ...}``. They are not needed
            afterwards; files that belong to no tokenizer are ignored.

        Raises
        ------
        NotFoundError, CorruptError, UnsupportedError
        """
        array, contents = memory_files(files)
        opened = ctypes.POINTER(_ffi.TokenizerHandle)()
        library.nestling_tokenizer_open_files(array, len(contents), ctypes.byref(opened))
        return cls(own_tokenizer(opened), ChatFiles(files))

    # Encoding

    def encode(
        self,
        sequence: str,
        pair: Optional[str] = None,
        is_pretokenized: bool = False,
        add_special_tokens: bool = True,
        *,
        max_length: Optional[int] = None,
    ) -> Encoding:
        """Turns a text into token ids.

        Parameters
        ----------
        sequence
            The text. May hold NUL characters, but no lone surrogates.
        pair
            The second text of a pair.
        is_pretokenized
            Must be False: texts that somebody else cut into words are not supported.
        add_special_tokens
            Add what the checkpoint's post-processor adds, such as [CLS] and [SEP].
        max_length
            Cut to this many tokens, special ones included, whatever `truncation` says of the length. None: as
            `truncation` says.

        Raises
        ------
        InvalidArgumentError
            For lone surrogates, and for texts that cannot be cut as `truncation` says.
        UnsupportedError
        """
        _refuse_words(is_pretokenized)
        check_text(sequence, "sequence")
        if pair is None and max_length is None and self._truncation is None and self._padding is None:
            made = encode_single(self._handle, sequence, bool(add_special_tokens))
            if made is not None:
                return Encoding(made[0], 0, made[1], 1, self._tokens)
        seconds: Optional[list[Optional[str]]] = None
        if pair is not None:
            check_text(pair, "pair")
            seconds = [pair]
        return self._encodings([sequence], seconds, add_special_tokens, max_length, "characters")[0]

    def encode_batch(
        self,
        input: Iterable[TextInput],
        is_pretokenized: bool = False,
        add_special_tokens: bool = True,
        *,
        max_length: Optional[int] = None,
    ) -> list[Encoding]:
        """Turns texts, or pairs (str, str), into token ids, on as many threads as `nestling.get_thread_count` says.

        Each gets what `encode` would give it. With padding in force, they get the length of the longest. Otherwise the
        parameters are those of `encode`.
        """
        _refuse_words(is_pretokenized)
        texts, seconds = texts_and_pairs(input)
        return self._encodings(texts, seconds, add_special_tokens, max_length, "characters")

    def encode_batch_fast(
        self,
        input: Iterable[TextInput],
        is_pretokenized: bool = False,
        add_special_tokens: bool = True,
        *,
        max_length: Optional[int] = None,
    ) -> list[Encoding]:
        """Does what `encode_batch` does, without finding out offsets and words: offsets are (0, 0), words None."""
        _refuse_words(is_pretokenized)
        texts, seconds = texts_and_pairs(input)
        # Which token of a pair is of which text is part of the details.
        details = "none" if seconds is None else "bytes"
        return self._encodings(texts, seconds, add_special_tokens, max_length, details, places=False)

    def encode_ids(
        self, text: str, *, add_special_tokens: bool = True, max_length: Optional[int] = None
    ) -> npt.NDArray[np.int32]:
        """Turns a text into token ids, int32 [length], without padding; otherwise as `encode`."""
        check_text(text, "text")
        data = encode_utf8(text, "text")
        options = self._options(add_special_tokens, max_length, self._truncation)
        # Nearly always enough: one token per byte and a few special ones. Normalizers may expand characters.
        capacity = len(data) + 8
        while True:
            ids = np.empty(capacity, np.int32)
            count = ctypes.c_size_t(capacity)
            arguments = (ctypes.byref(options), pointer(ids, ctypes.c_int32), None, ctypes.byref(count))
            try:
                library.nestling_tokenizer_encode(self._handle, data, len(data), *arguments)
            except BufferTooSmallError:
                capacity = count.value
                continue
            return ids[: count.value].copy()

    def encode_batch_ids(
        self, texts: Iterable[str], *, add_special_tokens: bool = True, max_length: Optional[int] = None
    ) -> list[npt.NDArray[np.int32]]:
        """Turns texts into token ids, for each int32 [length]; without padding, as `encode_ids`, but on threads."""
        given = list(texts)
        for index, text in enumerate(given):
            check_text(text, f"text {index}")
        batch = encode_batch(self._handle, given, None, self._options(add_special_tokens, max_length, self._truncation))
        ids = batch.columns.ids.copy()
        ends = batch.offsets.tolist()
        return [ids[begin:end] for begin, end in zip(ends, ends[1:])]

    def _ragged(self, texts: Sequence[str], max_length: Optional[int], *, add_special_tokens: bool = True) -> Tokens:
        """Returns the token ids of texts as models run them: whatever truncation is in force here is left alone."""
        for index, text in enumerate(texts):
            check_text(text, f"text {index}")
        options = self._options(add_special_tokens, max_length, None)
        batch = encode_batch(self._handle, texts, None, options)
        return Tokens(batch.columns.ids, batch.offsets)

    def _options(
        self, special: bool, max_length: Optional[int], truncation: Optional[Truncation]
    ) -> _ffi.TokenizeOptions:
        options = _ffi.TokenizeOptions(special_tokens=1 if special else -1)
        if truncation is not None:
            truncation.install(options)
        if max_length is not None:
            options.maximum_tokens = min(as_count(max_length, "max_length"), _UINT32_MAX)
        return options

    def _encodings(
        self,
        texts: list[str],
        seconds: Optional[list[Optional[str]]],
        special: bool,
        max_length: Optional[int],
        details: str,
        *,
        places: bool = True,
    ) -> list[Encoding]:
        options = self._options(special, max_length, self._truncation)
        options.details = _ffi.DETAILS[details]
        options.overflowing = 0 if self._truncation is None else 1
        batch = encode_batch(self._handle, texts, seconds, options, places=places)
        pairs = None if seconds is None else [second is not None for second in seconds]
        result = encodings_of(batch, pairs, self._tokens)
        if self._padding is not None and result:
            padding = self._padding
            target = padding.target(max(map(len, result)))
            pad = Pad(padding.pad_id, padding.pad_type_id, padding.pad_token)
            for encoding in result:
                encoding._fill(target, padding.direction == "left", pad)
        return result

    # Decoding

    def decode(self, ids: Any, skip_special_tokens: bool = True) -> str:
        """Turns token ids into text; ids past the vocabulary are left out.

        Parameters
        ----------
        ids
            List or array of integers, [length].
        skip_special_tokens
            Leave special tokens out.
        """
        array = one_sequence(ids, "token ids")
        return read_text(
            lambda buffer, count: library.nestling_tokenizer_decode(
                self._handle, pointer(array, ctypes.c_int32), len(array), int(bool(skip_special_tokens)), buffer, count
            ),
            guess=16 * len(array) + 64,
        )

    def decode_batch(self, sequences: Iterable[Any], skip_special_tokens: bool = True) -> list[str]:
        """Turns sequences of token ids into texts, each as `decode` does, on threads."""
        batch = ragged(sequences, "token ids")
        ends = (ctypes.c_size_t * (batch.count + 1))()
        capacity = 8 * batch.size + 64
        while True:
            buffer = ctypes.create_string_buffer(capacity)
            count = ctypes.c_size_t(capacity)
            try:
                library.nestling_tokenizer_decode_batch(
                    self._handle,
                    pointer(batch.ids, ctypes.c_int32),
                    pointer(batch.offsets, ctypes.c_size_t),
                    batch.count,
                    int(bool(skip_special_tokens)),
                    buffer,
                    ctypes.byref(count),
                    ends,
                )
            except BufferTooSmallError:
                capacity = count.value
                continue
            data = buffer.raw
            return [data[begin:end].decode("utf-8", "replace") for begin, end in zip(ends, ends[1:])]

    # Vocabulary

    def token_to_id(self, token: str) -> Optional[int]:
        """Returns the id of a vocabulary entry, or None if there is no such entry."""
        if isinstance(token, str) and "\0" in token:  # C reads up to the first NUL
            return self.get_vocab().get(token)
        found = ctypes.c_int32()
        try:
            library.nestling_tokenizer_token_to_id(self._handle, encode_string(token, "token"), ctypes.byref(found))
        except NotFoundError:
            return None
        return found.value

    def id_to_token(self, id: int) -> Optional[str]:
        """Returns the vocabulary entry of an id, or None if the id is not in the vocabulary."""
        number = int(one_sequence([id], "id")[0])
        token = self._entries.get(number)
        if token is None:
            try:
                token = read_text(
                    lambda buffer, count: library.nestling_tokenizer_id_to_token(self._handle, number, buffer, count),
                    guess=64,
                )
            except NotFoundError:
                return None
            self._entries[number] = token
        return token

    def _tokens(self, ids: list[int]) -> list[str]:
        entries = self._entries
        for id in set(ids).difference(entries):
            self.id_to_token(id)
        return [entries.get(id, "") for id in ids]

    def get_vocab(self, with_added_tokens: bool = True) -> dict[str, int]:
        """Returns the ids of all vocabulary entries, in the order of their ids.

        Parameters
        ----------
        with_added_tokens
            False leaves those added tokens out that the model of the vocabulary does not know.
        """
        description = self._describe()
        size = description["vocabulary_size"]
        added = [entry["id"] for entry in description["added_tokens"]]
        # Added tokens that the model does not know got their ids after all others.
        own = description["vocabulary_size_without_added"]
        foreign = set(sorted(added)[len(added) - (size - own) :] if size > own else ())
        found: dict[int, str] = {id: self.id_to_token(id) or "" for id in added}
        # Ids may have gaps; a vocabulary whose gaps are larger than itself is no vocabulary.
        for id in range(2 * size + 65536):
            if len(found) >= size:
                break
            token = self.id_to_token(id)
            if token is not None:
                found[id] = token
        return {found[id]: id for id in sorted(found) if with_added_tokens or id not in foreign}

    def get_vocab_size(self, with_added_tokens: bool = True) -> int:
        """Returns how many entries the vocabulary has; parameter as in `get_vocab`."""
        if with_added_tokens:
            return int(library.nestling_tokenizer_vocabulary_size(self._handle))
        return int(self._describe()["vocabulary_size_without_added"])

    def get_added_tokens_decoder(self) -> dict[int, AddedToken]:
        """Returns the added tokens by their ids."""
        return {
            entry["id"]: AddedToken(**{name: value for name, value in entry.items() if name in _TOKEN_FIELDS})
            for entry in self._describe()["added_tokens"]
        }

    def num_special_tokens_to_add(self, is_pair: bool) -> int:
        """Returns how many special tokens `encode` adds to a text, or to a pair of texts."""
        return int(self._describe()["special_tokens_to_add"]["pair" if is_pair else "single"])

    def _describe(self) -> dict[str, Any]:
        if self._description is None:
            self._description = read_json(
                lambda buffer, count: library.nestling_tokenizer_describe(self._handle, buffer, count)
            )
        return self._description

    # Chats

    @property
    def chat_template(self) -> Optional[ChatTemplate]:
        """The checkpoint's chat template, several by their names, or None; may be set.

        Read from ``chat_template.jinja`` and ``additional_chat_templates/*.jinja``, or else tokenizer_config.json.
        """
        return self._chat.template

    @chat_template.setter
    def chat_template(self, template: Optional[ChatTemplate]) -> None:
        self._chat_settings = self._chat._replace(template=template)

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """The texts of special tokens by the names under which chat templates know them: "bos_token", "eos_token"..."""
        return dict(self._chat.special_tokens)

    @property
    def _chat(self) -> ChatSettings:
        if self._chat_settings is None:
            self._chat_settings = self._chat_files.read()
        return self._chat_settings

    def get_chat_template(self, chat_template: Optional[str] = None, tools: Optional[Iterable[Any]] = None) -> str:
        """Returns the text of the template that `apply_chat_template` takes; parameters as there.

        Raises
        ------
        NotFoundError
            If the checkpoint has none.
        """
        return chosen_template(self.chat_template, chat_template, tools)[0]

    def apply_chat_template(
        self,
        conversation: Union[Chat, Sequence[Chat]],
        tools: Optional[Iterable[Any]] = None,
        documents: Optional[Iterable[Any]] = None,
        chat_template: Optional[str] = None,
        add_generation_prompt: bool = False,
        continue_final_message: Union[bool, str] = False,
        tokenize: bool = True,
        sanitize_control_tokens: bool = False,
        return_dict: bool = False,
        **variables: Any,
    ) -> Any:
        """Makes of a chat what the model was trained on, as transformers does. Needs the package jinja2.

        Special tokens that stand in a message are found like those that the template writes, so that text of strangers
        can end its message and begin one of another role, unless `sanitize_control_tokens` is set.

        Parameters
        ----------
        conversation
            Messages, each ``{"role": ..., "content": ...}`` and whatever else the template reads; or a list of chats.
        tools
            What the model may call: JSON schemas as mappings.
        documents
            What it may look up: mappings with "title" and "text".
        chat_template
            A template's text, or the name of one of several. None: the checkpoint's; of several "tool_use" if there are
            tools, else "default".
        add_generation_prompt
            End with what begins an answer.
        continue_final_message
            End with the last message's content, which the model is to continue. A str: with that field of it.
        tokenize
            Return token ids. The template writes special tokens itself, so none are added.
        sanitize_control_tokens
            Control tokens in what is given (messages, tools, documents, variables) are text and nothing else: special
            tokens, and added ones that the template writes. The ids are those of a tokenizer that does not know them.
            What the template itself puts together of what is given, and keys of mappings, are left alone.
        return_dict
            Return a mapping with "input_ids" and "attention_mask".
        variables
            Further variables of the template, such as ``enable_thinking``; they replace special tokens of that name.

        Returns
        -------
        list of int, or str without `tokenize`; a list of them for several chats

        Raises
        ------
        NotFoundError
            If the checkpoint has no chat template.
        InvalidArgumentError
            If the messages do not fit the template, which may say so itself.
        CorruptError
            If the template is no Jinja, or does what templates may not.
        UnsupportedError
            If the template takes more than 5 seconds, or makes more than 16 million characters.
        ImportError
            If jinja2 is missing.
        """
        for name in _NOT_OF_CHATS:
            if variables.pop(name, None):
                raise UnsupportedError(f"apply_chat_template has no {name}")
        template, source = chosen_template(self.chat_template, chat_template, tools)
        if isinstance(conversation, (str, bytes, Mapping)):
            raise TypeError(f"expected a list of messages, not one {type(conversation).__name__}")
        given = list(conversation)
        single = not given or not all(isinstance(chat, (list, tuple)) for chat in given)
        if sanitize_control_tokens and not tokenize:
            raise InvalidArgumentError(
                "sanitize_control_tokens=True needs tokenize=True: a text does not tell its tokens"
            )
        controls = self._control_tokens(template) if sanitize_control_tokens else {}
        control_tokens = {token.content: id for id, token in controls.items()}
        # Tokens that are found in normalized text have more than one spelling.
        spans = self._control_spans(controls) if any(token.normalized for token in controls.values()) else None
        chats = [
            chat_text(
                chat,
                template,
                source,
                tools=tools,
                documents=documents,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=continue_final_message,
                special_tokens=self._chat.special_tokens,
                variables=variables,
                control_tokens=control_tokens,
                control_spans=spans,
            )
            for chat in ([given] if single else given)
        ]
        if not tokenize:
            return chats[0][0] if single else [text for text, _ in chats]
        ids = [encode_plain(self._handle, text, plain, control_tokens) for text, plain in chats]
        if return_dict:
            masks = [[1] * len(row) for row in ids]
            return {"input_ids": ids[0] if single else ids, "attention_mask": masks[0] if single else masks}
        return ids[0] if single else ids

    def _control_tokens(self, template: str) -> dict[int, AddedToken]:
        """Returns the tokens with which the texts of strangers could do harm."""
        return {
            id: token
            for id, token in self.get_added_tokens_decoder().items()
            if token.special or (token.content in template and not token.content.isspace())
        }

    def _control_spans(self, controls: Mapping[int, AddedToken]) -> Spans:
        options = self._options(False, None, None)
        options.details = _ffi.DETAILS["characters"]

        def spans(text: str) -> list[tuple[int, int]]:
            columns: Any = encode_batch(self._handle, [text], None, options).columns
            places = zip(columns.ids.tolist(), columns.starts.tolist(), columns.ends.tolist())
            return [(begin, end) for id, begin, end in places if id in controls]

        return spans

    # Lengths

    def enable_truncation(
        self, max_length: int, stride: int = 0, strategy: str = "longest_first", direction: str = "right"
    ) -> None:
        """Cuts texts from now on; what is cut off is kept in `Encoding.overflowing`.

        Parameters
        ----------
        max_length
            Tokens to keep, special ones included.
        stride
            Tokens that each part that was cut off shares with the part before it.
        strategy
            Which text of a pair is cut: "longest_first", "only_first" or "only_second".
        direction
            "right" or "left": which end is cut off.
        """
        special_tokens = self.num_special_tokens_to_add(False)
        self._truncation = Truncation.checked(max_length, stride, strategy, direction, special_tokens)

    def no_truncation(self) -> None:
        """Leaves texts whole from now on."""
        self._truncation = None

    @property
    def truncation(self) -> Optional[dict[str, Any]]:
        """What `enable_truncation` was given, or None if texts are left whole. See `stored_truncation`."""
        return None if self._truncation is None else self._truncation._asdict()

    @property
    def stored_truncation(self) -> Optional[dict[str, Any]]:
        """The truncation that the tokenizer's file asks for, as `enable_truncation` takes it; or None."""
        return _only(self._describe()["truncation"], Truncation._fields)

    def enable_padding(
        self,
        *,
        direction: str = "right",
        pad_id: int = 0,
        pad_type_id: int = 0,
        pad_token: str = "[PAD]",
        length: Optional[int] = None,
        pad_to_multiple_of: Optional[int] = None,
    ) -> None:
        """Fills encodings up from now on.

        Parameters
        ----------
        direction
            "right" or "left": where to put padding tokens.
        pad_id, pad_type_id, pad_token
            What to put there.
        length
            Fill up to this many tokens. None: to the longest of a batch.
        pad_to_multiple_of
            And from there to the next multiple of this number.
        """
        self._padding = Padding.checked(length, pad_to_multiple_of, pad_id, pad_token, pad_type_id, direction)

    def no_padding(self) -> None:
        """Leaves encodings as long as they are from now on."""
        self._padding = None

    @property
    def padding(self) -> Optional[dict[str, Any]]:
        """What `enable_padding` was given, or None if encodings are not filled up. See `stored_padding`."""
        return None if self._padding is None else self._padding._asdict()

    @property
    def stored_padding(self) -> Optional[dict[str, Any]]:
        """The padding that the tokenizer's file asks for, as `enable_padding` takes it; or None."""
        return _only(self._describe()["padding"], Padding._fields)

    def __len__(self) -> int:
        return self.get_vocab_size()

    def __repr__(self) -> str:
        return f"<nestling.Tokenizer, {self.get_vocab_size()} entries>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Tokenizer cannot be pickled: open it in each process")


#: Arguments that the method has in transformers, and that would pass for variables of the template here.
_NOT_OF_CHATS = (
    "max_length",
    "padding",
    "return_assistant_tokens_mask",
    "return_tensors",
    "tokenizer_kwargs",
    "truncation",
)
_TOKEN_FIELDS = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")


def _only(settings: Optional[dict[str, Any]], names: tuple[str, ...]) -> Optional[dict[str, Any]]:
    return None if settings is None else {name: settings[name] for name in names}


def _refuse_words(is_pretokenized: bool) -> None:
    if is_pretokenized:
        raise UnsupportedError("is_pretokenized=True: texts that are cut into words already are not supported")
