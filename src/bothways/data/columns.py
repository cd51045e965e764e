"""Choose the columns of a table: check those that are named, guess the others where only one choice makes sense."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice

from bothways.data.tables import Table
from bothways.errors import DataError

# In lower case and in the singular, letters only.
_TEXT_NAMES = {
    "text",
    "review",
    "sentence",
    "comment",
    "content",
    "message",
    "question",
    "tweet",
    "document",
    "body",
    "utterance",
    "query",
    "post",
    "paragraph",
    "phrase",
    "reviewtext",
    "reviewbody",
    "commenttext",
    "fulltext",
    "tweettext",
}
# These are the text only where no column has a name from above.
_SHORT_TEXT_NAMES = {
    "title",
    "headline",
    "description",
    "summary",
    "subject",
    "input",
}
_LABEL_NAMES = {
    "label",
    "class",
    "category",
    "sentiment",
    "topic",
    "intent",
    "target",
    "polarity",
    "star",
    "rating",
    "emotion",
    "classname",
    "labeltext",
}
_SAMPLE_ROWS = 1000


def choose_columns(
    table: Table, text: str | None, label: str | None, need_label: bool
) -> tuple[str, str | None, list[str]]:
    """Return the column of the text, that of the label, and a note for each guess.

    A name that is given is checked. A text that is not given is guessed from the columns' names, or, in a table of two
    columns, by reading a sample: long and varied values are the text, few and repeated ones the label. A label that is
    not given is guessed likewise if it is needed, and is else None.

    Raises:
        DataError: a named column does not exist, both are one, or more than one choice makes sense.
    """
    for column in (text, label):
        if column is not None:
            table.check_column(column)
    if text is not None and text == label:
        raise DataError(f"{text!r} is named for both the text and the label. Name two columns with --text and --label.")
    given_text = text
    free = [column for column in table.columns if column not in (text, label)]
    if text is None:
        text = _guess_text(table, free)
        free = [column for column in free if column != text]
    notes = [f"Column {text!r} is read as the text."] if given_text is None else []
    if label is None and need_label:
        label = _guess_label(table, free)
        notes.append(f"Column {label!r} is read as the label.")
    return text, label, notes


def choose_text(table: Table, text: str | None) -> tuple[str, list[str]]:
    """Return the column of texts that need no label, and a note if it is guessed.

    A name that is given is checked. Else the only column is taken, or the one named `text`, or what `choose_columns`
    guesses.

    Raises:
        DataError: the named column does not exist, or more than one choice makes sense.
    """
    if text is None and (len(table.columns) == 1 or "text" in table.columns):
        column = "text" if "text" in table.columns else table.columns[0]
        return column, [f"Column {column!r} is read as the text."]
    column, _, notes = choose_columns(table, text, None, need_label=False)
    return column, notes


def refuse_multi_label(table: Table, label: str) -> None:
    """Refuse a label column whose values are lists or objects: a text has exactly one label here.

    Raises:
        DataError: the column holds a list or an object.
    """
    found = sorted(table.kinds(label) & {"list", "object"})
    if found:
        raise DataError(
            f"{table.name}: column {label!r} holds {' and '.join(f'{kind}s' for kind in found)}, but a text has "
            "exactly one label (multi-label data is not supported). Keep one label a row, or train a model for each."
        )


def _named(columns: Iterable[str], names: set[str]) -> list[str]:
    plain = {column: re.sub("[^a-z]", "", column.lower()) for column in columns}
    plural = {"classes": "class", "categories": "category", "queries": "query"}
    return [column for column, name in plain.items() if {name, name.removesuffix("s"), plural.get(name, name)} & names]


def _guess_text(table: Table, free: Sequence[str]) -> str:
    found = _named(free, _TEXT_NAMES) or _named(free, _SHORT_TEXT_NAMES)
    if not found:
        labels = _named(free, _LABEL_NAMES)
        found = [column for column in free if column not in labels]
        if len(found) == 2 and len(table.columns) == 2:
            found = _longer(table, found)
    if len(found) != 1:
        raise _unclear(table, "text", found)
    return found[0]


def _guess_label(table: Table, free: Sequence[str]) -> str:
    if not free:
        raise DataError(f"{table.name} has no column beside the text, and a label is needed. Add a column of labels.")
    found = _named(free, _LABEL_NAMES)
    if not found and len(table.columns) == 2 and _repeats(table, free[0]):
        found = list(free)
        other = next(column for column in table.columns if column != free[0])
        if free[0] in _sample(table, free[0]) and " " in other.strip():
            raise DataError(
                f"{table.name} has no header, as it seems: its first row has the value {free[0]!r} of later ones. "
                "Write the columns' names into a first line, or name the label's with --label."
            )
    if len(found) != 1:
        raise _unclear(table, "label", found)
    return found[0]


def _unclear(table: Table, role: str, found: Sequence[str]) -> DataError:
    known = ", ".join(map(repr, table.columns))
    choices = f"; it may be {' or '.join(map(repr, found))}" if 1 < len(found) < len(table.columns) else ""
    return DataError(f"{table.name} has the columns {known}: which one is the {role}{choices}? Name it with --{role}.")


def _sample(table: Table, column: str) -> list[str]:
    return [value or "" for (value,) in islice(table.rows([column]), _SAMPLE_ROWS)]


def _longer(table: Table, pair: Sequence[str]) -> list[str]:
    """Return the column with the clearly longer values if the other one repeats few; else both."""
    first, second = (sum(map(len, _sample(table, column))) for column in pair)
    longer, shorter = pair if first >= second else (pair[1], pair[0])
    clear = max(first, second) > 2 * min(first, second)
    return [longer] if clear and _repeats(table, shorter) else list(pair)


def _repeats(table: Table, column: str) -> bool:
    """Say whether a sample's values stand twice or more on average, as labels do."""
    values = _sample(table, column)
    return len(values) >= 2 * len(set(values))
