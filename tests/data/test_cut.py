"""Long sequences cut into pieces: every token that is predicted stands in one piece, with what is read around it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bothways.data.batches import InMemory
from bothways.data.windows import Cut


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(1, 9), st.sampled_from([1, 2]))
def test_every_prediction_stands_in_one_piece_beside_its_neighbours(predictions, steps, shared):
    sequences = [np.arange(count + shared) + 100 * row for row, count in enumerate(predictions)]
    pieces = Cut(InMemory(sequences), steps, shared=shared)
    rows = np.arange(len(pieces.lengths))
    taken = pieces.take(rows)
    assert [len(piece) for piece in taken] == pieces.lengths.tolist()
    inside = slice(1, None) if shared == 1 else slice(1, -1)
    predicted = np.concatenate([np.zeros(0, int), *(piece[inside] for piece in taken)])
    assert predicted.tolist() == [token for sequence in sequences for token in sequence[inside].tolist()]
    for owner, start, piece in zip(pieces.owners, pieces.starts, taken, strict=True):
        assert piece.tolist() == sequences[owner][start : start + len(piece)].tolist()
        assert shared < len(piece) <= steps + shared
    for owner, count in enumerate(predictions):
        sizes = pieces.lengths[pieces.owners == owner]
        assert len(sizes) == -(-count // steps)
        assert not len(sizes) or sizes.max() - sizes.min() <= 1
