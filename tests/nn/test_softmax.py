"""The softmax over a vocabulary: all of it against torch's, a sample of it against its definition."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from bothways.errors import SettingsError
from bothways.nn.softmax import Sample, VocabularySoftmax, take_rows

V, E, N = 11, 3, 5


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def make(tied, negatives=None):
    embedding = nn.Embedding(V, E) if tied else None
    softmax = VocabularySoftmax(E, V, tied=embedding, negatives=negatives)
    with torch.no_grad():
        softmax.bias.normal_()
    return softmax


def everything():
    """A sample that holds all tokens, each drawn for certain."""
    return Sample(torch.arange(V), torch.arange(V), torch.zeros(V))


@pytest.mark.parametrize("tied", [True, False])
def test_the_full_loss_is_torchs_cross_entropy(tied):
    softmax = make(tied)
    states, targets = torch.randn(N, E), torch.randint(V, (N,))
    logits = states @ softmax.weight.T + softmax.bias
    torch.testing.assert_close(softmax(states), logits)
    by_torch = functional.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(softmax.losses(states, targets), by_torch)
    torch.testing.assert_close(softmax.loss(states, targets), by_torch.mean())


def test_losses_are_the_same_in_blocks_of_any_size(monkeypatch):
    softmax = make(tied=False)
    states, targets = torch.randn(N, E), torch.randint(V, (N,))
    whole = softmax.losses(states, targets)
    monkeypatch.setattr("bothways.nn.softmax.LOGITS_AT_ONCE", 2 * V)
    torch.testing.assert_close(softmax.losses(states, targets), whole)
    assert softmax.losses(states[:0], targets[:0]).shape == (0,)


@pytest.mark.parametrize("tied", [True, False])
def test_with_all_tokens_drawn_for_certain_the_sampled_loss_is_the_full_one(tied):
    softmax = make(tied)
    states, targets = torch.randn(N, E), torch.randint(V, (N,))
    sampled = softmax.sampled_loss(states, targets, everything(), softmax.weight)
    torch.testing.assert_close(sampled, softmax.loss(states, targets))


def test_so_many_draws_that_none_is_missed_give_the_full_loss():
    softmax = make(tied=True, negatives=2_000)
    softmax.use_counts(torch.tensor([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    states, targets = torch.randn(N, E), torch.randint(V, (N,))
    sample = softmax.draw(targets)
    assert sample.rows.tolist() == list(range(V))
    sampled = softmax.sampled_loss(states, targets, sample, take_rows(softmax.weight, sample.rows))
    torch.testing.assert_close(sampled, softmax.loss(states, targets), atol=1e-5, rtol=1e-5)


def test_the_mean_of_the_estimated_total_is_the_total():
    """exp(loss + right logit) is Z'; its mean over many draws is Z, also with tokens that training never had."""
    softmax = make(tied=False, negatives=4)
    softmax.use_counts(torch.tensor([0, 0, 90, 50, 40, 30, 20, 20, 9, 9, 0]))
    softmax.bias.data.normal_()
    states, targets = torch.randn(1, E), torch.tensor([4])
    found = []
    with torch.no_grad():
        logits = softmax(states)
        for _ in range(1_500):
            sample = softmax.draw(targets)
            loss = softmax.sampled_loss(states, targets, sample, softmax.weight[sample.rows])
            found.append(float((loss + logits[0, 4]).exp()))
    found = torch.tensor(found)
    expected = float(logits.exp().sum())
    assert abs(float(found.mean()) - expected) < 5 * float(found.std()) / math.sqrt(len(found))
    assert float(found.std()) / math.sqrt(len(found)) < 0.1 * expected


def test_each_token_is_drawn_as_often_as_it_is_said_to_be():
    softmax = make(tied=False, negatives=3)
    softmax.use_counts(torch.tensor([0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256]))
    times, said = torch.zeros(V), {}
    for _ in range(1_500):
        sample = softmax.draw(torch.tensor([], dtype=torch.int64))
        drawn = sample.rows[sample.drawn]
        assert len(drawn.unique()) == len(drawn)
        times[drawn] += 1
        said |= dict(zip(drawn.tolist(), sample.log_chance.exp().tolist(), strict=True))
    for token, chance in said.items():
        spread = math.sqrt(chance * (1 - chance) / 1_500)
        assert abs(float(times[token]) / 1_500 - chance) < 5 * spread, token
    assert len(said) == V


