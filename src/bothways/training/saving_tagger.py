"""Write a trained tagger as a model folder, and read it back."""

from __future__ import annotations

from dataclasses import asdict
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
from bothways.decoding.schemes import NAMES
from bothways.errors import ModelFolderError
from bothways.models.tagger import LanguageShape, onnx_graph
from bothways.runtime.tagger import CHAIN, HMM, LEXICON
from bothways.settings import IntentSettings, TaggerSettings
from bothways.training.parts import (
    check_same,
    read_baselines,
    shared_metrics,
    spread_in_words,
    write_curves,
    write_metrics,
    write_network,
)
from bothways.training.tag_baselines import BASELINES, verdict
from bothways.training.tag_network import make_tagger, numpy_chain
from bothways.training.tag_scores import TagScores
from bothways.training.tagging import TrainedTagger

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
        task = "intent" if trained.intents else "tag"
        facts = describe(task, settings=trained.settings.to_dict(), labels=trained.labels, scheme=trained.scheme)
        if trained.intents:
            facts["intents"] = trained.intents
        if trained.model is not None and trained.model.language is not None:
            facts["language"] = asdict(trained.model.language.shape)
        write_json(folder / SETTINGS, facts)
        (folder / LEXICON).write_text(trained.lexicon.to_json(), encoding="utf-8")
        if trained.model is not None:
            write_network(folder, trained.model, onnx_graph(trained.model))
            _verify(trained, folder / GRAPH)
            chain = numpy_chain(trained.model, len(trained.labels))
            (folder / CHAIN).write_bytes(save(asdict(chain)))
        if trained.baseline is not None:
            trained.baseline.save(folder / HMM)
        if trained.intent_baselines is not None:
            trained.intent_baselines.save(folder)
        write_metrics(folder, metrics(trained))
        write_curves(trained.history, folder, best_epoch=trained.best_epoch)
        (folder / CARD).write_text(card(trained), encoding="utf-8")


def load_tagger(path: Path | str, *, task: str = "tag") -> TrainedTagger:
    """Read a model folder with its weights, of task "tag" or "intent".

    Raises:
        ModelFolderError: it is missing or damaged, or was trained for another task.
    """
    from safetensors.torch import load_file

    folder = open_folder(path)
    if folder.task != task:
        raise ModelFolderError(f"{folder.path} was trained to {folder.task!r}, not to {task!r}.")
    facts = folder.description
    kind = IntentSettings if folder.task == "intent" else TaggerSettings
    settings, intents = kind.from_dict(facts["settings"]), list(facts.get("intents", []))
    lexicon = Lexicon.from_json(folder.file(LEXICON).read_text(encoding="utf-8"))
    model = None
    if folder.has(WEIGHTS):
        language = LanguageShape(**facts["language"]) if "language" in facts else None
        model = make_tagger(settings, list(facts["labels"]), facts["scheme"], lexicon, language, intents=len(intents))
        model.load_state_dict(load_file(folder.file(WEIGHTS)))
        model.eval()
    saved = folder.json(METRICS)
    return TrainedTagger(
        model, settings, list(facts["labels"]), facts["scheme"], lexicon,
        history=saved["history"], best_epoch=saved["best_epoch"],
        scores=None if saved["validation"] is None else TagScores.from_dict(saved["validation"]),
        baseline=HiddenMarkovModel.load(folder.file(HMM)) if folder.has(HMM) else None,
        baseline_scores=saved["baselines"], by_seed=saved["by_seed"], facts=saved["training"], notes=saved["notes"],
        intents=intents, intent_baselines=read_baselines(folder),
        intent_baseline_scores=saved["intent_baselines"],
    )  # fmt: skip


def metrics(trained: TrainedTagger) -> dict[str, Any]:
    """Everything that was measured, ready for JSON."""
    scores = None if trained.scores is None else trained.scores.to_dict()
    return {
        "validation": scores,
        "baselines": trained.baseline_scores,
        "intent_baselines": trained.intent_baseline_scores,
        "verdict": verdict(scores, trained.baseline_scores),
        "by_seed": trained.by_seed,
        **shared_metrics(trained),
    }


def spread(trained: TrainedTagger) -> str:
    """Mean and deviation of the validation scores over the seeds, in words."""
    return spread_in_words(trained.by_seed, {"f1": "F1", "accuracy": "accuracy"}, "sentences")


def card(trained: TrainedTagger) -> str:
    """The model card: what the model is, how it was trained, how good it is, how to use it."""
    settings, facts = trained.settings, trained.facts
    written = "" if trained.scheme == "none" else f", written as {NAMES[trained.scheme]}"
    tags = ", ".join(literal(label) for label in trained.labels[:50]) + (", ..." if len(trained.labels) > 50 else "")
    lines = ["# A bothways tagger", ""]
    if trained.intents:
        named = ", ".join(map(literal, trained.intents[:50]))
        lines += [f"Says which of {len(trained.intents)} things a sentence asks for: {named}.", ""]
    lines += [f"Gives every word one of {len(trained.labels)} tags{written}: {tags}.", ""]
    if trained.model is None:
        lines.append("A hidden Markov model: counts of words, of their endings, and of tags that follow tags.")
    else:
        ways = {"both": "both ways", "forward": "forwards", "backward": "backwards"}[settings.direction]
        letters = "words and their letters" if settings.spelling_size else "words"
        decoded = {"crf": "the best sequence of tags (CRF)", "softmax": "the best tag of each word"}[settings.decoder]
        lines.append(
            f"{type(trained.model.encoder).__name__}, {settings.num_layers} layer(s) of width {settings.hidden_size}, "
            f"reads {letters} {ways} and gives {decoded}; {facts.get('parameters', 0):,} parameters."
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
        low, high = trained.scores.interval
        rows: list[list[object]] = [["this model", f"{trained.scores.main:.4f} ({low:.4f} to {high:.4f})"]]
        for baseline, score in trained.baseline_scores.items():
            rows.append([BASELINES[baseline], f"{score['accuracy'] if score['f1'] is None else score['f1']:.4f}"])
        lines += [as_table(rows, ["model", f"{name} (95% interval)"]), ""]
        if trained.scores.intent_accuracy is not None and trained.scores.intent_interval is not None:
            low, high = trained.scores.intent_interval
            asked: list[list[object]] = [
                ["this model", f"{trained.scores.intent_accuracy:.4f} ({low:.4f} to {high:.4f})"]
            ]
            asked += [[one, f"{score['accuracy']:.4f}"] for one, score in trained.intent_baseline_scores.items()]
            lines += [as_table(asked, ["model", "accuracy of intents (95% interval)"]), ""]
        lines += [verdict(trained.scores.to_dict(), trained.baseline_scores) or ""]
        if trained.model is not None:
            lines += ["", "These sentences also chose the best epoch: expect slightly less on new ones."]
        if len(trained.by_seed) > 1:
            lines += ["", spread(trained)]
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
    forms = [*trained.lexicon.words[2:7], "Never-seen 1", "a", "B2"]
    for sentences in ([forms[:1]], [forms, forms[1:3], forms[::-1] * 2]):
        batch = trained.lexicon.batch(sentences)
        given = {name: part for name, part in batch._asdict().items() if name in names}
        here, *asked = session.run(None, given)
        with torch.no_grad():
            found = model(*map(torch.from_numpy, batch))
        there, *wanted = (part.numpy() for part in (found if isinstance(found, tuple) else (found,)))
        real = np.arange(there.shape[1]) < batch.lengths[:, None]
        check_same(here[real], there[real])
        for one, other in zip(asked, wanted, strict=True):
            check_same(one, other)
