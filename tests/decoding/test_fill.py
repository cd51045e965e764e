"""Filling gaps and scoring words, on a stand-in whose probabilities can be worked out by other roads."""

import numpy as np
import pytest

from bothways.data.batches import InMemory
from bothways.data.language_tokens import LanguageTokens
from bothways.data.tokenizer import Tokenizer
from bothways.decoding.fill import FillRunner
from bothways.errors import DataError, SettingsError

LINES = ["I am very hungry", "I am not hungry , he said .", "he said I am very very tired", "so am I ( very )"]


class Neighbours(FillRunner):
    """Scores of a word come from a table for the token before it and one for the token behind it."""

    def __init__(self, *, unit="word", window=16, lines=LINES, seed=5):
        self.tokens = LanguageTokens(Tokenizer.train(lines, unit=unit, min_count=1), whole=False)
        self.window = window
        random = np.random.default_rng(seed)
        self.left, self.right = random.normal(size=(2, self.tokens.size, self.tokens.size)).astype(np.float32) * 2
        self.longest = 0

    def run(self, ids, lengths, places):
        assert all(1 <= place <= lengths[row] - 2 for row, place in places)
        self.longest = max(self.longest, ids.shape[1] if len(ids) == 1 else int(lengths.max()))
        rows, here = places.T
        return self.left[ids[rows, here - 1]] + self.right[ids[rows, here + 1]]


def by_hand(model, left, right):
    """The probability of every token between two."""
    scores = np.exp((model.left[left] + model.right[right]).astype(np.float64))
    return scores / scores.sum()


def test_a_gap_is_filled_by_the_likeliest_words_in_their_order():
    model = Neighbours()
    am, hungry = model.tokens.tokenizer.encode(["am", "hungry"])
    shares = by_hand(model, am[0], hungry[0])
    words = {word: shares[index] for index, word in enumerate(model.tokens.tokenizer.vocabulary) if index > 1}
    best = sorted(words, key=words.get, reverse=True)[:3]
    filling = model.fill("I am ___ hungry", k=3)
    assert [word for word, _ in filling.gaps[0]] == best
    assert [share for _, share in filling.gaps[0]] == pytest.approx([words[word] for word in best])
    assert filling.text == f"I am {best[0]} hungry"


def test_the_probability_of_a_proposal_is_that_of_the_word_in_its_place():
    model = Neighbours()
    for word, share in model.fill("I am ___ hungry", k=9).gaps[0]:
        scored = model.score_words(f"I am {word} hungry")
        assert [one.token for one in scored] == ["i", "am", word, "hungry"]
        assert np.exp(scored[2].log_probability) == pytest.approx(share, rel=1e-5)


def test_padding_unknown_words_and_the_end_are_never_proposed():
    model = Neighbours()
    (words,) = model.fill("I am ___ hungry", k=1000).gaps
    vocabulary = model.tokens.tokenizer.vocabulary
    assert sorted(word for word, _ in words) == sorted(vocabulary[2:])
    am, hungry = model.tokens.tokenizer.encode(["am", "hungry"])
    never = by_hand(model, am[0], hungry[0])[[0, 1, len(vocabulary)]].sum()
    assert sum(share for _, share in words) == pytest.approx(1 - never)


@pytest.mark.parametrize("unit", ["word", "space"])
def test_a_gap_is_never_filled_with_a_gap(unit):
    """Forms and exercises have lines to write on, which are words to a model that was trained on them."""
    model = Neighbours(unit=unit, lines=[*LINES, "I am ____ .", "name: ___."])
    assert any("___" in word for word in model.tokens.tokenizer.vocabulary)
    filling = model.fill("I am ___ hungry", k=1000)
    assert not any("___" in word for word, _ in filling.gaps[0])
    _, hits = model.judge(InMemory(model.tokens.documents(["I am ____ ."])))
    assert not hits[2]


def test_what_is_no_text_is_refused():
    with pytest.raises(DataError, match="it must be a str"):
        Neighbours().fill(None)


def fill_by_hand(model, text, k):
    """Fill the gaps one by one, each tried with `<unk>` written into the others: the words, and the order."""
    read, found = text.replace("___", "<unk>").split(), {}
    gaps = [place for place, word in enumerate(text.split()) if word == "___"]
    while len(found) < len(gaps):
        tried = {}
        for gap in gaps:
            if gap not in found:
                words = [*read]
                words[gap] = "___"
                tried[gap] = model.fill(" ".join(words), k=k).gaps[0]
        surest = max(tried, key=lambda gap: tried[gap][0].probability)
        found[surest] = tried[surest]
        read[surest] = tried[surest][0].word
    return " ".join(read), found


