"""From labelled sequences to what the loop reads: classes, a split, a tokenizer, token ids on disk.

Input comes in chunks that can be read again from the start, so that a corpus larger than memory
passes through: once for the labels, once for the vocabulary, once for the ids.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bothways.data.batches import InMemory, Sequences
from bothways.data.corpus import CorpusWriter, TokenCorpus
from bothways.data.sequences import as_sequences
from bothways.data.splits import stratified_sample, stratified_split
from bothways.data.tokenizer import Tokenizer
from bothways.errors import DataError, SettingsError, counted
from bothways.training.baselines import MAX_ROWS
from bothways.training.labels import distinct_classes, names_of, numbered, plain_label, read_labels, some

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bothways.data.batches import Ints
    from bothways.settings import ClassifierSettings

CHUNK = 2_000  # texts tokenized at a time


class Source(Protocol):
    """Labelled rows that can be read more than once."""

    def chunks(self) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
        """Give texts (or arrays) and labels, some rows at a time; a missing label is None."""

    def where(self, row: int) -> str:
        """Say where a row stands, for an error message: "reviews.csv, row 17"."""


@dataclass
class Rows:
    """A source that is already in memory."""

    inputs: Sequence[Any]
    labels: Sequence[Any]
    name: str = "labels"

    def chunks(self) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
        """Give all rows in pieces."""
        for start in range(0, len(self.inputs), CHUNK):
            yield self.inputs[start : start + CHUNK], self.labels[start : start + CHUNK]

    def where(self, row: int) -> str:
        """Name a row as Python counts it."""
        return f"{self.name}[{row}]"


@dataclass
class Part:
    """Sequences with their targets, and some of them as they came, for the baselines."""

    sequences: Sequences
    targets: Ints  # (N,) indices into the classes; -1 for a label that training never had
    names: list[str] = field(default_factory=list)  # of the true labels, for rows that are scored
    raw: list[Any] = field(default_factory=list)  # at most MAX_ROWS of the inputs
    raw_labels: list[str] = field(default_factory=list)


@dataclass
class Prepared:
    """Everything that training needs of the data."""

    classes: list[Any]
    train: Part
    validation: Part | None
    tokenizer: Tokenizer | None  # None for sequences of numbers
    features: int | None
    identity: str  # fingerprint of the settings and of all the data
    kept: Ints  # rows of the source that train
    held_out: Ints | None  # rows of the source that validate, if it was split here
    notes: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Let go of the files, so that their folder can be deleted on every system."""
        for part in (self.train, self.validation):
            if part is not None and isinstance(part.sequences, TokenCorpus):
                part.sequences.close()


def prepare(
    source: Source,
    validation: Source | None,
    settings: ClassifierSettings,
    folder: Path,
    *,
    skip_unlabelled: bool = False,
    tokenizer: Tokenizer | None = None,
    classes: list[Any] | None = None,
) -> Prepared:
    """Read labelled rows and write their token ids into `folder`.

    Args:
        source: rows to train on (and to hold out from, if `validation` is None).
        validation: rows that choose the best epoch.
        settings: checked already.
        folder: exists; gets the Arrow files.
        skip_unlabelled: leave rows without a label out, counted, instead of refusing them.
        tokenizer: one to keep, when a model is trained further; None trains one.
        classes: labels to keep, when a model is trained further.

    Raises:
        DataError: no rows, a missing label, one class only, labels that are no classes.
    """
    notes: list[str] = []
    labels, kept = read_labels(source, skip_unlabelled, notes)
    known = classes is not None
    classes = distinct_classes(labels, source, kept) if classes is None else classes
    targets = _targets(labels, classes)
    train_rows, held_out = np.arange(len(labels)), None
    if validation is None and settings.validation_size:
        train_rows, held_out = stratified_split(targets, share=settings.validation_size, seed=settings.seed)
        _check_split(targets, train_rows, held_out, classes, notes, further=known)
    places = np.flatnonzero(kept)
    membership = _membership(len(kept), places[train_rows], places[[] if held_out is None else held_out])

    features = None
    if isinstance(_first(source), str):
        tokenizer = tokenizer or _train_tokenizer(source, membership, settings)
        train, held = _encode(source, membership, tokenizer, settings, folder, notes, name="train")
    else:
        if settings.pretrained is not None:
            raise SettingsError(
                "pretrained names a language model, which reads texts, but these are numbers. Leave it out."
            )
        train, held, features = _numbers(source, membership, settings, notes)
    train.targets = targets[train_rows]
    _keep_raw(source, membership, 1, train, settings.seed)
    if len(train.raw) < len(train_rows):
        notes.append(f"The linear baseline is fitted on {len(train.raw)} of {len(train_rows)} rows.")
    checked: Part | None = None
    if held_out is not None:
        held.targets, held.names = targets[held_out], names_of([labels[row] for row in held_out.tolist()])
        _keep_raw(source, membership, 2, held, settings.seed)
        checked = held
    elif validation is not None:
        checked = _validation_part(validation, classes, tokenizer, settings, folder, notes, skip_unlabelled, features)
    identity = _identity(settings, classes, train, checked, tokenizer)
    held_places = None if held_out is None else places[held_out]
    return Prepared(classes, train, checked, tokenizer, features, identity, places[train_rows], held_places, notes)


