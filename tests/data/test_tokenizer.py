import json
import os
import pickle
import subprocess
import sys
import unicodedata
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.data import tokenizer as module
from bothways.data.tokenizer import Tokenizer
from bothways.errors import DataError, MissingExtraError, ModelFolderError, SettingsError

# Every kind of character that the rules tell apart, and few of each, so that they meet.
POOL = "aBcé\u0301\u0308ßΣ1٢_'’\u200c\u200d <>/\n\t\u3000.,-@日本ラーกั👍❤\ufe0f🏽🇩🇪\x00"
texts_of_pool = st.lists(st.text(POOL, max_size=12), min_size=1, max_size=5)
any_text = st.text(max_size=30)
any_texts = st.lists(any_text, min_size=1, max_size=5)
own_units = st.sampled_from(["word", "space", "character", "bpe"])

SENTENCE = "The cat's “odd” <br /> naïve hat, isn't it?"


def is_letter(character):
    return unicodedata.category(character)[0] in "LM" or unicodedata.category(character) in ("Nd", "Pc")


def is_unspaced(character):
    return any(script in unicodedata.name(character, "") for script in ("CJK", "KATAKANA", "THAI"))


def is_mark(character):
    return unicodedata.category(character)[0] == "M"


def tag_end(text, start):
    """Where an HTML tag that begins at `start` ends, or None if none begins there."""
    end = text.find(">", start + 1)
    if text[start] != "<" or end < 0 or text.startswith("<pad>", start):
        return None
    inside = text[start + 1 : end]
    bodies = [inside, inside[:-1] if inside[-1:].isspace() else "", inside[:-1] if inside[-1:] == "/" else ""]
    bodies.append(inside[:-2] if inside[-1:] == "/" and inside[-2:-1].isspace() else "")
    fits = any(1 <= len(body) <= 12 and not set(body) & set("< \n\t\u3000") for body in bodies)
    return end + 1 if fits else None


def one_word(text, start):
    """Where the word that begins at `start` ends, step by step, without regular expressions."""

    def letters(place):
        while place < len(text) and is_letter(text[place]) and not is_unspaced(text[place]):
            place += 1
        return place

    end = letters(start)
    if end > start:
        while end < len(text) and text[end] in "'’\u200c\u200d" and letters(end + 1) > end + 1:
            end = letters(end + 1)
        return end
    if tag_end(text, start):
        return tag_end(text, start)
    if "🇦" <= text[start] <= "🇿" and "🇦" <= text[start + 1 : start + 2] <= "🇿":
        return start + 2
    end = start + 1
    symbol = not is_unspaced(text[start])
    while end < len(text):
        if is_mark(text[end]) or (symbol and "🏻" <= text[end] <= "🏿"):
            end += 1
        elif symbol and text[end] == "\u200d" and end + 1 < len(text) and is_symbol(text[end + 1]):
            end += 2
        else:
            break
    return end


def is_symbol(character):
    return not is_letter(character) and not character.isspace()


def words_by_hand(text, lowercase):
    """The same words by another road: a scanner over Unicode's categories."""
    text = unicodedata.normalize("NFC", text)
    text = "".join(character.lower() for character in text) if lowercase else text
    words, place = [], 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        end = one_word(text, place)
        words.append(text[place:end])
        place = end
    return words


@given(texts_of_pool, st.booleans(), st.integers(1, 3), st.integers(3, 12))
def test_words_counts_and_ids_are_those_of_a_plain_scanner_and_counter(texts, lowercase, min_count, size):
    cut = [words_by_hand(text, lowercase) for text in texts]
    counts = Counter(word for words in cut for word in words)
    kept = sorted((word for word in counts if counts[word] >= min_count), key=lambda word: (-counts[word], word))
    if not kept:
        with pytest.raises(DataError):
            Tokenizer.train(texts, lowercase=lowercase, min_count=min_count)
        return
    vocabulary = ["<pad>", "<unk>", *kept][:size]

    tokenizer = Tokenizer.train(texts, lowercase=lowercase, min_count=min_count, vocabulary_size=size)

    assert tokenizer.vocabulary == vocabulary
    assert len(tokenizer) == len(vocabulary)
    for text, words, ids in zip(texts, cut, tokenizer.encode(texts), strict=True):
        assert tokenizer.tokens(text) == words
        assert ids.tolist() == [vocabulary.index(word) if word in vocabulary else 1 for word in words]


