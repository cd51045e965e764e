import pytest
import torch
from torch import nn

from bothways.training.optimizer import AdamW


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
