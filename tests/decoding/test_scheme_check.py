"""A file's tags against a scheme: faults by line, contradictions, and repairs that are counted."""

import pytest

from bothways.data.tagged import read_tagged
from bothways.decoding.scheme_check import check_like, check_scheme
from bothways.errors import DataError, SettingsError


@pytest.fixture
def read(tmp_path):
    def write_and_read(text):
        path = tmp_path / "train.conll"
        path.write_text(text)
        return read_tagged(path)

    return write_and_read


BROKEN = "# a comment of more words\nx B-LOC\ny I-PER\n\nz O\nu I-PER\nv I-PER\n"


def test_legal_tags_stay_and_what_was_detected_is_said(read):
    sentences = read("x B-PER\ny I-PER\n\nz O\n")
    checked, scheme = check_scheme(sentences)

    assert scheme == "bio"
    assert checked.tags == sentences.tags
    assert checked.notes == [*sentences.notes, "train.conll: The tags are read as BIO."]
    assert check_scheme(sentences, "bio") == (sentences, "bio")
    assert check_scheme(sentences, "none") == (sentences, "none")


def test_a_misplaced_tag_is_named_by_its_line(read):
    with pytest.raises(DataError) as error:
        check_scheme(read(BROKEN))
    assert str(error.value) == (
        "train.conll, line 3: I-PER after B-LOC, which BIO forbids. Correct it, or read it as B-PER with --repair."
    )


def test_repairs_are_counted_and_the_file_as_read_is_not_changed(read):
    sentences = read(BROKEN)
    checked, _ = check_scheme(sentences, "bio", repair=True)

    assert checked.tags == [["B-LOC", "B-PER"], ["O", "B-PER", "I-PER"]]
    assert checked.notes[-1] == (
        "train.conll: 2 misplaced tags repaired, the first in train.conll, line 3: I-PER after B-LOC is read as B-PER."
    )
    assert sentences.tags == read(BROKEN).tags
    assert sentences.notes == read(BROKEN).notes
    assert check_scheme(checked, "bio", repair=True) == (checked, "bio")


@pytest.mark.parametrize("repair", [True, False])
@pytest.mark.parametrize(
    ("text", "scheme", "message"),
    [
        (
            "z O\nx B-PER\ny I-PER\n",
            "bioes",
            "line 3: I-PER at the end. The tags look like BIO, but BIOES is declared.",
        ),
        (
            "z O\nx B-PER\ny I-PER\n",
            "io",
            "line 2: 'B-PER' is no tag of IO, whose tags are O and I-TYPE. The tags look",
        ),
        (
            "x B-PER\ny E-PER\n",
            "bio",
            "line 2: 'E-PER' is no tag of BIO, whose tags are O, B-TYPE and I-TYPE. The tags",
        ),
        ("x NOUN\n", "bio", "look like plain tags, but BIO is declared. Give --scheme none, or correct the tags."),
        (
            "x B-PER\ny I-PER\nz PER\n",
            "auto",
            "line 3: 'PER' is no tag of BIO, whose tags are O, B-TYPE and I-TYPE. Corr",
        ),
    ],
)
def test_a_scheme_that_the_tags_contradict_is_refused_even_with_repair(read, text, scheme, message, repair):
    with pytest.raises(DataError) as error:
        check_scheme(read(text), scheme, repair=repair)
    assert message in str(error.value)
    assert str(error.value).startswith("train.conll, line ")


def test_the_tags_of_iob1_are_read_as_bio_by_repair(read):
    checked, scheme = check_scheme(read("x I-PER\ny I-PER\n\nz I-LOC\n"), "bio", repair=True)

    assert (checked.tags, scheme) == ([["B-PER", "I-PER"], ["B-LOC"]], "bio")


def test_an_unknown_scheme_is_refused(read):
    with pytest.raises(SettingsError, match="scheme is 'iob2', but it must be one of: auto, bio, bioes, io, none."):
        check_scheme(read("x O\n"), "iob2")


BIO = "x B-PER\ny I-PER\n\nz B-LOC\nu O\n"
BIOES = "x B-PER\ny E-PER\n\nz S-LOC\nu O\n"


@pytest.mark.parametrize(
    ("text", "scheme", "wanted", "note"),
    [
        (BIO, "bioes", BIOES, "train.conll: the tags are BIO and are read as BIOES, which the model has."),
        (BIOES, "bio", BIO, "train.conll: the tags are BIOES and are read as BIO, which the model has."),
        (BIO, "bio", BIO, None),
        ("x O\n", "bioes", "x O\n", None),
    ],
)
def test_the_tags_of_a_test_file_are_turned_into_the_models(read, text, scheme, wanted, note):
    sentences = read(text)
    checked = check_like(sentences, scheme)

    assert checked.tags == read(wanted).tags
    assert checked.notes == [*sentences.notes, *([note] if note else [])]
    assert sentences.tags == read(text).tags


@pytest.mark.parametrize(
    ("text", "scheme", "message"),
    [
        ("x NOUN\n", "bio", "'NOUN' is no tag of BIO, whose tags are O, B-TYPE and I-TYPE. The model's tags are BIO."),
        (BIO, "io", "'B-PER' is no tag of IO, whose tags are O and I-TYPE. The model's tags are IO. Correct these, or"),
        ("x O\ny I-PER\nz B-PER\n", "bio", "I-PER after O, which BIO forbids. Correct it, or read it as B-PER with"),
        ("x O\ny I-PER\nz B-PER\n", "bioes", "I-PER after O, which BIO forbids. Correct it, or read it as B-PER with"),
    ],
)
def test_tags_that_are_not_the_models_are_refused(read, text, scheme, message):
    with pytest.raises(DataError) as error:
        check_like(read(text), scheme)
    assert message in str(error.value)
    assert "--scheme" not in str(error.value)  # which nobody can give to a trained model


def test_a_test_file_can_be_repaired_before_it_is_turned(read):
    checked = check_like(read("x O\ny I-PER\nz B-PER\n"), "bioes", repair=True)
    assert checked.tags == [["O", "S-PER", "S-PER"]]
