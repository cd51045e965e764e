"""The time loops of the exact cells for a CPU, compiled: all steps of some sequences, read in one direction, in a call.

A call reads `members`, sequences sorted by length, the longest first, so that those still being read are always the
first `live` ones. Their states stay in the cache from step to step. Rows of all sequences lie one after another:
sequence b, step t is row starts[b] + t. Nothing else is ever touched, so there is no padding here.

Shapes: N rows, D directions, G gates, H hidden width, M members of the call. Everything is contiguous, and `way` says
which of the D directions the call reads. A kernel gets W x + b in `gates` (N, D, G·H) and leaves the gates there; the
backward kernel gets the gates and leaves the gradients of W x + b in `dgates`. Numbers of rows, (N, ...), are float32
or bfloat16 (see `kernel_numbers`), but for the c of an LSTM; all others are float32. U is packed in the rows' kind.
"""

import numpy as np

from bothways.nn.kernel_activations import sigmoid, squash, squash_both_ways, tanh
from bothways.nn.kernel_numbers import add, clear, compiled, copy, f32, put, take
from bothways.nn.kernel_products import add_product, room_for, sums_of


@compiled
def row_of(sequence, step, mirrored, starts, lengths):
    """Return the row that a direction reads at a step."""
    return starts[sequence] + (lengths[sequence] - 1 - step if mirrored else step)


@compiled
def gru_forward(
    gates, way, mirrored, hidden, bias, h, outputs, before, products, keep, members, starts, places, lengths
):
    """Read with a GRU.

    Args:
        gates: (N, D, 3·H); in: W x + b, with the hidden biases of r and z; out, if kept: r, z, n.
        way: which of the D directions.
        mirrored: whether it reads from the last step to the first.
        hidden: U, packed by `pack`.
        bias: (H,), the hidden bias of n.
        h: (M, H), the state; in: the initial one; out: the final one.
        outputs: (N, D, H); out: h at every step.
        before: (N, D, H); out, if kept: the h each step began with.
        products: (N, D, H); out, if kept: U h + d of n.
        keep: whether a gradient will be wanted.
        members: int64 (M,).
        starts: int64 (B,).
        places: int64 (B,).
        lengths: int64 (B,).
    """
    size = h.shape[1]
    total, halves = sums_of(hidden, len(members)), room_for(hidden, len(members))
    live = len(members)
    for step in range(lengths[members[0]]):
        while lengths[members[live - 1]] <= step:
            live -= 1
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            given = gates[row, way]
            sums = total[m, : 3 * size]
            for j in range(2 * size):
                sums[j] = take(given, j)
            for j in range(size):
                sums[2 * size + j] = bias[j]
        add_product(total, h, live, hidden, halves)
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            given = gates[row, way]
            sums, state = total[m, : 3 * size], h[m]
            out = outputs[row_of(b, step, mirrored, places, lengths), way]
            r, z, n = sums[:size], sums[size : 2 * size], sums[2 * size :]
            if keep:
                copy(before[row, way], state)
                copy(products[row, way], n)
            squash(sums[: 2 * size])
            for j in range(size):
                n[j] = take(given, 2 * size + j) + r[j] * n[j]
            squash_both_ways(n)
            for j in range(size):
                state[j] = n[j] + z[j] * (state[j] - n[j])
            copy(out, state)
            if keep:
                copy(given, sums)


@compiled
def gru_backward(
    gates, dgates, way, mirrored, hidden, dbias, dh, doutputs, before, products, dproducts, members, starts, places,
    lengths,
):  # fmt: skip
    """Go back over what `gru_forward` kept.

    Args:
        gates: (N, D, 3·H), r, z, n.
        dgates: (N, D, 3·H); out: the gradients of W x + b.
        way: which of the D directions.
        mirrored: whether it reads from the last step to the first.
        hidden: the transpose of U, packed by `pack`.
        dbias: (4·H,); in: zeros; out: the sums of the gradients of W x + b, and of U h + d of n.
        dh: (M, H); in: the gradient of the final state; out: of the initial one.
        doutputs: (N, D, H), the gradient of h at every step.
        before: (N, D, H), the h each step began with.
        products: (N, D, H), U h + d of n.
        dproducts: (N, D, H); out: its gradient.
        members: int64 (M,).
        starts: int64 (B,).
        places: int64 (B,).
        lengths: int64 (B,).
    """
    size = dh.shape[1]
    total = np.empty((len(members), 3 * size), f32)
    given_on, halves = sums_of(hidden, len(members)), room_for(hidden, len(members))
    live = 0
    for step in range(lengths[members[0]] - 1, -1, -1):
        while live < len(members) and lengths[members[live]] > step:
            live += 1
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            there = row_of(b, step, mirrored, places, lengths)
            given, sums, dstate = gates[row, way], total[m], dh[m]
            dout, old, product = doutputs[there, way], before[row, way], products[row, way]
            r, z, n = given[:size], given[size : 2 * size], given[2 * size :]
            dr, dz, dp = sums[:size], sums[size : 2 * size], sums[2 * size :]
            add(dstate, dout)
            for j in range(size):
                dp[j] = dstate[j] * (f32(1) - take(z, j)) * (f32(1) - take(n, j) * take(n, j))
            for j in range(size):
                dz[j] = dstate[j] * (take(old, j) - take(n, j)) * take(z, j) * (f32(1) - take(z, j))
            for j in range(size):
                dr[j] = dp[j] * take(product, j) * take(r, j) * (f32(1) - take(r, j))
            for j in range(size):
                dstate[j] *= take(z, j)
            found = dgates[row, way]
            copy(found[2 * size :], dp)
            add(dbias[: 3 * size], sums)
            for j in range(size):
                dp[j] *= take(r, j)
            add(dbias[3 * size :], dp)
            copy(dproducts[row, way], dp)
            copy(found[: 2 * size], sums[: 2 * size])
        for m in range(live):
            clear(given_on[m])
        add_product(given_on, total, live, hidden, halves)
        for m in range(live):
            add(dh[m], given_on[m])


