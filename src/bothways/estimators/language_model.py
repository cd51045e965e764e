"""Language models: the next token of a text, in scikit-learn's manner."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sklearn.base import BaseEstimator

from bothways.data.conditions import values_of_python
from bothways.data.language_tokens import lines_of
from bothways.data.sequences import as_texts
from bothways.errors import DataError, check_given
from bothways.estimators.on_texts import TrainedOnTexts
from bothways.settings import LanguageSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bothways.decoding.language import LanguageModelRunner, ScoredToken
    from bothways.training.corpora import ListedTexts


class LanguageModel(TrainedOnTexts, BaseEstimator, LanguageSettings):  # type: ignore[misc]
    """Learn to predict the next token of texts; continue texts and score them.

        model = LanguageModel(unit="character").fit(texts)
        model.generate("I enjoy", temperature=0.8, max_length=50)
        model.perplexity(other_texts)
        model.save("novel")

    Its parameters are the settings of `language`; see docs/settings.md.
    """

    def fit(
        self,
        X: str | Iterable[str],  # noqa: N803  scikit-learn's name
        y: Iterable[Any] | None = None,
        *,
        validation: str | Iterable[str] | tuple[Iterable[str], Iterable[Any]] | None = None,
        progress: bool = False,
    ) -> Self:
        """Train from scratch.

        Args:
            X: texts, each a document of its own; or one text, a stream.
            y: what each document is written on: a label each, or a number, or a row of numbers (N,F); None: nothing.
            validation: texts, or a text, that choose the best epoch, with conditions a pair of texts and conditions;
                None holds `validation_size` of X out.
            progress: show a progress bar with tokens a second and time left, in a terminal or a notebook.

        Raises:
            SettingsError: a parameter is out of range.
            DataError: the texts cannot be trained on.
            Interrupted: Ctrl-C; the best epoch so far is in the estimator.
        """
        from bothways.training.corpora import prepare_corpus
        from bothways.training.device import check_device
        from bothways.training.language import train_language_model
        from bothways.training.progress import TerminalProgress

        check_given(X=X)
        self.check()
        settings = LanguageSettings.from_dict(self.to_dict())
        check_device(settings)
        with tempfile.TemporaryDirectory(prefix="bothways-") as folder:
            checked = None
            if validation is not None:
                checked = _listed(validation) if y is None else _listed(*_pair(validation))  # type: ignore[arg-type]
            prepared = prepare_corpus(_listed(X, y), checked, settings, Path(folder))
            trained = train_language_model(prepared, settings, listener=TerminalProgress() if progress else None)
            prepared.close()
        self._keep(trained)
        return self

    def generate(self, prompt: str = "", *, condition: Any = None, **options: Any) -> list[str]:
        """Continue a text; see `LanguageModelRunner.generate`."""
        return self._runner().generate(prompt, condition=condition, **options)

    def stream(self, prompt: str = "", *, condition: Any = None, **options: Any) -> Iterator[str]:
        """Continue a text, one token at a time, without the prompt; see `LanguageModelRunner.stream`."""
        return self._runner().stream(prompt, condition=condition, **options)

    def unknown_words(self, prompt: str) -> list[str]:
        """Name the words of a prompt that the model never learned."""
        return self._runner().unknown_words(prompt)

    def perplexity(self, texts: str | Iterable[str], conditions: Iterable[Any] | None = None) -> float:
        """Give exp of the mean of -log probability over all tokens of some texts; lower is better.

        A model of one stream also takes one text. `conditions` has one for each text, for a model that was trained with
        them.
        """
        return self._runner().perplexity(texts, conditions)

    def score(self, X: Iterable[str], y: Iterable[Any] | None = None) -> float:  # noqa: N803  scikit-learn's name
        """Give the mean log probability of a token, nats; higher is better. `y` holds the conditions, if any."""
        return -math.log(self.perplexity(X, y))

    def score_words(self, text: str, *, condition: Any = None) -> list[ScoredToken]:
        """Give every token of a text with its log probability; a document's last one is `<eos>`, its end."""
        return self._runner().score_words(text, condition=condition)

    def save(self, path: Path | str, *, force: bool = False) -> None:
        """Write a model folder that `load` and `bothways.load` read.

        Raises:
            OutputError: the place is taken (and `force` is False) or cannot be written.
        """
        from bothways.training.saving_language import save_language_model

        save_language_model(self._fitted(), path, force=force)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a model folder.

        Raises:
            ModelFolderError: the folder is missing, damaged or of a newer format.
        """
        from bothways.training.saving_language import load_language_model

        return cls._of(load_language_model(path))

    def _runner(self) -> LanguageModelRunner:
        from bothways.training.language import TorchLanguageModel

        return TorchLanguageModel(self._fitted())


def _pair(validation: Any) -> tuple[Any, Any]:
    if not (isinstance(validation, tuple) and len(validation) == 2) or isinstance(validation[0], str):
        raise DataError("validation has no conditions, but the training texts have. Give a pair: (texts, conditions).")
    return validation


def _listed(texts: str | Iterable[str], conditions: Iterable[Any] | None = None) -> ListedTexts:
    """One text as a stream, its lines one by one; several as documents, with what each is written on."""
    from bothways.training.corpora import ListedTexts

    if isinstance(texts, str):
        if conditions is not None:
            raise DataError("X is one text, but conditions need one text each. Give a list of texts.")
        if not texts.strip():
            raise DataError("The text is empty. Give some text to train on.")
        return ListedTexts(lines_of(texts), whole=True)
    listed = as_texts(texts)
    if not any(text.strip() for text in listed):
        raise DataError("The texts are empty. Give some text to train on.")
    return ListedTexts(listed, conditions=None if conditions is None else values_of_python(conditions, len(listed)))
