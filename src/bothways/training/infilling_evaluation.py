"""Evaluate a model folder of missing words on texts: accuracy and pseudo-perplexity, beside the words' frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.bundle import open_folder
from bothways.data.batches import InMemory
from bothways.data.plain_text import open_documents
from bothways.data.tokenizer import Tokenizer
from bothways.decoding.fill import never_proposed
from bothways.errors import counted
from bothways.runtime.infiller import InfillerRuntime
from bothways.training.infilling_scores import BASELINE, UNIGRAM, FillScores, scores_of
from bothways.training.unigram import Unigram

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class FillEvaluation:
    """How well the words of texts are predicted from all others, and how well by their frequencies."""

    scores: FillScores
    baselines: dict[str, dict[str, Any]]
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {**self.scores.to_dict(), "baselines": self.baselines, "notes": self.notes}


def evaluate_infiller(model: Path, data: Path, *, text: str | None = None, encoding: str = "auto") -> FillEvaluation:
    """Score a model folder on the lines of plain text, or on the texts of a table.

    Args:
        model: the folder.
        data: what `open_texts` reads.
        text: the column of texts of a table; None guesses and says so.
        encoding: of the file.
    """
    folder = open_folder(model)
    runner = InfillerRuntime(folder)
    texts = open_documents(data, text=text, encoding=encoding)
    found = [ids for chunk in texts.chunks() for ids in runner.tokens.documents(chunk)]
    words = np.concatenate([ids[1:-1] for ids in found])
    unknown = int((words == Tokenizer.unk_id).sum())
    notes = list(texts.notes)
    if unknown:
        notes.append(
            f"{counted(unknown, 'unknown word')} ({unknown / len(words):.1%}), misses of the accuracy and one type, "
            "<unk>, of the pseudo-perplexity. Compare it only between models with the same vocabulary."
        )
    losses, hits = runner.judge(InMemory(found))
    baselines = {}
    if folder.has(BASELINE):
        judged = Unigram.load(folder.file(BASELINE)).judge(words, never_proposed(runner.tokens))
        baselines[UNIGRAM] = scores_of(*judged, unknown=unknown, seed=0).to_dict()
    return FillEvaluation(scores_of(losses, hits, unknown=unknown, seed=0), baselines, notes)
