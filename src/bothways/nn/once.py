"""Gradients written by hand that have no gradient of their own, and say so.

torch's `once_differentiable` cuts what it returns off from what it was made of: `torch.autograd.grad` of a sum that has
other roads to a parameter then leaves this one out without a word. Here it stays on the road, and refuses.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

Backward = Callable[..., tuple[Tensor | None, ...]]


def differentiable_once(backward: Backward) -> Backward:
    """Make the backward of a `torch.autograd.Function` one that runs without gradients and refuses to have any.

    It is given what was saved: backward(ctx, saved, *gradients), for what is checkpointed can be had only once. Among
    what was saved must be an input: through it the refusal stays on the road.
    """

    @wraps(backward)
    def run(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        with torch.no_grad():
            found = backward(ctx, saved, *gradients)
        if not torch.is_grad_enabled():
            return found
        made_of = [tensor for tensor in (*gradients, *saved) if tensor.requires_grad]
        there = [place for place, tensor in enumerate(found) if tensor is not None]
        refusing = _RefuseTwice.apply(len(there), *(found[place] for place in there), *made_of)  # type: ignore[no-untyped-call]
        again = dict(zip(there, refusing, strict=True))
        return tuple(again.get(place) for place in range(len(found)))

    return run


class _RefuseTwice(torch.autograd.Function):
    """Pass copies of gradients on, which may then be changed in place; what they were made of comes after them."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.clone() for tensor in tensors[:count])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, ...]:
        raise RuntimeError(
            "bothways.nn's gradients are written by hand, and torch cannot differentiate twice through them. For "
            "second derivatives use torch.nn (`to_torch()` of an RNN, LSTM or GRU), or a softmax without negatives."
        )
