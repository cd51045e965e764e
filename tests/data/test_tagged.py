"""Tagged sentences: the same from every layout, placed by file and line, and each fault named."""

import csv
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bothways.data.tagged import named_columns, read_tagged
from bothways.data.tagged_sentences import compare_tokens
from bothways.errors import DataError, MissingFileError, SettingsError

WORDS = [["Zoë", "met", "#", "Ada"], ["Go"], ["#up", "née\u00a0Li"]]
TAGS = [["B-PER", "O", "O", "B-PER"], ["O"], ["B-geo-loc", "I-geo-loc"]]
INTENTS = ["tell", "ask", "tell"]
ROWS = [list(zip(*sentence, strict=True)) for sentence in zip(WORDS, TAGS, strict=True)]


@pytest.fixture
def written(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


def columns(apart="\t", end="\n", between="\n"):
    return between.join("".join(f"{word}{apart}{tag}{end}" for word, tag in rows) for rows in ROWS)


def conllu(rows, *, head="# sent_id = 1\n"):
    """Rows of (id, form, upos) or (id, form, upos, misc) as a sentence of CoNLL-U."""
    full = [(*row, "_")[:4] for row in rows]
    lines = [f"{of}\t{form}\t{form}\t{upos}\tX\t_\t0\troot\t_\t{misc}\n" for of, form, upos, misc in full]
    return head + "".join(lines) + "\n"


def standard(**options):
    return "".join(conllu([(n, *row) for n, row in enumerate(rows, start=1)], **options) for rows in ROWS)


def as_json(**options):
    parts = zip(WORDS, TAGS, INTENTS, strict=True)
    return "\n".join(json.dumps({"tokens": a, "tags": b, "intent": c}, **options) for a, b, c in parts)


def as_table(apart):
    rows = [apart.join((" ".join(a), " ".join(b), c)) for a, b, c in zip(WORDS, TAGS, INTENTS, strict=True)]
    return "\n".join([apart.join(("text", "slots", "Intent")), *rows])


FILES = {
    "tabs": ("a.conll", columns()),
    "spaces": ("a.txt", columns(" ")),
    "mixed": ("a.conll", columns(" \t  ") + "\n\n" + "x O\n"),
    "no suffix": ("a", columns()),
    "CRLF": ("a.conll", columns(end="\r\n", between="\r\n")),
    "byte-order mark": ("a.conll", columns().encode("utf-8-sig")),
    "UTF-16": ("a.conll", columns().encode("utf-16")),
    "blank lines in a row, some with a tab": ("a.conll", "\n\n" + columns(between="\n\t\n \n") + "\n\n"),
    "blanks behind": ("a.conll", columns(end=" \t\n")),
    "documents": ("a.conll", "-DOCSTART- -X-\n\n" + columns(between="\n-DOCSTART-\tO\n")),
    "comments": ("a.conll", "# text = one two three\n# id\n" + columns()),
    "tsv with blank lines": ("a.tsv", columns()),
    "CoNLL-U": ("a.conllu", standard()),
    "CoNLL-U by another name": ("a.conll", standard(head="")),
    "CSV": ("a.csv", as_table(",")),
    "TSV": ("a.tsv", as_table("\t")),
    "JSON Lines": ("a.jsonl", as_json()),
}


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("layout", FILES)
def test_every_layout_gives_the_same_sentences_plain_and_packed(written, layout, packed):
    name, content = FILES[layout]
    found = read_tagged(written(name + packed, content))

    assert found.words[:3] == WORDS
    assert found.tags[:3] == TAGS
    assert len(found) == (4 if layout == "mixed" else 3)
    assert found.labels in (None, INTENTS)
    assert (found.labels is None) == (layout not in ("CSV", "TSV", "JSON Lines"))


def test_parquet_and_the_three_files_give_the_same_sentences(tmp_path, written):
    table = pa.table({"words": WORDS, "tags": TAGS, "intent": INTENTS})
    pq.write_table(table, tmp_path / "a.parquet")
    written("in/seq.in", "\n".join(map(" ".join, WORDS)) + "\n")
    written("in/seq.out", " \n".join(map(" ".join, TAGS)))
    folder = written("in/label", "\r\n".join(INTENTS)).parent

    for path in (tmp_path / "a.parquet", folder):
        found = read_tagged(path)
        assert (found.words, found.tags, found.labels) == (WORDS, TAGS, INTENTS)
    assert found.where(2, 1) == "in (seq.in, seq.out, label), line 3"
    (folder / "label").unlink()
    assert read_tagged(folder).labels is None
    (folder / "seq.out").unlink()
    assert read_tagged(folder, need_tags=False).words == WORDS
    with pytest.raises(MissingFileError, match=r"seq.out does not exist. Its folder needs seq.in, seq.out and"):
        read_tagged(folder)


@pytest.mark.parametrize("layout", sorted(set(FILES) - {"CSV", "TSV", "JSON Lines", "UTF-16"}))
def test_each_word_is_found_again_in_its_line(written, layout):
    path = written(*FILES[layout])
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    found = read_tagged(path)

    for sentence, words in enumerate(found.words):
        for position, word in enumerate(words):
            place = found.where(sentence, position)
            assert place.startswith(f"{path.name}, line ")
            assert word in lines[int(place.rsplit(" ", 1)[1]) - 1]
    assert found.lines == [lines[0] for lines in found.word_lines]


def test_rows_of_tables_are_placed_through_all_files_of_a_folder(written):
    written("many/a.csv", "tokens,tags\nx y,O O\nz,O\n")
    folder = written("many/b.csv", "tokens,tags\nu v w,O O O\n").parent
    found = read_tagged(folder)

    assert found.words == [["x", "y"], ["z"], ["u", "v", "w"]]
    assert [found.where(sentence) for sentence in range(3)] == ["a.csv, row 1", "a.csv, row 2", "b.csv, row 1"]


def test_what_was_skipped_or_guessed_is_said(written):
    found = read_tagged(written("a.conll", "-DOCSTART- O\n\n# one two three\nx O\n\n# a b c d\ny O\n"))
    assert found.notes == ["a.conll: 1 -DOCSTART- row skipped.", "a.conll: 2 comments skipped, the first in line 3."]

    assert read_tagged(written("b.txt", standard())).notes == ["b.txt is read as CoNLL-U."]
    notes = read_tagged(written("c.csv", as_table(","))).notes
    assert notes[1:] == ["Column 'slots' is read as the tags.", "Column 'Intent' is read as the intent."]


def test_a_hash_is_a_word_where_its_row_is_like_the_others_and_a_comment_only_before_a_sentence(written):
    found = read_tagged(written("a.conll", "# one two\n# O\nx O\n\n# text = y\n# B-a\n"))

    assert found.words == [["#", "x"], ["#"]]
    assert found.lines == [2, 6]
    words = read_tagged(written("b.conll", "# one two\nx\n#\n"), need_tags=False)
    assert words.words == [["x", "#"]]


def test_words_with_spaces_are_kept_where_tabs_part_all_columns(written):
    assert read_tagged(written("a.conll", "New York\tB-LOC\nis\tO\n")).words == [["New York", "is"]]
    assert read_tagged(written("b.conll", "New York\tB-LOC\nis O\n"), words=1, tags=2).words == [["New", "is"]]
    assert read_tagged(written("c.conll", "EU\tNNP B-ORG\nis\tVBZ O\n")).tags == [["B-ORG", "O"]]


def test_columns_are_chosen_by_number_and_then_rows_may_differ_behind_them(written):
    path = written("a.conll", "1 x NN O extra\n2 y VB O\n\n1 z NN B-a more of it\n")

    for words, tags in ((2, 4), ("2", "4")):
        found = read_tagged(path, words=words, tags=tags)
        assert (found.words, found.tags) == ([["x", "y"], ["z"]], [["O", "O"], ["B-a"]])
    assert read_tagged(path, words=2, need_tags=False).words == [["x", "y"], ["z"]]
    assert read_tagged(written("b.tsv", "x\tNN\ny\tVB\n"), words=1, tags=2).tags == [["NN", "VB"]]


def test_words_alone_are_read_where_no_tags_are_needed(written):
    for name, content in (("a.conll", "x\ny\n\nz\n"), ("b.csv", "words\nx y\nz\n"), ("c.jsonl", '{"text": "x y"}\n')):
        found = read_tagged(written(name, content), need_tags=False)
        assert found.words[0] == ["x", "y"]
        assert not any(found.tags)


def test_running_text_is_no_file_of_words(written):
    """Of each line the first word alone would be read. Which column holds the words may be said, and then is."""
    text = written("a.txt", "Ada met Zoë in Paris .\nTeddy sang .\n\nWe went home .\n")
    with pytest.raises(DataError) as caught:
        read_tagged(text, need_tags=False)
    assert "a.txt, line " in str(caught.value)
    assert "Give running text on standard input, a sentence a line" in str(caught.value)
    assert read_tagged(text, words=1, need_tags=False).words == [["Ada", "Teddy"], ["We"]]
    with pytest.raises(DataError, match=r'b.txt, line 2: 2 columns, but most rows have 1, .*: "New York"\.'):
        read_tagged(written("b.txt", "Ada\nNew York\nZoë\n"), need_tags=False)


def test_which_of_several_columns_holds_the_words_is_said(written):
    note = "a.conll: the first of 2 columns is read as the words."
    assert note in read_tagged(written("a.conll", columns()), need_tags=False).notes
    assert note not in read_tagged(written("a.conll", columns()), words=1, need_tags=False).notes
    assert read_tagged(written("b.conll", "x\ny\n"), need_tags=False).notes == []


RANGES = conllu(
    [
        ("1-2", "aunt's", "_"),
        (1, "aunt", "NOUN"),
        (2, "'s", "PART"),
        (3, "ran", "VERB"),
        ("3.1", "gone", "VERB"),
        ("4-5", "du", "_", "SpaceAfter=No"),
        (4, "de", "ADP"),
        (5, "le", "DET"),
        (6, "!", "PUNCT", "Lang=fr|SpaceAfter=No"),
        (7, "Yes", "INTJ"),
    ]
)


def test_conllu_ranges_and_empty_nodes_are_no_words(written):
    found = read_tagged(written("a.conllu", RANGES + conllu([(1, "x", "X")])))

    assert found.words == [["aunt", "'s", "ran", "de", "le", "!", "Yes"], ["x"]]
    assert found.tags[0] == ["NOUN", "PART", "VERB", "ADP", "DET", "PUNCT", "INTJ"]
    assert [found.where(0, position) for position in (0, 2, 3)] == [f"a.conllu, line {line}" for line in (3, 5, 8)]


def test_text_is_rebuilt_and_each_word_has_its_place_in_it(written):
    found = read_tagged(written("a.conllu", RANGES))
    text, places = found.text(0)

    assert text == "aunt's ran du!Yes"
    assert [text[start:end] for start, end in places] == ["aunt", "'s", "ran", "du", "du", "!", "Yes"]
    assert read_tagged(written("b.conll", columns())).text(0)[0] == "Zoë met # Ada"


def test_conllu_columns_are_chosen_by_the_standard_s_names_or_numbers(written):
    path = written("a.conllu", RANGES)

    assert read_tagged(path, tags="xpos").tags == read_tagged(path, tags=5).tags == [["X"] * 7]
    assert read_tagged(path, words="LEMMA", tags="deprel").tags == [["root"] * 7]
    with pytest.raises(DataError, match=r"no column 'upso'. The columns of CoNLL-U are: id, .*Did you mean 'upos'\?"):
        read_tagged(path, tags="upso")
    with pytest.raises(DataError, match="column feats holds no tag: it is _ in every row. Choose another"):
        read_tagged(path, tags="feats")
    some = read_tagged(written("b.conllu", conllu([(1, "x", "X"), (2, "y", "_")])))
    assert some.notes == ["1 word has no upos; it is read as the tag _, first in b.conllu, line 3."]


BROKEN = {
    "too few columns": ("a.conll", "x O\ny O\n\nz\n", 'line 4: expected 2 columns (word, tag), found 1: "z". A row is'),
    "too many": (
        "a.conll",
        "x O\ny O\nEU  NNP  B-ORG\n",
        'line 3: expected 2 columns (word, tag), found 3: "EU NNP B-O',
    ),
    "too few of many": ("a.conll", "x N O\ny N O\nz N\n", 'line 3: expected 3 columns, found 2: "z N".'),
    "too few, with tabs": ("a.conll", "New York\tO\nz\t\n", 'line 2: expected 2 columns (word, tag), found 1: "z".'),
    "a hash without a tag": ("a.conll", "x O\n#\ny O\n", 'line 2: expected 2 columns (word, tag), found 1: "#".'),
    "a comment inside": ("a.conll", "x O\n# one two\ny O\n", "line 2: expected 2 columns (word, tag), found 3"),
    "no word": ("a.conll", "x\tO\n\tO\n", 'line 2: the word is empty: " O".'),
    "no tag": ("a.conll", "x\tN\tO\ny\t\tO\n", "line 2: the tag is empty", {"words": 1, "tags": 2}),
    "no tags": ("a.conll", "x\ny\n\nz\n", "line 1: expected 2 columns (word, tag), found 1"),
    "a column too far": ("a.conll", "x O\n", "line 1: expected at least 4 columns, found 2", {"tags": 4}),
    "a column by name": ("a.conll", "x O\n", "no column 'ner': its columns are numbers from 1", {"tags": "ner"}),
    "column zero": ("a.conll", "x O\n", "no column 0: its columns are numbers from 1", {"words": 0}),
    "one column for both": ("a.conll", "x O\n", "column 2 is chosen for the words and for the tags", {"words": 2}),
    "empty": ("a.conll", "", "a.conll holds no sentence"),
    "blank": ("a.conll", "\n \n\t\n", "a.conll holds no sentence"),
    "an intent's column": ("a.conll", "x O\n", "has no column of intents, but 'i' is named", {"intent": "i"}),
    "CoNLL-U: nine columns": (
        "a.conllu",
        "# c\n" + "\t".join("1xxxxxxxx") + "\n",
        "line 2: expected 10 columns parted",
    ),
    "CoNLL-U: no id": ("a.conllu", conllu([("x", "y", "Z")]), "line 2: the id 'x' is none of CoNLL-U's"),
    "CoNLL-U: a lost row": ("a.conllu", conllu([(1, "x", "X"), (3, "y", "X")]), "line 3: the id 3 stands where word 2"),
    "CoNLL-U: a range too long": ("a.conllu", conllu([("1-3", "x", "_"), (1, "y", "X")]), "ends before the words 1-3"),
    "CoNLL-U: ranges overlap": (
        "a.conllu",
        conllu([("1-2", "x", "_"), (1, "y", "X"), ("2-3", "z", "_")]),
        "line 4: the id 2-3 stands where word 2",
    ),
    "CoNLL-U: an empty form": (
        "a.conllu",
        conllu([(1, "", "X")]),
        "line 2: column form is empty. Write _ for nothing.",
    ),
    "CoNLL-U: empty": ("a.conllu", "# only a comment\n", "a.conllu holds no sentence"),
    "table: counts": ("a.csv", "words,tags\nx,O\ny z,O\n", "a.csv, row 2: 2 words, but 1 tag in 'tags'."),
    "table: empty": ("a.csv", 'words,tags\nx,O\n" ",\n', "a.csv, row 2: the sentence is empty."),
    "table: no intent": ("a.csv", "words,tags,intent\nx,O,\n", "a.csv, row 1: column 'intent' is empty."),
    "table: which": (
        "a.csv",
        "words,pos_tags,ner_tags\nx,N,O\n",
        "which one is the tags? Name the words' and the tags'",
    ),
    "table: no column": ("a.csv", "words,tags\nx,O\n", "no column 'tag'. Its columns are", {"tags": "tag"}),
    "table: twice": ("a.csv", "words,tags\nx,O\n", "a column is chosen twice: 'words', 'words'", {"tags": "words"}),
    "lists: counts": (
        "a.jsonl",
        '{"words": ["x y"], "tags": ["O", "O"]}',
        "a.jsonl, row 1: 1 word, but 2 tags in 'tags'",
    ),
    "lists: no text": (
        "a.jsonl",
        '{"words": ["x", null], "tags": ["O", "O"]}',
        "row 1: a list holds null, but only words",
    ),
    "lists: empty word": (
        "a.jsonl",
        '{"words": ["x", ""], "tags": ["O", "O"]}',
        "row 1: a word of the sentence is empty",
    ),
    "lists: mixed": ("a.jsonl", '{"words": ["x"], "tags": "O"}\n{"words": "x", "tags": "O"}', "holds list and string"),
}


@pytest.mark.parametrize(("name", "content", "message", "options"), [(*b, {})[:4] for b in BROKEN.values()], ids=BROKEN)
def test_each_fault_is_one_line_with_its_place(written, name, content, message, options):
    with pytest.raises(DataError) as error:
        read_tagged(written(name, content), **options)
    assert message in str(error.value)
    assert str(error.value).startswith(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "tags", "labels", "message"),
    [
        (
            "x\ny\n",
            "O\n",
            "a\nb\n",
            "in: seq.in and seq.out need a line for each sentence, but seq.in has 2 and seq.out 1.",
        ),
        (
            "x\ny\n",
            "O\nO\n",
            "a\n",
            "in: seq.in and label need a line for each sentence, but seq.in has 2 and label 1.",
        ),
        ("x\ny z\n", "O\nO\n", "a\nb\n", "seq.in, line 2: 2 words, but 1 tag in seq.out, line 2."),
        ("x\n\ny\n", "O\nO\nO\n", "a\nb\nc\n", "seq.in, line 2: the sentence is empty."),
        ("x\ny\n", "O\nO\n", "a\n \n", "label, line 2: the label is empty."),
        ("", "", "", "seq.in holds no sentence."),
    ],
)
def test_the_three_files_must_agree_line_by_line(written, words, tags, labels, message):
    written("in/seq.in", words)
    written("in/seq.out", tags)
    with pytest.raises(DataError) as error:
        read_tagged(written("in/label", labels).parent)
    assert message in str(error.value)


