import csv
import re
from collections import Counter
from functools import cache
from itertools import pairwise
from random import Random

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from bothways.data import sample_words as words
from bothways.data import samples
from bothways.data.samples import film_reviews, write_film_reviews
from bothways.errors import OutputError, SettingsError

FAMILIES = {name: family for name, family in vars(words).items() if isinstance(family, words.Frames)}
MEANINGFUL = {
    word
    for lists in (words.PRAISE, words.BLAME, words.TRUST, words.DOUBT)
    for options in lists.values()
    for word in options
}


@cache
def corpus(part: str) -> tuple[list[str], list[str]]:
    return film_reviews(part)


def tokens(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def pattern_of(frame: str) -> str:
    """A frame as a regular expression that finds its sentences; {adj} is what is meant."""
    slots = {
        "c": "(?:" + "|".join(re.escape(name.rstrip("+")) for names in words.ASPECTS.values() for name in names) + ")",
        "was": "(?:was|were)",
        "adj": "(?P<adj>[a-z-]+)",
        "adj2": "[a-z-]+",
        "anti": "[a-z-]+",
    }
    return re.sub(r"\\\{(\w+)\\\}", lambda match: slots[match[1]], re.escape(frame))


class Reader:
    """Recover a review's label from its words alone, knowing the frames but not how reviews are put together."""

    def __init__(self, part: str) -> None:
        families = {"says": words.SAYS, "denies": words.DENIES, "contrasts": words.CONTRASTS}
        self.patterns = [
            (kind, re.compile(pattern_of(frame), re.IGNORECASE))
            for kind, family in families.items()
            for frame in family.of(part)
        ]
        self.praise = {word for options in words.PRAISE.values() for word in options}
        self.trust = {word for options in words.TRUST.values() for word in options}
        self.doubt = {word for options in words.DOUBT.values() for word in options}

    def opinions(self, text: str) -> list[bool]:
        found, at = [], 0
        while hits := [(kind, hit) for kind, pattern in self.patterns if (hit := pattern.search(text, at))]:
            kind, hit = min(hits, key=lambda it: (it[1].start(), -it[1].end()))  # leftmost, then longest
            found.append((hit["adj"].lower() in self.praise) != (kind == "denies"))
            at = hit.end()
        return found

    def label(self, text: str) -> str:
        (praised,) = set(self.opinions(text))
        trusted, doubted = (bool(listed & set(tokens(text))) for listed in (self.trust, self.doubt))
        assert trusted != doubted, text
        return "positive" if praised == trusted else "negative"


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_reader_that_knows_only_the_frames_finds_every_label(part):
    texts, labels = film_reviews(part, rows=400, seed=3)
    reader = Reader(part)

    assert [reader.label(text) for text in texts] == labels
    assert {len(reader.opinions(text)) for text in texts} == {2, 3}


def test_the_corpus_has_the_promised_size_balance_and_vocabulary():
    (train, train_labels), (test, test_labels) = corpus("train"), corpus("test")

    assert len(train) >= 4000
    assert len(test) == 1000
    assert Counter(train_labels) == {"positive": len(train) // 2, "negative": len(train) // 2}
    assert Counter(test_labels) == {"positive": 500, "negative": 500}
    assert len({word for text in train for word in tokens(text)}) >= 1500
    assert all(15 <= len(text.split()) <= 60 for text in train + test)


def test_the_same_seed_gives_the_same_reviews_and_another_seed_gives_others():
    assert film_reviews("train", rows=7, seed=5) == film_reviews("train", rows=7, seed=5)
    assert not set(film_reviews("train", rows=7, seed=5)[0]) & set(film_reviews("train", rows=7, seed=6)[0])


def test_drawing_uses_nothing_but_the_generator_whose_numbers_python_keeps(monkeypatch):
    expected = film_reviews("test", rows=5)
    for method in ("choice", "choices", "shuffle", "sample", "randint", "randrange", "uniform", "getrandbits"):
        monkeypatch.setattr(Random, method, None)

    assert film_reviews("test", rows=5) == expected


def test_an_odd_number_of_rows_holds_one_positive_more():
    assert Counter(film_reviews("train", rows=9)[1]) == {"positive": 5, "negative": 4}


def test_labels_are_shuffled():
    labels = film_reviews("train", rows=200, seed=1)[1]
    changes = sum(before != after for before, after in pairwise(labels))

    assert 70 < changes < 130


def test_no_frame_and_no_text_of_the_test_part_stands_in_the_train_part():
    train_frames = {frame for family in FAMILIES.values() for frame in family.train}
    test_frames = {frame for family in FAMILIES.values() for frame in family.test}

    assert len(FAMILIES) == 7
    assert not train_frames & test_frames
    assert not set(corpus("train")[0]) & set(corpus("test")[0])


def test_a_test_review_cannot_be_read_with_the_frames_of_the_train_part():
    readable = [len(Reader("train").opinions(text)) >= 2 for text in film_reviews("test", rows=100)[0]]

    assert sum(readable) < 50


def test_every_word_of_a_test_frame_is_met_in_training():
    met = {word for text in corpus("train")[0] for word in tokens(text)}
    used = {
        word for family in FAMILIES.values() for frame in family.test for word in tokens(re.sub(r"\{\w+\}", "", frame))
    }

    assert used <= met


def test_words_that_carry_the_meaning_never_serve_as_scenery():
    scenery = {part for options in words.SCENERY.values() for option in options for part in tokens(option)}
    frames = {
        word
        for family in FAMILIES.values()
        for frame in (*family.train, *family.test)
        for word in tokens(re.sub(r"\{\w+\}", "", frame))
    }

    assert not MEANINGFUL & (scenery | frames)
    assert len(MEANINGFUL) == sum(
        len(options) for lists in (words.PRAISE, words.BLAME, words.TRUST, words.DOUBT) for options in lists.values()
    )


def bag_of_words_accuracy(train: list[str], test: list[str]) -> float:
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    model = LogisticRegression(max_iter=1000).fit(vectorizer.fit_transform(train), corpus("train")[1])
    return model.score(vectorizer.transform(test), corpus("test")[1])


def test_counting_words_gets_past_chance_and_no_further_than_three_quarters():
    assert 0.55 <= bag_of_words_accuracy(corpus("train")[0], corpus("test")[0]) <= 0.75


def test_nothing_but_the_opinions_tells_the_label():
    def blanked(texts):
        judging = {word for lists in (words.PRAISE, words.BLAME) for options in lists.values() for word in options}
        return [" ".join("x" if word in judging else word for word in re.findall(r"[a-z-]+", t.lower())) for t in texts]

    accuracy = bag_of_words_accuracy(blanked(corpus("train")[0]), blanked(corpus("test")[0]))

    assert accuracy == pytest.approx(0.5, abs=0.05)  # three deviations of 1,000 coin throws


@pytest.mark.parametrize("part", ["train", "test"])
def test_length_does_not_tell_the_label(part):
    lengths = {"positive": [], "negative": []}
    for text, label in zip(*corpus(part), strict=True):
        lengths[label].append(len(text.split()))
    means = {label: sum(values) / len(values) for label, values in lengths.items()}

    assert means["positive"] == pytest.approx(means["negative"], abs=1.0)


def test_the_written_files_hold_the_corpus_and_say_that_it_is_generated(tmp_path):
    train, test = write_film_reviews(tmp_path / "new" / "reviews")

    for path, part in ((train, "train"), (test, "test")):
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        assert path.name == f"{part}.csv"
        assert header == ["review", "sentiment"]
        assert rows == [list(row) for row in zip(*corpus(part), strict=True)]
    assert "generated" in (train.parent / "README.md").read_text()
    assert "generated" in samples.__doc__


def test_writing_again_is_allowed_but_never_over_something_else(tmp_path):
    first = write_film_reviews(tmp_path)
    assert write_film_reviews(tmp_path) == first

    first[1].write_text("mine\n")
    first[0].unlink()
    with pytest.raises(OutputError, match=r"test\.csv exists and holds something else\. Choose another folder"):
        write_film_reviews(tmp_path)
    assert first[1].read_text() == "mine\n"
    assert not first[0].exists()


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(OutputError, match=r"file cannot be written: .*\. Choose a folder you may write to\.$"):
        write_film_reviews(tmp_path / "file")


def test_unknown_parts_and_impossible_sizes_are_refused():
    with pytest.raises(SettingsError, match="part is 'tset', but it must be one of: test, train. Did you mean 'test'?"):
        film_reviews("tset")
    with pytest.raises(SettingsError, match="rows is 0, but it must be at least 1, or None for all 1000"):
        film_reviews("test", rows=0)
