"""What a tagger says of a sentence, against every sequence of tags one by one; alone as in company."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from bothways.data.words import word_spans
from bothways.decoding.chain import LinearChain
from bothways.decoding.schemes import allowed, spans
from bothways.decoding.tagging import HmmTagger, TagRunner, independent
from bothways.errors import DataError
from bothways.training.hmm import fit_hmm

LABELS = {
    "none": ["DET", "NOUN", "VERB"],
    "io": ["I-A", "I-B", "O"],
    "bio": ["B-A", "B-B", "I-A", "I-B", "O"],
    "bioes": ["B-A", "E-A", "I-A", "O", "S-A", "S-B"],
    "bare": ["B", "I", "O"],
}


class RandomTagger(TagRunner):
    """Scores drawn for each word by itself, and a chain: that of a CRF, which forbids, or none."""

    def __init__(self, name, *, crf, seed, scale=2.0):
        random = np.random.default_rng(seed)
        self.labels, self.scheme = LABELS[name], "bio" if name == "bare" else name
        count = len(self.labels)
        self.tag_of = np.arange(count)
        self.chain = independent(count)
        self.drawn = {word: random.normal(size=count) * scale for word in "abcdefghij"}
        if crf:
            sizes = ((count, count), count, count)
            drawn = [random.normal(size=size) for size in sizes]
            may = allowed(self.labels, self.scheme)
            self.chain = LinearChain(*(np.where(*pair, -np.inf) for pair in zip(may, drawn, strict=True)))

    def scored(self, sentences):
        """In company, the longest first, behind padding of NaN."""
        rows = np.array(sorted(range(len(sentences)), key=lambda row: -len(sentences[row])))
        rows = np.array([row for row in rows if sentences[row]], dtype=np.int64)
        if not len(rows):
            return
        scores = np.full((len(rows), len(sentences[rows[0]]), len(self.labels)), np.nan, dtype=np.float32)
        for place, row in enumerate(rows):
            scores[place, : len(sentences[row])] = [self.drawn[word] for word in sentences[row]]
        yield rows, scores, np.array([len(sentences[row]) for row in rows])


def every_path(runner, words):
    """All tag sequences with their probabilities, from the scores one by one."""
    (_, (scores,), _) = next(iter(runner.scored([words])))
    paths = list(product(range(len(runner.labels)), repeat=len(words)))
    found = np.array([runner.chain.score(scores.astype(np.float64), np.array(path)) for path in paths])
    found -= np.logaddexp.reduce(found)
    return [[runner.labels[tag] for tag in path] for path in paths], np.exp(found)


def every_path_of_hmm(model, words):
    """The same from the probabilities of a hidden Markov model by its definition."""
    count = len(model.labels)
    emissions = model.emissions(words)
    paths, scores = list(product(range(count), repeat=len(words))), []
    for path in paths:
        steps = [count, count, *path, count]
        score = sum(emissions[place, label] for place, label in enumerate(path))
        for place in range(2, len(steps)):
            score += np.log(model.next_label[(*steps[place - model.order : place], steps[place])])
        scores.append(score)
    return [[model.labels[tag] for tag in path] for path in paths], np.exp(scores - np.logaddexp.reduce(scores))


def check_entities(runner, words, paths, chances):
    """Each entity's score is the share of all sequences that hold it; give how many there were."""
    ((tags, found),) = runner.tags_and_entities([words])
    assert [(one.entity.type, one.entity.start, one.entity.end) for one in found] == spans(tags, runner.scheme)
    assert runner.predict([words]) == [tags]
    assert runner.entities([words]) == [found]
    for one in found:
        wanted = (one.entity.type, one.entity.start, one.entity.end)
        holding = [wanted in spans(path, runner.scheme) for path in paths]
        assert one.score == pytest.approx(chances[holding].sum(), rel=1e-6)
    return len(found)


