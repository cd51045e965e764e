"""Training a forecaster: what it learns, that nothing leaks, scores by plain loops, the same weights after a kill."""

import json
import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.linear_model import Ridge

import bothways
from bothways.cli.forecast import show_scores
from bothways.data.series import SeriesTable
from bothways.decoding.forecasting import steps_from, windows_before
from bothways.errors import DataError
from bothways.estimators.forecaster import listed_series
from bothways.settings import ForecasterSettings
from bothways.training.forecast_scores import fit_line, say_all, score_baselines, score_forecasts, truth_of, verdict
from bothways.training.forecasting import train_forecaster
from bothways.training.saving_forecaster import load_forecaster, save_forecaster
from bothways.training.series_windows import PreparedSeries, Windows, prepare_series
from stopping import count_in_a_process, kill_and_resume, one_thread
from terminal import run

SMALL = {
    "window": 12,
    "horizon": 4,
    "hidden_size": 8,
    "epochs": 3,
    "batch_size": 16,
    "lr": 0.01,
    "precision": "float32",
}


def settings(**changed):
    return ForecasterSettings(**{**SMALL, **changed})


def waves(steps=300, columns=1, noise=0.1, seed=0):
    """Sines of period 12, each column by its own phase, with noise."""
    chance = np.random.default_rng(seed)
    time = np.arange(steps)[:, None]
    return 5 + 2 * np.sin(2 * np.pi * time / 12 + np.arange(columns)) + noise * chance.normal(size=(steps, columns))


def table_of(values) -> SeriesTable:
    return listed_series(values)[0]


def prepare(values, targets=None, **changed):
    table = table_of(values)
    return prepare_series(table, settings(**changed), targets=targets or len(table.columns))


def fit(values, targets=None, **changed):
    prepared = prepare(values, targets, **changed)
    return train_forecaster(prepared, settings(**changed)), prepared


# Parts


def test_nothing_of_what_is_later_reaches_the_scale_or_a_window():
    values = waves(200, 2)
    later = values.copy()
    later[120:] = 1_000  # the validation part begins there, the test part at 160
    first, second = prepare(values), prepare(later)
    assert (first.spec.mean, first.spec.deviation) == (second.spec.mean, second.spec.deviation)
    np.testing.assert_allclose(first.spec.mean, values[:120].mean(axis=0))
    np.testing.assert_allclose(first.spec.deviation, values[:120].std(axis=0))
    rows = np.arange(len(first.train))
    for steps in (False, True):
        here, there = (Windows(one, steps=steps).batch(one.train, rows) for one in (first, second))
        np.testing.assert_array_equal(here.inputs, there.inputs)
        np.testing.assert_array_equal(here.truth, there.truth)
    assert first.train.origins.max() + 4 == 120
    assert (first.validation.origins.min(), first.validation.origins.max() + 4) == (120, 160)
    assert first.spec.seen_until == 160


@pytest.mark.parametrize("decoder", ["direct", "steps"])
def test_the_test_part_changes_nothing_at_all(decoder):
    values = waves(200)
    later = values.copy()
    later[160:] = -50
    (first, _), (second, _) = fit(values, decoder=decoder), fit(later, decoder=decoder)
    for name, weight in first.model.state_dict().items():
        assert torch.equal(weight, second.model.state_dict()[name]), name
    assert first.scores == second.scores
    assert first.band == second.band
    np.testing.assert_array_equal(first.errors, second.errors)
    assert first.baseline_scores == second.baseline_scores
    np.testing.assert_array_equal(first.linear, second.linear)


def test_without_a_test_part_what_was_not_seen_begins_after_the_last_time():
    table = table_of(waves(100))
    assert prepare_series(table, settings(test_size=0.0), targets=1).spec.seen_until == 100
    assert [one.end for one in prepare_series(table, settings(test_size=0.0), targets=1).series] == [100]


def test_series_are_cut_at_one_time():
    """A series that begins later has its parts at the same times as the others."""
    long, short = waves(200), waves(80, seed=1)
    table = table_of([long, short])
    late = table.series[1]
    table.series[1] = type(late)(late.name, late.times + 120, late.values)
    prepared = prepare_series(table, settings(), targets=1)
    assert [(one.first, one.end) for one in prepared.series] == [(120, 160), (0, 40)]
    assert any("1 of 2 series are shorter" in note for note in prepared.notes)


