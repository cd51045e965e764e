"""What each word adds to a prediction, split into what was read forwards and what was read backwards.

Integrated gradients (Sundararajan, Taly and Yan, 2017): on the straight way from nothing, the vector of every
word zero, to the text as it is, the gradients of the score are added up; what a word's vector gains by
them is the word's contribution. All together are what the score gains. The score is the log odds of an answer, that is
log p - log(1 - p), of the calibrated probability that `predict` gives.

A network that reads both ways is given each text twice, once for the reader from the left and once for that from the
right: each has contributions of its own. Where layers stand on both readers, the split is that of the lowest layer.

Shapes: B points of the way, T words, E width of what is read, H hidden width.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from bothways.data.batches import rounded_up
from bothways.errors import DataError, nearest
from bothways.lab.encoder_inputs import input_of_text, input_of_words
from bothways.models.tagger import IntentTagger
from bothways.nn.chain import Chain, log_partition
from bothways.nn.reader import Reading, State
from bothways.training.labels import names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bothways.lab.encoder_inputs import EncoderInput
    from bothways.models.tagger import Tagger
    from bothways.training.classification import TrainedClassifier
    from bothways.training.tagging import TrainedTagger

    Score = Callable[[Reading], Tensor]  # the log odds at each point of the way, (B,)

POINTS, MOST_POINTS = 64, 1_024
TOLERANCE = 0.01  # of what the score gains: with more left over, the way is walked in smaller steps
_AT_ONCE = 64  # points in one batch, at most
_NUMBERS_AT_ONCE = 2**22  # in an array of paths through each tag of a chain, (B*K,T,K)


@dataclass(frozen=True)
class Explanation:
    """Why an answer: the contributions of words to its log odds."""

    label: str
    probability: float
    words: list[str]  # T
    spans: list[tuple[int, int]]  # where each stands in the text
    forward: NDArray[np.float64]  # (T,), of what was read from the left; zero where nothing is
    backward: NDArray[np.float64]  # (T,), from the right
    score: float  # log odds
    empty: float  # log odds where the vector of every word is zero

    @property
    def contributions(self) -> NDArray[np.float64]:
        """What each word adds, (T,)."""
        return self.forward + self.backward

    @property
    def remainder(self) -> float:
        """What the sum of contributions leaves of what the score gains: the error of adding up."""
        return self.score - self.empty - float(self.contributions.sum())


def explain_text(trained: TrainedClassifier, text: str, *, label: str | None = None) -> Explanation:
    """Explain a classifier's answer for a text, or why not another one.

    Args:
        trained: a classifier of texts.
        text: what was asked.
        label: the answer to explain; None: the likeliest.

    Raises:
        DataError: no word in the text, no such label, or a classifier of numbers.
    """
    given = input_of_text(trained, text)
    model, read, labels = trained.model, given.steps, names_of(trained.classes)
    lengths = torch.tensor([len(read)])

    def logits(reading: Reading) -> Tensor:
        many = lengths.expand(len(reading.outputs))
        return model.output(model.pooling(reading, many)) / trained.temperature  # type: ignore[no-any-return]

    with torch.no_grad():
        best = labels[int(logits(model.encoder(read[None], lengths))[0].argmax())]
    place = _place(label or best, labels, "label")
    found = _walk(model.encoder, read, lambda reading: _log_odds(logits(reading), place))
    return _explained(labels[place], given, found)


def explain_word(
    trained: TrainedTagger,
    words: Sequence[str],
    place: int,
    *,
    tag: str | None = None,
    spans: Sequence[tuple[int, int]] | None = None,
) -> Explanation:
    """Explain a tagger's answer for one word of a sentence, by all words; the CRF's probability, if it has one.

    Args:
        trained: a network, not a hidden Markov model.
        words: the sentence.
        place: of the word to explain, from 0.
        tag: the answer to explain; None: the likeliest.
        spans: where the words stand in their text; None: one space between them.

    Raises:
        DataError: no such word, no such tag, one that cannot stand there, or a hidden Markov model.
    """
    given = input_of_words(trained, words, spans)
    model, read = _network(trained), given.steps
    if not 0 <= place < len(words):
        raise DataError(f"word is {place + 1}, but the sentence has {len(words)}. Give a number from 1 to that.")
    chain = model.chain()
    if chain is not None:
        chain = Chain(*(part.detach() for part in chain))

    def scores(reading: Reading) -> Tensor:
        emissions = model.output(reading.outputs)[:, : len(words)]
        if chain is None:
            return emissions[:, place]  # type: ignore[no-any-return]
        return _scores_at(emissions, chain, place)

    lengths = torch.tensor([len(words)])
    with torch.no_grad():
        every = scores(model.encoder(read[None], lengths))[0]
    number = _place(tag or trained.labels[int(every.argmax())], trained.labels, "tag")
    if every[number].isneginf():
        raise DataError(
            f"tag is {trained.labels[number]!r}, which the scheme does not allow at word {place + 1}: its probability "
            "is 0, whatever the words. Choose another tag."
        )
    numbers = 0 if chain is None else len(trained.labels) ** 2 * len(words)
    found = _walk(model.encoder, read, lambda reading: _log_odds(scores(reading), number), numbers)
    return _explained(trained.labels[number], given, found)


def explain_intent(
    trained: TrainedTagger,
    words: Sequence[str],
    *,
    intent: str | None = None,
    spans: Sequence[tuple[int, int]] | None = None,
) -> Explanation:
    """Explain what a sentence asks for, by its words.

    Args:
        trained: a network with intents.
        words: the sentence.
        intent: the answer to explain; None: the likeliest.
        spans: where the words stand in their text; None: one space between them.

    Raises:
        DataError: no such intent, or a model without intents.
    """
    given = input_of_words(trained, words, spans)
    model, read = _network(trained), given.steps
    if not isinstance(model, IntentTagger):
        raise DataError("The model knows no intents. Name a word, to explain its tag.")
    lengths = torch.tensor([len(words)])

    def logits(reading: Reading) -> Tensor:
        many = lengths.expand(len(reading.outputs))
        return model.intent(model.pooling(reading, many))  # type: ignore[no-any-return]

    with torch.no_grad():
        best = trained.intents[int(logits(model.encoder(read[None], lengths))[0].argmax())]
    number = _place(intent or best, trained.intents, "intent")
    found = _walk(model.encoder, read, lambda reading: _log_odds(logits(reading), number))
    return _explained(trained.intents[number], given, found)


@dataclass(frozen=True)
class _Walked:
    """What the way from nothing to a text gave."""

    forward: Tensor  # (T,)
    backward: Tensor  # (T,)
    score: float
    empty: float


def _walk(encoder: Any, read: Tensor, score: Score, numbers: int = 0) -> _Walked:
    """Add up gradients on the way from zero to what is read, (T,E), in steps as small as needed.

    `numbers` is how many the score needs at each point: of many, fewer points are in one batch.
    """
    at_once = max(1, min(_AT_ONCE, _NUMBERS_AT_ONCE // max(1, numbers)))
    split = _Split(encoder)
    steps, length = read.shape[0], torch.tensor([read.shape[0]])
    # As long as in a batch, for kernels that are made once for each length.
    padded = torch.zeros(rounded_up(steps), read.shape[1])
    padded[:steps] = read
    with torch.no_grad():
        ends = [
            float(score(split(there[None], there[None], length))[0]) for there in (torch.zeros_like(padded), padded)
        ]
    count = POINTS
    while True:
        sums = torch.zeros(2, *padded.shape, dtype=torch.float64)
        shares = (torch.arange(count) + 0.5) / count
        for start in range(0, count, at_once):
            some = shares[start : start + at_once]
            left, right = ((some[:, None, None] * padded).requires_grad_() for _ in range(2))
            total = score(split(left, right, length.expand(len(some)))).sum()
            gradients = torch.autograd.grad(total, [left, right], allow_unused=True)
            for side, gradient in enumerate(gradients):
                if gradient is not None:
                    sums[side] += gradient.double().sum(dim=0)
        forward, backward = ((sums[side] / count * padded).sum(dim=1)[:steps] for side in range(2))
        gained = ends[1] - ends[0]
        left_over = abs(gained - float(forward.sum() + backward.sum()))
        if left_over <= TOLERANCE * max(abs(gained), 0.1) or count >= MOST_POINTS:
            return _Walked(forward, backward, ends[1], ends[0])
        count *= 2


class _Split:
    """A reader that is given two inputs, one for its reading from the left and one for that from the right."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self._lowest = self._rest = None
        if encoder.direction == "both" and encoder.stack == "joined" and encoder.num_layers > 1:
            self._lowest, self._rest = _cut(encoder)

    def __call__(self, left: Tensor, right: Tensor, lengths: Tensor) -> Reading:
        """Read (B,T,E) and (B,T,E)."""
        if self._encoder.direction != "both":
            reading: Reading = self._encoder(left if self._encoder.direction == "forward" else right, lengths)
            return reading
        reader = self._encoder if self._lowest is None else self._lowest
        from_left, from_right = reader(left, lengths), reader(right, lengths)
        state = State(from_left.final_state.forward, from_right.final_state.backward)
        joined: Reading = reader.merged(from_left.forward, from_right.backward, state)
        return joined if self._rest is None else self._rest(joined.outputs, lengths)


