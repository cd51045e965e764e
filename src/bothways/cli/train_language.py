"""bothways train language: train a language model from a file and save it as a folder."""

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
from bothways.settings import LanguageSettings

if TYPE_CHECKING:
    from bothways.training.language import TrainedLanguageModel
    from bothways.training.listening import Listener


@with_settings(LanguageSettings)
def language(
    data: Annotated[Path, typer.Argument(help="plain text, a folder of it, or a table of texts; also .gz")],
    *,
    out: Out,
    validation: ValidationTexts = None,
    text: TextColumn = None,
    condition: Annotated[
        str | None,
        typer.Option(
            "--condition",
            help="column that each text is written on: labels or a number; several columns of numbers: year,price",
        ),
    ] = None,
    encoding: Encoding = "auto",
    resume: Resume = False,
    force: Force = False,
    tensorboard: TensorBoard = None,
    as_json: AsJson = False,
    settings: LanguageSettings,
) -> None:
    """Train a language model: the next word, character or piece of a text.

    Examples: bothways train language corpus.txt --unit character --out novel
              bothways train language reviews.csv --text review --condition sentiment --out writer
    """

    def train(listener: "Listener", say: Callable[[str], None]) -> "TrainedLanguageModel":
        from bothways.training.language_from_files import (
            train_language_model_from_file,
        )

        return train_language_model_from_file(
            data,
            out,
            settings,
            validation=validation,
            text=text,
            condition=condition,
            encoding=encoding,
            resume=resume,
            force=force,
            listener=listener,
            say=say,
        )

    def measured(trained: "TrainedLanguageModel") -> dict[str, Any]:
        from bothways.training.saving_language import metrics

        return metrics(trained)

    run_training(train, out=out, tensorboard=tensorboard, several=False, measured=measured, show=_show, as_json=as_json)


def _show(trained: "TrainedLanguageModel") -> None:
    from bothways.training.language_scores import verdict

    scores = trained.scores
    if scores is None:
        return
    low, high = scores["interval"]
    print(
        f"validation perplexity {scores['perplexity']:.2f} (95% interval {low:.2f} to {high:.2f}), "
        f"{scores['bits_per_character']:.4f} bits per character, epoch {trained.best_epoch} of "
        f"{len(trained.history)} kept"
    )
    if trained.cache is not None and trained.cache_scores is not None:
        print(
            f"with a cache of the last {trained.cache.size:,} tokens: perplexity "
            f"{trained.cache_scores['perplexity']:.2f}"
        )
    print(verdict(scores, trained.baseline_scores) or "")
