"""Parquet files as a stream of Arrow batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bothways.data.cells import Kind, spell
from bothways.data.files import opened
from bothways.data.json_lines import AsJson, json_text
from bothways.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH_ROWS = 1024


class ParquetFile:
    """One Parquet file; null and NaN are missing values."""

    def __init__(self, path: Path) -> None:
        """Read the file's schema.

        Raises:
            DataError: the file is cut, damaged or no Parquet file.
        """
        with opened(path):  # so that a missing or forbidden file is explained as for every format
            pass
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

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the chosen columns in order, each value spelt as text.

        Raises:
            DataError: a column that is not named `AsJson` holds lists or objects, or what has no spelling; names it.
        """
        import pyarrow as pa

        for column in columns:
            kind = _kind(self._schema.field(column).type)
            if kind in ("list", "object") and not isinstance(column, AsJson):
                raise DataError(
                    f"{self.path.name}: column {column!r} holds {kind}s, but one text, number or boolean a row is "
                    "needed. Write one value there."
                )
        schema = pa.schema([(column, pa.string()) for column in columns])
        with self._open() as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=list(dict.fromkeys(columns))):
                texts = [self._text(batch.column(column), column) for column in columns]
                yield pa.record_batch(texts, schema=schema)

    def _open(self) -> pq.ParquetFile:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            # A buffer makes it read each column in parts, and not a whole row group at once.
            return pq.ParquetFile(self.path, buffer_size=1 << 20, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"{self.path.name} is no whole Parquet file: {_first_line(error)}. Write it again."
            ) from None

    def _text(self, values: pa.Array, column: str) -> pa.Array:
        import pyarrow as pa

        if isinstance(column, AsJson) and _kind(values.type) in ("list", "object"):
            return pa.array([None if value is None else json_text(value) for value in values.to_pylist()], pa.string())
        try:
            texts = values.cast(pa.string())
            texts.validate(full=True)  # Arrow believes a file that calls its bytes UTF-8
        except (pa.ArrowException, NotImplementedError) as error:
            if isinstance(column, AsJson):  # bytes that are no text, as pictures are
                plain = (None if value is None else json_text(value) for value in values.to_pylist())
                return pa.array(plain, pa.string())
            raise DataError(
                f"{self.path.name}: column {column!r} ({values.type}) cannot be read as text: {_first_line(error)}."
            ) from None
        if not pa.types.is_floating(values.type):
            return texts
        # By way of the shortest digits, so that 0.1 in single precision is "0.1" too.
        return pa.array([None if text is None else spell(float(text)) for text in texts.to_pylist()], pa.string())


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
        return "integer"
    if types.is_floating(of) or types.is_decimal(of):
        return "float"
    if types.is_null(of):
        return "null"
    if types.is_struct(of) or types.is_map(of) or types.is_union(of):
        return "object"
    return "list" if types.is_nested(of) else "other"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or ["no reason given"])[0].rstrip(".")
