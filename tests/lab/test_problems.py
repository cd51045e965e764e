"""Memory problems: who solves them and who cannot, the same score again, and what is refused."""

import random

import numpy as np
import pytest
import torch

from bothways.data.problems import COPIED, make_problem
from bothways.errors import DataError, MissingFileError, ResumeError, SettingsError
from bothways.lab.problem_data import problem_data
from bothways.lab.problems import train_problem
from bothways.settings import ProblemSettings
from stopping import StopAt
from toy_images import write_images

SMALL = {"hidden_size": 16, "lr": 0.01, "held_out": 200, "epochs": 12, "device": "cpu"}


def settings(**chosen):
    return ProblemSettings(**{**SMALL, **chosen})


def same_weights(one, other):
    return all(torch.equal(one.state_dict()[name], other.state_dict()[name]) for name in one.state_dict())


# What is learned


@pytest.mark.parametrize("cell", ["gru", "lstm", "mingru"])
def test_gates_learn_to_keep_the_first_token(cell):
    trained = train_problem(settings(length=10, cell_type=cell, hidden_size=32))
    assert trained.score_name == "accuracy"
    assert trained.score > 0.99
    assert trained.solved
    assert trained.best_epoch == len(trained.history) < SMALL["epochs"]  # solved, hence over
    assert trained.facts["steps"] == 10
    assert trained.facts["parameters"] == sum(weight.numel() for weight in trained.model.parameters())


def test_from_the_right_the_first_token_is_the_last_that_is_read():
    chosen = {"cell_type": "rnn", "length": 100, "epochs": 4, "seed": 3}
    right, left = (train_problem(settings(**chosen, one_way=way)) for way in ("backward", "forward"))
    assert right.score > 0.99
    assert left.score < 0.25  # an eighth is chance
    assert not left.solved


def test_copying_needs_the_states():
    trained = train_problem(settings(problem="copy", length=2, cell_type="gru", hidden_size=48, epochs=8))
    problem = make_problem("copy", length=2, rows=200, seed=9)
    inputs, answers = torch.from_numpy(problem.inputs), torch.from_numpy(problem.answers)
    with torch.no_grad():
        whole, end = (trained.model(part).argmax(dim=2) for part in (inputs, inputs[:, -COPIED:]))
    assert trained.score > 2 * trained.trivial
    assert float((whole == answers).float().mean()) == pytest.approx(trained.score, abs=0.05)
    assert float((end == answers).float().mean()) < 1.3 * trained.trivial
    assert (end == end[0]).all()  # without what came before all sequences are the same


def test_adding_beats_a_constant():
    trained = train_problem(settings(problem="adding", length=6, cell_type="gru", hidden_size=32, target=0.02))
    assert trained.score_name == "mean squared error"
    assert trained.solved
    assert trained.score < 0.04 < trained.trivial


@pytest.mark.parametrize("problem", ["rows", "pixels"])
def test_images_are_read_as_sequences(tmp_path, problem):
    write_images(tmp_path, train=500, test=100)
    trained = train_problem(settings(problem=problem, cell_type="gru", hidden_size=24, epochs=10), data=tmp_path)
    assert trained.score > 0.8 > 2 * trained.trivial
    assert trained.facts["steps"] == {"rows": 4, "pixels": 20}[problem]


# What a score is taken on


@pytest.mark.parametrize("problem", ["first-token", "adding", "copy"])
def test_the_trivial_score_is_that_of_the_best_constant(problem):
    data = problem_data(settings(problem=problem, length=12, held_out=6000), None)
    answers = np.concatenate([batch.wanted for batch in data.held_out("test")])
    if problem == "adding":
        errors = [np.mean((answers - constant) ** 2) for constant in np.linspace(0, 2, 201)]
        assert min(errors) == pytest.approx(data.trivial, rel=0.05)
    else:
        shares = [np.mean(answers == symbol) for symbol in range(data.symbols)]
        assert max(shares) == pytest.approx(data.trivial, rel=0.1)


def test_the_trivial_score_of_images_is_that_of_the_commonest_training_label(tmp_path):
    written = write_images(tmp_path, train=90, test=40)
    chosen = settings(problem="rows", validation_size=0.5)
    data = problem_data(chosen, tmp_path)
    train = np.concatenate([data.batch(rows).wanted for rows in data.plan(1)])
    label = max(range(4), key=lambda one: ((train == one).sum(), -one))
    assert data.trivial == (written["test"][1] == label).mean()


@pytest.mark.parametrize("problem", ["first-token", "adding", "copy"])
def test_parts_and_batches_of_drawn_sequences_are_all_different_but_held_out_ones_never_change(problem):
    one, other = (problem_data(settings(problem=problem, length=30, seed=seed), None) for seed in (0, 1))
    seen = [data.batch(item).inputs for data in (one, other) for epoch in (1, 2) for item in data.plan(epoch)]
    held = {part: np.concatenate([batch.inputs for batch in one.held_out(part)]) for part in ("validation", "test")}
    rows = [row.tobytes() for some in (*seen, *held.values()) for row in some]
    assert len(set(rows)) == len(rows)
    for part, inputs in held.items():
        assert len(inputs) == SMALL["held_out"]
        np.testing.assert_array_equal(np.concatenate([batch.inputs for batch in other.held_out(part)]), inputs)
    np.testing.assert_array_equal(one.batch(one.plan(2)[3]).inputs, seen[50 + 3])


