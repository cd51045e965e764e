"""Write a trained model of missing words as a model folder, and read it back."""

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
from bothways.data.language_tokens import LanguageTokens
from bothways.data.tokenizer import Tokenizer
from bothways.decoding.fill import places_of_words
from bothways.errors import ModelFolderError
from bothways.models.infiller import FillNetwork, onnx_graph
from bothways.settings import FillSettings
from bothways.training.infilling import TrainedInfiller
from bothways.training.infilling_scores import BASELINE, verdict
from bothways.training.parts import check_same, shared_metrics, write_curves, write_metrics, write_network
from bothways.training.unigram import Unigram

if TYPE_CHECKING:
    from pathlib import Path


def save_infiller(trained: TrainedInfiller, path: Path | str, *, force: bool = False) -> None:
    """Write a model folder; the ONNX graph is checked against torch before anything takes its place.

    Of the one-way model beside it only the scores are written.

    Raises:
        OutputError: the place is taken or cannot be written; what stood there is untouched.
        ModelFolderError: the graph and the weights disagree.
    """
    with new_folder(path, force=force) as folder:
        write_json(folder / SETTINGS, describe("fill", settings=trained.settings.to_dict()))
        (folder / TOKENIZER).write_text(trained.tokens.tokenizer.to_json(), encoding="utf-8")
        write_network(folder, trained.model, onnx_graph(trained.model))
        _verify(trained.model, folder / GRAPH)
        if trained.unigram is not None:
            trained.unigram.save(folder / BASELINE)
        write_metrics(folder, metrics(trained))
        write_curves(trained.history, folder, best_epoch=trained.best_epoch)
        (folder / CARD).write_text(card(trained), encoding="utf-8")


def load_infiller(path: Path | str) -> TrainedInfiller:
    """Read a model folder with its weights."""
    from safetensors.torch import load_file

    folder = open_folder(path)
    if folder.task != "fill":
        raise ModelFolderError(f"{folder.path} was trained to {folder.task!r}, not to 'fill'.")
    settings = FillSettings.from_dict(folder.description["settings"])
    tokenizer = Tokenizer.from_json(folder.file(TOKENIZER).read_text(encoding="utf-8"))
    tokens = LanguageTokens(tokenizer, whole=False)
    model = FillNetwork(settings, vocabulary=tokens.size)
    model.load_state_dict(load_file(folder.file(WEIGHTS)))
    model.eval()
    saved = folder.json(METRICS)
    return TrainedInfiller(
        model, settings, tokens,
        history=saved["history"], best_epoch=saved["best_epoch"], scores=saved["validation"],
        unigram=Unigram.load(folder.file(BASELINE)) if folder.has(BASELINE) else None,
        baseline_scores=saved["baselines"], facts=saved["training"], notes=saved["notes"],
    )  # fmt: skip


def metrics(trained: TrainedInfiller) -> dict[str, Any]:
    """Everything that was measured, ready for JSON."""
    return {
        "validation": trained.scores,
        "baselines": trained.baseline_scores,
        "verdict": verdict(trained.scores, trained.baseline_scores),
        **shared_metrics(trained),
    }


def card(trained: TrainedInfiller) -> str:
    """The model card: what the model is, how it was trained, how good it is, how to use it."""
    settings, facts = trained.settings, trained.facts
    lines = [
        "# A bothways model of missing words",
        "",
        f"Fills gaps in texts with one of {facts.get('vocabulary', 0):,} words, from the words on both sides.",
        "",
        f"{type(trained.model.encoder).__name__}, {settings.num_layers} layer(s) of width {settings.hidden_size} each "
        f"way, never mixed; {facts.get('parameters', 0):,} parameters.",
        f"Trained on {facts.get('tokens', 0):,} words in {facts.get('texts', 0):,} texts on "
        f"{date.today().isoformat()}.",
        "",
        "## Scores on validation data",
        "",
    ]
    if trained.scores is None:
        lines.append("None: no text was held out, so no score is known.")
    else:
        rows = [_row("this network", trained.scores)]
        rows += [_row(name, score) for name, score in trained.baseline_scores.items()]
        lines += [as_table(rows, ["model", "accuracy (95% interval)", "pseudo-perplexity (95% interval)"]), ""]
        lines += [verdict(trained.scores, trained.baseline_scores) or ""]
        lines += ["", "These texts also chose the best epoch: expect slightly less on new ones."]
    if trained.notes:
        lines += ["", "## Notes", "", *(f"- {literal(note)}" for note in trained.notes)]
    lines += [
        "", "## Use", "", '    bothways fill FOLDER "I am ___ hungry"', "    bothways predict FOLDER TEXT",
        "    bothways evaluate FOLDER test.txt", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _row(name: str, score: dict[str, Any]) -> list[object]:
    (low, high), (least, most) = score["accuracy_interval"], score["interval"]
    return [
        name,
        f"{score['accuracy']:.4f} ({low:.4f} to {high:.4f})",
        f"{score['perplexity']:.2f} ({least:.2f} to {most:.2f})",
    ]


def _verify(model: FillNetwork, path: Path) -> None:
    """Compare graph and weights on two batches whose sizes and lengths differ."""
    import torch

    from bothways.runtime.session import open_session

    session = open_session(str(path))
    random = np.random.default_rng(0)
    model = model.cpu().eval()
    for size, longest in ((1, 3), (3, 7)):
        lengths = np.maximum(3, np.arange(size) * longest // max(1, size - 1)).astype(np.int64)
        inputs = random.integers(1, model.embedding.num_embeddings, size=(size, longest))
        places = places_of_words(lengths)
        (graph,) = session.run(["logits"], {"inputs": inputs, "lengths": lengths, "places": places})
        with torch.no_grad():
            ours = model.outputs(*map(torch.from_numpy, (inputs, lengths, places))).numpy()
        check_same(graph, ours)
