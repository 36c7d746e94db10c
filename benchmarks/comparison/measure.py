"""Choosing each engine's settings, checking outputs, and timing in rounds."""

import contextlib
import statistics
import sys
import time

from .agreement import agrees, compare
from .engines import suits
from .texts import SENTENCES
from .process import EngineFailure, EngineProcess

# A turn lasts at least this long for the fastest engine, by repeating short runs...
TURN_SECONDS = 0.02
# ...at least so many times where one run is shorter than that.
LEAST_REPEATS = 5
TUNING_SECONDS = 0.5


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    """A model, its inputs, the reference outputs, and a list of what could not be done."""

    def __init__(self, model, inputs, cases, threads, problems):
        self.model, self.inputs, self.cases, self.threads, self.problems = model, inputs, cases, threads, problems
        fixed = [case for case in cases if "x" in case]
        self.first_case = next(iter(fixed), cases[0])
        self.memory_case = "8 x 128" if "8 x 128" in fixed else self.first_case

    def problem(self, text):
        text = f"{self.model.name}: {text}"
        if text not in self.problems:
            self.problems.append(text)
            say("! " + text)

    def start(self, setup):
        """A process, or None after a line about why not."""
        try:
            return EngineProcess(setup, self.model, self.threads, self.inputs, self.first_case)
        except EngineFailure as failure:
            self.problem(f"{setup} does not load: {failure}")
            return None

    def outputs(self, setup):
        """Outputs of all cases, {} if the engine fails."""
        process = self.start(setup)
        try:
            return {case: process.ask("check", case) for case in self.cases} if process else {}
        except EngineFailure as failure:
            self.problem(f"{setup} fails: {failure}")
            return {}
        finally:
            if process:
                process.stop()

    def quality(self, process, case, reference):
        """How near the output is, or None if the engine fails or is too far away."""
        setup = process.setup
        try:
            found = compare(process.ask("check", case), reference)
        except (EngineFailure, ValueError) as failure:
            self.problem(f"{setup} fails on {case}: {failure}")
            return None
        if not agrees(found, setup.dtype):
            self.problem(f"{setup} is too far from float32 on {case} (relative error {found['error']:.1e}, mean cosine "
                         f"{found['cosine']:.4f}): not timed")
            return None
        return found


def choose(bench, setups, references):
    """The fastest of these variants of an engine for each case: {case: setup}, and {case: {variant: seconds}}."""
    tried = {case: {} for case in bench.cases}
    for setup in setups:
        suited = [case for case in bench.cases if suits(setup.settings, case == SENTENCES)]
        process = bench.start(setup) if suited else None
        if not process:
            continue
        for case in suited:
            if bench.quality(process, case, references[case]) is None:
                continue
            try:
                begin, runs = time.perf_counter(), []
                while len(runs) < 2 or (time.perf_counter() - begin < TUNING_SECONDS and len(runs) < 50):
                    runs.append(min(process.ask("time", case)))
                    if runs[0] > min(2 * TUNING_SECONDS, 2 * min(tried[case].values(), default=1e9)):
                        break
                tried[case][setup] = min(runs)
            except EngineFailure as failure:
                bench.problem(f"{setup} fails on {case}: {failure}")
                break
        process.stop()
    best = {case: min(found, key=found.get) for case, found in tried.items() if found}
    return best, {case: {setup.variant: seconds for setup, seconds in found.items()} for case, found in tried.items()}


def repeats(processes, case):
    """How many runs a turn has: 1, or for short runs as many as last a turn for the fastest engine."""
    fastest = min(min(process.ask("time", case, 3)) for process in processes.values())
    return 1 if fastest >= TURN_SECONDS else max(LEAST_REPEATS, round(TURN_SECONDS / fastest))