@compiled
def lstm_forward(gates, way, mirrored, hidden, h, c, outputs, before, cells, keep, members, starts, places, lengths):
    """Read with an LSTM.

    Args:
        gates: (N, D, 4·H); in: W x + b + d; out, if kept: i, f, g, o.
        way: which of the D directions.
        mirrored: whether it reads from the last step to the first.
        hidden: U, packed by `pack`.
        h: (M, H), the state; in: the initial one; out: the final one.
        c: (M, H), its other part.
        outputs: (N, D, H); out: h at every step.
        before: (N, D, H); out, if kept: the h each step began with.
        cells: (N, D, H); out, if kept: the c each step began with.
        keep: whether a gradient will be wanted.
        members: int64 (M,).
        starts: int64 (B,).
        places: int64 (B,).
        lengths: int64 (B,).
    """
    size = h.shape[1]
    total, halves = sums_of(hidden, len(members)), room_for(hidden, len(members))
    live = len(members)
    for step in range(lengths[members[0]]):
        while lengths[members[live - 1]] <= step:
            live -= 1
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            copy(total[m], gates[row, way])
        add_product(total, h, live, hidden, halves)
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            sums, state, cell = total[m, : 4 * size], h[m], c[m]
            out = outputs[row_of(b, step, mirrored, places, lengths), way]
            i, f, g, o = sums[:size], sums[size : 2 * size], sums[2 * size : 3 * size], sums[3 * size :]
            if keep:
                copy(before[row, way], state)
                copy(cells[row, way], cell)
                squash(sums[: 2 * size])
                squash_both_ways(g)
                squash(o)
                copy(gates[row, way], sums)
                for j in range(size):
                    cell[j] = f[j] * cell[j] + i[j] * g[j]
                for j in range(size):
                    state[j] = o[j] * tanh(cell[j])
            else:
                for j in range(size):
                    cell[j] = sigmoid(f[j]) * cell[j] + sigmoid(i[j]) * tanh(g[j])
                for j in range(size):
                    state[j] = sigmoid(o[j]) * tanh(cell[j])
            copy(out, state)


@compiled
def lstm_backward(
    gates, dgates, way, mirrored, hidden, dbias, dh, dc, doutputs, cells, members, starts, places, lengths
):  # fmt: skip
    """Go back over what `lstm_forward` kept.

    Args:
        gates: (N, D, 4·H), i, f, g, o.
        dgates: (N, D, 4·H); out: the gradients of W x + b.
        way: which of the D directions.
        mirrored: whether it reads from the last step to the first.
        hidden: the transpose of U, packed by `pack`.
        dbias: (4·H,); in: zeros; out: the sums of the gradients.
        dh: (M, H); in: the gradient of the final state; out: of the initial one.
        dc: (M, H), that of its other part.
        doutputs: (N, D, H), the gradient of h at every step.
        cells: (N, D, H), the c each step began with.
        members: int64 (M,).
        starts: int64 (B,).
        places: int64 (B,).
        lengths: int64 (B,).
    """
    size = dh.shape[1]
    total = np.empty((len(members), 4 * size), f32)
    given_on, halves = sums_of(hidden, len(members)), room_for(hidden, len(members))
    live = 0
    for step in range(lengths[members[0]] - 1, -1, -1):
        while live < len(members) and lengths[members[live]] > step:
            live += 1
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            there = row_of(b, step, mirrored, places, lengths)
            given, sums, dstate, dcell = gates[row, way], total[m], dh[m], dc[m]
            dout, old = doutputs[there, way], cells[row, way]
            i, f, g, o = given[:size], given[size : 2 * size], given[2 * size : 3 * size], given[3 * size :]
            di, df, dg, do = sums[:size], sums[size : 2 * size], sums[2 * size : 3 * size], sums[3 * size :]
            add(dstate, dout)
            for j in range(size):
                do[j] = take(f, j) * old[j] + take(i, j) * take(g, j)
            squash_both_ways(do)
            for j in range(size):
                df[j] = dcell[j] + dstate[j] * take(o, j) * (f32(1) - do[j] * do[j])
            for j in range(size):
                do[j] *= dstate[j] * take(o, j) * (f32(1) - take(o, j))
            for j in range(size):
                dcell[j] = df[j] * take(f, j)
            for j in range(size):
                di[j] = df[j] * take(g, j) * take(i, j) * (f32(1) - take(i, j))
            for j in range(size):
                dg[j] = df[j] * take(i, j) * (f32(1) - take(g, j) * take(g, j))
            for j in range(size):
                df[j] *= old[j] * take(f, j) * (f32(1) - take(f, j))
            copy(dgates[row, way], sums)
            add(dbias, sums)
            clear(dstate)
        for m in range(live):
            clear(given_on[m])
        add_product(given_on, total, live, hidden, halves)
        for m in range(live):
            add(dh[m], given_on[m])


