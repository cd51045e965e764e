import sys
from types import ModuleType

import pytest

from bothways.lab.entries import Entry, Result
from bothways.lab.grid_progress import GridProgress, spell_time, time_left


def test_time_left_is_the_mean_pace_times_what_remains():
    assert time_left(60.0, reached=1.5, remaining=3.0) == pytest.approx(120.0)
    assert time_left(1.0, reached=0.0, remaining=3.0) is None
    assert [spell_time(seconds) for seconds in (44.6, 600, 7_500)] == ["45 s", "10 min", "2 h 05 min"]


def test_one_bar_moves_by_networks_and_their_shares_and_is_taken_away():
    entries = [Entry("rnn", "both", seed) for seed in range(3)]
    with GridProgress() as progress:
        progress.began(entries, done=1)
        progress.moved(entries[1], 0.25)
        (task,) = progress._bar.tasks
        assert (task.total, task.completed) == (3, 1.25)
        assert task.description == "rnn-both-seed-1, 2 of 3"
        progress.scored(entries[1], {"epoch": 4, "accuracy": 0.5, "loss": 0.7})
        progress.moved(entries[1], 0.5)
        assert task.description == "rnn-both-seed-1, 2 of 3, epoch 4: accuracy 0.5000"
        progress.entered(Result(entries[1]))
        progress.moved(entries[2], 0.0)
        assert (task.completed, task.description) == (2, "rnn-both-seed-2, 3 of 3")
    assert not progress._bar.tasks


def test_a_network_that_is_done_or_failed_has_an_unbroken_line_on_standard_error(capsys):
    entry = Entry("rnn", "both", 0)
    with GridProgress() as progress:
        progress.began([entry], done=0)
        progress.entered(Result(entry, score=0.5, best_epoch=2, seconds=3.0, steps_per_second=1_234.0))
        progress.entered(Result(entry, failed="[red]word " * 40))
    assert capsys.readouterr().err.splitlines() == [
        "rnn-both-seed-0  0.5000  epoch 2  3 s  1,234 steps/s",
        "rnn-both-seed-0  failed: " + "[red]word " * 40,
    ]


def test_a_notebook_shows_the_bar(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert not GridProgress()._bar.disable
