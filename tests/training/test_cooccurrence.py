import numpy as np
import pytest

from bothways.data.batches import InMemory
from bothways.training import cooccurrence
from bothways.training.cooccurrence import WINDOW, _count, _positive_information, cooccurrence_vectors


def random_rows(seed=0, rows=30, vocabulary=9):
    random = np.random.default_rng(seed)
    return [random.integers(0, vocabulary, size=size).astype(np.int32) for size in random.integers(0, 12, size=rows)]


def counted_by_hand(rows, vocabulary):
    near = np.zeros((vocabulary, vocabulary))
    for row in rows:
        for here, first in enumerate(row):
            for there, second in enumerate(row):
                if 0 < abs(here - there) <= WINDOW and first > 1 and second > 1:
                    near[first, second] += 1 / abs(here - there)
    return near


def test_counts_are_those_of_a_plain_loop():
    rows = random_rows()
    np.testing.assert_allclose(_count(InMemory(rows), 9).toarray(), counted_by_hand(rows, 9), rtol=1e-5)


def test_any_seed_will_do():
    rows = InMemory(random_rows())
    vectors = [cooccurrence_vectors(rows, vocabulary=9, dim=3, seed=seed) for seed in (0, 2**32)]
    for one in vectors:
        assert np.isfinite(one).all()


def test_of_too_many_pairs_the_most_frequent_are_kept(monkeypatch):
    # Word 2 stands beside each of 3..7, beside 7 in most rows; every row is counted by itself.
    rows = [np.array([2, other], np.int32) for other in (7, 7, 7, 3, 4, 7, 5, 6, 7)]
    monkeypatch.setattr(cooccurrence, "MOST_PAIRS", 2)
    monkeypatch.setattr(cooccurrence, "STEPS_AT_ONCE", 2)
    near = _count(InMemory(rows), 8).toarray()
    assert near[2, 7] == near[7, 2] == 5
    assert np.count_nonzero(near) <= 4
    monkeypatch.setattr(cooccurrence, "MOST_PAIRS", 5)
    np.testing.assert_allclose(_count(InMemory(rows), 8).toarray(), counted_by_hand(rows, 8))


def test_information_is_that_of_a_plain_loop():
    near = counted_by_hand(random_rows(), 9)
    share = near.sum(axis=1) ** 0.75 / (near.sum(axis=1) ** 0.75).sum()
    expected = np.zeros_like(near)
    for first in range(9):
        for second in range(9):
            if near[first, second]:
                expected[first, second] = max(0, np.log(near[first, second] / near[first].sum() / share[second]))
    found = _positive_information(_count(InMemory(random_rows()), 9)).toarray()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_words_that_keep_the_same_company_are_alike():
    random = np.random.default_rng(0)
    # 2 and 3 stand among 10..14, 4 and 5 among 20..24.
    rows = []
    for _ in range(400):
        word, start = (int(random.integers(2, 4)), 10) if random.random() < 0.5 else (int(random.integers(4, 6)), 20)
        rows.append(np.array([*random.integers(start, start + 5, 3), word, *random.integers(start, start + 5, 3)]))
    vectors = cooccurrence_vectors(InMemory(rows), vocabulary=25, dim=4, seed=0)

    def alike(one, other):
        return vectors[one] @ vectors[other] / np.linalg.norm(vectors[one]) / np.linalg.norm(vectors[other])

    assert alike(2, 3) > 0.8
    assert alike(4, 5) > 0.8
    assert alike(2, 4) < 0.3


def test_the_spread_is_as_stated_and_padding_is_zero():
    vectors = cooccurrence_vectors(InMemory(random_rows(rows=200)), vocabulary=9, dim=3, seed=0)
    assert not vectors[:2].any()
    assert vectors[2:].std() == pytest.approx(0.1, rel=1e-3)


def test_the_same_seed_gives_the_same_vectors():
    rows = InMemory(random_rows())
    one, other = (cooccurrence_vectors(rows, vocabulary=9, dim=20, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert np.isfinite(one).all()


@pytest.mark.parametrize("rows", [[np.zeros(0, np.int32)], [np.array([2], np.int32)], [np.ones(5, np.int32)]])
def test_texts_without_company_give_small_random_vectors(rows):
    vectors = cooccurrence_vectors(InMemory(rows), vocabulary=6, dim=3, seed=0)
    assert np.isfinite(vectors).all()
    assert vectors[2:].std() > 0
