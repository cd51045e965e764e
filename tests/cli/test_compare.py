import json

import pytest

from bothways.lab import comparing
from bothways.lab.comparing import read_results
from bothways.lab.entries import Result
from terminal import run

GRID = ("--cells", "rnn,gru", "--directions", "forward,both", "--seeds", "2")


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "texts.csv"
    path.write_text("text,label\ngood film,good\nbad film,bad\n")
    return path


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """Networks enter by a formula, not by training; gives the settings that they were asked to train with."""
    seen = []

    def enter(question, entry, runs, listener):
        seen.append(question.settings_of(entry))
        score = 0.5 + 0.1 * (entry.cell == "gru") + 0.02 * (entry.direction == "forward") + 0.01 * entry.seed
        result = Result(entry, score=score, history=[{"epoch": 1, "accuracy": score}], best_epoch=1)
        if entry.cell == "lstm":
            result = Result(entry, failed="RuntimeError: no")
        (runs / f"{entry.name}.json").write_text(json.dumps(result.to_dict()))
        return result

    monkeypatch.setattr(comparing, "_enter", enter)
    return seen


def test_every_combination_and_seed_is_trained_and_has_its_row(data, tmp_path, asked):
    out, _ = run("compare", "classify", data, *GRID, "--out", tmp_path / "out")
    assert {(one.cell_type, one.direction, one.seed) for one in asked} == {
        (cell, direction, seed) for cell in ("rnn", "gru") for direction in ("forward", "both") for seed in (0, 1)
    }
    rows = [line.split() for line in out.splitlines() if "±" in line]
    assert [row[:2] for row in rows] == [["gru", "forward"], ["gru", "both"], ["rnn", "forward"], ["rnn", "both"]]
    assert rows[0][2] == "0.6250"
    assert f"report: {tmp_path / 'out' / 'report.html'}" in out
    assert (tmp_path / "out" / "report.html").is_file()


def test_settings_seed_and_budget_reach_every_network(data, tmp_path, asked):
    run("compare", "classify", data, *GRID, "--hidden-size", 7, "--seed", 5, "--budget", 0.5, "--out", tmp_path / "out")
    assert {one.hidden_size for one in asked} == {7}
    assert {one.seed for one in asked} == {5, 6}
    assert {one.minutes for one in asked} == {0.5}
    assert min(one.epochs for one in asked) > 1_000  # the clock ends the training


def test_what_is_given_counts_though_it_is_a_default_elsewhere(data, tmp_path, asked):
    one = ("--cells", "gru", "--directions", "both", "--seeds", 1)
    run("compare", "--problem", "teddy", *one, "--out", tmp_path / "recipe")
    run("compare", "--problem", "teddy", *one, "--epochs", 50, "--lr", 0.002, "--out", tmp_path / "given")
    run("compare", "classify", data, *one, "--budget", 1, "--patience", 3, "--out", tmp_path / "patient")
    run("compare", "classify", data, *one, "--budget", 1, "--out", tmp_path / "endless")
    recipe, given, patient, endless = asked
    assert (given.epochs, given.lr) == (50, 0.002) != (recipe.epochs, recipe.lr)
    assert patient.patience == 3 < endless.patience


@pytest.mark.parametrize(
    ("task", "directions"),
    [("classify", {"forward", "both"}), ("tag", {"forward", "backward", "both"}), ("forecast", {"forward"})],
)
def test_without_directions_those_are_compared_that_the_task_can_read(data, tmp_path, task, directions):
    run("compare", task, data, "--cells", "gru", "--seeds", 1, "--out", tmp_path / "out")
    assert {one.entry.direction for one in read_results(tmp_path / "out")} == directions


def test_json_has_every_result(data, tmp_path):
    out, _ = run("compare", "classify", data, *GRID, "--out", tmp_path / "out", "--json")
    assert json.loads(out)["results"] == [one.to_dict() for one in read_results(tmp_path / "out")]


def test_a_network_that_failed_is_a_row_with_its_reason_and_all_failed_is_a_failure(data, tmp_path):
    one = ("--directions", "both", "--seeds", "1", "--out", tmp_path / "out")
    out, _ = run("compare", "classify", data, "--cells", "lstm,gru", *one)
    assert "seed 0: RuntimeError: no" in out
    _, said = run("compare", "classify", data, "--cells", "lstm", *one[:-1], tmp_path / "other", code=1)
    assert "Every network failed" in said


