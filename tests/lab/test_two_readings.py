"""Both readings of a hidden Markov model and of a network: what is shown must add up to what is decided."""

import numpy as np
import pytest

from bothways import IntentParser, SequenceTagger
from bothways.data.teddy import place_of_name, teddy_sentences
from bothways.decoding.probabilities import softmax
from bothways.errors import SettingsError
from bothways.lab.two_readings import draw_two_readings, hmm_readings, network_readings
from bothways.training.hmm import fit_hmm
from bothways.training.tag_network import TorchTagger
from toy_tags import asked

SENTENCES, TAGS = teddy_sentences("train", rows=60)
SMALL = {"embedding_dim": 6, "hidden_size": 5, "spelling_size": 3, "spelling_dim": 4, "min_count": 1, "epochs": 1}


@pytest.fixture(scope="module", params=["crf", "softmax"])
def trained(request):
    return SequenceTagger(**SMALL, decoder=request.param, precision="float32").fit(SENTENCES, TAGS).trained_


def test_what_a_network_reads_from_both_sides_adds_up_to_its_scores(trained):
    for words in SENTENCES[:3]:
        found = network_readings(trained, words)
        batch = trained.lexicon.batch([words])
        scores = TorchTagger(trained.model, trained.labels, trained.scheme, trained.lexicon).run(batch)[0]
        np.testing.assert_allclose(found.from_left + found.from_right, scores, atol=1e-5)


def test_a_network_with_intents_has_two_readings_too():
    words, tags, intents = asked(20)
    trained = IntentParser(**SMALL, precision="float32").fit(words, tags, intents).trained_
    found = network_readings(trained, words[0])
    scores, _ = trained.runner().run_both(trained.lexicon.batch(words[:1]))
    np.testing.assert_allclose(found.from_left + found.from_right, scores[0], atol=1e-5)


def test_what_comes_from_the_left_is_blind_to_the_right(trained):
    words = SENTENCES[0]
    other = [*words[:3], "never", "seen"]
    one, changed = network_readings(trained, words), network_readings(trained, other)
    np.testing.assert_allclose(one.from_left[:3], changed.from_left[:3], atol=1e-6)
    assert np.abs(one.from_right[:3] - changed.from_right[:3]).max() > 1e-5
    model = fit_hmm(SENTENCES, TAGS, order=1)
    here, there = hmm_readings(model, words), hmm_readings(model, other)
    np.testing.assert_allclose(here.from_left[:3], there.from_left[:3])


def test_what_a_hidden_markov_model_reads_from_both_sides_adds_up_to_its_chances():
    model = fit_hmm(SENTENCES, TAGS, order=1)
    for words in SENTENCES[:3]:
        found = hmm_readings(model, words)
        np.testing.assert_allclose(softmax(found.from_left + found.from_right), found.together, atol=1e-9)


def test_the_picture_shows_what_each_knows_from_the_left_from_the_right_and_together(trained, tmp_path, drawn):
    words = next(words for words in SENTENCES if place_of_name(words) > 1)
    both = hmm_readings(fit_hmm(SENTENCES, TAGS, order=1), words), network_readings(trained, words)
    draw_two_readings(*both, tmp_path / "readings.png")
    shown = [axes.images[0].get_array() for axes in drawn[-1].axes if axes.images]
    for chances in shown:
        np.testing.assert_allclose(np.asarray(chances).sum(axis=0), 1, atol=1e-6)
    for found, part in zip(both, (shown[:3], shown[3:]), strict=True):
        expected = softmax(found.from_left), softmax(found.from_right), found.together
        for chances, wanted in zip(part, expected, strict=True):
            np.testing.assert_allclose(chances, wanted.T, atol=1e-9)


def test_what_has_no_two_readings_is_refused():
    with pytest.raises(SettingsError, match="order is 2, but its readings are shown for 1"):
        hmm_readings(fit_hmm(SENTENCES, TAGS), SENTENCES[0])
    forward = SequenceTagger(**SMALL, bidirectional=False).fit(SENTENCES, TAGS).trained_
    with pytest.raises(SettingsError, match="does not read both ways"):
        network_readings(forward, SENTENCES[0])
