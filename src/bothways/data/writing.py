"""Write a table row by row: beside its place first, and into it once it is whole."""

from __future__ import annotations

import gzip
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from bothways.data.cells import Kind, Value, spell
from bothways.data.files import READABLE, format_of, is_packed, probe
from bothways.data.parquet import require_pyarrow
from bothways.data.streaming import GROUP_CHARACTERS, GROUP_ROWS, characters_of
from bothways.errors import BothwaysError, DataError, OutputError

ColumnType = type[str] | type[int] | type[float] | type[bool]


def column_type(kinds: Set[Kind]) -> ColumnType:
    """Choose the type of a column that holds values of these kinds: text unless all are numbers, or all booleans."""
    held = kinds - {"null"}
    if held == {"boolean"}:
        return bool
    if held == {"integer"}:
        return int
    return float if held and held <= {"integer", "float"} else str


def check_place(path: Path, *, force: bool) -> None:
    """Refuse, before anything slow starts, a place that no file can be written to.

    Args:
        path: the place.
        force: whether a file that stands there may be replaced.

    Raises:
        OutputError: it is taken, or is a folder, or its folder does not exist or may not be written to.
        MissingExtraError: it is to be a Parquet file and pyarrow is not installed.
    """
    try:
        probe(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}. Name another file.") from None
    if path.is_dir():
        raise OutputError(f"{path} is a folder. Name a file to write.")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is a device or a pipe, which no file can replace. Name a file to write.")
    if path.exists() and not force:
        raise OutputError(f"{path} exists. Choose another place with --out, or replace it with --force.")
    if not path.parent.is_dir():
        raise OutputError(f"{path} cannot be written: the folder {path.parent} does not exist. Make it.")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"{path} cannot be written: you may not write to {path.parent}. Nothing was changed there.")
    if format_of(path) == "parquet":
        require_pyarrow("Writing", path)