# By Unicode's property White_Space, which has no file separators (U+001C to U+001F).
SPACES = "\t\n\v\f\r \x85\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
pieces_of_corpora = st.sampled_from([*POOL, "a", "<pad>", "<PAD>", "<unk>", "\u0301", "\x1c", *SPACES[:10]])


def between_spaces(text, lowercase):
    """What stands between white space, character by character; a text that says "padding" says "unknown"."""
    text = unicodedata.normalize("NFC", text)
    words = [""]
    for character in text:
        if character in SPACES:
            words.append("")
        else:
            words[-1] += character.lower() if lowercase else character
    return ["<unk>" if word == "<pad>" else word for word in words if word]


@given(
    st.lists(st.lists(pieces_of_corpora, max_size=12).map("".join), min_size=1, max_size=5),
    st.booleans(), st.integers(1, 3), st.integers(3, 12),
)  # fmt: skip
def test_between_spaces_every_token_stays_as_it_is_written(texts, lowercase, min_count, size):
    cut = [between_spaces(text, lowercase) for text in texts]
    counts = Counter(word for words in cut for word in words if word != "<unk>")
    kept = sorted((word for word in counts if counts[word] >= min_count), key=lambda word: (-counts[word], word))
    if not kept:
        with pytest.raises(DataError):
            Tokenizer.train(texts, unit="space", lowercase=lowercase, min_count=min_count)
        return
    vocabulary = ["<pad>", "<unk>", *kept][:size]

    tokenizer = Tokenizer.train(texts, unit="space", lowercase=lowercase, min_count=min_count, vocabulary_size=size)

    assert tokenizer.vocabulary == vocabulary
    for text, words, ids in zip(texts, cut, tokenizer.encode(texts), strict=True):
        known = [word if word in vocabulary else "<unk>" for word in words]
        assert tokenizer.tokens(text) == words
        assert ids.tolist() == [vocabulary.index(word) for word in known]
        assert tokenizer.decode(ids) == " ".join(known)


def test_a_corpus_of_tokens_comes_back_as_it_was():
    corpus = 'He said , " I do n\'t <unk> @-@ 3 @.@ 5 ( or <formula> ) <pad>s s<pad> <pad><pad> ... " = = <eos>'
    tokenizer = Tokenizer.train([corpus], unit="space", lowercase=False, min_count=1)

    ids = tokenizer.encode([f" {corpus} \n"])[0]

    assert tokenizer.decode(ids) == corpus
    assert [place for place, token in enumerate(corpus.split()) if token == "<unk>"] == np.flatnonzero(
        ids == 1
    ).tolist()


@pytest.mark.parametrize("unit", ["word", "space"])
def test_a_corpus_that_says_unknown_means_the_unknown_token(unit):
    tokenizer = Tokenizer.train(["a <unk> b <UNK> <unk>"], unit=unit, min_count=1)

    assert tokenizer.vocabulary == ["<pad>", "<unk>", "a", "b"]
    assert tokenizer.encode(["b <unk> a"])[0].tolist() == [3, 1, 2]


def test_no_character_beside_it_makes_padding_of_a_text():
    kinds = ("Zs", "Zl", "Zp", "Cc", "Cf")
    beside = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in kinds]
    tokenizer = Tokenizer.train(["<pad> a a"], unit="space")

    for ids in tokenizer.encode(
        [text for one in beside for text in (f"{one}<pad>", f"<pad>{one}", f"a{one}<PAD>{one}")]
    ):
        assert 0 not in ids


def test_spans_between_spaces_count_in_the_text_as_it_was_given():
    tokenizer = Tokenizer.train(["x"], unit="space", min_count=1)
    assert tokenizer.tokens("e\u0301, <pad>\u00a0<X>") == ["é,", "<unk>", "<x>"]
    assert tokenizer.spans("e\u0301, <pad>\u00a0<X>") == [(0, 3), (4, 9), (10, 13)]


