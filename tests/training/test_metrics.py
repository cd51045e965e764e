"""Scores against scikit-learn and plain loops, and the laws of intervals, calibration and temperatures."""

import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, precision_recall_fscore_support

from bothways.decoding.probabilities import softmax
from bothways.errors import DataError
from bothways.training.metrics import UNKNOWN_ROW, fit_temperature, score_answers, score_classification

CLASSES = ["ants", "bees", "cats", "dogs"]


def random_answers(rows: int, seed: int, classes: list[str] = CLASSES) -> tuple[list[str], np.ndarray]:
    """Draw true labels, and probabilities that lean towards them."""
    generator = np.random.default_rng(seed)
    true = generator.integers(len(classes), size=rows)
    logits = generator.normal(size=(rows, len(classes))) + 1.2 * np.eye(len(classes))[true]
    return [classes[index] for index in true], softmax(logits)


def answers(probabilities: np.ndarray, classes: list[str] = CLASSES) -> list[str]:
    return [classes[index] for index in probabilities.argmax(axis=1)]


def mean_loss(logits: np.ndarray, targets: np.ndarray, temperature: float) -> float:
    return float(-np.log(softmax(logits, temperature)[np.arange(len(targets)), targets]).mean())


@pytest.mark.parametrize("rows", [1, 7, 300])
def test_every_score_agrees_with_scikit_learn(rows):
    truth, probabilities = random_answers(rows, seed=rows)
    predicted = answers(probabilities)

    scores = score_classification(truth, probabilities, CLASSES)

    assert scores.accuracy == pytest.approx(accuracy_score(truth, predicted), abs=1e-12)
    assert scores.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0), abs=1e-12)
    assert scores.log_loss == pytest.approx(log_loss(truth, probabilities, labels=CLASSES), abs=1e-12)
    assert (scores.confusion == confusion_matrix(truth, predicted, labels=CLASSES)).all()
    theirs = precision_recall_fscore_support(truth, predicted, labels=CLASSES, zero_division=0)
    np.testing.assert_allclose([list(line[1:]) for line in scores.by_class], np.transpose(theirs), atol=1e-12)


def test_labels_that_training_never_had_are_wrong_but_not_in_the_log_loss():
    truth, probabilities = random_answers(60, seed=3)
    strange = [*truth, "zebra", "yak", "zebra"]
    more = np.concatenate([probabilities, probabilities[:3]])

    scores = score_classification(strange, more, CLASSES)

    assert scores.accuracy == pytest.approx(accuracy_score(strange, answers(more)))
    assert scores.macro_f1 == pytest.approx(f1_score(strange, answers(more), average="macro", zero_division=0))
    assert scores.log_loss == pytest.approx(log_loss(truth, probabilities, labels=CLASSES))
    assert scores.unknown_labels == {"yak": 1, "zebra": 2}
    assert scores.confusion_labels == [*CLASSES, UNKNOWN_ROW]
    assert scores.confusion[4].tolist() == [answers(probabilities[:3]).count(label) for label in CLASSES]
    assert [line.support for line in scores.by_class[4:]] == [1, 2]
    assert scores.notes == [
        "3 rows with 2 labels that training never had ('yak', 'zebra'): counted wrong, and left out of the log loss."
    ]


def test_without_any_known_label_there_is_no_log_loss():
    scores = score_classification(["zebra"], np.array([[0.5, 0.5]]), ["ants", "bees"])

    assert (scores.accuracy, scores.macro_f1) == (0.0, 0.0)
    assert scores.to_dict()["log_loss"] is None


def test_a_class_that_is_neither_true_nor_predicted_is_left_out_of_macro_f1_and_said():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.7, 0.3, 0.0]])

    scores = score_classification(["ants", "bees", "bees"], probabilities, ["ants", "bees", "cats"])

    assert scores.macro_f1 == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert scores.notes == ["1 class neither true nor predicted here: left out of macro-F1."]


