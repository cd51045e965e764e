"""bothways train intent: train a model of intents and slots from files and save it as a folder."""

from pathlib import Path
from typing import Annotated

import typer

from bothways.cli.options import with_settings
from bothways.cli.train_tag import train_on_sentences
from bothways.cli.training import AsJson, Columns, Encoding, Force, Out, Resume, TensorBoard, ValidationSentences
from bothways.settings import IntentSettings


@with_settings(IntentSettings)
def train_intent(
    data: Annotated[
        Path,
        typer.Argument(help="a folder of seq.in, seq.out and label, or of such folders (train, valid); or a table"),
    ],
    *,
    out: Out,
    validation: ValidationSentences = None,
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
    train_on_sentences(
        data,
        settings,
        out=out,
        validation=validation,
        columns=columns,
        encoding=encoding,
        resume=resume,
        force=force,
        tensorboard=tensorboard,
        as_json=as_json,
    )
