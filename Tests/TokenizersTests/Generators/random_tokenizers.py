"""Random tokenizers of every component of the Python package, drawn by a `random.Random`."""

import io
import json
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import nasty_strings

REGEXES = [
    r"\s+", r"\w+", r"[^\w\s]+", r"\d{2,3}", r"\p{L}+", r"\P{L}+", r"(?i)the|fox", r"(?<=a)b|c(?=d)", r"[[:punct:]]", r"[[:alpha:]]+",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?"
    r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"\p{Han}+|\p{Hiragana}+", r"^.", r".$", r"$", r"", r"x*", r"\b", r"\bthe\b", r"\h+", r"[a-f\d]+", r"[^\S\n]+", r"[\W_]+", r"[^\W\d]+",
    r"(?m).+", r".+", r"a(?i)b|C", r"(ab)+|(?:cd){2}", r"\R", r"[\p{P}\p{S}]", r"[^\p{Z}\p{C}]+", r"\p{Alphabetic}+|\p{Emoji}", r"a{2}+",
    r"a{,2}b?", r"\n|\t|\v|\x20", r"[\]\[^-]", r"[a&b]", r"\u0065|\x{301}", r"\p{^Lu}", r"[[a-c][x-z]]+", r"[^[:space:]]+", r"\S+?",
    r"(?>\p{L}+)", r"\p{L}++", r"(?<word>l)\k<word>", r"(l)\1", r"\Ah|e\z", r"\p{Cn}+", r"\p{C}", r"[\p{Cn}\p{Mn}]",
    r"[\p{L}&&[^\p{Han}]]+", r"[^\p{L}&&[^a-f]]", r"[a-z&&[^aeiou]&&\w]+", r"[[a-m]&&[^b-d]x\s]", r"(?i)[a-z&&[^e]]+", r"[^\s&&\S]",
    r"[\w&&[^\W\d_]]+|[^[\w\p{Cn}]\s]",
    r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
]
BYTES = [f"<0x{b:02X}>" for b in range(256)]
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]


def normalizer(r, charsmap, depth=0):
    pick = r.randrange(16 if depth == 0 else 14)
    if pick >= 14:
        return normalizers.Sequence([normalizer(r, charsmap, 1) for _ in range(r.randrange(1, 5))])
    return [
        lambda: normalizers.BertNormalizer(r.random() < .7, r.random() < .7, r.choice([None, True, False]), r.random() < .6),
        normalizers.NFC, normalizers.NFD, normalizers.NFKC, normalizers.NFKD, normalizers.Lowercase,
        lambda: normalizers.Strip(r.random() < .7, r.random() < .7), normalizers.StripAccents,
        lambda: normalizers.Replace(r.choice(["a", " ", "ab", "é", "''", "▁", "\n"]), r.choice(["", "b", "▁", "xyz", "é文"])),
        lambda: normalizers.Replace(Regex(r.choice([x for x in REGEXES if x not in ("", "$", "x*", r"\b", "a{,2}b?")])), r.choice(["", " ", "▁", "é文"])),
        lambda: normalizers.Prepend(r.choice(["▁", "ab", " "])), normalizers.Nmt, lambda: normalizers.Precompiled(charsmap),
        normalizers.ByteLevel,
    ][pick]()


def pre_tokenizer(r, depth=0):
    pick = r.randrange(16 if depth == 0 else 12)
    if pick >= 12:
        return pre_tokenizers.Sequence([pre_tokenizer(r, 1) for _ in range(r.randrange(1, 4))])
    return [
        pre_tokenizers.BertPreTokenizer, lambda: pre_tokenizers.ByteLevel(r.random() < .5, use_regex=r.random() < .6),
        lambda: pre_tokenizers.Metaspace(r.choice("▁_Ġ"), r.choice(["always", "never", "first"]), r.random() < .7),
        pre_tokenizers.Whitespace, pre_tokenizers.WhitespaceSplit, lambda: pre_tokenizers.Punctuation(r.choice(BEHAVIORS)),
        lambda: pre_tokenizers.Digits(r.random() < .5),
        lambda: pre_tokenizers.Split(Regex(r.choice(REGEXES)), r.choice(BEHAVIORS), r.random() < .3),
        lambda: pre_tokenizers.Split(r.choice([" ", "the", "é", "''", "\n", "."]), r.choice(BEHAVIORS), r.random() < .3),
        lambda: pre_tokenizers.CharDelimiterSplit(r.choice(" aé-")), pre_tokenizers.UnicodeScripts,
        lambda: pre_tokenizers.FixedLength(r.randrange(1, 9)),
    ][pick]()


def decoder(r, depth=0):
    pick = r.randrange(12 if depth == 0 else 10)
    if pick >= 10:
        return decoders.Sequence([decoder(r, 1) for _ in range(r.randrange(1, 4))])
    return [
        decoders.ByteLevel, lambda: decoders.WordPiece(r.choice(["##", "_"]), r.random() < .5),
        lambda: decoders.Metaspace(r.choice("▁_"), r.choice(["always", "never", "first"]), r.random() < .7),
        lambda: decoders.BPEDecoder(r.choice(["</w>", "e"])), lambda: decoders.CTC(r.choice(["<pad>", "e"]), "|", r.random() < .5),
        lambda: decoders.Replace(r.choice(["▁", "e", "##"]), r.choice([" ", ""])),
        lambda: decoders.Replace(Regex(r.choice([r"\s+", r"\p{L}", "^."])), r.choice([" ", "-"])), decoders.Fuse,
        lambda: decoders.Strip(r.choice(" ▁e"), r.randrange(2), r.randrange(2)), decoders.ByteFallback,
    ][pick]()


