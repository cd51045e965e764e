"""How the times of series advance: find it, go on, write what comes.

A time is a float: seconds since 1970 of a date, the number itself of a number, the row's place of a row. Dates that
advance by days or months are those of the clock on the wall, since a day there may have 23 hours; others are of UTC.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bothways.data.times import DAY, utc_offsets, write_date, zones_of
from bothways.errors import refuse_newer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from bothways.data.times import TimeKind, Times

Unit = Literal["second", "month", "number", "row"]

HOUR, WEEK = 3_600, 604_800
# Of steps that are multiples of the shortest, so many must be the shortest for the others to count as gaps.
_SHARE_OF_SHORTEST = 0.5
_MOST_GAPS = 10  # missing times for each that is there; beyond that the shortest step means nothing


@dataclass(frozen=True)
class Clock:
    """How the times of series advance."""

    kind: TimeKind
    unit: Unit
    step: float  # in units, from one time to the next
    even: bool = True  # False: times stand at any distance, and a step is only that from one row to the next
    form: str = ""  # of a date: how the first is written, such as YYYY-MM-DD hh:mm
    zone: str = ""  # of a date: what stands behind the time, such as +01:00, if the file says
    from_end: bool = True  # of months: a time on the last day stays there, be it the 28th or the 31st
    local: bool = False  # of a date: times are those of the clock on the wall, whatever its zone

    @property
    def season(self) -> int | None:
        """Steps after which a series of such times repeats itself in all likelihood; None: unknown.

        A day of hours or minutes, a week of days, a year of weeks, months or quarters.
        """
        if self.unit == "month":
            return int(12 / self.step) if self.step in (1, 2, 3, 4, 6) else None
        if self.unit != "second" or not self.even:
            return None
        if self.step == WEEK:
            return 52
        whole = WEEK if self.step == DAY else DAY
        return int(whole / self.step) if whole % self.step == 0 and self.step < whole else None

    @property
    def by_calendar(self) -> bool:
        """Whether times advance by days or months."""
        return self.even and (self.unit == "month" or (self.unit == "second" and self.step % DAY == 0))

    @property
    def spoken(self) -> str:
        """The step, for a message."""
        if not self.even:
            return "a row, at uneven times"
        if self.unit == "row":
            return "a row"
        if self.unit == "second":
            for name, length in (("week", WEEK), ("day", DAY), ("hour", HOUR), ("minute", 60)):
                if self.step % length == 0:
                    return _counted(self.step / length, name)
        return _counted(self.step, self.unit) if self.unit != "number" else f"{self.step:g}"

    def places(self, times: Times) -> NDArray[np.int64]:
        """Count the steps from the first time to each; of uneven times the rows."""
        if not self.even or len(times) < 2:
            return np.arange(len(times))
        measured = _months(times) if self.unit == "month" else times
        return np.asarray(np.rint((measured - measured[0]) / self.step), dtype=np.int64)

    def after(self, last: float, count: int) -> Times:
        """Go on from a time: the next `count` times; uneven ones go on by their usual step."""
        if self.unit == "month":
            steps = range(1, count + 1)
            return np.array([_later(last, int(self.step) * number, from_end=self.from_end) for number in steps])
        return np.asarray(last + self.step * np.arange(1, count + 1), dtype=np.float64)

    def between(self, first: float, count: int) -> Times:
        """All times from one on, `count` of them."""
        return np.concatenate([[first], self.after(first, count - 1)])

    def spell(self, time: float) -> str:
        """Write a time as the file does."""
        if self.kind == "row":
            return f"row {int(time) + 1:,}"
        if self.kind == "number":
            return self._spell_number(time)
        return write_date(time, self.form, self.zone, local=self.local)

    def _spell_number(self, time: float) -> str:
        """Write a number with the fewest digits that tell it from its neighbours: steps are known up to rounding."""
        if float(time).is_integer():
            return str(int(time))
        near = max(1e-6 * abs(self.step), 4 * math.ulp(time))
        spelt = (f"{time:.{digits}g}" for digits in (12, 15))
        return next((text for text in spelt if abs(float(text) - time) <= near), f"{time:.17g}")

    def to_dict(self) -> dict[str, Any]:
        """Give everything for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Clock:
        """Read what `to_dict` gave, of an earlier version, too.

        Raises:
            ModelFolderError: a newer version wrote it.
        """
        refuse_newer(saved, cls.__dataclass_fields__, "times")
        return cls(**saved)


