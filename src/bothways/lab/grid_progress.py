"""How a whole comparison goes, in the terminal: which network trains, how far all are, how much time is left."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bothways.lab.entries import Entry, Result


class GridProgress:
    """One bar for all networks, with the time left, and a line for each that is done, on standard error."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._console = Console(stderr=True, file=sys.stderr)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: Any = None
        self._total = self._done = self._before = 0
        self._began = 0.0
        self._last = ""

    def began(self, entries: Sequence[Entry], done: int) -> None:
        """Start the bar."""
        self._total, self._done, self._before = len(entries), done, done
        self._began = time.monotonic()
        if done:
            self._print(f"{done} of {len(entries)} networks are there already")
        self._bar.start()
        self._task = self._bar.add_task("comparing", total=float(len(entries)), completed=done, left="")

    def moved(self, entry: Entry, share: float) -> None:
        """Move the bar."""
        reached = self._done + share
        left = time_left(time.monotonic() - self._began, reached - self._before, self._total - reached)
        self._bar.update(
            self._task,
            completed=reached,
            description=f"{entry.name}, {self._done + 1} of {self._total}{self._last}",
            left="" if left is None else f"{spell_time(left)} left",
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
            self._print(f"{result.entry.name}  failed: {result.failed}")
            return
        self._print(
            f"{result.entry.name}  {result.score:.4f}  epoch {result.best_epoch}  {result.seconds:.0f} s  "
            f"{result.steps_per_second:,.0f} steps/s"
        )

    def ended(self) -> None:
        """Take the bar away."""
        if self._task is not None:
            self._bar.stop()
            self._bar.remove_task(self._task)
            self._task = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended()

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


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
