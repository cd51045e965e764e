"""Machines are shared and noisy: no test has a time limit, and hypothesis sets none. What pictures hold is kept."""

import os

if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

import pytest
from hypothesis import settings

settings.register_profile("bothways", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("bothways")


@pytest.fixture
def drawn(monkeypatch):
    """Every figure that is written, in turn."""
    from matplotlib.figure import Figure

    figures = []
    write = Figure.savefig

    def keep(figure: Figure, *args: object, **kwargs: object) -> None:
        figures.append(figure)
        write(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures
