"""ONNX graphs by hand: ONNX's own operators with `sequence_lens`, for any batch size and length.

torch's exporters freeze the length or refuse packing. ONNX's recurrent operators read (T, B, E), give zero on padding
and the state at each sequence's own last step, as ours do; their gates stand in another order than torch's:

    torch   LSTM i f g o    GRU r z n
    ONNX    LSTM i o f c    GRU z r h, with linear_before_reset=1

The parallel cells have no operator, see `graph_parallel`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from bothways.errors import SettingsError
from bothways.models.graph_builder import (
    GraphBuilder,
    GraphReading,
    GraphState,
    add_mask,
    merged,
    on_top_of_each_other,
)
from bothways.models.graph_parallel import add_parallel
from bothways.nn import LSTM, RNN, Bidirectional, ExactRecurrent, ParallelRecurrent, Pooling, Recurrent, Stacked

GATE_ORDER = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}


def add_embedding(builder: GraphBuilder, embedding: nn.Embedding, ids: str) -> str:
    """Look up int64 (B, T) -> (B, T, E)."""
    return builder.add("Gather", [builder.constant(embedding.weight), ids])


def add_linear(builder: GraphBuilder, linear: nn.Linear, inputs: str) -> str:
    """Map (..., F) -> (..., K)."""
    product = builder.add("MatMul", [inputs, builder.constant(linear.weight.T)])
    return product if linear.bias is None else builder.add("Add", [product, builder.constant(linear.bias)])


def add_standardise(builder: GraphBuilder, inputs: str, mean: Tensor, deviation: Tensor) -> str:
    """Take the mean (F,) away and divide by the deviation (F,): (..., F) -> (..., F)."""
    centred = builder.add("Sub", [inputs, builder.constant(mean)])
    return builder.add("Div", [centred, builder.constant(deviation)])


def add_recurrent(
    builder: GraphBuilder, reader: Recurrent, inputs: str, lengths: str, initial_state: GraphState | None = None
) -> GraphReading:
    """Read inputs (B, T, E) with lengths int64 (B,), as `reader` does outside training.

    Raises:
        SettingsError: a reader that has no graph.
    """
    start = initial_state or GraphState()
    if isinstance(reader, ExactRecurrent):
        return _add_exact(builder, reader, inputs, lengths, start)
    if isinstance(reader, ParallelRecurrent):
        return add_parallel(builder, reader, inputs, lengths, start)
    if isinstance(reader, Bidirectional):
        rightward = add_recurrent(builder, reader.forward_reader, inputs, lengths, GraphState(start.forward))
        leftward = add_recurrent(builder, reader.backward_reader, inputs, lengths, GraphState(None, start.backward))
        final_state = GraphState(rightward.final_state.forward, leftward.final_state.backward)
        return merged(builder, reader.merge, rightward.forward, leftward.backward, final_state)
    if isinstance(reader, Stacked):
        return _add_stacked(builder, reader, inputs, lengths, start)
    raise SettingsError(f"reader is {type(reader).__name__}, which has no ONNX graph. Use one of ours.")


def add_pooling(builder: GraphBuilder, pooling: Pooling, reading: GraphReading, lengths: str) -> str:
    """Pool a reading, as `pooling` does: -> (B, P)."""
    parts = [part for kind in pooling.kinds for part in _add_pool(builder, pooling, kind, reading, lengths)]
    return builder.add("Concat", parts, axis=-1)


def _add_pool(builder: GraphBuilder, pooling: Pooling, kind: str, reading: GraphReading, lengths: str) -> list[str]:
    if kind == "last":
        top = builder.constant(np.array(-1))
        return [builder.add("Gather", [state[0], top]) for state in reading.final_state if state is not None]
    if kind == "mean":
        total = builder.add("ReduceSum", [reading.outputs, builder.integers(1)], keepdims=0)
        count = builder.add("Unsqueeze", [builder.add("Cast", [lengths], to=1), builder.integers(1)])
        return [builder.add("Div", [total, count])]
    real = add_mask(builder, reading.outputs, lengths)
    never = builder.constant(np.array(-np.inf))
    if kind == "max":
        masked = builder.add("Where", [real, reading.outputs, never])
        return [builder.add("ReduceMax", [masked], axes=[1], keepdims=0)]
    keys = builder.add("Tanh", [add_linear(builder, pooling.key, reading.outputs)])
    scores = add_linear(builder, pooling.query, keys)
    weights = builder.add("Softmax", [builder.add("Where", [real, scores, never])], axis=1)
    weighted = builder.add("Mul", [weights, reading.outputs])
    return [builder.add("ReduceSum", [weighted, builder.integers(1)], keepdims=0)]


def _add_stacked(builder: GraphBuilder, stacked: Stacked, inputs: str, lengths: str, start: GraphState) -> GraphReading:
    finals, below = list[GraphState](), [0, 0]
    for reader in stacked.readers:
        above = [first + count for first, count in zip(below, reader.state_layers, strict=True)]
        layers = [builder.integers(*range(*ends)) for ends in zip(below, above, strict=True)]
        state = GraphState(
            *(
                part and tuple(builder.add("Gather", [tensor, which]) for tensor in part)
                for part, which in zip(start, layers, strict=True)
            )
        )
        reading = add_recurrent(builder, reader, inputs, lengths, state)
        inputs, below = reading.outputs, above
        finals.append(reading.final_state)
    forward = on_top_of_each_other(builder, [final.forward for final in finals])
    backward = on_top_of_each_other(builder, [final.backward for final in finals])
    return reading._replace(final_state=GraphState(forward, backward))


def _add_exact(
    builder: GraphBuilder, reader: ExactRecurrent, inputs: str, lengths: str, start: GraphState
) -> GraphReading:
    """Add one operator for each layer and direction."""
    lengths = builder.add("Cast", [lengths], to=6)  # sequence_lens must be int32
    given = {"forward": start.forward, "backward": start.backward}
    ways = [way for way in given if reader.direction in (way, "both")]
    steps = builder.add("Transpose", [inputs], perm=[1, 0, 2])  # (T, B, E)
    below = dict.fromkeys(ways, steps)
    finals: dict[str, list[tuple[str, ...] | None]] = {way: [] for way in ways}
    for layer in range(reader.num_layers):
        if layer and reader.stack == "joined" and len(ways) == 2:
            below = dict.fromkeys(ways, builder.add("Concat", list(below.values()), axis=-1))
        for way in ways:
            state = tuple(builder.add("Gather", [part, builder.integers(layer)]) for part in given[way] or ())
            below[way], final = _add_operator(builder, reader, layer, way, below[way], lengths, state)
            finals[way].append(final)
    read = {way: builder.add("Transpose", [states], perm=[1, 0, 2]) for way, states in below.items()}  # (B, T, H)
    final_state = GraphState(**{way: on_top_of_each_other(builder, last) for way, last in finals.items()})
    return merged(builder, reader.merge, read.get("forward"), read.get("backward"), final_state)


def _add_operator(
    builder: GraphBuilder,
    reader: ExactRecurrent,
    layer: int,
    way: str,
    steps: str,
    lengths: str,
    state: tuple[str, ...],
) -> tuple[str, tuple[str, ...]]:
    """Add one layer in one direction: (T, B, F) -> (T, B, H), and each part of the final state (1, B, H)."""
    operator = "LSTM" if isinstance(reader, LSTM) else "RNN" if isinstance(reader, RNN) else "GRU"
    input_weight, state_weight, *biases = (
        _reorder(weight, GATE_ORDER[operator]) for weight in reader.weights(layer, way)
    )
    bias = builder.constant(np.concatenate(biases)[None]) if biases else ""
    attributes: dict[str, Any] = {
        "hidden_size": reader.hidden_size,
        "direction": "forward" if way == "forward" else "reverse",
    }
    if operator == "GRU":
        attributes["linear_before_reset"] = 1
    if isinstance(reader, RNN):
        attributes["activations"] = [reader.nonlinearity.capitalize()]
    inputs = [steps, builder.constant(input_weight[None]), builder.constant(state_weight[None]), bias, lengths, *state]
    states, *final = builder.add_many(operator, inputs, 1 + len(reader.parts), **attributes)
    return builder.add("Squeeze", [states, builder.integers(1)]), tuple(final)


def _reorder(weight: Tensor, order: Sequence[int]) -> np.ndarray[Any, Any]:
    """Bring the gates' rows (G·H, ...) into another order."""
    gates = np.split(weight.detach().cpu().float().numpy(), len(order))
    return np.concatenate([gates[gate] for gate in order])
