"""ONNX graphs by hand: ONNX's own operators with `sequence_lens`, for any batch size and length.

torch's exporters freeze the length or refuse packing. ONNX's recurrent operators read (T, B, E), give zero on padding
and the state at each sequence's own last step, as ours do; their gates stand in another order than torch's:

    torch   LSTM i f g o    GRU r z n
    ONNX    LSTM i o f c    GRU z r h, with linear_before_reset=1

The parallel cells have no operator. Their products and gates are made for all steps at once, and what is left, the
linear recurrence, is the body of a `Scan`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import Tensor, nn

from bothways.errors import SettingsError
from bothways.nn import (
    LSTM,
    RNN,
    SRU,
    Bidirectional,
    ExactRecurrent,
    Merge,
    MinLSTM,
    ParallelRecurrent,
    Pooling,
    Recurrent,
    Stacked,
)

if TYPE_CHECKING:
    from onnx import ModelProto

# The oldest that has every operator as used here, with the oldest file format that allows it.
OPSET = 17
IR_VERSION = 8

GATE_ORDER = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}


class GraphState(NamedTuple):
    """The names of a reader's state tensors (L, B, H), for each direction."""

    forward: tuple[str, ...] | None = None
    backward: tuple[str, ...] | None = None


class GraphReading(NamedTuple):
    """The names of what a reader found; the same shapes as `nn.Reading`."""

    outputs: str
    forward: str | None
    backward: str | None
    final_state: GraphState


