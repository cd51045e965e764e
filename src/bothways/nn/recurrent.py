"""The exact recurrent layers: plain (Elman), LSTM and GRU, with torch.nn's numbers and torch.nn's parameter names.

    RNN    h' = tanh(W x + b + U h + d)                                   or relu
    LSTM   i, f, g, o = W x + b + U h + d
           c' = sigmoid(f) c + sigmoid(i) tanh(g),  h' = sigmoid(o) tanh(c')
    GRU    r, z = sigmoid(W x + b + U h + d),  n = tanh(W x + b + r (U h + d)),  h' = (1 - z) n + z h

The layers hold the parameters and choose who reads: on a CPU the compiled loops (see `fused`), in float32 or bfloat16,
and elsewhere torch's kernels (see `torch_kernels`).
"""

import math
from collections.abc import Callable
from itertools import chain
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from bothways.errors import SettingsError, check_choice
from bothways.nn import fused, torch_kernels
from bothways.nn.cells import CellStack, Stack
from bothways.nn.chrono import check_chrono, chrono_bias, pairs_of_biases
from bothways.nn.layers import Cell, Layers
from bothways.nn.reader import Direction, Merge, Reading, State, check_inputs, check_probability

Nonlinearity = Literal["tanh", "relu"]


class ExactRecurrent(CellStack):
    """What RNN, LSTM and GRU share: their parameters, and who reads with them."""

    gates: int
    parts: tuple[str, ...] = ("h",)
    float32_up_to: int | None = None  # the widest state that the loops read in float32, where torch's kernel is quicker

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
        weight_dropout: float = 0.0,
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
            weight_dropout: probability, on the recurrent weights U in training (DropConnect: Wan et al., 2013; Merity
                et al., 2018); one mask for all steps and sequences of a call, drawn anew at each call.
            recompute: if given, training keeps the states after every so many steps, and reads again what lies between
                them for the gradients: the same numbers in less memory, and up to half as much time again (Chen et
                al., 2016).

        Raises:
            SettingsError: a size or a choice that cannot be.
        """
        check_probability("weight_dropout", weight_dropout)
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
        self.weight_dropout = weight_dropout

    def extra_repr(self) -> str:
        """Say what was chosen."""
        return f"{super().extra_repr()}, weight_dropout={self.weight_dropout}"

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def weights(self, layer: int, direction: str) -> list[Tensor]:
        """Return one layer's W (G·H, E), U (G·H, H) and, with bias, b and d (G·H,), in torch.nn's order of gates.

        Raises:
            SettingsError: the direction is not read.
        """
        return list(self._parameters_read(layer, direction).values())

    def flatten_parameters(self) -> None:
        """Lay each kernel's weights out in one piece, which cuDNN would otherwise do, and warn of, at each call."""
        for layer in range(self.num_layers):
            for way, width in (("forward", self.forward_size), ("backward", self.backward_size)):
                if width:
                    torch_kernels.flatten_weights(self.cell, self.weights(layer, way))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.flatten_parameters()
        return self

    def forward(self, inputs: Tensor, lengths: Tensor | None = None, initial_state: State | None = None) -> Reading:
        """Read every sequence of a padded batch; see `Recurrent.forward`."""
        lengths = check_inputs(inputs, self.input_size, lengths)
        self._check_like_weights(inputs)
        start = self._start(initial_state, len(inputs))
        layers = Layers(
            self.cell,
            self._weights_of_call(list(start)),
            start,
            apart=self.stack == "apart",
            dropout=self.dropout if self.training else 0.0,
            recompute=self.recompute,
        )
        kind = self._kind_of_loops(inputs)
        if kind is not None:
            return self._reading(*fused.read(layers, inputs.to(kind), lengths))
        if torch_kernels.is_whole(layers, inputs, lengths):
            return self._reading(*torch_kernels.read_whole(layers, inputs))
        read, final_state = torch_kernels.read_rows(layers, inputs, lengths)
        return self.merged(read.get("forward"), read.get("backward"), final_state)

    def _weights_of_call(self, ways: list[str]) -> dict[str, list[list[Tensor]]]:
        """Return the weights of each direction and layer; in training the recurrent ones with their dropout."""
        weights = {way: [self.weights(layer, way) for layer in range(self.num_layers)] for way in ways}
        if self.training and self.weight_dropout:
            for layer in chain.from_iterable(weights.values()):
                layer[1] = functional.dropout(layer[1], self.weight_dropout)
        return weights

    def _kind_of_loops(self, inputs: Tensor) -> torch.dtype | None:
        """Return what the compiled loops read this batch in; None where torch's kernels are to read it."""
        if inputs.device.type != "cpu" or next(self.parameters()).dtype != torch.float32:
            return None
        if torch_kernels.casts_for_kernels():
            return torch.bfloat16 if fused.computes_bfloat16() else None
        is_slower = self.float32_up_to is not None and self.hidden_size > self.float32_up_to
        return torch.float32 if inputs.dtype == torch.float32 and fused.is_available() and not is_slower else None

    def to_torch(self) -> nn.RNNBase:
        """Return a torch.nn module with a copy of the weights; it reads (B, T, E) and gives (B, T, D·H).

        Dropout becomes torch's: another mask at each step. Weight dropout, which torch.nn has not, is left behind.

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

    @property
    def cell(self) -> Cell:
        """Which cell, as the kernels name it."""
        raise NotImplementedError

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
        weight_dropout: float = 0.0,
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
            weight_dropout=weight_dropout,
            recompute=recompute,
        )
        self.nonlinearity: Nonlinearity = nonlinearity

    def extra_repr(self) -> str:
        """Say what was chosen."""
        return f"{super().extra_repr()}, nonlinearity={self.nonlinearity}"

    @property
    def cell(self) -> Cell:
        """Which cell, by its nonlinearity."""
        return "rnn_tanh" if self.nonlinearity == "tanh" else "rnn_relu"

    def _torch_module(self, options: dict[str, Any]) -> nn.RNNBase:
        return nn.RNN(self.input_size, self.hidden_size, nonlinearity=self.nonlinearity, **options)


class GRU(ExactRecurrent):
    """Gated recurrent units (Cho et al., 2014; the reset gate after the product, as in cuDNN). The state is (h,)."""

    gates = 3

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
        weight_dropout: float = 0.0,
        recompute: int | None = None,
        chrono: int | None = None,
    ) -> None:
        """Make the parameters; see `ExactRecurrent`.

        `chrono`, if given, is the most steps that something is to be remembered for: units start with memories of 2 to
        so many steps (Tallec and Ollivier, 2018), by the bias of the gate that keeps the state.
        """
        check_chrono(chrono, bias=bias)
        self.chrono = chrono
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            direction=direction,
            stack=stack,
            merge=merge,
            dropout=dropout,
            weight_dropout=weight_dropout,
            recompute=recompute,
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        super().reset_parameters()
        if self.chrono is None:
            return
        keep = slice(self.hidden_size, 2 * self.hidden_size)
        for given, hidden in pairs_of_biases(self):
            given[keep], hidden[keep] = chrono_bias(self.chrono, self.hidden_size), 0.0

    @property
    def cell(self) -> Cell:
        """Which cell."""
        return "gru"

    def _torch_module(self, options: dict[str, Any]) -> nn.RNNBase:
        return nn.GRU(self.input_size, self.hidden_size, **options)


class LSTM(ExactRecurrent):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997; Gers et al., 2000). The state is (h, c)."""

    gates = 4
    parts = ("h", "c")
    # Beyond that U of both directions leaves the caches, and torch's kernel reads one direction after the other.
    float32_up_to = 512

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
        weight_dropout: float = 0.0,
        recompute: int | None = None,
        forget_bias: float | None = None,
        chrono: int | None = None,
    ) -> None:
        """Make the parameters; see `ExactRecurrent`.

        `forget_bias`, if given, is where the forget gate's bias starts: 1 lets early gradients reach far steps
        (Jozefowicz et al., 2015). None draws it like the other parameters, as torch.nn does.

        `chrono`, if given, is the most steps that something is to be remembered for: units start with memories of 2 to
        so many steps, and take in as much as they forget (Tallec and Ollivier, 2018).
        """
        if forget_bias is not None and not bias:
            raise SettingsError(f"forget_bias is {forget_bias}, but bias is False. Leave forget_bias out (None).")
        if forget_bias is not None and chrono is not None:
            raise SettingsError(f"forget_bias is {forget_bias} and chrono {chrono}; both set one bias. Leave one out.")
        check_chrono(chrono, bias=bias)
        self.forget_bias, self.chrono = forget_bias, chrono
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            direction=direction,
            stack=stack,
            merge=merge,
            dropout=dropout,
            weight_dropout=weight_dropout,
            recompute=recompute,
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        super().reset_parameters()
        size = self.hidden_size
        enter, forget = slice(0, size), slice(size, 2 * size)
        for given, hidden in pairs_of_biases(self):
            if self.forget_bias is not None:
                given[forget], hidden[forget] = self.forget_bias, 0.0
            elif self.chrono is not None:
                given[forget], hidden[forget] = chrono_bias(self.chrono, size), 0.0
                given[enter], hidden[enter] = -given[forget], 0.0

    @property
    def cell(self) -> Cell:
        """Which cell."""
        return "lstm"

    def _torch_module(self, options: dict[str, Any]) -> nn.RNNBase:
        return nn.LSTM(self.input_size, self.hidden_size, **options)


def from_torch(module: nn.RNNBase) -> RNN | LSTM | GRU:
    """Return our reader with a copy of a torch.nn.RNN's, LSTM's or GRU's weights; it gives the same numbers.

    It reads (B,T,E), whatever the module's `batch_first` is. Dropout becomes ours: one mask for all steps of a
    sequence.

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
