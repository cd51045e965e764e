"""Run a tagger from a model folder with onnxruntime, or a hidden Markov model with NumPy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.bundle import GRAPH
from bothways.data.lexicon import Lexicon
from bothways.data.tag_writing import check_columns, check_columns_place, write_columns
from bothways.data.tagged import named_columns, read_tagged
from bothways.decoding.chain import LinearChain
from bothways.decoding.hmm import HiddenMarkovModel
from bothways.decoding.tagging import HmmTagger, IntentRunner, LexiconTagger, TagRunner
from bothways.decoding.threads import processors
from bothways.errors import counted
from bothways.runtime.session import open_session

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from bothways.bundle import ModelFolder
    from bothways.data.lexicon import WordBatch

LEXICON, CHAIN, HMM = "lexicon.json", "chain.safetensors", "hmm.safetensors"


class TaggerRuntime(LexiconTagger):
    """A trained tagger that needs no torch."""

    def __init__(self, folder: ModelFolder) -> None:
        from safetensors.numpy import load_file

        self.folder = folder
        self.labels, self.scheme = list(folder.description["labels"]), folder.description["scheme"]
        self.lexicon = Lexicon.from_json(folder.file(LEXICON).read_text(encoding="utf-8"))
        self.chain = LinearChain(**load_file(folder.file(CHAIN)))
        self.tag_of = np.arange(len(self.labels))
        # Two batches on a thread each take less time than both on two threads, which wait for each other at every step.
        self._session = open_session(str(folder.file(GRAPH)), threads=1)
        self.at_once = processors()
        self._inputs = {part.name for part in self._session.get_inputs()}

    def run(self, batch: WordBatch) -> NDArray[np.float32]:
        """Score tags; see `LexiconTagger.run`."""
        return self.outputs(batch)[0]

    def outputs(self, batch: WordBatch) -> list[NDArray[np.float32]]:
        """Give all that the graph gives: `emissions` (B,T,K) and, with intents, `intents` (B,I)."""
        given: dict[str, Any] = {name: part for name, part in batch._asdict().items() if name in self._inputs}
        found: list[NDArray[np.float32]] = self._session.run(None, given)
        return found


class IntentRuntime(IntentRunner):
    """A trained tagger with intents that needs no torch."""

    def __init__(self, folder: ModelFolder) -> None:
        network = TaggerRuntime(folder)
        self.folder, self._network = folder, network
        self.labels, self.scheme, self.lexicon = network.labels, network.scheme, network.lexicon
        self.chain, self.tag_of = network.chain, network.tag_of
        self.intents, self.at_once = list(folder.description["intents"]), network.at_once

    def run_both(self, batch: WordBatch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score tags and intents; see `IntentRunner.run_both`."""
        emissions, intents = self._network.outputs(batch)
        return emissions, intents


class HmmRuntime(HmmTagger):
    """A hidden Markov model from a model folder."""

    def __init__(self, folder: ModelFolder) -> None:
        self.folder = folder
        super().__init__(HiddenMarkovModel.load(folder.file(HMM)), folder.description["scheme"])


def tagger_runtime(folder: ModelFolder) -> TagRunner:
    """Open a tagger's folder, by what it holds."""
    return TaggerRuntime(folder) if folder.has(GRAPH) else HmmRuntime(folder)


def tag_file(
    runner: TagRunner, data: Path, out: Path, *, columns: str | None = None, encoding: str = "auto", force: bool = False
) -> list[str]:
    """Write the words of a file with their tags: CoNLL columns, a row for each word, in the order of the file.

    Words stay as the file cuts them. Tags and intents that the file has already are not read. What a sentence asks for
    stands before it, as "# intent = NAME", if the model knows intents.

    Args:
        runner: a loaded model.
        data: what `read_tagged` reads.
        out: the file to write, also .gz.
        columns: the column of words, by number or name; None takes the first, of CoNLL-U form.
        encoding: of the file that is read.
        force: replace `out` if it exists.

    Returns:
        Notes: what was guessed, and how much was written.

    Raises:
        DataError: the file cannot be read, or holds words that no column can.
        OutputError: `out` exists or cannot be written; what stood there is untouched.
    """
    check_columns_place(out, force=force)
    named = named_columns(columns, need_tags=False)
    sentences = read_tagged(data, words=named.words, need_tags=False, encoding=encoding)
    check_columns(sentences, runner.labels, runner.intents if isinstance(runner, IntentRunner) else ())
    if isinstance(runner, IntentRunner):
        intents, tags = runner.predict(sentences.words)
        write_columns(out, sentences, tags, intents)
    else:
        write_columns(out, sentences, runner.predict(sentences.words))
    count = sum(map(len, sentences.words))
    return [*sentences.notes, f"{counted(len(sentences), 'sentence')} ({counted(count, 'word')}) written to {out}."]
