"""What all layers made of one cell share, exact or parallel: sizes, stacking, directions, and what they refuse."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from bothways.errors import DataError, check_choice
from bothways.nn.reader import (
    Direction,
    Merge,
    Reading,
    Recurrent,
    State,
    check_at_least,
    check_probability,
    check_state,
    given_state,
)

Stack = Literal["joined", "apart"]


class CellStack(Recurrent):
    """Layers of one cell, on top of each other, one way or both ways. Names of parameters are as torch.nn's."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        *,
        parts: tuple[str, ...],
        bias: bool,
        direction: Direction,
        stack: Stack,
        merge: Merge,
        dropout: float,
        recompute: int | None,
    ) -> None:
        """Store what was chosen and draw the parameters; `parts` are the names of the state's tensors.

        Raises:
            SettingsError: a size or a choice that cannot be.
        """
        check_at_least("hidden_size", hidden_size, 1)
        check_choice("direction", direction, get_args(Direction))
        check_choice("stack", stack, get_args(Stack))
        check_probability("dropout", dropout)
        if recompute is not None:
            check_at_least("recompute", recompute, 1)
        super().__init__(
            input_size=input_size,
            forward_size=0 if direction == "backward" else hidden_size,
            backward_size=0 if direction == "forward" else hidden_size,
            num_layers=num_layers,
            merge=merge,
            forward_parts=parts,
            backward_parts=parts,
        )
        self.hidden_size = hidden_size
        self.parts = parts
        self.bias = bias
        self.stack: Stack = stack
        self.dropout = dropout
        self.recompute = recompute
        for layer in range(num_layers):
            for suffix in ("", "_reverse") if direction == "both" else ("",):
                for name, shape in self._shapes(layer).items():
                    self.register_parameter(f"{name}_l{layer}{suffix}", nn.Parameter(torch.empty(shape)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Say what was chosen."""
        both = f", stack={self.stack}, merge={self.merge}" if self.direction == "both" else ""
        return (
            f"input_size={self.input_size}, hidden_size={self.hidden_size}, num_layers={self.num_layers}, "
            f"bias={self.bias}, direction={self.direction}{both}, dropout={self.dropout}, recompute={self.recompute}"
        )

    def _parameters_read(self, layer: int, direction: str) -> dict[str, Tensor]:
        """Return one layer's parameters of a direction that is read, in order, or refuse another."""
        read = {"forward": self.forward_size, "backward": self.backward_size}
        check_choice("direction", direction, [way for way, width in read.items() if width])
        return self._parameters_of(layer, direction)

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        """Name one layer's parameters, in order, with their shapes."""
        raise NotImplementedError

    def _parameters_of(self, layer: int, direction: str) -> dict[str, Tensor]:
        """Return one layer's parameters, in order."""
        suffix = "_reverse" if direction == "backward" and self.direction == "both" else ""
        return {name: getattr(self, f"{name}_l{layer}{suffix}") for name in self._shapes(layer)}

    def _width_below(self, layer: int) -> int:
        """Return how wide the inputs of a layer are."""
        if layer == 0:
            return self.input_size
        return self.hidden_size * (2 if self.direction == "both" and self.stack == "joined" else 1)

    def _start(self, initial_state: State | None, size: int) -> dict[str, tuple[Tensor, ...] | None]:
        """Return the initial state of each direction that is read, checked."""
        given = given_state(initial_state)
        start: dict[str, tuple[Tensor, ...] | None] = {}
        for way, width in (("forward", self.forward_size), ("backward", self.backward_size)):
            state = getattr(given, way)
            if width:
                check_state(way, state, self.parts, (self.num_layers, size, width))
                start[way] = state
            elif state is not None:
                raise DataError(
                    f"initial_state.{way} is given, but direction is {self.direction!r}. Leave it out (None)."
                )
        return start

    def _check_like_weights(self, inputs: Tensor) -> None:
        """Refuse inputs on another device than the weights, or of another precision, unless autocast bridges them."""
        weight = next(self.parameters())
        kind = weight.dtype
        if inputs.device.type != weight.device.type:
            raise DataError(
                f"inputs is on {inputs.device.type!r}, but the weights are on {weight.device.type!r}. Move one of them."
            )
        if inputs.dtype != kind and not torch.is_autocast_enabled(inputs.device.type):
            here, there = str(inputs.dtype).removeprefix("torch."), str(kind).removeprefix("torch.")
            raise DataError(
                f"inputs is {here} {tuple(inputs.shape)}, but the weights are {there}. Use the same for both."
            )

    def _reading(self, outputs: Tensor, final_state: State) -> Reading:
        """Make a reading of the directions' states side by side, (B, T, D·H)."""
        ways = [way for way, width in (("forward", self.forward_size), ("backward", self.backward_size)) if width]
        width = self.hidden_size
        # Slices, for a chunk could not be changed in place by whoever gets it.
        states = {way: outputs[:, :, number * width : (number + 1) * width] for number, way in enumerate(ways)}
        if len(ways) == 2 and self.merge == "concatenate":
            return Reading(outputs, states["forward"], states["backward"], final_state)
        return self.merged(states.get("forward"), states.get("backward"), final_state)
