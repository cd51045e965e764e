"""The exact cells on a CPU, float32, with `kernels`: a layer is read in all its directions at once, without padding.

What does not wait for the step before is done for all steps in one matrix product: W x before the loop; the gradients
of W, U and x after it. The loop itself, U h and the gates, runs compiled, one thread for each direction and share of
the sequences (Appleyard et al., 2016, do the same on a GPU).

Shapes: B sequences, N real steps of all of them, F width of the inputs, D directions, H hidden width, G gates.
"""

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Cell = Literal["rnn_tanh", "rnn_relu", "lstm", "gru"]
Integers = NDArray[np.int64]
logger = logging.getLogger("bothways")

# Where H times the sequences read together, of which more than ROWS make no difference, reaches LONG, the sums of U h
# are made in registers.
LONG, ROWS = 2048, 8
PARTS = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 2, "gru": 1}


class Plan(NamedTuple):
    """Where each sequence's steps lie among the rows, and which sequences one thread reads together."""

    starts: Integers  # (B,), the row of each sequence's first step
    lengths: Integers  # (B,)
    shares: list[Integers]  # sequences, the longest first; each goes to one thread


class Way(NamedTuple):
    """What reads a layer in one direction."""

    mirrored: bool
    weights: list[Tensor]  # W (G·H, F), U (G·H, H) and, with bias, b and d (G·H,)
    state: tuple[Tensor, ...]  # (B, H) each


@cache
def is_available() -> bool:
    """Whether the compiled loops can be used: numba is installed, the extra [fast], and works here."""
    if find_spec("numba") is None:
        return False
    try:
        _kernels()
    except (ImportError, RuntimeError) as error:
        logger.warning(
            "The compiled loops are not used, training is slower: %s. "
            "If no place can be written, name one in NUMBA_CACHE_DIR.",
            str(error).strip().rstrip(".").partition("\n")[0],
        )
        return False
    return True


