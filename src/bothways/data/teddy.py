"""Generated sentences in which only a later word tells whether a word is a name.

    He said , Teddy was sold by the pound .          no name
    He said , Teddy was a great president .          a person

The question is the classic one for reading both ways: at "Teddy", all that a forward reader has seen is the same in
both sentences. Every sentence has one word that may be a name, "Teddy" or another that is also a thing, a season or a
trade, always with a capital; a few words may stand between it and the one that tells. Half are names. The test part has
other openings, other words between and other ends of sentences, but the telling words are those of the train part.

All words and frames were written for this package; nobody is meant.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Literal, get_args

from bothways.errors import OutputError, SettingsError, check_choice

Part = Literal["train", "test"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ROWS: dict[Part, int] = {"train": 4000, "test": 1000}
NAME = "B-PER"
AMBIGUOUS = _words(
    "Teddy Rose Grace Mark Hope Violet Baker Bishop Reed Ivy Amber Frost Ruby Stone Olive Daisy Robin Jasper Heather "
    "Pearl Miller Mason Summer Dale"
)
OPENINGS: dict[Part, list[str]] = {
    "train": [
        "He said ,",
        "She wrote that",
        "The notice read :",
        "Everyone in the village knew that",
        "As you may have heard ,",
        "At the end of the day ,",
        "The letter began :",
        "In those years ,",
        "My sister is sure that",
        "Nothing is as plain as this :",
        "We had been told for weeks that",
        "I read somewhere that",
        "According to the guide ,",
        "No , not again ,",
        "Once upon a time",
        "It turned out that",
        "First of all ,",
        "",
    ],
    "test": ["They told us that", "On the last page it said :", "Nobody doubted that", "So it was that", "Well ,"],
}
BETWEEN: dict[Part, list[str]] = {
    "train": [
        "",
        "",
        "of Lower Addle",
        ", once more ,",
        ", so it seems ,",
        "from across the river ,",
        ", too ,",
        ", by the way ,",
        "as we know it",
        ", unlike last year ,",
        ", much to my surprise ,",
        "in all its glory",
        ", the second of its kind ,",
        ", if I am not mistaken ,",
        "and nothing else",
    ],
    "test": ["", "of the old town", ", as before ,", ", they say ,", "from the far north ,"],
}
# What a person does, and what is done with a thing: the first words tell, the ends go on.
PERSON = {
    "sang": ["a long song", "about the sea", "to the children", "in the choir", "all evening"],
    "whispered": ["his name", "that it was over", "a secret", "something to the guard", "goodnight"],
    "apologised": ["in a letter", "at last", "to the guests", "for being late", "twice"],
    "smiled": ["from ear to ear", "without a reason", "at the camera", "and left the room", "shyly"],
    "married": ["for money", "an old friend", "a sailor", "in June", "the teacher next door"],
    "became": ["the mayor", "rather famous", "a doctor", "the youngest judge of all", "a good friend"],
    "was": [
        "born in a small town",
        "the first to arrive",
        "a great president",
        "an honest lawyer",
        "a patient teacher",
    ],
    "thanked": ["the driver", "us for coming", "the neighbours", "everybody", "the crew"],
}
THING = {
    "costs": ["a fortune", "half of what it did", "more this week", "two coins a piece", "nothing"],
    "were": ["piled up by the door", "left over", "on sale", "sold by the pound", "out of stock"],
    "rusts": ["where it stands", "from the inside", "in the rain", "within a year", "quickly"],
    "grows": ["taller than a house", "only in the shade", "behind the shed", "in any soil", "by the road"],
    "prices": ["doubled overnight", "depend on the season", "rose again", "have fallen", "are the same everywhere"],
    "melts": ["in the mouth", "over a low fire", "in the sun", "at once", "slowly"],
    "contains": ["traces of nuts", "more than it should", "salt", "a little iron", "no water"],
    "tastes": ["like nothing else", "sweet at first", "of lemon", "better with bread", "bitter"],
}


def teddy_sentences(part: Part, *, rows: int | None = None, seed: int = 0) -> tuple[list[list[str]], list[list[str]]]:
    """Return generated sentences as words, and their tags: "B-PER" for a name, "O" for all else.

    The same arguments give the same rows on every machine.

    Args:
        part: "train" or "test".
        rows: how many sentences; None for the part's full size (`ROWS`).
        seed: which corpus to draw.

    Raises:
        SettingsError: `part` is unknown or `rows` is below 1.
    """
    check_choice("part", part, get_args(Part))
    rows = ROWS[part] if rows is None else rows
    if rows < 1:
        raise SettingsError(f"rows is {rows}, but it must be at least 1.")
    draw = Random(f"{part}-{seed}")
    sentences, tags = [], []
    for row in range(rows):
        words, place = _sentence(part, draw, named=row % 2 == 0)
        sentences.append(words)
        tags.append([NAME if row % 2 == 0 and at == place else "O" for at in range(len(words))])
    order = draw.sample(range(rows), rows)
    return [sentences[row] for row in order], [tags[row] for row in order]


def place_of_name(words: list[str]) -> int:
    """Give the place of the word that may be a name, in a sentence of this corpus."""
    return next(place for place, word in enumerate(words) if word in AMBIGUOUS)


def write_teddy_sentences(folder: str | Path) -> tuple[Path, Path]:
    """Write the corpus of seed 0 as train.conll and test.conll, in two columns; the folder is made if need be.

    Raises:
        OutputError: a file of one of these names holds something else, or cannot be written.
    """
    folder = Path(folder)
    contents = {folder / f"{part}.conll": _conll(part) for part in get_args(Part)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            if path.exists() and path.read_bytes() != content.encode():
                raise OutputError(f"{path} exists and holds something else. Choose another folder, or move it away.")
        for path, content in contents.items():
            path.write_bytes(content.encode())
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}. Choose a folder you may write to.") from error
    train, test = contents
    return train, test


def _conll(part: Part) -> str:
    blocks = (
        "".join(f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True))
        for words, tags in zip(*teddy_sentences(part), strict=True)
    )
    return "\n".join(blocks)


def _sentence(part: Part, draw: Random, *, named: bool) -> tuple[list[str], int]:
    """The words of a sentence, and the place of the one that may be a name."""
    opening = draw.choice(OPENINGS[part]).split()
    ends = PERSON if named else THING
    telling = draw.choice(list(ends))
    # Of each telling word's ends, the last is the test part's.
    end = ends[telling][-1] if part == "test" else draw.choice(ends[telling][:-1])
    rest = [*draw.choice(BETWEEN[part]).split(), telling, *end.split(), "."]
    return [*opening, draw.choice(AMBIGUOUS), *rest], len(opening)
