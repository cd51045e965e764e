"""Pictures of compared networks, drawn from plain numbers, so that a report can draw them again from its files.

A cell has its colour and its marker in every picture, a direction its line: both ways solid, forward dashed, backward
dotted. The colours are those of Okabe and Ito (2008), which the colour-blind can tell apart. Of several seeds the thick
line is the mean, as far as the shortest, and the thin ones are the seeds. Values that are missing (None) or no
number (NaN, infinity) leave a gap.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.lab.dot_labels import Dot, place_labels
from bothways.training.canvas import GREY, new_figure, own_style, plain, save_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Reader = tuple[str, str]  # cell, direction
    Baseline = float | None | Sequence[tuple[float, float]]  # a score, or one for each distance

_COLOURS = {
    "rnn": "#000000",
    "lstm": "#0072B2",
    "gru": "#D55E00",
    "mingru": "#009E73",
    "minlstm": "#CC79A7",
    "sru": "#E69F00",
}
_OTHER_COLOURS = ("#56B4E9", "#8C564B", "#7F7F7F", "#6A3D9A")
_MARKERS = {"rnn": "o", "lstm": "s", "gru": "^", "mingru": "D", "minlstm": "v", "sru": "P"}
_OTHER_MARKERS = ("X", "<", ">", "*")
_LINES = {"both": "-", "forward": "--", "backward": ":"}
_DIRECTIONS = ("both", "forward", "backward")
_MOST_IN_ONE_PANEL = 6  # lines; of more each direction has a panel of its own
_MOST_MARKED = 40  # points of a line
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
    seconds: float | None  # of training
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
        values = _numbers(run.values)
        lines[run.cell, run.direction].append((np.arange(1.0, len(values) + 1), values))
    with own_style():
        figure = _draw_panels(lines, "epoch", f"{metric} on validation", baselines or {}, whole_numbers=True)
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
        by_seed[point.cell, point.direction][point.seed][point.distance] = _number(point.score)
    lines: dict[Reader, list[tuple[Floats, Floats]]] = {}
    for reader, seeds in by_seed.items():
        places = np.array(sorted({place for seed in seeds.values() for place in seed}), dtype=np.float64)
        lines[reader] = [
            (places, np.array([seed.get(place, math.nan) for place in places.tolist()])) for seed in seeds.values()
        ]
    with own_style():
        figure = _draw_panels(lines, distance, metric, baselines or {}, spread=True)
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


def draw_gradient_norms(before: Sequence[Curve], after: Sequence[Curve], path: Path) -> Picture:
    """Draw the norms of the loss's gradient by distance, before training and after it, on one logarithmic scale.

    Args:
        before: of fresh networks; `values` are the norms at a distance of 0, 1, … steps.
        after: of the trained ones, or nothing.
        path: the PNG file to write.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    columns = [("before training", before), *([("after training", after)] if after else [])]
    known = _readers((curve.cell, curve.direction) for _, curves in columns for curve in curves)
    rows = _by_panel(known) or [known]
    with own_style():
        figure = new_figure(1.6 + 4.4 * len(columns), 1.2 + 3.0 * len(rows))
        grid = figure.subplots(len(rows), len(columns), squeeze=False, sharex=True, sharey=True)
        for (row, column), axes in np.ndenumerate(grid):
            name, curves = columns[column]
            lines: dict[Reader, list[tuple[Floats, Floats]]] = defaultdict(list)
            for curve in curves:
                values = _numbers(curve.values)
                values = np.where(values > 0, values, np.nan)
                lines[curve.cell, curve.direction].append((np.arange(float(len(values))), values))
            axes.set_yscale("log")
            for reader in rows[row]:
                solid = len(rows) > 1
                _draw_seeds(axes, reader, lines.get(reader, []), among=known, solid=solid, mean=_geometric_mean)
            axes.set_title(f"{name}, {_in_words(rows[row][0][1])}" if len(rows) > 1 else name, fontsize=10)
            last = row == len(rows) - 1
            _finish(axes, "distance (steps)" if last else "", "" if column else "norm of the gradient")
        _keep_decades(grid[0, 0], [value for _, curves in columns for curve in curves for value in curve.values])
        _add_legend(figure, grid[0, -1], known, [], by_cell=len(rows) > 1)
        save_picture(figure, path)
    return Picture(
        path.name,
        "Norm of the loss's gradient by distance",
        "Look at the slope: a line that falls steeply learns little from far steps (its gradient vanishes), a level "
        "one learns from all, one that rises explodes; where a line ends the gradient is exactly zero.",
    )


