"""RNN, LSTM and GRU: torch.nn's numbers and gradients, and what padding, company and time must not change."""

from itertools import product

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from bothways.errors import DataError, SettingsError
from bothways.nn import GRU, LSTM, RNN, Pooling, State, from_torch, fused, layout
from readings import E, H, batch_of, gradients, read_by_hand, row_of, state_of, tensors_of

CELLS = ["tanh", "relu", "gru", "lstm"]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def reader_of(cell, *, layers=1, dtype=torch.float64, **options):
    if cell in ("tanh", "relu"):
        return RNN(E, H, layers, nonlinearity=cell, **options).to(dtype)
    return {"gru": GRU, "lstm": LSTM}[cell](E, H, layers, **options).to(dtype)


def torch_reading(module, inputs, lengths, initial):
    """The same by another road: torch.nn with a packed batch -> outputs, then each direction's final state."""
    ways = [parts for parts in initial if parts is not None]
    start = tuple(torch.stack(parts, dim=1).flatten(0, 1) for parts in zip(*ways, strict=True))
    packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    states, final = module(packed, start if isinstance(module, nn.LSTM) else start[0])
    outputs = pad_packed_sequence(states, batch_first=True, total_length=inputs.shape[1])[0]
    final = final if isinstance(final, tuple) else (final,)
    apart = [part.unflatten(0, (-1, len(ways))) for part in final]
    return [outputs, *(part[:, way] for way in range(len(ways)) for part in apart)]


def step_by_hand(reader, layer, way, step, state):
    """One step of one sequence with torch's own cells: (E,) and (H,) each -> (H,) each."""
    kinds = {"LSTM": nn.LSTMCell, "GRU": nn.GRUCell}
    weights = reader.weights(layer, way)
    if isinstance(reader, RNN):
        cell = nn.RNNCell(weights[0].shape[1], H, bias=reader.bias, nonlinearity=reader.nonlinearity)
    else:
        cell = kinds[type(reader).__name__](weights[0].shape[1], H, bias=reader.bias)
    names = [name for name, _ in cell.named_parameters()]
    state = torch.func.functional_call(
        cell, dict(zip(names, weights, strict=True)), (step, state if len(state) > 1 else state[0])
    )
    return state if isinstance(state, tuple) else (state,)


@given(
    cell=st.sampled_from(CELLS),
    layers=st.integers(1, 3),
    both=st.booleans(),
    bias=st.booleans(),
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=5),
    extra=st.integers(0, 2),
    blocks=st.sampled_from([(16, 4), (2, 2), (3, 1), (1, 1)]),
    precision=st.sampled_from([(torch.float64, 1e-10, 1e-10), (torch.float32, 1e-5, 1e-4)]),
    compiled=st.booleans(),
    recompute=st.sampled_from([None, 1, 3, 50]),
)
def test_numbers_and_gradients_are_those_of_packed_torch(
    cell, layers, both, bias, lengths, extra, blocks, precision, compiled, recompute
):
    dtype, near, near_gradients = precision
    direction = "both" if both else "forward"
    ours = reader_of(cell, layers=layers, dtype=dtype, bias=bias, direction=direction, recompute=recompute)
    theirs = ours.to_torch()
    inputs, lengths = batch_of(lengths, max(lengths) + extra, dtype)
    initial = state_of(ours, len(lengths), dtype)
    leaves = [inputs, *(part for state in initial for part in state or ())]
    for leaf in leaves:
        leaf.requires_grad_()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "STEPS_BETWEEN_CHANGES", blocks[0])
        patch.setattr(layout, "ROWS_AT_A_TIME", blocks[1])
        patch.setattr(fused, "is_available", lambda: compiled)
        found = tensors_of(ours(inputs, lengths, initial))
    expected = torch_reading(theirs, inputs, lengths, initial)
    weights = [torch.randn_like(tensor) for tensor in expected]
    named = dict(ours.named_parameters())
    same_order = [named[name] for name, _ in theirs.named_parameters()]

    torch.testing.assert_close(found, expected, rtol=0, atol=near)
    torch.testing.assert_close(
        gradients(found, [*leaves, *same_order], weights),
        gradients(expected, [*leaves, *theirs.parameters()], weights),
        rtol=near_gradients,
        atol=near_gradients,
    )


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_recomputing_keeps_less_and_changes_no_gradient(cell, compiled, monkeypatch):
    monkeypatch.setattr(fused, "is_available", lambda: compiled)
    inputs, lengths = batch_of([90, 5, 64, 33], dtype=torch.float32)
    inputs.requires_grad_()
    found, kept = [], []
    for recompute in (None, 8):
        torch.manual_seed(1)
        options = {"direction": "both", "stack": "apart", "dtype": torch.float32}
        reader = reader_of(cell, layers=2, recompute=recompute, **options)
        seen = {}

        def keep(tensor, seen=seen):
            seen[tensor.data_ptr()] = tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            outputs = reader(inputs, lengths).outputs
        kept.append(sum(seen.values()))
        found.append(torch.autograd.grad((outputs**2).sum(), [inputs, *reader.parameters()]))

    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)
    assert kept[1] < kept[0] / (1.5 if cell in ("tanh", "relu") else 2.5)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_recomputing_with_a_weight_that_was_changed_meanwhile_is_refused(cell, compiled, monkeypatch):
    monkeypatch.setattr(fused, "is_available", lambda: compiled)
    reader = reader_of(cell, dtype=torch.float32, recompute=2)
    total = reader(batch_of([5, 2], dtype=torch.float32)[0]).outputs.sum()
    with torch.no_grad():
        reader.weight_hh_l0.mul_(2)

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


