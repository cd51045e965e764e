"""Predict one label for each text or sequence of numbers, from a model folder, with onnxruntime.

Shapes: N sequences in all, K labels, T steps, F numbers a step.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bothways.bundle import GRAPH, TOKENIZER, ModelFolder
from bothways.data.batches import InMemory, collate, plan_in_order_of_length
from bothways.data.cells import spell
from bothways.data.sequences import as_sequences, as_texts
from bothways.data.tokenizer import Tokenizer
from bothways.decoding.probabilities import softmax
from bothways.errors import counted
from bothways.runtime.session import open_session

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
        self._session = open_session(str(folder.file(GRAPH)))
        self.cut = 0  # sequences of the last call that were longer than max_length
        self.empty = 0  # sequences of the last call without a step
        self.first_cut = self.first_empty = 0  # where in the last call the first of each stood, if there was one

    @property
    def labels(self) -> list[str]:
        """The classes as tables spell them, in the order of `classes`."""
        return [spell(name) or "" for name in self.classes]

    def predict(self, sequences: Iterable[str] | Iterable[ArrayLike]) -> list[Any]:
        """Give the likeliest label of each text (or of each (T,F) array), in the order given."""
        return [self.classes[best] for best in self.predict_proba(sequences).argmax(axis=1)]

    def predict_proba(self, sequences: Iterable[str] | Iterable[ArrayLike]) -> NDArray[np.float64]:
        """Give calibrated probabilities, float64 (N,K); columns are in the order of `classes`."""
        return softmax(self.logits(sequences), self.temperature)

    def logits(self, sequences: Iterable[str] | Iterable[ArrayLike]) -> NDArray[np.float32]:
        """Give uncalibrated scores, float32 (N,K)."""
        steps = InMemory(self._steps(sequences))
        self.empty, self.first_empty = _count(steps.lengths == 0)
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
        self.cut, self.first_cut = _count(np.array([len(sequence) > self.max_length for sequence in steps], dtype=bool))
        return [sequence[: self.max_length] for sequence in steps]


@dataclass
class Tally:
    """How many texts were cut and how many are empty, over several calls, and the first row of each."""

    rows: int = 0
    cut: int = 0
    empty: int = 0
    first_cut: int = 0
    first_empty: int = 0

    def add(self, runner: ClassifierRuntime, rows: int) -> None:
        """Add a runner's last call, which had so many rows."""
        if runner.cut and not self.cut:
            self.first_cut = self.rows + runner.first_cut
        if runner.empty and not self.empty:
            self.first_empty = self.rows + runner.first_empty
        self.rows, self.cut, self.empty = self.rows + rows, self.cut + runner.cut, self.empty + runner.empty

    def notes(self, runner: ClassifierRuntime, where: Callable[[int], str]) -> list[str]:
        """A sentence for each oddity; `where` names the place of a row, counted from 0."""
        notes = []
        if self.cut:
            notes.append(
                f"{counted(self.cut, 'text')} cut after {counted(runner.max_length, 'step')}, the first at "
                f"{where(self.first_cut)}."
            )
        if self.empty:
            empty = counted(self.empty, "empty text")
            notes.append(f"{empty} predicted like any other, the first at {where(self.first_empty)}.")
        return notes


def _count(chosen: NDArray[np.bool_]) -> tuple[int, int]:
    """How many are chosen, and where the first of them stands (0 if none is)."""
    return int(chosen.sum()), int(chosen.argmax()) if len(chosen) else 0