@pytest.mark.parametrize(
    ("size", "changed", "targets", "message"),
    [
        (20, {}, 1, "has 12 times to train on, but a window of 12 and a horizon of 4 need 16"),
        (40, {"validation_size": 0.05}, 1, "has 2 times to validate on, but a horizon of 4"),
        (200, {"decoder": "steps"}, 1, "decoder is 'steps', which reads only what it predicts, but 'column 2'"),
        (200, {"channels": "apart"}, 1, "channels is 'apart', which reads only what it predicts, but 'column 2'"),
    ],
)
def test_series_that_do_not_suit_are_refused(size, changed, targets, message):
    with pytest.raises(DataError) as caught:
        prepare(waves(size, 2), targets, **changed)
    assert message in str(caught.value)


def test_a_missing_truth_is_not_predicted_and_windows_without_any_are_left_out():
    values = waves(200)
    values[40:60] = np.nan
    prepared = prepare(values)
    origins = prepared.train.origins
    assert set(range(40, 57)).isdisjoint(origins)
    assert {39, 57} <= set(origins)
    batch = Windows(prepared, steps=False).batch(prepared.train, np.flatnonzero(origins == 38))
    assert np.isnan(batch.truth[0, :, 0]).tolist() == [False, False, True, True]
    assert np.isfinite(batch.inputs).all()


# What is learned


@pytest.mark.parametrize("decoder", ["direct", "steps"])
def test_a_wave_is_learned_and_its_band_holds_what_it_promises(decoder):
    values = waves(900, noise=0.3)
    trained, prepared = fit(values, decoder=decoder, epochs=12, centring="mean", linear=False)
    assert trained.scores["mse"] < 0.3 * trained.baseline_scores["last value"]["mse"]
    noise = (0.3 / prepared.spec.deviation[0]) ** 2  # no forecast can have less
    assert noise * 0.8 < trained.scores["mse"] < 1.6 * noise
    later = PreparedSeries(prepared.spec, [replace(one, first=one.end, end=900) for one in prepared.series], "")
    said = say_all(trained.runner(), later, later.validation)
    scores = score_forecasts(said, truth_of(later, later.validation), prepared.spec, seed=0)
    assert scores.promised == pytest.approx(0.8)
    assert 0.7 < scores.coverage < 0.9


def test_an_input_that_tells_the_future_is_used():
    """The second column says now what the first will be four times later."""
    coming = np.random.default_rng(0).normal(size=604)
    values = np.stack([coming[:-4], coming[4:]], axis=1)
    chosen = {"centring": "none", "linear": False, "epochs": 12, "dropout": 0.0, "quantiles": ""}
    with_input, _ = fit(values, 1, **chosen)
    alone, _ = fit(values[:, :1], **chosen)
    assert with_input.scores["mse"] < 0.3
    assert alone.scores["mse"] > 0.8


def test_columns_apart_share_weights_and_each_has_its_scale():
    values = waves(300, 3) * [1, 100, 0.01]
    trained, prepared = fit(values, channels="apart")
    assert trained.model.encoder.input_size == 1
    assert trained.scores["mse"] < trained.baseline_scores["last value"]["mse"]
    own = trained.scores["rmse_of"]
    assert own["column 2"] == pytest.approx(100 * own["column 1"], rel=0.5)
    assert trained.facts["windows"] == len(prepared.train)


def expected_ridge(windows, ahead):
    """The map of one step by scikit-learn, from windows whose truth is known: weights, then the constant."""
    last = windows[:, -1]
    joined = np.concatenate([windows - last[:, None], np.ones((len(windows), 1))], axis=1)
    alpha = 1e-2 * (joined**2).sum() / joined.shape[1]
    found = Ridge(alpha=alpha).fit(windows - last[:, None], ahead - last)
    return [*found.coef_, found.intercept_]


