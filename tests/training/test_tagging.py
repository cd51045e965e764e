"""Training a tagger: what it learns and what it cannot, the same weights after a kill, and pretrained vectors."""

import json
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from bothways.data.tagged_sentences import TaggedSentences
from bothways.data.vectors import read_vectors
from bothways.decoding.schemes import allowed
from bothways.decoding.tagging import independent
from bothways.errors import DataError, MissingFileError, ResumeError
from bothways.runtime import load
from bothways.settings import TaggerSettings
from bothways.training.saving_tagger import load_tagger, metrics, save_tagger, spread
from bothways.training.tag_baselines import verdict
from bothways.training.tag_network import TorchTagger, make_tagger, numpy_chain
from bothways.training.tag_preparation import prepare_tags
from bothways.training.tag_scores import score_tags
from bothways.training.tagging import train_tagger
from stopping import StopAt, count_in_a_process, kill_and_resume, one_thread
from toy_tags import TAGGER, names, told_by_ending, told_later


def settings(**changed):
    return TaggerSettings(**{**TAGGER, **changed})


def listed(tagged, name="toy"):
    words, tags = tagged
    return TaggedSentences(name, words, tags, [[row + 1] * len(some) for row, some in enumerate(words)])


def prepare(tagged, validation=None, **changed):
    return prepare_tags(listed(tagged), None if validation is None else listed(validation, "dev"), settings(**changed))


def fit(tagged, validation=None, **changed):
    return train_tagger(prepare(tagged, validation, **changed), settings(**changed))


def accuracy_at(predicted, tags, place):
    return np.mean([some[place] == other[place] for some, other in zip(predicted, tags, strict=True)])


# Learning


def test_what_only_a_later_word_tells_is_learned_by_both_ways_and_by_backward_not_by_forward():
    train, (words, tags) = told_later(120), told_later(60, seed=1)
    still = {
        "epochs": 12,
        "patience": 12,
        "dropout": 0.0,
        "embedding_dropout": 0.0,
        "spelling_size": 0,
        "hidden_size": 16,
        "lr": 0.05,
        "scheme": "bio",
    }
    reached = {}
    for name, way in {"both": {}, "backward": {"one_way": "backward"}, "forward": {"one_way": "forward"}}.items():
        trained = fit(train, bidirectional=name == "both", **still, **way)
        reached[name] = accuracy_at(trained.runner().predict(words), tags, 1)
    assert reached["both"] == reached["backward"] == 1.0
    assert reached["forward"] <= 0.6  # half are names, and nothing before the word tells


def test_what_only_the_ending_tells_is_learned_of_unknown_words_with_letters_and_not_without():
    train, (words, tags) = told_by_ending(150), told_by_ending(50, seed=1)
    accuracy = {}
    for size in (8, 0):
        trained = fit(train, epochs=6, spelling_size=size, min_count=2)
        found = score_tags(
            words, tags, trained.runner().predict(words), "none", known={word for some in train[0] for word in some}
        )
        assert found.unknown == found.words
        accuracy[size] = found.unknown_accuracy
    assert accuracy[8] > 0.95
    assert accuracy[0] < 0.6  # a third, and nothing tells


def test_the_hidden_markov_model_reads_endings_as_well():
    words, tags = told_by_ending(50, seed=1)
    trained = fit(told_by_ending(150), model="hmm")
    found = trained.runner().predict(words)
    assert (
        np.mean([one == other for pair in zip(found, tags, strict=True) for one, other in zip(*pair, strict=True)])
        > 0.95
    )
    assert trained.model is None
    assert trained.scores.accuracy > 0.95
    assert trained.baseline_scores.keys() == {"commonest"}


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_a_tagger_learns_names_and_says_so_beside_its_baselines(decoder):
    trained = fit(names(150), epochs=8, patience=8, hidden_size=16, lr=0.05, decoder=decoder)
    assert trained.scheme == "bio"
    assert trained.scores.f1 > 0.95
    assert trained.baseline_scores.keys() == {"commonest", "hmm"}
    assert trained.scores.f1 > trained.baseline_scores["commonest"]["f1"]
    kept = trained.history[trained.best_epoch - 1]
    assert kept["f1"] == max(row["f1"] for row in trained.history) == trained.scores.f1
    assert kept["accuracy"] == trained.scores.accuracy


