"""bothways train: train a model from a file and save it as a folder."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bothways import require_training
from bothways.bundle import literal
from bothways.cli.options import with_settings
from bothways.cli.output import print_json
from bothways.settings import ClassifierSettings

if TYPE_CHECKING:
    from bothways.training.classification import TrainedClassifier


@with_settings(ClassifierSettings)
def classify(
    data: Annotated[Path, typer.Argument(help="CSV, TSV, JSON Lines or Parquet, also .gz, or a folder of these")],
    *,
    out: Annotated[Path, typer.Option("--out", help="model folder to write")],
    validation: Annotated[
        Path | None, typer.Option("--validation", help="rows that choose the best epoch; without it some are held out")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="column of texts; guessed if only one makes sense")] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="column of labels; guessed if only one makes sense")
    ] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="of the files; auto detects it")] = "auto",
    skip_unlabelled: Annotated[bool, typer.Option("--skip-unlabelled", help="leave out rows without a label")] = False,
    save_splits: Annotated[
        Path | None, typer.Option("--save-splits", help="folder for train.csv and test.csv, the split that was made")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on after Ctrl-C, kill or power cut")] = False,
    force: Annotated[bool, typer.Option("--force", help="replace the model folder if it exists")] = False,
    tensorboard: Annotated[
        Path | None, typer.Option("--tensorboard", help="folder for a TensorBoard log of the scores by epoch")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print all that was measured as JSON")] = False,
    settings: ClassifierSettings,
) -> None:
    """Train a text classifier: one label for each text.

    Example: bothways train classify reviews.csv --text review --label sentiment --out reviews-model
    """
    require_training()
    from bothways.training.from_files import train_classifier_from_file  # here, so that --help does not wait for it
    from bothways.training.progress import Everyone, TensorBoardLog, TerminalProgress

    logs = [] if tensorboard is None else [TensorBoardLog(tensorboard, several=settings.seeds > 1 or settings.refit)]
    with TerminalProgress() as progress:
        trained = train_classifier_from_file(
            data,
            out,
            settings,
            validation=validation,
            text=text,
            label=label,
            encoding=encoding,
            skip_unlabelled=skip_unlabelled,
            save_splits=save_splits,
            resume=resume,
            force=force,
            listener=Everyone([progress, *logs]),
            say=lambda note: print(literal(note), file=sys.stderr),
        )
    if as_json:
        from bothways.training.saving import metrics

        print_json({"model": str(out), **metrics(trained)})
    else:
        _show(trained)
        print(f"saved in {literal(out)}")


def _show(trained: "TrainedClassifier") -> None:
    from bothways.training.saving import spread, verdict

    if trained.scores is not None:
        low, high = trained.scores.accuracy_interval
        print(
            f"validation accuracy {trained.scores.accuracy:.4f} (95% interval {low:.4f} to {high:.4f}), "
            f"macro-F1 {trained.scores.macro_f1:.4f}, epoch {trained.best_epoch} of {len(trained.history)} kept"
        )
        print(verdict(trained) or "")
    if len(trained.by_seed) > 1:
        print(spread(trained))
