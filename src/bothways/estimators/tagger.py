"""A tag for every word of a sentence, in scikit-learn's manner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from bothways.data.cells import spell
from bothways.data.sequences import as_parts, as_sentences, listed
from bothways.data.tagged_sentences import TaggedSentences
from bothways.errors import DataError, NotFittedError, SettingsError, check_given
from bothways.estimators.on_texts import TrainedOnTexts
from bothways.settings import TaggerSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bothways.decoding.hidden_states import HiddenStates
    from bothways.decoding.hmm import HiddenMarkovModel
    from bothways.decoding.tagging import ScoredEntity, TagRunner


class TrainedOnSentences(TrainedOnTexts):
    """An estimator that tags words: what is the same with intents and without."""

    _task: str

    def save(self, path: Path | str, *, force: bool = False) -> None:
        """Write a model folder that `load` and `bothways.load` read.

        Raises:
            OutputError: the place is taken (and `force` is False) or cannot be written.
        """
        from bothways.training.saving_tagger import save_tagger

        save_tagger(self._fitted(), path, force=force)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a model folder, with its weights.

        Raises:
            ModelFolderError: it is missing or damaged, or was trained for another task.
        """
        from bothways.training.saving_tagger import load_tagger

        return cls._of(load_tagger(path, task=cls._task))

    def _train(
        self, sentences: ListedSentences, validation: ListedSentences | None, settings: TaggerSettings, progress: bool
    ) -> None:
        """Train, and keep what was reached."""
        from bothways.training.device import check_device
        from bothways.training.progress import TerminalProgress
        from bothways.training.tag_preparation import prepare_tags
        from bothways.training.tagging import train_tagger

        check_device(settings)
        prepared = prepare_tags(sentences, validation, settings)
        self._keep(train_tagger(prepared, settings, listener=TerminalProgress() if progress else None))


class SequenceTagger(TrainedOnSentences, BaseEstimator, TaggerSettings):  # type: ignore[misc]
    """Learn to tag words: names, parts of speech, slots.

        tagger = SequenceTagger().fit(sentences, tags)      # lists of words, lists of tags
        tagger.predict([["Ada", "met", "Charles"]])
        tagger.entities([["Ada", "met", "Charles"]])        # with the probability of each
        tagger.save("names")

    Its parameters are the settings of `tag`; see docs/settings.md.
    """

    _learns_from = "sentences, tags"
    _task = "tag"

    def fit(
        self,
        X: Iterable[Sequence[str]],  # noqa: N803  scikit-learn's name
        y: Iterable[Sequence[str]],
        *,
        validation: tuple[Iterable[Sequence[str]], Iterable[Sequence[str]]] | None = None,
        progress: bool = False,
    ) -> Self:
        """Train from scratch.

        Args:
            X: sentences, each a list of words.
            y: the tags of each, as many as words.
            validation: sentences and tags that choose the best epoch; None holds `validation_size` of them out.
            progress: show a progress bar, in a terminal or a notebook.

        Raises:
            SettingsError: a parameter is out of range.
            DataError: sentences that cannot be trained on.
            Interrupted: Ctrl-C; the best epoch so far is in the estimator.
        """
        check_given(X=X, y=y)
        self.check()
        settings = TaggerSettings.from_dict(self.to_dict())
        checked = None if validation is None else tagged(*as_parts(validation, "sentences", "tags"), name="validation")
        self._train(tagged(X, y, name="X"), checked, settings, progress)
        return self

    def predict(self, X: Iterable[Sequence[str]]) -> list[list[str]]:  # noqa: N803  scikit-learn's name
        """Give the tags of each sentence; of a sentence without words none."""
        return self._runner().predict(X)

    def predict_marginals(self, X: Iterable[Sequence[str]]) -> list[NDArray[np.float64]]:  # noqa: N803
        """Give the probability of each tag of each word, (T,K) for each sentence; columns are `classes_`."""
        return self._runner().predict_marginals(X)

    def entities(self, X: Iterable[Sequence[str]]) -> list[list[ScoredEntity]]:  # noqa: N803
        """Find the entities of each sentence, each with the probability that it is one, as it stands."""
        return self._runner().entities(X)

    def score(self, X: Iterable[Sequence[str]], y: Iterable[Sequence[str]]) -> float:  # noqa: N803
        """Give the F1 of entities by exact match, or the accuracy where tags are plain; higher is better."""
        from bothways.training.tag_scores import accuracy_and_f1

        given = to_score(X, y)
        return accuracy_and_f1(given.tags, self.predict(given.words), self._fitted().scheme)[1]

    @property
    def classes_(self) -> list[str]:
        """The tags, in the order of `predict_marginals`' columns."""
        return list(self._fitted().labels)

    def _runner(self) -> TagRunner:
        runner: TagRunner = self._fitted().runner()
        return runner


