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
from bothways.data.splits import stratified_sample, stratified_split
from bothways.data.tokenizer import Tokenizer
from bothways.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bothways.data.batches import Ints
    from bothways.settings import ClassifierSettings

BASELINE_ROWS = 50_000  # a linear model gains little from more, and must fit in memory
MOST_CLASSES = 1_000
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
    raw: list[Any] = field(default_factory=list)  # at most BASELINE_ROWS of the inputs
    raw_labels: list[Any] = field(default_factory=list)


@dataclass
class Prepared:
    """Everything that training needs of the data."""

    classes: list[Any]
    train: Part
    validation: Part | None
    tokenizer: Tokenizer | None  # None for sequences of numbers
    features: int | None
    identity: str  # fingerprint of the settings and of all the data
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
    labels, kept = _read_labels(source, skip_unlabelled, notes)
    classes = classes if classes is not None else _classes(labels, source)
    targets = _targets(labels, classes)
    if (targets < 0).any():
        raise DataError(
            f"{labels[int(np.argmin(targets))]!r} is a label that the model never had: it knows {_some(classes)}."
        )
    train_rows, held_out = np.arange(len(labels)), None
    if validation is None and settings.validation_size:
        train_rows, held_out = stratified_split(targets, share=settings.validation_size, seed=settings.seed)
        _check_split(targets, train_rows, held_out, classes, notes)
    membership = np.zeros(len(kept), dtype=np.int8)  # 0: left out, 1: trains, 2: validates
    places = np.flatnonzero(kept)
    membership[places[train_rows]] = 1
    if held_out is not None:
        membership[places[held_out]] = 2

    numeric = not isinstance(_first(source), str)
    features = None
    if numeric:
        train, held, features = _numbers(source, membership, settings)
    else:
        tokenizer = tokenizer or _train_tokenizer(source, membership, settings)
        train, held = _encode(source, membership, tokenizer, settings, folder, notes, name="train")
    chosen = set(stratified_sample(targets[train_rows], size=BASELINE_ROWS, seed=settings.seed).tolist())
    _keep_raw(source, membership, 1, train, chosen)
    train.targets = targets[train_rows]
    checked: Part | None = None
    if held_out is not None:
        held.targets = targets[held_out]
        _keep_raw(source, membership, 2, held, None)
        checked = held
    elif validation is not None:
        checked = _validation_part(validation, classes, tokenizer, settings, folder, notes, skip_unlabelled, features)
    return Prepared(
        classes,
        train,
        checked,
        tokenizer,
        features,
        _identity(settings, classes, train, checked, tokenizer),
        None if held_out is None else places[held_out],
        notes,
    )


def _read_labels(source: Source, skip: bool, notes: list[str]) -> tuple[list[Any], NDArray[np.bool_]]:
    """Read all labels; refuse or leave out rows without one."""
    # One object for each distinct label: a million equal strings would fill the memory.
    seen: dict[tuple[type, Any], Any] = {}
    labels = [
        seen.setdefault((type(plain), plain), plain) for _, chunk in source.chunks() for plain in map(_plain, chunk)
    ]
    if not labels:
        raise DataError("There are no rows to train on. Give at least two rows of each of two labels.")
    kept = np.array([label is not None and label != "" for label in labels])
    if not kept.all():
        row = int(np.argmin(kept))
        if not skip:
            raise DataError(
                f"{source.where(row)} has no label. Fill it in, or leave such rows out with --skip-unlabelled."
            )
        notes.append(f"{int((~kept).sum())} rows without a label were left out, the first at {source.where(row)}.")
    return [label for label, good in zip(labels, kept, strict=True) if good], kept


def _plain(label: Any) -> Any:
    """NumPy's scalars to Python's; a missing value of any kind to None."""
    if isinstance(label, np.generic):
        label = label.item()
    if label is None or isinstance(label, (str, bool, int)):
        return label
    if isinstance(label, float):
        if label != label:
            return None
        if label.is_integer():
            return int(label)
        raise DataError(
            f"{label} is a label, but classify needs classes, not measured numbers. "
            "Cut the numbers into classes first, such as low, medium, high."
        )
    if isinstance(label, (list, tuple, set, np.ndarray)):
        raise DataError(
            f"{label!r} is a label, but each row must have one label: several labels a row are not supported. "
            "Train one model for each label, or choose one label a row."
        )
    if type(label).__name__ in ("NAType", "NaTType"):
        return None
    raise DataError(f"A label is {type(label).__name__}, but it must be text, a whole number, or True or False.")


