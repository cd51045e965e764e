"""Pictures of compared networks hold the numbers they were given, and are drawn whatever is missing."""

import math
import subprocess
import sys
from itertools import combinations, product

import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.text import Text

from bothways.lab.pictures import (
    Cost,
    Curve,
    Point,
    draw_by_distance,
    draw_comparison_curves,
    draw_cost,
    draw_gradient_norms,
)
from bothways.models.classifier import CELLS

READERS = list(product([*CELLS, "my $own^cell with a long name_"], ["both", "forward", "backward"]))[:20]
NAN = math.nan


def lines_of(axes) -> list[tuple[list[float], list[float]]]:
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()]


def thick(axes) -> list[list[float]]:
    """The means: lines that are neither a seed's nor a baseline."""
    return [list(line.get_ydata()) for line in axes.get_lines() if line.get_linewidth() == 1.8]


def legend_of(figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_curves_are_the_mean_of_the_seeds_as_far_as_the_shortest(tmp_path, drawn):
    runs = [Curve("lstm", "both", 0, [0.5, 0.7, 0.9, 1.0]), Curve("lstm", "both", 1, [0.6, None, 0.8])]
    picture = draw_comparison_curves(runs, tmp_path / "a.png", metric="accuracy", baselines={"majority class": 0.5})
    (axes,) = drawn[0].axes
    np.testing.assert_allclose(thick(axes), [[0.55, 0.7, 0.85, NAN]])
    assert ([1, 2, 3, 4], [0.5, 0.7, 0.9, 1.0]) in lines_of(axes)
    assert ([0, 1], [0.5, 0.5]) in lines_of(axes)
    assert legend_of(drawn[0]) == ["lstm, both", "majority class"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "accuracy on validation")
    assert (picture.file, picture.title) == ("a.png", "Validation accuracy by epoch")


def test_few_networks_share_a_panel_and_many_have_one_for_each_direction(tmp_path, drawn):
    for count, panels in ((6, 1), (20, 3)):
        runs = [Curve(cell, way, seed, [0.1, 0.2]) for cell, way in READERS[:count] for seed in range(2)]
        draw_comparison_curves(runs, tmp_path / "a.png")
        assert len(drawn[-1].axes) == panels
        assert sum(len(thick(axes)) for axes in drawn[-1].axes) == count
    assert [axes.get_title() for axes in drawn[-1].axes] == ["both ways", "forward only", "backward only"]
    assert legend_of(drawn[-1]) == [*CELLS, "my $own^cell with a lon…"]


def test_no_two_networks_look_alike_in_a_panel(tmp_path, drawn):
    draw_comparison_curves([Curve(*reader, 0, [0.1]) for reader in READERS[:6]], tmp_path / "a.png")
    draw_comparison_curves([Curve(*reader, 0, [0.1]) for reader in READERS], tmp_path / "a.png")
    for figure in drawn:
        for axes in figure.axes:
            looks = [(line.get_color(), line.get_linestyle()) for line in axes.get_lines()]
            assert len(set(looks)) == len(looks)


def test_a_point_is_at_its_distance_and_bands_reach_from_worst_to_best(tmp_path, drawn):
    scores = {(100, 0): 0.6, (10, 0): 0.9, (1000, 0): None, (10, 1): 1.0, (100, 1): 0.5, (1000, 1): NAN}
    points = [Point("gru", "forward", seed, distance, score) for (distance, seed), score in scores.items()]
    draw_by_distance(points, tmp_path / "a.png", baselines={"guessing": [(100, 0.4), (10, 0.5)]})
    (axes,) = drawn[0].axes
    guessing, mean = sorted(lines_of(axes), key=lambda line: len(line[0]))
    assert mean[0] == [10, 100, 1000]
    np.testing.assert_allclose(mean[1], [0.95, 0.55, NAN])
    assert guessing == ([10, 100], [0.5, 0.4])
    band = axes.collections[0].get_paths()[0].vertices
    assert {tuple(vertex) for vertex in band.round(6)} >= {(10, 0.9), (10, 1.0), (100, 0.5), (100, 0.6)}
    assert (axes.get_xscale(), list(axes.get_xticks())) == ("log", [10, 100, 1000])


def test_norms_stand_before_and_after_training_on_one_scale_of_decades(tmp_path, drawn):
    before = [Curve("rnn", "forward", seed, [1.0, 0.01 * 100**seed, 1e-30, 0.0]) for seed in range(2)]
    after = [Curve("rnn", "forward", 0, [2.0, NAN, 1.0, None])]
    draw_gradient_norms(before, after, tmp_path / "a.png")
    fresh, trained = drawn[0].axes
    np.testing.assert_allclose(thick(fresh)[0], [1.0, 0.1, 1e-30, NAN])  # the geometric mean of 0.01 and 1
    np.testing.assert_allclose(thick(trained)[0], [2.0, NAN, 1.0, NAN])
    assert fresh.get_yscale() == "log"
    assert fresh.get_ylim() == trained.get_ylim() == pytest.approx((1e-12, 4.0), abs=0)
    assert [fresh.get_title(), trained.get_title()] == ["before training", "after training"]


def test_an_exact_zero_of_one_seed_is_no_number_of_the_others(tmp_path, drawn):
    draw_gradient_norms([Curve("rnn", "both", seed, [1.0, 1.0 * seed]) for seed in range(2)], [], tmp_path / "a.png")
    np.testing.assert_array_equal(thick(drawn[0].axes[0]), [[1.0, NAN]])


def test_dots_stand_at_the_means_with_bars_of_one_deviation(tmp_path, drawn):
    rows = [Cost("lstm", "both", seed, *at) for seed, at in enumerate([(10, 0.8), (14, 0.9), (None, 0.1), (3, NAN)])]
    picture = draw_cost(rows, tmp_path / "a.png", metric="error", higher_is_better=False)
    (axes,) = drawn[0].axes
    assert ([12.0], [pytest.approx(0.85)]) in lines_of(axes)
    spans = np.concatenate([np.concatenate(bars.get_segments()) for bars in axes.collections])
    assert np.ptp(spans[:, 0]) == pytest.approx(2 * np.std([10, 14], ddof=1))
    assert np.ptp(spans[:, 1]) == pytest.approx(2 * np.std([0.8, 0.9], ddof=1))
    assert [text.get_text() for text in axes.texts] == ["lstm, both"]
    assert picture.caption.startswith("Look to the lower left")


def test_a_baseline_far_off_is_told_in_words(tmp_path, drawn):
    rows = [Cost("lstm", "both", 0, 10, 0.8), Cost("gru", "both", 0, 10, 0.82)]
    draw_cost(rows, tmp_path / "a.png", baselines={"guessing": 0.1, "linear": 0.81, "absent": None})
    assert legend_of(drawn[0]) == ["linear", "guessing: 0.1, below the picture"]
    assert drawn[0].axes[0].get_ylim()[0] > 0.7


@pytest.mark.parametrize("crowd", [0.02, 0.3])
def test_names_of_twenty_dots_cover_neither_each_other_nor_a_dot(tmp_path, drawn, crowd):
    random = np.random.default_rng(3)
    rows = [
        Cost(*reader, seed, 100 * math.exp(2 * crowd * random.normal()), 0.8 + crowd * random.normal())
        for reader in READERS
        for seed in range(3)
    ]
    draw_cost(rows, tmp_path / "a.png")
    (axes,) = drawn[0].axes
    renderer = drawn[0].canvas.get_renderer()
    names = [Text.get_window_extent(text, renderer) for text in axes.texts]  # without its line to the dot
    assert len(names) == 20
    assert not any(one.padded(-1).overlaps(other) for one, other in combinations(names, 2))
    drawn_dots = [line for line in axes.get_lines() if line.get_markersize() == 7]  # the rest are ends of bars
    dots = [axes.transData.transform((line.get_xdata()[0], line.get_ydata()[0])) for line in drawn_dots]
    assert len(dots) == 20
    assert not any(name.contains(*dot) for name in names for dot in dots)


def test_names_at_the_edge_stay_inside(tmp_path, drawn):
    draw_cost([Cost("m" * 24, "both", 0, 1, 0.5)], tmp_path / "a.png")
    edges = [Cost(cell * 24, "both", 0, seconds, score) for cell, seconds, score in (("m", 1, 0.1), ("w", 2, 0.9))]
    draw_cost(edges, tmp_path / "a.png")
    for figure in drawn:
        (axes,), renderer = figure.axes, figure.canvas.get_renderer()
        room = axes.get_window_extent(renderer)
        for text in axes.texts:
            name = Text.get_window_extent(text, renderer)
            assert room.contains(name.x0, name.y0)
            assert room.contains(name.x1, name.y1)


@pytest.mark.parametrize(
    ("values", "seeds"),
    [([], 1), ([0.5], 1), ([0.0, 0.0], 3), ([NAN, math.inf, None], 3), ([1.0, None, 0.2], 3), ([1e-30, 1e30], 3)],
    ids=str,
)
def test_whatever_is_missing_there_is_a_picture(tmp_path, values, seeds):
    runs = [Curve("lstm", "both", seed, values) for seed in range(seeds)]
    draw_comparison_curves(runs, tmp_path / "curves.png", baselines={"trivial": NAN})
    draw_gradient_norms(runs, runs[:1], tmp_path / "norms.png")
    points = [Point("lstm", "both", seed, 10 * place, one) for seed in range(seeds) for place, one in enumerate(values)]
    draw_by_distance(points, tmp_path / "distance.png", baselines={"trivial": [], "none": None})
    costs = [Cost("lstm", "both", seed, one, one) for seed in range(seeds) for one in values]
    draw_cost(costs, tmp_path / "cost.png", baselines={"trivial": 0.3})
    assert all(imread(path).shape[0] > 200 for path in tmp_path.iterdir())


def test_nothing_at_all_is_said_to_be_nothing(tmp_path, drawn):
    draw_comparison_curves([], tmp_path / "a.png")
    draw_gradient_norms([], [], tmp_path / "a.png")
    draw_by_distance([], tmp_path / "a.png")
    draw_cost([], tmp_path / "a.png")
    assert [[text.get_text() for text in figure.axes[0].texts] for figure in drawn] == [["nothing to draw"]] * 4


def test_pictures_are_drawn_from_numbers_without_torch(tmp_path):
    program = f"""
import sys
from pathlib import Path
from bothways.lab.pictures import Curve, draw_comparison_curves
draw_comparison_curves([Curve("lstm", "both", 0, [0.5, None])], Path({str(tmp_path / "a.png")!r}))
assert not {{"torch", "matplotlib.pyplot"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
