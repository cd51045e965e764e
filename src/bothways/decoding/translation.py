"""Translate with a trained translator, wherever it runs: sources are read once, and a beam writes each target.

Shapes: B sources, W beginnings of each, S steps of the longest source, T tokens of a target.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from bothways.data.batches import InMemory, collate
from bothways.data.pair_tokens import whole_words
from bothways.data.sequences import as_texts
from bothways.data.tokenizer import Tokenizer
from bothways.decoding.beam import BeamSettings, Step, Written, beam_search
from bothways.errors import DataError, SettingsError, check_choice
from bothways.settings import TooLong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from bothways.data.language_tokens import LanguageTokens
    from bothways.data.pair_tokens import PairTokens

    Ints = NDArray[np.int64]

BEGINNINGS_AT_ONCE = 512  # of all sources of a batch together
STEPS_AT_ONCE = 1 << 16  # of the source that these look at together: it bounds the memory of long ones
SHORTEST_LIMIT = 10  # tokens that any source may become, besides so many times its own
END = "(end)"  # names the last step of a target in a picture


@dataclass(frozen=True)
class Translation:
    """What a source became."""

    text: str
    score: float  # what translations of one source are compared by
    log_probability: float  # nats, of all tokens and the end
    source_words: list[str]  # with the end, as are those of the target
    target_words: list[str]
    attention: NDArray[np.float64] | None  # (target words, source words), each row sums to 1; None: it has none

    @property
    def entropies(self) -> NDArray[np.float64]:
        """How spread each step's attention is, nats, (target words,): 0 looks at one word alone."""
        if self.attention is None:
            return np.zeros(0)
        found: NDArray[np.float64] = -(self.attention * np.log(np.maximum(self.attention, 1e-12))).sum(axis=1)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Give everything for JSON."""
        return {
            "text": self.text,
            "score": round(self.score, 6),
            "log_probability": round(self.log_probability, 6),
            "source_words": self.source_words,
            "target_words": self.target_words,
            "attention": None
            if self.attention is None
            else [[round(float(w), 4) for w in row] for row in self.attention],
        }


@dataclass
class Tally:
    """What became of sources that are no common ones, over several calls."""

    rows: int = 0
    empty: list[int] = field(default_factory=list)  # rows, counted from 0
    cut: list[int] = field(default_factory=list)

    def notes(self, where: Callable[[int], str], max_length: int) -> list[str]:
        """Say what was empty and what was cut, and where the first of each stands."""
        found = []
        for rows, said in (
            (self.empty, "empty, and so is the translation"),
            (self.cut, f"longer than {max_length:,} tokens (max_length) and cut there"),
        ):
            if rows:
                many = "1 source is" if len(rows) == 1 else f"{len(rows):,} sources are"
                found.append(f"{many} {said}; {'it' if len(rows) == 1 else 'the first'} is {where(rows[0])}.")
        return found


class TranslationRunner(ABC):
    """A trained translator. A source becomes the same target alone as in company."""

    tokens: PairTokens
    search: BeamSettings
    max_length: int  # most tokens of a source that are read
    too_long: TooLong
    expansion: int  # most tokens of a target for each of its source, SHORTEST_LIMIT more for all
    columns: tuple[str, str] | None = None  # of the table that was trained on, sources and targets, if it is known

    @abstractmethod
    def read(self, ids: Ints, lengths: Ints) -> Any:
        """Read sources (B,S) of lengths (B,): the state before the first token, of one beginning each."""

    @abstractmethod
    def step(self, tokens: Ints, state: Any, count: int) -> Step:
        """Go on; see `Writer.step`."""

    @abstractmethod
    def chosen(self, state: Any, inputs: Ints, rows: Ints) -> Any:
        """Give the state of some; see `Writer.chosen`."""

    def predict(
        self,
        texts: Iterable[str],
        *,
        beam_size: int | None = None,
        copy_unknown: bool = False,
        tally: Tally | None = None,
        too_long: TooLong | None = None,
        where: Callable[[int], str] | None = None,
    ) -> list[str]:
        """Give the best translation of each text, in the order given; see `translate`."""
        settings = self._beam(beam_size, 1, copy_unknown)
        sources, encoded = self._encoded(texts, Tally() if tally is None else tally, too_long, where)
        found = [""] * len(sources)
        for row, (best, *_) in self._search(encoded, settings, keep_attention=copy_unknown):
            found[row] = self._text(sources[row], encoded[row], best, copy_unknown)
        return found

    def translate(
        self,
        texts: Iterable[str],
        *,
        beam_size: int | None = None,
        n_best: int = 1,
        copy_unknown: bool = False,
        tally: Tally | None = None,
        too_long: TooLong | None = None,
        where: Callable[[int], str] | None = None,
    ) -> list[list[Translation]]:
        """Translate texts; an empty one becomes an empty one.

        Args:
            texts: any number.
            beam_size: beginnings that are kept; 1 is greedy search; None: as the model was made.
            n_best: most translations of each, the best first.
            copy_unknown: put the source word that was most looked at in the place of a word outside the vocabulary.
            tally: counts what is empty or cut.
            too_long: whether a source of more than max_length tokens is cut or refused; None: as the model was made.
            where: names a row, counted from 0 over all calls of a tally, for a message; None counts from 1.

        Raises:
            SettingsError: a beam below 1, or fewer beginnings than translations.
            DataError: something is no text, or a source is too long and that is to be refused.
        """
        settings = self._beam(beam_size, n_best, copy_unknown)
        sources, encoded = self._encoded(texts, Tally() if tally is None else tally, too_long, where)
        found: list[list[Translation]] = [[Translation("", 0.0, 0.0, [END], [END], None)] for _ in sources]
        for row, some in self._search(encoded, settings, keep_attention=True):
            found[row] = [self._translation(sources[row], encoded[row], one, copy_unknown) for one in some[:n_best]]
        return found

    def _encoded(
        self,
        texts: Iterable[str],
        tally: Tally,
        too_long: TooLong | None,
        where: Callable[[int], str] | None,
    ) -> tuple[list[str], list[NDArray[np.int32]]]:
        """Texts with the ids of each, (S,) with `<eos>` behind; none of an empty one. See `translate`."""
        sources = as_texts(texts)
        encoded = self.tokens.sources(sources)
        empty = np.array([not text.strip() for text in sources], dtype=bool)
        longer = [row for row, ids in enumerate(encoded) if len(ids) - 1 > self.max_length]
        check_choice("too_long", too_long or self.too_long, get_args(TooLong))
        if longer and (too_long or self.too_long) == "refuse":
            row = longer[0] + tally.rows
            raise DataError(
                f"{where(row) if where else f'Text {row + 1:,}'}: the source has {len(encoded[longer[0]]) - 1:,} "
                f"tokens, more than {self.max_length:,} (max_length). Shorten it, or set --too-long cut."
            )
        tally.empty += (np.flatnonzero(empty) + tally.rows).tolist()
        tally.cut += [row + tally.rows for row in longer]
        tally.rows += len(sources)
        for row in longer:
            encoded[row] = np.append(encoded[row][: self.max_length], encoded[row][-1])
        for row in np.flatnonzero(empty).tolist():
            encoded[row] = encoded[row][:0]
        return sources, encoded

    def _search(
        self, encoded: Sequence[NDArray[np.int32]], settings: BeamSettings, *, keep_attention: bool
    ) -> Iterable[tuple[int, list[Written]]]:
        """Search for all that are not empty, in batches of like length: each one's row, and what was found for it."""
        given = InMemory(encoded)
        eos = self.tokens.target.eos
        for rows in batches_of(given.lengths, settings.size):
            batch = collate(given, rows, rounded=False)
            longest = [self.expansion * (int(length) - 1) + SHORTEST_LIMIT for length in batch.lengths]
            state = self.read(batch.inputs.astype(np.int64, copy=False), batch.lengths)
            found = beam_search(
                self, state, longest, start=eos, end=eos, settings=settings, steps=batch.lengths,
                keep_attention=keep_attention,
            )  # fmt: skip
            yield from zip(rows.tolist(), found, strict=True)

    def _beam(self, beam_size: int | None, n_best: int, copy_unknown: bool) -> BeamSettings:
        """The settings of one call."""
        size = self.search.size if beam_size is None else beam_size
        settings = BeamSettings(size, self.search.length_penalty, self.search.coverage_penalty)
        settings.check()
        if not 1 <= n_best <= size:
            raise SettingsError(f"n_best is {n_best}, but a beam of {size} finds 1 to {size}. Widen it with --beam.")
        if copy_unknown and not self.has_attention:
            raise SettingsError("copy_unknown needs attention, which this model was trained without. Leave it out.")
        return settings

    @property
    @abstractmethod
    def has_attention(self) -> bool:
        """Whether the model looks at its source."""

    def _text(self, text: str, source: NDArray[np.int32], written: Written, copy_unknown: bool) -> str:
        """Turn ids into a text."""
        ids = written.tokens
        unknown: list[str] = []
        if copy_unknown and written.attention is not None and (ids == Tokenizer.unk_id).any():
            read = self._spoken_source(text, source[:-1])
            looks = written.attention[:-1, : len(read)].argmax(axis=1)
            unknown = [read[looks[place]] for place in np.flatnonzero(ids == Tokenizer.unk_id)]
        return self.tokens.target.tokenizer.decode(ids, unknown)

    def _translation(self, text: str, source: NDArray[np.int32], written: Written, copy_unknown: bool) -> Translation:
        """Turn ids into a text and its words."""
        target, ids = self.tokens.target, written.tokens
        source_of, target_of = whole_words(self.tokens.source, source[:-1]), whole_words(target, ids)
        attention = None
        if written.attention is not None:
            attention = _by_words(written.attention[:, : len(source)].astype(np.float64), source_of, target_of)
        return Translation(
            self._text(text, source, written, copy_unknown),
            written.score,
            written.log_probability,
            [*(_words(self.tokens.source, source[:-1], source_of) or self._spoken_source(text, source[:-1])), END],
            [*(_words(target, ids, target_of) or [target.spoken(int(index)) for index in ids]), END],
            attention,
        )

    def _spoken_source(self, text: str, ids: NDArray[np.int32]) -> list[str]:
        """Name the tokens of a source, those outside the vocabulary as they stand in it."""
        return self.tokens.source.tokenizer.tokens(text)[: len(ids)]


