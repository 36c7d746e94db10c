"""Text that every machine with Python has: the sources of its standard library and the texts of its help().

All of it is covered by the licence of Python (PSF-2.0): files that carry another permission notice are left out. So
are packages that distributions ship apart, tests and tables: one version of Python gives one text everywhere.
"""

import ast
import hashlib
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy

END_OF_TEXT = 256
PADDING = 257
VOCABULARY = 258

LEFT_OUT = {
    "__pycache__",
    "dist-packages",
    "distutils",
    "encodings",
    "ensurepip",
    "html/entities.py",
    "idlelib",
    "lib2to3",
    "site-packages",
    "sitecustomize.py",
    "test",
    "tests",
    "tkinter",
    "turtledemo",
}
OTHER_LICENCE = re.compile(
    rb"permission notice|permission to use|permission is hereby|redistribution and use"
    rb"|redistributed under|all rights reserved|copying and distribution|public domain"
    rb"|warrant(y|ies) of merchantability|freely, subject to",
    re.IGNORECASE,
)
# One text of this many is held out for validation.
HELD_OUT = 24


def texts() -> Iterator[tuple[str, bytes]]:
    """Names and contents, in the order of the names."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        name = path.relative_to(root)
        if LEFT_OUT.intersection((*name.parts, name.as_posix())) or name.parts[0].startswith(
            ("_sysconfigdata", "config-")
        ):
            continue
        content = path.read_bytes()
        if name.as_posix() == "pydoc_data/topics.py":
            # The only statement is a dictionary of texts; they are wanted, not their Python literals.
            topics = ast.literal_eval(ast.parse(content).body[-1].value)
            for topic in sorted(topics):
                yield f"help({topic!r})", topics[topic].strip().encode() + b"\n"
        elif content.strip() and not OTHER_LICENCE.search(content):
            yield name.as_posix(), content


def is_held_out(name: str) -> bool:
    """The same for a name everywhere, whatever other texts there are."""
    return hashlib.sha256(name.encode()).digest()[0] % HELD_OUT == 0


def write(folder: Path) -> dict[str, object]:
    """Writes train.u16 and validation.u16, tokens of all texts, each followed by END_OF_TEXT; says what is in them."""
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[str, list[numpy.ndarray]] = {"train": [], "validation": []}
    digest = hashlib.sha256()
    for name, content in texts():
        tokens = numpy.frombuffer(content, numpy.uint8).astype(numpy.uint16)
        parts["validation" if is_held_out(name) else "train"].append(numpy.append(tokens, numpy.uint16(END_OF_TEXT)))
        digest.update(content)
    for part, arrays in parts.items():
        if not arrays:
            raise SystemExit(f"the standard library at {sysconfig.get_path('stdlib')} has no sources to train on")
        numpy.concatenate(arrays).tofile(folder / f"{part}.u16")
    return {
        "sha256": digest.hexdigest(),
        **{f"{part}_texts": len(arrays) for part, arrays in parts.items()},
        **{f"{part}_bytes": sum(map(len, arrays)) - len(arrays) for part, arrays in parts.items()},
    }


def open_part(folder: Path, part: str) -> numpy.ndarray:
    return numpy.memmap(folder / f"{part}.u16", numpy.uint16, mode="r")
