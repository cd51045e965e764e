"""How good a tagger's tags are: accuracy, and where tags mark entities, precision, recall and F1 of whole entities."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from bothways.decoding.entities import EntityScores, score_entities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bothways.decoding.schemes import Scheme

RESAMPLES = 1_000
_DRAWN_AT_ONCE = 4_000_000  # sentences: bounds the bootstrap's memory at about 100 MB


@dataclass(frozen=True)
class Share:
    """A precision, a recall and their harmonic mean, and how many there are in truth."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class TagScores:
    """What a tagger scored on sentences whose tags are known.

    Attributes:
        sentences: how many were scored.
        words: how many words they have.
        accuracy: share of words with the right tag.
        accuracy_interval: 95%, by bootstrap over sentences, as is `f1_interval`.
        sentence_accuracy: share of sentences whose tags are all right.
        unknown_accuracy: accuracy on words that training never had; None if there are none.
        unknown: how many words that are.
        f1: of entities by exact match, micro average; None where tags are plain.
        f1_interval: likewise.
        by_name: the scores of each type of entity, or of each tag where tags are plain.
        confused: pairs of a right and a given tag, and how often, the most frequent first.
        intent_accuracy: share of sentences with the right intent; None for a tagger alone. With intents, a sentence is
            all right only if its intent is.
        intent_interval: likewise.
    """

    sentences: int
    words: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    sentence_accuracy: float
    unknown_accuracy: float | None
    unknown: int
    f1: float | None
    f1_interval: tuple[float, float] | None
    precision: float | None
    recall: float | None
    by_name: dict[str, Share]
    confused: list[tuple[str, str, int]]
    intent_accuracy: float | None = None
    intent_interval: tuple[float, float] | None = None

    @property
    def main(self) -> float:
        """F1 where tags mark entities, else accuracy."""
        return self.accuracy if self.f1 is None else self.f1

    @property
    def interval(self) -> tuple[float, float]:
        """That of `main`."""
        return self.accuracy_interval if self.f1_interval is None else self.f1_interval

    def to_dict(self) -> dict[str, Any]:
        """Give everything for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Self:
        """Read what `to_dict` gave, also through JSON."""
        by_name = {name: Share(**share) for name, share in saved["by_name"].items()}
        intervals = ("accuracy_interval", "f1_interval", "intent_interval")
        pairs = {name: None if saved[name] is None else tuple(saved[name]) for name in intervals}
        confused = [tuple(one) for one in saved["confused"]]
        return cls(**{**saved, **pairs, "by_name": by_name, "confused": confused})


def accuracy_and_f1(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: Scheme
) -> tuple[float, float]:
    """Give the two numbers that tell epochs apart; the F1 of entities is the accuracy where tags are plain."""
    right = [one == other for pair in zip(gold, predicted, strict=True) for one, other in zip(*pair, strict=True)]
    accuracy = sum(right) / max(1, len(right))
    return accuracy, accuracy if scheme == "none" else score_entities(gold, predicted, scheme, strict=False).micro.f1


def score_tags(
    words: Sequence[Sequence[str]],
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    scheme: Scheme,
    *,
    known: set[str],
    seed: int = 0,
    intents: tuple[Sequence[str], Sequence[str]] | None = None,
) -> TagScores:
    """Score tags.

    Args:
        words: of each sentence.
        gold: the right tags.
        predicted: the tags given.
        scheme: how tags mark entities.
        known: words of training, as they are written.
        seed: of the bootstrap.
        intents: the right and the given intent of each sentence; None for a tagger alone.
    """
    right = [
        np.array([one == other for one, other in zip(*pair, strict=True)], dtype=bool)
        for pair in zip(gold, predicted, strict=True)
    ]
    sizes = np.array([len(one) for one in right], dtype=np.int64)
    hits = np.array([one.sum() for one in right], dtype=np.int64)
    asked = (
        None if intents is None else np.array([one == other for one, other in zip(*intents, strict=True)], dtype=bool)
    )
    whole = (hits == sizes) & (True if asked is None else asked)
    new = np.array([word not in known for some in words for word in some], dtype=bool)
    flat = np.concatenate([np.zeros(0, dtype=bool), *right])
    micro = interval = None
    if scheme != "none":
        entities = score_entities(gold, predicted, scheme, strict=False)
        micro, interval = entities.micro, _f1_interval(gold, predicted, scheme, seed)
        by_name = _by_type(entities)
    else:
        by_name = _by_tag(gold, predicted)
    confused = Counter(
        pair for some, others in zip(gold, predicted, strict=True) for pair in zip(some, others, strict=True)
        if pair[0] != pair[1]
    )  # fmt: skip
    return TagScores(
        sentences=len(right),
        words=int(sizes.sum()),
        accuracy=float(hits.sum() / max(1, sizes.sum())),
        accuracy_interval=_interval(hits, sizes, seed),
        sentence_accuracy=float(np.mean(whole)) if len(right) else 0.0,
        unknown_accuracy=float(flat[new].mean()) if new.any() else None,
        unknown=int(new.sum()),
        f1=None if micro is None else micro.f1,
        f1_interval=interval,
        precision=None if micro is None else micro.precision,
        recall=None if micro is None else micro.recall,
        by_name=by_name,
        confused=[(one, other, count) for (one, other), count in confused.most_common(20)],
        intent_accuracy=None if asked is None else float(asked.mean()),
        intent_interval=None if asked is None else _interval(asked.astype(np.int64), np.ones_like(sizes), seed),
    )


def _by_type(entities: EntityScores) -> dict[str, Share]:
    return {name: Share(one.precision, one.recall, one.f1, one.gold) for name, one in entities.by_type.items()}


def _by_tag(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> dict[str, Share]:
    true = Counter(tag for tags in gold for tag in tags)
    said = Counter(tag for tags in predicted for tag in tags)
    both = Counter(one for some, others in zip(gold, predicted, strict=True)
                   for one, other in zip(some, others, strict=True) if one == other)  # fmt: skip
    return {
        name: Share(
            both[name] / said[name] if said[name] else 0.0,
            both[name] / true[name] if true[name] else 0.0,
            2 * both[name] / (true[name] + said[name]),
            true[name],
        )
        for name in sorted(true | said)
    }


def _f1_interval(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: Scheme, seed: int
) -> tuple[float, float]:
    counts = [
        score_entities([one], [other], scheme, strict=False).micro for one, other in zip(gold, predicted, strict=True)
    ]
    correct = np.array([2 * one.correct for one in counts])
    return _interval(correct, np.array([one.gold + one.predicted for one in counts]), seed)


def _interval(hits: NDArray[Any], sizes: NDArray[Any], seed: int) -> tuple[float, float]:
    """95% of the share of hits, by bootstrap over sentences."""
    if not len(hits):
        return 0.0, 0.0
    random = np.random.default_rng(seed)
    at_once = max(1, _DRAWN_AT_ONCE // len(hits))
    shares: list[float] = []
    for first in range(0, RESAMPLES, at_once):
        drawn = random.integers(0, len(hits), size=(min(at_once, RESAMPLES - first), len(hits)))
        shares += (hits[drawn].sum(axis=1) / np.maximum(1, sizes[drawn].sum(axis=1))).tolist()
    low, high = np.percentile(shares, [2.5, 97.5])
    return float(low), float(high)
