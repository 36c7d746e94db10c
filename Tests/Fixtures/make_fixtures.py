"""Makes the tiny random-weight checkpoints and goldens under Tests/Fixtures.

    python Tests/Fixtures/make_fixtures.py [--only bert/base modernbert ...]

needs torch, transformers, tokenizers, sentence-transformers, safetensors and NumPy (README.md tells the versions of the
committed data). Everything is seeded: the same versions write the same bytes.

A checkpoint is written by `save_pretrained` of the class that users would use, read back by `from_pretrained`, and run one
sequence at a time, without padding and without an attention mask, with eager attention: in float64 for the goldens, and in
float32 to make sure that the two agree. README.md tells how goldens are laid out.
"""

import argparse
import json
import os
import shutil
import sys
import zlib
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import sentence_transformers
import torch
import transformers
from safetensors.numpy import load_file, save_file

HERE = Path(__file__).resolve().parent
LENGTHS = (1, 2, 9, 17, 128, 512)  # the sequence of 9 contains the padding token twice
SHORT = 17  # hidden states of every layer up to this length
FLOAT32_TOLERANCE = 2e-5  # float32 against float64, relative error of a whole tensor

# MARK: - What is made

BERT = dict(vocab_size=120, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=76,
            max_position_embeddings=520, type_vocab_size=2)
SMALL = dict(vocab_size=96, hidden_size=24, num_hidden_layers=1, num_attention_heads=3, intermediate_size=44,
             max_position_embeddings=140)
LONG = SMALL | dict(max_position_embeddings=520)
MODERN = dict(vocab_size=120, hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=76,
              max_position_embeddings=600, local_attention=8, pad_token_id=0, bos_token_id=1, eos_token_id=2,
              cls_token_id=1, sep_token_id=2)
SMALL_MODERN = MODERN | dict(vocab_size=96, hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
                             intermediate_size=44)
DISTIL = dict(vocab_size=110, dim=40, n_layers=2, n_heads=4, hidden_dim=76, max_position_embeddings=520)
SMALL_DISTIL = dict(vocab_size=96, dim=30, n_layers=1, n_heads=2, hidden_dim=44, max_position_embeddings=140)


def labels(count):
    """The config entries for `count` labels."""
    names = [f"LABEL_{index}" for index in range(count)]
    return dict(id2label=dict(enumerate(names)), label2id={name: index for index, name in enumerate(names)})


