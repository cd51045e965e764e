"""The missing word of a text, in scikit-learn's manner."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sklearn.base import BaseEstimator

from bothways.data.sequences import as_texts
from bothways.errors import DataError, check_given
from bothways.estimators.on_texts import TrainedOnTexts
from bothways.settings import FillSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bothways.decoding.fill import Filling, FillRunner
    from bothways.decoding.language import ScoredToken
    from bothways.training.corpora import ListedTexts


class GapFiller(TrainedOnTexts, BaseEstimator, FillSettings):  # type: ignore[misc]
    """Learn to fill the gaps of texts from the words on both sides.

        gaps = GapFiller().fit(texts)
        gaps.fill("I am ___ hungry", k=5).gaps[0]      # the five best words with their probabilities
        gaps.perplexity(other_texts)
        gaps.save("gaps")

    Its parameters are the settings of `fill`; see docs/settings.md.
    """

    def fit(
        self,
        X: Iterable[str],  # noqa: N803  scikit-learn's name
        y: None = None,
        *,
        validation: Iterable[str] | None = None,
        progress: bool = False,
    ) -> Self:
        """Train from scratch.

        Args:
            X: texts, each read by itself.
            y: ignored; scikit-learn's habit.
            validation: texts that choose the best epoch; None holds `validation_size` of X out.
            progress: show a progress bar with tokens a second and time left, in a terminal or a notebook.

        Raises:
            SettingsError: a parameter is out of range.
            DataError: the texts cannot be trained on.
            Interrupted: Ctrl-C; the best epoch so far is in the estimator.
        """
        from bothways.training.corpora import prepare_corpus
        from bothways.training.device import check_device
        from bothways.training.infilling import train_infiller
        from bothways.training.progress import TerminalProgress

        check_given(X=X)
        self.check()
        settings = FillSettings.from_dict(self.to_dict())
        check_device(settings)
        with tempfile.TemporaryDirectory(prefix="bothways-") as folder:
            prepared = prepare_corpus(
                _listed(X), None if validation is None else _listed(validation), settings, Path(folder)
            )
            trained = train_infiller(prepared, settings, listener=TerminalProgress() if progress else None)
            prepared.close()
        self._keep(trained)
        return self

    def fill(self, text: str, k: int = 5) -> Filling:
        """Fill every gap of a text, `___`, with the best of `k` words; see `FillRunner.fill`."""
        return self._runner().fill(text, k)

    def unknown_words(self, text: str) -> list[str]:
        """Name the words of a text that the model never learned."""
        return self._runner().unknown_words(text)

    def perplexity(self, texts: Iterable[str]) -> float:
        """Give the pseudo-perplexity: exp of the mean of -log p(word | all others); lower is better."""
        return self._runner().perplexity(texts)

    def score(self, X: Iterable[str], y: None = None) -> float:  # noqa: N803  scikit-learn's name
        """Give the mean log probability of a word given all others, nats; higher is better."""
        return -math.log(self.perplexity(X))

    def score_words(self, text: str) -> list[ScoredToken]:
        """Give every word of a text with its log probability, nats, given all the others."""
        return self._runner().score_words(text)

    def save(self, path: Path | str, *, force: bool = False) -> None:
        """Write a model folder that `load` and `bothways.load` read.

        Raises:
            OutputError: the place is taken (and `force` is False) or cannot be written.
        """
        from bothways.training.saving_infiller import save_infiller

        save_infiller(self._fitted(), path, force=force)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a model folder.

        Raises:
            ModelFolderError: the folder is missing, damaged or of a newer format.
        """
        from bothways.training.saving_infiller import load_infiller

        return cls._of(load_infiller(path))

    def _runner(self) -> FillRunner:
        from bothways.training.infilling import TorchInfiller

        trained: Any = self._fitted()
        return TorchInfiller(trained.model, trained.tokens, trained.settings.window)


def _listed(texts: Iterable[str]) -> ListedTexts:
    from bothways.training.corpora import ListedTexts

    listed = as_texts(texts)
    if not any(text.strip() for text in listed):
        raise DataError("The texts are empty. Give some text to train on.")
    return ListedTexts(listed)
