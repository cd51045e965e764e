"""Who hears how a training goes: the terminal or the notebook, and TensorBoard."""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from bothways.errors import OutputError, missing_extra
from bothways.training.listening import Silence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.progress import ProgressColumn

    from bothways.training.listening import Listener


logger = logging.getLogger(__name__)


class TerminalBar:
    """A bar with lines above it, on standard error or in a notebook; where there is neither, the lines alone."""

    def __init__(self, *columns: ProgressColumn) -> None:
        """Make it; more columns stand at its end."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._console = Console(stderr=True, file=None if _in_notebook() else sys.stderr)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[beside]}"),
            *columns,
            console=self._console,
            transient=True,
            disable=not (self._console.is_terminal or self._console.is_jupyter),
        )
        self._task: Any = None

    def show(self, name: str, *, total: int, done: int) -> None:
        """Start the bar."""
        self._bar.start()
        self._task = self._bar.add_task(name, total=float(total), completed=done, beside="")

    def move(self, name: str, *, done: float, beside: str) -> None:
        """Move the bar, between two texts."""
        self._bar.update(self._task, description=name, completed=done, beside=beside)

    def print(self, line: str) -> None:
        """Print a line above the bar."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

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


class TerminalProgress(TerminalBar):
    """A progress bar with tokens a second and time left, and a line for each epoch.

    It may hear several trainings in turn, as of seeds and a refit: each has a bar of its own.
    """

    def __init__(self, unit: str = "tokens") -> None:
        from rich.progress import TimeRemainingColumn

        super().__init__(TimeRemainingColumn(elapsed_when_finished=True))
        self._unit = unit
        self._epochs = 0
        self._steps = 0
        self._began = 0.0

    def started(self, *, epochs: int, done: int) -> None:
        """Start the bar."""
        self.ended()
        self.show("training", total=epochs, done=done)
        self._epochs, self._steps, self._began = epochs, 0, time.monotonic()

    def stepped(self, *, epoch: int, batch: int, batches: int, steps: int) -> None:
        """Move the bar."""
        self._steps += steps
        rate = self._steps / max(1e-9, time.monotonic() - self._began)
        self.move(
            f"epoch {epoch} of {self._epochs}", done=epoch - 1 + batch / batches, beside=f"{rate:,.0f} {self._unit}/s"
        )

    def epoch_ended(self, row: dict[str, float], *, best: bool) -> None:
        """Print a line with the epoch's scores."""
        rate = self._steps / max(1e-9, time.monotonic() - self._began)
        parts = [f"epoch {row['epoch']:>2}"]
        parts += [
            f"{name.replace('_', ' ')} {row[name]:.4f}"
            for name in (
                "train_loss",
                "loss",
                "accuracy",
                "macro_f1",
                "f1",
                "intent_accuracy",
                "sentence",
                "bleu",
                "exact",
            )
            if name in row
        ]
        mark = "  best so far" if best and "loss" in row else ""
        self.print("  ".join(parts) + f"  {rate:,.0f} {self._unit}/s{mark}")
        self._steps, self._began = 0, time.monotonic()


class TensorBoardLog(Silence):
    """Write the scores of every epoch for TensorBoard; the folder is made when the first training starts."""

    def __init__(self, folder: Path, *, several: bool = False) -> None:
        """Name the folder.

        Args:
            folder: of the log.
            several: whether trainings follow one another, as of seeds and a refit; each then has a folder of its own,
                attempt-1, attempt-2 and so on.

        Raises:
            MissingExtraError: tensorboard is not installed.
            OutputError: the folder cannot be made there.
        """
        try:
            import torch.utils.tensorboard  # noqa: F401  only to know whether it is there
        except ImportError as error:
            raise missing_extra("tensorboard", "all", "A TensorBoard log") from error
        self._folder = folder
        self._several = several
        self._attempts = 0
        self._writer: Any = None
        existing = next(place for place in (folder, *folder.absolute().parents) if os.path.exists(place))
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            raise self._refusal(f"{existing} is not a folder that you may write to")

    def started(self, *, epochs: int, done: int) -> None:
        """Make the folder of this training.

        Raises:
            OutputError: the first cannot be made.
        """
        from torch.utils.tensorboard import SummaryWriter

        self._attempts += 1
        folder = self._folder / f"attempt-{self._attempts}" if self._several else self._folder
        try:
            self._writer = SummaryWriter(str(folder))
        except OSError as error:
            if self._attempts == 1:
                raise self._refusal(error.strerror or str(error)) from error
            logger.warning("%s cannot be written (%s). Training goes on without a log.", folder, error)

    def epoch_ended(self, row: dict[str, float], *, best: bool) -> None:
        """Write one point for each score."""
        with self._or_none():
            for name, value in row.items():
                if name != "epoch" and self._writer is not None:
                    self._writer.add_scalar(name, value, int(row["epoch"]))

    def ended(self) -> None:
        """Write what is still in memory."""
        if self._writer is not None:
            with self._or_none():
                self._writer.close()
            self._writer = None

    @contextmanager
    def _or_none(self) -> Iterator[None]:
        """Go on without a log where it cannot be written: a full disk does not stop the training."""
        try:
            yield
        except OSError as error:
            logger.warning("%s cannot be written (%s). Training goes on without a log.", self._folder, error)
            self._writer = None

    def _refusal(self, reason: str) -> OutputError:
        return OutputError(f"{self._folder} cannot hold a TensorBoard log: {reason}. Choose another --tensorboard.")


class Everyone:
    """Several listeners as one."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners

    def started(self, *, epochs: int, done: int) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.started(epochs=epochs, done=done)

    def stepped(self, *, epoch: int, batch: int, batches: int, steps: int) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.stepped(epoch=epoch, batch=batch, batches=batches, steps=steps)

    def epoch_ended(self, row: dict[str, float], *, best: bool) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.epoch_ended(row, best=best)

    def ended(self) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.ended()


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules
