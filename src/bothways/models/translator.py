"""One sequence into another: a reader of the source, attention, and a decoder (Sutskever et al., 2014; Bahdanau et al.,
2015; Luong et al., 2015).

    source ids -> vectors -> encoder, both ways -> keys and values of attention
                                 last states -> tanh, linear -> state the decoder starts from
    target ids -> vectors -> decoder, attending -> features -> softmax over the target's vocabulary

The target's vectors also predict (Press and Wolf, 2017), and with a shared vocabulary they are the source's, too.

Shapes: B pairs, S steps of the longest source, T of the longest target with its end, E width of a token's vector, H
hidden width, V target vocabulary, N tokens of all targets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from bothways.models.classifier import CELLS
from bothways.nn.attention import Attention, Keys
from bothways.nn.decoder import Decoder, DecoderState
from bothways.nn.pooling import is_real
from bothways.nn.reader import State, sequence_dropout
from bothways.nn.softmax import VocabularySoftmax

if TYPE_CHECKING:
    from collections.abc import Callable

    from bothways.nn.reader import Recurrent
    from bothways.settings import TranslatorReaderSettings

LOGITS_AT_ONCE = 1 << 23  # numbers of one block of the loss: it stays near the processor


class Source(NamedTuple):
    """A source that was read."""

    keys: Keys | None  # None without attention
    start: DecoderState


class Translator(nn.Module):
    """Write a target from a source. A pair has the same loss, and the same translation, alone as in company."""

    def __init__(
        self, settings: TranslatorReaderSettings, *, source_vocabulary: int, target_vocabulary: int, shared: bool
    ) -> None:
        """Build a network with fresh weights.

        Args:
            settings: checked already.
            source_vocabulary: ids of the source, `<eos>` counted.
            target_vocabulary: V, `<eos>` counted, which is the last.
            shared: whether both are the same tokens, with the same vectors.
        """
        super().__init__()
        self.dropout, self.embedding_dropout = settings.dropout, settings.embedding_dropout
        width, size, layers = settings.embedding_dim, settings.hidden_size, settings.num_layers
        self.target_embedding = _embedding(target_vocabulary, width)
        self.own_source_embedding = None if shared else _embedding(source_vocabulary, width)
        self.encoder: Recurrent = CELLS[settings.cell_type](
            width,
            size,
            layers,
            direction="both",
            merge="sum" if settings.attention == "dot" else "concatenate",  # dot needs states as wide as the decoder's
            dropout=settings.dropout if layers > 1 else 0.0,
            recompute=settings.recompute,
        )
        attention = None
        if settings.attention != "none":
            attention = Attention(
                settings.attention,
                size,
                self.encoder.output_size,
                width=size if settings.attention == "additive" else None,
                heads=settings.heads,
            )
        self.decoder = Decoder(
            CELLS[settings.decoder_cell],
            input_size=width,
            hidden_size=size,
            feature_size=width,
            num_layers=layers,
            attention=attention,
            input_feeding=settings.input_feeding,
            dropout=settings.dropout,
        )
        before = 2 * len(self.encoder.forward_parts) * layers * size
        self.bridge = nn.Linear(before, len(self.decoder.reader.parts) * layers * size)
        tied = self.target_embedding if settings.tied else None
        self.softmax = VocabularySoftmax(width, target_vocabulary, tied=tied)

    @property
    def source_embedding(self) -> nn.Embedding:
        """The vectors of the source's tokens."""
        return self.target_embedding if self.own_source_embedding is None else self.own_source_embedding

    def read(self, sources: Tensor, lengths: Tensor) -> Source:
        """Read sources.

        Args:
            sources: int64 (B,S), each with `<eos>` at its end.
            lengths: int64 (B,).
        """
        vectors = self._dropped(self.source_embedding(sources), self.embedding_dropout)
        reading = self.encoder(vectors, lengths)
        start = self.decoder.start(self._bridged(reading.final_state))
        if self.decoder.attention is None:
            return Source(None, start)
        outputs = self._dropped(reading.outputs, self.dropout)
        return Source(self.decoder.attention.keys(outputs, lengths.to(outputs.device)), start)

    def forward(
        self,
        sources: Tensor,
        source_lengths: Tensor,
        targets: Tensor,
        target_lengths: Tensor,
        label_smoothing: float = 0.0,
        scheduled_sampling: float = 0.0,
    ) -> tuple[Tensor, Tensor]:
        """Give the losses of translating sources into targets, added up over all tokens, nats.

        Args:
            sources: int64 (B,S), each with `<eos>` at its end.
            source_lengths: int64 (B,).
            targets: int64 (B,T+1), each with `<eos>` before and behind it.
            target_lengths: int64 (B,), with both.
            label_smoothing: probability spread over all tokens, in training.
            scheduled_sampling: share of steps that read the network's own last token, in training.

        Returns:
            What is trained on, with its smoothing; and -log P of the targets, which has no gradient.
        """
        source = self.read(sources, source_lengths)
        before, wanted = targets[:, :-1], targets[:, 1:]
        vectors = self.target_embedding(before)
        mask = self._mask(vectors, self.embedding_dropout)
        vectors = vectors if mask is None else vectors * mask
        if self.training and scheduled_sampling:
            written = self.decoder.sampled(
                vectors, source.start, source.keys, self.chooser(vectors, scheduled_sampling, mask)
            )
        else:
            written = self.decoder(vectors, source.start, source.keys)
        real = is_real(target_lengths.to(targets.device) - 1, wanted.shape[1])
        return self._losses(written.features[real], wanted[real], label_smoothing if self.training else 0.0)

    def step(
        self, tokens: Tensor, state: DecoderState, keys: Keys | None
    ) -> tuple[Tensor, Tensor | None, DecoderState]:
        """Write one token more, of W beginnings of each source; see `Decoder.step`.

        Args:
            tokens: int64 (B,W), the last of each.
            state: before it.
            keys: of the sources.

        Returns:
            Logits of the next token (B,W,V), attention (B,W,S) or None, and the state after.
        """
        features, looks, after = self.decoder.step(self.target_embedding(tokens), state, keys)
        return self.softmax(features), looks, after

    def _losses(self, features: Tensor, wanted: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
        """The losses of features (N,E) whose right tokens are int64 (N,), added up.

        With smoothing e the right token's probability is 1 - e, and e is spread evenly over all V.
        """
        trained, plain = [], []
        rows = max(1, LOGITS_AT_ONCE // len(self.softmax.bias))
        for some, right in zip(torch.split(features, rows), torch.split(wanted, rows), strict=True):
            said = self.softmax(some).float().log_softmax(dim=-1)
            own = functional.nll_loss(said, right, reduction="sum")
            plain.append(own.detach())
            if smoothing:
                own = (1 - smoothing) * own - smoothing * said.mean(dim=-1).sum()
            trained.append(own)
        return torch.stack(trained).sum(), torch.stack(plain).sum()

    def _bridged(self, last: State) -> tuple[Tensor, ...]:
        """From the encoder's last states to what the decoder starts from, (L,B,H) each."""
        ways = [part for way in last if way is not None for part in way]
        known = torch.stack(ways).permute(2, 0, 1, 3).flatten(1)  # (B,·), parts of both ways, layers, H
        layers, size = self.decoder.reader.num_layers, self.decoder.reader.hidden_size
        # In the weights' precision, or under autocast every state of the loop would be rounded as products are.
        start = torch.tanh(self.bridge(known)).to(self.bridge.weight.dtype).reshape(len(known), -1, layers, size)
        return tuple(part.transpose(0, 1).contiguous() for part in start.unbind(1))

    def chooser(self, vectors: Tensor, share: float, mask: Tensor | None = None) -> Callable[[int, Tensor], Tensor]:
        """Let a share of the steps read the likeliest token of the step before in place of the right one.

        Args:
            vectors: float (B,T,E), of the right token before each step.
            share: of the steps, each by itself.
            mask: float (B,1,E), what the vectors were multiplied by; the network's own tokens are, too.

        Returns:
            What `Decoder.sampled` chooses with.
        """

        def choose(step: int, features: Tensor) -> Tensor:
            right = vectors[:, step]
            own = torch.rand(len(right), device=right.device) < share
            with torch.no_grad():
                guessed = self.softmax(features).argmax(dim=-1)
            chosen = self.target_embedding(guessed)
            return torch.where(own[:, None], chosen if mask is None else chosen * mask[:, 0], right)

        return choose

    def _dropped(self, steps: Tensor, share: float) -> Tensor:
        """Drop in training, (B,T,·): one mask for all steps of a sequence."""
        mask = self._mask(steps, share)
        return steps if mask is None else steps * mask

    def _mask(self, steps: Tensor, share: float) -> Tensor | None:
        """Draw that mask, (B,1,·); None drops nothing."""
        return sequence_dropout(steps, len(steps), share)[:, None] if self.training and share else None


def _embedding(vocabulary: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(vocabulary, width, padding_idx=0)
    nn.init.normal_(embedding.weight, std=0.1)
    nn.init.zeros_(embedding.weight[0])
    return embedding
