"""Taggers on public data, from files to scores: python -m benchmarks.tagging ewt|wnut|snips|teddy|speed

    ewt     parts of speech of UD English EWT (gold tokens): hidden Markov model, and networks that have words, letters,
            pretrained vectors, one way or both
    wnut    emerging entities of WNUT-17, with and without pretrained vectors and a language model of the training text
    snips   intents and slots of SNIPS
    teddy   the generated sentences in which only a later word tells whether a word is a name; five seeds
    speed   what a CRF costs in training beside a softmax, decoding, prediction without torch

The recipe of the networks is a first guess, the same for all but teddy's; the published development parts choose the
epoch, and the test part is read once, by this command. Wall time is that of the commands a user would type, `train tag`
and `evaluate`.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import numpy as np

from benchmarks.classify import write
from benchmarks.record import bothways, data_folder, options, record
from bothways.data.tables import read_table
from bothways.data.tagged import read_tagged
from bothways.lab.entries import TEDDY

RECIPE: dict[str, Any] = {
    "cell_type": "lstm",
    "hidden_size": 200,
    "embedding_dim": 100,
    "spelling_size": 50,
    "dropout": 0.5,
    "embedding_dropout": 0.3,
    "word_dropout": 0.1,
    "lr": 0.003,
    "batch_size": 32,
    "epochs": 8,
    "patience": 8,
    "averaging": 0.99,
}
READER: dict[str, Any] = {
    "two_way": True,
    "unit": "word",
    "lowercase": True,
    "cell_type": "lstm",
    "num_layers": 1,
    "window": 128,
    "negatives": 1024,
    "dropout": 0.1,
    "embedding_dropout": 0,
    "lr": 0.003,
    "epochs": 1,
    "validation_size": 0.01,
    "initial_vectors": "random",  # as the recorded figures were measured
}
READER_ROWS = 10_000  # film reviews that the language model reads
# Of a few thousand sentences, cut as their words are.
SMALL_READER: dict[str, Any] = {**READER, "unit": "space", "dropout": 0.3, "epochs": 12, "validation_size": 0.1}
SEEDS = range(5)


def vectors() -> Path:
    """The pretrained vectors."""
    return data_folder("word2vec_googlenews_8k_300d") / "googlenews_8k_300d.vec.gz"


def measure(
    place: Path, name: str, files: tuple[Path, Path, Path], given: dict[str, Any], seed: int
) -> tuple[dict[str, Any], float]:
    """Train and evaluate by the command line; all that was measured, and minutes."""
    train, validation, test = files
    out = place / name.replace(" ", "-")
    _, training = bothways(
        "train", "tag", train, "--validation", validation, "--out", out, *options(given), "--seed", seed
    )
    said, evaluating = bothways("evaluate", out, test, "--json")
    return json.loads(said), (training + evaluating) / 60


def row(name: str, measured: dict[str, Any], minutes: float) -> list[str]:
    """A row of the table."""
    main = "accuracy" if measured["f1"] is None else "f1"
    low, high = measured[f"{main}_interval"]
    unknown = measured["unknown_accuracy"]
    return [name, f"{measured[main]:.4f} ({low:.4f} to {high:.4f})", f"{unknown:.4f}", f"{minutes:.1f}"]


def compare(
    command: str,
    title: str,
    files: tuple[Path, Path, Path],
    settings: dict[str, dict[str, Any]],
    seed: int,
    *,
    before: dict[str, float] | None = None,
    note: str = "",
) -> None:
    """Train each and record; `before` are minutes that one needs besides."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, given in settings.items():
            measured, minutes = measure(Path(folder), name, files, given, seed)
            rows.append(row(name, measured, minutes + (before or {}).get(name, 0.0)))
            print(rows[-1], flush=True)
    score = "accuracy" if measured["f1"] is None else "F1 of entities"
    record(
        f"python -m benchmarks.tagging {command}",
        title,
        ["model", f"test {score} (95% interval)", "accuracy on words not in training", "minutes in all"],
        rows,
        f"{measured['sentences']:,} test sentences, {measured['words']:,} words, seed {seed}. {note}"
        f"Recipe of the networks: {json.dumps(RECIPE)}",
    )


