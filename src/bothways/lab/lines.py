"""Lines and dots of compared networks: how each looks in every picture, means over seeds, legends, baselines.

A cell has its colour and its marker in every picture, a direction its line: both ways solid, forward dashed, backward
dotted. The colours are those of Okabe and Ito (2008), which the colour-blind can tell apart.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.training.canvas import GREY, new_figure, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

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
_LINES = {"both": "-", "forward": "--", "backward": ":", "past": "--", "future": ":"}
_DIRECTIONS = ("both", "forward", "backward", "past", "future")
_MOST_IN_ONE_PANEL = 6  # lines; of more each direction has a panel of its own
_MOST_MARKED = 40  # points of a line


def draw_panels(
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

    known = in_order(lines)
    panels = by_panel(known) or [known]
    figure = new_figure(2.2 + (5.4 if len(panels) == 1 else 3.2 * len(panels)), 4.0)
    every = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    drawn: list[Any] = []
    for axes, readers in zip(every, panels, strict=True):
        for reader in readers:
            draw_seeds(
                axes, reader, lines[reader], solid=len(panels) > 1, spread=spread, among=known, mean=mean_of_seeds
            )
        drawn = draw_baselines(axes, baselines)
        if len(panels) > 1:
            axes.set_title(in_words(readers[0][1]), fontsize=10)
        if whole_numbers:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        finish(axes, x_name, y_name if axes is every[0] else "")
    add_legend(figure, every[-1], known, drawn, by_cell=len(panels) > 1)
    return figure


def by_panel(known: Sequence[Reader]) -> list[list[Reader]]:
    """Share many readers out to a panel for each direction; few stay together."""
    directions = dict.fromkeys(direction for _, direction in known)
    if len(known) <= _MOST_IN_ONE_PANEL or len(directions) < 2:
        return [list(known)] if known else []
    return [[reader for reader in known if reader[1] == direction] for direction in directions]


def draw_seeds(
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
    look = look_of(reader, among, solid=solid)
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


def draw_baselines(axes: Axes, baselines: Mapping[str, Baseline]) -> list[Any]:
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


def add_legend(
    figure: Figure, axes: Axes, known: Sequence[Reader], others: Sequence[Any], *, by_cell: bool = False
) -> None:
    """Name every line once, right of the panels; with `by_cell` colours alone, for directions are titles."""
    from matplotlib.lines import Line2D

    named = {(cell if by_cell else name_of((cell, way))): (cell, way) for cell, way in known}
    handles = [
        Line2D([], [], **look_of(reader, known, solid=by_cell), markersize=4, label=plain(name))
        for name, reader in named.items()
    ]
    handles += list(others)
    if handles:
        figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=8, handlelength=2.6)
    else:
        say_nothing(axes)


def say_nothing(axes: Axes) -> None:
    axes.text(0.5, 0.5, "nothing to draw", transform=axes.transAxes, ha="center", va="center", color=GREY)
    axes.set(xticks=[], yticks=[])


def finish(axes: Axes, x_name: str, y_name: str) -> None:
    axes.set_xlabel(x_name, parse_math=False)
    axes.set_ylabel(y_name, parse_math=False)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def mean_of_seeds(values: Floats) -> Floats:
    """Average the seeds, (S,N) -> (N,), those left out that miss a value; NaN where all do."""
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    return np.where(counts, np.where(known, values, 0.0).sum(axis=0) / np.maximum(counts, 1), np.nan)


def _extremes(values: Floats) -> tuple[Floats, Floats]:
    """Find the smallest and the largest of the seeds, infinite where none has a value."""
    known = np.isfinite(values)
    return np.where(known, values, np.inf).min(axis=0), np.where(known, values, -np.inf).max(axis=0)


def geometric_mean(values: Floats) -> Floats:
    """Average the logarithms of the seeds; NaN where one misses its value: it may be an exact zero."""
    return np.asarray(np.exp(np.log(values).mean(axis=0)))


def look_of(reader: Reader, among: Iterable[Reader], *, solid: bool = False) -> dict[str, Any]:
    """Give a reader's colour, marker and line; cells of others' making get what is left, in order."""
    others = sorted({cell for cell, _ in among} - set(_COLOURS))
    cell, direction = reader
    place = others.index(cell) if cell in others else 0
    return {
        "color": _COLOURS.get(cell, _OTHER_COLOURS[place % len(_OTHER_COLOURS)]),
        "marker": _MARKERS.get(cell, _OTHER_MARKERS[place % len(_OTHER_MARKERS)]),
        "linestyle": "-" if solid else _LINES.get(direction, "-."),
    }


def in_order(readers: Iterable[Reader]) -> list[Reader]:
    """Sort readers: the cells as they are listed everywhere, both ways first."""
    cells, ways = list(_COLOURS), list(_DIRECTIONS)

    def rank(reader: Reader) -> tuple[int, str, int, str]:
        cell, way = reader
        return (
            cells.index(cell) if cell in cells else len(cells), cell,
            ways.index(way) if way in ways else len(ways), way,
        )  # fmt: skip

    return sorted(set(readers), key=rank)


def name_of(reader: Reader) -> str:
    return f"{plain(reader[0])}, {reader[1]}"


def in_words(direction: str) -> str:
    return {"both": "both ways", "forward": "forward only", "backward": "backward only"}.get(direction, direction)


def number(value: float | None) -> float:
    """Read a number that may be missing or infinite: NaN then."""
    return float(value) if value is not None and math.isfinite(value) else math.nan


def numbers(values: Sequence[float | None]) -> Floats:
    return np.array([number(value) for value in values], dtype=np.float64)
