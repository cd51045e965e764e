"""Pooling against plain Python loops over the real steps."""

import math
from itertools import permutations

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from bothways.errors import DataError, SettingsError
from bothways.nn import GRU, LSTM, Bidirectional, Pooling, Reading, State, is_real
from bothways.nn.attention import Attention

KINDS = ["last", "mean", "max", "attention"]


def pooled_by_hand(pooling, reading, lengths):
    """One sequence, one step and one feature at a time."""
    rows = []
    for b, length in enumerate(lengths.tolist()):
        steps = reading.outputs[b, :length].tolist()
        row = []
        for kind in pooling.kinds:
            if kind == "last":
                row += [] if reading.forward is None else reading.forward[b, length - 1].tolist()
                row += [] if reading.backward is None else reading.backward[b, 0].tolist()
            elif kind == "mean":
                row += [sum(values) / length for values in zip(*steps, strict=True)]
            elif kind == "max":
                row += [max(values) for values in zip(*steps, strict=True)]
            else:
                weight, bias = pooling.key.weight.tolist(), pooling.key.bias.tolist()
                query = pooling.query.weight[0].tolist()
                scores = [
                    sum(
                        q * math.tanh(sum(w * x for w, x in zip(line, step, strict=True)) + b)
                        for q, line, b in zip(query, weight, bias, strict=True)
                    )
                    for step in steps
                ]
                shares = [math.exp(score) for score in scores]
                row += [
                    sum(s * x for s, x in zip(shares, values, strict=True)) / sum(shares)
                    for values in zip(*steps, strict=True)
                ]
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4, unique=True),
    direction=st.sampled_from(["forward", "backward", "both"]),
    merge=st.sampled_from(["concatenate", "sum"]),
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4).map(torch.tensor),
    extra=st.integers(0, 2),
)
def test_pooling_is_a_loop_over_real_steps(kinds, direction, merge, lengths, extra):
    torch.manual_seed(0)
    reader = LSTM(2, 3, 2, direction=direction, merge=merge).double()
    last_size = reader.forward_size + reader.backward_size
    pooling = Pooling(kinds, reader.output_size, last_size=last_size).double()
    inputs = torch.randn(len(lengths), int(lengths.max()) + extra, 2, dtype=torch.float64)
    reading = reader(inputs, lengths)

    pooled = pooling(reading, lengths)

    torch.testing.assert_close(pooled, pooled_by_hand(pooling, reading, lengths), rtol=0, atol=1e-12)
    assert pooled.shape[1] == pooling.output_size


def test_kinds_stand_in_the_order_given():
    torch.manual_seed(0)
    reader = GRU(2, 3)
    inputs, lengths = torch.randn(2, 4, 2), torch.tensor([4, 2])
    reading = reader(inputs, lengths)
    alone = {kind: Pooling([kind], 3)(reading, lengths) for kind in ("last", "mean", "max")}

    for order in permutations(alone):
        expected = torch.cat([alone[kind] for kind in order], dim=1)
        torch.testing.assert_close(Pooling(order, 3)(reading, lengths), expected, rtol=0, atol=0)


def test_padding_never_wins_even_when_all_states_are_negative():
    outputs = torch.tensor([[[-3.0], [-2.0], [0.0]], [[-1.0], [-4.0], [-5.0]]])
    reading = Reading(outputs, outputs, None, State())

    assert Pooling(["max"], 1)(reading, torch.tensor([2, 3])).tolist() == [[-2.0], [-1.0]]
    assert Pooling(["mean"], 1)(reading, torch.tensor([2, 3]))[:, 0].tolist() == pytest.approx([-2.5, -10 / 3])


def test_attention_learns_to_look_at_the_marked_step():
    torch.manual_seed(0)
    pooling = Pooling(["attention"], 3)
    optimizer = torch.optim.Adam(pooling.parameters(), lr=0.05)
    for _ in range(150):
        outputs = torch.rand(16, 5, 3)
        lengths, marked = torch.randint(1, 6, (16,)), torch.zeros(16, dtype=torch.int64)
        marked = (torch.rand(16) * lengths).long()
        outputs[..., 0] = 0.0
        outputs[torch.arange(16), marked, 0] = 1.0
        wanted = outputs[torch.arange(16), marked]
        loss = (pooling(Reading(outputs, outputs, None, State()), lengths) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.005


def test_gradients_do_not_reach_padding():
    torch.manual_seed(0)
    outputs = torch.randn(2, 4, 3, requires_grad=True)
    lengths = torch.tensor([4, 2])
    masked = outputs.masked_fill(~is_real(lengths, 4)[..., None], 0.0)
    pooled = Pooling(["mean", "max", "attention"], 3)(Reading(masked, masked, None, State()), lengths)

    gradient = torch.autograd.grad(pooled.square().sum(), outputs)[0]

    assert (gradient[1, 2:] == 0).all()
    assert (gradient[1, :2] != 0).any()


def test_last_takes_both_readers_of_a_mixed_pair():
    torch.manual_seed(0)
    reader = Bidirectional(LSTM(2, 3, 2), GRU(2, 4, direction="backward"))
    inputs, lengths = torch.randn(2, 5, 2), torch.tensor([5, 3])
    reading = reader(inputs, lengths)

    pooled = Pooling(["last"], reader.output_size)(reading, lengths)

    expected = torch.cat([torch.stack([reading.forward[0, 4], reading.forward[1, 2]]), reading.backward[:, 0]], dim=1)
    torch.testing.assert_close(pooled, expected, rtol=0, atol=0)


def test_no_lengths_means_that_all_steps_are_real():
    torch.manual_seed(0)
    reading = GRU(2, 3)(torch.randn(2, 5, 2))
    pooling = Pooling(KINDS, 3)

    torch.testing.assert_close(pooling(reading), pooling(reading, torch.tensor([5, 5])), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ([], "kinds is empty, but pooling needs at least one. Use 'last', 'mean', 'max', 'attention'."),
        (["men"], "kinds is 'men', but it must be one of: attention, last, max, mean. Did you mean 'mean'?"),
        (["max", "max"], "kinds is max, max, but each may stand there once. Leave the others out."),
    ],
)
def test_kinds_that_cannot_be_are_refused(kinds, message):
    with pytest.raises(SettingsError) as caught:
        Pooling(kinds, 3)
    assert str(caught.value) == message


def test_lengths_may_stay_on_the_cpu_as_for_a_reader():
    reading = Reading(torch.empty(2, 5, 3, device="meta"), None, None, State())
    pooling = Pooling(["max", "mean", "attention"], 3).to("meta")
    assert pooling(reading, torch.tensor([5, 2])).shape == (2, 9)
    attention = Attention("general", 3, 3).to("meta")
    assert attention.keys(reading.outputs, torch.tensor([5, 2])).real.device.type == "meta"


def test_lengths_of_another_batch_are_refused():
    with pytest.raises(DataError, match=r"^lengths has shape \(3,\), but the reading has 2 sequences\."):
        Pooling(["mean"], 3)(GRU(2, 3)(torch.randn(2, 5, 2)), torch.tensor([1, 2, 3]))
