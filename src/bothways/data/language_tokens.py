"""Texts as a language model sees them: token ids with `<eos>`, and tokens back to a text while it grows.

A document begins after `<eos>` and ends with it. Plain text is one stream: where the tokens leave white space out, each
line ends with `<eos>`; characters and byte pairs have the line's own end among them.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bothways.data.spacing import Joiner
from bothways.data.token_rules import UNK, as_bytes, shown
from bothways.data.tokenizer import Tokenizer

Ids = NDArray[np.int32]

_KEEPS_SPACE = ("character", "bpe")  # units whose tokens hold all of a text, line ends among it


class LanguageTokens:
    """A tokenizer with one more id, `<eos>`, and the token that stands before the first one of a text."""

    def __init__(self, tokenizer: Tokenizer, *, whole: bool) -> None:
        """Take a tokenizer; `whole` for a model of one stream, not of documents."""
        self.tokenizer = tokenizer
        self.whole = whole
        self.eos = len(tokenizer)
        self.size = self.eos + 1  # V
        self.line_ends = whole and tokenizer.unit not in _KEEPS_SPACE  # whether `<eos>` stands for a line's end
        self.ends = self.line_ends or not whole  # whether `<eos>` stands in texts at all
        self.start = self.eos
        if whole and not self.line_ends:
            line_end = tokenizer.encode(["\n"])[0]
            if len(line_end) == 1 and line_end[0] != Tokenizer.unk_id:
                self.start = int(line_end[0])

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """Give the ids of texts as they stand, int32 (T,) each; of a stream, a line's end is one of them."""
        if not self.whole:
            return self.tokenizer.encode(texts)
        # Files come line by line, where no token reaches over a line's end; so must a text of several lines.
        lines = [lines_of(text) for text in texts]
        found = iter(self.tokenizer.encode([line for some in lines for line in some]))
        none, eos = np.zeros(0, dtype=np.int32), np.array([self.eos], dtype=np.int32)
        whole = []
        for some in lines:
            parts = [none]
            for line in some:
                parts.append(next(found))
                if self.line_ends and line.endswith("\n"):
                    parts.append(eos)
            whole.append(np.concatenate(parts))
        return whole

    def documents(self, texts: Sequence[str]) -> list[Ids]:
        """Give texts with `<eos>` before and behind, int32 (T+2,) each: all that there is to predict in each."""
        return self.enclosed(self.tokenizer.encode(texts))

    def enclosed(self, found: Sequence[Ids]) -> list[Ids]:
        """Give ids with `<eos>` before and behind, int32 (T+2,) each."""
        eos = np.array([self.eos], dtype=np.int32)
        return [np.concatenate([eos, ids, eos]) for ids in found]

    def sequences(self, texts: Sequence[str]) -> list[Ids]:
        """Give texts with all that is needed to predict them: documents, or pieces of a stream after its start."""
        if not self.whole:
            return self.documents(texts)
        start = np.array([self.start], dtype=np.int32)
        return [np.concatenate([start, ids]) for ids in self.encode(texts)]

    def spoken(self, index: int) -> str:
        """Name a token for a person to read."""
        if index == self.eos:
            return "<eos>"
        piece = self.tokenizer.pieces[index]  # `vocabulary` would name all of them
        return shown(piece) if self.tokenizer.unit == "bpe" else piece

    def writer(self) -> TextWriter:
        """Begin a text."""
        return TextWriter(self)


class TextWriter:
    """Turn tokens into text one by one, in constant time and memory for each."""

    def __init__(self, tokens: LanguageTokens) -> None:
        self._tokens = tokens
        self._pieces = tokens.tokenizer.pieces
        self._unit = tokens.tokenizer.unit
        self._bytes = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._joiner = Joiner()
        self._begun = False  # whether a word stands in the line, for tokens that spaces part

    def write(self, index: int) -> str:
        """Give what a token adds to the text; `<eos>` in a stream of lines adds the line's end."""
        if index == self._tokens.eos:
            self._joiner, self._begun = Joiner(), False
            return "\n" if self._tokens.line_ends else ""
        if index == Tokenizer.pad_id:
            return ""
        piece = self._pieces[index]
        if self._unit == "bpe":
            return self._bytes.decode(as_bytes(piece))
        if self._unit == "character":
            return "\ufffd" if piece == UNK else piece
        if self._unit != "space":
            return self._joiner.add(piece)
        space, self._begun = " " if self._begun else "", True
        return space + piece

    def end(self) -> str:
        """Give what is left: the replacement for a character that was cut in its middle."""
        return self._bytes.decode(b"", final=True)


def lines_of(text: str) -> list[str]:
    r"""A text's lines, each with its end as "\n", as files are read; what is no text is left for others to refuse."""
    return list(io.StringIO(text, newline=None)) if isinstance(text, str) else [text]