@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_not_even_an_untrained_network_gives_what_the_scheme_forbids(scheme):
    labels = {"bio": ["B-A", "B-B", "I-A", "I-B", "O"], "bioes": ["B-A", "E-A", "I-A", "O", "S-A", "S-B"]}[scheme]
    lexicon, sentences = prepare(names(30)).lexicon, names(60, seed=1)[0]
    torch.manual_seed(0)
    model = make_tagger(settings(), labels, scheme, lexicon)
    with torch.no_grad():
        for weight in (model.embedding.weight, model.output.weight, model.crf.transitions):
            weight.normal_(std=5)
    transitions, start, end = allowed(labels, scheme)

    def faults(chain):
        runner = TorchTagger(model, labels, scheme, lexicon)
        runner.chain = chain or runner.chain
        found = [[labels.index(tag) for tag in tags] for tags in runner.predict(sentences)]
        assert len({tag for places in found for tag in places}) > 3
        pairs = [pair for places in found for pair in pairwise(places) if not transitions[pair]]
        return len(pairs) + sum(not start[places[0]] or not end[places[-1]] for places in found)

    assert faults(independent(len(labels))) > 60  # which each word by itself would give
    assert faults(None) == 0


# The loss


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_losses_are_means_over_words_of_what_each_sentence_has_alone(decoder):
    """With a learning rate of next to nothing: the training loss, and that on other sentences."""
    still = {"lr": 1e-12, "epochs": 1, "dropout": 0.0, "embedding_dropout": 0.0, "decoder": decoder, "scheme": "bio"}
    train, dev = names(30), names(20, seed=3)
    trained = fit(train, dev, **still)
    chain = numpy_chain(trained.model, len(trained.labels))
    for (sentences, tags), name in ((train, "train_loss"), (dev, "loss")):
        total = 0.0
        for words, some in zip(sentences, tags, strict=True):
            batch = trained.lexicon.batch([words])
            with torch.no_grad():
                scores = trained.model(*map(torch.from_numpy, batch))
            right = torch.tensor([trained.labels.index(tag) for tag in some])
            if decoder == "softmax":
                total += functional.cross_entropy(scores[0], right, reduction="sum").item()
            else:
                _, partition = chain.marginals(scores.numpy(), batch.lengths)
                total += partition[0] - chain.score(scores[0].numpy(), right.numpy())
        assert trained.history[0][name] == pytest.approx(total / sum(map(len, sentences)), rel=1e-4)


# Validation


def test_a_network_that_finds_nothing_yet_goes_on_while_its_loss_falls():
    """Without a single entity, F1 is 0 in each epoch; patience waits for the loss."""
    trained = fit(names(60), epochs=3, patience=1, lr=0.01)
    assert [row["f1"] for row in trained.history] == [0.0] * 3
    losses = [row["loss"] for row in trained.history]
    assert losses == sorted(losses, reverse=True)
    assert trained.best_epoch == 3


def test_sentences_are_held_out_once_and_by_the_seed():
    tagged = names(40)
    prepared, again, other = prepare(tagged), prepare(tagged), prepare(tagged, seed=1)
    both = [*prepared.train.words, *prepared.validation.words]
    assert sorted(map(tuple, both)) == sorted(map(tuple, tagged[0]))
    assert len(prepared.validation.words) == 8
    assert prepared.validation.words == again.validation.words != other.validation.words
    assert prepared.identity == again.identity != other.identity


