"""Pictures of what the library does, with Matplotlib, which must be installed.

    import nestling, nestling.plot
    nestling.plot.tokens(model, image, reduction=nestling.ToMe(r=16)).savefig("merged.png")
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

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
