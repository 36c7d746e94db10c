"""The wheel: what is in it, and that an empty environment runs it."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from typing import Any

import numpy as np
import pytest

import nestling

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A copy of this folder inside a bare repository, with the library under test as the prebuilt one."""
    repository = tmp_path_factory.mktemp("repository")
    copy = repository / "bindings" / "python"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("lib", "__pycache__", ".*", "*.egg-info"))
    (repository / "include").mkdir()
    shutil.copy(ROOT.parent.parent / "include" / "nestling.h", repository / "include")
    (repository / "LICENSE").write_text("the licence")
    (copy / "nestling" / "lib").mkdir()
    shutil.copy(nestling.library_path, copy / "nestling" / "lib" / "libnestling.so.0")
    return copy


def _backend(project: pathlib.Path) -> Any:
    specification = importlib.util.spec_from_file_location("build_backend_under_test", project / "build_backend.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wheel(project: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("dist")
    return folder / str(_backend(project).build_wheel(str(folder)))


def test_tag(wheel: pathlib.Path) -> None:
    match = re.fullmatch(r"nestling-(\d+\.\d+\.\d+)-py3-none-manylinux_2_(\d+)_(\w+)\.whl", wheel.name)
    assert match
    assert match.group(1) == nestling.__version__
    assert 17 <= int(match.group(2)) <= int(platform.libc_ver()[1].split(".")[1])
    assert match.group(3) == platform.machine()


def test_contents_and_record(wheel: pathlib.Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len(names) == len(set(names))
        information = f"nestling-{nestling.__version__}.dist-info"
        for name in ("nestling/__init__.py", "nestling/py.typed", "nestling/lib/libnestling.so.0",
                     f"{information}/METADATA", f"{information}/WHEEL", f"{information}/licenses/LICENSE"):  # fmt: skip
            assert name in names
        assert not any("test" in name or "__pycache__" in name or name.startswith("build_backend") for name in names)
        assert {f"nestling/{file.name}" for file in (ROOT / "nestling").glob("*.py")} <= set(names)
        recorded = {}
        for line in archive.read(f"{information}/RECORD").decode().splitlines():
            name, digest, size = line.rsplit(",", 2)
            recorded[name] = (digest, size)
        assert set(recorded) == set(names)
        for name, (digest, size) in recorded.items():
            if digest:
                content = archive.read(name)
                expected = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
                assert (digest, size) == (f"sha256={expected}", str(len(content)))
        metadata = archive.read(f"{information}/METADATA").decode()
        assert "Requires-Dist: numpy" in metadata
        assert metadata.count("Requires-Dist:") == metadata.count("extra ==") + 1, "NumPy is the only dependency"
        assert "License-Expression: Apache-2.0" in metadata


def test_the_same_sources_give_the_same_bytes(
    project: pathlib.Path, wheel: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    again = tmp_path / _backend(project).build_wheel(str(tmp_path))
    assert again.read_bytes() == wheel.read_bytes()


def test_everything_that_linux_does_not_have_is_carried(
    project: pathlib.Path, wheel: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    backend = _backend(project)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    libraries = {file.name: file for file in (tmp_path / "nestling" / "lib").iterdir()}
    for file in libraries.values():
        for name in backend._Elf(file).needed:
            assert name in libraries or backend._SYSTEM_LIBRARIES.match(name), f"{file.name} needs {name}"


def test_an_environment_with_numpy_only_runs_it(
    wheel: pathlib.Path, dense_path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """pip installs the wheel without a network; NumPy is lent by a path, as the only other package."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "-q", "--no-index", "--no-deps", str(wheel)], check=True)
    lent = tmp_path / "lent"
    lent.mkdir()
    folder = pathlib.Path(np.__file__).parent
    for name in (folder, folder.parent / "numpy.libs"):
        if name.exists():
            (lent / name.name).symlink_to(name)
    code = f"""
import sys
import nestling
assert {str(tmp_path)!r} in nestling.library_path, nestling.library_path
model = nestling.load({str(dense_path)!r})
print(model.encode(["a small bird"]).shape, nestling.__version__)
"""
    result = subprocess.run(
        [str(python), "-c", code],
        env={"PYTHONPATH": str(lent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["(1,", "10)", nestling.__version__]


def test_source_archive(project: pathlib.Path, tmp_path: pathlib.Path) -> None:
    name = _backend(project).build_sdist(str(tmp_path))
    shutil.unpack_archive(tmp_path / name, tmp_path)
    unpacked = tmp_path / f"nestling-{nestling.__version__}"
    assert (unpacked / "PKG-INFO").read_text().count(f"Version: {nestling.__version__}\n") == 1
    backend = _backend(unpacked)
    with pytest.raises(SystemExit, match=r"libnestling\.so\.0"):
        backend.build_wheel(str(tmp_path))
    (unpacked / "nestling" / "lib").mkdir()
    shutil.copy(nestling.library_path, unpacked / "nestling" / "lib" / "libnestling.so.0")
    assert backend.build_wheel(str(tmp_path)).startswith(f"nestling-{nestling.__version__}-")


def test_editable_installs_link_to_the_library(project: pathlib.Path, tmp_path: pathlib.Path) -> None:
    name = _backend(project).build_editable(str(tmp_path))
    with zipfile.ZipFile(tmp_path / name) as archive:
        assert archive.read("__editable__nestling.pth").decode() == f"{project}\n"


def test_metadata_hook_agrees_with_the_wheel(
    project: pathlib.Path, wheel: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    folder = _backend(project).prepare_metadata_for_build_wheel(str(tmp_path))
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(f"{folder}/METADATA") == (tmp_path / folder / "METADATA").read_bytes()
