"""How a network of each task enters a comparison: prepare, train, score, and look at its speed and its gradients."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from torch import nn

from bothways.data.batches import InMemory
from bothways.errors import Interrupted
from bothways.lab.entries import Entry, Question, Result
from bothways.lab.gradients import classifier_gradient_norms, network_gradient_norms, tagger_gradient_norms
from bothways.lab.memory import peak_memory
from bothways.lab.stopwatch import Stopwatch
from bothways.models.classifier import Classifier
from bothways.training.checkpoint import read_progress
from bothways.training.device import check_device

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from bothways.settings import ClassifierSettings, ForecasterSettings, ProblemSettings, TaggerSettings
    from bothways.training.listening import Listener

Module = TypeVar("Module", bound=nn.Module)

_ENOUGH = 200_000  # steps on which the speed of prediction is measured


def enter(
    question: Question, entry: Entry, folder: Path, listener: Listener, *, baselines: dict[str, float] | None = None
) -> Result:
    """Train one network and say what it reached.

    Args:
        question: what is asked.
        entry: the network.
        folder: exists; keeps the training's state, with which one that was stopped goes on.
        listener: who hears of progress.
        baselines: what they score on the rows that this seed holds out, if another network has found that already; a
            classifier's take longer to fit than a small network.

    Raises:
        BothwaysError: the data or the settings cannot be used.
        Interrupted: Ctrl-C; the state is in the folder.
    """
    watch = Stopwatch(listener)
    settings = cast("Any", question.settings_of(entry))
    check_device(settings)
    by_task: dict[str, Callable[[Question, Entry, Any, Path, Listener], Result]] = {
        "classify": partial(_classify, baselines=baselines),
        "tag": _tag,
        "forecast": _forecast,
        "problem": _problem,
    }
    result = by_task[question.task](question, entry, settings, folder, watch)
    result.steps_per_second = watch.rate
    # What was trained before a stop is in the state, which is behind, or not there, where the disk is full.
    kept = sum(read_progress(path).seconds for path in folder.glob("seed-*.safetensors"))
    result.seconds = max(kept, watch.elapsed)
    result.memory = peak_memory()
    return result


def _classify(
    question: Question,
    entry: Entry,
    settings: ClassifierSettings,
    folder: Path,
    listener: Listener,
    *,
    baselines: dict[str, float] | None,
) -> Result:
    from bothways.training.classification import compute_logits, train_classifier
    from bothways.training.evaluation import check_labelled, evaluate_classifier
    from bothways.training.from_files import open_rows
    from bothways.training.preparation import prepare
    from bothways.training.saving import save_classifier

    notes: list[str] = []
    assert question.data is not None
    source = open_rows(question.data, **question.reading, say=notes.append)
    named = {**question.reading, "text": source.text, "label": source.label}
    checked = None if question.validation is None else open_rows(question.validation, **named, say=notes.append)
    if question.test is not None:
        check_labelled(question.test, **named)
    prepared = prepare(source, checked, settings, folder)
    trained = train_classifier(
        prepared, settings, folder=folder, resume=True, listener=listener, baselines=baselines is None
    )
    _go_on_unless(interrupted=trained.interrupted)
    assert prepared.validation is not None
    assert trained.scores is not None
    held = prepared.validation
    some = np.arange(min(len(held.targets), max(1, int(_ENOUGH / held.sequences.lengths.mean()))))
    few, asked = InMemory(held.sequences.take(some)), held.targets[some]
    result = Result(
        entry,
        score=trained.scores.accuracy,
        baselines=baselines or {name: float(one["accuracy"]) for name, one in trained.baseline_scores.items()},
        trivial="majority",
        history=trained.history,
        best_epoch=trained.best_epoch,
        parameters=trained.facts["parameters"],
        predicted_per_second=_speed(lambda: compute_logits(trained.model, few), few.lengths.sum()),
        notes=[*notes, *trained.notes],
    )
    fresh = _fresh(lambda: Classifier(
        trained.settings, labels=len(trained.classes), features=trained.features,
        vocabulary=None if trained.tokenizer is None else len(trained.tokenizer),
    ), entry.seed)  # fmt: skip
    known = np.flatnonzero(asked >= 0)
    if len(known):
        learned = InMemory(few.take(known))
        result.fresh_gradients, result.gradients = (
            classifier_gradient_norms(model, learned, asked[known]).tolist() for model in (fresh, trained.model)
        )
    prepared.close()
    if question.test is not None:
        with TemporaryDirectory() as place:
            save_classifier(trained, Path(place) / "model")
            result.test = evaluate_classifier(Path(place) / "model", question.test, **named).scores.accuracy
    return result


def _tag(question: Question, entry: Entry, settings: TaggerSettings, folder: Path, listener: Listener) -> Result:
    from bothways.data.tagged import named_columns, read_tagged
    from bothways.decoding.scheme_check import check_like
    from bothways.training.saving_tagger import save_tagger
    from bothways.training.tag_network import make_tagger
    from bothways.training.tag_preparation import prepare_tags
    from bothways.training.tagging import train_tagger
    from bothways.training.tagging_evaluation import evaluate_tagger

    assert question.data is not None
    columns, encoding = question.reading["columns"], question.reading["encoding"]
    named = named_columns(columns)._asdict()
    sentences = read_tagged(question.data, **named, encoding=encoding)
    checked = None if question.validation is None else read_tagged(question.validation, **named, encoding=encoding)
    prepared = prepare_tags(sentences, checked, settings)
    if question.test is not None:
        check_like(read_tagged(question.test, **named, encoding=encoding), prepared.scheme, repair=settings.repair)
    trained = train_tagger(prepared, settings, folder=folder, resume=True, listener=listener)
    _go_on_unless(interrupted=trained.interrupted)
    assert prepared.validation is not None
    assert trained.scores is not None
    runner, words = trained.runner(), prepared.validation.words
    result = Result(
        entry,
        measure="accuracy" if trained.scores.f1 is None else "f1",
        score=trained.scores.main,
        trivial="commonest",
        baselines={name: one["accuracy"] if one["f1"] is None else one["f1"]
                   for name, one in trained.baseline_scores.items()},
        history=trained.history,
        best_epoch=trained.best_epoch,
        parameters=trained.facts["parameters"],
        predicted_per_second=_speed(lambda: runner.predict(words), sum(map(len, words))),
        notes=trained.notes,
    )  # fmt: skip
    assert trained.model is not None
    language = None if prepared.language is None else prepared.language.shape
    fresh = _fresh(lambda: make_tagger(
        trained.settings, prepared.labels, prepared.scheme, prepared.lexicon, language
    ), entry.seed)  # fmt: skip
    few = np.flatnonzero(prepared.validation.known(prepared.labels, [])).tolist()
    place_of = {tag: place for place, tag in enumerate(prepared.labels)}
    asked = [np.array([place_of[tag] for tag in prepared.validation.tags[row]]) for row in few]
    if few:
        result.fresh_gradients, result.gradients = (
            _both_sides(*tagger_gradient_norms(model, prepared.lexicon, [words[row] for row in few], asked))
            for model in (fresh, trained.model)
        )
    if question.test is not None:
        with TemporaryDirectory() as place:
            save_tagger(trained, Path(place) / "model")
            found = evaluate_tagger(
                Path(place) / "model", question.test, columns=columns, encoding=encoding, repair=settings.repair
            )
            result.test = found.scores.main
    return result


def _forecast(
    question: Question, entry: Entry, settings: ForecasterSettings, folder: Path, listener: Listener
) -> Result:
    from bothways.data.series import name_columns, read_series
    from bothways.training.forecast_scores import say_all
    from bothways.training.forecasting import train_forecaster
    from bothways.training.series_windows import prepare_series

    assert question.data is not None
    reading = dict(question.reading)
    more = name_columns(reading.pop("inputs"))
    table = read_series(question.data, targets=name_columns(reading.pop("target")), inputs=more, **reading)
    prepared = prepare_series(table, settings, targets=len(table.columns) - len(more or []))
    trained = train_forecaster(prepared, settings, folder=folder, resume=True, listener=listener)
    _go_on_unless(interrupted=trained.interrupted)
    assert trained.scores is not None
    runner = trained.runner()
    return Result(
        entry,
        measure="mse",
        score=trained.scores["mse"],
        trivial="last value",
        baselines={name: float(one["mse"]) for name, one in trained.baseline_scores.items()},
        history=trained.history,
        best_epoch=trained.best_epoch,
        parameters=trained.facts["parameters"],
        predicted_per_second=_speed(
            lambda: say_all(runner, prepared, prepared.validation), len(prepared.validation) * settings.window
        ),
        notes=trained.notes,
    )


def _problem(question: Question, entry: Entry, settings: ProblemSettings, folder: Path, listener: Listener) -> Result:
    from bothways.lab.problem_data import problem_data
    from bothways.lab.problems import make_network, train_problem

    trained = train_problem(settings, data=question.data, folder=folder, resume=True, listener=listener)
    _go_on_unless(interrupted=trained.interrupted)
    found = problem_data(settings, question.data)
    fresh = _fresh(lambda: make_network(settings, found), entry.seed)
    # Where the last steps are asked, what a network that reads backwards hears stands there, and not at the first step.
    norms = partial(network_gradient_norms, backward=entry.direction == "backward" and found.asked is None)
    batch = next(found.held_out("validation"))
    inputs, wanted = torch.from_numpy(batch.inputs), torch.from_numpy(batch.wanted)
    device = trained.model.output.weight.device

    @torch.no_grad()
    def predict() -> None:
        trained.model(inputs.to(device)).cpu()  # which also waits for a device to be done

    return Result(
        entry,
        measure="accuracy" if trained.score_name == "accuracy" else "squares",
        score=trained.score,
        baselines={"trivial": trained.trivial},
        trivial="trivial",
        history=trained.history,
        best_epoch=trained.best_epoch,
        parameters=trained.facts["parameters"],
        predicted_per_second=_speed(predict, inputs.shape[0] * inputs.shape[1]),
        fresh_gradients=norms(fresh, inputs, wanted).tolist(),
        gradients=norms(trained.model, inputs.to(device), wanted.to(device)).tolist(),
        notes=trained.notes,
    )


def _both_sides(past: NDArray[np.float64], future: NDArray[np.float64]) -> list[float]:
    """Norms by distance from a word, before it and behind it together."""
    norms = np.zeros(max(len(past), len(future)))
    norms[: len(past)] += past
    norms[1 : len(future)] += future[1:]  # the word itself is in both
    return [float(norm) for norm in norms]


def _go_on_unless(*, interrupted: bool) -> None:
    """End here if Ctrl-C ended the training."""
    if interrupted:
        raise Interrupted("Stopped.")


def _speed(predict: Callable[[], object], steps: int) -> float:
    """Steps a second of the better of two predictions: in the first one memory is made ready."""
    seconds = []
    for _ in range(2):
        began = time.monotonic()
        predict()
        seconds.append(time.monotonic() - began)
    return int(steps) / max(min(seconds), 1e-9)


def _fresh(make: Callable[[], Module], seed: int) -> Module:
    """A network that has learned nothing, with the generators left as they were."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()
