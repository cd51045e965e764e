"""Training and inference speed of the recurrent layers beside torch.nn, in one run: python -m benchmarks.speed

Tokens a second count real tokens only. Lengths are drawn once, uniformly from 64 to 230. Every variant runs in turn,
round by round, and the median of the rounds is given, so that a busy moment of the machine falls on all alike.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.record import record
from bothways.nn import LSTM, from_torch

B, T, E, H, L = 32, 230, 100, 256, 2


def packed(module: nn.LSTM, inputs: Tensor, lengths: Tensor) -> Tensor:
    """The way of the tutorials."""
    sequence = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(module(sequence)[0], batch_first=True)[0]


def padded(module: nn.LSTM, inputs: Tensor, lengths: Tensor) -> Tensor:
    """Quick, but wrong: the backward direction reads the padding first."""
    return module(inputs)[0]


def ours(module: LSTM, inputs: Tensor, lengths: Tensor) -> Tensor:
    """Exact, and at the padded kernel's speed."""
    return module(inputs, lengths).outputs


def seconds(step: Callable[[], object]) -> float:
    """Wall time of one step."""
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def main() -> None:
    """Measure and record."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=5)
    rounds = arguments.parse_args().rounds
    torch.manual_seed(0)
    lengths = torch.randint(64, T + 1, (B,))
    lengths[0] = T
    inputs = torch.randn(B, T, E)
    theirs = nn.LSTM(E, H, L, batch_first=True, bidirectional=True)
    own = from_torch(theirs)
    variants = {
        "torch.nn.LSTM, packed": lambda: packed(theirs, inputs, lengths),
        "torch.nn.LSTM, padded (wrong backwards)": lambda: padded(theirs, inputs, lengths),
        "bothways.nn.LSTM": lambda: ours(own, inputs, lengths),
    }
    tokens = int(lengths.sum())
    rows = []
    for what in ("training", "inference"):
        times: dict[str, list[float]] = {name: [] for name in variants}
        for turn in range(rounds + 1):
            for name, read in variants.items():
                if what == "training":
                    spent = seconds(lambda read=read: read().sum().backward())
                else:
                    with torch.no_grad():
                        spent = seconds(read)
                if turn:  # the first round warms up
                    times[name].append(spent)
        base = median(times["torch.nn.LSTM, packed"])
        rows += [
            [what, name, f"{tokens / median(spent):,.0f}", f"{base / median(spent):.2f}"]
            for name, spent in times.items()
        ]
    record(
        "python -m benchmarks.speed",
        f"Speed of a bidirectional LSTM: {L} layers, H={H}, E={E}, B={B}, lengths 64 to {T}, float32",
        ["", "variant", "real tokens/s", "ratio to packed"],
        rows,
        f"Median of {rounds} rounds, {torch.get_num_threads()} threads.",
    )


if __name__ == "__main__":
    main()
