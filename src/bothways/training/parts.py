"""The parts of a model folder that every task writes: weights and graph, and the scores by epoch."""

from __future__ import annotations

import csv
import math
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.bundle import GRAPH, HISTORY, METRICS, WEIGHTS, finite, write_json
from bothways.errors import ModelFolderError, diverged
from bothways.training.baselines import VOCABULARY_FILE, WEIGHTS_FILE, Baselines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from onnx import ModelProto
    from torch import nn

    from bothways.bundle import ModelFolder

CURVES = "learning-curves.png"


def write_weights(folder: Path, model: nn.Module) -> None:
    """Write a network's weights into a model folder."""
    from safetensors.torch import save

    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    (folder / WEIGHTS).write_bytes(save(weights))


def write_network(folder: Path, model: nn.Module, graph: ModelProto) -> None:
    """Write a network's weights and its graph into a model folder."""
    write_weights(folder, model)
    (folder / GRAPH).write_bytes(graph.SerializeToString())


def check_same(graph: NDArray[Any], ours: NDArray[Any]) -> None:
    """Refuse a graph whose numbers are not those of the weights, and weights that give no numbers.

    Raises:
        ModelFolderError: they differ by more than rounding does.
        DataError: the training diverged.
    """
    if not np.isfinite(ours).all():
        raise diverged(", so that nothing was saved")
    if not np.allclose(graph, ours, atol=1e-4, rtol=1e-4):
        worst = float(np.abs(graph - ours).max())
        raise ModelFolderError(f"The ONNX graph differs from the weights by {worst:.2g}; nothing was saved.")


def shared_metrics(trained: Any) -> dict[str, Any]:
    """What every training leaves, for JSON: how it went, on what, and what was said."""
    return {
        "best_epoch": trained.best_epoch,
        "history": trained.history,
        "training": trained.facts,
        "notes": trained.notes,
    }


def read_baselines(folder: ModelFolder) -> Baselines | None:
    """Read the simple classifiers of a model folder, their files compared with their checksums; None if it has none."""
    if not folder.has(VOCABULARY_FILE):
        return None
    for name in (WEIGHTS_FILE, VOCABULARY_FILE):
        folder.file(name)
    return Baselines.load(folder.path)


def write_metrics(folder: Path, measured: dict[str, Any]) -> None:
    """Write what was measured into a model folder; a number that is not finite is null."""
    write_json(folder / METRICS, finite(measured))


def spread_in_words(by_seed: Sequence[dict[str, Any]], names: Mapping[str, str], held_out: str) -> str:
    """Mean and deviation of validation scores over the seeds.

    Args:
        by_seed: the scores of each seed; of one that diverged not all are there, or they are None.
        names: the scores, and what they are called.
        held_out: what was to be held out, for a training that held nothing.
    """
    parts = []
    for name, called in names.items():
        values = [math.nan if row.get(name) is None else row[name] for row in by_seed]
        if any(name in row for row in by_seed):
            parts.append(f"{called} {mean_and_deviation(values)}")
    scores = ", ".join(parts) or f"no {held_out} were held out to score"
    return f"Over {len(by_seed)} seeds: {scores}; the best one was kept."


def mean_and_deviation(values: list[float]) -> str:
    """Mean and sample standard deviation for people; the mean alone where a value is not finite: a seed went astray."""
    if not all(map(math.isfinite, values)):
        return f"{mean(values):.4f}"
    return f"{mean(values):.4f} ± {stdev(values) if len(values) > 1 else 0.0:.4f}"


def write_curves(history: list[dict[str, float]], folder: Path, *, best_epoch: int, loss_in: str = "nats") -> None:
    """Write the scores by epoch into a model folder, as CSV and as a picture, if there are any.

    `loss_in` says what the loss is measured in.
    """
    from bothways.training.pictures import draw_learning_curves

    if not history:
        return
    with (folder / HISTORY).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(key for row in history for key in row)))
        writer.writeheader()
        writer.writerows(history)
    draw_learning_curves(history, folder / CURVES, best_epoch=best_epoch, loss_in=loss_in)