def _cut(encoder: Any) -> tuple[Any, Any]:
    """Cut joined layers into the lowest one and those above it, with the same weights."""
    names = inspect.signature(type(encoder).__init__).parameters
    chosen = {name: getattr(encoder, name) for name in names if hasattr(encoder, name)}
    lowest = type(encoder)(**{**chosen, "num_layers": 1, "merge": "concatenate"})
    above = {"input_size": 2 * encoder.hidden_size, "num_layers": encoder.num_layers - 1}
    rest = type(encoder)(**{**chosen, **above})
    weights = encoder.state_dict()
    lowest.load_state_dict({name: weight for name, weight in weights.items() if re.search(r"_l0(_|$)", name)})
    rest.load_state_dict(
        {
            re.sub(r"_l(\d+)", lambda found: f"_l{int(found[1]) - 1}", name): weight
            for name, weight in weights.items()
            if not re.search(r"_l0(_|$)", name)
        }
    )
    return lowest.eval(), rest.eval()


def _log_odds(scores: Tensor, place: int) -> Tensor:
    """Log p - log(1 - p) of one answer, from scores (B,K) whose softmax is p."""
    others = torch.cat([scores[:, :place], scores[:, place + 1 :]], dim=1)
    if not others.shape[1]:
        return scores[:, place]
    return scores[:, place] - others.logsumexp(dim=1)


