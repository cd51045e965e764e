"""The linear recurrence h[t] = a[t]·h[t-1] + b[t], element by element, for all steps of many sequences.

Going back over it is the same recurrence from the other end:

    g[t] = dh[t] + a[t+1]·g[t+1]      db[t] = g[t]      da[t] = g[t]·h[t-1]      dh[-1] = a[0]·g[0]

Sequences stand sorted, the longest first, and step t of all that are still being read before step t+1, without padding
(see `layout`): `counts` says how many there are at each step, and never rises. A direction that is mirrored reads the
same rows from the last step to the first, each sequence from its own end, so that nothing is ever copied for it.

Shapes: N rows, D directions, H width, B sequences, T steps.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from bothways.errors import check_choice
from bothways.nn.once import differentiable_once

# steps      one step after the other, for a CPU
# doubling   all steps at once, log2(T) times, for a GPU (Hillis and Steele, 1986; Blelloch, 1990)
Road = Literal["steps", "doubling"]


def scan(
    decay: Tensor,
    update: Tensor,
    start: Tensor,
    counts: Sequence[int],
    mirrored: Sequence[bool],
    *,
    road: Road | None = None,
) -> tuple[Tensor, Tensor]:
    """Find h at every step.

    Args:
        decay: float (N, D, H), a.
        update: float (N, D, H), b.
        start: float (D, B, H), h before the first step.
        counts: the sequences read at each step, B at the first.
        mirrored: for each direction, whether it reads from the last step to the first.
        road: how; None takes what suits the device.

    Returns:
        float (N, D, H), h at every step, and float (D, B, H), h after each sequence's own last step.
    """
    road = road or ("doubling" if decay.is_cuda else "steps")
    check_choice("road", road, get_args(Road))
    return _Scan.apply(decay, update, start, list(counts), list(mirrored), road)  # type: ignore[no-untyped-call,no-any-return]


def plain_scan(
    decay: Tensor, update: Tensor, start: Tensor, counts: Sequence[int], mirrored: Sequence[bool]
) -> tuple[Tensor, Tensor]:
    """Do what `scan` does, one sequence and one step at a time: slow, and simple enough to believe."""
    first = [sum(counts[:step]) for step in range(len(counts))]
    found: dict[tuple[int, int], Tensor] = {}
    final = list[Tensor]()
    for way, is_mirrored in enumerate(mirrored):
        for place in range(start.shape[1]):
            h = start[way, place]
            rows = [first[step] + place for step, count in enumerate(counts) if place < count]
            for row in reversed(rows) if is_mirrored else rows:
                h = decay[row, way] * h + update[row, way]
                found[row, way] = h
            final.append(h)
    states = [found[row, way] for row in range(len(decay)) for way in range(len(mirrored))]
    return torch.stack(states).view_as(decay), torch.stack(final).view_as(start)


def ends(states: Tensor, counts: Sequence[int], mirrored: Sequence[bool]) -> Tensor:
    """Pick each sequence's last read step: float (N, D, H) -> (D, B, H)."""
    last = last_rows(counts).to(states.device)
    return torch.stack(
        [states[: counts[0], way] if is_mirrored else states[last, way] for way, is_mirrored in enumerate(mirrored)]
    )


