from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bothways.data.splits import stratified_sample, stratified_split

some_targets = st.lists(st.integers(0, 4), min_size=2, max_size=200).map(np.array)


@given(some_targets, st.floats(0.01, 0.99), st.integers(0, 3))
def test_parts_are_disjoint_and_complete_and_keep_every_label_in_the_first(targets, share, seed):
    first, second = stratified_split(targets, share=share, seed=seed)
    assert sorted([*first, *second]) == list(range(len(targets)))
    assert set(targets[first]) == set(targets)


@given(some_targets, st.floats(0.1, 0.9), st.integers(0, 3))
def test_each_label_has_its_share_to_within_one_row(targets, share, seed):
    _, second = stratified_split(targets, share=share, seed=seed)
    held = Counter(targets[second].tolist())
    for label, count in Counter(targets.tolist()).items():
        assert abs(held[label] - share * count) <= 1


def test_the_seed_decides():
    targets = np.tile([0, 1, 2], 40)
    splits = [stratified_split(targets, share=0.25, seed=seed)[1].tolist() for seed in (0, 0, 1)]
    assert splits[0] == splits[1]
    assert splits[0] != splits[2]


def test_a_sample_keeps_the_shares():
    targets = np.repeat([0, 1], [9_000, 1_000])
    rows = stratified_sample(targets, size=500, seed=0)
    assert 490 <= len(rows) <= 500
    assert 0.09 < targets[rows].mean() < 0.11
    assert set(stratified_sample(np.array([0] * 999 + [-1]), size=9, seed=0).tolist()) > {999}
    assert stratified_sample(targets, size=10_000, seed=0).tolist() == list(range(10_000))