class HiddenMarkovTagger(BaseEstimator):  # type: ignore[misc]
    """A hidden Markov model: of tagged sentences by counting, of sentences without tags by Baum-Welch.

    HiddenMarkovTagger().fit(sentences, tags).predict(sentences)
    HiddenMarkovTagger(states=6).fit(sentences).model_.table()      # what the states stand for
    """

    def __init__(
        self, *, order: int | None = None, states: int = 10, steps: int = 100, restarts: int = 5, seed: int = 0
    ) -> None:
        """Choose.

        Args:
            order: with tags: how many of them the next one hangs on, 1 or 2; None takes 2 for at most 24 tags.
            states: without tags: how many states to find.
            steps: without tags: most steps of expectation and maximisation.
            restarts: without tags: random starts, of which the likeliest end is kept.
            seed: start of all random numbers.
        """
        self.order, self.states, self.steps, self.restarts, self.seed = order, states, steps, restarts, seed

    def fit(
        self,
        X: Iterable[Sequence[str]],  # noqa: N803  scikit-learn's name
        y: Iterable[Sequence[str]] | None = None,
    ) -> Self:
        """Learn from sentences, each a list of words, with tags or without.

        Raises:
            SettingsError: a parameter is out of range.
            DataError: sentences that cannot be learned from.
        """
        from bothways.training.baum_welch import baum_welch
        from bothways.training.hmm import fit_hmm

        check_given(X=X)
        self._check()
        sentences = as_sentences(X)
        self.log_likelihoods_: list[float] | None = None
        self.model_: HiddenMarkovModel | HiddenStates
        if y is None:
            found = baum_welch(sentences, self.states, steps=self.steps, restarts=self.restarts, seed=self.seed)
            self.model_, self.log_likelihoods_ = found.model, found.log_likelihoods
        else:
            self.model_ = fit_hmm(sentences, as_sentences(y), order=self.order)
        return self

    def predict(self, X: Iterable[Sequence[str]], decoding: str = "posterior") -> list[list[Any]]:  # noqa: N803
        """Give the tags (without tags in training: the numbers of the states) of each sentence.

        Args:
            X: sentences.
            decoding: "posterior", each word's likeliest, or "viterbi", the likeliest sequence.

        Raises:
            SettingsError: another decoding.
        """
        if decoding not in ("posterior", "viterbi"):
            raise SettingsError(f"decoding is {decoding!r}, but it must be 'posterior' or 'viterbi'.")
        from bothways.decoding.hmm import HiddenMarkovModel

        model, sentences = self._fitted(), as_sentences(X)
        if isinstance(model, HiddenMarkovModel):
            return model.predict(sentences, "posterior" if decoding == "posterior" else "viterbi")
        if decoding == "viterbi":
            return [path.tolist() for path in model.predict(sentences)]
        return [chances.argmax(axis=1).tolist() for chances in model.marginals(sentences)]

    def predict_marginals(self, X: Iterable[Sequence[str]]) -> list[NDArray[np.float64]]:  # noqa: N803
        """Give the probability of each tag (or state) of each word, (T,K) for each sentence."""
        return self._fitted().marginals(as_sentences(X))

    def score(self, X: Iterable[Sequence[str]], y: Iterable[Sequence[str]]) -> float:  # noqa: N803
        """Give the share of words with the right tag.

        Raises:
            SettingsError: it was fitted without tags, and knows states alone.
        """
        from bothways.decoding.hmm import HiddenMarkovModel
        from bothways.training.tag_scores import accuracy_and_f1

        if not isinstance(self._fitted(), HiddenMarkovModel):
            raise SettingsError(
                "This HiddenMarkovTagger was fitted without tags: it knows numbers of states, which are never right. "
                "Fit it with tags, or take model_.log_likelihood(sentences)."
            )
        given = to_score(X, y)
        return accuracy_and_f1(given.tags, self.predict(given.words), "none")[0]

    def _check(self) -> None:
        """Refuse parameters that are out of range, whichever way of learning needs them."""
        for name, least in (("states", 1), ("steps", 1), ("restarts", 1), ("seed", 0)):
            value = getattr(self, name)
            if not hasattr(value, "__index__") or value < least:
                raise SettingsError(f"{name} is {value!r}, but it must be a whole number, at least {least}.")
        if self.order not in (None, 1, 2):
            raise SettingsError(f"order is {self.order!r}, but it must be 1 or 2, the tags that the next one hangs on.")

    def _fitted(self) -> HiddenMarkovModel | HiddenStates:
        if not hasattr(self, "model_"):
            raise NotFittedError("This HiddenMarkovTagger is not trained yet. Call fit(sentences, tags).")
        return self.model_