@given(any_texts, st.booleans(), st.integers(1, 3), st.integers(3, 12))
def test_characters_and_their_ids_are_those_of_a_counter(texts, lowercase, min_count, size):
    cut = [[small for big in text for small in (big.lower() if lowercase else big)] for text in texts]
    counts = Counter(character for characters in cut for character in characters)
    kept = sorted(
        (letter for letter in counts if counts[letter] >= min_count), key=lambda letter: (-counts[letter], letter)
    )
    vocabulary = ["<pad>", "<unk>", *kept][:size]
    if not kept or not "".join(texts).strip():
        return

    tokenizer = Tokenizer.train(texts, unit="character", lowercase=lowercase, min_count=min_count, vocabulary_size=size)

    assert tokenizer.vocabulary == vocabulary
    for text, characters, ids in zip(texts, cut, tokenizer.encode(texts), strict=True):
        assert tokenizer.tokens(text) == characters
        assert ids.tolist() == [vocabulary.index(letter) if letter in vocabulary else 1 for letter in characters]


def test_byte_pairs_are_merged_as_on_paper():
    # Words: ab x3, abc x2, " ab" x1. Pair a+b occurs 6 times, ab+c twice, space+ab once.
    tokenizer = Tokenizer.train(["ab"] * 2 + ["abc"] * 2 + ["ab ab"], unit="bpe", min_count=2)

    assert tokenizer.vocabulary[258:] == ["ab", "abc"]
    assert tokenizer.tokens("abc ab") == ["abc", " ", "ab"]


@given(any_texts, own_units)
def test_a_text_gets_the_same_ids_alone_and_in_company(texts, unit):
    tokenizer = Tokenizer.train([*texts, SENTENCE], unit=unit, min_count=1)
    together = tokenizer.encode(texts)
    for text, ids in zip(texts, together, strict=True):
        np.testing.assert_array_equal(tokenizer.encode([text])[0], ids)
    for backwards, ids in zip(tokenizer.encode(texts[::-1]), together[::-1], strict=True):
        np.testing.assert_array_equal(backwards, ids)


def test_the_size_of_the_batches_inside_does_not_matter(monkeypatch):
    texts = [f"{'very ' * (number % 7)}good {number}" for number in range(50)]
    tokenizer = Tokenizer.train(texts, min_count=1)
    whole = tokenizer.encode(texts)
    monkeypatch.setattr(module, "BATCH_TEXTS", 3)
    monkeypatch.setattr(module, "BATCH_CHARACTERS", 40)

    for in_pieces, at_once in zip(tokenizer.encode(texts), whole, strict=True):
        np.testing.assert_array_equal(in_pieces, at_once)


@given(any_text)
def test_no_visible_character_is_lost_between_words(text):
    spans = Tokenizer.train([SENTENCE], min_count=1).spans(text)
    edges = [0, *[edge for span in spans for edge in span], len(text)]
    assert edges == sorted(edges)
    gaps = [text[edges[place] : edges[place + 1]] for place in range(0, len(edges), 2)]
    assert "".join(gaps).strip() == ""


@given(any_text, st.sampled_from(["word", "space", "character"]))
def test_spans_find_the_tokens_in_the_text(text, unit):
    text = unicodedata.normalize("NFC", text)
    tokenizer = Tokenizer.train([SENTENCE], unit=unit, lowercase=False, min_count=1)
    assert [text[start:end] for start, end in tokenizer.spans(text)] == tokenizer.tokens(text)
    assert len(tokenizer.spans(text)) == len(tokenizer.encode([text])[0])


@given(any_text)
def test_spans_of_byte_pairs_cover_the_text_in_order(text):
    spans = Tokenizer.train([SENTENCE], unit="bpe", min_count=1).spans(text)
    # A piece may end inside a character; the next one then begins in the same character.
    assert all(left[0] <= right[0] <= left[1] <= right[1] <= len(text) for left, right in pairwise(spans))
    assert {place for start, end in spans for place in range(start, end)} == set(range(len(text)))


