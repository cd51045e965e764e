"""What a text is written on: a label, or a row of numbers, from the columns beside the text.

One column is read as labels where its values are no numbers, or whole numbers of few kinds that repeat, as stars do;
else as numbers. Several columns, and rows of two dimensions in Python, are numbers. Every text needs its condition: a
missing value is refused with its row.

Shapes: N texts, F numbers of a text.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from bothways.data.cells import spell
from bothways.errors import DataError, SettingsError, nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bothways.data.tables import Table

MOST_NUMBERED = 20  # kinds of whole number up to which a column of them is read as labels
MOST_LABELS = 1_000
SHOWN = 10  # labels that a message names
FARTHEST = 1e6  # deviations from the mean; far from it what a network computes would be no number
_TOO_FAR = (
    f"but a number of it is more than {FARTHEST:,.0f} deviations from the mean of the training data, of which the "
    "model knows nothing. Give one nearer."
)
_ONLY_NUMBERS = "Several columns, or a table of one, must hold numbers; give labels as one value for each text."
_WHOLE = re.compile(r"[+-]?\d+")


@dataclass
class ConditionValues:
    """The conditions of texts as they were found, spelt as text; None is missing."""

    columns: tuple[str, ...]
    rows: list[tuple[str | None, ...]]
    where: Callable[[int], str]
    numbers: bool = False  # whether they are numbers whatever they look like

    def refuse_missing(self) -> None:
        """Refuse a row without a value.

        Raises:
            DataError: names the row and the column.
        """
        for number, row in enumerate(self.rows):
            for column, value in zip(self.columns, row, strict=True):
                if value is None or not value.strip():
                    raise DataError(
                        f"{self.where(number)} has no value in {column!r}, and every text needs its condition. "
                        "Fill it in, with a label such as 'unknown' if need be, or leave the row out."
                    )

    def in_order(self, columns: Sequence[str]) -> ConditionValues:
        """Give the values in the order of these columns, if they are the same ones; else as they stand."""
        if self.columns == tuple(columns) or sorted(self.columns) != sorted(columns):
            return self
        places = [self.columns.index(column) for column in columns]
        rows = [tuple(row[place] for place in places) for row in self.rows]
        return replace(self, columns=tuple(columns), rows=rows)

    def are_labels(self) -> bool:
        """Decide how they are read, by the rule above."""
        if self.numbers or len(self.columns) > 1:
            return False
        kinds = {value for (value,) in self.rows}
        if any(_number(value) is None for value in kinds):
            return True
        whole = all(_WHOLE.fullmatch(value or "") for value in kinds)
        return whole and len(kinds) <= MOST_NUMBERED and 2 * len(kinds) <= len(self.rows)

    def groups(self) -> NDArray[np.int64]:
        """Number the labels, int64 (N,), so that rows can be held out of each; zeros for numbers."""
        if not self.are_labels():
            return np.zeros(len(self.rows), dtype=np.int64)
        return np.unique([value or "" for (value,) in self.rows], return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class Condition:
    """How a model's condition is read; stored in its folder."""

    columns: tuple[str, ...]
    labels: tuple[str, ...] | None  # None: numbers
    mean: tuple[float, ...] = ()  # (F,), of the training data
    deviation: tuple[float, ...] = ()

    @classmethod
    def learn(cls, values: ConditionValues, chosen: NDArray[np.bool_] | None = None) -> Self:
        """Decide how values are read, and measure numbers on the rows that train.

        Args:
            values: of all rows, none missing.
            chosen: bool (N,), the rows that train; None: all.

        Raises:
            DataError: values that are neither labels nor numbers, or all alike.
        """
        if values.are_labels():
            return cls(values.columns, _distinct(values))
        table = _as_numbers(values)
        table = table if chosen is None else table[chosen]
        mean, deviation = table.mean(axis=0), table.std(axis=0)
        # Compared, not computed: of 0.1, again and again, rounding makes a deviation of 1e-17.
        for column, alike, first in zip(values.columns, (table == table[0]).all(axis=0), table[0], strict=True):
            if alike:
                raise DataError(
                    f"{column!r} is {spell(float(first))} for every text, so that it says nothing. Drop it."
                )
        return cls(values.columns, None, tuple(mean.tolist()), tuple(deviation.tolist()))

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave, from JSON."""
        labels = facts["labels"]
        return cls(
            tuple(facts["columns"]),
            None if labels is None else tuple(labels),
            tuple(facts["mean"]),
            tuple(facts["deviation"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Give everything for JSON."""
        return asdict(self)

    @property
    def kinds(self) -> str:
        """What there is to choose from, for a message."""
        if self.labels is None:
            many = "a number" if len(self.columns) == 1 else f"{len(self.columns)} numbers"
            return f"{many}: {', '.join(self.columns)}"
        shown = ", ".join(self.labels[:SHOWN])
        return f"one of: {shown}" + (f" and {len(self.labels) - SHOWN} more" if len(self.labels) > SHOWN else "")

    @property
    def example(self) -> str:
        """What may stand behind `--condition`."""
        if self.labels is None:
            return ",".join(["NUMBER"] * len(self.columns))
        return shlex.quote(self.labels[0])

    def note(self) -> str:
        """Say how the condition was read."""
        named = ", ".join(map(repr, self.columns))
        if self.labels is not None:
            return f"Condition {named} is read as {len(self.labels)} labels, {self.kinds}."
        figures = ", ".join(
            f"mean {mean:.4g} and deviation {spread:.4g}"
            for mean, spread in zip(self.mean, self.deviation, strict=True)
        )
        return f"Condition {named} is read as numbers, {figures}."

    def encode(self, values: ConditionValues) -> NDArray[Any]:
        """Give what a network reads: the places of labels, int64 (N,), or standardised numbers, float32 (N,F).

        Raises:
            DataError: a missing value, a label that the model has not, no number, or one too far off, with its row.
        """
        if len(values.columns) != len(self.columns):
            named = ", ".join(map(repr, values.columns))
            raise DataError(f"The conditions are {named}, but the model takes {self.kinds}. Give as many.")
        values = values.in_order(self.columns)
        values.refuse_missing()
        if self.labels is None:
            return self._standardised(
                _as_numbers(values),
                lambda row: DataError(
                    f"{values.where(row)} has the condition {', '.join(map(str, values.rows[row]))!r}, {_TOO_FAR}"
                ),
            )
        place = {label: number for number, label in enumerate(self.labels)}
        for number, row in enumerate(values.rows):
            if row[0] not in place:
                raise DataError(f"{values.where(number)} has the condition {self._unknown(row[0])}")
        return np.array([place[row[0] or ""] for row in values.rows], dtype=np.int64)

    def encode_one(self, value: Any) -> NDArray[Any]:
        """Give what a network reads of one text: int64 (1,), or float32 (1,F).

        Args:
            value: a label; or a number, several in the order of `columns`, or a text of them with commas between.

        Raises:
            SettingsError: a label that the model has not, other numbers than it takes, or one that is too far off.
        """
        if self.labels is not None:
            label = _plain(value)
            if label not in self.labels:
                raise SettingsError(f"condition is {self._unknown(label)}")
            return np.array([self.labels.index(label)], dtype=np.int64)
        parts = value.split(",") if isinstance(value, str) else value if np.ndim(value) else [value]
        numbers = [_number(part) for part in parts]
        if len(numbers) != len(self.columns) or None in numbers:
            raise SettingsError(f"condition is {value!r}, but the model takes {self.kinds}.")
        return self._standardised(
            np.array([numbers], dtype=np.float64), lambda _: SettingsError(f"condition is {value!r}, {_TOO_FAR}")
        )

    def _standardised(self, numbers: NDArray[np.float64], refusal: Callable[[int], Exception]) -> NDArray[np.float32]:
        """Give numbers (N,F) as a network reads them; `refusal` makes the error for a row that is too far off."""
        with np.errstate(over="ignore"):
            standard: NDArray[np.float64] = (numbers - np.array(self.mean)) / np.array(self.deviation)
        far = (np.abs(standard) > FARTHEST).any(axis=1)
        if far.any():
            raise refusal(int(far.argmax()))
        return standard.astype(np.float32)

    def _unknown(self, label: str | None) -> str:
        return f"{label!r}, but the model knows {self.kinds}.{nearest(label or '', self.labels or ())}"


