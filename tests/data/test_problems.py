"""Problems of memory: what the answer hangs on, and that nothing else tells it."""

import numpy as np
import pytest

from bothways.data.problems import COPIED, SYMBOLS, make_problem
from bothways.errors import SettingsError


@pytest.mark.parametrize("length", [2, 3, 50])
def test_only_the_first_token_tells_the_answer(length):
    problem = make_problem("first-token", length=length, rows=400, seed=0)
    ids = problem.inputs.argmax(axis=2)
    np.testing.assert_array_equal(ids[:, 0], problem.answers)
    assert (ids[:, 1:] >= SYMBOLS).all()
    assert set(problem.answers) == set(range(SYMBOLS))
    for step in range(1, min(length, 5)):  # of what stands there, each answer has its share
        found = [np.mean(problem.answers[ids[:, step] == symbol]) for symbol in np.unique(ids[:, step])]
        assert np.ptp(found) < 2.5


def test_the_answer_of_adding_is_the_sum_of_the_marked_numbers_one_in_each_half():
    problem = make_problem("adding", length=31, rows=5_000, seed=1)
    for (numbers, marks), total in zip(problem.inputs.transpose(0, 2, 1), problem.answers, strict=True):
        places = np.flatnonzero(marks)
        assert len(places) == 2
        assert places[0] < 15 <= places[1]
        assert total == pytest.approx(sum(numbers[place] for place in places), abs=1e-6)
    assert problem.symbols is None
    assert np.mean((problem.answers - 1) ** 2) == pytest.approx(problem.trivial, rel=0.05)


def test_what_is_to_be_copied_is_shown_first_and_never_again():
    problem = make_problem("copy", length=12, rows=50, seed=2)
    ids = problem.inputs.argmax(axis=2)
    assert ids.shape == (50, 12 + 2 * COPIED)
    np.testing.assert_array_equal(ids[:, :COPIED], problem.answers)
    assert (ids[:, COPIED:] >= SYMBOLS).all()
    assert (ids[:, 12 + COPIED - 1] == SYMBOLS + 1).all()
    assert ((ids == SYMBOLS + 1).sum(axis=1) == 1).all()


@pytest.mark.parametrize("name", ["first-token", "adding", "copy"])
def test_a_seed_decides_and_another_length_is_other_data(name):
    first, again, other = (make_problem(name, length=9, rows=20, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.inputs, again.inputs)
    assert (first.inputs != other.inputs).any()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "adding", "length": 1, "rows": 3}, "length is 1, but it must be at least 2"),
        ({"name": "adding", "length": 5, "rows": 0}, "rows is 0, but it must be at least 1"),
        ({"name": "addin", "length": 5, "rows": 3}, "Did you mean 'adding'?"),
    ],
)
def test_what_cannot_be_drawn_is_refused(given, message):
    with pytest.raises(SettingsError) as caught:
        make_problem(**given, seed=0)
    assert message in str(caught.value)
