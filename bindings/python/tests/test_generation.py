"""Generating texts and scoring them."""

from __future__ import annotations

import json
import pathlib
import shutil

import nestling
import numpy as np
import pytest

PROMPT = [5, 17, 3, 50, 41, 8, 8, 12]


@pytest.fixture(scope="module")
def ids_model(fixtures: pathlib.Path) -> nestling.Model:
    """A decoder of 61 tokens, a context of 80 and a window, without a tokenizer."""
    return nestling.load(fixtures / "gemma3" / "causal-lm")


@pytest.fixture(scope="module")
def model(fixtures: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> nestling.Model:
    """The same with a tokenizer of one token for each word w0 ... w60."""
    path = tmp_path_factory.mktemp("words") / "model"
    shutil.copytree(fixtures / "gemma3" / "causal-lm", path)
    tokenizer = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": False},
        "model": {"type": "WordLevel", "vocab": {f"w{i}": i for i in range(61)}, "unk_token": "w0"},
    }
    (path / "tokenizer.json").write_text(json.dumps(tokenizer))
    return nestling.load(path)


def _greedy(model: nestling.Model, prompt: list[int], count: int) -> list[int]:
    ids = list(prompt)
    for _ in range(count):
        ids.append(int(model.logits(ids)[-1].argmax()))
    return ids[len(prompt) :]


def _words(ids: list[int]) -> str:
    return " ".join(f"w{i}" for i in ids)


def test_greedy_ids(ids_model: nestling.Model) -> None:
    expected = _greedy(ids_model, PROMPT, 20)
    options = {"max_new_tokens": 20, "temperature": 0.0, "ignore_eos": True}
    assert ids_model.generate(PROMPT, **options) == expected
    assert ids_model.generate(np.array(PROMPT, np.int64), **options) == expected
    assert ids_model.generate([PROMPT, PROMPT[:3], PROMPT], **options) == [
        expected,
        _greedy(ids_model, PROMPT[:3], 20),
        expected,
    ]
    assert list(ids_model.generate(PROMPT, stream=True, **options)) == expected
    draft = ids_model.submodel(ffn=0.5)
    assert ids_model.generate(PROMPT, draft=draft, draft_tokens=4, **options) == expected
    assert ids_model.generate(PROMPT, prompt_lookup=2, **options) == expected


def test_texts(model: nestling.Model) -> None:
    expected = _greedy(model, PROMPT, 12)
    options = {"max_new_tokens": 12, "temperature": 0.0, "ignore_eos": True}
    text = model.generate(_words(PROMPT), **options)
    assert text.split() == _words(expected).split()
    pieces = list(model.generate(_words(PROMPT), stream=True, **options))
    assert len(pieces) > 6 and "".join(pieces) == text
    assert model.generate([_words(PROMPT)] * 2, **options) == [text, text]
    # A string that ends the text is not part of it, wherever its tokens are cut.
    third = f"w{expected[2]} w{expected[3]}"
    begin = text.index(third)
    assert model.generate(_words(PROMPT), stop=third, **options) == text[:begin]
    assert "".join(model.generate(_words(PROMPT), stop=["nothing", third], stream=True, **options)) == text[:begin]
    with model.generator() as generator:
        generation = generator.add(_words(PROMPT), stop=third, logprobs=2, **options)
        generator.run()
    assert generation.finish_reason == "stop_string" and generation.text == text[:begin]
    assert [entry.token for entry in generation.logprobs] == generation.ids == expected[: len(generation.ids)]
    assert all(len(entry.top) == 2 and entry.top[0] == (entry.token, entry.logprob) for entry in generation.logprobs)


def test_sampling_is_reproduced_by_its_seed(ids_model: nestling.Model) -> None:
    options = {"max_new_tokens": 30, "temperature": 1.5, "ignore_eos": True}
    first = ids_model.generate(PROMPT, seed=3, **options)
    assert ids_model.generate([PROMPT] * 3, seed=3, **options) == [first] * 3
    assert ids_model.generate(PROMPT, seed=4, **options) != first
    assert ids_model.generate(PROMPT, **options) != ids_model.generate(PROMPT, **options)
    assert ids_model.generate(PROMPT, top_k=1, **options) == ids_model.generate(
        PROMPT, max_new_tokens=30, temperature=0.0, ignore_eos=True
    )
    banned = {token: -np.inf for token in range(0, 61, 2)}
    assert all(token % 2 for token in ids_model.generate(PROMPT, logit_bias=banned, **options))


def test_generator(ids_model: nestling.Model) -> None:
    options = {"max_new_tokens": 25, "temperature": 0.0, "ignore_eos": True}
    expected = ids_model.generate(PROMPT, **options)
    with ids_model.generator(slice_tokens=4, maximum_requests=2, cache_dtype="float32") as generator:
        first = generator.add(PROMPT, **options)
        for _ in range(8):
            generator.step()
        others = [generator.add(PROMPT, **options) for _ in range(3)]
        sequence = generator.sequence(first)
        assert 0 < len(sequence) < len(PROMPT) + 8
        generator.cancel(others[0])
        generator.run()
        assert others[0].finish_reason == "cancelled" and first.finish_reason == "length"
        assert [g.ids for g in (first, *others[1:])] == [expected] * 3
        restored = generator.restore(sequence.to_bytes())
        again = generator.add(PROMPT + expected[:3], prefix=restored, max_new_tokens=22, temperature=0, ignore_eos=True)
        generator.run()
        assert again.ids == expected[3:]
        counts = generator.statistics()
        assert counts["shared_tokens"] > 0 and counts["requests"] == 0
        with pytest.raises(nestling.CorruptError):
            generator.restore(b"nothing")
    with pytest.raises(nestling.InvalidArgumentError, match="closed"):
        generator.step()


