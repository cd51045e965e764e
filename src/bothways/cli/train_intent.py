"""bothways train intent: train a model of intents and slots from files and save it as a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bothways.cli.options import with_settings
from bothways.cli.train_tag import show_trained
from bothways.cli.training import AsJson, Columns, Encoding, Force, Out, Resume, TensorBoard, run_training
from bothways.settings import IntentSettings

if TYPE_CHECKING:
    from bothways.training.loop import Listener
    from bothways.training.tagging import TrainedTagger


@with_settings(IntentSettings)
def train_intent(
    data: Annotated[
        Path,
        typer.Argument(help="a folder of seq.in, seq.out and label, or of such folders (train, valid); or a table"),
    ],
    *,
    out: Out,
    validation: Annotated[
        Path | None, typer.Option("--validation", help="sentences that choose the best epoch; else some are held out")
    ] = None,
    columns: Columns = None,
    encoding: Encoding = "auto",
    resume: Resume = False,
    force: Force = False,
    tensorboard: TensorBoard = None,
    as_json: AsJson = False,
    settings: IntentSettings,
) -> None:
    """Train a model of intents and slots: what a sentence asks for, and a tag for every word of what it names.

    Example: bothways train intent snips/ --out assistant
    """

    def train(listener: "Listener", say: Callable[[str], None]) -> "TrainedTagger":
        from bothways.training.tagging_from_files import train_tagger_from_file

        return train_tagger_from_file(
            data,
            out,
            settings,
            validation=validation,
            columns=columns,
            encoding=encoding,
            resume=resume,
            force=force,
            listener=listener,
            say=say,
        )

    def measured(trained: "TrainedTagger") -> dict[str, Any]:
        from bothways.training.saving_tagger import metrics

        return metrics(trained)

    run_training(
        train,
        out=out,
        tensorboard=tensorboard,
        several=settings.seeds > 1,
        measured=measured,
        show=show_trained,
        as_json=as_json,
    )
