import pytest
import torch
from torch import nn

from bothways.training.optimizer import AdamW, clip_gradients


def trained(make, steps=30):
    torch.manual_seed(0)
    module = nn.Linear(3, 2)
    optimizer = make(list(module.parameters()))
    inputs = torch.randn(20, 3)
    for _ in range(steps):
        loss = (module(inputs) - inputs[:, :2].cumsum(dim=1)).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return module, float(loss.detach())


def test_without_sharing_it_is_torchs_adamw():
    ours, _ = trained(lambda weights: AdamW([{"params": weights}], lr=0.03, weight_decay=0.1, betas=(0.9, 0.99)))
    theirs, _ = trained(lambda weights: torch.optim.AdamW(weights, lr=0.03, weight_decay=0.1, betas=(0.9, 0.99)))
    torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.bias, theirs.bias)


def test_a_shared_moment_is_the_formula_by_hand():
    weight = nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    optimizer = AdamW([{"params": [weight], "shared": True}], lr=0.1, betas=(0.8, 0.9))
    expected, first, second = weight.detach().clone(), torch.zeros(2, 2), 0.0
    for step, gradient in enumerate(
        [torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.5, 0.0], [0.0, 0.0]])], 1
    ):
        weight.grad = gradient
        optimizer.step()
        first = 0.8 * first + 0.2 * gradient
        second = 0.9 * second + 0.1 * float(gradient.square().mean())
        expected -= 0.1 * (first / (1 - 0.8**step)) / ((second / (1 - 0.9**step)) ** 0.5 + 1e-8)
    torch.testing.assert_close(weight.detach(), expected)


def test_a_word_with_less_evidence_moves_less():
    """Row 0 has a tenth of row 1's gradient: Adam moves both alike, a shared moment moves it a tenth as far."""
    for shared, ratio in ((False, 1.0), (True, 0.1)):
        weight = nn.Parameter(torch.zeros(2, 3))
        weight.grad = torch.tensor([[0.1] * 3, [1.0] * 3])
        AdamW([{"params": [weight], "shared": shared}], lr=0.01).step()
        moved = weight.detach()[:, 0]
        assert float(moved[0] / moved[1]) == pytest.approx(ratio, rel=1e-3)


def test_it_learns_and_zero_gradients_do_no_harm():
    _, loss = trained(lambda weights: AdamW([{"params": weights, "shared": True}], lr=0.05), steps=300)
    assert loss < 0.05
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.zeros(2)
    AdamW([{"params": [weight], "shared": True}], lr=0.1).step()
    assert weight.tolist() == [1, 1]


# Sparse gradients: only the rows that a step read


V, E = 7, 3


def sparse(rows, values):
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, (V, E), check_invariants=True)


def moved_by(make, gradients):
    """A matrix after some steps."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(V, E))
    optimizer = make(weight)
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
    return weight.detach()


def some_gradients(row_sets):
    torch.manual_seed(1)
    return [sparse(rows, torch.randn(len(rows), E)) for rows in row_sets]


ROWS = [[0, 2, 5], [2], [1, 2, 3, 6], [0, 5], [2, 4]]


def test_rows_move_as_torchs_sparse_adam_moves_them():
    gradients = some_gradients(ROWS)
    ours = moved_by(lambda weight: AdamW([{"params": [weight]}], lr=0.1, betas=(0.8, 0.95)), gradients)
    theirs = moved_by(lambda weight: torch.optim.SparseAdam([weight], lr=0.1, betas=(0.8, 0.95)), gradients)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("shared", [False, True])
def test_where_all_rows_occur_it_is_the_dense_step(shared):
    gradients = some_gradients([list(range(V))] * 4)

    def make(weight):
        return AdamW([{"params": [weight], "shared": shared}], lr=0.1, weight_decay=0.3, betas=(0.8, 0.95))

    torch.testing.assert_close(
        moved_by(make, gradients), moved_by(make, [gradient.to_dense() for gradient in gradients])
    )


@pytest.mark.parametrize("shared", [False, True])
def test_rows_that_a_step_did_not_read_stay_as_they_are(shared):
    def make(weight):
        return AdamW([{"params": [weight], "shared": shared}], lr=0.1, weight_decay=0.3)

    before = moved_by(make, [])
    after = moved_by(make, some_gradients([[1, 4], [4]]))
    others = [0, 2, 3, 5, 6]
    assert torch.equal(after[others], before[others])
    assert (after[[1, 4]] != before[[1, 4]]).all()


def test_a_shared_moment_counts_the_rows_without_a_gradient_as_zero():
    gradients = some_gradients(ROWS[:1])
    matrix = gradients[0].to_dense()

    def make(weight):
        return AdamW([{"params": [weight], "shared": True}], lr=0.1)

    torch.testing.assert_close(moved_by(make, gradients), moved_by(make, [matrix]))


def test_a_row_that_occurs_twice_in_a_gradient_has_the_sum():
    values = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    twice = sparse([3, 1, 3], values)
    once = sparse([1, 3], torch.tensor([[4.0, 5, 6], [8, 10, 12]]))

    def make(weight):
        return AdamW([{"params": [weight]}], lr=0.1)

    torch.testing.assert_close(moved_by(make, [twice]), moved_by(make, [once]))


# Clipping


def weights_with_gradients(kinds):
    torch.manual_seed(2)
    weights = []
    for kind in kinds:
        weight = nn.Parameter(torch.zeros(V, E))
        values = torch.randn(3, E)
        if kind == "sparse":
            weight.grad = sparse([0, 3, 6], values)
        elif kind == "twice":
            weight.grad = sparse([3, 1, 3], values)
        elif kind == "dense":
            weight.grad = torch.randn(V, E)
        weights.append(weight)
    return weights


@pytest.mark.parametrize("longest", [0.1, 5.0, 100.0])
@pytest.mark.parametrize("kinds", [["dense", "dense"], ["sparse", "none", "dense"], ["twice", "sparse"], ["none"]])
def test_gradients_are_shortened_as_torch_shortens_them(kinds, longest):
    ours, theirs = weights_with_gradients(kinds), weights_with_gradients(kinds)
    for weight in theirs:
        weight.grad = weight.grad.to_dense() if weight.grad is not None else None
    clip_gradients(ours, longest)
    torch.nn.utils.clip_grad_norm_(theirs, longest)
    for one, other in zip(ours, theirs, strict=True):
        if other.grad is None:
            assert one.grad is None
        else:
            torch.testing.assert_close(one.grad.to_dense(), other.grad)
