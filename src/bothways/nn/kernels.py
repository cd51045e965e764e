"""The time loops of the exact cells for a CPU, compiled: all steps of some sequences, read in one direction, in a call.

A call reads `members`, sequences sorted by length, the longest first, so that those still being read are always the
first `live` ones. Their states stay in the cache from step to step. Rows of all sequences lie one after another:
sequence b, step t is row starts[b] + t. Nothing else is ever touched, so there is no padding here.

Shapes: N rows, D directions, G gates, H hidden width, M members of the call. Everything is float32 and contiguous, and
`way` says which of the D directions the call reads. A kernel gets W x + b in `gates` (N, D, G·H) and leaves the gates
there; the backward kernel gets the gates and leaves the gradients of W x + b.
"""

import numpy as np
from numba import njit

f32 = np.float32
LOG2_E = f32(1.4426950408889634)
LN_2 = f32(0.6931471805599453)

# A tile of a matrix takes up to 256 kB, a part of the second-level cache.
TILE_WIDTH = 1024
TILE_TERMS = 64

# Sums may be taken in another order, and a product and a sum in one rounding; NaN and infinity keep their meaning.
compiled = njit(
    nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp"}, boundscheck=False
)


@compiled
def sigmoid(x):
    """1 / (1 + exp(-x)) within 1e-7; exp(y) is 2^n exp(f) with a Taylor sum for |f| <= ln(2) / 2. NaN stays NaN."""
    y = -x * LOG2_E
    y = f32(-126) if y < f32(-126) else y
    y = f32(126) if y > f32(126) else y
    whole = np.floor(y + f32(0.5))
    f = (y - whole) * LN_2
    e = f32(1) + f * (
        f32(1) + f * (f32(1 / 2) + f * (f32(1 / 6) + f * (f32(1 / 24) + f * (f32(1 / 120) + f * f32(1 / 720)))))
    )
    power = np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)
    return f32(1) / (f32(1) + e * power)


@compiled
def tanh(x):
    """Within 2e-7."""
    return f32(2) * sigmoid(f32(2) * x) - f32(1)


@compiled
def squash(values):
    """Put sigmoid(x) in the place of each x."""
    for j in range(len(values)):
        values[j] = sigmoid(values[j])


@compiled
def squash_both_ways(values):
    """Put tanh(x) in the place of each x."""
    for j in range(len(values)):
        values[j] = tanh(values[j])


@compiled
def copy(there, values):
    """there[:] = values, without numpy's checks."""
    for j in range(len(values)):
        there[j] = values[j]


@compiled
def add(there, values):
    """there[:] += values, without numpy's checks."""
    for j in range(len(values)):
        there[j] += values[j]


@compiled
def clear(there):
    """there[:] = 0, without numpy's checks."""
    for j in range(len(there)):
        there[j] = f32(0)


@compiled
def row_of(sequence, step, mirrored, starts, lengths):
    """Return the row that a direction reads at a step."""
    return starts[sequence] + (lengths[sequence] - 1 - step if mirrored else step)


@compiled
def add_product(total, rows, count, matrix):
    """total[:count] += rows[:count] @ matrix, in tiles of the matrix that stay in the cache while all rows pass."""
    terms, width = matrix.shape
    for first in range(0, width, TILE_WIDTH):
        last = min(first + TILE_WIDTH, width)
        for start in range(0, terms, TILE_TERMS):
            stop = min(start + TILE_TERMS, terms)
            for r in range(0, count - 1, 2):
                add_two(
                    total[r, first:last], total[r + 1, first:last], rows[r], rows[r + 1], matrix, first, start, stop
                )
            if count % 2:
                add_one(total[count - 1, first:last], rows[count - 1], matrix, first, start, stop)


