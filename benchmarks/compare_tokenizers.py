"""Nestling's tokenizers next to the package `tokenizers`: the same files and texts, in one interleaved run.

    python benchmarks/compare_tokenizers.py [--megabytes 10] [--rounds 5] [--json FILE]

needs the package `nestling` with its library, NumPy, tokenizers and, to train the Unigram model once, sentencepiece.

How it measures
- Text: real text that a Debian machine with Python has, shuffled by paragraphs, each paragraph once: the documentation of
  Python's standard library, the licences of the installed packages, and the sources of the standard library.
- Tokenizers: the pipelines of BERT (WordPiece), GPT-2 and Llama 3 (byte-level BPE), Llama 2 (BPE as SentencePiece has it) and
  XLM-R (Unigram with the rules of a SentencePiece model), with vocabularies of 30,000 trained on that text and kept in .cache.
- Ids, and offsets where there are any, must be equal before anything is timed. What is timed ends with the ids as Python lists.
- One thread: one text of all megabytes, line by line in a Python loop, and all lines at once. Rounds: in each, both take a turn,
  the order rotating. A speed-up is the median over rounds of their time / our time in the same round. `tokenizers` has its
  cache of words warm, as in a program that runs for long.
- Two threads: all lines at once, in processes of their own, because `tokenizers` reads its thread count only once.
- Memory: what encoding one string of 50 megabytes adds to a fresh process at most, and what stays while the result is held.
"""

import argparse
import ast
import functools
import gc
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "Tests" / "TokenizersTests" / "Generators"))

from comparison.process import resident_bytes
from comparison.report import machine, print_machine

VOCABULARY = 30_000
ENGINES = ("nestling", "tokenizers")


# MARK: - Text

def paragraphs(text):
    return [part for part in text.split("\n\n") if part.strip()]


def documentation():
    """Python's topics and the docstrings of its standard library."""
    try:
        from pydoc_data.topics import topics

        for text in topics.values():
            yield from paragraphs(text)
    except ImportError:
        pass
    for _, tree in library_sources():
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                yield from paragraphs(ast.get_docstring(node) or "")


def licences():
    """Licences and copyright notices of the installed packages."""
    for path in sorted([*Path("/usr/share/common-licenses").glob("*"), *Path("/usr/share/doc").glob("*/copyright")]):
        yield from paragraphs(path.read_text(encoding="utf-8", errors="replace"))


@functools.cache
def library_sources():
    """[(text, syntax tree)] of the modules of the standard library."""
    found = []
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        if "site-packages" in path.parts or "dist-packages" in path.parts:
            continue
        try:
            text = path.read_text(encoding="utf-8")
            found.append((text, ast.parse(text)))
        except (SyntaxError, UnicodeDecodeError, ValueError):
            continue
    return found


def sources():
    for text, _ in library_sources():
        yield from paragraphs(text)


