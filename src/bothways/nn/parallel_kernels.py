"""The parallel cells for a CPU, compiled: gates and scan in one pass over memory, forward and back.

A call reads one direction, some of the sequences and some of the columns, so that calls can run side by side: those
places p with p % shares == share, columns first to last. Rows stand as in `scan`: place p of step t is row
starts[t] + p, and only the first counts[t] places are read at step t, so there is no padding.

Loops touch few arrays each, which is what the compiler turns into vector instructions; the slices of one row stay in
the first-level cache between them. Gates are computed anew on the way back, which is cheaper than to keep them.

Shapes: N rows, D directions, G gates, H hidden width, B sequences, T steps. Everything is contiguous. `states`, `start`
and `carry`, which go from step to step, are float32; all else is float32 or bfloat16 (see `kernel_numbers`).
"""

import numpy as np

from bothways.nn.kernel_activations import exp, sigmoid, tanh
from bothways.nn.kernel_numbers import add, compiled, copy, f32, put, take


@compiled
def gate(there, values):
    """there[:] = sigmoid(values); `there` is float32."""
    for j in range(len(values)):
        there[j] = sigmoid(take(values, j))


@compiled
def before(step, place, way, mirrored, first, last, start, states, starts, counts):
    """Return the state that a step begins with: the state of the step read before it, or the start."""
    above = step + 1 if mirrored else step - 1
    if above < 0 or above == len(counts) or place >= counts[above]:
        return start[way, place, first:last]
    return states[starts[above] + place, way, first:last]


@compiled
def mingru_forward(
    gates, skip, start, states, outputs, starts, counts, way, mirrored, share, shares, first, last
):  # fmt: skip
    """Read with a MinGRU.

    Args:
        gates: (N, D, 2·H), what z and c are made of.
        skip: not used.
        start: (D, B, H), the state before the first step.
        states: (N, D, H); out: the state at every step.
        outputs: (N, D, H); out: the state at every step once more, or no rows if nobody wants it.
        starts: int64 (T,), the row of each step's first place.
        counts: int64 (T,), the places read at each step.
        way: which of the D directions.
        mirrored: whether it reads from the last step to the first.
        share: which places.
        shares: how many calls share the places.
        first: the first column.
        last: the column after the last one.
    """
    size = start.shape[2]
    for read in range(len(counts)):
        step = len(counts) - 1 - read if mirrored else read
        for place in range(share, counts[step], shares):
            row = starts[step] + place
            z, c = gates[row, way, first:last], gates[row, way, size + first : size + last]
            old = before(step, place, way, mirrored, first, last, start, states, starts, counts)
            new = states[row, way, first:last]
            for j in range(len(new)):
                new[j] = old[j] + sigmoid(take(z, j)) * (take(c, j) - old[j])
            if len(outputs):
                copy(outputs[row, way, first:last], new)


@compiled
def mingru_backward(
    gates, skip, start, states, doutputs, dgates, dskip, carry, starts, counts, way, mirrored, share, shares, first,
    last,
):  # fmt: skip
    """Go back over `mingru_forward`.

    Args:
        gates: (N, D, 2·H), as it was read.
        skip: not used.
        start: (D, B, H), the state before the first step.
        states: (N, D, H), the state at every step.
        doutputs: (N, D, H), the gradient of every step's state.
        dgates: (N, D, 2·H); out: the gradient of `gates`.
        dskip: not used.
        carry: (D, B, H); in: the gradient of the final state; out: of `start`.
        starts: as it was; so are all that follow.
        counts: int64 (T,).
        way: which of the D directions.
        mirrored: whether it was read from the last step to the first.
        share: which places.
        shares: how many calls share the places.
        first: the first column.
        last: the column after the last one.
    """
    size = start.shape[2]
    opened = np.empty(last - first, f32)
    for read in range(len(counts)):
        step = read if mirrored else len(counts) - 1 - read
        for place in range(share, counts[step], shares):
            row = starts[step] + place
            z, c = gates[row, way, first:last], gates[row, way, size + first : size + last]
            dz, dc = dgates[row, way, first:last], dgates[row, way, size + first : size + last]
            old = before(step, place, way, mirrored, first, last, start, states, starts, counts)
            g = carry[way, place, first:last]
            add(g, doutputs[row, way, first:last])
            gate(opened, z)
            for j in range(len(g)):
                put(dc, j, g[j] * opened[j])
            for j in range(len(g)):
                g[j] *= f32(1) - opened[j]
            for j in range(len(g)):
                put(dz, j, opened[j] * g[j] * (take(c, j) - old[j]))


@compiled
def share_of(f, i):
    """sigmoid(f) / (sigmoid(f) + sigmoid(i)), also where both are zero in floating point. NaN stays NaN.

    With m the least of f, i and 0 it is b / (a + b) for a = e^m + e^(m-f) and b = e^m + e^(m-i), which cannot overflow.
    """
    least = f if f < i else i
    least = f32(0) if least > f32(0) else least
    whole = exp(least)
    a, b = whole + exp(least - f), whole + exp(least - i)
    return b / (a + b)