@pytest.mark.parametrize("cell", CELLS)
def test_many_long_sequences_are_read_as_packed_torch_reads_them(cell):
    ours = reader_of(cell, layers=2, direction="both")
    inputs, lengths = batch_of([*torch.randint(1, 100, (21,)).tolist(), 1, 100])
    initial = state_of(ours, len(lengths))

    expected = torch_reading(ours.to_torch(), inputs, lengths, initial)

    torch.testing.assert_close(tensors_of(ours(inputs, lengths, initial)), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("cell", "direction", "stack", "merge"),
    [
        *product(CELLS, ["forward", "backward"], ["joined"], ["concatenate"]),
        *product(CELLS, ["both"], ["joined", "apart"], ["concatenate", "sum", "average", "multiply"]),
    ],
)
def test_a_batch_is_its_sequences_read_by_hand_step_by_step(cell, direction, stack, merge):
    reader = reader_of(cell, layers=2, direction=direction, stack=stack, merge=merge)
    inputs, lengths = batch_of([5, 1, 3, 6])
    initial = state_of(reader, 4)

    found = tensors_of(reader(inputs, lengths, initial))

    for row, length in enumerate(lengths):
        outputs, *final = read_by_hand(reader, inputs[row, :length], row_of(initial, row), step_by_hand)
        torch.testing.assert_close(found[0][row, :length], outputs, rtol=0, atol=1e-10)
        assert (found[0][row, length:] == 0).all()
        torch.testing.assert_close([part[:, row] for part in found[1:]], final, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("cell", "direction"), list(product(CELLS, ["forward", "backward", "both"])))
def test_forward_and_backward_states_stand_apart_and_joined(cell, direction):
    reader = reader_of(cell, layers=2, direction=direction)
    reading = reader(*batch_of([2, 5]))

    known = [states for states in (reading.forward, reading.backward) if states is not None]

    assert (reading.forward is None, reading.backward is None) == (direction == "backward", direction == "forward")
    torch.testing.assert_close(torch.cat(known, dim=2), reading.outputs, rtol=0, atol=0)
    assert reading.outputs.shape[2] == reader.output_size


def test_the_last_column_of_a_padded_batch_is_not_the_last_step():
    """The classic fault: `out[:, -1]` of a padded torch.nn.LSTM is a state that has read padding."""
    torch_lstm = nn.LSTM(E, H, batch_first=True, bidirectional=True)
    inputs, lengths = batch_of([5, 2], dtype=torch.float32)
    inputs[1, 2:] = 0.0
    reader, pooling = from_torch(torch_lstm), Pooling(["last"], 2 * H)

    unpadded, (last, _) = torch_lstm(inputs[1:, :2])
    right = torch.cat([last[0], last[1]], dim=1)  # each direction after its own last step
    fault = torch_lstm(inputs)[0][1:, -1]

    torch.testing.assert_close(pooling(reader(inputs, lengths))[1:], right, rtol=0, atol=1e-6)
    torch.testing.assert_close(reader(inputs, lengths).outputs[1:, :2], unpadded, rtol=0, atol=1e-6)
    assert (fault - right).abs().max() > 0.01


