"""Conditions: how values are read, what a network gets of them, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.data.conditions import Condition, condition_columns, values_of_python, values_of_table
from bothways.data.plain_text import open_texts
from bothways.data.tables import read_table
from bothways.errors import DataError, SettingsError
from toys import write_csv


def values(rows):
    return values_of_python(rows, len(rows))


def labels_of(rows):
    return Condition.learn(values(rows)).labels


def refused(action, kind=DataError):
    with pytest.raises(kind) as error:
        action()
    assert "\n" not in str(error.value)
    return str(error.value)


# The rule


def test_values_that_are_no_numbers_are_labels_in_order():
    assert labels_of(["good", "bad", "good"]) == ("bad", "good")
    assert labels_of([True, False, True]) == ("false", "true")
    assert labels_of(["3", "unknown", "3"]) == ("3", "unknown")


def test_whole_numbers_that_repeat_are_labels_in_the_order_of_numbers():
    assert labels_of([1, 10, 9] * 2) == ("1", "9", "10")
    assert labels_of(["1", "10", "9"] * 2) == ("1", "9", "10")
    assert labels_of(np.array([1, 10, 9] * 2)) == ("1", "9", "10")


def test_whole_numbers_are_numbers_where_they_are_many_or_do_not_repeat():
    assert labels_of([1990, 1991, 1992, 1993]) is None
    assert labels_of(list(range(20)) * 2) == tuple(map(str, range(20)))
    assert labels_of(list(range(21)) * 2) is None


def test_numbers_with_a_point_and_rows_of_numbers_are_numbers():
    assert labels_of(["1.0", "2.0"] * 4) is None
    assert labels_of([0.5, 1.5] * 4) is None
    assert labels_of([[1], [2]] * 4) is None
    assert labels_of(np.array([[1, 3], [2, 4]] * 4)) is None


def test_the_note_says_how_a_condition_was_read():
    table = pd.DataFrame({"year": [1990, 2000], "price": [1.0, 3.0]})
    assert Condition.learn(values(table)).note() == (
        "Condition 'year', 'price' is read as numbers, mean 1995 and deviation 5, mean 2 and deviation 1."
    )
    assert Condition.learn(values(["a", "b"])).note() == "Condition 'condition' is read as 2 labels, one of: a, b."


# What a network gets


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(-99, 99)), min_size=3, max_size=9, unique=True))
def test_numbers_of_the_training_rows_have_mean_zero_and_deviation_one(rows):
    table = np.array(rows)
    if (table.std(axis=0) < 1e-3).any():
        return
    condition = Condition.learn(values(table))
    encoded = condition.encode(values(table))
    assert encoded.dtype == np.float32
    np.testing.assert_allclose(encoded.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(encoded.std(axis=0), 1, atol=1e-4)
    one = condition.encode_one(table[1])
    np.testing.assert_array_equal(one, encoded[1:2])


def test_rows_that_are_held_out_do_not_move_the_mean():
    rows = values([1.5, 2.5, 1000.25])
    condition = Condition.learn(rows, np.array([True, True, False]))
    assert condition.mean == (2.0,)
    np.testing.assert_allclose(condition.encode(rows)[:2, 0], [-1, 1])


def test_a_label_is_its_place_however_it_is_spelt_in_python():
    condition = Condition.learn(values([1, 2, 5] * 2))
    assert condition.encode(values(["5", 1, np.int64(2), 5.0])).tolist() == [2, 0, 1, 2]
    assert condition.encode_one(5).tolist() == condition.encode_one("5").tolist() == [2]


def test_numbers_of_one_text_come_as_a_list_or_as_text():
    condition = Condition.learn(values([[1.0, 10.0], [3.0, 30.0]]))
    expected = [[0.0, 1.0]]
    assert condition.encode_one([2, 30]).tolist() == expected
    assert condition.encode_one("2, 30").tolist() == expected
    assert condition.encode_one(np.array([2, 30])).tolist() == expected
    single = Condition.learn(values([1.0, 3.0, 1.5]))
    assert single.encode_one(2.5).tolist() == single.encode_one("2.5").tolist() == single.encode_one([2.5]).tolist()


def test_a_condition_comes_back_from_json():
    for rows in (["a", "b"], [[1.0, 4.0], [2.0, 9.0]]):
        condition = Condition.learn(values(rows))
        assert Condition.from_dict(condition.to_dict()) == condition


def test_groups_tell_labels_apart_and_leave_numbers_together():
    assert values(["b", "a", "b"]).groups().tolist() == [1, 0, 1]
    assert values([1.5, 2.5]).groups().tolist() == [0, 0]


def test_a_table_and_pandas_give_what_a_list_gives(tmp_path):
    rows = [["good", "1999", "3.5"], ["bad", "2001", "2"], ["bad", "2004", "1"]]
    path = write_csv(tmp_path / "t.csv", ["label", "year", "price"], rows)
    table = read_table(path)
    frame = pd.read_csv(path)
    assert Condition.learn(values_of_table(table, ["label"])).labels == labels_of(frame["label"]) == ("bad", "good")
    ours = Condition.learn(values_of_table(table, condition_columns(table, "year,price", text="label")))
    theirs = Condition.learn(values(frame[["year", "price"]]))
    assert ours == theirs
    assert ours.columns == ("year", "price")
    np.testing.assert_allclose(ours.mean, frame[["year", "price"]].mean())


def test_a_column_whose_name_has_a_comma_is_one_column(tmp_path):
    table = read_table(write_csv(tmp_path / "t.csv", ["text", "a,b"], [["one", "x"], ["two", "y"]]))
    assert condition_columns(table, "a,b", text="text") == ("a,b",)


# What is refused


@pytest.mark.parametrize("missing", [None, float("nan"), "", " ", pd.NA, np.nan])
def test_a_missing_value_is_refused_with_its_place(missing):
    assert refused(values(["a", missing, "b"]).refuse_missing) == (
        "conditions[1] has no value in 'condition', and every text needs its condition. "
        "Fill it in, with a label such as 'unknown' if need be, or leave the row out."
    )


def test_a_missing_value_of_a_table_is_refused_with_its_row(tmp_path):
    path = write_csv(tmp_path / "t.csv", ["text", "label"], [["one", "x"], ["two", ""]])
    texts = open_texts(path, text="text", condition="label")
    assert refused(texts.conditions.refuse_missing).startswith("t.csv, row 2 has no value in 'label'")


def test_what_says_nothing_is_refused():
    assert refused(lambda: labels_of(["a", "a"])) == (
        "'condition' is 'a' for every text, so that it says nothing. Drop it."
    )
    assert "is 2 for every text" in refused(lambda: labels_of([[1, 2], [3, 2]]))
    assert "is 0.1 for every text" in refused(lambda: labels_of([[1, 0.1], [3, 0.1], [4, 0.1]]))  # whose mean is not


def test_what_python_alone_reads_as_a_number_is_a_label():
    assert labels_of(["1_0", "1_1", "1_0", "1_1"]) == ("1_0", "1_1")


def test_too_many_labels_are_refused_with_the_first_that_is_no_number():
    rows = [str(number) for number in range(30)]
    rows[4] = "n/a"
    assert refused(lambda: labels_of(rows)) == (
        "'condition' has 30 different values in 30 rows, too many for labels, and 'n/a' at conditions[4] is no number. "
        "Name another column, or make it numbers."
    )


def test_several_columns_must_be_numbers():
    frame = pd.DataFrame({"year": [1999, 2000], "label": ["a", "b"]})
    assert refused(lambda: labels_of(frame)) == (
        "conditions[0] has 'a' in 'label', which is no number. Several columns, or a table of one, must hold numbers; "
        "give labels as one value for each text."
    )
    assert "or a table of one" in refused(lambda: labels_of(frame[["label"]]))
    assert labels_of(frame["label"]) == ("a", "b")


def test_columns_are_told_apart_by_their_names_where_they_have_the_same():
    frame = pd.DataFrame({"year": [1999.0, 2000.0, 2010.0], "price": [3.5, 1.5, 9.0]})
    condition = Condition.learn(values(frame))
    turned = condition.encode(values(frame[["price", "year"]]))
    np.testing.assert_array_equal(turned, condition.encode(values(frame)))
    others = frame[["price", "year"]].set_axis(["cost", "date"], axis=1)  # other names: by place
    assert "deviations from the mean" in refused(lambda: condition.encode(values(others * 1e9)))
    twice = frame.set_axis(["year", "year"], axis=1)
    assert refused(lambda: values(twice)) == "conditions has two columns 'year'. Leave one out, or rename it."
    renamed = frame.set_axis(["date", "cost"], axis=1)
    np.testing.assert_array_equal(condition.encode(values(renamed)), condition.encode(values(frame)))


def test_conditions_that_do_not_fit_the_texts_are_refused():
    assert refused(lambda: values_of_python(["a", "b"], 3)) == (
        "There are 3 texts and 2 conditions. Give one condition for each text."
    )
    assert "conditions is one text, 'ab'" in refused(lambda: values_of_python("ab", 2))
    assert "conditions[1] has 1 values, but conditions[0] has 2" in refused(lambda: values([[1, 2], [3]]))
    assert refused(lambda: values([{}, {}])) == "A condition is dict, but it must be a label or a number."


def test_what_the_model_does_not_know_is_refused_with_the_nearest():
    labels = Condition.learn(values(["positive", "negative"]))
    assert refused(lambda: labels.encode_one("positve"), SettingsError) == (
        "condition is 'positve', but the model knows one of: negative, positive. Did you mean 'positive'?"
    )
    assert refused(lambda: labels.encode(values(["positive", "posit"]))) == (
        "conditions[1] has the condition 'posit', but the model knows one of: negative, positive. "
        "Did you mean 'positive'?"
    )
    assert refused(lambda: labels.encode(values([[1, 2]]))).startswith(
        "The conditions are 'condition 0', 'condition 1'"
    )
    many = Condition.learn(values([f"label {number}" for number in range(12)] * 2))
    assert refused(lambda: many.encode_one("x"), SettingsError).endswith("label 6, label 7 and 2 more.")


@pytest.mark.parametrize("value", ["1", "1,x", "1,2,3", 1, [1], [1, float("inf")], "positive", [1, None]])
def test_other_numbers_than_the_model_takes_are_refused(value):
    numbers = Condition.learn(values(pd.DataFrame({"year": [1, 2], "price": [3, 5]})))
    assert refused(lambda: numbers.encode_one(value), SettingsError) == (
        f"condition is {value!r}, but the model takes 2 numbers: year, price."
    )


def test_a_number_that_no_network_can_read_is_refused():
    """It would be infinite in float32, and all that is computed with it no number."""
    numbers = Condition.learn(values(pd.DataFrame({"year": [1, 2], "price": [3, 5]})))
    for value in (["1", 1e300], "1,-1e30", [1e308, -1e308]):
        message = refused(lambda value=value: numbers.encode_one(value), SettingsError)
        assert message.startswith(f"condition is {value!r}, but a number of it is more than 1,000,000 deviations")
    assert refused(lambda: numbers.encode(values([[1, 3], [1, 1e300]]))).startswith(
        "conditions[1] has the condition '1, 1e+300', but a number of it is more than"
    )


def test_columns_that_cannot_be_the_condition_are_refused(tmp_path):
    path = write_csv(tmp_path / "t.csv", ["text", "label"], [["one", "x"], ["two", "y"]])
    table = read_table(path)
    assert "Did you mean 'label'?" in refused(lambda: condition_columns(table, "lable", text="text"))
    assert refused(lambda: condition_columns(table, "text", text="text")) == (
        "'text' is named for both the text and the condition. Name another with --condition."
    )
    assert "named twice" in refused(lambda: condition_columns(table, "label,label", text="text"))


@pytest.mark.parametrize("folder", [False, True])
def test_plain_text_has_no_column_to_be_the_condition(tmp_path, folder):
    (tmp_path / "novel.txt").write_text("Once upon a time.")
    assert (
        "plain text, which has no columns, but 'label' is named as the condition's column. Leave --condition out"
        in (refused(lambda: open_texts(tmp_path if folder else tmp_path / "novel.txt", condition="label")))
    )


def test_naming_a_condition_tells_tables_from_plain_files_of_a_folder(tmp_path):
    write_csv(tmp_path / "t.csv", ["text", "label"], [["one", "x"], ["two", "y"]])
    (tmp_path / "README").write_text("Some words.")
    assert open_texts(tmp_path, condition="label").conditions.rows == [("x",), ("y",)]