def test_every_rare_token_beside_very_frequent_ones_can_be_drawn(monkeypatch):
    """In float32 a sum of many millions has no room for a share of one."""
    rare = 1_001
    softmax = VocabularySoftmax(E, rare + 1, negatives=rare)
    counts = torch.zeros(rare + 1)
    counts[0] = 3e10
    softmax.use_counts(counts)
    total = 3e10**0.75 + rare
    inside_each = (3e10**0.75 + torch.arange(rare, dtype=torch.float64) + 0.5) / total
    monkeypatch.setattr(torch, "rand", lambda *_, dtype, **__: inside_each.to(dtype))
    sample = softmax.draw(torch.tensor([], dtype=torch.int64))
    assert sample.rows.tolist() == list(range(1, rare + 1))


def test_a_sample_holds_what_is_asked_for_and_knows_its_places():
    softmax = make(tied=False, negatives=4)
    tokens = torch.tensor([[7, 2], [7, 9]])
    sample = softmax.draw(tokens)
    assert (sample.rows[1:] > sample.rows[:-1]).all()
    torch.testing.assert_close(sample.rows[sample.places(tokens)], tokens)


def test_the_right_token_is_not_compared_with_itself():
    """A draw that holds the right token and one that does not give the same total for the rest."""
    softmax = make(tied=False)
    states, targets = torch.randn(1, E), torch.tensor([4])
    rows = torch.tensor([2, 4, 6])
    with_it = Sample(rows, torch.tensor([0, 1, 2]), torch.log(torch.tensor([0.3, 0.2, 0.9])))
    without = Sample(rows, torch.tensor([0, 2]), torch.log(torch.tensor([0.3, 0.9])))
    losses = [softmax.sampled_loss(states, targets, sample, softmax.weight[rows]) for sample in (with_it, without)]
    torch.testing.assert_close(*losses)
    logits = softmax(states)[0]
    total = logits[4].exp() + logits[2].exp() / 0.3 + logits[6].exp() / 0.9
    torch.testing.assert_close(losses[0], total.log() - logits[4])


def test_sampled_losses_and_their_gradients_are_those_of_the_definition():
    softmax = make(tied=False)
    states, targets = torch.randn(N, E, requires_grad=True), torch.tensor([4, 2, 9, 6, 4])  # 4 and 6 are drawn
    rows = torch.tensor([2, 4, 5, 6, 9])
    chance = torch.tensor([0.3, 0.2, 0.9])
    sample = Sample(rows, torch.tensor([1, 2, 3]), chance.log())
    logits = softmax(states)
    right = logits.gather(1, targets[:, None])[:, 0]
    drawn = rows[sample.drawn]
    others = (logits[:, drawn].exp() / chance * (targets[:, None] != drawn)).sum(dim=1)
    expected = ((right.exp() + others).log() - right).mean()
    found = softmax.sampled_loss(states, targets, sample, softmax.weight[rows])
    torch.testing.assert_close(found, expected)
    parameters = [states, softmax.weight, softmax.bias]
    torch.testing.assert_close(*(torch.autograd.grad(loss, parameters) for loss in (found, expected)))


def test_far_logits_lose_nothing():
    softmax = make(tied=False)
    states, targets = 1_000 * torch.randn(N, E), torch.randint(V, (N,))
    sampled = softmax.sampled_loss(states, targets, everything(), softmax.weight)
    assert 100 < sampled < 1e6
    torch.testing.assert_close(sampled, softmax.loss(states, targets))


