"""What a cell can remember, measured: train a network on sequences whose answer stands far from its end.

The score is taken once, on sequences that neither training nor the choice of the epoch has seen.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from bothways.lab.problem_data import problem_data
from bothways.lab.stopwatch import Stopwatch
from bothways.models.problem import ProblemNetwork, problem_loss
from bothways.training.listening import Silence
from bothways.training.loop import CheckpointPlan, Job, going_back_over, refuse_diverged, train

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor, nn

    from bothways.lab.problem_data import ProblemBatch, ProblemData
    from bothways.settings import ProblemSettings
    from bothways.training.listening import Listener


@dataclass
class TrainedProblem:
    """A network that was to remember, and how well it does."""

    model: ProblemNetwork
    settings: ProblemSettings
    # On the test part: the share of right answers, or of adding the mean squared error; NaN after Ctrl-C.
    score: float
    score_name: str  # "accuracy", the higher the better, or "mean squared error"
    trivial: float  # what the best constant answer scores
    history: list[dict[str, float]]
    best_epoch: int
    facts: dict[str, Any] = field(default_factory=dict)
    interrupted: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher score is a better one."""
        return self.score_name == "accuracy"

    @property
    def solved(self) -> bool:
        """Whether the best epoch's validation score reached the target."""
        if not self.best_epoch:
            return False
        row, target = self.history[self.best_epoch - 1], self.settings.target_chosen
        return row["accuracy"] >= target if self.higher_is_better else row["loss"] <= target


def train_problem(
    settings: ProblemSettings,
    *,
    data: Path | None = None,
    listener: Listener | None = None,
    folder: Path | None = None,
    resume: bool = False,
    checkpoint_steps: int | None = None,
) -> TrainedProblem:
    """Train a network on a memory problem, and score it.

    Args:
        settings: the problem, the network, the training.
        data: the folder of MNIST's files, for "rows" and "pixels".
        listener: who hears of progress.
        folder: where checkpoints are kept; None keeps none.
        resume: go on from the checkpoint in `folder`.
        checkpoint_steps: write a checkpoint after every so many batches, besides every 30 seconds.

    Raises:
        SettingsError: a setting that cannot be, or a folder where there should be none, or none where there should.
        DataError: files that are missing or damaged, or a training that diverged before an epoch was whole.
        ResumeError: the checkpoint belongs to other settings or data.
    """
    settings.check()
    settings.refuse_unused()
    found = problem_data(settings, data)
    plan = None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        plan = CheckpointPlan(folder / f"seed-{settings.seed}.safetensors", resume, steps=checkpoint_steps)
    watch = Stopwatch(listener or Silence())
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        model = make_network(settings, found)
        outcome = train(_job(model, found, settings), settings, checkpoints=plan, listener=watch)
    refuse_diverged(outcome)
    name = "loss" if found.symbols is None else "accuracy"
    # The test part is for networks that are done.
    score = math.nan if outcome.interrupted else _scores(model, found.held_out("test"))[name]
    return TrainedProblem(
        model,
        settings,
        score=score,
        score_name="mean squared error" if name == "loss" else name,
        trivial=found.trivial,
        history=outcome.history,
        best_epoch=outcome.best_epoch,
        facts={
            "parameters": sum(weight.numel() for weight in model.parameters()),
            "steps": found.steps,
            "seconds": round(watch.elapsed, 1),
            "steps_per_second": round(watch.steps / watch.elapsed) if watch.elapsed else 0,  # validation included
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
        interrupted=outcome.interrupted,
        notes=outcome.notes,
    )


def make_network(settings: ProblemSettings, data: ProblemData) -> ProblemNetwork:
    """Build a network for some data, with fresh weights."""
    return ProblemNetwork(
        settings,
        features=data.features,
        symbols=data.symbols,
        asked=data.asked,
        start=settings.start_chosen,
        steps=data.steps,
    )


def _job(model: ProblemNetwork, data: ProblemData, settings: ProblemSettings) -> Job:
    monitor = "loss" if data.symbols is None else "accuracy"
    decides = json.dumps([settings.to_dict(), data.identity])

    def loss(module: nn.Module, batch: ProblemBatch) -> Tensor:
        said, wanted = module(_tensor(model, batch.inputs)), _tensor(model, batch.wanted)
        return problem_loss(said, wanted)

    return Job(
        model,
        plan=data.plan,
        batch=data.batch,
        descend=going_back_over(loss),  # type: ignore[arg-type]
        validate=lambda _: _scores(model, data.held_out("validation")),
        identity=hashlib.sha256(decides.encode()).hexdigest(),
        monitor=monitor,
        enough=settings.target_chosen,
        loss_settles=True,
    )


@torch.no_grad()
def _scores(model: ProblemNetwork, batches: Iterator[ProblemBatch]) -> dict[str, float]:
    """Take the mean loss over all answers and, of symbols, the share that is right."""
    loss, right, count = 0.0, 0, 0
    for batch in batches:
        said, wanted = model(_tensor(model, batch.inputs)).float(), _tensor(model, batch.wanted)
        loss += float(problem_loss(said, wanted)) * wanted.numel()
        count += wanted.numel()
        if not model.says_number:
            right += int((said.argmax(dim=-1) == wanted).sum())
    scores = {"loss": loss / count}
    return scores if model.says_number else {**scores, "accuracy": right / count}


def _tensor(model: ProblemNetwork, values: Any) -> Tensor:
    return torch.from_numpy(values).to(model.output.weight.device)
