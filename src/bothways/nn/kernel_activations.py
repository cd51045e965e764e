"""Activations of the compiled loops: float32, of a number and of a row.

Numba keeps what it has compiled by the time of the caller's file: after a change here, touch the files of the loops.
"""

import numpy as np

from bothways.nn.kernel_numbers import compiled, f32

LOG2_E = f32(1.4426950408889634)
LN_2 = f32(0.6931471805599453)


@compiled
def exp(x):
    """e^x within 2e-7 of itself, for x beyond ±87 that of ±87: 2^n e^f, with a Taylor sum for |f| <= ln(2) / 2."""
    y = x * LOG2_E
    y = f32(-126) if y < f32(-126) else y
    y = f32(126) if y > f32(126) else y
    whole = np.floor(y + f32(0.5))
    f = (y - whole) * LN_2
    e = f32(1) + f * (
        f32(1) + f * (f32(1 / 2) + f * (f32(1 / 6) + f * (f32(1 / 24) + f * (f32(1 / 120) + f * f32(1 / 720)))))
    )
    return e * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)


@compiled
def sigmoid(x):
    """1 / (1 + exp(-x)) within 1e-7. NaN stays NaN."""
    return f32(1) / (f32(1) + exp(-x))


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