def test_what_is_not_there_is_named(tmp_path, written):
    with pytest.raises(MissingFileError, match="none.conll does not exist"):
        read_tagged(tmp_path / "none.conll")
    with pytest.raises(SettingsError, match="encoding is 'utf-9'"):
        read_tagged(written("a.conll", "x O\n"), encoding="utf-9")
    written("train/seq.in", "x\n")
    with pytest.raises(DataError, match=r"holds no seq.in, but its folders do: train. Give one of them."):
        read_tagged(tmp_path)
    with pytest.raises(DataError, match="train has no columns, but 2 is named as one"):
        read_tagged(tmp_path / "train", words=2)


@pytest.mark.parametrize(
    ("gold", "given", "message"),
    [
        ("x O\ny O\n", "x O\nz O\n", "gold.conll, line 2: the word is 'y', but 'z' in given.conll, line 2."),
        (
            "x O\n\ny O\n",
            "x O\ny O\n",
            "gold.conll, line 1: the sentence has 1 word, but 2 words in given.conll, line 1.",
        ),
        (
            "x O\n\n\ny O\n",
            "x O\n",
            "gold.conll, line 4: given.conll has no such sentence; it ends with the one in given",
        ),
        ("x O\n", "x O\n\ny O\n", "given.conll, line 3: gold.conll has no such sentence; it ends with the one in gold"),
    ],
)
def test_a_gold_file_with_other_tokens_is_refused(written, gold, given, message):
    gold, given = read_tagged(written("gold.conll", gold)), read_tagged(written("given.conll", given))
    with pytest.raises(DataError) as error:
        compare_tokens(gold, given)
    assert message in str(error.value)
    compare_tokens(gold, gold)


