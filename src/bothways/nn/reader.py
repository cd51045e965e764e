"""What every recurrent reader takes and gives, and readers made of readers.

    forward reader   h[t] from steps 0..t          outputs[b, t] = forward[b, t] | backward[b, t]
    backward reader  h[t] from steps t..length-1   final state: forward at length-1, backward at 0

Shapes: B sequences, T steps in the longest, E input width, H hidden width of one direction, L layers.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from bothways.errors import DataError, SettingsError, check_choice

Direction = Literal["forward", "backward", "both"]
Merge = Literal["concatenate", "sum", "average", "multiply"]


class State(NamedTuple):
    """What a reader remembers between steps, for each direction it reads in.

    Each direction is a tuple of float (L, B, H): (h,), or (h, c) of an LSTM. Entry l, b belongs to layer l, sequence b.
    """

    forward: tuple[Tensor, ...] | None = None
    backward: tuple[Tensor, ...] | None = None


class Reading(NamedTuple):
    """What a reader found at every step of a padded batch; zero on padding."""

    outputs: Tensor  # float (B, T, output_size): both directions, merged
    forward: Tensor | None  # float (B, T, H), the top layer's states from the left
    backward: Tensor | None  # float (B, T, H), the top layer's states from the right
    final_state: State  # after each sequence's own last step (backward: after step 0)


class Recurrent(nn.Module):
    """A reader of padded batches. Each sequence is read as if it were alone; padding is never looked at."""

    def __init__(
        self,
        *,
        input_size: int,
        forward_size: int,
        backward_size: int,
        num_layers: int,
        merge: Merge = "concatenate",
        forward_parts: Sequence[str] = ("h",),
        backward_parts: Sequence[str] = ("h",),
    ) -> None:
        """Store the widths, and the names of each direction's state tensors; width 0 is a direction not read.

        Raises:
            SettingsError: a width or a choice that cannot be.
        """
        super().__init__()
        check_at_least("input_size", input_size, 1)
        check_at_least("num_layers", num_layers, 1)
        check_choice("merge", merge, get_args(Merge))
        two = bool(forward_size and backward_size)
        if two and merge != "concatenate" and forward_size != backward_size:
            raise SettingsError(
                f"merge is {merge!r}, but the directions have widths {forward_size} and {backward_size}. "
                "Give them the same hidden_size, or merge with 'concatenate'."
            )
        self.input_size = input_size
        self.forward_size = forward_size
        self.backward_size = backward_size
        self.num_layers = num_layers
        self.forward_parts = tuple(forward_parts)
        self.backward_parts = tuple(backward_parts)
        self.merge: Merge = merge
        self.output_size = max(forward_size, backward_size)
        if two and merge == "concatenate":
            self.output_size = forward_size + backward_size

    @property
    def direction(self) -> Direction:
        """Which way the steps are read."""
        if self.forward_size and self.backward_size:
            return "both"
        return "forward" if self.forward_size else "backward"

    @property
    def state_layers(self) -> tuple[int, int]:
        """How many layers each direction's state has, L: forward, backward; 0 for a direction not read."""
        return (self.num_layers if self.forward_size else 0, self.num_layers if self.backward_size else 0)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None, initial_state: State | None = None) -> Reading:
        """Read every sequence of a padded batch.

        Args:
            inputs: float (B, T, E). Steps past a sequence's length are never looked at.
            lengths: int64 (B,), the real steps of each sequence, from 1 to T; all T if None.
            initial_state: the state before the first step; zeros if None, or for a direction that is None.

        Raises:
            DataError: a tensor of the wrong shape or type, or a length outside 1..T.
        """
        raise NotImplementedError

    def merged(self, forward: Tensor | None, backward: Tensor | None, final_state: State) -> Reading:
        """Put the two directions' states (B, T, H) together into a reading."""
        if forward is None or backward is None:
            outputs = forward if forward is not None else backward
            assert outputs is not None
        elif self.merge == "concatenate":
            outputs = torch.cat([forward, backward], dim=-1)
        elif self.merge == "multiply":
            outputs = forward * backward
        else:
            outputs = forward + backward
            if self.merge == "average":
                outputs = outputs / 2
        return Reading(outputs, forward, backward, final_state)


