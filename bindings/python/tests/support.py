"""What several tests use."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any, Optional

import numpy as np

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
