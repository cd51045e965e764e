"""tf-idf of words and pairs of neighbours, counted with numpy alone.

In a script that puts no spaces between words, the units are characters, alone, in pairs and in threes.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bothways.data.spacing import UNSPACED

_WORD, _CHARACTER = r"\w+", r"\S"
_LETTER = re.compile(r"[^\W\d_]")
# Thai and Lao, Burmese, Khmer, kana, Han: scripts written without spaces between words.
_UNSPACED = re.compile(f"[{UNSPACED}]")
_MAX_FEATURES, _MIN_FEATURES, _MAX_WEIGHTS = 200_000, 2_000, 2_000_000
_ROWS_FOR_PRUNING = 200
_TEXTS_AT_ONCE = 4096

Numbers = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Units(NamedTuple):
    """The units (words or characters) of some texts, one after another: int64 (N,) each; -1 is an unknown unit."""

    numbers: Ints
    rows: Ints


class Entries(NamedTuple):
    """The entries of a sparse matrix that are not zero, by row and then by column: (N,) each."""

    rows: Ints
    columns: Ints
    values: Floats


@dataclass(frozen=True)
class NgramFeatures:
    """tf-idf of a text's n-grams; a text has Euclidean length 1, or 0 if nothing in it is known.

    An n-gram is stored as its beginning (a number among the (n-1)-grams) and its last unit. It never occurs more
    often than its beginning, so keeping the most frequent ones keeps every beginning.

    Attributes:
        pattern: regular expression of one unit, on the lower-cased text.
        units: the units, by number.
        keys: for n = 2, 3…: int64 ascending, beginning · len(units) + last unit.
        idf: float32 (V,), ln((1 + texts) / (1 + texts with it)) + 1, for the units, the pairs, the threes.
    """

    pattern: str
    units: list[str]
    keys: list[Ints]
    idf: npt.NDArray[np.float32]

    def entries(self, texts: Sequence[str]) -> Entries:
        """Return (1 + ln(count)) · idf of each n-gram of each text, scaled to length 1: a sparse (B, V)."""
        found = _known_units(texts, self.pattern, self.units)
        cells, first = [], 0
        places = found.numbers
        for order, keys in enumerate([np.arange(len(self.units)), *self.keys], start=1):
            if order > 1:
                places = _look_up(_extend(places, found, order, len(self.units)), keys)
            here = np.flatnonzero(places >= 0)
            cells.append(found.rows[here] * len(self.idf) + first + places[here])
            first += len(keys)
        cell, counts = np.unique(np.concatenate(cells), return_counts=True)
        rows, columns = np.divmod(cell, len(self.idf))
        values = (1 + np.log(counts)) * self.idf[columns]
        lengths = np.sqrt(np.bincount(rows, values**2, minlength=len(texts)))
        return Entries(rows, columns, values / lengths[rows])

    def project(self, texts: Sequence[str], coefficients: Numbers) -> Floats:
        """Multiply the features of texts by coefficients (R, V): float64 (B, R)."""
        scores = np.zeros((len(texts), len(coefficients)))
        for start, entries in self._in_pieces(texts):
            stop = min(start + _TEXTS_AT_ONCE, len(texts))
            for column, weights in enumerate(coefficients):
                products = entries.values * weights[entries.columns]
                scores[start:stop, column] = np.bincount(entries.rows, products, minlength=stop - start)
        return scores

    def matrix(self, texts: Sequence[str]) -> Any:
        """Return the features as a scipy matrix of compressed sparse rows, float32 (B, V)."""
        from scipy.sparse import csr_matrix

        pieces = [Entries(rows + start, columns, values) for start, (rows, columns, values) in self._in_pieces(texts)]
        rows, columns = (np.concatenate([piece[part] for piece in pieces]) for part in (0, 1))
        values = np.concatenate([piece.values.astype(np.float32) for piece in pieces])
        return csr_matrix((values, (rows, columns)), shape=(len(texts), len(self.idf)))

    def _in_pieces(self, texts: Sequence[str]) -> Iterator[tuple[int, Entries]]:
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            yield start, self.entries(texts[start : start + _TEXTS_AT_ONCE])


def fit_ngrams(texts: Sequence[str], weights_per_feature: int) -> NgramFeatures | None:
    """Choose the n-grams of some texts, or return None where there is no unit to count.

    N-grams of one text only are dropped from 200 texts on. The most frequent are kept, at most 200,000 and fewer
    where each has more than ten weights.
    """
    unspaced = _mostly_unspaced(texts)
    pattern, longest = (_CHARACTER, 3) if unspaced else (_WORD, 2)
    min_texts = 2 if len(texts) >= _ROWS_FOR_PRUNING else 1
    limit = max(_MIN_FEATURES, min(_MAX_FEATURES, _MAX_WEIGHTS // weights_per_feature))
    names, found = _all_units(texts, pattern)
    codes, levels = found.numbers, []
    for order in range(1, longest + 1):
        level = _frequent(codes, found.rows[: len(codes)], len(texts), min_texts)
        places = _look_up(codes, level.keys)
        if order == 1:
            found = Units(places, found.rows)
        levels.append(level)
        codes = _extend(places, found, order + 1, len(levels[0].keys))
    if not len(levels[0].keys):
        return None
    return _most_frequent(levels, limit, names, pattern, len(texts))


def _mostly_unspaced(texts: Sequence[str]) -> bool:
    """True where most letters of (at most 1,000, evenly spread) texts belong to scripts without spaces."""
    sample = texts[:: 1 + len(texts) // 1000]
    letters = sum(len(_LETTER.findall(text[:1000])) for text in sample)
    return sum(len(_UNSPACED.findall(text[:1000])) for text in sample) * 2 > letters


def _all_units(texts: Sequence[str], pattern: str) -> tuple[list[str], Units]:
    """Number every unit of the texts, in the order they are met."""
    find, number = re.compile(pattern).findall, dict[str, int]()
    found = [[number.setdefault(unit, len(number)) for unit in find(text.lower())] for text in texts]
    return list(number), _flatten(found)


def _known_units(texts: Sequence[str], pattern: str, units: Sequence[str]) -> Units:
    find, number = re.compile(pattern).findall, {unit: place for place, unit in enumerate(units)}
    return _flatten([[number.get(unit, -1) for unit in find(text.lower())] for text in texts])


def _flatten(found: list[list[int]]) -> Units:
    lengths = [len(text) for text in found]
    numbers = np.fromiter(chain.from_iterable(found), dtype=np.int64, count=sum(lengths))
    return Units(numbers, np.repeat(np.arange(len(found)), lengths))


def _extend(places: Ints, found: Units, order: int, width: int) -> Ints:
    """Number the n-grams that start at each unit by beginning and last unit; -1 where a part is unknown.

    Args:
        places: the numbers of the (n-1)-grams that start at each unit, or -1.
        found: the units.
        order: n, at least 2.
        width: how many units are known.
    """
    last = found.numbers[order - 1 :]
    beginnings = places[: len(last)]
    within = found.rows[: len(last)] == found.rows[order - 1 :]
    return np.where(within & (beginnings >= 0) & (last >= 0), beginnings * width + last, -1)


def _look_up(codes: Ints, keys: Ints) -> Ints:
    """Return the place of each code among ascending keys, or -1 where it is none of them."""
    if not len(keys):
        return np.full_like(codes, -1)
    places = np.minimum(np.searchsorted(keys, codes), len(keys) - 1)
    return np.where(keys[places] == codes, places, -1)


class _Level(NamedTuple):
    """The n-grams of one n: ascending keys, in how many texts each occurs, and how often altogether."""

    keys: Ints
    texts: Ints
    counts: Ints


def _frequent(codes: Ints, rows: Ints, texts: int, min_texts: int) -> _Level:
    """Count the codes that are not -1 and keep those that occur in at least `min_texts` texts."""
    here = codes >= 0
    cells, counts = np.unique(codes[here] * texts + rows[here], return_counts=True)
    keys, starts, in_texts = np.unique(cells // texts, return_index=True, return_counts=True)
    if not len(keys):
        return _Level(keys, in_texts, in_texts)
    kept = in_texts >= min_texts
    return _Level(keys[kept], in_texts[kept], np.add.reduceat(counts, starts)[kept])


def _most_frequent(levels: list[_Level], limit: int, names: list[str], pattern: str, texts: int) -> NgramFeatures:
    """Keep the `limit` most frequent n-grams, of equals the shorter, and number them anew."""
    counts = np.concatenate([level.counts for level in levels])
    chosen = np.zeros(len(counts), dtype=bool)
    chosen[np.argsort(-counts, kind="stable")[:limit]] = True
    kept = np.split(chosen, np.cumsum([len(level.keys) for level in levels])[:-1])
    in_texts = np.concatenate([level.texts[mask] for level, mask in zip(levels, kept, strict=True)])
    width, fewer = len(levels[0].keys), int(kept[0].sum())
    new_numbers = [np.cumsum(mask) - 1 for mask in kept]
    keys = []
    for order in range(1, len(levels)):
        beginnings, last = np.divmod(levels[order].keys[kept[order]], width)
        keys.append(new_numbers[order - 1][beginnings] * fewer + new_numbers[0][last])
    idf = np.log((1 + texts) / (1 + in_texts)) + 1
    return NgramFeatures(pattern, [names[unit] for unit in levels[0].keys[kept[0]]], keys, idf.astype(np.float32))
