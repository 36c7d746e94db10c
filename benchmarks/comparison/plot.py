"""The ratios as a picture."""


def draw(models, about, path):
    """Bars of the fastest peer's time divided by Nestling's, one for each case and precision. Needs Matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    dtypes = list(dict.fromkeys(dtype for groups in models.values() for dtype in groups))
    cases = [(model, case) for model, groups in models.items()
             for case in dict.fromkeys(case for result in groups.values() for case in result["cases"])]
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.75 * len(cases)), layout="constrained")
    height = 0.8 / max(len(dtypes), 1)
    greatest, bars = 1.0, {}
    for place, dtype in enumerate(dtypes):
        for index, (model, case) in enumerate(cases):
            row = models[model].get(dtype, {"cases": {}})["cases"].get(case, {})
            fastest = row.get("fastest_peer")
            if not fastest:
                continue
            ratio, (low, high) = row["ratio"][fastest], row["ratio_quartiles"][fastest]
            greatest = max(greatest, ratio, high)
            y = index + (place - (len(dtypes) - 1) / 2) * height
            bars[dtype] = axes.barh(y, ratio, height * 0.9, color=f"C{place}", ecolor="0.3",
                                    xerr=[[max(0, ratio - low)], [max(0, high - ratio)]])
            axes.annotate(f"{ratio:.2f} {fastest}", (max(ratio, high), y), xytext=(4, 0), textcoords="offset points",
                          va="center", fontsize=7)
    axes.axvline(1, color="0.2", linewidth=1)
    axes.set_xlim(0, greatest * 1.25)
    axes.set_yticks(range(len(cases)), [f"{model}\n{case}" for model, case in cases], fontsize=8)
    axes.set_ylim(len(cases) - 0.4, -0.6)
    axes.set_xlabel("time of the fastest peer / time of Nestling (bars: quartiles of rounds)")
    axes.set_title(f"{about['processor']}, {about['threads']} threads", fontsize=9)
    if bars:
        axes.legend(bars.values(), bars.keys(), loc="lower right", fontsize=8)
    figure.savefig(path, dpi=150)
