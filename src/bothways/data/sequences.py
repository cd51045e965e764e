"""What Python users pass in, checked: texts, or sequences of numbers."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bothways.errors import DataError


def holds_texts(first: object) -> bool:
    """Whether an input of which this is the first element is made of texts."""
    return isinstance(first, str) or first is None


def as_texts(texts: Iterable[Any]) -> list[str]:
    """Check that every element is a text; a pandas Series, an array and an Arrow column are fine.

    Raises:
        DataError: a single string was given, or an element is no string.
    """
    if isinstance(texts, (str, bytes)):
        raise DataError(
            f"texts is one {type(texts).__name__}, but it must be a list of texts: [{literal_start(texts)!r}]."
        )
    checked = [str(text) if isinstance(text, np.str_) else text for text in texts]
    for row, text in enumerate(checked):
        if not isinstance(text, str):
            raise DataError(
                f"texts[{row}] is {type(text).__name__} {literal_start(text)!r}, but it must be a str. "
                "Fill or drop missing texts first."
            )
    return checked


def as_sequences(sequences: Iterable[Any], *, features: int | None = None) -> list[NDArray[np.float32]]:
    """Check sequences of numbers and give each as float32 (T,F); (T,) counts as (T,1), and [] as (0,F).

    Args:
        sequences: arrays or nested lists, one for each row.
        features: F that is expected; None takes the first sequence's.

    Raises:
        DataError: something is not a number, not finite, or of another width.
    """
    checked: list[NDArray[np.float32] | None] = []  # None for an empty one, whose width the others decide
    for row, sequence in enumerate(sequences):
        try:
            array = np.asarray(sequence, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise DataError(f"sequences[{row}] is not an array of numbers of shape (T, F): {error}.") from error
        if array.shape in ((0,), (0, 0)):
            checked.append(None)
            continue
        if array.ndim == 1:
            array = array[:, None]
        if array.ndim != 2:
            raise DataError(f"sequences[{row}] has {array.ndim} dimensions, but it must have shape (T, F).")
        if features is None:
            features = array.shape[1]
        if not features:
            raise DataError(
                f"sequences[{row}] has no number in its steps, but it must have shape (T, F), F at least 1."
            )
        if array.shape[1] != features:
            raise DataError(f"sequences[{row}] has {array.shape[1]} numbers a step, but {features} are expected.")
        if not np.isfinite(array).all():
            raise DataError(f"sequences[{row}] holds a NaN or an infinity. Fill or drop missing values first.")
        checked.append(array)
    empty = np.zeros((0, features or 1), dtype=np.float32)
    return [empty if array is None else array for array in checked]


def literal_start(value: object) -> str:
    """The first characters of a value, for a message."""
    return str(value)[:30]