class Bidirectional(Recurrent):
    """Read each way with a reader of its own, of any cell, width and depth; they never mix (`apart`).

    Schuster and Paliwal (1997), with independent cells.
    """

    def __init__(self, forward_reader: Recurrent, backward_reader: Recurrent, *, merge: Merge = "concatenate") -> None:
        """Join a reader with direction "forward" and one with direction "backward".

        Raises:
            SettingsError: a reader that reads another way, or widths that do not fit each other.
        """
        for way, reader in (("forward", forward_reader), ("backward", backward_reader)):
            if reader.direction != way:
                raise SettingsError(
                    f"{way}_reader reads {reader.direction!r}, but it must read {way!r}. "
                    f"Build it with direction={way!r}."
                )
        if forward_reader.input_size != backward_reader.input_size:
            raise SettingsError(
                f"forward_reader has input_size {forward_reader.input_size} and backward_reader "
                f"{backward_reader.input_size}, but both read the same inputs. Give them the same input_size."
            )
        super().__init__(
            input_size=forward_reader.input_size,
            forward_size=forward_reader.forward_size,
            backward_size=backward_reader.backward_size,
            num_layers=max(forward_reader.num_layers, backward_reader.num_layers),
            merge=merge,
            forward_parts=forward_reader.forward_parts,
            backward_parts=backward_reader.backward_parts,
        )
        self.forward_reader = forward_reader
        self.backward_reader = backward_reader

    @property
    def state_layers(self) -> tuple[int, int]:
        """How many layers each direction's state has: as many as its own reader."""
        return self.forward_reader.num_layers, self.backward_reader.num_layers

    def forward(self, inputs: Tensor, lengths: Tensor | None = None, initial_state: State | None = None) -> Reading:
        """Read both ways; see `Recurrent.forward`. A direction's state has as many layers as its reader."""
        start = given_state(initial_state)
        rightward = self.forward_reader(inputs, lengths, State(forward=start.forward))
        leftward = self.backward_reader(inputs, lengths, State(backward=start.backward))
        final_state = State(rightward.final_state.forward, leftward.final_state.backward)
        return self.merged(rightward.forward, leftward.backward, final_state)


class Stacked(Recurrent):
    """Readers on top of each other, each reading the outputs below: `joined` stacks of mixed cells.

    In each direction all have the same width and the same state tensors, so that their states stack into one.
    """

    def __init__(self, readers: Sequence[Recurrent], *, dropout: float = 0.0) -> None:
        """Stack readers, the lowest first.

        Args:
            readers: at least one; each one's input_size is the output_size of the one below.
            dropout: probability, between readers in training; one mask for all steps of a sequence.

        Raises:
            SettingsError: no readers, or readers that do not fit each other.
        """
        if not readers:
            raise SettingsError("readers is empty, but a stack needs at least one reader. Give it one.")
        check_probability("dropout", dropout)
        for number, (below, above) in enumerate(pairwise(readers), start=1):
            if above.input_size != below.output_size:
                raise SettingsError(
                    f"readers[{number}] has input_size {above.input_size}, but the reader below gives "
                    f"{below.output_size}. Build it with input_size={below.output_size}."
                )
            if _states_of(above) != _states_of(below):
                raise SettingsError(
                    f"readers[{number}] has the states {_states_of(above)}, but the reader below has "
                    f"{_states_of(below)}. Use the same cell and hidden_size in each direction."
                )
        super().__init__(
            input_size=readers[0].input_size,
            forward_size=readers[0].forward_size,
            backward_size=readers[0].backward_size,
            num_layers=sum(reader.num_layers for reader in readers),
            merge=readers[-1].merge,
            forward_parts=readers[0].forward_parts,
            backward_parts=readers[0].backward_parts,
        )
        self.readers: Sequence[Recurrent] = nn.ModuleList(readers)  # type: ignore[assignment]
        self.dropout = dropout

    @property
    def state_layers(self) -> tuple[int, int]:
        """How many layers each direction's state has: those of all readers."""
        forward, backward = zip(*(reader.state_layers for reader in self.readers), strict=True)
        return sum(forward), sum(backward)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None, initial_state: State | None = None) -> Reading:
        """Read through all readers; see `Recurrent.forward`."""
        start, size = given_state(initial_state), len(inputs)
        rightward = self._shared_out("forward", start.forward, size)
        leftward = self._shared_out("backward", start.backward, size)
        states = list[State]()
        for reader, *state in zip(self.readers, rightward, leftward, strict=True):
            if states and self.training and self.dropout:
                inputs = inputs * sequence_dropout(inputs, len(inputs), self.dropout)[:, None]
            reading: Reading = reader(inputs, lengths, State(*state))
            inputs = reading.outputs
            states.append(reading.final_state)
        forward = _on_top_of_each_other([state.forward for state in states])
        return reading._replace(final_state=State(forward, _on_top_of_each_other([state.backward for state in states])))

    def _shared_out(
        self, way: str, state: tuple[Tensor, ...] | None, size: int
    ) -> list[tuple[Tensor, ...]] | list[tuple[Tensor, ...] | None]:
        """Give each reader its layers of one direction's initial state."""
        layers = [reader.state_layers[State._fields.index(way)] for reader in self.readers]
        if state is None or not sum(layers):  # a state of a direction that is not read, the readers refuse
            return [state] * len(layers)
        check_state(way, state, getattr(self, f"{way}_parts"), (sum(layers), size, getattr(self, f"{way}_size")))
        return list(zip(*(torch.split(part, layers) for part in state), strict=True))


