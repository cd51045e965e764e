"""Adversarial training of a classifier (Miyato, Dai and Goodfellow, 2017): the right answer also a small nudge away.

The nudge is the one that raises the loss of a sequence fastest: along the gradient of what the network reads, and as
long as a share of that. A word alone can then not carry an answer, which is what overfitting on few texts looks like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bothways.nn import is_real

if TYPE_CHECKING:
    from collections.abc import Callable

    from bothways.data.batches import Batch
    from bothways.models.classifier import Classifier


def adversarial_descent(
    model: Classifier, loss: Callable[[Tensor, Batch], Tensor], share: float
) -> Callable[[nn.Module, Batch, Callable[[Tensor], None]], Tensor]:
    """Make what the loop does with a batch: it goes back over the mean of the loss here and the loss a nudge away.

    Args:
        model: the classifier as it is.
        loss: of logits (B,K) of a batch; the mean over its rows.
        share: length of the nudge to the length of a sequence's real steps, read as one long vector.

    Returns:
        A function of the module as the loop calls it, a batch and the way back; it returns the loss without a nudge.
    """

    def descend(module: nn.Module, batch: Batch, go_back: Callable[[Tensor], None]) -> Tensor:
        device = model.output.weight.device
        inputs, lengths = torch.from_numpy(batch.inputs).to(device), torch.from_numpy(batch.lengths).to(device)
        steps = model.steps(inputs)
        # Both losses are taken of a copy, so that the first way back frees its half and the masks are drawn once.
        read = steps.detach().requires_grad_()
        found = loss(module(inputs, lengths, read), batch)
        go_back(found / 2)
        assert read.grad is not None
        go_back(loss(module(inputs, lengths, read + nudge(read.detach(), read.grad, lengths, share)), batch) / 2)
        if steps.requires_grad:
            steps.backward(read.grad)  # type: ignore[no-untyped-call]
        return found.detach()

    return descend


def nudge(steps: Tensor, gradient: Tensor, lengths: Tensor, share: float) -> Tensor:
    """Find the nudge of each sequence.

    Args:
        steps: float (B,T,E), what is read.
        gradient: float (B,T,E), of the loss by `steps`; zero on padding.
        lengths: int64 (B,).
        share: see `adversarial_descent`.

    Returns:
        float (B,T,E), along the gradient; zero on padding and where the gradient is zero.
    """
    real = steps.masked_fill(~is_real(lengths, steps.shape[1])[..., None], 0.0)
    size, slope = (torch.linalg.vector_norm(part, dim=(1, 2), keepdim=True) for part in (real, gradient))
    away: Tensor = gradient * (share * size / slope.clamp(min=torch.finfo(slope.dtype).tiny))
    return away
