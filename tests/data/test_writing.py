"""Tables written and read again are the same, and a place holds the whole table or what it held before."""

import gzip
import json
import resource
import string
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bothways.data.tables import read_table
from bothways.data.writing import TableWriter, check_place, column_type
from bothways.errors import DataError, OutputError

NAMES = ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.csv.gz", "a.tsv.gz", "a.ndjson.gz"]
PLAIN = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TRICKY = st.sampled_from('"",;\t\n\r\ufeff\u2028\x85\\N ab{[')
TEXTS = st.text(PLAIN | TRICKY, max_size=9)


def read(path, *columns):
    table = read_table(path)
    return list(table.rows(columns or table.columns))


def write(path, columns, rows):
    with TableWriter(path, columns) as writer:
        writer.write(rows)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_any_texts_come_back(tmp_path, name, rows):
    write(tmp_path / name, {"text": str, "label": str}, rows)

    assert read(tmp_path / name) == rows


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, min_size=1, max_size=5))
def test_any_texts_of_one_column_come_back(tmp_path, name, texts):
    write(tmp_path / name, {"text": str}, [(text,) for text in texts])

    assert read(tmp_path / name) == [(text,) for text in texts]


@pytest.mark.parametrize("name", NAMES)
def test_more_rows_than_a_batch_holds_come_back_in_order(tmp_path, name):
    rows = [(f"text {number}", "x" * (number % 7)) for number in range(9001)]
    write(tmp_path / name, {"text": str, "label": str}, iter(rows))

    assert read(tmp_path / name) == rows


@pytest.mark.parametrize("name", NAMES)
def test_numbers_and_truth_are_spelt_the_same_from_every_format(tmp_path, name):
    columns = {"text": str, "whole": int, "share": float, "sure": bool}
    write(tmp_path / name, columns, [("a", 3, 0.1, True), ("b", -1, 1.0, False)])

    assert read(tmp_path / name) == [("a", "3", "0.1", "true"), ("b", "-1", "1", "false")]


def test_json_lines_and_parquet_keep_numbers_as_such(tmp_path):
    columns = {"text": str, "whole": int, "share": float, "sure": bool}
    rows = [("a", 3, 0.25, True), ("b", None, None, None)]
    for name in ("a.jsonl", "a.parquet"):
        write(tmp_path / name, columns, rows)
    lines = (tmp_path / "a.jsonl").read_text().splitlines()

    assert [tuple(json.loads(line).values()) for line in lines] == rows
    assert [tuple(row.values()) for row in pq.read_table(tmp_path / "a.parquet").to_pylist()] == rows
    assert read(tmp_path / "a.jsonl")[1] == read(tmp_path / "a.parquet")[1] == ("b", None, None, None)


def test_values_that_are_no_text_may_stand_in_a_column_of_text(tmp_path):
    rows = [("007", 2**60), (7, 0.5), (True, None), (float("nan"), 2)]
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        write(tmp_path / name, {"mixed": str, "share": float}, rows)

    assert read(tmp_path / "a.csv") == [("007", str(2**60)), ("7", "0.5"), ("true", ""), ("", "2")]
    assert read(tmp_path / "a.parquet", "mixed") == [("007",), ("7",), ("true",), (None,)]
    assert pq.read_table(tmp_path / "a.parquet")["share"].to_pylist() == [2.0**60, 0.5, None, 2.0]
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [json.loads(line)["mixed"] for line in lines] == ["007", 7, True, None]


@pytest.mark.parametrize(
    ("kinds", "chosen"),
    [
        ({"integer", "null"}, int),
        ({"integer", "float"}, float),
        ({"boolean"}, bool),
        ({"boolean", "integer"}, str),
        ({"string", "integer"}, str),
        ({"integer", "other"}, str),
        ({"null"}, str),
    ],
)
def test_a_column_is_text_unless_all_its_values_are_numbers_or_all_booleans(kinds, chosen):
    assert column_type(kinds) is chosen


