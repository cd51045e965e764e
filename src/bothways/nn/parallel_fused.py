"""The parallel cells on a CPU with `parallel_kernels`: gates and scan of a whole layer in one pass over memory.

Shapes: N rows, D directions, G gates, H hidden width, B sequences.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bothways.nn.loops import array_of, run_side_by_side
from bothways.nn.once import differentiable_once
from bothways.nn.scan import ends

Cell = Literal["mingru", "minlstm", "sru"]

# Two threads that write numbers nearer to each other than a cache line would wait for each other.
LINE = 16


class Share(NamedTuple):
    """What one thread reads: a direction, every `shares`-th sequence from `share` on, columns `first` to `last`."""

    way: int
    share: int
    shares: int
    first: int
    last: int


def read_fused(
    cell: Cell, gates: Tensor, skip: Tensor | None, start: Tensor, counts: Sequence[int], mirrored: Sequence[bool]
) -> tuple[Tensor, Tensor]:
    """Read a layer with the compiled loops. Rows stand as in `scan`.

    Args:
        cell: which cell.
        gates: float32 or bfloat16 (N, D, G·H), the products that the gates are made of.
        skip: of the same kind (N, D, H), what passes by the cell of an SRU; None for the others.
        start: float32 (D, B, H), the state before the first step.
        counts: the sequences read at each step, B at the first.
        mirrored: for each direction, whether it reads from the last step to the first.

    Returns:
        (N, D, H) of the same kind, h at every step, and float32 (D, B, H), the state after each one's own last step.
    """
    return _ReadFused.apply(cell, gates, skip, start, list(counts), list(mirrored))  # type: ignore[no-untyped-call,no-any-return]


class _ReadFused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        cell: Cell,
        gates: Tensor,
        skip: Tensor | None,
        start: Tensor,
        counts: list[int],
        mirrored: list[bool],
    ) -> tuple[Tensor, Tensor]:
        gates, start = gates.contiguous(), start.contiguous()
        skip = gates[:0] if skip is None else skip.contiguous()
        states = start.new_empty(len(gates), len(mirrored), start.shape[2])
        is_given_on = cell != "sru" and gates.dtype == states.dtype  # what is scanned is h, as it is kept
        outputs = gates.new_empty(0 if is_given_on else len(gates), *states.shape[1:])
        kernel = getattr(_kernels(), f"{cell}_forward")
        _run(kernel, (gates, skip, start, states, outputs), counts, mirrored)
        ctx.cell, ctx.counts, ctx.mirrored = cell, counts, mirrored
        ctx.save_for_backward(gates, skip, start, states)
        return states if is_given_on else outputs, ends(states, counts, mirrored)

    @staticmethod
    @differentiable_once
    def backward(
        ctx: Any, saved: tuple[Tensor, ...], doutputs: Tensor, dfinal: Tensor
    ) -> tuple[None, Tensor, Tensor | None, Tensor, None, None]:
        gates, skip, start, states = saved
        dgates, dskip = torch.empty_like(gates), torch.empty_like(skip)
        carry = dfinal.clone(memory_format=torch.contiguous_format)
        kernel = getattr(_kernels(), f"{ctx.cell}_backward")
        tensors = (gates, skip, start, states, doutputs.contiguous(), dgates, dskip, carry)
        _run(kernel, tensors, ctx.counts, ctx.mirrored)
        return None, dgates, dskip if ctx.cell == "sru" else None, carry, None, None


def _kernels() -> Any:
    """Import the compiled loops; the first run of each is compiled, for some seconds, and kept on disk."""
    from bothways.nn import parallel_kernels

    return parallel_kernels


def _run(kernel: Callable[..., None], tensors: Sequence[Tensor], counts: list[int], mirrored: list[bool]) -> None:
    """Run a kernel on these tensors, of which the third is the start (D, B, H), over all shares of the work."""
    here = np.array(counts)
    arrays = [*(array_of(tensor.detach()) for tensor in tensors), here.cumsum() - here, here]

    def work(share: Share) -> None:
        kernel(*arrays, share.way, mirrored[share.way], *share[1:])

    directions, size, width = tensors[2].shape
    run_side_by_side(work, shares_of(directions, size, width, torch.get_num_threads()))


def shares_of(directions: int, size: int, width: int, wanted: int) -> list[Share]:
    """Share the work out to `wanted` threads: over directions, then over sequences, then over columns."""
    places = min(size, max(1, wanted // directions))
    step = -(-width // (max(1, wanted // (directions * places)) * LINE)) * LINE
    columns = [(first, min(first + step, width)) for first in range(0, width, step)]
    return [
        Share(way, place, places, *piece) for place, way, piece in product(range(places), range(directions), columns)
    ]
