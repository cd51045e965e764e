"""How the compiled loops are compiled, and the numbers they read and write: float32, or bfloat16 to save memory.

What is computed is float32. numba knows no bfloat16: such numbers are kept in uint16, and what only the processor can
do is said in LLVM's words.

Numba keeps what it has compiled by the time of the caller's file: after a change here, touch the files of the loops.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

f32 = np.float32

# Sums may be taken in another order, and a product and a sum in one rounding; NaN and infinity keep their meaning.
fastmath = {"contract", "reassoc", "nsz", "arcp"}
compiled = njit(nogil=True, cache=True, error_model="numpy", fastmath=fastmath, boundscheck=False)


class BFloat(ir.Type):
    """LLVM's bfloat, which llvmlite does not name."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BFloat)

    def __hash__(self) -> int:
        return hash(BFloat)


@intrinsic
def narrow(_context: Any, number: Any) -> Any:
    """Round a float32 number to the nearest bfloat16, given as uint16."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.bitcast(builder.fptrunc(values[0], BFloat()), ir.IntType(16))

    return types.uint16(types.float32), generate


@intrinsic
def widen(_context: Any, number: Any) -> Any:
    """Give the float32 number of a bfloat16 in uint16."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        shifted = builder.shl(builder.zext(values[0], ir.IntType(32)), ir.Constant(ir.IntType(32), 16))
        return builder.bitcast(shifted, ir.FloatType())

    return types.float32(types.uint16), generate


def take(values, j):
    """Return values[j] as float32, whichever of both it is."""


def put(there, j, number):
    """there[j] = number, whichever of both `there` holds."""


@overload(take)
def _take(values, j):
    if values.dtype == types.uint16:
        return lambda values, j: widen(values[j])
    return lambda values, j: values[j]


@overload(put)
def _put(there, j, number):
    if there.dtype == types.uint16:

        def put_narrow(there, j, number):
            there[j] = narrow(number)

        return put_narrow

    def put_whole(there, j, number):
        there[j] = number

    return put_whole


@compiled
def copy(there, values):
    """there[:] = values, without numpy's checks."""
    for j in range(len(values)):
        put(there, j, take(values, j))


@compiled
def add(there, values):
    """there[:] += the first values, without numpy's checks; `there` is float32."""
    for j in range(len(there)):
        there[j] += take(values, j)


@compiled
def clear(there):
    """there[:] = 0, without numpy's checks; `there` is float32."""
    for j in range(len(there)):
        there[j] = f32(0)
