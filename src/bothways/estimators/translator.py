"""One sequence into another, in scikit-learn's manner."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sklearn.base import BaseEstimator

from bothways.data.pairs import pairs_of_python
from bothways.data.sequences import as_parts
from bothways.errors import check_given
from bothways.estimators.on_texts import TrainedOnTexts
from bothways.settings import TranslatorSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bothways.decoding.translation import Translation, TranslationRunner


class Translator(TrainedOnTexts, BaseEstimator, TranslatorSettings):  # type: ignore[misc]
    """Learn to turn texts into other texts: languages, spellings, dates, questions into commands.

        model = Translator().fit(sources, targets)
        model.predict(["A man is riding a bicycle."], beam_size=5)
        model.translate(["A man is riding a bicycle."])[0][0].attention
        model.save("en-de")

    Its parameters are the settings of `translate`; see docs/settings.md.
    """

    _learns_from = "sources, targets"

    def fit(
        self,
        X: Iterable[str],  # noqa: N803  scikit-learn's name
        y: Iterable[str],
        *,
        validation: tuple[Iterable[str], Iterable[str]] | None = None,
        progress: bool = False,
    ) -> Self:
        """Train from scratch.

        Args:
            X: sources.
            y: targets, one for each.
            validation: sources and targets that choose the best epoch; None holds `validation_size` of the pairs out.
            progress: show a progress bar with tokens a second and time left, in a terminal or a notebook.

        Raises:
            SettingsError: a parameter is out of range.
            DataError: the pairs cannot be trained on.
            Interrupted: Ctrl-C; the best epoch so far is in the estimator.
        """
        from bothways.training.device import check_device
        from bothways.training.progress import TerminalProgress
        from bothways.training.translation import train_translator
        from bothways.training.translation_preparation import prepare_pairs

        check_given(X=X, y=y)
        self.check()
        settings = TranslatorSettings.from_dict(self.to_dict())
        check_device(settings)
        checked = None if validation is None else pairs_of_python(*as_parts(validation, "sources", "targets"))
        prepared = prepare_pairs(pairs_of_python(X, y), checked, settings)
        self._keep(train_translator(prepared, settings, listener=TerminalProgress() if progress else None))
        return self

    def predict(self, X: Iterable[str], **options: Any) -> list[str]:  # noqa: N803  scikit-learn's name
        """Give the best translation of each text; options as those of `TranslationRunner.predict`, `beam_size` say."""
        return self._runner().predict(X, **options)

    def translate(self, texts: Iterable[str], **options: Any) -> list[list[Translation]]:
        """Give the best translations of each text with scores and attention; see `TranslationRunner.translate`."""
        return self._runner().translate(texts, **options)

    def score(self, X: Iterable[str], y: Iterable[str]) -> float:  # noqa: N803  scikit-learn's name
        """Give the BLEU of translations against references, 0 to 100; higher is better."""
        from bothways.training.translation_scores import quick_scores

        pairs = pairs_of_python(X, y)
        return quick_scores(self.predict(pairs.sources), pairs.targets)["bleu"]

    def save(self, path: Path | str, *, force: bool = False) -> None:
        """Write a model folder that `load` and `bothways.load` read.

        Raises:
            OutputError: the place is taken (and `force` is False) or cannot be written.
        """
        from bothways.training.saving_translator import save_translator

        save_translator(self._fitted(), path, force=force)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a model folder, with its weights.

        Raises:
            ModelFolderError: it is missing or damaged, or was trained for another task.
        """
        from bothways.training.saving_translator import load_translator

        return cls._of(load_translator(path))

    def _runner(self) -> TranslationRunner:
        runner: TranslationRunner = self._fitted().runner()
        return runner
