"""Calibrated quantiles: the law of conformal prediction, counted by hand, and what stays as it was."""

import hashlib
import json

import numpy as np
import pytest
import torch

import bothways
from bothways.data.series import SeriesTable
from bothways.estimators.forecaster import listed_series
from bothways.models.forecaster import DirectForecaster
from bothways.settings import ForecasterSettings
from bothways.training.forecast_band import calibrate
from bothways.training.forecast_scores import held, say_all, truth_of
from bothways.training.forecasting import train_forecaster
from bothways.training.saving_forecaster import load_forecaster, save_forecaster
from bothways.training.series_windows import PreparedSeries, ScaledSeries, prepare_series

SMALL = {"window": 12, "horizon": 4, "hidden_size": 8, "epochs": 1, "batch_size": 16, "lr": 0.01}
DRAWS = 1_500


def table_of(steps=300, columns=1, noise=0.3) -> SeriesTable:
    chance = np.random.default_rng(0)
    time = np.arange(steps)[:, None]
    values = 5 + 2 * np.sin(2 * np.pi * time / 12 + np.arange(columns)) + noise * chance.normal(size=(steps, columns))
    return listed_series(values)[0]


def fit(table=None, **changed):
    settings = ForecasterSettings(**{**SMALL, **changed})
    table = table or table_of()
    prepared = prepare_series(table, settings, targets=len(table.columns))
    return train_forecaster(prepared, settings), prepared


def raw(model, prepared):
    """What a network says of the first windows, before anything sorts it."""
    known = prepared.series[0].known
    windows = np.stack([known[start : start + 12] - known[start + 11] for start in range(5)])
    with torch.no_grad():
        return model(torch.from_numpy(windows).float()).numpy()


def shares_held(levels, start, count, chance, steps=1):
    """Calibrate wrong quantiles on values and see what they hold of others of the same kind, again and again."""
    inside = []
    for _ in range(DRAWS):
        place = chance.normal(size=(count + 1, 1, 1))  # what the quantiles know of each window
        truth = place + chance.standard_t(4, size=(count + 1, steps, 1))
        quantiles = place[..., None] + np.broadcast_to(start, (count + 1, steps, 1, len(levels)))
        said = quantiles[-1] + calibrate(quantiles[:-1], truth[:-1], levels).shifts
        inside.append((said[..., 0] <= truth[-1]) & (truth[-1] <= said[..., -1]))
        if len(levels) == 1:
            inside[-1] = truth[-1] <= said[..., 0] if levels[0] > 0.5 else truth[-1] >= said[..., 0]
    return np.mean(inside)


# The law


@pytest.mark.parametrize("start", [(-0.1, 0.1), (-9.0, 9.0), (0.5, 2.0), (1.0, -1.0)])
@pytest.mark.parametrize("count", [9, 40])
def test_a_wrong_band_once_calibrated_holds_of_new_values_what_conformal_prediction_promises(start, count):
    """Too narrow, too wide, beside the truth or crossed: ceil(0.8 (n+1)) of n+1 values, whatever their law."""
    found = shares_held([0.1, 0.9], start, count, np.random.default_rng(count))
    assert found == pytest.approx(np.ceil(0.8 * (count + 1)) / (count + 1), abs=0.035)


@pytest.mark.parametrize("level", [0.75, 0.25])
def test_a_quantile_without_a_partner_is_moved_by_itself(level):
    found = shares_held([level], (7.0,), 30, np.random.default_rng(0))
    assert found == pytest.approx(np.ceil(0.75 * 31) / 31, abs=0.035)


def test_two_windows_are_too_few_for_one_time_but_not_for_all_times_together():
    found = shares_held([0.1, 0.9], (-0.1, 0.1), 2, np.random.default_rng(0), steps=10)
    assert found == pytest.approx(np.ceil(0.8 * 21) / 21, abs=0.035)


def test_the_width_is_the_least_that_lets_in_one_value_more_than_promised():
    chance = np.random.default_rng(0)
    truth = chance.normal(size=(25, 3, 2))
    truth[:5, 1, 0] = np.nan
    quantiles = np.sort(chance.normal(size=(25, 3, 2, 4)), axis=-1)
    levels = [0.05, 0.2, 0.8, 0.95]
    shifts, shared, short = calibrate(quantiles, truth, levels)
    assert (shared, short) == (False, False)
    for step, column in np.ndindex(3, 2):
        for low, high, share in ((0, 3, 0.9), (1, 2, 0.6)):
            width = shifts[step, column, high]
            assert shifts[step, column, low] == -width
            for extra, enough in ((1e-9, True), (-1e-9, False)):
                inside, known = 0, 0
                for window in range(25):
                    value = truth[window, step, column]
                    known += not np.isnan(value)
                    bottom = quantiles[window, step, column, low] - width - extra
                    inside += bottom <= value <= quantiles[window, step, column, high] + width + extra
                assert (inside >= share * (known + 1)) == enough


def test_the_middle_stays_and_without_a_value_nothing_moves():
    quantiles, truth = np.zeros((6, 2, 1, 3)), np.full((6, 2, 1), 3.0)
    np.testing.assert_array_equal(calibrate(quantiles, truth, [0.1, 0.5, 0.9]).shifts, [[[-3, 0, 3]]] * 2)
    found = calibrate(quantiles, np.full((6, 2, 1), np.nan), [0.1, 0.5, 0.9])
    assert not found.shifts.any()
    assert found.short


