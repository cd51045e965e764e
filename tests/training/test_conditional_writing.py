"""Language models on a condition, from Python: what they learn, that folders and graphs agree, what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import bothways
from bothways import LanguageModel, TextClassifier
from bothways.data.conditions import values_of_python
from bothways.errors import DataError, SettingsError
from bothways.settings import LanguageSettings
from bothways.training.corpora import ListedTexts, prepare_corpus
from bothways.training.language import train_language_model
from stopping import StopAt

SMALL = {
    "unit": "space",
    "embedding_dim": 8,
    "hidden_size": 12,
    "num_layers": 1,
    "min_count": 1,
    "window": 8,
    "batch_size": 4,
    "lr": 0.02,
    "dropout": 0.0,
    "embedding_dropout": 0.0,
    "precision": "float32",
}
LABELS = ["a", "b"] * 30
TEXTS = ["x x x" if label == "a" else "y y" for label in LABELS]


def small(**changed):
    return LanguageModel(**{**SMALL, "epochs": 15, "patience": 15, **changed})


@pytest.fixture(scope="module")
def writer():
    return small().fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def numbers():
    # What is written hangs on the sign of the second number; the first is a distraction of another size.
    chance = np.random.default_rng(0)
    rows = np.stack([chance.normal(2000, 10, size=60), chance.uniform(-1, 1, size=60)], axis=1)
    texts = ["x x x" if second > 0 else "y y" for _, second in rows]
    frame = pd.DataFrame(rows, columns=["year", "price"])
    return small(validation_size=0.0).fit(texts, frame), texts, frame


@pytest.fixture(scope="module")
def folder(writer, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "writer"
    writer.save(path)
    return path


def refused(action, kind=SettingsError):
    with pytest.raises(kind) as error:
        action()
    assert "\n" not in str(error.value)
    return str(error.value)


# What they learn


def test_a_label_decides_what_is_written(writer):
    assert writer.generate(condition="a", temperature=0) == ["x x x"]
    assert writer.generate(condition="b", temperature=0) == ["y y"]
    assert "".join(writer.stream(condition="b", temperature=0)) == "y y"
    assert writer.generate("x", condition="a", temperature=0, samples=3) == ["x x x"] * 3


def test_numbers_decide_what_is_written(numbers):
    model, _, _ = numbers
    for year in (1990, 2012):
        assert model.generate(condition=[year, 0.7], temperature=0) == ["x x x"]
        assert model.generate(condition=f"{year},-0.7", temperature=0) == ["y y"]


@pytest.mark.parametrize("cell", ["gru", "mingru"])
def test_other_cells_learn_it_too(cell):
    model = small(cell_type=cell, num_layers=2, validation_size=0.0).fit(TEXTS, LABELS)
    assert model.generate(condition="a", temperature=0) == ["x x x"]
    assert model.generate(condition="b", temperature=0) == ["y y"]


def test_the_right_condition_makes_a_text_likely_and_the_wrong_one_unlikely(writer):
    turned = ["b" if label == "a" else "a" for label in LABELS]
    assert writer.perplexity(TEXTS, LABELS) < 1.1
    assert writer.perplexity(TEXTS, turned) > 10
    assert writer.score(TEXTS, LABELS) == pytest.approx(-np.log(writer.perplexity(TEXTS, LABELS)))


def test_scoring_word_by_word_adds_up_to_the_perplexity(writer):
    words = writer.score_words("y y", condition="a")
    assert [word.token for word in words] == ["y", "y", "<eos>"]
    mean = -np.mean([word.log_probability for word in words])
    assert writer.perplexity(["y y"], ["a"]) == pytest.approx(np.exp(mean), rel=1e-5)


def test_a_text_is_scored_in_company_as_alone_each_on_its_own_condition(writer):
    texts, labels = ["x", "", "y y y y y y", "x y", "y"], ["b", "a", "a", "b", "a"]
    runner = writer._runner()
    sequences = runner.tokens.sequences(texts)
    together = runner.losses(sequences, runner.read_conditions(values_of_python(labels, 5)))
    for ids, label, losses in zip(sequences, labels, together, strict=True):
        (alone,) = runner.losses([ids], runner.read_condition(label))
        np.testing.assert_allclose(losses, alone, atol=1e-5)


def test_reading_step_by_step_is_reading_at_once(folder):
    runner = bothways.load(folder)
    condition = runner.read_conditions(values_of_python(["b", "a"], 2))
    ids = np.array([[2, 3, 2, 2, 3], [3, 3, 2, 3, 2]])
    whole, last = runner.run(ids, np.array([5, 5]), None, condition)
    state = None
    for step in range(5):
        logits, state = runner.read(ids[:, step : step + 1], state, condition)
        np.testing.assert_allclose(logits, whole[:, step], atol=1e-5)
    for here, there in zip(state, last, strict=True):
        np.testing.assert_allclose(here, there, atol=1e-5)


# Which condition belongs to which text


@pytest.mark.parametrize("seed", range(4))
def test_conditions_stay_with_their_texts_through_empty_rows_and_the_split(tmp_path, seed):
    labels = [f"w{row % 4}" if row % 29 else "rare" for row in range(59)]  # three are rare
    texts = ["" if row % 7 == 3 else label for row, label in enumerate(labels)]
    settings = LanguageSettings(**SMALL, seed=seed)
    listed = ListedTexts(texts, conditions=values_of_python(labels, 59))
    prepared = prepare_corpus(listed, None, settings, tmp_path)
    for corpus in (prepared.train, prepared.validation):
        rows = np.arange(len(corpus.sequences.lengths))
        words = [prepared.tokens.spoken(int(ids[1])) for ids in corpus.sequences.take(rows)]
        assert words == [prepared.condition.labels[place] for place in corpus.conditions]
        assert "rare" in words  # each label stands in both parts
    prepared.close()


def test_validation_data_bring_their_own_conditions(tmp_path):
    model = small(epochs=1).fit(TEXTS, LABELS, validation=(["y y", "x"], ["b", "a"]))
    assert model.trained_.scores["perplexity"] == pytest.approx(model.perplexity(["y y", "x"], ["b", "a"]), rel=1e-5)
    turned = small(epochs=1).fit(TEXTS, LABELS, validation=(["y y", "x"], ["a", "b"]))
    assert turned.trained_.scores["perplexity"] > model.trained_.scores["perplexity"]


# Folders


def test_saved_is_loaded_is_run_without_torch(writer, numbers, folder, tmp_path):
    model, texts, frame = numbers
    model.save(tmp_path / "numbers")
    for original, path, given, condition in (
        (writer, folder, (TEXTS, LABELS[::-1]), "b"),
        (model, tmp_path / "numbers", (texts, frame[::-1]), [2003, 0.1]),
    ):
        loaded, runner = LanguageModel.load(path), bothways.load(path)
        assert loaded.perplexity(*given) == original.perplexity(*given)
        assert runner.perplexity(*given) == pytest.approx(original.perplexity(*given), rel=1e-5)
        options = {"condition": condition, "samples": 4, "temperature": 20.0, "max_length": 9, "seed": 5}
        assert runner.generate(**options) == loaded.generate(**options) == original.generate(**options)
        assert len(set(runner.generate(**options))) > 1


def test_the_folder_tells_how_the_condition_is_read(folder, numbers, tmp_path):
    description = bothways.load(folder).folder.description
    assert description["condition"]["labels"] == ["a", "b"]
    model, _, frame = numbers
    model.save(tmp_path / "numbers")
    facts = bothways.load(tmp_path / "numbers").folder.description["condition"]
    assert facts["columns"] == ["year", "price"]
    np.testing.assert_allclose(facts["mean"], frame.mean())
    np.testing.assert_allclose(facts["deviation"], frame.std(ddof=0))
    small(epochs=1).fit(TEXTS).save(tmp_path / "plain")
    assert "condition" not in bothways.load(tmp_path / "plain").folder.description


def test_a_graph_that_disagrees_about_the_condition_is_not_saved(writer, tmp_path, monkeypatch):
    start = writer.trained_.model.condition.start
    monkeypatch.setattr(type(writer.trained_.model.condition), "state", lambda self, vectors: _doubled(start, vectors))
    from bothways.errors import ModelFolderError

    assert "The ONNX graph differs from the weights" in refused(lambda: writer.save(tmp_path / "x"), ModelFolderError)
    assert not (tmp_path / "x").exists()


def _doubled(start, vectors):
    from bothways.nn import State

    parts = 2 * torch.tanh(start(vectors)).view(len(vectors), 2, 1, SMALL["hidden_size"]).permute(1, 2, 0, 3)
    return State(forward=tuple(part.contiguous() for part in parts))


def test_a_classifier_starts_from_the_reader_of_a_writer(folder):
    options = {"unit": "space", "epochs": 1, "lr": 1e-12, "warmup": 0.0, "weight_decay": 0.0, "validation_size": 0.0}
    trained = TextClassifier(pretrained=str(folder), **options).fit(TEXTS, LABELS).trained_
    reader = LanguageModel.load(folder).trained_.model
    for name, weight in reader.encoder.state_dict().items():
        torch.testing.assert_close(weight, trained.model.encoder.state_dict()[name])
    assert any("It read texts on a condition, which a classifier has not" in note for note in trained.notes)


# Killed = never killed


@pytest.mark.parametrize("windows", [1, 4])
def test_a_training_that_was_stopped_ends_in_the_same_weights(tmp_path: Path, windows):
    # Texts of several windows: a state is carried when the training stops, and the condition is not in it.
    texts = [" ".join([text] * 6) for text in TEXTS[:20]]
    settings = LanguageSettings(**{**SMALL, "epochs": 2, "dropout": 0.3, "embedding_dropout": 0.2})

    def train(place, listener=None, resume=False):
        place.mkdir(exist_ok=True)
        listed = ListedTexts(texts, conditions=values_of_python(LABELS[:20], 20))
        prepared = prepare_corpus(listed, None, settings, place)
        return train_language_model(prepared, settings, folder=place, listener=listener, resume=resume)

    whole = train(tmp_path / "whole")
    assert train(tmp_path / "parts", StopAt(windows)).interrupted
    resumed = train(tmp_path / "parts", resume=True)
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name


def test_other_conditions_are_another_training(tmp_path):
    settings = LanguageSettings(**SMALL, validation_size=0.0)
    found = set()
    for number, labels in enumerate((LABELS, LABELS[::-1], None)):
        place = tmp_path / str(number)
        place.mkdir()
        given = None if labels is None else values_of_python(labels, len(labels))
        prepared = prepare_corpus(ListedTexts(TEXTS, conditions=given), None, settings, place)
        found.add(prepared.identity)
        prepared.close()
    assert len(found) == 3


# What is refused


def test_writing_and_scoring_without_the_condition_is_refused_with_what_there_is(writer, numbers):
    for action in (lambda: writer.generate(), lambda: writer.stream(), lambda: writer.score_words("x")):
        assert refused(action) == "The model writes on a condition, and none is given. Give one of: a, b."
    assert refused(lambda: writer.perplexity(["x"])) == (
        "The model was trained with conditions. Give one for each text, one of: a, b."
    )
    assert refused(lambda: numbers[0].generate()).endswith("Give 2 numbers: year, price.")


def test_an_unknown_condition_is_refused_with_the_nearest(writer):
    assert refused(lambda: writer.generate(condition="aa")) == (
        "condition is 'aa', but the model knows one of: a, b. Did you mean 'a'?"
    )
    assert refused(lambda: writer.perplexity(["x"], ["c"]), DataError) == (
        "conditions[0] has the condition 'c', but the model knows one of: a, b."
    )


def test_a_condition_is_refused_by_a_model_that_has_none():
    plain = small(epochs=1).fit(TEXTS)
    assert refused(lambda: plain.generate(condition="a")) == (
        "condition is 'a', but the model was trained without conditions. Leave it out, or train one with "
        "'bothways train language DATA --condition COLUMN'."
    )
    assert refused(lambda: plain.perplexity(["x"], ["a"])) == (
        "Conditions are given, but the model was trained without them. Leave them out."
    )


def test_what_cannot_be_trained_on_is_refused():
    assert refused(lambda: small(two_way=True).fit(TEXTS, LABELS)).startswith("A two-way model writes no text")
    assert refused(lambda: small().fit("x x x", ["a"]), DataError) == (
        "X is one text, but conditions need one text each. Give a list of texts."
    )
    assert refused(lambda: small().fit(TEXTS, LABELS[:-1]), DataError).startswith(
        "There are 60 texts and 59 conditions"
    )
    missing = [*LABELS[:-1], None]
    assert refused(lambda: small().fit(TEXTS, missing), DataError).startswith("conditions[59] has no value")
    for validation in (["x"], "x", ("x", "a"), (["x"], ["a"], 3)):
        assert refused(lambda given=validation: small().fit(TEXTS, LABELS, validation=given), DataError) == (
            "validation has no conditions, but the training texts have. Give a pair: (texts, conditions)."
        )
    assert "conditions[0] has the condition 'c'" in refused(
        lambda: small().fit(TEXTS, LABELS, validation=(["x"], ["c"])), DataError
    )


def test_conditions_for_one_of_training_and_validation_are_refused(tmp_path):
    given = ListedTexts(TEXTS, conditions=values_of_python(LABELS, 60))
    assert "must both have conditions, or neither" in refused(
        lambda: prepare_corpus(given, ListedTexts(TEXTS), LanguageSettings(**SMALL), tmp_path)
    )
