"""scikit-learn's contract, the promises of the model folder, and what is refused, from Python."""

import copy
import io
import json
from statistics import mean, stdev

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import bothways
from bothways import TextClassifier
from bothways.errors import DataError, MissingFileError, NotFittedError, OutputError, SettingsError
from bothways.models.classifier import Classifier
from bothways.settings import ClassifierSettings
from bothways.training import classification
from bothways.training.metrics import fit_temperature
from bothways.training.saving import spread
from toys import SMALL, toy_texts

TEXTS, LABELS = toy_texts(120)
FORWARD = Classifier.forward


def small(**changed):
    return TextClassifier(**{**SMALL, **changed})


@pytest.fixture(scope="module")
def model():
    return small(epochs=16, patience=16).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "toy"
    model.save(path)
    return path


def test_it_learns_what_a_bag_of_words_cannot(model):
    texts, labels = toy_texts(40, seed=1)
    assert model.score(texts, labels) > 0.9
    assert model.trained_.baselines.scores(texts, labels)["linear"]["accuracy"] < 0.9


@pytest.mark.parametrize("cell", ["mingru", "minlstm", "sru"])
def test_parallel_cells_learn_it_too(cell):
    model = small(cell_type=cell, hidden_size=16, epochs=16, patience=16).fit(TEXTS, LABELS)
    assert model.score(*toy_texts(40, seed=1)) > 0.9


# scikit-learn's contract


def test_parameters_are_the_settings():
    assert set(TextClassifier().get_params()) == {setting.name for setting in ClassifierSettings.declared()}
    assert TextClassifier().get_params() == ClassifierSettings().to_dict()


def test_get_and_set_params():
    model = TextClassifier(hidden_size=7)
    assert model.get_params()["hidden_size"] == 7
    assert model.set_params(hidden_size=9, cell_type="gru") is model
    assert (model.hidden_size, model.cell_type) == (9, "gru")


def test_init_stores_what_it_is_given_and_fit_refuses_it():
    model = TextClassifier(cell_type="ltsm")
    assert model.cell_type == "ltsm"
    with pytest.raises(SettingsError, match="Did you mean 'lstm'"):
        model.fit(TEXTS, LABELS)


def test_clone_copies_settings_and_nothing_learned(model):
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "classes_")


def test_cross_val_score():
    parts = KFold(2)
    scores = cross_val_score(small(epochs=1), TEXTS, LABELS, cv=parts)
    texts, labels = np.array(TEXTS, dtype=object), np.array(LABELS)
    expected = [
        small(epochs=1).fit(texts[train], labels[train]).score(texts[held], labels[held])
        for train, held in parts.split(texts)
    ]
    assert scores.tolist() == expected


def test_grid_search_in_two_processes():
    search = GridSearchCV(small(epochs=1), {"hidden_size": [4, 6]}, cv=2, n_jobs=2)
    search.fit(TEXTS, LABELS)
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])
    best = small(epochs=1, **search.best_params_).fit(TEXTS, LABELS)
    np.testing.assert_allclose(search.predict_proba(TEXTS[:9]), best.predict_proba(TEXTS[:9]), atol=1e-6)


def test_pipeline():
    upper = FunctionTransformer(lambda texts: [text.upper() for text in texts])
    pipeline = Pipeline([("upper", upper), ("classify", small())]).fit(TEXTS, LABELS)
    plain = small().fit(TEXTS, LABELS)
    np.testing.assert_allclose(pipeline.predict_proba(TEXTS), plain.predict_proba(TEXTS), atol=1e-6)


def test_a_pandas_series_is_the_same_as_a_list(model):
    frame = pd.DataFrame({"text": TEXTS, "label": LABELS}, index=range(100, 220))
    fitted = small(epochs=16, patience=16).fit(frame["text"], frame["label"])
    np.testing.assert_array_equal(fitted.predict_proba(frame["text"]), model.predict_proba(TEXTS))


def test_joblib_pickles_in_memory(model):
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    buffer.seek(0)
    np.testing.assert_array_equal(joblib.load(buffer).predict_proba(TEXTS), model.predict_proba(TEXTS))


