"""Small tagged sentences that a small tagger learns in seconds."""

import random

TAGGER = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "spelling_dim": 4,
    "spelling_size": 4,
    "epochs": 2,
    "min_count": 1,
    "lr": 0.02,
    "batch_size": 8,
    "dropout": 0.1,
    "embedding_dropout": 0.1,
    "validation_size": 0.2,
    "precision": "float32",
    "device": "cpu",
}
FILLERS = ["so", "and", "then", "here", "again", "they", "say"]
NAMES = {"PER": ["Ada Byron", "Li", "Zoë Wu Li"], "LOC": ["York", "New York", "Ghent"]}

Tagged = tuple[list[list[str]], list[list[str]]]


def names(count: int, *, seed: int = 0) -> Tagged:
    """People who met somewhere, with tags of BIO."""
    chance = random.Random(seed)
    sentences, tags = [], []
    for _ in range(count):
        words, some = [], []
        for kind in chance.choice([["PER"], ["PER", "LOC"], ["LOC"], []]):
            between = chance.choices(FILLERS, k=chance.randint(1, 3))
            entity = chance.choice(NAMES[kind]).split()
            words += [*between, "met" if kind == "PER" else "in", *entity]
            some += ["O"] * (len(between) + 1) + [f"B-{kind}"] + [f"I-{kind}"] * (len(entity) - 1)
        sentences.append([*words, "."])
        tags.append([*some, "O"])
    return sentences, tags


def told_later(count: int, *, seed: int = 0) -> Tagged:
    """Mark is a name or a thing by the last word alone."""
    chance = random.Random(seed)
    sentences, tags = [], []
    for row in range(count):
        between = chance.choices(FILLERS, k=chance.randint(1, 3))
        is_name = row % 2 == 0
        sentences.append([chance.choice(FILLERS), "Mark", *between, "sang" if is_name else "faded"])
        tags.append(["O", "B-PER" if is_name else "O", *["O"] * (len(between) + 1)])
    return sentences, tags


def told_by_ending(count: int, *, seed: int = 0) -> Tagged:
    """Invented words in no order, whose part of speech is their ending; no stem comes twice."""
    chance = random.Random(seed)
    endings = {"ly": "ADV", "ed": "VERB", "ness": "NOUN"}
    sentences, tags = [], []
    for _ in range(count):
        chosen = chance.choices(list(endings), k=chance.randint(1, 4))
        stems = ["".join(chance.choices("abdegiklmnoprstu", k=chance.randint(3, 6))) for _ in chosen]
        sentences.append([stem + ending for stem, ending in zip(stems, chosen, strict=True)])
        tags.append([endings[ending] for ending in chosen])
    return sentences, tags


def as_conll(tagged: Tagged) -> str:
    """Write sentences as CoNLL columns."""
    return "".join(
        "".join(f"{word} {tag}\n" for word, tag in zip(*pair, strict=True)) + "\n" for pair in zip(*tagged, strict=True)
    )


def asked(count: int, *, seed: int = 0) -> tuple[list[list[str]], list[list[str]], list[str]]:
    """Requests with their slots in BIO and what they ask for, which the first verb tells."""
    chance = random.Random(seed)
    sentences, tags, intents = [], [], []
    for _ in range(count):
        intent, verb, kind, things = chance.choice(
            [("Play", "play", "song", ["Blue Moon", "Halo"]), ("Book", "book", "place", ["New York", "Ghent"])]
        )
        thing = chance.choice(things).split()
        start = chance.choices(FILLERS, k=chance.randint(0, 2))
        sentences.append([*start, verb, *thing, "please"])
        tags.append(["O"] * (len(start) + 1) + [f"B-{kind}"] + [f"I-{kind}"] * (len(thing) - 1) + ["O"])
        intents.append(intent)
    return sentences, tags, intents