def _scores_at(emissions: Tensor, chain: Chain, place: int) -> Tensor:
    """The log of the sum over all paths through each tag at one word, (B,K): their softmax is what the CRF says."""
    size, steps, labels = emissions.shape
    held = torch.full((labels, steps, labels), 0.0)
    held[:, place] = torch.full((labels, labels), -torch.inf).fill_diagonal_(0.0)
    each = (emissions[:, None] + held).reshape(size * labels, steps, labels)
    return log_partition(each, chain, torch.full((size * labels,), steps)).reshape(size, labels)


def _network(trained: TrainedTagger) -> Tagger:
    assert trained.model is not None  # what was read came from it
    return trained.model


def _explained(label: str, given: EncoderInput, found: _Walked) -> Explanation:
    probability = float(1 / (1 + np.exp(-found.score)))
    forward, backward = found.forward.numpy(), found.backward.numpy()
    return Explanation(label, probability, given.words, given.spans, forward, backward, found.score, found.empty)


def _place(name: str, names: list[str], kind: str) -> int:
    if name not in names:
        shown = ", ".join(map(repr, names[:20])) + (", ..." if len(names) > 20 else "")
        raise DataError(f"{kind} is {name!r}, but the model knows: {shown}.{nearest(name, names)}")
    return names.index(name)
