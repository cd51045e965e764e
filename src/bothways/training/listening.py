"""Who hears how a training goes."""

from typing import Protocol


class Listener(Protocol):
    """Who wants to hear how a training goes."""

    def started(self, *, epochs: int, done: int) -> None:
        """Training begins, or goes on after `done` whole epochs."""

    def stepped(self, *, epoch: int, batch: int, batches: int, steps: int) -> None:
        """One batch of `steps` real steps is done."""

    def epoch_ended(self, row: dict[str, float], *, best: bool) -> None:
        """An epoch is done and scored."""

    def ended(self) -> None:
        """Training is over, however it ended."""


class Silence:
    """A listener that does nothing."""

    def started(self, *, epochs: int, done: int) -> None: ...

    def stepped(self, *, epoch: int, batch: int, batches: int, steps: int) -> None: ...

    def epoch_ended(self, row: dict[str, float], *, best: bool) -> None: ...

    def ended(self) -> None: ...