def ewt(seed: int) -> None:
    """Parts of speech."""
    folder = data_folder("ud_english_ewt")
    train, dev, test = (folder / f"en_ewt-ud-{part}.conllu" for part in ("train", "dev", "test"))
    full = {**RECIPE, "vectors": vectors()}
    with tempfile.TemporaryDirectory() as place:
        texts, reader = first_rows(data_folder("imdb") / "unlabelled.csv.gz", Path(place) / "texts.csv"), Path(place)
        _, reading = bothways("train", "language", texts, "--out", reader / "reader", *options(READER), "--seed", seed)
        read = "words, letters, vectors and a two-way language model"
        compare(
            "ewt",
            "UD English EWT, universal parts of speech",
            (train, dev, test),
            {
                "hidden Markov model": {"model": "hmm"},
                "words": {**RECIPE, "spelling_size": 0},
                "words and letters": RECIPE,
                "words, letters and vectors": full,
                read: {**full, "pretrained": reader / "reader"},
                "forward only": {**full, "bidirectional": False},
                "backward only": {**full, "bidirectional": False, "one_way": "backward"},
            },
            seed,
            before={read: reading / 60},
            note=f"Forward and backward only: words, letters and vectors. The language model read {READER_ROWS:,} film "
            f"reviews in {reading / 60:.1f} minutes: {json.dumps(READER)}. ",
        )


def first_rows(table: Path, out: Path) -> Path:
    """Write the first texts of a table."""
    rows = islice(read_table(table).rows(["review"]), READER_ROWS)
    return write(out, ["review"], rows)  # type: ignore[arg-type]


def wnut(seed: int) -> None:
    """Emerging entities."""
    folder = data_folder("wnut17")
    files = (folder / "wnut17train.conll", folder / "emerging.dev.conll", folder / "emerging.test.annotated")
    full = {**RECIPE, "vectors": vectors()}
    with tempfile.TemporaryDirectory() as place:
        reader = Path(place) / "reader"
        sentences = [[" ".join(words)] for words in read_tagged(files[0]).words]
        texts = write(Path(place) / "texts.csv", ["text"], sentences)
        _, reading = bothways("train", "language", texts, "--out", reader, *options(SMALL_READER), "--seed", seed)
        read, both = "words, letters and a two-way language model", "words, letters, vectors and the language model"
        compare(
            "wnut",
            "WNUT-17, entities",
            files,
            {
                "hidden Markov model": {"model": "hmm"},
                "words and letters": RECIPE,
                "words, letters and vectors": full,
                read: {**RECIPE, "pretrained": reader},
                both: {**full, "pretrained": reader},
            },
            seed,
            before={read: reading / 60, both: reading / 60},
            note=f"The language model read the training sentences alone, in {reading / 60:.1f} minutes: "
            f"{json.dumps(SMALL_READER)}. ",
        )


def snips(seed: int) -> None:
    """Intents and slots."""
    folder = data_folder("snips")
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "model"
        _, training = bothways("train", "intent", folder, "--out", out, *options(RECIPE), "--seed", seed)
        said, evaluating = bothways("evaluate", out, folder / "test", "--json")
        measured = json.loads(said)
        words, entities = calibration(out, folder / "test")
    intents, slots = measured["intent_interval"], measured["f1_interval"]
    linear, hmm = measured["intent_baselines"]["linear"]["accuracy"], measured["baselines"]["hmm"]["f1"]
    record(
        "python -m benchmarks.tagging snips",
        "SNIPS, intents and slots",
        ["model", "intent accuracy (95% interval)", "slot F1 (95% interval)", "all right", "minutes in all"],
        [
            [
                "network",
                f"{measured['intent_accuracy']:.4f} ({intents[0]:.4f} to {intents[1]:.4f})",
                f"{measured['f1']:.4f} ({slots[0]:.4f} to {slots[1]:.4f})",
                f"{measured['sentence_accuracy']:.4f}",
                f"{(training + evaluating) / 60:.1f}",
            ],
            ["linear baseline", f"{linear:.4f}", "", "", ""],
            ["hidden Markov model", "", f"{hmm:.4f}", "", ""],
        ],
        f"{measured['sentences']:,} test sentences, seed {seed}. Calibration error of the probability of a word's tag "
        f"{words:.4f}, of a slot {entities:.4f}. Recipe: {json.dumps(RECIPE)}",
    )


def calibration(model: Path, data: Path) -> tuple[float, float]:
    """How far probabilities are from how often they are right, on average: of words' tags, and of entities."""
    from bothways import load
    from bothways.decoding.entities import entities

    runner, gold = load(model), read_tagged(data)
    sure, right = [], []
    for chances, tags in zip(runner.predict_marginals(gold.words), gold.tags, strict=True):
        sure += chances.max(axis=1).tolist()
        right += [runner.labels[best] == tag for best, tag in zip(chances.argmax(axis=1), tags, strict=True)]
    found, there = [], []
    for some, tags in zip(runner.entities(gold.words), gold.tags, strict=True):
        true = set(entities(tags, runner.scheme))
        found += [one.score for one in some]
        there += [one.entity in true for one in some]
    return expected_error(sure, right), expected_error(found, there)


def expected_error(sure: list[float], right: list[bool]) -> float:
    """The mean distance of probability and share of right answers over 15 bins of probability."""
    place = np.minimum((np.array(sure) * 15).astype(int), 14)
    sums = [np.bincount(place, values, minlength=15) for values in (sure, np.array(right, dtype=float))]
    return float(np.abs(sums[0] - sums[1]).sum() / len(sure))


