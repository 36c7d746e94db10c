"""examples/training: a tiny model is trained in seconds; its checkpoint is what transformers and tokenizers expect."""

import json
import subprocess
import sys
from pathlib import Path

import nestling
import numpy
import pytest
import tokenizers
import torch
import transformers
from safetensors.torch import load_file

FOLDER = Path(__file__).resolve().parent.parent.parent / "examples" / "training"
SIZES = [
    "--hidden",
    "24",
    "--layers",
    "2",
    "--heads",
    "3",
    "--kv-heads",
    "1",
    "--ffn",
    "48",
    "--context",
    "64",
    "--batch",
    "3",
]
OPTIONS = ["--steps", "10", "--threads", "2", "--seed", "7", "--evaluate", "2048"]
TEXT = "def f(x):\n\treturn 'ünï→😀'\r\n\0\x7f  "


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training") / "matlm"
    command = [sys.executable, FOLDER / "train_matlm.py", "--output", folder, *SIZES, *OPTIONS]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def training():
    """The modules of the example, which import each other by their plain names."""
    sys.path.insert(0, str(FOLDER))
    try:
        import matformer
        import muon
        import train_matlm

        yield {"matformer": matformer, "muon": muon, "train_matlm": train_matlm}
    finally:
        sys.path.remove(str(FOLDER))


def random_ids(count):
    return torch.from_numpy(numpy.random.default_rng(3).integers(0, 257, (2, count)))


def test_loads_in_transformers(trained, training):
    theirs, info = transformers.AutoModelForCausalLM.from_pretrained(
        trained, dtype=torch.float32, output_loading_info=True
    )
    assert isinstance(theirs, transformers.LlamaForCausalLM)
    assert not any(info.values())
    shape = training["matformer"].Shape(258, 24, 2, 3, 1, 48, 64)
    ours = training["matformer"].MatFormer(shape)
    ours.load_state_dict(
        {
            name.removeprefix("model."): tensor.float()
            for name, tensor in load_file(trained / "model.safetensors").items()
        }
    )
    ids = random_ids(64)
    with torch.inference_mode():
        torch.testing.assert_close(theirs(ids).logits, ours(ids)[0], atol=2e-5, rtol=0)
        # A narrow submodel is the model whose matrices are cut, and goes on from the keys and values of any other.
        cut, tensors = (
            transformers.LlamaConfig.from_pretrained(trained, intermediate_size=12),
            load_file(trained / "model.safetensors"),
        )
        for name in list(tensors):
            if "mlp.down_proj" in name:
                tensors[name] = tensors[name][:, :12]
            elif "mlp." in name:
                tensors[name] = tensors[name][:12]
        narrow = transformers.LlamaForCausalLM(cut).float().eval()
        assert (
            narrow.load_state_dict(
                {name: tensor.float() for name, tensor in tensors.items()}, strict=False
            ).unexpected_keys
            == []
        )
        whole, caches = ours(ids, 12)
        torch.testing.assert_close(narrow(ids).logits, whole, atol=2e-5, rtol=0)
        past = [(keys[:, :, :40], values[:, :, :40]) for keys, values in caches]
        torch.testing.assert_close(ours(ids[:, 40:], 12, past)[0], whole[:, 40:], atol=2e-5, rtol=0)


MATLM = FOLDER.parent / "models" / "matlm"


@pytest.mark.parametrize("share", [1, 0.5, 0.25, 0.125])
@pytest.mark.parametrize("name", ["trained", "matlm"])
def test_nestling_runs_every_width(trained, name, share):
    folder = trained if name == "trained" else MATLM
    config = transformers.LlamaConfig.from_pretrained(folder)
    width = int(config.intermediate_size * share)
    tensors = {key: tensor.float() for key, tensor in load_file(folder / "model.safetensors").items()}
    for key, tensor in tensors.items():
        if "mlp." in key:
            tensors[key] = tensor[:, :width] if "down_proj" in key else tensor[:width]
    theirs = transformers.LlamaForCausalLM(transformers.LlamaConfig.from_pretrained(folder, intermediate_size=width))
    theirs.float().eval().load_state_dict(tensors, strict=False)
    whole = nestling.load(folder)
    model = whole if share == 1 else whole.submodel(ffn=share)
    text = (FOLDER / "corpus.py").read_bytes()
    batch = [list(text[:length]) for length in (1, 7, 50, config.max_position_embeddings)]
    for ids, logits in zip(batch, model.logits(batch), strict=True):
        with torch.inference_mode():
            wanted = theirs(torch.tensor([ids])).logits[0].numpy()
        # Two orders of float32 sums; logits reach 20.
        numpy.testing.assert_allclose(logits, wanted, atol=1e-4, rtol=0)


def test_nestling_reads_its_tokens(trained):
    assert nestling.load(trained).tokenize([TEXT])[0] == list(TEXT.encode())


def test_tokens_are_bytes(trained):
    tokenizer = tokenizers.Tokenizer.from_file(str(trained / "tokenizer.json"))
    every = "".join(map(chr, range(0x300))) + TEXT
    assert tokenizer.encode(every).ids == list(every.encode())
    assert tokenizer.decode(list(every.encode())) == every
    assert [tokenizer.id_to_token(index) is None for index in range(259)] == [False] * 258 + [True]
    theirs = transformers.AutoTokenizer.from_pretrained(trained)
    assert theirs(TEXT).input_ids == list(TEXT.encode())
    assert theirs.decode(list(TEXT.encode())) == TEXT
    assert theirs.eos_token_id == 256
    assert theirs.pad_token_id == 257


def test_card_and_config(trained):
    card = (trained / "README.md").read_text()
    assert "--steps 10 --seed 7 --threads 2 --hidden 24" in card
    assert json.loads((trained / "config.json").read_text())["matformer_ffn_widths"] == [6, 12, 24, 48]
    assert "PSF-2.0" in card
    assert (trained / "LICENSE.python.txt").exists()


def test_resumed_training_is_uninterrupted_training(training, tmp_path):
    module = training["train_matlm"]
    options = module.parser().parse_args(["--output", str(tmp_path), *SIZES, *OPTIONS])
    text = numpy.random.default_rng(5).integers(0, 257, 4096).astype(numpy.uint16)

    def trainer():
        torch.manual_seed(7)
        return module.Trainer(options, module.MatFormer(module.Shape(258, 24, 2, 3, 1, 48, 64)), torch.device("cpu"), 2)

    straight, first, second = trainer(), trainer(), trainer()
    for _ in range(10):
        straight.train_step(text)
    for _ in range(6):
        first.train_step(text)
    first.save(tmp_path / "state.pt")
    second.load(tmp_path / "state.pt")
    for _ in range(4):
        second.train_step(text)
    for name, tensor in straight.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name]), name


@pytest.mark.parametrize("size", [(5, 9), (9, 5), (3, 16, 16), (2, 40, 8)])
def test_orthogonalize_is_near_the_polar_factor(training, size):
    x = torch.randn(size, generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(x.double(), full_matrices=False)
    got = training["muon"].orthogonalize(x).double()
    # The iteration flattens the spectrum to about 0.68 ... 1.13 and leaves the singular vectors alone.
    values = torch.linalg.svdvals(got)
    assert got.shape == x.shape
    assert values.max() < 1.2
    cosine = (got * (left @ right)).sum() / got.norm() / (left @ right).norm()
    assert cosine > 0.9
