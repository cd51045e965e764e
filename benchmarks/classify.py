"""Accuracy on public data sets, from a CSV to the evaluation: python -m benchmarks.classify RECIPE

Each recipe was chosen on validation rows held out of the training part; the test part is evaluated once, by this
command. Wall time is that of the two commands a user would type, `train` and `evaluate`, from reading to scores.
"""

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import bothways, data_folder, options, record
from bothways.data.splits import stratified_split
from bothways.data.tables import read_table
from bothways.training.evaluation import evaluate_classifier

# All 25,000 rows train for a fixed number of epochs. Sizes, dropout and rates were chosen by accuracy on 5,000 training
# rows of films that the other 20,000 do not review (rows of one film stand side by side in the file).
IMDB: dict[str, Any] = {
    "cell_type": "gru",
    "embedding_dim": 256,
    "pooling": "max+mean",
    "crop": 256,
    "batch_size": 64,
    "lr": 0.002,
    "embedding_lr": 0.0004,
    "embedding_moment": "shared",
    "initial_vectors": "cooccurrence",
    "weight_decay": 0,
    "word_dropout": 0.2,
    "type_dropout": 0.2,
    "embedding_dropout": 0.5,
    "averaging": 0.998,
    "validation_size": 0,
}
# Pretrained vectors of the 8,000 most frequent words; the recipe was chosen on a stratified 15% of the training part.
VECTORS = "googlenews_8k_300d.vec.gz"
RECIPES: dict[str, dict[str, Any]] = {
    "imdb-fast": {**IMDB, "hidden_size": 64, "epochs": 5},
    "imdb-slow": {**IMDB, "hidden_size": 128, "epochs": 6},
    "trec": {
        "cell_type": "gru",
        "vectors": VECTORS,
        "embedding_dim": 300,
        "embedding_lr": 0.0002,
        "dropout": 0.5,
        "batch_size": 16,
        "min_count": 1,
        "epochs": 11,
        "validation_size": 0,
    },
    "chinese-jieba": {"unit": "jieba", "validation_size": 0.1},
    # Chosen on a fifth of the training part.
    "chinese-characters": {
        "unit": "character",
        "cell_type": "gru",
        "embedding_dim": 128,
        "pooling": "max+mean",
        "embedding_dropout": 0.4,
        "type_dropout": 0.1,
        "averaging": 0.998,
        "monitor": "accuracy",
        "validation_size": 0.1,
    },
}


def write(path: Path, header: list[str], rows: Iterable[tuple[str, ...]], encoding: str = "utf-8") -> Path:
    """Write a CSV file."""
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows([header, *rows])
    return path


def imdb(place: Path) -> tuple[Path, Path]:
    """The standard split, as it lies there."""
    folder = data_folder("imdb")
    return folder / "train.csv.gz", folder / "test.csv.gz"


def trec(place: Path) -> tuple[Path, Path]:
    """Six coarse classes; the files stay latin-1."""
    folder = data_folder("trec")

    def rows(name: str) -> list[tuple[str, ...]]:
        lines = (folder / name).read_text(encoding="latin-1").splitlines()
        return [(line.split(" ", 1)[1], line.split(":", 1)[0]) for line in lines if line.strip()]

    header = ["question", "class"]
    train = write(place / "train.csv", header, rows("train.txt"), "latin-1")
    return train, write(place / "test.csv", header, rows("test.txt"), "latin-1")


def chinese(place: Path) -> tuple[Path, Path]:
    """No official split: a stratified fifth, seed 0, is the test part."""
    table = read_table(data_folder("chnsenticorp_htl") / "ChnSentiCorp_htl_all.csv")
    rows = list(table.rows(["review", "label"]))
    parts = stratified_split(np.array([int(label) for _, label in rows]), share=0.2, seed=0)
    names = ("train.csv", "test.csv")
    header = ["review", "label"]
    train, test = (
        write(place / name, header, [rows[row] for row in part]) for name, part in zip(names, parts, strict=True)
    )
    return train, test


SOURCES: dict[str, Callable[[Path], tuple[Path, Path]]] = {
    "imdb-fast": imdb,
    "imdb-slow": imdb,
    "trec": trec,
    "chinese-jieba": chinese,
    "chinese-characters": chinese,
}


def without_known_texts(train: Path, test: Path, place: Path) -> tuple[Path, int]:
    """The test rows whose text does not stand in train, and how many were left out."""
    known = {text for (text,) in read_table(train).rows(["review"])}
    table = read_table(test)
    rows = list(table.rows(["review", "sentiment"]))
    fresh = [row for row in rows if row[0] not in known]
    return write(place / "fresh.csv", ["review", "sentiment"], fresh), len(rows) - len(fresh)


def main() -> None:
    """Train, evaluate, record."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("recipe", choices=[*RECIPES])
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    recipe = RECIPES[chosen.recipe]
    files = {"vectors": data_folder("word2vec_googlenews_8k_300d") / VECTORS} if "vectors" in recipe else {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        train, test = SOURCES[chosen.recipe](place)
        _, training = bothways(
            "train", "classify", train, "--out", place / "model", *options({**recipe, **files}), "--seed", chosen.seed
        )
        out, evaluating = bothways("evaluate", place / "model", test, "--json")
        measured = json.loads(out)
        low, high = measured["accuracy_interval"]
        rows = [["network", f"{measured['accuracy']:.4f} ({low:.4f} to {high:.4f})", f"{measured['macro_f1']:.4f}"]]
        for name, score in measured["baselines"].items():
            rows.append([f"{name} baseline", f"{score['accuracy']:.4f}", f"{score['macro_f1']:.4f}"])
        if chosen.recipe.startswith("imdb"):
            fresh, left_out = without_known_texts(train, test, place)
            scores = evaluate_classifier(place / "model", fresh).scores
            rows.append(
                [f"network, without {left_out} test rows whose text stands in train", f"{scores.accuracy:.4f}", ""]
            )
    minutes = (training + evaluating) / 60
    given = " ".join(options(recipe)) or "default settings"
    record(
        f"python -m benchmarks.classify {chosen.recipe}",
        f"{chosen.recipe}: test accuracy, {minutes:.1f} minutes from reading to evaluation",
        ["model", "accuracy (95% interval)", "macro-F1"],
        rows,
        f"Recipe: `{given}`, seed {chosen.seed}. Training {training:,.0f} s, evaluation {evaluating:,.0f} s, "
        f"log loss {measured['log_loss']:.4f}, calibration error {measured['calibration_error']:.4f}.",
    )


if __name__ == "__main__":
    sys.exit(main())
