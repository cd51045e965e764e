"""Where printed text has spaces: the scripts that use none, and the way from words back to a text."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Inside a regular expression's brackets: Thai, Lao, Myanmar, Khmer, kana, bopomofo, Han.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_WIDE = re.compile(rf"[{UNSPACED}\u3001-\u303f\uff01-\uff65]")
_LEANS_LEFT = re.compile(r"[.,!?;:)\]}%…’”»、。，！？；：）》」』】]+|['’]\w+|n['’]t", re.IGNORECASE)
_LEANS_RIGHT = re.compile(r"[(\[{$£€#@“‘«（《「『【]")
_QUOTES = ('"', "'")
_INSIDE = ("-", "/")  # in words far more often than between them
_IN_NUMBERS = (".", ":")


def join_words(words: Sequence[str]) -> str:
    """Return one text: words parted by spaces, punctuation set where print would set it.

    What the words do not tell is guessed: quotation marks open and close in turn, and a hyphen
    stands inside a word.
    """
    joiner = Joiner()
    return "".join(joiner.add(word) for word in words)


class Joiner:
    """Join words to a text one by one, as `join_words` does all at once."""

    def __init__(self) -> None:
        self._before: list[str] = []  # the last two words
        self._open_quotes: set[str] = set()
        self._leans_right = True  # nothing stands before the first word

    def add(self, word: str) -> str:
        """Return what a word adds to the text: itself, and the space before it if there is one."""
        left = self._before[-1] if self._before else ""
        closes = word in self._open_quotes
        apart = not (self._leans_right or closes or _joined(left, word) or _continues_number(self._before, word))
        self._leans_right = bool(_LEANS_RIGHT.fullmatch(word)) or (word in _QUOTES and not closes)
        if word in _QUOTES:
            self._open_quotes ^= {word}
        self._before = [*self._before[-1:], word]
        return f" {word}" if apart else word


def _joined(left: str, right: str) -> bool:
    """Tell whether no space stands between two words, from the two alone."""
    if left in _INSIDE or right in _INSIDE or _LEANS_LEFT.fullmatch(right):
        return True
    return bool(_WIDE.match(left[-1:]) and _WIDE.match(right[:1]))


def _continues_number(before: Sequence[str], word: str) -> bool:
    """Tell whether a word is what follows the point of 3.5 or the colon of 12:30."""
    if len(before) < 2 or before[-1] not in _IN_NUMBERS:
        return False
    return before[-2][-1:].isdigit() and word[:1].isdigit()
