"""Predict the rows of a table or the lines of a stream."""

import datetime
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bothways
from bothways import TextClassifier
from bothways.data.tables import read_table
from bothways.errors import DataError
from bothways.runtime import translator
from bothways.runtime.files import predict_file, read_lines
from bothways.runtime.translator import whole_lines
from toys import SMALL, toy_texts, write_csv


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """A model whose labels are true and false, and which reads five steps."""
    texts, labels = toy_texts(40)
    model = TextClassifier(**SMALL, max_length=5).fit(texts, [label == "good" for label in labels])
    folder = tmp_path_factory.mktemp("runtime") / "model"
    model.save(folder)
    return bothways.load(folder)


def rows(path):
    table = read_table(path)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows(table.columns)]


def test_a_boolean_label_is_spelt_as_tables_spell_it(runner, tmp_path):
    assert runner.classes == [False, True]
    assert runner.labels == ["false", "true"]
    data = write_csv(tmp_path / "new.csv", ["review"], [["joy"], ["gloom"]])
    predict_file(runner, data, tmp_path / "out.csv", text="review")
    named = [runner.labels[row.argmax()] for row in runner.predict_proba(["joy", "gloom"])]
    assert [row["prediction"] for row in rows(tmp_path / "out.csv")] == named


def test_the_notes_name_the_first_row_that_is_cut_and_the_first_that_is_empty(runner, tmp_path):
    """The oddities stand behind the first batch of rows, so that their places count through all of them."""
    texts = ["joy"] * 5000
    texts[4500] = texts[4600] = ""
    texts[4700] = "joy and gloom and joy and gloom"
    data = write_csv(tmp_path / "new.csv", ["id", "review"], [[str(row), text] for row, text in enumerate(texts)])
    notes = predict_file(runner, data, tmp_path / "out.csv", text="review")
    assert notes == [
        "1 text cut after 5 steps, the first at new.csv, row 4,701.",
        "2 empty texts predicted like any other, the first at new.csv, row 4,501.",
        f"5,000 rows written to {tmp_path / 'out.csv'}.",
    ]


OTHERS = {
    "text": ["joy", "gloom", "plot"],
    "tags": [["x", "é"], [], None],
    "number": [1.5, 2.0, None],
    "nested": [{"a": [1, 2]}, {"a": []}, {"a": None}],
}


def write_parquet(path):
    pq.write_table(pa.table(OTHERS), path)


