"""The exact cells on a CPU, float32, with `kernels`: a layer is read in all its directions at once, without padding.

What does not wait for the step before is done for all steps in one matrix product: W x before the loop; the gradients
of W, U and x after it. The loop itself, U h and the gates, runs compiled, one thread for each direction and share of
the sequences (Appleyard et al., 2016, do the same on a GPU).

Shapes: B sequences, N real steps of all of them, F width of the inputs, D directions, H hidden width, G gates.
"""

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
PARTS = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 2, "gru": 1}


class Plan(NamedTuple):
    """Where each sequence's steps lie among the rows, and which sequences one thread reads together."""

    starts: NDArray[np.int64]  # (B,), the row of each sequence's first step
    lengths: NDArray[np.int64]  # (B,)
    shares: list[NDArray[np.int64]]  # sequences, the longest first; each goes to one thread


class Way(NamedTuple):
    """What reads a layer in one direction."""

    mirrored: bool
    weights: list[Tensor]  # W (G·H, F), U (G·H, H) and, with bias, b and d (G·H,)
    state: tuple[Tensor, ...]  # (B, H) each


@cache
def is_available() -> bool:
    """Whether numba is installed, the extra [fast]."""
    return find_spec("numba") is not None


def make_plan(lengths: Tensor, directions: int) -> Plan:
    """Share sequences out to threads: int64 (B,) lengths on the CPU."""
    size = lengths.numpy()
    shares = min(len(size), max(1, torch.get_num_threads() // directions))
    longest_first = np.argsort(-size, kind="stable")
    return Plan(np.cumsum(size) - size, size, [longest_first[share::shares] for share in range(shares)])


def read_layer(
    cell: Cell, rows: Tensor, plan: Plan, ways: list[Way], *, apart: bool
) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
    """Read one layer in all its directions.

    Args:
        cell: which cell.
        rows: float32 (N, F), what every direction reads; with `apart`, (N, D·F), each its own columns.
        plan: where the sequences are.
        ways: the directions.
        apart: see `rows`.

    Returns:
        float32 (N, D·H), the directions' states side by side, and for each direction its final state, (B, H) each.
    """
    tensors = [tensor for way in ways for tensor in (*way.weights, *way.state)]
    shape = [(way.mirrored, len(way.weights)) for way in ways]
    outputs, *final = _ReadLayer.apply(cell, plan, shape, apart, rows, *tensors)  # type: ignore[no-untyped-call]
    parts = PARTS[cell]
    return outputs, [tuple(final[way * parts : (way + 1) * parts]) for way in range(len(ways))]


class _ReadLayer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, cell: Cell, plan: Plan, shape: list[tuple[bool, int]], apart: bool, rows: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ways = _ways(cell, shape, tensors)
        size, height = ways[0].state[0].shape[1], len(ways[0].weights[0])
        keep = any(ctx.needs_input_grad)
        gates = rows.new_empty(len(rows), len(ways), height)
        outputs = rows.new_empty(len(rows), len(ways), size)
        # What a gradient needs besides the gates: the h before each step, and what the cell keeps.
        kept = [torch.empty_like(outputs if keep else outputs[:0]) for _ in range(1 if cell.startswith("rnn") else 2)]
        state = [tuple(part.clone(memory_format=torch.contiguous_format) for part in way.state) for way in ways]

        for number, way in enumerate(ways):
            _input_product(cell, _columns(rows, number, ways, apart), way.weights, gates[:, number])
        kernel = getattr(_kernels(), f"{cell.partition('_')[0]}_forward")

        def read(number: int, members: NDArray[np.int64]) -> None:
            way, final = ways[number], state[number]
            hidden = way.weights[1].t().contiguous().numpy()
            own = [part.numpy()[members] for part in final]
            extra: list[Any] = []
            if cell == "gru":
                bias = way.weights[3][2 * size :] if len(way.weights) == 4 else rows.new_zeros(size)
                extra = [bias.contiguous().numpy()]
            elif cell != "lstm":
                extra = [cell == "rnn_relu"]
            arrays = [tensor.numpy() for tensor in (outputs, *kept)]
            kernel(
                gates.numpy(), number, way.mirrored, hidden, *extra, *own, *arrays, keep, members, plan.starts,
                plan.lengths,
            )  # fmt: skip
            for part, value in zip(final, own, strict=True):
                part.numpy()[members] = value

        _run(read, plan, len(ways))
        ctx.cell, ctx.plan, ctx.shape, ctx.apart = cell, plan, shape, apart
        ctx.save_for_backward(rows, gates, outputs, *kept, *tensors)
        return outputs.view(len(rows), -1), *(part for parts in state for part in parts)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, doutputs: Tensor, *dfinal: Tensor) -> tuple[Tensor | None, ...]:
        cell, plan, apart = ctx.cell, ctx.plan, ctx.apart
        saved = list(ctx.saved_tensors)
        rows, gates, outputs, before = saved[:4]
        kept = saved[4:] if not cell.startswith("rnn") else []
        ways = _ways(cell, ctx.shape, saved[4 if cell.startswith("rnn") else 5 :])
        parts, size = PARTS[cell], outputs.shape[2]
        # A kernel overwrites the gates with their gradients, and going back twice should still be right.
        dgates = gates.clone()
        dproducts = kept[0].clone() if cell == "gru" else None
        doutputs = doutputs.contiguous().view(outputs.shape)
        dstate = [
            tuple(part.clone(memory_format=torch.contiguous_format) for part in dfinal[n * parts : (n + 1) * parts])
            for n in range(len(ways))
        ]
        kernel = getattr(_kernels(), f"{cell.partition('_')[0]}_backward")

        def go_back(number: int, members: NDArray[np.int64]) -> None:
            way, gradient = ways[number], dstate[number]
            own = [part.numpy()[members] for part in gradient]
            hidden = way.weights[1].contiguous().numpy()
            extra: list[Any] = [] if cell in ("gru", "lstm") else [cell == "rnn_relu"]
            needed = {"gru": (before, dproducts), "lstm": (kept[0],) if kept else ()}.get(cell, (outputs,))
            arrays = [tensor.numpy() for tensor in (doutputs, *needed) if tensor is not None]
            kernel(
                dgates.numpy(), number, way.mirrored, hidden, *extra, *own, *arrays, members, plan.starts, plan.lengths
            )
            for part, value in zip(gradient, own, strict=True):
                part.numpy()[members] = value

        _run(go_back, plan, len(ways))
        return _gradients(ctx, rows, before, dgates, dproducts, ways, dstate, apart, size)


def _gradients(
    ctx: Any,
    rows: Tensor,
    before: Tensor,
    dgates: Tensor,
    dproducts: Tensor | None,
    ways: list[Way],
    dstate: list[tuple[Tensor, ...]],
    apart: bool,
    size: int,
) -> tuple[Tensor | None, ...]:
    """Return the gradients of all arguments: large products over all steps at once."""
    drows = torch.empty_like(rows) if ctx.needs_input_grad[4] else None
    gradients = list[Tensor | None]()
    for number, way in enumerate(ways):
        dinput = dgates[:, number]
        read = _columns(rows, number, ways, apart)
        dw = dinput.t() @ read
        if dproducts is None:
            du, bias = dinput.t() @ before[:, number], [dinput.sum(0)] * 2
        else:
            halves, new = (dinput[:, : 2 * size], dproducts[:, number]), dinput.sum(0)
            du = torch.cat([half.t() @ before[:, number] for half in halves])
            bias = [new, torch.cat([new[: 2 * size], halves[1].sum(0)])]
        gradients += [dw, du, *(bias if len(way.weights) == 4 else []), *dstate[number]]
        if drows is not None:
            there = _columns(drows, number, ways, apart)
            if apart or number == 0:
                torch.mm(dinput, way.weights[0], out=there)
            else:
                there.addmm_(dinput, way.weights[0])
    return None, None, None, None, drows, *gradients


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


def _run(work: Callable[[int, NDArray[np.int64]], None], plan: Plan, directions: int) -> None:
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