def test_tags_that_only_validation_has_are_counted_wrong_and_said():
    dev = names(20, seed=1)
    dev = dev[0], [[tag.replace("LOC", "GPE") for tag in tags] for tags in dev[1]]
    trained = fit(names(60), dev, epochs=1)
    assert any(
        "Validation has tags that training never had, counted wrong: B-GPE, I-GPE." in note for note in trained.notes
    )
    assert trained.scores.by_name["GPE"].recall == 0
    assert trained.scores.by_name["GPE"].support > 0
    assert trained.history[0]["loss"] > 0  # over the sentences that have a probability
    with pytest.raises(DataError, match="so there is no loss to go by. Give other sentences, or set --monitor f1."):
        fit(names(60), ([["Li"]], [["B-GPE"]]), monitor="loss")
    assert "loss" not in fit(names(60), ([["Li"]], [["B-GPE"]]), epochs=1).history[0]


def test_validation_in_another_scheme_is_turned_into_that_of_training():
    trained = fit(names(60), ([["Ada", "Byron", "in", "York"]], [["B-PER", "E-PER", "O", "S-LOC"]]), epochs=1)
    assert trained.scores.by_name.keys() >= {"PER", "LOC"}
    assert any("the tags are BIOES and are read as BIO" in note for note in trained.notes)


@pytest.mark.parametrize(
    ("tagged", "validation", "changed", "message"),
    [
        (([], []), None, {}, "toy holds no tagged word to train on"),
        (names(9), ([], []), {}, "dev holds no tagged word. Give some sentences, or no validation data."),
        (([["a"]], [["X"]]), None, {}, "One sentence is too few to hold some out. Add sentences, give --validation"),
        (
            ([["a", "b"]], [["B-X", "I-Y"]]),
            None,
            {"validation_size": 0},
            "toy, line 1: I-Y after B-X, which BIO forbids",
        ),
    ],
)
def test_sentences_that_cannot_be_trained_on_are_refused(tagged, validation, changed, message):
    with pytest.raises(DataError, match=message):
        prepare(tagged, validation, **changed)


# Seeds


def test_several_seeds_are_trained_as_each_alone_and_the_best_is_kept():
    tagged, dev, chosen = names(40), names(30, seed=1), {"epochs": 2, "lr": 0.05, "monitor": "loss"}
    together = fit(tagged, dev, **chosen, seeds=3, seed=5)
    alone = [fit(tagged, dev, **chosen, seed=seed) for seed in (5, 6, 7)]
    losses = [min(row["loss"] for row in one.history) for one in alone]
    assert [row["seed"] for row in together.by_seed] == [5, 6, 7]
    assert [row["loss"] for row in together.by_seed] == losses
    best = int(np.argmin(losses))
    assert together.scores.f1 == alone[best].scores.f1
    for name, weight in alone[best].model.state_dict().items():
        assert torch.equal(together.model.state_dict()[name], weight), name
    values = [one.scores.f1 for one in alone]
    said = f"Over 3 seeds: F1 {np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}, accuracy "
    assert spread(together).startswith(said)


@pytest.mark.parametrize("changed", [{}, {"averaging": 0.9, "word_dropout": 0.3}, {"cell_type": "sru"}], ids=str)
def test_the_same_seed_gives_the_same_weights_and_another_gives_others(changed):
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(found))
        found.append(fit(names(20), names(9, seed=2), seed=seed, epochs=1, **changed).model.state_dict())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert not all(torch.equal(found[0][name], found[2][name]) for name in found[0])


# Pretrained vectors


@pytest.fixture
def vectors(tmp_path):
    words = ["the", "Ada", "ada", "met", "zebra", "York", "ghent"]
    lines = [f"{word} {' '.join(str(number) for number in np.random.default_rng(row).normal(size=6) * 7)}"
             for row, word in enumerate(words)]  # fmt: skip
    path = tmp_path / "vectors.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_pretrained_vectors_decide_on_the_width_and_their_words_are_known(vectors):
    prepared = prepare(names(30), vectors=str(vectors), min_count=2)
    assert {"zebra", "the"} <= set(prepared.lexicon.words)  # which training never had
    trained = train_tagger(prepared, settings(vectors=str(vectors), epochs=1, freeze_vectors=True, lr=0.1))
    assert trained.settings.embedding_dim == 6
    assert any("words (" in note and "have a pretrained vector of 6 numbers" in note for note in trained.notes)
    read = read_vectors(vectors, trained.lexicon.words, lowercase=True, seed=0)
    kept = trained.model.embedding.weight.detach().numpy()
    factor = 0.3 / read.matrix[read.found].std()
    np.testing.assert_allclose(kept[read.found], read.matrix[read.found] * factor, rtol=1e-5)
    assert not kept[0].any()


