"""Speed of the exact recurrent layers by cell and size: python -m benchmarks.layers [--bfloat16] [--quick]

One layer, both ways, on a CPU. Every figure of a row is measured in the same run, the variants by turns, and is a
median; tokens are real ones, padding does not count. Lengths are drawn like those of film reviews (log-normal around
175 words), cut at 230. The limit is the rate of matrix products of the layer's own shapes, all steps at once. With
--bfloat16 ours, padded torch.nn and the limit compute in it; packed torch.nn, onnxruntime and Keras stay in float32.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.record import record
from bothways.nn import GRU, LSTM, RNN, Recurrent
from bothways.training.device import computes_bfloat16
from bothways.training.freed_memory import keep_freed_memory

E, CUT = 100, 230
CELLS: dict[str, tuple[type[Any], type[nn.RNNBase], int]] = {
    "rnn": (RNN, nn.RNN, 1),
    "gru": (GRU, nn.GRU, 3),
    "lstm": (LSTM, nn.LSTM, 4),
}
# Larger ones would take minutes a row.
ROWS_UP_TO = 256 * 256
SIZES, BATCHES = (32, 64, 128, 256, 512, 1024), (1, 8, 32, 256)
# Packing trains so slowly at the largest sizes that a row would take minutes.
PACKED_UP_TO = 32 * 256


class Case(NamedTuple):
    """One row of the table."""

    cell: str
    hidden_size: int
    batch: int

    def lengths(self) -> torch.Tensor:
        """The lengths of a batch that was sorted by length within a window of eight batches, as in training."""
        drawn = np.random.default_rng(self.batch).lognormal(np.log(175), 0.6, 8 * self.batch)
        window = np.sort(np.clip(drawn, 10, CUT).astype(np.int64))
        return torch.from_numpy(window[4 * self.batch : 5 * self.batch].copy())

    def operations(self, tokens: int) -> float:
        """Multiplications and additions of the matrix products of reading, both ways."""
        return 2.0 * 2 * CELLS[self.cell][2] * self.hidden_size * (E + self.hidden_size) * tokens


def seconds(variants: dict[Any, Callable[[], object]], rounds: int) -> dict[Any, float]:
    """The median time of each variant; they take turns, after one round that is not counted."""
    taken: dict[Any, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, run in variants.items():
            began = time.perf_counter()
            run()
            if number:
                taken[name].append(time.perf_counter() - began)
    return {name: median(times) for name, times in taken.items()}


def products(case: Case, tokens: int, kind: torch.dtype) -> Callable[[], object]:
    """The layer's matrix products, all steps at once; so often that small ones take a millisecond and more."""
    rows, height = torch.randn(tokens, E + case.hidden_size).to(kind), CELLS[case.cell][2] * case.hidden_size
    weights = torch.randn(E + case.hidden_size, 2 * height).to(kind)

    def run() -> None:
        for _ in range(repeats(case, tokens)):
            rows @ weights

    return run


def repeats(case: Case, tokens: int) -> int:
    """How often the products are made at once: at least a tenth of a milliard operations."""
    return 1 + int(1e8 / case.operations(tokens))


def graph_of(reader: Recurrent) -> Any:
    """The reader as ONNX's own operators, in onnxruntime."""
    import onnxruntime

    from bothways.models.graph import add_recurrent
    from bothways.models.graph_builder import GraphBuilder

    builder = GraphBuilder()
    inputs, lengths = builder.input("inputs", "float32", ["B", "T", E]), builder.input("lengths", "int64", ["B"])
    model = builder.build({"outputs": add_recurrent(builder, reader, inputs, lengths).outputs})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def keras_of(case: Case) -> Any:
    """The layer in Keras, on the backend that KERAS_BACKEND names; None where Keras is not installed."""
    if importlib.util.find_spec("keras") is None:
        return None
    import keras

    cell = {"rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[case.cell]
    inputs = keras.Input((None, E))
    return keras.Model(inputs, keras.layers.Bidirectional(cell(case.hidden_size, return_sequences=True))(inputs))


def measure(case: Case, rounds: int, kind: torch.dtype) -> dict[str, float]:
    """Tokens a second of every variant, and what share of the matrix rate ours reaches."""
    cast = torch.autocast("cpu", torch.bfloat16, enabled=kind == torch.bfloat16)
    torch.manual_seed(0)
    ours_class, _, _ = CELLS[case.cell]
    ours = ours_class(E, case.hidden_size, direction="both")
    theirs = ours.to_torch()
    lengths = case.lengths()
    tokens = int(lengths.sum())
    inputs = torch.randn(case.batch, int(lengths.max()), E)

    def packed() -> torch.Tensor:
        read = theirs(pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False))[0]
        return pad_packed_sequence(read, batch_first=True)[0]

    readings: dict[str, Callable[[], torch.Tensor]] = {
        "ours": cast(lambda: ours(inputs, lengths).outputs),
        "padded": cast(lambda: theirs(inputs)[0]),
    }
    if case.batch * case.hidden_size <= PACKED_UP_TO:
        readings["packed"] = packed

    def train(read: Callable[[], torch.Tensor]) -> Callable[[], None]:
        def step() -> None:
            inputs.requires_grad_()
            read().sum().backward()
            inputs.grad = None
            for module in (ours, theirs):
                module.zero_grad()

        return step

    limit, often = products(case, tokens, kind), repeats(case, tokens) * case.operations(tokens)
    taken = seconds({**{name: train(read) for name, read in readings.items()}, "products": limit}, rounds)
    rates = {"train": often / taken.pop("products")}
    found = {f"train {name}": tokens / one for name, one in taken.items()}
    inputs.requires_grad_(False)
    session, array = graph_of(ours), {"inputs": inputs.numpy(), "lengths": lengths.numpy()}
    reading: dict[str, Callable[[], object]] = {**readings, "onnxruntime": lambda: session.run(None, array)}
    keras = keras_of(case)
    if keras is not None:
        reading["keras"] = lambda: np.asarray(keras.predict_on_batch(inputs.numpy()))
    with torch.no_grad():
        taken = seconds({**reading, "products": limit}, rounds)
    rates["read"] = often / taken.pop("products")
    found |= {f"read {name}": tokens / one for name, one in taken.items()}
    for mode, work in (("train", 3), ("read", 1)):
        found[f"{mode} share"] = work * case.operations(tokens) / tokens * found[f"{mode} ours"] / rates[mode]
    return found


