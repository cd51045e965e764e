"""The next token of a text: embedding, one-way recurrent reader, softmax over the vocabulary.

A two-way model is a forward and a backward one that share vectors and softmax and never mix (Peters et al., 2018,
"Deep contextualized word representations"): it scores texts and pre-trains readers of both sides.

Shapes: B sequences, T steps in the longest, E width of a token's vector, H hidden width, V vocabulary, N predictions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bothways.data.tokenizer import Tokenizer
from bothways.errors import SettingsError
from bothways.models.classifier import CELLS
from bothways.nn.condition import Conditioner
from bothways.nn.reader import Direction, Reading, State, sequence_dropout
from bothways.nn.softmax import VocabularySoftmax, take_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from bothways.models.graph_builder import GraphBuilder, GraphState
    from bothways.settings import LanguageSettings, TokenReaderSettings

SAMPLE = 4096  # tokens that are drawn where the vocabulary is more than four times that


class TokenNetwork(nn.Module):
    """Read texts and predict their tokens: vectors, a reader whose directions never mix, a softmax, and the loss.

    What predicts which token is for each task to say, in `_predict`.
    """

    def __init__(
        self, settings: TokenReaderSettings, *, vocabulary: int, direction: Direction, negatives: int | None
    ) -> None:
        """Build what all tasks share, with fresh weights; `vocabulary` is V, `negatives` as the settings say it."""
        super().__init__()
        self.dropout = settings.dropout
        self.embedding_dropout = settings.embedding_dropout
        self.type_dropout = settings.type_dropout
        self.embedding = nn.Embedding(vocabulary, settings.embedding_dim, padding_idx=0)
        nn.init.normal_(self.embedding.weight, std=0.1)
        nn.init.zeros_(self.embedding.weight[0])
        extra = {"weight_dropout": settings.weight_dropout} if settings.weight_dropout else {}
        self.encoder = CELLS[settings.cell_type](
            input_size=settings.embedding_dim,
            hidden_size=settings.hidden_size,
            num_layers=settings.num_layers,
            direction=direction,
            stack="apart",
            dropout=settings.dropout if settings.num_layers > 1 else 0.0,
            recompute=settings.recompute,
            **extra,
        )
        self.softmax = VocabularySoftmax(
            settings.embedding_dim,
            vocabulary,
            tied=self.embedding if settings.tied else None,
            negatives=_negatives(negatives, vocabulary),
        )
        self.condition: Conditioner | None = None  # what a text is written on

    @torch.no_grad()
    def start_from(self, counts: NDArray[np.int64], vectors: NDArray[np.float32] | None) -> None:
        """Start from how often each token occurs, int64 (V,), and from vectors, float32 (V,E), or the random ones.

        Padding and the unknown token keep their own vectors.
        """
        self.softmax.use_counts(torch.from_numpy(counts))
        if vectors is not None:
            known = Tokenizer.unk_id + 1
            self.embedding.weight[known:] = torch.from_numpy(vectors[known:])

    def forward(
        self, tokens: Tensor, lengths: Tensor, state: State | None = None, condition: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Read texts, and give the mean loss of predicting their tokens; in training sampled, if so set.

        Args:
            tokens: int64 (B,T+1), the first of each only read, and, one-way, the last only predicted.
            lengths: int64 (B,), tokens of each, at least 2.
            state: the state before the first token; one-way only.
            condition: what each is written on, int64 (B,) or float (B,F), of a model that has one; it joins every
                step, and makes the state before the first token if none is given.

        Returns:
            nats; the state after the last token that was read.
        """
        if not (self.training and self.softmax.negatives):
            states, targets, after = self._predict(tokens, lengths, state, self.embedding(tokens), condition)
            return self.softmax.loss(states, targets), after
        sample = self.softmax.draw(tokens)
        vectors = take_rows(self.embedding.weight, sample.rows)
        read = functional.embedding(sample.places(tokens), vectors)
        states, targets, after = self._predict(tokens, lengths, state, read, condition)
        if self.softmax.weight is not self.embedding.weight:
            vectors = take_rows(self.softmax.weight, sample.rows)
        return self.softmax.sampled_loss(states, targets, sample, vectors), after

    @torch.no_grad()
    def losses(
        self, tokens: Tensor, lengths: Tensor, state: State | None = None, condition: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Give the full loss of every prediction, float (N,), nats: sequence by sequence, and the state after.

        Two-way: the forward predictions of all sequences before the backward ones.
        """
        states, targets, after = self._predict(tokens, lengths, state, self.embedding(tokens), condition)
        return self.softmax.losses(states, targets), after

    def _predict(
        self, tokens: Tensor, lengths: Tensor, state: State | None, vectors: Tensor, condition: Tensor | None
    ) -> tuple[Tensor, Tensor, State]:
        """Read vectors (B,T,E) of tokens; give what predicts, (N,E), what is right, int64 (N,), and the state after."""
        raise NotImplementedError

    def read(
        self,
        vectors: Tensor,
        tokens: Tensor,
        lengths: Tensor,
        state: State | None = None,
        condition: Tensor | None = None,
    ) -> Reading:
        """Read the vectors (B,T,E) of tokens (B,T); in training some of it is hidden, see dropout, but no condition."""
        if self.training and self.type_dropout:
            # A type is missing wherever it stands (Gal and Ghahramani, 2016).
            kept = functional.dropout(vectors.new_ones(self.embedding.num_embeddings), self.type_dropout)
            vectors = vectors * kept[tokens][..., None]
        if self.training and self.embedding_dropout:
            vectors = vectors * sequence_dropout(vectors, len(vectors), self.embedding_dropout)[:, None]
        if self.condition is not None:
            assert condition is not None
            joined = self.condition(condition)
            vectors = vectors + joined[:, None]
            state = state or self.condition.state(joined)
        return self.encoder(vectors, lengths, state)  # type: ignore[no-any-return]

    def _dropped(self, states: Tensor) -> Tensor:
        """Drop in training, (B,T,E): one mask for all steps of a sequence."""
        if not (self.training and self.dropout):
            return states
        return states * sequence_dropout(states, len(states), self.dropout)[:, None]


class LanguageNetwork(TokenNetwork):
    """Predict every token of a text from those before it, and, two-way, also from those after it alone.

    What stands behind a token never changes its prediction, nor does padding or the company of other texts.
    """

    def __init__(
        self, settings: LanguageSettings, *, vocabulary: int, labels: int | None = None, numbers: int | None = None
    ) -> None:
        """Build a network with fresh weights.

        Args:
            settings: checked already.
            vocabulary: V.
            labels: how many there are to write on; None: no label.
            numbers: F, how many to write on; None: no numbers.

        Raises:
            SettingsError: a condition for a two-way model.
        """
        super().__init__(
            settings,
            vocabulary=vocabulary,
            direction="both" if settings.two_way else "forward",
            negatives=settings.negatives,
        )
        self.two_way = settings.two_way
        # From a state's width to a vector's, for each direction: the softmax may share the vectors.
        self.bridge = nn.Linear(settings.hidden_size, settings.embedding_dim)
        self.bridge_reverse = nn.Linear(settings.hidden_size, settings.embedding_dim) if settings.two_way else None
        if labels is not None or numbers is not None:
            if settings.two_way:
                raise SettingsError(
                    "A two-way model writes no text, so that it takes no condition. Leave out --two-way or --condition."
                )
            self.condition = Conditioner(self.encoder, labels=labels, numbers=numbers)

    def _predict(
        self, tokens: Tensor, lengths: Tensor, state: State | None, vectors: Tensor, condition: Tensor | None
    ) -> tuple[Tensor, Tensor, State]:
        """Read vectors (B,T+1,E); give what predicts each token, (N,E), the tokens, int64 (N,), and the state after."""
        ahead, behind = tokens[:, 1:], tokens[:, :-1]
        real = mask(ahead, lengths - 1)
        if self.bridge_reverse is None:
            reading = self.read(vectors[:, :-1], tokens[:, :-1], lengths - 1, state, condition)
            assert reading.forward is not None
            return self._dropped(self.bridge(reading.forward))[real], ahead[real], reading.final_state
        reading = self.read(vectors, tokens, lengths, state)
        assert reading.forward is not None
        assert reading.backward is not None
        rightward = self._dropped(self.bridge(reading.forward[:, :-1]))[real]
        leftward = self._dropped(self.bridge_reverse(reading.backward[:, 1:]))[real]
        return torch.cat([rightward, leftward]), torch.cat([ahead[real], behind[real]]), reading.final_state

    def outputs(
        self, tokens: Tensor, lengths: Tensor, state: State | None = None, condition: Tensor | None = None
    ) -> list[Tensor]:
        """Give what the graph gives.

        One-way: logits of the next token (B,T,V), the state after, each part (L,B,H), and the reader's outputs
        (B,T,H). Two-way: logits of the next token, and of the one before.
        """
        reading = self.read(self.embedding(tokens), tokens, lengths, state, condition)
        assert reading.forward is not None
        logits = self.softmax(self.bridge(reading.forward))
        if self.bridge_reverse is not None:
            assert reading.backward is not None
            return [logits, self.softmax(self.bridge_reverse(reading.backward))]
        return [logits, *(reading.final_state.forward or ()), reading.forward]


def _negatives(wanted: int | None, vocabulary: int) -> int | None:
    """How many tokens are drawn; None compares with all."""
    if wanted is None:
        return SAMPLE if vocabulary > 4 * SAMPLE else None
    return wanted if wanted < vocabulary else None


def mask(tokens: Tensor, lengths: Tensor) -> Tensor:
    """True where a step belongs to its sequence, bool (B,T)."""
    return torch.arange(tokens.shape[1], device=tokens.device) < lengths.to(tokens.device)[:, None]


def onnx_graph(model: LanguageNetwork) -> Any:
    """Write a language model as an ONNX graph: B and T are free.

    One-way: `inputs` int64 (B,T), `lengths` int64 (B,) and the state before, `state_0`, ... each (L,B,H), in; `logits`
    of the next token (B,T,V), the state after, `after_0`, ..., and the reader's outputs, `outputs` (B,T,H), out.
    Two-way: no states, and besides `logits` of the next token `logits_before` of the one before.

    A model with a condition takes it as `condition`, int64 (B,) or float32 (B,F), and `begins` bool (B,): True for a
    text that begins, whose state is then made of its condition and not taken from `state_0`, ...
    """
    from bothways.models.graph import add_linear, add_recurrent
    from bothways.models.graph_builder import GraphBuilder, GraphState

    builder = GraphBuilder("bothways_language_model")
    inputs = builder.input("inputs", "int64", ["B", "T"])
    lengths = builder.input("lengths", "int64", ["B"])
    start = GraphState()
    if not model.two_way:
        shape = [model.encoder.num_layers, "B", model.encoder.hidden_size]
        parts = range(len(model.encoder.parts))
        start = GraphState(forward=tuple(builder.input(f"state_{part}", "float32", shape) for part in parts))
    vectors = builder.constant(model.embedding.weight)
    steps = builder.add("Gather", [vectors, inputs])
    if model.condition is not None:
        steps, start = _add_condition(builder, model.condition, steps, start)
    reading = add_recurrent(builder, model.encoder, steps, lengths, start)
    to_logits = add_softmax(builder, model, vectors)
    assert reading.forward is not None
    outputs = {"logits": to_logits(add_linear(builder, model.bridge, reading.forward))}
    if model.bridge_reverse is not None:
        assert reading.backward is not None
        outputs["logits_before"] = to_logits(add_linear(builder, model.bridge_reverse, reading.backward))
    elif reading.final_state.forward is not None:
        outputs |= {f"after_{part}": name for part, name in enumerate(reading.final_state.forward)}
        outputs["outputs"] = reading.forward
    return builder.build(outputs)


def add_softmax(builder: GraphBuilder, model: TokenNetwork, vectors: str) -> Callable[[str], str]:
    """Store the softmax in a graph that holds the vectors; gives what adds logits (...,V) of states (...,E)."""
    # Where the softmax shares the vectors, the graph holds them once; onnxruntime turns them round when it loads.
    weight = vectors if model.softmax.weight is model.embedding.weight else builder.constant(model.softmax.weight)
    shared = builder.add("Transpose", [weight], perm=[1, 0])
    bias = builder.constant(model.softmax.bias)
    return lambda states: builder.add("Add", [builder.add("MatMul", [states, shared]), bias])


def _add_condition(
    builder: GraphBuilder, conditioner: Conditioner, steps: str, given: GraphState
) -> tuple[str, GraphState]:
    """Let a condition join steps (B,T,E) and make the state of texts that begin; give both."""
    from bothways.models.graph import add_embedding, add_linear
    from bothways.models.graph_builder import GraphState

    if isinstance(conditioner.vector, nn.Embedding):
        vectors = add_embedding(builder, conditioner.vector, builder.input("condition", "int64", ["B"]))
    else:
        numbers = builder.input("condition", "float32", ["B", conditioner.vector.in_features])
        vectors = add_linear(builder, conditioner.vector, numbers)
    begins = builder.add("Unsqueeze", [builder.input("begins", "bool", ["B"]), builder.integers(0, 2)])  # (1,B,1)
    flat = builder.add("Tanh", [add_linear(builder, conditioner.start, vectors)])
    shaped = builder.add("Reshape", [flat, builder.integers(-1, *conditioner.shape)])
    parts = builder.add("Transpose", [shaped], perm=[1, 2, 0, 3])  # (P,L,B,H), P parts
    starts = [builder.add("Gather", [parts, builder.constant(np.array(part))]) for part in range(conditioner.shape[0])]
    state = tuple(
        builder.add("Where", [begins, start, part]) for start, part in zip(starts, given.forward or (), strict=True)
    )
    return builder.add("Add", [steps, builder.add("Unsqueeze", [vectors, builder.integers(1)])]), GraphState(state)
