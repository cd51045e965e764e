"""Look at a network without leaving a trace."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


@contextmanager
def undisturbed(network: nn.Module) -> Iterator[None]:
    """Look at a network as it predicts; then every part is in the mode it was in, and torch's random state as well."""
    modes = {part: part.training for part in network.modules()}
    with torch.random.fork_rng():
        network.eval()
        try:
            yield
        finally:
            for part, was_training in modes.items():
                part.training = was_training
