"""A memory of what was read: the continuous cache (Grave, Joulin and Usunier, 2017, "Improving Neural Language Models
with a Continuous Cache").

The reader's output h[i] at each of the last N steps is kept with the token x[i+1] that came next. Where the reader's
output is h[t] now, the memory gives the next token the probability

    c[t](v)  proportional to  sum over the kept i with x[i+1] = v of exp(sharpness * h[t]·h[i])

and a model with a memory mixes it with its own: (1 - share) p[t](v) + share c[t](v). Nothing is trained.

Shapes: T steps, H width of the reader's output, N steps kept, K values of the sharpness.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

AT_ONCE = 128  # steps whose likeness to the memory is computed together: bounds the memory
SHARPNESS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.45, 0.7, 1.0)  # what is tried on validation data
SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)


@dataclass(frozen=True)
class Cache:
    """How a model uses its memory."""

    size: int  # N
    share: float
    sharpness: float

    def mix(self, losses: NDArray[np.float32], chances: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give -log probability with the memory, float32 (T,): see `mix`."""
        return mix(losses, chances, self.share)

    def to_dict(self) -> dict[str, Any]:
        """Give everything for JSON."""
        return asdict(self)


class Memory:
    """The last N steps of one text."""

    def __init__(self, size: int, sharpness: Sequence[float]) -> None:
        self._size, self._sharpness = size, sharpness
        self._outputs: NDArray[np.float32] | None = None
        self._tokens = np.zeros(0, dtype=np.int64)

    def look(self, outputs: NDArray[np.float32], tokens: NDArray[Any]) -> NDArray[np.float32]:
        """Go on by some steps: the log probability that the memory gives to what came next at each, float32 (K,T).

        It is -inf for a token that the memory does not hold, and NaN where nothing is kept yet.

        Args:
            outputs: the reader's, float32 (T,H).
            tokens: what came next, int (T,).
        """
        parts = [
            self._look(outputs[first : first + AT_ONCE], tokens[first : first + AT_ONCE])
            for first in range(0, len(tokens), AT_ONCE)
        ]
        return np.concatenate([np.zeros((len(self._sharpness), 0), np.float32), *parts], axis=1)

    def _look(self, outputs: NDArray[np.float32], tokens: NDArray[Any]) -> NDArray[np.float32]:
        kept = outputs if self._outputs is None else np.concatenate([self._outputs, outputs])
        names = np.concatenate([self._tokens, tokens])
        old = len(names) - len(tokens)
        now = old + np.arange(len(tokens))[:, None]
        place = np.arange(len(names))
        seen = (place < now) & (place >= now - self._size)
        likeness = np.where(seen, outputs @ kept.T, -np.inf)
        same = names == tokens[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            likeness -= likeness.max(axis=1, keepdims=True)
            found = []
            for sharpness in self._sharpness:
                weights = np.exp(sharpness * likeness)
                found.append(np.log((weights * same).sum(axis=1) / weights.sum(axis=1)))
        self._outputs, self._tokens = kept[-self._size :].copy(), names[-self._size :]
        return np.stack(found).astype(np.float32)


def mix(losses: NDArray[np.float32], chances: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Give -log((1 - share) exp(-losses) + share exp(chances)), float32 (T,); where chances are NaN, the losses."""
    kept = ~np.isnan(chances)
    mixed = losses.astype(np.float32)
    mixed[kept] = -np.logaddexp(np.log1p(-share) - losses[kept], np.log(share) + chances[kept])
    return mixed


def choose_cache(size: int, losses: NDArray[np.float32], chances: NDArray[np.float32]) -> Cache | None:
    """Choose sharpness and share on validation data; None if no memory is best.

    Args:
        size: N.
        losses: the network's own -log probabilities, float32 (T,), nats.
        chances: what the memory gives at each of `SHARPNESS`, float32 (K,T).
    """
    best, chosen = float(losses.mean(dtype=np.float64)), None
    for sharpness, row in zip(SHARPNESS, chances, strict=True):
        for share in SHARES:
            loss = float(mix(losses, row, share).mean(dtype=np.float64))
            if loss < best:
                best, chosen = loss, Cache(size, share, sharpness)
    return chosen
