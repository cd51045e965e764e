"""Find a hidden Markov model of symbols without any labels (Baum et al., 1970): expectation and maximisation.

The expected counts of an expectation step are the gradient of the log likelihood by the logarithms of the tables, which
the linear chain's backward pass gives (`nn/chain.py`).

Shapes: N sequences, T steps in the longest, S states, V symbols.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from bothways.decoding.hidden_states import HiddenStates
from bothways.errors import DataError, SettingsError
from bothways.nn.chain import Chain, log_partition

if TYPE_CHECKING:
    from collections.abc import Sequence

    Tables = tuple[Tensor, Tensor, Tensor]  # logs of start (S,), transitions (S,S), emissions (S,V)


@dataclass(frozen=True)
class Found:
    """The best of all restarts, and how its likelihood rose."""

    model: HiddenStates
    log_likelihoods: list[float]  # of all sequences together, nats, before each step and after the last


def baum_welch(
    sequences: Sequence[Sequence[str]],
    states: int,
    *,
    steps: int = 100,
    restarts: int = 5,
    tolerance: float = 1e-4,
    seed: int = 0,
) -> Found:
    """Find states behind sequences of symbols.

    Args:
        sequences: symbols.
        states: S.
        steps: most steps of a start; each makes the sequences likelier.
        restarts: random starts, of which the likeliest end is kept, for each ends at a peak of its own.
        tolerance: nats a symbol; a start ends when a step gains less.
        seed: start of all random numbers.

    Raises:
        SettingsError: a number below 1.
        DataError: no symbols.
    """
    for name, value in (("states", states), ("steps", steps), ("restarts", restarts)):
        if value < 1:
            raise SettingsError(f"{name} is {value}, but it must be at least 1.")
    kept = [sequence for sequence in sequences if len(sequence)]
    if not kept:
        raise DataError("There are no symbols to learn from. Give some.")
    symbols = sorted({symbol for sequence in kept for symbol in sequence})
    place = {symbol: number for number, symbol in enumerate(symbols)}
    lengths = torch.tensor([len(sequence) for sequence in kept])
    inputs = torch.zeros(len(kept), int(lengths.max()), dtype=torch.int64)
    for row, sequence in enumerate(kept):
        inputs[row, : len(sequence)] = torch.tensor([place[symbol] for symbol in sequence])
    random = np.random.default_rng(seed)
    ends = [
        _climb(_random_tables(states, len(symbols), random), inputs, lengths, steps, tolerance) for _ in range(restarts)
    ]
    tables, rising = max(ends, key=lambda end: end[1][-1])
    start, transitions, emissions = (table.exp().numpy() for table in tables)
    return Found(HiddenStates(symbols, start, transitions, emissions), rising)


def _random_tables(states: int, symbols: int, random: np.random.Generator) -> Tables:
    def rows(count: int, width: int) -> Tensor:
        return torch.from_numpy(np.log(random.dirichlet(np.full(width, 5.0), size=count)))

    return rows(1, states)[0], rows(states, states), rows(states, symbols)


def _climb(tables: Tables, inputs: Tensor, lengths: Tensor, steps: int, tolerance: float) -> tuple[Tables, list[float]]:
    """Go up from a start; the tables at the end, and the likelihoods on the way."""
    rising: list[float] = []
    for _ in range(steps):
        counts, before = expected_counts(tables, inputs, lengths)
        gained = before - rising[-1] if rising else float("inf")
        rising.append(before)
        if gained < tolerance * int(lengths.sum()):
            return tables, rising
        start, transitions, emissions = (_shares(part) for part in counts)
        tables = start, transitions, emissions
    return tables, [*rising, expected_counts(tables, inputs, lengths)[1]]


def expected_counts(tables: Tables, inputs: Tensor, lengths: Tensor) -> tuple[Tables, float]:
    """Give how often each entry of the tables is used on average under the model, and the log likelihood, nats.

    Args:
        tables: logs of probabilities, float64.
        inputs: symbols, int64 (N,T).
        lengths: int64 (N,).
    """
    start, transitions, emissions = (table.detach().requires_grad_() for table in tables)
    scores = emissions.T[inputs]
    likelihood = log_partition(scores, Chain(transitions, start, torch.zeros_like(start)), lengths).sum()
    first, pairs, seen = torch.autograd.grad(likelihood, (start, transitions, emissions))
    return (first, pairs, seen), likelihood.item()


def _shares(counts: Tensor) -> Tensor:
    """Logs of shares along the last dimension; of a row without counts all alike."""
    sums = counts.sum(dim=-1, keepdim=True)
    shares = torch.where(sums > 0, counts / sums.clamp(min=torch.finfo(sums.dtype).tiny), 1.0 / counts.shape[-1])
    return shares.log()
