"""The language model whose states join the word vectors of a tagger."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bothways.data.lexicon import LanguageWords
from bothways.errors import SettingsError
from bothways.models.tagger import LanguageShape
from bothways.settings import WORD_UNITS
from bothways.training.pretrained import read_reader

if TYPE_CHECKING:
    from torch import Tensor

    from bothways.models.tagger import Tagger
    from bothways.settings import TaggerSettings


@dataclass(frozen=True)
class TagLanguage:
    """A language model as a tagger reads it."""

    path: str
    shape: LanguageShape
    words: LanguageWords
    weights: dict[str, Tensor]  # of the vectors and the reader, by name

    @property
    def fingerprint(self) -> str:
        """What changes when a weight does."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.weights.items()):
            digest.update(name.encode())
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()

    def load_into(self, model: Tagger) -> None:
        """Put the weights where they belong."""
        assert model.language is not None
        model.language.load_state_dict(self.weights)


def read_language(settings: TaggerSettings) -> TagLanguage | None:
    """Read the folder that `settings.pretrained` names, if it names one.

    Raises:
        ModelFolderError: it is missing or damaged, or holds no language model.
        SettingsError: its tokens are no words, or it writes on a condition.
    """
    if settings.pretrained is None:
        return None
    trained, weights = read_reader(settings.pretrained)
    theirs, tokens = trained.settings, trained.tokens
    if theirs.unit not in WORD_UNITS:
        raise SettingsError(
            f"pretrained is {settings.pretrained}, which reads {theirs.unit}s, but a tagger tags words. Train one with "
            f"a unit of: {', '.join(WORD_UNITS)}."
        )
    if trained.condition is not None:
        raise SettingsError(
            f"pretrained is {settings.pretrained}, which reads texts on a condition. Train one without a condition."
        )
    shape = LanguageShape(
        theirs.cell_type, tokens.size, theirs.embedding_dim, theirs.hidden_size, theirs.num_layers, theirs.two_way
    )
    words = LanguageWords(tokens.tokenizer.vocabulary, theirs.lowercase, tokens.eos)
    return TagLanguage(str(settings.pretrained), shape, words, weights)