def test_a_number_that_is_not_finite_is_no_broken_json(tmp_path):
    write(tmp_path / "a.jsonl", {"score": float}, [(float("nan"),), (float("-inf"),), (1.5,)])

    assert (tmp_path / "a.jsonl").read_text() == '{"score": null}\n{"score": null}\n{"score": 1.5}\n'


def test_the_same_rows_give_the_same_packed_bytes(tmp_path):
    for name in ("one.csv.gz", "other.csv.gz"):
        write(tmp_path / name, {"text": str}, [("a",), ("b",)])

    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "other.csv.gz").read_bytes()
    assert (tmp_path / "one.csv.gz").read_bytes()[4:8] == bytes(4)  # the time, by RFC 1952
    assert gzip.decompress((tmp_path / "one.csv.gz").read_bytes()) == b"text\na\nb\n"


def test_an_empty_text_alone_in_its_row_is_no_blank_line(tmp_path):
    write(tmp_path / "a.csv", {"text": str}, [("",), ("b",)])

    assert (tmp_path / "a.csv").read_text() == 'text\n""\nb\n'


@pytest.mark.parametrize("name", NAMES)
def test_an_error_while_writing_keeps_what_was_there(tmp_path, name):
    path = tmp_path / name
    path.write_text("kept")

    def failing():
        yield ("a",)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), TableWriter(path, {"text": str}) as writer:
        writer.write(failing())

    assert [(child.name, child.read_text()) for child in tmp_path.iterdir()] == [(name, "kept")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [300, 300_000])
def test_a_full_disk_is_said_and_keeps_what_was_there(tmp_path, name, size):
    path = tmp_path / name
    path.write_text("kept")
    varied = "".join(string.ascii_letters[number * number % 47] + str(number) for number in range(size // 5))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(
            OutputError, match=rf"{name} cannot be written: File too large. Nothing was changed there.$"
        ):
            write(path, {"text": str}, [(varied,)] * 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert [(child.name, child.read_text()) for child in tmp_path.iterdir()] == [(name, "kept")]


def test_a_file_can_be_read_while_its_own_place_is_written(tmp_path):
    path = tmp_path / "a.csv"
    write(path, {"text": str}, [("a",), ("b",)])
    write(path, {"text": str, "label": str}, ((text, "x") for (text,) in read(path)))

    assert read(path) == [("a", "x"), ("b", "x")]


def test_a_file_that_cannot_be_read_is_not_told_as_one_that_cannot_be_written(tmp_path):
    def rows():
        yield from read(tmp_path / "gone.csv")

    with pytest.raises(DataError, match=r"gone.csv does not exist"):
        write(tmp_path / "a.csv", {"text": str}, rows())


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "folder.csv").mkdir()

    with pytest.raises(OutputError, match=r"folder.csv is a folder. Name a file to write"):
        write(tmp_path / "folder.csv", {"text": str}, [])
    with pytest.raises(OutputError, match=r"none/a.csv cannot be written: the folder .*none does not exist. Make it"):
        write(tmp_path / "none" / "a.csv", {"text": str}, [])
    with pytest.raises(DataError, match=r"^a.xlsx is of a format that is not written. What is written: .csv, .tsv"):
        TableWriter(tmp_path / "a.xlsx", {"text": str})


@pytest.mark.parametrize("name", NAMES)
def test_half_a_character_cannot_be_written(tmp_path, name):
    with pytest.raises(OutputError, match=r"cannot be written: '\\ud83d' is half a character"):
        write(tmp_path / name, {"text": str}, [("a\ud83d",)])

    assert list(tmp_path.iterdir()) == []


def test_a_device_is_not_replaced():
    for force in (False, True):
        with pytest.raises(OutputError, match="/dev/null is a device or a pipe, which no file can replace"):
            check_place(Path("/dev/null"), force=force)


def test_a_nan_among_whole_numbers_is_missing_in_a_parquet_file(tmp_path):
    write(tmp_path / "a.parquet", {"id": int, "good": bool}, [(1, True), (float("nan"), float("nan"))])
    assert pq.read_table(tmp_path / "a.parquet").to_pylist()[1] == {"id": None, "good": None}