# path under Tests/Fixtures -> (class, configuration, what is special). Activations, epsilons and widths vary on purpose:
# a loader that ignores a key must fail somewhere.
CHECKPOINTS = {
    "bert/base": ("BertModel", BERT, {}),
    "bert/masked-lm": ("BertForMaskedLM", LONG | dict(hidden_act="gelu_new", type_vocab_size=2), {}),
    "bert/masked-lm-untied": ("BertForMaskedLM", SMALL | dict(tie_word_embeddings=False), {}),
    "bert/sequence-classification": ("BertForSequenceClassification", LONG | labels(3), {}),
    "bert/token-classification": ("BertForTokenClassification", LONG | labels(5) | dict(hidden_act="relu"), {}),
    "bert/question-answering": ("BertForQuestionAnswering", LONG | dict(hidden_act="silu", layer_norm_eps=1e-2), {}),
    "bert/float16": ("BertModel", SMALL, dict(dtype="float16")),
    "bert/bfloat16": ("BertModel", SMALL, dict(dtype="bfloat16")),
    "bert/sharded": ("BertForMaskedLM", SMALL | dict(num_hidden_layers=2),
                     dict(max_shard_size="12KB")),
    "bert/legacy-names": ("BertForMaskedLM", SMALL, dict(legacy_names=True)),
    "roberta/base": ("RobertaModel", BERT | dict(vocab_size=110, hidden_size=36, num_hidden_layers=2,
                     num_attention_heads=3, max_position_embeddings=530, layer_norm_eps=1e-5), {}),
    "roberta/masked-lm": ("RobertaForMaskedLM", SMALL | dict(hidden_act="relu", type_vocab_size=1), {}),
    "roberta/sequence-classification": ("RobertaForSequenceClassification", SMALL | labels(1) | dict(type_vocab_size=1), {}),
    "roberta/token-classification": ("RobertaForTokenClassification", SMALL | labels(4) | dict(type_vocab_size=1), {}),
    "roberta/question-answering": ("RobertaForQuestionAnswering", SMALL | dict(type_vocab_size=1, pad_token_id=3), {}),
    "xlm-roberta/base": ("XLMRobertaModel", BERT | dict(num_hidden_layers=2, num_attention_heads=2, intermediate_size=52,
                         layer_norm_eps=1e-5, type_vocab_size=1), {}),
    "xlm-roberta/sequence-classification": ("XLMRobertaForSequenceClassification",
                                            SMALL | labels(3) | dict(type_vocab_size=1), {}),
    "distilbert/base": ("DistilBertModel", DISTIL | dict(activation="relu"), {}),
    "distilbert/masked-lm": ("DistilBertForMaskedLM", SMALL_DISTIL, {}),
    "distilbert/sequence-classification": ("DistilBertForSequenceClassification", SMALL_DISTIL | labels(3), {}),
    "distilbert/token-classification": ("DistilBertForTokenClassification", SMALL_DISTIL | labels(5), {}),
    "distilbert/question-answering": ("DistilBertForQuestionAnswering", SMALL_DISTIL, {}),
    "mpnet/base": ("MPNetModel", BERT | dict(num_hidden_layers=2, layer_norm_eps=1e-5), {}),
    "mpnet/masked-lm": ("MPNetForMaskedLM", SMALL | dict(hidden_act="relu"), {}),
    "mpnet/sequence-classification": ("MPNetForSequenceClassification", SMALL | labels(3), {}),
    "mpnet/token-classification": ("MPNetForTokenClassification", SMALL | labels(5), {}),
    "mpnet/question-answering": ("MPNetForQuestionAnswering", SMALL, {}),
    "electra/base": ("ElectraModel", BERT | dict(num_hidden_layers=2, embedding_size=16, layer_norm_eps=1e-3), {}),
    "electra/masked-lm": ("ElectraForMaskedLM", SMALL | dict(embedding_size=12, hidden_act="relu"), {}),
    "electra/replaced-token": ("ElectraForPreTraining", SMALL | dict(embedding_size=24, hidden_act="gelu_new"), {}),
    "electra/sequence-classification": ("ElectraForSequenceClassification",
                                        SMALL | labels(3) | dict(embedding_size=12, hidden_act="relu"), {}),
    "electra/token-classification": ("ElectraForTokenClassification", SMALL | labels(5) | dict(embedding_size=12), {}),
    "electra/question-answering": ("ElectraForQuestionAnswering", SMALL | dict(embedding_size=12), {}),
    "albert/base": ("AlbertModel", BERT | dict(embedding_size=16, num_hidden_layers=4, num_hidden_groups=2,
                    inner_group_num=2), {}),
    "albert/masked-lm": ("AlbertForMaskedLM", SMALL | dict(embedding_size=12, num_hidden_layers=3), {}),
    "albert/sequence-classification": ("AlbertForSequenceClassification",
                                       SMALL | labels(3) | dict(embedding_size=12, num_hidden_layers=2), {}),
    "albert/token-classification": ("AlbertForTokenClassification",
                                    SMALL | labels(5) | dict(embedding_size=24, hidden_act="gelu"), {}),
    "albert/question-answering": ("AlbertForQuestionAnswering",
                                  SMALL | dict(embedding_size=12, num_hidden_layers=3, num_hidden_groups=2), {}),
    "modernbert/base": ("ModernBertModel", MODERN, {}),
    "modernbert/masked-lm": ("ModernBertForMaskedLM", SMALL_MODERN | dict(classifier_activation="silu"), {}),
    "modernbert/sequence-classification": ("ModernBertForSequenceClassification",
                                           SMALL_MODERN | labels(3) | dict(classifier_pooling="mean"), {}),
    "modernbert/sequence-classification-cls": ("ModernBertForSequenceClassification",
                                               SMALL_MODERN | labels(3) | dict(num_hidden_layers=1), {}),
    "modernbert/token-classification": ("ModernBertForTokenClassification", SMALL_MODERN | labels(5) | dict(
        attention_bias=True, mlp_bias=True, norm_bias=True, classifier_bias=True, local_attention=7), {}),
    "modernbert/question-answering": ("ModernBertForQuestionAnswering", SMALL_MODERN | dict(
        num_hidden_layers=3, global_attn_every_n_layers=2, global_rope_theta=2000.0, local_rope_theta=30.0),
        dict(legacy_config=True)),
    "nomic_bert/base": ("NomicBertModel", BERT | dict(num_hidden_layers=2, max_position_embeddings=600), {}),
    "nomic_bert/masked-lm": ("NomicBertForMaskedLM", LONG | dict(type_vocab_size=2), {}),
    "nomic_bert/sequence-classification": ("NomicBertForSequenceClassification", LONG | labels(3), {}),
    "nomic_bert/token-classification": ("NomicBertForTokenClassification", LONG | labels(5), {}),
    "gte/base": ("GteModel", BERT | dict(num_hidden_layers=2, max_position_embeddings=600, type_vocab_size=1), {}),
    "gte/masked-lm": ("GteForMaskedLM", LONG | dict(hidden_act="relu"), {}),
    "gte/sequence-classification": ("GteForSequenceClassification", LONG | labels(3) | dict(type_vocab_size=0), {}),
    "gte/token-classification": ("GteForTokenClassification", LONG | labels(5), {}),
    "jina_embeddings_v3/base": ("JinaEmbeddingsV3Model", BERT | dict(num_hidden_layers=2, max_position_embeddings=600,
                                type_vocab_size=1), {}),
    "jina_embeddings_v3/masked-lm": ("JinaEmbeddingsV3ForMaskedLM", LONG, {}),
    "jina_embeddings_v3/sequence-classification": ("JinaEmbeddingsV3ForSequenceClassification", LONG | labels(3), {}),
    "jina_embeddings_v3/token-classification": ("JinaEmbeddingsV3ForTokenClassification", LONG | labels(5), {}),
    "jina_embeddings_v3/question-answering": ("JinaEmbeddingsV3ForQuestionAnswering", LONG, {}),
}

