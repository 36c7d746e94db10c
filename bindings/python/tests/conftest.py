"""Which library is tested, and where the checkpoints are.

Inside the repository the library is build/libnestling.so.<ABI> (``make library``) unless NESTLING_LIBRARY_PATH says
otherwise, and the package is the one next to these tests unless it is installed.
"""

from __future__ import annotations

import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent.parent

sys.path.insert(0, str(HERE))
if "NESTLING_LIBRARY_PATH" not in os.environ and (REPOSITORY / "build" / "libnestling.so").exists():
    os.environ["NESTLING_LIBRARY_PATH"] = str(REPOSITORY / "build")
try:
    import nestling
except ModuleNotFoundError:
    sys.path.insert(0, str(HERE.parent))
    import nestling

FIXTURES = REPOSITORY / "Tests" / "Fixtures"


@pytest.fixture(scope="session")
def fixtures() -> pathlib.Path:
    """The folder of tiny checkpoints."""
    assert FIXTURES.is_dir(), "these tests run inside the repository"
    return FIXTURES


@pytest.fixture(scope="session")
def header() -> pathlib.Path:
    """The C header that the bindings mirror."""
    return REPOSITORY / "include" / "nestling.h"


@pytest.fixture(scope="session")
def bert(fixtures: pathlib.Path) -> nestling.Model:
    """A BERT without a head: three layers, no tokenizer."""
    return nestling.load(fixtures / "bert" / "base")


@pytest.fixture(scope="session")
def dense_path(fixtures: pathlib.Path) -> pathlib.Path:
    """A sentence-transformers checkpoint with tokenizer, prompts, a Dense layer and Normalize."""
    return fixtures / "sentence-transformers" / "dense"


@pytest.fixture(scope="session")
def dense(dense_path: pathlib.Path) -> nestling.Model:
    return nestling.load(dense_path)


@pytest.fixture(scope="session")
def legacy_path(fixtures: pathlib.Path) -> pathlib.Path:
    """A sentence-transformers checkpoint with tokenizer, cls pooling and Normalize, without prompts."""
    return fixtures / "sentence-transformers" / "legacy"
