"""ONNX graphs of the parallel cells, which have no operator of their own.

Products and gates are made for all steps at once; what is left, h' = a h + b, is the body of a `Scan`. A backward
reader reads the mirrored sequence, each row reversed inside its own length.

Shapes: B sequences, T steps, F width of a layer's inputs, G gates, H hidden width, k the steps that a window sees.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from bothways.models.graph_builder import (
    GraphBuilder,
    GraphReading,
    GraphState,
    add_mask,
    merged,
    on_top_of_each_other,
)
from bothways.nn import SRU, MinLSTM, ParallelRecurrent

END = np.iinfo(np.int64).max  # of whatever is cut


def add_parallel(
    builder: GraphBuilder, reader: ParallelRecurrent, inputs: str, lengths: str, start: GraphState
) -> GraphReading:
    """Read inputs (B, T, E) with lengths int64 (B,), as `reader` does outside training."""
    given = {"forward": start.forward, "backward": start.backward}
    ways = [way for way in given if reader.direction in (way, "both")]
    real = add_mask(builder, inputs, lengths)
    below = dict.fromkeys(ways, _where(builder, real, inputs, 0.0))
    finals: dict[str, list[tuple[str, ...] | None]] = {way: [] for way in ways}
    for layer in range(reader.num_layers):
        if layer and reader.stack == "joined" and len(ways) == 2:
            below = dict.fromkeys(ways, builder.add("Concat", list(below.values()), axis=-1))
        for way in ways:
            state = tuple(builder.add("Gather", [part, builder.integers(layer)]) for part in given[way] or ())
            steps = below[way] if way == "forward" else _mirrored(builder, below[way], lengths)
            states, final = _add_layer(builder, reader, reader.weights(layer, way), steps, lengths, real, state)
            below[way] = states if way == "forward" else _mirrored(builder, states, lengths)
            finals[way].append(final)
    final_state = GraphState(**{way: on_top_of_each_other(builder, last) for way, last in finals.items()})
    return merged(builder, reader.merge, below.get("forward"), below.get("backward"), final_state)


def _mirrored(builder: GraphBuilder, steps: str, lengths: str) -> str:
    """Reverse each sequence of (B, T, F) inside its own length."""
    return builder.add("ReverseSequence", [steps, lengths], batch_axis=0, time_axis=1)


def _where(builder: GraphBuilder, real: str, steps: str, otherwise: float) -> str:
    """Keep the real steps of (B, T, F), and put a number in place of padding."""
    return builder.add("Where", [real, steps, builder.constant(np.array(otherwise))])


def _add_layer(
    builder: GraphBuilder,
    reader: ParallelRecurrent,
    weights: dict[str, Tensor],
    steps: str,
    lengths: str,
    real: str,
    state: tuple[str, ...],
) -> tuple[str, tuple[str, ...]]:
    """Add one layer: (B, T, F), zero on padding -> (B, T, H), and each part of the final state (1, B, H)."""
    own, pending = len(reader.cell_parts), tuple[str, ...]()
    if reader.convolution == 1:
        products = builder.add("MatMul", [steps, builder.constant(weights["weight"].T)])
    else:
        products, pending = _add_convolution(builder, reader, weights["weight"], steps, lengths, state[own:])
    if reader.bias:
        products = builder.add("Add", [products, builder.constant(weights["bias"])])
    gates = builder.add_many("Split", [products], len(reader.gate_names), axis=2)
    states, last = _add_scan(builder, *_add_coefficients(builder, reader, gates), real, state[own - 1 : own])
    final = [builder.add("Unsqueeze", [last, builder.integers(0)])]
    if isinstance(reader, SRU):
        states = _add_highway(builder, weights, steps, gates[1], states)
        final.insert(0, _add_last_step(builder, states, lengths))
    return _where(builder, real, states, 0.0), (*final, *pending)


def _add_coefficients(builder: GraphBuilder, reader: ParallelRecurrent, gates: list[str]) -> tuple[str, str]:
    """Make a and b of h' = a h + b from the gates' products, (B, T, H) each."""
    if isinstance(reader, MinLSTM):
        # f / (f + i) = sigmoid(log(f) - log(i)), with log(sigmoid(x)) = -softplus(-x).
        f, i = (builder.add("Softplus", [builder.add("Neg", [gate])]) for gate in gates[:2])
        decay = builder.add("Sigmoid", [builder.add("Sub", [i, f])])
    elif isinstance(reader, SRU):
        decay = builder.add("Sigmoid", [gates[0]])
    else:
        decay = builder.add("Sigmoid", [builder.add("Neg", [gates[0]])])
    new = builder.add("Sub", [builder.constant(np.array(1.0)), decay])
    return decay, builder.add("Mul", [new, gates[-1]])


def _add_scan(builder: GraphBuilder, decay: str, update: str, real: str, state: tuple[str, ...]) -> tuple[str, str]:
    """Add h' = a h + b over all steps: a and b (B, T, H), h (1, B, H) if given -> (B, T, H), and the last (B, H)."""
    # On padding h stays what it was, so that the scan ends with the state at each sequence's own last step.
    decay, update = _where(builder, real, decay, 1.0), _where(builder, real, update, 0.0)
    if state:
        begin = builder.add("Squeeze", [state[0], builder.integers(0)])
    else:
        shape = builder.add("Gather", [builder.add("Shape", [decay]), builder.integers(0, 2)])
        begin = builder.add("ConstantOfShape", [shape])
    axes = {"scan_input_axes": [1, 1], "scan_output_axes": [1]}
    last, states = builder.add_many("Scan", [begin, decay, update], 2, body=_step(), num_scan_inputs=2, **axes)
    return states, last


