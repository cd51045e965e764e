"""What the command line prints, where it goes, and what it says when it cannot go there."""

import io
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import bothways
from bothways import TextClassifier
from bothways.cli.commands import app
from bothways.cli.output import StandardError, print_json
from bothways.data.tables import read_table
from bothways.data.writing import TableWriter
from bothways.errors import OutputError, counted
from bothways.training.progress import TensorBoardLog, TerminalProgress
from terminal import run
from toys import SMALL, toy_texts, write_csv

MAIN = "from bothways.cli import main; main()"
LONG = "a label of many words that would never fit into the eighty columns of a narrow terminal, whatever it is"


def process(*arguments, before="", settings=None, **options):
    """Run a command in a process of its own, as a shell would."""
    command = [sys.executable, "-c", f"{before}\n{MAIN}", *(os.fsencode(part) for part in arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run(command, env={**os.environ, **(settings or {})}, check=False, **options)


def without(*modules):
    """Code that makes modules look as if they were not installed."""
    return f"import sys; sys.modules.update(dict.fromkeys({modules!r}))"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("output")


@pytest.fixture(scope="module")
def model(place):
    """A model whose labels are true and false, and which reads nine steps."""
    texts, labels = toy_texts(60)
    TextClassifier(**SMALL, max_length=9).fit(texts, [label == "good" for label in labels]).save(place / "model")
    return place / "model"


@pytest.fixture(scope="module")
def data(place):
    texts, labels = toy_texts(20, seed=1)
    labels = [LONG if row == 3 else "true" if label == "good" else "false" for row, label in enumerate(labels)]
    return write_csv(place / "test.csv", ["review", "label"], [list(row) for row in zip(texts, labels, strict=True)])


# Labels


def test_a_boolean_label_is_printed_as_tables_spell_it(model):
    out, _ = run("predict", model, "joy", "gloom")
    assert {line.split("\t")[0] for line in out.splitlines()} <= {"true", "false"}
    answer = json.loads(run("predict", model, "--json", "joy")[0])
    assert answer["label"] is bothways.load(model).predict(["joy"])[0]
    assert list(answer["probabilities"]) == ["false", "true"]
    assert "labels: false, true\n" in run("info", model)[0]


# Texts that are given


def test_empty_and_cut_texts_are_counted_and_the_first_is_named(model):
    _, errors = run("predict", model, "joy", "", "a " * 10, "")
    assert errors.splitlines() == [
        "1 text cut after 9 steps, the first at text 3.",
        "2 empty texts predicted like any other, the first at text 2.",
    ]
    _, errors = run("predict", model, text="joy\n\n")
    assert errors == "1 empty text predicted like any other, the first at line 2.\n"


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_standard_input_is_utf_8_whatever_the_terminal_is_set_to(model, start, encoding):
    done = process(
        "predict", model, "--json", input=start + "é 中\r\nb\n".encode(), settings={"PYTHONIOENCODING": encoding}
    )
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == ["é 中", "b"]


def test_a_line_of_standard_input_that_is_not_utf_8_is_refused_before_anything_is_predicted(model):
    done = process("predict", model, input=b"a\ncaf\xe9\nb\n")
    assert (done.returncode, done.stdout) == (1, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("bothways: standard input, line 2: the byte 0xe9 is not UTF-8. Convert the text, or give it")


def test_an_argument_that_is_not_utf_8_is_refused(model):
    done = process("predict", model, "joy", b"caf\xe9", settings={"PYTHONUTF8": "1"})
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"bothways: Text 2: the byte 0xe9 is not UTF-8. Give it as UTF-8.\n"
    done = CliRunner().invoke(app, ["predict", str(model), "half \ud83c"])
    assert (done.exit_code, done.stderr) == (1, "bothways: Text 1 holds half a character, U+D83C. Leave it out.\n")


# The base install


@pytest.mark.parametrize("missing", [("torch", "lightning_fabric", "sklearn", "onnx", "matplotlib"), ("torch",)])
def test_training_without_the_extra_says_what_to_install(place, missing):
    asked = 'Training needs torch, which is not installed. Run: pip install "bothways[train]"'
    done = process("train", "classify", "x.csv", "--out", place / "never", before=without(*missing))
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == f"bothways: {asked}\n"
    code = f"{without(*missing)}\nimport bothways\ntry: bothways.TextClassifier\nexcept ImportError as e: print(e)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{asked}\n"


@pytest.mark.parametrize(("module", "package"), [("sklearn", "scikit-learn"), ("pyarrow", "pyarrow")])
def test_the_missing_package_is_the_one_that_is_named(place, module, package):
    done = process("train", "classify", "x.csv", "--out", place / "never", before=without(module))
    assert f"bothways: Training needs {package}, which is not installed." in done.stderr.decode()


def test_evaluate_and_predict_need_nothing_of_the_extra(model, data):
    before = without("torch", "lightning_fabric", "sklearn", "onnx", "matplotlib", "scipy", "pyarrow", "pandas")
    done = process("evaluate", model, data, "--json", before=before)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(run("evaluate", model, data, "--json")[0])
    assert process("predict", model, "joy", before=before).stdout.decode() == run("predict", model, "joy")[0]


@pytest.mark.parametrize("ending", ["csv", "tsv.gz", "jsonl"])
def test_a_file_is_predicted_without_torch_and_pyarrow(model, place, ending):
    """From every text format to every other: the labels are those of a process that has all extras."""
    texts, _ = toy_texts(7, seed=2)
    new = place / f"new.{ending}"
    with TableWriter(new, {"id": int, "review": str}) as writer:
        writer.write(enumerate(texts))
    for out in (place / f"{ending}-out.csv", place / f"{ending}-out.jsonl"):
        done = process("predict", model, "--file", new, "--out", out, before=without("torch", "pyarrow"))
        assert done.returncode == 0, done.stderr
        rows = list(read_table(out).rows(["id", "review", "prediction"]))
        labels = ["true" if label else "false" for label in bothways.load(model).predict(texts)]
        assert rows == [(str(row), *pair) for row, pair in enumerate(zip(texts, labels, strict=True))]
    assert process("info", model, before=without("torch", "pyarrow")).returncode == 0


def test_a_parquet_file_without_pyarrow_says_what_to_install(model, data, place):
    with TableWriter(place / "new.parquet", {"review": str}) as writer:
        writer.write([("joy",)])
    for doing, file, out in (
        ("Reading new.parquet", place / "new.parquet", place / "no.csv"),
        ("Writing no.parquet", data, place / "no.parquet"),
    ):
        done = process("predict", model, "--file", file, "--out", out, before=without("pyarrow"))
        asked = 'needs pyarrow, which is not installed. Run: pip install "bothways[parquet]"'
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.decode() == f"bothways: {doing} {asked}\n"
        assert not out.exists()


def test_a_picture_without_matplotlib_says_what_to_install_after_the_scores(model, data, place):
    done = process("evaluate", model, data, "--confusion", place / "no.png", before=without("matplotlib"))
    assert done.returncode == 1
    assert b"accuracy" in done.stdout
    last = done.stderr.decode().splitlines()[-1]
    assert last.startswith("bothways: Drawing a picture needs matplotlib, which is not installed. Run: pip install")


# Standard output that cannot take it


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["predict", "many", "info", "--help", "--version"])
def test_a_full_disk_under_standard_output_is_said_in_one_line(model, command, unbuffered):
    """A short answer fails when it is flushed at the end, a long one in the middle."""
    arguments = {
        "predict": ["predict", model, "joy"],
        "many": ["predict", model, "--json", *["joy"] * 500],
        "info": ["info", model],
    }.get(command, [command])
    with open("/dev/full", "wb") as full:
        done = process(*arguments, stdout=full, settings={"PYTHONUNBUFFERED": unbuffered})
    assert done.returncode == 1
    assert done.stderr == b"bothways: Standard output cannot be written: No space left on device.\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("texts", [1, 500])
def test_a_reader_that_went_away_is_no_error(model, texts, unbuffered):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = process(
            "predict", model, "--json", *["joy"] * texts, stdout=pipe, settings={"PYTHONUNBUFFERED": unbuffered}
        )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_json_in_every_encoding(model, encoding):
    done = process(
        "predict", model, "--json", "中文 é 🎬\x07", settings={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode(encoding))["text"] == "中文 é 🎬\x07"
    assert ("中文".encode() in done.stdout) == (encoding == "utf-8")


# Lines that stay whole


def test_piped_tables_and_sentences_are_never_broken(model, data):
    out, _ = run("evaluate", model, data)
    lines = out.splitlines()
    assert "confusion: true labels down, predictions across" in lines
    # The label stands in one row, and the model never had it: it was never given and never found.
    (row,) = [line.split() for line in lines if line.strip().startswith(LONG)]
    assert row[-4:] == ["0.0000", "0.0000", "0.0000", "1"]


def test_piped_lines_of_epochs_are_never_broken(capsys):
    progress = TerminalProgress(unit="u" * 90)
    progress.started(epochs=2, done=0)
    for epoch in (1, 2):
        progress.epoch_ended({"epoch": epoch, "train_loss": 0.5, "loss": 0.25, "accuracy": 0.75}, best=True)
    progress.ended()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0:2] for line in lines] == [["epoch", "1"], ["epoch", "2"]]
    assert all(line.endswith("best so far") for line in lines)


# Several trainings in turn


def test_each_training_has_one_bar_and_leaves_none():
    with TerminalProgress() as progress:
        for _ in range(3):
            progress.started(epochs=2, done=0)
            progress.stepped(epoch=1, batch=1, batches=2, steps=7)
            (task,) = progress._bar.tasks
            assert task.completed == 0.5
            progress.ended()
            assert not progress._bar.tasks


def logged(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(folder))
    log.Reload()
    return [(event.step, event.value) for event in log.Scalars("loss")] if "loss" in log.Tags()["scalars"] else []


@pytest.mark.parametrize("several", [False, True])
def test_each_of_several_trainings_has_a_tensorboard_folder_of_its_own(tmp_path, several):
    pytest.importorskip("tensorboard")
    log = TensorBoardLog(tmp_path / "log", several=several)
    assert not (tmp_path / "log").exists()
    for attempt in (1, 2) if several else (1,):
        log.started(epochs=2, done=0)
        for epoch in (1, 2):
            log.epoch_ended({"epoch": epoch, "loss": attempt + epoch / 4}, best=True)
        log.ended()
    if several:
        assert logged(tmp_path / "log" / "attempt-1") == [(1, 1.25), (2, 1.5)]
        assert logged(tmp_path / "log" / "attempt-2") == [(1, 2.25), (2, 2.5)]
    else:
        assert logged(tmp_path / "log") == [(1, 1.25), (2, 1.5)]


def test_a_tensorboard_log_where_a_file_stands_is_refused(tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "mine").write_text("mine")
    for folder in (tmp_path / "mine", tmp_path / "mine" / "log"):
        with pytest.raises(OutputError, match=r"cannot hold a TensorBoard log: .*mine is not a folder that you may"):
            TensorBoardLog(folder)
    log = TensorBoardLog(tmp_path / "later")
    (tmp_path / "later").write_text("mine")
    with pytest.raises(OutputError, match=r"later cannot hold a TensorBoard log: .*Choose another --tensorboard\.$"):
        log.started(epochs=1, done=0)
    assert (tmp_path / "mine").read_text() == (tmp_path / "later").read_text() == "mine"


# Pictures


@pytest.mark.parametrize("option", ["--confusion", "--reliability"])
def test_a_picture_that_cannot_be_written_loses_no_score(model, data, place, option):
    out, errors = run("evaluate", model, data, "--json", option, place / "missing" / "picture.png", code=1)
    assert json.loads(out)["rows"] == 20
    assert errors.splitlines()[-1].startswith("bothways: picture.png cannot be written: ")


def test_evaluate_draws_how_often_answers_are_right(model, data, place, monkeypatch):
    from bothways.training import pictures

    drawn = []
    monkeypatch.setattr(pictures, "draw_reliability", lambda *given: drawn.append(given))
    out, _ = run("evaluate", model, data, "--json", "--reliability", place / "sure.png")
    ((probabilities, right, path),) = drawn
    assert path == place / "sure.png"
    assert np.mean(right) == pytest.approx(json.loads(out)["accuracy"])
    texts, _ = toy_texts(20, seed=1)
    np.testing.assert_allclose(probabilities, bothways.load(model).predict_proba(texts), atol=1e-6)


def test_json_is_strict_where_a_number_is_none(capsys):
    print_json({"score": math.nan, "more": [math.inf, 1.5, {"least": -math.inf}], "tuple": (math.nan,)})
    strict = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(name))
    assert strict == {"score": None, "more": [None, 1.5, {"least": None}], "tuple": [None]}