def draw_cost(
    rows: Sequence[Cost],
    path: Path,
    *,
    metric: str = "score",
    baselines: Mapping[str, Baseline] | None = None,
    higher_is_better: bool = True,
) -> Picture:
    """Draw what training cost against what came of it: a dot for each cell and direction, bars of one deviation.

    Args:
        rows: one for each cell, direction and seed; those that miss a number are left out.
        path: the PNG file to write.
        metric: what the score is called.
        baselines: names and scores of what needs no network.
        higher_is_better: False for losses and errors.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    from matplotlib.lines import Line2D

    found: dict[Reader, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        seconds, score = _number(row.seconds), _number(row.score)
        if math.isfinite(seconds) and math.isfinite(score):
            found[row.cell, row.direction].append((seconds, score))
    readers = _readers(found)
    with own_style():
        figure = new_figure(7.6, 4.8)
        axes = figure.add_subplot()
        dots = []
        for reader in readers:
            values = np.array(found[reader])
            (x, y), several = values.mean(axis=0).tolist(), len(values) > 1
            deviation = values.std(axis=0, ddof=1).tolist() if several else [None, None]
            look = _look(reader, readers)
            full = reader[1] == "both"
            axes.errorbar(
                x, y, xerr=deviation[0], yerr=deviation[1], color=look["color"],
                marker=look["marker"], markersize=7, markerfacecolor=look["color"] if full else "white",
                markeredgewidth=1.4, elinewidth=1.0, capsize=2.5, linestyle="none",
            )  # fmt: skip
            reach_x, reach_y = (bar or 0.0 for bar in deviation)
            dots.append(Dot(x, y, reach_x, reach_y, _name(reader), str(look["color"])))
        if not dots:
            _say_nothing(axes)
        _scale_costs(axes, [dot.x for dot in dots])
        near, far = _near_and_far(baselines or {}, [dot.y for dot in dots])
        drawn = _draw_baselines(axes, near)
        axes.margins(x=0.16, y=0.12)
        _finish(axes, "training (seconds)", metric)
        handles = [*drawn, *(Line2D([], [], linestyle="none", label=line) for line in far)]
        if handles:
            figure.legend(handles=handles, loc="outside upper right", frameon=False, fontsize=8, ncols=3)
        place_labels(figure, axes, dots)
        save_picture(figure, path)
    corner = "upper" if higher_is_better else "lower"
    return Picture(
        path.name,
        f"{metric} against the cost of training",
        f"Look to the {corner} left, good and cheap: a dot that has another above and to the left of it is not worth "
        "its price; bars are one deviation over seeds."
        if higher_is_better
        else f"Look to the {corner} left, good and cheap: a dot that has another below and to the left of it is not "
        "worth its price; bars are one deviation over seeds.",
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


def _draw_panels(
    lines: Mapping[Reader, list[tuple[Floats, Floats]]],
    x_name: str,
    y_name: str,
    baselines: Mapping[str, Baseline],
    *,
    whole_numbers: bool = False,
    spread: bool = False,
) -> Figure:
    """Draw all readers in one panel, or, of many, each direction in a panel of its own."""
    from matplotlib.ticker import MaxNLocator

    known = _readers(lines)
    panels = _by_panel(known) or [known]
    figure = new_figure(2.2 + (5.4 if len(panels) == 1 else 3.2 * len(panels)), 4.0)
    every = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    drawn: list[Any] = []
    for axes, readers in zip(every, panels, strict=True):
        for reader in readers:
            _draw_seeds(axes, reader, lines[reader], solid=len(panels) > 1, spread=spread, among=known, mean=_mean)
        drawn = _draw_baselines(axes, baselines)
        if len(panels) > 1:
            axes.set_title(_in_words(readers[0][1]), fontsize=10)
        if whole_numbers:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        _finish(axes, x_name, y_name if axes is every[0] else "")
    _add_legend(figure, every[-1], known, drawn, by_cell=len(panels) > 1)
    return figure


def _by_panel(known: Sequence[Reader]) -> list[list[Reader]]:
    """Share many readers out to a panel for each direction; few stay together."""
    directions = dict.fromkeys(direction for _, direction in known)
    if len(known) <= _MOST_IN_ONE_PANEL or len(directions) < 2:
        return [list(known)] if known else []
    return [[reader for reader in known if reader[1] == direction] for direction in directions]


def _draw_seeds(
    axes: Axes,
    reader: Reader,
    seeds: Sequence[tuple[Floats, Floats]],
    *,
    among: Sequence[Reader],
    solid: bool = False,
    spread: bool = False,
    mean: Callable[[Floats], Floats],
) -> None:
    """Draw the mean over seeds, thick, and the seeds: thin lines or, with `spread`, a band from worst to best."""
    if not seeds:
        return
    look = _look(reader, among, solid=solid)
    places = max((x for x, _ in seeds), key=len)
    values = np.full((len(seeds), len(places)), np.nan)
    for row, (_, seed) in enumerate(seeds):
        values[row, : len(seed)] = seed
    middle = mean(values)
    middle[min(len(seed) for _, seed in seeds) :] = np.nan  # those that go on would be a mean of the luckier
    if len(seeds) > 1 and spread:
        low, high = (np.where(np.isfinite(middle), found, np.nan) for found in _extremes(values))
        axes.fill_between(places, low, high, color=look["color"], alpha=0.15, linewidth=0)
    elif len(seeds) > 1:
        for x, seed in seeds:
            axes.plot(x, seed, color=look["color"], linestyle=look["linestyle"], linewidth=0.7, alpha=0.45)
    few = np.isfinite(middle).sum() <= _MOST_MARKED
    axes.plot(places, middle, **{**look, "marker": look["marker"] if few else ""}, markersize=4, linewidth=1.8)


def _draw_baselines(axes: Axes, baselines: Mapping[str, Baseline]) -> list[Any]:
    """Draw what needs no network in grey; returns what stands in the legend."""
    drawn = []
    styles = ("--", ":", "-.")
    given = [(name, value) for name, value in baselines.items() if value is not None]
    for number, (name, value) in enumerate(given):
        look: dict[str, Any] = {"color": GREY, "linestyle": styles[number % 3], "linewidth": 1.3, "label": plain(name)}
        if isinstance(value, (int, float)):
            if math.isfinite(value):
                drawn.append(axes.axhline(value, **look))
        else:
            drawn += axes.plot(*zip(*sorted(value), strict=True), **look)
    return drawn


def _add_legend(
    figure: Figure, axes: Axes, known: Sequence[Reader], others: Sequence[Any], *, by_cell: bool = False
) -> None:
    """Name every line once, right of the panels; with `by_cell` colours alone, for directions are titles."""
    from matplotlib.lines import Line2D

    named = {(cell if by_cell else _name((cell, way))): (cell, way) for cell, way in known}
    handles = [
        Line2D([], [], **_look(reader, known, solid=by_cell), markersize=4, label=plain(name))
        for name, reader in named.items()
    ]
    handles += list(others)
    if handles:
        figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=8, handlelength=2.6)
    else:
        _say_nothing(axes)


def _say_nothing(axes: Axes) -> None:
    axes.text(0.5, 0.5, "nothing to draw", transform=axes.transAxes, ha="center", va="center", color=GREY)
    axes.set(xticks=[], yticks=[])


def _finish(axes: Axes, x_name: str, y_name: str) -> None:
    axes.set_xlabel(x_name, parse_math=False)
    axes.set_ylabel(y_name, parse_math=False)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


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
    known = [value for value in map(_number, values) if value > 0 and math.isfinite(value)]
    if known:
        axes.set_ylim(max(min(known), max(known) * 10.0**-_DECADES) / 2, max(known) * 2)


def _mean(values: Floats) -> Floats:
    """Average the seeds, (S,N) -> (N,), those left out that miss a value; NaN where all do."""
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    return np.where(counts, np.where(known, values, 0.0).sum(axis=0) / np.maximum(counts, 1), np.nan)


def _extremes(values: Floats) -> tuple[Floats, Floats]:
    """Find the smallest and the largest of the seeds, infinite where none has a value."""
    known = np.isfinite(values)
    return np.where(known, values, np.inf).min(axis=0), np.where(known, values, -np.inf).max(axis=0)


def _geometric_mean(values: Floats) -> Floats:
    """Average the logarithms of the seeds; NaN where one misses its value: it may be an exact zero."""
    return np.asarray(np.exp(np.log(values).mean(axis=0)))


def _look(reader: Reader, among: Iterable[Reader], *, solid: bool = False) -> dict[str, Any]:
    """Give a reader's colour, marker and line; cells of others' making get what is left, in order."""
    others = sorted({cell for cell, _ in among} - set(_COLOURS))
    cell, direction = reader
    place = others.index(cell) if cell in others else 0
    return {
        "color": _COLOURS.get(cell, _OTHER_COLOURS[place % len(_OTHER_COLOURS)]),
        "marker": _MARKERS.get(cell, _OTHER_MARKERS[place % len(_OTHER_MARKERS)]),
        "linestyle": "-" if solid else _LINES.get(direction, "-."),
    }


def _readers(readers: Iterable[Reader]) -> list[Reader]:
    """Sort readers: the cells as they are listed everywhere, both ways first."""
    cells, ways = list(_COLOURS), list(_DIRECTIONS)

    def rank(reader: Reader) -> tuple[int, str, int, str]:
        cell, way = reader
        return (
            cells.index(cell) if cell in cells else len(cells), cell,
            ways.index(way) if way in ways else len(ways), way,
        )  # fmt: skip

    return sorted(set(readers), key=rank)


def _name(reader: Reader) -> str:
    return f"{plain(reader[0])}, {reader[1]}"


def _in_words(direction: str) -> str:
    return {"both": "both ways", "forward": "forward only", "backward": "backward only"}.get(direction, direction)


def _number(value: float | None) -> float:
    """Read a number that may be missing or infinite: NaN then."""
    return float(value) if value is not None and math.isfinite(value) else math.nan


def _numbers(values: Sequence[float | None]) -> Floats:
    return np.array([_number(value) for value in values], dtype=np.float64)
