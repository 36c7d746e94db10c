"""Generating texts: any number of them at once, streamed, constrained, with drafts."""

from __future__ import annotations

import ctypes
import dataclasses
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Callable, Literal, NoReturn, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _ffi
from ._arrays import Tokens, as_count, encode_string, one_sequence, pointer
from ._handles import Handle, read_json
from ._library import library
from ._loaded import LoadedModel
from ._progress import ProgressFunction, Reporter
from ._signals import DeferredSignals
from .errors import CancelledError, InvalidArgumentError, error_for_status

CacheType = Literal["float32", "bfloat16", "int8"]
FinishReason = Literal["length", "stop_token", "stop_string", "context", "cancelled"]
#: Hears the ids generated so far and the scores of the next token, which it changes in place; -inf forbids a token.
Constraint = Callable[[npt.NDArray[np.int32], npt.NDArray[np.float32]], None]

_ALL = 2**32 - 1
_REASONS = {number: name for name, number in _ffi.FINISHES.items()}


@dataclasses.dataclass(frozen=True)
class TokenLogprob:
    """How probable the model held a token for, before any option of sampling.

    Attributes
    ----------
    token : int
        The token that was chosen.
    logprob : float
        Natural logarithm of its probability.
    top : list of (int, float)
        The most probable tokens and their logarithms, falling; as many as were asked for.
    """

    token: int
    logprob: float
    top: list[tuple[int, float]]


class Generation:
    """A text on its way. Made by `Generator.add`; it grows with every `Generator.step`.

    Attributes
    ----------
    prompt : list of int
        The ids that it goes on from.
    ids : list of int
        The ids generated so far. A token that ended the text is the last one.
    text : str
        Their text, whole characters only; without stop strings. "" if the model has no tokenizer.
    logprobs : list of TokenLogprob
        One for each id, if they were asked for.
    finish_reason : str or None
        "length", "stop_token", "stop_string", "context" (the model's context is full) or "cancelled"; None: it goes on,
        or has failed.
    error : Error or None
        What went wrong with this text.
    """

    def __init__(self, prompt: list[int]) -> None:
        self.prompt = prompt
        self.ids: list[int] = []
        self.text = ""
        self.logprobs: list[TokenLogprob] = []
        self.finish_reason: Optional[str] = None
        self.error: Optional[Exception] = None
        self._request = 0
        self._keep: tuple[Any, ...] = ()
        self._exception: Optional[BaseException] = None

    @property
    def finished(self) -> bool:
        """Whether nothing more will come."""
        return self.finish_reason is not None or self.error is not None

    def _end_unheard(self) -> None:
        """Tells that the text has ended in C, if its callback was kept from hearing so."""
        if not self.finished:
            self.error = CancelledError("the text has ended: an exception struck before its callback could run")

    def __repr__(self) -> str:
        state = self.finish_reason or (f"failed: {self.error}" if self.error else "running")
        return f"<nestling.Generation: {len(self.ids)} tokens, {state}>"


