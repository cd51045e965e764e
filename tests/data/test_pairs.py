"""Pairs from files, tables and lists; what is refused says which file, line and column."""

import gzip

import pytest

from bothways.data.pairs import pairs_of_python, read_pairs, read_sources
from bothways.errors import DataError, MissingFileError
from toys import write_csv


def lines(path, *texts):
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def test_two_files_are_read_line_by_line_empty_lines_too(tmp_path):
    english = lines(tmp_path / "a.en", "one", "", "three \u2028 more")
    with gzip.open(tmp_path / "a.de.gz", "wt", encoding="utf-8") as file:
        file.write("eins\r\nzwei\r\n\r\n")
    pairs = read_pairs(english, tmp_path / "a.de.gz")
    assert pairs.sources == ["one", "", "three \u2028 more"]
    assert pairs.targets == ["eins", "zwei", ""]
    assert pairs.where(1) == "a.en, line 2"


def test_a_line_longer_than_what_is_read_at_once_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("bothways.data.plain_text.LONGEST_PIECE", 10)
    long = "word " * 20 + "end"
    pairs = read_pairs(lines(tmp_path / "a", long, "b"), lines(tmp_path / "b", "c", long))
    assert (pairs.sources, pairs.targets) == ([long, "b"], ["c", long])


def test_a_carriage_return_inside_a_line_ends_none_unless_nothing_else_does(tmp_path):
    (tmp_path / "a").write_bytes(b"one\rmore\r\n\r\nthree\r")
    (tmp_path / "b").write_bytes("eins\nzwei\ndrei\n".encode("utf-16"))
    (tmp_path / "c").write_bytes(b"one\rtwo\r\rfour\r")
    pairs = read_pairs(tmp_path / "a", tmp_path / "b")
    assert (pairs.sources, pairs.targets) == (["one\rmore", "", "three"], ["eins", "zwei", "drei"])
    assert read_sources(tmp_path / "c").sources == ["one", "two", "", "four"]


def test_a_line_of_a_folder_is_told_by_its_file(tmp_path):
    for side in ("en", "de"):
        (tmp_path / side).mkdir()
        for name in ("a", "b"):
            lines(tmp_path / side / name, "one", "two")
    pairs = read_pairs(tmp_path / "en", tmp_path / "de")
    assert [pairs.where(row) for row in range(4)] == ["a, line 1", "a, line 2", "b, line 1", "b, line 2"]


def test_different_numbers_of_lines_are_refused_with_both_counts(tmp_path):
    one, other = lines(tmp_path / "a.en", *["x"] * 1200), lines(tmp_path / "a.de", *["y"] * 1199)
    with pytest.raises(DataError, match=r"a\.en has 1,200 lines, but a\.de has 1,199: line by line they must be"):
        read_pairs(one, other)


@pytest.mark.parametrize(
    ("header", "chosen", "columns"),
    [
        (["source", "target", "id"], {}, "source target"),
        (["question", "answer"], {}, "question answer"),
        (["en", "de"], {}, "en de"),
        (["answer", "prompt"], {}, "prompt answer"),
        (["Target", "text"], {}, "text Target"),
        (["reference", "sentence"], {}, "sentence reference"),
        (["answer", "reference"], {"source": "answer"}, "answer reference"),
        (["en", "de"], {"source": "de"}, "de en"),
        (["id", "en", "de"], {"source": "de", "target": "en"}, "de en"),
    ],
)
def test_the_columns_of_a_table_are_named_or_known_by_their_names_or_places(tmp_path, header, chosen, columns):
    table = write_csv(tmp_path / "pairs.csv", header, [[f"{name} {row}" for name in header] for row in range(3)])
    pairs = read_pairs(table, **chosen)
    first, second = columns.split()
    assert pairs.sources == [f"{first} {row}" for row in range(3)]
    assert pairs.targets == [f"{second} {row}" for row in range(3)]
    assert pairs.where(2) == "pairs.csv, row 3"
    assert len(pairs.notes) == 2 - len(chosen)


def test_the_columns_that_were_trained_on_are_taken_where_the_table_has_them(tmp_path):
    table = write_csv(tmp_path / "new.csv", ["source", "de", "en", "target"], [["1", "zwei", "two", "4"]])
    pairs = read_pairs(table, trained=("en", "de"))
    assert (pairs.sources, pairs.targets, pairs.columns) == (["two"], ["zwei"], ("en", "de"))
    assert pairs.notes[0] == "Column 'en' is read as the source, as in training."
    assert read_sources(table, trained=("en", "de")).sources == ["two"]
    assert read_pairs(table, source="source", trained=("en", "de")).columns == ("source", "de")
    assert read_pairs(table, trained=("fr", "it")).columns == ("source", "target")
    turned = write_csv(tmp_path / "turned.csv", ["de", "english"], [["zwei", "two"]])
    assert read_pairs(turned, trained=("en", "de")).columns == ("english", "de")


def test_a_column_of_targets_alone_may_be_read_as_sources(tmp_path):
    assert read_sources(write_csv(tmp_path / "one.csv", ["target"], [["x"]])).sources == ["x"]
    both = write_csv(tmp_path / "both.csv", ["answer", "prompt"], [["x", "y"]])
    assert read_sources(both).sources == ["y"]


def test_what_is_unclear_or_missing_is_refused(tmp_path):
    table = write_csv(tmp_path / "pairs.csv", ["a", "b", "c"], [["1", "2", "3"]])
    plain = lines(tmp_path / "plain", "x")
    with pytest.raises(DataError, match="columns 'a', 'b', 'c': which one is the source. Name it with --source"):
        read_pairs(table)
    with pytest.raises(DataError, match="'a' is named for both sides"):
        read_pairs(table, source="a", target="a")
    with pytest.raises(DataError, match="has no column 'd'"):
        read_pairs(table, source="a", target="d")
    with pytest.raises(DataError, match="plain is plain text and has no targets"):
        read_pairs(plain)
    with pytest.raises(DataError, match="pairs.csv is a table, but two files are read line by line"):
        read_pairs(plain, table)
    (tmp_path / "folder").mkdir()
    write_csv(tmp_path / "folder" / "pairs.csv", ["text"], [["x"]])
    with pytest.raises(DataError, match="folder is a folder of tables, but two files are read line by line"):
        read_pairs(tmp_path / "folder", plain)
    with pytest.raises(DataError, match="Leave --source and --target out"):
        read_pairs(plain, plain, source="a")
    with pytest.raises(MissingFileError, match="does not exist"):
        read_pairs(plain, tmp_path / "none")


def test_sources_alone_are_lines_or_a_column(tmp_path):
    assert read_sources(lines(tmp_path / "new.en", "one", "", "two")).sources == ["one", "", "two"]
    table = write_csv(tmp_path / "new.csv", ["id", "source"], [["1", "one"], ["2", ""]])
    assert read_sources(table).sources == ["one", ""]
    assert read_sources(table, source="id").sources == ["1", "2"]
    with pytest.raises(DataError, match="is read line by line. Leave --source out"):
        read_sources(tmp_path / "new.en", source="id")


def test_lists_must_be_as_long_as_each_other():
    assert len(pairs_of_python(["a"], ["b"])) == 1
    with pytest.raises(DataError, match="There are 2 sources, but 1 targets"):
        pairs_of_python(["a", "b"], ["c"])
