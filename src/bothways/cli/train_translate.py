"""bothways train translate: train a translator from files and save it as a folder."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from bothways.cli.options import with_settings
from bothways.cli.training import AsJson, Encoding, Force, Out, Resume, TensorBoard, run_training
from bothways.settings import TranslatorSettings

if TYPE_CHECKING:
    from bothways.training.listening import Listener
    from bothways.training.translation import TrainedTranslator

_VALIDATION = "--validation"


class PairFiles(TyperCommand):
    """A command whose --validation takes a table, or two plain files one after the other."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give each of two files an option of its own."""
        from bothways.data.files import format_of

        args = [
            part
            for argument in args
            for part in (argument.split("=", 1) if argument.startswith(f"{_VALIDATION}=") else [argument])
        ]
        for place, argument in enumerate(args[:-2]):
            first, second = args[place + 1 : place + 3]
            plain = not first.startswith("-") and format_of(Path(first)) is None and not os.path.isdir(first)
            if argument == _VALIDATION and plain and not second.startswith("-"):
                args.insert(place + 2, _VALIDATION)
                break
        return super().parse_args(ctx, args)


@with_settings(TranslatorSettings)
def train_translate(
    data: Annotated[
        list[Path],
        typer.Argument(help="sources and targets, two plain files whose lines belong together; or one table of both"),
    ],
    *,
    out: Out,
    validation: Annotated[
        list[Path] | None,
        typer.Option(
            _VALIDATION,
            help="likewise, pairs that choose the best epoch: two plain files, or a table; else some are held out",
        ),
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="column of sources of a table")] = None,
    target: Annotated[str | None, typer.Option("--target", help="column of targets of a table")] = None,
    encoding: Encoding = "auto",
    resume: Resume = False,
    force: Force = False,
    tensorboard: TensorBoard = None,
    as_json: AsJson = False,
    settings: TranslatorSettings,
) -> None:
    """Train a translator: any sequence into any other.

    Examples: bothways train translate train.en train.de --validation val.en val.de --out en-de
              bothways train translate pairs.tsv --source question --target command --out commands
    """

    def train(listener: "Listener", say: Callable[[str], None]) -> "TrainedTranslator":
        from bothways.training.translation_from_files import train_translator_from_files

        return train_translator_from_files(
            data,
            out,
            settings,
            validation=validation or (),
            source=source,
            target=target,
            encoding=encoding,
            resume=resume,
            force=force,
            listener=listener,
            say=say,
        )

    def measured(trained: "TrainedTranslator") -> dict[str, Any]:
        from bothways.training.saving_translator import metrics

        return metrics(trained)

    run_training(train, out=out, tensorboard=tensorboard, several=False, measured=measured, show=_show, as_json=as_json)


def _show(trained: "TrainedTranslator") -> None:
    """Print what a training reached on the pairs held out."""
    from bothways.training.saving_translator import verdict

    if (scores := trained.scores) is None:
        return
    low, high = scores.bleu_interval
    print(
        f"validation BLEU {scores.bleu:.2f} (95% interval {low:.2f} to {high:.2f}), chrF {scores.chrf:.2f}, "
        f"exact {scores.exact:.4f}, epoch {trained.best_epoch} of {len(trained.history)} kept"
    )
    print(verdict(scores.to_dict(), trained.baseline_scores) or "")
