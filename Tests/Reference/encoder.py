"""A transformer encoder in NumPy and float64, written from the formulas, for checking Nestling against.

It reads the tiny checkpoints of Tests/Fixtures (single-file safetensors in float32, base classes without a head) of three
families of text that differ in what matters to attention, BERT (absolute positions), MPNet (a shared table of relative
positions) and ModernBERT (rotary positions, windows, gated FFN, norms before the sublayers), and ViT, of images of the
configured size. A sequence may be shortened while it runs (`tome.py`), and only a part of each layer may be used (`Part`).

Sources: Vaswani et al., arXiv 1706.03762; BERT, arXiv 1810.04805; MPNet, arXiv 2004.09297; ModernBERT, arXiv 2412.13663; ViT,
arXiv 2010.11929;
RoPE, arXiv 2104.09864; nested submodels, MatFormer, arXiv 2310.07707.
"""

import json
import math
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tome import Reduction


def read_safetensors(path):
    """Reads a safetensors file: float32 tensors as float64 arrays, integers as int64, by name."""
    data = Path(path).read_bytes()
    (header_length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + header_length])
    kinds = {"F32": ("<f4", np.float64), "I32": ("<i4", np.int64), "I64": ("<i8", np.int64)}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        stored, wanted = kinds[entry["dtype"]]
        begin, end = (8 + header_length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], stored).reshape(entry["shape"]).astype(wanted)
    return tensors


# MARK: - Formulas

def erf(x):
    """The error function, element by element."""
    return np.vectorize(math.erf, otypes=[np.float64])(x)


def gelu(x):
    """x times the standard normal distribution function of x."""
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def layer_norm(x, weight, bias, epsilon):
    """Rows of x [n, h] to mean 0 and variance 1, times weight [h], plus bias [h] if there is one."""
    centered = x - x.mean(axis=-1, keepdims=True)
    scaled = centered / np.sqrt((centered**2).mean(axis=-1, keepdims=True) + epsilon)
    return scaled * weight + (0 if bias is None else bias)


def linear(x, weight, bias):
    """x [n, in] times the transpose of weight [out, in], plus bias [out] if there is one."""
    return x @ weight.T + (0 if bias is None else bias)


def softmax(scores):
    """Over the last axis."""
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def rotate(x, positions, theta):
    """Rotary positions, halves convention: elements t and t + d / 2 of a head turn by position * theta^(-2t / d).

    x          [heads, n, d]
    positions  [n]
    """
    half = x.shape[-1] // 2
    angles = positions[:, None] * theta ** (-np.arange(half) / half)
    cosine, sine = np.cos(angles), np.sin(angles)
    first, second = x[..., :half], x[..., half:]
    return np.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)


def relative_buckets(positions, key_positions):
    """MPNet's bucket [n, m] of each (query, key) pair: 32 buckets, half of them for keys after the query; distances up to
    7 have a bucket each, greater ones share logarithmic buckets up to 128."""
    difference = key_positions[None, :] - positions[:, None]
    distance = np.abs(difference)
    far = 8 + np.floor(np.log(np.maximum(distance, 8) / 8) / math.log(16) * 8 + 1e-9).astype(int)
    return np.where(difference > 0, 16, 0) + np.where(distance < 8, distance, np.minimum(far, 15))


# MARK: - The network

@dataclass
class Layer:
    """One block in one form for all families. Matrices are [out, in]; a missing bias or norm is None."""
    query: tuple
    key: tuple
    value: tuple
    output: tuple
    attention_norm: tuple | None
    up: tuple
    gate: tuple | None  # the factor that is not activated
    down: tuple
    feed_forward_norm: tuple
    heads: int
    theta: float | None = None
    window: int | None = None  # visible: distances up to this


@dataclass
class Part:
    """The nested part of a model that is used: a prefix of each kept layer. None: all."""
    layers: list | None = None
    feed_forward_widths: list | None = None  # one per kept layer
    heads: list | None = None


@dataclass
class Run:
    """What a run leaves: everything by layer; index 0 is the embedding output, k is after block k."""
    states: list = field(default_factory=list)  # [tokens now, hidden]; the last one after the final norm
    sizes: list = field(default_factory=list)  # [tokens now]: how many original tokens each stands for
    maps: list = field(default_factory=list)  # [original tokens]: the row of the token that each is now part of
    last: object = None  # the state of the reduction after the last layer
    margin: float = math.inf  # the least distance of two scores between which a merge was decided

    def unmerged(self, layer=-1):
        """The state of every original token: [original tokens, hidden]."""
        return self.states[layer][self.maps[layer]]

    def pooled(self, mode):
        """The sequence vector [hidden]: the pooling of the unmerged rows. For the mean this is weighing by size."""
        rows = self.unmerged()
        count = len(rows)
        places = np.arange(1, count + 1)[:, None]
        return {"cls": lambda: rows[0], "max": lambda: rows.max(axis=0), "mean": lambda: rows.mean(axis=0),
                "mean_sqrt_len_tokens": lambda: rows.sum(axis=0) / math.sqrt(count), "lasttoken": lambda: rows[-1],
                "weightedmean": lambda: (rows * places).sum(axis=0) / places.sum()}[mode]()


