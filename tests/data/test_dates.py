"""Generated dates: read back by Python's own calendar, and no day in two parts."""

from datetime import date, datetime

import pytest

from bothways.data.dates import ROWS, SPELLINGS, dates, write_dates
from bothways.errors import OutputError, SettingsError

FORMATS = [
    "%d %B %Y", "%B %d, %Y", "%B %d, %Y", "the %d of %B, %Y", "%A, %d %B %Y", "%a %d %B %Y", "%d %b %Y", "%b %d %Y",
    "%d-%b-%y", "%d/%m/%Y", "%d/%m/%y", "%d.%m.%Y", "%d %b '%y", "%Y, %B %d",
]  # fmt: skip


def parsed(text):
    """The days that a spelling may mean, by Python's own parser, of 1950 to 2049."""
    for ending in ("st", "nd", "rd", "th"):
        text = text.replace(f"1{ending}", "1").replace(f"2{ending}", "2").replace(f"3{ending}", "3")
        for digit in "4567890":
            text = text.replace(f"{digit}{ending}", digit)
    found = set()
    for form in FORMATS:
        try:
            day = datetime.strptime(text, form).date()
        except ValueError:
            continue
        if "%y" in form:
            day = day.replace(year=1900 + day.year % 100 if day.year % 100 >= 50 else 2000 + day.year % 100)
        found.add(day.isoformat())
    return found


def test_every_spelling_means_the_day_that_stands_beside_it():
    sources, targets = dates("train", rows=600)
    for source, target in zip(sources, targets, strict=True):
        assert parsed(source) == {target}
    assert len(FORMATS) == len(SPELLINGS)


def test_no_day_stands_in_two_parts_and_the_same_arguments_give_the_same_rows():
    days = {part: set(dates(part, rows=3000)[1]) for part in ROWS}
    assert not days["train"] & days["test"]
    assert not days["train"] & days["validation"]
    assert not days["test"] & days["validation"]
    assert dates("test", rows=50) == dates("test", rows=50)
    assert dates("test", rows=50) != dates("test", rows=50, seed=1)
    assert all(date(1950, 1, 1) <= date.fromisoformat(day) < date(2050, 1, 1) for day in days["train"])


def test_the_files_are_the_parts_line_by_line_and_nothing_else_is_overwritten(tmp_path):
    folder = write_dates(tmp_path / "dates")
    for part in ROWS:
        texts = [(folder / f"{part}.{side}").read_text().splitlines() for side in ("source", "target")]
        assert texts == [*dates(part)]
    write_dates(folder)
    for mine in (b"mine\n", b"\xff"):
        (folder / "test.target").write_bytes(mine)
        with pytest.raises(OutputError, match="test.target exists and holds something else"):
            write_dates(folder)


def test_bad_arguments_are_refused():
    with pytest.raises(SettingsError, match="part is 'dev', but it must be one of"):
        dates("dev")
    with pytest.raises(SettingsError, match="rows is 0"):
        dates("test", rows=0)
