"""Write texts with a language model, token by token, in constant memory and time for each.

Shapes: B texts, T tokens, V vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bothways.data.language_tokens import lines_of
from bothways.data.tokenizer import Tokenizer
from bothways.decoding.sampling import Sampler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bothways.data.language_tokens import LanguageTokens, TextWriter
    from bothways.settings import GenerationSettings


class NextToken(Protocol):
    """A language model, wherever it runs."""

    def read(self, ids: NDArray[np.int64], state: Any = None) -> tuple[NDArray[np.float32], Any]:
        """Read ids (B,T) after a state; give the logits of what follows the last of each, (B,V), and the state."""

    def chosen(self, state: Any, rows: NDArray[np.int64]) -> Any:
        """Give the state of some of the texts alone."""


def write(
    model: NextToken, tokens: LanguageTokens, prompt: str, settings: GenerationSettings
) -> Iterator[tuple[int, str]]:
    """Continue a text in as many ways as `settings.samples` says.

    A text written alone is the text written among others, with the same number and seed.

    Yields:
        The number of a text and what comes next in it, without the prompt.
    """
    before = tokens.encode([prompt])[0]
    texts = [_Text(tokens, prompt, before, settings, number) for number in range(settings.samples)]
    alive = np.arange(len(texts))
    ids = np.concatenate([[tokens.start], before]).astype(np.int64)[None].repeat(len(texts), axis=0)
    state = None
    for _ in range(settings.max_length):
        logits, state = model.read(ids, state)
        chosen, going_on = [], []
        for place, number in enumerate(alive):
            piece, ended = texts[number].add(logits[place])
            if piece:
                yield int(number), piece
            chosen.append(texts[number].last)
            if not ended:
                going_on.append(place)
        if not going_on:
            return
        rows = np.array(going_on)
        if len(rows) < len(alive):
            alive, state = alive[rows], model.chosen(state, rows)
        ids = np.array(chosen, dtype=np.int64)[rows][:, None]
    for number in alive:
        if piece := texts[number].rest():
            yield int(number), piece


def unknown_words(tokens: LanguageTokens, prompt: str) -> list[str]:
    """Name the tokens of a prompt that the model never learned, each once, in order."""
    tokenizer = tokens.tokenizer
    lines = lines_of(prompt) if tokens.whole else [prompt]
    ids = [index for line in tokenizer.encode(lines) for index in line]
    pieces = [piece for line in lines for piece in tokenizer.tokens(line)]
    return list(dict.fromkeys(piece for piece, index in zip(pieces, ids, strict=True) if index == Tokenizer.unk_id))


class _Text:
    """One text as it grows."""

    def __init__(
        self, tokens: LanguageTokens, prompt: str, before: NDArray[np.int32], settings: GenerationSettings, number: int
    ) -> None:
        never = (Tokenizer.pad_id, Tokenizer.unk_id, *([] if tokens.ends else [tokens.eos]))
        self._sampler = Sampler(settings, number=number, never=never)
        self._writer: TextWriter = tokens.writer()
        self._ends = None if tokens.whole else tokens.eos
        self._stop = settings.stop
        self._pending = ""  # what may be the beginning of the stop text
        # A prompt that ends in white space needs no second space.
        self._at_space = bool(prompt) and prompt[-1].isspace() and tokens.tokenizer.unit not in ("character", "bpe")
        self.last = tokens.start
        for index in before.tolist():
            self._writer.write(index)
            self._sampler.saw(index)

    def add(self, logits: NDArray[np.float32]) -> tuple[str, bool]:
        """Choose the next token; give what is certain of the text now, and whether it has ended."""
        self.last = self._sampler.choose(logits)
        if self.last == self._ends:
            return self.rest(), True
        piece = self._writer.write(self.last)
        if self._at_space and piece:
            piece, self._at_space = piece.removeprefix(" "), False
        if self._stop is None:
            return piece, False
        text = self._pending + piece
        if self._stop in text:
            self._pending = ""
            return text[: text.index(self._stop)], True
        kept = next((size for size in range(len(self._stop) - 1, 0, -1) if text.endswith(self._stop[:size])), 0)
        self._pending = text[len(text) - kept :]
        return text[: len(text) - kept], False

    def rest(self) -> str:
        """Give what was held back, once no more comes."""
        text, self._pending = self._pending + self._writer.end(), ""
        return text
