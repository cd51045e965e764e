"""Files to tables: the same rows from every format, as a stream, with each fault named by file and row."""

import csv
import decimal
import gzip
import io
import json
import random
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bothways.data import streaming
from bothways.data.tables import read_table
from bothways.errors import DataError, MissingFileError


def rows(table, *columns):
    columns = columns or table.columns
    return list(table.rows(columns))


@pytest.fixture
def written(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


ROWS = [("good, really", "1"), ('she said "no"', "0"), ("two\nlines", "1"), ("", "0"), ("naïve ☃", "1")]


def as_csv(delimiter, end):
    text = io.StringIO()
    # csv.writer leaves a line end that is not its own unquoted unless everything is quoted.
    quoting = csv.QUOTE_ALL if end == "\r" else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows([("text", "label"), *ROWS])
    return text.getvalue()


def as_json_lines(**options):
    return "\n".join(json.dumps({"text": text, "label": int(label)}, **options) for text, label in ROWS)


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", as_csv(",", "\n")),
        ("a.CSV", as_csv(",", "\r\n")),
        ("a.csv", as_csv(",", "\r")),
        ("a.csv", as_csv(";", "\n")),
        ("a.csv", as_csv("\t", "\n")),
        ("a.tsv", as_csv("\t", "\r\n")),
        ("a.jsonl", as_json_lines()),
        ("a.ndjson", as_json_lines(ensure_ascii=False) + "\n\n"),
        ("a.json", as_json_lines(separators=(",", ":"))),
    ],
)
def test_every_text_format_gives_the_same_rows_plain_and_packed(written, name, content, packed):
    table = read_table(written(name + packed, content))

    assert table.columns == ["text", "label"]
    assert rows(table) == ROWS
    assert rows(table, "label") == [(label,) for _, label in ROWS]


def test_parquet_gives_the_same_rows(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [text for text, _ in ROWS], "label": [int(label) for _, label in ROWS]}), path)

    assert rows(read_table(path)) == ROWS


def test_a_table_is_read_again_from_the_start(written):
    table = read_table(written("a.csv", as_csv(",", "\n")))
    half_read = table.rows(["text"])
    next(half_read)

    assert rows(table) == rows(table) == ROWS


def test_groups_are_small_and_in_order(written, monkeypatch):
    monkeypatch.setattr(streaming, "GROUP_ROWS", 3)
    monkeypatch.setattr(streaming, "GROUP_CHARACTERS", 20)
    table = read_table(written("a.csv", "text\n" + "\n".join(["a", "b", "c", "d", "e" * 19, "f", "g"])))
    groups = list(streaming.in_groups(table.rows(["text"])))

    assert [len(group) for group in groups] == [3, 2, 2]
    assert [text[0] for group in groups for (text,) in group] == list("abcdefg")
    assert list(streaming.in_groups([])) == []


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_rows_are_read_only_as_far_as_they_are_asked_for(tmp_path, ending):
    """A fault in the last row stands in nobody's way until it is reached."""
    path = tmp_path / f"a.{ending}"
    if ending == "parquet":
        bad = pa.array([b"ok"] * 3000 + [b"\xff"], pa.binary()).view(pa.string())
        pq.write_table(pa.table({"text": bad}), path)
    else:
        last = {"csv": '"open\n', "jsonl": '{"text": ["x"]}\n'}[ending]
        start, line = {"csv": ("text\n", "ok\n"), "jsonl": ("", '{"text": "ok"}\n')}[ending]
        path.write_text(start + line * 3000 + last)
    reading = read_table(path).rows(["text"])

    assert [next(reading) for _ in range(2000)] == [("ok",)] * 2000
    with pytest.raises(DataError, match=rf"^a.{ending}"):
        list(reading)