FAMILIES = ("JinaEmbeddingsV3", "XLMRoberta", "ModernBert", "DistilBert", "NomicBert", "Camembert", "Roberta", "Electra",
            "Albert", "MPNet", "Bert", "Gte")


# MARK: - Models

def seed_of(name):
    """A stable seed for a name."""
    return zlib.crc32(name.encode())


def configuration_of(class_name, settings):
    """The configuration object that belongs to a model class."""
    family = next(family for family in FAMILIES if class_name.startswith(family))
    return getattr(transformers, family + "Config")(**settings)


def randomize(model, seed):
    """Draws every parameter anew, on a scale at which each of them matters to the result: norms near 1, biases of 0.1,
    embeddings of 0.3, and matrices of about 1 / sqrt(inputs) (queries and keys half as much again: sharper attention)."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("bias"):
                values = 0.1 * noise
            elif parameter.dim() < 2:
                values = 1 + 0.2 * noise
            elif parameter.dim() == 4:  # patches
                values = noise * parameter[0].numel() ** -0.5
            elif "embeddings." in name or "relative_attention_bias" in name:
                values = 0.3 * noise
                if "relative_attention_bias" in name:
                    values = 3 * values
            else:
                sharper = any(part in name for part in ("query", "key", "q_lin", "k_lin", ".attn.q.", ".attn.k.",
                                                        "q_proj", "k_proj"))
                values = noise * (1.5 if sharper else 1.0) * parameter.shape[1] ** -0.5
            parameter.copy_(shorten(values))
    return model.eval()


def shorten(values):
    """Values with 12 bits of mantissa instead of 23: git stores them in two thirds of the room, and a weight that went
    through bfloat16 (8 bits) or float16 (11 bits) on the way is still found out."""
    return (values.contiguous().view(torch.int32) & ~0x7FF).view(torch.float32)


def make_model(class_name, settings, seed):
    """A float32 model of a transformers class with random weights."""
    configuration = configuration_of(class_name, settings)
    return randomize(getattr(transformers, class_name)(configuration), seed)


def load(class_name, directory, dtype=torch.float32):
    """What a user gets: `from_pretrained`, eager attention."""
    model = getattr(transformers, class_name).from_pretrained(directory, dtype=dtype, attn_implementation="eager")
    return model.eval()


# MARK: - Inputs

def longest(model):
    """How many tokens the positions of a model allow."""
    configuration = model.config
    if configuration.model_type in ("roberta", "xlm-roberta", "camembert"):
        return configuration.max_position_embeddings - configuration.pad_token_id - 1
    if configuration.model_type == "mpnet":
        return configuration.max_position_embeddings - 2
    return configuration.max_position_embeddings


def token_type_count(model):
    """How many token types a model knows; 0 or 1: none worth passing."""
    if model.config.model_type in ("distilbert", "mpnet", "modernbert"):
        return 0
    return getattr(model.config, "type_vocab_size", 0)


def make_inputs(model, seed):
    """Sequences of LENGTHS, as far as the positions reach: [(ids [n], types [n] or None)]."""
    random = np.random.default_rng(seed)
    padding = model.config.pad_token_id
    usable = np.setdiff1d(np.arange(model.config.vocab_size), [padding])
    sequences = []
    for length in LENGTHS:
        if length > longest(model):
            continue
        ids = random.choice(usable, length)
        if length == 9:
            ids[[3, 8]] = padding
        types = None
        if token_type_count(model) > 1:
            types = (np.arange(length) >= random.integers(0, length + 1)).astype(np.int64)
        sequences.append((ids, types))
    return sequences


def rows_of(length):
    """The rows that a golden keeps of a sequence: all up to 17, else a spread that ends with the last."""
    if length <= SHORT:
        return np.arange(length, dtype=np.int32)
    return np.unique(np.append(np.arange(0, length, length // 12), [1, length - 1])).astype(np.int32)


# MARK: - Goldens

def rows_of_streams(state):
    """Hidden states [1, n, hidden], or of several streams [streams, 1, n, hidden] (Gemma 3n), side by side as rows [n, ...]."""
    return state[0] if state.dim() == 3 else state[:, 0].transpose(0, 1).flatten(1)


def run(model, ids, types):
    """Runs one sequence alone.

    returns: ([layers + 1] hidden states [n, hidden], logits or None). Logits are [n, scores] for a token head and
    [1, labels] for a sequence head; the two vectors of question answering become columns 0 (start) and 1 (end).
    """
    arguments = dict(input_ids=torch.from_numpy(ids[None].astype(np.int64)), output_hidden_states=True)
    if types is not None:
        arguments["token_type_ids"] = torch.from_numpy(types[None].astype(np.int64))
    with torch.no_grad():
        output = model(**arguments)
    states = [rows_of_streams(state).double().numpy() for state in output.hidden_states]
    if "last_hidden_state" in output:
        states[-1] = output.last_hidden_state[0].double().numpy()
    logits = None
    if "start_logits" in output:
        logits = torch.stack([output.start_logits[0], output.end_logits[0]], dim=-1)
    elif "logits" in output:
        logits = output.logits[0]
        if type(model).__name__.endswith("ForPreTraining"):
            logits = logits[:, None]
        elif logits.dim() == 1:
            logits = logits[None]
    return states, None if logits is None else logits.double().numpy()


def relative_error(actual, expected):
    """Norm of the difference over norm of the expected."""
    return float(np.linalg.norm(actual - expected) / max(np.linalg.norm(expected), 1e-30))


def make_goldens(exact, single, sequences):
    """Goldens of a checkpoint from its float64 model; the float32 model must agree.

    returns: (tensors by name, largest relative error of float32)
    """
    tensors = {
        "ids": np.concatenate([ids for ids, _ in sequences]).astype(np.int32),
        "offsets": np.cumsum([0] + [len(ids) for ids, _ in sequences]).astype(np.int32),
    }
    if sequences[0][1] is not None:
        tensors["token_type_ids"] = np.concatenate([types for _, types in sequences]).astype(np.int32)
    worst = 0.0
    for ids, types in sequences:
        length = len(ids)
        rows = rows_of(length)
        states, logits = run(exact, ids, types)
        single_states, single_logits = run(single, ids, types)
        worst = max([worst] + [relative_error(a, b) for a, b in zip(single_states, states)])
        tensors[f"rows.{length}"] = rows
        if logits is None:
            for layer, state in enumerate(states):
                if length <= SHORT or layer == len(states) - 1:
                    tensors[f"hidden.{layer}.{length}"] = state[rows].astype(np.float32)
            tensors[f"mean.{length}"] = states[-1].mean(axis=0).astype(np.float32)
        else:
            worst = max(worst, relative_error(single_logits, logits))
            per_token = logits.shape[0] == length and not type(exact).__name__.endswith("ForSequenceClassification")
            tensors[f"logits.{length}"] = (logits[rows] if per_token else logits).astype(np.float32)
            if length == SHORT:
                tensors[f"hidden.{len(states) - 1}.{length}"] = states[-1].astype(np.float32)
    assert worst < FLOAT32_TOLERANCE, f"float32 is {worst} away from float64"
    return tensors, worst


def made_with(class_name):
    """The metadata of a golden: one entry, because safetensors writes several in random order."""
    names = {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0],
             "sentence-transformers": sentence_transformers.__version__, "numpy": np.__version__}
    return {"made_with": ", ".join([class_name] + [f"{name} {version}" for name, version in names.items()])}


# MARK: - Checkpoints out of the ordinary

def rewrite_with_legacy_names(directory):
    """Gives a BertForMaskedLM file the names of the TensorFlow days, with what such files carry besides: gamma and beta,
    the tied decoder written out, a next-sentence head, and position ids in int64."""
    path = directory / "model.safetensors"
    tensors = load_file(path)
    renamed = {}
    for name, value in tensors.items():
        renamed[name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")] = value
    hidden = tensors["bert.embeddings.word_embeddings.weight"].shape[1]
    positions = tensors["bert.embeddings.position_embeddings.weight"].shape[0]
    renamed["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"].copy()
    renamed["cls.seq_relationship.weight"] = np.zeros((2, hidden), np.float32)
    renamed["cls.seq_relationship.bias"] = np.zeros(2, np.float32)
    renamed["bert.embeddings.position_ids"] = np.arange(positions, dtype=np.int64)[None]
    save_file(renamed, path, metadata={"format": "pt"})
    configuration = json.loads((directory / "config.json").read_text())
    for key in ("dtype", "tie_word_embeddings", "classifier_dropout", "add_cross_attention", "is_decoder",
                "bos_token_id", "eos_token_id", "use_cache"):
        configuration.pop(key, None)
    configuration |= {"position_embedding_type": "absolute", "gradient_checkpointing": False,
                      "transformers_version": "4.8.2"}
    (directory / "config.json").write_text(json.dumps(configuration, indent=2, sort_keys=True) + "\n")


def rewrite_with_legacy_config(directory, settings):
    """Gives a ModernBERT config the keys that the published checkpoints use in place of layer_types and rope_parameters."""
    configuration = json.loads((directory / "config.json").read_text())
    del configuration["layer_types"], configuration["rope_parameters"]
    for key in ("global_attn_every_n_layers", "global_rope_theta", "local_rope_theta"):
        configuration[key] = settings[key]
    (directory / "config.json").write_text(json.dumps(configuration, indent=2, sort_keys=True) + "\n")


def make_checkpoint(name):
    """Writes one checkpoint of CHECKPOINTS and its goldens."""
    class_name, settings, special = CHECKPOINTS[name]
    directory = HERE / name
    shutil.rmtree(directory, ignore_errors=True)
    model = make_model(class_name, settings, seed_of(name))
    if "dtype" in special:
        model = model.to(getattr(torch, special["dtype"]))
    options = {key: special[key] for key in ("max_shard_size",) if key in special}
    model.save_pretrained(directory, **options)
    if special.get("legacy_names"):
        rewrite_with_legacy_names(directory)
    if special.get("legacy_config"):
        rewrite_with_legacy_config(directory, settings)
    single = load(class_name, directory)
    exact = load(class_name, directory).double()
    for (key, original), (_, loaded) in zip(model.named_parameters(), single.named_parameters()):
        assert torch.equal(original.float(), loaded), f"{name}: {key} was not saved as it is"
    sequences = make_inputs(single, seed_of(name + " inputs"))
    tensors, worst = make_goldens(exact, single, sequences)
    save_file(tensors, directory / "golden.safetensors", metadata=made_with(class_name))
    make_readable(directory)
    return worst


def make_readable(directory):
    """safetensors makes files that only their owner may read."""
    for path in directory.rglob("*.safetensors"):
        path.chmod(0o644)


# MARK: - sentence-transformers

WORDS = """a an the and or not of to in on at is are was were be it this that with for from by as but if then than so we you he she
they one two three time day year man woman child world life hand part place work week case point company number water
cat dog bird nest egg tree house book city river small large old new good bad red green blue run sing fly eat read write
##s ##ed ##ing ##er ##est ##ly ##ness ##ling nestling sparrow query passage search document""".split()

