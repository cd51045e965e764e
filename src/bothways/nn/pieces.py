"""Long sequences piece by piece: the state goes on, its gradient does not (truncated backpropagation through time).

Williams and Peng (1990). Memory then depends on the piece and not on the length. Where gradients must be exact, give a
reader `recompute` instead.

Shapes: B sequences, T steps in the longest, P steps of a piece, E input width, H hidden width, L layers.
"""

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

from bothways.errors import SettingsError
from bothways.nn.reader import Reading, Recurrent, State, check_at_least, check_inputs


class Piece(NamedTuple):
    """Some steps of a batch that has been read up to here."""

    first: int  # the step that it begins with
    rows: Tensor  # int64 (R,), the sequences that are not over yet
    lengths: Tensor  # int64 (R,), their real steps in this piece, from 1 to P
    reading: Reading  # of those R sequences; `final_state` is the state after the piece


def in_pieces(
    reader: Recurrent,
    inputs: Tensor,
    lengths: Tensor | None = None,
    initial_state: State | None = None,
    *,
    steps: int,
) -> Iterator[Piece]:
    """Read a batch every `steps` steps; go back over each piece before the next one is asked for.

    Args:
        reader: a forward reader; a backward state comes from the end, which is not known yet.
        inputs: float (B, T, E), see `Recurrent.forward`.
        lengths: int64 (B,), or None.
        initial_state: the state before the first step, or None.
        steps: P.

    Yields:
        The pieces, in order; together they hold the numbers of reading all at once.

    Raises:
        SettingsError: a reader that reads another way, or `steps` below 1.
    """
    check_at_least("steps", steps, 1)
    if reader.direction != "forward":
        raise SettingsError(
            f"reader reads {reader.direction!r}, but only a forward reader can leave off and go on. "
            "For exact gradients in less memory build it with recompute=256, say."
        )
    left = check_inputs(inputs, reader.input_size, lengths)
    rows, state, first = left.new_tensor(range(len(left))), initial_state, 0
    while len(rows):
        here = left[rows].clamp(max=steps)
        there = rows.to(inputs.device)
        longest = int(here.max())
        reading = reader(inputs[:, first : first + longest].index_select(0, there), here, state)
        yield Piece(first, there, here, reading)
        left = left - steps
        going_on = left[rows] > 0
        rows, first = rows[going_on], first + steps
        chosen = going_on.nonzero()[:, 0].to(inputs.device)
        after = reading.final_state.forward
        assert after is not None
        state = State(forward=tuple(part.detach().index_select(1, chosen) for part in after))
