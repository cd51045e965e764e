"""From pairs of texts to what the loop reads: a split, tokens, ids, and batches by both lengths."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bothways.data.batches import InMemory
from bothways.data.pair_tokens import PairTokens
from bothways.data.pairs import empty_rows
from bothways.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bothways.data.pairs import Pairs
    from bothways.settings import TranslatorSettings

    Ints = NDArray[np.int64]

RARE_EXPANSION = 99.9  # per cent of the pairs whose target is no longer than what may be written


@dataclass
class PairPart:
    """Pairs as texts and as ids."""

    sources: list[str]
    targets: list[str]
    source_ids: InMemory  # each with `<eos>` at its end
    target_ids: InMemory  # each between two

    def __len__(self) -> int:
        return len(self.sources)


@dataclass
class PreparedPairs:
    """Everything that training needs of the data."""

    tokens: PairTokens
    train: PairPart
    validation: PairPart | None
    expansion: int  # most tokens that a translation may have for each of its source
    identity: str  # fingerprint of settings and data
    notes: list[str] = field(default_factory=list)
    columns: tuple[str, str] | None = None  # of the table of `train`: sources and targets


def prepare_pairs(pairs: Pairs, validation: Pairs | None, settings: TranslatorSettings) -> PreparedPairs:
    """Leave out what cannot be learned from, hold pairs out, and learn what tokens there are.

    Args:
        pairs: to train on, and to hold out from if `validation` is None.
        validation: pairs that choose the best epoch.
        settings: checked already.

    Raises:
        DataError: no pair to train on or to validate with, or one that is too long where that is to be refused.
    """
    notes = list(pairs.notes)
    rows, held = _rows(pairs, notes), None
    if validation is not None:
        notes += validation.notes
        held = validation, _rows(validation, notes)
    elif settings.validation_size:
        rows, kept = _split(pairs, rows, settings)
        held = pairs, kept
    tokens = PairTokens.learn([pairs.sources[row] for row in rows], [pairs.targets[row] for row in rows], settings)
    train = _part(pairs, rows, tokens, settings, notes)
    checked = None if held is None else _part(*held, tokens, settings, notes)
    if checked is not None:
        _note_known(train, checked, notes)
    identity = _identity(settings, train, checked)
    return PreparedPairs(tokens, train, checked, _expansion(train), identity, notes, pairs.columns)


def plan_pairs(source_lengths: Ints, target_lengths: Ints, *, budget: int, seed: int, epoch: int) -> list[Ints]:
    """Cut all pairs into shuffled batches of like lengths, of at most `budget` padded tokens on either side.

    Targets of a batch are of nearly one length, as their steps go one by one; among these, sources go by theirs.
    The same arguments give the same batches, so a training that stopped after k batches goes on at plan[k].
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(target_lengths))
    by_length = order[np.lexsort((source_lengths[order], target_lengths[order]))]
    batches: list[Ints] = []
    start = 0
    longest_source = 0
    for place, row in enumerate(by_length):
        longest_source = max(longest_source, int(source_lengths[row]))
        padded = (place - start + 1) * max(int(target_lengths[row]), longest_source)
        if padded > budget and place > start:
            batches.append(by_length[start:place])
            start, longest_source = place, int(source_lengths[row])
    batches.append(by_length[start:])
    return [batches[place] for place in random.permutation(len(batches))]


def _rows(pairs: Pairs, notes: list[str]) -> Ints:
    """The pairs with words on both sides; those without are noted."""
    empty = empty_rows(pairs.sources) | empty_rows(pairs.targets)
    found = np.flatnonzero(~empty)
    if not len(found):
        raise DataError(f"{pairs.name} holds no pair with text on both sides. Give some pairs.")
    if empty.any():
        first = pairs.where(int(empty.argmax()))
        notes.append(
            f"{int(empty.sum()):,} of {len(pairs):,} pairs have an empty side and are left out; the first is {first}."
        )
    return found


