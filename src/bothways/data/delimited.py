"""CSV and TSV files as a stream of rows, by RFC 4180.

Python's own parser reads them, in its strict mode: it refuses a quote left open in the middle of a file, where others
join two rows without a word.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import islice, product
from pathlib import Path

from bothways.data.cells import Kind
from bothways.data.encoding import find_encoding
from bothways.data.files import opened
from bothways.errors import DataError, counted

# A quote left open would otherwise gather the rest of the file in memory.
_LONGEST_VALUE = 1 << 26
_SAMPLE = 100  # rows that a delimiter is tried on
_NAMED = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}


class DelimitedFile:
    """One CSV or TSV file: every value is text, just as written; an empty value is an empty text, never missing.

    A blank line is skipped, except in a file of one column, where it is a row with an empty text.
    """

    def __init__(self, path: Path, encoding: str, delimiters: str) -> None:
        """Read the header and look through the file once for its encoding.

        Args:
            path: the file; .gz is unpacked.
            encoding: "auto" or a codec's name.
            delimiters: the characters that may stand between values; the first is the usual one.
        """
        # The limit belongs to the whole process: raise it, never lower it.
        csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_VALUE))
        self.path = path
        self.codec, self.notes = find_encoding(path, encoding)
        self.quoted = True
        self._breaks = False  # whether a value that was read holds the end of a line
        self._named = self._named_delimiter()
        self.delimiter = self._named or self._best_of(delimiters)
        if self.delimiter != delimiters[0]:
            self.notes.append(f"{path.name} is read with {_DELIMITERS[self.delimiter]} between its values.")
        if self.delimiter == "\t" and self._has_plain_quotes():
            self.quoted = False
            self.notes.append(f"{path.name} is read without quoting: its quotes are part of the text.")
        start = list(islice(self._rows(self.delimiter), 2))
        self.columns = start[0] if start else []
        self.empty = len(start) < 2

    def kinds(self, column: str) -> frozenset[Kind]:
        """Return the kinds of value in a column: here always text."""
        return frozenset({"string"})

    def rows(self, columns: Sequence[str], as_found: Collection[str] = ()) -> Iterator[tuple[str, ...]]:
        """Give the rows of the chosen columns in order, as text, which is also how they are found.

        Raises:
            DataError: a row has too few or too many values, or a quote is not closed; names the row.
        """
        places = [self.columns.index(column) for column in columns]
        rows = islice(self._rows(self.delimiter), 1, None)
        return (tuple([row[place] for place in places]) for row in rows)

    def _rows(self, delimiter: str) -> Iterator[list[str]]:
        """Yield the header and then every row, each as long as the header."""
        width = row = line = 0
        with opened(self.path) as file, io.TextIOWrapper(file, self.codec, newline="") as text:
            if self._named:
                text.readline()
                line = 1
            reader = csv.reader(
                text,
                delimiter=delimiter,
                quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
                strict=True,
            )
            try:
                for values in reader:
                    if not values and width == 1:
                        values = [""]
                    if values:
                        width = width or len(values)
                        if len(values) != width:
                            raise DataError(self._wrong_width(row, line + 1, len(values), width, delimiter))
                        yield values
                        row += 1
                    after = reader.line_num + bool(self._named)
                    self._breaks = self._breaks or after > line + 1
                    line = after
            except csv.Error as error:
                raise DataError(f"{self._place(row, line + 1)}: {_explain(error)}") from None

    def _place(self, row: int, line: int) -> str:
        return f"{self.path.name}, {f'row {row:,}' if row else 'header'} (line {line:,})"

    def _wrong_width(self, row: int, line: int, found: int, width: int, delimiter: str) -> str:
        name = _DELIMITERS[delimiter][:-1]
        return (
            f"{self._place(row, line)}: found {counted(found, 'value')}, "
            f"but the header has {width}. Put a value that holds a {name} in quotes."
        )

    def _named_delimiter(self) -> str | None:
        """The delimiter that a line before the header names, as Excel writes it: sep=;"""
        with opened(self.path) as file, io.TextIOWrapper(file, self.codec, newline="") as text:
            found = _NAMED.fullmatch(text.readline(20).rstrip("\r\n"))
        return found[1] if found and found[1] in _DELIMITERS else None

    def _best_of(self, delimiters: str) -> str:
        """The delimiter that gives the most values; of several the first, or the one that stands before no space.

        Those come first that part many rows alike, and no pair of quotes.
        """
        for whole, rows in product((True, False), (_SAMPLE, 2)):
            headers = {delimiter: self._header(delimiter, rows, whole=whole) for delimiter in delimiters}
            most = max(map(len, headers.values()))
            best = [delimiter for delimiter, values in headers.items() if len(values) == most > 1]
            tight = [one for one in best if not any(value.startswith(" ") for value in headers[one][1:])]
            if best:
                return (tight or best)[0]
        return delimiters[0]

    def _header(self, delimiter: str, rows: int, *, whole: bool = False) -> list[str]:
        """The values of the header; none if one of the next rows has not as many.

        With `whole` also none if a value holds half a pair of quotes, as a wrong delimiter leaves it.
        """
        try:
            start = list(islice(self._rows(delimiter), rows))
        except DataError:
            return []
        cut = whole and delimiter != "\t" and any(value.count('"') % 2 for values in start for value in values)
        return start[0] if start and not cut else []

    def _has_plain_quotes(self) -> bool:
        """Say whether quotes are part of the text, as in many TSV files: read as such they give more whole rows."""
        quoted, breaks = self._count()
        if quoted >= 0 and not (breaks and len(self._header(self.delimiter, 1)) > 1):
            return False  # without quoting there cannot be more rows, or every line would be one
        self.quoted = False
        plain, _ = self._count()
        self.quoted = True
        return plain > quoted

    def _count(self) -> tuple[int, bool]:
        """Count the rows, -1 if they cannot be read; and whether some value holds the end of a line."""
        rows = 0
        self._breaks = False
        try:
            for _ in self._rows(self.delimiter):
                rows += 1
        except DataError:
            return -1, self._breaks
        return rows, self._breaks


def _explain(error: csv.Error) -> str:
    """Say what the parser's complaint means; its row is the one where the quoted value begins."""
    reason = str(error)
    if "end of data" in reason:
        return "a quote is opened here and never closed. Close it, or double each quote that belongs to the text."
    if "expected after" in reason:
        return "a quote is opened here and not closed before the next one. Double each quote that belongs to the text."
    if "field limit" in reason:
        return f"a value is longer than {_LONGEST_VALUE:,} characters. Close the quote that was left open, or cut it."
    return f"{reason}. Write the file by RFC 4180."
