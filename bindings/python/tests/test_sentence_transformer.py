"""The class in place of sentence_transformers.SentenceTransformer."""

from __future__ import annotations

import inspect
import json
import pathlib
import sys
from typing import Any

import numpy as np
import pytest
from support import read_safetensors, relative_error, run_python

import nestling
from nestling import SentenceTransformer
from nestling.quantization import quantize
from nestling.similarity import similarity, similarity_pairwise

TEXTS = ["a small bird", "the river", "two dogs and a cat"]


@pytest.fixture
def model(dense_path: pathlib.Path) -> SentenceTransformer:
    return SentenceTransformer(str(dense_path))


@pytest.fixture
def plain(legacy_path: pathlib.Path) -> SentenceTransformer:
    """Without prompts."""
    return SentenceTransformer(legacy_path)


def test_vectors_are_those_of_sentence_transformers(dense_path: pathlib.Path, model: SentenceTransformer) -> None:
    texts = json.loads((dense_path / "texts.json").read_text(encoding="utf-8"))
    golden = read_safetensors(dense_path / "golden.safetensors")
    for vectors, key in [
        (model.encode(texts), "vectors"),
        (model.encode(texts, "query"), "vectors.query"),
        (model.encode(texts, prompt_name="query"), "vectors.query"),
        (model.encode_query(texts), "vectors.query"),
        (model.encode_document(texts), "vectors"),
        (model.encode(texts, prompt=""), "vectors.no_prompt"),
        (model.encode(texts, prompt="search query: "), "vectors.query"),
    ]:
        assert relative_error(vectors, golden[key]) <= 1e-4, key


def test_both_names_of_the_first_argument(model: SentenceTransformer) -> None:
    reference = model.encode(TEXTS)
    for vectors in (model.encode(sentences=TEXTS), model.encode(inputs=TEXTS), model.encode(np.array(TEXTS))):
        assert np.array_equal(vectors, reference)
    assert np.array_equal(model.encode_query(sentences=TEXTS), model.encode_query(TEXTS))
    assert np.array_equal(model.encode_document(inputs=TEXTS), model.encode_document(TEXTS))
    with pytest.raises(TypeError):
        model.encode()
    with pytest.raises(TypeError):
        model.encode(TEXTS, sentences=TEXTS)


def test_positional_arguments_stand_where_they_stood() -> None:
    names = list(inspect.signature(SentenceTransformer.encode).parameters)
    assert names[:15] == [
        "self", "inputs", "prompt_name", "prompt", "batch_size", "show_progress_bar", "output_value", "precision",
        "convert_to_numpy", "convert_to_tensor", "device", "normalize_embeddings", "truncate_dim", "pool", "chunk_size",
    ]  # fmt: skip
    for method in (SentenceTransformer.encode_query, SentenceTransformer.encode_document):
        assert inspect.signature(method) == inspect.signature(SentenceTransformer.encode)


def test_shapes(model: SentenceTransformer) -> None:
    assert model.encode("a").shape == (10,)
    assert model.encode(["a"]).shape == (1, 10)
    assert model.encode([]).shape == (0, 10)
    assert model.encode(TEXTS).dtype == np.float32
    assert model.get_sentence_embedding_dimension() == model.get_embedding_dimension() == 10


def test_prompts(dense_path: pathlib.Path, plain: SentenceTransformer) -> None:
    assert plain.prompts == {"query": "", "document": ""}
    assert np.array_equal(plain.encode_query(TEXTS), plain.encode(TEXTS))
    model = SentenceTransformer(dense_path, prompts={"query": "find ", "mine": "my "}, default_prompt_name="mine")
    assert model.prompts == {"query": "find ", "document": "passage: ", "mine": "my "}
    assert np.array_equal(model.encode("bird"), model.encode("my bird", prompt=""))
    assert np.array_equal(model.encode_query("bird"), model.encode("find bird", prompt=""))
    assert np.array_equal(model.encode("bird", prompt="the ", prompt_name="query"), model.encode("the bird", prompt=""))
    with pytest.raises(ValueError, match="no_such"):
        model.encode("bird", prompt_name="no_such")
    with pytest.raises(ValueError, match="no_such"):
        SentenceTransformer(dense_path, default_prompt_name="no_such")


def test_token_ids_take_no_prompt(model: SentenceTransformer) -> None:
    ids = model.tokenize(TEXTS)
    assert np.array_equal(model.encode(ids), model.encode(TEXTS, prompt=""))
    assert np.array_equal(model.encode_query(ids), model.encode(TEXTS, prompt=""))