def _split(pairs: Pairs, rows: Ints, settings: TranslatorSettings) -> tuple[Ints, Ints]:
    """Hold pairs out: what is trained on, and what validates; no source stands in both."""
    numbers: dict[str, int] = {}
    source = np.array([numbers.setdefault(pairs.sources[row], len(numbers)) for row in rows])
    many = np.bincount(source)
    if len(many) < 2:
        raise DataError(
            f"{'One pair is' if len(rows) == 1 else 'Pairs of one source are'} too few to hold some out. Add pairs, "
            "give --validation, or set --validation-size 0."
        )
    wanted = round(len(rows) * settings.validation_size)
    chosen: list[int] = []
    for number in np.random.default_rng(settings.seed).permutation(len(many)).tolist():
        if many[number] <= wanted and len(chosen) < len(many) - 1:
            chosen.append(number)
            wanted -= int(many[number])
    held = np.isin(source, chosen or [int(many.argmin())])
    return rows[~held], rows[held]


def _note_known(train: PairPart, held: PairPart, notes: list[str]) -> None:
    """Say how many sources of validation are those of training, which can only be where both are given."""
    trained_on = set(train.sources)
    known = sum(source in trained_on for source in held.sources)
    if known:
        notes.append(
            f"{known:,} of {len(held):,} validation sources are trained on, too: expect less on new ones than the "
            "scores say."
        )


def _part(pairs: Pairs, rows: Ints, tokens: PairTokens, settings: TranslatorSettings, notes: list[str]) -> PairPart:
    """The ids of some pairs; those of more tokens than max_length are left out, or refused."""
    sources, targets = [pairs.sources[row] for row in rows], [pairs.targets[row] for row in rows]
    source_ids, target_ids = tokens.sources(sources), tokens.targets(targets)
    longest = np.array(
        [max(len(one) - 1, len(other) - 2) for one, other in zip(source_ids, target_ids, strict=True)], dtype=np.int64
    )
    kept = np.flatnonzero(longest <= settings.max_length)
    if len(kept) < len(rows):
        first = int((longest > settings.max_length).argmax())
        where = pairs.where(int(rows[first]))
        if settings.too_long == "refuse" or not len(kept):
            raise DataError(
                f"{where}: a side of the pair has {int(longest[first]):,} tokens, more than {settings.max_length:,} "
                "(max_length). Shorten it, raise --max-length, or set --too-long cut."
            )
        notes.append(
            f"{len(rows) - len(kept):,} of {len(rows):,} pairs have a side of more than {settings.max_length:,} tokens "
            f"(max_length) and are left out; the first is {where}."
        )
    return PairPart(
        [sources[row] for row in kept],
        [targets[row] for row in kept],
        InMemory([source_ids[row] for row in kept]),
        InMemory([target_ids[row] for row in kept]),
    )


def _expansion(train: PairPart) -> int:
    """Most tokens of a target for each of its source, by the pairs of training; at least 2."""
    shares = (train.target_ids.lengths - 2) / np.maximum(1, train.source_ids.lengths - 1)
    return max(2, int(np.ceil(np.percentile(shares, RARE_EXPANSION))))


def _identity(settings: TranslatorSettings, train: PairPart, validation: PairPart | None) -> str:
    """A fingerprint of everything that decides on the weights."""
    content: list[object] = [settings.to_dict(), train.sources, train.targets]
    if validation is not None:
        content += [validation.sources, validation.targets]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def padded(sequences: InMemory, rows: Sequence[int] | Ints) -> NDArray[np.int64]:
    """Pad some sequences with zeros to one length, int64 (B,T)."""
    taken = sequences.take(np.asarray(rows))
    ids = np.zeros((len(taken), max(map(len, taken))), dtype=np.int64)
    for place, sequence in enumerate(taken):
        ids[place, : len(sequence)] = sequence
    return ids
