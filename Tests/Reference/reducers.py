"""Token reduction in NumPy and float64, written from the published descriptions: everything but ToMe, which is in `tome.py`.

Each method is a function from what a layer shows of one sequence to a matrix and the rows that it makes:

    reduce(method, x [n, h], sizes [n], seen, count) -> T [n, m], rows [m, h], kept [m], margin

`T[i, k]` is the share of old row i in new row k: a single 1 for a merge, zeros for a pruned row, shares that add up to 1 for a
many-to-many method. `kept` are the old rows whose places the new ones take, rising. Everything else follows from T: sizes
(`T.T @ sizes`), the map of the strongest entries, the way back (`T @ rows`), and the composition over layers (a product).

Sources: PiToMe, arXiv 2405.16148; EViT, arXiv 2202.07800; ToFu, arXiv 2312.01026; PoWER-BERT, arXiv 2001.08950 (attention
received); local merging, arXiv 2405.17951; MAELRE, arXiv 2507.19409 (`key_groups` is this
project's choice of an approximation); Token Transforming, arXiv 2506.05709, whose formula is this project's own (see
`token_transforming`). Conventions that the papers leave open are those of `tome.py`.
"""

import math
from dataclasses import dataclass, field

import numpy as np

import tome


@dataclass
class Seen:
    """What attention shows of a layer."""
    metric: np.ndarray  # [n, d]: keys, mean over heads
    weights: np.ndarray  # [heads, n, n]: softmax of the scores
    layer: int
    layers: int
    order: np.ndarray  # [n]: the row at each place of ToMe's matching


@dataclass
class Reduction:
    """How a model reduces: the object that the C interface takes."""
    method: str
    r: int | list | None = None
    ratio: float | None = None
    keep: float | None = None
    schedule: str = "constant"
    layers: list | None = None  # from 1
    protect: str | list | None = None
    proportional_attention: bool | None = None
    options: dict = field(default_factory=dict)

    def start(self, length, layers):
        """The state of a sequence before the first layer."""
        active = [layer for layer in range(layers) if self.layers is None or layer + 1 in self.layers]
        counts = [None] * layers
        if self.keep is None:
            r = 0 if self.r is None else self.r
            amounts = tome.Reduction(r, self.schedule, self.ratio).counts(length, len(active)) if active else []
            counts = [0] * layers
            for layer, amount in zip(active, amounts):
                counts[layer] = amount
        else:
            counts = [None if layer in active else 0 for layer in range(layers)]
        return State(np.ones(length), np.arange(length), np.eye(length), self, counts, {}, order=np.arange(length))

    def free(self, length):
        """The tokens that are not protected."""
        protect = self.protect or "special"
        if isinstance(protect, str):
            first, last = {"special": (1, 1), "first": (1, 0), "last": (0, 1), "none": (0, 0)}[protect]
        else:
            first, last = protect
        return [index for index in range(length) if index >= first and index < length - last]

    def is_proportional(self):
        if self.proportional_attention is not None:
            return self.proportional_attention
        return self.method not in ("evit", "attention_received")

    def wanted(self, length, amount):
        """How many tokens are to go; still to be clamped."""
        if amount is not None:
            return amount
        free = len(self.free(length))
        fused = 1 if self.method == "evit" and self.options.get("fuse", True) else 0
        return free - math.ceil(self.keep * free) - fused


