"""Readers made of readers: each way its own cell, and stacks of them."""

import pytest
import torch

from bothways.errors import DataError, SettingsError
from bothways.nn import GRU, LSTM, RNN, Bidirectional, Stacked, State


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def batch():
    return torch.randn(3, 5, 2, dtype=torch.float64), torch.tensor([5, 1, 3])


def split(both):
    """The two one-way readers inside a reader of both ways that are apart."""
    cell, options = type(both), {"num_layers": both.num_layers}
    forward, backward = cell(2, 3, **options).double(), cell(2, 3, direction="backward", **options).double()
    state = both.state_dict()
    forward.load_state_dict({name: value for name, value in state.items() if not name.endswith("_reverse")})
    backward.load_state_dict(
        {name.removesuffix("_reverse"): value for name, value in state.items() if name.endswith("_reverse")}
    )
    return forward, backward


@pytest.mark.parametrize("cell", [RNN, GRU, LSTM])
@pytest.mark.parametrize("merge", ["concatenate", "sum", "average", "multiply"])
def test_two_readers_of_one_cell_are_that_cell_reading_both_ways_apart(cell, merge):
    both = cell(2, 3, 2, direction="both", stack="apart", merge=merge).double()
    initial = State(*(tuple(torch.randn(2, 3, 3, dtype=torch.float64) for _ in both.parts) for _ in range(2)))

    batch_here = batch()
    found = Bidirectional(*split(both), merge=merge)(*batch_here, initial)

    torch.testing.assert_close(found, both(*batch_here, initial), rtol=0, atol=1e-12)


def test_each_way_may_have_a_cell_a_width_and_a_depth_of_its_own():
    rightward, leftward = LSTM(2, 3, 2).double(), GRU(2, 4, direction="backward").double()
    reader = Bidirectional(rightward, leftward)
    inputs, lengths = batch()

    reading = reader(inputs, lengths)

    outputs = torch.cat([rightward(inputs, lengths).outputs, leftward(inputs, lengths).outputs], dim=2)
    torch.testing.assert_close(reading.outputs, outputs, rtol=0, atol=0)
    assert [tuple(part.shape) for part in reading.final_state.forward] == [(2, 3, 3)] * 2
    assert [tuple(part.shape) for part in reading.final_state.backward] == [(1, 3, 4)]
    assert (reader.output_size, reader.direction) == (7, "both")


@pytest.mark.parametrize("cell", [RNN, GRU, LSTM])
def test_a_stack_of_single_layers_is_the_joined_reader_of_torch(cell):
    joined = cell(2, 3, 2, direction="both").double()
    layers = [cell(2, 3, direction="both").double(), cell(6, 3, direction="both").double()]
    for number, layer in enumerate(layers):
        layer.load_state_dict(
            {n.replace(f"_l{number}", "_l0"): v for n, v in joined.state_dict().items() if f"_l{number}" in n}
        )
    initial = State(*(tuple(torch.randn(2, 3, 3, dtype=torch.float64) for _ in joined.parts) for _ in range(2)))

    batch_here = batch()
    found = Stacked(layers)(*batch_here, initial)

    torch.testing.assert_close(found, joined(*batch_here, initial), rtol=0, atol=1e-12)


def test_a_joined_stack_of_mixed_cells_reads_each_layer_from_both_ways_below():
    layers = [Bidirectional(LSTM(width, 3).double(), GRU(width, 4, direction="backward").double()) for width in (2, 7)]
    inputs, lengths = batch()

    reading = Stacked(layers)(inputs, lengths)

    below = layers[0](inputs, lengths)
    above = layers[1](below.outputs, lengths)
    torch.testing.assert_close(reading.outputs, above.outputs, rtol=0, atol=0)
    last = torch.cat([below.final_state.forward[1], above.final_state.forward[1]])
    torch.testing.assert_close(reading.final_state.forward[1], last, rtol=0, atol=0)


def test_a_stack_takes_and_gives_states_however_deep_each_way_is():
    uneven = Bidirectional(GRU(2, 3, 2).double(), GRU(2, 4, direction="backward").double())
    even = Bidirectional(GRU(7, 3).double(), GRU(7, 4, direction="backward").double())
    stack, (inputs, lengths) = Stacked([uneven, even]), batch()
    forward, backward = torch.randn(3, 3, 3, dtype=torch.float64), torch.randn(2, 3, 4, dtype=torch.float64)

    reading = stack(inputs, lengths, State((forward,), (backward,)))

    below = uneven(inputs, lengths, State((forward[:2],), (backward[:1],)))
    above = even(below.outputs, lengths, State((forward[2:],), (backward[1:],)))
    torch.testing.assert_close(reading.outputs, above.outputs, rtol=0, atol=0)
    for found, *parts in zip(reading.final_state, below.final_state, above.final_state, strict=True):
        torch.testing.assert_close(found[0], torch.cat([part[0] for part in parts]), rtol=0, atol=0)


def test_a_state_with_too_many_layers_for_a_stack_is_refused():
    stack = Stacked([GRU(2, 3), GRU(3, 3)])
    with pytest.raises(DataError) as caught:
        stack(torch.zeros(1, 2, 2), None, State((torch.zeros(3, 1, 3),)))
    assert str(caught.value) == "initial_state.forward's h is float32 (3, 1, 3), but it must be float (2, 1, 3)."
    with pytest.raises(DataError, match=r"^initial_state\.backward is given, but direction is 'forward'\."):
        stack(torch.zeros(1, 2, 2), None, State(None, (torch.zeros(2, 1, 3),)))


def test_dropout_between_readers_hides_the_same_features_at_all_steps():
    below, above = RNN(2, 40), RNN(40, 40, nonlinearity="relu", bias=False)
    with torch.no_grad():
        below.weight_hh_l0.zero_()
        above.weight_hh_l0.zero_()
        above.weight_ih_l0.copy_(torch.eye(40))
        below.bias_ih_l0.fill_(5.0)
    stack = Stacked([below, above], dropout=0.5)
    inputs = torch.randn(3, 5, 2)

    factors = stack.train()(inputs).outputs / stack.eval()(inputs).outputs

    torch.testing.assert_close(factors, factors[:, :1].expand_as(factors))
    assert set(factors.round().unique().tolist()) == {0.0, 2.0}
    assert (factors[0, 0] != factors[1, 0]).any()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Bidirectional(GRU(2, 3), GRU(2, 3)), "backward_reader reads 'forward', but it must read 'backward'."),
        (
            lambda: Bidirectional(GRU(2, 3), GRU(4, 3, direction="backward")),
            "forward_reader has input_size 2 and backward_reader 4, but both read the same inputs.",
        ),
        (
            lambda: Bidirectional(GRU(2, 3), GRU(2, 4, direction="backward"), merge="sum"),
            "merge is 'sum', but the directions have widths 3 and 4. Give them the same hidden_size",
        ),
        (lambda: Stacked([]), "readers is empty, but a stack needs at least one reader."),
        (
            lambda: Stacked([GRU(2, 3), GRU(2, 3)]),
            "readers[1] has input_size 2, but the reader below gives 3. Build it with input_size=3.",
        ),
        (
            lambda: Stacked([LSTM(2, 3), GRU(3, 3)]),
            "readers[1] has the states h of width 3 forward, but the reader below has h, c of width 3 forward.",
        ),
        (lambda: Stacked([GRU(2, 3)], dropout=-0.1), "dropout is -0.1, but it must be in [0, 1)."),
    ],
)
def test_readers_that_do_not_fit_each_other_are_refused(build, message):
    with pytest.raises(SettingsError) as caught:
        build()
    assert str(caught.value).startswith(message)
