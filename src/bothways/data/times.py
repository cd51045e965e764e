"""The times of a table as they are written: dates of ISO 8601, months, numbers.

A time is a float: seconds since 1970 (UTC) of a date, or, of times that are read in their own zones, of what a clock on
the wall there shows; the number itself of a number.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Literal

import numpy as np

from bothways.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Times = NDArray[np.float64]

TimeKind = Literal["date", "number", "row"]

DAY = 86_400
_START = datetime(1970, 1, 1, tzinfo=UTC)
# How a date is written: a letter for each digit, in this order.
_LETTERS, _FIRST_OF_JANUARY = "YYYYMMDDhhmmssffffff", "00000101000000000000"
_WRITTEN = re.compile(
    r"(\d{4}-\d{2}-\d{2}|\d{8})([T ](\d{2}|\d{2}:\d{2}(:\d{2}([.,]\d+)?)?|\d{4}(\d{2}([.,]\d+)?)?))?|\d{4}-?\d{2}"
)
_OLD_FORMS = {  # as folders of earlier versions name them
    "": "YYYY-MM-DD",
    "month": "YYYY-MM",
    "compact month": "YYYYMM",
    "day": "YYYY-MM-DD",
    "time": "YYYY-MM-DD hh:mm:ss",
    "T": "YYYY-MM-DDThh:mm:ss",
}
# What would be taken for an hour though it is a zone, or another value that was not parted.
_NO_HOUR = re.compile(
    r"(\d{4}-?\d{2}-?\d{2}|\d{4}-?W\d{2}(-?\d)?)"
    r"(\s*\+\d{2}(:?\d{2})?|\s+-\d{2}(:?\d{2})?|[;,](?!\d{2}:\d{2}).*)"
)
_MONTH = re.compile(r"\d{4}-\d{2}")
_COMPACT = re.compile(r"(19|20)\d{6}")
_COMPACT_MONTH = re.compile(r"((?:19|20)\d{2})(0[1-9]|1[0-2])")
_HOURS = re.compile(r"[T :]", re.IGNORECASE)  # what only a date with hours has: -31 behind others is a day
_ZONE = re.compile(r"(?<=\d)\s*(Z|[+-]\d{2}(?::?\d{2})?)$", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def parse_times(values: Sequence[str | None], where: Callable[[int], str], column: str) -> tuple[Times, TimeKind, str]:
    """Read a column of times: dates of ISO 8601, months such as 1949-01 or 194901, or numbers.

    Args:
        values: as they stand in the table.
        where: names a row, counted from 0, for a message.
        column: for a message.

    Returns:
        float64 (N,), what they are, and how the first is written if they are dates, such as YYYY-MM-DD hh:mm.

    Raises:
        DataError: one is missing or cannot be read; names its row.
    """
    if values and all(_COMPACT_MONTH.fullmatch((value or "").strip()) for value in values):
        return _compact_months([str(value).strip() for value in values]), "date", "YYYYMM"
    numeric = [_is_number((value or "").strip()) for value in values]
    if values and all(numeric):
        compact = all(_COMPACT.fullmatch(str(value).strip()) and _date(str(value)) is not None for value in values)
        if not compact:
            return np.array(values, dtype=np.float64), "number", ""
    elif values and numeric[0] and _date(values[0] or "") is None:  # numbers, but for one
        row = numeric.index(False)
        raise _no_time(where(row), column, values[row])
    found = np.empty(len(values))
    for row, value in enumerate(values):
        date = _date(value or "")
        if date is None:
            raise _no_time(where(row), column, value)
        found[row] = (date - _START).total_seconds()
    return found, "date", _form_of((values[0] or "").strip()) if values else ""


def _is_number(text: str) -> bool:
    """Whether a text is a finite number: 1e999 is none."""
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def _no_time(place: str, column: str, value: str | None) -> DataError:
    reason = "is empty" if not (value or "").strip() else f"holds {value!r}, which is no time"
    return DataError(
        f"{place}: column {column!r} {reason}. Write times as 2026-01-31, 2026-01-31 18:00 or 2026-01, or as numbers."
    )


def zones_of(values: Sequence[str | None]) -> set[str]:
    """Give what stands behind some dates as their zones."""
    texts = ((value or "").strip() for value in values)
    return {match[0] for text in texts if _HOURS.search(text) and (match := _ZONE.search(text))}


def utc_offsets(values: Sequence[str | None]) -> Times:
    """Seconds by which the zone of each of some dates is ahead of UTC, (N,); zero where it names none."""
    if not zones_of(values):
        return np.zeros(len(values))
    dates = (datetime.fromisoformat(_whole((value or "").strip())) for value in values)
    return np.array([(date.utcoffset() or timedelta()).total_seconds() for date in dates])


def write_date(time: float, form: str, zone: str, *, local: bool) -> str:
    """Write a date as the file does, or with more digits where it stands between those that the file can write.

    Args:
        time: of UTC, or of a clock on the wall.
        form: as `parse_times` gave it.
        zone: what stands behind it; nothing if none.
        local: `time` is of a clock on the wall in that zone.
    """
    found = (_START + timedelta(seconds=float(time))).astimezone(UTC if local else _offset(zone))
    digits = f"{found.year:04}{found:%m%d%H%M%S%f}"
    own = _OLD_FORMS.get(form, form)
    chosen = next(one for one in _finer(own) if _says_all(one, digits))
    left = iter(digits)
    text = "".join(next(left) if letter in _LETTERS else letter for letter in chosen)
    if chosen != own and "f" in chosen:
        text = text.rstrip("0")
    return text + zone if "h" in chosen else text


def _says_all(form: str, digits: str) -> bool:
    """Whether what a form leaves out of a date's digits is as at the start of a year."""
    count = sum(letter in _LETTERS for letter in form)
    return digits[count:] == _FIRST_OF_JANUARY[count:]


