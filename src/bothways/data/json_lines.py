"""JSON Lines files as a stream of Arrow batches: one JSON object a line, one column for each key.

Python's own parser reads them, and not Arrow's, whose columns take their type from the first block and whose errors
name no line.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bothways.data.cells import KINDS, Kind, spell
from bothways.data.encoding import find_encoding
from bothways.data.files import opened
from bothways.data.streaming import record_batches
from bothways.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


class AsJson(str):
    """A column's name that also asks for the column's lists and objects, as JSON text."""


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
                missing = isinstance(value, float) and math.isnan(value)
                self._kinds[key].add("null" if missing else KINDS[type(value)])
            keys_of_all = set(row) if keys_of_all is None else keys_of_all & row.keys()
        for key in self._kinds.keys() - (keys_of_all or set()):
            self._kinds[key].add("null")
        self.columns = list(self._kinds)
        self.empty = rows == 0
        if broken:
            plural = "s" if broken > 1 else ""
            self.notes.append(f"{path.name} holds half characters in {broken:,} row{plural}, each read as U+FFFD.")

    def kinds(self, column: str) -> frozenset[Kind]:
        """Return the kinds of value that stand in a column; "null" among them where one is missing."""
        return frozenset(self._kinds[column])

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Give the rows of the chosen columns in order, each value spelt as text.

        Raises:
            DataError: a value is a list or an object, in a column that is not named `AsJson`; names the row.
        """
        return record_batches(self._rows(columns), columns)

    def _rows(self, columns: Sequence[str]) -> Iterator[list[str | None]]:
        for number, (row, _) in enumerate(self._objects(), start=1):
            values = [row.get(column) for column in columns]
            for value, column in zip(values, columns, strict=True):
                if isinstance(value, list | dict) and not isinstance(column, AsJson):
                    kind = "a list" if isinstance(value, list) else "an object"
                    raise DataError(
                        f"{self.path.name}, row {number:,}: column {column!r} holds {kind}, but one text, number or "
                        "boolean is needed. Write one value there."
                    )
            yield [json_text(value) if isinstance(value, list | dict) else spell(value) for value in values]

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
