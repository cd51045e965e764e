"""The next values of series: a recurrent reader of a window, and what it says of the times after it.

    direct   all times of the horizon at once, from the reader's last state, and beside it a linear map of the window,
             as in LSTNet (Lai et al., 2018), which starts from that of ridge regression: the network learns the rest
    steps    the change from each time to the next, from the reader's state there; forecasts are read in their turn

The quantiles of `direct` are learned with the mean, by their pinball loss; what a calibration adds to them is added to
their biases, so that weights and graph say calibrated quantiles.

Shapes: B windows, W window, S horizon, F columns of which the first K are predicted, Q quantiles, L layers, H width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bothways.models.classifier import CELLS
from bothways.nn import Pooling
from bothways.nn.reader import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bothways.settings import ForecasterSettings


class DirectForecaster(nn.Module):
    """Predict all times of the horizon at once."""

    def __init__(self, settings: ForecasterSettings, *, columns: int, targets: int) -> None:
        """Build a network with fresh weights: F columns, of which the first K targets are predicted."""
        super().__init__()
        self.shape = (settings.horizon, targets, 1 + len(settings.levels))
        self.encoder = CELLS[settings.cell_type](
            input_size=columns,
            hidden_size=settings.hidden_size,
            num_layers=settings.num_layers,
            direction="both" if settings.bidirectional else "forward",
            dropout=settings.dropout if settings.num_layers > 1 else 0.0,
            recompute=settings.recompute,
        )
        self.pooling = Pooling(("last",), self.encoder.output_size)
        self.dropout = nn.Dropout(settings.dropout)
        self.output = nn.Linear(self.pooling.output_size, settings.horizon * targets * self.shape[2])
        self.linear = nn.Linear(settings.window, settings.horizon) if settings.linear else None
        # Both begin by saying nothing: fresh weights predict the place that windows are moved to.
        for layer in filter(None, (self.output, self.linear)):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def use_line(self, weights: NDArray[np.float64], *, constant: bool) -> None:
        """Start the linear map from one that was fitted to windows less their last value.

        Args:
            weights: (W+1,S), the last row what is added.
            constant: whether to take what is added, too, which only fits windows that are not stretched.
        """
        assert self.linear is not None
        own, added = torch.from_numpy(weights[:-1].T).float(), torch.from_numpy(weights[-1]).float()
        with torch.no_grad():
            self.linear.weight.copy_(own)
            self.linear.weight[:, -1] += 1 - own.sum(dim=1)  # the last value is given back
            if constant:
                self.linear.bias.copy_(added)

    def shift_quantiles(self, shifts: NDArray[np.float64]) -> None:
        """Add to what is said from now on: (S,K,Q), as windows are seen; the point stays where it is."""
        with torch.no_grad():
            self.output.bias.view(self.shape)[..., 1:] += torch.from_numpy(shifts).to(self.output.bias)

    def forward(self, windows: Tensor) -> Tensor:
        """Predict from float (B,W,F) -> (B,S,K,1+Q): the point, and quantiles."""
        reading = self.encoder(windows)
        said = self.output(self.dropout(self.pooling(reading))).unflatten(1, self.shape)
        if self.linear is None:
            return said  # type: ignore[no-any-return]
        line = self.linear(windows[..., : self.shape[1]].transpose(1, 2)).transpose(1, 2)  # (B,S,K)
        return said + line[..., None]  # type: ignore[no-any-return]


class StepForecaster(nn.Module):
    """Predict one time after another."""

    def __init__(self, settings: ForecasterSettings, *, columns: int) -> None:
        """Build a network with fresh weights; all F columns are predicted."""
        super().__init__()
        self.encoder = CELLS[settings.cell_type](
            input_size=columns,
            hidden_size=settings.hidden_size,
            num_layers=settings.num_layers,
            direction="forward",
            dropout=settings.dropout if settings.num_layers > 1 else 0.0,
            recompute=settings.recompute,
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.output = nn.Linear(settings.hidden_size, columns)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, values: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Predict the time after each, float (B,T,F) -> (B,T,F), and give the state after the last."""
        reading = self.encoder(values, initial_state=state)
        return values + self.output(self.dropout(reading.outputs)), reading.final_state


