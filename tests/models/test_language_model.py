"""The language model's network: no peeking, windows as one long read, torch's own numbers, and its graph."""

from itertools import product

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional

from bothways.models.classifier import CELLS
from bothways.models.language_model import LanguageNetwork, onnx_graph
from bothways.nn.reader import State
from bothways.settings import LanguageSettings

V, E, H, LAYERS = 9, 3, 4, 2
LENGTHS = [8, 2, 5]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def make(**changed):
    """A network in evaluation, with random numbers everywhere."""
    values = {"embedding_dim": E, "hidden_size": H, "num_layers": LAYERS, "dropout": 0.0, "embedding_dropout": 0.0}
    network = LanguageNetwork(LanguageSettings(**{**values, **changed}), vocabulary=V)
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(std=0.7)
    return network.eval()


def texts(lengths=LENGTHS):
    """Tokens (B,T) with zeros behind, and lengths."""
    tokens = torch.randint(1, V, (len(lengths), max(lengths)))
    lengths = torch.tensor(lengths)
    return tokens * (torch.arange(tokens.shape[1]) < lengths[:, None]), lengths


def by_sequence(losses, lengths):
    """Cut the flat losses of a batch into those of each sequence."""
    return torch.split(losses, (lengths - 1).tolist())


def one_long_text():
    return torch.randint(1, V, (1, 12)), torch.tensor([12])


# No peeking


@pytest.mark.parametrize("cell", CELLS)
def test_what_comes_later_never_changes_a_prediction(cell):
    network = make(cell_type=cell)
    tokens, lengths = one_long_text()
    before, _ = network.losses(tokens, lengths)
    changed = tokens.clone()
    changed[0, 7:] = tokens[0, 7:] % (V - 1) + 1
    after, _ = network.losses(changed, lengths)
    assert torch.equal(after[:6], before[:6])
    assert (after[6:] != before[6:]).all()


@pytest.mark.parametrize("cell", CELLS)
def test_each_way_of_a_two_way_model_sees_its_own_side_alone(cell):
    network = make(cell_type=cell, two_way=True)
    tokens, lengths = one_long_text()
    changed = tokens.clone()
    changed[0, 7] = tokens[0, 7] % (V - 1) + 1
    ahead, behind = (
        losses.view(2, 11) for losses in (network.losses(tokens, lengths)[0], network.losses(changed, lengths)[0])
    )
    # Forward: prediction t is of token t + 1 from tokens 0..t. Backward: of token t from tokens t + 1 on.
    assert torch.equal(behind[0, :6], ahead[0, :6])
    assert (behind[0, 6:] != ahead[0, 6:]).all()
    assert torch.equal(behind[1, 8:], ahead[1, 8:])
    assert (behind[1, :8] != ahead[1, :8]).all()


@pytest.mark.parametrize(("cell", "two_way"), list(product(CELLS, [False, True])))
def test_a_prediction_does_not_see_what_it_predicts(cell, two_way):
    """With every possible token in one place, the probabilities of that place sum to one: nothing told which it is."""
    network = make(cell_type=cell, two_way=two_way)
    tokens, _ = one_long_text()
    every = tokens.repeat(V, 1)
    every[:, 7] = torch.arange(V)
    losses, _ = network.losses(every, torch.full((V,), 12))
    for way, losses_of in enumerate(losses.view(-1, V, 11)):
        shares = torch.exp(-losses_of[:, 6 + way])
        torch.testing.assert_close(shares.sum(), torch.tensor(1.0))


@pytest.mark.parametrize("cell", CELLS)
def test_logits_do_not_hang_on_the_token_that_they_predict(cell):
    """Read up to each token and no further: the logits are those of the whole text."""
    network = make(cell_type=cell)
    tokens, lengths = one_long_text()
    whole = network.outputs(tokens, lengths)[0]
    for end in range(1, 13):
        torch.testing.assert_close(network.outputs(tokens[:, :end], torch.tensor([end]))[0], whole[:, :end])


# Step = sequence, windows = one long read, alone = in company


