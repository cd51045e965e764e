"""Scores of language models, perplexity with its interval, and the n-gram model that every score stands beside."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.training.corpora import in_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bothways.training.corpora import Corpus
    from bothways.training.kneser_ney import KneserNey

BASELINE = "baseline.safetensors"  # of a model folder: the n-gram model
BLOCK = 1_000  # predictions that are drawn together for the interval, since neighbours are alike
FEWEST_BLOCKS = 30  # where that makes fewer: an interval needs some to draw from
DRAWS = 1_000  # of the bootstrap


@dataclass
class LanguageScores:
    """How well the tokens of some texts were predicted."""

    nats: float  # mean of -log probability over all predictions
    tokens: int  # predictions
    characters: int
    unknown: int  # tokens outside the vocabulary
    interval: tuple[float, float]  # 95%, of the perplexity, by bootstrap over blocks of tokens

    @property
    def perplexity(self) -> float:
        """Exp of the mean of -log probability: as many tokens seemed equally likely at each place."""
        return math.exp(min(self.nats, 700))

    @property
    def bits_per_character(self) -> float:
        """Bits that a text costs, by its characters: comparable between units."""
        return self.nats * self.tokens / math.log(2) / max(1, self.characters)

    def to_dict(self) -> dict[str, Any]:
        """Give everything for JSON."""
        return {**asdict(self), "perplexity": self.perplexity, "bits_per_character": self.bits_per_character}


def score_losses(losses: NDArray[np.floating[Any]], corpus: Corpus, *, seed: int) -> LanguageScores:
    """Turn -log probabilities into scores, with an interval by bootstrap over blocks of neighbours.

    A two-way model has two for each prediction: what it scores is their mean.
    """
    low, high = np.exp(np.minimum(interval_of_mean(losses, seed=seed), 700))
    return LanguageScores(
        float(losses.mean(dtype=np.float64)),
        corpus.predictions,
        corpus.characters,
        corpus.unknown,
        (float(low), float(high)),
    )


def interval_of_mean(values: NDArray[Any], *, seed: int) -> tuple[float, float]:
    """Give the 95% interval of the mean of values in the order of a text, by bootstrap over blocks of neighbours."""
    blocks = np.array_split(values.astype(np.float64), min(len(values), max(FEWEST_BLOCKS, len(values) // BLOCK)))
    sums, sizes = np.array([block.sum() for block in blocks]), np.array([len(block) for block in blocks])
    drawn = np.random.default_rng(seed).integers(0, len(blocks), size=(DRAWS, len(blocks)))
    low, high = np.percentile(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [2.5, 97.5])
    return float(low), float(high)


def baseline_scores(baseline: KneserNey, corpus: Corpus, *, seed: int) -> dict[str, Any]:
    """Score the unigram and the n-gram model on texts."""
    sequences = list(in_order(corpus.sequences))
    found = {
        "unigram": [baseline.unigram_log_probabilities(ids[1:]) for ids in sequences],
        f"{baseline.order}-gram": [baseline.log_probabilities(ids[1:], history=ids[:1]) for ids in sequences],
    }
    return {name: score_losses(-np.concatenate(some), corpus, seed=seed).to_dict() for name, some in found.items()}


def note_on_counting(baseline: KneserNey, tokens: int) -> list[str]:
    """Say that the n-gram model counted a part of so many tokens of training text, if it did."""
    if baseline.steps >= tokens:
        return []
    return [f"The {baseline.order}-gram baseline counted {baseline.steps:,} of {tokens:,} tokens, from everywhere."]


def verdict(scores: dict[str, Any] | None, baselines: dict[str, Any]) -> str | None:
    """Say whether the network beats the n-gram model on the same texts; a loss is said as one."""
    name = next((name for name in baselines if name.endswith("-gram")), None)
    if scores is None or name is None:
        return None
    ours, theirs = scores["perplexity"], baselines[name]["perplexity"]
    figures = f"perplexity {ours:.4g} against {theirs:.4g} on the same texts"
    if theirs < ours:
        return f"The {name} baseline wins: {figures}. For this data it is the better and cheaper model."
    if theirs == ours:
        return f"The network and the {name} baseline are level: {figures}."
    return f"The network beats the {name} baseline: {figures}."
