"""Sentences as words, each with its tag, and where each word stands in its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bothways.data.tables import Table
from bothways.errors import DataError, counted


class Multiword(NamedTuple):
    """Words that the text writes as one, as "don't" for "do" and "n't": from word `start` up to but not with `end`."""

    start: int
    end: int
    form: str


@dataclass(frozen=True)
class TaggedSentences:
    """Sentences from a file; no sentence is empty.

    Attributes:
        name: the name of the file or folder, for messages.
        words: the words of each sentence.
        tags: a tag for each word; empty where tags were not asked for.
        word_lines: the line of each word, counted from 1; for tables, the row of its sentence.
        notes: what was detected, guessed or skipped, a sentence each.
        labels: one for each sentence, its intent; None where the file has none.
        spaces: whether a space stands behind each word; None where the file does not tell.
        multiwords: the multiwords of each sentence, in order; None where the file cannot have any.
        table: the table that the rows stand in.
    """

    name: str
    words: list[list[str]]
    tags: list[list[str]]
    word_lines: list[Sequence[int]]
    notes: list[str] = field(default_factory=list)
    labels: list[str] | None = None
    spaces: list[list[bool]] | None = None
    multiwords: list[list[Multiword]] | None = None
    table: Table | None = None

    def __len__(self) -> int:
        return len(self.words)

    @property
    def lines(self) -> list[int]:
        """The line (for tables, the row) of each sentence's first word, counted from 1."""
        return [lines[0] for lines in self.word_lines]

    def where(self, sentence: int, position: int = 0) -> str:
        """Say where a word stands, as in "train.conll, line 214"; sentence and position are counted from 0."""
        line = self.word_lines[sentence][position]
        return self.table.where(line - 1) if self.table else f"{self.name}, line {line:,}"

    def text(self, sentence: int) -> tuple[str, list[tuple[int, int]]]:
        """Write a sentence as text, and tell where each word stands in it, in characters, end exclusive.

        Words stand apart by one space where the file does not tell. A multiword is written as such: its words have
        their own places if they are its letters one after another, and else each has the place of the whole.
        """
        words = self.words[sentence]
        multiwords = self.multiwords[sentence] if self.multiwords else []
        inside = {multiword.start: multiword for multiword in multiwords}
        text = ""
        places: list[tuple[int, int]] = []
        while (here := len(places)) < len(words):
            start, end, form = inside.get(here, Multiword(here, here + 1, words[here]))
            together = words[start:end]
            if "".join(together) == form:
                for word in together:
                    places.append((len(text), len(text) + len(word)))
                    text += word
            else:
                places += [(len(text), len(text) + len(form))] * len(together)
                text += form
            text += " " if self.spaces is None or self.spaces[sentence][end - 1] else ""
        return text.rstrip(" "), places


def compare_tokens(gold: TaggedSentences, given: TaggedSentences) -> None:
    """Refuse a gold file that has not the same sentences, word by word, as an input.

    Raises:
        DataError: names the first difference, with the place in both.
    """
    should = "A gold file needs the tokens of the input, in the same order."
    for sentence, (expected, found) in enumerate(zip(gold.words, given.words, strict=False)):
        if expected == found:
            continue
        pairs = zip(expected, found, strict=False)
        place = next((place for place, (one, other) in enumerate(pairs) if one != other), None)
        if place is not None:
            raise DataError(
                f"{gold.where(sentence, place)}: the word is {expected[place]!r}, but {found[place]!r} in "
                f"{given.where(sentence, place)}. {should}"
            )
        raise DataError(
            f"{gold.where(sentence)}: the sentence has {_words(expected)}, but {_words(found)} in "
            f"{given.where(sentence)}. {should}"
        )
    if len(gold) != len(given):
        longer, shorter = (gold, given) if len(gold) > len(given) else (given, gold)
        raise DataError(
            f"{longer.where(len(shorter))}: {shorter.name} has no such sentence; it ends with the one in "
            f"{shorter.where(len(shorter) - 1)}. {should}"
        )


def _words(sentence: Sequence[str]) -> str:
    return counted(len(sentence), "word")
