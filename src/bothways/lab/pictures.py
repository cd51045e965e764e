"""Pictures of compared networks, drawn from plain numbers, so that a report can draw them again from its files.

Of several seeds the thick line is the mean, as far as the shortest, and the thin ones are the seeds. Values that are
missing (None) or no number (NaN, infinity) leave a gap.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bothways.lab.dot_labels import Dot, place_labels
from bothways.lab.lines import (
    add_legend,
    by_panel,
    draw_baselines,
    draw_panels,
    draw_seeds,
    finish,
    geometric_mean,
    in_order,
    in_words,
    look_of,
    name_of,
    number,
    numbers,
    say_nothing,
)
from bothways.training.canvas import new_figure, own_style, plain, save_picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from bothways.lab.lines import Baseline, Floats, Reader

_DECADES = 12  # of gradient norms below the largest


@dataclass(frozen=True)
class Picture:
    """A picture that was drawn."""

    file: str  # its name, without its folder
    title: str
    caption: str  # one sentence: what to look for in it


@dataclass(frozen=True)
class Curve:
    """Numbers in a row of one trained network: its score after each epoch, or its gradients' norms by distance."""

    cell: str
    direction: str
    seed: int
    values: Sequence[float | None]


@dataclass(frozen=True)
class Point:
    """The score of one trained network where what must be known stands so many steps away."""

    cell: str
    direction: str
    seed: int
    distance: float
    score: float | None


@dataclass(frozen=True)
class Cost:
    """What one trained network cost, and what it was worth."""

    cell: str
    direction: str
    seed: int
    paid: float | None
    score: float | None


def draw_comparison_curves(
    runs: Sequence[Curve], path: Path, *, metric: str = "score", baselines: Mapping[str, Baseline] | None = None
) -> Picture:
    """Draw the validation score of every run by epoch.

    Args:
        runs: one for each cell, direction and seed; `values` are the scores after epoch 1, 2, …
        path: the PNG file to write.
        metric: what the score is called.
        baselines: names and scores of what needs no network, such as {"majority class": 0.5}; drawn as level lines,
            the first dashed. None is left out.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    lines: dict[Reader, list[tuple[Floats, Floats]]] = defaultdict(list)
    for run in runs:
        values = numbers(run.values)
        lines[run.cell, run.direction].append((np.arange(1.0, len(values) + 1), values))
    with own_style():
        figure = draw_panels(lines, "epoch", f"{metric} on validation", baselines or {}, whole_numbers=True)
        save_picture(figure, path)
    return Picture(
        path.name,
        f"Validation {metric} by epoch",
        "Look at which line leaves the level of the trivial predictor first and where it flattens; thin lines are the "
        "seeds, and where they lie apart as far as two cells do, the cells are not told apart.",
    )


def draw_by_distance(
    points: Sequence[Point],
    path: Path,
    *,
    metric: str = "score",
    distance: str = "distance (steps)",
    baselines: Mapping[str, Baseline] | None = None,
) -> Picture:
    """Draw the score against how far away what must be known stands: means over seeds, from the worst to the best.

    Args:
        points: one for each cell, direction, seed and distance, in any order.
        path: the PNG file to write.
        metric: what the score is called.
        distance: what the distance is called.
        baselines: names and scores of what needs no network: one number, or pairs (distance, score).

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    by_seed: dict[Reader, dict[int, dict[float, float]]] = defaultdict(lambda: defaultdict(dict))
    for point in points:
        by_seed[point.cell, point.direction][point.seed][point.distance] = number(point.score)
    lines: dict[Reader, list[tuple[Floats, Floats]]] = {}
    for reader, seeds in by_seed.items():
        places = np.array(sorted({place for seed in seeds.values() for place in seed}), dtype=np.float64)
        lines[reader] = [
            (places, np.array([seed.get(place, math.nan) for place in places.tolist()])) for seed in seeds.values()
        ]
    with own_style():
        figure = draw_panels(lines, distance, metric, baselines or {}, spread=True)
        every = np.array(sorted({point.distance for point in points}), dtype=np.float64)
        for axes in figure.axes:
            _place_distances(axes, every)
        save_picture(figure, path)
    return Picture(
        path.name,
        f"{metric} by {distance}",
        "Look at where each line falls to the level of the trivial predictor: from that distance on, the network does "
        "not remember; bands reach from the worst seed to the best.",
    )


