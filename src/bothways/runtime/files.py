"""Predict every row of a file, or every line of a stream: rows out = rows in, in the same order."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from bothways.data.cells import spell
from bothways.data.columns import choose_columns
from bothways.data.streaming import in_groups
from bothways.data.tables import read_table
from bothways.data.writing import ColumnType, TableWriter, check_place, column_type
from bothways.errors import DataError, counted
from bothways.runtime.classifier import ClassifierRuntime, Tally


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

    The columns of the table are passed on: numbers and booleans of JSON Lines and Parquet as such where the format of
    `out` has them, lists and objects as JSON text, the column of texts as text.

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
        MissingExtraError: a Parquet file is to be read or written and pyarrow is not installed.
        OutputError: `out` exists or cannot be written; what stood there is untouched.
    """
    check_place(out, force=force)
    table = read_table(data, encoding=encoding)
    text, _, guesses = choose_columns(table, text, None, need_label=False)
    names = dict(zip(("prediction", "probability"), _free_names(table.columns), strict=True))
    columns: dict[str, ColumnType] = {name: column_type(table.kinds(name)) for name in table.columns}
    columns |= {text: str, names["prediction"]: str, names["probability"]: float}
    place = table.columns.index(text)
    tally = Tally()
    with TableWriter(out, columns) as writer:
        for rows in in_groups(table.whole_rows(text)):
            added = _predictions(runner, [spell(row[place]) or "" for row in rows])
            writer.write([(*row, *extra) for row, extra in zip(rows, added, strict=True)])
            tally.add(runner, len(rows))
    written = f"{counted(tally.rows, 'row')} written to {out}."
    return [*table.notes, *guesses, *tally.notes(runner, table.where), written]


def read_lines(lines: Iterable[bytes], *, name: str = "standard input", first: int = 1) -> list[str]:
    """Read texts from lines of UTF-8, with or without a byte order mark; an empty line is an empty text.

    Args:
        lines: as they come, with their ends.
        name: what they are lines of, for a message.
        first: the number of the first one.

    Raises:
        DataError: a line is not UTF-8; names it.
    """
    texts = []
    for number, line in enumerate(lines, start=first):
        try:
            # One text is one line: only "\n" ends it, and a mark may stand before the first alone.
            texts.append(line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n"))
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}, line {number:,}: the byte 0x{error.object[error.start]:02x} is not UTF-8. Convert the text, "
                "or give it as a table: --file new.csv --encoding latin-1 --out predictions.csv."
            ) from None
    return texts


def _predictions(runner: ClassifierRuntime, texts: list[str]) -> Iterator[tuple[str, float]]:
    labels = runner.labels
    for row in runner.predict_proba(texts):
        best = int(row.argmax())
        yield labels[best], round(float(row[best]), 6)


def _free_names(taken: list[str]) -> tuple[str, str]:
    """Names for the new columns that no column of the table has."""
    start = ""
    while f"{start}prediction" in taken or f"{start}probability" in taken:
        start += "new_"
    return f"{start}prediction", f"{start}probability"
