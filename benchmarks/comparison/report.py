"""What is printed: Markdown tables."""

import importlib.metadata
import os
import platform
import re
import sys
from pathlib import Path

from .agreement import LIMITS
from .process import in_child

PACKAGES = ("nestling", "onnxruntime", "openvino", "nncf", "torch", "ctranslate2", "transformers", "numpy")


def machine(threads, packages=PACKAGES):
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
        versions["nestling"] = in_child(nestling_version)
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
    """The lines that every table needs above it."""
    print(f"{about['processor']}, {about['processors']} processors, {about['threads']} threads used, "
          f"{' '.join(about['instruction_sets'])}, Linux {about['kernel']}, Python {about['python']}, "
          f"load {about['load_average_before']:.1f} before")
    print(", ".join(f"{name} {version}" for name, version in about["versions"].items()))
    if about["load_average_before"] > 0.5:
        print("The machine was busy with other work: these numbers tell little, above all about PyTorch, whose threads "
              "wait for each other.")
    sys.stdout.flush()


def print_method():
    """What the numbers are."""
    print("\nEvery time is the median over rounds, in ms; in brackets the peer's time divided by Nestling's, median of the pairs "
          "of the same round: above 1, Nestling is faster.")
    sys.stdout.flush()


def table(header, rows):
    """A Markdown table whose first column is text."""
    print("\n| " + " | ".join(header) + " |\n|---|" + "---:|" * (len(header) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def milliseconds(seconds):
    return f"{seconds * 1000:.3g}" if seconds < 1 else f"{seconds * 1000:.0f}"


def print_group(model, dtype, result):
    """All tables of one model in one precision."""
    labels = [label for label in result["load_seconds"] if any(label in row["seconds"] for row in result["cases"].values())]
    if not labels:
        return
    print(f"\n### {model}, {dtype}")
    rows = []
    for case, row in result["cases"].items():
        cells = [f"{milliseconds(row['seconds'][label])}" + (f" ({row['ratio'][label]:.2f})" if label in row["ratio"] else "")
                 if label in row["seconds"] else "" for label in labels]
        fastest = row.get("fastest_peer", "")
        rows.append([case, str(row["tokens"]), *cells, fastest, f"**{row['ratio'][fastest]:.2f}**" if fastest else "",
                     f"{row['rounds']} x {row['runs_per_turn']}"])
    table(["case", "tokens", *labels, "fastest peer", "ratio", "rounds x runs"], rows)

    short = {case: row for case, row in result["cases"].items() if row["runs_per_turn"] > 1}
    if short:
        table(["first run after idling, ms", *labels],
              [[case, *(f"{milliseconds(row['first_seconds'][label])}"
                        + (f" ({row['first_ratio'][label]:.2f})" if label in row["first_ratio"] else "")
                        if label in row["first_seconds"] else "" for label in labels)] for case, row in short.items()])

    error, cosine = LIMITS[dtype]
    table([f"relative error (<= {error:g}), cosine mean (>= {cosine:g}) / least", *labels],
          [[case, *(f"{quality[label]['error']:.1e}, {quality[label]['cosine']:.5f} / {quality[label]['least_cosine']:.4f}"
                    if label in quality else "" for label in labels)] for case, quality in result["quality"].items()])

    choices = {label: settings for label, settings in result["settings"].items() if set(settings.values()) != {"default"}}
    if choices:
        print("\nSettings chosen: " + "; ".join(
            f"{label}: " + ", ".join(f"{', '.join(case for case in settings if settings[case] == name)}: {name}"
                                     for name in dict.fromkeys(settings.values()))
            for label, settings in choices.items()) + ".")

    rows = [["load and first run, s", *(f"{result['load_seconds'][label]:.2f}" for label in labels)]]
    for key, title in (("now", "memory after, MB"), ("most", "memory at most, MB"), ("added", "added by the model, MB")):
        rows.append([title, *(f"{result['memory'][label][key] / 1e6:.0f}" for label in labels)])
    table(["", *labels], rows)
    sys.stdout.flush()


def print_elastic(model, result):
    """Half against whole, and the precisions against each other."""
    if not result["half"]:
        return
    dtypes = list(dict.fromkeys(label for row in result["half"].values() for label in row["time"]))
    print(f"\n### {model}: Nestling with half the FFN's width, divided by the whole")
    table(["case", "operations", *(f"time, {dtype}" for dtype in dtypes)],
          [[case, f"{row['operations']:.3f}", *(f"{row['time'][dtype]:.3f}" if dtype in row["time"] else "" for dtype in dtypes)]
           for case, row in result["half"].items()])
    others = list(dict.fromkeys(label for row in result["half"].values() for label in row["to_float32"]))
    if others:
        print(f"\n### {model}: Nestling's other precisions, float32's time divided by theirs (relative error, mean cosine)")
        rows = []
        for case, row in result["half"].items():
            quality = result["quality"][case]
            rows.append([case, *(f"{row['to_float32'][label]:.2f} ({quality[label]['error']:.1e}, {quality[label]['cosine']:.4f})"
                                 if label in row["to_float32"] else "" for label in others)])
        table(["case", *others], rows)
    sys.stdout.flush()


def print_summary(models):
    """The ratio to the fastest peer, for all cases and precisions."""
    dtypes = list(dict.fromkeys(dtype for groups in models.values() for dtype in groups))
    rows = []
    for model, groups in models.items():
        for case in dict.fromkeys(case for result in groups.values() for case in result["cases"]):
            cells = []
            for dtype in dtypes:
                row = groups.get(dtype, {"cases": {}})["cases"].get(case, {})
                fastest = row.get("fastest_peer")
                cells.append(f"{row['ratio'][fastest]:.2f} ({fastest})" if fastest else "")
            if any(cells):
                rows.append([f"{model}, {case}", *cells])
    if rows:
        print("\n### Time of the fastest peer divided by Nestling's")
        table(["", *dtypes], rows)


def losses(model, dtype, result):
    """What Nestling loses, one line each."""
    name = f"{model}, {dtype}"
    silent = [f"{name}, {case}: it did not run" for case in result["quality"] if "nestling" not in result["quality"][case]]
    lost = [f"{name}, {case}: {1 / ratio:.2f} times the time of {label}"
            for case, row in result["cases"].items() for label, ratio in row["ratio"].items() if ratio < 1]
    lost += [f"{name}, {case}, first run after idling: {1 / ratio:.2f} times the time of {label}"
             for case, row in result["cases"].items() for label, ratio in row["first_ratio"].items()
             if ratio < 1 and row["runs_per_turn"] > 1]
    ours, memory = result["load_seconds"].get("nestling"), result["memory"]
    for label in memory if ours is not None else ():
        for key, title in (("now", "memory after"), ("most", "memory at most")):
            if memory["nestling"][key] > memory[label][key]:
                lost.append(f"{name}, {title}: {memory['nestling'][key] / memory[label][key]:.2f} times that of {label}")
        if ours > result["load_seconds"][label]:
            lost.append(f"{name}, load and first run: {ours / result['load_seconds'][label]:.2f} times the time of {label}")
    return silent + lost
