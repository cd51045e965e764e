"""Write, score and continue texts with a language model from a model folder, with onnxruntime.

Shapes: B texts, T tokens, L layers, H hidden width, V vocabulary.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bothways.bundle import GRAPH, TOKENIZER, ModelFolder
from bothways.data.batches import InMemory
from bothways.data.language_tokens import LanguageTokens
from bothways.data.sequences import as_texts
from bothways.data.tokenizer import Tokenizer
from bothways.data.windows import plan_windows, window_batch
from bothways.decoding.generation import unknown_words, write
from bothways.errors import SettingsError
from bothways.runtime.session import open_session
from bothways.settings import GenerationSettings

LOGITS_AT_ONCE = 1 << 22  # numbers in one call, B·T·V: bounds the memory
SIDE_BY_SIDE = 16  # texts in one call

State = list[NDArray[np.float32]]


@dataclass(frozen=True)
class ScoredToken:
    """A token of a text and its log probability, nats, given what stands before it."""

    token: str
    log_probability: float


class LanguageModelRuntime:
    """A trained language model that needs no torch.

    Reading a text token by token gives the same numbers as reading all of it at once, to 1e-5.
    """

    def __init__(self, folder: ModelFolder) -> None:
        self.folder = folder
        facts = folder.description
        tokenizer = Tokenizer.from_json(folder.file(TOKENIZER).read_text(encoding="utf-8"))
        self.tokens = LanguageTokens(tokenizer, whole=bool(facts["whole"]))
        self.two_way = bool(facts["settings"]["two_way"])
        self._layers, self._width = int(facts["settings"]["num_layers"]), int(facts["settings"]["hidden_size"])
        self._session = open_session(str(folder.file(GRAPH)))
        self._parts = sum(part.name.startswith("state_") for part in self._session.get_inputs())

    def generate(self, prompt: str = "", **options: Any) -> list[str]:
        """Continue a text.

        Args:
            prompt: what the texts begin with; it is part of them.
            options: those of `GenerationSettings`: temperature, top_k, top_p, repetition_penalty, max_length, samples,
                stop, seed.

        Returns:
            As many texts as `samples` says; the same seed gives the same texts.

        Raises:
            SettingsError: an option that is unknown or out of range, or a two-way model, which cannot write.
        """
        settings = GenerationSettings.from_dict(options)
        texts = [prompt] * settings.samples
        for number, piece in self.pieces(prompt, settings):
            texts[number] += piece
        return texts

    def stream(self, prompt: str = "", **options: Any) -> Iterator[str]:
        """Continue a text, one token at a time, without the prompt; arguments and errors are those of `generate`."""
        settings = GenerationSettings.from_dict({**options, "samples": 1})
        return (piece for _, piece in self.pieces(prompt, settings))

    def pieces(self, prompt: str, settings: GenerationSettings) -> Iterator[tuple[int, str]]:
        """Continue a text in several ways at once: the number of a text and what comes next in it."""
        refuse_two_way(self.two_way)
        return write(self, self.tokens, prompt, settings)

    def unknown_words(self, prompt: str) -> list[str]:
        """Name the words of a prompt that the model never learned."""
        return unknown_words(self.tokens, prompt)

    def perplexity(self, texts: Iterable[str]) -> float:
        """Give exp of the mean of -log probability over all tokens of some texts; lower is better."""
        return float(np.exp(min(700.0, float(np.concatenate(self.losses(self.encode(as_texts(texts)))).mean()))))

    def score_words(self, text: str) -> list[ScoredToken]:
        """Give every token of a text with its log probability; a document's last one is `<eos>`, its end."""
        (ids,) = self.encode([text])
        (losses,) = self.losses([ids])
        if self.two_way:
            losses = losses[: len(ids) - 1]
        return [
            ScoredToken(self.tokens.spoken(int(index)), -float(loss))
            for index, loss in zip(ids[1:], losses, strict=True)
        ]

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Give the ids of texts with the token that stands before each: documents, or pieces of a stream."""
        if not self.tokens.whole:
            return self.tokens.documents(texts)
        start = np.array([self.tokens.start], dtype=np.int32)
        return [np.concatenate([start, ids]) for ids in self.tokens.encode(texts)]

    def losses(self, sequences: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
        """Give -log probability, nats, of every token of ids but the first, float32 (T-1,) for each sequence.

        Of a two-way model: of every token but the first from what stands before it, then of every token but the last
        from what stands behind it, (2T-2,).
        """
        steps = max(1, min(256, LOGITS_AT_ONCE // (SIDE_BY_SIDE * self.tokens.size)))
        found: list[list[NDArray[np.float32]]] = [[] for _ in sequences]
        kept = [place for place, ids in enumerate(sequences) if len(ids) > 1]
        memory = InMemory([sequences[place] for place in kept])
        if self.two_way:
            return [self._both_ways(np.asarray(ids)) for ids in sequences]
        state: State | None = None
        for window in plan_windows(memory.lengths - 1, batch_size=SIDE_BY_SIDE, steps=steps):
            batch = window_batch(memory, window)
            before = None if window.stood is None or state is None else self.chosen(state, window.stood)
            logits, state = self._run(batch.inputs[:, :-1], batch.lengths - 1, before)
            losses = _losses(logits, batch.inputs[:, 1:])
            for place, row in enumerate(window.rows):
                found[kept[row]].append(losses[place, : batch.lengths[place] - 1])
        return [np.concatenate(parts) if parts else np.zeros(0, np.float32) for parts in found]

    def read(self, ids: NDArray[np.int64], state: State | None = None) -> tuple[NDArray[np.float32], State]:
        """Read ids (B,T) after a state; give the logits of what follows the last of each, (B,V), and the state."""
        lengths = np.full(len(ids), ids.shape[1], dtype=np.int64)
        logits, after = self._run(ids, lengths, state)
        return logits[:, -1], after

    def chosen(self, state: State, rows: NDArray[np.int64]) -> State:
        """Give the state of some of the texts alone."""
        return [part[:, rows] for part in state]

    def _run(
        self, ids: NDArray[Any], lengths: NDArray[np.int64], state: State | None
    ) -> tuple[NDArray[np.float32], State]:
        if state is None:
            state = [np.zeros((self._layers, len(ids), self._width), np.float32) for _ in range(self._parts)]
        given = {f"state_{part}": values for part, values in enumerate(state)}
        logits, *after = self._session.run(None, {"inputs": ids, "lengths": lengths, **given})
        return logits, after

    def _both_ways(self, ids: NDArray[Any]) -> NDArray[np.float32]:
        """Score one text by the forward and the backward model, piece by piece as they were trained."""
        inputs = ids[None].astype(np.int64)
        after, before = self._session.run(
            ["logits", "logits_before"], {"inputs": inputs, "lengths": np.array([len(ids)])}
        )
        return np.concatenate([_losses(after[:, :-1], inputs[:, 1:])[0], _losses(before[:, 1:], inputs[:, :-1])[0]])


def refuse_two_way(two_way: bool) -> None:
    """Refuse to write with a model that reads both ways.

    Raises:
        SettingsError: always, if it is one.
    """
    if two_way:
        raise SettingsError(
            "A two-way model scores texts and pre-trains other models, but it cannot write. "
            "Train one without --two-way to generate."
        )


def _losses(logits: NDArray[np.float32], targets: NDArray[Any]) -> NDArray[np.float32]:
    """-log softmax at the targets: (B,T,V) and (B,T) -> (B,T)."""
    highest = logits.max(axis=-1, keepdims=True)
    total = np.log(np.exp(logits - highest).sum(axis=-1)) + highest[..., 0]
    losses: NDArray[np.float32] = total - np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return losses
