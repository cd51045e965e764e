"""Generated sequences on which memory is measured: what must be known for the answer stands far from its end.

    first-token   the first of T symbols is the answer; those behind it are others, drawn at random
    adding        two of T numbers are marked, one in each half; the answer is their sum (Hochreiter and Schmidhuber,
                  1997, as in Bai et al., 2018)
    copy          ten symbols are to be given back, in order, after T blanks (Arjovsky et al., 2016)

Shapes: N sequences, T steps, F numbers a step, M steps of an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from bothways.errors import SettingsError, check_choice

if TYPE_CHECKING:
    from numpy.typing import NDArray

ProblemName = Literal["first-token", "adding", "copy"]

SYMBOLS = 8  # that an answer is chosen from
COPIED = 10  # symbols to give back


@dataclass(frozen=True)
class Problem:
    """Sequences of one length and their answers."""

    inputs: NDArray[np.float32]  # (N,T,F), symbols one-hot
    answers: NDArray[np.int64] | NDArray[np.float32]  # (N,) symbols or sums; of copy (N,M) symbols, at the last M steps
    trivial: float  # what no memory reaches: accuracy, or of adding the mean squared error of saying 1

    @property
    def symbols(self) -> int | None:
        """How many answers there are; None: a number is asked for."""
        return None if self.answers.dtype == np.float32 else SYMBOLS


def make_problem(name: ProblemName, *, length: int, rows: int, seed: int | tuple[int, ...]) -> Problem:
    """Draw sequences.

    Args:
        name: which problem.
        length: T; of copy the blanks between what is shown and what is asked for.
        rows: N.
        seed: a number, or several, such as those of a training, an epoch and a batch; the same arguments give the same
            sequences.

    Raises:
        SettingsError: an unknown problem, a length below 2, or no rows.
    """
    check_choice("problem", name, get_args(ProblemName))
    for what, value, least in (("length", length, 2), ("rows", rows, 1)):
        if value < least:
            raise SettingsError(f"{what} is {value}, but it must be at least {least}.")
    seeds = seed if isinstance(seed, tuple) else (seed,)
    draw = np.random.default_rng((*seeds, length, get_args(ProblemName).index(name)))
    return {"first-token": _first_token, "adding": _adding, "copy": _copy}[name](draw, length, rows)


def _first_token(draw: np.random.Generator, length: int, rows: int) -> Problem:
    """The symbols that may be asked for never stand behind the first place."""
    answers = draw.integers(0, SYMBOLS, size=rows)
    ids = draw.integers(SYMBOLS, 2 * SYMBOLS, size=(rows, length))
    ids[:, 0] = answers
    return Problem(_one_hot(ids, 2 * SYMBOLS), answers, 1 / SYMBOLS)


def _adding(draw: np.random.Generator, length: int, rows: int) -> Problem:
    numbers = draw.random((rows, length), dtype=np.float32)
    marks = np.zeros((rows, length), np.float32)
    half = length // 2
    row = np.arange(rows)
    places = (draw.integers(0, half, size=rows), draw.integers(half, length, size=rows))
    for some in places:
        marks[row, some] = 1.0
    sums: NDArray[np.float32] = (numbers * marks).sum(axis=1)
    return Problem(np.stack([numbers, marks], axis=2), sums, 1 / 6)  # the variance of the sum of two


def _copy(draw: np.random.Generator, length: int, rows: int) -> Problem:
    answers = draw.integers(0, SYMBOLS, size=(rows, COPIED))
    blank, now = SYMBOLS, SYMBOLS + 1
    ids = np.full((rows, length + 2 * COPIED), blank)
    ids[:, :COPIED] = answers
    ids[:, length + COPIED - 1] = now  # from the next step on the answer is asked for
    return Problem(_one_hot(ids, SYMBOLS + 2), answers, 1 / SYMBOLS)


def _one_hot(ids: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """Turn symbols (N,T) into (N,T,count)."""
    return np.eye(count, dtype=np.float32)[ids]
