"""Fresh sentence-transformers directories: every pooling, Dense layers, prompts, old and new settings."""

import itertools
import json

import nestling
import numpy as np
import pytest
import torch
from drawing import assert_close
from make_fixtures import POOLING_MODES, SMALL, TEXTS, make_model, make_tokenizer, randomize
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

ACTIVATIONS = {"tanh": torch.nn.Tanh, "identity": torch.nn.Identity, "relu": torch.nn.ReLU, "gelu": torch.nn.GELU,
               "sigmoid": torch.nn.Sigmoid}


def make(directory, pooling, dense=(), normalize=True, **arguments):
    """A random sentence-transformers model, saved to directory / "model"; returns it as it loads from there."""
    tokenizer, vocabulary = make_tokenizer(64)
    settings = SMALL | dict(vocab_size=len(vocabulary), max_position_embeddings=70)
    make_model("BertModel", settings, 3).save_pretrained(directory / "body")
    tokenizer.save_pretrained(directory / "body")
    modules = [Transformer(str(directory / "body"), max_seq_length=64), Pooling(settings["hidden_size"], pooling_mode=pooling)]
    width = modules[-1].pooling_output_dimension
    for outputs, activation, bias in dense:
        modules.append(randomize(Dense(width, outputs, bias=bias, activation_function=ACTIVATIONS[activation]()), outputs))
        width = outputs
    if normalize:
        modules.append(Normalize())
    SentenceTransformer(modules=modules, device="cpu", **arguments).save_pretrained(str(directory / "model"))
    return SentenceTransformer(str(directory / "model"), device="cpu")


def compare(ours, theirs, texts=TEXTS, **arguments):
    wanted = np.stack([theirs.encode([text], **arguments)[0] for text in texts])
    assert_close(ours.encode(texts, **arguments), wanted, str(arguments), 1e-5)


@pytest.mark.parametrize("mode", POOLING_MODES)
@pytest.mark.parametrize("normalize", (True, False))
def test_pooling(mode, normalize, tmp_path):
    theirs = make(tmp_path, mode, normalize=normalize)
    compare(nestling.load(tmp_path / "model"), theirs)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_dense(activation, tmp_path):
    theirs = make(tmp_path, "mean", dense=[(17, activation, True), (5, "identity", False)])
    ours = nestling.load(tmp_path / "model")
    assert ours.output_dimensions == 5
    compare(ours, theirs)


@pytest.mark.parametrize("default", (None, "query"))
def test_prompts(default, tmp_path):
    prompts = {"query": "search query: ", "document": "passage: "}
    theirs = make(tmp_path, "mean", prompts=prompts, default_prompt_name=default)
    ours = nestling.load(tmp_path / "model")
    for arguments in (dict(), dict(prompt_name="query"), dict(prompt_name="document"), dict(prompt="two birds "), dict(prompt="")):
        compare(ours, theirs, **arguments)


def test_truncated_dimensions(tmp_path):
    theirs = make(tmp_path, "mean", normalize=False)
    ours = nestling.load(tmp_path / "model")
    for dimensions, normalize in itertools.product((1, 7, 24), (False, True)):
        compare(ours, theirs, truncate_dim=dimensions, normalize_embeddings=normalize)


def test_settings_of_older_versions(tmp_path):
    """pooling_mode_... flags, word_embedding_dimension and max_seq_length, as most public checkpoints have them."""
    theirs = make(tmp_path, "max")
    directory = tmp_path / "model"
    (directory / "1_Pooling" / "config.json").write_text(json.dumps(
        {"word_embedding_dimension": 24, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": False,
         "pooling_mode_max_tokens": True, "pooling_mode_mean_sqrt_len_tokens": False}))
    (directory / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 11, "do_lower_case": False}))
    modules = json.loads((directory / "modules.json").read_text())
    for module in modules:
        module["type"] = "sentence_transformers.models." + module["type"].rsplit(".", 1)[1]
    (directory / "modules.json").write_text(json.dumps(modules))
    theirs = SentenceTransformer(str(directory), device="cpu")
    ours = nestling.load(directory)
    assert ours.text_tokens == theirs.max_seq_length == 11
    compare(ours, theirs)
