#!/usr/bin/env python3
"""Writes Sources/Tokenizers/Unicode/PropertyAdditions.swift.

Oniguruma, inside the `tokenizers` package, knows a younger Unicode than the oldest PCRE2 that is supported (10.40, Unicode
14). This script asks both about every code point and writes what PCRE2 lacks. Run it with PCRE2 10.40 to 10.42.

Usage: pip install tokenizers && python make_regex_tables.py ../../../Sources/Tokenizers/Unicode
"""

import bisect
import ctypes
import sys

import tokenizers
from tokenizers import Regex, pre_tokenizers

from make_unicode_tables import SCALARS, ranges, rows

TEXT = "".join(map(chr, SCALARS))
BYTES = TEXT.encode()
PROPERTIES = ["Lu", "Ll", "Lm", "Lo", "Mn", "Mc", "Nd", "No", "Pd", "Po", "Sm", "So", "Cf", "Alphabetic", "Lowercase", "Uppercase",
              "Han", "Hiragana", "Latin", "Emoji"]
SCRIPTS = {"Han", "Hiragana", "Latin"}


def oniguruma(name):
    found = set()
    split = pre_tokenizers.Split(Regex(rf"\p{{{name}}}+"), "removed", invert=True)
    for _, (start, end) in split.pre_tokenize_str(TEXT):
        found.update(SCALARS[start:end])
    return found


def pcre2(name):
    library = ctypes.CDLL("libpcre2-8.so.0")
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.pcre2_compile_8.restype = library.pcre2_match_data_create_8.restype = pointer
    library.pcre2_compile_8.argtypes = [ctypes.c_char_p, size, ctypes.c_uint32, pointer, pointer, pointer]
    library.pcre2_match_data_create_8.argtypes = [ctypes.c_uint32, pointer]
    library.pcre2_get_ovector_pointer_8.restype = ctypes.POINTER(size)
    library.pcre2_get_ovector_pointer_8.argtypes = [pointer]
    library.pcre2_match_8.argtypes = [pointer, ctypes.c_char_p, size, size, ctypes.c_uint32, pointer, pointer]
    pattern = rf"\p{{{'sc:' if name in SCRIPTS else ''}{name}}}+".encode()
    error, offset = ctypes.c_int(), size()
    utf, ucp, unchecked = 0x00080000, 0x00020000, 0x40000000
    code = library.pcre2_compile_8(pattern, len(pattern), utf | ucp, ctypes.byref(error), ctypes.byref(offset), None)
    assert code, error.value
    data = library.pcre2_match_data_create_8(1, None)
    places = library.pcre2_get_ovector_pointer_8(data)
    starts, position = [], 0
    for c in SCALARS:
        starts.append(position)
        position += len(chr(c).encode())
    found, position = set(), 0
    while library.pcre2_match_8(code, BYTES, len(BYTES), position, unchecked, data, None) >= 0:
        found.update(SCALARS[bisect.bisect_left(starts, places[0]):bisect.bisect_left(starts, places[1])])
        position = places[1]
    return found


def main():
    with open(f"{sys.argv[1]}/PropertyAdditions.swift", "w") as out:
        out.write(f"// Written by Tests/TokenizersTests/Generators/make_regex_tables.py from tokenizers {tokenizers.__version__}."
                  " Do not edit.\n\n")
        out.write("/// Code points that have a property in the reference's Unicode (16), but not yet in PCRE2 10.40's (14), as pairs:\n"
                  "/// first and last of each range, in ascending order.\n")
        out.write("enum PropertyAdditions {\n    static let all: [String: [UInt32]] = [\n")
        for name in PROPERTIES:
            added = oniguruma(name) - pcre2(name)
            numbers = [n for pair in ranges(added) for n in pair]
            out.write(f'        "{name.lower()}": [\n' + rows(numbers, 12).replace("        0x", "            0x") + "\n        ],\n")
        out.write("    ]\n}\n")


if __name__ == "__main__":
    main()
