"""Where a training from files keeps its state and writes its model, and what is said on the way."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bothways.bundle import refuse_existing
from bothways.errors import BothwaysError, Interrupted, OutputError, ResumeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


def check_places(out: Path, *, resume: bool, force: bool) -> Path:
    """Name the folder for the state of a training that writes `out`: `OUT.training`.

    Raises:
        OutputError: before anything is read or written, for places that hold something of somebody else's.
        ResumeError: there is nothing to resume.
    """
    if not out.name:
        raise OutputError(f"{out} is no name for a model folder. Choose another place with --out.")
    workplace = out.with_name(f"{out.name}.training")
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


def _is_ours(file: Path) -> bool:
    """Whether a file in a workplace was written by a training."""
    return file.is_file() and file.suffix in (".arrow", ".ids", ".safetensors", ".new")


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """Make the folder for a training's state; what a refused training put there is taken away again.

    A training that was stopped after its first checkpoint keeps its state. Old checkpoints stay until new
    ones take their places, so that a command that is refused costs nobody their unfinished training.
    """
    before = set(folder.glob("*.safetensors"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
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


def end_interrupted(out: Path, *, best_epoch: int) -> Interrupted:
    """Say what a training that Ctrl-C stopped has left."""
    kept = f"The best epoch so far is in {out}" if best_epoch else "No epoch was finished"
    return Interrupted(f"Stopped. {kept}; the same command with --resume goes on where it was.")