def condition_columns(table: Table, named: str | Sequence[str], *, text: str) -> tuple[str, ...]:
    """Return the columns that `--condition` names: one, or several with commas between, or in a list.

    Raises:
        DataError: a column that does not exist, stands twice or is the text's.
    """
    if isinstance(named, str):
        named = [named] if named in table.columns else [part.strip() for part in named.split(",")]
    columns = tuple(named)
    for column in columns:
        table.check_column(column)
        if column == text:
            raise DataError(f"{column!r} is named for both the text and the condition. Name another with --condition.")
        if columns.count(column) > 1:
            raise DataError(f"{column!r} is named twice in --condition. Name each column once.")
    return columns


def values_of_table(table: Table, columns: Sequence[str]) -> ConditionValues:
    """Read the conditions of all rows of a table."""
    seen: dict[tuple[str | None, ...], tuple[str | None, ...]] = {}  # a million equal rows would fill the memory
    return ConditionValues(tuple(columns), [seen.setdefault(row, row) for row in table.rows(columns)], table.where)


def values_of_python(conditions: Iterable[Any], texts: int) -> ConditionValues:
    """Read one condition for each text: a list, an array, or a pandas Series or DataFrame.

    Raises:
        DataError: another number of conditions than of texts, rows of unequal width, values of another type, or two
            columns of one name.
    """
    if isinstance(conditions, (str, bytes)):
        raise DataError(f"conditions is one text, {conditions!r}, but it must hold one condition for each text.")
    named = [str(name) for name in getattr(conditions, "columns", [])]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"conditions has two columns {twice!r}. Leave one out, or rename it.")
    listed = list(np.asarray(conditions)) if named else list(conditions)
    if len(listed) != texts:
        raise DataError(f"There are {texts} texts and {len(listed)} conditions. Give one condition for each text.")
    wide = bool(listed) and bool(np.ndim(listed[0]))
    rows = [tuple(map(_plain, row)) if wide and np.ndim(row) else (_plain(row),) for row in listed]
    width = len(rows[0]) if rows else 1
    for number, row in enumerate(rows):
        if len(row) != width:
            raise DataError(f"conditions[{number}] has {len(row)} values, but conditions[0] has {width}.")
    columns = named or (["condition"] if width == 1 else [f"condition {number}" for number in range(width)])
    return ConditionValues(tuple(columns), rows, lambda row: f"conditions[{row}]", numbers=wide)