def test_callbacks(ids_model: nestling.Model) -> None:
    heard = []

    def odd(generated: np.ndarray, scores: np.ndarray) -> None:
        heard.append(len(generated))
        scores[::2] = -np.inf

    ids = ids_model.generate(PROMPT, constraint=odd, max_new_tokens=6, temperature=0.0, ignore_eos=True)
    assert all(token % 2 for token in ids) and heard == [0, 1, 2, 3, 4, 5]

    def broken(generated: np.ndarray, scores: np.ndarray) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ids_model.generate(PROMPT, constraint=broken, max_new_tokens=6)
    with ids_model.generator() as generator:
        generation = generator.add(PROMPT, on_text=lambda text: False, max_new_tokens=6)
        generator.run()
    assert generation.finish_reason == "cancelled" and len(generation.ids) == 1
    stream = ids_model.generate(PROMPT, stream=True, max_new_tokens=6)
    next(stream)
    stream.close()


def test_score(ids_model: nestling.Model, model: nestling.Model) -> None:
    rows = [PROMPT * 5, PROMPT[:1], PROMPT[:4]]
    found = ids_model.score(rows)
    for row, values in zip(rows, found):
        logits = ids_model.logits(row).astype(np.float64)
        logs = (
            logits
            - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True))
            - logits.max(1, keepdims=True)
        )
        expected = [0.0] + [logs[i, row[i + 1]] for i in range(len(row) - 1)]
        np.testing.assert_allclose(values, expected, atol=1e-4)
    np.testing.assert_allclose(model.score(_words(PROMPT)), found[0][:8], atol=1e-5)


def test_refusals(ids_model: nestling.Model, bert: nestling.Model) -> None:
    with pytest.raises(nestling.NotFoundError):
        bert.generate([1, 2])
    for prompt in [[], [61], [-1], [1] * 81]:
        with pytest.raises(nestling.InvalidArgumentError):
            ids_model.generate([prompt] if prompt == [] else prompt, max_new_tokens=2)
    with pytest.raises(nestling.NotFoundError, match="tokenizer"):
        ids_model.generate("text", max_new_tokens=2)
    with pytest.raises(nestling.NotFoundError, match="tokenizer"):
        ids_model.generate(PROMPT, stop="x", max_new_tokens=2)
    for options in [
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_p": 0.0},
        {"top_p": 2.0},
        {"top_k": -1},
        {"min_p": -0.5},
        {"repetition_penalty": 0.0},
        {"max_new_tokens": 0},
        {"logprobs": 62},
        {"logit_bias": {61: 1.0}},
        {"draft": bert},
        {"prompt_lookup": 2, "draft_tokens": 10**6},
        {"cache_dtype": "float16"},
    ]:
        with pytest.raises(nestling.InvalidArgumentError):
            ids_model.generate(PROMPT, **options)  # type: ignore[arg-type]
    with pytest.raises(nestling.OutOfMemoryError):
        ids_model.generate(PROMPT, cache_limit=100)
    with pytest.raises(nestling.InvalidArgumentError, match="one prompt"):
        ids_model.generate([PROMPT, PROMPT], stream=True)
    # After all of this it goes on.
    assert len(ids_model.generate(PROMPT, max_new_tokens=3, ignore_eos=True)) == 3


def test_chat(model: nestling.Model) -> None:
    pytest.importorskip("jinja2")
    template = "{% for m in messages %}w1 {{ m.content }} {% endfor %}{% if add_generation_prompt %}w{{ end | d(2) }}{% endif %}"
    messages = [{"role": "user", "content": "w5 w17"}]
    options = {"max_new_tokens": 12, "temperature": 0.0, "ignore_eos": True, "chat_template": template}
    text = model.chat(messages, **options)
    assert text.split() == _words(_greedy(model, [1, 5, 17, 2], 12)).split()
    assert "".join(model.chat(messages, stream=True, **options)) == text
    assert model.chat([messages, messages], **options) == [text, text]
    other = model.chat(messages, chat_template_kwargs={"end": 3}, **options)
    assert other.split() == _words(_greedy(model, [1, 5, 17, 3], 12)).split()
    going_on = model.chat(messages, continue_final_message=True, **options)
    assert going_on.split() == _words(_greedy(model, [1, 5, 17], 12)).split()
    draft = model.submodel(ffn=0.5)
    assert model.chat(messages, draft=draft, **options) == text
    with pytest.raises(nestling.InvalidArgumentError, match="one prompt"):
        model.chat([messages, messages], stream=True, **options)
    with pytest.raises(nestling.NotFoundError, match="no chat template"):
        model.chat(messages)
    with pytest.raises(nestling.InvalidArgumentError):
        model.chat(messages, chat_template="")


@pytest.mark.parametrize("name", ["gpt_neox/sequential", "llama/longrope", "gpt2/causal-lm", "opt/post-norm"])
def test_texts_end_with_the_context(name: str, fixtures: pathlib.Path) -> None:
    config = json.loads((fixtures / name / "config.json").read_text(encoding="utf-8"))
    context = config.get("max_position_embeddings") or config["n_positions"]
    model = nestling.load(fixtures / name)
    assert model.text_tokens == context
    with model.generator() as generator:
        text = generator.add([3] * (context - 3), ignore_eos=True, temperature=0.0)
        generator.run()
    assert text.finish_reason == "context"
