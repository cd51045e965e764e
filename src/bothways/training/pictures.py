"""Pictures of scores and of a training's course, as PNG files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bothways.errors import DataError
from bothways.training.canvas import (
    BLUE,
    FEW_LABELS,
    GREY,
    MOST_LABELS,
    ORANGE,
    font_families,
    label_ticks,
    new_figure,
    own_style,
    plain,
    save_picture,
    visible,
)
from bothways.training.metrics import CALIBRATION_BINS, ClassificationScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bothways.data.series import Series
    from bothways.decoding.forecasting import Forecast, ForecastSpec
    from bothways.decoding.translation import Translation

_MOST_PANELS = 8
_GREEN, _PINK = "#009e73", "#cc79a7"
# What may be known of validation data after an epoch, by scale: the key in the history, the name, the colour.
_SCALES: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    ("perplexity on validation", (("perplexity", "perplexity", BLUE),)),
    ("mean squared error on validation (scaled)", (("mse", "mean squared error", BLUE),)),
    ("score on validation (0 to 100)", (("bleu", "BLEU", BLUE), ("chrf", "chrF", ORANGE))),
    (
        "score on validation (0 to 1)",
        (
            ("accuracy", "accuracy", BLUE),
            ("macro_f1", "macro-F1", ORANGE),
            ("f1", "F1 of entities", ORANGE),
            ("exact", "exact", ORANGE),
            ("intent_accuracy", "accuracy of intents", _PINK),
            ("sentence", "whole sentences", _GREEN),
        ),
    ),
)


def draw_confusion(scores: ClassificationScores, path: Path) -> None:
    """Draw the confusion matrix: colour is the share of the true class, figures are rows (up to 20 classes).

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    counts = scores.confusion
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows, columns = counts.shape
    with_numbers = columns <= FEW_LABELS
    cell = 0.62 if with_numbers else min(0.18, 12 / columns)  # inches
    margin = 0.085 * max(len(plain(label)) for label in scores.confusion_labels)
    with own_style():
        figure = new_figure(2.6 + margin + cell * columns, 2.0 + margin + cell * rows)
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal", interpolation="nearest")
        bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, aspect=30)
        bar.set_label("share of the true class")
        label_ticks(axes, "x", scores.confusion_labels[:columns])
        label_ticks(axes, "y", scores.confusion_labels)
        if with_numbers:
            _write_cells(axes, counts, shares)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        low, high = scores.accuracy_interval
        axes.set_title(
            f"{scores.rows:,} rows · accuracy {scores.accuracy:.1%}\n(95% interval {low:.1%} to {high:.1%})",
            fontsize=10,
        )
        save_picture(figure, path)