def batches_of(lengths: Ints, beam_size: int) -> Iterator[Ints]:
    """Cut rows into batches of like length that can be searched for at once; rows of no length are left out."""
    in_order = np.argsort(lengths, kind="stable")[int((lengths == 0).sum()) :]
    start = 0
    for place, row in enumerate(in_order):
        beginnings = (place - start + 1) * beam_size
        if place > start and (beginnings > BEGINNINGS_AT_ONCE or beginnings * int(lengths[row]) > STEPS_AT_ONCE):
            yield in_order[start:place]
            start = place
    if start < len(in_order):
        yield in_order[start:]


def _words(tokens: LanguageTokens, ids: NDArray[np.integer[Any]], words: Sequence[int]) -> list[str]:
    """Join byte pairs to words; nothing for other tokens."""
    if tokens.tokenizer.unit != "bpe" or not words:
        return []
    parts = np.split(ids, np.flatnonzero(np.diff(words)) + 1)
    return [word.strip() or word for word in (tokens.tokenizer.decode(part) for part in parts)]


def _by_words(
    attention: NDArray[np.float64], source_of: Sequence[int], target_of: Sequence[int]
) -> NDArray[np.float64]:
    """Turn attention of tokens (T+1,S+1) into that of words: added up over a source word, the mean over a target word.

    Both ends are words of their own.
    """
    columns, rows = ([*some, (some[-1] + 1) if some else 0] for some in (source_of, target_of))
    added = np.zeros((rows[-1] + 1, columns[-1] + 1))
    np.add.at(added, (np.array(rows)[:, None], np.array(columns)), attention)
    shares: NDArray[np.float64] = added / added.sum(axis=1, keepdims=True)
    return shares