def forecast_loss(said: Tensor, truth: Tensor, levels: Sequence[float], *, absolute: bool) -> Tensor:
    """Take the mean loss of forecasts over all truths that are known: of the point, and of its quantiles.

    Args:
        said: float (B,S,K,1+Q), the point and the quantiles.
        truth: float (B,S,K), NaN where it is missing.
        levels: of the quantiles, Q.
        absolute: the point's loss is |error|, else error squared.

    Returns:
        the point's loss, plus the mean pinball loss of the quantiles, if there are any.
    """
    known = ~truth.isnan()
    error = (truth[..., None] - said)[known]  # (N,1+Q)
    point = error[:, 0].abs() if absolute else error[:, 0].square()
    if levels:
        level = torch.tensor(levels, device=error.device)
        pinball = torch.maximum(level * error[:, 1:], (level - 1) * error[:, 1:])
        point = point + pinball.mean(dim=1)
    return point.sum() / max(1, len(point))


def onnx_graph(model: DirectForecaster | StepForecaster) -> Any:
    """Write a forecaster as an ONNX graph; B, and the steps of a step forecaster, are free.

    Direct: `windows` float32 (B,W,F) in, `forecast` (B,S,K,1+Q) out. Steps: `values` float32 (B,T,F) and the state
    before, `state_0`, ... each (L,B,H), in; `next` (B,F), what follows the last of them, and the state after it,
    `after_0`, ..., out.
    """
    return _direct_graph(model) if isinstance(model, DirectForecaster) else _steps_graph(model)


def _direct_graph(model: DirectForecaster) -> Any:
    from bothways.models.graph import add_linear, add_pooling, add_recurrent
    from bothways.models.graph_builder import GraphBuilder

    builder = GraphBuilder("bothways_forecaster")
    windows = builder.input("windows", "float32", ["B", "W", model.encoder.input_size])
    lengths = _all_steps(builder, windows)
    reading = add_recurrent(builder, model.encoder, windows, lengths)
    flat = add_linear(builder, model.output, add_pooling(builder, model.pooling, reading, lengths))
    said = builder.add("Reshape", [flat, builder.integers(-1, *model.shape)])
    if model.linear is not None:
        own = builder.add(
            "Slice", [windows, builder.integers(0), builder.integers(model.shape[1]), builder.integers(2)]
        )
        line = add_linear(builder, model.linear, builder.add("Transpose", [own], perm=[0, 2, 1]))  # (B,K,S)
        line = builder.add("Transpose", [line], perm=[0, 2, 1])
        said = builder.add("Add", [said, builder.add("Unsqueeze", [line, builder.integers(3)])])
    return builder.build({"forecast": said})


def _steps_graph(model: StepForecaster) -> Any:
    import numpy as np

    from bothways.models.graph import add_linear, add_recurrent
    from bothways.models.graph_builder import GraphBuilder, GraphState

    builder = GraphBuilder("bothways_forecaster")
    values = builder.input("values", "float32", ["B", "T", model.encoder.input_size])
    shape = [model.encoder.num_layers, "B", model.encoder.hidden_size]
    parts = range(len(model.encoder.parts))
    start = GraphState(forward=tuple(builder.input(f"state_{part}", "float32", shape) for part in parts))
    reading = add_recurrent(builder, model.encoder, values, _all_steps(builder, values), start)
    top = builder.constant(np.array(-1))
    state = builder.add("Gather", [reading.outputs, top], axis=1)
    last = builder.add("Gather", [values, top], axis=1)
    following = builder.add("Add", [last, add_linear(builder, model.output, state)])
    after = {f"after_{part}": name for part, name in enumerate(reading.final_state.forward or ())}
    return builder.build({"next": following, **after})


def _all_steps(builder: Any, steps: str) -> str:
    """The lengths of sequences (B,T,F) without padding: int64 (B,), all T."""
    shape = builder.add("Shape", [steps])
    size, length = (builder.add("Gather", [shape, builder.integers(axis)]) for axis in (0, 1))
    return builder.add("Expand", [length, size])  # type: ignore[no-any-return]