class TableWriter:
    """Rows into a CSV, TSV, JSON Lines or Parquet file, by the name's ending; .gz packs the text formats.

    Use it in a `with` block. The rows go to a hidden file beside the place, which takes the place when the block ends
    well. When it does not, the hidden file is removed and what stood in the place stays.

    CSV and TSV spell each value as `bothways.data.cells` does, and a missing value as an empty one. JSON Lines keep
    numbers and booleans as such; so does Parquet, in columns of their type, and spells them in columns of text.
    """

    def __init__(self, path: Path | str, columns: Mapping[str, ColumnType]) -> None:
        """Name the place and the columns.

        Args:
            path: the file to write; its folder must exist.
            columns: the name of each column, in order, and the type of its values: str, int, float or bool. Values
                of other types may stand in a column of str, and whole numbers in one of float.

        Raises:
            DataError: the name stands for no format that is written.
        """
        self.path = Path(path)
        self._columns = dict(columns)
        if format_of(self.path) is None:
            raise DataError(f"{self.path.name} is of a format that is not written. What is written: {READABLE}.")
        self._aside = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self._sink: _Sink | None = None

    def __enter__(self) -> Self:
        """Open the hidden file.

        Raises:
            OutputError: the place cannot be written.
            MissingExtraError: a Parquet file is to be written and pyarrow is not installed.
        """
        check_place(self.path, force=True)
        with self._explained():
            self._sink = _open_sink(self.path, self._aside, self._columns)
        return self

    def write(self, rows: Iterable[Sequence[Value]]) -> None:
        """Add rows, each with one value for every column, in the columns' order.

        Raises:
            OutputError: the disk is full, or the file cannot be written for another reason.
        """
        assert self._sink is not None, "write() outside of the with block"
        sink = self._sink
        for row in rows:
            with self._explained():
                sink.write(row)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._sink is not None
        try:
            with self._explained():
                self._sink.close()
                if kind is None:
                    os.replace(self._aside, self.path)
        except OutputError:
            if kind is None:  # else the first error is the one to tell
                raise
        finally:
            self._aside.unlink(missing_ok=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn every fault in writing into an OutputError that names the place."""
        try:
            yield
        except BothwaysError:
            raise
        except UnicodeEncodeError as error:
            reason = f"{error.object[error.start : error.end]!a} is half a character, which no file can hold"
            raise OutputError(f"{self.path} cannot be written: {reason}. Nothing was changed there.") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(f"{self.path} cannot be written: {reason}. Nothing was changed there.") from None


class _Sink(Protocol):
    """Where rows go in one format. `close` lets go of the file even where it fails to finish it."""

    def write(self, row: Sequence[Value]) -> None: ...

    def close(self) -> None: ...


class _TextSink:
    """UTF-8 lines into a file, packed if its place's name ends in .gz."""

    def __init__(self, aside: Path, packed: bool) -> None:
        self._raw = aside.open("wb")
        # Without name and time, the same rows give the same bytes.
        self._pack = gzip.GzipFile("", "wb", fileobj=self._raw, mtime=0) if packed else None

    def line(self, text: str) -> None:
        (self._pack or self._raw).write(f"{text}\n".encode())

    def close(self) -> None:
        try:
            if self._pack:
                self._pack.close()
            self._raw.flush()
            os.fsync(self._raw.fileno())
        finally:
            # What a full disk refused is tried again here; the first refusal is the one to tell.
            for file in (self._pack, self._raw):
                with suppress(OSError, ValueError):
                    if file:
                        file.close()


class _DelimitedSink:
    """CSV or TSV by RFC 4180, but with a line feed alone at the end of a row."""

    def __init__(self, aside: Path, columns: Mapping[str, ColumnType], delimiter: str, packed: bool) -> None:
        self._lines = _TextSink(aside, packed)
        self._delimiter = delimiter
        # Not csv.writer: it leaves a lone "\r" unquoted, which would end the row when it is read.
        self._special = re.compile(f'[{delimiter}"\r\n]')
        self.write(list(columns))

    def write(self, row: Sequence[Value]) -> None:
        line = self._delimiter.join(self._quoted(spell(value) or "") for value in row)
        self._lines.line(line or '""')  # one empty value would else be a blank line

    def close(self) -> None:
        self._lines.close()

    def _quoted(self, text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if self._special.search(text) else text


class _JsonLinesSink:
    """One JSON object a line; a number that is not finite, which JSON lacks, is null."""

    def __init__(self, aside: Path, columns: Mapping[str, ColumnType], packed: bool) -> None:
        self._lines = _TextSink(aside, packed)
        self._columns = list(columns)

    def write(self, row: Sequence[Value]) -> None:
        values = [None if isinstance(value, float) and not math.isfinite(value) else value for value in row]
        self._lines.line(json.dumps(dict(zip(self._columns, values, strict=True)), ensure_ascii=False))

    def close(self) -> None:
        self._lines.close()


class _ParquetSink:
    """Row groups of some thousand rows or megabytes."""

    def __init__(self, aside: Path, columns: Mapping[str, ColumnType]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
        self._kinds = list(columns.values())
        self._schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
        self._raw = aside.open("wb")
        self._writer = pq.ParquetWriter(self._raw, self._schema)
        self._rows: list[Sequence[Value]] = []
        self._characters = 0

    def write(self, row: Sequence[Value]) -> None:
        self._rows.append(row)
        self._characters += characters_of(row)
        if len(self._rows) == GROUP_ROWS or self._characters >= GROUP_CHARACTERS:
            self._flush()

    def close(self) -> None:
        try:
            self._flush()
            self._writer.close()
            self._raw.flush()
            os.fsync(self._raw.fileno())
        finally:
            # pyarrow would try to close a writer that failed once more when it is collected.
            self._writer.is_open = False
            with suppress(OSError, ValueError):
                self._raw.close()

    def _flush(self) -> None:
        import pyarrow as pa

        rows, self._rows, self._characters = self._rows, [], 0
        if rows:
            columns = [
                pa.array([_fitted(value, kind) for value in values], field.type)
                for values, kind, field in zip(zip(*rows, strict=True), self._kinds, self._schema, strict=True)
            ]
            self._writer.write_batch(pa.record_batch(columns, schema=self._schema))


def _fitted(value: Value, kind: ColumnType) -> Value:
    """Spell a value for a column of text; make a whole number a float for a column of these."""
    if kind is str:
        return spell(value)
    if isinstance(value, float) and math.isnan(value) and kind is not float:
        return None
    return float(value) if kind is float and value is not None else value


def _open_sink(path: Path, aside: Path, columns: Mapping[str, ColumnType]) -> _Sink:
    match format_of(path):
        case "parquet":
            return _ParquetSink(aside, columns)
        case "jsonl":
            return _JsonLinesSink(aside, columns, is_packed(path))
        case "tsv":
            return _DelimitedSink(aside, columns, "\t", is_packed(path))
        case _:
            return _DelimitedSink(aside, columns, ",", is_packed(path))
