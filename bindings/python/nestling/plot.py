"""Pictures of what the library does, with Matplotlib, which must be installed.

    import nestling, nestling.plot
    nestling.plot.tokens(model, image, reduction=nestling.ToMe(r=16)).savefig("merged.png")
    nestling.plot.sweep("sweep.csv").savefig("sweep.png")           # of nestling reduce-sweep
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from .errors import InvalidArgumentError
from .model import Model
from .reduction import Reduction


def tokens(
    model: Model, image: Any, *, reduction: Optional[Reduction], layers: Optional[Sequence[int]] = None
) -> Any:
    """Shows which patches of an image are merged, layer by layer.

    Parameters
    ----------
    model
        A model of images.
    image
        An array [height, width] or [height, width, channels], or a Pillow image; see `nestling.Model.prepare`.
    reduction
        How tokens are merged.
    layers
        After which layers, 1 for the first. None: six of them, the last among them.

    Returns
    -------
    matplotlib.figure.Figure
        The image as the model sees it; then, for each layer, every group of patches in the mean of its colours, outlined,
        with the number of tokens that are left.
    """
    from matplotlib.figure import Figure

    pixels = model.prepare(image)
    if pixels.ndim != 3:
        raise InvalidArgumentError("one image is shown at a time")
    if layers is None:
        layers = sorted({round(model.layers * (number + 1) / 6) for number in range(6)} - {0})
    with model.session() as session:
        session.hidden_states(pixels=pixels, reduction=reduction)
        maps = [np.asarray(session.token_map(layer)) for layer in layers]
    picture = _shown(model, pixels)
    shape = model.describe()["image"]
    patch = (shape["patch_height"], shape["patch_width"])
    figure = Figure(figsize=(2.2 * (len(layers) + 1), 2.6), layout="constrained")
    axes = figure.subplots(1, len(layers) + 1, squeeze=False)[0]
    whole = len(maps[0]) if maps else 0
    titles = [f"{whole} tokens" if whole else "", *(f"layer {n}: {len(np.unique(m[m >= 0]))}" for n, m in zip(layers, maps))]
    panels = [picture, *(_merged(picture, rows[shape["prefix_tokens"] :], patch) for rows in maps)]
    for axis, title, panel in zip(axes, titles, panels):
        axis.imshow(panel)
        axis.set_title(title, fontsize=9)
        axis.set_axis_off()
    return figure


def sweep(rows: Union[str, os.PathLike[str], Iterable[Mapping[str, Any]]]) -> Any:
    """Draws what `nestling reduce-sweep` found: agreement with the full model against time, a line for each method.

    Parameters
    ----------
    rows
        The CSV file, or its rows, as `csv.DictReader` gives them.

    Returns
    -------
    matplotlib.figure.Figure
        The mean cosine with the full model's vectors over milliseconds; points are filled where the reduction pays. If the model
        has a classifier, a second panel shows the share of inputs whose best label stays the same.
    """
    from matplotlib.figure import Figure

    if isinstance(rows, (str, os.PathLike)):
        with open(rows, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    rows = list(rows)
    needed = ("method", "value", "cosine_mean", "seconds", "full_seconds", "pays")
    for number, row in enumerate(rows):
        for name in needed:
            if row.get(name) in (None, ""):
                raise InvalidArgumentError(f"row {number} of the sweep has no {name}")
    if not rows:
        raise InvalidArgumentError("the sweep has no rows")
    panels = [("cosine_mean", "mean cosine with the full model")]
    if all(row.get("same_top_label") not in (None, "") for row in rows):
        panels.append(("same_top_label", "share of inputs with the same label"))
    full = 1e3 * float(np.mean([float(row["full_seconds"]) for row in rows]))
    figure = Figure(figsize=(6.6 * len(panels), 4.6), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (column, title) in zip(axes, panels):
        for method in dict.fromkeys(row["method"] for row in rows):
            own = [row for row in rows if row["method"] == method]
            times = [1e3 * float(row["seconds"]) for row in own]
            (line,) = axis.plot(times, [float(row[column]) for row in own], label=method, linewidth=1.2)
            for row, time in zip(own, times):
                pays = row["pays"] in (True, "true")
                colour = line.get_color()
                axis.plot(time, float(row[column]), "o", color=colour, fillstyle="full" if pays else "none", markersize=5)
                axis.annotate(
                    str(row["value"]), (time, float(row[column])), (4, 4), textcoords="offset points", fontsize=6, color=colour
                )
        axis.axvline(full, color="0.4", linestyle="--", linewidth=1)
        axis.set_xlabel("milliseconds for all inputs (dashed: the full model; hollow: does not pay)")
        axis.set_ylabel(title)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    if rows[0].get("model"):
        figure.suptitle(str(rows[0]["model"]))
    return figure


def _shown(model: Model, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Returns prepared pixels as colours from 0 to 1, [height, width, 3]."""
    # How a model normalizes shows in what it makes of black and of white.
    black, white = (
        prepared[:, prepared.shape[1] // 2, prepared.shape[2] // 2].reshape(3, 1, 1)
        for prepared in model.prepare([np.full((8, 8, 3), level, np.uint8) for level in (0, 255)])
    )
    shown: npt.NDArray[np.float32] = np.clip((pixels - black) / (white - black), 0, 1).transpose(1, 2, 0)
    return shown


def _merged(
    picture: npt.NDArray[np.float32], rows: npt.NDArray[np.int32], patch: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Returns the picture with the patches of each row in their mean colour, black where they were pruned (row -1), and white
    where another row begins.
    """
    height, width = picture.shape[0] // patch[0], picture.shape[1] // patch[1]
    groups = np.unique(rows.reshape(height, width), return_inverse=True)[1].reshape(height, width)
    groups = groups.repeat(patch[0], axis=0).repeat(patch[1], axis=1)
    inside = picture[: groups.shape[0], : groups.shape[1]]
    sizes = np.bincount(groups.ravel())
    means = np.stack([np.bincount(groups.ravel(), inside[..., c].ravel()) / sizes for c in range(3)], 1)
    if rows.min() < 0:  # the first of the numbers in order
        means[0] = 0
    merged = picture.copy()
    merged[: groups.shape[0], : groups.shape[1]] = means[groups]
    edges = np.zeros(groups.shape, bool)
    edges[:, :-1] |= groups[:, 1:] != groups[:, :-1]
    edges[:-1] |= groups[1:] != groups[:-1]
    merged[: groups.shape[0], : groups.shape[1]][edges] = 1
    return merged
