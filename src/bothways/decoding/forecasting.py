"""From the known past of series to their future: windows, what a model is given of them, and what it says.

A model sees windows in units of the training part (mean 0, deviation 1 of each column), moved so that what it sees does
not depend on where a series stands: less the window's last value, or its mean. What it says is moved back.

Shapes: T times, N origins, W window, S horizon, F columns of which the first K are predicted, Q quantiles, B windows
that a model sees at once. An origin is the first time to be predicted: its window ends right before it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bothways.data.clock import Clock
from bothways.data.series import ROWS, Series, series_of
from bothways.errors import DataError, refuse_newer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

SMALLEST_SPREAD = 0.1  # a window that hardly moves is not blown up beyond a tenth of the training part's deviation
_BATCH = 256  # windows that a model sees at once


@dataclass(frozen=True)
class ForecastSpec:
    """What a forecaster reads and says, besides its weights."""

    columns: list[str]  # F, the predicted ones first
    targets: int  # K
    time: str | None
    by: str | None
    clock: Clock
    mean: list[float]  # (F,), of the training part
    deviation: list[float]  # (F,)
    window: int  # W
    horizon: int  # S
    quantiles: list[float]  # Q, rising
    centring: str  # "last", "mean", "standard" or "none"
    apart: bool  # each column is read by itself, all with the same weights
    season: int | None
    seen_until: float  # the first time that training and validation had not seen

    @property
    def names(self) -> list[str]:
        """The columns that are predicted."""
        return self.columns[: self.targets]

    def to_dict(self) -> dict[str, Any]:
        """Give everything for JSON."""
        return {**self.__dict__, "clock": self.clock.to_dict()}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> ForecastSpec:
        """Read what `to_dict` gave.

        Raises:
            ModelFolderError: a newer version wrote it.
        """
        refuse_newer(saved, cls.__dataclass_fields__, "series")
        return cls(**{**saved, "clock": Clock.from_dict(saved["clock"])})

    def scaled(self, values: Floats) -> Floats:
        """Bring values (T,F) to units of the training part."""
        return np.asarray((values - np.array(self.mean)) / np.array(self.deviation))

    def known(self, values: Floats) -> Floats:
        """What a model is given of values (T,F): scaled, the last known one in the place of one that is missing."""
        return carried_forward(self.scaled(values))


class Forecast(NamedTuple):
    """The future of a series, in its own units."""

    times: list[str]  # S
    mean: Floats  # (S,K)
    quantiles: Floats  # (S,K,Q), rising


class Centre(NamedTuple):
    """Where windows stand, and how far they spread."""

    base: Floats  # (N,1,F)
    spread: Floats  # (N,1,F)

    def moved(self, windows: Floats) -> Floats:
        """Move windows (N,T,F) to where a model sees them."""
        return (windows - self.base) / self.spread

    def back(self, said: Floats, targets: int) -> Floats:
        """Move what a model said, (N,S,K,M), back."""
        base, spread = (part[:, :, :targets, None] for part in self)
        return said * spread + base


def carried_forward(values: Floats) -> Floats:
    """Put the last known value of its column in the place of one that is missing; zero where none was known yet."""
    known = ~np.isnan(values)
    last = np.maximum.accumulate(np.where(known, np.arange(len(values))[:, None], -1), axis=0)
    found = np.take_along_axis(values, np.maximum(last, 0), axis=0)
    return np.where(last < 0, 0.0, found)


def windows_before(values: Floats, origins: Ints, size: int) -> Floats:
    """The `size` rows of values (T,F) before each origin, (N,size,F)."""
    return np.asarray(values[origins[:, None] + np.arange(-size, 0)])


def steps_from(values: Floats, origins: Ints, size: int) -> Floats:
    """The `size` rows of values (T,F) from each origin on, (N,size,F)."""
    return np.asarray(values[origins[:, None] + np.arange(size)])


def centre_of(windows: Floats, centring: str) -> Centre:
    """Find where windows (N,W,F) stand."""
    base = np.zeros_like(windows[:, :1])
    spread = np.ones_like(base)
    if centring == "last":
        base = windows[:, -1:]
    elif centring in ("mean", "standard"):
        base = windows.mean(axis=1, keepdims=True)
    if centring == "standard":
        spread = np.maximum(windows.std(axis=1, keepdims=True), SMALLEST_SPREAD)
    return Centre(base, spread)


def spoken_band(band: Mapping[str, Any]) -> str:
    """Say how quantiles were calibrated, as `metrics.json` has it under `band`."""
    each = "each time of the horizon by itself" if band["by"] == "step" else "all times of the horizon together"
    said = f"The quantiles are calibrated on {band['windows']:,} validation windows, {each}."
    if band["promised"] is None:
        return said
    before = "" if band["coverage_before"] is None else f"{band['coverage_before']:.1%} as they were learned and "
    return (
        f"{said} Between the outer ones, {band['promised']:.0%} promised, lay {before}{band['coverage_in_sample']:.1%} "
        "of these very values once calibrated: what they hold of new ones, 'bothways evaluate' says."
    )


class ForecastRunner:
    """A trained forecaster, whatever computes it."""

    spec: ForecastSpec

    def run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predict from windows as the model sees them, (B,W,F) -> (B,S,K,1+Q): the mean, and quantiles."""
        raise NotImplementedError

    def predict(self, series: Series | Floats) -> Forecast:
        """Predict what follows the end of a series.

        Args:
            series: of the columns that the model knows. Times are written as by its clock; without one as those that
                were trained on, and without the zone if they are those of the clock on the wall. Numbers, (T,) or
                (T,F), are rows without times, and what follows are the next rows.

        Raises:
            DataError: it is shorter than a window, or has other columns.
        """
        spec = self.spec
        advances = spec.clock
        if not isinstance(series, Series):
            if isinstance(series, (list, tuple)) and any(np.ndim(one) > 0 for one in series):
                raise DataError("series is a list of series, but it must be one. Predict one after another.")
            series, advances = replace(series_of(series, width=len(spec.columns)), clock=ROWS), ROWS
        origin = len(series.values)
        if origin < spec.window:
            called = "The series" if series.name is None else f"The series {series.name!r}"
            raise DataError(
                f"{called} has {origin:,} times, but the model reads a window of {spec.window:,}. Give a longer series."
            )
        unknown = np.isnan(series.values[:, : spec.targets]).all(axis=0)
        if unknown.any():
            called = "The series" if series.name is None else f"The series {series.name!r}"
            column = spec.names[int(unknown.argmax())]
            raise DataError(f"{called} has no known value of {column!r}: nothing can follow. Give one that has some.")
        said = self.forecast_from(spec.known(series.values), np.array([origin]))[0]
        deviation, mean = (np.array(part[: spec.targets])[:, None] for part in (spec.deviation, spec.mean))
        own = said * deviation + mean
        times = advances.after(float(series.times[-1]), spec.horizon)
        clock = series.clock or (replace(spec.clock, zone="") if spec.clock.local else spec.clock)
        return Forecast([clock.spell(time) for time in times], own[..., 0], own[..., 1:])

    def forecast_from(self, known: Floats, origins: Ints) -> Floats:
        """Predict from each origin of a series.

        Args:
            known: what `ForecastSpec.known` gave, (T,F).
            origins: (N,), from W to T.

        Returns:
            (N,S,K,1+Q), scaled: the mean, and quantiles, which never cross.
        """
        spec = self.spec
        said = np.empty((len(origins), spec.horizon, spec.targets, 1 + len(spec.quantiles)))
        for start in range(0, len(origins), _BATCH):
            windows = windows_before(known, origins[start : start + _BATCH], spec.window)
            said[start : start + _BATCH] = self._say(windows)
        # Each is learned by itself; in order they are at least as near to the truth (Chernozhukov et al., 2010).
        said[..., 1:] = np.sort(said[..., 1:], axis=-1)
        return said

    def _say(self, windows: Floats) -> Floats:
        """Predict from windows (N,W,F), (N,S,K,1+Q), both scaled."""
        spec = self.spec
        size, _, width = windows.shape
        if spec.apart:
            windows = one_by_one(windows)
        centre = centre_of(windows, spec.centring)
        said = self.run(centre.moved(windows).astype(np.float32)).astype(np.float64)
        found = centre.back(said, 1 if spec.apart else spec.targets)
        if spec.apart:
            found = found.reshape(size, width, *found.shape[1:])[..., 0, :].transpose(0, 2, 1, 3)
        return found