@compiled
def rnn_forward(gates, way, mirrored, hidden, relu, h, outputs, before, keep, members, starts, places, lengths):
    """Read with a plain RNN.

    Args:
        gates: (N, D, H); in: W x + b + d.
        way: which of the D directions.
        mirrored: whether it reads from the last step to the first.
        hidden: U, packed by `pack`.
        relu: whether relu stands in place of tanh.
        h: (M, H), the state; in: the initial one; out: the final one.
        outputs: (N, D, H); out: h at every step.
        before: (N, D, H); out, if kept: the h each step began with.
        keep: whether a gradient will be wanted.
        members: int64 (M,).
        starts: int64 (B,).
        places: int64 (B,).
        lengths: int64 (B,).
    """
    size = h.shape[1]
    total, halves = sums_of(hidden, len(members)), room_for(hidden, len(members))
    live = len(members)
    for step in range(lengths[members[0]]):
        while lengths[members[live - 1]] <= step:
            live -= 1
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            copy(total[m], gates[row, way])
        add_product(total, h, live, hidden, halves)
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            sums, state = total[m, :size], h[m]
            out = outputs[row_of(b, step, mirrored, places, lengths), way]
            if keep:
                copy(before[row, way], state)
            if relu:
                for j in range(size):
                    state[j] = f32(0) if sums[j] < f32(0) else sums[j]
            else:
                for j in range(size):
                    state[j] = tanh(sums[j])
            copy(out, state)


@compiled
def rnn_backward(
    dgates, way, mirrored, hidden, dbias, relu, dh, doutputs, outputs, members, starts, places, lengths
):  # fmt: skip
    """Go back over what `rnn_forward` kept.

    Args:
        dgates: (N, D, H); out: the gradients of W x + b.
        way: which of the D directions.
        mirrored: whether it reads from the last step to the first.
        hidden: the transpose of U, packed by `pack`.
        dbias: (H,); in: zeros; out: the sums of the gradients.
        relu: whether relu stood in place of tanh.
        dh: (M, H); in: the gradient of the final state; out: of the initial one.
        doutputs: (N, D, H), the gradient of h at every step.
        outputs: (N, D, H), h at every step.
        members: int64 (M,).
        starts: int64 (B,).
        places: int64 (B,).
        lengths: int64 (B,).
    """
    size = dh.shape[1]
    total = np.empty((len(members), size), f32)
    given_on, halves = sums_of(hidden, len(members)), room_for(hidden, len(members))
    live = 0
    for step in range(lengths[members[0]] - 1, -1, -1):
        while live < len(members) and lengths[members[live]] > step:
            live += 1
        for m in range(live):
            b = members[m]
            row = row_of(b, step, mirrored, starts, lengths)
            there = row_of(b, step, mirrored, places, lengths)
            sums, found, dstate = total[m], dgates[row, way], dh[m]
            dout, out = doutputs[there, way], outputs[there, way]
            for j in range(size):
                state = take(out, j)
                slope = (f32(0) if state <= f32(0) else f32(1)) if relu else f32(1) - state * state
                sums[j] = (dstate[j] + take(dout, j)) * slope
                put(found, j, sums[j])
                dbias[j] += sums[j]
                dstate[j] = f32(0)
        for m in range(live):
            clear(given_on[m])
        add_product(given_on, total, live, hidden, halves)
        for m in range(live):
            add(dh[m], given_on[m])
