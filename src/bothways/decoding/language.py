"""Write, score and continue texts with a language model, wherever it runs.

Shapes: B texts, T tokens, L layers, H hidden width, V vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.data.batches import InMemory
from bothways.data.conditions import values_of_python
from bothways.data.sequences import as_texts
from bothways.data.windows import Cut, plan_windows, window_batch
from bothways.decoding.cache import Memory
from bothways.decoding.generation import unknown_words, write
from bothways.errors import DataError, SettingsError
from bothways.settings import GenerationSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from bothways.data.conditions import Condition, ConditionValues
    from bothways.data.language_tokens import LanguageTokens

LOGITS_AT_ONCE = 1 << 22  # numbers in one call, B·T·V: bounds the memory
SIDE_BY_SIDE = 16  # texts in one call

LanguageState = list["NDArray[np.float32]"]  # the state's tensors, each (L,B,H)


@dataclass(frozen=True)
class ScoredToken:
    """A token of a text and its log probability, nats, given what the model reads of the others."""

    token: str
    log_probability: float


class LanguageModelRunner(ABC):
    """A trained language model.

    Reading a text token by token gives the same numbers as reading all of it at once, to 1e-5.
    """

    tokens: LanguageTokens
    two_way: bool
    window: int  # predictions of a piece that a two-way model reads at once
    condition: Condition | None = None  # what its texts are written on

    @abstractmethod
    def run(
        self,
        ids: NDArray[np.int64],
        lengths: NDArray[np.int64],
        state: LanguageState | None,
        condition: NDArray[Any] | None = None,
    ) -> tuple[NDArray[np.float32], LanguageState]:
        """Read ids (B,T) with lengths (B,) after a state; give the logits of what follows each, (B,T,V), and the state.

        A model with a condition needs it, int64 (B,) or float32 (B,F), at every call.
        A two-way model takes no state, and gives one array: the logits of what stands before each, (B,T,V).
        """

    def trace(
        self,
        ids: NDArray[np.int64],
        lengths: NDArray[np.int64],
        state: LanguageState | None,
        condition: NDArray[Any] | None = None,
    ) -> tuple[NDArray[np.float32], LanguageState, NDArray[np.float32]]:
        """Give what `run` gives, and besides the reader's outputs, (B,T,H); one-way models only."""
        raise NotImplementedError

    def generate(self, prompt: str = "", *, condition: Any = None, **options: Any) -> list[str]:
        """Continue a text.

        Args:
            prompt: what the texts begin with; it is part of them.
            condition: what to write on, for a model that was trained with conditions: a label; or a number, or several
                in a list.
            options: those of `GenerationSettings`: temperature, top_k, top_p, repetition_penalty, max_length, samples,
                stop, seed.

        Returns:
            As many texts as `samples` says; the same seed gives the same texts.

        Raises:
            SettingsError: an option that is unknown or out of range, a two-way model, which cannot write, or a
                condition that is missing, unknown, or of no use.
        """
        settings = GenerationSettings.from_dict(options)
        texts = [prompt] * settings.samples
        for number, piece in self.pieces(prompt, settings, condition):
            texts[number] += piece
        return texts

    def stream(self, prompt: str = "", *, condition: Any = None, **options: Any) -> Iterator[str]:
        """Continue a text, one token at a time, without the prompt; arguments and errors are those of `generate`."""
        settings = GenerationSettings.from_dict(options)
        if settings.samples != 1:
            raise SettingsError(f"stream writes one text, but samples is {settings.samples}. Use generate for several.")
        return (piece for _, piece in self.pieces(prompt, settings, condition))

    def pieces(self, prompt: str, settings: GenerationSettings, condition: Any = None) -> Iterator[tuple[int, str]]:
        """Continue a text in several ways at once: the number of a text and what comes next in it."""
        if self.two_way:
            raise SettingsError(
                "A two-way model scores texts and pre-trains other models, but it cannot write. "
                "Train one without --two-way to generate."
            )
        given = self.read_condition(condition)
        return write(self if given is None else _Conditioned(self, given), self.tokens, prompt, settings)

    def read_condition(self, condition: Any) -> NDArray[Any] | None:
        """Give one text's condition as the network reads it, (1,) or (1,F), or None where the model has none.

        Raises:
            SettingsError: it is missing, unknown, or of no use to the model.
        """
        if self.condition is None:
            if condition is not None:
                raise SettingsError(
                    f"condition is {condition!r}, but the model was trained without conditions. Leave it out, or train "
                    "one with 'bothways train language DATA --condition COLUMN'."
                )
            return None
        if condition is None:
            raise SettingsError(f"The model writes on a condition, and none is given. Give {self.condition.kinds}.")
        return self.condition.encode_one(condition)

    def read_conditions(self, values: ConditionValues | None) -> NDArray[Any] | None:
        """Give many texts' conditions as the network reads them, (N,) or (N,F), or None where the model has none.

        Raises:
            SettingsError: they are missing, or of no use to the model.
            DataError: one of them is missing or unknown; names its row.
        """
        if (self.condition is None) != (values is None):
            raise SettingsError(
                "Conditions are given, but the model was trained without them. Leave them out."
                if self.condition is None
                else f"The model was trained with conditions. Give one for each text, {self.condition.kinds}."
            )
        return None if self.condition is None or values is None else self.condition.encode(values)

    def unknown_words(self, prompt: str) -> list[str]:
        """Name the words of a prompt that the model never learned."""
        return unknown_words(self.tokens, prompt)

    def perplexity(self, texts: str | Iterable[str], conditions: Iterable[Any] | None = None) -> float:
        """Give exp of the mean of -log probability over all tokens of some texts; lower is better.

        It is that of the network alone; what its cache makes of it `bothways evaluate` says.

        Args:
            texts: to score; of a model of one stream also one text.
            conditions: one for each text, for a model that was trained with them.

        Raises:
            DataError: there is no token to predict, or a condition is missing or unknown.
            SettingsError: conditions that are missing, or of no use to the model.
        """
        listed = [texts] if isinstance(texts, str) and self.tokens.whole else as_texts(texts)
        given = self.read_conditions(None if conditions is None else values_of_python(conditions, len(listed)))
        losses = np.concatenate(self.losses(self.tokens.sequences(listed), given) or [np.zeros(0, np.float32)])
        if not len(losses):
            raise DataError("The texts hold no token to predict. Give some text.")
        return float(np.exp(min(700.0, float(losses.mean(dtype=np.float64)))))

    def score_words(self, text: str, *, condition: Any = None) -> list[ScoredToken]:
        """Give every token of a text with its log probability; a document's last one is `<eos>`, its end.

        Of a two-way model: given what stands before it alone. `condition` is that of `generate`.
        """
        (ids,) = self.tokens.sequences([text])
        (losses,) = self.losses([ids], self.read_condition(condition))
        return [
            ScoredToken(self.tokens.spoken(int(index)), -float(loss))
            for index, loss in zip(ids[1:], losses[: len(ids) - 1], strict=True)
        ]

    def losses(
        self, sequences: Sequence[NDArray[Any]], conditions: NDArray[Any] | None = None
    ) -> list[NDArray[np.float32]]:
        """Give -log probability, nats, of every token of ids but the first, float32 (T-1,) for each sequence.

        Of a two-way model: of every token but the first from what stands before it, then of every token but the last
        from what stands behind it, (2T-2,).
        """
        if self.two_way:
            return self._losses_both_ways(sequences)
        found: list[list[NDArray[np.float32]]] = [[] for _ in sequences]
        for owner, _, losses, _ in self._windows(sequences, conditions, self.run):
            found[owner].append(losses)
        return [_joined(parts) for parts in found]

    def losses_with_memory(
        self,
        sequences: Sequence[NDArray[Any]],
        conditions: NDArray[Any] | None = None,
        *,
        size: int,
        sharpness: Sequence[float],
    ) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
        """Give what `losses` gives, and what a memory of the last `size` steps of each sequence says to each token.

        One-way models only. What the memory says is float32 (K,T-1) for each sequence; see `Memory.look`.
        """
        found: list[list[NDArray[np.float32]]] = [[] for _ in sequences]
        said: list[list[NDArray[np.float32]]] = [[] for _ in sequences]
        memories: dict[int, Memory] = {}  # of the texts that are being read
        left = [len(ids) - 1 for ids in sequences]
        for owner, targets, losses, outputs in self._windows(sequences, conditions, self.trace):
            if owner not in memories:
                memories[owner] = Memory(size, sharpness)
            found[owner].append(losses)
            said[owner].append(memories[owner].look(outputs[0], targets))
            left[owner] -= len(targets)
            if not left[owner]:
                del memories[owner]
        none = np.zeros((len(sharpness), 0), np.float32)
        return [_joined(parts) for parts in found], [np.concatenate([none, *parts], axis=1) for parts in said]

    def _windows(
        self,
        sequences: Sequence[NDArray[Any]],
        conditions: NDArray[Any] | None,
        run: Callable[..., tuple[Any, ...]],
    ) -> Iterator[tuple[int, NDArray[Any], NDArray[np.float32], list[NDArray[np.float32]]]]:
        """Read sequences side by side, window by window: whose it is, its tokens, their losses, what else `run` gave.

        Each sequence's windows come in their order.
        """
        kept = np.array([place for place, ids in enumerate(sequences) if len(ids) > 1], dtype=np.int64)
        memory = InMemory([sequences[place] for place in kept])
        beside = max(1, min(SIDE_BY_SIDE, len(kept)))
        steps = max(1, min(256, LOGITS_AT_ONCE // (beside * self.tokens.size)))
        state: LanguageState = []
        for window in plan_windows(memory.lengths - 1, batch_size=beside, steps=steps):
            batch = window_batch(memory, window)
            before = None if window.stood is None else self.chosen(state, window.stood)
            given = None if conditions is None else conditions[kept[window.rows]]
            inputs = batch.inputs[:, :-1].astype(np.int64, copy=False)
            logits, state, *more = run(inputs, batch.lengths - 1, before, given)
            targets = batch.inputs[:, 1:]
            losses = losses_of(logits, targets)
            for place, row in enumerate(window.rows):
                real = slice(batch.lengths[place] - 1)
                yield int(kept[row]), targets[place, real], losses[place, real], [part[place, real] for part in more]

    def read(
        self, ids: NDArray[np.int64], state: LanguageState | None = None, condition: NDArray[Any] | None = None
    ) -> tuple[NDArray[np.float32], LanguageState]:
        """Read ids (B,T) after a state; give the logits of what follows the last of each, (B,V), and the state."""
        steps = max(1, LOGITS_AT_ONCE // (len(ids) * self.tokens.size))
        for first in range(0, ids.shape[1], steps):
            part = ids[:, first : first + steps]
            logits, state = self.run(part, np.full(len(part), part.shape[1], dtype=np.int64), state, condition)
        assert state is not None
        return logits[:, -1], state

    def chosen(self, state: LanguageState, rows: NDArray[np.int64]) -> LanguageState:
        """Give the state of some of the texts alone."""
        return [part[:, rows] for part in state]

    def _losses_both_ways(self, sequences: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
        """Score texts by the forward and the backward model, in pieces as they were trained."""
        ahead: list[list[NDArray[np.float32]]] = [[] for _ in sequences]
        behind: list[list[NDArray[np.float32]]] = [[] for _ in sequences]
        for owner, ids in enumerate(sequences):
            if len(ids) < 2:
                continue
            pieces = Cut(InMemory([ids]), self.window)
            for piece in pieces.take(np.arange(len(pieces.lengths))):
                inputs = piece[None].astype(np.int64)
                after, (before,) = self.run(inputs, np.array([len(piece)]), None)
                ahead[owner].append(losses_of(after[:, :-1], inputs[:, 1:])[0])
                behind[owner].append(losses_of(before[:, 1:], inputs[:, :-1])[0])
        none = [np.zeros(0, np.float32)]
        return [np.concatenate([*none, *one, *other]) for one, other in zip(ahead, behind, strict=True)]


class _Conditioned:
    """A model that writes all texts on one condition."""

    def __init__(self, model: LanguageModelRunner, condition: NDArray[Any]) -> None:
        self._model, self._condition = model, condition

    def read(
        self, ids: NDArray[np.int64], state: LanguageState | None = None
    ) -> tuple[NDArray[np.float32], LanguageState]:
        """Read ids (B,T); see `LanguageModelRunner.read`."""
        return self._model.read(ids, state, self._condition.repeat(len(ids), axis=0))

    def chosen(self, state: LanguageState, rows: NDArray[np.int64]) -> LanguageState:
        """Give the state of some of the texts alone."""
        return self._model.chosen(state, rows)


def _joined(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(0, np.float32), *parts])


def losses_of(logits: NDArray[np.float32], targets: NDArray[Any]) -> NDArray[np.float32]:
    """-log softmax at the targets: (...,V) and (...) -> (...)."""
    highest = logits.max(axis=-1, keepdims=True)
    total = np.log(np.exp(logits - highest).sum(axis=-1)) + highest[..., 0]
    losses: NDArray[np.float32] = total - np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return losses
