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
    parts: list[str] = []
    open_quotes: set[str] = set()
    leans_right = True  # nothing stands before the first word
    for place, word in enumerate(words):
        left = words[place - 1] if place else ""
        closes = word in open_quotes
        if not (leans_right or closes or _joined(left, word) or _continues_number(words, place)):
            parts.append(" ")
        parts.append(word)
        leans_right = bool(_LEANS_RIGHT.fullmatch(word)) or (word in _QUOTES and not closes)
        if word in _QUOTES:
            open_quotes ^= {word}
    return "".join(parts)


def _joined(left: str, right: str) -> bool:
    """Tell whether no space stands between two words, from the two alone."""
    if left in _INSIDE or right in _INSIDE or _LEANS_LEFT.fullmatch(right):
        return True
    return bool(_WIDE.match(left[-1:]) and _WIDE.match(right[:1]))


def _continues_number(words: Sequence[str], place: int) -> bool:
    """Tell whether a word is what follows the point of 3.5 or the colon of 12:30."""
    if place < 2 or words[place - 1] not in _IN_NUMBERS:
        return False
    return words[place - 2][-1:].isdigit() and words[place][:1].isdigit()