class StepRunner(ForecastRunner):
    """A forecaster that predicts one time after another, each read before the next.

    Its quantiles are the mean plus those of the errors on validation data, by distance, calibrated.
    """

    errors: Floats  # (S,K,Q), as the model sees windows

    def step(self, values: NDArray[np.float32], state: Any) -> tuple[NDArray[np.float32], Any]:
        """Read values (B,T,K) on from a state (None: the start); give what follows the last, (B,K), and the state."""
        raise NotImplementedError

    def run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predict; see `ForecastRunner.run`."""
        mean = self.roll_out(windows)[..., None]
        return np.concatenate([mean, mean + self.errors.astype(np.float32)], axis=-1)

    def roll_out(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predict the mean from windows as the model sees them: (B,W,K) -> (B,S,K)."""
        following, state = self.step(windows, None)
        said = [following]
        for _ in range(self.spec.horizon - 1):
            following, state = self.step(following[:, None], state)
            said.append(following)
        return np.stack(said, axis=1)


def one_by_one(windows: Floats) -> Floats:
    """Make a window of its own of each column: (N,T,F) -> (N*F,T,1)."""
    size, steps, width = windows.shape
    return windows.transpose(0, 2, 1).reshape(size * width, steps, 1)


def last_value(known: Floats, origins: Ints, horizon: int, targets: int) -> Floats:
    """The last known value, again and again: (N,S,K)."""
    return np.repeat(known[origins - 1, None, :targets], horizon, axis=1)


