"""Translating texts with a network that was never trained: laws that hold whatever it writes."""

from itertools import groupby
from operator import itemgetter

import numpy as np
import pytest
import torch

from bothways.data.pair_tokens import PairTokens, whole_words
from bothways.decoding.translation import (
    BEGINNINGS_AT_ONCE,
    END,
    STEPS_AT_ONCE,
    Tally,
    Translation,
    batches_of,
)
from bothways.errors import DataError, SettingsError
from bothways.settings import TranslatorSettings
from bothways.training.translation import TorchTranslator, make_translator
from toy_pairs import TRANSLATOR, turned

SOURCES, TARGETS = turned(40)


def runner_of(expansion=2, **changed):
    """A translator with large random weights, so that it says something of every source."""
    settings = TranslatorSettings(**{**TRANSLATOR, **changed})
    tokens = PairTokens.learn(SOURCES, TARGETS, settings)
    torch.manual_seed(3)
    model = make_translator(settings, tokens).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)
    return TorchTranslator(model, tokens, settings, expansion)


@pytest.mark.parametrize("changed", [{}, {"unit": "bpe"}, {"attention": "none"}, {"coverage_penalty": 0.3}])
@pytest.mark.parametrize("beam", [1, 4])
def test_a_text_has_the_same_translations_alone_as_in_company(changed, beam):
    runner = runner_of(**changed)
    texts = ["", *SOURCES[:12], "seven", " ", SOURCES[0]]
    together = runner.translate(texts, beam_size=beam, n_best=beam)
    assert len(together) == len(texts)
    for text, some in zip(texts, together, strict=True):
        (alone,) = runner.translate([text], beam_size=beam, n_best=beam)
        assert [one.text for one in alone] == [one.text for one in some]
        for one, other in zip(alone, some, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-9)
            if one.attention is not None:
                np.testing.assert_allclose(one.attention, other.attention, atol=1e-9)


def test_a_wider_beam_finds_nothing_less_probable_and_one_is_greedy():
    runner = runner_of(length_penalty=0.0)
    greedy = runner.translate(SOURCES, beam_size=1)
    wide = runner.translate(SOURCES, beam_size=30)
    for (one,), (best, *_) in zip(greedy, wide, strict=True):
        assert best.log_probability >= one.log_probability - 1e-9


def test_translations_end_whatever_the_network_says():
    runner = runner_of(expansion=3)
    with torch.no_grad():
        runner._model.softmax.bias[runner.tokens.target.eos] = -1e4
    for text in SOURCES[:8]:
        ((one,),) = runner.translate([text])
        assert len(one.target_words) - 1 == 3 * len(text.split()) + 10


def test_empty_and_long_sources_are_counted_with_their_rows():
    runner, tally = runner_of(max_length=3), Tally()
    long = "one two three four five"
    first = runner.predict(["one", "", long, "  "], tally=tally)
    second = runner.predict(["\t", long], tally=tally)
    assert first[1] == first[3] == second[0] == ""
    assert first[2] == second[1] == runner.predict(["one two three"])[0]
    assert tally.notes(lambda row: f"line {row + 1}", 3) == [
        "3 sources are empty, and so is the translation; the first is line 2.",
        "2 sources are longer than 3 tokens (max_length) and cut there; the first is line 3.",
    ]
    with pytest.raises(DataError, match=r"Text 8: the source has 5 tokens, more than 3 \(max_length\)"):
        runner.predict(["one", long], tally=tally, too_long="refuse")


@pytest.mark.parametrize("copy_unknown", [False, True])
def test_the_best_translation_is_the_first_of_several(copy_unknown):
    runner = runner_of()
    with torch.no_grad():
        runner._model.softmax.bias[1] += 30  # <unk>
    texts = ["", *SOURCES[:10], "zwei one"]
    several = [some[0].text for some in runner.translate(texts, n_best=2, copy_unknown=copy_unknown)]
    assert any("<unk>" in text for text in several) != copy_unknown
    assert runner.predict(texts, copy_unknown=copy_unknown) == several


