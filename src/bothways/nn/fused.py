"""The exact cells on a CPU, as functions of autograd: a layer at once (see `loops`), or piece by piece.

Shapes: B sequences, N real steps of all of them, F width of the inputs, D directions, H hidden width, G gates.
"""

import logging
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bothways.nn import loops
from bothways.nn.few_sizes import rounded_rows
from bothways.nn.layers import PARTS, Cell, Layers
from bothways.nn.layout import real_steps
from bothways.nn.loops import Kept, Plan, Way, compiled_loops, compiles
from bothways.nn.once import differentiable_once
from bothways.nn.reader import State, sequence_dropout

logger = logging.getLogger("bothways")


@cache
def is_available() -> bool:
    """Whether the compiled loops can be used: numba is installed, the extra [fast], and works here."""
    if find_spec("numba") is None or not compiles():
        return False
    try:
        compiled_loops()
    except (ImportError, RuntimeError) as error:
        logger.warning(
            "The compiled loops are not used, training is slower: %s. "
            "If no place can be written, name one in NUMBA_CACHE_DIR.",
            str(error).strip().rstrip(".").partition("\n")[0],
        )
        return False
    return True


@cache
def computes_bfloat16() -> bool:
    """Whether this processor adds up products of bfloat16 pairs (AVX512-BF16), and numba compiles for it."""
    if not is_available():
        return False
    from bothways.nn.kernel_products import can_sum_bfloat16

    return can_sum_bfloat16()


def read(layers: Layers, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
    """Read a batch float32 or bfloat16 (B, T, F) on the CPU -> the top states side by side, (B, T, D·H), and the last.

    Padding is never looked at, and zero where it comes out. The outputs are of the inputs' kind, states float32.
    """
    size, steps, _ = inputs.shape
    count = int(lengths.sum())
    spare = rounded_rows(count) - count if inputs.dtype == torch.bfloat16 else 0
    real = real_steps(lengths, steps, spare=spare)
    plan = loops.make_plan(lengths, len(layers.start), spare=spare)
    rows = real.of(inputs)
    final: dict[str, list[tuple[Tensor, ...]]] = {way: [] for way in layers.start}
    zeros = (rows.new_zeros(size, layers.width, dtype=torch.float32),) * PARTS[layers.cell]

    with torch.autocast("cpu", enabled=False):
        for layer in range(layers.depth):
            if layer and layers.dropout:
                rows = rows * sequence_dropout(rows, size, layers.dropout).index_select(0, real.sequence)
            ways = []
            for way, states in layers.start.items():
                state = zeros if states is None else tuple(part[layer].float() for part in states)
                ways.append(Way(way == "backward", layers.weights[way][layer], state))
            if layer == layers.depth - 1:
                plan = plan.outputs_in(real, steps)
            apart = layer > 0 and layers.apart
            rows, last = read_layer(layers.cell, rows, plan, ways, apart=apart, recompute=layers.recompute)
            for way, state in zip(layers.start, last, strict=True):
                final[way].append(state)

    final_state = State(**{way: tuple(map(torch.stack, zip(*last, strict=True))) for way, last in final.items()})
    return rows.view(size, steps, -1), final_state


def read_layer(
    cell: Cell, rows: Tensor, plan: Plan, ways: list[Way], *, apart: bool, recompute: int | None = None
) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
    """Read one layer in all its directions.

    Args:
        cell: which cell.
        rows: float32 or bfloat16 (N, F), what every direction reads; with `apart`, (N, D·F), each its own columns.
        plan: where the sequences are.
        ways: the directions.
        apart: see `rows`.
        recompute: if given, only the states after every so many steps are kept, and the way back reads again what
            lies between them (Chen et al., 2016).

    Returns:
        (N, D·H) of the rows' kind, the directions' states side by side, in other rows if the plan says so; and for each
        direction its final state, float32 (B, H) each.
    """
    tensors = [tensor for way in ways for tensor in (*way.weights, *way.state)]
    shape = [(way.mirrored, len(way.weights)) for way in ways]
    keep = torch.is_grad_enabled()
    if recompute is None or not keep:
        outputs, *final = _ReadLayer.apply(cell, plan, shape, apart, keep, rows, *tensors)  # type: ignore[no-untyped-call]
    else:
        outputs, *final = _ReadInPieces.apply(cell, plan, shape, apart, recompute, rows, *tensors)  # type: ignore[no-untyped-call]
    parts = PARTS[cell]
    return outputs, [tuple(final[way * parts : (way + 1) * parts]) for way in range(len(ways))]


class _ReadLayer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        cell: Cell,
        plan: Plan,
        shape: list[tuple[bool, int]],
        apart: bool,
        keep: bool,
        rows: Tensor,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        ways = _ways(cell, shape, tensors)
        state = [_copied(way.state) for way in ways]
        columns = [_columns(rows, number, ways, apart) for number in range(len(ways))]
        kept = loops.read(cell, columns, plan, ways, state, keep=keep and any(ctx.needs_input_grad))
        ctx.cell, ctx.plan, ctx.shape, ctx.apart = cell, plan, shape, apart
        outputs = kept.outputs
        if cell.startswith("rnn"):
            kept = kept._replace(gates=rows.new_empty(0))
        else:
            # Its gradient is not made of its outputs, so that these may be changed in place.
            kept = kept._replace(outputs=rows.new_empty(0))
        ctx.save_for_backward(rows, *kept, *tensors)
        return outputs, *(part for parts in state for part in parts)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, saved: tuple[Tensor, ...], doutputs: Tensor, *dfinal: Tensor) -> tuple[Tensor | None, ...]:
        with torch.autocast("cpu", enabled=False):
            rows, *rest = (tensor.detach() for tensor in saved)
            kept, tensors = Kept(*rest[: len(Kept._fields)]), rest[len(Kept._fields) :]
            ways = _ways(ctx.cell, ctx.shape, tensors)
            dstate = _per_way(ctx.cell, dfinal, len(ways))
            back, sums = loops.go_back(ctx.cell, kept, ctx.plan, ways, doutputs.detach().contiguous(), dstate)
            columns = [_columns(rows, number, ways, ctx.apart) for number in range(len(ways))]
            weights = [
                loops.weight_gradients(ctx.cell, back, number, *one)
                for number, one in enumerate(zip(columns, ways, sums, strict=True))
            ]
            drows = loops.input_gradients(back, ways, apart=ctx.apart) if ctx.needs_input_grad[5] else None
            return _in_order(drows, weights, dstate)


