"""Words and letters as a tagger reads them: what has an id, what a batch names, and the way through JSON."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from bothways.data.lexicon import LONGEST_WORD, UNKNOWN, Lexicon

SENTENCES = [["The", "cat", "the", "Cat"], ["THE", "dog"], ["cat"]]
ODD = ["\ud800", "a\nb", "a\tb", "🎬", "é", "\x00", "<pad>", "<unk>", '"', "\\"]


def learn(*, sentences=SENTENCES, lowercase=True, min_count=1, more=()):
    return Lexicon.learn(sentences, lowercase=lowercase, min_count=min_count, more=more)


def read_back(lexicon, batch):
    """The sentences of a batch, as far as its letters tell."""
    words = ["".join(lexicon.letters[letter] for letter in row[:count])
             for row, count in zip(batch.letters, batch.letter_counts, strict=True)]  # fmt: skip
    return [[words[place] for place in row[:length]] for row, length in zip(batch.which, batch.lengths, strict=True)]


def test_words_are_known_by_their_small_letters_the_frequent_ones_first():
    lexicon = learn()
    assert lexicon.words == ["<pad>", "<unk>", "the", "cat", "dog"]
    assert lexicon.word_ids(["THE", "Cat", "dog", "bird"]).tolist() == [2, 3, 4, UNKNOWN]


def test_words_are_known_as_they_are_written_where_that_is_asked_for():
    lexicon = learn(lowercase=False)
    assert set(lexicon.words[2:]) == {"The", "the", "THE", "cat", "Cat", "dog"}
    assert lexicon.words[2] == "cat"
    assert lexicon.word_ids(["CAT", "THE"]).tolist() == [UNKNOWN, lexicon.words.index("THE")]


def test_a_word_is_counted_however_it_is_written_and_a_rare_one_is_unknown():
    assert learn(min_count=3).words[2:] == ["the", "cat"]
    assert learn(min_count=3, lowercase=False).words[2:] == []
    assert learn(min_count=2, lowercase=False).words[2:] == ["cat"]


def test_more_words_are_known_however_rare():
    lexicon = learn(min_count=3, more=["Bird", "the", "bird", "<pad>", "<unk>"])
    assert lexicon.words == ["<pad>", "<unk>", "the", "cat", "bird"]


def test_every_form_keeps_its_letters_and_a_letter_seen_once_is_unknown():
    lexicon = learn()
    letters, counts = lexicon.spell(["The", "cat", "dog", "Cæt"])
    assert counts.tolist() == [3, 3, 3, 3]
    once = "<unk>"  # as d, o, g, H, E and C do
    spelt = [[lexicon.letters[letter] for letter in row[:3]] for row in letters]
    assert spelt == [["T", "h", "e"], ["c", "a", "t"], [once] * 3, [once, once, "t"]]
    assert lexicon.letters == ["<pad>", "<unk>", "T", "a", "c", "e", "h", "t"]


@given(some.lists(some.text(some.sampled_from("abzé日🎬\ud800\x00\U0010ffff"), max_size=50), max_size=7))
def test_each_letter_has_its_own_id_wherever_it_stands(forms):
    lexicon = learn(sentences=[["abé日🎬\ud800"] * 2])
    letters, counts = lexicon.spell(forms)
    for row, count, form in zip(letters, counts, forms, strict=True):
        half = LONGEST_WORD // 2
        read = form if len(form) <= LONGEST_WORD else form[:half] + form[-half:]
        wanted = [lexicon.letters.index(letter) if letter in lexicon.letters else UNKNOWN for letter in read]
        assert row.tolist() == wanted + [0] * (len(row) - len(wanted))
        assert count == max(1, len(wanted))


def test_of_a_very_long_word_both_ends_are_read():
    start, end = "ab" * (LONGEST_WORD // 4), "xy" * (LONGEST_WORD // 4)
    lexicon = learn(sentences=[["abxy", "abxy", "mm"]])
    (row,), (count,) = lexicon.spell([start + "m" * 1_000_000 + end])
    assert count == LONGEST_WORD
    assert "".join(lexicon.letters[letter] for letter in row[:count]) == start + end
    (exact, longer), counts = lexicon.spell([start + end, start + "m" + end])
    assert counts.tolist() == [LONGEST_WORD] * 2
    np.testing.assert_array_equal(exact, longer)


@given(some.lists(some.lists(some.sampled_from(["ab", "a", "bb", "abab", "b"]), min_size=1, max_size=9), min_size=1))
def test_a_batch_holds_the_sentences_and_names_each_word_once(sentences):
    lexicon = learn(sentences=[["ab", "ab", "bb", "bb"]])
    for rounded in (False, True):
        batch = lexicon.batch(sentences, rounded=rounded)
        assert read_back(lexicon, batch) == sentences
        assert len(batch.words) == len({word for words in sentences for word in words})
        names = [[lexicon.words[batch.words[place]] for place in row[:length]]
                 for row, length in zip(batch.which, batch.lengths, strict=True)]  # fmt: skip
        assert names == [[word if word in ("ab", "bb") else "<unk>" for word in words] for words in sentences]
        longest = max(map(len, sentences))
        assert batch.which.shape[1] == (-(-longest // 8) * 8 if rounded else longest)


def test_a_word_without_letters_is_one_step_of_padding():
    letters, counts = learn().spell(["", "cat"])
    assert counts.tolist() == [1, 3]
    assert not letters[0].any()


@pytest.mark.parametrize("lowercase", [True, False])
def test_json_and_back_is_the_same(lowercase):
    lexicon = learn(sentences=[ODD, ODD, ["The"]], lowercase=lowercase, min_count=2)
    text = lexicon.to_json()
    assert text.isascii()  # so that any file can hold it
    again = Lexicon.from_json(text)
    assert again == lexicon
    for ours, theirs in zip(lexicon.batch([ODD, ["new"]]), again.batch([ODD, ["new"]]), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_text_cannot_say_padding():
    lexicon = learn(sentences=[ODD] * 2)
    assert lexicon.words.count("<pad>") == lexicon.words.count("<unk>") == 1
    assert lexicon.word_ids(["<pad>", "<unk>"]).tolist() == [UNKNOWN, UNKNOWN]
