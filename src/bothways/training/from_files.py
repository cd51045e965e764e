"""Train from files: choose columns, split, train, save; and go on where a stopped training was."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bothways.bundle import refuse_existing
from bothways.data.columns import choose_columns, refuse_multi_label
from bothways.data.tables import Table, read_table
from bothways.data.writing import TableWriter
from bothways.errors import Interrupted, OutputError, ResumeError, SettingsError
from bothways.training.classification import TrainedClassifier, train_classifier
from bothways.training.preparation import Prepared, prepare
from bothways.training.saving import save_classifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bothways.settings import ClassifierSettings
    from bothways.training.loop import Listener


@dataclass
class TableRows:
    """Labelled rows of a table, read as a stream."""

    table: Table
    text: str
    label: str

    def chunks(self) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
        """Give texts and labels, some rows at a time; a missing text is an empty one."""
        for batch in self.table.batches([self.text, self.label]):
            texts, labels = (column.to_pylist() for column in batch.columns)
            yield [text or "" for text in texts], labels

    def where(self, row: int) -> str:
        """Say where a row stands."""
        return self.table.where(row)


def train_classifier_from_file(
    data: Path,
    out: Path,
    settings: ClassifierSettings,
    *,
    validation: Path | None = None,
    text: str | None = None,
    label: str | None = None,
    encoding: str = "auto",
    skip_unlabelled: bool = False,
    save_splits: Path | None = None,
    resume: bool = False,
    force: bool = False,
    listener: Listener | None = None,
    say: Callable[[str], None] = lambda note: None,
) -> TrainedClassifier:
    """Train a classifier on a file and save it as a model folder.

    While it trains, its state is kept in the folder `OUT.training`, so that a training that was killed goes
    on with `resume` and ends in the same weights.

    Args:
        data: CSV, TSV, JSON Lines or Parquet, also .gz of the text formats, or a folder of these.
        out: the model folder to write.
        settings: how to train.
        validation: rows that choose the best epoch; None holds `validation_size` of the rows out.
        text: the column of texts; None guesses, if there is one sensible choice, and says so.
        label: the column of labels; likewise.
        encoding: of the files; "auto" detects it.
        skip_unlabelled: leave rows without a label out instead of refusing them.
        save_splits: folder for train.csv and test.csv, the rows that train and those held out.
        resume: go on from `OUT.training`.
        force: replace `out`, and start again where a training was stopped.
        listener: who hears of progress.
        say: hears every note: what was guessed, skipped or cut.

    Raises:
        BothwaysError: with one line that says what is wrong; nothing that existed is lost.
        Interrupted: Ctrl-C; the best epoch so far is saved in `out`, and the state beside it.
    """
    settings.check()
    if save_splits is not None and (validation is not None or not settings.validation_size):
        raise SettingsError(
            "--save-splits writes the rows that are held out here, but none are. Drop one of the options."
        )
    workplace = out.with_name(f"{out.name}.training")
    _check_places(out, workplace, resume=resume, force=force)
    source = _open(data, text, label, encoding, say)
    checked = None if validation is None else _open(validation, source.text, source.label, encoding, say)
    try:
        workplace.mkdir(parents=True, exist_ok=True)
        prepared = prepare(source, checked, settings, workplace, skip_unlabelled=skip_unlabelled)
    except OSError as error:
        raise OutputError(f"{workplace} cannot be written: {error.strerror or error}.") from error
    finally:
        _drop_if_idle(workplace)
    for note in prepared.notes:
        say(note)
    if save_splits is not None:
        _write_splits(source.table, prepared, save_splits, say)
    said = len(prepared.notes)
    trained = train_classifier(prepared, settings, folder=workplace, resume=resume, listener=listener)
    prepared.close()
    for note in trained.notes[said:]:
        say(note)
    if trained.best_epoch:
        save_classifier(trained, out, force=force or resume)
    if trained.interrupted:
        kept = f"The best epoch so far is in {out}" if trained.best_epoch else "No epoch was finished"
        raise Interrupted(f"Stopped. {kept}; the same command with --resume goes on where it was.")
    shutil.rmtree(workplace, ignore_errors=True)
    return trained


def _check_places(out: Path, workplace: Path, *, resume: bool, force: bool) -> None:
    unfinished = workplace.is_dir() and any(workplace.glob("*.safetensors"))
    if resume:
        if not unfinished:
            raise ResumeError(f"{workplace} holds no checkpoint to resume from. Run the command without --resume.")
        refuse_existing(out, force=True)
        return
    if unfinished and not force:
        raise OutputError(
            f"{workplace} holds an unfinished training. Go on with --resume, or start again with --force."
        )
    refuse_existing(out, force=force)
    shutil.rmtree(workplace, ignore_errors=True)


def _drop_if_idle(workplace: Path) -> None:
    """Leave nothing behind of a training that was refused before it began."""
    if workplace.is_dir() and not any(workplace.iterdir()):
        workplace.rmdir()


def _open(path: Path, text: str | None, label: str | None, encoding: str, say: Callable[[str], None]) -> TableRows:
    table = read_table(path, encoding=encoding)
    text, chosen, notes = choose_columns(table, text, label, need_label=True)
    for note in (*table.notes, *notes):
        say(note)
    assert chosen is not None
    refuse_multi_label(table, chosen)
    return TableRows(table, text, chosen)


def _write_splits(table: Table, prepared: Prepared, folder: Path, say: Callable[[str], None]) -> None:
    """Write the rows that train and the rows held out, whole, as two files."""
    assert prepared.held_out is not None
    held = set(prepared.held_out.tolist())
    folder.mkdir(parents=True, exist_ok=True)
    columns = dict.fromkeys(table.columns, str)
    with TableWriter(folder / "train.csv", columns) as train, TableWriter(folder / "test.csv", columns) as test:
        row = 0
        for batch in table.batches(table.columns):
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                (test if row in held else train).write([values])
                row += 1
    say(f"{folder / 'test.csv'} holds the {len(held)} rows that were held out; they choose the best epoch.")
