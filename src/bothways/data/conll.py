"""Files of CoNLL columns: a row for each word, a blank line behind each sentence.

Columns stand apart by white space, spaces and tabs in any mixture, so a word holds none. But where every row has a tab,
and no tag would hold a space, tabs alone part them, and words may hold spaces. Only ASCII white space parts columns.
Rows that begin with -DOCSTART- are skipped, and end a sentence.

"#" may be a word. A line is a comment only if it begins with "# ", stands before its sentence's first word, and has
another number of columns than the rows; comments are counted in a note. "# intent = NAME" is what a sentence asks for.
"""

from __future__ import annotations

import io
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bothways.data.encoding import find_encoding
from bothways.data.files import opened
from bothways.data.tagged_sentences import TaggedSentences
from bothways.errors import DataError, counted

Line = tuple[int, str]  # the number, from 1, and what stands there, without its end
Column = str | int | None

_BLANKS = " \t\v\f\r\n"
_APART = re.compile(f"[{_BLANKS}]+")
_DOCUMENT = "-DOCSTART-"
INTENT = "# intent = "  # what a comment with a sentence's intent begins with


def numbered_lines(path: Path, codec: str) -> Iterator[Line]:
    r"""Yield the lines of a text file; only "\n", "\r\n" and "\r" end one."""
    with opened(path) as file, io.TextIOWrapper(file, codec, newline=None) as text:
        for number, line in enumerate(text, start=1):
            yield number, line.removesuffix("\n")


def is_blank(line: str) -> bool:
    """Say whether nothing but ASCII white space stands in a line."""
    return not line.strip(_BLANKS)


def split_words(text: str) -> list[str]:
    """Split a text at ASCII white space alone, as a word may hold a space of another kind."""
    inside = text.strip(_BLANKS)
    return _APART.split(inside) if inside else []


def sentence_blocks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    """Yield the lines that stand together between blank ones."""
    block: list[Line] = []
    for number, line in lines:
        if not is_blank(line):
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def column_number(name: str, column: Column) -> int:
    """Return the place, from 0, of a column that is chosen by its number, from 1.

    Raises:
        DataError: it is no such number.
    """
    if not str(column).isdecimal() or int(str(column)) < 1:
        raise DataError(f"{name} has no column {column!r}: its columns are numbers from 1, as in --columns 1,4.")
    return int(str(column)) - 1


def read_columns(
    path: Path, *, words: Column = None, tags: Column = None, need_tags: bool = True, encoding: str = "auto"
) -> TaggedSentences:
    """Read a file of columns, or .gz of one.

    Args:
        path: the file.
        words: the number of the words' column, from 1; None takes the first, and where words alone are read all rows
            then need equally many columns.
        tags: the number of the tags' column; None takes the last, and all rows then need equally many columns.
        need_tags: False reads words alone.
        encoding: "auto" to detect it, or its name.

    Raises:
        SettingsError: the encoding's name is not known.
        DataError: there is no sentence, or a row has too few or too many columns or an empty one; names the line.
    """
    codec, notes = find_encoding(path, encoding)
    blocks, documents = _without_documents(sentence_blocks(numbered_lines(path, codec)))
    word_place = 0 if words is None else column_number(path.name, words)
    tag_place = -1 if tags is None else column_number(path.name, tags)
    layout = _layout(path.name, blocks, word_place, tag_place if need_tags else None)
    unnamed = words is None and not need_tags
    if unnamed and layout.width > 1:
        notes.append(f"{path.name}: the first of {layout.width} columns is read as the words.")
    found = TaggedSentences(path.name, [], [], [], notes)
    comments: list[int] = []
    labels: list[str | None] = []
    for block in blocks:
        rows = [(number, layout.split(line)) for number, line in block]
        label = None
        while rows and (line := block[-len(rows)][1]).startswith("# ") and len(rows[0][1]) != layout.width:
            number, _ = rows.pop(0)
            asked = line.removeprefix(INTENT).strip(_BLANKS) if need_tags and line.startswith(INTENT) else ""
            label = asked or label
            if not asked:
                comments.append(number)
        if rows:
            if unnamed:
                _refuse_running_text(layout, rows)
            labels.append(label)
            pairs = [layout.word_and_tag(number, fields) for number, fields in rows]
            found.words.append([sys.intern(word) for word, _ in pairs])
            found.tags.append([sys.intern(tag) for _, tag in pairs] if need_tags else [])
            found.word_lines.append(range(rows[0][0], rows[-1][0] + 1))
    if not found.words:
        raise DataError(f"{path.name} holds no sentence: a row for each word and its tag is needed.")
    if documents:
        notes.append(f"{path.name}: {counted(documents, f'{_DOCUMENT} row')} skipped.")
    if comments:
        notes.append(f"{path.name}: {counted(len(comments), 'comment')} skipped, the first in line {comments[0]:,}.")
    named = [label for label in labels if label is not None]
    if len(named) == len(labels):
        return replace(found, labels=named)
    if named:
        notes.append(
            f"{found.where(labels.index(None))}: no intent stands before the sentence, so those of the "
            f"{len(named):,} others are not read."
        )
    return found


