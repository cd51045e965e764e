"""How a whole comparison goes, in the terminal: which network trains, how far all are, how much time is left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bothways.training.progress import TerminalBar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bothways.lab.entries import Entry, Result


class GridProgress(TerminalBar):
    """One bar for all networks, with the time left, and a line for each that is done."""

    def __init__(self) -> None:
        super().__init__()
        self._total = self._done = self._before = 0
        self._began = 0.0
        self._last = ""

    def began(self, entries: Sequence[Entry], done: int) -> None:
        """Start the bar."""
        self._total, self._done, self._before = len(entries), done, done
        self._began = time.monotonic()
        if done:
            self.print(f"{done} of {len(entries)} networks are there already")
        self.show("comparing", total=len(entries), done=done)

    def moved(self, entry: Entry, share: float) -> None:
        """Move the bar."""
        reached = self._done + share
        left = time_left(time.monotonic() - self._began, reached - self._before, self._total - reached)
        self.move(
            f"{entry.name}, {self._done + 1} of {self._total}{self._last}",
            done=reached,
            beside="" if left is None else f"{spell_time(left)} left",
        )

    def scored(self, entry: Entry, row: dict[str, float]) -> None:
        """Show an epoch's score in the bar."""
        name = next((name for name in ("accuracy", "mse", "loss") if name in row), None)
        self._last = "" if name is None else f", epoch {row['epoch']:.0f}: {name} {row[name]:.4f}"

    def entered(self, result: Result) -> None:
        """Print a line of a network that is done, or failed."""
        self._done += 1
        self._last = ""
        if result.failed is not None:
            self.print(f"{result.entry.name}  failed: {result.failed}")
            return
        self.print(
            f"{result.entry.name}  {result.score:.4f}  epoch {result.best_epoch}  {result.seconds:.0f} s  "
            f"{result.steps_per_second:,.0f} steps/s"
        )


def time_left(elapsed: float, reached: float, remaining: float) -> float | None:
    """Seconds until all is done, at the mean pace so far; None while too little is done to say.

    Args:
        elapsed: seconds since the first network of this session began.
        reached: networks done since then, with the share of the one under way.
        remaining: networks that are left, likewise.
    """
    return None if reached < 0.05 else elapsed * remaining / reached


def spell_time(seconds: float) -> str:
    """Say a time as people do: 45 s, 12 min, 2 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
