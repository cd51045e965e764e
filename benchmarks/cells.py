"""What the cells reach beside the LSTM of the same width and epochs: python -m benchmarks.cells ewt|precision|imdb

    ewt         parts of speech of UD English EWT, five seeds; words and their last three letters, two layers both ways
    precision   the same task: exact cells and a parallel one, trained in float32 and in bfloat16
    imdb        film reviews, one seed; the recipe of `benchmarks.classify imdb-fast`, another cell, width 128, 3 epochs

Nothing was tuned for one of the cells: all have the settings below. The test part is read once, after the last epoch.
How fast the cells are is measured by `benchmarks.speed`.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.classify import IMDB
from benchmarks.record import bothways, data_folder, options, record
from bothways.data.batches import InMemory, collate, plan_epoch, plan_in_order_of_length
from bothways.nn import GRU, LSTM, SRU, MinGRU, MinLSTM
from bothways.training.device import computes_bfloat16

CELLS = {"lstm": LSTM, "gru": GRU, "mingru": MinGRU, "minlstm": MinLSTM, "sru": SRU}
PARALLEL = ("mingru", "minlstm", "sru")
SEEDS, EPOCHS, WIDTH, LAYERS, BUDGET, RATE = range(5), 6, 128, 2, 1500, 2e-3
UNKNOWN = 1  # 0 is padding
Sentence = list[tuple[str, str]]


def sentences(part: str) -> list[Sentence]:
    """Words and their universal tags; multiword and empty lines are left out."""
    text = (data_folder("ud_english_ewt") / f"en_ewt-ud-{part}.conllu").read_text(encoding="utf-8")
    found = []
    for block in text.strip().split("\n\n"):
        rows = [line.split("\t") for line in block.splitlines() if not line.startswith("#")]
        found.append([(row[1], row[3]) for row in rows if row[0].isdigit()])
    return found


class Tagger(nn.Module):
    """Two embeddings, a reader, a linear map."""

    def __init__(self, cell: str, words: int, endings: int, tags: int, convolution: int) -> None:
        super().__init__()
        self.words, self.endings = nn.Embedding(words, 100), nn.Embedding(endings, 50)
        looking_back = {"convolution": convolution} if cell in PARALLEL else {}
        self.reader = CELLS[cell](150, WIDTH, LAYERS, direction="both", dropout=0.3, **looking_back)
        self.output = nn.Linear(2 * WIDTH, tags)

    def forward(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """Score the tags of every step, (B, T, 2) -> (B, T, K)."""
        hidden = torch.rand(steps.shape[:2]) < (0.1 if self.training else 0.0)
        words = self.words(steps[..., 0].masked_fill(hidden, UNKNOWN))
        read = torch.cat([words, self.endings(steps[..., 1])], dim=2)
        states = self.reader(functional.dropout(read, 0.3, self.training), lengths).outputs
        return self.output(functional.dropout(states, 0.3, self.training))


class Ewt:
    """The corpus as numbers."""

    def __init__(self) -> None:
        train, test = sentences("train"), sentences("test")
        counts = Counter(word.lower() for sentence in train for word, _ in sentence)
        self.words = {word: number + 2 for number, word in enumerate(word for word in counts if counts[word] > 1)}
        self.endings = {end: number + 2 for number, end in enumerate(dict.fromkeys(word[-3:] for word in counts))}
        self.tags = {tag: number for number, tag in enumerate(sorted({tag for one in train for _, tag in one}))}
        (self.inputs, self.targets), (self.test, self.test_targets) = self.numbers(train), self.numbers(test)

    def numbers(self, part: list[Sentence]) -> tuple[InMemory, list[np.ndarray]]:
        """Ids of words and endings, (T, 2), and of tags, (T,), of every sentence."""
        inputs = [
            np.array(
                [
                    (self.words.get(word.lower(), UNKNOWN), self.endings.get(word.lower()[-3:], UNKNOWN))
                    for word, _ in sentence
                ],
                dtype=np.float32,
            )
            for sentence in part
        ]
        return InMemory(inputs), [np.array([self.tags[tag] for _, tag in sentence]) for sentence in part]


def run(cell: str, seed: int, corpus: Ewt, convolution: int = 1, *, narrow: bool = False) -> float:
    """Train, in bfloat16 if it is to be `narrow`, and give the accuracy on the test part, which is read in float32."""
    torch.manual_seed(seed)
    model = Tagger(cell, len(corpus.words) + 2, len(corpus.endings) + 2, len(corpus.tags), convolution)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    plans = [plan_epoch(corpus.inputs.lengths, budget=BUDGET, seed=seed, epoch=1 + one) for one in range(EPOCHS)]
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, sum(map(len, plans)))
    for rows in (batch for plan in plans for batch in plan):
        batch = collate(corpus.inputs, rows)
        lengths = torch.from_numpy(batch.lengths)
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            scores = model(torch.from_numpy(batch.inputs).long(), lengths)
        real = torch.arange(scores.shape[1]) < lengths[:, None]
        wanted = torch.from_numpy(np.concatenate([corpus.targets[row] for row in rows]))
        functional.cross_entropy(scores[real].float(), wanted).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
    model.eval()
    right = 0
    for rows in plan_in_order_of_length(corpus.test.lengths, budget=4 * BUDGET):
        batch = collate(corpus.test, rows)
        with torch.no_grad():
            best = model(torch.from_numpy(batch.inputs).long(), torch.from_numpy(batch.lengths)).argmax(dim=2).numpy()
        right += sum(int((best[place][: len(corpus.test_targets[row])] == corpus.test_targets[row]).sum())
                     for place, row in enumerate(rows))  # fmt: skip
    return right / int(corpus.test.lengths.sum())


def ewt(convolution: int) -> None:
    """Five seeds of every cell; with a convolution, of every parallel cell."""
    corpus, rows, base = Ewt(), [], 0.0
    cells = [*CELLS] if convolution == 1 else [*PARALLEL]
    for cell in cells:
        scores = [run(cell, seed, corpus, convolution) for seed in SEEDS]
        base = base or mean(scores)
        rows.append([cell, f"{mean(scores):.4f} ± {stdev(scores):.4f}", f"{100 * (mean(scores) - base):+.2f}"])
        print(*rows[-1], flush=True)
    passed = "" if convolution == 1 else f"A layer's inputs pass a convolution over {convolution} steps. "
    part = "ewt" if convolution == 1 else f"ewt --convolution {convolution}"
    record(
        f"python -m benchmarks.cells {part}",
        f"Parts of speech (UD English EWT): test accuracy, {LAYERS} layers both ways, H={WIDTH}, {EPOCHS} epochs",
        ["cell", f"mean ± deviation of {len(SEEDS)} seeds", f"points to {cells[0]}"],
        rows,
        f"{passed}AdamW, rate {RATE}, cosine; batches of at most {BUDGET} padded words.",
    )


def precision() -> None:
    """Five seeds in either precision."""
    if not computes_bfloat16("cpu"):
        sys.exit("This processor does not compute in bfloat16.")
    corpus, rows = Ewt(), []
    for cell in ("lstm", "gru", "mingru"):
        found = {
            name: [run(cell, seed, corpus, narrow=name == "bfloat16") for seed in SEEDS]
            for name in ("float32", "bfloat16")
        }
        base = mean(found["float32"])
        for name, scores in found.items():
            points = f"{100 * (mean(scores) - base):+.2f}"
            rows.append([cell, name, f"{mean(scores):.4f} ± {stdev(scores):.4f}", points])
            print(*rows[-1], flush=True)
    record(
        "python -m benchmarks.cells precision",
        f"Parts of speech (UD English EWT), trained in float32 and in bfloat16: test accuracy, H={WIDTH}",
        ["cell", "training", f"mean ± deviation of {len(SEEDS)} seeds", "points to float32"],
        rows,
        f"As `python -m benchmarks.cells ewt`; {EPOCHS} epochs. Both read the test part in float32.",
    )


def imdb() -> None:
    """One training of every cell from the command line."""
    train, test = (data_folder("imdb") / f"{part}.csv.gz" for part in ("train", "test"))
    rows, base = [], 0.0
    for cell in CELLS:
        recipe = {**IMDB, "cell_type": cell, "hidden_size": 128, "epochs": 3}
        with tempfile.TemporaryDirectory() as folder:
            bothways("train", "classify", train, "--out", Path(folder) / "model", *options(recipe))
            measured = json.loads(bothways("evaluate", Path(folder) / "model", test, "--json")[0])
        base = base or measured["accuracy"]
        low, high = measured["accuracy_interval"]
        shown = f"{measured['accuracy']:.4f} ({low:.4f} to {high:.4f})"
        rows.append([cell, shown, f"{100 * (measured['accuracy'] - base):+.2f}"])
        print(*rows[-1], flush=True)
    record(
        "python -m benchmarks.cells imdb",
        "Film reviews (IMDB): test accuracy, one layer both ways, H=128, 3 epochs",
        ["cell", "accuracy (95% interval)", "points to the LSTM"],
        rows,
        "The recipe of `benchmarks.classify imdb-fast`, which was chosen for a GRU, with another cell; seed 0.",
    )


def main() -> None:
    """Measure and record."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("part", choices=["ewt", "precision", "imdb"])
    arguments.add_argument(
        "--convolution", type=int, default=1, help="of ewt: steps of the parallel cells' convolution"
    )
    chosen = arguments.parse_args()
    if chosen.part == "ewt":
        ewt(chosen.convolution)
    elif chosen.part == "precision":
        precision()
    else:
        imdb()


if __name__ == "__main__":
    main()
