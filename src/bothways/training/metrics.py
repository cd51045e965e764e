"""How good a classifier's answers are, and how sure one can be of that.

A `ClassificationScores` holds everything that `evaluate` reports. `fit_temperature` calibrates probabilities on
validation. Both are plain numpy: scoring needs neither torch nor scikit-learn.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bothways.decoding.probabilities import softmax
from bothways.errors import DataError, diverged

RESAMPLES = 1000
CALIBRATION_BINS = 15
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
UNKNOWN_ROW = "(not in training)"

_CELLS_AT_ONCE = 4_000_000  # bounds the bootstrap's memory at about 100 MB

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class ClassScores(NamedTuple):
    """One class: shares between 0 and 1, and the number of true rows."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class ClassificationScores:
    """What a classifier scored on rows whose labels are known.

    Conventions: precision is 0 where a class is never predicted, recall is 0 where it never occurs, and F1 is
    2·tp / (true + predicted), 0 where tp is 0. Macro-F1 is the plain mean of F1 over the classes that occur in the
    truth or in the predictions; a class of training that does neither is left out. Labels that training never had
    count as classes with F1 = 0.

    Attributes:
        rows: how many rows were scored.
        accuracy: share of rows whose most probable class is the true one; a tie goes to the first class.
        accuracy_interval: 95% percentile bootstrap over rows (1,000 resamples), as is `macro_f1_interval`.
        macro_f1: see above.
        macro_f1_interval: each resample is scored by the same rule, over the classes that occur in it.
        log_loss: mean of -log(probability of the true class), in nats, each at most 36.04 (a probability of 2.2e-16).
            Rows with unknown labels are left out; NaN if no row is left.
        calibration_error: expected calibration error (Guo et al., 2017): the top probabilities in 15 bins of equal
            width, (i/15, (i+1)/15]; the mean over rows of |accuracy - mean top probability| of the row's bin. Rows
            with unknown labels count as wrong.
        by_class: the classes in the order given, then the unknown labels in alphabetical order.
        confusion: int64 (K, K), or (K+1, K) when there are unknown labels: true rows, predicted columns.
        confusion_labels: names of the rows of `confusion`; the first K name its columns too.
        unknown_labels: labels that training never had, and their rows. They are counted wrong.
        notes: sentences to be shown beside the scores.
    """

    rows: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_f1: float
    macro_f1_interval: tuple[float, float]
    log_loss: float
    calibration_error: float
    by_class: list[ClassScores]
    confusion: Ints
    confusion_labels: list[str]
    unknown_labels: dict[str, int]
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings, lists and dicts, ready for JSON; a NaN becomes None."""
        return {
            "rows": self.rows,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "macro_f1": self.macro_f1,
            "macro_f1_interval": list(self.macro_f1_interval),
            "log_loss": None if np.isnan(self.log_loss) else self.log_loss,
            "calibration_error": self.calibration_error,
            "by_class": [scores._asdict() for scores in self.by_class],
            "confusion": self.confusion.tolist(),
            "confusion_labels": list(self.confusion_labels),
            "unknown_labels": dict(self.unknown_labels),
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ClassificationScores":
        """Rebuild scores from what `to_dict` gave, after a way through JSON."""
        known = {field.name for field in fields(cls)}
        return cls(
            **{
                **{name: value for name, value in values.items() if name in known},
                "accuracy_interval": tuple(values["accuracy_interval"]),
                "macro_f1_interval": tuple(values["macro_f1_interval"]),
                "log_loss": float("nan") if values["log_loss"] is None else values["log_loss"],
                "by_class": [ClassScores(**row) for row in values["by_class"]],
                "confusion": np.array(values["confusion"], dtype=np.int64),
            }
        )


def score_classification(
    truth: Sequence[str], probabilities: npt.NDArray[np.floating[Any]], classes: Sequence[str], *, seed: int = 0
) -> ClassificationScores:
    """Score probabilities against the true labels. The order of the rows does not matter.

    Args:
        truth: B true labels; some may be missing from `classes`.
        probabilities: float (B, K), each row summing to 1.
        classes: the K labels that the columns stand for.
        seed: of the bootstrap.

    Raises:
        DataError: there are no rows, or the sizes disagree, or the rows are no probabilities.
    """
    shares = _checked_probabilities(len(truth), probabilities, classes)
    known_labels = frozenset(classes)
    unknown = Counter(label for label in truth if label not in known_labels)
    row_labels = [*classes, *sorted(unknown)]
    true = _positions(truth, row_labels)
    predicted = shares.argmax(axis=1)
    table = confusion_table(true, predicted, len(row_labels), len(classes))
    accuracies, macro_f1s = _bootstrap(table, seed)
    known = true < len(classes)
    accuracy, macro_f1 = accuracy_and_macro_f1(table)
    return ClassificationScores(
        rows=len(truth),
        accuracy=accuracy,
        accuracy_interval=_interval(accuracies),
        macro_f1=macro_f1,
        macro_f1_interval=_interval(macro_f1s),
        log_loss=_log_loss(shares[known], true[known]),
        calibration_error=_calibration_error(shares.max(axis=1), predicted == true),
        by_class=_by_class(table, row_labels),
        confusion=_merge_unknown(table, len(classes)),
        confusion_labels=[*classes, *([UNKNOWN_ROW] if unknown else [])],
        unknown_labels={label: unknown[label] for label in sorted(unknown)},
        notes=_notes(table, unknown, len(classes)),
    )


def score_answers(truth: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> dict[str, float]:
    """Return accuracy and macro-F1 of predicted labels, by the rules of `ClassificationScores`."""
    row_labels = [*classes, *sorted(set(truth) - set(classes))]
    table = confusion_table(
        _positions(truth, row_labels), _positions(predicted, classes), len(row_labels), len(classes)
    )
    accuracy, macro_f1 = accuracy_and_macro_f1(table)
    return {"accuracy": accuracy, "macro_f1": macro_f1}


def confusion_table(true: Ints, predicted: Ints, rows: int, columns: int) -> Ints:
    """Count how often each true class was predicted as each class: int64 (rows, columns)."""
    counts = np.bincount(true * columns + predicted, minlength=rows * columns)
    return counts.reshape(rows, columns).astype(np.int64)


def accuracy_and_macro_f1(table: Ints) -> tuple[float, float]:
    """Return accuracy and macro-F1 of a confusion table whose first rows are its columns' classes."""
    hits, true, predicted = _margins(table)
    f1, present = _f1(hits, true, predicted)
    return float(hits.sum() / table.sum()), float(f1.sum() / present.sum())


