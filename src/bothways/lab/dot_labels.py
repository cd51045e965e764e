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
_STEP = 9.0  # points between one ring of places and the next
_NEAR, _FAR = 5, 40  # rings that are tried: those where bars are left free too, and all
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

    In a crowd names may cover bars, but neither dots nor each other. Call it last, when the limits of the axes are
    final. A name for which no place is free stands at its dot's right.

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
    bars = [bar for dot in dots for bar in _bars(axes, dot, 2 * scale)]
    bars += [line.get_window_extent(renderer) for line in axes.lines if line.get_linestyle() != "None"]
    look: dict[str, Any] = {"fontsize": 8, "parse_math": False, "usetex": False, "fontfamily": font_families()}
    for here, dot in zip(middles, dots, strict=True):
        placed = {"xy": (dot.x, dot.y), "textcoords": "offset points", "ha": "center", "va": "center", **look}
        trial = axes.annotate(plain(dot.name), xytext=(0, 0), **placed)
        extent = trial.get_window_extent(renderer)
        trial.remove()
        size = extent.width, extent.height
        x, y = (
            _free_place(here, size, [*taken, *bars], room, scale, _NEAR)
            or _free_place(here, size, taken, room, scale, _FAR)
            or (size[0] / 2 + _STEP * scale, 0.0)
        )
        taken.append(_around(here[0] + x, here[1] + y, size[0] / 2, size[1] / 2))
        away = math.hypot(max(0.0, abs(x) - size[0] / 2), max(0.0, abs(y) - size[1] / 2))
        if away > _LEADER * scale:
            placed["arrowprops"] = {"arrowstyle": "-", "color": GREY, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 5}
        axes.annotate(plain(dot.name), xytext=(x / scale, y / scale), color=dot.colour, **placed)


def _free_place(
    here: Any, size: tuple[float, float], taken: Sequence[Bbox], room: Bbox, scale: float, rings: int
) -> tuple[float, float] | None:
    """Find how far from a dot, in pixels, a name's middle can stand: the nearest ring first."""
    wide, high = size[0] / 2, size[1] / 2
    for ring in range(1, rings + 1):
        for turn in range(_DIRECTIONS):
            angle = 2 * math.pi * turn / _DIRECTIONS
            x = math.cos(angle) * (wide + ring * _STEP * scale)
            y = math.sin(angle) * (high + ring * _STEP * scale)
            place = _around(here[0] + x, here[1] + y, wide, high)
            inside = room.x0 <= place.x0 and place.x1 <= room.x1 and room.y0 <= place.y0 and place.y1 <= room.y1
            if inside and not any(place.overlaps(other) for other in taken):
                return x, y
    return None


def _bars(axes: Axes, dot: Dot, least: float) -> list[Bbox]:
    """Find what a dot's bars cover, in pixels: one that lies and one that stands."""
    boxes = []
    for reach_x, reach_y in ((dot.bar_x, 0.0), (0.0, dot.bar_y)):
        ends = [(dot.x - reach_x, dot.y - reach_y), (dot.x + reach_x, dot.y + reach_y)]
        if axes.get_xscale() == "log" and ends[0][0] <= 0:
            ends[0] = axes.get_xlim()[0], ends[0][1]  # a bar that reaches below 0 ends at the edge
        (left, low), (right, high) = axes.transData.transform(ends).tolist()
        wide, tall = max(least, (right - left) / 2), max(least, (high - low) / 2)
        boxes.append(_around((left + right) / 2, (low + high) / 2, wide, tall))
    return boxes


def _around(x: float, y: float, wide: float, high: float) -> Bbox:
    from matplotlib.transforms import Bbox

    return Bbox.from_extents(x - wide, y - high, x + wide, y + high)
