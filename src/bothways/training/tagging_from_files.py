"""Train a tagger from files, save it, and go on where a stopped training was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bothways.data.files import refuse_trained_on
from bothways.data.tagged import WORDS, named_columns, read_tagged
from bothways.errors import MissingFileError
from bothways.settings import IntentSettings
from bothways.training.device import check_device
from bothways.training.places import check_places, train_and_save
from bothways.training.saving_tagger import save_tagger
from bothways.training.tag_preparation import prepare_tags
from bothways.training.tagging import TrainedTagger, train_tagger

if TYPE_CHECKING:
    from collections.abc import Callable

    from bothways.settings import TaggerSettings
    from bothways.training.listening import Listener


def train_tagger_from_file(
    data: Path,
    out: Path,
    settings: TaggerSettings,
    *,
    validation: Path | None = None,
    columns: str | None = None,
    encoding: str = "auto",
    resume: bool = False,
    force: bool = False,
    listener: Listener | None = None,
    say: Callable[[str], None] = lambda note: None,
) -> TrainedTagger:
    """Train a tagger on a file and save it as a model folder.

    While it trains, its state is kept in the folder `OUT.training`, so that a training that was killed goes
    on with `resume` and ends in the same weights.

    Args:
        data: CoNLL columns, CoNLL-U, a folder of seq.in and seq.out, or a table; also .gz.
        out: the model folder to write.
        settings: how to train.
        validation: sentences that choose the best epoch; None holds `validation_size` of them out.
        columns: of words and tags, by number or name, with a comma between, and for a table of intents by name; None
            takes the first and the last, of CoNLL-U form and upos, of a table what their names say.
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
    if settings.vectors is not None and not Path(settings.vectors).is_file():
        raise MissingFileError(f"{settings.vectors} does not exist. Check the path given with --vectors.")
    out = out.absolute()
    state = check_places(out, resume=resume, force=force)
    named = named_columns(columns)._asdict()
    if isinstance(settings, IntentSettings):
        data, validation = _parts(data, validation)
    if not (data / WORDS).exists():  # a folder of these is read file by file
        refuse_trained_on(data, validation, "validation")
    sentences = read_tagged(data, **named, encoding=encoding)
    checked = None if validation is None else read_tagged(validation, **named, encoding=encoding)
    return train_and_save(
        out,
        state,
        prepare=lambda _: prepare_tags(sentences, checked, settings),
        train=lambda prepared, place: train_tagger(prepared, settings, folder=place, resume=resume, listener=listener),
        save=lambda trained, place, replace: save_tagger(trained, place, force=replace),
        replace=force or resume,
        say=say,
    )


def _parts(data: Path, validation: Path | None) -> tuple[Path, Path | None]:
    """Choose the parts of a folder that holds `train`, and `valid` or the like, each a folder of its own."""
    if not (data / "train").is_dir():
        return data, validation
    named = next((data / name for name in ("valid", "validation", "dev") if (data / name).is_dir()), None)
    return data / "train", validation or named
