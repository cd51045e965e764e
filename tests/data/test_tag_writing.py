"""Words with their tags in a file: what is written is read again, and what stood there stays when it cannot be."""

import gzip

import pytest

from bothways.data.tag_writing import check_columns, check_columns_place, write_columns
from bothways.data.tagged import read_tagged
from bothways.data.tagged_sentences import TaggedSentences
from bothways.errors import DataError, OutputError

WORDS = [["Zoë", "met", "#", "New York", "Ada"], ["Go"], ["# up", "née\u00a0Li"]]
TAGS = [["B-PER", "O", "O", "B-LOC", "B-PER"], ["O"], ["O", "B-geo-loc"]]


def given(words=WORDS):
    return TaggedSentences(
        "given", words, [[] for _ in words], [[row + 1] * len(some) for row, some in enumerate(words)]
    )


@pytest.mark.parametrize("name", ["out.conll", "out", "out.conll.gz", "out.txt"])
def test_what_is_written_is_read_again(tmp_path, name):
    write_columns(tmp_path / name, given(), TAGS)
    found = read_tagged(tmp_path / name)
    assert (found.words, found.tags) == (WORDS, TAGS)
    first = (tmp_path / name).read_bytes()
    write_columns(tmp_path / name, given(), TAGS)
    assert (tmp_path / name).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_rows_are_word_tab_tag_with_blank_lines_between(tmp_path):
    write_columns(tmp_path / "out.conll", given([["a", "b"], ["c"]]), [["X", "Y"], ["Z"]])
    assert (tmp_path / "out.conll").read_bytes() == b"a\tX\nb\tY\n\nc\tZ\n\n"
    write_columns(tmp_path / "out.conll.gz", given([["a"]]), [["X"]])
    assert gzip.decompress((tmp_path / "out.conll.gz").read_bytes()) == b"a\tX\n\n"


@pytest.mark.parametrize("asked", [["Play music", "#", "# intent = x"], ["a", "a", "née\u00a0Li"]])
def test_intents_are_written_and_read_again(tmp_path, asked):
    write_columns(tmp_path / "out.conll", given(), TAGS, asked)
    found = read_tagged(tmp_path / "out.conll")
    assert (found.words, found.tags, found.labels) == (WORDS, TAGS, asked)
    assert found.notes == []
    assert read_tagged(tmp_path / "out.conll", need_tags=False).labels is None


def test_an_intent_is_a_comment_before_its_sentence(tmp_path):
    write_columns(tmp_path / "out.conll", given([["a", "b"], ["c"]]), [["X", "Y"], ["Z"]], ["Go on", "Stop"])
    assert (tmp_path / "out.conll").read_bytes() == b"# intent = Go on\na\tX\nb\tY\n\n# intent = Stop\nc\tZ\n\n"


def test_intents_of_some_sentences_alone_are_not_read_and_that_is_said(tmp_path):
    path = tmp_path / "some.conll"
    path.write_text("# intent = Play\n# other\na\tX\n\nb\tY\n\n# intent = \nc\tZ\n", encoding="utf-8")
    found = read_tagged(path)
    assert found.labels is None
    assert found.words == [["a"], ["b"], ["c"]]
    assert any("some.conll, line 5: no intent stands before the sentence" in note for note in found.notes)
    assert any("2 comments skipped, the first in line 2" in note for note in found.notes)


@pytest.mark.parametrize("name", ["out.csv", "out.tsv", "out.jsonl.gz", "out.parquet"])
def test_the_name_of_a_table_is_refused(tmp_path, name):
    with pytest.raises(DataError, match=f"{name} is the name of a table, but tags are written as columns"):
        check_columns_place(tmp_path / name, force=True)


@pytest.mark.parametrize("word", ["a\tb", "a\n", "\r"])
def test_a_word_that_would_break_a_row_is_refused_by_its_place(tmp_path, word):
    with pytest.raises(DataError, match=r"given, line 2: .* holds a tab or a line's end\. Take it out\."):
        check_columns(given([["a"], ["b", word]]), ["X"])


@pytest.mark.parametrize("word", [" ", "New ", "\x0bYork"])
def test_a_word_that_a_column_would_not_keep_is_refused_by_its_place(tmp_path, word):
    with pytest.raises(DataError, match=r"given, line 2: .* (begins or ends with a blank|holds a tab)"):
        check_columns(given([["a"], ["b", word]]), ["X"])


def test_tags_and_intents_that_would_break_a_row_are_refused(tmp_path):
    with pytest.raises(DataError, match="The tag 'B-departure city' holds a blank"):
        check_columns(given(), ["O", "B-departure city"])
    with pytest.raises(DataError, match=r"The intent 'a\\nb' holds a tab or a line's end"):
        check_columns(given(), ["O"], ["a\nb"])
    check_columns(given(), ["O", "B-place"], ["book a flight"])


def test_a_place_that_cannot_be_written_is_refused_first_and_stays_as_it_is(tmp_path):
    (tmp_path / "folder.conll").mkdir()
    with pytest.raises(OutputError, match=r"folder.conll is a folder\. Name a file to write\."):
        check_columns_place(tmp_path / "folder.conll", force=True)
    with pytest.raises(OutputError, match="the folder .*nowhere does not exist"):
        check_columns_place(tmp_path / "nowhere" / "out.conll", force=True)
    with pytest.raises(OutputError, match=r"folder.conll cannot be written: .* Nothing was changed there\."):
        write_columns(tmp_path / "folder.conll", given(), TAGS)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.conll"]
