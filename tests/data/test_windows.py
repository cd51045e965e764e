"""Windows: what a language model reads between two moves of its weights."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.data.batches import InMemory
from bothways.data.windows import Cut, Lanes, plan_windows, window_batch

RANDOM = np.random.default_rng(0)


def numbered(lengths):
    """Sequences whose every token is another number, so that each can be recognised."""
    ends = np.cumsum(lengths)
    return InMemory(
        [np.arange(end - length, end, dtype=np.int32) + 1 for length, end in zip(lengths, ends, strict=True)]
    )


DOCUMENTS = numbered(RANDOM.integers(2, 90, size=60))
STREAM = np.arange(1, 1200, dtype=np.int32)
KINDS = {
    "documents": DOCUMENTS,
    "lanes": Lanes(STREAM, 7),
    "pieces": Cut(DOCUMENTS, 16),
    "pieces of a stream": Cut(Lanes(STREAM, 1), 16),
}


def tokens_of(kind):
    return (
        STREAM.tolist()
        if "stream" in kind or kind == "lanes"
        else np.concatenate(list(DOCUMENTS.take(range(60)))).tolist()
    )


def firsts_of(kind):
    return {STREAM[0]} if "stream" in kind or kind == "lanes" else {int(ids[0]) for ids in DOCUMENTS.take(range(60))}


def answers(batch):
    """The tokens that a batch predicts."""
    return [int(token) for row, length in zip(batch.inputs, batch.lengths, strict=True) for token in row[1:length]]


def same(one, other):
    if one.stood is None or other.stood is None:
        assert one.stood is other.stood
    else:
        np.testing.assert_array_equal(one.stood, other.stood)
    np.testing.assert_array_equal(one.rows, other.rows)
    assert (one.first, one.steps) == (other.first, other.steps)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [None, 3])
def test_every_token_but_the_first_of_each_sequence_is_predicted_once_an_epoch(kind, seed):
    sequences = KINDS[kind]
    for epoch in (1, 2):
        plan = plan_windows(sequences.lengths - 1, batch_size=4, steps=16, seed=seed, epoch=epoch)
        batches = [window_batch(sequences, window) for window in plan]
        found = [token for batch in batches for token in answers(batch)]
        assert sorted(found) == sorted(set(tokens_of(kind)) - firsts_of(kind))
        assert sum(batch.answers for batch in batches) == len(found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_that_goes_on_is_that_of_the_token_before(kind):
    """The token that a window begins with is the last that was read, or first predicted, of the row at `stood`."""
    sequences = KINDS[kind]
    before, goes_on = None, 0
    for window in plan_windows(sequences.lengths - 1, batch_size=4, steps=16, seed=1):
        batch = window_batch(sequences, window)
        if window.stood is None:
            assert window.first == 0
        else:
            ends = before.inputs[window.stood, before.lengths[window.stood] - 1]
            np.testing.assert_array_equal(batch.inputs[:, 0], ends)
            np.testing.assert_array_equal(before.rows[window.stood], batch.rows)
            goes_on += 1
        before = batch
    assert goes_on > 10 or "pieces" in kind


def test_the_same_seed_gives_the_same_plan_and_another_epoch_another():
    plans = [
        plan_windows(DOCUMENTS.lengths - 1, batch_size=4, steps=16, seed=seed, epoch=epoch)
        for seed, epoch in [(5, 2), (5, 2), (5, 3), (6, 2)]
    ]
    for one, other in zip(*plans[:2], strict=True):
        same(one, other)
    for other in plans[2:]:
        assert any(not np.array_equal(a.rows, b.rows) for a, b in zip(plans[0], other, strict=False))


def test_windows_of_one_stream_begin_elsewhere_in_each_epoch():
    lanes = Lanes(STREAM, 4)
    begins = {
        plan_windows(lanes.lengths - 1, batch_size=4, steps=64, seed=0, epoch=epoch)[1].first for epoch in range(1, 9)
    }
    assert len(begins) > 2
    assert all(32 <= begin <= 64 and begin % 8 == 0 for begin in begins)


def test_a_window_is_the_same_whether_those_before_it_were_made_or_not():
    """A training that is resumed takes up the plan at any window."""
    plan = plan_windows(DOCUMENTS.lengths - 1, batch_size=4, steps=16, seed=5)
    again = plan_windows(DOCUMENTS.lengths - 1, batch_size=4, steps=16, seed=5)
    for place in reversed(range(len(plan))):
        one, other = window_batch(DOCUMENTS, plan[place]), window_batch(DOCUMENTS, again[place])
        np.testing.assert_array_equal(one.inputs, other.inputs)


def test_a_batch_is_the_tokens_and_zeros_behind():
    for window in plan_windows(DOCUMENTS.lengths - 1, batch_size=4, steps=16, seed=2):
        batch = window_batch(DOCUMENTS, window)
        for row, tokens, length in zip(window.rows, batch.inputs, batch.lengths, strict=True):
            whole = DOCUMENTS.take([row])[0][window.first : window.first + window.steps + 1]
            np.testing.assert_array_equal(tokens, np.pad(whole, (0, len(tokens) - len(whole))))
            assert length == len(whole)


def test_padded_lengths_are_few():
    sequences = numbered(RANDOM.integers(2, 400, size=300))
    widths = set()
    for epoch in range(1, 6):
        plan = plan_windows(sequences.lengths - 1, batch_size=8, steps=64, seed=0, epoch=epoch)
        widths |= {window_batch(sequences, window).inputs.shape[1] for window in plan}
    assert widths <= {1 + width for width in (8, 16, 32, 40, 48, 56, 64)}


def test_a_window_holds_no_more_than_its_share_and_short_sequences_come_in_larger_groups():
    lengths = np.array([3] * 200 + [500] * 20)
    plan = plan_windows(lengths - 1, batch_size=5, steps=32, seed=0)
    for window in plan:
        assert len(window.rows) * min(window.steps, int((lengths[window.rows] - 1).max())) <= 5 * 32
    assert max(len(window.rows) for window in plan) == 5 * 32 // 2
    assert max(len(window.rows) for window in plan if window.first) == 5


def test_without_a_seed_the_longest_come_first():
    plan = plan_windows(DOCUMENTS.lengths - 1, batch_size=4, steps=16)
    openings = [DOCUMENTS.lengths[window.rows].max() for window in plan if window.first == 0]
    assert openings == sorted(openings, reverse=True)
    assert {window.steps for window in plan} == {16}


@given(st.integers(1, 200), st.integers(1, 40))
def test_lanes_are_the_stream_in_equal_parts_that_share_a_token(tokens, count):
    stream = np.arange(tokens, dtype=np.int32)
    lanes = Lanes(stream, count)
    parts = lanes.take(np.arange(len(lanes.lengths)))
    assert [len(part) for part in parts] == lanes.lengths.tolist()
    assert len(parts) == min(count, tokens - 1)
    assert np.ptp(lanes.lengths) <= 1 if len(parts) else tokens == 1
    for one, other in pairwise(parts):
        assert one[-1] == other[0]
    if parts:
        np.testing.assert_array_equal(np.concatenate([stream[:1], *(part[1:] for part in parts)]), stream)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(1, 20))
def test_pieces_are_the_sequences_in_equal_parts_that_share_a_token(lengths, steps):
    sequences = numbered(lengths)
    cut = Cut(sequences, steps)
    parts = cut.take(np.arange(len(cut.lengths)))
    assert [len(part) for part in parts] == cut.lengths.tolist()
    assert all(2 <= len(part) <= steps + 1 for part in parts)
    wholes = [ids for ids in sequences.take(range(len(lengths))) if len(ids) > 1]
    for whole in wholes:
        mine = [part for part in parts if part[-1] in whole[1:]]
        np.testing.assert_array_equal(np.concatenate([whole[:1], *(part[1:] for part in mine)]), whole)
        assert np.ptp([len(part) for part in mine]) <= 1


def test_nothing_to_predict_is_no_window():
    assert plan_windows(np.zeros(0, dtype=np.int64), batch_size=4, steps=16) == []
    assert plan_windows(Lanes(STREAM[:1], 3).lengths - 1, batch_size=4, steps=16) == []
