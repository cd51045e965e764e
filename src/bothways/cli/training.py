"""What the commands that train share: options, progress, and what is printed at the end."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from bothways import require_training
from bothways.bundle import literal
from bothways.cli.output import print_json

if TYPE_CHECKING:
    from bothways.training.listening import Listener

Out = Annotated[Path, typer.Option("--out", help="model folder to write")]
Encoding = Annotated[str, typer.Option("--encoding", help="of the files; auto detects it")]
Resume = Annotated[bool, typer.Option("--resume", help="go on after Ctrl-C, kill or power cut")]
Force = Annotated[bool, typer.Option("--force", help="replace the model folder if it exists")]
TensorBoard = Annotated[
    Path | None, typer.Option("--tensorboard", help="folder for a log of the scores by epoch; needs tensorboard")
]
AsJson = Annotated[bool, typer.Option("--json", help="print all that was measured as JSON")]
ValidationTexts = Annotated[
    Path | None, typer.Option("--validation", help="texts that choose the best epoch; without it some are held out")
]
ValidationSentences = Annotated[
    Path | None, typer.Option("--validation", help="sentences that choose the best epoch; else some are held out")
]
TextColumn = Annotated[
    str | None, typer.Option("--text", help="column of texts of a table; guessed if only one makes sense")
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", help="of words and of tags, by number or name: 1,4; a table's intents third"),
]
Target = Annotated[
    str | None,
    typer.Option("--target", help="columns to predict, with commas between; else the only one of numbers"),
]
Inputs = Annotated[
    str | None, typer.Option("--inputs", help="other columns of numbers that are read, with commas between")
]
TimeColumn = Annotated[str | None, typer.Option("--time", help="column of times; guessed if none is named")]
SeriesColumn = Annotated[
    str | None, typer.Option("--series", help="column that names the series a row belongs to, where there are many")
]

Trained = TypeVar("Trained")


def run_training(
    train: Callable[["Listener", Callable[[str], None]], Trained],
    *,
    out: Path,
    tensorboard: Path | None,
    several: bool,
    measured: Callable[[Trained], dict[str, Any]],
    show: Callable[[Trained], None],
    as_json: bool,
) -> None:
    """Train with a progress bar, and print what was reached.

    Args:
        train: trains, given who hears of progress and who hears notes.
        out: the model folder that it writes.
        tensorboard: folder for a log; None writes none.
        several: whether several trainings follow each other, each with a log of its own.
        measured: gives all that was measured, for JSON.
        show: prints the scores for a person.
        as_json: print JSON.
    """
    require_training()
    from bothways.training.places import refuse_inside
    from bothways.training.progress import Everyone, TensorBoardLog, TerminalProgress

    if tensorboard is not None:
        refuse_inside(tensorboard, out.absolute(), "--tensorboard")
    logs = [] if tensorboard is None else [TensorBoardLog(tensorboard, several=several)]
    with TerminalProgress() as progress:
        trained = train(Everyone([progress, *logs]), lambda note: print(literal(note), file=sys.stderr))
    if as_json:
        print_json({"model": str(out), **measured(trained)})
    else:
        show(trained)
        print(f"saved in {literal(out)}")
