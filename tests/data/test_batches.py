import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.data.batches import InMemory, collate, plan_epoch, plan_in_order_of_length, rounded_up
from bothways.data.corpus import CorpusWriter, TokenCorpus

lengths_of_rows = st.lists(st.integers(0, 90), min_size=1, max_size=300).map(np.array)


@given(lengths_of_rows, st.integers(1, 500), st.integers(0, 5), st.integers(1, 3), st.integers(1, 200))
def test_every_row_stands_in_exactly_one_batch(lengths, budget, seed, epoch, window):
    plan = plan_epoch(lengths, budget=budget, seed=seed, epoch=epoch, window=window)
    assert sorted(np.concatenate(plan)) == list(range(len(lengths)))


@given(lengths_of_rows, st.integers(1, 500))
def test_no_batch_of_several_rows_exceeds_the_budget(lengths, budget):
    plans = plan_epoch(lengths, budget=budget, seed=0, epoch=1), plan_in_order_of_length(lengths, budget=budget)
    for rows in [rows for plan in plans for rows in plan if len(rows) > 1]:
        assert len(rows) * rounded_up(max(1, lengths[rows].max())) <= budget


def test_the_seed_and_the_epoch_decide_on_the_order():
    lengths = np.random.default_rng(0).integers(1, 60, size=400)

    def plan(seed, epoch):
        return [tuple(rows) for rows in plan_epoch(lengths, budget=640, seed=seed, epoch=epoch)]

    assert plan(1, 1) == plan(1, 1)
    assert plan(1, 1) != plan(1, 2)
    assert plan(1, 1) != plan(2, 1)


def test_a_file_sorted_by_label_gives_mixed_batches():
    labels = np.repeat([0, 1], 2_000)
    lengths = np.random.default_rng(0).integers(1, 200, size=4_000)
    for rows in plan_epoch(lengths, budget=6_400, seed=0, epoch=1, window=1_000):
        if len(rows) >= 32:
            assert 0.1 < labels[rows].mean() < 0.9


def test_sorting_by_length_keeps_padding_small_and_shapes_few():
    lengths = np.random.default_rng(0).integers(1, 500, size=5_000)
    plan = plan_epoch(lengths, budget=8_000, seed=0, epoch=1)
    padded = sum(len(rows) * rounded_up(lengths[rows].max()) for rows in plan)
    assert padded < 1.15 * lengths.sum()
    assert len({rounded_up(lengths[rows].max()) for rows in plan}) <= 18


@given(st.integers(1, 3_000))
def test_a_length_is_rounded_up_by_less_than_one_multiple(length):
    assert length <= rounded_up(length) < length + 32


def test_a_batch_holds_its_rows_and_zeros():
    sequences = InMemory([np.array(row, dtype=np.int32) for row in ([5, 6, 7], [], [8])])
    batch = collate(sequences, np.array([2, 0, 1]))
    assert batch.lengths.tolist() == [1, 3, 1]
    assert batch.inputs[:, :3].tolist() == [[8, 0, 0], [5, 6, 7], [0, 0, 0]]
    assert not batch.inputs[:, 3:].any()
    assert batch.steps == 5


def test_numbers_are_padded_like_ids():
    sequences = InMemory([np.ones((2, 3), dtype=np.float32), np.full((1, 3), 7, dtype=np.float32)])
    batch = collate(sequences, np.array([0, 1]), rounded=False)
    assert batch.inputs.tolist() == [[[1, 1, 1], [1, 1, 1]], [[7, 7, 7], [0, 0, 0]]]


rows_of_ids = st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=9).map(lambda row: np.array(row, dtype=np.int32)))


@given(st.lists(rows_of_ids, max_size=4), st.randoms(use_true_random=False))
def test_a_corpus_on_disk_gives_what_was_written(tmp_path_factory, chunks, random):
    rows = [row for chunk in chunks for row in chunk]
    path = tmp_path_factory.mktemp("corpus") / "ids.arrow"
    with CorpusWriter(path) as writer:
        for chunk in chunks:
            writer.write(chunk)
    with TokenCorpus(path) as corpus:
        assert corpus.lengths.tolist() == [len(row) for row in rows]
        order = list(range(len(rows)))
        random.shuffle(order)
        for row, taken in zip(order, corpus.take(np.array(order, dtype=np.int64)), strict=True):
            np.testing.assert_array_equal(taken, rows[row])


def test_a_corpus_is_mapped_and_not_read(tmp_path):
    path = tmp_path / "ids.arrow"
    with CorpusWriter(path) as writer:
        writer.write([np.arange(1_000, dtype=np.int32)])
    with TokenCorpus(path) as corpus:
        taken = corpus.take(np.array([0]))[0]
        with pytest.raises(ValueError, match="read-only"):
            taken[0] = 1
