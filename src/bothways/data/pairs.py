"""Pairs of texts, one the translation of the other: two files line by line, or two columns of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bothways.data.files import format_of
from bothways.data.plain_text import PlainTexts, open_texts
from bothways.data.sequences import as_texts
from bothways.data.tables import Table, read_table
from bothways.errors import DataError

_SOURCE_NAMES = ("source", "src", "input", "question", "from")
_TARGET_NAMES = ("target", "tgt", "output", "answer", "to", "reference")


@dataclass
class Pairs:
    """Sources with their targets, in the order of the file, and where each stands."""

    name: str
    sources: list[str]
    targets: list[str]
    where: Callable[[int], str]  # of a row, counted from 0, for a message
    notes: list[str] = field(default_factory=list)
    columns: tuple[str, str] | None = None  # of a table: those of the sources and of the targets

    def __len__(self) -> int:
        return len(self.sources)


def read_pairs(
    data: Path,
    targets: Path | None = None,
    *,
    source: str | None = None,
    target: str | None = None,
    trained: Sequence[str] | None = None,
    encoding: str = "auto",
) -> Pairs:
    """Read pairs.

    Args:
        data: the sources, a plain file, also .gz, a source on each line; or a table of both.
        targets: the plain file whose lines translate those of `data`; None for a table.
        source: the table's column of sources; None guesses and says so.
        target: that of targets.
        trained: the columns of sources and of targets that were trained on, taken where the table has them.
        encoding: of the files; "auto" detects each one's.

    Raises:
        DataError: different numbers of lines, columns that do not exist or are not clear, or no text.
        MissingFileError: a file is not there.
    """
    if targets is None:
        return _from_table(data, source, target, trained or (), encoding)
    if source is not None or target is not None:
        raise DataError(f"{data.name} and {targets.name} are read line by line. Leave --source and --target out.")
    plain = _plain(data, encoding), _plain(targets, encoding)
    sources, translated = (side.lines() for side in plain)
    if len(sources) != len(translated):
        raise DataError(
            f"{data.name} has {len(sources):,} lines, but {targets.name} has {len(translated):,}: line by line they "
            "must be each other's translations. Give files with as many lines."
        )
    return Pairs(data.name, sources, translated, plain[0].where_line, [*plain[0].notes, *plain[1].notes])


def read_sources(
    data: Path, *, source: str | None = None, trained: Sequence[str] | None = None, encoding: str = "auto"
) -> Pairs:
    """Read sources that nothing is known of: the lines of a plain file, or a column of a table; no targets.

    Args:
        data: the file.
        source: see `read_pairs`.
        trained: likewise.
        encoding: likewise.

    Raises:
        DataError: a column that does not exist or is not clear, or no text.
        MissingFileError: the file is not there.
    """
    if format_of(data) is None and not data.is_dir():
        if source is not None:
            raise DataError(f"{data.name} is read line by line. Leave --source out.")
        plain = _plain(data, encoding)
        return Pairs(data.name, plain.lines(), [], plain.where_line, plain.notes)
    table = read_table(data, encoding=encoding)
    column, guessed = _source_column(table, source, trained or (), table.columns)
    texts = [text or "" for (text,) in table.rows([column])]
    return Pairs(table.name, texts, [], table.where, [*table.notes, *guessed])


def pairs_of_python(sources: Iterable[Any], targets: Iterable[Any]) -> Pairs:
    """Take pairs from lists.

    Raises:
        DataError: something is no text, or the lists differ in length.
    """
    checked, translated = as_texts(sources), as_texts(targets)
    if len(checked) != len(translated):
        raise DataError(
            f"There are {len(checked):,} sources, but {len(translated):,} targets. Give as many of each, in one order."
        )
    return Pairs("the pairs", checked, translated, lambda row: f"pair {row}, counted from 0")


def _from_table(data: Path, source: str | None, target: str | None, trained: Sequence[str], encoding: str) -> Pairs:
    if data.exists() and not data.is_dir() and format_of(data) is None:
        raise DataError(
            f"{data.name} is plain text and has no targets. Give the file of its translations, too, line by line: "
            f"{data.name} targets.txt; or one table of both."
        )
    table = read_table(data, encoding=encoding)
    first, notes = _source_column(table, source, trained, [name for name in table.columns if name != target])
    free = [name for name in table.columns if name != first]
    second, more = _column(table, target, trained[1:], _TARGET_NAMES, "target", free)
    if first == second:
        raise DataError(f"{first!r} is named for both sides. Name two columns with --source and --target.")
    rows = [(one or "", other or "") for one, other in table.rows([first, second])]
    return Pairs(
        table.name,
        [one for one, _ in rows],
        [other for _, other in rows],
        table.where,
        [*table.notes, *notes, *more],
        (first, second),
    )


def _source_column(
    table: Table, named: str | None, trained: Sequence[str], free: Sequence[str]
) -> tuple[str, list[str]]:
    """Choose the column of sources; where its place decides, one that is called as targets are comes last."""
    by_place = sorted(free, key=lambda name: name.lower() in _TARGET_NAMES or name in trained[1:])
    return _column(table, named, trained[:1], _SOURCE_NAMES, "source", by_place)


def _column(
    table: Table, named: str | None, trained: Sequence[str], usual: Sequence[str], side: str, free: Sequence[str]
) -> tuple[str, list[str]]:
    """Choose the column of a side: the one that is named, else the one that was trained on, else by name or place.

    That is the one that bears a usual name, or, of two columns, the first that is free.
    """
    if named is not None:
        table.check_column(named)
        return named, []
    if trained and trained[0] in free:
        return trained[0], [f"Column {trained[0]!r} is read as the {side}, as in training."]
    known = [name for name in free if name.lower() in usual]
    if len(known) != 1:
        known = list(free[:1]) if len(table.columns) <= 2 else []
    if not known:
        names = ", ".join(map(repr, table.columns))
        raise DataError(f"{table.name} has the columns {names}: which one is the {side}? Name it with --{side}.")
    return known[0], [f"Column {known[0]!r} is read as the {side}."]


def _plain(path: Path, encoding: str) -> PlainTexts:
    """Open a plain file, or a folder of such, whose lines are texts."""
    if format_of(path) is not None:
        raise DataError(
            f"{path.name} is a table, but two files are read line by line. Give a table alone, with --source and "
            "--target; or two plain files."
        )
    texts = open_texts(path, encoding=encoding)
    if not isinstance(texts, PlainTexts):
        raise DataError(
            f"{path.name} is a folder of tables, but two files are read line by line. Give the folder alone, with "
            "--source and --target."
        )
    return texts


def empty_rows(texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which texts hold nothing but white space, bool (N,)."""
    return np.array([not text.strip() for text in texts], dtype=bool)
