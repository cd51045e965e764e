"""Classify texts, or sequences of numbers, in scikit-learn's manner."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from bothways.data.batches import InMemory
from bothways.data.sequences import as_parts, as_sequences, as_texts, holds_texts, listed
from bothways.decoding.probabilities import softmax
from bothways.errors import DataError, Interrupted, NotFittedError, SettingsError, check_given
from bothways.settings import ClassifierSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from bothways.training.classification import TrainedClassifier


# What a vocabulary and the vectors of a model of texts were made with.
TEXT = ("unit", "language", "lowercase", "vocabulary_size", "min_count", "vectors", "initial_vectors")


class TextClassifier(ClassifierMixin, BaseEstimator, ClassifierSettings):  # type: ignore[misc]
    """Classify texts, or sequences of numbers, with a recurrent network.

    A sequence gets the same label and the same probabilities (to 1e-5) alone as in any company.

        model = TextClassifier(cell_type="lstm", bidirectional=True).fit(texts, labels)
        model.predict(["I enjoyed it"])

    Parameters are the settings of `classify` (docs/settings.md). After `fit`:

    Attributes:
        classes_: the labels, in the order of `predict_proba`'s columns.
        history_: scores by epoch.
        best_epoch_: the epoch that was kept, counted from 1.
        trained_: the network with its tokenizer, temperature, scores and baselines.
    """

    trained_: TrainedClassifier

    def fit(
        self,
        X: Iterable[str] | Iterable[ArrayLike],  # noqa: N803  scikit-learn's name
        y: Iterable[Any],
        *,
        validation: tuple[Iterable[Any], Iterable[Any]] | None = None,
        progress: bool = False,
    ) -> Self:
        """Train from fresh weights.

        Args:
            X: texts, or arrays of numbers (T,F).
            y: one label for each: text, whole number or bool.
            validation: texts and labels that choose the best epoch; None holds `validation_size` of the rows out.
            progress: show a progress bar with tokens a second and time left, in a terminal or a notebook.

        Raises:
            SettingsError: a parameter is out of range.
            DataError: the input cannot be trained on; the message names the row.
            Interrupted: Ctrl-C; the best epoch so far is in the estimator.
        """
        return self._fit(X, y, validation, progress, before=None)

    def partial_fit(
        self,
        X: Iterable[str] | Iterable[ArrayLike],  # noqa: N803  scikit-learn's name
        y: Iterable[Any],
        *,
        validation: tuple[Iterable[Any], Iterable[Any]] | None = None,
        progress: bool = False,
    ) -> Self:
        """Train the present weights further, on these rows; vocabulary and labels stay as they are.

        Arguments and errors are those of `fit`; a label that the model never had is refused.
        """
        return self._fit(X, y, validation, progress, before=getattr(self, "trained_", None))

    def _fit(self, inputs: Any, labels: Any, validation: Any, progress: bool, before: TrainedClassifier | None) -> Self:
        from bothways.training.classification import check_refit, check_vectors, train_classifier
        from bothways.training.device import check_device
        from bothways.training.preparation import prepare
        from bothways.training.pretrained import read_pretrained
        from bothways.training.progress import TerminalProgress

        check_given(X=inputs, y=labels)
        self.check()
        settings = ClassifierSettings.from_dict(self.to_dict())
        check_device(settings)
        check_refit(settings)
        if before is None:
            check_vectors(settings)
        pretrained = read_pretrained(settings) if before is None else None
        if before is not None:
            settings = _settings_to_go_on(settings, before)
        elif pretrained is not None:
            settings = pretrained.adapt(settings)
        first = before or pretrained
        with tempfile.TemporaryDirectory(prefix="bothways-") as folder:
            rows = _rows(inputs, labels)
            if before is not None:
                _check_kind(rows.inputs, before)
            prepared = prepare(
                rows,
                None if validation is None else _rows(*as_parts(validation, "texts", "labels")),
                settings,
                Path(folder),
                tokenizer=first.tokenizer if first else None,
                classes=before.classes if before else None,
            )
            trained = train_classifier(
                prepared,
                settings,
                listener=TerminalProgress() if progress else None,
                start_from=before.model if before else None,
                pretrained=pretrained,
            )
            prepared.close()
        if trained.best_epoch:
            self._take(trained)
        if trained.interrupted:
            held = "The estimator holds the best epoch so far" if trained.best_epoch else "No epoch was finished"
            raise Interrupted(f"Stopped by Ctrl-C. {held}; fit starts afresh, partial_fit goes on.")
        return self

    def _take(self, trained: TrainedClassifier) -> None:
        self.trained_ = trained
        self.classes_ = np.array(trained.classes)
        self.history_ = trained.history
        self.best_epoch_ = trained.best_epoch

    def predict(self, X: Iterable[str] | Iterable[ArrayLike]) -> NDArray[Any]:  # noqa: N803
        """Give the likeliest label of each sequence, in the order given."""
        best = self._logits(X).argmax(axis=1)
        return self.classes_[best]  # type: ignore[no-any-return]

    def predict_proba(self, X: Iterable[str] | Iterable[ArrayLike]) -> NDArray[np.float64]:  # noqa: N803
        """Give calibrated probabilities, float64 (N,K); columns are in the order of `classes_`."""
        logits = self._logits(X)
        return softmax(logits, self.trained_.temperature)

    def _logits(self, inputs: Any) -> NDArray[np.float32]:
        from bothways.training.classification import compute_logits

        trained = self._fitted()
        if trained.tokenizer is None:
            steps: Sequence[NDArray[Any]] = as_sequences(inputs, features=trained.features)
        else:
            steps = trained.tokenizer.encode(as_texts(inputs))
        return compute_logits(trained.model, InMemory([sequence[: trained.settings.max_length] for sequence in steps]))

    def save(self, path: Path | str, *, force: bool = False) -> None:
        """Write a model folder that `load` and `bothways.load` read.

        Raises:
            OutputError: the place is taken (and `force` is False) or cannot be written.
        """
        from bothways.training.saving import save_classifier

        save_classifier(self._fitted(), path, force=force)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a model folder, to predict or to train on with `partial_fit`.

        Raises:
            ModelFolderError: the folder is missing, damaged or of a newer format.
        """
        from bothways.training.saving import load_classifier

        trained = load_classifier(path)
        model = cls(**trained.settings.to_dict())
        model._take(trained)
        return model

    def _fitted(self) -> TrainedClassifier:
        if not hasattr(self, "trained_"):
            raise NotFittedError("This TextClassifier is not trained yet. Call fit(texts, labels), or load a folder.")
        return self.trained_

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn whether `fit` was called."""
        return hasattr(self, "trained_")


def _settings_to_go_on(settings: ClassifierSettings, before: TrainedClassifier) -> ClassifierSettings:
    """Training as asked for now, a network and a vocabulary as they are.

    Raises:
        SettingsError: a setting that decides on the shape of the network, or on how texts are cut, was changed.
    """
    from bothways.training.pretrained import TAKEN_OVER

    chosen, fixed = settings.to_dict(), before.settings.to_dict()
    if chosen["vectors"] is not None:
        chosen["embedding_dim"] = fixed["embedding_dim"]
    if chosen["pretrained"] is not None:
        chosen |= {name: fixed[name] for name in (*TAKEN_OVER, "bidirectional", "one_way", "stack")}
    for name in (
        "cell_type",
        "embedding_dim",
        "hidden_size",
        "num_layers",
        "bidirectional",
        "one_way",
        "stack",
        "pooling",
        *(TEXT if before.tokenizer is not None else ()),
    ):
        if chosen[name] != fixed[name]:
            raise SettingsError(
                f"{name} is {chosen[name]!r}, but the network was trained with {fixed[name]!r}. "
                "Call fit to start afresh, or set it back."
            )
    return ClassifierSettings.from_dict(chosen)


def _check_kind(inputs: Sequence[Any], before: TrainedClassifier) -> None:
    """Refuse numbers for a model of texts, texts for one of numbers, and steps of other numbers.

    Raises:
        DataError: they do not fit.
    """
    if before.tokenizer is None:
        as_sequences(inputs, features=before.features)
    else:
        as_texts(inputs)


def _rows(inputs: Any, labels: Any) -> Any:
    """Check texts (or arrays) and labels as they were passed in."""
    from bothways.training.preparation import Rows

    inputs, labels = listed(inputs), listed(labels, "labels")
    if len(inputs) != len(labels):
        raise DataError(f"There are {len(inputs)} texts and {len(labels)} labels, but each text needs one label.")
    if not inputs:
        raise DataError("There are no rows to train on. Give at least two rows of each of two labels.")
    return Rows(as_texts(inputs) if holds_texts(inputs) else as_sequences(inputs), labels)
