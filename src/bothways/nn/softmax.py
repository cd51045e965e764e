"""The softmax over a vocabulary: all of it, or in training a sample of it.

The full loss of a state s whose right token is t needs the logits of all V tokens:

    loss = log Z - l[t],   l[v] = w[v]·s + b[v],   Z = sum over v of exp(l[v])

The sampled loss draws S tokens, the same for all states of a call, and puts in for Z

    Z' = exp(l[t]) + sum over the distinct drawn v other than t of exp(l[v]) / q[v],   q[v] = 1 - (1 - p[v])^S

with q[v] the probability that v is among the drawn, so that the mean of Z' is Z (importance sampling for language
models: Bengio and Senécal, 2003; the same draws for a whole batch: Jean et al., 2015). Frequent tokens are nearly
always drawn, and count as they are.

Shapes: N states, E their width, V vocabulary, S draws.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from bothways.errors import SettingsError
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
        """Draw by how often each token occurs, (V,), and start from predicting each as often as that."""
        self.counts = counts.to(self.bias)
        with torch.no_grad():
            self.bias.copy_(torch.log((self.counts + 1) / (self.counts + 1).sum()))

    def forward(self, states: Tensor) -> Tensor:
        """Score all tokens: float (...,E) -> logits (...,V)."""
        return functional.linear(states, self.weight, self.bias)

    def loss(self, states: Tensor, targets: Tensor) -> Tensor:
        """Give the mean loss of states (N,E) whose right tokens are int64 (N,), nats; sampled if so asked, to train."""
        if self.negatives is None or not self.training:
            return functional.cross_entropy(self(states).float(), targets)
        drawn, log_chance = self._draw(self.negatives)
        right = (states * self.weight[targets]).sum(dim=-1) + self.bias[targets]
        others = functional.linear(states, self.weight[drawn], self.bias[drawn] - log_chance)
        others = others.float().masked_fill(targets[:, None] == drawn, -torch.inf)
        right = right.float()
        return (torch.logaddexp(right, torch.logsumexp(others, dim=-1)) - right).mean()

    @torch.no_grad()
    def losses(self, states: Tensor, targets: Tensor) -> Tensor:
        """Give the full loss of every state, float (N,), nats; not to be trained on."""
        rows = max(1, LOGITS_AT_ONCE // len(self.bias))
        found = [
            functional.cross_entropy(self(some).float(), right, reduction="none")
            for some, right in zip(states.split(rows), targets.split(rows), strict=True)
        ]
        return torch.cat(found) if found else states.new_zeros(0)

    @torch.no_grad()
    def _draw(self, draws: int) -> tuple[Tensor, Tensor]:
        """Draw tokens: the distinct ones, int64 (S',), and the log of each one's chance to be among them, (S',)."""
        share = self.counts**FLATTER
        edges = share.cumsum(0)
        places = torch.rand(draws, device=edges.device, dtype=edges.dtype) * edges[-1]
        drawn = torch.unique(torch.searchsorted(edges, places, right=True).clamp(max=len(edges) - 1))
        chance = share[drawn] / edges[-1]
        return drawn, torch.log(-torch.expm1(draws * torch.log1p(-chance)))
