"""Texts that a command is given: as arguments, or as lines of standard input."""

import sys

from bothways.errors import DataError


def lines() -> list[str]:
    """The texts of standard input, a line each."""
    from bothways.runtime.files import read_lines

    return read_lines([] if sys.stdin is None else sys.stdin.buffer)


def refuse_half_characters(texts: list[str]) -> None:
    """Refuse an argument with bytes that are no text, which Python hands on as halves of surrogate pairs."""
    for number, text in enumerate(texts, start=1):
        for char in text:
            if "\udc80" <= char <= "\udcff":
                raise DataError(f"Text {number}: the byte 0x{ord(char) - 0xDC00:02x} is not UTF-8. Give it as UTF-8.")
            if "\ud800" <= char <= "\udfff":
                raise DataError(f"Text {number} holds half a character, U+{ord(char):04X}. Leave it out.")
