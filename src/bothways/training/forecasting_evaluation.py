"""Evaluate a forecaster on the times that its training had not seen, from every origin, beside the baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bothways.bundle import open_folder
from bothways.errors import DataError
from bothways.runtime.forecaster import forecaster_runtime, read_known_series
from bothways.training.forecast_scores import (
    ForecastScores,
    read_linear,
    say_all,
    score_baselines,
    score_forecasts,
    truth_of,
    verdict,
)
from bothways.training.series_windows import PreparedSeries, ScaledSeries, refuse_unscored

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class ForecastEvaluation:
    """How near forecasts came, and how near those without a network."""

    scores: ForecastScores
    baselines: dict[str, dict[str, Any]]
    verdict: str | None
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {
            **self.scores.to_dict(),
            "baselines": self.baselines,
            "verdict": self.verdict,
            "notes": self.notes,
        }


def evaluate_forecaster(model: Path, data: Path, *, encoding: str = "auto") -> ForecastEvaluation:
    """Score a model folder on a table: each time from `seen_until` on is an origin, as long as its horizon is there.

    The window of an origin may reach back into times that were trained on, which are its past; no truth does.

    Args:
        model: the folder.
        data: a table with the columns that the model was trained on; the file it was trained on, too.
        encoding: of the file.

    Raises:
        DataError: the columns or the step differ, or no horizon fits into what is new.
    """
    folder = open_folder(model)
    runner = forecaster_runtime(folder)
    spec = runner.spec
    table = read_known_series(data, spec, encoding=encoding)
    notes = list(table.notes)
    if spec.clock.kind == "row":
        notes.append(
            f"Rows before row {int(spec.seen_until) + 1:,} count as those of the training data: the model knows no "
            "other times."
        )
    scaled = [
        ScaledSeries(
            spec.known(one.values),
            spec.scaled(one.values)[:, : spec.targets],
            int((one.times < spec.seen_until).sum()),
            len(one.values),
        )
        for one in table.series
    ]
    prepared = PreparedSeries(spec, scaled, identity="")
    items = prepared.validation
    if not len(items):
        new = max(one.end - one.first for one in scaled)
        raise DataError(
            f"{table.name} has {new:,} times from {spec.clock.spell(spec.seen_until)} on, up to which the model was "
            f"trained; a horizon needs {spec.horizon:,}, after a window of {spec.window:,}. Give a file that goes on, "
            "or train with a larger --test-size."
        )
    since = f"from {spec.clock.spell(spec.seen_until)} on"
    refuse_unscored(table.name, prepared, since, "Give a file that has some, or train without that column.")
    truth = truth_of(prepared, items)
    scores = score_forecasts(say_all(runner, prepared, items), truth, spec, seed=0, series=items.series)
    baselines = score_baselines(prepared, items, read_linear(folder), seed=0)
    return ForecastEvaluation(scores, baselines, verdict(scores.to_dict(), baselines), notes)