def _step() -> Any:
    """Return one step of h' = a h + b as a graph; h, a and b are (B, H)."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Mul", ["before", "decay"], ["kept"]),
        helper.make_node("Add", ["kept", "update"], ["now"]),
        helper.make_node("Identity", ["now"], ["given"]),
    ]
    takes, gives = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
        for names in (("before", "decay", "update"), ("now", "given"))
    )
    return helper.make_graph(nodes, "step", takes, gives)


def _add_highway(builder: GraphBuilder, weights: dict[str, Tensor], steps: str, gate: str, cells: str) -> str:
    """Make an SRU's h = r tanh(c) + (1 - r) V x from the products of r and from c, (B, T, H) each."""
    passing = steps
    if "highway" in weights:
        passing = builder.add("MatMul", [steps, builder.constant(weights["highway"].T)])
    difference = builder.add("Sub", [builder.add("Tanh", [cells]), passing])
    return builder.add("Add", [passing, builder.add("Mul", [builder.add("Sigmoid", [gate]), difference])])


def _add_last_step(builder: GraphBuilder, states: str, lengths: str) -> str:
    """Pick each sequence's own last step: (B, T, H) -> (1, B, H)."""
    step = builder.add("Unsqueeze", [builder.add("Sub", [lengths, builder.integers(1)]), builder.integers(1)])
    return builder.add("Unsqueeze", [builder.add("GatherND", [states, step], batch_dims=1), builder.integers(0)])


def _add_convolution(
    builder: GraphBuilder,
    reader: ParallelRecurrent,
    weight: Tensor,
    steps: str,
    lengths: str,
    pending: tuple[str, ...],
) -> tuple[str, tuple[str, ...]]:
    """Add the products of a window: (B, T, F) -> (B, T, G·H), and what waits after the end, (1, B, H) each."""
    before, gates = reader.convolution - 1, len(reader.gate_names)
    # Zeros on both sides: each cut of length T + k - 1 is what the rows see a step further back.
    padded = builder.add("Pad", [steps, builder.integers(0, before, 0, 0, before, 0)])
    seen = [_cut(builder, padded, before - back, -back or END) for back in range(before + 1)]
    wide = builder.add("Concat", seen, axis=2)
    products = builder.add("MatMul", [wide, builder.constant(weight.T)])  # (B, T + k - 1, G·H)
    if pending:
        ahead = [builder.add("Concat", pending[at : at + gates], axis=2) for at in range(0, len(pending), gates)]
        waiting = builder.add("Transpose", [builder.add("Concat", ahead, axis=0)], perm=[1, 0, 2])  # (B, k - 1, G·H)
        begun = builder.add("Add", [_cut(builder, products, 0, before), waiting])
        products = builder.add("Concat", [begun, _cut(builder, products, before, END)], axis=1)

    ahead_of_end = builder.constant(np.arange(before)[None, :, None])
    places = builder.add("Add", [builder.add("Unsqueeze", [lengths, builder.integers(1, 2)]), ahead_of_end])
    left = builder.add("Transpose", [builder.add("GatherND", [products, places], batch_dims=1)], perm=[1, 0, 2])
    steps_ahead = builder.add_many("Split", [left], before, axis=0)
    waits = tuple(part for step in steps_ahead for part in builder.add_many("Split", [step], gates, axis=2))
    return _cut(builder, products, 0, -before), waits


def _cut(builder: GraphBuilder, steps: str, first: int, end: int) -> str:
    """Cut the steps of (B, T, F) from `first` to before `end`."""
    return builder.add("Slice", [steps, builder.integers(first), builder.integers(end), builder.integers(1)])
