"""Pretrained word vectors from text files: GloVe, word2vec and fastText's .vec, and .gz of each.

A file is read as a stream and only the words of a vocabulary are kept, so that a file of any size
costs the memory of the result. GloVe is that of Pennington et al. (2014), word2vec that of Mikolov
et al. (2013), fastText that of Bojanowski et al. (2017).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from bothways.data.files import opened
from bothways.data.token_rules import PAD, UNK
from bothways.errors import DataError

_LONGEST_LINE = 1 << 20  # bytes; a binary file may hold no line end at all
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f]")

Lines = Iterator[tuple[int, bytes]]  # line numbers from 1, and lines without their end


@dataclass(frozen=True)
class Vectors:
    """Vectors for a vocabulary of V tokens, E numbers each."""

    matrix: NDArray[np.float32]  # (V, E)
    found: NDArray[np.bool_]  # (V,), True where the row comes from the file
    words: NDArray[np.bool_]  # (V,), False for <pad> and <unk>

    @property
    def dim(self) -> int:
        """E, the numbers of one vector."""
        return int(self.matrix.shape[1])

    @property
    def coverage(self) -> float:
        """The share of the vocabulary's words, from 0 to 1, that the file has."""
        return float(self.found[self.words].mean())

    def __str__(self) -> str:
        """Say how many words of the vocabulary the file has."""
        have, all_words = int(self.found[self.words].sum()), int(self.words.sum())
        return f"{have:,} of {all_words:,} words ({self.coverage:.1%}) have a pretrained vector of {self.dim} numbers"


def read_vectors(path: str | Path, vocabulary: Sequence[str], *, lowercase: bool, seed: int = 0) -> Vectors:
    """Read the vectors of a vocabulary's words.

    A word gets the first vector that the file has for it. Words without one are drawn from a normal
    distribution with the mean and the spread, number by number, of the vectors that were found. The row
    of `<pad>` is zero.

    Args:
        path: a text file, or .gz of one.
        vocabulary: the tokens by id, as `Tokenizer.vocabulary` gives them: `<pad>`, `<unk>`, words.
        lowercase: the vocabulary was made from small letters, so "paris" may take the vector of "Paris"
            where the file has none for "paris" itself.
        seed: of the draw.

    Raises:
        MissingFileError: there is no such file.
        DataError: an empty, binary or damaged file, a line of another width or without numbers (with its
            line number), or no word of the vocabulary in it.
    """
    path = Path(path)
    with opened(path) as file:
        width, lines = _start(path, file)
        matrix, found = _collect(path, lines, width, vocabulary, lowercase)
    words = np.array([token not in (PAD, UNK) for token in vocabulary])
    if not found[words].any():
        raise DataError(
            f"{path} has a vector for none of the {words.sum():,} words of the vocabulary; "
            "check its language and that the tokens are words."
        )
    _draw(matrix, found, np.array([token == PAD for token in vocabulary]), seed)
    return Vectors(matrix, found, words)


def frequent_words(path: str | Path, most: int = 50_000) -> list[str]:
    """Give the first words of a file of vectors; files have their most frequent words first.

    Raises:
        MissingFileError: there is no such file.
        DataError: an empty, binary or damaged file.
    """
    path = Path(path)
    with opened(path) as file:
        width, lines = _start(path, file)
        words = (_parted(path, number, line, width)[0].decode(errors="replace") for number, line in islice(lines, most))
        return list(dict.fromkeys(words))


def _start(path: Path, file: BinaryIO) -> tuple[int, Lines]:
    """Find the numbers of one vector, and give the lines that hold vectors."""
    first = _head_line(path, file).removeprefix(b"\xef\xbb\xbf")
    second = _head_line(path, file)
    rest = ((number, line) for number, line in enumerate((line.rstrip(b" \r\n") for line in file), start=3) if line)
    header = first.split()
    if len(header) == 2 and all(field.isdigit() for field in header) and len(second.split()) != 2:
        number, vector, lines = 2, second, chain([(2, second)], rest)
    else:
        number, vector, lines = 1, first, chain(((n, line) for n, line in ((1, first), (2, second)) if line), rest)
    if not vector:
        raise DataError(f"{path} holds no vectors. Give a text file of lines 'word number number ...'.")
    width = int(header[1]) if number == 2 else len(header) - 1
    if width < 1:
        raise DataError(f"{path}, line {number}: expected a word and its numbers, found {_brief(vector)}.")
    return width, lines


def _head_line(path: Path, file: BinaryIO) -> bytes:
    line = file.readline(_LONGEST_LINE)
    if path.name.removesuffix(".gz").endswith(".bin") or _CONTROLS.search(line):
        raise DataError(f"{path} is a binary file, and only vectors in text files are read. Convert it to text first.")
    return line.rstrip(b" \r\n")


def _collect(
    path: Path, lines: Lines, width: int, vocabulary: Sequence[str], lowercase: bool
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Fill in the rows of the words that the file has: (V, E) and found (V,)."""
    matrix = np.zeros((len(vocabulary), width), dtype=np.float32)
    exact = {token: row for row, token in enumerate(vocabulary) if token != PAD}
    found_exactly, found = np.zeros((2, len(vocabulary)), dtype=np.bool_)
    for number, line in lines:
        word, numbers = _parted(path, number, line, width)
        token = word.decode(errors="replace")
        row = exact.get(token)
        if row is not None and not found_exactly[row]:
            found_exactly[row] = True
        elif row is None and lowercase:
            row = exact.get(token.lower())
            if row is None or found[row]:
                continue
        else:
            continue
        matrix[row] = _numbers(path, number, numbers)
        found[row] = True
    return matrix, found


def _parted(path: Path, number: int, line: bytes, width: int) -> tuple[bytes, bytes]:
    """Split a line into its word, which may contain spaces, and its numbers."""
    if line.count(b" ") == width and b"  " not in line:
        word, _, numbers = line.partition(b" ")
        return word, numbers
    fields = line.split()
    extra = fields[1:-width]
    if len(fields) <= width or (extra and all(map(_is_number, extra))):
        raise DataError(
            f"{path}, line {number}: expected a word and {width} numbers, found {max(len(fields) - 1, 0)} numbers: "
            f"{_brief(line)}. The file is damaged or cut; copy or download it again."
        )
    return b" ".join(fields[:-width]), b" ".join(fields[-width:])


def _numbers(path: Path, number: int, text: bytes) -> NDArray[np.float32]:
    fields = text.split()
    try:
        with np.errstate(over="ignore"):
            values = np.array([float(field) for field in fields], dtype=np.float32)
    except ValueError:
        wrong = next(field for field in fields if not _is_number(field))
    else:
        if np.isfinite(values).all():
            return values
        wrong = fields[int(np.argmin(np.isfinite(values)))]
    raise DataError(f"{path}, line {number}: {_brief(wrong)} is not a finite number. Correct or leave out the line.")


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _brief(text: bytes) -> str:
    shown = text.decode(errors="replace")
    return repr(shown if len(shown) <= 40 else shown[:40] + "…")


def _draw(matrix: NDArray[np.float32], found: NDArray[np.bool_], padding: NDArray[np.bool_], seed: int) -> None:
    """Fill in the rows of words that were not found, in place."""
    known = matrix[found].astype(np.float64)
    unknown = ~found & ~padding
    noise = np.random.default_rng(seed).standard_normal((int(unknown.sum()), matrix.shape[1]))
    matrix[unknown] = known.mean(axis=0) + known.std(axis=0) * noise
