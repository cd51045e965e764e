"""From tagged sentences to what the loop reads: a split, tags as numbers, a lexicon."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.data.conll import INTENT
from bothways.data.lexicon import UNKNOWN, Lexicon
from bothways.data.splits import stratified_split
from bothways.data.vectors import frequent_words
from bothways.decoding.scheme_check import check_like, check_scheme
from bothways.errors import DataError
from bothways.settings import IntentSettings
from bothways.training.tag_language import TagLanguage, read_language

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bothways.data.tagged_sentences import TaggedSentences
    from bothways.decoding.schemes import Scheme
    from bothways.settings import TaggerSettings


@dataclass
class TaggedPart:
    """Sentences with their tags."""

    words: list[list[str]]
    tags: list[list[str]]
    intents: list[str] = field(default_factory=list)  # of each sentence; empty for a tagger alone

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Words of each sentence, int64 (N,)."""
        return np.array([len(words) for words in self.words], dtype=np.int64)

    def known(self, labels: Sequence[str], intents: Sequence[str]) -> NDArray[np.bool_]:
        """Say of each sentence whether all its tags, and its intent if it has one, are among these, bool (N,)."""
        tags, asked = set(labels), set(intents)
        found = np.array([tags.issuperset(some) for some in self.tags], dtype=bool)
        return found & [intent in asked for intent in self.intents] if self.intents else found


@dataclass
class PreparedTags:
    """Everything that training needs of the data."""

    labels: list[str]
    scheme: Scheme
    lexicon: Lexicon
    train: TaggedPart
    validation: TaggedPart | None
    identity: str  # fingerprint of settings and data
    notes: list[str] = field(default_factory=list)
    language: TagLanguage | None = None
    intents: list[str] = field(default_factory=list)  # that there are, in order; empty for a tagger alone


def prepare_tags(
    sentences: TaggedSentences, validation: TaggedSentences | None, settings: TaggerSettings
) -> PreparedTags:
    """Check tags, hold sentences out, and learn which words and letters there are.

    Args:
        sentences: to train on, and to hold out from if `validation` is None.
        validation: sentences that choose the best epoch.
        settings: checked already.

    Raises:
        SettingsError: settings that the training would not use.
        DataError: no sentences, tags that the scheme does not allow, or, for intents, sentences without one; names
            file and line.
    """
    settings.refuse_unused()
    if not len(sentences):
        raise DataError(f"{sentences.name} holds no tagged word to train on. Give some sentences.")
    sentences, scheme = check_scheme(sentences, settings.scheme, repair=settings.repair)
    notes = list(sentences.notes)
    checked: TaggedPart | None = None
    asked = isinstance(settings, IntentSettings)
    train = _part(sentences, asked=asked)
    if validation is not None:
        if not len(validation):
            raise DataError(f"{validation.name} holds no tagged word. Give some sentences, or no validation data.")
        validation = check_like(validation, scheme, repair=settings.repair)
        notes += validation.notes
        checked = _part(validation, asked=asked)
    elif settings.validation_size:
        train, checked = _split(train, settings)
    labels = sorted({tag for tags in train.tags for tag in tags})
    intents = sorted(set(train.intents))
    if asked and len(intents) < 2:
        held = ", as those of the others are held out" if len(set(sentences.labels or [])) > 1 else ""
        raise DataError(
            f"{sentences.name} has one intent only, {intents[0]!r}, to learn{held}. Give sentences of at least two."
        )
    if checked is not None:
        notes += _new_in(checked, labels, intents, monitor=settings.monitor)
    more = frequent_words(settings.vectors) if settings.vectors is not None else []
    lexicon = Lexicon.learn(train.words, lowercase=settings.lowercase, min_count=settings.min_count, more=more)
    language = read_language(settings)
    identity = _identity(settings, train, checked)
    if language is not None:
        lexicon = replace(lexicon, language=language.words)
        identity += language.fingerprint
        counts = Counter(word for words in train.words for word in words)
        known = language.words.ids(counts) != UNKNOWN
        share = float(np.average(known, weights=list(counts.values())))
        notes.append(f"The states of {language.path} join each word's vector; it knows {share:.1%} of the words.")
    return PreparedTags(labels, scheme, lexicon, train, checked, identity, notes, language, intents)


def _new_in(validation: TaggedPart, labels: Sequence[str], intents: Sequence[str], *, monitor: str) -> list[str]:
    """What validation has and training never had, in words; refuse to monitor a loss that no sentence gives."""
    notes = []
    if new := sorted({tag for tags in validation.tags for tag in tags} - set(labels)):
        notes.append(f"Validation has tags that training never had, counted wrong: {', '.join(new)}.")
    if new := sorted(set(validation.intents) - set(intents)):
        notes.append(f"Validation has intents that training never had, counted wrong: {', '.join(new)}.")
    if monitor == "loss" and not validation.known(labels, intents).any():
        what, instead = ("a tag or an intent", "sentence") if validation.intents else ("a tag", "f1")
        raise DataError(
            f"Every validation sentence has {what} that training never had, so there is no loss to go by. Give other "
            f"sentences, or set --monitor {instead}."
        )
    return notes


def _part(sentences: TaggedSentences, *, asked: bool) -> TaggedPart:
    """Take words and tags and, where asked, intents."""
    if not asked:
        return TaggedPart(sentences.words, sentences.tags)
    if sentences.labels is None:
        raise DataError(
            f"{sentences.name} names no intents. Give a folder with a file 'label' beside seq.in, a table with a "
            f"column 'intent' (or a third of --columns), or a line '{INTENT}NAME' before each sentence; for tags alone "
            "use 'bothways train tag'."
        )
    return TaggedPart(sentences.words, sentences.tags, sentences.labels)


def _split(part: TaggedPart, settings: TaggerSettings) -> tuple[TaggedPart, TaggedPart]:
    """Hold sentences out, at random; of every intent one is left to learn from."""
    count = len(part.words)
    if count < 2:
        raise DataError(
            "One sentence is too few to hold some out. Add sentences, give --validation, or set --validation-size 0."
        )
    held = min(count - 1, max(1, round(count * settings.validation_size)))
    order = np.random.default_rng(settings.seed).permutation(count)

    def taken(rows: Sequence[int]) -> TaggedPart:
        intents = [part.intents[row] for row in rows] if part.intents else []
        return TaggedPart([part.words[row] for row in rows], [part.tags[row] for row in rows], intents)

    learned, checked = sorted(order[held:].tolist()), sorted(order[:held].tolist())
    if part.intents:
        numbers = np.unique(part.intents, return_inverse=True)[1]
        some, others = stratified_split(numbers, share=settings.validation_size, seed=settings.seed)
        if len(others):
            learned, checked = some.tolist(), others.tolist()
    return taken(learned), taken(checked)


def _identity(settings: TaggerSettings, train: TaggedPart, validation: TaggedPart | None) -> str:
    """A fingerprint of everything that decides on the weights."""
    content: list[Any] = [settings.to_dict(), train.words, train.tags, train.intents]
    if validation is not None:
        content += [validation.words, validation.tags, validation.intents]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
