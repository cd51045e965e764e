"""MinGRU, MinLSTM and SRU: their equations, and what padding, company and time must not change."""

from itertools import product

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch.nn import functional

from bothways.errors import DataError, SettingsError
from bothways.nn import SRU, MinGRU, MinLSTM, State, fused
from readings import E, H, batch_of, gradients, read_by_hand, row_of, state_of, tensors_of

CELLS = {"mingru": MinGRU, "minlstm": MinLSTM, "sru": SRU}
# float64; float32 in the compiled loops; float32 in torch
ROADS = {
    "double": (torch.float64, False, 1e-10, 1e-10),
    "compiled": (torch.float32, True, 1e-5, 1e-4),
    "eager": (torch.float32, False, 1e-5, 1e-4),
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(params=ROADS)
def road(request, monkeypatch):
    """Choose a road -> dtype, and how near numbers and gradients are to the exact ones."""
    dtype, is_compiled, near, near_gradients = ROADS[request.param]
    monkeypatch.setattr(fused, "is_available", lambda: is_compiled)
    return dtype, near, near_gradients


def reader_of(cell, *, layers=1, dtype=torch.float64, width=E, **options):
    return CELLS[cell](width, H, layers, **options).to(dtype)


def step_by_hand(reader, layer, way, step, state):
    """One step of one sequence by the cell's equations: (F,) and (H,) each -> (H,) each.

    With a convolution, what an input will add to the gates of the next steps waits in the state.
    """
    weights = reader.weights(layer, way)
    own, gates = len(reader.cell_parts), len(reader.gate_names)
    products = [matrix @ step for matrix in weights["weight"].chunk(reader.convolution, dim=1)]
    waiting = [torch.cat(state[at : at + gates]) for at in range(own, len(state), gates)]
    sums = [now + before for now, before in zip(products, [*waiting, 0.0], strict=True)]
    found = (sums[0] + weights["bias"] if reader.bias else sums[0]).chunk(gates)
    pending = [part for later in sums[1:] for part in later.chunk(gates)]

    h = state[0]
    if isinstance(reader, MinGRU):
        z = torch.sigmoid(found[0])
        return ((1 - z) * h + z * found[1], *pending)
    if isinstance(reader, MinLSTM):
        f, i = torch.sigmoid(found[0]), torch.sigmoid(found[1])
        return (f / (f + i) * h + i / (f + i) * found[2], *pending)
    f, r = torch.sigmoid(found[0]), torch.sigmoid(found[1])
    c = f * state[1] + (1 - f) * found[2]
    passing = weights["highway"] @ step if "highway" in weights else step
    return (r * torch.tanh(c) + (1 - r) * passing, c, *pending)


def batch_by_hand(reader, inputs, lengths, initial):
    """Read every sequence by hand, and put the readings together as `tensors_of` does."""
    rows = [
        read_by_hand(reader, inputs[row, :length], row_of(initial, row), step_by_hand)
        for row, length in enumerate(lengths)
    ]
    outputs, *final = zip(*rows, strict=True)
    padded = [functional.pad(states, (0, 0, 0, inputs.shape[1] - len(states))) for states in outputs]
    return [torch.stack(padded), *(torch.stack(part, dim=1) for part in final)]


@pytest.mark.parametrize("cell", CELLS)
@given(
    layers=st.integers(1, 2),
    direction=st.sampled_from(["forward", "backward", "both"]),
    stack=st.sampled_from(["joined", "apart"]),
    bias=st.booleans(),
    convolution=st.sampled_from([1, 2, 4]),
    width=st.sampled_from([E, H]),  # an SRU as wide as its inputs lets them pass by
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=5),
    extra=st.integers(0, 2),
    road=st.sampled_from(list(ROADS)),
    recompute=st.sampled_from([None, 3]),
)
def test_numbers_and_gradients_are_those_of_the_equations(
    cell, layers, direction, stack, bias, convolution, width, lengths, extra, road, recompute
):
    dtype, is_compiled, near, near_gradients = ROADS[road]
    options = {"layers": layers, "direction": direction, "stack": stack, "bias": bias, "convolution": convolution}
    exact = reader_of(cell, width=width, **options)
    inputs, initial = torch.randn(len(lengths), max(lengths) + extra, width).double(), state_of(exact, len(lengths))
    exact_leaves = [inputs, *(part for state in initial for part in state or ())]
    reader = reader_of(cell, width=width, dtype=dtype, recompute=recompute, **options)
    reader.load_state_dict(exact.state_dict())
    leaves = [leaf.clone().to(dtype).requires_grad_() for leaf in exact_leaves]
    parts = iter(leaves[1:])
    state = State(*(way and tuple(next(parts) for _ in way) for way in initial))
    for leaf in exact_leaves:
        leaf.requires_grad_()

    expected = batch_by_hand(exact, inputs, lengths, initial)
    weights = [torch.randn_like(tensor) for tensor in expected]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused, "is_available", lambda: is_compiled)
        found = tensors_of(reader(leaves[0], torch.tensor(lengths), state))
        assert {tensor.dtype for tensor in found} == {dtype}
        found_gradients = torch.autograd.grad(
            sum((tensor * weight).sum() for tensor, weight in zip(found, weights, strict=True)),
            [*leaves, *reader.parameters()],
            allow_unused=True,  # the h of a SRU's initial state is never read
        )
    expected_gradients = torch.autograd.grad(
        sum((tensor * weight).sum() for tensor, weight in zip(expected, weights, strict=True)),
        [*exact_leaves, *exact.parameters()],
        allow_unused=True,
    )

    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=near)
    for ours, theirs, leaf in zip(found_gradients, expected_gradients, [*leaves, *reader.parameters()], strict=True):
        ours, theirs = (torch.zeros_like(leaf) if one is None else one for one in (ours, theirs))
        torch.testing.assert_close(ours.double(), theirs.double(), rtol=near_gradients, atol=near_gradients)


