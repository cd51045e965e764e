"""Train a forecaster: from prepared series to weights, scores, and the baselines that every score stands beside."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bothways.decoding.forecasting import ForecastRunner, StepRunner, pinball
from bothways.models.forecaster import DirectForecaster, StepForecaster, forecast_loss
from bothways.training.forecast_band import calibrate
from bothways.training.forecast_scores import (
    fit_line,
    fit_linear,
    held,
    never_known,
    say_all,
    score_baselines,
    score_forecasts,
    truth_of,
)
from bothways.training.listening import Listener
from bothways.training.loop import CheckpointPlan, Job, going_back_over, refuse_diverged, train
from bothways.training.series_windows import Windows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from bothways.data.batches import Batch, Ints
    from bothways.decoding.forecasting import Floats, ForecastSpec
    from bothways.nn.reader import State
    from bothways.settings import ForecasterSettings
    from bothways.training.series_windows import Items, PreparedSeries


_BATCH = 256  # windows that a model sees at once


@dataclass
class TrainedForecaster:
    """A forecaster with all that belongs to it."""

    model: DirectForecaster | StepForecaster
    settings: ForecasterSettings
    spec: ForecastSpec
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    scores: dict[str, Any] | None = None  # of the point, on validation data
    band: dict[str, Any] | None = None  # how its quantiles were calibrated there
    linear: Floats | None = None  # (K,W+1,S), the linear baseline
    baseline_scores: dict[str, Any] = field(default_factory=dict)  # on the same validation data
    errors: Floats | None = None  # (S,K,Q), of one time after another, calibrated
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False

    def runner(self) -> ForecastRunner:
        """What predicts with these weights."""
        if isinstance(self.model, StepForecaster):
            return TorchStepForecaster(self.model, self.spec, self.errors)
        return TorchForecaster(self.model, self.spec)


def make_forecaster(settings: ForecasterSettings, spec: ForecastSpec) -> DirectForecaster | StepForecaster:
    """Build a network with fresh weights."""
    columns = 1 if spec.apart else len(spec.columns)
    if settings.decoder == "steps":
        return StepForecaster(settings, columns=columns)
    return DirectForecaster(settings, columns=columns, targets=1 if spec.apart else spec.targets)


def train_forecaster(
    prepared: PreparedSeries,
    settings: ForecasterSettings,
    *,
    folder: Path | None = None,
    resume: bool = False,
    listener: Listener | None = None,
    checkpoint_steps: int | None = None,
) -> TrainedForecaster:
    """Train a forecaster.

    Args:
        prepared: series, cut and scaled.
        settings: checked already.
        folder: where checkpoints are kept; None keeps none.
        resume: go on from the checkpoint in `folder`.
        listener: who hears of progress.
        checkpoint_steps: write a checkpoint after every so many batches, besides every 30 seconds.
    """
    began = time.monotonic()
    plan = None
    if folder is not None:
        plan = CheckpointPlan(folder / f"seed-{settings.seed}.safetensors", resume, steps=checkpoint_steps)
    items = prepared.train
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        model = make_forecaster(settings, prepared.spec)
        if isinstance(model, DirectForecaster) and model.linear is not None:
            line = fit_line(prepared, range(prepared.spec.targets))
            model.use_line(line, constant=settings.centring != "standard")
        outcome = train(_job(model, prepared, items, settings), settings, checkpoints=plan, listener=listener)
    refuse_diverged(outcome)
    trained = TrainedForecaster(
        model, settings, prepared.spec, outcome.history, outcome.best_epoch,
        notes=[*prepared.notes, *outcome.notes], interrupted=outcome.interrupted,
    )  # fmt: skip
    trained.facts = {
        "series": len(prepared.series),
        "times": sum(one.first for one in prepared.series),
        "windows": len(items),
        "validation_windows": len(prepared.validation),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    if trained.best_epoch:
        trained.linear = fit_linear(prepared)
        trained.notes += never_known(prepared)
        _score(trained, prepared)
    trained.facts["training_seconds"] = round(time.monotonic() - began, 1)
    return trained


def _score(trained: TrainedForecaster, prepared: PreparedSeries) -> None:
    """Calibrate and score on the validation part, the network and what it stands beside.

    The scores are those of the point: the quantiles were fitted to these very values.
    """
    items = prepared.validation
    if not len(items):
        return
    if prepared.spec.quantiles:
        _calibrate(trained, prepared, items)
    said, truth = say_all(trained.runner(), prepared, items)[..., :1], truth_of(prepared, items)
    seed = trained.settings.seed
    trained.scores = score_forecasts(said, truth, prepared.spec, seed=seed, series=items.series).to_dict()
    trained.baseline_scores = score_baselines(prepared, items, trained.linear, seed=seed)


def _calibrate(trained: TrainedForecaster, prepared: PreparedSeries, items: Items) -> None:
    """Move the quantiles by what the validation part says of them, which those of errors come from, too."""
    levels, model = prepared.spec.quantiles, trained.model
    said, truth = _as_seen(trained.runner(), prepared, items)
    before = None
    if isinstance(model, StepForecaster):
        errors = _quantiles_of(truth - said[..., 0], levels)
        quantiles = said[..., :1] + errors
        found = calibrate(quantiles, truth, levels)
        trained.errors = np.asarray(errors + found.shifts)
    else:
        quantiles = said[..., 1:]
        found = calibrate(quantiles, truth, levels)
        model.shift_quantiles(found.shifts)
        before = held(np.sort(quantiles, axis=-1), truth)
    trained.band = {
        "windows": len(items),
        "by": "horizon" if found.shared else "step",
        "promised": levels[-1] - levels[0] if len(levels) > 1 else None,
        "coverage_before": before,
        "coverage_in_sample": held(np.sort(quantiles + found.shifts, axis=-1), truth),
    }
    if found.short:
        trained.notes.append(
            f"{len(items):,} validation windows are too few for quantiles as far out as "
            f"{' and '.join(f'{level:g}' for level in sorted({levels[0], levels[-1]}))}: they reach as far as the "
            "farthest value there, and may still be too near."
        )


def _quantiles_of(errors: Floats, levels: Sequence[float]) -> Floats:
    """The quantiles of errors (N,S,K), NaN left out: (S,K,Q); at a step where none is known those of all steps."""
    known = ~np.isnan(errors).all(axis=0)  # (S,K)
    own = np.nanquantile(np.where(known, errors, 0.0), levels, axis=0)
    shared = np.nanquantile(errors, levels, axis=(0, 1))
    return np.moveaxis(np.where(known, own, shared[:, None]), 0, -1)


def _as_seen(runner: ForecastRunner, prepared: PreparedSeries, items: Items) -> tuple[Floats, Floats]:
    """What is said and what is true, as the model sees windows: (N,S,K,1+Q) and (N,S,K); N*K and 1 if read apart."""
    windows = Windows(prepared, steps=False)
    said, truth = [], []
    for start in range(0, len(items), _BATCH):
        batch = windows.batch(items, np.arange(start, min(start + _BATCH, len(items))))
        said.append(runner.run(batch.inputs.astype(np.float32, copy=False)))
        truth.append(batch.truth)
    return np.concatenate(said).astype(np.float64), np.concatenate(truth).astype(np.float64)


def _job(
    model: DirectForecaster | StepForecaster, prepared: PreparedSeries, items: Items, settings: ForecasterSettings
) -> Job:
    windows = Windows(prepared, steps=isinstance(model, StepForecaster))

    def plan(epoch: int) -> list[Ints]:
        order = np.random.default_rng((settings.seed, epoch)).permutation(len(items))
        return [order[start : start + settings.batch_size] for start in range(0, len(order), settings.batch_size)]

    return Job(
        model,
        plan=plan,
        batch=lambda rows: windows.batch(items, rows),
        descend=going_back_over(_loss(model, settings)),
        validate=_validator(model, prepared, settings) if len(prepared.validation) else None,
        identity=f"{prepared.identity}-{settings.seed}",
    )


def _loss(
    model: DirectForecaster | StepForecaster, settings: ForecasterSettings
) -> Callable[[nn.Module, Batch], Tensor]:
    def loss(module: nn.Module, batch: Batch) -> Tensor:
        device = model.output.weight.device
        inputs = torch.from_numpy(batch.inputs).to(device)
        truth = torch.from_numpy(batch.truth).to(device)  # type: ignore[attr-defined]
        if isinstance(model, StepForecaster):
            said, levels = module(inputs)[0][..., None], []
        else:
            said, levels = module(inputs), settings.levels
        return forecast_loss(said.float(), truth, levels, absolute=settings.loss == "absolute")

    return loss


def _validator(
    model: DirectForecaster | StepForecaster, prepared: PreparedSeries, settings: ForecasterSettings
) -> Callable[[nn.Module], dict[str, float]]:
    """Score on the validation part after an epoch, in units of the training part: the loss, and the squared error.

    One time after another is rolled out: the errors of one step say little of those of many.
    """
    items, spec = prepared.validation, prepared.spec
    truth = truth_of(prepared, items)

    def validate(module: nn.Module) -> dict[str, float]:
        said = say_all(TrainedForecaster(model, settings, spec).runner(), prepared, items)
        error = said[..., 0] - truth
        square = float(np.nanmean(error**2))
        loss = float(np.nanmean(np.abs(error))) if settings.loss == "absolute" else square
        if isinstance(model, DirectForecaster) and spec.quantiles:
            loss += float(np.nanmean(pinball(truth, said[..., 1:], spec.quantiles)))
        return {"loss": loss, "mse": square}

    return validate


class TorchForecaster(ForecastRunner):
    """A forecaster of a whole horizon that runs on the weights it was trained with."""

    def __init__(self, model: DirectForecaster, spec: ForecastSpec) -> None:
        self.spec = spec
        self._model = model.eval()

    def run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predict; see `ForecastRunner.run`."""
        with torch.no_grad():
            said = self._model(torch.from_numpy(windows).to(self._model.output.weight.device))
        return said.cpu().numpy()  # type: ignore[no-any-return]


class TorchStepForecaster(StepRunner):
    """A forecaster of one time after another that runs on the weights it was trained with."""

    def __init__(self, model: StepForecaster, spec: ForecastSpec, errors: Floats | None) -> None:
        self.spec = spec
        self._model = model.eval()
        columns = 1 if spec.apart else spec.targets
        self.errors = np.zeros((spec.horizon, columns, len(spec.quantiles))) if errors is None else errors

    def step(self, values: NDArray[np.float32], state: State | None) -> tuple[NDArray[np.float32], State]:
        """Read on; see `StepRunner.step`."""
        with torch.no_grad():
            said, after = self._model(torch.from_numpy(values).to(self._model.output.weight.device), state)
        return said[:, -1].cpu().numpy(), after