def test_normalizing_and_truncating(dense_path: pathlib.Path, model: SentenceTransformer) -> None:
    whole = model.encode(TEXTS)
    # As there: the checkpoint normalizes, then comes truncating, then normalizing again if asked.
    assert np.array_equal(model.encode(TEXTS, truncate_dim=4), whole[:, :4])
    short = model.encode(TEXTS, truncate_dim=4, normalize_embeddings=True)
    assert np.allclose(np.linalg.norm(short, axis=1), 1, atol=1e-6)
    assert np.array_equal(model.encode(TEXTS, truncate_dim=100), whole)
    truncating = SentenceTransformer(dense_path, truncate_dim=4)
    assert truncating.get_sentence_embedding_dimension() == 4
    assert np.array_equal(truncating.encode(TEXTS), whole[:, :4])
    assert truncating.encode("a").flags.c_contiguous
    with model.truncate_embeddings(3):
        assert model.encode(TEXTS).shape == (3, 3)
    assert model.encode(TEXTS).shape == (3, 10)
    with pytest.raises(ValueError, match="truncate_dim"):
        model.encode(TEXTS, truncate_dim=-1)


def test_token_embeddings(plain: SentenceTransformer) -> None:
    states = plain.encode(TEXTS, output_value="token_embeddings")
    ids = plain.tokenize(TEXTS)
    assert [rows.shape for rows in states] == [(len(sequence), 24) for sequence in ids]
    assert plain.encode(TEXTS[0], output_value="token_embeddings").shape == (len(ids[0]), 24)
    everything = plain.encode(TEXTS, output_value=None, normalize_embeddings=True)
    for item, rows, sequence, vector in zip(everything, states, ids, plain.encode(TEXTS)):
        assert item["input_ids"].tolist() == sequence
        assert item["attention_mask"].tolist() == [1] * len(sequence)
        assert np.array_equal(item["token_embeddings"], rows)
        assert np.allclose(item["sentence_embedding"], vector, atol=1e-6)
    assert plain.encode("a", output_value=None)["sentence_embedding"].shape == (24,)
    assert plain.encode([], output_value=None) == []
    assert plain.encode([], output_value="token_embeddings") == []


def test_token_embeddings_carry_the_prompt(model: SentenceTransformer) -> None:
    with_prompt = model.encode("bird", output_value=None, prompt="the ")
    assert with_prompt["input_ids"].tolist() == model.tokenize(["the bird"])[0]
    assert np.array_equal(with_prompt["sentence_embedding"], model.encode("bird", prompt="the "))


def test_max_seq_length(model: SentenceTransformer) -> None:
    text = "the river " * 40
    assert model.max_seq_length == model.get_max_seq_length() == model.model.text_tokens
    whole = model.encode(text)
    model.max_seq_length = 8
    assert len(model.tokenize([text])[0]) == 8
    assert not np.array_equal(model.encode(text), whole)
    assert np.array_equal(model.encode("bird"), model.encode(["bird", text])[0])
    model.max_seq_length = None
    assert np.array_equal(model.encode(text), whole)
    with pytest.raises(ValueError, match="max_seq_length"):
        model.max_seq_length = 0


@pytest.mark.parametrize(
    ("precision", "dtype", "width"),
    [("float32", np.float32, 10), ("int8", np.int8, 10), ("uint8", np.uint8, 10), ("binary", np.int8, 2),
     ("ubinary", np.uint8, 2)],
)  # fmt: skip
def test_precisions(model: SentenceTransformer, precision: Any, dtype: Any, width: int) -> None:
    vectors = model.encode(TEXTS, precision=precision)
    assert vectors.dtype == dtype
    assert vectors.shape == (3, width)
    assert model.encode([], precision=precision).shape == (0, width)
    if precision in ("int8", "uint8"):
        with pytest.raises(ValueError, match="several vectors"):
            model.encode("a", precision=precision)
    else:
        assert np.array_equal(model.encode(TEXTS[0], precision=precision), vectors[0])


def test_quantizing_known_values() -> None:
    vectors = np.array([[0, 1, 255], [255, 1, 0], [127.5, 1, 100]], np.float32)
    assert quantize(vectors, "uint8").tolist() == [[0, 0, 255], [255, 0, 0], [127, 0, 100]]
    assert quantize(vectors, "int8").tolist() == [[-128, -128, 127], [127, -128, -128], [-1, -128, -28]]
    assert quantize(vectors, "ubinary").tolist() == [[0b01100000], [0b11000000], [0b11100000]]
    assert quantize(vectors, "binary").tolist() == [[0b01100000 - 128], [0b11000000 - 128], [0b11100000 - 128]]