@pytest.mark.parametrize(
    ("cell", "convolution", "merge"), list(product(CELLS, [1, 3], ["concatenate", "sum", "average", "multiply"]))
)
def test_directions_are_merged_as_asked(cell, convolution, merge):
    for stack in ("joined", "apart"):
        reader = reader_of(cell, layers=2, direction="both", stack=stack, merge=merge, convolution=convolution)
        inputs, lengths = batch_of([5, 1, 3, 6])
        initial = state_of(reader, 4)

        reading = reader(inputs, lengths, initial)

        expected = batch_by_hand(reader, inputs, lengths, initial)
        torch.testing.assert_close(tensors_of(reading), expected, rtol=0, atol=1e-10)
        if merge == "concatenate":
            assert (torch.cat([reading.forward, reading.backward], dim=2) == reading.outputs).all()


@pytest.mark.parametrize(("cell", "direction"), list(product(CELLS, ["forward", "backward"])))
def test_one_way_readers_have_one_way(cell, direction):
    reading = reader_of(cell, direction=direction)(*batch_of([2, 5]))
    other = "backward" if direction == "forward" else "forward"

    assert getattr(reading, other) is None
    assert getattr(reading.final_state, other) is None
    torch.testing.assert_close(getattr(reading, direction), reading.outputs, rtol=0, atol=0)


def test_many_long_sequences_are_read_step_by_step(road):
    dtype, near, _ = road
    for cell in CELLS:
        exact = reader_of(cell, layers=2, direction="both", convolution=2)
        inputs, lengths = batch_of([*torch.randint(1, 100, (11,)).tolist(), 1, 100])
        initial = state_of(exact, len(lengths))
        reader = reader_of(cell, layers=2, direction="both", convolution=2, dtype=dtype)
        reader.load_state_dict(exact.state_dict())
        with torch.no_grad():
            expected = batch_by_hand(exact, inputs, lengths, initial)

            found = tensors_of(reader(inputs.to(dtype), lengths, initial))

        torch.testing.assert_close([tensor.double() for tensor in found], expected, rtol=0, atol=near)


