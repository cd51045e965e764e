"""Products of a few rows with a matrix for the compiled time loops, of float32 or of bfloat16 terms; sums are float32.

A matrix is packed in panels of some columns, which are as many as rows of sums find room for in registers (Goto and van
de Geijn, 2008, "Anatomy of high-performance matrix multiplication", on both). A tile, six rows and a panel, is written
in LLVM's words, as loops of numba's would not keep its sums where they are made.

Of bfloat16 a matrix is packed in pairs of terms: the processor multiplies two numbers of a row with two of a column,
and adds both products to a sum, sixteen columns at a time (AVX512-BF16, vdpbf16ps).

Numba keeps what it has compiled by the time of the caller's file: after a change here, touch the files of the loops.
"""

from typing import Any

import numba
import numpy as np
import torch
from llvmlite import ir
from llvmlite.binding import llvm_version_info
from numba import types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic, overload
from torch import Tensor
from torch.nn import functional

from bothways.nn.kernel_numbers import BFloat, compiled, copy, f32, narrow

_CHOSEN = numba.config.CPU_FEATURES  # type: ignore[attr-defined]
# What numba compiles for, as LLVM lists it.
FEATURES = (get_host_cpu_features() if _CHOSEN is None else _CHOSEN).split(",")
# Registers of 16 float32 numbers. torch's library uses half of them on AMD's processors, and is passed by a half in
# weights' gradients; where registers hold 8 numbers it is a sixth quicker there.
IS_WIDE = "+avx512f" in FEATURES
LANES = 16 if IS_WIDE else 8
# Sums of six rows and a panel take 24 of 32 registers, or 12 of 16.
ROWS = 6
COLUMNS = 4 * LANES if IS_WIDE else 2 * LANES
SUMS = 12  # registers of sums that keep the processor busy
DEPTH = 128  # rows of which a part of weights' gradients is summed
BLOCK = 192  # rows that pass all panels, one after the other, before the next ones do
TILE = 512  # terms, or pairs of them, of a tile: what it reads of a panel takes 128 kB of the second-level cache

FLOATS = ir.VectorType(ir.FloatType(), LANES)
PAIRS = ir.VectorType(ir.IntType(32), LANES)
HALVES = ir.VectorType(BFloat(), 2 * LANES)


def can_sum_bfloat16() -> bool:
    """Whether numba compiles for a processor that adds up products of bfloat16 pairs, and its LLVM can say so."""
    return "+avx512bf16" in FEATURES and llvm_version_info[0] >= 16


def _add_floats(builder: Any, total: Any, terms: Any, columns: Any) -> Any:
    """Add the products of one term of a row, in every lane, and as many columns."""
    kind = ir.FunctionType(FLOATS, [FLOATS] * 3)
    fused = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")
    return builder.call(fused, [builder.bitcast(terms, FLOATS), builder.bitcast(columns, FLOATS), total])


def _add_halves(builder: Any, total: Any, terms: Any, columns: Any) -> Any:
    """Add the products of two terms of a row, in every lane, and as many columns."""
    kind = ir.FunctionType(FLOATS, [FLOATS, HALVES, HALVES])
    dot = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512bf16.dpbf16ps.512")
    return builder.call(dot, [total, builder.bitcast(terms, HALVES), builder.bitcast(columns, HALVES)])


