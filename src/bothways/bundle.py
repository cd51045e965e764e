"""The model folder: everything a trained model is, in files that nothing executes.

    settings.json         task, settings, labels, temperature, format version
    tokenizer.json        text to token ids
    weights.safetensors   the weights, for training on
    model.onnx            the same weights as a graph, for running without torch; of a translator two graphs,
                          encoder.onnx and decoder.onnx
    baseline.*            the classical model that every score stands beside
    metrics.json          scores on validation data, history, how it was trained
    history.csv, *.png    learning curves
    README.md             the model card
    checksums.json        SHA-256 of each of the above

A folder is written aside and renamed, so that a full disk or a kill leaves the old one whole. A kill between the two
renames leaves the old one under a hidden name, from which whoever asks for the folder next takes it back.
"""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import category

from bothways.data.files import probe
from bothways.errors import ModelFolderError, OutputError

FORMAT_VERSION = 1
SETTINGS = "settings.json"
TOKENIZER = "tokenizer.json"
WEIGHTS = "weights.safetensors"
GRAPH = "model.onnx"
METRICS = "metrics.json"
HISTORY = "history.csv"
CARD = "README.md"
CHECKSUMS = "checksums.json"


@dataclass(frozen=True)
class ModelFolder:
    """A folder that was written by `new_folder`, with its description read and checked."""

    path: Path
    description: Mapping[str, Any]  # what settings.json holds
    checksums: Mapping[str, str]

    @property
    def task(self) -> str:
        """The task that the model was trained for, such as `classify`."""
        return str(self.description["task"])

    def has(self, name: str) -> bool:
        """Whether the folder was written with this file."""
        return name in self.checksums

    def file(self, name: str) -> Path:
        """Give the path of one of the folder's files, after making sure that it is whole and unaltered."""
        path = self.path / name
        if name not in self.checksums:
            raise ModelFolderError(f"{self.path} was written without {name}. Train the model again to get it.")
        if not path.is_file():
            raise ModelFolderError(f"{self.path} is incomplete: {name} is missing. Copy the whole folder again.")
        if _checksum(path) != self.checksums[name]:
            raise ModelFolderError(f"{path} is cut or altered: its checksum differs. Copy the whole folder again.")
        return path

    def json(self, name: str) -> Any:
        """Read one of the folder's JSON files."""
        return json.loads(self.file(name).read_text(encoding="utf-8"))


def open_folder(path: Path | str) -> ModelFolder:
    """Open a model folder.

    Raises:
        ModelFolderError: it is missing, holds no model, is damaged, or was written by a newer version.
    """
    given, path = path, _real(path)
    try:
        probe(path)
        return _opened(path)
    except OSError as error:
        raise ModelFolderError(f"{given} cannot be read: {error.strerror or error}.") from error


def _real(path: Path | str) -> Path:
    """Follow a link, so that what it leads to is read and replaced, and the link stays."""
    return Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)


