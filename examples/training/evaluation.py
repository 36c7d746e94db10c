"""Bits per byte of every width on held-out text, and how well the narrow ones draft for the whole model."""

import math

import numpy
import torch
from torch import Tensor
from torch.nn import functional

import corpus
from matformer import KeysValues, MatFormer

DRAFT_LENGTHS = (2, 3, 4, 6, 8)
PROMPTS = ("def read(self, ", "class Queue:\n", "The ", "import ")


def widths(model: MatFormer) -> list[int]:
    return [model.shape.ffn >> halvings for halvings in (3, 2, 1, 0)]


@torch.inference_mode()
def evaluate(model: MatFormer, validation: numpy.ndarray, count: int) -> dict[int, dict[str, object]]:
    """`count` tokens of the validation text, in windows as long as the context."""
    model.eval()
    length = model.shape.context
    windows = max(1, min(count, len(validation) - 1) // length)
    starts = numpy.linspace(0, len(validation) - length - 1, windows).astype(int)
    tokens = torch.from_numpy(
        numpy.stack([validation[start : start + length + 1] for start in starts]).astype(numpy.int64)
    )
    tokens = tokens.to(model.embed_tokens.weight.device)
    report: dict[int, dict[str, object]] = {width: {"nats": 0.0, "same": 0.0, "runs": []} for width in widths(model)}
    for part in tokens.split(16):
        best, cache = None, None
        for width in reversed(widths(model)):
            logits, own = model(part[:, :-1], width)
            entry = report[width]
            entry["nats"] += functional.cross_entropy(
                logits.flatten(0, 1), part[:, 1:].flatten(), reduction="sum"
            ).item()
            choice = logits.argmax(-1)
            if best is None:
                best, cache = choice, own
            entry["same"] += (choice == best).sum().item()
        for share in (0.25, 0.5, 0.75):
            start = int(share * length)
            prefix = [(keys[:, :, :start], values[:, :, :start]) for keys, values in cache]
            truth = greedy(model, part[:, start : start + 1], prefix, max(DRAFT_LENGTHS), model.shape.ffn)
            for width in widths(model)[:-1]:
                draft = greedy(model, part[:, start : start + 1], prefix, max(DRAFT_LENGTHS), width)
                report[width]["runs"] += (draft == truth).long().cumprod(1).sum(1).tolist()
    predicted = tokens.shape[0] * length
    for entry in report.values():
        entry["bits"] = entry.pop("nats") / predicted / math.log(2)
        entry["same"] /= predicted
        runs = entry.pop("runs")
        entry["accepted"] = (
            {drafted: sum(min(run, drafted) for run in runs) / len(runs) for drafted in DRAFT_LENGTHS} if runs else {}
        )
    return report


def greedy(model: MatFormer, token: Tensor, past: list[KeysValues], count: int, width: int) -> Tensor:
    """[batch, count]: how the submodel goes on after `token`, on keys and values that another width may have left."""
    tokens = []
    for _ in range(count):
        logits, past = model(token, width, past)
        token = logits[:, -1:].argmax(-1)
        tokens.append(token)
    return torch.cat(tokens, 1)


@torch.inference_mode()
def generate(model: MatFormer, prompt: str, count: int, temperature: float, seed: int, width: int | None = None) -> str:
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    tokens = list(prompt.encode())
    step, past = torch.tensor([tokens], device=model.embed_tokens.weight.device), None
    for _ in range(min(count, model.shape.context - len(tokens))):
        logits, past = model(step, width, past)
        scores = logits[0, -1].float().cpu()
        if temperature > 0:
            following = int(torch.multinomial((scores / temperature).softmax(-1), 1, generator=generator))
        else:
            following = int(scores.argmax())
        if following >= corpus.END_OF_TEXT:
            break
        tokens.append(following)
        step = torch.tensor([[following]], device=step.device)
    return bytes(tokens).decode(errors="replace")


def table(report: dict[int, dict[str, object]]) -> str:
    """As Markdown."""
    full = max(report)
    lines = [
        "| FFN width | bits per byte | same next byte | "
        + " | ".join(f"of {drafted}" for drafted in DRAFT_LENGTHS)
        + " |",
        "|---|---:|---:|" + "---:|" * len(DRAFT_LENGTHS),
    ]
    for width, entry in report.items():
        share = "whole" if width == full else f"1/{full // width}"
        accepted = [f"{entry['accepted'][drafted]:.2f}" if entry["accepted"] else "" for drafted in DRAFT_LENGTHS]
        lines.append(
            f"| {width} ({share}) | {entry['bits']:.3f} | {100 * entry['same']:.1f}% | " + " | ".join(accepted) + " |"
        )
    return "\n".join(lines)
