"""The parts of a model folder that every task writes: weights and graph, and the scores by epoch."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.bundle import GRAPH, HISTORY, WEIGHTS
from bothways.errors import ModelFolderError, diverged
from bothways.training.baselines import VOCABULARY_FILE, WEIGHTS_FILE, Baselines

if TYPE_CHECKING:
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