@pytest.mark.parametrize(
    ("cell", "stack", "filling"), list(product(CELLS, ["joined", "apart"], [float("nan"), float("inf"), 1e30]))
)
def test_what_fills_the_padding_reaches_no_state_and_no_gradient(cell, stack, filling):
    reader = reader_of(cell, layers=2, direction="both", stack=stack)
    inputs, lengths = batch_of([5, 2, 1])
    padding = torch.arange(5) >= lengths[:, None]
    count = len(tensors_of(reader(inputs)))

    def found(values):
        values = values.clone().requires_grad_()
        tensors = tensors_of(reader(values, lengths))
        torch.manual_seed(1)
        weights = [torch.randn_like(tensor) for tensor in tensors]
        return [*tensors, *gradients(tensors, [values, *reader.parameters()], weights)]

    clean, filled = found(inputs), found(inputs.masked_fill(padding[..., None], filling))

    torch.testing.assert_close(filled, clean, rtol=0, atol=0)
    assert (filled[count][padding] == 0).all()  # the inputs' own gradient


def test_relu_states_that_would_explode_on_padding_do_not_spoil_the_gradients():
    reader = RNN(1, 1, nonlinearity="relu", bias=False)
    with torch.no_grad():
        reader.weight_ih_l0.fill_(1.0)
        reader.weight_hh_l0.fill_(3.0)  # 3 ** 200 is beyond float32
    inputs = torch.cat([torch.ones(1, 200, 1), -torch.ones(1, 200, 1)])

    outputs = reader(inputs, torch.tensor([3, 200])).outputs
    gradient = torch.autograd.grad(outputs.sum(), reader.weight_hh_l0)[0]

    assert outputs[0, :4, 0].tolist() == [1, 4, 13, 0]
    assert gradient.item() == 1 + (4 + 3 * 1)  # h1 = 1 + U, h2 = 1 + U h1


@pytest.mark.parametrize(
    ("cell", "dtype", "near"), [(c, *p) for c, p in product(CELLS, [(torch.float32, 1e-5), (torch.float64, 1e-10)])]
)
def test_alone_is_as_in_company(cell, dtype, near):
    reader = reader_of(cell, layers=2, direction="both", dtype=dtype)
    inputs, lengths = batch_of([70, 1, 33, 40, *[64] * 9], dtype=dtype)
    together = tensors_of(reader(inputs, lengths))

    for row, length in enumerate(lengths):
        alone = tensors_of(reader(inputs[row : row + 1, :length]))
        torch.testing.assert_close(together[0][row : row + 1, :length], alone[0], rtol=0, atol=near)
        torch.testing.assert_close([part[:, row : row + 1] for part in together[1:]], alone[1:], rtol=0, atol=near)


@pytest.mark.parametrize(("cell", "dtype"), list(product(CELLS, [torch.float32, torch.float64])))
def test_step_by_step_with_the_carried_state_is_all_at_once(cell, dtype):
    reader = reader_of(cell, layers=3, dtype=dtype)
    inputs, _ = batch_of([6, 6], dtype=dtype)
    state = state_of(reader, 2, dtype)
    at_once = reader(inputs, None, state)

    steps = []
    for step in range(6):
        reading = reader(inputs[:, step : step + 1], None, state)
        steps.append(reading.outputs)
        state = reading.final_state

    near = 1e-5 if dtype == torch.float32 else 1e-10
    torch.testing.assert_close(torch.cat(steps, dim=1), at_once.outputs, rtol=0, atol=near)
    torch.testing.assert_close(state, at_once.final_state, rtol=0, atol=near)


@pytest.mark.parametrize("cell", CELLS)
def test_two_pieces_with_lengths_of_their_own_are_one_sequence(cell):
    reader = reader_of(cell, layers=2)
    inputs, lengths = batch_of([6, 4, 5])
    first = torch.tensor([3, 1, 2])
    rest = torch.stack([row[start : start + 3] for row, start in zip(inputs, first, strict=True)])

    state = reader(inputs[:, :3], first).final_state
    reading = reader(rest, lengths - first, state)

    torch.testing.assert_close(reading.final_state, reader(inputs, lengths).final_state, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("cell", "stack"), list(product(CELLS, ["joined", "apart"])))