@pytest.mark.parametrize("every", [None, 7, 5])
def test_each_step_of_the_linear_baseline_is_ridge_regression_on_the_windows_that_know_it(every):
    """Sundays are missing in every window of a horizon of a week: each step learns from the others."""
    values = waves(200, noise=1.0)
    if every is not None:
        values[every - 1 :: every] = np.nan
        values[33] = np.nan
    prepared = prepare(values, validation_size=0.0, horizon=8)
    origins = prepared.train.origins
    known, truth = prepared.series[0].known[:, 0], prepared.series[0].truth[:, 0]
    windows = np.stack([known[origin - 12 : origin] for origin in origins])
    for step, found in enumerate(fit_line(prepared, [0]).T):
        there = ~np.isnan(truth[origins + step])
        np.testing.assert_allclose(found, expected_ridge(windows[there], truth[origins + step][there]), atol=1e-6)


def test_the_map_of_several_columns_learns_from_the_known_truths_of_all():
    values = waves(150, 2, noise=1.0)
    values[6::7, 1] = np.nan
    prepared = prepare(values, validation_size=0.0, horizon=8)
    origins, one = prepared.train.origins, prepared.series[0]
    windows = np.concatenate([[known[origin - 12 : origin] for origin in origins] for known in one.known.T])
    for step, found in enumerate(fit_line(prepared, [0, 1]).T):
        ahead = one.truth[origins + step].T.ravel()
        there = ~np.isnan(ahead)
        np.testing.assert_allclose(found, expected_ridge(windows[there], ahead[there]), atol=1e-6)


def test_values_missing_here_and_there_cost_only_the_windows_that_lack_them(monkeypatch):
    values = waves(1_000, noise=1.0)
    values[np.random.default_rng(0).random(1_000) < 0.05] = np.nan
    prepared, read = prepare(values, validation_size=0.0, horizon=8), []

    def counted(known, origins, size):
        read.append(len(origins))
        return windows_before(known, origins, size)

    monkeypatch.setattr("bothways.training.forecast_scores.windows_before", counted)
    fit_line(prepared, [0])
    assert sum(read) < 1.6 * len(prepared.train)


@pytest.mark.parametrize("known", [1, 5])
def test_values_known_at_regular_times_cost_a_reading_for_each_of_a_period(known, monkeypatch):
    """Of an hourly column in a table of ten minutes one row in six is known; of a sensor that rests, five in six."""
    values = waves(1_000, noise=1.0)
    values[np.arange(1_000) % 6 >= known] = np.nan
    prepared, read = prepare(values, validation_size=0.0, window=12, horizon=36), []

    def counted(known, origins, size):
        read.append(len(origins))
        return windows_before(known, origins, size)

    monkeypatch.setattr("bothways.training.forecast_scores.windows_before", counted)
    weights = fit_line(prepared, [0])
    assert sum(read) < 2.1 * len(prepared.train)
    one, items = prepared.series[0], prepared.train
    windows = windows_before(one.known, items.origins, 12)[..., 0]
    ahead = steps_from(one.truth, items.origins, 36)[..., 0]
    for step in range(36):
        there = ~np.isnan(ahead[:, step])
        np.testing.assert_allclose(weights[:, step], expected_ridge(windows[there], ahead[there, step]), atol=1e-6)


def test_a_step_that_is_never_known_is_told_and_stays_at_the_last_value():
    """Windows of 15 times end before the times 15 and 16; of what follows 18, 19, 21, 22 and 23 are missing."""
    values = waves(40)
    values[[18, 19, 21, 22, 23]] = np.nan
    trained, _ = fit(values, epochs=1, horizon=8, window=15)
    assert [note for note in trained.notes if "nothing is learned" in note] == [
        "Column 'column 1' is never known 4 steps after a window of the training part (3 of 8 steps are such): nothing "
        "is learned of these, and the linear map says the last value."
    ]
    np.testing.assert_array_equal(trained.linear[0][:, [3, 6, 7]], 0)
    assert (trained.linear[0][:, [0, 1, 2, 4, 5]] != 0).any(axis=0).all()


# Scores


