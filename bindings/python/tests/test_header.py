"""The table of functions and the structures, against the header."""

from __future__ import annotations

import ctypes
import pathlib
import re
import shutil
import subprocess
from ctypes import POINTER

import pytest

from nestling import _ffi

# Header types as ctypes types. A char pointer that is written to (`char *buffer`) is c_char_p too: buffers are arrays.
_TYPES = {
    "void": None,
    "nestling_status": _ffi.Status,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "int32_t": ctypes.c_int32,
    "size_t": ctypes.c_size_t,
    "char *": ctypes.c_char_p,
    "char *const *": POINTER(ctypes.c_char_p),
    "void *": ctypes.c_void_p,
    "int32_t *": POINTER(ctypes.c_int32),
    "uint32_t *": POINTER(ctypes.c_uint32),
    "uint8_t *": POINTER(ctypes.c_uint8),
    "uint64_t *": POINTER(ctypes.c_uint64),
    "float *": POINTER(ctypes.c_float),
    "size_t *": POINTER(ctypes.c_size_t),
    "nestling_model *": POINTER(_ffi.ModelHandle),
    "nestling_model **": POINTER(POINTER(_ffi.ModelHandle)),
    "nestling_session *": POINTER(_ffi.SessionHandle),
    "nestling_session **": POINTER(POINTER(_ffi.SessionHandle)),
    "nestling_tokenizer *": POINTER(_ffi.TokenizerHandle),
    "nestling_tokenizer **": POINTER(POINTER(_ffi.TokenizerHandle)),
    "nestling_encodings *": POINTER(_ffi.EncodingsHandle),
    "nestling_encodings **": POINTER(POINTER(_ffi.EncodingsHandle)),
    "double *": POINTER(ctypes.c_double),
    "nestling_progress": _ffi.Progress,
    "nestling_generator *": POINTER(_ffi.GeneratorHandle),
    "nestling_generator **": POINTER(POINTER(_ffi.GeneratorHandle)),
    "nestling_sequence *": POINTER(_ffi.SequenceHandle),
    "nestling_sequence **": POINTER(POINTER(_ffi.SequenceHandle)),
    "nestling_decode_stream *": POINTER(_ffi.DecodeStreamHandle),
    "nestling_decode_stream **": POINTER(POINTER(_ffi.DecodeStreamHandle)),
    **{f"{name} *": POINTER(structure) for name, structure in _ffi.STRUCTURES.items()},
}

_DECLARATION = re.compile(r"NESTLING_API\s+(?:NESTLING_MUST_USE\s+)?([\w\s*]+?)(nestling_\w+)\(([^)]*)\)\s*;")


def _without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)


def _type(declaration: str) -> object:
    """Turns "const char *path" (or a bare type) into a ctypes type; raises KeyError for types not known here."""
    words = re.findall(r"\w+|\*", declaration)
    if words[0] == "const":
        del words[0]
    if len(words) > 1 and words[-1] != "*":
        del words[-1]  # the argument's name
    base, *rest = words
    return _TYPES[f"{base} {''.join('const ' if word == 'const' else word for word in rest)}".strip()]


def _parse(header: pathlib.Path) -> dict[str, tuple[object, tuple[object, ...]]]:
    functions = {}
    for result, name, arguments in _DECLARATION.findall(_without_comments(header.read_text(encoding="utf-8"))):
        parts = [] if arguments.strip() == "void" else arguments.split(",")
        functions[name] = (_type(result), tuple(_type(part) for part in parts))
    return functions


def test_every_function_is_in_the_table_with_its_types(header: pathlib.Path) -> None:
    expected = _parse(header)
    assert len(expected) >= 30, "the header was not understood"
    table = {name: (result, arguments) for name, result, arguments in _ffi.FUNCTIONS}
    assert len(table) == len(_ffi.FUNCTIONS), "a function stands in the table twice"
    assert table == expected


def test_no_declaration_escapes_the_parser(header: pathlib.Path) -> None:
    text = _without_comments(header.read_text(encoding="utf-8"))
    names = set(re.findall(r"\b(nestling_\w+)\s*\(", text))
    assert names == set(_parse(header)), "a function is declared in a way that this test does not read"


