"""How tokens are merged while the model runs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Optional, Union

from .errors import InvalidArgumentError


@dataclasses.dataclass(frozen=True)
class ToMe:
    """Token merging by bipartite soft matching (Bolya et al., Token Merging: Your ViT But Faster, arXiv 2210.09461).

    In every layer, between attention and FFN, the most similar pairs of tokens become one: a merged token is the
    average of its parts weighted by how many original tokens they hold. Sequences shrink as they go through the
    network, so the run gets faster; each sequence merges on its own count.

    Parameters
    ----------
    r
        Tokens fewer in each layer: one number for all layers, or one per layer (0 where the list ends). It is clamped
        to half of the unprotected tokens of a sequence. Either `r` or `ratio` must be given.
    ratio
        Instead of `r`: about this share of the tokens remains after the last layer, 0 < ratio <= 1.
    schedule
        How a single `r` is spread over the layers: "constant" (default), "decreasing" (from 2r to 0) or "increasing".
    protect
        Which tokens neither merge nor are merged into: "special" (default: the first and the last), "first", "last",
        "none".
    proportional_attention
        Add log(size) to each key's score, so that a merged token weighs as much as its parts did (default: True).

    Examples
    --------
    >>> model.encode(texts, reduction=nestling.ToMe(r=8))                      # doctest: +SKIP
    >>> model.hidden_states(ids, reduction=nestling.ToMe(ratio=0.5), unmerge=True)   # doctest: +SKIP
    """

    r: Optional[Union[int, Sequence[int]]] = None
    ratio: Optional[float] = None
    schedule: Optional[Literal["constant", "decreasing", "increasing"]] = None
    protect: Optional[Literal["special", "first", "last", "none"]] = None
    proportional_attention: Optional[bool] = None

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON object that the library reads; only what was set appears in it."""
        fields: dict[str, Any] = {"method": "tome"}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None:
                fields[field.name] = value
        return fields


#: What the `reduction` arguments take: an object as above, or the JSON object of the C header as dict or str.
Reduction = Union[ToMe, Mapping[str, Any], str]


def _plain(value: Any) -> Any:
    """Turns NumPy numbers, arrays, ranges and other sequences into what JSON has."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"a reduction cannot hold {type(value).__name__}")


def to_json(reduction: Optional[Reduction]) -> Optional[str]:
    """Returns the JSON text of a reduction; the library checks keys and values. None stays None."""
    if reduction is None or isinstance(reduction, str):
        return reduction
    if isinstance(reduction, ToMe):
        reduction = reduction.to_dict()
    if not isinstance(reduction, Mapping):
        raise TypeError(f"reduction must be a ToMe, a dict or a JSON text, not {type(reduction).__name__}")
    try:
        return json.dumps(dict(reduction), default=_plain, allow_nan=False)
    except ValueError as error:
        raise InvalidArgumentError(f"reduction: {error}") from None