def _tile_of(height: int) -> Any:
    """Make what adds to `height` rows of sums the products of as many rows of terms and a part of a panel."""

    @intrinsic
    def add_tile(
        _context: Any, sums: Any, terms: Any, panels: Any, place: Any, row: Any, panel: Any, start: Any, stop: Any
    ) -> Any:
        """Add terms[row:] @ panels[panel], of the terms or pairs from start to stop, to sums from the place-th on."""
        signature = types.void(sums, terms, panels, *[types.intp] * 5)
        add_products = _add_floats if terms.dtype == types.float32 else _add_halves
        in_a_word = 4 // (terms.dtype.bitwidth // 8)
        # A sum is ready for the next product only after some cycles: few sums are made in several sets.
        sets = max(1, SUMS * LANES // (height * COLUMNS))

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            place, row, panel, start, stop = values[3:]
            words = ir.IntType(32)
            there, given, packed = (
                context.make_array(kind)(context, builder, value=value)
                for kind, value in zip(signature.args[:3], values[:3], strict=True)
            )

            def number(value: int) -> Any:
                return ir.Constant(row.type, value)

            def at(array: Any, place: Any, kind: Any) -> Any:
                """Point at the place-th word of an array."""
                begin = builder.bitcast(array.data, words.as_pointer())
                return builder.bitcast(builder.gep(begin, [place]), kind.as_pointer())

            def words_of_row(array: Any, in_a_word: int) -> Any:
                return builder.udiv(builder.extract_value(array.shape, 1), number(in_a_word))

            sums_at, terms_at = [], []
            for one in range(height):
                first = builder.add(place, builder.mul(number(one), words_of_row(there, 1)))
                parts = [builder.add(first, number(part)) for part in range(0, COLUMNS, LANES)]
                sums_at.append([at(there, part, FLOATS) for part in parts])
                first = builder.mul(builder.add(row, number(one)), words_of_row(given, in_a_word))
                terms_at.append(at(given, first, words))
            panel_at = builder.mul(builder.mul(panel, number(COLUMNS)), builder.extract_value(packed.shape, 1))
            zero = ir.Constant(FLOATS, [0.0] * LANES)
            kept = [[[cgutils.alloca_once_value(builder, zero) for _ in line] for line in sums_at] for _ in range(sets)]

            def add_term(term: Any, kept: Any) -> None:
                """Add what one term, or pair of terms, is worth."""
                line = builder.add(panel_at, builder.mul(term, number(COLUMNS)))
                columns = [
                    builder.load(at(packed, builder.add(line, number(part)), PAIRS), align=4)
                    for part in range(0, COLUMNS, LANES)
                ]
                for begin, totals in zip(terms_at, kept, strict=True):
                    word = builder.load(builder.gep(begin, [term]), align=4)
                    nothing = ir.Constant(PAIRS, ir.Undefined)
                    alone = builder.insert_element(nothing, word, ir.Constant(words, 0))
                    spread = builder.shuffle_vector(alone, nothing, ir.Constant(PAIRS, [0] * LANES))
                    for total, part in zip(totals, columns, strict=True):
                        builder.store(add_products(builder, builder.load(total), spread, part), total)

            left = builder.urem(builder.sub(stop, start), number(sets))
            whole = builder.sub(stop, left)
            with cgutils.for_range_slice(builder, start, whole, number(sets)) as (term, _):
                for one, totals in enumerate(kept):
                    add_term(builder.add(term, number(one)), totals)
            with cgutils.for_range_slice(builder, whole, stop, number(1)) as (term, _):
                add_term(term, kept[0])
            for line, *totals in zip(sums_at, *kept, strict=True):
                for one, *parts in zip(line, *totals, strict=True):
                    found = builder.load(one, align=4)
                    for part in parts:
                        found = builder.fadd(found, builder.load(part))
                    builder.store(found, one, align=4)
            return context.get_dummy_value()

        return signature, generate

    return add_tile


add_tile_of_1, add_tile_of_2, add_tile_of_3, add_tile_of_4, add_tile_of_5, add_tile_of_6 = map(_tile_of, range(1, 7))


@compiled
def add_tile(height, sums, terms, panels, place, row, panel, start, stop):
    """Add a tile of 1 to 6 rows."""
    if height == 6:
        add_tile_of_6(sums, terms, panels, place, row, panel, start, stop)
    elif height == 5:
        add_tile_of_5(sums, terms, panels, place, row, panel, start, stop)
    elif height == 4:
        add_tile_of_4(sums, terms, panels, place, row, panel, start, stop)
    elif height == 3:
        add_tile_of_3(sums, terms, panels, place, row, panel, start, stop)
    elif height == 2:
        add_tile_of_2(sums, terms, panels, place, row, panel, start, stop)
    else:
        add_tile_of_1(sums, terms, panels, place, row, panel, start, stop)


@compiled
def add_panels(sums, terms, count, panels):
    """sums[:count] += terms[:count] @ matrix, as it was packed; of as many columns as the panels."""
    groups = (count + ROWS - 1) // ROWS
    for panel in range(len(panels)):
        for start in range(0, panels.shape[1], TILE):
            stop = min(start + TILE, panels.shape[1])
            m = 0
            for group in range(groups):
                height = (count - m) // (groups - group)
                add_tile(height, sums, terms, panels, m * sums.shape[1] + panel * COLUMNS, m, panel, start, stop)
                m += height


@compiled
def multiply(there, rows, panels, bias, begin, end):
    """there[begin:end] = rows[begin:end] @ matrix + bias: many rows, float32 (N, O) and (N, K); bias (O,)."""
    sums = np.empty((ROWS, COLUMNS), f32)
    for first in range(begin, end, BLOCK):
        last = min(first + BLOCK, end)
        for panel in range(len(panels)):
            column = panel * COLUMNS
            width = min(COLUMNS, there.shape[1] - column)
            for m in range(first, last, ROWS):
                height = min(ROWS, last - m)
                for one in range(height):
                    for j in range(width):
                        sums[one, j] = bias[column + j]
                    for j in range(width, COLUMNS):
                        sums[one, j] = f32(0)
                for start in range(0, panels.shape[1], TILE):
                    stop = min(start + TILE, panels.shape[1])
                    add_tile(height, sums, rows, panels, 0, m, panel, start, stop)
                for one in range(height):
                    for j in range(width):
                        there[m + one, column + j] = sums[one, j]


@compiled
def multiply_transposed(there, left, right, way_left, way_right, first, last):
    """there[:, first:last] = left^T @ right, summed over all rows: what weights' gradients are.

    Args:
        there: float32 (F, O).
        left: float32 (N, D, F).
        right: float32 (N, D, O), or wider.
        way_left: which of the D of `left`.
        way_right: which of the D of `right`.
        first: a column of `there`.
        last: the column after the last one.
    """
    rows, height = left.shape[0], there.shape[0]
    count = (last - first + COLUMNS - 1) // COLUMNS
    terms = np.empty((height, DEPTH), f32)
    panels = np.zeros((count, DEPTH, COLUMNS), f32)
    sums = np.empty((ROWS, COLUMNS), f32)
    for top in range(0, rows, DEPTH):
        depth = min(DEPTH, rows - top)
        for n in range(depth):
            given = left[top + n, way_left]
            for j in range(len(given)):
                terms[j, n] = given[j]
            for panel in range(count):
                column = first + panel * COLUMNS
                width = min(COLUMNS, last - column)
                copy(panels[panel, n, :width], right[top + n, way_right, column : column + width])
        for panel in range(count):
            column = first + panel * COLUMNS
            width = min(COLUMNS, last - column)
            for m in range(0, height, ROWS):
                some = min(ROWS, height - m)
                for one in range(some):
                    for j in range(COLUMNS):
                        sums[one, j] = f32(0)
                add_tile(some, sums, terms, panels, 0, m, panel, 0, depth)
                for one in range(some):
                    for j in range(width):
                        before = f32(0) if top == 0 else there[m + one, column + j]
                        there[m + one, column + j] = before + sums[one, j]


def sums_of(panels, rows):
    """Make room for the sums of so many rows: float32, of as many columns as the panels."""


def room_for(panels, rows):
    """Make what `add_product` needs beside a matrix for so many rows: room for narrow terms."""


def add_product(sums, rows, count, panels, halves):
    """sums[:count] += rows[:count] @ matrix, (M, N) and (M, K), as it was packed in float32 or in bfloat16."""


@overload(sums_of)
def _sums_of(panels, rows):
    return lambda panels, rows: np.empty((rows, len(panels) * COLUMNS), f32)


@overload(room_for)
def _room_for(panels, rows):
    pairs = 0 if panels.dtype == types.float32 else 2
    return lambda panels, rows: np.empty((rows, pairs * panels.shape[1]), np.uint16)


@overload(add_product)
def _add_product(sums, rows, count, panels, halves):
    if panels.dtype == types.float32:
        return lambda sums, rows, count, panels, halves: add_panels(sums, rows, count, panels)

    def add_narrow(sums, rows, count, panels, halves):
        for m in range(count):
            for j in range(rows.shape[1]):
                halves[m, j] = narrow(rows[m, j])
            for j in range(rows.shape[1], halves.shape[1]):
                halves[m, j] = 0
        add_panels(sums, halves, count, panels)

    return add_narrow


def pack(matrix: Tensor, kind: torch.dtype) -> Tensor:
    """Pack the transpose of a matrix (N, K) for `add_product`, in float32 or bfloat16.

    Returns:
        float32 (panels, K, COLUMNS), or int32 (panels, pairs of K, COLUMNS); zero beyond the matrix.
    """
    columns, terms = matrix.shape
    beyond = (0, terms % 2 if kind == torch.bfloat16 else 0, 0, -columns % COLUMNS)
    whole = matrix.to(kind)
    whole = functional.pad(whole, beyond) if any(beyond) else whole.contiguous()
    words = whole if kind == torch.float32 else whole.view(torch.int32)
    return words.view(-1, COLUMNS, words.shape[1]).transpose(1, 2).contiguous()
