"""A padded batch laid out for the one-way kernels: the steps that are read, one row each, oldest first.

Sequences are sorted, longest first, and step t of all sequences that are still being read stands before step t+1:

    lengths 5 3 2, exact      a0 b0 c0  a1 b1 c1  a2 b2  a3 a4        one row of width F each

which is what `pack_padded_sequence` lays out, and what cuDNN reads. On a CPU a kernel call per distinct length would
cost more than a little padding, so there the number of sequences changes only at every 16th step and in fours. A
kernel call reads one block: neighbouring steps with the same number of sequences, (steps, rows, F).
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# Few shapes also keep the memory flat: the CPU kernels keep something for each shape they have met.
STEPS_BETWEEN_CHANGES = 16
ROWS_AT_A_TIME = 4


class Selection(NamedTuple):
    """Which row each new row is copied from, and which new rows are zero instead."""

    source: Tensor  # int64 (new rows,)
    blank: Tensor | None  # int64 (blank rows,), or None if there are none


class RealSteps(NamedTuple):
    """The N real steps of a padded batch, one row each, sequence after sequence, and spare rows if asked for."""

    sequence: Tensor  # int64 (N,), the sequence that each row belongs to; of spare rows any
    enter: Selection | None  # from the batch's rows (B·T); None if all of them are real and none is spare
    leave: Selection | None

    def of(self, batch: Tensor) -> Tensor:
        """Leave the padding of (B, T, F) out -> (N, F)."""
        flat = batch.reshape(-1, batch.shape[2])
        return flat if self.enter is None or self.leave is None else copy_rows(flat, self.enter, self.leave)


class Layout(NamedTuple):
    """How a padded batch (B·T rows) becomes the N rows that the kernels read, and back.

    `mirrored` stands for each sequence reversed inside its own length, which is what a backward reader reads.
    """

    rows_at: list[tuple[int, int]]  # (steps, rows) of each block
    order: Tensor  # int64 (B,), sequences by length, longest first
    rank: Tensor  # int64 (B,), the place of each sequence in that order
    sequence: Tensor  # int64 (N,), the sequence that each row belongs to
    last: Tensor  # int64 (B,), the row of each sequence's last step
    padding: Tensor | None  # bool (N,), True on padding inside blocks, or None if there is none
    enter: Selection
    leave: Selection
    enter_mirrored: Selection
    leave_mirrored: Selection
    mirror: Selection

    def blocks(self, rows: Tensor, *, at_most: int | None = None) -> Iterator[Tensor]:
        """Cut rows (N, F) into blocks (steps, rows, F), of `at_most` steps if that is given."""
        sizes = [steps * count for steps, count in self.rows_at]
        for (steps, count), block in zip(self.rows_at, rows.split(sizes), strict=True):  # type: ignore[no-untyped-call]
            yield from block.view(steps, count, rows.shape[1]).split(at_most or steps)

    def batch_sizes(self) -> Tensor:
        """Count the sequences at each step, as `PackedSequence` does; int64 (steps,) on the CPU."""
        steps, counts = torch.tensor(self.rows_at, device="cpu").unbind(dim=1)
        return torch.repeat_interleave(counts, steps)


def real_steps(lengths: Tensor, steps: int, *, spare: int = 0) -> RealSteps:
    """Find the real steps of a batch: int64 (B,) lengths on the CPU, T steps; `spare` rows of zeros follow them."""
    real = lengths.numpy()  # a batch has few steps, and numpy's calls cost half as much as torch's
    sequence = torch.from_numpy(np.repeat(np.arange(len(real)), real))
    count = len(sequence)
    if count == len(real) * steps and not spare:
        return RealSteps(sequence, None, None)
    is_here = (np.arange(steps) < real[:, None]).reshape(-1)
    places = np.maximum(is_here.cumsum() - 1, 0)
    enter, leave, blank = map(torch.from_numpy, (is_here.nonzero()[0], places, (~is_here).nonzero()[0]))
    if spare:
        sequence, enter = (functional.pad(rows, (0, spare)) for rows in (sequence, enter))
    beyond = torch.arange(count, count + spare, device="cpu") if spare else None
    return RealSteps(sequence, Selection(enter, beyond), Selection(leave, blank if len(blank) else None))


def lay_out(lengths: Tensor, steps: int, device: torch.device, *, exact: bool) -> Layout:
    """Plan the layout of a batch; the plan is made on the CPU and moved to `device`.

    Args:
        lengths: int64 (B,) on the CPU, from 1 to `steps`.
        steps: T of the padded batch.
        device: where the batch is.
        exact: no padding at all inside the blocks, for a kernel call per distinct length (or for packing).
    """
    if int(lengths.min()) == steps:
        return _lay_out_unpadded(len(lengths), steps, device)
    return _plan(lengths, steps, device, exact=exact)


@lru_cache(maxsize=8)
def _lay_out_unpadded(size: int, steps: int, device: torch.device) -> Layout:
    """Remember the plans of batches without padding: reading step by step asks for the same one at each step."""
    # A tensor made in inference mode could never be part of training.
    with torch.inference_mode(mode=False):
        return _plan(torch.full((size,), steps, device="cpu"), steps, device, exact=True)


def _plan(lengths: Tensor, steps: int, device: torch.device, *, exact: bool) -> Layout:
    size, longest = len(lengths), int(lengths.max())
    ordered, order = lengths.sort(descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(size, device="cpu")
    counts = _rows_by_step(ordered, longest, exact)
    starts = counts.cumsum(0) - counts  # (longest,), the first row of each step

    step = torch.repeat_interleave(torch.arange(longest, device="cpu"), counts)  # (N,)
    place = torch.arange(len(step), device="cpu") - starts[step]
    sequence, length = order[place], ordered[place]
    real = step < length
    backwards = torch.where(real, length - 1 - step, 0)

    steps_here = torch.arange(steps, device="cpu")
    is_here = steps_here < lengths[:, None]  # (B, T)
    first = torch.where(is_here, steps_here, 0)
    mirrored = torch.where(is_here, lengths[:, None] - 1 - steps_here, 0)
    changes, repeats = counts.unique_consecutive(return_counts=True)  # type: ignore[no-untyped-call]

    def select(source: Tensor, wanted: Tensor) -> Selection:
        blank = (~wanted.reshape(-1)).nonzero()[:, 0]
        return Selection(source.reshape(-1).to(device), blank.to(device) if len(blank) else None)

    return Layout(
        rows_at=list(zip(repeats.tolist(), changes.tolist(), strict=True)),
        order=order.to(device),
        rank=rank.to(device),
        sequence=sequence.to(device),
        last=(starts[lengths - 1] + rank).to(device),
        padding=None if bool(real.all()) else (~real).to(device),
        enter=select(sequence * steps + step.clamp(max=steps - 1), real),
        leave=select(starts[first] + rank[:, None], is_here),
        enter_mirrored=select(sequence * steps + backwards, real),
        leave_mirrored=select(starts[mirrored] + rank[:, None], is_here),
        mirror=select(starts[backwards] + place, real),
    )


def _rows_by_step(ordered: Tensor, longest: int, exact: bool) -> Tensor:
    """Count the sequences read at each step, int64 (longest,); never rising."""
    step = torch.arange(longest, device="cpu")
    if not exact:
        step = step // STEPS_BETWEEN_CHANGES * STEPS_BETWEEN_CHANGES
    alive = len(ordered) - torch.searchsorted(ordered.flip(0), step, right=True)
    if exact:
        return alive
    return (-(-alive // ROWS_AT_A_TIME) * ROWS_AT_A_TIME).clamp(max=len(ordered))


class _CopyRows(torch.autograd.Function):
    """Copy rows there, and their gradients back: both are plain copies, because no row is copied twice.

    The gradient of `index_select` adds row by row instead, which is several times slower.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, there: Selection, back: Selection) -> Tensor:
        ctx.there, ctx.back = there, back
        copied = rows.index_select(0, there.source)
        return copied if there.blank is None else copied.index_fill_(0, there.blank, 0.0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return copy_rows(gradients[0], ctx.back, ctx.there), None, None


def copy_rows(rows: Tensor, there: Selection, back: Selection) -> Tensor:
    """Copy rows (M, F) to (N, F) as `there` says; `back` is the way of the gradients, its inverse."""
    return _CopyRows.apply(rows, there, back)  # type: ignore[no-untyped-call,no-any-return]


def enter_rows(batch: Tensor, layout: Layout, direction: str) -> Tensor:
    """Copy a padded batch's rows (B·T, F) into the order in which a direction reads them (N, F); padding is zero."""
    if direction == "forward":
        return copy_rows(batch, layout.enter, layout.leave)
    return copy_rows(batch, layout.enter_mirrored, layout.leave_mirrored)


def leave_rows(rows: Tensor, layout: Layout, direction: str) -> Tensor:
    """Copy what a direction found (N, F) back to the padded batch's rows (B·T, F), zero on padding."""
    if direction == "forward":
        return copy_rows(rows, layout.leave, layout.enter)
    return copy_rows(rows, layout.leave_mirrored, layout.enter_mirrored)
