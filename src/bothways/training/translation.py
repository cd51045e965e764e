"""Train a translator: from prepared pairs to weights, scores, and what copying the source reaches."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from bothways.decoding.beam import BeamSettings, Step
from bothways.decoding.translation import TranslationRunner
from bothways.models.translator import Translator
from bothways.nn.attention import Keys
from bothways.nn.decoder import DecoderState
from bothways.training.listening import Listener
from bothways.training.loop import CheckpointPlan, Job, refuse_diverged, train
from bothways.training.translation_preparation import padded, plan_pairs
from bothways.training.translation_scores import COPY, check_scorer, note_on_short, quick_scores, score_translations

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from bothways.data.batches import Batch
    from bothways.data.pair_tokens import PairTokens
    from bothways.settings import TranslatorSettings
    from bothways.training.translation_preparation import PairPart, PreparedPairs
    from bothways.training.translation_scores import TranslationScores

    Ints = NDArray[np.int64]

TOKENS_AT_ONCE = 4096  # padded tokens of a batch that is only scored


@dataclass
class TrainedTranslator:
    """A translator with all that belongs to it."""

    model: Translator
    settings: TranslatorSettings
    tokens: PairTokens
    expansion: int
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    scores: TranslationScores | None = None  # on validation data, by beam search
    baseline_scores: dict[str, Any] = field(default_factory=dict)  # on the same validation data
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False
    columns: tuple[str, str] | None = None  # of the table it was trained on: sources and targets

    def runner(self) -> TorchTranslator:
        """What translates with it, as it is in memory."""
        return TorchTranslator(self.model, self.tokens, self.settings, self.expansion)


@dataclass(frozen=True)
class PairBatch:
    """Some pairs, padded."""

    sources: Ints  # (B,S), each with `<eos>` at its end
    source_lengths: Ints
    targets: Ints  # (B,T+1), each between two
    target_lengths: Ints

    @property
    def answers(self) -> int:
        """What the mean of the loss is taken over: all tokens of the targets and their ends."""
        return int((self.target_lengths - 1).sum())

    @property
    def steps(self) -> int:
        """Tokens of the targets."""
        return self.answers


def train_translator(
    prepared: PreparedPairs,
    settings: TranslatorSettings,
    *,
    folder: Path | None = None,
    resume: bool = False,
    listener: Listener | None = None,
    checkpoint_steps: int | None = None,
) -> TrainedTranslator:
    """Train a translator.

    Args:
        prepared: pairs and their tokens.
        settings: checked already.
        folder: where checkpoints are kept; None keeps none.
        resume: go on from the checkpoint in `folder`.
        listener: who hears of progress.
        checkpoint_steps: write a checkpoint after every so many batches, besides every 30 seconds.

    Raises:
        MissingExtraError: sacrebleu is not installed, which validation needs.
    """
    if prepared.validation is not None:
        check_scorer()
    began = time.monotonic()
    plan = None
    if folder is not None:
        plan = CheckpointPlan(folder / f"seed-{settings.seed}.safetensors", resume, steps=checkpoint_steps)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        model = make_translator(settings, prepared.tokens)
        model.softmax.use_counts(torch.from_numpy(_counts(prepared)))
        outcome = train(_job(model, prepared, settings), settings, checkpoints=plan, listener=listener)
    refuse_diverged(outcome)
    trained = TrainedTranslator(
        model, settings, prepared.tokens, prepared.expansion,
        history=outcome.history, best_epoch=outcome.best_epoch, notes=[*prepared.notes, *outcome.notes],
        interrupted=outcome.interrupted, columns=prepared.columns,
    )  # fmt: skip
    trained.facts = {
        "pairs": len(prepared.train),
        "source_tokens": int((prepared.train.source_ids.lengths - 1).sum()),
        "target_tokens": int((prepared.train.target_ids.lengths - 2).sum()),
        "validation_pairs": 0 if prepared.validation is None else len(prepared.validation),
        "source_vocabulary": prepared.tokens.source.size,
        "target_vocabulary": prepared.tokens.target.size,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    if prepared.validation is not None and trained.best_epoch:
        _add_scores(trained, prepared.validation)
    trained.facts["training_seconds"] = round(time.monotonic() - began, 1)
    return trained


def make_translator(settings: TranslatorSettings, tokens: PairTokens) -> Translator:
    """Build the network with fresh weights."""
    return Translator(
        settings, source_vocabulary=tokens.source.size, target_vocabulary=tokens.target.size, shared=tokens.shared
    )


def _counts(prepared: PreparedPairs) -> NDArray[np.int64]:
    """How often each token of the targets is predicted, (V,)."""
    ids = prepared.train.target_ids
    every = np.concatenate([some[1:] for some in ids.take(np.arange(len(prepared.train)))])
    return np.bincount(every.astype(np.int64), minlength=prepared.tokens.target.size)


def _job(model: Translator, prepared: PreparedPairs, settings: TranslatorSettings) -> Job:
    part = prepared.train
    sources, targets = part.source_ids.lengths, part.target_ids.lengths - 1
    budget = round(float(np.maximum(sources, targets).mean()) * settings.batch_size)
    return Job(
        model,
        plan=lambda epoch: plan_pairs(sources, targets, budget=budget, seed=settings.seed, epoch=epoch),
        batch=lambda rows: batch_of(part, rows),  # type: ignore[arg-type,return-value]
        descend=_descent(model, settings),
        validate=None if prepared.validation is None else _validator(prepared, prepared.validation, settings),
        identity=prepared.identity,
        monitor=settings.monitor,
        loss_settles=True,  # BLEU is 0 until the first sentences are nearly right
    )


def batch_of(part: PairPart, rows: Ints) -> PairBatch:
    """Some pairs, padded."""
    return PairBatch(
        padded(part.source_ids, rows),
        part.source_ids.lengths[rows],
        padded(part.target_ids, rows),
        part.target_ids.lengths[rows],
    )


def _descent(
    model: Translator, settings: TranslatorSettings
) -> Callable[[nn.Module, Batch, Callable[[Tensor], None]], Tensor]:
    """What the loop does with a batch: the loss of its targets, a mean over tokens, and the way back."""

    def descend(module: nn.Module, batch: Batch, go_back: Callable[[Tensor], None]) -> Tensor:
        some = cast("PairBatch", batch)
        given = _tensors(some, model.bridge.weight.device)
        trained, plain = module(*given, settings.label_smoothing, settings.scheduled_sampling)
        go_back(trained / some.answers)
        return plain / some.answers  # type: ignore[no-any-return]

    return descend


def _tensors(batch: PairBatch, device: torch.device) -> list[Tensor]:
    parts = (batch.sources, batch.source_lengths, batch.targets, batch.target_lengths)
    return [torch.from_numpy(part).to(device) for part in parts]


def _validator(
    prepared: PreparedPairs, part: PairPart, settings: TranslatorSettings
) -> Callable[[nn.Module], dict[str, float]]:
    """Score on validation data after an epoch: loss in nats a token, and perplexity.

    Unless the loss decides, also BLEU and the like of greedy translations.
    """

    def validate(module: nn.Module) -> dict[str, float]:
        model = cast("Translator", module)
        loss = mean_loss(model, part)
        row = {"loss": loss, "perplexity": math.exp(min(loss, 700))}
        if settings.monitor == "loss" or not math.isfinite(loss):  # weights that went astray translate nothing
            return row
        runner = TorchTranslator(model, prepared.tokens, settings, prepared.expansion)
        return {**row, **quick_scores(runner.predict(part.sources, beam_size=1), part.targets)}

    return validate


def mean_loss(model: Translator, part: PairPart) -> float:
    """-log probability of a target's token, nats, the mean over all of them and their ends."""
    plan = plan_pairs(part.source_ids.lengths, part.target_ids.lengths - 1, budget=TOKENS_AT_ONCE, seed=0, epoch=0)
    total, answers = 0.0, 0
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for rows in plan:
            batch = batch_of(part, rows)
            _, plain = model(*_tensors(batch, model.bridge.weight.device))
            total += float(plain)
            answers += batch.answers
    model.train(was_training)
    return total / answers


