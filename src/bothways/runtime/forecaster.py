"""Run a forecaster from a model folder with onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.bundle import GRAPH
from bothways.data.clock import rounding
from bothways.data.series import read_series, same_step
from bothways.decoding.forecasting import ForecastRunner, ForecastSpec, StepRunner
from bothways.runtime.session import open_session

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from bothways.bundle import ModelFolder
    from bothways.data.series import SeriesTable

ERRORS = "errors.safetensors"


class ForecasterRuntime(ForecastRunner):
    """A trained forecaster of a whole horizon that needs no torch."""

    def __init__(self, folder: ModelFolder) -> None:
        self.folder = folder
        self.spec = ForecastSpec.from_dict(folder.description["series"])
        self._session = open_session(str(folder.file(GRAPH)))

    def run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predict; see `ForecastRunner.run`."""
        (said,) = self._session.run(None, {"windows": windows})
        return said  # type: ignore[no-any-return]


class StepForecasterRuntime(StepRunner):
    """A trained forecaster of one time after another that needs no torch."""

    def __init__(self, folder: ModelFolder) -> None:
        from safetensors.numpy import load_file

        self.folder = folder
        self.spec = ForecastSpec.from_dict(folder.description["series"])
        self.errors = load_file(folder.file(ERRORS))["errors"]
        settings = folder.description["settings"]
        self._layers, self._width = int(settings["num_layers"]), int(settings["hidden_size"])
        self._session = open_session(str(folder.file(GRAPH)))
        self._parts = sum(part.name.startswith("state_") for part in self._session.get_inputs())

    def step(
        self, values: NDArray[np.float32], state: list[NDArray[np.float32]] | None
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """Read on; see `StepRunner.step`."""
        if state is None:
            state = [np.zeros((self._layers, len(values), self._width), np.float32) for _ in range(self._parts)]
        given: dict[str, Any] = {f"state_{part}": some for part, some in enumerate(state)}
        following, *after = self._session.run(None, {"values": values, **given})
        return following, after


def forecaster_runtime(folder: ModelFolder) -> ForecastRunner:
    """Open a forecaster's folder, by how it predicts."""
    steps = folder.description["settings"]["decoder"] == "steps"
    return StepForecasterRuntime(folder) if steps else ForecasterRuntime(folder)


def read_known_series(data: Path, spec: ForecastSpec, *, encoding: str = "auto") -> SeriesTable:
    """Read the columns that a model knows.

    Raises:
        DataError: the table has other columns, or advances by another step.
    """
    table = read_series(
        data,
        targets=spec.names,
        inputs=spec.columns[spec.targets :],
        time=spec.time,
        by=spec.by,
        encoding=encoding,
        guess=False,
        like=spec.clock,
    )
    fine = spec.clock.kind == "number" and spec.clock.even
    series = [one.times for one in table.series]
    # What one step is rounded by is spread over all steps of the shorter file; that of the training had a window.
    near = rounding(series, spec.clock.step) / max(1, min(spec.window, *map(len, series)) - 1) if fine else 0.0
    same_step(spec.clock, table.clock, table.name, near=max(1e-5, near))
    return table
