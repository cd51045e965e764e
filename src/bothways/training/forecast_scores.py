"""Scores of forecasts, from every origin of a part, beside what needs no network.

    last       the last known value, again and again
    drift      the straight line from the first value through the last known one
    seasonal   what stood there a season before
    linear     a linear map of the window less its last value, by ridge regression, one for each column (as NLinear,
               Zeng et al., 2023)

Shapes: T times, N origins, W window, S horizon, K predicted columns, Q quantiles.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bothways.decoding.forecasting import drift, last_value, linear, pinball, seasonal, steps_from, windows_before

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from bothways.bundle import ModelFolder
    from bothways.data.batches import Ints
    from bothways.decoding.forecasting import Floats, ForecastRunner, ForecastSpec
    from bothways.training.series_windows import Items, PreparedSeries, ScaledSeries

BASELINE = "baseline.safetensors"  # of a model folder: the linear map
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of the mean square of the windows
DRAWS = 1_000
FEWEST_BLOCKS = 10  # that an interval needs: drawn from fewer, it would hold far less than it says


@dataclass(frozen=True)
class ForecastScores:
    """How near forecasts came, over all origins, distances and columns; missing truths left out."""

    origins: int
    mse: float  # of the training part's units (deviation 1), as the literature gives it
    mae: float
    mse_interval: tuple[float, float] | None  # 95%, by bootstrap over blocks of a horizon of origins; None of too few
    rmse_of: dict[str, float]  # by column, in its own units
    mae_of: dict[str, float]
    mse_by_step: list[float]  # by distance from the origin, S
    coverage: float | None = None  # share of truths between the lowest and the highest quantile
    promised: float | None = None  # what that share should be
    pinball: float | None = None  # mean over the quantiles

    def to_dict(self) -> dict[str, Any]:
        """Give everything for JSON; None of a distance or column without any truth."""
        found = asdict(self)
        for name in ("rmse_of", "mae_of"):
            found[name] = {column: _or_none(error) for column, error in found[name].items()}
        return {**found, "mse_by_step": [_or_none(error) for error in self.mse_by_step]}


def _or_none(error: float) -> float | None:
    return None if math.isnan(error) else error


def score_forecasts(
    said: Floats, truth: Floats, spec: ForecastSpec, *, seed: int, series: Ints | None = None
) -> ForecastScores:
    """Score forecasts.

    Args:
        said: (N,S,K,1+Q), or (N,S,K,1) without quantiles, scaled.
        truth: (N,S,K), scaled, NaN where missing; the origins in order of series and time.
        spec: what the columns are.
        seed: of the bootstrap.
        series: the place of the series that each origin is of, (N,); None: all are of one.
    """
    error = said[..., 0] - truth
    deviation = spec.deviation[: spec.targets]
    square, size = error**2, np.abs(error)
    own_square, own_size = _known_mean(square, (0, 1)), _known_mean(size, (0, 1))
    names = zip(spec.names, deviation, strict=True)
    rmse = {name: float(np.sqrt(one) * unit) for (name, unit), one in zip(names, own_square, strict=True)}
    names = zip(spec.names, deviation, strict=True)
    mae = {name: float(one * unit) for (name, unit), one in zip(names, own_size, strict=True)}
    more: dict[str, Any] = {}
    levels = spec.quantiles if said.shape[-1] > 1 else []
    if levels:
        quantiles = said[..., 1:]
        more["pinball"] = float(np.nanmean(pinball(truth, quantiles, levels)))
        if len(levels) > 1:
            more |= {"coverage": held(quantiles, truth), "promised": levels[-1] - levels[0]}
    return ForecastScores(
        len(truth), float(np.nanmean(square)), float(np.nanmean(size)),
        _interval(square, _blocks(len(truth), series, spec.horizon), seed), rmse, mae,
        _known_mean(square, (0, 2)).tolist(), **more,
    )  # fmt: skip


def _known_mean(values: Floats, axes: tuple[int, ...]) -> Floats:
    """The mean over some axes of what is known; not a number where nothing is."""
    with np.errstate(invalid="ignore"):
        mean: Floats = np.nansum(values, axis=axes) / (~np.isnan(values)).sum(axis=axes)
    return mean


def held(quantiles: Floats, truth: Floats) -> float | None:
    """The share of truths (...), NaN left out, between the lowest and the highest of quantiles (...,Q); None of one."""
    inside = (quantiles[..., 0] <= truth) & (truth <= quantiles[..., -1])
    return float(inside[~np.isnan(truth)].mean()) if quantiles.shape[-1] > 1 else None


def interval_in_words(scores: Mapping[str, Any]) -> str:
    """The interval of the mean squared error for people, or why there is none."""
    if scores["mse_interval"] is None:
        return f"no interval: fewer than {FEWEST_BLOCKS} blocks of origins, each a horizon or a whole series"
    low, high = scores["mse_interval"]
    return f"{low:.4f} to {high:.4f}"


def _interval(square: Floats, blocks: Sequence[Ints], seed: int) -> tuple[float, float] | None:
    """The 95% interval of the mean of (N,S,K), NaN left out, by blocks of its rows; None of fewer than ten."""
    if len(blocks) < FEWEST_BLOCKS:
        return None
    sums = np.array([np.nansum(square[some]) for some in blocks])
    sizes = np.array([(~np.isnan(square[some])).sum() for some in blocks])
    random, means = np.random.default_rng(seed), np.empty(DRAWS)
    for place in range(DRAWS):  # one by one, as there may be as many blocks as series
        drawn = random.integers(0, len(blocks), size=len(blocks))
        means[place] = sums[drawn].sum() / max(1, sizes[drawn].sum())
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _blocks(count: int, series: Ints | None, horizon: int) -> list[Ints]:
    """Put the origins of each series, in order, into blocks of at least a horizon, or into one if they are fewer.

    Origins less than a horizon apart share truths, and are drawn together; those of several series share none.
    """
    which = np.zeros(count) if series is None else series
    parts = np.split(np.arange(count), np.flatnonzero(np.diff(which)) + 1)
    return [block for part in parts for block in np.array_split(part, max(1, len(part) // horizon))]


def fit_linear(prepared: PreparedSeries) -> Floats:
    """Fit the linear baseline on the training part: (K,W+1,S), the last row a constant."""
    return np.stack([fit_line(prepared, [column]) for column in range(prepared.spec.targets)])


def fit_line(prepared: PreparedSeries, columns: Sequence[int]) -> Floats:
    """Fit one linear map for the windows of some columns: (W+1,S), the last row a constant.

    Each step learns from all windows that its truth is known of. How much the weights are held back is chosen on the
    validation part; without one it is a hundredth.
    """
    spec, validation = prepared.spec, prepared.validation
    ridges = RIDGES if len(validation) else (1e-2,)
    tried = np.zeros((len(ridges), spec.window + 1, spec.horizon))
    parts = _parts(prepared, prepared.train, columns)
    sums = _Sums(parts, spec)
    for steps in _alike(parts, spec.horizon):
        square = sums.square_without(_missing(parts, steps[0]))
        tried[:, :, steps] = _solved(square, sums.wanted[:, steps], ridges)
    if len(tried) == 1:
        return np.asarray(tried[0])
    checked = _parts(prepared, validation, columns)
    return min(tried, key=lambda weights: _linear_loss(checked, spec, weights))


def never_known(prepared: PreparedSeries) -> list[str]:
    """Say which steps of the horizon have no known truth in the training part, so that nothing is learned of them."""
    spec, items = prepared.spec, prepared.train
    known = np.zeros((spec.horizon, spec.targets), dtype=bool)
    for place in np.unique(items.series):
        there = ~np.isnan(prepared.series[place].truth)
        origins = items.origins[items.series == place]
        for step in range(spec.horizon):
            known[step] |= there[origins + step].any(axis=0)
    return [
        f"Column {name!r} is never known {int(there.argmin()) + 1} steps after a window of the training part "
        f"({int((~there).sum()):,} of {spec.horizon:,} steps are such): nothing is learned of these, and the linear "
        "map says the last value."
        for name, there in zip(spec.names, known.T, strict=True)
        if not there.all()
    ]


class _Part(NamedTuple):
    """Windows of one column of a series."""

    known: Floats  # (T,1)
    truth: Floats  # (T,1)
    origins: Ints  # (n,)


def _parts(prepared: PreparedSeries, items: Items, columns: Sequence[int]) -> list[_Part]:
    found = []
    for place, column in product(np.unique(items.series), columns):
        one, chosen = prepared.series[place], slice(column, column + 1)
        found.append(_Part(one.known[:, chosen], one.truth[:, chosen], items.origins[items.series == place]))
    return found


def _missing(parts: Sequence[_Part], step: int) -> list[NDArray[np.bool_]]:
    """Whether the truth of each window is missing at a step, by part."""
    return [np.isnan(part.truth[part.origins + step, 0]) for part in parts]


def _alike(parts: Sequence[_Part], horizon: int) -> list[list[int]]:
    """The steps of the horizon, those together that lack the truths of the same windows.

    Where values are known at regular times, one step is like that of the next period.
    """
    found: dict[bytes, list[int]] = {}
    for step in range(horizon):
        key = sha256(b"".join(np.packbits(some).tobytes() for some in _missing(parts, step))).digest()
        found.setdefault(key, []).append(step)
    return list(found.values())


class _Sums:
    """Sums of products over windows X, with a constant that counts them in its last place, and truths Y."""

    def __init__(self, parts: Sequence[_Part], spec: ForecastSpec) -> None:
        self._parts, self._spec = parts, spec
        self._square = np.zeros((spec.window + 1, spec.window + 1))  # X'X of all windows
        self.wanted = np.zeros((spec.window + 1, spec.horizon))  # X'Y of the truths that are known
        for windows, ahead in _pairs(parts, spec):
            joined = _with_constant(windows)
            self._square += joined.T @ joined
            self.wanted += joined.T @ np.where(np.isnan(ahead), 0.0, ahead)

    def square_without(self, missing: Sequence[NDArray[np.bool_]]) -> Floats:
        """X'X of all windows but some, found by whichever are fewer."""
        count = sum(map(np.count_nonzero, missing))
        if not count:
            return self._square
        if count * 2 <= sum(map(len, missing)):
            return self._square - self._square_of(missing)
        return self._square_of([~some for some in missing])

    def _square_of(self, chosen: Sequence[NDArray[np.bool_]]) -> Floats:
        square = np.zeros_like(self._square)
        some = [part._replace(origins=part.origins[one]) for part, one in zip(self._parts, chosen, strict=True)]
        for windows, _ in _pairs(some, self._spec):
            joined = _with_constant(windows)
            square += joined.T @ joined
        return square


