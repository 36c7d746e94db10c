"""Generating next to llama.cpp: a Llama of 1.1 billion random weights, the same threads, interleaved.

    python benchmarks/compare_generation.py [--work FOLDER] [--rounds 10] [--json FILE]

needs the package `nestling` with its library, the command `nestling`, torch, safetensors, cmake and a C++ compiler. The first
run fetches llama.cpp's source (PyPI, llama-cpp-python) and builds it for this machine, makes the model (2.2 GB) and writes it in
each precision; FOLDER keeps all of that.

How it measures
- Shape: 16 layers, hidden 2048, FFN 8192, 32 heads, 8 key heads, a vocabulary of 32,000, untied.
- Pairs of about equal size: bfloat16 and F16, int8 and Q8_0, int4 and Q4_0. Both map their files. The head has other bits than
  the layers in some, so the table says how many bytes a token is multiplied by; `ratio a byte` is of bytes per second.
- Agreement: scores after 32 random tokens, ours against our own float32: cosine at least 0.999, 0.99, 0.8 (random weights forgive less than trained ones); llama.cpp's cosines are
  printed beside them. Below, nothing is timed and the exit status is 1.
- Tests: pp: reading a prompt of 128 tokens; tg: generating 48. As llama-bench and `nestling bench` do them.
- Rounds: in each, both run once after the other, who begins changing. A ratio is the median over rounds of
  Nestling's tokens per second / llama.cpp's in the same round, so that a slow minute of the machine strikes both.
"""

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path

import nestling
import numpy as np
from generation import random_llama
from generation.llama_cpp import LlamaCpp, run

PAIRS = {"bfloat16": ("F16", 0.999), "int8": ("Q8_0", 0.99), "int4": ("Q4_0", 0.8)}
PROMPT, GENERATED = 128, 48


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, help="folder to keep llama.cpp and the models in; default: a temporary one")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--dtypes", default=",".join(PAIRS))
    parser.add_argument("--command", default="build/nestling", help="the command nestling")
    parser.add_argument("--json", type=Path, help="file to write all numbers to")
    arguments = parser.parse_args()
    arguments.dtypes = arguments.dtypes.split(",")
    if unknown := [dtype for dtype in arguments.dtypes if dtype not in PAIRS]:
        parser.error(f"--dtypes {unknown[0]}: known are {', '.join(PAIRS)}")
    return arguments


def prepare(work, peer, dtypes):
    """Both forms of the model in each precision, those that are not there yet."""
    checkpoint, halves = work / "checkpoint", work / "F16.gguf"
    if not (checkpoint / "model.safetensors").exists():
        random_llama.write_checkpoint(checkpoint)
    if not halves.exists():
        random_llama.write_gguf(checkpoint, halves, peer.gguf())
    for dtype in dtypes:
        kind = PAIRS[dtype][0]
        if not (work / f"{kind}.gguf").exists():
            peer.quantize(halves, work / f"{kind}.gguf", kind)
        if not (work / dtype).exists():
            nestling.load(checkpoint, dtype=dtype).save(work / dtype, packed=True)
    return checkpoint


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def agreement(work, checkpoint, peer, dtypes, threads):
    """Cosines of scores with our float32, (ours, llama.cpp's); exits if ours are too low."""
    ids = np.random.default_rng(1).integers(0, random_llama.VOCABULARY, 32).tolist()
    exact = nestling.load(checkpoint, dtype="float32").logits(ids)[-1]
    found = {}
    for dtype in dtypes:
        kind, least = PAIRS[dtype]
        ours = cosine(nestling.load(work / dtype).logits(ids)[-1], exact)
        found[dtype] = (ours, cosine(peer.logits(work / f"{kind}.gguf", ids, threads), exact))
        print(f"agreement with float32: {dtype} {ours:.5f}, {kind} {found[dtype][1]:.5f}", flush=True)
        if ours < least:
            raise SystemExit(f"{dtype}: the cosine {ours:.5f} is below {least}: nothing was measured")
    return found


def speed(command, path, threads):
    """Tokens per second of `nestling bench`, and the share of the machine's peaks."""
    text = run([command, "bench", path, "--prompt", PROMPT, "--generate", GENERATED, "--threads", threads, "--repeat", 1,
                "--json", "--quiet"])  # fmt: skip
    document = json.loads(text)
    rates = {test["test"][:2]: test["tokens_per_second"] for test in document["results"]}
    return rates, {test["test"][:2]: test["share_of_peak"] for test in document["results"]}, document


def weight_bytes(work, peer, samples):
    """What a token is multiplied by, (ours, llama.cpp's), by dtype."""
    return {
        dtype: (entries[0]["machine"]["results"][0]["weight_bytes"], peer.weight_bytes(work / f"{PAIRS[dtype][0]}.gguf"))
        for dtype, entries in samples.items()
    }


def measure(arguments, work, peer):
    samples = {dtype: [] for dtype in arguments.dtypes}
    for index in range(arguments.rounds):
        for dtype in arguments.dtypes:
            kind = PAIRS[dtype][0]
            entry = {}

            def ours(dtype=dtype, entry=entry):
                entry["nestling"], entry["share"], entry["machine"] = speed(
                    arguments.command, work / dtype, arguments.threads
                )

            def theirs(kind=kind, entry=entry):
                entry["llama.cpp"] = peer.speed(work / f"{kind}.gguf", PROMPT, GENERATED, arguments.threads)

            for turn in (ours, theirs) if index % 2 else (theirs, ours):
                turn()
            samples[dtype].append(entry)
    return samples


def summarize(samples):
    rows = []
    for dtype, entries in samples.items():
        for test in ("pp", "tg"):
            ratios = [entry["nestling"][test] / entry["llama.cpp"][test] for entry in entries]
            middle = {name: statistics.median(entry[name][test] for entry in entries) for name in ("nestling", "llama.cpp", "share")}
            rows.append({"dtype": dtype, "test": test, "ratio": statistics.median(ratios), "ratios": ratios} | middle)
    return rows


def main():
    arguments = parse()
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        peer = LlamaCpp(work)
        checkpoint = prepare(work, peer, arguments.dtypes)
        cosines = agreement(work, checkpoint, peer, arguments.dtypes, arguments.threads)
        samples = measure(arguments, work, peer)
        sizes = weight_bytes(work, peer, samples)
    rows = summarize(samples)
    machine = samples[arguments.dtypes[0]][0]["machine"]
    print(f"\n{machine['processor']}, {arguments.threads} threads, nestling {nestling.__version__}, llama-cpp-python {peer.version}\n")
    print("| test | nestling | MB | t/s | llama.cpp | MB | t/s | ratio | lowest, highest | ratio a byte | of our peak |")
    print("| --- | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in sorted(rows, key=lambda row: row["test"]):
        kind, length = PAIRS[row["dtype"]][0], PROMPT if row["test"] == "pp" else GENERATED
        ours, theirs = sizes[row["dtype"]]
        a_byte = f"{row['ratio'] * ours / theirs:.2f}" if row["test"] == "tg" else ""
        print(f"| {row['test']}{length} | {row['dtype']} | {ours / 1e6:.0f} | {row['nestling']:.1f} "
              f"| {kind} | {theirs / 1e6:.0f} | {row['llama.cpp']:.1f} "
              f"| {row['ratio']:.2f} | {min(row['ratios']):.2f}, {max(row['ratios']):.2f} | {a_byte} | {row['share']:.0%} |")  # fmt: skip
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine, "cosines": cosines, "weight_bytes": sizes, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
