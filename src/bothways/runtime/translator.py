"""Run a translator from a model folder with onnxruntime."""

import gzip
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bothways.bundle import TOKENIZER, ModelFolder
from bothways.data.files import format_of, is_packed
from bothways.data.pair_tokens import PairTokens
from bothways.data.pairs import read_sources
from bothways.data.tokenizer import Tokenizer
from bothways.data.writing import TableWriter, check_place
from bothways.decoding.beam import BeamSettings, Step
from bothways.decoding.translation import Tally, TranslationRunner
from bothways.errors import OutputError
from bothways.runtime.files import read_lines
from bothways.runtime.session import open_session
from bothways.settings import TooLong

ENCODER, DECODER, TARGET_TOKENIZER = "encoder.onnx", "decoder.onnx", "target-tokenizer.json"

Ints = NDArray[np.int64]
State = dict[str, NDArray[Any]]  # by the names of the decoder's inputs; all but keys, values and real have W rows

_OF_SOURCE = ("keys", "values", "real")


def read_tokens(folder: ModelFolder) -> PairTokens:
    """Read the tokens of both sides."""
    source = Tokenizer.from_json(folder.file(TOKENIZER).read_text(encoding="utf-8"))
    if not folder.has(TARGET_TOKENIZER):
        return PairTokens(source)
    return PairTokens(source, Tokenizer.from_json(folder.file(TARGET_TOKENIZER).read_text(encoding="utf-8")))


def read_columns(folder: ModelFolder) -> tuple[str, str] | None:
    """Read which columns of a table were trained on, sources and targets; None: no table's, or not known."""
    columns = folder.description.get("columns")
    return None if columns is None else (columns[0], columns[1])


class TranslatorGraphs:
    """Both graphs, as a search calls them."""

    def __init__(self, encoder: str, decoder: str) -> None:
        """Open the two files."""
        self._encoder, self._decoder = open_session(encoder), open_session(decoder)
        shapes = {part.name: part.shape for part in self._decoder.get_inputs()}
        self._feed: int | None = shapes["feed"][2] if "feed" in shapes else None
        self.has_attention = "keys" in shapes
        self._parts = [name for name in shapes if name.startswith("state_")]
        self._read_names = [part.name for part in self._encoder.get_outputs()]
        self._step_names = [part.name for part in self._decoder.get_outputs()]

    def read(self, ids: Ints, lengths: Ints) -> State:
        """Read sources; see `TranslationRunner.read`."""
        given = {"sources": ids, "lengths": lengths}
        state: State = dict(zip(self._read_names, self._encoder.run(self._read_names, given), strict=True))
        if self._feed is not None:
            state["feed"] = np.zeros((len(ids), 1, self._feed), dtype=np.float32)
        if self.has_attention:
            state["real"] = np.arange(ids.shape[1]) < lengths[:, None]
        return state

    def step(self, tokens: Ints, state: State, count: int) -> Step:
        """Go on; see `Writer.step`."""
        given = {"tokens": tokens, "count": np.array([count], dtype=np.int64), **state}
        said = dict(zip(self._step_names, self._decoder.run(self._step_names, given), strict=True))
        after = {name: state[name] for name in _OF_SOURCE if name in state}
        after |= {name: said[name.replace("state", "after")] for name in self._parts}
        if self._feed is not None:
            after["feed"] = said["features"]
        return Step(said["log_probabilities"], said["likeliest"], said["end"], after, said.get("attention"))

    def chosen(self, state: State, inputs: Ints, rows: Ints) -> State:
        """Give the state of some; see `Writer.chosen`."""
        parts = {name: part[inputs[:, None], rows] for name, part in state.items() if name not in _OF_SOURCE}
        sources = {name: state[name] for name in _OF_SOURCE if name in state}
        if sources and len(inputs) < len(sources["real"]):
            sources = {name: part[inputs] for name, part in sources.items()}
        return {**sources, **parts}


