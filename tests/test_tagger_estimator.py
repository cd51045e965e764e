"""Taggers from Python: scikit-learn's contract, the promises of the model folder, and what is refused."""

import io

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_val_score

import bothways
from bothways import HiddenMarkovTagger, SequenceTagger
from bothways.decoding import tagging
from bothways.errors import DataError, Interrupted, ModelFolderError, NotFittedError, OutputError, SettingsError
from bothways.settings import TaggerSettings
from bothways.training import tagging as tagging_training
from toy_tags import TAGGER, names, told_by_ending
from toys import LANGUAGE, toy_sentences

SENTENCES, TAGS = names(60)
ODD = [
    [],
    ["Li"],
    ["zebra", "", "\x00", "a\nb", "\ud800", "🎬", "x" * 10_000],
    ["then", "met", "Zoë", "Wu", "Li", "in"] * 60,
    max(SENTENCES, key=len),
    [],
]


def small(**changed):
    return SequenceTagger(**{**TAGGER, **changed})


def same_chances(found, expected):
    """Labels of a model that knows little are alike whatever it read; their chances are not."""
    assert len(found) == len(expected)
    for here, there in zip(found, expected, strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-6, atol=1e-9)


@pytest.fixture(scope="module")
def model():
    return small().fit(SENTENCES, TAGS)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "toy"
    model.save(path)
    return path


# scikit-learn's contract


def test_parameters_are_the_settings():
    assert set(SequenceTagger().get_params()) == {setting.name for setting in TaggerSettings.declared()}
    assert SequenceTagger().get_params() == TaggerSettings().to_dict()


def test_init_stores_what_it_is_given_and_fit_refuses_it():
    model = SequenceTagger(decoder="crv")
    assert model.set_params(hidden_size=9) is model
    assert (model.decoder, model.hidden_size) == ("crv", 9)
    with pytest.raises(
        SettingsError, match="decoder is 'crv', but it must be one of: crf, softmax. Did you mean 'crf'"
    ):
        model.fit(SENTENCES, TAGS)


def test_clone_copies_settings_and_nothing_learned(model):
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "trained_")


def test_the_score_can_be_cross_validated(model):
    parts = KFold(2)
    expected = []
    for train, held in parts.split(SENTENCES):
        (words, tags), (others, wanted) = (
            ([SENTENCES[row] for row in rows], [TAGS[row] for row in rows]) for rows in (train, held)
        )
        expected.append(clone(model).fit(words, tags).score(others, wanted))
    assert cross_val_score(clone(model), SENTENCES, TAGS, cv=parts).tolist() == expected


def test_joblib_pickles_in_memory(model):
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    buffer.seek(0)
    same_chances(joblib.load(buffer).predict_marginals(ODD), model.predict_marginals(ODD))


def test_arrays_tuples_and_series_are_the_same_as_lists(model):
    words = pd.Series([tuple(some) for some in SENTENCES], index=range(100, 160))
    tags = [np.array(some) for some in TAGS]
    same_chances(small().fit(words, tags).predict_marginals(iter(SENTENCES)), model.predict_marginals(SENTENCES))


def test_fitting_leaves_the_callers_random_numbers_and_lists_alone():
    words, tags = [[*some] for some in SENTENCES[:9]], [[*some] for some in TAGS[:9]]
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    small(epochs=1).fit(words, tags)
    assert torch.equal(torch.rand(3), expected)
    assert (words, tags) == (SENTENCES[:9], TAGS[:9])


def test_sentences_without_words_are_left_out_of_training():
    with_empty = small(epochs=1).fit([[], *SENTENCES[:30], []], [[], *TAGS[:30], []])
    without = small(epochs=1).fit(SENTENCES[:30], TAGS[:30])
    same_chances(with_empty.predict_marginals(ODD), without.predict_marginals(ODD))


def test_validation_sentences_that_are_given_choose_the_epoch():
    others = names(9, seed=1)
    trained = small().fit(SENTENCES, TAGS, validation=others).trained_
    assert trained.facts["sentences"] == len(SENTENCES)
    assert (trained.facts["validation_sentences"], trained.scores.sentences) == (9, 9)
    model = small(validation_size=0.0).fit(SENTENCES, TAGS)
    assert (model.best_epoch_, model.trained_.scores) == (2, None)


# The promises


