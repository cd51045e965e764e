"""Train a language model: from prepared texts to weights, scores and the n-gram model beside them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from bothways.data.windows import Cut, Predicted, WindowBatch, plan_windows, window_batch
from bothways.decoding.cache import SHARPNESS, Cache, choose_cache
from bothways.decoding.language import LanguageModelRunner, LanguageState
from bothways.models.language_model import LanguageNetwork
from bothways.nn.reader import State
from bothways.training.corpora import Corpus, PreparedCorpus, count_tokens, in_order, vectors_of
from bothways.training.kneser_ney import KneserNey
from bothways.training.language_scores import baseline_scores, note_on_counting, score_losses
from bothways.training.listening import Listener
from bothways.training.loop import CheckpointPlan, Job, refuse_diverged, train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from bothways.data.batches import Batch, Ints, Sequences
    from bothways.data.conditions import Condition
    from bothways.data.language_tokens import LanguageTokens
    from bothways.settings import LanguageSettings

ORDER = 5  # of the n-gram model that every score stands beside
LANES = 16  # most places of a stream that are read side by side for scores while training
LANE = 2_000  # fewest predictions of such a lane, since each begins without a state


@dataclass
class TrainedLanguageModel:
    """A language model with all that belongs to it."""

    model: LanguageNetwork
    settings: LanguageSettings
    tokens: LanguageTokens
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    scores: dict[str, Any] | None = None  # on validation data
    baseline: KneserNey | None = None
    baseline_scores: dict[str, Any] = field(default_factory=dict)  # on the same validation data
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False
    condition: Condition | None = None  # what its texts are written on
    cache: Cache | None = None  # how scores look back on what was read
    cache_scores: dict[str, Any] | None = None  # with it, on the validation data that it was chosen on


def train_language_model(
    prepared: PreparedCorpus,
    settings: LanguageSettings,
    *,
    folder: Path | None = None,
    resume: bool = False,
    listener: Listener | None = None,
    checkpoint_steps: int | None = None,
) -> TrainedLanguageModel:
    """Train a language model.

    Args:
        prepared: texts and tokenizer.
        settings: checked already.
        folder: where checkpoints are kept; None keeps none.
        resume: go on from the checkpoint in `folder`.
        listener: who hears of progress.
        checkpoint_steps: write a checkpoint after every so many windows, besides every 30 seconds.
    """
    began = time.monotonic()
    plan = None
    if folder is not None:
        plan = CheckpointPlan(folder / f"seed-{settings.seed}.safetensors", resume, steps=checkpoint_steps)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        model = make_network(settings, prepared.tokens, prepared.condition)
        size = prepared.tokens.size
        model.start_from(
            count_tokens(prepared.train, size),
            None if plan and plan.goes_on else vectors_of(prepared.train, settings, size),
        )
        outcome = train(_job(model, prepared, settings), settings, checkpoints=plan, listener=listener)
    refuse_diverged(outcome)
    trained = TrainedLanguageModel(
        model, settings, prepared.tokens,
        history=outcome.history, best_epoch=outcome.best_epoch, notes=[*prepared.notes, *outcome.notes],
        interrupted=outcome.interrupted, condition=prepared.condition,
    )  # fmt: skip
    if trained.best_epoch:
        _add_scores(trained, prepared)
    trained.facts = {
        "tokens": prepared.train.predictions,
        "characters": prepared.train.characters,
        "unknown": prepared.train.unknown,
        "validation_tokens": 0 if prepared.validation is None else prepared.validation.predictions,
        "vocabulary": prepared.tokens.size,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "training_seconds": round(time.monotonic() - began, 1),
    }
    return trained


def make_network(settings: LanguageSettings, tokens: LanguageTokens, condition: Condition | None) -> LanguageNetwork:
    """Build the network with fresh weights."""
    if condition is None:
        return LanguageNetwork(settings, vocabulary=tokens.size)
    if condition.labels is not None:
        return LanguageNetwork(settings, vocabulary=tokens.size, labels=len(condition.labels))
    return LanguageNetwork(settings, vocabulary=tokens.size, numbers=len(condition.columns))


def _job(model: LanguageNetwork, prepared: PreparedCorpus, settings: LanguageSettings) -> Job:
    sequences = read_side_by_side(prepared.train, settings, settings.batch_size)
    predictions = sequences.lengths - 1
    carried: dict[str, Tensor] = {}
    return Job(
        model,
        plan=lambda epoch: plan_windows(
            predictions, batch_size=settings.batch_size, steps=settings.window, seed=settings.seed, epoch=epoch
        ),
        batch=lambda window: window_batch(sequences, window),
        descend=_descent(model, carried, prepared.train.conditions),
        validate=None if prepared.validation is None else _validator(prepared.validation, settings),
        identity=prepared.identity,
        carried=carried,
    )


def read_side_by_side(corpus: Corpus, settings: LanguageSettings, count: int) -> Sequences:
    """Give the sequences of one epoch: a backward reader cannot go on from a window, so that it reads pieces."""
    return Cut(corpus.sequences, settings.window) if settings.two_way else corpus.side_by_side(count)


def _descent(
    model: LanguageNetwork, carried: dict[str, Tensor], conditions: NDArray[Any] | None
) -> Callable[[nn.Module, Batch, Callable[[Tensor], None]], Tensor]:
    """What the loop does with a window: go on from the states of the one before, and leave its own."""

    def descend(module: nn.Module, batch: Batch, go_back: Callable[[Tensor], None]) -> Tensor:
        window = cast("WindowBatch", batch)
        device = model.softmax.bias.device
        state = _taken(carried, window.stood, device)
        condition = _condition(conditions, window.rows, device)
        loss, after = module(_tensor(window.inputs, device), _tensor(window.lengths, device), state, condition)
        go_back(loss)
        _leave(carried, after)
        return loss  # type: ignore[no-any-return]

    return descend


def _tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device)


def _condition(conditions: NDArray[Any] | None, rows: Ints, device: torch.device) -> Tensor | None:
    """What these rows are written on."""
    return None if conditions is None else _tensor(conditions[rows], device)


def _taken(carried: dict[str, Tensor], stood: NDArray[np.int64] | None, device: torch.device) -> State | None:
    """The states (L,B,H) of the rows that go on."""
    if stood is None or not carried:
        return None
    rows = torch.from_numpy(stood).to(device)
    parts = (carried[name].to(device) for name in sorted(carried))
    return State(forward=tuple(part.index_select(1, rows) for part in parts))


def _leave(carried: dict[str, Tensor], after: State) -> None:
    carried.clear()
    if after.backward is None and after.forward is not None:
        carried.update({str(number): part.detach() for number, part in enumerate(after.forward)})


def token_losses(
    model: LanguageNetwork, corpus: Corpus, settings: LanguageSettings, *, lanes: int | None = None
) -> NDArray[np.float32]:
    """Give -log probability of every prediction, float32 (N,), nats, in the order of the text.

    A stream is read in so many lanes, or, if None, in as many as are long enough to begin without a state.
    Of a two-way model: piece by piece, the forward predictions of each before the backward ones.
    """
    was_training = model.training
    model.eval()
    lanes = lanes or min(LANES, max(1, corpus.predictions // LANE))
    sequences = read_side_by_side(corpus, settings, lanes)
    device = model.softmax.bias.device
    carried: dict[str, Tensor] = {}
    found: list[list[NDArray[np.float32]]] = [[] for _ in sequences.lengths]
    with torch.no_grad():
        for window in plan_windows(sequences.lengths - 1, batch_size=LANES, steps=128):
            batch = window_batch(sequences, window)
            state = _taken(carried, batch.stood, device)
            condition = _condition(corpus.conditions, batch.rows, device)
            inputs, lengths = _tensor(batch.inputs, device), _tensor(batch.lengths, device)
            losses, after = model.losses(inputs, lengths, state, condition)
            _leave(carried, after)
            rows = np.tile(batch.rows, 2 if model.two_way else 1)
            ends = np.cumsum(np.tile(batch.lengths - 1, 2 if model.two_way else 1))
            for row, part in zip(rows, np.split(losses.cpu().numpy(), ends[:-1]), strict=True):
                found[row].append(part)
    model.train(was_training)
    return np.concatenate([part for parts in found for part in parts])


class TorchLanguageModel(LanguageModelRunner):
    """A language model that runs on the weights it was trained with."""

    def __init__(self, trained: TrainedLanguageModel) -> None:
        self.tokens = trained.tokens
        self.two_way, self.window = trained.settings.two_way, trained.settings.window
        self.condition = trained.condition
        self._model = trained.model.eval()

    def run(
        self,
        ids: NDArray[np.int64],
        lengths: NDArray[np.int64],
        state: LanguageState | None,
        condition: NDArray[Any] | None = None,
    ) -> tuple[NDArray[np.float32], LanguageState]:
        """Read ids; see `LanguageModelRunner.run`."""
        logits, *after = self._outputs(ids, lengths, state, condition)
        return logits, after if self.two_way else after[:-1]

    def trace(
        self,
        ids: NDArray[np.int64],
        lengths: NDArray[np.int64],
        state: LanguageState | None,
        condition: NDArray[Any] | None = None,
    ) -> tuple[NDArray[np.float32], LanguageState, NDArray[np.float32]]:
        """Read ids; see `LanguageModelRunner.trace`."""
        logits, *after, outputs = self._outputs(ids, lengths, state, condition)
        return logits, after, outputs

    def _outputs(
        self,
        ids: NDArray[np.int64],
        lengths: NDArray[np.int64],
        state: LanguageState | None,
        condition: NDArray[Any] | None,
    ) -> list[NDArray[np.float32]]:
        device = self._model.softmax.bias.device
        before = None if state is None else State(forward=tuple(_tensor(part, device) for part in state))
        given = None if condition is None else _tensor(condition, device)
        with torch.no_grad():
            found = self._model.outputs(_tensor(ids, device), torch.from_numpy(lengths), before, given)
        return [part.cpu().numpy() for part in found]


def _validator(corpus: Corpus, settings: LanguageSettings) -> Callable[[nn.Module], dict[str, float]]:
    """Score on validation data after an epoch: mean loss in nats, perplexity."""

    def validate(module: nn.Module) -> dict[str, float]:
        loss = float(token_losses(cast("LanguageNetwork", module), corpus, settings).mean())
        return {"loss": loss, "perplexity": math.exp(min(loss, 700))}

    return validate


def _add_scores(trained: TrainedLanguageModel, prepared: PreparedCorpus) -> None:
    """Score the network and, on the same validation data, what it stands beside."""
    tokens = prepared.tokens
    # The model puts the start before every sequence itself: what is only read is not to be counted as predicted.
    predicted = Predicted(prepared.train.sequences)
    trained.baseline = KneserNey.fit(predicted, vocabulary=tokens.size, start=tokens.start, order=ORDER)
    trained.notes += note_on_counting(trained.baseline, prepared.train.predictions)
    corpus = prepared.validation
    if corpus is None:
        return
    settings = trained.settings
    losses = token_losses(trained.model, corpus, settings)
    trained.scores = score_losses(losses, corpus, seed=settings.seed).to_dict()
    if settings.cache:
        _choose_cache(trained, corpus)
    trained.baseline_scores = baseline_scores(trained.baseline, corpus, seed=settings.seed)


def _choose_cache(trained: TrainedLanguageModel, corpus: Corpus) -> None:
    """Choose how scores look back on what was read, and say so if they had better not."""
    size = trained.settings.cache
    found, said = TorchLanguageModel(trained).losses_with_memory(
        list(in_order(corpus.sequences)), corpus.conditions, size=size, sharpness=SHARPNESS
    )
    losses, chances = np.concatenate(found), np.concatenate(said, axis=1)
    trained.cache = choose_cache(size, losses, chances)
    if trained.cache is None:
        trained.notes.append(f"A cache of {size:,} tokens makes the validation texts no likelier and is left out.")
        return
    mixed = trained.cache.mix(losses, chances[SHARPNESS.index(trained.cache.sharpness)])
    trained.cache_scores = score_losses(mixed, corpus, seed=trained.settings.seed).to_dict()
