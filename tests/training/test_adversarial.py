import numpy as np
import pytest
import torch
from torch.nn import functional

from bothways.data.batches import InMemory, collate
from bothways.models.classifier import Classifier
from bothways.settings import ClassifierSettings
from bothways.training.adversarial import adversarial_descent, nudge

TARGETS = torch.tensor([1, 0, 1])
IDS = InMemory([np.array(ids, dtype=np.int32) for ids in ([5, 6, 7, 8, 9], [4, 11], [12, 2, 3])])
NUMBERS = InMemory([np.random.default_rng(seed).normal(size=(3 + seed, 4)).astype(np.float32) for seed in range(3)])


def loss(logits, batch):
    return functional.cross_entropy(logits, TARGETS[batch.rows].to(logits.device))


def make(**sizes):
    torch.manual_seed(1)
    settings = ClassifierSettings(embedding_dim=6, hidden_size=5, dropout=0.0, embedding_dropout=0.0)
    return Classifier(settings, labels=2, **sizes).train()


def read(model, sequences=IDS):
    batch = collate(sequences, np.arange(3))
    return batch, torch.from_numpy(batch.inputs), torch.from_numpy(batch.lengths)


def slope_of(model, batch, inputs, lengths):
    steps = model.steps(inputs).detach().requires_grad_()
    loss(model(inputs, lengths, steps), batch).backward()
    return steps.detach(), steps.grad


def test_no_other_direction_of_the_same_length_raises_the_loss_more():
    model = make(vocabulary=20)
    batch, inputs, lengths = read(model)
    steps, slope = slope_of(model, batch, inputs, lengths)
    found = nudge(steps, slope, lengths, 1e-2)
    length = torch.linalg.vector_norm(found, dim=(1, 2), keepdim=True)
    torch.manual_seed(2)
    with torch.no_grad():
        here = loss(model(inputs, lengths, steps + found), batch)
        for _ in range(50):
            other = torch.randn_like(steps) * (slope != 0)
            other *= length / torch.linalg.vector_norm(other, dim=(1, 2), keepdim=True)
            assert loss(model(inputs, lengths, steps + other), batch) < here


def test_a_nudge_is_as_long_as_asked_whatever_padding_holds():
    model = make(vocabulary=20)
    batch, inputs, lengths = read(model)
    steps, slope = slope_of(model, batch, inputs, lengths)
    steps[1, 2:] = torch.nan
    found = nudge(steps, slope, lengths, 0.03)
    assert not found[1, 2:].any()
    for row, count in enumerate(lengths):
        ratio = torch.linalg.vector_norm(found[row]) / torch.linalg.vector_norm(steps[row, :count])
        assert ratio.item() == pytest.approx(0.03, rel=1e-5)


def test_where_the_loss_is_flat_nothing_is_nudged():
    steps = torch.randn(2, 3, 4)
    assert not nudge(steps, torch.zeros_like(steps), torch.tensor([3, 1]), 0.5).any()


@pytest.mark.parametrize(("sizes", "sequences"), [({"vocabulary": 20}, IDS), ({"features": 4}, NUMBERS)])
def test_gradients_are_those_of_the_mean_of_both_losses(sizes, sequences):
    model = make(**sizes)
    batch, inputs, lengths = read(model, sequences)
    steps, slope = slope_of(model, batch, inputs, lengths)
    model.zero_grad()
    away = nudge(steps, slope, lengths, 0.1)
    both = [loss(model(inputs, lengths, model.steps(inputs) + part), batch) for part in (0.0, away)]
    wanted = torch.autograd.grad(sum(both) / 2, list(model.parameters()))

    found = adversarial_descent(model, loss, 0.1)(model, batch, torch.Tensor.backward)
    assert found.item() == pytest.approx(both[0].item())
    for parameter, gradient in zip(model.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-7)


def test_frozen_vectors_stay():
    model = make(vocabulary=20)
    model.embedding.weight.requires_grad_(False)
    batch, *_ = read(model)
    adversarial_descent(model, loss, 0.1)(model, batch, torch.Tensor.backward)
    assert model.embedding.weight.grad is None
    assert model.output.weight.grad.abs().sum() > 0
