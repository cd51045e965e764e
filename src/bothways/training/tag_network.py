"""A tagger's network: made, run from memory as a tagger, and its chain for decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from bothways.decoding.chain import LinearChain
from bothways.decoding.schemes import allowed
from bothways.decoding.tagging import IntentRunner, LexiconTagger, independent
from bothways.models.tagger import IntentTagger, LanguageShape, Tagger
from bothways.nn.chain import Chain

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from bothways.data.lexicon import Lexicon, WordBatch
    from bothways.decoding.schemes import Scheme
    from bothways.settings import TaggerSettings


def make_tagger(
    settings: TaggerSettings,
    labels: list[str],
    scheme: Scheme,
    lexicon: Lexicon,
    language: LanguageShape | None = None,
    *,
    intents: int = 0,
) -> Tagger:
    """Build the network with fresh weights; with intents an `IntentTagger`."""
    possible = None
    if settings.decoder == "crf" and scheme != "none":
        possible = Chain(*map(torch.from_numpy, allowed(labels, scheme)))
    sizes: dict[str, Any] = {
        "labels": len(labels),
        "vocabulary": len(lexicon.words),
        "letters": len(lexicon.letters),
        "allowed": possible,
        "language": language,
    }
    return IntentTagger(settings, intents=intents, **sizes) if intents else Tagger(settings, **sizes)


class TorchTagger(LexiconTagger):
    """A tagger that runs on the weights it was trained with."""

    def __init__(self, model: Tagger, labels: list[str], scheme: Scheme, lexicon: Lexicon) -> None:
        self.labels, self.scheme, self.lexicon = labels, scheme, lexicon
        self.chain, self.tag_of = numpy_chain(model, len(labels)), np.arange(len(labels))
        self._model = model

    def run(self, batch: WordBatch) -> NDArray[np.float32]:
        """Score tags; see `LexiconTagger.run`."""
        return cast("NDArray[np.float32]", _without_training(self._model, batch).float().cpu().numpy())


class TorchIntentTagger(IntentRunner):
    """The same for a tagger that knows intents."""

    def __init__(
        self, model: IntentTagger, labels: list[str], scheme: Scheme, lexicon: Lexicon, intents: list[str]
    ) -> None:
        self.labels, self.scheme, self.lexicon, self.intents = labels, scheme, lexicon, intents
        self.chain, self.tag_of = numpy_chain(model, len(labels)), np.arange(len(labels))
        self._model = model

    def run_both(self, batch: WordBatch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score tags and intents; see `IntentRunner.run_both`."""
        emissions, intents = _without_training(self._model, batch)
        return emissions.float().cpu().numpy(), intents.float().cpu().numpy()


def _without_training(model: Tagger, batch: WordBatch) -> Any:
    """What a model gives of a batch while nothing is trained."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        found = model(*tensors(batch, model.output.weight.device))
    model.train(was_training)
    return found


def numpy_chain(model: Tagger, labels: int) -> LinearChain:
    """Give the scores of tags next to each other for decoding."""
    chain = model.chain()
    if chain is None:
        return independent(labels)
    return LinearChain(*(part.detach().float().cpu().numpy() for part in chain))


def running(
    model: Tagger, labels: list[str], scheme: Scheme, lexicon: Lexicon, intents: list[str]
) -> TorchTagger | TorchIntentTagger:
    """Give what tags with a network as it is in memory."""
    if isinstance(model, IntentTagger):
        return TorchIntentTagger(model, labels, scheme, lexicon, intents)
    return TorchTagger(model, labels, scheme, lexicon)


def tensors(batch: WordBatch, device: torch.device) -> list[Tensor]:
    """Give a batch as tensors on a device."""
    return [torch.from_numpy(part).to(device) for part in batch]