def _form_of(text: str) -> str:
    """How a date is written, a letter for each digit; the zone is left out."""
    hours = _HOURS.search(text)
    bare = _ZONE.sub("", text) if hours else text
    if not _WRITTEN.fullmatch(bare):
        return "YYYY-MM-DD hh:mm:ss" if hours else "YYYY-MM-DD"
    letters = iter(_LETTERS)
    return "".join(next(letters, "") if char.isdigit() else char for char in bare)


def _finer(form: str) -> Iterator[str]:
    """The form, and then those of more digits: of days, minutes, seconds, and parts of them."""
    compact = "-" not in form
    day = "YYYYMMDD" if compact else "YYYY-MM-DD"
    apart = "T" if "T" in form or (compact and " " not in form) else " "
    colon = "" if "hhmm" in form or (compact and "h" not in form) else ":"
    minutes = f"{day}{apart}hh{colon}mm"
    yield form
    for one in (day, minutes, f"{minutes}{colon}ss", f"{minutes}{colon}ss.ffffff"):
        if len(one) > len(form):
            yield one


def _offset(zone: str) -> tzinfo:
    bare = zone.strip()
    return UTC if bare in ("", "Z", "z") else datetime.strptime(bare.ljust(5, "0"), "%z").tzinfo or UTC


def _compact_months(texts: Sequence[str]) -> Times:
    return np.array([f"{text[:4]}-{text[4:]}" for text in texts], dtype="datetime64[s]").astype(np.float64)


def _date(text: str) -> datetime | None:
    """Read a date, of UTC if it names no zone; None if it is none."""
    whole = _whole(text.strip())
    if _NO_HOUR.fullmatch(whole):
        return None
    try:
        date = datetime.fromisoformat(whole)
    except ValueError:
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)


def _whole(text: str) -> str:
    """Give a month its first day, and take the space away that may stand before a zone."""
    if _MONTH.fullmatch(text):
        return f"{text}-01"
    zone = _ZONE.search(text)
    # Without hours before it a zone glued to the day would be read as hours.
    return text[: zone.start()] + zone[1] if zone and _HOURS.search(text[: zone.start()]) else text
