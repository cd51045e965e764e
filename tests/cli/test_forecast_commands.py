"""Forecasters on the command line, as a new user meets them."""

import csv
import json
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

import bothways
from bothways.data.series import read_series
from terminal import run, run_bare
from toys import toy_csv

OPTIONS = ["--window", 12, "--horizon", 4, "--hidden-size", 8, "--epochs", 2, "--batch-size", 16, "--lr", 0.01]


def refused(*arguments, text=None):
    """Run a command that is refused; give the one line that says why."""
    out, errors = run(*arguments, code=1, text=text)
    assert out == ""
    last = errors.strip().splitlines()[-1]
    assert last.startswith("bothways: ")
    return last


def write(path, rows=200, *, shops=("",)):
    """A daily table of sales, a row for each day and shop, with a missing value."""
    chance = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["date", "shop", "sales", "heat"])
        for row in range(rows):
            for number, shop in enumerate(shops):
                sales = 100 * (1 + number) + 10 * np.sin(2 * np.pi * row / 7) + chance.normal()
                writer.writerow([date(2020, 1, 1) + timedelta(row), shop, "" if row == 5 else f"{sales:.3f}", row % 9])
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("forecast")


@pytest.fixture(scope="module")
def sales(place):
    return write(place / "sales.csv")


@pytest.fixture(scope="module")
def model(place, sales):
    out, errors = run("train", "forecast", sales, "--target", "sales", "--out", place / "model", *OPTIONS)
    assert "validation, 37 origins, epoch" in out
    assert "seasonal baseline" in out
    assert "Column 'date' is read as the time." in errors
    assert "Not read: heat." in errors
    assert "1 of 200 values are missing" in errors
    return place / "model"


def test_evaluating_scores_what_training_never_saw(model, sales):
    found = json.loads(run("evaluate", model, sales, "--json")[0])
    assert found["origins"] == 40 - 4 + 1
    assert set(found["baselines"]) == {"last value", "drift", "seasonal", "linear"}
    shown = run("evaluate", model, sales)[0]
    assert f"mean squared error   {found['mse']:.4f}" in shown
    assert found["verdict"] in shown
    runner, series = bothways.load(model), read_series(sales, targets=["sales"]).series[0]
    errors = []
    for origin in range(160, 197):
        past = type(series)(None, series.times[:origin], series.values[:origin])
        errors.append(runner.predict(past).mean[:, 0] - series.values[origin : origin + 4, 0])
    assert found["mae_of"]["sales"] == pytest.approx(np.abs(errors).mean(), rel=1e-4)


def test_predicting_goes_on_after_the_last_day(model, sales, place):
    lines = run("predict", model, "--file", sales)[0].splitlines()
    assert lines[0].split("\t") == ["date", "mean", "0.1", "0.5", "0.9"]
    assert [line.split("\t")[0] for line in lines[1:]] == ["2020-07-19", "2020-07-20", "2020-07-21", "2020-07-22"]
    out = place / "forecast.csv"
    _, errors = run("predict", model, "--file", sales, "--out", out, "--plot", place / "forecast.png")
    assert "4 rows written to" in errors
    with out.open() as file:
        rows = list(csv.DictReader(file))
    said = json.loads(run("predict", model, "--file", sales, "--json")[0])
    assert [row["date"] for row in rows] == said["times"]
    for name, numbers in said["forecast"]["sales"].items():
        assert [float(row[name]) for row in rows] == numbers
        np.testing.assert_allclose([float(line.split("\t")[lines[0].split("\t").index(name)]) for line in lines[1:]],
                                   numbers, rtol=1e-5)  # fmt: skip
    assert (place / "forecast.png").read_bytes().startswith(b"\x89PNG")
    assert "exists" in refused("predict", model, "--file", sales, "--out", out)
    assert "--force replaces the file of --out, but none is named" in refused(
        "predict", model, "--file", sales, "--force"
    )
    both = ("--out", place / "other.csv", "--json")
    assert "--json is for what is printed, but --out is given" in refused("predict", model, "--file", sales, *both)


def test_info_tells_what_was_learned(model):
    shown = run("info", model)[0]
    assert "predicts sales, 4 times ahead, from 12; a time is 1 day" in shown
    assert "before 2020-06-09" in shown
    band = json.loads(run("info", model, "--json")[0])["metrics"]["band"]
    spoken = (
        "The quantiles are calibrated on 37 validation windows, each time of the horizon by itself. Between the outer "
        f"ones, 80% promised, lay {band['coverage_before']:.1%} as they were learned and "
        f"{band['coverage_in_sample']:.1%} of these very values once calibrated"
    )
    assert spoken in shown
    assert spoken in (model / "README.md").read_text()


