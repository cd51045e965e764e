"""How a text file is encoded: found out over the whole file, named, or refused with the byte and its line."""

import codecs

import pytest

from bothways.data.encoding import find_encoding
from bothways.data.tables import read_table
from bothways.errors import DataError, SettingsError


def texts(path, encoding="auto"):
    return [text for (text,) in read_table(path, encoding=encoding).rows(["text"])]


@pytest.mark.parametrize(
    ("word", "codec", "mark", "named"),
    [
        ("naïve ☃", "utf-8", b"", None),
        ("naïve ☃", "utf-8", codecs.BOM_UTF8, None),
        ("naïve ☃", "utf-16-le", codecs.BOM_UTF16_LE, "utf-16"),
        ("naïve ☃", "utf-16-be", codecs.BOM_UTF16_BE, "utf-16"),
        ("naïve ☃", "utf-32-le", codecs.BOM_UTF32_LE, "utf-32"),
        ("naïve", "latin-1", b"", "latin-1"),
        ("naïve – “so”", "cp1252", b"", "cp1252"),
    ],
)
def test_a_text_comes_back_from_each_encoding_and_the_encoding_is_named(tmp_path, word, codec, mark, named):
    path = tmp_path / "reviews.csv"
    path.write_bytes(mark + f"text,label\n{word},good\nplain,bad\n".encode(codec))

    table = read_table(path)

    assert table.columns == ["text", "label"]
    assert texts(path) == [word, "plain"]
    assert table.notes == ([f"reviews.csv is read as {named}."] if named else [])


def test_one_letter_at_the_end_of_a_long_file_decides(tmp_path):
    path = tmp_path / "late.csv"
    path.write_bytes(b"text\n" + b"plain words\n" * 200_000 + b"na\xefve\n")  # beyond the first two blocks

    assert texts(path)[-1] == "naïve"
    assert read_table(path).notes == ["late.csv is read as latin-1."]


def test_a_character_across_two_blocks_is_whole(tmp_path):
    path = tmp_path / "across.csv"
    path.write_bytes(b"text\n" + b"x" * (2**20 - 6) + "é\n".encode())

    assert texts(path)[0].endswith("xé")


@pytest.mark.parametrize("good", [3, 300])
def test_a_damaged_utf8_file_is_refused_with_the_byte_and_its_line(tmp_path, good):
    path = tmp_path / "cut.csv"
    path.write_bytes(b"text\n" + "café\n".encode() * good + b"caf\xc3\n")

    with pytest.raises(
        DataError, match=rf"^cut.csv is UTF-8, but byte 0xC3 in line {good + 2} is broken.*--encoding cp1252"
    ):
        read_table(path)


def test_a_character_cut_off_at_the_end_is_damage(tmp_path):
    path = tmp_path / "cut.csv"
    path.write_bytes("text\ncafé\ncafé".encode()[:-1])

    with pytest.raises(DataError, match=r"^cut.csv is UTF-8, but byte 0xC3 in line 3 is broken"):
        read_table(path)


@pytest.mark.parametrize("codec", ["gb18030", "cp1251", "shift_jis"])
def test_what_is_not_western_is_refused_and_not_guessed(tmp_path, codec):
    words = {"gb18030": "房间很好服务也不错", "cp1251": "хорошая гостиница", "shift_jis": "とても良いホテルでした"}
    path = tmp_path / "east.csv"
    path.write_bytes("text\n".encode(codec) + (words[codec] + "\n").encode(codec) * 7)

    with pytest.raises(DataError, match=r"^east.csv is neither UTF-8 \(byte 0x.. in line 2 is broken\) nor Western"):
        read_table(path)
    assert texts(path, codec) == [words[codec]] * 7


def test_a_byte_that_no_western_encoding_has_is_refused(tmp_path):
    path = tmp_path / "odd.csv"
    path.write_bytes(b"text\nfine\nodd \x81 byte\n")

    with pytest.raises(DataError, match=r"^odd.csv is neither UTF-8 \(byte 0x81 in line 3 is broken\) nor Western"):
        read_table(path)