class _ReadInPieces(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        cell: Cell,
        plan: Plan,
        shape: list[tuple[bool, int]],
        apart: bool,
        recompute: int,
        rows: Tensor,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        ways = _ways(cell, shape, tensors)
        state = [_copied(way.state) for way in ways]
        width = ways[0].state[0].shape[1]
        outputs = plan.new_outputs(rows, len(ways) * width)
        pieces, begins = _pieces(plan, ways, recompute, rows.dtype), list[Tensor]()
        for piece in pieces:
            begins += [part.clone() for parts in state for part in parts]
            kept = loops.read(cell, piece.columns(rows, ways, apart), piece.plan, ways, state, keep=False)
            for number, index in enumerate(piece.places):
                place = slice(number * width, (number + 1) * width)
                outputs[index, place] = kept.outputs[: len(index), place]
        ctx.cell, ctx.pieces, ctx.shape, ctx.apart = cell, pieces, shape, apart
        ctx.save_for_backward(rows, *begins, *tensors)
        return outputs, *(part for parts in state for part in parts)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, saved: tuple[Tensor, ...], doutputs: Tensor, *dfinal: Tensor) -> tuple[Tensor | None, ...]:
        with torch.autocast("cpu", enabled=False):
            cell, (rows, *rest) = ctx.cell, (tensor.detach() for tensor in saved)
            states = PARTS[cell] * len(ctx.shape)
            begins, tensors = rest[: states * len(ctx.pieces)], rest[states * len(ctx.pieces) :]
            ways = _ways(cell, ctx.shape, tensors)
            dstate = _per_way(cell, dfinal, len(ways))
            doutputs = doutputs.detach().reshape(len(doutputs), len(ways), -1)
            drows = torch.zeros_like(rows) if ctx.needs_input_grad[5] else None
            weights = [[torch.zeros_like(weight) for weight in way.weights] for way in ways]
            for number in reversed(range(len(ctx.pieces))):
                piece = ctx.pieces[number]
                columns = piece.columns(rows, ways, ctx.apart)
                kept = loops.read(
                    cell,
                    columns,
                    piece.plan,
                    ways,
                    _per_way(cell, begins[number * states : (number + 1) * states], len(ways)),
                    keep=True,
                )
                there = torch.stack([doutputs[index, way] for way, index in enumerate(piece.places)], dim=1)
                there = functional.pad(there, (0, 0, 0, 0, 0, piece.spare))
                back, sums = loops.go_back(cell, kept, piece.plan, ways, there.view(len(there), -1), dstate)
                for way, index in enumerate(piece.rows):
                    found = loops.weight_gradients(cell, back, way, columns[way], ways[way], sums[way])
                    torch._foreach_add_(weights[way], found)
                    if drows is not None:
                        there = _columns(drows, way, ways, ctx.apart)
                        there[index] += (back.gates[:, way] @ ways[way].weights[0].to(rows.dtype))[: len(index)]
            return _in_order(drows, weights, dstate)


