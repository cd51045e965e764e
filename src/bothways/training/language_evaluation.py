"""Evaluate a language model folder on texts: perplexity with its interval, beside a unigram and an n-gram model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.bundle import METRICS, open_folder
from bothways.data.batches import InMemory
from bothways.data.conditions import condition_columns, values_of_table
from bothways.data.plain_text import PlainTexts, TableTexts, open_texts
from bothways.data.tokenizer import Tokenizer
from bothways.errors import DataError, SettingsError, counted
from bothways.runtime.language_model import LanguageModelRuntime
from bothways.training.corpora import Corpus
from bothways.training.kneser_ney import KneserNey
from bothways.training.language_scores import (
    BASELINE,
    LanguageScores,
    baseline_scores,
    note_on_counting,
    score_losses,
    verdict,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True)
class LanguageEvaluation:
    """How a language model does on texts, and how the baselines do on the same."""

    scores: LanguageScores
    cache: LanguageScores | None  # with the cache, if the model has one
    baselines: dict[str, dict[str, Any]]
    notes: list[str]

    @property
    def verdict(self) -> str | None:
        """Whether the network beats the n-gram model, in words."""
        return verdict(self.scores.to_dict(), self.baselines)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {
            **self.scores.to_dict(),
            "cache": None if self.cache is None else self.cache.to_dict(),
            "baselines": self.baselines,
            "verdict": self.verdict,
            "notes": self.notes,
        }


def evaluate_language_model(
    model: Path, data: Path, *, text: str | None = None, condition: str | None = None, encoding: str = "auto"
) -> LanguageEvaluation:
    """Score a model folder on plain text, read as one stream from its start, or on the documents of a table.

    Args:
        model: the folder.
        data: what `open_texts` reads.
        text: the column of texts of a table; None guesses and says so.
        condition: the columns of what each text is written on; None takes those of the training data.
        encoding: of the file.

    Raises:
        SettingsError: a model of documents is to score plain text, or the other way round; a condition that the model
            does not take.
        DataError: there is nothing to predict.
    """
    folder = open_folder(model)
    runner = LanguageModelRuntime(folder)
    texts = open_texts(data, text=text, condition=condition, encoding=encoding)
    tokens = runner.tokens
    if texts.whole != tokens.whole:
        forms = ("the rows of a table", "plain text")
        raise SettingsError(
            f"The model was trained on {forms[tokens.whole]}, but {texts.name} is {forms[texts.whole]}. "
            "Give texts in the form it was trained on."
        )
    given = _conditions(runner, texts)
    found, kept, characters, empty = [], list[bool](), 0, 0
    for chunk in texts.chunks():
        some = chunk if tokens.whole else [one for one in chunk if one.strip()]
        kept += [bool(one.strip()) for one in chunk]
        found += tokens.encode(some) if tokens.whole else tokens.documents(some)
        characters += sum(map(len, some))
        empty += len(chunk) - len(some)
    if tokens.whole:
        found = [np.concatenate([np.array([tokens.start], dtype=np.int32), *found])]
    if not any(len(ids) > 1 for ids in found):
        raise DataError(f"{texts.name} holds no text to score. Give some.")
    unknown = sum(int((ids == Tokenizer.unk_id).sum()) for ids in found)
    corpus = Corpus(InMemory(found), characters, unknown, None)
    notes = [*texts.notes, *([f"{counted(empty, 'empty text')} left out."] if empty else [])]
    if unknown:
        share = unknown / max(1, corpus.predictions)
        notes.append(
            f"{counted(unknown, 'unknown token')} ({share:.1%}), scored as one type, <unk>: "
            "compare perplexities only between models with the same vocabulary."
        )
    losses, mixed = _losses(runner, found, None if given is None else given[kept])
    baselines = {}
    if folder.has(BASELINE):
        baseline = KneserNey.load(folder.file(BASELINE))
        baselines = baseline_scores(baseline, corpus, seed=0)
        notes += note_on_counting(baseline, int(folder.json(METRICS)["training"].get("tokens", 0)))
    cached = None if mixed is None else score_losses(mixed, corpus, seed=0)
    return LanguageEvaluation(score_losses(losses, corpus, seed=0), cached, baselines, notes)


def _losses(
    runner: LanguageModelRuntime, sequences: list[NDArray[Any]], conditions: NDArray[Any] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """-log probability of every prediction, and the same with the model's cache."""
    cache = runner.cache
    if cache is None:
        return np.concatenate(runner.losses(sequences, conditions)), None
    found, said = runner.losses_with_memory(sequences, conditions, size=cache.size, sharpness=[cache.sharpness])
    losses = np.concatenate(found)
    return losses, cache.mix(losses, np.concatenate(said, axis=1)[0])


def _conditions(runner: LanguageModelRuntime, texts: PlainTexts | TableTexts) -> NDArray[Any] | None:
    """What the texts are written on, from the columns that were named, or those of the training data."""
    condition, given = runner.condition, texts.conditions
    if condition is not None and given is None and isinstance(texts, TableTexts):
        missing = next((column for column in condition.columns if column not in texts.table.columns), None)
        if missing is not None:
            raise DataError(
                f"{texts.name} has no column {missing!r}, which the model was trained to write on. Its columns are: "
                f"{', '.join(map(repr, texts.table.columns))}. Name the one that holds it with --condition."
            )
        given = values_of_table(texts.table, condition_columns(texts.table, condition.columns, text=texts.column))
    return runner.read_conditions(given)