def teddy(_: int) -> None:
    """Names that only a later word tells."""
    from bothways import HiddenMarkovTagger, SequenceTagger
    from bothways.data.teddy import place_of_name, teddy_sentences

    train, (words, tags) = teddy_sentences("train"), teddy_sentences("test")

    def right(predicted: list[list[str]]) -> float:
        """Accuracy on the words that may be names, half of which are."""
        places = [place_of_name(some) for some in words]
        return mean(one[at] == other[at] for one, other, at in zip(predicted, tags, places, strict=True))

    rows = []
    for name, given in {
        "both ways": {},
        "forward only": {"bidirectional": False},
        "backward only": {"bidirectional": False, "one_way": "backward"},
    }.items():
        scores = [right(SequenceTagger(**TEDDY, seed=seed, **given).fit(*train).predict(words)) for seed in SEEDS]
        rows.append([f"LSTM 64, {name}", f"{mean(scores):.4f} ± {stdev(scores):.4f}"])
    rows.append(["hidden Markov model", f"{right(HiddenMarkovTagger().fit(*train).predict(words)):.4f}"])
    record(
        "python -m benchmarks.tagging teddy",
        "Names that only a later word tells: accuracy on the words in question, half of which are names",
        ["model", "mean ± deviation"],
        rows,
        f"Seeds {SEEDS[0]} to {SEEDS[-1]}; {json.dumps(TEDDY)}, other settings by default. Generated sentences.",
    )


def speed(_: int) -> None:
    """What decoding costs."""
    import torch

    from bothways.data.lexicon import Lexicon
    from bothways.decoding.chain import LinearChain
    from bothways.models.tagger import Tagger
    from bothways.runtime import load
    from bothways.settings import TaggerSettings
    from bothways.training.saving_tagger import save_tagger
    from bothways.training.tagging import TrainedTagger

    random = np.random.default_rng(0)
    labels = [f"T{number:02}" for number in range(20)]
    vocabulary = [f"w{number}" for number in range(5_000)]
    sentences = [[vocabulary[place] for place in random.zipf(1.3, size=20) % 5_000] for _ in range(640)]
    lexicon = Lexicon.learn(sentences, lowercase=True, min_count=1)
    batch = lexicon.batch(sentences[:32])
    tensors = [torch.from_numpy(part) for part in batch]
    tags = torch.from_numpy(random.integers(0, 20, size=batch.which.shape))
    sizes = {"vocabulary": len(lexicon.words), "letters": len(lexicon.letters)}
    models = {
        decoder: Tagger(TaggerSettings(decoder=decoder), labels=20, **sizes)  # type: ignore[arg-type]
        for decoder in ("crf", "softmax")
    }

    def step(model: Tagger) -> None:
        model.loss(model(*tensors), tags, tensors[1]).backward()
        model.zero_grad()

    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(3 + 20):
        for name, model in models.items():
            times[name].append(timed(lambda model=model: step(model)))  # type: ignore[misc]
    crf, softmax = (median(times[name][3:]) for name in ("crf", "softmax"))
    emissions = random.normal(size=(10_000, 25, 20))  # float64, as taggers have them when they look for the best path
    lengths = random.integers(10, 26, size=10_000)
    chain = LinearChain(*(random.normal(size=size).astype(np.float32) for size in ((20, 20), 20, 20)))
    viterbi = median(timed(lambda: chain.best(emissions, lengths)) for _ in range(5))
    with tempfile.TemporaryDirectory() as folder:
        trained = TrainedTagger(models["crf"].eval(), TaggerSettings(), labels, "none", lexicon)
        save_tagger(trained, Path(folder) / "model")
        runner = load(Path(folder) / "model")
        many = sentences * 8
        predicting = median(timed(lambda: runner.predict(many)) for _ in range(3))
    record(
        "python -m benchmarks.tagging speed",
        "A tagger of 20 tags: what decoding costs",
        ["what", "figure"],
        [
            ["a training step with a CRF, softmax = 1", f"{crf / softmax:.2f}"],
            ["best paths of 10,000 sentences of 10 to 25 words", f"{viterbi:.2f} s"],
            ["sentences of 20 words a second, LSTM 128 both ways with letters and CRF, without torch",
             f"{len(many) / predicting:,.0f}"],
        ],
        "Medians; 32 sentences of 20 words a step.",
    )  # fmt: skip


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Measure and record."""
    arguments = argparse.ArgumentParser()
    tasks = {"ewt": ewt, "wnut": wnut, "snips": snips, "teddy": teddy, "speed": speed}
    arguments.add_argument("task", choices=[*tasks])
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    tasks[chosen.task](chosen.seed)


if __name__ == "__main__":
    main()