def test_whole_rows_keep_the_values_of_all_columns_but_the_text(tmp_path, written):
    kept = {
        "whole": [1, -(2**63), None],
        "real": [1.5, 2.0, 0.1],
        "truth": [True, False, None],
        "list": [["x", "é"], [], None],
        "object": [{"a": 1}, {"a": None}, None],
    }
    columns = {"text": [1, 2, 3], **kept}
    lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")

    for path in (written("a.jsonl", "\n".join(lines)), tmp_path / "a.parquet"):
        found = dict(zip(columns, zip(*read_table(path).whole_rows("text"), strict=True), strict=True))
        assert found["text"] == ("1", "2", "3")
        for name in ("list", "object"):
            found[name] = [None if value is None else json.loads(value) for value in found[name]]
        for name, values in kept.items():
            assert list(map(repr, found[name])) == list(map(repr, values)), name
        with pytest.raises(DataError, match="has no column 'txt'"):
            read_table(path).whole_rows("txt")
        with pytest.raises(DataError, match=r"^a.*: column 'list' holds (a list|lists)"):
            list(read_table(path).whole_rows("list"))


def test_numbers_that_64_bits_cannot_hold_keep_their_digits(tmp_path, written):
    large = 2**64 - 1
    columns = {"text": ["a"], "n": pa.array([large], pa.uint64()), "d": [decimal.Decimal("12345678901234567890.10")]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")

    assert list(table.whole_rows("text")) == [("a", large, "12345678901234567890.10")]
    assert table.kinds("n") == table.kinds("d") == {"other", "null"}
    assert read_table(written("a.jsonl", json.dumps({"n": large}))).kinds("n") == {"other"}


def test_numbers_as_categories_are_numbers(tmp_path):
    stars = pa.array([3, 5, 3]).dictionary_encode()
    pq.write_table(pa.table({"text": ["a", "b", "c"], "stars": stars}), tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")

    assert list(table.whole_rows("text")) == [("a", 3), ("b", 5), ("c", 3)]
    assert rows(table, "stars") == [("3",), ("5",), ("3",)]
    assert table.kinds("stars") - {"null"} == {"integer"}


def test_no_value_of_a_csv_file_is_taken_for_a_number_or_a_missing_one(written):
    values = ["007", "NA", "null", "None", "NaN", "1.0", "true", "", " a ", "1e5", "\\N", "2020-01-01"]
    table = read_table(written("a.csv", "".join(f"{value},x\n" for value in ["code", *values])))

    assert rows(table, "code") == [(value,) for value in values]
    assert table.kinds("code") == {"string"}


def test_values_of_json_and_parquet_are_spelt_alike(tmp_path, written):
    columns = {
        "whole": [1, 2, None],
        "real": [1.0, 0.1, float("nan")],
        "large": [1e300, -2.5e-7, -0.0],
        "truth": [True, False, None],
        "text": ["007", "", None],
    }
    expected = {
        "whole": ["1", "2", None],
        "real": ["1", "0.1", None],
        "large": ["1e+300", "-2.5e-07", "0"],
        "truth": ["true", "false", None],
        "text": ["007", "", None],
    }
    arrow = pa.table(columns)
    single = arrow.set_column(1, "real", arrow["real"].cast(pa.float32()))
    pq.write_table(arrow, tmp_path / "a.parquet")
    pq.write_table(single, tmp_path / "single.parquet")
    lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]

    for path in (tmp_path / "a.parquet", tmp_path / "single.parquet", written("a.jsonl", "\n".join(lines))):
        table = read_table(path)
        assert rows(table) == list(zip(*expected.values(), strict=True))
        found = [table.kinds(column) - {"null"} for column in columns]
        assert found == [{"integer"}, {"float"}, {"float"}, {"boolean"}, {"string"}]


def test_categories_and_long_strings_of_parquet_are_text(tmp_path):
    path = tmp_path / "a.parquet"
    arrow = pa.table(
        {"a": pa.array(["x", "y", "x"]).dictionary_encode(), "b.c": pa.array(["p", "q", None], pa.large_string())}
    )
    pq.write_table(arrow, path)
    table = read_table(path)

    assert rows(table, "b.c", "a") == [("p", "x"), ("q", "y"), (None, "x")]
    assert table.kinds("a") == {"string", "null"}


def test_a_key_that_a_row_lacks_is_missing(written):
    table = read_table(written("a.jsonl", '{"text": "a"}\n{"label": "x", "text": "b"}\n'))

    assert table.columns == ["text", "label"]
    assert rows(table) == [("a", None), ("b", "x")]
    assert (table.kinds("text"), table.kinds("label")) == ({"string"}, {"string", "null"})


def test_half_a_character_is_replaced_and_counted(written):
    path = written("a.jsonl", '{"text": "a\\ud83d"}\n{"text": "\\ud83d\\ude00 caf\\u00e9"}\n')
    table = read_table(path)

    assert rows(table) == [("a\ufffd",), ("😀 café",)]
    assert table.notes == ["a.jsonl holds half characters in 1 row, each read as U+FFFD."]


def test_only_a_line_feed_ends_a_json_line(written):
    assert rows(read_table(written("a.jsonl", '{"text":\r"a\u2028b\x85c"}\r\n'))) == [("a\u2028b\x85c",)]


def test_a_text_of_a_million_words_is_whole(written):
    long = "word " * 1_000_000
    for name, content in [
        ("a.csv", f'text\n"{long}"\nshort\n'),
        ("a.jsonl", json.dumps({"text": long}) + '\n{"text": "short"}'),
    ]:
        assert rows(read_table(written(name, content))) == [(long,), ("short",)]


@pytest.mark.parametrize(
    ("content", "columns", "note"),
    [
        ('text;label\n"so, so";1\n', ["text", "label"], "a.csv is read with semicolons between its values."),
        ("text\tlabel\nso, so; yes\t1\n", ["text", "label"], "a.csv is read with tabs between its values."),
        ('text,label\n"a;b",1\n', ["text", "label"], None),
        ("a;b,c\nd;e,f\n", ["a;b", "c"], None),
        ("text\nso; so\n", ["text"], None),
    ],
)
def test_the_delimiter_is_found_from_the_header_and_said(written, content, columns, note):
    table = read_table(written("a.csv", content))

    assert table.columns == columns
    assert table.notes == ([note] if note else [])


def test_a_tsv_file_with_plain_quotes_is_read_without_quoting_and_says_so(written):
    table = read_table(written("a.tsv", 'text\tlabel\n"Well" he said\t1\n"never closed\t0\n'))

    assert rows(table) == [('"Well" he said', "1"), ('"never closed', "0")]
    assert table.notes == ["a.tsv is read without quoting: its quotes are part of the text."]


def test_blank_lines_are_no_rows_unless_a_row_has_one_value(written):
    assert rows(read_table(written("a.csv", "\ntext,label\n\na,1\n\n\nb,2\n\n"))) == [("a", "1"), ("b", "2")]
    assert rows(read_table(written("b.csv", 'text\na\n\n""\nb\n'))) == [("a",), ("",), ("",), ("b",)]


@pytest.mark.parametrize("size", [1, 9000])
def test_an_open_quote_is_refused_with_the_row_where_it_opened(written, size):
    before = '"fine, ""really""\nfine",1\n' * size
    for after in ("", "a,0\n" * 7, '"quoted",0\n' * 7):
        table = read_table(written("a.csv", f'text,label\n{before}"open,1\n{after}'))

        with pytest.raises(
            DataError, match=rf"^a.csv, row {size + 1:,} \(line {2 * size + 2:,}\): a quote is opened here"
        ):
            rows(table)


def test_a_quote_left_open_does_not_gather_the_whole_file(written, monkeypatch):
    monkeypatch.setattr("bothways.data.delimited._LONGEST_VALUE", 200_000)
    before = csv.field_size_limit(200_000)
    try:
        table = read_table(written("a.csv", 'text,label\na,1\n"open,1\n' + "a,0\n" * 100_000))
        with pytest.raises(
            DataError, match=r"^a.csv, row 2 \(line 3\): a value is longer than 200,000 characters. Close"
        ):
            rows(table)
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize(
    ("line", "words"),
    [("only", "found 1 value, but the header has 2"), ("a,b,c", "found 3 values, but the header has 2")],
)
def test_a_row_of_another_width_is_refused_with_its_number(written, line, words):
    table = read_table(written("a.csv", f'text,label\n"two\nlines",1\n\n{line}\nb,1\n'))

    with pytest.raises(
        DataError, match=rf"^a.csv, row 2 \(line 5\): {words}. Put a value that holds a comma in quotes.$"
    ):
        rows(table)


def test_text_after_a_closing_quote_is_refused_and_not_joined(written):
    table = read_table(written("a.csv", 'text,label\na,1\n"he said "hi" to me",0\n'))

    with pytest.raises(DataError, match=r"row 2 \(line 3\): a quote .* Double each quote that belongs to the text"):
        rows(table)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            '{"text": "b"',
            r"a.jsonl, line 3: not JSON \(Expecting ',' delimiter\). Each line must be one object, such as",
        ),
        ('"b"', 'a.jsonl, line 3: found "b", but each line must be one object'),
        ("[1]", r"a.jsonl, line 3: found \[1\], but each line must be one object"),
        ("[" * 100_000, r"a.jsonl, line 3: not JSON"),
    ],
)
def test_a_broken_json_line_is_refused_with_its_number(written, line, words):
    with pytest.raises(DataError, match=rf"^{words}"):
        read_table(written("a.jsonl", f'{{"text": "a"}}\n\n{line}\n'))


