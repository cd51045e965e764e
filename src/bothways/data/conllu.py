"""CoNLL-U, the format of Universal Dependencies: ten columns, parted by single tabs.

Lines that begin with "#" are comments. A word has a whole number as its id, from 1 in each sentence. A range (3-4) is
how the text writes these words together, and is no word itself; an empty node (8.1) is not in the text and is skipped.
SpaceAfter=No in the last column says that no space follows, for the words of a range in the range's own row.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from bothways.data.conll import Column, Line, column_number, is_blank, numbered_lines, sentence_blocks
from bothways.data.encoding import find_encoding
from bothways.data.tagged_sentences import Multiword, TaggedSentences
from bothways.errors import DataError, nearest

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")

_ID = re.compile(r"[1-9][0-9]*|([1-9][0-9]*)-([1-9][0-9]*)|[0-9]+\.[1-9][0-9]*")
_NOTHING = "_"
_MAY_BE_NOTHING = ("feats", "misc")  # where the standard writes "_" for "none", not for "not said"


def looks_like_conllu(path: Path, encoding: str = "auto") -> bool:
    """Say whether the first row of a text file is CoNLL-U's: ten columns, the first an id."""
    codec, _ = find_encoding(path, encoding)
    rows = (line for _, line in numbered_lines(path, codec) if not is_blank(line) and not line.startswith("#"))
    fields = [row.split("\t") for row in islice(rows, 1)]
    return bool(fields) and len(fields[0]) == len(COLUMNS) and _ID.fullmatch(fields[0][0]) is not None


def read_conllu(
    path: Path, *, words: Column = None, tags: Column = None, need_tags: bool = True, encoding: str = "auto"
) -> TaggedSentences:
    """Read a CoNLL-U file, or .gz of one.

    Args:
        path: the file.
        words: the words' column, by its name in the standard or its number from 1; None takes form.
        tags: the tags' column likewise; None takes upos.
        need_tags: False reads words alone.
        encoding: "auto" to detect it, or its name.

    Raises:
        SettingsError: the encoding's name is not known.
        DataError: there is no sentence, no such column, no tag in the column, or a row breaks the standard; with the
            line.
    """
    codec, notes = find_encoding(path, encoding)
    columns = [_column(path.name, words, "form"), _column(path.name, tags, "upos")]
    if need_tags and columns[0] == columns[1]:
        raise DataError(f"{path.name}: {COLUMNS[columns[0]]} is chosen for the words and for the tags. Choose two.")
    multiwords: list[list[Multiword]] = []
    spaces: list[list[bool]] = []
    found = TaggedSentences(path.name, [], [], [], notes, spaces=spaces, multiwords=multiwords)
    for block in sentence_blocks(numbered_lines(path, codec)):
        sentence = _Sentence(path.name, columns)
        for line in block:
            sentence.read(line)
        sentence.close(block[-1][0])
        if sentence.words:
            found.words.append(sentence.words)
            found.tags.append(sentence.tags if need_tags else [])
            found.word_lines.append(_as_range(sentence.lines))
            spaces.append(sentence.spaces)
            multiwords.append(sentence.multiwords)
    if not found.words:
        raise DataError(f"{path.name} holds no sentence: rows of ten columns, parted by tabs, are needed.")
    if need_tags:
        notes += _missing_tags(found, COLUMNS[columns[1]])
    return found


@dataclass
class _Sentence:
    """One sentence, row by row."""

    name: str
    columns: list[int]  # of the word and the tag
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    spaces: list[bool] = field(default_factory=list)
    multiwords: list[Multiword] = field(default_factory=list)
    space_behind: bool = True  # the last multiword

    def read(self, line: Line) -> None:
        number, text = line
        if text.startswith("#"):
            return
        place = f"{self.name}, line {number:,}"
        fields = text.split("\t")
        if len(fields) != len(COLUMNS):
            raise DataError(f"{place}: expected {len(COLUMNS)} columns parted by single tabs, found {len(fields)}.")
        of = _ID.fullmatch(fields[0])
        if of is None:
            raise DataError(f"{place}: the id {fields[0]!r} is none of CoNLL-U's, which are as 3, 3-4 or 8.1.")
        if "." in fields[0]:
            return
        after = "SpaceAfter=No" not in fields[-1].split("|")
        first, last = (int(part or fields[0]) for part in of.groups())
        if first != len(self.words) + 1 or last < first or (of[1] and first <= self._covered()):
            raise DataError(
                f"{place}: the id {fields[0]} stands where word {len(self.words) + 1} should. Rows may be lost."
            )
        if of[1]:
            self.multiwords.append(Multiword(first - 1, last, fields[1]))
            self.space_behind = after
            return
        word, tag = (fields[column] for column in self.columns)
        if not word or not tag:
            raise DataError(f"{place}: column {COLUMNS[self.columns[1 if word else 0]]} is empty. Write _ for nothing.")
        inside = first <= self._covered()
        self.words.append(sys.intern(word))
        self.tags.append(sys.intern(tag))
        self.lines.append(number)
        self.spaces.append((first == self._covered() and self.space_behind) if inside else after)

    def close(self, line: int) -> None:
        """Refuse a range whose words have not all come by the sentence's last line."""
        if self._covered() > len(self.words):
            start, end, _ = self.multiwords[-1]
            raise DataError(
                f"{self.name}, line {line:,}: the sentence ends before the words {start + 1}-{end}. Rows may be lost."
            )

    def _covered(self) -> int:
        """The last word, from 1, that stands in a multiword."""
        return self.multiwords[-1].end if self.multiwords else 0


def _column(name: str, column: Column, usual: str) -> int:
    """Return the place of a column that is chosen by name or number."""
    if column is None:
        return COLUMNS.index(usual)
    if str(column).lower() in COLUMNS:
        return COLUMNS.index(str(column).lower())
    if str(column).isdecimal() and 1 <= int(str(column)) <= len(COLUMNS):
        return column_number(name, column)
    raise DataError(
        f"{name} has no column {column!r}. The columns of CoNLL-U are: {', '.join(COLUMNS)}."
        f"{nearest(str(column).lower(), COLUMNS)}"
    )


def _missing_tags(found: TaggedSentences, column: str) -> list[str]:
    """Refuse a column without a tag, and tell of words that have none where each should."""
    missing = [
        (sentence, place)
        for sentence, tags in enumerate(found.tags)
        for place, tag in enumerate(tags)
        if tag == _NOTHING
    ]
    if len(missing) == sum(map(len, found.tags)):
        raise DataError(
            f"{found.name}: column {column} holds no tag: it is _ in every row. Choose another with --columns, as in "
            "--columns form,upos."
        )
    if not missing or column in _MAY_BE_NOTHING:
        return []
    words = f"{len(missing):,} word{'s have' if len(missing) > 1 else ' has'}"
    return [f"{words} no {column}; it is read as the tag _, first in {found.where(*missing[0])}."]


def _as_range(lines: list[int]) -> Sequence[int]:
    """Keep lines that follow one another as a range, which takes less memory."""
    whole = range(lines[0], lines[-1] + 1)
    return whole if len(whole) == len(lines) else lines