def _classes(labels: list[Any], source: Source) -> list[Any]:
    """List the distinct labels in order, or say why they are no classes."""
    kinds = {type(label) for label in labels}
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise DataError(f"Labels are of several types ({names}). Make them all text, or all whole numbers.")
    classes = sorted(set(labels))
    if len(classes) < 2:
        raise DataError(f"All {len(labels)} rows have the label {classes[0]!r}, but two labels or more are needed.")
    if all(isinstance(label, str) and _is_decimal(label) for label in classes):
        row = next(row for row, label in enumerate(labels) if _is_decimal(label))
        raise DataError(
            f"{source.where(row)} has the label {labels[row]!r}: classify needs classes, not measured numbers. "
            "Cut the numbers into classes first, such as low, medium, high."
        )
    if len(classes) > min(MOST_CLASSES, len(labels) / 2) and len(labels) > 20:
        raise DataError(
            f"{len(classes)} different labels in {len(labels)} rows look like numbers or free text, not classes. "
            "Choose another column with --label."
        )
    return classes


def _is_decimal(label: str) -> bool:
    """Whether a text is a number with a fraction, such as 3.75."""
    try:
        return not float(label).is_integer()
    except (ValueError, OverflowError):
        return False


def _targets(labels: list[Any], classes: list[Any]) -> Ints:
    place = {label: index for index, label in enumerate(classes)}
    return np.array([place.get(label, -1) for label in labels], dtype=np.int64)


def _check_split(targets: Ints, train: Ints, held: Ints, classes: list[Any], notes: list[str]) -> None:
    if len(held) == 0 or len(np.unique(targets[train])) < 2:
        raise DataError(
            f"{len(targets)} rows are too few to hold some out. "
            "Add rows, give --validation, or set --validation-size 0."
        )
    missing = sorted(set(range(len(classes))) - set(targets[held].tolist()))
    if missing:
        notes.append(f"Labels with one row only cannot be held out: {_some([classes[index] for index in missing])}.")


def _some(values: Sequence[Any], most: int = 10) -> str:
    shown = ", ".join(str(value) for value in values[:most])
    return shown if len(values) <= most else f"{shown} and {len(values) - most} more"


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
    cut = empty = start = 0
    paths = folder / f"{name}.arrow", folder / f"{name}-held-out.arrow"
    with CorpusWriter(paths[0]) as train, CorpusWriter(paths[1]) as held:
        for texts, _ in source.chunks():
            inside = membership[start : start + len(texts)]
            start += len(texts)
            ids = tokenizer.encode(list(texts))
            cut += sum(len(row) > settings.max_length for row in ids)
            empty += sum(len(row) == 0 for row in ids)
            ids = [row[: settings.max_length] for row in ids]
            train.write([ids[place] for place in np.flatnonzero(inside == 1)])
            held.write([ids[place] for place in np.flatnonzero(inside == 2)])
    if cut:
        notes.append(f"{cut} texts were cut to their first {settings.max_length} steps (--max-length).")
    if empty:
        notes.append(f"{empty} texts are empty; they are kept, and read as one step of padding.")
    none = np.zeros(0, dtype=np.int64)
    return Part(TokenCorpus(paths[0]), none), Part(TokenCorpus(paths[1]), none)


def _numbers(source: Source, membership: NDArray[np.int8], settings: ClassifierSettings) -> tuple[Part, Part, int]:
    from bothways.data.sequences import as_sequences

    arrays = as_sequences(chain.from_iterable(inputs for inputs, _ in source.chunks()))
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
    labels, kept = _read_labels(source, skip, notes)
    membership = kept.astype(np.int8)
    if tokenizer is None:
        part, _, width = _numbers(source, membership, settings)
        if width != features:
            raise DataError(f"Validation sequences have {width} numbers a step, but training has {features}.")
    else:
        part, _ = _encode(source, membership, tokenizer, settings, folder, notes, name="validation")
    part.targets = _targets(labels, classes)
    unknown = sorted({str(label) for label, target in zip(labels, part.targets, strict=True) if target < 0})
    if unknown:
        notes.append(f"Validation has labels that training never had, counted wrong: {_some(unknown)}.")
    _keep_raw(source, membership, 1, part, None)
    return part


def _keep_raw(source: Source, membership: NDArray[np.int8], wanted: int, part: Part, chosen: set[int] | None) -> None:
    """Keep some of the inputs as they came, with their labels: those `chosen`, or the first BASELINE_ROWS."""
    seen = start = 0
    for inputs, labels in source.chunks():
        inside = membership[start : start + len(inputs)]
        start += len(inputs)
        for place in np.flatnonzero(inside == wanted).tolist():
            if (chosen is None and seen < BASELINE_ROWS) or (chosen is not None and seen in chosen):
                part.raw.append(inputs[place])
                part.raw_labels.append(_plain(labels[place]))
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
