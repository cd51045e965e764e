"""Write a trained translator as a model folder, and read it back."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.bundle import (
    CARD,
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
from bothways.errors import ModelFolderError
from bothways.models.translator_graph import decoder_graph, encoder_graph
from bothways.runtime.translator import DECODER, ENCODER, TARGET_TOKENIZER, TranslatorGraphs, read_columns, read_tokens
from bothways.settings import TranslatorSettings
from bothways.training.parts import check_same, shared_metrics, write_curves, write_metrics, write_weights
from bothways.training.translation import TrainedTranslator, make_translator
from bothways.training.translation_scores import COPY, TranslationScores

if TYPE_CHECKING:
    from pathlib import Path

BASELINES = {COPY: "the source as it stands"}


def save_translator(trained: TrainedTranslator, path: Path | str, *, force: bool = False) -> None:
    """Write a model folder; the ONNX graphs are checked against torch before anything takes its place.

    Raises:
        OutputError: the place is taken or cannot be written; what stood there is untouched.
        ModelFolderError: the graphs and the weights disagree.
    """
    with new_folder(path, force=force) as folder:
        facts = {"expansion": trained.expansion, "columns": trained.columns}
        write_json(folder / SETTINGS, describe("translate", settings=trained.settings.to_dict(), **facts))
        (folder / TOKENIZER).write_text(trained.tokens.source.tokenizer.to_json(), encoding="utf-8")
        if not trained.tokens.shared:
            (folder / TARGET_TOKENIZER).write_text(trained.tokens.target.tokenizer.to_json(), encoding="utf-8")
        model = trained.model.cpu().eval()
        write_weights(folder, model)
        (folder / ENCODER).write_bytes(encoder_graph(model).SerializeToString())
        (folder / DECODER).write_bytes(decoder_graph(model).SerializeToString())
        _verify(trained, folder)
        write_metrics(folder, metrics(trained))
        write_curves(trained.history, folder, best_epoch=trained.best_epoch)
        (folder / CARD).write_text(card(trained), encoding="utf-8")


def load_translator(path: Path | str) -> TrainedTranslator:
    """Read a model folder with its weights.

    Raises:
        ModelFolderError: it is missing or damaged, or was trained for another task.
    """
    from safetensors.torch import load_file

    folder = open_folder(path)
    if folder.task != "translate":
        raise ModelFolderError(f"{folder.path} was trained to {folder.task!r}, not to 'translate'.")
    settings = TranslatorSettings.from_dict(folder.description["settings"])
    tokens = read_tokens(folder)
    model = make_translator(settings, tokens)
    model.load_state_dict(load_file(folder.file(WEIGHTS)))
    model.eval()
    saved = folder.json(METRICS)
    return TrainedTranslator(
        model, settings, tokens, int(folder.description["expansion"]),
        history=saved["history"], best_epoch=saved["best_epoch"],
        scores=None if saved["validation"] is None else TranslationScores.from_dict(saved["validation"]),
        baseline_scores=saved["baselines"], facts=saved["training"], notes=saved["notes"],
        columns=read_columns(folder),
    )  # fmt: skip


def metrics(trained: TrainedTranslator) -> dict[str, Any]:
    """Everything that was measured, ready for JSON."""
    scores = None if trained.scores is None else trained.scores.to_dict()
    return {
        "validation": scores,
        "baselines": trained.baseline_scores,
        "verdict": verdict(scores, trained.baseline_scores),
        **shared_metrics(trained),
    }


def verdict(scores: dict[str, Any] | None, baselines: dict[str, Any]) -> str | None:
    """Say whether a translator beats what copies the source; a loss is said as one.

    BLEU decides; of short targets, where it is 0 for both, chrF does.
    """
    if scores is None or COPY not in baselines:
        return None
    other = baselines[COPY]
    figures = (
        f"BLEU {scores['bleu']:.2f} against {other['bleu']:.2f}, chrF {scores['chrf']:.2f} against "
        f"{other['chrf']:.2f}, exact {scores['exact']:.4f} against {other['exact']:.4f} on the same sources"
    )
    ours, copied = ([some[name] for name in ("bleu", "chrf", "exact")] for some in (scores, other))
    if ours > copied:
        return f"The network beats copying the source: {figures}."
    won = "Copying the source wins" if ours < copied else "The network is no better than copying the source"
    return f"{won}: {figures}. Train longer, or on more pairs."


def card(trained: TrainedTranslator) -> str:
    """The model card: what the model is, how it was trained, how good it is, how to use it."""
    settings, facts = trained.settings, trained.facts
    looks = "no attention" if settings.attention == "none" else f"{settings.attention} attention"
    lines = [
        "# A bothways translator",
        "",
        f"Turns one text into another. {type(trained.model.encoder).__name__} both ways and a "
        f"{type(trained.model.decoder.reader).__name__} with {looks}, {settings.num_layers} layer(s) of width "
        f"{settings.hidden_size}; {facts.get('parameters', 0):,} parameters.",
        f"Trained on {facts.get('pairs', 0):,} pairs, {facts.get('target_tokens', 0):,} tokens of targets, on "
        f"{date.today().isoformat()}.",
        "",
        "## Scores on validation data",
        "",
    ]
    if trained.scores is None:
        lines.append("None: no pair was held out, so no score is known.")
    else:
        scores = trained.scores
        low, high = scores.bleu_interval
        rows: list[list[object]] = [
            ["this model", f"{scores.bleu:.2f} ({low:.2f} to {high:.2f})", f"{scores.chrf:.2f}", f"{scores.exact:.4f}"]
        ]
        for name, score in trained.baseline_scores.items():
            rows.append([BASELINES[name], f"{score['bleu']:.2f}", f"{score['chrf']:.2f}", f"{score['exact']:.4f}"])
        lines += [as_table(rows, ["model", "BLEU (95% interval)", "chrF", "exact"]), ""]
        lines += [verdict(scores.to_dict(), trained.baseline_scores) or "", ""]
        lines += [f"BLEU {scores.bleu_signature}; chrF {scores.chrf_signature}; beam {settings.beam_size}.", ""]
        lines += ["These pairs also chose the best epoch: expect slightly less on new ones."]
    if trained.notes:
        lines += ["", "## Notes", "", *(f"- {literal(note)}" for note in trained.notes)]
    lines += ["", "## Use", "", "    bothways predict FOLDER TEXT", "    bothways evaluate FOLDER SOURCES TARGETS", ""]
    return "\n".join(lines)


def _verify(trained: TrainedTranslator, folder: Path) -> None:
    """Compare graphs and weights on two batches whose sizes, lengths and numbers of beginnings differ."""
    graphs, ours = TranslatorGraphs(str(folder / ENCODER), str(folder / DECODER)), trained.runner()
    random = np.random.default_rng(0)
    vocabulary = trained.tokens.target.size
    for size, beginnings, longest in ((1, 1, 3), (3, 2, 7)):
        lengths = np.maximum(1, np.arange(1, size + 1) * longest // size).astype(np.int64)
        ids = random.integers(1, trained.tokens.source.size, size=(size, longest))
        states: list[Any] = [graphs.read(ids, lengths), ours.read(ids, lengths)]
        inputs, rows = np.arange(size), np.zeros((size, beginnings), dtype=np.int64)
        both: list[Any] = [graphs, ours]
        for _ in range(2):
            states = [one.chosen(state, inputs, rows) for one, state in zip(both, states, strict=True)]
            tokens = random.integers(1, vocabulary, size=(size, beginnings))
            said = [one.step(tokens, state, vocabulary) for one, state in zip(both, states, strict=True)]
            states = [step.state for step in said]
            rows = random.integers(0, beginnings, size=(size, beginnings))
            for name in ("log_probabilities", "end", "attention"):
                here, there = (getattr(step, name) for step in said)
                if here is not None:
                    check_same(here, there)