def _opened(path: Path) -> ModelFolder:
    _take_back(path)
    if not path.is_dir():
        raise ModelFolderError(f"{path} is not a folder. Train a model with 'bothways train', or check the path.")
    if not (path / SETTINGS).is_file():
        raise ModelFolderError(f"{path} holds no model: {SETTINGS} is missing. Train one with 'bothways train'.")
    try:
        description = json.loads((path / SETTINGS).read_text(encoding="utf-8"))
        version = int(description["format_version"])
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ModelFolderError(f"{path / SETTINGS} is cut or altered. Copy the whole folder again.") from error
    if version > FORMAT_VERSION:
        raise ModelFolderError(
            f"{path} has format {version}, and this version of bothways reads up to {FORMAT_VERSION}. "
            "Run: pip install --upgrade bothways"
        )
    try:
        checksums = json.loads((path / CHECKSUMS).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFolderError(f"{path} is incomplete: {CHECKSUMS} is missing. Copy the whole folder again.") from error
    except ValueError as error:
        raise ModelFolderError(f"{path / CHECKSUMS} is cut or altered. Copy the whole folder again.") from error
    if not isinstance(checksums, dict):
        raise ModelFolderError(f"{path / CHECKSUMS} is cut or altered. Copy the whole folder again.")
    folder = ModelFolder(path, description, checksums)
    for name in checksums:
        if not (path / name).is_file():
            raise ModelFolderError(f"{path} is incomplete: {name} is missing. Copy the whole folder again.")
    folder.file(SETTINGS)
    return folder


def describe(task: str, **facts: Any) -> dict[str, Any]:
    """Make the content of settings.json for a task."""
    from bothways import __version__

    return {"format_version": FORMAT_VERSION, "bothways": __version__, "task": task, **facts}


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people to read, too."""
    text = json.dumps(content, ensure_ascii=False, indent=1)
    try:
        text.encode()
    except UnicodeEncodeError:  # the name of a file that is no UTF-8
        text = json.dumps(content, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def finite(content: Any) -> Any:
    """Give what JSON can hold: None for numbers that are not finite, for which it has no other word."""
    if isinstance(content, dict):
        return {name: finite(value) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def refuse_existing(path: Path | str, *, force: bool) -> None:
    """Refuse, before anything slow starts, a place that holds something already or cannot be written."""
    path = _real(path)
    if path.name in ("", ".."):
        raise OutputError(f"{str(path)!r} names no folder of its own to write. Name a new one, such as 'my-model'.")
    try:
        probe(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}. Choose another place.") from None
    _take_back(path)
    empty = path.is_dir() and not any(path.iterdir())
    if path.exists() and not empty and not all((path / name).is_file() for name in (SETTINGS, CHECKSUMS)):
        raise OutputError(f"{path} exists and is not a model folder, so it is not replaced. Choose another place.")
    if path.exists() and not force and not empty:
        raise OutputError(f"{path} exists. Choose another place with --out, or replace it with --force.")
    if path.is_mount():
        raise OutputError(f"{path} is a disk of its own, which no folder can replace. Name a folder in it.")
    parent = path.absolute().parent
    existing = next(folder for folder in (parent, *parent.parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise OutputError(f"{path} cannot be written: {existing} is not a folder that you may write to.")


@contextmanager
def new_folder(path: Path | str, *, force: bool = False) -> Iterator[Path]:
    """Write a model folder: yields an empty folder to fill, which takes its place when the block ends well.

    Raises:
        OutputError: the place is taken (and `force` is False), or writing failed; what stood there is untouched.
    """
    path = _real(path)
    refuse_existing(path, force=force)
    aside = path.with_name(f".{path.name}.new")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        yield aside
        write_json(aside / CHECKSUMS, {file.name: _checksum(file) for file in sorted(aside.iterdir())})
        for file in aside.iterdir():
            _flush(file)
        _flush_names(aside)
        _swap(aside, path)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        # The hidden folder's own names would mean nothing to a user: only the system's reason is passed on.
        reason = getattr(error.__cause__, "strerror", None) or error.strerror or error
        raise OutputError(f"{path} could not be written: {reason}. Nothing was replaced.") from error
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _swap(aside: Path, path: Path) -> None:
    """Put the new folder in the old one's place; the old one goes last."""
    old = _set_aside(path)
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    try:
        aside.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise
    _flush_names(path.absolute().parent)
    shutil.rmtree(old, ignore_errors=True)


def _set_aside(path: Path) -> Path:
    """Name the place where the old folder stands while the new one takes its place."""
    return path.with_name(f".{path.name}.old")


def _take_back(path: Path) -> None:
    """Put the old folder back in its place if a kill came just before the new one took it."""
    if path.name and not path.exists() and (_set_aside(path) / SETTINGS).is_file():
        with suppress(OSError):  # on a disk that is only read, the folder is missing as far as anyone can tell
            _set_aside(path).rename(path)
            _flush_names(path.absolute().parent)


def _flush(file: Path) -> None:
    with file.open("rb+") as written:
        os.fsync(written.fileno())


def _flush_names(folder: Path) -> None:
    """Make the names in a folder outlast a power cut, where the system can do that."""
    with suppress(OSError):  # some systems and network disks refuse to flush a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_JOINERS = "\u200c\u200d"  # inside words of Persian and Hindi, and inside emoji


def literal(text: object) -> str:
    """Make data safe to print: control characters become visible, line breaks and tabs become spaces."""
    spaced = str(text).replace("\r\n", " ").replace("\n", " ").replace("\r", " ").replace("\t", " ")
    return "".join(
        char
        if char.isprintable() or char in _JOINERS or category(char) == "Zs"  # spaces of other widths
        else f"\\x{ord(char):02x}"
        if ord(char) < 256
        else f"\\u{ord(char):04x}"
        for char in spaced
    )


def as_table(rows: Sequence[Sequence[object]], header: Sequence[str]) -> str:
    """Write a Markdown table for the model card."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(literal(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)
