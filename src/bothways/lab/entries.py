"""What is compared: the question that all networks are asked, each network that enters, and what it reached."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

from bothways.data.teddy import write_teddy_sentences
from bothways.errors import DataError, MissingFileError, SettingsError, check_choice
from bothways.settings import (
    COMPARED,
    CellType,
    ClassifierSettings,
    Direction,
    ForecasterSettings,
    ProblemSettings,
    TaggerSettings,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bothways.declaring import Settings

KINDS: dict[str, type[Settings]] = {
    "classify": ClassifierSettings,
    "tag": TaggerSettings,
    "forecast": ForecasterSettings,
    "problem": ProblemSettings,
}
CHOSEN = (*COMPARED, "seed")  # for each network by the comparison

# A tagger's settings for the teddy sentences. Chosen on sentences of the training part whose opening and words between
# were held out, before that part had as many frames as now: without word dropout some seeds knew the words around, and
# not what tells.
TEDDY: dict[str, Any] = {"hidden_size": 64, "embedding_dim": 64, "lr": 0.004, "epochs": 6, "word_dropout": 0.2}
_ENDLESS = 1_000_000  # epochs, where the clock ends a training


@dataclass(frozen=True)
class Entry:
    """One network: what reads, which way, from which start."""

    cell: str
    direction: str
    seed: int
    length: int | None = None  # of a generated problem

    @property
    def combination(self) -> tuple[str, str, int | None]:
        """What it shares with those of other seeds."""
        return self.cell, self.direction, self.length

    @property
    def name(self) -> str:
        """A name for files and for people: lstm-both-seed-0, or gru-forward-length-100-seed-2."""
        length = "" if self.length is None else f"-length-{self.length}"
        return f"{self.cell}-{self.direction}{length}-seed-{self.seed}"


@dataclass(frozen=True)
class Question:
    """What every network is asked.

    Attributes:
        task: "classify", "tag", "forecast", or "problem" for a generated one.
        settings: those that are not the default and that a comparison does not choose itself.
        data: the file to train on; of a problem a folder, where it needs one.
        validation: the file that chooses the best epoch; None holds some of `data` out.
        test: the file that is scored once, at the end.
        reading: how the files are read: names of columns, encoding.
        minutes: of training for each network; None: as many epochs as the settings say.
        name: what the data is called; None: by its file.
    """

    task: str
    settings: dict[str, Any]
    data: Path | None = None
    validation: Path | None = None
    test: Path | None = None
    reading: dict[str, Any] = field(default_factory=dict)
    minutes: float | None = None
    name: str | None = None

    def settings_of(self, entry: Entry) -> Settings:
        """The settings that one network trains with, checked.

        Raises:
            SettingsError: a task, value, cell or direction that cannot be, or a setting that is not free.
        """
        check_choice("task", self.task, KINDS)
        taken = next((name for name in CHOSEN if name in self.settings), None)
        if taken is not None:
            raise SettingsError(f"{taken} is among the settings, but a comparison chooses it itself. Leave it out.")
        kind = KINDS[self.task]
        known = {setting.name for setting in kind.declared()}
        chosen: dict[str, Any] = {"cell_type": entry.cell, "seed": entry.seed, "minutes": self.minutes}
        chosen["bidirectional"] = entry.direction == "both"
        if entry.direction != "both" and "one_way" in known:
            chosen["one_way"] = entry.direction
        elif entry.direction == "backward":
            raise SettingsError(f"direction is 'backward', but a model to {self.task} reads forward, or both ways.")
        if entry.length is not None:
            chosen["length"] = entry.length
        if self.minutes is not None:
            chosen["epochs"] = _ENDLESS
            chosen["patience"] = self.settings.get("patience", _ENDLESS)
        return kind.from_dict({**self.settings, **chosen})

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        values = asdict(self)
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build it from what `to_dict` gave."""
        paths = {name: None if values[name] is None else Path(values[name]) for name in ("data", "validation", "test")}
        return cls(**{**values, **paths})

    def fingerprint(self) -> str:
        """Tell this question, with the content of its files, from any other, by 16 hexadecimal digits.

        Raises:
            MissingFileError: a file is not there.
            DataError: a file cannot be read.
        """
        facts = {**self.to_dict(), "data": None, "validation": None, "test": None, "name": None}
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        vectors, pretrained = (self.settings.get(name) for name in ("vectors", "pretrained"))
        beside = [None if vectors is None else Path(vectors), *([] if pretrained is None else [Path(pretrained)])]
        for path in (self.data, self.validation, self.test, *beside):
            digest.update(b"\0")
            if path is None:
                continue
            for file in _files(path):
                if file != path:
                    digest.update(str(file.relative_to(path)).encode() + b"\0")  # names may be what tells labels
                try:
                    with file.open("rb") as content:
                        digest.update(hashlib.file_digest(content, "sha256").digest())
                except OSError as error:
                    raise DataError(f"{file} cannot be read: {error.strerror or error}.") from error
        return digest.hexdigest()[:16]


