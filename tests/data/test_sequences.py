"""Texts and sequences of numbers as Python users pass them in."""

import numpy as np
import pytest

from bothways.data.sequences import as_sequences
from bothways.errors import DataError


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_empty_sequence_is_as_wide_as_the_others(place):
    sequences = [np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(4, 3)]
    sequences.insert(place, [])
    checked = as_sequences(sequences)
    assert checked[place].shape == (0, 3)
    for given, found in zip(sequences, checked, strict=True):
        np.testing.assert_array_equal(np.reshape(given, (-1, 3)), found)


def test_an_empty_sequence_is_as_wide_as_the_model_expects():
    assert [sequence.shape for sequence in as_sequences([[], np.zeros((0, 0))], features=5)] == [(0, 5), (0, 5)]


def test_sequences_that_are_all_empty_have_one_number_a_step():
    assert [sequence.shape for sequence in as_sequences([[], []])] == [(0, 1), (0, 1)]


def test_an_empty_array_that_names_another_width_is_refused():
    with pytest.raises(DataError, match=r"^sequences\[1\] has 2 numbers a step, but 3 are expected\.$"):
        as_sequences([np.zeros((4, 3)), np.zeros((0, 2))])


def test_steps_without_numbers_are_refused():
    with pytest.raises(DataError, match=r"^sequences\[0\] has no number in its steps, but it must have shape \(T, F\)"):
        as_sequences([[[], []], [[], []]])


def test_flat_numbers_count_as_one_number_a_step():
    np.testing.assert_array_equal(as_sequences([[], [4, 5]])[1], [[4], [5]])
