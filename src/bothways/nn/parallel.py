"""Cells whose gates see only the inputs: all matrix products come before the loop over time, which is a `scan`.

    MinGRU   z = sigmoid(W x + b),  c = W x + b,  h' = (1 - z) h + z c
    MinLSTM  f, i = sigmoid(W x + b),  c = W x + b,  h' = f / (f + i) h + i / (f + i) c
    SRU      f, r = sigmoid(W x + b),  y = W x + b,  c' = f c + (1 - f) y,  h' = r tanh(c') + (1 - r) V x

MinGRU and MinLSTM are the plain cells of Feng et al. (2024), whose h may have either sign. SRU is that of the first
version of Lei et al. (2017, arXiv:1709.02755v1): in that of 2018 its gates see c as well, element by element, which is
no linear recurrence. V is the identity where x is as wide as h, as there, and a matrix of its own elsewhere.

With `convolution` = k, x stands for the inputs of the last k steps in the reading direction, beside each other
(Bradbury et al., 2017). What the last inputs will add to the gates of the next k-1 steps is then part of the state.

The rows of a batch stand without padding, step after step (see `layout`), and both directions read the same rows.

Shapes: B sequences, T steps, N real steps of all sequences, F width of a layer's inputs, D directions, G gates,
H hidden width, L layers, P tensors of a state.
"""

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from bothways.nn import fused
from bothways.nn.cells import CellStack, Stack
from bothways.nn.chrono import check_chrono, chrono_bias
from bothways.nn.few_sizes import linear_of_rows
from bothways.nn.layout import Layout, enter_rows, lay_out, leave_rows
from bothways.nn.parallel_fused import Cell, read_fused
from bothways.nn.reader import Direction, Merge, Reading, State, check_at_least, check_inputs, sequence_dropout
from bothways.nn.recompute import read_again
from bothways.nn.scan import ends, scan
from bothways.nn.window import Window, look_back


