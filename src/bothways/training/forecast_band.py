"""Let quantiles hold what they promise, by how far they missed the values of the validation part.

Conformalised quantile regression (Romano, Patterson and Candès, 2019). Two quantiles whose levels lie at the same
distance from the middle, such as 10% and 90%, are moved apart by one width, or together by it, so that the share of
validation values between them is the one promised, counted as if one value more had to fit in. They move by the same
width because the few values of a short series say how wide a band must be, but hardly where it should stand. A quantile
without such a partner is moved by itself. The middle one stays as it was learned.

Each time of the horizon has its own width, as long as its values are enough for the level; else all times share one.

Shapes: N windows, S horizon, K predicted columns, Q quantiles.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bothways.decoding.forecasting import Floats

_ROUNDING = 1e-9


class Calibration(NamedTuple):
    """What is added to quantiles."""

    shifts: Floats  # (S,K,Q), in the units of the quantiles
    shared: bool  # some times had too few values: all times share a width
    short: bool  # even all together had too few: the width is that of the farthest miss


class _Band(NamedTuple):
    """What lies above one quantile, below one, or between two."""

    low: int | None  # place of the quantile
    high: int | None
    share: float  # of the values that should lie there


def calibrate(quantiles: Floats, truth: Floats, levels: Sequence[float]) -> Calibration:
    """Find what to add to quantiles, so that as much lies between them as their levels promise.

    Args:
        quantiles: (N,S,K,Q), as they were learned; they may cross.
        truth: (N,S,K), NaN where missing; values that the quantiles were not learned from.
        levels: of the quantiles, Q, rising.
    """
    shifts = np.zeros(quantiles.shape[1:])
    shared = short = False
    for band in _bands(levels):
        misses = _misses(quantiles, truth, band)
        for step, column in np.ndindex(*truth.shape[1:]):
            width = _width(misses[:, step, column], band.share)
            if width is None:
                shared, width = True, _width(misses[..., column], band.share)
            if width is None:
                short, width = True, float(np.nanmax(misses[..., column], initial=0.0))
            if band.low is not None:
                shifts[step, column, band.low] = -width
            if band.high is not None:
                shifts[step, column, band.high] = width
    return Calibration(shifts, shared, short)


def _bands(levels: Sequence[float]) -> list[_Band]:
    """Pair the levels at the same distance from the middle; leave out the middle."""
    found = []
    for place, level in enumerate(levels):
        partner = next((other for other, more in enumerate(levels) if abs(level + more - 1) < _ROUNDING), None)
        if partner is None:
            found.append(_Band(place, None, 1 - level) if level < 0.5 else _Band(None, place, level))
        elif place < partner:
            found.append(_Band(place, partner, levels[partner] - level))
    return found


def _misses(quantiles: Floats, truth: Floats, band: _Band) -> Floats:
    """How far each value lies outside of a band, (N,S,K): below zero inside, NaN where it is missing."""
    sides = [] if band.low is None else [quantiles[..., band.low] - truth]
    sides += [] if band.high is None else [truth - quantiles[..., band.high]]
    return np.asarray(np.max(sides, axis=0))


def _width(misses: Floats, share: float) -> float | None:
    """The width that lets in a share of values, among them one that is still to come; None: they are too few."""
    known = np.sort(misses[~np.isnan(misses)])
    rank = math.ceil(share * (len(known) + 1) - _ROUNDING)
    return float(known[rank - 1]) if rank <= len(known) else None
