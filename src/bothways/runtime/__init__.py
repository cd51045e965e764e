"""Run a model folder with onnxruntime: no torch, nothing executed from the folder but a graph of tensors."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bothways.bundle import open_folder
from bothways.errors import ModelFolderError

if TYPE_CHECKING:
    from bothways.runtime.classifier import ClassifierRuntime

# One line for each task: the module and the class that run it.
_RUNNERS = {"classify": ("bothways.runtime.classifier", "ClassifierRuntime")}


def load(folder: Path | str) -> "ClassifierRuntime":
    """Load a model folder to predict with.

    Raises:
        ModelFolderError: the folder is missing, damaged or of a newer format.
    """
    opened = open_folder(folder)
    if opened.task not in _RUNNERS:
        raise ModelFolderError(f"{opened.path} was trained to {opened.task!r}, which this version cannot run.")
    module, name = _RUNNERS[opened.task]
    runner: Any = getattr(import_module(module), name)
    return runner(opened)  # type: ignore[no-any-return]
