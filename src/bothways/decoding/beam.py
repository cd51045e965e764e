"""Beam search: the most probable sequences that a model writes, for many inputs at once.

A step keeps the `size` best beginnings of each input. Of the candidates for the next step, all beginnings with all
tokens, those among the best `size` that end are finished; the search for an input is over when it has `size` finished
sequences, or at its longest. Finished sequences are compared by

    score = log P / ((5 + length) / 6)^length_penalty + coverage_penalty · sum over i of log min(1, c[i])

(Wu et al., 2016), where c[i] is the attention of all steps to step i of the input, steps without any (padding) left
out, and the length counts the end. Size 1 is greedy search. An input finds the same sequences alone as in company.

Shapes: B inputs, N beginnings that are alive, V tokens, S steps of the longest input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from bothways.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


class Step(NamedTuple):
    """What a model says of the next token."""

    log_probabilities: NDArray[np.floating]  # (N,V)
    state: Any
    attention: NDArray[np.floating] | None = None  # (N,S), to each step of the input


class Writer(Protocol):
    """A model that writes token by token."""

    def step(self, tokens: Ints, state: Any) -> Step:
        """Go on from the last token of each, (N,)."""

    def chosen(self, state: Any, rows: Ints) -> Any:
        """Give the state of some rows, which may come more than once."""


@dataclass(frozen=True)
class Written:
    """A finished sequence."""

    tokens: Ints  # (T,), without the start and the end
    score: float
    log_probability: float  # nats, of the tokens and the end
    attention: NDArray[np.floating] | None  # (T+1,S), also of the end's step


@dataclass(frozen=True)
class BeamSettings:
    """How to search."""

    size: int = 5
    length_penalty: float = 1.0
    coverage_penalty: float = 0.0

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            SettingsError: a size below 1, or a penalty below 0.
        """
        if self.size < 1:
            raise SettingsError(f"beam is {self.size}, but it must be at least 1; 1 is greedy search.")
        for name in ("length_penalty", "coverage_penalty"):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} is {getattr(self, name)}, but it must be at least 0.")


class _Place(NamedTuple):
    """A beginning in the history."""

    step: int
    row: int


def beam_search(
    model: Writer, state: Any, longest: Sequence[int], *, start: int, end: int, settings: BeamSettings | None = None
) -> list[list[Written]]:
    """Search for each input.

    Args:
        model: writes.
        state: before the first token, a row for each input.
        longest: the most tokens of each input's sequence, (B,), the end not counted.
        start: the token before the first one.
        end: the token that ends a sequence.
        settings: how to search; None takes the defaults.

    Returns:
        For each input its finished sequences, the best first, at most `size`.
    """
    settings = settings or BeamSettings()
    settings.check()
    search = _Search(model, settings, end, np.asarray(longest, dtype=np.int64))
    return search.run(state, start)


class _Search:
    """One search of a batch."""

    def __init__(self, model: Writer, settings: BeamSettings, end: int, longest: Ints) -> None:
        self._model, self._settings, self._end, self._longest = model, settings, end, longest
        self._found: list[list[Written]] = [[] for _ in longest]
        self._parents: list[Ints] = []
        self._tokens: list[Ints] = []
        self._attention: list[NDArray[np.floating] | None] = []

    def run(self, state: Any, start: int) -> list[list[Written]]:
        """Search to the end."""
        owners = np.arange(len(self._longest))
        last, sums = np.full(len(owners), start, dtype=np.int64), np.zeros(len(owners))
        step = 0
        while len(owners):
            said = self._model.step(last, state)
            self._attention.append(said.attention)
            totals = sums[:, None] + said.log_probabilities.astype(np.float64)
            rows, tokens, sums = self._extend(owners, totals, step)
            self._parents.append(rows)
            self._tokens.append(tokens)
            owners, last, state = owners[rows], tokens, self._model.chosen(said.state, rows)
            step += 1
        return [sorted(some, key=lambda one: -one.score)[: self._settings.size] for some in self._found]

    def _extend(self, owners: Ints, totals: Floats, step: int) -> tuple[Ints, Ints, Floats]:
        """Choose the beginnings of the next step: their rows now, their tokens, and their log probabilities."""
        size, width = self._settings.size, totals.shape[1]
        kept = min(width, 2 * size)
        best = np.argpartition(-totals, kept - 1, axis=1)[:, :kept]
        chosen: list[tuple[int, int]] = []
        starts = np.flatnonzero(np.r_[True, owners[1:] != owners[:-1]])
        for first, last in zip(starts, np.r_[starts[1:], len(owners)], strict=True):
            owner = int(owners[first])
            if step == self._longest[owner]:
                for row in range(first, last):
                    self._finish(owner, row, totals[row, self._end], step)
                continue
            flat = [(row, int(token)) for row in range(first, last) for token in best[row]]
            # Equal ones in the order of their rows and tokens, so that company changes nothing.
            flat.sort(key=lambda pair: (-totals[pair], pair))
            for rank, (row, token) in enumerate(flat):
                if totals[row, token] == -np.inf:
                    break
                if token == self._end and rank < size:
                    self._finish(owner, row, totals[row, token], step)
            alive = [pair for pair in flat if pair[1] != self._end and totals[pair] > -np.inf][:size]
            if len(self._found[owner]) < size:
                chosen += alive
        rows = np.array([row for row, _ in chosen], dtype=np.int64)
        tokens = np.array([token for _, token in chosen], dtype=np.int64)
        return rows, tokens, totals[rows, tokens]

    def _finish(self, owner: int, row: int, log_probability: float, step: int) -> None:
        """Keep a sequence that ends after a beginning."""
        if log_probability == -np.inf:
            return
        tokens, looks = [], [self._look(step, row)]
        place = _Place(step, row)
        while place.step:
            before = place.step - 1
            tokens.append(int(self._tokens[before][place.row]))
            place = _Place(before, int(self._parents[before][place.row]))
            looks.append(self._look(before, place.row))
        attention = None if looks[0] is None else np.stack([look for look in looks[::-1] if look is not None])
        score = log_probability / ((5 + step + 1) / 6) ** self._settings.length_penalty
        if attention is not None and self._settings.coverage_penalty:
            covered = np.minimum(1.0, attention.sum(axis=0))
            score += self._settings.coverage_penalty * float(np.log(covered[covered > 0]).sum())
        self._found[owner].append(
            Written(np.array(tokens[::-1], dtype=np.int64), float(score), float(log_probability), attention)
        )

    def _look(self, step: int, row: int) -> NDArray[np.floating] | None:
        attention = self._attention[step]
        return None if attention is None else attention[row]
