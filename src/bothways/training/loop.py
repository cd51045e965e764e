"""The training loop of every task, in plain sight.

A task brings a `Job`: its module, its batches, its loss and its scores. The loop brings AdamW, the
learning rate's rise and fall, gradient clipping, a running mean of the weights, early stopping and
checkpoints that make a training that was killed end in the same weights as one that was not.
Lightning Fabric places the module on its device and computes in the precision asked for.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bothways.errors import diverged
from bothways.training.checkpoint import (
    Checkpoint,
    Progress,
    load_checkpoint,
    pack,
    pack_optimizer,
    save_checkpoint,
    unpack,
    unpack_optimizer,
)
from bothways.training.device import make_fabric
from bothways.training.freed_memory import give_back_freed_memory, keep_freed_memory
from bothways.training.listening import Listener, Silence
from bothways.training.optimizer import Pace, clip_gradients, learning_rate, make_optimizer
from bothways.training.places import forget_others

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bothways.data.batches import Batch
    from bothways.settings import TrainingSettings

logger = logging.getLogger("bothways")


@dataclass
class Job:
    """What the loop needs to know of a task."""

    module: nn.Module
    plan: Callable[[int], Sequence[Any]]  # what every batch of an epoch, counted from 1, is made of: rows, or a window
    batch: Callable[[Any], Batch]
    descend: Callable[[nn.Module, Batch, Callable[[Tensor], None]], Tensor]  # see `going_back_over`
    validate: Callable[[nn.Module], dict[str, float]] | None  # scores by name; None: keep the last epoch
    identity: str  # fingerprint of data and settings
    monitor: str = "loss"  # which score decides on the best epoch; of a loss the lowest is best
    enough: float | None = None  # a score that ends training: a loss as low, another as high; None: train on
    loss_settles: bool = False  # whether of epochs with the same score the one of lower loss is the best
    paces: Sequence[Pace] = ()
    carried: dict[str, Tensor] = field(default_factory=dict)  # what a batch leaves for the next one: recurrent states


def going_back_over(
    loss: Callable[[nn.Module, Batch], Tensor],
) -> Callable[[nn.Module, Batch, Callable[[Tensor], None]], Tensor]:
    """Turn a loss, the mean over a batch, into what a `Job` does with a batch: find it, go back, return it."""

    def descend(module: nn.Module, batch: Batch, go_back: Callable[[Tensor], None]) -> Tensor:
        found = loss(module, batch)
        go_back(found)
        return found

    return descend


@dataclass
class Outcome:
    """How a training went. The module holds the weights of the best epoch."""

    history: list[dict[str, float]]
    best_epoch: int
    interrupted: bool = False

    @property
    def diverged(self) -> bool:
        """Whether the weights that were kept are no numbers."""
        return bool(self.best_epoch) and _is_lost(self.history[self.best_epoch - 1])

    @property
    def notes(self) -> list[str]:
        """What is to be said of it: that it diverged, and whether an earlier epoch was kept."""
        if not self.history or not _is_lost(self.history[-1]):
            return []
        kept = "" if self.diverged else f": epoch {self.best_epoch} is kept"
        return [f"The training diverged in epoch {len(self.history)}{kept}. Try a lower lr."]

    def reached(self, monitor: str) -> float:
        """The score of the epoch that was kept, the higher the better; without validation by the training loss."""
        row = self.history[self.best_epoch - 1]
        if self.diverged:
            return -math.inf
        if monitor not in row:
            return -row["train_loss"]
        return -row["loss"] if monitor == "loss" else row[monitor]


@dataclass
class CheckpointPlan:
    """Where the state is kept, and how often it is written."""

    path: Path
    resume: bool = False
    seconds: float = 30.0
    steps: int | None = None  # also after every so many batches
    begins: bool = False  # whether, without `resume`, it ends what an older training left in the folder

    @property
    def goes_on(self) -> bool:
        """Whether training goes on from a checkpoint, which replaces whatever the module starts from."""
        return self.resume and self.path.exists()


@dataclass
class _State:
    """Everything that changes while training."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor]  # empty if no running mean is asked for
    best: dict[str, Tensor]
    carried: dict[str, Tensor]
    progress: Progress = field(default_factory=Progress)
    began: float = 0.0  # when it would have begun, had it never been stopped

    def look_at_clock(self) -> None:
        self.progress.seconds = time.monotonic() - self.began

    def freeze(self) -> Checkpoint:
        tensors = {
            **pack("weights", self.module.state_dict()),
            **pack("average", self.average),
            **pack("best", self.best),
            **pack("carried", self.carried),
            **pack("optimizer", pack_optimizer(self.optimizer)),
            "random/cpu": torch.get_rng_state(),
        }
        if torch.cuda.is_available():
            tensors["random/cuda"] = torch.cuda.get_rng_state()
        return Checkpoint(tensors, self.progress)

    def thaw(self, checkpoint: Checkpoint) -> None:
        self.module.load_state_dict(unpack("weights", checkpoint.tensors))
        for name, tensor in unpack("average", checkpoint.tensors).items():
            self.average[name].copy_(tensor)
        self.best = unpack("best", checkpoint.tensors)
        self.carried.clear()
        self.carried.update(unpack("carried", checkpoint.tensors))
        unpack_optimizer(self.optimizer, unpack("optimizer", checkpoint.tensors))
        self.progress = checkpoint.progress
        torch.set_rng_state(checkpoint.tensors["random/cpu"])
        if "random/cuda" in checkpoint.tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(checkpoint.tensors["random/cuda"])