def test_vectors_that_are_not_frozen_are_trained(vectors):
    trained = fit(names(30), vectors=str(vectors), epochs=1)
    read = read_vectors(vectors, trained.lexicon.words, lowercase=True, seed=0)
    factor = 0.3 / read.matrix[read.found].std()
    row = trained.lexicon.words.index("met")
    moved = np.abs(trained.model.embedding.weight[row].detach().numpy() - read.matrix[row] * factor).max()
    assert 0 < moved < 0.2 * np.abs(read.matrix[row] * factor).max()


def test_a_file_of_vectors_that_is_not_there_is_refused_at_once():
    with pytest.raises(MissingFileError, match="nowhere.txt does not exist"):
        prepare(names(9), vectors="nowhere.txt")


def test_vectors_with_other_numbers_are_another_training(vectors, tmp_path):
    fit_in(tmp_path, vectors=str(vectors), epochs=1)
    vectors.write_text(vectors.read_text().replace("met ", "met 9"))
    with pytest.raises(ResumeError, match="was written with other data or settings"):
        fit_in(tmp_path, resume=True, vectors=str(vectors), epochs=1)


def fit_in(folder, *, resume=False, **changed):
    return train_tagger(prepare(names(20), **changed), settings(**changed), folder=folder, resume=resume)


# The model folder


def test_a_folder_can_be_saved_where_no_word_is_known(tmp_path):
    """Every word stands there once: what the graph is tried on are words that nobody knows."""
    tagged = ([["one", "two"], ["three"], ["four", "five"]], [["X", "Y"], ["X"], ["Y", "Y"]])
    trained = fit(tagged, epochs=1, min_count=2)
    assert trained.lexicon.words == ["<pad>", "<unk>"]
    save_tagger(trained, tmp_path / "model")
    assert load(tmp_path / "model").predict(tagged[0]) == trained.runner().predict(tagged[0])


def test_a_loaded_model_is_what_was_saved(tmp_path):
    trained = fit(names(40), epochs=1, seeds=2)
    save_tagger(trained, tmp_path / "model")
    loaded = load_tagger(tmp_path / "model")
    assert json.dumps(metrics(loaded)) == json.dumps(metrics(trained))
    assert (loaded.labels, loaded.scheme, loaded.lexicon) == (trained.labels, trained.scheme, trained.lexicon)
    save_tagger(loaded, tmp_path / "again")
    for file in (tmp_path / "model").iterdir():
        if file.suffix in (".safetensors", ".onnx") or file.name in ("lexicon.json", "metrics.json"):
            assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes(), file.name


