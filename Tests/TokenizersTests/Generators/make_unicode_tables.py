#!/usr/bin/env python3
"""Writes Sources/Tokenizers/Unicode/{CharacterRanges,ClusterRanges,LowercaseRuns,ScriptRanges}.swift.

The `tokenizers` package takes character classes from several crates, each with its own version of Unicode. Guessing
those versions is how tokenizers come to differ, so this script asks the package itself about every code point.

Usage: pip install tokenizers && python make_unicode_tables.py ../../../Sources/Tokenizers/Unicode
"""

import struct
import sys

import tokenizers
from tokenizers import normalizers, pre_tokenizers

SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(members):
    result = []
    for c in sorted(members):
        if result and c == result[-1][1] + 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def where(predicate):
    return ranges({c for c in SCALARS if predicate(chr(c))})


def bert(**on):
    settings = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**settings, **on}).normalize_str


def pieces(pre_tokenizer):
    return lambda text: len(pre_tokenizer.pre_tokenize_str(text))


def classes():
    clean, unaccent = bert(clean_text=True), bert(strip_accents=True)
    nfd, strip = normalizers.NFD().normalize_str, normalizers.StripAccents().normalize_str
    space, punctuation = pieces(pre_tokenizers.WhitespaceSplit()), pieces(pre_tokenizers.Punctuation())
    digits, words = pieces(pre_tokenizers.Digits()), pieces(pre_tokenizers.Whitespace())
    yield "bertRemoved", "What BertNormalizer removes when it cleans text.", where(lambda c: clean(f"a{c}b") == "ab")
    yield "whiteSpace", "White_Space, which is what Rust's `char::is_whitespace` tells.", where(
        lambda c: space(f"a{c}b") == 2)
    yield "punctuation", "ASCII punctuation, and what the crate unicode_categories takes for punctuation.", where(
        lambda c: punctuation(f"a{c}b") == 3)
    yield "numeric", "Numbers of any kind (Nd, Nl, No), as Rust's `char::is_numeric` has them.", where(
        lambda c: digits(f"a{c}b") == 3)
    yield "nonspacingMark", "Nonspacing marks that are left after canonical decomposition, as unicode_categories has them.", where(
        lambda c: nfd(c) == c and unaccent(f"a{c}") == "a")
    yield "mark", "Marks of any kind, as the crate unicode-normalization-alignments (Unicode 9) has them.", where(
        lambda c: strip(f"a{c}") == "a")
    yield "word", "`\\\\w` of the crate regex.", where(
        lambda c: words(f"a{c}") == 1 and space(f"a{c}b") == 1)


def combining():
    """Code points that normalization to any form, or canonical ordering, can touch; Hangul syllables aside."""
    forms = [f().normalize_str for f in (normalizers.NFD, normalizers.NFKD, normalizers.NFC, normalizers.NFKC)]

    def moves(c):
        if "\uac00" <= c <= "\ud7a3":
            return False
        if any(f(c) != c for f in forms):
            return True
        # U+0345 has the highest combining class, U+0334 the lowest: an unordered pair shows itself.
        return forms[0](f"a\u0345{c}") != f"a\u0345{c}" or forms[0](f"a{c}\u0334") != f"a{c}\u0334"

    return "normalizationActive", "Code points with a decomposition or a combining class in Unicode 9, Hangul syllables aside.", \
        where(moves)


def cluster_probe():
    """A function that tells whether its argument, of less than six bytes, is one grapheme cluster.

    Precompiled replaces a short cluster by what its first bytes lead to; here every byte leads to "X" at once."""
    units = [0] * 1024
    units[0] = 256 << 10
    for byte in range(1, 256):
        units[256 ^ byte] = byte | 1 << 8 | 512 << 10
    blob = struct.pack("<I", 4 * len(units)) + struct.pack(f"<{len(units)}I", *units) + b"X\0"
    probe = normalizers.Precompiled(blob).normalize_str
    return probe


