"""A language model on a condition: against torch.nn by hand, and the laws of reading."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional

from bothways.errors import SettingsError
from bothways.models.classifier import CELLS
from bothways.models.language_model import LanguageNetwork, onnx_graph
from bothways.nn import LSTM, State
from bothways.nn.condition import Conditioner
from bothways.settings import LanguageSettings

V, E, H, L, K, F = 11, 6, 5, 2, 3, 2
TOKENS = torch.tensor([[3, 5, 7, 2, 9, 4], [8, 2, 6, 0, 0, 0], [4, 4, 10, 1, 0, 0]])
LENGTHS = torch.tensor([6, 3, 4])
LABELS = torch.tensor([2, 0, 1])
NUMBERS = torch.tensor([[0.5, -1.0], [2.0, 0.3], [-0.7, 0.1]], dtype=torch.float64)
KINDS = [({"labels": K}, LABELS), ({"numbers": F}, NUMBERS)]
kinds = pytest.mark.parametrize(("kind", "condition"), KINDS, ids=["label", "numbers"])


def network(kind, **changed):
    torch.manual_seed(0)
    settings = LanguageSettings(embedding_dim=E, hidden_size=H, num_layers=L, **changed)
    model = LanguageNetwork(settings, vocabulary=V, **kind).double().eval()
    with torch.no_grad():  # weights at their start are too small for a fault in them to be seen
        for weight in model.condition.parameters():
            weight.normal_()
    return model


def by_hand(model, tokens, vector):
    """Losses of one text (T+1,) on a vector c (E,), by torch.nn.LSTM."""
    reader = model.encoder.to_torch().double().eval()
    h = torch.zeros(L, 1, H, dtype=torch.float64)
    c = torch.zeros(L, 1, H, dtype=torch.float64)
    weight, bias = model.condition.start.weight, model.condition.start.bias
    for layer in range(L):
        for unit in range(H):
            place = layer * H + unit
            h[layer, 0, unit] = torch.tanh(weight[place] @ vector + bias[place])
            c[layer, 0, unit] = torch.tanh(weight[L * H + place] @ vector + bias[L * H + place])
    inputs = torch.stack([model.embedding.weight[token] + vector for token in tokens[:-1]])
    states, _ = reader(inputs[None], (h, c))
    logits = model.bridge(states[0]) @ model.embedding.weight.T + model.softmax.bias
    return functional.cross_entropy(logits, tokens[1:], reduction="none")


def vectors(model, condition):
    if isinstance(model.condition.vector, nn.Embedding):
        return [model.condition.vector.weight[label] for label in condition]
    return [model.condition.vector.weight @ row + model.condition.vector.bias for row in condition]


@kinds
@torch.no_grad()
def test_it_is_an_lstm_whose_inputs_and_first_state_are_made_by_hand(kind, condition):
    model = network(kind)
    losses, _ = model.losses(TOKENS, LENGTHS, None, condition)
    alone = zip(TOKENS, LENGTHS, vectors(model, condition), strict=True)
    hand = [by_hand(model, tokens[:length], vector) for tokens, length, vector in alone]
    torch.testing.assert_close(losses, torch.cat(hand).float())  # the softmax sums in float32


@kinds
@torch.no_grad()
def test_another_condition_changes_the_losses_of_its_own_text_alone(kind, condition):
    model = network(kind)
    changed = condition.clone()
    changed[1] = condition[2]
    before, after = (model.losses(TOKENS, LENGTHS, None, some)[0].split([5, 2, 3]) for some in (condition, changed))
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[2], after[2])
    assert not torch.isclose(before[1], after[1]).any()


@pytest.mark.parametrize("cell", CELLS)
@kinds
@torch.no_grad()
def test_a_text_in_windows_is_the_text_at_once_and_alone_as_in_company(kind, condition, cell):
    model = network(kind, cell_type=cell)
    whole, _ = model.losses(TOKENS[:1], LENGTHS[:1], None, condition[:1])
    company, _ = model.losses(TOKENS, LENGTHS, None, condition)
    torch.testing.assert_close(company[:5], whole, rtol=0, atol=1e-6)
    state, found = None, []
    for first, end in ((0, 1), (1, 2), (2, 5)):  # the state goes on, and the condition joins every step still
        some = TOKENS[:1, first : end + 1]
        losses, state = model.losses(some, torch.tensor([end - first + 1]), state, condition[:1])
        found.append(losses)
    torch.testing.assert_close(torch.cat(found), whole, rtol=0, atol=1e-6)


@torch.no_grad()
def test_a_state_that_is_given_is_gone_on_from_and_the_condition_still_joins_each_step():
    model = network({"labels": K})
    state = State(forward=tuple(torch.randn(L, 3, H, dtype=torch.float64) for _ in range(2)))
    given, _ = model.losses(TOKENS, LENGTHS, state, LABELS)
    begun, _ = model.losses(TOKENS, LENGTHS, None, LABELS)
    other, _ = model.losses(TOKENS, LENGTHS, state, LABELS.flip(0))
    assert not torch.isclose(given, begun).any()
    assert not torch.isclose(given[:5], other[:5]).any()


@kinds
def test_every_weight_of_the_condition_gets_its_gradient_in_full_and_sampled_training(kind, condition):
    found = []
    for negatives in (None, V - 1):
        torch.manual_seed(3)
        model = network(kind, negatives=negatives, dropout=0.3, embedding_dropout=0.3, type_dropout=0.2).train()
        loss, _ = model(TOKENS, LENGTHS, None, condition)
        loss.backward()
        found += [weight.grad.to_dense().abs() for weight in model.condition.parameters()]
    assert all((gradient.amax(dim=-1) > 0).all() for gradient in found)


@pytest.mark.parametrize("cell", CELLS)
@kinds
@torch.no_grad()
def test_the_graph_gives_torchs_numbers_where_texts_begin_and_where_they_go_on(kind, condition, cell):
    model = network(kind, cell_type=cell).float()
    session = onnxruntime.InferenceSession(onnx_graph(model).SerializeToString())
    condition = condition if condition.dtype == torch.int64 else condition.float()
    parts = tuple(torch.randn(L, 3, H) for _ in model.encoder.parts)
    began = model.outputs(TOKENS, LENGTHS, None, condition)
    went_on = model.outputs(TOKENS, LENGTHS, State(forward=parts), condition)
    begins = np.array([True, False, True])
    given = {"inputs": TOKENS, "lengths": LENGTHS, "condition": condition}
    given |= {f"state_{number}": part for number, part in enumerate(parts)}
    found = session.run(None, {name: value.numpy() for name, value in given.items()} | {"begins": begins})
    for row in range(3):
        real = int(LENGTHS[row])
        wanted = began if begins[row] else went_on
        for place in (0, -1):  # logits and the reader's outputs
            np.testing.assert_allclose(found[place][row, :real], wanted[place][row, :real], atol=1e-5)
        for here, there in zip(found[1:-1], wanted[1:-1], strict=True):
            np.testing.assert_allclose(here[:, row], there[:, row], atol=1e-5)


def test_a_model_without_a_condition_has_the_weights_and_the_graph_that_it_had():
    settings = LanguageSettings(embedding_dim=E, hidden_size=H)
    torch.manual_seed(0)
    plain = LanguageNetwork(settings, vocabulary=V)
    torch.manual_seed(0)
    conditioned = LanguageNetwork(settings, vocabulary=V, labels=K)
    weights = conditioned.state_dict()
    for name, weight in plain.state_dict().items():
        assert torch.equal(weight, weights.pop(name))
    assert {name.split(".")[0] for name in weights} == {"condition"}
    assert [part.name for part in onnx_graph(plain).graph.input] == ["inputs", "lengths", "state_0", "state_1"]


def refused(action):
    with pytest.raises(SettingsError) as error:
        action()
    return str(error.value)


def test_what_cannot_be_built_is_refused():
    two_way = LanguageSettings(embedding_dim=E, hidden_size=H, two_way=True)
    assert refused(lambda: LanguageNetwork(two_way, vocabulary=V, labels=K)) == (
        "A two-way model writes no text, so that it takes no condition. Leave out --two-way or --condition."
    )
    reader = LSTM(E, H)
    assert "one of the two must be given" in refused(lambda: Conditioner(reader))
    assert "one of the two must be given" in refused(lambda: Conditioner(reader, labels=K, numbers=F))
    assert "reads 'both'" in refused(lambda: Conditioner(LSTM(E, H, direction="both"), labels=K))
    assert refused(lambda: Conditioner(reader, labels=0)) == "labels is 0, but it must be at least 1."
