"""Missing words of WikiText-2, from both sides and from the left alone: python -m benchmarks.fill

Both networks have the same number of weights and are trained in the same way on the published training part; the
validation part chooses the epochs, the test part is scored once. A word is predicted from all other words of its line,
or from those on its left.
"""

import argparse
import json
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.record import data_folder, record
from bothways.data.batches import InMemory
from bothways.data.plain_text import open_documents
from bothways.data.tokenizer import Tokenizer
from bothways.settings import FillSettings
from bothways.training.corpora import Corpus, prepare_corpus
from bothways.training.infilling import TrainedInfiller, score, score_unigram, train_infiller
from bothways.training.infilling_scores import FillScores
from bothways.training.progress import TerminalProgress

RECIPE: dict[str, Any] = {
    "unit": "space",
    "lowercase": False,
    "vocabulary_size": 33_278,  # the published one
    "min_count": 1,
    "embedding_dim": 256,
    "hidden_size": 256,
    "num_layers": 1,
    "initial_vectors": "random",
    "dropout": 0.3,
    "embedding_dropout": 0.1,
    "batch_size": 16,
    "epochs": 6,
    "patience": 2,
}


def part(name: str, place: Path, lines: int | None) -> Path:
    """A published part, or the first lines of it."""
    path = data_folder("wikitext-2") / f"{name}.txt"
    if lines is None:
        return path
    with path.open(encoding="utf-8") as file:
        start = "".join(islice(file, lines))
    cut = place / f"{name}.txt"
    cut.write_text(start, encoding="utf-8")
    return cut


def test_corpus(trained: TrainedInfiller, path: Path) -> Corpus:
    """The texts of a file as ids."""
    texts = [text for chunk in open_documents(path).chunks() for text in chunk]
    found = trained.tokens.documents(texts)
    unknown = sum(int((ids == Tokenizer.unk_id).sum()) for ids in found)
    return Corpus(InMemory(found), sum(map(len, texts)), unknown, None)


def main() -> None:
    """Train both, score both on the test part, record."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--lines", type=int, help="lines of each part: a trial, which records nothing")
    chosen = arguments.parse_args()
    settings = FillSettings.from_dict({**RECIPE, "seed": chosen.seed})
    with tempfile.TemporaryDirectory() as folder, TerminalProgress("words") as progress:
        place = Path(folder)
        train, valid, test = (part(name, place, chosen.lines) for name in ("train", "valid", "test"))
        prepared = prepare_corpus(open_documents(train), open_documents(valid), settings, place)
        trained = train_infiller(prepared, settings, listener=progress, say=print)
        prepared.close()
        corpus, began = test_corpus(trained, test), time.monotonic()
        both = score(trained, trained.model, corpus)
        print(figures(both), flush=True)
        if trained.one_way is None:
            sys.exit(" ".join(trained.notes))
        left = score(trained, trained.one_way, corpus)
        scoring = time.monotonic() - began
        rows = [
            ["both sides", f"{trained.facts['parameters']:,}", *figures(both)],
            ["the left alone", f"{trained.facts['one_way_parameters']:,}", *figures(left)],
            ["ratio", "", f"{both.accuracy / left.accuracy:.3f}", f"{both.perplexity / left.perplexity:.3f}"],
            ["unigram", f"{prepared.tokens.size:,}", *figures(score_unigram(trained, corpus))],
        ]
    header = ["model", "weights", "test accuracy", "test pseudo-perplexity"]
    if chosen.lines is not None:
        print(*([header, *rows]), sep="\n")
        return
    record(
        "python -m benchmarks.fill",
        "Missing words of WikiText-2",
        header,
        rows,
        f"{both.words:,} test words, of which {both.unknown:,} are `<unk>` in the published text and count as misses. "
        f"Wanted: a ratio of accuracies of at least 1.3 and of perplexities of at most 0.6. Training of both "
        f"{trained.facts['training_seconds'] / 60:.1f} minutes, scoring {scoring:.0f} s, seed {chosen.seed}. "
        f"Epochs kept: {trained.best_epoch} and {trained.facts['one_way_best_epoch']}. Recipe: {json.dumps(RECIPE)}",
    )


def figures(found: FillScores) -> list[str]:
    """Accuracy and pseudo-perplexity, each with its interval."""
    (low, high), (least, most) = found.accuracy_interval, found.interval
    return [f"{found.accuracy:.4f} ({low:.4f} to {high:.4f})", f"{found.perplexity:.2f} ({least:.2f} to {most:.2f})"]


if __name__ == "__main__":
    main()