@pytest.mark.parametrize("content", ['[\n  {"text": "a"}\n]\n', '[{"text": "a"}]'])
def test_one_json_list_is_refused_with_what_to_write(written, content):
    with pytest.raises(DataError, match=r"a.json is one JSON list. Write one object a line instead"):
        read_table(written("a.json", content))


def test_lists_and_objects_are_refused_where_a_value_is_needed(tmp_path, written):
    table = read_table(
        written("a.jsonl", '{"text": "a", "l": "x"}\n{"text": "b", "l": ["x"]}\n{"text": {"en": "c"}}\n')
    )
    arrow = pa.table({"text": ["a"], "l": [["x"]], "d": [{"en": "c"}]})
    pq.write_table(arrow, tmp_path / "a.parquet")
    parquet = read_table(tmp_path / "a.parquet")

    assert table.kinds("l") == {"string", "list", "null"}
    assert (parquet.kinds("l"), parquet.kinds("d")) == ({"list", "null"}, {"object", "null"})
    with pytest.raises(DataError, match=r"^a.jsonl, row 2: column 'l' holds a list, but one text, number or boolean"):
        rows(table, "l")
    with pytest.raises(DataError, match=r"^a.jsonl, row 3: column 'text' holds an object"):
        rows(table, "text")
    with pytest.raises(DataError, match=r"^a.parquet: column 'l' holds lists"):
        rows(parquet, "text", "l")


