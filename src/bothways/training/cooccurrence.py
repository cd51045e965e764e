"""Word vectors from the training texts alone: which words stand near which (PPMI, factored by SVD).

A network that starts from them knows on its first step that "dreadful" and "awful" are alike, before any label told it
so. The counts become positive pointwise mutual information, context counts smoothed by the power 0.75, and the
matrix's best approximation of rank E, with singular values under a root, gives the vectors (Levy, Goldberg & Dagan,
2015, "Improving distributional similarity with lessons learned from word embeddings").

Shapes: V vocabulary, E width of a vector.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bothways.data.batches import Ints, Sequences

WINDOW = 5  # steps to each side that count as near; a word d steps away counts 1/d
MOST_STEPS = 20_000_000  # of the texts, spread over all of them: more changes the vectors little
STEPS_AT_ONCE = 250_000  # what is counted before it is added up: bounds the memory
MOST_PAIRS = 5_000_000  # that are kept, the most frequent: bounds the memory for texts of any size
SPREAD = 0.1  # standard deviation of the vectors' numbers


def cooccurrence_vectors(sequences: Sequences, *, vocabulary: int, dim: int, seed: int) -> NDArray[np.float32]:
    """Make a vector for every token from the company it keeps.

    Args:
        sequences: token ids; 0 is padding and 1 the unknown token, which get vectors of zeros.
        vocabulary: V.
        dim: E; if the texts support fewer dimensions, the others are small random numbers.
        seed: of the random projection that the SVD starts from.

    Returns:
        float32 (V,E), with mean 0 and standard deviation 0.1 over the words that occur.
    """
    from sklearn.utils.extmath import randomized_svd

    near = _count(sequences, vocabulary)
    information = _positive_information(near)
    matrix = np.random.default_rng(seed).normal(scale=SPREAD, size=(vocabulary, dim)).astype(np.float32)
    rank = min(dim, *(size - 1 for size in information.shape))
    if information.nnz and rank > 0:
        left, strengths, _ = randomized_svd(information, n_components=rank, n_iter=3, random_state=seed % 2**32)
        vectors = left * np.sqrt(strengths)
        occurs = np.asarray(information.sum(axis=1)).ravel() > 0
        vectors = vectors - vectors[occurs].mean(axis=0)
        deviation = float(vectors[occurs].std())
        if deviation > 0:
            matrix[occurs, :rank] = vectors[occurs] * (SPREAD / deviation)
    matrix[:2] = 0
    return matrix


def _count(sequences: Sequences, vocabulary: int) -> Any:
    """How often two tokens stand near each other, weighted by 1/distance: symmetric, sparse (V,V)."""
    from scipy.sparse import coo_array, csr_array

    total = csr_array((vocabulary, vocabulary), dtype=np.float32)  # above the diagonal
    for rows in _blocks(sequences.lengths):
        taken = sequences.take(rows)
        ids = np.concatenate(taken).astype(np.int32)
        owner = np.repeat(rows, [len(sequence) for sequence in taken])
        pairs = []
        for distance in range(1, WINDOW + 1):
            left, right = ids[:-distance], ids[distance:]
            real = (owner[:-distance] == owner[distance:]) & (left > 1) & (right > 1)
            left, right = left[real], right[real]
            weight = np.full(len(left), 1 / distance, dtype=np.float32)
            pairs.append((np.minimum(left, right), np.maximum(left, right), weight))
        first, second, weight = (np.concatenate(part) for part in zip(*pairs, strict=True))
        total = total + coo_array((weight, (first, second)), shape=total.shape).tocsr()
        _keep_most_frequent(total)
    return (total + total.T).tocsr()


def _keep_most_frequent(pairs: Any) -> None:
    """Drop the rarest pairs in place if there are more than are kept."""
    too_many = pairs.nnz - MOST_PAIRS
    if too_many > 0:
        pairs.data[np.argpartition(pairs.data, too_many)[:too_many]] = 0
        pairs.eliminate_zeros()


def _blocks(lengths: Ints) -> Iterator[Ints]:
    """Rows to count together: all of them, or every k-th if that is too much, in blocks of bounded steps."""
    every = max(1, -(-int(lengths.sum()) // MOST_STEPS))
    rows = np.arange(0, len(lengths), every)
    block = np.cumsum(lengths[rows]) // STEPS_AT_ONCE
    for start, end in pairwise([0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(rows)]):
        yield rows[start:end]


def _positive_information(near: Any) -> Any:
    """Counts to positive pointwise mutual information, sparse (V,V); the counts are overwritten."""
    rows = np.asarray(near.sum(axis=1)).ravel().astype(np.float64)
    smoothed = rows**0.75
    of_row = np.log(np.maximum(rows, 1e-12)).astype(np.float32)
    of_column = np.log(np.maximum(smoothed / max(smoothed.sum(), 1e-12), 1e-12)).astype(np.float32)
    np.log(near.data, out=near.data)
    near.data -= np.repeat(of_row, np.diff(near.indptr))
    near.data -= of_column[near.indices]
    np.maximum(near.data, 0, out=near.data)
    near.eliminate_zeros()
    return near
