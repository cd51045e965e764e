"""What predicting a word costs in training, by the size of the vocabulary: python -m benchmarks.softmax [--rounds N]

One window of a language model: 4,096 states of width 256, words drawn by Zipf's law, the loss, the way back and the
optimizer's step. The full softmax compares with all words, ours with a sample, torch's adaptive softmax (Grave et
al., 2017) with the frequent words and clusters of the others. Variants take turns; medians of the rounds are given.
"""

import argparse
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.layers import seconds
from benchmarks.record import record
from bothways.nn.softmax import VocabularySoftmax, take_rows
from bothways.training.device import computes_bfloat16
from bothways.training.optimizer import AdamW

STATES, WIDTH = 4_096, 256
VOCABULARIES = (10_000, 33_278, 100_000)


def zipf(vocabulary: int) -> Tensor:
    """How often each word occurs."""
    return 1e6 / torch.arange(1.0, vocabulary + 1)


def full(vocabulary: int) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """Compare with all words."""
    softmax = VocabularySoftmax(WIDTH, vocabulary)
    return softmax, softmax.loss


def sampled(vocabulary: int, negatives: int) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """Compare with a sample."""
    softmax = VocabularySoftmax(WIDTH, vocabulary, negatives=negatives)
    softmax.use_counts(zipf(vocabulary))

    def loss(states: Tensor, targets: Tensor) -> Tensor:
        sample = softmax.draw(targets)
        return softmax.sampled_loss(states, targets, sample, take_rows(softmax.weight, sample.rows))

    return softmax, loss


def adaptive(vocabulary: int) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """Compare with 2,000 words and two clusters of the others."""
    softmax = nn.AdaptiveLogSoftmaxWithLoss(WIDTH, vocabulary, cutoffs=[2_000, vocabulary // 3])

    def loss(states: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):  # it knows no bfloat16
            return softmax(states, targets).loss

    return softmax, loss


def step_of(softmax: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], vocabulary: int) -> Callable[[], None]:
    """One window."""
    states = torch.randn(STATES, WIDTH, requires_grad=True)
    targets = torch.multinomial(zipf(vocabulary), STATES, replacement=True)
    optimizer = AdamW([{"params": list(softmax.parameters())}], lr=1e-3)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=computes_bfloat16("cpu")):
            found = loss(states, targets)
        found.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def main() -> None:
    """Measure and record."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=7)
    rounds = arguments.parse_args().rounds
    torch.manual_seed(0)
    rows = []
    for vocabulary in VOCABULARIES:
        made = {
            "full": full(vocabulary),
            "sampled, 1,024": sampled(vocabulary, 1_024),
            "sampled, 4,096": sampled(vocabulary, 4_096),
            "adaptive (torch)": adaptive(vocabulary),
        }
        steps = {name: step_of(*one, vocabulary) for name, one in made.items()}
        taken = seconds(steps, rounds)
        for name, spent in taken.items():
            rows.append([f"{vocabulary:,}", name, f"{STATES / spent:,.0f}", f"{taken['full'] / spent:.1f}"])
    record(
        "python -m benchmarks.softmax",
        "Predicting a word in training, by the size of the vocabulary",
        ["words", "softmax", "predictions/s", "to full"],
        rows,
        f"Median of {rounds} rounds, {torch.get_num_threads()} threads; the optimizer's step counts. "
        f"{'bfloat16' if computes_bfloat16('cpu') else 'float32'}, the adaptive one float32.",
    )


if __name__ == "__main__":
    main()
