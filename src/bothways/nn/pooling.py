"""From the states at every step to one vector for the sequence: last, mean, max, attention, side by side.

    attention   a[t] = softmax over real t of q · tanh(W h[t] + b),  sum over t of a[t] h[t]

Shapes: B sequences, T steps in the longest, F width of the reading's outputs, P width of the result.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from bothways.errors import DataError, SettingsError, check_choice
from bothways.nn.reader import Reading, check_at_least

PoolingKind = Literal["last", "mean", "max", "attention"]


class Pooling(nn.Module):
    """Give one vector a sequence, the same alone as beside longer ones: padding weighs nothing and never wins."""

    def __init__(self, kinds: Sequence[PoolingKind], input_size: int, *, last_size: int | None = None) -> None:
        """Choose what stands side by side in the vector.

        Args:
            kinds: one or more, in the order wanted.
                "last": each direction's own last state, at the sequence's true length (backward: at step 0).
                "mean", "max": over the real steps of the outputs.
                "attention": the outputs' weighted mean, by a learned query (Yang et al., 2016).
            input_size: F, the reader's output_size.
            last_size: the widths of the reader's directions together; None where that is input_size (no merging).

        Raises:
            SettingsError: no kind, an unknown one, one twice, or a width below 1.
        """
        super().__init__()
        if not kinds:
            raise SettingsError(
                "kinds is empty, but pooling needs at least one. Use 'last', 'mean', 'max', 'attention'."
            )
        for kind in kinds:
            check_choice("kinds", kind, get_args(PoolingKind))
        if len(set(kinds)) < len(kinds):
            raise SettingsError(f"kinds is {', '.join(kinds)}, but each may stand there once. Leave the others out.")
        check_at_least("input_size", input_size, 1)
        last_size = input_size if last_size is None else last_size
        check_at_least("last_size", last_size, 1)
        self.kinds: tuple[PoolingKind, ...] = tuple(kinds)
        self.output_size = sum(last_size if kind == "last" else input_size for kind in kinds)
        if "attention" in kinds:
            self.key = nn.Linear(input_size, input_size)
            self.query = nn.Linear(input_size, 1, bias=False)

    def forward(self, reading: Reading, lengths: Tensor | None = None) -> Tensor:
        """Pool a reading.

        Args:
            reading: of a padded batch, outputs float (B, T, F).
            lengths: int64 (B,), the same as were read; all T if None.

        Returns:
            float (B, P), P being `output_size`.

        Raises:
            DataError: lengths for another number of sequences.
        """
        outputs = reading.outputs
        if lengths is None:
            lengths = torch.full((len(outputs),), outputs.shape[1], device=outputs.device)
        if lengths.shape != (len(outputs),):
            raise DataError(f"lengths has shape {tuple(lengths.shape)}, but the reading has {len(outputs)} sequences.")
        lengths = lengths.to(outputs.device)  # a reader takes them from the CPU, too
        real = is_real(lengths, outputs.shape[1])[..., None]  # (B, T, 1)
        return torch.cat([self._pool(kind, reading, real, lengths) for kind in self.kinds], dim=-1)

    def extra_repr(self) -> str:
        """Say what was chosen."""
        return ", ".join(self.kinds)

    def _pool(self, kind: PoolingKind, reading: Reading, real: Tensor, lengths: Tensor) -> Tensor:
        """Pool in one way: (B, T, F) -> (B, F), or (B, last_size)."""
        outputs = reading.outputs
        if kind == "last":
            # The top layer's h is the state at each sequence's true end; outputs[:, -1] would be padding's.
            return torch.cat([parts[0][-1] for parts in reading.final_state if parts is not None], dim=-1)
        if kind == "mean":
            return outputs.sum(dim=1) / lengths[:, None]
        if kind == "max":
            return outputs.masked_fill(~real, -torch.inf).amax(dim=1)
        scores: Tensor = self.query(torch.tanh(self.key(outputs)))  # (B, T, 1)
        weights = scores.masked_fill(~real, -torch.inf).softmax(dim=1)
        return (weights * outputs).sum(dim=1)


def is_real(lengths: Tensor, steps: int) -> Tensor:
    """True where a step belongs to its sequence, False on padding. int64 (B,) -> bool (B, T)"""
    return torch.arange(steps, device=lengths.device) < lengths[:, None]