def fit_temperature(logits: npt.NDArray[np.floating[Any]], targets: npt.NDArray[np.integer[Any]]) -> float:
    """Return the temperature T under which softmax(logits / T) gives the targets the highest likelihood.

    Temperature scaling (Guo et al., 2017). The negative log likelihood is convex in 1/T, so its slope changes sign
    once; the zero is found on a logarithmic scale. It is never worse than T = 1 on the rows given.

    Args:
        logits: float (B, K), before any softmax.
        targets: int (B,), from 0 to K-1.

    Returns:
        T in [0.05, 20]. 1.0 where there is nothing to fit: no rows, one class, logits that are all equal, or targets
        that are all on top (every smaller T would do better, without end, which says nothing of doubt).

    Raises:
        DataError: the logits hold a NaN or an infinity.
    """
    scores = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(scores).all():
        raise diverged()
    if scores.size == 0:
        return 1.0
    scores = scores - scores.max(axis=1, keepdims=True)
    chosen = scores[np.arange(len(scores)), targets]
    if (chosen == 0).all():
        return 1.0

    def slope(log_temperature: float) -> float:
        """The derivative of the mean negative log likelihood with respect to 1/T; it falls as T rises."""
        expected = (softmax(scores, float(np.exp(log_temperature))) * scores).sum(axis=1)
        return float((expected - chosen).mean())

    low, high = np.log(LOWEST_TEMPERATURE), np.log(HIGHEST_TEMPERATURE)
    if slope(low) <= 0:
        return LOWEST_TEMPERATURE
    if slope(high) >= 0:
        return HIGHEST_TEMPERATURE
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return float(np.exp((low + high) / 2))


def _checked_probabilities(
    rows: int, probabilities: npt.NDArray[np.floating[Any]], classes: Sequence[str]
) -> npt.NDArray[np.float64]:
    shares = np.asarray(probabilities, dtype=np.float64)
    if rows == 0:
        raise DataError("There are no rows to score: give at least one row with a label.")
    if shares.shape != (rows, len(classes)):
        raise DataError(
            f"The probabilities have shape {shares.shape}, but {rows} labels and {len(classes)} classes "
            f"need {(rows, len(classes))}."
        )
    wrong = np.flatnonzero(~((shares >= 0).all(axis=1) & (np.abs(shares.sum(axis=1) - 1) < 1e-3)))
    if len(wrong):
        raise DataError(f"Row {wrong[0] + 1} holds no probabilities: they must be at least 0 and sum to 1.")
    return shares


