"""A network that is to remember: a recurrent reader of numbers, and a linear map of its last state or last steps.

Shapes: B sequences, T steps, F numbers a step, K answers to choose from, M last steps at which an answer is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bothways.models.classifier import CELLS
from bothways.nn import Pooling

if TYPE_CHECKING:
    from bothways.nn.reader import Recurrent
    from bothways.settings import ProblemReaderSettings, Start

_SMALL = 0.001  # deviation of the weights of inputs beside a recurrent identity (Le et al., 2015)


class ProblemNetwork(nn.Module):
    """Answer once after a whole sequence, or at each of its last steps; with a symbol, or with a number."""

    def __init__(
        self,
        settings: ProblemReaderSettings,
        *,
        features: int,
        symbols: int | None,
        asked: int | None,
        start: Start,
        steps: int,
    ) -> None:
        """Build a network with fresh weights.

        Args:
            settings: cell, sizes and directions.
            features: F.
            symbols: K; None: the answer is a number.
            asked: M; None: one answer, from each direction's own last state.
            start: what the weights of the reader start from.
            steps: how long "chrono" lets units remember.
        """
        super().__init__()
        self.asked = asked
        self.reader = make_reader(settings, features=features, start=start, steps=steps)
        self.pooling = Pooling(("last",), self.reader.output_size)
        self.dropout = nn.Dropout(settings.dropout)
        self.output = nn.Linear(self.reader.output_size, symbols or 1)
        self.says_number = symbols is None

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Answer.

        Args:
            inputs: float (B,T,F); where they require gradients, what is made of the answers goes back to each step.
            lengths: int64 (B,), the real steps of each sequence; None: all T. Not where the last steps are asked.

        Returns:
            float (B,K) logits, or (B,M,K) at the last M steps, or the numbers (B,).
        """
        reading = self.reader(inputs, lengths)
        states = self.pooling(reading, lengths) if self.asked is None else reading.outputs[:, -self.asked :]
        said = self.output(self.dropout(states))
        return said.squeeze(-1) if self.says_number else said  # type: ignore[no-any-return]


def problem_loss(said: Tensor, answers: Tensor) -> Tensor:
    """Take the mean loss.

    Args:
        said: what the network answers: logits (B,K) or (B,M,K), or numbers (B,).
        answers: int64 (B,) or (B,M), for the cross-entropy in nats; or float (B,), for the squared error.
    """
    if answers.is_floating_point():
        return functional.mse_loss(said, answers)
    return functional.cross_entropy(said.flatten(0, -2), answers.flatten())


def make_reader(settings: ProblemReaderSettings, *, features: int, start: Start, steps: int) -> Recurrent:
    """Build a recurrent reader whose weights start as asked for; see `ProblemNetwork`."""
    special: dict[str, dict[str, Any]] = {"chrono": {"chrono": steps}, "identity": {"nonlinearity": "relu"}}
    looking_back = {"convolution": settings.convolution} if settings.convolution > 1 else {}
    reader: Recurrent = CELLS[settings.cell_type](
        input_size=features,
        hidden_size=settings.hidden_size,
        num_layers=settings.num_layers,
        direction=settings.direction,
        dropout=settings.dropout if settings.num_layers > 1 else 0.0,
        recompute=settings.recompute,
        **looking_back,
        **special.get(start, {}),
    )
    for name, weight in reader.named_parameters():
        if start == "orthogonal" and name.startswith("weight_hh"):
            for gate in torch.split(weight.data, settings.hidden_size):
                nn.init.orthogonal_(gate)
        elif start == "identity":
            _start_as_identity(name, weight)
    return reader


@torch.no_grad()
def _start_as_identity(name: str, weight: Tensor) -> None:
    """Let a layer copy its state and add next to nothing (Le et al., 2015)."""
    if name.startswith("weight_hh"):
        nn.init.eye_(weight)
    elif name.startswith("weight_ih"):
        nn.init.normal_(weight, std=_SMALL)
    else:
        nn.init.zeros_(weight)