def test_far_quantiles_of_few_values_reach_the_farthest_and_this_is_said():
    truth = np.array([1.0, 5.0, 3.0])[:, None, None]
    found = calibrate(np.zeros((3, 1, 1, 2)), truth, [0.01, 0.99])
    np.testing.assert_array_equal(found.shifts, [[[-5, 5]]])
    assert found.short
    trained, _ = fit(table_of(100), quantiles="0.001,0.999")
    assert any("17 validation windows are too few for quantiles as far out as 0.001 and 0.999" in note
               for note in trained.notes)  # fmt: skip


# In training


def test_shifts_move_the_quantiles_and_leave_the_point():
    torch.manual_seed(0)
    model = DirectForecaster(ForecasterSettings(**SMALL), columns=2, targets=2).eval()
    with torch.no_grad():
        model.output.weight.normal_()
    windows = torch.randn(3, 12, 2)
    shifts = np.random.default_rng(0).normal(size=(4, 2, 3))
    with torch.no_grad():
        before = model(windows).numpy()
        model.shift_quantiles(shifts)
        after = model(windows).numpy()
    np.testing.assert_array_equal(after[..., 0], before[..., 0])
    np.testing.assert_allclose(after[..., 1:], before[..., 1:] + shifts, atol=1e-5)


@pytest.mark.parametrize("changed", [{}, {"decoder": "steps"}, {"centring": "standard", "channels": "apart"}])
def test_a_network_that_learned_little_still_holds_what_it_promises_of_times_it_never_saw(changed):
    table = table_of(800, 2)
    trained, prepared = fit(table, lr=0.001, **changed)
    if "decoder" not in changed:
        assert trained.band["coverage_before"] < 0.6
    assert trained.band["coverage_in_sample"] == pytest.approx(0.8, abs=0.02)
    assert trained.band["by"] == "step"
    ahead = [ScaledSeries(one.known, one.truth, one.end, len(one.truth)) for one in prepared.series]
    later = PreparedSeries(prepared.spec, ahead, "")
    said = say_all(trained.runner(), later, later.validation)
    assert held(said[..., 1:], truth_of(later, later.validation)) == pytest.approx(0.8, abs=0.06)


def test_the_band_that_is_told_is_the_one_that_is_kept():
    """By another road: forecasts in the units of the training part, scored there."""
    for changed in ({"centring": "standard"}, {"decoder": "steps", "channels": "apart"}):
        trained, prepared = fit(table_of(200, 2), **changed)
        items = prepared.validation
        said = say_all(trained.runner(), prepared, items)
        # At the edge of a band lies the very value that it was widened to: rounding may put it on either side.
        edge = said[..., 1:] + np.array([-1e-5, 0, 1e-5])
        assert held(edge, truth_of(prepared, items)) == pytest.approx(trained.band["coverage_in_sample"], abs=0.03)
        assert trained.scores["coverage"] is None


@pytest.mark.parametrize("changed", [{}, {"decoder": "steps"}])
def test_quantiles_never_cross(changed):
    trained, prepared = fit(table_of(120), quantiles="0.05,0.1,0.3,0.5,0.6,0.9,0.95", **changed)
    said = say_all(trained.runner(), prepared, prepared.validation)[..., 1:]
    assert (np.diff(said, axis=-1) >= 0).all()


def test_without_a_validation_part_quantiles_are_as_learned_and_this_is_said():
    trained, _ = fit(validation_size=0.0)
    assert trained.band is None
    assert any("No validation part to calibrate the quantiles on" in note for note in trained.notes)
    silent, _ = fit(validation_size=0.0, quantiles="")
    assert silent.notes == []


def test_a_folder_from_before_calibration_is_read_and_says_what_it_said(tmp_path):
    trained, prepared = fit()
    save_forecaster(trained, tmp_path / "model")
    path, sums = tmp_path / "model" / "metrics.json", tmp_path / "model" / "checksums.json"
    saved = json.loads(path.read_text())
    assert saved["band"] == trained.band
    del saved["band"]
    path.write_text(json.dumps(saved))
    known = json.loads(sums.read_text())
    known["metrics.json"] = hashlib.sha256(path.read_bytes()).hexdigest()
    sums.write_text(json.dumps(known))
    loaded = load_forecaster(tmp_path / "model")
    assert loaded.band is None
    series, origins = prepared.series[0].known, prepared.validation.origins
    expected = trained.runner().forecast_from(series, origins)
    np.testing.assert_array_equal(loaded.runner().forecast_from(series, origins), expected)
    np.testing.assert_allclose(bothways.load(tmp_path / "model").forecast_from(series, origins), expected, atol=1e-4)


def test_the_shifts_are_what_tells_the_kept_network_from_the_one_that_was_learned(tmp_path):
    """The checkpoint holds the weights as learned: the same but for the biases of the quantiles."""
    from safetensors.torch import load_file

    settings = ForecasterSettings(**{**SMALL, "precision": "float32"})
    prepared = prepare_series(table_of(), settings, targets=1)
    trained = train_forecaster(prepared, settings, folder=tmp_path)
    learned = load_file(tmp_path / "seed-0.safetensors")
    for name, weight in trained.model.state_dict().items():
        if name == "output.bias":
            shifts = (weight - learned[f"best/{name}"]).reshape(4, 1, 4)
            continue
        torch.testing.assert_close(weight, learned[f"best/{name}"], rtol=0, atol=0)
    assert (shifts[..., [0, 2]] == 0).all()  # the point and the middle
    torch.testing.assert_close(shifts[..., 1], -shifts[..., 3])
    assert (shifts[..., 1] != 0).all()
