"""The decoder against a plain loop of torch's own cells, and against itself step by step."""

from itertools import product

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from bothways.errors import SettingsError
from bothways.nn import GRU, LSTM, RNN
from bothways.nn.attention import Attention
from bothways.nn.decoder import Decoder, DecoderState

B, T, S, E, H, F, K = 3, 5, 4, 2, 6, 3, 8  # K: width of the source's states
TORCH = {RNN: nn.RNNCell, LSTM: nn.LSTMCell, GRU: nn.GRUCell}
KINDS = ["none", "general", "dot", "additive", "scaled"]


def decoder_of(cell=GRU, kind="general", **changed):
    torch.manual_seed(0)
    attention = None
    if kind != "none":
        attention = Attention(kind, H, H if kind == "dot" else K, heads=2 if kind == "scaled" else 1)
    given = {"num_layers": 2, "input_feeding": True, **changed}
    return Decoder(cell, input_size=E, hidden_size=H, feature_size=F, attention=attention, **given).double()


def drawn(decoder):
    """Vectors, a source with its lengths, and a state to start from."""
    torch.manual_seed(1)
    width = 1 if decoder.attention is None else (H if decoder.attention.kind == "dot" else K)
    layers = decoder.reader.num_layers
    parts = tuple(torch.randn(layers, B, H, dtype=torch.float64) for _ in decoder.reader.parts)
    vectors = torch.randn(B, T, E, dtype=torch.float64, requires_grad=True)
    source = torch.randn(B, S, width, dtype=torch.float64, requires_grad=True)
    return vectors, source, torch.tensor([4, 1, 3]), parts


def keys_of(decoder, source, lengths):
    return None if decoder.attention is None else decoder.attention.keys(source, lengths)


def by_hand(decoder, vectors, source, lengths, parts):
    """Each sequence by itself, each step by itself, with torch's cells: features and weights of each."""
    cells = []
    for layer in range(decoder.reader.num_layers):
        weights = decoder.reader.weights(layer, "forward")
        cell = TORCH[type(decoder.reader)](weights[0].shape[1], H).double()
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        cells.append((cell, dict(zip(names, weights, strict=True))))
    features, looks = [], []
    for row in range(B):
        state = [[part[layer, row] for part in parts] for layer in range(len(cells))]
        feed, own = torch.zeros(F, dtype=torch.float64), []
        for step in range(T):
            below = torch.cat([vectors[row, step], feed]) if decoder.input_feeding else vectors[row, step]
            for layer, (cell, weights) in enumerate(cells):
                before = tuple(state[layer]) if len(parts) == 2 else state[layer][0]
                after = torch.func.functional_call(cell, weights, (below, before))
                state[layer] = list(after) if len(parts) == 2 else [after]
                below = state[layer][0]
            if decoder.attention is not None:
                real = source[row : row + 1, : lengths[row]]
                keys = decoder.attention.keys(real, lengths[row : row + 1])
                context, look = decoder.attention(below[None, None], keys)
                looks.append(look.reshape(-1, int(lengths[row])).mean(dim=0))
                below = torch.cat([below, context[0, 0]])
            feed = torch.tanh(decoder.join(below))
            own.append(feed)
        features.append(torch.stack(own))
    return torch.stack(features), looks


@pytest.mark.parametrize(("cell", "kind", "feeding"), [*product(TORCH, KINDS, [True]), (LSTM, "additive", False)])
def test_all_steps_are_those_of_a_plain_loop_over_single_sequences_also_their_gradients(cell, kind, feeding):
    decoder = decoder_of(cell, kind, input_feeding=feeding)
    vectors, source, lengths, parts = drawn(decoder)
    written = decoder(vectors, decoder.start(parts), keys_of(decoder, source, lengths))
    expected, looks = by_hand(decoder, vectors, source, lengths, parts)
    torch.testing.assert_close(written.features, expected)
    for number, look in enumerate(looks):
        row, step = divmod(number, T)
        torch.testing.assert_close(written.weights[row, step, : lengths[row]], look)
        assert not written.weights[row, step, lengths[row] :].any()
    mixture = torch.randn_like(expected)
    read = [vectors, *([source] if looks else []), *decoder.parameters()]
    for one, other in zip(
        torch.autograd.grad((written.features * mixture).sum(), read),
        torch.autograd.grad((expected * mixture).sum(), read),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("cell", "kind", "feeding"), [(GRU, "general", True), (LSTM, "scaled", True), (RNN, "additive", False)]
)
def test_step_by_step_is_all_at_once_for_several_beginnings_of_one_source(cell, kind, feeding):
    decoder = decoder_of(cell, kind, input_feeding=feeding)
    vectors, source, lengths, parts = drawn(decoder)
    keys = keys_of(decoder, source, lengths)
    others = torch.randn_like(vectors)
    wholes = [decoder(some, decoder.start(parts), keys) for some in (vectors, others)]
    both = tuple(torch.stack([part, part], dim=2) for part in parts)
    state = DecoderState(both, torch.zeros(B, 2, F, dtype=torch.float64))
    for step in range(T):
        read = torch.stack([vectors[:, step], others[:, step]], dim=1)
        features, weights, state = decoder.step(read, state, keys)
        for place, whole in enumerate(wholes):
            torch.testing.assert_close(features[:, place], whole.features[:, step])
            torch.testing.assert_close(weights[:, place], whole.weights[:, step])
    for place, whole in enumerate(wholes):
        for one, other in zip(state.parts, whole.state.parts, strict=True):
            torch.testing.assert_close(one[:, :, place], other)


@pytest.mark.parametrize("feeding", [True, False])
def test_writing_with_the_right_tokens_chosen_is_teacher_forcing(feeding):
    decoder = decoder_of(input_feeding=feeding)
    vectors, source, lengths, parts = drawn(decoder)
    keys = keys_of(decoder, source, lengths)
    forced = decoder(vectors, decoder.start(parts), keys)
    chosen = decoder.sampled(vectors, decoder.start(parts), keys, lambda step, _: vectors[:, step])
    torch.testing.assert_close(chosen.features, forced.features)
    torch.testing.assert_close(chosen.weights, forced.weights)


def test_gradients_are_those_of_small_differences():
    decoder = decoder_of(LSTM, "general")
    vectors, source, lengths, parts = drawn(decoder)
    parts = tuple(part.requires_grad_() for part in parts)

    def written(vectors, source, *parts):
        return decoder(vectors, decoder.start(parts), keys_of(decoder, source, lengths)).features

    assert gradcheck(written, (vectors, source, *parts))


@pytest.mark.parametrize("feeding", [True, False])
def test_a_sequence_drops_the_same_features_at_all_steps(feeding):
    decoder = decoder_of(num_layers=1, input_feeding=feeding, dropout=0.5).train()
    vectors, source, lengths, parts = drawn(decoder)
    features = decoder(vectors, decoder.start(parts), keys_of(decoder, source, lengths)).features
    dropped = features == 0
    assert 0 < dropped.float().mean() < 1
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"dropout": 1.0}, "dropout is 1.0, but it must be in"), ({"num_layers": 0}, "num_layers is 0, but it must be")],
)
def test_sizes_that_cannot_be_are_refused(changed, said):
    with pytest.raises(SettingsError, match=said):
        decoder_of(**changed)
