"""Strings that tokenizers get wrong: many scripts, marks, spaces, controls, emoji, lengths. The same every time."""

import random
import unicodedata

# First and last code point of what a generated word draws from.
SCRIPTS = {
    "ascii": [(0x21, 0x7E)],
    "lower": [(0x61, 0x7A)],
    "latin": [(0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF)],
    "vietnamese": [(0x1EA0, 0x1EF9), (0x61, 0x7A)],
    "turkish": [(0x49, 0x49), (0x69, 0x69), (0x130, 0x131), (0x11E, 0x11F), (0x15E, 0x15F), (0x61, 0x7A)],
    "greek": [(0x370, 0x3FF), (0x1F00, 0x1FFF)],
    "cyrillic": [(0x400, 0x4FF)],
    "armenian": [(0x530, 0x58F)],
    "hebrew": [(0x591, 0x5F4)],
    "arabic": [(0x600, 0x6FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFC)],
    "devanagari": [(0x900, 0x97F)],
    "bengali": [(0x980, 0x9FF)],
    "tamil": [(0xB80, 0xBFF)],
    "thai": [(0xE01, 0xE5B)],
    "tibetan": [(0xF00, 0xFDA)],
    "georgian": [(0x10A0, 0x10FF), (0x1C90, 0x1CBF)],
    "hangul": [(0xAC00, 0xD7A3)],
    "jamo": [(0x1100, 0x11FF)],
    "kana": [(0x3041, 0x30FF), (0xFF66, 0xFF9D)],
    "han": [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0xF900, 0xFAFF)],
    "han_beyond": [(0x20000, 0x2A6DF), (0x2F800, 0x2FA1F), (0x30000, 0x3134A)],
    "ethiopic": [(0x1200, 0x137C)],
    "cherokee": [(0x13A0, 0x13FF), (0xAB70, 0xABBF)],
    "emoji": [(0x1F300, 0x1FAFF), (0x2600, 0x27BF)],
    "flags": [(0x1F1E6, 0x1F1FF)],
    "joined": [(0x1F466, 0x1F469), (0x200D, 0x200D), (0xFE0F, 0xFE0F), (0x1F3FB, 0x1F3FF)],
    "marks": [(0x61, 0x7A), (0x300, 0x36F), (0x20D0, 0x20F0)],
    "numbers": [(0x30, 0x39), (0x660, 0x669), (0x966, 0x96F), (0x2150, 0x218B), (0x2460, 0x24FF), (0xFF10, 0xFF19)],
    "punctuation": [(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E), (0x2010, 0x205E), (0x3000, 0x303F)],
    "symbols": [(0xA1, 0xBF), (0x20A0, 0x20C0), (0x2190, 0x23FF), (0x2500, 0x25FF), (0x1D400, 0x1D7FF)],
    "full_width": [(0xFF01, 0xFFE6)],
    "ligatures": [(0xFB00, 0xFB4F), (0x132, 0x133), (0x1C4, 0x1CC), (0xDF, 0xDF), (0x1E9E, 0x1E9E)],
    "private": [(0xE000, 0xE0FF), (0xFFF9, 0xFFFD), (0xFDD0, 0xFDEF)],
    "controls": [(0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F),
                 (0xFEFF, 0xFEFF)],
    "tags": [(0xE0001, 0xE007F), (0xE0100, 0xE01EF), (0x1D165, 0x1D182)],
    "unassigned": [(0x378, 0x379), (0x5FF, 0x5FF), (0x2FE0, 0x2FEF), (0x1F93F, 0x1F93F), (0xEFFFE, 0x10FFFF)],
}
SPACES = [" ", " ", " ", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u200b", "\u2028", "\x0b", "\x0c",
          "\x85", ""]