def _targets(labels: list[Any], classes: list[Any]) -> Ints:
    """The number of each label, (N,); refuses one that is not among the classes of a model that is trained further."""
    targets = numbered(labels, classes)
    if (targets < 0).any():
        raise DataError(
            f"{labels[int(np.argmin(targets))]!r} is a label that the model never had: it knows {some(classes)}."
        )
    return targets


def _membership(rows: int, train: Ints, held: Ints) -> NDArray[np.int8]:
    """What each row of a source is for, (N,): 0 nothing, 1 training, 2 validation."""
    membership = np.zeros(rows, dtype=np.int8)
    membership[train], membership[held] = 1, 2
    return membership


def _check_split(
    targets: Ints, train: Ints, held: Ints, classes: list[Any], notes: list[str], *, further: bool
) -> None:
    if len(held) == 0 or (len(np.unique(targets[train])) < 2 and not further):
        raise DataError(
            f"{len(targets)} rows are too few to hold some out. "
            "Add rows, give --validation, or set --validation-size 0."
        )
    missing = sorted(set(targets.tolist()) - set(targets[held].tolist()))
    if missing:
        notes.append(f"Labels with one row only cannot be held out: {some([classes[index] for index in missing])}.")


def _first(source: Source) -> Any:
    return next((text for texts, _ in source.chunks() for text in texts), None)


def _members(source: Source, membership: NDArray[np.int8], wanted: int) -> Iterator[list[Any]]:
    """The inputs of one part of the rows, in order, in pieces."""
    start = 0
    for inputs, _ in source.chunks():
        inside = membership[start : start + len(inputs)]
        start += len(inputs)
        yield [inputs[place] for place in np.flatnonzero(inside == wanted).tolist()]


def _train_tokenizer(source: Source, membership: NDArray[np.int8], settings: ClassifierSettings) -> Tokenizer:
    return Tokenizer.train(
        chain.from_iterable(_members(source, membership, 1)),
        unit=settings.unit,
        lowercase=settings.lowercase,
        vocabulary_size=settings.vocabulary_size,
        min_count=settings.min_count,
        language=settings.language,
    )


def _encode(
    source: Source,
    membership: NDArray[np.int8],
    tokenizer: Tokenizer,
    settings: ClassifierSettings,
    folder: Path,
    notes: list[str],
    *,
    name: str,
) -> tuple[Part, Part]:
    """Tokenize every row once, into one file for each part."""
    cut: list[int] = []
    empty: list[int] = []
    start = 0
    paths = folder / f"{name}.arrow", folder / f"{name}-held-out.arrow"
    with CorpusWriter(paths[0]) as train, CorpusWriter(paths[1]) as held:
        for texts, _ in source.chunks():
            inside = membership[start : start + len(texts)]
            ids, lengths = tokenizer.encode_counted(list(texts), settings.max_length)
            cut += (start + np.flatnonzero(lengths > settings.max_length)).tolist()
            empty += [start + row for row, one in enumerate(ids) if len(one) == 0]
            start += len(texts)
            train.write([ids[place] for place in np.flatnonzero(inside == 1)])
            held.write([ids[place] for place in np.flatnonzero(inside == 2)])
    notes += _cut_notes(source, cut, settings.max_length)
    if empty:
        notes.append(f"{counted(len(empty), 'empty text')} kept, the first at {source.where(empty[0])}.")
    none = np.zeros(0, dtype=np.int64)
    return Part(TokenCorpus(paths[0]), none), Part(TokenCorpus(paths[1]), none)


def _cut_notes(source: Source, cut: list[int], most: int) -> list[str]:
    if not cut:
        return []
    where = source.where(cut[0])
    return [f"{counted(len(cut), 'sequence')} cut after {counted(most, 'step')} (max_length), the first at {where}."]


