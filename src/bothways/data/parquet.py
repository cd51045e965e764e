"""Parquet files as a stream of rows; the one format that needs pyarrow, an extra."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bothways.data.cells import Kind, Value, spell
from bothways.data.files import opened
from bothways.data.json_lines import json_text
from bothways.errors import DataError, missing_extra

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH_ROWS = 1024


class ParquetFile:
    """One Parquet file; null and NaN are missing values."""

    def __init__(self, path: Path) -> None:
        """Read the file's schema.

        Raises:
            MissingExtraError: pyarrow is not installed.
            DataError: the file is cut, damaged or no Parquet file.
        """
        with opened(path):  # so that a missing or forbidden file is explained as for every format
            pass
        require_pyarrow("Reading", path)
        self.path = path
        self.notes: list[str] = []
        with self._open() as file:
            self._schema = file.schema_arrow
            self.empty = file.metadata.num_rows == 0
        self.columns: list[str] = list(self._schema.names)

    def kinds(self, column: str) -> frozenset[Kind]:
        """Return the kind that a column is declared as, and "null" where nothing forbids one."""
        field = self._schema.field(column)
        return frozenset({_kind(field.type), "null"} if field.nullable else {_kind(field.type)})

    def rows(self, columns: Sequence[str], as_found: Collection[str] = ()) -> Iterator[tuple[Value, ...]]:
        """Yield the rows of the chosen columns in order, each value spelt as text.

        Columns `as_found` keep numbers and booleans as such, and give lists and objects as JSON text.

        Raises:
            DataError: another column holds lists or objects, or what has no spelling; names it.
        """
        for column in columns:
            kind = _kind(self._schema.field(column).type)
            if kind in ("list", "object") and column not in as_found:
                raise DataError(
                    f"{self.path.name}: column {column!r} holds {kind}s, but one text, number or boolean a row is "
                    "needed. Write one value there."
                )
        with self._open() as file:
            batches = file.iter_batches(_BATCH_ROWS, columns=list(dict.fromkeys(columns)))
            while (batch := self._next(batches)) is not None:
                values = [self._values(batch.column(column), column, column in as_found) for column in columns]
                yield from zip(*values, strict=True)

    def _open(self) -> pq.ParquetFile:
        import pyarrow.parquet as pq

        with self._explained():
            # A buffer makes it read each column in parts, and not a whole row group at once.
            return pq.ParquetFile(self.path, buffer_size=1 << 20, pre_buffer=False)

    def _next(self, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
        with self._explained():
            return next(batches, None)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn Arrow's faults in reading into a DataError."""
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"{self.path.name} is no whole Parquet file: {_first_line(error)}. Write it again."
            ) from None

    def _values(self, values: pa.Array, column: str, as_found: bool) -> list[Value]:
        import pyarrow as pa

        if as_found and _kind(values.type) in ("list", "object"):
            return _as_json(values)
        if as_found and (pa.types.is_integer(values.type) or pa.types.is_boolean(values.type)):
            return values.to_pylist()  # type: ignore[no-any-return]
        try:
            texts = values.cast(pa.string())
            texts.validate(full=True)  # Arrow believes a file that calls its bytes UTF-8
        except (pa.ArrowException, NotImplementedError) as error:
            if as_found and _kind(values.type) != "string":  # bytes that are no text, as pictures are
                return _as_json(values)
            raise DataError(
                f"{self.path.name}: column {column!r} ({values.type}) cannot be read as text: {_first_line(error)}."
            ) from None
        if not pa.types.is_floating(values.type):
            return texts.to_pylist()  # type: ignore[no-any-return]
        # By way of the shortest digits, so that 0.1 in single precision is 0.1 too.
        numbers = [None if text is None else float(text) for text in texts.to_pylist()]
        return [*numbers] if as_found else [spell(number) for number in numbers]


def require_pyarrow(doing: str, path: Path) -> None:
    """Refuse a Parquet file where pyarrow is not installed.

    Args:
        doing: "Reading" or "Writing".
        path: the file, for the message.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise missing_extra("pyarrow", "parquet", f"{doing} {path.name}") from error


def _as_json(values: pa.Array) -> list[Value]:
    return [None if value is None else json_text(value) for value in values.to_pylist()]


def _kind(of: pa.DataType) -> Kind:
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(of):
        return _kind(of.value_type)
    if types.is_string(of) or types.is_large_string(of) or types.is_string_view(of):
        return "string"
    if types.is_boolean(of):
        return "boolean"
    if types.is_integer(of):
        return "other" if types.is_uint64(of) else "integer"
    if types.is_floating(of):
        return "float"
    if types.is_null(of):
        return "null"
    if types.is_struct(of) or types.is_map(of) or types.is_union(of):
        return "object"
    return "list" if types.is_nested(of) else "other"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or ["no reason given"])[0].rstrip(".")
