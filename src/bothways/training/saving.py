"""Write a trained classifier as a model folder, and read it back to train on."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.bundle import (
    CARD,
    GRAPH,
    METRICS,
    SETTINGS,
    TOKENIZER,
    WEIGHTS,
    as_table,
    describe,
    literal,
    new_folder,
    open_folder,
    write_json,
)
from bothways.data.tokenizer import Tokenizer
from bothways.errors import ModelFolderError
from bothways.models.classifier import Classifier, onnx_graph
from bothways.settings import ClassifierSettings
from bothways.training.classification import TrainedClassifier
from bothways.training.metrics import ClassificationScores
from bothways.training.parts import (
    check_same,
    read_baselines,
    shared_metrics,
    spread_in_words,
    write_curves,
    write_metrics,
    write_network,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def save_classifier(trained: TrainedClassifier, path: Path | str, *, force: bool = False) -> None:
    """Write a model folder; the ONNX graph is checked against torch before anything takes its place.

    Raises:
        OutputError: the place is taken or cannot be written; what stood there is untouched.
        ModelFolderError: the graph and the weights disagree.
    """
    with new_folder(path, force=force) as folder:
        facts = describe(
            "classify",
            settings=trained.settings.to_dict(),
            classes=trained.classes,
            features=trained.features,
            temperature=trained.temperature,
        )
        write_json(folder / SETTINGS, facts)
        if trained.tokenizer is not None:
            (folder / TOKENIZER).write_text(trained.tokenizer.to_json(), encoding="utf-8")
        write_network(folder, trained.model, onnx_graph(trained.model))
        _verify(trained, folder / GRAPH)
        if trained.baselines is not None:
            trained.baselines.save(folder)
        write_metrics(folder, metrics(trained))
        write_curves(trained.history, folder, best_epoch=trained.best_epoch)
        (folder / CARD).write_text(card(trained), encoding="utf-8")


def load_classifier(path: Path | str) -> TrainedClassifier:
    """Read a model folder with its weights, to predict or to train on."""
    from safetensors.torch import load_file

    folder = open_folder(path)
    if folder.task != "classify":
        raise ModelFolderError(f"{folder.path} was trained to {folder.task!r}, not to 'classify'.")
    facts = folder.description
    settings = ClassifierSettings.from_dict(facts["settings"])
    tokenizer = None
    if facts["features"] is None:
        tokenizer = Tokenizer.from_json(folder.file(TOKENIZER).read_text(encoding="utf-8"))
    model = Classifier(
        settings,
        labels=len(facts["classes"]),
        vocabulary=None if tokenizer is None else len(tokenizer),
        features=facts["features"],
    )
    model.load_state_dict(load_file(folder.file(WEIGHTS)))
    model.eval()
    if model.embedding is not None:
        model.embedding.weight.requires_grad_(not settings.freeze_vectors)
    saved = folder.json(METRICS)
    return TrainedClassifier(
        model, settings, list(facts["classes"]), tokenizer, facts["features"],
        temperature=float(facts["temperature"]), history=saved["history"], best_epoch=saved["best_epoch"],
        scores=None if saved["validation"] is None else ClassificationScores.from_dict(saved["validation"]),
        baselines=read_baselines(folder),
        baseline_scores=saved["baselines"], by_seed=saved["by_seed"],
        facts=saved["training"], notes=saved["notes"],
    )  # fmt: skip


def metrics(trained: TrainedClassifier) -> dict[str, Any]:
    """Everything that was measured, ready for JSON."""
    return {
        "validation": None if trained.scores is None else trained.scores.to_dict(),
        "baselines": trained.baseline_scores,
        "verdict": verdict(trained),
        "by_seed": trained.by_seed,
        **shared_metrics(trained),
    }


def verdict(trained: TrainedClassifier) -> str | None:
    """Say whether the network beats the linear model on validation data; a loss is said as one."""
    linear = trained.baseline_scores.get("linear")
    if trained.scores is None or linear is None:
        return None
    ours, theirs = trained.scores.accuracy, linear["accuracy"]
    figures = f"{ours:.1%} against {theirs:.1%} on the same validation rows"
    if theirs > ours:
        return f"The linear baseline wins: {figures}. For this data it is the better and cheaper model."
    if theirs == ours:
        return f"The network and the linear baseline are level: {figures}."
    return f"The network beats the linear baseline: {figures}."


def spread(trained: TrainedClassifier) -> str:
    """Mean and deviation of the validation scores over the seeds, in words."""
    return spread_in_words(trained.by_seed, {"accuracy": "accuracy", "macro_f1": "macro f1", "loss": "loss"}, "rows")


def card(trained: TrainedClassifier) -> str:
    """The model card: what the model is, how it was trained, how good it is, how to use it."""
    settings, facts = trained.settings, trained.facts
    kind = "texts" if trained.features is None else f"sequences of {trained.features} numbers a step"
    ways = {"both": "both ways", "forward": "forwards", "backward": "backwards"}[settings.direction]
    labels = ", ".join(literal(label) for label in trained.classes[:50])
    cell = type(trained.model.encoder).__name__
    lines = [
        "# A bothways classifier",
        "",
        f"Classifies {kind} as one of {len(trained.classes)} labels: {labels}.",
        "",
        f"{cell}, {settings.num_layers} layer(s) of width {settings.hidden_size}, read {ways}, "
        f"pooled by {settings.pooling}; {facts.get('parameters', 0):,} parameters.",
        f"Trained on {facts.get('rows', 0):,} rows ({facts.get('steps', 0):,} steps) on {date.today().isoformat()}.",
        "",
        "## Scores on validation data",
        "",
    ]
    if trained.scores is None:
        lines.append("None: no rows were held out, so no score is known.")
    else:
        low, high = trained.scores.accuracy_interval
        rows: list[list[object]] = [
            [
                "this network",
                f"{trained.scores.accuracy:.4f} ({low:.4f} to {high:.4f})",
                f"{trained.scores.macro_f1:.4f}",
            ]
        ]
        rows += [
            [name, f"{score['accuracy']:.4f}", f"{score['macro_f1']:.4f}"]
            for name, score in trained.baseline_scores.items()
        ]
        lines += [as_table(rows, ["model", "accuracy (95% interval)", "macro-F1"]), "", verdict(trained) or ""]
        lines += ["", "These rows also chose the best epoch: expect slightly less on new data."]
    if len(trained.by_seed) > 1:
        lines += ["", spread(trained)]
    if trained.notes:
        lines += ["", "## Notes", "", *(f"- {literal(note)}" for note in trained.notes)]
    lines += ["", "## Use", "", "    bothways predict FOLDER TEXT", "    bothways evaluate FOLDER test.csv", ""]
    return "\n".join(lines)


def _verify(trained: TrainedClassifier, path: Path) -> None:
    """Compare graph and weights on two batches whose sizes and lengths differ."""
    import torch

    from bothways.runtime.session import open_session

    session = open_session(str(path))
    random = np.random.default_rng(0)
    model = trained.model.cpu().eval()
    for size, longest in ((1, 1), (3, 7)):
        lengths = np.maximum(1, np.arange(size) * longest // max(1, size - 1)).astype(np.int64)
        inputs: NDArray[Any]
        if trained.features is not None:
            inputs = random.normal(size=(size, longest, trained.features)).astype(np.float32)
        else:
            assert trained.tokenizer is not None
            inputs = random.integers(1, len(trained.tokenizer), size=(size, longest))
        graph = session.run(["logits"], {"inputs": inputs, "lengths": lengths})[0]
        with torch.no_grad():
            ours = model(torch.from_numpy(inputs), torch.from_numpy(lengths)).numpy()
        check_same(graph, ours)
