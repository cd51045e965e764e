"""A hidden Markov model of words against every label sequence one by one, and its laws."""

from collections import Counter
from itertools import pairwise, product

import numpy as np
import pytest

from bothways.decoding import hmm
from bothways.decoding.hmm import HiddenMarkovModel, look_alikes
from bothways.errors import DataError, MissingFileError, ModelFolderError, SettingsError
from bothways.training.hmm import fit_hmm

TEXTS = ["the dog barks", "a dog sleeps", "dogs bark", "the old dogs bark", "old dogs sleep", "Rex barks"]
LABELS = ["D N V", "D N V", "N V", "D A N V", "A N V", "N V"]
SENTENCES = [text.split() for text in TEXTS]
GOLD = [labels.split() for labels in LABELS]


@pytest.fixture(params=[1, 2])
def model(request):
    return fit_hmm(SENTENCES, GOLD, order=request.param)


def by_definition(model, words):
    """The score of every label sequence, from the probabilities of the model one by one."""
    count = len(model.labels)
    emissions = model.emissions(words)
    scores = {}
    for path in product(range(count), repeat=len(words)):
        steps = [count, count, *path, count]
        score = sum(emissions[place, label] for place, label in enumerate(path))
        for place in range(2, len(steps)):
            before = steps[place - model.order : place]
            score += np.log(model.next_label[(*before, steps[place])])
        scores[path] = score
    return scores


@pytest.mark.parametrize("text", ["the dog sleeps", "old Rex", "unseen words here", "dogs"])
def test_labels_and_their_chances_are_those_of_all_sequences_by_the_definition(model, text):
    words = text.split()
    scores = by_definition(model, words)
    best = max(scores, key=scores.__getitem__)
    assert model.predict([words], "viterbi") == [[model.labels[label] for label in best]]
    chances = np.zeros((len(words), len(model.labels)))
    total = np.logaddexp.reduce(list(scores.values()))
    for path, score in scores.items():
        chances[np.arange(len(words)), path] += np.exp(score - total)
    np.testing.assert_allclose(model.marginals([words])[0], chances, atol=1e-12)
    wanted = [model.labels[label] for label in chances.argmax(axis=1)]
    assert model.predict([words]) == [wanted]


def test_the_chances_of_what_follows_sum_to_one_and_nothing_seen_is_impossible(model):
    np.testing.assert_allclose(model.next_label.sum(axis=-1), 1)
    assert (model.next_label > 0).all()
    for labels in GOLD:
        for one, other in pairwise(labels):
            places = model.labels.index(one), model.labels.index(other)
            before = (len(model.labels),) * (model.order - 1)
            assert model.next_label[(*before, *places)] > 0


def test_the_chances_of_a_words_labels_sum_to_one_and_lean_to_what_was_seen(model):
    for word in ("dog", "DOG", "barks", "gleeps", "3rd", "-", "Rex"):
        for first in (True, False):
            assert model.guess(word, first=first).sum() == pytest.approx(1)
    assert model.labels[model.guess("dog", first=False).argmax()] == "N"
    assert model.labels[model.guess("Dog", first=True).argmax()] == "N"  # by its lower case
    assert model.labels[model.guess("walks", first=False).argmax()] == "V"  # by its ending


def test_shares_are_shares_of_the_labels(model):
    counts = Counter(label for labels in GOLD for label in labels)
    np.testing.assert_allclose(model.shares, [counts[label] / counts.total() for label in model.labels])


def test_what_is_drawn_from_a_known_chain_is_found_again():
    """Words that tell their label half the time: what the neighbours say must make up for the rest."""
    random = np.random.default_rng(0)
    ways = np.array([[0.05, 0.9, 0.05], [0.05, 0.05, 0.9], [0.9, 0.05, 0.05]])
    sentences, gold = [], []
    for _ in range(400):
        labels = [int(random.integers(3))]
        while len(labels) < 12:
            labels.append(int(random.choice(3, p=ways[labels[-1]])))
        sentences.append([f"w{label}" if random.random() < 0.5 else "any" for label in labels])
        gold.append([f"L{label}" for label in labels])
    model = fit_hmm(sentences[:300], gold[:300], order=1)
    np.testing.assert_allclose(np.exp(model.chain.transitions), ways * 11 / 12, atol=0.03)
    found = model.predict(sentences[300:])
    right = np.mean([one == other for labels, some in zip(found, gold[300:], strict=True)
                     for one, other in zip(labels, some, strict=True)])  # fmt: skip
    assert right > 0.85  # the words alone make 2 of 3
    viterbi = model.predict(sentences[300:], "viterbi")
    less = np.mean([one == other for labels, some in zip(viterbi, gold[300:], strict=True)
                    for one, other in zip(labels, some, strict=True)])  # fmt: skip
    assert right >= less - 0.01


