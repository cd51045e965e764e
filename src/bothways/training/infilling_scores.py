"""Scores of models of missing words, accuracy and pseudo-perplexity with intervals, and what they stand beside."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.training.language_scores import interval_of_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

BASELINE = "baseline.safetensors"  # of a model folder: how often each word occurs
ONE_WAY, UNIGRAM = "one-way", "unigram"  # names of the baselines


@dataclass
class FillScores:
    """How well the words of some texts were predicted from all the others."""

    nats: float  # mean of -log probability over all words
    words: int
    unknown: int  # words outside the vocabulary: of the accuracy they are misses
    accuracy: float  # share of the words that would be proposed first
    accuracy_interval: tuple[float, float]  # 95%, by bootstrap over blocks of words
    interval: tuple[float, float]  # 95%, of the pseudo-perplexity

    @property
    def perplexity(self) -> float:
        """The pseudo-perplexity: exp of the mean of -log p(word | all others)."""
        return math.exp(min(self.nats, 700))

    def to_dict(self) -> dict[str, Any]:
        """Give everything for JSON."""
        return {**asdict(self), "perplexity": self.perplexity}


def scores_of(losses: NDArray[np.floating[Any]], hits: NDArray[np.bool_], *, unknown: int, seed: int) -> FillScores:
    """Turn what was judged of each word, in the order of the texts, into scores with their intervals."""
    low, high = (math.exp(min(bound, 700)) for bound in interval_of_mean(losses, seed=seed))
    return FillScores(
        float(losses.mean(dtype=np.float64)), len(losses), unknown,
        float(hits.mean()), interval_of_mean(hits, seed=seed), (low, high),
    )  # fmt: skip


def verdict(scores: dict[str, Any] | None, baselines: dict[str, Any]) -> str | None:
    """Say what the words on the right are worth, on the same words; a loss is said as one."""
    if scores is None or ONE_WAY not in baselines:
        return None
    other = baselines[ONE_WAY]
    figures = (
        f"accuracy {scores['accuracy']:.4f} against {other['accuracy']:.4f}, "
        f"pseudo-perplexity {scores['perplexity']:.4g} against {other['perplexity']:.4g} on the same words"
    )
    if other["perplexity"] < scores["perplexity"]:
        return f"The one-way model of the same size wins: {figures}. What stands on the right did not help."
    return f"The right context pays against a one-way model of the same size: {figures}."
