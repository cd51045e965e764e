"""Parts of series in order of time, and the windows of each part.

No part sees what is later: the scale is that of the training part, and a window's truth lies in its own part.

Shapes: T times, F columns of which the first K are predicted, W window, S horizon, B windows.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bothways.data.batches import Batch
from bothways.decoding.forecasting import ForecastSpec, centre_of, one_by_one, steps_from, windows_before
from bothways.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bothways.data.batches import Ints
    from bothways.data.series import SeriesTable
    from bothways.decoding.forecasting import Floats
    from bothways.settings import ForecasterSettings


@dataclass(frozen=True)
class ScaledSeries:
    """A series in units of the training part."""

    known: Floats  # (T,F), the last known value where one is missing
    truth: Floats  # (T,K), NaN where one is missing
    first: int  # the first time of the validation part
    end: int  # the first time after it

    def origins(self, start: int, end: int, spec: ForecastSpec) -> Ints:
        """Give the origins from `start` on whose truth ends before `end` and is not all missing, (N,)."""
        found = np.arange(max(start, spec.window), max(0, end - spec.horizon + 1))
        if not np.isnan(self.truth).any():
            return found
        some = np.concatenate([[0], np.cumsum(~np.isnan(self.truth).all(axis=1))])
        return found[some[found + spec.horizon] > some[found]]


@dataclass(frozen=True)
class Items:
    """Windows by where they stand."""

    series: Ints  # (N,)
    origins: Ints  # (N,)

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, chosen: Ints | NDArray[np.bool_]) -> Items:
        return Items(self.series[chosen], self.origins[chosen])


@dataclass
class PreparedSeries:
    """Series that are ready to be trained on."""

    spec: ForecastSpec
    series: list[ScaledSeries]
    identity: str  # fingerprint of data and settings
    notes: list[str] = field(default_factory=list)

    @property
    def train(self) -> Items:
        """The windows whose truth lies in the training part."""
        return self._items([one.origins(0, one.first, self.spec) for one in self.series])

    @property
    def validation(self) -> Items:
        """The windows whose truth lies in the validation part."""
        return self._items([one.origins(one.first, one.end, self.spec) for one in self.series])

    def _items(self, origins: Sequence[Ints]) -> Items:
        which = [np.full(len(some), place, dtype=np.int64) for place, some in enumerate(origins)]
        return Items(np.concatenate(which), np.concatenate(origins))


def prepare_series(table: SeriesTable, settings: ForecasterSettings, *, targets: int) -> PreparedSeries:
    """Cut series into parts by time, the same times for all, and bring them to the scale of the training part.

    Args:
        table: the series; the first columns are predicted.
        settings: checked already.
        targets: K.

    Raises:
        SettingsError: settings that the training would not use.
        DataError: a part is too short for a window and a horizon, or columns do not suit the settings.
    """
    settings.refuse_unused()
    if len(table.columns) > targets:
        inputs = ", ".join(map(repr, table.columns[targets:]))
        for name, value in (("decoder", settings.decoder), ("channels", settings.channels)):
            if value in ("steps", "apart"):
                raise DataError(
                    f"{name} is {value!r}, which reads only what it predicts, but {inputs} would be inputs alone. Name "
                    "them as targets, too, or leave them out."
                )
    first, end = _borders(table, settings)
    rows = [one.values[one.times < first] for one in table.series]
    train = np.concatenate(rows)
    with np.errstate(invalid="ignore"):
        known = (~np.isnan(train)).sum(axis=0)
    empty = np.flatnonzero(known == 0)
    if len(empty):
        raise DataError(
            f"{table.name}: column {table.columns[empty[0]]!r} holds no number in the training part. Leave the column "
            "out, or give a longer series."
        )
    quantiles, notes = settings.levels, list(table.notes)
    if quantiles and settings.decoder == "steps" and not settings.validation_size:
        quantiles = []
        notes.append("No validation part, hence no errors to take quantiles from: the mean alone is given.")
    elif quantiles and not settings.validation_size:
        notes.append("No validation part to calibrate the quantiles on: they are as learned, often too near.")
    mean, deviation = _scale(train)
    spec = ForecastSpec(
        columns=table.columns, targets=targets, time=table.time, by=table.by, clock=table.clock,
        mean=mean.tolist(), deviation=deviation.tolist(),
        window=settings.window, horizon=settings.horizon, quantiles=quantiles, centring=settings.centring,
        apart=settings.channels == "apart", season=settings.season or table.clock.season, seen_until=end,
    )  # fmt: skip
    scaled = [
        ScaledSeries(
            spec.known(one.values),
            spec.scaled(one.values)[:, :targets],
            int((one.times < first).sum()),
            int((one.times < end).sum()),
        )
        for one in table.series
    ]
    prepared = PreparedSeries(spec, scaled, _fingerprint(table, settings), notes)
    _refuse_short(table, prepared, settings)
    return prepared


def _scale(train: Floats) -> tuple[Floats, Floats]:
    """Give the mean and the deviation of each column of (T,F), (F,) and (F,); a column that never moves has 1."""
    # Compared, not computed: of 0.1, again and again, rounding makes a deviation of 1e-17.
    still = np.nanmax(train, axis=0) == np.nanmin(train, axis=0)
    size = np.nanmax(np.abs(train), axis=0)
    size = np.where(size > 0, size, 1.0)
    ones = train / size  # squares of numbers beyond 1e154 have no place in a float, nor those below 1e-162
    return np.nanmean(ones, axis=0) * size, np.where(still, 1.0, np.nanstd(ones, axis=0) * size)


def _borders(table: SeriesTable, settings: ForecasterSettings) -> tuple[float, float]:
    """Give the first time of the validation part, and the first of the test part."""
    times = np.unique(np.concatenate([one.times for one in table.series]))
    count = len(times)
    places = (
        count - round(count * (settings.test_size + settings.validation_size)),
        count - round(count * settings.test_size),
    )
    # What follows the last time; where times are uneven it may be any later one.
    beyond = float(table.clock.after(times[-1], 1)[0]) if table.clock.even else math.nextafter(times[-1], math.inf)
    first, end = (float(times[place]) if place < count else beyond for place in places)
    return first, end


def _refuse_short(table: SeriesTable, prepared: PreparedSeries, settings: ForecasterSettings) -> None:
    """Refuse parts without a window; say which of several series have none."""
    spec = prepared.spec
    needed = spec.window + spec.horizon
    counts = [len(one.origins(0, one.first, spec)) for one in prepared.series]
    if not any(counts):
        longest = max(one.first for one in prepared.series)
        _refuse_unknown(table, longest >= needed, "training")
        raise DataError(
            f"{table.name} has {longest:,} times to train on, but a window of {spec.window:,} and a horizon of "
            f"{spec.horizon:,} need {needed:,}. Give a longer series, or smaller --window, --horizon, --test-size or "
            "--validation-size."
        )
    if not all(counts):
        short = counts.count(0)
        prepared.notes.append(
            f"{short:,} of {len(counts):,} series are shorter than a window and a horizon ({needed:,}): nothing is "
            "learned from them."
        )
    if settings.validation_size and not len(prepared.validation):
        longest = max(one.end - one.first for one in prepared.series)
        _refuse_unknown(table, longest >= spec.horizon, "validation")
        raise DataError(
            f"{table.name} has {longest:,} times to validate on, but a horizon of {spec.horizon:,} needs as many. Give "
            "a longer series, a smaller --horizon, or a larger --validation-size (0: none)."
        )
    if settings.validation_size:
        advice = "Leave it out of --target, or choose another --validation-size."
        refuse_unscored(table.name, prepared, "in the validation part", advice)


def refuse_unscored(name: str, prepared: PreparedSeries, where: str, advice: str) -> None:
    """Refuse a column of which nothing is known from the first time of the part that is scored on."""
    for place, column in enumerate(prepared.spec.names):
        if all(np.isnan(one.truth[one.first : one.end, place]).all() for one in prepared.series):
            raise DataError(f"{name} has no known value of {column!r} {where}, so that it cannot be scored. {advice}")


def _refuse_unknown(table: SeriesTable, long_enough: bool, part: str) -> None:
    """Say so if a part has no window, though it is long enough for one."""
    if long_enough:
        raise DataError(
            f"{table.name} has no known value to predict in the {part} part: all are missing. Give a series with fewer "
            "gaps, or another --test-size or --validation-size."
        )


def _fingerprint(table: SeriesTable, settings: ForecasterSettings) -> str:
    digest = hashlib.sha256(json.dumps([settings.to_dict(), table.columns], sort_keys=True).encode())
    for one in table.series:
        digest.update(one.times.tobytes() + one.values.tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class WindowBatch(Batch):
    """Windows as a network sees them, and what is to be predicted."""

    truth: NDArray[np.float32]  # (B,S,K); for one time after another (B,W+S-1,K), what follows each; NaN where missing


class Windows:
    """The windows of prepared series, as batches."""

    def __init__(self, prepared: PreparedSeries, *, steps: bool) -> None:
        """Choose what they are for: a whole horizon, or one time after another (`steps`)."""
        self._series, self._spec, self._steps = prepared.series, prepared.spec, steps

    def batch(self, items: Items, rows: Ints) -> WindowBatch:
        """Give the windows of some items; read one by one if the columns are."""
        spec = self._spec
        windows, ahead, truth = self._cut(items[rows])
        if spec.apart:
            windows, ahead, truth = one_by_one(windows), one_by_one(ahead), one_by_one(truth)
        centre = centre_of(windows, spec.centring)
        wanted = (truth - centre.base[..., : truth.shape[2]]) / centre.spread[..., : truth.shape[2]]
        read = centre.moved(windows)
        if self._steps:
            read = np.concatenate([read, centre.moved(ahead)], axis=1)[:, :-1]
        inputs = read.astype(np.float32)
        lengths = np.full(len(inputs), inputs.shape[1], dtype=np.int64)
        return WindowBatch(rows, inputs, lengths, wanted.astype(np.float32))

    def _cut(self, items: Items) -> tuple[Floats, Floats, Floats]:
        """What is read, what follows it, and what is to be predicted, NaN where missing."""
        spec = self._spec
        parts = []
        for place in np.unique(items.series):
            one, here = self._series[place], items.series == place
            origins = items.origins[here]
            truth = steps_from(one.truth, origins, spec.horizon)
            if self._steps:
                before = windows_before(one.truth, origins, spec.window)
                truth = np.concatenate([before[:, 1:], truth], axis=1)
            ahead = steps_from(one.known, origins, spec.horizon)
            parts.append((np.flatnonzero(here), windows_before(one.known, origins, spec.window), ahead, truth))
        order = np.argsort(np.concatenate([part[0] for part in parts]))
        windows, ahead, truth = (np.concatenate([part[number] for part in parts])[order] for number in (1, 2, 3))
        return windows, ahead, truth