@pytest.mark.parametrize(("direction", "seen"), list(product(["forward", "backward"], [2, 4])))
def test_a_window_is_a_convolution_over_time(direction, seen):
    """A MinGRU that takes each step anew (z = 1) gives its convolution: torch's own, of what came before."""
    reader = reader_of("mingru", direction=direction, convolution=seen)
    with torch.no_grad():
        reader.weight_l0[:H] = 0.0
        reader.bias_l0[:H] = 1e4
    inputs, _ = batch_of([6, 6])
    # Taps are newest first here, and in the order of time there.
    taps = torch.stack(reader.weight_l0[H:].chunk(seen, dim=1), dim=2)  # (H, E, k)
    sides = (seen - 1, 0) if direction == "forward" else (0, seen - 1)
    taps = taps.flip(2) if direction == "forward" else taps
    expected = functional.conv1d(functional.pad(inputs.mT, sides), taps, reader.bias_l0[H:]).mT

    torch.testing.assert_close(reader(inputs).outputs, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("cell", "stack", "filling", "convolution"),
    list(product(CELLS, ["joined", "apart"], [float("nan"), float("inf"), 1e30], [1, 3])),
)
def test_what_fills_the_padding_reaches_no_state_and_no_gradient(cell, stack, filling, convolution, road):
    reader = reader_of(cell, layers=2, direction="both", stack=stack, convolution=convolution, dtype=road[0])
    inputs, lengths = batch_of([5, 2, 1], dtype=road[0])
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
    assert (filled[0][padding] == 0).all()
    assert (filled[count][padding] == 0).all()  # the inputs' own gradient


@pytest.mark.parametrize(("cell", "convolution"), list(product(CELLS, [1, 3])))
def test_alone_is_as_in_company(cell, convolution, road):
    dtype, near, _ = road
    reader = reader_of(cell, layers=2, direction="both", convolution=convolution, dtype=dtype)
    inputs, lengths = batch_of([70, 1, 33, 40, 2, *[64] * 9], dtype=dtype)
    initial = state_of(reader, len(lengths), dtype)
    together = tensors_of(reader(inputs, lengths, initial))

    for row, length in enumerate(lengths):
        one = slice(row, row + 1)
        alone = tensors_of(reader(inputs[one, :length], None, row_of(initial, one)))
        torch.testing.assert_close(together[0][one, :length], alone[0], rtol=0, atol=near)
        torch.testing.assert_close([part[:, one] for part in together[1:]], alone[1:], rtol=0, atol=near)


@pytest.mark.parametrize(("cell", "convolution"), list(product(CELLS, [1, 2, 4, 9])))
def test_step_by_step_with_the_carried_state_is_all_at_once(cell, convolution, road):
    dtype, near, _ = road
    reader = reader_of(cell, layers=3, convolution=convolution, dtype=dtype)
    inputs, _ = batch_of([6, 6], dtype=dtype)
    state = state_of(reader, 2, dtype)
    at_once = reader(inputs, None, state)

    steps = []
    for step in range(6):
        reading = reader(inputs[:, step : step + 1], None, state)
        steps.append(reading.outputs)
        state = reading.final_state

    torch.testing.assert_close(torch.cat(steps, dim=1), at_once.outputs, rtol=0, atol=near)
    torch.testing.assert_close(state, at_once.final_state, rtol=0, atol=near)


@pytest.mark.parametrize(("cell", "convolution"), list(product(CELLS, [1, 3])))
def test_two_pieces_with_lengths_of_their_own_are_one_sequence(cell, convolution, road):
    dtype, near, _ = road
    reader = reader_of(cell, layers=2, convolution=convolution, dtype=dtype)
    inputs, lengths = batch_of([6, 4, 5], dtype=dtype)
    first = torch.tensor([3, 1, 2])
    rest = torch.stack([row[start : start + 3] for row, start in zip(inputs, first, strict=True)])

    state = reader(inputs[:, :3], first).final_state
    reading = reader(rest, lengths - first, state)

    torch.testing.assert_close(reading.final_state, reader(inputs, lengths).final_state, rtol=0, atol=near)


@pytest.mark.parametrize("cell", CELLS)
def test_each_direction_begins_and_ends_with_a_state_of_its_own(cell, road):
    """One way's initial state moves that way alone, and its final state is that of its own last step."""
    dtype, _, _ = road
    reader = reader_of(cell, layers=2, direction="both", stack="apart", dtype=dtype)
    inputs, lengths = batch_of([4, 2], dtype=dtype)
    state = state_of(reader, 2, dtype)
    plain = reader(inputs, lengths)

    rightward, leftward = (
        reader(inputs, lengths, part) for part in (State(forward=state[0]), State(backward=state[1]))
    )

    torch.testing.assert_close((rightward.backward, leftward.forward), (plain.backward, plain.forward), rtol=0, atol=0)
    assert (rightward.forward[:, 0] != plain.forward[:, 0]).any()
    assert (leftward.backward[[0, 1], lengths - 1] != plain.backward[[0, 1], lengths - 1]).any()
    torch.testing.assert_close(plain.final_state.forward[0][-1], plain.forward[[0, 1], lengths - 1], rtol=0, atol=0)
    torch.testing.assert_close(plain.final_state.backward[0][-1], plain.backward[:, 0], rtol=0, atol=0)