def test_under_autocast_small_chances_keep_their_precision():
    """Of a logit in bfloat16 and a chance of e^-20.03 the chance must not be rounded to e^-20."""
    softmax = make(tied=False)
    states, targets, rows = torch.zeros(1, E), torch.tensor([4]), torch.tensor([2, 4])
    with torch.no_grad():
        softmax.bias.zero_()
    sample = Sample(rows, torch.tensor([0]), torch.tensor([-20.03]))
    with torch.autocast("cpu", torch.bfloat16):
        found = softmax.sampled_loss(states, targets, sample, softmax.weight[rows])
    assert found.dtype == torch.float32
    assert float(found.detach()) == pytest.approx(math.log(1 + math.exp(20.03)), abs=1e-4)


def test_a_second_derivative_is_refused_also_where_other_roads_lead_on():
    """Without the road through the loss, a sum of both would be a wrong number."""
    softmax = make(tied=False, negatives=3)
    states, targets = torch.randn(N, E, requires_grad=True), torch.randint(V, (N,))
    sample = softmax.draw(targets)
    loss = softmax.sampled_loss(states, targets, sample, softmax.weight[sample.rows])
    (gradient,) = torch.autograd.grad(loss, states, create_graph=True)
    with pytest.raises(RuntimeError, match="cannot differentiate twice through them"):
        torch.autograd.grad((gradient * states).sum(), states)


@pytest.mark.parametrize("tied", [True, False])
def test_gradients_through_rows_are_those_of_the_whole_matrix(tied):
    softmax = make(tied, negatives=3)
    states, targets = torch.randn(N, E, requires_grad=True), torch.randint(V, (N,))
    sample = softmax.draw(targets)
    parameters = [softmax.weight, softmax.bias, states]
    sparse = torch.autograd.grad(
        softmax.sampled_loss(states, targets, sample, take_rows(softmax.weight, sample.rows)), parameters
    )
    dense = torch.autograd.grad(softmax.sampled_loss(states, targets, sample, softmax.weight[sample.rows]), parameters)
    assert sparse[0].is_sparse
    assert sparse[0].coalesce().indices()[0].tolist() == sample.rows.tolist()
    torch.testing.assert_close(sparse[0].to_dense(), dense[0])
    for one, other in zip(sparse[1:], dense[1:], strict=True):
        torch.testing.assert_close(one, other)


def test_rows_taken_twice_add_up_to_one_gradient():
    """As with separate vectors for what is read and what is predicted out of one matrix."""
    matrix = nn.Parameter(torch.randn(V, E))
    ones, others = torch.tensor([1, 4]), torch.tensor([4, 6])
    (take_rows(matrix, ones).square().sum() + take_rows(matrix, others).sum()).backward()
    expected = torch.zeros(V, E)
    expected[ones] += 2 * matrix.detach()[ones]
    expected[others] += 1
    torch.testing.assert_close(matrix.grad.to_dense(), expected)


def test_it_starts_from_how_often_each_token_occurs():
    softmax = VocabularySoftmax(E, 4)
    softmax.use_counts(torch.tensor([0, 3, 5, 0]))
    shares = softmax(torch.zeros(1, E)).softmax(dim=1)[0]
    torch.testing.assert_close(shares, torch.tensor([1, 4, 6, 1]) / 12)


def test_a_tied_softmax_has_no_matrix_of_its_own():
    embedding = nn.Embedding(V, E)
    assert [name for name, _ in VocabularySoftmax(E, V, tied=embedding).named_parameters()] == ["bias"]
    assert VocabularySoftmax(E, V, tied=embedding).weight is embedding.weight


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda: VocabularySoftmax(0, V), "width is 0, but it must be at least 1."),
        (lambda: VocabularySoftmax(E, 1), "vocabulary is 1, but it must be at least 2."),
        (lambda: VocabularySoftmax(E, V, negatives=0), "negatives is 0, but it must be at least 1."),
        (
            lambda: VocabularySoftmax(E, V, tied=nn.Embedding(V, 4)),
            r"tied has vectors \(11, 4\), but \(11, 3\) are needed. Use an embedding of that size, or none.",
        ),
        (lambda: VocabularySoftmax(E, V).draw(torch.tensor([1])), "negatives is None, so that nothing is drawn."),
    ],
)
def test_what_cannot_be_is_refused(make_it, message):
    with pytest.raises(SettingsError, match=message):
        make_it()
