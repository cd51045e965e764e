"""Products inside a loop over steps whose matrix gets its gradient once, after the loop.

    y[t] = x[t] M + b[t],      dL/dM = sum over t of x[t]' (dL/dy[t])

Left to itself, autograd makes and adds up a gradient of the matrix's size at each step: T small products. Here the
matrix takes no part in the loop's own graph; what each step read is kept, and all steps make one large product.

Shapes: B sequences, T steps, F width of what is read, G width of what is given.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bothways.nn.once import differentiable_once


class StepwiseProduct:
    """A product with one matrix for all sequences, or one for each, in one loop of T steps; made anew for each loop."""

    def __init__(self, matrix: Tensor, given: Tensor) -> None:
        """Prepare the loop.

        Args:
            matrix: float (F,G), or (B,F,G).
            given: float (T,B,G), what is added at each step: a bias, or what was known of all steps before.
        """
        self._read: list[tuple[Tensor, int]] = []  # with their versions
        self._matrix = matrix.detach()
        self._given = _AddLater.apply(matrix, given, self._read).unbind(0)  # type: ignore[no-untyped-call]

    def __call__(self, step: int, inputs: Tensor) -> Tensor:
        """Give the product with inputs (B,F) at a step, (B,G); each step once, in order."""
        self._read.append((inputs.detach(), 0 if inputs.is_inference() else inputs._version))
        if self._matrix.dim() == 2:
            return torch.addmm(self._given[step], inputs, self._matrix)
        return torch.baddbmm(self._given[step].unsqueeze(1), inputs.unsqueeze(1), self._matrix).squeeze(1)


class _AddLater(torch.autograd.Function):
    """Pass on what is given; its gradient, which is that of each step's result, makes the matrix's gradient."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, given: Tensor, read: list[tuple[Tensor, int]]) -> Tensor:
        ctx.read, ctx.shared = read, matrix.dim() == 2
        return given.view_as(given)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, saved: tuple[()], gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        if any(not inputs.is_inference() and inputs._version != version for inputs, version in ctx.read):
            raise RuntimeError(
                "A state or vectors that a decoder read were changed in place before their gradients were found. "
                "Change a copy (tensor.clone()), or change them after the backward pass."
            )
        read = torch.stack([inputs.to(gradient.dtype) for inputs, _ in ctx.read])  # (T,B,F)
        if ctx.shared:
            return read.flatten(0, 1).t() @ gradient.flatten(0, 1), gradient, None
        return read.permute(1, 2, 0) @ gradient.transpose(0, 1), gradient, None
