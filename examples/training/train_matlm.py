"""Trains a small MatFormer language model of bytes on the sources of Python, and saves a Hugging Face checkpoint.

    python train_matlm.py --output matlm --minutes 30

Needs torch, numpy, safetensors and tqdm. Submodels with 1/8, 1/4 and 1/2 of each FFN are trained inside the whole
model; the narrow ones learn from the wide one, so that they can draft for it. Training that was interrupted goes on
with --resume.
"""

import argparse
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

import card
import checkpoint
import corpus
import evaluation
from matformer import MatFormer, Shape
from muon import Muon


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    made.add_argument("--output", type=Path, required=True, help="folder of the checkpoint")
    made.add_argument("--minutes", type=float, default=30, help="time to train")
    made.add_argument("--steps", type=int, default=0, help="train this many steps instead, which repeats a run exactly")
    made.add_argument("--device", default="auto", help="auto, cpu or cuda")
    made.add_argument(
        "--threads", type=int, default=0, help="0: one for each processor; part of the batch goes to each on a CPU"
    )
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--resume", action="store_true", help="go on from OUTPUT-training/state.pt")
    made.add_argument("--hidden", type=int, default=128)
    made.add_argument("--layers", type=int, default=4)
    made.add_argument("--heads", type=int, default=4)
    made.add_argument("--kv-heads", type=int, default=2)
    made.add_argument("--ffn", type=int, default=2048, help="a multiple of 8")
    made.add_argument("--context", type=int, default=512)
    made.add_argument("--batch", type=int, default=8, help="sequences of CONTEXT tokens in a step")
    made.add_argument("--lr", type=float, default=0.02, help="of Muon; AdamW of embeddings and norms takes a fifth")
    # From narrow to wide: a step of a narrow model is cheap, and what it learned is inside every wider one.
    made.add_argument(
        "--widen",
        type=float,
        nargs=3,
        default=[0.4, 0.6, 0.75],
        help="shares of the training at which 1/4, 1/2 and all begin",
    )
    made.add_argument("--no-bfloat16", action="store_true", help="compute in float32")
    made.add_argument(
        "--evaluate", type=int, default=65536, help="tokens of the validation text for the losses at the end"
    )
    return made


def differing(options: argparse.Namespace) -> str:
    """The options for sizes and the like that are not the defaults, as they are typed."""
    defaults = vars(parser().parse_args(["--output", "."]))
    told = {"output", "minutes", "steps", "seed", "threads", "device", "resume", "evaluate"}
    changed = [(name, value) for name, value in vars(options).items() if name not in told and value != defaults[name]]
    return "".join(
        f" --{name.replace('_', '-')}"
        + ("" if value is True else f" {' '.join(map(str, value)) if isinstance(value, list) else value}")
        for name, value in changed
    )