def test_batches_of_a_search_hold_every_source_once_and_are_bounded_also_for_long_ones():
    lengths = np.random.default_rng(0).integers(0, 6000, size=2000)
    lengths[:500] %= 30
    lengths[7] = 10 * STEPS_AT_ONCE
    batches = list(batches_of(lengths, 5))
    assert sorted(np.concatenate(batches).tolist()) == np.flatnonzero(lengths).tolist()
    for rows in batches:
        assert 5 * len(rows) <= BEGINNINGS_AT_ONCE
        assert len(rows) == 1 or 5 * len(rows) * lengths[rows].max() <= STEPS_AT_ONCE
    assert max(map(len, batches)) == BEGINNINGS_AT_ONCE // 5
    assert list(batches_of(np.zeros(3, dtype=np.int64), 1)) == []


def test_nothing_becomes_nothing():
    assert runner_of().predict([]) == []


def test_attention_of_words_is_what_their_tokens_looked_at_together():
    runner = runner_of(unit="bpe", vocabulary_size=280)
    for (one,) in runner.translate(SOURCES[:10]):
        assert one.attention.shape == (len(one.target_words), len(one.source_words))
        np.testing.assert_allclose(one.attention.sum(axis=1), 1)
        assert "".join("".join(one.target_words[:-1]).split()) == "".join(one.text.split())
        assert one.source_words[-1] == one.target_words[-1] == END
        expected = [-sum(share * np.log(share) for share in row if share > 0) for row in one.attention]
        np.testing.assert_allclose(one.entropies, expected, atol=1e-9)


def test_an_unknown_word_is_the_source_word_that_was_most_looked_at():
    runner = runner_of(min_count=1)
    with torch.no_grad():
        runner._model.softmax.bias[1] = 1e4  # <unk>, until the end must come
    (one,) = runner.translate(["one zwei three"], copy_unknown=True)[0]
    looked = [one.source_words[place] for place in one.attention[:-1, :-1].argmax(axis=1)]
    assert one.text.split() == looked
    assert "zwei" in one.source_words
    assert set(runner.predict(["one zwei three"])[0].split()) == {"<unk>"}


@pytest.mark.parametrize(
    ("options", "changed", "said"),
    [
        ({"beam_size": 0}, {}, "beam is 0, but it must be at least 1"),
        ({"n_best": 3}, {}, "n_best is 3, but a beam of 2 finds 1 to 2. Widen it with --beam."),
        ({"copy_unknown": True}, {"attention": "none"}, "copy_unknown needs attention"),
        ({"too_long": "keep"}, {}, "too_long is 'keep', but it must be one of: cut, refuse."),
    ],
)
def test_a_search_that_cannot_be_is_refused(options, changed, said):
    with pytest.raises(SettingsError, match=said):
        runner_of(**changed).translate(["one"], **options)


def test_byte_pairs_are_joined_to_words_at_spaces_and_where_letters_end():
    tokens = runner_of(unit="bpe").tokens.source
    for text, ends in (
        ("one two!?", ["one", " two", "!?"]),
        ("a-b 語 é9", ["a", "-", "b", " 語", " é9"]),
        ("हिन्दी cafe\u0301s.", ["हिन्दी", " cafe\u0301s", "."]),  # with combining marks
        ("a ❤\ufe0f!x 👩\u200d💻", ["a", " ❤\ufe0f!", "x", " 👩\u200d💻"]),
        ("", []),
    ):
        (ids,) = tokens.encode([text])
        pairs = groupby(zip(whole_words(tokens, ids), ids, strict=True), key=itemgetter(0))
        assert [tokens.tokenizer.decode(index for _, index in some) for _, some in pairs] == ends
    assert whole_words(runner_of().tokens.source, [3, 4]) == [0, 1]


def test_a_translation_is_told_whole_as_json():
    told = Translation("uno", -1.0, -2.0, ["one", END], ["uno", END], np.eye(2)).to_dict()
    assert told["attention"] == [[1.0, 0.0], [0.0, 1.0]]
    assert told["text"] == "uno"