def _states_of(reader: Recurrent) -> str:
    """Name the state tensors of each direction and their width."""
    sides = (
        ("forward", reader.forward_size, reader.forward_parts),
        ("backward", reader.backward_size, reader.backward_parts),
    )
    return " and ".join(f"{', '.join(parts)} of width {size} {way}" for way, size, parts in sides if size)


def _on_top_of_each_other(states: Sequence[tuple[Tensor, ...] | None]) -> tuple[Tensor, ...] | None:
    known = [state for state in states if state is not None]
    return tuple(torch.cat(parts) for parts in zip(*known, strict=True)) if known else None


def check_inputs(inputs: Tensor, input_size: int, lengths: Tensor | None) -> Tensor:
    """Return the lengths as int64 (B,) on the CPU, or refuse a batch that cannot be read."""
    if not isinstance(inputs, Tensor) or inputs.dim() != 3 or not inputs.is_floating_point():
        raise DataError(
            f"inputs is {_describe(inputs)}, but it must be float (B, T, {input_size}). Embed or reshape it first."
        )
    size, steps, width = inputs.shape
    if width != input_size:
        raise DataError(f"inputs has width {width}, but input_size is {input_size}. Make them equal.")
    if size < 1 or steps < 1:
        raise DataError(f"inputs is {_describe(inputs)}, but B and T must be at least 1. Leave empty batches out.")
    if lengths is None:
        return torch.full((size,), steps, dtype=torch.int64, device="cpu")
    if not isinstance(lengths, Tensor) or lengths.shape != (size,) or lengths.dtype != torch.int64:
        raise DataError(f"lengths is {_describe(lengths)}, but it must be int64 ({size},): one for each sequence.")
    lengths = lengths.detach().cpu()
    outside = ((lengths < 1) | (lengths > steps)).nonzero()[:, 0]
    if len(outside):
        row = int(outside[0])
        raise DataError(
            f"lengths[{row}] is {int(lengths[row])}, but each must be from 1 to T={steps}. "
            "Give an empty sequence one padding step."
        )
    return lengths


def given_state(initial_state: State | None) -> State:
    """Return the state to start from, None for zeros, or refuse what is no `State`, as torch.nn's own is none."""
    if initial_state is None:
        return State()
    if not isinstance(initial_state, State):
        raise DataError(
            f"initial_state is {_describe(initial_state)}, but it must be a State. Give State(forward=(h,)), "
            "and of an LSTM State(forward=(h, c)); backward likewise."
        )
    return initial_state


def check_state(name: str, state: tuple[Tensor, ...] | None, parts: Sequence[str], shape: tuple[int, int, int]) -> None:
    """Refuse a direction's initial state that has other parts than the cell, or another shape (L, B, H)."""
    if state is None:
        return
    if len(state) != len(parts):
        raise DataError(
            f"initial_state.{name} has {len(state)} tensors, but this cell has {len(parts)}: {', '.join(parts)}. "
            "Give a tuple of them."
        )
    for part, value in zip(parts, state, strict=True):
        if not isinstance(value, Tensor) or tuple(value.shape) != shape:
            raise DataError(f"initial_state.{name}'s {part} is {_describe(value)}, but it must be float {shape}.")


def check_at_least(field: str, value: int, least: int) -> None:
    """Refuse a number below the least that works."""
    if value < least:
        raise SettingsError(f"{field} is {value}, but it must be at least {least}.")


def check_probability(field: str, value: float) -> None:
    """Refuse a probability of dropping outside [0, 1)."""
    if not 0 <= value < 1:
        raise SettingsError(f"{field} is {value}, but it must be in [0, 1).")


def sequence_dropout(like: Tensor, size: int, probability: float) -> Tensor:
    """Draw one dropout mask for all steps of each sequence, scaled by 1 / (1 - probability). (..., F) -> (B, F)

    Gal and Ghahramani (2016).
    """
    return functional.dropout(like.new_ones(size, like.shape[-1]), probability)


def _describe(value: object) -> str:
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