def test_the_same_seed_gives_the_same_weights_and_another_gives_others():
    first, second, other = (small(seed=seed).fit(TEXTS, LABELS).predict_proba(TEXTS) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_fitting_leaves_the_callers_random_numbers_alone():
    import torch

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    small(epochs=1).fit(TEXTS, LABELS)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("labels", [[0, 1] * 60, [True, False] * 60, np.array([3, 7] * 60)])
def test_predictions_are_labels_as_they_were_given(labels):
    predicted = small(epochs=1).fit(TEXTS, labels).predict(TEXTS)
    assert set(predicted.tolist()) <= set(np.asarray(labels).tolist())
    assert predicted.dtype == np.asarray(labels).dtype


# The promises


def test_alone_is_in_company(model, folder):
    texts = [*TEXTS[:9], "", "word " * 200, TEXTS[0]]
    for predictor in (model, bothways.load(folder)):
        together = predictor.predict_proba(texts)
        alone = np.concatenate([predictor.predict_proba([text]) for text in texts])
        np.testing.assert_allclose(together, alone, atol=1e-5)
        order = np.random.default_rng(0).permutation(len(texts))
        np.testing.assert_allclose(predictor.predict_proba([texts[row] for row in order]), together[order], atol=1e-5)


def test_saved_is_loaded_is_exported(model, folder):
    expected = model.predict_proba(TEXTS)
    np.testing.assert_allclose(TextClassifier.load(folder).predict_proba(TEXTS), expected, atol=1e-7)
    np.testing.assert_allclose(bothways.load(folder).predict_proba(TEXTS), expected, atol=1e-5)
    assert bothways.load(folder).predict(TEXTS) == model.predict(TEXTS).tolist()


@pytest.mark.parametrize(
    "changed",
    [
        {"cell_type": "gru", "pooling": "last"},
        {"cell_type": "rnn", "pooling": "mean+attention"},
        {"bidirectional": False, "pooling": "attention"},
        {"bidirectional": False, "one_way": "backward", "pooling": "last+max"},
        {"num_layers": 2, "stack": "apart"},
        {"num_layers": 2, "stack": "joined", "cell_type": "gru"},
        {"cell_type": "mingru", "num_layers": 2, "pooling": "last+max"},
        {"cell_type": "minlstm", "bidirectional": False, "one_way": "backward", "pooling": "attention"},
        {"cell_type": "sru", "num_layers": 2, "stack": "apart", "pooling": "last"},
        {"cell_type": "sru", "hidden_size": 5, "num_layers": 2},
        {"unit": "character"},
        {"unit": "bpe", "vocabulary_size": 300, "lowercase": False},
    ],
    ids=str,
)
def test_every_kind_of_model_runs_the_same_without_torch(changed, tmp_path):
    model = small(**changed).fit(TEXTS, LABELS)
    model.save(tmp_path / "model")
    texts = ["", "joy", *TEXTS[:7], "gloom " * 70]
    np.testing.assert_allclose(
        bothways.load(tmp_path / "model").predict_proba(texts), model.predict_proba(texts), atol=1e-5
    )


def test_training_goes_on_from_a_folder(folder, tmp_path):
    again = TextClassifier.load(folder)
    before = again.trained_.model.embedding.weight.detach().clone()
    again.set_params(epochs=1).partial_fit(TEXTS, LABELS)
    assert again.trained_.tokenizer.to_json() == TextClassifier.load(folder).trained_.tokenizer.to_json()
    after = again.trained_.model.embedding.weight
    assert not np.array_equal(before.numpy(), after.detach().numpy())
    assert np.abs(before.numpy() - after.detach().numpy()).max() < 0.2
    again.save(tmp_path / "again")


def test_going_on_needs_no_file_of_vectors_that_it_would_not_read(tmp_path):
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("joy 1 2 3\ngloom 3 2 1\n", encoding="utf-8")
    model = small(vectors=str(vectors), epochs=1).fit(TEXTS, LABELS)
    vectors.unlink()
    model.partial_fit(TEXTS, LABELS)
    with pytest.raises(MissingFileError):
        model.fit(TEXTS, LABELS)


def test_only_plain_files_are_saved(folder):
    kinds = {path.suffix for path in folder.iterdir()}
    assert kinds <= {".json", ".safetensors", ".onnx", ".csv", ".png", ".md"}


def test_probabilities_sum_to_one(model):
    probabilities = model.predict_proba(TEXTS)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert model.classes_[probabilities.argmax(axis=1)].tolist() == model.predict(TEXTS).tolist()


# Sequences of numbers


def rising(rows, seed=0):
    random = np.random.default_rng(seed)
    sequences, labels = [], []
    for row in range(rows):
        steps = np.cumsum(random.normal(size=(random.integers(4, 12), 2)), axis=0) * 50 + 1000
        sequences.append(steps[::-1] if row % 2 else steps)
        labels.append(int(steps[0, 0] < steps[-1, 0]) if row % 2 == 0 else int(steps[-1, 0] < steps[0, 0]))
    return sequences, labels


def test_sequences_of_numbers_are_classified(tmp_path):
    sequences, labels = rising(200)
    model = small(epochs=12, pooling="last").fit(sequences, labels)
    fresh, truth = rising(100, seed=1)
    assert model.score(fresh, truth) > 0.85
    model.save(tmp_path / "numbers")
    np.testing.assert_allclose(
        bothways.load(tmp_path / "numbers").predict_proba(fresh), model.predict_proba(fresh), atol=1e-5
    )


def test_a_list_of_numbers_is_a_sequence_of_one_number_a_step():
    sequences = [[1.0, 2.0, 3.0], [3.0, 1.0], [2.0]] * 4
    model = small(epochs=1).fit(sequences, ["a", "b", "b"] * 4)
    nested = [[[step] for step in sequence] for sequence in sequences]
    np.testing.assert_array_equal(model.predict_proba(sequences), model.predict_proba(nested))


# Options


def test_class_weights_make_a_rare_class_count():
    texts, labels = toy_texts(200)
    rows = [row for row in range(200) if labels[row] == "bad" or row % 20 == 1]
    texts, labels = [texts[row] for row in rows], [labels[row] for row in rows]
    rare = ["bad", "good"].index(min(set(labels), key=labels.count))
    plain, weighted = (
        small(epochs=2, lr=0.01, class_weight=weight).fit(texts, labels)._logits(texts) for weight in (None, "balanced")
    )
    other = 1 - rare
    assert (weighted[:, rare] - weighted[:, other]).mean() > (plain[:, rare] - plain[:, other]).mean() + 0.1


def test_several_seeds_give_mean_and_deviation_and_keep_the_best():
    model = small(seeds=3).fit(TEXTS, LABELS)
    by_seed = model.trained_.by_seed
    assert [row["seed"] for row in by_seed] == [0, 1, 2]
    assert model.history_[model.best_epoch_ - 1]["macro_f1"] == max(row["macro_f1"] for row in by_seed)


def test_a_seed_that_went_astray_leaves_the_mean_of_the_others_scores():
    trained = small(seeds=2, epochs=1).fit(TEXTS, LABELS).trained_
    trained.by_seed[1]["loss"] = float("nan")
    accuracies = [row["accuracy"] for row in trained.by_seed]
    said = spread(trained)
    assert f"accuracy {mean(accuracies):.4f} ± {stdev(accuracies):.4f}" in said
    assert "loss nan; the best one was kept." in said


def test_a_seed_that_diverged_is_named_and_its_missing_scores_are_no_numbers():
    trained = small(seeds=2, epochs=1).fit(TEXTS, LABELS).trained_
    trained.by_seed[1] = {"seed": 1, "epoch": 1, "train_loss": float("nan"), "macro_f1": float("nan")}
    assert "Over 2 seeds: accuracy nan, macro f1 nan, loss nan; the best one was kept." in spread(trained)


def test_refit_trains_on_all_rows():
    model = small(refit=True).fit(TEXTS, LABELS)
    assert any("Trained again on all 120 rows" in note for note in model.trained_.notes)
    assert model.trained_.facts["rows"] == 120
    assert model.trained_.facts["steps"] == sum(len(text.split()) for text in TEXTS)


@pytest.mark.parametrize("lost_in", [1, 2])
def test_a_refit_that_diverges_leaves_the_model_before_it(lost_in, monkeypatch):
    train = classification.train

    def astray(job, settings, **rest):
        outcome = train(job, settings, **rest)
        if job.validate is None:
            del outcome.history[lost_in:]
            outcome.history[-1]["train_loss"] = float("nan")
            outcome.best_epoch = 1
        return outcome

    lasting = {"monitor": "loss"}
    alone = small(**lasting).fit(TEXTS, LABELS)
    assert alone.best_epoch_ == 2
    monkeypatch.setattr(classification, "train", astray)
    model = small(**lasting, refit=True).fit(TEXTS, LABELS)
    note = "The training on all rows diverged: the model before it is kept. Try a lower lr."
    assert model.trained_.notes == [*alone.trained_.notes, note]
    np.testing.assert_array_equal(model.predict_proba(TEXTS), alone.predict_proba(TEXTS))


@pytest.mark.parametrize("validation_size", [0.2, 0.0])
def test_a_training_that_diverges_is_refused_with_what_to_do(validation_size, monkeypatch):
    monkeypatch.setattr(Classifier, "forward", lambda self, *given: FORWARD(self, *given) * float("nan"))
    with pytest.raises(DataError, match=r"^The training diverged in epoch 1: .* Try a lower lr\.$"):
        small(validation_size=validation_size).fit(TEXTS, LABELS)


def test_validation_rows_that_are_given_choose_the_epoch():
    texts, labels = toy_texts(30, seed=2)
    model = small().fit(TEXTS, LABELS, validation=(texts, labels))
    assert model.trained_.facts["rows"] == 120
    assert model.trained_.scores.rows == 30
    targets = np.array([model.classes_.tolist().index(label) for label in labels])
    assert model.trained_.temperature == pytest.approx(fit_temperature(model._logits(texts), targets), rel=1e-3)


def test_without_validation_rows_the_last_epoch_is_kept():
    model = small(validation_size=0.0).fit(TEXTS, LABELS)
    assert model.best_epoch_ == 2
    assert model.trained_.scores is None


def test_pretrained_vectors_are_used_and_kept_if_frozen(tmp_path):
    (tmp_path / "v.txt").write_text("joy 1 2 3 4 5 6 7 8\ngloom 8 7 6 5 4 3 2 1\n")
    model = small(vectors=str(tmp_path / "v.txt"), freeze_vectors=True).fit(TEXTS, LABELS)
    place = model.trained_.tokenizer.vocabulary.index("joy")
    assert model.trained_.model.embedding.weight[place].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


# Bad input


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        ([], [], "There are no rows to train on"),
        (["a", "b"], ["x"], "There are 2 texts and 1 labels, but each text needs one label"),
        ("a b", ["x"], "texts is one str, but it must be a list of texts"),
        (["a", None, "b"] * 4, ["x", "y", "x"] * 4, r"texts\[1\] is NoneType 'None', but it must be a str"),
        (["a", "b"] * 4, ["x", None] * 4, r"labels\[1\] has no label"),
        (["a", "b"] * 4, ["x"] * 8, "All 8 rows have the label 'x', but two labels or more are needed"),
        (["a", "b"] * 4, [["x", "y"], ["x"]] * 4, "several labels a row are not supported"),
        (["a", "b"] * 4, [0.5, 1.5] * 4, "0.5 is a label, but classify needs classes, not measured numbers"),
        (["a", "b"] * 4, ["x", 1] * 4, r"Labels are of several types \(int, str\)"),
        ([f"t{n}" for n in range(40)], [f"l{n}" for n in range(40)], "look like numbers or free text, not classes"),
        ([[1.0], [2.0, float("nan")]] * 4, ["x", "y"] * 4, r"sequences\[1\] holds a NaN or an infinity"),
        ([[[1.0, 2.0]], [[1.0]]] * 4, ["x", "y"] * 4, r"sequences\[1\] has 1 numbers a step, but 2 are expected"),
    ],
)
def test_input_that_cannot_be_trained_on_is_refused(texts, labels, message):
    with pytest.raises(DataError, match=message) as caught:
        small().fit(texts, labels)
    assert "\n" not in str(caught.value)


