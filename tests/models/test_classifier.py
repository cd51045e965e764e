import numpy as np
import pytest
import torch

from bothways.models.classifier import UNKNOWN, Classifier
from bothways.settings import ClassifierSettings


def make(**settings):
    torch.manual_seed(0)
    chosen = ClassifierSettings(embedding_dim=4, hidden_size=3, dropout=0.0, embedding_dropout=0.0, **settings)
    return Classifier(chosen, labels=2, vocabulary=50)


IDS = torch.tensor([[5, 6, 5, 7, 5, 0], [9, 5, 6, 9, 0, 0]])


def test_type_dropout_hides_every_occurrence_of_a_word_or_none():
    model = make(type_dropout=0.5)
    seen = set()
    for _ in range(60):
        hidden = model._hidden(IDS) == UNKNOWN
        first = hidden[0]
        assert first[0] == first[2] == first[4]
        assert hidden[1, 0] == hidden[1, 3]
        seen.add(tuple(first[:4].tolist()))
    assert len(seen) >= 4  # types are drawn apart from one another


def test_type_dropout_hides_its_share_of_types():
    model = make(type_dropout=0.3)
    ids = torch.arange(2, 50).repeat(400, 1)
    assert (model._hidden(ids) == UNKNOWN).float().mean().item() == pytest.approx(0.3, abs=0.02)


def test_word_dropout_hides_its_share_of_tokens_and_never_padding():
    model = make(word_dropout=0.4)
    ids = torch.full((200, 60), 7)
    ids[:, 50:] = 0
    hidden = model._hidden(ids)
    assert (hidden[:, :50] == UNKNOWN).float().mean().item() == pytest.approx(0.4, abs=0.02)
    assert not hidden[:, 50:].any()


def test_nothing_is_hidden_outside_training():
    model = make(word_dropout=0.9, type_dropout=0.9).eval()
    lengths = torch.tensor([5, 4])
    torch.testing.assert_close(model(IDS, lengths), model(IDS, lengths))
    plain = make().eval()
    torch.testing.assert_close(model(IDS, lengths), plain(IDS, lengths))


def test_embedding_dropout_uses_one_mask_for_all_steps():
    torch.manual_seed(0)
    chosen = ClassifierSettings(embedding_dim=40, hidden_size=3, embedding_dropout=0.5)
    model = Classifier(chosen, labels=2, vocabulary=50).train()
    steps = model.steps(torch.full((3, 6), 7))
    zero = steps == 0
    assert (zero == zero[:, :1]).all()
    assert 0.3 < zero.float().mean() < 0.7


def test_padding_gets_no_gradient():
    model = make().train()
    model(IDS, torch.tensor([5, 4])).sum().backward()
    assert not model.embedding.weight.grad[0].any()
    assert model.embedding.weight.grad[5].any()


def test_numbers_are_standardised_with_what_was_given():
    chosen = ClassifierSettings(hidden_size=3)
    model = Classifier(chosen, labels=2, features=2).eval()
    model.use_scale(np.array([1.0, -2.0], np.float32), np.array([2.0, 4.0], np.float32))
    inputs = torch.randn(2, 3, 2)
    torch.testing.assert_close(model.steps(inputs), (inputs - torch.tensor([1.0, -2.0])) / torch.tensor([2.0, 4.0]))
