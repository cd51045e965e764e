"""Evaluate a model folder on a file: scores with their interval, beside the baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.bundle import open_folder
from bothways.data.columns import choose_columns, refuse_multi_label
from bothways.data.tables import read_table
from bothways.errors import DataError
from bothways.runtime import load
from bothways.runtime.classifier import Tally
from bothways.training.baselines import Baselines
from bothways.training.labels import names_of
from bothways.training.metrics import ClassificationScores, score_classification

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Evaluation:
    """How a model does on a file, and how the baselines do on the same rows."""

    scores: ClassificationScores
    baselines: dict[str, dict[str, float]]
    notes: list[str]
    probabilities: NDArray[np.float64]  # (N,K)
    right: NDArray[np.bool_]  # (N,), whether the likeliest label is the true one

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {**self.scores.to_dict(), "baselines": self.baselines, "notes": [*self.notes, *self.scores.notes]}


def evaluate_classifier(
    model: Path,
    data: Path,
    *,
    text: str | None = None,
    label: str | None = None,
    encoding: str = "auto",
    skip_unlabelled: bool = False,
) -> Evaluation:
    """Score a model folder on labelled rows.

    Args:
        model: the folder.
        data: a table that `read_table` reads.
        text: the column of texts; None guesses and says so.
        label: the column of labels; likewise.
        encoding: of the file.
        skip_unlabelled: leave rows without a label out instead of refusing them.

    Raises:
        ModelFolderError: the folder cannot be used.
        DataError: the table cannot be used.
    """
    runner = load(model)
    table = read_table(data, encoding=encoding)
    text, chosen, guesses = choose_columns(table, text, label, need_label=True)
    assert chosen is not None
    refuse_multi_label(table, chosen)
    notes = [*table.notes, *guesses]
    texts: list[str] = []
    truth: list[str] = []
    probabilities = []
    kept: list[int] = []
    skipped: list[int] = []
    tally = Tally()
    row = 0
    for batch in table.batches([text, chosen]):
        rows: list[str] = []
        for value, target in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if target:
                rows.append(value or "")
                kept.append(row)
                truth.append(target)
            elif skip_unlabelled:
                skipped.append(row)
            else:
                raise DataError(
                    f"{table.where(row)} has no label. Fill it in, or leave such rows out with --skip-unlabelled."
                )
            row += 1
        probabilities.append(runner.predict_proba(rows))
        tally.add(runner, len(rows))
        texts += rows
    if not truth:
        raise DataError(f"{table.name} has no row with a label. Name the column of labels with --label.")
    notes += tally.notes(runner, lambda place: table.where(kept[place]))
    if skipped:
        notes.append(f"{len(skipped)} rows without a label were left out, the first at {table.where(skipped[0])}.")
    shares, names = np.concatenate(probabilities), names_of(runner.classes)
    baselines = _baselines(model)
    right = np.array([names[best] == label for best, label in zip(shares.argmax(axis=1), truth, strict=True)])
    return Evaluation(
        score_classification(truth, shares, names),
        baselines.scores(texts, truth) if baselines else {},
        [*notes, *(baselines.notes if baselines else [])],
        shares,
        right,
    )


def _baselines(model: Path) -> Baselines | None:
    folder = open_folder(model)
    if not folder.has("baseline.json"):
        return None
    for name in folder.checksums:
        if name.startswith("baseline."):
            folder.file(name)
    return Baselines.load(folder.path)
