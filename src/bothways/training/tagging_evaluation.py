"""Evaluate a tagger's folder on tagged sentences, beside the baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bothways.bundle import GRAPH, open_folder
from bothways.data.conll import INTENT
from bothways.data.tagged import named_columns, read_tagged
from bothways.data.tagged_sentences import compare_tokens
from bothways.decoding.hmm import HiddenMarkovModel
from bothways.decoding.scheme_check import check_like
from bothways.decoding.schemes import parse
from bothways.decoding.tagging import IntentRunner
from bothways.errors import DataError
from bothways.runtime import load
from bothways.runtime.tagger import HMM
from bothways.training.parts import read_baselines
from bothways.training.tag_baselines import score_baselines, verdict
from bothways.training.tag_scores import TagScores, score_tags

if TYPE_CHECKING:
    from pathlib import Path

    from bothways.data.tagged_sentences import TaggedSentences
    from bothways.decoding.tagging import TagRunner


@dataclass(frozen=True)
class TaggingEvaluation:
    """How a tagger does on sentences, and how the baselines do on the same."""

    scores: TagScores
    baselines: dict[str, dict[str, Any]]
    notes: list[str]
    intent_baselines: dict[str, dict[str, float]]  # empty for a tagger alone

    @property
    def verdict(self) -> str | None:
        """Whether the tagger beats its best baseline, in words."""
        return verdict(self.scores.to_dict(), self.baselines)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {
            **self.scores.to_dict(),
            "baselines": self.baselines,
            "intent_baselines": self.intent_baselines,
            "verdict": self.verdict,
            "notes": self.notes,
        }


def evaluate_tagger(
    model: Path,
    data: Path,
    *,
    columns: str | None = None,
    encoding: str = "auto",
    repair: bool = False,
    predicted: Path | None = None,
) -> TaggingEvaluation:
    """Score a model folder on tagged sentences.

    Args:
        model: the folder.
        data: what `read_tagged` reads.
        columns: of words and tags, by number or name, with a comma between, and for a table of intents by name; None
            takes the first and the last, of CoNLL-U form and upos, of a table what their names say.
        encoding: of the file.
        repair: read tags that the model's scheme does not allow as a begin, instead of refusing them.
        predicted: tags that the model gave before, and intents, as `tag_file` writes them; None asks the model now.

    Raises:
        DataError: tags that the scheme does not allow, no sentence, or other words in `predicted`; names file and line.
    """
    folder = open_folder(model)
    runner: TagRunner = load(model)
    named = named_columns(columns)._asdict()
    sentences = read_tagged(data, **named, encoding=encoding)
    sentences = check_like(sentences, runner.scheme, repair=repair)
    counted = HiddenMarkovModel.load(folder.file(HMM))
    known = set(counted.written.names)
    notes = list(sentences.notes)
    new = sorted({tag for some in sentences.tags for tag in some} - set(runner.labels))
    if new:
        notes.append(f"Tags that training never had are counted wrong: {', '.join(new)}.")

    intents: list[str] | None = None
    if predicted is not None:
        given = _read_predicted(predicted, sentences, runner)
        found, intents = given.tags, given.labels
    elif isinstance(runner, IntentRunner):
        intents, found = runner.predict(sentences.words)
    else:
        found = runner.predict(sentences.words)
    asked = None
    intent_baselines: dict[str, dict[str, float]] = {}
    if isinstance(runner, IntentRunner):
        if sentences.labels is None:
            raise DataError(
                f"{sentences.name} names no intents to compare with. Give a file 'label', a column 'intent' (or a "
                f"third of --columns), or a line '{INTENT}NAME' before each sentence."
            )
        if intents is None:
            notes.append(f"{predicted} names no intents: tags alone are scored.")
        else:
            asked = sentences.labels, intents
            texts = [" ".join(some) for some in sentences.words]
            linear = read_baselines(folder)
            intent_baselines = {} if linear is None else linear.scores(texts, sentences.labels)
        unheard = sorted(set(sentences.labels) - set(runner.intents))
        if unheard:
            notes.append(f"Intents that training never had are counted wrong: {', '.join(unheard)}.")

    def scored(predicted: list[list[str]], intents: tuple[list[str], list[str]] | None = None) -> TagScores:
        return score_tags(sentences.words, sentences.tags, predicted, runner.scheme, known=known, intents=intents)

    baselines = score_baselines(counted, sentences.words, runner.scheme, scored, beside_itself=not folder.has(GRAPH))
    return TaggingEvaluation(scored(found, asked), baselines, notes, intent_baselines)


def _read_predicted(path: Path, gold: TaggedSentences, runner: TagRunner) -> TaggedSentences:
    """Read tags that were given to the words of a gold file, and make sure that they are those of its words."""
    given = read_tagged(path)
    compare_tokens(gold, given)
    for row, tags in enumerate(given.tags):
        for place, tag in enumerate(tags):
            try:
                parse(tag, runner.scheme)
            except DataError as error:
                raise DataError(f"{given.where(row, place)}: {error}") from None
    return given
