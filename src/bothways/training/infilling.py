"""Train a model of missing words: from prepared texts to weights, scores, and what they stand beside.

Beside it stand how often each word occurs, and a one-way model of the same size, trained in the same way on the same
texts, that predicts the same words from their left alone: the difference is what the right context is worth.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bothways.data.batches import Batch, budget_for, collate, plan_epoch
from bothways.data.windows import Cut
from bothways.decoding.fill import FillRunner, never_proposed
from bothways.models.infiller import FillNetwork, one_way_of_same_size
from bothways.training.corpora import count_tokens, in_order, vectors_of
from bothways.training.infilling_scores import ONE_WAY, UNIGRAM, FillScores, scores_of
from bothways.training.listening import Listener
from bothways.training.loop import CheckpointPlan, Job, Outcome, going_back_over, refuse_diverged, train
from bothways.training.unigram import Unigram

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from bothways.data.batches import Ints, Sequences
    from bothways.data.language_tokens import LanguageTokens
    from bothways.settings import FillSettings
    from bothways.training.corpora import Corpus, PreparedCorpus


@dataclass
class TrainedInfiller:
    """A model of missing words with all that belongs to it."""

    model: FillNetwork
    settings: FillSettings
    tokens: LanguageTokens
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    scores: dict[str, Any] | None = None  # on validation data
    unigram: Unigram | None = None
    one_way: FillNetwork | None = None  # the baseline, as long as it is in memory
    baseline_scores: dict[str, Any] = field(default_factory=dict)  # on the same validation data
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False


def train_infiller(
    prepared: PreparedCorpus,
    settings: FillSettings,
    *,
    folder: Path | None = None,
    resume: bool = False,
    listener: Listener | None = None,
    checkpoint_steps: int | None = None,
    say: Callable[[str], None] = lambda note: None,
) -> TrainedInfiller:
    """Train a model of missing words, and the one-way model beside it if `settings` ask for it.

    Args:
        prepared: texts and tokenizer; every text a document.
        settings: checked already.
        folder: where checkpoints are kept, one file for each of the two; None keeps none.
        resume: go on from the checkpoints in `folder`.
        listener: who hears of progress, of one training after the other.
        checkpoint_steps: write a checkpoint after every so many batches, besides every 30 seconds.
        say: hears which training begins.
    """
    began = time.monotonic()
    counts = count_tokens(prepared.train, prepared.tokens.size)
    counts[prepared.tokens.eos] = 0  # read, and never predicted

    @cache
    def vectors() -> NDArray[np.float32] | None:
        return vectors_of(prepared.train, settings, prepared.tokens.size)

    def fit(own: FillSettings, *, two_way: bool) -> tuple[FillNetwork, Outcome]:
        plan = None
        if folder is not None:
            place = _place(folder, settings, two_way=two_way)
            plan = CheckpointPlan(place, resume, steps=checkpoint_steps, begins=two_way)
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            network = FillNetwork(own, vocabulary=prepared.tokens.size, two_way=two_way)
            network.start_from(counts, None if plan and plan.goes_on else vectors())
            outcome = train(_job(network, prepared, settings), settings, checkpoints=plan, listener=listener)
        return network, outcome

    model, outcome = fit(settings, two_way=True)
    refuse_diverged(outcome)
    trained = TrainedInfiller(
        model, settings, prepared.tokens,
        history=outcome.history, best_epoch=outcome.best_epoch, notes=[*prepared.notes, *outcome.notes],
        unigram=Unigram(counts), interrupted=outcome.interrupted,
    )  # fmt: skip
    trained.facts = _facts(model, prepared)
    if prepared.validation is not None and trained.best_epoch:
        trained.scores = score(trained, model, prepared.validation).to_dict()
        trained.baseline_scores[UNIGRAM] = score_unigram(trained, prepared.validation).to_dict()
        if settings.one_way_baseline and not trained.interrupted:
            own = one_way_of_same_size(settings, vocabulary=prepared.tokens.size)
            say(f"Beside it, a one-way model of the same size (hidden_size {own.hidden_size}) is trained.")
            _take_one_way(trained, *fit(own, two_way=False), own, prepared.validation)
    trained.facts["training_seconds"] = round(time.monotonic() - began, 1)
    return trained


def _facts(model: FillNetwork, prepared: PreparedCorpus) -> dict[str, Any]:
    """What was trained, and on what."""
    return {
        "texts": len(prepared.train.sequences.lengths),
        "tokens": words_of(prepared.train),
        "unknown": prepared.train.unknown,
        "validation_tokens": 0 if prepared.validation is None else words_of(prepared.validation),
        "vocabulary": prepared.tokens.size,
        "parameters": _parameters(model),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _take_one_way(
    trained: TrainedInfiller, network: FillNetwork, outcome: Outcome, settings: FillSettings, corpus: Corpus
) -> None:
    """Keep the one-way model and its scores, unless its training was stopped."""
    trained.interrupted = outcome.interrupted
    if outcome.diverged:
        trained.notes.append("The training of the one-way model diverged: it does not stand beside the scores.")
        return
    trained.notes += [f"One-way model: {note}" for note in outcome.notes]
    if outcome.best_epoch and not outcome.interrupted:
        trained.one_way = network
        trained.baseline_scores[ONE_WAY] = score(trained, network, corpus).to_dict()
        trained.facts |= {
            "one_way_parameters": _parameters(network),
            "one_way_hidden_size": settings.hidden_size,
            "one_way_best_epoch": outcome.best_epoch,
        }


def _place(folder: Path, settings: FillSettings, *, two_way: bool) -> Path:
    return folder / f"{'seed' if two_way else 'one-way'}-{settings.seed}.safetensors"


def _parameters(model: FillNetwork) -> int:
    return sum(weight.numel() for weight in model.parameters())


def words_of(corpus: Corpus) -> int:
    """Count the words of documents that stand between `<eos>`."""
    return int((corpus.sequences.lengths - 2).sum())


@dataclass(frozen=True)
class _Pieces(Batch):
    """Pieces of texts, each with a token before and one behind its words."""

    @property
    def answers(self) -> int:
        """Every word is predicted."""
        return self.steps - 2 * len(self.rows)


def _job(model: FillNetwork, prepared: PreparedCorpus, settings: FillSettings) -> Job:
    pieces = Cut(prepared.train.sequences, settings.window - 2, shared=2)
    lengths = pieces.lengths
    budget = budget_for(lengths, settings.batch_size)
    ways = "both-ways" if model.two_way else ONE_WAY
    return Job(
        model,
        plan=lambda epoch: plan_epoch(lengths, budget=budget, seed=settings.seed, epoch=epoch),
        batch=lambda rows: _batch(pieces, rows),
        descend=going_back_over(_loss(model)),
        validate=None if prepared.validation is None else _validator(prepared, prepared.validation, settings),
        identity=f"{prepared.identity}-{ways}",
    )


def _batch(pieces: Sequences, rows: Ints) -> Batch:
    batch = collate(pieces, rows)
    return _Pieces(batch.rows, batch.inputs, batch.lengths)


def _loss(model: FillNetwork) -> Callable[[nn.Module, Batch], Tensor]:
    def loss(module: nn.Module, batch: Batch) -> Tensor:
        device = model.softmax.bias.device
        found: Tensor = module(torch.from_numpy(batch.inputs).to(device), torch.from_numpy(batch.lengths).to(device))[0]
        return found

    return loss


def _validator(
    prepared: PreparedCorpus, corpus: Corpus, settings: FillSettings
) -> Callable[[nn.Module], dict[str, float]]:
    """Score on validation data after an epoch: mean loss in nats, and accuracy."""

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, FillNetwork)
        losses, hits = TorchInfiller(module, prepared.tokens, settings.window).judge(corpus.sequences)
        return {"loss": float(losses.mean(dtype=np.float64)), "accuracy": float(hits.mean())}

    return validate


class TorchInfiller(FillRunner):
    """A model of missing words that runs on the weights it was trained with."""

    def __init__(self, model: FillNetwork, tokens: LanguageTokens, window: int) -> None:
        self.tokens, self.window = tokens, window
        self._model = model.eval()

    def run(self, ids: NDArray[np.int64], lengths: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read ids; see `FillRunner.run`."""
        device = self._model.softmax.bias.device
        with torch.no_grad():
            given = (torch.from_numpy(array).to(device) for array in (ids, lengths, places))
            logits: NDArray[np.float32] = self._model.outputs(*given).cpu().numpy()
        return logits

    def judge_batch(
        self, ids: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Judge words; see `FillRunner.judge_batch`."""
        device = self._model.softmax.bias.device
        found = self._model.judge(
            torch.from_numpy(ids).to(device), torch.from_numpy(lengths).to(device), never_proposed(self.tokens)
        )
        losses, hits = (part.cpu().numpy() for part in found)
        return losses, hits


def score(trained: TrainedInfiller, model: FillNetwork, corpus: Corpus) -> FillScores:
    """Score a network, the trained one or the one beside it, on documents."""
    losses, hits = TorchInfiller(model, trained.tokens, trained.settings.window).judge(corpus.sequences)
    return scores_of(losses, hits, unknown=corpus.unknown, seed=trained.settings.seed)


def score_unigram(trained: TrainedInfiller, corpus: Corpus) -> FillScores:
    """Score the frequencies of words on the same documents."""
    assert trained.unigram is not None
    words = np.concatenate([ids[1:-1] for ids in in_order(corpus.sequences)])
    losses, hits = trained.unigram.judge(words, never_proposed(trained.tokens))
    return scores_of(losses, hits, unknown=corpus.unknown, seed=trained.settings.seed)
