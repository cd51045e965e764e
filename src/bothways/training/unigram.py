"""The simplest model of words: how often each occurs, whatever stands around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from safetensors.numpy import load_file, save

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Unigram:
    """Predict every word by how often it occurred, one occurrence added to each."""

    counts: NDArray[np.int64]  # (V,)

    def judge(self, words: NDArray[Any], never: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Give -log probability of ids (N,), nats, and whether each is the most frequent of all but `never`."""
        shares = (self.counts + 1) / (self.counts + 1).sum()
        allowed = self.counts.copy()
        allowed[list(never)] = -1
        return -np.log(shares[words]), words == allowed.argmax()

    def save(self, path: Path) -> None:
        """Write one safetensors file."""
        path.write_bytes(save({"counts": self.counts.astype(np.int64)}))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        return cls(load_file(path)["counts"])