def test_scores_are_those_of_plain_loops():
    values = waves(220, 2, noise=1.0)
    values[140, 0] = values[150, 1] = np.nan
    trained, prepared = fit(values, epochs=1)
    items, spec = prepared.validation, prepared.spec
    said, truth = say_all(trained.runner(), prepared, items), truth_of(prepared, items)
    squares, sizes, inside, own = [], [], [], {name: [] for name in spec.names}
    for number, origin in enumerate(items.origins):
        for step in range(4):
            for column, name in enumerate(spec.names):
                real = (values[origin + step, column] - spec.mean[column]) / spec.deviation[column]
                if math.isnan(real):
                    continue
                error = said[number, step, column, 0] - real
                squares.append(error**2)
                sizes.append(abs(error))
                own[name].append(abs(error) * spec.deviation[column])
                low, high = said[number, step, column, 1], said[number, step, column, 3]
                inside.append(low <= real <= high)
    scores = score_forecasts(said, truth, spec, seed=0)
    assert scores.mse == pytest.approx(np.mean(squares))
    assert scores.mae == pytest.approx(np.mean(sizes))
    assert scores.coverage == pytest.approx(np.mean(inside))
    assert scores.mse_interval[0] < scores.mse < scores.mse_interval[1]
    assert np.mean(scores.mse_by_step) == pytest.approx(scores.mse, rel=0.05)
    for name in spec.names:
        assert scores.mae_of[name] == pytest.approx(np.mean(own[name]))
    assert {**scores.to_dict(), "coverage": None, "promised": None, "pinball": None} == trained.scores


@pytest.mark.parametrize("horizons", [3, 40])
def test_an_interval_holds_the_mean_in_four_of_five_samples_or_there_is_none(horizons):
    """Each truth is in the horizons of ten origins: drawn one by one, they would seem to be ten times as many."""
    spec = prepare(waves(), horizon=10, quantiles="").spec
    held = []
    for seed in range(60):
        truth = np.random.default_rng(seed).normal(size=10 * horizons + 9)
        ahead = np.lib.stride_tricks.sliding_window_view(truth, 10)[..., None]
        interval = score_forecasts(np.zeros((*ahead.shape, 1)), ahead, spec, seed=seed).mse_interval
        held.append(interval is None or interval[0] <= 1 <= interval[1])
    assert np.mean(held) > 0.8


def test_origins_of_too_few_horizons_have_no_interval_and_say_so(tmp_path, capsys):
    trained, _ = fit(waves(120), epochs=1, horizon=6)
    assert trained.scores["mse_interval"] is None
    save_forecaster(trained, tmp_path / "model")
    assert json.loads((tmp_path / "model" / "metrics.json").read_text())["validation"]["mse_interval"] is None
    words = (
        f"{trained.scores['mse']:.4f} (no interval: fewer than 10 blocks of origins, each a horizon or a whole series)"
    )
    assert words in (tmp_path / "model" / "README.md").read_text()
    assert words in run("info", tmp_path / "model")[0]
    show_scores(trained.scores, {})
    assert "(no interval: fewer than 10 blocks of origins, each a horizon or a whole series)" in capsys.readouterr().out


