"""What the commands that serve every task print of a classifier."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bothways.bundle import literal
from bothways.cli.output import print_json, print_table
from bothways.cli.texts import lines

if TYPE_CHECKING:
    from rich.table import Table

    from bothways.training.evaluation import Evaluation


def show_labels(model: Path, texts: list[str] | None, *, as_json: bool) -> None:
    """Print the label of each text, or of each line of standard input."""
    from bothways.runtime import load  # here, so that --help does not wait for it
    from bothways.runtime.classifier import Tally

    runner, given = load(model), texts or lines()
    labels = runner.labels
    for one, probabilities in zip(given, runner.predict_proba(given), strict=True):
        best = int(probabilities.argmax())
        if as_json:
            by_label = {name: round(float(p), 6) for name, p in zip(labels, probabilities, strict=True)}
            print_json({"label": runner.classes[best], "probabilities": by_label, "text": one})
        else:
            print(f"{literal(labels[best])}\t{probabilities[best]:.3f}\t{literal(one)}")
    tally = Tally()
    tally.add(runner, len(given))
    for note in tally.notes(runner, lambda row: f"{'text' if texts else 'line'} {row + 1:,}"):
        print(note, file=sys.stderr)


def label_whole_file(model: Path, file: Path, out: Path, *, text: str | None, encoding: str, force: bool) -> None:
    """Write the rows of a table with a label and its probability added to each."""
    from bothways.runtime import load
    from bothways.runtime.files import predict_file

    for note in predict_file(load(model), file, out, text=text, encoding=encoding, force=force):
        print(literal(note), file=sys.stderr)


def show_evaluation(
    model: Path,
    data: Path,
    *,
    text: str | None,
    label: str | None,
    encoding: str,
    skip_unlabelled: bool,
    confusion: Path | None,
    reliability: Path | None,
    as_json: bool,
) -> None:
    """Score a classifier, print it, and draw what was asked for."""
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
    print_table(_by_class(found))
    if len(scores.confusion_labels) <= 12:
        print("confusion: true labels down, predictions across")
        print_table(_confusion(found))
    else:
        print("The confusion matrix is too wide for a terminal: draw it with --confusion FILE.png.")


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
