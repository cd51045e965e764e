"""What stands in the pictures: labels as they are, figures where they belong, files whole or absent."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from bothways.data.clock import Clock
from bothways.data.series import Series
from bothways.decoding.forecasting import Forecast, ForecastSpec
from bothways.decoding.translation import Translation
from bothways.errors import DataError, OutputError
from bothways.training.canvas import font_families, plain
from bothways.training.metrics import ClassificationScores, score_classification
from bothways.training.pictures import (
    draw_attention,
    draw_confusion,
    draw_contributions,
    draw_forecast,
    draw_learning_curves,
    draw_reliability,
)

HISTORY = [
    {"epoch": 1, "train_loss": 0.9, "loss": 0.8, "accuracy": 0.6, "macro_f1": 0.5, "lr": 1e-3},
    {"epoch": 2, "train_loss": 0.5, "loss": 0.6, "accuracy": 0.8, "macro_f1": 0.7, "lr": 1e-3},
    {"epoch": 3, "train_loss": 0.3, "loss": 0.7, "accuracy": 0.7, "macro_f1": None, "lr": 1e-3},
]


def scores_of(labels: list[str], strange: str = "") -> ClassificationScores:
    """Score two rows of each label but the last, whose second row went to the first label."""
    truth = [label for label in labels for _ in range(2)]
    probabilities = np.repeat(np.eye(len(labels)), 2, axis=0)
    probabilities[-1] = np.eye(len(labels))[0]
    if strange:
        truth, probabilities = [*truth, strange], np.concatenate([probabilities, np.eye(len(labels))[1:2]])
    return score_classification(truth, probabilities, labels)


def is_picture(path) -> bool:
    pixels = imread(path)
    return pixels.shape[0] > 200 and pixels.shape[1] > 200 and bool(pixels[..., :3].std() > 0.01)


def test_labels_are_drawn_as_they_stand_and_not_as_formulas(tmp_path, drawn):
    labels = ["$x^2$", "$\\broken{$", "a_b^c", "100%"]

    draw_confusion(scores_of(labels), tmp_path / "confusion.png")

    ticks = drawn[0].axes[0].get_yticklabels() + drawn[0].axes[0].get_xticklabels()
    assert [tick.get_text() for tick in ticks] == labels * 2
    assert not any(tick.get_parse_math() or tick.get_usetex() for tick in ticks)
    assert is_picture(tmp_path / "confusion.png")


def test_cells_hold_the_counts_in_rows_of_the_truth(tmp_path, drawn):
    draw_confusion(scores_of(["ants", "bees", "cats"], strange="zebra"), tmp_path / "confusion.png")

    axes = drawn[0].axes[0]
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert len(cells) == 12
    assert cells[(0, 2)] == "1"
    assert cells[(2, 0)] == "0"
    assert cells[(1, 3)] == "1"
    assert axes.get_yticklabels()[3].get_text() == "(not in training)"
    np.testing.assert_allclose(axes.images[0].get_array()[2], [0.5, 0.0, 0.5])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")


def test_labels_of_any_script_and_any_damage_are_drawn_without_a_warning(tmp_path):
    draw_confusion(scores_of(["好评", "שלום", "😀", "\x1b[31m\x00", "\ud800", ""]), tmp_path / "confusion.png")

    assert is_picture(tmp_path / "confusion.png")


def test_many_classes_keep_the_picture_small_and_every_shown_label_in_its_place(tmp_path, drawn):
    labels = [f"class {number:03}" for number in range(130)]

    draw_confusion(scores_of(labels), tmp_path / "confusion.png")

    axes = drawn[0].axes[0]
    ticks = [(place, tick.get_text()) for place, tick in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)]
    assert 30 < len(ticks) <= 60
    assert all(labels[int(place)] == text for place, text in ticks)
    assert max(drawn[0].get_size_inches()) < 20


def test_labels_lose_what_cannot_be_printed_and_long_ones_are_cut():
    assert plain("good\n\x1b[1m news\u200b") == "good [1m news"
    assert plain("x" * 24) == "x" * 24
    assert plain("x" * 25) == "x" * 23 + "…"
    assert plain(" \t") == "(empty)"


def test_curves_hold_the_history_and_mark_the_epoch_that_was_kept(tmp_path, drawn):
    draw_learning_curves(HISTORY, tmp_path / "curves.png", best_epoch=2)

    panels = drawn[0].axes
    lines = [{line.get_label(): line.get_xydata().tolist() for line in panel.get_lines()} for panel in panels]
    assert lines[0]["training"] == [[1, 0.9], [2, 0.5], [3, 0.3]]
    assert lines[0]["validation"] == [[1, 0.8], [2, 0.6], [3, 0.7]]
    assert lines[1]["accuracy"] == [[1, 0.6], [2, 0.8], [3, 0.7]]
    assert lines[1]["macro-F1"] == [[1, 0.5], [2, 0.7]]
    assert all(panel["kept: epoch 2"] == [[2, 0], [2, 1]] for panel in lines)
    assert [panel.get_ylabel() for panel in panels] == ["loss (nats)", "score on validation (0 to 1)"]
    assert is_picture(tmp_path / "curves.png")


ZERO_TO_ONE, ZERO_TO_HUNDRED = "score on validation (0 to 1)", "score on validation (0 to 100)"


@pytest.mark.parametrize(
    ("keys", "panels"),
    [
        (["perplexity"], ["perplexity on validation"]),
        (["mse"], ["mean squared error on validation (scaled)"]),
        (
            ["perplexity", "bleu", "chrf", "exact"],  # of a translator: BLEU chose the epoch
            ["perplexity on validation", ZERO_TO_HUNDRED, ZERO_TO_ONE],
        ),
        (["accuracy", "f1", "intent_accuracy", "sentence"], [ZERO_TO_ONE]),
        ([], []),
    ],
    ids=str,
)
def test_every_score_of_a_task_has_its_curve_among_those_of_its_scale(tmp_path, drawn, keys, panels):
    history = [
        {"epoch": epoch, "train_loss": 0.5, "loss": 0.6, **{key: epoch / 10 + place for place, key in enumerate(keys)}}
        for epoch in (1, 2)
    ]

    draw_learning_curves(history, tmp_path / "curves.png", best_epoch=2, loss_in="squares")

    losses, *scores = drawn[0].axes
    assert losses.get_ylabel() == "loss (squares)"
    assert [axes.get_ylabel() for axes in scores] == panels
    curves = [line for axes in scores for line in axes.get_lines() if not line.get_label().startswith("kept")]
    drawn_values = sorted(list(line.get_ydata()) for line in curves)
    assert drawn_values == [pytest.approx([place + 0.1, place + 0.2]) for place in range(len(keys))]
    assert all(axes.get_legend() is not None for axes in scores)
    assert len({(id(line.axes), line.get_color()) for line in curves}) == len(keys)


def test_the_dots_of_reliability_hold_the_calibration_error_of_the_scores(tmp_path, drawn):
    generator = np.random.default_rng(1)
    # Thirtieths: half of them are the very edges of the 15 bins.
    probabilities = generator.multinomial(30, generator.dirichlet([0.5] * 3, size=80)) / 30
    truth = generator.integers(3, size=80)
    right = probabilities.argmax(axis=1) == truth
    scores = score_classification([str(label) for label in truth], probabilities, ["0", "1", "2"])

    draw_reliability(probabilities, right, tmp_path / "reliability.png")

    axes = drawn[0].axes[0]
    dots = axes.collections[0]
    sure, hits = np.asarray(dots.get_offsets()).T
    rows = (dots.get_sizes() - 16) / 300 * 80
    assert rows.sum() == pytest.approx(80)
    assert sure @ rows == pytest.approx(probabilities.max(axis=1).sum())
    assert hits @ rows == pytest.approx(right.sum())
    assert np.abs(hits - sure) @ rows / 80 == pytest.approx(scores.calibration_error)
    assert axes.get_title() == f"80 rows · calibration error {scores.calibration_error:.4f}"
    assert is_picture(tmp_path / "reliability.png")


def test_answers_that_are_as_sure_as_they_are_right_lie_on_the_diagonal(tmp_path, drawn):
    probabilities = np.array([[0.75, 0.25]] * 4 + [[0.0, 1.0]] * 2)

    draw_reliability(probabilities, np.array([True, True, False, True, True, True]), tmp_path / "reliability.png")

    dots = np.asarray(drawn[0].axes[0].collections[0].get_offsets())
    np.testing.assert_allclose(dots, [[0.75, 0.75], [1.0, 1.0]])


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_history_of_one_epoch_or_none_is_drawn(tmp_path, drawn, epochs):
    draw_learning_curves(HISTORY[:epochs], tmp_path / "curves.png", best_epoch=epochs)

    assert is_picture(tmp_path / "curves.png")
    if epochs:
        low, high = drawn[0].axes[0].get_xlim()
        assert [tick for tick in drawn[0].axes[0].get_xticks() if low <= tick <= high] == [1]


def test_what_the_user_set_in_matplotlib_neither_shows_nor_changes(tmp_path):
    draw_learning_curves(HISTORY, tmp_path / "plain.png", best_epoch=2)
    with matplotlib.rc_context({"text.usetex": True, "axes.facecolor": "black", "font.size": 30}):
        before = dict(matplotlib.rcParams)
        draw_learning_curves(HISTORY, tmp_path / "mine.png", best_epoch=2)
        assert dict(matplotlib.rcParams) == before

    assert (imread(tmp_path / "mine.png") == imread(tmp_path / "plain.png")).all()


def test_a_disk_that_fails_while_writing_leaves_the_old_picture_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "curves.png"
    path.write_bytes(b"old")

    def fail(figure: Figure, place, **_: object) -> None:
        place.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OutputError, match=r"^curves\.png cannot be written: No space left on device\. Choose"):
        draw_learning_curves(HISTORY, path, best_epoch=2)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_said_by_the_name_of_the_file_alone(tmp_path):
    with pytest.raises(OutputError, match=r"^curves\.png cannot be written: No such file or directory\. Choose"):
        draw_learning_curves(HISTORY, tmp_path / "absent" / "curves.png", best_epoch=2)


def test_importing_loads_no_heavy_library_and_drawing_no_pyplot(tmp_path):
    program = f"""
