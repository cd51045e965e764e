"""Training a language model: what is carried, what is scored, and that a kill changes nothing."""

import math
import random
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bothways.data.batches import InMemory
from bothways.data.windows import Cut
from bothways.decoding.cache import Memory
from bothways.errors import DataError, SettingsError
from bothways.models.language_model import LanguageNetwork
from bothways.settings import LanguageSettings
from bothways.training import corpora
from bothways.training.cooccurrence import cooccurrence_vectors
from bothways.training.corpora import Corpus, ListedTexts, in_order, prepare_corpus
from bothways.training.kneser_ney import KneserNey
from bothways.training.language import (
    TorchLanguageModel,
    TrainedLanguageModel,
    token_losses,
    train_language_model,
)
from bothways.training.language_evaluation import evaluate_language_model
from bothways.training.language_from_files import train_language_model_from_file
from bothways.training.language_scores import score_losses
from bothways.training.saving_language import load_language_model, save_language_model
from stopping import StopAt, count_in_a_process, kill_and_resume, one_thread
from toys import LANGUAGE, toy_sentences, toy_stream

SENTENCES = toy_sentences(40)
LINES = toy_stream(40).splitlines(keepends=True)


def settings(**changed):
    return LanguageSettings(**{**LANGUAGE, "device": "cpu", **changed})


def prepare(folder, *, whole, **changed):
    texts = ListedTexts(LINES if whole else SENTENCES, whole=whole)
    return prepare_corpus(texts, None, settings(**changed), folder)


def network(vocabulary, **changed):
    torch.manual_seed(0)
    return LanguageNetwork(settings(**changed), vocabulary=vocabulary).eval()


# What training starts from

BARELY = {"epochs": 1, "lr": 1e-12, "warmup": 0.0, "weight_decay": 0.0}  # the weights are those that it started from


@pytest.mark.parametrize("whole", [True, False])
def test_vectors_start_from_the_company_of_words(tmp_path, whole):
    prepared = prepare(tmp_path, whole=whole)
    found = train_language_model(prepared, settings(**BARELY)).model.embedding.weight.detach().numpy()
    sequences = InMemory(list(in_order(prepared.train.sequences)))
    expected = cooccurrence_vectors(sequences, vocabulary=prepared.tokens.size, dim=6, seed=0)
    np.testing.assert_allclose(found[2:], expected[2:], atol=1e-6)
    np.testing.assert_allclose(found[0], 0, atol=1e-6)  # padding
    assert np.abs(found[1]).max() > 0.01  # the unknown token, which is predicted as well


@pytest.mark.parametrize("changed", [{"initial_vectors": "random"}, {"unit": "character"}])
def test_vectors_start_from_random_numbers(tmp_path, changed):
    prepared = prepare(tmp_path, whole=False, **changed)
    found = train_language_model(prepared, settings(**BARELY, **changed)).model.embedding.weight
    fresh = network(prepared.tokens.size, **changed).embedding.weight
    torch.testing.assert_close(found, fresh, rtol=0, atol=1e-6)


# Scores


@pytest.mark.parametrize("whole", [True, False])
def test_validation_scores_are_the_losses_of_each_text_read_alone(tmp_path, whole):
    """Documents one by one; of a stream each lane."""
    prepared = prepare(tmp_path, whole=whole)
    model = network(prepared.tokens.size)
    sequences = prepared.train.side_by_side(3)
    expected = []
    for row in range(len(sequences.lengths)):
        (ids,) = sequences.take([row])
        losses, _ = model.losses(torch.tensor(ids[None].astype(np.int64)), torch.tensor([len(ids)]))
        expected += losses.tolist()
    found = token_losses(model, prepared.train, settings(), lanes=3)
    np.testing.assert_allclose(np.sort(found), np.sort(expected), rtol=1e-4, atol=1e-5)


