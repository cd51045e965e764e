"""The generated sentences with names: what tells and what does not."""

from collections import Counter

import pytest

from bothways.data.tagged import read_tagged
from bothways.data.teddy import (
    AMBIGUOUS,
    NAME,
    PERSON,
    ROWS,
    THING,
    place_of_name,
    teddy_sentences,
    write_teddy_sentences,
)
from bothways.errors import BothwaysError, OutputError, SettingsError


@pytest.mark.parametrize("part", ["train", "test"])
def test_half_the_words_that_may_be_names_are_and_only_a_later_word_tells_which(part):
    sentences, tags = teddy_sentences(part)
    assert len(sentences) == ROWS[part]
    names = 0
    for words, some in zip(sentences, tags, strict=True):
        place = place_of_name(words)
        assert sum(word in AMBIGUOUS for word in words) == 1
        assert set(some) - {"O", NAME} == set()
        named = some[place] == NAME
        assert some.count(NAME) == named
        telling = {word for word in words[place + 1 :] if word in PERSON or word in THING}
        assert telling <= set(PERSON if named else THING)
        assert telling
        names += named
    assert names == ROWS[part] / 2


def test_what_stands_up_to_the_word_says_nothing_of_it():
    """The best guess from all that a forward reader has seen is little better than a coin."""
    sentences, tags = teddy_sentences("train")
    seen = Counter()
    for words, some in zip(sentences, tags, strict=True):
        place = place_of_name(words)
        seen[tuple(words[: place + 1]), some[place]] += 1
    right = total = 0
    for words, some in zip(*teddy_sentences("train", seed=1), strict=True):
        place = place_of_name(words)
        before = tuple(words[: place + 1])
        guess = max((NAME, "O"), key=lambda tag: seen[before, tag])
        right += guess == some[place]
        total += 1
    assert abs(right / total - 0.5) < 0.04


def test_no_frame_of_the_test_part_is_trained_on():
    train, test = (
        {tuple("*" if word in AMBIGUOUS else word for word in words) for words in teddy_sentences(part)[0]}
        for part in ("train", "test")
    )
    assert not train & test


def test_the_same_arguments_give_the_same_sentences():
    assert teddy_sentences("train", rows=20, seed=3) == teddy_sentences("train", rows=20, seed=3)
    assert teddy_sentences("train", rows=20, seed=3) != teddy_sentences("train", rows=20, seed=4)


def test_files_hold_what_was_generated_and_nothing_is_overwritten(tmp_path):
    train, test = write_teddy_sentences(tmp_path / "teddy")
    write_teddy_sentences(tmp_path / "teddy")
    found = read_tagged(test)
    assert (found.words, found.tags) == teddy_sentences("test")
    train.write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="exists and holds something else"):
        write_teddy_sentences(tmp_path / "teddy")
    assert train.read_text(encoding="utf-8") == "mine"


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(SettingsError, match="rows is 0, but it must be at least 1"):
        teddy_sentences("train", rows=0)
    with pytest.raises(BothwaysError, match="part is 'dev'"):
        teddy_sentences("dev")
