"""Train a tagger: from prepared sentences to weights, scores, and the hidden Markov model beside them."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from bothways.data.batches import budget_for, plan_epoch
from bothways.data.vectors import read_vectors
from bothways.decoding.chain import LinearChain
from bothways.decoding.schemes import allowed
from bothways.decoding.tagging import HmmTagger, LexiconTagger, independent
from bothways.models.tagger import Tagger
from bothways.nn.chain import Chain
from bothways.training.hmm import fit_hmm
from bothways.training.loop import CheckpointPlan, Job, Listener, train
from bothways.training.tag_scores import TagScores, score_tags

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from bothways.data.batches import Batch
    from bothways.data.lexicon import Lexicon, WordBatch
    from bothways.decoding.hmm import HiddenMarkovModel
    from bothways.decoding.schemes import Scheme
    from bothways.decoding.tagging import TagRunner
    from bothways.settings import TaggerSettings
    from bothways.training.tag_preparation import PreparedTags, TaggedPart

SPREAD = 0.3  # standard deviation of the numbers of pretrained vectors, whatever their file's is


@dataclass
class TrainedTagger:
    """A tagger with all that belongs to it."""

    model: Tagger | None  # None: a hidden Markov model, which is then the baseline itself
    settings: TaggerSettings
    labels: list[str]
    scheme: Scheme
    lexicon: Lexicon
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    scores: TagScores | None = None  # on validation data
    baseline: HiddenMarkovModel | None = None
    baseline_scores: dict[str, Any] = field(default_factory=dict)  # on the same validation data
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False


@dataclass(frozen=True)
class TagBatch:
    """Some sentences with their tags."""

    rows: NDArray[np.int64]
    read: WordBatch
    tags: NDArray[np.int64]  # (B,T)

    @property
    def steps(self) -> int:
        """Words."""
        return int(self.read.lengths.sum())

    @property
    def answers(self) -> int:
        """What the mean of the loss is taken over: one answer for each word."""
        return self.steps


class TorchTagger(LexiconTagger):
    """A tagger that runs on the weights it was trained with."""

    def __init__(self, model: Tagger, labels: list[str], scheme: Scheme, lexicon: Lexicon) -> None:
        self.labels, self.scheme, self.lexicon = labels, scheme, lexicon
        self.chain, self.tag_of = numpy_chain(model, len(labels)), np.arange(len(labels))
        self._model = model

    def run(self, batch: WordBatch) -> NDArray[np.float32]:
        """Score tags; see `LexiconTagger.run`."""
        was_training = self._model.training
        self._model.eval()
        with torch.no_grad():
            found = self._model(*_tensors(batch, self._model.output.weight.device)).float().cpu().numpy()
        self._model.train(was_training)
        return cast("NDArray[np.float32]", found)


def numpy_chain(model: Tagger, labels: int) -> LinearChain:
    """Give the scores of tags next to each other for decoding."""
    chain = model.chain()
    if chain is None:
        return independent(labels)
    return LinearChain(*(part.detach().float().cpu().numpy() for part in chain))


def train_tagger(
    prepared: PreparedTags,
    settings: TaggerSettings,
    *,
    folder: Path | None = None,
    resume: bool = False,
    listener: Listener | None = None,
    checkpoint_steps: int | None = None,
) -> TrainedTagger:
    """Train a tagger.

    Args:
        prepared: sentences, tags, lexicon.
        settings: checked already.
        folder: where checkpoints are kept; None keeps none.
        resume: go on from the checkpoint in `folder`.
        listener: who hears of progress.
        checkpoint_steps: write a checkpoint after every so many batches, besides every 30 seconds.
    """
    if settings.model == "hmm":
        return _count(prepared, settings)
    began = time.monotonic()
    vectors, settings = _initial_vectors(prepared, settings)
    plan = None
    if folder is not None:
        plan = CheckpointPlan(folder / f"seed-{settings.seed}.safetensors", resume, steps=checkpoint_steps)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        model = make_tagger(settings, prepared.labels, prepared.scheme, prepared.lexicon)
        if vectors is not None:
            model.use_vectors(vectors, freeze=settings.freeze_vectors)
            prepared.identity = hashlib.sha256(prepared.identity.encode() + vectors.tobytes()).hexdigest()
        outcome = train(_job(model, prepared, settings), settings, checkpoints=plan, listener=listener)
    trained = TrainedTagger(
        model, settings, prepared.labels, prepared.scheme, prepared.lexicon,
        history=outcome.history, best_epoch=outcome.best_epoch, notes=list(prepared.notes),
        interrupted=outcome.interrupted,
    )  # fmt: skip
    if trained.best_epoch:
        _add_scores(trained, prepared)
    trained.facts = {
        **_facts(prepared),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "training_seconds": round(time.monotonic() - began, 1),
    }
    return trained


def _facts(prepared: PreparedTags) -> dict[str, Any]:
    return {
        "sentences": len(prepared.train.words),
        "words": int(prepared.train.lengths.sum()),
        "validation_sentences": 0 if prepared.validation is None else len(prepared.validation.words),
        "vocabulary": len(prepared.lexicon.words),
    }


def _count(prepared: PreparedTags, settings: TaggerSettings) -> TrainedTagger:
    """Learn a hidden Markov model, and score it."""
    began = time.monotonic()
    trained = TrainedTagger(
        None, settings, prepared.labels, prepared.scheme, prepared.lexicon, best_epoch=1, notes=list(prepared.notes)
    )
    trained.baseline = fit_hmm(prepared.train.words, prepared.train.tags)
    if prepared.validation is not None:
        trained.scores = _score(HmmTagger(trained.baseline, trained.scheme), prepared, settings.seed)
    trained.facts = {**_facts(prepared), "training_seconds": round(time.monotonic() - began, 1)}
    return trained


def _score(runner: TagRunner, prepared: PreparedTags, seed: int) -> TagScores:
    """Score a tagger on the validation sentences."""
    part = prepared.validation
    assert part is not None
    known = {word for words in prepared.train.words for word in words}
    return score_tags(part.words, part.tags, runner.predict(part.words), prepared.scheme, known=known, seed=seed)


def make_tagger(settings: TaggerSettings, labels: list[str], scheme: Scheme, lexicon: Lexicon) -> Tagger:
    """Build the network with fresh weights."""
    possible = None
    if settings.decoder == "crf" and scheme != "none":
        possible = Chain(*map(torch.from_numpy, allowed(labels, scheme)))
    return Tagger(
        settings, labels=len(labels), vocabulary=len(lexicon.words), letters=len(lexicon.letters), allowed=possible
    )


def _initial_vectors(
    prepared: PreparedTags, settings: TaggerSettings
) -> tuple[NDArray[np.float32] | None, TaggerSettings]:
    """The vectors (V,E) that training starts from, and settings of their width; None leaves them random."""
    if settings.vectors is None:
        return None, settings
    vectors = read_vectors(settings.vectors, prepared.lexicon.words, lowercase=settings.lowercase, seed=settings.seed)
    prepared.notes.append(f"{vectors}; embedding_dim is their width.")
    matrix = vectors.matrix * (SPREAD / max(1e-6, float(vectors.matrix[vectors.found].std())))
    return matrix, replace(settings, embedding_dim=vectors.dim)


def _job(model: Tagger, prepared: PreparedTags, settings: TaggerSettings) -> Job:
    part = prepared.train
    number = {label: place for place, label in enumerate(prepared.labels)}
    targets = [np.array([number[tag] for tag in tags], dtype=np.int64) for tags in part.tags]
    lengths = part.lengths
    budget = budget_for(lengths, settings.batch_size)

    def batch(rows: NDArray[np.int64]) -> TagBatch:
        read = prepared.lexicon.batch([part.words[row] for row in rows], rounded=True)
        tags = np.zeros(read.which.shape, dtype=np.int64)
        for place, row in enumerate(rows):
            tags[place, : lengths[row]] = targets[row]
        return TagBatch(rows, read, tags)

    return Job(
        model,
        plan=lambda epoch: plan_epoch(lengths, budget=budget, seed=settings.seed, epoch=epoch),
        batch=batch,  # type: ignore[arg-type]
        descend=_descent(model),
        validate=None if prepared.validation is None else _validator(prepared, prepared.validation),
        identity=prepared.identity,
        monitor=settings.monitor,
    )


def _descent(model: Tagger) -> Callable[[nn.Module, Batch, Callable[[Tensor], None]], Tensor]:
    """What the loop does with a batch: the loss of its tags, a mean over words, and the way back."""

    def descend(module: nn.Module, batch: Batch, go_back: Callable[[Tensor], None]) -> Tensor:
        some = cast("TagBatch", batch)
        device = model.output.weight.device
        read = _tensors(some.read, device)
        tags = torch.from_numpy(some.tags).to(device)
        loss = model.loss(module(*read), tags, read[1]) / some.answers
        go_back(loss)
        return loss

    return descend


def _tensors(batch: WordBatch, device: torch.device) -> list[Tensor]:
    return [torch.from_numpy(part).to(device) for part in batch]


def _validator(prepared: PreparedTags, part: TaggedPart) -> Callable[[nn.Module], dict[str, float]]:
    """Score on validation data after an epoch: loss in nats a word, accuracy, F1 (accuracy where tags are plain)."""

    def validate(module: nn.Module) -> dict[str, float]:
        model = cast("Tagger", module)
        runner = TorchTagger(model, prepared.labels, prepared.scheme, prepared.lexicon)
        found = _score(runner, prepared, seed=0)
        return {"loss": _loss(model, prepared, part), "accuracy": found.accuracy, "f1": found.main}

    return validate


def _loss(model: Tagger, prepared: PreparedTags, part: TaggedPart) -> float:
    """Mean of -log probability of the right tags, nats a word, over sentences whose tags training had."""
    number = {label: place for place, label in enumerate(prepared.labels)}
    rows = [row for row, tags in enumerate(part.tags) if all(tag in number for tag in tags)]
    total, count = 0.0, 0
    device = model.output.weight.device
    with torch.no_grad():
        for first in range(0, len(rows), 64):
            some = rows[first : first + 64]
            read = prepared.lexicon.batch([part.words[row] for row in some])
            tags = np.zeros(read.which.shape, dtype=np.int64)
            for place, row in enumerate(some):
                tags[place, : len(part.tags[row])] = [number[tag] for tag in part.tags[row]]
            tensors = _tensors(read, device)
            total += float(model.loss(model(*tensors), torch.from_numpy(tags).to(device), tensors[1]))
            count += int(read.lengths.sum())
    return total / max(1, count)


def _add_scores(trained: TrainedTagger, prepared: PreparedTags) -> None:
    """Score the network and, on the same validation data, the hidden Markov model."""
    trained.baseline = fit_hmm(prepared.train.words, prepared.train.tags)
    if prepared.validation is None:
        return
    assert trained.model is not None
    seed = trained.settings.seed
    runner = TorchTagger(trained.model, trained.labels, trained.scheme, trained.lexicon)
    trained.scores = _score(runner, prepared, seed)
    said = _score(HmmTagger(trained.baseline, trained.scheme), prepared, seed)
    trained.baseline_scores = {"hmm": said.to_dict()}