def write_json_lines(path):
    lines = [dict(zip(OTHERS, values, strict=True)) for values in zip(*OTHERS.values(), strict=True)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("write", [write_parquet, write_json_lines])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_other_columns_with_lists_and_objects_are_passed_on_as_json(runner, tmp_path, write, ending):
    data = tmp_path / ("new.parquet" if write is write_parquet else "new.jsonl")
    write(data)
    predict_file(runner, data, tmp_path / f"out.{ending}", text="text")
    found = rows(tmp_path / f"out.{ending}")
    assert [row["text"] for row in found] == OTHERS["text"]
    assert [row["number"] or None for row in found] == ["1.5", "2", None]
    for name in ("tags", "nested"):
        assert [json.loads(row[name]) if row[name] else None for row in found] == OTHERS[name]


@pytest.mark.parametrize("start", ["jsonl", "parquet"])
@pytest.mark.parametrize("end", ["jsonl", "parquet"])
def test_numbers_and_booleans_of_other_columns_stay_what_they_are(runner, tmp_path, start, end):
    columns = {"text": ["joy", "gloom", "plot"], "id": [7, 8, None], "share": [0.5, 2.0, None], "seen": [True, None, 0]}
    columns["seen"][2] = False
    lines = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    data, out = tmp_path / f"new.{start}", tmp_path / f"out.{end}"
    if start == "parquet":
        pq.write_table(pa.table(columns), data)
    else:
        data.write_text("".join(json.dumps(line) + "\n" for line in lines))
    predict_file(runner, data, out)
    found = [json.loads(line) for line in out.read_text().splitlines()] if end == "jsonl" else pq.read_table(out)
    found = found if end == "jsonl" else found.to_pylist()
    assert [repr([row[name] for name in columns]) for row in found] == [repr(list(line.values())) for line in lines]


def test_other_columns_of_several_kinds_are_kept_in_json_lines_and_spelt_in_parquet(runner, tmp_path):
    mixed = ["1", 1, 2.5, True, 2**70, None]
    data = tmp_path / "new.jsonl"
    data.write_text("".join(json.dumps({"text": "joy", "mixed": value}) + "\n" for value in mixed))
    for ending in ("jsonl", "parquet"):
        predict_file(runner, data, tmp_path / f"out.{ending}", text="text")
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert repr([json.loads(line)["mixed"] for line in lines]) == repr(mixed)
    spelt = ["1", "1", "2.5", "true", str(2**70), None]
    assert pq.read_table(tmp_path / "out.parquet")["mixed"].to_pylist() == spelt


def test_bytes_and_dates_in_other_columns_are_passed_on(runner, tmp_path):
    day = datetime.date(2024, 2, 29)
    table = pa.table({"text": ["joy"], "picture": [b"\xff\xd8"], "inner": [{"bytes": b"\xff", "day": day}]})
    pq.write_table(table, tmp_path / "new.parquet")
    predict_file(runner, tmp_path / "new.parquet", tmp_path / "out.csv")
    (row,) = rows(tmp_path / "out.csv")
    assert bytes.fromhex(json.loads(row["picture"])) == b"\xff\xd8"
    assert json.loads(row["inner"]) == {"bytes": "ff", "day": "2024-02-29"}


@pytest.mark.parametrize("write", [write_parquet, write_json_lines])
def test_a_list_in_the_column_of_texts_is_refused(runner, tmp_path, write):
    data = tmp_path / ("new.parquet" if write is write_parquet else "new.jsonl")
    write(data)
    with pytest.raises(DataError, match="column 'tags' holds"):
        predict_file(runner, data, tmp_path / "out.csv", text="tags")
    assert not (tmp_path / "out.csv").exists()


def test_lines_are_read_as_utf_8_with_or_without_a_mark():
    lines = ["naïve\r\n".encode(), b"\n", "中文".encode()]
    assert read_lines(lines) == ["naïve", "", "中文"]
    assert read_lines([b"\xef\xbb\xbf" + lines[0], *lines[1:]]) == ["naïve", "", "中文"]


def test_a_line_that_is_not_utf_8_is_refused_with_its_number():
    with pytest.raises(DataError, match=r"^standard input, line 3: the byte 0xe9 is not UTF-8\. Convert the text, or"):
        read_lines([b"a\n", b"b\n", "caf\xe9\n".encode("latin-1")])
    with pytest.raises(DataError, match=r"^standard input, line 1: the byte 0xe9 is not UTF-8\."):
        read_lines([b"\xef\xbb\xbfcaf\xe9\n"])  # the mark is not counted twice


def test_lines_come_in_groups_as_they_arrive_and_are_counted_through(monkeypatch):
    monkeypatch.setattr(translator, "LINES_AT_ONCE", 2)
    asked = []

    def arriving():
        for line in (b"\xef\xbb\xbfa\n", b"b\n", b"c\n", b"\xe9\n"):
            asked.append(line)
            yield line

    groups = whole_lines(arriving())
    assert next(groups) == ["a", "b"]
    assert len(asked) == 2
    with pytest.raises(DataError, match="line 4: the byte 0xe9"):
        next(groups)


def test_no_text_at_all_gives_no_prediction(runner):
    assert runner.predict_proba([]).shape == (0, 2)
    assert (runner.cut, runner.empty) == (0, 0)


def test_counts_are_those_of_the_last_call(runner):
    runner.predict(["joy", "", "a b c d e f", ""])
    assert (runner.cut, runner.first_cut, runner.empty, runner.first_empty) == (1, 2, 2, 1)
    np.testing.assert_array_equal(runner.predict(["joy"]), runner.predict(["joy"]))
    assert (runner.cut, runner.empty) == (0, 0)
