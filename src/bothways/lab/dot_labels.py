"""Names beside the dots of a picture, so that none covers another name, a dot or a bar."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bothways.training.canvas import GREY, font_families, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

_DIRECTIONS = 16  # tried around a dot, the right first
_STEP, _RINGS = 9.0, 14  # points between one ring of places and the next, and how many are tried
_LEADER = 20.0  # points: a name that stands farther away than this is joined to its dot by a line


@dataclass(frozen=True)
class Dot:
    """A dot with bars, and its name."""

    x: float
    y: float
    bar_x: float  # how far the bars reach to either side; 0 without
    bar_y: float
    name: str
    colour: str


def place_labels(figure: Figure, axes: Axes, dots: Sequence[Dot]) -> None:
    """Write a name beside each dot, at the nearest place that is free; far ones are joined to their dot by a line.

    Call it last, when the limits of the axes are final. A name for which no place is free stands at its dot's right.

    Args:
        figure: one that Agg draws.
        axes: where the dots are.
        dots: what is to be named; they are drawn already.
    """
    canvas: Any = figure.canvas
    canvas.draw()
    renderer = canvas.get_renderer()
    scale = figure.dpi / 72  # pixels in a point
    room = axes.get_window_extent(renderer)
    middles = [axes.transData.transform((dot.x, dot.y)).tolist() for dot in dots]
    taken = [_around(x, y, 6 * scale, 6 * scale) for x, y in middles]
    taken += [_reach(axes, dot, 2 * scale) for dot in dots]
    taken += [line.get_window_extent(renderer) for line in axes.lines if line.get_linestyle() != "None"]
    legend = axes.get_legend()
    if legend is not None:
        taken.append(legend.get_window_extent(renderer))
    look: dict[str, Any] = {"fontsize": 8, "parse_math": False, "usetex": False, "fontfamily": font_families()}
    for here, dot in zip(middles, dots, strict=True):
        text = axes.annotate(
            plain(dot.name), (dot.x, dot.y), xytext=(_STEP, 0), textcoords="offset points", ha="center", va="center",
            color=dot.colour, **look,
        )  # fmt: skip
        size = text.get_window_extent(renderer)
        chosen = _free_place(here, (size.width, size.height), taken, room, scale)
        text.set_position((chosen[0] / scale, chosen[1] / scale))
        taken.append(_around(here[0] + chosen[0], here[1] + chosen[1], size.width / 2, size.height / 2))
        away = math.hypot(max(0.0, abs(chosen[0]) - size.width / 2), max(0.0, abs(chosen[1]) - size.height / 2))
        if away > _LEADER * scale:
            axes.annotate(
                "", (dot.x, dot.y), xytext=text.get_position(), textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6, "shrinkA": 8, "shrinkB": 5},
            )  # fmt: skip


def _free_place(
    here: Any, size: tuple[float, float], taken: Sequence[Bbox], room: Bbox, scale: float
) -> tuple[float, float]:
    """Find how far from a dot, in pixels, a name's middle can stand: the nearest ring first."""
    wide, high = size[0] / 2, size[1] / 2
    for ring in range(1, _RINGS + 1):
        for turn in range(_DIRECTIONS):
            angle = 2 * math.pi * turn / _DIRECTIONS
            x = math.cos(angle) * (wide + ring * _STEP * scale)
            y = math.sin(angle) * (high + ring * _STEP * scale)
            place = _around(here[0] + x, here[1] + y, wide, high)
            inside = room.x0 <= place.x0 and place.x1 <= room.x1 and room.y0 <= place.y0 and place.y1 <= room.y1
            if inside and not any(place.overlaps(other) for other in taken):
                return x, y
    return wide + _STEP * scale, 0.0


def _reach(axes: Axes, dot: Dot, least: float) -> Bbox:
    """Find what a dot's bars cover, in pixels, as one box for both: near a dot nothing should be written."""
    (left, low), (right, high) = axes.transData.transform(
        [(dot.x - dot.bar_x, dot.y - dot.bar_y), (dot.x + dot.bar_x, dot.y + dot.bar_y)]
    ).tolist()
    known = math.isfinite(left)  # on a logarithmic scale a bar may reach below 0
    wide = max(least, (right - left) / 2) if known else least
    return _around((left + right) / 2 if known else right, (low + high) / 2, wide, max(least, (high - low) / 2))


def _around(x: float, y: float, wide: float, high: float) -> Bbox:
    from matplotlib.transforms import Bbox

    return Bbox.from_extents(x - wide, y - high, x + wide, y + high)
