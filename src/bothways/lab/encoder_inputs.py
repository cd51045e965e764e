"""What the recurrent reader inside a model is given of a text: its words, and a vector for each.

Shapes: T words, E width of what is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from bothways.errors import DataError
from bothways.training.tag_network import tensors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bothways.nn.reader import Recurrent
    from bothways.training.classification import TrainedClassifier
    from bothways.training.tagging import TrainedTagger


@dataclass(frozen=True)
class EncoderInput:
    """A text as a recurrent reader meets it, while nothing is trained; on the CPU."""

    encoder: Recurrent
    words: list[str]  # T
    spans: list[tuple[int, int]]  # where each stands in the text
    steps: Tensor  # float (T,E)
    cut: bool = False  # whether the text goes on: the model reads no more of it than this


def input_of_text(trained: TrainedClassifier, text: str) -> EncoderInput:
    """Give what a classifier's reader is given of a text, cut to the model's `max_length`.

    Raises:
        DataError: no word in the text, or a classifier of numbers.
    """
    if trained.tokenizer is None:
        raise DataError("The model reads numbers, and only texts are explained. Give a model of texts.")
    most = trained.settings.max_length
    every = trained.tokenizer.spans(text)
    spans = every[:most]
    ids = trained.tokenizer.encode([text], most)[0].astype(np.int64)
    if not len(ids):
        raise DataError("The text holds no word to explain. Give at least one.")
    model = trained.model.cpu().eval()
    with torch.no_grad():
        steps = model.steps(torch.from_numpy(ids)[None])[0]
    words = [text[start:end] for start, end in spans]
    return EncoderInput(model.encoder, words, spans, steps, cut=len(every) > most)


def input_of_words(
    trained: TrainedTagger, words: Sequence[str], spans: Sequence[tuple[int, int]] | None = None
) -> EncoderInput:
    """Give what a tagger's reader is given of a sentence; without spans one space stands between the words.

    Raises:
        DataError: no word, or a hidden Markov model.
    """
    if trained.model is None:
        raise DataError(
            "A hidden Markov model has no network to explain it by; its tables can be read. Give a network's folder."
        )
    if not words:
        raise DataError("The sentence holds no word to explain. Give at least one.")
    model = trained.model.cpu().eval()
    batch = tensors(trained.lexicon.batch([list(words)]), model.output.weight.device)
    with torch.no_grad():
        steps = model.vectors(*batch)[0, : len(words)]
    return EncoderInput(model.encoder, list(words), list(spans or _spans(words)), steps)


def _spans(words: Sequence[str]) -> list[tuple[int, int]]:
    """Where words stand when one space stands between them."""
    spans, place = [], 0
    for word in words:
        spans.append((place, place + len(word)))
        place += len(word) + 1
    return spans