TEXTS = [
    "A small bird sings in the old tree.",
    "the nestling eats from the hand of a child",
    "We were reading the book by the river, and it was good!",
    "Two dogs, three cats & one sparrow; 2024-11-20.",
    "\u00c9t\u00e9 \u00e0 la rivi\u00e8re: na\u00efve caf\u00e9",
    "\u6771\u4eac is a large city",
    "unknownwordthatis\u2603snow",
    "",
    "nest " * 90,
]

POOLING_MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


def make_tokenizer(maximum):
    """A WordPiece tokenizer over WORDS and single characters, as `transformers` writes it."""
    characters = [chr(code) for code in range(33, 127) if not chr(code).isupper()] + ["\u6771", "\u4eac"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    for piece in characters + ["##" + c for c in characters if c.isalnum()] + WORDS:
        if piece not in vocabulary:
            vocabulary.append(piece)
    return transformers.BertTokenizerFast(vocab={piece: index for index, piece in enumerate(vocabulary)},
                                          model_max_length=maximum), vocabulary


def clean_tokenizer_files(directory, vocabulary):
    """Leaves nothing of the machine in the tokenizer's files, and adds the vocab.txt of older checkpoints."""
    path = directory / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    for key in ("is_local", "local_files_only", "name_or_path"):
        settings.pop(key, None)
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    (directory / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    (directory / "README.md").unlink(missing_ok=True)


def make_sentence_transformer(name):
    """Writes a sentence-transformers directory and its goldens.

    `sentence-transformers/dense`: as sentence-transformers 6 writes it: mean pooling, Dense (Tanh), Normalize, prompts with
    a default. `sentence-transformers/legacy`: as version 2 wrote it (the form of most public models): cls pooling and
    Normalize, max_seq_length in sentence_bert_config.json.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    legacy = name.endswith("legacy")
    directory = HERE / name
    shutil.rmtree(directory, ignore_errors=True)
    body = directory / "body"
    tokenizer, vocabulary = make_tokenizer(64)
    settings = SMALL | dict(vocab_size=len(vocabulary), max_position_embeddings=70)
    make_model("BertModel", settings, seed_of(name)).save_pretrained(body)
    tokenizer.save_pretrained(body)

    transformer = Transformer(str(body), max_seq_length=64, model_kwargs=dict(attn_implementation="eager"))
    hidden = settings["hidden_size"]
    pooling = Pooling(hidden, pooling_mode="cls" if legacy else "mean")
    modules = [transformer, pooling]
    if not legacy:
        dense = Dense(hidden, 10, bias=True, activation_function=torch.nn.Tanh())
        randomize(dense, seed_of(name + " dense"))
        modules.append(dense)
    modules.append(Normalize())
    prompts = {} if legacy else {"query": "search query: ", "document": "passage: "}
    model = SentenceTransformer(modules=modules, prompts=prompts, default_prompt_name=None if legacy else "document",
                                device="cpu").eval()
    written = directory / "written"
    model.save_pretrained(str(written), create_model_card=False)
    shutil.rmtree(body)
    for path in written.iterdir():
        shutil.move(str(path), str(directory / path.name))
    written.rmdir()
    clean_tokenizer_files(directory, vocabulary)
    settings_path = directory / "config_sentence_transformers.json"
    settings_text = json.loads(settings_path.read_text())
    settings_text["__version__"]["pytorch"] = torch.__version__.split("+")[0]
    settings_path.write_text(json.dumps(settings_text, indent=2) + "\n")
    if legacy:
        rewrite_sentence_transformer_in_old_form(directory, hidden)

    loaded = SentenceTransformer(str(directory), device="cpu", model_kwargs=dict(attn_implementation="eager")).eval()
    exact = SentenceTransformer(str(directory), device="cpu", model_kwargs=dict(attn_implementation="eager")).double().eval()
    assert loaded.max_seq_length == 64
    (directory / "texts.json").write_text(json.dumps(TEXTS, indent=1) + "\n")
    ids = [loaded.tokenizer(text, truncation=True, max_length=64)["input_ids"] for text in TEXTS]
    tensors = {"ids": np.concatenate(ids).astype(np.int32),
               "offsets": np.cumsum([0] + [len(row) for row in ids]).astype(np.int32)}

    def encode(model, **arguments):
        return np.stack([model.encode([text], batch_size=1, **arguments)[0] for text in TEXTS])

    cases = {"vectors": {}, "vectors.no_prompt": dict(prompt="")}
    if not legacy:
        cases |= {"vectors.query": dict(prompt_name="query")}
    worst = 0.0
    for key, arguments in cases.items():
        tensors[key] = encode(exact, **arguments).astype(np.float32)
        worst = max(worst, relative_error(encode(loaded, **arguments), tensors[key]))
    for mode in POOLING_MODES:
        pooler = Pooling(hidden, pooling_mode=mode)
        rows = []
        for row in ids:
            with torch.no_grad():
                state = exact[0].auto_model(input_ids=torch.tensor([row])).last_hidden_state
                rows.append(pooler({"token_embeddings": state})["sentence_embedding"][0].numpy())
        tensors[f"pooled.{mode}"] = np.stack(rows).astype(np.float32)
    assert worst < FLOAT32_TOLERANCE, worst
    save_file(tensors, directory / "golden.safetensors", metadata=made_with("SentenceTransformer"))
    make_readable(directory)
    return worst


def rewrite_sentence_transformer_in_old_form(directory, hidden):
    """Replaces the settings of version 6 by those that version 2 wrote."""
    def write(path, value):
        (directory / path).parent.mkdir(exist_ok=True)
        (directory / path).write_text(json.dumps(value, indent=2) + "\n")

    write("modules.json", [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}])
    write("1_Pooling/config.json", {
        "word_embedding_dimension": hidden, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False,
        "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False})
    write("sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": False})
    write("config_sentence_transformers.json", {
        "__version__": {"sentence_transformers": "2.0.0", "transformers": "4.6.1", "pytorch": "1.8.1"}})
    settings = json.loads((directory / "tokenizer_config.json").read_text())
    settings["model_max_length"] = 512
    (directory / "tokenizer_config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    shutil.rmtree(directory / "2_Normalize")


SENTENCE_TRANSFORMERS = ("sentence-transformers/dense", "sentence-transformers/legacy")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[""], help="beginnings of names, for example bert/base modernbert")
    chosen = tuple(parser.parse_args().only)
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for name in [*CHECKPOINTS, *SENTENCE_TRANSFORMERS]:
        if not name.startswith(chosen):
            continue
        make = make_sentence_transformer if name in SENTENCE_TRANSFORMERS else make_checkpoint
        worst = make(name)
        size = sum(path.stat().st_size for path in (HERE / name).rglob("*") if path.is_file())
        print(f"{name:45} {size / 1024:7.1f} KiB   float32 differs by {worst:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
