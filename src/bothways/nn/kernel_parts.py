"""What the compiled time loops are made of: activations of a row, and products of a few rows with a matrix.

Numba keeps what it has compiled by the time of the caller's file: after a change here, touch the files of the loops.
"""

import numpy as np
from numba.extending import overload

from bothways.nn.kernel_bfloat16 import add_product_of_halves
from bothways.nn.kernel_numbers import compiled, f32, inlined

LOG2_E = f32(1.4426950408889634)
LN_2 = f32(0.6931471805599453)

# A tile of a matrix takes up to 256 kB, a part of the second-level cache.
TILE_WIDTH = 1024
TILE_TERMS = 64
# A tile of rows is read again for every four columns, which take up to 64 kB.
TILE_ROWS = 48
TILE_COLUMN = 4096


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
def add_product(total, rows, count, matrix):
    """total[:count] += rows[:count] @ matrix: the rows of the matrix are added, which is the quicker way for few terms.

    In tiles of the matrix that stay in the cache while all rows pass.
    """
    terms, width = matrix.shape
    for first in range(0, width, TILE_WIDTH):
        last = min(first + TILE_WIDTH, width)
        for start in range(0, terms, TILE_TERMS):
            stop = min(start + TILE_TERMS, terms)
            m = 0
            while count - m > 4 or count - m == 3:
                t, u, v = total[m, first:last], total[m + 1, first:last], total[m + 2, first:last]
                add_rows_to_three(t, u, v, rows[m], rows[m + 1], rows[m + 2], matrix, first, start, stop)
                m += 3
            while count - m > 1:
                t, u = total[m, first:last], total[m + 1, first:last]
                add_rows_to_two(t, u, rows[m], rows[m + 1], matrix, first, start, stop)
                m += 2
            if m < count:
                add_rows_to_one(total[m, first:last], rows[m], matrix, first, start, stop)


@inlined
def add_rows_to_three(t, u, v, a, b, c, matrix, first, start, stop):
    """Add the products of three rows and a tile; three rows and four terms are what the registers hold."""
    last = first + len(t)
    fours = start + (stop - start) // 4 * 4
    for k in range(start, fours, 4):
        a0, a1, a2, a3 = a[k], a[k + 1], a[k + 2], a[k + 3]
        b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
        c0, c1, c2, c3 = c[k], c[k + 1], c[k + 2], c[k + 3]
        p, q, r, s = (
            matrix[k, first:last],
            matrix[k + 1, first:last],
            matrix[k + 2, first:last],
            matrix[k + 3, first:last],
        )
        for j in range(len(t)):
            w, x, y, z = p[j], q[j], r[j], s[j]
            t[j] += a0 * w + a1 * x + a2 * y + a3 * z
            u[j] += b0 * w + b1 * x + b2 * y + b3 * z
            v[j] += c0 * w + c1 * x + c2 * y + c3 * z
    for k in range(fours, stop):
        p = matrix[k, first:last]
        for j in range(len(t)):
            t[j] += a[k] * p[j]
            u[j] += b[k] * p[j]
            v[j] += c[k] * p[j]


@inlined
def add_rows_to_two(t, u, a, b, matrix, first, start, stop):
    """Add the products of two rows and a tile."""
    last = first + len(t)
    fours = start + (stop - start) // 4 * 4
    for k in range(start, fours, 4):
        a0, a1, a2, a3 = a[k], a[k + 1], a[k + 2], a[k + 3]
        b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
        p, q, r, s = (
            matrix[k, first:last],
            matrix[k + 1, first:last],
            matrix[k + 2, first:last],
            matrix[k + 3, first:last],
        )
        for j in range(len(t)):
            w, x, y, z = p[j], q[j], r[j], s[j]
            t[j] += a0 * w + a1 * x + a2 * y + a3 * z
            u[j] += b0 * w + b1 * x + b2 * y + b3 * z
    for k in range(fours, stop):
        p = matrix[k, first:last]
        for j in range(len(t)):
            t[j] += a[k] * p[j]
            u[j] += b[k] * p[j]


@inlined
def add_rows_to_one(t, a, matrix, first, start, stop):
    """Add the products of a row and a tile."""
    last = first + len(t)
    fours = start + (stop - start) // 4 * 4
    for k in range(start, fours, 4):
        a0, a1, a2, a3 = a[k], a[k + 1], a[k + 2], a[k + 3]
        p, q, r, s = (
            matrix[k, first:last],
            matrix[k + 1, first:last],
            matrix[k + 2, first:last],
            matrix[k + 3, first:last],
        )
        for j in range(len(t)):
            w, x, y, z = p[j], q[j], r[j], s[j]
            t[j] += a0 * w + a1 * x + a2 * y + a3 * z
    for k in range(fours, stop):
        p = matrix[k, first:last]
        for j in range(len(t)):
            t[j] += a[k] * p[j]