@pytest.mark.parametrize(
    "wrong",
    [{"precision": "int4"}, {"batch_size": 0}, {"batch_size": -1}, {"output_value": "words"}, {"device": "cuda"},
     {"device": ["cpu", "cuda"]}, {"pool": 3}, {"chunk_size": 0}],
)  # fmt: skip
def test_what_cannot_be_meant(model: SentenceTransformer, wrong: Any) -> None:
    with pytest.raises((ValueError, nestling.UnsupportedError)):
        model.encode(TEXTS, **wrong)


def test_devices(dense_path: pathlib.Path, model: SentenceTransformer) -> None:
    assert SentenceTransformer(dense_path, device="cpu").device == "cpu"
    assert model.to("cpu") is model
    assert model.eval() is model
    assert model.encode("a", device="cpu").shape == (10,)
    with pytest.raises(ValueError, match="cuda"):
        SentenceTransformer(dense_path, device="cuda")


def test_similarity(model: SentenceTransformer) -> None:
    vectors = model.encode(TEXTS)
    scores = model.similarity(vectors, vectors)
    assert scores.shape == (3, 3)
    assert np.allclose(np.diag(scores), 1, atol=1e-6)
    assert np.allclose(model.similarity_pairwise(vectors, vectors), np.ones(3), atol=1e-6)
    model.similarity_fn_name = "euclidean"
    assert np.allclose(np.diag(model.similarity(vectors, vectors)), 0, atol=1e-6)
    with pytest.raises(ValueError, match="hamming"):
        model.similarity_fn_name = "hamming"  # type: ignore[assignment]


def test_similarity_functions_by_hand() -> None:
    a, b = np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[4.0, 3.0], [-3.0, -4.0], [1.0, 0.0]])
    assert similarity(a, b).tolist() == pytest.approx(np.array([[0.96, -1, 0.6], [0, 0, 0]]))
    assert similarity(a, b, "dot").tolist() == [[24, -25, 3], [0, 0, 0]]
    assert similarity(a, b, "euclidean") == pytest.approx(-np.array([[2**0.5, 10, 20**0.5], [5, 5, 1]]))
    assert similarity(a, b, "manhattan").tolist() == [[-2, -14, -6], [-7, -7, -1]]
    assert similarity_pairwise(a, b[:2], "dot").tolist() == [24, 0]
    assert similarity_pairwise(a, b[:2], "euclidean") == pytest.approx([-(2**0.5), -5])
    assert similarity_pairwise(a, b[:2], "manhattan").tolist() == [-2, -7]
    assert similarity_pairwise(a, b[:2]) == pytest.approx([0.96, 0])
    for function in (similarity, similarity_pairwise):
        with pytest.raises(nestling.InvalidArgumentError, match="hamming"):
            function(a, a, "hamming")  # type: ignore[arg-type]
        with pytest.raises(nestling.InvalidArgumentError, match="dimensions"):
            function(a, np.zeros((2, 3)))


def test_a_submodel_can_be_given(dense: nestling.Model) -> None:
    small = SentenceTransformer(dense.submodel(output_dim=4))
    assert small.encode(TEXTS).shape == (3, 4)
    assert small.prompts == {"query": "search query: ", "document": "passage: "}
    assert small.default_prompt_name == "document"


def test_reduction(model: SentenceTransformer) -> None:
    assert not np.array_equal(model.encode(TEXTS, reduction=nestling.ToMe(r=2)), model.encode(TEXTS))


def test_torch_is_imported_only_if_asked(dense_path: pathlib.Path) -> None:
    code = f"""
import sys
from nestling import SentenceTransformer
model = SentenceTransformer({str(dense_path)!r})
vectors = model.encode(["a", "b"])
model.encode(["a"], output_value=None)
model.similarity(vectors, vectors)
assert "torch" not in sys.modules
sys.modules["torch"] = None
for arguments in ({{"convert_to_tensor": True}}, {{"convert_to_numpy": False}}):
    try:
        model.encode("a", **arguments)
    except ImportError as error:
        assert "convert_to_numpy" in str(error)
    else:
        raise AssertionError(arguments)
"""
    run_python(code)


