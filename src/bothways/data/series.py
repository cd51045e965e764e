"""Series of numbers from a table: one row for each time, a column for each quantity, one series or many.

A value that is missing is NaN. Times that a regular series leaves out become rows of missing values.

Shapes: T times, F columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.data.cells import spell
from bothways.data.clock import Clock, clock_of_dates, find_clock
from bothways.data.tables import read_table
from bothways.data.times import parse_times, zones_of
from bothways.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bothways.data.tables import Table
    from bothways.data.times import Times

# How a missing number is written, in small letters.
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "?"})
_LOOKED_AT = 100  # rows that tell what a column holds
_TIME_NAMES = ("time", "date", "datetime", "timestamp", "ds", "day", "month", "week", "hour", "year")


@dataclass(frozen=True)
class Series:
    """One series, in order of time."""

    name: str | None  # None: the only one
    times: Times  # (T,), see `clock`
    values: NDArray[np.float64]  # (T,F), NaN where missing
    clock: Clock | None = None  # how its file writes times; None: of no file


ROWS = Clock("row", "row", 1.0)


def series_of(given: Any, name: str = "The series", *, width: int | None = None, label: str | None = None) -> Series:
    """Take a series from numbers, the earliest first: its times are the places of its rows.

    Args:
        given: (T,) or (T,F); NaN where a value is missing.
        name: for a message.
        width: F that is expected; None takes any.
        label: the name of the series.

    Raises:
        DataError: something is not a number, or of another shape.
    """
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} is not an array of numbers of shape (T,) or (T, F): {error}.") from error
    if values.ndim not in (1, 2) or not values.size:
        raise DataError(f"{name} has shape {values.shape}, but it must be (T,) or (T, F), neither of them 0.")
    values = values.reshape(len(values), -1)
    if width is not None and values.shape[1] != width:
        raise DataError(f"{name} has {values.shape[1]} columns, but {width} are expected.")
    if np.isinf(values).any():
        raise DataError(f"{name} holds an infinity. Give a number, or NaN where a value is missing.")
    return Series(label, np.arange(len(values), dtype=np.float64), values)


@dataclass(frozen=True)
class SeriesTable:
    """The series of a file."""

    name: str  # of the file
    columns: list[str]  # F
    series: list[Series]
    clock: Clock
    time: str | None  # the column of times; None: the order of the rows
    by: str | None  # the column that names the series
    notes: list[str] = field(default_factory=list)


def read_series(
    path: Path,
    *,
    targets: Sequence[str] | None = None,
    inputs: Sequence[str] | None = None,
    time: str | None = None,
    by: str | None = None,
    encoding: str = "auto",
    guess: bool = True,
    like: Clock | None = None,
) -> SeriesTable:
    """Read the series of a table.

    Args:
        path: what `read_table` reads.
        targets: the columns to be predicted; None takes the only column of numbers.
        inputs: other columns of numbers that are read, too; None reads none.
        time: the column of times; None takes one with a usual name, or the first whose values are dates, and says so;
            without any the rows stand in order of time.
        by: the column that names the series a row belongs to; None: all belong to one.
        encoding: of the file.
        guess: look for a column of times if none is named.
        like: how those advanced that a model was trained on: dates are read as these were, on the clock on the wall
            or in UTC, if they advance so there; None decides by how they advance alone.

    Returns:
        The series, targets before inputs.

    Raises:
        DataError: a column does not exist or holds something else than numbers, times stand twice or out of order;
            names the row.
    """
    table = read_table(path, encoding=encoding)
    for column in (*(targets or ()), *(inputs or ()), *filter(None, (time, by))):
        table.check_column(column)
    # Columns that nobody asks for may hold lists or objects.
    cells = zip(*table.rows_as_found(table.columns), strict=True)
    found = {name: tuple(map(spell, values)) for name, values in zip(table.columns, cells, strict=True)}
    notes = list(table.notes)
    rows = _rows_by_series(table, by, found)
    if time is None and guess:
        time = _guess_time(table, found, {*(targets or ()), *(inputs or ()), by}, list(rows.values()), notes)
        said = "Rows are taken to be in order of time: no column holds times. Name one with --time if one does."
        notes.append(said if time is None else f"Column {time!r} is read as the time.")
    chosen = _choose(table, found, targets, inputs, {time, by}, notes)
    values = np.column_stack([_numbers(table, column, found[column]) for column in chosen])
    for place, column in enumerate(chosen):
        if np.isnan(values[:, place]).all():
            raise DataError(f"{table.name}: column {column!r} holds no number at all. Choose another column.")
    times, clock = _times(table, time, rows, found, like)
    if clock.local and time is not None and len(zones_of(found[time])) > 1:
        notes.append(
            f"The zone of the times of {table.name} differs or changes, as with daylight saving: they are read as "
            "those of the clock on the wall, and forecasts name no zone."
        )
    if not clock.even:
        notes.append(f"The times of {table.name} are not evenly spaced: each row counts as one step.")
    filled = [_evenly(Series(name, times[some], values[some], clock), clock) for name, some in rows.items()]
    for one, gaps in filled:
        if gaps:
            called = "" if one.name is None else f" of {one.name!r}"
            notes.append(
                f"{len(gaps):,} times{called} are missing, the first {clock.spell(gaps[0])}: their values count as "
                "missing."
            )
    missing = zip(chosen, np.isnan(values).sum(axis=0).tolist(), strict=True)
    notes += [
        f"Column {column!r}: {count:,} of {len(values):,} values are missing; the last known one is read in their "
        "place, and none is predicted."
        for column, count in missing
        if count
    ]
    return SeriesTable(table.name, chosen, [one for one, _ in filled], clock, time, by, notes)


def _times(
    table: Table,
    time: str | None,
    rows: dict[str | None, NDArray[np.int64]],
    found: dict[str, tuple[str | None, ...]],
    like: Clock | None,
) -> tuple[Times, Clock]:
    """Read the times of all rows, in order within each series; without a column the places of its rows."""
    if time is None:
        places = np.empty(len(found[table.columns[0]]))
        for some in rows.values():
            places[some] = np.arange(len(some))
        return places, ROWS
    times, kind, form = parse_times(found[time], table.where, time)
    _check_order(table, times, rows, found[time])
    series = list(rows.values())
    if kind == "date":
        return clock_of_dates(times, found[time], series, form, like=like)
    clock = find_clock([times[some] for some in series], kind, form)
    # Earlier versions took fine steps of large numbers for uneven ones.
    return times, replace(clock, even=False) if like is not None and not like.even else clock


def _guess_time(
    table: Table,
    found: dict[str, tuple[str | None, ...]],
    taken: set[str | None],
    rows: Sequence[NDArray[np.int64]],
    notes: list[str],
) -> str | None:
    free = [column for column in table.columns if column not in taken]
    named = [column for column in free if column.strip().lower() in _TIME_NAMES and _holds_times(found[column])]
    for column in sorted(named, key=lambda column: _TIME_NAMES.index(column.strip().lower())):
        again = _begins_again(found[column], rows)
        if again is None:
            return column
        notes.append(
            f"{table.where(again)}: {column!r} begins again, so it is not read as the time. If rows belong to several "
            "series, name the column that tells them apart with --series."
        )
    return next((column for column in free if _holds_dates(found[column])), None)


def _holds_dates(values: tuple[str | None, ...]) -> bool:
    try:
        return parse_times(values[:_LOOKED_AT], lambda _: "", "")[1] == "date"
    except DataError:
        return False


def _holds_times(values: tuple[str | None, ...]) -> bool:
    """Whether values are dates, or numbers that rise."""
    try:
        times, kind, _ = parse_times(values[:_LOOKED_AT], lambda _: "", "")
    except DataError:
        return False
    return kind == "date" or bool((np.diff(times) > 0).all())


def _begins_again(values: tuple[str | None, ...], rows: Sequence[NDArray[np.int64]]) -> int | None:
    """The row in which numbers begin again, as the days of each year do, within a series; None if in none.

    One that is out of order or cannot be read may be a mistake, which is to be told.
    """
    try:
        times, kind, _ = parse_times(values, lambda _: "", "")
    except DataError:
        return None
    for some in rows if kind == "number" else ():
        falls = some[1:][np.diff(times[some]) <= 0]
        if len(falls) and (times[falls] == times[some].min()).all():
            return int(falls[0])
    return None


def _choose(
    table: Table,
    found: dict[str, tuple[str | None, ...]],
    targets: Sequence[str] | None,
    inputs: Sequence[str] | None,
    taken: set[str | None],
    notes: list[str],
) -> list[str]:
    """Choose the columns: targets, then inputs."""
    others = [
        column
        for column in table.columns
        if column not in taken and column not in {*(targets or ()), *(inputs or ())} and _is_numeric(found[column])
    ]
    if targets is None:
        if len(others) != 1:
            known = ", ".join(map(repr, others)) or "none"
            raise DataError(
                f"{table.name}: which column is to be predicted? Columns of numbers: {known}. Name one or several with "
                "--target, with commas between."
            )
        notes.append(f"Column {others[0]!r} is predicted.")
        return [*others, *(inputs or ())]
    if others and inputs is None:
        named = ", ".join(others)
        notes.append(f"Not read: {named}. Name columns with --inputs that help to predict.")
    repeated = [column for place, column in enumerate(targets) if column in targets[:place]]
    repeated += [column for column in inputs or () if column in targets]
    if repeated:
        raise DataError(f"Column {repeated[0]!r} is named twice. Name each column once, as a target or as an input.")
    clashing = next((column for column in (*targets, *(inputs or ())) if column in taken), None)
    if clashing is not None:
        raise DataError(f"Column {clashing!r} holds the times or names the series, and cannot be read as numbers, too.")
    return [*targets, *(inputs or ())]


def _is_numeric(values: tuple[str | None, ...]) -> bool:
    """Whether all values are numbers or missing, and some are numbers."""
    known = [value for value in values if (value or "").strip().lower() not in MISSING]
    return bool(known) and all(_number(value or "") is not None for value in known)


def _number(text: str) -> float | None:
    """Read a finite number; None if it is none."""
    if "_" in text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _numbers(table: Table, column: str, values: tuple[str | None, ...]) -> NDArray[np.float64]:
    """Read a column of numbers, float64 (N,), NaN where one is missing."""
    numbers = np.full(len(values), np.nan)
    for row, value in enumerate(values):
        text = (value or "").strip()
        if text.lower() in MISSING:
            continue
        number = _number(text)
        if number is None:
            raise DataError(
                f"{table.where(row)}: column {column!r} holds {text[:30]!r}, which is no number. Correct it, or leave "
                "it empty if it is missing."
            )
        numbers[row] = number
    return numbers


def _rows_by_series(
    table: Table, by: str | None, found: dict[str, tuple[str | None, ...]]
) -> dict[str | None, NDArray[np.int64]]:
    """The rows of each series, in their order."""
    if by is None:
        return {None: np.arange(len(found[table.columns[0]]))}
    rows: dict[str | None, list[int]] = {}
    for row, name in enumerate(found[by]):
        if not (name or "").strip():
            raise DataError(f"{table.where(row)}: column {by!r} is empty, but it must name the row's series.")
        rows.setdefault(name, []).append(row)
    return {name: np.array(some) for name, some in rows.items()}


def _check_order(
    table: Table, times: Times, rows: dict[str | None, NDArray[np.int64]], spelt: tuple[str | None, ...]
) -> None:
    """Refuse times that stand twice or out of order, within a series."""
    for name, some in rows.items():
        wrong = np.flatnonzero(np.diff(times[some]) <= 0)
        if not len(wrong):
            continue
        before, row = int(some[wrong[0]]), int(some[wrong[0] + 1])
        called = "" if name is None else f" of {name!r}"
        if times[row] == times[before]:
            several = "" if name is not None else ", or name the column that tells series apart with --series"
            raise DataError(
                f"{table.where(row)}: the time {spelt[row]!r}{called} stands in {_beside(table, row, before)}, too. "
                f"Keep one row for each time{several}."
            )
        raise DataError(
            f"{table.where(row)}: the time {spelt[row]!r}{called} comes before that of {_beside(table, row, before)}, "
            f"{spelt[before]!r}. Sort the rows by time."
        )


def _beside(table: Table, row: int, other: int) -> str:
    """Say where another row stands, without the file where that is the same."""
    file, _, _ = table.where(row).rpartition(", ")
    return table.where(other).removeprefix(f"{file}, ")


def _evenly(series: Series, clock: Clock) -> tuple[Series, list[float]]:
    """Put rows of missing values where times are missing; give their times."""
    places = clock.places(series.times)
    count = int(places[-1]) + 1
    if count == len(places):
        return series, []
    times = clock.between(float(series.times[0]), count)
    values = np.full((count, series.values.shape[1]), np.nan)
    values[places] = series.values
    gaps = np.setdiff1d(np.arange(count), places)
    return replace(series, times=times, values=values), times[gaps].tolist()


def name_columns(text: str | None) -> list[str] | None:
    """Part names with commas between; None stays None.

    Raises:
        DataError: a name is empty.
    """
    if text is None:
        return None
    names = [part.strip() for part in text.split(",")]
    if not all(names):
        raise DataError(f"{text!r} names an empty column. Give names with commas between: price,volume.")
    return names


def same_step(trained: Clock, found: Clock, name: str, *, near: float = 1e-5) -> None:
    """Refuse a file whose times advance otherwise than those of the training data.

    Args:
        trained: how those of the training data advance.
        found: how those of the file do.
        name: of the file, for the message.
        near: share of a step by which one found of fewer numbers may differ, since they are rounded.

    Raises:
        DataError: another step, or dates where numbers were.
    """
    alike = (trained.kind, trained.even) == (found.kind, found.even)
    if alike and trained.even:
        alike = trained.unit == found.unit and math.isclose(trained.step, found.step, rel_tol=near)
    if not alike:
        raise DataError(
            f"{name} advances by {found.spoken}, but the model was trained on {trained.spoken}. Give a series of the "
            "same step."
        )
