import time

import pytest

from bothways.lab.stopwatch import Stopwatch
from bothways.training.listening import Silence


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes when it is told to: a list of one time, in seconds."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_rate_is_that_of_training_alone_and_elapsed_is_all_from_start_to_end(clock):
    class Slow(Silence):
        def stepped(self, **_):
            clock[0] += 0.5

    watch = Stopwatch(Slow())

    def step(seconds, steps):
        clock[0] += seconds
        watch.stepped(epoch=1, batch=1, batches=9, steps=steps)

    clock[0] = 1_000.0  # reads files
    watch.started(epochs=2, done=0)
    step(50.0, 7)  # compiles
    step(2.0, 30)
    clock[0] += 100.0  # validates
    watch.epoch_ended({"epoch": 1}, best=True)
    step(3.0, 20)
    watch.ended()
    clock[0] += 9.0
    assert watch.rate == pytest.approx(50 / 5)
    assert watch.steps == 57
    assert watch.elapsed == pytest.approx(50 + 2 + 100 + 3 + 3 * 0.5)


def test_a_training_of_no_or_one_batch_has_no_rate(clock):
    watch = Stopwatch(Silence())
    assert watch.rate == 0
    clock[0] += 2.0
    watch.stepped(epoch=1, batch=1, batches=1, steps=5)
    assert watch.rate == 0


def test_all_that_is_heard_is_passed_on():
    heard = []

    class Everything:
        def __getattr__(self, name):
            return lambda *given, **named: heard.append((name, given, named))

    watch = Stopwatch(Everything())
    watch.started(epochs=3, done=1)
    watch.stepped(epoch=2, batch=1, batches=4, steps=9)
    watch.epoch_ended({"epoch": 2}, best=False)
    watch.ended()
    assert heard == [
        ("started", (), {"epochs": 3, "done": 1}),
        ("stepped", (), {"epoch": 2, "batch": 1, "batches": 4, "steps": 9}),
        ("epoch_ended", ({"epoch": 2},), {"best": False}),
        ("ended", (), {}),
    ]
