"""Draw the next token: temperature, top-k, top-p (Holtzman et al., 2020) and a penalty on repetition.

Shapes: V vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bothways.settings import GenerationSettings

HARDEST = 1e30  # penalty on repetition: a greater one could make all scores infinite


class Sampler:
    """Choose one text's tokens, one by one; its choices depend on its seed and number and on no other text."""

    def __init__(self, settings: GenerationSettings, *, number: int = 0, never: tuple[int, ...] = ()) -> None:
        """Begin a text.

        Args:
            settings: checked already.
            number: of the text among those of one seed, from 0.
            never: tokens that are not to be chosen.
        """
        self._settings = settings
        self._random = np.random.default_rng((settings.seed, number))
        self._never = list(never)
        self._seen: set[int] = set()

    def saw(self, token: int) -> None:
        """Count a token as being there before, for the penalty on repetition."""
        if self._settings.repetition_penalty != 1:
            self._seen.add(token)

    def choose(self, logits: NDArray[np.float32]) -> int:
        """Choose a token by its logits (V,)."""
        settings = self._settings
        if settings.temperature == 0:
            token = int(self._held_back(logits).argmax())
        else:
            tokens, probabilities = self.candidates(logits)
            edges = np.cumsum(probabilities)
            token = int(tokens[min(np.searchsorted(edges, self._random.random() * edges[-1], "right"), len(edges) - 1)])
        self.saw(token)
        return token

    def candidates(self, logits: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Give the tokens that may be chosen and their probabilities, which sum to one; see the settings."""
        settings = self._settings
        scores = self._held_back(logits)
        if settings.top_k is not None and settings.top_k < len(scores):
            tokens = np.argpartition(scores, -settings.top_k)[-settings.top_k :]
        else:
            tokens = np.flatnonzero(scores > -np.inf)
        chosen = scores[tokens].astype(np.float64)
        probabilities = np.exp((chosen - chosen.max()) / max(settings.temperature, 1e-6))
        probabilities /= probabilities.sum()
        if settings.top_p < 1:
            likely = np.argsort(-probabilities, kind="stable")
            reached = np.cumsum(probabilities[likely])
            # The token with which the sum reaches top_p is the last one in.
            likely = likely[: int(np.searchsorted(reached, settings.top_p)) + 1]
            tokens, probabilities = tokens[likely], probabilities[likely] / probabilities[likely].sum()
        return tokens, probabilities

    def _held_back(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits with the tokens that are never chosen left out and those already seen held back (Keskar et al., 2019).

        Logits count from their mean here, so that what is added to all of them changes nothing: one above it is divided
        by the penalty and one below it multiplied, which both lower it.
        """
        scores = logits.astype(np.float32, copy=True)
        scores[self._never] = -np.inf
        if self._seen:
            seen = list(self._seen)
            scores -= scores[scores > -np.inf].mean()
            penalty = min(self._settings.repetition_penalty, HARDEST)
            scores[seen] = np.where(scores[seen] > 0, scores[seen] / penalty, scores[seen] * penalty)
        return scores