@compiled
def add_two(t, u, a, b, matrix, first, start, stop):
    """Add: t += a @ tile and u += b @ tile. Two rows and four terms at a time are what the registers hold."""
    last = first + len(t)
    fours = start + (stop - start) // 4 * 4
    for k in range(start, fours, 4):
        a0, a1, a2, a3 = a[k], a[k + 1], a[k + 2], a[k + 3]
        b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
        m0, m1, m2, m3 = (
            matrix[k, first:last],
            matrix[k + 1, first:last],
            matrix[k + 2, first:last],
            matrix[k + 3, first:last],
        )
        for j in range(len(t)):
            w, x, y, z = m0[j], m1[j], m2[j], m3[j]
            t[j] += a0 * w + a1 * x + a2 * y + a3 * z
            u[j] += b0 * w + b1 * x + b2 * y + b3 * z
    for k in range(fours, stop):
        m0 = matrix[k, first:last]
        for j in range(len(t)):
            t[j] += a[k] * m0[j]
            u[j] += b[k] * m0[j]


@compiled
def add_one(t, a, matrix, first, start, stop):
    """Add: t += a @ tile."""
    last = first + len(t)
    fours = start + (stop - start) // 4 * 4
    for k in range(start, fours, 4):
        a0, a1, a2, a3 = a[k], a[k + 1], a[k + 2], a[k + 3]
        m0, m1, m2, m3 = (
            matrix[k, first:last],
            matrix[k + 1, first:last],
            matrix[k + 2, first:last],
            matrix[k + 3, first:last],
        )
        for j in range(len(t)):
            t[j] += a0 * m0[j] + a1 * m1[j] + a2 * m2[j] + a3 * m3[j]
    for k in range(fours, stop):
        m0 = matrix[k, first:last]
        for j in range(len(t)):
            t[j] += a[k] * m0[j]


@compiled
def gru_forward(gates, way, mirrored, hidden, bias, h, outputs, before, products, keep, members, starts, lengths):
    """Read with a GRU.

    Args:
        gates: (N, D, 3·H); in: W x + b, with the hidden biases of r and z; out, if kept: r, z, n.
        way: which of the D directions.
        mirrored: whether it reads from the last step to the first.
        hidden: (H, 3·H), the transpose of U.
        bias: (H,), the hidden bias of n.
        h: (M, H), the state; in: the initial one; out: the final one.
        outputs: (N, D, H); out: h at every step.
        before: (N, D, H); out, if kept: the h each step began with.
        products: (N, D, H); out, if kept: U h + d of n.
        keep: whether a gradient will be wanted.
        members: int64 (M,).
        starts: int64 (B,).
        lengths: int64 (B,).
    """
    size = h.shape[1]
    total = np.empty((len(members), 3 * size), f32)
    live = len(members)
    for step in range(lengths[members[0]]):
        while lengths[members[live - 1]] <= step:
            live -= 1
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            given = gates[row, way]
            sums = total[m]
            for j in range(2 * size):
                sums[j] = given[j]
            for j in range(size):
                sums[2 * size + j] = bias[j]
        add_product(total, h, live, hidden)
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            given = gates[row, way]
            sums, state, out = total[m], h[m], outputs[row, way]
            r, z, n = sums[:size], sums[size : 2 * size], given[2 * size :]
            product = sums[2 * size :]
            if keep:
                copy(before[row, way], state)
                copy(products[row, way], product)
            squash(sums[: 2 * size])
            for j in range(size):
                n[j] += r[j] * product[j]
            squash_both_ways(n)
            for j in range(size):
                state[j] = n[j] + z[j] * (state[j] - n[j])
            copy(out, state)
            if keep:
                copy(given[: 2 * size], sums[: 2 * size])


