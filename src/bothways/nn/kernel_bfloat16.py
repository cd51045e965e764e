"""Products of a few rows with a matrix in bfloat16, for the compiled time loops: sums are made in float32.

The processor multiplies two bfloat16 numbers of a row with two of a column, and adds both products to a float32 number,
sixteen columns at a time (AVX512-BF16, vdpbf16ps). A matrix is therefore packed in pairs of terms, and in panels of 64
columns, of which six rows at a time keep all sums in registers (Goto and van de Geijn, 2008, "Anatomy of
high-performance matrix multiplication", on the layout).

Numba keeps what it has compiled by the time of the caller's file: after a change here, touch the files of the loops.
"""

from typing import Any

import torch
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from torch import Tensor

from bothways.nn.kernel_numbers import BFloat, compiled, f32, narrow

LANES = 16  # float32 numbers of a register
COLUMNS = 64  # of a panel
ROWS = 6  # that are read together: with 64 columns their sums take 24 of 32 registers
TILE_PAIRS = 512  # a part of a panel of so many pairs takes 128 kB of the second-level cache


FLOATS = ir.VectorType(ir.FloatType(), LANES)
PAIRS = ir.VectorType(ir.IntType(32), LANES)
HALVES = ir.VectorType(BFloat(), 2 * LANES)


def _tile_of(height: int) -> Any:
    """Make what adds to `height` rows of sums, from `row` on, the products of as many rows and a part of a panel."""

    @intrinsic  # type: ignore[untyped-decorator]
    def add_tile(
        _context: Any, sums: Any, rows: Any, panels: Any, row: Any, panel: Any, start: Any, stop: Any
    ) -> Any:
        """sums[row:, 64·panel:] += rows[row:, 2·start:2·stop] @ the pairs start to stop of a panel."""
        signature = types.void(sums, rows, panels, types.intp, types.intp, types.intp, types.intp)

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            arrays = [context.make_array(kind)(context, builder, value=value)
                      for kind, value in zip(signature.args, values[:3], strict=False)]  # fmt: skip
            row, panel, start, stop = values[3:]
            word = row.type

            def pointer(array: Any, elements: Any, kind: Any) -> Any:
                """Point at an element of an array, counted in its own type, as another type."""
                return builder.bitcast(builder.gep(array.data, [elements]), kind.as_pointer())

            def number(value: int) -> Any:
                return ir.Constant(word, value)

            def width(array: Any, axis: int) -> Any:
                return builder.extract_value(array.shape, axis)

            there, given, packed = arrays
            column = builder.mul(panel, number(COLUMNS))
            sums_at, rows_at = [], []
            for one in range(height):
                place = builder.add(row, number(one))
                first = builder.add(builder.mul(place, width(there, 1)), column)
                sums_at.append([pointer(there, builder.add(first, number(LANES * part)), FLOATS)
                                for part in range(COLUMNS // LANES)])  # fmt: skip
                rows_at.append(pointer(given, builder.mul(place, width(given, 1)), ir.IntType(32)))
            panel_at = pointer(
                packed, builder.mul(panel, builder.mul(width(packed, 1), number(COLUMNS))), ir.IntType(32)
            )
            dot = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(FLOATS, [FLOATS, HALVES, HALVES]),
                "llvm.x86.avx512bf16.dpbf16ps.512",
            )
            kept = [[cgutils.alloca_once_value(builder, builder.load(at, align=4)) for at in line] for line in sums_at]
            with cgutils.for_range_slice(builder, start, stop, number(1)) as (pair, _):
                line_at = builder.gep(panel_at, [builder.mul(pair, number(COLUMNS))])
                columns = []
                for part in range(COLUMNS // LANES):
                    at = builder.bitcast(builder.gep(line_at, [number(LANES * part)]), PAIRS.as_pointer())
                    columns.append(builder.bitcast(builder.load(at, align=4), HALVES))
                for one in range(height):
                    term = builder.load(builder.gep(rows_at[one], [pair]), align=4)
                    first = builder.insert_element(
                        ir.Constant(PAIRS, ir.Undefined), term, ir.Constant(ir.IntType(32), 0)
                    )
                    spread = builder.shuffle_vector(
                        first, ir.Constant(PAIRS, ir.Undefined), ir.Constant(PAIRS, [0] * LANES)
                    )
                    terms = builder.bitcast(spread, HALVES)
                    for part, total in enumerate(kept[one]):
                        builder.store(builder.call(dot, [builder.load(total), terms, columns[part]]), total)
            for line, totals in zip(sums_at, kept, strict=True):
                for at, total in zip(line, totals, strict=True):
                    builder.store(builder.load(total), at, align=4)
            return context.get_dummy_value()

        return signature, generate

    return add_tile


add_tile_of_1, add_tile_of_2, add_tile_of_3, add_tile_of_4, add_tile_of_5, add_tile_of_6 = map(_tile_of, range(1, 7))


@compiled
def add_product_of_halves(total, rows, count, panels, halves, sums):
    """total[:count] += rows[:count] @ matrix, whose terms are rounded to bfloat16; `halves` and `sums` are room."""
    for m in range(count):
        for j in range(rows.shape[1]):
            halves[m, j] = narrow(rows[m, j])
        for j in range(sums.shape[1]):
            sums[m, j] = f32(0)
    groups = (count + ROWS - 1) // ROWS
    for panel in range(len(panels)):
        for start in range(0, panels.shape[1], TILE_PAIRS):
            stop = min(start + TILE_PAIRS, panels.shape[1])
            m = 0
            for group in range(groups):
                height = (count - m) // (groups - group)
                if height == 6:
                    add_tile_of_6(sums, halves, panels, m, panel, start, stop)
                elif height == 5:
                    add_tile_of_5(sums, halves, panels, m, panel, start, stop)
                elif height == 4:
                    add_tile_of_4(sums, halves, panels, m, panel, start, stop)
                elif height == 3:
                    add_tile_of_3(sums, halves, panels, m, panel, start, stop)
                elif height == 2:
                    add_tile_of_2(sums, halves, panels, m, panel, start, stop)
                else:
                    add_tile_of_1(sums, halves, panels, m, panel, start, stop)
                m += height
    for m in range(count):
        for j in range(total.shape[1]):
            total[m, j] += sums[m, j]


def pack(matrix: Tensor) -> Tensor:
    """Pack the transpose of a matrix (N, K) for `add_product_of_halves` -> int32 (panels, pairs, 64), zero beyond it."""
    columns, terms = matrix.shape
    whole = matrix.new_zeros(-(-columns // COLUMNS) * COLUMNS, -(-terms // 2) * 2, dtype=torch.bfloat16)
    whole[:columns, :terms] = matrix
    return whole.view(torch.int32).view(-1, COLUMNS, whole.shape[1] // 2).transpose(1, 2).contiguous()
