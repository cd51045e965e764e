"""What each of two readings says of a word: the forward-backward algorithm beside a bidirectional network.

Both join, at every word, what came before with what comes after. The hidden Markov model joins probabilities: of all
beginnings that end in a tag, and of all ends that begin behind it. A tagger's last layer is linear, so its score of a
tag is a sum of what the forward reader's state says, what the backward reader's state says, and a bias.

Shapes: T words, K tags, H width of one direction's state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from bothways.decoding.probabilities import softmax
from bothways.errors import SettingsError
from bothways.training.pictures import draw_heat_maps
from bothways.training.tag_network import tensors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bothways.decoding.hmm import HiddenMarkovModel
    from bothways.training.tagging import TrainedTagger

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TwoReadings:
    """A sentence as two readers see it."""

    words: list[str]
    labels: list[str]
    from_left: Floats  # (T,K), scores: logarithms up to a number for each word
    from_right: Floats  # (T,K), likewise; their sum scores the tags by both
    together: Floats  # (T,K), the probability of each tag by all that the model knows


def hmm_readings(model: HiddenMarkovModel, words: Sequence[str]) -> TwoReadings:
    """Read a sentence as a hidden Markov model of order 1 does.

    Raises:
        SettingsError: the model's order is 2: its readings are of pairs of tags.
    """
    if model.order != 1:
        raise SettingsError(f"The model's order is {model.order}, but its readings are shown for 1. Fit with order=1.")
    before, behind = model.chain.from_both_sides(model.emissions(words))
    (together,) = model.marginals([words])
    return TwoReadings(list(words), model.labels, before, behind, together)


def network_readings(trained: TrainedTagger, words: Sequence[str]) -> TwoReadings:
    """Read a sentence as a tagger that reads both ways does; the bias of its last layer counts for the left.

    Raises:
        SettingsError: a tagger that reads one way, or a hidden Markov model.
    """
    model = trained.model
    if model is None or trained.settings.direction != "both":
        raise SettingsError("The tagger does not read both ways, so that there are no two readings to show.")
    batch = trained.lexicon.batch([words])
    model.eval()
    with torch.no_grad():
        reading = model.read(*tensors(batch, model.output.weight.device))
        assert reading.forward is not None
        assert reading.backward is not None
        left, right = torch.split(model.output.weight, reading.forward.shape[-1], dim=1)
        from_left = reading.forward[0] @ left.T + model.output.bias
        from_right = reading.backward[0] @ right.T
    (together,) = trained.runner().predict_marginals([words])
    left_scores, right_scores = (part.double().cpu().numpy() for part in (from_left, from_right))
    return TwoReadings(list(words), trained.labels, left_scores, right_scores, together)


def draw_two_readings(hmm: TwoReadings, network: TwoReadings, path: Path) -> None:
    """Draw both, one above the other: the probability of each tag from the left, from the right, and together.

    What to see: where the left says both tags are possible and the right says which, both ways are needed.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    maps = []
    for name, found in (("hidden Markov model", hmm), ("network", network)):
        for side, shares in (
            ("from the left", softmax(found.from_left)),
            ("from the right", softmax(found.from_right)),
            ("together", found.together),
        ):
            maps.append((f"{name}: {side}", found.labels, found.words, shares.T))
    draw_heat_maps(maps, path, columns=3)