@compiled
def gru_backward(gates, way, mirrored, hidden, dh, doutputs, before, products, members, starts, lengths):
    """Go back over what `gru_forward` kept.

    Args:
        gates: (N, D, 3·H); in: r, z, n; out: the gradients of W x + b.
        way: which of the D directions.
        mirrored: whether it reads from the last step to the first.
        hidden: (3·H, H), U.
        dh: (M, H); in: the gradient of the final state; out: of the initial one.
        doutputs: (N, D, H), the gradient of h at every step.
        before: (N, D, H), the h each step began with.
        products: (N, D, H); in: U h + d of n; out: its gradient.
        members: int64 (M,).
        starts: int64 (B,).
        lengths: int64 (B,).
    """
    size = dh.shape[1]
    total = np.empty((len(members), 3 * size), f32)
    live = 0
    for step in range(lengths[members[0]] - 1, -1, -1):
        while live < len(members) and lengths[members[live]] > step:
            live += 1
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            given, sums, dstate = gates[row, way], total[m], dh[m]
            dout, old, product = doutputs[row, way], before[row, way], products[row, way]
            r, z, n = given[:size], given[size : 2 * size], given[2 * size :]
            dr, dz, dp = sums[:size], sums[size : 2 * size], sums[2 * size :]
            add(dstate, dout)
            for j in range(size):
                dp[j] = dstate[j] * (f32(1) - z[j]) * (f32(1) - n[j] * n[j])
            for j in range(size):
                dz[j] = dstate[j] * (old[j] - n[j]) * z[j] * (f32(1) - z[j])
            for j in range(size):
                dr[j] = dp[j] * product[j] * r[j] * (f32(1) - r[j])
            for j in range(size):
                dstate[j] *= z[j]
            copy(n, dp)
            for j in range(size):
                dp[j] *= r[j]
            copy(product, dp)
            copy(given[: 2 * size], sums[: 2 * size])
        add_product(dh, total, live, hidden)


@compiled
def lstm_forward(gates, way, mirrored, hidden, h, c, outputs, before, cells, keep, members, starts, lengths):
    """Read with an LSTM.

    Args:
        gates: (N, D, 4·H); in: W x + b + d; out, if kept: i, f, g, o.
        way: which of the D directions.
        mirrored: whether it reads from the last step to the first.
        hidden: (H, 4·H), the transpose of U.
        h: (M, H), the state; in: the initial one; out: the final one.
        c: (M, H), its other part.
        outputs: (N, D, H); out: h at every step.
        before: (N, D, H); out, if kept: the h each step began with.
        cells: (N, D, H); out, if kept: the c each step began with.
        keep: whether a gradient will be wanted.
        members: int64 (M,).
        starts: int64 (B,).
        lengths: int64 (B,).
    """
    size = h.shape[1]
    total = np.empty((len(members), 4 * size), f32)
    live = len(members)
    for step in range(lengths[members[0]]):
        while lengths[members[live - 1]] <= step:
            live -= 1
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            given, sums = gates[row, way], total[m]
            for j in range(4 * size):
                sums[j] = given[j]
        add_product(total, h, live, hidden)
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            sums, state, cell, out = total[m], h[m], c[m], outputs[row, way]
            squash(sums[: 2 * size])
            squash_both_ways(sums[2 * size : 3 * size])
            squash(sums[3 * size :])
            if keep:
                copy(before[row, way], state)
                copy(cells[row, way], cell)
                copy(gates[row, way], sums)
            i, f, g, o = sums[:size], sums[size : 2 * size], sums[2 * size : 3 * size], sums[3 * size :]
            for j in range(size):
                cell[j] = f[j] * cell[j] + i[j] * g[j]
            copy(state, cell)
            squash_both_ways(state)
            for j in range(size):
                state[j] *= o[j]
            copy(out, state)


