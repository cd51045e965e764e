"""The whole state of a training in one file, so that a training that was killed goes on as if it had not been.

One safetensors file holds the tensors (weights, best weights, running mean, optimizer, random generators)
and, as its metadata, one JSON object (place in the epoch, history, early stopping). It is written beside
its place, flushed to the disk and renamed: a reader meets the old state or the new one, never a half.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bothways.errors import ResumeError

FORMAT = 1


@dataclass
class Progress:
    """Where a training stands; plain values only."""

    epoch: int = 1  # the epoch under way, counted from 1
    batch: int = 0  # batches of it that are done
    step: int = 0  # batches done since the start
    loss_sum: float = 0.0  # of the epoch under way, over its answers
    answers: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0  # 0: none yet
    best_score: float = float("-inf")
    seconds: float = 0.0  # of training and validation
    finished: bool = False


@dataclass
class Checkpoint:
    """Tensors by name, and where the training stands."""

    tensors: dict[str, Tensor]
    progress: Progress


def save_checkpoint(path: Path, checkpoint: Checkpoint, *, identity: str) -> None:
    """Write the state to `path`, in one piece or not at all.

    Args:
        path: the file; its folder must exist.
        checkpoint: what to write.
        identity: a fingerprint of data and settings; `load_checkpoint` refuses another one.
    """
    from safetensors.torch import save

    aside = path.with_name(path.name + ".new")
    metadata = {"format": str(FORMAT), "identity": identity, "progress": json.dumps(vars(checkpoint.progress))}
    try:
        content = save({name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}, metadata)
        # Written by Python, not by safetensors, whose own error hides that the disk is full.
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def load_checkpoint(path: Path, *, identity: str) -> Checkpoint:
    """Read the state from `path`.

    Raises:
        ResumeError: the file is damaged, or belongs to a training with other data or settings.
    """
    from safetensors import SafetensorError, safe_open

    advice = f"Start again without --resume, or delete {path.parent}."
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, Any] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        progress = Progress(**json.loads(metadata["progress"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise ResumeError(f"{path} is not a whole checkpoint ({type(error).__name__}). {advice}") from error
    if metadata.get("format") != str(FORMAT) or metadata.get("identity") != identity:
        raise ResumeError(f"{path} was written with other data or settings. {advice}")
    return Checkpoint(tensors, progress)


def read_progress(path: Path) -> Progress:
    """Read where a training stands, without its tensors; nothing yet if the file is not a whole checkpoint."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return Progress(**json.loads(file.metadata()["progress"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return Progress()


def pack(group: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put a group's name before the names of its tensors."""
    return {f"{group}/{name}": tensor.detach().cpu() for name, tensor in tensors.items()}


def unpack(group: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of one group under their own names."""
    start = f"{group}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def pack_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Give an optimizer's state as tensors by name: its moments and step counts for each weight."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": torch.as_tensor(value) for index, values in state.items() for name, value in values.items()
    }


def unpack_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `pack_optimizer` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
