"""The features of texts against scikit-learn's own counts and tf-idf."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from bothways.training import ngrams
from bothways.training.ngrams import NgramFeatures, fit_ngrams

CHINESE = ["这 部电影很好看", "电影不好看，失望", "很好，很喜欢这里", "不喜欢 Hotel，很失望"]


def random_texts(rows: int, seed: int, alphabet: str = "abcdefghijklmnop") -> list[str]:
    """Draw texts of 0 to 11 words of one or two letters, so that pairs of words come again."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(12, size=rows)
    return [" ".join("".join(generator.choice(list(alphabet), size=1 + i % 2)) for i in range(n)) for n in lengths]


def dense(texts: list[str], fitted_on: list[str]) -> np.ndarray:
    """Our features as a full matrix, columns sorted by their values so that only the order is lost."""
    features = fit_ngrams(fitted_on, weights_per_feature=1)
    return features.matrix(texts).toarray()


def same_columns(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Check that two matrices hold the same columns in any order."""
    assert ours.shape == theirs.shape
    order, their_order = (np.lexsort(matrix.round(5)) for matrix in (ours, theirs))
    np.testing.assert_allclose(ours[:, order], theirs[:, their_order], atol=2e-5)


@pytest.mark.parametrize("rows", [40, 230])
def test_words_and_pairs_have_the_tf_idf_of_scikit_learn(rows):
    texts, others = random_texts(rows, seed=1), random_texts(30, seed=2, alphabet="abcdxyz")
    theirs = TfidfVectorizer(
        ngram_range=(1, 2), token_pattern=r"\w+", sublinear_tf=True, min_df=2 if rows >= 200 else 1
    ).fit(texts)

    same_columns(dense([*texts, *others], texts), theirs.transform([*texts, *others]).toarray())


def test_texts_without_spaces_are_read_by_one_two_and_three_characters():
    theirs = TfidfVectorizer(
        analyzer="char", ngram_range=(1, 3), sublinear_tf=True, preprocessor=lambda text: "".join(text.lower().split())
    ).fit(CHINESE)

    same_columns(dense(CHINESE, CHINESE), theirs.transform(CHINESE).toarray())


def test_the_most_frequent_features_are_kept_and_weigh_as_without_the_others(monkeypatch):
    monkeypatch.setattr(ngrams, "_MIN_FEATURES", 50)
    texts = [f"once{row} {text}" for row, text in enumerate(random_texts(150, seed=3, alphabet="abcd"))]
    counts = np.sort(np.asarray(make_counts(texts).sum(axis=0)).ravel())[::-1]

    features = fit_ngrams(texts, weights_per_feature=40_000)

    assert len(features.idf) == len(features.units) + len(features.keys[0]) == 50
    assert len(features.keys[0]) > 20
    kept = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", sublinear_tf=True, vocabulary=names(features))
    same_columns(features.matrix(texts).toarray(), kept.fit(texts).transform(texts).toarray())
    assert make_counts(texts, names(features)).sum() == counts[:50].sum()


def make_counts(texts: list[str], vocabulary: list[str] | None = None):
    return CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", vocabulary=vocabulary).fit_transform(texts)


def names(features: NgramFeatures) -> list[str]:
    """Spell the units and the pairs of units."""
    pairs = [divmod(int(key), len(features.units)) for key in features.keys[0]]
    return [*features.units, *(f"{features.units[first]} {features.units[last]}" for first, last in pairs)]
