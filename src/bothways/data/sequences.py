"""What Python users pass in, checked: texts, or sequences of numbers."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bothways.errors import DataError


def holds_texts(inputs: Sequence[object]) -> bool:
    """Whether inputs, at least one, are texts, some of them missing perhaps."""
    return inputs[0] is None or any(isinstance(one, str) for one in inputs)


def listed(given: Iterable[Any], name: str = "texts") -> list[Any]:
    """List what stands in a list, an array, a column of a table of pandas or of Arrow, or comes one by one.

    Raises:
        DataError: a whole table of pandas, which would give the names of its columns, or a single string.
    """
    if isinstance(given, (str, bytes)):
        kind = type(given).__name__
        raise DataError(f"{name} is one {kind}, but it must be a list of texts: [{literal_start(given)!r}].")
    if hasattr(given, "iterrows"):
        columns = [*getattr(given, "columns", ())]
        raise DataError(f"{name} is a table, but it must be one of its columns: {', '.join(map(repr, columns[:9]))}.")
    return list(given.to_pylist() if hasattr(given, "to_pylist") else given)


def as_parts(given: Any, *names: str) -> tuple[Any, ...]:
    """Check what must hold several lists side by side, such as texts and labels.

    Raises:
        DataError: something else, or another number of them.
    """
    if isinstance(given, (tuple, list)) and len(given) == len(names):
        return tuple(given)
    what = f"holds {len(given)} elements" if isinstance(given, (tuple, list)) else f"is a {type(given).__name__}"
    raise DataError(f"validation {what}, but it must be ({', '.join(names)}).")


def as_texts(texts: Iterable[Any]) -> list[str]:
    """Check that every element is a text; a pandas Series, an array and an Arrow column are fine.

    Raises:
        DataError: a single string or a whole table was given, or an element is no string.
    """
    checked = [str(text) if isinstance(text, np.str_) else text for text in listed(texts)]
    for row, text in enumerate(checked):
        if not isinstance(text, str):
            raise DataError(
                f"texts[{row}] is {type(text).__name__} {literal_start(text)!r}, but it must be a str. "
                "Fill or drop missing texts first."
            )
    return checked


def as_sentences(sentences: Iterable[Any], name: str = "sentences") -> list[list[str]]:
    """Check that every element is a list of words.

    Raises:
        DataError: a text that is not cut into words, or a word that is no str.
    """
    if isinstance(sentences, str):
        raise DataError(f"{name} is one str, but it must be a list of sentences, each a list of words.")
    found = []
    for row, words in enumerate(listed(sentences, name)):
        if isinstance(words, str):
            raise DataError(f"{name}[{row}] is a str, but it must be a list of words: {words.split()[:4]!r}.")
        if not isinstance(words, Iterable):
            raise DataError(f"{name}[{row}] is {words!r}, but it must be a list of words.")
        held = list(words)  # once: an iterator gives its words but one time
        if not all(isinstance(word, str) for word in held):
            wrong = next(word for word in held if not isinstance(word, str))
            raise DataError(f"{name}[{row}] holds {wrong!r}, but words must be str.")
        found.append([str(word) for word in held])
    return found


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
