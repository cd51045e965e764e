"""Peak memory of training by rows, steps and lengths, and of long sequences: python -m benchmarks.memory [--layers]

With --layers the layers alone are measured: long sequences, and many batches of which no two have the same lengths.
Training reads token ids from a memory-mapped file; what is held for each row is its label and its place. The peak is
the process's anonymous memory (RssAnon of /proc), since pages of the mapped file are the system's to drop.
"""

import argparse
import csv
import random
import subprocess
import sys
import tempfile
from itertools import accumulate, product
from pathlib import Path

from benchmarks.record import record
from bothways.training.device import computes_bfloat16

ROWS = 60_000
WATCH = """
import sys, threading, time
from pathlib import Path

def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

peak = 0
def watch():
    global peak
    while True:
        peak = max(peak, held())
        time.sleep(0.02)

threading.Thread(target=watch, daemon=True).start()
"""
TRAINING = """
from bothways.settings import ClassifierSettings
from bothways.training.from_files import train_classifier_from_file
settings = ClassifierSettings(epochs=int(sys.argv[3]), patience=99, hidden_size=16, embedding_dim=16, batch_size=256,
                              validation_size=0.0)
train_classifier_from_file(Path(sys.argv[1]), Path(sys.argv[2]), settings)
print(peak / 1024)
"""
# One step on sequences of T steps, after a small one that loads and compiles; memory above what that took.
LONG = """
import torch
from bothways.nn import LSTM
steps, recompute = int(sys.argv[1]), int(sys.argv[2]) or None
reader = LSTM(100, 128, direction="both", recompute=recompute)
with torch.autocast("cpu", torch.bfloat16, enabled=sys.argv[3] == "bfloat16"):
    reader(torch.randn(2, 300, 100), torch.tensor([300, 200])).outputs.sum().backward()
    inputs, before = torch.randn(4, steps, 100), held()
    peak, began = 0, time.perf_counter()
    reader(inputs).outputs.sum().backward()
print(peak / 1024 - before / 1024, time.perf_counter() - began)
"""
# The same reader over batches of all lengths; memory after some of them, and after many more.
LENGTHS = """
import torch
from bothways.nn import LSTM
torch.manual_seed(0)
reader = LSTM(100, 128, direction="both")
for step in range(1, 501):
    lengths = torch.randint(64, 129, (32,))
    with torch.autocast("cpu", torch.bfloat16, enabled=sys.argv[1] == "bfloat16"):
        reader(torch.randn(32, int(lengths.max()), 100), lengths).outputs.sum().backward()
    if step in (50, 500):
        print(peak / 1024)
"""


def write(path: Path, rows: int) -> None:
    """A table of random texts over a fixed vocabulary whose k-th word is drawn with a chance of 1/k (Zipf's law)."""
    chance = random.Random(0)
    words = [f"word{number}" for number in range(5_000)]
    chances = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for row in range(rows):
            writer.writerow(
                [" ".join(chance.choices(words, cum_weights=chances, k=chance.randint(5, 60))), "ab"[row % 2]]
            )


def peak(folder: Path, rows: int, epochs: int) -> float:
    """Peak memory of one training in its own process, MiB."""
    table, out = folder / f"{rows}.csv", folder / f"model-{rows}-{epochs}"
    write(table, rows)
    return run(TRAINING, table, out, epochs)[0]


def run(program: str, *arguments: object) -> list[float]:
    """Run a program that watches its memory, and return the numbers it prints."""
    command = [sys.executable, "-c", WATCH + program, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def precisions() -> list[str]:
    """What is measured here."""
    return ["float32", "bfloat16"] if computes_bfloat16("cpu") else ["float32"]


def long_sequences() -> None:
    """Measure one training step on four sequences, and record."""
    rows = []
    for precision, steps, recompute in product(precisions(), (2_000, 20_000), (0, 256)):
        mebibytes, seconds = run(LONG, steps, recompute, precision)
        tokens = 4 * steps
        rows.append(
            [
                precision,
                f"{steps:,}",
                f"every {recompute} steps" if recompute else "all",
                f"{mebibytes:,.0f} MiB",
                f"{mebibytes * 1024 / tokens:.1f}",
                f"{tokens / seconds:,.0f}",
            ]
        )
    record(
        "python -m benchmarks.memory (long)",
        "One training step on four long sequences: LSTM, one layer, both ways, E=100, H=128",
        ["precision", "steps", "states kept", "memory above the start", "KiB a token", "tokens/s"],
        rows,
        "Inputs and outputs are part of it. With states kept or not the gradients are the same, to rounding.",
    )


def many_lengths() -> None:
    """Measure batches of which no two have the same lengths, and record."""
    rows = []
    for precision in precisions():
        some, many = run(LENGTHS, precision)
        rows.append([precision, f"{some:,.0f} MiB", f"{many:,.0f} MiB", f"{many / some:.2f}"])
    record(
        "python -m benchmarks.memory (lengths)",
        "Peak memory of training on batches of all lengths: LSTM, one layer, both ways, E=100, H=128, B=32",
        ["precision", "after 50 batches", "after 500", "ratio"],
        rows,
    )


def main() -> None:
    """Measure and record."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--layers", action="store_true", help="the layers alone, in a minute")
    if not arguments.parse_args().layers:
        training()
    long_sequences()
    many_lengths()


def training() -> None:
    """Measure whole trainings, and record."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        once, ten_epochs = peak(place, ROWS, 1), peak(place, ROWS, 6)
        ten_times = peak(place, 10 * ROWS, 1)
    rows = [
        [f"{ROWS:,} rows, 1 epoch", f"{once:,.0f} MiB", "1"],
        [f"{ROWS:,} rows, 6 epochs", f"{ten_epochs:,.0f} MiB", f"{ten_epochs / once:.2f}"],
        [f"{10 * ROWS:,} rows, 1 epoch", f"{ten_times:,.0f} MiB", f"{ten_times / once:.2f}"],
    ]
    record(
        "python -m benchmarks.memory",
        "Peak memory of a training, the linear baseline included",
        ["training", "peak", "ratio"],
        rows,
        "The baseline is fitted on at most 50,000 rows, and both sizes reach that.",
    )


if __name__ == "__main__":
    main()