def test_the_order_of_the_rows_does_not_matter():
    truth, probabilities = random_answers(50, seed=5)
    order = np.random.default_rng(6).permutation(50)

    ours = score_classification(truth, probabilities, CLASSES).to_dict()
    shuffled = score_classification([truth[row] for row in order], probabilities[order], CLASSES).to_dict()

    for name in ("log_loss", "calibration_error"):
        assert ours.pop(name) == pytest.approx(shuffled.pop(name), abs=1e-12)
    assert ours == shuffled


def test_intervals_hold_the_score_and_narrow_with_the_root_of_the_rows():
    widths = []
    for rows in (200, 3200):
        scores = score_classification(*random_answers(rows, seed=8), CLASSES)
        for value, (low, high) in (
            (scores.accuracy, scores.accuracy_interval),
            (scores.macro_f1, scores.macro_f1_interval),
        ):
            assert low < value < high
            widths.append(high - low)

    few_accuracy, few_f1, many_accuracy, many_f1 = widths
    assert few_accuracy / many_accuracy == pytest.approx(4, rel=0.2)
    assert few_f1 / many_f1 == pytest.approx(4, rel=0.2)


def test_the_interval_of_accuracy_is_the_normal_one_of_95_percent_for_many_rows():
    scores = score_classification(*random_answers(5000, seed=19), CLASSES)
    low, high = scores.accuracy_interval
    deviation = np.sqrt(scores.accuracy * (1 - scores.accuracy) / 5000)

    assert (high - low) / (2 * deviation) == pytest.approx(1.96, rel=0.08)


def test_intervals_agree_with_resampling_the_rows_one_by_one():
    truth, probabilities = random_answers(90, seed=9)
    true, predicted = np.array(truth), np.array(answers(probabilities))
    generator = np.random.default_rng(10)
    draws = [generator.integers(90, size=90) for _ in range(250)]
    f1s = [f1_score(true[rows], predicted[rows], average="macro", zero_division=0) for rows in draws]
    accuracies = [accuracy_score(true[rows], predicted[rows]) for rows in draws]

    scores = score_classification(truth, probabilities, CLASSES)

    np.testing.assert_allclose(scores.accuracy_interval, np.quantile(accuracies, [0.025, 0.975]), atol=0.03)
    np.testing.assert_allclose(scores.macro_f1_interval, np.quantile(f1s, [0.025, 0.975]), atol=0.03)


def test_the_bootstrap_in_pieces_covers_every_class_and_repeats_with_its_seed(monkeypatch):
    truth, probabilities = random_answers(400, seed=11)
    whole = score_classification(truth, probabilities, CLASSES, seed=1)
    monkeypatch.setattr("bothways.training.metrics._CELLS_AT_ONCE", 70)

    assert score_classification(truth, probabilities, CLASSES, seed=1).to_dict() == whole.to_dict()
    assert score_classification(truth, probabilities, CLASSES, seed=2).accuracy_interval != whole.accuracy_interval


def test_labels_drawn_from_the_probabilities_are_calibrated_and_sharpened_ones_are_not():
    generator = np.random.default_rng(12)
    logits = generator.normal(size=(20_000, 3))
    true = [CLASSES[generator.choice(3, p=row)] for row in softmax(logits[:6000])]

    honest = score_classification(true, softmax(logits[:6000]), CLASSES[:3])
    boastful = score_classification(true, softmax(logits[:6000], temperature=0.25), CLASSES[:3])

    assert honest.calibration_error < 0.03
    assert boastful.calibration_error > 0.2


