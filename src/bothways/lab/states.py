"""What a reader's states do over one sequence, read forwards and read backwards.

Shapes: T steps, E width of what is read, H hidden width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from bothways.lab.undisturbed import undisturbed

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from bothways.nn.reader import Recurrent

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class States:
    """The top layer's states at each step of one sequence; None for a direction that is not read."""

    forward: Floats | None  # (T,H), after steps 0 to t
    backward: Floats | None  # (T,H), after steps T-1 down to t

    def changes(self, direction: str) -> Floats:
        """Give by how much each step moved a direction's state: the norm of the difference, (T,)."""
        states = self.forward if direction == "forward" else self.backward
        assert states is not None
        read = states if direction == "forward" else states[::-1]
        moved: Floats = np.linalg.norm(np.diff(read, axis=0, prepend=np.zeros_like(read[:1])), axis=1)
        return moved if direction == "forward" else moved[::-1]


def states_of(reader: Recurrent, steps: Tensor) -> States:
    """Read one sequence, float (T,E), as in prediction; the reader's mode stays as it is."""
    with torch.no_grad(), undisturbed(reader):
        reading = reader(steps[None])
    forward, backward = (
        None if part is None else part[0].double().cpu().numpy() for part in (reading.forward, reading.backward)
    )
    return States(forward, backward)