def clock_of_dates(
    times: Times,
    spelt: Sequence[str | None],
    rows: Sequence[NDArray[np.int64]],
    form: str,
    *,
    like: Clock | None = None,
) -> tuple[Times, Clock]:
    """Find how dates advance: on the clock on the wall if they do so by days or months, else in UTC.

    Where clocks are put forward a day has 23 hours and months begin at another hour of UTC.

    Args:
        times: of UTC, (N,).
        spelt: as they stand in the table.
        rows: those of each series, in order.
        form: how dates are written.
        like: how those advanced that a model was trained on; they are read as these were, if they then are as even.

    Returns:
        The times, and how they advance.
    """
    zones = zones_of(spelt)
    several = len(zones) > 1
    zone = "" if several else "".join(zones)
    clock = find_clock([times[some] for some in rows], "date", form, "+00:00" if several else zone)
    if not zones:
        return times, replace(clock, local=clock.by_calendar if like is None else like.local)
    if like is not None and not like.local and (clock.even or not like.even):
        return times, clock
    shown = times + utc_offsets(spelt)
    here = replace(find_clock([shown[some] for some in rows], "date", form, zone), local=True)
    by_the_wall = here.by_calendar or (like is not None and like.local and here.even)
    return (shown, here) if by_the_wall else (times, clock)


def find_clock(series: Sequence[Times], kind: TimeKind, form: str, zone: str = "") -> Clock:
    """Find how series advance, all of them by the same step; each in order, no time twice."""
    if kind == "row":
        return Clock("row", "row", 1.0)
    units: list[tuple[Unit, list[Times]]] = [("second" if kind == "date" else "number", list(series))]
    several = [times for times in series if len(times) > 1]  # one time alone says nothing
    if kind == "date" and several and all(_on_one_day(times) for times in several):
        units.insert(0, ("month", [_months(times) for times in series]))
    for unit, measured in units:
        steps = _steps(measured, unit)
        if not len(steps):
            break
        step = float(steps.min())
        if step > 0 and unit == "number":
            # Numbers are rounded, the more so the larger they are: the mean step is nearer than the shortest.
            step = float(steps.sum() / np.rint(steps / step).sum())
        counts = steps / step if step > 0 else steps
        near = rounding(measured, step) if step > 0 and unit == "number" else 1e-6
        regular = step > 0 and bool(np.allclose(counts, np.rint(counts), atol=near)) and counts.min() > 0.5
        if regular and (counts < 1.5).mean() >= _SHARE_OF_SHORTEST and counts.mean() <= _MOST_GAPS:
            from_end = unit == "month" and all(_from_end(times) for times in several)
            return Clock(kind, unit, step, form=form, zone=zone, from_end=from_end)
    unit, measured = units[-1]
    steps = _steps(measured, unit)
    return Clock(kind, unit, float(np.median(steps)) if len(steps) else 1.0, even=False, form=form, zone=zone)


def _steps(series: Sequence[Times], unit: Unit) -> Times:
    """The steps of all series; of seconds to the microsecond, below which their sum since 1970 is rounded."""
    steps = np.concatenate([np.diff(times) for times in series])
    return np.round(steps, 6) if unit == "second" else steps


def rounding(series: Sequence[Times], step: float) -> float:
    """How far from a whole number of steps numbers may stand since they are rounded, in steps."""
    farthest = max(float(np.abs(times).max(initial=0.0)) for times in series)
    return min(0.1, max(1e-6, 4 * math.ulp(farthest) / step))


def _counted(count: float, name: str) -> str:
    return f"1 {name}" if count == 1 else f"{count:g} {name}s"


def _months(times: Times) -> Times:
    """Count the months since January 1970."""
    return np.array(times, dtype="datetime64[s]").astype("datetime64[M]").astype(np.float64)


def _on_one_day(times: Times) -> bool:
    """Whether all times stand on the same day of their months at the same hour, or all on the last day."""
    into, left = _within_months(times)
    months = _months(times)
    return (len(set(into)) == 1 or (len(set(left)) == 1 and left[0] <= DAY)) and bool(months[0] != months[1])


def _from_end(times: Times) -> bool:
    """Whether all times stand on the last day of their months at the same hour."""
    left = _within_months(times)[1]
    return len(set(left)) == 1 and left[0] <= DAY


def _within_months(times: Times) -> tuple[list[int], list[int]]:
    """The seconds from the start of its month to each time, and those from there to its end."""
    stamps = np.array(times, dtype="datetime64[s]")
    months = stamps.astype("datetime64[M]")
    into = (stamps - months.astype("datetime64[s]")).astype(np.int64)
    left = ((months + 1).astype("datetime64[s]") - stamps).astype(np.int64)
    return into.tolist(), left.tolist()


def _later(time: float, months: int, *, from_end: bool) -> float:
    """The same place in a later month, from its end if times stand there; the 30th of February is its last day."""
    stamp = np.datetime64(int(time), "s")
    month = stamp.astype("datetime64[M]")
    then, day = month + months, stamp.astype("datetime64[D]")
    last = (then + 1).astype("datetime64[D]") - 1
    on_last_day = day == (month + 1).astype("datetime64[D]") - 1
    same = then.astype("datetime64[D]") + (day - month.astype("datetime64[D]"))
    moved = last if from_end and on_last_day else min(same, last)
    return float((moved.astype("datetime64[s]") + (stamp - day.astype("datetime64[s]"))).astype(np.int64))
