"""Entities and their score: conlleval's published rule by another road, and cases worked by hand."""

from itertools import pairwise, product

import pytest

from bothways.decoding.entities import Entity, EntityScore, entities, score_entities
from bothways.errors import DataError

BIO = ["O", "B-a", "I-a", "B-b", "I-b"]


def by_conlleval(tags):
    """Read entities as conlleval does: by what two neighbouring tags say of a border between them."""
    starts = {("O", "B"), ("O", "I"), ("B", "B"), ("I", "B")}
    ends = {("B", "O"), ("I", "O"), ("B", "B"), ("I", "B")}
    found, start = [], None
    pairs = [tuple(tag.partition("-")[::2]) for tag in ["O", *tags, "O"]]
    for place, ((prefix, of), (next_prefix, next_of)) in enumerate(pairwise(pairs)):
        if (prefix, next_prefix) in ends or (prefix != "O" and of != next_of):
            found.append(Entity(of, start, place))
        if (prefix, next_prefix) in starts or (next_prefix != "O" and of != next_of):
            start = place
    return found


def sequences(longest):
    return [list(tags) for length in range(1, longest + 1) for tags in product(BIO, repeat=length)]


def test_the_lenient_rule_is_conlleval_s_on_every_short_sequence():
    for tags in sequences(5):
        assert entities(tags, "bio", strict=False) == by_conlleval(tags), tags


def test_the_strict_rule_counts_a_b_with_all_that_continues_it_and_no_more():
    for tags in sequences(4):
        expected = []
        for start, tag in enumerate(tags):
            if tag.startswith("B"):
                end = start + 1
                while end < len(tags) and tags[end] == "I" + tag[1:]:
                    end += 1
                expected.append(Entity(tag[2:], start, end))
        assert entities(tags, "bio") == expected, tags


@pytest.mark.parametrize(
    ("tags", "strict"),
    [
        ("B-a I-a E-a S-a", [("a", 0, 3), ("a", 3, 4)]),
        ("B-a I-a O", []),
        ("I-a E-a", []),
        ("E-a", []),
        ("B-a B-a E-a", [("a", 1, 3)]),
        ("B-a E-b S-a", [("a", 2, 3)]),
        ("B-a E-a E-a", [("a", 0, 2)]),
        ("S-a I-a", [("a", 0, 1)]),
    ],
)
def test_under_bioes_only_whole_entities_count(tags, strict):
    assert entities(tags.split(), "bioes") == [Entity(*entity) for entity in strict]


# Gold, predicted, then (gold, predicted, correct) entities by the strict rule and by conlleval's, counted by hand.
CASES = {
    "adjacent entities of one type": ("B-a I-a B-a", "B-a I-a I-a", (2, 1, 0), (2, 1, 0)),
    "adjacent entities found": ("B-a I-a B-a", "B-a I-a B-a", (2, 2, 2), (2, 2, 2)),
    "the type changes inside": ("B-a I-a O", "B-a I-b O", (1, 1, 0), (1, 2, 0)),
    "I after another type": ("B-a B-b I-b", "B-a I-b I-b", (2, 1, 1), (2, 2, 2)),
    "I after O": ("O B-a I-a", "O I-a I-a", (1, 0, 0), (1, 1, 1)),
    "I at the start": ("B-a O B-b", "I-a O B-b", (2, 1, 1), (2, 2, 2)),
    "the whole sentence is one entity": ("B-a I-a I-a", "B-a I-a I-a", (1, 1, 1), (1, 1, 1)),
    "one word too few": ("B-a I-a I-a", "B-a I-a O", (1, 1, 0), (1, 1, 0)),
    "the right words, another type": ("O B-a", "O B-b", (1, 1, 0), (1, 1, 0)),
    "a type that training never had": ("B-new O B-a", "O O B-a", (2, 1, 1), (2, 1, 1)),
    "no entities at all": ("O O", "O O", (0, 0, 0), (0, 0, 0)),
    "all are missed": ("B-a O", "O O", (1, 0, 0), (1, 0, 0)),
    "none was there": ("O O", "B-a O", (0, 1, 0), (0, 1, 0)),
}


@pytest.mark.parametrize(("gold", "predicted", "strict", "lenient"), CASES.values(), ids=CASES)
def test_edge_cases_worked_by_hand(gold, predicted, strict, lenient):
    gold, predicted = [["O"], gold.split()], [["O"], predicted.split()]

    assert score_entities(gold, predicted, "bio").micro == EntityScore(*strict)
    assert score_entities(gold, predicted, "bio", strict=False).micro == EntityScore(*lenient)


def test_the_numbers_of_a_small_file_worked_by_hand():
    gold = [["B-a", "I-a", "O", "B-b"], ["B-a", "O"], ["B-c"]]
    predicted = [["B-a", "I-a", "B-b", "B-b"], ["B-b", "O"], ["O"]]
    scores = score_entities(gold, predicted, "bio")

    assert scores.by_type == {"a": EntityScore(2, 1, 1), "b": EntityScore(1, 3, 1), "c": EntityScore(1, 0, 0)}
    assert scores.micro == EntityScore(4, 4, 2)
    assert (scores.by_type["a"].precision, scores.by_type["a"].recall) == (1.0, 0.5)
    assert scores.by_type["a"].f1 == pytest.approx(2 / 3)
    assert scores.by_type["b"].f1 == pytest.approx(0.5)


def test_nothing_divided_by_nothing_is_zero_as_in_conlleval():
    nothing = EntityScore(0, 0, 0)

    assert (nothing.precision, nothing.recall, nothing.f1) == (0.0, 0.0, 0.0)
    assert (EntityScore(3, 0, 0).precision, EntityScore(0, 3, 0).recall) == (0.0, 0.0)


@pytest.mark.parametrize("strict", [True, False])
def test_types_sum_to_all_and_swapping_the_sides_swaps_precision_and_recall(strict):
    gold = [list(tags) for tags in product(BIO, repeat=3)]
    predicted = [tags[::-1] for tags in gold[7:] + gold[:7]]
    one = score_entities(gold, predicted, "bio", strict=strict)
    other = score_entities(predicted, gold, "bio", strict=strict)

    assert 0 < one.micro.correct < one.micro.predicted
    assert (one.micro.precision, one.micro.recall, one.micro.f1) == (
        other.micro.recall,
        other.micro.precision,
        other.micro.f1,
    )
    assert one.micro.f1 == pytest.approx(
        2 * one.micro.precision * one.micro.recall / (one.micro.precision + one.micro.recall)
    )
    for name in ("gold", "predicted", "correct"):
        assert sum(getattr(score, name) for score in one.by_type.values()) == getattr(one.micro, name)


def test_sides_of_other_sizes_are_refused():
    with pytest.raises(DataError, match="There are 2 gold sentences, but 1 predicted ones."):
        score_entities([["O"], ["O"]], [["O"]], "bio")
    with pytest.raises(DataError, match="Sentence 2 has 1 gold tags, but 3 predicted ones."):
        score_entities([["O"], ["O"]], [["O"], ["O", "O", "O"]], "bio")


def test_what_is_no_tag_of_the_scheme_is_refused_and_never_guessed():
    with pytest.raises(DataError, match="'NOUN' is no tag of BIO"):
        entities(["NOUN"], "bio")
    with pytest.raises(DataError, match="Plain tags hold no entities"):
        score_entities([["NOUN"]], [["NOUN"]], "none")
