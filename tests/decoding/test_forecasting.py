"""From windows to forecasts: what a model sees, how what it says is moved back, and the baselines."""

from dataclasses import replace

import numpy as np
import pytest

from bothways.data.clock import Clock
from bothways.data.series import Series
from bothways.decoding.forecasting import (
    ForecastRunner,
    ForecastSpec,
    StepRunner,
    carried_forward,
    centre_of,
    drift,
    last_value,
    linear,
    pinball,
    seasonal,
    windows_before,
)
from bothways.errors import DataError, ModelFolderError


def spec_of(columns, **changed):
    count = len(columns)
    given = {
        "columns": columns, "targets": count, "time": None, "by": None, "clock": Clock("row", "row", 1.0),
        "mean": [3.0] * count, "deviation": [2.0] * count, "window": 4, "horizon": 3, "quantiles": [0.1, 0.9],
        "centring": "last", "apart": False, "season": 2, "seen_until": 0.0,
    }  # fmt: skip
    return ForecastSpec(**{**given, **changed})


class Linear(ForecastRunner):
    """A network that is a random linear map of the window, with noise-free quantiles out of order."""

    def __init__(self, spec):
        self.spec = spec
        width = 1 if spec.apart else len(spec.columns)
        targets = 1 if spec.apart else spec.targets
        shape = (spec.window * width, spec.horizon * targets * (1 + len(spec.quantiles)))
        self.weights = np.random.default_rng(0).normal(size=shape).astype(np.float32)

    def run(self, windows):
        targets = 1 if self.spec.apart else self.spec.targets
        flat = windows.reshape(len(windows), -1) @ self.weights
        return flat.reshape(len(windows), self.spec.horizon, targets, -1)


def walk(steps, columns, seed=1):
    return np.random.default_rng(seed).normal(size=(steps, columns)).cumsum(axis=0)


def test_the_last_known_value_stands_in_for_a_missing_one():
    values = walk(30, 3)
    values[np.random.default_rng(2).random(values.shape) < 0.4] = np.nan
    found = carried_forward(values)
    for column in range(3):
        last = 0.0
        for row in range(30):
            last = last if np.isnan(values[row, column]) else values[row, column]
            assert found[row, column] == last


@pytest.mark.parametrize("centring", ["last", "mean", "standard", "none"])
def test_moving_back_undoes_moving(centring):
    windows = walk(60, 2).reshape(5, 12, 2)
    centre = centre_of(windows, centring)
    moved = centre.moved(windows)
    np.testing.assert_allclose(centre.back(moved[..., None], 2)[..., 0], windows, atol=1e-12)
    if centring == "last":
        assert (moved[:, -1] == 0).all()
    if centring in ("mean", "standard"):
        np.testing.assert_allclose(moved.mean(axis=1), 0, atol=1e-12)
    if centring == "standard":
        np.testing.assert_allclose(moved.std(axis=1), 1)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("centring", ["last", "standard"])
def test_a_forecast_is_the_same_alone_and_in_company_and_sees_nothing_later(apart, centring):
    runner = Linear(spec_of(["a", "b"], apart=apart, centring=centring))
    known = walk(400, 2)
    origins = np.arange(4, 397)
    together = runner.forecast_from(known, origins)
    for place in (0, 1, 255, 256, 392):
        alone = runner.forecast_from(known[: origins[place]], origins[place : place + 1])
        np.testing.assert_allclose(alone[0], together[place], atol=1e-5)
    assert (np.diff(together[..., 1:], axis=-1) >= 0).all()


def test_columns_read_apart_do_not_know_of_each_other():
    both, known = Linear(spec_of(["a", "b"], apart=True)), walk(40, 2)
    one = Linear(spec_of(["b"], apart=True))
    origins = np.array([7, 20, 40])
    np.testing.assert_allclose(
        both.forecast_from(known, origins)[:, :, 1:], one.forecast_from(known[:, 1:], origins), atol=1e-6
    )


def test_a_forecast_comes_in_the_units_of_the_series_and_moves_with_it():
    runner = Linear(spec_of(["a"]))
    values = walk(10, 1)
    plain, moved = (runner.predict(Series(None, np.arange(10.0), values + add)) for add in (0, 1_000))
    np.testing.assert_allclose(moved.mean, plain.mean + 1_000, atol=1e-3)
    np.testing.assert_allclose(moved.quantiles, plain.quantiles + 1_000, atol=1e-3)
    assert plain.times == ["row 11", "row 12", "row 13"]


def test_a_series_shorter_than_a_window_is_refused():
    with pytest.raises(DataError, match="has 3 times, but the model reads a window of 4"):
        Linear(spec_of(["a"])).predict(Series(None, np.arange(3.0), walk(3, 1)))