def processor(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "a processor"


def optimizers(model: MatFormer, rate: float) -> list[torch.optim.Optimizer]:
    ffn = model.shape.ffn
    shells = [(0, ffn // 8), (ffn // 8, ffn // 4), (ffn // 4, ffn // 2), (ffn // 2, ffn)]
    groups = []
    for names in (("q_proj",), ("k_proj", "v_proj"), ("o_proj",)):
        groups.append({"params": [getattr(layer.self_attn, name).weight for name in names for layer in model.layers]})
    for names, axis in ((("gate_proj", "up_proj"), 0), (("down_proj",), 1)):
        matrices = [getattr(layer.mlp, name).weight for name in names for layer in model.layers]
        groups.append({"params": matrices, "slices": shells, "axis": axis})
    others = [parameter for name, parameter in model.named_parameters() if "_proj" not in name]
    adam = torch.optim.AdamW(others, lr=0.0, betas=(0.9, 0.98), eps=1e-10, weight_decay=0.0)
    both = [Muon(groups), adam]
    for optimizer, share in zip(both, (1.0, 0.2), strict=True):
        for group in optimizer.param_groups:
            group["full rate"] = rate * share
    return both


def set_rate(chosen: list[torch.optim.Optimizer], progress: float) -> None:
    """Warm-up, a plateau, and a linear decay over the last 40%."""
    factor = min(1.0, progress / 0.01 + 0.02, max(0.0, (1 - progress) / 0.4))
    for optimizer in chosen:
        for group in optimizer.param_groups:
            group["lr"] = group["full rate"] * factor


def losses(
    model: MatFormer, tokens: Tensor, wide: int, narrow: int | None, autocast: bool
) -> tuple[Tensor, list[float]]:
    """Cross-entropy of `wide`, and the divergence of `narrow` from it; each per token."""
    inputs, targets = tokens[:, :-1], tokens[:, 1:].flatten()
    # Threads would share the cache of casts.
    with torch.autocast(tokens.device.type, torch.bfloat16, enabled=autocast, cache_enabled=False):
        logits = model(inputs, wide)[0].float().flatten(0, 1)
        loss = functional.cross_entropy(logits, targets)
        shown = [loss.item()]
        if narrow is not None:
            drafts = model(inputs, narrow)[0].float().flatten(0, 1)
            teacher = logits.detach().log_softmax(-1)
            loss = loss + functional.kl_div(drafts.log_softmax(-1), teacher, log_target=True, reduction="batchmean")
            shown.append(functional.cross_entropy(drafts.detach(), targets).item())
    return loss, shown


def batch(tokens: numpy.ndarray, count: int, length: int, seed: int, step: int) -> Tensor:
    """`count` windows of length + 1, chosen by seed and step: resumed training sees what it would have seen."""
    starts = numpy.random.default_rng((seed, step)).integers(0, len(tokens) - length - 1, count)
    return torch.from_numpy(numpy.stack([tokens[start : start + length + 1] for start in starts]).astype(numpy.int64))


class Trainer:
    def __init__(self, options: argparse.Namespace, model: MatFormer, device: torch.device, workers: int):
        self.options, self.model, self.device, self.workers = options, model, device, workers
        self.optimizers = optimizers(model, options.lr)
        self.step, self.seconds, self.tokens = 0, 0.0, 0
        self.shown: dict[int, tuple[float, int]] = {}
        # Operations of a model this small are too short to share among threads: each thread runs a part of the batch.
        self.pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))

    def progress(self) -> float:
        if self.options.steps:
            return self.step / self.options.steps
        return self.seconds / (60 * self.options.minutes)

    def train_step(self, text: numpy.ndarray) -> None:
        began = time.perf_counter()
        progress, options, full = self.progress(), self.options, self.model.shape.ffn
        stage = sum(progress >= share for share in options.widen)
        wide = full >> (3 - stage)
        narrow = full >> (3 - self.step % stage) if stage else None
        # What is near is learned first: shorter sequences, more of them.
        halvings = max(0, 2 - stage)
        length, count = options.context >> halvings, options.batch << halvings
        tokens = batch(text, count, length, options.seed, self.step).to(self.device)

        parameters = list(self.model.parameters())

        def gradients(part: Tensor) -> tuple[tuple[Tensor, ...], list[float]]:
            loss, shown = losses(self.model, part, wide, narrow, not options.no_bfloat16)
            return torch.autograd.grad(loss * (len(part) / count), parameters), [
                each * len(part) / count for each in shown
            ]

        results = list(self.pool.map(gradients, tokens.chunk(self.workers)))
        for parameter, *parts in zip(parameters, *(result[0] for result in results), strict=True):
            parameter.grad = sum(parts[1:], parts[0])
        set_rate(self.optimizers, progress)
        self.optimizers[0].step(wide)
        self.optimizers[1].step()

        for index, width in enumerate([wide] if narrow is None else [wide, narrow]):
            now = sum(result[1][index] for result in results) / math.log(2)
            share = max(0.02, 1 / (self.step - self.shown.setdefault(width, (0.0, self.step))[1] + 1))
            self.shown[width] = self.shown[width][0] + share * (now - self.shown[width][0]), self.shown[width][1]
        self.step += 1
        self.tokens += count * length
        self.seconds += time.perf_counter() - began

    def save(self, path: Path) -> None:
        state = {
            "shape": vars(self.model.shape),
            "model": self.model.state_dict(),
            "shown": self.shown,
            "step": self.step,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "seconds": self.seconds,
            "tokens": self.tokens,
        }
        torch.save(state, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def load(self, path: Path) -> None:
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["shape"] != vars(self.model.shape):
            raise SystemExit(f"{path} is of a model of another shape: {state['shape']}")
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.seconds, self.tokens, self.shown = (
            state[key] for key in ("step", "seconds", "tokens", "shown")
        )

    def run(self, text: numpy.ndarray, path: Path) -> None:
        bar = tqdm(
            total=100.0,
            initial=100 * min(1.0, self.progress()),
            unit="%",
            bar_format="{l_bar}{bar}| {elapsed}<{remaining} {postfix}",
        )
        saved = shown = time.perf_counter()
        try:
            while self.progress() < 1:
                self.train_step(text)
                now = time.perf_counter()
                if now - shown > 0.5 or self.progress() >= 1:
                    bar.update(100 * min(1.0, self.progress()) - bar.n)
                    bits = " ".join(f"{width}:{self.shown[width][0]:.3f}" for width in sorted(self.shown))
                    bar.set_postfix_str(
                        f"step {self.step}, {self.tokens / self.seconds:,.0f} tokens/s, bits per byte {bits}"
                    )
                    shown = now
                if now - saved > 60:
                    self.save(path)
                    saved = now
        finally:
            bar.close()
            self.save(path)
            self.pool.shutdown()


def main() -> None:
    options = parser().parse_args()
    device = torch.device(
        options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    )
    threads = options.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    workers = min(threads, options.batch) if device.type == "cpu" else 1
    torch.manual_seed(options.seed)
    if options.ffn % 8:
        raise SystemExit("--ffn must be a multiple of 8")
    work = options.output.with_name(options.output.name + "-training")
    data = corpus.write(work)
    text = corpus.open_part(work, "train")
    print(f"{data['train_bytes']:,} bytes of {data['train_texts']} texts; {data['validation_bytes']:,} held out")
    shape = Shape(
        corpus.VOCABULARY, options.hidden, options.layers, options.heads, options.kv_heads, options.ffn, options.context
    )
    model = MatFormer(shape).to(device)
    print(
        f"{sum(parameter.numel() for parameter in model.parameters()):,} parameters, on {device} with {threads} threads"
    )

    trainer = Trainer(options, model, device, workers)
    if options.resume:
        trainer.load(work / "state.pt")
    trainer.run(text, work / "state.pt")

    model.to(torch.bfloat16).to(torch.float32)  # what is saved is what is measured
    report = evaluation.evaluate(model, corpus.open_part(work, "validation"), options.evaluate)
    print(evaluation.table(report))
    training = {
        "steps": trainer.step,
        "tokens": trainer.tokens,
        "minutes": trainer.seconds / 60,
        "device": processor(device),
        "threads": threads,
        "seed": options.seed,
        "again": "To repeat it, with the same versions" if options.steps else "It ended by the clock; as many steps",
        "lr": options.lr,
        "evaluated": options.evaluate,
        "widen": ", ".join(f"{share:.0%}" for share in options.widen),
        "sizes": differing(options),
    }
    checkpoint.save(options.output, model, card.write(model, data, report, training))
    for prompt in evaluation.PROMPTS:
        for temperature in (0.0, 0.7):
            print(
                f"--- temperature {temperature}\n{evaluation.generate(model, prompt, 200, temperature, options.seed)}"
            )


if __name__ == "__main__":
    main()
