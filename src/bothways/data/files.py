"""Open a data file: its format by its name, .gz unpacked, and every fault in reading explained."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal, cast

from bothways.errors import BothwaysError, DataError, MissingFileError, OutputError

Format = Literal["csv", "tsv", "jsonl", "parquet"]
_FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
READABLE = ".csv, .tsv, .jsonl, .ndjson, .json (one object a line), .parquet, and .gz of each text format"


def format_of(path: Path) -> Format | None:
    """Name the format that a file's name stands for, or None where it stands for no table."""
    packed = is_packed(path)
    found = _FORMATS.get(Path(path.stem if packed else path.name).suffix.lower())
    return None if packed and found == "parquet" else found


def is_packed(path: Path) -> bool:
    """Say whether a file's name ends in .gz."""
    return path.suffix.lower() == ".gz"


def probe(path: Path) -> None:
    """Raise the OSError that keeps anything from being known of a place; that nothing stands there is none."""
    with suppress(FileNotFoundError, NotADirectoryError, ValueError):
        os.lstat(path)


def refuse_trained_on(data: Path, held: Path | None, name: str) -> None:
    """Refuse a file to score on that lies in a folder whose files are trained on; those of folders in it are not.

    Args:
        data: what is trained on.
        held: what is scored on; None: nothing is named.
        name: of the option.

    Raises:
        DataError: it lies there.
    """
    if held is None or not data.is_dir():
        return
    whole = data.resolve()
    lies = held.is_file() and not held.name.startswith(".") and whole in (held.parent.resolve(), held.resolve().parent)
    if lies or whole == held.resolve():
        how = "lies in" if lies else "is"
        raise DataError(
            f"{held} (--{name}) {how} the training data {data}, and would be trained on. Move it out, or name the file "
            "to train on."
        )


@contextmanager
def alone(lock: Path, refusal: str) -> Iterator[None]:
    """Let one process at a time into a block; the system lets go of the lock however the process ends.

    Args:
        lock: the file that is locked, in a folder that is there; it stays.
        refusal: what is said if another process holds it.

    Raises:
        OutputError: another process is in the block, or the file cannot be written.
    """
    try:
        import fcntl
    except ImportError:  # not of Windows
        yield
        return
    try:
        file = lock.open("w")
    except OSError as error:
        raise OutputError(f"{lock.parent} cannot be written: {error.strerror or error}.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(refusal) from None
        except OSError:
            pass  # a file system without locks
        yield


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file's bytes for reading, .gz unpacked.

    Raises:
        MissingFileError: nothing stands at `path`.
        DataError: the file cannot be read, or its .gz is cut or damaged; also where that shows later, while reading.
    """
    try:
        with cast(BinaryIO, gzip.open(path)) if is_packed(path) else path.open("rb") as file:
            yield file
    except BothwaysError:
        raise
    except FileNotFoundError:
        raise MissingFileError(f"{path} does not exist. Check the path.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        reason = str(error).rstrip(".")
        raise DataError(f"{path} is a cut or damaged .gz file ({reason}). Copy or download it again.") from None
    except UnicodeError as error:
        raise DataError(f"{path} changed while it was read ({error}). Start again.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None
