"""Language models on public texts, from a file to the evaluation: python -m benchmarks.language RECIPE

The recipes of the two books were chosen on text held out of the training part; those of WikiText-2 are guesses, of
which validation text chose dropout (of two), the epoch and the use of the cache. The test part is evaluated once, by
this command. Wall time is that of the two commands a user would type, `train` and `evaluate`.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from textwrap import indent
from typing import Any

from benchmarks.record import bothways, data_folder, options, record

CHARACTERS: dict[str, Any] = {"unit": "character", "min_count": 1, "cell_type": "lstm"}
SMALL_TEXT: dict[str, Any] = {
    "embedding_dim": 64,
    "hidden_size": 256,
    "num_layers": 2,
    "window": 96,
    "batch_size": 32,
    "dropout": 0.25,
    "embedding_dropout": 0.05,
    "lr": 0.004,
    "validation_size": 0,
}
RECIPES: dict[str, dict[str, Any]] = {
    # The book's: 10,000 characters, batches of 32, windows of 35 steps, LSTM 256; learned by heart on purpose.
    "time-machine-by-heart": {
        **CHARACTERS,
        "lowercase": True,
        "embedding_dim": 64,
        "hidden_size": 256,
        "num_layers": 1,
        "window": 35,
        "batch_size": 32,
        "dropout": 0,
        "embedding_dropout": 0,
        "weight_decay": 0,
        "lr": 0.005,
        "epochs": 300,
        "validation_size": 0,
    },
    # The published splits and vocabulary. The beginning of valid.txt chooses the epoch and how the cache is used.
    "wikitext-2": {
        "unit": "space",
        "vocabulary_size": 40_000,
        "min_count": 1,
        "cell_type": "lstm",
        "embedding_dim": 256,
        "hidden_size": 400,
        "num_layers": 1,
        "window": 64,
        "batch_size": 32,
        "negatives": 1024,
        "dropout": 0.5,
        "embedding_dropout": 0.3,
        "type_dropout": 0.1,
        "weight_dropout": 0.3,
        "lr": 0.003,
        "epochs": 13,
        "patience": 13,
        "cache": 2000,
    },
    "wikitext-2-long": {
        "unit": "space",
        "vocabulary_size": 40_000,
        "min_count": 1,
        "cell_type": "lstm",
        "embedding_dim": 400,
        "hidden_size": 650,
        "num_layers": 1,
        "window": 64,
        "batch_size": 32,
        "negatives": 1024,
        "dropout": 0.5,
        "embedding_dropout": 0.35,
        "type_dropout": 0.1,
        "weight_dropout": 0.3,
        "lr": 0.003,
        "epochs": 22,
        "minutes": 110,
        "patience": 22,
        "cache": 2000,
    },
    # Sizes, rates and epochs of these two were chosen on the last tenth of the training part.
    # A sixth of Shakespeare's size: far more is hidden, or the text is learned by heart.
    "time-machine": {
        **CHARACTERS,
        **SMALL_TEXT,
        "batch_size": 16,
        "dropout": 0.5,
        "embedding_dropout": 0.1,
        "weight_dropout": 0.3,
        "lr": 0.003,
        "epochs": 30,
    },
    "shakespeare": {**CHARACTERS, **SMALL_TEXT, "epochs": 13},
}
SHOWN = {"shakespeare"}  # recipes whose writing is recorded: that it takes the form of a play is part of the result


def halves(path: Path, place: Path, share: float = 0.9) -> tuple[Path, Path]:
    """The first part of a text and the rest, parted at a line's end."""
    text = path.read_text(encoding="utf-8-sig")
    cut = text.index("\n", int(len(text) * share)) + 1
    parts = place / "train.txt", place / "test.txt"
    for part, content in zip(parts, (text[:cut], text[cut:]), strict=True):
        part.write_text(content, encoding="utf-8")
    return parts


def by_heart(place: Path) -> tuple[Path, Path]:
    """The first 10,000 characters, to train and to score."""
    text = (data_folder("time_machine") / "timemachine.txt").read_text(encoding="utf-8-sig")[:10_000]
    path = place / "start.txt"
    path.write_text(text, encoding="utf-8")
    return path, path


def wikitext(place: Path) -> tuple[Path, Path, Path]:
    """The published parts, of the validation part the beginning: scores after each epoch are part of the wall time."""
    folder = data_folder("wikitext-2")
    lines = (folder / "valid.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    beginning = place / "valid.txt"
    beginning.write_text("".join(lines[:1_000]), encoding="utf-8")
    return folder / "train.txt", folder / "test.txt", beginning


Files = tuple[Path, Path] | tuple[Path, Path, Path]  # to train on, to test on, and to validate on
SOURCES: dict[str, Callable[[Path], Files]] = {
    "time-machine-by-heart": by_heart,
    "time-machine": lambda place: halves(data_folder("time_machine") / "timemachine.txt", place),
    "shakespeare": lambda place: halves(data_folder("tiny_shakespeare") / "input.txt", place),
    "wikitext-2": wikitext,
    "wikitext-2-long": wikitext,
}


def main() -> None:
    """Train, evaluate, record."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("recipe", choices=[*RECIPES])
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    recipe = RECIPES[chosen.recipe]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        train, test, *validation = SOURCES[chosen.recipe](place)
        checked = ["--validation", validation[0]] if validation else []
        _, training = bothways(
            "train", "language", train, "--out", place / "model", *checked, *options(recipe), "--seed", chosen.seed
        )
        out, evaluating = bothways("evaluate", place / "model", test, "--json")
        print(out, flush=True)
        length = 1_000 if recipe["unit"] == "character" else 60
        sample, _ = bothways("generate", place / "model", "--temperature", 0.7, "--max-length", length)
    measured = json.loads(out)
    low, high = measured["interval"]
    rows = [["network", f"{measured['perplexity']:.3f} ({low:.3f} to {high:.3f})", *_figures(measured)]]
    if measured["cache"] is not None:
        low, high = measured["cache"]["interval"]
        perplexity = measured["cache"]["perplexity"]
        rows.append(["with its cache", f"{perplexity:.3f} ({low:.3f} to {high:.3f})", *_figures(measured["cache"])])
    for name, score in measured["baselines"].items():
        rows.append([name, f"{score['perplexity']:.3f}", *_figures(score)])
    notes = (
        f"{measured['tokens']:,} test tokens. Training {training / 60:.1f} minutes, evaluation {evaluating:.0f} s, "
        f"seed {chosen.seed}. Recipe: {json.dumps(recipe)}"
    )
    if chosen.recipe in SHOWN:
        notes += "\n\nWhat it writes at temperature 0.7:\n\n" + indent(sample, "    ")
    else:
        print(sample)
    record(
        f"python -m benchmarks.language {chosen.recipe}",
        f"Language model: {chosen.recipe}",
        ["model", "test perplexity", "nats a token", "bits a character"],
        rows,
        notes,
    )


def _figures(score: dict[str, Any]) -> list[str]:
    return [f"{score['nats']:.4f}", f"{score['bits_per_character']:.4f}"]


if __name__ == "__main__":
    main()
