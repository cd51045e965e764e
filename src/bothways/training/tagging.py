"""Train a tagger: from prepared sentences to weights, scores, and the hidden Markov model beside them."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch.nn import functional

from bothways.data.batches import budget_for, plan_epoch, plan_in_order_of_length
from bothways.data.vectors import read_vectors
from bothways.decoding.tagging import WORDS_AT_ONCE, HmmTagger, IntentRunner
from bothways.training.baselines import Baselines
from bothways.training.hmm import fit_hmm
from bothways.training.listening import Listener
from bothways.training.loop import CheckpointPlan, Job, Outcome, notes_by_seed, refuse_diverged, train
from bothways.training.tag_baselines import score_baselines
from bothways.training.tag_network import make_tagger, running, tensors
from bothways.training.tag_scores import TagScores, accuracy_and_f1, score_tags

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
    from bothways.models.tagger import Tagger
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
    by_seed: list[dict[str, float]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False
    intents: list[str] = field(default_factory=list)  # that there are; empty for a tagger alone
    intent_baselines: Baselines | None = None
    intent_baseline_scores: dict[str, Any] = field(default_factory=dict)  # on the same validation data

    def runner(self) -> TagRunner:
        """What tags with it, as it is in memory."""
        if self.model is not None:
            return running(self.model, self.labels, self.scheme, self.lexicon, self.intents)
        assert self.baseline is not None
        return HmmTagger(self.baseline, self.scheme)


@dataclass(frozen=True)
class TagBatch:
    """Some sentences with their tags."""

    read: WordBatch
    tags: NDArray[np.int64]  # (B,T)
    intents: NDArray[np.int64] | None = None  # (B,)

    @property
    def steps(self) -> int:
        """Words."""
        return int(self.read.lengths.sum())

    @property
    def answers(self) -> int:
        """What the mean of the loss is taken over: one answer for each word."""
        return self.steps


def train_tagger(
    prepared: PreparedTags,
    settings: TaggerSettings,
    *,
    folder: Path | None = None,
    resume: bool = False,
    listener: Listener | None = None,
    checkpoint_steps: int | None = None,
) -> TrainedTagger:
    """Train one tagger for each seed and give the one that validates best.

    Args:
        prepared: sentences, tags, lexicon.
        settings: checked already.
        folder: where checkpoints are kept; None keeps none.
        resume: go on from the checkpoints in `folder`.
        listener: who hears of progress.
        checkpoint_steps: write a checkpoint after every so many batches, besides every 30 seconds.
    """
    if settings.model == "hmm":
        return _count(prepared, settings)
    began = time.monotonic()
    vectors, settings = _initial_vectors(prepared, settings)
    tried = []
    for seed in range(settings.seed, settings.seed + settings.seeds):
        path = None if folder is None else folder / f"seed-{seed}.safetensors"
        begins = seed == settings.seed
        plan = None if path is None else CheckpointPlan(path, resume, steps=checkpoint_steps, begins=begins)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            shape = None if prepared.language is None else prepared.language.shape
            model = make_tagger(
                settings, prepared.labels, prepared.scheme, prepared.lexicon, shape, intents=len(prepared.intents)
            )
            if prepared.language is not None:
                prepared.language.load_into(model)
            if vectors is not None:
                model.use_vectors(vectors, freeze=settings.freeze_vectors)
            job = _job(model, prepared, settings, seed, _identity(prepared, vectors, seed))
            tried.append((model, train(job, settings, checkpoints=plan, listener=listener)))
        if tried[-1][1].interrupted:
            break
    trained = _best_of(tried, prepared, settings)
    if trained.best_epoch:
        trained.baseline = fit_hmm(prepared.train.words, prepared.train.tags)
        if trained.intents:
            texts = [" ".join(words) for words in prepared.train.words]
            trained.intent_baselines = Baselines.fit(texts, prepared.train.intents, seed=settings.seed)
        _add_scores(trained, prepared)
    trained.facts = {
        **_facts(prepared),
        "parameters": sum(weight.numel() for weight in tried[0][0].parameters()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "training_seconds": round(time.monotonic() - began, 1),
    }
    return trained


def _monitor(settings: TaggerSettings, scheme: Scheme) -> str:
    """The score that decides on the best epoch."""
    return "accuracy" if settings.monitor == "f1" and scheme == "none" else settings.monitor


def _identity(prepared: PreparedTags, vectors: NDArray[np.float32] | None, seed: int) -> str:
    """A fingerprint of everything that decides on the weights."""
    start = b"" if vectors is None else vectors.tobytes()
    return f"{hashlib.sha256(prepared.identity.encode() + start).hexdigest()}-{seed}"


def _best_of(tried: list[tuple[Tagger, Outcome]], prepared: PreparedTags, settings: TaggerSettings) -> TrainedTagger:
    """The one of several trainings that validates best, with what the others reached."""
    usable = [place for place, (_, outcome) in enumerate(tried) if outcome.best_epoch]
    model, outcome = tried[
        max(usable, key=lambda place: tried[place][1].reached(_monitor(settings, prepared.scheme)), default=0)
    ]
    interrupted = tried[-1][1].interrupted
    if not interrupted:
        refuse_diverged(outcome)
    notes = [*prepared.notes, *notes_by_seed([one for _, one in tried], settings.seed)]
    return TrainedTagger(
        model, settings, prepared.labels, prepared.scheme, prepared.lexicon,
        history=outcome.history, best_epoch=0 if outcome.diverged else outcome.best_epoch, notes=notes,
        by_seed=[
            {"seed": settings.seed + place, **tried[place][1].history[tried[place][1].best_epoch - 1]}
            for place in usable
        ],
        interrupted=interrupted, intents=prepared.intents,
    )  # fmt: skip


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
    _add_scores(trained, prepared)
    trained.facts = {**_facts(prepared), "training_seconds": round(time.monotonic() - began, 1)}
    return trained


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


def _job(model: Tagger, prepared: PreparedTags, settings: TaggerSettings, seed: int, identity: str) -> Job:
    part = prepared.train
    targets, intents = _numbers(part, prepared.labels), _intent_numbers(part, prepared.intents)
    lengths = part.lengths
    budget = budget_for(lengths, settings.batch_size)
    return Job(
        model,
        plan=lambda epoch: plan_epoch(lengths, budget=budget, seed=seed, epoch=epoch),
        batch=lambda rows: _batch(part, targets, intents, prepared.lexicon, rows, rounded=True),  # type: ignore[arg-type,return-value]
        descend=_descent(model),
        validate=None if prepared.validation is None else _validator(prepared, prepared.validation),
        identity=identity,
        monitor=_monitor(settings, prepared.scheme),
        loss_settles=True,  # F1 is 0 while a network still learns that O is frequent: that must not end its training
    )


def _numbers(part: TaggedPart, labels: list[str]) -> list[NDArray[np.int64]]:
    """The tags of each sentence as places among the labels; -1 for one that is not there."""
    number = {label: place for place, label in enumerate(labels)}
    return [np.array([number.get(tag, -1) for tag in tags], dtype=np.int64) for tags in part.tags]


def _intent_numbers(part: TaggedPart, intents: list[str]) -> NDArray[np.int64] | None:
    """The intent of each sentence as its place among all, (N,), -1 for one that is not there; None without intents."""
    if not intents:
        return None
    number = {intent: place for place, intent in enumerate(intents)}
    return np.array([number.get(intent, -1) for intent in part.intents], dtype=np.int64)


def _batch(
    part: TaggedPart,
    targets: list[NDArray[np.int64]],
    intents: NDArray[np.int64] | None,
    lexicon: Lexicon,
    rows: NDArray[np.int64],
    *,
    rounded: bool,
) -> TagBatch:
    """Some sentences with their tags and intents."""
    read = lexicon.batch([part.words[row] for row in rows], rounded=rounded)
    tags = np.zeros(read.which.shape, dtype=np.int64)
    for place, row in enumerate(rows):
        tags[place, : len(targets[row])] = targets[row]
    return TagBatch(read, tags, None if intents is None else intents[rows])


def _descent(model: Tagger) -> Callable[[nn.Module, Batch, Callable[[Tensor], None]], Tensor]:
    """What the loop does with a batch: the loss of its tags, a mean over words, and the way back.

    The loss of intents is a mean over sentences, and is added.
    """

    def descend(module: nn.Module, batch: Batch, go_back: Callable[[Tensor], None]) -> Tensor:
        some = cast("TagBatch", batch)
        loss = _loss(model, module, some) / some.answers
        go_back(loss)
        return loss

    return descend


def _loss(model: Tagger, module: nn.Module, batch: TagBatch) -> Tensor:
    """-log probability of the right tags of a batch, nats, added up; `module` is the model as it is to be called.

    That of the right intents counts as often as a sentence has words.
    """
    device = model.output.weight.device
    read = tensors(batch.read, device)
    tags, found = torch.from_numpy(batch.tags).to(device), module(*read)
    if batch.intents is None:
        return model.loss(found, tags, read[1])
    emissions, asked = found
    wanted = torch.from_numpy(batch.intents).to(device)
    return model.loss(emissions, tags, read[1]) + functional.cross_entropy(asked.float(), wanted) * batch.answers


def _validator(prepared: PreparedTags, part: TaggedPart) -> Callable[[nn.Module], dict[str, float]]:
    """Score on validation data after an epoch: loss in nats a word, accuracy and, where tags mark entities, F1."""
    targets, intents = _numbers(part, prepared.labels), _intent_numbers(part, prepared.intents)
    # No probability is known of what training never had: such sentences count in the other scores alone.
    known = np.flatnonzero(part.known(prepared.labels, prepared.intents))
    plan = [known[places] for places in plan_in_order_of_length(part.lengths[known], budget=WORDS_AT_ONCE)]

    def validate(module: nn.Module) -> dict[str, float]:
        model = cast("Tagger", module)
        total, answers = 0.0, 0
        with torch.no_grad():
            for rows in plan:
                batch = _batch(part, targets, intents, prepared.lexicon, rows, rounded=False)
                total += float(_loss(model, model, batch))
                answers += batch.answers
        runner = running(model, prepared.labels, prepared.scheme, prepared.lexicon, prepared.intents)
        intents_given: list[str] = []
        if isinstance(runner, IntentRunner):
            intents_given, tags = runner.predict(part.words)
        else:
            tags = runner.predict(part.words)
        accuracy, f1 = accuracy_and_f1(part.tags, tags, prepared.scheme)
        row = {"loss": total / answers} if answers else {}
        row |= {"accuracy": accuracy, **({} if prepared.scheme == "none" else {"f1": f1})}
        whole = [one == other for one, other in zip(part.tags, tags, strict=True)]
        if intents_given:
            asked = [one == other for one, other in zip(part.intents, intents_given, strict=True)]
            row["intent_accuracy"] = float(np.mean(asked))
            whole = [one and other for one, other in zip(whole, asked, strict=True)]
        return {**row, "sentence": float(np.mean(whole))}

    return validate


def _add_scores(trained: TrainedTagger, prepared: PreparedTags) -> None:
    """Score a tagger on the validation sentences, beside the baselines."""
    part, counted = prepared.validation, trained.baseline
    if part is None:
        return
    assert counted is not None
    known = set(counted.written.names)

    runner, seed, asked = trained.runner(), trained.settings.seed, None
    if isinstance(runner, IntentRunner):
        found, tags = runner.predict(part.words)
        asked = part.intents, found
    else:
        tags = runner.predict(part.words)
    if trained.intent_baselines is not None:
        texts = [" ".join(words) for words in part.words]
        trained.intent_baseline_scores = trained.intent_baselines.scores(texts, part.intents)

    def score(predicted: list[list[str]], intents: tuple[list[str], list[str]] | None = None) -> TagScores:
        return score_tags(part.words, part.tags, predicted, prepared.scheme, known=known, seed=seed, intents=intents)

    trained.scores = score(tags, asked)
    trained.baseline_scores = score_baselines(
        counted, part.words, prepared.scheme, score, beside_itself=trained.model is None
    )
