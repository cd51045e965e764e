"""Beam search against all sequences one by one, greedy search, and its laws."""

from itertools import product

import numpy as np
import pytest

from bothways.decoding.beam import LEAST_LOOK, BeamSettings, Step, beam_search, likeliest
from bothways.errors import SettingsError

START, END, WIDTH = 0, 1, 4


class Drawn:
    """A model whose chances hang on the input and on all tokens so far; attends to three steps."""

    def __init__(self, *, sharp=1.0):
        self.sharp, self.calls = sharp, 0

    def says(self, known):
        random = np.random.default_rng(abs(hash(known)) % 2**32)
        scores = random.normal(size=WIDTH) * self.sharp
        scores[START] = -np.inf
        return scores - np.logaddexp.reduce(scores), random.dirichlet(np.ones(3))

    def step(self, tokens, state, count):
        self.calls += 1
        known = [
            [(*one, int(token)) for one, token in zip(some, row, strict=True)]
            for some, row in zip(state, tokens, strict=True)
        ]
        said = [[self.says(one) for one in some] for some in known]
        scores = np.array([[one for one, _ in some] for some in said])
        looks = np.array([[look for _, look in some] for some in said])
        return Step(*likeliest(scores, count), scores[..., END], known, looks)

    def chosen(self, state, inputs, rows):
        return [[state[place][row] for row in some] for place, some in zip(inputs, rows, strict=True)]


def inputs(count):
    return [(100 + number,) for number in range(count)]


def states(some):
    return [[one] for one in some]


def every_sequence(model, given, longest, settings):
    """All sequences of tokens up to a length, with their scores by the definition."""
    found = []
    for length in range(longest + 1):
        for tokens in product(range(2, WIDTH), repeat=length):
            known, total, looks = (*given, START), 0.0, []
            for token in (*tokens, END):
                scores, look = model.says(known)
                total += scores[token]
                looks.append(look)
                known = (*known, token)
            score = total / ((5 + length + 1) / 6) ** settings.length_penalty
            score += settings.coverage_penalty * np.log(np.minimum(1, np.sum(looks, axis=0))).sum()
            found.append((score, total, tokens))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("penalties", [(0.0, 0.0), (1.0, 0.0), (0.6, 0.5)])
def test_a_beam_that_is_wide_enough_finds_the_best_of_all_sequences(penalties):
    settings = BeamSettings(500, *penalties)
    model = Drawn()
    found = beam_search(model, states(inputs(4)), [4] * 4, start=START, end=END, settings=settings)
    for given, some in zip(inputs(4), found, strict=True):
        wanted = every_sequence(model, given, 4, settings)
        assert len(some) == len(wanted)
        for one, (score, total, tokens) in zip(some[:10], wanted, strict=False):
            assert tuple(one.tokens) == tokens
            assert one.score == pytest.approx(score)
            assert one.log_probability == pytest.approx(total)


def test_a_beam_of_one_is_greedy_search():
    model = Drawn(sharp=2.0)
    found = beam_search(model, states(inputs(30)), [8] * 30, start=START, end=END, settings=BeamSettings(1))
    for given, (one,) in zip(inputs(30), found, strict=True):
        known, tokens = (*given, START), []
        while len(tokens) < 8:
            best = int(model.says(known)[0].argmax())
            if best == END:
                break
            tokens.append(best)
            known = (*known, best)
        assert one.tokens.tolist() == tokens


@pytest.mark.parametrize("size", [1, 2, 5])
def test_an_input_finds_the_same_sequences_alone_as_in_company(size):
    settings = BeamSettings(size, coverage_penalty=0.2)
    longest = [1 + number % 7 for number in range(20)]
    together = beam_search(Drawn(), states(inputs(20)), longest, start=START, end=END, settings=settings)
    for number in range(20):
        (alone,) = beam_search(
            Drawn(), states([inputs(20)[number]]), [longest[number]], start=START, end=END, settings=settings
        )
        assert len(alone) == len(together[number])
        for one, other in zip(alone, together[number], strict=True):
            np.testing.assert_array_equal(one.tokens, other.tokens)
            assert one.score == other.score
            np.testing.assert_array_equal(one.attention, other.attention)


def test_every_step_is_asked_once_and_the_search_ends_at_the_longest():
    class Endless(Drawn):
        def says(self, known):
            scores, look = super().says(known)
            scores[END] = -30.0
            return scores, look

    model = Endless()
    found = beam_search(model, states(inputs(3)), [10, 200, 30], start=START, end=END, settings=BeamSettings(2))
    assert model.calls == 201
    assert [len(some[0].tokens) for some in found] == [10, 200, 30]


def test_attention_is_that_of_the_steps_on_the_way():
    model = Drawn()
    found = beam_search(model, states(inputs(1)), [5], start=START, end=END, settings=BeamSettings(3))
    for one in found[0]:
        known = (*inputs(1)[0], START)
        assert one.attention.shape == (len(one.tokens) + 1, 3)
        for token, look in zip([*one.tokens, END], one.attention, strict=True):
            np.testing.assert_array_equal(look, model.says(known)[1])
            known = (*known, int(token))


def test_a_step_of_the_input_that_nothing_fell_on_is_punished_and_padding_is_not():
    class LooksAside(Drawn):
        def says(self, known):
            return super().says(known)[0], np.array([0.5, 0.0, 0.5])

    def score(steps, penalty):
        settings = BeamSettings(1, coverage_penalty=penalty)
        ((one,),) = beam_search(
            LooksAside(), states(inputs(1)), [5], start=START, end=END, settings=settings, steps=steps
        )
        covered = min(1, 0.5 * len(one.attention))
        return one.score, covered

    (plain, covered), (whole, _), (given, _), (padded, _) = (
        score(None, 0.0),
        score(None, 1.0),
        score([3], 1.0),
        score([1], 1.0),
    )
    assert whole == given == pytest.approx(plain + 2 * np.log(covered) + np.log(LEAST_LOOK))
    assert padded == pytest.approx(plain + np.log(covered))


@pytest.mark.parametrize("coverage", [0.0, 0.3])
def test_attention_that_is_not_kept_changes_nothing_that_is_written(coverage):
    settings = BeamSettings(3, coverage_penalty=coverage)
    kept, other = (
        beam_search(Drawn(), states(inputs(5)), [6] * 5, start=START, end=END, settings=settings, keep_attention=keep)
        for keep in (True, False)
    )
    for some, others in zip(kept, other, strict=True):
        assert [(one.tokens.tolist(), one.score) for one in some] == [
            (one.tokens.tolist(), one.score) for one in others
        ]
        assert all((one.attention is None) == (coverage == 0) for one in others)


def test_a_wider_beam_keeps_as_many_sequences_as_it_is_wide_the_best_first():
    found = beam_search(Drawn(), states(inputs(5)), [6] * 5, start=START, end=END, settings=BeamSettings(4))
    for some in found:
        assert len(some) == 4
        assert [one.score for one in some] == sorted((one.score for one in some), reverse=True)
        assert len({tuple(one.tokens) for one in some}) == 4


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (BeamSettings(0), "beam is 0, but it must be at least 1; 1 is greedy search"),
        (BeamSettings(2, length_penalty=-1.0), "length_penalty is -1.0, but it must be at least 0"),
    ],
)
def test_a_search_that_cannot_be_is_refused(settings, said):
    with pytest.raises(SettingsError, match=said):
        beam_search(Drawn(), states(inputs(1)), [3], start=START, end=END, settings=settings)