class Encoder:
    """A checkpoint directory of a base class, ready to run."""

    def __init__(self, directory):
        directory = Path(directory)
        self.configuration = json.loads((directory / "config.json").read_text())
        self.tensors = read_safetensors(directory / "model.safetensors")
        self.family = self.configuration["model_type"]
        self.relative_bias = None
        self.final_norm = None
        self.post_norm = self.family not in ("modernbert", "vit")
        self.epsilon = self.configuration["norm_eps" if self.family == "modernbert" else "layer_norm_eps"]
        make = {"bert": self._bert_layer, "mpnet": self._mpnet_layer, "modernbert": self._modernbert_layer,
                "vit": self._vit_layer}[self.family]
        self.layers = [make(index) for index in range(self.configuration["num_hidden_layers"])]
        if self.family == "mpnet":
            self.relative_bias = self.tensors["encoder.relative_attention_bias.weight"]
        if self.family == "modernbert":
            self.final_norm = self._pair("final_norm")
        if self.family == "vit":
            self.final_norm = self._pair("layernorm")

    def _pair(self, name):
        """Weight and bias of a linear or a norm; the bias may be missing."""
        return self.tensors[name + ".weight"], self.tensors.get(name + ".bias")

    def _bert_layer(self, index):
        name = f"encoder.layer.{index}."
        return Layer(
            query=self._pair(name + "attention.self.query"), key=self._pair(name + "attention.self.key"),
            value=self._pair(name + "attention.self.value"), output=self._pair(name + "attention.output.dense"),
            attention_norm=self._pair(name + "attention.output.LayerNorm"), up=self._pair(name + "intermediate.dense"),
            gate=None, down=self._pair(name + "output.dense"), feed_forward_norm=self._pair(name + "output.LayerNorm"),
            heads=self.configuration["num_attention_heads"])

    def _mpnet_layer(self, index):
        name = f"encoder.layer.{index}."
        return Layer(
            query=self._pair(name + "attention.attn.q"), key=self._pair(name + "attention.attn.k"),
            value=self._pair(name + "attention.attn.v"), output=self._pair(name + "attention.attn.o"),
            attention_norm=self._pair(name + "attention.LayerNorm"), up=self._pair(name + "intermediate.dense"),
            gate=None, down=self._pair(name + "output.dense"), feed_forward_norm=self._pair(name + "output.LayerNorm"),
            heads=self.configuration["num_attention_heads"])

    def _modernbert_layer(self, index):
        name = f"layers.{index}."
        query, key, value = np.split(self.tensors[name + "attn.Wqkv.weight"], 3)
        up, gate = np.split(self.tensors[name + "mlp.Wi.weight"], 2)
        kind = self.configuration["layer_types"][index]
        return Layer(
            query=(query, None), key=(key, None), value=(value, None), output=self._pair(name + "attn.Wo"),
            attention_norm=None if index == 0 else self._pair(name + "attn_norm"), up=(up, None), gate=(gate, None),
            down=self._pair(name + "mlp.Wo"), feed_forward_norm=self._pair(name + "mlp_norm"),
            heads=self.configuration["num_attention_heads"],
            theta=self.configuration["rope_parameters"][kind]["rope_theta"],
            window=self.configuration["local_attention"] // 2 if kind == "sliding_attention" else None)

    def _vit_layer(self, index):
        name = f"encoder.layer.{index}."
        return Layer(
            query=self._pair(name + "attention.attention.query"), key=self._pair(name + "attention.attention.key"),
            value=self._pair(name + "attention.attention.value"), output=self._pair(name + "attention.output.dense"),
            attention_norm=self._pair(name + "layernorm_before"), up=self._pair(name + "intermediate.dense"), gate=None,
            down=self._pair(name + "output.dense"), feed_forward_norm=self._pair(name + "layernorm_after"),
            heads=self.configuration["num_attention_heads"])

    def _embed_image(self, pixels):
        """Pixels [channels, height, width] to the class token and one row for each patch, row after row: [1 + patches, hidden].
        """
        weight, bias = self._pair("embeddings.patch_embeddings.projection")  # [hidden, channels, side, side]
        channels, side = weight.shape[1:3]
        height, width = (length // side for length in pixels.shape[1:])
        patches = pixels[:, :height * side, :width * side].reshape(channels, height, side, width, side)
        patches = patches.transpose(1, 3, 0, 2, 4).reshape(height * width, -1)
        rows = linear(patches.astype(np.float64), weight.reshape(len(weight), -1), bias)
        return np.concatenate([self.tensors["embeddings.cls_token"][0], rows]) + self.tensors["embeddings.position_embeddings"][0]

    def embed(self, ids, types=None):
        """Token ids [n], or pixels [channels, height, width], to the embedding output [n, hidden]."""
        if self.family == "vit":
            return self._embed_image(ids)
        if self.family == "modernbert":
            return layer_norm(self.tensors["embeddings.tok_embeddings.weight"][ids], *self._pair("embeddings.norm"),
                              self.epsilon)
        positions = np.arange(len(ids))
        if self.family == "mpnet":
            real = (ids != 1).astype(int)
            positions = np.cumsum(real) * real + 1
        x = self.tensors["embeddings.word_embeddings.weight"][ids]
        x = x + self.tensors["embeddings.position_embeddings.weight"][positions]
        if "embeddings.token_type_embeddings.weight" in self.tensors:
            x = x + self.tensors["embeddings.token_type_embeddings.weight"][np.zeros_like(ids) if types is None else types]
        return layer_norm(x, *self._pair("embeddings.LayerNorm"), self.epsilon)

    def _attend(self, layer, x, state, heads):
        """Multi-head attention over x [n, hidden] with the first `heads` heads.

        returns: (sum of the heads' outputs through the output matrix [n, hidden], the metric of the tokens [n, d]: the mean
        over heads of the keys as they enter the scores, the weights [heads, n, n])
        """
        width = layer.query[0].shape[0] // layer.heads

        def split(pair):
            weight, bias = pair
            projected = linear(x, weight[:heads * width], None if bias is None else bias[:heads * width])
            return projected.reshape(len(x), heads, width).transpose(1, 0, 2)

        query, key, value = split(layer.query), split(layer.key), split(layer.value)
        positions = state.positions
        if layer.theta is not None:
            query, key = rotate(query, positions, layer.theta), rotate(key, positions, layer.theta)
        metric = key.mean(axis=0)
        key_positions, key_bias = positions, state.key_bias()
        groups = state.key_groups() if layer.window is None else None
        if groups is not None:
            sizes = state.sizes if state.reduction.is_proportional() else np.ones(len(x))
            shares = [sizes[group] / sizes[group].sum() for group in groups]
            key, value = (np.stack([share @ rows[:, group] for share, group in zip(shares, groups)], axis=1)
                          for rows in (key, value))
            key_positions = np.array([positions[(group[0] + group[-1]) // 2] for group in groups])
            key_bias = np.log([sizes[group].sum() for group in groups])
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(width)
        if self.relative_bias is not None:
            buckets = relative_buckets(positions, key_positions)
            scores = scores + self.relative_bias[buckets][:, :, :heads].transpose(2, 0, 1)
        if layer.window is not None:
            scores = np.where(np.abs(positions[:, None] - positions[None, :]) <= layer.window, scores, -np.inf)
        scores = scores + key_bias
        weights = softmax(scores)
        joined = (weights @ value).transpose(1, 0, 2).reshape(len(x), heads * width)
        weight, bias = layer.output
        return linear(joined, weight[:, :heads * width], bias), metric, weights

    def _feed_forward(self, layer, x, width):
        """The first `width` neurons of the FFN over x [n, hidden]."""
        def prefix(pair):
            weight, bias = pair
            return weight[:width], None if bias is None else bias[:width]

        inner = linear(x, *prefix(layer.up))
        inner = gelu(inner)  # the checkpoints used here all say "gelu"
        if layer.gate is not None:
            inner = inner * linear(x, *prefix(layer.gate))
        weight, bias = layer.down
        return linear(inner, weight[:, :width], bias)

    def run(self, ids, types=None, reduction=None, part=None):
        """Runs one sequence of token ids [n], or one image [channels, height, width].

        reduction  a tome.Reduction or a reducers.Reduction, or None
        part       a Part, or None
        returns    a Run
        """
        ids = np.asarray(ids)
        part = part or Part()
        kept = range(len(self.layers)) if part.layers is None else part.layers
        layers = [self.layers[index] for index in kept]
        widths = part.feed_forward_widths or [len(layer.up[0]) for layer in layers]
        heads = part.heads or [layer.heads for layer in layers]
        reduction = reduction or Reduction()
        x = self.embed(ids, types)
        state = reduction.start(len(x), len(layers))
        run = Run([x], [state.sizes], [state.map])
        for index, (layer, width, head_count) in enumerate(zip(layers, widths, heads)):
            if self.post_norm:
                mixed, metric, weights = self._attend(layer, x, state, head_count)
                x = layer_norm(x + mixed, *layer.attention_norm, self.epsilon)
                x, state = state.reduce(x, metric, weights, index)
                x = layer_norm(x + self._feed_forward(layer, x, width), *layer.feed_forward_norm, self.epsilon)
            else:
                normed = x if layer.attention_norm is None else layer_norm(x, *layer.attention_norm, self.epsilon)
                mixed, metric, weights = self._attend(layer, normed, state, head_count)
                x, state = state.reduce(x + mixed, metric, weights, index)
                x = x + self._feed_forward(layer, layer_norm(x, *layer.feed_forward_norm, self.epsilon), width)
            run.states.append(x)
            run.sizes.append(state.sizes)
            run.maps.append(state.map)
            run.margin = min(run.margin, state.margin)
        if self.final_norm is not None:
            run.states[-1] = self.finish(x)
        run.last = state
        return run

    def finish(self, x):
        """What is done to states [n, hidden] after the last layer."""
        return x if self.final_norm is None else layer_norm(x, *self.final_norm, self.epsilon)
