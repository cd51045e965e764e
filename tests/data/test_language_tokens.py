"""Texts as a language model sees them, and tokens back to a text while it grows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.data.language_tokens import LanguageTokens
from bothways.data.tokenizer import Tokenizer
from bothways.decoding.generation import unknown_words

UNITS = ["word", "space", "character", "bpe"]
LINES = [
    'She said: "It is 3.5, not 12:30!" (I can\'t see it.)\n',
    "well-known 'words' — and/or «others»… ok?\n",
    "\n",
    "  two spaces  before,\tand a tab \n",
    "   \n",
    "naïve café 中文字符 🎬👍🏽 don’t\n",
    "the the the words words it it can't can't see, see\n",
    "no end of the line",
]
TEXT = "".join(LINES)


def tokens_of(unit, *, whole, texts=LINES, **options):
    size = 330 if unit == "bpe" else 1_000
    tokenizer = Tokenizer.train(texts, unit=unit, lowercase=False, min_count=1, vocabulary_size=size, **options)
    return LanguageTokens(tokenizer, whole=whole)


STREAMS = {unit: tokens_of(unit, whole=True) for unit in UNITS}
DOCUMENTS = {unit: tokens_of(unit, whole=False) for unit in UNITS}


def written(tokens, ids):
    writer = tokens.writer()
    return "".join([*(writer.write(int(index)) for index in ids), writer.end()])


# Framing


@pytest.mark.parametrize("unit", UNITS)
def test_a_document_stands_between_ends(unit):
    tokens = DOCUMENTS[unit]
    for text, ids in zip(LINES, tokens.documents(LINES), strict=True):
        assert ids[0] == ids[-1] == tokens.eos == len(tokens.tokenizer)
        np.testing.assert_array_equal(ids[1:-1], tokens.tokenizer.encode([text])[0])
        np.testing.assert_array_equal(tokens.sequences([text])[0], ids)
    assert tokens.size == tokens.eos + 1
    assert tokens.start == tokens.eos


@pytest.mark.parametrize("unit", ["word", "space"])
def test_in_a_stream_of_words_each_line_ends_with_eos(unit):
    tokens = STREAMS[unit]
    lines = [*tokens.tokenizer.encode(LINES)]
    expected = [ids.tolist() + [tokens.eos] * line.endswith("\n") for ids, line in zip(lines, LINES, strict=True)]
    assert [ids.tolist() for ids in tokens.encode(LINES)] == expected
    assert tokens.start == tokens.eos


@pytest.mark.parametrize("unit", ["character", "bpe"])
def test_a_stream_of_characters_has_its_line_ends_among_them(unit):
    tokens = STREAMS[unit]
    assert tokens.tokenizer.decode([tokens.start]) == "\n"
    assert tokens.tokenizer.decode(np.concatenate(tokens.encode(LINES))) == TEXT
    assert tokens.eos not in np.concatenate(tokens.encode(LINES))


@pytest.mark.parametrize("unit", UNITS)
@given(data=st.data())
def test_a_stream_has_the_same_ids_however_its_lines_are_grouped(unit, data):
    tokens = STREAMS[unit]
    lines = data.draw(st.lists(st.sampled_from([*LINES[:-1], " \n", "\n", "a\n"]), min_size=1, max_size=8))
    cuts = data.draw(st.lists(st.booleans(), min_size=len(lines), max_size=len(lines)))
    grouped = [""]
    for line, cut in zip(lines, cuts, strict=True):
        grouped[-1] += line
        if cut:
            grouped.append("")
    one_by_one = np.concatenate(tokens.encode(lines))
    np.testing.assert_array_equal(np.concatenate(tokens.encode(grouped)), one_by_one)
    (whole,) = tokens.sequences(["".join(lines)])
    assert whole.tolist() == [tokens.start, *one_by_one.tolist()]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_a_stream_has_the_same_ids_whatever_its_lines_end_with(unit, end):
    r"""Files come with "\n" wherever they were written; so must a text from Python."""
    tokens = STREAMS[unit]
    np.testing.assert_array_equal(tokens.encode([TEXT.replace("\n", end)])[0], tokens.encode([TEXT])[0])
    assert unknown_words(tokens, TEXT.replace("\n", end)) == []


def test_a_stream_without_line_ends_begins_after_eos():
    tokens = tokens_of("character", whole=True, texts=["one line"])
    assert tokens.start == tokens.eos
    assert tokens.sequences(["one"])[0].tolist() == [tokens.eos, *tokens.tokenizer.encode(["one"])[0]]


@pytest.mark.parametrize("unit", UNITS)
def test_the_empty_text(unit):
    assert STREAMS[unit].sequences([""])[0].tolist() == [STREAMS[unit].start]
    assert DOCUMENTS[unit].sequences([""])[0].tolist() == [DOCUMENTS[unit].eos] * 2


# Writing


@pytest.mark.parametrize("unit", UNITS)
def test_written_token_by_token_is_decoded_at_once(unit):
    tokens = DOCUMENTS[unit]
    for ids in (*tokens.tokenizer.encode(LINES), *tokens.tokenizer.encode([TEXT, "unknown: ☂ <pad> <unk>"])):
        assert written(tokens, ids) == tokens.tokenizer.decode(ids)


@pytest.mark.parametrize("unit", UNITS)
@given(data=st.data())
def test_any_tokens_written_one_by_one_are_decoded_at_once(unit, data):
    """Also characters that are cut in their bytes, quotes that never close, and numbers in pieces."""
    tokens = DOCUMENTS[unit]
    ids = data.draw(st.lists(st.integers(0, len(tokens.tokenizer) - 1), max_size=30))
    assert written(tokens, ids) == tokens.tokenizer.decode(ids)


@pytest.mark.parametrize("unit", ["spacy", "jieba"])
def test_words_of_other_rules_are_written_as_they_are_decoded(unit):
    pytest.importorskip(unit)
    tokens = tokens_of(unit, whole=False)
    for ids in tokens.tokenizer.encode(LINES):
        assert written(tokens, ids) == tokens.tokenizer.decode(ids)


def test_a_character_comes_out_when_its_last_byte_is_there():
    tokens = tokens_of("bpe", whole=True, texts=["ab"])
    writer = tokens.writer()
    assert [writer.write(int(index)) for index in tokens.tokenizer.encode(["é🎬"])[0]] == ["", "é", "", "", "", "🎬"]
    assert writer.end() == ""


def test_a_character_cut_in_its_middle_ends_as_a_replacement():
    tokens = tokens_of("bpe", whole=True, texts=["ab"])
    assert written(tokens, tokens.tokenizer.encode(["a🎬"])[0][:-1]) == "a\ufffd"


@pytest.mark.parametrize("unit", ["character", "bpe"])
def test_a_stream_of_characters_is_written_as_it_was(unit):
    tokens = STREAMS[unit]
    assert written(tokens, np.concatenate(tokens.encode(LINES))) == TEXT


def test_a_stream_of_words_is_written_line_by_line():
    tokens = STREAMS["word"]
    lines = tokens.tokenizer.encode(LINES)
    expected = "".join(
        tokens.tokenizer.decode(ids) + "\n" * line.endswith("\n") for ids, line in zip(lines, LINES, strict=True)
    )
    assert written(tokens, np.concatenate(tokens.encode(LINES))) == expected


def test_a_quote_that_a_line_left_open_does_not_reach_the_next():
    tokens = tokens_of("word", whole=True, texts=['say "a\n', '"b"\n'])
    assert written(tokens, tokens.encode(['say "b\n"b" "b\n'])[0]) == 'say "b\n"b" "b\n'


def test_tokens_are_named_for_a_person():
    tokens = STREAMS["character"]
    assert tokens.spoken(tokens.eos) == "<eos>"
    assert tokens.spoken(tokens.start) == "\n"
    assert tokens.spoken(1) == "<unk>"
    assert STREAMS["bpe"].spoken(int(STREAMS["bpe"].tokenizer.encode(["☂"])[0][0])) == r"\xe2"
