"""Both sides of a pair as token ids: a source with `<eos>` behind it, a target between two."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bothways.data.language_tokens import LanguageTokens
from bothways.data.token_rules import as_bytes
from bothways.data.tokenizer import Tokenizer

if TYPE_CHECKING:
    from bothways.settings import TranslatorSettings

Ids = NDArray[np.int32]


class PairTokens:
    """The tokens of sources and of targets; one tokenizer may serve both."""

    def __init__(self, source: Tokenizer, target: Tokenizer | None = None) -> None:
        """Take the source's tokenizer, and the target's; None: they share the one."""
        self.shared = target is None
        self.source = LanguageTokens(source, whole=False)
        self.target = self.source if target is None else LanguageTokens(target, whole=False)

    @classmethod
    def learn(cls, sources: Sequence[str], targets: Sequence[str], settings: TranslatorSettings) -> PairTokens:
        """Learn what tokens there are.

        Raises:
            DataError: texts that hold no token, or none often enough.
            SettingsError: no room for a vocabulary.
        """

        def tokenizer(texts: Sequence[str], target: bool) -> Tokenizer:
            return Tokenizer.train(
                texts,
                unit=settings.unit_of_target if target else settings.unit,
                lowercase=settings.lowercase,
                vocabulary_size=settings.vocabulary_size,
                min_count=settings.min_count,
                language=settings.language,
            )

        if settings.shares_vocabulary:
            return cls(tokenizer([*sources, *targets], target=False))
        return cls(tokenizer(sources, target=False), tokenizer(targets, target=True))

    def sources(self, texts: Sequence[str]) -> list[Ids]:
        """Give the ids of sources, int32 (S,) each, with `<eos>` at the end."""
        return [ids[1:] for ids in self.source.documents(texts)]

    def targets(self, texts: Sequence[str]) -> list[Ids]:
        """Give the ids of targets, int32 (T+1,) each, with `<eos>` before and behind."""
        return self.target.documents(texts)


FARTHEST = 32  # bytes that marks stand behind the character they belong to


def _joins(character: str) -> bool:
    """Whether a character belongs to the one before it: a combining mark, or what joins two."""
    return character in ("\u200c", "\u200d") or unicodedata.category(character)[0] == "M"


def whole_words(tokens: LanguageTokens, ids: Sequence[int] | NDArray[np.integer[Any]]) -> list[int]:
    """Say which word each token belongs to, counted from 0: a byte pair may be a part of one, others are words.

    A word of byte pairs begins with a space, or where letters and digits meet anything else, but never inside a
    character or before what combines with it.
    """
    if tokens.tokenizer.unit != "bpe":
        return list(range(len(ids)))
    parts = [as_bytes(tokens.tokenizer.pieces[index]) for index in ids]
    whole, place = b"".join(parts), 0
    words: list[int] = []
    for part in parts:
        seen = whole[max(0, place - FARTHEST) : place].decode(errors="replace")
        before = next((character for character in reversed(seen) if not _joins(character)), "")
        after = whole[place : place + 4].decode(errors="replace")[:1]
        inside = part[0] & 0xC0 == 0x80 or (after != "" and _joins(after))  # or a byte that begins no character
        begins = after.isspace() or (not before.isspace() and before.isalnum() != after.isalnum())
        words.append(words[-1] + (begins and not inside) if words else 0)
        place += len(part)
    return words