def test_every_image_belongs_to_one_part_and_is_read_once_an_epoch(tmp_path):
    pixels, labels = write_images(tmp_path, train=57, test=23)["train"]
    data = problem_data(settings(problem="rows", validation_size=0.3, batch_size=8), tmp_path)
    validation = np.concatenate([batch.inputs for batch in data.held_out("validation")])
    assert len(validation) == 17
    for epoch in (1, 2):
        batches = [data.batch(rows) for rows in data.plan(epoch)]
        train = np.concatenate([batch.inputs for batch in batches])
        together = np.concatenate([train, validation]).reshape(57, -1)
        scaled = (pixels.reshape(57, -1) - data._mean) / data._deviation
        np.testing.assert_allclose(
            sorted(map(tuple, together)), sorted(map(tuple, scaled.astype(np.float32))), rtol=1e-6
        )
        assert train.mean() == pytest.approx(0, abs=1e-5)
        assert train.std() == pytest.approx(1, abs=1e-5)
    assert (data.plan(1)[0] != data.plan(2)[0]).any()
    one = data.plan(1)[0]
    np.testing.assert_array_equal(data.batch(one).wanted, labels[one])


def test_pixels_are_the_rows_one_after_another(tmp_path):
    write_images(tmp_path, train=20, test=6)
    rows, pixels = (problem_data(settings(problem=problem), tmp_path) for problem in ("rows", "pixels"))
    for one, other in zip(rows.held_out("test"), pixels.held_out("test"), strict=True):
        np.testing.assert_array_equal(one.inputs.reshape(6, -1, 1), other.inputs)
        assert one.inputs.shape == (6, 4, 5)


# The same again


def test_the_same_seed_gives_the_same_score_and_another_seed_another():
    chosen = {"length": 8, "epochs": 2, "batches_per_epoch": 10}
    one, again, other = (train_problem(settings(**chosen, seed=seed)) for seed in (0, 0, 1))
    assert same_weights(one.model, again.model)
    assert (one.score, one.history) == (again.score, again.history)
    assert not same_weights(one.model, other.model)


@pytest.mark.parametrize("problem", ["adding", "rows"])
def test_a_training_that_was_stopped_and_resumed_is_one_that_never_was(tmp_path, problem):
    data = tmp_path if problem == "rows" else None
    write_images(tmp_path, train=100, test=30)
    chosen = settings(problem=problem, length=8, epochs=3, batches_per_epoch=6, dropout=0.2, batch_size=10)
    whole = train_problem(chosen, data=data)
    chance, stops = random.Random(0), 0
    for attempt in range(60):
        torch.manual_seed(attempt)  # whatever the process did before must not matter
        listener = StopAt(chance.randint(1, 6))
        found = train_problem(chosen, data=data, folder=tmp_path / "kept", resume=True, listener=listener)
        if not found.interrupted:
            break
        stops += 1
    assert stops > 2
    assert same_weights(found.model, whole.model)
    assert (found.score, found.history, found.best_epoch) == (whole.score, whole.history, whole.best_epoch)


def test_ctrl_c_before_the_first_epoch_ends_leaves_no_score():
    stopped = train_problem(settings(length=4, epochs=2, batches_per_epoch=3), listener=StopAt(1))
    assert stopped.interrupted
    assert np.isnan(stopped.score)
    assert not stopped.solved
    assert stopped.best_epoch == 0


def test_other_settings_or_other_images_are_not_resumed(tmp_path):
    write_images(tmp_path, train=40, test=10)
    chosen = {"problem": "rows", "epochs": 1}
    train_problem(settings(**chosen), data=tmp_path, folder=tmp_path / "kept")
    with pytest.raises(ResumeError, match="was written with other data or settings"):
        train_problem(settings(**chosen, lr=0.02), data=tmp_path, folder=tmp_path / "kept", resume=True)
    write_images(tmp_path, train=40, test=10, seed=1)
    with pytest.raises(ResumeError, match="was written with other data or settings"):
        train_problem(settings(**chosen), data=tmp_path, folder=tmp_path / "kept", resume=True)


def test_training_leaves_the_random_numbers_of_others_alone():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    train_problem(settings(length=4, epochs=1, batches_per_epoch=1))
    torch.testing.assert_close(torch.rand(3), wanted)


# Refusals


def test_images_must_be_named_and_drawn_sequences_have_no_folder(tmp_path):
    with pytest.raises(SettingsError, match="problem is 'pixels', but there are no images to read: name a folder"):
        train_problem(settings(problem="pixels"))
    with pytest.raises(SettingsError, match="but the sequences of 'copy' are drawn. Leave it out."):
        train_problem(settings(problem="copy"), data=tmp_path)
    with pytest.raises(MissingFileError, match="has no train-images-idx3-ubyte.gz"):
        train_problem(settings(problem="rows"), data=tmp_path)


def test_a_validation_part_that_leaves_nothing_is_refused(tmp_path):
    write_images(tmp_path, train=4, test=2)
    with pytest.raises(DataError, match="holds 4 images to train on, of which validation_size 0.0 holds out 0"):
        train_problem(settings(problem="rows", validation_size=0.0), data=tmp_path)


def test_settings_are_checked_before_anything_is_drawn():
    with pytest.raises(SettingsError, match="an rnn has no gates"):
        train_problem(settings(cell_type="rnn", start="chrono"))
