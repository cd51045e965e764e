"""Tag schemes: what is legal, by regular expressions; repairs and conversions, on every short sequence."""

import random
import re
from itertools import pairwise, product

import numpy as np
import pytest

from bothways.decoding.schemes import (
    SCHEMES,
    Fault,
    Span,
    allowed,
    continues,
    convert,
    detect,
    first_fault,
    parse,
    repair,
    spans,
    write,
)
from bothways.errors import DataError

# Each tag as one letter, so that a regular expression can say what is legal: lower case is type a, upper case type B-x.
LETTERS = {
    "O": "-",
    **{f"{prefix}-a": prefix.lower() for prefix in "BIES"},
    **{f"{prefix}-B-x": prefix for prefix in "BIES"},
}
LEGAL = {"io": "[-iI]*", "bio": "(-|bi*|BI*)*", "bioes": "(-|s|S|bi*e|BI*E)*"}
LABELS = {
    "io": ["O", "I-a", "I-B-x"],
    "bio": ["O", "B-a", "I-a", "B-B-x", "I-B-x"],
    "bioes": list(LETTERS),
}
LONGEST = {"io": 5, "bio": 4, "bioes": 3}


def sequences(scheme):
    """Every sequence over the scheme's tags, of up to some words."""
    return [list(tags) for length in range(LONGEST[scheme] + 1) for tags in product(LABELS[scheme], repeat=length)]


def is_legal(tags, scheme):
    return re.fullmatch(LEGAL[scheme], "".join(LETTERS[tag] for tag in tags)) is not None


@pytest.mark.parametrize("scheme", LABELS)
def test_a_sequence_has_a_fault_just_where_it_is_not_legal(scheme):
    for tags in sequences(scheme):
        assert (first_fault([tags], scheme) is None) == is_legal(tags, scheme), tags


@pytest.mark.parametrize("scheme", LABELS)
def test_the_chain_may_take_just_the_legal_paths(scheme):
    labels = LABELS[scheme]
    transitions, start, end = allowed(labels, scheme)
    for tags in filter(None, sequences(scheme)):
        path = [labels.index(tag) for tag in tags]
        steps = transitions[path[:-1], path[1:]].all() and start[path[0]] and end[path[-1]]
        assert steps == is_legal(tags, scheme), tags


def test_plain_tags_may_stand_in_any_order():
    transitions, start, end = allowed(["NOUN", "I-a", "O"], "none")

    assert transitions.shape == (3, 3)
    assert np.concatenate([transitions.ravel(), start, end]).all()
    assert first_fault([["I-a", "NOUN"]], "none") is None
    assert repair([["I-a", "NOUN"]], "none") == ([["I-a", "NOUN"]], 0)


@pytest.mark.parametrize("scheme", LABELS)
def test_a_repaired_sequence_is_legal_and_keeps_the_entities_as_conlleval_reads_them(scheme):
    for tags in sequences(scheme):
        (better,), changed = repair([tags], scheme)

        assert is_legal(better, scheme)
        assert changed == sum(one != other for one, other in zip(tags, better, strict=True))
        assert (changed == 0) == is_legal(tags, scheme)
        assert spans(better, scheme) == spans(tags, scheme)


def test_repairing_bio_turns_an_i_that_continues_nothing_into_a_b_and_touches_nothing_else():
    for tags in sequences("bio"):
        before = ["O", *tags]
        expected = [
            "B" + tag[1:] if tag[0] == "I" and previous[1:] != tag[1:] else tag
            for previous, tag in zip(before, tags, strict=False)
        ]
        assert repair([tags], "bio")[0] == [expected]


def test_repair_turns_iob1_into_bio():
    draw = random.Random(3)
    for _ in range(50):
        tags = [draw.choice(["O", "I-a", "I-b"]) for _ in range(9)]
        old, new = [], []
        before = "O"
        for tag in tags:
            touching = tag == before and tag != "O" and draw.random() < 0.5
            begins = tag != "O" and (touching or tag != before)
            old.append("B" + tag[1:] if touching else tag)
            new.append("B" + tag[1:] if begins else tag)
            before = tag
        assert repair([old], "bio")[0] == [new]


@pytest.mark.parametrize(("source", "target"), [("bio", "bioes"), ("bioes", "bio"), ("io", "bio"), ("io", "bioes")])
def test_there_and_back_gives_the_same_tags_and_the_same_entities_between(source, target):
    for tags in (tags for tags in sequences(source) if is_legal(tags, source)):
        (there,) = convert([tags], source, target)

        assert is_legal(there, target)
        assert spans(there, target) == spans(tags, source)
        assert convert([there], target, source) == [tags]


def test_io_joins_neighbours_of_one_type_and_nothing_else():
    for tags in (tags for tags in sequences("bio") if is_legal(tags, "bio")):
        (merged,) = convert([tags], "bio", "io")
        found = spans(tags, "bio")
        touch = any(one.type == two.type and one.end == two.start for one, two in pairwise(found))

        assert merged == [re.sub("^B-", "I-", tag) for tag in tags]
        assert (spans(merged, "io") == found) != touch