WORDS = """the of and a to in is you that it he was for on are as with his they I at be this have from or one had by word but
not what all were we when your can said there use an each which she do how their if will up other about out many then them
these so some her would make like him into time has look two more write go see number no way could people my than first
Nestling nestlings unaffable embedding embeddings tokenization pneumonoultramicroscopicsilicovolcanoconiosis don't it's
U.S.A. e-mail state-of-the-art 3.14159 1,000,000 $9.99 50% C++ C# foo_bar fooBar FOO https://example.org/a?b=c&d=e#f
user@example.org #hashtag @mention [CLS] [SEP] [MASK] [PAD] [UNK] [cls] ##ing <s> </s> <|endoftext|> \\n null NaN""".split()
BY_HAND = [
    "", " ", "\n", "\t\t", "\x00", "\x00a\x00b", "\u200b", "\ufeff", "\ufffd", "a" * 100, "a" * 101, "a" * 99 + " b",
    "a" * 201, "\u00e9" * 100, "\u00e9" * 101, "e\u0301" * 50, "e\u0301" * 101, "\u4e2d" * 300, "[CLS]", "[CLS] [SEP]",
    "a[SEP]b", "[MASK].", "[ MASK ]", "[mask]", "\u0130stanbul I\u0307 \u0131", "\u00df \u1e9e \u017f",
    "\u03a3\u03c3\u03c2 \u039f\u0394\u039f\u03a3", "\u01c4\u01c5\u01c6", "\ufb01\ufb02\ufb03", "\u212b\u00c5A\u030a",
    "\u1e9b\u0323", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", "\U0001f44d\U0001f3fd", "\u2764\ufe0f", "1\ufe0f\u20e3",
    "\u0e01\u0e33\u0e25\u0e31\u0e07", "\u0928\u092e\u0938\u094d\u0924\u0947", "\u202eabc\u202c", "a\u00adb", "a\u200db",
    "a\u2060b", "\x7f\x80\x9f", "a\u2028b\u2029c", "\u3000\u5168\u89d2\u3000", "\uff21\uff22\uff23", "\u2460\u2461",
    "\u00bd\u00be", "\u33a5", "\U0002f804", "\ud55c\uad6d\uc5b4", "\u1112\u1161\u11ab", "\u0644\u0627", "\ufefb",
    "\u05e9\u05c1", "\U000e0041", "\U0010ffff", "\ufdd0", "...", "--", "\u2014\u2013\u2026", "a.b,c;d:e!f?g", "(((((",
    "``quoted''", "\"'\u2018\u2019\u201c\u201d", "`~!@#$%^&*()-_=+[{]}\\|;:'\",<.>/?", "$\u00a3\u20ac\u00a5 \u20bf",
    "x\u00b2+y\u00b2=z\u00b2", "\u221a2\u22481.41",
]


def _word(generator, script):
    pieces = []
    for _ in range(generator.choice((1, 2, 3, 4, 5, 6, 7, 8, 12))):
        first, last = generator.choice(SCRIPTS[script])
        pieces.append(chr(generator.randint(first, last)))
    return "".join(piece for piece in pieces if not 0xD800 <= ord(piece) <= 0xDFFF)


def _text(generator, scripts):
    pieces = []
    for _ in range(generator.choice((1, 2, 3, 5, 8, 13, 30))):
        pieces.append(generator.choice(WORDS) if generator.random() < 0.4 else _word(generator, generator.choice(scripts)))
        pieces.append(generator.choice(SPACES))
    return "".join(pieces)


def generate(count, seed=20):
    """At least `count` strings: some by hand, some of 100 kB, some of each script, the rest mixed; all valid Unicode."""
    generator = random.Random(seed)
    names = sorted(SCRIPTS)
    strings = list(BY_HAND)
    strings += ["word " * 20000, "\u4e2d\u6587" * 17000, "x" * 100000, "\u00e9 " * 33000, "\U0001f600" * 25000,
                " " * 100000, "[MASK]" * 16000,
                "".join(chr(code) for code in range(0x20, 0x3000)), "a\u0301" * 33000]
    for name in names:
        strings += [_text(generator, [name]) for _ in range(40)]
    while len(strings) < count:
        text = _text(generator, generator.sample(names, generator.choice((1, 2, 4, len(names)))))
        form = generator.choice((None, None, "NFC", "NFD", "NFKC", "NFKD"))
        if form:
            text = unicodedata.normalize(form, text)
        strings.append(generator.choice((str, str, str.upper, str.lower, str.title, str.swapcase))(text))
    return strings
