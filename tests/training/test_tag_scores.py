"""Scores of tags by hand and by scikit-learn, and their intervals against the law of independent sentences."""

import json
import math

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from bothways.training import tag_scores
from bothways.training.hmm import fit_hmm
from bothways.training.tag_baselines import commonest_tags, score_baselines
from bothways.training.tag_scores import TagScores, accuracy_and_f1, score_tags

WORDS = [["Ada", "met", "Li", "Wu"], ["Go"], ["in", "New", "York", "or", "Ghent"]]
GOLD = [["B-PER", "O", "B-PER", "I-PER"], ["O"], ["O", "B-LOC", "I-LOC", "O", "B-LOC"]]
SAID = [["B-PER", "O", "B-PER", "O"], ["O"], ["O", "B-LOC", "I-LOC", "O", "B-PER"]]


def score(gold=GOLD, said=SAID, scheme="bio", *, known=frozenset(), words=None, seed=0):
    return score_tags(words or WORDS, gold, said, scheme, known=set(known), seed=seed)


def test_entities_by_hand():
    """Right: Ada, New York. Said besides: Li (one word too short), Ghent (another type). There: Li Wu, Ghent, too."""
    found = score()
    assert (found.sentences, found.words) == (3, 10)
    assert found.accuracy == 0.8
    assert found.sentence_accuracy == pytest.approx(1 / 3)
    assert (found.precision, found.recall, found.f1, found.main) == (0.5, 0.5, 0.5, 0.5)
    assert vars(found.by_name["PER"]) == {"precision": 1 / 3, "recall": 1 / 2, "f1": 2 / 5, "support": 2}
    assert vars(found.by_name["LOC"]) == {"precision": 1.0, "recall": 1 / 2, "f1": 2 / 3, "support": 2}
    assert set(found.confused) == {("I-PER", "O", 1), ("B-LOC", "B-PER", 1)}


def test_tags_that_the_scheme_forbids_are_read_as_conlleval_reads_them():
    found = score([["B-PER", "I-PER", "O"]], [["I-PER", "I-PER", "O"]], words=[["a", "b", "c"]])
    assert (found.f1, found.accuracy) == (1.0, pytest.approx(2 / 3))


def test_words_that_training_never_had_are_scored_by_themselves():
    found = score(known={"Ada", "met", "Li", "Go", "in", "New", "York", "or"})
    assert (found.unknown, found.unknown_accuracy) == (2, 0.0)  # Wu and Ghent, both wrong
    found = score(known={"Wu", "Ghent"})
    assert (found.unknown, found.unknown_accuracy) == (8, 1.0)
    assert score(known={word for words in WORDS for word in words}).unknown_accuracy is None


def test_plain_tags_are_scored_as_scikit_learn_scores_them():
    random = np.random.default_rng(0)
    sizes = random.integers(1, 9, size=40)
    gold, said = ([[f"T{tag}" for tag in random.integers(4, size=size)] for size in sizes] for _ in range(2))
    said = [["T9" if tag == "T0" and random.random() < 0.3 else tag for tag in tags] for tags in said]
    found = score(gold, said, "none", words=[["w"] * size for size in sizes])
    flat = [[tag for tags in some for tag in tags] for some in (gold, said)]
    labels = sorted(found.by_name)
    assert labels == ["T0", "T1", "T2", "T3", "T9"]
    wanted = precision_recall_fscore_support(*flat, labels=labels, zero_division=0)
    for place, of in enumerate(("precision", "recall", "f1", "support")):
        np.testing.assert_allclose([getattr(found.by_name[name], of) for name in labels], wanted[place])
    assert found.accuracy == found.main == np.mean([one == other for one, other in zip(*flat, strict=True)])
    assert found.f1 is found.precision is found.recall is found.f1_interval is None
    counts = {(one, other): count for one, other, count in found.confused}
    assert sum(counts.values()) == round((1 - found.accuracy) * found.words)
    assert counts["T1", "T2"] == sum(pair == ("T1", "T2") for pair in zip(*flat, strict=True))
    assert [count for _, _, count in found.confused] == sorted(counts.values(), reverse=True)


def test_intervals_hold_their_value_and_are_as_wide_as_independent_sentences_make_them():
    """One word a sentence: 1.96 standard errors of a share on both sides."""
    random = np.random.default_rng(1)
    gold = [[tag] for tag in random.choice(["B-PER", "O"], size=900)]
    said = [[tag if random.random() < 0.8 else "B-LOC"] for (tag,) in gold]
    found = score(gold, said, words=[["w"]] * 900)
    for (low, high), value in ((found.accuracy_interval, found.accuracy), (found.f1_interval, found.f1)):
        assert low < value < high
    low, high = found.accuracy_interval
    error = math.sqrt(found.accuracy * (1 - found.accuracy) / 900)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.15)
    assert found.interval == found.f1_interval
    perfect = score(gold, gold, words=[["w"]] * 900)
    assert perfect.interval == perfect.accuracy_interval == (1.0, 1.0)


def test_sentences_are_drawn_whole():
    """A hundred sentences, each all right or all wrong: as uncertain as a hundred words, however long they are."""
    gold = [["A"] * 50] * 100
    said = [["A" if row % 2 else "B"] * 50 for row in range(100)]
    low, high = score(gold, said, "none", words=[["w"] * 50] * 100).accuracy_interval
    assert high - low == pytest.approx(2 * 1.96 * 0.05, rel=0.15)


def test_the_memory_of_many_sentences_changes_no_interval(monkeypatch):
    before = score()
    monkeypatch.setattr(tag_scores, "_DRAWN_AT_ONCE", 7)
    assert score() == before


def test_json_and_back_is_the_same():
    for found in (score(), score(scheme="none", gold=[["X"]], said=[["Y"]], words=[["w"]])):
        assert TagScores.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_the_scores_of_an_epoch_are_those_of_the_end():
    assert accuracy_and_f1(GOLD, SAID, "bio") == (score().accuracy, score().f1)
    assert accuracy_and_f1(GOLD, SAID, "none") == (0.8, 0.8)
    assert accuracy_and_f1([], [], "bio") == (0.0, 0.0)


def test_no_sentences_are_no_crash():
    found = score([], [], words=[[]])
    assert (found.words, found.accuracy, found.f1, found.accuracy_interval) == (0, 0.0, 0.0, (0.0, 0.0))


def test_the_commonest_tag_of_each_word_is_a_baseline():
    counted = fit_hmm([["a", "b", "a", "a", "a"], ["c", "c"]], [["X", "Y", "Y", "X", "X"], ["Z", "Z"]])
    assert commonest_tags(counted, [["a", "b", "c"], [], ["new"]]) == [["X", "Y", "Z"], [], ["X"]]
    gold = [["X", "Y", "Y"]]

    def scored(tags):
        return score(gold, tags, "none", words=[["a", "b", "c"]])

    found = score_baselines(counted, [["a", "b", "c"]], "none", scored, beside_itself=False)
    assert found.keys() == {"commonest", "hmm"}
    assert found["commonest"]["accuracy"] == pytest.approx(2 / 3)
    assert found["hmm"] == scored(counted.predict([["a", "b", "c"]])).to_dict()
    assert score_baselines(counted, [["a"]], "none", lambda tags: score([["X"]], tags, "none", words=[["a"]]),
                           beside_itself=True).keys() == {"commonest"}  # fmt: skip
