"""Train a translator from files, save it, and go on where a stopped training was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bothways.data.pairs import read_pairs
from bothways.errors import DataError
from bothways.training.device import check_device
from bothways.training.places import check_places, train_and_save
from bothways.training.saving_translator import save_translator
from bothways.training.translation import TrainedTranslator, train_translator
from bothways.training.translation_preparation import prepare_pairs
from bothways.training.translation_scores import check_scorer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bothways.settings import TranslatorSettings
    from bothways.training.listening import Listener


def train_translator_from_files(
    data: Sequence[Path],
    out: Path,
    settings: TranslatorSettings,
    *,
    validation: Sequence[Path] = (),
    source: str | None = None,
    target: str | None = None,
    encoding: str = "auto",
    resume: bool = False,
    force: bool = False,
    listener: Listener | None = None,
    say: Callable[[str], None] = lambda note: None,
) -> TrainedTranslator:
    """Train a translator on files and save it as a model folder.

    While it trains, its state is kept in the folder `OUT.training`, so that a training that was killed goes
    on with `resume` and ends in the same weights.

    Args:
        data: two plain files, line by line each other's translations, or one table.
        out: the model folder to write.
        settings: how to train.
        validation: likewise, pairs that choose the best epoch; none holds `validation_size` out.
        source: the tables' column of sources; None guesses and says so.
        target: that of targets.
        encoding: of the files; "auto" detects it.
        resume: go on from `OUT.training`.
        force: replace `out`, and start again where a training was stopped.
        listener: who hears of progress.
        say: hears every note.

    Raises:
        BothwaysError: with one line that says what is wrong; nothing that existed is lost.
        Interrupted: Ctrl-C; the best epoch so far is saved in `out`, and the state beside it.
    """
    settings.check()
    check_device(settings)
    check_scorer()
    for files in (data, validation):
        if len(files) > 2:
            raise DataError(f"{len(files)} files are given, but there are two sides. Give sources and targets.")
    out = out.absolute()
    state = check_places(out, resume=resume, force=force)
    pairs = read_pairs(*data, source=source, target=target, encoding=encoding)
    checked = None
    if validation:
        checked = read_pairs(*validation, source=source, target=target, trained=pairs.columns, encoding=encoding)
    return train_and_save(
        out,
        state,
        prepare=lambda _: prepare_pairs(pairs, checked, settings),
        train=lambda prepared, place: train_translator(
            prepared, settings, folder=place, resume=resume, listener=listener
        ),
        save=lambda trained, place, replace: save_translator(trained, place, force=replace),
        replace=force or resume,
        say=say,
    )