def same(one, other):
    """Whether two that tag give the same of odd sentences: tags, chances, entities."""
    assert one.predict(ODD) == other.predict(ODD)
    for ours, theirs in zip(one.predict_marginals(ODD), other.predict_marginals(ODD), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    for ours, theirs in zip(one.entities(ODD), other.entities(ODD), strict=True):
        assert [found.entity for found in ours] == [found.entity for found in theirs]
        np.testing.assert_allclose([found.score for found in ours], [found.score for found in theirs], atol=1e-5)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"decoder": "softmax", "cell_type": "gru"},
        {"cell_type": "rnn", "bidirectional": False},
        {"cell_type": "sru", "bidirectional": False, "one_way": "backward", "spelling_size": 0},
        {"cell_type": "mingru", "num_layers": 2, "stack": "apart", "decoder": "softmax"},
        {"cell_type": "minlstm", "num_layers": 2, "spelling_size": 0, "lowercase": False},
        {"model": "hmm"},
        {"scheme": "io", "decoder": "crf"},
    ],
    ids=str,
)
def test_saved_is_loaded_is_exported(changed, tmp_path):
    tags = [[tag.replace("B-", "I-") for tag in some] for some in TAGS] if "scheme" in changed else TAGS
    model = small(lr=0.05, epochs=6, hidden_size=16, **changed).fit(SENTENCES, tags)
    model.save(tmp_path / "model")
    loaded, exported = SequenceTagger.load(tmp_path / "model"), bothways.load(tmp_path / "model")
    assert loaded.get_params() == model.get_params()
    assert loaded.classes_ == exported.labels == model.classes_
    same(model, loaded)
    same(model, exported)
    assert any(model.entities(ODD))


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_alone_is_in_company_in_any_order(decoder, tmp_path, monkeypatch):
    monkeypatch.setattr(tagging, "WORDS_AT_ONCE", 300)
    model = small(lr=0.05, epochs=3, decoder=decoder).fit(SENTENCES, TAGS)
    model.save(tmp_path / "model")
    sentences = [*ODD, *SENTENCES, ["met"] * 900]  # more than are read side by side
    order = np.random.default_rng(0).permutation(len(sentences))
    for runner in (model, bothways.load(tmp_path / "model")):
        tags, chances, found = (
            runner.predict(sentences),
            runner.predict_marginals(sentences),
            runner.entities(sentences),
        )
        assert runner.predict([sentences[row] for row in order]) == [tags[row] for row in order]
        for row in [*range(len(ODD)), len(sentences) - 1]:
            assert runner.predict([sentences[row]]) == [tags[row]]
            assert len(tags[row]) == len(sentences[row])
            np.testing.assert_allclose(runner.predict_marginals([sentences[row]])[0], chances[row], atol=1e-5)
            (alone,) = runner.entities([sentences[row]])
            assert [one.entity for one in alone] == [one.entity for one in found[row]]
            np.testing.assert_allclose([one.score for one in alone], [one.score for one in found[row]], atol=1e-5)
        assert all(some.shape == (len(words), 5) for some, words in zip(chances, sentences, strict=True))
        np.testing.assert_allclose(np.concatenate(chances).sum(axis=1), 1, rtol=1e-6)


def test_a_sentence_of_ten_thousand_words_is_tagged_like_a_short_one(model, folder):
    """Nothing is cut, and what is far away changes little: the middle is as in a sentence of three repetitions."""
    words = ["then", "met", "Zoë", "Wu", "Li", "in", "York", "so"]
    (long,), (short,) = model.predict([words * 1_250]), model.predict([words * 3])
    assert len(long) == 10_000
    assert long[4_000:4_008] == short[8:16]
    assert bothways.load(folder).predict([words * 1_250]) == [long]


def test_a_forward_reader_tags_without_what_comes_later():
    """Chances of a softmax hang on no later word; those of a reader of both ways do."""
    for both in (False, True):
        model = small(epochs=1, decoder="softmax", bidirectional=both).fit(SENTENCES, TAGS)
        one, other = model.predict_marginals([["then", "met", "Ada", "so"], ["then", "met", "Ada", "York", "in"]])
        assert np.allclose(one[:3], other[:3], atol=1e-7) != both


def test_only_plain_files_are_saved(folder):
    assert {path.suffix for path in folder.iterdir()} <= {".json", ".safetensors", ".onnx", ".csv", ".png", ".md"}


