"""Expectation and maximisation against every path one by one, and what must come of it."""

import math
from itertools import permutations, product

import numpy as np
import pytest
import torch

from bothways.decoding.hidden_states import HiddenStates
from bothways.errors import DataError, SettingsError
from bothways.training.baum_welch import baum_welch, expected_counts

KNOWN = HiddenStates(
    ["a", "b", "c", "d"],
    np.array([0.8, 0.2]),
    np.array([[0.9, 0.1], [0.2, 0.8]]),
    np.array([[0.6, 0.3, 0.1, 0.0], [0.0, 0.1, 0.2, 0.7]]),
)


def joint(model, symbols, states):
    """The probability of symbols and states together, factor by factor."""
    places = [model.symbols.index(symbol) for symbol in symbols]
    found = model.start[states[0]] * model.emissions[states[0], places[0]]
    for step in range(1, len(states)):
        found *= model.transitions[states[step - 1], states[step]] * model.emissions[states[step], places[step]]
    return found


@pytest.mark.parametrize("symbols", ["abcd", "d", "ddab"])
def test_states_and_likelihood_are_those_of_every_path(symbols):
    paths = list(product(range(2), repeat=len(symbols)))
    chances = np.array([joint(KNOWN, symbols, path) for path in paths])
    assert KNOWN.log_likelihood([symbols])[0] == pytest.approx(math.log(chances.sum()))
    assert tuple(KNOWN.predict([symbols])[0]) == paths[int(chances.argmax())]
    wanted = np.zeros((len(symbols), 2))
    for path, chance in zip(paths, chances / chances.sum(), strict=True):
        wanted[np.arange(len(symbols)), path] += chance
    np.testing.assert_allclose(KNOWN.marginals([symbols])[0], wanted)


def test_a_sequence_without_symbols_has_no_states_and_is_certain_alone_and_in_company():
    for sequences in ([""], ["", "ab", ""], ["ab", ""]):
        found = KNOWN.predict(sequences), KNOWN.marginals(sequences), KNOWN.log_likelihood(sequences)
        for symbols, path, chances, likelihood in zip(sequences, *found, strict=True):
            assert path.tolist() == (KNOWN.predict([symbols])[0].tolist() if symbols else [])
            assert chances.shape == (len(symbols), 2)
            assert likelihood == (KNOWN.log_likelihood([symbols])[0] if symbols else 0.0)


def test_expected_counts_are_those_of_every_path():
    symbols, other = "abdc", "ba"
    tables = tuple(torch.from_numpy(table).clamp(min=1e-12).log() for table in
                   (KNOWN.start, KNOWN.transitions, KNOWN.emissions))  # fmt: skip
    inputs = torch.tensor([[0, 1, 3, 2], [1, 0, 0, 0]])
    (first, pairs, seen), likelihood = expected_counts(tables, inputs, torch.tensor([4, 2]))
    wanted = [np.zeros(2), np.zeros((2, 2)), np.zeros((2, 4))]
    total = 0.0
    for text in (symbols, other):
        paths = list(product(range(2), repeat=len(text)))
        chances = np.array([joint(KNOWN, text, path) for path in paths])
        total += math.log(chances.sum())
        for path, chance in zip(paths, chances / chances.sum(), strict=True):
            wanted[0][path[0]] += chance
            for step, state in enumerate(path):
                wanted[2][state, "abcd".index(text[step])] += chance
                if step:
                    wanted[1][path[step - 1], state] += chance
    for found, other_way in zip((first, pairs, seen), wanted, strict=True):
        np.testing.assert_allclose(found, other_way, atol=1e-9)
    assert likelihood == pytest.approx(total)


@pytest.fixture(scope="module")
def drawn():
    random = np.random.default_rng(0)
    return [KNOWN.sample(60, random) for _ in range(120)]


def test_the_likelihood_never_falls_and_a_known_model_is_found_again(drawn):
    sequences = [symbols for symbols, _ in drawn]
    found = baum_welch(sequences, 2, steps=60, restarts=2)
    assert (np.diff(found.log_likelihoods) >= -1e-6).all()
    assert found.log_likelihoods[-1] >= KNOWN.log_likelihood(sequences).sum()  # the best for these, not for all
    order = max(
        permutations(range(2)), key=lambda order: -np.abs(found.model.emissions[list(order)] - KNOWN.emissions).sum()
    )
    order = list(order)
    np.testing.assert_allclose(found.model.emissions[order], KNOWN.emissions, atol=0.05)
    np.testing.assert_allclose(found.model.transitions[np.ix_(order, order)], KNOWN.transitions, atol=0.05)
    for table in (found.model.start, found.model.transitions, found.model.emissions):
        np.testing.assert_allclose(table.sum(axis=-1), 1)
    states = found.model.predict(sequences[:40])
    right = np.mean([order.index(one) == other for some, (_, true) in zip(states, drawn, strict=False)
                     for one, other in zip(some, true, strict=True)])  # fmt: skip
    best = np.mean([one == other for some, (_, true) in zip(KNOWN.predict(sequences[:40]), drawn, strict=False)
                    for one, other in zip(some, true, strict=True)])  # fmt: skip
    assert right > best - 0.02


def test_the_same_seed_finds_the_same_states(drawn):
    sequences = [symbols for symbols, _ in drawn[:10]]
    one, other = (baum_welch(sequences, 3, steps=5, restarts=2, seed=4) for _ in range(2))
    np.testing.assert_array_equal(one.model.emissions, other.model.emissions)


def test_what_the_states_mean_can_be_read():
    said = KNOWN.table(most=2)
    assert "state 0  a 0.600, b 0.300" in said
    assert "state 1  d 0.700, c 0.200" in said
    assert said.splitlines()[1].split() == ["state", "0", "0.800", "0.900", "0.100"]


def test_a_symbol_never_seen_says_nothing_of_its_state():
    np.testing.assert_allclose(KNOWN.marginals([["?"]])[0], [KNOWN.start])
    assert KNOWN.log_likelihood([["?"]])[0] == pytest.approx(0)


def test_what_cannot_be_learned_is_refused():
    with pytest.raises(SettingsError, match="states is 0, but it must be at least 1"):
        baum_welch(["ab"], 0)
    with pytest.raises(DataError, match="There are no symbols to learn from"):
        baum_welch([[]], 2)
