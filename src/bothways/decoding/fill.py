"""Fill the gaps of texts and score their words with a model of missing words, wherever it runs.

Several gaps of one text are filled one after another, the surest first: every gap that is still open is read as
`<unk>`, the one whose best word is most probable is filled with it, and the others are predicted again with that word
in its place. A list of words is what was found when its gap was filled, so that the first words of all lists make the
text together.

Shapes: B texts, T tokens, V vocabulary, N places.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bothways.data.batches import InMemory, collate, plan_in_order_of_length
from bothways.data.sequences import as_texts, literal_start
from bothways.data.tokenizer import Tokenizer
from bothways.data.windows import Cut
from bothways.decoding.generation import unknown_words
from bothways.decoding.language import ScoredToken, losses_of
from bothways.decoding.probabilities import softmax
from bothways.errors import DataError, SettingsError, counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from bothways.data.batches import Sequences
    from bothways.data.language_tokens import LanguageTokens

GAP = re.compile("_{3,}")
STEPS_AT_ONCE = 4096  # tokens of a batch
LOGITS_AT_ONCE = 1 << 24  # numbers in one call, N·V: bounds the memory


class Proposal(NamedTuple):
    """A word for a gap, and its probability there."""

    word: str
    probability: float


@dataclass(frozen=True)
class Filling:
    """A text whose gaps are filled."""

    text: str  # with the first proposal in every gap
    gaps: list[list[Proposal]]  # of every gap, in the order of the text, the best words first


class FillRunner(ABC):
    """A trained model of missing words.

    A word's probability depends on the words on both sides of it, never on what stands in its own place.
    """

    tokens: LanguageTokens
    window: int  # most tokens that are read at once, with the one before the first word and the one behind the last

    @abstractmethod
    def run(self, ids: NDArray[np.int64], lengths: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read ids (B,T) with lengths (B,); give the logits (N,V) of the words at places (N,2): a text, a token."""

    def fill(self, text: str, k: int = 5) -> Filling:
        """Fill every gap of a text.

        Args:
            text: has `___` wherever a word is missing.
            k: most words to propose for a gap.

        Raises:
            DataError: there is no gap, there are more gaps than words, or what is given is no text.
            SettingsError: k is below 1.
        """
        if k < 1:
            raise SettingsError(f"k is {k}, but it must be at least 1.")
        (text,) = as_texts([text])
        ids, places = self._read(text)
        still_open, found = list(range(len(places))), dict[int, list[tuple[int, float]]]()
        while still_open:
            proposed = self._propose(ids, places[still_open], k)
            surest = max(range(len(still_open)), key=lambda number: proposed[number][0][1])
            gap = still_open.pop(surest)
            found[gap] = proposed[surest]
            ids[places[gap]] = found[gap][0][0]
        spoken = [
            [Proposal(self.tokens.spoken(index), probability) for index, probability in found[gap]]
            for gap in range(len(places))
        ]
        words = iter([gap[0].word for gap in spoken])
        return Filling(GAP.sub(lambda _: next(words), text), spoken)

    def check(self, text: str) -> None:
        """Refuse a text that cannot be filled, before any other is.

        Raises:
            DataError: no gap, or more gaps than words.
        """
        self._read(text)

    def unknown_words(self, text: str) -> list[str]:
        """Name the words of a text that the model never learned."""
        return unknown_words(self.tokens, GAP.sub(" ", text))

    def score_words(self, text: str) -> list[ScoredToken]:
        """Give every word of a text with its log probability, nats, given all the others."""
        (ids,) = self.tokens.documents([text])
        losses, _ = self.judge(InMemory([ids]))
        return [
            ScoredToken(self.tokens.spoken(int(index)), -float(loss))
            for index, loss in zip(ids[1:-1], losses, strict=True)
        ]

    def perplexity(self, texts: Iterable[str]) -> float:
        """Give the pseudo-perplexity of texts: exp of the mean of -log p(word | all others); lower is better.

        Raises:
            DataError: there is no word to predict.
        """
        losses, _ = self.judge(InMemory(self.tokens.documents(as_texts(texts))))
        if not len(losses):
            raise DataError("The texts hold no word to predict. Give some text.")
        return float(np.exp(min(700.0, float(losses.mean(dtype=np.float64)))))

    def judge(self, sequences: Sequences) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Judge every word of documents that stand between `<eos>`, in their order.

        Returns:
            -log probability, nats, float32 (N,); and whether the word would be proposed first for a gap in its place,
            bool (N,), which a word that the model does not know never is.
        """
        pieces = Cut(sequences, self.window - 2, shared=2)
        judged: list[tuple[NDArray[np.float32], NDArray[np.bool_]]] = []
        order: list[int] = []
        for rows in plan_in_order_of_length(pieces.lengths, budget=self._steps_at_once()):
            batch = collate(pieces, rows)
            losses, hits = self.judge_batch(batch.inputs.astype(np.int64, copy=False), batch.lengths)
            ends = np.cumsum(batch.lengths - 2)[:-1]
            judged += zip(np.split(losses, ends), np.split(hits, ends), strict=True)
            order += rows.tolist()
        in_order = [judged[place] for place in np.argsort(order)]
        return (
            np.concatenate([np.zeros(0, np.float32), *(losses for losses, _ in in_order)]),
            np.concatenate([np.zeros(0, bool), *(hits for _, hits in in_order)]),
        )

    def judge_batch(
        self, ids: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Judge the words of ids (B,T) with lengths (B,), text by text; see `judge`."""
        places = places_of_words(lengths)
        targets = ids[places[:, 0], places[:, 1]]
        logits = self.run(ids, lengths, places)
        losses = losses_of(logits, targets)
        logits[:, never_proposed(self.tokens)] = -np.inf
        return losses, logits.argmax(axis=1) == targets

    def _propose(self, ids: NDArray[np.int64], places: NDArray[np.int64], k: int) -> list[list[tuple[int, float]]]:
        """Give the k best tokens for places (N,) of a document, with their probabilities, the best first."""
        pieces = Cut(InMemory([ids]), self.window - 2, shared=2)
        holders = np.searchsorted(pieces.starts, places - 1, side="right") - 1
        found = []
        for piece in np.unique(holders):
            (read,) = pieces.take(np.array([piece]))
            inside = places[holders == piece] - pieces.starts[piece]
            asked = np.stack([np.zeros_like(inside), inside], axis=1)
            logits = self.run(read[None].astype(np.int64), np.array([len(read)]), asked)
            probabilities = softmax(logits)
            probabilities[:, never_proposed(self.tokens)] = -1
            for row in probabilities:
                best = [int(index) for index in np.argsort(-row, kind="stable")[:k] if row[index] >= 0]
                found.append([(index, float(row[index])) for index in best])
        return found

    def _read(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Turn a text into a document with `<unk>` in its gaps, int64 (T,), and the gaps' places, int64 (N,)."""
        parts = GAP.split(text)
        gaps = len(parts) - 1
        if not gaps:
            raise DataError(f"The text {literal_start(text)!r} has no gap. Write ___ where a word is missing.")
        encoded = self.tokens.tokenizer.encode(parts)
        words = sum(map(len, encoded))
        if gaps > words:
            raise DataError(
                f"The text has {counted(gaps, 'gap')} but {counted(words, 'word')}, and a gap is filled from the words "
                "around it. Give a text with at least as many words as gaps."
            )
        gap = np.array([Tokenizer.unk_id], dtype=np.int32)
        (document,) = self.tokens.enclosed([np.concatenate([part for piece in encoded for part in (piece, gap)][:-1])])
        places = np.cumsum([len(piece) + 1 for piece in encoded[:-1]])
        return document.astype(np.int64), places

    def _steps_at_once(self) -> int:
        return max(1, min(STEPS_AT_ONCE, LOGITS_AT_ONCE // self.tokens.size))


def never_proposed(tokens: LanguageTokens) -> list[int]:
    """Name the ids that are no words: padding, unknown words, the end of a text, and what would be a gap again."""
    gaps = [index for index, piece in enumerate(tokens.tokenizer.pieces) if "___" in piece]
    return [Tokenizer.pad_id, Tokenizer.unk_id, tokens.eos, *gaps]


def places_of_words(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the places of all words of texts between `<eos>`, int64 (N,2): a text, a token; text by text."""
    steps = np.arange(1, int(lengths.max()) - 1)
    texts, words = np.nonzero(steps < (lengths - 1)[:, None])
    return np.stack([texts, words + 1], axis=1).astype(np.int64)