def test_spans_count_in_the_text_as_it_was_given():
    tokenizer = Tokenizer.train(["x"], min_count=1)
    decomposed = "E\u0301t\u0301 İx ＡB"  # the first letter is two characters here and one as a token
    assert tokenizer.tokens(decomposed) == ["ét\u0301", "i\u0307x", "ａb"]
    assert tokenizer.spans(decomposed) == [(0, 4), (5, 7), (8, 10)]


@given(any_texts, any_texts, own_units, st.booleans())
def test_json_keeps_every_id(texts, others, unit, lowercase):
    tokenizer = Tokenizer.train([*texts, SENTENCE], unit=unit, lowercase=lowercase, min_count=1, language="de")
    again = Tokenizer.from_json(tokenizer.to_json())

    assert again.to_json() == tokenizer.to_json()
    assert (again.unit, again.lowercase, again.language) == (unit, lowercase, "de")
    assert again.vocabulary == tokenizer.vocabulary
    for left, right in zip(tokenizer.encode(others), again.encode(others), strict=True):
        np.testing.assert_array_equal(left, right)


def test_another_process_gets_the_tokenizer_whole():
    tokenizer = Tokenizer.train(["a b b"], min_count=1)
    assert pickle.loads(pickle.dumps(tokenizer)).to_json() == tokenizer.to_json()


@given(any_text)
def test_characters_come_back_as_they_were(text):
    if text.strip():
        tokenizer = Tokenizer.train([text], unit="character", lowercase=False, min_count=1, vocabulary_size=100)
        assert tokenizer.decode(tokenizer.encode([text])[0]) == text


@given(any_text, any_text)
def test_byte_pairs_come_back_as_they_were_whatever_they_were_trained_on(learned, text):
    tokenizer = Tokenizer.train([learned + SENTENCE], unit="bpe", lowercase=False, min_count=1)
    ids = tokenizer.encode([text])[0]
    assert tokenizer.decode(ids) == text
    assert not np.isin(ids, [0, 1]).any()


def test_what_is_not_in_the_vocabulary_is_shown_as_such():
    assert Tokenizer.train(["aab"], unit="character").decode([2, 1, 0]) == "a\ufffd"
    assert Tokenizer.train(["a a b"]).decode([2, 1, 0]) == "a <unk>"
    bytes_of_euro = Tokenizer.train(["x"], unit="bpe").encode(["€"])[0]
    assert Tokenizer.train(["x"], unit="bpe").decode(bytes_of_euro[:2]) == "\ufffd"
    assert Tokenizer.train(["x"], unit="bpe").tokens("€") == ["\\xe2", "\\x82", "\\xac"]


@pytest.mark.parametrize(
    "text",
    [
        "Don’t go: it's (really) \"bad\", he said; 'well' — no!",
        "A well-known 3.5/10 film at 12:30… [sic] costs $20, 5% less.",
        "我爱你。「好」！ラーメン、สวัสดี",
        "One <br /> two <unk> three.",
        'He said "yes" and "no".',
    ],
)
def test_words_are_set_as_print_sets_them(text):
    tokenizer = Tokenizer.train([text], lowercase=False, min_count=1)
    assert tokenizer.decode(tokenizer.encode([text])[0]) == text


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("don't O’Neil's rock'n'roll 'tis", ["don't", "O’Neil's", "rock'n'roll", "'", "tis"]),
        ("a<br/><br />b</i>c < d", ["a", "<br/>", "<br />", "b", "</i>", "c", "<", "d"]),
        ("so good!!! :-)", ["so", "good", "!", "!", "!", ":", "-", ")"]),
        ("👍🏽👩‍👩‍👧🇩🇪🇫🇷❤️1️⃣", ["👍🏽", "👩‍👩‍👧", "🇩🇪", "🇫🇷", "❤️", "1️⃣"]),
        ("我爱NLP和コード ดีมาก", ["我", "爱", "NLP", "和", "コ", "ー", "ド", "ดี", "ม", "า", "ก"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        ("می‌خواهم क्‍ष", ["می‌خواهم", "क्‍ष"]),
        ("a\x00b", ["a", "\x00", "b"]),
        ("", []),
        (" \t\n\u3000\u00a0", []),
    ],
)
def test_words_end_where_a_reader_would_say(text, tokens):
    assert Tokenizer.train(["x"], min_count=1, lowercase=False).tokens(text) == tokens