@dataclass(frozen=True)
class ListedSentences(TaggedSentences):
    """Tagged sentences that were given as lists."""

    def where(self, sentence: int, position: int = 0) -> str:
        """Say where a tag stands; sentence and position are counted from 0."""
        return f"tags of {self.name}[{self.word_lines[sentence][position] - 1}][{position}]"


def tagged(
    words: Iterable[Any], tags: Iterable[Any], intents: Iterable[Any] | None = None, *, name: str
) -> ListedSentences:
    """Check sentences with their tags and intents; those without a word are left out.

    Raises:
        DataError: other numbers of words and tags, or of sentences and intents; no text where one is needed.
    """
    sentences, given = as_sentences(words, name), as_sentences(tags, f"tags of {name}")
    if len(sentences) != len(given):
        raise DataError(f"{name} has {len(sentences)} sentences, but {len(given)} lists of tags. Give one for each.")
    for row, (some, others) in enumerate(zip(sentences, given, strict=True)):
        if len(some) != len(others):
            raise DataError(f"{name}[{row}] has {len(some)} words, but {len(others)} tags. Give one for each word.")
        if not all(map(_is_tag, others)):
            wrong = next(tag for tag in others if not _is_tag(tag))
            raise DataError(f"tags of {name}[{row}] hold {wrong!r}, but a tag must be text that a file can hold.")
    asked = None if intents is None else _intents(intents, name)
    if asked is not None and len(asked) != len(sentences):
        raise DataError(f"{name} has {len(sentences)} sentences, but {len(asked)} intents. Give one for each.")
    kept = [row for row, some in enumerate(sentences) if some]
    return ListedSentences(
        name, [sentences[row] for row in kept], [given[row] for row in kept],
        [[row + 1] * len(sentences[row]) for row in kept],
        labels=None if asked is None else [asked[row] for row in kept],
    )  # fmt: skip


def to_score(words: Iterable[Any], tags: Iterable[Any], intents: Iterable[Any] | None = None) -> ListedSentences:
    """Check sentences as `tagged` does, of which at least one must have a word.

    Raises:
        DataError: none has; and all that `tagged` refuses.
    """
    found = tagged(words, tags, intents, name="X")
    if not len(found):
        raise DataError("X holds no word, so there is nothing to score. Give some sentences.")
    return found


def _intents(intents: Iterable[Any], name: str) -> list[str]:
    """Check intents, and spell those that are numbers."""
    found = []
    for row, intent in enumerate(listed(intents, "intents")):
        plain = intent.item() if isinstance(intent, np.generic) else intent
        # A NaN, as tables have for nothing, is not itself; pandas' NA is neither that nor anything else.
        missing = plain is None or type(plain).__name__ in ("NAType", "NaTType") or plain != plain
        text = "" if missing else str(spell(plain) if isinstance(plain, (float, bool)) else plain)
        if not _is_tag(text.strip()):
            raise DataError(f"intents of {name}[{row}] is {intent!r}, but an intent must be text that a file can hold.")
        found.append(text)
    return found


def _is_tag(tag: str) -> bool:
    """Whether a tag has letters, and no half of a surrogate pair, which no file can hold."""
    return bool(tag) and not any("\ud800" <= letter <= "\udfff" for letter in tag)