def _positions(labels: Sequence[str], order: Sequence[str]) -> Ints:
    place = {label: position for position, label in enumerate(order)}
    return np.array([place[label] for label in labels], dtype=np.int64)


def _margins(table: Ints) -> tuple[Ints, Ints, Ints]:
    """Return hits, true counts and predicted counts, each int64 (rows of the table,)."""
    predicted = np.zeros(len(table), dtype=np.int64)
    predicted[: table.shape[1]] = table.sum(axis=0)
    hits = np.zeros(len(table), dtype=np.int64)
    hits[: table.shape[1]] = table.diagonal()
    return hits, table.sum(axis=1), predicted


def _f1(hits: Ints, true: Ints, predicted: Ints) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return F1 of each class (0 where it does not occur) and whether it occurs in the truth or the predictions."""
    occurrences = true + predicted
    return 2 * hits / np.maximum(occurrences, 1), occurrences > 0


def _bootstrap(table: Ints, seed: int) -> tuple[Floats, Floats]:
    """Return accuracy and macro-F1 of 1,000 resamples of the rows, float64 (1000,) each.

    Rows of one cell of the table are alike, so drawing rows with replacement is drawing the cells' counts from a
    multinomial distribution.
    """
    rows, columns = np.nonzero(table)
    counts = table[rows, columns]
    generator = np.random.default_rng(seed)
    at_once = max(1, _CELLS_AT_ONCE // len(counts))
    accuracies, macro_f1s = [], []
    for start in range(0, RESAMPLES, at_once):
        size = min(at_once, RESAMPLES - start)
        draws = generator.multinomial(counts.sum(), counts / counts.sum(), size=size)  # (resamples, cells)
        true, predicted = _sum_by(draws, rows, len(table)), _sum_by(draws, columns, len(table))
        hits = _sum_by(draws * (rows == columns), rows, len(table))  # (resamples, classes)
        f1, present = _f1(hits, true, predicted)
        accuracies.append(hits.sum(axis=1) / counts.sum())
        macro_f1s.append(f1.sum(axis=1) / present.sum(axis=1))
    return np.concatenate(accuracies), np.concatenate(macro_f1s)


def _sum_by(draws: Ints, group: Ints, groups: int) -> Ints:
    """Add up the columns of each group. (resamples, cells) -> (resamples, groups)"""
    order = np.argsort(group, kind="stable")
    present, starts = np.unique(group[order], return_index=True)
    sums = np.zeros((len(draws), groups), dtype=np.int64)
    sums[:, present] = np.add.reduceat(draws[:, order], starts, axis=1)
    return sums


def _interval(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _log_loss(shares: Floats, true: Ints) -> float:
    if len(true) == 0:
        return float("nan")
    chosen = shares[np.arange(len(true)), true]
    return float(-np.log(np.clip(chosen, np.finfo(np.float64).eps, 1)).mean())


def _calibration_error(confidence: Floats, right: npt.NDArray[np.bool_]) -> float:
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    # The mean over rows of a bin's gap is the sum over bins of |hits - sum of confidence|, divided by the rows.
    gaps = np.bincount(bins, weights=right - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def _by_class(table: Ints, labels: Sequence[str]) -> list[ClassScores]:
    hits, true, predicted = _margins(table)
    precision, recall = hits / np.maximum(predicted, 1), hits / np.maximum(true, 1)
    f1, _ = _f1(hits, true, predicted)
    columns = (precision.tolist(), recall.tolist(), f1.tolist(), true.tolist())
    return [ClassScores(*scores) for scores in zip(labels, *columns, strict=True)]


def _merge_unknown(table: Ints, classes: int) -> Ints:
    """Put the rows of all unknown labels together into one. (K+U, K) -> (K+1, K), or (K, K) without any"""
    if len(table) == classes:
        return table
    return np.concatenate([table[:classes], table[classes:].sum(axis=0, keepdims=True)])


def _notes(table: Ints, unknown: Counter[str], classes: int) -> list[str]:
    notes = []
    if unknown:
        names = ", ".join(repr(label) for label in sorted(unknown)[:3]) + (", …" if len(unknown) > 3 else "")
        notes.append(
            f"{_count(unknown.total(), 'row')} with {_count(len(unknown), 'label')} that training never had ({names}): "
            "counted wrong, and left out of the log loss."
        )
    _, true, predicted = _margins(table)
    absent = int((true + predicted == 0)[:classes].sum())
    if absent:
        notes.append(f"{_count(absent, 'class', 'classes')} neither true nor predicted here: left out of macro-F1.")
    return notes


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
