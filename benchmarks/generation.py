"""Speed of writing without torch: python -m benchmarks.generation

A word model of 2 layers, H=256, with 10,000 words; its weights are random, for what they are does not change the time.
"""

import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from benchmarks.record import record
from bothways import load
from bothways.data.language_tokens import LanguageTokens
from bothways.data.tokenizer import Tokenizer
from bothways.decoding.language import LanguageModelRunner
from bothways.models.language_model import LanguageNetwork
from bothways.settings import GenerationSettings, LanguageSettings
from bothways.training.language import TrainedLanguageModel
from bothways.training.saving_language import save_language_model

WORDS = 10_000


def untrained(folder: Path) -> LanguageModelRunner:
    """A model folder with random weights, loaded without torch."""
    settings = LanguageSettings(cell_type="lstm", embedding_dim=256, hidden_size=256, num_layers=2, unit="space")
    words = [f"w{number}" for number in range(WORDS)]
    tokenizer = Tokenizer.train([" ".join(words)], unit="space", min_count=1, vocabulary_size=WORDS)
    torch.manual_seed(0)
    # A stream of lines: its <eos> is a line's end, so that nothing ends a text early.
    tokens = LanguageTokens(tokenizer, whole=True)
    model = LanguageNetwork(settings, vocabulary=tokens.size).eval()
    save_language_model(TrainedLanguageModel(model, settings, tokens), folder)
    return load(folder)  # type: ignore[no-any-return]


def seconds(runner: LanguageModelRunner, length: int, samples: int, **options: object) -> list[float]:
    """The time at which each word of all texts was there."""
    settings = GenerationSettings.from_dict({"max_length": length, "samples": samples, **options})
    began = time.perf_counter()
    return [time.perf_counter() - began for _ in runner.pieces("w1 w2", settings)]


def main() -> None:
    """Measure and record."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        runner = untrained(Path(folder) / "model")
        seconds(runner, 50, 1)
        for title, samples, options in (
            ("one text", 1, {}),
            ("one text, top_k 40", 1, {"top_k": 40}),
            ("one text, top_p 0.9", 1, {"top_p": 0.9}),
            ("16 texts at once", 16, {}),
        ):
            speeds = [samples * 400 / seconds(runner, 400, samples, **options)[-1] for _ in range(3)]
            rows.append([title, f"{median(speeds):,.0f}"])
        times = seconds(runner, 100_001, 1)
        early, late = times[1000] - times[0], times[100_000] - times[99_000]
    record(
        "python -m benchmarks.generation",
        "Writing without torch: LSTM, 2 layers, H=256, 10,000 words",
        ["what", "words/s"],
        rows,
        f"The first 1,000 words of a text of 100,000 take {early:.2f} s, the last 1,000 {late:.2f} s "
        f"({late / early:.2f}).",
    )


if __name__ == "__main__":
    main()