def draw_gradient_norms(
    before: Sequence[Curve], after: Sequence[Curve], path: Path, *, metric: str = "norm of the gradient"
) -> Picture:
    """Draw the norms of the loss's gradient by distance, before training and after it, on one logarithmic scale.

    Args:
        before: of fresh networks; `values` are the norms at a distance of 0, 1, … steps. The direction of a tagger's
            norms may be "past" or "future".
        after: of the trained ones, or nothing.
        path: the PNG file to write.
        metric: what the norm is called.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    from matplotlib.ticker import MaxNLocator

    columns = [("before training", before), *([("after training", after)] if after else [])]
    known = in_order((curve.cell, curve.direction) for _, curves in columns for curve in curves)
    rows = by_panel(known) or [known]
    with own_style():
        figure = new_figure(1.6 + 4.4 * len(columns), 1.2 + 3.0 * len(rows))
        grid = figure.subplots(len(rows), len(columns), squeeze=False, sharex=True, sharey=True)
        grid[0, 0].set_yscale("log")
        _keep_decades(grid[0, 0], [value for _, curves in columns for curve in curves for value in curve.values])
        for (row, column), axes in np.ndenumerate(grid):
            name, curves = columns[column]
            lines: dict[Reader, list[tuple[Floats, Floats]]] = defaultdict(list)
            for curve in curves:
                values = numbers(curve.values)
                values = np.where(values > 0, values, np.nan)
                lines[curve.cell, curve.direction].append((np.arange(float(len(values))), values))
            for reader in rows[row]:
                solid = len(rows) > 1
                draw_seeds(axes, reader, lines.get(reader, []), among=known, solid=solid, mean=geometric_mean)
            axes.set_title(f"{name}, {in_words(rows[row][0][1])}" if len(rows) > 1 else name, fontsize=10)
            last = row == len(rows) - 1
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            finish(axes, "distance (steps)" if last else "", "" if column else metric)
        add_legend(figure, grid[0, -1], known, [], by_cell=len(rows) > 1)
        save_picture(figure, path)
    return Picture(
        path.name,
        f"{metric} by distance",
        "Look at the slope: a line that falls steeply learns little from far steps (its gradient vanishes), a level "
        "one learns from all, as pooling by a maximum or a mean lets every cell do, one that rises explodes; where a "
        "line ends the gradient is exactly zero.",
    )


def draw_cost(
    rows: Sequence[Cost],
    path: Path,
    *,
    metric: str = "score",
    cost: str = "training (seconds)",
    baselines: Mapping[str, Baseline] | None = None,
    higher_is_better: bool = True,
) -> Picture:
    """Draw what was paid against what came of it: a dot for each cell and direction, bars of one deviation.

    Args:
        rows: one for each cell, direction and seed; those that miss a number are left out.
        path: the PNG file to write.
        metric: what the score is called.
        cost: what was paid, with its unit.
        baselines: names and scores of what needs no network.
        higher_is_better: False for losses and errors.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    from matplotlib.lines import Line2D

    found: dict[Reader, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        paid, score = number(row.paid), number(row.score)
        if math.isfinite(paid) and math.isfinite(score):
            found[row.cell, row.direction].append((paid, score))
    readers = in_order(found)
    with own_style():
        figure = new_figure(7.6, 4.8)
        axes = figure.add_subplot()
        dots = []
        for reader in readers:
            values = np.array(found[reader])
            (x, y), several = values.mean(axis=0).tolist(), len(values) > 1
            deviation = values.std(axis=0, ddof=1).tolist() if several else [None, None]
            look = look_of(reader, readers)
            full = reader[1] == "both"
            axes.errorbar(
                x, y, xerr=deviation[0], yerr=deviation[1], color=look["color"],
                marker=look["marker"], markersize=7, markerfacecolor=look["color"] if full else "white",
                markeredgewidth=1.4, elinewidth=1.0, capsize=2.5, linestyle="none",
            )  # fmt: skip
            reach_x, reach_y = (bar or 0.0 for bar in deviation)
            dots.append(Dot(x, y, reach_x, reach_y, name_of(reader), str(look["color"])))
        if not dots:
            say_nothing(axes)
        _scale_costs(axes, [dot.x for dot in dots])
        near, far = _near_and_far(baselines or {}, [dot.y for dot in dots])
        drawn = draw_baselines(axes, near)
        axes.margins(x=0.16, y=0.12)
        finish(axes, cost, metric)
        handles = [*drawn, *(Line2D([], [], linestyle="none", label=line) for line in far)]
        if handles:
            figure.legend(handles=handles, loc="outside upper right", frameon=False, fontsize=8, ncols=3)
        place_labels(figure, axes, dots)
        save_picture(figure, path)
    corner, side = ("upper", "above") if higher_is_better else ("lower", "below")
    return Picture(
        path.name,
        f"{metric} against the cost of {cost.split(' (')[0]}",
        f"Look to the {corner} left, good and cheap: a dot that has another {side} and to the left of it is not worth "
        "its price; bars are one deviation over seeds.",
    )


def _scale_costs(axes: Axes, costs: Sequence[float]) -> None:
    """Where the dearest costs eight times the cheapest, every doubling is as wide as the next."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    if costs and min(costs) > 0 and max(costs) >= 8 * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))
        axes.xaxis.set_minor_locator(NullLocator())


def _near_and_far(baselines: Mapping[str, Baseline], scores: Sequence[float]) -> tuple[dict[str, Baseline], list[str]]:
    """Part the baselines to draw from those so far off that dots would run together: these are told in words."""
    near: dict[str, Baseline] = {}
    far: list[str] = []
    low, high = (min(scores), max(scores)) if scores else (-math.inf, math.inf)
    for name, value in baselines.items():
        if isinstance(value, (int, float)) and not 2 * low - high <= value <= 2 * high - low and high > low:
            far.append(f"{plain(name)}: {value:.3g}, {'below' if value < low else 'above'} the picture")
        else:
            near[name] = value
    return near, far


def _place_distances(axes: Axes, every: Floats) -> None:
    """Mark the distances that were tried; far ones on a logarithmic scale."""
    from matplotlib.ticker import NullLocator

    if len(every) > 1 and every[0] > 0 and every[-1] >= 8 * every[0]:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    if 0 < len(every) <= 12:
        axes.set_xticks(every, [f"{place:g}" for place in every], fontsize=8)


def _keep_decades(axes: Axes, values: Sequence[float | None]) -> None:
    """Let the scale end twelve decades below the largest norm: what is less moves no weight."""
    known = [value for value in map(number, values) if value > 0 and math.isfinite(value)]
    if known:
        axes.set_ylim(max(min(known), max(known) * 10.0**-_DECADES) / 2, max(known) * 2)