def test_parquet_text_that_is_not_utf8_is_refused(tmp_path):
    bad = pa.array([b"ok", b"\xff"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": bad}), tmp_path / "a.parquet")

    with pytest.raises(DataError, match=r"^a.parquet: column 'text' \(string\) cannot be read as text"):
        rows(read_table(tmp_path / "a.parquet"))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a.csv.gz", "folder"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(MissingFileError, match=rf"{name} does not exist. Check the path.$"):
        read_table(tmp_path / name)


@pytest.mark.parametrize("name", ["a.xlsx", "a", "a.txt", "a.parquet.gz", "a.gz"])
def test_another_format_is_refused_with_what_is_read(written, name):
    with pytest.raises(DataError, match=rf"^{name} is of a format that is not read. What is read: .csv, .tsv, .jsonl"):
        read_table(written(name, "text\na\n"))


@pytest.mark.parametrize("content", ["", "\n\n", "text,label\n", "\ufefftext,label"])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_file_without_rows_is_refused(written, name, content):
    with pytest.raises(DataError, match=rf"^{name} holds no rows.$"):
        read_table(written(name, content))


def test_json_and_parquet_without_rows_are_refused(tmp_path, written):
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    for path in (written("a.jsonl", "\n"), tmp_path / "a.parquet"):
        with pytest.raises(DataError, match=rf"^{path.name} holds no rows.$"):
            read_table(path)


def test_a_column_that_stands_twice_is_refused(written):
    with pytest.raises(DataError, match=r"^a.csv has two columns named 'text'. Give each column a name of its own"):
        read_table(written("a.csv", "text,label,text\na,b,c\n"))


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:40] + b"\0\0\0" + data[43:]])
def test_a_damaged_gz_file_is_refused(tmp_path, damage):
    content = "text\n" + "".join(f"{random.Random(0).random()}\n" for _ in range(99))
    path = tmp_path / "a.csv.gz"
    path.write_bytes(damage(gzip.compress(content.encode())))

    with pytest.raises(DataError, match=r"a.csv.gz is a cut or damaged .gz file \(.*\). Copy or download it again.$"):
        read_table(path)


