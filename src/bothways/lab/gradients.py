"""How far back a loss is felt: the norm of its gradient with respect to each step that a network reads, by distance.

Where the norm falls with the distance, training hears little of far steps: the gradient vanishes (Hochreiter, 1991;
Bengio, Simard and Frasconi, 1994). A state that is multiplied by a at each step, h' = a h + x, has the norms a^k.

Over sequences the norms are averaged as they are, not their logarithms: so much a step of training can learn from a
distance, sequences that the network gets wrong count for more, and an exact zero counts as nothing learned, where it
would turn a geometric mean to zero by itself. A norm that is infinite or no number makes its distance NaN.

The networks are looked at as they predict, without dropout; their weights' gradients, training mode and random state
stay as they are. Pooling by a mean or a maximum, and attention, lead past the recurrence: their norms say how far the
network looks, not how far the cell carries.

Shapes: B sequences, T steps, E width of what is read, K answers, M last steps, S distances, 0 being the nearest step.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bothways.data.batches import collate, plan_in_order_of_length
from bothways.errors import DataError
from bothways.lab.undisturbed import undisturbed
from bothways.training.tag_network import tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from bothways.data.batches import Sequences
    from bothways.data.lexicon import Lexicon
    from bothways.models.classifier import Classifier
    from bothways.models.tagger import Tagger

    Floats = NDArray[np.float64]

MOST_ROWS = 256
SHARE = 0.1  # of the sequences that must reach a distance for it to be told
_STEPS_AT_ONCE = 16_384  # padded steps in one call


class SignedNorms(NamedTuple):
    """Norms by distance before a word and behind it; both begin at the word itself."""

    past: Floats  # (S,)
    future: Floats  # (S',)


def gradient_norms(loss: Callable[[Tensor], Tensor], steps: Tensor, lengths: Tensor, *, share: float = SHARE) -> Floats:
    """Give the mean norm of a loss's gradient by distance from each sequence's end.

    Args:
        loss: takes `steps` and gives each sequence's loss, (B,), or their sum; of a mean the norms are 1/B of that.
        steps: float (B,T,E), what the network reads. Padding is ignored.
        lengths: int64 (B,), the real steps of each sequence, from 1 to T.
        share: of the sequences that must be long enough for a distance.

    Returns:
        float64 (S,): at k the norm at step length - 1 - k, averaged over the sequences that have that step.
    """
    return _mean_from_the_end_of_reading(_norms(loss, steps), lengths, share, backward=False)


def network_gradient_norms(
    network: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    lengths: Tensor | None = None,
    *,
    backward: bool = False,
    share: float = SHARE,
) -> Floats:
    """Give the norms of any network that maps inputs (and lengths) to scores, such as those of memory problems.

    Args:
        network: called with inputs and, if they are given, lengths; answers (B,K), (B,M,K), or numbers (B,).
        inputs: float (B,T,E).
        targets: int64 (B,) or (B,M) for the cross-entropy, or float (B,) for the squared error; added up over M.
        lengths: int64 (B,); None: all T, and the network is called with the inputs alone.
        backward: whether it reads from the last step to the first, and answers there.
        share: of the sequences that must be long enough for a distance.

    Returns:
        float64 (S,), by distance from where reading ends: the last step, or the first of `backward`.
    """
    real = torch.full((len(inputs),), inputs.shape[1]) if lengths is None else lengths

    def loss(steps: Tensor) -> Tensor:
        said = network(steps) if lengths is None else network(steps, lengths)
        if targets.is_floating_point():
            return functional.mse_loss(said, targets, reduction="sum")
        return functional.cross_entropy(said.flatten(0, -2), targets.flatten(), reduction="sum")

    with undisturbed(network):
        return _mean_from_the_end_of_reading(_norms(loss, inputs), real, share, backward=backward)


def classifier_gradient_norms(
    model: Classifier,
    sequences: Sequences,
    targets: NDArray[np.int64],
    *,
    most: int = MOST_ROWS,
    share: float = SHARE,
) -> Floats:
    """Give the norms of a classifier's loss, by distance from where reading ends.

    That is the last step, and the first one of a classifier that reads backwards. One that reads both ways is measured
    from the last step, so that the far end is where its reading from the right ends.

    Args:
        model: fresh or trained.
        sequences: of token ids or of numbers.
        targets: int64 (N,), the true classes.
        most: rows that are looked at, evenly from all.
        share: of these rows that must be long enough for a distance.

    Returns:
        float64 (S,).

    Raises:
        DataError: no rows.
    """
    chosen = _some(len(sequences.lengths), most)
    device = model.output.weight.device
    parts = []
    with undisturbed(model):
        for rows in plan_in_order_of_length(sequences.lengths[chosen], budget=_STEPS_AT_ONCE):
            batch = collate(sequences, chosen[rows])
            inputs, lengths = (torch.from_numpy(part).to(device) for part in (batch.inputs, batch.lengths))
            wanted = torch.from_numpy(targets[batch.rows]).to(device)

            def loss(steps: Tensor, at: tuple[Tensor, ...] = (inputs, lengths, wanted)) -> Tensor:
                inputs, lengths, wanted = at
                return functional.cross_entropy(model(inputs, lengths, steps=steps), wanted, reduction="sum")

            with torch.no_grad():
                read = model.steps(inputs)
            parts.append((_norms(loss, read), lengths))
    backward = model.encoder.direction == "backward"
    return _mean_from_the_end_of_reading(*_together(parts), share, backward=backward)


def tagger_gradient_norms(
    model: Tagger,
    lexicon: Lexicon,
    sentences: Sequence[Sequence[str]],
    tags: Sequence[NDArray[np.int64]],
    *,
    most: int = MOST_ROWS,
    share: float = SHARE,
) -> SignedNorms:
    """Give the norms of the loss at each sentence's middle word, by distance before that word and behind it.

    The loss is the cross-entropy of the word's tag by the network's scores alone: tags that stand beside each other,
    which a CRF adds, carry nothing through the recurrence. Of a network that reads one way one side is zero.

    Args:
        model: fresh or trained.
        lexicon: of its words.
        sentences: N, each of at least one word.
        tags: for each, int64 (T,), places in the list of tags.
        most: sentences that are looked at, evenly from all.
        share: of these that must be long enough for a distance.

    Raises:
        DataError: no sentences.
    """
    chosen = _some(len(sentences), most)
    sizes = np.array([len(sentences[row]) for row in chosen])
    device = model.output.weight.device
    parts = []
    with undisturbed(model):
        for rows in plan_in_order_of_length(sizes, budget=_STEPS_AT_ONCE):
            batch = tensors(lexicon.batch([sentences[row] for row in chosen[rows]]), device)
            lengths = batch[1]
            wanted = torch.tensor([int(tags[row][len(tags[row]) // 2]) for row in chosen[rows]], device=device)

            def loss(steps: Tensor, at: tuple[Tensor, Tensor] = (lengths, wanted)) -> Tensor:
                lengths, wanted = at
                outputs = model.encoder(steps, lengths).outputs
                middle = outputs[torch.arange(len(lengths), device=outputs.device), lengths // 2]
                return functional.cross_entropy(model.output(middle), wanted, reduction="sum")

            with torch.no_grad():
                read = model.vectors(*batch)
            parts.append((_norms(loss, read), lengths))
    norms, lengths = _together(parts)
    past, future = (_mean_by_distance(norms, lengths, lengths // 2, way, share) for way in (-1, 1))
    return SignedNorms(past, future)


def lost_after(norms: Sequence[float | None] | Floats, share: float) -> int | None:
    """Give the distance from which on all norms are below a share of the largest; None if the farthest is not."""
    values = np.array([math.nan if norm is None else norm for norm in norms], dtype=np.float64)
    known = np.isfinite(values)
    if not known.any() or not known[-1]:
        return None
    felt = ~known | (values >= share * values[known].max())
    last = int(np.flatnonzero(felt)[-1])
    return None if last == len(values) - 1 else last + 1


def reach_in_words(norms: Sequence[float | None] | Floats) -> str:
    """Say in one line how far a loss is felt: "below 1/2 from distance 3, below 1/100 from distance 21 (of 100)"."""
    half, hundredth = lost_after(norms, 1 / 2), lost_after(norms, 1 / 100)
    if half is None:
        return f"never below 1/2 for good in {len(norms)} steps"
    if hundredth is None:
        return f"below 1/2 from distance {half}, never below 1/100 for good in {len(norms)} steps"
    return f"below 1/2 from distance {half}, below 1/100 from distance {hundredth} (of {len(norms)})"


def _norms(loss: Callable[[Tensor], Tensor], steps: Tensor) -> Tensor:
    """Give the norm of each step's gradient, float64 (B,T), on the CPU; only the steps' gradient is made."""
    leaf = steps.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(loss(leaf).sum(), leaf, allow_unused=True, materialize_grads=True)
    # In float64, for squares of small numbers are zero in float32.
    norms: Tensor = torch.linalg.vector_norm(gradient.double(), dim=-1)
    return norms.cpu()


def _mean_from_the_end_of_reading(norms: Tensor, lengths: Tensor, share: float, *, backward: bool) -> Floats:
    """Average norms (B,T) by their distance from the last step, or from the first where that is read last."""
    if backward:
        return _mean_by_distance(norms, lengths, torch.zeros_like(lengths), 1, share)
    return _mean_by_distance(norms, lengths, lengths - 1, -1, share)


def _mean_by_distance(norms: Tensor, lengths: Tensor, origin: Tensor, way: int, share: float) -> Floats:
    """Average norms (B,T) by their distance from each sequence's origin (B,), before it (way -1) or behind it (1)."""
    lengths, origin = lengths.cpu(), origin.cpu()
    reach = origin + 1 if way < 0 else lengths - origin  # (B,), how many distances each sequence has
    count = (torch.arange(int(reach.max())) < reach[:, None]).sum(dim=0)
    far = int((count >= max(1, math.ceil(share * len(norms)))).sum())  # counts never rise with the distance
    places = origin[:, None] + way * torch.arange(far)  # (B,S)
    there = torch.arange(far) < reach[:, None]
    found = norms.gather(1, places.clamp(0, norms.shape[1] - 1)).masked_fill(~there, 0.0)
    means = found.sum(dim=0) / count[:far]
    return means.masked_fill(~means.isfinite(), math.nan).numpy()


def _together(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Put batches below each other: norms (B,T), zero on padding, and lengths (B,)."""
    widest = max(norms.shape[1] for norms, _ in parts)
    padded = [functional.pad(norms, (0, widest - norms.shape[1])) for norms, _ in parts]
    return torch.cat(padded), torch.cat([lengths.cpu() for _, lengths in parts])


def _some(count: int, most: int) -> NDArray[np.int64]:
    """Choose rows evenly, the same ones every time."""
    if not count:
        raise DataError("There is no row to take the gradient of a loss from. Give at least one.")
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))