@dataclass
class State:
    """What a reduction knows of a sequence on its way through the layers."""
    sizes: np.ndarray  # [n now]
    positions: np.ndarray  # [n now]
    matrix: np.ndarray  # [n original, n now]
    reduction: Reduction
    counts: list
    pruned: dict  # original token -> its last state
    margin: float = math.inf
    order: np.ndarray = None  # as in Seen

    @property
    def map(self):
        """[n original]: the row with the greatest share; -1: none."""
        return np.where(self.matrix.any(axis=1), self.matrix.argmax(axis=1), -1)

    def key_groups(self):
        """MAELRE: runs of neighbouring keys that are averaged, where the sequence is long; None: attention is exact."""
        n, options = len(self.sizes), self.reduction.options
        exact = options.get("exact", 512)
        if self.reduction.method != "maelre" or n <= exact:
            return None
        count = options.get("groups", min(256, exact))
        return [np.arange(n * group // count, n * (group + 1) // count) for group in range(count)]

    def key_bias(self):
        return np.log(self.sizes) if self.reduction.is_proportional() else np.zeros(len(self.sizes))

    def reduce(self, x, metric, weights, layer):
        seen = Seen(metric, weights, layer, len(self.counts), self.order)
        count = self.reduction.wanted(len(x), self.counts[layer])
        made = METHODS[self.reduction.method](self.reduction, x, self.sizes, seen, count) if count > 0 else None
        if made is None:
            return x, State(self.sizes, self.positions, self.matrix, self.reduction, self.counts, self.pruned, order=self.order)
        matrix, rows, kept, margin, order = made if len(made) == 5 else (*made, np.arange(len(made[2])))
        pruned = dict(self.pruned)
        for old in np.flatnonzero(~matrix.any(axis=1)):
            for token in np.flatnonzero(self.map == old):
                pruned[token] = x[old]
        whole = self.matrix @ matrix
        ordered = np.sort(whole, axis=1)
        if whole.shape[1] > 1:  # the public map names the greatest share, which must be clear as well
            margin = min(margin, np.ptp(ordered[ordered[:, -1] > 0, -2:], axis=1).min(initial=math.inf))
        return rows, State(matrix.T @ self.sizes, self.positions[kept], whole, self.reduction, self.counts, pruned, margin,
                           order)

    def restored(self, rows, finish=lambda states: states):
        """A row for every original token: what it is part of, or its last state, `finish`ed as the rows were."""
        result = self.matrix @ rows
        for token, state in self.pruned.items():
            result[token] = finish(state[None])[0]
        return result

    def pooled_mean(self, rows):
        """The mean over the original tokens that are left, each as what it is part of."""
        return (self.matrix @ rows).sum(axis=0) / self.matrix.sum()


def joined(x, sizes, into, how="mean", factors=None):
    """T, rows and kept of a map that sends each row to `into` [n] (itself: it stays; -1: it goes)."""
    n = len(x)
    kept = np.array([index for index in range(n) if into[index] == index])
    matrix = np.zeros((n, len(kept)))
    for index in range(n):
        if into[index] >= 0:
            matrix[index, np.searchsorted(kept, into[index])] = 1
    rows = []
    for column, place in enumerate(kept):
        members = np.flatnonzero(matrix[:, column])
        if len(members) == 1:
            rows.append(x[place])
        elif how == "sum":
            rows.append((factors[members, None] * x[members]).sum(axis=0))
        else:
            mean = (sizes[members, None] * x[members]).sum(axis=0) / sizes[members].sum()
            if how == "longest":
                mean = mean / np.linalg.norm(mean) * np.linalg.norm(x[members], axis=1).max()
            rows.append(mean)
    return matrix, np.array(rows), kept


def unit(metric):
    lengths = np.linalg.norm(metric, axis=1, keepdims=True)
    return np.divide(metric, lengths, out=np.zeros_like(metric), where=lengths > 0)


def protected(reduction, n):
    mask = np.ones(n, bool)
    mask[reduction.free(n)] = False
    return mask


def tofu(reduction, x, sizes, seen, count):
    found, into = tome.matched(seen.metric, count, protected(reduction, len(x)), seen.order)
    if len(found.sources) == 0:
        return None
    kept = np.flatnonzero(into == np.arange(len(x)))
    order = np.searchsorted(kept, seen.order[found.order])
    if seen.layer < reduction.options.get("prune_layers", seen.layers // 2):
        return *joined(x, sizes, np.where(into == np.arange(len(x)), into, -1)), found.margin, order
    return *joined(x, sizes, into, "longest"), found.margin, order


def local(reduction, x, sizes, seen, count):
    """Tokens 2i and 2j + 1 may merge if |i - j| < band; causal: if j >= i as well."""
    band, causal = reduction.options.get("band", 1), reduction.options.get("causal", False)
    free, n, similarity = set(reduction.free(len(x))), len(x), unit(seen.metric) @ unit(seen.metric).T
    sources = [index for index in range(0, n, 2) if index in free]
    reach = {source: [2 * j + 1 for j in range(n // 2) if abs(source // 2 - j) < band and (not causal or j >= source // 2)
                      and 2 * j + 1 in free] for source in sources}
    sources = [source for source in sources if reach[source]]
    count = min(count, len(free) // 2, len(sources))
    if count <= 0:
        return None
    partners, scores, margin = {}, {}, math.inf
    for source in sources:
        values = similarity[source, reach[source]]
        best = int(values.argmax())
        partners[source], scores[source] = reach[source][best], values[best]
        if len(values) > 1:
            margin = min(margin, values[best] - np.delete(values, best).max())
    order = sorted(sources, key=lambda source: (-scores[source], source))
    if count < len(order):
        margin = min(margin, scores[order[count - 1]] - scores[order[count]])
    into = np.arange(n)
    for source in order[:count]:
        into[source] = partners[source]
    return *joined(x, sizes, into), margin


def pitome(reduction, x, sizes, seen, count):
    """energy_i = mean over j != i of ELU(cos_ij - margin); the 2r highest pair up, even ranks into odd ones. Two tokens have
    the same energy, and the first is ranked first."""
    free = np.array(reduction.free(len(x)), int)
    count = min(count, len(free) // 2)
    if count <= 0:
        return None
    similarity = unit(seen.metric[free]) @ unit(seen.metric[free]).T
    threshold = reduction.options.get("margin", 0.9 - 0.9 * seen.layer / seen.layers)
    excess = similarity - threshold
    energies = np.where(excess >= 0, excess, np.expm1(np.minimum(excess, 0)))
    np.fill_diagonal(energies, 0)
    energy = np.round(energies.sum(axis=1) / (len(free) - 1), 10)
    order = np.argsort(-energy, kind="stable")
    ranked = energy[order[:2 * count + 1]]
    margin = math.inf if len(free) == 2 else (ranked[:-1] - ranked[1:]).min() * 10
    sources, destinations = order[:2 * count:2], np.sort(order[1:2 * count:2])
    into = np.arange(len(x))
    for source in sources:
        values = similarity[source, destinations]
        into[free[source]] = free[destinations[values.argmax()]]
        if len(values) > 1:
            margin = min(margin, values.max() - np.delete(values, values.argmax()).max())
    return *joined(x, sizes, into), margin


def least(scores, free, count):
    """The `count` tokens of `free` with the lowest scores, of equal ones the last; most attended first. And the margin."""
    order = sorted(free, key=lambda index: (-scores[index], index))
    cuts = [cut for cut in (len(order) - count, len(order) - count + 1) if 0 < cut < len(order)]
    # Outside of a window weights are 0 in any precision.
    pairs = [(scores[order[cut - 1]], scores[order[cut]]) for cut in cuts]
    margin = min((high - low for high, low in pairs if high > 0), default=math.inf)
    return order[len(order) - count:], margin * 50  # weights are about a fiftieth of similarities


def evit(reduction, x, sizes, seen, count):
    """The tokens to which the first one attends least become sum_j a_j x_j, or go."""
    fuse = reduction.options.get("fuse", True)
    free, scores = reduction.free(len(x)), seen.weights[:, 0, :].mean(axis=0)
    count = min(count, len(free) - fuse)
    if count <= 0:
        return None
    chosen, margin = least(scores, free, count + fuse)
    into = np.arange(len(x))
    into[chosen] = chosen[0] if fuse else -1
    return *joined(x, sizes, into, "sum", scores), margin


def attention_received(reduction, x, sizes, seen, count):
    """The tokens that receive the least attention, mean over heads and queries, go."""
    free, scores = reduction.free(len(x)), seen.weights.mean(axis=(0, 1))
    count = min(count, len(free), len(x) - 1)
    if count <= 0:
        return None
    chosen, margin = least(scores, free, count)
    into = np.arange(len(x))
    into[chosen] = -1
    return *joined(x, sizes, into), margin


def token_transforming(reduction, x, sizes, seen, count):
    """This project's formula: T = softmax over the kept tokens of cos / temperature; X' = T^t S X divided by T^t S 1. Protected
    tokens pass through, and get nothing from others."""
    n, free = len(x), reduction.free(len(x))
    count = min(count, len(free) - 1)
    if count <= 0:
        return None
    by_class = reduction.options.get("score", "class" if 0 not in free else "received") == "class"
    scores = seen.weights[:, 0, :].mean(axis=0) if by_class else seen.weights.mean(axis=(0, 1))
    dropped, margin = least(scores, free, count)
    kept = np.array([index for index in range(n) if index not in dropped])
    similarity = unit(seen.metric) @ unit(seen.metric).T / reduction.options.get("temperature", 0.1)
    matrix = np.zeros((n, len(kept)))
    places = [column for column, index in enumerate(kept) if index in free]
    for index in range(n):
        if index in free:
            exponentials = np.exp(similarity[index, kept[places]] - similarity[index, kept[places]].max())
            matrix[index, places] = exponentials / exponentials.sum()
        else:
            matrix[index, np.searchsorted(kept, index)] = 1
    weighed = matrix * sizes[:, None]
    return matrix, weighed.T @ x / weighed.sum(axis=0)[:, None], kept, margin


METHODS = {"maelre": local, "tofu": tofu, "local": local, "pitome": pitome, "evit": evit,
           "attention_received": attention_received, "token_transforming": token_transforming}