def _with_constant(windows: Floats) -> Floats:
    return np.concatenate([windows, np.ones((len(windows), 1))], axis=1)


def _solved(square: Floats, wanted: Floats, ridges: Sequence[float]) -> Floats:
    """The weights of each ridge; zero where there is no window."""
    found = np.zeros((len(ridges), *wanted.shape))
    count = square[-1, -1]
    for weights, ridge in zip(found, ridges if count else (), strict=False):
        held = np.eye(len(square)) * (ridge * np.trace(square) / len(square) + 1e-9)
        held[-1, -1] = 1e-9 * count
        weights[:] = np.linalg.solve(square + held, wanted)
    return found


def _linear_loss(parts: Sequence[_Part], spec: ForecastSpec, weights: Floats) -> float:
    total, count = 0.0, 0
    for windows, ahead in _pairs(parts, spec):
        square = (windows @ weights[:-1] + weights[-1] - ahead) ** 2
        total += float(np.nansum(square))
        count += int((~np.isnan(square)).sum())
    return total / max(1, count)


def _pairs(parts: Sequence[_Part], spec: ForecastSpec, *, chunk: int = 4_096) -> Iterator[tuple[Floats, Floats]]:
    """Windows and what follows them, both less the window's last value: (n,W) and (n,S)."""
    for part in parts:
        for start in range(0, len(part.origins), chunk):
            some = part.origins[start : start + chunk]
            windows = windows_before(part.known, some, spec.window)[..., 0]
            ahead = steps_from(part.truth, some, spec.horizon)[..., 0]
            last = windows[:, -1:]
            yield windows - last, ahead - last


