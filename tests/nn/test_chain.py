"""The linear chain against every path one by one, and its laws."""

import copy
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from bothways.errors import SettingsError
from bothways.nn.chain import (
    LOG,
    MAX,
    Chain,
    LinearChainCRF,
    log_partition,
    marginals,
    path_score,
    total,
)


def make(labels, lengths, *, seed=0, forbidden=0.0, dtype=torch.float64, poison=float("nan")):
    """Random scores; padding is poisoned, and some transitions are forbidden, never those from or to label 0."""
    random = torch.Generator().manual_seed(seed)
    lengths = torch.tensor(lengths)
    emissions = torch.randn(len(lengths), int(lengths.max()), labels, generator=random, dtype=dtype)
    for row, length in enumerate(lengths):
        emissions[row, length:] = poison
    transitions = torch.randn(labels, labels, generator=random, dtype=dtype)
    blocked = torch.rand(labels, labels, generator=random) < forbidden
    blocked[0] = blocked[:, 0] = False
    transitions[blocked] = -torch.inf
    return emissions, Chain(transitions, *torch.randn(2, labels, generator=random, dtype=dtype).unbind()), lengths


def score(emissions, chain, path):
    """The score of one path of one sequence, by the definition."""
    found = chain.start[path[0]] + chain.end[path[-1]] + sum(emissions[step, label] for step, label in enumerate(path))
    return found + sum(chain.transitions[one, other] for one, other in pairwise(path))


def every_path(emissions, chain, length):
    """All paths and their scores."""
    paths = list(product(range(emissions.shape[1]), repeat=length))
    return paths, torch.stack([score(emissions, chain, path) for path in paths])


chains = given(
    some.integers(1, 4), some.lists(some.integers(1, 5), min_size=1, max_size=4), some.integers(0, 99), some.booleans()
)


@settings(deadline=None, max_examples=40)
@chains
def test_the_log_partition_is_the_sum_over_every_path(labels, lengths, seed, blocked):
    emissions, chain, lengths = make(labels, lengths, seed=seed, forbidden=0.4 * blocked)
    wanted = [torch.logsumexp(every_path(*row)[1], 0) for row in zip(emissions, [chain] * 9, lengths, strict=False)]
    torch.testing.assert_close(log_partition(emissions, chain, lengths), torch.stack(wanted))
    torch.testing.assert_close(total(emissions, chain, lengths, LOG), torch.stack(wanted))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("place", range(4))
def test_a_second_derivative_is_refused_beside_other_roads_too(dtype, place):
    emissions, chain, lengths = make(3, [4, 2], dtype=dtype, poison=0.0)
    inputs = [part.clone().requires_grad_() for part in (emissions, *chain)]
    found = log_partition(inputs[0], Chain(*inputs[1:]), lengths).sum() + (inputs[place] ** 3).sum()
    (gradient,) = torch.autograd.grad(found, inputs[place], create_graph=True)
    with pytest.raises(RuntimeError, match="cannot differentiate twice"):
        torch.autograd.grad(gradient.sum(), inputs[place])


@settings(deadline=None, max_examples=25)
@chains
def test_its_gradients_are_the_chances_of_labels_and_the_expected_pairs(labels, lengths, seed, blocked):
    emissions, chain, lengths = make(labels, lengths, seed=seed, forbidden=0.4 * blocked)
    weights = torch.randn(len(lengths), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    inputs = [part.clone().requires_grad_() for part in (emissions, *chain)]
    (log_partition(inputs[0], Chain(*inputs[1:]), lengths) * weights).sum().backward()
    chances, pairs = torch.zeros_like(emissions), torch.zeros_like(chain.transitions)
    starts, ends = torch.zeros_like(chain.start), torch.zeros_like(chain.end)
    for row, length in enumerate(lengths):
        paths, scores = every_path(emissions[row], chain, length)
        for path, chance in zip(paths, torch.softmax(scores, 0), strict=True):
            for step, label in enumerate(path):
                chances[row, step, label] += chance
            for one, other in pairwise(path):
                pairs[one, other] += chance * weights[row]
            starts[path[0]] += chance * weights[row]
            ends[path[-1]] += chance * weights[row]
    torch.testing.assert_close(inputs[0].grad, chances * weights[:, None, None])
    torch.testing.assert_close(inputs[1].grad, pairs)
    torch.testing.assert_close(inputs[2].grad, starts)
    torch.testing.assert_close(inputs[3].grad, ends)
    torch.testing.assert_close(marginals(emissions, chain, lengths), chances)


@settings(deadline=None, max_examples=25)
@chains
def test_in_the_other_semiring_the_recursion_finds_the_best_path(labels, lengths, seed, blocked):
    emissions, chain, lengths = make(labels, lengths, seed=seed, forbidden=0.4 * blocked)
    emissions.requires_grad_()
    found = total(emissions, chain, lengths, MAX)
    (gradient,) = torch.autograd.grad(found.sum(), emissions)
    for row, length in enumerate(lengths):
        paths, scores = every_path(emissions[row].detach(), chain, length)
        best = paths[int(scores.argmax())]
        assert found[row].item() == pytest.approx(scores.max().item())
        np.testing.assert_array_equal(gradient[row, :length].argmax(dim=1), best)


@chains
def test_the_score_of_a_path_is_what_its_definition_says(labels, lengths, seed, blocked):
    emissions, chain, lengths = make(labels, lengths, seed=seed)
    paths = torch.randint(0, labels, emissions.shape[:2], generator=torch.Generator().manual_seed(seed))
    found = path_score(emissions, chain, paths, lengths)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(found[row], score(emissions[row], chain, paths[row, :length].tolist()))


def test_float32_stays_finite_and_exact_over_ten_thousand_steps():
    emissions, chain, lengths = make(20, [10_000, 7], dtype=torch.float32)
    emissions = (emissions * 5).requires_grad_()
    found = log_partition(emissions, chain, lengths)
    (gradient,) = torch.autograd.grad(found.sum(), emissions)
    exact = total(emissions.detach().double(), Chain(*(part.double() for part in chain)), lengths)
    torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=1e-3)
    chances = gradient.sum(dim=2)
    torch.testing.assert_close(chances[0], torch.ones(10_000))
    torch.testing.assert_close(chances[1], (torch.arange(10_000) < 7).float())


