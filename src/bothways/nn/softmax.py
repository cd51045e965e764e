"""The softmax over a vocabulary: all of it, or in training a sample of it.

The full loss of a state s whose right token is t needs the logits of all V tokens:

    loss = log Z - l[t],   l[v] = w[v]·s + b[v],   Z = sum over v of exp(l[v])

The sampled loss draws S tokens, the same for all states of a call, and puts in for Z

    Z' = exp(l[t]) + sum over the distinct drawn v other than t of exp(l[v]) / q[v],   q[v] = 1 - (1 - p[v])^S

with q[v] the probability that v is among the drawn, so that the mean of Z' is Z (importance sampling for language
models: Bengio and Senécal, 2003; the same draws for a whole batch: Jean et al., 2015). Frequent tokens are nearly
always drawn, and count as they are.

Gradients of the matrix are sparse then: of the V rows, those that a call read, predicted or drew.

Shapes: N states, E their width, V vocabulary, S draws, R rows that a call needs.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from bothways.errors import SettingsError
from bothways.nn.few_sizes import linear_of_rows, rounded_rows
from bothways.nn.once import differentiable_once
from bothways.nn.reader import check_at_least

FLATTER = 0.75  # power of the frequencies that are drawn from (Mikolov et al., 2013)
LOGITS_AT_ONCE = 1 << 22  # numbers of one block when nothing is trained: bounds the memory


class VocabularySoftmax(nn.Module):
    """Predict a token of a vocabulary from a state; training may compare with a sample of the vocabulary."""

    counts: Tensor

    def __init__(self, width: int, vocabulary: int, *, tied: nn.Embedding | None = None, negatives: int | None = None):
        """Make the weights, or share an embedding's.

        Args:
            width: E.
            vocabulary: V.
            tied: an embedding (V,E) whose weight predicts as well (Press and Wolf, 2017; Inan et al., 2017).
            negatives: S; None compares with all tokens in training, too.

        Raises:
            SettingsError: sizes that cannot be.
        """
        super().__init__()
        check_at_least("width", width, 1)
        check_at_least("vocabulary", vocabulary, 2)
        if negatives is not None:
            check_at_least("negatives", negatives, 1)
        if tied is not None and tied.weight.shape != (vocabulary, width):
            raise SettingsError(
                f"tied has vectors {tuple(tied.weight.shape)}, but ({vocabulary}, {width}) are needed. "
                "Use an embedding of that size, or none."
            )
        self.negatives = negatives
        # In a tuple, so that the embedding's weight is a parameter of its owner alone.
        self._tied = None if tied is None else (tied,)
        self._own = None if tied is not None else nn.Parameter(torch.randn(vocabulary, width) * width**-0.5)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.register_buffer("counts", torch.ones(vocabulary), persistent=False)

    @property
    def weight(self) -> Tensor:
        """What predicts each token, float (V,E)."""
        weight = self._own if self._tied is None else self._tied[0].weight
        assert weight is not None
        return weight

    def use_counts(self, counts: Tensor) -> None:
        """Draw by how often each token occurs, (V,), and start from predicting each as often as that.

        Each counts once more: a token that was never drawn would never be pushed down.
        """
        self.counts = counts.to(self.bias) + 1
        with torch.no_grad():
            self.bias.copy_(torch.log(self.counts / self.counts.sum()))

    def forward(self, states: Tensor) -> Tensor:
        """Score all tokens: float (...,E) -> logits (...,V)."""
        linear = linear_of_rows if states.dim() == 2 else functional.linear
        return linear(states, self.weight, self.bias)

    def loss(self, states: Tensor, targets: Tensor) -> Tensor:
        """Give the mean loss of states (N,E) whose right tokens are int64 (N,), nats."""
        return functional.cross_entropy(self(states).float(), targets)

    def sampled_loss(self, states: Tensor, targets: Tensor, sample: "Sample", vectors: Tensor) -> Tensor:
        """Give the mean sampled loss, nats; `vectors` (R,E) are `take_rows(weight, sample.rows)`."""
        at = sample.places(targets)
        right = (states * functional.embedding(at, vectors)).sum(dim=-1) + self.bias[targets]
        # What is spare counts as if it were always drawn, and more often than that: not at all.
        spare = (0, rounded_rows(len(sample.drawn)) - len(sample.drawn))
        places = functional.pad(sample.drawn, spare)
        log_chance = functional.pad(sample.log_chance, spare, value=torch.inf)
        others = linear_of_rows(states, vectors[places], self.bias[sample.rows[places]])
        held = torch.searchsorted(sample.drawn, at).clamp(max=len(sample.drawn) - 1)
        return _sampled_losses(right.float(), others, log_chance, held, sample.drawn[held] == at).mean()

    @torch.no_grad()
    def losses(self, states: Tensor, targets: Tensor) -> Tensor:
        """Give the full loss of every state, float (N,), nats; not to be trained on."""
        return self.judge(states, targets)[0]

    @torch.no_grad()
    def judge(self, states: Tensor, targets: Tensor, *, never: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        """Give what `losses` gives, and bool (N,): is the right token the likeliest of all but those in `never`?

        Without `never` nothing is compared, and all are False.
        """
        rows = max(1, LOGITS_AT_ONCE // len(self.bias))
        losses = [states.new_zeros(0, dtype=torch.float32)]
        hits = [torch.zeros(0, dtype=torch.bool, device=states.device)]
        for some, right in zip(torch.split(states, rows), torch.split(targets, rows), strict=True):
            logits = self(some).float()
            losses.append(functional.cross_entropy(logits, right, reduction="none"))
            if never is None:
                hits.append(torch.zeros_like(right, dtype=torch.bool))
                continue
            logits[:, list(never)] = -torch.inf
            hits.append(logits.argmax(dim=-1) == right)
        return torch.cat(losses), torch.cat(hits)

    @torch.no_grad()
    def draw(self, tokens: Tensor) -> "Sample":
        """Draw what the tokens of a call, int64 of any shape, are compared with.

        Raises:
            SettingsError: the softmax was made without `negatives`.
        """
        if self.negatives is None:
            raise SettingsError("negatives is None, so that nothing is drawn. Give a number, or use `loss`.")
        share = self.counts.double() ** FLATTER  # rare tokens' shares are lost beside a large sum in float32
        edges = share.cumsum(0)
        places = torch.rand(self.negatives, device=edges.device, dtype=edges.dtype) * edges[-1]
        drawn = torch.unique(torch.searchsorted(edges, places, right=True).clamp(max=len(edges) - 1))
        chance = share[drawn] / edges[-1]
        log_chance = torch.log(-torch.expm1(self.negatives * torch.log1p(-chance)))
        rows = torch.unique(torch.cat([tokens.flatten(), drawn]))
        return Sample(rows, torch.searchsorted(rows, drawn), log_chance.to(self.bias))


class Sample(NamedTuple):
    """The tokens that one call needs."""

    rows: Tensor  # int64 (R,), in ascending order: all that are read, predicted or drawn
    drawn: Tensor  # int64 (S',), the places in `rows` of those drawn, in ascending order, each once
    log_chance: Tensor  # float (S',), the log of the probability of being drawn

    def places(self, tokens: Tensor) -> Tensor:
        """Give the places in `rows` of tokens, which all stand there."""
        return torch.searchsorted(self.rows, tokens)


def _sampled_losses(right: Tensor, others: Tensor, log_chance: Tensor, held: Tensor, is_held: Tensor) -> Tensor:
    """Give log Z' - r of every state, float32 (N,); whatever the logits' precision, all sums are float32.

    Args:
        right: r, float32 (N,), the logit of the right token.
        others: (N,S), the logits of those drawn, of any precision.
        log_chance: float32 (S,), the log of q.
        held: int64 (N,), where the right token stands among those drawn, if it does.
        is_held: bool (N,): it does.
    """
    return _SampledLosses.apply(right, others, log_chance, held, is_held)  # type: ignore[no-any-return, no-untyped-call]


class _SampledLosses(torch.autograd.Function):
    """In as few passes over (N,S) as it takes: what torch makes of the formula goes over it three times as often."""

    @staticmethod
    def forward(ctx: Any, right: Tensor, others: Tensor, log_chance: Tensor, held: Tensor, is_held: Tensor) -> Tensor:
        # In float32, whatever the product was computed in: the logarithm of a small chance is a large number.
        terms = others - log_chance
        there = held[:, None]
        terms.scatter_(1, there, terms.gather(1, there).masked_fill_(is_held[:, None], -torch.inf))
        top = torch.maximum(terms.amax(dim=1), right)
        own = (right - top).exp()
        total = terms.sub_(top[:, None]).exp_().sum(dim=1) + own
        ctx.save_for_backward(terms, own, total, right)  # the last tells what was made of weights
        ctx.kind = others.dtype
        return total.log() + top - right

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, saved: tuple[Tensor, ...], gradient: Tensor) -> tuple[Tensor | None, ...]:
        terms, own, total, _ = saved
        share = gradient / total
        return own * share - gradient, (terms * share[:, None]).to(ctx.kind), None, None, None


def take_rows(matrix: Tensor, rows: Tensor) -> Tensor:
    """Take distinct rows of a matrix, (V,E) -> (R,E); its gradient is sparse, and nothing of V's size is made."""
    return _Rows.apply(matrix, rows)  # type: ignore[no-any-return, no-untyped-call]


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.shape = matrix.shape
        return matrix[rows]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        return torch.sparse_coo_tensor(rows[None], gradient, ctx.shape, is_coalesced=True, check_invariants=False), None
