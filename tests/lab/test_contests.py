import math
import subprocess
import sys

import numpy as np
import pytest

from bothways.errors import DataError
from bothways.lab.contests import enter
from bothways.lab.entries import MEASURES, Entry, Question, scoring
from bothways.lab.memory import peak_memory
from bothways.lab.problems import train_problem
from bothways.training import loop
from bothways.training.evaluation import evaluate_classifier
from bothways.training.forecasting_from_files import train_forecaster_from_file
from bothways.training.from_files import train_classifier_from_file
from bothways.training.listening import Silence
from bothways.training.tagging_evaluation import evaluate_tagger
from bothways.training.tagging_from_files import train_tagger_from_file
from toy_tags import names
from toys import toy_csv

SMALL = {"hidden_size": 5, "epochs": 2}
SERIES = {"target": "value", "inputs": None, "time": None, "by": None, "encoding": "auto"}


def write_conll(path, *, rows, seed):
    words, tags = names(rows, seed=seed)
    sentences = (zip(*one, strict=True) for one in zip(words, tags, strict=True))
    path.write_text("\n".join("".join(f"{word}\t{tag}\n" for word, tag in one) for one in sentences))
    return path


def write_series(path):
    steps = np.arange(240)
    values = np.sin(steps / 3) + np.random.default_rng(0).normal(size=240) / 10
    path.write_text("value\n" + "\n".join(f"{value:.4f}" for value in values) + "\n")
    return path