@pytest.mark.parametrize(
    ("table", "prefix"),
    [
        (_ffi.DTYPES, "NESTLING_DTYPE_"),
        (_ffi.POOLINGS, "NESTLING_POOLING_"),
        (_ffi.HEADS, "NESTLING_HEAD_"),
        (_ffi.TRUNCATIONS, "NESTLING_TRUNCATE_"),
        (_ffi.SIDES, "NESTLING_SIDE_"),
        (_ffi.DETAILS, "NESTLING_DETAILS_"),
        (_ffi.CACHES, "NESTLING_CACHE_"),
        (_ffi.FINISHES, "NESTLING_FINISH_"),
    ],
)
def test_constants(header: pathlib.Path, table: dict[str, int], prefix: str) -> None:
    text = _without_comments(header.read_text(encoding="utf-8"))
    expected = {name.lower(): int(value) for name, value in re.findall(rf"{prefix}(\w+) = (-?\d+)", text)}
    assert table == expected


def test_statuses_have_classes(header: pathlib.Path) -> None:
    from nestling import errors

    text = _without_comments(header.read_text(encoding="utf-8"))
    names = dict(re.findall(r"NESTLING_ERROR_(\w+) = (-\d+)", text))
    assert names
    special = {"IO": "InputOutputError"}
    for name, value in names.items():
        expected = special.get(name, "".join(word.capitalize() for word in name.split("_")) + "Error")
        error = errors.error_for_status(int(value), "text")
        assert type(error).__name__ == expected
        assert error.status == int(value)
        assert str(error) == "text"


def test_abi_version(header: pathlib.Path) -> None:
    match = re.search(r"#define NESTLING_ABI_VERSION (\d+)", header.read_text(encoding="utf-8"))
    assert match
    assert int(match.group(1)) == _ffi.ABI_VERSION


def test_layer_embeddings(header: pathlib.Path) -> None:
    match = re.search(r"#define NESTLING_LAYER_EMBEDDINGS \((-?\d+)\)", header.read_text(encoding="utf-8"))
    assert match
    assert int(match.group(1)) == _ffi.LAYER_EMBEDDINGS


def test_every_structure_is_mirrored(header: pathlib.Path) -> None:
    text = _without_comments(header.read_text(encoding="utf-8"))
    with_fields = set(re.findall(r"typedef struct (\w+) \{", text))
    assert with_fields == set(_ffi.STRUCTURES)


def test_layouts_are_those_of_a_compiled_program(header: pathlib.Path, tmp_path: pathlib.Path) -> None:
    compiler = next((name for name in ("cc", "clang", "gcc") if shutil.which(name)), None)
    assert compiler, "this test needs a C compiler"
    lines = []
    for name, structure in _ffi.STRUCTURES.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        lines += [
            f'printf("{name}.{field[0]} %zu %zu\\n", offsetof({name}, {field[0]}), sizeof((({name} *)0)->{field[0]}));'
            for field in structure._fields_
        ]
    source = tmp_path / "layout.c"
    program = "\n    ".join(lines)
    source.write_text(
        f"#include <nestling.h>\n#include <stdio.h>\nint main(void) {{\n    {program}\n    return 0;\n}}\n"
    )
    subprocess.run(
        [compiler, "-std=c99", f"-I{header.parent}", str(source), "-o", str(tmp_path / "layout")], check=True
    )
    printed = subprocess.run([str(tmp_path / "layout")], check=True, capture_output=True, text=True).stdout

    expected = []
    for name, structure in _ffi.STRUCTURES.items():
        expected.append(f"{name} {ctypes.sizeof(structure)}")
        for field in structure._fields_:
            place = getattr(structure, field[0])
            expected.append(f"{name}.{field[0]} {place.offset} {place.size}")
    assert printed.splitlines() == expected


def test_struct_size_is_set_and_fields_do_not_end_early(header: pathlib.Path) -> None:
    """A structure of the header may only grow at the end: a field that is missing here shows in the size."""
    for name, structure in _ffi.STRUCTURES.items():
        instance = structure()
        if name != "nestling_file":
            assert instance.struct_size == ctypes.sizeof(structure), name
