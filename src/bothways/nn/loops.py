"""One reading of a layer through the compiled time loops (`kernels`), there and back: all directions, no padding.

What does not wait for the step before is done for all steps in one matrix product: W x before the loop; the gradients
of W, U and x after it. The loop itself, U h and the gates, runs compiled, one thread for each direction and share of
the sequences (Appleyard et al., 2016, do the same on a GPU).

Rows are float32, or bfloat16: then so is all that is kept of every step, and products take bfloat16 and sum in float32;
states, gates while they are made, and the c of an LSTM stay float32.

Shapes: B sequences, N real steps of all of them, F width of the inputs, D directions, H hidden width, G gates.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bothways.nn.layers import Cell
from bothways.nn.layout import RealSteps

Integers = NDArray[np.int64]

FEWEST = 64  # rows for which it pays to pack a matrix


class Plan(NamedTuple):
    """Where each sequence's steps lie among the rows, and which sequences one thread reads together."""

    starts: Integers  # (B,), the row of each sequence's first step
    lengths: Integers  # (B,)
    shares: list[Integers]  # sequences, the longest first; each goes to one thread
    places: Integers  # (B,), the row of each sequence's first step among the outputs
    room: int  # rows of the outputs
    blank: Tensor | None  # the rows of the outputs that are no step of any

    def outputs_in(self, batch: RealSteps, steps: int) -> "Plan":
        """Return this plan with outputs in the rows of a padded batch, B·T."""
        if batch.leave is None:
            return self
        size = len(self.starts)
        return self._replace(places=np.arange(size) * steps, room=size * steps, blank=batch.leave.blank)

    def new_outputs(self, rows: Tensor, width: int) -> Tensor:
        """Return room for the outputs of rows (N, F), zero where nothing will be written."""
        outputs = rows.new_empty(self.room, width)
        return outputs if self.blank is None else outputs.index_fill_(0, self.blank, 0.0)

    def clear_spare(self, *kept: Tensor) -> None:
        """Put zeros into the rows behind the last step, which no loop writes and products over all rows read."""
        count = int(self.lengths.sum())
        for tensor in kept:
            if len(tensor) > count:
                tensor[count:] = 0.0


class Way(NamedTuple):
    """What reads a layer in one direction."""

    mirrored: bool
    weights: list[Tensor]  # W (G·H, F), U (G·H, H) and, with bias, b and d (G·H,)
    state: tuple[Tensor, ...]  # (B, H) each


class Kept(NamedTuple):
    """What reading a layer leaves for the way back, of the rows' kind; empty where no gradient is wanted."""

    gates: Tensor  # (N, D, G·H); of an RNN nothing
    outputs: Tensor  # (N, D·H), h at every step
    before: Tensor  # (N, D, H), the h that each step began with
    inner: Tensor  # (N, D, H): of an LSTM the c that each step began with, float32; of a GRU U h + d of n; else nothing