def _plain(value: Any) -> str | None:
    """Spell a value as tables spell it; None for a missing one of any kind."""
    if isinstance(value, np.generic):
        value = value.item()
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if value is None or isinstance(value, (str, bool, int, float)):
        return spell(value)
    raise DataError(f"A condition is {type(value).__name__}, but it must be a label or a number.")


def _number(value: Any) -> float | None:
    """The finite number that a value is, or whose spelling it is."""
    if isinstance(value, str) and "_" in value:  # Python reads 1_0 as 10
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _as_numbers(values: ConditionValues) -> NDArray[np.float64]:
    """Float64 (N,F), not standardised."""
    table = np.zeros((len(values.rows), len(values.columns)))
    for number, row in enumerate(values.rows):
        for place, (column, value) in enumerate(zip(values.columns, row, strict=True)):
            found = _number(value)
            if found is None:
                hint = _ONLY_NUMBERS if values.numbers or len(values.columns) > 1 else "The model takes a number."
                raise DataError(f"{values.where(number)} has {value!r} in {column!r}, which is no number. {hint}")
            table[number, place] = found
    return table


def _distinct(values: ConditionValues) -> tuple[str, ...]:
    """List the labels in order, or say why they are none."""
    (column,) = values.columns
    kinds = {value or "" for (value,) in values.rows}
    if len(kinds) < 2:
        raise DataError(f"{column!r} is {next(iter(kinds), '')!r} for every text, so that it says nothing. Drop it.")
    if len(kinds) > MOST_LABELS or (len(values.rows) > 20 and 2 * len(kinds) > len(values.rows)):
        row = next(number for number, (value,) in enumerate(values.rows) if _number(value) is None)
        raise DataError(
            f"{column!r} has {len(kinds):,} different values in {len(values.rows):,} rows, too many for labels, and "
            f"{values.rows[row][0]!r} at {values.where(row)} is no number. Name another column, or make it numbers."
        )
    whole = all(_WHOLE.fullmatch(kind) for kind in kinds)
    return tuple(sorted(kinds, key=lambda kind: (int(kind) if whole else 0, kind)))