def test_a_forward_reader_never_sees_the_future(cell, stack):
    one_way, apart = reader_of(cell, layers=2), reader_of(cell, layers=2, direction="both", stack="apart")
    inputs, lengths = batch_of([6, 5])
    changed = inputs.clone()
    changed[:, 3:] += 1.0

    for reader in (one_way, apart):
        before, after = reader(inputs, lengths), reader(changed, lengths)
        torch.testing.assert_close(after.forward[:, :3], before.forward[:, :3], rtol=0, atol=0)
        assert (after.forward[:, 3] != before.forward[:, 3]).any()
    assert (after.backward[:, 0] != before.backward[:, 0]).any()  # apart, whose other reader came from there


@pytest.mark.parametrize("cell", CELLS)
def test_a_backward_reader_apart_never_sees_the_past(cell):
    reader = reader_of(cell, layers=2, direction="both", stack="apart")
    inputs, lengths = batch_of([6, 5])
    changed = inputs.clone()
    changed[:, :3] += 1.0

    before, after = reader(inputs, lengths).backward, reader(changed, lengths).backward

    torch.testing.assert_close(after[:, 3:], before[:, 3:], rtol=0, atol=0)
    assert (after[:, 2] != before[:, 2]).any()


@pytest.mark.parametrize("module", [nn.RNN, nn.LSTM, nn.GRU])
def test_weights_go_to_torch_and_come_back_unchanged(module):
    theirs = module(E, H, 2, bidirectional=True, batch_first=True, dropout=0.25).double().eval()
    ours = from_torch(theirs)
    back = ours.to_torch()

    assert (back.num_layers, back.dropout, back.bidirectional, back.training) == (2, 0.25, True, False)
    assert ours.dropout == 0.25
    torch.testing.assert_close(back.state_dict(), theirs.state_dict(), rtol=0, atol=0)
    inputs, _ = batch_of([4, 4])
    torch.testing.assert_close(ours(inputs).outputs, theirs(inputs)[0], rtol=0, atol=1e-10)
    with torch.no_grad():
        ours.weight_ih_l0.zero_()
    assert (theirs.weight_ih_l0 != 0).any()


def test_the_nonlinearity_comes_from_torch_too():
    theirs = nn.RNN(E, H, nonlinearity="relu", bias=False, batch_first=True)
    inputs, _ = batch_of([4], dtype=torch.float32)

    torch.testing.assert_close(from_torch(theirs)(inputs).outputs, theirs(inputs)[0], rtol=0, atol=1e-6)


def test_what_torch_has_not_is_not_converted():
    for options in (
        {"direction": "backward"},
        {"direction": "both", "stack": "apart", "num_layers": 2},
        {"direction": "both", "merge": "sum"},
    ):
        with pytest.raises(SettingsError, match=r"has no torch\.nn module\. It needs direction 'forward', or 'both'"):
            LSTM(E, H, **options).to_torch()
    for module in (nn.LSTM(E, H, proj_size=2), nn.Linear(2, 3)):
        with pytest.raises(SettingsError, match=r"must be a torch\.nn\.RNN, LSTM or GRU without projections"):
            from_torch(module)


def test_parameters_are_drawn_as_torch_draws_them():
    ours, theirs = GRU(E, 25, 2, direction="both"), nn.GRU(E, 25, 2, bidirectional=True)
    shapes = {name: value.shape for name, value in theirs.state_dict().items()}

    assert {name: value.shape for name, value in ours.state_dict().items()} == shapes
    values = torch.cat([parameter.flatten() for parameter in ours.parameters()])
    assert values.abs().max() <= 0.2
    assert abs(values.std() - 0.2 / 3**0.5) < 0.005


def test_the_forget_gate_starts_where_it_is_told():
    reader = LSTM(E, H, 2, direction="both", forget_bias=1.0)
    for layer, way in product(range(2), ["forward", "backward"]):
        _, _, b, d = reader.weights(layer, way)
        assert ((b + d)[H : 2 * H] == 1).all()
        assert ((b + d)[:H] != 1).all()
        assert ((b + d)[2 * H :] != 1).all()
    with pytest.raises(SettingsError, match=r"forget_bias is 1\.0, but bias is False\. Leave forget_bias out"):
        LSTM(E, H, bias=False, forget_bias=1.0)


