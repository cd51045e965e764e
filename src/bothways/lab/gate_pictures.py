"""Pictures of one network over one text: its gates and its states at each word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bothways.lab.lines import finish
from bothways.lab.pictures import Picture
from bothways.training.canvas import BLUE, ORANGE, label_ticks, new_figure, own_style, save_picture, visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from bothways.lab.gates import Gates
    from bothways.lab.lines import Floats
    from bothways.lab.states import States

_MOST_UNITS = 16  # whose states are shown
_WAYS = {"forward": BLUE, "backward": ORANGE}
_WHEN_OPEN = {
    ("lstm", "forget"): "1 keeps the memory",
    ("lstm", "input"): "1 takes in what is new",
    ("lstm", "output"): "1 shows the memory",
    ("gru", "reset"): "0 hides the state from what is new",
    ("gru", "update"): "1 keeps the state",
    ("mingru", "update"): "1 replaces the state",
    ("minlstm", "forget"): "weighed against input",
    ("minlstm", "input"): "weighed against forget",
    ("minlstm", "forget / (forget + input)"): "1 keeps the state",
    ("sru", "forget"): "1 keeps the memory",
    ("sru", "output"): "1 shows the memory, 0 the input",
}


def draw_gates(gates: Sequence[Gates], words: Sequence[str], path: Path) -> Picture:
    """Draw how far the gates of a layer stand open at each word: the mean of all units, and a band for most of them.

    Args:
        gates: of one layer, read in one direction or in two; see `open_gates`.
        words: T, what was read.
        path: the PNG file to write.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    names, cell = list(gates[0].openings), gates[0].cell
    steps = np.arange(len(words))
    with own_style():
        figure = new_figure(_width(words), 1.3 + 1.7 * len(names))
        panels = figure.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
        for name, axes in zip(names, panels, strict=True):
            for one in gates:
                opening, colour = one.openings[name], _WAYS[one.direction]
                low, high = np.percentile(opening, (10, 90), axis=1)
                axes.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
                axes.plot(
                    steps, opening.mean(axis=1), color=colour, marker="o" if len(steps) <= 60 else "", markersize=3,
                    linewidth=1.5, label=f"read {one.direction}s",
                )  # fmt: skip
            said = _WHEN_OPEN.get((cell, name))
            axes.set_title(f"{name}: {said}" if said else name, fontsize=10, loc="left")
            axes.set_ylim(-0.03, 1.03)
            axes.set_yticks([0, 0.5, 1])
            finish(axes, "", "opening")
        figure.legend(
            *panels[0].get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside upper right", ncols=2
        )
        _name_words(panels[-1], words)
        save_picture(figure, path)
    return Picture(
        path.name,
        f"Gates of the {cell.upper() if cell in ('lstm', 'gru', 'sru') else cell} at each word",
        "Look for the words at which a line dips or jumps: there the cell forgets or takes in more than elsewhere; the "
        "band holds four fifths of the units.",
    )


def draw_states(states: States, words: Sequence[str], path: Path) -> Picture:
    """Draw by how much each word moved the state, either way, and the states of the units that moved most.

    Args:
        states: of one text; see `states_of`.
        words: T, what was read.
        path: the PNG file to write.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    ways = {"forward": states.forward, "backward": states.backward}
    read = {way: _most_moved(found, way) for way, found in ways.items() if found is not None}
    largest = max(float(np.abs(shown).max()) for _, shown in read.values()) or 1.0
    heights = [1.5, *(0.16 * len(units) + 0.2 for units, _ in read.values())]
    with own_style():
        figure = new_figure(_width(words) + 0.6, 2.0 + sum(heights))
        panels = figure.subplots(1 + len(read), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
        for way, (units, shown) in read.items():
            axes = panels[1 + list(read).index(way)]
            panels[0].plot(
                states.changes(way), color=_WAYS[way], marker="o" if len(words) <= 60 else "", markersize=3,
                linewidth=1.5, label=f"read {way}s",
            )  # fmt: skip
            image = axes.imshow(
                shown.T, cmap="PuOr_r", vmin=-largest, vmax=largest, aspect="auto", interpolation="nearest"
            )
            axes.set_yticks(np.arange(len(units)), [str(unit) for unit in units], fontsize=6)
            axes.set_ylabel("unit", fontsize=9)
            axes.set_title(f"read {way}s: the state after each word", fontsize=10, loc="left")
        finish(panels[0], "", "change")
        panels[0].set_ylim(bottom=0)
        panels[0].set_title("by how much each word moved the state", fontsize=10, loc="left")
        figure.legend(
            *panels[0].get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside upper right", ncols=2
        )
        figure.colorbar(image, ax=panels[1:].tolist(), fraction=0.03, pad=0.01, aspect=30)
        _name_words(panels[-1], words)
        save_picture(figure, path)
    return Picture(
        path.name,
        "States at each word, read forwards and backwards",
        "Look for the words that move the state far and for units that change at a word and stay so: they remember it, "
        "to the right when read forwards, to the left when read backwards.",
    )


def _most_moved(states: Floats, way: str) -> tuple[list[int], Floats]:
    """Choose the units that move most over a text, in the order in which they make their largest move."""
    moves = np.abs(np.diff(states if way == "forward" else states[::-1], axis=0, prepend=0.0))
    chosen = np.argsort(-moves.max(axis=0), kind="stable")[:_MOST_UNITS]
    ordered = chosen[np.argsort(moves[:, chosen].argmax(axis=0), kind="stable")]
    units = ordered if way == "forward" else ordered[::-1]
    return units.tolist(), states[:, units]


def _width(words: Sequence[str]) -> float:
    return min(14.0, max(6.0, 1.6 + 0.26 * len(words)))  # inches


def _name_words(axes: Axes, words: Sequence[str]) -> None:
    label_ticks(axes, "x", [visible(word) for word in words], size=8 if len(words) <= 45 else 6)
    axes.set_xlim(-0.5, len(words) - 0.5)
