"""bothways evaluate: score a model on labelled rows, beside the baselines."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bothways.bundle import literal

if TYPE_CHECKING:
    from rich.table import Table

    from bothways.training.evaluation import Evaluation


def evaluate(
    model: Annotated[Path, typer.Argument(help="folder written by 'bothways train'")],
    data: Annotated[Path, typer.Argument(help="labelled rows: CSV, TSV, JSON Lines or Parquet, also .gz, or a folder")],
    *,
    text: Annotated[str | None, typer.Option("--text", help="column of texts; guessed if only one makes sense")] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="column of labels; guessed if only one makes sense")
    ] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="of the file; auto detects it")] = "auto",
    skip_unlabelled: Annotated[bool, typer.Option("--skip-unlabelled", help="leave out rows without a label")] = False,
    confusion: Annotated[Path | None, typer.Option("--confusion", help="draw the confusion matrix in this PNG")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print everything as one JSON object")] = False,
) -> None:
    """Score a model: accuracy, macro-F1, scores by class, log loss, calibration, confusion, interval, baselines.

    Example: bothways evaluate reviews-model test.csv
    """
    from bothways.training.evaluation import evaluate_classifier  # here, so that --help does not wait for it

    found = evaluate_classifier(model, data, text=text, label=label, encoding=encoding, skip_unlabelled=skip_unlabelled)
    for note in (*found.notes, *found.scores.notes):
        print(literal(note), file=sys.stderr)
    if confusion is not None:
        from bothways.training.pictures import draw_confusion

        draw_confusion(found.scores, confusion)
    if as_json:
        print(json.dumps({"model": str(model), "data": str(data), **found.to_dict()}, ensure_ascii=False))
        return
    _show(found)


def _show(found: "Evaluation") -> None:
    from rich.console import Console

    scores = found.scores
    console = Console(markup=False, highlight=False, emoji=False)
    low, high = scores.accuracy_interval
    console.print(f"{scores.rows:,} rows. In brackets: 95% bootstrap interval.")
    console.print(f"accuracy           {scores.accuracy:.4f}  ({low:.4f} to {high:.4f})")
    low, high = scores.macro_f1_interval
    console.print(f"macro-F1           {scores.macro_f1:.4f}  ({low:.4f} to {high:.4f})")
    for name, score in found.baselines.items():
        console.print(f"  {name + ' baseline:':<22}accuracy {score['accuracy']:.4f}  macro-F1 {score['macro_f1']:.4f}")
    console.print(f"log loss           {scores.log_loss:.4f} nats")
    console.print(f"calibration error  {scores.calibration_error:.4f}")
    linear = found.baselines.get("linear")
    if linear is not None and linear["accuracy"] > scores.accuracy:
        console.print("The linear baseline wins on these rows: it is the better and cheaper model for them.")
    console.print(_by_class(found))
    if len(scores.confusion_labels) <= 12:
        console.print(_confusion(found))
    else:
        console.print("The confusion matrix is too wide for a terminal: draw it with --confusion FILE.png.")


def _by_class(found: "Evaluation") -> "Table":
    from rich.table import Table

    table = Table(box=None, title="by class", title_justify="left")
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
    table = Table(box=None, title="confusion: true labels down, predictions across", title_justify="left")
    table.add_column("")
    for label in scores.confusion_labels[: scores.confusion.shape[1]]:
        table.add_column(literal(label), justify="right")
    for label, counts in zip(scores.confusion_labels, scores.confusion, strict=True):
        table.add_row(literal(label), *(str(count) for count in counts))
    return table