@compiled
def minlstm_forward(
    gates, skip, start, states, outputs, starts, counts, way, mirrored, share, shares, first, last
):  # fmt: skip
    """Read with a MinLSTM; see `mingru_forward`. gates: (N, D, 3·H), what f, i and c are made of."""
    size = start.shape[2]
    for read in range(len(counts)):
        step = len(counts) - 1 - read if mirrored else read
        for place in range(share, counts[step], shares):
            row = starts[step] + place
            f, i = gates[row, way, first:last], gates[row, way, size + first : size + last]
            c = gates[row, way, 2 * size + first : 2 * size + last]
            old = before(step, place, way, mirrored, first, last, start, states, starts, counts)
            new = states[row, way, first:last]
            for j in range(len(new)):
                new[j] = take(c, j) + share_of(take(f, j), take(i, j)) * (old[j] - take(c, j))
            if len(outputs):
                copy(outputs[row, way, first:last], new)


@compiled
def minlstm_backward(
    gates, skip, start, states, doutputs, dgates, dskip, carry, starts, counts, way, mirrored, share, shares, first,
    last,
):  # fmt: skip
    """Go back over `minlstm_forward`; see `mingru_backward`. gates and dgates: (N, D, 3·H)."""
    size = start.shape[2]
    common, kept = np.empty(last - first, f32), np.empty(last - first, f32)
    for read in range(len(counts)):
        step = read if mirrored else len(counts) - 1 - read
        for place in range(share, counts[step], shares):
            row = starts[step] + place
            f, i = gates[row, way, first:last], gates[row, way, size + first : size + last]
            c, df = gates[row, way, 2 * size + first : 2 * size + last], dgates[row, way, first:last]
            di = dgates[row, way, size + first : size + last]
            dc = dgates[row, way, 2 * size + first : 2 * size + last]
            old = before(step, place, way, mirrored, first, last, start, states, starts, counts)
            g = carry[way, place, first:last]
            add(g, doutputs[row, way, first:last])
            for j in range(len(g)):
                kept[j] = share_of(take(f, j), take(i, j))
            for j in range(len(g)):
                common[j] = g[j] * (f32(1) - kept[j])
                put(dc, j, common[j])
            for j in range(len(g)):
                common[j] *= kept[j] * (old[j] - take(c, j))
                g[j] *= kept[j]
            for j in range(len(g)):
                put(df, j, common[j] * (f32(1) - sigmoid(take(f, j))))
            for j in range(len(g)):
                put(di, j, common[j] * (sigmoid(take(i, j)) - f32(1)))


@compiled
def sru_forward(
    gates, skip, start, states, outputs, starts, counts, way, mirrored, share, shares, first, last
):  # fmt: skip
    """Read with an SRU; see `mingru_forward`.

    gates: (N, D, 3·H), what f, r and x are made of. skip: (N, D, H), what passes by the cell. states: (N, D, H); out:
    the cell at every step. outputs: (N, D, H); out: h at every step.
    """
    size = start.shape[2]
    for read in range(len(counts)):
        step = len(counts) - 1 - read if mirrored else read
        for place in range(share, counts[step], shares):
            row = starts[step] + place
            f, r = gates[row, way, first:last], gates[row, way, size + first : size + last]
            x, s = gates[row, way, 2 * size + first : 2 * size + last], skip[row, way, first:last]
            old = before(step, place, way, mirrored, first, last, start, states, starts, counts)
            cell, out = states[row, way, first:last], outputs[row, way, first:last]
            for j in range(len(cell)):
                cell[j] = take(x, j) + sigmoid(take(f, j)) * (old[j] - take(x, j))
            for j in range(len(cell)):
                put(out, j, take(s, j) + sigmoid(take(r, j)) * (tanh(cell[j]) - take(s, j)))


@compiled
def sru_backward(
    gates, skip, start, states, doutputs, dgates, dskip, carry, starts, counts, way, mirrored, share, shares, first,
    last,
):  # fmt: skip
    """Go back over `sru_forward`; see `mingru_backward`.

    gates and dgates: (N, D, 3·H). skip: (N, D, H). dskip: (N, D, H); out: its gradient. doutputs: the gradient of h.
    carry: the gradient of the cell.
    """
    size = start.shape[2]
    squashed, f, r = np.empty(last - first, f32), np.empty(last - first, f32), np.empty(last - first, f32)
    for read in range(len(counts)):
        step = read if mirrored else len(counts) - 1 - read
        for place in range(share, counts[step], shares):
            row = starts[step] + place
            x, s = gates[row, way, 2 * size + first : 2 * size + last], skip[row, way, first:last]
            df, dr = dgates[row, way, first:last], dgates[row, way, size + first : size + last]
            dx, ds = dgates[row, way, 2 * size + first : 2 * size + last], dskip[row, way, first:last]
            old = before(step, place, way, mirrored, first, last, start, states, starts, counts)
            cell, g, dout = states[row, way, first:last], carry[way, place, first:last], doutputs[row, way, first:last]
            gate(f, gates[row, way, first:last])
            gate(r, gates[row, way, size + first : size + last])
            for j in range(len(g)):
                squashed[j] = tanh(cell[j])
            for j in range(len(g)):
                put(ds, j, take(dout, j) * (f32(1) - r[j]))
            for j in range(len(g)):
                g[j] += take(dout, j) * r[j] * (f32(1) - squashed[j] * squashed[j])
            for j in range(len(g)):
                put(dr, j, r[j] * take(dout, j) * (f32(1) - r[j]) * (squashed[j] - take(s, j)))
            for j in range(len(g)):
                put(dx, j, g[j] * (f32(1) - f[j]))
            for j in range(len(g)):
                g[j] *= f[j]
            for j in range(len(g)):
                put(df, j, g[j] * (f32(1) - f[j]) * (old[j] - take(x, j)))
