"""How far the gates of a cell stand open at each step of one sequence, from 0, shut, to 1.

Computed anew by the formulas of `nn/recurrent.py` and `nn/parallel.py`, in float64: the loops that read fast keep no
gates. What a gate does at 1:

    LSTM     forget keeps the memory c, input lets the candidate in, output shows the memory
    GRU      update keeps the state h, reset lets the state speak to the candidate
    MinGRU   update puts the candidate in the state's place
    MinLSTM  forget and input are weighed against each other: of the state stays forget / (forget + input)
    SRU      forget keeps the memory c, output (r) shows the memory and not the input

Cells differ in their gates, but of each `keep` is the share of every unit's memory that outlives the step.

Shapes: T steps, E width of what is read, F width of what a layer reads, H hidden width, k the steps that a convolution
sees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from bothways.errors import SettingsError, check_choice
from bothways.lab.undisturbed import undisturbed
from bothways.nn import GRU, LSTM, SRU, MinGRU, MinLSTM
from bothways.nn.cells import CellStack
from bothways.nn.parallel import ParallelRecurrent
from bothways.nn.reader import Bidirectional, Recurrent, Stacked
from bothways.nn.recurrent import ExactRecurrent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Gates:
    """The gates of one layer and direction while it reads one sequence; step t is the sequence's, either way."""

    cell: str  # "lstm", …
    direction: str
    layer: int  # from 0
    openings: dict[str, Floats]  # gate -> (T,H)
    keep: Floats  # (T,H), the share of the memory that outlives the step
    candidate: Floats  # (T,H), what could be taken in
    memory: Floats  # (T,H), what is kept: c of an LSTM and an SRU, h of others
    states: Floats  # (T,H), h


def open_gates(reader: Recurrent, steps: Tensor, *, layer: int | None = None, direction: str | None = None) -> Gates:
    """Give the gates of a layer over the steps of one sequence.

    Args:
        reader: of LSTM, GRU, MinGRU, MinLSTM or SRU cells, or readers joined.
        steps: float (T,E), what the reader reads.
        layer: from 0; None: the top one.
        direction: "forward" or "backward"; None: the one that is read, forward of two.

    Raises:
        SettingsError: cells without gates, a layer or a direction that is not there.
    """
    ways = ["forward", "backward"] if reader.direction == "both" else [reader.direction]
    direction = ways[0] if direction is None else direction
    check_choice("direction", direction, ways)
    if isinstance(reader, Bidirectional):
        reader = reader.forward_reader if direction == "forward" else reader.backward_reader
    layer = reader.num_layers - 1 if layer is None else layer
    if not 0 <= layer < reader.num_layers:
        raise SettingsError(f"layer is {layer}, but the reader's are 0 to {reader.num_layers - 1}. Choose one of them.")
    with torch.no_grad():
        if isinstance(reader, Stacked):
            left = layer
            for part in reader.readers:
                if left < part.num_layers:
                    return replace(open_gates(part, steps, layer=left, direction=direction), layer=layer)
                steps, left = _read(part, steps), left - part.num_layers
        return _open(reader, steps.double(), layer, direction)


def gates_of_all_ways(reader: Recurrent, steps: Tensor) -> list[Gates]:
    """Give the gates of the top layer over the steps of one sequence (T,E), for each direction that is read.

    Raises:
        SettingsError: cells without gates.
    """
    ways = ["forward", "backward"] if reader.direction == "both" else [reader.direction]
    return [open_gates(reader, steps, direction=way) for way in ways]


def _read(reader: Recurrent, steps: Tensor) -> Tensor:
    """Read one sequence, (T,E) -> (T,F), as in prediction."""
    with undisturbed(reader):
        outputs: Tensor = reader(steps[None]).outputs[0]
    return outputs


def _open(reader: Recurrent, steps: Tensor, layer: int, direction: str) -> Gates:
    """Open the gates of a layer of one cell; `steps` (T,E) are float64 and in the sequence's order."""
    gates_of = _GATES.get(type(reader))
    if gates_of is None:
        raise SettingsError(
            f"The reader is made of {type(reader).__name__} cells, which have no gates. "
            "Use cell_type 'lstm', 'gru', 'mingru', 'minlstm' or 'sru'."
        )
    assert isinstance(reader, CellStack)
    if layer:
        below = ["forward", "backward"] if reader.direction == "both" and reader.stack == "joined" else [direction]
        states = [_open(reader, steps, layer - 1, way).states for way in below]
        steps = torch.cat([torch.from_numpy(part) for part in states], dim=1)
    mirrored = direction == "backward"
    found = gates_of(reader, steps.flip(0) if mirrored else steps, layer, direction)
    turned = {name: (part.flip(0) if mirrored else part).cpu().numpy() for name, part in found.items()}
    rest = {name: turned.pop(name) for name in ("keep", "candidate", "memory", "states")}
    return Gates(type(reader).__name__.lower(), direction, layer, turned, **rest)