def make_plan(lengths: Tensor, directions: int) -> Plan:
    """Share sequences out to threads: int64 (B,) lengths on the CPU."""
    size = lengths.numpy()
    shares = min(len(size), max(1, torch.get_num_threads() // directions))
    longest_first = np.argsort(-size, kind="stable")
    return Plan(np.cumsum(size) - size, size, [longest_first[share::shares] for share in range(shares)])


def read_layer(
    cell: Cell, rows: Tensor, plan: Plan, ways: list[Way], *, apart: bool, recompute: int | None = None
) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
    """Read one layer in all its directions.

    Args:
        cell: which cell.
        rows: float32 (N, F), what every direction reads; with `apart`, (N, D·F), each its own columns.
        plan: where the sequences are.
        ways: the directions.
        apart: see `rows`.
        recompute: if given, only the states after every so many steps are kept, and the way back reads again what
            lies between them (Chen et al., 2016).

    Returns:
        float32 (N, D·H), the directions' states side by side, and for each direction its final state, (B, H) each.
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
        kept = _read(cell, columns, plan, ways, state, keep=keep and any(ctx.needs_input_grad))
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
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, doutputs: Tensor, *dfinal: Tensor) -> tuple[Tensor | None, ...]:
        with torch.autocast("cpu", enabled=False):
            rows, *saved = (tensor.detach() for tensor in ctx.saved_tensors)
            kept, tensors = Kept(*saved[: len(Kept._fields)]), saved[len(Kept._fields) :]
            ways = _ways(ctx.cell, ctx.shape, tensors)
            dstate = _per_way(ctx.cell, dfinal, len(ways))
            back = _go_back(ctx.cell, kept, ctx.plan, ways, doutputs.detach().contiguous(), dstate)
            columns = [_columns(rows, number, ways, ctx.apart) for number in range(len(ways))]
            weights = [
                _weight_gradients(ctx.cell, back, number, *one)
                for number, one in enumerate(zip(columns, ways, strict=True))
            ]
            drows = None
            if ctx.needs_input_grad[5]:
                drows = torch.empty_like(rows)
                for number, way in enumerate(ways):
                    there = _columns(drows, number, ways, ctx.apart)
                    if ctx.apart or number == 0:
                        torch.mm(back.gates[:, number], way.weights[0], out=there)
                    else:
                        there.addmm_(back.gates[:, number], way.weights[0])
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
        outputs = rows.new_empty(len(rows), len(ways) * width)
        pieces, begins = _pieces(plan, ways, recompute), list[Tensor]()
        for piece in pieces:
            begins += [part.clone() for parts in state for part in parts]
            kept = _read(cell, piece.columns(rows, ways, apart), piece.plan, ways, state, keep=False)
            for number, index in enumerate(piece.rows):
                place = slice(number * width, (number + 1) * width)
                outputs[index, place] = kept.outputs[:, place]
        ctx.cell, ctx.pieces, ctx.shape, ctx.apart = cell, pieces, shape, apart
        ctx.save_for_backward(rows, *begins, *tensors)
        return outputs, *(part for parts in state for part in parts)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, doutputs: Tensor, *dfinal: Tensor) -> tuple[Tensor | None, ...]:
        with torch.autocast("cpu", enabled=False):
            cell, (rows, *saved) = ctx.cell, (tensor.detach() for tensor in ctx.saved_tensors)
            states = PARTS[cell] * len(ctx.shape)
            begins, tensors = saved[: states * len(ctx.pieces)], saved[states * len(ctx.pieces) :]
            ways = _ways(cell, ctx.shape, tensors)
            dstate = _per_way(cell, dfinal, len(ways))
            doutputs = doutputs.detach().reshape(len(rows), len(ways), -1)
            drows = torch.zeros_like(rows) if ctx.needs_input_grad[5] else None
            weights = [[torch.zeros_like(weight) for weight in way.weights] for way in ways]
            for number in reversed(range(len(ctx.pieces))):
                piece = ctx.pieces[number]
                columns = piece.columns(rows, ways, ctx.apart)
                kept = _read(
                    cell,
                    columns,
                    piece.plan,
                    ways,
                    _per_way(cell, begins[number * states : (number + 1) * states], len(ways)),
                    keep=True,
                )
                there = torch.stack([doutputs[index, way] for way, index in enumerate(piece.rows)], dim=1)
                back = _go_back(cell, kept, piece.plan, ways, there.view(len(there), -1), dstate)
                for way, index in enumerate(piece.rows):
                    found = _weight_gradients(cell, back, way, columns[way], ways[way])
                    torch._foreach_add_(weights[way], found)
                    if drows is not None:
                        _columns(drows, way, ways, ctx.apart)[index] += back.gates[:, way] @ ways[way].weights[0]
            return _in_order(drows, weights, dstate)


def _in_order(
    drows: Tensor | None, weights: list[list[Tensor]], dstate: list[tuple[Tensor, ...]]
) -> tuple[Tensor | None, ...]:
    """Return the gradients in the order of the arguments, of which the first five are no tensors."""
    ways = zip(weights, dstate, strict=True)
    return *(None,) * 5, drows, *(one for way in ways for part in way for one in part)


class Kept(NamedTuple):
    """What reading a layer leaves for the way back; empty where no gradient is wanted."""

    gates: Tensor  # (N, D, G·H); of an RNN nothing
    outputs: Tensor  # (N, D·H), h at every step
    before: Tensor  # (N, D, H), the h that each step began with
    inner: Tensor  # (N, D, H): of an LSTM the c that each step began with; of a GRU U h + d of n; of an RNN nothing


class Piece(NamedTuple):
    """Some steps of all sequences, as a batch of its own: those each direction reads at the same time."""

    plan: Plan
    rows: list[Tensor]  # int64 (n,) for each direction, among all rows

    def columns(self, rows: Tensor, ways: list[Way], apart: bool) -> list[Tensor]:
        """Return what each direction reads, (n, F)."""
        return [_columns(rows, number, ways, apart).index_select(0, index) for number, index in enumerate(self.rows)]


def _pieces(plan: Plan, ways: list[Way], steps: int) -> list[Piece]:
    """Cut a batch every `steps` steps, counted as each direction reads."""
    pieces = list[Piece]()
    for first in range(0, int(plan.lengths.max()), steps):
        here = np.clip(plan.lengths - first, 0, steps)
        starts = np.cumsum(here) - here
        shares = [members[here[members] > 0] for members in plan.shares]
        within = np.arange(here.sum()) - np.repeat(starts, here)
        rows = list[Tensor]()
        for way in ways:
            begin = plan.starts + (plan.lengths - first - here if way.mirrored else first)
            rows.append(torch.from_numpy(np.repeat(begin, here) + within))
        pieces.append(Piece(Plan(starts, here, [members for members in shares if len(members)]), rows))
    return pieces


def _read(
    cell: Cell, rows: list[Tensor], plan: Plan, ways: list[Way], state: list[tuple[Tensor, ...]], *, keep: bool
) -> Kept:
    """Read with every direction: rows (N, F) for each; `state` goes in and out."""
    first = rows[0]
    size, height = ways[0].state[0].shape[1], len(ways[0].weights[0])
    gates = first.new_empty(len(first), len(ways), height)
    # As wide as it is given on, for a view of it could not be changed in place by whoever gets it.
    outputs = first.new_empty(len(first), len(ways) * size)
    before = first.new_empty(len(first) if keep else 0, len(ways), size)
    inner = first.new_empty(len(first) if keep and not cell.startswith("rnn") else 0, len(ways), size)
    for number, way in enumerate(ways):
        _input_product(cell, rows[number], way.weights, gates[:, number])
    kernel = getattr(_kernels(), f"{cell.partition('_')[0]}_forward")
    arrays = [outputs.view(len(first), len(ways), size).numpy(), before.numpy()]
    if not cell.startswith("rnn"):
        arrays.append(inner.numpy())
    begin, end = gates.numpy(), (*arrays, keep)
    spread = size * min(ROWS, len(plan.shares[0])) < LONG
    hidden = [(way.weights[1].t() if spread else way.weights[1]).contiguous().numpy() for way in ways]
    extra = [_extra(cell, way) for way in ways]
    states = [[part.numpy() for part in parts] for parts in state]

    def read(number: int, members: Integers) -> None:
        own = [part[members] for part in states[number]]
        given = begin, number, ways[number].mirrored, hidden[number], spread, *extra[number], *own, *end
        kernel(*given, members, plan.starts, plan.lengths)
        for part, value in zip(states[number], own, strict=True):
            part[members] = value

    _run(read, plan, len(ways))
    return Kept(gates, outputs, before, inner)


def _extra(cell: Cell, way: Way) -> list[Any]:
    """Return what a forward kernel takes beside U: of a GRU the hidden bias of n, of an RNN whether relu is meant."""
    if cell == "lstm":
        return []
    if cell != "gru":
        return [cell == "rnn_relu"]
    size = way.weights[1].shape[1]
    bias = way.weights[3][2 * size :] if len(way.weights) == 4 else way.weights[1].new_zeros(size)
    return [bias.contiguous().numpy()]


def _go_back(
    cell: Cell, kept: Kept, plan: Plan, ways: list[Way], doutputs: Tensor, dstate: list[tuple[Tensor, ...]]
) -> Kept:
    """Return `kept` with gradients in place of `gates` and, of a GRU, of `inner`; `dstate` goes in and out."""
    kernel = getattr(_kernels(), f"{cell.partition('_')[0]}_backward")
    shape = len(doutputs), len(ways), -1
    dgates = doutputs.new_empty(len(doutputs), len(ways), len(ways[0].weights[0]))
    dinner = torch.empty_like(kept.inner) if cell == "gru" else kept.inner
    if cell == "lstm":
        given, needed = [kept.gates, dgates], [kept.inner]
    elif cell == "gru":
        given, needed = [kept.gates, dgates], [kept.before, kept.inner, dinner]
    else:
        given, needed = [dgates], [kept.outputs.view(shape)]
    begin = [tensor.numpy() for tensor in given]
    end = [tensor.numpy() for tensor in (doutputs.view(shape), *needed)]
    hidden = [way.weights[1].t().contiguous().numpy() for way in ways]
    extra = [cell == "rnn_relu"] if cell.startswith("rnn") else []
    states = [[part.numpy() for part in parts] for parts in dstate]

    def go_back(number: int, members: Integers) -> None:
        own = [part[members] for part in states[number]]
        given = *begin, number, ways[number].mirrored, hidden[number], *extra, *own, *end
        kernel(*given, members, plan.starts, plan.lengths)
        for part, value in zip(states[number], own, strict=True):
            part[members] = value

    _run(go_back, plan, len(ways))
    return kept._replace(gates=dgates, inner=dinner)


def _weight_gradients(cell: Cell, back: Kept, number: int, rows: Tensor, way: Way) -> list[Tensor]:
    """Return the gradients of W, U and the biases: large products over all steps at once."""
    dinput, before = back.gates[:, number], back.before[:, number]
    # The narrower of the two first, which is the quicker product; the gradients come out transposed.
    dw = (rows.t() @ dinput).t()
    if cell == "gru":
        size = before.shape[1]
        halves, new = (dinput[:, : 2 * size], back.inner[:, number]), dinput.sum(0)
        du = torch.cat([before.t() @ half for half in halves], dim=1).t()
        bias = [new, torch.cat([new[: 2 * size], halves[1].sum(0)])]
    else:
        du, bias = (before.t() @ dinput).t(), [dinput.sum(0)] * 2
    return [dw, du, *(bias if len(way.weights) == 4 else [])]


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


def _input_product(cell: Cell, rows: Tensor, weights: list[Tensor], gates: Tensor) -> None:
    """Write W x and the biases that are simply added to it into `gates`, (N, G·H)."""
    if len(weights) == 2:
        torch.mm(rows, weights[0].t(), out=gates)
        return
    bias = weights[2] + weights[3]
    if cell == "gru":
        new = len(bias) // 3
        bias[2 * new :] = weights[2][2 * new :]
    torch.addmm(bias, rows, weights[0].t(), out=gates)


def _kernels() -> Any:
    """Import the compiled loops; the first run of each is compiled, for some seconds, and kept on disk."""
    from bothways.nn import kernels

    return kernels


def _run(work: Callable[[int, Integers], None], plan: Plan, directions: int) -> None:
    """Do the work of each direction and share."""
    tasks = [(number, members) for members in plan.shares for number in range(directions)]
    run_side_by_side(lambda task: work(*task), tasks)


def run_side_by_side(work: Callable[[Any], None], tasks: Sequence[Any]) -> None:
    """Do the work of each task in a thread of its own, this thread's included, or one by one if those are too few."""
    if len(tasks) > torch.get_num_threads():
        for task in tasks:
            work(task)
        return
    waiting = [threads(len(tasks) - 1).submit(work, task) for task in tasks[1:]]
    work(tasks[0])
    for one in waiting:
        one.result()


@cache
def threads(count: int) -> ThreadPoolExecutor:
    """Return this process's threads; those that wait cost nothing."""
    return ThreadPoolExecutor(max(1, count), thread_name_prefix="bothways")


# Threads do not live on in a forked child, which would wait for them forever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=threads.cache_clear)
