"""Strings on which tokenizers come apart: every script, composed and decomposed accents, controls, emoji, long words."""

import random
import unicodedata

WORDS = (
    "the quick brown fox jumps over a lazy dog can't won't I'll you're he's we've don't isn't DON'T I'M it's 's 'tis "
    "hello world Hello WORLD naïve café résumé Ångström Zürich façade straße Straße İstanbul ISTANBUL ıııı ŒUVRE "
    "unbelievable antidisestablishmentarianism internationalization tokenization embeddings transformer 12345 3.14159 "
    "1,000,000 2024-01-31 10:45 $19.99 €5 50% C++ C# a_b foo.bar@example.com http://example.com/?q=1&r=2#x #tag @user "
    "привет мир Ёлка йод Київ γειά κόσμος Ὀδυσσεύς ἄνδρα שלום עולם שָׁלוֹם مرحبا بالعالم مُحَمَّد नमस्ते दुनिया क्षत्रिय বাংলা ਪੰਜਾਬੀ "
    "ગુજરાતી தமிழ் తెలుగు ಕನ್ನಡ മലയാളം සිංහල ไทยแลนด์ สวัสดี ລາວ བོད་ཡིག မြန်မာ ქართული ԱՐՄԵՆԻԱ አማርኛ ខ្មែរ ᏣᎳᎩ ᐃᓄᒃᑎᑐᑦ 你好世界 漢字 "
    "繁體中文 日本語 こんにちは カタカナ ｶﾀｶﾅ ﾊﾝｶｸ 한국어 안녕하세요 각 각 Tiếng Việt ﬁnance ﬀ ﷺ ㎏ ℃ ½ ² ① Ⅷ ℌ 𝒳 𝟘 Ａｂｃ １２３ "
    "ＦＵＬＬ ⅷ ǅ ŉ ẞ Ω K Å ſ"
).split()
EMOJI = ["😀", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "❤️", "☺", "👩🏾‍💻", "🤷‍♂️", "1️⃣", "🧑‍🚀", "🫠", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\u00a0", "\u2003", "\u3000", "\u200b", "\u2028", "\u2029", "\u0085", "\u1680",
          "\u202f", "\x0b", "\x0c", " \n ", "\u2009"]
ODD = ["\x00", "\x01", "\x1f", "\x7f", "\x80", "\x9f", "\xad", "\u0300", "\u0301\u0323", "\u0323\u0301", "\u0344", "\u0345", "\u034f",
       "\u061c", "\u200c", "\u200d", "\u200e", "\u2060", "\ufeff", "\ufffd", "\ufffe", "\uffff", "\ue000", "\uf8ff", "\U0010ffff",
       "\U000f0000", "\u0378", "\U0001fbff", "\u2581", "▁▁", "Ġ", "##", "##ing", "</w>", "\u1160", "\u11a8", "\u09cb", "\u0dca\u0dcf",
       "\u0f71\u0f72\u0f80", "\ufb1d", "\u2adc", "\u0f73", "\U0001d15e", "\u0958", "\u212b", "\u1e9b\u0323", "\u4e00\u9fff", "\uf900",
       "\U00020000", "\U0002ceb0", "\U0002b820", "\U00030000", "\u3400", "\u9ffc", "\u30fb", "\u060c", "\u0964", "\u2e2e", "\u00b7",
       "\u037e", "\u1d79", "\uab53", "\u10a0", "\u1c90", "\u13a0", "\uab70", "\u2c2f", "\u2c5f", "\U00010400", "\U00010570", "\U0001e900",
       "\u0e33", "\u0eb3", "\u1806", "\u180e", "\u0600", "\u06dd", "\u070f", "\u08e2", "\U000110bd", "\U000e0001", "\U0001b000"]
PUNCTUATION = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") + ["...", "--", "''", "``", "“”", "‘’", "—", "…", "«»", "¿", "¡", "、", "。", "「」", "？！", "'s ", "''s", "'S", "'ll", "'Ll"]
SPECIAL = ["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", "<s>", "</s>", "<pad>", "<unk>", "<mask>", "<|endoftext|>", "[cls]", "[ CLS ]",
           "[CLS][SEP]", " [MASK] ", "x[MASK]y", "<bos>", "<eos>", "<|im_start|>", "<0x0A>", "<0xE2>", "[UNK", "<s", "s>"]


def any_scalar(random):
    while True:
        c = random.randrange(0x110000) if random.random() < 0.3 else random.randrange(0x3200)
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def piece(random):
    kind = random.random()
    if kind < 0.45:
        word = random.choice(WORDS)
        twist = random.random()
        if twist < 0.1:
            word = unicodedata.normalize("NFD", word)
        elif twist < 0.15:
            word = unicodedata.normalize("NFKC", word)
        elif twist < 0.2:
            word = word.upper()
        elif twist < 0.25:
            word = word.title()
        return word
    if kind < 0.6:
        return random.choice(PUNCTUATION)
    if kind < 0.68:
        return random.choice(EMOJI)
    if kind < 0.8:
        return random.choice(ODD)
    if kind < 0.86:
        return random.choice(SPECIAL)
    if kind < 0.93:
        return "".join(any_scalar(random) for _ in range(random.randrange(1, 6)))
    if kind < 0.97:
        return str(random.randrange(10 ** random.randrange(1, 12)))
    return random.choice(WORDS)[:3] * random.randrange(1, 50)


def string(random):
    parts = []
    for _ in range(random.choice([1, 1, 2, 3, 5, 8, 13, 30])):
        if random.random() < 0.6:
            parts.append(" " if random.random() < 0.7 else random.choice(SPACES))
        parts.append(piece(random))
    if random.random() < 0.15:
        parts.append(random.choice(SPACES))
    return "".join(parts)


def strings(count, seed, long=True):
    """`count` strings that depend on `seed` only; the first ones are fixed, a few are long."""
    source = random.Random(seed)
    fixed = ["", " ", "\n", "\t \n", "\u3000", "\x00", "a", "A", ".", "é", "e\u0301", "\u0301", "ẞ", "İ", "I\u0307", "[CLS]", "[MASK].", " a", "a ",
             "a" * 99, "a" * 100, "a" * 101, "é" * 100, "é" * 101, "文" * 120, "x\u0301" * 60, "'" * 40, " " * 60, "\n" * 30,
             *WORDS, *EMOJI, *ODD, *SPACES, *SPECIAL, *PUNCTUATION]
    if long:
        fixed += ["ab" * 50_000, "the cat sat on the mat. " * 4_000, "文字" * 5_000, "é ü ñ " * 5_000, "😀" * 5_000, "a\u0301\u0323" * 5_000,
                  " " * 20_000, "!" * 10_000, "[MASK]" * 2_000]
    yield from fixed[:count]
    for _ in range(count - len(fixed)):
        yield string(source)
