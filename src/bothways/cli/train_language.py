"""bothways train language: train a language model from a file and save it as a folder."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bothways import require_training
from bothways.bundle import literal
from bothways.cli.options import with_settings
from bothways.cli.output import print_json
from bothways.settings import LanguageSettings

if TYPE_CHECKING:
    from bothways.training.language import TrainedLanguageModel


@with_settings(LanguageSettings)
def language(
    data: Annotated[Path, typer.Argument(help="plain text, a folder of it, or a table of texts; also .gz")],
    *,
    out: Annotated[Path, typer.Option("--out", help="model folder to write")],
    validation: Annotated[
        Path | None, typer.Option("--validation", help="texts that choose the best epoch; without it some are held out")
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="column of texts of a table; guessed if only one makes sense")
    ] = None,
    condition: Annotated[
        str | None,
        typer.Option(
            "--condition",
            help="column that each text is written on: labels or a number; several columns of numbers: year,price",
        ),
    ] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="of the files; auto detects it")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="go on after Ctrl-C, kill or power cut")] = False,
    force: Annotated[bool, typer.Option("--force", help="replace the model folder if it exists")] = False,
    tensorboard: Annotated[
        Path | None, typer.Option("--tensorboard", help="folder for a TensorBoard log of the scores by epoch")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print all that was measured as JSON")] = False,
    settings: LanguageSettings,
) -> None:
    """Train a language model: the next word, character or piece of a text.

    Examples: bothways train language corpus.txt --unit character --out novel
              bothways train language reviews.csv --text review --condition sentiment --out writer
    """
    require_training()
    from bothways.training.language_from_files import train_language_model_from_file
    from bothways.training.progress import Everyone, TensorBoardLog, TerminalProgress

    logs = [] if tensorboard is None else [TensorBoardLog(tensorboard, several=False)]
    with TerminalProgress() as progress:
        trained = train_language_model_from_file(
            data,
            out,
            settings,
            validation=validation,
            text=text,
            condition=condition,
            encoding=encoding,
            resume=resume,
            force=force,
            listener=Everyone([progress, *logs]),
            say=lambda note: print(literal(note), file=sys.stderr),
        )
    if as_json:
        from bothways.training.saving_language import metrics

        print_json({"model": str(out), **metrics(trained)})
    else:
        _show(trained)
        print(f"saved in {literal(out)}")


def _show(trained: "TrainedLanguageModel") -> None:
    from bothways.training.saving_language import verdict

    scores = trained.scores
    if scores is None:
        return
    low, high = scores["interval"]
    print(
        f"validation perplexity {scores['perplexity']:.2f} (95% interval {low:.2f} to {high:.2f}), "
        f"{scores['bits_per_character']:.4f} bits per character, epoch {trained.best_epoch} of "
        f"{len(trained.history)} kept"
    )
    print(verdict(scores, trained.baseline_scores) or "")
