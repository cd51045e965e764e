"""A classifier that starts from a language model."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bothways import LanguageModel, TextClassifier
from bothways.errors import DataError, ModelFolderError, SettingsError
from bothways.settings import ClassifierSettings
from bothways.training.classification import train_classifier
from bothways.training.optimizer import make_optimizer
from bothways.training.preparation import Rows, prepare
from bothways.training.pretrained import paces, read_pretrained
from stopping import StopAt
from toys import SMALL, toy_texts

TEXTS, LABELS = toy_texts(60)
READER = {"embedding_dim": 6, "hidden_size": 5, "num_layers": 2, "epochs": 1, "min_count": 1, "window": 16}
START = {name: value for name, value in SMALL.items() if name not in ("embedding_dim", "hidden_size")}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("readers")
    for name, two_way in (("both", True), ("forward", False)):
        LanguageModel(**READER, two_way=two_way).fit(TEXTS).save(place / name)
    return place


def fitted(folder, **options):
    return TextClassifier(**{**START, "pretrained": str(folder), "validation_size": 0.0, **options}).fit(TEXTS, LABELS)


@pytest.mark.parametrize("name", ["both", "forward"])
def test_the_classifier_begins_with_the_states_of_the_language_model(folders, name):
    # A rate of next to nothing: the weights are those that it started from.
    model = fitted(folders / name, epochs=1, lr=1e-12, warmup=0.0, weight_decay=0.0).trained_.model
    reader = LanguageModel.load(folders / name).trained_.model
    ids, lengths = torch.tensor([[2, 5, 3, 7], [4, 6, 0, 0]]), torch.tensor([4, 2])
    with torch.no_grad():
        ours = model.eval().encoder(model.steps(ids), lengths)
        theirs = reader.read(reader.embedding(ids), ids, lengths)
    torch.testing.assert_close(ours.forward, theirs.forward)
    if name == "both":
        torch.testing.assert_close(ours.backward, theirs.backward)
    assert (model.encoder.direction, model.encoder.num_layers) == (name, 2)


def test_it_knows_the_words_that_the_language_model_knew(folders):
    model = fitted(folders / "both", epochs=1, unit="word")
    reader = LanguageModel.load(folders / "both")
    assert model.trained_.tokenizer.to_json() == reader.trained_.tokens.tokenizer.to_json()


def test_one_more_part_learns_with_each_epoch_from_the_top_down(folders):
    start = LanguageModel.load(folders / "both").trained_.model.state_dict()

    def moved(epochs):
        now = fitted(folders / "both", epochs=epochs).trained_.model.state_dict()
        return {name for name in now if name in start and not torch.equal(now[name], start[name][: len(now[name])])}

    top = {name for name in start if name.startswith("encoder.") and "_l1" in name}
    bottom = {name for name in start if name.startswith("encoder.") and "_l0" in name}
    assert len(top) == len(bottom) == 8
    assert moved(1) == set()
    assert moved(2) == top
    assert moved(3) == top | bottom
    assert moved(4) == top | bottom | {"embedding.weight"}


def test_all_parts_learn_at_once_if_so_asked(folders):
    start = LanguageModel.load(folders / "both").trained_.model.state_dict()
    now = fitted(folders / "both", epochs=1, gradual_unfreezing=False).trained_.model.state_dict()
    assert all(not torch.equal(now[name], start[name]) for name in start if name.startswith("encoder."))


def test_the_rate_falls_from_part_to_part(folders, tmp_path):
    settings = ClassifierSettings(**START, pretrained=str(folders / "both"), layer_decay=0.5)
    pretrained = read_pretrained(settings)
    settings = pretrained.adapt(settings)
    prepared = prepare(Rows(TEXTS, LABELS), None, settings, tmp_path, tokenizer=pretrained.tokenizer)
    model = train_classifier(prepared, settings, pretrained=pretrained).model
    prepared.close()
    names = {id(weight): name for name, weight in model.named_parameters()}
    shares = {
        names[id(weight)]: group["share"]
        for group in make_optimizer(model, settings, paces(model, settings)).param_groups
        for weight in group["params"]
    }
    assert shares["output.weight"] == shares["output.bias"] == 1
    assert shares["encoder.weight_hh_l1"] == shares["encoder.bias_ih_l1_reverse"] == 0.5
    assert shares["encoder.weight_ih_l0_reverse"] == 0.25
    assert shares["embedding.weight"] == 0.125
    assert set(shares) == set(names.values())


def test_stopped_anywhere_and_resumed_it_ends_in_the_same_weights(folders, tmp_path):
    settings = ClassifierSettings(**{**START, "epochs": 4}, pretrained=str(folders / "both"), averaging=0.5)
    pretrained = read_pretrained(settings)
    settings = pretrained.adapt(settings)

    def run(folder, listener=None):
        folder.mkdir(exist_ok=True)
        data = folder / "data"
        data.mkdir(exist_ok=True)
        prepared = prepare(Rows(TEXTS, LABELS), None, settings, data, tokenizer=pretrained.tokenizer)
        trained = train_classifier(
            prepared, settings, folder=folder, resume=True, listener=listener, pretrained=pretrained
        )
        prepared.close()
        return trained

    whole = run(tmp_path / "whole").model.state_dict()
    for attempt in range(20):
        torch.manual_seed(attempt)
        trained = run(tmp_path / "parts", StopAt(3))
        if not trained.interrupted:
            break
    assert attempt >= 2
    assert all(torch.equal(trained.model.state_dict()[name], whole[name]) for name in whole)


def test_saved_is_loaded_and_goes_on(folders, tmp_path):
    model = fitted(folders / "forward", epochs=1)
    model.save(tmp_path / "model")
    again = TextClassifier.load(tmp_path / "model")
    np.testing.assert_allclose(again.predict_proba(TEXTS[:5]), model.predict_proba(TEXTS[:5]), atol=1e-6)
    again.partial_fit(TEXTS, LABELS)


def test_what_the_language_model_decided_is_said(folders):
    """A default cannot be told from a setting that was left out, so that it is not refused."""
    note = next(note for note in fitted(folders / "both").trained_.notes if "start from" in note)
    assert note.endswith("which decides on tokens and sizes: unit word, embedding_dim 6, hidden_size 5, num_layers 2.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 7}, "hidden_size is 7, but FOLDER was trained with 5. Leave it out, or pre-train with"),
        ({"unit": "character"}, "unit is 'character', but FOLDER was trained with 'word'"),
        ({"cell_type": "gru"}, "cell_type is 'gru', but FOLDER was trained with 'lstm'"),
        ({"vectors": "v.txt"}, "vectors is 'v.txt', but the vectors come from FOLDER"),
        ({"layer_decay": 0.0}, "layer_decay is 0.0, but it must be in (0, 1]."),
    ],
)
def test_settings_that_contradict_it_are_refused(folders, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("v.txt").write_text("a 1 2\n", encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        fitted(folders / "both", **options)
    assert message.replace("FOLDER", str(folders / "both")) in str(refused.value)


def test_a_folder_that_is_no_language_model_is_refused(folders, tmp_path):
    fitted(folders / "both", epochs=1).save(tmp_path / "classifier")
    with pytest.raises(ModelFolderError, match="was trained to 'classify', not to 'language'"):
        fitted(tmp_path / "classifier")
    with pytest.raises(ModelFolderError, match="is not a folder"):
        fitted(tmp_path / "nothing")


def test_numbers_are_refused(folders):
    with pytest.raises(SettingsError, match="pretrained names a language model, which reads texts"):
        TextClassifier(**START, pretrained=str(folders / "both")).fit([np.ones((3, 2))] * 8, [0, 1] * 4)


def test_one_class_is_refused_as_ever(folders):
    with pytest.raises(DataError, match="two labels or more are needed"):
        TextClassifier(**START, pretrained=str(folders / "both")).fit(TEXTS, ["same"] * len(TEXTS))
