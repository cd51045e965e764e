"""The next values of series, in scikit-learn's manner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from bothways.errors import DataError, check_given
from bothways.estimators.on_texts import TrainedOnTexts
from bothways.settings import ForecasterSettings

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from bothways.data.series import Series, SeriesTable
    from bothways.decoding.forecasting import Forecast, ForecastRunner


class Forecaster(TrainedOnTexts, BaseEstimator, ForecasterSettings):  # type: ignore[misc]
    """Learn to predict the next values of series.

        model = Forecaster(window=48, horizon=12).fit(history)     # (T,), (T,K), or a list of such
        model.predict(history)                                     # (12,) or (12,K): the mean
        model.predict_quantiles(history)                           # (12,Q) or (12,K,Q)
        model.save("load")

    Its parameters are the settings of `forecast`; see docs/settings.md.
    """

    _learns_from = "series"

    def fit(
        self,
        X: Any,  # noqa: N803  scikit-learn's name
        y: None = None,
        *,
        targets: int | None = None,
        progress: bool = False,
    ) -> Self:
        """Train from scratch.

        Args:
            X: one series, numbers of shape (T,) or (T,F), the earliest time first; or a list of several, all of F
                columns. NaN where a value is missing. The last `test_size` of each (a fifth) is left alone, for
                `bothways evaluate`; with 0 it is learned from, too. What stands before it chooses the epoch.
            y: ignored; scikit-learn's habit.
            targets: how many columns, the first ones, are predicted; None predicts all.
            progress: show a progress bar, in a terminal or a notebook.

        Raises:
            SettingsError: a parameter is out of range.
            DataError: series that cannot be trained on.
            Interrupted: Ctrl-C; the best epoch so far is in the estimator.
        """
        from bothways.training.device import check_device
        from bothways.training.forecasting import train_forecaster
        from bothways.training.progress import TerminalProgress
        from bothways.training.series_windows import prepare_series

        check_given(X=X)
        self.check()
        settings = ForecasterSettings.from_dict(self.to_dict())
        check_device(settings)
        table, _ = listed_series(X)
        width = len(table.columns)
        if targets is not None and not (hasattr(targets, "__index__") and 1 <= targets <= width):
            raise DataError(f"targets is {targets}, but the series have {width} columns. Give a number from 1 to that.")
        prepared = prepare_series(table, settings, targets=int(targets or width))
        self._keep(train_forecaster(prepared, settings, listener=TerminalProgress() if progress else None))
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803  scikit-learn's name
        """Predict what follows each series: (S,K), or (S,) of series (T,); a list for a list."""
        return self._each(X, lambda said: said.mean)

    def predict_quantiles(self, X: Any) -> Any:  # noqa: N803  scikit-learn's name
        """Predict the quantiles of what follows each series: (S,K,Q), or (S,Q) of series (T,); a list for a list."""
        return self._each(X, lambda said: said.quantiles)

    def score(self, X: Any, y: None = None) -> float:  # noqa: N803  scikit-learn's name
        """Give the negative mean squared error from every origin of series, in units of the training part's deviation.

        Raises:
            DataError: no series has a window and a horizon.
        """
        from bothways.training.forecast_scores import say_all, score_forecasts, truth_of
        from bothways.training.series_windows import PreparedSeries, ScaledSeries

        runner = self._runner()
        spec = runner.spec
        series = [
            ScaledSeries(
                spec.known(one.values), spec.scaled(one.values)[:, : spec.targets], len(one.values), len(one.values)
            )
            for one in self._read(X)[0]
        ]
        prepared = PreparedSeries(spec, series, identity="")
        items = prepared.train
        if not len(items):
            raise DataError(
                f"No series has {spec.window + spec.horizon:,} times, a window of {spec.window:,} and a horizon of "
                f"{spec.horizon:,}. Give longer ones."
            )
        said = say_all(runner, prepared, items)
        return -score_forecasts(said, truth_of(prepared, items), spec, seed=0, series=items.series).mse

    def save(self, path: Path | str, *, force: bool = False) -> None:
        """Write a model folder that `load` and `bothways.load` read.

        Raises:
            OutputError: the place is taken (and `force` is False) or cannot be written.
        """
        from bothways.training.saving_forecaster import save_forecaster

        save_forecaster(self._fitted(), path, force=force)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a model folder.

        Raises:
            ModelFolderError: the folder is missing, damaged or of a newer format.
        """
        from bothways.training.saving_forecaster import load_forecaster

        return cls._of(load_forecaster(path))

    def _runner(self) -> ForecastRunner:
        runner: ForecastRunner = self._fitted().runner()
        return runner

    def _read(self, series: Any) -> tuple[list[Series], bool, bool]:
        """Check series; whether they are of shape (T,), and whether there is one."""
        width = len(self._runner().spec.columns)
        table, flat = listed_series(series, width=width)
        return table.series, flat, not isinstance(series, (list, tuple)) or _is_numbers(series)

    def _each(self, series: Any, part: Any) -> Any:
        given, flat, single = self._read(series)
        runner = self._runner()

        def said(one: Series) -> NDArray[np.float64]:
            forecast: Forecast = runner.predict(one)
            found: NDArray[np.float64] = part(forecast)
            return found[:, 0] if flat else found

        return said(given[0]) if single else [said(one) for one in given]


def listed_series(given: Any, *, width: int | None = None) -> tuple[SeriesTable, bool]:
    """Check one series or several; whether each was of shape (T,).

    Raises:
        DataError: something is not a number, has another number of columns, or has no time.
    """
    from bothways.data.series import ROWS, SeriesTable, series_of

    several = isinstance(given, (list, tuple)) and not _is_numbers(given)
    series, flat = [], True
    for place, one in enumerate(given if several else [given]):
        name = f"series[{place}]" if several else "The series"
        found = series_of(one, name, width=width, label=str(place) if several else None)
        flat = flat and np.ndim(one) == 1
        width = found.values.shape[1]
        series.append(found)
    if not series:
        raise DataError("There is no series. Give at least one.")
    names = [f"column {number}" for number in range(1, (width or 1) + 1)]
    table = SeriesTable("The series", names, series, ROWS, None, "series" if several else None)
    return table, flat


def _is_numbers(given: Any) -> bool:
    """Whether a list is one series of numbers, not a list of series: its elements are numbers."""
    return len(given) > 0 and all(one is None or np.ndim(one) == 0 for one in given)
