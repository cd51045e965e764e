"""From scores to probabilities, in numpy."""

import numpy as np
import numpy.typing as npt

from bothways.errors import DataError


def softmax(logits: npt.ArrayLike, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Turn each row of scores into probabilities that sum to 1.

    Neither huge scores nor a shift of a whole row change the answer: the largest score of a row is taken off first.
    A score of minus infinity means "impossible" and gets probability 0.

    Args:
        logits: float (..., K), in any precision; computed in float64.
        temperature: above 1 evens the probabilities out, below 1 sharpens them; the order never changes.

    Returns:
        float64 (..., K).

    Raises:
        DataError: the temperature is not a positive number.
    """
    if not 0 < temperature < np.inf:
        raise DataError(
            f"temperature is {temperature}, but it must be a positive number; 1 leaves the scores as they are."
        )
    scores = np.asarray(logits, dtype=np.float64)
    weights = np.exp((scores - scores.max(axis=-1, keepdims=True)) / temperature)
    probabilities: npt.NDArray[np.float64] = weights / weights.sum(axis=-1, keepdims=True)
    return probabilities
