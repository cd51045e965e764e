"""Peak memory of training by rows and by steps, and of long sequences: python -m benchmarks.memory

Training reads token ids from a memory-mapped file; what is held for each row is its label and its place. The peak is
the process's anonymous memory (RssAnon of /proc), since pages of the mapped file are the system's to drop.
"""

import csv
import random
import subprocess
import sys
import tempfile
from itertools import accumulate
from pathlib import Path

from benchmarks.record import record

ROWS = 60_000
WATCH = """
import sys, threading, time
from pathlib import Path

peak = 0
def watch():
    global peak
    while True:
        lines = Path("/proc/self/status").read_text().splitlines()
        peak = max(peak, next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")))
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
reader(torch.randn(2, 300, 100), torch.tensor([300, 200])).outputs.sum().backward()
inputs, before = torch.randn(4, steps, 100), peak
peak, began = 0, time.perf_counter()
reader(inputs).outputs.sum().backward()
print(peak / 1024 - before / 1024, time.perf_counter() - began)
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


def long_sequences() -> None:
    """Measure one training step on four sequences, and record."""
    rows = []
    for steps in (2_000, 20_000):
        for recompute in (0, 256):
            mebibytes, seconds = run(LONG, steps, recompute)
            tokens = 4 * steps
            rows.append(
                [
                    f"{steps:,}",
                    f"every {recompute} steps" if recompute else "all",
                    f"{mebibytes:,.0f} MiB",
                    f"{mebibytes * 1024 / tokens:.1f}",
                    f"{tokens / seconds:,.0f}",
                ]
            )
    record(
        "python -m benchmarks.memory (long)",
        "One training step on four long sequences: LSTM, one layer, both ways, E=100, H=128, float32",
        ["steps", "states kept", "memory above the start", "KiB a token", "tokens/s"],
        rows,
        "Inputs and outputs are part of it. The gradients are the same.",
    )


def main() -> None:
    """Measure and record."""
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
    long_sequences()


if __name__ == "__main__":
    main()
