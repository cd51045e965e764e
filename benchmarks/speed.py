"""Speed of recurrent layers beside torch.nn, Keras and onnxruntime, in one run: python -m benchmarks.speed [--rounds N]

Tokens a second count real tokens only. Every variant runs in turn, round by round, and the median of the rounds is
given, so that a busy moment of the machine falls on all alike. Keras is measured where it is installed, on the backend
that KERAS_BACKEND names; its training step includes its optimizer's. The limit of a variant is the rate of the matrix
product of the same shapes, all steps at once, in the same precision and the same rounds.
"""

import argparse
import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.layers import graph_of, seconds
from benchmarks.record import record
from bothways.nn import GRU, SRU, MinGRU, MinLSTM, Recurrent, from_torch, fused
from bothways.training.device import computes_bfloat16
from bothways.training.freed_memory import keep_freed_memory

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
    with (
        mock.patch.object(fused, "is_available", return_value=False),
        mock.patch.object(fused, "computes_bfloat16", return_value=False),
    ):
        return reader(inputs, lengths).outputs


def torch_steps(read: Callable[[], Tensor], inputs: Tensor) -> tuple[Callable[[], object], Callable[[], object]]:
    """A training step, the gradient of the inputs included, and a reading."""

    def training() -> None:
        inputs.grad = None
        read().sum().backward()

    def reading() -> None:
        with torch.no_grad():
            read()

    return training, reading


def keras_steps(case: Case, inputs: Tensor) -> tuple[Callable[[], object], Callable[[], object]]:
    """The same in Keras, which reads the padding too."""
    import keras

    layers = [
        keras.layers.Bidirectional(keras.layers.LSTM(case.hidden_size, return_sequences=True))
        for _ in range(case.layers)
    ]
    model = keras.Sequential([keras.Input((None, E)), *layers])
    model.compile("sgd", loss="mse")
    array = inputs.detach().numpy()
    wanted = np.zeros((*array.shape[:2], 2 * case.hidden_size), "f")
    return lambda: model.train_on_batch(array, wanted), lambda: model.predict_on_batch(array)


def in_bfloat16(read: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """The same under autocast."""

    def cast() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return read()

    return cast


def onnx_steps(reader: Recurrent, inputs: Tensor, lengths: Tensor) -> tuple[None, Callable[[], object]]:
    """Only a reading."""
    session, array = graph_of(reader), {"inputs": inputs.detach().numpy(), "lengths": lengths.numpy()}
    return None, lambda: session.run(None, array)


class Variant(NamedTuple):
    """One of those that are compared."""

    training: Callable[[], object] | None
    reading: Callable[[], object]
    operations: float | None  # of the matrix products of reading a token; None: no limit is asked for
    kind: torch.dtype = torch.float32


def operations_of(reader: Recurrent) -> float:
    """Multiplications and additions of a reader's matrix products for one token."""
    return 2.0 * sum(weight.numel() for weight in reader.parameters() if weight.dim() == 2)


def variants(case: Case) -> dict[str, Variant]:
    """Everything that is compared."""
    torch.manual_seed(0)
    lengths, inputs = case.lengths, torch.randn(len(case.lengths), int(case.lengths.max()), E, requires_grad=True)
    theirs = nn.LSTM(E, case.hidden_size, case.layers, batch_first=True, bidirectional=True)
    found = dict[str, Variant]()

    def add(name: str, read: Callable[[], Tensor], operations: float | None, kinds: list[torch.dtype]) -> None:
        for kind in kinds:
            is_narrow = kind == torch.bfloat16
            title = f"{name}, bfloat16" if is_narrow else name
            found[title] = Variant(*torch_steps(in_bfloat16(read) if is_narrow else read, inputs), operations, kind)

    kinds = [torch.float32, *([torch.bfloat16] if computes_bfloat16("cpu") else [])]
    add("torch.nn.LSTM, packed", lambda: packed(theirs, inputs, lengths), None, kinds[:1])
    add("torch.nn.LSTM, padded (wrong backwards)", lambda: theirs(inputs)[0], None, kinds)
    if importlib.util.find_spec("keras") is not None:
        found["Keras LSTM, padded (wrong backwards)"] = Variant(*keras_steps(case, inputs), None)
    readers: list[Recurrent] = [from_torch(theirs), GRU(E, case.hidden_size, case.layers, direction="both")]
    if case.parallel:
        readers += [cell(E, case.hidden_size, case.layers, direction="both") for cell in (MinGRU, MinLSTM, SRU)]
    found["onnxruntime LSTM"] = Variant(*onnx_steps(readers[0], inputs, lengths), None)
    for reader in readers:
        operations = operations_of(reader)
        name = f"bothways {type(reader).__name__}"
        add(name, lambda reader=reader: reader(inputs, lengths).outputs, operations, kinds)
        add(f"{name}, in torch", lambda reader=reader: in_torch(reader, inputs, lengths), operations, kinds)
    return found


def product(rows: Tensor, matrix: Tensor) -> Callable[[], object]:
    """What the limit is measured by."""
    return lambda: rows @ matrix


def limits(case: Case) -> tuple[float, dict[torch.dtype, Callable[[], object]]]:
    """Products of the upper layer's shapes with all steps at once: their operations, and both precisions."""
    rows = torch.randn(int(case.lengths.sum()), (2 if case.layers > 1 else 1) * case.hidden_size + E)
    matrix = torch.randn(rows.shape[1], 8 * case.hidden_size)
    kinds = torch.float32, torch.bfloat16
    return 2.0 * rows.numel() * matrix.shape[1], {kind: product(rows.to(kind), matrix.to(kind)) for kind in kinds}


def measure(case: Case, rounds: int) -> list[list[str]]:
    """The rows of a case: training, then reading."""
    compared, tokens, rows = variants(case), int(case.lengths.sum()), []
    operations, products = limits(case)
    for place, (what, work) in enumerate((("training", 3), ("inference", 1))):
        steps: dict[Any, Callable[[], object]] = {**products}
        steps |= {name: run for name, variant in compared.items() if (run := variant[place]) is not None}
        taken = seconds(steps, rounds)
        rates = {kind: operations / taken[kind] for kind in products}
        base = taken["torch.nn.LSTM, packed"]
        for name, variant in compared.items():
            if name not in steps:
                continue
            rate = tokens / taken[name]
            share = ""
            if variant.operations is not None:
                share = f"{work * variant.operations * rate / rates[variant.kind]:.0%}"
            rows.append([what, name, f"{rate:,.0f}", f"{base / taken[name]:.2f}", share])
    return rows


def main() -> None:
    """Measure and record."""
    keep_freed_memory()
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=5)
    rounds = arguments.parse_args().rounds
    for number, case in enumerate(cases()):
        record(
            f"python -m benchmarks.speed{f' ({number + 1})' if number else ''}",
            f"Speed of bidirectional layers: {case.title}, E={E}",
            ["", "variant", "real tokens/s", "ratio to packed", "of the limit"],
            measure(case, rounds),
            f"Median of {rounds} rounds, {torch.get_num_threads()} threads. The limit is torch's matrix product of the "
            "same shapes, all steps at once, in the same precision; our float32 loops have their own products. Freed "
            "memory stays with the process, as in our training loop, for all variants.",
        )


if __name__ == "__main__":
    main()
