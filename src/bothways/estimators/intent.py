"""What a sentence asks for and what it names, in scikit-learn's manner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from bothways.data.sequences import as_parts
from bothways.errors import check_given
from bothways.estimators.tagger import TrainedOnSentences, tagged, to_score
from bothways.settings import IntentSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from bothways.decoding.tagging import IntentRunner, ParsedText


class IntentParser(TrainedOnSentences, BaseEstimator, IntentSettings):  # type: ignore[misc]
    """Learn what sentences ask for, and the slots of what they name.

        parser = IntentParser().fit(sentences, tags, intents)     # lists of words, lists of tags, one intent each
        parser.predict([["play", "some", "jazz"]])                # (intents, tags)
        parser.parse(["play some jazz"])[0].to_dict()
        parser.save("assistant")

    Its parameters are the settings of `intent`; see docs/settings.md.
    """

    _learns_from = "sentences, tags, intents"
    _task = "intent"

    def fit(
        self,
        X: Iterable[Sequence[str]],  # noqa: N803  scikit-learn's name
        y: Iterable[Sequence[str]],
        intents: Iterable[str],
        *,
        validation: tuple[Iterable[Sequence[str]], Iterable[Sequence[str]], Iterable[str]] | None = None,
        progress: bool = False,
    ) -> Self:
        """Train from scratch.

        Args:
            X: sentences, each a list of words.
            y: the tags of each, as many as words.
            intents: one for each.
            validation: sentences, tags and intents that choose the best epoch; None holds `validation_size` out.
            progress: show a progress bar, in a terminal or a notebook.

        Raises:
            SettingsError: a parameter is out of range.
            DataError: sentences that cannot be trained on.
            Interrupted: Ctrl-C; the best epoch so far is in the estimator.
        """
        check_given(X=X, y=y, intents=intents)
        self.check()
        settings = IntentSettings.from_dict(self.to_dict())
        checked = None
        if validation is not None:
            checked = tagged(*as_parts(validation, "sentences", "tags", "intents"), name="validation")
        self._train(tagged(X, y, intents, name="X"), checked, settings, progress)
        return self

    def predict(self, X: Iterable[Sequence[str]]) -> tuple[list[str], list[list[str]]]:  # noqa: N803
        """Give the intent of each sentence, and the tags of its words."""
        return self._runner().predict(X)

    def predict_proba(self, X: Iterable[Sequence[str]]) -> NDArray[np.float64]:  # noqa: N803
        """Give the probability of each intent, (N,I); columns are `intents_`."""
        return self._runner().predict_proba(X)

    def parse(self, texts: Iterable[str]) -> list[ParsedText]:
        """Cut texts into words, and find what each asks for and what it names, with probabilities and places.

        Raises:
            DataError: one text in place of a list.
        """
        return self._runner().parse(texts)

    def score(
        self,
        X: Iterable[Sequence[str]],  # noqa: N803
        y: Iterable[Sequence[str]],
        intents: Iterable[str],
    ) -> float:
        """Give the share of sentences whose intent and tags are all right; higher is better."""
        given = to_score(X, y, intents)
        asked, tags = self.predict(given.words)
        rows = zip(asked, given.labels or [], tags, given.tags, strict=True)
        return float(np.mean([one == other and some == others for one, other, some, others in rows]))

    @property
    def intents_(self) -> list[str]:
        """The intents, in the order of `predict_proba`'s columns."""
        return list(self._fitted().intents)

    def _runner(self) -> IntentRunner:
        runner: Any = self._fitted().runner()
        return runner  # type: ignore[no-any-return]
