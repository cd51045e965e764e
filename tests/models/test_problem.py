"""A network that is to remember: where it starts, where it answers, and that gradients reach every step."""

import numpy as np
import pytest
import torch
from torch import nn

from bothways.models.problem import ProblemNetwork, make_reader, problem_loss
from bothways.settings import ProblemReaderSettings

B, T, F, K, M, H = 3, 7, 4, 5, 2, 6


def network(*, symbols=K, asked=None, start="torch", **chosen):
    torch.manual_seed(0)
    settings = ProblemReaderSettings(hidden_size=H, **chosen)
    return ProblemNetwork(settings, features=F, symbols=symbols, asked=asked, start=start, steps=T)


def reader(cell, start, steps=T, **chosen):
    torch.manual_seed(0)
    settings = ProblemReaderSettings(cell_type=cell, hidden_size=H, **chosen)
    return make_reader(settings, features=F, start=start, steps=steps)


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_one_answer_is_made_of_the_state_that_has_read_all(way):
    model, inputs = network(one_way=way), torch.randn(B, T, F)
    last = model.reader(inputs).outputs[:, -1 if way == "forward" else 0]
    torch.testing.assert_close(model(inputs), last @ model.output.weight.T + model.output.bias)


def test_with_lengths_padding_is_invisible():
    model, inputs = network(bidirectional=True), torch.randn(1, T, F)
    padded = torch.cat([inputs, torch.full((1, 3, F), 9.0)], dim=1)
    torch.testing.assert_close(model(padded, torch.tensor([T])), model(inputs))


def test_answers_at_the_last_steps_are_made_of_the_states_there():
    model, inputs = network(asked=M), torch.randn(B, T, F)
    each = torch.stack([network(asked=None)(inputs[:, : T - M + 1 + step]) for step in range(M)], dim=1)
    torch.testing.assert_close(model(inputs), each)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "mingru", "minlstm", "sru"])
def test_gradients_reach_every_step_of_given_inputs(cell):
    model, inputs = network(cell_type=cell), torch.randn(B, T, F, requires_grad=True)
    problem_loss(model(inputs), torch.tensor([0, 4, 2])).backward()
    assert inputs.grad.shape == (B, T, F)
    assert (inputs.grad.abs().amax(dim=2) > 0).all()


def test_the_loss_of_symbols_and_of_numbers_is_that_of_their_formulas():
    said, answers = torch.randn(B, M, K), torch.randint(0, K, (B, M))
    each = [-said[b, m].log_softmax(0)[answers[b, m]] for b in range(B) for m in range(M)]
    torch.testing.assert_close(problem_loss(said, answers), torch.stack(each).mean())
    numbers, wanted = network(symbols=None)(torch.randn(B, T, F)), torch.rand(B)
    torch.testing.assert_close(problem_loss(numbers, wanted), ((numbers - wanted) ** 2).mean())


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_orthogonal_matrices_keep_the_length_of_a_state(cell):
    model = reader(cell, "orthogonal", num_layers=2, bidirectional=True)
    found = [weight for name, weight in model.named_parameters() if name.startswith("weight_hh")]
    assert len(found) == 4
    for weight in found:
        for gate in weight.split(H):
            torch.testing.assert_close(gate.T @ gate, torch.eye(H), atol=1e-5, rtol=0)
        assert len({tuple(gate.flatten().tolist()) for gate in weight.split(H)}) == len(weight) // H


def test_an_identity_start_copies_its_state():
    model = reader("rnn", "identity")
    assert model.nonlinearity == "relu"
    begun = torch.rand(1, B, H)
    state = type(model(torch.zeros(B, T, F)).final_state)(forward=(begun,))
    torch.testing.assert_close(model(torch.zeros(B, T, F), initial_state=state).final_state.forward[0], begun)


@pytest.mark.parametrize("cell", ["lstm", "gru", "mingru", "minlstm", "sru"])
@pytest.mark.parametrize("longest", [2, 50])
def test_chrono_units_forget_at_first_over_2_to_so_many_steps(cell, longest):
    torch.manual_seed(0)
    model = make_reader(
        ProblemReaderSettings(cell_type=cell, hidden_size=300), features=F, start="chrono", steps=longest
    )
    # Without inputs and with states alone, one step multiplies what is remembered by what is kept.
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if not name.startswith("bias"):
                weight.zero_()
        bias = model.bias_l0.view(len(model.gate_names), -1) if hasattr(model, "bias_l0") else None
        for gate in ("c", "y"):
            if bias is not None and gate in model.gate_names:
                bias[model.gate_names.index(gate)] = 0.0
        if bias is None:  # the exact cells add what their candidate's bias says
            model.bias_ih_l0[2 * 300 : 3 * 300] = model.bias_hh_l0[2 * 300 : 3 * 300] = 0.0
        start = torch.ones(1, 1, 300)
        parts = (start,) * len(model.forward_parts)
        after = model(torch.zeros(1, 1, F), initial_state=type(model(torch.zeros(1, 1, F)).final_state)(parts))
    kept = after.final_state.forward[-1].flatten().double().numpy()
    memory = 1 / (1 - kept)
    assert memory.min() > 2 - 1e-4
    assert memory.max() < longest + 1e-3
    assert np.ptp(memory) >= 0.8 * (longest - 2)


def test_the_gates_of_a_parallel_cell_see_as_many_steps_as_asked_for():
    for steps in (1, 3):
        model = reader("mingru", "torch", convolution=steps)
        assert model.weights(0, "forward")["weight"].shape == (2 * H, steps * F)


def test_without_a_special_start_weights_are_drawn_as_torch_draws_them():
    ours = reader("gru", "torch")
    torch.manual_seed(0)
    theirs = nn.GRU(F, H, batch_first=True)
    for name, weight in theirs.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name), weight)
