import gzip
import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.data.vectors import frequent_words, read_vectors
from bothways.errors import DataError, MissingFileError

VOCABULARY = ["<pad>", "<unk>", "cat", "dog", "emu"]


def written(folder, text, name="vectors.txt"):
    path = folder / name
    raw = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def read(path, vocabulary=VOCABULARY, *, lowercase=True, seed=0):
    return read_vectors(path, vocabulary, lowercase=lowercase, seed=seed)


GLOVE = "the 9 9 9\ncat 1 2 -3.5\nemu 4e-2 5 6\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (GLOVE, "glove.3d.txt"),
        (GLOVE, "glove.3d.txt.gz"),
        ("3 3\n" + GLOVE, "word2vec.txt"),
        ("3 3\n" + GLOVE.replace("\n", " \n"), "fasttext.vec"),
        ("3 3\n" + GLOVE.replace("\n", " \n"), "fasttext.vec.gz"),
        ("\ufeff3 3\r\n" + GLOVE.replace("\n", "\r\n") + "\r\n", "saved-on-windows.txt"),
        (GLOVE.removesuffix("\n"), "no-last-line-end.txt"),
        (GLOVE.replace("cat 1 2", "cat  1  2"), "two-spaces.txt"),
    ],
)
def test_every_text_format_gives_the_numbers_of_the_file(tmp_path, text, name):
    vectors = read(written(tmp_path, text, name))

    np.testing.assert_array_equal(vectors.matrix[[0, 2, 4]], np.float32([[0, 0, 0], [1, 2, -3.5], [0.04, 5, 6]]))
    assert vectors.found.tolist() == [False, False, True, False, True]
    assert vectors.dim == 3
    assert vectors.matrix.dtype == np.float32


words = st.text(st.characters(exclude_categories=["Cs", "Z", "C"]), min_size=1, max_size=4)
tables = st.integers(2, 5).flatmap(
    lambda width: st.lists(
        st.tuples(words, st.lists(st.floats(-9, 9, width=32), min_size=width, max_size=width)), min_size=2, max_size=8
    )
)


@given(tables, st.sets(words, max_size=5), st.booleans(), st.booleans())
def test_rows_are_those_of_a_dictionary_filled_line_by_line(tmp_path_factory, table, others, header, lowercase):
    known = [word.lower() if lowercase else word for word, _ in table[::2]]
    vocabulary = ["<pad>", "<unk>", *dict.fromkeys([*known, *sorted(others)])]
    lines = [f"{word} {' '.join(map(repr, numbers))}\n" for word, numbers in table]
    width = len(table[0][1])
    path = written(tmp_path_factory.mktemp("v"), (f"{len(table)} {width}\n" if header else "") + "".join(lines))
    exact = dict(reversed(table))
    small = {word.lower(): numbers for word, numbers in reversed(table)} if lowercase else {}
    wanted = {word: {**small, **exact}.get(word) for word in vocabulary}
    if not any(wanted[word] for word in vocabulary[2:]):
        return

    vectors = read(path, vocabulary, lowercase=lowercase)

    for row, word in enumerate(vocabulary[1:], start=1):
        assert vectors.found[row] == (wanted[word] is not None)
        if wanted[word] is not None:
            np.testing.assert_array_equal(vectors.matrix[row], np.float32(wanted[word]))


def test_the_exact_word_wins_over_other_cases_and_the_first_over_later_ones(tmp_path):
    path = written(tmp_path, "CAT 1 1\ncat 2 2\nCat 3 3\ncat 4 4\nDOG 5 5\nDog 6 6\nEMU 7 7\n")
    assert read(path).matrix[2:].tolist() == [[2, 2], [5, 5], [7, 7]]
    assert read(path, ["<pad>", "<unk>", "CAT", "Dog", "cow"], lowercase=False).matrix[2:4].tolist() == [[1, 1], [6, 6]]
    assert read(path, lowercase=False).found.tolist() == [False, False, True, False, False]


def test_words_with_spaces_in_them_are_read_and_passed(tmp_path):
    path = written(tmp_path, "cat 1 2\n. . . 3 4\nat name@x.org 5 6\nemu 7 8\n")
    vectors = read(path, ["<pad>", "<unk>", "cat", "emu", "at name@x.org"])
    assert vectors.matrix[2:].tolist() == [[1, 2], [7, 8], [5, 6]]


def test_words_that_are_no_utf8_or_look_like_space_are_passed(tmp_path):
    lines = [b"cat 1 2", b"caf\xe9 3 4", "a\u00a0b 5 6".encode(), "\u2028 7 8".encode(), b"emu 9 10"]
    vectors = read(written(tmp_path, b"\n".join(lines)), [*VOCABULARY, "a\u00a0b"])
    assert vectors.matrix[[2, 4, 5]].tolist() == [[1, 2], [9, 10], [5, 6]]


def test_numbers_that_look_like_a_header_are_a_vector_where_all_are_alone(tmp_path):
    vectors = read(written(tmp_path, "7 1\ncat 3\n"), ["<pad>", "<unk>", "7", "cat"])
    assert vectors.matrix[2:].tolist() == [[1], [3]]


