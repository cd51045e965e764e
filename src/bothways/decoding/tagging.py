"""Tag sentences with a trained tagger, wherever it runs: scores of words, decoded by a linear chain.

Shapes: B sentences, T words in the longest, K tags, S states of the chain.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from bothways.data.batches import plan_in_order_of_length
from bothways.data.sequences import as_sentences, as_texts
from bothways.data.words import word_spans
from bothways.decoding.chain import LinearChain, log_sum
from bothways.decoding.entities import Entity, entities
from bothways.decoding.probabilities import softmax
from bothways.decoding.schemes import OUTSIDE, continues, parse
from bothways.decoding.threads import work_ahead
from bothways.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from bothways.data.lexicon import Lexicon, WordBatch
    from bothways.decoding.hmm import HiddenMarkovModel
    from bothways.decoding.schemes import Scheme

    Ints = NDArray[np.int64]
    Scored = tuple[Ints, NDArray[np.floating], Ints]  # rows, scores (B,T,S), lengths

Found = TypeVar("Found")

WORDS_AT_ONCE = 4_096  # padded words of one call: bounds the memory


@dataclass(frozen=True)
class ScoredEntity:
    """An entity that was found, and how sure the model is of it."""

    entity: Entity
    score: float  # the probability that exactly these words are one entity of this type


@dataclass(frozen=True)
class TaggedText:
    """A text whose words were found and tagged."""

    text: str
    places: list[tuple[int, int]]  # of each word: from its first character, counted from 0, up to but not with the end
    tags: list[str]  # of each word
    entities: list[ScoredEntity] | None  # by words; None where tags are plain

    @property
    def words(self) -> list[str]:
        """The words, as they stand in the text."""
        return [self.text[start:end] for start, end in self.places]

    def to_dict(self) -> dict[str, Any]:
        """Give everything for JSON; start and end of an entity cut it out of the text."""
        tagged = [[word, tag] for word, tag in zip(self.words, self.tags, strict=True)]
        if self.entities is None:
            return {"words": tagged, "text": self.text}
        return {"words": tagged, "entities": [self._in_text(one) for one in self.entities], "text": self.text}

    def _in_text(self, found: ScoredEntity) -> dict[str, Any]:
        start, end = self.places[found.entity.start][0], self.places[found.entity.end - 1][1]
        score = round(found.score, 6)
        return {"text": self.text[start:end], "type": found.entity.type, "start": start, "end": end, "score": score}


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

    def predict(self, sentences: Iterable[Sequence[str]]) -> list[list[str]]:
        """Give the tags of each sentence of words; of a sentence without words none.

        Raises:
            DataError: a text that is not cut into words.
        """
        return self.predict_tags(as_sentences(sentences))

    def predict_tags(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Give what `predict` of a tagger gives, of lists of words that were checked."""
        if self.by_word:
            return [[self.labels[tag] for tag in some.argmax(axis=1)] for some in self._marginals(sentences)]
        return self._best_tags(len(sentences), self.scored(sentences))

    def _best_tags(self, count: int, scored: Iterable[Scored]) -> list[list[str]]:
        """The tags of the best sequence of each of so many sentences."""
        found: list[list[str]] = [[] for _ in range(count)]
        names = np.array(self.labels, dtype=object)[self.tag_of]
        for rows, scores, lengths in scored:
            # In single precision the sums over a very long sentence would be too coarse to tell near paths apart.
            paths, _ = self.chain.best(scores.astype(np.float64), lengths)
            for row, tags, length in zip(rows.tolist(), names[paths].tolist(), lengths.tolist(), strict=True):
                found[row] = tags[:length]
        return found

    def predict_marginals(self, sentences: Iterable[Sequence[str]]) -> list[NDArray[np.float64]]:
        """Give the probability of each tag of each word, float64 (T,K) for each sentence; columns are `labels`."""
        return self._marginals(as_sentences(sentences))

    def _marginals(self, sentences: Sequence[Sequence[str]]) -> list[NDArray[np.float64]]:
        found = [np.zeros((0, len(self.labels))) for _ in sentences]
        for rows, scores, lengths in self.scored(sentences):
            chances, _ = self.chain.marginals(scores, lengths)
            for row, some, length in zip(rows, chances, lengths, strict=True):
                found[row] = np.zeros((length, len(self.labels)))
                np.add.at(found[row].T, self.tag_of, some[:length].T)
        return found

    def entities(self, sentences: Iterable[Sequence[str]]) -> list[list[ScoredEntity]]:
        """Find the entities of each sentence, each with the probability that it is one, as it stands.

        Raises:
            DataError: the tags are plain and mark no entities.
        """
        return [some for _, some in self.tags_and_entities(as_sentences(sentences))]

    def tags_and_entities(self, sentences: Sequence[Sequence[str]]) -> list[tuple[list[str], list[ScoredEntity]]]:
        """Give what `predict` and `entities` give, for the price of one."""
        if self.scheme == "none":
            raise DataError("The tags of this model are plain: they mark no entities. Ask for the tags alone.")
        return self._best_entities(len(sentences), self.scored(sentences))

    def _best_entities(self, count: int, scored: Iterable[Scored]) -> list[tuple[list[str], list[ScoredEntity]]]:
        """The tags and the entities of the best sequence of each of so many sentences."""
        found: list[tuple[list[str], list[ScoredEntity]]] = [([], []) for _ in range(count)]
        for rows, scores, lengths in scored:
            exact = scores.astype(np.float64)
            paths, _ = self.chain.best(exact, lengths)
            for places, before, behind, partition in self.chain.readings(exact, lengths):
                for place, *read in zip(places, before, behind, partition, strict=True):
                    length = lengths[place]
                    tags = [self.labels[tag] for tag in self.tag_of[paths[place, :length]]]
                    there = entities(tags, self.scheme, strict=False)
                    shares = [self._share(entity, exact[place, :length], *read) for entity in there]
                    found[rows[place]] = tags, [ScoredEntity(*pair) for pair in zip(there, shares, strict=True)]
        return found

    def tag_texts(self, texts: Iterable[str]) -> list[TaggedText]:
        """Find the words of texts and tag them.

        Raises:
            DataError: one text in place of a list.
        """
        texts = as_texts(texts)
        places, words = words_of(texts)
        found: Iterable[tuple[list[str], list[ScoredEntity] | None]]
        found = zip(self.predict_tags(words), repeat(None)) if self.scheme == "none" else self.tags_and_entities(words)
        return [TaggedText(text, some, *tags) for text, some, tags in zip(texts, places, found, strict=True)]

    def _share(
        self,
        entity: Entity,
        scores: NDArray[np.float64],
        before: NDArray[np.float64],
        behind: NDArray[np.float64],
        partition: np.float64,
    ) -> float:
        """The share of all tag sequences of a sentence, scores (T,S), that hold exactly this entity."""
        if partition == -np.inf:
            return 0.0
        go_on, part = self._chains
        first, end = entity.start, entity.end
        reached = part.onward(before[first - 1]) + scores[first] if first else before[0]
        reached = np.where(self._types[self.tag_of] == entity.type, reached, -np.inf)
        for step in range(first + 1, end):
            reached = go_on.onward(reached) + scores[step]
        if end < len(scores):
            reached = part.onward(reached) + scores[end]
        total = log_sum(reached + behind[min(end, len(scores) - 1)])
        return min(1.0, float(np.exp(total - partition)))

    @cached_property
    def _types(self) -> NDArray[np.object_]:
        """The type of the entity that each tag belongs to, (K,); None of O."""
        parsed = [parse(label, self.scheme) for label in self.labels]
        return np.array([None if tag == OUTSIDE else tag.type for tag in parsed], dtype=object)

    @cached_property
    def _chains(self) -> tuple[LinearChain, LinearChain]:
        """The chain with those steps alone that make an entity longer, and with all others alone."""
        longer = np.array([[continues(one, other, self.scheme) for other in self.labels] for one in self.labels])
        pairs = longer[self.tag_of[:, None], self.tag_of]
        go_on, part = (np.where(some, self.chain.transitions, -np.inf) for some in (pairs, ~pairs))
        return replace(self.chain, transitions=go_on), replace(self.chain, transitions=part)