@pytest.mark.parametrize("cell", CELLS)
def test_token_by_token_with_the_carried_state_is_all_at_once(cell):
    network = make(cell_type=cell)
    tokens, lengths = one_long_text()
    logits, *final, read = network.outputs(tokens, lengths)
    state = None
    for step in range(12):
        here, *after, read_here = network.outputs(tokens[:, step : step + 1], torch.tensor([1]), state)
        torch.testing.assert_close(here[:, 0], logits[:, step])
        torch.testing.assert_close(read_here[:, 0], read[:, step])
        state = State(forward=tuple(after))
    for one, other in zip(after, final, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("cell", CELLS)
def test_windows_with_the_carried_state_are_one_long_read(cell):
    network = make(cell_type=cell)
    tokens, lengths = one_long_text()
    whole, _ = network.losses(tokens, lengths)
    found, state = [], None
    for first in (0, 3, 6, 9):
        window = tokens[:, first : first + 4]
        losses, state = network.losses(window, torch.tensor([window.shape[1]]), state)
        found.append(losses)
    torch.testing.assert_close(torch.cat(found), whole)


@pytest.mark.parametrize(("cell", "two_way"), list(product(CELLS, [False, True])))
def test_a_text_has_the_same_losses_alone_as_in_company(cell, two_way):
    network = make(cell_type=cell, two_way=two_way)
    tokens, lengths = texts()
    together, _ = network.losses(tokens, lengths)
    halves = torch.chunk(together, 2) if two_way else [together]
    for row, length in enumerate(LENGTHS):
        alone, _ = network.losses(tokens[row : row + 1, :length], lengths[row : row + 1])
        expected = torch.cat([by_sequence(half, lengths)[row] for half in halves])
        torch.testing.assert_close(alone, expected)


def test_padding_may_hold_anything():
    network = make()
    tokens, lengths = texts()
    garbage = tokens.clone()
    garbage[1, 2:] = 5
    torch.testing.assert_close(network.losses(garbage, lengths)[0], network.losses(tokens, lengths)[0])


# By another road


def losses_by_torch(network, tokens, lengths, way):
    """torch.nn.LSTM, a linear layer and torch's cross entropy on one text at a time."""
    found = []
    for row, length in enumerate(lengths.tolist()):
        ids = tokens[row, :length]
        ids = ids if way == "forward" else ids.flip(0)
        theirs = torch_lstm(network, way)
        states, _ = theirs(network.embedding(ids[:-1])[None])
        bridge = network.bridge if way == "forward" else network.bridge_reverse
        logits = bridge(states[0]) @ network.softmax.weight.T + network.softmax.bias
        losses = functional.cross_entropy(logits, ids[1:], reduction="none")
        found.append(losses if way == "forward" else losses.flip(0))
    return torch.cat(found)


def torch_lstm(network, way):
    """Torch's LSTM with the weights of one direction of ours."""
    theirs = nn.LSTM(E, H, num_layers=LAYERS, batch_first=True)
    suffix = "" if way == "forward" else "_reverse"
    own = dict(network.encoder.named_parameters())
    theirs.load_state_dict({name: own[f"{name}{suffix}"] for name in theirs.state_dict()})
    return theirs


@pytest.mark.parametrize(("tied", "two_way"), list(product([True, False], [False, True])))
def test_the_loss_is_that_of_torchs_lstm_and_cross_entropy(tied, two_way):
    network = make(tied=tied, two_way=two_way)
    tokens, lengths = texts()
    with torch.no_grad():
        ways = ["forward", "backward"] if two_way else ["forward"]
        expected = torch.cat([losses_by_torch(network, tokens, lengths, way) for way in ways])
    torch.testing.assert_close(network.losses(tokens, lengths)[0], expected)
    torch.testing.assert_close(network(tokens, lengths)[0], expected.mean())
    torch.testing.assert_close(network.train()(tokens, lengths)[0], expected.mean())


@pytest.mark.parametrize(("tied", "two_way"), list(product([True, False], [False, True])))
def test_sampled_training_in_which_all_tokens_are_drawn_is_full_training(tied, two_way):
    """Loss and gradients, the sparse ones made dense."""
    network = make(tied=tied, two_way=two_way).train()
    tokens, lengths = texts()
    found = []
    for negatives in (None, 3_000):
        network.softmax.negatives = negatives
        network.zero_grad()
        loss, _ = network(tokens, lengths)
        loss.backward()
        found.append([loss.detach(), *(weight.grad.to_dense() for weight in network.parameters())])
    full, sampled = found
    for number, (one, other) in enumerate(zip(sampled, full, strict=True)):
        if number and one.shape == (V, E):  # torch keeps an embedding's padding row still; the sample does not read it
            one[0] = other[0]
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("tied", [True, False])
def test_sampled_training_gives_gradients_to_the_rows_that_it_needs_alone(tied):
    network = make(tied=tied, negatives=2).train()
    tokens, lengths = texts([3, 2])
    torch.manual_seed(5)
    network(tokens, lengths)[0].backward()
    torch.manual_seed(5)
    needed = network.softmax.draw(tokens).rows
    for matrix in {network.embedding.weight, network.softmax.weight}:
        assert matrix.grad.is_sparse
        assert matrix.grad.coalesce().indices()[0].tolist() == needed.tolist()
    assert len(needed) < V


def test_evaluation_compares_with_the_whole_vocabulary():
    network = make(negatives=2)
    tokens, lengths = texts()
    full, _ = network(tokens, lengths)
    network.softmax.negatives = None
    torch.testing.assert_close(full, network(tokens, lengths)[0])


# Dropout


def test_dropout_hides_in_training_alone():
    network = make(dropout=0.5, embedding_dropout=0.5, type_dropout=0.5, weight_dropout=0.5)
    tokens, lengths = texts()
    first, second = (network(tokens, lengths)[0] for _ in range(2))
    assert torch.equal(first, second)
    network.train()
    first, second = (network(tokens, lengths)[0] for _ in range(2))
    assert first != second


def test_a_type_is_hidden_wherever_it_stands():
    network = make(type_dropout=0.5).train()
    seen = []
    network.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    tokens = torch.tensor([[1, 2, 1, 3, 2, 4], [2, 1, 4, 4, 3, 1]])
    for _ in range(8):
        network(tokens, torch.tensor([6, 6]))
    hidden = 0
    for read in seen:
        for token in range(1, 5):
            rows = read[tokens[:, :-1] == token]
            gone = (rows == 0).all(dim=1)
            assert gone.all() or not gone.any()
            hidden += bool(gone.all())
            if not gone.any():
                torch.testing.assert_close(rows, 2 * network.embedding.weight[token].expand_as(rows))
    assert 4 < hidden < 28


# The graph


def run_graph(network, tokens, lengths, state):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        onnx_graph(network).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    given = {"inputs": tokens.numpy(), "lengths": lengths.numpy()}
    given |= {f"state_{part}": tensor.numpy() for part, tensor in enumerate(state.forward if state else ())}
    return session.run(None, given)


@pytest.mark.parametrize(("cell", "tied", "two_way"), list(product(CELLS, [True, False], [False, True])))
def test_the_graph_is_the_network(cell, tied, two_way):
    network = make(cell_type=cell, tied=tied, two_way=two_way)
    tokens, lengths = texts()
    state = None
    if not two_way:
        state = State(forward=tuple(torch.randn(LAYERS, len(LENGTHS), H) for _ in network.encoder.parts))
    with torch.no_grad():
        expected = network.outputs(tokens, lengths, state)
    real = np.arange(tokens.shape[1]) < lengths.numpy()[:, None]
    found = run_graph(network, tokens, lengths, state)
    assert len(found) == len(expected)
    for place, (one, other) in enumerate(zip(found, expected, strict=True)):
        per_step = place in (0, len(found) - 1) or two_way
        np.testing.assert_allclose(
            one[real] if per_step else one, other.numpy()[real] if per_step else other.numpy(), atol=1e-5, rtol=1e-4
        )


def test_a_tied_graph_holds_the_vectors_once():
    sizes = [len(onnx_graph(make(tied=tied, embedding_dim=50)).SerializeToString()) for tied in (True, False)]
    assert sizes[1] - sizes[0] > 0.9 * V * 50 * 4