def test_the_card_tells_a_person_what_the_model_is_and_how_good(tmp_path):
    trained = fit(names(40), epochs=1, seeds=2)
    save_tagger(trained, tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text()
    assert "Gives every word one of 5 tags, written as BIO: B-LOC, B-PER, I-LOC, I-PER, O." in card
    assert (
        "LSTM, 1 layer(s) of width 8, reads words and their letters both ways and gives the best sequence of tags"
        in card
    )
    low, high = trained.scores.f1_interval
    assert f"| this model | {trained.scores.f1:.4f} ({low:.4f} to {high:.4f}) |" in card
    for baseline, name in (("hmm", "hidden Markov model"), ("commonest", "commonest tag of each word")):
        assert f"| {name} | {trained.baseline_scores[baseline]['f1']:.4f} |" in card
    assert verdict(trained.scores.to_dict(), trained.baseline_scores) in card
    assert spread(trained) in card
    assert "bothways predict FOLDER TEXT" in card


def test_a_loss_to_a_baseline_is_said_as_one():
    scores = {"f1": None, "accuracy": 0.5}
    for ours, hmm, said in (
        (0.5, 0.4, "The network beats the hidden Markov model: accuracy 0.5000 against 0.4000 on the same sentences."),
        (0.5, 0.5, "The network and the hidden Markov model are level: accuracy 0.5000 against 0.5000"),
        (
            0.5,
            0.6,
            "The hidden Markov model wins: accuracy 0.5000 against 0.6000 on the same sentences. For this data it",
        ),
    ):
        baselines = {"commonest": {"f1": None, "accuracy": 0.1}, "hmm": {"f1": None, "accuracy": hmm}}
        assert verdict({**scores, "accuracy": ours}, baselines).startswith(said)
    alone = {"commonest": {"f1": 0.2, "accuracy": 0.1}}
    assert verdict({"f1": 0.3, "accuracy": 0.9}, alone).startswith(
        "The hidden Markov model beats the commonest tag of each word: F1 0.3000 against 0.2000"
    )
    assert verdict(None, {}) is None


# Killed = never killed


CHANGED = {"word_dropout": 0.2, "averaging": 0.9, "epochs": 2, "seeds": 2}


def train_in(folder, listener=None):
    return train_tagger(
        prepare(names(40), **CHANGED),
        settings(**CHANGED),
        folder=folder,
        resume=True,
        listener=listener,
        checkpoint_steps=2,
    )


def kill_three_times(place):
    """Kill a training three times, at random batches, resume it, and give how often it was killed."""
    torch.set_num_threads(1)
    first, folder = Path(place) / "first", Path(place) / "killed"
    first.mkdir()
    folder.mkdir()
    train_in(first)  # imports and compiles here once, not in each child
    chance = random.Random(0)
    steps = (chance.randint(1, 7), chance.randint(3, 8), chance.randint(1, 3))
    return kill_and_resume(lambda listener: train_in(folder, listener), steps)


def test_a_training_killed_at_any_batch_ends_in_the_same_weights(tmp_path):
    assert count_in_a_process(__file__, f"kill_three_times({str(tmp_path)!r})") == 3
    with one_thread():
        for seed in (0, 1):
            chosen = {**CHANGED, "seeds": 1}
            expected = train_tagger(prepare(names(40), **CHANGED), settings(**chosen, seed=seed))
            tensors = load_file(tmp_path / "killed" / f"seed-{seed}.safetensors")
            for name, weight in expected.model.state_dict().items():
                torch.testing.assert_close(tensors[f"best/{name}"], weight, rtol=0, atol=0)


def test_ctrl_c_keeps_the_best_epoch_and_resuming_ends_in_the_same_weights(tmp_path):
    chosen = {**CHANGED, "epochs": 3, "seeds": 1}
    prepared = prepare(names(40), **chosen)
    whole = train_tagger(prepared, settings(**chosen))
    batches = 7
    stopped = train_tagger(prepared, settings(**chosen), folder=tmp_path, listener=StopAt(batches))
    assert stopped.interrupted
    assert 1 <= len(stopped.history) < 3
    assert stopped.scores is not None
    assert stopped.runner().predict([["Ada"]])
    resumed = train_tagger(prepared, settings(**chosen), folder=tmp_path, resume=True)
    assert not resumed.interrupted
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], weight), name


@pytest.mark.parametrize("validation_size", [0.2, 0.0])
def test_a_training_that_diverges_is_refused_with_what_to_do(validation_size):
    far = {"epochs": 3, "lr": 1e8, "weight_decay": 1, "validation_size": validation_size}
    with pytest.raises(DataError, match=r"^The training diverged in epoch 1: .* Try a lower lr\.$"):
        fit(names(20), **far)