@pytest.mark.parametrize("each", [1, 9, 25])
def test_origins_of_different_series_share_no_truth(each):
    """Series that differ in their error, each in blocks of its own: 40 of them, or fewer than a block needs."""
    spec = prepare(waves(), horizon=10, quantiles="").spec
    level = np.random.default_rng(0).normal(size=40) ** 2
    truth = np.sqrt(np.repeat(level, each))[:, None, None] * np.ones((1, 10, 1))
    series = np.repeat(np.arange(40), each)
    low, high = score_forecasts(np.zeros((*truth.shape, 1)), truth, spec, seed=0, series=series).mse_interval
    blocks = 40 * max(1, each // 10)
    width = 2 * 1.96 * level.std() / np.sqrt(blocks)
    assert high - low == pytest.approx(width, rel=0.15)
    few = series < 4
    said = np.zeros((few.sum(), 10, 1, 1))
    assert score_forecasts(said, truth[few], spec, seed=0, series=series[few]).mse_interval is None


def test_forecasts_of_many_series_with_few_origins_each_have_an_interval():
    table = listed_series([waves(60, noise=0.3) for _ in range(12)])[0]
    settings = ForecasterSettings(**{**SMALL, "horizon": 8})
    prepared = prepare_series(table, settings, targets=1)
    items = prepared.validation
    assert len(items) // 8 < 10
    assert score_baselines(prepared, items, None, seed=0)["last value"]["mse_interval"] is not None


def test_a_repeating_series_is_what_the_seasonal_baseline_predicts_without_error():
    prepared = prepare(np.tile(np.random.default_rng(0).normal(size=6), 40), season=6)
    scores = score_baselines(prepared, prepared.validation, None, seed=0)
    assert scores["seasonal"]["mse"] == 0
    assert scores["last value"]["mse"] > 0.1
    rising = prepare(np.arange(200.0))
    assert score_baselines(rising, rising.validation, None, seed=0)["drift"]["mse"] == pytest.approx(0, abs=1e-20)


def test_a_baseline_that_wins_is_said_to_win():
    walk = np.random.default_rng(0).normal(size=400).cumsum()
    trained, _ = fit(walk, epochs=1, linear=False)
    worse = {**trained.scores, "mse": 9.0}
    assert "baseline wins" in verdict(worse, trained.baseline_scores)
    better = {**trained.scores, "mse": 0.0}
    assert verdict(better, trained.baseline_scores).startswith("The network beats the best baseline")
    assert verdict(None, {}) is None


# Saved = loaded = exported


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"cell_type": "lstm", "bidirectional": True, "num_layers": 2, "quantiles": ""},
        {"cell_type": "mingru", "channels": "apart", "centring": "standard"},
        {"decoder": "steps", "cell_type": "lstm", "num_layers": 2},
        {"decoder": "steps", "channels": "apart", "cell_type": "sru"},
    ],
)
def test_saved_loaded_and_exported_are_one(tmp_path, changed):
    trained, prepared = fit(waves(200, 2), epochs=1, **changed)
    save_forecaster(trained, tmp_path / "model")
    exported, loaded = bothways.load(tmp_path / "model"), load_forecaster(tmp_path / "model")
    origins = prepared.validation.origins
    known = prepared.series[0].known
    expected = trained.runner().forecast_from(known, origins)
    np.testing.assert_array_equal(loaded.runner().forecast_from(known, origins), expected)
    np.testing.assert_allclose(exported.forecast_from(known, origins), expected, atol=1e-4)
    assert loaded.scores == json.loads(json.dumps(trained.scores))
    assert loaded.spec == trained.spec
    assert loaded.band == trained.band


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "loss (squared error + quantile loss, scaled)"),
        ({"loss": "absolute", "quantiles": ""}, "loss (absolute error, scaled)"),
        ({"decoder": "steps"}, "loss (squared error, scaled)"),  # whose quantiles are not learned
    ],
)
def test_the_curves_of_a_forecaster_name_its_loss_and_draw_its_error(tmp_path, drawn, changed, words):
    trained, _ = fit(waves(120), epochs=2, **changed)
    save_forecaster(trained, tmp_path / "model")
    losses, errors = drawn[-1].axes
    assert losses.get_ylabel() == words
    assert errors.get_lines()[0].get_ydata() == pytest.approx([row["mse"] for row in trained.history])


# Killed = never killed

CHANGED = {"epochs": 3, "averaging": 0.9, "dropout": 0.2}


def train_in(folder, listener=None):
    torch.set_num_threads(1)
    return train_forecaster(
        prepare(waves(), **CHANGED),
        settings(**CHANGED),
        folder=folder,
        resume=True,
        listener=listener,
        checkpoint_steps=2,
    )


def kill_three_times(place):
    """Kill a training three times at random batches, resume it, and give how often it was killed."""
    chance = random.Random(0)
    steps = (chance.randint(1, 9), chance.randint(3, 9), chance.randint(1, 3))
    return kill_and_resume(lambda listener: train_in(Path(place), listener), steps)


def test_a_training_killed_at_any_batch_ends_in_the_same_weights(tmp_path):
    assert count_in_a_process(__file__, f"kill_three_times({str(tmp_path)!r})") == 3
    with one_thread():
        (tmp_path / "whole").mkdir()
        expected = train_in(tmp_path / "whole")
        tensors, whole = (load_file(place / "seed-0.safetensors") for place in (tmp_path, tmp_path / "whole"))
        for name in expected.model.state_dict():
            torch.testing.assert_close(tensors[f"best/{name}"], whole[f"best/{name}"], rtol=0, atol=0)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 7.7, 0.0, 1e12 / 3])