class ParallelRecurrent(CellStack):
    """What MinGRU, MinLSTM and SRU share: their parameters, the convolution, and the way to the scan."""

    cell: Cell
    gate_names: tuple[str, ...]  # in the order of their rows in the weights
    keeping_gates: tuple[tuple[str, int], ...]  # that decide how much stays: 1, all where the gate is open; -1, nothing
    cell_parts: tuple[str, ...] = ("h",)  # the state without a convolution; its last tensor is what is scanned
    has_skip = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        direction: Direction = "forward",
        stack: Stack = "joined",
        merge: Merge = "concatenate",
        dropout: float = 0.0,
        recompute: int | None = None,
        convolution: int = 1,
        chrono: int | None = None,
    ) -> None:
        """Make the parameters, drawn as torch.nn.Linear's: uniform within 1 / sqrt(width of what they read).

        Args:
            input_size: E, width of the inputs.
            hidden_size: H, width of one direction's state.
            num_layers: L.
            bias: one bias vector a layer and direction.
            direction: "forward", "backward" or "both".
            stack: with "both", whether each layer reads both directions of the layer below ("joined") or its own
                direction only ("apart").
            merge: with "both", how the top layer's directions become `outputs`; between joined layers they are always
                concatenated.
            dropout: probability, between layers in training; one mask for all steps of a sequence.
            recompute: if given, training keeps the inputs and the states of a layer alone, and reads it again for the
                gradients: the same numbers, less memory, more time (Chen et al., 2016).
            convolution: how many steps, the last ones in the reading direction, the gates see.
            chrono: if given, the most steps that something is to be remembered for: units start with memories of 2 to
                so many steps, as those of an LSTM do (Tallec and Ollivier, 2018).

        Raises:
            SettingsError: a size or a choice that cannot be.
        """
        check_at_least("convolution", convolution, 1)
        check_chrono(chrono, bias=bias)
        self.convolution, self.chrono = convolution, chrono
        pending = tuple(f"{gate}+{ahead}" for ahead in range(1, convolution) for gate in self.gate_names)
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            parts=self.cell_parts + pending,
            bias=bias,
            direction=direction,
            stack=stack,
            merge=merge,
            dropout=dropout,
            recompute=recompute,
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for name, parameter in self.named_parameters():
            weight = self.get_parameter(name.replace("bias", "weight"))
            bound = 1 / math.sqrt(weight.shape[1])
            nn.init.uniform_(parameter, -bound, bound)
            if self.chrono is not None and name.startswith("bias"):
                memory = chrono_bias(self.chrono, self.hidden_size)
                gates = parameter.data.view(len(self.gate_names), -1)
                for gate, sign in self.keeping_gates:
                    gates[self.gate_names.index(gate)] = sign * memory

    def weights(self, layer: int, direction: str) -> dict[str, Tensor]:
        """Return one layer's parameters.

        Args:
            layer: from 0.
            direction: "forward" or "backward".

        Returns:
            "weight": W (G·H, k·F), the gates in the order of `gate_names`, the newest of the k inputs first; with bias,
            "bias": b (G·H,); of an SRU whose x is not as wide as h, "highway": V (H, F).

        Raises:
            SettingsError: the direction is not read.
        """
        return self._parameters_read(layer, direction)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None, initial_state: State | None = None) -> Reading:
        """Read every sequence of a padded batch; see `Recurrent.forward`.

        Under autocast the matrix products are cast; the state is never less exact than the weights.
        """
        lengths = check_inputs(inputs, self.input_size, lengths)
        self._check_like_weights(inputs)
        size, steps, width = inputs.shape
        layout = lay_out(lengths, steps, inputs.device, exact=True)
        ways, start = self._ways_and_start(initial_state, layout)
        plan = _plan(lengths, layout, ways, self.convolution)
        rows = enter_rows(inputs.reshape(size * steps, width), layout, "forward")

        final = list[Tensor]()
        for layer in range(self.num_layers):
            if layer and self.training and self.dropout:
                rows = rows * sequence_dropout(rows, size, self.dropout).index_select(0, layout.sequence)
            if self.recompute is None or not torch.is_grad_enabled():
                states, last = self._read(rows, layer, plan, start[:, :, layer])
            else:
                weights = [weight for way in ways for weight in self.weights(layer, way).values()]
                states, last = read_again(self._read, rows, layer, plan, start[:, :, layer], weights=weights)
            rows = states.flatten(1)
            final.append(last)

        parts = torch.stack(final, dim=2).index_select(3, layout.rank)  # (P, D, L, B, H)
        final_state = State(**{way: tuple(parts[:, number]) for number, way in enumerate(ways)})
        return self._reading(leave_rows(rows, layout, "forward").view(size, steps, -1), final_state)

    def extra_repr(self) -> str:
        """Say what was chosen."""
        return f"{super().extra_repr()}, convolution={self.convolution}"

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        below, height = self._width_below(layer), len(self.gate_names) * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight": (height, self.convolution * below)}
        if self.bias:
            shapes["bias"] = (height,)
        if self.has_skip and below != self.hidden_size:
            shapes["highway"] = (self.hidden_size, below)
        return shapes

    def _ways_and_start(self, initial_state: State | None, layout: Layout) -> tuple[list[str], Tensor]:
        """Return the directions, and the initial state (P, D, L, B, H) with the sequences in the layout's order."""
        size = len(layout.order)
        given = self._start(initial_state, size)
        kind = next(self.parameters())
        zeros = kind.new_zeros(len(self.parts), self.num_layers, size, self.hidden_size)
        start = [zeros if state is None else torch.stack(state).to(kind.dtype) for state in given.values()]
        return list(given), torch.stack(start, dim=1).index_select(3, layout.order)

    def _read(self, rows: Tensor, layer: int, plan: "_Plan", start: Tensor) -> tuple[Tensor, Tensor]:
        """Read one layer: rows (N, F) and start (P, D, B, H) -> h (N, D, H) and the final state (P, D, B, H)."""
        weights = [self.weights(layer, way) for way in plan.ways]
        is_apart = layer > 0 and self.stack == "apart"
        below = rows.chunk(len(plan.ways), dim=1) if is_apart else (rows,) * len(plan.ways)
        own = len(self.cell_parts)
        if self.convolution > 1:
            products, pending = self._convolved(below, weights, plan, start[own:])
        else:
            biases = [weight["bias"] for weight in weights] if self.bias else []
            products, pending = _product(below, [weight["weight"] for weight in weights], biases), start[own:]
        is_fused = rows.device.type == "cpu" and start.dtype == torch.float32 and fused.is_available()
        # Autocast may have cast the products, and only some loops read them as they are.
        if not (is_fused and products.dtype == torch.bfloat16 and fused.computes_bfloat16()):
            products = products.to(start.dtype)
        skip = self._skip(below, weights, products.dtype)
        if is_fused:
            states, last = read_fused(self.cell, products, skip, start[own - 1], plan.counts, plan.mirrored)
        else:
            gates = products.chunk(len(self.gate_names), dim=2)
            states, last = scan(*self._coefficients(gates), start[own - 1], plan.counts, plan.mirrored)
            states = self._outputs(states, gates, skip)
        others = [ends(states, plan.counts, plan.mirrored).to(last.dtype)] if own > 1 else []
        return states, torch.cat([torch.stack([*others, last]), pending])

    def _convolved(
        self, below: Sequence[Tensor], weights: list[dict[str, Tensor]], plan: "_Plan", pending: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return what the gates are made of, (N, D, G·H), and what waits after the end, (G·(k-1), D, B, H)."""
        count, ways, gates = len(below[0]), len(below), len(self.gate_names)
        seen = [window.of(rows) for window, rows in zip(plan.windows, below, strict=True)]
        products = _product(seen, [weight["weight"] for weight in weights]).to(pending.dtype)

        begun = torch.stack([window.begun * ways + way for way, window in enumerate(plan.windows)], dim=1)
        waiting = pending.view(-1, gates, *pending.shape[1:]).permute(3, 0, 2, 1, 4)  # (B, k-1, D, G, H)
        products.flatten(0, 1).index_add_(0, begun.flatten(), waiting.reshape(begun.numel(), -1))
        left = products[count:].view(waiting.shape).permute(1, 3, 2, 0, 4).flatten(0, 1)
        products = products[:count]
        return products + torch.stack([weight["bias"] for weight in weights]) if self.bias else products, left

    def _skip(self, below: Sequence[Tensor], weights: list[dict[str, Tensor]], kind: torch.dtype) -> Tensor | None:
        """Return what passes by the cell, (N, D, H) of a kind, if anything does."""
        if not self.has_skip:
            return None
        highways = [weight["highway"] for weight in weights if "highway" in weight]
        passing = _product(below, highways) if highways else torch.stack(list(below), dim=1)
        return passing.to(kind)

    def _coefficients(self, gates: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Make a and b of what is scanned from the gates' products, (N, D, H) each."""
        raise NotImplementedError

    def _outputs(self, states: Tensor, gates: Sequence[Tensor], skip: Tensor | None) -> Tensor:
        """Make h from what was scanned; (N, D, H) each."""
        return states


class MinGRU(ParallelRecurrent):
    """Minimal gated recurrent units (Feng et al., 2024), with the promises of `Recurrent`. The state is (h,)."""

    cell = "mingru"
    gate_names = ("z", "c")
    keeping_gates = (("z", -1),)

    def _coefficients(self, gates: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        z, c = gates
        z = z.sigmoid()
        return 1 - z, z * c


class MinLSTM(ParallelRecurrent):
    """Minimal long short-term memory (Feng et al., 2024), with the promises of `Recurrent`. The state is (h,)."""

    cell = "minlstm"
    gate_names = ("f", "i", "c")
    keeping_gates = (("f", 1), ("i", -1))

    def _coefficients(self, gates: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        f, i, c = gates
        # f / (f + i), also where both are 0 in floating point.
        keep = (functional.logsigmoid(f) - functional.logsigmoid(i)).sigmoid()
        return keep, c - keep * c


class SRU(ParallelRecurrent):
    """Simple recurrent units with highway connections (Lei et al., 2017), with the promises of `Recurrent`.

    The state is (h, c); as h is made of c and the input, only c is read from a state that is given.
    """

    cell = "sru"
    gate_names = ("f", "r", "y")
    keeping_gates = (("f", 1),)
    cell_parts = ("h", "c")
    has_skip = True

    def _coefficients(self, gates: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        f, _, y = gates
        f = f.sigmoid()
        return f, y - f * y

    def _outputs(self, states: Tensor, gates: Sequence[Tensor], skip: Tensor | None) -> Tensor:
        assert skip is not None
        return torch.lerp(skip, states.tanh(), gates[1].sigmoid())


class _Plan(NamedTuple):
    """How the rows of a batch are read."""

    ways: list[str]
    mirrored: list[bool]  # for each way, whether it reads from the last step to the first
    counts: list[int]  # the sequences at each step
    windows: list[Window]  # for each way; empty without a convolution


def _plan(lengths: Tensor, layout: Layout, ways: list[str], convolution: int) -> _Plan:
    mirrored = [way == "backward" for way in ways]
    windows = [look_back(lengths, layout, way, convolution) for way in mirrored] if convolution > 1 else []
    return _Plan(ways, mirrored, layout.batch_sizes().tolist(), windows)


def _product(inputs: Sequence[Tensor], weights: Sequence[Tensor], biases: Sequence[Tensor] = ()) -> Tensor:
    """Multiply each direction's rows (N, F) by its weights (O, F), and set them beside each other: (N, D, O)."""
    if all(rows is inputs[0] for rows in inputs):  # one large product is quicker than two
        bias = torch.cat(list(biases)) if biases else None
        product = linear_of_rows(inputs[0], torch.cat(list(weights)), bias)
        return product.view(len(product), len(inputs), -1)
    pairs = zip_longest(weights, biases)
    return torch.stack([linear_of_rows(rows, *pair) for rows, pair in zip(inputs, pairs, strict=True)], dim=1)
