"""Which column is the text and which the label: checked where named, guessed where only one choice makes sense."""

import csv
import json

import pytest

from bothways.data.columns import choose_columns, refuse_multi_label
from bothways.data.tables import read_table
from bothways.errors import DataError

LONG = ["a story told well", "a story told badly", "no story at all", "one more story", "slow, but lovely", "dull"]
SHORT = ["u1", "u2", "u3", "u4", "u5", "u6"]
PAIRS = ["abc", "abcd", "abc", "abcd", "abc", "abcd"]
FEW = ["up", "down", "down", "up", "up", "down"]


@pytest.fixture
def table(tmp_path):
    def make(**columns):
        path = tmp_path / "reviews.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
        return read_table(path)

    return make


@pytest.mark.parametrize(
    "names",
    [
        ("text", "label"),
        ("Review", "Sentiment"),
        ("Tweets", "Class"),
        ("review_text", "stars"),
        ("Title", "Categories"),
    ],
)
def test_well_known_names_are_guessed_and_said(table, names):
    made = table(id=range(6), **{names[1]: FEW, names[0]: LONG})

    assert choose_columns(made, None, None, need_label=True) == (
        *names,
        [f"Column {names[0]!r} is read as the text.", f"Column {names[1]!r} is read as the label."],
    )


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_columns_the_long_and_varied_is_the_text(table, order):
    made = table(**dict([("b", LONG), ("a", FEW)][::order]))

    assert choose_columns(made, None, None, need_label=True)[:2] == ("b", "a")


def test_a_better_name_beats_a_title(table):
    made = table(title=FEW, text=LONG, label=FEW)

    assert choose_columns(made, None, None, need_label=True)[:2] == ("text", "label")


def test_what_remains_beside_a_known_label_is_the_text(table):
    assert choose_columns(table(words=LONG, label=FEW), None, None, need_label=True)[:2] == ("words", "label")


def test_what_remains_beside_a_named_text_is_the_label_if_it_repeats(table):
    assert choose_columns(table(words=LONG, mood=FEW), "words", None, need_label=True)[1:] == (
        "mood",
        ["Column 'mood' is read as the label."],
    )


def test_named_columns_are_taken_without_a_note(table):
    made = table(text=LONG, other=LONG, label=FEW)

    assert choose_columns(made, "other", "text", need_label=True) == ("other", "text", [])


def test_a_label_that_is_not_needed_is_not_guessed(table):
    assert choose_columns(table(text=LONG, label=FEW), None, None, need_label=False)[:2] == ("text", None)
    assert choose_columns(table(lines=LONG), None, None, need_label=False)[:2] == ("lines", None)


def test_a_missing_column_is_refused_with_those_that_exist_and_the_nearest(table):
    made = table(review=LONG, sentiment=FEW)

    with pytest.raises(DataError) as refusal:
        choose_columns(made, "reviews", None, need_label=True)
    assert str(refusal.value) == (
        "reviews.csv has no column 'reviews'. Its columns are: 'review', 'sentiment'. Did you mean 'review'?"
    )


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            {"a": LONG, "b": LONG, "c": FEW},
            "reviews.csv has the columns 'a', 'b', 'c': which one is the text? Name it with ",
        ),
        ({"a": LONG, "b": LONG}, "reviews.csv has the columns 'a', 'b': which one is the text? Name it with --text."),
        ({"a": SHORT, "b": LONG}, "reviews.csv has the columns 'a', 'b': which one is the text? Name it with --text."),
        ({"a": FEW, "b": PAIRS}, "reviews.csv has the columns 'a', 'b': which one is the text? Name it with --text."),
        (
            {"id": FEW, "sentence1": LONG, "sentence2": LONG},
            "reviews.csv has the columns 'id', 'sentence1', 'sentence2': which one is the text; "
            "it may be 'sentence1' or 'sentence2'? Name it with --text.",
        ),
        (
            {"text": LONG, "a": FEW, "b": FEW},
            "reviews.csv has the columns 'text', 'a', 'b': which one is the label? Name it",
        ),
        (
            {"text": LONG, "label": FEW, "topic": FEW},
            "reviews.csv has the columns 'text', 'label', 'topic': which one is the label; "
            "it may be 'label' or 'topic'? Name it with --label.",
        ),
        ({"text": LONG}, "reviews.csv has no column beside the text, and a label is needed. Add a column of labels."),
    ],
)
def test_more_than_one_choice_is_refused_with_the_columns_and_the_option(table, columns, words):
    with pytest.raises(DataError) as refusal:
        choose_columns(table(**columns), None, None, need_label=True)
    assert str(refusal.value).startswith(words)


def test_one_column_for_both_is_refused(table):
    with pytest.raises(DataError, match=r"'text' is named for both the text and the label"):
        choose_columns(table(text=LONG, label=FEW), "text", "text", need_label=True)


def test_lists_as_labels_are_refused_as_multi_label(tmp_path):
    path = tmp_path / "many.jsonl"
    path.write_text(json.dumps({"text": "a", "label": ["x", "y"], "one": "x"}))
    made = read_table(path)

    refuse_multi_label(made, "one")
    with pytest.raises(DataError, match=r"column 'label' holds lists, but a text has exactly one label"):
        refuse_multi_label(made, "label")


def test_a_table_without_a_header_is_refused(tmp_path):
    rows = [f"{1 + number % 2},Unfortunately this is review number {number} of many" for number in range(10)]
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "b.csv").write_text(
        "message,spam\n" + "a long message of many words,spam\nand one more of them,ham\n" * 9
    )
    assert choose_columns(read_table(tmp_path / "b.csv"), None, None, need_label=True)[1] == "spam"
    with pytest.raises(DataError, match=r"has no header, as it seems: its first row has the value '1' of later ones"):
        choose_columns(read_table(tmp_path / "a.csv"), None, None, need_label=True)
