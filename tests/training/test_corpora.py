"""From texts to token ids on disk: what trains, what is held out, what is counted, what is refused."""

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from bothways.data.language_tokens import LanguageTokens
from bothways.data.tokenizer import Tokenizer
from bothways.data.windows import Cut, Lanes
from bothways.errors import DataError, SettingsError
from bothways.settings import LanguageSettings
from bothways.training import cooccurrence
from bothways.training.corpora import (
    Corpus,
    ListedTexts,
    _identity,
    count_tokens,
    in_order,
    prepare_corpus,
    vectors_of,
)
from toys import LANGUAGE, toy_sentences, toy_stream

SENTENCES = toy_sentences(60)


def settings(**changed):
    return LanguageSettings(**{**LANGUAGE, **changed})


def prepare(folder, texts, validation=None, *, whole=False, **changed):
    def listed(some):
        return None if some is None else ListedTexts(some, whole=whole)

    return prepare_corpus(listed(texts), listed(validation), settings(**changed), folder)


def lines(count=60):
    return toy_stream(count).splitlines(keepends=True)


def texts_of(prepared, corpus):
    return [prepared.tokens.tokenizer.decode(ids[1:-1]) for ids in in_order(corpus.sequences)]


def test_documents_are_held_out_at_random_each_once(tmp_path):
    prepared = prepare(tmp_path, SENTENCES, validation_size=0.2)
    train, held = texts_of(prepared, prepared.train), texts_of(prepared, prepared.validation)
    assert sorted([*train, *held]) == sorted(SENTENCES)
    assert len(held) == 12
    assert held != SENTENCES[-12:]


@pytest.mark.parametrize("unit", ["word", "character"])
def test_of_a_stream_the_end_is_held_out_from_a_line_on(tmp_path, unit):
    prepared = prepare(tmp_path, lines(), whole=True, unit=unit, validation_size=0.2)
    decoded = []
    for corpus in (prepared.train, prepared.validation):
        (ids,) = in_order(corpus.sequences)
        assert ids[0] == prepared.tokens.start
        writer = prepared.tokens.writer()
        decoded.append("".join(writer.write(int(index)) for index in ids[1:]))
    assert "".join(decoded) == toy_stream(60)
    assert decoded[0].endswith("\n")
    assert len(decoded[1]) <= 0.2 * len(toy_stream(60)) < len(decoded[1]) + 60
    assert prepared.train.characters + prepared.validation.characters == len(toy_stream(60))


def test_of_a_stream_without_lines_the_end_is_held_out_from_a_word_on(tmp_path):
    text = " ".join(SENTENCES * 9)
    prepared = prepare(tmp_path, [text], whole=True, validation_size=0.1, unit="character")
    assert len(text) > 10_000
    train, held = (
        prepared.tokens.tokenizer.decode(next(iter(in_order(corpus.sequences)))[1:])
        for corpus in (prepared.train, prepared.validation)
    )
    assert train + held == text
    assert train.endswith(" ")
    assert len(held) == pytest.approx(0.1 * len(text), abs=12)


def test_the_vocabulary_is_that_of_what_trains(tmp_path):
    texts = [*["a b"] * 30, *["a zebra"] * 30]
    prepared = prepare(tmp_path, ["a b c d e f g h"] * 9, texts)
    assert "zebra" not in prepared.tokens.tokenizer.vocabulary
    assert prepared.validation.unknown == 30
    assert prepared.train.unknown == 0


def test_a_tokenizer_that_is_given_is_kept(tmp_path):
    tokenizer = Tokenizer.train(SENTENCES[:5], min_count=1)
    prepared = prepare_corpus(ListedTexts(SENTENCES), None, settings(), tmp_path, tokenizer=tokenizer)
    assert prepared.tokens.tokenizer is tokenizer


def test_predictions_are_counted(tmp_path):
    prepared = prepare(tmp_path, SENTENCES, validation_size=0)
    counts = count_tokens(prepared.train, prepared.tokens.size)
    ids = [index for some in prepared.tokens.tokenizer.encode(SENTENCES) for index in some]
    expected = np.bincount(ids, minlength=prepared.tokens.size)
    expected[prepared.tokens.eos] = len(SENTENCES)
    np.testing.assert_array_equal(counts, expected)
    assert counts.sum() == prepared.train.predictions
    assert prepared.validation is None


