"""What estimators that learn from texts without labels have in common: what a training left."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from bothways.errors import Interrupted, NotFittedError


class TrainedOnTexts:
    """An estimator that holds what a training left."""

    trained_: Any
    _learns_from: ClassVar[str] = "texts"  # what `fit` is given

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
            raise NotFittedError(f"This {name} is not trained yet. Call fit({self._learns_from}), or load a folder.")
        return self.trained_

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn whether `fit` was called."""
        return hasattr(self, "trained_")
