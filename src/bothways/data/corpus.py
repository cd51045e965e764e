"""Token ids on disk: written once as an Arrow file, then memory-mapped, so that a corpus larger than memory trains.

The file holds one column of lists of int32 ids, in record batches; only the rows asked for are touched.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bothways.data.batches import Ints


class TokenCorpus:
    """Sequences of token ids in a memory-mapped Arrow file, asked for by row.

    Only the rows' places are held in memory (16 bytes a row); ids stay on disk until they are taken.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._map = pa.memory_map(str(path))
        reader = pa.ipc.open_file(self._map)
        self._values: list[NDArray[np.int32]] = []
        self._offsets: list[NDArray[np.int32]] = []
        for index in range(reader.num_record_batches):
            column = reader.get_batch(index).column(0)
            # `values` (not `flatten()`) keeps the mapped memory as it is: no copy.
            self._values.append(column.values.to_numpy(zero_copy_only=True))
            self._offsets.append(column.offsets.to_numpy(zero_copy_only=True))
        sizes = [len(offsets) - 1 for offsets in self._offsets]
        self._firsts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self._lengths = np.concatenate([np.diff(offsets) for offsets in self._offsets] or [np.zeros(0)]).astype(
            np.int64
        )

    @property
    def lengths(self) -> Ints:
        """Steps of every row, int64 (N,)."""
        return self._lengths

    def take(self, rows: Ints) -> list[NDArray[np.generic]]:
        """The token ids of these rows, each int32 (T,), in the order asked for."""
        holders = np.searchsorted(self._firsts, rows, side="right") - 1
        taken: list[NDArray[np.generic]] = []
        for row, holder in zip(rows, holders, strict=True):
            inside = row - self._firsts[holder]
            start, end = self._offsets[holder][inside : inside + 2]
            taken.append(self._values[holder][start:end])
        return taken

    def close(self) -> None:
        """Let go of the file, so that it can be moved or deleted on every system."""
        self._values, self._offsets = [], []
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class CorpusWriter:
    """Write sequences of token ids to an Arrow file, a chunk at a time; use it in a `with` block."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._pa: Any = pa
        self._writer = pa.ipc.new_file(str(path), pa.schema([("ids", pa.list_(pa.int32()))]))

    def write(self, sequences: Sequence[NDArray[np.int32]]) -> None:
        """Append sequences, each int32 (T,)."""
        if not sequences:
            return
        offsets = np.zeros(len(sequences) + 1, dtype=np.int32)
        np.cumsum([len(sequence) for sequence in sequences], out=offsets[1:])
        values = np.concatenate(sequences).astype(np.int32, copy=False)
        lists = self._pa.ListArray.from_arrays(self._pa.array(offsets), self._pa.array(values))
        self._writer.write_batch(self._pa.record_batch([lists], names=["ids"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
