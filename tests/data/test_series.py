"""Series from tables: columns, order, what is missing, and what is refused with its row."""

import math
from dataclasses import replace

import numpy as np
import pytest

from bothways.data.clock import Clock
from bothways.data.series import read_series, same_step
from bothways.decoding.forecasting import ForecastSpec
from bothways.errors import DataError
from bothways.runtime.forecaster import read_known_series


def spec_of(columns, **changed):
    count = len(columns)
    given = {
        "columns": columns, "targets": count, "by": None, "mean": [0.0] * count, "deviation": [1.0] * count,
        "window": 4, "horizon": 3, "quantiles": [], "centring": "last", "apart": False, "season": None,
        "seen_until": 0.0,
    }  # fmt: skip
    return ForecastSpec(**{**given, **changed})


@pytest.fixture
def table(tmp_path):
    def write(*lines, name="series.csv"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def test_the_only_column_of_numbers_is_predicted_and_the_time_is_found(table):
    found = read_series(table("when,date,price", "a,2020-01-01,1.5", "b,2020-01-02,", "c,2020-01-03,-2e1"))
    assert (found.columns, found.time) == (["price"], "date")
    np.testing.assert_array_equal(found.series[0].values[:, 0], [1.5, math.nan, -20])
    assert any("1 of 3 values are missing" in note for note in found.notes)


def test_targets_stand_before_inputs_whatever_the_file_has_first(table):
    path = table("a,b,c,t", "1,2,3,2020-01-01", "4,5,6,2020-01-02")
    found = read_series(path, targets=["c", "a"], inputs=["b"], time="t")
    assert found.columns == ["c", "a", "b"]
    np.testing.assert_array_equal(found.series[0].values, [[3, 1, 2], [6, 4, 5]])


def test_times_that_are_left_out_are_rows_of_missing_values(table):
    found = read_series(table("date,x", "2020-01-01,1", "2020-01-02,2", "2020-01-05,5"))
    np.testing.assert_array_equal(found.series[0].values[:, 0], [1, 2, math.nan, math.nan, 5])
    assert any("2 times are missing, the first 2020-01-03" in note for note in found.notes)


def test_several_series_are_told_apart_by_a_column_and_their_rows_may_be_mixed(table):
    path = table("date,shop,x", "2020-01-01,a,1", "2020-01-01,b,10", "2020-01-02,a,2", "2020-01-02,b,20")
    found = read_series(path, targets=["x"], by="shop")
    assert [one.name for one in found.series] == ["a", "b"]
    np.testing.assert_array_equal([one.values[:, 0] for one in found.series], [[1, 2], [10, 20]])


def test_without_times_rows_are_the_times_and_it_is_said(table):
    found = read_series(table("x", "1", "2"))
    assert found.clock.kind == "row"
    assert any("no column holds times" in note for note in found.notes)


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["date,x", "2020-01-01,1", "2020-01-01,2"], {}, "row 2: the time '2020-01-01' stands in row 1, too"),
        (["date,x", "2020-01-02,1", "2020-01-01,2"], {}, "row 2: the time '2020-01-01' comes before that of row 1"),
        (["date,x", "2020-01-01,1", "2020-01-02,abc"], {"targets": ["x"]}, "row 2: column 'x' holds 'abc', which is"),
        (["date,x", "2020-01-01,1", "2020-01-02,inf"], {"targets": ["x"]}, "row 2: column 'x' holds 'inf'"),
        (["date,x", "2020-01-01,1", "2020-01-02,1_0"], {"targets": ["x"]}, "row 2: column 'x' holds '1_0'"),
        (["date,x", "2020-01-01,", "2020-01-02,"], {"targets": ["x"]}, "column 'x' holds no number at all"),
        (["date,x,y", "2020-01-01,1,2", "2020-01-02,1,2"], {}, "which column is to be predicted? Columns of numbers: "),
        (["date,x", "2020-01-01,1", "2020-01-02,2"], {"targets": ["xx"]}, "has no column 'xx'"),
        (["date,x", "2020-01-01,1", "2020-01-02,2"], {"targets": ["x"], "inputs": ["x"]}, "'x' is named twice"),
        (["date,x", "2020-01-01,1", "2020-01-02,2"], {"targets": ["x"], "time": "x"}, "'x' holds the times"),
        (["date,s,x", "2020-01-01,a,1", "2020-01-02,,2"], {"targets": ["x"], "by": "s"}, "row 2: column 's' is empty"),
        (
            ["date,s,x", "2020-01-01,a,1", "2020-01-01,a,2"],
            {"targets": ["x"], "by": "s"},
            "row 2: the time '2020-01-01' of 'a' stands in row 1, too",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(table, lines, options, message):
    with pytest.raises(DataError) as caught:
        read_series(table(*lines), **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_time_that_stands_twice_in_a_folder_is_told_by_both_files(tmp_path):
    for name, days in (("a", (1, 2)), ("b", (2, 3))):
        (tmp_path / f"{name}.csv").write_text("date,x\n" + "".join(f"2020-01-0{day},1\n" for day in days))
    with pytest.raises(DataError, match=r"^b.csv, row 1: the time '2020-01-02' stands in a.csv, row 2, too\."):
        read_series(tmp_path, targets=["x"])


def test_a_number_that_begins_again_is_no_time_and_one_out_of_order_is_told(table):
    """The days of each year rise for longer than the rows that are looked at."""
    days = [*range(1, 366), *range(1, 366)]
    found = read_series(table("day,x", *(f"{day},{row}" for row, day in enumerate(days))), targets=["x"])
    assert found.time is None
    assert any("row 366: 'day' begins again" in note and "--series" in note for note in found.notes)
    by_year = read_series(
        table("year,day,x", *(f"{row // 365},{day},1" for row, day in enumerate(days))), targets=["x"], by="year"
    )
    assert by_year.time == "day"
    days[200] = ""
    with pytest.raises(DataError, match="row 201: column 'day' is empty"):
        read_series(table("day,x", *(f"{day},1" for day in days[:365])), targets=["x"])
    days[200], days[300] = 201, 7
    with pytest.raises(DataError, match="row 301: the time '7' comes before that of row 300, '300'"):
        read_series(table("day,x", *(f"{day},1" for day in days[:365])), targets=["x"])


def test_another_step_is_refused(table):
    days = read_series(table("date,x", "2020-01-01,1", "2020-01-02,2"))
    hours = read_series(table("date,x", "2020-01-01 00:00,1", "2020-01-01 01:00,2"))
    same_step(days.clock, days.clock, "days.csv")
    with pytest.raises(DataError, match=r"hours.csv advances by 1 hour, but the model was trained on 1 day"):
        same_step(days.clock, hours.clock, "hours.csv")


def seconds_since_1970(rate, rows, first=0):
    return ("time,x", *(f"{1_700_000_000 + (first + row) / rate!r},1" for row in range(rows)))


@pytest.mark.parametrize("rate", [1_000, 10_000, 44_100])
def test_a_short_file_of_fine_times_has_the_step_of_a_long_one(table, rate):
    trained = read_series(table(*seconds_since_1970(rate, 2_000))).clock
    spec = spec_of(["x"], clock=trained, time="time", window=24)
    for first in range(0, 200, 7):
        assert read_known_series(table(*seconds_since_1970(rate, 24, first)), spec).clock.even
    with pytest.raises(DataError, match="but the model was trained on"):
        read_known_series(table(*seconds_since_1970(rate * 1.02, 2_000)), spec)


def test_rows_are_counted_again_by_a_model_that_took_fine_times_for_uneven_ones(table):
    """Earlier versions did, of a hundredth of a second."""
    path = table(*seconds_since_1970(100, 60))
    spec = spec_of(["x"], clock=Clock("number", "number", 0.01, even=False), time="time")
    assert not read_known_series(path, spec).clock.even
    assert read_series(path).clock.even


@pytest.mark.parametrize("rows", [10, 400])
def test_the_rounding_of_numbers_makes_no_other_step_of_a_longer_file(table, rows):
    short, long = (
        read_series(table("time,x", *(f"{1_700_000_000 + 0.1 * row:.1f},1" for row in range(count)))).clock
        for count in (4, rows)
    )
    same_step(short, long, "long.csv")
    same_step(replace(long, step=1_700_000_000.1 - 1_700_000_000), long, "long.csv")  # as earlier versions found it
    with pytest.raises(DataError, match="but the model was trained on"):
        same_step(replace(long, step=0.1001), long, "long.csv")


def test_days_that_cross_a_change_of_clocks_are_days_and_it_is_said(table):
    """Written as pandas writes midnights of Europe/Berlin; one of them is left out."""
    days = [("2026-03-28", "01"), ("2026-03-29", "01"), ("2026-03-30", "02"), ("2026-04-01", "02")]
    crossing = read_series(table("date,x", *(f"{day}T00:00:00+{zone}:00,1" for day, zone in days)))
    assert (crossing.clock.spoken, len(crossing.series[0].values)) == ("1 day", 5)
    assert any("1 times are missing, the first 2026-03-31" in note for note in crossing.notes)
    said = "are read as those of the clock on the wall, and forecasts name no zone"
    assert any(said in note for note in crossing.notes)
    winter = read_series(table("date,x", *(f"2026-01-0{day}T00:00:00+01:00,1" for day in range(1, 5))))
    assert not any(said in note for note in winter.notes)
    same_step(winter.clock, crossing.clock, "crossing.csv")
    same_step(crossing.clock, winter.clock, "winter.csv")


def test_uneven_times_have_no_step_to_differ_in(table):
    one = read_series(table("date,x", "2020-01-01,1", "2020-01-04,2", "2020-01-09,3"))
    other = read_series(table("date,x", "2020-01-01,1", "2020-02-04,2", "2020-02-09,3", "2020-05-30,3"))
    same_step(one.clock, other.clock, "other.csv")
    days = read_series(table("date,x", "2020-01-01,1", "2020-01-02,2"))
    with pytest.raises(DataError, match="advances by 1 day, but the model was trained on a row, at uneven times"):
        same_step(one.clock, days.clock, "days.csv")


def test_columns_that_nobody_asks_for_may_hold_lists(table):
    lines = (f'{{"time": "2020-01-0{day}", "value": {day}.5, "tags": ["a"]}}' for day in range(1, 6))
    found = read_series(table(*lines, name="a.jsonl"), targets=["value"], time="time")
    np.testing.assert_array_equal(found.series[0].values[:, 0], [1.5, 2.5, 3.5, 4.5, 5.5])