def test_each_length_of_a_problem_is_trained(tmp_path, asked):
    run("compare", "--problem", "adding", "--lengths", "5,9", "--cells", "gru", "--seeds", 1, "--out", tmp_path / "out")
    assert [(one.problem, one.length) for one in asked] == [("adding", 5), ("adding", 9)]


def test_teddy_is_asked_of_taggers_who_are_tested_on_other_sentences(tmp_path, asked, monkeypatch):
    seen = []
    by_formula = comparing._enter

    def enter(question, *others):
        seen.append((question.task, question.data.read_text(), question.test.read_text()))
        return by_formula(question, *others)

    monkeypatch.setattr(comparing, "_enter", enter)
    one = ("--cells", "gru", "--directions", "both", "--seeds", 1)
    run("compare", "--problem", "teddy", *one, "--hidden-size", 9, "--out", tmp_path / "out")
    ((task, train, test),) = seen
    assert task == "tag"
    assert "B-PER" in train
    assert not {*train.split("\n\n")} & {one for one in test.split("\n\n") if one.strip()}
    assert [one.hidden_size for one in asked] == [9]
    assert "teddy" in (tmp_path / "out" / "report.html").read_text()


def test_series_are_told_apart_by_the_option_of_training(tmp_path, asked):
    path = tmp_path / "series.csv"
    path.write_text("shop,time,value\na,1,2\na,2,3\n")
    run("compare", "forecast", path, "--series", "shop", "--cells", "gru", "--seeds", 1, "--out", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "comparison.json").read_text())["question"]["reading"]["by"] == "shop"


def test_a_forecaster_is_not_asked_to_read_backwards(tmp_path):
    path = tmp_path / "series.csv"
    path.write_text("time,value\n1,2\n2,3\n")
    _, said = run("compare", "forecast", path, "--directions", "backward", "--out", tmp_path / "out", code=1)
    assert "direction is 'backward', but a model to forecast reads forward, or both ways." in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("classify", "DATA", "--cells", "ltsm"), "cell is 'ltsm', but it must be one of"),
        (("classify", "DATA", "--seeds", 0), "seeds is 0, but it must be at least 1."),
        (("classify", "DATA", "--budget", 0), "budget is 0.0 minutes, but it must be at least 0.01."),
        (("classify", "DATA", "--budget", "nan"), "budget is nan minutes"),
        (("classify", "DATA", "--budget", 1, "--epochs", 4), "--epochs and --budget cannot be given both"),
        (("classify", "DATA", "--budget", 1, "--epochs", 10), "--epochs and --budget cannot be given both"),
        (("--problem", "teddy", "--budget", 1, "--epochs", 4), "--epochs and --budget cannot be given both"),
        (("classify", "MISSING"), "does not exist."),
        (("--cells", "rnn", "classify", "DATA"), "--cells stands before 'classify'. Give it after the data."),
        (("--json", "tag", "DATA"), "--json stands before 'tag'. Give it after the data."),
        ((), "Nothing to compare: name a task and data"),
        (("--problem", "first-tokn"), "Did you mean 'first-token'?"),
        (("--problem", "adding", "--lengths", "5,x"), "lengths has 'x', but it must be whole numbers"),
        (("--problem", "rows", "--lengths", "5"), "--lengths is of no use to the problem 'rows'"),
        (("--problem", "rows", "--held-out", 500), "--held-out is of no use to the problem 'rows', whose images are"),
        (
            ("--problem", "pixels", "--batches-per-epoch", 50),
            "--batches-per-epoch is of no use to the problem 'pixels'",
        ),
        (
            ("--problem", "copy", "--validation-size", 0.3),
            "--validation-size is of no use to the problem 'copy', whose",
        ),
        (("--problem", "teddy", "--lengths", "5"), "--lengths and --data are of no use to the problem 'teddy'."),
        (
            ("--problem", "first-token", "--embedding-lr", 0.1),
            "--embedding-lr is of no use to the problem 'first-token', whose networks have no token vectors.",
        ),
        (("--problem", "teddy", "--start", "torch"), "start is of no use to the problem 'teddy'"),
        (("tag", "DATA", "--model", "hmm"), "model is 'hmm', which has no cells to compare."),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(data, tmp_path, arguments, words):
    given = [data if one == "DATA" else tmp_path / "no.csv" if one == "MISSING" else one for one in arguments]
    out, said = run("compare", *given, "--out", tmp_path / "out", code=1)
    assert not out
    assert words in said
    assert len(said.splitlines()) == 1