@compiled
def add_dots(total, rows, count, matrix):
    """total[:count] += rows[:count] @ matrix.T: sums are made in registers, which is the quicker way for many terms.

    In tiles of the rows that stay in the cache while the matrix passes.
    """
    width, terms = matrix.shape
    fours = width // 4 * 4
    for top in range(0, count, TILE_ROWS):
        bottom = min(top + TILE_ROWS, count)
        for start in range(0, terms, TILE_COLUMN):
            stop = min(start + TILE_COLUMN, terms)
            for k in range(0, fours, 4):
                p, q = matrix[k, start:stop], matrix[k + 1, start:stop]
                r, s = matrix[k + 2, start:stop], matrix[k + 3, start:stop]
                m = top
                while bottom - m > 4 or bottom - m == 3:
                    a, b, c = rows[m, start:stop], rows[m + 1, start:stop], rows[m + 2, start:stop]
                    add_dots_of_three(total[m], total[m + 1], total[m + 2], k, a, b, c, p, q, r, s)
                    m += 3
                while bottom - m > 1:
                    a, b = rows[m, start:stop], rows[m + 1, start:stop]
                    add_dots_of_two(total[m], total[m + 1], k, a, b, p, q, r, s)
                    m += 2
                if m < bottom:
                    add_dots_of_one(total[m], k, rows[m, start:stop], p, q, r, s)
            for k in range(fours, width):
                for m in range(top, bottom):
                    total[m, k] += dot(rows[m, start:stop], matrix[k, start:stop])


@inlined
def add_dots_of_three(t, u, v, k, a, b, c, p, q, r, s):
    """Add the products of three rows and four columns; more sums would not fit into the registers."""
    t0 = t1 = t2 = t3 = u0 = u1 = u2 = u3 = v0 = v1 = v2 = v3 = f32(0)
    for j in range(len(a)):
        x, y, z = a[j], b[j], c[j]
        t0 += x * p[j]
        u0 += y * p[j]
        v0 += z * p[j]
        t1 += x * q[j]
        u1 += y * q[j]
        v1 += z * q[j]
        t2 += x * r[j]
        u2 += y * r[j]
        v2 += z * r[j]
        t3 += x * s[j]
        u3 += y * s[j]
        v3 += z * s[j]
    t[k] += t0
    t[k + 1] += t1
    t[k + 2] += t2
    t[k + 3] += t3
    u[k] += u0
    u[k + 1] += u1
    u[k + 2] += u2
    u[k + 3] += u3
    v[k] += v0
    v[k + 1] += v1
    v[k + 2] += v2
    v[k + 3] += v3


@inlined
def add_dots_of_two(t, u, k, a, b, p, q, r, s):
    """Add the products of two rows and four columns."""
    t0 = t1 = t2 = t3 = u0 = u1 = u2 = u3 = f32(0)
    for j in range(len(a)):
        x, y = a[j], b[j]
        t0 += x * p[j]
        u0 += y * p[j]
        t1 += x * q[j]
        u1 += y * q[j]
        t2 += x * r[j]
        u2 += y * r[j]
        t3 += x * s[j]
        u3 += y * s[j]
    t[k] += t0
    t[k + 1] += t1
    t[k + 2] += t2
    t[k + 3] += t3
    u[k] += u0
    u[k + 1] += u1
    u[k + 2] += u2
    u[k + 3] += u3


@inlined
def add_dots_of_one(t, k, a, p, q, r, s):
    """Add the products of a row and four columns."""
    t0 = t1 = t2 = t3 = f32(0)
    for j in range(len(a)):
        x = a[j]
        t0 += x * p[j]
        t1 += x * q[j]
        t2 += x * r[j]
        t3 += x * s[j]
    t[k] += t0
    t[k + 1] += t1
    t[k + 2] += t2
    t[k + 3] += t3


@inlined
def dot(a, p):
    """Return the product of a row and a column."""
    total = f32(0)
    for j in range(len(a)):
        total += a[j] * p[j]
    return total


def room_for(hidden, count):
    """Make what `add_hidden` needs beside a matrix for so many rows."""


def add_hidden(total, rows, count, hidden, spread, room):
    """total[:count] += rows[:count] @ U.T, by whichever product the form of `hidden` asks for.

    A matrix of two dimensions is float32: U, or with `spread` its transpose. One of three is packed bfloat16.
    """


@overload(room_for)
def _room_for(hidden, count):
    if hidden.ndim == 3:
        return lambda hidden, count: (
            np.empty((count, 2 * hidden.shape[1]), np.uint16),
            np.empty((count, hidden.shape[2] * len(hidden)), np.float32),
        )
    return lambda hidden, count: (np.empty((0, 0), np.uint16), np.empty((0, 0), np.float32))


@overload(add_hidden)
def _add_hidden(total, rows, count, hidden, spread, room):
    if hidden.ndim == 3:

        def add_halves(total, rows, count, hidden, spread, room):
            add_product_of_halves(total, rows, count, hidden, room[0], room[1])

        return add_halves

    def add_whole(total, rows, count, hidden, spread, room):
        if spread:
            add_product(total, rows, count, hidden)
        else:
            add_dots(total, rows, count, hidden)

    return add_whole
