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
WORD = ir.IntType(32)
PAIRS = ir.VectorType(WORD, LANES)
HALVES = ir.VectorType(BFloat(), 2 * LANES)
COUNT = ir.IntType(types.intp.bitwidth)  # type: ignore[attr-defined]


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


class _Tile:
    """Some rows of sums in registers, and how products are added to them: writes LLVM's words for it."""

    def __init__(self, builder: Any, height: int, add_products: Any, in_a_word: int) -> None:
        """Take what says the words, rows of sums, what adds a product, and terms in a word of 32 bits."""
        self.builder, self.height, self.in_a_word = builder, height, in_a_word
        self.add_products = add_products
        # A sum is ready for the next product only after some cycles: few sums are made in several sets.
        self.sets = max(1, SUMS * LANES // (height * COLUMNS))
        zero = ir.Constant(FLOATS, [0.0] * LANES)
        self.sums = [
            [[cgutils.alloca_once_value(builder, zero) for _ in range(0, COLUMNS, LANES)] for _ in range(height)]
            for _ in range(self.sets)
        ]

    def sum_up(self, terms: Any, row: Any, packed: Any, panel: Any, start: Any, stop: Any) -> None:
        """Multiply the terms from start to stop, of as many rows from `row` on, with a panel."""
        builder = self.builder
        width = builder.udiv(builder.extract_value(terms.shape, 1), _number(self.in_a_word))
        rows = [
            _word(builder, terms, builder.mul(builder.add(row, _number(one)), width), WORD)
            for one in range(self.height)
        ]
        begin = builder.mul(builder.mul(panel, _number(COLUMNS)), builder.extract_value(packed.shape, 1))
        left = builder.urem(builder.sub(stop, start), _number(self.sets))
        whole = builder.sub(stop, left)
        with cgutils.for_range_slice(builder, start, whole, _number(self.sets)) as (term, _):
            for one, sums in enumerate(self.sums):
                self._add_term(sums, rows, packed, begin, builder.add(term, _number(one)))
        with cgutils.for_range_slice(builder, whole, stop, _number(1)) as (term, _):
            self._add_term(self.sums[0], rows, packed, begin, term)

    def _add_term(self, sums: Any, rows: Any, packed: Any, begin: Any, term: Any) -> None:
        """Add what one term, or pair of terms, is worth to a set of sums."""
        builder = self.builder
        line = builder.add(begin, builder.mul(term, _number(COLUMNS)))
        columns = [
            builder.load(_word(builder, packed, builder.add(line, _number(part)), PAIRS), align=4)
            for part in range(0, COLUMNS, LANES)
        ]
        for row, totals in zip(rows, sums, strict=True):
            word = builder.load(builder.gep(row, [term]), align=4)
            nothing = ir.Constant(PAIRS, ir.Undefined)
            alone = builder.insert_element(nothing, word, ir.Constant(WORD, 0))
            spread = builder.shuffle_vector(alone, nothing, ir.Constant(PAIRS, [0] * LANES))
            for total, part in zip(totals, columns, strict=True):
                builder.store(self.add_products(builder, builder.load(total), spread, part), total)

    def add_to(self, there: Any, place: Any) -> None:
        """Add all sets of sums to the rows of an array, from the place-th number on."""
        builder = self.builder
        for one, rows in enumerate(zip(*self.sums, strict=True)):
            first = builder.add(place, builder.mul(_number(one), builder.extract_value(there.shape, 1)))
            for part, sums in enumerate(zip(*rows, strict=True)):
                numbers = _word(builder, there, builder.add(first, _number(part * LANES)), FLOATS)
                found = builder.load(numbers, align=4)
                for each in sums:
                    found = builder.fadd(found, builder.load(each))
                builder.store(found, numbers, align=4)


def _number(value: int) -> Any:
    """Write a number that counts something."""
    return ir.Constant(COUNT, value)


def _word(builder: Any, array: Any, place: Any, kind: Any) -> Any:
    """Point at the place-th word of an array."""
    begin = builder.bitcast(array.data, WORD.as_pointer())
    return builder.bitcast(builder.gep(begin, [place]), kind.as_pointer())


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

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            place, row, panel, start, stop = values[3:]
            there, given, packed = (
                context.make_array(kind)(context, builder, value=value)
                for kind, value in zip(signature.args[:3], values[:3], strict=True)
            )
            tile = _Tile(builder, height, add_products, in_a_word)
            tile.sum_up(given, row, packed, panel, start, stop)
            tile.add_to(there, place)
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
