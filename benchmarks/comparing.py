"""Cells and directions on film reviews, by `bothways compare`: python -m benchmarks.comparing imdb

    imdb   6,000 rows of the training part (drawn with a fixed seed), three cells, two directions, two seeds, each with
           the same minutes of training; the time of the whole command

The score is that of the rows that each seed holds out, a fifth, as the report says.
"""

import argparse
import csv
import gzip
import json
import random
import tempfile
from pathlib import Path

from benchmarks.record import bothways, data_folder, options, record
from bothways.lab.entries import Result, scoring
from bothways.lab.standings import standings, verdict

ROWS = 6_000
BUDGET = 0.75  # minutes of training for each network
SMALL = {"hidden_size": 64, "crop": 200}  # so that a budget holds several epochs


def write_rows(path: Path) -> None:
    """Write some rows of the training part, in an order of their own, since the file is sorted by label."""
    with gzip.open(data_folder("imdb") / "train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *random.Random(0).sample(rows, ROWS)])


def imdb(keep: Path | None) -> None:
    """Compare, and record the table."""
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder) / "reviews.csv")
        said, seconds = bothways(
            "compare", "classify", Path(folder) / "reviews.csv", "--cells", "rnn,lstm,gru",
            "--directions", "forward,both", "--seeds", 2, "--budget", BUDGET, *options(SMALL),
            "--out", keep or Path(folder) / "comparison", "--json",
        )  # fmt: skip
    results = [Result.from_dict(one) for one in json.loads(said)["results"]]
    counted = scoring(results)
    found = standings(results, counted)
    rows = [
        [
            one.cell, one.direction,
            f"{one.score:.4f}" + ("" if one.deviation is None else f" ± {one.deviation:.4f}"),
            one.results[0].parameters, f"{one.mean('steps_per_second'):,.0f}",
            f"{one.mean('predicted_per_second'):,.0f}", f"{one.memory:,.0f}", f"{one.mean('best_epoch'):.1f}",
        ]
        for one in found if one.results
    ]  # fmt: skip
    lines = [f"{name} {score:.4f}" for name, score in found[0].baselines.items()]
    record(
        "python -m benchmarks.comparing imdb",
        "Cells and directions on 6,000 film reviews, compared by one command",
        ["cell", "direction", "validation accuracy", "parameters", "steps/s training", "steps/s predicting", "MiB",
         "best epoch"],
        rows,
        f"{seconds / 60:.1f} minutes for twelve networks, {BUDGET:g} minutes of training each; {json.dumps(SMALL)}. "
        f"Baselines: {', '.join(lines)}. {' '.join(verdict(found, counted))}",
    )  # fmt: skip


def main() -> None:
    """Measure and record."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("part", choices=["imdb"])
    arguments.add_argument("--keep", type=Path, help="folder for the comparison with its report")
    imdb(arguments.parse_args().keep)


if __name__ == "__main__":
    main()