@pytest.mark.parametrize(("cell", "convolution"), list(product(CELLS, [1, 3])))
def test_readers_apart_see_neither_the_future_nor_the_past(cell, convolution):
    reader = reader_of(cell, layers=2, direction="both", stack="apart", convolution=convolution)
    inputs, lengths = batch_of([6, 5])
    later, earlier = inputs.clone(), inputs.clone()
    later[:, 3:] += 1.0
    earlier[:, :3] += 1.0
    reading = reader(inputs, lengths)

    forward, backward = reader(later, lengths).forward, reader(earlier, lengths).backward

    torch.testing.assert_close(forward[:, :3], reading.forward[:, :3], rtol=0, atol=0)
    assert (forward[:, 3] != reading.forward[:, 3]).any()
    torch.testing.assert_close(backward[:, 3:], reading.backward[:, 3:], rtol=0, atol=0)
    assert (backward[:, 2] != reading.backward[:, 2]).any()


def passes_on(cell, stack, direction):
    """Two layers of which the second gives what it is given: past forgotten, present let through."""
    reader = reader_of(cell, layers=2, direction=direction, stack=stack, dropout=2 / 3, dtype=torch.float32)
    gates = {"mingru": [1e4, 0.0], "minlstm": [-1e4, 1e4, 0.0], "sru": [-1e4, -1e4, 0.0]}[cell]
    ways = ["forward", "backward"] if direction == "both" else [direction]
    with torch.no_grad():
        for way in ways:
            second = reader.weights(1, way)
            second["bias"].copy_(torch.tensor(gates).repeat_interleave(H))
            shift = H if way == "backward" and len(ways) == 2 and stack == "joined" else 0
            second["weight"].zero_()
            second["weight"][-H:, shift : shift + H] = torch.eye(H)
            if "highway" in second:
                second["highway"].copy_(second["weight"][-H:])
    return reader


@pytest.mark.parametrize(("stack", "direction"), [("joined", "both"), ("apart", "both"), ("joined", "backward")])
@pytest.mark.parametrize("cell", CELLS)
def test_dropout_hides_the_same_features_at_all_steps_of_a_sequence(cell, stack, direction):
    reader = passes_on(cell, stack, direction)
    inputs, lengths = batch_of([6, 3] * 20, dtype=torch.float32)

    kept = reader.eval()(inputs, lengths).outputs
    dropped = reader.train()(inputs, lengths).outputs
    real = torch.arange(6) < lengths[:, None]

    factors = torch.where(real[..., None], dropped / kept, dropped.new_tensor(float("nan")))
    at_first = factors[:, :1].expand_as(factors)[real]
    torch.testing.assert_close(factors[real], at_first)
    assert set(factors[real].round().flatten().tolist()) == {0.0, 3.0}
    assert (factors[0, 0] != factors[2, 0]).any()
    assert 0.2 < (factors[:, 0] > 1).float().mean() < 0.47


@pytest.mark.parametrize("recompute", [None, 1])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_may_be_part_of_a_graph_but_have_none_of_their_own(cell, recompute, road):
    reader = reader_of(cell, layers=2, direction="both", dtype=road[0], recompute=recompute)
    inputs, lengths = batch_of([5, 2], dtype=road[0])
    inputs.requires_grad_()
    plain = torch.autograd.grad(reader(inputs, lengths).outputs.pow(2).sum(), inputs)

    found = torch.autograd.grad(reader(inputs, lengths).outputs.pow(2).sum(), inputs, create_graph=True)

    torch.testing.assert_close(found, plain, rtol=0, atol=1e-6)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        torch.autograd.grad(found[0].sum() + inputs.sum(), inputs)


