"""Writing texts with a model that is a table: what follows which token is known, so that the text is."""

import numpy as np
import pytest

from bothways.data.language_tokens import LanguageTokens
from bothways.data.token_rules import as_bytes
from bothways.data.tokenizer import Tokenizer
from bothways.decoding.language import LanguageModelRunner
from bothways.settings import GenerationSettings


class Table(LanguageModelRunner):
    """What follows hangs on the last token, on how many were read, and, with noise, on all of them.

    The state holds that count and a number made of all tokens.
    """

    two_way = False
    window = 8

    def __init__(self, tokens, follow=None, noise=0.0):
        """`follow` gives the token after a token at a place; `noise` mixes it with random numbers."""
        self.tokens = tokens
        self._follow, self._noise = follow, noise
        self.sizes = []

    def run(self, ids, lengths, state, condition=None):
        self.sizes.append(ids.shape)
        after = np.zeros((1, len(ids), 2), np.float32) if state is None else state[0].copy()
        logits = np.zeros((*ids.shape, self.tokens.size), np.float32)
        for row, step in np.ndindex(*ids.shape):
            place, told = after[0, row]
            told = (told * 31 + ids[row, step]) % 9_973
            logits[row, step] = np.random.default_rng(int(told)).normal(size=self.tokens.size) * self._noise
            if self._follow is not None:
                logits[row, step, self._follow(int(ids[row, step]), int(place))] += 30
            if step < lengths[row]:
                after[0, row] = place + 1, told
        return logits, [after]


def tokens_of(texts, *, unit="word", whole=False):
    return LanguageTokens(
        Tokenizer.train(texts, unit=unit, lowercase=False, min_count=1, vocabulary_size=300), whole=whole
    )


def reciting(text, *, unit="word", whole=False, then_end=True, learn=()):
    """A model that says a text from its beginning, whatever it reads; then it ends."""
    tokens = tokens_of([text, *learn], unit=unit, whole=whole)
    ids = [*tokens.encode([text])[0].tolist(), tokens.eos if then_end else tokens.start]
    begins = {}

    def follow(_, place):
        first = begins.setdefault("place", place)
        return ids[min(place - first, len(ids) - 1)]

    class Reciting(Table):
        def run(self, given, lengths, state, condition=None):
            if state is None:  # what is asked for is what follows the last of these
                begins["place"] = given.shape[1] - 1
            return super().run(given, lengths, state)

    def safe(token, place):
        return follow(token, place) if place >= begins["place"] else tokens.start

    return Reciting(tokens, safe)


WORDS = "the cat sat on a mat and saw two dogs there"


def noisy(**kind):
    return Table(tokens_of([WORDS], **kind), noise=1.5)


# Texts


def test_greedy_writing_says_what_is_likeliest_and_stops_at_the_end():
    model = reciting("the cat sat.")
    assert model.generate(temperature=0) == ["the cat sat."]
    assert model.generate(temperature=0, max_length=2) == ["the cat"]


def test_a_text_goes_on_from_its_prompt():
    model = reciting("sat, then ran", learn=["the cat"])
    assert model.generate("the cat", temperature=0) == ["the cat sat, then ran"]
    assert "".join(model.stream("the cat", temperature=0)) == " sat, then ran"


@pytest.mark.parametrize("space", [" ", "  ", "\n", "\t"])
def test_a_prompt_that_ends_in_space_gets_no_second_one(space):
    model = reciting("sat down", learn=["the cat"])
    assert model.generate(f"the cat{space}", temperature=0) == [f"the cat{space}sat down"]


def test_a_prompt_that_ends_in_space_has_it_kept_by_characters():
    model = reciting("b c", unit="character", learn=["a "])
    assert model.generate("a ", temperature=0) == ["a b c"]


def test_a_prompt_with_an_open_quote_is_closed():
    model = reciting('yes" he said', learn=['a "'])
    assert model.generate('a "', temperature=0) == ['a "yes" he said']


def test_a_stream_goes_on_over_line_ends():
    model = reciting("a cat\nsat\n", whole=True, then_end=False)
    assert model.generate(temperature=0, max_length=5) == ["a cat\nsat\n"]


@pytest.mark.parametrize("unit", ["character", "bpe"])
def test_a_stream_that_has_no_end_among_its_tokens_never_ends(unit):
    """`<eos>` stands for nothing there: it is not written, and not read."""
    tokens = tokens_of(["ab\ncd\n"], unit=unit, whole=True)
    letter = int(tokens.tokenizer.encode(["c"])[0][0])

    class Ending(Table):
        def run(self, ids, lengths, state, condition=None):
            assert tokens.eos not in ids
            logits, state = super().run(ids, lengths, state)
            logits[..., tokens.eos] += 60
            return logits, state

    assert Ending(tokens, lambda token, place: letter).generate("a", temperature=0, max_length=4) == ["acccc"]


def test_padding_and_unknown_words_are_never_written():
    tokens = tokens_of(["a b"])
    for bad in (Tokenizer.pad_id, Tokenizer.unk_id):
        (text,) = Table(tokens, lambda token, place, bad=bad: bad).generate(max_length=9)
        assert "<" not in text


# The stop text