class TranslatorRuntime(TranslationRunner):
    """A trained translator that needs no torch."""

    def __init__(self, folder: ModelFolder) -> None:
        self.folder = folder
        facts = folder.description
        settings = facts["settings"]
        self.tokens = read_tokens(folder)
        self.search = BeamSettings(settings["beam_size"], settings["length_penalty"], settings["coverage_penalty"])
        self.max_length, self.too_long = int(settings["max_length"]), settings["too_long"]
        self.expansion, self.columns = int(facts["expansion"]), read_columns(folder)
        self._graphs = TranslatorGraphs(str(folder.file(ENCODER)), str(folder.file(DECODER)))

    @property
    def has_attention(self) -> bool:
        """Whether the model looks at its source."""
        return self._graphs.has_attention

    def read(self, ids: Ints, lengths: Ints) -> State:
        """Read sources; see `TranslationRunner.read`."""
        return self._graphs.read(ids, lengths)

    def step(self, tokens: Ints, state: State, count: int) -> Step:
        """Go on; see `Writer.step`."""
        return self._graphs.step(tokens, state, min(count, self.tokens.target.size))

    def chosen(self, state: State, inputs: Ints, rows: Ints) -> State:
        """Give the state of some; see `Writer.chosen`."""
        return self._graphs.chosen(state, inputs, rows)


LINES_AT_ONCE = 2048  # of standard input: enough to make batches of like length, few enough to hear of the first soon


def whole_lines(lines: Iterable[bytes]) -> Iterator[list[str]]:
    """Read lines of UTF-8, some at a time; an empty line is an empty text.

    Raises:
        DataError: a line is not UTF-8; names it.
    """
    coming, first = iter(lines), 1
    while some := list(islice(coming, LINES_AT_ONCE)):
        yield read_lines(some, first=first)
        first += len(some)


def translate_file(
    runner: TranslationRunner,
    data: Path,
    out: Path,
    *,
    source: str | None = None,
    encoding: str = "auto",
    beam_size: int | None = None,
    copy_unknown: bool = False,
    too_long: TooLong | None = None,
    force: bool = False,
) -> list[str]:
    """Write the translations of a plain file's lines, a line each; or of a table, as a table of both.

    Args:
        runner: a loaded model.
        data: what `read_sources` reads.
        out: the file to write; a table if its name is a table's, else plain text.
        source: the table's column of sources; None takes the one that was trained on, or guesses, and says so.
        encoding: of the file that is read.
        beam_size: see `TranslationRunner.translate`.
        copy_unknown: likewise.
        too_long: likewise.
        force: replace `out` if it exists.

    Returns:
        Notes: what was guessed, cut or empty, and how much was written.

    Raises:
        DataError: the file cannot be read.
        OutputError: `out` exists or cannot be written; what stood there is untouched.
    """
    check_place(out, force=force)
    sources = read_sources(data, source=source, trained=runner.columns, encoding=encoding)
    tally = Tally()
    translated = runner.predict(
        sources.sources,
        beam_size=beam_size,
        copy_unknown=copy_unknown,
        tally=tally,
        too_long=too_long,
        where=sources.where,
    )
    if format_of(out) is not None:
        with TableWriter(out, {"source": str, "target": str}) as writer:
            writer.write(list(zip(sources.sources, translated, strict=True)))
    else:
        _write_lines(out, translated)
    return [
        *sources.notes,
        *tally.notes(sources.where, runner.max_length),
        f"{len(translated):,} translations are in {out}.",
    ]


def as_line(text: str) -> str:
    """Put a text on one line: what ends a line becomes a space."""
    return " ".join(text.splitlines())


def _write_lines(out: Path, texts: list[str]) -> None:
    """Write texts aside, a line each, .gz packed, and rename: the place never holds half of them."""
    aside = out.with_name(f".{out.name}.new")
    try:
        written = "".join(f"{as_line(text)}\n" for text in texts).encode()
        aside.write_bytes(gzip.compress(written, mtime=0) if is_packed(out) else written)
        aside.replace(out)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise OutputError(f"{out} cannot be written: {error.strerror or error}. Choose another place.") from error
