"""Small pairs that a small translator learns in seconds: words are renamed, and their order is turned round."""

import random

TRANSLATOR = {
    "unit": "word",
    "embedding_dim": 12,
    "hidden_size": 16,
    "epochs": 2,
    "min_count": 1,
    "vocabulary_size": 400,
    "lr": 0.02,
    "batch_size": 8,
    "dropout": 0.0,
    "embedding_dropout": 0.0,
    "label_smoothing": 0.0,
    "averaging": 0.0,
    "validation_size": 0.2,
    "beam_size": 2,
    "precision": "float32",
    "device": "cpu",
}
NAMES = {"one": "uno", "two": "due", "three": "tre", "four": "quattro", "five": "cinque", "six": "sei"}


def turned(count: int, *, seed: int = 0, longest: int = 5) -> tuple[list[str], list[str]]:
    """Number words, and their Italian names from the last to the first."""
    chance = random.Random(seed)
    sources = [chance.choices(list(NAMES), k=chance.randint(1, longest)) for _ in range(count)]
    return [" ".join(some) for some in sources], [" ".join(NAMES[word] for word in some[::-1]) for some in sources]
