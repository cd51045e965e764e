"""bothways train: train a model from a file and save it as a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bothways.cli.options import with_settings
from bothways.cli.training import AsJson, Encoding, Force, Out, Resume, TensorBoard, run_training
from bothways.settings import ClassifierSettings

if TYPE_CHECKING:
    from bothways.training.classification import TrainedClassifier
    from bothways.training.listening import Listener


@with_settings(ClassifierSettings)
def classify(
    data: Annotated[Path, typer.Argument(help="CSV, TSV, JSON Lines or Parquet, also .gz, or a folder of these")],
    *,
    out: Out,
    validation: Annotated[
        Path | None, typer.Option("--validation", help="rows that choose the best epoch; without it some are held out")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="column of texts; guessed if only one makes sense")] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="column of labels; guessed if only one makes sense")
    ] = None,
    encoding: Encoding = "auto",
    skip_unlabelled: Annotated[bool, typer.Option("--skip-unlabelled", help="leave out rows without a label")] = False,
    save_splits: Annotated[
        Path | None, typer.Option("--save-splits", help="folder for train.csv and test.csv, the split that was made")
    ] = None,
    resume: Resume = False,
    force: Force = False,
    tensorboard: TensorBoard = None,
    as_json: AsJson = False,
    settings: ClassifierSettings,
) -> None:
    """Train a text classifier: one label for each text.

    Example: bothways train classify reviews.csv --text review --label sentiment --out reviews-model
    """

    def train(listener: "Listener", say: Callable[[str], None]) -> "TrainedClassifier":
        from bothways.training.from_files import train_classifier_from_file

        return train_classifier_from_file(
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
            listener=listener,
            say=say,
        )

    def measured(trained: "TrainedClassifier") -> dict[str, Any]:
        from bothways.training.saving import metrics

        return metrics(trained)

    run_training(
        train,
        out=out,
        tensorboard=tensorboard,
        several=settings.seeds > 1 or settings.refit,
        measured=measured,
        show=_show,
        as_json=as_json,
    )


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