def test_an_existing_folder_is_not_overwritten(model, folder):
    with pytest.raises(OutputError, match="Choose another place with --out, or replace it with --force"):
        model.save(folder)


def test_plain_tags_have_no_entities():
    model = small(epochs=1).fit(*told_by_ending(20))
    assert model.classes_ == ["ADV", "NOUN", "VERB"]
    with pytest.raises(DataError, match="The tags of this model are plain"):
        model.entities([["a"]])


# Wrong use


@pytest.mark.parametrize(
    ("words", "tags", "message"),
    [
        ("Ada met Li", [["O"]], "X is one str, but it must be a list of sentences, each a list of words."),
        (["Ada met"], [["O", "O"]], r"X\[0\] is a str, but it must be a list of words: \['Ada', 'met'\]"),
        ([["a"]], ["O"], r"tags of X\[0\] is a str, but it must be a list of words"),
        ([["a"], None], [["O"], ["O"]], r"X\[1\] is None, but it must be a list of words"),
        ([["a", 3]], [["O", "O"]], r"X\[0\] holds 3, but words must be str"),
        ([["a"], ["b"]], [["O"]], "X has 2 sentences, but 1 lists of tags. Give one for each."),
        ([["a"], ["b", "c"]], [["O"], ["O"]], r"X\[1\] has 2 words, but 1 tags. Give one for each word."),
        ([["a"]], [[""]], r"tags of X\[0\] hold '', but a tag must be text that a file can hold."),
        ([["a"]], [["\ud800"]], r"tags of X\[0\] hold '\\ud800', but a tag must be text"),
        ([], [], "X holds no tagged word to train on. Give some sentences."),
        ([[]], [[]], "X holds no tagged word to train on. Give some sentences."),
        ([["a"]], [["X"]], "One sentence is too few to hold some out"),
        (
            [[], ["a"], ["b", "c"]],
            [[], ["O"], ["B-X", "I-Y"]],
            r"tags of X\[2\]\[1\]: I-Y after B-X, which BIO forbids",
        ),
    ],
)
def test_what_cannot_be_trained_on_is_refused(words, tags, message):
    with pytest.raises(DataError, match=message) as caught:
        small().fit(words, tags)
    assert "\n" not in str(caught.value)


def test_using_it_before_fitting_is_refused():
    for use in (
        lambda model: model.predict([["a"]]),
        lambda model: model.predict_marginals([["a"]]),
        lambda model: model.entities([["a"]]),
        lambda model: model.score([["a"]], [["O"]]),
        lambda model: model.save("x"),
        lambda model: model.classes_,
    ):
        with pytest.raises(
            NotFittedError, match=r"is not trained yet\. Call fit\(sentences, tags\), or load a folder\."
        ):
            use(SequenceTagger())
    with pytest.raises(
        NotFittedError, match=r"This HiddenMarkovTagger is not trained yet\. Call fit\(sentences, tags\)"
    ):
        HiddenMarkovTagger().predict([["a"]])


def test_a_text_in_place_of_words_is_refused(model, tmp_path):
    model.save(tmp_path / "model")
    loaded = bothways.load(tmp_path / "model")
    with pytest.raises(DataError, match="texts is one str"):
        loaded.tag_texts("Ada met")
    for use in (getattr(one, name) for one in (model, loaded) for name in ("predict", "predict_marginals", "entities")):
        with pytest.raises(
            DataError, match=r"sentences\[0\] is a str, but it must be a list of words: \['Ada', 'met'\]"
        ):
            use(["Ada met Li in York".removesuffix(" Li in York")])
        with pytest.raises(DataError, match="sentences is one str"):
            use("Ada met")
    with pytest.raises(DataError, match=r"X\[0\] has 2 words, but 1 tags"):
        model.score([["a", "b"]], [["O"]])


def test_a_folder_of_another_task_is_refused(tmp_path):
    bothways.LanguageModel(**{**LANGUAGE, "epochs": 1}).fit(toy_sentences(40)).save(tmp_path / "novel")
    with pytest.raises(ModelFolderError, match="was trained to 'language', not to 'tag'"):
        SequenceTagger.load(tmp_path / "novel")


# The hidden Markov model


