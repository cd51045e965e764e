"""The forecaster in Python."""

import numpy as np
import pytest
from sklearn.base import clone

import bothways
from bothways import Forecaster
from bothways.errors import DataError, ModelFolderError, NotFittedError
from bothways.settings import ForecasterSettings

SMALL = {"window": 12, "horizon": 4, "hidden_size": 8, "epochs": 2, "batch_size": 16, "lr": 0.01}


def wave(steps=200, columns=None, seed=0):
    time = np.arange(steps)
    values = np.sin(2 * np.pi * time / 12) + 0.1 * np.random.default_rng(seed).normal(size=steps)
    return values if columns is None else np.stack([values * (1 + column) for column in range(columns)], axis=1)


@pytest.fixture(scope="module")
def fitted():
    return Forecaster(**SMALL).fit(wave())


def test_parameters_are_the_settings():
    assert Forecaster().get_params() == ForecasterSettings().to_dict()
    assert clone(Forecaster(horizon=7)).horizon == 7


def test_shapes_follow_what_was_given(fitted):
    assert fitted.predict(wave()).shape == (4,)
    assert fitted.predict_quantiles(wave()).shape == (4, 3)
    assert fitted.predict(wave()[:, None]).shape == (4, 1)
    np.testing.assert_allclose(fitted.predict([wave(), wave(50)])[1], fitted.predict(wave(50)), atol=1e-6)
    assert (np.diff(fitted.predict_quantiles(wave()), axis=1) >= 0).all()
    np.testing.assert_array_equal(fitted.predict(wave().tolist()), fitted.predict(wave()))
    both = Forecaster(**SMALL).fit(wave(columns=2), targets=1)
    assert both.predict(wave(columns=2)).shape == (4, 1)
    assert both.predict_quantiles([wave(columns=2)])[0].shape == (4, 1, 3)


def test_several_series_are_learned_from_and_predicted_one_by_one(fitted):
    many = [wave(seed=seed) for seed in range(3)]
    model = Forecaster(**SMALL).fit(many)
    for one, said in zip(many, model.predict(many), strict=True):
        np.testing.assert_allclose(model.predict(one), said, atol=1e-6)
    assert model.trained_.facts["series"] == 3


def test_the_score_is_that_of_every_origin(fitted):
    series = wave(60, seed=5)
    spec = fitted.trained_.spec
    errors = [fitted.predict(series[:end]) - series[end : end + 4] for end in range(12, 57)]
    assert fitted.score(series) == pytest.approx(-np.mean(np.square(errors)) / spec.deviation[0] ** 2, rel=1e-5)


def test_saved_and_loaded_predict_the_same(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    np.testing.assert_array_equal(Forecaster.load(tmp_path / "model").predict(wave()), fitted.predict(wave()))
    assert Forecaster.load(tmp_path / "model").get_params() == fitted.get_params()
    bothways.TextClassifier(epochs=1, hidden_size=4).fit(["good", "bad"] * 8, ["a", "b"] * 8).save(tmp_path / "texts")
    with pytest.raises(ModelFolderError, match="not to 'forecast'"):
        Forecaster.load(tmp_path / "texts")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "There is no series"),
        ("abc", "not an array of numbers"),
        (np.zeros((2, 3, 4)), r"has shape \(2, 3, 4\)"),
        ([wave(), wave(columns=2)], r"series\[1\] has 2 columns, but 1 are expected"),
        ([1.0, np.inf], "holds an infinity"),
        (wave(10), "times to train on"),
    ],
)
def test_what_is_no_series_is_refused(given, message):
    with pytest.raises(DataError, match=message):
        Forecaster(**SMALL).fit(given)


def test_what_does_not_fit_is_refused(fitted):
    with pytest.raises(NotFittedError, match=r"Call fit\(series\)"):
        Forecaster().predict(wave())
    with pytest.raises(DataError, match="has 2 columns, but 1 are expected"):
        fitted.predict(wave(columns=2))
    with pytest.raises(DataError, match="targets is 3, but the series have 2 columns"):
        Forecaster(**SMALL).fit(wave(columns=2), targets=3)
    with pytest.raises(DataError, match="No series has 16 times"):
        fitted.score(wave(15))


def test_parameters_that_are_numpy_s_are_saved_as_python_s(tmp_path):
    given = {**SMALL, "window": np.int64(12), "lr": np.float32(0.01), "bidirectional": np.True_}
    model = Forecaster(**given).fit(wave(columns=2), targets=np.int64(1))
    model.save(tmp_path / "model")
    assert Forecaster.load(tmp_path / "model").bidirectional is True
    with pytest.raises(DataError, match=r"targets is 1\.5, but"):
        Forecaster(**SMALL).fit(wave(columns=2), targets=1.5)


def test_a_folder_predicts_from_numbers_alone_and_counts_rows_on(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    said = bothways.load(tmp_path / "model").predict(wave())
    np.testing.assert_allclose(said.mean[:, 0], fitted.predict(wave()), rtol=1e-4)
    assert said.times == ["row 201", "row 202", "row 203", "row 204"]
    with pytest.raises(DataError, match="The series has 2 columns, but 1 are expected"):
        bothways.load(tmp_path / "model").predict(wave(columns=2))
