"""What estimators that learn from texts without labels have in common: scores, and what a training left."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

from bothways.errors import Interrupted, NotFittedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bothways.decoding.language import ScoredToken


class TrainedOnTexts:
    """An estimator that predicts the tokens of texts; its class says in `_runner` what it runs on."""

    trained_: Any

    def perplexity(self, texts: Iterable[str]) -> float:
        """Give exp of the mean of -log probability over all that is predicted of some texts; lower is better."""
        return self._runner().perplexity(texts)  # type: ignore[no-any-return]

    def score(self, X: Iterable[str], y: None = None) -> float:  # noqa: N803  scikit-learn's name
        """Give the mean log probability of what is predicted, nats; higher is better."""
        return -math.log(self.perplexity(X))

    def score_words(self, text: str) -> list[ScoredToken]:
        """Give every token of a text that is predicted with its log probability, nats."""
        return self._runner().score_words(text)  # type: ignore[no-any-return]

    def _runner(self) -> Any:
        """Give what runs the trained model."""
        raise NotImplementedError

    @classmethod
    def _of(cls, trained: Any) -> Self:
        """Make an estimator of a model that was read from a folder."""
        model = cls(**trained.settings.to_dict())
        model._take(trained)
        return model

    def _keep(self, trained: Any) -> None:
        """Take what a training left.

        Raises:
            Interrupted: Ctrl-C; the best epoch so far, if there is one, is in the estimator.
        """
        if trained.best_epoch:
            self._take(trained)
        if trained.interrupted:
            held = "The estimator holds the best epoch so far" if trained.best_epoch else "No epoch was finished"
            raise Interrupted(f"Stopped by Ctrl-C. {held}.")

    def _take(self, trained: Any) -> None:
        self.trained_ = trained
        self.history_ = trained.history
        self.best_epoch_ = trained.best_epoch

    def _fitted(self) -> Any:
        if not hasattr(self, "trained_"):
            name = type(self).__name__
            raise NotFittedError(f"This {name} is not trained yet. Call fit(texts), or load a folder.")
        return self.trained_

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn whether `fit` was called."""
        return hasattr(self, "trained_")
