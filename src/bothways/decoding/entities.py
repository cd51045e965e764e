"""Entities from tags, and how many of them were found: exact match, as in the CoNLL shared tasks.

An entity is right if its type, its first and its last word are. Two rules say which entities a sequence holds that its
scheme forbids, such as O I-PER:

    strict    only those that are written as the scheme declared writes them: here none. The default.
    lenient   conlleval's: an I- that continues nothing starts an entity, here one of one word.

On legal sequences the rules agree. `schemes.spans` is the lenient one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bothways.decoding.schemes import Scheme, spans, spelt
from bothways.errors import DataError


@dataclass(frozen=True, slots=True)
class Entity:
    """Some words and what they are: from word `start`, counted from 0, up to but not with word `end`."""

    type: str
    start: int
    end: int


@dataclass(frozen=True)
class EntityScore:
    """How many entities there are, were predicted, and were predicted right."""

    gold: int
    predicted: int
    correct: int

    @property
    def precision(self) -> float:
        """The share of the predicted entities that are right; 0 if none was predicted, as in conlleval."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of the gold entities that were found; 0 if there are none, as in conlleval."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 0 if both are."""
        return 2 * self.correct / (self.gold + self.predicted) if self.gold + self.predicted else 0.0


@dataclass(frozen=True)
class EntityScores:
    """The score of all entities together (the micro average), and of each type, in the order of their names."""

    micro: EntityScore
    by_type: dict[str, EntityScore]


def entities(tags: Sequence[str], scheme: Scheme, *, strict: bool = True) -> list[Entity]:
    """Read the entities of one sentence, in order.

    Args:
        tags: one for each word.
        scheme: the scheme declared; nothing is guessed.
        strict: count only entities written as the scheme writes them; else conlleval's rule.

    Raises:
        DataError: a tag is not of the scheme, or the scheme is none.
    """
    found = spans(tags, scheme)
    if strict:
        found = [entity for entity in found if spelt(entity, scheme) == list(tags[entity.start : entity.end])]
    return [Entity(*entity) for entity in found]


def score_entities(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: Scheme, *, strict: bool = True
) -> EntityScores:
    """Compare the entities of predicted tags with those of the gold tags, sentence by sentence.

    A type that only one side has is counted like any other.

    Raises:
        DataError: the two have not the same sentences with as many tags; and all that `entities` refuses.
    """
    if len(gold) != len(predicted):
        raise DataError(f"There are {len(gold):,} gold sentences, but {len(predicted):,} predicted ones.")
    there, said, right = Counter[str](), Counter[str](), Counter[str]()
    for number, (truth, guess) in enumerate(zip(gold, predicted, strict=True), start=1):
        if len(truth) != len(guess):
            raise DataError(f"Sentence {number:,} has {len(truth):,} gold tags, but {len(guess):,} predicted ones.")
        true = set(entities(truth, scheme, strict=strict))
        found = set(entities(guess, scheme, strict=strict))
        there.update(entity.type for entity in true)
        said.update(entity.type for entity in found)
        right.update(entity.type for entity in true & found)
    by_type = {name: EntityScore(there[name], said[name], right[name]) for name in sorted(there | said)}
    return EntityScores(EntityScore(there.total(), said.total(), right.total()), by_type)
