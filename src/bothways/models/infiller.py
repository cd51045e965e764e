"""The missing word of a text, from the words on both sides of it: context2vec (Melamud et al., 2016).

Two stacks of recurrent layers read a text from the left and from the right and never mix. The word at place t is
predicted from what the first knows at t-1 and the second at t+1, so that no prediction sees its own answer and all
places of a text are trained in one pass:

    ... forward[t-1]  backward[t+1] ...  ->  linear, ReLU, linear  ->  softmax over the vocabulary

Texts stand between `<eos>` on both sides, so that the first and the last word have neighbours, too.

Shapes: B texts, T steps in the longest, E width of a token's vector, H hidden width, V vocabulary, N places.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bothways.models.language_model import TokenNetwork, add_softmax, mask
from bothways.nn.few_sizes import spare_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bothways.nn.reader import State
    from bothways.settings import FillSettings


class FillNetwork(TokenNetwork):
    """Predict every word of a text from the words on both sides, or, one-way, from those on its left alone.

    A word never changes its own prediction; one-way, no word changes the prediction of those before it. Padding and the
    company of other texts change nothing.
    """

    def __init__(self, settings: FillSettings, *, vocabulary: int, two_way: bool = True) -> None:
        """Build a network with fresh weights; `vocabulary` is V."""
        super().__init__(
            settings,
            vocabulary=vocabulary,
            direction="both" if two_way else "forward",
            negatives=settings.negatives,
        )
        self.two_way = two_way
        width = settings.embedding_dim
        self.join = nn.Sequential(
            nn.Linear(self.encoder.output_size, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )

    def outputs(self, tokens: Tensor, lengths: Tensor, places: Tensor) -> Tensor:
        """Give the logits of the words at some places.

        Args:
            tokens: int64 (B,T), each text with the token before its first word and the one behind its last.
            lengths: int64 (B,), tokens of each, at least 3.
            places: int64 (N,2): the number of a text and of a word in it, from 1 to its length - 2.

        Returns:
            float (N,V); what stands in `tokens` at these places does not matter to them.
        """
        context = self._context(tokens, lengths, None, self.embedding(tokens))[0]
        return self.softmax(self._joined(context[places[:, 0], places[:, 1] - 1]))  # type: ignore[no-any-return]

    @torch.no_grad()
    def judge(self, tokens: Tensor, lengths: Tensor, never: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Give the full loss of every word, float (N,), nats, and bool (N,): would it be the first of all proposed?

        Text by text; `never` are the tokens that no gap is filled with.
        """
        states, targets, _ = self._predict(tokens, lengths, None, self.embedding(tokens), None)
        return self.softmax.judge(states, targets, never=never)

    def _predict(
        self, tokens: Tensor, lengths: Tensor, state: State | None, vectors: Tensor, condition: Tensor | None
    ) -> tuple[Tensor, Tensor, State]:
        """Read vectors (B,T,E); give what predicts each word, (N,E), the words, int64 (N,), and the state after."""
        context, after = self._context(tokens, lengths, state, vectors)
        words = tokens[:, 1:-1]
        real = mask(words, lengths - 2)
        return self._joined(self._dropped(context)[real]), words[real], after

    def _joined(self, context: Tensor) -> Tensor:
        """Turn what stands around words, (N,2H) or (N,H), into what predicts them, (N,E)."""
        rows = functional.pad(context, (0, 0, 0, spare_rows(context)))
        return self.join(rows)[: len(context)]  # type: ignore[no-any-return]

    def _context(self, tokens: Tensor, lengths: Tensor, state: State | None, vectors: Tensor) -> tuple[Tensor, State]:
        """Give what stands around every place but the first and the last, float (B,T-2,2H); one-way (B,T-2,H)."""
        reading = self.read(vectors, tokens, lengths, state)
        assert reading.forward is not None
        left = reading.forward[:, :-2]
        if reading.backward is None:
            return left, reading.final_state
        return torch.cat([left, reading.backward[:, 2:]], dim=-1), reading.final_state


def one_way_of_same_size(settings: FillSettings, *, vocabulary: int) -> FillSettings:
    """Give the settings of the one-way network whose number of weights is nearest to the two-way network's."""
    wanted = _size(settings, vocabulary, two_way=True)
    low, high = settings.hidden_size, 4 * settings.hidden_size
    while low < high:  # the narrowest that has as many weights
        middle = (low + high) // 2
        if _size(replace(settings, hidden_size=middle), vocabulary, two_way=False) < wanted:
            low = middle + 1
        else:
            high = middle
    candidates = [replace(settings, hidden_size=width) for width in (max(1, low - 1), low)]
    return min(candidates, key=lambda one: abs(_size(one, vocabulary, two_way=False) - wanted))


def _size(settings: FillSettings, vocabulary: int, *, two_way: bool) -> int:
    with torch.device("meta"):  # counted without being made
        network = FillNetwork(settings, vocabulary=vocabulary, two_way=two_way)
    return sum(weight.numel() for weight in network.parameters())


def onnx_graph(model: FillNetwork) -> Any:
    """Write a two-way network as an ONNX graph: B, T and N are free.

    `inputs` int64 (B,T), `lengths` int64 (B,) and `places` int64 (N,2) in; `logits` float (N,V) out; see
    `FillNetwork.outputs`. Only asked-for places meet the vocabulary.
    """
    import numpy as np

    from bothways.models.graph import add_linear, add_recurrent
    from bothways.models.graph_builder import GraphBuilder

    builder = GraphBuilder("bothways_infiller")
    inputs = builder.input("inputs", "int64", ["B", "T"])
    lengths = builder.input("lengths", "int64", ["B"])
    places = builder.input("places", "int64", ["N", 2])
    vectors = builder.constant(model.embedding.weight)
    reading = add_recurrent(builder, model.encoder, builder.add("Gather", [vectors, inputs]), lengths)
    assert reading.forward is not None
    assert reading.backward is not None
    step = builder.constant(np.array([0, 1]))
    left = builder.add("GatherND", [reading.forward, builder.add("Sub", [places, step])])
    right = builder.add("GatherND", [reading.backward, builder.add("Add", [places, step])])
    first, _, second = model.join
    assert isinstance(first, nn.Linear)
    assert isinstance(second, nn.Linear)
    inside = builder.add("Relu", [add_linear(builder, first, builder.add("Concat", [left, right], axis=-1))])
    to_logits = add_softmax(builder, model, vectors)
    return builder.build({"logits": to_logits(add_linear(builder, second, inside))})