def test_columns_are_numbers_or_names():
    assert named_columns(None) == (None, None, None)
    assert named_columns("1,4") == (1, 4, None)
    assert named_columns(" form , upos ") == ("form", "upos", None)
    assert named_columns("text, slots, 3") == ("text", "slots", "3")
    assert named_columns("3", need_tags=False) == (3, None, None)
    assert named_columns("form,upos", need_tags=False) == ("form", None, None)
    assert named_columns("text,slots,label", need_tags=False) == ("text", None, None)
    for wrong in ("1", "1,", ",", "", "1,2,", "1,2,3,4"):
        with pytest.raises(SettingsError, match="but it must name two, of words and of tags: 1,4 or form,upos"):
            named_columns(wrong)
    for wrong in ("", "1,2,3,4"):
        with pytest.raises(SettingsError, match="--columns is"):
            named_columns(wrong, need_tags=False)


@pytest.mark.parametrize("name", ["rows.conll", "rows.conllu"])
def test_text_files_have_no_column_of_intents(written, name):
    path = written(name, "a O\nb O\n")
    with pytest.raises(DataError, match="has no column of intents, but 'x' is named as one"):
        read_tagged(path, intent="x")


@pytest.mark.parametrize(
    ("words", "tags"),
    [
        ("['EU', 'rejects']", "['B-ORG', 'O']"),
        ('["EU", "rejects"]', '["B-ORG", "O"]'),
        ("['EU', 'rejects']", "B-ORG O"),
    ],
)
def test_lists_that_stand_in_a_table_as_text_are_read_as_lists(tmp_path, words, tags):
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["words", "tags"], [words, tags]])
    found = read_tagged(tmp_path / "a.csv")
    assert (found.words, found.tags) == ([["EU", "rejects"]], [["B-ORG", "O"]])


