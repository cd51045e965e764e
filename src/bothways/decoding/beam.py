"""Beam search: the most probable sequences that a model writes, for many inputs at once.

A step keeps the `size` best beginnings of each input. Of the candidates for the next step, all beginnings with all
tokens, those among the best `size` that end are finished; the search for an input is over when it has `size` finished
sequences, or at its longest. Finished sequences are compared by

    score = log P / ((5 + length) / 6)^length_penalty + coverage_penalty · sum over i of log min(1, c[i])

(Wu et al., 2016), where c[i] is the attention of all steps to step i of the input, and the length counts the end. Size
1 is greedy search. An input finds the same sequences alone as in company.

Of every beginning a model gives its likeliest next tokens alone: `size + 1` of them always hold the best `size` that do
not end.

Shapes: B inputs that are searched for, W beginnings of each, C candidates of each beginning, V tokens, S steps of the
longest input. A place among the W where no beginning is has the log probability -inf.
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


LEAST_LOOK = 1e-9  # attention to a step that none fell on: its logarithm is a number


class Step(NamedTuple):
    """What a model says of the next token."""

    log_probabilities: NDArray[np.floating]  # (B,W,C), of the likeliest tokens, the likeliest first
    tokens: Ints  # (B,W,C), which these are
    end: NDArray[np.floating]  # (B,W), log probability of the end
    state: Any
    attention: NDArray[np.floating] | None = None  # (B,W,S), to each step of the input


class Writer(Protocol):
    """A model that writes token by token."""

    def step(self, tokens: Ints, state: Any, count: int) -> Step:
        """Go on from the last token of each beginning, (B,W), and give `count` candidates of each; all V if fewer."""

    def chosen(self, state: Any, inputs: Ints, rows: Ints) -> Any:
        """Give the state of some inputs, (B',), and of each of them some beginnings, (B',W'); these may repeat."""


def likeliest(log_probabilities: NDArray[np.floating], count: int) -> tuple[NDArray[np.floating], Ints]:
    """Give the `count` likeliest tokens of (...,V), the likeliest first, equal ones in their order: (...,C) twice."""
    count = min(count, log_probabilities.shape[-1])
    tokens = np.argsort(-log_probabilities, axis=-1, kind="stable")[..., :count]
    return np.take_along_axis(log_probabilities, tokens, axis=-1), tokens


@dataclass(frozen=True)
class Written:
    """A finished sequence."""

    tokens: Ints  # (T,), without the start and the end
    score: float
    log_probability: float  # nats, of the tokens and the end
    attention: NDArray[np.floating] | None  # (T+1,S), also of the end's step; None: the model has none, or none is kept


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


def beam_search(
    model: Writer,
    state: Any,
    longest: Sequence[int],
    *,
    start: int,
    end: int,
    settings: BeamSettings | None = None,
    steps: Sequence[int] | NDArray[np.int64] | None = None,
    keep_attention: bool = True,
) -> list[list[Written]]:
    """Search for each input.

    Args:
        model: writes.
        state: before the first token, of one beginning for each input.
        longest: the most tokens of each input's sequence, (B,), the end not counted.
        start: the token before the first one.
        end: the token that ends a sequence.
        settings: how to search; None takes the defaults.
        steps: of each input, (B,), which the coverage penalty asks for; what attention has behind them is padding.
            None: all S.
        keep_attention: whether what was looked at is given; without, nothing of (T,B,W,S) lies in memory, unless the
            coverage penalty needs it.

    Returns:
        For each input its finished sequences, the best first, at most `size`.
    """
    settings = settings or BeamSettings()
    settings.check()
    search = _Search(model, settings, end, np.asarray(longest, dtype=np.int64), steps, keep_attention)
    return search.run(state, start)


class _Search:
    """One search of a batch."""

    def __init__(
        self,
        model: Writer,
        settings: BeamSettings,
        end: int,
        longest: Ints,
        steps: Sequence[int] | NDArray[np.int64] | None,
        keep_attention: bool,
    ) -> None:
        self._model, self._settings, self._end, self._longest = model, settings, end, longest
        self._steps = steps
        self._keeps = keep_attention or settings.coverage_penalty > 0
        self._found: list[list[Written]] = [[] for _ in longest]
        # Of each step: where an input stands in its batch; each beginning's last token, and what it goes on from.
        self._places: list[Ints] = []
        self._tokens: list[Ints] = []
        self._parents: list[Ints] = []
        self._attention: list[NDArray[np.floating] | None] = []

    def run(self, state: Any, start: int) -> list[list[Written]]:
        """Search to the end."""
        size = self._settings.size
        owners = np.arange(len(self._longest))
        last, sums = np.full((len(owners), 1), start, dtype=np.int64), np.zeros((len(owners), 1))
        step = 0
        while len(owners):
            said = self._model.step(last, state, size + 1)
            places = np.full(len(self._longest), -1)
            places[owners] = np.arange(len(owners))
            self._places.append(places)
            self._attention.append(said.attention if self._keeps else None)
            self._finish_longest(owners, sums + said.end.astype(np.float64), step)
            totals = sums[..., None] + said.log_probabilities.astype(np.float64)
            rows, tokens, sums = self._extend(owners, totals, said.tokens, step)
            self._parents.append(rows)
            self._tokens.append(tokens)
            open_ = (
                (self._longest[owners] > step)
                & (sums > -np.inf).any(axis=1)
                & np.array([len(self._found[owner]) < size for owner in owners], dtype=bool)
            )
            kept = np.flatnonzero(open_)
            state = self._model.chosen(said.state, kept, rows[kept])
            owners, last, sums = owners[kept], tokens[kept], sums[kept]
            step += 1
        return [sorted(some, key=lambda one: -one.score)[:size] for some in self._found]

    def _extend(self, owners: Ints, totals: Floats, tokens: Ints, step: int) -> tuple[Ints, Ints, Floats]:
        """Choose the beginnings of the next step: their rows now, their tokens, their log probabilities, (B,size)."""
        size, candidates = self._settings.size, totals.shape[2]
        flat, which = totals.reshape(len(totals), -1), tokens.reshape(len(tokens), -1)
        # Equal ones in the order of their rows and tokens, so that company changes nothing.
        order = np.argsort(-flat, axis=1, kind="stable")
        ranked, written = np.take_along_axis(flat, order, axis=1), np.take_along_axis(which, order, axis=1)
        ends = written == self._end
        for place, rank in np.argwhere(ends[:, :size] & (ranked[:, :size] > -np.inf)):
            if step < self._longest[owners[place]]:
                self._finish(owners[place], order[place, rank] // candidates, ranked[place, rank], step)
        # The best that do not end, in order; where there are too few, a place stays without a beginning.
        ranked = np.where(ends, -np.inf, ranked)
        best = np.argsort(-ranked, axis=1, kind="stable")[:, :size]
        rows, written, ranked = (
            np.take_along_axis(part, best, axis=1) for part in (order // candidates, written, ranked)
        )
        return rows, written, ranked

    def _finish_longest(self, owners: Ints, ended: Floats, step: int) -> None:
        """End all beginnings of inputs whose sequences are as long as they may be."""
        for place in np.flatnonzero(self._longest[owners] == step):
            for row, log_probability in enumerate(ended[place]):
                if log_probability > -np.inf:
                    self._finish(owners[place], row, log_probability, step)

    def _finish(self, owner: int, row: int, log_probability: float, step: int) -> None:
        """Keep a sequence that ends after a beginning."""
        tokens, rows = [], [row]
        for before in range(step - 1, -1, -1):
            place = self._places[before][owner]
            tokens.append(int(self._tokens[before][place, rows[-1]]))
            rows.append(self._parents[before][place, rows[-1]])
        attention = self._looked(owner, rows[::-1])
        score = log_probability / ((5 + step + 1) / 6) ** self._settings.length_penalty
        if attention is not None and self._settings.coverage_penalty:
            covered = attention.sum(axis=0)[: None if self._steps is None else self._steps[owner]]
            score += self._settings.coverage_penalty * float(np.log(np.clip(covered, LEAST_LOOK, 1.0)).sum())
        self._found[owner].append(
            Written(np.array(tokens[::-1], dtype=np.int64), float(score), float(log_probability), attention)
        )

    def _looked(self, owner: int, rows: Sequence[int]) -> NDArray[np.floating] | None:
        """The attention of a sequence, (T+1,S), from the row that it had at each step."""
        looks = [
            attention[places[owner], row]
            for attention, places, row in zip(self._attention, self._places, rows, strict=True)
            if attention is not None
        ]
        return np.stack(looks) if looks else None
