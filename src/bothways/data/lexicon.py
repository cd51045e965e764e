"""Words as a tagger reads them: a vector for each known word, and the letters of all.

A batch names each distinct word once, so that its letters are read once however often it stands there.

Shapes: B sentences, T words in the longest, N distinct words of a batch, C letters in the longest word.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from bothways.data.batches import rounded_up
from bothways.data.token_rules import PAD, UNK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

LONGEST_WORD = 40  # letters that are read; of a longer word the first and the last half
UNKNOWN = 1  # of words and of letters; 0 is padding


class WordBatch(NamedTuple):
    """Sentences, padded to one length, whose words are named once."""

    which: Ints  # (B,T), the place of each word among the N; 0 on padding
    lengths: Ints  # (B,), words of each sentence
    words: Ints  # (N,), ids of the words' vectors
    letters: Ints  # (N,C), ids
    letter_counts: Ints  # (N,)
    enclosed: Ints  # (B,T+2), the words as a language model knows them, a border before and behind; without one (B,0)


@dataclass(frozen=True)
class LanguageWords:
    """The words of a language model."""

    words: list[str]  # <pad>, <unk>, ...
    lowercase: bool
    border: int  # what stands before and behind a text

    def ids(self, forms: Iterable[str]) -> Ints:
        """Give the ids of words, int64 (N,): looked up as the language model's tokenizer writes them."""
        names = (unicodedata.normalize("NFC", form) for form in forms)
        if self.lowercase:
            # Letter by letter, as the tokenizer does: of a whole word Python ends Greek ones in another sigma.
            names = ("".join(map(str.lower, name)) for name in names)
        return np.array([self._places.get(name, UNKNOWN) for name in names], dtype=np.int64)

    def enclose(self, forms: Sequence[str], which: Ints, lengths: Ints) -> Ints:
        """Give the ids of sentences with borders, int64 (B,T+2); arguments as in `WordBatch`, with the words' forms."""
        steps = np.arange(which.shape[1] + 2)
        ids = np.pad(self.ids(forms)[which], ((0, 0), (1, 1)), constant_values=self.border)
        ids[steps == lengths[:, None] + 1] = self.border
        ids[steps > lengths[:, None] + 1] = 0
        return ids

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words) if place > UNKNOWN}


@dataclass(frozen=True)
class Lexicon:
    """Which words and letters have a vector: ids are places in these lists."""

    words: list[str]  # <pad>, <unk>, then by frequency
    letters: list[str]  # <pad>, <unk>, then in order
    lowercase: bool  # whether words are looked up in small letters
    language: LanguageWords | None = None  # of the language model whose states join the vectors

    @classmethod
    def learn(
        cls,
        sentences: Iterable[Sequence[str]],
        *,
        lowercase: bool,
        min_count: int,
        more: Iterable[str] = (),
    ) -> Self:
        """Take the words and letters of training sentences.

        Args:
            sentences: words.
            lowercase: one vector for a word however it is written.
            min_count: times that a word must occur.
            more: words that have a vector however often they occur.
        """
        forms = Counter(word for words in sentences for word in words)
        counts: Counter[str] = Counter()
        for form, count in forms.items():
            counts[form.lower() if lowercase else form] += count
        known = dict.fromkeys(word for word, count in counts.most_common() if count >= min_count)
        known |= dict.fromkeys(word.lower() if lowercase else word for word in more)
        written: Counter[str] = Counter()
        for form, count in forms.items():
            for letter in form:
                written[letter] += count
        # From letters seen only once the vector of unknown ones is learned.
        letters = sorted(letter for letter, count in written.items() if count > 1)
        return cls([PAD, UNK, *(word for word in known if word not in (PAD, UNK))], [PAD, UNK, *letters], lowercase)

    def word_ids(self, forms: Sequence[str]) -> Ints:
        """Give the ids of words as they are written, int64 (N,)."""
        names = (form.lower() for form in forms) if self.lowercase else forms
        return np.array([self._word_places.get(name, UNKNOWN) for name in names], dtype=np.int64)

    def spell(self, forms: Sequence[str]) -> tuple[Ints, Ints]:
        """Give the letters of words as they are written, int64 (N,C), and their numbers, int64 (N,)."""
        cut = [_cut(form) for form in forms]
        sizes = np.array([len(form) for form in cut], dtype=np.int64)
        counts = np.maximum(sizes, 1)
        letters = np.zeros((len(cut), rounded_up(int(counts.max(initial=1)), multiple=8)), dtype=np.int64)
        letters[np.arange(letters.shape[1]) < sizes[:, None]] = self._letter_ids("".join(cut))
        return letters, counts

    def batch(self, sentences: Sequence[Sequence[str]], *, rounded: bool = False) -> WordBatch:
        """Read sentences, each of at least one word; `rounded` pads so that few lengths occur."""
        lengths = np.array([len(words) for words in sentences], dtype=np.int64)
        longest = int(lengths.max())
        which = np.zeros((len(sentences), rounded_up(longest, multiple=8) if rounded else longest), dtype=np.int64)
        places: dict[str, int] = {}
        for row, words in enumerate(sentences):
            which[row, : len(words)] = [places.setdefault(word, len(places)) for word in words]
        forms = list(places)
        enclosed = np.zeros((len(sentences), 0), dtype=np.int64)
        if self.language is not None:
            enclosed = self.language.enclose(forms, which, lengths)
        return WordBatch(which, lengths, self.word_ids(forms), *self.spell(forms), enclosed)

    def to_json(self) -> str:
        """Give everything for a file."""
        return json.dumps(asdict(self), ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` gave."""
        facts: dict[str, Any] = json.loads(text)
        language = None if facts["language"] is None else LanguageWords(**facts["language"])
        return cls(**{**facts, "language": language})

    @cached_property
    def _word_places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words) if place > UNKNOWN}

    def _letter_ids(self, text: str) -> Ints:
        """The id of each letter of a text, int64."""
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        known, ids = self._letter_points
        places = known.searchsorted(points)
        return np.where(known[places] == points, ids[places], UNKNOWN)

    @cached_property
    def _letter_points(self) -> tuple[NDArray[np.uint32], Ints]:
        """The code points of the letters, in order, and the letters' ids; behind them one that no letter has."""
        places = {ord(letter): place for place, letter in enumerate(self.letters) if place > UNKNOWN}
        points = [*sorted(places), 0xFFFFFFFF]
        return np.array(points, dtype=np.uint32), np.array([places.get(point, UNKNOWN) for point in points])


def _cut(form: str) -> str:
    if len(form) <= LONGEST_WORD:
        return form
    half = LONGEST_WORD // 2
    return form[:half] + form[-half:]