def real_text(size):
    """(text of about `size` bytes, {kind: bytes}): as much documentation and licences as there are, sources for the rest."""
    random.seed(10)
    known, chosen, sizes = set(), [], {}
    for kind, parts, most in (("documentation", documentation(), size // 2), ("licences", licences(), size // 4),
                              ("sources", sources(), size)):
        fresh = []
        for part in parts:
            if part not in known:
                known.add(part)
                fresh.append(part)
        random.shuffle(fresh)
        used = 0
        room = min(most, size - sum(sizes.values()))
        for part in fresh:
            if used >= room:
                break
            chosen.append(part)
            used += len(part.encode()) + 2
        sizes[kind] = used
    random.shuffle(chosen)
    return "\n\n".join(chosen), sizes


# MARK: - Tokenizers

def trained(text, cache):
    """{name: path of a tokenizer.json}, trained on `text` unless they are in the cache."""
    names = {"WordPiece (BERT)": "bert", "byte-level BPE (GPT-2)": "gpt2", "byte-level BPE (Llama 3)": "llama3",
             "SentencePiece-style BPE (Llama 2)": "llama2", "Unigram (XLM-R)": "xlmr"}
    folder = Path(cache) / "tokenizers" / hashlib.sha256(f"{VOCABULARY} {text}".encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{short}.json" for name, short in names.items()}
    for name, path in paths.items():
        if path.exists():
            continue
        print(f"training {name}", file=sys.stderr, flush=True)
        # In a process of its own, with all processors.
        environment = os.environ | {"TOKENIZERS_PARALLELISM": "true"}
        environment.pop("RAYON_NUM_THREADS", None)
        subprocess.run([sys.executable, __file__, "--train", path.stem, str(path)], input=text.encode(), env=environment, check=True)
    return paths


def train(short, path):
    """Trains one pipeline on the text from standard input."""
    import pipelines
    import random_tokenizers

    lines = sys.stdin.buffer.read().decode().split("\n")
    if short == "xlmr":
        made = pipelines.xlmr(lines, VOCABULARY, random_tokenizers.train_charsmap())
    elif short == "llama2":
        # Merges do not cross words in such vocabularies; trained on words, they are found in minutes.
        made = pipelines.llama2([" " + word for line in lines for word in line.split()], VOCABULARY)
    else:
        made = pipelines.ALL[short](lines, VOCABULARY)
    written = Path(path + ".new")
    made.save(str(written), pretty=False)
    written.rename(path)


def load(engine, path):
    if engine == "nestling":
        import nestling

        return nestling.Tokenizer.from_file(path)
    import tokenizers

    return tokenizers.Tokenizer.from_file(str(path))


# MARK: - What is timed; each returns something whose ids are lists

def one_text(tokenizer, text, lines):
    return [tokenizer.encode(text).ids]


def line_by_line(tokenizer, text, lines):
    return [tokenizer.encode(line).ids for line in lines]


def all_lines(tokenizer, text, lines):
    return [encoding.ids for encoding in tokenizer.encode_batch(lines)]


def all_lines_fast(tokenizer, text, lines):
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(lines)]


def decoding(tokenizer, ids):
    return tokenizer.decode_batch(ids)


CASES = {"one text": one_text, "line by line": line_by_line, "all lines": all_lines, "all lines, ids only": all_lines_fast}


def timed(run, *arguments):
    gc.collect()
    gc.disable()
    try:
        begin = time.perf_counter()
        result = run(*arguments)
        return time.perf_counter() - begin, result
    finally:
        gc.enable()


def interleaved(runs, rounds):
    """{name: [seconds]} of functions without arguments, in rounds; each ran once before."""
    times = {name: [] for name in runs}
    for run in runs.values():
        run()
    names = list(runs)
    for number in range(rounds):
        for place in range(len(names)):
            name = names[(place + number) % len(names)]
            times[name].append(timed(runs[name])[0])
    return times


def summary(times, size):
    """Medians, megabytes a second, and the speed-up over `tokenizers`."""
    row = {"seconds": {name: statistics.median(runs) for name, runs in times.items()}, "rounds": len(times["nestling"])}
    row["megabytes_per_second"] = {name: size / 1e6 / seconds for name, seconds in row["seconds"].items()}
    row["speed_up"] = statistics.median(theirs / ours for theirs, ours in zip(times["tokenizers"], times["nestling"]))
    return row


def check(both, text, lines):
    """Both must say the same of everything that is timed."""
    ours, theirs = both["nestling"], both["tokenizers"]
    one, other = ours.encode(text), theirs.encode(text)
    if one.ids != other.ids or list(one.offsets) != list(other.offsets):
        raise SystemExit("the ids or offsets of the whole text differ; nothing was timed")
    for name in ("encode_batch", "encode_batch_fast"):
        one, other = getattr(ours, name)(lines), getattr(theirs, name)(lines)
        if any(mine.ids != his.ids for mine, his in zip(one, other)):
            raise SystemExit(f"the ids of lines differ in {name}; nothing was timed")
        if name == "encode_batch" and any(list(mine.offsets) != list(his.offsets) for mine, his in zip(one, other)):
            raise SystemExit("the offsets of lines differ; nothing was timed")
    ids = [encoding.ids for encoding in other]
    if ours.decode_batch(ids) != theirs.decode_batch(ids):
        raise SystemExit("the decoded lines differ; nothing was timed")
    return ids


def measure(path, text, lines, rounds):
    """All cases of one tokenizer on one thread."""
    import nestling

    nestling.set_thread_count(1)
    both = {engine: load(engine, path) for engine in ENGINES}
    ids = check(both, text, lines)
    size = len(text.encode())
    rows = {}
    for name, case in CASES.items():
        runs = {engine: (lambda tokenizer=tokenizer: case(tokenizer, text, lines)) for engine, tokenizer in both.items()}
        rows[name] = summary(interleaved(runs, rounds), size)
    runs = {engine: (lambda tokenizer=tokenizer: decoding(tokenizer, ids)) for engine, tokenizer in both.items()}
    rows["decoding lines"] = summary(interleaved(runs, rounds), size)
    return rows


# MARK: - In processes of their own

def child(task, engine, path, text, environment, *more):
    """Runs `task` of this file in a process; returns the JSON that it prints."""
    done = subprocess.run([sys.executable, __file__, "--child", task, engine, str(path), *map(str, more)], input=text.encode(),
                          env=os.environ | environment, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def child_threads(engine, path, text, threads, rounds):
    """Seconds that all lines at once take on a number of threads."""
    if engine == "nestling":
        import nestling

        nestling.set_thread_count(int(threads))
    tokenizer = load(engine, path)
    lines = [line for line in text.split("\n") if line]
    all_lines(tokenizer, text, lines)
    return [timed(all_lines, tokenizer, text, lines)[0] for _ in range(int(rounds))]


def child_memory(engine, path, text):
    """Bytes that encoding one text adds at most, and while its result is held."""
    tokenizer = load(engine, path)
    tokenizer.encode("warm")
    gc.collect()
    before = resident_bytes()[0]
    began = time.perf_counter()
    encoding = tokenizer.encode(text)
    seconds = time.perf_counter() - began
    count = len(encoding)
    now, most = resident_bytes()
    return {"most": most - before, "held": now - before, "tokens": count, "seconds": seconds}


def measure_threads(path, text, rounds):
    """{engine: {threads: median seconds}}: one process after the other, in turns."""
    times = {engine: {threads: [] for threads in (1, 2)} for engine in ENGINES}
    for _ in range(rounds):
        for threads in (1, 2):
            for engine in ENGINES:
                environment = {"RAYON_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false"}
                times[engine][threads] += child("threads", engine, path, text, environment, threads, 1)
    return {engine: {threads: statistics.median(runs) for threads, runs in rows.items()} for engine, rows in times.items()}


# MARK: - Reporting

def print_rows(name, rows):
    print(f"\n### {name}\n\n| case | nestling, MB/s | tokenizers, MB/s | x tokenizers | rounds |\n|---|---:|---:|---:|---:|")
    for case, row in rows.items():
        speed = row["megabytes_per_second"]
        print(f"| {case} | {speed['nestling']:.2f} | {speed['tokenizers']:.2f} | {row['speed_up']:.2f} | {row['rounds']} |")
    sys.stdout.flush()


def print_threads(results):
    print("\n### All lines at once, on two threads and on one\n\n| tokenizer | nestling 1, s | nestling 2, s | gain | tokenizers 1, s "
          "| tokenizers 2, s | gain |\n|---|---:|---:|---:|---:|---:|---:|")
    for name, result in results.items():
        cells = [cell for engine in ENGINES for cell in (
            f"{result[engine][1]:.2f}", f"{result[engine][2]:.2f}", f"{result[engine][1] / result[engine][2]:.2f}")]
        print(f"| {name} | {' | '.join(cells)} |")
    sys.stdout.flush()


def print_memory(results, megabytes):
    print(f"\n### Memory for one string of {megabytes:g} MB\n\n| tokenizer | tokens | nestling at most, MB | tokenizers at most, MB "
          "| nestling held, MB | tokenizers held, MB |\n|---|---:|---:|---:|---:|---:|")
    for name, result in results.items():
        ours, theirs = result["nestling"], result["tokenizers"]
        print(f"| {name} | {ours['tokens']:,} | {ours['most'] / 1e6:.0f} | {theirs['most'] / 1e6:.0f} | {ours['held'] / 1e6:.0f} "
              f"| {theirs['held'] / 1e6:.0f} |")
    sys.stdout.flush()


def losses(report):
    """What Nestling loses, one line each."""
    for name, rows in report["one_thread"].items():
        for case, row in rows.items():
            if row["speed_up"] < 1:
                yield f"{name}, {case}: {1 / row['speed_up']:.2f} times the time of tokenizers"
    for name, result in report["threads"].items():
        if result["nestling"][2] > result["tokenizers"][2]:
            yield f"{name}, two threads: {result['nestling'][2] / result['tokenizers'][2]:.2f} times the time of tokenizers"
        gains = [result[engine][1] / result[engine][2] for engine in ENGINES]
        if gains[0] < gains[1]:
            yield f"{name}: a second thread gains {gains[0]:.2f}, with tokenizers {gains[1]:.2f}"
    for name, result in report["memory"].items():
        for key, title in (("most", "memory at most"), ("held", "memory held")):
            if result["nestling"][key] > result["tokenizers"][key]:
                yield f"{name}, {title}: {result['nestling'][key] / result['tokenizers'][key]:.2f} times that of tokenizers"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=10, help="of text (default 10)")
    parser.add_argument("--memory-megabytes", type=float, default=50, help="of the string whose memory is measured (default 50)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="parts of names of tokenizers, separated by commas")
    parser.add_argument("--cache", default=str(HERE.parent / ".cache"), help="where trained tokenizers are kept")
    parser.add_argument("--json", help="file to write all numbers to")
    arguments = parser.parse_args()

    text, kinds = real_text(int(arguments.megabytes * 1e6))
    paths = {name: path for name, path in trained(text, arguments.cache).items()
             if any(part.lower() in name.lower() for part in arguments.only.split(","))}
    lines = [line for line in text.split("\n") if line]
    size = len(text.encode())
    report = {"machine": machine(1, ("nestling", "tokenizers", "numpy")),
              "text": {"bytes": size, "lines": len(lines), "kinds": kinds, "vocabulary": VOCABULARY},
              "one_thread": {}, "threads": {}, "memory": {}}
    print_machine(report["machine"])
    print(f"Text: {size / 1e6:.1f} MB in {len(lines):,} lines: "
          + ", ".join(f"{kind} {amount / 1e6:.1f} MB" for kind, amount in kinds.items()))
    for name, path in paths.items():
        report["one_thread"][name] = measure(path, text, lines, arguments.rounds)
        print_rows(name, report["one_thread"][name])
    for name, path in paths.items():
        report["threads"][name] = measure_threads(path, text, max(1, arguments.rounds - 2))
    print_threads(report["threads"])
    long = (text + "\n") * (int(arguments.memory_megabytes * 1e6) // (size + 1) + 1)
    long = long.encode()[:int(arguments.memory_megabytes * 1e6)].decode("utf-8", "ignore")
    for name, path in paths.items():
        report["memory"][name] = {engine: child("memory", engine, path, long, {}) for engine in ENGINES}
    print_memory(report["memory"], arguments.memory_megabytes)
    lost = list(losses(report))
    print("\nWhere Nestling loses: " + ("nowhere" if not lost else "".join(f"\n- {line}" for line in lost)))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train(*sys.argv[2:4])
    elif sys.argv[1:2] == ["--child"]:
        task, engine, path, *more = sys.argv[2:]
        run = {"threads": child_threads, "memory": child_memory}[task]
        print(json.dumps(run(engine, path, sys.stdin.buffer.read().decode(), *more)))
    else:
        os.environ.update(TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1")
        main()
