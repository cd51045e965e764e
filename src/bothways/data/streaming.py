"""Rows into Arrow batches of bounded size, so that no table is ever in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

# A batch ends at whichever comes first: short texts come in numbers, and long ones do not fill the memory.
BATCH_ROWS = 4096
BATCH_CHARACTERS = 1 << 22


def record_batches(rows: Iterable[Sequence[str | None]], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows as batches of string columns; each row has one value for every column."""
    import pyarrow as pa

    schema = pa.schema([(column, pa.string()) for column in columns])

    def batch() -> pa.RecordBatch:
        return pa.record_batch([pa.array(values, pa.string()) for values in zip(*gathered, strict=True)], schema=schema)

    gathered: list[Sequence[str | None]] = []
    characters = 0
    for row in rows:
        gathered.append(row)
        characters += sum(len(value) for value in row if value)
        if len(gathered) == BATCH_ROWS or characters >= BATCH_CHARACTERS:
            yield batch()
            gathered, characters = [], 0
    if gathered:
        yield batch()
