"""Nestling against itself: half the FFN's width against the whole, and int4."""

import statistics

from .engines import nestling
from .models import operations
from .process import Setup

HALF = 0.5


def members(dtypes):
    """{label: [setup]}: the full model and the half one in float32, these precisions and int4."""
    found = {}
    for dtype in dict.fromkeys(("float32", *dtypes, "int4")):
        found[dtype] = [Setup("nestling", dtype, *next(iter(nestling.variants(dtype).items())))]
        found[dtype + ", half"] = [Setup("nestling", dtype, "FFN 1/2", {"ffn": HALF})]
    return found


def summary(bench, result):
    """Adds, for each precision and case, the ratios half / full of time (median of pairs) and of operations."""
    result["half"] = {}
    for case, times in result["times"].items():
        rows = bench.inputs[case]
        row = result["half"][case] = {
            "operations": operations(bench.model, rows, HALF) / operations(bench.model, rows), "time": {}, "to_float32": {}}
        for label, found in times.items():
            if label + ", half" in times:
                pairs = zip(times[label + ", half"]["warm"], found["warm"])
                row["time"][label] = statistics.median(half / full for half, full in pairs)
            if not label.endswith("half") and label != "float32" and "float32" in times:
                pairs = zip(times["float32"]["warm"], found["warm"])
                row["to_float32"][label] = statistics.median(float32 / other for float32, other in pairs)
