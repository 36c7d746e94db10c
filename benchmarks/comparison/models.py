"""The measured models as checkpoint directories, and their arithmetic."""

import dataclasses
import json
import shutil
from pathlib import Path

from . import images, texts

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json")
# The cases of the table in the documentation; a run with `--cases all` has all of `inputs` for every model.
TABLE = {"MiniLM": ("8 x 128", "1 x 16", "256 sentences"), "BERT-base, random": ("8 x 128", "1 x 512"),
         "ViT-B/16, random": tuple(images.SHAPES), "ViT-B/16 classifier, random": tuple(images.SHAPES)}


@dataclasses.dataclass(frozen=True)
class Model:
    """A checkpoint, and the folder in which engines keep what they convert it to."""

    name: str
    directory: str
    converted: str
    of_images: bool = False
    # Its result is a score for each class, not the last hidden states.
    classifies: bool = False

    @property
    def takes(self):
        """The module that knows its inputs."""
        return images if self.of_images else texts


def write_bert_base(directory, tokenizer_source):
    """A BERT of base size (12 layers of 768) with seeded random weights. Runs in a process of its own."""
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    # CTranslate2 asks for the position embeddings by name, which transformers no longer writes.
    config = transformers.BertConfig(position_embedding_type="absolute")
    transformers.BertModel(config).save_pretrained(directory)
    for name in TOKENIZER_FILES:
        if (Path(tokenizer_source) / name).exists():
            shutil.copy(Path(tokenizer_source) / name, directory)


def make_models(minilm, work, in_child):
    """All models: {name: Model}. in_child runs a function in another process, so that this one stays small and idle."""
    models = {}
    for name, folder in zip(TABLE, ("minilm", "bert-base", "vit-base", "vit-classifier")):
        directory, converted = work / folder, work / (folder + "-converted")
        of_images, classifies = folder.startswith("vit"), folder == "vit-classifier"
        converted.mkdir(exist_ok=True)
        if not (directory / "config.json").exists():
            if name == "MiniLM":
                directory.symlink_to(Path(minilm).resolve(), target_is_directory=True)
            elif of_images:
                in_child(images.write_vit_base, str(directory), classifies)
            else:
                in_child(write_bert_base, str(directory), str(minilm))
        models[name] = Model(name, str(directory), str(converted), of_images, classifies)
    return models


def operations(model, rows, ffn=1.0):
    """Floating-point operations of the matrix products of a forward pass, with the given part of the FFN's width."""
    config = json.loads((Path(model.directory) / "config.json").read_text())
    hidden, width = config["hidden_size"], int(config["intermediate_size"] * ffn)
    per_token = 2 * (4 * hidden * hidden + 2 * hidden * width)
    return config["num_hidden_layers"] * sum(len(row) * per_token + 4 * len(row) ** 2 * hidden for row in rows)
