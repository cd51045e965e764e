"""Tag schemes: how the tags of single words say where an entity begins and ends.

    the words     Ada    Byron  met    Li     Wu     Zoe      two entities of one type may touch
    IO            I-PER  I-PER  O      I-PER  I-PER  I-PER    ... and are then one
    BIO (IOB2)    B-PER  I-PER  O      B-PER  I-PER  B-PER
    BIOES         B-PER  E-PER  O      B-PER  E-PER  S-PER
    none          plain tags, such as parts of speech: no entities, and any tag may follow any other

A tag is its prefix and its type, parted at the first "-": the type of "B-geo-loc" is "geo-loc". Where there is one type
only, the prefix may stand alone: "B", "I". All that is legal follows from `may_follow`; how an illegal sequence is read
follows from `spans`.

The old IOB1 (B- only between neighbours of one type) is not a scheme here: read as BIO it has faults, and `repair`
turns it into BIO exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from bothways.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]

Scheme = Literal["none", "io", "bio", "bioes"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
NAMES: dict[Scheme, str] = {"none": "plain tags", "io": "IO", "bio": "BIO", "bioes": "BIOES"}

_PREFIXES: dict[Scheme, tuple[str, ...]] = {"io": ("I",), "bio": ("B", "I"), "bioes": ("B", "I", "E", "S")}
_OPENS = ("B", "I")  # the entity may go on behind these
_GOES_ON = ("I", "E")
_PREFIXED = re.compile("[A-Z]-.+")


class Tag(NamedTuple):
    """A tag in two parts."""

    prefix: str  # O, B, I, E or S; nothing for a plain tag
    type: str  # nothing for O, and where the prefix stands alone

    def __str__(self) -> str:
        return "-".join(part for part in self if part)


OUTSIDE = Tag("O", "")


class Span(NamedTuple):
    """The words of one entity, from `start` up to but not with `end`."""

    type: str
    start: int
    end: int


class Detected(NamedTuple):
    """The scheme that tags seem to follow, and a sentence for the user that says so."""

    scheme: Scheme
    note: str


class Fault(NamedTuple):
    """The first tag that breaks a scheme."""

    sentence: int  # counted from 0, as is the position
    position: int
    tag: str
    why: str  # as in "I-PER after B-LOC"
    repaired: str | None  # what `repair` reads it as; None for a tag that the scheme does not know


@lru_cache(maxsize=1 << 16)
def parse(tag: str, scheme: Scheme) -> Tag:
    """Part a tag into prefix and type; a plain tag is all type.

    Raises:
        DataError: the scheme has no such tag.
    """
    if scheme == "none":
        return Tag("", tag)
    prefix, _, of = tag.partition("-")
    if tag == "O" or (prefix in _PREFIXES[scheme] and (of or tag == prefix)):
        return Tag(prefix, of)
    *known, last = ["O", *(f"{letter}-TYPE" for letter in _PREFIXES[scheme])]
    raise DataError(f"{tag!r} is no tag of {NAMES[scheme]}, whose tags are {', '.join(known)} and {last}.")


def may_follow(before: Tag, after: Tag, scheme: Scheme) -> bool:
    """Say whether a tag may stand behind another; `OUTSIDE` stands for a sentence's border too."""
    if scheme in ("none", "io"):
        return True
    if after.prefix in _GOES_ON:
        return before.prefix in _OPENS and before.type == after.type
    return scheme == "bio" or before.prefix not in _OPENS


def continues(tag: str, after: str, scheme: Scheme) -> bool:
    """Say whether a tag makes the entity that the one before it belongs to one word longer."""
    if scheme == "none":
        return False
    one, other = parse(tag, scheme), parse(after, scheme)
    return one.prefix in _OPENS and other.prefix in _GOES_ON and one.type == other.type


def allowed(labels: Sequence[str], scheme: Scheme) -> tuple[Bools, Bools, Bools]:
    """Tell which steps of a chain over these labels are legal.

    Under BIOES a sentence may have no legal path, if neither O nor an S- is among the labels.

    Returns:
        transitions, bool (K,K), from the row's label to the column's; start and end, bool (K,).

    Raises:
        DataError: the scheme has no such label.
    """
    tags = [parse(label, scheme) for label in labels]
    transitions = [[may_follow(before, after, scheme) for after in tags] for before in tags]
    start = [may_follow(OUTSIDE, tag, scheme) for tag in tags]
    end = [may_follow(tag, OUTSIDE, scheme) for tag in tags]
    shape = (len(tags), len(tags))
    return np.array(transitions, dtype=bool).reshape(shape), np.array(start, dtype=bool), np.array(end, dtype=bool)


def spans(tags: Sequence[str], scheme: Scheme) -> list[Span]:
    """Read the entities of one sentence by conlleval's rule, which gives every sequence a reading.

    An entity goes on with I- or E- of its own type behind B- or I-. Any other tag with a prefix starts one: so an I-
    after O, or after another type, starts an entity too, and one that lacks its E- ends where it stops. For B- and I-
    that is the rule of conlleval (Tjong Kim Sang and Buchholz, 2000); E- and S- are read alike.

    Raises:
        DataError: a tag is not of the scheme, or the scheme is none.
    """
    if scheme == "none":
        raise DataError("Plain tags hold no entities. Declare the scheme: io, bio or bioes.")
    found = []
    start, before = 0, OUTSIDE
    for place, tag in enumerate([*(parse(tag, scheme) for tag in tags), OUTSIDE]):
        if tag.prefix in _GOES_ON and before.prefix in _OPENS and before.type == tag.type:
            before = tag
            continue
        if before != OUTSIDE:
            found.append(Span(before.type, start, place))
        start, before = place, tag
    return found