@pytest.mark.parametrize("cell", [LSTM, GRU])
def test_memories_start_between_two_steps_and_the_longest(cell):
    """Without inputs, and weights of zero, a state shrinks at each step by 1 - 1 / memory."""
    torch.manual_seed(0)
    longest, size = 50, 2_000
    reader = cell(1, size, 1, direction="both", chrono=longest)
    with torch.no_grad():
        for name, weight in reader.named_parameters():
            if name.startswith("weight"):
                weight.zero_()
            elif cell is LSTM:
                weight[2 * size : 3 * size] = 0  # what would be taken in
            else:
                weight[2 * size :] = 0
    start = State(*(tuple(torch.ones(1, 1, size) for _ in reader.parts) for _ in range(2)))
    final = reader(torch.zeros(1, 1, 1), None, start).final_state
    for way in (final.forward, final.backward):
        memories = 1 / (1 - way[-1][0, 0])
        assert 2 - 1e-3 <= memories.min() < 3
        assert longest - 1 < memories.max() <= longest + 1e-2
        assert abs(memories.mean() - (2 + longest) / 2) < 1.5
    if cell is LSTM:
        _, _, b, d = reader.weights(0, "forward")
        enter, forget = torch.sigmoid(b + d)[:size], torch.sigmoid(b + d)[size : 2 * size]
        torch.testing.assert_close(enter, 1 - forget)


def test_a_memory_that_cannot_be_is_refused():
    with pytest.raises(SettingsError, match="chrono is 1, but it must be at least 2"):
        GRU(E, H, chrono=1)
    with pytest.raises(SettingsError, match=r"chrono is 9, but bias is False\. Leave chrono out"):
        LSTM(E, H, bias=False, chrono=9)
    with pytest.raises(SettingsError, match=r"forget_bias is 1\.0 and chrono 9; both set one bias\. Leave one out"):
        LSTM(E, H, forget_bias=1.0, chrono=9)


@pytest.mark.parametrize(("stack", "direction"), [("joined", "both"), ("apart", "both"), ("joined", "backward")])
def test_dropout_hides_the_same_features_at_all_steps_of_a_sequence(stack, direction):
    """A second layer of relu whose output is its own input: what it gives is what dropout let through, tripled."""
    reader = RNN(E, H, 2, nonlinearity="relu", bias=False, direction=direction, stack=stack, dropout=2 / 3)
    with torch.no_grad():
        for name, parameter in reader.named_parameters():
            parameter.abs_()
            if "l1" in name:
                parameter.zero_()
            if "ih_l1" in name:
                shift = H if name.endswith("reverse") and stack == "joined" else 0
                parameter[:, shift : shift + H] = torch.eye(H)
    inputs, lengths = batch_of([6, 3] * 20, dtype=torch.float32)
    inputs = inputs.abs() + 0.1

    kept = reader.eval()(inputs, lengths).outputs
    dropped = reader.train()(inputs, lengths).outputs
    real = torch.arange(6) < lengths[:, None]

    factors = torch.where(real[..., None], dropped / kept.clamp(min=1e-9), dropped.new_tensor(float("nan")))
    at_first = factors[:, :1].expand_as(factors)[real]
    torch.testing.assert_close(factors[real], at_first)
    assert set(factors[real].round().flatten().tolist()) == {0.0, 3.0}
    assert (factors[0, 0] != factors[2, 0]).any()
    assert 0.2 < (factors[:, 0] > 1).float().mean() < 0.47


def test_dropout_is_off_in_eval_and_above_the_top_layer():
    inputs, lengths = batch_of([4, 4], dtype=torch.float32)
    deep, flat = GRU(E, H, 2, dropout=0.5), GRU(E, H, dropout=0.5)

    for reader in (deep.eval(), flat.train()):
        undropped = reader.to_torch().eval()(inputs)[0]
        torch.testing.assert_close(reader(inputs, lengths).outputs, undropped, rtol=0, atol=1e-6)
    assert (deep.train()(inputs, lengths).outputs != deep.eval()(inputs, lengths).outputs).any()