def drift(known: Floats, origins: Ints, horizon: int, targets: int) -> Floats:
    """The straight line from the first value through the last known one: (N,S,K)."""
    last, first = known[origins - 1, :targets], known[0, :targets]
    slope = (last - first) / np.maximum(origins - 1, 1)[:, None]
    return np.asarray(last[:, None] + slope[:, None] * np.arange(1, horizon + 1)[None, :, None])


def seasonal(known: Floats, origins: Ints, horizon: int, targets: int, season: int) -> Floats:
    """What stood there a season before, or several where the horizon is longer: (N,S,K).

    Before a first season is over it is the last value.
    """
    back = season - np.arange(horizon) % season
    said = known[np.maximum(origins[:, None] - back, 0), :targets]
    early = origins < season
    said[early] = last_value(known, origins[early], horizon, targets)
    return said


def linear(known: Floats, origins: Ints, weights: Sequence[Floats] | Floats) -> Floats:
    """A linear map of the window of each column, less its last value: weights (K,W+1,S) -> (N,S,K)."""
    window = np.asarray(weights).shape[1] - 1
    said = []
    for place, own in enumerate(weights):
        windows = windows_before(known[:, place : place + 1], origins, window)[..., 0]
        last = windows[:, -1:]
        said.append((windows - last) @ own[:-1] + own[-1] + last)
    return np.stack(said, axis=-1)


def pinball(truth: Floats, quantiles: Floats, levels: Sequence[float]) -> Floats:
    """The loss of quantiles (...,Q) of truths (...): u max(y-q, 0) + (1-u) max(q-y, 0), (...,Q)."""
    above = truth[..., None] - quantiles
    level = np.asarray(levels)
    return np.asarray(np.maximum(level * above, (level - 1) * above))