@dataclass(frozen=True)
class _Layout:
    """How the rows of a file are cut."""

    name: str
    by_tabs: bool
    width: int  # columns of most rows; at least as many as are needed
    words: int
    tags: int | None  # -1 for the last; None if they are not read

    def split(self, line: str) -> list[str]:
        if self.by_tabs:
            return [field.strip(_BLANKS) for field in line.rstrip(_BLANKS).split("\t")]
        return split_words(line)

    def word_and_tag(self, number: int, fields: Sequence[str]) -> tuple[str, str]:
        place = f"{self.name}, line {number:,}"
        exact = self.tags == -1
        needed = self.width if exact else max(self.words, self.tags or 0) + 1
        if len(fields) < needed or (exact and len(fields) > needed):
            columns = counted(needed, "column") + (" (word, tag)" if exact and needed == 2 else "")
            advice = "Part them by tabs if words hold spaces, or choose columns with --columns 1,2."
            if len(fields) < needed:
                advice = "A row is a word and its tag; a blank line ends a sentence."
            raise DataError(
                f"{place}: expected {'' if exact else 'at least '}{columns}, found {len(fields)}: {_shown(fields)}. "
                f"{advice}"
            )
        word, tag = fields[self.words], "" if self.tags is None else fields[self.tags]
        if not word or (not tag and self.tags is not None):
            raise DataError(f"{place}: the {'tag' if word else 'word'} is empty: {_shown(fields)}.")
        return word, tag


def _layout(name: str, blocks: Sequence[Sequence[Line]], words: int, tags: int | None) -> _Layout:
    """Look through all rows: how they are cut, and how many columns most have."""
    rows = [line for block in blocks for line in _without_heads(block)] or [
        line for block in blocks for _, line in block
    ]
    trial = _Layout(name, _tabs_alone(rows, tags), 0, words, tags)
    widths = Counter(len(trial.split(row)) for row in rows).most_common(1)
    width = max(widths[0][0] if widths else 0, 1 if tags is None else 2)
    if tags is not None and words == (width - 1 if tags == -1 else tags):
        raise DataError(
            f"{name}: column {words + 1} is chosen for the words and for the tags. Choose two, as in --columns 1,2."
        )
    return _Layout(name, trial.by_tabs, width, words, tags)


def _refuse_running_text(layout: _Layout, rows: Sequence[tuple[int, list[str]]]) -> None:
    """Refuse rows of other numbers of columns, of which the first alone would be read."""
    for number, fields in rows:
        if len(fields) != layout.width:
            raise DataError(
                f"{layout.name}, line {number:,}: {counted(len(fields), 'column')}, but most rows have {layout.width}, "
                f"as running text does, of which the first word of each line alone would be read: {_shown(fields)}. "
                "Give running text on standard input, a sentence a line, or name the words' column with --columns 1."
            )


def _tabs_alone(rows: Sequence[str], tags: int | None) -> bool:
    """Say whether every row with white space inside has a tab, and no tag would hold a space."""
    found = False
    for row in rows:
        fields = row.rstrip(_BLANKS).split("\t")
        if len(fields) == 1:
            if len(split_words(row)) > 1:
                return False
            continue
        found = True
        if tags is not None and tags < len(fields) and len(split_words(fields[tags])) > 1:
            return False
    return found


def _without_heads(block: Sequence[Line]) -> list[str]:
    """Return the lines from the first that cannot be a comment."""
    lines = [line for _, line in block]
    heads = next((place for place, line in enumerate(lines) if not line.startswith("# ")), len(lines))
    return lines[heads:]


def _without_documents(blocks: Iterator[list[Line]]) -> tuple[list[list[Line]], int]:
    """Cut blocks at the rows that begin a document, and count these."""
    found: list[list[Line]] = []
    documents = 0
    for block in blocks:
        found.append([])
        for number, line in block:
            if line.lstrip(_BLANKS).startswith(_DOCUMENT):
                documents += 1
                found.append([])
            else:
                found[-1].append((number, line))
    return [block for block in found if block], documents


def _shown(fields: Sequence[str]) -> str:
    text = " ".join(fields)
    return f'"{text}"' if len(text) <= 60 else f'"{text[:60]}..."'
