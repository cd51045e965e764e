"""A tag for every word: vectors of words and of their letters, recurrent encoder, linear map, linear-chain CRF.

Huang et al. (2015), Lample et al. (2016). A word's letters are read both ways; the last states of both readings are its
spelling.

Shapes: B sentences, T words in the longest, N distinct words of a batch, C letters in the longest, E width of a word's
vector, K tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bothways.data.lexicon import UNKNOWN
from bothways.models.classifier import CELLS
from bothways.nn import LSTM
from bothways.nn.chain import Chain, LinearChainCRF
from bothways.nn.pooling import Pooling, is_real
from bothways.nn.reader import Reading, sequence_dropout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bothways.settings import TagReaderSettings


@dataclass(frozen=True)
class LanguageShape:
    """What is needed to rebuild the reader of a language model."""

    cell_type: str
    vocabulary: int
    embedding_dim: int
    hidden_size: int
    num_layers: int
    two_way: bool


class LanguageReader(nn.Module):
    """What a language model makes of the words of a sentence: the states of its top layer, never trained further.

    Of a two-way model, at each word the state of the forward model that has read up to it and that of the backward
    model (Peters et al., 2018, "Deep contextualized word representations").
    """

    def __init__(self, shape: LanguageShape) -> None:
        """Build the reader; its weights are to be loaded."""
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.embedding_dim, padding_idx=0)
        self.encoder = CELLS[shape.cell_type](
            input_size=shape.embedding_dim,
            hidden_size=shape.hidden_size,
            num_layers=shape.num_layers,
            direction="both" if shape.two_way else "forward",
            stack="apart",
        )
        self.output_size = int(self.encoder.output_size)
        self.requires_grad_(False)

    def forward(self, enclosed: Tensor, lengths: Tensor) -> Tensor:
        """Read ids between two borders, int64 (B,T+2), of lengths (B,) without them: float (B,T,F)."""
        with torch.no_grad():
            read: Tensor = self.encoder(self.embedding(enclosed), lengths + 2).outputs
        return read[:, 1:-1]


class Tagger(nn.Module):
    """Score the tags of every word of a sentence, the same alone as in any batch."""

    def __init__(
        self,
        settings: TagReaderSettings,
        *,
        labels: int,
        vocabulary: int,
        letters: int,
        allowed: Chain | None = None,
        language: LanguageShape | None = None,
    ) -> None:
        """Build a tagger with fresh weights.

        Args:
            settings: cell, sizes, directions, dropout, decoder.
            labels: K.
            vocabulary: words that have a vector, <pad> and <unk> counted.
            letters: letters that have a vector, likewise.
            allowed: which tags may stand next to each other; None: all. The CRF keeps to it.
            language: of the language model whose states join the vectors; None: no such model.
        """
        super().__init__()
        self.word_dropout = settings.word_dropout
        self.embedding_dropout = settings.embedding_dropout
        self.dropout = settings.dropout
        self.embedding = nn.Embedding(vocabulary, settings.embedding_dim, padding_idx=0)
        nn.init.normal_(self.embedding.weight, std=0.1)
        nn.init.zeros_(self.embedding.weight[0])
        self.letters = self.spelling = None
        width = settings.embedding_dim
        if settings.spelling_size:
            self.letters = nn.Embedding(letters, settings.spelling_dim, padding_idx=0)
            self.spelling = LSTM(settings.spelling_dim, settings.spelling_size, direction="both")
            width += 2 * settings.spelling_size
        self.language = None if language is None else LanguageReader(language)
        if self.language is not None:
            width += self.language.output_size
        self.encoder = CELLS[settings.cell_type](
            input_size=width,
            hidden_size=settings.hidden_size,
            num_layers=settings.num_layers,
            direction=settings.direction,
            stack=settings.stack,
            dropout=settings.dropout if settings.num_layers > 1 else 0.0,
            recompute=settings.recompute,
        )
        self.output = nn.Linear(self.encoder.output_size, labels)
        self.crf = LinearChainCRF(labels, allowed=allowed) if settings.decoder == "crf" else None

    def use_vectors(self, matrix: NDArray[np.float32], *, freeze: bool) -> None:
        """Start from pretrained vectors, float32 (V,E); with `freeze` they are not trained."""
        with torch.no_grad():
            self.embedding.weight.copy_(torch.from_numpy(matrix))
        self.embedding.weight.requires_grad_(not freeze)

    def forward(
        self,
        which: Tensor,
        lengths: Tensor,
        words: Tensor,
        letters: Tensor,
        letter_counts: Tensor,
        enclosed: Tensor | None = None,
    ) -> Tensor:
        """Score every tag at every word, float (B,T,K); arguments as `WordBatch` has them, int64."""
        reading = self.read(which, lengths, words, letters, letter_counts, enclosed)
        return self.output(reading.outputs)  # type: ignore[no-any-return]

    def read(
        self,
        which: Tensor,
        lengths: Tensor,
        words: Tensor,
        letters: Tensor,
        letter_counts: Tensor,
        enclosed: Tensor | None = None,
    ) -> Reading:
        """Read sentences; in training some of the reading's outputs are dropped."""
        read = self.vectors(which, lengths, words, letters, letter_counts, enclosed)
        if self.training and self.embedding_dropout:
            read = read * sequence_dropout(read, len(read), self.embedding_dropout)[:, None]
        reading: Reading = self.encoder(read, lengths)
        if self.training and self.dropout:
            kept = sequence_dropout(reading.outputs, len(which), self.dropout)[:, None]
            reading = reading._replace(outputs=reading.outputs * kept)
        return reading

    def vectors(
        self,
        which: Tensor,
        lengths: Tensor,
        words: Tensor,
        letters: Tensor,
        letter_counts: Tensor,
        enclosed: Tensor | None = None,
    ) -> Tensor:
        """Give what the encoder reads of words, float (B,T,E): vectors, letters, and a language model's states."""
        read = self._words(which, words)
        if self.spelling is not None and self.letters is not None:
            spelt = self.spelling(self.letters(letters), letter_counts).final_state
            spellings = torch.cat([parts[0][-1] for parts in spelt if parts is not None], dim=-1)  # (N,2C)
            read = torch.cat([read, functional.embedding(which, spellings)], dim=-1)
        if self.language is not None:
            assert enclosed is not None
            read = torch.cat([read, self.language(enclosed, lengths)], dim=-1)
        return read

    def loss(self, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Give -log probability of the right tags, nats, added up over all words of all sentences.

        Args:
            emissions: float (B,T,K).
            tags: int64 (B,T), from 0 to K-1 also on padding.
            lengths: int64 (B,).
        """
        emissions = emissions.float()
        if self.crf is not None:
            return self.crf(emissions, tags, lengths).sum()  # type: ignore[no-any-return]
        real = is_real(lengths, emissions.shape[1])
        return functional.cross_entropy(emissions[real], tags[real], reduction="sum")

    def chain(self) -> Chain | None:
        """Give the scores of tags next to each other, -inf where forbidden; None without a CRF."""
        return None if self.crf is None else self.crf.chain()

    def _words(self, which: Tensor, words: Tensor) -> Tensor:
        """The vectors of words, (B,T,E); in training some are read as unknown, their letters are not."""
        if not (self.training and self.word_dropout):
            return functional.embedding(which, self.embedding(words))
        ids = words[which]
        hidden = torch.rand(ids.shape, device=ids.device) < self.word_dropout
        return self.embedding(ids.masked_fill(hidden, UNKNOWN))  # type: ignore[no-any-return]


class IntentTagger(Tagger):
    """A tagger that also scores what the whole sentence asks for, from the same states (Liu and Lane, 2016)."""

    def __init__(self, settings: TagReaderSettings, *, intents: int, **sizes: Any) -> None:
        """Build a tagger with one more output; `intents` is how many there are, the rest as for `Tagger`."""
        super().__init__(settings, **sizes)
        self.pooling = Pooling(("max", "mean"), self.encoder.output_size)
        self.intent = nn.Linear(self.pooling.output_size, intents)

    def forward(  # type: ignore[override]
        self,
        which: Tensor,
        lengths: Tensor,
        words: Tensor,
        letters: Tensor,
        letter_counts: Tensor,
        enclosed: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Score every tag at every word, float (B,T,K), and every intent of each sentence, float (B,I)."""
        reading = self.read(which, lengths, words, letters, letter_counts, enclosed)
        return self.output(reading.outputs), self.intent(self.pooling(reading, lengths))


def onnx_graph(model: Tagger) -> Any:
    """Write a tagger as an ONNX graph: what `WordBatch` has in, `emissions` (B,T,K) out; B, T, N and C are free.

    An `IntentTagger` has one more output, `intents` (B,I). Scores of tags next to each other are no part of it:
    decoding is done in `decoding/chain.py`.
    """
    from bothways.models.graph import add_embedding, add_linear, add_pooling, add_recurrent
    from bothways.models.graph_builder import GraphBuilder

    graph = GraphBuilder("bothways_tagger")
    which = graph.input("which", "int64", ["B", "T"])
    lengths = graph.input("lengths", "int64", ["B"])
    vectors = add_embedding(graph, model.embedding, graph.input("words", "int64", ["N"]))
    if model.spelling is not None and model.letters is not None:
        letters = add_embedding(graph, model.letters, graph.input("letters", "int64", ["N", "C"]))
        spelt = add_recurrent(graph, model.spelling, letters, graph.input("letter_counts", "int64", ["N"]))
        top = graph.constant(torch.tensor(-1).numpy())
        ends = [graph.add("Gather", [state[0], top]) for state in spelt.final_state if state is not None]
        vectors = graph.add("Concat", [vectors, *ends], axis=-1)
    read = graph.add("Gather", [vectors, which])
    if model.language is not None:
        enclosed = add_embedding(graph, model.language.embedding, graph.input("enclosed", "int64", ["B", "T + 2"]))
        all_steps = graph.add("Add", [lengths, graph.integers(2)])
        states = add_recurrent(graph, model.language.encoder, enclosed, all_steps).outputs
        inside = graph.add("Slice", [states, graph.integers(1), graph.integers(-1), graph.integers(1)])
        read = graph.add("Concat", [read, inside], axis=-1)
    reading = add_recurrent(graph, model.encoder, read, lengths)
    outputs = {"emissions": add_linear(graph, model.output, reading.outputs)}
    if isinstance(model, IntentTagger):
        outputs["intents"] = add_linear(graph, model.intent, add_pooling(graph, model.pooling, reading, lengths))
    return graph.build(outputs)
