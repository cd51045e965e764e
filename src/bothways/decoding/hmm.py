"""A hidden Markov model of labelled words: the labels are a Markov chain, each word hangs on its label alone.

Learning is counting (`training/hmm.py`); here the counts become scores, and the linear chain decodes them. The model is
that of Brants (2000, "TnT"), with another mixture of what is known of a word:

    emission    log P(word | label), up to P(word) the log of P(label | word) / P(label), where P(label | word) mixes
                the counts of the word as it is written, of its lower case, and, for what is rare or unknown, of words
                of like look (capitals, digits, hyphens) with the same ending, from no letters up to the last six.
    transition  of order 2 P(label | the two before), backed off to one label before and to none, by how many labels
                were seen to follow (Witten and Bell, 1991).

Of order 2 the chain's states are pairs of labels.

Shapes: T words, K labels, S states of the chain: K of order 1, (K+1)·K of order 2, where "none yet" is a label, too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from bothways.decoding.chain import LinearChain
from bothways.errors import MissingFileError, ModelFolderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Decoding = Literal["posterior", "viterbi"]

LONGEST_ENDING = 6
WRITTEN, LOWER, ENDING = 1.0, 0.3, 3.0  # weights of the guess under each count; lower case counts by LOWER itself
SINGLE, PAIR = 1.0 / 3, 4.0  # followers that each kind of follower stands for when it was not seen
NEVER = 1e-9  # the least probability of a label of a word
NUMBERS_AT_ONCE = 1 << 22  # of scores of states that are decoded together: bounds the memory
_FORMAT = 1


@dataclass(frozen=True)
class Counts:
    """How often each label was seen with each of some names."""

    names: dict[str, int]
    numbers: NDArray[np.int32]  # (N,K)

    def of(self, name: str) -> NDArray[np.int32] | None:
        """Give the counts of a name, (K,), or None."""
        row = self.names.get(name)
        return None if row is None else self.numbers[row]


@dataclass(frozen=True)
class HiddenMarkovModel:
    """What was counted, and what it says of new words.

    A sentence gets the same labels alone as in company. Every word gets one, also words never seen.
    """

    labels: list[str]  # K
    # (K+1,K+1,K+1): two labels before (K: none yet) and the label (K: the end). Of order 1 (1,K+1,K+1), as the cube of
    # many labels would fill the memory.
    followers: NDArray[np.int32]
    written: Counts  # words as they are written
    endings: Counts  # looks and endings of rare words, as `look_alikes` names them
    order: int = 2  # labels that the next one hangs on

    def predict(self, sentences: Sequence[Sequence[str]], decoding: Decoding = "posterior") -> list[list[str]]:
        """Label the words of sentences.

        Args:
            sentences: words.
            decoding: "posterior" takes the likeliest label of each word, which makes the fewest wrong; "viterbi" the
                likeliest sequence, which never has two neighbours that cannot stand together.
        """
        if decoding == "posterior":
            return [[self.labels[label] for label in chances.argmax(axis=1)] for chances in self.marginals(sentences)]
        found: list[list[str]] = [[] for _ in sentences]
        for rows, emissions, lengths in self.scored(sentences):
            paths, _ = self.chain.best(emissions, lengths)
            for row, path, length in zip(rows, paths, lengths, strict=True):
                found[row] = [self.labels[state % len(self.labels)] for state in path[:length]]
        return found

    def marginals(self, sentences: Sequence[Sequence[str]]) -> list[Floats]:
        """Give the probability of each label of each word, float64 (T,K) for each sentence."""
        count = len(self.labels)
        found = [np.zeros((0, count)) for _ in sentences]
        for rows, emissions, lengths in self.scored(sentences):
            chances, _ = self.chain.marginals(emissions, lengths)
            for row, some, length in zip(rows, chances, lengths, strict=True):
                found[row] = some[:length].reshape(length, -1, count).sum(axis=1)
        return found

    def emissions(self, words: Sequence[str]) -> Floats:
        """Give log P(word | label) up to a number that is the same for all labels, float64 (T,K)."""
        chances = np.stack([self.guess(word, first=place == 0) for place, word in enumerate(words)])
        found: Floats = np.log(chances + NEVER) - np.log(self.shares)
        return found

    def guess(self, word: str, *, first: bool) -> Floats:
        """Give the probability of each label of a word by itself, (K,); `first`: it begins a sentence."""
        chances = self.shares
        for name in look_alikes(word, first=first):
            counts = self.endings.of(name)
            if counts is None:
                break
            chances = _mixed(counts, chances, ENDING)
        lower = self._lower.of(word.lower())
        if lower is not None:
            chances = _mixed(LOWER * lower, chances, WRITTEN)
        written = self.written.of(word)
        return chances if written is None else _mixed(written, chances, WRITTEN)

    @cached_property
    def shares(self) -> Floats:
        """P(label), (K,)."""
        counts = self.followers.sum(axis=(0, 1))[:-1]
        found: Floats = counts / counts.sum()
        return found

    @cached_property
    def next_label(self) -> Floats:
        """P(label | labels before), the last label being the end: (K+1,K+1) of order 1, (K+1,K+1,K+1) of order 2."""
        pairs = self.followers.sum(axis=0)
        alone = pairs.sum(axis=0) / pairs.sum()
        one = _backed_off(pairs, alone, SINGLE)
        return one if self.order == 1 else _backed_off(self.followers, one, PAIR)

    @cached_property
    def chain(self) -> LinearChain:
        """The chain over states."""
        with np.errstate(divide="ignore"):
            scores = np.log(self.next_label)
        count = len(self.labels)
        if self.order == 1:
            return LinearChain(scores[:-1, :-1], scores[-1, :-1], scores[:-1, -1])
        ways = np.full((count + 1, count, count + 1, count), -np.inf)
        for here in range(count):
            ways[:, here, here, :] = scores[:, here, :-1]
        start = np.full((count + 1, count), -np.inf)
        start[-1] = scores[-1, -1, :-1]
        states = start.size
        return LinearChain(ways.reshape(states, states), start.ravel(), scores[:, :-1, -1].ravel())

    @cached_property
    def _lower(self) -> Counts:
        names: dict[str, int] = {}
        rows = np.array([names.setdefault(word.lower(), len(names)) for word in self.written.names], dtype=np.int64)
        numbers = np.zeros((len(names), len(self.labels)), dtype=np.int32)
        np.add.at(numbers, rows, self.written.numbers)
        return Counts(names, numbers)

    def scored(self, sentences: Sequence[Sequence[str]]) -> Iterator[tuple[Ints, Floats, Ints]]:
        """Scores of the chain's states for sentences of like length: rows, float64 (B,T,S), lengths."""
        lengths = np.array([len(words) for words in sentences], dtype=np.int64)
        order = np.argsort(-lengths, kind="stable")
        order = order[lengths[order] > 0]
        states, count = len(self.chain.start), len(self.labels)
        while len(order):
            longest = int(lengths[order[0]])
            rows, order = np.split(order, [max(1, NUMBERS_AT_ONCE // (longest * states))])
            emissions = np.zeros((len(rows), longest, count))
            for place, row in enumerate(rows):
                emissions[place, : lengths[row]] = self.emissions(sentences[row])
            yield rows, np.tile(emissions, (1, 1, states // count)), lengths[rows]

    def save(self, path: Path) -> None:
        """Write one safetensors file."""
        tensors: dict[str, NDArray[Any]] = {
            "followers": self.followers,
            "written": self.written.numbers,
            "endings": self.endings.numbers,
            "words": _in_bytes(self.written.names),
            "look_alikes": _in_bytes(self.endings.names),
        }
        facts = {"format": _FORMAT, "labels": self.labels, "order": self.order}
        path.write_bytes(save(tensors, metadata={"hmm": json.dumps(facts)}))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote; it gives exactly the same labels.

        Raises:
            MissingFileError: there is no such file.
            ModelFolderError: it is damaged, or something else.
        """
        if not path.is_file():
            raise MissingFileError(f"{path} is missing: the hidden Markov model cannot be read. Train the model again.")
        try:
            with safe_open(path, framework="np") as file:
                facts = json.loads((file.metadata() or {})["hmm"])
                part = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return cls(
                list(facts["labels"]),
                part["followers"],
                Counts(_names(part["words"]), part["written"]),
                Counts(_names(part["look_alikes"]), part["endings"]),
                int(facts["order"]),
            )
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ModelFolderError(f"{path} holds no whole hidden Markov model. Train the model again.") from error


def look_alikes(word: str, *, first: bool) -> list[str]:
    """Name what a word is alike to, from its look alone to look and the last letters, one more each time."""
    look = "d" if any(letter.isdigit() for letter in word) else "l"
    if word[:1].isupper():
        look += "f" if first else "c"  # a capital that begins a sentence says little
        look += "u" if word.isupper() and len(word) > 1 else ""
    look += "-" if "-" in word else ""
    lower = word.lower()
    return [look, *(f"{look} {lower[-size:]}" for size in range(1, min(LONGEST_ENDING, len(lower)) + 1))]


def _mixed(counts: NDArray[Any], chances: Floats, weight: float) -> Floats:
    """Shares of counts, with `weight` more counts shared out as `chances` say."""
    found: Floats = (counts + weight * chances) / (counts.sum() + weight)
    return found


def _backed_off(counts: NDArray[np.int32], shorter: Floats, weight: float) -> Floats:
    """Shares along the last dimension, with `weight` counts more for each kind of follower, shared out as by less."""
    more = weight * np.maximum(1, (counts > 0).sum(axis=-1, keepdims=True))
    found: Floats = (counts + more * shorter) / (counts.sum(axis=-1, keepdims=True) + more)
    return found


def _in_bytes(names: dict[str, int]) -> NDArray[np.uint8]:
    """Names in the order of their rows, as JSON."""
    return np.frombuffer(json.dumps(list(names), ensure_ascii=False).encode("utf-8", "surrogatepass"), dtype=np.uint8)


def _names(content: NDArray[np.uint8]) -> dict[str, int]:
    names = json.loads(content.tobytes().decode("utf-8", "surrogatepass"))
    return {name: row for row, name in enumerate(names)}
