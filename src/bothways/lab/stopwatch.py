"""How fast a training is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bothways.training.listening import Listener


class Stopwatch:
    """Measure a training in this process, and pass on what it hears.

    Attributes:
        steps: all that training read.
        elapsed: seconds of the whole training, validation included; 0 until it has ended.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.steps, self.elapsed = 0, 0.0
        self._began = 0.0
        self._last: float | None = None
        self._timed, self._seconds = 0, 0.0  # steps and seconds of training alone

    @property
    def rate(self) -> float:
        """Steps a second of training alone, 0 if no batch was timed."""
        return self._timed / self._seconds if self._seconds else 0.0

    def started(self, *, epochs: int, done: int) -> None:
        """Begin."""
        self._began = time.monotonic()
        self._listener.started(epochs=epochs, done=done)

    def stepped(self, *, epoch: int, batch: int, batches: int, steps: int) -> None:
        """Count; time all but the first batch of the process, in which loops are compiled."""
        now = time.monotonic()
        self.steps += steps
        if self._last is not None:
            self._timed += steps
            self._seconds += now - self._last
        self._listener.stepped(epoch=epoch, batch=batch, batches=batches, steps=steps)
        self._last = time.monotonic()

    def epoch_ended(self, row: dict[str, float], *, best: bool) -> None:
        """Leave the time that scoring took out of the rate."""
        self._listener.epoch_ended(row, best=best)
        self._last = time.monotonic()

    def ended(self) -> None:
        """Stop."""
        self.elapsed = time.monotonic() - self._began
        self._listener.ended()