def _in_order(
    drows: Tensor | None, weights: list[list[Tensor]], dstate: list[tuple[Tensor, ...]]
) -> tuple[Tensor | None, ...]:
    """Return the gradients in the order of the arguments, of which the first five are no tensors."""
    ways = zip(weights, dstate, strict=True)
    return *(None,) * 5, drows, *(one for way in ways for part in way for one in part)


class Piece(NamedTuple):
    """Some steps of all sequences, as a batch of its own: those each direction reads at the same time."""

    plan: Plan
    rows: list[Tensor]  # int64 (n,) for each direction, among all rows
    places: list[Tensor]  # the same among the outputs
    spare: int  # rows that are read beyond them, whatever stands there

    def columns(self, rows: Tensor, ways: list[Way], apart: bool) -> list[Tensor]:
        """Return what each direction reads, (n, F), and the spare rows."""
        wanted = [functional.pad(index, (0, self.spare)) for index in self.rows]
        return [_columns(rows, number, ways, apart).index_select(0, index) for number, index in enumerate(wanted)]


def _pieces(plan: Plan, ways: list[Way], steps: int, kind: torch.dtype) -> list[Piece]:
    """Cut a batch every `steps` steps, counted as each direction reads."""
    pieces = list[Piece]()
    for first in range(0, int(plan.lengths.max()), steps):
        here = np.clip(plan.lengths - first, 0, steps)
        count = int(here.sum())
        spare = rounded_rows(count) - count if kind == torch.bfloat16 else 0
        starts = np.cumsum(here) - here
        shares = [members[here[members] > 0] for members in plan.shares]
        within = np.arange(count) - np.repeat(starts, here)
        own = Plan(starts, here, [members for members in shares if len(members)], starts, count + spare, None)
        before = [plan.lengths - first - here if way.mirrored else first for way in ways]  # in each sequence
        rows, places = (
            [torch.from_numpy(np.repeat(begin + steps_before, here) + within) for steps_before in before]
            for begin in (plan.starts, plan.places)
        )
        pieces.append(Piece(own, rows, places, spare))
    return pieces


def _per_way(cell: Cell, tensors: Sequence[Tensor], directions: int) -> list[tuple[Tensor, ...]]:
    """Copy the parts of a state, (B, H) each, that come in one row for all directions."""
    parts = PARTS[cell]
    return [_copied(tensors[number * parts : (number + 1) * parts]) for number in range(directions)]


def _copied(state: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(part.clone(memory_format=torch.contiguous_format) for part in state)


def _ways(cell: Cell, shape: list[tuple[bool, int]], tensors: Any) -> list[Way]:
    """Undo the flat list that autograd wants."""
    ways, rest = list[Way](), [tensor.detach() for tensor in tensors]
    for mirrored, weights in shape:
        count = weights + PARTS[cell]
        ways.append(Way(mirrored, rest[:weights], tuple(rest[weights:count])))
        rest = rest[count:]
    return ways


def _columns(rows: Tensor, number: int, ways: list[Way], apart: bool) -> Tensor:
    """Return what one direction reads, (N, F)."""
    return rows.view(len(rows), len(ways), -1)[:, number] if apart else rows
