"""Text to token ids and back: words, what stands between spaces, characters, byte pairs; spaCy and jieba as extras.

The work is done by the `tokenizers` library, in Rust and on all cores. Only where a word ends is
found in Python for spaCy and jieba.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

import numpy as np
import tokenizers
from numpy.typing import NDArray

from bothways.data.segmenters import segmenter
from bothways.data.spacing import join_words
from bothways.data.token_rules import BYTES, PAD, UNK, as_bytes, learn, normal, pipeline, places, shown, split_words
from bothways.errors import DataError, ModelFolderError, SettingsError, check_choice, counted
from bothways.settings import Unit

Ids = NDArray[np.int32]

FORMAT = 1  # of the JSON; a higher number is a newer version's
BATCH_TEXTS, BATCH_CHARACTERS = 1_000, 1_000_000  # encoded at once; the library takes some 70 bytes a character


class Tokenizer:
    """A vocabulary and the rules that cut a text into its tokens: the same ids for the same text, always.

    Id 0 is `<pad>`, which no text contains; id 1 is `<unk>`, every token outside the vocabulary.
    """

    pad_id = 0
    unk_id = 1

    def __init__(self, rules: tokenizers.Tokenizer, *, unit: Unit, lowercase: bool, language: str) -> None:
        """Wrap a trained tokenizer of the library; use `train` or `from_json` to get one."""
        self.unit, self.lowercase, self.language = unit, lowercase, language
        self._rules = rules
        self._segment = segmenter(unit, language) if unit in ("spacy", "jieba") else None
        ids = rules.get_vocab(with_added_tokens=False)
        self._pieces = sorted(ids, key=ids.__getitem__)
        if [ids[piece] for piece in self._pieces] != list(range(len(ids))) or self._pieces[:2] != [PAD, UNK]:
            raise ValueError(f"ids must count up from 0, with {PAD} and {UNK} first")

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        unit: Unit = "word",
        lowercase: bool = True,
        vocabulary_size: int = 30_000,
        min_count: int = 2,
        language: str = "en",
    ) -> Tokenizer:
        """Learn a vocabulary: the most frequent tokens, ties in order of their characters.

        Args:
            texts: read once, one at a time; memory holds the counts of distinct tokens only.
            unit: what one token is.
            lowercase: tell no capital letters from small ones.
            vocabulary_size: most tokens to keep, `<pad>` and `<unk>` among them.
            min_count: leave rarer tokens (for "bpe": rarer pairs) out.
            language: whose rules spaCy follows; other units ignore it.

        Raises:
            SettingsError: an unknown unit or language, or no room for a vocabulary.
            DataError: texts that hold no token, or none `min_count` times.
            MissingExtraError: spaCy or jieba is asked for and not installed.
        """
        check_choice("unit", unit, get_args(Unit))
        least = 2 + (BYTES if unit == "bpe" else 1)
        if vocabulary_size < least:
            raise SettingsError(
                f"vocabulary_size is {vocabulary_size}, but unit {unit!r} needs at least {least}: "
                f"{PAD}, {UNK} and {'each of the 256 bytes' if unit == 'bpe' else 'one token'}."
            )
        if min_count < 1:
            raise SettingsError(f"min_count is {min_count}, but it must be at least 1.")
        stream = _Stream(texts)
        model = learn(stream, unit, lowercase, vocabulary_size, min_count, language)
        if not stream.visible:
            what = f"every text is empty ({counted(stream.rows, 'text')})" if stream.rows else "no text is given"
            raise DataError(f"No token can be learned: {what}.")
        if model is None:
            raise DataError(
                f"No token occurs {counted(min_count, 'time')} (min_count) in {counted(stream.rows, 'text')}. "
                "Lower min_count or give more texts."
            )
        return cls(pipeline(unit, lowercase, model), unit=unit, lowercase=lowercase, language=language)

    def encode(self, texts: Sequence[str], max_length: int | None = None) -> list[Ids]:
        """Return the ids of each text, int32 (T,), in order; an empty text gives T = 0.

        Args:
            texts: any number; a text gets the same ids alone and beside others.
            max_length: most tokens to keep of a text, from its start; None keeps all.

        Raises:
            DataError: something among the texts is no string.
        """
        return self.encode_counted(texts, max_length)[0]

    def encode_counted(
        self, texts: Sequence[str], max_length: int | None = None
    ) -> tuple[list[Ids], NDArray[np.int64]]:
        """Return what `encode` returns, and how many tokens each text had before it was cut, int64 (N,)."""
        ids: list[Ids] = []
        lengths: list[int] = []
        for batch in _batches(_readable(text, row) for row, text in enumerate(_listed(texts))):
            for encoding in self._encodings(batch):
                every = encoding.ids
                lengths.append(len(every))
                ids.append(np.array(every[:max_length], dtype=np.int32))
        return ids, np.array(lengths, dtype=np.int64)

    def tokens(self, text: str) -> list[str]:
        r"""Return the tokens of a text, those outside the vocabulary too, as they are looked up.

        Words come normalised (NFC) and in small letters if so trained. Of a byte pair that is no whole
        character, the bytes are shown as `\xe2`.
        """
        text = _readable(text)
        if self._segment is not None:
            return [normal(self._rules, text[start:end]) for start, end in self._segment(text)]
        if self.unit == "bpe":
            return [shown(piece) for piece in self._rules.encode(text).tokens]
        text = normal(self._rules, text)
        return list(text) if self.unit == "character" else split_words(self._rules, text)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where each token stands: (start, end) in characters of the text as given.

        A token that is part of a character has the place of the whole character.
        """
        text = _readable(text)
        if self._segment is not None:
            return self._segment(text)
        if self.unit == "space":  # asked for in the text as given, as the library loses the place of what is replaced
            return places(self._rules, text)
        found = list(self._rules.encode(text).offsets)
        return _whole(text, found) if self.unit == "word" else found

    def decode(self, ids: Iterable[int], unknown: Iterable[str] = ()) -> str:
        """Return a text for ids, leaving `<pad>` out; `unknown` stand in for tokens outside the vocabulary, in turn.

        Characters and byte pairs give the very text back that was encoded (a character outside the
        vocabulary as U+FFFD). Words are joined by spaces as print would set them; what stood between
        spaces, by one space each.
        """
        stand_ins = iter(unknown)
        lost = "\ufffd" if self.unit == "character" else UNK
        pieces = [
            next(stand_ins, lost) if index == self.unk_id else self._pieces[index]
            for index in map(int, ids)
            if index != self.pad_id
        ]
        if self.unit == "bpe":
            return b"".join(map(as_bytes, pieces)).decode(errors="replace")
        if self.unit == "character":
            return "".join(pieces)
        return " ".join(pieces) if self.unit == "space" else join_words(pieces)

    @property
    def pieces(self) -> list[str]:
        """The tokens in order of their ids, byte pairs as the library spells their bytes."""
        return self._pieces

    @property
    def vocabulary(self) -> list[str]:
        """The tokens in order of their ids."""
        return [shown(piece) for piece in self._pieces] if self.unit == "bpe" else list(self._pieces)

    def __len__(self) -> int:
        """Return the size of the vocabulary, V."""
        return len(self._pieces)

    def to_json(self) -> str:
        """Return all of the tokenizer as one JSON object; the same tokenizer gives the same text."""
        parts = {"format": FORMAT, "unit": self.unit, "lowercase": self.lowercase, "language": self.language}
        return json.dumps({**parts, "rules": json.loads(self._rules.to_str())}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Tokenizer:
        """Rebuild a tokenizer from what `to_json` gave.

        Raises:
            ModelFolderError: the JSON is cut or altered, or a newer version wrote it.
            MissingExtraError: it stands on spaCy or jieba, which is not installed.
        """
        try:
            parts = json.loads(text)
            if parts["format"] > FORMAT:
                raise ModelFolderError(
                    f"The tokenizer has format {parts['format']}, but this version reads {FORMAT}: upgrade bothways."
                )
            check_choice("unit", parts["unit"], get_args(Unit))
            rules = tokenizers.Tokenizer.from_str(json.dumps(parts["rules"]))
            return cls(rules, unit=parts["unit"], lowercase=parts["lowercase"], language=parts["language"])
        except (ModelFolderError, ImportError):
            raise
        except Exception as error:  # the library raises no narrower class than this
            raise ModelFolderError(
                f"The tokenizer is damaged ({type(error).__name__}: {' '.join(str(error).split())}): "
                "copy the whole model folder again, or train the model anew."
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as JSON."""
        return Tokenizer.from_json, (self.to_json(),)

    def _encodings(self, texts: list[str]) -> list[tokenizers.Encoding]:
        if self._segment is None:
            return self._rules.encode_batch_fast(texts)
        cut = [[text[start:end] for start, end in self._segment(text)] for text in texts]
        # No text may say "padding"; the rules of the other units see to that themselves.
        words = [[UNK if word.lower() == PAD else word for word in text] for text in cut]
        return self._rules.encode_batch_fast(words, is_pretokenized=True)


class _Stream:
    """Texts to learn from, counted as they pass."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.rows = 0
        self.visible = False
        self._texts = _listed(texts)

    def __iter__(self) -> Iterator[str]:
        for text in self._texts:
            readable = _readable(text, self.rows)
            self.rows += 1
            self.visible = self.visible or bool(readable.strip())
            yield readable


def _listed(texts: Iterable[str]) -> Iterable[str]:
    if isinstance(texts, str):
        raise DataError("texts is one string, but it must be a list of texts; put it into brackets.")
    return texts


def _readable(text: str, row: int | None = None) -> str:
    """Return the text, with U+FFFD for halves of surrogate pairs, which no UTF-8 can hold."""
    if not isinstance(text, str):
        where = "The text" if row is None else f"Text {row} (from 0)"
        raise DataError(f"{where} is {text!r} ({type(text).__name__}), but it must be a string.")
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in text)
    return text


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Group texts, so that memory holds the encodings of few at a time."""
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if len(batch) == BATCH_TEXTS or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


_PARALLEL = "TOKENIZERS_PARALLELISM"
_forking: list[str] = []


def _before_fork() -> None:
    if _PARALLEL not in os.environ:
        os.environ[_PARALLEL] = "false"
        _forking.append(_PARALLEL)


def _after_fork() -> None:
    while _forking:
        os.environ.pop(_forking.pop(), None)


# The library's threads do not survive a fork, and its versions up to 0.22.0 print a warning on any fork
# that the user makes. A child is therefore told to use one thread; the parent goes on as before.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_forking.clear)


def _whole(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Give words the marks that combine with their last letter, which the library leaves behind as it composes them."""
    following = [*(start for start, _ in spans[1:]), len(text)]
    found = []
    for (start, end), limit in zip(spans, following, strict=False):
        last = end
        while last < limit and not text[last].isspace():
            last += 1
        found.append((start, last))
    return found
