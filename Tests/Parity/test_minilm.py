"""The real all-MiniLM-L6-v2 against sentence-transformers: token ids and embeddings of thousands of strings."""

import nestling
import numpy as np
import pytest

torch = pytest.importorskip("torch")

ABSOLUTE, COSINE = 2e-5, 0.999999


@pytest.fixture(scope="module")
def theirs(minilm_path):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(minilm_path), device="cpu", model_kwargs=dict(attn_implementation="eager"))


@pytest.fixture(scope="module")
def texts():
    from strings import generate

    return generate(6000)


def test_token_ids(minilm, theirs, texts):
    limit = theirs.max_seq_length
    assert minilm.text_tokens == limit
    wanted = [theirs.tokenizer(text, truncation=True, max_length=limit)["input_ids"] for text in texts]
    found = minilm.tokenize(texts)
    wrong = [index for index, (a, b) in enumerate(zip(found, wanted, strict=True)) if list(a) != list(b)]
    assert not wrong, f"{len(wrong)} differ, first {texts[wrong[0]][:80]!r}: {found[wrong[0]][:20]}, not {wanted[wrong[0]][:20]}"


def test_token_ids_uncut(minilm, theirs, texts):
    """Whole texts, the ones of 100 kB included."""
    encode = minilm.tokenizer.encode
    for text in sorted(texts, key=len)[-60:]:
        assert list(encode(text).ids) == theirs.tokenizer(text, truncation=False)["input_ids"], repr(text[:80])


def test_embeddings(minilm, theirs, texts):
    chosen = texts[::4]
    wanted = np.concatenate([theirs.encode([text], convert_to_numpy=True) for text in chosen])
    check(minilm.encode(chosen), wanted)


def test_embeddings_of_a_padded_batch(minilm, theirs, texts):
    """sentence-transformers as people use it: in batches, with padding."""
    chosen = sorted(texts[1::16], key=len)
    check(minilm.encode(chosen, batch_size=32), theirs.encode(chosen, batch_size=32))


def check(found, wanted):
    assert found.dtype == np.float32 and found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= ABSOLUTE
    lengths = np.linalg.norm(found.astype(float), axis=1) * np.linalg.norm(wanted.astype(float), axis=1)
    assert ((found.astype(float) * wanted).sum(axis=1) / lengths).min() >= COSINE


def test_forms_of_input(minilm, theirs):
    single = minilm.encode("one sentence")
    assert single.shape == (384,)
    assert np.array_equal(minilm.encode(["one sentence"])[0], single)
    assert minilm.encode([]).shape[0] == 0
    assert np.array_equal(minilm.encode([minilm.tokenize("one sentence")])[0], single)
    scores = minilm.similarity(minilm.encode(["a bird", "a plane"]), minilm.encode(["a nestling"]))
    assert np.abs(scores - theirs.similarity(theirs.encode(["a bird", "a plane"]), theirs.encode(["a nestling"])).numpy()).max() < 1e-5


def test_quarter_width_still_runs(minilm):
    vectors = minilm.submodel(ffn=0.25).encode(["a bird", "a nestling"])
    assert np.isfinite(vectors).all() and np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5


def test_saved_submodel_in_sentence_transformers(minilm, tmp_path):
    """A submodel with one FFN width and fewer layers opens where users have sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    view = minilm.submodel(ffn=777, layers=[0, 2, 5])
    view.save(tmp_path / "small")
    texts = ["A small bird.", "Une phrase, avec des accents \u00e9\u00e8.", "x" * 300]
    check(view.encode(texts), SentenceTransformer(str(tmp_path / "small"), device="cpu").encode(texts))


def test_class_with_the_arguments_of_sentence_transformers(minilm_path, theirs):
    ours = nestling.SentenceTransformer(str(minilm_path))
    sentences = ["A nestling waits.", "The market closed higher.", ""]
    for arguments in (dict(), dict(normalize_embeddings=True), dict(batch_size=1, show_progress_bar=False),
                      dict(convert_to_numpy=True)):
        check(ours.encode(sentences, **arguments), theirs.encode(sentences, **arguments))
    assert ours.encode("A nestling waits.").shape == (384,)
    check(ours.encode(sentences=sentences), theirs.encode(sentences))
    check(ours.encode(inputs=sentences), theirs.encode(sentences))
