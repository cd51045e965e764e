"""Write words with their tags as CoNLL columns: beside the place first, and into it once it is whole.

Intents stand as comments before their sentences, "# intent = NAME", which `read_tagged` reads.
"""

from __future__ import annotations

import gzip
import os
import re
from typing import TYPE_CHECKING

from bothways.data.conll import INTENT
from bothways.data.files import format_of, is_packed
from bothways.data.writing import check_place
from bothways.errors import DataError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bothways.data.tagged_sentences import TaggedSentences

_BREAKS = re.compile("[\t\v\f\r\n]")
_BLANKS = " \t\v\f\r\n"


def check_columns_place(path: Path, *, force: bool) -> None:
    """Refuse, before anything is read, a place that no columns can be written to.

    Args:
        path: the file.
        force: whether a file that stands there may be replaced.

    Raises:
        DataError: the name stands for a table.
        OutputError: the place is taken, or is a folder, or its folder does not exist or may not be written to.
    """
    if format_of(path) is not None:
        raise DataError(
            f"{path.name} is the name of a table, but tags are written as columns. Name it as in tags.conll."
        )
    check_place(path, force=force)


def check_columns(sentences: TaggedSentences, tags: Iterable[str], intents: Iterable[str] = ()) -> None:
    """Refuse, before anything is predicted, what `write_columns` could not write.

    Args:
        sentences: the words.
        tags: all that words may have.
        intents: all that sentences may have.

    Raises:
        DataError: a word, a tag or an intent holds what would break a row.
    """
    for intent in intents:
        if _BREAKS.search(intent):
            raise DataError(f"The intent {intent!r} holds a tab or a line's end, which no row can.")
    for tag in tags:
        if any(blank in tag for blank in _BLANKS):
            raise DataError(f"The tag {tag!r} holds a blank, which no column can. Train on tags without blanks.")
    for number, words in enumerate(sentences.words):
        for place, word in enumerate(words):
            if _BREAKS.search(word):
                raise DataError(f"{sentences.where(number, place)}: {word!r} holds a tab or a line's end. Take it out.")
            if word != word.strip(_BLANKS):
                raise DataError(
                    f"{sentences.where(number, place)}: {word!r} begins or ends with a blank, which no column keeps. "
                    "Take it out."
                )


def write_columns(
    path: Path, sentences: TaggedSentences, tags: Sequence[Sequence[str]], intents: Sequence[str] | None = None
) -> None:
    """Write a row for each word, word and tag with a tab between, and a blank line behind each sentence.

    Args:
        path: the file; its folder must exist. A name in .gz packs it.
        sentences: the words, as `check_columns` wants them; tags that they have are not written.
        tags: of each word.
        intents: of each sentence; None writes none.

    Raises:
        OutputError: the place cannot be written; what stood there is untouched.
    """
    rows = []
    for number, (words, some) in enumerate(zip(sentences.words, tags, strict=True)):
        if intents is not None:
            rows.append(f"{INTENT}{intents[number]}\n")
        rows += [f"{word}\t{tag}\n" for word, tag in zip(words, some, strict=True)]
        rows.append("\n")
    content = "".join(rows).encode()
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # Without a time, the same rows give the same bytes.
        aside.write_bytes(gzip.compress(content, mtime=0) if is_packed(path) else content)
        os.replace(aside, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}. Nothing was changed there.") from None
    finally:
        aside.unlink(missing_ok=True)
