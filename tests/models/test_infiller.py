"""The network of missing words: what it may see, the same numbers by other roads, and its size beside one way."""

import numpy as np
import pytest
import torch
from torch import nn

from bothways.models.infiller import FillNetwork, one_way_of_same_size, onnx_graph
from bothways.runtime.session import open_session
from bothways.settings import EXACT_CELLS, FillSettings

V = 11
SIZES = {"embedding_dim": 5, "hidden_size": 4, "num_layers": 2, "dropout": 0.0, "embedding_dropout": 0.0}


def network(*, two_way=True, **changed):
    torch.manual_seed(3)
    made = FillNetwork(FillSettings(**{**SIZES, **changed}), vocabulary=V, two_way=two_way)
    nn.init.normal_(made.embedding.weight)
    nn.init.normal_(made.softmax.bias)
    return made.double().eval()


def every_place(tokens):
    return torch.tensor([[0, place] for place in range(1, tokens.shape[1] - 1)])


def logits(model, words):
    """The logits of every word of one text, alone: (T-2, V)."""
    tokens = torch.tensor([words])
    with torch.no_grad():
        return model.outputs(tokens, torch.tensor([len(words)]), every_place(tokens))


TEXT = [10, 4, 2, 8, 5, 9, 10]


@pytest.mark.parametrize("cell_type", ["rnn", "lstm", "gru", "mingru", "minlstm", "sru"])
def test_a_word_never_changes_its_own_prediction_and_every_other_word_does(cell_type):
    model = network(cell_type=cell_type)
    before = logits(model, TEXT)
    for changed in range(len(TEXT)):
        other = [*TEXT]
        other[changed] = 7
        moved = (logits(model, other) != before).any(dim=1)
        for place in range(1, len(TEXT) - 1):
            assert bool(moved[place - 1]) == (place != changed), (place, changed)


def test_the_gradient_of_a_prediction_with_respect_to_its_own_word_is_zero():
    model = network(tied=False)
    tokens = torch.tensor([[10, 4, 2, 8, 5, 9, 3]])  # each once, so that a row of the vectors is a place
    for place in range(1, 6):
        model.zero_grad()
        model.outputs(tokens, torch.tensor([7]), torch.tensor([[0, place]])).square().sum().backward()
        moved = model.embedding.weight.grad.abs().sum(dim=1)[tokens[0]]
        assert [bool(one) for one in moved] == [other != place for other in range(7)]


def test_one_way_sees_the_left_alone():
    model = network(two_way=False)
    before = logits(model, TEXT)
    for changed in range(len(TEXT)):
        other = [*TEXT]
        other[changed] = 7
        moved = (logits(model, other) != before).any(dim=1)
        assert [bool(one) for one in moved] == [place > changed for place in range(1, len(TEXT) - 1)]


@pytest.mark.parametrize("cell_type", ["lstm", "sru"])
def test_a_text_alone_is_the_text_in_company(cell_type):
    model = network(cell_type=cell_type)
    texts = [TEXT, [10, 3, 10], [10, 6, 4, 10]]
    padded = torch.zeros(3, 9, dtype=torch.int64)
    for row, text in enumerate(texts):
        padded[row, : len(text)] = torch.tensor(text)
    places = torch.tensor([[row, place] for row, text in enumerate(texts) for place in range(1, len(text) - 1)])
    with torch.no_grad():
        together = model.outputs(padded, torch.tensor([7, 3, 4]), places)
    alone = torch.cat([logits(model, text) for text in texts])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-10)


def torch_lstm(model, way):
    """PyTorch's own one-way LSTM with the weights of one of the stacks."""
    theirs = nn.LSTM(SIZES["embedding_dim"], SIZES["hidden_size"], SIZES["num_layers"], batch_first=True).double()
    for layer in range(SIZES["num_layers"]):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        for name, weight in zip(names, model.encoder.weights(layer, way), strict=True):
            getattr(theirs, f"{name}_l{layer}").data.copy_(weight)
    return theirs