@pytest.mark.parametrize("unit", ["word", "space", "character", "bpe"])
def test_no_text_can_say_padding(unit):
    hostile = ["<pad> <PAD> <pad><pad> <pad > <pad/>", "<unk> <unk>"]
    tokenizer = Tokenizer.train(hostile * 2, unit=unit)
    assert all((ids != 0).all() for ids in tokenizer.encode(hostile))
    assert (tokenizer.vocabulary[0], tokenizer.vocabulary[1]) == ("<pad>", "<unk>")
    assert len(set(tokenizer.vocabulary)) == len(tokenizer)
    assert (tokenizer.pad_id, tokenizer.unk_id) == (0, 1)


def test_what_is_cut_is_counted():
    tokenizer = Tokenizer.train(["a b c d"], min_count=1)
    ids, lengths = tokenizer.encode_counted(["a b c d", "", "c", "d c b"], max_length=2)
    assert [part.tolist() for part in ids] == [[2, 3], [], [4], [5, 4]]
    assert all(part.dtype == np.int32 for part in ids)
    assert lengths.tolist() == [4, 0, 1, 3]
    assert [part.tolist() for part in tokenizer.encode(["a b c d"], max_length=3)] == [[2, 3, 4]]


def test_no_texts_give_no_ids():
    ids, lengths = Tokenizer.train(["a a"]).encode_counted([])
    assert ids == []
    assert lengths.shape == (0,)


def test_a_text_of_a_million_words_is_encoded():
    tokenizer = Tokenizer.train(["a a b b"])
    ids, lengths = tokenizer.encode_counted(["a b " * 500_000, "b"], max_length=5)
    assert [part.tolist() for part in ids] == [[2, 3, 2, 3, 2], [3]]
    assert lengths.tolist() == [1_000_000, 1]


def test_half_of_a_surrogate_pair_takes_one_place():
    tokenizer = Tokenizer.train(["a \ud83d b", "\ufffd"], min_count=2)
    assert tokenizer.vocabulary == ["<pad>", "<unk>", "\ufffd"]
    assert tokenizer.spans("a \ud83d b") == [(0, 1), (2, 3), (4, 5)]


def test_texts_may_be_a_stream_that_is_read_once():
    held = 0

    def stream():
        nonlocal held
        for number in range(5_000):
            held += 1
            yield f"word{number % 10}"

    assert len(Tokenizer.train(stream())) == 12
    assert held == 5_000


def test_an_error_in_the_stream_of_texts_comes_through():
    def stream():
        yield "good"
        raise DataError("reviews.csv, row 2: no text.")

    for unit in ("word", "space", "character", "bpe"):
        with pytest.raises(DataError, match=r"^reviews\.csv, row 2: no text\.$"):
            Tokenizer.train(stream(), unit=unit)


def in_new_process(tmp_path, script, **environment):
    file = tmp_path / "script.py"
    file.write_text(script, encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if name != "TOKENIZERS_PARALLELISM"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(file)],
        env=inherited | environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("unit", ["word", "bpe"])
def test_threads_and_runs_do_not_change_what_is_learned(tmp_path, unit):
    script = f"""
import random
from bothways.data.tokenizer import Tokenizer
random.seed(5)
letters = "abcdefgh"
texts = [" ".join("".join(random.choices(letters, k=3)) for _ in range(9)) for _ in range(900)]
print(Tokenizer.train(texts, unit={unit!r}, vocabulary_size=500).to_json())
"""
    learned = {in_new_process(tmp_path, script, RAYON_NUM_THREADS=threads) for threads in ("1", "3", "3")}
    learned.add(in_new_process(tmp_path, script, TOKENIZERS_PARALLELISM="false"))
    assert len(learned) == 1


