"""Token merging by bipartite soft matching, in NumPy and float64, written from the published description and formulas.

Source: Bolya et al., "Token Merging: Your ViT But Faster", arXiv 2210.09461 (ICLR 2023): section 3 for the method, with
proportional attention and schedules. Nestling's convention settles what the paper leaves open:

- A layer merges after its attention sublayer (residual and, in post-norm models, norm included) and before its FFN.
- The metric of a token is the mean over heads of that layer's keys as they enter the scores (rotated, where positions are
  rotary), scaled to length 1.
- Tokens at even places (0, 2, 4...) are sources, those at odd places destinations. Protected tokens are neither: by default the
  first and the last of the sequence. At first, places are positions. After a merge come the sources that have not merged and
  then the destinations, each in the order that they had (the published procedure with a class token); without a protected token
  at the beginning, the sources by falling similarity (the published procedure without one). Protected tokens stay at the ends.
- r is clamped to half of the unprotected tokens, rounded down, and to the number of sources if there is a destination.
- A source's partner is the destination of greatest similarity; of equal ones the first. The r sources of greatest
  similarity to their partners merge; of equal ones the first. Several may join one destination.
- A merged token is the mean of its parts weighted by their sizes; sizes add up. Rows keep the order of the sequence: a merged
  token stands where its destination stood, and keeps its position for rotary embeddings, windows and relative biases.
- Attention of later layers adds log(size) to the scores of each key. A pooled vector is that of the unmerged rows: for the
  mean this weighs each token by its size.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass
class Reduction:
    """How a model merges. Either `r` (tokens per layer: a number, or one number per layer) or `ratio` (the share of tokens
    that remains after the last layer)."""
    r: int | list = 0
    schedule: str = "constant"  # constant, decreasing (2r to 0), increasing (0 to 2r)
    ratio: float | None = None
    protect: str = "special"  # special: first and last; first; last; none
    proportional_attention: bool = True

    def counts(self, length, layers):
        """How many tokens each layer is asked to remove from a sequence of `length`; still to be clamped."""
        if self.ratio is not None:
            total = length - math.floor(self.ratio * length + 0.5)
            return [(layer + 1) * total // layers - layer * total // layers for layer in range(layers)]
        if isinstance(self.r, (list, tuple)):
            return (list(self.r) + [0] * layers)[:layers]
        if self.schedule == "constant" or layers == 1:
            return [self.r] * layers
        low, high = (2 * self.r, 0) if self.schedule == "decreasing" else (0, 2 * self.r)
        return [(low * (layers - 1) + layer * (high - low)) // (layers - 1) for layer in range(layers)]

    def start(self, length, layers):
        """The state of a sequence before the first of `layers` layers."""
        state = State.initial(length, self)
        state.counts = self.counts(length, layers)
        return state

    def protected(self, length):
        """Which tokens of a sequence neither merge nor are merged into: bool [length]."""
        mask = np.zeros(length, bool)
        if self.protect in ("special", "first"):
            mask[0] = True
        if self.protect in ("special", "last"):
            mask[-1] = True
        return mask


@dataclass
class Match:
    """The pairs that merge: parallel lists, sources in rising order of place."""
    sources: np.ndarray
    destinations: np.ndarray
    margin: float  # how far the decisions were from falling otherwise
    order: np.ndarray  # the places that remain, in the order that they then have


def match(metric, r, protected):
    """Bipartite soft matching.

    metric     [n, d], any lengths; a row of zeros is similar to nothing (0)
    r          how many sources should merge
    protected  bool [n]
    returns    a Match of min(r, what is possible) pairs
    """
    count = len(metric)
    free = ~protected
    sources = [index for index in range(0, count, 2) if free[index]]
    destinations = [index for index in range(1, count, 2) if free[index]]
    r = min(r, int(free.sum()) // 2, len(sources) if destinations else 0)
    if r <= 0:
        return Match(np.empty(0, int), np.empty(0, int), math.inf, np.arange(count))
    lengths = np.linalg.norm(metric, axis=1, keepdims=True)
    unit = np.divide(metric, lengths, out=np.zeros_like(metric), where=lengths > 0)
    scores = unit[sources] @ unit[destinations].T
    partners = scores.argmax(axis=1)  # the first of equal ones
    best = scores[np.arange(len(sources)), partners]
    ranks = np.argsort(-best, kind="stable")  # the first of equal ones
    chosen = np.sort(ranks[:r])
    margin = best[ranks[r - 1]] - best[ranks[r]] if r < len(sources) else math.inf
    for source in chosen:
        others = np.delete(scores[source], partners[source])
        if len(others):
            margin = min(margin, best[source] - others.max())
    stay = ranks[r:]
    if protected[0]:
        stay = np.sort(stay)
    elif len(stay) > 1:
        margin = min(margin, (best[stay[:-1]] - best[stay[1:]]).min())
    first, last = np.flatnonzero(free)[[0, -1]]
    order = [*range(first), *np.array(sources)[stay], *destinations, *range(last + 1, count)]
    return Match(np.array(sources)[chosen], np.array(destinations)[partners[chosen]], float(margin), np.array(order))


def matched(metric, r, protected, order):
    """The match of tokens that are looked at in `order` (the row at each place), and where it sends each row [n]."""
    found = match(metric[order], r, protected)
    into = np.arange(len(metric))
    into[order[found.sources]] = order[found.destinations]
    return found, into


@dataclass
class State:
    """What merging knows of a sequence on its way through the layers."""
    sizes: np.ndarray  # [n now]
    positions: np.ndarray  # [n now]: original positions
    map: np.ndarray  # [n original] -> row now
    reduction: Reduction
    margin: float = math.inf
    counts: list = None  # tokens that each layer is asked to remove
    order: np.ndarray = None  # [n now]: the row at each place

    @staticmethod
    def initial(length, reduction):
        """Nothing merged yet."""
        return State(np.ones(length, int), np.arange(length), np.arange(length), reduction, order=np.arange(length))

    def key_groups(self):
        """Which keys are averaged before they meet queries: none."""
        return None

    def key_bias(self):
        """What proportional attention adds to the scores of each key: [n now]."""
        return np.log(self.sizes) if self.reduction.proportional_attention else np.zeros(len(self.sizes))

    def reduce(self, x, metric, weights, layer):
        """What layer number `layer` does; `weights` are not used."""
        return self.merge(x, metric, self.counts[layer])

    def merge(self, x, metric, r):
        """Merges r of the tokens x [n, hidden]; returns the fewer rows and the state that belongs to them."""
        found, into = matched(metric, r, self.reduction.protected(len(x)), self.order)
        survivors = np.flatnonzero(into == np.arange(len(x)))
        rows = np.searchsorted(survivors, into)  # [n] -> row after the merge
        sizes = np.bincount(rows, weights=self.sizes).astype(int)
        merged = np.zeros((len(survivors), x.shape[1]))
        np.add.at(merged, rows, x * self.sizes[:, None])
        merged = merged / sizes[:, None]
        order = rows[self.order[found.order]]
        return merged, State(sizes, self.positions[survivors], rows[self.map], self.reduction, found.margin, self.counts, order)