def test_calibration_error_agrees_with_a_loop_over_bins():
    truth, probabilities = random_answers(83, seed=13)
    confidence = probabilities.max(axis=1)
    right = np.array(truth) == np.array(answers(probabilities))
    expected = 0.0
    for index in range(15):
        inside = (confidence > index / 15) & (confidence <= (index + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())

    assert score_classification(truth, probabilities, CLASSES).calibration_error == pytest.approx(expected, abs=1e-12)


def test_certain_and_right_is_perfect_in_every_number():
    scores = score_classification(CLASSES, np.eye(4), CLASSES)

    assert (scores.accuracy, scores.macro_f1, scores.log_loss, scores.calibration_error) == (1, 1, 0, 0)
    assert scores.accuracy_interval == scores.macro_f1_interval == (1.0, 1.0)


def test_scores_survive_json_unchanged():
    truth, probabilities = random_answers(20, seed=14)
    scores = score_classification([*truth[:-1], "zebra"], probabilities.astype(np.float32), CLASSES).to_dict()

    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_answers_alone_get_the_same_accuracy_and_macro_f1():
    truth, probabilities = random_answers(40, seed=15)
    truth[0] = "zebra"
    scores = score_classification(truth, probabilities, CLASSES)

    assert score_answers(truth, answers(probabilities), CLASSES) == {
        "accuracy": scores.accuracy,
        "macro_f1": scores.macro_f1,
    }


@pytest.mark.parametrize(
    ("truth", "probabilities", "message"),
    [
        ([], np.zeros((0, 2)), r"^There are no rows to score"),
        (["ants"], np.full((2, 2), 0.5), r"shape \(2, 2\), but 1 labels and 2 classes need \(1, 2\)"),
        (["ants", "bees"], np.array([[0.5, 0.5], [0.9, 0.9]]), r"^Row 2 holds no probabilities"),
        (["ants", "bees"], np.array([[np.nan, 0.5], [0.9, 0.1]]), r"^Row 1 holds no probabilities"),
    ],
)
def test_what_cannot_be_scored_is_refused(truth, probabilities, message):
    with pytest.raises(DataError, match=message):
        score_classification(truth, probabilities, ["ants", "bees"])


def test_the_temperature_is_the_best_of_a_fine_grid():
    generator = np.random.default_rng(16)
    logits, targets = 4 * generator.normal(size=(60, 3)), generator.integers(3, size=60)
    grid = np.geomspace(0.05, 20, 4001)
    best = grid[np.argmin([mean_loss(logits, targets, temperature) for temperature in grid])]

    assert fit_temperature(logits, targets) == pytest.approx(best, rel=2e-3)


@pytest.mark.parametrize("seed", range(6))
def test_a_temperature_never_raises_the_loss(seed):
    generator = np.random.default_rng(seed)
    logits, targets = generator.normal(size=(9, 4)) * 10 ** generator.uniform(-3, 3), generator.integers(4, size=9)
    temperature = fit_temperature(logits, targets)

    assert 0.05 <= temperature <= 20
    assert mean_loss(logits, targets, temperature) <= mean_loss(logits, targets, 1.0) + 1e-12


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_scaled_logits_scale_the_temperature(scale):
    generator = np.random.default_rng(17)
    targets = generator.integers(3, size=80)
    logits = generator.normal(size=(80, 3)) + 2 * np.eye(3)[targets]

    assert fit_temperature(scale * logits, targets) == pytest.approx(scale * fit_temperature(logits, targets), rel=1e-6)


def test_targets_drawn_at_a_temperature_give_that_temperature_back():
    generator = np.random.default_rng(18)
    logits = 3 * generator.normal(size=(4000, 3))
    targets = np.array([generator.choice(3, p=row) for row in softmax(logits, 2.5)])

    assert fit_temperature(logits, targets) == pytest.approx(2.5, rel=0.08)


@pytest.mark.parametrize(
    ("logits", "targets"),
    [
        (np.zeros((0, 3)), np.zeros(0, dtype=np.int64)),
        (np.ones((4, 1)), np.zeros(4, dtype=np.int64)),
        (np.full((3, 2), 7.0), np.array([0, 1, 1])),
        (np.array([[2.0, 1.0], [0.0, 5.0]]), np.array([0, 1])),
    ],
    ids=["no rows", "one class", "equal logits", "all right"],
)
def test_the_temperature_stays_one_where_there_is_nothing_to_fit(logits, targets):
    assert fit_temperature(logits, targets) == 1.0


def test_scores_worse_than_chance_are_evened_out_as_far_as_allowed():
    assert fit_temperature(np.array([[2.0, 1.0], [0.0, 5.0]]), np.array([1, 0])) == 20.0


def test_a_training_that_diverged_is_named():
    with pytest.raises(
        DataError, match=r"^The training diverged: what it gives is no finite number\. Try a lower lr\.$"
    ):
        fit_temperature(np.array([[0.0, np.nan]]), np.array([0]))