def test_where_nothing_is_possible_the_sum_is_zero_and_nothing_is_nan():
    emissions, chain, lengths = make(3, [4, 2])
    emissions[0, 2] = -torch.inf
    emissions.requires_grad_()
    chain = Chain(*(part.requires_grad_() for part in chain))
    found = log_partition(emissions, chain, lengths)
    assert found[0] == -torch.inf
    assert torch.isfinite(found[1])
    found[1].backward()
    for part in (emissions, *chain):
        assert torch.isfinite(part.grad).all()
    alone = Chain(*(part.detach().clone().requires_grad_() for part in chain))
    log_partition(emissions[1:, :2].detach(), alone, lengths[1:]).backward()
    torch.testing.assert_close(chain.transitions.grad, alone.transitions.grad)


def test_the_losses_of_a_crf_are_the_logs_of_chances_that_sum_to_one():
    emissions, _, lengths = make(3, [4, 2, 1], dtype=torch.float32, poison=0.0)
    torch.manual_seed(0)
    crf = LinearChainCRF(3)
    for weight in crf.parameters():
        torch.nn.init.normal_(weight)
    for row, length in enumerate(lengths):
        paths = torch.tensor(list(product(range(3), repeat=int(length))))
        alone = emissions[row : row + 1, :length].expand(len(paths), -1, -1)
        losses = crf(alone, paths, length.repeat(len(paths)))
        assert torch.exp(-losses).sum().item() == pytest.approx(1, abs=1e-5)


def test_what_is_forbidden_has_no_chance_and_is_never_taught():
    allowed = Chain(torch.tensor([[1, 1], [1, 0]]).bool(), torch.tensor([1, 0]).bool(), torch.tensor([1, 1]).bool())
    crf = LinearChainCRF(2, allowed=allowed)
    emissions = torch.zeros(1, 3, 2)
    emissions[..., 1] = 50.0  # would like label 1 everywhere
    paths = torch.tensor([[0, 1, 0]])
    loss = crf(emissions, paths, torch.tensor([3]))
    # Left are 000, 010 and 001, of which the last two weigh e^50 each.
    assert loss.item() == pytest.approx(float(np.log(2)), abs=1e-4)
    loss.backward()
    assert crf.transitions.grad[1, 1] == 0
    assert crf.start.grad[1] == 0


@pytest.mark.parametrize(
    ("allowed", "said"),
    [
        (Chain(torch.ones(3, 3), torch.ones(2), torch.ones(2)), "allowed has transitions"),
        (Chain(torch.ones(2, 2), torch.zeros(2), torch.ones(2)), "allowed lets no path begin or end"),
    ],
)
def test_a_scheme_that_cannot_be_is_refused(allowed, said):
    with pytest.raises(SettingsError, match=said):
        LinearChainCRF(2, allowed=allowed)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_loss_of_scores_in_half_precision_is_that_of_the_same_scores(dtype):
    """Sums of some 200 nats differ by a few; in bfloat16 such numbers are a nat apart."""
    emissions, _, lengths = make(9, [90, 40], dtype=torch.float32, poison=0.0)
    labels, crf, rounded = torch.zeros(2, 90, dtype=torch.int64), LinearChainCRF(9), emissions.to(dtype)
    for weight in crf.parameters():
        torch.nn.init.normal_(weight, std=3)
    for one in (crf, copy.deepcopy(crf).to(dtype)):
        found, wanted = one(rounded, labels, lengths), copy.deepcopy(one).double()(rounded.double(), labels, lengths)
        torch.testing.assert_close(found, wanted.float(), rtol=1e-4, atol=1e-3)
