"""Layers of one exact cell, as those who read with them are told: the compiled loops (`fused`) and `torch_kernels`.

Shapes: B sequences, F width of a layer's inputs, H hidden width, L layers, G gates.
"""

from typing import Literal, NamedTuple

from torch import Tensor

Cell = Literal["rnn_tanh", "rnn_relu", "lstm", "gru"]

# How many tensors a state is made of: h, and an LSTM's c.
PARTS = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 2, "gru": 1}


class Layers(NamedTuple):
    """What reads: layers of one cell on top of each other, in one direction or in both."""

    cell: Cell
    weights: dict[str, list[list[Tensor]]]  # by direction and layer: W (G·H, F), U (G·H, H) and, with bias, b and d
    start: dict[str, tuple[Tensor, ...] | None]  # the initial state by direction, (L, B, H) each; zeros if None
    apart: bool  # whether each direction reads its own states of the layer below, and not both
    dropout: float  # probability, between layers; 0 outside training
    recompute: int | None  # if given, training keeps the states after every so many steps alone

    @property
    def depth(self) -> int:
        """Return L."""
        return len(next(iter(self.weights.values())))

    @property
    def width(self) -> int:
        """Return H."""
        return next(iter(self.weights.values()))[0][1].shape[1]
