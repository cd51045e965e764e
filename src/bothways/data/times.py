"""The times of a table as they are written: dates of ISO 8601, months, numbers.

A time is a float: seconds since 1970 (UTC) of a date, or, of times that are read in their own zones, of what a clock on
the wall there shows; the number itself of a number.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Literal

import numpy as np

from bothways.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Times = NDArray[np.float64]

TimeKind = Literal["date", "number", "row"]

DAY = 86_400
_START = datetime(1970, 1, 1, tzinfo=UTC)
_MONTH = re.compile(r"\d{4}-\d{2}")
_COMPACT = re.compile(r"(19|20)\d{6}")
_COMPACT_MONTH = re.compile(r"((?:19|20)\d{2})(0[1-9]|1[0-2])")
_ZONE = re.compile(r"(?<=\d)(Z|[+-]\d{2}(?::?\d{2})?)$", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def parse_times(values: Sequence[str | None], where: Callable[[int], str], column: str) -> tuple[Times, TimeKind, str]:
    """Read a column of times: dates of ISO 8601, months such as 1949-01 or 194901, or numbers.

    Args:
        values: as they stand in the table.
        where: names a row, counted from 0, for a message.
        column: for a message.

    Returns:
        float64 (N,), what they are, and how they are written.

    Raises:
        DataError: one is missing or cannot be read; names its row.
    """
    if values and all(_COMPACT_MONTH.fullmatch((value or "").strip()) for value in values):
        return _compact_months([str(value).strip() for value in values]), "date", "compact month"
    numeric = [_NUMBER.fullmatch((value or "").strip()) is not None for value in values]
    if values and all(numeric):
        compact = all(_COMPACT.fullmatch(str(value).strip()) and _date(str(value)) is not None for value in values)
        if not compact:
            return np.array(values, dtype=np.float64), "number", ""
    elif values and numeric[0] and _date(values[0] or "") is None:  # numbers, but for one
        row = numeric.index(False)
        raise _no_time(where(row), column, values[row])
    found = np.empty(len(values))
    form = "day"
    for row, value in enumerate(values):
        date = _date(value or "")
        if date is None:
            raise _no_time(where(row), column, value)
        found[row] = (date - _START).total_seconds()
        text = (value or "").strip()
        if row == 0 and _MONTH.fullmatch(text):
            form = "month"
        elif form in ("day", "month") and found[row] % DAY:
            form = "T" if "T" in text else "time"
    return found, "date", form


def _no_time(place: str, column: str, value: str | None) -> DataError:
    reason = "is empty" if not (value or "").strip() else f"holds {value!r}, which is no time"
    return DataError(
        f"{place}: column {column!r} {reason}. Write times as 2026-01-31, 2026-01-31 18:00 or 2026-01, or as numbers."
    )


def zones_of(values: Sequence[str | None]) -> set[str]:
    """Give what stands behind some dates as their zones."""
    return {match[0] for value in values if ":" in (value or "") and (match := _ZONE.search((value or "").strip()))}


def utc_offsets(values: Sequence[str | None]) -> Times:
    """Seconds by which the zone of each of some dates is ahead of UTC, (N,); zero where it names none."""
    if not zones_of(values):
        return np.zeros(len(values))
    dates = (datetime.fromisoformat(_whole((value or "").strip())) for value in values)
    return np.array([(date.utcoffset() or timedelta()).total_seconds() for date in dates])


def write_date(time: float, form: str, zone: str, *, local: bool) -> str:
    """Write a date as the file does.

    Args:
        time: of UTC, or of a clock on the wall.
        form: as `parse_times` gave it.
        zone: what stands behind it; nothing if none.
        local: `time` is of a clock on the wall in that zone.
    """
    found = (_START + timedelta(seconds=float(time))).astimezone(UTC if local else _offset(zone))
    if form in ("month", "compact month"):
        return f"{found:%Y-%m}" if form == "month" else f"{found:%Y%m}"
    if form == "day" and time % DAY == 0:
        return f"{found:%Y-%m-%d}"
    text = found.replace(tzinfo=None).isoformat(sep="T" if form == "T" else " ")
    return (text.rstrip("0") if "." in text else text) + zone


def _offset(zone: str) -> tzinfo:
    return UTC if zone in ("", "Z", "z") else datetime.strptime(zone.ljust(5, "0"), "%z").tzinfo or UTC


def _compact_months(texts: Sequence[str]) -> Times:
    return np.array([f"{text[:4]}-{text[4:]}" for text in texts], dtype="datetime64[s]").astype(np.float64)


def _date(text: str) -> datetime | None:
    """Read a date, of UTC if it names no zone; None if it is none."""
    text = text.strip()
    try:
        date = datetime.fromisoformat(_whole(text))
    except ValueError:
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)


def _whole(text: str) -> str:
    """Give a month its first day."""
    return f"{text}-01" if _MONTH.fullmatch(text) else text
