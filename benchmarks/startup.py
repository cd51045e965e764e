"""How long a user waits, and how fast a file is predicted: python -m benchmarks.startup

Each command is a whole process; the median of several runs is given.
"""

import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.record import bothways, record
from bothways.data.samples import film_reviews, write_film_reviews

RUNS = 7
TORCH = """
import csv, sys, time, torch
from bothways import TextClassifier
model = TextClassifier.load(sys.argv[1])
texts = [row["review"] for row in csv.DictReader(open(sys.argv[2], encoding="utf-8"))]
model.predict_proba(texts[:64])
began = time.perf_counter()
model.predict_proba(texts)
print(time.perf_counter() - began)
"""
RUNTIME = (
    TORCH.replace("import TextClassifier", "import load").replace("TextClassifier.load", "load").replace(", torch", "")
)


def seconds(*arguments: object) -> float:
    """Median wall time of a command."""
    script = Path(sys.executable).with_name("bothways")
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run([script, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return median(times)


def throughput(code: str, model: Path, table: Path) -> float:
    """Seconds for all texts of a table, in a process of its own, loading not counted; median of three."""
    command = [sys.executable, "-c", code, str(model), str(table)]
    return median(
        float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout) for _ in range(3)
    )


def main() -> None:
    """Measure and record."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        train, _ = write_film_reviews(place)
        bothways("train", "classify", train, "--out", place / "model", "--epochs", 1)
        texts = film_reviews("test")[0] * 20
        table = place / "many.csv"
        with table.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["review"], *([text] for text in texts)])
        fast, slow = throughput(RUNTIME, place / "model", table), throughput(TORCH, place / "model", table)
        file_seconds = bothways("predict", place / "model", "--file", table, "--out", place / "out.csv")[1]
        rows = [
            ["`bothways --help`", f"{seconds('--help'):.2f} s"],
            ["`bothways predict MODEL TEXT`", f"{seconds('predict', place / 'model', 'A fine film.'):.2f} s"],
            [f"predict {len(texts):,} texts, runtime (no torch)", f"{len(texts) / fast:,.0f} texts/s"],
            [f"predict {len(texts):,} texts, torch", f"{len(texts) / slow:,.0f} texts/s"],
            [
                f"`bothways predict --file` of {len(texts):,} rows, whole process",
                f"{len(texts) / file_seconds:,.0f} rows/s",
            ],
        ]
    record(
        "python -m benchmarks.startup",
        "Waiting times and prediction throughput (sample corpus, BiLSTM 128)",
        ["what", "median"],
        rows,
        f"Processes: median of {RUNS} runs. Throughput: tokenizing included, loading not, median of 3.",
    )


if __name__ == "__main__":
    main()
