"""Train on files of texts without labels, save the model, and go on where a stopped training was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bothways.data.files import refuse_trained_on
from bothways.training.corpora import prepare_corpus
from bothways.training.device import check_device
from bothways.training.places import Model, check_places, say_all, train_and_save

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bothways.data.plain_text import Texts
    from bothways.training.corpora import CorpusSettings, PreparedCorpus


def train_on_texts(
    data: Path,
    out: Path,
    settings: CorpusSettings,
    *,
    read: Callable[[Path], Texts],
    train: Callable[[PreparedCorpus, Path], Model],
    save: Callable[[Model, Path, bool], None],
    validation: Path | None,
    resume: bool,
    force: bool,
    say: Callable[[str], None],
) -> Model:
    """Read, prepare, train and save, with the training's state in `OUT.training`.

    Args:
        data: the texts.
        out: the model folder to write.
        settings: how to train.
        read: opens the texts of a file.
        train: trains on prepared texts and keeps its state in a folder.
        save: writes a model folder; True replaces one.
        validation: texts that choose the best epoch; None holds some of `data` out.
        resume: go on from `OUT.training`.
        force: replace `out`, and start again where a training was stopped.
        say: hears every note.

    Raises:
        BothwaysError: with one line that says what is wrong; nothing that existed is lost.
        Interrupted: Ctrl-C; the best epoch so far is saved in `out`, and the state beside it.
    """
    settings.check()
    check_device(settings)
    out = out.absolute()
    state = check_places(out, resume=resume, force=force)
    refuse_trained_on(data, validation, "validation")
    source = read(data)
    say_all(source.notes, say)
    checked = None
    if validation is not None:
        checked = read(validation)
        say_all(checked.notes, say)

    def train_prepared(prepared: PreparedCorpus, place: Path) -> Model:
        trained = train(prepared, place)
        prepared.close()
        return trained

    return train_and_save(
        out,
        state,
        prepare=lambda place: prepare_corpus(source, checked, settings, place),
        train=train_prepared,
        save=save,
        replace=force or resume,
        say=say,
    )