def test_a_damaged_parquet_file_is_refused(tmp_path, written):
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
    cut = (tmp_path / "a.parquet").read_bytes()[:-5]

    for content in (cut, b"", b"text\na\n"):
        with pytest.raises(DataError, match=r"^b.parquet is no whole Parquet file: .* Write it again.$"):
            read_table(written("b.parquet", content))


def test_damage_inside_a_parquet_file_is_told_where_the_rows_are_read(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"text {number} of many" for number in range(5000)]}), path, compression="gzip")
    content = bytearray(path.read_bytes())
    content[200:3000] = bytes(2800)  # the pages; the footer with the schema is whole
    path.write_bytes(content)
    table = read_table(path)
    with pytest.raises(DataError, match=r"^a.parquet is no whole Parquet file: .* Write it again.$"):
        list(table.rows(["text"]))


def test_a_name_that_no_file_can_have_is_told_in_one_line():
    with pytest.raises(DataError, match="cannot be read: File name too long"):
        read_table("x" * 300)


def test_a_column_that_does_not_exist_is_refused_at_once(written):
    table = read_table(written("a.csv", "text,label\na,1\n"))

    with pytest.raises(
        DataError, match=r"^a.csv has no column 'lable'. Its columns are: 'text', 'label'. Did you mean 'label'"
    ):
        table.rows(["text", "lable"])
    with pytest.raises(DataError, match=r"^No column of a.csv was asked for. Choose from: text, label.$"):
        table.rows([])


def test_a_folder_is_read_in_the_order_of_names(tmp_path, written):
    written("parts/b.jsonl", '{"label": "3", "text": "c"}\n')
    written("parts/a.csv.gz", "text,label\na,1\nb,2\n")
    written("parts/.hidden.csv", "other\nx\n")
    written("parts/README.md", "about")
    written("parts/a2.csv", "text,label\n")
    pq.write_table(pa.table({"label": [4], "text": ["d"]}), tmp_path / "parts" / "c.parquet")
    table = read_table(tmp_path / "parts")

    assert rows(table) == [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]
    assert table.notes == ["README.md is skipped: it is not a table.", "a2.csv is skipped: it holds no rows."]
    assert table.kinds("label") == {"string", "integer", "null"}


