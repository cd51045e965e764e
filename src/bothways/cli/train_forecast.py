"""bothways train forecast: train a forecaster of series from a table and save it as a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bothways.cli.options import with_settings
from bothways.cli.training import (
    AsJson,
    Encoding,
    Force,
    Inputs,
    Out,
    Resume,
    SeriesColumn,
    Target,
    TensorBoard,
    TimeColumn,
    run_training,
)
from bothways.settings import OF_TOKENS, ForecasterSettings

if TYPE_CHECKING:
    from bothways.training.forecasting import TrainedForecaster
    from bothways.training.listening import Listener


@with_settings(ForecasterSettings, without=OF_TOKENS)
def train_forecast(
    data: Annotated[
        Path, typer.Argument(help="table with a row for each time: CSV, TSV, JSON Lines or Parquet, also .gz")
    ],
    *,
    out: Out,
    target: Target = None,
    inputs: Inputs = None,
    time: TimeColumn = None,
    series: SeriesColumn = None,
    encoding: Encoding = "auto",
    resume: Resume = False,
    force: Force = False,
    tensorboard: TensorBoard = None,
    as_json: AsJson = False,
    settings: ForecasterSettings,
) -> None:
    """Train a forecaster: the next values of series, with quantiles.

    The last times of the table are kept from training, for 'bothways evaluate' on the same file.

    Example: bothways train forecast ETTh1.csv --target OT --horizon 24 --window 96 --out oil
    """

    def train(listener: "Listener", say: Callable[[str], None]) -> "TrainedForecaster":
        from bothways.training.forecasting_from_files import train_forecaster_from_file

        return train_forecaster_from_file(
            data,
            out,
            settings,
            target=target,
            inputs=inputs,
            time=time,
            by=series,
            encoding=encoding,
            resume=resume,
            force=force,
            listener=listener,
            say=say,
        )

    def measured(trained: "TrainedForecaster") -> dict[str, Any]:
        from bothways.training.saving_forecaster import metrics

        return metrics(trained)

    run_training(train, out=out, tensorboard=tensorboard, several=False, measured=measured, show=_show, as_json=as_json)


def _show(trained: "TrainedForecaster") -> None:
    from bothways.cli.forecast import show_scores
    from bothways.decoding.forecasting import spoken_band
    from bothways.training.forecast_scores import verdict

    if trained.scores is None:
        return
    print(
        f"validation, {trained.scores['origins']:,} origins, epoch {trained.best_epoch} of {len(trained.history)} kept"
    )
    show_scores(trained.scores, trained.baseline_scores)
    print(verdict(trained.scores, trained.baseline_scores) or "")
    if trained.band is not None:
        print(spoken_band(trained.band))
