"""Cut a text into words, without a vocabulary."""

from functools import lru_cache

from tokenizers import models

from bothways.data.token_rules import PAD, UNK, pipeline
from bothways.data.tokenizer import Tokenizer


def word_spans(text: str) -> list[tuple[int, int]]:
    """Give where each word and each mark of punctuation stands: (start, end) in characters of the text."""
    return _rules().spans(text)


@lru_cache(maxsize=1)
def _rules() -> Tokenizer:
    model = models.WordLevel({PAD: 0, UNK: 1}, UNK)
    return Tokenizer(pipeline("word", False, model), unit="word", lowercase=False, language="en")
