"""Modified Kneser-Ney against dictionaries written from the paper's formulas, and its laws."""

import json
import subprocess
import sys
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from bothways.data.batches import InMemory
from bothways.errors import DataError, MissingFileError, ModelFolderError, SettingsError
from bothways.training import kneser_ney, portions
from bothways.training.kneser_ney import KneserNey, discounts

VOCABULARY, START = 11, 2


class ByDictionary:
    """The same model by another road: a dictionary for each order, and p(w|h) by recursion."""

    def __init__(self, rows, vocabulary, start, order):
        self.vocabulary, self.order = vocabulary, order
        occurrences = {length: Counter() for length in range(1, order + 1)}
        company = {length: defaultdict(set) for length in range(1, order + 1)}
        for row in rows:
            history = (start,)
            for word in row.tolist():
                for length in range(1, min(order, len(history) + 1) + 1 if word else 0):
                    gram = (*history, word)[-length:]
                    if length == order or length == len(history) + 1:
                        occurrences[length][gram] += 1
                    else:
                        company[length][gram].add(history[-length])
                history = (*history, word) if word else ()
        self.counts = {
            length: {
                gram: occurrences[length][gram] + len(company[length][gram])
                for gram in {*occurrences[length], *company[length]}
            }
            for length in occurrences
        }
        self.discounts = {length: self.estimate(Counter(counts.values())) for length, counts in self.counts.items()}

    @staticmethod
    def estimate(n):
        """D1, D2 and D3+ of equation 26, or half a count where it gives nothing that can be used."""
        found = {1: 0.5, 2: 1.0, 3: 1.5}
        if n[1] and n[2]:
            y = n[1] / (n[1] + 2 * n[2])
            paper = {1: 1 - 2 * y * n[2] / n[1], 2: 2 - 3 * y * n[3] / n[2], 3: 3 - 4 * y * n[4] / max(n[3], 1)}
            found |= {
                count: discount for count, discount in paper.items() if n[count] and n[count + 1] and discount > 0
            }
        return found

    def probability(self, word, history):
        """p(word|history); the history is cut to the order."""
        history = tuple(history)[-(self.order - 1) :] if self.order > 1 else ()
        lower = self.probability(word, history[1:]) if history else float(word != 0) / (self.vocabulary - 1)
        followers = {
            gram[-1]: count for gram, count in self.counts[len(history) + 1].items() if gram[:-1] == history and count
        }
        if not followers:
            return lower
        discount = {count: self.discounts[len(history) + 1][min(count, 3)] for count in followers.values()}
        total = sum(followers.values())
        left = sum(discount[count] for count in followers.values()) / total
        own = (followers[word] - discount[followers[word]]) / total if word in followers else 0.0
        return own + left * lower


def random_rows(seed=0, rows=40, longest=13, vocabulary=VOCABULARY):
    """Rows in which low ids are frequent and follow each other often, with <eos> inside and at the end of some."""
    random = np.random.default_rng(seed)
    drawn = []
    for size in random.integers(0, longest, size=rows):
        row = 1 + (random.pareto(0.8, size=size) * 2).astype(np.int64) % (vocabulary - 1)
        row[1:] = np.where(random.random(max(0, size - 1)) < 0.4, row[:-1] % (vocabulary - 1) + 1, row[1:])
        drawn.append(row)
    return drawn


def fitted(rows, order=3, vocabulary=VOCABULARY, start=START, **options):
    return KneserNey.fit(InMemory(rows), vocabulary=vocabulary, start=start, order=order, **options)


def distribution(model, history):
    """Give p of every id after a history, float (V,), by one question for each."""
    return np.exp([model.log_probabilities(np.array([word]), history)[0] for word in range(model.vocabulary)])


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_probabilities_are_those_of_dictionaries(order, seed):
    rows = random_rows(seed)
    model, slow = fitted(rows, order), ByDictionary(rows, VOCABULARY, START, order)
    for row in [*rows[:6], *random_rows(seed + 7, rows=6)]:
        expected = [slow.probability(word, (START, *row[:step])) for step, word in enumerate(row.tolist())]
        np.testing.assert_allclose(np.exp(model.log_probabilities(row)), expected, rtol=1e-12)


