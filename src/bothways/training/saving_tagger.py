"""Write a trained tagger as a model folder, and read it back."""

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
from bothways.data.lexicon import Lexicon
from bothways.decoding.hmm import HiddenMarkovModel
from bothways.errors import ModelFolderError
from bothways.models.tagger import onnx_graph
from bothways.runtime.tagger import CHAIN, HMM, LEXICON
from bothways.settings import TaggerSettings
from bothways.training.parts import check_same, write_curves, write_network
from bothways.training.tag_scores import TagScores
from bothways.training.tagging import TrainedTagger, make_tagger, numpy_chain

if TYPE_CHECKING:
    from pathlib import Path


def save_tagger(trained: TrainedTagger, path: Path | str, *, force: bool = False) -> None:
    """Write a model folder; the ONNX graph is checked against torch before anything takes its place.

    Raises:
        OutputError: the place is taken or cannot be written; what stood there is untouched.
        ModelFolderError: the graph and the weights disagree.
    """
    from safetensors.numpy import save

    with new_folder(path, force=force) as folder:
        facts = describe("tag", settings=trained.settings.to_dict(), labels=trained.labels, scheme=trained.scheme)
        write_json(folder / SETTINGS, facts)
        (folder / LEXICON).write_text(trained.lexicon.to_json(), encoding="utf-8")
        if trained.model is not None:
            write_network(folder, trained.model, onnx_graph(trained.model))
            _verify(trained, folder / GRAPH)
            chain = numpy_chain(trained.model, len(trained.labels))
            (folder / CHAIN).write_bytes(save(vars(chain)))
        if trained.baseline is not None:
            trained.baseline.save(folder / HMM)
        write_json(folder / METRICS, metrics(trained))
        write_curves(trained.history, folder, best_epoch=trained.best_epoch)
        (folder / CARD).write_text(card(trained), encoding="utf-8")


def load_tagger(path: Path | str) -> TrainedTagger:
    """Read a model folder with its weights."""
    from safetensors.torch import load_file

    folder = open_folder(path)
    if folder.task != "tag":
        raise ModelFolderError(f"{folder.path} was trained to {folder.task!r}, not to 'tag'.")
    facts = folder.description
    settings = TaggerSettings.from_dict(facts["settings"])
    lexicon = Lexicon.from_json(folder.file(LEXICON).read_text(encoding="utf-8"))
    model = None
    if folder.has(WEIGHTS):
        model = make_tagger(settings, list(facts["labels"]), facts["scheme"], lexicon)
        model.load_state_dict(load_file(folder.file(WEIGHTS)))
        model.eval()
    saved = folder.json(METRICS)
    return TrainedTagger(
        model, settings, list(facts["labels"]), facts["scheme"], lexicon,
        history=saved["history"], best_epoch=saved["best_epoch"],
        scores=None if saved["validation"] is None else TagScores.from_dict(saved["validation"]),
        baseline=HiddenMarkovModel.load(folder.file(HMM)) if folder.has(HMM) else None,
        baseline_scores=saved["baselines"], facts=saved["training"], notes=saved["notes"],
    )  # fmt: skip


def metrics(trained: TrainedTagger) -> dict[str, Any]:
    """Everything that was measured, ready for JSON."""
    scores = None if trained.scores is None else trained.scores.to_dict()
    return {
        "validation": scores,
        "baselines": trained.baseline_scores,
        "verdict": verdict(scores, trained.baseline_scores),
        "best_epoch": trained.best_epoch,
        "history": trained.history,
        "training": trained.facts,
        "notes": trained.notes,
    }


def verdict(scores: dict[str, Any] | None, baselines: dict[str, Any]) -> str | None:
    """Say whether the network beats the hidden Markov model on the same sentences; a loss is said as one."""
    if scores is None or "hmm" not in baselines:
        return None
    name = "accuracy" if scores["f1"] is None else "f1"
    ours, theirs = scores[name], baselines["hmm"][name]
    figures = f"{'F1' if name == 'f1' else name} {ours:.4f} against {theirs:.4f} on the same sentences"
    if theirs > ours:
        return f"The hidden Markov model wins: {figures}. For this data it is the better and cheaper model."
    if theirs == ours:
        return f"The network and the hidden Markov model are level: {figures}."
    return f"The network beats the hidden Markov model: {figures}."


def card(trained: TrainedTagger) -> str:
    """The model card: what the model is, how it was trained, how good it is, how to use it."""
    settings, facts = trained.settings, trained.facts
    lines = ["# A bothways tagger", "", f"Gives every word one of {len(trained.labels)} tags.", ""]
    if trained.model is None:
        lines.append("A hidden Markov model: counts of words, of their endings, and of tags that follow tags.")
    else:
        ways = "both ways" if settings.bidirectional else settings.one_way
        lines.append(
            f"{type(trained.model.encoder).__name__}, {settings.num_layers} layer(s) of width {settings.hidden_size}, "
            f"read {ways}; decoded by {settings.decoder}; {facts.get('parameters', 0):,} parameters."
        )
    lines += [
        f"Trained on {facts.get('sentences', 0):,} sentences, {facts.get('words', 0):,} words, on "
        f"{date.today().isoformat()}.",
        "",
        "## Scores on validation data",
        "",
    ]
    if trained.scores is None:
        lines.append("None: no sentence was held out, so no score is known.")
    else:
        name = "accuracy" if trained.scores.f1 is None else "F1 of entities"
        low, high = (
            trained.scores.accuracy_interval if trained.scores.f1_interval is None else trained.scores.f1_interval
        )
        rows: list[list[object]] = [["this model", f"{trained.scores.main:.4f} ({low:.4f} to {high:.4f})"]]
        for baseline, score in trained.baseline_scores.items():
            rows.append([baseline, f"{score['accuracy'] if score['f1'] is None else score['f1']:.4f}"])
        lines += [as_table(rows, ["model", f"{name} (95% interval)"]), ""]
        lines += [verdict(trained.scores.to_dict(), trained.baseline_scores) or ""]
        if trained.model is not None:
            lines += ["", "These sentences also chose the best epoch: expect slightly less on new ones."]
        lines += ["", as_table(
            [[literal(one), f"{share.precision:.4f}", f"{share.recall:.4f}", f"{share.f1:.4f}", share.support]
             for one, share in trained.scores.by_name.items()],
            ["tag" if trained.scores.f1 is None else "entity", "precision", "recall", "F1", "in truth"],
        )]  # fmt: skip
    if trained.notes:
        lines += ["", "## Notes", "", *(f"- {literal(note)}" for note in trained.notes)]
    lines += ["", "## Use", "", "    bothways predict FOLDER TEXT", "    bothways evaluate FOLDER test.conll", ""]
    return "\n".join(lines)


def _verify(trained: TrainedTagger, path: Path) -> None:
    """Compare graph and weights on two batches whose sizes and lengths differ."""
    import torch

    from bothways.runtime.session import open_session

    assert trained.model is not None
    model = trained.model.cpu().eval()
    session = open_session(str(path))
    names = {part.name for part in session.get_inputs()}
    forms = [*trained.lexicon.words[2:7], "Never-seen 1", "a"]
    for sentences in ([forms[:1]], [forms, forms[2:4], forms[::-1] * 2]):
        batch = trained.lexicon.batch(sentences)
        given = {name: part for name, part in batch._asdict().items() if name in names}
        (here,) = session.run(None, given)
        with torch.no_grad():
            there = model(*map(torch.from_numpy, batch)).numpy()
        real = np.arange(there.shape[1]) < batch.lengths[:, None]
        check_same(here[real], there[real])