def entered(question, entry, tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    result = enter(question, entry, folder, Silence())
    assert result.seconds > 0
    assert result.predicted_per_second > 0
    assert MEASURES[result.measure].column in result.history[0]
    assert result.trivial in result.baselines
    return result


def test_a_tagger_reaches_what_training_and_evaluating_it_alone_reaches(tmp_path):
    data, test = (write_conll(tmp_path / f"{seed}.conll", rows=40, seed=seed) for seed in (0, 1))
    question = Question(
        "tag", {**SMALL, "embedding_dim": 6}, data, test=test, reading={"columns": None, "encoding": "auto"}
    )
    entry = Entry("gru", "backward", 3)
    result = entered(question, entry, tmp_path)
    alone = train_tagger_from_file(data, tmp_path / "model", question.settings_of(entry))
    assert result.score == alone.scores.main
    assert result.test == evaluate_tagger(tmp_path / "model", test).scores.main
    assert scoring([result]).name == "F1 of entities"
    assert len(result.gradients) > 1


def test_a_classifier_is_scored_on_the_test_file_as_evaluate_scores_it(tmp_path):
    data, test = (toy_csv(tmp_path / f"{seed}.csv", 60, seed=seed) for seed in (0, 1))
    reading = {"text": None, "label": None, "encoding": "auto"}
    question = Question("classify", {**SMALL, "embedding_dim": 6}, data, test=test, reading=reading)
    entry = Entry("rnn", "both", 1)
    result = entered(question, entry, tmp_path)
    train_classifier_from_file(data, tmp_path / "model", question.settings_of(entry))
    assert result.test == evaluate_classifier(tmp_path / "model", test).scores.accuracy


def test_validation_rows_with_labels_that_training_never_had_are_wrong_and_have_no_gradient(tmp_path):
    data, checked = toy_csv(tmp_path / "data.csv", 60), toy_csv(tmp_path / "checked.csv", 20, seed=1)
    first, *rows = checked.read_text().splitlines()
    text, _, _ = rows[0].rpartition(",")
    checked.write_text("\n".join([first, f"{text},never", *rows[1:]]) + "\n")
    question = Question("classify", {**SMALL, "embedding_dim": 6}, data, validation=checked,
                        reading={"text": None, "label": None, "encoding": "auto"})  # fmt: skip
    result = entered(question, Entry("rnn", "both", 0), tmp_path)
    assert result.score <= 19 / 20
    assert all(math.isfinite(norm) for norm in (*result.gradients, *result.fresh_gradients))
    assert result.gradients


def test_tags_of_the_test_file_are_repaired_as_those_of_the_others(tmp_path):
    data, test = (write_conll(tmp_path / f"{seed}.conll", rows=40, seed=seed) for seed in (0, 1))
    test.write_text("alone\tI-PER\n\n" + test.read_text())
    reading = {"columns": None, "encoding": "auto"}
    chosen = {**SMALL, "embedding_dim": 6, "scheme": "bio"}
    with pytest.raises(DataError, match="alone|--repair"):
        enter(Question("tag", chosen, data, test=test, reading=reading), Entry("gru", "both", 0), tmp_path, Silence())
    repaired = Question("tag", {**chosen, "repair": True}, data, test=test, reading=reading)
    assert entered(repaired, Entry("gru", "both", 0), tmp_path).test is not None


def test_a_test_file_that_cannot_be_read_is_refused_before_training_begins(tmp_path):
    class Deaf(Silence):
        def started(self, **_):
            raise AssertionError

    data, sentences = toy_csv(tmp_path / "data.csv", 60), write_conll(tmp_path / "data.conll", rows=9, seed=0)
    (tmp_path / "test.csv").write_text("words,class\na,b\n")
    (tmp_path / "hole.csv").write_text(data.read_text().splitlines()[0] + "\ngood,\n")
    (tmp_path / "test.conll").write_text("word\tI-MADE-UP\n")
    reading, tagged = {"text": None, "label": None, "encoding": "auto"}, {"columns": None, "encoding": "auto"}
    for task, file, test, how, words in (
        ("classify", data, "test.csv", reading, "has no column"),
        ("classify", data, "hole.csv", reading, "has no label"),
        ("tag", sentences, "test.conll", tagged, "I-MADE-UP"),
    ):
        question = Question(task, SMALL, file, test=tmp_path / test, reading=how)
        (tmp_path / f"{test}.state").mkdir()
        with pytest.raises(DataError, match=words):
            enter(question, Entry("rnn", "both", 0), tmp_path / f"{test}.state", Deaf())


def test_a_forecaster_reaches_what_it_reaches_alone(tmp_path):
    data, chosen = write_series(tmp_path / "series.csv"), {**SMALL, "window": 12, "horizon": 3}
    question = Question("forecast", chosen, data, reading=SERIES)
    entry = Entry("lstm", "forward", 2)
    result = entered(question, entry, tmp_path)
    alone = train_forecaster_from_file(question.data, tmp_path / "model", question.settings_of(entry), target="value")
    assert result.score == alone.scores["mse"]
    assert scoring([result]).lower_is_better


@pytest.mark.parametrize(("problem", "lower"), [("first-token", False), ("adding", True)])
def test_a_problem_is_scored_as_alone_and_its_gradients_reach_back_to_its_first_step(tmp_path, problem, lower):
    chosen = {**SMALL, "problem": problem, "batches_per_epoch": 3, "held_out": 20}
    question, entry = Question("problem", chosen), Entry("gru", "forward", 0, length=9)
    result = entered(question, entry, tmp_path)
    assert result.score == train_problem(question.settings_of(entry)).score
    assert scoring([result]).lower_is_better == lower
    assert len(result.gradients) == len(result.fresh_gradients) == 9
    assert all(math.isfinite(norm) and norm > 0 for norm in result.gradients)


@pytest.mark.parametrize("problem", ["first-token", "copy"])
def test_far_from_where_a_reading_ends_a_plain_rnn_hears_least_whichever_way_it_reads(tmp_path, problem):
    chosen = {**SMALL, "epochs": 1, "problem": problem, "batches_per_epoch": 1, "held_out": 20, "start": "torch"}
    for way in ("forward", "backward"):
        (tmp_path / way).mkdir()
        result = enter(Question("problem", chosen), Entry("rnn", way, 0, length=60), tmp_path / way, Silence())
        for norms in (result.fresh_gradients, result.gradients):
            assert len(norms) >= 60
            assert max(norms[-5:]) < 0.01 * max(norms[:20])


def test_a_training_without_checkpoints_took_its_time_all_the_same(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loop, "save_checkpoint", full)
    question = Question("forecast", {**SMALL, "window": 12, "horizon": 3}, write_series(tmp_path / "series.csv"),
                        reading=SERIES)  # fmt: skip
    entered(question, Entry("gru", "forward", 0), tmp_path)  # looks at its seconds


def test_peak_memory_grows_with_what_is_held():
    before = peak_memory()
    if before is None:
        pytest.skip("this system does not say")
    held = np.ones(2**26)  # 512 MiB
    assert peak_memory() >= max(before, held.nbytes / 2**20)


def test_what_the_starting_process_held_is_not_counted():
    held = np.ones(40_000_000)  # 305 MiB
    code = "from bothways.lab.memory import peak_memory; print(peak_memory())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert peak_memory() > held.nbytes / 2**20
    assert float(done.stdout) < held.nbytes / 2**20
