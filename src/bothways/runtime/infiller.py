"""Run a model of missing words from a model folder with onnxruntime."""

import numpy as np
from numpy.typing import NDArray

from bothways.bundle import GRAPH, TOKENIZER, ModelFolder
from bothways.data.language_tokens import LanguageTokens
from bothways.data.tokenizer import Tokenizer
from bothways.decoding.fill import FillRunner
from bothways.runtime.session import open_session


class InfillerRuntime(FillRunner):
    """A trained model of missing words that needs no torch."""

    def __init__(self, folder: ModelFolder) -> None:
        self.folder = folder
        tokenizer = Tokenizer.from_json(folder.file(TOKENIZER).read_text(encoding="utf-8"))
        self.tokens = LanguageTokens(tokenizer, whole=False)
        self.window = int(folder.description["settings"]["window"])
        self._session = open_session(str(folder.file(GRAPH)))

    def run(self, ids: NDArray[np.int64], lengths: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read ids; see `FillRunner.run`."""
        found = self._session.run(["logits"], {"inputs": ids, "lengths": lengths, "places": places})
        logits: NDArray[np.float32] = found[0]
        return logits
