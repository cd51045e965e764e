"""Train a classifier: from prepared rows to weights, a temperature, scores and baselines."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from bothways.data.batches import Batch, InMemory, budget_for, collate, plan_epoch, plan_in_order_of_length
from bothways.data.vectors import read_vectors
from bothways.decoding.probabilities import softmax
from bothways.errors import MissingFileError, SettingsError, counted
from bothways.models.classifier import Classifier
from bothways.training.adversarial import adversarial_descent
from bothways.training.baselines import Baselines
from bothways.training.cooccurrence import cooccurrence_vectors
from bothways.training.labels import names_of
from bothways.training.listening import Listener
from bothways.training.loop import CheckpointPlan, Job, Outcome, going_back_over, notes_by_seed, refuse_diverged, train
from bothways.training.metrics import ClassificationScores, fit_temperature, score_answers, score_classification
from bothways.training.preparation import Part, Prepared, concatenated
from bothways.training.pretrained import Pretrained, paces

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from bothways.data.batches import Ints, Sequences
    from bothways.data.tokenizer import Tokenizer
    from bothways.settings import ClassifierSettings

STEPS_AT_ONCE = 16_384  # padded steps in one call when nothing is trained


@dataclass
class TrainedClassifier:
    """A classifier with all that belongs to it."""

    model: Classifier
    settings: ClassifierSettings
    classes: list[Any]
    tokenizer: Tokenizer | None
    features: int | None
    temperature: float = 1.0
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    scores: ClassificationScores | None = None  # on validation data
    baselines: Baselines | None = None
    baseline_scores: dict[str, Any] = field(default_factory=dict)  # on the same validation data
    by_seed: list[dict[str, float]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)  # rows, seconds, threads, versions
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False


def train_classifier(
    prepared: Prepared,
    settings: ClassifierSettings,
    *,
    folder: Path | None = None,
    resume: bool = False,
    listener: Listener | None = None,
    start_from: Classifier | None = None,
    pretrained: Pretrained | None = None,
    checkpoint_steps: int | None = None,
    baselines: bool = True,
) -> TrainedClassifier:
    """Train one classifier for each seed and give the one that validates best.

    Args:
        prepared: rows, classes and tokenizer.
        settings: checked already.
        folder: where checkpoints are kept; None keeps none.
        resume: go on from the checkpoints in `folder`.
        listener: who hears of progress.
        start_from: weights to train further.
        pretrained: the language model that `settings` were adapted to.
        checkpoint_steps: write a checkpoint after every so many batches, besides every 30 seconds.
        baselines: fit what the scores stand beside.
    """
    began = time.monotonic()
    vectors = None
    if pretrained is not None:
        prepared.identity = hashlib.sha256(prepared.identity.encode() + pretrained.fingerprint).hexdigest()
        prepared.notes.append(pretrained.note)
    elif prepared.tokenizer is not None and start_from is None:
        vectors, settings = _initial_vectors(prepared, prepared.tokenizer, settings)
    if vectors is not None:
        prepared.identity = hashlib.sha256(prepared.identity.encode() + vectors.tobytes()).hexdigest()
    budget = budget_for(_read_lengths(prepared.train.sequences, settings), settings.batch_size)
    tried = []
    for seed in range(settings.seed, settings.seed + settings.seeds):
        path = None if folder is None else folder / f"seed-{seed}.safetensors"
        begins = seed == settings.seed
        plan = None if path is None else CheckpointPlan(path, resume, steps=checkpoint_steps, begins=begins)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = _fresh(prepared, settings, start_from or pretrained, vectors)
            job = _job(model, prepared, settings, seed, budget)
            job.paces = [] if pretrained is None else paces(model, settings)
            tried.append((model, train(job, settings, checkpoints=plan, listener=listener)))
        if tried[-1][1].interrupted:
            break
    trained, best = _best_of(tried, prepared, settings)
    if prepared.validation is not None and trained.best_epoch:
        _calibrate_and_score(trained, prepared.validation)
    if settings.refit and prepared.validation is not None and not trained.interrupted:
        _refit(
            trained, prepared, folder, resume, listener, start_from or pretrained, vectors, budget, settings.seed + best
        )
    if trained.best_epoch and baselines:
        _fit_baselines(trained, prepared)
    trained.facts = {
        **_facts(trained, prepared),
        **trained.facts,
        "training_seconds": round(time.monotonic() - began, 1),
    }
    return trained


def _best_of(
    tried: list[tuple[Classifier, Outcome]], prepared: Prepared, settings: ClassifierSettings
) -> tuple[TrainedClassifier, int]:
    """The one of several trainings that validates best, with what the others reached, and its place among them."""
    usable = [place for place, (_, outcome) in enumerate(tried) if outcome.best_epoch]
    best = max(usable, key=lambda place: tried[place][1].reached(settings.monitor), default=0)
    model, outcome = tried[best]
    interrupted = tried[-1][1].interrupted
    if not interrupted:
        refuse_diverged(outcome)
    notes = [*prepared.notes, *notes_by_seed([one for _, one in tried], settings.seed)]
    trained = TrainedClassifier(
        model, settings, prepared.classes, prepared.tokenizer, prepared.features,
        history=outcome.history, best_epoch=0 if outcome.diverged else outcome.best_epoch, notes=notes,
        interrupted=interrupted,
        by_seed=[
            {"seed": settings.seed + place, **one.history[one.best_epoch - 1]}
            for place, (_, one) in enumerate(tried) if one.best_epoch
        ],
    )  # fmt: skip
    return trained, best


def _facts(trained: TrainedClassifier, prepared: Prepared) -> dict[str, Any]:
    return {
        "rows": len(prepared.train.targets),
        "validation_rows": 0 if prepared.validation is None else len(prepared.validation.targets),
        "steps": int(prepared.train.sequences.lengths.sum()),
        "vocabulary": None if prepared.tokenizer is None else len(prepared.tokenizer),
        "parameters": sum(weight.numel() for weight in trained.model.parameters()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def compute_logits(model: Classifier, sequences: Sequences) -> NDArray[np.float32]:
    """Score sequences without training, in order: float32 (N,K)."""
    was_training = model.training
    model.eval()
    logits = np.zeros((len(sequences.lengths), model.output.out_features), dtype=np.float32)
    with torch.no_grad():
        for rows in plan_in_order_of_length(sequences.lengths, budget=STEPS_AT_ONCE):
            logits[rows] = _forward(model, collate(sequences, rows), model.output.weight.device).float().cpu().numpy()
    model.train(was_training)
    return logits


def _forward(model: nn.Module, batch: Batch, device: torch.device) -> Tensor:
    inputs, lengths = torch.from_numpy(batch.inputs), torch.from_numpy(batch.lengths)
    return model(inputs.to(device), lengths.to(device))  # type: ignore[no-any-return]


def _initial_vectors(
    prepared: Prepared, tokenizer: Tokenizer, settings: ClassifierSettings
) -> tuple[NDArray[np.float32] | None, ClassifierSettings]:
    """The vectors (V,E) that training starts from, and settings of their width; None leaves them random."""
    if settings.vectors is not None:
        vectors = read_vectors(settings.vectors, tokenizer.vocabulary, lowercase=settings.lowercase, seed=settings.seed)
        prepared.notes.append(f"{vectors}; embedding_dim is their width.")
        return vectors.matrix, replace(settings, embedding_dim=vectors.dim)
    if settings.initial_vectors == "random":
        return None, settings
    matrix = cooccurrence_vectors(
        prepared.train.sequences, vocabulary=len(tokenizer), dim=settings.embedding_dim, seed=settings.seed
    )
    return matrix, settings


def check_vectors(settings: ClassifierSettings) -> None:
    """Refuse, before anything slow starts, a file of vectors that is not there."""
    if settings.vectors is not None and not Path(settings.vectors).is_file():
        raise MissingFileError(f"{settings.vectors} does not exist. Check the path given with --vectors.")


def check_refit(settings: ClassifierSettings) -> None:
    """Refuse, before anything slow starts, a refit that the clock would cut: it trains for the epochs chosen."""
    if settings.refit and settings.minutes is not None:
        raise SettingsError(
            "refit is True beside minutes, but it trains for whole epochs, as many as were chosen. Leave one out."
        )


def _read_lengths(sequences: Sequences, settings: ClassifierSettings) -> Ints:
    """Steps of every sequence that one epoch reads."""
    return sequences.lengths if settings.crop is None else np.minimum(sequences.lengths, settings.crop)


def _training_batch(sequences: Sequences, rows: Ints, settings: ClassifierSettings) -> Batch:
    """Collate rows to train on, each cropped at a random place if that is asked for."""
    if settings.crop is None:
        return collate(sequences, rows)
    crop = settings.crop
    # torch's generator draws, since its state is what a checkpoint keeps.
    places = torch.rand(len(rows)).tolist()
    cropped = []
    for sequence, place in zip(sequences.take(rows), places, strict=True):
        start = int(place * (max(0, len(sequence) - crop) + 1))
        cropped.append(sequence[start : start + crop])
    return replace(collate(InMemory(cropped), np.arange(len(rows))), rows=rows)


def _fresh(
    prepared: Prepared,
    settings: ClassifierSettings,
    start_from: Classifier | Pretrained | None,
    vectors: NDArray[np.float32] | None,
) -> Classifier:
    vocabulary = None if prepared.tokenizer is None else len(prepared.tokenizer)
    model = Classifier(settings, labels=len(prepared.classes), vocabulary=vocabulary, features=prepared.features)
    if isinstance(start_from, Pretrained):
        start_from.load_into(model)
        return model
    if start_from is not None:
        model.load_state_dict(start_from.state_dict())
        if model.embedding is not None:
            model.embedding.weight.requires_grad_(not settings.freeze_vectors)
        return model
    if prepared.features is not None:
        model.use_scale(*_scale(prepared.train.sequences))
    if vectors is not None:
        model.use_vectors(vectors, freeze=settings.freeze_vectors)
    return model


def _scale(sequences: Sequences) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation of every number over all steps of the training data, each (F,)."""
    steps = np.concatenate(sequences.take(np.arange(len(sequences.lengths)))).astype(np.float64)
    still = (steps == steps[0]).all(axis=0)  # compared, as rounding may make a deviation of 1e-17
    return steps.mean(axis=0).astype(np.float32), np.where(still, 1, steps.std(axis=0)).astype(np.float32)


