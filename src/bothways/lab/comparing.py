"""Compare networks: train each under the same conditions, and keep what each reached in one folder.

    comparison/
      comparison.json   what was asked, with a fingerprint of question and data
      runs/NAME.json    what one network reached; NAME.txt: the traceback of one that failed
      table.csv, report.html, pictures/

Whoever compares again with the same folder and the same question goes on: what is there is not trained again, a
training that was stopped is taken up, and further cells, directions or seeds are added to those that are there.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bothways.bundle import finite, write_json
from bothways.data.files import alone, refuse_trained_on
from bothways.errors import BothwaysError, DataError, Interrupted, OutputError, SettingsError
from bothways.lab.entering import TRACEBACK
from bothways.lab.entries import Entry, Question, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

ASKED = "comparison.json"
RUNS = "runs"
PAGE, TABLE, PICTURES = "report.html", "table.csv", "pictures"
LOCK = ".lock"

_PATIENCE = 120.0  # seconds that a training is given to keep its state after Ctrl-C


class GridListener(Protocol):
    """Who wants to hear how a comparison goes."""

    def began(self, entries: Sequence[Entry], done: int) -> None:
        """So many of the networks are there already."""

    def moved(self, entry: Entry, share: float) -> None:
        """A network's training is this far, from 0 to 1."""

    def scored(self, entry: Entry, row: dict[str, float]) -> None:
        """An epoch is done and scored."""

    def entered(self, result: Result) -> None:
        """A network is done, or failed."""

    def ended(self) -> None:
        """The comparison is over, however it ended."""


@dataclass
class Comparison:
    """What was asked, and what each network reached."""

    question: Question
    results: list[Result]
    folder: Path


def compare(
    question: Question, entries: Sequence[Entry], out: Path, *, listener: GridListener, force: bool = False
) -> Comparison:
    """Train every network that is not in the folder yet, each in a process of its own.

    Args:
        question: what all are asked.
        entries: the networks.
        out: the folder to write, or to go on with.
        listener: who hears of progress.
        force: replace a folder that holds another comparison.

    Raises:
        SettingsError: a task, setting, cell or direction that cannot be.
        DataError: the data cannot be used.
        OutputError: the folder holds something else, or another comparison, or cannot be written.
        Interrupted: Ctrl-C; what is done is in the folder, and so is the state of the training under way.
    """
    for entry in entries:
        _refuse_pointless(question, question.settings_of(entry))
    _refuse_within_data(question, out)
    take_place(question, out, force=force)
    with _alone(out):
        return _compare(question, entries, out, listener)


def _compare(question: Question, entries: Sequence[Entry], out: Path, listener: GridListener) -> Comparison:
    """Train what is not in a folder yet that is ours alone."""
    runs = out / RUNS
    known = {result.entry: result for result in read_results(out)}
    finished = {entry for entry, result in known.items() if result.failed is None}
    listener.began(entries, done=len(finished.intersection(entries)))
    try:
        for entry in entries:
            if entry not in finished:
                known[entry] = _enter(question, entry, runs, listener)
                _refuse_changed(question, entry, out)
                listener.entered(known[entry])
    except KeyboardInterrupt as stop:
        done = sum(known[entry].failed is None for entry in entries if entry in known)
        raise Interrupted(
            f"Stopped: {done} of {len(entries)} networks are in {out}. The same command goes on where it was."
        ) from stop
    except OSError as error:
        if isinstance(error, BothwaysError):
            raise
        raise OutputError(f"{error.filename or out} cannot be written: {error.strerror or error}.") from error
    finally:
        listener.ended()
    return Comparison(question, read_results(out), out)


def read_results(folder: Path) -> list[Result]:
    """Read what the networks of a comparison's folder reached, in the order of names; a cut file counts as none."""
    found = []
    for path in sorted((folder / RUNS).glob("*.json")):
        try:
            found.append(Result.from_dict(json.loads(path.read_text(encoding="utf-8"))))
        except (ValueError, TypeError, KeyError):
            continue
    return found


def take_place(question: Question, out: Path, *, force: bool) -> None:
    """Make the folder, or make sure that it holds this comparison.

    Of another comparison only what a comparison writes is taken away; one that was refused before any network had
    begun gives way unasked.

    Raises:
        OutputError: it holds something else, or another comparison (unless `force`), or cannot be written.
    """
    asked = {"fingerprint": question.fingerprint(), "question": question.to_dict(), "bothways": version("bothways")}
    try:
        if out.exists() and (not out.is_dir() or any(one.name != LOCK for one in out.iterdir())):
            if not (out / ASKED).is_file():
                raise OutputError(f"{out} exists and holds no comparison. Choose another place with --out.")
            if _fingerprint(out / ASKED) == asked["fingerprint"]:
                return
            begun = any(any((out / RUNS).glob(left)) for left in ("*.json", "*.training/*.safetensors"))
            if begun and not force:
                raise OutputError(
                    f"{out} holds a comparison on other data or settings. Choose another place with --out, or replace "
                    "it with --force."
                )
            with _alone(out):
                _clear(out)
        (out / RUNS).mkdir(parents=True, exist_ok=True)
        write_json(out / ASKED, asked)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{out} cannot be written: {error.strerror or error}.") from error


