"""Muon (Jordan et al., 2024, kellerjordan.github.io/posts/muon): steps along the orthogonal factor of the momentum.

An FFN matrix is stepped shell by shell (neurons 0..F/8, F/8..F/4, ...): inner neurons have gradients of several
submodels, which would otherwise drown the directions of the outer ones.
"""

import torch
from torch import Tensor

# Coefficients of the quintic x -> a x + b x^3 + c x^5, which drives singular values in (0, 1] towards 1.
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonalize(x: Tensor, steps: int = 5) -> Tensor:
    """[..., n, m] -> nearly its polar factor.

    The iteration multiplies x from the right by polynomials in its Gram matrix; with m <= n it runs on [m, m] alone.
    """
    if x.shape[-1] > x.shape[-2]:
        return orthogonalize(x.mT, steps).mT
    x = x.float()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-12)
    gram = x.mT @ x
    identity = torch.eye(x.shape[-1], device=x.device)
    product = None
    for step in range(steps):
        factor = A * identity + B * gram + C * gram @ gram
        product = factor if product is None else product @ factor
        if step + 1 < steps:
            gram = factor @ gram @ factor
    return x @ product


class Muon(torch.optim.Optimizer):
    """Each group: `params`, matrices of one shape; `slices`, for each of its shells the part of dimension `axis`."""

    def __init__(self, groups: list[dict], momentum: float = 0.95, weight_decay: float = 0.02):
        super().__init__(
            groups, {"lr": 0.0, "momentum": momentum, "weight_decay": weight_decay, "axis": 0, "slices": None}
        )

    @torch.no_grad()
    def step(self, width: int | None = None) -> None:
        """Steps the shells within the first `width` neurons, which are those that have gradients."""
        for group in self.param_groups:
            used = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not used:
                continue
            for parameter in used:
                state = self.state[parameter]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(parameter)
            axis, momentum = group["axis"], group["momentum"]
            for start, end in group["slices"] or [(0, used[0].shape[axis])]:
                if group["slices"] and width is not None and end > width:
                    continue
                part = [parameter.narrow(axis, start, end - start) for parameter in used]
                gradients = torch.stack([parameter.grad.narrow(axis, start, end - start) for parameter in used])
                held = torch.stack(
                    [self.state[parameter]["momentum"].narrow(axis, start, end - start) for parameter in used]
                )
                held.lerp_(gradients, 1 - momentum)
                update = orthogonalize(gradients.lerp(held, momentum))
                rows, columns = update.shape[-2:]
                scale = group["lr"] * max(1, rows / columns) ** 0.5
                for index, parameter in enumerate(used):
                    self.state[parameter]["momentum"].narrow(axis, start, end - start).copy_(held[index])
                    part[index].mul_(1 - group["lr"] * group["weight_decay"]).sub_(scale * update[index])