def _job(model: Classifier, prepared: Prepared, settings: ClassifierSettings, seed: int, budget: int) -> Job:
    sequences, targets = prepared.train.sequences, prepared.train.targets
    lengths = _read_lengths(sequences, settings)
    return Job(
        model,
        plan=lambda epoch: plan_epoch(lengths, budget=budget, seed=seed, epoch=epoch),
        batch=lambda rows: _training_batch(sequences, rows, settings),
        descend=_descent(model, targets, settings, labels=len(prepared.classes)),
        validate=None if prepared.validation is None else _validator(prepared.validation, prepared.classes),
        identity=f"{prepared.identity}-{seed}",
        monitor=settings.monitor,
    )


def _descent(
    model: Classifier, targets: Ints, settings: ClassifierSettings, *, labels: int
) -> Callable[[nn.Module, Batch, Callable[[Tensor], None]], Tensor]:
    """What the loop does with a batch: the loss of the answers, and the way back."""
    weights = None
    if settings.class_weight == "balanced":
        known = targets[targets >= 0]
        counts = np.bincount(known, minlength=labels)
        weights = torch.tensor(len(known) / (np.count_nonzero(counts) * np.maximum(counts, 1)), dtype=torch.float32)

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        device = logits.device
        wanted = torch.from_numpy(targets[batch.rows]).to(device)
        losses = functional.cross_entropy(
            logits.float(), wanted, reduction="none", label_smoothing=settings.label_smoothing
        )
        # Weighted by hand: cross_entropy would divide by the batch's own weights, and a batch of one row undo its own.
        return losses.mean() if weights is None else (weights.to(device)[wanted] * losses).mean()

    if settings.adversarial:
        return adversarial_descent(model, loss, settings.adversarial)
    return going_back_over(lambda module, batch: loss(_forward(module, batch, model.output.weight.device), batch))


