"""The baselines against pipelines of scikit-learn, and the laws of fitting, saving and loading."""

import json

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bothways.data.splits import stratified_sample
from bothways.errors import DataError, MissingFileError, ModelFolderError
from bothways.training import baselines, ngrams
from bothways.training.baselines import Baselines

GOOD = ["a warm and honest film", "I liked it, a joy", "what a warm joy", "honest work and a fine cast"]
BAD = ["a cold and empty film", "I hated it, a bore", "what a cold bore", "empty work and a dull cast"]
TEXTS, LABELS = GOOD + BAD, ["good"] * 4 + ["bad"] * 4
CHINESE = ["这 部电影很好看", "电影不好看，失望", "很好，很喜欢这里", "不喜欢 Hotel，很失望"]


def random_texts(rows: int, seed: int) -> list[str]:
    """Draw texts of 0 to 11 words of one or two letters, so that pairs of words come again."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(12, size=rows)
    return [
        " ".join("".join(generator.choice(list("abcdefghijklmnop"), size=1 + i % 2)) for i in range(n)) for n in lengths
    ]


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_agree_with_a_pipeline_of_scikit_learn(classes):
    texts = random_texts(120, seed=4)
    labels = [f"class {(len(text) + text.count('a')) % classes}" for text in texts]
    pipeline = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", sublinear_tf=True),
        LogisticRegression(C=baselines.TEXT_STRENGTH, tol=1e-8, max_iter=2000),
    ).fit(texts, labels)
    others = random_texts(50, seed=5)

    ours = Baselines.fit(texts, labels).predict_proba(others)

    np.testing.assert_allclose(ours, pipeline.predict_proba(others), atol=5e-3)


def test_numbers_agree_with_a_pipeline_of_scikit_learn():
    generator = np.random.default_rng(6)
    sequences = [generator.normal(size=(generator.integers(1, 9), 3)) for _ in range(70)]
    labels = ["up" if sequence[-1, 0] > sequence[0, 1] else "down" for sequence in sequences]
    table = [np.concatenate([s.mean(0), s.std(0), s[0], s[-1], s.min(0), s.max(0)]) for s in sequences]
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8, max_iter=2000)).fit(table, labels)

    ours = Baselines.fit_numbers(sequences, labels)

    np.testing.assert_allclose(ours.predict_proba(sequences), pipeline.predict_proba(table), atol=2e-3)
    assert ours.scores(sequences, labels)["linear"]["accuracy"] > ours.shares.max() + 0.2


def test_the_linear_baseline_beats_the_majority_on_texts_it_has_not_seen():
    scores = Baselines.fit(TEXTS, LABELS).scores(["a warm cast", "a dull bore"], ["good", "bad"])

    assert scores["majority"] == {"accuracy": 0.5, "macro_f1": pytest.approx(1 / 3)}
    assert scores["linear"] == {"accuracy": 1.0, "macro_f1": 1.0}


def test_one_letter_words_count():
    fitted = Baselines.fit(["i x", "i x", "u x", "u x"], ["me", "me", "you", "you"])

    assert fitted.predict_proba(["i", "u"]).argmax(axis=1).tolist() == [0, 1]


def test_a_text_gets_the_same_answer_alone_as_among_others(monkeypatch):
    fitted = Baselines.fit(TEXTS, LABELS)
    together = fitted.predict_proba([*TEXTS, "", "unheard of"])
    monkeypatch.setattr(ngrams, "_TEXTS_AT_ONCE", 3)

    alone = [fitted.predict_proba([text])[0] for text in [*TEXTS, "", "unheard of"]]

    np.testing.assert_allclose(fitted.predict_proba([*TEXTS, "", "unheard of"]), together, rtol=1e-14)
    np.testing.assert_allclose(alone, together, rtol=1e-14)


def test_the_order_of_the_training_rows_does_not_matter():
    order = np.random.default_rng(7).permutation(len(TEXTS))
    shuffled = Baselines.fit([TEXTS[row] for row in order], [LABELS[row] for row in order])

    np.testing.assert_allclose(
        shuffled.predict_proba(TEXTS), Baselines.fit(TEXTS, LABELS).predict_proba(TEXTS), atol=5e-3
    )


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (TEXTS, LABELS),
        ([*TEXTS, "so so"], [*LABELS, "middling"]),
        (CHINESE, ["好", "坏", "好", "坏"]),
        (["", " ", "", "!?"], ["a", "b", "a", "a"]),
        (["one", "two"], ["same", "same"]),
        (["\ud800 看", "好 \ud801"], ["\ud800", "b"]),
    ],
    ids=["two classes", "three classes", "characters", "no words", "one class", "lone surrogates"],
)
def test_a_loaded_baseline_predicts_exactly_the_same(tmp_path, texts, labels):
    fitted = Baselines.fit(texts, labels)
    fitted.save(tmp_path / "new" / "folder")
    loaded = Baselines.load(tmp_path / "new" / "folder")
    asked = [*texts, "", "a warm 看 film, twice a warm film"]

    assert (loaded.predict_proba(asked) == fitted.predict_proba(asked)).all()
    assert (loaded.classes, loaded.notes, loaded.majority) == (fitted.classes, fitted.notes, fitted.majority)


def test_a_loaded_baseline_of_numbers_predicts_exactly_the_same(tmp_path):
    generator = np.random.default_rng(8)
    sequences = [generator.normal(size=(1 + row % 4, 2)) for row in range(9)]
    fitted = Baselines.fit_numbers(sequences, ["a", "b", "c"] * 3)
    fitted.save(tmp_path)

    assert (Baselines.load(tmp_path).predict_proba(sequences) == fitted.predict_proba(sequences)).all()


def test_texts_without_words_leave_the_majority_and_say_so():
    fitted = Baselines.fit(["", " ", "\n", "!?"], ["a", "b", "b", "b"])

    assert (fitted.majority, fitted.shares.max()) == ("b", 0.75)
    np.testing.assert_allclose(fitted.predict_proba(["word", ""]), [[0.25, 0.75], [0.25, 0.75]])
    assert fitted.notes == ["The texts hold no words to learn from: the linear baseline answers like the majority."]
    scores = fitted.scores(["word", ""], ["a", "b"])
    assert scores["linear"] == scores["majority"]


def test_many_texts_of_which_no_two_share_a_word_leave_the_majority():
    fitted = Baselines.fit([f"word{row}" for row in range(250)], ["a", "b"] * 125)

    assert fitted.linear is None
    assert fitted.notes == ["The texts hold no words to learn from: the linear baseline answers like the majority."]


def test_one_class_is_fitted_and_said():
    fitted = Baselines.fit(["one", "two"], ["same", "same"])

    assert fitted.predict_proba(["three"]).tolist() == [[1.0]]
    assert fitted.notes == ["There is one class only: the linear baseline answers like the majority."]


def test_more_rows_than_allowed_are_drawn_by_class_and_said():
    texts, labels = random_texts(400, seed=9), ["common"] * 299 + ["usual"] * 100 + ["rare"]
    targets = np.array([["common", "rare", "usual"].index(label) for label in labels])

    rows = stratified_sample(targets, size=80, seed=0)
    fitted = Baselines.fit(texts, labels, max_rows=80)

    assert len(rows) <= 80
    assert np.bincount(targets[rows]).tolist() == [57, 1, 19]
    assert (rows == stratified_sample(targets, size=80, seed=0)).all()
    assert rows.tolist() != stratified_sample(targets, size=80, seed=1).tolist()
    assert fitted.notes == ["The linear baseline was fitted on 77 of 400 rows, drawn by class."]
    np.testing.assert_allclose(fitted.shares, [299 / 400, 1 / 400, 100 / 400])


def test_a_fit_that_does_not_settle_says_so(monkeypatch):
    monkeypatch.setattr(baselines, "_MAX_ITERATIONS", 1)

    assert Baselines.fit(TEXTS, LABELS).notes == ["The linear baseline had not settled after 1 iterations."]


def test_steps_that_are_missing_or_not_finite_count_as_average():
    sequences = [np.array([[1.0], [2.0]]), np.array([[5.0], [9.0]]), np.zeros((0, 1)), np.array([[np.nan], [1e308]])]
    fitted = Baselines.fit_numbers(sequences, ["low", "high", "low", "high"])
    average = fitted.predict_proba([np.zeros((0, 1))])

    np.testing.assert_array_equal(fitted.predict_proba([np.full((2, 1), np.inf)]), average)
    np.testing.assert_allclose(average[0, 0], 1 / (1 + np.exp(fitted.linear.intercepts[0])))


def test_sequences_of_another_width_are_refused_with_their_row():
    fitted = Baselines.fit_numbers([np.zeros((2, 3)), np.ones((1, 3))], ["a", "b"])

    with pytest.raises(
        DataError, match=r"^Row 2 has shape \(2, 4\), but every row must be steps by features.*\(3 here"
    ):
        fitted.predict_proba([np.zeros((5, 3)), np.zeros((2, 4))])
    with pytest.raises(DataError, match=r"^Row 1 has shape \(2,\)"):
        Baselines.fit_numbers([np.zeros(2), np.ones(2)], ["a", "b"])


@pytest.mark.parametrize(("texts", "labels"), [([], []), (["one", "two"], ["a"])])
def test_inputs_without_a_label_each_are_refused(texts, labels):
    with pytest.raises(DataError, match=r"^There are \d inputs and \d labels: give one label for each input"):
        Baselines.fit(texts, labels)


def test_damaged_folders_are_refused_and_named(tmp_path):
    Baselines.fit(TEXTS, LABELS).save(tmp_path)
    vocabulary, weights = tmp_path / "baseline.json", tmp_path / "baseline.safetensors"
    facts, tensors = json.loads(vocabulary.read_text()), weights.read_bytes()

    for broken in (tensors[:-9], b"", b"no tensors"):
        weights.write_bytes(broken)
        with pytest.raises(ModelFolderError, match=r"^The baseline in .* is damaged\. Train the model again\.$"):
            Baselines.load(tmp_path)
    weights.write_bytes(tensors)
    for text in ("", "[]", json.dumps({**facts, "longest": 3}), json.dumps({**facts, "units": facts["units"][1:]})):
        vocabulary.write_text(text)
        with pytest.raises(ModelFolderError, match="is damaged"):
            Baselines.load(tmp_path)
    vocabulary.write_text(json.dumps({**facts, "format": 9}))
    with pytest.raises(
        ModelFolderError, match=r"has format 9, but this version reads 1 and older\. Update bothways\.$"
    ):
        Baselines.load(tmp_path)
    vocabulary.unlink()
    with pytest.raises(MissingFileError, match=r"holds no baseline: baseline\.json is missing\. Train the model again"):
        Baselines.load(tmp_path)