def _refuse_within_data(question: Question, out: Path) -> None:
    """Refuse to write where data is read, which would change it, and to score on what is trained on.

    Raises:
        OutputError: `out` is or lies in a folder of data.
        DataError: the validation or test data lies in the folder of the training data.
    """
    for data in (question.data, question.validation, question.test):
        if data is not None and data.is_dir() and data.resolve() in (out.resolve(), *out.resolve().parents):
            raise OutputError(f"{out} is or lies in the data {data}, and would be read. Choose another --out.")
    if question.data is not None:
        for name, held in (("validation", question.validation), ("test", question.test)):
            refuse_trained_on(question.data, held, name)


def _clear(out: Path) -> None:
    """Take away what a comparison writes, and nothing else."""
    for name in (RUNS, PICTURES):
        if (out / name).is_dir():
            shutil.rmtree(out / name)
    for name in (PAGE, TABLE, ASKED):
        (out / name).unlink(missing_ok=True)


def _alone(out: Path) -> AbstractContextManager[None]:
    """Keep other comparisons out of a folder.

    Raises:
        OutputError: another comparison is under way there, or the folder cannot be written.
    """
    return alone(
        out / LOCK,
        f"Another comparison is under way in {out}. Wait for it to end, or choose another place with --out.",
    )


def _refuse_changed(question: Question, entry: Entry, out: Path) -> None:
    """Take a network's result away again if its data is not that of the others.

    Raises:
        DataError: a file was changed since the comparison began, or taken away.
    """
    if question.fingerprint() != _fingerprint(out / ASKED):
        (out / RUNS / f"{entry.name}.json").unlink(missing_ok=True)
        raise DataError(
            f"A file changed since the comparison began, so that {entry.name} cannot be compared with the others. Put "
            "the file back and run the same command again, or compare anew with --force."
        )


def _fingerprint(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["fingerprint"])
    except (ValueError, KeyError, TypeError):
        return None


def _refuse_pointless(question: Question, settings: Any) -> None:
    """Refuse to compare where nothing is held out, as there would be no score, or where there is nothing to choose."""
    if question.validation is None and question.task != "problem" and not settings.validation_size:
        raise SettingsError(
            "validation_size is 0 and there is no validation data, so that nothing could be scored. Give one of them."
        )
    if question.task == "tag" and settings.model == "hmm":
        raise SettingsError("model is 'hmm', which has no cells to compare. Leave --model out.")
    if question.task == "classify" and settings.pretrained is not None:
        raise SettingsError("pretrained names a language model, which decides on cell and direction. Leave it out.")


def _enter(question: Question, entry: Entry, runs: Path, listener: GridListener) -> Result:
    """Train one network in a process of its own, and read what it reached.

    A process that fails by itself takes its training's state with it, since it would fail there again; of one that was
    ended by a signal the state stays, for the same command to go on from.
    """
    folder, out, traceback = (runs / f"{entry.name}.{ending}" for ending in ("training", "json", "txt"))
    folder.mkdir(parents=True, exist_ok=True)
    for path in (out, traceback):
        path.unlink(missing_ok=True)
    same = (one for one in read_results(runs.parent) if one.failed is None and _holds_out_the_same(one.entry, entry))
    asked = {
        "question": question.to_dict(), "entry": vars(entry), "folder": str(folder), "out": str(out),
        "baselines": next((one.baselines for one in same), None),
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "bothways.lab.entering"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        start_new_session=True,  # Ctrl-C reaches it from here, once
    ) as process:  # fmt: skip
        try:
            reason = _follow(process, asked, entry, listener)
        except BaseException:
            process.kill()  # if it has not ended yet
            raise
    if process.returncode == 130:
        raise KeyboardInterrupt
    if process.returncode == 0 and reason is None:
        return Result.from_dict(json.loads(out.read_text(encoding="utf-8")))
    result = Result(entry, failed=reason or _end_of(process.returncode))
    if (folder / TRACEBACK).is_file():
        (folder / TRACEBACK).replace(traceback)
    if process.returncode >= 0:  # else it is the number of a signal
        shutil.rmtree(folder, ignore_errors=True)
    write_json(out, finite(result.to_dict()))
    return result


def _holds_out_the_same(one: Entry, other: Entry) -> bool:
    """Whether the baselines of two networks are the same: fitted and scored on the same rows."""
    return (one.seed, one.length) == (other.seed, other.length)


def _follow(process: subprocess.Popen[str], asked: dict[str, Any], entry: Entry, listener: GridListener) -> str | None:
    """Pass on what a process says until it ends; return why it failed, if it says so."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError):  # a process that ended at once says why by its code
        process.stdin.write(json.dumps(asked))
        process.stdin.close()
    listener.moved(entry, 0.0)
    reason, began = None, False
    try:
        for line in process.stdout:
            heard = json.loads(line)
            began = began or "began" in heard
            if "share" in heard:
                listener.moved(entry, heard["share"])
            elif "epoch" in heard:
                listener.scored(entry, heard["epoch"])
            reason = heard.get("failed", heard.get("refused", reason))
            if "refused" in heard and not began:
                # It would be refused to every network.
                process.wait()
                raise DataError(heard["refused"])
        process.wait()
    except KeyboardInterrupt:
        if began:  # else there is no state to keep
            _stop(process)
        raise
    return reason


def _stop(process: subprocess.Popen[str]) -> None:
    """Let a training keep its state and end; end it at once at a second Ctrl-C, or if it takes too long."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=_PATIENCE)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        process.kill()
        process.wait()


def _end_of(code: int) -> str:
    """Say how a process ended that said nothing."""
    if code < 0:
        name = signal.Signals(-code).name
        why = ", as the system does when memory runs out" if name == "SIGKILL" else ""
        return f"The process was ended by {name}{why}."
    return f"The process ended with exit code {code} and said nothing."
