"""Probabilities against exact fractions and the laws of softmax."""

from fractions import Fraction
from math import log

import numpy as np
import pytest

from bothways.decoding.probabilities import softmax
from bothways.errors import DataError


def test_logs_of_whole_numbers_give_their_exact_shares():
    weights = [1, 2, 5]
    shares = [float(Fraction(weight, sum(weights))) for weight in weights]

    np.testing.assert_allclose(softmax([log(weight) for weight in weights]), shares, rtol=1e-15)


def test_a_temperature_of_two_takes_the_square_root_of_every_weight():
    weights = np.array([1.0, 4.0, 25.0])

    np.testing.assert_allclose(softmax(np.log(weights), temperature=2.0), np.array([1, 2, 5]) / 8, rtol=1e-15)


def test_huge_scores_give_the_same_probabilities_as_the_same_scores_shifted():
    scores = np.array([[1.0, 3.0, -2.0], [0.5, 0.0, 0.25]])

    np.testing.assert_allclose(softmax(scores + 1e6), softmax(scores), rtol=1e-9)
    assert softmax([1e307, -1e307]).tolist() == [1.0, 0.0]


def test_float32_scores_are_normalised_in_float64():
    scores = np.random.default_rng(0).normal(size=(3, 7)).astype(np.float32)

    assert np.abs(softmax(scores).sum(axis=1) - 1).max() < 1e-15


def test_an_impossible_choice_gets_nothing_and_the_others_share_the_rest():
    np.testing.assert_allclose(softmax([log(3), -np.inf, 0.0]), [0.75, 0.0, 0.25], rtol=1e-15)


def test_every_temperature_keeps_the_order_of_the_scores():
    scores = np.random.default_rng(1).normal(size=(4, 5))

    for temperature in (0.1, 1.0, 9.0):
        assert (softmax(scores, temperature).argsort(axis=1) == scores.argsort(axis=1)).all()


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_no_positive_number_is_refused(temperature):
    with pytest.raises(DataError, match=r"^temperature is .*, but it must be a positive number"):
        softmax([0.0, 1.0], temperature)
