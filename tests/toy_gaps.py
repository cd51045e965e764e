"""Small texts whose second word hangs on the third: who reads the left alone can only guess it."""

import random

from bothways.settings import FillSettings

PAIRS = {"fire": "red", "sea": "blue", "grass": "green", "night": "black"}
TINY = {
    "embedding_dim": 16,
    "hidden_size": 16,
    "epochs": 10,
    "batch_size": 8,
    "min_count": 1,
    "lr": 0.03,
    "window": 16,
    "dropout": 0.0,
    "embedding_dropout": 0.0,
    "precision": "float32",
    "device": "cpu",
}


def tiny(**changed):
    """Settings of a network that learns the toy texts in a second."""
    return FillSettings(**{**TINY, **changed})


def toy_lines(count, *, seed=0):
    """Texts such as "a blue sea here"."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        thing = chance.choice(sorted(PAIRS))
        found.append(f"{chance.choice(['a', 'the'])} {PAIRS[thing]} {thing} {chance.choice(['here', 'there'])}")
    return found
