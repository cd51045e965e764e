import os
import random
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from bothways.data.batches import InMemory, collate, plan_epoch
from bothways.errors import DataError, ResumeError
from bothways.settings import TrainingSettings
from bothways.training import loop
from bothways.training.checkpoint import Checkpoint, Progress, load_checkpoint, save_checkpoint
from bothways.training.device import make_fabric
from bothways.training.listening import Silence
from bothways.training.loop import CheckpointPlan, Job, Outcome, going_back_over, notes_by_seed, refuse_diverged, train
from bothways.training.optimizer import learning_rate
from stopping import DieAt, StopAt, count_in_a_process, in_a_child, was_killed

RANDOM = np.random.default_rng(0)
SEQUENCES = InMemory([RANDOM.normal(size=(length, 3)).astype(np.float32) for length in RANDOM.integers(1, 9, size=70)])
TARGETS = np.array([int(sequence.sum() > 0) for sequence in SEQUENCES.take(np.arange(70))])


class Mean(nn.Module):
    """A small module with a matrix, a vector and dropout."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Dropout(0.3), nn.Linear(5, 2))

    def forward(self, inputs):
        return self.layers(inputs.sum(dim=1))


def make_job(*, seed=0, identity="same", validate=True):
    torch.manual_seed(seed)

    def loss(module, batch):
        return functional.cross_entropy(module(torch.from_numpy(batch.inputs)), torch.from_numpy(TARGETS[batch.rows]))

    def score(module):
        batch = collate(SEQUENCES, np.arange(70))
        with torch.no_grad():
            logits = module(torch.from_numpy(batch.inputs))
        predicted = logits.argmax(dim=1).numpy()
        accuracy = float((predicted == TARGETS).mean())
        value = float(functional.cross_entropy(logits, torch.from_numpy(TARGETS)))
        return {"loss": value, "accuracy": accuracy, "macro_f1": accuracy}

    return Job(
        Mean(),
        plan=lambda epoch: plan_epoch(SEQUENCES.lengths, budget=80, seed=seed, epoch=epoch),
        batch=lambda rows: collate(SEQUENCES, rows),
        descend=going_back_over(loss),
        validate=score if validate else None,
        identity=identity,
        monitor="macro_f1",
    )


SETTINGS = TrainingSettings(epochs=4, lr=0.05, averaging=0.9, patience=4, precision="float32", device="cpu")


def same_weights(one, other):
    return all(torch.equal(one.state_dict()[name], other.state_dict()[name]) for name in one.state_dict())


@pytest.fixture(scope="module")
def never_stopped():
    job = make_job()
    outcome = train(job, SETTINGS)
    return job.module, outcome


def test_it_learns(never_stopped):
    assert never_stopped[1].history[-1]["accuracy"] > 0.9
    assert never_stopped[1].history[-1]["train_loss"] < never_stopped[1].history[0]["train_loss"]


@pytest.mark.parametrize("monitor", ["loss", "accuracy"])
def test_training_ends_with_the_first_epoch_that_is_good_enough(monitor, never_stopped):
    scores = [row[monitor] for row in never_stopped[1].history]
    job = make_job()
    job.monitor, job.enough = monitor, scores[1]
    reached = [score <= scores[1] if monitor == "loss" else score >= scores[1] for score in scores]
    outcome = train(job, SETTINGS)
    assert outcome.history == never_stopped[1].history[: reached.index(True) + 1]
    assert outcome.best_epoch == len(outcome.history)
    job = make_job()
    job.monitor, job.enough = monitor, -1.0 if monitor == "loss" else 1.1
    assert len(train(job, SETTINGS).history) == SETTINGS.epochs


def test_the_same_seed_gives_the_same_weights(never_stopped):
    job = make_job()
    train(job, SETTINGS)
    assert same_weights(job.module, never_stopped[0])


def test_another_seed_gives_other_weights(never_stopped):
    job = make_job(seed=1)
    train(job, SETTINGS)
    assert not same_weights(job.module, never_stopped[0])


def test_ctrl_c_at_any_step_and_resume_end_in_the_same_weights(tmp_path, never_stopped):
    path = tmp_path / "state.safetensors"
    stops = 0
    for attempt in range(100):
        torch.manual_seed(1000 + attempt)  # whatever the process did before must not matter
        job = make_job()
        outcome = train(job, SETTINGS, checkpoints=CheckpointPlan(path, resume=True), listener=StopAt(3))
        if not outcome.interrupted:
            break
        stops += 1
    assert stops >= 5
    assert same_weights(job.module, never_stopped[0])
    assert outcome == never_stopped[1]


def die_while_writing(path, state, *, identity):
    """Stand in for `save_checkpoint`: leave half a file, as a kill in the middle of writing does."""
    if state.progress.step >= 6:
        path.with_name(path.name + ".new").write_bytes(b"half of a file")
        os.kill(os.getpid(), signal.SIGKILL)
    save_checkpoint(path, state, identity=identity)


def kill_many(folder):
    """Kill a training at 20 random steps (and twice while it writes), resume each, and give how many were killed."""
    torch.set_num_threads(1)
    make_fabric(SETTINGS)  # imported here once, not in each child
    chance = random.Random(0)
    steps = chance.sample(range(1, 25), 20)
    killed = 0
    for trial, step in enumerate([*steps, "writing", "writing"]):
        path = Path(folder) / f"{trial}.safetensors"

        def run(listener=None, path=path):
            # Every second step, so that most kills come after steps that were not yet written.
            train(make_job(), SETTINGS, checkpoints=CheckpointPlan(path, resume=True, steps=2), listener=listener)

        def run_and_die_writing(run=run):
            loop.save_checkpoint = die_while_writing
            run()

        died = in_a_child(run_and_die_writing if step == "writing" else lambda step=step, run=run: run(DieAt(step)))
        killed += was_killed(died)
        if in_a_child(run) != 0:
            sys.exit(f"the training killed at {step} was not resumed")
    return killed


def test_a_training_killed_at_any_step_ends_in_the_same_weights(tmp_path, never_stopped):
    assert count_in_a_process(__file__, f"kill_many({str(tmp_path)!r})") == 22
    for path in tmp_path.glob("*.safetensors"):
        tensors = load_file(path)
        for name, weight in never_stopped[0].state_dict().items():
            torch.testing.assert_close(tensors[f"best/{name}"], weight, rtol=0, atol=0)


def test_another_identity_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    train(make_job(), SETTINGS, checkpoints=CheckpointPlan(path, resume=True), listener=StopAt(2))
    with pytest.raises(ResumeError, match="was written with other data or settings. Start again without --resume"):
        train(make_job(identity="other"), SETTINGS, checkpoints=CheckpointPlan(path, resume=True))


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, Checkpoint({"x": torch.zeros(3)}, Progress()), identity="same")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ResumeError, match="is not a whole checkpoint"):
        load_checkpoint(path, identity="same")


def test_a_full_disk_does_not_stop_the_training(tmp_path, never_stopped, monkeypatch, caplog):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loop, "save_checkpoint", full)
    job = make_job()
    train(job, SETTINGS, checkpoints=CheckpointPlan(tmp_path / "state.safetensors", steps=1))
    assert same_weights(job.module, never_stopped[0])
    assert "No checkpoint could be written" in caplog.text


def test_an_unfinished_write_leaves_the_old_state(tmp_path, monkeypatch):
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, Checkpoint({"x": torch.zeros(3)}, Progress(epoch=7)), identity="same")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(path, Checkpoint({"x": torch.ones(3)}, Progress(epoch=8)), identity="same")
    assert load_checkpoint(path, identity="same").progress.epoch == 7
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]


def test_training_stops_after_patience_and_keeps_the_best_epoch():
    scores = iter([0.5, 0.7, 0.6, 0.65, 0.9])
    job = make_job()
    kept = []

    def validate(module):
        kept.append({name: weight.clone() for name, weight in module.state_dict().items()})
        score = next(scores)
        return {"loss": 1 - score, "accuracy": score, "macro_f1": score}

    job.validate = validate
    outcome = train(job, TrainingSettings(epochs=9, patience=2, precision="float32", device="cpu"))
    assert (len(outcome.history), outcome.best_epoch) == (4, 2)
    for name, weight in job.module.state_dict().items():
        assert torch.equal(weight, kept[1][name])


@pytest.mark.parametrize("validated", [True, False])
@pytest.mark.parametrize(("lost_in", "kept"), [(1, 1), (3, 2)])
def test_training_ends_in_the_epoch_in_which_it_diverged(validated, lost_in, kept):
    """Weights that are no numbers never become numbers again; an earlier epoch is kept if there is one."""
    job = make_job(validate=validated)
    descend, scores = job.descend, iter([0.5, 0.7])
    job.plan = lambda epoch: [np.array([epoch])]

    def lose(module, batch, go_back):
        lost = torch.nan if batch.rows[0] == lost_in else 1
        return descend(module, batch, lambda loss: go_back(loss * lost)) * lost

    def validate(module):
        assert all(weight.isfinite().all() for weight in module.parameters())  # what is no number is never asked
        score = next(scores)
        return {"loss": 1 - score, "accuracy": score, "macro_f1": score}

    job.descend = lose
    if job.validate is not None:
        job.validate = validate
    outcome = train(job, TrainingSettings(epochs=9, patience=9, precision="float32", device="cpu"))
    assert (len(outcome.history), outcome.best_epoch) == (lost_in, kept)
    assert outcome.diverged == (kept == lost_in)
    if outcome.diverged:
        with pytest.raises(DataError, match=r"^The training diverged in epoch 1: .* Try a lower lr\.$"):
            refuse_diverged(outcome)
        assert outcome.reached("macro_f1") == outcome.reached("loss") == -np.inf
        assert outcome.notes == ["The training diverged in epoch 1. Try a lower lr."]
    else:
        refuse_diverged(outcome)
        assert outcome.notes == ["The training diverged in epoch 3: epoch 2 is kept. Try a lower lr."]
        assert all(weight.isfinite().all() for weight in job.module.parameters())
    assert notes_by_seed([outcome], 3) == outcome.notes
    assert notes_by_seed([Outcome([], 0), outcome], 3) == [f"Seed 4: {note}" for note in outcome.notes]


def test_monitoring_the_loss_keeps_the_lowest():
    losses = iter([0.5, 0.3, 0.4])
    job = make_job()
    job.validate = lambda module: {"loss": next(losses), "accuracy": 0.5, "macro_f1": 0.5}
    job.monitor = "loss"
    settings = TrainingSettings(epochs=3, precision="float32", device="cpu")
    assert train(job, settings).best_epoch == 2


def test_without_validation_the_last_epoch_is_kept():
    outcome = train(make_job(validate=False), SETTINGS)
    assert outcome.best_epoch == 4


def test_stopping_after_some_epochs_is_the_start_of_the_whole(never_stopped):
    outcome = train(make_job(), SETTINGS, stop_after=2)
    assert outcome.history == never_stopped[1].history[:2]


class Clock:
    """A clock that goes on by a second with every batch."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(loop.time, "monotonic", lambda: self.now)

    def in_job(self, job):
        batch = job.batch

        def one(rows):
            self.now += 1.0
            return batch(rows)

        job.batch = one
        return job


