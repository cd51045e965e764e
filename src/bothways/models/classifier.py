"""One label for a whole sequence: embedding, recurrent encoder, pooling, linear map.

Shapes: B sequences, T steps in the longest, E input width, H hidden width of one direction,
D directions, V vocabulary, K labels, F numbers a step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from bothways.data.tokenizer import Tokenizer
from bothways.nn import GRU, LSTM, RNN, SRU, MinGRU, MinLSTM, Pooling, PoolingKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bothways.settings import EncoderSettings

UNKNOWN = Tokenizer.unk_id
PRIME = 2**31 - 1  # of the hash that type dropout draws with (Carter & Wegman, 1979)

CELLS: dict[str, Any] = {"rnn": RNN, "lstm": LSTM, "gru": GRU, "mingru": MinGRU, "minlstm": MinLSTM, "sru": SRU}


class Classifier(nn.Module):
    """Score the labels of a sequence of token ids or of rows of numbers.

    A sequence gets the same scores alone as in any batch: nothing is computed from padding.
    """

    def __init__(
        self, settings: EncoderSettings, *, labels: int, vocabulary: int | None = None, features: int | None = None
    ) -> None:
        """Build a classifier with fresh weights.

        Args:
            settings: cell, sizes, directions, pooling and dropout.
            labels: K.
            vocabulary: V, for sequences of token ids.
            features: F, for sequences of numbers; give one of the two.
        """
        super().__init__()
        self.word_dropout = settings.word_dropout
        self.type_dropout = settings.type_dropout
        self.embedding_dropout = settings.embedding_dropout
        self.embedding = nn.Embedding(vocabulary, settings.embedding_dim, padding_idx=0) if vocabulary else None
        if self.embedding is not None:
            # Small vectors: a word that is seldom seen should start near to saying nothing.
            nn.init.normal_(self.embedding.weight, std=0.1)
            nn.init.zeros_(self.embedding.weight[0])
        # Numbers are standardised with the training data's own mean and deviation.
        self.register_buffer("mean", torch.zeros(features or 0))
        self.register_buffer("deviation", torch.ones(features or 0))
        self.encoder = CELLS[settings.cell_type](
            input_size=features or settings.embedding_dim,
            hidden_size=settings.hidden_size,
            num_layers=settings.num_layers,
            direction=settings.direction,
            stack=settings.stack,
            dropout=settings.dropout if settings.num_layers > 1 else 0.0,
            recompute=settings.recompute,
        )
        self.pooling = Pooling(cast("tuple[PoolingKind, ...]", settings.poolings), self.encoder.output_size)
        self.dropout = nn.Dropout(settings.dropout)
        self.output = nn.Linear(self.pooling.output_size, labels)

    def use_vectors(self, matrix: NDArray[np.float32], *, freeze: bool) -> None:
        """Start from pretrained vectors, float32 (V,E); with `freeze` they are not trained."""
        if self.embedding is None:
            raise AssertionError("a classifier of numbers has no embedding")
        with torch.no_grad():
            self.embedding.weight.copy_(torch.from_numpy(matrix))
        self.embedding.weight.requires_grad_(not freeze)

    def use_scale(self, mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> None:
        """Standardise numbers with this mean and deviation, each float32 (F,)."""
        self.mean = torch.from_numpy(mean)
        self.deviation = torch.from_numpy(deviation)

    def forward(self, inputs: Tensor, lengths: Tensor, steps: Tensor | None = None) -> Tensor:
        """Score every label.

        Args:
            inputs: int64 (B,T) token ids, or float (B,T,F) numbers. Padding is ignored.
            lengths: int64 (B,), the real steps of each sequence, from 1 to T.
            steps: float (B,T,E), what the encoder reads in place of `steps(inputs)`.

        Returns:
            float (B,K): the logits; their softmax is the probability of each label.
        """
        reading = self.encoder(self.steps(inputs) if steps is None else steps, lengths)
        return self.output(self.dropout(self.pooling(reading, lengths)))  # type: ignore[no-any-return]

    def steps(self, inputs: Tensor) -> Tensor:
        """Turn ids or numbers into what the encoder reads, (B,T,E); in training some of it is hidden, see dropout."""
        if self.embedding is None:
            return (inputs - self.mean) / self.deviation
        if self.training:
            inputs = self._hidden(inputs)
        vectors = self.embedding(inputs)
        if self.training and self.embedding_dropout:
            # One mask for all steps of a sequence: a mask for every element costs a fifth of the step and helps less.
            vectors = vectors * functional.dropout(
                vectors.new_ones(len(vectors), 1, vectors.shape[2]), self.embedding_dropout
            )
        return vectors  # type: ignore[no-any-return]

    def _hidden(self, ids: Tensor) -> Tensor:
        """Replace some tokens, int64 (B,T), by the unknown one; padding stays."""
        hidden = torch.zeros_like(ids, dtype=torch.bool)
        if self.word_dropout:
            hidden |= torch.rand(ids.shape, device=ids.device) < self.word_dropout
        if self.type_dropout:
            # A random hash for each sequence decides on its types: every occurrence of a word shares its fate.
            factor, offset = torch.randint(1, PRIME, (2, len(ids), 1), device=ids.device)
            hidden |= (ids * factor + offset) % PRIME < self.type_dropout * PRIME
        return ids.masked_fill(hidden & (ids != 0), UNKNOWN)


def onnx_graph(model: Classifier) -> Any:
    """Write a classifier as an ONNX graph: `inputs` and `lengths` in, `logits` out; B and T are free.

    Exact cells become ONNX's own operators with `sequence_lens`, parallel cells a `Scan`; padding is invisible to both.
    """
    from bothways.models.graph import add_embedding, add_linear, add_pooling, add_recurrent, add_standardise
    from bothways.models.graph_builder import GraphBuilder

    graph = GraphBuilder("bothways_classifier")
    lengths = graph.input("lengths", "int64", ["B"])
    if model.embedding is not None:
        steps = add_embedding(graph, model.embedding, graph.input("inputs", "int64", ["B", "T"]))
    else:
        numbers = graph.input("inputs", "float32", ["B", "T", len(model.mean)])
        steps = add_standardise(graph, numbers, model.mean, model.deviation)
    reading = add_recurrent(graph, model.encoder, steps, lengths)
    logits = add_linear(graph, model.output, add_pooling(graph, model.pooling, reading, lengths))
    return graph.build({"logits": logits})
