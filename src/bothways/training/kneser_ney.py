"""The n-gram language model that a network has to beat: interpolated modified Kneser-Ney, in numpy alone.

Chen & Goodman (1999), "An empirical study of smoothing techniques for language modeling", section 3. With h the k-1
tokens before w, h' the same without its first, and c the count of an n-gram,

    p(w|h) = (c(hw) - D(c(hw))) / c(h) + g(h) · p(w|h'),    c(h) = sum over w of c(hw),
    g(h) = sum over w of D(c(hw)) / c(h),

and p(w|h) = p(w|h') where h was never seen. Below the unigrams stands the uniform distribution over all tokens but
padding. At the highest order c counts occurrences; below it, in how many different tokens' company (to the left) the
n-gram was seen. An n-gram that opens a sequence has no company: there c counts occurrences too.

D(1), D(2) and D(3 and more) of an order come from n1 to n4, its numbers of n-grams with c = 1 to 4:

    Y = n1 / (n1 + 2·n2),    D(c) = c - (c+1) · Y · n(c+1) / n(c).

Shapes: T tokens of a sequence, V vocabulary, N n-grams of one order.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from bothways.data.batches import Ints, Sequences
from bothways.errors import DataError, MissingFileError, ModelFolderError, SettingsError
from bothways.training.portions import portion

Floats = NDArray[np.float64]

MOST_STEPS = 5_000_000
FALLBACK = (0.5, 1.0, 1.5)  # discounts where the counts of counts give none: half of each count

_FORMAT = 1
_METADATA = "kneser_ney"
_PADDING = 0
_STEPS_AT_ONCE = 500_000  # what is scored together: bounds the memory


@dataclass(frozen=True)
class Level:
    """The n-grams of one order k, and what they give to p(w|h).

    Attributes:
        keys: int64 (N,) ascending: (place of the first k-1 tokens among the n-grams one order below) · V + last token.
            The unigrams are all V ids, seen or not, so an id is its own place.
        counts: int64 (N,), c of the module's text.
        contexts: int64 (N,), the place of the first k-1 tokens.
        totals: int64, c(h) for each of the n-grams one order below (one, the empty one, below the unigrams).
    """

    keys: Ints
    counts: Ints
    contexts: Ints
    totals: Ints

    @classmethod
    def of(cls, keys: Ints, counts: Ints, *, vocabulary: int, below: int) -> Self:
        """Make a level of its keys and counts; `below` is the number of n-grams one order below."""
        contexts = keys // vocabulary
        totals = np.bincount(contexts, counts, minlength=below).astype(np.int64)
        return cls(keys, counts, contexts, totals)

    @cached_property
    def discounts(self) -> Floats:
        """What is taken from a count of 0, 1, 2, and 3 or more: float64 (4,)."""
        return discounts(self.counts)

    @cached_property
    def left(self) -> Floats:
        """g(h): the share that is left to the order below, float64, in the places of `totals`; 1 for an unseen h."""
        taken = np.bincount(self.contexts, self.discounts[np.minimum(self.counts, 3)], minlength=len(self.totals))
        return np.where(self.totals > 0, taken / np.maximum(self.totals, 1), 1.0)

    def own(self, places: Ints) -> Floats:
        """What an n-gram adds to its own probability, (c - D(c)) / c(h): float64, one for each place asked for."""
        counts = self.counts[places]
        return (counts - self.discounts[np.minimum(counts, 3)]) / np.maximum(self.totals[self.contexts[places]], 1)


@dataclass(frozen=True)
class KneserNey:
    """An n-gram model of token ids whose probabilities sum to one in any context, seen or not.

    Id 0 is padding: it has probability 0, and no n-gram reaches across it.

    Attributes:
        vocabulary: V; ids run from 0 to V-1.
        start: the id that stands before every sequence and is itself not predicted there.
        occurrences: int64 (V,), how often each id was counted in training.
        levels: one for each order, from 1 on.
    """

    vocabulary: int
    start: int
    occurrences: Ints
    levels: list[Level]

    @property
    def order(self) -> int:
        """Tokens of the longest n-gram."""
        return len(self.levels)

    @property
    def steps(self) -> int:
        """Tokens that were counted in training."""
        return int(self.occurrences.sum())

    @classmethod
    def fit(
        cls, sequences: Sequences, *, vocabulary: int, start: int, order: int = 5, most_steps: int = MOST_STEPS
    ) -> Self:
        """Count the n-grams of sequences of token ids, each predicted from its first token on.

        Args:
            sequences: int (T,), ids in [0, V).
            vocabulary: V.
            start: id that stands once before each sequence; it may occur inside sequences too.
            order: tokens of the longest n-gram.
            most_steps: of more steps than that only so many are counted, in sequences from everywhere, or in pieces of
                1,000 steps where sequences are longer.

        Raises:
            SettingsError: vocabulary, start, order or most_steps is outside what is possible.
            DataError: there is nothing to count, or a sequence holds no ids or one outside the vocabulary.
        """
        _check_settings(vocabulary, start, order, most_steps)
        text = _flatten(sequences, vocabulary, start, most_steps)
        occurrences = np.bincount(text.words[text.targets], minlength=vocabulary)
        if not occurrences.any():
            raise DataError("There are no steps to count n-grams of: give at least one sequence that is not empty.")
        below, levels = 1, []
        for keys, counts in _count(text, vocabulary, order):
            levels.append(Level.of(keys, counts, vocabulary=vocabulary, below=below))
            below = len(keys)
        return cls(vocabulary, start, occurrences, levels)

    def log_probabilities(
        self, ids: NDArray[np.integer[Any]], history: NDArray[np.integer[Any]] | None = None
    ) -> Floats:
        """Return ln p of each token of one sequence, given those before it, in nats: float64 (T,).

        Args:
            ids: int (T,), in [0, V); 0 gets -inf.
            history: ids that stand before the sequence, of which the last order-1 count. None, or no ids: the start.
                To carry on inside a sequence give what was read, and the start before it if that is near.

        Raises:
            DataError: an id lies outside the vocabulary, or these are no sequences of ids.
        """
        asked = _checked_ids(ids, self.vocabulary, "The sequence")
        before = _checked_ids(() if history is None else history, self.vocabulary, "The history")
        before = before if len(before) else np.array([self.start])
        reach = self.order - 1
        words = np.concatenate([before[max(0, len(before) - reach) :], asked])
        likely = np.empty(len(asked))
        for first in range(0, len(asked), _STEPS_AT_ONCE):
            last = min(first + _STEPS_AT_ONCE, len(asked))
            here = first + len(words) - len(asked)
            opening = max(0, here - reach)
            likely[first:last] = self._read(words[opening : here + last - first])[here - opening :]
        with np.errstate(divide="ignore"):  # padding has probability 0
            return np.log(likely)

    def unigram_log_probabilities(self, ids: NDArray[np.integer[Any]]) -> Floats:
        """Return ln of each token's share in training, one added to every count, in nats: float64 (T,).

        Args:
            ids: int (T,), in [0, V); 0 gets -inf.

        Raises:
            DataError: as in `log_probabilities`.
        """
        asked = _checked_ids(ids, self.vocabulary, "The sequence")
        shares = (self.occurrences + 1) / (self.steps + self.vocabulary - 1)
        shares[_PADDING] = 0
        with np.errstate(divide="ignore"):
            return np.log(shares[asked])

    def _read(self, words: Ints) -> Floats:
        """Return p of each word given those before it in the array: float64 (T,)."""
        likely = np.where(words == _PADDING, 0.0, 1 / (self.vocabulary - 1))
        contexts = np.zeros_like(words)  # the place of the k-1 words before each word; -1 where they were never seen
        for level in self.levels:
            known = np.flatnonzero(contexts >= 0)
            found = _look_up(contexts[known] * self.vocabulary + words[known], level.keys)
            seen = found >= 0
            shares = level.left[contexts[known]] * likely[known]
            shares[seen] += level.own(found[seen])
            likely[known] = shares
            places = np.full_like(words, -1)
            places[known] = found
            contexts = np.concatenate([[-1], places[:-1]])
        return likely

    def save(self, path: Path) -> None:
        """Write one safetensors file; a folder that is missing is made.

        An n-gram takes the bytes of its last token, one for its count, and one for how many n-grams extend it.
        """
        tensors = {"occurrences": _narrow(self.occurrences)}
        for order, level in enumerate(self.levels, start=1):
            followers = np.bincount(level.contexts, minlength=len(level.totals))
            tensors[f"last{order}"] = _narrow(level.keys % self.vocabulary)
            tensors |= _in_bytes(f"followers{order}", followers) | _in_bytes(f"counts{order}", level.counts)
        facts = {"format": _FORMAT, "vocabulary": self.vocabulary, "start": self.start, "order": self.order}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(save(tensors, metadata={_METADATA: json.dumps(facts)}))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote; it gives exactly the same probabilities.

        Raises:
            MissingFileError: there is no such file.
            ModelFolderError: it is damaged, something else, or written by a newer version.
        """
        if not path.is_file():
            raise MissingFileError(f"{path} is missing: the n-gram baseline cannot be read. Train the model again.")
        try:
            with safe_open(path, framework="np") as file:
                facts = json.loads((file.metadata() or {})[_METADATA])
                if facts["format"] > _FORMAT:
                    raise ModelFolderError(
                        f"{path} has format {facts['format']}, but this version reads {_FORMAT} and older. "
                        "Update bothways."
                    )
                return cls._restore(facts, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, ModelFolderError):
                raise
            raise ModelFolderError(f"{path} holds no whole n-gram baseline. Train the model again.") from error

    @classmethod
    def _restore(cls, facts: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Self:
        vocabulary, start = int(facts["vocabulary"]), int(facts["start"])
        _check_settings(vocabulary, start, int(facts["order"]), most_steps=1)
        below, levels = 1, []
        for order in range(1, facts["order"] + 1):
            last = tensors[f"last{order}"].astype(np.int64)
            followers, counts = (_from_bytes(f"{name}{order}", tensors) for name in ("followers", "counts"))
            keys = np.repeat(np.arange(len(followers)), followers) * vocabulary + last
            whole = len(followers) == below and len(keys) == len(counts) and (np.diff(keys) > 0).all()
            if not whole or (last >= vocabulary).any() or (order == 1 and len(keys) != vocabulary):
                raise ValueError("the sizes of the parts do not fit together")
            levels.append(Level.of(keys, counts, vocabulary=vocabulary, below=below))
            below = len(keys)
        occurrences = tensors["occurrences"].astype(np.int64)
        if len(occurrences) != vocabulary or not occurrences.any():
            raise ValueError("the sizes of the parts do not fit together")
        return cls(vocabulary, start, occurrences, levels)


def discounts(counts: Ints) -> Floats:
    """Estimate what is taken from a count of 0, 1, 2, and 3 or more: float64 (4,), the first 0.

    Each of the last three lies within (0, its count]. Where the counts of counts are too few to give such a value
    (little data, or so few types that all are frequent), half of the count is taken.
    """
    number = np.bincount(np.minimum(counts, 5), minlength=6)
    estimates = [0.0, *FALLBACK]
    if number[1] and number[2]:
        ratio = number[1] / (number[1] + 2 * number[2])
        for count in (1, 2, 3):
            if number[count] and number[count + 1]:
                estimate = count - (count + 1) * ratio * number[count + 1] / number[count]
                estimates[count] = estimate if 0 < estimate <= count else estimates[count]
    return np.array(estimates)


class _Text(NamedTuple):
    """Sequences one after another, each with the start before it: arrays (T,)."""

    words: Ints
    targets: NDArray[np.bool_]  # what is predicted: neither the start nor padding
    before: Ints  # how many words stand before each, back to the start, to padding or to what was passed over


def _flatten(sequences: Sequences, vocabulary: int, start: int, most_steps: int) -> _Text:
    """Put the sequences, or the pieces of them that are to be counted, one after another."""
    rows, begins, ends = portion(sequences.lengths, most_steps)
    distinct, which = np.unique(rows, return_inverse=True)
    taken = sequences.take(distinct)
    parts, opening = [np.zeros(0, dtype=np.int64)], np.array([start])
    for row, place, begin, end in zip(rows.tolist(), which.tolist(), begins.tolist(), ends.tolist(), strict=True):
        ids = _checked_ids(taken[place][begin:end], vocabulary, f"Sequence {row + 1}")
        parts += [opening, ids] if begin == 0 else [ids]
    words = np.concatenate(parts)
    with_start = begins == 0
    sizes = ends - begins + with_start
    firsts = np.cumsum(sizes) - sizes
    breaks = words == _PADDING
    targets = ~breaks
    targets[firsts[with_start]] = False
    breaks[1:] |= breaks[:-1]
    breaks[firsts] = True
    here = np.arange(len(words))
    return _Text(words, targets, here - np.maximum.accumulate(np.where(breaks, here, 0)))


def _count(text: _Text, vocabulary: int, longest: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield keys and counts of every order's n-grams, from 1 on, as `Level` holds them."""
    keys, places = np.arange(vocabulary), text.words  # `places`: which n-gram ends at each word
    ends = np.flatnonzero(text.targets)
    for order in range(1, longest):
        opens = ends[text.before[ends] == order - 1]
        ends = ends[text.before[ends] >= order]
        longer, of_longer = np.unique(places[ends - 1] * vocabulary + text.words[ends], return_inverse=True)
        example = np.empty_like(longer)  # one place in the text for each longer n-gram
        example[of_longer] = ends
        yield keys, np.bincount(places[np.concatenate([example, opens])], minlength=len(keys))
        keys, places = longer, np.full_like(places, -1)
        places[ends] = of_longer
    yield keys, np.bincount(places[ends], minlength=len(keys))


def _look_up(codes: Ints, keys: Ints) -> Ints:
    """Return the place of each code among ascending keys, or -1 where it is none of them."""
    if not len(keys):
        return np.full_like(codes, -1)
    places = np.minimum(np.searchsorted(keys, codes), len(keys) - 1)
    return np.where(keys[places] == codes, places, -1)


def _narrow(numbers: Ints) -> NDArray[np.unsignedinteger[Any]]:
    """Give the same numbers in the narrowest unsigned integers that hold them."""
    narrow: NDArray[np.unsignedinteger[Any]] = numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))
    return narrow