import sys
from pathlib import Path
import bothways.training.baselines, bothways.training.metrics
from bothways.training.pictures import draw_learning_curves
heavy = {{"torch", "lightning_fabric", "sklearn", "scipy", "matplotlib"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
draw_learning_curves({HISTORY!r}, Path({str(tmp_path / "curves.png")!r}), best_epoch=1)
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_attention_is_drawn_as_it_is_with_words_on_both_sides_and_its_entropy(drawn, tmp_path):
    looks = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0]])
    translation = Translation("你好", -1.0, -2.0, ["hello", " ", "(end)"], ["你好", "(end)"], looks)
    draw_attention(translation, tmp_path / "look.png")
    axes, spread = drawn[0].axes
    np.testing.assert_array_equal(axes.images[0].get_array(), looks)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["hello", "␣", "(end)"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["你好", "(end)"]
    widths = [bar.get_width() for bar in spread.patches]
    assert widths == pytest.approx([-(0.7 * np.log(0.7) + 0.2 * np.log(0.2) + 0.1 * np.log(0.1)), 0], abs=1e-9)
    assert imread(tmp_path / "look.png").shape[0] > 100
    with pytest.raises(DataError, match="There is no attention to draw"):
        draw_attention(Translation("", 0.0, 0.0, ["(end)"], ["(end)"], None), tmp_path / "none.png")


def draw_future(columns, path):
    spec = ForecastSpec(
        columns=columns, targets=len(columns), time=None, by=None, clock=Clock("row", "row", 1.0),
        mean=[0.0] * len(columns), deviation=[1.0] * len(columns), window=4, horizon=2, quantiles=[], centring="last",
        apart=False, season=None, seen_until=0.0,
    )  # fmt: skip
    series = Series(None, np.arange(6.0), np.ones((6, len(columns))))
    draw_forecast(series, Forecast(["6", "7"], np.ones((2, len(columns))), np.ones((2, len(columns), 0))), spec, path)


def test_columns_of_a_forecast_are_named_as_they_stand_and_those_left_out_are_counted(drawn, tmp_path):
    draw_future(["$x_", "$\\broken{$", "温度"], tmp_path / "few.png")
    draw_future([f"column {number}" for number in range(11)], tmp_path / "many.png")

    few, many = (figure.axes for figure in drawn)
    assert [axes.get_ylabel() for axes in few] == ["$x_", "$\\broken{$", "温度"]
    for axes in few:
        assert not axes.yaxis.label.get_parse_math()
        assert axes.yaxis.label.get_fontfamily() == font_families()
    assert few[0].get_title() == ""
    assert len(many) == 8
    assert many[0].get_title() == "the first 8 of 11 columns"


def test_contributions_have_their_whole_probability_and_say_how_many_words_are_left_out(drawn, tmp_path):
    label = "$好评$ of a length that has no room"
    counts = np.arange(300.0)
    draw_contributions(["a", " ", "b"], *np.ones((2, 3)), label, 0.1234, tmp_path / "few.png")
    draw_contributions([f"word {number}" for number in range(300)], counts, counts, "good", 0.5, tmp_path / "many.png")

    (few,), (many,) = (figure.axes for figure in drawn)
    assert few.get_title() == f"{plain(label)}, 0.123"
    assert not few.title.get_parse_math()
    assert few.title.get_fontfamily() == font_families()
    assert [tick.get_text() for tick in few.get_yticklabels()] == ["a", "␣", "b"]
    assert many.get_title() == "good, 0.500 · the 60 of 300 words that count most"
    assert [tick.get_text() for tick in many.get_yticklabels()] == [f"word {number}" for number in range(240, 300)]


def test_a_picture_goes_into_a_file_of_its_own_kind_alone(tmp_path):
    (tmp_path / "scores.csv").write_text("kept")
    with pytest.raises(OutputError, match=r"^scores\.csv is no name for a picture\. Name a file that ends in \.png\.$"):
        draw_learning_curves(HISTORY, tmp_path / "scores.csv", best_epoch=2)
    assert (tmp_path / "scores.csv").read_text() == "kept"
    with pytest.raises(OutputError, match=r"^a\.png cannot be written: Not a directory\. Choose another place\.$"):
        draw_learning_curves(HISTORY, tmp_path / "scores.csv" / "a.png", best_epoch=2)
