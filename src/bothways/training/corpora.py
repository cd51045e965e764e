"""From texts without labels to what the loop reads: a tokenizer, token ids on disk, and what is held out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from bothways.data.batches import InMemory
from bothways.data.conditions import Condition, ConditionValues
from bothways.data.corpus import CorpusWriter, TokenCorpus
from bothways.data.language_tokens import LanguageTokens
from bothways.data.splits import stratified_split
from bothways.data.tokenizer import Tokenizer
from bothways.data.windows import Cut, Lanes
from bothways.errors import DataError, SettingsError, counted
from bothways.settings import FillSettings, LanguageSettings
from bothways.training.cooccurrence import cooccurrence_vectors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bothways.data.batches import Ints, Sequences
    from bothways.data.plain_text import Texts

CorpusSettings = LanguageSettings | FillSettings  # of the tasks on texts without labels

CHUNK = 2_000  # texts of a list that are tokenized at a time
COUNTED = 1 << 18  # tokens that are counted at a time
PIECE = 1_000  # tokens whose company is counted together: a stream is one sequence, of any length
LONG_PIECE = 1_000  # characters of a piece of a stream above which the held-out part may begin inside it


@dataclass
class ListedTexts:
    """Texts that are in memory: documents, or one stream."""

    texts: Sequence[str]
    whole: bool = False
    name: str = "texts"
    notes: list[str] = field(default_factory=list)
    conditions: ConditionValues | None = None

    def chunks(self) -> Iterator[list[str]]:
        """Give the texts, some at a time."""
        for start in range(0, len(self.texts), CHUNK):
            yield list(self.texts[start : start + CHUNK])

    def where(self, row: int) -> str:
        """Name a text as Python counts it."""
        return f"{self.name}[{row}]"


@dataclass
class Corpus:
    """Token ids of texts, and how many characters and unknown tokens the texts have."""

    sequences: Sequences  # documents with <eos> before and behind; of a stream one sequence, a start token before it
    characters: int
    unknown: int
    stream: NDArray[np.int32] | None  # of a stream, all of it
    conditions: NDArray[Any] | None = None  # what the documents are written on, int64 (N,) or float32 (N,F)

    @property
    def predictions(self) -> int:
        """Tokens that are predicted."""
        return int((self.sequences.lengths - 1).sum())

    def side_by_side(self, count: int) -> Sequences:
        """Give what is read side by side: the documents, or a stream cut into so many lanes."""
        return self.sequences if self.stream is None else Lanes(self.stream, count)


@dataclass
class PreparedCorpus:
    """Everything that training needs of the texts."""

    tokens: LanguageTokens
    train: Corpus
    validation: Corpus | None
    identity: str  # fingerprint of settings and data
    notes: list[str] = field(default_factory=list)
    condition: Condition | None = None  # how the documents' conditions are read

    def close(self) -> None:
        """Let go of the files, so that their folder can be deleted on every system."""
        for corpus in (self.train, self.validation):
            if corpus is not None and isinstance(corpus.sequences, TokenCorpus):
                corpus.sequences.close()
            if corpus is not None:
                corpus.sequences, corpus.stream = InMemory([]), None


def prepare_corpus(
    texts: Texts,
    validation: Texts | None,
    settings: CorpusSettings,
    folder: Path,
    *,
    tokenizer: Tokenizer | None = None,
) -> PreparedCorpus:
    """Read texts and write their token ids into `folder`.

    Args:
        texts: to train on, and to hold out from if `validation` is None: rows at random, of a stream its end.
        validation: texts that choose the best epoch.
        settings: checked already; those of a task on texts without labels.
        folder: exists; gets the files.
        tokenizer: one to keep; None learns one from the texts that train.

    Raises:
        DataError: no tokens, or fewer than fill one window; conditions that are missing or cannot be read.
        SettingsError: a stream to train on and documents to validate on, or the other way round; conditions for a
            two-way model, or for only one of training and validation.
    """
    if validation is not None and validation.whole != texts.whole:
        kinds = ("rows of a table", "plain text")
        raise SettingsError(
            f"The training data is {kinds[texts.whole]}, but the validation data is {kinds[validation.whole]}. "
            "Give both in the same form."
        )
    cache = settings.cache if isinstance(settings, LanguageSettings) else 0
    if cache and validation is None and not settings.validation_size:
        raise SettingsError(
            f"cache is {cache}, but its share is chosen on validation texts, and none are held out. Give "
            "--validation or --validation-size, or leave the cache out."
        )
    notes: list[str] = []
    _check_conditions(texts, validation, settings)
    held = _held_out(texts, settings) if validation is None and settings.validation_size else None
    condition = _learn_condition(texts, held, notes)
    tokenizer = tokenizer or _learn(texts, held, settings)
    tokens = LanguageTokens(tokenizer, whole=texts.whole)
    train, rest = _write(texts, held, tokens, folder, "train", notes, condition)
    checked: Corpus | None = rest if held is not None else None
    if validation is not None:
        checked, _ = _write(validation, None, tokens, folder, "validation", notes, condition)
    if train.predictions < settings.window:
        raise DataError(
            f"There are {train.predictions:,} tokens to train on, fewer than one window of {settings.window}. "
            "Give more text, or lower --window."
        )
    if checked is not None and not checked.predictions:
        raise DataError("There is no text to validate on. Give more text, or set --validation-size 0.")
    return PreparedCorpus(tokens, train, checked, _identity(settings, tokens, train, checked), notes, condition)


class _HeldOut:
    """Which texts are held out: documents by number, of a stream what begins at a character."""

    def __init__(self, rows: NDArray[np.bool_] | None, begins: int) -> None:
        self.rows, self._begins = rows, begins

    def parts(self, texts: Texts) -> Iterator[tuple[list[str], list[str]]]:
        """Give the texts that train and those held out, chunk by chunk."""
        row = seen = 0
        for chunk in texts.chunks():
            train, held = list[str](), list[str]()
            for text in chunk:
                if self.rows is not None:
                    (held if self.rows[row] else train).append(text)
                elif seen >= self._begins:
                    held.append(text)
                else:
                    cut = self._cut(text, self._begins - seen)
                    train.append(text[:cut])
                    held += [text[cut:]] if text[cut:] else []
                row, seen = row + 1, seen + len(text)
            yield train, held

    @staticmethod
    def _cut(text: str, place: int) -> int:
        """Where to cut a piece of a stream: at its end, unless it is so long that white space has to do."""
        if place >= len(text) or len(text) <= LONG_PIECE:
            return len(text)
        space = next((at for at in range(place, len(text)) if text[at].isspace()), place - 1)
        return space + 1


def _held_out(texts: Texts, settings: CorpusSettings) -> _HeldOut:
    share = settings.validation_size
    if texts.whole:
        characters = sum(len(text) for chunk in texts.chunks() for text in chunk)
        return _HeldOut(None, int(characters * (1 - share)))
    count = sum(len(chunk) for chunk in texts.chunks())
    if count < 2:
        raise DataError(
            f"{count} document is too few to hold some out. Add documents, give --validation, or set "
            "--validation-size 0."
        )
    rows = np.zeros(count, dtype=bool)
    groups = np.zeros(count, dtype=np.int64) if texts.conditions is None else texts.conditions.groups()
    rows[stratified_split(groups, share=share, seed=settings.seed)[1]] = True
    return _HeldOut(rows, 0)


def _check_conditions(texts: Texts, validation: Texts | None, settings: CorpusSettings) -> None:
    if texts.conditions is not None:
        if isinstance(settings, LanguageSettings) and settings.two_way:
            raise SettingsError(
                "A two-way model writes no text, so that it takes no condition. Leave out --two-way or --condition."
            )
        texts.conditions.refuse_missing()
    if validation is not None and (validation.conditions is None) != (texts.conditions is None):
        raise SettingsError("Training and validation data must both have conditions, or neither. Give both the same.")


def _learn_condition(texts: Texts, held: _HeldOut | None, notes: list[str]) -> Condition | None:
    """Decide how conditions are read, by the rows that train."""
    if texts.conditions is None:
        return None
    condition = Condition.learn(texts.conditions, None if held is None or held.rows is None else ~held.rows)
    notes.append(condition.note())
    return condition


def _parts(texts: Texts, held: _HeldOut | None) -> Iterable[tuple[Sequence[str], Sequence[str]]]:
    return held.parts(texts) if held is not None else ((chunk, []) for chunk in texts.chunks())


def _learn(texts: Texts, held: _HeldOut | None, settings: CorpusSettings) -> Tokenizer:
    return Tokenizer.train(
        (text for train, _ in _parts(texts, held) for text in train),
        unit=settings.unit,
        lowercase=settings.lowercase,
        vocabulary_size=settings.vocabulary_size,
        min_count=settings.min_count,
        language=settings.language,
    )


def _write(
    texts: Texts,
    held: _HeldOut | None,
    tokens: LanguageTokens,
    folder: Path,
    name: str,
    notes: list[str],
    condition: Condition | None,
) -> tuple[Corpus, Corpus]:
    """Tokenize every text once: those that train (or all), and those held out."""
    writers = [_Writer(folder / f"{name}{end}", tokens) for end in ("", "-held-out")]
    for parts in _parts(texts, held):
        for writer, part in zip(writers, parts, strict=True):
            writer.write(part)
    empty = sum(writer.empty for writer in writers)
    if empty:
        notes.append(f"{counted(empty, 'empty text')} left out.")
    train, rest = (writer.close() for writer in writers)
    if condition is not None and texts.conditions is not None:
        found = condition.encode(texts.conditions)
        apart = np.zeros(len(found), dtype=bool) if held is None or held.rows is None else held.rows
        for corpus, writer, rows in ((train, writers[0], ~apart), (rest, writers[1], apart)):
            corpus.conditions = found[rows][writer.kept]
    return train, rest


class _Writer:
    """Write texts as token ids: documents to an Arrow file, a stream as one row of numbers."""

    def __init__(self, path: Path, tokens: LanguageTokens) -> None:
        self._tokens = tokens
        self._path = path.with_name(f"{path.name}.{'ids' if tokens.whole else 'arrow'}")
        self._file = self._path.open("wb") if tokens.whole else None
        self._rows = None if tokens.whole else CorpusWriter(self._path)
        self.characters = self.unknown = self.empty = 0
        self.kept: list[bool] = []  # of every document, whether it was written
        if self._file is not None:
            np.array([tokens.start], dtype=np.int32).tofile(self._file)

    def write(self, texts: Sequence[str]) -> None:
        """Append texts; an empty document is left out and counted."""
        if self._rows is not None:
            self.kept += [bool(text.strip()) for text in texts]
            some = [text for text in texts if text.strip()]
            self.empty += len(texts) - len(some)
            texts = some
        found = self._tokens.encode(texts) if self._file is not None else self._tokens.documents(texts)
        self.characters += sum(map(len, texts))
        self.unknown += sum(int((ids == Tokenizer.unk_id).sum()) for ids in found)
        if self._rows is not None:
            self._rows.write(found)
        elif found:
            np.concatenate(found).astype(np.int32).tofile(self._file)  # type: ignore[arg-type]

    def close(self) -> Corpus:
        """Open what was written."""
        if self._rows is not None:
            self._rows.__exit__()
            return Corpus(TokenCorpus(self._path), self.characters, self.unknown, None)
        assert self._file is not None
        self._file.close()
        stream = np.memmap(self._path, dtype=np.int32, mode="r")
        return Corpus(Lanes(stream, 1), self.characters, self.unknown, stream)


def _identity(settings: CorpusSettings, tokens: LanguageTokens, train: Corpus, validation: Corpus | None) -> str:
    """A fingerprint of everything that decides on the weights."""
    digest = hashlib.sha256(json.dumps([settings.to_dict(), tokens.whole], sort_keys=True).encode())
    digest.update(tokens.tokenizer.to_json().encode())
    for corpus in filter(None, (train, validation)):
        for ids in in_order(corpus.sequences):
            digest.update(len(ids).to_bytes(8, "little"))
            digest.update(np.ascontiguousarray(ids).data)
        if corpus.conditions is not None:
            digest.update(corpus.conditions.tobytes())
    return digest.hexdigest()


def in_order(sequences: Sequences) -> Iterator[NDArray[np.int32]]:
    """Give all sequences of tokens, one at a time."""
    count = len(sequences.lengths)
    for start in range(0, count, CHUNK):
        yield from cast("list[NDArray[np.int32]]", sequences.take(np.arange(start, min(start + CHUNK, count))))


def vectors_of(corpus: Corpus, settings: CorpusSettings, vocabulary: int) -> NDArray[np.float32] | None:
    """Make the vectors (V,E) that a training starts from; None leaves them random."""
    chosen = settings.initial_vectors or ("random" if settings.unit == "character" else "cooccurrence")
    if chosen == "random":
        return None
    pieces = Cut(corpus.sequences, PIECE)
    return cooccurrence_vectors(pieces, vocabulary=vocabulary, dim=settings.embedding_dim, seed=settings.seed)


def count_tokens(corpus: Corpus, vocabulary: int) -> Ints:
    """How often each token is predicted, int64 (V,)."""
    counts = np.zeros(vocabulary, dtype=np.int64)
    for ids in in_order(corpus.sequences):
        for start in range(1, len(ids), COUNTED):  # NumPy counts 64-bit copies, and a stream is one sequence
            counts += np.bincount(ids[start : start + COUNTED], minlength=vocabulary)
    return counts
