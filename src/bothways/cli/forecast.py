"""What the commands that serve every task print of a forecaster."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bothways.bundle import literal
from bothways.cli.output import print_json
from bothways.data.writing import check_place
from bothways.errors import counted

if TYPE_CHECKING:
    from bothways.data.series import Series
    from bothways.decoding.forecasting import Forecast, ForecastSpec


def show_scores(scores: Mapping[str, Any], baselines: Mapping[str, Mapping[str, Any]]) -> None:
    """Print how near forecasts came, beside the baselines."""
    from bothways.training.forecast_scores import interval_in_words

    print(f"mean squared error   {scores['mse']:.4f}  ({interval_in_words(scores)})")
    print(f"mean absolute error  {scores['mae']:.4f}")
    for name, score in baselines.items():
        print(f"  {name + ' baseline:':<21}squared {score['mse']:.4f}  absolute {score['mae']:.4f}")
    if scores["coverage"] is not None:
        print(f"between the outer quantiles {scores['coverage']:.1%} of the values, {scores['promised']:.0%} promised")


def show_evaluation(model: Path, data: Path, *, encoding: str, as_json: bool) -> None:
    """Score a forecaster and print it."""
    from bothways.training.forecasting_evaluation import evaluate_forecaster

    found = evaluate_forecaster(model, data, encoding=encoding)
    for note in found.notes:
        print(literal(note), file=sys.stderr)
    if as_json:
        print_json({"model": str(model), "data": str(data), **found.to_dict()})
        return
    scores = found.scores
    print(
        f"{scores.origins:,} origins. In units of the training part's deviation. In brackets: 95% bootstrap interval."
    )
    show_scores(scores.to_dict(), found.baselines)
    print(found.verdict or "")
    width = max(len("column"), *map(len, map(literal, scores.mae_of)))
    print(f"{'column':<{width}}  root of mean squared error  mean absolute error, in its own units")
    for name, size in scores.mae_of.items():
        print(f"{literal(name):<{width}}  {scores.rmse_of[name]:26.4g}  {size:19.4g}")


def show_forecasts(
    model: Path, file: Path, *, out: Path | None, plot: Path | None, encoding: str, force: bool, as_json: bool
) -> None:
    """Predict what follows the end of each series of a file; print it, write it, draw it."""
    from bothways.runtime import load
    from bothways.runtime.forecaster import read_known_series

    runner = load(model)
    spec: ForecastSpec = runner.spec
    if out is not None:
        check_place(out, force=force)
    table = read_known_series(file, spec, encoding=encoding)
    for note in table.notes:
        print(literal(note), file=sys.stderr)
    spec = replace(spec, clock=table.clock)  # times are written as those of this file
    found = [(one, runner.predict(one)) for one in _long_enough(table.series, spec)]
    if out is not None:
        _write(out, found, spec)
        print(f"{counted(len(found) * spec.horizon, 'row')} written to {literal(out)}.", file=sys.stderr)
    elif as_json:
        for series, forecast in found:
            print_json(_as_json(series, forecast, spec))
    else:
        _print(found, spec)
    if plot is not None:
        from bothways.training.pictures import draw_forecast

        series, forecast = found[0]
        draw_forecast(series, forecast, spec, plot)
        if len(found) > 1:
            print(f"{literal(plot)} shows the first of {len(found):,} series.", file=sys.stderr)


def _long_enough(series: list["Series"], spec: "ForecastSpec") -> list["Series"]:
    """Leave out, and say so, the series that are shorter than a window; if all are, keep them, to be refused."""
    long = [one for one in series if len(one.values) >= spec.window]
    short = [one for one in series if len(one.values) < spec.window]
    if long and short:
        print(
            f"{len(short):,} of {len(series):,} series are shorter than the window of {spec.window:,} times, such as "
            f"{literal(short[0].name or '')}: nothing is predicted of them.",
            file=sys.stderr,
        )
    return long or series


def _columns(spec: "ForecastSpec") -> list[str]:
    """Name what is said of each time."""
    names = []
    for target in spec.names:
        start = "" if spec.targets == 1 else f"{target} "
        names += [f"{start}mean", *(f"{start}{level:g}" for level in spec.quantiles)]
    return names


def _rows(found: list[tuple["Series", "Forecast"]]) -> list[tuple[str | float, ...]]:
    """The forecasts, a row for each series and time: its name if it has one, the time, and what is said."""
    rows = []
    for series, forecast in found:
        start = () if series.name is None else (series.name,)
        for place, time in enumerate(forecast.times):
            numbers = [
                number
                for mean, quantiles in zip(forecast.mean[place], forecast.quantiles[place], strict=True)
                for number in (mean, *quantiles)
            ]
            rows.append((*start, time, *(float(f"{number:.8g}") for number in numbers)))
    return rows


def _print(found: list[tuple["Series", "Forecast"]], spec: "ForecastSpec") -> None:
    names = [*([] if spec.by is None else [spec.by]), spec.time or "row", *_columns(spec)]
    print("\t".join(map(literal, names)))
    for row in _rows(found):
        print("\t".join(literal(cell) if isinstance(cell, str) else f"{cell:.6g}" for cell in row))


def _write(out: Path, found: list[tuple["Series", "Forecast"]], spec: "ForecastSpec") -> None:
    from bothways.data.writing import TableWriter

    columns: dict[str, Any] = {} if spec.by is None else {spec.by: str}
    columns |= {spec.time or "row": str, **dict.fromkeys(_columns(spec), float)}
    with TableWriter(out, columns) as writer:
        writer.write(_rows(found))


def _as_json(series: "Series", forecast: "Forecast", spec: "ForecastSpec") -> dict[str, Any]:
    said = {
        name: {
            "mean": [float(f"{number:.8g}") for number in forecast.mean[:, place]],
            **{
                f"{level:g}": [float(f"{number:.8g}") for number in forecast.quantiles[:, place, rank]]
                for rank, level in enumerate(spec.quantiles)
            },
        }
        for place, name in enumerate(spec.names)
    }
    return {"series": series.name, "times": forecast.times, "forecast": said}