def test_predicting_before_fitting_is_refused():
    with pytest.raises(NotFittedError, match=r"is not trained yet\. Call fit"):
        TextClassifier().predict(["a"])


def test_an_existing_folder_is_not_overwritten(model, folder):
    with pytest.raises(OutputError, match="Choose another place with --out, or replace it with --force"):
        model.save(folder)


def test_a_new_label_cannot_be_trained_further(model):
    with pytest.raises(DataError, match="'ugly' is a label that the model never had: it knows bad, good"):
        clone(model).fit(TEXTS, LABELS).partial_fit(["a", "b"] * 4, ["bad", "ugly"] * 4)


def test_texts_of_any_kind_are_predicted(model, folder):
    texts = ["", " ", "\x00\x01", "joy\x00gloom", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 🎬 中文", "w " * 100_000]
    runner = bothways.load(folder)
    assert len(runner.predict(texts)) == len(texts)
    assert (runner.cut, runner.empty) == (1, 2)
    np.testing.assert_allclose(runner.predict_proba(texts), model.predict_proba(texts), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "lists"),
    [
        ("TextClassifier", 2), ("SequenceTagger", 2), ("IntentParser", 3), ("HiddenMarkovTagger", 1),
        ("LanguageModel", 1), ("GapFiller", 1), ("Translator", 2), ("Forecaster", 1),
    ],
)  # fmt: skip
def test_what_was_left_out_is_named(name, lists):
    for missing in range(lists):
        given = [["a"] if place != missing else None for place in range(lists)]
        with pytest.raises(DataError, match=f"{('X', 'y', 'intents')[missing]} is None, but it must be given"):
            getattr(bothways, name)().fit(*given)


