r"""Texts without labels: plain files as one stream, and a table's column as documents.

A plain file is one long text: its lines come in order, each with its line end as "\n". A row of a table is a text of
its own. Nothing is in memory as a whole, and all of it can be read again and again from the start.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from bothways.data.columns import choose_text
from bothways.data.conditions import ConditionValues, condition_columns, values_of_table
from bothways.data.encoding import find_encoding
from bothways.data.files import READABLE, format_of, opened
from bothways.data.streaming import in_groups
from bothways.data.tables import Table, read_table
from bothways.errors import DataError, MissingFileError

# In characters; a longer line comes in several pieces, so that a file of one line is not in memory as a whole.
LONGEST_PIECE = 1 << 20
Columns = str | Sequence[str] | None

READABLE_TEXTS = f"plain text under any other name, .gz of it, and tables: {READABLE}"


class Texts(Protocol):
    """Texts without labels, from wherever they come.

    Attributes:
        name: the name of the file or folder, for messages.
        notes: what was detected, guessed or skipped, a sentence each.
        whole: True where all rows together are one text; False where each row is a text of its own.
        conditions: what each row is written on, if anything.
    """

    name: str
    notes: list[str]
    whole: bool
    conditions: ConditionValues | None

    def chunks(self) -> Iterator[list[str]]:
        """Give the rows in order, some at a time; each call starts at the first."""
        ...

    def where(self, row: int) -> str:
        """Say where a row stands, counted from 0 through all chunks, as in "novel.txt, line 17"."""
        ...


@dataclass(frozen=True)
class _PlainFile:
    """One plain file whose encoding is known."""

    path: Path
    codec: str

    def pieces(self, *, end_last_line: bool) -> Iterator[tuple[int, str]]:
        r"""Yield each line with its "\n" and its number from 1; a long line in several pieces, cut before whitespace.

        Only "\n", "\r\n" and "\r" end a line, and each comes as "\n".

        Args:
            end_last_line: put a "\n" behind a last line that has none.
        """
        with opened(self.path) as file, io.TextIOWrapper(file, self.codec, newline=None) as text:
            number, rest = 1, ""
            while piece := rest + text.readline(LONGEST_PIECE - len(rest)):
                rest = ""
                if piece.endswith("\n"):
                    yield number, piece
                    number += 1
                elif len(piece) < LONGEST_PIECE:
                    yield number, piece + "\n" * end_last_line
                else:
                    cut = _last_space(piece)
                    yield number, piece[:cut]
                    rest = piece[cut:]

    def lines(self) -> list[str]:
        r"""Return all lines without their ends, "\n" or "\r\n"; "\r" alone ends one only in a file without "\n"."""
        with opened(self.path) as file, io.TextIOWrapper(file, self.codec, newline="\n") as text:
            lines = list(text)
        if len(lines) == 1 and not lines[0].endswith("\n"):
            return lines[0].removesuffix("\r").split("\r")
        return [line.removesuffix("\n").removesuffix("\r") for line in lines]

    def is_empty(self) -> bool:
        """Say whether nothing but whitespace stands in the file."""
        return all(piece.isspace() for _, piece in self.pieces(end_last_line=False))


def _last_space(piece: str) -> int:
    """Return where a piece's last whitespace behind a word begins, or the last place where there is none.

    The place lies inside the piece: the rest is never empty, so what ends a file is always met as its end.
    """
    words = f"{piece}.".rsplit(maxsplit=1)  # the full stop keeps whitespace at the piece's end from being dropped
    return len(words[0]) if len(words) == 2 else len(piece) - 1


class PlainTexts:
    """The lines of one plain file, or of a folder's files one after another: one text, cut into rows.

    All rows joined are the text, with every line end as one newline character. Where another file follows, a last line
    without an end gets one.
    """

    whole = True
    conditions: ConditionValues | None = None

    def __init__(self, name: str, files: Sequence[_PlainFile], notes: Sequence[str]) -> None:
        """Use `open_texts` to get one."""
        self.name = name
        self.notes = list(notes)
        self._files = list(files)

    def chunks(self) -> Iterator[list[str]]:
        """Give the lines in order, some thousand or some megabytes at a time; each call starts at the first."""
        for rows in in_groups((piece,) for _, _, piece in self._pieces()):
            yield [piece for (piece,) in rows]

    def lines(self) -> list[str]:
        r"""Return all lines without their ends, as `wc -l` and other files of as many lines count them.

        A "\r" inside a line, which often stands in collected text, ends none.
        """
        return [line for file in self._files for line in file.lines()]

    def where(self, row: int) -> str:
        """Say in which file and line a row stands, as in "novel.txt, line 17"; reads up to there."""
        for place, (file, line, _) in enumerate(self._pieces()):
            if place == row:
                return f"{file.path.name}, line {line:,}"
        raise IndexError(f"{self.name} has no row {row}")

    def where_line(self, row: int) -> str:
        """Say in which file one of `lines` stands, as in "novel.txt, line 17"; reads up to there."""
        for file in self._files:
            count = len(file.lines())
            if row < count:
                return f"{file.path.name}, line {row + 1:,}"
            row -= count
        raise IndexError(f"{self.name} has no line {row}")

    def _pieces(self) -> Iterator[tuple[_PlainFile, int, str]]:
        for file in self._files:
            for line, piece in file.pieces(end_last_line=file is not self._files[-1]):
                yield file, line, piece


class TableTexts:
    """One column of a table: each row is a text of its own, and a missing value is an empty text.

    Attributes:
        table: the table, for the other columns of the same rows.
        column: the name of the column that is read.
        conditions: what each text is written on, if anything.
    """

    whole = False

    def __init__(
        self, table: Table, column: str, notes: Sequence[str], conditions: ConditionValues | None = None
    ) -> None:
        """Use `open_texts` to get one."""
        self.name = table.name
        self.notes = list(notes)
        self.table = table
        self.column = column
        self.conditions = conditions

    def chunks(self) -> Iterator[list[str]]:
        """Give the texts in order, some thousand or some megabytes at a time; each call starts at the first."""
        for rows in in_groups(self.table.rows([self.column])):
            yield [text or "" for (text,) in rows]

    def where(self, row: int) -> str:
        """Say in which file and row a text stands, as in "reviews.csv, row 17"."""
        return self.table.where(row)


class Lines:
    """The lines of a plain text, each a text of its own; lines without a word are left out."""

    whole = False
    conditions: ConditionValues | None = None

    def __init__(self, stream: PlainTexts) -> None:
        """Read a stream line by line."""
        self.name, self.notes = stream.name, list(stream.notes)
        self._stream = stream

    def chunks(self) -> Iterator[list[str]]:
        """Give the lines without their ends, some at a time; each call starts at the first."""
        for chunk in self._stream.chunks():
            yield [line.removesuffix("\n") for line in chunk if line.strip()]

    def where(self, row: int) -> str:
        """Say in which file and line a text stands, as in "novel.txt, line 17"; reads up to there."""
        lines = (
            place
            for place, line in enumerate(line for chunk in self._stream.chunks() for line in chunk)
            if line.strip()
        )
        return self._stream.where(next(islice(lines, row, None)))


def open_documents(path: Path | str, *, text: str | None = None, encoding: str = "auto") -> Lines | TableTexts:
    """Open what `open_texts` opens, to be read as texts that each stand alone: of plain text every line."""
    opened = open_texts(path, text=text, encoding=encoding)
    return Lines(opened) if isinstance(opened, PlainTexts) else opened


def open_texts(
    path: Path | str, *, text: str | None = None, condition: Columns = None, encoding: str = "auto"
) -> PlainTexts | TableTexts:
    """Open a plain file, a table, or a folder of either, to be read as texts without labels.

    A file whose name stands for no table is plain text. A folder's files are read in the order of their names; hidden
    files are skipped, and folders inside and files without text are skipped with a note.

    Args:
        path: a plain file or .gz of one; what `read_table` reads; or a folder.
        text: the column of the texts, for tables; None takes `text`, or guesses if there is one sensible choice.
        condition: the column of what each text is written on, or several, with commas between or in a list;
            tables only.
        encoding: "auto" to detect each file's, or the encoding of every text file, which is then obeyed.

    Raises:
        MissingFileError: nothing stands at `path`.
        SettingsError: the encoding's name is not known.
        DataError: there is no text, or it cannot be decoded; a column is named for plain text; a folder holds tables
            and plain files; and all that `read_table` refuses.
    """
    path = Path(path)
    try:
        folder, there, ordinary = path.is_dir(), path.exists(), path.is_file()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    if folder:
        return _open_folder(path, text, condition, encoding)
    if not there:
        raise MissingFileError(f"{path} does not exist. Check the path. What is read: {READABLE_TEXTS}; and folders.")
    if not ordinary:
        raise DataError(f"{path} is a pipe or a device, but it must be read more than once. Save it as a file first.")
    if format_of(path):
        return _open_table(path, text, condition, encoding)
    _refuse_columns(path.name, text, condition)
    file, notes = _open_plain(path, encoding)
    if file.is_empty():
        raise DataError(f"{path.name} holds no text: there is nothing in it but white space. Give a file with text.")
    return PlainTexts(path.name, [file], notes)


def _open_folder(folder: Path, text: str | None, condition: Columns, encoding: str) -> PlainTexts | TableTexts:
    try:
        found = sorted(child for child in folder.iterdir() if not child.name.startswith("."))
        files = [child for child in found if child.is_file()]
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.") from None
    tables = [child for child in files if format_of(child)]
    plain = [child for child in files if not format_of(child)]
    # Beside tables, plain files are most often a README; a column's name tells which are meant.
    if tables and (text is not None or condition is not None or not plain):
        return _open_table(folder, text, condition, encoding)
    if tables:
        raise DataError(
            f"{folder} holds tables ({tables[0].name}) and plain text ({plain[0].name}): which are the texts? "
            "Name the tables' column with --text, or give a folder of plain text alone."
        )
    name = folder.name or str(folder)
    notes = [f"{child.name} is skipped: it is no file." for child in found if child not in files]
    kept = []
    for child in plain:
        file, about = _open_plain(child, encoding)
        if file.is_empty():
            notes.append(f"{child.name} is skipped: it holds no text.")
        else:
            kept.append(file)
            notes += about
    if not kept:
        raise DataError(f"{folder} holds no file with text. What is read: {READABLE_TEXTS}.")
    _refuse_columns(name, text, condition)
    if len(kept) > 1:
        first, last = kept[0].path.name, kept[-1].path.name
        notes.append(f"{name} is read as one text: {len(kept):,} files, {first} to {last}.")
    return PlainTexts(name, kept, notes)


def _open_table(path: Path, text: str | None, condition: Columns, encoding: str) -> TableTexts:
    table = read_table(path, encoding=encoding)
    column, notes = choose_text(table, text)
    conditions = None
    if condition is not None:
        conditions = values_of_table(table, condition_columns(table, condition, text=column))
    texts = TableTexts(table, column, [*table.notes, *notes], conditions)
    if not any(value.strip() for chunk in texts.chunks() for value in chunk):
        raise DataError(f"{table.name}: column {column!r} holds no text in any row. Name another with --text.")
    return texts


def _open_plain(path: Path, encoding: str) -> tuple[_PlainFile, list[str]]:
    codec, notes = find_encoding(path, encoding)
    return _PlainFile(path, codec), notes


def _refuse_columns(name: str, text: str | None, condition: Columns) -> None:
    for role, column in (("text", text), ("condition", condition)):
        if column is not None:
            raise DataError(
                f"{name} is plain text, which has no columns, but {column!r} is named as the {role}'s column. "
                f"Leave --{role} out, or give a table: {READABLE}."
            )