def spelt(entity: Span, scheme: Scheme) -> list[str]:
    """Write the tags of one entity's words under a scheme with entities."""
    length = entity.end - entity.start
    if scheme == "io":
        prefixes = "I" * length
    elif scheme == "bio":
        prefixes = "B" + "I" * (length - 1)
    else:
        prefixes = "S" if length == 1 else "B" + "I" * (length - 2) + "E"
    return [str(Tag(prefix, entity.type)) for prefix in prefixes]


def write(entities: Iterable[Span], length: int, scheme: Scheme) -> list[str]:
    """Write the tags of a sentence of so many words from its entities, which do not overlap."""
    tags = [str(OUTSIDE)] * length
    for entity in entities:
        tags[entity.start : entity.end] = spelt(entity, scheme)
    return tags


def detect(sentences: Iterable[Sequence[str]]) -> Detected:
    """Tell which scheme tags follow, from the set of all tags; their order does not matter.

    Tags are an entity scheme's where at least half of them (each counted once, O not counted) are a capital, "-" and a
    type, or where all are B, I, E or S alone. It is then BIOES if an E or S is among them, else BIO if a B is, else
    IO. What is ambiguous, and how it is taken: I- alone may be IO or IOB1 and is IO; O alone fits all and is BIO; B-
    without I- is BIO. Tags that do not fit the scheme found are left for `first_fault`.
    """
    tags = {tag for sentence in sentences for tag in sentence} - {str(OUTSIDE)}
    if not tags:
        return Detected("bio", "All tags are O: they are read as BIO, without an entity.")
    prefixed = {tag for tag in tags if _PREFIXED.fullmatch(tag)}
    if tags <= {"B", "I", "E", "S"} and tags & {"B", "I"}:
        prefixed = tags
    prefixes = {tag[0] for tag in prefixed} & {"B", "I", "E", "S"}
    if not prefixes or 2 * len(prefixed) < len(tags):
        but = f", although {min(prefixed)} looks like an entity's; declare it with --scheme" if prefixes else ""
        return Detected("none", f"The tags are read as plain tags{but}.")
    if prefixes & {"E", "S"}:
        return Detected("bioes", "The tags are read as BIOES.")
    if "B" in prefixes:
        return Detected("bio", "The tags are read as BIO.")
    return Detected("io", "The tags are read as IO, as none has B-: neighbours of one type are one entity.")


def first_fault(sentences: Iterable[Sequence[str]], scheme: Scheme) -> Fault | None:
    """Find the first sentence that breaks a scheme, and in it a tag that the scheme does not know, or else misplaces.

    The fault is the tag that `repair` would change first: an I- that continues nothing, and under BIOES also a B- or I-
    whose entity does not go on.
    """
    if scheme == "none":
        return None
    for number, tags in enumerate(sentences):
        for position, tag in enumerate(tags):
            try:
                parse(tag, scheme)
            except DataError as error:
                return Fault(number, position, tag, str(error).removesuffix("."), None)
        for position, (tag, better) in enumerate(zip(tags, _legal(tags, scheme), strict=True)):
            if tag != better:
                return Fault(number, position, tag, _why(tags, position, scheme), better)
    return None


def repair(sentences: Iterable[Sequence[str]], scheme: Scheme) -> tuple[list[list[str]], int]:
    """Make every sequence legal, and count the tags that were changed; legal sequences stay as they are.

    Entities are those that `spans` reads, so under BIO an I- that continues nothing becomes B-.

    Raises:
        DataError: a tag is not of the scheme.
    """
    found, changed = [], 0
    for tags in sentences:
        better = list(tags) if scheme == "none" else _legal(tags, scheme)
        changed += sum(old != new for old, new in zip(tags, better, strict=True))
        found.append(better)
    return found, changed


def convert(sentences: Iterable[Sequence[str]], source: Scheme, target: Scheme) -> list[list[str]]:
    """Write legal sequences in another scheme; the entities stay the same.

    IO cannot hold the border between neighbours of one type: they become one entity.

    Raises:
        DataError: a sequence is not legal under `source`, or one scheme, but not both, is none.
    """
    found = [list(tags) for tags in sentences]
    if source == target == "none":
        return found
    if "none" in (source, target):
        raise DataError(f"Tags cannot be converted from {NAMES[source]} to {NAMES[target]}: choose io, bio or bioes.")
    if fault := first_fault(found, source):
        where = f"Sentence {fault.sentence + 1:,}, word {fault.position + 1:,}"
        raise DataError(f"{where}: {fault.why}. Correct or repair the tags before they are converted.")
    return [write(spans(tags, source), len(tags), target) for tags in found]


def _legal(tags: Sequence[str], scheme: Scheme) -> list[str]:
    return write(spans(tags, scheme), len(tags), scheme)


def _why(tags: Sequence[str], position: int, scheme: Scheme) -> str:
    """Say what is wrong with a tag that cannot stay: the step to it, or else the step from it."""
    tag = tags[position]
    before = tags[position - 1] if position else str(OUTSIDE)
    if not may_follow(parse(before, scheme), parse(tag, scheme), scheme):
        return f"{tag} after {before}" if position else f"{tag} at the start"
    return f"{tag} before {tags[position + 1]}" if position + 1 < len(tags) else f"{tag} at the end"
