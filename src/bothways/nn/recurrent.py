"""The exact recurrent layers: plain (Elman), LSTM and GRU, with torch.nn's numbers and torch.nn's parameter names.

    RNN    h' = tanh(W x + b + U h + d)                                   or relu
    LSTM   i, f, g, o = W x + b + U h + d
           c' = sigmoid(f) c + sigmoid(i) tanh(g),  h' = sigmoid(o) tanh(c')
    GRU    r, z = sigmoid(W x + b + U h + d),  n = tanh(W x + b + r (U h + d)),  h' = (1 - z) n + z h

On a CPU the compiled loops read the real steps alone (see `fused`), where they are quicker. Elsewhere torch's kernels
do: a batch without padding in one call; any other with the forward kernel, a backward reader's on the mirrored
sequence, in blocks of a padded layout (see `layout`). On CUDA that layout, without padding, is what cuDNN reads as
packed.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Self, cast, get_args

import torch
from torch import Tensor, nn
from torch.backends.cudnn import rnn as cudnn_rnn
from torch.utils.checkpoint import checkpoint

from bothways.errors import SettingsError, check_choice
from bothways.nn import fused
from bothways.nn.cells import CellStack, Stack
from bothways.nn.layout import Layout, copy_rows, enter_rows, lay_out, leave_rows, real_steps
from bothways.nn.reader import Direction, Merge, Reading, State, check_inputs, sequence_dropout

Nonlinearity = Literal["tanh", "relu"]

# Added to a gate before its sigmoid: far beyond what weights reach, so the gate is exactly 0 or 1, gradient 0.
SHUT = 1e4


class ExactRecurrent(CellStack):
    """What RNN, LSTM and GRU share: their parameters, and how the kernels are fed."""

    gates: int
    parts: tuple[str, ...] = ("h",)
    # The widest state for which the compiled loops beat torch's kernels, as benchmarks.layers measures: with gradients
    # and without.
    fused_up_to = 1024, 1024

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
    ) -> None:
        """Make the parameters, named and drawn as torch.nn's: uniform within 1 / sqrt(hidden_size).

        Args:
            input_size: E, width of the inputs.
            hidden_size: H, width of one direction's state.
            num_layers: L.
            bias: two bias vectors a layer and direction, as in torch.nn.
            direction: "forward", "backward" or "both".
            stack: with "both", whether each layer reads both directions of the layer below ("joined") or its own
                direction only ("apart").
            merge: with "both", how the top layer's directions become `outputs`; between joined layers they are always
                concatenated.
            dropout: probability, between layers in training; one mask for all steps of a sequence.
            recompute: if given, training keeps the states after every so many steps, and reads again what lies between
                them for the gradients: the same numbers, less memory and about a third more time (Chen et al., 2016).

        Raises:
            SettingsError: a size or a choice that cannot be.
        """
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            parts=self.parts,
            bias=bias,
            direction=direction,
            stack=stack,
            merge=merge,
            dropout=dropout,
            recompute=recompute,
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def weights(self, layer: int, direction: str) -> list[Tensor]:
        """Return one layer's W (G·H, E), U (G·H, H) and, with bias, b and d (G·H,), in torch.nn's order of gates."""
        return list(self._parameters_of(layer, direction).values())

    def flatten_parameters(self) -> None:
        """Lay each kernel's weights out in one piece, which cuDNN would otherwise do, and warn of, at each call."""
        for layer in range(self.num_layers):
            for way, width in (("forward", self.forward_size), ("backward", self.backward_size)):
                weights = self.weights(layer, way) if width else []
                if weights and weights[0].is_cuda and torch._use_cudnn_rnn_flatten_weight():
                    mode = cudnn_rnn.get_cudnn_mode(self._mode())  # type: ignore[no-untyped-call]
                    with torch.no_grad(), torch.cuda.device_of(weights[0]):  # type: ignore[no-untyped-call]
                        torch._cudnn_rnn_flatten_weight(
                            weights, len(weights), weights[0].shape[1], mode, width, 0, 1, False, False
                        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.flatten_parameters()
        return self

    def forward(self, inputs: Tensor, lengths: Tensor | None = None, initial_state: State | None = None) -> Reading:
        """Read every sequence of a padded batch; see `Recurrent.forward`."""
        lengths = check_inputs(inputs, self.input_size, lengths)
        self._check_dtype(inputs)
        size, steps, width = inputs.shape
        start = self._start(initial_state, size)
        if self._is_fused(inputs):
            return self._forward_fused(inputs, lengths, start)
        if self._is_whole(inputs, lengths):
            return self._forward_whole(inputs, start)
        layout = lay_out(lengths, steps, inputs.device, exact=self._is_packed(inputs) or not self._bounded())
        flat = inputs.reshape(size * steps, width)
        rows = {way: enter_rows(flat, layout, way) for way in start}
        final: dict[str, list[tuple[Tensor, ...]]] = {way: [] for way in start}

        for layer in range(self.num_layers):
            if layer:
                rows = self._between(rows, layout)
            for way, states in start.items():
                state = None if states is None else tuple(part[layer] for part in states)
                rows[way], last = self._read(rows[way], layout, self.weights(layer, way), state)
                final[way].append(last)

        final_state = State(**{way: tuple(map(torch.stack, zip(*last, strict=True))) for way, last in final.items()})
        read = {way: leave_rows(states, layout, way).view(size, steps, -1) for way, states in rows.items()}
        return self.merged(read.get("forward"), read.get("backward"), final_state)

    def _is_fused(self, inputs: Tensor) -> bool:
        """Whether the compiled loops read this batch: on a CPU, in float32, where they beat torch's kernels."""
        return (
            inputs.device.type == "cpu"
            and inputs.dtype == torch.float32
            and next(self.parameters()).dtype == torch.float32
            and self.hidden_size <= self.fused_up_to[0 if torch.is_grad_enabled() else 1]
            and not _casts_for_kernels()
            and fused.is_available()
        )

    def _is_whole(self, inputs: Tensor, lengths: Tensor) -> bool:
        """Whether torch's kernel reads all layers of this batch in one call on a CPU: there is no padding to mind."""
        return (
            inputs.device.type == "cpu"
            and int(lengths.min()) == inputs.shape[1]
            and self.direction != "backward"
            and (self.num_layers == 1 or self.direction == "forward" or self.stack == "joined")
            and not (self.num_layers > 1 and self.training and self.dropout)
            and (self.recompute is None or not torch.is_grad_enabled())
        )

    def _forward_whole(self, inputs: Tensor, start: dict[str, tuple[Tensor, ...] | None]) -> Reading:
        """Read a batch without padding as torch.nn does."""
        weights = [weight for layer in range(self.num_layers) for way in start for weight in self.weights(layer, way)]
        kind = weights[0]
        zeros = kind.new_zeros(self.num_layers, len(inputs), self.hidden_size)
        given = [(zeros,) * len(self.parts) if states is None else states for states in start.values()]
        # Layer by layer, and in each the directions one after the other.
        state = tuple(torch.stack(part, dim=1).flatten(0, 1).to(kind.dtype) for part in zip(*given, strict=True))
        with _autocast_where_kernels_can(inputs.device):
            outputs, last = self._call(
                inputs.to(kind.dtype).transpose(0, 1), state, weights, layers=self.num_layers, both=len(start) == 2
            )
        apart = [part.reshape(self.num_layers, len(start), *part.shape[1:]).unbind(1) for part in last]
        final = State(**{way: tuple(part[number] for part in apart) for number, way in enumerate(start)})
        return self._reading(outputs.transpose(0, 1), final)

    def _forward_fused(self, inputs: Tensor, lengths: Tensor, start: dict[str, tuple[Tensor, ...] | None]) -> Reading:
        """Read with the compiled loops, see `fused`: all directions of a layer at once, and no padding."""
        size, steps, _ = inputs.shape
        real = real_steps(lengths, steps)
        plan = fused.make_plan(lengths, len(start))
        rows = real.of(inputs)
        final: dict[str, list[tuple[Tensor, ...]]] = {way: [] for way in start}
        zeros = tuple(rows.new_zeros(size, self.hidden_size) for _ in self.parts)

        with torch.autocast("cpu", enabled=False):
            for layer in range(self.num_layers):
                if layer and self.training and self.dropout:
                    rows = rows * sequence_dropout(rows, size, self.dropout).index_select(0, real.sequence)
                ways = []
                for way, states in start.items():
                    state = zeros if states is None else tuple(part[layer].to(rows.dtype) for part in states)
                    ways.append(fused.Way(way == "backward", self.weights(layer, way), state))
                apart = layer > 0 and self.stack == "apart"
                cell = cast("fused.Cell", self._mode().lower())
                rows, last = fused.read_layer(cell, rows, plan, ways, apart=apart, recompute=self.recompute)
                for way, state in zip(start, last, strict=True):
                    final[way].append(state)

        final_state = State(**{way: tuple(map(torch.stack, zip(*last, strict=True))) for way, last in final.items()})
        return self._reading(real.back(rows, size), final_state)

    def to_torch(self) -> nn.RNNBase:
        """Return a torch.nn module with a copy of the weights; it reads (B, T, E) and gives (B, T, D·H).

        Dropout becomes torch's: another mask at each step.

        Raises:
            SettingsError: torch.nn has no such reader (backward only, layers apart, or merged otherwise).
        """
        apart = self.direction == "both" and self.stack == "apart" and self.num_layers > 1
        if self.direction == "backward" or apart or (self.direction == "both" and self.merge != "concatenate"):
            raise SettingsError(
                f"direction {self.direction!r}, stack {self.stack!r}, merge {self.merge!r} has no torch.nn module. "
                "It needs direction 'forward', or 'both' with stack 'joined' and merge 'concatenate'."
            )
        options: dict[str, Any] = {
            "num_layers": self.num_layers,
            "bias": self.bias,
            "batch_first": True,
            "dropout": self.dropout if self.num_layers > 1 else 0.0,
            "bidirectional": self.direction == "both",
        }
        module = self._torch_module(options)
        first = next(self.parameters())
        module = module.to(first.device, first.dtype)
        module.load_state_dict(self.state_dict())
        return module.train(self.training)

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        height = self.gates * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (height, self._width_below(layer)),
            "weight_hh": (height, self.hidden_size),
        }
        return shapes | ({"bias_ih": (height,), "bias_hh": (height,)} if self.bias else {})

    def _between(self, rows: dict[str, Tensor], layout: Layout) -> dict[str, Tensor]:
        """Turn one layer's states into the rows that each direction of the next layer reads."""
        if self.stack == "apart" or len(rows) == 1:
            return {way: self._drop(states, layout) for way, states in rows.items()}
        leftward = copy_rows(rows["backward"], layout.mirror, layout.mirror)
        below = self._drop(torch.cat([rows["forward"], leftward], dim=1), layout)
        return {"forward": below, "backward": copy_rows(below, layout.mirror, layout.mirror)}

    def _drop(self, rows: Tensor, layout: Layout) -> Tensor:
        """Drop the same features at all steps of a sequence, in training."""
        if not (self.training and self.dropout):
            return rows
        mask = sequence_dropout(rows, len(layout.order), self.dropout)
        return rows * mask.index_select(0, layout.sequence)

    def _read(
        self, rows: Tensor, layout: Layout, weights: list[Tensor], start: tuple[Tensor, ...] | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run one layer in one direction over rows (N, F) -> states (N, H), and the final state (B, H) of each part."""
        kind = weights[0]
        # Autocast casts again where it wants to; without it the kernels need one dtype.
        rows = rows.to(kind.dtype)
        if start is None:
            state = tuple(kind.new_zeros(1, len(layout.order), self.hidden_size) for _ in self.parts)
        else:
            state = tuple(part.to(kind.dtype).index_select(0, layout.order)[None] for part in start)
        if layout.padding is not None:
            rows, weights = self._guarded(rows, layout.padding, weights)
        with _autocast_where_kernels_can(rows.device):
            if self._is_packed(rows):
                states, state = self._call(rows, state, weights, layout.batch_sizes())
            else:
                states, state = self._read_blocks(rows, layout, weights, state)
        # At the end of a block h is whatever padding made of it; the other parts are held through the padding.
        others = (part[0].index_select(0, layout.rank) for part in state[1:])
        return states, (states.index_select(0, layout.last), *others)

    def _read_blocks(
        self, rows: Tensor, layout: Layout, weights: list[Tensor], state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run the kernel block by block; sequences that have ended leave with their state."""
        outputs, ended = list[Tensor](), list[tuple[Tensor, ...]]()
        again = self.recompute if torch.is_grad_enabled() else None
        for block in layout.blocks(rows, at_most=again):
            steps, count, _ = block.shape
            if count < state[0].shape[1]:
                ended.append(tuple(part[:, count:] for part in state))
                state = tuple(part[:, :count].contiguous() for part in state)
            if again is None:
                states, state = self._call(block, state, weights)
            else:
                states, state = checkpoint(self._call, block, state, weights, use_reentrant=False)
            outputs.append(states.reshape(steps * count, self.hidden_size))
        final = tuple(torch.cat(parts, dim=1) for parts in zip(state, *reversed(ended), strict=True))
        return torch.cat(outputs), final

    def _is_packed(self, rows: Tensor) -> bool:
        """Whether cuDNN reads all steps in one call."""
        return rows.is_cuda and self.recompute is None

    def _guarded(self, rows: Tensor, padding: Tensor, weights: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Keep padding inside blocks from touching what outlives it."""
        return rows, weights

    def _bounded(self) -> bool:
        """Whether states stay finite whatever is read, so that reading zeros after the last step is harmless."""
        return True

    def _call(
        self,
        steps: Tensor,
        state: tuple[Tensor, ...],
        weights: list[Tensor],
        batch_sizes: Tensor | None = None,
        *,
        layers: int = 1,
        both: bool = False,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run torch's kernel on a block (steps, rows, F), or on packed rows (N, F) with batch_sizes.

        The kernel is told that it trains whenever gradients are wanted: it keeps what backward needs only then.
        """
        raise NotImplementedError

    def _mode(self) -> str:
        """Return the name of the kernel for cuDNN."""
        return type(self).__name__.upper()

    def _torch_module(self, options: dict[str, Any]) -> nn.RNNBase:
        raise NotImplementedError


class RNN(ExactRecurrent):
    """Plain recurrent layers (Elman, 1990), with the promises of `Recurrent`. The state is (h,)."""

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: Nonlinearity = "tanh",
        bias: bool = True,
        direction: Direction = "forward",
        stack: Stack = "joined",
        merge: Merge = "concatenate",
        dropout: float = 0.0,
        recompute: int | None = None,
    ) -> None:
        """Make the parameters; see `ExactRecurrent`. `nonlinearity` is "tanh" or "relu"."""
        check_choice("nonlinearity", nonlinearity, get_args(Nonlinearity))
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            direction=direction,
            stack=stack,
            merge=merge,
            dropout=dropout,
            recompute=recompute,
        )
        self.nonlinearity: Nonlinearity = nonlinearity

    def extra_repr(self) -> str:
        """Say what was chosen."""
        return f"{super().extra_repr()}, nonlinearity={self.nonlinearity}"

    def _bounded(self) -> bool:
        return self.nonlinearity == "tanh"

    def _mode(self) -> str:
        return f"RNN_{self.nonlinearity.upper()}"

    def _call(
        self,
        steps: Tensor,
        state: tuple[Tensor, ...],
        weights: list[Tensor],
        batch_sizes: Tensor | None = None,
        *,
        layers: int = 1,
        both: bool = False,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        kernel = torch.rnn_tanh if self.nonlinearity == "tanh" else torch.rnn_relu
        training = torch.is_grad_enabled()
        if batch_sizes is None:
            outputs, h = kernel(steps, state[0], weights, self.bias, layers, 0.0, training, both, False)
        else:
            outputs, h = kernel(steps, batch_sizes, state[0], weights, self.bias, layers, 0.0, training, both)
        return outputs, (h,)

    def _torch_module(self, options: dict[str, Any]) -> nn.RNNBase:
        return nn.RNN(self.input_size, self.hidden_size, nonlinearity=self.nonlinearity, **options)


class GRU(ExactRecurrent):
    """Gated recurrent units (Cho et al., 2014; the reset gate after the product, as in cuDNN). The state is (h,)."""

    gates = 3

    def _call(
        self,
        steps: Tensor,
        state: tuple[Tensor, ...],
        weights: list[Tensor],
        batch_sizes: Tensor | None = None,
        *,
        layers: int = 1,
        both: bool = False,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        training = torch.is_grad_enabled()
        if batch_sizes is None:
            outputs, h = torch.gru(steps, state[0], weights, self.bias, layers, 0.0, training, both, False)
        else:
            outputs, h = torch.gru(steps, batch_sizes, state[0], weights, self.bias, layers, 0.0, training, both)
        return outputs, (h,)

    def _torch_module(self, options: dict[str, Any]) -> nn.RNNBase:
        return nn.GRU(self.input_size, self.hidden_size, **options)


class LSTM(ExactRecurrent):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997; Gers et al., 2000). The state is (h, c)."""

    gates = 4
    parts = ("h", "c")
    fused_up_to = 256, 0

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
        forget_bias: float | None = None,
    ) -> None:
        """Make the parameters; see `ExactRecurrent`.

        `forget_bias`, if given, is where the forget gate's bias starts: 1 lets early gradients reach far steps
        (Jozefowicz et al., 2015). None draws it like the other parameters, as torch.nn does.
        """
        if forget_bias is not None and not bias:
            raise SettingsError(f"forget_bias is {forget_bias}, but bias is False. Leave forget_bias out (None).")
        self.forget_bias = forget_bias
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            direction=direction,
            stack=stack,
            merge=merge,
            dropout=dropout,
            recompute=recompute,
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        super().reset_parameters()
        if self.forget_bias is None:
            return
        forget = slice(self.hidden_size, 2 * self.hidden_size)
        for name, parameter in self.named_parameters():
            if name.startswith("bias"):
                nn.init.constant_(parameter[forget], self.forget_bias if name.startswith("bias_ih") else 0.0)

    def _guarded(self, rows: Tensor, padding: Tensor, weights: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Add an input that is 1 on padding and there shuts the input gate and opens the forget gate: c' = c exactly.

        The kernel gives c only at the end of a block, and c cannot be found from h.
        """
        hold = weights[0].new_zeros(4 * self.hidden_size, 1)
        hold[: self.hidden_size] = -SHUT
        hold[self.hidden_size : 2 * self.hidden_size] = SHUT
        rows = torch.cat([rows, padding[:, None].to(rows.dtype)], dim=1)
        return rows, [torch.cat([weights[0], hold], dim=1), *weights[1:]]

    def _call(
        self,
        steps: Tensor,
        state: tuple[Tensor, ...],
        weights: list[Tensor],
        batch_sizes: Tensor | None = None,
        *,
        layers: int = 1,
        both: bool = False,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        training = torch.is_grad_enabled()
        if batch_sizes is None:
            outputs, h, c = torch.lstm(steps, state, weights, self.bias, layers, 0.0, training, both, False)
        else:
            outputs, h, c = torch.lstm(steps, batch_sizes, state, weights, self.bias, layers, 0.0, training, both)
        return outputs, (h, c)

    def _torch_module(self, options: dict[str, Any]) -> nn.RNNBase:
        return nn.LSTM(self.input_size, self.hidden_size, **options)


def from_torch(module: nn.RNNBase) -> RNN | LSTM | GRU:
    """Return our reader with a copy of a torch.nn.RNN's, LSTM's or GRU's weights; it gives the same numbers.

    Dropout becomes ours: one mask for all steps of a sequence.

    Raises:
        SettingsError: another module, or an LSTM with projections.
    """
    options: dict[str, Any] = {
        "input_size": getattr(module, "input_size", 0),
        "hidden_size": getattr(module, "hidden_size", 0),
        "num_layers": getattr(module, "num_layers", 0),
        "bias": getattr(module, "bias", True),
        "direction": "both" if getattr(module, "bidirectional", False) else "forward",
        "dropout": float(getattr(module, "dropout", 0.0)),
    }
    reader: RNN | LSTM | GRU
    if isinstance(module, nn.LSTM) and not module.proj_size:
        reader = LSTM(**options)
    elif isinstance(module, nn.GRU):
        reader = GRU(**options)
    elif isinstance(module, nn.RNN):
        reader = RNN(**options, nonlinearity=module.nonlinearity)
    else:
        raise SettingsError(
            f"module is {module}, but it must be a torch.nn.RNN, LSTM or GRU without projections (proj_size=0)."
        )
    first = next(module.parameters())
    reader = reader.to(first.device, first.dtype)
    reader.load_state_dict(module.state_dict())
    return reader.train(module.training)


def _casts_for_kernels() -> bool:
    """Whether autocast is on and torch's CPU kernels can follow: the LSTM's refuses bfloat16 without AVX512.

    Only bfloat16 is worth having on a CPU; float16 is left as well.
    """
    wanted = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    return wanted and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _autocast_where_kernels_can(device: torch.device) -> AbstractContextManager[object]:
    """Leave autocast on the CPU where its kernels cannot follow."""
    if device.type != "cpu" or not torch.is_autocast_enabled("cpu") or _casts_for_kernels():
        return nullcontext()
    return torch.autocast("cpu", enabled=False)