class LexiconTagger(TagRunner):
    """A tagger that reads words as a lexicon knows them: a network."""

    lexicon: Lexicon
    at_once = 1  # batches that the network reads at the same time, each on a thread

    @abstractmethod
    def run(self, batch: WordBatch) -> NDArray[np.float32]:
        """Score the tags of every word, float32 (B,T,K)."""

    def scored(self, sentences: Sequence[Sequence[str]]) -> Iterator[Scored]:
        """Score sentences of like length together; see `TagRunner.scored`."""
        for rows, lengths, emissions in self.read(sentences, self.run):
            yield rows, emissions, lengths

    def read(
        self, sentences: Sequence[Sequence[str]], run: Callable[[WordBatch], Found]
    ) -> Iterator[tuple[Ints, Ints, Found]]:
        """Run on sentences of like length together: rows, lengths, and what was found; empty ones are left out."""
        lengths = np.array([len(words) for words in sentences], dtype=np.int64)
        kept = np.flatnonzero(lengths)
        plan = [kept[places] for places in plan_in_order_of_length(lengths[kept], budget=WORDS_AT_ONCE)]
        found = work_ahead(
            lambda rows: run(self.lexicon.batch([sentences[row] for row in rows])), plan, threads=self.at_once
        )
        for rows, one in zip(plan, found, strict=True):
            yield rows, lengths[rows], one