def measure(bench, processes, case, seconds):
    """Rounds until `seconds` have passed, at least 5 (3 where these take more than four times as long).

    processes: {label: EngineProcess}. Returns {label: {"warm": [seconds], "first": [seconds]}} and the runs in a turn.
    """
    processes = dict(processes)
    for label in list(processes):
        try:
            processes[label].ask("time", case)
        except EngineFailure as failure:
            bench.problem(f"{processes.pop(label).setup} fails on {case}: {failure}")
    if not processes:
        return {}, 1
    count = repeats(processes, case)
    times = {label: {"warm": [], "first": []} for label in processes}
    begin = time.perf_counter()
    rounds = 0
    while processes:
        passed = time.perf_counter() - begin
        if rounds >= (5 if passed < 4 * seconds else 3) and passed >= seconds:
            break
        labels = list(processes)
        for place in range(len(labels)):
            label = labels[(place + rounds) % len(labels)]
            process = processes[label]
            try:
                first, warm = process.ask("time", case, count)
            except EngineFailure as failure:
                bench.problem(f"{process.setup} fails on {case}: {failure}")
                del processes[label], times[label]
                continue
            process.settle()
            times[label]["first"].append(first)
            times[label]["warm"].append(warm)
        rounds += 1
    return times, count


def summarize(times, tokens, count, ours="nestling"):
    """Medians of one case, and ratios of each peer's time to ours in the same rounds."""
    row = {"tokens": tokens, "runs_per_turn": count, "rounds": max((len(found["warm"]) for found in times.values()), default=0),
           "seconds": {}, "first_seconds": {}, "ratio": {}, "ratio_quartiles": {}, "first_ratio": {}}
    for label, found in times.items():
        row["seconds"][label] = statistics.median(found["warm"])
        row["first_seconds"][label] = statistics.median(found["first"])
        if label != ours and ours in times:
            pairs = [peer / mine for peer, mine in zip(found["warm"], times[ours]["warm"])]
            quartiles = statistics.quantiles(pairs, n=4) if len(pairs) > 1 else [pairs[0]] * 3
            row["ratio"][label] = statistics.median(pairs)
            row["ratio_quartiles"][label] = [quartiles[0], quartiles[2]]
            row["first_ratio"][label] = statistics.median(
                peer / mine for peer, mine in zip(found["first"], times[ours]["first"]))
    if row["ratio"]:
        row["fastest_peer"] = min(row["ratio"], key=row["ratio"].get)
    return row


def run_group(bench, members, references, seconds, ours="nestling"):
    """Measures engines side by side. members: {label: [setups to choose from]}; references: {label: {case: outputs}}.

    Returns the numbers of all cases.
    """
    result = {"cases": {}, "quality": {case: {} for case in bench.cases}, "settings": {}, "tried": {},
              "load_seconds": {}, "memory": {}, "times": {}}
    chosen = {}
    for label, setups in members.items():
        if len(setups) > 1:
            say(f"{bench.model.name}: trying settings of {label}, {setups[0].dtype}")
            chosen[label], result["tried"][label] = choose(bench, setups, references[label])
        elif setups:
            chosen[label] = {case: setups[0] for case in bench.cases}
    running, table = {}, {case: {} for case in bench.cases}
    try:
        for label, by_case in chosen.items():
            for case in sorted(by_case, key=lambda case: case != bench.memory_case):
                setup = by_case[case]
                if setup not in running:
                    running[setup] = bench.start(setup)
                process = running[setup]
                quality = bench.quality(process, case, references[label][case]) if process else None
                if quality is None:
                    continue
                result["quality"][case][label] = quality
                result["settings"].setdefault(label, {})[case] = setup.variant
                table[case][label] = process
                if label not in result["memory"]:
                    with contextlib.suppress(EngineFailure):  # it is reported when it is to be timed
                        result["load_seconds"][label] = process.load_seconds
                        result["memory"][label] = process.ask("memory")
        for case in bench.cases:
            if table[case]:
                say(f"{bench.model.name}: {case}: " + ", ".join(table[case]))
                times, count = measure(bench, table[case], case, seconds)
                result["cases"][case] = summarize(times, bench.model.takes.tokens(bench.inputs[case]), count, ours)
                result["times"][case] = times
    finally:
        for process in filter(None, running.values()):
            process.stop()
    return result
