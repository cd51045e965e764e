"""Forecasters on public series, from files to scores: python -m benchmarks.forecasting airline|etth1

    airline   the last 24 months of the airline passengers, 12 months ahead from every month, five seeds
    etth1     ETTh1, 12/4/4 months for training, validation and test, window 96, standardised by the training part:
              the oil temperature alone, and all seven columns, 24 and 96 hours ahead

The recipes were chosen on the validation part; the test part is scored once, from every origin, by `bothways evaluate`.
"""

import argparse
import json
import tempfile
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.record import bothways, data_folder, options, record
from bothways.training.forecast_scores import interval_in_words

AIRLINE: dict[str, Any] = {
    "window": 24,
    "horizon": 12,
    "centring": "standard",
    "hidden_size": 32,
    "batch_size": 8,
    "epochs": 30,
    "patience": 30,
    "test_size": 24 / 144,
    "validation_size": 24 / 144,
}
SEEDS = range(5)
ETT: dict[str, Any] = {"window": 96, "epochs": 5, "patience": 2, "test_size": 0.2, "validation_size": 0.2}
ETT_ROWS = 14_400  # the usual 20 months of 30 days
ETT_COLUMNS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
RECIPES: dict[str, dict[str, Any]] = {
    "GRU 64": {"channels": "apart"},
    "GRU 64, columns together": {"channels": "together"},
    "GRU 64, no line beside it": {"channels": "apart", "no_line": True},
}


def measure(data: Path, given: dict[str, Any], seed: int) -> tuple[dict[str, Any], dict[str, Any], float]:
    """Train and evaluate by the command line: scores on validation and on test, and minutes."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "model"
        said, training = bothways("train", "forecast", data, "--out", out, *options(given), "--seed", seed, "--json")
        found, evaluating = bothways("evaluate", out, data, "--json")
    return json.loads(said), json.loads(found), (training + evaluating) / 60


def airline() -> None:
    """Twelve months ahead."""
    data = data_folder("timeseries") / "airline-passengers.csv"
    measured = [measure(data, AIRLINE, seed) for seed in SEEDS]
    found = [one[1] for one in measured]
    names = list(found[0]["baselines"])
    rows = []
    for name, own in [("GRU 32", found), *((name, [one["baselines"][name] for one in found[:1]]) for name in names)]:
        figures = [(one["rmse_of"]["Passengers"], one["mae_of"]["Passengers"]) for one in own]
        shown = []
        for place in (0, 1):
            values = [figure[place] for figure in figures]
            spread = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
            shown.append(f"{mean(values):.2f}{spread}")
        rows.append([name, *shown])
    coverages = [one["coverage"] for one in found]
    bands = [one[0]["band"] for one in measured]
    learned = mean(one["coverage_before"] for one in bands)
    record(
        "python -m benchmarks.forecasting airline",
        "Airline passengers: 12 months ahead, in the last 24 months",
        ["model", "root of the mean squared error", "mean absolute error"],
        rows,
        f"Thousands of passengers; {found[0]['origins']} origins; seeds {SEEDS[0]} to {SEEDS[-1]}. Between the 10% and "
        f"the 90% quantile lie {mean(coverages):.1%} ± {stdev(coverages):.1%} of the values; before they were "
        f"calibrated on {bands[0]['windows']} validation windows, {learned:.1%} of the values there. "
        f"Recipe: {json.dumps(AIRLINE)}",
    )


def etth1(seed: int) -> None:
    """The oil temperature, and all columns."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "ETTh1.csv"
        lines = (data_folder("timeseries") / "ETTh1.csv").read_text(encoding="utf-8").splitlines()
        data.write_text("\n".join(lines[: 1 + ETT_ROWS]) + "\n", encoding="utf-8")
        for targets, horizon in ((("OT",), 24), (("OT",), 96), (ETT_COLUMNS, 24), (ETT_COLUMNS, 96)):
            task = f"{'all columns' if len(targets) > 1 else 'OT'}, {horizon} hours"
            for name, changed in RECIPES.items():
                if len(targets) == 1 and changed["channels"] == "together":
                    continue
                given = {**ETT, "horizon": horizon, "target": ",".join(targets), "channels": changed["channels"]}
                if changed.get("no_line"):
                    given["linear"] = False
                chosen, found, minutes = measure(data, given, seed)
                rows.append(row(task, name, chosen["validation"], found, f"{minutes:.1f}"))
                print(rows[-1], flush=True)
            for name, score in found["baselines"].items():
                rows.append(row(task, name, chosen["baselines"].get(name), score, ""))
    record(
        "python -m benchmarks.forecasting etth1",
        "ETTh1: the last 4 of 20 months, from every hour, window 96",
        ["task", "model", "validation MSE", "test MSE (95% interval)", "test MAE", "coverage (80%)", "minutes in all"],
        rows,
        f"Units of the training part's deviation; seed {seed}. Published for all columns, 96 hours ahead from 96: "
        f"DLinear 0.386 / 0.400 (run by Wu et al., 2023; its authors, Zeng et al., 2023, have 0.375 / 0.399 ahead from "
        f"336). Recipe: {json.dumps(ETT)}, other settings by default.",
    )


def row(task: str, name: str, chosen: dict[str, Any] | None, found: dict[str, Any], minutes: str) -> list[str]:
    """A row of the table."""
    validation = "" if chosen is None else f"{chosen['mse']:.4f}"
    coverage = "" if found["coverage"] is None else f"{found['coverage']:.1%}"
    test = f"{found['mse']:.4f} ({interval_in_words(found)})"
    return [task, name, validation, test, f"{found['mae']:.4f}", coverage, minutes]


def main() -> None:
    """Measure and record."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("task", choices=["airline", "etth1"])
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    if chosen.task == "airline":
        airline()
    else:
        etth1(chosen.seed)


if __name__ == "__main__":
    main()
