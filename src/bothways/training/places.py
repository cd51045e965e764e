"""Where a training from files keeps its state and writes its model, and what is said on the way."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from bothways.bundle import refuse_existing
from bothways.data.files import alone, probe
from bothways.errors import BothwaysError, DivergedError, Interrupted, OutputError, ResumeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


LOCK = ".lock"  # of a workplace, while a training is under way


def check_places(out: Path, *, resume: bool, force: bool) -> Path:
    """Name the folder for the state of a training that writes `out`: `OUT.training`.

    Raises:
        OutputError: before anything is read or written, for places that hold something of somebody else's.
        ResumeError: there is nothing to resume.
    """
    if not out.name:
        raise OutputError(f"{out} is no name for a model folder. Choose another place with --out.")
    workplace = out.with_name(f"{out.name}.training")
    try:
        probe(workplace)
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror or error}. Choose another --out.") from None
    strange = [file.name for file in workplace.iterdir() if not _is_ours(file)] if workplace.is_dir() else []
    if strange:
        raise OutputError(
            f"{workplace} holds {strange[0]}, which no training wrote, so nothing is put there. Choose another --out."
        )
    unfinished = workplace.is_dir() and any(workplace.glob("*.safetensors"))
    if resume:
        if not unfinished:
            raise ResumeError(f"{workplace} holds no checkpoint to resume from. Run the command without --resume.")
        refuse_existing(out, force=True)
        return workplace
    if unfinished and not force:
        raise OutputError(
            f"{workplace} holds an unfinished training. Go on with --resume, or start again with --force."
        )
    refuse_existing(out, force=force)
    return workplace


def refuse_inside(folder: Path, out: Path, option: str) -> None:
    """Refuse, before anything is written there, a folder of an option that lies where a model folder will stand.

    Raises:
        OutputError: it is the model folder, or lies in it, or in that of the training's state.
    """
    if not out.name:
        return  # which `check_places` refuses
    asked = folder.resolve()
    for taken in (out.resolve(), out.with_name(f"{out.name}.training").resolve()):
        if taken in (asked, *asked.parents):
            raise OutputError(
                f"{folder} is or lies in {taken}, which is the model's alone. Choose another folder with {option}."
            )


def forget_others(folder: Path, first: Path) -> None:
    """Take checkpoints of an older training away, which a new one would meet at its second network or later.

    Args:
        folder: of the training's state.
        first: the checkpoint that the new training has just written.
    """
    for checkpoint in folder.glob("*.safetensors"):
        if checkpoint != first:
            checkpoint.unlink(missing_ok=True)


def _is_ours(file: Path) -> bool:
    """Whether a file in a workplace was written by a training."""
    return file.is_file() and (file.name == LOCK or file.suffix in (".arrow", ".ids", ".safetensors", ".new"))


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """Make the folder for a training's state; what a refused training put there is taken away again.

    A training that was stopped after its first checkpoint keeps its state. Old checkpoints stay until the first
    new one is written, so that a command that is refused costs nobody their unfinished training.
    """
    before = set(folder.glob("*.safetensors"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}.") from error
    with alone(
        folder / LOCK,
        f"Another training is under way in {folder}. Wait for it to end, or choose another place with --out.",
    ):
        try:
            yield folder
        except KeyboardInterrupt as stop:
            if isinstance(stop, Interrupted) or not any(folder.glob("*.safetensors")):
                raise
            raise Interrupted("Stopped. The same command with --resume goes on where it was.") from stop
        except OSError as error:
            if isinstance(error, BothwaysError):
                raise
            raise OutputError(f"{folder} cannot be written: {error.strerror or error}.") from error
        finally:
            if folder.is_dir() and not any(folder.glob("*.safetensors")) and not before:
                shutil.rmtree(folder, ignore_errors=True)


def say_all(notes: Sequence[str], say: Callable[[str], None]) -> int:
    """Say each note; give how many there were."""
    for note in notes:
        say(note)
    return len(notes)


class Prepared(Protocol):
    """What is ready to be trained on."""

    notes: list[str]


class Trained(Protocol):
    """What a training gives."""

    best_epoch: int
    notes: list[str]  # those of what was prepared first
    interrupted: bool


Ready = TypeVar("Ready", bound=Prepared)
Model = TypeVar("Model", bound=Trained)


def train_and_save(
    out: Path,
    state: Path,
    *,
    prepare: Callable[[Path], Ready],
    train: Callable[[Ready, Path], Model],
    save: Callable[[Model, Path, bool], None],
    replace: bool,
    say: Callable[[str], None],
) -> Model:
    """Prepare, train and save what was read, with the training's state in a folder that goes when all is done.

    Args:
        out: the model folder to write.
        state: the folder, as `check_places` names it.
        prepare: makes what is read ready; it may keep files in the folder.
        train: trains, and keeps its checkpoints in the folder.
        save: writes a model folder; True replaces one.
        replace: whether `out` is replaced.
        say: hears every note, once.

    Raises:
        Interrupted: Ctrl-C; the best epoch so far is saved in `out`, and the state beside it.
    """
    with workplace(state) as place:
        prepared = prepare(place)
        said = say_all(prepared.notes, say)
        try:
            trained = train(prepared, place)
        except DivergedError:
            shutil.rmtree(place, ignore_errors=True)  # it would diverge again
            raise
        say_all(trained.notes[said:], say)
        if trained.best_epoch:
            save(trained, out, replace)
        if trained.interrupted:
            raise end_interrupted(out, best_epoch=trained.best_epoch)
    shutil.rmtree(state, ignore_errors=True)
    return trained


def end_interrupted(out: Path, *, best_epoch: int) -> Interrupted:
    """Say what a training that Ctrl-C stopped has left."""
    kept = f"The best epoch so far is in {out}" if best_epoch else "No epoch was finished"
    return Interrupted(f"Stopped. {kept}; the same command with --resume goes on where it was.")