def model(r):
    pick = r.randrange(5)
    if pick == 0:
        return models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=r.choice([5, 20, 100])), trainers.WordPieceTrainer(
            vocab_size=r.choice([300, 900]), special_tokens=["[UNK]", "[CLS]", "[SEP]"], limit_alphabet=r.choice([60, 200]), show_progress=False)
    if pick == 1:
        return models.WordLevel(unk_token="[UNK]"), trainers.WordLevelTrainer(
            vocab_size=500, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False)
    if pick == 2:
        return models.Unigram(), trainers.UnigramTrainer(
            vocab_size=1500, special_tokens=["[UNK]", "[CLS]", "[SEP]"] + (BYTES if r.random() < .3 else []), unk_token="[UNK]", show_progress=False)
    prefix, suffix = (r.choice([None, "##"]), r.choice([None, "</w>"])) if r.random() < .3 else (None, None)
    unknown = r.choice(["[UNK]", "[UNK]", None])
    # With both a suffix and fallback the reference gives places outside of the text.
    fallback = r.random() < .3 and suffix is None
    made = models.BPE(unk_token=unknown, fuse_unk=r.random() < .5, byte_fallback=fallback, continuing_subword_prefix=prefix,
                      end_of_word_suffix=suffix, ignore_merges=r.random() < .3)
    special = ["[UNK]", "[CLS]", "[SEP]"] + (BYTES if fallback else [])
    return made, trainers.BpeTrainer(
        vocab_size=r.choice([500, 1200]), special_tokens=special, limit_alphabet=r.choice([30, 60, 300]), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if r.random() < .4 else [],
        continuing_subword_prefix=prefix, end_of_word_suffix=suffix)


def post_processor(r, depth=0):
    pick = r.randrange(6 if depth == 0 else 5)
    if pick == 5:
        return processors.Sequence([processors.ByteLevel(trim_offsets=r.random() < .7), post_processor(r, 1)])
    return [
        lambda: processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1)),
        lambda: processors.RobertaProcessing(("[SEP]", 2), ("[CLS]", 1), r.random() < .7, r.random() < .5),
        lambda: processors.ByteLevel(r.random() < .5, r.random() < .8),
        lambda: processors.TemplateProcessing(
            single=r.choice(["[CLS] $A [SEP]", "$A", "[CLS]:1 $A:2 [SEP]:3 [SEP]"]),
            pair=r.choice(["[CLS] $A [SEP] $B:1 [SEP]:1", "$B:1 $A [SEP]", "$A $B"]),
            special_tokens=[("[CLS]", 1), r.choice([("[SEP]", 2), {"id": "[SEP]", "ids": [2, 1, 5], "tokens": ["[SEP]", "[CLS]", "x"]}])]),
        lambda: None,
    ][pick]()


def added(r):
    for content in r.sample(["[MASK]", "<mask>", "the", "ab", " ", "  ", "é", "E", "😀", "[CLS]", "x y", "…", "'s", "foo", "文字", "\n", "ing", "<s>"],
                            r.randrange(0, 7)):
        yield AddedToken(content, single_word=r.random() < .3, lstrip=r.random() < .3, rstrip=r.random() < .3,
                         normalized=r.random() < .5, special=r.random() < .4)


def tokenizer(r, corpus, charsmap):
    while True:
        try:
            made, trainer = model(r)
            t = Tokenizer(made)
            if r.random() < .7:
                t.normalizer = normalizer(r, charsmap)
            if r.random() < .9:
                t.pre_tokenizer = pre_tokenizer(r)
            lines = corpus
            if isinstance(trainer, trainers.UnigramTrainer):
                lines = [line for line in corpus if line.isascii()] + ["naïve café 日本 ▁ é Ġ _"]
            t.train_from_iterator(r.sample(lines, min(len(lines), 400)), trainer)
            t.post_processor = post_processor(r)
            if r.random() < .8:
                t.decoder = decoder(r)
            new = list(added(r))
            forms = [t.normalizer.normalize_str(x.content) if t.normalizer and x.normalized else x.content for x in new]
            # With an empty form the reference does not end, with two equal ones it picks any.
            if not all(forms) or len(set(forms)) < len(forms):
                continue
            t.add_tokens(new)
            written = json.loads(t.to_str())
            if isinstance(trainer, trainers.UnigramTrainer) and t.token_to_id(BYTES[0]) is not None:
                # The trainer forgets it.
                written["model"]["byte_fallback"] = True
            return Tokenizer.from_str(json.dumps(written))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise


def train_charsmap():
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["hello world this is text"] * 50), model_writer=out, vocab_size=25, minloglevel=2,
        normalization_rule_name="nmt_nfkc", hard_vocab_limit=False)
    parsed = sentencepiece_model_pb2.ModelProto()
    parsed.ParseFromString(out.getvalue())
    return parsed.normalizer_spec.precompiled_charsmap


def corpus():
    """The text that random tokenizers are trained on."""
    return [" ".join(random.Random(0).choices(nasty_strings.WORDS, k=8))] + list(
        nasty_strings.strings(1500, 4242, long=False)) + "The quick brown fox jumps over the lazy dog. ".split() * 20
