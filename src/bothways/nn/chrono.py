"""Where biases of gates start, so that units remember for as long as they must (Tallec and Ollivier, 2018)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bothways.errors import SettingsError
from bothways.nn.reader import check_at_least


def check_chrono(chrono: int | None, *, bias: bool) -> None:
    """Refuse a memory that cannot be."""
    if chrono is None:
        return
    check_at_least("chrono", chrono, 2)
    if not bias:
        raise SettingsError(f"chrono is {chrono}, but bias is False. Leave chrono out (None).")


def pairs_of_biases(reader: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    """Give both biases of every layer and direction, to be set in place."""
    for name, bias in reader.named_parameters():
        if name.startswith("bias_ih"):
            yield bias.data, reader.get_parameter(name.replace("bias_ih", "bias_hh")).data


def chrono_bias(longest: int, size: int) -> Tensor:
    """Draw the biases of a gate that keeps: log of uniform numbers from 1 to longest - 1.

    A state that is multiplied by sigmoid(log u) at each step is a mean over the last 1 + u.
    """
    return torch.empty(size).uniform_(1, max(1.0, longest - 1)).log()
