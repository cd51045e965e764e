"""Sentences with a tag for each word, from every layout that is read.

    CoNLL-U          .conllu, or any text file whose first row is CoNLL-U's            conllu.py
    CoNLL columns    any other text file; a .tsv with blank lines inside               conll.py
    seq.in, seq.out  a folder of these, one sentence a line, and label with intents    here
    a table          .csv, .tsv, .jsonl, .parquet ..., one sentence a row              here

Text files may be .gz. A tag scheme is not looked at here: decoding/scheme_check.py does.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from bothways.data.cells import Value, spell
from bothways.data.conll import Column, is_blank, numbered_lines, read_columns, split_words
from bothways.data.conllu import looks_like_conllu, read_conllu
from bothways.data.encoding import find_encoding
from bothways.data.files import format_of, is_packed
from bothways.data.tables import Table, read_table
from bothways.data.tagged_sentences import TaggedSentences
from bothways.errors import DataError, MissingFileError, SettingsError, counted

WORDS, TAGS, LABELS = "seq.in", "seq.out", "label"

# A list that stands in a cell as text: ['Ada', 'ran'], ["Ada"], [3, 0]; where all cells of a column are such.
_LIST_AS_TEXT = re.compile(r"""\s*\[\s*((['"]|-?\d).*)?\]\s*""", re.DOTALL)
_NO_COMMA = re.compile(r"""['"]\s+['"]""")  # as numpy writes lists, whose words Python would join
_SAMPLE = 100  # rows that say what a column holds
# Names in lower case by which a table's columns are guessed; of two groups the first that has one.
_NAMES = {
    "words": (("words", "tokens"), ("text", "sentence", "utterance")),
    "tags": (("tags", "slots", "ner_tags", "pos_tags", "upos", "labels"),),
    "intent": (("intent",),),
}


class NamedColumns(NamedTuple):
    """What --columns names; None where it names nothing."""

    words: Column = None
    tags: Column = None
    intent: str | None = None


def named_columns(columns: str | None, *, need_tags: bool = True) -> NamedColumns:
    """Read what stands after --columns: the columns of words, of tags and of intents, by number or by name.

    Raises:
        SettingsError: neither two nor three of them, nor, if tags are not needed, one.
    """
    if columns is None:
        return NamedColumns()
    parts = [part.strip() for part in columns.split(",")]
    if len(parts) not in (2, 3, *([] if need_tags else [1])) or not all(parts):
        raise SettingsError(
            f"--columns is {columns!r}, but it must name two, of words and of tags: 1,4 or form,upos; or with that of "
            "intents three: text,slots,label."
        )
    words, *rest = (int(part) if part.isdecimal() else part for part in parts)
    if not need_tags:
        return NamedColumns(words)
    return NamedColumns(words, rest[0], parts[2] if len(parts) > 2 else None)


def read_tagged(
    path: Path | str,
    *,
    words: Column = None,
    tags: Column = None,
    intent: str | None = None,
    need_tags: bool = True,
    encoding: str = "auto",
) -> TaggedSentences:
    """Read sentences and their tags from a file or folder.

    Args:
        path: see the module's text.
        words: the words' column: a number from 1 for CoNLL columns, the standard's name for CoNLL-U (form if None), a
            name for a table. None takes the first column, or guesses a table's.
        tags: the tags' column likewise. None takes the last column, upos of CoNLL-U, or guesses a table's.
        intent: a table's column of sentences' labels; None takes `intent` if there is one.
        need_tags: False reads words alone; tags and intents may then be missing.
        encoding: "auto" to detect each file's, or the encoding of every text file.

    Raises:
        MissingFileError: nothing stands at `path`, or a folder lacks a file.
        SettingsError: the encoding's name is not known.
        DataError: there is no sentence or no tag; a row, sentence, word or tag is missing or empty; counts differ;
            with the file and the line.
    """
    path = Path(path)
    try:
        folder, there, ordinary = path.is_dir(), path.exists(), path.is_file()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    if not there:
        raise MissingFileError(f"{path} does not exist. Check the path.")
    if not folder and not ordinary:
        raise DataError(f"{path} is a pipe or a device, but it must be read more than once. Save it as a file first.")
    if folder and not _is_table_folder(path):
        _refuse(path, "columns", words, tags, intent)
        return _read_folder(path, need_tags, encoding)
    if folder or _is_table(path, words, tags, encoding):
        return _read_table(path, words, tags, intent, need_tags, encoding)
    _refuse(path, "column of intents", intent)
    unpacked = path.stem if is_packed(path) else path.name
    is_conllu = unpacked.lower().endswith(".conllu") or looks_like_conllu(path, encoding)
    found = (read_conllu if is_conllu else read_columns)(
        path, words=words, tags=tags, need_tags=need_tags, encoding=encoding
    )
    if is_conllu and not unpacked.lower().endswith(".conllu"):
        found.notes.append(f"{path.name} is read as CoNLL-U.")
    return found


def _refuse(path: Path, what: str, *columns: Column) -> None:
    for column in columns:
        if column is not None:
            raise DataError(f"{path.name} has no {what}, but {column!r} is named as one. Leave it out.")


def _is_table(path: Path, words: Column, tags: Column, encoding: str) -> bool:
    """Say whether a file is a table: by its name, but a .tsv is CoNLL columns if a blank line or a number says so."""
    if format_of(path) != "tsv":
        return format_of(path) is not None
    if words is not None or tags is not None:
        return not all(str(column).isdecimal() for column in (words, tags) if column is not None)
    codec, _ = find_encoding(path, encoding)
    after_blank = False
    for _, line in numbered_lines(path, codec):
        if after_blank and not is_blank(line):
            return False
        after_blank = is_blank(line)
    return True


def _is_table_folder(folder: Path) -> bool:
    """Say whether a folder holds tables, and not the layout of seq.in; refuse one whose folders hold that."""
    if any((folder / name).exists() for name in (WORDS, TAGS)):
        return False
    inside = sorted(child.name for child in folder.iterdir() if (child / WORDS).exists())
    if inside:
        raise DataError(f"{folder} holds no {WORDS}, but its folders do: {', '.join(inside)}. Give one of them.")
    return True


def _read_folder(folder: Path, need_tags: bool, encoding: str) -> TaggedSentences:
    """Read seq.in, seq.out and label: a line of each for each sentence; label may be missing."""
    notes: list[str] = []
    names = [WORDS, *([TAGS, *([LABELS] if (folder / LABELS).exists() else [])] if need_tags else [])]
    files = {name: _lines(folder / name, encoding, notes) for name in names}
    for name, lines in files.items():
        if len(lines) != len(files[WORDS]):
            counts = f"{WORDS} has {len(files[WORDS]):,} and {name} {len(lines):,}"
            raise DataError(f"{folder}: {WORDS} and {name} need a line for each sentence, but {counts}.")
    if not files[WORDS]:
        raise DataError(f"{folder / WORDS} holds no sentence. Write one a line.")
    labels: list[str] | None = [] if LABELS in files else None
    found = TaggedSentences(f"{folder.name} ({', '.join(names)})", [], [], [], notes, labels)
    for number, row in enumerate(zip(*files.values(), strict=True), start=1):
        line = dict(zip(names, row, strict=True))
        tags = split_words(line[TAGS]) if need_tags else None
        place = f"{folder / WORDS}, line {number:,}"
        _add(found, number, split_words(line[WORDS]), tags, place, f"{TAGS}, line {number:,}")
        if labels is not None:
            labels.append(line[LABELS].strip())
            if not labels[-1]:
                raise DataError(f"{folder / LABELS}, line {number:,}: the label is empty. Write one a line.")
    return found


def _lines(path: Path, encoding: str, notes: list[str]) -> list[str]:
    if not path.exists():
        raise MissingFileError(f"{path} does not exist. Its folder needs {WORDS}, {TAGS} and, for intents, {LABELS}.")
    codec, about = find_encoding(path, encoding)
    notes += about
    return [line for _, line in numbered_lines(path, codec)]


def _read_table(
    path: Path, words: Column, tags: Column, intent: str | None, need_tags: bool, encoding: str
) -> TaggedSentences:
    """Read a table: a row is a sentence; words and tags stand apart by white space, or in lists."""
    table = read_table(path, encoding=encoding)
    notes = list(table.notes)
    columns = [_column(table, "words", words, notes)]
    if need_tags:
        columns.append(_column(table, "tags", tags, notes))
    lists = [_holds_lists(table, column) for column in columns]
    texts = [not is_list and _holds_lists_as_text(table, one) for is_list, one in zip(lists, columns, strict=True)]
    labels: list[str] | None = None
    if intent is not None or (need_tags and any(name.lower() in _NAMES["intent"][0] for name in table.columns)):
        columns.append(_column(table, "intent", intent, notes))
        labels = []
    if len(set(columns)) < len(columns):
        raise DataError(f"{table.name}: a column is chosen twice: {', '.join(map(repr, columns))}. Choose others.")
    found = TaggedSentences(table.name, [], [], [], notes, labels, table=table)
    for number, row in enumerate(table.rows_as_found(columns), start=1):
        place = _Place(table, number)
        cells = [
            _cell(value, place, is_list=is_list, is_text=is_text)
            for value, is_list, is_text in zip(row, lists, texts, strict=False)
        ]
        _add(
            found, number, cells[0], cells[1] if need_tags else None, place, repr(columns[-1 if labels is None else -2])
        )
        if labels is not None:
            labels.append((spell(row[-1]) or "").strip())
            if not labels[-1]:
                raise DataError(f"{place}: column {columns[-1]!r} is empty. Each sentence needs a label.")
    return found


@dataclass(frozen=True)
class _Place:
    """A row of a table; as text only when an error asks for it, since that may take a search."""

    table: Table
    number: int

    def __str__(self) -> str:
        return self.table.where(self.number - 1)


def _column(table: Table, role: str, column: Column, notes: list[str]) -> str:
    """Check a column that is named, or guess it by its name where one choice makes sense."""
    if column is not None:
        table.check_column(str(column))
        return str(column)
    for names in _NAMES[role]:
        found = [name for name in table.columns if name.lower() in names]
        if len(found) == 1:
            notes.append(f"Column {found[0]!r} is read as the {role}.")
            return found[0]
        if found:
            break
    known = ", ".join(map(repr, table.columns))
    raise DataError(
        f"{table.name} has the columns {known}: which one is the {role}? Name the words' and the tags' with --columns, "
        "as in --columns words,tags."
    )


def _holds_lists(table: Table, column: str) -> bool:
    kinds = table.kinds(column) - {"null"}
    if len(kinds) > 1 and kinds & {"list", "object"}:
        raise DataError(f"{table.name}: column {column!r} holds {' and '.join(sorted(kinds))} values. Write one kind.")
    if "object" in kinds:
        raise DataError(f"{table.name}: column {column!r} holds objects. Write a list of words, or words and spaces.")
    return "list" in kinds


def _list_as_json(text: str) -> str | None:
    """Read a list that was written as text, as pandas writes one into a CSV file; None if it is cut or no list."""
    readers: list[Callable[[str], object]] = [json.loads, *([] if _NO_COMMA.search(text) else [ast.literal_eval])]
    for read in readers:
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list) and all(isinstance(one, (str, int, float)) for one in found):
            # A half of a surrogate pair, which JSON may spell, becomes U+FFFD.
            return json.dumps(found, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return None


def _holds_lists_as_text(table: Table, column: str) -> bool:
    """Whether the first values of a column all look like lists, or are empty, and one of them is a list."""
    values = [value.strip() for (value,) in islice(table.rows([column]), _SAMPLE) if value and value.strip()]
    if not all(map(_LIST_AS_TEXT.fullmatch, values)):
        return False
    return any(_list_as_json(value) is not None for value in values if value != "[]")


def _cell(value: Value, place: _Place, *, is_list: bool, is_text: bool) -> list[str]:
    if is_text:
        text = (spell(value) or "").strip() or "[]"
        value = _list_as_json(text)
        if value is None:
            raise DataError(
                f"{place}: {text[:30]!r} is no list of words, as others in its column are. Write it as JSON."
            )
    elif not is_list:
        return split_words(spell(value) or "")
    parts = json.loads(str(value)) if value is not None else []
    wrong = next((part for part in parts if part is None or isinstance(part, list | dict)), "")
    if wrong != "":
        raise DataError(f"{place}: a list holds {json.dumps(wrong)}, but only words or tags may stand there.")
    return [spell(part) or "" for part in parts]


def _add(
    found: TaggedSentences, number: int, words: list[str], tags: list[str] | None, place: object, where_tags: str
) -> None:
    """Add a sentence that stands in one line, or refuse it."""
    if not words:
        raise DataError(f"{place}: the sentence is empty. Take it out, with its tags.")
    if "" in words or "" in (tags or []):
        raise DataError(f"{place}: a {'word' if '' in words else 'tag'} of the sentence is empty.")
    if tags is not None and len(tags) != len(words):
        counts = [counted(len(part), of) for part, of in ((words, "word"), (tags, "tag"))]
        raise DataError(f"{place}: {counts[0]}, but {counts[1]} in {where_tags}. Each word needs one tag.")
    found.words.append([sys.intern(word) for word in words])
    found.tags.append([sys.intern(tag) for tag in tags or []])
    found.word_lines.append([number] * len(words))
