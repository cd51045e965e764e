"""What goes wrong when a bidirectional network predicts the next character: on purpose, to be looked at.

Its backward half has read character t + 1 when character t + 1 is asked for. Training teaches it to copy: its
perplexity falls to nearly 1 even on random characters, which nobody can predict, and what it writes is nonsense, since
a text that is being written has no right side to copy from.

Shapes: B sequences, T steps, V characters.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bothways.errors import DataError, NotFittedError
from bothways.nn import LSTM


class PeekingLanguageModel:
    """A language model that is WRONG: it reads the answer. Never use its perplexity or its text for anything.

    For models that are right, see `LanguageModel` (the next word), its `two_way` (both directions, never mixed) and
    `GapFiller` (a word from both its sides).
    """

    def __init__(self, *, hidden_size: int = 64, steps: int = 300, lr: float = 0.01, seed: int = 0) -> None:
        """Choose the width of one direction's state, how many moves of the weights to train, their rate, the seed."""
        self.hidden_size, self.steps, self.lr, self.seed = hidden_size, steps, lr, seed

    def fit(self, text: str) -> PeekingLanguageModel:
        """Train on a text, in windows of 64 characters, 16 side by side.

        Raises:
            DataError: the text is shorter than one window.
        """
        if len(text) < 66:
            raise DataError(f"The text has {len(text)} characters, but at least 66 are needed. Give more text.")
        self.characters_ = sorted(set(text))
        ids = self._ids(text)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.network_ = _Peeking(len(self.characters_) + 1, self.hidden_size)
            optimizer = torch.optim.AdamW(self.network_.parameters(), lr=self.lr)
            for _ in range(self.steps):
                starts = torch.randint(0, len(ids) - 65, (16,))
                window = torch.stack([ids[start : start + 65] for start in starts.tolist()])
                self.network_.loss(window).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                optimizer.zero_grad()
        return self

    def perplexity(self, text: str) -> float:
        """Give the perplexity as such networks are scored: with the whole text before their eyes, the answers too."""
        with torch.no_grad():
            return float(self._fitted().loss(self._ids(text)[None]).exp())

    def generate(self, prompt: str, length: int = 60) -> str:
        """Write as anyone must: with nothing to the right of what is asked for."""
        network, text = self._fitted(), prompt
        random = np.random.default_rng(self.seed)
        for _ in range(length):
            with torch.no_grad():
                logits = network(self._ids(text)[None])[0, -1, 1:].double()
            chances = torch.softmax(logits, dim=0).numpy()
            text += self.characters_[int(random.choice(len(chances), p=chances / chances.sum()))]
        return text

    def _ids(self, text: str) -> Tensor:
        """Characters to numbers, int64 (T,); 0 is a character that training never had."""
        known = {character: number for number, character in enumerate(self.characters_, start=1)}
        return torch.tensor([known.get(character, 0) for character in text])

    def _fitted(self) -> _Peeking:
        if not hasattr(self, "network_"):
            raise NotFittedError("This PeekingLanguageModel is not trained yet. Call fit(text).")
        return self.network_


class _Peeking(nn.Module):
    def __init__(self, vocabulary: int, hidden_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 32)
        self.reader = LSTM(32, hidden_size, direction="both")
        self.output = nn.Linear(2 * hidden_size, vocabulary)

    def forward(self, ids: Tensor) -> Tensor:
        """Score the next character at every step, (B,T) -> (B,T,V), from states that have read to the end."""
        return self.output(self.reader(self.embedding(ids)).outputs)  # type: ignore[no-any-return]

    def loss(self, ids: Tensor) -> Tensor:
        """Give the mean loss of the next characters, nats: the mistake, for `ids[:, 1:]` are part of what is read."""
        return functional.cross_entropy(self(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
