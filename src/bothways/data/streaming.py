"""Rows in groups of bounded size, so that no table is ever in memory as a whole."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

Row = TypeVar("Row", bound=Sequence[Any])

# A group ends at whichever comes first: short texts come in numbers, and long ones do not fill the memory.
GROUP_ROWS = 4096
GROUP_CHARACTERS = 1 << 22


def in_groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield the rows in order, some thousand or some megabytes at a time."""
    group: list[Row] = []
    characters = 0
    for row in rows:
        group.append(row)
        characters += characters_of(row)
        if len(group) == GROUP_ROWS or characters >= GROUP_CHARACTERS:
            yield group
            group, characters = [], 0
    if group:
        yield group


def characters_of(row: Sequence[Any]) -> int:
    """Count the characters of a row's texts."""
    return sum(len(value) for value in row if isinstance(value, str))