class Halving(StepRunner):
    """A network that halves the last value, and counts what it has read in its state."""

    def __init__(self, spec):
        self.spec, self.errors = spec, np.array([[[-1.0, 1.0]], [[-2.0, 2.0]], [[-3.0, 3.0]]])

    def step(self, values, state):
        return values[:, -1] / 2, (state or 0) + values.shape[1]


def test_one_time_after_another_each_is_read_before_the_next_and_errors_grow_with_distance():
    runner = Halving(spec_of(["a"], centring="none"))
    said = runner.run(np.full((1, 4, 1), 8.0, np.float32))[0, :, 0]
    np.testing.assert_allclose(said, [[4, 3, 5], [2, 0, 4], [1, -2, 4]])


def test_baselines_are_those_of_plain_loops():
    known, origins = walk(30, 2), np.array([10, 17, 30])
    weights = np.random.default_rng(3).normal(size=(2, 5, 6))
    for number, origin in enumerate(origins):
        for step in range(6):
            for column in range(2):
                past = known[:origin, column]
                here = (number, step, column)
                assert last_value(known, origins, 6, 2)[here] == past[-1]
                slope = (past[-1] - past[0]) / (len(past) - 1)
                assert drift(known, origins, 6, 2)[here] == pytest.approx(past[-1] + (step + 1) * slope)
                back = origin + step
                while back >= origin:
                    back -= 4
                assert seasonal(known, origins, 6, 2, 4)[here] == known[back, column]
                expected = past[-1] + weights[column, 4, step]
                expected += sum((past[-4 + lag] - past[-1]) * weights[column, lag, step] for lag in range(4))
                assert linear(known, origins, weights)[here] == pytest.approx(expected)


def test_the_quantile_of_a_sample_has_the_least_pinball_loss():
    sample = np.random.default_rng(0).normal(size=1_001)
    tried = np.linspace(-3, 3, 601)
    for level in (0.1, 0.5, 0.9):
        losses = [pinball(sample, np.full((1_001, 1), one), [level]).mean() for one in tried]
        assert tried[int(np.argmin(losses))] == pytest.approx(np.quantile(sample, level), abs=0.02)


def test_windows_end_right_before_their_origin():
    values = np.arange(10.0)[:, None]
    np.testing.assert_array_equal(windows_before(values, np.array([4, 10]), 3)[..., 0], [[1, 2, 3], [7, 8, 9]])


def test_before_a_first_season_is_over_its_baseline_is_the_last_value():
    known = walk(40, 1)
    origins = np.array([3, 11, 12, 30])
    said = seasonal(known, origins, 5, 1, 12)
    np.testing.assert_array_equal(said[:2], last_value(known, origins[:2], 5, 1))
    np.testing.assert_array_equal(said[2:], [known[:5], known[18:23]])


def test_nothing_follows_a_series_of_missing_values_alone():
    runner = Linear(spec_of(["a", "b"]))
    values = walk(40, 2)
    values[:, 1] = np.nan
    with pytest.raises(DataError, match="The series 'x' has no known value of 'b': nothing can follow"):
        runner.predict(Series("x", np.arange(40.0), values))


def test_forecasts_write_the_zone_of_the_series_file_and_none_if_no_file_says_one():
    """A clock on the wall of +01:00 was trained on."""
    trained = Clock("date", "second", 86_400.0, form="YYYY-MM-DDThh:mm", zone="+01:00", local=True)
    runner = Linear(spec_of(["a"], clock=trained))
    days, values = 86_400.0 * np.arange(8), walk(8, 1)
    assert runner.predict(Series(None, days, values)).times[0] == "1970-01-09T00:00"
    own = replace(trained, zone="-05:00")
    assert runner.predict(Series(None, days, values, own)).times[0] == "1970-01-09T00:00-05:00"
    assert runner.predict(Series(None, days, values, trained)).times[0] == "1970-01-09T00:00+01:00"
    runner = Linear(spec_of(["a"], clock=replace(trained, local=False)))
    assert runner.predict(Series(None, days, values)).times[0] == "1970-01-09T01:00+01:00"


def test_a_clock_of_an_earlier_version_is_read_and_one_of_a_newer_version_refused():
    spec = spec_of(["a"], clock=Clock("date", "second", 86_400.0))
    saved = spec.to_dict()
    del saved["clock"]["local"]
    assert ForecastSpec.from_dict(saved) == spec
    saved["clock"]["leap"] = True
    with pytest.raises(ModelFolderError, match=r"^The model's times have 'leap'.* pip install --upgrade bothways$"):
        ForecastSpec.from_dict(saved)
    with pytest.raises(ModelFolderError, match=r"^The model's series have 'tides'.* pip install --upgrade bothways$"):
        ForecastSpec.from_dict({**spec.to_dict(), "tides": True})
