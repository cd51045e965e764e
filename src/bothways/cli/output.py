"""Standard output: JSON that every encoding can carry, and a fault in writing told in one line."""

import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from bothways.bundle import finite
from bothways.errors import BothwaysError, OutputError

if TYPE_CHECKING:
    from rich.table import Table

_WIDEST = 10_000  # columns of a line that goes into a file or a pipe


def print_json(content: Any) -> None:
    """Print a value as one line of JSON, with escapes only where standard output cannot show a character.

    Control characters are escaped, also those that JSON would let through (DEL and U+0080 to U+009F). A number that is
    not finite is null: JSON has no other word for it.
    """
    content = finite(content)
    text = re.sub(r"[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(content, ensure_ascii=False))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(content)
    print(text)


def print_table(table: "Table") -> None:
    """Print a table, squeezed only where a terminal is too narrow for it."""
    from rich.console import Console

    class Piped(Console):
        """One that leaves it to `main` what a reader that went away means."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    width = None if sys.stdout is not None and sys.stdout.isatty() else _WIDEST
    Piped(markup=False, highlight=False, emoji=False, width=width).print(table)


class StandardOutput(io.TextIOWrapper):
    """Standard output whose faults are errors of ours, and which is dropped after the first of them.

    A reader that went away stays a BrokenPipeError.
    """

    @classmethod
    def like(cls, stream: io.TextIOWrapper) -> Self:
        """Write where `stream` writes; a character that its encoding lacks gets a stand-in, not a traceback."""
        return cls(
            stream.buffer,
            stream.encoding,
            "backslashreplace",
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )

    def write(self, text: str) -> int:
        """Write a text.

        Raises:
            OutputError: the disk is full, or standard output cannot be written for another reason.
        """
        with self._explained():
            return super().write(text)

    def flush(self) -> None:
        """Send what was written on its way; raises as `write` does."""
        with self._explained():
            super().flush()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (BothwaysError, BrokenPipeError):
            raise
        except OSError as error:
            sys.stdout = None  # else the interpreter would try once more at its end
            raise OutputError(f"Standard output cannot be written: {error.strerror or error}.") from None


class StandardError(io.TextIOWrapper):
    """Standard error that nobody need read: once it cannot be written, what is said is dropped, and work goes on."""

    @classmethod
    def like(cls, stream: io.TextIOWrapper) -> Self:
        """Write where `stream` writes; a character that its encoding lacks gets a stand-in, not a traceback."""
        return cls(stream.buffer, stream.encoding, "backslashreplace", line_buffering=True, write_through=True)

    _lost = False

    def write(self, text: str) -> int:
        """Write a text, if there is still somebody to read it."""
        if not self._lost:
            try:
                return super().write(text)
            except OSError:
                self._lost = True
        return len(text)

    def flush(self) -> None:
        """Send what was written on its way."""
        if not self._lost:
            try:
                super().flush()
            except OSError:
                self._lost = True
