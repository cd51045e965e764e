"""What the compiled time loops are made of: activations of a row, and products of a few rows with a matrix.

Numba keeps what it has compiled by the time of the caller's file: after a change here, touch the files of the loops.
"""

import numpy as np
from numba import njit

f32 = np.float32
LOG2_E = f32(1.4426950408889634)
LN_2 = f32(0.6931471805599453)

# A tile of a matrix takes up to 256 kB, a part of the second-level cache.
TILE_WIDTH = 1024
TILE_TERMS = 64
# Rows of a tile are read again for every four columns; four columns of the matrix fit into the first-level cache.
TILE_ROWS = 48
TILE_COLUMN = 4096

# Sums may be taken in another order, and a product and a sum in one rounding; NaN and infinity keep their meaning.
fastmath = {"contract", "reassoc", "nsz", "arcp"}
compiled = njit(nogil=True, cache=True, error_model="numpy", fastmath=fastmath, boundscheck=False)
# For what is called more often than a call is worth.
inlined = njit(nogil=True, cache=True, error_model="numpy", fastmath=fastmath, boundscheck=False, forceinline=True)


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
def add_product(total, rows, count, matrix):
    """total[:count] += rows[:count] @ matrix, in tiles of the matrix that stay in the cache while all rows pass.

    The quicker way for few terms.
    """
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
def add_dots(total, rows, count, matrix):
    """total[:count] += rows[:count] @ matrix.T, in sums that stay in registers: the quicker way for many terms."""
    width, terms = matrix.shape
    fours = width // 4 * 4
    for top in range(0, count, TILE_ROWS):
        bottom = min(top + TILE_ROWS, count)
        twos = top + (bottom - top) // 2 * 2
        for start in range(0, terms, TILE_COLUMN):
            stop = min(start + TILE_COLUMN, terms)
            for k in range(0, fours, 4):
                p, q, r, s = (
                    matrix[k, start:stop],
                    matrix[k + 1, start:stop],
                    matrix[k + 2, start:stop],
                    matrix[k + 3, start:stop],
                )
                for m in range(top, twos, 2):
                    add_dots_of_two(total[m], total[m + 1], k, rows[m, start:stop], rows[m + 1, start:stop], p, q, r, s)
                if twos < bottom:
                    add_dots_of_one(total[twos], k, rows[twos, start:stop], p, q, r, s)
            for k in range(fours, width):
                for m in range(top, bottom):
                    total[m, k] += dot(rows[m, start:stop], matrix[k, start:stop])


@inlined
def add_dots_of_two(t, u, k, a, b, p, q, r, s):
    """Add the products of two rows and four columns. More would not fit into the registers."""
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
