"""The scikit-learn face: estimators with `fit`, `predict`, `score`, `save` and `load`, one file for each.

Their parameters are the settings of `bothways.settings`, stored untouched by `__init__` and checked by `fit`.
What `fit` learns ends in an underscore.
"""

from bothways.estimators.classifier import TextClassifier
from bothways.estimators.forecaster import Forecaster
from bothways.estimators.infiller import GapFiller
from bothways.estimators.intent import IntentParser
from bothways.estimators.language_model import LanguageModel
from bothways.estimators.tagger import HiddenMarkovTagger, SequenceTagger
from bothways.estimators.translator import Translator

__all__ = [
    "Forecaster",
    "GapFiller",
    "HiddenMarkovTagger",
    "IntentParser",
    "LanguageModel",
    "SequenceTagger",
    "TextClassifier",
    "Translator",
]
