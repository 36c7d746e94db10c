"""How tokens are merged or pruned while the model runs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Optional, Union

from .errors import InvalidArgumentError


@dataclasses.dataclass(frozen=True)
class Reducer:
    """What all reductions are told alike; use one of the methods below.

    In the layers that reduce, between attention and FFN, each sequence loses tokens on its own count. Amounts are clamped to
    what the method can take at once: half of the unprotected tokens for those that merge pairs, all but one for the others
    (all where a protected token remains).

    Parameters
    ----------
    r
        Tokens fewer in each layer that reduces: one number for all, or one for each (0 where the list ends). Exactly one of
        `r`, `ratio`, `keep` and `flops` must be given.
    ratio
        About this share of the tokens remains after the last layer, 0 < ratio <= 1.
    keep
        This share of the unprotected tokens, rounded up, remains after each layer that reduces, 0 < keep <= 1.
    flops
        The constant `r` whose multiply-adds come closest to this share of the full run's, 0 < flops <= 1.
    schedule
        How a single `r` is spread over the layers: "constant" (default), "decreasing" (from 2r to 0) or "increasing".
    layers
        The layers that reduce, counted from 1; all unless given. Those past the last one do not count.
    protect
        Which tokens are left alone: "special" (the first and the last of a text, what comes before the
        patches of an image), "first", "last", "none", or two numbers: so many
        leading and trailing ones.
    proportional_attention
        Add log(size) to each key's score, so that a merged token weighs as much as its parts did.
    """

    method: ClassVar[str] = ""

    r: Optional[Union[int, Sequence[int]]] = None
    ratio: Optional[float] = None
    schedule: Optional[Literal["constant", "decreasing", "increasing"]] = None
    protect: Optional[Union[Literal["special", "first", "last", "none"], Sequence[int]]] = None
    proportional_attention: Optional[bool] = None
    keep: Optional[float] = None
    layers: Optional[Sequence[int]] = None
    flops: Optional[float] = None

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON object that the library reads; only what was set appears in it."""
        fields: dict[str, Any] = {"method": self.method}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None:
                fields[field.name] = value
        return fields


@dataclasses.dataclass(frozen=True)
class ToMe(Reducer):
    """Token merging by bipartite soft matching (Bolya et al., Token Merging: Your ViT But Faster, arXiv 2210.09461).

    The most similar pairs of tokens become one: a merged token is the average of its parts weighted by how many original
    tokens they hold. In a ViT the features are those of the published procedure, layer after layer; rows keep the order of
    the sequence. All parameters are those of :class:`Reducer`.

    Examples
    --------
    >>> model.encode(texts, reduction=nestling.ToMe(r=8))                      # doctest: +SKIP
    >>> model.hidden_states(ids, reduction=nestling.ToMe(ratio=0.5), unmerge=True)   # doctest: +SKIP
    """

    method = "tome"


@dataclasses.dataclass(frozen=True)
class PiToMe(Reducer):
    """Merging that protects what is unlike the rest, by an energy (Tran et al., PiToMe, arXiv 2405.16148).

    Parameters
    ----------
    margin
        Cosines above it count as alike, -1 to 1; by default it falls over the layers from 0.9 to 0.

    The others are those of :class:`Reducer`; `keep` is the paper's ratio.
    """

    method = "pitome"
    margin: Optional[float] = None


@dataclasses.dataclass(frozen=True)
class EViT(Reducer):
    """Tokens to which the first one attends the least become one (Liang et al., EViT, arXiv 2202.07800).

    The paper keeps 70% at layers 4, 7 and 10: ``EViT(keep=0.7, layers=[4, 7, 10])``. By default attention does not
    know sizes.

    Parameters
    ----------
    fuse
        False: drop these tokens instead of fusing them into the sum of their states weighted by that attention.

    The others are those of :class:`Reducer`.
    """

    method = "evit"
    fuse: Optional[bool] = None


@dataclasses.dataclass(frozen=True)
class AttentionPruning(Reducer):
    """Prunes the tokens that receive the least attention from all (as Goyal et al., PoWER-BERT, arXiv 2001.08950).

    Costs about half of an attention in each layer that prunes. Pruned tokens are -1 in token maps and in no vector; with
    `unmerge` they get their last state. All parameters are those of :class:`Reducer`.
    """

    method = "attention_received"


@dataclasses.dataclass(frozen=True)
class ToFu(Reducer):
    """Prunes similar tokens first and merges them later, keeping lengths (Kim et al., Token Fusion, arXiv 2312.01026).

    Parameters
    ----------
    prune_layers
        So many leading layers prune, the others merge; by default half of them.

    All others: :class:`Reducer`. Tokens that go are those of `ToMe`.
    """

    prune_layers: Optional[int] = None
    method = "tofu"


@dataclasses.dataclass(frozen=True)
class LocalMerging(Reducer):
    """Merges neighbours only: linear in the number of tokens (Götz et al., arXiv 2405.17951). For long sequences.

    Parameters
    ----------
    band
        Tokens 2i and 2j + 1 may merge if |i - j| < band; 1 unless given.
    causal
        Only into tokens that come later, so that no token holds one that comes after its place.

    The others are those of :class:`Reducer`.
    """

    method = "local"
    band: Optional[int] = None
    causal: Optional[bool] = None


@dataclasses.dataclass(frozen=True)
class MAELRE(Reducer):
    """Merges neighbours in stages, with approximate attention while the sequence is long (arXiv 2507.19409).

    Where a sequence has more than `exact` tokens, its queries meet the means of `groups` runs of neighbouring keys and values
    (our choice, in linear time; the paper's approximation needs training). Layers with a window stay exact.

    Parameters
    ----------
    band
        As in :class:`LocalMerging`; 1 unless given.
    exact
        Up to so many tokens attention is exact; 512 unless given.
    groups
        Runs of keys, at most `exact`; 256 unless given, or `exact` if that is less.

    The others are those of :class:`Reducer`.
    """

    method = "maelre"
    band: Optional[int] = None
    exact: Optional[int] = None
    groups: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class TokenTransforming(Reducer):
    """Many-to-many reduction by a matrix (after Zeng et al., Token Transforming, arXiv 2506.05709; the formula is ours).

    Tokens spread over those that stay, by the softmax of their similarities; `unmerge` spreads the states back. Costs grow
    with the product of tokens before and after: meant for a few `layers`.

    Parameters
    ----------
    temperature
        Of the softmax over cosines; 0.1 unless given.
    score
        What decides which tokens stay: "class", the attention of the first token (default, if that is protected), or
        "received", the attention that they receive from all.

    The others are those of :class:`Reducer`.
    """

    method = "token_transforming"
    temperature: Optional[float] = None
    score: Optional[Literal["class", "received"]] = None


#: What the `reduction` arguments take: an object as above, or the JSON object of the C header as dict or str.
Reduction = Union[Reducer, Mapping[str, Any], str]


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
    if isinstance(reduction, Reducer):
        reduction = reduction.to_dict()
    if not isinstance(reduction, Mapping):
        raise TypeError(f"reduction must be a nestling.Reducer (ToMe...), a dict or a JSON text, not {type(reduction).__name__}")
    try:
        return json.dumps(dict(reduction), default=_plain, allow_nan=False)
    except ValueError as error:
        raise InvalidArgumentError(f"reduction: {error}") from None