@compiled
def lstm_backward(gates, way, mirrored, hidden, dh, dc, doutputs, cells, members, starts, lengths):
    """Go back over what `lstm_forward` kept.

    Args:
        gates: (N, D, 4·H); in: i, f, g, o; out: the gradients of W x + b.
        way: which of the D directions.
        mirrored: whether it reads from the last step to the first.
        hidden: (4·H, H), U.
        dh: (M, H); in: the gradient of the final state; out: of the initial one.
        dc: (M, H), that of its other part.
        doutputs: (N, D, H), the gradient of h at every step.
        cells: (N, D, H), the c each step began with.
        members: int64 (M,).
        starts: int64 (B,).
        lengths: int64 (B,).
    """
    size = dh.shape[1]
    total = np.empty((len(members), 4 * size), f32)
    live = 0
    for step in range(lengths[members[0]] - 1, -1, -1):
        while live < len(members) and lengths[members[live]] > step:
            live += 1
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            given, sums, dstate, dcell = gates[row, way], total[m], dh[m], dc[m]
            dout, old = doutputs[row, way], cells[row, way]
            i, f, g, o = given[:size], given[size : 2 * size], given[2 * size : 3 * size], given[3 * size :]
            di, df, dg, do = sums[:size], sums[size : 2 * size], sums[2 * size : 3 * size], sums[3 * size :]
            add(dstate, dout)
            for j in range(size):
                do[j] = f[j] * old[j] + i[j] * g[j]
            squash_both_ways(do)
            for j in range(size):
                df[j] = dcell[j] + dstate[j] * o[j] * (f32(1) - do[j] * do[j])
            for j in range(size):
                do[j] *= dstate[j] * o[j] * (f32(1) - o[j])
            for j in range(size):
                dcell[j] = df[j] * f[j]
            for j in range(size):
                di[j] = df[j] * g[j] * i[j] * (f32(1) - i[j])
            for j in range(size):
                dg[j] = df[j] * i[j] * (f32(1) - g[j] * g[j])
            for j in range(size):
                df[j] *= old[j] * f[j] * (f32(1) - f[j])
            copy(given, sums)
            clear(dstate)
        add_product(dh, total, live, hidden)


@compiled
def rnn_forward(gates, way, mirrored, hidden, relu, h, outputs, before, keep, members, starts, lengths):
    """Read with a plain RNN.

    Args:
        gates: (N, D, H); in: W x + b + d.
        way: which of the D directions.
        mirrored: whether it reads from the last step to the first.
        hidden: (H, H), the transpose of U.
        relu: whether relu stands in place of tanh.
        h: (M, H), the state; in: the initial one; out: the final one.
        outputs: (N, D, H); out: h at every step.
        before: (N, D, H); out, if kept: the h each step began with.
        keep: whether a gradient will be wanted.
        members: int64 (M,).
        starts: int64 (B,).
        lengths: int64 (B,).
    """
    size = h.shape[1]
    total = np.empty((len(members), size), f32)
    live = len(members)
    for step in range(lengths[members[0]]):
        while lengths[members[live - 1]] <= step:
            live -= 1
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            given, sums = gates[row, way], total[m]
            for j in range(size):
                sums[j] = given[j]
        add_product(total, h, live, hidden)
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            sums, state, out = total[m], h[m], outputs[row, way]
            if keep:
                old = before[row, way]
                for j in range(size):
                    old[j] = state[j]
            if relu:
                for j in range(size):
                    state[j] = f32(0) if sums[j] < f32(0) else sums[j]
                    out[j] = state[j]
            else:
                for j in range(size):
                    state[j] = tanh(sums[j])
                    out[j] = state[j]


@compiled
def rnn_backward(gates, way, mirrored, hidden, relu, dh, doutputs, outputs, members, starts, lengths):
    """Go back over what `rnn_forward` kept.

    Args:
        gates: (N, D, H); out: the gradients of W x + b.
        way: which of the D directions.
        mirrored: whether it reads from the last step to the first.
        hidden: (H, H), U.
        relu: whether relu stood in place of tanh.
        dh: (M, H); in: the gradient of the final state; out: of the initial one.
        doutputs: (N, D, H), the gradient of h at every step.
        outputs: (N, D, H), h at every step.
        members: int64 (M,).
        starts: int64 (B,).
        lengths: int64 (B,).
    """
    size = dh.shape[1]
    total = np.empty((len(members), size), f32)
    live = 0
    for step in range(lengths[members[0]] - 1, -1, -1):
        while live < len(members) and lengths[members[live]] > step:
            live += 1
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            sums, given, dstate = total[m], gates[row, way], dh[m]
            dout, out = doutputs[row, way], outputs[row, way]
            for j in range(size):
                slope = (f32(0) if out[j] <= f32(0) else f32(1)) if relu else f32(1) - out[j] * out[j]
                sums[j] = (dstate[j] + dout[j]) * slope
                given[j] = sums[j]
                dstate[j] = f32(0)
        add_product(dh, total, live, hidden)
