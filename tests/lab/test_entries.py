import json
import math
from pathlib import Path

import pytest

from bothways.bundle import finite
from bothways.errors import SettingsError
from bothways.lab.entries import Entry, Question, Result, every


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((["ltsm"], ["both"], [0]), "cell is 'ltsm', .* Did you mean 'lstm'"),
        ((["lstm"], ["foward"], [0]), "direction is 'foward', .* Did you mean 'forward'"),
        ((["lstm", "lstm"], ["both"], [0]), "cells has 'lstm' twice"),
        (([], ["both"], [0]), "cells is empty"),
        ((["lstm"], ["both"], []), "seeds is 0"),
    ],
)
def test_combinations_that_cannot_be_are_refused(arguments, words):
    with pytest.raises(SettingsError, match=words):
        every(*arguments)


def test_a_part_of_the_grid_has_every_cell_with_the_first_seed():
    entries = every(["rnn", "gru"], ["forward", "both"], [0, 1])
    assert [entry.seed for entry in entries] == [0] * 4 + [1] * 4
    assert len({entry.name for entry in entries}) == 8


def test_a_task_that_is_none_is_refused_with_the_nearest():
    with pytest.raises(SettingsError, match=r"task is 'clasify', .* Did you mean 'classify'\?"):
        Question("clasify", {}).settings_of(Entry("rnn", "both", 0))


def test_a_budget_is_used_to_its_end_unless_patience_is_asked_for():
    for given, patience in (({}, 1_000), ({"patience": 2}, 2)):
        settings = Question("classify", given, minutes=1.0).settings_of(Entry("rnn", "both", 0))
        assert settings.patience >= patience
        assert (settings.patience == 2) == ("patience" in given)


def test_a_question_comes_back_from_json():
    question = Question("tag", {"hidden_size": 4}, Path("train.conll"), test=Path("test.conll"),
                        reading={"columns": None}, minutes=0.5, name="names")  # fmt: skip
    assert Question.from_dict(json.loads(json.dumps(question.to_dict()))) == question


def test_in_a_folder_of_data_the_names_of_files_count(tmp_path):
    for name, text in (("bad", "awful"), ("good", "great")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.txt").write_text(text)
    question = Question("classify", {}, tmp_path)
    before = question.fingerprint()
    assert question.fingerprint() == before
    (tmp_path / "bad").rename(tmp_path / "awful")
    assert question.fingerprint() != before


@pytest.mark.parametrize("name", ["vectors", "pretrained"])
def test_what_networks_start_from_is_part_of_the_question(tmp_path, name):
    (tmp_path / "start").mkdir()
    file = tmp_path / "start" / "weights"
    file.write_text("one")
    question = Question("tag", {name: str(tmp_path / "start")})
    before = question.fingerprint()
    file.write_text("two")
    assert question.fingerprint() != before


def test_hidden_files_beside_the_data_are_no_part_of_the_question(tmp_path):
    (tmp_path / "reviews.csv").write_text("text,label\n")
    asked = Question("classify", {}, tmp_path)
    before = asked.fingerprint()
    for name in (".DS_Store", ".git/index"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("changes")
    assert asked.fingerprint() == before
    (tmp_path / "more.csv").write_text("text,label\n")
    assert asked.fingerprint() != before


def test_a_score_that_is_no_number_goes_through_json():
    lost = Result(Entry("rnn", "both", 0), failed="diverged")
    assert math.isnan(lost.score)
    assert math.isnan(Result.from_dict(json.loads(json.dumps(finite(lost.to_dict())))).score)