def train(
    job: Job,
    settings: TrainingSettings,
    *,
    checkpoints: CheckpointPlan | None = None,
    listener: Listener | None = None,
    stop_after: int | None = None,
) -> Outcome:
    """Train a job's module and leave the best epoch's weights in it.

    The same job, settings, threads and machine give the same weights, also when the training was
    stopped at any moment and resumed from its checkpoint.

    Args:
        job: what is trained.
        settings: how.
        checkpoints: where the state is kept; None keeps nothing.
        listener: who hears of progress.
        stop_after: whole epochs after which to stop, with the learning rate as if all were trained.

    Returns:
        The scores by epoch and which epoch was kept; `interrupted` after Ctrl-C.
    """
    listener = listener or Silence()
    keep_freed_memory()
    fabric = make_fabric(settings)
    module: Any
    module, optimizer = fabric.setup(job.module, make_optimizer(job.module, settings, job.paces))
    averaged = {name: weight.detach().clone() for name, weight in job.module.named_parameters()}
    state = _State(job.module, optimizer.optimizer, averaged if settings.averaging else {}, {}, job.carried)
    if checkpoints and checkpoints.goes_on:
        state.thaw(load_checkpoint(checkpoints.path, identity=job.identity))
    state.began = time.monotonic() - state.progress.seconds
    last_epoch = min(stop_after or settings.epochs, settings.epochs)
    saver = _Saver(checkpoints, job.identity)
    listener.started(epochs=last_epoch, done=state.progress.epoch - 1)
    try:
        with _interruptible() as stop:
            while not state.progress.finished:
                if not _train_epoch(job, settings, fabric, module, state, saver, listener, stop):
                    saver.save(state)
                    return _outcome(state, interrupted=True)
                _end_epoch(job, settings, state, listener, last_epoch)
                saver.save(state)
                if stop.is_set():
                    return _outcome(state, interrupted=True)
    finally:
        listener.ended()
        _set_paces(job, epoch=None)
        give_back_freed_memory()
    return _outcome(state, interrupted=False)


def _train_epoch(
    job: Job,
    settings: TrainingSettings,
    fabric: Any,
    module: Any,
    state: _State,
    saver: _Saver,
    listener: Listener,
    stop: threading.Event,
) -> bool:
    """Train what is left of the epoch under way; False if Ctrl-C ended it early."""
    progress = state.progress
    plan = job.plan(progress.epoch)
    module.train()
    _set_paces(job, epoch=progress.epoch)
    while progress.batch < len(plan) and not _time_is_up(settings, progress):
        batch = job.batch(plan[progress.batch])
        rate = learning_rate(settings, _share_done(settings, progress, len(plan)))
        for group in state.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        loss = job.descend(module, batch, fabric.backward)
        clip_gradients(state.module.parameters(), settings.max_grad_norm)
        state.optimizer.step()
        state.optimizer.zero_grad(set_to_none=True)
        progress.batch += 1
        progress.step += 1
        state.look_at_clock()
        _move_average(state, settings.averaging)
        progress.loss_sum += float(loss.detach()) * batch.answers
        progress.answers += batch.answers
        listener.stepped(epoch=progress.epoch, batch=progress.batch, batches=len(plan), steps=batch.steps)
        if stop.is_set():
            return False
        if saver.is_due(progress):
            saver.save(state)
    return True


def _share_done(settings: TrainingSettings, progress: Progress, batches: int) -> float:
    """How much of the training lies behind, by what was read or by the clock, in [0, 1]."""
    # Half a step further: neither the first step nor the last has a rate of zero.
    read = (progress.epoch - 1 + (progress.batch + 0.5) / batches) / settings.epochs
    return read if settings.minutes is None else max(read, progress.seconds / (60 * settings.minutes))


def _time_is_up(settings: TrainingSettings, progress: Progress) -> bool:
    return settings.minutes is not None and progress.seconds >= 60 * settings.minutes


def _set_paces(job: Job, *, epoch: int | None) -> None:
    """Let learn what learns in an epoch, or, with None, all."""
    for pace in job.paces:
        for weight in pace.weights:
            weight.requires_grad_(epoch is None or epoch >= pace.from_epoch)


