"""Windows over sequences of tokens: what a language model reads between two moves of its weights.

A sequence of n + 1 tokens holds n predictions. A group of sequences of like length is read window by window, each
beginning with the token that the one before ended with, so that every token but the first is predicted once; the
recurrent states of the group go on from one window to the next.

Shapes: B sequences, T steps in the longest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bothways.data.batches import WINDOW, Batch, Ints, Sequences, rounded_up


@dataclass(frozen=True)
class Window:
    """Some sequences, from one step on."""

    rows: Ints  # (B,)
    first: int  # the token that it begins with
    steps: int  # predictions that it holds of each sequence, or fewer where a sequence ends
    stood: Ints | None  # (B,) the place of each row in the window before, whose states go on; None: states start


@dataclass(frozen=True)
class WindowBatch(Batch):
    """The tokens of a window, int64 (B,T+1), padded with zeros; `lengths` counts tokens, one more than predictions."""

    stood: Ints | None

    @property
    def answers(self) -> int:
        """Every token but the first of each sequence is predicted."""
        return self.steps - len(self.rows)


def plan_windows(
    predictions: Ints, *, batch_size: int, steps: int, seed: int | None = None, epoch: int = 1
) -> list[Window]:
    """Cut all sequences into groups of like length, and each group into windows, in the order they are read.

    Args:
        predictions: int64 (N,), predictions of every sequence, one less than its tokens; at least 1.
        batch_size: sequences in a group whose sequences fill a window; of shorter ones a group has more.
        steps: predictions of one window.
        seed: of the training, to shuffle; None keeps the order of length, for scoring.
        epoch: counted from 1; in each, sequences meet in other groups and windows begin elsewhere.
    """
    random = None if seed is None else np.random.default_rng((seed, epoch))
    planned = []
    for group in _groups(predictions, batch_size * steps, steps, random):
        planned += list(_windows(group, predictions[group], steps, random))
    return planned


def window_batch(sequences: Sequences, window: Window) -> WindowBatch:
    """Take the tokens of a window."""
    taken = [tokens[window.first : window.first + window.steps + 1] for tokens in sequences.take(window.rows)]
    lengths = np.array([len(tokens) for tokens in taken], dtype=np.int64)
    longest = int(lengths.max())
    # Few shapes: each distinct one costs a CPU's kernels memory that is never given back.
    width = longest if longest == window.steps + 1 else min(rounded_up(longest - 1), window.steps) + 1
    inputs = np.zeros((len(taken), width), dtype=np.int64)
    for place, tokens in enumerate(taken):
        inputs[place, : len(tokens)] = tokens
    return WindowBatch(window.rows, inputs, lengths, window.stood)


def _groups(predictions: Ints, budget: int, steps: int, random: np.random.Generator | None) -> list[Ints]:
    """Cut all rows into groups of like length that have at most `budget` predictions in a window, or one row."""
    order = np.arange(len(predictions)) if random is None else random.permutation(len(predictions))
    groups = []
    for start in range(0, len(order), WINDOW):
        inside = order[start : start + WINDOW]
        by_length = inside[np.argsort(-predictions[inside], kind="stable")]  # the longest first
        here = np.minimum(predictions[by_length], steps)
        ends = [0]
        for place in range(len(by_length)):
            if (place - ends[-1] + 1) * here[ends[-1]] > budget and place > ends[-1]:
                ends.append(place)
        groups += [by_length[begin:end] for begin, end in pairwise([*ends, len(by_length)])]
    return groups if random is None else [groups[place] for place in random.permutation(len(groups))]


def _windows(group: Ints, predictions: Ints, steps: int, random: np.random.Generator | None) -> Iterator[Window]:
    longest = int(predictions.max())
    here = steps
    if random is not None and longest > steps >= 16:
        here = int(random.integers(steps // 16, steps // 8 + 1)) * 8
    first, alive = 0, np.arange(len(group))
    stood: Ints | None = None
    while len(alive):
        yield Window(group[alive], first, here, stood)
        first += here
        stood = np.flatnonzero(predictions[alive] > first)
        alive, here = alive[stood], steps


class Lanes:
    """One long stream of tokens as sequences that are read side by side; neighbours share a token."""

    def __init__(self, stream: NDArray[np.int32], count: int) -> None:
        """Cut a stream of n + 1 tokens into `count` lanes of equal length, to within one; fewer if it is short."""
        predictions = len(stream) - 1
        self._stream = stream
        self._starts = np.linspace(0, predictions, min(count, predictions) + 1).astype(np.int64)

    @property
    def lengths(self) -> Ints:
        """Tokens of every lane, one more than predictions, int64 (B,)."""
        return np.diff(self._starts) + 1

    def take(self, rows: Ints) -> list[NDArray[np.generic]]:
        """The tokens of these lanes, each int32 (T,)."""
        return [self._stream[self._starts[row] : self._starts[row + 1] + 1] for row in rows]


class Cut:
    """Sequences cut into pieces that are read each on its own; neighbours share the tokens that are only read."""

    def __init__(self, sequences: Sequences, steps: int, *, shared: int = 1) -> None:
        """Cut every sequence into pieces of at most `steps` predictions, of equal length to within one.

        Args:
            sequences: each of at least `shared` tokens.
            steps: most predictions of a piece.
            shared: tokens of a sequence that are only read: 1, the first, or 2, the last as well.
        """
        self._sequences, self._shared = sequences, shared
        predictions = sequences.lengths - shared
        counts = -(-predictions // steps)
        self.owners = np.repeat(np.arange(len(predictions)), counts)  # int64 (N,), the sequence of every piece
        self._places = np.arange(len(self.owners)) - np.repeat(np.cumsum(counts) - counts, counts)
        self._predictions, self._counts = predictions, counts

    @property
    def starts(self) -> Ints:
        """Where every piece begins in its sequence, int64 (N,)."""
        return self._bounds(np.arange(len(self.owners)))[0]

    @property
    def lengths(self) -> Ints:
        """Tokens of every piece, int64 (N,)."""
        starts, ends = self._bounds(np.arange(len(self.owners)))
        return ends - starts + self._shared

    def take(self, rows: Ints) -> list[NDArray[np.generic]]:
        """The tokens of these pieces, each int32 (T,)."""
        starts, ends = self._bounds(rows)
        wholes = self._sequences.take(self.owners[rows])
        size = self._shared
        return [whole[start : end + size] for whole, start, end in zip(wholes, starts, ends, strict=True)]

    def _bounds(self, rows: Ints) -> tuple[Ints, Ints]:
        owners, places = self.owners[rows], self._places[rows]
        predictions, counts = self._predictions[owners], self._counts[owners]
        return predictions * places // counts, predictions * (places + 1) // counts


class Predicted:
    """Sequences without their first token, which is read and never predicted."""

    def __init__(self, sequences: Sequences) -> None:
        """Take sequences of at least one token."""
        self._sequences = sequences

    @property
    def lengths(self) -> Ints:
        """Tokens of every sequence that are predicted, int64 (N,)."""
        return self._sequences.lengths - 1

    def take(self, rows: Ints) -> list[NDArray[np.generic]]:
        """The tokens of these sequences that are predicted, each int32 (T,)."""
        return [tokens[1:] for tokens in self._sequences.take(rows)]
