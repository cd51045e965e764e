"""The simple classifiers that a network has to beat: the majority class, and a linear model that ignores order.

Texts: logistic regression on tf-idf of n-grams. Numbers: logistic regression on six summaries of each feature.

Fitting needs scikit-learn; loading and predicting need numpy alone. Nothing is pickled.
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from bothways.data.splits import stratified_sample
from bothways.decoding.probabilities import softmax
from bothways.errors import DataError, MissingFileError, ModelFolderError, missing_extra
from bothways.training.metrics import score_answers
from bothways.training.ngrams import NgramFeatures, fit_ngrams

MAX_ROWS = 50_000
# scikit-learn's C. Of 1, 10, 30 and 100 it had the least log loss on a held-out fifth of each training set:
# IMDB, TREC and ChnSentiCorp.
TEXT_STRENGTH = 30.0
NUMBERS_STRENGTH = 1.0
WEIGHTS_FILE, VOCABULARY_FILE = "baseline.safetensors", "baseline.json"

_FORMAT = 1
_MAX_ITERATIONS = 300
_SUMMARIES = 6

Numbers = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SummaryFeatures:
    """Mean, deviation, first, last, least and greatest value of each feature of a sequence, standardised.

    A summary that is not finite (a sequence without steps, a NaN, an overflow) counts as the average of training.

    Attributes:
        centre: float64 (6F,), the mean of each summary in training.
        scale: float64 (6F,), its standard deviation; 1 where it never changes.
    """

    centre: Floats
    scale: Floats

    @property
    def width(self) -> int:
        """F, the numbers in one step."""
        return len(self.centre) // _SUMMARIES

    def matrix(self, sequences: Sequence[Numbers]) -> Floats:
        """Return the standardised summaries of sequences (T, F): float64 (B, 6F)."""
        with np.errstate(over="ignore", invalid="ignore"):
            standard = (_summaries(sequences, self.width) - self.centre) / self.scale
        return np.where(np.isfinite(standard), standard, 0.0)

    def project(self, sequences: Sequence[Numbers], coefficients: Numbers) -> Floats:
        """Multiply the features of sequences by coefficients (R, 6F): float64 (B, R)."""
        return self.matrix(sequences) @ coefficients.T


def fit_summaries(sequences: Sequence[Numbers]) -> SummaryFeatures:
    """Learn the mean and the deviation of each summary from the rows where it is finite."""
    width = np.shape(sequences[0])[-1] if np.ndim(sequences[0]) == 2 else 0
    summaries = _summaries(sequences, width)
    finite = np.isfinite(summaries)
    rows = np.maximum(finite.sum(axis=0), 1)
    with np.errstate(over="ignore", invalid="ignore"):
        centre = np.where(finite, summaries, 0).sum(axis=0) / rows
        scale = np.sqrt((np.where(finite, summaries - centre, 0) ** 2).sum(axis=0) / rows)
    usable = np.isfinite(centre) & np.isfinite(scale) & (scale > 1e-12 * np.abs(centre))
    return SummaryFeatures(centre=np.where(np.isfinite(centre), centre, 0), scale=np.where(usable, scale, 1.0))


@dataclass(frozen=True)
class Linear:
    """A linear classifier on features: one row of coefficients for each class, or a single row for two classes."""

    features: NgramFeatures | SummaryFeatures
    coefficients: Numbers
    intercepts: Floats

    def predict_proba(self, inputs: Sequence[Any]) -> Floats:
        """Return the probabilities of the classes: float64 (B, K)."""
        scores = self.features.project(inputs, self.coefficients) + self.intercepts
        if scores.shape[1] == 1:
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
        return softmax(scores)


@dataclass(frozen=True)
class Baselines:
    """The majority class and a linear classifier, fitted on the training rows.

    Attributes:
        classes: the K labels, in alphabetical order; the columns of `predict_proba`.
        shares: float64 (K,), the share of each class among all training rows.
        linear: None where nothing could be fitted; it then answers like the majority, as the notes say.
        notes: sentences to be shown beside the scores.
    """

    classes: list[str]
    shares: Floats
    linear: Linear | None
    notes: list[str]

    @classmethod
    def fit(
        cls, texts: Sequence[str], labels: Sequence[str], *, seed: int = 0, max_rows: int = MAX_ROWS
    ) -> "Baselines":
        """Fit on texts; the linear classifier on at most `max_rows` of them, drawn by class.

        Raises:
            DataError: there are no rows, or not one label for each text.
            MissingExtraError: scikit-learn is not installed.
        """
        classes, targets, kept = _prepare(len(texts), labels, seed, max_rows)
        notes = _sampling_notes(len(kept), len(texts))
        chosen = [texts[row] for row in kept]
        features = fit_ngrams(chosen, _rows_of_weights(len(classes))) if len(classes) > 1 else None
        linear = None
        if features:
            linear, more = _fit_linear(features, chosen, targets[kept], TEXT_STRENGTH, np.float16)
            notes += more
        elif len(classes) > 1:
            notes.append("The texts hold no words to learn from: the linear baseline answers like the majority.")
        return cls(classes, np.bincount(targets) / len(targets), linear, notes + _one_class_notes(classes))

    @classmethod
    def fit_numbers(
        cls, sequences: Sequence[Numbers], labels: Sequence[str], *, seed: int = 0, max_rows: int = MAX_ROWS
    ) -> "Baselines":
        """Fit on sequences of numbers, each (T, F) with the same F; errors as in `fit`."""
        classes, targets, kept = _prepare(len(sequences), labels, seed, max_rows)
        notes = _sampling_notes(len(kept), len(sequences))
        linear = None
        if len(classes) > 1:
            chosen = [sequences[row] for row in kept]
            features = fit_summaries(chosen)
            linear, more = _fit_linear(features, chosen, targets[kept], NUMBERS_STRENGTH, np.float64)
            notes += more
        return cls(classes, np.bincount(targets) / len(targets), linear, notes + _one_class_notes(classes))

    @property
    def majority(self) -> str:
        """The most frequent class of training; of equals, the first in the alphabet."""
        return self.classes[int(self.shares.argmax())]

    def predict_proba(self, inputs: Sequence[Any]) -> Floats:
        """Return the linear classifier's probabilities, float64 (B, K), for inputs of the kind that was fitted.

        Without a linear classifier each row is the shares of the classes in training.
        """
        if self.linear is None:
            return np.tile(self.shares, (len(inputs), 1))
        return self.linear.predict_proba(inputs)

    def scores(self, inputs: Sequence[Any], truth: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return {"majority": …, "linear": …}, each with accuracy and macro_f1 by the rules of the metrics."""
        likely = self.predict_proba(inputs).argmax(axis=1)
        return {
            "majority": score_answers(truth, [self.majority] * len(truth), self.classes),
            "linear": score_answers(truth, [self.classes[place] for place in likely], self.classes),
        }

    def save(self, folder: Path) -> None:
        """Write baseline.safetensors and baseline.json into a folder, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors: dict[str, npt.NDArray[Any]] = {"shares": self.shares}
        facts: dict[str, Any] = {"format": _FORMAT, "kind": "majority", "classes": self.classes, "notes": self.notes}
        if self.linear:
            tensors |= {"coefficients": self.linear.coefficients, "intercepts": self.linear.intercepts}
            match self.linear.features:
                case NgramFeatures(pattern, units, keys, idf):
                    facts |= {"kind": "text", "pattern": pattern, "units": units, "longest": 1 + len(keys)}
                    tensors |= {"idf": idf} | {f"keys{order}": level for order, level in enumerate(keys, start=2)}
                case SummaryFeatures(centre, scale):
                    facts |= {"kind": "numbers"}
                    tensors |= {"centre": centre, "scale": scale}
        (folder / WEIGHTS_FILE).write_bytes(save(tensors))
        # Characters of damaged text can be lone surrogates, which plain UTF-8 refuses.
        text = json.dumps(facts, ensure_ascii=False)
        (folder / VOCABULARY_FILE).write_text(text, encoding="utf-8", errors="surrogatepass")

    @classmethod
    def load(cls, folder: Path) -> "Baselines":
        """Read what `save` wrote; it predicts exactly the same.

        Raises:
            MissingFileError: one of the two files is not there.
            ModelFolderError: they are damaged, or written by a newer version.
        """
        for name in (WEIGHTS_FILE, VOCABULARY_FILE):
            if not (folder / name).is_file():
                raise MissingFileError(f"{folder} holds no baseline: {name} is missing. Train the model again.")
        try:
            facts = json.loads((folder / VOCABULARY_FILE).read_text(encoding="utf-8", errors="surrogatepass"))
            if facts["format"] > _FORMAT:
                raise ModelFolderError(
                    f"{folder / VOCABULARY_FILE} has format {facts['format']}, but this version reads {_FORMAT} and "
                    "older. Update bothways."
                )
            tensors = load_file(folder / WEIGHTS_FILE)
            linear = _restore_linear(facts, tensors)
            return cls(facts["classes"], tensors["shares"], linear, facts["notes"])
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, ModelFolderError):
                raise
            raise ModelFolderError(f"The baseline in {folder} is damaged. Train the model again.") from error


def _restore_linear(facts: dict[str, Any], tensors: dict[str, npt.NDArray[Any]]) -> Linear | None:
    features: NgramFeatures | SummaryFeatures
    if facts["kind"] == "majority":
        return None
    if facts["kind"] == "text":
        keys = [tensors[f"keys{order}"] for order in range(2, facts["longest"] + 1)]
        features = NgramFeatures(facts["pattern"], facts["units"], keys, tensors["idf"])
        sizes = {len(tensors["idf"]), len(facts["units"]) + sum(map(len, keys))}
    else:
        features = SummaryFeatures(tensors["centre"], tensors["scale"])
        sizes = {len(tensors["centre"]), len(tensors["scale"])}
    coefficients, intercepts = tensors["coefficients"], tensors["intercepts"]
    rows = _rows_of_weights(len(facts["classes"]))
    if sizes != {coefficients.shape[1]} or not len(coefficients) == len(intercepts) == rows:
        raise ValueError("the sizes of the parts do not fit together")
    return Linear(features, coefficients, intercepts)


def _prepare(rows: int, labels: Sequence[str], seed: int, max_rows: int) -> tuple[list[str], Ints, Ints]:
    """Return the classes, the class of each row (B,), and the rows to fit on, ascending."""
    if rows == 0 or rows != len(labels):
        raise DataError(
            f"There are {rows} inputs and {len(labels)} labels: give one label for each input, and one row."
        )
    classes = sorted(set(labels))
    place = {label: number for number, label in enumerate(classes)}
    targets = np.array([place[label] for label in labels], dtype=np.int64)
    return classes, targets, stratified_sample(targets, size=max_rows, seed=seed)


def _sampling_notes(kept: int, rows: int) -> list[str]:
    return [] if kept == rows else [f"The linear baseline was fitted on {kept:,} of {rows:,} rows, drawn by class."]


def _one_class_notes(classes: list[str]) -> list[str]:
    return ["There is one class only: the linear baseline answers like the majority."] if len(classes) == 1 else []


def _rows_of_weights(classes: int) -> int:
    return 1 if classes == 2 else classes


def _fit_linear(
    features: NgramFeatures | SummaryFeatures, inputs: Sequence[Any], targets: Ints, strength: float, kept_as: type
) -> tuple[Linear, list[str]]:
    """Fit a logistic regression (multinomial from three classes on), and say so if it did not settle."""
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise missing_extra("scikit-learn", "train", "Fitting the baselines") from None
    model = LogisticRegression(C=strength, max_iter=_MAX_ITERATIONS, tol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features.matrix(inputs), targets)
    settled = int(model.n_iter_.max()) < _MAX_ITERATIONS
    notes = [] if settled else [f"The linear baseline had not settled after {_MAX_ITERATIONS} iterations."]
    coefficients: Numbers = np.ascontiguousarray(model.coef_, dtype=kept_as)
    return Linear(features, coefficients, model.intercept_.astype(np.float64)), notes


def _summaries(sequences: Sequence[Numbers], width: int) -> Floats:
    """Return six summaries of each feature, (B, 6F); NaN for a sequence without steps."""
    summaries = np.full((len(sequences), _SUMMARIES, width), np.nan)
    for row, sequence in enumerate(sequences):
        steps = np.asarray(sequence, dtype=np.float64)
        if steps.ndim != 2 or steps.shape[1] != width or width == 0:
            raise DataError(
                f"Row {row + 1} has shape {steps.shape}, but every row must be steps by features, "
                f"with the same features throughout ({width or 'at least 1'} here)."
            )
        if len(steps):
            with np.errstate(over="ignore", invalid="ignore"):
                parts = (steps.mean(0), steps.std(0), steps[0], steps[-1], steps.min(0), steps.max(0))
            summaries[row] = parts
    return summaries.reshape(len(sequences), -1)
