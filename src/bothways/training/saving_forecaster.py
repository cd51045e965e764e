"""Write a trained forecaster as a model folder, and read it back."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.bundle import (
    CARD,
    GRAPH,
    METRICS,
    SETTINGS,
    WEIGHTS,
    as_table,
    describe,
    literal,
    new_folder,
    open_folder,
    write_json,
)
from bothways.decoding.forecasting import ForecastSpec, spoken_band
from bothways.errors import ModelFolderError
from bothways.models.forecaster import DirectForecaster, onnx_graph
from bothways.runtime.forecaster import ERRORS
from bothways.settings import ForecasterSettings
from bothways.training.forecast_scores import BASELINE, interval_in_words, read_linear, verdict
from bothways.training.forecasting import TrainedForecaster, make_forecaster
from bothways.training.parts import check_same, shared_metrics, write_curves, write_metrics, write_network

if TYPE_CHECKING:
    from pathlib import Path

    from bothways.models.forecaster import StepForecaster


def save_forecaster(trained: TrainedForecaster, path: Path | str, *, force: bool = False) -> None:
    """Write a model folder; the ONNX graph is checked against torch before anything takes its place.

    Raises:
        OutputError: the place is taken or cannot be written; what stood there is untouched.
        ModelFolderError: the graph and the weights disagree.
    """
    from safetensors.numpy import save

    with new_folder(path, force=force) as folder:
        facts = describe("forecast", settings=trained.settings.to_dict(), series=trained.spec.to_dict())
        write_json(folder / SETTINGS, facts)
        write_network(folder, trained.model, onnx_graph(trained.model))
        _verify(trained.model, folder / GRAPH)
        if trained.linear is not None:
            (folder / BASELINE).write_bytes(save({"linear": trained.linear}))
        if not isinstance(trained.model, DirectForecaster):
            runner: Any = trained.runner()
            (folder / ERRORS).write_bytes(save({"errors": np.ascontiguousarray(runner.errors)}))
        write_metrics(folder, metrics(trained))
        write_curves(trained.history, folder, best_epoch=trained.best_epoch, loss_in=_loss_in_words(trained))
        (folder / CARD).write_text(card(trained), encoding="utf-8")


def load_forecaster(path: Path | str) -> TrainedForecaster:
    """Read a model folder with its weights."""
    from safetensors.numpy import load_file as load_arrays
    from safetensors.torch import load_file

    folder = open_folder(path)
    if folder.task != "forecast":
        raise ModelFolderError(f"{folder.path} was trained to {folder.task!r}, not to 'forecast'.")
    settings = ForecasterSettings.from_dict(folder.description["settings"])
    spec = ForecastSpec.from_dict(folder.description["series"])
    model = make_forecaster(settings, spec)
    model.load_state_dict(load_file(folder.file(WEIGHTS)))
    model.eval()
    saved = folder.json(METRICS)
    return TrainedForecaster(
        model, settings, spec,
        history=saved["history"], best_epoch=saved["best_epoch"], scores=saved["validation"],
        band=saved.get("band"), linear=read_linear(folder), baseline_scores=saved["baselines"],
        errors=load_arrays(folder.file(ERRORS))["errors"] if folder.has(ERRORS) else None,
        facts=saved["training"], notes=saved["notes"],
    )  # fmt: skip


def metrics(trained: TrainedForecaster) -> dict[str, Any]:
    """Everything that was measured, ready for JSON."""
    return {
        "validation": trained.scores,
        "band": trained.band,
        "baselines": trained.baseline_scores,
        "verdict": verdict(trained.scores, trained.baseline_scores),
        **shared_metrics(trained),
    }


def _loss_in_words(trained: TrainedForecaster) -> str:
    """What the loss is made of: the point's error and, where they are learned, the quantiles' loss."""
    learned = isinstance(trained.model, DirectForecaster) and trained.spec.quantiles
    return f"{trained.settings.loss} error{' + quantile loss' if learned else ''}, scaled"


def card(trained: TrainedForecaster) -> str:
    """The model card: what the model is, how it was trained, how good it is, how to use it."""
    settings, spec, facts = trained.settings, trained.spec, trained.facts
    way = "all at once" if settings.decoder == "direct" else "one after another"
    lines = [
        "# A bothways forecaster",
        "",
        f"Predicts {', '.join(map(literal, spec.names))} {spec.horizon:,} times ahead, {way}, from the {spec.window:,} "
        f"times before; a time is {spec.clock.spoken}.",
        "",
        f"{type(trained.model.encoder).__name__}, {settings.num_layers} layer(s) of width {settings.hidden_size}; "
        f"{facts.get('parameters', 0):,} parameters.",
        f"Trained on {facts.get('windows', 0):,} windows of {facts.get('series', 0):,} series on "
        f"{date.today().isoformat()}. It has seen nothing from {literal(spec.clock.spell(spec.seen_until))} on.",
        "",
        "## Scores on validation data",
        "",
    ]
    if trained.scores is None:
        lines.append("None: no time was held out, so no score is known.")
    else:
        square = f"{trained.scores['mse']:.4f} ({interval_in_words(trained.scores)})"
        rows: list[list[object]] = [["this network", square, f"{trained.scores['mae']:.4f}"]]
        rows += [
            [name, f"{score['mse']:.4f}", f"{score['mae']:.4f}"] for name, score in trained.baseline_scores.items()
        ]
        lines += [as_table(rows, ["model", "mean squared error (95% interval)", "mean absolute error"]), ""]
        lines += ["In units of the training part's deviation.", verdict(trained.scores, trained.baseline_scores) or ""]
        if trained.band is not None:
            lines += ["", spoken_band(trained.band)]
        lines += ["", "These times also chose the best epoch: expect slightly more error on new ones."]
    if trained.notes:
        lines += ["", "## Notes", "", *(f"- {literal(note)}" for note in trained.notes)]
    lines += [
        "", "## Use", "", "    bothways predict FOLDER --file series.csv --plot forecast.png",
        "    bothways evaluate FOLDER series.csv", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _verify(model: DirectForecaster | StepForecaster, path: Path) -> None:
    """Compare graph and weights on two batches whose sizes differ, of one time after another with a state."""
    import torch

    from bothways.nn.reader import State
    from bothways.runtime.session import open_session

    session = open_session(str(path))
    random = np.random.default_rng(0)
    model = model.cpu().eval()
    reader = model.encoder
    for size, steps in ((1, 1), (3, 7)):
        length = steps if not isinstance(model, DirectForecaster) or model.linear is None else model.linear.in_features
        values = random.normal(size=(size, length, reader.input_size)).astype(np.float32)
        if isinstance(model, DirectForecaster):
            (graph,) = session.run(None, {"windows": values})
            with torch.no_grad():
                check_same(graph, model(torch.from_numpy(values)).numpy())
            continue
        shape = (reader.num_layers, size, reader.hidden_size)
        parts = [random.normal(size=shape).astype(np.float32) for _ in reader.parts]
        found = session.run(None, {"values": values, **{f"state_{place}": part for place, part in enumerate(parts)}})
        with torch.no_grad():
            said, after = model(torch.from_numpy(values), State(forward=tuple(map(torch.from_numpy, parts))))
        for here, there in zip(found, [said[:, -1], *(after.forward or ())], strict=True):
            check_same(here, there.numpy())
