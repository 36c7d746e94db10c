"""Scores of texts with images, of checkpoints with a tower for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InvalidArgumentError
from .model import Model


def joint_similarity(model: Model, text_vectors: Any, image_vectors: Any) -> npt.NDArray[np.float32]:
    """Returns the scores of images with texts, as CLIP and SigLIP define them.

    Parameters
    ----------
    model
        Either tower of the checkpoint; both know its scale and bias.
    text_vectors
        float32 [texts, dimensions], what ``encode`` of the text tower gives.
    image_vectors
        float32 [images, dimensions], what ``encode`` of the vision tower gives.

    Returns
    -------
    float32 [images, texts]
        ``logit_scale * dot(image, text) + logit_bias`` of vectors scaled to length 1: ``logits_per_image`` in transformers.
        A softmax over texts makes CLIP's probabilities of them, a sigmoid those of SigLIP's pairs.

    Raises
    ------
    InvalidArgumentError
        If the checkpoint has no such scale, as all but CLIP and SigLIP, or if vectors have different dimensions.

    Examples
    --------
    >>> texts = nestling.load("clip-vit-base-patch32", tower="text")         # doctest: +SKIP
    >>> images = nestling.load("clip-vit-base-patch32", tower="vision")      # doctest: +SKIP
    >>> scores = nestling.joint_similarity(texts, texts.encode(["a bird", "a nest"]), images.encode(pixels=pixels))
    ... # doctest: +SKIP
    """
    description = model.describe()
    scale, bias = description["logit_scale"], description["logit_bias"]
    if scale is None:
        raise InvalidArgumentError("the checkpoint does not say how texts and images are scored together")
    texts, images = _unit(text_vectors), _unit(image_vectors)
    if texts.shape[1] != images.shape[1]:
        raise InvalidArgumentError(f"texts have {texts.shape[1]} dimensions, images {images.shape[1]}")
    scores: npt.NDArray[np.float32] = np.float32(scale) * (images @ texts.T) + np.float32(bias)
    return scores


def _unit(vectors: Any) -> npt.NDArray[np.float32]:
    rows = np.atleast_2d(np.asarray(vectors, np.float32))
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
