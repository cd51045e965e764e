"""Learn a hidden Markov model of labelled words: count."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from bothways.decoding.hmm import Counts, HiddenMarkovModel, look_alikes
from bothways.errors import DataError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RARE = 10  # times: words that occur more often tell nothing about unknown ones
MOST_PAIRS = 24  # labels up to which the order is 2 if nothing is said: the chain's states are pairs of them


def fit_hmm(
    sentences: Sequence[Sequence[str]], labels: Sequence[Sequence[str]], *, order: int | None = None
) -> HiddenMarkovModel:
    """Count words and labels.

    Args:
        sentences: words.
        labels: one for each word.
        order: 1 or 2, how many labels the next one hangs on; None takes 2 if there are at most 24 labels.

    Raises:
        SettingsError: another order.
        DataError: no words, or other numbers of sentences, words and labels.
    """
    if order not in (None, 1, 2):
        raise SettingsError(f"order is {order}, but it must be 1 or 2, the labels that the next one hangs on.")
    if len(sentences) != len(labels):
        raise DataError(f"There are {len(sentences)} sentences, but {len(labels)} lists of labels. Give one for each.")
    for row, (words, some) in enumerate(zip(sentences, labels, strict=True)):
        if len(words) != len(some):
            raise DataError(f"Sentence {row} has {len(words)} words, but {len(some)} labels. Give one for each word.")
    names = sorted({label for some in labels for label in some})
    if not names:
        raise DataError("There are no labelled words to learn from. Give some.")
    number = {name: place for place, name in enumerate(names)}
    coded = [[number[label] for label in some] for some in labels]
    chosen = order or (2 if len(names) <= MOST_PAIRS else 1)
    size = len(names) + 1
    followers = np.zeros((size if chosen == 2 else 1, size, size), dtype=np.int32)
    for path in filter(None, coded):
        steps = np.array([len(names), len(names), *path, len(names)])
        before = steps[:-2] if chosen == 2 else np.zeros_like(steps[:-2])
        np.add.at(followers, (before, steps[1:-1], steps[2:]), 1)
    frequent = Counter(word for words in sentences for word in words)
    written = _count(((word, label) for words, some in zip(sentences, coded, strict=True)
                      for word, label in zip(words, some, strict=True)), len(names))  # fmt: skip
    alike = _count(
        (
            (name, label)
            for words, some in zip(sentences, coded, strict=True)
            for place, (word, label) in enumerate(zip(words, some, strict=True))
            if frequent[word] <= RARE
            for name in look_alikes(word, first=place == 0)
        ),
        len(names),
    )
    return HiddenMarkovModel(names, followers, written, alike, chosen)


def _count(seen: Iterable[tuple[str, int]], labels: int) -> Counts:
    """Count names with labels, the names in the order in which they come."""
    pairs = Counter(seen)
    names: dict[str, int] = {}
    rows = [names.setdefault(name, len(names)) for name, _ in pairs]
    numbers = np.zeros((len(names), labels), dtype=np.int32)
    numbers[rows, [label for _, label in pairs]] = list(pairs.values())
    return Counts(names, numbers)