def row_of(case: Case, found: dict[str, float]) -> list[str]:
    """One row of the table."""

    def ratio(mode: str, other: str) -> str:
        key = f"{mode} {other}"
        return f"{found[f'{mode} ours'] / found[key]:.2f}" if key in found else ""

    return [
        case.cell,
        str(case.hidden_size),
        str(case.batch),
        f"{found['train ours']:,.0f}",
        ratio("train", "packed"),
        ratio("train", "padded"),
        f"{found['train share']:.0%}",
        f"{found['read ours']:,.0f}",
        ratio("read", "packed"),
        ratio("read", "padded"),
        ratio("read", "onnxruntime"),
        ratio("read", "keras"),
        f"{found['read share']:.0%}",
    ]


def draw(measured: dict[Case, dict[str, float]], path: Path) -> None:
    """Draw the ratio to torch's padded kernel by width, one line for each batch size."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(CELLS), figsize=(11, 6), sharex=True, layout="constrained")
    for (line, mode), (column, cell) in product(enumerate(("train", "read")), enumerate(CELLS)):
        axis = axes[line][column]
        for batch in sorted({case.batch for case in measured}):
            points = sorted((case.hidden_size, found) for case, found in measured.items() if case[::2] == (cell, batch))
            ratios = [found[f"{mode} ours"] / found[f"{mode} padded"] for _, found in points]
            axis.plot([size for size, _ in points], ratios, marker="o", label=f"B={batch}")
        axis.axhline(1, color="grey", linewidth=1)
        axis.set(xscale="log", yscale="log", title=f"{cell}, {mode}")
        axis.set_xticks(sorted({case.hidden_size for case in measured}), minor=False)
        axis.get_xaxis().set_major_formatter("{x:.0f}")
        axis.minorticks_off()
        axis.set_yticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
    axes[0][0].legend()
    figure.supxlabel("H, width of one direction")
    figure.supylabel("times as fast as torch.nn, padded")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, draw, record."""
    keep_freed_memory()
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bfloat16", action="store_true", help="ours and padded torch.nn under autocast")
    arguments.add_argument("--quick", action="store_true", help="few sizes, under two minutes; nothing is drawn")
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.bfloat16 and not computes_bfloat16("cpu"):
        arguments.error("this processor does not compute in bfloat16")
    kind = torch.bfloat16 if chosen.bfloat16 else torch.float32
    name = str(kind).removeprefix("torch.")
    sizes, batches = ((64, 256), (32,)) if chosen.quick else (SIZES, BATCHES)
    measured = {}
    for case in (Case(*values) for values in product(CELLS, sizes, batches)):
        if case.batch * case.hidden_size > ROWS_UP_TO:
            continue
        measured[case] = measure(case, chosen.rounds, kind)
        print(*row_of(case, measured[case]), sep="  ", flush=True)
    options = (" --bfloat16" if chosen.bfloat16 else "") + (" --quick" if chosen.quick else "")
    if not chosen.quick:
        draw(measured, Path(__file__).with_name(f"layers-{name}.png" if chosen.bfloat16 else "layers.png"))
    header = ["cell", "H", "B", "training, tokens/s", "to packed", "to padded", "of the limit"]
    header += ["reading, tokens/s", "to packed", "to padded", "to onnxruntime", "to Keras", "of the limit"]
    record(
        f"python -m benchmarks.layers{options}",
        f"Exact layers: one layer, both ways, E={E}, lengths cut at {CUT}, {name}, {chosen.threads} threads",
        header,
        [row_of(case, found) for case, found in measured.items()],
        f"Median of {chosen.rounds} rounds. Ratios are ours to theirs: above 1 ours is faster. Padded torch.nn reads "
        "padding too and gives other numbers backwards; it stands here as torch's fastest kernel. Freed memory stays "
        "with the process, for all variants."
        + (" Packed torch.nn, onnxruntime and Keras compute in float32." if chosen.bfloat16 else ""),
    )


if __name__ == "__main__":
    main()