@dataclass(frozen=True)
class ParsedText:
    """What a text asks for, and what it names."""

    tagged: TaggedText
    intents: dict[str, float]  # the probability of each, the likeliest first

    @property
    def intent(self) -> str:
        """The likeliest."""
        return next(iter(self.intents))

    def to_dict(self) -> dict[str, Any]:
        """Give everything for JSON; start and end of a slot cut it out of the text."""
        tagged = self.tagged.to_dict()
        shares = {name: round(share, 6) for name, share in self.intents.items()}
        slots = {"slots": tagged.pop("entities")} if "entities" in tagged else {}
        return {"intent": self.intent, "probabilities": shares, **slots, **tagged}


class IntentRunner(LexiconTagger):
    """A tagger that also says what each sentence asks for."""

    intents: list[str]  # I

    @abstractmethod
    def run_both(self, batch: WordBatch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score the tags of every word, float32 (B,T,K), and the intents of every sentence, float32 (B,I)."""

    def run(self, batch: WordBatch) -> NDArray[np.float32]:
        """Score the tags alone; see `LexiconTagger.run`."""
        return self.run_both(batch)[0]

    def predict(  # type: ignore[override]  # as an IntentParser does
        self, sentences: Iterable[Sequence[str]]
    ) -> tuple[list[str], list[list[str]]]:
        """Give the likeliest intent of each sentence, and the tags of its words; `predict_tags` gives those alone."""
        sentences = as_sentences(sentences)
        shares = self._no_shares(len(sentences))
        tags = self._best_tags(len(sentences), self._scored(sentences, shares))
        return [self.intents[place] for place in shares.argmax(axis=1)], tags

    def predict_proba(self, sentences: Iterable[Sequence[str]]) -> NDArray[np.float64]:
        """Give the probability of each intent, float64 (B,I); of a sentence without words all are alike."""
        sentences = as_sentences(sentences)
        shares = self._no_shares(len(sentences))
        for _ in self._scored(sentences, shares):
            pass
        return shares

    def _no_shares(self, count: int) -> NDArray[np.float64]:
        return np.full((count, len(self.intents)), 1 / len(self.intents))

    def _scored(self, sentences: Sequence[Sequence[str]], shares: NDArray[np.float64]) -> Iterator[Scored]:
        """Score tags as `scored` does, and fill in the probabilities of the intents, (B,I), on the way."""
        for rows, lengths, (emissions, intents) in self.read(sentences, self.run_both):
            shares[rows] = softmax(intents)
            yield rows, emissions, lengths

    def parse(self, texts: Iterable[str]) -> list[ParsedText]:
        """Cut texts into words, and find what each asks for and what it names.

        Raises:
            DataError: one text in place of a list.
        """
        texts = as_texts(texts)
        places, words = words_of(texts)
        shares = self._no_shares(len(texts))
        scored = self._scored(words, shares)
        found: Iterable[tuple[list[str], list[ScoredEntity] | None]]
        plain = self.scheme == "none"
        found = (
            zip(self._best_tags(len(texts), scored), repeat(None)) if plain else self._best_entities(len(texts), scored)
        )
        tagged = [TaggedText(text, some, *tags) for text, some, tags in zip(texts, places, found, strict=True)]
        orders = np.argsort(-shares, axis=1, kind="stable")
        return [
            ParsedText(one, {self.intents[place]: float(row[place]) for place in order})
            for one, row, order in zip(tagged, shares, orders, strict=True)
        ]


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


def words_of(texts: Sequence[str]) -> tuple[list[list[tuple[int, int]]], list[list[str]]]:
    """Cut texts into words: where each stands in its text, and the words."""
    places = [word_spans(text) for text in texts]
    return places, [[text[start:end] for start, end in some] for text, some in zip(texts, places, strict=True)]


def independent(labels: int) -> LinearChain:
    """Give the chain of tags that do not hang on each other."""
    none = np.zeros(labels, np.float32)
    return LinearChain(np.zeros((labels, labels), np.float32), none, none)