@settings(max_examples=40)
@given(
    some.sampled_from(["io", "bio", "bioes", "bare"]),
    some.booleans(),
    some.integers(0, 999),
    some.text("abcdefghij", min_size=1, max_size=4),
)
def test_the_score_of_an_entity_is_the_share_of_all_sequences_that_hold_it(name, crf, seed, words):
    runner = RandomTagger(name, crf=crf, seed=seed)
    check_entities(runner, list(words), *every_path(runner, list(words)))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", ["io", "bio"])
def test_so_is_that_of_a_hidden_markov_model(name, order):
    random = np.random.default_rng(3)
    labels = LABELS[name]
    gold = [[labels[tag] for tag in random.integers(len(labels), size=5)] for _ in range(30)]
    sentences = [["a" if tag == "O" else random.choice(["b", "c", tag.lower()]) for tag in tags] for tags in gold]
    runner = HmmTagger(fit_hmm(sentences, gold, order=order), name)
    found = 0
    for words in (["a", "b", "c", "i-b"], ["i-a", "i-a", "a"], ["b"], ["c", "new", "b", "b"]):
        found += check_entities(runner, words, *every_path_of_hmm(runner.model, words))
    assert found > 3


@pytest.mark.parametrize("name", [*LABELS])
@pytest.mark.parametrize("crf", [True, False])
def test_the_chances_of_tags_are_those_of_all_sequences(name, crf):
    runner = RandomTagger(name, crf=crf, seed=1)
    paths, chances = every_path(runner, list("abcd"))
    (found,) = runner.predict_marginals([list("abcd")])
    for place, label in product(range(4), runner.labels):
        holding = [path[place] == label for path in paths]
        assert found[place, runner.labels.index(label)] == pytest.approx(chances[holding].sum(), abs=1e-9)


@pytest.mark.parametrize("order", [1, 2])
def test_so_are_those_of_a_hidden_markov_model_whose_states_are_pairs_of_tags(order):
    gold = [["A", "B", "C"], ["B", "B", "A"], ["C", "A", "B"]]
    runner = HmmTagger(fit_hmm([["a", "b", "c"], ["b", "x", "a"], ["x", "x", "b"]], gold, order=order), "none")
    paths, chances = every_path_of_hmm(runner.model, ["x", "new", "b"])
    (found,) = runner.predict_marginals([["x", "new", "b"]])
    wanted = [[chances[[path[place] == tag for path in paths]].sum() for tag in runner.labels] for place in range(3)]
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    assert runner.predict([["x", "new", "b"]]) == [[runner.labels[place] for place in np.argmax(wanted, axis=1)]]


@pytest.mark.parametrize("name", ["bio", "bioes", "io"])
@pytest.mark.parametrize("crf", [True, False])
def test_a_sentence_gets_the_same_alone_as_in_any_company(name, crf):
    runner = RandomTagger(name, crf=crf, seed=5)
    sentences = [list(text) for text in ("abc", "", "jihgfedcba", "a", "abc", "bb", "")]
    tags, chances, found = runner.predict(sentences), runner.predict_marginals(sentences), runner.entities(sentences)
    order = [4, 2, 6, 0, 1, 5, 3]
    assert runner.predict([sentences[row] for row in order]) == [tags[row] for row in order]
    for row, words in enumerate(sentences):
        assert runner.predict([words]) == [tags[row]]
        assert len(tags[row]) == len(words)
        np.testing.assert_allclose(runner.predict_marginals([words])[0], chances[row], atol=1e-12)
        (alone,) = runner.entities([words])
        assert [one.entity for one in alone] == [one.entity for one in found[row]]
        np.testing.assert_allclose([one.score for one in alone], [one.score for one in found[row]], rtol=1e-9)


def test_a_chain_never_gives_what_its_scheme_forbids():
    for name in ("bio", "bioes"):
        runner = RandomTagger(name, crf=True, seed=2, scale=20.0)
        tags = runner.predict([list(text) for text in product("abcdefgh", repeat=3)])
        transitions, start, end = allowed(runner.labels, runner.scheme)
        for places in ([runner.labels.index(tag) for tag in one] for one in tags):
            assert start[places[0]]
            assert end[places[-1]]
            assert transitions[places[:-1], places[1:]].all()