def last_rows(counts: Sequence[int]) -> Tensor:
    """Find the row of each sequence's last step: int64 (B,)."""
    here, places = torch.tensor(counts, device="cpu"), torch.arange(counts[0], device="cpu")
    lengths = (here > places[:, None]).sum(1)
    return (here.cumsum(0) - here)[lengths - 1] + places


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, decay: Tensor, update: Tensor, start: Tensor, counts: list[int], mirrored: list[bool], road: Road
    ) -> tuple[Tensor, Tensor]:
        read = _read_in_steps if road == "steps" else _read_by_doubling
        states = torch.empty_like(update)
        for way, is_mirrored in enumerate(mirrored):
            read(decay[:, way], update[:, way], start[way], states[:, way], counts, is_mirrored)
        ctx.counts, ctx.mirrored, ctx.road = counts, mirrored, road
        ctx.save_for_backward(decay, start, states)
        return states, ends(states, counts, mirrored)

    @staticmethod
    @differentiable_once
    def backward(
        ctx: Any, saved: tuple[Tensor, ...], dstates: Tensor, dfinal: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        decay, start, states = saved
        go_back = _go_back_in_steps if ctx.road == "steps" else _go_back_by_doubling
        ddecay, dupdate, dstart = torch.empty_like(states), torch.empty_like(states), dfinal.clone()
        for way, is_mirrored in enumerate(ctx.mirrored):
            there = ddecay[:, way], dupdate[:, way], dstart[way]
            go_back(decay[:, way], start[way], states[:, way], dstates[:, way], *there, ctx.counts, is_mirrored)
        return ddecay, dupdate, dstart, None, None, None


def _in_order(counts: list[int], mirrored: bool) -> range:
    """Return the steps as a direction reads them."""
    return range(len(counts) - 1, -1, -1) if mirrored else range(len(counts))


def _read_in_steps(
    decay: Tensor, update: Tensor, start: Tensor, states: Tensor, counts: list[int], mirrored: bool
) -> None:
    """Write h into `states`, (N, H).

    A step's rows (B·H numbers) stay in the cache from one step to the next, so a loop reads a and b and writes h once
    each. That is the least memory traffic there can be; a scan in blocks does log2(block) times as much.
    """
    a, b, h = decay.split(counts), update.split(counts), states.split(counts)  # type: ignore[no-untyped-call]
    before = start[: counts[-1] if mirrored else counts[0]]
    for step in _in_order(counts, mirrored):
        count, known = counts[step], min(len(before), counts[step])
        if known < count:
            begun = slice(known, count)
            torch.addcmul(b[step][begun], a[step][begun], start[begun], out=h[step][begun])
        there = [_first(rows, known) for rows in (b[step], a[step], before, h[step])]
        torch.addcmul(*there[:3], out=there[3])
        before = h[step]


def _go_back_in_steps(
    decay: Tensor,
    start: Tensor,
    states: Tensor,
    dstates: Tensor,
    ddecay: Tensor,
    dupdate: Tensor,
    dstart: Tensor,
    counts: list[int],
    mirrored: bool,
) -> None:
    """Write the gradients; `dstart` (B, H) comes in as the gradient of the final state."""
    a, h, dh = decay.split(counts), states.split(counts), dstates.split(counts)  # type: ignore[no-untyped-call]
    da, g = ddecay.split(counts), dupdate.split(counts)  # type: ignore[no-untyped-call]
    for step in _in_order(counts, not mirrored):
        count, above = counts[step], step + 1 if mirrored else step - 1
        carried = _first(dstart, count)
        torch.add(dh[step], carried, out=g[step])
        torch.mul(a[step], g[step], out=carried)
        known = min(counts[above], count) if 0 <= above < len(counts) else 0
        if known < count:
            torch.mul(g[step][known:], start[known:count], out=da[step][known:])
        if known:
            torch.mul(_first(g[step], known), _first(h[above], known), out=_first(da[step], known))


def _first(rows: Tensor, count: int) -> Tensor:
    """Return the first rows, without the cost of a slice where that is all of them."""
    return rows if len(rows) == count else rows[:count]


def _read_by_doubling(
    decay: Tensor, update: Tensor, start: Tensor, states: Tensor, counts: list[int], mirrored: bool
) -> None:
    """Write h into `states`, (N, H)."""
    where = _places(counts, mirrored, decay.device)
    h = _double(_padded(decay, where, counts, 1.0), _padded(update, where, counts, 0.0), start)
    states.copy_(h.flatten(0, 1)[where])


def _go_back_by_doubling(
    decay: Tensor,
    start: Tensor,
    states: Tensor,
    dstates: Tensor,
    ddecay: Tensor,
    dupdate: Tensor,
    dstart: Tensor,
    counts: list[int],
    mirrored: bool,
) -> None:
    """Write the gradients; what reaches step t-1, a[t]·g[t] = a[t]·(dh[t] + a[t+1]·g[t+1]), is a scan as well."""
    where = _places(counts, mirrored, decay.device)
    a = _padded(decay, where, counts, 1.0)
    dh = _padded(dstates, where, counts, 0.0)
    carried = _double(a.flip(0), (a * dh).flip(0), dstart).flip(0)
    g = dh + torch.cat([carried[1:], dstart[None]])
    dupdate.copy_(g.flatten(0, 1)[where])
    dstart.copy_(carried[0])
    # On padding, which a mirrored direction meets first, h stays what it was: the start.
    h = start.expand(len(counts), *start.shape).flatten(0, 1).index_copy(0, where, states).view_as(a)
    ddecay.copy_(dupdate * torch.cat([start[None], h[:-1]]).flatten(0, 1)[where])


def _double(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """Return h of (T, B, H): after k doublings a and b carry from 2^k steps before to here."""
    b = torch.cat([(b[0] + a[0] * start)[None], b[1:]])
    reach = 1
    while reach < len(a):
        b = torch.cat([b[:reach], b[reach:] + a[reach:] * b[:-reach]])
        a = torch.cat([a[:reach], a[reach:] * a[:-reach]])
        reach *= 2
    return b


def _places(counts: list[int], mirrored: bool, device: torch.device) -> Tensor:
    """Say where each row stands in (T·B,), the steps in the order in which they are read: int64 (N,)."""
    here = torch.tensor(counts, device="cpu")
    step = torch.repeat_interleave(torch.arange(len(counts), device="cpu"), here)
    place = torch.arange(len(step), device="cpu") - (here.cumsum(0) - here)[step]
    return ((len(counts) - 1 - step if mirrored else step) * counts[0] + place).to(device)


def _padded(rows: Tensor, where: Tensor, counts: list[int], fill: float) -> Tensor:
    """Put rows (N, H) into (T, B, H)."""
    size = len(counts) * counts[0], rows.shape[1]
    return rows.new_full(size, fill).index_copy(0, where, rows).view(len(counts), counts[0], -1)
