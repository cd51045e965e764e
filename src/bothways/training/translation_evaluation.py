"""Evaluate a translator's folder on pairs: BLEU, chrF and the share that is exact, beside the source as it stands."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.bundle import open_folder
from bothways.data.pairs import empty_rows, read_pairs
from bothways.decoding.translation import Tally
from bothways.errors import DataError
from bothways.runtime.translator import TranslatorRuntime
from bothways.training.translation_scores import (
    COPY,
    TranslationScores,
    check_scorer,
    note_on_short,
    score_translations,
)

if TYPE_CHECKING:
    from pathlib import Path

    from bothways.settings import TooLong


@dataclass(frozen=True)
class TranslationEvaluation:
    """How good a translator is on pairs, and how good copying is on the same."""

    scores: TranslationScores
    baselines: dict[str, dict[str, Any]]
    notes: list[str]
    beam_size: int
    seconds: float  # to translate, without loading

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {
            **self.scores.to_dict(),
            "baselines": self.baselines,
            "beam_size": self.beam_size,
            "seconds": round(self.seconds, 2),
            "notes": self.notes,
        }


def evaluate_translator(
    model: Path,
    data: Path,
    targets: Path | None = None,
    *,
    source: str | None = None,
    target: str | None = None,
    encoding: str = "auto",
    beam_size: int | None = None,
    too_long: TooLong | None = None,
) -> TranslationEvaluation:
    """Score a model folder on pairs.

    Args:
        model: the folder.
        data: sources, a plain file; or a table of both sides.
        targets: the references, line by line; None for a table.
        source: the table's column of sources; None takes the one that was trained on, or guesses, and says so.
        target: that of targets.
        encoding: of the files.
        beam_size: of the search; None: as the model was made.
        too_long: whether a source of more than max_length tokens is cut or refused; None: as the model was made.

    Raises:
        DataError: references that are missing, or not as many as sources; a source that is too long, where that is to
            be refused.
    """
    check_scorer()
    runner = TranslatorRuntime(open_folder(model))
    pairs = read_pairs(data, targets, source=source, target=target, trained=runner.columns, encoding=encoding)
    if empty_rows(pairs.targets).all():
        raise DataError(f"{(targets or data).name} holds no references to compare with: all are empty.")
    tally = Tally()
    began = time.monotonic()
    translated = runner.predict(pairs.sources, beam_size=beam_size, tally=tally, too_long=too_long, where=pairs.where)
    seconds = time.monotonic() - began
    notes = [*pairs.notes, *tally.notes(pairs.where, runner.max_length)]
    missing = empty_rows(pairs.targets)
    if missing.any():
        first = pairs.where(int(missing.argmax()))
        notes.append(
            f"{int(missing.sum()):,} of {len(pairs):,} references are empty and are left out; the first is {first}."
        )
    copied, given, wanted = (
        [texts[row] for row in np.flatnonzero(~missing)] for texts in (pairs.sources, translated, pairs.targets)
    )
    if short := note_on_short(wanted):
        notes.append(short)
    baselines = {COPY: score_translations(copied, wanted).to_dict()}
    scores = score_translations(given, wanted)
    return TranslationEvaluation(scores, baselines, notes, beam_size or runner.search.size, seconds)
