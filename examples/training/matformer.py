"""A MatFormer language model (Devvrit et al., arXiv 2310.07707) in the shape of LlamaForCausalLM.

The FFN neurons of a layer are ordered: the submodel of width m has neurons 0..m-1, so each is inside the next wider.

    y = Wd[:, :m] (silu(Wg[:m] x) * (Wu[:m] x))        Wg, Wu: [ffn, hidden], Wd: [hidden, ffn]

Attention, norms and embeddings are those of every width.
"""

import dataclasses
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

# Keys and values of one layer, each [batch, kv heads, tokens, head].
KeysValues = tuple[Tensor, Tensor]


@dataclasses.dataclass(frozen=True)
class Shape:
    vocabulary: int
    hidden: int = 128
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    ffn: int = 2048
    context: int = 512
    rope_theta: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head(self) -> int:
        return self.hidden // self.heads

    def check(self) -> None:
        if self.hidden % self.heads or self.heads % self.kv_heads or self.head % 2:
            raise ValueError(
                f"hidden {self.hidden} does not divide into {self.heads} heads of even size in {self.kv_heads} groups"
            )


class RMSNorm(nn.Module):
    def __init__(self, hidden: int, epsilon: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), self.weight, self.epsilon)


class Attention(nn.Module):
    """Causal grouped-query attention with rotary positions, halves rotated as in Llama."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.q_proj = nn.Linear(shape.hidden, shape.heads * shape.head, bias=False)
        self.k_proj = nn.Linear(shape.hidden, shape.kv_heads * shape.head, bias=False)
        self.v_proj = nn.Linear(shape.hidden, shape.kv_heads * shape.head, bias=False)
        self.o_proj = nn.Linear(shape.heads * shape.head, shape.hidden, bias=False)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], past: KeysValues | None) -> tuple[Tensor, KeysValues]:
        batch, tokens, _ = x.shape

        def heads(projection: nn.Linear) -> Tensor:
            return projection(x).view(batch, tokens, -1, self.shape.head).transpose(1, 2)

        queries, keys, values = (
            rotate(heads(self.q_proj), rotation),
            rotate(heads(self.k_proj), rotation),
            heads(self.v_proj),
        )
        mask = None
        if past is not None:
            before = past[0].shape[2]
            keys, values = torch.cat((past[0], keys), 2), torch.cat((past[1], values), 2)
            mask = torch.ones(tokens, before + tokens, dtype=torch.bool, device=x.device).tril(before)
        mixed = functional.scaled_dot_product_attention(
            queries, keys, values, mask, is_causal=mask is None, enable_gqa=self.shape.kv_heads < self.shape.heads
        )
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, tokens, -1)), (keys, values)


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    cosine, sine = rotation
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), -1).to(x.dtype)


class NestedFFN(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.ffn, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.ffn, bias=False)
        self.down_proj = nn.Linear(shape.ffn, shape.hidden, bias=False)

    def forward(self, x: Tensor, width: int) -> Tensor:
        gate = functional.linear(x, self.gate_proj.weight[:width])
        up = functional.linear(x, self.up_proj.weight[:width])
        return functional.linear(functional.silu(gate) * up, self.down_proj.weight[:, :width])


class Layer(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.input_layernorm = RMSNorm(shape.hidden, shape.epsilon)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = RMSNorm(shape.hidden, shape.epsilon)
        self.mlp = NestedFFN(shape)

    def forward(self, x: Tensor, width: int, rotation: tuple[Tensor, Tensor], past: KeysValues | None):
        mixed, cache = self.self_attn(self.input_layernorm(x), rotation, past)
        x = x + mixed
        return x + self.mlp(self.post_attention_layernorm(x), width), cache


class MatFormer(nn.Module):
    """The names of parameters are those of LlamaModel in transformers; the output matrix is the embedding."""

    def __init__(self, shape: Shape):
        super().__init__()
        shape.check()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.hidden, shape.epsilon)
        frequencies = shape.rope_theta ** (-torch.arange(0, shape.head, 2, dtype=torch.float64) / shape.head)
        angles = torch.outer(torch.arange(shape.context, dtype=torch.float64), frequencies).float()
        self.register_buffer("cosine", angles.cos(), persistent=False)
        self.register_buffer("sine", angles.sin(), persistent=False)
        for name, parameter in self.named_parameters():
            if name.endswith("layernorm.weight") or name == "norm.weight":
                continue
            deviation = 1 / math.sqrt(shape.hidden)
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                deviation /= math.sqrt(2 * shape.layers)
            nn.init.normal_(parameter, std=deviation)
            if name.endswith("down_proj.weight"):
                # Neurons beyond the narrowest width say nothing until they are trained.
                parameter.data[:, shape.ffn // 8 :] = 0

    def forward(
        self, tokens: Tensor, width: int | None = None, past: list[KeysValues] | None = None
    ) -> tuple[Tensor, list[KeysValues]]:
        """Logits [batch, tokens, vocabulary] of the submodel with `width` neurons in each FFN, and its keys and values.

        `past` may come from a pass with another width, since attention is the same: that is how a narrow submodel
        drafts for the whole model.
        """
        start = past[0][0].shape[2] if past else 0
        rotation = self.cosine[start : start + tokens.shape[1]], self.sine[start : start + tokens.shape[1]]
        x = self.embed_tokens(tokens)
        caches = []
        for index, layer in enumerate(self.layers):
            x, cache = layer(x, width or self.shape.ffn, rotation, past[index] if past else None)
            caches.append(cache)
        return functional.linear(self.norm(x), self.embed_tokens.weight), caches
