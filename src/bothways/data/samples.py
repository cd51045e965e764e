"""The sample corpus that ships with the package: short film reviews, generated, written for it.

No review here was written by a person about a film: titles, places and people are invented, and every sentence is
filled into a frame of this package. The corpus was made to show, within a minute of training, what reading in both
directions is for:

- Each review praises some aspects of a film (its acting, music, story, photography, dialogue, ending) and pans others,
  plainly, by denial ("far from dull") or in the mouth of somebody who is right or wrong.
- The label is the opinion on the one aspect that decides for the writer. Most reviews name it in their last sentence
  ("But I go to the cinema for the music."), the others in their first.
- So counting words says little; a forward reader learns too late what it should have kept in mind; a backward reader
  knows what to look for, and the two together can read every review.

The test part uses none of the train part's frames. Scores on it measure a mechanism, never how well a model reads
real reviews.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

from bothways.data import sample_words as words
from bothways.data.sample_words import Frames
from bothways.errors import SettingsError, check_choice

Part = Literal["train", "test"]
Kind = Literal["says", "denies", "contrasts"]

ROWS: dict[Part, int] = {"train": 6000, "test": 1000}
KINDS = {"says": words.SAYS, "denies": words.DENIES, "contrasts": words.CONTRASTS}
KIND_WEIGHTS = (("says", 0.6), ("denies", 0.2), ("contrasts", 0.2))
SIZE_WEIGHTS = ((2, 0.6), (3, 0.4))
EARLY_SHARE = 0.5
TRUSTED_SHARE = 0.72
JOIN = 0.5


@dataclass(frozen=True)
class Opinion:
    """What a review says of one aspect; `kind` is the family of its frame."""

    aspect: str
    praised: bool
    kind: Kind


@dataclass(frozen=True)
class Plan:
    opinions: tuple[Opinion, ...]
    trusted: bool
    early: bool

    @property
    def label(self) -> str:
        return "positive" if self.opinions[0].praised == self.trusted else "negative"


def film_reviews(part: Part, *, rows: int | None = None, seed: int = 0) -> tuple[list[str], list[str]]:
    plans_and_texts = list(_reviews(part, rows, seed))
    return [text for _, text in plans_and_texts], [plan.label for plan, _ in plans_and_texts]


def _reviews(part: Part, rows: int | None, seed: int) -> Iterator[tuple[Plan, str]]:
    check_choice("part", part, get_args(Part))
    count = ROWS[part] if rows is None else rows
    if count < 1:
        raise SettingsError(f"rows is {rows}, but it must be at least 1, or None for the full {ROWS[part]}.")
    draw = _Draw(f"{part} {seed}")
    for praised in draw.shuffled([row % 2 == 0 for row in range(count)]):
        plan = _plan(praised, draw)
        yield plan, _text(plan, part, draw)


class _Draw:
    """Random choices built on `Random.random` alone, the one method that Python promises never to change."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed).random

    def chance(self, share: float) -> bool:
        return self.random() < share

    def one(self, options):
        return options[int(self.random() * len(options))]

    def shuffled(self, items):
        return sorted(items, key=lambda _: self.random())

    def weighted(self, options):
        at = self.random() * sum(w for _, w in options)
        for o, w in options:
            at -= w
            if at < 0:
                return o
        return options[-1][0]


def _plan(praised: bool, draw: _Draw) -> Plan:
    trusted = draw.chance(TRUSTED_SHARE)
    size = draw.weighted(SIZE_WEIGHTS)
    aspects = draw.shuffled(list(words.ASPECTS))[:size]
    opinions = tuple(Opinion(a, praised == trusted, draw.weighted(KIND_WEIGHTS)) for a in aspects)
    return Plan(opinions, trusted=trusted, early=draw.chance(EARLY_SHARE))


def _text(plan: Plan, part: Part, draw: _Draw) -> str:
    opening = _fill(draw.one(getattr(words.OPENINGS, part)), draw)
    body = _body(plan.opinions, part, draw)
    cue = _fill(draw.one(getattr(words.EARLY if plan.early else words.LATE, part)), draw, lexicon=words.TRUST if plan.trusted else words.DOUBT)
    sentences = [cue, *body, opening] if plan.early else [opening, *body, cue]
    return " ".join(s[0].upper() + s[1:] + "." for s in sentences)


def _body(opinions, part, draw) -> list[str]:
    clauses = []
    for o in opinions:
        frame = draw.one(getattr(KINDS[o.kind], part))
        mine, other = (words.PRAISE, words.BLAME) if o.praised != (o.kind == "denies") else (words.BLAME, words.PRAISE)
        clauses.append(_fill(frame, draw, noun=draw.one(words.ASPECTS[o.aspect]), lexicon={"adj": mine[o.aspect], "anti": other[o.aspect]}))
    out = []
    while clauses:
        text = clauses.pop(0)
        if clauses and draw.chance(JOIN):
            text = draw.one(getattr(words.JOINTS, part)).format(first=text, second=clauses.pop(0))
        out.append(text)
    return out


SLOTS = {
    "title_adjective": words.TITLE_ADJECTIVES,
    "title_noun": words.TITLE_NOUNS,
    "number": words.NUMBERS,
    "name": words.NAMES,
    "place": words.PLACES,
    "role": words.ROLES,
    "manner": words.MANNERS,
    "material": words.MATERIALS,
    "object": words.OBJECTS,
    "deed": words.DEEDS,
    "relative": words.RELATIVES,
    "weather": words.WEATHERS,
    "day": words.DAYS,
    "snack": words.SNACKS,
    "vehicle": words.VEHICLES,
    "genre": words.GENRES,
    "decade": words.DECADES,
    "director": words.DIRECTORS,
    "cinema": words.CINEMAS,
    "title": words.TITLES,
}


def _fill(frame: str, draw: _Draw, *, noun: str = "", lexicon=None) -> str:
    plural = noun.endswith("+")
    filled = {
        "c": noun.rstrip("+"),
        "was": "were" if plural else "was",
        "is": "are" if plural else "is",
        "decides": "decide" if plural else "decides",
    }
    slots = {**SLOTS, **(lexicon or {})}

    def word(match: re.Match[str]) -> str:
        slot = match[1]
        if slot.startswith("a_"):
            w = get(slot[2:])
            return ("an " if w[0] in "aeiou" else "a ") + w
        return get(slot)

    def get(slot: str) -> str:
        if slot not in filled:
            w = draw.one(slots[slot.rstrip("2")])
            while w in filled.values():
                w = draw.one(slots[slot.rstrip("2")])
            filled[slot] = _fill(w, draw) if slot == "title" else w
        return filled[slot]

    return re.sub(r"\{(\w+)\}", word, frame)