# What is passed in


def test_a_whole_table_is_refused_and_a_column_of_any_table_is_read(model):
    frame = pd.DataFrame({"review": TEXTS, "label": LABELS})
    message = r"is a table, but it must be one of its columns: 'review'"
    for use in (model.predict, model.predict_proba):
        with pytest.raises(DataError, match="texts " + message):
            use(frame[["review"]])
    with pytest.raises(DataError, match="texts " + message):
        small().fit(frame[["review"]], LABELS)
    with pytest.raises(DataError, match="labels is a table, but it must be one of its columns: 'label'"):
        small().fit(TEXTS, frame[["label"]])
    arrow = pa.table({"review": TEXTS, "label": LABELS})
    found = small().fit(arrow["review"], arrow["label"])
    np.testing.assert_array_equal(found.predict(arrow["review"]), small().fit(TEXTS, LABELS).predict(TEXTS))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((TEXTS, LABELS, {"validation": TEXTS}), r"validation holds 120 elements, but it must be \(texts, labels\)"),
        (([[]] * 8, [0, 1] * 4, {}), "Every sequence is empty, so there is nothing to learn from"),
        (([float("nan"), *TEXTS[1:]], LABELS, {}), r"texts\[0\] is float 'nan', but it must be a str"),
        ((TEXTS, [None, *LABELS[1:]], {}), r"has no label\. Fill it in, or leave such rows out"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_in_one_line(given, message):
    texts, labels, more = given
    with pytest.raises(DataError, match=message) as caught:
        small().fit(texts, labels, **more)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("changed", [{"unit": "character"}, {"lowercase": False}, {"vectors": "no.txt"}])
def test_going_on_refuses_another_vocabulary_and_other_rows(model, changed):
    with pytest.raises(SettingsError, match=f"{next(iter(changed))} is .* but the network was trained with"):
        clone_of(model).set_params(**changed).partial_fit(TEXTS, LABELS)
    with pytest.raises(DataError, match=r"texts\[0\] is ndarray"):
        clone_of(model).partial_fit([[1.0, 2.0]] * 4, ["good", "bad"] * 2)


def clone_of(model):
    return copy.deepcopy(model)


def test_numpy_s_numbers_are_saved_as_python_s(tmp_path):
    model = small(seed=np.int64(3), epochs=np.int32(1), seeds=np.int64(2)).fit(TEXTS, LABELS)
    model.save(tmp_path / "model")
    assert TextClassifier.load(tmp_path / "model").seed == 3


def test_a_classifier_names_the_seed_that_diverged(monkeypatch):
    train = classification.train

    def astray(job, settings, **rest):
        outcome = train(job, settings, **rest)
        if job.identity.endswith("-1"):
            outcome.history[-1]["train_loss"] = float("nan")
            del outcome.history[1:]
            outcome.history[0]["train_loss"], outcome.best_epoch = float("nan"), 1
        return outcome

    monkeypatch.setattr(classification, "train", astray)
    trained = small(seeds=2).fit(TEXTS, LABELS).trained_
    assert "Seed 1: The training diverged in epoch 1. Try a lower lr." in trained.notes


def test_a_setting_is_true_or_false_and_no_array_of_such():
    assert small(bidirectional=np.True_).check() is None
    with pytest.raises(SettingsError, match="bidirectional is .* but it must be True or False"):
        small(bidirectional=np.array([True, False])).check()


def test_metrics_of_a_training_that_diverged_later_are_json_that_every_reader_takes(tmp_path):
    model = small(epochs=1).fit(TEXTS, LABELS)
    model.history_.append({"epoch": 2, "train_loss": float("nan"), "loss": float("nan")})
    model.save(tmp_path / "model")

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    saved = json.loads((tmp_path / "model" / "metrics.json").read_text(), parse_constant=refuse)
    assert saved["history"][1] == {"epoch": 2, "train_loss": None, "loss": None}
    np.testing.assert_array_equal(TextClassifier.load(tmp_path / "model").predict(TEXTS), model.predict(TEXTS))
