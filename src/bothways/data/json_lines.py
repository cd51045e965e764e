"""JSON Lines files as a stream of rows: one JSON object a line, one column for each key."""

from __future__ import annotations

import io
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from bothways.data.cells import Kind, Value, kind_of, spell
from bothways.data.encoding import find_encoding
from bothways.data.files import opened
from bothways.errors import DataError, counted

_SURROGATE = re.compile("[\ud800-\udfff]")


class JsonLinesFile:
    """One JSON Lines file; a key that a row lacks, null and NaN are missing values. Blank lines are skipped."""

    def __init__(self, path: Path, encoding: str) -> None:
        """Read the file through once: which keys it has, of which kinds, and that every line is an object."""
        self.path = path
        self.codec, self.notes = find_encoding(path, encoding)
        self._kinds: dict[str, set[Kind]] = defaultdict(set)
        rows = broken = 0
        keys_of_all: set[str] | None = None
        for row, was_broken in self._objects():
            rows += 1
            broken += was_broken
            for key, value in row.items():
                self._kinds[key].add(kind_of(value))
            keys_of_all = set(row) if keys_of_all is None else keys_of_all & row.keys()
        for key in self._kinds.keys() - (keys_of_all or set()):
            self._kinds[key].add("null")
        self.columns = list(self._kinds)
        self.empty = rows == 0
        if broken:
            self.notes.append(f"{path.name} holds half characters in {counted(broken, 'row')}, each read as U+FFFD.")

    def kinds(self, column: str) -> frozenset[Kind]:
        """Return the kinds of value that stand in a column; "null" among them where one is missing."""
        return frozenset(self._kinds[column])

    def rows(self, columns: Sequence[str], as_found: Collection[str] = ()) -> Iterator[tuple[Value, ...]]:
        """Yield the rows of the chosen columns in order, each value spelt as text.

        Columns `as_found` keep numbers and booleans as such, and give lists and objects as JSON text.

        Raises:
            DataError: a value of another column is a list or an object; names the row.
        """
        for number, (row, _) in enumerate(self._objects(), start=1):
            values: list[Value] = []
            for column in columns:
                value = row.get(column)
                if isinstance(value, list | dict):
                    if column not in as_found:
                        raise DataError(self._wrong_kind(number, column, value))
                    value = json_text(value)
                values.append(value if column in as_found else spell(value))
            yield tuple(values)

    def _wrong_kind(self, number: int, column: str, value: list[Any] | dict[str, Any]) -> str:
        kind = "a list" if isinstance(value, list) else "an object"
        return (
            f"{self.path.name}, row {number:,}: column {column!r} holds {kind}, but one text, number or boolean is "
            "needed. Write one value there."
        )

    def _objects(self) -> Iterator[tuple[dict[str, Any], bool]]:
        """Yield each line's object, and whether half a character was replaced in it."""
        # Only "\n" ends a line: other line ends of Unicode may stand inside a JSON string.
        with opened(self.path) as file, io.TextIOWrapper(file, self.codec, newline="\n") as text:
            for number, line in enumerate(text, start=1):
                if not line.isspace():
                    row = self._parse(line, number)
                    mended = _mend(row) if "\\u" in line else row
                    yield mended, mended is not row

    def _parse(self, line: str, number: int) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if line.lstrip().startswith("[") and number == 1:
                row = []
            else:
                reason = str(error).partition(":")[0]
                raise DataError(
                    f"{self.path.name}, line {number:,}: not JSON ({reason}). Each line must be one object, such as "
                    '{"text": "...", "label": "..."}.'
                ) from None
        if isinstance(row, list) and number == 1:
            raise DataError(f"{self.path.name} is one JSON list. Write one object a line instead, without the list.")
        if not isinstance(row, dict):
            raise DataError(
                f"{self.path.name}, line {number:,}: found {_shown(row)}, but each line must be one object, such as "
                '{"text": "...", "label": "..."}.'
            )
        return row


def json_text(value: object) -> str:
    """Write a list or an object as JSON text; half characters become U+FFFD, bytes hexadecimal, dates ISO 8601."""
    text = json.dumps(
        value, ensure_ascii=False, default=lambda part: part.hex() if isinstance(part, bytes) else str(part)
    )
    return _SURROGATE.sub("\ufffd", text)


def _mend(row: dict[str, Any]) -> dict[str, Any]:
    """Put U+FFFD for each half of a surrogate pair that stands alone; return `row` itself if there is none."""
    mended = {
        _SURROGATE.sub("\ufffd", key): _SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value
        for key, value in row.items()
    }
    return row if mended == row else mended


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 20 else f"{text[:20]}..."
