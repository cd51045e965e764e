"""A hidden Markov model whose states nobody named: sequences of symbols, and tables that a person can read.

    P(x, s) = start[s[1]] emissions[s[1], x[1]] · product over t > 1 of transitions[s[t-1], s[t]] emissions[s[t], x[t]]

It is found by `training/baum_welch.py`. Symbols that training never had are equally likely in all states.

Shapes: N sequences, T steps, S states, V symbols.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bothways.decoding.chain import LinearChain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True)
class HiddenStates:
    """The model's tables, as probabilities."""

    symbols: list[str]  # V
    start: Floats  # (S,)
    transitions: Floats  # (S,S): from the row's state to the column's
    emissions: Floats  # (S,V)

    def predict(self, sequences: Sequence[Sequence[str]]) -> list[Ints]:
        """Find the likeliest sequence of states of each sequence of symbols, int64 (T,) (Viterbi)."""
        found = [np.zeros(0, dtype=np.int64) for _ in sequences]
        rows, emissions, lengths = self._scores(sequences)
        for row, path, length in zip(rows, self._chain.best(emissions, lengths)[0], lengths, strict=True):
            found[row] = path[:length]
        return found

    def marginals(self, sequences: Sequence[Sequence[str]]) -> list[Floats]:
        """Give the probability of each state at each step, float64 (T,S) (forward-backward)."""
        found = [np.zeros((0, len(self.start))) for _ in sequences]
        rows, emissions, lengths = self._scores(sequences)
        for row, chances, length in zip(rows, self._chain.marginals(emissions, lengths)[0], lengths, strict=True):
            found[row] = chances[:length]
        return found

    def log_likelihood(self, sequences: Sequence[Sequence[str]]) -> Floats:
        """Give the log probability of each sequence, float64 (N,), nats; symbols never seen count as certain."""
        found = np.zeros(len(sequences))
        rows, emissions, lengths = self._scores(sequences)
        found[rows] = self._chain.marginals(emissions, lengths)[1]
        return found

    def sample(self, length: int, random: np.random.Generator) -> tuple[list[str], Ints]:
        """Draw a sequence of symbols and the states behind it, int64 (T,)."""
        states = np.zeros(length, dtype=np.int64)
        symbols = []
        for step in range(length):
            chances = self.start if step == 0 else self.transitions[states[step - 1]]
            states[step] = random.choice(len(self.start), p=chances)
            symbols.append(self.symbols[random.choice(len(self.symbols), p=self.emissions[states[step]])])
        return symbols, states

    def table(self, most: int = 8) -> str:
        """Write the tables for a person to read: how states follow each other, and each one's likeliest symbols."""
        names = [f"state {state}" for state in range(len(self.start))]
        width = max(map(len, names))
        lines = [" " * width + "  start  " + "  ".join(f"to {state:<4}" for state in range(len(names)))]
        for state, name in enumerate(names):
            ways = "  ".join(f"{chance:7.3f}" for chance in self.transitions[state])
            lines.append(f"{name:<{width}}  {self.start[state]:5.3f}  {ways}")
        for state, name in enumerate(names):
            likeliest = np.argsort(-self.emissions[state], kind="stable")[:most]
            said = ", ".join(f"{self.symbols[place]} {self.emissions[state, place]:.3f}" for place in likeliest)
            lines.append(f"{name:<{width}}  {said}")
        return "\n".join(lines)

    @cached_property
    def _chain(self) -> LinearChain:
        with np.errstate(divide="ignore"):
            return LinearChain(np.log(self.transitions), np.log(self.start), np.zeros(len(self.start)))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {symbol: place for place, symbol in enumerate(self.symbols)}

    def _scores(self, sequences: Sequence[Sequence[str]]) -> tuple[Ints, Floats, Ints]:
        """Which sequences hold anything, (N,), log P(symbol | state) of each of their steps, (N,T,S), and lengths."""
        lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        rows = np.flatnonzero(lengths)
        lengths = lengths[rows]
        with np.errstate(divide="ignore"):
            scores = np.log(np.concatenate([self.emissions.T, np.ones((1, len(self.start)))]))
        found = np.zeros((len(rows), int(lengths.max(initial=1)), len(self.start)))
        for place, row in enumerate(rows.tolist()):
            found[place, : lengths[place]] = scores[[self._places.get(symbol, -1) for symbol in sequences[row]]]
        return rows, found, lengths