@pytest.mark.parametrize("odd", ["['EU' 'rejects']", "[3 0]", "['a', b'x']"])
def test_a_list_that_is_written_otherwise_is_refused(tmp_path, odd):
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["words", "tags"], ["['a', 'b']", "[0, 1]"], ["['a']", "[7]"], ["['a', 'b']", odd]])
    with pytest.raises(DataError, match="row 3.* is no list of words, as others in its column are"):
        read_tagged(tmp_path / "a.csv")


def test_lists_of_one_and_sentences_between_brackets_are_what_they_are(tmp_path):
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["words", "tags"], ["['LONDON']", "[5]"], ['["\\ud83d", "b"]', "[3, 0]"]])
    found = read_tagged(tmp_path / "a.csv")
    assert (found.words, found.tags) == ([["LONDON"], ["\ufffd", "b"]], [["5"], ["3", "0"]])
    (tmp_path / "b.csv").write_text('words,tags\n"[1, 2] reported this",A B C D\n"[""Hello"" he said]",A B C\n')
    assert read_tagged(tmp_path / "b.csv").words == [["[1,", "2]", "reported", "this"], ['["Hello"', "he", "said]"]]


@pytest.mark.parametrize("text", ["[2024 annual report]", "['hi' he said]", "[1," + "[" * 100_000 + "]"])
def test_a_sentence_between_brackets_is_no_list(tmp_path, text):
    words = text.split()
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["words", "tags"], [text, " ".join("O" for _ in words)]])
    assert read_tagged(tmp_path / "a.csv").words == [words]
