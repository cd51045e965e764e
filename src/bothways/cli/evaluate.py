"""bothways evaluate: score a model on labelled rows, or on texts, beside the baselines."""

from pathlib import Path
from typing import Annotated

import typer

from bothways.bundle import open_folder
from bothways.cli.classify import show_evaluation as show_labels_evaluation
from bothways.cli.fill import show_evaluation as show_fill_evaluation
from bothways.cli.forecast import show_evaluation as show_forecast_evaluation
from bothways.cli.language import show_evaluation as show_language_evaluation
from bothways.cli.options import refuse_others
from bothways.cli.tag import show_evaluation as show_tag_evaluation
from bothways.cli.translate import show_evaluation as show_translation_evaluation
from bothways.errors import ModelFolderError, SettingsError
from bothways.settings import TooLong

# Which tasks have a use for an option.
_KNOWN = {
    "text": {"classify", "language", "fill"},
    "label": {"classify"},
    "condition": {"language"},
    "columns": {"tag", "intent"},
    "repair": {"tag", "intent"},
    "predicted": {"tag", "intent"},
    "source": {"translate"},
    "target": {"translate"},
    "beam": {"translate"},
    "too-long": {"translate"},
    "skip-unlabelled": {"classify"},
    "confusion": {"classify"},
    "reliability": {"classify"},
}


def evaluate(
    model: Annotated[Path, typer.Argument(help="folder written by 'bothways train'")],
    data: Annotated[
        Path,
        typer.Argument(
            help="labelled rows: CSV, TSV, JSON Lines or Parquet, also .gz, or a folder; or plain text; or tagged words"
        ),
    ],
    targets: Annotated[
        Path | None, typer.Argument(help="the file of references, for a translator whose sources are plain lines")
    ] = None,
    *,
    text: Annotated[str | None, typer.Option("--text", help="column of texts; guessed if only one makes sense")] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="column of labels; guessed if only one makes sense")
    ] = None,
    condition: Annotated[
        str | None,
        typer.Option("--condition", help="columns of what a text is written on; those of the training data if none"),
    ] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="of the file; auto detects it")] = "auto",
    columns: Annotated[
        str | None,
        typer.Option("--columns", help="of words and tags, by number or name: 1,4; intents third; taggers"),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="read tags that the scheme does not allow as a begin; for taggers")
    ] = False,
    predicted: Annotated[
        Path | None,
        typer.Option("--predicted", help="score these tags, written by 'bothways predict --file'; for taggers"),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="column of sources of a table; for translators")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="column of targets of a table; for translators")
    ] = None,
    beam: Annotated[
        int | None, typer.Option("--beam", help="width of the search, 1 is greedy; as trained if none; for translators")
    ] = None,
    too_long: Annotated[
        TooLong | None,
        typer.Option("--too-long", help="cut or refuse sources of more than max_length tokens; as trained if none"),
    ] = None,
    skip_unlabelled: Annotated[bool, typer.Option("--skip-unlabelled", help="leave out rows without a label")] = False,
    confusion: Annotated[Path | None, typer.Option("--confusion", help="draw the confusion matrix in this PNG")] = None,
    reliability: Annotated[
        Path | None, typer.Option("--reliability", help="draw in this PNG how often answers are right, by probability")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print everything as one JSON object")] = False,
) -> None:
    """Score a model, with an interval, beside the baselines.

    A classifier: accuracy, macro-F1, scores by class, log loss, calibration, confusion. A language model: perplexity,
    bits per character. A model of missing words: accuracy, pseudo-perplexity. A tagger: accuracy; precision, recall and
    F1 of whole entities. A forecaster: squared and absolute error from every time that training had not seen. A
    translator: BLEU and chrF as sacreBLEU counts them, and the share that is exact.

    Examples: bothways evaluate reviews-model test.csv
              bothways evaluate novel test.txt
              bothways evaluate names test.conll
              bothways evaluate en-de test.en test.de
    """
    task = open_folder(model).task
    given: dict[str, object] = {
        "text": text,
        "label": label,
        "condition": condition,
        "columns": columns,
        "repair": repair,
        "predicted": predicted,
        "source": source,
        "target": target,
        "beam": beam is not None,
        "too-long": too_long,
        "skip-unlabelled": skip_unlabelled,
        "confusion": confusion,
        "reliability": reliability,
    }
    refuse_others(task, given, _KNOWN)
    if targets is not None and task != "translate":
        raise SettingsError(f"{targets} is given besides {data}, but a model of task {task!r} reads one. Leave it out.")
    match task:
        case "classify":
            show_labels_evaluation(
                model, data, text=text, label=label, encoding=encoding, skip_unlabelled=skip_unlabelled,
                confusion=confusion, reliability=reliability, as_json=as_json,
            )  # fmt: skip
        case "tag" | "intent":
            show_tag_evaluation(
                model, data, columns=columns, encoding=encoding, repair=repair, predicted=predicted, as_json=as_json
            )
        case "forecast":
            show_forecast_evaluation(model, data, encoding=encoding, as_json=as_json)
        case "fill":
            show_fill_evaluation(model, data, text=text, encoding=encoding, as_json=as_json)
        case "language":
            show_language_evaluation(model, data, text=text, condition=condition, encoding=encoding, as_json=as_json)
        case "translate":
            show_translation_evaluation(
                model, data, targets, source=source, target=target, encoding=encoding, beam_size=beam,
                too_long=too_long, as_json=as_json,
            )  # fmt: skip
        case _:
            raise ModelFolderError(f"{model} was trained to {task!r}, which this version cannot score.")