def test_words_without_a_vector_are_drawn_as_the_others_are_spread(tmp_path):
    rng = np.random.default_rng(3)
    known = rng.normal([5, -2], [0.1, 3.0], size=(400, 2))
    text = "".join(f"k{row} {left} {right}\n" for row, (left, right) in enumerate(known))
    vocabulary = ["<pad>", "<unk>", *(f"k{row}" for row in range(0, 400, 2)), *(f"new{row}" for row in range(3000))]
    path = written(tmp_path, text)
    vectors = read(path, vocabulary, seed=1)

    drawn = vectors.matrix[~vectors.found][1:]
    assert drawn.shape == (3001, 2)
    np.testing.assert_allclose(drawn.mean(axis=0), known[::2].mean(axis=0), atol=0.2)
    np.testing.assert_allclose(drawn.std(axis=0), known[::2].std(axis=0), rtol=0.05)
    assert not vectors.matrix[0].any()
    np.testing.assert_array_equal(read(path, vocabulary, seed=1).matrix, vectors.matrix)
    assert (read(path, vocabulary, seed=2).matrix[~vectors.found][1:] != drawn).all()


def test_a_row_for_unknown_words_in_the_file_is_taken(tmp_path):
    vectors = read(written(tmp_path, "<unk> 8 9\ncat 1 2\n<pad> 3 3\n"))
    assert vectors.matrix[:2].tolist() == [[0, 0], [8, 9]]
    assert vectors.coverage == pytest.approx(1 / 3)


def test_coverage_counts_words_and_running_tokens(tmp_path):
    vectors = read(written(tmp_path, "<unk> 1 2 3 4\nemu 1 2 3 4\ndog 5 6 7 8\n"))
    assert vectors.coverage == pytest.approx(2 / 3)
    assert str(vectors) == "2 of 3 words (66.7%) have a pretrained vector of 4 numbers"


def test_memory_holds_the_words_that_are_needed_only(tmp_path):
    numbers = " ".join(["0.123456"] * 60)
    path = written(tmp_path, "".join(f"w{row} {numbers}\n" for row in range(20_000)))
    assert path.stat().st_size > 10_000_000
    read(path, [*VOCABULARY, "w7"])  # what is imported on first use does not count
    tracemalloc.start()
    read(path, [*VOCABULARY, "w19999", "w7"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


REPAIR = "The file is damaged or cut; copy or download it again."


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "holds no vectors. Give a text file of lines 'word number number ...'."),
        ("\n\n", "holds no vectors. Give a text file of lines 'word number number ...'."),
        ("2 3\n", ", line 1: 'cat'"),
        ("cat\n", ", line 1: expected a word and its numbers, found 'cat'."),
        ("cow 1 2\ncat 1 2\ndog 3\n", f", line 3: expected a word and 2 numbers, found 1 numbers: 'dog 3'. {REPAIR}"),
        ("1 3\ncat 1 2\n", f", line 2: expected a word and 3 numbers, found 2 numbers: 'cat 1 2'. {REPAIR}"),
        ("cat 1 2\ncow 1 2 3\n", f", line 2: expected a word and 2 numbers, found 3 numbers: 'cow 1 2 3'. {REPAIR}"),
        ("cat 1 2\n\ncow\n", f", line 3: expected a word and 2 numbers, found 0 numbers: 'cow'. {REPAIR}"),
        ("cow 1 2\ncat  3\n", f", line 2: expected a word and 2 numbers, found 1 numbers: 'cat  3'. {REPAIR}"),
        ("cow 1 2 3\ncat 1  3\n", f", line 2: expected a word and 3 numbers, found 2 numbers: 'cat 1  3'. {REPAIR}"),
        ("cow 1 2\ncat 1 x\n", ", line 2: 'x' is not a finite number. Correct or leave out the line."),
        ("cow 1 2\ncat nan 2\n", ", line 2: 'nan' is not a finite number. Correct or leave out the line."),
        ("cow 1 2\ncat 1 1e39\n", ", line 2: '1e39' is not a finite number. Correct or leave out the line."),
        (
            "cow 1 2\n<unk> 1 2\n",
            "has a vector for none of the 3 words of the vocabulary; check its language and that the tokens are words.",
        ),
    ],
)
def test_a_bad_file_is_refused_with_its_line(tmp_path, text, line):
    path = written(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read(path)
    if text != "2 3\n":
        assert str(caught.value) == f"{path}{'' if line.startswith(',') else ' '}{line}"


@pytest.mark.parametrize("name", ["vectors.bin", "vectors.bin.gz", "renamed.txt"])
def test_a_binary_file_is_refused_with_the_way_out(tmp_path, name):
    numbers = np.arange(6, dtype="<f4").reshape(2, 3)
    binary = io.BytesIO(b"2 3\ncat " + numbers[0].tobytes() + b"\ndog " + numbers[1].tobytes() + b"\n")
    path = written(tmp_path, binary.getvalue(), name)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path} is a binary file, and only vectors in text files are read. Convert it to text first."
    )


def test_a_missing_or_a_cut_file_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match=r"none\.txt does not exist"):
        read(tmp_path / "none.txt")
    path = written(tmp_path, GLOVE * 50, "cut.txt.gz")
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match=r"cut\.txt\.gz is a cut or damaged \.gz file"):
        read(path)


def test_the_first_words_of_a_file_are_its_most_frequent_ones(tmp_path):
    """Each once, whatever the layout; as many as are asked for."""
    text = "the 9 9 9\ncat 1 2 -3.5\nnew york 4e-2 5 6\nthe 1 1 1\nemu 1 1 1\n"
    for name, content in (("a.txt", text), ("a.vec", f"5 3\n{text}"), ("a.txt.gz", f"\ufeff{text}")):
        path = written(tmp_path, content, name)
        assert frequent_words(path) == ["the", "cat", "new york", "emu"]
        assert frequent_words(path, 2) == ["the", "cat"]
    with pytest.raises(MissingFileError, match="none.txt does not exist"):
        frequent_words(tmp_path / "none.txt")
    with pytest.raises(DataError, match="line 2: expected a word and 3 numbers, found 2 numbers"):
        frequent_words(written(tmp_path, "a 1 2 3\nb 1 2\n"))
