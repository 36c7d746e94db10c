"""Builds the wheel: a PEP 517 backend that needs nothing but the standard library.

The package is Python and one shared library, so a wheel serves every Python version on one kind of machine: its tag is
py3-none-<platform>. The platform is read from the libraries themselves: the newest glibc version that any of their
symbols asks for (manylinux_2_34_x86_64, for example).

The library is `nestling/lib/libnestling.so.<ABI>` if it lies there, else the one that ``make library`` builds in the
repository. What it needs beyond glibc (the OpenMP runtime) is carried next to it, where `nestling._library` finds it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import pathlib
import platform
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
from typing import Any, Optional

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
PACKAGE = HERE / "nestling"
LIBRARIES = PACKAGE / "lib"

# What every manylinux platform has (PEP 600): the rest is carried.
_SYSTEM_LIBRARIES = re.compile(
    r"^(linux-vdso|ld-linux.*|ld64.*|libc|libm|libdl|libpthread|librt|libutil|libgcc_s|libstdc\+\+)\.so(\.\d+)*$"
)


# The hooks of PEP 517 and PEP 660


def get_requires_for_build_wheel(config_settings: Optional[dict[str, Any]] = None) -> list[str]:
    return []


def get_requires_for_build_sdist(config_settings: Optional[dict[str, Any]] = None) -> list[str]:
    return []


def get_requires_for_build_editable(config_settings: Optional[dict[str, Any]] = None) -> list[str]:
    return []


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Optional[dict[str, Any]] = None) -> str:
    project = _Project()
    directory = pathlib.Path(metadata_directory, project.dist_info)
    directory.mkdir()
    (directory / "METADATA").write_bytes(project.metadata())
    (directory / "WHEEL").write_bytes(_wheel_file("py3-none-any"))
    return project.dist_info


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(
    wheel_directory: str,
    config_settings: Optional[dict[str, Any]] = None,
    metadata_directory: Optional[str] = None,
) -> str:
    libraries = _libraries()
    wheel = _Wheel(_Project(), f"py3-none-{_platform_tag(libraries)}")
    for source in sorted(PACKAGE.rglob("*")):
        if source.suffix == ".py" or source.name == "py.typed":
            wheel.add(source.relative_to(HERE).as_posix(), source.read_bytes())
    for library in libraries:
        wheel.add(f"nestling/lib/{library.name}", library.read_bytes(), executable=True)
    return wheel.write(wheel_directory, _licenses(libraries))


def build_editable(
    wheel_directory: str,
    config_settings: Optional[dict[str, Any]] = None,
    metadata_directory: Optional[str] = None,
) -> str:
    libraries = _libraries()
    LIBRARIES.mkdir(exist_ok=True)
    for library in libraries:  # links, so that the next `make library` is seen at once
        if library.parent != LIBRARIES:
            (LIBRARIES / library.name).unlink(missing_ok=True)
            (LIBRARIES / library.name).symlink_to(library)
    wheel = _Wheel(_Project(), f"py3-none-{_platform_tag(libraries)}")
    wheel.add("__editable__nestling.pth", f"{HERE}\n".encode())
    return wheel.write(wheel_directory, [])


def build_sdist(sdist_directory: str, config_settings: Optional[dict[str, Any]] = None) -> str:
    """An archive of the Python sources. It has no library: put one into nestling/lib before building from it."""
    project = _Project()
    root = f"nestling-{project.version}"
    name = f"{root}.tar.gz"
    files = [*PACKAGE.rglob("*.py"), PACKAGE / "py.typed", *HERE.glob("tests/*.py")]
    files += [HERE / "pyproject.toml", HERE / "build_backend.py", HERE / "README.md"]
    with tarfile.open(os.path.join(sdist_directory, name), "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for file in sorted(files):
            _add_to_tar(archive, f"{root}/{file.relative_to(HERE).as_posix()}", file.read_bytes())
        _add_to_tar(archive, f"{root}/PKG-INFO", project.metadata())
        for license_name, content in _licenses([]):
            _add_to_tar(archive, f"{root}/{license_name}", content)
    return name


# The project


class _Project:
    """What pyproject.toml says, and the version of the C header."""

    def __init__(self) -> None:
        self.table = _read_toml(HERE / "pyproject.toml")["project"]
        self.version = _version()
        self.dist_info = f"nestling-{self.version}.dist-info"

    def metadata(self) -> bytes:
        """Returns METADATA (version 2.4)."""
        table = self.table
        lines = [
            "Metadata-Version: 2.4",
            f"Name: {table['name']}",
            f"Version: {self.version}",
            f"Summary: {table['description']}",
            f"Keywords: {','.join(table['keywords'])}",
            f"License-Expression: {table['license']}",
            f"Requires-Python: {table['requires-python']}",
            *(f"License-File: {name}" for name, _ in _licenses([])),
            *(f"Classifier: {classifier}" for classifier in table["classifiers"]),
            *(f"Requires-Dist: {requirement}" for requirement in table["dependencies"]),
        ]
        for extra, requirements in table["optional-dependencies"].items():
            lines.append(f"Provides-Extra: {extra}")
            lines += [f"Requires-Dist: {requirement} ; extra == '{extra}'" for requirement in requirements]
        readme = (HERE / table["readme"]).read_text(encoding="utf-8")
        return ("\n".join([*lines, "Description-Content-Type: text/markdown", "", readme])).encode()


def _read_toml(path: pathlib.Path) -> dict[str, Any]:
    try:
        import tomllib
    except ImportError:  # Python 3.9 and 3.10
        try:
            import tomli as tomllib
        except ImportError:
            from pip._vendor import tomli as tomllib
    with open(path, "rb") as file:
        return tomllib.load(file)


def _version() -> str:
    """Returns the version of the C header; outside of the repository, that of PKG-INFO."""
    header = REPOSITORY / "include" / "nestling.h"
    if header.is_file():
        text = header.read_text(encoding="utf-8")
        found = [re.search(rf"#define NESTLING_VERSION_{part} (\d+)", text) for part in ("MAJOR", "MINOR", "PATCH")]
        if all(found):
            return ".".join(match.group(1) for match in found if match)
    information = HERE / "PKG-INFO"
    if information.is_file():
        match = re.search(r"^Version: (.+)$", information.read_text(encoding="utf-8"), re.MULTILINE)
        if match:
            return match.group(1)
    raise SystemExit("build_backend: found neither include/nestling.h of the repository nor PKG-INFO")


def _licenses(libraries: list[pathlib.Path]) -> list[tuple[str, bytes]]:
    """Returns (name, content) of the project's licence, and of those of carried libraries where Debian keeps them."""
    found = []
    for file in (REPOSITORY / "LICENSE", HERE / "LICENSE"):
        if file.is_file():
            found.append(("LICENSE", file.read_bytes()))
            break
    for library in libraries:
        if library.name.startswith("libnestling."):
            continue
        for package in _packages_of(library):
            notice = pathlib.Path("/usr/share/doc", package, "copyright")
            if notice.is_file():
                found.append((f"LICENSE.{library.name.split('.')[0]}", notice.read_bytes()))
                break
    return found


