"""Random models of every family and head, and what both sides make of them."""

import numpy as np
import torch
from make_fixtures import labels, load, longest, make_model, run, token_type_count

LENGTHS = (1, 2, 17, 128, 512)
HEADS = {
    "Model": None,
    "ForMaskedLM": "masked_lm",
    "ForSequenceClassification": "sequence_classification",
    "ForTokenClassification": "token_classification",
    "ForQuestionAnswering": "question_answering",
    "ForPreTraining": "replaced_token",
}
FAMILIES = {
    "Bert": tuple(HEADS)[:5],
    "Roberta": tuple(HEADS)[:5],
    "XLMRoberta": tuple(HEADS)[:5],
    "Camembert": tuple(HEADS)[:5],
    "DistilBert": tuple(HEADS)[:5],
    "MPNet": tuple(HEADS)[:5],
    "Electra": tuple(HEADS),
    "Albert": tuple(HEADS)[:5],
    "ModernBert": tuple(HEADS)[:5],
    "NomicBert": tuple(HEADS)[:4],
    "Gte": tuple(HEADS)[:4],
    "JinaEmbeddingsV3": tuple(HEADS)[:5],
}
ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu")


def draw_settings(family, head, random):
    """A configuration of odd shapes for a family (transformers' class name without the head)."""
    rotary = family in ("ModernBert", "NomicBert", "Gte", "JinaEmbeddingsV3")
    heads = int(random.integers(1, 6))
    head_width = int(random.integers(3, 14)) * 2 if rotary else int(random.integers(5, 27))
    settings = dict(vocab_size=int(random.integers(40, 300)), hidden_size=heads * head_width, num_attention_heads=heads,
                    num_hidden_layers=int(random.integers(1, 5)), intermediate_size=int(random.integers(9, 200)),
                    max_position_embeddings=int(random.integers(516, 560)))
    activation = str(random.choice(ACTIVATIONS))
    epsilon = float(random.choice([1e-12, 1e-5, 1e-3]))
    if head in ("ForSequenceClassification", "ForTokenClassification"):
        settings |= labels(int(random.integers(1 if head.startswith("ForSeq") else 2, 9)))
    if family == "DistilBert":
        renamed = dict(hidden_size="dim", num_attention_heads="n_heads", num_hidden_layers="n_layers",
                       intermediate_size="hidden_dim")
        return {renamed.get(key, key): value for key, value in settings.items()} | dict(activation=activation)
    if family == "ModernBert":
        return settings | dict(
            num_hidden_layers=int(random.integers(1, 7)), hidden_activation=activation, norm_eps=epsilon,
            local_attention=int(random.integers(2, 200)), pad_token_id=0, bos_token_id=1, eos_token_id=2,
            cls_token_id=1, sep_token_id=2, classifier_pooling=str(random.choice(["cls", "mean"])),
            classifier_activation=str(random.choice(ACTIVATIONS)), attention_bias=bool(random.integers(2)),
            mlp_bias=bool(random.integers(2)), norm_bias=bool(random.integers(2)),
            classifier_bias=bool(random.integers(2)), decoder_bias=bool(random.integers(2)))
    settings |= dict(hidden_act=activation, layer_norm_eps=epsilon)
    if family != "MPNet":
        settings["type_vocab_size"] = int(random.integers(1, 4))
    if family in ("Electra", "Albert"):
        settings["embedding_size"] = int(random.choice([settings["hidden_size"], random.integers(7, 60)]))
    if family == "Albert":
        groups = int(random.integers(1, settings["num_hidden_layers"] + 1))
        settings |= dict(num_hidden_groups=groups, inner_group_num=int(random.integers(1, 3)))
    if family in ("NomicBert", "Gte", "JinaEmbeddingsV3"):
        settings["rope_parameters"] = dict(rope_type="default", rope_theta=float(random.choice([100.0, 1000.0, 160000.0])))
    return settings


def draw_model(family, head, seed, directory, **changes):
    """Writes a random checkpoint to `directory` and returns transformers' model of it, in float32."""
    random = np.random.default_rng([seed, *family.encode(), *head.encode()])
    settings = draw_settings(family, head, random) | changes
    make_model(family + head, settings, seed).save_pretrained(directory)
    return load(family + head, directory)


def draw_inputs(model, seed, lengths=LENGTHS):
    """Sequences of random ids, the padding id among them: (list of id lists, list of type lists or None)."""
    random = np.random.default_rng(seed)
    assert max(lengths) <= longest(model)
    ids = [random.integers(0, model.config.vocab_size, length) for length in lengths]
    count = token_type_count(model)
    types = [random.integers(0, count, length).tolist() for length in lengths] if count > 1 else None
    return [row.tolist() for row in ids], types


def expected(model, ids, types):
    """transformers, one sequence at a time: [(hidden states of every layer, logits or None)]."""
    return [run(model, np.array(row), None if types is None else np.array(types[index])) for index, row in enumerate(ids)]


def assert_close(actual, wanted, what, tolerance=1e-4):
    """Relative error of a whole array, and the cosine of every row."""
    actual, wanted = np.asarray(actual, np.float64), np.asarray(wanted, np.float64)
    assert actual.shape == wanted.shape, f"{what}: {actual.shape}, not {wanted.shape}"
    assert np.isfinite(actual).all(), f"{what}: not finite"
    error = np.linalg.norm(actual - wanted) / max(np.linalg.norm(wanted), 1e-30)
    assert error <= tolerance, f"{what}: relative error {error:.2e}"
    if wanted.ndim == 2 and wanted.shape[1] > 1:
        lengths = np.linalg.norm(actual, axis=1) * np.linalg.norm(wanted, axis=1)
        cosine = (actual * wanted).sum(axis=1) / np.maximum(lengths, 1e-30)
        assert cosine.min() >= 0.99999, f"{what}: cosine {cosine.min():.7f} in row {cosine.argmin()}"


torch.set_grad_enabled(False)