def _numbers(
    source: Source, membership: NDArray[np.int8], settings: ClassifierSettings, notes: list[str]
) -> tuple[Part, Part, int]:
    """Sequences of numbers, float32 (T,F), for each part; they stay in memory, where they came from."""
    arrays = as_sequences(chain.from_iterable(inputs for inputs, _ in source.chunks()))
    notes += _cut_notes(
        source, [row for row, one in enumerate(arrays) if len(one) > settings.max_length], settings.max_length
    )
    if not any(map(len, arrays)):
        raise DataError("Every sequence is empty, so there is nothing to learn from. Give some with steps.")
    arrays = [array[: settings.max_length] for array in arrays]
    parts = [InMemory([arrays[place] for place in np.flatnonzero(membership == wanted)]) for wanted in (1, 2)]
    none = np.zeros(0, dtype=np.int64)
    return Part(parts[0], none), Part(parts[1], none), arrays[0].shape[1]


def _validation_part(
    source: Source,
    classes: list[Any],
    tokenizer: Tokenizer | None,
    settings: ClassifierSettings,
    folder: Path,
    notes: list[str],
    skip: bool,
    features: int | None,
) -> Part:
    """Prepare validation rows that were given, with the tokenizer and classes of training."""
    labels, kept = read_labels(source, skip, notes)
    membership = kept.astype(np.int8)
    if tokenizer is None:
        part, _, width = _numbers(source, membership, settings, notes)
        if width != features:
            raise DataError(f"Validation sequences have {width} numbers a step, but training has {features}.")
    else:
        part, _ = _encode(source, membership, tokenizer, settings, folder, notes, name="validation")
    part.targets, part.names = numbered(labels, classes), names_of(labels)
    unknown = sorted({name for name, target in zip(part.names, part.targets, strict=True) if target < 0})
    if (part.targets < 0).all():
        raise DataError(f"Validation has no label that training has: it has {some(unknown)}, not {some(classes)}.")
    if unknown:
        notes.append(f"Validation has labels that training never had, counted wrong: {some(unknown)}.")
    _keep_raw(source, membership, 1, part, settings.seed)
    return part


def _keep_raw(source: Source, membership: NDArray[np.int8], wanted: int, part: Part, seed: int) -> None:
    """Keep inputs as they came, with their labels: all, or MAX_ROWS of them with every label in its share."""
    chosen = np.zeros(len(part.targets), dtype=bool)
    chosen[stratified_sample(part.targets, size=MAX_ROWS, seed=seed)] = True
    seen = start = 0
    for inputs, labels in source.chunks():
        inside = membership[start : start + len(inputs)]
        start += len(inputs)
        for place in np.flatnonzero(inside == wanted).tolist():
            if chosen[seen]:
                part.raw.append(inputs[place])
                part.raw_labels += names_of([plain_label(labels[place])])
            seen += 1


def _identity(
    settings: ClassifierSettings, classes: list[Any], train: Part, validation: Part | None, tokenizer: Tokenizer | None
) -> str:
    """A fingerprint of everything that decides on the weights."""
    digest = hashlib.sha256(json.dumps([settings.to_dict(), classes], sort_keys=True).encode())
    if tokenizer is not None:
        digest.update(tokenizer.to_json().encode())
    for part in filter(None, (train, validation)):
        digest.update(part.targets.tobytes())
        for start in range(0, len(part.targets), CHUNK):
            rows = np.arange(start, min(start + CHUNK, len(part.targets)))
            for sequence in part.sequences.take(rows):
                digest.update(len(sequence).to_bytes(8, "little"))
                digest.update(sequence.tobytes())
    return digest.hexdigest()


def concatenated(parts: Iterable[Part]) -> tuple[Sequences, Ints]:
    """Join parts to one set of sequences with their targets, without copying them."""
    parts = list(parts)
    return _Joined([part.sequences for part in parts]), np.concatenate([part.targets for part in parts])


class _Joined:
    """Several sets of sequences behind one another."""

    def __init__(self, members: list[Sequences]) -> None:
        self._members = members
        self._lengths = np.concatenate([member.lengths for member in members])
        self._firsts = np.cumsum([0, *(len(member.lengths) for member in members)])

    @property
    def lengths(self) -> Ints:
        return self._lengths

    def take(self, rows: Ints) -> list[NDArray[np.generic]]:
        holders = np.searchsorted(self._firsts, rows, side="right") - 1
        return [
            self._members[holder].take(np.array([row - self._firsts[holder]]))[0]
            for row, holder in zip(rows, holders, strict=True)
        ]
