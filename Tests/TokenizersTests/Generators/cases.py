"""Writes what the Python package makes of strings as JSON lines for CaseFile.swift."""

import json


def fields(encoding, decode=None):
    return {
        "ids": encoding.ids,
        "types": encoding.type_ids,
        "mask": encoding.special_tokens_mask,
        "words": [-1 if w is None else w for w in encoding.word_ids],
        "offsets": [n for pair in encoding.offsets for n in pair],
        **({"decode": decode} if decode is not None else {}),
    }


def case(tokenizer, text, pair=None, special=True, full=True, **truncation):
    """One line: `full` is False to leave out all but ids."""
    line = {"text": text}
    if pair is not None:
        line["pair"] = pair
    if not special:
        line["special"] = False
    try:
        encoding = tokenizer.encode(text, pair, add_special_tokens=special)
    except BaseException as error:  # a panic of the Rust side is a BaseException
        line["error"] = str(error)[:200]
        return line
    try:
        decoded = tokenizer.decode(encoding.ids, skip_special_tokens=True)
    except BaseException:
        decoded = None
    line |= fields(encoding, decoded) if full else {"ids": encoding.ids}
    return line


def truncated(tokenizer, text, pair, maximum, stride, strategy, left, special):
    names = {"longest_first": "LongestFirst", "only_first": "OnlyFirst", "only_second": "OnlySecond"}
    line = {"text": text, "max": maximum, "stride": stride, "strategy": names[strategy], "left": left}
    if pair is not None:
        line["pair"] = pair
    if not special:
        line["special"] = False
    try:
        tokenizer.enable_truncation(maximum, stride=stride, strategy=strategy, direction="left" if left else "right")
        encoding = tokenizer.encode(text, pair, add_special_tokens=special)
        line |= fields(encoding)
        line["overflowing"] = [fields(part) for part in encoding.overflowing]
    except BaseException as error:
        line["error"] = str(error)[:200]
    finally:
        tokenizer.no_truncation()
    return line


def write(path, name, lines, settings=None):
    with open(path, "w", encoding="utf-8") as out:
        head = {"tokenizer": name}
        if settings is not None:
            head["settings"] = settings
        out.write(json.dumps(head) + "\n")
        for line in lines:
            out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
