"""Small data that a small network learns in a second; the label hangs on which of two words comes last."""

import csv
import random
from pathlib import Path

SMALL = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "epochs": 2,
    "min_count": 1,
    "lr": 0.02,
    "pooling": "last",
    "precision": "float32",
}
FILLERS = ["the", "a", "film", "plot", "scene", "and", "then", "was", "seen", "by", "people", "here"]


def toy_texts(rows: int, *, seed: int = 0) -> tuple[list[str], list[str]]:
    """Texts and labels "bad" or "good"."""
    chance = random.Random(seed)
    texts, labels = [], []
    for row in range(rows):
        label = ("bad", "good")[row % 2]
        words = chance.choices(FILLERS, k=chance.randint(1, 9))
        first, last = ("joy", "gloom") if label == "bad" else ("gloom", "joy")
        texts.append(" ".join([words[0], first, *words[1:], last, chance.choice(FILLERS)]))
        labels.append(label)
    return texts, labels


def write_csv(path: Path, header: list[str], rows: list[list[str]]) -> Path:
    """Write a CSV file with Python's own writer."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def toy_csv(path: Path, rows: int, *, seed: int = 0) -> Path:
    """Write toy texts as a table with the columns review and sentiment."""
    return write_csv(
        path, ["review", "sentiment"], [list(row) for row in zip(*toy_texts(rows, seed=seed), strict=True)]
    )


LANGUAGE = {
    "embedding_dim": 6,
    "hidden_size": 8,
    "num_layers": 2,
    "epochs": 2,
    "window": 16,
    "batch_size": 4,
    "min_count": 1,
    "lr": 0.02,
    "precision": "float32",
}


def toy_sentences(count: int, *, seed: int = 0) -> list[str]:
    """Sentences in which an animal decides what it does, after some words between."""
    chance = random.Random(seed)
    habits = {"cat": "sleeps", "dog": "barks", "bird": "sings", "fish": "swims"}
    animals = chance.choices(list(habits), k=count)
    return [f"The {animal} {' '.join(chance.choices(FILLERS, k=2))}, {habits[animal]}." for animal in animals]


def toy_stream(count: int, *, seed: int = 0) -> str:
    """The same sentences as one text, one a line."""
    return "".join(f"{sentence}\n" for sentence in toy_sentences(count, seed=seed))
