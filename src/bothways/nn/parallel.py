"""Cells whose gates see only the inputs: all matrix products come before the loop over time, which is a `scan`.

    MinGRU   z = sigmoid(W x + b),  c = W x + b,  h' = (1 - z) h + z c
    MinLSTM  f, i = sigmoid(W x + b),  c = W x + b,  h' = f / (f + i) h + i / (f + i) c
    SRU      f, r = sigmoid(W x + b),  y = W x + b,  c' = f c + (1 - f) y,  h' = r tanh(c') + (1 - r) V x

MinGRU and MinLSTM are the plain cells of Feng et al. (2024), whose h may have either sign. SRU is that of the first
version of Lei et al. (2017, arXiv:1709.02755v1): since the version of 2018 its gates see c as well, element by element,
which is no linear recurrence. V is the identity where x is as wide as h, as there, and a matrix of its own elsewhere.

With `convolution` = k, x stands for the inputs of the last k steps in the reading direction, beside each other
(Bradbury et al., 2017). What the last inputs will add to the gates of the next k-1 steps is then part of the state.

The rows of a batch stand without padding, step after step (see `layout`), and both directions read the same rows.
"""

import math
from typing import NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from bothways.errors import DataError, check_choice
from bothways.nn import fused
from bothways.nn.layout import Layout, enter_rows, lay_out, leave_rows
from bothways.nn.reader import (
    Direction,
    Merge,
    Reading,
    Recurrent,
    State,
    check_at_least,
    check_inputs,
    check_probability,
    check_state,
    sequence_dropout,
)
from bothways.nn.recurrent import Stack
from bothways.nn.scan import Cell, ends, read_fused, scan


