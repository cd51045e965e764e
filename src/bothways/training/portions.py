"""A portion of many sequences, from everywhere, where all of them would take too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bothways.data.batches import Ints

PIECE = 1_000  # steps of a long sequence that are taken or passed over together


def portion(lengths: Ints, most_steps: int) -> tuple[Ints, Ints, Ints]:
    """Choose what to count: rows, first steps and ends of pieces, int64 (P,) each, at most `most_steps` steps."""
    rows, begins, ends = np.arange(len(lengths)), np.zeros_like(lengths), lengths
    steps = int(lengths.sum())
    if steps <= most_steps:
        return rows, begins, ends
    size = min(PIECE, most_steps)
    pieces = -(-lengths // size)
    rows = np.repeat(rows, pieces)
    begins = (np.arange(len(rows)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) * size
    ends = np.minimum(begins + size, lengths[rows])
    some = evenly((ends - begins).tolist(), most_steps)
    return rows[some], begins[some], ends[some]


def evenly(sizes: list[int], most: int) -> list[int]:
    """Choose pieces from everywhere, of any sizes up to `most`: at most so many steps, and at least one piece."""
    whole, passed, counted, some = sum(sizes), 0, 0, []
    for place, size in enumerate(sizes):
        passed += size
        # Taken where what is counted stays nearest to the share of what was passed.
        if (2 * counted + size) * whole <= 2 * passed * most and counted + size <= most:
            some.append(place)
            counted += size
    return some
