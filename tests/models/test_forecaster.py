"""The networks of forecasts: their loss, their line, one step and many, and their graphs."""

import numpy as np
import pytest
import torch

from bothways.decoding.forecasting import linear
from bothways.models.forecaster import DirectForecaster, StepForecaster, forecast_loss
from bothways.settings import ForecasterSettings


def settings(**changed):
    return ForecasterSettings(**{"window": 6, "horizon": 4, "hidden_size": 5, "dropout": 0.0, **changed})


def stirred(model, seed=0):
    """A network whose output layers say something."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.5)
    return model.eval()


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("levels", [[], [0.2, 0.7]])
def test_the_loss_is_that_of_a_plain_loop_and_a_missing_truth_counts_nowhere(absolute, levels):
    torch.manual_seed(0)
    said = torch.randn(3, 4, 2, 1 + len(levels), requires_grad=True)
    truth = torch.randn(3, 4, 2)
    truth[0, 1, 0] = truth[2, 3, 1] = torch.nan
    losses = []
    for place in np.ndindex(3, 4, 2):
        if not truth[place].isnan():
            error = float(truth[place] - said[place][0].detach())
            loss = abs(error) if absolute else error**2
            for rank, level in enumerate(levels):
                above = float(truth[place] - said[place][1 + rank].detach())
                loss += (level * above if above > 0 else (level - 1) * above) / len(levels)
            losses.append(loss)
    found = forecast_loss(said, truth, levels, absolute=absolute)
    assert float(found.detach()) == pytest.approx(np.mean(losses), rel=1e-5)
    found.backward()
    assert said.grad is not None
    assert said.grad.isfinite().all()
    assert (said.grad[0, 1, 0] == 0).all()


def test_a_batch_without_any_truth_has_no_loss_and_no_gradient():
    said = torch.randn(1, 2, 1, 1, requires_grad=True)
    forecast_loss(said, torch.full((1, 2, 1), torch.nan), [], absolute=False).backward()
    assert said.grad is not None
    assert (said.grad == 0).all()


@pytest.mark.parametrize("move", [0.0, 3.0])
def test_fresh_weights_with_a_line_are_the_linear_baseline_wherever_the_window_is_moved_to(move):
    random = np.random.default_rng(0)
    model = DirectForecaster(settings(), columns=2, targets=2).eval()
    weights = random.normal(size=(7, 4))
    model.use_line(weights, constant=True)
    known = random.normal(size=(6, 2))
    with torch.no_grad():
        said = model(torch.from_numpy(known + move)[None].float())[0].numpy()
    expected = linear(known, np.array([6]), np.stack([weights, weights]))[0] + move
    for rank in range(4):
        np.testing.assert_allclose(said[..., rank], expected, atol=1e-5)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "mingru", "minlstm", "sru"])
def test_one_step_at_a_time_is_all_at_once(cell):
    model = stirred(StepForecaster(settings(cell_type=cell, num_layers=2), columns=3))
    values = torch.randn(4, 9, 3)
    with torch.no_grad():
        whole, last = model(values)
        state, said = None, []
        for step in range(9):
            one, state = model(values[:, step : step + 1], state)
            said.append(one)
    torch.testing.assert_close(torch.cat(said, dim=1), whole, atol=1e-5, rtol=1e-5)
    assert state is not None
    for here, there in zip(state.forward, last.forward, strict=True):
        torch.testing.assert_close(here, there, atol=1e-5, rtol=1e-5)


def test_a_step_forecaster_sees_nothing_later():
    model = stirred(StepForecaster(settings(), columns=2))
    values = torch.randn(1, 8, 2)
    changed = values.clone()
    changed[:, 5:] += 10
    with torch.no_grad():
        torch.testing.assert_close(model(values)[0][:, :5], model(changed)[0][:, :5], atol=0, rtol=0)