def test_forked_and_spawned_processes_work_without_a_warning(tmp_path):
    script = """
import multiprocessing, os, sys
from bothways.data.tokenizer import Tokenizer

def count(job):
    tokenizer, texts = job
    return sum(len(ids) for ids in tokenizer.encode(texts))

if __name__ == "__main__":
    texts = ["a b c"] * 600
    tokenizer = Tokenizer.train(texts)
    assert count((tokenizer, texts)) == 1800
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(pool.map(count, [(tokenizer, texts)] * 3))
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            os._exit(count((tokenizer, texts)) != 1800)
        os._exit(os.wait()[1] != 0)
    assert os.wait()[1] == 0
    assert "TOKENIZERS_PARALLELISM" not in os.environ
"""
    assert in_new_process(tmp_path, script, RAYON_NUM_THREADS="2") == "[1800, 1800, 1800]\n" * 2


def message(error, call, *arguments, **options):
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    return str(caught.value)


def test_refusals_say_what_to_do():
    train = Tokenizer.train
    assert message(SettingsError, train, ["a"], unit="words") == (
        "unit is 'words', but it must be one of: bpe, character, jieba, space, spacy, word. Did you mean 'word'?"
    )
    assert message(SettingsError, train, ["a"], vocabulary_size=2) == (
        "vocabulary_size is 2, but unit 'word' needs at least 3: <pad>, <unk> and one token."
    )
    assert message(SettingsError, train, ["a"], unit="bpe", vocabulary_size=257) == (
        "vocabulary_size is 257, but unit 'bpe' needs at least 258: <pad>, <unk> and each of the 256 bytes."
    )
    assert message(SettingsError, train, ["a"], min_count=0) == "min_count is 0, but it must be at least 1."
    assert message(DataError, train, ["a b", "c"]) == (
        "No token occurs 2 times (min_count) in 2 texts. Lower min_count or give more texts."
    )
    assert message(DataError, train, ["", " \n"]) == "No token can be learned: every text is empty (2 texts)."
    assert message(DataError, train, [], unit="bpe") == "No token can be learned: no text is given."
    assert message(DataError, train, "a b a b") == (
        "texts is one string, but it must be a list of texts; put it into brackets."
    )
    assert message(DataError, train, ["a", None]) == "Text 1 (from 0) is None (NoneType), but it must be a string."
    tokenizer = train(["a a"])
    assert message(DataError, tokenizer.encode, ["a", 2.5]) == (
        "Text 1 (from 0) is 2.5 (float), but it must be a string."
    )
    assert message(DataError, tokenizer.tokens, b"a") == "The text is b'a' (bytes), but it must be a string."


def altered(**changes):
    return json.dumps(json.loads(Tokenizer.train(["a a b b"]).to_json()) | changes)


def without_pad(rules):
    del rules["model"]["vocab"]["<pad>"]
    return rules


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "null", "{}", altered()[:-9], altered(unit="word2"), altered(rules={}), altered(rules=7),
        altered(format="1"), altered(rules=without_pad(json.loads(altered())["rules"])),
    ],
)  # fmt: skip
def test_a_damaged_tokenizer_is_refused_in_one_line(text):
    line = message(ModelFolderError, Tokenizer.from_json, text)
    assert line.startswith("The tokenizer is damaged (")
    assert line.endswith("): copy the whole model folder again, or train the model anew.")
    assert "\n" not in line


def test_a_tokenizer_of_a_newer_version_is_refused():
    assert message(ModelFolderError, Tokenizer.from_json, altered(format=2)) == (
        "The tokenizer has format 2, but this version reads 1: upgrade bothways."
    )


@pytest.mark.parametrize("unit", ["spacy", "jieba"])
def test_a_missing_extra_is_named_with_its_command(monkeypatch, unit):
    from bothways.data import segmenters

    monkeypatch.setitem(sys.modules, unit, None)
    segmenters._spacy.cache_clear()
    segmenters._jieba.cache_clear()
    wanted = f"unit '{unit}' needs {unit}, which is not installed. Run: pip install \"bothways[text]\""
    assert message(MissingExtraError, Tokenizer.train, ["a a"], unit=unit) == wanted
    assert message(MissingExtraError, Tokenizer.from_json, altered(unit=unit)) == wanted