class ParallelRecurrent(Recurrent):
    """What MinGRU, MinLSTM and SRU share: stacking, directions, dropout, convolution, and the roads of the scan."""

    cell: Cell
    gates: tuple[str, ...]  # in the order of their rows in the weights
    cell_parts: tuple[str, ...] = ("h",)  # the last one is what is scanned
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
        convolution: int = 1,
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
            convolution: how many steps, the last ones in the reading direction, the gates see.

        Raises:
            SettingsError: a size or a choice that cannot be.
        """
        check_at_least("hidden_size", hidden_size, 1)
        check_at_least("convolution", convolution, 1)
        check_choice("direction", direction, get_args(Direction))
        check_choice("stack", stack, get_args(Stack))
        check_probability("dropout", dropout)
        pending = tuple(f"{gate}+{ahead}" for ahead in range(1, convolution) for gate in self.gates)
        self.parts = self.cell_parts + pending
        super().__init__(
            input_size=input_size,
            forward_size=0 if direction == "backward" else hidden_size,
            backward_size=0 if direction == "forward" else hidden_size,
            num_layers=num_layers,
            merge=merge,
            forward_parts=self.parts,
            backward_parts=self.parts,
        )
        self.hidden_size = hidden_size
        self.bias = bias
        self.stack: Stack = stack
        self.dropout = dropout
        self.convolution = convolution
        for layer in range(num_layers):
            for suffix in ("", "_reverse") if direction == "both" else ("",):
                for name, shape in self._shapes(layer).items():
                    self.register_parameter(f"{name}_l{layer}{suffix}", nn.Parameter(torch.empty(shape)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for name, parameter in self.named_parameters():
            weight = self.get_parameter(name.replace("bias", "weight"))
            bound = 1 / math.sqrt(weight.shape[1])
            nn.init.uniform_(parameter, -bound, bound)

    def weights(self, layer: int, direction: str) -> dict[str, Tensor]:
        """Return one layer's parameters.

        Args:
            layer: from 0.
            direction: "forward" or "backward".

        Returns:
            "weight": W (G·H, k·F), the gates in the order of `gates`, the newest of the k inputs first; with bias,
            "bias": b (G·H,); of an SRU whose x is not as wide as h, "highway": V (H, F).
        """
        suffix = "_reverse" if direction == "backward" and self.direction == "both" else ""
        return {name: self.get_parameter(f"{name}_l{layer}{suffix}") for name in self._shapes(layer)}

    def forward(self, inputs: Tensor, lengths: Tensor | None = None, initial_state: State | None = None) -> Reading:
        """Read every sequence of a padded batch; see `Recurrent.forward`.

        Under autocast the matrix products are cast; the state is never less exact than the weights.
        """
        lengths = check_inputs(inputs, self.input_size, lengths)
        self._check_dtype(inputs)
        size, steps, width = inputs.shape
        kind = next(self.parameters()).dtype
        layout = lay_out(lengths, steps, inputs.device, exact=True)
        start = self._start(initial_state, layout, kind)
        ways = [way for way, wide in (("forward", self.forward_size), ("backward", self.backward_size)) if wide]
        rows = enter_rows(inputs.reshape(size * steps, width), layout, "forward")
        plan = _plan(lengths, layout, ways, self.convolution)

        final = list[Tensor]()
        for layer in range(self.num_layers):
            if layer and self.training and self.dropout:
                rows = rows * sequence_dropout(rows, size, self.dropout).index_select(0, layout.sequence)
            states, last = self._read(rows, layer, plan, start[:, :, layer])
            rows = states.view(len(states), -1)
            final.append(last)

        # (P, D, L, B, H), in the order of the batch
        parts = torch.stack(final, dim=2).index_select(3, layout.rank)
        final_state = State(**{way: tuple(parts[:, number]) for number, way in enumerate(ways)})
        outputs = leave_rows(rows, layout, "forward").view(size, steps, -1)
        apart = dict(zip(ways, outputs.chunk(len(ways), dim=2), strict=True))
        if len(ways) == 2 and self.merge == "concatenate":
            return Reading(outputs, apart["forward"], apart["backward"], final_state)
        return self.merged(apart.get("forward"), apart.get("backward"), final_state)

    def extra_repr(self) -> str:
        """Say what was chosen."""
        both = f", stack={self.stack}, merge={self.merge}" if self.direction == "both" else ""
        return (
            f"input_size={self.input_size}, hidden_size={self.hidden_size}, num_layers={self.num_layers}, "
            f"bias={self.bias}, direction={self.direction}{both}, dropout={self.dropout}, "
            f"convolution={self.convolution}"
        )

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        below = self.input_size if layer == 0 else self.hidden_size
        if layer and self.direction == "both" and self.stack == "joined":
            below *= 2
        height = len(self.gates) * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight": (height, self.convolution * below)}
        if self.bias:
            shapes["bias"] = (height,)
        if self.has_skip and below != self.hidden_size:
            shapes["highway"] = (self.hidden_size, below)
        return shapes

    def _start(self, initial_state: State | None, layout: Layout, kind: torch.dtype) -> Tensor:
        """Return the initial state (P, D, L, B, H), checked, the sequences in the layout's order."""
        given = initial_state or State()
        size = len(layout.order)
        start = list[Tensor]()
        for way, width in (("forward", self.forward_size), ("backward", self.backward_size)):
            state = getattr(given, way)
            if width:
                check_state(way, state, self.parts, (self.num_layers, size, width))
                zeros = torch.zeros(len(self.parts), self.num_layers, size, width, device=layout.order.device)
                start.append((zeros if state is None else torch.stack(state)).to(kind))
            elif state is not None:
                raise DataError(
                    f"initial_state.{way} is given, but direction is {self.direction!r}. Leave it out (None)."
                )
        return torch.stack(start, dim=1).index_select(3, layout.order)

    def _check_dtype(self, inputs: Tensor) -> None:
        """Refuse inputs of another precision than the weights, unless autocast bridges them."""
        kind = next(self.parameters()).dtype
        if inputs.dtype != kind and not torch.is_autocast_enabled(inputs.device.type):
            here, there = str(inputs.dtype).removeprefix("torch."), str(kind).removeprefix("torch.")
            raise DataError(
                f"inputs is {here} {tuple(inputs.shape)}, but the weights are {there}. Use the same for both."
            )

    def _read(self, rows: Tensor, layer: int, plan: "_Plan", start: Tensor) -> tuple[Tensor, Tensor]:
        """Read one layer: rows (N, F) and start (P, D, B, H) -> states (N, D, H) and the final state (P, D, B, H)."""
        weights = [self.weights(layer, way) for way in plan.ways]
        apart = layer > 0 and self.stack == "apart" and len(plan.ways) == 2
        below = rows.view(len(rows), len(plan.ways), -1).unbind(1) if apart else (rows,) * len(plan.ways)
        kind, own = weights[0]["weight"].dtype, len(self.cell_parts)

        pending = start[:0]
        if self.convolution > 1:
            gates, pending = self._convolved(below, weights, plan, start[own:])
        elif apart:
            products = [functional.linear(x, w["weight"], w.get("bias")) for x, w in zip(below, weights, strict=True)]
            gates = torch.stack(products, dim=1).to(kind)
        else:
            bias = torch.cat([w["bias"] for w in weights]) if self.bias else None
            gates = functional.linear(rows, torch.cat([w["weight"] for w in weights]), bias).to(kind)
        gates = gates.view(len(rows), len(plan.ways), -1)

        skip = None
        if self.has_skip:
            skip = torch.stack(below, dim=1)
            if "highway" in weights[0]:
                skip = functional.linear(rows, torch.cat([w["highway"] for w in weights]))
            skip = skip.to(kind).view(len(rows), len(plan.ways), -1)

        if rows.device.type == "cpu" and kind == torch.float32 and fused.is_available():
            states, last = read_fused(self.cell, gates, skip, start[own - 1], plan.counts, plan.mirrored)
        else:
            split = gates.view(len(rows), len(plan.ways), len(self.gates), -1)
            states, last = self._scan(split, skip, start[own - 1], plan.counts, plan.mirrored)
        others = [ends(states, plan.counts, plan.mirrored)] if own > 1 else []
        return states, torch.cat([torch.stack([*others, last]), pending])

    def _convolved(
        self, below: tuple[Tensor, ...], weights: list[dict[str, Tensor]], plan: "_Plan", pending: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return what the gates are made of, (N, D, G·H), and what waits after the end, as it came: (P, D, B, H)."""
        count, size = len(below[0]), plan.counts[0]
        gates, waiting = list[Tensor](), list[Tensor]()
        for way, (rows, weight) in enumerate(zip(below, weights, strict=True)):
            window = plan.windows[way]
            seen = torch.cat([rows, rows.new_zeros(1, rows.shape[1])]).index_select(0, window.source)
            products = functional.linear(seen.view(len(window.source) // self.convolution, -1), weight["weight"])
            products = products.to(pending.dtype)
            before = pending[:, way].view(self.convolution - 1, len(self.gates), size, -1).permute(2, 0, 1, 3)
            products = products.index_add(0, window.waiting, before.reshape(len(window.waiting), -1))
            after = products[count:].view(size, self.convolution - 1, len(self.gates), -1).permute(1, 2, 0, 3)
            gates.append(products[:count] + weight["bias"] if self.bias else products[:count])
            waiting.append(after.flatten(0, 1))
        return torch.stack(gates, dim=1), torch.stack(waiting, dim=1)

    def _scan(
        self, gates: Tensor, skip: Tensor | None, start: Tensor, counts: list[int], mirrored: list[bool]
    ) -> tuple[Tensor, Tensor]:
        """Turn gates (N, D, G, H) into h (N, D, H) and the scanned part's final state (D, B, H), in torch."""
        raise NotImplementedError


class MinGRU(ParallelRecurrent):
    """Minimal gated recurrent units (Feng et al., 2024), with the promises of `Recurrent`. The state is (h,)."""

    cell = "mingru"
    gates = ("z", "c")

    def _scan(
        self, gates: Tensor, skip: Tensor | None, start: Tensor, counts: list[int], mirrored: list[bool]
    ) -> tuple[Tensor, Tensor]:
        z, c = gates.unbind(2)
        z = z.sigmoid()
        return scan(1 - z, z * c, start, counts, mirrored)


class MinLSTM(ParallelRecurrent):
    """Minimal long short-term memory (Feng et al., 2024), with the promises of `Recurrent`. The state is (h,)."""

    cell = "minlstm"
    gates = ("f", "i", "c")

    def _scan(
        self, gates: Tensor, skip: Tensor | None, start: Tensor, counts: list[int], mirrored: list[bool]
    ) -> tuple[Tensor, Tensor]:
        f, i, c = gates.unbind(2)
        # f / (f + i), also where both are 0 in floating point.
        keep = (functional.logsigmoid(f) - functional.logsigmoid(i)).sigmoid()
        return scan(keep, c - keep * c, start, counts, mirrored)


class SRU(ParallelRecurrent):
    """Simple recurrent units with highway connections (Lei et al., 2017), with the promises of `Recurrent`.

    The state is (h, c); as h is made of c and the input, only c is read from a state that is given.
    """

    cell = "sru"
    gates = ("f", "r", "y")
    cell_parts = ("h", "c")
    has_skip = True

    def _scan(
        self, gates: Tensor, skip: Tensor | None, start: Tensor, counts: list[int], mirrored: list[bool]
    ) -> tuple[Tensor, Tensor]:
        assert skip is not None
        f, r, y = gates.unbind(2)
        f = f.sigmoid()
        cells, last = scan(f, y - f * y, start, counts, mirrored)
        return torch.lerp(skip, cells.tanh(), r.sigmoid()), last


class _Window(NamedTuple):
    """Where a convolution finds its inputs: for the N rows, then for the k-1 steps after each sequence's end."""

    source: Tensor  # int64 ((N + B·(k-1))·k,), the row of each input, the newest first; N where there is none
    waiting: Tensor  # int64 (B·(k-1),), where what waits from before the start is added


class _Plan(NamedTuple):
    """How the rows of a batch are read."""

    ways: list[str]
    mirrored: list[bool]
    counts: list[int]  # the sequences at each step
    windows: list[_Window]  # for each way; empty without a convolution


def _plan(lengths: Tensor, layout: Layout, ways: list[str], convolution: int) -> _Plan:
    counts = layout.batch_sizes()
    mirrored = [way == "backward" for way in ways]
    windows = [_window(lengths, layout, counts, way, convolution) for way in mirrored] if convolution > 1 else []
    return _Plan(ways, mirrored, counts.tolist(), windows)


def _window(lengths: Tensor, layout: Layout, counts: Tensor, mirrored: bool, convolution: int) -> _Window:
    """Plan a convolution over `convolution` steps in one direction; `counts` is int64 (T,) on the CPU."""
    firsts = counts.cumsum(0) - counts
    length = lengths[layout.order.cpu()]  # (B,), the longest first
    ahead = torch.arange(convolution - 1)
    total = int(counts.sum())

    def row(place: Tensor, read: Tensor) -> Tensor:
        """Find the row of a sequence's n-th read step."""
        step = length[place] - 1 - read if mirrored else read
        return firsts[step.clamp(0, len(firsts) - 1)] + place

    step = torch.repeat_interleave(torch.arange(len(counts)), counts)
    place = torch.arange(total) - firsts[step]
    read = length[place] - 1 - step if mirrored else step
    place = torch.cat([place, torch.arange(len(length)).repeat_interleave(convolution - 1)])
    read = torch.cat([read, (length[:, None] + ahead).flatten()])

    seen = read[:, None] - torch.arange(convolution)  # (N + B·(k-1), k)
    known = (seen >= 0) & (seen < length[place][:, None])
    source = torch.where(known, row(place[:, None].expand_as(seen), seen), total)

    sequence = torch.arange(len(length))[:, None].expand(-1, convolution - 1)
    after = total + sequence * (convolution - 1) + ahead - length[:, None]
    waiting = torch.where(ahead < length[:, None], row(sequence, ahead.expand_as(sequence)), after)
    device = layout.order.device
    return _Window(source.flatten().to(device), waiting.flatten().to(device))