def _end_epoch(job: Job, settings: TrainingSettings, state: _State, listener: Listener, last_epoch: int) -> None:
    """Score the epoch, keep it if it is the best, and decide whether it was the last."""
    progress = state.progress
    scored = {**state.module.state_dict(), **state.average}
    row: dict[str, float] = {"epoch": progress.epoch, "train_loss": progress.loss_sum / max(1, progress.answers)}
    # A weight that is no number never becomes one again, and what it says cannot be scored.
    if _is_lost(row) or any(bool(weight.isnan().any()) for weight in state.module.parameters()):
        row["train_loss"] = math.nan
        row |= {} if job.validate is None else {"loss": math.nan, job.monitor: math.nan}
    elif job.validate is not None:
        with _weights(state.module, scored):
            row |= job.validate(state.module)
    lost = _is_lost(row)
    better, enough = (False, False) if lost else _judge(job, progress, row)
    progress.history.append(row)
    if better or progress.best_epoch == 0:
        progress.best_epoch = progress.epoch
        state.best = {name: weight.detach().cpu().clone() for name, weight in scored.items()}
    listener.epoch_ended(row, best=progress.best_epoch == progress.epoch)
    waited = progress.epoch - progress.best_epoch
    state.look_at_clock()
    ended = progress.epoch >= last_epoch or waited >= settings.patience
    progress.finished = enough or ended or lost or _time_is_up(settings, progress)
    progress.epoch += 1
    progress.batch, progress.loss_sum, progress.answers = 0, 0.0, 0


def _judge(job: Job, progress: Progress, row: dict[str, float]) -> tuple[bool, bool]:
    """Whether an epoch is better than all before it, and whether it ends the training; remember how good it is."""
    if job.validate is None:
        return True, False
    score = -row["loss"] if job.monitor == "loss" else row[job.monitor]
    better = score > progress.best_score
    if job.loss_settles and score == progress.best_score and "loss" in row:
        better = row["loss"] < progress.history[progress.best_epoch - 1]["loss"]
    progress.best_score = max(score, progress.best_score)
    return better, job.enough is not None and score >= (-job.enough if job.monitor == "loss" else job.enough)


def _outcome(state: _State, *, interrupted: bool) -> Outcome:
    if state.best:
        state.module.load_state_dict(state.best)
    state.module.eval()
    return Outcome(state.progress.history, state.progress.best_epoch, interrupted)


def _is_lost(row: dict[str, float]) -> bool:
    """Whether the losses of an epoch tell that the weights are no numbers."""
    return not all(math.isfinite(row.get(name, 0.0)) for name in ("train_loss", "loss"))


def notes_by_seed(outcomes: Sequence[Outcome], first: int) -> list[str]:
    """What is to be said of trainings of one seed after another, from a first one."""
    several = len(outcomes) > 1
    return [
        f"Seed {seed}: {note}" if several else note
        for seed, outcome in enumerate(outcomes, first)
        for note in outcome.notes
    ]


def refuse_diverged(outcome: Outcome) -> None:
    """Refuse weights that predict nothing, since they are no numbers.

    Raises:
        DataError: the training diverged before an epoch was whole.
    """
    if outcome.diverged:
        raise diverged(f" in epoch {outcome.best_epoch}")


@torch.no_grad()
def _move_average(state: _State, decay: float) -> None:
    """Move the running mean towards the weights; the decay starts low, so that the start is soon forgotten."""
    if not state.average:
        return
    step = state.progress.step
    share = 1 - min(decay, (1 + step) / (10 + step))
    weights = dict(state.module.named_parameters())
    torch._foreach_lerp_(list(state.average.values()), [weights[name].detach() for name in state.average], share)


@contextmanager
def _weights(module: nn.Module, weights: dict[str, Tensor]) -> Iterator[None]:
    """Let the module have other weights for a while, in evaluation mode."""
    own = {name: weight.detach().clone() for name, weight in module.state_dict().items()}
    module.load_state_dict(weights)
    module.eval()
    try:
        yield
    finally:
        module.load_state_dict(own)
        module.train()


class _Saver:
    """Write checkpoints when they are due; a disk that is full does not stop the training."""

    def __init__(self, plan: CheckpointPlan | None, identity: str) -> None:
        self._plan = plan
        self._identity = identity
        self._begun = False
        self._last = time.monotonic()

    def is_due(self, progress: Progress) -> bool:
        if self._plan is None:
            return False
        by_steps = self._plan.steps is not None and progress.step % self._plan.steps == 0
        return by_steps or time.monotonic() - self._last >= self._plan.seconds

    def save(self, state: _State) -> None:
        if self._plan is None:
            return
        try:
            save_checkpoint(self._plan.path, state.freeze(), identity=self._identity)
            if self._plan.begins and not self._plan.resume and not self._begun:
                forget_others(self._plan.path.parent, self._plan.path)
                self._begun = True
        except OSError as error:
            logger.warning("No checkpoint could be written (%s). Training goes on; make room on the disk.", error)
        self._last = time.monotonic()


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Let the first Ctrl-C end the step under way and no other; the second one interrupts at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def ask_to_stop(_number: int, _frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask_to_stop)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
