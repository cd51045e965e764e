"""Texts without labels: a plain file is one text, whole and in order; a table's rows are texts of their own."""

import codecs
import csv
import gzip
import json
import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.data import plain_text, streaming
from bothways.data.plain_text import open_texts
from bothways.data.tables import read_table
from bothways.errors import DataError, MissingFileError, SettingsError


def rows(texts):
    return [row for chunk in texts.chunks() for row in chunk]


def refusal(path, error=DataError, **options):
    with pytest.raises(error) as caught:
        open_texts(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def with_plain_ends(text):
    """Every line end as a newline character, by replacing one after another."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


# Everything that some tool takes for a line end, and few other characters, so that they meet.
broken_lines = st.text("ab \té\r\n\f\v\x1c\x85\u2028\u2029\ufeff", max_size=40)


@given(broken_lines, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]), st.integers(2, 9), st.integers(1, 3))
def test_the_rows_of_a_plain_file_are_its_text_and_end_with_its_lines(
    tmp_path_factory, text, codec, longest, group_rows
):
    text = f"x{text}"
    path = tmp_path_factory.mktemp("plain") / "novel.txt"
    path.write_bytes(text.encode(codec))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_text, "LONGEST_PIECE", longest)
        patch.setattr(streaming, "GROUP_ROWS", group_rows)

        texts = open_texts(path)
        found = rows(texts)

        assert "".join(found) == with_plain_ends(text)
        assert all(0 < len(row) <= longest for row in found)
        assert all("\n" not in row[:-1] for row in found)
        assert all(len(chunk) <= group_rows for chunk in texts.chunks())
        for place, _ in enumerate(found):
            line = "".join(found[:place]).count("\n") + 1
            assert texts.where(place) == f"novel.txt, line {line}"


@given(broken_lines)
def test_lines_within_the_bound_are_not_cut(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("plain") / "novel.txt"
    path.write_bytes(f"x{text}".encode())

    expected = [f"{line}\n" for line in with_plain_ends(f"x{text}").split("\n")]
    expected[-1] = expected[-1][:-1]
    assert rows(open_texts(path)) == [line for line in expected if line]


@pytest.mark.parametrize(
    ("line", "pieces"),
    [
        ("one two three four", ["one two", " three", " four"]),  # a space begins the next piece, as in byte pairs
        ("incomprehensible x", ["incompr", "ehensib", "le x"]),
        ("            x", [" " * 7, "     x"]),
    ],
)
def test_a_long_line_is_cut_before_whitespace_where_there_is_some(tmp_path, monkeypatch, line, pieces):
    monkeypatch.setattr(plain_text, "LONGEST_PIECE", 8)
    path = tmp_path / "long.txt"
    path.write_text(f"{line}\nend")

    assert rows(open_texts(path)) == [*pieces[:-1], f"{pieces[-1]}\n", "end"]
    assert open_texts(path).where(len(pieces) - 1) == "long.txt, line 1"
    assert open_texts(path).where(len(pieces)) == "long.txt, line 2"


def test_it_can_be_read_again_and_two_at_a_time(tmp_path):
    path = tmp_path / "novel.txt"
    path.write_text("one\ntwo\n")
    texts = open_texts(path)

    first, second = texts.chunks(), texts.chunks()

    assert (next(first), next(second), rows(texts)) == (["one\n", "two\n"],) * 3


@pytest.mark.parametrize(
    "name", ["novel.txt", "novel.text", "novel", "wiki.train.tokens", "notes.md", "a.raw", "b.csv.old"]
)
def test_what_is_no_table_is_plain_text_packed_or_not(tmp_path, name):
    for place, data in ((tmp_path / name, b"a,b\nc\n"), (tmp_path / f"{name}.gz", gzip.compress(b"a,b\nc\n"))):
        place.write_bytes(data)
        texts = open_texts(str(place))

        assert rows(texts) == ["a,b\n", "c\n"]
        assert (texts.name, texts.whole, texts.notes) == (place.name, True, [])
        assert texts.where(1) == f"{place.name}, line 2"


@pytest.mark.parametrize(
    ("text", "codec", "mark", "named"),
    [
        ("naïve ☃\n", "utf-16-le", codecs.BOM_UTF16_LE, "utf-16"),
        ("naïve\n", "latin-1", b"", "latin-1"),
        ("naïve – “so”\n", "cp1252", b"", "cp1252"),
    ],
)
def test_the_encoding_is_found_and_said(tmp_path, text, codec, mark, named):
    path = tmp_path / "novel.txt"
    path.write_bytes(mark + text.encode(codec))

    assert rows(open_texts(path)) == [text]
    assert open_texts(path).notes == [f"novel.txt is read as {named}."]


def test_a_named_encoding_is_obeyed(tmp_path):
    path = tmp_path / "novel.txt"
    path.write_bytes("хорошо\n".encode("cp1251"))

    assert rows(open_texts(path, encoding="cp1251")) == ["хорошо\n"]
    assert refusal(path).startswith("novel.txt is neither UTF-8 (byte 0xF5 in line 1 is broken) nor Western European")
    assert refusal(path, encoding="utf-8").startswith("novel.txt cannot be read as utf-8-sig: byte 0xF5 in line 1")
    assert refusal(path, SettingsError, encoding="utf9").startswith("encoding is 'utf9', but it must be one of: auto,")


def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch):
    """Four times the text of another, in one line and in many, packed: the most memory ever used is the same."""
    monkeypatch.setattr(plain_text, "LONGEST_PIECE", 1 << 12)
    monkeypatch.setattr(streaming, "GROUP_CHARACTERS", 1 << 14)
    peaks = []
    for times in (30, 120):
        path = tmp_path / f"{times}.txt.gz"
        path.write_bytes(gzip.compress(b"many words " * 3_000 * times + b"\na line" * 1_000 * times, compresslevel=1))
        texts = open_texts(path)
        tracemalloc.start()
        assert sum(len(row) for chunk in texts.chunks() for row in chunk) == times * 40_000
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_a_folder_of_plain_files_is_one_text_in_the_order_of_names(tmp_path):
    folder = tmp_path / "corpus"
    (folder / "inner").mkdir(parents=True)
    (folder / "b.md").write_text("two\nunended")
    (folder / "a.txt.gz").write_bytes(gzip.compress(b"one\r\nalso"))
    (folder / "c").write_bytes("na\xefve".encode("latin-1"))
    (folder / "blank.txt").write_text(" \n\f")
    (folder / ".hidden").write_text("never")

    texts = open_texts(folder)

    assert rows(texts) == ["one\n", "also\n", "two\n", "unended\n", "naïve"]
    assert (texts.name, texts.whole) == ("corpus", True)
    assert [texts.where(place) for place in range(5)] == [
        "a.txt.gz, line 1", "a.txt.gz, line 2", "b.md, line 1", "b.md, line 2", "c, line 1",
    ]  # fmt: skip
    assert texts.notes == [
        "inner is skipped: it is no file.",
        "blank.txt is skipped: it holds no text.",
        "c is read as latin-1.",
        "corpus is read as one text: 3 files, a.txt.gz to c.",
    ]


def test_a_piece_is_never_mistaken_for_the_end_of_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_text, "LONGEST_PIECE", 4)
    (tmp_path / "a.txt").write_text("12345678")
    (tmp_path / "b.txt").write_text("1234")

    assert "".join(rows(open_texts(tmp_path))) == "12345678\n1234"


def write_table(path, columns):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    return path


@pytest.mark.parametrize("name", ["reviews.csv", "reviews.tsv.gz", "reviews.jsonl", "reviews.parquet"])
def test_a_row_of_a_table_is_a_text_of_its_own(tmp_path, name):
    path, values = tmp_path / name, ["a good\nfilm", "", "dull \u2028 end"]
    if name.endswith("parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"label": [0, 1, 0], "text": [values[0], None, values[2]]}), path)
    elif name.endswith("jsonl"):
        objects = [{"label": 0, "text": values[0]}, {"label": 1}, {"label": 0, "text": values[2]}]
        path.write_text("".join(f"{json.dumps(row)}\n" for row in objects))
    else:
        separator = "\t" if ".tsv" in name else ","
        data = f'label{separator}text\n0{separator}"{values[0]}"\n1{separator}\n0{separator}{values[2]}\n'.encode()
        path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)

    texts = open_texts(path)

    assert rows(texts) == rows(texts) == values
    assert (texts.name, texts.whole) == (name, False)
    assert texts.notes == ["Column 'text' is read as the text."]
    assert texts.where(2) == f"{name}, row 3"


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ({"text": ["x"], "review": ["y"]}, "text"),
        ({"topic": ["x"]}, "topic"),
        ({"Review": ["x"], "stars": ["5"], "id": ["1"]}, "Review"),
        ({"words": ["x"], "label": ["5"]}, "words"),
    ],
)
def test_the_column_is_guessed_where_one_choice_makes_sense_and_the_guess_is_said(tmp_path, columns, chosen):
    texts = open_texts(write_table(tmp_path / "a.csv", columns))

    assert (rows(texts), texts.column) == (columns[chosen], chosen)
    assert texts.notes == [f"Column {chosen!r} is read as the text."]


def test_a_named_column_is_taken_without_a_note(tmp_path):
    texts = open_texts(write_table(tmp_path / "a.csv", {"text": ["x"], "title": ["y"]}), text="title")

    assert (rows(texts), texts.column, texts.notes) == (["y"], "title", [])
    assert list(texts.table.rows(["text"])) == [("x",)]


def test_columns_that_cannot_be_chosen_are_refused_with_their_names(tmp_path):
    path = write_table(tmp_path / "a.csv", {"one": ["x", "y"], "two": ["v", "w"], "blank": ["", " \t"]})

    assert refusal(path).startswith("a.csv has the columns 'one', 'two', 'blank': which one is the text? Name it with")
    assert refusal(path, text="ones").endswith("Its columns are: 'one', 'two', 'blank'. Did you mean 'one'?")
    assert refusal(path, text="blank") == ("a.csv: column 'blank' holds no text in any row. Name another with --text.")


def test_a_folder_of_tables_is_documents(tmp_path):
    folder = tmp_path / "reviews"
    folder.mkdir()
    write_table(folder / "b.csv", {"text": ["three"], "label": ["0"]})
    write_table(folder / "a.csv", {"label": ["0", "1"], "text": ["one", "two"]})

    texts = open_texts(folder)

    assert (rows(texts), texts.whole, texts.where(2)) == (["one", "two", "three"], False, "b.csv, row 1")
    assert list(read_table(folder).rows(["text"])) == [(row,) for row in rows(texts)]


def test_a_folder_of_both_is_refused_unless_a_column_tells_which_are_meant(tmp_path):
    folder = tmp_path / "both"
    folder.mkdir()
    write_table(folder / "a.csv", {"text": ["one"], "label": ["0"]})
    (folder / "README.md").write_text("About the reviews.")

    assert refusal(folder) == (
        f"{folder} holds tables (a.csv) and plain text (README.md): which are the texts? "
        "Name the tables' column with --text, or give a folder of plain text alone."
    )
    texts = open_texts(folder, text="text")
    assert (rows(texts), texts.whole, texts.notes) == (["one"], False, ["README.md is skipped: it is not a table."])


def test_a_column_of_plain_text_is_refused(tmp_path):
    (tmp_path / "novel.txt").write_text("a")

    for path, name in ((tmp_path / "novel.txt", "novel.txt"), (tmp_path, tmp_path.name)):
        assert refusal(path, text="review").startswith(
            f"{name} is plain text, which has no columns, but 'review' is named as the text's column. "
            "Leave --text out, or give a table: .csv, .tsv, "
        )


@pytest.mark.parametrize("content", [b"", b" \r\n\t\n", codecs.BOM_UTF8, "\u2028\u3000\f".encode()])
def test_a_file_without_text_is_refused(tmp_path, content):
    (tmp_path / "novel.txt").write_bytes(content)

    assert refusal(tmp_path / "novel.txt") == (
        "novel.txt holds no text: there is nothing in it but white space. Give a file with text."
    )
    assert refusal(tmp_path).startswith(f"{tmp_path} holds no file with text. What is read: plain text under any")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04rest", "is a zip or Excel file"),
        (b"PAR1rest", "is a Parquet file: its name should end in .parquet"),
        (bytes(range(256)) * 5, "is not text: byte 0x80 in line 2 is not UTF-8, and control characters"),
        (b"\x7fELF" + bytes(40), "holds 40 NUL characters: it is not plain text"),
        ("café\n".encode() * 9 + b"caf\xc3\n", "is UTF-8, but byte 0xC3 in line 10 is broken"),
    ],
)
def test_what_is_not_text_is_refused_by_what_it_is(tmp_path, content, words):
    (tmp_path / "novel.txt").write_bytes(content)

    assert refusal(tmp_path / "novel.txt").startswith(f"novel.txt {words}")
    assert refusal(tmp_path).startswith(f"novel.txt {words}")


def test_what_is_not_there_or_cannot_be_read_twice_is_refused(tmp_path):
    missing = tmp_path / "novel.txt"
    assert refusal(missing, MissingFileError).startswith(
        f"{missing} does not exist. Check the path. What is read: plain"
    )
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"a text that is longer than it was")[:-9])
    assert "is a cut or damaged .gz file" in refusal(tmp_path / "cut.gz")
    assert refusal(tmp_path / ("x" * 300)).endswith("cannot be read: File name too long.")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert refusal(pipe) == (
        f"{pipe} is a pipe or a device, but it must be read more than once. Save it as a file first."
    )


def test_a_file_that_changes_while_it_is_read_is_explained(tmp_path):
    path = tmp_path / "novel.txt"
    path.write_text("good\n")
    texts = open_texts(path)
    path.write_bytes(b"bad \xff\n")

    with pytest.raises(DataError, match=r"novel\.txt changed while it was read .*Start again\.$"):
        rows(texts)