def test_what_is_not_legal_is_not_converted():
    with pytest.raises(DataError, match="Sentence 2, word 3: I-a after O. Correct or repair the tags before"):
        convert([["O"], ["O", "O", "I-a"]], "bio", "bioes")
    with pytest.raises(DataError, match="cannot be converted from plain tags to BIO: choose io, bio or bioes"):
        convert([["NOUN"]], "none", "bio")


@pytest.mark.parametrize(
    ("tags", "scheme", "position", "why", "repaired"),
    [
        ("I-PER O", "bio", 0, "I-PER at the start", "B-PER"),
        ("O I-geo-loc", "bio", 1, "I-geo-loc after O", "B-geo-loc"),
        ("B-LOC I-PER I-PER", "bio", 1, "I-PER after B-LOC", "B-PER"),
        ("O B-PER O", "bioes", 1, "B-PER before O", "S-PER"),
        ("B-PER I-PER", "bioes", 1, "I-PER at the end", "E-PER"),
        ("S-PER E-PER O", "bioes", 1, "E-PER after S-PER", "S-PER"),
        ("O E-PER", "bio", 1, "'E-PER' is no tag of BIO, whose tags are O, B-TYPE and I-TYPE", None),
        ("O B-", "io", 1, "'B-' is no tag of IO, whose tags are O and I-TYPE", None),
        (
            "I-PER NOUN",
            "bioes",
            1,
            "'NOUN' is no tag of BIOES, whose tags are O, B-TYPE, I-TYPE, E-TYPE and S-TYPE",
            None,
        ),
    ],
)
def test_a_fault_says_where_and_why(tags, scheme, position, why, repaired):
    tags = tags.split()
    assert first_fault([["O"], tags, tags], scheme) == Fault(1, position, tags[position], why, repaired)
    if repaired:
        assert repair([tags], scheme)[0][0][position] == repaired


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("O B-PER I-PER B-LOC", "bio"),
        ("B-PER O", "bio"),
        ("B I O", "bio"),
        ("O", "bio"),
        ("O I-PER I-LOC", "io"),
        ("O B-PER E-PER", "bioes"),
        ("S-PER O", "bioes"),
        ("NOUN VERB O", "none"),
        ("N V O S E", "none"),
        ("B-PER I-PER PERSON O", "bio"),  # one slip does not hide a scheme
        ("B-PER I-PER L-PER U-PER O", "bio"),  # BILOU: the first L- is then a fault, and is named
        ("NN VB DT I-PER", "none"),
        ("HYPH -LRB- , NN", "none"),
    ],
)
def test_the_scheme_is_told_from_the_set_of_tags_in_any_order(tags, scheme):
    tags = tags.split()
    for sentences in ([tags], [tags[::-1]], [[tag] for tag in tags], [tags, tags]):
        found = detect(sentences)
        assert found.scheme == scheme
        assert found == detect([tags])


def test_what_is_ambiguous_is_said():
    assert "without an entity" in detect([["O", "O"]]).note
    assert "neighbours of one type are one entity" in detect([["I-PER", "O"]]).note
    assert "B-PER looks like an entity's; declare it with --scheme" in detect([["NN", "VB", "X", "B-PER"]]).note


def test_types_may_hold_hyphens_and_a_prefix_may_stand_alone():
    assert parse("B-geo-loc", "bio") == ("B", "geo-loc")
    assert parse("I-geo-loc", "none") == ("", "I-geo-loc")
    assert spans(["B", "I", "O", "B"], "bio") == [Span("", 0, 2), Span("", 3, 4)]
    for scheme in LABELS:
        assert [str(parse(label, scheme)) for label in LABELS[scheme]] == LABELS[scheme]


def test_writing_undoes_reading():
    found = [Span("a", 0, 1), Span("a", 1, 4), Span("b", 5, 7)]

    assert write(found, 8, "bio") == ["B-a", "B-a", "I-a", "I-a", "O", "B-b", "I-b", "O"]
    assert write(found, 8, "bioes") == ["S-a", "B-a", "I-a", "E-a", "O", "B-b", "E-b", "O"]


def test_tags_without_a_scheme_are_refused_where_entities_are_asked_for():
    assert set(SCHEMES) == {"none", *LABELS}
    with pytest.raises(DataError, match="Plain tags hold no entities. Declare the scheme: io, bio or bioes."):
        spans(["NOUN"], "none")
    with pytest.raises(DataError, match=r"'NOUN' is no tag of BIO, whose tags are O, B-TYPE and I-TYPE\."):
        allowed(["O", "NOUN"], "bio")


@pytest.mark.parametrize("scheme", LABELS)
def test_a_tag_continues_another_exactly_where_both_are_words_of_one_entity(scheme):
    for one, other in product(LABELS[scheme], repeat=2):
        together = any(span.start == 0 and span.end == 2 for span in spans([one, other], scheme))
        assert continues(one, other, scheme) == together, (one, other)
    assert not continues("NOUN", "NOUN", "none")
