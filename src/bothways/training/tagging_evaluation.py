"""Evaluate a tagger's folder on tagged sentences, beside the hidden Markov model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bothways.bundle import GRAPH, open_folder
from bothways.data.tagged import read_tagged, two_columns
from bothways.decoding.hmm import HiddenMarkovModel
from bothways.decoding.scheme_check import check_scheme
from bothways.decoding.tagging import HmmTagger
from bothways.runtime.tagger import HMM, tagger_runtime
from bothways.training.saving_tagger import verdict
from bothways.training.tag_scores import TagScores, score_tags

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class TaggingEvaluation:
    """How a tagger does on sentences, and how the hidden Markov model does on the same."""

    scores: TagScores
    baselines: dict[str, dict[str, Any]]
    notes: list[str]

    @property
    def verdict(self) -> str | None:
        """Whether the network beats the hidden Markov model, in words."""
        return verdict(self.scores.to_dict(), self.baselines)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {**self.scores.to_dict(), "baselines": self.baselines, "verdict": self.verdict, "notes": self.notes}


def evaluate_tagger(
    model: Path,
    data: Path,
    *,
    columns: str | None = None,
    encoding: str = "auto",
    repair: bool = False,
) -> TaggingEvaluation:
    """Score a model folder on tagged sentences.

    Args:
        model: the folder.
        data: what `read_tagged` reads.
        columns: of words and tags, by number or name, with a comma between; None takes the first and the last, of
            CoNLL-U form and upos.
        encoding: of the file.
        repair: read tags that the model's scheme does not allow as a begin, instead of refusing them.

    Raises:
        DataError: tags that the scheme does not allow, or no sentence; names file and line.
    """
    folder = open_folder(model)
    runner = tagger_runtime(folder)
    words, tags = two_columns(columns)
    sentences, _ = check_scheme(
        read_tagged(data, words=words, tags=tags, encoding=encoding), runner.scheme, repair=repair
    )
    counted = HiddenMarkovModel.load(folder.file(HMM))
    known = set(counted.written.names)
    notes = list(sentences.notes)
    new = sorted({tag for some in sentences.tags for tag in some} - set(runner.labels))
    if new:
        notes.append(f"Tags that training never had are counted wrong: {', '.join(new)}.")

    def scored(predicted: list[list[str]]) -> TagScores:
        return score_tags(sentences.words, sentences.tags, predicted, runner.scheme, known=known)

    baselines = {}
    if folder.has(GRAPH):
        baselines["hmm"] = scored(HmmTagger(counted, runner.scheme).predict(sentences.words)).to_dict()
    return TaggingEvaluation(scored(runner.predict(sentences.words)), baselines, notes)