def test_a_long_stream_is_counted_and_fingerprinted_without_a_copy_in_memory():
    stream = np.resize(np.arange(2, 300, dtype=np.int32), 2_000_000)
    corpus = Corpus(Lanes(stream, 1), 0, 0, stream)
    tokens = LanguageTokens(Tokenizer.train(SENTENCES, min_count=1), whole=True)
    tracemalloc.start()
    counts = count_tokens(corpus, 300)
    _identity(settings(), tokens, corpus, None)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(counts, np.bincount(stream[1:], minlength=300))
    assert most < stream.nbytes


def test_the_company_in_a_long_stream_is_counted_piece_by_piece(monkeypatch):
    stream = np.resize(np.arange(2, 300, dtype=np.int32), 2_000_000)
    corpus = Corpus(Lanes(stream, 1), 0, 0, stream)
    monkeypatch.setattr(cooccurrence, "STEPS_AT_ONCE", 20_000)
    vectors_of(Corpus(Lanes(stream[:2_000], 1), 0, 0, None), settings(embedding_dim=4), 300)  # what it imports is there
    tracemalloc.start()
    vectors = vectors_of(corpus, settings(embedding_dim=4), 300)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5 * stream.nbytes  # of the whole at once five distances alone would take fifteen times that
    expected = cooccurrence.cooccurrence_vectors(Cut(corpus.sequences, 1_000), vocabulary=300, dim=4, seed=0)
    np.testing.assert_allclose(vectors, expected)


def test_empty_documents_are_left_out_and_said(tmp_path):
    prepared = prepare(tmp_path, ["", *SENTENCES, "  \n"], validation_size=0)
    assert prepared.notes == ["2 empty texts left out."]
    assert len(prepared.train.sequences.lengths) == 60


def test_lanes_of_a_stream_are_read_side_by_side_and_documents_as_they_are(tmp_path):
    stream = prepare(tmp_path, lines(), whole=True).train
    assert len(stream.side_by_side(5).lengths) == 5
    assert (stream.side_by_side(5).lengths - 1).sum() == stream.predictions
    documents = prepare(tmp_path, SENTENCES).train
    assert documents.side_by_side(5) is documents.sequences


def test_the_identity_is_that_of_settings_and_data(tmp_path):
    def identity(texts=tuple(SENTENCES), *, whole=False, **changed):
        return prepare(tmp_path, list(texts), whole=whole, **changed).identity

    same = identity()
    assert same == identity()
    others = {identity(SENTENCES[::-1]), identity(seed=1), identity(window=8), identity(lines(), whole=True)}
    assert len({same, *others}) == 5


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells which files are mapped")
def test_after_closing_the_files_can_go(tmp_path):
    for whole, texts in ((False, SENTENCES), (True, lines())):
        prepared = prepare(tmp_path, texts, whole=whole)
        prepared.close()
        for _ in range(100):  # a thread of pyarrow's may hold a file for a moment longer
            mapped = Path("/proc/self/maps").read_text()
            held = [path for path in map(str, tmp_path.iterdir()) if path in mapped]
            if not held:
                break
            time.sleep(0.05)
        assert held == []


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        (["a b c"], {}, "1 document is too few to hold some out. Add documents, give --validation, or set"),
        (["a b c"] * 2, {}, "There are 4 tokens to train on, fewer than one window of 16. Give more text, or lower"),
        (["a b c d"] * 9, {"validation": [" "]}, "There is no text to validate on. Give more text, or set"),
        (["a b c\n"], {"whole": True}, "There is no text to validate on. Give more text, or set --validation-size 0."),
        (["a b c\n"], {"whole": True, "validation_size": 0}, "There are 4 tokens to train on, fewer than one window"),
        (["", " "] * 9, {}, "No token can be learned: every text is empty (16 texts)."),
    ],
)
def test_texts_that_cannot_be_trained_on_are_refused(tmp_path, texts, options, message):
    options = {"window": 3 if "validate" in message else 16, **options}
    with pytest.raises(DataError) as caught:
        prepare(tmp_path, texts, **options)
    assert message in str(caught.value)


def test_training_and_validation_come_in_the_same_form(tmp_path):
    texts = ListedTexts(SENTENCES), ListedTexts(lines(), whole=True)
    message = "The training data is rows of a table, but the validation data is plain text. Give both in the same form."
    with pytest.raises(SettingsError, match=message):
        prepare_corpus(*texts, settings(), tmp_path)