def make_plan(lengths: Tensor, directions: int, *, spare: int = 0) -> Plan:
    """Share sequences out to threads: int64 (B,) lengths on the CPU; `spare` rows stand behind the last step."""
    # A copy, for the way back needs them too, whatever becomes of the caller's; the loops are compiled for contiguous
    # numbers, and would be compiled again for others.
    size = lengths.numpy().copy()
    shares = min(len(size), max(1, torch.get_num_threads() // directions))
    longest_first = np.argsort(-size, kind="stable")
    members = [np.ascontiguousarray(longest_first[share::shares]) for share in range(shares)]
    ends = np.cumsum(size)
    count, starts = int(ends[-1]), ends - size
    blank = torch.arange(count, count + spare, device="cpu") if spare else None
    return Plan(starts, size, members, starts, count + spare, blank)


def read(
    cell: Cell, rows: list[Tensor], plan: Plan, ways: list[Way], state: list[tuple[Tensor, ...]], *, keep: bool
) -> Kept:
    """Read with every direction: rows (N, F) for each; `state` goes in and out, float32."""
    first = rows[0]
    size = ways[0].state[0].shape[1]
    gates = _input_products(cell, rows, ways)
    # As wide as it is given on, for a view of it could not be changed in place by whoever gets it.
    outputs = plan.new_outputs(first, len(ways) * size)
    before = first.new_empty(len(first) if keep else 0, len(ways), size)
    inner = first.new_empty(
        len(first) if keep and not cell.startswith("rnn") else 0,
        len(ways),
        size,
        dtype=torch.float32 if cell == "lstm" else first.dtype,
    )
    plan.clear_spare(before)
    kernel = getattr(compiled_loops(), f"{cell.partition('_')[0]}_forward")
    arrays = [array_of(outputs.view(len(outputs), len(ways), size)), array_of(before)]
    if not cell.startswith("rnn"):
        arrays.append(array_of(inner))
    begin, end = array_of(gates), (*arrays, keep)
    hidden = [_packed(way.weights[1], first.dtype) for way in ways]
    extra = [_extra(cell, way) for way in ways]
    states = [[part.numpy() for part in parts] for parts in state]

    def run(number: int, share: int) -> None:
        members = plan.shares[share]
        own = [part[members] for part in states[number]]
        given = begin, number, ways[number].mirrored, hidden[number], *extra[number], *own, *end
        kernel(*given, members, plan.starts, plan.places, plan.lengths)
        for part, value in zip(states[number], own, strict=True):
            part[members] = value

    _run(run, plan, len(ways))
    return Kept(gates, outputs, before, inner)


def array_of(tensor: Tensor) -> Any:
    """Return a tensor's numbers as the kernels know them: float32, or bfloat16 in uint16."""
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _packed(matrix: Tensor, kind: torch.dtype) -> Any:
    """Return a matrix as the kernels multiply by its transpose."""
    from bothways.nn.kernel_products import pack

    return pack(matrix, kind).numpy()


def _extra(cell: Cell, way: Way) -> list[Any]:
    """Return what a forward kernel takes beside U: of a GRU the hidden bias of n, of an RNN whether relu is meant."""
    if cell == "lstm":
        return []
    if cell != "gru":
        return [cell == "rnn_relu"]
    size = way.weights[1].shape[1]
    bias = way.weights[3][2 * size :] if len(way.weights) == 4 else way.weights[1].new_zeros(size)
    return [bias.contiguous().numpy()]


def go_back(
    cell: Cell, kept: Kept, plan: Plan, ways: list[Way], doutputs: Tensor, dstate: list[tuple[Tensor, ...]]
) -> tuple[Kept, list[Tensor]]:
    """Go back over what was read; `dstate` goes in and out.

    Returns:
        `kept` with gradients in place of `gates` and, of a GRU, of `inner`; and for each direction float32 (G·H,), the
        sums of the first over all steps, and of a GRU those of the second, (4·H,) together.
    """
    kernel = getattr(compiled_loops(), f"{cell.partition('_')[0]}_backward")
    shape = len(doutputs), len(ways), -1
    dgates = kept.before.new_empty(len(kept.before), len(ways), len(ways[0].weights[0]))
    dinner = torch.empty_like(kept.inner) if cell == "gru" else kept.inner
    plan.clear_spare(dgates, *([dinner] if cell == "gru" else []))
    if cell == "lstm":
        given, needed = [kept.gates, dgates], [kept.inner]
    elif cell == "gru":
        given, needed = [kept.gates, dgates], [kept.before, kept.inner, dinner]
    else:
        given, needed = [dgates], [kept.outputs.view(shape)]
    begin = [array_of(tensor) for tensor in given]
    end = [array_of(tensor) for tensor in (doutputs.view(shape), *needed)]
    hidden = [_packed(way.weights[1].t(), kept.before.dtype) for way in ways]
    extra = [cell == "rnn_relu"] if cell.startswith("rnn") else []
    states = [[part.numpy() for part in parts] for parts in dstate]
    height = dgates.shape[2] + (dinner.shape[2] if cell == "gru" else 0)
    sums = {(number, share): np.zeros(height, "f") for number in range(len(ways)) for share in range(len(plan.shares))}

    def run(number: int, share: int) -> None:
        members = plan.shares[share]
        own = [part[members] for part in states[number]]
        given = *begin, number, ways[number].mirrored, hidden[number], sums[number, share], *extra, *own, *end
        kernel(*given, members, plan.starts, plan.places, plan.lengths)
        for part, value in zip(states[number], own, strict=True):
            part[members] = value

    _run(run, plan, len(ways))
    total = [sum(sums[number, share] for share in range(len(plan.shares))) for number in range(len(ways))]
    return kept._replace(gates=dgates, inner=dinner), [torch.from_numpy(one) for one in total]


def weight_gradients(cell: Cell, back: Kept, number: int, rows: Tensor, way: Way, sums: Tensor) -> list[Tensor]:
    """Return the gradients of W, U and the biases: large products over all steps at once, and what `go_back` summed."""
    size = back.before.shape[2]
    dw = _gradient(rows[:, None], 0, back.gates, number)
    if cell == "gru":
        reset_and_update = _gradient(back.before, number, back.gates, number, 2 * size)
        du = torch.cat([reset_and_update, _gradient(back.before, number, back.inner, number)])
        db, dd = sums[: 3 * size].clone(), torch.cat([sums[: 2 * size], sums[3 * size :]])
    else:
        du = _gradient(back.before, number, back.gates, number)
        # The same numbers, but not the same memory: whoever gets them may change one in place.
        db, dd = sums, sums.clone()
    return [dw, du, db, dd][: len(way.weights)]


def _gradient(left: Tensor, way_left: int, right: Tensor, way_right: int, columns: int | None = None) -> Tensor:
    """Return right^T @ left, float32 (O, F): of rows (N, D, F) and the first columns of others, one direction each."""
    from bothways.nn.kernel_products import COLUMNS, IS_WIDE, multiply_transposed

    height = right.shape[2] if columns is None else columns
    if left.dtype == torch.bfloat16 or not IS_WIDE:
        # The narrower of the two first, which is the quicker product; the gradient comes out transposed.
        return (left[:, way_left].t() @ right[:, way_right, :height]).t().float()
    there = left.new_empty(left.shape[2], height)
    given = there.numpy(), left.contiguous().numpy(), right.numpy(), way_left, way_right
    run_side_by_side(lambda piece: multiply_transposed(*given, *piece), _pieces(height, COLUMNS))
    return there.t()


def _pieces(count: int, step: int = 1) -> list[tuple[int, int]]:
    """Share `count` out to threads, first and last of each, in whole steps but for the last."""
    shares, steps = torch.get_num_threads(), -(-count // step)
    ends = [min(count, steps * share // shares * step) for share in range(shares + 1)]
    return [piece for piece in pairwise(ends) if piece[0] < piece[1]]


def input_gradients(back: Kept, ways: list[Way], *, apart: bool) -> Tensor:
    """Return the gradient of the rows that a layer read, (N, F); with `apart`, (N, D·F), each direction's own."""
    weights = [way.weights[0].to(back.gates.dtype) for way in ways]
    if apart:
        return torch.cat([back.gates[:, number] @ weight for number, weight in enumerate(weights)], dim=1)
    found = back.gates.new_empty(len(back.gates), weights[0].shape[1])
    _multiply(found, back.gates.flatten(1), torch.cat(weights).t(), found.new_zeros(found.shape[1]))
    return found


def _input_products(cell: Cell, rows: list[Tensor], ways: list[Way]) -> Tensor:
    """Return W x and the biases that are simply added to it, (N, D, G·H): one product where all read the same."""
    weights = [way.weights[0].to(rows[0].dtype) for way in ways]
    biases = [_input_bias(cell, way) for way in ways]
    if all(one is rows[0] for one in rows):
        weights, biases = [torch.cat(weights)], [torch.cat(biases)]
    height = len(ways[0].weights[0])
    gates = rows[0].new_empty(len(rows[0]), len(ways), height)
    columns = torch.split(gates.flatten(1), len(weights[0]), dim=1)
    for there, one, weight, bias in zip(columns, rows, weights, biases, strict=False):
        _multiply(there, one, weight, bias)
    return gates


def _multiply(there: Tensor, rows: Tensor, weight: Tensor, bias: Tensor) -> None:
    """Write rows (N, F) @ weight (O, F)^T + bias into `there` (N, O): by tiles of float32, else by torch.

    torch's own product of float32 is a library's that on some processors uses but half the width of a register. For few
    rows it is quicker all the same, since the tiles want the weight packed.
    """
    is_tiled = rows.dtype == torch.float32 and len(rows) >= FEWEST and there.is_contiguous() and rows.is_contiguous()
    if not is_tiled:
        torch.addmm(bias.to(rows.dtype), rows, weight.t(), out=there)
        return
    from bothways.nn.kernel_products import multiply

    panels = _packed(weight, rows.dtype)
    given = there.numpy(), rows.numpy(), panels, bias.numpy()
    run_side_by_side(lambda piece: multiply(*given, *piece), _pieces(len(rows)))


def _input_bias(cell: Cell, way: Way) -> Tensor:
    """Return the biases that are simply added to W x, (G·H,): all but the hidden one of a GRU's n."""
    if len(way.weights) == 2:
        return way.weights[0].new_zeros(len(way.weights[0]))
    given, hidden = way.weights[2:]
    bias = given + hidden
    if cell == "gru":
        new = len(bias) // 3
        bias[2 * new :] = given[2 * new :]
    return bias


def compiles() -> bool:
    """Whether numba, which is installed, is to compile anything at all."""
    import numba

    return not numba.config.DISABLE_JIT  # type: ignore[attr-defined]


def compiled_loops() -> Any:
    """Import the compiled loops; the first run of each is compiled, for some seconds, and kept on disk."""
    from bothways.nn import kernels

    return kernels


def _run(work: Callable[[int, int], None], plan: Plan, directions: int) -> None:
    """Do the work of each direction and share, both by number."""
    tasks = [(number, share) for share in range(len(plan.shares)) for number in range(directions)]
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
