"""Train a forecaster from a file, save it, and go on where a stopped training was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bothways.data.series import name_columns, read_series
from bothways.training.device import check_device
from bothways.training.forecasting import TrainedForecaster, train_forecaster
from bothways.training.places import check_places, train_and_save
from bothways.training.saving_forecaster import save_forecaster
from bothways.training.series_windows import prepare_series

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bothways.settings import ForecasterSettings
    from bothways.training.listening import Listener


def train_forecaster_from_file(
    data: Path,
    out: Path,
    settings: ForecasterSettings,
    *,
    target: str | None = None,
    inputs: str | None = None,
    time: str | None = None,
    by: str | None = None,
    encoding: str = "auto",
    resume: bool = False,
    force: bool = False,
    listener: Listener | None = None,
    say: Callable[[str], None] = lambda note: None,
) -> TrainedForecaster:
    """Train a forecaster on a table and save it as a model folder.

    While it trains, its state is kept in the folder `OUT.training`, so that a training that was killed goes
    on with `resume` and ends in the same weights.

    Args:
        data: the table, a row for each time.
        out: the model folder to write.
        settings: how to train.
        target: the columns to predict, with commas between; None takes the only column of numbers.
        inputs: columns that are read besides, with commas between.
        time: the column of times; None looks for it and says so.
        by: the column that names the series a row belongs to.
        encoding: of the file; "auto" detects it.
        resume: go on from `OUT.training`.
        force: replace `out`, and start again where a training was stopped.
        listener: who hears of progress.
        say: hears every note: what was guessed, missing or left out.

    Raises:
        BothwaysError: with one line that says what is wrong; nothing that existed is lost.
        Interrupted: Ctrl-C; the best epoch so far is saved in `out`, and the state beside it.
    """
    settings.check()
    check_device(settings)
    out = out.absolute()
    state = check_places(out, resume=resume, force=force)
    more = name_columns(inputs)
    table = read_series(data, targets=name_columns(target), inputs=more, time=time, by=by, encoding=encoding)
    return train_and_save(
        out,
        state,
        prepare=lambda _: prepare_series(table, settings, targets=len(table.columns) - len(more or [])),
        train=lambda prepared, place: train_forecaster(
            prepared, settings, folder=place, resume=resume, listener=listener
        ),
        save=lambda trained, place, replace: save_forecaster(trained, place, force=replace),
        replace=force or resume,
        say=say,
    )
