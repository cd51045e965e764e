"""Dates in many spellings, and the same dates as ISO 8601 writes them: a translation that a small network learns.

    the 3rd of May, 1987         1987-05-03
    Mon 14 September 2026        2026-09-14
    5/12/04                      2004-12-05         day before month, always

It is plain which part of the source each digit comes from, so that a person can judge a picture of attention. Two
digits of a year mean 1950 to 2049. All spellings were written for this package.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Literal, get_args

from bothways.errors import OutputError, SettingsError, check_choice

Part = Literal["train", "validation", "test"]

ROWS: dict[Part, int] = {"train": 20_000, "validation": 1000, "test": 2000}
FIRST, LAST = date(1950, 1, 1), date(2049, 12, 31)
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def _ordinal(day: int) -> str:
    ending = "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


SPELLINGS: tuple[Callable[[date], str], ...] = (
    lambda day: f"{day.day} {MONTHS[day.month - 1]} {day.year}",
    lambda day: f"{MONTHS[day.month - 1]} {day.day}, {day.year}",
    lambda day: f"{MONTHS[day.month - 1]} {_ordinal(day.day)}, {day.year}",
    lambda day: f"the {_ordinal(day.day)} of {MONTHS[day.month - 1]}, {day.year}",
    lambda day: f"{DAYS[day.weekday()]}, {day.day} {MONTHS[day.month - 1]} {day.year}",
    lambda day: f"{DAYS[day.weekday()][:3]} {day.day} {MONTHS[day.month - 1]} {day.year}",
    lambda day: f"{day.day} {MONTHS[day.month - 1][:3]} {day.year}",
    lambda day: f"{MONTHS[day.month - 1][:3]} {day.day} {day.year}",
    lambda day: f"{day.day}-{MONTHS[day.month - 1][:3].upper()}-{day.year % 100:02d}",
    lambda day: f"{day.day}/{day.month}/{day.year}",
    lambda day: f"{day.day}/{day.month}/{day.year % 100:02d}",
    lambda day: f"{day.day:02d}.{day.month:02d}.{day.year}",
    lambda day: f"{day.day} {MONTHS[day.month - 1][:3].lower()} '{day.year % 100:02d}",
    lambda day: f"{day.year}, {MONTHS[day.month - 1]} {day.day}",
)


def dates(part: Part, *, rows: int | None = None, seed: int = 0) -> tuple[list[str], list[str]]:
    """Give dates as people write them, and as ISO 8601 does; no day stands in two parts.

    The same arguments give the same rows on every machine.

    Args:
        part: "train", "validation" or "test".
        rows: how many; None for the part's full size (`ROWS`).
        seed: which spellings to draw.

    Raises:
        SettingsError: `part` is unknown or `rows` is below 1.
    """
    check_choice("part", part, get_args(Part))
    rows = ROWS[part] if rows is None else rows
    if rows < 1:
        raise SettingsError(f"rows is {rows}, but it must be at least 1.")
    draw = Random(f"{part}-{seed}")
    days = _days(part)
    drawn = [draw.choice(days) for _ in range(rows)]
    return [draw.choice(SPELLINGS)(day) for day in drawn], [day.isoformat() for day in drawn]


def write_dates(folder: str | Path) -> Path:
    """Write the corpus of seed 0 as train, validation and test, each .source and .target; give the folder.

    Raises:
        OutputError: a file of one of these names holds something else, or cannot be written.
    """
    folder = Path(folder)
    contents = {
        folder / f"{part}.{side}": "".join(f"{line}\n" for line in lines)
        for part in get_args(Part)
        for side, lines in zip(("source", "target"), dates(part), strict=True)
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            if path.exists() and path.read_bytes() != content.encode():
                raise OutputError(f"{path} exists and holds something else. Choose another folder, or move it away.")
        for path, content in contents.items():
            path.write_text(content, encoding="utf-8", newline="\n")
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}. Choose a folder you may write to.") from error
    return folder


def _days(part: Part) -> list[date]:
    """The days of a part: of all days, mixed once and for ever, the first tenth is tested on, the next validates."""
    days = [FIRST + timedelta(number) for number in range((LAST - FIRST).days + 1)]
    Random("days").shuffle(days)
    tenth = len(days) // 10
    return {"test": days[:tenth], "validation": days[tenth : 2 * tenth], "train": days[2 * tenth :]}[part]
