"""Predict every row of a file: rows out = rows in, in the same order."""

from collections.abc import Iterator
from pathlib import Path

from bothways.data.columns import choose_columns
from bothways.data.tables import read_table
from bothways.data.writing import TableWriter
from bothways.errors import OutputError
from bothways.runtime.classifier import ClassifierRuntime


def predict_file(
    runner: ClassifierRuntime,
    data: Path,
    out: Path,
    *,
    text: str | None = None,
    encoding: str = "auto",
    force: bool = False,
) -> list[str]:
    """Write the rows of a table with a label and its probability added to each.

    Args:
        runner: a loaded model.
        data: a table that `read_table` reads.
        out: the table to write; its name decides on the format.
        text: the column of texts; None guesses.
        encoding: of the file that is read.
        force: replace `out` if it exists.

    Returns:
        Notes: what was guessed, cut or empty, and how many rows were written.

    Raises:
        DataError: the table cannot be read.
        OutputError: `out` exists or cannot be written; what stood there is untouched.
    """
    if out.exists() and not force:
        raise OutputError(f"{out} exists. Choose another place with --out, or replace it with --force.")
    table = read_table(data, encoding=encoding)
    text, _, guesses = choose_columns(table, text, None, need_label=False)
    names = dict(zip(("prediction", "probability"), _free_names(table.columns), strict=True))
    columns = {**dict.fromkeys(table.columns, str), names["prediction"]: str, names["probability"]: float}
    written = cut = empty = 0
    with TableWriter(out, columns) as writer:
        for batch in table.batches(table.columns):
            rows = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
            texts = [value or "" for value in batch.column(table.columns.index(text)).to_pylist()]
            added = _predictions(runner, texts)
            writer.write([(*row, *extra) for row, extra in zip(rows, added, strict=True)])
            written, cut, empty = written + len(rows), cut + runner.cut, empty + runner.empty
    notes = [*table.notes, *guesses]
    if cut:
        notes.append(f"{cut} texts were cut to their first {runner.max_length} steps.")
    if empty:
        notes.append(f"{empty} texts are empty; they are predicted like any other.")
    return [*notes, f"{written} rows are in {out}."]


def _predictions(runner: ClassifierRuntime, texts: list[str]) -> Iterator[tuple[str, float]]:
    for row in runner.predict_proba(texts):
        best = int(row.argmax())
        yield str(runner.classes[best]), round(float(row[best]), 6)


def _free_names(taken: list[str]) -> tuple[str, str]:
    """Names for the new columns that no column of the table has."""
    start = ""
    while f"{start}prediction" in taken or f"{start}probability" in taken:
        start += "new_"
    return f"{start}prediction", f"{start}probability"
