"""The linear chain: the sum over all label sequences of a sentence, for training. The CRF and the HMM stand on it.

A path y of a sequence of T steps scores

    s(y) = start[y[1]] + sum over t of emissions[t, y[t]] + sum over t > 1 of transitions[y[t-1], y[t]] + end[y[T]]

and the chain's total is the sum of exp(s(y)) over all K^T paths, in time T·K² (forward algorithm). Its logarithm is the
log partition; its gradient by the emissions is the probability of each label at each step, and by the transitions the
expected number of each pair (forward-backward algorithm). In another semiring the same recursion gives the score of the
best path (Viterbi). A score of -inf forbids.

Shapes: B sequences, T steps in the longest, K labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from bothways.errors import SettingsError
from bothways.nn.once import differentiable_once
from bothways.nn.pooling import is_real
from bothways.nn.reader import check_at_least

if TYPE_CHECKING:
    from collections.abc import Callable

LOG: Callable[[Tensor, int], Tensor] = torch.logsumexp  # semirings: what adds up over a dimension
MAX: Callable[[Tensor, int], Tensor] = torch.amax
LOWEST = torch.finfo(torch.float64).min


class Chain(NamedTuple):
    """The scores that do not hang on the input."""

    transitions: Tensor  # float (K,K): from the row's label to the column's
    start: Tensor  # float (K,)
    end: Tensor  # float (K,)


def total(emissions: Tensor, chain: Chain, lengths: Tensor, semiring: Callable[[Tensor, int], Tensor] = LOG) -> Tensor:
    """Add up all paths in a semiring, step by step: the plain reference, float (B,).

    With `LOG` the log partition; with `MAX` the score of the best path, whose gradient is 1 where it runs.

    Args:
        emissions: float (B,T,K); what stands on padding is not read.
        chain: the other scores.
        lengths: int64 (B,), from 1 to T.
        semiring: what adds up over a dimension.
    """
    reached = chain.start + emissions[:, 0]
    for step in range(1, emissions.shape[1]):
        longer = semiring(reached[:, :, None] + chain.transitions, 1) + emissions[:, step]
        reached = torch.where((step < lengths)[:, None], longer, reached)
    return semiring(reached + chain.end, 1)


def log_partition(emissions: Tensor, chain: Chain, lengths: Tensor) -> Tensor:
    """Give the log of the sum over all paths of exp of their scores, float (B,).

    Both readings of the forward-backward algorithm run side by side in one loop, in float64: the gradient needs no
    second one. Arguments are those of `total`. A step all of whose ways in lie 700 nats below the best counts as
    forbidden.
    """
    lost: Tensor = _LogPartition.apply(emissions, *chain, lengths.to(emissions.device))  # type: ignore[no-untyped-call]
    return lost


def marginals(emissions: Tensor, chain: Chain, lengths: Tensor) -> Tensor:
    """Give the probability of each label at each step, float (B,T,K), zero on padding."""
    with torch.no_grad():
        return _read(emissions, chain, lengths.to(emissions.device)).probabilities().to(emissions.dtype)


def path_score(emissions: Tensor, chain: Chain, labels: Tensor, lengths: Tensor) -> Tensor:
    """Give the score of one path of each sequence, float (B,): labels int64 (B,T), from 0 to K-1 also on padding."""
    lengths = lengths.to(emissions.device)
    real = is_real(lengths, emissions.shape[1])
    at_steps = emissions.gather(2, labels[..., None])[..., 0].masked_fill(~real, 0.0).sum(dim=1)
    between = chain.transitions[labels[:, :-1], labels[:, 1:]].masked_fill(~real[:, 1:], 0.0).sum(dim=1)
    last = labels.gather(1, lengths[:, None] - 1)[:, 0]
    return at_steps + between + chain.start[labels[:, 0]] + chain.end[last]


class LinearChainCRF(nn.Module):
    """A conditional random field over the labels of a sequence (Lafferty, McCallum and Pereira, 2001).

    A sequence gets the same loss alone as beside longer ones. What is not allowed has probability 0.
    """

    def __init__(self, labels: int, *, allowed: Chain | None = None) -> None:
        """Make the scores of labels next to each other, all zero at first.

        Args:
            labels: K.
            allowed: bool tensors; what is False is forbidden. None allows everything.

        Raises:
            SettingsError: sizes that do not fit, or no path is allowed.
        """
        super().__init__()
        check_at_least("labels", labels, 1)
        if allowed is None:
            allowed = Chain(
                *(torch.ones(shape, dtype=torch.bool) for shape in ((labels, labels), (labels,), (labels,)))
            )
        if allowed.transitions.shape != (labels, labels) or {*map(len, allowed)} != {labels}:
            raise SettingsError(
                f"allowed has transitions {tuple(allowed.transitions.shape)}, but there are {labels} labels. "
                f"Give ({labels}, {labels}), and ({labels},) for start and end."
            )
        if not allowed.start.any() or not allowed.end.any():
            raise SettingsError("allowed lets no path begin or end. Allow at least one label at both places.")
        self.transitions = nn.Parameter(torch.zeros(labels, labels))
        self.start = nn.Parameter(torch.zeros(labels))
        self.end = nn.Parameter(torch.zeros(labels))
        for name, part in allowed._asdict().items():
            self.register_buffer(f"{name}_allowed", part.bool(), persistent=False)

    def chain(self) -> Chain:
        """Give the scores, -inf where forbidden."""
        return Chain(
            *(getattr(self, name).masked_fill(~getattr(self, f"{name}_allowed"), -torch.inf) for name in Chain._fields)
        )

    def forward(self, emissions: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        """Give -log probability of the right labels of each sequence, float (B,), nats.

        Args:
            emissions: float (B,T,K).
            labels: int64 (B,T), an allowed path; from 0 to K-1 also on padding.
            lengths: int64 (B,), from 1 to T.
        """
        chain = self.chain()
        if emissions.dtype in (torch.bfloat16, torch.float16):
            emissions = emissions.float()  # two sums of hundreds of nats, whose difference is a few
            chain = Chain(*(part.float() for part in chain))
        return log_partition(emissions, chain, lengths) - path_score(emissions, chain, labels, lengths)

    def extra_repr(self) -> str:
        """Say the size."""
        return f"labels={len(self.start)}"


class _Read(NamedTuple):
    """Both readings of a batch, float64; `before` and `behind` count the emission at their step."""

    emissions: Tensor  # (B,T,K)
    chain: Chain
    lengths: Tensor
    before: Tensor  # (B,T,K), log of the sum over all beginnings that end here
    behind: Tensor  # (B,T,K), log of the sum over all ends that begin here
    partition: Tensor  # (B,)

    def probabilities(self) -> Tensor:
        """The probability of each label at each step, (B,T,K)."""
        real = is_real(self.lengths, self.emissions.shape[1])[..., None]
        # An emission of -inf is in both: the difference would be NaN.
        scores = self.before + self.behind - self.emissions - self.partition[:, None, None]
        return scores.exp().masked_fill(~real | self.before.isneginf() | self.behind.isneginf(), 0.0)

    def pairs(self, weights: Tensor) -> Tensor:
        """The expected number of each pair of labels, (K,K), each sequence counted as often as its weight (B,)."""
        # Of a sequence that is impossible nothing is expected, and its sums would be NaN.
        real = is_real(self.lengths - 1, self.emissions.shape[1] - 1) & self.partition.isfinite()[:, None]
        before, behind = self.before[:, :-1][real], self.behind[:, 1:][real]  # (N,K)
        high, low = before.amax(dim=1), behind.amax(dim=1)
        rows = real.nonzero()[:, 0]
        scale = (high + low - self.partition[rows]).exp() * weights[rows]
        outer = ((before - high[:, None]).exp() * scale[:, None]).T @ (behind - low[:, None]).exp()
        return outer * self.chain.transitions.exp()


def _read(emissions: Tensor, chain: Chain, lengths: Tensor) -> _Read:
    """Run both readings side by side: the backward one is the forward one over the mirrored sequence."""
    emissions = emissions.double()
    chain = Chain(*(part.double() for part in chain))
    emissions = emissions.masked_fill(~is_real(lengths, emissions.shape[1])[..., None], 0.0)
    both = torch.stack([emissions, mirror(emissions, lengths)]).transpose(0, 2).transpose(1, 2)  # (T,2,B,K)
    ways = torch.stack([chain.transitions, chain.transitions.T])  # (2,K,K)
    first = torch.stack([chain.start, chain.end])[:, None]  # (2,1,K)
    read = _recursion(both, ways, first)  # (2,B,T,K)
    before, behind = read[0], mirror(read[1], lengths)
    last = before.gather(1, (lengths - 1)[:, None, None].expand(-1, 1, before.shape[2]))[:, 0]
    return _Read(emissions, chain, lengths, before, behind, torch.logsumexp(last + chain.end, dim=1))


def mirror(steps: Tensor, lengths: Tensor) -> Tensor:
    """Reverse the real steps of each sequence; padding stays put. (B,T,K) -> (B,T,K)"""
    here = torch.arange(steps.shape[1], device=steps.device)
    there = lengths[:, None] - 1 - here
    source = torch.where(there >= 0, there, here)
    return steps.gather(1, source[..., None].expand_as(steps))


def _recursion(emissions: Tensor, ways: Tensor, first: Tensor) -> Tensor:
    """s[1] = first + x[1], s[t] = x[t] + log(exp(s[t-1]) W), W = exp(ways): (T,D,B,K) -> (D,B,T,K).

    The sum over labels is a matrix product of numbers that are at most 1 and of W.
    """
    weights = ways.exp()
    reached = first + emissions[0]
    steps = [reached]
    for step in emissions[1:]:
        high = reached.amax(dim=-1, keepdim=True).clamp_(min=LOWEST)  # where no path leads, -inf is no NaN
        reached = torch.bmm((reached - high).exp(), weights).log_().add_(high).add_(step)
        steps.append(reached)
    return torch.stack(steps, dim=2)


class _LogPartition(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor
    ) -> Tensor:
        read = _read(emissions, Chain(transitions, start, end), lengths)
        ctx.dtypes = [part.dtype for part in (emissions, transitions, start, end)]
        saved = (read.emissions, *read.chain, lengths, read.before, read.behind, read.partition)
        given = (emissions, transitions, start, end)  # what second derivatives would be of
        ctx.save_for_backward(*saved, *given)
        return read.partition.to(emissions.dtype)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, saved: tuple[Tensor, ...], gradient: Tensor) -> tuple[Tensor | None, ...]:
        emissions, transitions, start, end, lengths, before, behind, partition, *_ = saved
        read = _Read(emissions, Chain(transitions, start, end), lengths, before, behind, partition)
        weights = gradient.double()
        found = read.probabilities() * weights[:, None, None]
        last = found.gather(1, (lengths - 1)[:, None, None].expand(-1, 1, found.shape[2]))
        parts = (found, read.pairs(weights), found[:, 0].sum(dim=0), last[:, 0].sum(dim=0))
        return *(part.to(dtype) for part, dtype in zip(parts, ctx.dtypes, strict=True)), None