TALK = "Dr. Smith's U.K. trip\n\n cost $5.50, didn't it?  <pad> Isn't it?"


def test_spacy_words_are_those_of_its_own_blank_pipeline():
    spacy = pytest.importorskip("spacy")
    theirs = [token for token in spacy.blank("en")(TALK) if not token.is_space]
    tokenizer = Tokenizer.train([TALK], unit="spacy", lowercase=False, min_count=1)

    assert tokenizer.tokens(TALK) == [token.text for token in theirs]
    assert tokenizer.spans(TALK) == [(token.idx, token.idx + len(token.text)) for token in theirs]
    counts = Counter(token.text for token in theirs)
    assert tokenizer.vocabulary[2:] == sorted(counts, key=lambda word: (-counts[word], word))
    assert tokenizer.encode([TALK, ""])[0].tolist() == [tokenizer.vocabulary.index(token.text) for token in theirs]
    assert tokenizer.encode([TALK, ""])[1].tolist() == []


def test_spacy_words_that_differ_in_case_only_are_counted_together():
    pytest.importorskip("spacy")
    tokenizer = Tokenizer.train(["Good good GOOD bad bad"], unit="spacy", min_count=2)
    assert tokenizer.vocabulary == ["<pad>", "<unk>", "good", "bad"]
    assert tokenizer.tokens("GOOD Bad") == ["good", "bad"]


def test_a_language_that_spacy_does_not_know_is_refused():
    pytest.importorskip("spacy")
    assert message(SettingsError, Tokenizer.train, ["a"], unit="spacy", language="qq") == (
        "language is 'qq', but spaCy has no rules for it here; "
        "use a code that it knows, such as 'en' or 'de', or unit 'word'."
    )


CHINESE = "我来到北京清华大学，很 高兴！\n小明硕士毕业于中国科学院计算所 OK <pad>"


def test_jieba_words_are_those_of_its_own_cut(tmp_path):
    pytest.importorskip("jieba")
    script = f"""
import json, logging, warnings
from bothways.data.tokenizer import Tokenizer
text = {CHINESE!r}
tokenizer = Tokenizer.train([text, text], unit="jieba", lowercase=False)
ours = Tokenizer.from_json(tokenizer.to_json()).tokens(text)
places = [text[start:end] for start, end in tokenizer.spans(text)]
import os, tempfile
left = os.listdir(tempfile.gettempdir())
warnings.simplefilter("ignore")
import jieba
jieba.setLogLevel(logging.ERROR)
theirs = [word for word in jieba.lcut(text) if not word.isspace()]
print(json.dumps([ours == theirs, places == theirs, left, tokenizer.decode(tokenizer.encode([text])[0])]))
"""
    empty = tmp_path / "temporary"
    empty.mkdir()
    printed = in_new_process(tmp_path, script, TMPDIR=str(empty))
    # No cache was left, nothing was logged, and the words come back without spaces.
    assert json.loads(printed) == [
        True, True, [], "我来到北京清华大学，很高兴！小明硕士毕业于中国科学院计算所 OK < pad >",
    ]  # fmt: skip


@pytest.mark.parametrize("unit", ["spacy", "jieba"])
def test_no_word_of_an_extra_can_say_padding(unit):
    pytest.importorskip(unit)
    hostile = "<pad>" if unit == "spacy" else TALK
    tokenizer = Tokenizer.train([hostile + " a b"], unit=unit, min_count=1)
    tokenizer._segment = lambda text: [(0, 5)]
    assert tokenizer.encode(["<pad>", "<PAD>"])[1].tolist() == [1]


@pytest.mark.parametrize("text", ["Le café, là-bas.", "한국어 문장", "がぎぐ だ", "e\u0301\u0301 x"])
def test_words_of_decomposed_text_have_all_their_marks(text):
    tokenizer, apart = Tokenizer.train(["x"], min_count=1, lowercase=False), unicodedata.normalize("NFD", text)
    found = [unicodedata.normalize("NFC", apart[start:end]) for start, end in tokenizer.spans(apart)]
    assert found == tokenizer.tokens(apart)