def test_a_prediction_is_that_of_two_lstms_of_torch_one_of_which_reads_the_text_turned_round():
    model = network()
    vectors = model.embedding(torch.tensor([TEXT]))
    with torch.no_grad():
        ahead, _ = torch_lstm(model, "forward")(vectors)
        turned, _ = torch_lstm(model, "backward")(vectors.flip(1))
        for place in range(1, len(TEXT) - 1):
            # After `place` words from the left; after all words behind it, read from the right.
            around = torch.cat([ahead[0, place - 1], turned[0, len(TEXT) - 2 - place]])
            inside = torch.relu(model.join[0].weight @ around + model.join[0].bias)
            state = model.join[2].weight @ inside + model.join[2].bias
            expected = model.embedding.weight @ state + model.softmax.bias
            torch.testing.assert_close(logits(model, TEXT)[place - 1], expected)


@pytest.mark.parametrize("two_way", [True, False])
def test_the_loss_of_a_batch_is_the_mean_over_the_words_of_each_text_alone(two_way):
    model = network(two_way=two_way)
    with torch.no_grad():
        model.softmax.bias[[0, 1, V - 1]] += 5  # likelier than any word, and yet never proposed
    texts = [TEXT, [10, 3, 10], [10, 6, 4, 10]]
    padded = torch.zeros(3, 8, dtype=torch.int64)
    for row, text in enumerate(texts):
        padded[row, : len(text)] = torch.tensor(text)
    lengths = torch.tensor([7, 3, 4])
    shares = [logits(model, text).log_softmax(dim=1) for text in texts]
    expected = torch.cat([-share[range(len(text) - 2), text[1:-1]] for share, text in zip(shares, texts, strict=True)])
    losses, hits = model.judge(padded, lengths, never=[0, 1, V - 1])
    torch.testing.assert_close(losses, expected, check_dtype=False)
    torch.testing.assert_close(model(padded, lengths)[0], expected.mean(), check_dtype=False)
    best = torch.cat([share[:, 2:-1].argmax(dim=1) + 2 for share in shares])
    assert hits.tolist() == (best == torch.tensor([word for text in texts for word in text[1:-1]])).tolist()


@pytest.mark.parametrize("cell_type", ["rnn", "lstm", "gru", "mingru", "minlstm", "sru"])
@pytest.mark.parametrize("tied", [True, False])
def test_the_graph_gives_what_torch_gives_at_any_size(tmp_path, cell_type, tied):
    model = network(cell_type=cell_type, tied=tied).float()
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_graph(model).SerializeToString())
    session = open_session(str(path))
    random = np.random.default_rng(0)
    for size, steps, asked in ((1, 3, 1), (2, 9, 5), (5, 4, 0)):
        lengths = random.integers(3, steps + 1, size=size)
        inputs = random.integers(1, V, size=(size, steps))
        rows = random.integers(0, size, size=asked)
        places = np.stack([rows, random.integers(1, lengths[rows] - 1)], axis=1).astype(np.int64)
        (graph,) = session.run(["logits"], {"inputs": inputs, "lengths": lengths, "places": places})
        with torch.no_grad():
            ours = model.outputs(*map(torch.from_numpy, (inputs, lengths, places)))
        np.testing.assert_allclose(graph, ours.numpy(), atol=1e-5)


@pytest.mark.parametrize("cell_type", ["rnn", "lstm", "gru", "mingru", "minlstm", "sru"])
@pytest.mark.parametrize(("width", "layers"), [(48, 1), (40, 2), (64, 3)])
def test_the_one_way_network_beside_it_has_as_many_weights_within_two_percent(cell_type, width, layers):
    settings = FillSettings(cell_type=cell_type, embedding_dim=12, hidden_size=width, num_layers=layers)
    other = one_way_of_same_size(settings, vocabulary=V)

    def weights(hidden_size, *, two_way):
        made = FillNetwork(FillSettings(**{**settings.to_dict(), "hidden_size": hidden_size}), vocabulary=V,
                           two_way=two_way)  # fmt: skip
        return sum(weight.numel() for weight in made.parameters())

    wanted = weights(width, two_way=True)
    off = {near: abs(weights(other.hidden_size + near, two_way=False) - wanted) for near in (-1, 0, 1)}
    assert min(off, key=off.get) == 0
    assert off[0] <= 0.02 * wanted
    assert {**settings.to_dict(), "hidden_size": 0} == {**other.to_dict(), "hidden_size": 0}


def test_weights_that_read_states_are_dropped_only_where_there_are_some():
    for cell_type in EXACT_CELLS:
        FillSettings(cell_type=cell_type, weight_dropout=0.3).check()
    with pytest.raises(ValueError, match="sru has no recurrent weights. Set it to 0."):
        FillSettings(cell_type="sru", weight_dropout=0.3).check()
