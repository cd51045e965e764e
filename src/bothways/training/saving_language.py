"""Write a trained language model as a model folder, and read it back."""

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
    new_folder,
    open_folder,
    write_json,
)
from bothways.bundle import literal as spelt
from bothways.data.conditions import Condition
from bothways.data.language_tokens import LanguageTokens
from bothways.data.tokenizer import Tokenizer
from bothways.decoding.cache import Cache
from bothways.errors import ModelFolderError
from bothways.models.language_model import onnx_graph
from bothways.settings import LanguageSettings
from bothways.training.kneser_ney import KneserNey
from bothways.training.language import TrainedLanguageModel, make_network
from bothways.training.language_scores import BASELINE, verdict
from bothways.training.parts import check_same, shared_metrics, write_curves, write_metrics, write_network

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from bothways.models.language_model import LanguageNetwork
    from bothways.nn.condition import Conditioner
    from bothways.nn.reader import State


def save_language_model(trained: TrainedLanguageModel, path: Path | str, *, force: bool = False) -> None:
    """Write a model folder; the ONNX graph is checked against torch before anything takes its place.

    Raises:
        OutputError: the place is taken or cannot be written; what stood there is untouched.
        ModelFolderError: the graph and the weights disagree.
    """
    with new_folder(path, force=force) as folder:
        facts = describe("language", settings=trained.settings.to_dict(), whole=trained.tokens.whole)
        if trained.condition is not None:
            facts["condition"] = trained.condition.to_dict()
        if trained.cache is not None:
            facts["cache"] = trained.cache.to_dict()
        write_json(folder / SETTINGS, facts)
        (folder / TOKENIZER).write_text(trained.tokens.tokenizer.to_json(), encoding="utf-8")
        write_network(folder, trained.model, onnx_graph(trained.model))
        _verify(trained.model, folder / GRAPH)
        if trained.baseline is not None:
            trained.baseline.save(folder / BASELINE)
        write_metrics(folder, metrics(trained))
        write_curves(trained.history, folder, best_epoch=trained.best_epoch)
        (folder / CARD).write_text(card(trained), encoding="utf-8")


def load_language_model(path: Path | str) -> TrainedLanguageModel:
    """Read a model folder with its weights."""
    from safetensors.torch import load_file

    folder = open_folder(path)
    if folder.task != "language":
        raise ModelFolderError(f"{folder.path} was trained to {folder.task!r}, not to 'language'.")
    settings = LanguageSettings.from_dict(folder.description["settings"])
    tokenizer = Tokenizer.from_json(folder.file(TOKENIZER).read_text(encoding="utf-8"))
    tokens = LanguageTokens(tokenizer, whole=bool(folder.description["whole"]))
    facts = folder.description
    condition = Condition.from_dict(facts["condition"]) if "condition" in facts else None
    model = make_network(settings, tokens, condition)
    model.load_state_dict(load_file(folder.file(WEIGHTS)))
    model.eval()
    saved = folder.json(METRICS)
    return TrainedLanguageModel(
        model, settings, tokens,
        history=saved["history"], best_epoch=saved["best_epoch"], scores=saved["validation"],
        baseline=KneserNey.load(folder.file(BASELINE)) if folder.has(BASELINE) else None,
        baseline_scores=saved["baselines"], facts=saved["training"], notes=saved["notes"],
        condition=condition, cache=Cache(**facts["cache"]) if "cache" in facts else None,
        cache_scores=saved.get("cache"),
    )  # fmt: skip


def metrics(trained: TrainedLanguageModel) -> dict[str, Any]:
    """Everything that was measured, ready for JSON."""
    return {
        "validation": trained.scores,
        "cache": trained.cache_scores,
        "baselines": trained.baseline_scores,
        "verdict": verdict(trained.scores, trained.baseline_scores),
        **shared_metrics(trained),
    }