class GraphBuilder:
    """Collect inputs, nodes and constants; every tensor gets a name of its own. Numbers are float32 and int64."""

    def __init__(self, name: str = "bothways") -> None:
        self._name = name
        self._inputs: list[Any] = []
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._integers: dict[tuple[int, ...], str] = {}

    def input(self, name: str, dtype: str, shape: Sequence[str | int]) -> str:
        """Declare an input: its name, numpy type, and shape, where a str names a size that varies."""
        from onnx import helper

        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self._inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def constant(self, values: Tensor | np.ndarray[Any, Any]) -> str:
        """Store an array, floats as float32, and return its name."""
        from onnx import numpy_helper

        array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
        if np.issubdtype(array.dtype, np.floating):
            array = array.astype(np.float32)
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return name

    def integers(self, *values: int) -> str:
        """Store a list of int64, once for each content, and return its name."""
        if values not in self._integers:
            self._integers[values] = self.constant(np.array(values, np.int64))
        return self._integers[values]

    def add(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node with one output and return its name. A misspelt attribute is refused by `build`."""
        return self.add_many(operator, inputs, 1, **attributes)[0]

    def add_many(self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """Add a node with several outputs and return their names."""
        from onnx import helper

        names = [f"{operator.lower()}_{len(self._nodes)}_{number}" for number in range(outputs)]
        self._nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def build(self, outputs: Mapping[str, str]) -> ModelProto:
        """Return the checked model.

        Args:
            outputs: the name that each output shall have, and the tensor that it is.

        Raises:
            onnx.checker.ValidationError, onnx.shape_inference.InferenceError: nodes that do not fit together.
        """
        from onnx import ValueInfoProto, checker, helper, shape_inference

        renamed = [helper.make_node("Identity", [tensor], [name]) for name, tensor in outputs.items()]
        untyped = [ValueInfoProto(name=name) for name in outputs]
        graph = helper.make_graph([*self._nodes, *renamed], self._name, self._inputs, untyped, self._constants)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, producer_name="bothways", opset_imports=[opset], ir_version=IR_VERSION)
        inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        for output, known in zip(model.graph.output, inferred.graph.output, strict=True):
            output.CopyFrom(known)
        checker.check_model(model)
        return model


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


def add_mask(builder: GraphBuilder, outputs: str, lengths: str) -> str:
    """Tell real steps from padding: (B, T, F) and int64 (B,) -> bool (B, T, 1), True where real."""
    steps = builder.add("Gather", [builder.add("Shape", [outputs]), builder.constant(np.array(1))])
    zero, one = builder.constant(np.array(0)), builder.constant(np.array(1))
    here = builder.add("Range", [zero, steps, one])
    is_here = builder.add("Less", [here, builder.add("Unsqueeze", [lengths, builder.integers(1)])])
    return builder.add("Unsqueeze", [is_here, builder.integers(2)])


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
        return _add_parallel(builder, reader, inputs, lengths, start)
    if isinstance(reader, Bidirectional):
        rightward = add_recurrent(builder, reader.forward_reader, inputs, lengths, GraphState(start.forward))
        leftward = add_recurrent(builder, reader.backward_reader, inputs, lengths, GraphState(None, start.backward))
        final_state = GraphState(rightward.final_state.forward, leftward.final_state.backward)
        return _merged(builder, reader.merge, rightward.forward, leftward.backward, final_state)
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
    finals = list[GraphState]()
    layer = 0
    for reader in stacked.readers:
        layers = builder.integers(*range(layer, layer + reader.num_layers))
        state = GraphState(
            *(part and tuple(builder.add("Gather", [tensor, layers]) for tensor in part) for part in start)
        )
        reading = add_recurrent(builder, reader, inputs, lengths, state)
        inputs, layer = reading.outputs, layer + reader.num_layers
        finals.append(reading.final_state)
    forward = _on_top_of_each_other(builder, [final.forward for final in finals])
    backward = _on_top_of_each_other(builder, [final.backward for final in finals])
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
    final_state = GraphState(**{way: _on_top_of_each_other(builder, last) for way, last in finals.items()})
    return _merged(builder, reader.merge, read.get("forward"), read.get("backward"), final_state)


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


def _add_parallel(
    builder: GraphBuilder, reader: ParallelRecurrent, inputs: str, lengths: str, start: GraphState
) -> GraphReading:
    """Add products, gates and a scan for each layer and direction; a backward one reads the mirrored sequence."""
    given = {"forward": start.forward, "backward": start.backward}
    ways = [way for way in given if reader.direction in (way, "both")]
    real = add_mask(builder, inputs, lengths)
    below = dict.fromkeys(ways, builder.add("Where", [real, inputs, builder.constant(np.array(0.0))]))
    finals: dict[str, list[tuple[str, ...] | None]] = {way: [] for way in ways}
    for layer in range(reader.num_layers):
        if layer and reader.stack == "joined" and len(ways) == 2:
            below = dict.fromkeys(ways, builder.add("Concat", list(below.values()), axis=-1))
        for way in ways:
            state = tuple(builder.add("Gather", [part, builder.integers(layer)]) for part in given[way] or ())
            steps = below[way] if way == "forward" else _mirrored(builder, below[way], lengths)
            states, final = _add_parallel_layer(
                builder, reader, reader.weights(layer, way), steps, lengths, real, state
            )
            below[way] = states if way == "forward" else _mirrored(builder, states, lengths)
            finals[way].append(final)
    final_state = GraphState(**{way: _on_top_of_each_other(builder, last) for way, last in finals.items()})
    return _merged(builder, reader.merge, below.get("forward"), below.get("backward"), final_state)


def _mirrored(builder: GraphBuilder, steps: str, lengths: str) -> str:
    """Reverse each sequence of (B, T, F) inside its own length."""
    return builder.add("ReverseSequence", [steps, lengths], batch_axis=0, time_axis=1)


def _add_parallel_layer(
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
    decay, update = _add_decay(builder, reader, gates)
    # On padding h stays what it was, and so the scan ends with the state at each sequence's own last step.
    decay = builder.add("Where", [real, decay, builder.constant(np.array(1.0))])
    update = builder.add("Where", [real, update, builder.constant(np.array(0.0))])
    begin = builder.add("Squeeze", [state[own - 1], builder.integers(0)]) if state else _zeros_like_step(builder, decay)
    last, states = builder.add_many(
        "Scan",
        [begin, decay, update],
        2,
        body=_scan_body(reader.hidden_size),
        num_scan_inputs=2,
        scan_input_axes=[1, 1],
        scan_output_axes=[1],
    )
    final = [last]
    if isinstance(reader, SRU):
        skip = steps
        if "highway" in weights:
            skip = builder.add("MatMul", [steps, builder.constant(weights["highway"].T)])
        opened = builder.add("Sub", [builder.add("Tanh", [states]), skip])
        states = builder.add("Add", [skip, builder.add("Mul", [builder.add("Sigmoid", [gates[1]]), opened])])
        step = builder.add("Unsqueeze", [builder.add("Sub", [lengths, builder.integers(1)]), builder.integers(1)])
        final = [builder.add("GatherND", [states, step], batch_dims=1), last]
    states = builder.add("Where", [real, states, builder.constant(np.array(0.0))])
    return states, (*(builder.add("Unsqueeze", [part, builder.integers(0)]) for part in final), *pending)


def _add_decay(builder: GraphBuilder, reader: ParallelRecurrent, gates: list[str]) -> tuple[str, str]:
    """Make a and b of h' = a h + b from what the gates are made of, (B, T, H) each."""
    one = builder.constant(np.array(1.0))
    if isinstance(reader, MinLSTM):
        limits = [builder.constant(np.array(limit)) for limit in (-80.0, 80.0)]
        bounded = [builder.add("Clip", [gate, *limits]) for gate in gates[:2]]
        # 1 / f and 1 / i: onnxruntime's sigmoid is never below 1e-8, where f / (f + i) still has a meaning.
        f, i = (builder.add("Add", [one, builder.add("Exp", [builder.add("Neg", [gate])])]) for gate in bounded)
        decay = builder.add("Div", [i, builder.add("Add", [f, i])])
    elif isinstance(reader, SRU):
        decay = builder.add("Sigmoid", [gates[0]])
    else:
        decay = builder.add("Sigmoid", [builder.add("Neg", [gates[0]])])
    new = builder.add("Sub", [one, decay])
    return decay, builder.add("Mul", [new, gates[-1]])


def _add_convolution(
    builder: GraphBuilder,
    reader: ParallelRecurrent,
    weight: Tensor,
    steps: str,
    lengths: str,
    pending: tuple[str, ...],
) -> tuple[str, tuple[str, ...]]:
    """Add the products of a window: (B, T, F) -> (B, T, G·H), and what waits after the end, (1, B, H) each."""
    before, count = reader.convolution - 1, len(reader.gate_names)
    padded = builder.add("Pad", [steps, builder.integers(0, before, 0, 0, before, 0)])
    end = np.iinfo(np.int64).max
    seen = [
        builder.add("Slice", [padded, *_cut(builder, before - back, -back if back else end)])
        for back in range(before + 1)
    ]
    wide = builder.add("Concat", seen, axis=2)
    products = builder.add("MatMul", [wide, builder.constant(weight.T)])  # (B, T + k - 1, G·H)
    if pending:
        ahead = [
            builder.add("Concat", pending[first : first + count], axis=2) for first in range(0, len(pending), count)
        ]
        waiting = builder.add("Transpose", [builder.add("Concat", ahead, axis=0)], perm=[1, 0, 2])
        begun = builder.add("Add", [builder.add("Slice", [products, *_cut(builder, 0, before)]), waiting])
        products = builder.add("Concat", [begun, builder.add("Slice", [products, *_cut(builder, before, end)])], axis=1)
    after = builder.constant(np.arange(before)[None, :, None])
    places = builder.add("Add", [builder.add("Unsqueeze", [lengths, builder.integers(1, 2)]), after])
    left = builder.add("GatherND", [products, places], batch_dims=1)  # (B, k - 1, G·H)
    turned = builder.add("Transpose", [left], perm=[1, 0, 2])
    parts = [
        part
        for one in (builder.add_many("Split", [turned], before, axis=0) if before > 1 else [turned])
        for part in builder.add_many("Split", [one], count, axis=2)
    ]
    return builder.add("Slice", [products, *_cut(builder, 0, -before)]), tuple(parts)


def _cut(builder: GraphBuilder, first: int, end: int) -> list[str]:
    """Return what `Slice` needs to cut the steps of (B, T, F) from `first` to `end`."""
    return [builder.integers(first), builder.integers(end), builder.integers(1)]


def _zeros_like_step(builder: GraphBuilder, steps: str) -> str:
    """Make zeros (B, H) beside (B, T, H)."""
    shape = builder.add("Gather", [builder.add("Shape", [steps]), builder.integers(0, 2)])
    return builder.add("ConstantOfShape", [shape])


def _scan_body(width: int) -> Any:
    """Write one step of h' = a h + b; h, a and b are (B, H)."""
    from onnx import TensorProto, helper

    def declare(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", width])

    kept = helper.make_node("Mul", ["before", "decay"], ["kept"])
    now = helper.make_node("Add", ["kept", "update"], ["now"])
    given = helper.make_node("Identity", ["now"], ["given"])
    return helper.make_graph(
        [kept, now, given],
        "step",
        [declare("before"), declare("decay"), declare("update")],
        [declare("now"), declare("given")],
    )


def _reorder(weight: Tensor, order: Sequence[int]) -> np.ndarray[Any, Any]:
    """Bring the gates' rows (G·H, ...) into another order."""
    gates = np.split(weight.detach().cpu().float().numpy(), len(order))
    return np.concatenate([gates[gate] for gate in order])


def _on_top_of_each_other(builder: GraphBuilder, states: Sequence[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    known = [state for state in states if state is not None]
    if len(known) < 2:
        return known[0] if known else None
    return tuple(builder.add("Concat", parts, axis=0) for parts in zip(*known, strict=True))


def _merged(
    builder: GraphBuilder, merge: Merge, forward: str | None, backward: str | None, final_state: GraphState
) -> GraphReading:
    """Put the two directions' states (B, T, H) together into a reading."""
    if forward is None or backward is None:
        outputs = forward or backward
        assert outputs is not None
    elif merge == "concatenate":
        outputs = builder.add("Concat", [forward, backward], axis=-1)
    elif merge == "multiply":
        outputs = builder.add("Mul", [forward, backward])
    else:
        outputs = builder.add("Add", [forward, backward])
        if merge == "average":
            outputs = builder.add("Mul", [outputs, builder.constant(np.array(0.5))])
    return GraphReading(outputs, forward, backward, final_state)
