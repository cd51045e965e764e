"""Products in a loop against the same loop by plain autograd."""

import pytest
import torch
from torch.autograd import gradcheck

from bothways.nn.stepwise import StepwiseProduct

B, T, F, G = 3, 4, 2, 5


def plain(matrix, given, first):
    """Each step reads what the one before gave."""
    inputs, found = first, []
    for step in range(T):
        row = (inputs[:, None] @ matrix)[:, 0] if matrix.dim() == 3 else inputs @ matrix
        found.append(torch.tanh(row + given[step]))
        inputs = found[-1][:, :F]
    return torch.stack(found)


def stepwise(matrix, given, first):
    product, inputs, found = StepwiseProduct(matrix, given), first, []
    for step in range(T):
        found.append(torch.tanh(product(step, inputs)))
        inputs = found[-1][:, :F]
    return torch.stack(found)


@pytest.mark.parametrize("shape", [(F, G), (B, F, G)])
def test_numbers_and_gradients_are_those_of_the_plain_product(shape):
    torch.manual_seed(0)
    drawn = [torch.randn(*size, dtype=torch.float64, requires_grad=True) for size in (shape, (T, B, G), (B, F))]
    ours, theirs = stepwise(*drawn), plain(*drawn)
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn_like(ours)
    for one, other in zip(
        torch.autograd.grad((ours * weights).sum(), drawn),
        torch.autograd.grad((theirs * weights).sum(), drawn),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
    assert gradcheck(stepwise, drawn)


def test_what_was_read_and_then_changed_in_place_is_refused():
    matrix, given = torch.randn(F, G, requires_grad=True), torch.randn(T, B, G, requires_grad=True)
    state = torch.randn(B, F)
    product = StepwiseProduct(matrix, given)
    out = product(0, state)
    state.zero_()
    with pytest.raises(RuntimeError, match="changed in place before their gradients were found"):
        out.sum().backward()
