"""Pre-training on texts without labels, then a classifier: python -m benchmarks.pretraining RECIPE

IMDB: a two-way language model of train and unlabelled reviews, and a classifier that starts from it; `imdb-alone` is
the classifier of `imdb-hour` with as many epochs and nothing to start from; its limit of minutes leaves room for them
on a slow machine. Recipes were tried on 5,000 training reviews of films that the other 20,000 do not review (linear
baseline 0.895), after one to four epochs each:

- in batches of 64, with word and type dropout 0.15, embedding dropout 0.4, no adversarial training, from a language
  model of perplexity 86: 0.901, 0.909, 0.911, 0.914, its training loss still above its validation loss;
- as below, from a language model of perplexity 100: 0.900, 0.913, 0.918, 0.923.

In an earlier trial there, of a smaller language model, a classifier that learned all its parts at once had 0.867 after
an epoch, and one with gradual unfreezing 0.743. Wall time is that of the commands a user would type, from reading to
scores.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.classify import write
from benchmarks.record import bothways, data_folder, options, record
from bothways.data.tables import read_table

SHAPE: dict[str, Any] = {"cell_type": "lstm", "embedding_dim": 256, "hidden_size": 512, "num_layers": 1}
READER: dict[str, Any] = {
    **SHAPE,
    "two_way": True,
    "lowercase": True,
    "window": 128,
    "initial_vectors": "cooccurrence",
    "batch_size": 32,
    "negatives": 1024,
    "dropout": 0.1,
    "embedding_dropout": 0,
    "lr": 0.003,
    "validation_size": 0.01,
}
CLASSIFIER: dict[str, Any] = {
    "pooling": "max+mean",
    "crop": 256,
    "batch_size": 32,
    "embedding_moment": "shared",
    "weight_decay": 0,
    "dropout": 0.5,
    "word_dropout": 0.05,
    "type_dropout": 0.05,
    "embedding_dropout": 0.2,
    "adversarial": 0.015,
    "averaging": 0.998,
    "validation_size": 0,
    "epochs": 4,
}
# What starts from the language model learns all its parts at once, at half the rate of what starts from nothing.
AFTER_READING = {**CLASSIFIER, "lr": 0.001, "embedding_lr": 0.0003, "gradual_unfreezing": False, "layer_decay": 1}
ALONE = {**CLASSIFIER, **SHAPE, "stack": "apart", "lr": 0.002, "embedding_lr": 0.0004}
# What reads, if anything, and what learns from it.
RECIPES: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
    "imdb-hour": ({**READER, "epochs": 2, "minutes": 30}, {**AFTER_READING, "minutes": 23}),
    "imdb-alone": (None, {**ALONE, "minutes": 125}),
    "imdb-three-hours": ({**READER, "epochs": 5, "minutes": 70}, {**AFTER_READING, "epochs": 6}),
}


def reviews(place: Path) -> Path:
    """The reviews of the training part and those without labels, as one table."""
    folder = data_folder("imdb")
    rows = [row for part in ("train", "unlabelled") for row in read_table(folder / f"{part}.csv.gz").rows(["review"])]
    return write(place / "reviews.csv", ["review"], rows)  # type: ignore[arg-type]


def stage(place: Path, name: str, *commands: list[Any]) -> tuple[dict[str, Any], float]:
    """Run commands, unless an earlier run of the stage was whole; what the last one printed, and minutes of all."""
    kept = place / f"{name}.json"
    if not kept.is_file():
        done = [bothways(*command, "--json") for command in commands]
        found = {"said": json.loads(done[-1][0]), "minutes": sum(seconds for _, seconds in done) / 60}
        kept.write_text(json.dumps(found), encoding="utf-8")
    found = json.loads(kept.read_text(encoding="utf-8"))
    return found["said"], found["minutes"]


def main() -> None:
    """Pre-train, train, evaluate, record."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("recipe", choices=[*RECIPES])
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument(
        "--keep", type=Path, help="folder of the stages; the same command goes on after the last whole one"
    )
    chosen = arguments.parse_args()
    reader, classifier = RECIPES[chosen.recipe]
    anew = ["--seed", chosen.seed, "--force"]  # a stage that was cut begins again, so that its minutes are whole
    train, test = (data_folder("imdb") / f"{part}.csv.gz" for part in ("train", "test"))
    notes, title, reading = [], "starts from nothing", 0.0
    with tempfile.TemporaryDirectory() as folder:
        place = (chosen.keep or Path(folder)) / f"{chosen.recipe}-{chosen.seed}"
        place.mkdir(parents=True, exist_ok=True)
        language, model = place / "reader", place / "classifier"
        if reader is not None:
            command = ["train", "language", reviews(place), "--out", language, *options(reader), *anew]
            learned, reading = stage(place, "reader", command)
            title, classifier = "starts from a language model", {**classifier, "pretrained": language}
            notes.append(
                f"Language model: {learned['training']['tokens']:,} tokens, {reading:.1f} minutes, validation "
                f"perplexity {learned['validation']['perplexity']:.1f}. Its recipe: {json.dumps(reader)}."
            )
        measured, minutes = stage(
            place,
            "classifier",
            ["train", "classify", train, "--out", model, *options(classifier), *anew],
            ["evaluate", model, test],
        )
    low, high = measured["accuracy_interval"]
    linear = measured["baselines"]["linear"]["accuracy"]
    notes.append(f"Classifier: {json.dumps(RECIPES[chosen.recipe][1])}. Seed {chosen.seed}.")
    record(
        f"python -m benchmarks.pretraining {chosen.recipe}",
        f"IMDB: a classifier that {title}, test accuracy",
        ["model", "accuracy (95% interval)", "minutes in all"],
        [
            [title, f"{measured['accuracy']:.4f} ({low:.4f} to {high:.4f})", f"{reading + minutes:.1f}"],
            ["linear baseline", f"{linear:.4f}", ""],
        ],
        " ".join(notes),
    )


if __name__ == "__main__":
    main()