@pytest.mark.parametrize("cell", CELLS)
def test_reading_without_gradients_gives_the_same_numbers(cell):
    reader = reader_of(cell, layers=2, direction="both", dtype=torch.float32)
    inputs, lengths = batch_of([5, 2, 1], dtype=torch.float32)
    expected = tensors_of(reader(inputs, lengths))

    with torch.no_grad():
        found = tensors_of(reader(inputs, lengths))

    torch.testing.assert_close(found, [tensor.detach() for tensor in expected], rtol=0, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_flow_in_eval_too(cell):
    reader = reader_of(cell, direction="both", dtype=torch.float32)
    inputs, lengths = batch_of([5, 2], dtype=torch.float32)
    trained = torch.autograd.grad(reader.train()(inputs, lengths).outputs.sum(), list(reader.parameters()))

    found = torch.autograd.grad(reader.eval()(inputs, lengths).outputs.sum(), list(reader.parameters()))

    torch.testing.assert_close(found, trained)


@pytest.mark.parametrize(("cell", "stack"), list(product(CELLS, ["joined", "apart"])))
def test_bfloat16_autocast_stays_near_float32(cell, stack):
    reader = reader_of(cell, layers=2, direction="both", stack=stack, dtype=torch.float32)
    inputs, lengths = batch_of([40, 2, 33], dtype=torch.float32)
    initial = state_of(reader, 3, torch.float32)
    exact = tensors_of(reader(inputs, lengths, initial))
    weights = [torch.randn_like(tensor) for tensor in exact]
    exact_gradients = gradients(exact, list(reader.parameters()), weights)

    for values in (inputs, inputs.bfloat16()):
        with torch.autocast("cpu", torch.bfloat16):
            found = [tensor.float() for tensor in tensors_of(reader(values, lengths, initial))]
        torch.testing.assert_close(found, exact, rtol=0.05, atol=0.05)
        for near, gradient in zip(gradients(found, list(reader.parameters()), weights), exact_gradients, strict=True):
            assert (near - gradient).norm() < 0.2 * gradient.norm()


@pytest.mark.parametrize("name", ["input_size", "hidden_size", "num_layers"])
def test_a_size_below_one_is_refused(name):
    with pytest.raises(SettingsError, match=f"^{name} is 0, but it must be at least 1.$"):
        GRU(**{"input_size": 2, "hidden_size": 3, "num_layers": 1, name: 0})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction": "forwards"}, "direction is 'forwards', but it must be one of: backward, both, forward. Did you"),
        ({"stack": "join"}, "stack is 'join', but it must be one of: apart, joined. Did you mean 'joined'?"),
        ({"merge": "add"}, "merge is 'add', but it must be one of: average, concatenate, multiply, sum."),
        ({"nonlinearity": "tan"}, "nonlinearity is 'tan', but it must be one of: relu, tanh. Did you mean 'tanh'?"),
        ({"dropout": 1.0}, "dropout is 1.0, but it must be in [0, 1)."),
    ],
)
def test_a_choice_that_is_not_one_is_refused(options, message):
    with pytest.raises(SettingsError) as caught:
        RNN(E, H, **options)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("inputs", "lengths", "message"),
    [
        (torch.zeros(2, 5), None, "inputs is float32 (2, 5), but it must be float (B, T, 3). Embed or reshape it"),
        (torch.zeros(2, 5, 3, dtype=torch.int64), None, "inputs is int64 (2, 5, 3), but it must be float (B, T, 3)."),
        (torch.zeros(2, 5, 4), None, "inputs has width 4, but input_size is 3. Make them equal."),
        (torch.zeros(2, 0, 3), None, "inputs is float32 (2, 0, 3), but B and T must be at least 1."),
        (torch.zeros(2, 5, 3), torch.tensor([5]), "lengths is int64 (1,), but it must be int64 (2,): one for each"),
        (torch.zeros(2, 5, 3), torch.tensor([5.0, 1]), "lengths is float32 (2,), but it must be int64 (2,)"),
        (torch.zeros(2, 5, 3), [5, 1], "lengths is a list, but it must be int64 (2,): one for each sequence."),
        (
            torch.zeros(2, 5, 3),
            torch.tensor([5, -1]),
            "lengths[1] is -1, but each must be from 1 to T=5. Give an empty",
        ),
        (torch.zeros(2, 5, 3), torch.tensor([5, 0]), "lengths[1] is 0, but each must be from 1 to T=5. Give an empty"),
        (torch.zeros(2, 5, 3), torch.tensor([6, 2]), "lengths[0] is 6, but each must be from 1 to T=5."),
        (torch.zeros(2, 5, 3).double(), None, "inputs is float64 (2, 5, 3), but the weights are float32. Use the same"),
    ],
)
def test_a_batch_that_cannot_be_read_is_refused_in_one_line(inputs, lengths, message):
    with pytest.raises(DataError) as caught:
        LSTM(E, H)(inputs, lengths)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_what_is_no_tensor_or_stands_elsewhere_is_refused_in_one_line():
    reader = LSTM(3, 4)
    packed = pack_padded_sequence(torch.zeros(2, 5, 3), torch.tensor([5, 2]), batch_first=True)
    with pytest.raises(DataError, match=r"^inputs is a PackedSequence, but it must be float \(B, T, 3\)\."):
        reader(packed)
    with pytest.raises(DataError, match="^inputs is on 'cpu', but the weights are on 'meta'. Move one of them.$"):
        reader.to("meta")(torch.zeros(2, 5, 3))