def card(trained: TrainedLanguageModel) -> str:
    """The model card: what the model is, how it was trained, how good it is, how to use it."""
    settings, facts = trained.settings, trained.facts
    kind = "one text" if trained.tokens.whole else "documents"
    ways = "forwards and, apart from that, backwards" if settings.two_way else "forwards"
    lines = [
        "# A bothways language model",
        "",
        f"Predicts the next {settings.unit} of {kind} among {facts.get('vocabulary', 0):,} types.",
        "",
        f"{type(trained.model.encoder).__name__}, {settings.num_layers} layer(s) of width {settings.hidden_size}, "
        f"read {ways}; {facts.get('parameters', 0):,} parameters.",
        *([] if trained.condition is None else [f"Each text is written on {spelt(trained.condition.kinds)}."]),
        f"Trained on {facts.get('tokens', 0):,} tokens on {date.today().isoformat()}.",
        "",
        "## Scores on validation data",
        "",
    ]
    if trained.scores is None:
        lines.append("None: no text was held out, so no score is known.")
    else:
        low, high = trained.scores["interval"]
        rows: list[list[object]] = [
            [
                "this network",
                f"{trained.scores['perplexity']:.2f} ({low:.2f} to {high:.2f})",
                f"{trained.scores['bits_per_character']:.4f}",
            ]
        ]
        if trained.cache is not None and trained.cache_scores is not None:
            low, high = trained.cache_scores["interval"]
            rows.append(
                [
                    f"with its cache of {trained.cache.size:,} tokens",
                    f"{trained.cache_scores['perplexity']:.2f} ({low:.2f} to {high:.2f})",
                    f"{trained.cache_scores['bits_per_character']:.4f}",
                ]
            )
        rows += [
            [name, f"{score['perplexity']:.2f}", f"{score['bits_per_character']:.4f}"]
            for name, score in trained.baseline_scores.items()
        ]
        lines += [as_table(rows, ["model", "perplexity (95% interval)", "bits per character"]), ""]
        lines += [verdict(trained.scores, trained.baseline_scores) or ""]
        lines += ["", "This text also chose the best epoch: expect slightly more on new text."]
    if trained.notes:
        lines += ["", "## Notes", "", *(f"- {spelt(note)}" for note in trained.notes)]
    use = ["    bothways predict FOLDER TEXT", "    bothways evaluate FOLDER test.txt", ""]
    if not settings.two_way:
        use.insert(0, "    bothways generate FOLDER --prompt TEXT")
    if trained.condition is not None:
        given = f" --condition {spelt(trained.condition.example)}"
        use = [f"    bothways generate FOLDER{given}", f"    bothways predict FOLDER TEXT{given}", *use[2:]]
    lines += ["", "## Use", "", *use]
    return "\n".join(lines)


def _verify(model: LanguageNetwork, path: Path) -> None:
    """Compare graph and weights on two batches whose sizes and lengths differ, with states that are not zero."""
    import torch

    from bothways.nn.reader import State
    from bothways.runtime.session import open_session

    session = open_session(str(path))
    random = np.random.default_rng(0)
    model = model.cpu().eval()
    reader = model.encoder
    for size, longest in ((1, 1), (3, 7)):
        lengths = np.maximum(1, np.arange(size) * longest // max(1, size - 1)).astype(np.int64)
        inputs = random.integers(1, model.embedding.num_embeddings, size=(size, longest))
        given: dict[str, Any] = {"inputs": inputs, "lengths": lengths}
        state = None
        if not model.two_way:
            shape = (reader.num_layers, size, reader.hidden_size)
            parts = [random.normal(size=shape).astype(np.float32) for _ in reader.parts]
            given |= {f"state_{number}": part for number, part in enumerate(parts)}
            state = State(forward=tuple(map(torch.from_numpy, parts)))
        if model.condition is None:
            _compare(model, session, given, state)
            continue
        given["condition"] = _some_conditions(model.condition, size, random)
        _compare(model, session, {**given, "begins": np.zeros(size, dtype=bool)}, state)
        _compare(model, session, {**given, "begins": np.ones(size, dtype=bool)}, None)


def _some_conditions(conditioner: Conditioner, size: int, random: np.random.Generator) -> NDArray[Any]:
    """Draw conditions, int64 (B,) or float32 (B,F)."""
    if conditioner.labels is not None:
        return random.integers(0, conditioner.labels, size=size)
    return random.normal(size=(size, conditioner.numbers or 1)).astype(np.float32)


def _compare(model: LanguageNetwork, session: Any, given: dict[str, Any], state: State | None) -> None:
    """Compare graph and weights on one batch."""
    import torch

    condition = torch.from_numpy(given["condition"]) if "condition" in given else None
    graph = session.run(None, given)
    with torch.no_grad():
        tokens, lengths = torch.from_numpy(given["inputs"]), torch.from_numpy(given["lengths"])
        ours = [part.numpy() for part in model.outputs(tokens, lengths, state, condition)]
    for here, there in zip(graph, ours, strict=True):
        check_same(here, there)
