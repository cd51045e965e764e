"""The chain in use against every path one by one, and against the chain that trains."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from bothways.decoding import chain as used
from bothways.decoding.chain import LinearChain
from bothways.nn import chain as trained


def make(labels, lengths, *, seed=0, blocked=False):
    random = np.random.default_rng(seed)
    lengths = np.array(lengths)
    emissions = random.normal(size=(len(lengths), lengths.max(), labels))
    for row, length in enumerate(lengths):
        emissions[row, length:] = np.nan
    transitions = random.normal(size=(labels, labels))
    if blocked:
        forbidden = random.random((labels, labels)) < 0.4
        forbidden[0] = forbidden[:, 0] = False
        transitions[forbidden] = -np.inf
    return emissions, LinearChain(transitions, random.normal(size=labels), random.normal(size=labels)), lengths


def every_path(emissions, chain, length):
    paths = list(product(range(emissions.shape[1]), repeat=int(length)))
    return paths, np.array([chain.score(emissions, np.array(path)) for path in paths])


chains = given(
    some.integers(1, 4), some.lists(some.integers(1, 5), min_size=1, max_size=5), some.integers(0, 99), some.booleans()
)


@settings(deadline=None, max_examples=40)
@chains
def test_the_best_path_is_the_best_of_all(labels, lengths, seed, blocked):
    emissions, chain, lengths = make(labels, lengths, seed=seed, blocked=blocked)
    found, scores = chain.best(emissions, lengths)
    for row, length in enumerate(lengths):
        paths, all_scores = every_path(emissions[row], chain, length)
        assert tuple(found[row, :length]) == paths[int(all_scores.argmax())]
        assert scores[row] == pytest.approx(all_scores.max())
        assert not found[row, length:].any()


@settings(deadline=None, max_examples=40)
@given(some.integers(1, 4), some.lists(some.integers(1, 5), min_size=1, max_size=5), some.integers(0, 99))
def test_of_equal_paths_the_one_with_the_lower_last_label_that_differs_is_given(labels, lengths, seed):
    """Whole numbers, so that equal sums are equal to the last bit."""
    random = np.random.default_rng(seed)
    emissions = random.integers(0, 2, size=(len(lengths), max(lengths), labels)).astype(np.float64)
    sizes = ((labels, labels), labels, labels)
    chain = LinearChain(*(random.integers(0, 2, size=size).astype(np.float64) for size in sizes))
    found, _ = chain.best(emissions, np.array(lengths))
    for row, length in enumerate(lengths):
        paths, scores = every_path(emissions[row], chain, length)
        equal = [path for path, score in zip(paths, scores, strict=True) if score == scores.max()]
        assert tuple(found[row, :length]) == min(equal, key=lambda path: path[::-1])


@settings(deadline=None, max_examples=40)
@chains
def test_the_chances_are_those_of_every_path_and_of_the_chain_that_trains(labels, lengths, seed, blocked):
    emissions, chain, lengths = make(labels, lengths, seed=seed, blocked=blocked)
    found, partition = chain.marginals(emissions, lengths)
    for row, length in enumerate(lengths):
        paths, scores = every_path(emissions[row], chain, length)
        wanted = np.zeros((length, labels))
        for path, score in zip(paths, scores, strict=True):
            wanted[np.arange(length), path] += np.exp(score - partition[row])
        np.testing.assert_allclose(found[row, :length], wanted, atol=1e-12)
        assert not found[row, length:].any()
    there = trained.Chain(*(torch.from_numpy(part) for part in (chain.transitions, chain.start, chain.end)))
    given_ = torch.from_numpy(emissions), there, torch.from_numpy(lengths)
    np.testing.assert_allclose(found, trained.marginals(*given_), atol=1e-12)
    np.testing.assert_allclose(partition, trained.log_partition(*given_))


@settings(deadline=None, max_examples=40)
@given(some.integers(1, 4), some.integers(1, 5), some.integers(1, 30), some.integers(0, 99), some.booleans())
def test_the_k_best_are_the_first_k_of_all(labels, length, count, seed, blocked):
    (emissions,), chain, _ = make(labels, [length], seed=seed, blocked=blocked)
    paths, scores = every_path(emissions, chain, length)
    order = [place for place in np.argsort(-scores) if np.isfinite(scores[place])][:count]
    found = chain.k_best(emissions, count)
    assert [tuple(path.labels) for path in found] == [paths[place] for place in order]
    np.testing.assert_allclose([path.score for path in found], scores[order])


@pytest.mark.parametrize("blocked", [True, False])
def test_both_readings_are_sums_over_beginnings_and_over_ends(blocked):
    (emissions,), chain, _ = make(3, [4], blocked=blocked)
    before, behind = chain.from_both_sides(emissions)
    for step in range(4):
        for label in range(3):
            begun = [
                chain.start[path[0]]
                + sum(emissions[at, one] for at, one in enumerate(path))
                + sum(chain.transitions[one, other] for one, other in pairwise(path))
                for path in product(range(3), repeat=step + 1)
                if path[-1] == label
            ]
            ended = [
                chain.end[path[-1]]
                + sum(emissions[step + at, one] for at, one in enumerate(path) if at)
                + sum(chain.transitions[one, other] for one, other in pairwise(path))
                for path in product(range(3), repeat=4 - step)
                if path[0] == label
            ]
            assert before[step, label] == pytest.approx(np.logaddexp.reduce(begun))
            assert behind[step, label] == pytest.approx(np.logaddexp.reduce(ended))


def test_drawn_paths_come_as_often_as_they_are_likely():
    (emissions,), chain, _ = make(3, [3], blocked=True)
    paths, scores = every_path(emissions, chain, 3)
    chances = np.exp(scores - np.logaddexp.reduce(scores))
    drawn = chain.sample(emissions, 40_000, np.random.default_rng(1))
    counts = dict.fromkeys(paths, 0)
    for path in map(tuple, drawn):
        counts[path] += 1
    spread = np.sqrt(chances * (1 - chances) / 40_000)
    assert (np.abs(np.array(list(counts.values())) / 40_000 - chances) <= 5 * spread).all()
    assert all(not counts[path] for path, chance in zip(paths, chances, strict=True) if chance == 0)


def test_a_sequence_has_the_same_path_alone_as_in_company(monkeypatch):
    random = np.random.default_rng(2)
    emissions, chain, lengths = make(4, random.integers(1, 12, size=23), seed=5)
    together = chain.best(emissions, lengths)[0], chain.marginals(emissions, lengths)[0]
    monkeypatch.setattr(used, "PAIRS_AT_ONCE", 1)
    alone = chain.best(emissions, lengths)[0], chain.marginals(emissions, lengths)[0]
    np.testing.assert_array_equal(together[0], alone[0])
    np.testing.assert_allclose(together[1], alone[1], atol=1e-12)


def test_float32_stays_finite_over_ten_thousand_steps():
    random = np.random.default_rng(0)
    emissions = (5 * random.normal(size=(1, 10_000, 20))).astype(np.float32)
    chain = LinearChain(*(random.normal(size=size).astype(np.float32) for size in ((20, 20), 20, 20)))
    chances, partition = chain.marginals(emissions, np.array([10_000]))
    np.testing.assert_allclose(chances.sum(axis=2), 1, rtol=1e-6)
    assert np.isfinite(partition).all()
    labels, scores = chain.best(emissions, np.array([10_000]))
    assert scores[0] == pytest.approx(chain.score(emissions[0].astype(np.float64), labels[0]), rel=1e-4)


def test_a_step_that_nothing_explains_leaves_all_chances_zero():
    emissions, chain, lengths = make(3, [4])
    emissions[0, 2] = -np.inf
    chances, partition = chain.marginals(emissions, lengths)
    assert partition[0] == -np.inf
    assert not chances.any()
    assert chain.k_best(emissions[0], 3) == []


def test_one_step_onward_is_the_forward_reading():
    """From the sums before a step and those behind it, the partition at every step."""
    emissions, chain, lengths = make(3, [5, 2, 4], blocked=True)
    for rows, before, behind, partition in chain.readings(emissions, lengths):
        for place, row in enumerate(rows):
            for step in range(lengths[row]):
                total = np.logaddexp.reduce(before[place, step] + behind[place, step])
                assert total == pytest.approx(partition[place])
            for step in range(1, lengths[row]):
                reached = chain.onward(before[place, step - 1]) + emissions[row, step]
                np.testing.assert_allclose(reached, before[place, step])