@pytest.mark.parametrize("stop", [".", ". The", "dog. T", "sat. The dog", "the", "t"])
@pytest.mark.parametrize("unit", ["word", "character", "bpe"])
def test_writing_ends_at_the_stop_text_which_is_left_out(unit, stop):
    said = "a cat sat. The dog. The end"
    model = reciting(said, unit=unit)
    expected = said[: said.index(stop)] if stop in said else said
    assert model.generate(temperature=0, stop=stop) == [expected]


@pytest.mark.parametrize("stop", ["aab", "aaab", "ba"])
def test_a_stop_text_that_nearly_came_is_found_when_it_comes(stop):
    said = "aacaaacaaaab"
    model = reciting(said, unit="character")
    assert model.generate(temperature=0, stop=stop) == [said[: said.index(stop)] if stop in said else said]


def test_the_beginning_of_a_stop_text_is_written_where_the_rest_never_comes():
    assert reciting("a cat sat", unit="character").generate(temperature=0, stop="sat down") == ["a cat sat"]
    model = reciting("a cat sat", unit="character")
    assert model.generate(temperature=0, stop="sat down", max_length=8) == ["a cat sa"]


def test_nothing_of_what_comes_with_the_stop_text_is_written():
    """The last token holds the stop text and the first byte of a character."""
    tokens = tokens_of([".🎬 .👍 .🚀 .🌀"] * 9, unit="bpe")
    cut = ".🎬".encode()[:-1]
    piece = next(
        place for place, name in enumerate(tokens.tokenizer.pieces) if len(name) > 1 and cut.startswith(as_bytes(name))
    )
    assert Table(tokens, lambda token, place: piece).generate(temperature=0, stop=".", max_length=3) == [""]


# Several texts


@pytest.mark.parametrize("kind", [{}, {"whole": True}, {"unit": "character", "whole": True}, {"unit": "bpe"}], ids=str)
def test_a_text_is_the_same_alone_and_among_others(kind):
    """The first n of many texts are those of n: some end early, and the others' states go on."""
    model = noisy(**kind)
    many = model.generate("the cat", samples=7, seed=3, max_length=25)
    assert len(set(many)) > 4
    for samples in (1, 2, 5):
        assert model.generate("the cat", samples=samples, seed=3, max_length=25) == many[:samples]
    if not kind:
        assert len({len(text.split()) for text in many}) > 2


def test_the_same_seed_gives_the_same_text_and_another_another():
    model = noisy()
    texts = [model.generate(seed=seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_a_stream_of_pieces_is_the_text():
    model = noisy()
    for seed in range(5):
        pieces = list(model.stream("the cat", seed=seed))
        assert ["the cat" + "".join(pieces)] == model.generate("the cat", seed=seed)
        assert len(pieces) <= 100


def test_one_token_is_read_at_a_time():
    model = noisy(whole=True)
    model.generate("the cat sat", samples=3, max_length=6)
    assert model.sizes == [(3, 4)] + [(3, 1)] * 5


def test_a_long_prompt_is_read_in_parts_with_the_same_numbers(monkeypatch):
    model = noisy()
    prompt = WORDS * 3
    whole = model.generate(prompt, samples=2)
    monkeypatch.setattr("bothways.decoding.language.LOGITS_AT_ONCE", 2 * model.tokens.size * 5)
    model.sizes.clear()
    assert model.generate(prompt, samples=2) == whole
    assert max(steps for _, steps in model.sizes) == 5


def test_unknown_words_are_named_once_in_order():
    assert noisy().unknown_words("the bird sat on a worm, bird") == ["bird", "worm", ","]
    assert noisy(unit="bpe").unknown_words("bird") == []


def test_a_penalty_on_repetition_counts_the_prompt():
    """Without it the model says "cat" for ever; with it what the prompt has not said comes first."""
    tokens = tokens_of(["cat dog bird"])
    likes = {word: tokens.tokenizer.encode([word])[0][0] for word in ("cat", "dog", "bird")}

    class Liking(Table):
        def run(self, ids, lengths, state, condition=None):
            logits, state = super().run(ids, lengths, state)
            for strength, word in enumerate(("bird", "dog", "cat"), start=10):
                logits[..., likes[word]] += strength
            return logits, state

    model = Liking(tokens)
    assert model.generate(temperature=0, max_length=3) == ["cat cat cat"]
    assert model.generate("cat", temperature=0, max_length=2, repetition_penalty=9.0) == ["cat dog bird"]


def test_writing_with_samples_is_what_pieces_say():
    model = noisy()
    settings = GenerationSettings(samples=3, max_length=12)
    texts = [""] * 3
    for number, piece in model.pieces("", settings):
        assert piece
        texts[number] += piece
    assert texts == model.generate(samples=3, max_length=12)


@pytest.mark.parametrize("texts", [[WORDS * 9], [WORDS, "the cat", "", WORDS * 5, "a dog"] * 9], ids=["one", "many"])
def test_texts_are_scored_in_parts_that_memory_has_room_for(monkeypatch, texts):
    model = noisy()
    sequences = model.tokens.sequences(texts)
    whole = model.losses(sequences)
    room = 40 * model.tokens.size
    monkeypatch.setattr("bothways.decoding.language.LOGITS_AT_ONCE", room)
    model.sizes.clear()
    for one, other in zip(model.losses(sequences), whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    filled = [size * steps for size, steps in model.sizes]
    assert max(filled) <= 40
    assert len(texts) > 1 or filled[0] == 40