def test_a_column_that_first_moves_after_the_training_part_keeps_its_own_units(value):
    values = np.full(200, value)
    values[150:] += 1
    spec = prepare(values).spec
    assert spec.deviation == [1.0]
    assert spec.scaled(values[:, None])[160:] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("unit", [1e-300, 1e-9, 1e200])
def test_the_unit_of_a_series_changes_no_score(unit):
    values = waves(120)
    first, second = prepare(values), prepare(values * unit)
    np.testing.assert_allclose(first.series[0].known, second.series[0].known, rtol=1e-9, atol=1e-12)


def test_parts_of_missing_values_alone_are_called_so():
    for start, end, part in ((121, 160, "validation"), (12, 120, "training")):
        values = waves(200)
        values[start - 1 : end] = math.nan
        with pytest.raises(DataError, match=f"has no known value to predict in the {part} part: all are missing"):
            prepare(values)


def test_a_column_without_a_value_to_validate_on_is_refused_by_its_name():
    values = np.column_stack([waves(200)[:, 0], waves(200)[:, 0]])
    values[120:160, 1] = math.nan
    with pytest.raises(DataError, match=r"has no known value of '.*' in the validation part, so that it cannot be"):
        prepare(values)


def test_one_time_after_another_has_no_quantiles_without_errors_to_take_them_from(tmp_path):
    trained, prepared = fit(waves(100), decoder="steps", validation_size=0.0, epochs=1)
    assert any("the mean alone is given" in note for note in trained.notes)
    save_forecaster(trained, tmp_path / "model")
    for runner in (trained.runner(), bothways.load(tmp_path / "model")):
        assert runner.spec.quantiles == []
        assert runner.forecast_from(prepared.series[0].known, np.array([50])).shape == (1, 4, 1, 1)


def test_a_step_without_a_known_truth_has_the_quantiles_of_all_steps(tmp_path):
    """Two forecasts are validated, from the times 70 and 71; 71 and 72, their second times, are missing."""
    values = waves(75)
    values[[71, 72]] = np.nan
    changed = {"decoder": "steps", "epochs": 1, "validation_size": 5 / 75, "test_size": 0.0, "centring": "none"}
    trained, prepared = fit(values, **changed)
    said = say_all(trained.runner(), prepared, prepared.validation)
    errors = (truth_of(prepared, prepared.validation)[..., 0] - said[..., 0, 0]).ravel()
    shift = trained.errors[1, 0] - np.nanquantile(errors, prepared.spec.quantiles)
    np.testing.assert_allclose(shift, [-shift[2], 0, shift[2]], atol=1e-6)
    assert shift[2] > 0
    assert np.isfinite(trained.errors).all()
    assert trained.band["by"] == "horizon"
    assert trained.scores["mse_by_step"][1] is None
    save_forecaster(trained, tmp_path / "model")

    def refuse(token):
        raise AssertionError(f"{token} is no JSON")

    json.loads((tmp_path / "model" / "metrics.json").read_text(), parse_constant=refuse)
    assert np.isfinite(bothways.load(tmp_path / "model").forecast_from(prepared.series[0].known, np.array([75]))).all()


def test_a_series_that_began_late_does_not_take_the_seasonal_baseline_from_the_others():
    long, short = waves(200), waves(50, seed=1)
    table = table_of([long, short])
    late = table.series[1]
    table.series[1] = type(late)(late.name, late.times + 110, late.values)
    prepared = prepare_series(table, settings(season=30), targets=1)
    assert "seasonal" in score_baselines(prepared, prepared.validation, None, seed=0)


def test_a_baseline_that_is_level_is_called_so():
    assert verdict({"mse": 0.5}, {"drift": {"mse": 0.5}}).startswith("The drift baseline is level with the network")


@pytest.mark.parametrize("validation_size", [0.2, 0.0])
def test_a_training_that_diverges_is_refused_with_what_to_do(validation_size):
    far = {"epochs": 3, "lr": 1e8, "weight_decay": 1, "validation_size": validation_size}
    with pytest.raises(DataError, match=r"^The training diverged in epoch 1: .* Try a lower lr\.$"):
        fit(waves(), **far)
