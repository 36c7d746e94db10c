"""The examples run on a tiny checkpoint, as a reader would run them."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

import nestling

FOLDER = pathlib.Path(__file__).resolve().parent.parent.parent.parent / "examples" / "python"
EXAMPLES = sorted(FOLDER.glob("*.py"))


def _run(example: pathlib.Path, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(nestling.__file__).parent.parent)}
    return subprocess.run(
        [sys.executable, str(example), *arguments],
        env=environment, input=text, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs_and_says_something(
    example: pathlib.Path, dense_path: pathlib.Path, fixtures: pathlib.Path
) -> None:
    model = dense_path
    if "images" in example.name:
        model = fixtures / "vit" / "image-classification"
    if "generate" in example.name:
        model = FOLDER.parent / "models" / "matlm"
    result = _run(example, str(model))
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) >= 5
    assert result.stderr == ""
    assert "nan" not in result.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_without_arguments_it_tells_how(example: pathlib.Path) -> None:
    result = _run(example)
    assert result.returncode == 1
    assert f"python {example.name}" in result.stderr


def test_numbered_examples_are_short() -> None:
    for example in EXAMPLES:
        if example.name[0].isdigit():
            assert len(example.read_text().splitlines()) <= 60, example.name


def test_search_answers_what_it_is_asked(dense_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "documents.txt").write_text("a small bird\n\nthe river\n")
    result = _run(FOLDER / "04_search.py", str(dense_path), str(tmp_path / "documents.txt"), text="the river\n")
    assert result.stdout.splitlines()[0] == "the river"
    assert "a small bird" in result.stdout


def test_the_submodel_example_saves(dense_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    result = _run(FOLDER / "02_submodel.py", str(dense_path), str(tmp_path / "half"))
    assert result.returncode == 0, result.stderr
    assert nestling.load(tmp_path / "half").parameters < nestling.load(dense_path).parameters
