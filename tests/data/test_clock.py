"""Times of series: how they advance, and what comes next."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.data.clock import Clock, clock_of_dates, find_clock
from bothways.data.times import parse_times
from bothways.errors import DataError

SPOKEN = {"minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
DAY = 86_400
LOCAL = Clock("date", "second", DAY, local=True)


def read(texts, **chosen):
    times, kind, form = parse_times(texts, lambda row: f"row {row + 1}", "when")
    if kind == "date":
        return clock_of_dates(times, texts, [np.arange(len(times))], form, **chosen)
    return times, find_clock([times], kind, form)


@given(
    st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1)),
    st.sampled_from(sorted(SPOKEN)),
    st.integers(1, 13),
    st.integers(3, 40),
)
def test_what_comes_after_the_first_half_is_the_second_half(start, unit, count, size):
    start = start.replace(microsecond=0)
    step = timedelta(seconds=count * SPOKEN[unit])
    texts = [str(start + number * step) for number in range(2 * size)]
    times, clock = read(texts)
    assert clock.even
    half, _ = times[:size], None
    np.testing.assert_array_equal(clock.after(half[-1], size), times[size:])
    np.testing.assert_array_equal(clock.between(half[0], size), half)
    np.testing.assert_array_equal(clock.places(times), np.arange(2 * size))
    assert [clock.spell(time) for time in times] == texts


@pytest.mark.parametrize(
    ("form", "step"),
    [
        ("%Y-%m-%d", timedelta(days=1)),
        ("%Y%m%d", timedelta(days=1)),
        ("%Y-%m-%d %H:%M", timedelta(hours=7)),
        ("%Y-%m-%d %H:%M", timedelta(days=1)),
        ("%Y-%m-%d %H:%M:%S", timedelta(days=7)),
        ("%Y-%m-%dT%H", timedelta(hours=1)),
        ("%Y-%m-%dT%H:%MZ", timedelta(minutes=15)),
        ("%Y-%m-%dT%H:%M+00:00", timedelta(days=1)),
        ("%Y-%m-%dT%H:%M:%S,%f", timedelta(seconds=0.1)),
        ("%Y%m%dT%H%M", timedelta(minutes=5)),
        ("%Y%m%dT%H%M%S", timedelta(seconds=5)),
        ("%Y%m%d %H:%M", timedelta(hours=1)),
        ("%Y%m%dT%H%M%SZ", timedelta(hours=1)),
        ("%Y%m%dT%H%M-0500", timedelta(days=1)),
        ("%Y-%m-%d %H+01", timedelta(hours=1)),
    ],
)
def test_what_follows_is_written_as_the_file_writes(form, step):
    texts = [format(datetime(2026, 1, 30, 18) + number * step, form) for number in range(40)]
    times, clock = read(texts[:10])
    assert [clock.spell(time) for time in (*times, *clock.after(times[-1], 30))] == texts


@pytest.mark.parametrize(
    ("texts", "following"),
    [
        (["2026-01-31", "2026-01-31 12:00", "2026-02-01"], "2026-02-01 12:00"),
        (["20260131", "20260131T1200", "20260201"], "20260201T1200"),
        (["2026-01-31 18:00", "2026-01-31 18:00:30", "2026-01-31 18:01"], "2026-01-31 18:01:30"),
        (["2026-01-31 18:00:00", "2026-01-31 18:00:00.250000", "2026-01-31 18:00:00.500000"], "2026-01-31 18:00:00.75"),
        (["2026-W05-6", "2026-W05-7", "2026-W06-1"], "2026-02-03"),
        (["2026-W05-6T12:00Z", "2026-W05-7T12:00Z", "2026-W06-1T12:00Z"], "2026-02-03 12:00:00Z"),
    ],
)
def test_a_time_that_the_first_form_cannot_say_is_written_with_more_digits(texts, following):
    times, clock = read(texts)
    assert clock.spell(clock.after(times[-1], 1)[0]) == following
    assert clock.spell(times[0]) == texts[0] or "W" in texts[0]


@pytest.mark.parametrize("step", [0.1, 0.001])
def test_steps_of_parts_of_a_second_stay_steps_however_many_there_are(step):
    start = datetime(2026, 1, 31, 18)
    texts = [(start + timedelta(seconds=step * number)).isoformat(timespec="microseconds") for number in range(50)]
    times, clock = read(texts)
    assert (clock.even, clock.step) == (True, step)
    many = times[0] + np.round(step * np.arange(0, 2_000_000, 1_000), 3)
    np.testing.assert_array_equal(clock.places(many), np.arange(0, 2_000_000, 1_000))
    (last,) = clock.after(times[0], 700_000)[-1:]
    assert clock.spell(last) == (start + timedelta(seconds=700_000 * step)).isoformat(timespec="microseconds")


def test_numbers_with_decimals_stay_steps_however_many_there_are():
    times = 1_700_000_000 + np.round(0.1 * np.arange(1_000_000), 1)
    np.testing.assert_array_equal(find_clock([times], "number", "").places(times), np.arange(1_000_000))


def test_clocks_of_earlier_versions_write_as_they_did():
    time = datetime(2026, 1, 31, tzinfo=UTC).timestamp()
    for form, said in (("day", "2026-01-31"), ("compact month", "202601"), ("T", "2026-01-31T00:00:00")):
        start = datetime(2026, 1, 1, tzinfo=UTC).timestamp() if "month" in form else time
        assert Clock("date", "second", 86_400.0, form=form).spell(start) == said


@pytest.mark.parametrize(
    "texts",
    [
        ["2019-11", "2019-12", "2020-01", "2020-02", "2020-03"],
        ["2019-11-30", "2019-12-31", "2020-01-31", "2020-02-29", "2020-03-31", "2020-04-30"],
        ["2019-10-15", "2019-11-15", "2019-12-15", "2020-01-15", "2020-02-15"],
        ["2015-01-01", "2016-01-01", "2017-01-01", "2018-01-01"],
        ["2025-12-28", "2026-01-28", "2026-02-28", "2026-03-28"],  # not from the end, though February ends there
        ["2025-11-30", "2025-12-30", "2026-01-30", "2026-02-28"],  # there is no 30th
        ["2023-06-30", "2023-09-30", "2023-12-31"],
        ["2023-02-28", "2024-02-29", "2025-02-28"],
        ["202311", "202312", "202401"],
        ["2025-12-01T00:00:00+01:00", "2026-01-01T00:00:00+01:00", "2026-02-01T00:00:00+01:00"],
        ["2025-12-31T00:00:00+01:00", "2026-01-31T00:00:00+01:00", "2026-02-28T00:00:00+01:00"],
        ["2025-12-01T00:00:00-0500", "2026-01-01T00:00:00-0500", "2026-02-01T00:00:00-0500"],
    ],
)
def test_months_are_steps_of_one_length(texts):
    times, clock = read(texts[:-1])
    assert clock.unit == "month"
    assert clock.spell(clock.after(times[-1], 1)[0]) == texts[-1]
    np.testing.assert_array_equal(clock.places(times), np.arange(len(times)))


@pytest.mark.parametrize(
    ("texts", "season", "spoken"),
    [
        (["2020-01-01 00:00", "2020-01-01 00:15"], 96, "15 minutes"),
        (["2020-01-01 00:00", "2020-01-01 01:00"], 24, "1 hour"),
        (["2020-01-01 00:00", "2020-01-01 05:00"], None, "5 hours"),
        (["2020-01-01", "2020-01-02"], 7, "1 day"),
        (["2020-01-01", "2020-01-08"], 52, "1 week"),
        (["2020-01", "2020-02"], 12, "1 month"),
        (["2020-01", "2020-04"], 4, "3 months"),
        (["2020-01", "2021-01"], None, "12 months"),
        (["1", "2"], None, "1"),
    ],
)
def test_the_season_follows_from_the_step(texts, season, spoken):
    clock = read(texts)[1]
    assert (clock.season, clock.spoken) == (season, spoken)


def test_times_that_are_left_out_are_steps():
    times, clock = read(["2020-01-01", "2020-01-02", "2020-01-05", "2020-01-06"])
    assert clock.places(times).tolist() == [0, 1, 4, 5]


def test_times_at_any_distance_are_uneven_and_each_row_is_a_step():
    times, clock = read(["2020-01-01", "2020-01-04", "2020-01-09", "2020-02-20"])
    assert not clock.even
    assert clock.places(times).tolist() == [0, 1, 2, 3]
    assert clock.season is None


def test_numbers_are_times_but_compact_dates_are_dates():
    assert read(["1949", "1950", "1951"])[1].kind == "number"
    times, clock = read(["20200130", "20200131", "20200201"])
    assert clock.kind == "date"
    assert clock.spell(times[-1]) == "20200201"


@pytest.mark.parametrize(
    "texts",
    [
        ["1699999999998", "1699999999999", "1700000000000"],
        ["20260131180000", "20260131180001", "20260131180002"],
        ["1700000000.123", "1700000000.246", "1700000000.369"],
        ["0.1", "0.2", "0.3"],
    ],
)
def test_a_number_is_written_as_it_was_however_many_digits_it_has(texts):
    times, clock = read(texts[:2])
    assert [clock.spell(time) for time in (*times, *clock.after(times[1], 1))] == texts


@pytest.mark.parametrize("texts", [["1e3", "2E+3", "3e+03"], [".5", "1.", "1.5e0"], ["-2e-1", "-1e-1", "0e0"]])
def test_numbers_may_have_exponents_and_a_point_at_either_end(texts):
    times, clock = read(texts)
    np.testing.assert_array_equal(times, [float(text) for text in texts])
    assert (clock.kind, clock.even) == ("number", True)


def test_what_follows_many_steps_later_has_no_digits_of_rounding():
    times, clock = read([f"{number / 10:.1f}" for number in range(701)])
    expected = [f"{number / 10:g}" for number in range(701, 797)]
    assert [clock.spell(time) for time in clock.after(times[-1], 96)] == expected


def test_zones_are_one_time():
    times, clock = read(["2020-01-01T00:00:00+02:00", "2020-01-01T00:00:00+01:00", "2020-01-01T00:00:00Z"])
    assert np.diff(times).tolist() == [3_600, 3_600]
    assert clock.spell(times[2]) == "2020-01-01T00:00:00+00:00"


@pytest.mark.parametrize(("start", "rate"), [(1_700_000_000, 100), (1_700_000_000, 1_000), (0, 44_100)])
def test_numbers_are_even_up_to_how_they_are_rounded(start, rate):
    """Seconds since 1970 stand a quarter of a microsecond apart as float64."""
    texts = [repr(start + number / rate) for number in range(500)]
    times, clock = read(texts)
    assert clock.even
    np.testing.assert_array_equal(clock.places(times), np.arange(500))
    times, clock = read([*texts, repr(start + 519 / rate)])  # after a gap
    assert (clock.even, clock.places(times)[-1]) == (True, 519)
    assert not read([*texts, repr(start + 500.4 / rate)])[1].even


@pytest.mark.parametrize("zone", ["Z", "+05:30", "-0800", "+01", " +01:00", ".5 +01:00", "  Z"])
def test_what_follows_is_written_in_the_zone_of_the_file(zone):
    texts = [f"2026-01-01 {hour:02d}:00:00{zone}" for hour in range(20)]
    times, clock = read(texts[:10])
    assert [clock.spell(time) for time in clock.after(times[-1], 10)] == texts[10:]


def berlin(start, step, count):
    """Midnights of Berlin as pandas writes them: the zone changes with daylight saving."""
    days = (datetime(2026, *start) + number * step for number in range(count))
    return [day.replace(tzinfo=ZoneInfo("Europe/Berlin")).isoformat() for day in days]


@pytest.mark.parametrize(("start", "days"), [((3, 20), 1), ((10, 20), 1), ((3, 2), 7), ((9, 1), 14)])
def test_days_go_on_where_clocks_change_and_name_no_zone(start, days):
    texts = berlin(start, timedelta(days), 30)
    times, clock = read(texts)
    assert (clock.even, clock.unit, clock.step, clock.local) == (True, "second", days * 86_400, True)
    np.testing.assert_array_equal(clock.places(times), np.arange(30))
    assert [clock.spell(time) for time in clock.between(times[0], 30)] == [text[:-6] for text in texts]


@pytest.mark.parametrize("day", [1, 15, 31])
def test_months_go_on_where_clocks_change(day):
    last = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    texts = [berlin((month, min(day, last[month - 1])), timedelta(), 1)[0] for month in range(1, 13)]
    times, clock = read(texts)
    assert (clock.even, clock.unit) == (True, "month")
    assert [clock.spell(time) for time in clock.between(times[0], 12)] == [text[:-6] for text in texts]


def test_hours_are_those_of_utc_where_clocks_change():
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    texts = [(start + timedelta(hours=hour)).astimezone(ZoneInfo("Europe/Berlin")).isoformat() for hour in range(30)]
    times, clock = read(texts)
    assert (clock.even, clock.local, clock.spoken) == (True, False, "1 hour")
    assert clock.spell(times[0]) == "2026-03-28T12:00:00+00:00"


@pytest.mark.parametrize("second", ["2026-01-02", "2026-02-01"])
def test_days_and_months_of_series_in_two_zones_are_those_of_each_wall(second):
    texts = [f"{day}T00:00:00{zone}" for zone in ("+01:00", "-05:00") for day in ("2026-01-01", second)]
    times, _, form = parse_times(texts, str, "when")
    found, clock = clock_of_dates(times, texts, [np.arange(2), np.arange(2, 4)], form)
    assert (clock.local, clock.zone) == (True, "")
    assert [clock.spell(time) for time in found] == [text[:-6] for text in texts]
    after = {"2026-01-02": "2026-01-03T00:00:00", "2026-02-01": "2026-03-01T00:00:00"}[second]
    assert {clock.spell(clock.after(found[place], 1)[0]) for place in (1, 3)} == {after}


def test_a_model_s_clock_says_how_dates_are_read():
    texts = berlin((1, 1), timedelta(1), 5)
    utc, local = read(texts, like=Clock("date", "second", DAY)), read(texts, like=LOCAL)
    assert (utc[1].local, local[1].local) == (False, True)
    np.testing.assert_array_equal(local[0] - utc[0], 3_600)
    assert [utc[1].spell(time) for time in utc[0]] == [local[1].spell(time) for time in local[0]] == texts


def test_a_reading_that_is_uneven_is_not_taken_whatever_the_model_s_clock_says():
    """Midnights of UTC as Berlin writes them are even in UTC alone, those of Berlin on the wall alone."""
    start = datetime(2026, 3, 25, tzinfo=UTC)
    utc = [(start + timedelta(day)).astimezone(ZoneInfo("Europe/Berlin")).isoformat() for day in range(10)]
    for texts, kept in ((utc, False), (berlin((3, 25), timedelta(1), 10), True)):
        for like in (None, Clock("date", "second", DAY), LOCAL):
            _, clock = read(texts, like=like)
            assert (clock.even, clock.spoken, clock.local) == (True, "1 day", kept)


def test_a_model_that_was_trained_on_uneven_times_of_utc_reads_them_again():
    """Models of versions that knew no clock on the wall took days of 23 hours for uneven ones."""
    texts = berlin((3, 20), timedelta(1), 15)
    times, clock = read(texts, like=Clock("date", "second", DAY, even=False, zone="+00:00"))
    assert (clock.even, clock.local) == (False, False)
    np.testing.assert_array_equal(times, [datetime.fromisoformat(text).timestamp() for text in texts])


@pytest.mark.parametrize("like", [None, Clock("date", "second", DAY), LOCAL])
def test_dates_without_zones_are_those_of_the_wall_if_they_are_days(like):
    texts = ["2026-01-01 00:00", "2026-01-02 00:00", "2026-01-03 00:00"]
    assert read(texts, like=like)[1].local is (like is None or like.local)
    assert read([f"2026-01-01 0{hour}:00" for hour in range(5)], like=like)[1].local is (like is LOCAL)


@pytest.mark.parametrize("text", ["2026-01-15_12:00", "2026-01-15-12:00:00", "2026-01-15-12", "2026-01-15,12:00"])
def test_other_marks_between_day_and_hour_are_read(text):
    assert parse_times([text], str, "when")[0][0] == datetime(2026, 1, 15, 12, tzinfo=UTC).timestamp()


def test_a_series_of_one_time_does_not_hide_that_the_others_are_of_months():
    times = parse_times(["2020-01", "2020-02", "2020-03"], str, "when")[0]
    assert find_clock([times, times[:1]], "date", "month").unit == "month"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("", "is empty"),
        (None, "is empty"),
        *((one, f"{one!r}") for one in ("31/01/2020", "2026-01-15 +02:00", "2026-01-15 -0500", "1949-01 -05")),
    ],
)
def test_what_is_no_time_is_refused_with_its_row(bad, reason):
    with pytest.raises(DataError, match=r"^row 2: column 'when' ") as caught:
        parse_times(["2020-01-01", bad], lambda row: f"row {row + 1}", "when")
    assert reason in str(caught.value)
    with pytest.raises(DataError, match=r"^row 2: column 'when' holds '1e999', which is no time"):
        parse_times(["1", "1e999"], lambda row: f"row {row + 1}", "when")
    with pytest.raises(DataError, match=rf"^row 3: column 'when' .*{re.escape(reason)}"):
        parse_times(["1", "2", bad, "4"], lambda row: f"row {row + 1}", "when")