def test_a_hidden_markov_tagger_of_tags_is_the_one_beside_the_network(model):
    tagger = HiddenMarkovTagger().fit(*told_by_ending(40))
    words, tags = told_by_ending(20, seed=1)
    assert tagger.predict(words) == small(model="hmm", validation_size=0).fit(*told_by_ending(40)).predict(words)
    right = [
        one == other for pair in zip(tagger.predict(words), tags, strict=True) for one, other in zip(*pair, strict=True)
    ]
    assert tagger.score(words, tags) == np.mean(right)
    assert tagger.predict_marginals([["a", "b"]])[0].sum() == pytest.approx(2)
    assert clone(tagger).get_params() == tagger.get_params()


def test_a_hidden_markov_tagger_without_tags_finds_states():
    """Words that take turns: each is a state of its own."""
    sentences = [["tick", "tock"] * 4, ["tock", "tick"] * 3] * 5
    tagger = HiddenMarkovTagger(states=2, restarts=2).fit(sentences)
    for decoding in ("posterior", "viterbi"):
        (found,) = tagger.predict([["tick", "tock", "tick"]], decoding)
        assert found[0] == found[2] != found[1]
    with pytest.raises(SettingsError, match="decoding is 'greedy', but it must be 'posterior' or 'viterbi'"):
        tagger.predict(sentences, "greedy")
    with pytest.raises(SettingsError, match=r"fitted without tags.*take model_\.log_likelihood\(sentences\)\."):
        tagger.score(sentences, sentences)
    assert tagger.model_.log_likelihood(sentences).shape == (10,)


@pytest.mark.parametrize(
    ("words", "tags", "message"),
    [
        ([["a"], ["b"]], [["X"]], "There are 2 sentences, but 1 lists of labels. Give one for each."),
        ([["a"]], [["X", "X"]], "Sentence 0 has 1 words, but 2 labels. Give one for each word."),
        (["a b"], [["X", "X"]], r"sentences\[0\] is a str"),
    ],
)
def test_what_a_hidden_markov_tagger_cannot_learn_from_is_refused(words, tags, message):
    with pytest.raises(DataError, match=message):
        HiddenMarkovTagger().fit(words, tags)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"states": 2.5}, r"states is 2\.5, but it must be a whole number, at least 1\."),
        ({"restarts": "6"}, "restarts is '6', but it must be a whole number"),
        ({"steps": 0}, "steps is 0, but"),
        ({"seed": -1}, r"seed is -1, but it must be a whole number, at least 0\."),
        ({"order": 3}, "order is 3, but it must be 1 or 2"),
    ],
)
@pytest.mark.parametrize("tags", [None, TAGS])
def test_parameters_of_a_hidden_markov_model_are_checked_whichever_way_it_learns(chosen, message, tags):
    with pytest.raises(SettingsError, match=message):
        HiddenMarkovTagger(**chosen).fit(SENTENCES, tags)


def test_validation_without_tags_is_refused():
    with pytest.raises(DataError, match=r"^validation holds 60 elements, but it must be \(sentences, tags\)\.$"):
        small().fit(SENTENCES, TAGS, validation=SENTENCES)


def test_sentences_come_from_a_column_of_any_table_and_from_no_whole_one(model):
    frame = pd.DataFrame({"words": SENTENCES, "tags": TAGS})
    for table in (frame, pa.table(frame)):
        assert model.predict(table["words"]) == model.predict(SENTENCES)
    with pytest.raises(
        DataError, match=r"^sentences is a table, but it must be one of its columns: 'words', 'tags'\.$"
    ):
        model.predict(frame)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_seed_that_diverged_is_named_and_no_reason_to_stop_the_others(stopped, monkeypatch):
    train = tagging_training.train

    def astray(job, settings, **rest):
        outcome = train(job, settings, **rest)
        if job.identity.endswith("-0"):
            outcome.history[:] = [{"epoch": 1, "train_loss": float("nan")}]
            outcome.best_epoch = 1
        elif stopped:
            outcome.history, outcome.best_epoch, outcome.interrupted = [], 0, True
        return outcome

    monkeypatch.setattr(tagging_training, "train", astray)
    if stopped:
        with pytest.raises(Interrupted, match="No epoch was finished"):
            small(seeds=2, epochs=2).fit(SENTENCES, TAGS)
    else:
        trained = small(seeds=2, epochs=2).fit(SENTENCES, TAGS).trained_
        assert "Seed 0: The training diverged in epoch 1. Try a lower lr." in trained.notes
        assert trained.best_epoch
