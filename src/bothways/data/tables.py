"""Tables from files, as a stream: CSV, TSV, JSON Lines, Parquet, .gz of the text formats, and folders of them.

A table is never in memory as a whole: it can be read again and again from the start, row by row, and every value
comes as text, spelt the same from every format (see cells.py). Each file is looked through once when it is opened, so
that its encoding is known and not guessed from its first lines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol, cast

from bothways.data.cells import Kind, Value
from bothways.data.delimited import DelimitedFile
from bothways.data.files import READABLE, format_of, probe
from bothways.data.json_lines import JsonLinesFile
from bothways.data.parquet import ParquetFile
from bothways.errors import BothwaysError, DataError, MissingFileError, nearest


class _TableFile(Protocol):
    """One file of a table, of any format."""

    path: Path
    columns: list[str]
    notes: list[str]
    empty: bool

    def kinds(self, column: str) -> frozenset[Kind]: ...

    def rows(self, columns: Sequence[str], as_found: Collection[str] = ()) -> Iterator[tuple[Value, ...]]: ...


class Table:
    """The rows of one file, or of a folder's files one after another, as text.

    Attributes:
        name: the name of the file or folder, for messages.
        columns: the names of the columns, in the (first) file's order.
        notes: what was detected or skipped, a sentence each.
    """

    def __init__(self, name: str, files: Sequence[_TableFile], notes: Sequence[str] = ()) -> None:
        self.name = name
        self.columns = list(files[0].columns)
        self.notes = [*notes, *(note for file in files for note in file.notes)]
        self._files = list(files)
        self._rows: dict[Path, int] = {}

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[str | None, ...]]:
        """Yield the chosen columns of each row, from the first row to the last, as text.

        A missing value (JSON Lines, Parquet) is None; an empty value of a CSV file is an empty text.

        Raises:
            DataError: at once for a column that does not exist; while reading, for a broken row, with its number.
        """
        if not columns:
            raise DataError(f"No column of {self.name} was asked for. Choose from: {', '.join(self.columns)}.")
        for column in columns:
            self.check_column(column)
        return cast("Iterator[tuple[str | None, ...]]", self._stream(columns, as_found=()))

    def whole_rows(self, text: str) -> Iterator[tuple[Value, ...]]:
        """Yield all columns of each row: `text` as text, the others as they were found, to be passed on.

        Numbers and booleans of JSON Lines and Parquet come as such, lists and objects as JSON text.

        Raises:
            DataError: as `rows` does.
        """
        self.check_column(text)
        return self._stream(self.columns, as_found=set(self.columns) - {text})

    def rows_as_found(self, columns: Sequence[str]) -> Iterator[tuple[Value, ...]]:
        """Yield the chosen columns of each row as they were found, lists and objects as JSON text.

        Raises:
            DataError: as `rows` does.
        """
        for column in columns:
            self.check_column(column)
        return self._stream(columns, as_found=set(columns))

    def _stream(self, columns: Sequence[str], as_found: Collection[str]) -> Iterator[tuple[Value, ...]]:
        for file in self._files:
            rows = 0
            for row in file.rows(columns, as_found):
                rows += 1
                yield row
            self._rows[file.path] = rows

    def kinds(self, column: str) -> frozenset[Kind]:
        """Return the kinds of value in a column: string, integer, float, boolean, null, list, object, other.

        Other are bytes, dates, and numbers that 64 bits cannot hold.

        CSV and TSV hold strings only. JSON Lines tell what was seen; Parquet tells what is declared.
        """
        self.check_column(column)
        return frozenset[Kind]().union(*(file.kinds(column) for file in self._files))

    def where(self, row: int) -> str:
        """Return a row's place for a message, as in "reviews.csv, row 17".

        Args:
            row: counted from 0 through the whole table; the place counts from 1 within its file, headers not counted.
        """
        for file in self._files[:-1]:
            if file.path not in self._rows:
                self._rows[file.path] = sum(1 for _ in file.rows(self.columns[:1], as_found=self.columns))
            if row < self._rows[file.path]:
                return f"{file.path.name}, row {row + 1:,}"
            row -= self._rows[file.path]
        return f"{self._files[-1].path.name}, row {row + 1:,}"

    def check_column(self, column: str) -> None:
        """Refuse a column that does not exist, naming those that do and the nearest.

        Raises:
            DataError: the table has no such column.
        """
        if column not in self.columns:
            known = ", ".join(map(repr, self.columns))
            raise DataError(
                f"{self.name} has no column {column!r}. Its columns are: {known}.{nearest(column, self.columns)}"
            )


def read_table(path: Path | str, *, encoding: str = "auto") -> Table:
    """Open a file, or a folder of files with the same columns, as a table.

    A folder's files are read in the order of their names. Hidden files are skipped; other files and folders that are
    no table, and files without rows, are skipped with a note.

    Args:
        path: .csv, .tsv, .jsonl, .ndjson, .json (one object a line) or .parquet; .gz of a text format; or a folder.
        encoding: "auto" to detect each file's, or the encoding of every text file, which is then obeyed.

    Raises:
        MissingFileError: nothing stands at `path`.
        SettingsError: the encoding's name is not known.
        DataError: the format is not read, the file is damaged or cannot be decoded, it holds no rows, a column stands
            twice, or a folder's files have different columns.
    """
    path = Path(path)
    try:
        probe(path)
        return _read(path, encoding)
    except BothwaysError:
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None


def _read(path: Path, encoding: str) -> Table:
    if not path.is_dir():
        if format_of(path) is None and path.exists():
            raise DataError(
                f"{path.name} is of a format that is not read. What is read: {READABLE}, and folders of it."
            )
        file = _open_file(path, encoding)
        if file.empty:
            raise DataError(f"{path.name} holds no rows.")
        return Table(path.name, [file])
    return _read_folder(path, encoding)


def _read_folder(folder: Path, encoding: str) -> Table:
    notes = []
    files: list[_TableFile] = []
    try:
        found = sorted(child for child in folder.iterdir() if not child.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.") from None
    for child in found:
        if format_of(child) is None or not child.is_file():
            notes.append(f"{child.name} is skipped: it is not a table.")
        elif (file := _open_file(child, encoding)).empty:
            notes.append(f"{child.name} is skipped: it holds no rows.")
        else:
            files.append(file)
    if not files:
        raise DataError(f"{folder} holds no file with rows. What is read: {READABLE}.")
    for file in files[1:]:
        if set(file.columns) != set(files[0].columns):
            raise DataError(
                f"{file.path.name} has the columns {', '.join(file.columns)}, but {files[0].path.name} in the same "
                f"folder has {', '.join(files[0].columns)}. Give files with the same columns."
            )
    return Table(folder.name or str(folder), files, notes)


def _open_file(path: Path, encoding: str) -> _TableFile:
    if not path.exists():
        raise MissingFileError(f"{path} does not exist. Check the path.")
    file: _TableFile
    match format_of(path):
        case "parquet":
            file = ParquetFile(path)
        case "jsonl":
            file = JsonLinesFile(path, encoding)
        case "tsv":
            file = DelimitedFile(path, encoding, "\t")
        case _:
            file = DelimitedFile(path, encoding, ",;\t")
    for place, column in enumerate(file.columns):
        if column in file.columns[:place]:
            raise DataError(f"{path.name} has two columns named {column!r}. Give each column a name of its own.")
    return file
