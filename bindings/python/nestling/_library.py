"""Finding, loading and checking the shared library."""

from __future__ import annotations

import ctypes
import os
import pathlib
from typing import Any

from . import _ffi
from .errors import LibraryError, error_for_status

#: Environment variable that names the library to load: a file, or the directory that holds it.
PATH_VARIABLE = "NESTLING_LIBRARY_PATH"

FILE_NAME = f"libnestling.so.{_ffi.ABI_VERSION}"

_CARRIED = pathlib.Path(__file__).resolve().parent / "lib"


def _candidates() -> list[tuple[str, str]]:
    """Returns (where it comes from, what is given to the loader), in the order of trying.

    A path that the environment variable names is the only candidate: someone who asked for one library must not
    silently get another.
    """
    chosen = os.environ.get(PATH_VARIABLE)
    if chosen:
        path = pathlib.Path(chosen)
        if path.is_dir():
            path = path / FILE_NAME
        return [(PATH_VARIABLE, str(path.absolute()))]
    return [("this package", str(_CARRIED / FILE_NAME)), ("system loader", FILE_NAME)]


def _load_carried_dependencies() -> None:
    """Loads the libraries that a wheel carries next to libnestling, so that the dynamic linker finds them by soname.

    They may need each other, so the ones that failed are tried again until a round brings nothing new.
    """
    waiting = [path for path in sorted(_CARRIED.glob("*.so*")) if not path.name.startswith("libnestling.")]
    while waiting:
        failed = []
        for path in waiting:
            try:
                ctypes.CDLL(str(path))
            except OSError:
                failed.append(path)
        if len(failed) == len(waiting):
            return
        waiting = failed


def _open() -> tuple[ctypes.CDLL, str]:
    tried = []
    for origin, name in _candidates():
        try:
            if origin == "this package":
                if not os.path.exists(name):
                    raise OSError("no such file")
                _load_carried_dependencies()
            return ctypes.CDLL(name), name
        except OSError as error:
            tried.append(f"  {name} ({origin}): {error}")
    raise LibraryError(
        f"cannot load {FILE_NAME}; tried\n" + "\n".join(tried) + f"\n"
        f"Reinstall the package, or set {PATH_VARIABLE} to the library or to the directory that holds it."
    )


def load() -> tuple[ctypes.CDLL, str]:
    """Loads the library, checks that it fits these bindings, and declares its functions.

    Returns
    -------
    (library, path)
        The path is what the dynamic loader was given.

    Raises
    ------
    LibraryError
        If no candidate loads, or if the one that does has another ABI version or lacks a function. The text lists
        the paths tried.
    """
    library, path = _open()
    try:
        abi_version = library.nestling_abi_version
    except AttributeError:
        raise LibraryError(f"{path} is not a Nestling library: it has no nestling_abi_version") from None
    abi_version.restype = ctypes.c_uint32
    if abi_version() != _ffi.ABI_VERSION:
        raise LibraryError(
            f"{path} has ABI version {abi_version()}, and these bindings need {_ffi.ABI_VERSION}: "
            "install a library and a Python package of the same release"
        )
    try:
        _ffi.declare(library, _check)
    except AttributeError as error:
        raise LibraryError(f"{path} is older than these Python bindings: {error}") from None
    return library, path


def _check(status: int, function: Any, arguments: Any) -> int:
    """Turns a status into an exception. ctypes calls it on the thread that made the call, so the message is its own."""
    if status != _ffi.STATUS_OK:
        message = library.nestling_last_error_message()
        raise error_for_status(status, message.decode("utf-8", "replace"))
    return status


library, library_path = load()
