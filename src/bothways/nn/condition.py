"""What a sequence is written on: a label, or a row of numbers, for a reader of one way.

    c     = C[label]   or   C x + d        joins the input of every step
    s[l]  = tanh(S[l] c + b[l])            is the state before the first step, of layer l, for each part of it

tanh bounds every part, the cell state of an LSTM too, so that a number far from all others cannot start a state that
no text ever led to.

Shapes: B sequences, E width of a step's input, F numbers, K labels, L layers, H hidden width.
"""

import torch
from torch import Tensor, nn

from bothways.errors import SettingsError
from bothways.nn.reader import Recurrent, State, check_at_least


class Conditioner(nn.Module):
    """Make what joins every step and the state to start from; one sequence's condition never touches another's."""

    def __init__(self, reader: Recurrent, *, labels: int | None = None, numbers: int | None = None) -> None:
        """Make the weights.

        Args:
            reader: who reads the steps; one way, E wide.
            labels: K, for a condition that is one of so many labels.
            numbers: F, for a condition of numbers.

        Raises:
            SettingsError: sizes that cannot be, both kinds or neither, or a reader that does not read forwards.
        """
        super().__init__()
        if (labels is None) == (numbers is None):
            raise SettingsError(f"labels is {labels} and numbers is {numbers}, but one of the two must be given.")
        if reader.direction != "forward":
            raise SettingsError(
                f"The reader reads {reader.direction!r}, but a condition needs one that reads forwards."
            )
        self.labels, self.numbers = labels, numbers
        width = reader.input_size
        self.vector: nn.Embedding | nn.Linear
        if labels is not None:
            check_at_least("labels", labels, 1)
            self.vector = nn.Embedding(labels, width)
        else:
            assert numbers is not None
            check_at_least("numbers", numbers, 1)
            self.vector = nn.Linear(numbers, width)
            nn.init.zeros_(self.vector.bias)
        nn.init.normal_(self.vector.weight, std=0.1)
        self.shape = len(reader.forward_parts), reader.num_layers, reader.forward_size
        parts, layers, hidden = self.shape
        self.start = nn.Linear(width, parts * layers * hidden)
        nn.init.zeros_(self.start.bias)

    def forward(self, condition: Tensor) -> Tensor:
        """Make c, float (B,E), of labels int64 (B,) or of numbers float (B,F)."""
        return self.vector(condition)  # type: ignore[no-any-return]

    def state(self, vectors: Tensor) -> State:
        """Make the state to start from, each part (L,B,H), of c (B,E)."""
        # Autocast may have cast the product; states are as precise as the weights.
        flat = torch.tanh(self.start(vectors)).to(self.start.weight.dtype)
        parts = flat.view(len(flat), *self.shape).permute(1, 2, 0, 3)
        return State(forward=tuple(part.contiguous() for part in parts))
