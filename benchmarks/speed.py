"""Speed of recurrent layers beside torch.nn's and Keras's, in one run: python -m benchmarks.speed [--rounds N]

Tokens a second count real tokens only. Every variant runs in turn, round by round, and the median of the rounds is
given, so that a busy moment of the machine falls on all alike. Keras is measured where it is installed, on the backend
that KERAS_BACKEND names; its training step includes its optimizer's.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.record import record
from bothways.nn import SRU, MinGRU, MinLSTM, Recurrent, from_torch, fused

E = 100


class Case(NamedTuple):
    """A network and a batch."""

    title: str
    layers: int
    hidden_size: int
    lengths: Tensor
    parallel: bool  # whether the parallel cells are measured too


def cases() -> list[Case]:
    """One batch of moderate lengths, and one of lengths like those of film reviews (log-normal around 175), cut."""
    draw = np.random.default_rng(0)
    uniform = draw.integers(64, 231, 32)
    uniform[0] = 230
    window = np.sort(np.clip(draw.lognormal(np.log(175), 0.6, 8 * 64), 10, 400).astype(np.int64))
    return [
        Case("2 layers, H=256, B=32, lengths 64 to 230", 2, 256, torch.from_numpy(uniform), True),
        Case(
            "1 layer, H=128, B=64, the longest of 512 film reviews cut at 400",
            1,
            128,
            torch.from_numpy(window[-64:]),
            False,
        ),
    ]


def packed(module: nn.LSTM, inputs: Tensor, lengths: Tensor) -> Tensor:
    """The way of the tutorials."""
    sequence = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(module(sequence)[0], batch_first=True)[0]


def in_torch(reader: Recurrent, inputs: Tensor, lengths: Tensor) -> Tensor:
    """Without the compiled loops of the extra [fast]."""
    with mock.patch.object(fused, "is_available", return_value=False):
        return reader(inputs, lengths).outputs


def torch_steps(read: Callable[[], Tensor]) -> tuple[Callable[[], object], Callable[[], object]]:
    """A training step and a reading."""

    def reading() -> None:
        with torch.no_grad():
            read()

    return lambda: read().sum().backward(), reading


def keras_steps(case: Case, inputs: Tensor) -> tuple[Callable[[], object], Callable[[], object]]:
    """The same in Keras, which reads the padding too."""
    import keras

    layers = [
        keras.layers.Bidirectional(keras.layers.LSTM(case.hidden_size, return_sequences=True))
        for _ in range(case.layers)
    ]
    model = keras.Sequential([keras.Input((None, E)), *layers])
    model.compile("sgd", loss="mse")
    array = inputs.numpy()
    wanted = np.zeros((*array.shape[:2], 2 * case.hidden_size), "f")
    return lambda: model.train_on_batch(array, wanted), lambda: model.predict_on_batch(array)


def variants(case: Case) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Everything that is compared."""
    torch.manual_seed(0)
    lengths, inputs = case.lengths, torch.randn(len(case.lengths), int(case.lengths.max()), E)
    theirs = nn.LSTM(E, case.hidden_size, case.layers, batch_first=True, bidirectional=True)
    ours = from_torch(theirs)
    found: dict[str, Any] = {
        "torch.nn.LSTM, packed": torch_steps(lambda: packed(theirs, inputs, lengths)),
        "torch.nn.LSTM, padded (wrong backwards)": torch_steps(lambda: theirs(inputs)[0]),
        "bothways LSTM": torch_steps(lambda: ours(inputs, lengths).outputs),
        "bothways LSTM, torch's kernel": torch_steps(lambda: in_torch(ours, inputs, lengths)),
    }
    if importlib.util.find_spec("keras") is not None:
        found["Keras LSTM, padded (wrong backwards)"] = keras_steps(case, inputs)
    if case.parallel:
        for cell in (MinGRU, MinLSTM, SRU):
            reader = cell(E, case.hidden_size, case.layers, direction="both")
            name = f"bothways {cell.__name__}"
            found[name] = torch_steps(lambda reader=reader: reader(inputs, lengths).outputs)
            found[f"{name}, in torch"] = torch_steps(lambda reader=reader: in_torch(reader, inputs, lengths))
    return found


def measure(case: Case, rounds: int) -> list[list[str]]:
    """The rows of a case: training, then reading."""
    compared, tokens, rows = variants(case), int(case.lengths.sum()), []
    for place, what in enumerate(("training", "inference")):
        times: dict[str, list[float]] = {name: [] for name in compared}
        for turn in range(rounds + 1):
            for name, steps in compared.items():
                began = time.perf_counter()
                steps[place]()
                if turn:  # the first round warms up
                    times[name].append(time.perf_counter() - began)
        base = median(times["torch.nn.LSTM, packed"])
        for name, spent in times.items():
            rows.append([what, name, f"{tokens / median(spent):,.0f}", f"{base / median(spent):.2f}"])
    return rows


def main() -> None:
    """Measure and record."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=5)
    rounds = arguments.parse_args().rounds
    for number, case in enumerate(cases()):
        record(
            f"python -m benchmarks.speed{f' ({number + 1})' if number else ''}",
            f"Speed of bidirectional layers: {case.title}, E={E}, float32",
            ["", "variant", "real tokens/s", "ratio to packed"],
            measure(case, rounds),
            f"Median of {rounds} rounds, {torch.get_num_threads()} threads.",
        )


if __name__ == "__main__":
    main()
