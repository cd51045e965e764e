"""Where the networks of a comparison stand: one row for each cell and direction, over its seeds."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from statistics import mean, stdev
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bothways.lab.entries import Result, Scoring


@dataclass(frozen=True)
class Standing:
    """What the networks of one cell and direction reached, over their seeds."""

    cell: str
    direction: str
    length: int | None
    results: list[Result]  # those that did not fail, by seed
    failed: list[Result]

    @property
    def name(self) -> str:
        """A name for people among those of its length: "lstm both"."""
        return f"{self.cell} {self.direction}"

    @property
    def scores(self) -> list[float]:
        """The scores, by seed."""
        return [one.score for one in self.results]

    @property
    def score(self) -> float:
        """The mean score; not a number if all failed."""
        return self.mean("score")

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the scores; None of one seed, not a number where training of one went astray."""
        return deviation_of(self.scores)

    @property
    def tests(self) -> list[float]:
        """The scores on test data, if there is any."""
        return [one.test for one in self.results if one.test is not None]

    def mean(self, name: str) -> float:
        """The mean of a number that every result has; not a number if all failed."""
        return mean(float(getattr(one, name)) for one in self.results) if self.results else math.nan

    @property
    def pace(self) -> float:
        """The mean steps a second of training, of the networks whose pace was measured; not a number if of none.

        None was measured of a training that was at its end when its process was stopped, or that has a single batch.
        """
        measured = [one.steps_per_second for one in self.results if one.steps_per_second]
        return mean(measured) if measured else math.nan

    @property
    def memory(self) -> float | None:
        """The most MiB that any of its processes held."""
        return max((one.memory for one in self.results if one.memory is not None), default=None)

    @property
    def reasons(self) -> str:
        """Why which seeds failed; empty if none did."""
        return "; ".join(f"seed {one.entry.seed}: {one.failed}" for one in self.failed)

    @property
    def baselines(self) -> dict[str, float]:
        """The baselines' scores by name, the mean over seeds."""
        return mean_baselines(self.results)


def mean_baselines(results: Sequence[Result]) -> dict[str, float]:
    """The mean of each baseline over seeds, each of which may hold out other rows, the same for all its networks."""
    by_seed: dict[str, dict[int, float]] = {}
    for result in results:
        for name, score in result.baselines.items():
            by_seed.setdefault(name, {})[result.entry.seed] = score
    return {name: mean(scores.values()) for name, scores in by_seed.items()}


def deviation_of(values: Sequence[float]) -> float | None:
    """The standard deviation of a sample; None of a single value, not a number where a value is not finite."""
    if len(values) < 2:
        return None
    return stdev(values) if all(map(math.isfinite, values)) else math.nan  # Python 3.11's stdev ends at a NaN


def standings(results: Sequence[Result], scoring: Scoring) -> list[Standing]:
    """Group results over seeds; by length, and within it the best first, what failed altogether last."""
    groups: dict[tuple[str, str, int | None], list[Result]] = {}
    for result in sorted(results, key=lambda one: one.entry.seed):
        groups.setdefault(result.entry.combination, []).append(result)
    found = [
        Standing(
            *combination,
            results=[one for one in some if one.failed is None],
            failed=[one for one in some if one.failed is not None],
        )
        for combination, some in groups.items()
    ]

    def rank(one: Standing) -> tuple[int, bool, bool, float]:
        score = 0.0 if math.isnan(one.score) else one.score
        return one.length or 0, not one.results, math.isnan(one.score), score if scoring.lower_is_better else -score

    return sorted(found, key=rank)


def verdict(found: Sequence[Standing], scoring: Scoring) -> list[str]:
    """What may be said of the table, a sentence for each length of a problem, and of the classical baselines.

    Two means count as different if they lie further apart than the larger of their deviations over seeds; of one seed
    nothing is known of that.
    """
    said = []
    for length in dict.fromkeys(one.length for one in found):
        at = "" if length is None else f"At length {length}: "
        some = [one for one in found if one.length == length and math.isfinite(one.score)]
        lost = [one for one in found if one.length == length and one.results and one not in some]
        if lost:
            names = ", ".join(one.name for one in lost)
            said.append(f"{at}The {scoring.name} of {names} is no finite number: training went astray.")
        if not some:
            continue
        best = some[0]
        close = [one for one in some[1:] if _too_close(best, one)]
        line = f"{at}{best.name} has the best mean {scoring.name}, {best.score:.4f}"
        if len(best.results) == 1:
            line += "; with one seed nothing says how much of a difference is luck"
        elif close:
            names = ", ".join(one.name for one in close)
            line += f"; within a deviation of it, and so not told apart from it: {names}"
        elif len(some) > 1:
            line += ", further from all others than a deviation over seeds"
        said.append(line + ".")
        said += _against_baselines(best, scoring, at)
    return said


def _too_close(best: Standing, other: Standing) -> bool:
    spreads = [one.deviation for one in (best, other)]
    widest = max((one for one in spreads if one is not None), default=math.inf)
    return abs(best.score - other.score) <= widest


def _against_baselines(best: Standing, scoring: Scoring, at: str) -> list[str]:
    """Say so if a baseline is as good as the best network, or better."""
    sign = -1 if scoring.lower_is_better else 1
    name, score = max(best.baselines.items(), key=lambda item: sign * item[1], default=("", math.nan))
    if sign * score > sign * best.score:
        return [f"{at}The {name} baseline wins: {score:.4f}. For this data it is the better and cheaper model."]
    if score == best.score:
        return [f"{at}The {name} baseline is level with the best network, and cheaper."]
    return []


COLUMNS = (
    "cell", "direction", "length", "seeds", "score", "deviation", "test", "test deviation", "trivial", "parameters",
    "steps/s training", "steps/s predicting", "memory MiB", "seconds of training", "epochs to best", "failed",
)  # fmt: skip


def rows(found: Sequence[Standing], scoring: Scoring) -> list[list[object]]:
    """The table as plain values, a row for each standing, in the order of `COLUMNS`; what is not known is empty."""
    table: list[list[object]] = []
    for one in found:
        trivial = one.baselines.get(scoring.trivial or "")
        known = bool(one.results)
        table.append([
            one.cell, one.direction, one.length, len(one.results), _rounded(one.score), _rounded(one.deviation),
            _rounded(mean(one.tests) if one.tests else None), _rounded(deviation_of(one.tests)), _rounded(trivial),
            one.results[0].parameters if known else None,
            None if math.isnan(one.pace) else round(one.pace),
            round(one.mean("predicted_per_second")) if known else None,
            None if one.memory is None else round(one.memory),
            round(one.mean("seconds"), 1) if known else None,
            round(one.mean("best_epoch"), 1) if known else None,
            one.reasons or None,
        ])  # fmt: skip
    return table


def write_table(found: Sequence[Standing], scoring: Scoring, path: Path) -> None:
    """Write the table as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows(found, scoring))


def _rounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, 6)
