"""Run a language model from a model folder with onnxruntime."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bothways.bundle import GRAPH, TOKENIZER, ModelFolder
from bothways.data.conditions import Condition
from bothways.data.language_tokens import LanguageTokens
from bothways.data.tokenizer import Tokenizer
from bothways.decoding.cache import Cache
from bothways.decoding.language import LanguageModelRunner, LanguageState
from bothways.runtime.session import open_session


class LanguageModelRuntime(LanguageModelRunner):
    """A trained language model that needs no torch."""

    def __init__(self, folder: ModelFolder) -> None:
        self.folder = folder
        facts, settings = folder.description, folder.description["settings"]
        tokenizer = Tokenizer.from_json(folder.file(TOKENIZER).read_text(encoding="utf-8"))
        self.tokens = LanguageTokens(tokenizer, whole=bool(facts["whole"]))
        self.two_way, self.window = bool(settings["two_way"]), int(settings["window"])
        self.cache = Cache(**facts["cache"]) if "cache" in facts else None
        self.condition = Condition.from_dict(facts["condition"]) if "condition" in facts else None
        self._layers, self._width = int(settings["num_layers"]), int(settings["hidden_size"])
        self._session = open_session(str(folder.file(GRAPH)))
        self._names = [part.name for part in self._session.get_outputs() if part.name != "outputs"]
        self._parts = sum(part.name.startswith("state_") for part in self._session.get_inputs())

    def run(
        self,
        ids: NDArray[np.int64],
        lengths: NDArray[np.int64],
        state: LanguageState | None,
        condition: NDArray[Any] | None = None,
    ) -> tuple[NDArray[np.float32], LanguageState]:
        """Read ids; see `LanguageModelRunner.run`."""
        logits, *after = self._run(self._names, ids, lengths, state, condition)
        return logits, after

    def trace(
        self,
        ids: NDArray[np.int64],
        lengths: NDArray[np.int64],
        state: LanguageState | None,
        condition: NDArray[Any] | None = None,
    ) -> tuple[NDArray[np.float32], LanguageState, NDArray[np.float32]]:
        """Read ids; see `LanguageModelRunner.trace`."""
        logits, *after, outputs = self._run([*self._names, "outputs"], ids, lengths, state, condition)
        return logits, after, outputs

    def _run(
        self,
        names: list[str],
        ids: NDArray[np.int64],
        lengths: NDArray[np.int64],
        state: LanguageState | None,
        condition: NDArray[Any] | None,
    ) -> list[NDArray[np.float32]]:
        """Give outputs of the graph, by name."""
        begins = state is None
        if state is None:
            state = [np.zeros((self._layers, len(ids), self._width), np.float32) for _ in range(self._parts)]
        given: dict[str, Any] = {f"state_{part}": values for part, values in enumerate(state)}
        if condition is not None:
            given |= {"condition": condition, "begins": np.full(len(ids), begins)}
        found: list[NDArray[np.float32]] = self._session.run(names, {"inputs": ids, "lengths": lengths, **given})
        return found
