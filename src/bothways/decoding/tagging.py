"""Tag sentences with a trained tagger, wherever it runs: scores of words, decoded by a linear chain.

Shapes: B sentences, T words in the longest, K tags, S states of the chain.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bothways.data.batches import plan_in_order_of_length
from bothways.decoding.chain import LinearChain
from bothways.decoding.entities import Entity, entities
from bothways.decoding.schemes import continues

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from bothways.data.lexicon import Lexicon, WordBatch
    from bothways.decoding.hmm import HiddenMarkovModel
    from bothways.decoding.schemes import Scheme

    Ints = NDArray[np.int64]
    Scored = tuple[Ints, NDArray[np.floating], Ints]  # rows, scores (B,T,S), lengths

WORDS_AT_ONCE = 8_192  # padded words of one call: bounds the memory


@dataclass(frozen=True)
class ScoredEntity:
    """An entity that was found, and how sure the model is of it."""

    entity: Entity
    score: float  # the probability that exactly these words are one entity of this type


class TagRunner(ABC):
    """A trained tagger.

    A sentence gets the same tags alone as in company; every word gets one, however long the sentence is.
    """

    labels: list[str]  # K
    scheme: Scheme
    chain: LinearChain
    tag_of: Ints  # (S,), the tag of each state of the chain
    by_word = False  # whether each word gets its likeliest tag, and not the sentence its likeliest sequence

    @abstractmethod
    def scored(self, sentences: Sequence[Sequence[str]]) -> Iterator[Scored]:
        """Score the states of every word: rows, float (B,T,S), lengths; sentences without words are left out."""

    def predict(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Give the tags of each sentence of words; of a sentence without words none."""
        if self.by_word:
            return [[self.labels[tag] for tag in some.argmax(axis=1)] for some in self.predict_marginals(sentences)]
        found: list[list[str]] = [[] for _ in sentences]
        for rows, scores, lengths in self.scored(sentences):
            paths, _ = self.chain.best(scores, lengths)
            for row, path, length in zip(rows, paths, lengths, strict=True):
                found[row] = [self.labels[tag] for tag in self.tag_of[path[:length]]]
        return found

    def predict_marginals(self, sentences: Sequence[Sequence[str]]) -> list[NDArray[np.float64]]:
        """Give the probability of each tag of each word, float64 (T,K) for each sentence; columns are `labels`."""
        found = [np.zeros((0, len(self.labels))) for _ in sentences]
        for rows, scores, lengths in self.scored(sentences):
            chances, _ = self.chain.marginals(scores, lengths)
            for row, some, length in zip(rows, chances, lengths, strict=True):
                found[row] = np.zeros((length, len(self.labels)))
                np.add.at(found[row].T, self.tag_of, some[:length].T)
        return found

    def entities(self, sentences: Sequence[Sequence[str]]) -> list[list[ScoredEntity]]:
        """Find the entities of each sentence, each with the probability that it is one, as it stands."""
        found: list[list[ScoredEntity]] = [[] for _ in sentences]
        for rows, scores, lengths in self.scored(sentences):
            paths, _ = self.chain.best(scores, lengths)
            for row, path, some, length in zip(rows, paths, scores, lengths, strict=True):
                tags = self.tag_of[path[:length]]
                there = entities([self.labels[tag] for tag in tags], self.scheme, strict=False)
                found[row] = self._with_scores(there, tags, some[:length])
        return found

    def _with_scores(self, there: Sequence[Entity], tags: Ints, scores: NDArray[np.floating]) -> list[ScoredEntity]:
        """Give entities their probability: the share of all tag sequences that have exactly this one here."""
        if not there:
            return []
        only = np.repeat(scores[None].astype(np.float64), len(there) + 1, axis=0)  # the last is left as it is
        for place, entity in enumerate(there):
            for step in range(entity.start, entity.end):
                only[place, step, self.tag_of != tags[step]] = -np.inf
            if entity.end < len(tags):
                going_on = self._going_on[tags[entity.end - 1]]
                only[place, entity.end, going_on[self.tag_of]] = -np.inf
        _, partition = self.chain.marginals(only, np.full(len(only), len(tags)))
        chances = np.exp(partition[:-1] - partition[-1])
        return [ScoredEntity(entity, float(chance)) for entity, chance in zip(there, chances, strict=True)]

    @cached_property
    def _going_on(self) -> NDArray[np.bool_]:
        """Whether the column's tag behind the row's makes the same entity one word longer, (K,K)."""
        return np.array([[continues(one, other, self.scheme) for other in self.labels] for one in self.labels])


class LexiconTagger(TagRunner):
    """A tagger that reads words as a lexicon knows them: a network."""

    lexicon: Lexicon

    @abstractmethod
    def run(self, batch: WordBatch) -> NDArray[np.float32]:
        """Score the tags of every word, float32 (B,T,K)."""

    def scored(self, sentences: Sequence[Sequence[str]]) -> Iterator[Scored]:
        """Score sentences of like length together; see `TagRunner.scored`."""
        lengths = np.array([len(words) for words in sentences], dtype=np.int64)
        kept = np.flatnonzero(lengths)
        for places in plan_in_order_of_length(lengths[kept], budget=WORDS_AT_ONCE):
            rows = kept[places]
            batch = self.lexicon.batch([sentences[row] for row in rows])
            yield rows, self.run(batch), batch.lengths


class HmmTagger(TagRunner):
    """A hidden Markov model as a tagger: plain tags word by word, entities as a sequence."""

    def __init__(self, model: HiddenMarkovModel, scheme: Scheme) -> None:
        self.model, self.scheme = model, scheme
        self.labels, self.chain = model.labels, model.chain
        self.tag_of = np.arange(len(model.chain.start)) % len(model.labels)
        self.by_word = scheme == "none"

    def scored(self, sentences: Sequence[Sequence[str]]) -> Iterator[Scored]:
        """Score the states of the model; see `TagRunner.scored`."""
        return self.model.scored(sentences)


def independent(labels: int) -> LinearChain:
    """Give the chain of tags that do not hang on each other."""
    none = np.zeros(labels, np.float32)
    return LinearChain(np.zeros((labels, labels), np.float32), none, none)
