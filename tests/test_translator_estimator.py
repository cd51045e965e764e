"""Translators from Python: scikit-learn's contract, the promises of the model folder, and what is refused."""

import io

import joblib
import pandas as pd
import pytest
import sacrebleu
import torch
from sklearn.base import clone

import bothways
from bothways import Translator
from bothways.errors import DataError, ModelFolderError, NotFittedError, OutputError, SettingsError
from bothways.settings import TranslatorSettings
from toy_pairs import TRANSLATOR, turned

SOURCES, TARGETS = turned(60)
ODD = ["", "one", "zebra \x00 a\tb", "\ud800", "🎬 one", "two " * 300, " ", "one"]


def small(**changed):
    return Translator(**{**TRANSLATOR, **changed})


@pytest.fixture(scope="module")
def model():
    return small(epochs=25, patience=25).fit(SOURCES, TARGETS)  # enough to write words


def test_parameters_are_the_settings():
    assert set(Translator().get_params()) == {setting.name for setting in TranslatorSettings.declared()}
    assert Translator().get_params() == TranslatorSettings().to_dict()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"attention": "genral"}, "Did you mean 'general'?"),
        ({"heads": 2}, "heads is 2, but only scaled attention has several. Use 1."),
        ({"heads": 5, "attention": "scaled"}, "heads is 5, but it must part 32, twice hidden_size."),
        ({"beam_size": 0}, "beam_size is 0, but it must be at least 1."),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0, but it must be in [0, 1)."),
        ({"coverage_penalty": -1.0}, "coverage_penalty is -1.0, but it must be at least 0."),
        ({"coverage_penalty": 0.2, "attention": "none"}, "but without attention nothing is looked at. Use 0."),
        ({"monitor": "accuracy"}, "monitor is 'accuracy', but it must be one of: bleu, chrf, exact, loss."),
    ],
)
def test_init_stores_what_it_is_given_and_fit_refuses_it(changed, message):
    with pytest.raises(SettingsError) as caught:
        small(**changed).fit(SOURCES, TARGETS)
    assert message in str(caught.value)


def test_clone_copies_settings_and_nothing_learned(model):
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "trained_")
    with pytest.raises(NotFittedError, match=r"Call fit\(sources, targets\)"):
        copy.predict(["one"])


def test_joblib_pickles_in_memory(model):
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    buffer.seek(0)
    assert joblib.load(buffer).predict(ODD) == model.predict(ODD)


def test_series_and_tuples_are_the_same_as_lists_and_nothing_outside_changes(model):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    again = clone(model).fit(pd.Series(SOURCES, index=range(100, 160)), tuple(TARGETS))
    assert torch.equal(torch.rand(3), expected)
    assert again.predict(ODD) == model.predict(ODD)


def test_validation_pairs_that_are_given_choose_the_epoch():
    trained = small(epochs=1).fit(SOURCES, TARGETS, validation=turned(9, seed=1)).trained_
    assert (trained.facts["pairs"], trained.facts["validation_pairs"], trained.scores.sentences) == (60, 9, 9)
    model = small(epochs=2, validation_size=0.0).fit(SOURCES, TARGETS)
    assert (model.best_epoch_, model.trained_.scores) == (2, None)


def test_saved_is_loaded_is_exported_also_for_odd_texts(model, tmp_path):
    model.save(tmp_path / "model")
    assert len(model.predict(ODD)) == len(ODD)
    assert Translator.load(tmp_path / "model").predict(ODD) == model.predict(ODD)
    assert bothways.load(tmp_path / "model").predict(ODD) == model.predict(ODD)
    with pytest.raises(OutputError, match="exists"):
        model.save(tmp_path / "model")


def test_the_score_is_the_bleu_of_its_translations(model):
    sources = SOURCES[:20]
    targets = [f"{text} and so it goes on" for text in model.predict(sources)]
    assert model.score(sources, targets) == sacrebleu.corpus_bleu(model.predict(sources), [targets]).score > 0


def test_what_is_no_pair_of_lists_of_texts_is_refused(model, tmp_path):
    with pytest.raises(DataError, match="There are 60 sources, but 59 targets"):
        small().fit(SOURCES, TARGETS[1:])
    with pytest.raises(DataError, match=r"texts\[1\] is NoneType 'None', but it must be a str"):
        small().fit(["a", None], ["b", "c"])
    with pytest.raises(DataError, match="texts is one str"):
        model.predict("one")
    (tmp_path / "model").mkdir()
    with pytest.raises(ModelFolderError, match="holds no model"):
        Translator.load(tmp_path / "model")