def test_training_ends_when_its_minutes_are_over_though_an_epoch_is_under_way(monkeypatch):
    clock = Clock(monkeypatch)
    job = clock.in_job(make_job())
    batches = len(job.plan(1))
    outcome = train(job, replace(SETTINGS, minutes=(batches + 2) / 60))
    assert clock.now == batches + 2
    assert len(outcome.history) == 2


def test_minutes_are_counted_over_a_stop(monkeypatch, tmp_path):
    clock = Clock(monkeypatch)
    job, settings = clock.in_job(make_job()), replace(SETTINGS, minutes=7 / 60)
    plan = CheckpointPlan(tmp_path / "state.safetensors", resume=True)
    train(job, settings, checkpoints=plan, listener=StopAt(3))
    clock.now += 1_000.0
    train(clock.in_job(make_job()), settings, checkpoints=plan)
    assert clock.now == 1_007.0


def test_the_rate_falls_by_the_clock_when_that_is_faster(monkeypatch):
    clock, rates = Clock(monkeypatch), []
    monkeypatch.setattr(
        loop, "learning_rate", lambda settings, done: rates.append(done) or learning_rate(settings, done)
    )
    train(clock.in_job(make_job()), replace(SETTINGS, epochs=1_000, minutes=8 / 60))
    # The first batch is planned by what was read: no second is over then.
    assert rates[1:] == pytest.approx([second / 8 for second in range(1, 8)])


def test_averaged_weights_are_the_mean_that_the_formula_gives():
    settings = TrainingSettings(epochs=1, averaging=0.5, precision="float32", device="cpu")
    seen = []
    job = make_job(validate=False)

    class Watch(Silence):
        def stepped(self, **_):
            seen.append(job.module.state_dict()["layers.0.weight"].clone())

    start = job.module.state_dict()["layers.0.weight"].clone()
    train(job, settings, listener=Watch())
    mean = start
    for step, weight in enumerate(seen, start=1):
        decay = min(0.5, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * weight
    torch.testing.assert_close(job.module.state_dict()["layers.0.weight"], mean)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_the_rate_rises_to_its_peak_and_never_jumps(schedule):
    settings = TrainingSettings(lr=0.3, warmup=0.25, schedule=schedule)
    rates = [learning_rate(settings, done) for done in np.linspace(0, 1, 401)]
    assert rates[0] == 0
    assert max(rates) == pytest.approx(0.3)
    assert rates[100] == pytest.approx(0.3)
    assert rates[-1] == pytest.approx(0.3 if schedule == "constant" else 0, abs=1e-12)
    assert np.abs(np.diff(rates)).max() < 0.01
