"""Gates: with them the reader's own states are built again; states are those that the reader gives."""

import numpy as np
import pytest
import torch

from bothways.errors import SettingsError
from bothways.lab.gates import Gates, open_gates
from bothways.lab.states import states_of
from bothways.models.classifier import CELLS
from bothways.nn import GRU, LSTM, RNN, SRU, Bidirectional, MinGRU, MinLSTM, Stacked

GATED = [cell for cell in CELLS if cell != "rnn"]
STEPS = 7


def reader_of(cell: str, *, size: int = 4, **options):
    torch.manual_seed(5)
    return CELLS[cell](3, size, **options).double()


def inputs(width: int = 3) -> torch.Tensor:
    torch.manual_seed(6)
    return 2 * torch.randn(STEPS, width).double()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rebuilt(gates: Gates, passing: np.ndarray | None = None) -> np.ndarray:
    """The states (T,H) that a sequence has by its gates and candidates alone; of an SRU also by what passes it by."""
    memory, states = np.zeros(gates.states.shape[1]), np.zeros_like(gates.states)
    order = range(STEPS) if gates.direction == "forward" else range(STEPS - 1, -1, -1)
    for t in order:
        gate, new = {name: opening[t] for name, opening in gates.openings.items()}, gates.candidate[t]
        if gates.cell == "lstm":
            memory = gate["forget"] * memory + gate["input"] * new
            states[t] = gate["output"] * np.tanh(memory)
        elif gates.cell == "gru":
            memory = states[t] = (1 - gate["update"]) * new + gate["update"] * memory
        elif gates.cell == "mingru":
            memory = states[t] = (1 - gate["update"]) * memory + gate["update"] * new
        elif gates.cell == "minlstm":
            whole = gate["forget"] + gate["input"]
            np.testing.assert_allclose(gate["forget"] / whole, gate["forget / (forget + input)"], rtol=1e-10)
            memory = states[t] = (gate["forget"] * memory + gate["input"] * new) / whole
        else:
            memory = gate["forget"] * memory + (1 - gate["forget"]) * new
            states[t] = gate["output"] * np.tanh(memory) + (1 - gate["output"]) * passing[t]
    return states


def own_states(reader, steps: torch.Tensor, direction: str) -> np.ndarray:
    return getattr(reader(steps[None]), direction)[0].detach().numpy()


