"""Drawing the next token: what may be drawn, how often it is, and that nothing else matters."""

import numpy as np
import pytest

from bothways.decoding.sampling import Sampler
from bothways.settings import GenerationSettings

RANDOM = np.random.default_rng(0)
V = 13
LOGITS = RANDOM.normal(size=V).astype(np.float32) * 2


def sampler(number=0, never=(), **options):
    return Sampler(GenerationSettings.from_dict(options), number=number, never=never)


def softmax(scores):
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def candidates(**options):
    tokens, probabilities = sampler(**options).candidates(LOGITS)
    return dict(zip(tokens.tolist(), probabilities.tolist(), strict=True))


def test_temperature_zero_takes_the_likeliest():
    chooser = sampler(temperature=0)
    for _ in range(20):
        logits = RANDOM.normal(size=V).astype(np.float32)
        assert chooser.choose(logits) == logits.argmax()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_probabilities_are_the_softmax_at_the_temperature(temperature):
    found = candidates(temperature=temperature)
    np.testing.assert_allclose([found[token] for token in range(V)], softmax(LOGITS / temperature), rtol=1e-5)


@pytest.mark.parametrize("top_k", [1, 4, V, 100])
def test_top_k_keeps_the_first_of_a_plain_sort(top_k):
    found = candidates(top_k=top_k, temperature=0.7)
    first = sorted(range(V), key=lambda token: -LOGITS[token])[:top_k]
    assert set(found) == set(first)
    np.testing.assert_allclose([found[token] for token in first], softmax(LOGITS[first] / 0.7), rtol=1e-5)


@pytest.mark.parametrize("top_p", [1e-9, 0.3, 0.6, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("top_k", [None, 5])
def test_top_p_keeps_the_first_of_a_plain_sort_that_reach_it(top_p, top_k):
    order = sorted(range(V), key=lambda token: -LOGITS[token])[: top_k or V]
    shares, kept, total = softmax(LOGITS[order].astype(np.float64)), [], 0.0
    for token, share in zip(order, shares, strict=True):
        if kept and total >= top_p:
            break
        kept.append(token)
        total += share
    found = candidates(top_p=top_p, top_k=top_k)
    assert set(found) == set(kept)
    np.testing.assert_allclose([found[token] for token in kept], shares[: len(kept)] / shares[: len(kept)].sum())


@pytest.mark.parametrize("options", [{}, {"top_k": 4}, {"top_p": 0.7, "temperature": 2.0}], ids=str)
def test_tokens_are_drawn_as_often_as_their_probabilities_say(options):
    """Chi-square over 4,000 draws: its mean is the degrees of freedom, and five deviations are far."""
    expected, chooser = candidates(**options), sampler(**options)
    times = np.zeros(V)
    for _ in range(4_000):
        times[chooser.choose(LOGITS)] += 1
    assert set(np.flatnonzero(times)) <= set(expected)
    counts = np.array([[times[token], 4_000 * share] for token, share in expected.items()])
    chi_square = float((np.diff(counts, axis=1)[:, 0] ** 2 / counts[:, 1]).sum())
    freedom = len(expected) - 1
    assert chi_square < freedom + 5 * np.sqrt(2 * freedom)


@pytest.mark.parametrize("options", [{}, {"top_k": V}, {"top_k": 3}, {"top_p": 0.999999}, {"temperature": 0}], ids=str)
def test_what_is_never_to_be_chosen_is_not(options):
    never = tuple(np.argsort(-LOGITS)[: V - 2].tolist())
    chooser = sampler(never=never, **options)
    chosen = {chooser.choose(LOGITS) for _ in range(300)}
    assert chosen <= set(range(V)) - set(never)
    assert len(chosen) == (1 if options.get("temperature") == 0 else 2)


@pytest.mark.parametrize("shift", [-30.0, 0.0, 30.0])
def test_a_penalty_holds_back_what_was_seen_and_nothing_else(shift):
    """By how far a token stands above the mean, and by half as much again of how far below; the others stay alike."""
    chooser = sampler(repetition_penalty=1.5)
    high, low = int(LOGITS.argmax()), int(LOGITS.argmin())
    chooser.saw(high)
    chooser.saw(low)
    tokens, found = chooser.candidates(LOGITS + np.float32(shift))
    odds = np.log(found[np.argsort(tokens)]) - np.log(softmax(LOGITS.astype(np.float64)))
    others = np.delete(odds, [high, low])
    np.testing.assert_allclose(others, others[0], atol=1e-4)
    above, below = LOGITS[high] - LOGITS.mean(), LOGITS[low] - LOGITS.mean()
    assert odds[high] - others[0] == pytest.approx(-above / 3, rel=1e-3)
    assert odds[low] - others[0] == pytest.approx(below / 2, rel=1e-3)


def test_a_usual_penalty_ends_a_loop():
    """Of 2,000 words one is likely again and again; held back, it leaves the next of ten that are likely, too."""
    logits = np.full(2_000, np.log(0.05 / 1_990), dtype=np.float32)
    logits[:10] = np.log([0.5, *[0.05] * 9]) + np.linspace(0, -0.01, 10)
    assert [sampler(temperature=0).choose(logits) for _ in range(3)] == [0, 0, 0]
    chooser = sampler(temperature=0, repetition_penalty=1.4)
    assert [chooser.choose(logits) for _ in range(10)] == list(range(10))


def test_a_penalty_bears_logits_that_forbid():
    chooser = sampler(repetition_penalty=2.0)
    chooser.saw(0)
    chooser.saw(3)
    tokens, found = chooser.candidates(np.array([-np.inf, 1, 2, 3], dtype=np.float32))
    assert tokens.tolist() == [1, 2, 3]
    np.testing.assert_allclose(found, softmax(np.array([-1, 0, 0.5])), rtol=1e-5)


@pytest.mark.parametrize("shift", [-30.0, 0.0, 30.0])
def test_a_penalty_holds_back_whatever_the_sign_of_the_logits(shift):
    chooser = sampler(repetition_penalty=2.0, temperature=0)
    first, second = np.argsort(-LOGITS)[:2]
    logits = LOGITS + np.float32(shift)
    assert chooser.choose(logits) == first
    assert chooser.choose(logits) == second


def test_without_a_penalty_nothing_is_remembered():
    chooser = sampler()
    for _ in range(5):
        chooser.choose(LOGITS)
    assert chooser._seen == set()


def test_choices_hang_on_seed_and_number_alone():
    def draws(**options):
        chooser = sampler(**options)
        return [chooser.choose(LOGITS) for _ in range(40)]

    assert draws(seed=4, number=2) == draws(seed=4, number=2)
    others = [draws(seed=4, number=2), draws(seed=4, number=3), draws(seed=5, number=2), draws(seed=2, number=4)]
    assert len(set(map(tuple, others))) == 4


def test_logits_are_left_as_they_are():
    logits = LOGITS.copy()
    chooser = sampler(never=(0, 1), repetition_penalty=2.0)
    for _ in range(3):
        chooser.choose(logits)
    np.testing.assert_array_equal(logits, LOGITS)


def test_a_penalty_beyond_all_numbers_leaves_numbers():
    """What was seen and stood above the mean falls to it; what stood below is out."""
    chooser = sampler(repetition_penalty=1e300)
    for token in range(V):
        chooser.saw(token)
    tokens, found = chooser.candidates(LOGITS)
    above = LOGITS.mean() < LOGITS
    np.testing.assert_allclose(found[np.argsort(tokens)], above / above.sum(), atol=1e-6)
