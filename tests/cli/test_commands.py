"""The command line: what it prints, what it writes, what it refuses, and how it ends."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import typer

import bothways
from bothways.bundle import SETTINGS
from bothways.cli.commands import app
from bothways.data.tables import read_table
from bothways.settings import ClassifierSettings
from terminal import run
from toys import SMALL, toy_csv, toy_texts, write_csv

OPTIONS = [part for name, value in SMALL.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def refused(*arguments, text=None):
    """Run a command that is refused; give the one line that says why."""
    out, errors = run(*arguments, code=1, text=text)
    assert out == ""
    last = errors.strip().splitlines()[-1]
    assert last.startswith("bothways: ")
    return last


def train(data, out, *more, code=0):
    return run("train", "classify", data, "--out", out, *OPTIONS, *more, code=code)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def reviews(place):
    return toy_csv(place / "reviews.csv", 120)


@pytest.fixture(scope="module")
def model(place, reviews):
    train(reviews, place / "model", "--epochs", "6")
    return place / "model"


@pytest.fixture(scope="module")
def test_file(place):
    return toy_csv(place / "test.csv", 60, seed=1)


# Faces


def test_the_options_of_train_are_the_settings_with_their_defaults():
    command = typer.main.get_command(app).commands["train"].commands["classify"]
    options = {parameter.name: parameter for parameter in command.params}
    for setting in ClassifierSettings.declared():
        option = options[setting.name]
        assert option.help == setting.help
        assert option.default == setting.default
        assert option.opts == [f"--{setting.name.replace('_', '-')}"]


def commands(group=None, path=()):
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def test_every_command_has_help_an_example_and_json():
    found = dict(commands())
    assert len(found) == 16
    for path, command in found.items():
        assert "Example" in command.help, path
        assert any("--json" in parameter.opts for parameter in command.params), path
        out, _ = run(*path, "--help")
        assert " ".join(command.help.splitlines()[0].split()) in " ".join(out.split())


def test_version_and_help():
    assert run("--version")[0].strip() == f"bothways {bothways.__version__}"
    assert "train" in run("--help")[0]


# The main path


def test_train_says_what_it_guessed_and_what_it_reached(place, reviews):
    out, errors = train(reviews, place / "guess")
    assert "Column 'review' is read as the text." in errors
    assert "Column 'sentiment' is read as the label." in errors
    assert "validation accuracy" in out
    assert "linear baseline" in out
    assert not (place / "guess.training").exists()


def test_the_model_folder_holds_curves_and_a_card(model):
    with (model / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, len(rows) + 1)]
    assert (model / "learning-curves.png").read_bytes().startswith(b"\x89PNG")
    card = (model / "README.md").read_text()
    assert "bad, good" in card
    assert "linear" in card


def test_evaluate_gives_everything_beside_the_baselines(model, test_file):
    out, _ = run("evaluate", model, test_file)
    for name in ("accuracy", "macro-F1", "log loss", "calibration error", "majority baseline", "linear baseline"):
        assert name in out
    measured = json.loads(run("evaluate", model, test_file, "--json")[0])
    texts, labels = toy_texts(60, seed=1)
    predicted = bothways.load(model).predict(texts)
    assert measured["accuracy"] == pytest.approx(np.mean([a == b for a, b in zip(predicted, labels, strict=True)]))
    assert measured["baselines"].keys() == {"majority", "linear"}
    assert sum(map(sum, measured["confusion"])) == 60


def test_evaluate_draws_the_confusion_matrix(model, test_file, place):
    run("evaluate", model, test_file, "--confusion", place / "confusion.png")
    assert (place / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_predict_gives_a_line_for_each_text_in_order(model):
    out, _ = run("predict", model, "gloom was joy here", "joy was gloom here")
    lines = [line.split("\t") for line in out.splitlines()]
    assert [line[2] for line in lines] == ["gloom was joy here", "joy was gloom here"]
    assert [line[0] for line in lines] == bothways.load(model).predict([line[2] for line in lines])


def test_predict_reads_standard_input(model):
    out, _ = run("predict", model, text="joy\n\ngloom\n")
    assert [line.split("\t")[2] for line in out.splitlines()] == ["joy", "", "gloom"]


def test_predict_in_json_gives_every_probability(model):
    out, _ = run("predict", model, "--json", "joy")
    answer = json.loads(out)
    assert answer["probabilities"].keys() == {"bad", "good"}
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "tsv.gz"])
def test_rows_out_are_rows_in(model, place, ending):
    texts = ["joy", "", 'a "quoted", text', "two\nlines", "中文 🎬", "gloom"]
    data = write_csv(place / "new.csv", ["id", "review"], [[str(row), text] for row, text in enumerate(texts)])
    out = place / f"predictions.{ending}"
    run("predict", model, "--file", data, "--out", out)
    table = read_table(out)
    assert table.columns == ["id", "review", "prediction", "probability"]
    rows = list(table.rows(["review", "prediction"]))
    assert [text or "" for text, _ in rows] == texts
    assert [label for _, label in rows] == bothways.load(model).predict(texts)


def test_columns_named_like_ours_are_kept(model, place):
    data = write_csv(place / "mine.csv", ["review", "prediction"], [["joy", "old"], ["gloom", "older"]])
    run("predict", model, "--file", data, "--out", place / "mine-out.csv", "--text", "review")
    table = read_table(place / "mine-out.csv")
    assert table.columns == ["review", "prediction", "new_prediction", "new_probability"]


def test_info_shows_settings_and_scores(model):
    out, _ = run("info", model)
    assert "hidden_size = 8" in out
    assert "validation accuracy" in out
    assert json.loads(run("info", model, "--json")[0])["task"] == "classify"


def test_save_splits_writes_the_rows_that_train_and_those_held_out(place, reviews):
    train(reviews, place / "splits-model", "--save-splits", place / "splits")
    parts = [read_table(place / "splits" / name) for name in ("train.csv", "test.csv")]
    rows = [list(part.rows(part.columns)) for part in parts]
    assert [len(part) for part in rows] == [96, 24]
    assert sorted([*rows[0], *rows[1]]) == sorted(zip(*toy_texts(120), strict=True))
    assert sum(label == "good" for _, label in rows[1]) == 12


def test_save_splits_writes_lists_of_other_columns_as_json(tmp_path):
    rows = [
        {"review": text, "sentiment": label, "tags": [label, 1]} for text, label in zip(*toy_texts(60), strict=True)
    ]
    data = tmp_path / "reviews.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    train(data, tmp_path / "model", "--save-splits", tmp_path / "splits")
    parts = [read_table(tmp_path / "splits" / name) for name in ("train.csv", "test.csv")]
    found = [(text, label, json.loads(tags)) for part in parts for text, label, tags in part.rows(part.columns)]
    assert sorted(found) == sorted((row["review"], row["sentiment"], row["tags"]) for row in rows)


def test_the_package_is_a_command_as_well():
    done = subprocess.run([sys.executable, "-m", "bothways", "--help"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "predict" in done.stdout


def test_several_seeds_are_reported_with_their_spread(place, reviews):
    out, _ = train(reviews, place / "seeds", "--seeds", "3")
    rows = json.loads(run("info", place / "seeds", "--json")[0])["metrics"]["by_seed"]
    values = [row["accuracy"] for row in rows]
    assert f"Over 3 seeds: accuracy {np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}" in out


def test_a_tensorboard_log_holds_the_scores_of_every_epoch(place, reviews):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(reviews, place / "logged", "--tensorboard", place / "log")
    log = EventAccumulator(str(place / "log"))
    log.Reload()
    with (place / "logged" / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    assert [event.value for event in log.Scalars("accuracy")] == pytest.approx(
        [float(row["accuracy"]) for row in history]
    )


def test_validation_from_a_file_in_another_encoding(place, reviews, test_file):
    encoded = place / "valid.csv"
    encoded.write_bytes(test_file.read_text().replace("seen", "café").encode("latin-1"))
    _, errors = train(reviews, place / "valid-model", "--validation", encoded)
    assert "latin-1" in errors


# Stopping and going on


def weights(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "weights.safetensors")


def start(reviews, out, *more):
    command = [sys.executable, "-c", "from bothways.cli import main; main()", "train", "classify", str(reviews)]
    options = [*OPTIONS, "--epochs", "2000", "--patience", "2000", "--out", str(out), *more]
    return subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_training_that_writes_splits_goes_on_by_the_same_command(place, reviews):
    more = ("--save-splits", str(place / "parts"))
    process = start(reviews, place / "parted", *more)
    for line in process.stderr:
        if line.startswith("epoch  1"):
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    before = {file.name: file.read_bytes() for file in (place / "parts").iterdir()}
    process = start(reviews, place / "parted", *more, "--resume")
    said = ""
    for line in process.stderr:
        said += line
        if line.startswith("epoch"):
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert {file.name: file.read_bytes() for file in (place / "parts").iterdir()} == before


def test_ctrl_c_keeps_the_best_so_far_and_says_how_to_go_on(place, reviews):
    process = start(reviews, place / "stopped")
    for line in process.stderr:
        if line.startswith("epoch  3"):
            break
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert out == ""
    assert "the same command with --resume goes on where it was" in errors.splitlines()[-1]
    assert bothways.load(place / "stopped").predict(["joy"])
    message = refused("train", "classify", reviews, "--out", place / "stopped", *OPTIONS)
    assert "holds an unfinished training. Go on with --resume, or start again with --force." in message


def test_a_command_killed_and_resumed_ends_in_the_same_weights(place, reviews):
    more = ["--epochs", "40", "--patience", "40"]
    train(reviews, place / "whole", *more)
    out, state = place / "killed", place / "killed.training" / "seed-0.safetensors"
    command = [sys.executable, "-c", "from bothways.cli import main; main()", "train", "classify", str(reviews)]
    options = [*OPTIONS, *more, "--out", str(out)]
    with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not state.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        process.kill()
    assert not out.exists(), "the training was over before it was killed"
    train(reviews, out, *more, "--resume")
    for name, weight in weights(place / "whole").items():
        np.testing.assert_array_equal(weights(out)[name], weight)


def test_resuming_with_other_data_or_settings_is_refused(place, reviews, model):
    out = place / "other"
    workplace = place / "other.training"
    workplace.mkdir()
    shutil.copy(model / "weights.safetensors", workplace / "seed-0.safetensors")
    message = refused("train", "classify", reviews, "--out", out, *OPTIONS, "--resume")
    assert "Start again without --resume" in message


def test_resuming_nothing_is_refused(place, reviews):
    message = refused("train", "classify", reviews, "--out", place / "never", *OPTIONS, "--resume")
    assert "holds no checkpoint to resume from. Run the command without --resume." in message


# Bad input: one line, exit 1, nothing lost


@pytest.mark.parametrize("inside", [".", "splits"])
def test_a_split_is_not_written_among_the_data(tmp_path, inside):
    data = tmp_path / "data"
    data.mkdir()
    toy_csv(data / "reviews.csv", 60)
    command = ["train", "classify", data, "--out", tmp_path / "model", "--save-splits", data / inside, "--force"]
    assert refused(*command) == (
        f"bothways: {data / inside} lies in the training data {data}, and the next training would read the split as "
        "well. Choose another folder with --save-splits."
    )
    assert [file.name for file in data.iterdir()] == ["reviews.csv"]


def test_a_name_too_long_for_a_file_is_refused_in_one_line_by_every_command(model, reviews, tmp_path):
    long = "I really enjoyed it. " * 20
    for command in (
        ("predict", long, "hello"),
        ("predict", model, "--file", reviews, "--out", tmp_path / f"{long}.csv"),
        ("predict", model, "--file", long, "--out", tmp_path / "out.csv"),
        ("evaluate", model, long),
        ("train", "classify", reviews, "--out", tmp_path / long),
        ("train", "classify", reviews, "--out", tmp_path / "m", "--save-splits", tmp_path / long),
        ("train", "translate", long, long, "--out", tmp_path / "m"),
        ("compare", "classify", long, "--out", tmp_path / "c"),
    ):
        assert "File name too long" in refused(*command)


@pytest.mark.parametrize("option", ["--save-splits", "--tensorboard"])
@pytest.mark.parametrize("inside", ["model", "model/inner", "model.training"])
def test_nothing_else_is_written_where_the_model_will_stand(tmp_path, reviews, option, inside):
    if option == "--tensorboard":
        pytest.importorskip("tensorboard")
    said = refused("train", "classify", reviews, "--out", tmp_path / "model", *OPTIONS, option, tmp_path / inside)
    assert f"{tmp_path / inside} is or lies in {tmp_path / inside.split('/')[0]}, which is the model's alone." in said
    assert said.endswith(f"Choose another folder with {option}.")
    assert not list(tmp_path.iterdir())


def one_row_less(path, column):
    rows = [list(row) for row in zip(*toy_texts(12), strict=True)]
    rows[4][column] = ""
    return write_csv(path, ["review", "sentiment"], rows)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (None, [], "does not exist"),
        (b"", [], "holds no rows"),
        (b"review,sentiment\n", [], "holds no rows"),
        (b"review,sentiment\na,x\nb,y\n", ["--text", "reviw"], "Did you mean 'review'?"),
        (
            b"review,sentiment\na,x\nb,\n",
            [],
            "row 2 has no label. Fill it in, or leave such rows out (--skip-unlabelled)",
        ),
        (
            b"review,sentiment\na,\nb,\n",
            ["--skip-unlabelled"],
            "row 1 and all other rows have no label. Name another column with --label.",
        ),
        (b"review,sentiment\na,x\nb,y\n" * 20, ["--refit", "--minutes", "1"], "refit is True beside minutes, but it"),
        (b"review,sentiment\na,x\nb,x\n", [], "All 2 rows have the label 'x', but two labels or more are needed"),
        (b'review,sentiment\na,x\n"b,y\nc,x\n', [], "a quote is opened here"),
        ("review,sentiment\né,x\nü,y\n".encode() + b"\xff,x\n", [], "--encoding"),
        (b"review,sentiment\n" + b"a,0.25\nb,0.5\n" * 20, [], "classify needs classes, not measured numbers"),
        (b"review,sentiment\na,x\nb,y\n" * 20, ["--cell-type", "ltsm"], "Did you mean 'lstm'?"),
        (b"review,sentiment\na,x\nb,y\n" * 20, ["--vectors", "missing.txt"], "missing.txt"),
        (b"review,sentiment\na,x\nb,y\n" * 20, ["--out", "/proc/no/model"], "cannot be written"),
    ],
)
def test_bad_input_to_train_is_refused_in_one_line(tmp_path, content, options, message):
    data = tmp_path / "data.csv"
    if content is not None:
        data.write_bytes(content)
    said = refused("train", "classify", data, "--out", tmp_path / "model", *OPTIONS, *options)
    assert message in said
    assert not (tmp_path / "model").exists()


def test_a_vector_file_whose_width_changes_is_refused_with_its_line(tmp_path, reviews):
    (tmp_path / "v.txt").write_text("joy 1 2 3\ngloom 1 2\n")
    options = ["--vectors", tmp_path / "v.txt", "--embedding-dim", "3"]
    said = refused("train", "classify", reviews, "--out", tmp_path / "m", *OPTIONS, *options)
    assert "v.txt, line 2" in said


def test_several_labels_a_row_are_refused(tmp_path):
    data = tmp_path / "multi.jsonl"
    data.write_text('{"text": "a", "label": ["x", "y"]}\n{"text": "b", "label": ["x"]}\n')
    assert "multi-label" in refused("train", "classify", data, "--out", tmp_path / "m", *OPTIONS)


def test_rows_without_label_are_skipped_and_counted_on_request(tmp_path):
    data = one_row_less(tmp_path / "data.csv", 1)
    _, errors = train(data, tmp_path / "model", "--skip-unlabelled")
    assert "1 row without a label left out, the first at data.csv, row 5." in errors


def test_an_existing_output_is_refused_before_anything_is_read(tmp_path, model):
    said = refused("train", "classify", tmp_path / "missing.csv", "--out", model, *OPTIONS)
    assert "Choose another place with --out, or replace it with --force." in said


def test_force_replaces_a_model(place, reviews):
    train(reviews, place / "forced")
    train(reviews, place / "forced", "--force", "--hidden-size", "5")
    assert json.loads((place / "forced" / SETTINGS).read_text())["settings"]["hidden_size"] == 5


def test_empty_texts_and_nul_are_kept_and_said(tmp_path):
    texts, labels = toy_texts(40)
    texts[3], texts[7] = "", "joy\x00gloom"
    data = write_csv(
        tmp_path / "odd.csv", ["review", "sentiment"], [list(row) for row in zip(texts, labels, strict=True)]
    )
    _, errors = train(data, tmp_path / "model")
    assert "1 empty text" in errors
    assert "NUL" in errors


def test_a_text_of_many_words_is_cut_and_said(model, place):
    data = write_csv(place / "long.csv", ["review", "sentiment"], [["word " * 300_000, "good"], ["joy", "bad"]])
    _, errors = run("evaluate", model, data)
    assert "1 text cut after 1,024 steps, the first at long.csv, row 1." in errors


def test_places_count_the_rows_without_a_label_that_evaluate_leaves_out(model, place):
    rows = [["joy", "good"], ["plot", ""], ["film", ""], ["", "bad"]]
    data = write_csv(place / "gaps.csv", ["review", "sentiment"], rows)
    _, errors = run("evaluate", model, data, "--skip-unlabelled")
    assert "2 rows without a label left out, the first at gaps.csv, row 2." in errors
    assert "1 empty text predicted like any other, the first at gaps.csv, row 4." in errors
    assert "row 2 has no label. Fill it in, or leave such rows out" in refused("evaluate", model, data)


def test_labels_that_training_never_had_are_counted_wrong(model, place):
    data = write_csv(place / "ugly.csv", ["review", "sentiment"], [["joy", "ugly"], ["gloom", "bad"], ["joy", "good"]])
    out, errors = run("evaluate", model, data)
    assert "ugly" in errors
    measured = json.loads(run("evaluate", model, data, "--json")[0])
    assert measured["unknown_labels"] == {"ugly": 1}
    assert measured["accuracy"] <= 2 / 3
    assert "accuracy" in out


def test_control_characters_of_data_do_not_reach_the_terminal(model, place):
    text = "joy \x1b[31mred\x07"
    out, _ = run("predict", model, text)
    assert "\x1b" not in out
    assert "\x07" not in out
    data = write_csv(place / "escape.csv", ["review", "sentiment"], [["joy", "\x1b[31mgood"], ["gloom", "bad"]])
    out, errors = run("evaluate", model, data)
    assert "\x1b" not in out + errors


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "settings.json"])
def test_a_damaged_model_folder_is_refused(model, tmp_path, name):
    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    content = (broken / name).read_bytes()
    (broken / name).write_bytes(content[: len(content) // 2])
    assert f"{name} is cut or altered" in refused("predict", broken, "joy")
    (broken / name).unlink()
    assert f"{name} is missing" in refused("predict", broken, "joy")


def test_a_folder_of_a_newer_version_is_refused(model, tmp_path):
    newer = tmp_path / "newer"
    shutil.copytree(model, newer)
    settings = json.loads((newer / SETTINGS).read_text())
    (newer / SETTINGS).write_text(json.dumps({**settings, "format_version": 99}))
    assert "pip install --upgrade bothways" in refused("predict", newer, "joy")


def test_an_existing_prediction_is_not_overwritten(model, test_file, place):
    (place / "taken.csv").write_text("mine")
    said = refused("predict", model, "--file", test_file, "--out", place / "taken.csv", "--text", "review")
    assert "replace it with --force" in said
    assert (place / "taken.csv").read_text() == "mine"


def test_file_without_out_is_refused(model, test_file):
    assert "--file and --out go together" in refused("predict", model, "--file", test_file)


def test_wrong_usage_ends_with_two():
    run("train", "classify", "x.csv", code=2)
    run("predict", "m", "--no-such-option", code=2)
    run("train", "classify", "x.csv", "--out", "m", "--epochs", "many", code=2)


def test_a_full_disk_while_saving_leaves_the_old_model(place, reviews):
    """A limit on the size of files stands for a full disk; the linear baseline and the tokenizer still fit."""
    out = place / "full"
    train(reviews, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
        "from bothways.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "train", "classify", str(reviews), "--out", str(out), "--force", *OPTIONS]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "MPLCONFIGDIR": str(place)})
    assert done.returncode == 1, done.stderr
    assert "could not be written" in done.stderr.strip().splitlines()[-1]
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert not list(Path(place).glob(".full*"))