def test_tensors(model: SentenceTransformer) -> None:
    torch = pytest.importorskip("torch")
    reference = model.encode(TEXTS)
    tensor = model.encode(TEXTS, convert_to_tensor=True)
    assert isinstance(tensor, torch.Tensor)
    assert np.array_equal(tensor.numpy(), reference)
    assert model.encode("a", convert_to_tensor=True).shape == (10,)
    listed = model.encode(TEXTS, convert_to_numpy=False)
    assert isinstance(listed, list)
    assert isinstance(listed[0], torch.Tensor)
    assert isinstance(model.similarity(tensor, tensor), torch.Tensor)
    assert isinstance(model.similarity(listed, reference), torch.Tensor)
    assert isinstance(model.similarity(reference, reference), np.ndarray)


def test_against_sentence_transformers(dense_path: pathlib.Path, legacy_path: pathlib.Path) -> None:
    """Side by side, where it is installed: every output, with the same arguments."""
    theirs_module = pytest.importorskip("sentence_transformers")
    texts = json.loads((dense_path / "texts.json").read_text(encoding="utf-8"))
    for path in (dense_path, legacy_path):
        theirs = theirs_module.SentenceTransformer(str(path), device="cpu")
        ours = SentenceTransformer(str(path), device="cpu")
        assert ours.prompts == theirs.prompts
        assert ours.default_prompt_name == theirs.default_prompt_name
        assert ours.similarity_fn_name == theirs.similarity_fn_name
        assert ours.max_seq_length == theirs.max_seq_length
        assert ours.get_embedding_dimension() == theirs.get_embedding_dimension()
        for arguments in [
            {}, {"normalize_embeddings": True}, {"truncate_dim": 5}, {"truncate_dim": 5, "normalize_embeddings": True},
            {"prompt_name": "query"}, {"prompt": "the "}, {"convert_to_tensor": True}, {"precision": "ubinary"},
            {"precision": "binary"}, {"batch_size": 2},
        ]:  # fmt: skip
            mine, reference = ours.encode(texts, **arguments), theirs.encode(texts, **arguments)
            assert type(mine) is type(reference)
            assert mine.dtype == reference.dtype
            assert mine.shape == reference.shape
            if arguments.get("precision") is None:
                assert np.abs(np.asarray(mine) - np.asarray(reference)).max() < 1e-5, arguments
            else:
                assert (np.unpackbits((mine ^ reference).view(np.uint8)).mean()) < 0.01
        for precision in ("int8", "uint8"):
            mine, reference = ours.encode(texts, precision=precision), theirs.encode(texts, precision=precision)
            assert mine.dtype == reference.dtype
            assert np.abs(mine.astype(int) - reference.astype(int)).max() <= 1
        for method in ("encode_query", "encode_document"):
            mine, reference = getattr(ours, method)(texts), getattr(theirs, method)(texts)
            assert np.abs(mine - reference).max() < 1e-5
        for mine, reference in zip(
            ours.encode(texts, output_value="token_embeddings"), theirs.encode(texts, output_value="token_embeddings")
        ):
            assert mine.shape == tuple(reference.shape)
            assert np.abs(mine - reference.numpy()).max() < 1e-4
        vectors = theirs.encode(texts)
        for name in ("cosine", "dot", "euclidean", "manhattan"):
            ours.similarity_fn_name = theirs.similarity_fn_name = name
            for method in ("similarity", "similarity_pairwise"):
                mine, reference = getattr(ours, method)(vectors, vectors), getattr(theirs, method)(vectors, vectors)
                # their Euclidean distance comes from a matrix product, which rounds near zero
                assert np.abs(mine - reference.numpy()).max() < (2e-3 if name == "euclidean" else 1e-5), name
    assert "torch" in sys.modules


ACCEPTED: dict[str, Any] = {
    "cache_folder": None,
    "trust_remote_code": True,
    "revision": "main",
    "local_files_only": True,
    "token": False,
    "use_auth_token": None,
    "backend": "torch",
    "model_card_data": None,
    "modules": None,
    "model_kwargs": {"torch_dtype": "float32", "attn_implementation": "sdpa", "device_map": "cpu", "provider": None},
    "tokenizer_kwargs": {"use_fast": True, "padding_side": "left", "truncation_side": "right"},
    "processor_kwargs": {},
    "config_kwargs": {"unpad_inputs": False},
}