def _packages_of(library: pathlib.Path) -> list[str]:
    """Returns the Debian packages that own a file; [] on other systems."""
    if shutil.which("dpkg-query") is None:
        return []
    for path in (library, library.resolve()):
        result = subprocess.run(["dpkg-query", "--search", str(path)], capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return [line.split(":")[0] for line in result.stdout.splitlines()]
    return []


# The libraries


def _libraries() -> list[pathlib.Path]:
    """Returns libnestling, building it if need be, and all that it needs beyond what every Linux has."""
    name = f"libnestling.so.{_abi_version()}"
    if (LIBRARIES / name).is_file():
        return [LIBRARIES / name, *_carried(LIBRARIES / name)]
    if not (REPOSITORY / "Makefile").is_file():
        raise SystemExit(f"build_backend: put {name} into {LIBRARIES}, or build inside the repository of Nestling")
    try:
        subprocess.run(["make", "-C", str(REPOSITORY), "library"], check=True, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"build_backend: `make library` failed: {error}") from None
    library = REPOSITORY / "build" / name
    if not library.is_file():
        raise SystemExit(f"build_backend: `make library` did not make {library}")
    return [library, *_carried(library)]


def _abi_version() -> int:
    text = (PACKAGE / "_ffi.py").read_text(encoding="utf-8")
    match = re.search(r"^ABI_VERSION = (\d+)$", text, re.MULTILINE)
    assert match, "nestling/_ffi.py has no ABI_VERSION"
    return int(match.group(1))


def _carried(library: pathlib.Path) -> list[pathlib.Path]:
    """Returns the libraries that `library` needs, directly or not, and that are not on every Linux."""
    if all(_SYSTEM_LIBRARIES.match(name) for name in _Elf(library).needed):
        return []
    listing = subprocess.run(["ldd", str(library)], capture_output=True, text=True, check=True).stdout
    carried = []
    for line in listing.splitlines():
        words = line.split()
        if "=>" not in words or _SYSTEM_LIBRARIES.match(words[0]):
            continue
        if words[2] == "not" and not (LIBRARIES / words[0]).is_file():
            raise SystemExit(f"build_backend: {library} needs {words[0]}, which is not installed")
        # The name that is asked for, not that of the file behind the links.
        at_hand = LIBRARIES / words[0]
        carried.append(at_hand if at_hand.is_file() else pathlib.Path(words[2]).parent / words[0])
    return carried


def _platform_tag(libraries: list[pathlib.Path]) -> str:
    """Returns the platform of the wheel's tag."""
    machine = platform.machine()
    minor = 17
    for library in libraries:
        for version in _Elf(library).symbol_versions:
            match = re.match(r"GLIBC_2\.(\d+)", version)
            if match:
                minor = max(minor, int(match.group(1)))
            elif version == "GLIBC_PRIVATE":
                return f"linux_{machine}"
    return f"manylinux_2_{minor}_{machine}"


class _Elf:
    """Of a 64-bit little-endian ELF file: the libraries and the symbol versions that it needs."""

    _DYNAMIC = 6
    _NEEDED_VERSIONS = 0x6FFFFFFE

    def __init__(self, path: pathlib.Path) -> None:
        data = path.read_bytes()
        if data[:6] != b"\x7fELF\x02\x01":
            raise SystemExit(f"build_backend: {path} is no 64-bit little-endian ELF file")
        self._data = data
        self.needed: list[str] = []
        self.symbol_versions: list[str] = []
        (start,) = struct.unpack_from("<Q", data, 0x28)
        size, count = struct.unpack_from("<HH", data, 0x3A)
        sections = [struct.unpack_from("<IIQQQQII", data, start + index * size) for index in range(count)]
        for _, kind, _, _, offset, length, link, _ in sections:
            strings = sections[link][4] if link < count else 0
            if kind == self._DYNAMIC:
                for entry in range(offset, offset + length, 16):
                    tag, value = struct.unpack_from("<QQ", data, entry)
                    if tag == 1:
                        self.needed.append(self._string(strings + value))
            elif kind == self._NEEDED_VERSIONS:
                self._read_versions(offset, strings)

    def _read_versions(self, offset: int, strings: int) -> None:
        while True:
            _, count, _, first, following = struct.unpack_from("<HHIII", self._data, offset)
            entry = offset + first
            for _ in range(count):
                _, _, _, name, step = struct.unpack_from("<IHHII", self._data, entry)
                self.symbol_versions.append(self._string(strings + name))
                entry += step
            if following == 0:
                return
            offset += following

    def _string(self, offset: int) -> str:
        return self._data[offset : self._data.index(b"\0", offset)].decode()


# Archives


class _Wheel:
    """Collects the files of a wheel and writes it; the same files give the same bytes (SOURCE_DATE_EPOCH)."""

    def __init__(self, project: _Project, tag: str) -> None:
        self._project = project
        self._tag = tag
        self._files: list[tuple[str, bytes, bool]] = []

    def add(self, name: str, content: bytes, executable: bool = False) -> None:
        self._files.append((name, content, executable))

    def write(self, directory: str, licenses: list[tuple[str, bytes]]) -> str:
        information = self._project.dist_info
        for name, content in licenses:
            self.add(f"{information}/licenses/{name}", content)
        self.add(f"{information}/METADATA", self._project.metadata())
        self.add(f"{information}/WHEEL", _wheel_file(self._tag))
        record = io.StringIO()
        for name, content, _ in self._files:
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.write(f"{name},sha256={digest},{len(content)}\n")
        record.write(f"{information}/RECORD,,\n")
        self.add(f"{information}/RECORD", record.getvalue().encode())
        file_name = f"nestling-{self._project.version}-{self._tag}.whl"
        moment = time.gmtime(max(_epoch(), 315532800))[:6]  # zip knows no time before 1980
        with zipfile.ZipFile(os.path.join(directory, file_name), "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content, executable in self._files:
                entry = zipfile.ZipInfo(name, moment)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = (0o100755 if executable else 0o100644) << 16
                archive.writestr(entry, content)
        return file_name


def _wheel_file(tag: str) -> bytes:
    return f"Wheel-Version: 1.0\nGenerator: nestling build_backend\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()


def _epoch() -> int:
    return int(os.environ.get("SOURCE_DATE_EPOCH", "1577836800"))


def _add_to_tar(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mtime = _epoch()
    archive.addfile(entry, io.BytesIO(content))
