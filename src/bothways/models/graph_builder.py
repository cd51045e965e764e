"""A graph of ONNX operators, collected node by node, and what every recurrent part of one needs.

Shapes: B sequences, T steps, F width of what a step holds, H hidden width, L layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import Tensor

from bothways.nn import Merge

if TYPE_CHECKING:
    from onnx import ModelProto

# The oldest that has every operator as used here, with the oldest file format that allows it.
OPSET = 17
IR_VERSION = 8


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


def add_mask(builder: GraphBuilder, outputs: str, lengths: str) -> str:
    """Tell real steps from padding: (B, T, F) and int64 (B,) -> bool (B, T, 1), True where real."""
    steps = builder.add("Gather", [builder.add("Shape", [outputs]), builder.constant(np.array(1))])
    zero, one = builder.constant(np.array(0)), builder.constant(np.array(1))
    here = builder.add("Range", [zero, steps, one])
    is_here = builder.add("Less", [here, builder.add("Unsqueeze", [lengths, builder.integers(1)])])
    return builder.add("Unsqueeze", [is_here, builder.integers(2)])


def on_top_of_each_other(builder: GraphBuilder, states: Sequence[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    """Join layers' states (L, B, H), the lowest first; None stands for a direction that is not read."""
    known = [state for state in states if state is not None]
    if len(known) < 2:
        return known[0] if known else None
    return tuple(builder.add("Concat", parts, axis=0) for parts in zip(*known, strict=True))


def merged(
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
