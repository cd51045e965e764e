"""The scores of a training by epoch, as a table in the model folder."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CURVES = "learning-curves.png"


def write_history(history: list[dict[str, float]], path: Path) -> None:
    """Write the scores by epoch as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
