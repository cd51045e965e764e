"""AdamW, with one second moment for a whole matrix of token vectors; its groups of weights, and their rate.

    m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g²,   w = w - lr · (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

Adam divides every number's step by that number's own typical gradient. A rare word is then moved as far as a frequent
one, on next to no evidence, and the network learns the training texts by heart. With v the mean over the whole
matrix, a word moves in proportion to its evidence (one second moment for a block of weights: Zhang et al., 2024,
"Adam-mini"). It also saves the memory of v.

Where a gradient is sparse, only the rows that it has move, and only their moments ("lazy" Adam): a vocabulary costs
what a step reads of it, whatever its size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bothways.settings import TrainingSettings


class AdamW(torch.optim.Optimizer):
    """AdamW (Loshchilov & Hutter, 2019); groups with `shared` keep one second moment for each matrix."""

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        lr: float,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
    ) -> None:
        """Take groups of weights.

        Args:
            groups: each with `params` and, where it differs from the rest, `shared`, `weight_decay`.
            lr: learning rate.
            weight_decay: share of a weight, times lr, that each step takes away.
            betas: decay of the first and the second moment.
            eps: keeps the step finite where the gradient is zero.
        """
        defaults = {"lr": lr, "weight_decay": weight_decay, "betas": betas, "eps": eps, "shared": False}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every weight that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group)
        return loss

    def _move(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros(())
            state["first"] = torch.zeros_like(weight)
            state["second"] = torch.zeros(()) if group["shared"] else torch.zeros_like(weight)
        state["step"] += 1
        first_decay, second_decay = group["betas"]
        steps = float(state["step"])
        if gradient.is_sparse:
            self._move_rows(weight, gradient.coalesce(), group, state, steps)
            return
        state["first"].lerp_(gradient, 1 - first_decay)
        # The norm is one pass over memory; squaring first would write as much again.
        square = (gradient.norm() ** 2 / gradient.numel()).to(state["second"]) if group["shared"] else gradient.square()
        state["second"].lerp_(square, 1 - second_decay)
        rate = group["lr"] / (1 - first_decay**steps)
        scale = (state["second"] / (1 - second_decay**steps)).sqrt() + group["eps"]
        if group["weight_decay"]:
            weight.mul_(1 - group["lr"] * group["weight_decay"])
        if group["shared"]:
            weight.add_(state["first"], alpha=-rate / float(scale))
        else:
            weight.addcdiv_(state["first"], scale, value=-rate)

    def _move_rows(
        self, weight: Tensor, gradient: Tensor, group: dict[str, Any], state: dict[str, Tensor], steps: float
    ) -> None:
        """Move the rows of a matrix that a sparse gradient has."""
        rows, values = gradient.indices()[0], gradient.values()
        first_decay, second_decay = group["betas"]
        first = state["first"][rows].lerp_(values, 1 - first_decay)
        state["first"][rows] = first
        if group["shared"]:
            second = state["second"].lerp_((values.norm() ** 2 / weight.numel()).to(state["second"]), 1 - second_decay)
        else:
            second = state["second"][rows].lerp_(values.square(), 1 - second_decay)
            state["second"][rows] = second
        scale = (second / (1 - second_decay**steps)).sqrt() + group["eps"]
        # A shared moment is kept on the CPU.
        scale = scale.to(first.device).expand_as(first)
        moved = weight[rows]
        if group["weight_decay"]:
            moved.mul_(1 - group["lr"] * group["weight_decay"])
        weight[rows] = moved.addcdiv_(first, scale, value=-group["lr"] / (1 - first_decay**steps))


@torch.no_grad()
def clip_gradients(weights: Iterable[Tensor], longest: float) -> None:
    """Shorten the gradient of all weights together to at most this length, sparse ones as well."""
    numbers = []
    for weight in weights:
        if weight.grad is not None:
            if weight.grad.is_sparse:
                weight.grad = weight.grad.coalesce()
            numbers.append(weight.grad.values() if weight.grad.is_sparse else weight.grad)
    if numbers:
        length = torch.stack(torch._foreach_norm(numbers)).norm()
        torch._foreach_mul_(numbers, (longest / (length + 1e-6)).clamp(max=1.0))


@dataclass(frozen=True)
class Pace:
    """Weights that learn more slowly than the others, and later."""

    weights: tuple[nn.Parameter, ...]
    share: float  # of the learning rate
    from_epoch: int  # counted from 1; before it they stay as they are


def make_optimizer(module: nn.Module, settings: TrainingSettings, paces: Sequence[Pace] = ()) -> torch.optim.Optimizer:
    """AdamW with weight decay on matrices only; token vectors have a rate of their own, and one moment if so asked."""
    embeddings = {id(layer.weight) for layer in module.modules() if isinstance(layer, nn.Embedding)}
    shares = {id(weight): pace.share for pace in paces for weight in pace.weights}
    rate = settings.lr if settings.embedding_lr is None else settings.embedding_lr
    groups: dict[tuple[float, bool, bool], dict[str, Any]] = {}
    for weight in module.parameters():
        if not weight.requires_grad:
            continue
        is_vectors = id(weight) in embeddings
        share = shares.get(id(weight), 1.0)
        if is_vectors and (settings.embedding_lr is not None or id(weight) not in shares):
            share = rate / settings.lr
        decays = weight.ndim > 1 and not is_vectors
        group = groups.setdefault(
            (share, is_vectors, decays),
            {"params": [], "share": share, "shared": is_vectors and settings.embedding_moment == "shared"},
        )
        if not decays:
            group["weight_decay"] = 0.0
        group["params"].append(weight)
    # Vectors first, then matrices: checkpoints number the weights in this order.
    ordered = sorted(groups.items(), key=lambda item: (not item[0][1], not item[0][2], -item[0][0]))
    return AdamW([group for _, group in ordered], lr=settings.lr, weight_decay=settings.weight_decay)


def learning_rate(settings: TrainingSettings, done: float) -> float:
    """The rate when a share `done` of the training, in [0, 1], lies behind: a straight rise, then a fall to zero."""
    if done < settings.warmup:
        return settings.lr * done / settings.warmup
    after = (done - settings.warmup) / (1 - settings.warmup)
    fall = {"constant": 1.0, "linear": 1 - after, "cosine": 0.5 * (1 + math.cos(math.pi * after))}
    return settings.lr * fall[settings.schedule]