def test_a_sentence_has_the_same_labels_alone_as_in_company(model, monkeypatch):
    together = model.marginals([*SENTENCES, []])
    monkeypatch.setattr(hmm, "NUMBERS_AT_ONCE", 1)
    for one, other in zip(together, model.marginals([*SENTENCES, []]), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)
    assert model.predict([[]]) == [[]]


def test_a_model_saved_and_loaded_is_the_same(model, tmp_path):
    odd = fit_hmm([["naïve", "\ud800", "a\nb"]], [["A", "B", "A"]], order=model.order)
    for one in (model, odd):
        one.save(tmp_path / "hmm.safetensors")
        loaded = HiddenMarkovModel.load(tmp_path / "hmm.safetensors")
        sentences = [*SENTENCES, ["naïve", "\ud800", "a\nb", "new"]]
        for here, there in zip(one.marginals(sentences), loaded.marginals(sentences), strict=True):
            np.testing.assert_array_equal(here, there)


def test_a_damaged_file_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match="the hidden Markov model cannot be read. Train the model again"):
        HiddenMarkovModel.load(tmp_path / "none")
    (tmp_path / "cut").write_bytes(b"no tensors")
    with pytest.raises(ModelFolderError, match="holds no whole hidden Markov model"):
        HiddenMarkovModel.load(tmp_path / "cut")


def test_what_a_word_is_alike_to():
    assert look_alikes("Cats", first=False) == ["lc", "lc s", "lc ts", "lc ats", "lc cats"]
    assert look_alikes("Cats", first=True)[0] == "lf"
    assert look_alikes("NATO", first=False)[0] == "lcu"
    assert look_alikes("2-day", first=False)[0] == "d-"
    assert len(look_alikes("extraordinary", first=False)) == 1 + hmm.LONGEST_ENDING


def test_pairs_of_labels_are_the_states_unless_there_are_too_many():
    many = [[f"L{number}" for number in range(30)]]
    assert fit_hmm([["x"] * 30], many).order == 1
    assert fit_hmm(SENTENCES, GOLD).order == 2


@pytest.mark.parametrize(
    ("labels", "order", "kind", "said"),
    [
        (GOLD, 3, SettingsError, "order is 3, but it must be 1 or 2"),
        ([["D"], *GOLD[1:]], None, DataError, "Sentence 0 has 3 words, but 1 labels. Give one for each word."),
    ],
)
def test_what_cannot_be_counted_is_refused(labels, order, kind, said):
    with pytest.raises(kind, match=said):
        fit_hmm(SENTENCES, labels, order=order)


def test_no_words_at_all_are_refused():
    with pytest.raises(DataError, match="There are no labelled words to learn from"):
        fit_hmm([[]], [[]])


def test_many_labels_fill_no_cube_of_them():
    """Of order 1 nothing is lost by that: the same model as from the sums of the cube."""
    square, cube = fit_hmm(SENTENCES, GOLD, order=1), fit_hmm(SENTENCES, GOLD, order=2)
    np.testing.assert_array_equal(square.followers, cube.followers.sum(axis=0, keepdims=True))
    many = [[f"L{number}" for number in range(1_500)]]
    assert fit_hmm([["x"] * 1_500], many).followers.nbytes < 10_000_000


def test_sentences_and_labels_of_another_number_are_refused():
    with pytest.raises(DataError, match="There are 6 sentences, but 5 lists of labels. Give one for each."):
        fit_hmm(SENTENCES, GOLD[:5])
