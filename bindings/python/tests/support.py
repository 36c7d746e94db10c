"""What several tests use."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import Any, Optional

import numpy as np

import nestling

_DTYPES = {"F32": np.float32, "I32": np.int32}


def read_safetensors(path: pathlib.Path) -> dict[str, Any]:
    """Reads a safetensors file of float32 and int32 tensors."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = (start + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[begin:end], _DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def split(values: Any, offsets: Any) -> list[Any]:
    """Cuts a ragged batch into its sequences."""
    return [values[start:end] for start, end in zip(offsets, offsets[1:])]


def relative_error(result: Any, reference: Any) -> float:
    """The norm of the difference over the norm of the reference."""
    assert result.shape == reference.shape
    return float(np.linalg.norm(result - reference) / np.linalg.norm(reference))


def run_python(
    code: str, *, environment: Optional[dict[str, str]] = None, timeout: float = 120, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Runs code in a fresh interpreter that finds the same package and library as this one."""
    import nestling

    package = str(pathlib.Path(nestling.__file__).parent.parent)
    variables = {**os.environ, "PYTHONPATH": package, **(environment or {})}
    result = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=timeout, check=False
    )
    if check:
        assert result.returncode == 0, result.stdout + result.stderr
    return result


TOKENIZERS = pathlib.Path(__file__).resolve().parent.parent.parent.parent / "Tests" / "TokenizersTests" / "Fixtures"


def recorded_tokenizer(name: str) -> nestling.Tokenizer:
    """The tokenizer of a recorded fixture: a tokenizer.json, or a SentencePiece file with its tokenizer_config.json."""
    with (TOKENIZERS / f"{name}.jsonl").open(encoding="utf-8") as lines:
        first = json.loads(lines.readline())
    if "settings" not in first:
        return nestling.Tokenizer.from_file(TOKENIZERS / first["tokenizer"])
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(TOKENIZERS / first["tokenizer"], pathlib.Path(folder) / "tokenizer.model")
        (pathlib.Path(folder) / "tokenizer_config.json").write_text(json.dumps(first["settings"]), encoding="utf-8")
        return nestling.Tokenizer.from_pretrained(folder)