def test_a_named_encoding_is_obeyed_though_another_is_likelier(tmp_path):
    path = tmp_path / "word.csv"
    path.write_bytes("text\né\n".encode())

    assert texts(path, "cp1252") == ["Ã©"]
    assert read_table(path, encoding="cp1252").notes == []


@pytest.mark.parametrize("encoding", ["utf-16", "UTF16", "utf-32"])
def test_a_named_encoding_that_needs_a_mark_is_refused_without_one(tmp_path, encoding):
    path = tmp_path / "plain.csv"
    path.write_bytes(b"text\nplain words\n")

    with pytest.raises(
        DataError, match=r"^plain.csv cannot be read as .*: it has no byte order mark. Choose utf-.*-le"
    ):
        read_table(path, encoding=encoding)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_named_order_of_bytes_drops_the_mark_and_needs_none(tmp_path, codec):
    path = tmp_path / "mark.csv"
    mark = "\ufeff".encode(codec)
    for start in (mark, b""):
        path.write_bytes(start + "text\nnaïve\n".encode(codec))
        assert texts(path, codec) == ["naïve"]


def test_a_named_utf8_drops_the_byte_order_mark(tmp_path):
    path = tmp_path / "mark.csv"
    path.write_bytes(codecs.BOM_UTF8 + b"text\na\n")

    assert read_table(path, encoding="utf8").columns == ["text"]


@pytest.mark.parametrize(
    ("encoding", "line", "byte", "content"),
    [
        ("utf-8", 3, "0xE9", b"text\nok\ncaf\xe9\n"),
        ("cp1252", 2, "0x9D", b"text\n\x9d\nok\n"),
        ("utf-16", 2, "0x00", codecs.BOM_UTF16_LE + "text\nok".encode("utf-16-le") + b"\x00\xd8\x00\x00"),
    ],
)
def test_a_named_encoding_that_fails_is_refused_with_the_byte_and_its_line(tmp_path, encoding, line, byte, content):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)

    with pytest.raises(DataError, match=rf"^bad.csv cannot be read as .*: byte {byte} in line {line} is broken"):
        read_table(path, encoding=encoding)


@pytest.mark.parametrize("name", ["utf9", "rot13", "", "a\0b"])
def test_an_unknown_encoding_is_refused_with_known_ones(tmp_path, name):
    path = tmp_path / "a.csv"
    path.write_bytes(b"text\na\n")

    with pytest.raises(SettingsError, match=r"^encoding is .*, but it must be one of: auto, utf-8, utf-16, cp1252"):
        find_encoding(path, name)


def test_utf16_without_a_mark_is_refused_with_what_to_name(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_bytes("text\nwords\n".encode("utf-16-le"))

    with pytest.raises(DataError, match=r"holds 11 NUL characters: it is not plain text.*--encoding utf-16-le"):
        read_table(path)
    assert texts(path, "utf-16-le") == ["words"]


def test_nul_characters_are_kept_and_counted(tmp_path):
    path = tmp_path / "nul.csv"
    path.write_bytes(b"text,label\na\0b,good\n\0 long enough,bad\n")

    assert texts(path) == ["a\0b", "\0 long enough"]
    assert read_table(path).notes == ["nul.csv holds 2 NUL characters, kept as found."]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04rest", "is a zip or Excel file: unpack it, or save the sheet as CSV"),
        (b"\x1f\x8brest", "is a gzip file: its name should end in .gz"),
        (b"PAR1rest", "is a Parquet file: its name should end in .parquet"),
        (bytes(range(256)) * 5, "is not text: byte 0x80 in line 2 is not UTF-8, and control characters"),
    ],
)
def test_what_is_not_text_is_refused_by_what_it_is(tmp_path, content, words):
    path = tmp_path / "sheet.csv"
    path.write_bytes(content)

    with pytest.raises(DataError, match=rf"^sheet.csv {words}"):
        read_table(path)
