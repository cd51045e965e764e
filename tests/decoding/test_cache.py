"""The continuous cache against a plain loop over its formula, and its laws."""

import itertools
import math

import numpy as np
import pytest

from bothways.decoding.cache import SHARES, SHARPNESS, Cache, Memory, choose_cache, mix

STEPS, WIDTH, TYPES = 37, 5, 4


@pytest.fixture
def text():
    random = np.random.default_rng(3)
    return random.normal(size=(STEPS, WIDTH)).astype(np.float32), random.integers(0, TYPES, size=STEPS)


def by_the_formula(outputs, tokens, token, step, size, sharpness):
    """The probability of one token at one step, as the module's docstring has it."""
    kept = range(max(0, step - size), step)
    weights = {i: math.exp(sharpness * float(outputs[step].astype(np.float64) @ outputs[i])) for i in kept}
    return sum(weights[i] for i in kept if tokens[i] == token) / sum(weights.values())


@pytest.mark.parametrize("size", [1, 6, 100])
def test_the_memory_says_what_its_formula_says(text, size):
    outputs, tokens = text
    said = Memory(size, (0.3, 1.0)).look(outputs, tokens)
    assert np.isnan(said[:, 0]).all()
    for row, sharpness in enumerate((0.3, 1.0)):
        wanted = [by_the_formula(outputs, tokens, tokens[step], step, size, sharpness) for step in range(1, STEPS)]
        np.testing.assert_allclose(np.exp(said[row, 1:]), wanted, rtol=1e-5, atol=1e-7)


def test_a_text_read_in_pieces_is_the_text_read_at_once(text, monkeypatch):
    outputs, tokens = text
    whole = Memory(9, SHARPNESS).look(outputs, tokens)
    memory = Memory(9, SHARPNESS)
    cuts = [0, 1, 4, 4, 30, STEPS]
    parts = [memory.look(outputs[a:b], tokens[a:b]) for a, b in itertools.pairwise(cuts)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=1e-5)
    monkeypatch.setattr("bothways.decoding.cache.AT_ONCE", 7)
    np.testing.assert_allclose(Memory(9, SHARPNESS).look(outputs, tokens), whole, rtol=1e-5)


def test_with_a_memory_the_probabilities_of_all_tokens_sum_to_one(text):
    outputs, tokens = text
    own = np.random.default_rng(0).dirichlet(np.ones(TYPES)).astype(np.float32)
    total = 0.0
    for token in range(TYPES):
        last = np.append(tokens[:-1], token)
        said = Memory(20, (0.5,)).look(outputs, last)[0, -1:]
        total += math.exp(-mix(-np.log(own[token : token + 1]), said, 0.3)[0])
    assert total == pytest.approx(1, abs=1e-6)


def test_large_outputs_do_not_overflow(text):
    outputs, tokens = text
    said = Memory(20, SHARPNESS).look(1_000 * outputs, tokens)[:, 1:]
    assert not np.isnan(said).any()
    assert (said <= 0).all()


def test_an_empty_memory_leaves_the_network_alone(text):
    outputs, tokens = text
    losses = np.linspace(1, 2, STEPS, dtype=np.float32)
    mixed = mix(losses, Memory(9, (1.0,)).look(outputs, tokens)[0], 0.5)
    assert mixed[0] == losses[0]
    assert np.isfinite(mixed).all()


def test_what_is_chosen_is_the_best_of_all_that_is_tried():
    random = np.random.default_rng(1)
    tokens = np.tile(random.integers(0, 30, size=20), 10)
    outputs = np.eye(30, dtype=np.float32)[np.roll(tokens, 1)] * 3  # what came before tells what comes
    losses = np.full(len(tokens), math.log(30), dtype=np.float32)
    chances = Memory(50, SHARPNESS).look(outputs, tokens)
    chosen = choose_cache(50, losses, chances)
    assert chosen is not None
    reached = chosen.mix(losses, chances[SHARPNESS.index(chosen.sharpness)]).mean()
    tried = [mix(losses, row, share).mean() for row in chances for share in SHARES]
    assert reached == pytest.approx(min(tried))
    assert reached < 0.7 * math.log(30)


def test_no_memory_is_chosen_where_none_helps():
    tokens = np.arange(200)  # nothing comes twice
    outputs = np.ones((200, 3), dtype=np.float32)
    losses = np.full(200, 2.0, dtype=np.float32)
    assert choose_cache(50, losses, Memory(50, SHARPNESS).look(outputs, tokens)) is None


def test_a_cache_goes_through_json():
    cache = Cache(2_000, 0.1, 0.3)
    assert Cache(**cache.to_dict()) == cache
