"""Where the sequences of a memory problem come from: drawn afresh for every batch, or images read as sequences.

Three parts never meet: what is trained on, what decides on the best epoch, and what the score is taken on.

Shapes: B sequences, T steps, F numbers a step, M steps of an answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from bothways.data.batches import Batch
from bothways.data.idx import read_images
from bothways.data.problems import make_problem
from bothways.errors import DataError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bothways.data.batches import Ints
    from bothways.data.problems import Problem, ProblemName
    from bothways.settings import ProblemSettings

SCORED_AT_ONCE = 250  # sequences
_DRAWN_FOR = ("train", "validation", "test")


@dataclass(frozen=True)
class ProblemBatch(Batch):
    """Some sequences of one length, and their answers."""

    wanted: NDArray[np.int64] | NDArray[np.float32]  # (B,) or (B,M)


class ProblemData(Protocol):
    """What a network that is to remember is trained and scored on."""

    features: int  # F
    steps: int  # T
    symbols: int | None  # to choose an answer from; None: a number is asked for
    asked: int | None  # how many last steps are asked for an answer; None: one answer at the end
    trivial: float  # what the best constant scores on the test part
    identity: str  # fingerprint of the data

    def plan(self, epoch: int) -> Sequence[Any]:
        """What every batch of an epoch is made of."""

    def batch(self, item: Any) -> ProblemBatch:
        """Make a batch."""

    def held_out(self, part: str) -> Iterator[ProblemBatch]:
        """The sequences of "validation" or "test", the same at every call."""


def problem_data(settings: ProblemSettings, data: Path | None) -> ProblemData:
    """Choose where the sequences come from.

    Raises:
        SettingsError: a folder for sequences that are drawn, or none for images.
        DataError: files that are missing or damaged.
    """
    if settings.is_drawn:
        if data is not None:
            raise SettingsError(f"data is {data}, but the sequences of {settings.problem!r} are drawn. Leave it out.")
        return Drawn(settings)
    if data is None:
        raise SettingsError(
            f"problem is {settings.problem!r}, but there are no images to read: name a folder with MNIST's four "
            "idx files (train-images-idx3-ubyte.gz and so on) with data."
        )
    return ImageSteps(settings, data)


class Drawn:
    """Sequences that are drawn: those of a training by its seed, those that are held out always the same."""

    def __init__(self, settings: ProblemSettings) -> None:
        self._settings = settings
        one = self._draw(1, "train", (0, 0, 0))
        self.steps: int = one.inputs.shape[1]
        self.features: int = one.inputs.shape[2]
        self.symbols = one.symbols
        self.asked = one.answers.shape[1] if one.answers.ndim == 2 else None
        self.trivial = one.trivial
        self.identity = "drawn"

    def plan(self, epoch: int) -> list[tuple[int, int, int]]:
        """Name every batch by seed, epoch and number."""
        return [(self._settings.seed, epoch, number) for number in range(self._settings.batches_per_epoch)]

    def batch(self, item: tuple[int, int, int]) -> ProblemBatch:
        """Draw a batch by its name."""
        return _whole(self._draw(self._settings.batch_size, "train", item))

    def held_out(self, part: str) -> Iterator[ProblemBatch]:
        """Draw the sequences to score on; the seed of the training has no part in them."""
        for number, start in enumerate(range(0, self._settings.held_out, SCORED_AT_ONCE)):
            yield _whole(self._draw(min(SCORED_AT_ONCE, self._settings.held_out - start), part, (0, 0, number)))

    def _draw(self, rows: int, part: str, name: tuple[int, int, int]) -> Problem:
        return make_problem(
            cast("ProblemName", self._settings.problem),
            length=self._settings.length,
            rows=rows,
            seed=(_DRAWN_FOR.index(part), *name),
        )


class ImageSteps:
    """Images read row by row, or pixel by pixel, from the top left."""

    asked: int | None = None

    def __init__(self, settings: ProblemSettings, folder: Path) -> None:
        self._settings = settings
        images = read_images(folder)
        known, self._test = images["train"], images["test"]
        order = np.random.default_rng(settings.seed).permutation(len(known.labels))
        held = round(settings.validation_size * len(order))
        if not 0 < held < len(order):
            raise DataError(
                f"{folder} holds {len(order)} images to train on, of which validation_size {settings.validation_size} "
                f"holds out {held}. At least one must be held out, and one left."
            )
        self._known, self._rows = known, {"validation": order[:held], "train": order[held:]}
        height, width = known.pixels.shape[1:]
        by_rows = settings.problem == "rows"
        self.steps: int = height if by_rows else height * width
        self.features: int = width if by_rows else 1
        train, labels = known.pixels[order[held:]], known.labels[order[held:]]
        self._mean = float(train.mean())
        squares = np.square(train, dtype=np.uint16)  # 255² is less than 2¹⁶; std() would take eight bytes a pixel
        self._deviation = float(np.sqrt(squares.mean() - self._mean**2)) or 1.0
        self.symbols: int | None = int(known.labels.max()) + 1
        self.trivial = float((self._test.labels == np.bincount(labels).argmax()).mean())
        self.identity = hashlib.sha256(known.pixels.tobytes() + known.labels.tobytes()).hexdigest()

    def plan(self, epoch: int) -> list[Ints]:
        """The rows of every batch, in an order that the seed and the epoch decide on."""
        rows = self._rows["train"]
        order = np.random.default_rng((self._settings.seed, epoch)).permutation(len(rows))
        size = self._settings.batch_size
        return [rows[order[start : start + size]] for start in range(0, len(order), size)]

    def batch(self, item: Ints) -> ProblemBatch:
        """Read the images of some rows."""
        return self._read(self._known.pixels[item], self._known.labels[item])

    def held_out(self, part: str) -> Iterator[ProblemBatch]:
        """Read the images of "validation" or "test"."""
        if part == "test":
            pixels, labels = self._test.pixels, self._test.labels
        else:
            pixels, labels = (some[self._rows[part]] for some in (self._known.pixels, self._known.labels))
        for start in range(0, len(labels), SCORED_AT_ONCE):
            some = slice(start, start + SCORED_AT_ONCE)
            yield self._read(pixels[some], labels[some])

    def _read(self, pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> ProblemBatch:
        inputs = (pixels.reshape(len(pixels), self.steps, self.features) - self._mean) / self._deviation
        return _batch(inputs.astype(np.float32), labels.astype(np.int64))


def _whole(problem: Problem) -> ProblemBatch:
    return _batch(problem.inputs, problem.answers)


def _batch(inputs: NDArray[np.float32], wanted: NDArray[Any]) -> ProblemBatch:
    count, steps = inputs.shape[:2]
    return ProblemBatch(np.arange(count), inputs, np.full(count, steps), wanted)
