"""Hold rows out: seeded, and with every label in its share."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def stratified_split(targets: Ints, *, share: float, seed: int) -> tuple[Ints, Ints]:
    """Split rows in two so that each label stands in both parts in its share.

    A label with one row stays in the first part; one with two rows or more gives at least one to the second.

    Args:
        targets: int64 (N,), the label of every row.
        share: of the second part, in (0, 1).
        seed: of the draw.

    Returns:
        The rows of the first part and of the second, each in ascending order.
    """
    random = np.random.default_rng((seed, 0x5917))
    held = np.zeros(len(targets), dtype=bool)
    for label in np.unique(targets):
        rows = np.flatnonzero(targets == label)
        many = round(share * len(rows))
        many = min(max(many, 1), len(rows) - 1)
        held[random.permutation(rows)[:many]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def stratified_sample(targets: Ints, *, size: int, seed: int) -> Ints:
    """Draw at most `size` rows, ascending, so that each label keeps its share and at least one row.

    All rows are drawn if there are no more than `size`.
    """
    if len(targets) <= size:
        return np.arange(len(targets))
    _, labels, counts = np.unique(targets, return_inverse=True, return_counts=True)
    quotas = np.maximum(1, counts * max(size - len(counts), 0) // len(targets))
    random = np.random.default_rng(seed)
    drawn = [random.permutation(np.flatnonzero(labels == label))[:quota] for label, quota in enumerate(quotas)]
    return np.sort(np.concatenate(drawn))