def draw_learning_curves(
    history: Sequence[Mapping[str, Any]], path: Path, *, best_epoch: int, loss_in: str = "nats"
) -> None:
    """Draw loss (training and validation) and scores by epoch, with the epoch that was kept marked.

    Args:
        history: one row an epoch: epoch, train_loss, loss (of validation), and scores of any task, those of one scale
            in a panel of their own; what is missing or None is left out. Other keys are not drawn.
        path: the PNG file to write.
        best_epoch: the epoch whose weights were kept.
        loss_in: what the loss is measured in.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    known = {key for row in history for key, value in row.items() if value is not None}
    panels = [
        (f"loss ({loss_in})", (("train_loss", "training", GREY), ("loss", "validation", BLUE))),
        *((name, curves) for name, curves in _SCALES if any(key in known for key, *_ in curves)),
    ]
    columns, lines = min(2, len(panels)), -(-len(panels) // 2)
    with own_style():
        figure = new_figure(4.5 * columns, 3.8 * lines)
        for place, (name, curves) in enumerate(panels):
            axes = figure.add_subplot(lines, columns, place + 1)
            _draw_curves(axes, history, curves, best_epoch)
            axes.set_ylabel(name)
        save_picture(figure, path)


def draw_reliability(probabilities: npt.NDArray[np.floating[Any]], right: npt.NDArray[np.bool_], path: Path) -> None:
    """Draw how often answers are right against how sure they are: below the diagonal they are too sure.

    Args:
        probabilities: float (B, K), each row summing to 1; at least one row.
        right: bool (B,), whether the most probable class is the true one.
        path: the PNG file to write. It has one dot for each bin of `calibration_error`; its area grows with the rows.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    top = np.asarray(probabilities, dtype=np.float64).max(axis=1)
    places = np.clip(np.ceil(top * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    _, bins, rows = np.unique(places, return_inverse=True, return_counts=True)
    sure, hits = np.bincount(bins, top) / rows, np.bincount(bins, right) / rows
    error = np.abs(hits - sure) @ rows / len(top)
    with own_style():
        figure = new_figure(4.6, 4.6)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1.2)
        axes.scatter(sure, hits, s=16 + 300 * rows / len(top), color=BLUE, alpha=0.7)
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
        axes.set_xlabel("probability of the answer")
        axes.set_ylabel("share of answers that are right")
        axes.set_title(f"{len(top):,} rows · calibration error {error:.4f}", fontsize=10)
        save_picture(figure, path)


def draw_forecast(series: "Series", forecast: "Forecast", spec: "ForecastSpec", path: Path) -> None:
    """Draw the end of a series and its forecast, a panel for each column, the quantiles as bands.

    Of more than eight columns the first are drawn, and the title says so.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    names = spec.names[:_MOST_PANELS]
    shown = min(len(series.values), max(spec.window, 2 * spec.horizon))
    before, after = np.arange(-shown, 0), np.arange(len(forecast.mean))
    with own_style():
        figure = new_figure(9, 1.2 + 2.2 * len(names))
        panels = figure.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
        for place, (name, axes) in enumerate(zip(names, panels, strict=True)):
            history = series.values[-shown:, place]
            mean, quantiles = forecast.mean[:, place], forecast.quantiles[:, place]
            axes.plot(before, history, color=GREY, linewidth=1.2, label="known")
            for rank in range(quantiles.shape[1] // 2):
                low, high = spec.quantiles[rank], spec.quantiles[-1 - rank]
                axes.fill_between(
                    after, quantiles[:, rank], quantiles[:, -1 - rank], color=BLUE, alpha=0.2, linewidth=0,
                    label=f"{low:g} to {high:g} of probability",
                )  # fmt: skip
            axes.plot(after, mean, color=BLUE, linewidth=1.6, label="forecast")
            axes.axvline(-0.5, color=GREY, linewidth=0.8, linestyle=":")
            axes.set_ylabel(plain(name), parse_math=False, fontfamily=font_families())
            axes.spines[["top", "right"]].set_visible(False)
        panels[0].legend(loc="upper left", frameon=False, fontsize=8)
        if len(names) < len(spec.names):
            panels[0].set_title(f"the first {len(names)} of {len(spec.names):,} columns", fontsize=10)
        places = sorted({-shown, -shown // 2, 0, len(after) - 1})
        every = [*(spec.clock.spell(time) for time in series.times[-shown:]), *forecast.times]
        panels[-1].set_xticks(places, [plain(every[shown + place]) for place in places])
        save_picture(figure, path)


def draw_heat_maps(
    maps: Sequence[tuple[str, Sequence[str], Sequence[str], npt.NDArray[np.floating[Any]]]], path: Path, *, columns: int
) -> None:
    """Draw shares between 0 and 1 as maps side by side: darker is more.

    Args:
        maps: title, names of the rows, names of the columns, and the shares, float (rows, columns), of each.
        path: the PNG file to write.
        columns: maps beside each other.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    lines = -(-len(maps) // columns)
    wide, high = max(shares.shape[1] for *_, shares in maps), max(shares.shape[0] for *_, shares in maps)
    with own_style():
        figure = new_figure(1.0 + columns * (0.9 + 0.3 * wide), lines * (1.2 + 0.3 * high))
        for place, (title, rows, names, shares) in enumerate(maps):
            axes = figure.add_subplot(lines, columns, place + 1)
            axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
            label_ticks(axes, "x", names)
            label_ticks(axes, "y", rows)
            axes.set_title(title, fontsize=10)
        save_picture(figure, path)


def draw_contributions(
    words: Sequence[str],
    forward: npt.NDArray[np.floating[Any]],
    backward: npt.NDArray[np.floating[Any]],
    label: str,
    probability: float,
    path: Path,
) -> None:
    """Draw what each word adds, read forwards and backwards, as bars below each other.

    Of more than 60 words those that add or take most are drawn, in order, and the title says so.

    Args:
        words: T.
        forward: float (T,).
        backward: float (T,).
        label: the answer that is explained.
        probability: of that answer.
        path: the PNG file to write.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    largest = np.sort(np.argsort(-np.abs(forward + backward), kind="stable")[:MOST_LABELS])
    rows = np.arange(len(largest))
    title = f"{plain(label)}, {probability:.3f}"
    if len(largest) < len(words):
        title += f" · the {len(largest)} of {len(words):,} words that count most"
    with own_style():
        figure = new_figure(7, 1.4 + 0.24 * len(rows))
        axes = figure.add_subplot()
        for number, (name, values, colour) in enumerate(
            (("read forwards", forward[largest], BLUE), ("read backwards", backward[largest], ORANGE))
        ):
            axes.barh(rows + 0.4 * number - 0.2, values, height=0.4, color=colour, label=name)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.invert_yaxis()
        axes.set_yticks(rows)
        names = [plain(visible(words[row])) for row in largest]
        axes.set_yticklabels(names, parse_math=False, usetex=False, fontfamily=font_families(), fontsize=9)
        axes.set_xlabel("adds to the log odds")
        axes.set_title(title, fontsize=10, parse_math=False, fontfamily=font_families())
        axes.legend(frameon=False, fontsize=8)
        axes.grid(axis="x", alpha=0.25)
        axes.spines[["top", "right", "left"]].set_visible(False)
        save_picture(figure, path)


def draw_attention(translation: "Translation", path: Path) -> None:
    """Draw which source words each word of a translation looked at, and beside each row how spread its look was.

    Raises:
        DataError: the model has no attention.
        OutputError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    shares = translation.attention
    if shares is None:
        raise DataError("There is no attention to draw: the source is empty, or the model was trained without.")
    rows, columns = shares.shape
    cell = min(0.34, 12 / max(rows, columns))  # inches
    with own_style():
        figure = new_figure(3.4 + cell * columns, 1.9 + cell * rows)
        looks, spread = figure.subplots(1, 2, sharey=True, width_ratios=[max(2.0, cell * columns), 0.9])
        looks.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        for side, words in (("x", translation.source_words), ("y", translation.target_words)):
            label_ticks(looks, side, [visible(word) for word in words])
        looks.xaxis.tick_top()
        looks.set_xlabel("source")
        looks.set_ylabel("translation, from the top")
        spread.barh(np.arange(rows), translation.entropies, color=ORANGE, height=0.7)
        spread.set_xlim(0, max(1.0, float(np.log(columns))))
        spread.set_xlabel("entropy\n(nats)")
        spread.tick_params(left=False)
        spread.spines[["top", "right"]].set_visible(False)
        save_picture(figure, path)


def _write_cells(axes: "Axes", counts: np.ndarray[Any, Any], shares: np.ndarray[Any, Any]) -> None:
    for (row, column), count in np.ndenumerate(counts):
        shade = "white" if shares[row, column] > 0.5 else "black"
        size = 9 if count < 100_000 else 6
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=shade, fontsize=size)


def _draw_curves(
    axes: "Axes", history: Sequence[Mapping[str, Any]], curves: Sequence[tuple[str, str, str]], best_epoch: int
) -> None:
    """Draw one curve for each (key, name, colour) that has a value."""
    from matplotlib.ticker import MaxNLocator

    for key, name, colour in curves:
        points = [(row["epoch"], row[key]) for row in history if row.get(key) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), color=colour, label=name, marker="o", markersize=3.5, linewidth=1.6)
    if any(row["epoch"] == best_epoch for row in history):
        axes.axvline(best_epoch, color="black", linestyle=":", linewidth=1.2, label=f"kept: epoch {best_epoch}")
    if axes.has_data():
        axes.legend(frameon=False, fontsize=9)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if history:
        axes.set_xlim(history[0]["epoch"] - 0.4, history[-1]["epoch"] + 0.4)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