def test_probabilities_are_those_of_dictionaries_where_padding_stands_inside():
    rows = random_rows(3)
    for row in rows[::3]:
        row[len(row) // 2 : len(row) // 2 + 2] = 0
    model, slow = fitted(rows, order=3), ByDictionary(rows, VOCABULARY, START, 3)
    for row in rows:
        expected = [slow.probability(word, (START, *row[:step])) for step, word in enumerate(row.tolist())]
        np.testing.assert_allclose(np.exp(model.log_probabilities(row)), expected, rtol=1e-12)


def test_ids_near_a_million_do_not_overflow():
    vocabulary = 1_000_000
    rows = [vocabulary - row for row in random_rows(5)]
    model, slow = fitted(rows, 4, vocabulary, start=vocabulary - 2), ByDictionary(rows, vocabulary, vocabulary - 2, 4)
    for row in rows[:9]:
        history = (vocabulary - 2, *row.tolist())
        expected = [slow.probability(word, history[: step + 1]) for step, word in enumerate(row.tolist())]
        np.testing.assert_allclose(np.exp(model.log_probabilities(row)), expected, rtol=1e-12)


@given(seed=st.integers(0, 999), order=st.integers(1, 5), history=st.lists(st.integers(0, VOCABULARY - 1), max_size=6))
def test_probabilities_sum_to_one_in_any_context_and_padding_has_none(seed, order, history):
    model = fitted(random_rows(seed, rows=seed % 30 + 2, longest=seed % 11 + 3), order)
    shares = distribution(model, np.array(history, dtype=np.int64))
    assert shares.sum() == pytest.approx(1, abs=1e-12)
    assert shares[0] == 0
    assert (shares[1:] > 0).all()


def test_probabilities_sum_to_one_after_each_context_of_the_training_text():
    rows = random_rows(8, rows=12)
    model = fitted(rows, order=4)
    for row in rows:
        for step in range(len(row) + 1):
            assert distribution(model, np.array([START, *row[:step]])).sum() == pytest.approx(1, abs=1e-12)


def test_a_history_carried_across_a_cut_equals_the_whole():
    rows = random_rows(1)
    model, text = fitted(rows, order=4), np.concatenate(random_rows(2, rows=5))
    whole = model.log_probabilities(text)
    for cut in range(1, len(text)):
        history = np.array([START, *text[:cut]])
        np.testing.assert_array_equal(model.log_probabilities(text[cut:], history), whole[cut:])
        np.testing.assert_array_equal(model.log_probabilities(text[cut:], history[-3:]), whole[cut:])
    np.testing.assert_array_equal(model.log_probabilities(text, np.array([START])), whole)
    np.testing.assert_array_equal(model.log_probabilities(text, np.array([], dtype=np.int64)), whole)


def test_a_text_scored_in_pieces_equals_the_whole(monkeypatch):
    model, text = fitted(random_rows(1), order=5), np.concatenate(random_rows(2, rows=9))
    whole, carried = model.log_probabilities(text), model.log_probabilities(text, np.array([3, 4, 3]))
    for size in (1, 7):
        monkeypatch.setattr(kneser_ney, "_STEPS_AT_ONCE", size)
        np.testing.assert_array_equal(model.log_probabilities(text), whole)
        np.testing.assert_array_equal(model.log_probabilities(text, np.array([3, 4, 3])), carried)


def test_a_token_that_comes_later_does_not_matter():
    model, text = fitted(random_rows(1), order=4), random_rows(2, rows=1, longest=14)[0]
    changed = text.copy()
    changed[5:] = 9
    np.testing.assert_array_equal(model.log_probabilities(changed)[:5], model.log_probabilities(text)[:5])


def test_a_sequence_does_not_depend_on_those_beside_it():
    rows = random_rows(4)
    model, turned = fitted(rows, order=4), fitted(rows[::-1], order=4)
    first = model.log_probabilities(rows[0])
    model.log_probabilities(rows[1])
    np.testing.assert_array_equal(model.log_probabilities(rows[0]), first)
    np.testing.assert_array_equal(turned.log_probabilities(rows[0]), first)


def test_no_n_gram_reaches_from_one_sequence_into_the_next():
    # 3 and 4 stand side by side only where one sequence ends and the next begins.
    apart = fitted([np.array([5, 3]), np.array([4, 6])] * 4, order=2)
    joined = fitted([np.array([5, 3, 4, 6])] * 4, order=2)
    after_three = [distribution(model, np.array([3])) for model in (apart, joined)]
    np.testing.assert_allclose(after_three[0], distribution(apart, np.array([9])), rtol=1e-12)  # nothing follows a 3
    assert after_three[1][4] > 3 * after_three[0][4]


def test_a_word_of_one_company_is_not_expected_elsewhere():
    # 4 is three times as frequent as 3, but always follows 5; 3 follows 6, 7, 8, 9 and 10 once each.
    rows = [np.array([5, 4])] * 15 + [np.array([other, 3]) for other in (6, 7, 8, 9, 10)]
    shares = distribution(fitted(rows, order=2), np.array([4]))
    assert shares[3] > 2 * shares[4]


def test_counts_of_counts_give_the_discounts_of_the_paper():
    # n1 to n4 are 10, 5, 3 and 2, so Y = 10/20.
    counts = np.repeat([0, 1, 2, 3, 4, 90], [6, 10, 5, 3, 2, 4])
    np.testing.assert_allclose(discounts(counts), [0, 1 - 0.5, 2 - 3 * 0.5 * 3 / 5, 3 - 4 * 0.5 * 2 / 3])


@pytest.mark.parametrize("number", [(0, 5, 5, 5), (5, 0, 5, 5), (5, 1, 9, 1), (9, 9, 1, 9), (2, 5, 0, 5), (0, 0, 0, 0)])
def test_discounts_that_cannot_be_estimated_lie_within_their_counts(number):
    found = discounts(np.repeat([1, 2, 3, 4, 50], [*number, 3]))
    assert found[0] == 0
    assert (found[1:] > 0).all()
    assert (found <= [0, 1, 2, 3]).all()


def test_a_text_of_few_frequent_tokens_is_learnt():
    text = np.tile([3, 4, 5, 3, 6], 200)
    model = fitted([text], order=4)
    assert np.exp(-model.log_probabilities(text)[3:].mean()) < 1.01
    assert np.exp(-model.unigram_log_probabilities(text).mean()) > 3.5


def test_relative_frequencies_are_counted_by_hand():
    model = fitted([np.array([3, 3, 5]), np.array([3, 1])])
    expected = np.log([4 / 15, 2 / 15, 1 / 15])  # 5 tokens, and one added to each of 10 ids
    np.testing.assert_allclose(model.unigram_log_probabilities(np.array([3, 5, 9])), expected)
    assert model.steps == 5
    every = np.exp(model.unigram_log_probabilities(np.arange(VOCABULARY)))
    assert every[0] == 0
    assert every.sum() == pytest.approx(1)


def test_of_too_many_sequences_every_third_is_counted():
    rows = [row[:6] for row in random_rows(1, rows=90, longest=40) if len(row) >= 6]
    rows = rows[: len(rows) // 3 * 3]
    model = fitted(rows, most_steps=2 * len(rows))
    expected = fitted(rows[1::3])
    assert model.steps == expected.steps == 6 * len(rows[1::3])
    for row in rows[:5]:
        np.testing.assert_array_equal(model.log_probabilities(row), expected.log_probabilities(row))


def test_of_a_text_that_is_too_long_every_other_piece_is_counted(monkeypatch):
    monkeypatch.setattr(portions, "PIECE", 10)
    text = np.concatenate(random_rows(1, rows=60))
    text = text[: len(text) // 20 * 20]
    model = fitted([text], most_steps=len(text) // 2)
    expected = fitted([np.where(np.arange(len(text)) // 10 % 2, 0, text)])  # padding where pieces are passed over
    assert model.steps == expected.steps
    np.testing.assert_array_equal(model.log_probabilities(text), expected.log_probabilities(text))


@given(rows=st.integers(1, 40), size=st.integers(1, 20), more=st.integers(0, 90))
def test_as_many_steps_are_counted_as_allowed(rows, size, more):
    """Of a text just over the limit nearly all is counted, not half."""
    most = max(1, rows * size - more)
    assert fitted([np.full(size, 4)] * rows, most_steps=most).steps > most - size


@given(sizes=st.lists(st.integers(1, 20), min_size=2, max_size=30), more=st.floats(1.0, 9.0))
def test_what_is_counted_comes_from_everywhere(sizes, more):
    """Of any beginning of the pieces as large a share is counted as of all, but for half of the largest piece."""
    most = max(*sizes, int(sum(sizes) / more))
    chosen = portions.evenly(sizes, most)
    counted = np.cumsum([size if place in chosen else 0 for place, size in enumerate(sizes)])
    assert np.abs(counted - np.cumsum(sizes) * most / sum(sizes)).max() <= max(sizes)
    assert len(chosen) >= 1
    assert counted[-1] <= most


@given(lengths=st.lists(st.integers(0, 60), min_size=1, max_size=9), most_steps=st.integers(1, 150))
def test_never_more_steps_are_counted_than_allowed_and_never_none(lengths, most_steps):
    rows = [np.full(length, 4) for length in lengths]
    if not sum(lengths):
        with pytest.raises(DataError, match="no steps to count"):
            fitted(rows, most_steps=most_steps)
        return
    assert 1 <= fitted(rows, most_steps=most_steps).steps <= min(most_steps, sum(lengths))


@pytest.mark.parametrize("order", [1, 4])
def test_saved_and_loaded_gives_the_same_numbers(tmp_path, order):
    rows = [*random_rows(6), np.tile([7, 7, 7, 7, 5], 60), np.full(70_000, 8)]  # counts of one, two and three bytes
    model = fitted(rows, order)
    model.save(tmp_path / "new" / "ngrams.safetensors")
    loaded = KneserNey.load(tmp_path / "new" / "ngrams.safetensors")
    text = np.concatenate([row[:20] for row in rows])
    np.testing.assert_array_equal(loaded.log_probabilities(text), model.log_probabilities(text))
    np.testing.assert_array_equal(loaded.unigram_log_probabilities(text), model.unigram_log_probabilities(text))
    assert (loaded.vocabulary, loaded.start, loaded.order, loaded.steps) == (VOCABULARY, START, order, model.steps)


def test_an_n_gram_takes_three_bytes_of_the_file(tmp_path):
    random = np.random.default_rng(0)
    model = fitted([random.integers(1, 200, size=20_000)], order=4, vocabulary=200)
    model.save(tmp_path / "ngrams.safetensors")
    assert (tmp_path / "ngrams.safetensors").stat().st_size < 3 * sum(len(level.keys) for level in model.levels) + 3_000


def test_orders_longer_than_every_sequence_change_nothing(tmp_path):
    rows = [np.array([3, 4]), np.array([4]), np.array([3, 5])]
    long, short = fitted(rows, order=7), fitted(rows, order=3)
    long.save(tmp_path / "ngrams.safetensors")
    text = np.array([3, 4, 5, 3])
    np.testing.assert_array_equal(long.log_probabilities(text)[:2], short.log_probabilities(text)[:2])
    loaded = KneserNey.load(tmp_path / "ngrams.safetensors")
    np.testing.assert_array_equal(loaded.log_probabilities(text), long.log_probabilities(text))


def test_nothing_to_score_gives_nothing():
    model = fitted(random_rows())
    assert model.log_probabilities(np.array([], dtype=np.int64)).shape == (0,)
    assert model.unigram_log_probabilities(np.array([])).shape == (0,)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"vocabulary": 1}, "vocabulary is 1, but it must be at least 2"),
        ({"start": 0}, "start is 0, but it must be a token's id, from 1 to 10"),
        ({"start": 11}, "start is 11, but it must be a token's id, from 1 to 10"),
        ({"order": 0}, "order is 0, but it must be at least 1"),
        ({"most_steps": 0}, "most_steps is 0, but it must be at least 1"),
    ],
)
def test_settings_that_are_impossible_are_refused(options, words):
    with pytest.raises(SettingsError, match=words):
        fitted(random_rows(), **options)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (np.array([3, 11]), "Sequence 2 has id 11 at step 2, but ids run from 0 to 10"),
        (np.array([3, 4, -1]), "Sequence 2 has id -1 at step 3, but ids run from 0 to 10"),
        (np.ones((2, 3)), r"Sequence 2 has shape \(2, 3\) and type float64, but an n-gram model reads token ids"),
    ],
)
def test_sequences_that_hold_no_ids_are_refused(row, words):
    with pytest.raises(DataError, match=words):
        fitted([np.array([3]), row])
    model = fitted(random_rows())
    with pytest.raises(DataError, match=words.replace("Sequence 2", "The sequence")):
        model.log_probabilities(row)
    with pytest.raises(DataError, match=words.replace("Sequence 2", "The history")):
        model.log_probabilities(np.array([3]), row)
    with pytest.raises(DataError, match=words.replace("Sequence 2", "The sequence")):
        model.unigram_log_probabilities(row)


@pytest.mark.parametrize("rows", [[], [np.array([], dtype=np.int32)], [np.zeros(4, dtype=np.int32)]])
def test_a_text_without_tokens_is_refused(rows):
    with pytest.raises(DataError, match="no steps to count n-grams of: give at least one sequence"):
        fitted(rows)


def test_a_file_that_is_missing_damaged_or_newer_is_refused(tmp_path):
    path = tmp_path / "ngrams.safetensors"
    with pytest.raises(MissingFileError, match=r"ngrams\.safetensors is missing.*Train the model again"):
        KneserNey.load(path)
    fitted(random_rows()).save(path)
    whole, tensors = path.read_bytes(), load_file(path)
    facts = {"format": 1, "vocabulary": VOCABULARY, "start": START, "order": 3}

    def refused(words):
        with pytest.raises(ModelFolderError, match=words):
            KneserNey.load(path)

    for damaged in (b"", whole[:-5], whole[: len(whole) // 3], b"nothing"):
        path.write_bytes(damaged)
        refused("holds no whole n-gram baseline")
    save_file(tensors, path)
    refused("holds no whole n-gram baseline")
    for altered in (
        {"last2": tensors["last2"][::-1].copy()},
        {"last2": tensors["last2"] + VOCABULARY},
        {"counts3": tensors["counts3"][:-1]},
        {"followers1": tensors["followers1"] - 1},
        {"occurrences": tensors["occurrences"][1:]},
    ):
        save_file({**tensors, **altered}, path, metadata={"kneser_ney": json.dumps(facts)})
        refused("holds no whole n-gram baseline")
    save_file(tensors, path, metadata={"kneser_ney": json.dumps({**facts, "format": 2})})
    refused("has format 2, but this version reads 1 and older. Update bothways")
    save_file(tensors, path, metadata={"kneser_ney": json.dumps(facts)})
    assert KneserNey.load(path).order == 3


def test_neither_torch_nor_scikit_learn_is_loaded():
    code = (
        "import sys; import bothways.training.kneser_ney; "
        "print([name for name in ('torch', 'sklearn', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
