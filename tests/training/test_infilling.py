"""Training of missing words: it learns what the right decides, stops and goes on, and is the same wherever it runs."""

import json
import os
import signal

import numpy as np
import pytest
import torch

import bothways
from bothways import GapFiller
from bothways.data.plain_text import Lines, open_documents, open_texts
from bothways.errors import DataError, Interrupted, ModelFolderError, NotFittedError, SettingsError
from bothways.settings import FillSettings
from bothways.training import corpora, infilling
from bothways.training.cooccurrence import cooccurrence_vectors
from bothways.training.corpora import ListedTexts, prepare_corpus
from bothways.training.infilling import train_infiller
from bothways.training.infilling_from_files import train_infiller_from_file
from bothways.training.infilling_scores import verdict
from bothways.training.listening import Silence
from bothways.training.saving_infiller import load_infiller
from bothways.training.unigram import Unigram
from stopping import StopAt
from toy_gaps import PAIRS, TINY, tiny, toy_lines


@pytest.fixture(scope="module")
def model():
    return GapFiller(**TINY).fit(toy_lines(300))


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("fill") / "gaps"
    model.save(path)
    return path


def test_it_learns_what_only_the_right_tells_and_the_one_way_model_cannot(model):
    for thing, colour in PAIRS.items():
        assert model.fill(f"the ___ {thing} here").gaps[0][0].word == colour
        assert model.fill(f"the {colour} ___ here").gaps[0][0].word == thing
    scores, baselines = model.trained_.scores, model.trained_.baseline_scores
    # Two words of four can be known from both sides; one of those from the left alone. The others are tosses of a coin.
    floor = np.exp(2 * np.log(2) / 4)
    assert scores["perplexity"] < 1.15 * floor
    assert baselines["one-way"]["perplexity"] > 0.9 * floor * np.exp(np.log(4) / 4)
    assert scores["accuracy"] > baselines["one-way"]["accuracy"] + 0.1
    assert baselines["one-way"]["perplexity"] < baselines["unigram"]["perplexity"]
    facts = model.trained_.facts
    assert abs(facts["one_way_parameters"] / facts["parameters"] - 1) < 0.02


def test_it_learns_from_a_sample_of_the_vocabulary():
    model = GapFiller(**{**TINY, "negatives": 10, "one_way_baseline": False}).fit(toy_lines(300))
    assert model.trained_.model.softmax.negatives == 10
    for thing, colour in PAIRS.items():
        assert model.fill(f"the ___ {thing} here").gaps[0][0].word == colour


def test_both_networks_start_from_the_company_of_words(tmp_path):
    barely = tiny(epochs=1, lr=1e-12, warmup=0.0, weight_decay=0.0)
    ready = prepare_corpus(ListedTexts(toy_lines(60)), None, barely, tmp_path)
    trained = train_infiller(ready, barely)
    expected = cooccurrence_vectors(
        ready.train.sequences, vocabulary=ready.tokens.size, dim=barely.embedding_dim, seed=barely.seed
    )
    assert trained.one_way is not None
    for network in (trained.model, trained.one_way):
        np.testing.assert_allclose(network.embedding.weight.detach()[2:], expected[2:], atol=1e-6)


def test_scores_of_the_training_are_those_of_the_words_one_by_one(model):
    held = toy_lines(30, seed=4)
    trained = GapFiller(**{**TINY, "epochs": 1, "one_way_baseline": False}).fit(toy_lines(40), validation=held)
    scores = trained.trained_.scores
    words = [word for line in held for word in trained.score_words(line)]
    assert scores["words"] == len(words) == 120
    assert scores["nats"] == pytest.approx(-np.mean([word.log_probability for word in words]), rel=1e-5)
    right = 0
    for line in held:
        for place, word in enumerate(line.split()):
            gap = " ".join([*line.split()[:place], "___", *line.split()[place + 1 :]])
            right += trained.fill(gap, k=1).text.split()[place] == word
    assert scores["accuracy"] == pytest.approx(right / 120)
    low, high = scores["accuracy_interval"]
    assert low < scores["accuracy"] < high
    assert -trained.score(held) == pytest.approx(scores["nats"], rel=1e-5)


def test_the_unigram_baseline_is_add_one_over_the_training_words():
    counts = np.array([0, 3, 5, 2, 0])
    losses, hits = Unigram(counts).judge(np.array([2, 1, 4]), never=[0, 1, 4])
    np.testing.assert_allclose(losses, -np.log(np.array([6, 4, 1]) / 15))
    assert hits.tolist() == [True, False, False]


