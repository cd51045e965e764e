"""bothways train tag: train a tagger from a file and save it as a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bothways.cli.options import with_settings
from bothways.cli.training import (
    AsJson,
    Columns,
    Encoding,
    Force,
    Out,
    Resume,
    TensorBoard,
    ValidationSentences,
    run_training,
)
from bothways.settings import TaggerSettings

if TYPE_CHECKING:
    from bothways.training.listening import Listener
    from bothways.training.tagging import TrainedTagger


@with_settings(TaggerSettings)
def train_tag(
    data: Annotated[
        Path,
        typer.Argument(help="CoNLL columns, CoNLL-U, a folder of seq.in and seq.out, or a table; also .gz"),
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
    settings: TaggerSettings,
) -> None:
    """Train a tagger: names, parts of speech, slots; a tag for every word of a sentence.

    Examples: bothways train tag train.conll --validation dev.conll --out names
              bothways train tag train.conll --model hmm --out names-hmm
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


def train_on_sentences(
    data: Path,
    settings: TaggerSettings,
    *,
    out: Path,
    validation: Path | None,
    columns: str | None,
    encoding: str,
    resume: bool,
    force: bool,
    tensorboard: Path | None,
    as_json: bool,
) -> None:
    """Train what the settings ask for, a tagger or one that also knows intents, and print what was reached."""

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
        show=_show,
        as_json=as_json,
    )


def _show(trained: "TrainedTagger") -> None:
    """Print what a training reached on the sentences held out."""
    from bothways.training.saving_tagger import spread
    from bothways.training.tag_baselines import verdict

    if (scores := trained.scores) is not None:
        low, high = scores.interval
        name = "accuracy" if scores.f1 is None else "F1 of entities"
        epoch = "" if trained.model is None else f", epoch {trained.best_epoch} of {len(trained.history)} kept"
        print(f"validation {name} {scores.main:.4f} (95% interval {low:.4f} to {high:.4f}){epoch}")
        print(verdict(scores.to_dict(), trained.baseline_scores) or "")
        if scores.intent_accuracy is not None:
            linear = trained.intent_baseline_scores["linear"]["accuracy"]
            print(f"accuracy of intents {scores.intent_accuracy:.4f} (linear baseline {linear:.4f})")
    if len(trained.by_seed) > 1:
        print(spread(trained))
