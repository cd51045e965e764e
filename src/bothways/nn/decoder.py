"""Write one sequence while attending to another (Bahdanau et al., 2015; Luong et al., 2015).

    s[t] = cell([y[t-1]; f[t-1]], s[t-1])        f[t-1] with input feeding only
    c[t] = attention(s[t], source)
    f[t] = tanh(W [s[t]; c[t]] + b)              what the next token is predicted from

Without attention f[t] = tanh(W s[t] + b), and all that is known of the source is the state that writing starts from.

Teacher forcing reads the right tokens y of all steps. Their part of the first layer's product is taken before the loop,
and the gradients of the weights after it; without input feeding there is no loop but the cells' own.

Shapes: B sequences, T steps, S steps of the longest source, E width of a token's vector, H hidden width, F width of f,
L layers, G gates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from bothways.nn.attention import Attention, Keys, StepwiseAttention
from bothways.nn.reader import State, check_at_least, check_probability, sequence_dropout
from bothways.nn.recurrent import ExactRecurrent
from bothways.nn.stepwise import StepwiseProduct


class DecoderState(NamedTuple):
    """What a decoder remembers between steps."""

    parts: tuple[Tensor, ...]  # float (L,B,H) each: h, and c of an LSTM
    feed: Tensor  # float (B,F), the f before; zeros at the start


class Written(NamedTuple):
    """What a decoder gives for all steps."""

    features: Tensor  # float (B,T,F)
    weights: Tensor | None  # of attention, float (B,T,S); None without attention
    state: DecoderState


class Decoder(nn.Module):
    """Recurrent layers that attend to a source. Step by step gives what all steps at once give."""

    def __init__(
        self,
        cell: type[ExactRecurrent],
        *,
        input_size: int,
        hidden_size: int,
        feature_size: int,
        num_layers: int = 1,
        attention: Attention | None = None,
        input_feeding: bool = True,
        dropout: float = 0.0,
    ) -> None:
        """Make the weights.

        Args:
            cell: RNN, LSTM or GRU.
            input_size: E.
            hidden_size: H.
            feature_size: F.
            num_layers: L.
            attention: with queries of width H; None attends to nothing.
            input_feeding: whether each step reads the f of the one before.
            dropout: probability, between layers and on f in training; one mask for all steps of a sequence.

        Raises:
            SettingsError: sizes that cannot be.
        """
        super().__init__()
        check_at_least("feature_size", feature_size, 1)
        check_probability("dropout", dropout)
        self.feature_size, self.input_feeding, self.dropout = feature_size, input_feeding, dropout
        self.reader = cell(
            input_size + (feature_size if input_feeding else 0),
            hidden_size,
            num_layers,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.attention = attention
        self.join = nn.Linear(hidden_size + (attention.output_size if attention else 0), feature_size)

    def start(self, parts: tuple[Tensor, ...]) -> DecoderState:
        """Begin from a state of the cells, (L,B,H) each."""
        return DecoderState(parts, parts[0].new_zeros(parts[0].shape[1], self.feature_size))

    def forward(self, vectors: Tensor, state: DecoderState, keys: Keys | None) -> Written:
        """Write with the tokens known.

        Args:
            vectors: float (B,T,E), of the token before each step.
            state: before the first step.
            keys: of the source, as the attention gives them; None without attention.
        """
        if not self.input_feeding:
            return self._whole(vectors, state, keys)
        return self._loop(vectors, state, keys, None)

    def step(
        self, vectors: Tensor, state: DecoderState, keys: Keys | None
    ) -> tuple[Tensor, Tensor | None, DecoderState]:
        """Write one token more, of W beginnings of each source.

        Args:
            vectors: float (B,W,E), of the last token of each.
            state: before it, parts (L,B,W,H) and feed (B,W,F).
            keys: of the sources.

        Returns:
            features (B,W,F), attention (B,W,S) or None, and the state after.
        """
        size, beginnings = vectors.shape[:2]
        read = torch.cat([vectors, state.feed], dim=-1) if self.input_feeding else vectors
        before = State(forward=tuple(part.flatten(1, 2) for part in state.parts))
        reading = self.reader(read.flatten(0, 1)[:, None], None, before)
        features, weights = self._join(reading.outputs.view(size, beginnings, -1), keys)
        after = tuple(part.unflatten(1, (size, beginnings)) for part in reading.final_state.forward)
        return features, weights, DecoderState(after, features)

    def sampled(
        self, vectors: Tensor, state: DecoderState, keys: Keys | None, choose: Callable[[int, Tensor], Tensor]
    ) -> Written:
        """Write with tokens that hang on what was written before: scheduled sampling (Bengio et al., 2015).

        Args:
            vectors: float (B,T,E), of the right token before each step.
            state: before the first step.
            keys: of the source.
            choose: gives the vectors (B,E) that a step reads, from its number (1 or more) and the features (B,F) of the
                step before.
        """
        return self._loop(vectors, state, keys, choose)

    def _whole(self, vectors: Tensor, state: DecoderState, keys: Keys | None) -> Written:
        """Read all steps at once."""
        reading = self.reader(vectors, None, State(forward=state.parts))
        features, weights = self._join(reading.outputs, keys)
        if self.training and self.dropout:
            features = features * sequence_dropout(features, len(features), self.dropout)[:, None]
        return Written(features, weights, DecoderState(reading.final_state.forward, features[:, -1]))

    def _join(self, states: Tensor, keys: Keys | None) -> tuple[Tensor, Tensor | None]:
        """Attend and join: states (B,T,H) -> f (B,T,F), and the weights."""
        if self.attention is None or keys is None:
            return torch.tanh(self.join(states)), None
        contexts, weights = self._attend(states, keys)
        return torch.tanh(self.join(torch.cat([states, contexts], dim=-1))), weights

    def _attend(self, states: Tensor, keys: Keys) -> tuple[Tensor, Tensor]:
        """Attend: contexts, and weights (B,T,S), the mean over the heads."""
        assert self.attention is not None
        contexts, weights = self.attention(states, keys)
        return contexts, weights.mean(dim=1) if weights.dim() == 4 else weights

    def _loop(
        self,
        vectors: Tensor,
        state: DecoderState,
        keys: Keys | None,
        choose: Callable[[int, Tensor], Tensor] | None,
    ) -> Written:
        """Read step by step."""
        size, count = vectors.shape[:2]
        layers = self._layers(vectors, keep_inputs=choose is None)
        join = StepwiseProduct(self.join.weight.t(), _repeated(self.join.bias, count, size))
        attend = None
        if self.attention is not None and keys is not None:
            attend = StepwiseAttention(self.attention, keys, count)
        masks = self._masks(vectors, size)
        states = [tuple(part[layer] for part in state.parts) for layer in range(self.reader.num_layers)]
        feed, features, looks = state.feed, [], []
        for step in range(count):
            below = feed
            if choose is not None:
                chosen = vectors[:, 0] if step == 0 else choose(step, feed)
                below = torch.cat([chosen, feed], dim=-1) if self.input_feeding else chosen
            for number, layer in enumerate(layers):
                states[number] = layer(step, below, states[number])
                top = states[number][0]
                below = top * masks[number] if masks and number + 1 < len(layers) else top
            if attend is not None:
                context, look = attend(step, top)
                looks.append(look)
                top = torch.cat([top, context], dim=-1)
            feed = torch.tanh(join(step, top))
            if masks:
                feed = feed * masks[-1]
            features.append(feed)
        parts = tuple(torch.stack(part) for part in zip(*states, strict=True))
        weights = torch.stack(looks, dim=1) if looks else None
        return Written(torch.stack(features, dim=1), weights, DecoderState(parts, feed))

    def _layers(self, vectors: Tensor, *, keep_inputs: bool) -> list[_StepwiseCell]:
        """Prepare each layer's loop; where `keep_inputs`, the first one's product with the vectors is taken now."""
        count, size = vectors.shape[1], len(vectors)
        cells = []
        for layer in range(self.reader.num_layers):
            weight, hidden, bias, hidden_bias = self.reader.weights(layer, "forward")
            given = _repeated(bias, count, size)
            if layer == 0 and keep_inputs:
                width = vectors.shape[2]
                given = functional.linear(vectors.transpose(0, 1), weight[:, :width], bias)
                weight = weight[:, width:]
            own = StepwiseProduct(hidden.t(), _repeated(hidden_bias, count, size))
            cells.append(_StepwiseCell(self.reader, StepwiseProduct(weight.t(), given), own))
        return cells

    def _masks(self, like: Tensor, size: int) -> list[Tensor]:
        """Draw the masks between layers, (B,H) each, and of f, (B,F); none outside training."""
        if not (self.training and self.dropout):
            return []
        widths = [self.reader.hidden_size] * (self.reader.num_layers - 1) + [self.feature_size]
        return [sequence_dropout(like.new_empty(size, width), size, self.dropout) for width in widths]


class _StepwiseCell:
    """One layer for one loop."""

    def __init__(self, reader: ExactRecurrent, inputs: StepwiseProduct, hidden: StepwiseProduct) -> None:
        self._cell, self._inputs, self._hidden = reader.cell, inputs, hidden

    def __call__(self, step: int, below: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Go one step: what is read, (B,·), and the state's parts (B,H)."""
        return _advance(self._cell, self._inputs(step, below), self._hidden(step, state[0]), state)


def _advance(cell: str, given: Tensor, hidden: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """One step of a cell from its two products, W x + b and U h + d, (B,G·H) each."""
    if cell == "gru":
        width = state[0].shape[1]
        given_gates, given_new = torch.split(given, [2 * width, width], dim=1)
        hidden_gates, hidden_new = torch.split(hidden, [2 * width, width], dim=1)
        reset, keep = torch.sigmoid(given_gates + hidden_gates).chunk(2, dim=1)
        new = torch.tanh(torch.addcmul(given_new, reset, hidden_new)).to(state[0].dtype)
        return (torch.lerp(new, state[0], keep.to(new.dtype)),)
    total = given + hidden
    if cell == "lstm":
        enter, forget, new, leave = total.chunk(4, dim=1)
        inner = torch.sigmoid(forget) * state[1] + torch.sigmoid(enter) * torch.tanh(new)
        return torch.sigmoid(leave) * torch.tanh(inner), inner
    return ((torch.tanh(total) if cell == "rnn_tanh" else torch.relu(total)).to(state[0].dtype),)


def _repeated(bias: Tensor, count: int, size: int) -> Tensor:
    """A bias (G,) for all steps and sequences, (T,B,G)."""
    return bias.expand(count, size, -1)