@dataclass
class Result:
    """What one network reached, or why it reached nothing."""

    entry: Entry
    failed: str | None = None  # the reason
    measure: str = "accuracy"  # what the score is, of `MEASURES`
    score: float = float("nan")  # on validation data
    test: float | None = None  # of a problem: on sequences that chose nothing
    baselines: dict[str, float] = field(default_factory=dict)  # by name, on the same data
    trivial: str | None = None  # the baseline that knows nothing but what is frequent
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    parameters: int = 0
    seconds: float = 0.0  # of training, validation included
    steps_per_second: float = 0.0  # training: tokens, words or times
    predicted_per_second: float = 0.0  # steps a second when nothing is trained
    memory: float | None = None  # most MiB of the whole process
    fresh_gradients: list[float] = field(default_factory=list)  # of the loss before training, by distance from where
    # reading ends; of a tagger from the middle word
    gradients: list[float] = field(default_factory=list)  # and after it
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build it from what `to_dict` gave, or JSON made of it, which has null for a score that is no number."""
        score = math.nan if values["score"] is None else values["score"]
        return cls(**{**values, "entry": Entry(**values["entry"]), "score": score})


@dataclass(frozen=True)
class Scoring:
    """What is counted, and how."""

    name: str
    column: str  # of the history
    trivial: str | None = None  # the baseline that knows nothing but what is frequent
    lower_is_better: bool = False


MEASURES = {
    "accuracy": Scoring("accuracy", "accuracy"),
    "f1": Scoring("F1 of entities", "f1"),
    "mse": Scoring("mean squared error", "mse", lower_is_better=True),
    "squares": Scoring("mean squared error", "loss", lower_is_better=True),  # where the loss is the score
}


def scoring(results: Sequence[Result]) -> Scoring:
    """What the networks of a comparison are scored by."""
    done = next((one for one in results if one.failed is None), None)
    return MEASURES["accuracy"] if done is None else replace(MEASURES[done.measure], trivial=done.trivial)


def every(
    cells: Sequence[str], directions: Sequence[str], seeds: Sequence[int], lengths: Sequence[int] | None = None
) -> list[Entry]:
    """Every combination, each seed of all before the next seed, so that a part of the grid compares fairly.

    Raises:
        SettingsError: an unknown cell or direction, one that is named twice, or none.
    """
    for what, given, allowed in (("cell", cells, get_args(CellType)), ("direction", directions, get_args(Direction))):
        for one in given:
            check_choice(what, one, allowed)
    for what, some in (("cells", cells), ("directions", directions), ("lengths", lengths or [2])):
        if not some:
            raise SettingsError(f"{what} is empty, but at least one is needed.")
        twice = [one for one in some if list(some).count(one) > 1]
        if twice:
            raise SettingsError(f"{what} has {twice[0]!r} twice. Name each once.")
    if not seeds:
        raise SettingsError("seeds is 0, but it must be at least 1.")
    places: Sequence[int | None] = lengths or [None]
    return [
        Entry(cell, direction, seed, length)
        for seed, length, cell, direction in product(seeds, places, cells, directions)
    ]


def ask_teddy(folder: Path, settings: dict[str, Any]) -> Question:
    """Ask which words are names where only a later word tells; the generated sentences are written to a folder.

    Args:
        folder: gets the sentences.
        settings: of a tagger, those that are not those of the recipe.

    Raises:
        SettingsError: a setting that a tagger has not.
    """
    known = [setting.name for setting in TaggerSettings.declared()]
    for name in settings:
        if name not in known:
            raise SettingsError(f"{name} is of no use to the problem 'teddy', whose networks tag words. Leave it out.")
    train, test = write_teddy_sentences(folder)
    reading = {"columns": None, "encoding": "utf-8"}
    return Question("tag", {**TEDDY, **settings}, train, test=test, reading=reading, name="teddy")


def _files(path: Path) -> list[Path]:
    """A file, or all in a folder."""
    if not path.exists():
        raise MissingFileError(f"{path} does not exist. Check the path.")
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and not _is_hidden(file.relative_to(path)))


def _is_hidden(path: Path) -> bool:
    """Whether a file or a folder above it is hidden: no reader of data looks at such."""
    return any(part.startswith(".") for part in path.parts)
