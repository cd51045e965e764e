"""Run a model folder with onnxruntime: no torch, nothing executed from the folder but a graph of tensors."""

from importlib import import_module
from pathlib import Path
from typing import Any

from bothways.bundle import open_folder
from bothways.errors import ModelFolderError

# One line for each task: the module, and what opens a folder in it.
_RUNNERS = {
    "classify": ("bothways.runtime.classifier", "ClassifierRuntime"),
    "language": ("bothways.runtime.language_model", "LanguageModelRuntime"),
    "tag": ("bothways.runtime.tagger", "tagger_runtime"),
    "intent": ("bothways.runtime.tagger", "IntentRuntime"),
    "fill": ("bothways.runtime.infiller", "InfillerRuntime"),
    "forecast": ("bothways.runtime.forecaster", "forecaster_runtime"),
    "translate": ("bothways.runtime.translator", "TranslatorRuntime"),
}


def load(folder: Path | str) -> Any:
    """Load a model folder, as what runs its task: a `ClassifierRuntime`, a `LanguageModelRuntime`, a `TagRunner`, ...

    Raises:
        ModelFolderError: the folder is missing, damaged or of a newer format.
    """
    opened = open_folder(folder)
    if opened.task not in _RUNNERS:
        raise ModelFolderError(f"{opened.path} was trained to {opened.task!r}, which this version cannot run.")
    module, name = _RUNNERS[opened.task]
    return getattr(import_module(module), name)(opened)