def test_weights_are_those_of_a_way_that_is_read():
    assert LSTM(3, 4, direction="backward").weights(0, "backward")[0].shape == (16, 3)
    for direction, way in (("forward", "backward"), ("backward", "forward"), ("both", "forwards")):
        with pytest.raises(SettingsError, match=f"^direction is '{way}', but it must be one of: "):
            LSTM(3, 4, direction=direction).weights(0, way)


def test_a_state_that_does_not_fit_is_refused():
    inputs, _ = batch_of([4, 4], dtype=torch.float32)
    h = torch.zeros(1, 2, H)
    with pytest.raises(DataError, match=r"^initial_state\.forward has 1 tensors, but this cell has 2: h, c\."):
        LSTM(E, H)(inputs, None, State((h,)))
    with pytest.raises(
        DataError, match=r"^initial_state\.forward's c is float32 \(1, 3, 4\), but .* float \(1, 2, 4\)"
    ):
        LSTM(E, H)(inputs, None, State((h, torch.zeros(1, 3, H))))
    for odd in (None, np.zeros((1, 2, H))):
        with pytest.raises(DataError, match=r"^initial_state\.forward's c is .*, but it must be float \(1, 2, 4\)"):
            LSTM(E, H)(inputs, None, State((h, odd)))
    with pytest.raises(DataError, match=r"^initial_state\.backward is given, but direction is 'forward'\."):
        GRU(E, H)(inputs, None, State(None, (h,)))
    for reader, state, said in ((LSTM(E, H), (h, h), "a tuple"), (GRU(E, H), h, r"float32 \(1, 2, 4\)")):
        with pytest.raises(
            DataError, match=rf"^initial_state is {said}, but it must be a State\. Give State\(forward="
        ):
            reader(inputs, None, state)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    ("cell", "stack", "direction"), list(product(CELLS, ["joined", "apart"], ["forward", "backward", "both"]))
)
def test_cuda_gives_the_numbers_and_gradients_of_the_cpu(cell, stack, direction):
    reader = reader_of(cell, layers=2, direction=direction, stack=stack)
    inputs, lengths = batch_of([5, 1, 3])
    initial = state_of(reader, 3)
    expected = tensors_of(reader(inputs, lengths, initial))
    weights = [torch.randn_like(tensor) for tensor in expected]
    expected_gradients = gradients(expected, list(reader.parameters()), weights)

    reader = reader.cuda()
    there = State(*(part and tuple(tensor.cuda() for tensor in part) for part in initial))
    found = tensors_of(reader(inputs.cuda(), lengths.cuda(), there))
    found_gradients = gradients(found, list(reader.parameters()), [weight.cuda() for weight in weights])

    torch.testing.assert_close([tensor.cpu() for tensor in found], expected, rtol=0, atol=1e-10)
    torch.testing.assert_close([tensor.cpu() for tensor in found_gradients], list(expected_gradients))
