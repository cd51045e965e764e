"""Train a language model from files, save it, and go on where a stopped training was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bothways.data.plain_text import open_texts
from bothways.training.language import TrainedLanguageModel, train_language_model
from bothways.training.saving_language import save_language_model
from bothways.training.texts_from_files import train_on_texts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bothways.settings import LanguageSettings
    from bothways.training.listening import Listener


def train_language_model_from_file(
    data: Path,
    out: Path,
    settings: LanguageSettings,
    *,
    validation: Path | None = None,
    text: str | None = None,
    condition: str | None = None,
    encoding: str = "auto",
    resume: bool = False,
    force: bool = False,
    listener: Listener | None = None,
    say: Callable[[str], None] = lambda note: None,
) -> TrainedLanguageModel:
    """Train a language model on a file and save it as a model folder.

    While it trains, its state is kept in the folder `OUT.training`, so that a training that was killed goes
    on with `resume` and ends in the same weights.

    Args:
        data: plain text, also .gz, or a folder of it: one stream; or a table whose rows are documents.
        out: the model folder to write.
        settings: how to train.
        validation: texts that choose the best epoch; None holds `validation_size` out, of a stream its end.
        text: the column of texts of a table; None guesses, if there is one sensible choice, and says so.
        condition: the column of what each text is written on, a label or a number; several columns of numbers with
            commas between; tables only.
        encoding: of the files; "auto" detects it.
        resume: go on from `OUT.training`.
        force: replace `out`, and start again where a training was stopped.
        listener: who hears of progress.
        say: hears every note: what was guessed, skipped or cut.

    Raises:
        BothwaysError: with one line that says what is wrong; nothing that existed is lost.
        Interrupted: Ctrl-C; the best epoch so far is saved in `out`, and the state beside it.
    """
    return train_on_texts(
        data,
        out,
        settings,
        read=lambda path: open_texts(path, text=text, condition=condition, encoding=encoding),
        train=lambda prepared, place: train_language_model(
            prepared, settings, folder=place, resume=resume, listener=listener
        ),
        save=lambda trained, place, replace: save_language_model(trained, place, force=replace),
        validation=validation,
        resume=resume,
        force=force,
        say=say,
    )
