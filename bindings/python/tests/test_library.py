"""Finding, loading and refusing libraries."""

from __future__ import annotations

import pathlib
import shutil
import subprocess

import pytest
from support import run_python

import nestling

_IMPORT = """
try:
    import nestling
except ImportError as error:
    print(type(error).__name__, isinstance(error, ImportError))
    print(error)
else:
    print("loaded", nestling.library_path)
"""


def _compile(folder: pathlib.Path, source: str, name: str = "libnestling.so.0") -> pathlib.Path:
    compiler = next((name for name in ("cc", "clang", "gcc") if shutil.which(name)), None)
    assert compiler, "this test needs a C compiler"
    file = folder / "library.c"
    file.write_text(source)
    subprocess.run([compiler, "-shared", "-fPIC", str(file), "-o", str(folder / name)], check=True)
    return folder / name


def _import_with(path: object) -> str:
    return run_python(_IMPORT, environment={"NESTLING_LIBRARY_PATH": str(path)}).stdout


def test_missing_file_names_path_and_variable(tmp_path: pathlib.Path) -> None:
    output = _import_with(tmp_path / "nowhere.so")
    assert output.startswith("LibraryError True")
    assert str(tmp_path / "nowhere.so") in output
    assert "NESTLING_LIBRARY_PATH" in output


def test_a_library_that_was_asked_for_is_not_replaced(tmp_path: pathlib.Path) -> None:
    """An empty directory has no library; the one inside the package or of the system must not step in."""
    assert "loaded" not in _import_with(tmp_path)


def test_a_directory_and_a_file_both_work() -> None:
    file = pathlib.Path(nestling.library_path)
    if not file.is_absolute():
        pytest.skip("the library came from the system loader")
    assert _import_with(file.parent).startswith("loaded")
    assert _import_with(file).startswith("loaded")


def test_all_tried_paths_are_listed(tmp_path: pathlib.Path) -> None:
    """A copy of the package without a library, on a system without one."""
    package = pathlib.Path(nestling.__file__).parent
    copy = shutil.copytree(package, tmp_path / "nestling", ignore=shutil.ignore_patterns("lib", "__pycache__"))
    output = run_python(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + _IMPORT,
        environment={"NESTLING_LIBRARY_PATH": "", "LD_LIBRARY_PATH": ""},
    ).stdout
    if "loaded" in output:
        pytest.skip("a library is installed in the system")
    assert str(copy / "lib" / "libnestling.so.0") in output
    assert "system loader" in output


def test_no_library_at_all(tmp_path: pathlib.Path) -> None:
    (tmp_path / "libnestling.so.0").write_text("not an ELF file")
    output = _import_with(tmp_path)
    assert output.startswith("LibraryError")
    assert "invalid ELF header" in output or "file too short" in output


def test_a_foreign_library_is_refused(tmp_path: pathlib.Path) -> None:
    output = _import_with(_compile(tmp_path, "int other(void) { return 0; }\n"))
    assert output.startswith("LibraryError")
    assert "not a Nestling library" in output


def test_another_abi_is_refused(tmp_path: pathlib.Path) -> None:
    output = _import_with(_compile(tmp_path, "unsigned nestling_abi_version(void) { return 7; }\n"))
    assert output.startswith("LibraryError")
    assert "ABI version 7" in output


def test_an_older_library_is_refused_by_the_function_it_lacks(tmp_path: pathlib.Path) -> None:
    source = "unsigned nestling_abi_version(void) { return 0; }\nunsigned nestling_version_number(void) { return 1; }\n"
    output = _import_with(_compile(tmp_path, source))
    assert output.startswith("LibraryError")
    assert "older than these Python bindings" in output
    assert "nestling_status_name" in output


def test_version_and_build_info() -> None:
    assert nestling.__version__.count(".") == 2
    information = nestling.build_info()
    assert information["version"] == nestling.__version__


def test_every_public_name_exists_and_is_documented() -> None:
    for name in nestling.__all__:
        value = getattr(nestling, name)
        if name != "library_path":
            assert value.__doc__, name
