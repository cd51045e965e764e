"""Labels: read, checked to be classes, and turned into numbers.

A label is a text, a whole number or a bool. What looks like a measured number, like several labels a row or
like free text is refused with what to do instead.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.data.cells import spell
from bothways.errors import DataError, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bothways.data.batches import Ints
    from bothways.training.preparation import Source

MOST_CLASSES = 1_000


def read_labels(source: Source, skip: bool, notes: list[str]) -> tuple[list[Any], NDArray[np.bool_]]:
    """Read all labels; refuse or leave out rows without one."""
    # One object for each distinct label: a million equal strings would fill the memory.
    seen: dict[tuple[type, Any], Any] = {}
    labels = [
        seen.setdefault((type(plain), plain), plain)
        for _, chunk in source.chunks()
        for plain in map(plain_label, chunk)
    ]
    if not labels:
        raise DataError("There are no rows to train on. Give at least two rows of each of two labels.")
    kept = np.array([label is not None and label != "" for label in labels])
    if not kept.any():
        raise DataError(f"{source.where(0)} and all other rows have no label. Name another column with --label.")
    if not kept.all():
        row = int(np.argmin(kept))
        if not skip:
            raise DataError(
                f"{source.where(row)} has no label. Fill it in, or leave such rows out (--skip-unlabelled)."
            )
        notes.append(
            f"{counted(int((~kept).sum()), 'row')} without a label left out, the first at {source.where(row)}."
        )
    return [label for label, good in zip(labels, kept, strict=True) if good], kept


def plain_label(label: Any) -> Any:
    """NumPy's scalars to Python's; a missing value of any kind to None."""
    if isinstance(label, np.generic):
        label = label.item()
    if label is None or isinstance(label, (str, bool, int)):
        return label
    if isinstance(label, float):
        if label != label:
            return None
        if label.is_integer():
            return int(label)
        raise DataError(
            f"{label} is a label, but classify needs classes, not measured numbers. "
            "Cut the numbers into classes first, such as low, medium, high."
        )
    if isinstance(label, (list, tuple, set, np.ndarray)):
        raise DataError(
            f"{label!r} is a label, but each row must have one label: several labels a row are not supported. "
            "Train one model for each label, or choose one label a row."
        )
    if type(label).__name__ in ("NAType", "NaTType"):
        return None
    raise DataError(f"A label is {type(label).__name__}, but it must be text, a whole number, or True or False.")


def distinct_classes(labels: list[Any], source: Source, kept: NDArray[np.bool_]) -> list[Any]:
    """List the distinct labels in order, or say why they are no classes; `kept` says which rows they are of."""
    kinds = {type(label) for label in labels}
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise DataError(f"Labels are of several types ({names}). Make them all text, or all whole numbers.")
    classes = sorted(set(labels))
    if len(classes) < 2:
        raise DataError(f"All {len(labels)} rows have the label {classes[0]!r}, but two labels or more are needed.")
    # A table's values are text: 3.75 beside 4 is a measured number, while 1 to 5 may be stars.
    if all(_number(label) is not None for label in classes) and any(_is_decimal(label) for label in classes):
        row = next(row for row, label in enumerate(labels) if _is_decimal(label))
        place = source.where(int(np.flatnonzero(kept)[row]))
        raise DataError(
            f"{place} has the label {labels[row]!r}: classify needs classes, not measured numbers. "
            "Cut the numbers into classes first, such as low, medium, high."
        )
    if len(classes) > min(MOST_CLASSES, len(labels) / 2) and len(labels) > 20:
        raise DataError(
            f"{len(classes)} different labels in {len(labels)} rows look like numbers or free text, not classes. "
            "Choose another column with --label."
        )
    return classes


def _number(label: Any) -> float | None:
    """The finite number that a label is, or whose spelling it is."""
    try:
        number = float(label)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _is_decimal(label: Any) -> bool:
    """Whether a label is a number with a fraction, such as 3.75."""
    number = _number(label)
    return number is not None and not number.is_integer()


def numbered(labels: list[Any], classes: list[Any]) -> Ints:
    """The place of each label among the classes, int64 (N,); -1 for one that is not among them."""
    place = {label: index for index, label in enumerate(classes)}
    return np.array([place.get(label, -1) for label in labels], dtype=np.int64)


def names_of(classes: Sequence[Any]) -> list[str]:
    """Spell classes as text, as tables spell the same values."""
    return [str(spell(label)) for label in classes]


def some(values: Sequence[Any], most: int = 10) -> str:
    """The first of several values, for a message."""
    shown = ", ".join(str(value) for value in values[:most])
    return shown if len(values) <= most else f"{shown} and {len(values) - most} more"