def _validator(part: Part, classes: list[Any]) -> Callable[[nn.Module], dict[str, float]]:
    """Score on validation data after an epoch: mean loss in nats, accuracy, macro-F1."""
    names = names_of(classes)

    def validate(module: nn.Module) -> dict[str, float]:
        logits = compute_logits(module, part.sequences)  # type: ignore[arg-type]
        probabilities = softmax(logits)
        known = part.targets >= 0
        chosen = probabilities[known, part.targets[known]]
        answers = [names[best] for best in logits.argmax(axis=1)]
        loss = float(-np.log(np.maximum(chosen, 1e-12)).mean())
        return {"loss": loss, **score_answers(part.names, answers, names)}

    return validate


def _calibrate_and_score(trained: TrainedClassifier, part: Part) -> None:
    logits = compute_logits(trained.model, part.sequences)
    known = part.targets >= 0
    trained.temperature = fit_temperature(logits[known], part.targets[known])
    probabilities = softmax(logits, trained.temperature)
    trained.scores = score_classification(
        part.names, probabilities, names_of(trained.classes), seed=trained.settings.seed
    )


def _refit(
    trained: TrainedClassifier,
    prepared: Prepared,
    folder: Path | None,
    resume: bool,
    listener: Listener | None,
    start_from: Classifier | Pretrained | None,
    vectors: NDArray[np.float32] | None,
    budget: int,
    seed: int,
) -> None:
    """Train once more, on training and validation rows together, for the epochs that were chosen."""
    assert prepared.validation is not None
    settings = trained.settings
    known = prepared.validation.targets >= 0
    if not known.all():
        trained.notes.append("Validation rows with labels that training never had were left out of the refit.")
    sequences, targets = concatenated([prepared.train, prepared.validation])
    rows = np.flatnonzero(targets >= 0)
    lengths = _read_lengths(sequences, settings)[rows]
    plan = None
    if folder is not None:
        plan = CheckpointPlan(folder / "refit.safetensors", resume)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _fresh(prepared, settings, start_from, vectors)
        job = Job(
            model,
            plan=lambda epoch: [rows[batch] for batch in plan_epoch(lengths, budget=budget, seed=seed, epoch=epoch)],
            batch=lambda chosen: _training_batch(sequences, chosen, settings),
            descend=_descent(model, targets, settings, labels=len(prepared.classes)),
            validate=None,
            identity=f"{prepared.identity}-refit-{seed}-{trained.best_epoch}",
            paces=paces(model, settings) if isinstance(start_from, Pretrained) else (),
        )
        outcome = train(job, settings, checkpoints=plan, listener=listener, stop_after=trained.best_epoch)
    if outcome.interrupted:
        trained.interrupted = True
        return
    if outcome.notes:
        trained.notes.append("The training on all rows diverged: the model before it is kept. Try a lower lr.")
        return
    trained.model = model
    trained.facts |= {"rows": len(rows), "steps": int(sequences.lengths[rows].sum())}
    trained.notes.append(
        f"Trained again on all {counted(len(rows), 'row')} for {counted(trained.best_epoch, 'epoch')}; "
        "the scores and the temperature are those of the model before, which had not seen the validation rows."
    )


def _fit_baselines(trained: TrainedClassifier, prepared: Prepared) -> None:
    """Fit what every score stands beside, and score it on the same validation rows."""
    fit = Baselines.fit_numbers if prepared.features is not None else Baselines.fit
    trained.baselines = fit(prepared.train.raw, prepared.train.raw_labels, seed=trained.settings.seed)
    trained.notes += trained.baselines.notes
    part = prepared.validation
    if part is not None and trained.scores is not None:
        trained.baseline_scores = trained.baselines.scores(part.raw, part.raw_labels)
        if len(part.raw) < len(part.targets):
            trained.notes.append(f"The baselines are scored on {len(part.raw)} of {len(part.targets)} validation rows.")