@pytest.mark.parametrize("name", ["weight_l0", "bias_l1_reverse"])
def test_recomputing_with_a_weight_that_was_changed_meanwhile_is_refused(name, road):
    reader = reader_of("mingru", layers=2, direction="both", dtype=road[0], recompute=1)
    total = reader(batch_of([5, 2], dtype=road[0])[0]).outputs.sum()
    with torch.no_grad():
        reader.get_parameter(name).mul_(2)

    with pytest.raises(RuntimeError, match=r"modified by an inplace operation\. With recompute, change weights"):
        total.backward()


@pytest.mark.parametrize("cell", CELLS)
def test_recomputing_keeps_less(cell, road):
    inputs, lengths = batch_of([90, 5, 64, 33], dtype=road[0])
    kept = []
    for recompute in (None, 1):
        reader = reader_of(cell, layers=2, direction="both", dtype=road[0], recompute=recompute)
        seen = {}

        def keep(tensor, seen=seen):
            seen[tensor.data_ptr()] = tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            outputs = reader(inputs, lengths).outputs
        assert outputs.requires_grad
        kept.append(sum(seen.values()))
    assert kept[1] < kept[0] / 1.5


def test_dropout_is_off_in_eval_and_above_the_top_layer():
    inputs, lengths = batch_of([4, 4], dtype=torch.float32)
    deep, flat = MinGRU(E, H, 2, dropout=0.5), MinGRU(E, H, dropout=0.5)

    for reader in (deep.eval(), flat.train()):
        first, second = reader(inputs, lengths).outputs, reader(inputs, lengths).outputs
        torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert (deep.train()(inputs, lengths).outputs != deep.eval()(inputs, lengths).outputs).any()


@pytest.mark.parametrize("cell", CELLS)
def test_the_same_seed_gives_the_same_training_step(cell, road):
    inputs, lengths = batch_of([5, 2, 7], dtype=road[0])

    def step():
        torch.manual_seed(3)
        reader = reader_of(cell, layers=2, direction="both", dropout=0.5, convolution=2, dtype=road[0])
        loss = reader(inputs, lengths).outputs.square().mean()
        return loss, *torch.autograd.grad(loss, list(reader.parameters()))

    torch.testing.assert_close(step(), step(), rtol=0, atol=0)


@pytest.mark.parametrize(("cell", "stack", "convolution"), list(product(CELLS, ["joined", "apart"], [1, 3])))
def test_bfloat16_autocast_stays_near_float32_and_keeps_the_state_in_it(cell, stack, convolution, monkeypatch):
    reader = reader_of(cell, layers=2, direction="both", stack=stack, convolution=convolution, dtype=torch.float32)
    inputs, lengths = batch_of([40, 2, 33], dtype=torch.float32)
    initial = state_of(reader, 3, torch.float32)
    exact = tensors_of(reader(inputs, lengths, initial))
    weights = [torch.randn_like(tensor) for tensor in exact]
    exact_gradients = gradients(exact, list(reader.parameters()), weights)

    for values, is_compiled in product([inputs, inputs.bfloat16()], [True, False]):
        monkeypatch.setattr(fused, "is_available", lambda known=is_compiled: known)
        with torch.autocast("cpu", torch.bfloat16):
            found = tensors_of(reader(values, lengths, initial))
        assert {tensor.dtype for tensor in found[1:]} == {torch.float32}
        found[0] = found[0].float()
        torch.testing.assert_close(found, exact, rtol=0.05, atol=0.05)
        for near, gradient in zip(gradients(found, list(reader.parameters()), weights), exact_gradients, strict=True):
            assert (near - gradient).norm() < 0.1 * gradient.norm()


@pytest.mark.parametrize("is_compiled", [True, False])
def test_gates_of_a_minlstm_that_are_both_nearly_shut_share_as_their_ratio_says(is_compiled, monkeypatch):
    monkeypatch.setattr(fused, "is_available", lambda: is_compiled)
    reader, initial = MinLSTM(1, 4), State(forward=(torch.ones(1, 1, 4),))
    forget, enter = torch.tensor([-100.0, -200.0, -150.0, 90.0]), torch.tensor([-200.0, -100.0, -149.0, -300.0])
    with torch.no_grad():
        reader.weights(0, "forward")["weight"].zero_()
        reader.weights(0, "forward")["bias"].copy_(torch.cat([forget, enter, torch.zeros(4)]))

    (kept,) = reader(torch.zeros(1, 1, 1), initial_state=initial).final_state.forward

    torch.testing.assert_close(kept[0, 0], (forget - enter).sigmoid(), rtol=0, atol=1e-6)


