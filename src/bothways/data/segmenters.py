"""Word boundaries by spaCy's rules and by jieba, two optional parts of the `[text]` extra.

A segmenter takes a text and gives the places of its words; runs of whitespace are no words.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache

from bothways.errors import SettingsError, missing_extra

Segmenter = Callable[[str], list[tuple[int, int]]]


def segmenter(unit: str, language: str) -> Segmenter:
    """Return a function from a text to the (start, end) of each word, in characters.

    Args:
        unit: "spacy" or "jieba".
        language: a code that spaCy knows, such as "en"; jieba reads Chinese and ignores it.

    Raises:
        MissingExtraError: the package is not installed.
        SettingsError: spaCy has no rules for the language.
    """
    return _spacy(language) if unit == "spacy" else _jieba()


@lru_cache
def _spacy(language: str) -> Segmenter:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import spacy
        except ImportError as error:
            raise missing_extra("spacy", "text", "unit 'spacy'") from error
        try:
            tokenizer = spacy.blank(language).tokenizer
        except ImportError as error:
            raise SettingsError(
                f"language is {language!r}, but spaCy has no rules for it here; "
                "use a code that it knows, such as 'en' or 'de', or unit 'word'."
            ) from error

    def segment(text: str) -> list[tuple[int, int]]:
        return [(token.idx, token.idx + len(token)) for token in tokenizer(text) if not token.is_space]

    return segment


@lru_cache
def _jieba() -> Segmenter:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import jieba
        except ImportError as error:
            raise missing_extra("jieba", "text", "unit 'jieba'") from error
        cutter = jieba.Tokenizer()
        # Not cutter.initialize(): it logs, and keeps a cache in the temporary folder that it later
        # trusts, although anyone on the machine could have written it.
        cutter.FREQ, cutter.total = cutter.gen_pfdict(cutter.get_dict_file())
        cutter.initialized = True

    def segment(text: str) -> list[tuple[int, int]]:
        return [(start, end) for word, start, end in cutter.tokenize(text) if not word.isspace()]

    return segment