def test_scoring_leaves_a_network_in_training_as_it_was(tmp_path):
    prepared = prepare(tmp_path, whole=True)
    model = network(prepared.tokens.size, dropout=0.5).train()
    first, second = (token_losses(model, prepared.train, settings()) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert model.training


def test_a_short_stream_is_scored_alike_while_training_and_from_the_folder(tmp_path):
    """Every lane begins without a state: cut into sixteen, a short text would be hard to predict."""
    train, held = tmp_path / "train.txt", tmp_path / "held.txt"
    train.write_text(toy_stream(40), encoding="utf-8")
    held.write_text("".join(LINES[:10]), encoding="utf-8")
    trained = train_language_model_from_file(
        train, tmp_path / "model", settings(unit="character", epochs=8, lr=0.05), validation=held
    )
    found = evaluate_language_model(tmp_path / "model", held)
    assert trained.scores["nats"] == pytest.approx(found.scores.nats, abs=1e-4)


# A cache


def test_a_cache_is_scored_alike_while_training_and_from_the_folder(tmp_path):
    """Validation there, evaluation here: the same text, the same numbers; and it was worth having."""
    verse = "to be or not to be that is the question whether it is nobler in the mind to suffer \n" * 12
    train, held = tmp_path / "train.txt", tmp_path / "held.txt"
    train.write_text(toy_stream(40) + verse[:100], encoding="utf-8")
    held.write_text(verse, encoding="utf-8")
    trained = train_language_model_from_file(
        train, tmp_path / "model", settings(cache=60, epochs=1, min_count=1), validation=held
    )
    assert trained.cache is not None
    assert trained.cache_scores["perplexity"] < trained.scores["perplexity"]
    loaded = load_language_model(tmp_path / "model")
    assert loaded.cache == trained.cache
    assert loaded.cache_scores["nats"] == trained.cache_scores["nats"]
    found = evaluate_language_model(tmp_path / "model", held)
    assert found.cache.nats == pytest.approx(trained.cache_scores["nats"], abs=1e-4)


def test_a_cache_needs_texts_to_be_chosen_on(tmp_path):
    with pytest.raises(SettingsError, match="cache is 60, but its share is chosen on validation texts"):
        prepare(tmp_path, whole=True, cache=60, validation_size=0)


def test_documents_have_a_cache_each(tmp_path, monkeypatch):
    """A document is as likely among others as alone."""
    prepared = prepare(tmp_path, whole=False)
    model = network(prepared.tokens.size)
    runner = TorchLanguageModel(TrainedLanguageModel(model, settings(), prepared.tokens))
    sequences = list(in_order(prepared.train.sequences))[:5]
    made, most = [], []

    class Watched(Memory):
        def __init__(self, *given):
            super().__init__(*given)
            made.append(weakref.ref(self))
            most.append(sum(one() is not None for one in made))

    monkeypatch.setattr("bothways.decoding.language.SIDE_BY_SIDE", 2)
    monkeypatch.setattr("bothways.decoding.language.Memory", Watched)
    _, said = runner.losses_with_memory(sequences, size=4, sharpness=[1.0])
    assert len(made) == len(sequences)
    assert max(most) <= 2  # what was read to its end is let go
    for ids, among in zip(sequences, said, strict=True):
        _, (alone,) = runner.losses_with_memory([ids], size=4, sharpness=[1.0])
        np.testing.assert_allclose(np.exp(among), np.exp(alone), rtol=1e-4)


def corpus_of(predictions, characters=100):
    return Corpus(InMemory([np.ones(predictions + 1, dtype=np.int32)]), characters, 3, None)


def test_scores_by_hand():
    losses = np.array([0.5, 1.5, 2.5, 3.5], dtype=np.float32)
    scores = score_losses(losses, corpus_of(4, characters=10), seed=0)
    assert scores.nats == 2
    assert scores.perplexity == pytest.approx(math.exp(2))
    assert scores.bits_per_character == pytest.approx(8 / math.log(2) / 10)
    assert (scores.tokens, scores.characters, scores.unknown) == (4, 10, 3)


def test_the_interval_is_as_wide_as_the_losses_are_uncertain():
    """Of independent losses: 1.96 standard errors on both sides, in nats; also of few tokens."""
    for count in (60, 900, 80_000):
        losses = np.random.default_rng(0).gamma(2.0, size=count)
        scores = score_losses(losses, corpus_of(count), seed=0)
        low, high = np.log(scores.interval)
        assert low < scores.nats < high
        expected = 2 * 1.96 * losses.std() / math.sqrt(count)
        assert high - low == pytest.approx(expected, rel=0.45)


def test_the_two_ways_of_a_model_share_the_bits_of_a_text():
    losses = np.array([1.0, 1, 1, 1], dtype=np.float32)
    one_way = score_losses(losses, corpus_of(4), seed=0)
    both_ways = score_losses(np.concatenate([losses, losses]), corpus_of(4), seed=0)
    assert both_ways.bits_per_character == one_way.bits_per_character
    assert both_ways.tokens == 4


@pytest.mark.parametrize("whole", [True, False])
def test_the_baselines_are_those_of_counting(tmp_path, whole):
    """The bigrams that open a text are what followed its start, and the start itself was never predicted there."""
    prepared = prepare(tmp_path, whole=whole, validation_size=0.2)
    trained = train_language_model(prepared, settings(epochs=1))
    counts = np.zeros(prepared.tokens.size)
    for ids in in_order(prepared.train.sequences):
        np.add.at(counts, ids[1:], 1)
    shares = (counts + 1) / (counts.sum() + prepared.tokens.size - 1)
    held = np.concatenate([ids[1:] for ids in in_order(prepared.validation.sequences)])
    assert trained.baseline_scores["unigram"]["nats"] == pytest.approx(-np.log(shares[held]).mean())
    start = np.array([prepared.tokens.start])
    opening = np.exp(trained.baseline.log_probabilities(start, history=start))[0]
    assert opening < 0.05
    the = np.array(prepared.tokens.tokenizer.encode(["The"])[0])
    if not whole:
        assert np.exp(trained.baseline.log_probabilities(the, history=start))[0] > 0.9


def test_a_part_that_was_counted_is_said(tmp_path, monkeypatch):
    counted_all = train_language_model(prepare(tmp_path, whole=True, validation_size=0.2), settings(epochs=1))
    assert not any("baseline counted" in note for note in counted_all.notes)
    monkeypatch.setitem(KneserNey.fit.__func__.__kwdefaults__, "most_steps", 50)
    trained = train_language_model(prepare(tmp_path, whole=True, validation_size=0.2), settings(epochs=1))
    tokens = trained.facts["tokens"]
    note = f"The 5-gram baseline counted {trained.baseline.steps:,} of {tokens:,} tokens, from everywhere."
    assert trained.baseline.steps <= 50 < tokens
    assert note in trained.notes
    save_language_model(trained, tmp_path / "model")
    (tmp_path / "test.txt").write_text(toy_stream(9), encoding="utf-8")
    assert note in evaluate_language_model(tmp_path / "model", tmp_path / "test.txt").notes


# Training


def test_a_training_that_diverges_is_refused_with_what_to_do(tmp_path):
    far = settings(epochs=3, lr=1e8, weight_decay=1)
    for whole in (True, False):
        with pytest.raises(DataError, match=r"^The training diverged in epoch 1: .* Try a lower lr\.$"):
            train_language_model(prepare(tmp_path, whole=whole, validation_size=0.2), far)


def test_it_learns_what_an_animal_does(tmp_path):
    """The verb follows three words after its animal, so that the network has to remember."""
    small = {"embedding_dim": 12, "hidden_size": 16, "num_layers": 1, "dropout": 0.0, "embedding_dropout": 0.0}
    chosen = settings(**small, lr=0.05, epochs=16, patience=16)
    prepared = prepare_corpus(ListedTexts(toy_sentences(200)), None, chosen, tmp_path)
    trained = train_language_model(prepared, chosen)
    runner = TorchLanguageModel(trained)
    for animal, verb in (("cat", "sleeps"), ("dog", "barks"), ("bird", "sings"), ("fish", "swims")):
        assert runner.generate(f"The {animal} then here,", temperature=0) == [f"The {animal} then here, {verb}."]
    history = [row["loss"] for row in trained.history]
    assert min(history) == trained.history[trained.best_epoch - 1]["loss"] < 0.6 * history[0]
    assert trained.history[0]["perplexity"] == pytest.approx(math.exp(history[0]))


def test_training_goes_on_from_the_states_of_the_window_before(tmp_path):
    """With a learning rate of next to nothing the training loss of one epoch is that of one long read of each lane."""
    barely = {"lr": 1e-12, "epochs": 1, "dropout": 0.0, "embedding_dropout": 0.0}
    changed = {**barely, "initial_vectors": "random"}  # among words that are all alike, states would say little
    prepared = prepare(tmp_path, whole=True, validation_size=0, **changed)
    trained = train_language_model(prepared, settings(**changed))
    lanes = prepared.train.side_by_side(4)
    losses = np.concatenate(TorchLanguageModel(trained).losses(lanes.take(range(4))))
    assert trained.history[0]["train_loss"] == pytest.approx(float(losses.mean()), rel=1e-5)
    pieces = Cut(lanes, 16)
    forgetful = np.concatenate(TorchLanguageModel(trained).losses(pieces.take(np.arange(len(pieces.lengths)))))
    assert abs(float(forgetful.mean()) / float(losses.mean()) - 1) > 1e-4  # or states would make no difference


@pytest.mark.parametrize(
    "changed", [{}, {"negatives": 7}, {"two_way": True}, {"averaging": 0.9, "tied": False}], ids=str
)
def test_the_same_seed_gives_the_same_weights_and_another_gives_others(tmp_path, changed):
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(found))
        prepared = prepare(tmp_path, whole=True, **changed)
        found.append(train_language_model(prepared, settings(seed=seed, epochs=1, **changed)).model.state_dict())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert not all(torch.equal(found[0][name], found[2][name]) for name in found[0])


