#!/usr/bin/env python3
"""Guards the binary interface: include/nestling.abi says what programs that were built once rely on.

The header is read by clang: signatures, enum values, struct sizes and field offsets are compared with the committed
list, and so are the names that the library exports. Additions are reported too: they are accepted with --accept,
in the same commit as the header's change.
"""

import argparse
import difflib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADER = ROOT / "include" / "nestling.h"
ACCEPTED = ROOT / "include" / "nestling.abi"
CAPTION = "# The binary interface of libnestling.so on 64-bit Linux. Written by `make abi-accept`, compared by `make abi`.\n"


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def declarations():
    """Yields the header's own top-level nodes of clang's syntax tree."""
    tree = json.loads(run("clang", "-x", "c", "-std=c11", "-fsyntax-only", "-Xclang", "-ast-dump=json", str(HEADER)))
    # clang leaves a file name out where it is the same as in the node before.
    file = None
    for node in tree["inner"]:
        location = node.get("loc", {})
        location = location.get("expansionLoc", location)
        file = location.get("file", file)
        if file == str(HEADER) and "includedFrom" not in location:
            yield node


def interface():
    """Returns the interface as lines, and the names of the functions."""
    functions, values, records = {}, [], {}
    for node in declarations():
        if node["kind"] == "FunctionDecl":
            functions[node["name"]] = node["type"]["qualType"]
        elif node["kind"] == "EnumDecl":
            values += [constant["name"] for constant in node["inner"] if constant["kind"] == "EnumConstantDecl"]
        elif node["kind"] == "TypedefDecl":
            records.setdefault(node["name"], ("type", node["type"]["qualType"]))
        elif node["kind"] == "RecordDecl" and node.get("completeDefinition"):
            fields = [(field["name"], field["type"]["qualType"]) for field in node["inner"] if field["kind"] == "FieldDecl"]
            records[node["name"]] = ("struct", fields)

    # The compiler itself says what the numbers are.
    code = ['#include <stdio.h>', '#include <stddef.h>', f'#include "{HEADER}"', "int main(void) {"]
    for name in values:
        code.append(f'printf("value {name} %d\\n", (int){name});')
    code.append('printf("value NESTLING_ABI_VERSION %d\\n", (int)NESTLING_ABI_VERSION);')
    for name, (kind, body) in sorted(records.items()):
        if kind == "struct":
            code.append(f'printf("struct {name} size %zu\\n", sizeof({name}));')
            for field, type_ in body:
                code.append(f'printf("field {name}.{field} offset %zu size %zu type {type_}\\n", offsetof({name}, {field}),'
                            f' sizeof((({name} *)0)->{field}));')
        elif not body.startswith("struct "):
            code.append(f'printf("type {name} = {body}\\n");')
    code.append("return 0; }")
    with tempfile.TemporaryDirectory() as folder:
        source, program = f"{folder}/layout.c", f"{folder}/layout"
        pathlib.Path(source).write_text("\n".join(code))
        run("clang", "-std=c11", source, "-o", program)
        lines = run(program).splitlines()
    lines += [f"function {name}: {type_}" for name, type_ in sorted(functions.items())]
    return lines, set(functions)


def exported(library):
    """Returns the defined dynamic symbols."""
    lines = run("nm", "--dynamic", "--defined-only", str(library)).splitlines()
    return {line.split()[-1].split("@")[0] for line in lines}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accept", action="store_true", help="write the header's interface to include/nestling.abi")
    parser.add_argument("--library", type=pathlib.Path, help="the library whose exports are compared")
    parser.add_argument("--size-limit", type=int, help="greatest size of the library in bytes")
    parser.add_argument("--load-limit", type=float, help="longest time of loading it, in milliseconds")
    arguments = parser.parse_args()

    lines, functions = interface()
    if not functions:
        sys.exit("abi: found no function in include/nestling.h")
    text = CAPTION + "\n".join(lines) + "\n"
    if arguments.accept:
        ACCEPTED.write_text(text)
        print(f"abi: wrote {len(lines)} lines to {ACCEPTED.relative_to(ROOT)}")
        return

    passed, problems = 0, []

    def check(holds, problem):
        nonlocal passed
        if holds:
            passed += 1
        else:
            problems.append(problem)

    accepted = ACCEPTED.read_text()
    changes = difflib.unified_diff(accepted.splitlines(), text.splitlines(), "accepted", "header", lineterm="", n=0)
    check(accepted == text, "the header differs from include/nestling.abi:\n" + "\n".join(changes))

    if arguments.library:
        symbols = exported(arguments.library)
        check(not functions - symbols, f"not exported: {', '.join(sorted(functions - symbols))}")
        check(not symbols - functions, f"exported, but not in the header: {', '.join(sorted(symbols - functions))}")
        needed = run("readelf", "--dynamic", str(arguments.library))
        needed = [line.split("[")[1].rstrip("]") for line in needed.splitlines() if "(NEEDED)" in line]
        extra = [name for name in needed if not name.startswith(("libc.so", "libm.so", "ld-linux"))]
        check(not extra, f"the library needs {', '.join(extra)}")
        size = arguments.library.stat().st_size
        print(f"abi: {len(symbols)} functions, {size:,} bytes, needs {' '.join(needed)}")
        if arguments.size_limit:
            check(size < arguments.size_limit, f"{size:,} bytes; the limit is {arguments.size_limit:,}")
        if arguments.load_limit:
            code = "import ctypes, sys, time; t = time.perf_counter(); ctypes.CDLL(sys.argv[1]); print(time.perf_counter() - t)"
            library = str(arguments.library.resolve())
            # The best of several: what is measured is the library, not the machine's other work.
            seconds = min(float(run(sys.executable, "-c", code, library)) for _ in range(5))
            print(f"abi: loads in {seconds * 1000:.1f} ms")
            check(seconds * 1000 < arguments.load_limit,
                  f"loading took {seconds * 1000:.1f} ms; the limit is {arguments.load_limit:g}")

    for problem in problems:
        print(f"abi: {problem}", file=sys.stderr)
    print(f"abi: {passed} passed, {len(problems)} failed")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
