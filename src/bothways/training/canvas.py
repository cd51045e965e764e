r"""What every picture stands on: a figure of its own style, labels as they stand, and a PNG that is whole or absent.

Labels come from users, so they are drawn as they stand: `$`, `_`, `^` and `\` mean nothing here, what cannot be
printed is dropped, and long ones are cut. No state of matplotlib's is left changed, and no window is opened.
"""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.errors import OutputError, missing_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST_LABEL = 24
DOTS_PER_INCH = 150
FEW_LABELS, MOST_LABELS = 20, 60  # up to so many are drawn large, and at all
BLUE, ORANGE, GREY = "#1f5fa8", "#d9730d", "#6b6b6b"

# Families that hold Chinese, Japanese and Korean, as the systems name them.
_ASIAN_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "SimHei",
    "Arial Unicode MS",
)


def plain(label: str) -> str:
    """Return a label on one line, without what cannot be printed, and cut to 24 characters."""
    printable = "".join(character if character.isprintable() else " " for character in label)
    line = " ".join(printable.split())
    if not line:
        return "(empty)"
    return line if len(line) <= LONGEST_LABEL else line[: LONGEST_LABEL - 1] + "…"


def visible(word: str) -> str:
    """Return a word, or the sign of an open box for one of blanks alone."""
    return word if word.strip() else "␣"


@contextmanager
def own_style() -> Iterator[None]:
    """Draw with matplotlib's own defaults, whatever the user has set, and without a word on missing glyphs."""
    try:
        import matplotlib.style
    except ImportError:
        raise missing_extra("matplotlib", "train", "Drawing a picture") from None
    with matplotlib.style.context("default"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from", category=UserWarning)
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support", category=UserWarning)
        yield


def new_figure(width: float, height: float) -> "Figure":
    """Return a figure of this size in inches that is drawn by Agg and known to no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def font_families() -> list[str]:
    """Return the font families to try in turn for each character, of those the machine has."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in _ASIAN_FONTS if name in installed)]


def label_ticks(axes: "Axes", side: str, labels: Sequence[str], *, size: float | None = None) -> None:
    """Name the rows or columns, in a `size` that suits their number; of more than 60, name every second, third…"""
    step = -(-len(labels) // MOST_LABELS)
    axis = axes.xaxis if side == "x" else axes.yaxis
    axis.set_ticks(np.arange(0, len(labels), step))
    shown = [plain(label) for label in labels[::step]]
    size = size or (9 if len(labels) <= FEW_LABELS else 6)
    slanted: dict[str, Any] = {"rotation": 90} if side == "x" and max(len(label) for label in shown) > 4 else {}
    axis.set_ticklabels(shown, parse_math=False, usetex=False, fontfamily=font_families(), fontsize=size, **slanted)
    axis.set_tick_params(length=2)


def save_picture(figure: "Figure", path: Path) -> None:
    """Write aside and rename, so that the path never holds half a picture.

    Errors name the file alone: its folder may be one that is still being written, under a passing name.
    """
    if path.suffix.lower() != ".png" or (path.exists() and not path.is_file()):
        raise OutputError(f"{path.name} is no name for a picture. Name a file that ends in .png.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        figure.savefig(temporary, format="png")
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"{path.name} cannot be written: {error.strerror or error}. Choose another place.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
