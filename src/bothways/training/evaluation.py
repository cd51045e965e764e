"""Evaluate a model folder on a file: scores with their interval, beside the baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.bundle import open_folder
from bothways.data.columns import choose_columns, refuse_multi_label
from bothways.data.streaming import in_groups
from bothways.data.tables import Table, read_table
from bothways.errors import DataError, counted
from bothways.runtime import load
from bothways.runtime.classifier import Tally
from bothways.training.labels import names_of
from bothways.training.metrics import ClassificationScores, score_classification
from bothways.training.parts import read_baselines

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    labelled, guesses = _open(table, text, label, skip_unlabelled=skip_unlabelled)
    texts: list[str] = []
    truth: list[str] = []
    probabilities = []
    tally = Tally()
    for rows in in_groups(labelled):
        given = [text for text, _ in rows]
        probabilities.append(runner.predict_proba(given))
        tally.add(runner, len(rows))
        texts += given
        truth += [label for _, label in rows]
    if not truth:
        raise _nothing_labelled(table)
    notes = [*table.notes, *guesses, *tally.notes(runner, labelled.where), *labelled.notes()]
    shares, names = np.concatenate(probabilities), names_of(runner.classes)
    baselines = read_baselines(open_folder(model))
    right = np.array([names[best] == label for best, label in zip(shares.argmax(axis=1), truth, strict=True)])
    return Evaluation(
        score_classification(truth, shares, names),
        baselines.scores(texts, truth) if baselines else {},
        [*notes, *(baselines.notes if baselines else [])],
        shares,
        right,
    )


def check_labelled(data: Path, *, text: str | None = None, label: str | None = None, encoding: str = "auto") -> None:
    """Refuse, before anything slow starts, a table that `evaluate_classifier` would refuse in the end.

    Raises:
        DataError: the table cannot be used.
    """
    table = read_table(data, encoding=encoding)
    if not sum(1 for _ in _open(table, text, label, skip_unlabelled=False)[0]):
        raise _nothing_labelled(table)


def _open(table: Table, text: str | None, label: str | None, *, skip_unlabelled: bool) -> tuple[_Labelled, list[str]]:
    """Choose the columns of a table, and say which were guessed."""
    text, chosen, guesses = choose_columns(table, text, label, need_label=True)
    assert chosen is not None
    refuse_multi_label(table, chosen)
    return _Labelled(table, text, chosen, skip_unlabelled), guesses


def _nothing_labelled(table: Table) -> DataError:
    return DataError(f"{table.name} has no row with a label. Name the column of labels with --label.")


class _Labelled:
    """Texts and labels of the rows that have a label; remembers where they stand, and which have none."""

    def __init__(self, table: Table, text: str, label: str, skip_unlabelled: bool) -> None:
        self._table = table
        self._columns = [text, label]
        self._skip = skip_unlabelled
        self._kept: list[int] = []
        self._skipped: list[int] = []

    def __iter__(self) -> Iterator[tuple[str, str]]:
        self._kept, self._skipped = [], []
        for row, (text, label) in enumerate(self._table.rows(self._columns)):
            if label:
                self._kept.append(row)
                yield text or "", label
            elif self._skip:
                self._skipped.append(row)
            else:
                raise DataError(
                    f"{self._table.where(row)} has no label. Fill it in, or leave such rows out with --skip-unlabelled."
                )

    def where(self, place: int) -> str:
        """Say where in the table a labelled row stands, counted from 0 among the labelled ones."""
        return self._table.where(self._kept[place])

    def notes(self) -> list[str]:
        """Say how many rows were left out."""
        if not self._skipped:
            return []
        where = self._table.where(self._skipped[0])
        return [f"{counted(len(self._skipped), 'row')} without a label left out, the first at {where}."]