def test_arguments_that_others_pass(dense_path: pathlib.Path, model: SentenceTransformer) -> None:
    reference = model.encode(TEXTS)
    given = SentenceTransformer(dense_path, **ACCEPTED)
    assert np.array_equal(given.encode(TEXTS), reference)
    for name, value in ACCEPTED.items():
        one: dict[str, Any] = {name: value}
        assert np.array_equal(SentenceTransformer(dense_path, **one).encode(TEXTS), reference)
    # As langchain-huggingface and langchain-community construct it.
    langchain = SentenceTransformer("" + str(dense_path), cache_folder=None, **{"device": "cpu", "trust_remote_code": False})
    assert np.array_equal(langchain.encode(TEXTS, show_progress_bar=False, **{"task": "retrieval"}), reference)
    assert np.array_equal(model.encode(TEXTS, device=["cpu", "cpu"]), reference)
    assert SentenceTransformer(dense_path, model_kwargs={"dtype": "bfloat16"}).model.dtype == "bfloat16"
    assert SentenceTransformer(dense_path, tokenizer_kwargs={"model_max_length": 7}).max_seq_length == 7
    assert SentenceTransformer(dense_path, tokenizer_kwargs={"model_max_length": 7000}).max_seq_length == 64


@pytest.mark.parametrize(
    "wrong",
    [{"backend": "onnx"}, {"modules": []}, {"model_kwargs": {"load_in_8bit": True}}, {"model_kwargs": {"torch_dtype": "float64"}},
     {"model_kwargs": {"device_map": "cuda:0"}}, {"model_kwargs": {"file_name": "onnx/model.onnx"}},
     {"tokenizer_kwargs": {"truncation_side": "left"}}, {"tokenizer_kwargs": {"do_lower_case": False}},
     {"config_kwargs": {"num_hidden_layers": 1}}],
)  # fmt: skip
def test_arguments_that_ask_for_what_is_not_there(dense_path: pathlib.Path, wrong: Any) -> None:
    name = next(iter(wrong))
    with pytest.raises((nestling.UnsupportedError, ValueError), match=name):
        SentenceTransformer(dense_path, **wrong)
    with pytest.raises(TypeError, match="directory"):
        SentenceTransformer()


def test_pools(model: SentenceTransformer) -> None:
    reference = model.encode(TEXTS, prompt_name="query", normalize_embeddings=True)
    pool = model.start_multi_process_pool(["cpu"] * 4)
    vectors = model.encode_multi_process(TEXTS, pool, prompt_name="query", chunk_size=1, normalize_embeddings=True)
    assert np.array_equal(vectors, reference)
    assert np.array_equal(model.encode(TEXTS, "query", pool=pool, normalize_embeddings=True), reference)
    SentenceTransformer.stop_multi_process_pool(pool)
    with pytest.raises(ValueError, match="cuda"):
        model.start_multi_process_pool(["cuda:0"])


def test_saving(dense_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    model = SentenceTransformer(dense_path, prompts={"task": "do: "}, default_prompt_name="task", similarity_fn_name="dot")
    path = tmp_path / "new" / "model"
    for save in (model.save_pretrained, model.save):
        save(path)
        again = SentenceTransformer(path)
        assert again.prompts == model.prompts
        assert (again.default_prompt_name, again.similarity_fn_name) == ("task", "dot")
        assert np.array_equal(again.encode(TEXTS), model.encode(TEXTS))
    with pytest.raises(nestling.UnsupportedError):
        model.save_pretrained(path, safe_serialization=False)


def test_parts(model: SentenceTransformer) -> None:
    assert [part.name for part in model] == ["Transformer", "Pooling", "Normalize"]
    assert len(model) == 3
    assert model[0].get_word_embedding_dimension() == 24
    assert model[0].tokenizer is model.tokenizer
    model[0].max_seq_length = 5
    assert model.max_seq_length == 5
    assert model[1].pooling_mode == ("mean",)
    with pytest.raises(IndexError):
        model[9]


def test_dtypes(dense_path: pathlib.Path, model: SentenceTransformer) -> None:
    reference = model.encode(TEXTS)
    assert model.half() is model
    assert model.model.dtype == "bfloat16"
    assert 0 < relative_error(model.encode(TEXTS), reference) < 0.02
    assert np.array_equal(model.float().encode(TEXTS), reference)
    assert model.to("cpu", dtype="bfloat16").model.dtype == "bfloat16"
    with pytest.raises(nestling.UnsupportedError, match="loaded with dtype"):
        SentenceTransformer(nestling.load(dense_path)).half()
    with pytest.raises(nestling.UnsupportedError, match="train"):
        model.train()
    assert model.train(False).cpu() is model