class CachedSequence:
    """What a generator remembers of a sequence: keys and values of its tokens. Immutable.

    Made by `Generator.sequence` and `Generator.restore`.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def __len__(self) -> int:
        return int(library.nestling_sequence_tokens(self._handle))

    def to_bytes(self) -> bytes:
        """Returns bytes from which `Generator.restore` makes the same sequence; they do not depend on the machine."""
        count = ctypes.c_size_t(0)
        library.nestling_sequence_save(self._handle, None, ctypes.byref(count))
        buffer = ctypes.create_string_buffer(count.value)
        library.nestling_sequence_save(self._handle, buffer, ctypes.byref(count))
        return buffer.raw[: count.value]

    def __reduce__(self) -> NoReturn:
        raise TypeError("a CachedSequence cannot be pickled: use to_bytes() and Generator.restore()")


class Generator:
    """Generates texts with one model, any number of them at once: they join and leave between steps.

    What a text becomes does not depend on what else runs, bit for bit. One thread at a time. Made by
    `nestling.Model.generator`; `nestling.Model.generate` is enough for most callers.

        with model.generator() as generator:
            texts = [generator.add(prompt, max_new_tokens=50) for prompt in prompts]
            while generator.step():
                ...                              # add more, look at texts[0].text, cancel one
    """

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        cache_dtype: Optional[CacheType] = None,
        cache_limit: Optional[int] = None,
        memory_limit: Optional[int] = None,
        slice_tokens: Optional[int] = None,
        maximum_requests: Optional[int] = None,
        thread_count: Optional[int] = None,
    ) -> None:
        cache = _ffi.CACHES.get(cache_dtype or "default")
        if cache is None:
            raise InvalidArgumentError(f"cache_dtype must be float32, bfloat16 or int8, not {cache_dtype!r}")
        options = _ffi.GeneratorOptions(cache=cache)
        for name, value in [
            ("cache_limit", cache_limit),
            ("memory_limit", memory_limit),
            ("slice_tokens", slice_tokens),
            ("maximum_requests", maximum_requests),
            ("thread_count", thread_count),
        ]:
            if value is not None:
                setattr(options, name, as_count(value, name))
        created = ctypes.POINTER(_ffi.GeneratorHandle)()
        library.nestling_generator_create(loaded.handle, ctypes.byref(options), ctypes.byref(created))
        self._handle_or_none: Optional[Handle] = Handle(created, library.nestling_generator_release, keep=loaded)
        self._loaded = loaded
        self._running: dict[int, Generation] = {}

    @property
    def _handle(self) -> Handle:
        if self._handle_or_none is None:
            raise InvalidArgumentError("the generator is closed")
        return self._handle_or_none

    def close(self) -> None:
        """Ends all texts and gives the memory back. Closing twice does nothing."""
        self._handle_or_none = None
        self._running.clear()

    def __enter__(self) -> Generator:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def add(
        self,
        prompt: Union[str, Sequence[int], npt.NDArray[Any]],
        *,
        max_new_tokens: Optional[int] = None,
        min_new_tokens: int = 0,
        temperature: Optional[float] = None,
        top_k: Optional[int] = None,
        top_p: Optional[float] = None,
        min_p: Optional[float] = None,
        repetition_penalty: Optional[float] = None,
        presence_penalty: float = 0.0,
        frequency_penalty: float = 0.0,
        logit_bias: Optional[Mapping[int, float]] = None,
        seed: Optional[int] = None,
        stop: Union[None, str, Iterable[str]] = None,
        stop_token_ids: Optional[Iterable[int]] = None,
        ignore_eos: bool = False,
        logprobs: Optional[int] = None,
        draft: Any = None,
        draft_tokens: Optional[int] = None,
        prompt_lookup: Optional[int] = None,
        prefix: Optional[CachedSequence] = None,
        constraint: Optional[Constraint] = None,
        on_text: Optional[Callable[[str], Optional[bool]]] = None,
    ) -> Generation:
        """Adds a text; `step` runs it.

        Parameters
        ----------
        prompt
            A text, or token ids, special tokens included.
        max_new_tokens
            At most so many tokens. None: as far as the context reaches.
        min_new_tokens
            No token that ends texts is chosen before so many have been.
        temperature, top_k, top_p, min_p, repetition_penalty
            How tokens are chosen, as in transformers. None: as the checkpoint's generation_config.json says, which is
            greedy where it is silent. A temperature of 0 is greedy: always the most probable token. A top_k of 0, a top_p
            of 1 and a min_p of 0 keep all.
        presence_penalty, frequency_penalty
            Subtracted from the scores of generated tokens: once, and for each time that one was generated.
        logit_bias
            Token id to what is added to its score; ``-inf`` forbids it.
        seed
            The same seed gives the same text, whatever else runs. None: another one each time.
        stop
            A string, or several, that end the text and are not part of it.
        stop_token_ids
            Tokens that end the text, besides those of the checkpoint.
        ignore_eos
            The checkpoint's tokens that end texts do not.
        logprobs
            Also give log-probabilities: of each token, and of so many of the most probable ones.
        draft
            A submodel of this model (`nestling.Model.submodel`) that guesses tokens ahead, which are then verified at
            once: speculative decoding. The greedy text is the same; sampled texts have the same distribution.
        draft_tokens
            At most so many guesses at once. None: 5.
        prompt_lookup
            Instead of a draft: guess what followed the last time that up to so many last tokens were seen.
        prefix
            A sequence (`sequence`, `restore`) that may begin as the prompt does: what it knows is not run again.
        constraint
            Called with the ids generated so far and the scores of the next token, to be changed in place. Raising ends
            the text.
        on_text
            Called with each piece of text, whole characters; returning False ends the text.

        Returns
        -------
        Generation
        """
        ids = self._ids(prompt)
        generation = Generation(ids.tolist())
        options = _ffi.GenerationOptions(
            min_new_tokens=min_new_tokens,
            presence_penalty=presence_penalty,
            frequency_penalty=frequency_penalty,
            seed=secrets.randbits(64) if seed is None else int(seed) % 2**64,
            ignore_end_of_text=int(bool(ignore_eos)),
        )
        keep: list[Any] = []
        if max_new_tokens is not None:
            options.max_new_tokens = as_count(max_new_tokens, "max_new_tokens")
        if temperature is not None:
            if temperature < 0:
                raise InvalidArgumentError(f"temperature must not be negative, but is {temperature}")
            options.temperature = -1 if temperature == 0 else temperature
        if top_k is not None:
            options.top_k = _ALL if top_k == 0 else as_count(top_k, "top_k")
        for name, value, none in [
            ("top_p", top_p, None),
            ("min_p", min_p, -1.0),
            ("repetition_penalty", repetition_penalty, None),
        ]:
            if value is not None:
                if value < 0 or (value == 0 and none is None):
                    raise InvalidArgumentError(f"{name} must be positive, but is {value}")
                setattr(options, name, none if value == 0 else value)
        if logit_bias:
            tokens = one_sequence(list(logit_bias), "logit_bias")
            biases = np.array(list(logit_bias.values()), np.float32)
            options.bias_tokens = pointer(tokens, ctypes.c_int32)
            options.biases = pointer(biases, ctypes.c_float)
            options.bias_count = len(tokens)
            keep += [tokens, biases]
        if stop_token_ids is not None:
            stops = one_sequence(list(stop_token_ids), "stop_token_ids")
            if len(stops):
                options.stop_tokens = pointer(stops, ctypes.c_int32)
                options.stop_token_count = len(stops)
                keep.append(stops)
        strings = [stop] if isinstance(stop, str) else list(stop or [])
        if strings:
            encoded = [encode_string(string, "stop") for string in strings]
            options.stop_strings = (ctypes.c_char_p * len(encoded))(*encoded)
            options.stop_string_count = len(encoded)
            keep.append(encoded)
        if logprobs is not None:
            options.log_probabilities = -1 if logprobs == 0 else as_count(logprobs, "logprobs")
        if draft is not None:
            options.draft = draft._loaded.handle._as_parameter_
            keep.append(draft._loaded)
        if draft_tokens is not None:
            options.draft_tokens = as_count(draft_tokens, "draft_tokens")
        if prompt_lookup is not None:
            options.lookup_tokens = as_count(prompt_lookup, "prompt_lookup")
        if prefix is not None:
            options.prefix = prefix._handle._as_parameter_
            keep.append(prefix)
        hears = _ffi.OnGenerated(lambda request, piece, data: _hear(generation, piece, on_text, logprobs is not None))
        options.generated = hears
        keep.append(hears)
        if constraint is not None:
            constrains = _ffi.Constrain(
                lambda request, generated, count, scores, vocabulary, data: _constrain(
                    generation, constraint, generated, count, scores, vocabulary
                )
            )
            options.constrain = constrains
            keep.append(constrains)
        request = ctypes.c_uint64()
        library.nestling_generator_add(
            self._handle, pointer(ids, ctypes.c_int32), len(ids), ctypes.byref(options), ctypes.byref(request)
        )
        generation._request = request.value
        generation._keep = tuple(keep)
        self._running[request.value] = generation
        return generation

    def step(self) -> int:
        """Runs one step of all texts, and returns how many have not ended.

        Raises
        ------
        BaseException
            What a constraint or `on_text` raised; that text has ended, others can go on. What the handler of a signal
            raised, such as KeyboardInterrupt: all texts can go on.
        """
        remaining = ctypes.c_size_t()
        signals = DeferredSignals()
        # A step is short: what Ctrl-C interrupts is what would follow, and the texts can go on afterwards.
        with signals:
            library.nestling_generator_step(self._handle, _ffi.Progress(), None, ctypes.byref(remaining))
        if not remaining.value:
            for generation in self._running.values():
                generation._end_unheard()
        ended = [generation for generation in self._running.values() if generation.finished]
        for generation in ended:
            del self._running[generation._request]
            generation._keep = ()
            exception, generation._exception = generation._exception, None
            if exception is not None:
                signals.store(exception)
        signals.raise_stored()
        return remaining.value

    def run(self) -> None:
        """Runs steps until all texts have ended."""
        while self.step():
            pass

    def cancel(self, generation: Generation) -> None:
        """Ends a text. One that has ended already stays as it is."""
        if self._running.pop(generation._request, None) is not None:
            library.nestling_generator_cancel(self._handle, generation._request)
            generation.finish_reason = "cancelled"
            generation._keep = ()

    def sequence(self, generation: Generation) -> CachedSequence:
        """Returns what is remembered of a running text, to be the `prefix` of others. Copies nothing.

        Raises
        ------
        NotFoundError
            If it has ended, or not begun.
        """
        sequence = ctypes.POINTER(_ffi.SequenceHandle)()
        library.nestling_generator_get_sequence(self._handle, generation._request, ctypes.byref(sequence))
        return CachedSequence(Handle(sequence, library.nestling_sequence_release, keep=self._loaded))

    def restore(self, data: Any) -> CachedSequence:
        """Returns the sequence that `CachedSequence.to_bytes` wrote, by a generator of the same model and cache type.

        Raises
        ------
        CorruptError
            If it is not one. The bytes may come from anyone.
        """
        content = np.frombuffer(data, dtype=np.uint8)
        sequence = ctypes.POINTER(_ffi.SequenceHandle)()
        library.nestling_generator_restore(self._handle, content.ctypes.data, content.size, ctypes.byref(sequence))
        return CachedSequence(Handle(sequence, library.nestling_sequence_release, keep=self._loaded))

    def score(
        self,
        tokens: Tokens,
        *,
        show_progress_bar: Optional[bool] = None,
        progress: Optional[ProgressFunction] = None,
    ) -> npt.NDArray[np.float64]:
        """Returns log-probabilities of a ragged batch; see `nestling.Model.score`."""
        values = np.empty(tokens.size, np.float64)
        count = ctypes.c_size_t(values.size)
        reporter = Reporter("score", show_progress_bar=show_progress_bar, progress=progress, size=tokens.size)
        watched = _ffi.RunOptions()
        reporter.install(watched)
        reporter.call(
            library.nestling_generator_score,
            self._handle,
            pointer(tokens.ids, ctypes.c_int32),
            pointer(tokens.offsets, ctypes.c_size_t),
            tokens.count,
            watched.progress,
            None,
            pointer(values, ctypes.c_double),
            ctypes.byref(count),
        )
        return values

    def statistics(self) -> dict[str, Any]:
        """Returns counts since the generator was made: tokens of prompts, generated, guessed and accepted, steps..."""
        counts: dict[str, Any] = read_json(
            lambda buffer, count: library.nestling_generator_describe(self._handle, buffer, count)
        )
        return counts

    def _ids(self, prompt: Any) -> npt.NDArray[np.int32]:
        if not isinstance(prompt, str):
            return one_sequence(prompt, "the prompt")
        return self._loaded.tokenizer._ragged([prompt], None).ids


def stream_pieces(generator: Generator, prompt: Any, as_text: bool, options: dict[str, Any]) -> Iterator[Any]:
    """Yields the pieces of one text, or its ids, as they are generated. The text ends when nobody listens."""
    pieces: list[str] = []
    generation = generator.add(prompt, on_text=pieces.append if as_text else None, **options)
    return _listen(generator, generation, pieces, as_text)


def _listen(generator: Generator, generation: Generation, pieces: list[str], as_text: bool) -> Iterator[Any]:
    given = 0
    try:
        while True:
            generator.step()
            if as_text:
                yield from filter(None, pieces)
                pieces.clear()
            else:
                yield from generation.ids[given:]
                given = len(generation.ids)
            if generation.finished:
                break
        if generation.error is not None:
            raise generation.error
    finally:
        generator.close()


def _hear(
    generation: Generation, piece: Any, on_text: Optional[Callable[[str], Optional[bool]]], logprobs: bool
) -> int:
    try:
        content = piece.contents
        if content.token >= 0:
            generation.ids.append(content.token)
            if logprobs:
                count = content.leading_count
                top = (
                    list(zip(content.leading_tokens[:count], content.leading_log_probabilities[:count]))
                    if count
                    else []
                )
                generation.logprobs.append(TokenLogprob(content.token, content.log_probability, top))
        text = (
            ctypes.string_at(content.text, content.text_length).decode("utf-8", "replace")
            if content.text_length
            else ""
        )
        generation.text += text
        goes_on: Optional[bool] = True
        if on_text is not None and (text or content.token >= 0):
            goes_on = on_text(text)
        if content.finish == _ffi.FINISHES["failed"]:
            if generation._exception is None:
                generation.error = error_for_status(content.status, (content.message or b"").decode("utf-8", "replace"))
            else:
                generation.finish_reason = "cancelled"
        elif content.finish:
            generation.finish_reason = _REASONS.get(content.finish, "unknown")
        elif goes_on is False:
            generation.finish_reason = "cancelled"
            return 1
        return 0
    except BaseException as exception:
        generation._exception = exception
        generation.finish_reason = "cancelled"
        return 1


def _constrain(
    generation: Generation, constraint: Constraint, generated: Any, count: int, scores: Any, vocabulary: int
) -> int:
    try:
        ids = np.ctypeslib.as_array(generated, (count,)).copy() if count else np.empty(0, np.int32)
        constraint(ids, np.ctypeslib.as_array(scores, (vocabulary,)))
        return 0
    except BaseException as exception:
        generation._exception = exception
        return 1