def test_many_series_share_one_model(place):
    path = write(place / "shops.csv", shops=("north", "south"))
    run("train", "forecast", path, "--target", "sales", "--inputs", "heat", "--series", "shop", "--out", place / "many",
        *OPTIONS)  # fmt: skip
    lines = run("predict", place / "many", "--file", path)[0].splitlines()
    assert lines[0].startswith("shop\tdate\tmean\t")
    assert [line.split("\t")[0] for line in lines[1:]] == ["north"] * 4 + ["south"] * 4
    assert json.loads(run("evaluate", place / "many", path, "--json")[0])["origins"] == 2 * 37


def test_a_trained_model_predicts_only_what_it_knows(model, sales, place):
    assert "reads the table of --file, and no texts" in refused("predict", model, "hello")
    assert "--text is of no use to a model of task 'forecast'" in refused(
        "predict", model, "--file", sales, "--text", "a"
    )
    assert "--label is of no use" in refused("evaluate", model, sales, "--label", "a")
    short = write(place / "short.csv", rows=11)
    assert "The series has 11 times, but the model reads a window of 12" in refused("predict", model, "--file", short)
    old = write(place / "old.csv", rows=150)
    assert "has 0 times from 2020-06-09 on" in refused("evaluate", model, old)
    assert "has no column 'sales'" in refused("predict", model, "--file", toy_csv(place / "toy.csv", 30))


def test_training_has_no_options_of_token_vectors(place, sales):
    errors = run("train", "forecast", sales, "--out", place / "no", "--embedding-lr", "0.1", code=2)[1]
    assert "No such option: --embedding-lr" in errors


def test_a_picture_of_a_forecast_is_of_no_use_to_others(place):
    run(
        "train",
        "classify",
        toy_csv(place / "texts.csv", 30),
        "--out",
        place / "classifier",
        "--epochs",
        1,
        "--hidden-size",
        4,
    )
    assert "--plot is of no use to a model of task 'classify'" in refused(
        "predict", place / "classifier", "hello", "--plot", place / "x.png"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--window", 190], "times to train on, but a window of 190"),
        (["--quantiles", "0.1,2"], "quantiles is '0.1,2', but it must be different numbers between 0 and 1"),
        (["--test-size", 0.6, "--validation-size", 0.4], "which leaves nothing to train on"),
        (["--decoder", "steps", "--bidirectional"], "decoder 'steps' goes forward only"),
        (["--target", "shop"], "column 'shop' holds no number at all"),
        (["--target", "sale"], "has no column 'sale'"),
        (["--target", "sales,"], "names an empty column"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_nothing_is_left(sales, place, options, message):
    given = [] if "--target" in options else ["--target", "sales"]
    assert message in refused("train", "forecast", sales, "--out", place / "none", *given, *OPTIONS, *options)
    assert not (place / "none").exists()
    assert not (place / "none.training").exists()


def midnights(path, first, rows):
    """Days in Berlin as pandas writes them, with a wave."""
    lines = ["date,sales"]
    for row in range(rows):
        day = datetime(*first, tzinfo=ZoneInfo("Europe/Berlin")) + timedelta(row)
        lines.append(f"{day.isoformat()},{100 + 10 * np.sin(row):.3f}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_model_of_winter_days_reads_days_of_spring_and_summer(place):
    out = place / "days"
    run("train", "forecast", midnights(place / "winter.csv", (2025, 11, 1), 120), "--out", out, *OPTIONS)
    spring, summer = (
        midnights(place / "spring.csv", (2026, 3, 1), 60),
        midnights(place / "summer.csv", (2026, 5, 1), 60),
    )
    said, errors = run("predict", out, "--file", spring)
    assert [line.split("\t")[0] for line in said.splitlines()[1:3]] == ["2026-04-30T00:00:00", "2026-05-01T00:00:00"]
    assert "forecasts name no zone" in errors
    assert json.loads(run("evaluate", out, spring, "--json")[0])["origins"] == 60 - 12 - 4 + 1
    said, _ = run("predict", out, "--file", summer)
    assert said.splitlines()[1].split("\t")[0] == "2026-06-30T00:00:00+02:00"


def test_a_series_that_is_too_short_leaves_the_others_their_forecasts(place):
    path = write(place / "some.csv", shops=("a", "b"))
    out = place / "of-shops"
    run("train", "forecast", path, "--target", "sales", "--series", "shop", "--out", out, *OPTIONS)
    whole = run("predict", out, "--file", path)[0].splitlines()
    with path.open("a") as file:
        file.write("2020-01-01,new,1,2\n2020-01-02,new,2,2\n")
    said, errors = run("predict", out, "--file", path)
    assert said.splitlines() == whole
    assert "1 of 3 series are shorter than the window of 12 times, such as new: nothing is predicted" in errors
    (place / "short.csv").write_text("date,shop,sales,heat\n2020-01-01,new,1,2\n2020-01-02,new,2,2\n")
    assert "has 2 times, but the model reads a window of 12" in refused("predict", out, "--file", place / "short.csv")


def test_forecasts_and_scores_need_no_torch(model, sales):
    for command in (["predict", model, "--file", sales], ["evaluate", model, sales]):
        assert run_bare(*command) == run(*command)
