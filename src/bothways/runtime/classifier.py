"""Predict one label for each text or sequence of numbers, from a model folder, with onnxruntime.

Shapes: N sequences in all, K labels, T steps, F numbers a step.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bothways.bundle import GRAPH, TOKENIZER, ModelFolder
from bothways.data.batches import InMemory, collate, plan_in_order_of_length
from bothways.data.sequences import as_sequences, as_texts
from bothways.data.tokenizer import Tokenizer
from bothways.decoding.probabilities import softmax
from bothways.errors import MissingExtraError

STEPS_AT_ONCE = 8_192  # padded steps in one call: large enough for full speed, small enough for a cache


class ClassifierRuntime:
    """A trained classifier that needs no torch.

    A sequence gets the same probabilities alone as in any company, to 1e-5.
    """

    def __init__(self, folder: ModelFolder) -> None:
        self.folder = folder
        facts = folder.description
        self.classes: list[Any] = list(facts["classes"])
        self.temperature = float(facts["temperature"])
        self.max_length = int(facts["settings"]["max_length"])
        self.features: int | None = facts["features"]
        self.tokenizer: Tokenizer | None = None
        if self.features is None:
            self.tokenizer = Tokenizer.from_json(folder.file(TOKENIZER).read_text(encoding="utf-8"))
        self._session = _session(str(folder.file(GRAPH)))
        self.cut = 0  # sequences of the last call that were longer than max_length
        self.empty = 0  # sequences of the last call without a step

    def predict(self, sequences: Iterable[str] | Iterable[ArrayLike]) -> list[Any]:
        """Give the likeliest label of each text (or of each (T,F) array), in the order given."""
        return [self.classes[best] for best in self.predict_proba(sequences).argmax(axis=1)]

    def predict_proba(self, sequences: Iterable[str] | Iterable[ArrayLike]) -> NDArray[np.float64]:
        """Give calibrated probabilities, float64 (N,K); columns are in the order of `classes`."""
        return softmax(self.logits(sequences), self.temperature)

    def logits(self, sequences: Iterable[str] | Iterable[ArrayLike]) -> NDArray[np.float32]:
        """Give uncalibrated scores, float32 (N,K)."""
        steps = InMemory(self._steps(sequences))
        self.empty = int((steps.lengths == 0).sum())
        logits = np.zeros((len(steps.lengths), len(self.classes)), dtype=np.float32)
        for rows in plan_in_order_of_length(steps.lengths, budget=STEPS_AT_ONCE):
            batch = collate(steps, rows, rounded=False)
            logits[rows] = self._session.run(["logits"], {"inputs": batch.inputs, "lengths": batch.lengths})[0]
        return logits

    def _steps(self, sequences: Iterable[str] | Iterable[ArrayLike]) -> Sequence[NDArray[Any]]:
        """Turn input into token ids or numbers, each cut at max_length."""
        if self.tokenizer is None:
            steps: Sequence[NDArray[Any]] = as_sequences(sequences, features=self.features)
        else:
            steps = self.tokenizer.encode(as_texts(sequences))
        self.cut = sum(len(sequence) > self.max_length for sequence in steps)
        return [sequence[: self.max_length] for sequence in steps]


def _session(path: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("Predicting needs onnxruntime. Run: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