def test_of_several_gaps_the_surest_is_filled_first_and_read_by_the_others():
    orders = set()
    for seed in range(8):
        model = Neighbours(seed=seed)
        text = "I ___ ___ hungry ___ he said"
        read, found = fill_by_hand(model, text, k=2)
        together = model.fill(text, k=2)
        assert together.text == read
        for gap, words in zip(sorted(found), together.gaps, strict=True):
            assert [word for word, _ in words] == [word for word, _ in found[gap]]
            assert [share for _, share in words] == pytest.approx([share for _, share in found[gap]])
        orders.add(tuple(found))
    assert len(orders) > 2  # else the order would not have been tried


def test_words_of_many_texts_are_judged_in_their_order():
    model = Neighbours(window=6)
    lines = [*LINES, " ".join(LINES), "so", ""]
    losses, hits = model.judge(InMemory(model.tokens.documents(lines)))
    alone = [model.judge(InMemory(model.tokens.documents([line]))) for line in lines]
    np.testing.assert_allclose(losses, np.concatenate([one for one, _ in alone]), rtol=1e-6)
    assert hits.tolist() == [hit for _, some in alone for hit in some]


@pytest.mark.parametrize("unit", ["word", "space", "spacy"])
def test_a_gap_stands_beside_punctuation(unit):
    if unit == "spacy":
        pytest.importorskip("spacy")
    model = Neighbours(unit=unit)
    apart, close = (model.fill(text) for text in ("I am ( ___ ) , he said .", "I am (___), he said ."))
    if unit != "space":  # between spaces, what stands close to the gap is one token: ")," is none that was seen
        assert [word for word, _ in close.gaps[0]] == [word for word, _ in apart.gaps[0]]
    word = close.gaps[0][0].word
    assert close.text == f"I am ({word}), he said ."
    assert model.fill("___, he said .").text.endswith(", he said .")


def test_a_gap_stands_between_words_of_jieba_without_spaces():
    pytest.importorskip("jieba")
    model = Neighbours(unit="jieba", lines=["我很饿", "我不饿", "他很饿"])
    filling = model.fill("我___饿")
    assert filling.text == f"我{filling.gaps[0][0].word}饿"


def test_a_longer_mark_is_one_gap():
    model = Neighbours()
    assert model.fill("I am _____ hungry").gaps == model.fill("I am ___ hungry").gaps


def test_a_long_text_is_read_in_pieces_and_every_word_is_scored_once_in_order():
    whole, pieces = Neighbours(window=1000), Neighbours(window=7)
    text = " ".join(LINES * 3)
    # A word's neighbours are the same in every piece, so this stand-in gives the same scores.
    assert pieces.score_words(text) == whole.score_words(text)
    assert whole.longest > 7 >= pieces.longest
    gaps = text.replace("very", "___")
    assert [[word for word, _ in gap] for gap in pieces.fill(gaps).gaps] == [
        [word for word, _ in gap] for gap in whole.fill(gaps).gaps
    ]


def test_perplexity_is_that_of_the_words_of_all_texts_together():
    model = Neighbours()
    scored = [word.log_probability for line in LINES for word in model.score_words(line)]
    assert model.perplexity([*LINES, ""]) == pytest.approx(np.exp(-np.mean(scored)), rel=1e-5)
    assert model.score_words("") == []


def test_words_that_the_model_never_saw_are_named():
    assert Neighbours().unknown_words("I am ___ ravenous, quoth he") == ["ravenous", "quoth"]


@pytest.mark.parametrize(
    ("text", "k", "error", "message"),
    [
        ("I am hungry", 5, DataError, "'I am hungry' has no gap. Write ___ where a word is missing."),
        ("", 5, DataError, "has no gap. Write ___ where a word is missing."),
        ("I __ hungry", 5, DataError, "Write ___ where a word is missing."),
        ("___", 5, DataError, "The text has 1 gap but 0 words, and a gap is filled from the words around it."),
        ("___ ___ am", 5, DataError, "The text has 2 gaps but 1 word, and a gap is filled from the words around it."),
        ("I am ___ hungry", 0, SettingsError, "k is 0, but it must be at least 1."),
    ],
)
def test_what_cannot_be_filled_is_refused_in_one_line(text, k, error, message):
    with pytest.raises(error) as caught:
        Neighbours().fill(text, k)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_texts_without_a_word_have_no_perplexity():
    with pytest.raises(DataError, match="The texts hold no word to predict. Give some text."):
        Neighbours().perplexity(["", "  "])
