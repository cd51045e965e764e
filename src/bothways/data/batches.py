"""Batches by length, in an order that a seed decides and that can be taken up at any batch.

A batch holds about as many steps as any other: a budget of steps, not of sequences. Sequences are
shuffled by blocks, so that reads from disk stay sequential inside one, and sorted by length inside
windows of many blocks, so that little is padding. Padded lengths are rounded up: each distinct
shape costs a CPU's kernels memory that is never given back.

Shapes: B sequences, T steps in the longest, F numbers a step.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

BLOCK = 64  # rows that lie side by side on disk and stay together when blocks are shuffled
WINDOW = 16_384  # rows that are sorted by length together


class Sequences(Protocol):
    """Sequences that can be asked for by row: of token ids (T,) or of numbers (T,F)."""

    @property
    def lengths(self) -> Ints:
        """Steps of every row, int64 (N,)."""

    def take(self, rows: Ints) -> list[NDArray[np.generic]]:
        """The sequences of these rows, in the order asked for."""


@dataclass(frozen=True)
class Batch:
    """Some sequences, padded with zeros to one length."""

    rows: Ints  # (B,) where each came from
    inputs: NDArray[np.generic]  # int64 (B,T) token ids, or float32 (B,T,F)
    lengths: Ints  # (B,) from 1 to T

    @property
    def steps(self) -> int:
        """Real steps, padding not counted."""
        return int(self.lengths.sum())

    @property
    def answers(self) -> int:
        """What the mean of a loss is taken over: one answer for each sequence."""
        return len(self.rows)


def rounded_up(length: int, *, multiple: int = 32) -> int:
    """Round a length up so that few distinct ones occur: to 8, 16, then multiples of 32."""
    for short in (8, 16):
        if length <= short < multiple:
            return short
    return -(-length // multiple) * multiple


def collate(sequences: Sequences, rows: Ints, *, rounded: bool = True) -> Batch:
    """Pad these rows to one batch; a sequence of no steps becomes one step of zeros (padding's id)."""
    taken = sequences.take(rows)
    lengths = np.array([max(1, len(sequence)) for sequence in taken], dtype=np.int64)
    longest = int(lengths.max())
    first = taken[0]
    kind = np.int64 if first.ndim == 1 else np.float32
    shape = (len(taken), rounded_up(longest) if rounded else longest, *first.shape[1:])
    inputs = np.zeros(shape, dtype=kind)
    for place, sequence in enumerate(taken):
        inputs[place, : len(sequence)] = sequence
    return Batch(rows, inputs, lengths)


def plan_epoch(lengths: Ints, *, budget: int, seed: int, epoch: int, window: int = WINDOW) -> list[Ints]:
    """Cut all rows into shuffled batches of at most `budget` padded steps (or one row, if longer).

    The same arguments give the same batches, so a training that stopped after k batches goes on at plan[k].

    Args:
        lengths: int64 (N,), the steps of every row.
        budget: padded steps that a batch may hold, B·T.
        seed: of the training.
        epoch: counted from 1; every epoch has another order.
        window: rows that are sorted by length together.

    Returns:
        int64 (B,) row numbers for every batch; each row stands in exactly one.
    """
    random = np.random.default_rng((seed, epoch))
    blocks = np.array_split(np.arange(len(lengths)), max(1, len(lengths) // BLOCK))
    order = np.concatenate([blocks[block] for block in random.permutation(len(blocks))])
    batches: list[Ints] = []
    for start in range(0, len(order), window):
        inside = order[start : start + window]
        random.shuffle(inside)  # rows of equal length meet in another company every epoch
        by_length = inside[np.argsort(lengths[inside], kind="stable")]
        cut = list(_cut(by_length, lengths, budget))
        batches += [cut[place] for place in random.permutation(len(cut))]
    return batches


def plan_in_order_of_length(lengths: Ints, *, budget: int) -> list[Ints]:
    """Cut all rows into batches of like length, for reading without training; nothing is shuffled."""
    return list(_cut(np.argsort(lengths, kind="stable"), lengths, budget))


def budget_for(lengths: Ints, batch_size: int) -> int:
    """Padded steps that a batch holds, so that sequences of average length come `batch_size` at a time."""
    padded = [rounded_up(max(1, length)) for length in lengths.tolist()]
    return round(float(np.mean(padded)) * batch_size)


def _cut(by_length: Ints, lengths: Ints, budget: int) -> Iterator[Ints]:
    """Cut rows in order of length so that each batch's padded size stays within the budget."""
    padded = np.array([rounded_up(max(1, int(length))) for length in lengths[by_length]])
    ends = [0]
    for place in range(len(by_length)):
        if (place - ends[-1] + 1) * padded[place] > budget and place > ends[-1]:
            ends.append(place)
    for start, end in pairwise([*ends, len(by_length)]):
        if end > start:
            yield by_length[start:end]


class InMemory:
    """Sequences that are already in memory."""

    def __init__(self, sequences: Sequence[NDArray[np.generic]]) -> None:
        self._sequences = sequences
        self._lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)

    @property
    def lengths(self) -> Ints:
        """Steps of every row, int64 (N,)."""
        return self._lengths

    def take(self, rows: Ints) -> list[NDArray[np.generic]]:
        """The sequences of these rows, in the order asked for."""
        return [self._sequences[row] for row in rows]
