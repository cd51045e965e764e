"""Train small recurrent sequence models on your own data, and run them anywhere.

    from bothways import TextClassifier
    model = TextClassifier().fit(texts, labels)      # needs the [train] extra
    model.save("reviews-model")

    import bothways
    bothways.load("reviews-model").predict(texts)    # needs no torch

Public names are loaded on first use, so that `import bothways` is quick and works without torch.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bothways.errors import BothwaysError
    from bothways.estimators import (
        Forecaster,
        GapFiller,
        HiddenMarkovTagger,
        IntentParser,
        LanguageModel,
        SequenceTagger,
        TextClassifier,
        Translator,
    )
    from bothways.runtime import load

__version__ = "0.1.0"
__all__ = [
    "BothwaysError",
    "Forecaster",
    "GapFiller",
    "HiddenMarkovTagger",
    "IntentParser",
    "LanguageModel",
    "SequenceTagger",
    "TextClassifier",
    "Translator",
    "__version__",
    "load",
]

_HOMES = {
    "BothwaysError": "bothways.errors",
    "Forecaster": "bothways.estimators.forecaster",
    "GapFiller": "bothways.estimators.infiller",
    "HiddenMarkovTagger": "bothways.estimators.tagger",
    "IntentParser": "bothways.estimators.intent",
    "LanguageModel": "bothways.estimators.language_model",
    "SequenceTagger": "bothways.estimators.tagger",
    "TextClassifier": "bothways.estimators.classifier",
    "Translator": "bothways.estimators.translator",
    "load": "bothways.runtime",
}

# The modules of the [train] extra, and the packages that bring them.
_TRAINING = {
    "torch": "torch",
    "lightning_fabric": "lightning-fabric",
    "sklearn": "scikit-learn",
    "onnx": "onnx",
    "pyarrow": "pyarrow",
    "matplotlib": "matplotlib",
}


def require_training() -> None:
    """Look for all that training needs, before any of it is loaded.

    Raises:
        MissingExtraError: a package of the [train] extra is not installed.
    """
    for module, package in _TRAINING.items():
        if find_spec(module) is None:
            from bothways.errors import missing_extra

            raise missing_extra(package, "train", "Training")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bothways' has no attribute {name!r}")
    if _HOMES[name].startswith("bothways.estimators"):
        require_training()
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
