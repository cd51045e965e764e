"""Translators on generated and public data: python -m benchmarks.translation dates|de-en|en-de|no-attention|speed

    dates         generated dates in many spellings -> ISO 8601, exact on days that training never had
    de-en         Multi30k, German to English: BLEU and chrF of test 2016, by beam search and greedy
    en-de         the same recipe the other way
    no-attention  German to English with the same recipe and no attention: what attention is worth
    speed         sources a second, greedy and with a beam of 5, of a model that was trained for two epochs

The published validation part chooses the epoch, and the test part is read once, by this command. Minutes are those of
`bothways train`, scores and sources a second those of `bothways evaluate`. BLEU is sacreBLEU's, of detokenised text,
with its signature; beside it stands the count of the tutorials, of small letters cut into words and marks before
counting, which is a few points higher and compares with nothing but itself.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from sacrebleu.metrics.bleu import BLEU

from benchmarks.record import bothways, data_folder, options, record
from bothways.data.dates import write_dates
from bothways.data.words import word_spans

DATES: dict[str, Any] = {
    "unit": "character",
    "embedding_dim": 32,
    "hidden_size": 64,
    "dropout": 0,
    "embedding_dropout": 0,
    "label_smoothing": 0,
    "averaging": 0.99,
    "lr": 0.005,
    "batch_size": 32,
    "epochs": 2,
    "monitor": "exact",
}
RECIPE: dict[str, Any] = {
    "vocabulary_size": 6000,
    "cell_type": "gru",
    "attention": "additive",
    "embedding_dim": 256,
    "hidden_size": 256,
    "dropout": 0.3,
    "embedding_dropout": 0.2,
    "label_smoothing": 0.1,
    "averaging": 0.999,
    "lr": 0.002,
    "batch_size": 64,
    "epochs": 10,
    "patience": 10,
}
HEADER = ["model", "search", "BLEU (95% interval)", "chrF", "BLEU as tutorials count", "exact", "sources/s", "minutes"]


def train(out: Path, files: list[Path], given: dict[str, Any], seed: int) -> float:
    """Train by the command line; minutes."""
    _, seconds = bothways(
        "train", "translate", *files[:2], "--validation", *files[2:], "--out", out, *options(given), "--seed", seed
    )
    return seconds / 60


def row(name: str, model: Path, files: list[Path], beam: int, minutes: float) -> tuple[list[str], dict[str, Any]]:
    """A row of the table, and all that was measured."""
    said, _ = bothways("evaluate", model, *files, "--beam", beam, "--json")
    measured = json.loads(said)
    low, high = measured["bleu_interval"]
    with tempfile.TemporaryDirectory() as folder:
        bothways("predict", model, "--file", files[0], "--out", Path(folder) / "out", "--beam", beam)
        translated = (Path(folder) / "out").read_text(encoding="utf-8").splitlines()
    tokenised = as_tutorials_count(translated, files[1].read_text(encoding="utf-8").splitlines())
    shown = [
        name,
        "greedy" if beam == 1 else f"beam {beam}",
        f"{measured['bleu']:.2f} ({low:.2f} to {high:.2f})",
        f"{measured['chrf']:.2f}",
        f"{tokenised:.2f}",
        f"{measured['exact']:.4f}",
        f"{measured['sentences'] / measured['seconds']:,.0f}",
        f"{minutes:.1f}",
    ]
    print(shown, flush=True)
    return shown, measured


def as_tutorials_count(translations: list[str], references: list[str]) -> float:
    """BLEU of small letters, cut into words and marks of punctuation first."""

    def cut(text: str) -> str:
        return " ".join(text[start:end] for start, end in word_spans(text)).lower()

    # `force` keeps sacreBLEU from saying that the text looks tokenised, which it is.
    metric = BLEU(tokenize="none", force=True)
    return float(metric.corpus_score([cut(one) for one in translations], [[cut(one) for one in references]]).score)


def multi30k(source: str, target: str) -> tuple[list[Path], list[Path]]:
    """The files to train and validate on, and those to test on."""
    folder = data_folder("multi30k")
    parts = [[folder / f"{part}.{side}" for side in (source, target)] for part in ("train", "val", "test_2016_flickr")]
    return [*parts[0], *parts[1]], parts[2]


def measure(command: str, title: str, source: str, target: str, given: dict[str, dict[str, Any]], seed: int) -> None:
    """Train each, evaluate greedily and with a beam of 5, and record."""
    files, test = multi30k(source, target)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, changed) in enumerate(given.items()):
            model = Path(folder) / str(number)
            minutes = train(model, files, {**RECIPE, **changed}, seed)
            for beam in (5, 1):
                shown, measured = row(name, model, test, beam, minutes)
                rows.append(shown)
    copied = measured["baselines"]["copy"]
    rows.append(["copying the source", "", f"{copied['bleu']:.2f}", f"{copied['chrf']:.2f}", "", "", "", ""])
    record(
        f"python -m benchmarks.translation {command}",
        title,
        HEADER,
        rows,
        f"{measured['sentences']:,} test sentences, seed {seed}. {measured['bleu_signature']}; "
        f"{measured['chrf_signature']}. Recipe: "
        + "; ".join(f"{name}: {json.dumps({**RECIPE, **changed})}" for name, changed in given.items()),
    )


def dates(seed: int) -> None:
    """Generated dates."""
    with tempfile.TemporaryDirectory() as folder:
        place = write_dates(Path(folder) / "dates")
        files = [place / f"{part}.{side}" for part in ("train", "validation") for side in ("source", "target")]
        minutes = train(Path(folder) / "model", files, DATES, seed)
        test = [place / f"test.{side}" for side in ("source", "target")]
        rows = [row("characters, GRU 64", Path(folder) / "model", test, beam, minutes) for beam in (5, 1)]
    record(
        "python -m benchmarks.translation dates",
        "Dates in many spellings to ISO 8601",
        ["search", "exact on unseen days", "sources/s", "minutes of training"],
        [[shown[1], shown[5], shown[6], shown[7]] for shown, _ in rows],
        f"{rows[0][1]['sentences']:,} test dates, seed {seed}. Recipe: {json.dumps(DATES)}",
    )


def de_en(seed: int) -> None:
    """German to English."""
    measure("de-en", "Multi30k, German to English, test 2016", "de", "en", {"GRU 256, additive attention": {}}, seed)


def en_de(seed: int) -> None:
    """English to German."""
    measure("en-de", "Multi30k, English to German, test 2016", "en", "de", {"GRU 256, additive attention": {}}, seed)


def no_attention(seed: int) -> None:
    """What attention is worth."""
    measure(
        "no-attention",
        "Multi30k, German to English without attention",
        "de",
        "en",
        {"GRU 256, no attention": {"attention": "none"}},
        seed,
    )


def speed(seed: int) -> None:
    """Decoding."""
    files, test = multi30k("de", "en")
    with tempfile.TemporaryDirectory() as folder:
        minutes = train(Path(folder) / "model", files, {**RECIPE, "epochs": 2}, seed)
        rows = [row("GRU 256", Path(folder) / "model", test, beam, minutes)[0] for beam in (1, 5)]
    record(
        "python -m benchmarks.translation speed",
        "Translating Multi30k's test 2016 without torch",
        ["search", "sources a second"],
        [[shown[1], shown[6]] for shown in rows],
        "1,000 sentences, loading not counted, after two epochs of training.",
    )


def main() -> None:
    """Measure and record."""
    arguments = argparse.ArgumentParser()
    tasks = {"dates": dates, "de-en": de_en, "en-de": en_de, "no-attention": no_attention, "speed": speed}
    arguments.add_argument("task", choices=[*tasks])
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    tasks[chosen.task](chosen.seed)


if __name__ == "__main__":
    main()