def clusters():
    probe = cluster_probe()
    yield "clusterJoiner", "Marks and joiners that belong to the character before them (UAX #29, GB9 and GB9a).", where(
        lambda c: c != "\0" and probe(f"a{c}") == "X")
    yield "clusterPrefix", "Characters that the next one belongs to (UAX #29, GB9b).", where(
        lambda c: c != "\0" and probe(f"{c}a") == "X")
    yield "clusterControl", "Characters that stand alone even behind a prefix (UAX #29, GB5), as far as three bytes hold them.", where(
        lambda c: c == "\0" or (c < "\U00010000" and probe(f"\u0600{c}") != "X"))
    yield "pictographic", "Characters that a joiner ties to the pictograph before it (UAX #29, GB11).", where(
        lambda c: c != "\0" and probe(f"a{c}") != "X" and probe(f"\u00a9\u200d{c}") == "XXX")


def lowercase_runs():
    lower = normalizers.Lowercase().normalize_str
    changed = [(c, ord(lower(chr(c)))) for c in SCALARS if lower(chr(c)) != chr(c) and c != 0x130]
    assert lower("\u0130") == "i\u0307"
    runs = []  # first, last, stride, lowercase of the first
    for c, small in changed:
        if runs:
            first, last, stride, target = runs[-1]
            step = c - last
            if small - c == target - first and step <= 2 and (first == last or step == stride):
                runs[-1] = (first, c, step, target)
                continue
        runs.append((c, c, 1, small))
    return runs


def script_runs():
    """Ranges of code points that UnicodeScripts keeps together, with a number for each script; 0 (any) is left out."""
    cut = pre_tokenizers.UnicodeScripts().pre_tokenize_str

    def joined(a, b):
        return len(cut(a + b)) == 1

    def is_any(c):
        # Joins with everything, and is dropped at the beginning.
        return not cut(c)

    runs, representatives = [], []
    for c in SCALARS:
        if is_any(chr(c)):
            continue
        if runs and c == runs[-1][1] + 1 and joined(chr(c - 1), chr(c)):
            runs[-1][1] = c
            continue
        for number, representative in enumerate(representatives, 1):
            if joined(representative, chr(c)):
                break
        else:
            representatives.append(chr(c))
            number = len(representatives)
        runs.append([c, c, number])
    assert len(representatives) < 256
    return runs


def blocks(tables):
    return "\n".join(
        f"    /// {text}\n    static let {name}: [UInt32] = [\n{rows([n for pair in found for n in pair], 12)}\n    ]\n"
        for name, text, found in tables)


def rows(numbers, per_row):
    lines = []
    for i in range(0, len(numbers), per_row):
        lines.append("        " + ", ".join(f"0x{n:X}" for n in numbers[i:i + per_row]) + ",")
    return "\n".join(lines)


def main():
    folder = sys.argv[1]
    head = (f"// Written by Tests/TokenizersTests/Generators/make_unicode_tables.py from tokenizers {tokenizers.__version__}."
            " Do not edit.\n\n")
    with open(f"{folder}/CharacterRanges.swift", "w") as out:
        out.write(head)
        out.write("/// Classes of code points as pairs: first and last of each range, in ascending order.\n")
        out.write("enum CharacterRanges {\n")
        out.write(blocks([*classes(), combining()]))
        out.write("}\n")
    with open(f"{folder}/ClusterRanges.swift", "w") as out:
        out.write(head)
        out.write("/// What grapheme clusters are made of, as pairs: first and last of each range, in ascending order.\n")
        out.write("enum ClusterRanges {\n")
        out.write(blocks([*clusters()]))
        out.write("}\n")
    with open(f"{folder}/ScriptRanges.swift", "w") as out:
        out.write(head)
        out.write("/// Scripts of code points as triples: first, last, number of the script, in ascending order.\n")
        out.write("enum ScriptRanges {\n    static let all: [UInt32] = [\n")
        out.write(rows([n for run in script_runs() for n in run], 12))
        out.write("\n    ]\n}\n")
    with open(f"{folder}/LowercaseRuns.swift", "w") as out:
        out.write(head)
        out.write("/// Code points that Rust's `char::to_lowercase` changes into one other, as quadruples: first, last, distance between\n"
                  "/// members, lowercase of the first; the others follow at the same distance. U+0130 alone becomes two (U+0069 U+0307).\n")
        out.write("enum LowercaseRuns {\n    static let all: [UInt32] = [\n")
        out.write(rows([n for run in lowercase_runs() for n in run], 12))
        out.write("\n    ]\n}\n")


if __name__ == "__main__":
    main()
