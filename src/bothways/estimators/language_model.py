"""Language models: the next token of a text, in scikit-learn's manner."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sklearn.base import BaseEstimator

from bothways.data.sequences import as_texts
from bothways.errors import DataError
from bothways.estimators.on_texts import TrainedOnTexts
from bothways.settings import LanguageSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bothways.decoding.language import LanguageModelRunner
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
        y: None = None,
        *,
        validation: str | Iterable[str] | None = None,
        progress: bool = False,
    ) -> Self:
        """Train from scratch.

        Args:
            X: texts, each a document of its own; or one text, a stream.
            y: ignored; scikit-learn's habit.
            validation: texts, or a text, that choose the best epoch; None holds `validation_size` of X out.
            progress: show a progress bar with tokens a second and time left, in a terminal or a notebook.

        Raises:
            SettingsError: a parameter is out of range.
            DataError: the texts cannot be trained on.
            Interrupted: Ctrl-C; the best epoch so far is in the estimator.
        """
        from bothways.training.corpora import prepare_corpus
        from bothways.training.language import train_language_model
        from bothways.training.loop import check_device
        from bothways.training.progress import TerminalProgress

        self.check()
        settings = LanguageSettings.from_dict(self.get_params())
        check_device(settings)
        with tempfile.TemporaryDirectory(prefix="bothways-") as folder:
            prepared = prepare_corpus(
                _listed(X), None if validation is None else _listed(validation), settings, Path(folder)
            )
            trained = train_language_model(prepared, settings, listener=TerminalProgress() if progress else None)
            prepared.close()
        self._keep(trained)
        return self

    def generate(self, prompt: str = "", **options: Any) -> list[str]:
        """Continue a text; see `LanguageModelRunner.generate`."""
        return self._runner().generate(prompt, **options)

    def stream(self, prompt: str = "", **options: Any) -> Iterator[str]:
        """Continue a text, one token at a time, without the prompt; see `LanguageModelRunner.stream`."""
        return self._runner().stream(prompt, **options)

    def unknown_words(self, prompt: str) -> list[str]:
        """Name the words of a prompt that the model never learned."""
        return self._runner().unknown_words(prompt)

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


def _listed(texts: str | Iterable[str]) -> ListedTexts:
    """One text as a stream, its lines one by one; several as documents."""
    from bothways.training.corpora import ListedTexts

    if isinstance(texts, str):
        if not texts.strip():
            raise DataError("The text is empty. Give some text to train on.")
        lines = texts.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return ListedTexts([*(f"{line}\n" for line in lines[:-1]), *lines[-1:]], whole=True)
    listed = as_texts(texts)
    if not any(text.strip() for text in listed):
        raise DataError("The texts are empty. Give some text to train on.")
    return ListedTexts(listed)
