"""What cells remember: python -m benchmarks.remembering first-token|adding|copy|rows|pixels

    first-token   the first of 200 symbols is the answer, those behind it are chance: every cell, by how its weights
                  start; three seeds
    adding        two of 200 numbers are marked; their sum is the answer
    copy          ten symbols are to be given back after 100 blanks
    rows          digits (MNIST), row by row: 28 steps of 28 numbers
    pixels        digits, pixel by pixel: 784 steps of one number, by a parallel cell

Sequences are drawn afresh for every batch; training stops when the validation part says that the problem is solved, and
the test part is read once, by this command. Learning rates and sizes were chosen on the validation part.
"""

import argparse
import time
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.record import data_folder, record
from bothways.lab.problems import TrainedProblem, train_problem
from bothways.settings import ProblemSettings
from bothways.training.checkpoint import read_progress
from bothways.training.listening import Silence

SEEDS = range(3)
GATED: dict[str, Any] = {"lr": 0.01}
PLAIN: dict[str, Any] = {"cell_type": "rnn", "lr": 0.003}

Recipe = dict[str, Any]
FIRST_TOKEN: list[Recipe] = [
    {"cell_type": "lstm", "start": "chrono", **GATED},
    {"cell_type": "gru", "start": "chrono", **GATED},
    {"cell_type": "lstm", "start": "torch", **GATED},
    {"cell_type": "gru", "start": "torch", **GATED},
    {"start": "torch", **PLAIN},
    {"start": "orthogonal", **PLAIN},
    {"cell_type": "mingru", "start": "chrono", **GATED},
    {"cell_type": "minlstm", "start": "chrono", **GATED},
    {"cell_type": "sru", "start": "chrono", **GATED},
]
ADDING: list[Recipe] = [
    {"cell_type": "lstm", "start": "chrono", "lr": 0.005},
    {"cell_type": "gru", "start": "chrono", "lr": 0.005},
    {"cell_type": "mingru", "start": "chrono", "lr": 0.005},
    {"cell_type": "rnn", "start": "orthogonal", "lr": 0.001},
]
COPY: list[Recipe] = [
    {"cell_type": "lstm", "start": "chrono", "lr": 0.005},
    {"cell_type": "gru", "start": "chrono", "lr": 0.005},
    {"cell_type": "rnn", "start": "orthogonal", "lr": 0.001},
]
# Of what is drawn: the settings that all recipes share, and what the table shows.
DRAWN: dict[str, tuple[list[Recipe], Recipe, str]] = {
    "first-token": (FIRST_TOKEN, {"length": 200, "epochs": 12}, "First-token recall over 200 steps, one layer, H=64"),
    "adding": (ADDING, {"length": 200, "epochs": 60}, "Adding two of 200 numbers, one layer, H=64"),
    "copy": (
        COPY,
        {"length": 100, "epochs": 60, "hidden_size": 128},
        "Copying ten symbols after 100 blanks, one layer, H=128",
    ),
}
ROWS: Recipe = {
    "cell_type": "gru",
    "hidden_size": 128,
    "dropout": 0.2,
    "batch_size": 64,
    "lr": 0.003,
    "epochs": 8,
}
PIXELS: Recipe = {
    "cell_type": "mingru",
    "hidden_size": 64,
    "num_layers": 3,
    "start": "chrono",
    "batch_size": 50,
    "lr": 0.01,
    "epochs": 14,
}


class Epochs(Silence):
    """Print every epoch's scores, so that a long command is seen to go on."""

    def epoch_ended(self, row: dict[str, float], *, best: bool) -> None:
        """Print a line."""
        print({name: round(value, 4) for name, value in row.items()}, flush=True)


def run(recipe: Recipe, data: Path | None = None, folder: Path | None = None) -> TrainedProblem:
    """Train and score; with a folder, from where a training that was stopped was."""
    settings = ProblemSettings(**recipe)
    return train_problem(settings, data=data, listener=Epochs(), folder=folder, resume=folder is not None)


def described(trained: TrainedProblem) -> list[object]:
    """Cell, start and direction."""
    settings = trained.settings
    way = "" if settings.direction == "forward" else f", {settings.direction}"
    return [f"{settings.cell_type}{way}", settings.start_chosen]


def measured(found: list[TrainedProblem]) -> list[object]:
    """Scores and costs of several seeds."""
    scores = [f"{one.score:.4f}" for one in found]
    epochs = [f"{len(one.history)}{'' if one.solved else ' (not solved)'}" for one in found]
    seconds, pace = (mean(one.facts[name] for one in found) for name in ("seconds", "steps_per_second"))
    return [", ".join(scores), ", ".join(epochs), found[0].facts["parameters"], f"{seconds:.0f} s", f"{pace:,.0f}"]


def drawn(problem: str, recipes: list[Recipe], shared: Recipe, title: str) -> None:
    """Measure recipes on a problem that is drawn, with every seed, and record."""
    rows, began, trivial = [], time.monotonic(), 0.0
    for recipe in recipes:
        found = [run({"problem": problem, **shared, **recipe, "seed": seed}) for seed in SEEDS]
        rows.append([*described(found[0]), *measured(found)])
        print(*rows[-1], flush=True)
        trivial, name = found[0].trivial, found[0].score_name
    settings = ", ".join(f"{key} {value}" for key, value in shared.items())
    record(
        f"python -m benchmarks.remembering {problem}",
        title,
        ["cell", "start", f"test {name}, by seed", "epochs", "parameters", "training", "steps/s"],
        rows,
        f"The best constant scores {trivial:.4f}. {settings}; AdamW, rate "
        f"{', '.join(sorted({str(recipe['lr']) for recipe in recipes}))}; all of it in "
        f"{time.monotonic() - began:.0f} s.",
    )


def images(problem: str, recipe: Recipe, title: str, keep: Path | None) -> None:
    """Measure one recipe on digits, and record."""
    with TemporaryDirectory() as place:
        folder = keep or Path(place)
        trained = run({"problem": problem, **recipe}, data_folder("mnist"), folder)
        minutes = read_progress(next(folder.glob("*.safetensors"))).seconds / 60
    epochs = f"{trained.best_epoch} of {len(trained.history)}"
    best = trained.history[trained.best_epoch - 1]
    facts = trained.facts
    settings = ", ".join(f"{key} {value}" for key, value in recipe.items())
    record(
        f"python -m benchmarks.remembering {problem}",
        title,
        ["cell", "test accuracy", "validation", "best epoch", "parameters", "training", "steps/s"],
        [
            [
                described(trained)[0],
                f"{trained.score:.4f}",
                f"{best['accuracy']:.4f}",
                epochs,
                facts["parameters"],
                f"{minutes:.1f} minutes",
                f"{facts['steps_per_second']:,}",
            ]
        ],
        f"The best constant scores {trained.trivial:.4f}. {settings}.",
    )


def main() -> None:
    """Measure and record."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("problem", choices=["first-token", "adding", "copy", "rows", "pixels"])
    arguments.add_argument("--keep", type=Path, help="folder for the state of rows or pixels; there it goes on")
    chosen = arguments.parse_args()
    problem = chosen.problem
    if problem in DRAWN:
        drawn(problem, *DRAWN[problem])
    elif problem == "rows":
        images(problem, ROWS, "Digits (MNIST) read row by row, 28 steps of 28 numbers", chosen.keep)
    else:
        images(problem, PIXELS, "Digits (MNIST) read pixel by pixel, 784 steps of one number", chosen.keep)


if __name__ == "__main__":
    main()