@pytest.mark.parametrize("cell", GATED)
@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize(
    ("ways", "stack", "layers"),
    [("one", "joined", 1), ("both", "joined", 1), ("both", "joined", 2), ("both", "apart", 2)],
)
def test_the_readers_own_states_are_built_again_from_the_gates(cell, direction, ways, stack, layers):
    reader = reader_of(
        cell, num_layers=layers, direction="both" if ways == "both" else direction, stack=stack, dropout=0.5
    ).eval()
    steps = inputs()
    gates = open_gates(reader.train(), steps, direction=direction)
    below = steps.numpy()
    if layers == 2:
        lower = {way: open_gates(reader, steps, layer=0, direction=way).states for way in ("forward", "backward")}
        below = lower[direction] if stack == "apart" else np.concatenate([lower["forward"], lower["backward"]], axis=1)
    highway = reader.weights(layers - 1, direction).get("highway") if cell == "sru" else None
    passing = below if highway is None else below @ highway.detach().numpy().T
    expected = own_states(reader.eval(), steps, direction)
    np.testing.assert_allclose(rebuilt(gates, passing), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(gates.states, expected, rtol=1e-9, atol=1e-12)
    assert (gates.cell, gates.direction, gates.layer) == (cell, direction, layers - 1)


@pytest.mark.parametrize("cell", GATED)
@pytest.mark.parametrize("stack", ["joined", "apart"])
def test_a_lower_layer_ends_in_the_state_that_the_reader_gives(cell, stack):
    reader, steps = reader_of(cell, num_layers=2, direction="both", stack=stack), inputs()
    state = reader(steps[None]).final_state
    for way, end in (("forward", -1), ("backward", 0)):
        gates = open_gates(reader, steps, layer=0, direction=way)
        part = getattr(state, way)
        np.testing.assert_allclose(gates.states[end], part[0][0, 0].detach(), rtol=1e-9)
        np.testing.assert_allclose(gates.memory[end], part[-1][0, 0].detach(), rtol=1e-9)


@pytest.mark.parametrize("cell", ["lstm", "gru", "mingru", "minlstm", "sru"])
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_cells_without_a_bias_with_a_window_or_as_wide_as_their_inputs(cell, direction):
    window = {} if cell in ("lstm", "gru") else {"convolution": 3}
    for size, options in ((3, {"bias": False}), (3, window), (5, window)):
        reader, steps = reader_of(cell, size=size, num_layers=2, direction=direction, **options), inputs()
        gates = open_gates(reader, steps)
        np.testing.assert_allclose(gates.states, own_states(reader, steps, direction), rtol=1e-9)


@pytest.mark.parametrize("cell", GATED)
def test_what_is_kept_is_how_the_memory_hangs_on_the_one_before(cell):
    """By the derivative of a step, without what the gates and the candidate see of the state, through U."""
    reader, steps = reader_of(cell), inputs()
    if cell in ("lstm", "gru"):
        with torch.no_grad():
            reader.weight_hh_l0.zero_()
    gates = open_gates(reader, steps[:1])
    before = tuple(torch.zeros(1, 1, 4).double().requires_grad_() for _ in reader.parts)
    after = reader(steps[None, :1], initial_state=type(reader(steps[None]).final_state)(forward=before)).final_state
    (slope,) = torch.autograd.grad(after.forward[-1].sum(), before[-1])
    np.testing.assert_allclose(gates.keep[0], slope[0, 0], rtol=1e-9)


def test_the_reset_gate_is_what_the_formula_makes_of_the_state_before():
    reader, steps = reader_of("gru"), inputs()
    states = own_states(reader, steps, "forward")
    w, u, b, d = (weight.detach().numpy()[:4] for weight in reader.weights(0, "forward"))
    before = np.concatenate([np.zeros((1, 4)), states[:-1]])
    expected = sigmoid(steps.numpy() @ w.T + b + before @ u.T + d)
    np.testing.assert_allclose(open_gates(reader, steps).openings["reset"], expected, rtol=1e-9)


def test_readers_made_of_readers_open_the_gates_of_their_parts():
    torch.manual_seed(7)
    steps = inputs()
    two = Bidirectional(LSTM(3, 4), GRU(3, 5, direction="backward")).double()
    assert open_gates(two, steps).cell == "lstm"
    backward = open_gates(two, steps, direction="backward")
    np.testing.assert_allclose(backward.states, own_states(two, steps, "backward"), rtol=1e-9)
    stack = Stacked([RNN(3, 4), MinGRU(4, 4, 2), MinLSTM(4, 4)]).double()
    top = open_gates(stack, steps)
    assert top.cell == "minlstm"
    np.testing.assert_allclose(top.states, own_states(stack, steps, "forward"), rtol=1e-9)
    middle = open_gates(stack, steps, layer=2)
    state = stack(steps[None]).final_state.forward[0]
    assert (middle.cell, middle.layer) == ("mingru", 2)
    np.testing.assert_allclose(middle.states[-1], state[2, 0].detach(), rtol=1e-9)


def test_what_has_no_gates_is_refused():
    with pytest.raises(
        SettingsError, match=r"^The reader is made of RNN cells, which have no gates\. Use cell_type 'l"
    ):
        open_gates(RNN(3, 4), torch.ones(2, 3))
    with pytest.raises(SettingsError, match=r"^The reader is made of RNN cells"):
        open_gates(Stacked([RNN(3, 4), GRU(4, 4)]), torch.ones(2, 3), layer=0)
    with pytest.raises(SettingsError, match=r"^layer is 1, but the reader's are 0 to 0\. Choose one of them\.$"):
        open_gates(LSTM(3, 4), torch.ones(2, 3), layer=1)
    with pytest.raises(SettingsError, match=r"^direction is 'backward', but it must be one of: forward\."):
        open_gates(SRU(3, 4), torch.ones(2, 3), direction="backward")


@pytest.mark.parametrize("cell", CELLS)
def test_states_are_the_readers_and_changes_go_in_the_direction_of_reading(cell):
    reader, steps = reader_of(cell, num_layers=2, direction="both", dropout=0.5).train(), inputs()
    found = states_of(reader, steps)
    assert reader.training
    reader.eval()
    for way, states in (("forward", found.forward), ("backward", found.backward)):
        np.testing.assert_allclose(states, own_states(reader, steps, way), rtol=1e-12)
        order = range(STEPS) if way == "forward" else range(STEPS - 1, -1, -1)
        before = np.zeros(4)
        for t in order:
            assert found.changes(way)[t] == pytest.approx(np.linalg.norm(states[t] - before))
            before = states[t]
    one_way = states_of(reader_of(cell, direction="backward"), steps)
    assert one_way.forward is None
    assert one_way.backward.shape == (STEPS, 4)
