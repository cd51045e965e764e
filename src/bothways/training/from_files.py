"""Train from files: choose columns, split, train, save; and go on where a stopped training was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bothways.data.columns import choose_columns, refuse_multi_label
from bothways.data.files import refuse_trained_on
from bothways.data.streaming import in_groups
from bothways.data.tables import Table, read_table
from bothways.data.writing import TableWriter
from bothways.errors import OutputError, SettingsError
from bothways.training.classification import TrainedClassifier, check_refit, check_vectors, train_classifier
from bothways.training.device import check_device
from bothways.training.places import check_places, refuse_inside, say_all, train_and_save
from bothways.training.preparation import Prepared, prepare
from bothways.training.pretrained import read_pretrained
from bothways.training.saving import save_classifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bothways.settings import ClassifierSettings
    from bothways.training.listening import Listener

SPLITS = ("train.csv", "test.csv")


@dataclass
class TableRows:
    """Labelled rows of a table, read as a stream."""

    table: Table
    text: str
    label: str

    def chunks(self) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
        """Give texts and labels, some rows at a time; a missing text is an empty one."""
        for rows in in_groups(self.table.rows([self.text, self.label])):
            yield [text or "" for text, _ in rows], [label for _, label in rows]

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
    _check_settings(settings, validation, save_splits)
    out = out.absolute()
    state = check_places(out, resume=resume, force=force)
    parted = resume and save_splits is not None and all((save_splits / name).is_file() for name in SPLITS)
    _check_splits(save_splits, data, out, force=force or parted)
    refuse_trained_on(data, validation, "validation")
    source = open_rows(data, text, label, encoding, say)
    checked = None if validation is None else open_rows(validation, source.text, source.label, encoding, say)
    pretrained = read_pretrained(settings)
    if pretrained is not None:
        settings = pretrained.adapt(settings)
    tokenizer = None if pretrained is None else pretrained.tokenizer

    def train(prepared: Prepared, place: Path) -> TrainedClassifier:
        if not parted:  # by the training that is resumed
            _write_splits(source, prepared, save_splits, say)
        trained = train_classifier(
            prepared, settings, folder=place, resume=resume, listener=listener, pretrained=pretrained
        )
        prepared.close()
        return trained

    return train_and_save(
        out,
        state,
        prepare=lambda place: prepare(
            source, checked, settings, place, skip_unlabelled=skip_unlabelled, tokenizer=tokenizer
        ),
        train=train,
        save=lambda trained, place, replace: save_classifier(trained, place, force=replace),
        replace=force or resume,
        say=say,
    )


def _check_settings(settings: ClassifierSettings, validation: Path | None, save_splits: Path | None) -> None:
    """Refuse, before anything slow starts, settings that cannot work here."""
    settings.check()
    check_device(settings)
    check_vectors(settings)
    check_refit(settings)
    if save_splits is not None and (validation is not None or not settings.validation_size):
        raise SettingsError(
            "--save-splits writes the rows that are held out here, but none are. Drop one of the options."
        )


def _check_splits(folder: Path | None, data: Path, out: Path, *, force: bool) -> None:
    """Refuse to write a split over a file that exists, and over the training data or the model in any case."""
    if folder is None:
        return
    refuse_inside(folder, out, "--save-splits")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file, but --save-splits needs a folder.")
    if data.is_dir() and data.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise OutputError(
            f"{folder} lies in the training data {data}, and the next training would read the split as well. "
            "Choose another folder with --save-splits."
        )
    for name in SPLITS:
        place = folder / name
        if place.exists() and (
            not force or place.resolve() == data.resolve() or data.resolve() in place.resolve().parents
        ):
            raise OutputError(f"{place} exists. Choose another folder with --save-splits.")


def open_rows(path: Path, text: str | None, label: str | None, encoding: str, say: Callable[[str], None]) -> TableRows:
    """Open a table of labelled texts; a column that is None is guessed, which is said.

    Raises:
        DataError: no such column, none to guess, or labels that are lists.
    """
    table = read_table(path, encoding=encoding)
    text, chosen, notes = choose_columns(table, text, label, need_label=True)
    say_all([*table.notes, *notes], say)
    assert chosen is not None
    refuse_multi_label(table, chosen)
    return TableRows(table, text, chosen)


def _write_splits(source: TableRows, prepared: Prepared, folder: Path | None, say: Callable[[str], None]) -> None:
    """Write the rows that train and the rows held out, whole, as two files, if a folder is named for them."""
    if folder is None:
        return
    assert prepared.held_out is not None
    trains, held = set(prepared.kept.tolist()), set(prepared.held_out.tolist())
    folder.mkdir(parents=True, exist_ok=True)
    columns = dict.fromkeys(source.table.columns, str)
    with TableWriter(folder / SPLITS[0], columns) as train, TableWriter(folder / SPLITS[1], columns) as test:
        for row, values in enumerate(source.table.whole_rows(source.text)):
            if row in held:
                test.write([values])
            elif row in trains:
                train.write([values])
    say(f"{folder / SPLITS[1]} holds the {len(held)} rows that were held out; they choose the best epoch.")
