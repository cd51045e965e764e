"""bothways evaluate: score a model on labelled rows, or on texts, beside the baselines."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bothways.bundle import literal, open_folder
from bothways.cli.fill import show_evaluation as show_fill_evaluation
from bothways.cli.forecast import show_evaluation as show_forecast_evaluation
from bothways.cli.language import refuse_options, show_evaluation
from bothways.cli.output import print_json
from bothways.cli.tag import show_evaluation as show_tag_evaluation
from bothways.cli.translate import show_evaluation as show_translation_evaluation
from bothways.errors import SettingsError

if TYPE_CHECKING:
    from rich.table import Table

    from bothways.training.evaluation import Evaluation

_WIDEST = 10_000  # columns of a line that goes into a file or a pipe


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
    if task == "translate":
        refuse_options(
            task,
            {
                "text": text,
                "label": label,
                "condition": condition,
                "columns": columns,
                "repair": repair,
                "predicted": predicted,
                "skip-unlabelled": skip_unlabelled,
                "confusion": confusion,
                "reliability": reliability,
            },
        )
        show_translation_evaluation(
            model,
            data,
            targets,
            source=source,
            target=target,
            encoding=encoding,
            beam_size=beam,
            as_json=as_json,
        )
        return
    refuse_options(task, {"source": source, "target": target, "beam": beam is not None})
    if targets is not None:
        raise SettingsError(f"{targets} is given besides {data}, but a model of task {task!r} reads one. Leave it out.")
    if task in ("tag", "intent"):
        refuse_options(
            task,
            {
                "text": text,
                "label": label,
                "condition": condition,
                "skip-unlabelled": skip_unlabelled,
                "confusion": confusion,
                "reliability": reliability,
            },
        )
        show_tag_evaluation(
            model, data, columns=columns, encoding=encoding, repair=repair, predicted=predicted, as_json=as_json
        )
        return
    refuse_options(task, {"columns": columns, "repair": repair, "predicted": predicted})
    if task == "forecast":
        refuse_options(
            task,
            {
                "text": text,
                "label": label,
                "condition": condition,
                "skip-unlabelled": skip_unlabelled,
                "confusion": confusion,
                "reliability": reliability,
            },
        )
        show_forecast_evaluation(model, data, encoding=encoding, as_json=as_json)
        return
    if task in ("language", "fill"):
        refuse_options(
            task,
            {"label": label, "skip-unlabelled": skip_unlabelled, "confusion": confusion, "reliability": reliability},
        )
        if task == "fill":
            refuse_options(task, {"condition": condition})
            show_fill_evaluation(model, data, text=text, encoding=encoding, as_json=as_json)
            return
        show_evaluation(model, data, text=text, condition=condition, encoding=encoding, as_json=as_json)
        return
    refuse_options(task, {"condition": condition})
    from bothways.training.evaluation import evaluate_classifier  # here, so that --help does not wait for it

    found = evaluate_classifier(model, data, text=text, label=label, encoding=encoding, skip_unlabelled=skip_unlabelled)
    for note in (*found.notes, *found.scores.notes):
        print(literal(note), file=sys.stderr)
    if as_json:
        print_json({"model": str(model), "data": str(data), **found.to_dict()})
    else:
        _show(found)
    _draw(found, confusion, reliability)  # after the scores, which a picture that cannot be written must not lose


def _draw(found: "Evaluation", confusion: Path | None, reliability: Path | None) -> None:
    """Draw what was asked for."""
    if confusion is not None:
        from bothways.training.pictures import draw_confusion

        draw_confusion(found.scores, confusion)
    if reliability is not None:
        from bothways.training.pictures import draw_reliability

        draw_reliability(found.probabilities, found.right, reliability)


def _show(found: "Evaluation") -> None:
    scores = found.scores
    low, high = scores.accuracy_interval
    print(f"{scores.rows:,} rows. In brackets: 95% bootstrap interval.")
    print(f"accuracy           {scores.accuracy:.4f}  ({low:.4f} to {high:.4f})")
    low, high = scores.macro_f1_interval
    print(f"macro-F1           {scores.macro_f1:.4f}  ({low:.4f} to {high:.4f})")
    for name, score in found.baselines.items():
        print(f"  {name + ' baseline:':<22}accuracy {score['accuracy']:.4f}  macro-F1 {score['macro_f1']:.4f}")
    print(f"log loss           {scores.log_loss:.4f} nats")
    print(f"calibration error  {scores.calibration_error:.4f}")
    linear = found.baselines.get("linear")
    if linear is not None and linear["accuracy"] > scores.accuracy:
        print("The linear baseline wins on these rows: it is the better and cheaper model for them.")
    print("by class")
    _print_table(_by_class(found))
    if len(scores.confusion_labels) <= 12:
        print("confusion: true labels down, predictions across")
        _print_table(_confusion(found))
    else:
        print("The confusion matrix is too wide for a terminal: draw it with --confusion FILE.png.")


def _print_table(table: "Table") -> None:
    """Print a table, squeezed only where a terminal is too narrow for it."""
    from rich.console import Console

    width = None if sys.stdout is not None and sys.stdout.isatty() else _WIDEST
    Console(markup=False, highlight=False, emoji=False, width=width).print(table)


def _by_class(found: "Evaluation") -> "Table":
    from rich.table import Table

    table = Table(box=None)
    table.add_column("label")
    for name in ("precision", "recall", "F1", "rows"):
        table.add_column(name, justify="right")
    for row in found.scores.by_class:
        table.add_row(
            literal(row.label), f"{row.precision:.4f}", f"{row.recall:.4f}", f"{row.f1:.4f}", str(row.support)
        )
    return table


def _confusion(found: "Evaluation") -> "Table":
    from rich.table import Table

    scores = found.scores
    table = Table(box=None)
    table.add_column("")
    for label in scores.confusion_labels[: scores.confusion.shape[1]]:
        table.add_column(literal(label), justify="right")
    for label, counts in zip(scores.confusion_labels, scores.confusion, strict=True):
        table.add_row(literal(label), *(str(count) for count in counts))
    return table
