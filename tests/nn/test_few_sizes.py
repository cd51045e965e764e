"""Sizes of products: rounding changes nothing, and batches of all lengths share a few."""

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from bothways.models.infiller import FillNetwork
from bothways.nn import GRU, LSTM, RNN, SRU, MinGRU, MinLSTM, fused
from bothways.nn.few_sizes import linear_of_rows, rounded_rows
from bothways.nn.softmax import VocabularySoftmax, take_rows
from bothways.settings import FillSettings

CELLS = [RNN, LSTM, GRU, MinGRU, MinLSTM, SRU]


class Sizes(TorchDispatchMode):
    """The sizes of all products that are computed."""

    def __init__(self):
        super().__init__()
        self.found = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm):
            self.found.add(tuple(tuple(one.shape) for one in args if isinstance(one, torch.Tensor)))
        return func(*args, **(kwargs or {}))


def test_rounded_is_a_sixteenth_more_at_most_and_one_of_few():
    counts = range(1, 5_000)
    rounded = [rounded_rows(count) for count in counts]

    assert all(count <= there <= count * 17 / 16 for count, there in zip(counts, rounded, strict=True))
    assert len(set(rounded)) < 160
    assert rounded == sorted(rounded)


@pytest.mark.parametrize("bias", [True, False])
def test_rows_and_gradients_are_those_of_a_linear_layer(bias):
    torch.manual_seed(0)
    rows, weight = torch.randn(67, 5, requires_grad=True), torch.randn(3, 5, requires_grad=True)
    more = [torch.randn(3, requires_grad=True)] if bias else []

    with torch.autocast("cpu", torch.bfloat16):
        found, expected = linear_of_rows(rows, weight, *more), functional.linear(rows, weight, *more)
    torch.testing.assert_close(found, expected)
    gradients = [
        torch.autograd.grad(one.float().pow(2).sum(), [rows, weight, *more], retain_graph=True)
        for one in (found, expected)
    ]

    torch.testing.assert_close(*gradients, rtol=0.02, atol=0.02)


def test_in_float32_nothing_is_rounded():
    with Sizes() as sizes:
        linear_of_rows(torch.randn(67, 5), torch.randn(3, 5))

    assert sizes.found == {((67, 5), (5, 3))}


@pytest.mark.parametrize("recompute", [None, 200])
@pytest.mark.parametrize("cell", CELLS)
def test_batches_of_many_lengths_are_read_with_products_of_few_sizes(cell, recompute):
    if not fused.computes_bfloat16():
        pytest.skip("this processor adds up no products of bfloat16 pairs")
    torch.manual_seed(0)
    reader = cell(5, 8, direction="both", recompute=recompute)
    sizes = []
    for batches in (1, 40):
        with Sizes() as met, torch.autocast("cpu", torch.bfloat16):
            for number in range(batches):
                # From 1,600 to 1,990 real steps, read in one product, or in pieces.
                lengths = torch.tensor([600, 700, 300 + 10 * number])
                reader(torch.randn(3, 700, 5, requires_grad=True), lengths).outputs.float().sum().backward()
        sizes.append(len(met.found))

    # And not 40 times as many; in pieces, most of which are of one size, not 7.75 times.
    in_pieces = recompute and cell in (RNN, LSTM, GRU)
    assert sizes[1] <= (6 if in_pieces else 8) * sizes[0]


def test_a_sampled_softmax_meets_few_sizes_too_and_what_is_spare_counts_for_nothing():
    torch.manual_seed(0)
    softmax = VocabularySoftmax(4, 300, negatives=77)
    states, targets = torch.randn(9, 4), torch.randint(0, 300, (9,))
    sample = softmax.draw(targets)
    vectors = take_rows(softmax.weight, sample.rows)

    logits = states @ softmax.weight[sample.rows[sample.drawn]].T + softmax.bias[sample.rows[sample.drawn]]
    right = softmax(states)[torch.arange(9), targets]
    weights = (logits - sample.log_chance).exp() * (targets[:, None] != sample.rows[sample.drawn])
    expected = torch.log(1 + (weights / right.exp()[:, None]).sum(1)).mean()

    torch.testing.assert_close(softmax.sampled_loss(states, targets, sample, vectors), expected)
    with Sizes() as sizes, torch.autocast("cpu", torch.bfloat16):
        for count in range(4_000, 4_096, 2):
            one = softmax.draw(targets)
            states, targets = torch.randn(count, 4), targets[torch.arange(count) % 9]
            softmax.sampled_loss(states, targets, one, take_rows(softmax.weight, one.rows))
    assert len(sizes.found) <= 12


def test_a_model_of_missing_words_meets_few_sizes_too():
    if not fused.computes_bfloat16():
        pytest.skip("this processor adds up no products of bfloat16 pairs")
    torch.manual_seed(0)
    model = FillNetwork(FillSettings(embedding_dim=4, hidden_size=8), vocabulary=50)
    sizes = []
    for batches in (1, 40):
        with Sizes() as met, torch.autocast("cpu", torch.bfloat16):
            for number in range(batches):
                lengths = torch.tensor([600, 700, 300 + 10 * number])
                loss, _ = model(torch.randint(2, 50, (3, 700)), lengths)
                loss.backward()
        sizes.append(len(met.found))

    assert sizes[1] <= 8 * sizes[0]