def test_trained_loaded_and_exported_fill_and_score_the_same(model, folder):
    text = "the ___ sea ___"
    words = model.fill(text)
    for other in (GapFiller.load(folder), bothways.load(folder)):
        again = other.fill(text)
        assert again.text == words.text
        for gap, same in zip(words.gaps, again.gaps, strict=True):
            assert [word for word, _ in gap] == [word for word, _ in same]
            assert [share for _, share in gap] == pytest.approx([share for _, share in same], abs=1e-5)
        assert other.perplexity(toy_lines(9)) == pytest.approx(model.perplexity(toy_lines(9)), rel=1e-5)
    written = json.loads(json.dumps(model.trained_.baseline_scores))
    assert load_infiller(folder).baseline_scores == written


def test_long_texts_are_read_in_pieces_as_they_were_trained(model, folder):
    text = " ".join(toy_lines(9))
    whole = model.score_words(text)
    again = bothways.load(folder).score_words(text)
    assert [word.token for word in whole] == text.split() == [word.token for word in again]
    np.testing.assert_allclose(
        [word.log_probability for word in whole], [word.log_probability for word in again], atol=1e-5
    )


# Stopping and going on


def prepared(folder):
    folder.mkdir(exist_ok=True)
    return prepare_corpus(ListedTexts(toy_lines(90)), None, tiny(epochs=2, dropout=0.3), folder)


def test_stopped_at_any_batch_of_both_trainings_and_resumed_is_never_stopped(tmp_path):
    settings = tiny(epochs=2, dropout=0.3)
    never = train_infiller(prepared(tmp_path / "a"), settings)
    place, data = tmp_path / "state", prepared(tmp_path / "b")
    place.mkdir()
    stops = {True: 0, False: 0}
    for attempt in range(60):
        torch.manual_seed(1000 + attempt)  # whatever the process did before must not matter
        there = (place / "one-way-0.safetensors").exists()
        trained = train_infiller(data, settings, folder=place, resume=True, listener=StopAt(3))
        if not trained.interrupted:
            break
        stops[there] += 1
    assert min(stops.values()) >= 3
    for mine, other in ((trained.model, never.model), (trained.one_way, never.one_way)):
        for name, weight in other.state_dict().items():
            assert torch.equal(mine.state_dict()[name], weight), name
    assert trained.scores == never.scores
    assert trained.baseline_scores == never.baseline_scores
    assert trained.history == never.history


def test_what_goes_on_does_not_make_the_vectors_again_that_it_began_with(tmp_path, monkeypatch):
    """Half a minute for each resumed training of twenty million words, thrown away by the checkpoint."""
    made = []
    monkeypatch.setattr(corpora, "cooccurrence_vectors", lambda *_, **__: made.append(1))
    settings, data = tiny(epochs=1), prepared(tmp_path)
    assert train_infiller(data, settings, folder=tmp_path, listener=StopAt(1)).interrupted
    assert made == [1]
    assert train_infiller(data, settings, folder=tmp_path, resume=True).one_way is not None
    assert made == [1, 1]  # the one-way model had not begun
    train_infiller(data, settings, folder=tmp_path, resume=True)
    assert made == [1, 1]


def test_ctrl_c_in_the_second_training_keeps_the_model_of_the_first(tmp_path):
    data = tmp_path / "corpus.txt"
    data.write_text("\n".join(toy_lines(90)))
    settings, out = tiny(epochs=1), tmp_path / "gaps"

    class StopTheSecond(Silence):
        def __init__(self):
            self.trainings = 0

        def started(self, **_):
            self.trainings += 1

        def stepped(self, **_):
            if self.trainings == 2:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="the same command with --resume goes on where it was"):
        train_infiller_from_file(data, out, settings, listener=StopTheSecond())
    kept = load_infiller(out)
    assert kept.best_epoch == 1
    assert kept.baseline_scores.keys() == {"unigram"}
    train_infiller_from_file(data, out, settings, resume=True)
    again = load_infiller(out)
    assert again.baseline_scores.keys() == {"unigram", "one-way"}
    for name, weight in kept.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], weight)
    assert not (tmp_path / "gaps.training").exists()


