"""bothways info: what a model folder holds."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bothways.bundle import METRICS, literal, open_folder
from bothways.cli.output import print_json
from bothways.data.cells import spell


def info(
    model: Annotated[Path, typer.Argument(help="folder written by 'bothways train'")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="print settings and scores as one JSON object")] = False,
) -> None:
    """Show a model's task, labels, settings and scores.

    Example: bothways info reviews-model
    """
    folder = open_folder(model)
    for name in folder.checksums:
        folder.file(name)
    description, measured = dict(folder.description), folder.json(METRICS)
    if as_json:
        print_json({**description, "metrics": measured})
        return
    size = sum((folder.path / name).stat().st_size for name in folder.checksums)
    print(f"{folder.task}, {size / 1e6:.1f} MB, written by bothways {description['bothways']}; every file is whole")
    show = _SHOWS.get(folder.task)
    if show is not None:
        show(description, measured)
    for note in measured["notes"]:
        print(f"note: {literal(note)}")
    print("settings:")
    for name, value in description["settings"].items():
        print(f"  {name} = {literal(value)}")


def _show_classifier(description: dict[str, Any], measured: dict[str, Any]) -> None:
    print(f"labels: {', '.join(literal(spell(label)) for label in description['classes'])}")
    training, validation = measured["training"], measured["validation"]
    print(
        f"trained on {training['rows']:,} rows, {training['parameters']:,} parameters, "
        f"epoch {measured['best_epoch']} kept"
    )
    if validation is not None:
        low, high = validation["accuracy_interval"]
        print(
            f"validation accuracy {validation['accuracy']:.4f} ({low:.4f} to {high:.4f}), "
            f"macro-F1 {validation['macro_f1']:.4f}"
        )
    for name, score in measured["baselines"].items():
        print(f"  {name} baseline: accuracy {score['accuracy']:.4f}, macro-F1 {score['macro_f1']:.4f}")


def _show_language_model(description: dict[str, Any], measured: dict[str, Any]) -> None:
    training, validation = measured["training"], measured["validation"]
    kind = "one text" if description["whole"] else "documents"
    print(
        f"trained on {training['tokens']:,} tokens of {kind}, {training['vocabulary']:,} types, "
        f"{training['parameters']:,} parameters, epoch {measured['best_epoch']} kept"
    )
    if "condition" in description:
        from bothways.data.conditions import Condition  # here, so that --help does not wait for numpy

        print(
            f"writes on {', '.join(map(repr, description['condition']['columns']))}, "
            f"{literal(Condition.from_dict(description['condition']).kinds)}"
        )
    if validation is not None:
        low, high = validation["interval"]
        print(
            f"validation perplexity {validation['perplexity']:.2f} ({low:.2f} to {high:.2f}), "
            f"{validation['bits_per_character']:.4f} bits per character"
        )
    if measured.get("cache") is not None:
        print(f"  with its cache: perplexity {measured['cache']['perplexity']:.2f}")
    for name, score in measured["baselines"].items():
        print(f"  {name} baseline: perplexity {score['perplexity']:.2f}")


def _show_infiller(_: dict[str, Any], measured: dict[str, Any]) -> None:
    training, validation = measured["training"], measured["validation"]
    print(
        f"trained on {training['tokens']:,} words in {training['texts']:,} texts, {training['vocabulary']:,} types, "
        f"{training['parameters']:,} parameters, epoch {measured['best_epoch']} kept"
    )
    if validation is not None:
        low, high = validation["accuracy_interval"]
        print(
            f"validation accuracy {validation['accuracy']:.4f} ({low:.4f} to {high:.4f}), "
            f"pseudo-perplexity {validation['perplexity']:.2f}"
        )
    for name, score in measured["baselines"].items():
        print(f"  {name} baseline: accuracy {score['accuracy']:.4f}, perplexity {score['perplexity']:.2f}")


def _show_tagger(description: dict[str, Any], measured: dict[str, Any]) -> None:
    training, validation = measured["training"], measured["validation"]
    scheme = "plain" if description["scheme"] == "none" else description["scheme"].upper()
    if "intents" in description:
        print(f"intents: {', '.join(map(literal, description['intents']))}")
    print(f"tags ({scheme}): {', '.join(map(literal, description['labels']))}")
    kind = "a hidden Markov model"
    if "parameters" in training:
        kind = f"{training['parameters']:,} parameters, epoch {measured['best_epoch']} kept"
    print(f"trained on {training['words']:,} words in {training['sentences']:,} sentences, {kind}")
    if validation is None:
        return
    name = "accuracy" if validation["f1"] is None else "f1"
    low, high = validation[f"{name}_interval"]
    print(f"validation {_SPOKEN[name]} {validation[name]:.4f} ({low:.4f} to {high:.4f})")
    for baseline, score in measured["baselines"].items():
        print(f"  {baseline} baseline: {_SPOKEN[name]} {score[name]:.4f}")
    if validation["intent_accuracy"] is not None:
        print(f"validation accuracy of intents {validation['intent_accuracy']:.4f}")
        for baseline, score in measured["intent_baselines"].items():
            print(f"  {baseline} baseline: accuracy {score['accuracy']:.4f}")


def _show_forecaster(description: dict[str, Any], measured: dict[str, Any]) -> None:
    # Here, so that --help does not wait for numpy.
    from bothways.data.clock import Clock
    from bothways.decoding.forecasting import spoken_band
    from bothways.training.forecast_scores import interval_in_words

    series, training, validation = description["series"], measured["training"], measured["validation"]
    clock = Clock.from_dict(series["clock"])
    targets, inputs = series["columns"][: series["targets"]], series["columns"][series["targets"] :]
    print(
        f"predicts {', '.join(map(literal, targets))}, {series['horizon']:,} times ahead, from {series['window']:,}; a "
        f"time is {clock.spoken}"
    )
    if inputs:
        print(f"reads besides {', '.join(map(literal, inputs))}")
    print(
        f"trained on {training['windows']:,} windows of {training['series']:,} series, before "
        f"{literal(clock.spell(series['seen_until']))}, {training['parameters']:,} parameters, "
        f"epoch {measured['best_epoch']} kept"
    )
    if validation is not None:
        print(f"validation mean squared error {validation['mse']:.4f} ({interval_in_words(validation)})")
    for name, score in measured["baselines"].items():
        print(f"  {name} baseline: {score['mse']:.4f}")
    band = measured.get("band")
    if band is not None:
        print(spoken_band(band))


def _show_translator(description: dict[str, Any], measured: dict[str, Any]) -> None:
    training, validation = measured["training"], measured["validation"]
    types = f"{training['target_vocabulary']:,} types"
    if training["source_vocabulary"] != training["target_vocabulary"]:
        types = f"{training['source_vocabulary']:,} and {types}"
    print(
        f"trained on {training['pairs']:,} pairs, {types}, {training['parameters']:,} parameters, "
        f"epoch {measured['best_epoch']} kept"
    )
    print(f"a target has at most {description['expansion']} tokens for each of its source, and 10")
    if validation is not None:
        low, high = validation["bleu_interval"]
        print(
            f"validation BLEU {validation['bleu']:.2f} ({low:.2f} to {high:.2f}), chrF {validation['chrf']:.2f}, "
            f"exact {validation['exact']:.4f}"
        )
    for name, score in measured["baselines"].items():
        print(f"  {name} baseline: BLEU {score['bleu']:.2f}, chrF {score['chrf']:.2f}, exact {score['exact']:.4f}")


_SPOKEN = {"accuracy": "accuracy", "f1": "F1 of entities"}
_SHOWS = {
    "classify": _show_classifier,
    "language": _show_language_model,
    "fill": _show_infiller,
    "tag": _show_tagger,
    "intent": _show_tagger,
    "forecast": _show_forecaster,
    "translate": _show_translator,
}
