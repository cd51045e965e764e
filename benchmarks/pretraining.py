"""Pre-training on texts without labels, then a classifier: python -m benchmarks.pretraining RECIPE

IMDB: a two-way language model of train and unlabelled reviews, and a classifier that starts from it; beside it the same
classifier without pre-training. The recipes are first guesses: none has been tuned yet.
Wall time is that of the commands a user would type, from reading to scores.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.classify import write
from benchmarks.record import bothways, data_folder, options, record
from bothways.data.tables import read_table

READER: dict[str, Any] = {
    "two_way": True,
    "cell_type": "gru",
    "lowercase": True,
    "embedding_dim": 256,
    "hidden_size": 256,
    "num_layers": 1,
    "window": 128,
    "batch_size": 16,
    "negatives": 1024,
    "dropout": 0.1,
    "embedding_dropout": 0.1,
    "lr": 0.002,
    "validation_size": 0.01,
    "epochs": 1,
}
CLASSIFIER: dict[str, Any] = {
    "pooling": "max+mean",
    "crop": 256,
    "batch_size": 64,
    "lr": 0.002,
    "embedding_moment": "shared",
    "weight_decay": 0,
    "word_dropout": 0.2,
    "type_dropout": 0.2,
    "embedding_dropout": 0.5,
    "averaging": 0.998,
    "validation_size": 0,
    "epochs": 5,
}
RECIPES = {"imdb-hour": (READER, CLASSIFIER)}


def reviews(place: Path) -> Path:
    """The reviews of the training part and those without labels, as one table."""
    folder = data_folder("imdb")
    rows = [row for part in ("train", "unlabelled") for row in read_table(folder / f"{part}.csv.gz").rows(["review"])]
    return write(place / "reviews.csv", ["review"], rows)  # type: ignore[arg-type]


def main() -> None:
    """Pre-train, train, evaluate, record."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("recipe", choices=[*RECIPES])
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    reader, classifier = RECIPES[chosen.recipe]
    train, test = (data_folder("imdb") / f"{part}.csv.gz" for part in ("train", "test"))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        texts = reviews(place)
        out, reading = bothways(
            "train", "language", texts, "--out", place / "reader", *options(reader), "--seed", chosen.seed, "--json"
        )
        learned = json.loads(out)
        alone = {
            **{name: reader[name] for name in ("cell_type", "embedding_dim", "hidden_size", "num_layers")},
            "stack": "apart",
        }
        for title, given in (("pre-trained", {"pretrained": place / "reader"}), ("not pre-trained", alone)):
            _, training = bothways(
                "train", "classify", train, "--out", place / title,
                *options({**classifier, **given}), "--seed", chosen.seed,
            )  # fmt: skip
            out, evaluating = bothways("evaluate", place / title, test, "--json")
            measured = json.loads(out)
            low, high = measured["accuracy_interval"]
            minutes = (training + evaluating + (reading if given is not alone else 0)) / 60
            rows.append([title, f"{measured['accuracy']:.4f} ({low:.4f} to {high:.4f})", f"{minutes:.1f}"])
        linear = measured["baselines"]["linear"]
        rows.append(["linear baseline", f"{linear['accuracy']:.4f}", ""])
    record(
        f"python -m benchmarks.pretraining {chosen.recipe}",
        "IMDB: a classifier that starts from a language model of 75,000 reviews, test accuracy",
        ["model", "accuracy (95% interval)", "minutes in all"],
        rows,
        f"Language model: {learned['training']['tokens']:,} tokens, {reading / 60:.1f} minutes, validation perplexity "
        f"{learned['validation']['perplexity']:.1f}, seed {chosen.seed}. Recipes: {json.dumps(reader)}, "
        f"{json.dumps(classifier)}",
    )


if __name__ == "__main__":
    main()