def _add_scores(trained: TrainedTranslator, part: PairPart) -> None:
    """Score translations by beam search on validation data, beside the source as it stands."""
    seed = trained.settings.seed
    trained.scores = score_translations(trained.runner().predict(part.sources), part.targets, seed=seed)
    if short := note_on_short(part.targets):
        trained.notes.append(short)
    trained.baseline_scores[COPY] = score_translations(part.sources, part.targets, seed=seed).to_dict()


class TorchTranslator(TranslationRunner):
    """A translator that runs on the weights it was trained with."""

    def __init__(self, model: Translator, tokens: PairTokens, settings: TranslatorSettings, expansion: int) -> None:
        self.tokens, self.expansion = tokens, expansion
        self.search = BeamSettings(settings.beam_size, settings.length_penalty, settings.coverage_penalty)
        self.max_length, self.too_long = settings.max_length, settings.too_long
        self._model = model.eval()
        self._device = model.bridge.weight.device

    @property
    def has_attention(self) -> bool:
        """Whether the model looks at its source."""
        return self._model.decoder.attention is not None

    @torch.no_grad()
    def read(self, ids: Ints, lengths: Ints) -> tuple[Keys | None, DecoderState]:
        """Read sources; see `TranslationRunner.read`."""
        source = self._model.read(torch.from_numpy(ids).to(self._device), torch.from_numpy(lengths))
        parts = tuple(part[:, :, None] for part in source.start.parts)
        return source.keys, DecoderState(parts, source.start.feed[:, None])

    @torch.no_grad()
    def step(self, tokens: Ints, state: tuple[Keys | None, DecoderState], count: int) -> Step:
        """Go on; see `Writer.step`."""
        keys, before = state
        logits, looks, after = self._model.step(torch.from_numpy(tokens).to(self._device), before, keys)
        said = logits.float().log_softmax(dim=-1)
        best, which = said.topk(min(count, said.shape[-1]), dim=-1)
        return Step(
            best.cpu().numpy(),
            which.cpu().numpy(),
            said[..., self.tokens.target.eos].cpu().numpy(),
            (keys, after),
            None if looks is None else looks.cpu().numpy(),
        )

    def chosen(
        self, state: tuple[Keys | None, DecoderState], inputs: Ints, rows: Ints
    ) -> tuple[Keys | None, DecoderState]:
        """Give the state of some; see `Writer.chosen`."""
        keys, (parts, feed) = state
        some, which = torch.from_numpy(inputs).to(feed.device), torch.from_numpy(rows).to(feed.device)
        if keys is not None and len(inputs) < len(keys.mapped):
            keys = Keys(*(part[some] for part in keys))
        places = some[:, None], which
        return keys, DecoderState(tuple(part[:, places[0], places[1]] for part in parts), feed[places])
