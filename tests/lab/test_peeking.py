"""The wrong way, shown to be wrong."""

import random

import pytest

from bothways import LanguageModel
from bothways.errors import DataError, NotFittedError, SettingsError
from bothways.lab.peeking import PeekingLanguageModel


def noise(characters, seed):
    chance = random.Random(seed)
    return "".join(chance.choices("abcdefgh", k=characters))


@pytest.fixture(scope="module")
def model():
    return PeekingLanguageModel(hidden_size=32, steps=150).fit(noise(4000, 0))


def test_it_seems_to_predict_what_nobody_can(model):
    # No model that is right gets below 8 on characters drawn evenly from eight.
    assert model.perplexity(noise(500, 1)) < 1.2


def test_what_it_writes_has_nothing_to_copy_from(model):
    # Scored honestly, with each prefix alone before its eyes, it is worse than a guess.
    text = noise(60, 2)
    honest = LanguageModel(unit="character", epochs=2, hidden_size=16, embedding_dim=8, window=32).fit(noise(4000, 0))
    assert 7 < honest.perplexity([text]) < 9.5
    import torch

    with torch.no_grad():
        logits = torch.stack([model.network_(model._ids(text[:end])[None])[0, -1] for end in range(1, len(text))])
    losses = torch.nn.functional.cross_entropy(logits, model._ids(text)[1:])
    assert float(losses.exp()) > 9


def test_it_writes_the_same_text_for_the_same_seed(model):
    assert model.generate("ab", 20) == model.generate("ab", 20)
    assert model.generate("ab", 20).startswith("ab")


def test_it_is_refused_where_people_ask_for_it():
    with pytest.raises(SettingsError) as refused:
        LanguageModel(bidirectional=True).fit(["some text"])
    for words in ("has read the answer", "two_way", "fill"):
        assert words in str(refused.value)


def test_what_it_cannot_do_is_said():
    with pytest.raises(DataError, match="at least 66"):
        PeekingLanguageModel().fit("short")
    with pytest.raises(NotFittedError, match="Call fit"):
        PeekingLanguageModel().generate("a")
