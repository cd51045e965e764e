import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from bothways.errors import DataError, Interrupted, OutputError, SettingsError
from bothways.lab import comparing
from bothways.lab.comparing import compare, read_results, take_place
from bothways.lab.entering import TRACEBACK, Speaker
from bothways.lab.entries import Entry, Question, Result, every
from bothways.lab.problems import train_problem
from bothways.training.classification import train_classifier
from bothways.training.from_files import open_rows
from bothways.training.preparation import prepare

SETTINGS = {"hidden_size": 4, "embedding_dim": 3, "epochs": 2, "min_count": 1, "dropout": 0.0}
READING = {"text": "text", "label": "label", "encoding": "auto"}


class Heard:
    """A listener that remembers what it heard."""

    def __init__(self):
        self.done, self.shares, self.rows, self.results, self.over = None, [], [], [], False

    def began(self, entries, done):
        self.done = done

    def moved(self, entry, share):
        self.shares.append((entry, share))

    def scored(self, entry, row):
        self.rows.append((entry, row))

    def entered(self, result):
        self.results.append(result)

    def ended(self):
        self.over = True


def write_texts(path, *, rows=90, seed=0):
    draw = random.Random(seed)
    lines = ["text,label"]
    for _ in range(rows):
        label = draw.choice(["good", "bad"])
        words = [draw.choice(["film", "plot", "it", "was", "so"]) for _ in range(draw.randint(1, 9))]
        words.insert(draw.randrange(len(words) + 1), {"good": "great", "bad": "awful"}[label])
        lines.append(f"{' '.join(words)},{label}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def question(tmp_path_factory):
    data = write_texts(tmp_path_factory.mktemp("texts") / "texts.csv")
    return Question("classify", SETTINGS, data, reading=READING)


@pytest.fixture(scope="module")
def compared(question, tmp_path_factory):
    """Two cells and a direction, compared in processes of their own."""
    heard = Heard()
    out = tmp_path_factory.mktemp("compared") / "out"
    compare(question, every(["gru", "rnn"], ["forward"], [3]), out, listener=heard)
    return out, heard


@pytest.fixture
def in_this_process(monkeypatch):
    """Networks enter by a formula; gives the list of those that did."""
    entered = []

    def enter(question, entry, runs, listener):
        entered.append(entry)
        result = Result(entry, score=len(entry.cell) / 10, history=[{"epoch": 1, "accuracy": 0.5}], best_epoch=1)
        (runs / f"{entry.name}.json").write_text(json.dumps(result.to_dict()))
        return result

    monkeypatch.setattr(comparing, "_enter", enter)
    return entered


def test_a_network_reaches_in_a_comparison_what_it_reaches_alone(question, compared, tmp_path):
    entry = Entry("gru", "forward", 3)
    settings = question.settings_of(entry)
    source = open_rows(question.data, **READING, say=lambda note: None)
    alone = train_classifier(prepare(source, None, settings, tmp_path), settings)
    (found,) = [one for one in read_results(compared[0]) if one.entry == entry]
    assert found.score == alone.scores.accuracy
    assert found.history == alone.history
    assert found.baselines == {name: one["accuracy"] for name, one in alone.baseline_scores.items()}
    assert found.parameters == sum(weight.numel() for weight in alone.model.parameters())


def test_every_result_says_what_it_cost(compared):
    for one in read_results(compared[0]):
        assert one.failed is None
        assert one.seconds > 0
        assert one.steps_per_second > 0
        assert one.predicted_per_second > 0
        assert one.memory is None or one.memory > 10
        assert len(one.gradients) == len(one.fresh_gradients) > 1


def test_listeners_hear_of_every_epoch_and_every_network(compared):
    heard = compared[1]
    assert [(entry.cell, row["epoch"]) for entry, row in heard.rows] == [
        ("gru", 1), ("gru", 2), ("rnn", 1), ("rnn", 2)
    ]  # fmt: skip
    assert [one.entry.cell for one in heard.results] == ["gru", "rnn"]
    assert heard.done == 0
    assert heard.over
    assert not list((compared[0] / "runs").glob("*.training"))


def test_what_is_there_is_not_trained_again_and_what_is_new_is_added(question, tmp_path, in_this_process):
    compare(question, every(["rnn"], ["both"], [0]), tmp_path / "out", listener=Heard())
    heard = Heard()
    found = compare(question, every(["rnn", "gru"], ["both"], [0]), tmp_path / "out", listener=heard)
    assert heard.done == 1
    assert in_this_process == [Entry("rnn", "both", 0), Entry("gru", "both", 0)]
    assert {one.entry.cell for one in found.results} == {"rnn", "gru"}


def test_a_network_that_failed_is_tried_again(question, tmp_path, in_this_process):
    entries = every(["rnn"], ["both"], [0])
    compare(question, entries, tmp_path / "out", listener=Heard())
    failed = Result(entries[0], failed="out of memory")
    (tmp_path / "out" / "runs" / f"{entries[0].name}.json").write_text(json.dumps(failed.to_dict()))
    (found,) = compare(question, entries, tmp_path / "out", listener=Heard()).results
    assert found.failed is None


def test_a_cut_result_counts_as_none(question, tmp_path, in_this_process):
    entries = every(["rnn"], ["both"], [0])
    compare(question, entries, tmp_path / "out", listener=Heard())
    path = tmp_path / "out" / "runs" / f"{entries[0].name}.json"
    path.write_text(path.read_text()[:40])
    compare(question, entries, tmp_path / "out", listener=Heard())
    assert len(in_this_process) == 2


def test_other_settings_or_other_data_are_refused_unless_forced(question, tmp_path, in_this_process):
    entries, out = every(["rnn"], ["both"], [0]), tmp_path / "out"
    compare(question, entries, out, listener=Heard())
    wider = Question("classify", {**SETTINGS, "hidden_size": 5}, question.data, reading=READING)
    with pytest.raises(OutputError, match=r"holds a comparison on other data or settings\. .* --force"):
        compare(wider, entries, out, listener=Heard())
    copied = write_texts(tmp_path / "texts.csv")
    take_place(Question("classify", SETTINGS, copied, reading=READING), out, force=False)
    write_texts(copied, seed=1)
    with pytest.raises(OutputError, match="other data"):
        take_place(Question("classify", SETTINGS, copied, reading=READING), out, force=False)
    compare(wider, entries, out, listener=Heard(), force=True)
    assert len(read_results(out)) == 1
    assert len(in_this_process) == 2


def test_a_folder_of_something_else_is_never_replaced(question, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for force in (False, True):
        with pytest.raises(OutputError, match="holds no comparison"):
            take_place(question, tmp_path, force=force)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_place_that_cannot_be_written_is_said(question, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        take_place(question, tmp_path / "file" / "out", force=False)


def test_force_takes_away_what_a_comparison_wrote_and_nothing_else(question, tmp_path, in_this_process):
    entries = every(["rnn"], ["both"], [0])
    compare(question, entries, tmp_path, listener=Heard())
    (tmp_path / "thesis.txt").write_text("years of work")
    for name in ("report.html", "table.csv"):
        (tmp_path / name).write_text("of the first comparison")
    wider = Question("classify", {**SETTINGS, "hidden_size": 5}, question.data, reading=READING)
    compare(wider, every(["gru"], ["both"], [0]), tmp_path, listener=Heard(), force=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert not (tmp_path / "report.html").exists()
    assert not (tmp_path / "table.csv").exists()
    assert [one.entry.cell for one in read_results(tmp_path)] == ["gru"]


def test_a_folder_in_which_no_network_had_begun_gives_way_unasked(question, tmp_path, in_this_process):
    wrong = Question("classify", SETTINGS, question.data, reading={**READING, "label": "stars"})
    take_place(wrong, tmp_path / "out", force=False)
    (tmp_path / "out" / "runs" / "rnn-both-seed-0.training").mkdir()
    assert compare(question, every(["rnn"], ["both"], [0]), tmp_path / "out", listener=Heard()).results
    begun = tmp_path / "begun" / "runs" / "rnn-both-seed-0.training"
    take_place(question, tmp_path / "begun", force=False)
    begun.mkdir()
    (begun / "seed-0.safetensors").write_text("")
    with pytest.raises(OutputError, match="--force"):
        take_place(wrong, tmp_path / "begun", force=False)
    take_place(wrong, tmp_path / "begun", force=True)
    assert not begun.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_two_comparisons_at_once_in_one_folder_are_refused(question, tmp_path, monkeypatch, in_this_process):
    entries, by_formula = every(["rnn"], ["both"], [0]), comparing._enter
    wider = Question("classify", {**SETTINGS, "hidden_size": 5}, question.data, reading=READING)

    def enter(*given):
        (tmp_path / "runs" / "there.json").write_text("{}")
        for other, force in ((question, False), (wider, True)):
            with pytest.raises(OutputError, match=r"Another comparison is under way in .* Wait for it"):
                compare(other, entries, tmp_path, listener=Heard(), force=force)
        return by_formula(*given)

    monkeypatch.setattr(comparing, "_enter", enter)
    assert len(compare(question, entries, tmp_path, listener=Heard()).results) == 1


def test_data_that_changes_meanwhile_ends_the_comparison_and_its_result_does_not_count(
    tmp_path, monkeypatch, in_this_process
):
    data, by_formula = write_texts(tmp_path / "texts.csv"), comparing._enter
    question, entries = Question("classify", SETTINGS, data, reading=READING), every(["rnn", "gru"], ["both"], [0])

    def enter(question, entry, *others):
        if entry.cell == "gru":
            write_texts(data, seed=1)
        return by_formula(question, entry, *others)

    monkeypatch.setattr(comparing, "_enter", enter)
    with pytest.raises(DataError, match="changed since the comparison began, so that gru-both-seed-0 cannot be"):
        compare(question, entries, tmp_path / "out", listener=Heard())
    assert [one.entry.cell for one in read_results(tmp_path / "out")] == ["rnn"]


def test_a_full_disk_is_said_in_one_line(question, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "runs/rnn-both-seed-0.json")

    monkeypatch.setattr(comparing, "_enter", full)
    with pytest.raises(OutputError, match=r"seed-0\.json cannot be written: No space left on device"):
        compare(question, every(["rnn"], ["both"], [0]), tmp_path / "out", listener=Heard())


def test_a_process_that_ends_before_it_listens_is_a_row(question, tmp_path, monkeypatch):
    more = Question("classify", SETTINGS, question.data, reading={**READING, "text": "x" * 1_000_000})
    found = run_as_child("import sys\nsys.exit(3)\n", more, Entry("rnn", "both", 0), tmp_path, monkeypatch)
    assert found.failed == "The process ended with exit code 3 and said nothing."


def test_ctrl_c_says_what_is_there(question, tmp_path, monkeypatch, in_this_process):
    by_formula = comparing._enter

    def enter(question, entry, runs, listener):
        if entry.cell == "gru":
            raise KeyboardInterrupt
        return by_formula(question, entry, runs, listener)

    monkeypatch.setattr(comparing, "_enter", enter)
    with pytest.raises(Interrupted, match=r"1 of 2 networks are in .* The same command goes on"):
        compare(question, every(["rnn", "gru"], ["both"], [0]), tmp_path / "out", listener=Heard())


def test_data_that_nobody_can_read_ends_the_comparison_at_once(question, tmp_path):
    wrong = Question("classify", SETTINGS, question.data, reading={**READING, "label": "stars"})
    heard = Heard()
    with pytest.raises(DataError, match="stars"):
        compare(wrong, every(["rnn", "gru"], ["both"], [0]), tmp_path / "out", listener=heard)
    assert not heard.results


def run_as_child(code, question, entry, tmp_path, monkeypatch):
    """Enter a network in a process that runs `code` in place of the training."""
    program = tmp_path / "child.py"
    program.write_text(code)
    start = subprocess.Popen
    monkeypatch.setattr(
        comparing.subprocess, "Popen", lambda _, **options: start([sys.executable, str(program)], **options)
    )
    (tmp_path / "runs").mkdir(exist_ok=True)
    return comparing._enter(question, entry, tmp_path / "runs", Heard())


BEGIN = 'import json, os, pathlib, sys\nasked = json.load(sys.stdin)\nprint(json.dumps({"began": True}), flush=True)\n'


@pytest.mark.parametrize(("seed", "shared"), [(3, True), (4, False)])
def test_networks_of_a_seed_share_baselines_for_they_hold_out_the_same(
    question, compared, tmp_path, monkeypatch, seed, shared
):
    found = read_results(compared[0])
    assert found[0].baselines == found[1].baselines != {}
    (tmp_path / "runs").mkdir()
    shutil.copy(compared[0] / "runs" / f"{found[0].entry.name}.json", tmp_path / "runs")
    code = (
        BEGIN + f"pathlib.Path({str(tmp_path / 'heard')!r}).write_text(json.dumps(asked['baselines']))\nsys.exit(1)\n"
    )
    run_as_child(code, question, Entry("lstm", "forward", seed), tmp_path, monkeypatch)
    assert json.loads((tmp_path / "heard").read_text()) == (found[0].baselines if shared else None)


def test_a_killed_process_is_a_row_with_its_reason(question, tmp_path, monkeypatch):
    code = BEGIN + "os.kill(os.getpid(), 9)\n"
    found = run_as_child(code, question, Entry("rnn", "both", 0), tmp_path, monkeypatch)
    assert "SIGKILL, as the system does when memory runs out" in found.failed
    assert read_results(tmp_path)[0].failed == found.failed


def test_what_was_killed_goes_on_and_ends_where_a_training_alone_does(tmp_path, monkeypatch):
    chosen = {"problem": "first-token", "hidden_size": 5, "epochs": 4, "batches_per_epoch": 3, "held_out": 20}
    remembering, entry = Question("problem", chosen), Entry("rnn", "forward", 0, length=5)
    code = (
        "import os, sys\nfrom bothways.lab import entering\n"
        "class Dying(entering.Speaker):\n    def stepped(self, *, epoch, **_):\n"
        "        if epoch == 3:\n            os.kill(os.getpid(), 9)\n"
        "entering.Speaker = Dying\nsys.exit(entering.main())\n"
    )
    with monkeypatch.context() as patched:
        assert run_as_child(code, remembering, entry, tmp_path, patched).failed is not None
    heard = Heard()
    found = comparing._enter(remembering, entry, tmp_path / "runs", heard)
    alone = train_problem(remembering.settings_of(entry))
    assert [row["epoch"] for _, row in heard.rows] == [3, 4]
    assert (found.score, found.history) == (alone.score, alone.history)
    assert not list(tmp_path.glob("runs/*.training"))


@pytest.mark.parametrize(("end", "kept"), [("os.kill(os.getpid(), 9)", True), ("sys.exit(1)", False)])
def test_the_state_of_what_failed_by_itself_is_taken_away(question, tmp_path, monkeypatch, end, kept):
    code = BEGIN + f"(pathlib.Path(asked['folder']) / 'seed-0.safetensors').touch()\n{end}\n"
    run_as_child(code, question, Entry("rnn", "both", 0), tmp_path, monkeypatch)
    assert bool(list(tmp_path.glob("runs/*.training/*.safetensors"))) == kept


def test_a_fault_of_ours_is_a_row_and_its_traceback_is_kept_until_it_is_tried_again(question, tmp_path, monkeypatch):
    code = (
        BEGIN
        + f"(pathlib.Path(asked['folder']) / {TRACEBACK!r}).write_text('Traceback')\n"
        + 'print(json.dumps({"failed": "RuntimeError: no"}))\nsys.exit(1)\n'
    )
    found = run_as_child(code, question, Entry("rnn", "both", 0), tmp_path, monkeypatch)
    assert found.failed == "RuntimeError: no"
    assert (tmp_path / "runs" / "rnn-both-seed-0.txt").read_text() == "Traceback"
    run_as_child(BEGIN + "sys.exit(3)\n", question, Entry("rnn", "both", 0), tmp_path, monkeypatch)
    assert not (tmp_path / "runs" / "rnn-both-seed-0.txt").exists()


def test_a_refusal_after_training_began_is_a_row(question, tmp_path, monkeypatch):
    code = BEGIN + 'print(json.dumps({"refused": "No."}))\nsys.exit(1)\n'
    assert run_as_child(code, question, Entry("rnn", "both", 0), tmp_path, monkeypatch).failed == "No."


def test_a_training_ends_when_nobody_listens_any_more():
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb", buffering=0) as pipe:
        speaker = Speaker(io.TextIOWrapper(pipe, write_through=True), minutes=None)
        with pytest.raises(BrokenPipeError):
            speaker.started(epochs=1, done=0)


# Whoever starts the tests in the background of a shell has Ctrl-C ignored, and hands that on.
COMMAND = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from bothways.cli import main; main()"
)


def command(out, *more):
    return [
        sys.executable, "-c", COMMAND, "compare", "--problem", "first-token",
        "--lengths", "6", "--cells", "rnn", "--seeds", "1", "--hidden-size", "5", "--batches-per-epoch", "25",
        "--held-out", "40", "--target", "2", "--out", str(out), *more,
    ]  # fmt: skip


def test_ctrl_c_and_the_same_command_end_where_a_comparison_never_stopped_does(tmp_path):
    out = tmp_path / "stopped"
    with subprocess.Popen(
        [*command(out), "--epochs", "40"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and not list(out.glob("runs/*.training/*.safetensors")):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130, said
    assert "Stopped: 0 of 1 networks are in" in said
    assert list(out.glob("runs/*.training/*.safetensors"))
    for folder in (out, tmp_path / "whole"):
        subprocess.run([*command(folder), "--epochs", "40"], check=True, capture_output=True)
    stopped, whole = (read_results(folder)[0] for folder in (out, tmp_path / "whole"))
    assert len(whole.history) == 40
    assert stopped.history == whole.history
    assert stopped.score == whole.score
    assert stopped.gradients == whole.gradients


@pytest.mark.parametrize("began", [False, True])
def test_ctrl_c_asks_only_a_training_that_began_to_keep_its_state(question, tmp_path, monkeypatch, began):
    """Before, a process has nothing to keep, and Ctrl-C would make it print a traceback."""

    class Impatient(Heard):
        def moved(self, entry, share):
            if share:
                raise KeyboardInterrupt

    code = (
        "import json, pathlib, signal, sys, time\nasked = json.load(sys.stdin)\n"
        "def stop(*_):\n    pathlib.Path(asked['folder'], 'asked').touch()\n    sys.exit(130)\n"
        "signal.signal(signal.SIGINT, stop)\n"
        + 'print(json.dumps({"began": True}))\n' * began
        + 'print(json.dumps({"share": 0.5}), flush=True)\ntime.sleep(60)\n'
    )
    monkeypatch.setattr(sys.modules[__name__], "Heard", Impatient)
    with pytest.raises(KeyboardInterrupt):
        run_as_child(code, question, Entry("rnn", "both", 0), tmp_path, monkeypatch)
    assert (tmp_path / "runs" / "rnn-both-seed-0.training" / "asked").exists() == began


def test_settings_that_cannot_be_are_refused_before_anything_is_written(question, tmp_path):
    for wrong, words in (
        ({**SETTINGS, "hidden_size": 0}, "hidden_size is 0"),
        ({**SETTINGS, "validation_size": 0.0}, "nothing could be scored"),
        ({**SETTINGS, "pretrained": "lm"}, "pretrained names a language model, which decides on cell and direction"),
        ({**SETTINGS, "seeds": 3}, "seeds is among the settings, but a comparison chooses it itself"),
        ({**SETTINGS, "cell_type": "gru"}, "cell_type is among the settings"),
    ):
        with pytest.raises(SettingsError, match=words):
            compare(
                Question("classify", wrong, question.data, reading=READING), every(["rnn"], ["both"], [0]),
                tmp_path / "out", listener=Heard(),
            )  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_a_state_that_nothing_can_go_on_from_is_begun_anew(question, compared, tmp_path):
    entry = Entry("rnn", "forward", 3)
    state = tmp_path / "runs" / f"{entry.name}.training"
    state.mkdir(parents=True)
    (state / "seed-3.safetensors").write_text("half a checkp")
    found = comparing._enter(question, entry, tmp_path / "runs", Heard())
    (alone,) = [one for one in read_results(compared[0]) if one.entry == entry]
    assert found.failed is None
    assert (found.score, found.history) == (alone.score, alone.history)


def test_a_folder_that_was_cleared_and_no_more_is_taken_again(question, tmp_path):
    (tmp_path / comparing.LOCK).touch()
    take_place(question, tmp_path, force=False)
    assert (tmp_path / comparing.ASKED).is_file()


def test_a_comparison_is_not_written_where_its_data_is_read_nor_scored_on_what_is_trained_on(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "dev.csv").write_text("text,label\na,x\nb,y\n")
    entries = every(["rnn"], ["both"], [0])
    with pytest.raises(OutputError, match=r"comparison is or lies in the data .*, and would be read"):
        compare(Question("classify", {}, data), entries, data / "comparison", listener=Heard())
    asked = Question("classify", {}, data, test=data / "dev.csv")
    with pytest.raises(DataError, match=r"dev\.csv \(--test\) lies in the training data"):
        compare(asked, entries, tmp_path / "out", listener=Heard())
    assert not (data / "comparison").exists()