@pytest.mark.parametrize("read_before", [True, False])
def test_a_place_is_the_row_within_its_file(written, tmp_path, read_before):
    written("parts/a.csv", "text\na\nb\n")
    written("parts/b.csv", "text\n" + "c\n" * 1500)
    table = read_table(tmp_path / "parts")
    if read_before:
        rows(table)

    assert [table.where(row) for row in (0, 1, 2, 1501)] == [
        "a.csv, row 1",
        "a.csv, row 2",
        "b.csv, row 1",
        "b.csv, row 1,500",
    ]


def test_a_place_is_found_where_the_first_column_holds_lists(written, tmp_path):
    written("parts/a.jsonl", '{"tags": ["x"], "text": "a"}\n')
    written("parts/b.jsonl", '{"tags": [], "text": "b"}\n')

    assert read_table(tmp_path / "parts").where(1) == "b.jsonl, row 1"


def test_files_of_a_folder_with_other_columns_are_refused(tmp_path, written):
    written("parts/a.csv", "text,label\na,1\n")
    written("parts/b.csv", "text,stars\nb,2\n")

    with pytest.raises(
        DataError, match=r"^b.csv has the columns text, stars, but a.csv in the same folder has text, label"
    ):
        read_table(tmp_path / "parts")


def test_a_folder_without_rows_is_refused(tmp_path, written):
    with pytest.raises(DataError, match=r"holds no file with rows. What is read: .csv"):
        read_table(written("parts/a.csv", "text\n").parent)


def test_importing_the_readers_does_not_load_arrow():
    command = "import sys, bothways.data.columns, bothways.data.writing; sys.exit('pyarrow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0


@pytest.mark.parametrize(
    ("lines", "columns", "rows"),
    [
        (["Datum;Temperatur, °C", "2020-01-01;11,1", "2020-01-02;12,2"], ["Datum", "Temperatur, °C"], 2),
        (["id;text, cleaned;label", "1;hello, world;pos"], ["id", "text, cleaned", "label"], 1),
        (["sep=;", "a;b,c", "1;2", "3;4"], ["a", "b,c"], 2),
        (['"sep=,"', "a,b", "1,2"], ["a", "b"], 1),
        (['name,"labels (a;b;c)"', 'x,"1;0;1"', 'y,"0;0;1"'], ["name", "labels (a;b;c)"], 2),
        (["id;text", '1;"""Great"" he said"', "2;meh"], ["id", "text"], 2),
        (["text;label", '"He said ""hi""";pos', "fine;neg"], ["text", "label"], 2),
        (['"5"" disk";a', '"6"" disk";b'], ['5" disk', "a"], 1),
        (["question,answer A;B;C", "hello,x;y;z", "hello2,x"], ["question", "answer A;B;C"], 2),
    ],
)
def test_what_stands_between_values_is_found_by_the_header(tmp_path, lines, columns, rows):
    (tmp_path / "a.csv").write_text("\r\n".join(lines) + "\r\n", encoding="utf-8-sig")
    table = read_table(tmp_path / "a.csv")
    assert table.columns == columns
    assert len(list(table.rows(columns))) == rows


def test_a_broken_row_behind_a_line_that_names_the_delimiter_is_named_by_its_line(tmp_path):
    (tmp_path / "a.csv").write_text("sep=;\na;b\n1;2\n3\n")
    with pytest.raises(DataError, match=r"row 2 \(line 4\)"):
        list(read_table(tmp_path / "a.csv").rows(["a"]))


def test_quotes_that_balance_by_chance_swallow_no_row(tmp_path):
    lines = ["sentence\tlabel", "He came.\t0", '"I am late.\t1', 'I am sorry."\t1', "She smiled.\t1"]
    (tmp_path / "a.tsv").write_text("\n".join(lines) + "\n")
    table = read_table(tmp_path / "a.tsv")
    assert [row[0] for row in table.rows(["sentence"])] == [line.split("\t")[0] for line in lines[1:]]
    assert any("read without quoting" in note for note in table.notes)
