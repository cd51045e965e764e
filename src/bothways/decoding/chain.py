"""The linear chain, for using: the best paths, the chance of each label, paths drawn at random; in NumPy.

What the scores mean, and how they are trained, stands in `nn/chain.py`. All scores are logarithms up to a constant;
-inf forbids. Sequences of like length are worked on together: a step costs one operation over the batch.

Shapes: B sequences, T steps in the longest, K labels, N paths.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Ints = NDArray[np.int64]

PAIRS_AT_ONCE = 1 << 18  # numbers of one operation, B·K·K: what stays near the processor


class Path(NamedTuple):
    """A path through one sequence."""

    labels: Ints  # (T,)
    score: float


class Readings(NamedTuple):
    """What both readings found of some sequences, as logarithms, float64; what stands on padding means nothing."""

    rows: Ints  # (N,), the places of the sequences in their batch
    before: Floats  # (N,T,K), sum over all beginnings that end at a label, its own emission counted
    behind: Floats  # (N,T,K), sum over all ends that begin behind a label, its own emission not counted
    partition: Floats  # (N,), sum over all paths


@dataclass(frozen=True)
class LinearChain:
    """The scores that do not hang on the input."""

    transitions: Floats  # (K,K): from the row's label to the column's
    start: Floats  # (K,)
    end: Floats  # (K,)

    def best(self, emissions: Floats, lengths: Ints) -> tuple[Ints, Floats]:
        """Find the best path of each sequence (Viterbi, 1967).

        Args:
            emissions: float (B,T,K); what stands on padding is not read.
            lengths: int64 (B,), from 1 to T.

        Returns:
            labels, int64 (B,T), 0 on padding; the paths' scores, (B,). Of equal paths the one with the lower last label
            that differs.
        """
        labels = np.zeros(emissions.shape[:2], dtype=np.int64)
        scores = np.zeros(len(emissions), dtype=np.result_type(emissions, self.transitions))
        into = np.ascontiguousarray(self.transitions.T)  # rows: where to
        for rows, alive in self._together(lengths):
            # Sequences stand last, so that one operation runs over all of them and no label costs a loop of its own.
            some = np.ascontiguousarray(emissions[rows, : len(alive)].transpose(1, 2, 0))  # (T,K,B)
            reached = np.empty(some.shape, scores.dtype)
            reached[0] = some[0] + self.start[:, None]
            for step, count in enumerate(alive[1:], start=1):
                ways = reached[step - 1, :, None, :count] + self.transitions[:, :, None]  # (K,K,B)
                reached[step, :, :count] = ways.max(axis=0) + some[step, :, :count]
            final = reached[lengths[rows] - 1, :, np.arange(len(rows))] + self.end
            here = final.argmax(axis=1)
            scores[rows] = final[np.arange(len(rows)), here]
            for step in range(len(alive) - 1, -1, -1):
                longer = alive[step + 1] if step + 1 < len(alive) else 0
                # Where the best path came from is asked of its own labels alone, which is K times less to look at.
                here[:longer] = (reached[step, :, :longer].T + into[here[:longer]]).argmax(axis=1)
                labels[rows[: alive[step]], step] = here[: alive[step]]
        return labels, scores

    def marginals(self, emissions: Floats, lengths: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the probability of each label at each step, (B,T,K), zero on padding, and the log partition, (B,).

        The forward-backward algorithm (Baum et al., 1970), in float64. Where no path is possible, all are 0.
        """
        found = np.zeros(emissions.shape)
        partition = np.zeros(len(emissions))
        for rows, before, behind, total in self.readings(emissions, lengths):
            with np.errstate(invalid="ignore"):
                chances = np.exp(before + behind - total[:, None, None])
            real = np.arange(emissions.shape[1]) < lengths[rows][:, None]
            found[rows] = np.where(real[..., None], np.nan_to_num(chances), 0.0)
            partition[rows] = total
        return found, partition

    def readings(self, emissions: Floats, lengths: Ints) -> Iterator[Readings]:
        """Read sequences, float (B,T,K), from both sides, those of like length together."""
        for rows, alive in self._together(lengths):
            some = emissions[rows].astype(np.float64)
            before = self._forward(some, alive)
            last = before[np.arange(len(rows)), lengths[rows] - 1] + self.end
            yield Readings(rows, before, self._backward(some, alive, lengths[rows]), log_sum(last))

    def onward(self, reached: Floats) -> Floats:
        """Go from sums over all paths to each label, as logarithms, (K,), to those one step on, no emission counted."""
        found: Floats = _step(reached[None], self._weights)[0]
        return found

    def from_both_sides(self, emissions: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give both readings of one sequence, float (T,K), as the forward-backward algorithm joins them.

        Returns:
            float64 (T,K), the log of the sum over all beginnings that end in a label, its own emission counted; and
            the log of the sum over all ends that begin behind it, its emission not counted. Their sum at any step is
            the log of the label's probability, but for the log partition.
        """
        (read,) = self.readings(emissions[None], np.array([len(emissions)]))
        return read.before[0], read.behind[0]

    def score(self, emissions: Floats, labels: Ints) -> float:
        """Give the score of one path: float (T,K) and int64 (T,)."""
        between = self.transitions[labels[:-1], labels[1:]].sum()
        steps = emissions[np.arange(len(labels)), labels].sum()
        return float(self.start[labels[0]] + steps + between + self.end[labels[-1]])

    def k_best(self, emissions: Floats, count: int) -> list[Path]:
        """Find the best paths of one sequence, float (T,K), best first; fewer than `count` where fewer are possible."""
        labels = emissions.shape[1]
        reached = (self.start + emissions[0])[:, None]  # (K,N): the N best paths to each label
        came: list[Ints] = []  # (K,N): the place of the path before among the (K·N)
        for step in emissions[1:]:
            ways = (reached[:, :, None] + self.transitions[:, None, :]).reshape(-1, labels)  # (K·N,K)
            ranked = np.argsort(-ways, axis=0, kind="stable")[:count]
            came.append(ranked.T)
            reached = np.take_along_axis(ways, ranked, axis=0).T + step[:, None]
        final = (reached + self.end[:, None]).ravel()
        paths = []
        for place in np.argsort(-final, kind="stable")[:count]:
            if final[place] == -np.inf:
                break
            paths.append(Path(self._trace(int(place), came, reached.shape[1]), float(final[place])))
        return paths

    def sample(self, emissions: Floats, count: int, random: np.random.Generator) -> Ints:
        """Draw paths of one sequence, float (T,K), by their probability: int64 (N,T)."""
        steps = len(emissions)
        before = self._forward(emissions[None].astype(np.float64), np.ones(steps, dtype=np.int64))[0]
        found = np.zeros((count, steps), dtype=np.int64)
        found[:, -1] = _draw(np.repeat((before[-1] + self.end)[None], count, axis=0), random)
        for step in range(steps - 2, -1, -1):
            found[:, step] = _draw(before[step] + self.transitions.T[found[:, step + 1]], random)
        return found

    def _forward(self, emissions: Floats, alive: Ints) -> Floats:
        """Log of the sum over all beginnings that end at a label, its own emission counted: (B,T,K)."""
        found = np.full(emissions.shape, -np.inf)
        found[:, 0] = self.start + emissions[:, 0]
        for step, count in enumerate(alive[1:], start=1):
            found[:count, step] = _step(found[:count, step - 1], self._weights) + emissions[:count, step]
        return found

    def _backward(self, emissions: Floats, alive: Ints, lengths: Ints) -> Floats:
        """Log of the sum over all ends that begin behind a label, its own emission not counted: (B,T,K)."""
        weights = self._weights.T
        found = np.full(emissions.shape, -np.inf)
        found[np.arange(len(lengths)), lengths - 1] = self.end
        for step in range(len(alive) - 2, -1, -1):
            count = alive[step + 1]
            found[:count, step] = _step(found[:count, step + 1] + emissions[:count, step + 1], weights)
        return found

    @cached_property
    def _weights(self) -> NDArray[np.float64]:
        return np.exp(self.transitions.astype(np.float64))

    def _together(self, lengths: Ints) -> Iterator[tuple[Ints, Ints]]:
        """Rows that are worked on together, the longest first, and how many of them reach each step."""
        size = max(1, PAIRS_AT_ONCE // len(self.start) ** 2)
        order = np.argsort(-lengths, kind="stable")
        for first in range(0, len(order), size):
            rows = order[first : first + size]
            yield rows, (lengths[rows][:, None] > np.arange(lengths[rows[0]])).sum(axis=0)

    def _trace(self, place: int, came: list[Ints], ranks: int) -> Ints:
        """Follow a path back from a place among the (K·N) best at the last step."""
        found = np.zeros(len(came) + 1, dtype=np.int64)
        for step in range(len(came), 0, -1):
            label, rank = divmod(place, ranks)
            found[step] = label
            place = int(came[step - 1][label, rank])
            ranks = came[step - 2].shape[1] if step > 1 else 1
        found[0] = place // ranks
        return found


def log_sum(scores: Floats) -> Floats:
    """Give the log of the sum of exp over the last dimension; -inf where all are."""
    high = np.maximum(scores.max(axis=-1, keepdims=True), np.finfo(np.float64).min)
    with np.errstate(divide="ignore"):
        found: Floats = np.log(np.exp(scores - high).sum(axis=-1)) + high[..., 0]
    return found


def _step(scores: Floats, weights: Floats) -> Floats:
    """log(exp(scores) W), float64 (B,K) and (K,K) -> (B,K)."""
    high = np.maximum(scores.max(axis=1, keepdims=True), np.finfo(np.float64).min)
    with np.errstate(divide="ignore"):
        found: Floats = np.log(np.exp(scores - high) @ weights) + high
    return found


def _draw(scores: Floats, random: np.random.Generator) -> Ints:
    """Draw a label for each row of scores, (N,K) -> (N,): the highest score with Gumbel noise."""
    found: Ints = (scores + random.gumbel(size=scores.shape)).argmax(axis=1)
    return found
