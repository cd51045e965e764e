"""bothways train fill: train a model of missing words from a file and save it as a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bothways.cli.options import with_settings
from bothways.cli.training import (
    AsJson,
    Encoding,
    Force,
    Out,
    Resume,
    TensorBoard,
    TextColumn,
    ValidationTexts,
    run_training,
)
from bothways.settings import FillSettings

if TYPE_CHECKING:
    from bothways.training.infilling import TrainedInfiller
    from bothways.training.listening import Listener


@with_settings(FillSettings)
def train_fill(
    data: Annotated[
        Path, typer.Argument(help="plain text, each line a text of its own, a folder of it, or a table; also .gz")
    ],
    *,
    out: Out,
    validation: ValidationTexts = None,
    text: TextColumn = None,
    encoding: Encoding = "auto",
    resume: Resume = False,
    force: Force = False,
    tensorboard: TensorBoard = None,
    as_json: AsJson = False,
    settings: FillSettings,
) -> None:
    """Train a model of missing words: each word of a text from those on both sides.

    Example: bothways train fill corpus.txt --out gaps
    """

    def train(listener: "Listener", say: Callable[[str], None]) -> "TrainedInfiller":
        from bothways.training.infilling_from_files import (
            train_infiller_from_file,
        )

        return train_infiller_from_file(
            data,
            out,
            settings,
            validation=validation,
            text=text,
            encoding=encoding,
            resume=resume,
            force=force,
            listener=listener,
            say=say,
        )

    def measured(trained: "TrainedInfiller") -> dict[str, Any]:
        from bothways.training.saving_infiller import metrics

        return metrics(trained)

    run_training(
        train,
        out=out,
        tensorboard=tensorboard,
        several=settings.one_way_baseline,
        measured=measured,
        show=_show,
        as_json=as_json,
    )


def _show(trained: "TrainedInfiller") -> None:
    from bothways.training.infilling_scores import verdict

    scores = trained.scores
    if scores is None:
        return
    low, high = scores["accuracy_interval"]
    print(
        f"validation accuracy {scores['accuracy']:.4f} (95% interval {low:.4f} to {high:.4f}), "
        f"pseudo-perplexity {scores['perplexity']:.2f}, epoch {trained.best_epoch} of {len(trained.history)} kept"
    )
    for name, score in trained.baseline_scores.items():
        print(f"  {name + ' baseline:':<18}accuracy {score['accuracy']:.4f}  perplexity {score['perplexity']:.2f}")
    said = verdict(scores, trained.baseline_scores)
    if said is not None:
        print(said)