# Killed = never killed


CARRYING = {"averaging": 0.9, "negatives": 7, "dropout": 0.3, "embedding_dropout": 0.2, "validation_size": 0.2}


def train_in(folder, *, whole, listener=None):
    folder.mkdir(exist_ok=True)
    chosen = {**CARRYING, "window": 16 if whole else 6}  # shorter than a document, too
    prepared = prepare(folder, whole=whole, **chosen)
    return train_language_model(
        prepared, settings(**chosen), folder=folder, resume=True, listener=listener, checkpoint_steps=2
    )


def test_what_goes_on_does_not_make_the_vectors_again_that_it_began_with(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(corpora, "cooccurrence_vectors", lambda *_, **__: made.append(1))
    assert train_in(tmp_path, whole=True, listener=StopAt(1)).interrupted
    assert not train_in(tmp_path, whole=True).interrupted
    assert made == [1]


def kill_twice(place):
    """Kill a training of each kind twice, at random windows, resume it, and give how many were killed."""
    torch.set_num_threads(1)
    train_in(Path(place) / "first", whole=True)  # imports and compiles here once, not in each child
    chance = random.Random(0)
    return sum(
        kill_and_resume(
            lambda listener, whole=whole: train_in(Path(place) / str(whole), whole=whole, listener=listener),
            (chance.randint(1, 5), chance.randint(1, 4)),  # of nine at least; every second one is written
        )
        for whole in (True, False)
    )


def test_a_training_killed_at_any_window_ends_in_the_same_weights(tmp_path):
    """With states carried from window to window, averaged weights and a sampled softmax."""
    assert count_in_a_process(__file__, f"kill_twice({str(tmp_path)!r})") == 4
    for whole in (True, False):
        with one_thread():
            expected = train_in(tmp_path / f"never-{whole}", whole=whole)
        assert not expected.interrupted
        tensors = load_file(tmp_path / str(whole) / "seed-0.safetensors")
        for name, weight in expected.model.state_dict().items():
            torch.testing.assert_close(tensors[f"best/{name}"], weight, rtol=0, atol=0)
        assert any(name.startswith("carried/") for name in tensors)