def test_a_step_first_read_in_inference_mode_can_be_trained_afterwards():
    reader, inputs = MinLSTM(E, H, 2, direction="both", dropout=0.5, convolution=2), torch.randn(5, 11, E)
    with torch.inference_mode():
        expected = reader.eval()(inputs).outputs.clone()

    reading = reader.train()(inputs)
    (reading.outputs.sum() + reading.final_state.forward[0].sum()).backward()

    assert all(parameter.grad is not None for parameter in reader.parameters())
    torch.testing.assert_close(reader.eval()(inputs).outputs.detach(), expected)


def test_parameters_are_drawn_as_a_linear_layer_draws_them():
    reader = SRU(9, 40, 2, direction="both", convolution=2)

    for layer, fan_in in ((0, 9), (1, 80)):
        for way in ("forward", "backward"):
            weights = reader.weights(layer, way)
            assert {name: tuple(value.shape) for name, value in weights.items()} == {
                "weight": (120, 2 * fan_in),
                "bias": (120,),
                "highway": (40, fan_in),
            }
            for name, value in weights.items():
                bound = (fan_in if name == "highway" else 2 * fan_in) ** -0.5
                assert 0.95 * bound < value.abs().max() <= bound
                assert value.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 0}, "hidden_size is 0, but it must be at least 1."),
        ({"input_size": 0}, "input_size is 0, but it must be at least 1."),
        ({"num_layers": 0}, "num_layers is 0, but it must be at least 1."),
        ({"convolution": 0}, "convolution is 0, but it must be at least 1."),
        ({"direction": "forwards"}, "direction is 'forwards', but it must be one of: backward, both, forward. Did you"),
        ({"stack": "join"}, "stack is 'join', but it must be one of: apart, joined. Did you mean 'joined'?"),
        ({"merge": "add"}, "merge is 'add', but it must be one of: average, concatenate, multiply, sum."),
        ({"dropout": 1.0}, "dropout is 1.0, but it must be in [0, 1)."),
    ],
)
def test_a_choice_that_cannot_be_is_refused(options, message):
    with pytest.raises(SettingsError) as caught:
        MinGRU(**{"input_size": E, "hidden_size": H} | options)
    assert str(caught.value).startswith(message)


def test_a_batch_or_a_state_that_does_not_fit_is_refused():
    inputs, _ = batch_of([4, 4], dtype=torch.float32)
    h = torch.zeros(1, 2, H)
    with pytest.raises(DataError, match=r"^inputs is float64 \(2, 4, 3\), but the weights are float32\. Use the same"):
        SRU(E, H)(inputs.double())
    with pytest.raises(DataError, match=r"^initial_state\.forward has 1 tensors, but this cell has 2: h, c\."):
        SRU(E, H)(inputs, None, State((h,)))
    with pytest.raises(
        DataError, match=r"^initial_state\.forward has 1 tensors, but this cell has 5: h, z\+1, c\+1, z\+2, c\+2\."
    ):
        MinGRU(E, H, convolution=3)(inputs, None, State((h,)))
    with pytest.raises(
        DataError, match=r"^initial_state\.forward's h is float32 \(1, 3, 4\), but .* float \(1, 2, 4\)"
    ):
        MinLSTM(E, H)(inputs, None, State((torch.zeros(1, 3, H),)))
    with pytest.raises(DataError, match=r"^initial_state\.backward is given, but direction is 'forward'\."):
        MinGRU(E, H)(inputs, None, State(None, (h,)))


def test_a_reader_says_what_it_is():
    assert repr(MinGRU(E, H, 2, direction="both", convolution=2)) == (
        "MinGRU(input_size=3, hidden_size=4, num_layers=2, bias=True, direction=both, stack=joined, "
        "merge=concatenate, dropout=0.0, recompute=None, convolution=2)"
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    ("cell", "stack", "direction", "convolution"),
    list(product(CELLS, ["joined", "apart"], ["forward", "backward", "both"], [1, 3])),
)
def test_cuda_gives_the_numbers_and_gradients_of_the_cpu(cell, stack, direction, convolution):
    reader = reader_of(cell, layers=2, direction=direction, stack=stack, convolution=convolution)
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