def test_a_sentence_of_any_length_has_tags_and_entities_in_time_and_space_of_its_length():
    """Ten thousand words: parts far from each other do not hang on each other, so each is as in a short sentence."""
    runner = RandomTagger("bio", crf=True, seed=4)
    words = list("abcdefghij") * 1_000
    ((tags, found),) = runner.tags_and_entities([words])
    assert len(tags) == len(words)
    assert len(found) > 1_000
    assert all(0 < one.score <= 1 for one in found)
    ((_, short),) = runner.tags_and_entities([words[:200]])
    for one, other in zip([one for one in found if one.entity.end <= 150], short, strict=False):
        assert one.entity == other.entity
        assert one.score == pytest.approx(other.score, rel=1e-9)


def test_near_tags_are_told_apart_at_the_end_of_a_very_long_sentence():
    """Each word decides by itself, by differences of which sums in single precision would keep nothing."""
    runner = RandomTagger("bio", crf=False, seed=0)
    runner.drawn = {word: (scores + 10_000).astype(np.float32) for word, scores in runner.drawn.items()}
    words = list("abcdefghij") * 300
    wanted = [runner.labels[runner.drawn[word].argmax()] for word in words]
    assert runner.predict([words]) == [wanted]
    assert runner.tags_and_entities([words])[0][0] == wanted


def test_where_no_sequence_is_possible_nothing_is_sure():
    """A word alone, where only entities of two words and more are known."""
    runner = RandomTagger("bioes", crf=True, seed=0)
    runner.labels = ["B-A", "E-A", "B-B", "E-B", "I-A", "I-B"]
    may = allowed(runner.labels, "bioes")
    runner.chain = LinearChain(*(np.where(part, 0.0, -np.inf) for part in may))
    ((tags, found),) = runner.tags_and_entities([["a"]])
    assert len(tags) == 1
    assert [one.score for one in found] == [0.0]
    assert not runner.predict_marginals([["a"]])[0].any()


def test_plain_tags_mark_no_entities():
    runner = RandomTagger("none", crf=True, seed=0)
    for sentences in ([], [[]], [["a"]]):
        with pytest.raises(DataError, match="The tags of this model are plain: they mark no entities."):
            runner.entities(sentences)
    (tagged,) = runner.tag_texts(["a  b"])
    assert tagged.to_dict() == {"words": [["a", tagged.tags[0]], ["b", tagged.tags[1]]], "text": "a  b"}


def test_entities_of_a_text_are_cut_out_of_it_by_their_places():
    runner = RandomTagger("bio", crf=True, seed=8)
    texts = ["a b, \t c\n d", "", "  ", "j i h  g", "é́ 🎬 a-b don't"]
    runner.drawn |= {word: runner.drawn["b"] for text in texts for word in cut(text) if word not in runner.drawn}
    named = 0
    for text, tagged in zip(texts, runner.tag_texts(texts), strict=True):
        assert tagged.words == cut(text)
        assert tagged.tags == runner.predict([tagged.words])[0]
        found = tagged.to_dict()
        assert found["text"] == text
        for one, other in zip(found["entities"], runner.entities([tagged.words])[0], strict=True):
            assert text[one["start"] : one["end"]] == one["text"]
            inside = cut(one["text"])
            assert inside == tagged.words[other.entity.start : other.entity.end]
            assert (one["type"], one["score"]) == (other.entity.type, round(other.score, 6))
            named += 1
    assert named > 2


def cut(text):
    return [text[start:end] for start, end in word_spans(text)]


def test_words_of_a_text_are_found_where_they_stand():
    for text in ("Teddy Roosevelt, 26th.", "don't — 'quote'", "日本 Zoë\u00a0x", "\ud800 a", "<pad> <b>bold</b>"):
        places = word_spans(text)
        assert all(start < end for start, end in places)
        assert all(one[1] <= other[0] for one, other in pairwise(places))
        left = "".join(letter for at, letter in enumerate(text) if not any(a <= at < b for a, b in places))
        assert not left.strip()  # nothing but white space is lost
