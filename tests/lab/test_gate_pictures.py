import numpy as np
import pytest
import torch
from matplotlib.image import imread

from bothways.lab.gate_pictures import draw_gates, draw_states
from bothways.lab.gates import gates_of_all_ways
from bothways.lab.states import states_of
from bothways.models.classifier import CELLS
from bothways.nn import GRU, LSTM


@pytest.mark.parametrize(
    ("cell", "ways"),
    [*((cell, "both") for cell in CELLS if cell != "rnn"), ("lstm", "forward"), ("sru", "backward")],
)
def test_every_gate_has_a_panel_with_the_mean_of_its_units_at_each_word(tmp_path, drawn, cell, ways):
    torch.manual_seed(8)
    words = ["Not", "bad", " ", "$x^2$", "\x00"]
    gates = gates_of_all_ways(CELLS[cell](3, 4, direction=ways), torch.randn(5, 3))
    draw_gates(gates, words, tmp_path / "a.png")
    panels = drawn[0].axes
    assert [axes.get_title(loc="left").split(":")[0] for axes in panels] == list(gates[0].openings)
    for axes, name in zip(panels, gates[0].openings, strict=True):
        shown = [line.get_ydata() for line in axes.get_lines()]
        np.testing.assert_allclose(shown, [one.openings[name].mean(axis=1) for one in gates])
    assert [text.get_text() for text in panels[-1].get_xticklabels()] == ["Not", "bad", "␣", "$x^2$", "(empty)"]
    named = [f"read {way}s" for way in (["forward", "backward"] if ways == "both" else [ways])]
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == named


def test_states_are_drawn_by_the_units_that_move_most_in_the_order_of_their_moves(tmp_path, drawn):
    torch.manual_seed(9)
    found = states_of(GRU(3, 20, direction="both"), torch.randn(6, 3))
    draw_states(found, list("abcdef"), tmp_path / "a.png")
    change, forward, backward, _ = drawn[0].axes
    np.testing.assert_allclose([line.get_ydata() for line in change.get_lines()], [
        found.changes("forward"), found.changes("backward"),
    ])  # fmt: skip
    for axes, states in ((forward, found.forward), (backward, found.backward)):
        units = [int(text.get_text()) for text in axes.get_yticklabels()]
        assert len(set(units)) == 16
        np.testing.assert_allclose(axes.images[0].get_array(), states[:, units].T)
        read = states if axes is forward else states[::-1]
        moves = np.abs(np.diff(read, axis=0, prepend=np.zeros((1, 20))))
        assert sorted(units) == sorted(np.argsort(-moves.max(axis=0))[:16])
        firsts = moves[:, units].argmax(axis=0)
        assert sorted(firsts, reverse=axes is backward) == firsts.tolist()


@pytest.mark.parametrize("count", [1, 200])
def test_texts_of_one_word_and_of_many_are_drawn(tmp_path, count):
    reader, steps = LSTM(3, 4, direction="both"), torch.zeros(count, 3)
    with torch.no_grad():
        for weight in reader.parameters():
            weight.zero_()  # so that no state moves at all
    draw_states(states_of(reader, steps), ["word"] * count, tmp_path / "states.png")
    draw_gates(gates_of_all_ways(reader, steps), ["a very long word " * 9] * count, tmp_path / "gates.png")
    assert all(imread(tmp_path / f"{name}.png").shape[1] < 150 * 16 for name in ("states", "gates"))