def _in_bytes(name: str, numbers: Ints) -> dict[str, NDArray[np.unsignedinteger[Any]]]:
    """Give a byte for each number; 255 stands for the next of the larger ones, which are listed aside."""
    return {name: np.minimum(numbers, 255).astype(np.uint8), f"{name}.large": _narrow(numbers[numbers >= 255])}


def _from_bytes(name: str, tensors: dict[str, NDArray[Any]]) -> Ints:
    """Read what `_in_bytes` gave."""
    numbers = tensors[name].astype(np.int64)
    numbers[numbers == 255] = tensors[f"{name}.large"]
    return numbers


def _check_settings(vocabulary: int, start: int, order: int, most_steps: int) -> None:
    if vocabulary < 2:
        raise SettingsError(f"vocabulary is {vocabulary}, but it must be at least 2: padding and one token.")
    if not 1 <= start < vocabulary:
        raise SettingsError(f"start is {start}, but it must be a token's id, from 1 to {vocabulary - 1}.")
    if order < 1:
        raise SettingsError(f"order is {order}, but it must be at least 1.")
    if most_steps < 1:
        raise SettingsError(f"most_steps is {most_steps}, but it must be at least 1.")


def _checked_ids(ids: Any, vocabulary: int, name: str) -> Ints:
    """Make int64 (T,) of ids, or say whose ids are wrong."""
    array = np.asarray(ids)
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(
            f"{name} has shape {array.shape} and type {array.dtype}, but an n-gram model reads token ids: "
            "whole numbers, one for each step."
        )
    if array.min() < 0 or array.max() >= vocabulary:
        step = int(np.flatnonzero((array < 0) | (array >= vocabulary))[0])
        raise DataError(
            f"{name} has id {array[step]} at step {step + 1}, but ids run from 0 to {vocabulary - 1}. "
            "Give the ids of the same tokenizer."
        )
    return array.astype(np.int64)