def test_one_is_not_counted_as_many():
    assert [counted(number, "word") for number in (0, 1, 2_000)] == ["0 words", "1 word", "2,000 words"]


class Gone(io.RawIOBase):
    """What nobody reads any more."""

    def writable(self):
        return True

    def write(self, _):
        raise BrokenPipeError


def test_work_goes_on_when_nobody_reads_standard_error():
    gone = io.TextIOWrapper(Gone(), encoding="utf-8")
    stream = StandardError.like(gone)
    for _ in range(3):
        print("epoch 1", file=stream, flush=True)


@pytest.mark.parametrize("closed", ["2>&-", ">&-"])
def test_a_closed_stream_takes_nothing_from_the_other(closed):
    for arguments, code in ((["predict", "nowhere", "text"], 1), (["--version"], 0)):
        code_run = f"import sys; from bothways.cli import main; sys.argv = ['bothways', *{arguments}]; main()"
        done = subprocess.run(
            ["sh", "-c", f'"{sys.executable}" -c "{code_run}" {closed}'], capture_output=True, text=True, check=False
        )
        assert done.returncode == code
        assert done.stdout == (f"bothways {bothways.__version__}\n" if code == 0 and closed == "2>&-" else "")
        said = [] if code == 0 or closed == "2>&-" else ["bothways: nowhere"]
        assert [line[:17] for line in done.stderr.splitlines()] == said


def test_a_full_disk_for_the_log_ends_the_log_and_not_the_training(tmp_path, caplog):
    log = TensorBoardLog(tmp_path / "log")
    log.started(epochs=2, done=0)

    class Full:
        def add_scalar(self, *_):
            raise OSError(28, "No space left on device")

    log._writer = Full()
    log.epoch_ended({"epoch": 1, "loss": 0.5}, best=True)
    log.epoch_ended({"epoch": 2, "loss": 0.4}, best=True)
    log.ended()
    assert "No space left on device" in caplog.text
    assert len(caplog.records) == 1