def gather(
    series: Sequence[ScaledSeries], items: Items, say: Callable[[ScaledSeries, NDArray[np.int64]], Floats]
) -> Floats:
    """Apply something to the origins of each series, and join what it gives, in the order of the items."""
    return np.concatenate(
        [say(series[place], items.origins[items.series == place]) for place in np.unique(items.series)]
    )


def truth_of(prepared: PreparedSeries, items: Items) -> Floats:
    """What is to be predicted, (N,S,K), NaN where missing."""
    return gather(prepared.series, items, lambda one, some: steps_from(one.truth, some, prepared.spec.horizon))


def say_all(runner: ForecastRunner, prepared: PreparedSeries, items: Items) -> Floats:
    """Predict from all origins, (N,S,K,1+Q)."""
    return gather(prepared.series, items, lambda one, some: runner.forecast_from(one.known, some))


def score_baselines(
    prepared: PreparedSeries, items: Items, weights: Floats | None, *, seed: int
) -> dict[str, dict[str, Any]]:
    """Score what needs no network, on the same origins."""
    spec = prepared.spec
    sizes = (spec.horizon, spec.targets)
    ways: dict[str, Callable[[ScaledSeries, NDArray[np.int64]], Floats]] = {
        "last value": lambda one, some: last_value(one.known, some, *sizes),
        "drift": lambda one, some: drift(one.known, some, *sizes),
    }
    if spec.season is not None and int(items.origins.max()) >= spec.season:
        season = spec.season
        ways["seasonal"] = lambda one, some: seasonal(one.known, some, *sizes, season)
    if weights is not None:
        ways["linear"] = lambda one, some: linear(one.known, some, weights)
    truth = truth_of(prepared, items)
    return {
        name: score_forecasts(
            gather(prepared.series, items, say)[..., None], truth, spec, seed=seed, series=items.series
        ).to_dict()
        for name, say in ways.items()
    }


def read_linear(folder: ModelFolder) -> Floats | None:
    """Read the linear baseline of a model folder, (K,W+1,S)."""
    from safetensors.numpy import load_file

    return load_file(folder.file(BASELINE))["linear"] if folder.has(BASELINE) else None


def verdict(scores: dict[str, Any] | None, baselines: dict[str, Any]) -> str | None:
    """Say whether the network beats the best baseline on the same times; a loss is said as one."""
    if scores is None or not baselines:
        return None
    name = min(baselines, key=lambda one: float(baselines[one]["mse"]))
    figures = f"mean squared error {scores['mse']:.4g} against {baselines[name]['mse']:.4g} on the same times"
    if baselines[name]["mse"] < scores["mse"]:
        return f"The {name} baseline wins: {figures}. For this data it is the better and cheaper model."
    if baselines[name]["mse"] == scores["mse"]:
        return f"The {name} baseline is level with the network, and cheaper: {figures}."
    return f"The network beats the best baseline ({name}): {figures}."