def test_a_new_training_does_not_go_on_with_the_one_way_model_of_an_old_one(tmp_path):
    place = tmp_path / "state"
    place.mkdir()
    other = prepare_corpus(ListedTexts(toy_lines(60, seed=9)), None, tiny(epochs=1), place)
    train_infiller(other, tiny(epochs=1), folder=place)
    settings, data = tiny(epochs=2, dropout=0.3), prepared(tmp_path / "b")
    assert train_infiller(data, settings, folder=place, listener=StopAt(1)).interrupted
    assert train_infiller(data, settings, folder=place, resume=True).baseline_scores.keys() == {"unigram", "one-way"}


# Texts


def test_the_lines_of_plain_text_are_texts_and_empty_lines_are_none(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("one text\n\n   \nanother\r\nlast")
    documents = open_documents(path)
    assert isinstance(documents, Lines)
    assert not documents.whole
    assert [line for chunk in documents.chunks() for line in chunk] == ["one text", "another", "last"]
    assert [documents.where(row) for row in range(3)] == [f"corpus.txt, line {line}" for line in (1, 4, 5)]
    assert open_texts(path).whole


def test_rows_of_a_table_are_texts(tmp_path):
    path = tmp_path / "corpus.csv"
    path.write_text("id,text\n1,one text\n2,another\n")
    assert [row for chunk in open_documents(path).chunks() for row in chunk] == ["one text", "another"]


# Refusals


@pytest.mark.parametrize("unit", ["character", "bpe"])
def test_units_that_are_no_words_are_refused(unit):
    message = f"unit is '{unit}', but a gap is filled by a whole word. Use one of: word, space, spacy, jieba."
    with pytest.raises(SettingsError, match=message):
        FillSettings(unit=unit).check()


def test_a_corpus_shorter_than_a_window_or_without_text_is_refused():
    with pytest.raises(DataError, match="fewer than one window of 128. Give more text, or lower --window."):
        GapFiller(min_count=1).fit(["a few words", "and some more"])
    with pytest.raises(DataError, match="The texts are empty. Give some text to train on."):
        GapFiller().fit(["", " "])
    with pytest.raises(NotFittedError, match=r"This GapFiller is not trained yet. Call fit\(texts\)"):
        GapFiller().fill("I am ___ hungry")


def test_folders_of_other_tasks_are_refused(folder):
    with pytest.raises(ModelFolderError, match="was trained to 'fill', not to 'language'"):
        bothways.LanguageModel.load(folder)


def test_a_training_that_diverges_is_refused_with_what_to_do():
    with pytest.raises(DataError, match=r"^The training diverged in epoch 1: .* Try a lower lr\.$"):
        GapFiller(**{**TINY, "lr": 1e8}).fit(toy_lines(40))


def test_a_one_way_model_that_diverges_leaves_the_other_whole(monkeypatch):
    train, outcomes = infilling.train, []

    def second_goes_astray(*arguments, **options):
        outcomes.append(train(*arguments, **options))
        if len(outcomes) == 2:
            outcomes[1].history[outcomes[1].best_epoch - 1]["train_loss"] = np.nan
        return outcomes[-1]

    monkeypatch.setattr(infilling, "train", second_goes_astray)
    trained = GapFiller(**{**TINY, "epochs": 1}).fit(toy_lines(40)).trained_
    assert trained.one_way is None
    assert trained.baseline_scores.keys() == {"unigram"}
    assert trained.scores is not None
    assert trained.notes[-1].startswith("The training of the one-way model diverged")


def test_nothing_held_out_is_nothing_scored():
    trained = GapFiller(**{**TINY, "epochs": 1, "validation_size": 0}).fit(toy_lines(40)).trained_
    assert trained.scores is None
    assert trained.one_way is None
    assert verdict(trained.scores, trained.baseline_scores) is None


def test_a_loss_against_the_one_way_model_is_said_as_one():
    ours, better = {"accuracy": 0.25, "perplexity": 9.0}, {"accuracy": 0.5, "perplexity": 4.0}
    assert verdict(ours, {"one-way": better}).startswith("The one-way model of the same size wins: accuracy 0.2500")
    assert "pays" in verdict(better, {"one-way": ours})


def test_parameters_are_the_settings():
    assert set(GapFiller().get_params()) == {setting.name for setting in FillSettings.declared()}
    assert GapFiller().get_params() == FillSettings().to_dict()
