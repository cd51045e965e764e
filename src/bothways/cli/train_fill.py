"""bothways train fill: train a model of missing words from a file and save it as a folder."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bothways import require_training
from bothways.bundle import literal
from bothways.cli.options import with_settings
from bothways.cli.output import print_json
from bothways.settings import FillSettings

if TYPE_CHECKING:
    from bothways.training.infilling import TrainedInfiller


@with_settings(FillSettings)
def train_fill(
    data: Annotated[
        Path, typer.Argument(help="plain text, each line a text of its own, a folder of it, or a table; also .gz")
    ],
    *,
    out: Annotated[Path, typer.Option("--out", help="model folder to write")],
    validation: Annotated[
        Path | None, typer.Option("--validation", help="texts that choose the best epoch; without it some are held out")
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="column of texts of a table; guessed if only one makes sense")
    ] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="of the files; auto detects it")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="go on after Ctrl-C, kill or power cut")] = False,
    force: Annotated[bool, typer.Option("--force", help="replace the model folder if it exists")] = False,
    tensorboard: Annotated[
        Path | None, typer.Option("--tensorboard", help="folder for a TensorBoard log of the scores by epoch")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print all that was measured as JSON")] = False,
    settings: FillSettings,
) -> None:
    """Train a model of missing words: each word of a text from those on both sides.

    Example: bothways train fill corpus.txt --out gaps
    """
    require_training()
    from bothways.training.infilling_from_files import train_infiller_from_file
    from bothways.training.progress import Everyone, TensorBoardLog, TerminalProgress

    logs = [] if tensorboard is None else [TensorBoardLog(tensorboard, several=settings.one_way_baseline)]
    with TerminalProgress() as progress:
        trained = train_infiller_from_file(
            data,
            out,
            settings,
            validation=validation,
            text=text,
            encoding=encoding,
            resume=resume,
            force=force,
            listener=Everyone([progress, *logs]),
            say=lambda note: print(literal(note), file=sys.stderr),
        )
    if as_json:
        from bothways.training.saving_infiller import metrics

        print_json({"model": str(out), **metrics(trained)})
    else:
        _show(trained)
        print(f"saved in {literal(out)}")


def _show(trained: "TrainedInfiller") -> None:
    from bothways.training.saving_infiller import verdict

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
    print(verdict(scores, trained.baseline_scores) or "")