def _lstm(reader: LSTM, steps: Tensor, layer: int, direction: str) -> dict[str, Tensor]:
    given, recurrent = _exact_weights(reader, steps, layer, direction)
    h = c = steps.new_zeros(reader.hidden_size)
    rows: list[tuple[Tensor, ...]] = []
    for step in given:
        i, f, g, o = (step + recurrent(h)).chunk(4)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = f * c + i * g
        h = o * c.tanh()
        rows.append((f, i, o, f, g, c, h))
    return _columns(("forget", "input", "output", "keep", "candidate", "memory", "states"), rows)


def _gru(reader: GRU, steps: Tensor, layer: int, direction: str) -> dict[str, Tensor]:
    given, recurrent = _exact_weights(reader, steps, layer, direction)
    h = steps.new_zeros(reader.hidden_size)
    rows: list[tuple[Tensor, ...]] = []
    for step in given:
        (r, z, n), (rh, zh, nh) = step.chunk(3), recurrent(h).chunk(3)
        r, z = (r + rh).sigmoid(), (z + zh).sigmoid()
        n = (n + r * nh).tanh()
        h = (1 - z) * n + z * h
        rows.append((r, z, z, n, h, h))
    return _columns(("reset", "update", "keep", "candidate", "memory", "states"), rows)


def _mingru(reader: MinGRU, steps: Tensor, layer: int, direction: str) -> dict[str, Tensor]:
    z, c = _parallel_products(reader, steps, layer, direction)
    z = z.sigmoid()
    h = _remembered(1 - z, z * c)
    return {"update": z, "keep": 1 - z, "candidate": c, "memory": h, "states": h}


def _minlstm(reader: MinLSTM, steps: Tensor, layer: int, direction: str) -> dict[str, Tensor]:
    f, i, c = _parallel_products(reader, steps, layer, direction)
    keep = (functional.logsigmoid(f) - functional.logsigmoid(i)).sigmoid()  # f / (f + i), also where both are 0
    h = _remembered(keep, (1 - keep) * c)
    own = {"forget": f.sigmoid(), "input": i.sigmoid(), "forget / (forget + input)": keep}
    return {**own, "keep": keep, "candidate": c, "memory": h, "states": h}


def _sru(reader: SRU, steps: Tensor, layer: int, direction: str) -> dict[str, Tensor]:
    f, r, y = _parallel_products(reader, steps, layer, direction)
    f, r = f.sigmoid(), r.sigmoid()
    c = _remembered(f, (1 - f) * y)
    highway = reader.weights(layer, direction).get("highway")
    passing = steps if highway is None else steps @ highway.double().T
    h = r * c.tanh() + (1 - r) * passing
    return {"forget": f, "output": r, "keep": f, "candidate": y, "memory": c, "states": h}


_GATES: dict[type[Recurrent], Callable[[Any, Tensor, int, str], dict[str, Tensor]]] = {
    LSTM: _lstm,
    GRU: _gru,
    MinGRU: _mingru,
    MinLSTM: _minlstm,
    SRU: _sru,
}


def _exact_weights(
    reader: ExactRecurrent, steps: Tensor, layer: int, direction: str
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Give W x + b at each step, (T,G·H), and h -> U h + d."""
    weights = [weight.detach().double() for weight in reader.weights(layer, direction)]
    w, u = weights[:2]
    b, d = weights[2:] if len(weights) == 4 else (w.new_zeros(len(w)), w.new_zeros(len(w)))
    return steps @ w.T + b, lambda h: u @ h + d


def _parallel_products(reader: ParallelRecurrent, steps: Tensor, layer: int, direction: str) -> tuple[Tensor, ...]:
    """Give what each gate is made of, (T,H); a convolution sees the last k steps, the newest first."""
    weights = {name: weight.detach().double() for name, weight in reader.weights(layer, direction).items()}
    seen = [functional.pad(steps, (0, 0, back, 0))[: len(steps)] for back in range(reader.convolution)]
    products = torch.cat(seen, dim=1) @ weights["weight"].T
    if "bias" in weights:
        products = products + weights["bias"]
    return products.chunk(len(reader.gate_names), dim=1)


def _remembered(keep: Tensor, new: Tensor) -> Tensor:
    """Go through h' = keep h + new, (T,H) each, from nothing."""
    h, rows = torch.zeros_like(new[0]), []
    for kept, step in zip(keep, new, strict=True):
        h = kept * h + step
        rows.append(h)
    return torch.stack(rows)


def _columns(names: tuple[str, ...], rows: list[tuple[Tensor, ...]]) -> dict[str, Tensor]:
    """Put what each step gave beneath each other: (T,H) by name."""
    return {name: torch.stack(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
