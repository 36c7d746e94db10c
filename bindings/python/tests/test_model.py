"""Models: what they compute, against the goldens of Tests/Fixtures."""

from __future__ import annotations

import gc
import json
import pathlib
import pickle
from typing import Any

import numpy as np
import pytest
from support import read_safetensors, relative_error, split

import nestling

TOLERANCE = 1e-4  # relative, of float32 hidden states

BASES = ["bert", "roberta", "xlm-roberta", "distilbert", "mpnet", "electra", "albert", "modernbert"]
HEADS = ["masked-lm", "sequence-classification", "token-classification", "question-answering"]


def _golden(path: pathlib.Path) -> tuple[dict[str, Any], list[Any], Any]:
    """Returns (tensors, sequences, token types or None)."""
    golden = read_safetensors(path / "golden.safetensors")
    types = split(golden["token_type_ids"], golden["offsets"]) if "token_type_ids" in golden else None
    return golden, split(golden["ids"], golden["offsets"]), types


# Loading


def test_paths_may_be_str_bytes_or_pathlike(fixtures: pathlib.Path) -> None:
    path = fixtures / "bert" / "base"
    for form in (path, str(path), f"{path}/"):
        assert nestling.load(form).layers == 3


def test_missing_checkpoint(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        nestling.load(tmp_path / "nowhere")
    assert isinstance(caught.value, nestling.NotFoundError)
    assert "nowhere" in str(caught.value)


def test_corrupt_checkpoint(tmp_path: pathlib.Path, fixtures: pathlib.Path) -> None:
    files = _files(fixtures / "bert" / "base")
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(nestling.CorruptError, match=r"config\.json"):
        nestling.load(tmp_path)
    (tmp_path / "config.json").write_bytes(files["config.json"])
    (tmp_path / "model.safetensors").write_bytes(files["model.safetensors"][:-5])
    with pytest.raises(nestling.CorruptError, match=r"model\.safetensors"):
        nestling.load(tmp_path)


def test_paths_with_nul() -> None:
    with pytest.raises(nestling.InvalidArgumentError, match="NUL"):
        nestling.load("a\0b")


@pytest.mark.parametrize("dtype", ["int3", "", 1])
def test_unknown_dtype(fixtures: pathlib.Path, dtype: Any) -> None:
    with pytest.raises(nestling.UnsupportedError, match="float32"):
        nestling.load(fixtures / "bert" / "base", dtype=dtype)


def test_weights_may_be_read_instead_of_mapped(fixtures: pathlib.Path, bert: nestling.Model) -> None:
    model = nestling.load(fixtures / "bert" / "base", map_weights=False)
    assert np.array_equal(model.encode([1, 2, 3]), bert.encode([1, 2, 3]))


def _files(path: pathlib.Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and "golden" not in file.name
    }


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_from_memory(dense_path: pathlib.Path, dense: nestling.Model, wrap: Any) -> None:
    model = nestling.load_bytes({name: wrap(data) for name, data in _files(dense_path).items()})
    gc.collect()  # the buffers are kept by the model alone
    small = model.submodel(ffn=0.5)
    reference = dense.submodel(ffn=0.5)
    assert np.array_equal(model.encode("a small bird"), dense.encode("a small bird"))
    del model
    gc.collect()
    noise = [bytes(5000) for _ in range(100)]  # would overwrite memory that was freed
    assert np.array_equal(small.encode("a small bird"), reference.encode("a small bird"))
    assert noise


def test_from_memory_without_config() -> None:
    with pytest.raises(nestling.NotFoundError, match=r"config\.json"):
        nestling.load_bytes({"model.safetensors": b""})


def test_check(fixtures: pathlib.Path, tmp_path: pathlib.Path) -> None:
    report = nestling.check(fixtures / "bert" / "base", values=True)
    assert report["valid"] is True
    assert report["problems"] == []
    for name, content in _files(fixtures / "bert" / "base").items():
        (tmp_path / name).write_bytes(content)
    config = json.loads((tmp_path / "config.json").read_text())
    config["intermediate_size"] += 1
    (tmp_path / "config.json").write_text(json.dumps(config))
    report = nestling.check(tmp_path)
    assert report["valid"] is False
    assert report["problems"]
    with pytest.raises(nestling.NotFoundError):
        nestling.check(tmp_path / "nowhere")


# What it is


def test_sizes(bert: nestling.Model, fixtures: pathlib.Path) -> None:
    config = json.loads((fixtures / "bert" / "base" / "config.json").read_text())
    assert bert.layers == config["num_hidden_layers"]
    assert bert.hidden_size == bert.output_dimensions == config["hidden_size"]
    assert bert.vocabulary_size == config["vocab_size"]
    assert bert.maximum_tokens == config["max_position_embeddings"]
    assert bert.info.token_types == config["type_vocab_size"]
    assert bert.info.pooling == "mean"
    assert not bert.info.normalizes
    assert not bert.info.has_tokenizer
    assert bert.heads == ()
    assert bert.default_head is None
    assert bert.parameters > 10_000
    assert bert.weight_bytes >= 4 * bert.parameters
    assert bert.dtype == "float32"
    assert str(bert.layers) in repr(bert)


def test_description(dense: nestling.Model) -> None:
    description = dense.describe()
    assert description["family"] == "bert"
    assert description["prompts"] == {"query": "search query: ", "document": "passage: "}


def test_info_is_frozen(bert: nestling.Model) -> None:
    with pytest.raises(AttributeError):
        bert.info.layers = 4  # type: ignore[misc]


def test_pickling_is_refused_with_advice(bert: nestling.Model) -> None:
    with pytest.raises(TypeError, match="load it in each process"):
        pickle.dumps(bert)


# Hidden states


@pytest.mark.parametrize("family", BASES)
def test_hidden_states_are_those_of_transformers(fixtures: pathlib.Path, family: str) -> None:
    path = fixtures / family / "base"
    golden, sequences, types = _golden(path)
    model = nestling.load(path)
    for layer in range(model.layers + 1):
        states = model.hidden_states(sequences, layer=layer, token_type_ids=types)
        assert len(states) == len(sequences)
        for sequence, rows in zip(sequences, states):
            assert rows.shape == (len(sequence), model.hidden_size)
            assert rows.dtype == np.float32
            key = f"hidden.{layer}.{len(sequence)}"
            if key in golden:
                assert relative_error(rows[golden[f"rows.{len(sequence)}"]], golden[key]) <= TOLERANCE, key


def test_layers_count_as_in_transformers(bert: nestling.Model) -> None:
    ids = [5, 6, 7, 8]
    last = bert.hidden_states(ids)
    assert np.array_equal(bert.hidden_states(ids, layer=3), last)
    assert np.array_equal(bert.hidden_states(ids, layer=-1), last)
    assert np.array_equal(bert.hidden_states(ids, layer=-4), bert.hidden_states(ids, layer=0))
    assert not np.array_equal(bert.hidden_states(ids, layer=2), last)
    for layer in (4, -5):
        with pytest.raises(nestling.InvalidArgumentError, match="layer must be"):
            bert.hidden_states(ids, layer=layer)


def test_a_sequence_alone_and_in_a_batch_are_the_same_bits(bert: nestling.Model) -> None:
    generator = np.random.default_rng(1)
    batch = [generator.integers(0, bert.vocabulary_size, length) for length in range(1, 51)]
    together = bert.hidden_states(batch)
    with nestling.threads(1):
        for sequence, rows in zip(batch, together):
            assert np.array_equal(bert.hidden_states(sequence), rows)


def test_one_sequence_has_no_batch_dimension(bert: nestling.Model) -> None:
    assert bert.hidden_states([5, 6, 7]).shape == (3, 32)
    assert bert.hidden_states(np.array([5, 6, 7])).shape == (3, 32)
    assert [rows.shape for rows in bert.hidden_states([[5, 6, 7]])] == [(3, 32)]
    assert [rows.shape for rows in bert.hidden_states(np.array([[5, 6, 7]] * 2))] == [(3, 32)] * 2
    assert bert.hidden_states([]) == []


def test_hidden_states_of_texts(dense: nestling.Model) -> None:
    texts = ["a small bird", "the river"]
    for rows, reference in zip(dense.hidden_states(texts), dense.hidden_states(dense.tokenize(texts))):
        assert np.array_equal(rows, reference)
    assert np.array_equal(dense.hidden_states(texts[0]), dense.hidden_states(texts)[0])


# Heads


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", BASES)
def test_logits_are_those_of_transformers(fixtures: pathlib.Path, family: str, head: str) -> None:
    path = fixtures / family / head
    if not path.is_dir():
        assert (family, head) not in {("bert", "masked-lm"), ("bert", "sequence-classification")}
        pytest.skip("transformers has no such class, or there is no fixture")
    golden, sequences, types = _golden(path)
    model = nestling.load(path)
    name: Any = head.replace("-", "_").replace("masked_lm", "masked_lm")
    assert model.default_head == name
    assert name in model.heads
    for given in (None, name):
        logits = model.logits(sequences, head=given, token_type_ids=types)
        for sequence, scores in zip(sequences, logits):
            reference = golden[f"logits.{len(sequence)}"]
            if head == "sequence-classification":
                assert relative_error(scores[np.newaxis], reference) <= TOLERANCE
            else:
                assert scores.shape[0] == len(sequence)
                assert relative_error(scores[golden[f"rows.{len(sequence)}"]], reference) <= TOLERANCE


def test_replaced_token_head(fixtures: pathlib.Path) -> None:
    path = fixtures / "electra" / "replaced-token"
    golden, sequences, types = _golden(path)
    for sequence, scores in zip(sequences, nestling.load(path).logits(sequences, token_type_ids=types)):
        reference = golden[f"logits.{len(sequence)}"]
        assert relative_error(scores[golden[f"rows.{len(sequence)}"]], reference) <= TOLERANCE


DECODERS = ("gemma", "gemma2", "gemma3", "gpt2", "gpt_neox", "llama", "mistral", "opt", "phi3", "qwen2", "qwen3")


@pytest.mark.parametrize("family", DECODERS)
def test_causal_lm_head(fixtures: pathlib.Path, family: str) -> None:
    path = fixtures / family / "causal-lm"
    golden, sequences, _ = _golden(path)
    model = nestling.load(path)
    assert model.default_head == "causal_lm" and model.heads == ("causal_lm",)
    for sequence, scores in zip(sequences, model.logits(sequences, head="causal_lm")):
        assert scores.shape == (len(sequence), model.vocabulary_size)
        reference = golden[f"logits.{len(sequence)}"]
        assert relative_error(scores[golden[f"rows.{len(sequence)}"]], reference) <= TOLERANCE


def test_a_head_that_is_not_there(bert: nestling.Model) -> None:
    with pytest.raises(LookupError):
        bert.logits([5, 6], head="masked_lm")
    with pytest.raises(nestling.InvalidArgumentError, match="masked_lm"):
        bert.logits([5, 6], head="no_such_head")  # type: ignore[call-overload]


def test_logits_of_one_sequence(fixtures: pathlib.Path) -> None:
    model = nestling.load(fixtures / "bert" / "sequence-classification")
    scores = model.logits([5, 6, 7])
    assert scores.shape == (model.labels,)
    assert np.array_equal(model.logits([[5, 6, 7], [8]])[0], scores)
    model = nestling.load(fixtures / "bert" / "question-answering")
    assert model.logits([5, 6, 7]).shape == (3, 2)
    assert model.logits([]) == []


# Vectors


def test_vectors_are_those_of_sentence_transformers(dense_path: pathlib.Path, dense: nestling.Model) -> None:
    texts = json.loads((dense_path / "texts.json").read_text(encoding="utf-8"))
    golden = read_safetensors(dense_path / "golden.safetensors")
    assert relative_error(dense.encode(texts), golden["vectors"]) <= TOLERANCE
    assert relative_error(dense.encode(texts, prompt_name="query"), golden["vectors.query"]) <= TOLERANCE
    assert relative_error(dense.encode(texts, prompt=""), golden["vectors.no_prompt"]) <= TOLERANCE
    assert np.array_equal(dense.encode_query(texts), dense.encode(texts, prompt_name="query"))
    assert np.array_equal(dense.encode_document(texts), dense.encode(texts, prompt="passage: "))
    assert dense.tokenize(texts) == [ids.tolist() for ids in split(golden["ids"], golden["offsets"])]


def test_ids_and_texts_agree(dense: nestling.Model) -> None:
    text = "a small bird"
    assert np.array_equal(dense.encode(dense.tokenize(text)), dense.encode(text, prompt=""))
    assert np.array_equal(dense.encode_query(dense.tokenize(text)), dense.encode(text, prompt=""))


def test_poolings(legacy_path: pathlib.Path) -> None:
    golden = read_safetensors(legacy_path / "golden.safetensors")
    names = {"cls": "cls", "mean": "mean", "max": "max", "lasttoken": "last", "weightedmean": "weighted_mean",
             "mean_sqrt_len_tokens": "mean_sqrt_length"}  # fmt: skip
    model = nestling.load(legacy_path)
    sequences = split(golden["ids"], golden["offsets"])
    for theirs, ours in names.items():
        pooled: Any = ours
        vectors = model.encode(sequences, pooling=pooled, normalize_embeddings="never")
        assert relative_error(vectors, golden[f"pooled.{theirs}"]) <= TOLERANCE, ours
    assert model.info.pooling == "cls"
    with pytest.raises(nestling.InvalidArgumentError, match="weighted_mean"):
        model.encode(sequences, pooling="median")  # type: ignore[arg-type]


def test_a_text_gives_one_vector_and_a_list_a_matrix(dense: nestling.Model) -> None:
    assert dense.encode("a").shape == (10,)
    assert dense.encode(["a"]).shape == (1, 10)
    assert dense.encode(["a", "b"]).shape == (2, 10)
    assert dense.encode([]).shape == (0, 10)
    assert dense.encode([2, 5, 3]).shape == (10,)
    assert dense.encode([[2, 5, 3]]).dtype == np.float32


def test_normalizing(bert: nestling.Model, dense: nestling.Model) -> None:
    raw = bert.encode([5, 6, 7])
    assert abs(np.linalg.norm(raw) - 1) > 0.01
    unit = bert.encode([5, 6, 7], normalize_embeddings=True)
    assert relative_error(unit, raw / np.linalg.norm(raw)) <= 1e-6
    # False adds nothing to what the checkpoint does; "never" leaves its own normalizing out.
    assert abs(np.linalg.norm(dense.encode("a", normalize_embeddings=False)) - 1) < 1e-6
    assert abs(np.linalg.norm(dense.encode("a", normalize_embeddings="never")) - 1) > 0.01
    with pytest.raises(nestling.InvalidArgumentError):
        dense.encode("a", normalize_embeddings="sometimes")  # type: ignore[arg-type]


def test_truncating_comes_before_normalizing(bert: nestling.Model) -> None:
    raw = bert.encode([5, 6, 7])
    assert np.array_equal(bert.encode([5, 6, 7], truncate_dim=10), raw[:10])
    assert np.array_equal(bert.encode([5, 6, 7], truncate_dim=1000), raw)
    short = bert.encode([[5, 6, 7]], truncate_dim=10, normalize_embeddings=True)
    assert relative_error(short[0], raw[:10] / np.linalg.norm(raw[:10])) <= 1e-6
    for wrong in (0, -3):
        with pytest.raises(nestling.InvalidArgumentError):
            bert.encode([5], truncate_dim=wrong)


def test_batch_size_changes_nothing(dense: nestling.Model) -> None:
    texts = ["a small bird", "the river", "two dogs and a cat"] * 5
    reference = dense.encode(texts)
    for size in (1, 2, 1000):
        assert np.array_equal(dense.encode(texts, batch_size=size), reference)
    with pytest.raises(nestling.InvalidArgumentError):
        dense.encode(texts, batch_size=0)


def test_type_ids_matter_and_must_fit(bert: nestling.Model) -> None:
    ids = [[5, 6, 7], [8]]
    assert np.array_equal(bert.encode(ids, token_type_ids=[[0, 0, 0], [0]]), bert.encode(ids))
    assert not np.array_equal(bert.encode(ids, token_type_ids=[[0, 1, 1], [0]])[0], bert.encode(ids)[0])
    assert np.array_equal(
        bert.encode(ids[0], token_type_ids=[0, 1, 1]), bert.encode(ids, token_type_ids=[[0, 1, 1], [0]])[0]
    )
    for wrong in ([[0, 0], [0]], [[0, 0, 0]], [[0, 0], [0, 0]]):
        with pytest.raises(nestling.InvalidArgumentError, match="token_type_ids"):
            bert.encode(ids, token_type_ids=wrong)
    with pytest.raises(nestling.InvalidArgumentError, match="type"):
        bert.encode(ids, token_type_ids=[[0, 9, 0], [0]])


@pytest.mark.parametrize(
    ("ids", "words"),
    [([[5], [6, 500_000]], "1"), ([[5, -1]], "-1"), ([[5], []], "1"), ([list(range(3)) * 1000], "3000")],
)
def test_bad_token_ids_are_named(bert: nestling.Model, ids: Any, words: str) -> None:
    with pytest.raises(nestling.InvalidArgumentError, match=words):
        bert.encode(ids)
    assert bert.encode([5]).shape == (32,)


def test_texts_need_a_tokenizer(bert: nestling.Model) -> None:
    for call in (bert.encode, bert.tokenize, bert.hidden_states):
        with pytest.raises(nestling.NotFoundError, match="tokenizer"):
            call("a text")


def test_prompts_that_are_not_there(dense: nestling.Model) -> None:
    with pytest.raises(nestling.Error, match="no_such"):
        dense.encode("a", prompt_name="no_such")
    with pytest.raises(nestling.InvalidArgumentError, match="NUL"):
        dense.encode("a", prompt="a\0b")
    with pytest.raises(nestling.InvalidArgumentError, match="token ids"):
        dense.encode([5], prompt="a")


def test_odd_texts(dense: nestling.Model) -> None:
    texts = ["", " ", "\0", "a\0b", "\n\t", "🙂", "é", "x" * 100_000, "\u202e\ufeff"]
    vectors = dense.encode(texts)
    assert np.isfinite(vectors).all()
    for text, vector in zip(texts, vectors):
        assert np.array_equal(dense.encode(text), vector)
    with pytest.raises(nestling.InvalidArgumentError, match="surrogate"):
        dense.encode(["fine", "\ud800"])


def test_similarity(dense: nestling.Model) -> None:
    vectors = dense.encode(["a small bird", "the river", "a small bird"])
    scores = dense.similarity(vectors, vectors[0])
    assert scores.shape == (3, 1)
    assert scores[2, 0] == pytest.approx(1)
    assert scores[1, 0] < 0.999


# Lifetime


def test_closing(fixtures: pathlib.Path) -> None:
    with nestling.load(fixtures / "bert" / "base") as model:
        small = model.submodel(ffn=0.5)
        session = model.session()
    assert "closed" in repr(model)
    for call in (lambda: model.encode([5]), lambda: model.info, lambda: model.submodel(ffn=0.5), model.session):
        with pytest.raises(nestling.InvalidArgumentError, match="closed"):
            call()
    model.close()
    assert small.encode([5]).shape == (32,)
    assert session.encode([5]).shape == (32,)
    session.close()
    with pytest.raises(nestling.InvalidArgumentError, match="closed"):
        session.encode([5])


@pytest.fixture
def concatenating(tmp_path: pathlib.Path, legacy_path: pathlib.Path) -> nestling.Model:
    """A checkpoint whose vectors are the first token's beside the mean: twice as long as those of one pooling."""
    for source in legacy_path.iterdir():
        if source.is_file():
            (tmp_path / source.name).symlink_to(source)
    modules = json.loads((legacy_path / "modules.json").read_text())[:2]
    (tmp_path / "modules.json").unlink()
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling").mkdir()
    config = json.loads((legacy_path / "1_Pooling/config.json").read_text())
    (tmp_path / "1_Pooling/config.json").write_text(json.dumps({**config, "pooling_mode_mean_tokens": True}))
    return nestling.load(tmp_path)


def test_another_pooling_may_give_shorter_vectors(concatenating: nestling.Model) -> None:
    model, texts = concatenating, ["two birds", "a nest", "the river"]
    width = model.hidden_size
    both = model.encode(texts)
    assert both.shape == (3, 2 * width)
    for inputs in (texts, model.tokenize(texts)):
        first, mean = model.encode(inputs, pooling="cls"), model.encode(inputs, pooling="mean")
        assert first.shape == mean.shape == (3, width)
        np.testing.assert_array_equal(np.hstack([first, mean]), both)
    single = model.encode(texts[0], pooling="mean")
    np.testing.assert_array_equal(single, both[0, width:])
    # Longer than the vectors are: all of them, whichever pooling gives them.
    for length in (5, width, 2 * width, 1000):
        cut = model.encode(texts, pooling="mean", truncate_dim=length)
        np.testing.assert_array_equal(cut, both[:, width:][:, :length])
        np.testing.assert_array_equal(model.encode(texts, truncate_dim=length), both[:, :length])
    assert model.encode([], pooling="mean").shape == (0, width)
