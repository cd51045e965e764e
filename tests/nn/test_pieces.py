import pytest
import torch

from bothways.errors import SettingsError
from bothways.nn import GRU, LSTM, RNN, State, in_pieces


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def batch_of(lengths):
    return torch.randn(len(lengths), max(lengths), 3), torch.tensor(lengths)


@pytest.mark.parametrize("steps", [1, 3, 4, 9, 20])
@pytest.mark.parametrize("cell", [RNN, GRU, LSTM])
def test_pieces_together_are_the_whole(cell, steps):
    reader, (inputs, lengths) = cell(3, 5, 2), batch_of([4, 9, 1, 8])
    initial = State(forward=tuple(torch.randn(2, 4, 5) for _ in reader.forward_parts))
    whole = reader(inputs, lengths, initial)

    outputs = torch.zeros_like(whole.outputs)
    last = torch.zeros_like(whole.final_state.forward[-1])
    for piece in in_pieces(reader, inputs, lengths, initial, steps=steps):
        until = piece.first + piece.reading.outputs.shape[1]
        outputs[piece.rows, piece.first : until] = piece.reading.outputs
        last[:, piece.rows] = piece.reading.final_state.forward[-1]

    torch.testing.assert_close(outputs, whole.outputs, rtol=0, atol=1e-6)
    torch.testing.assert_close(last, whole.final_state.forward[-1], rtol=0, atol=1e-6)


def test_gradients_stop_where_a_piece_begins():
    reader, (inputs, lengths) = GRU(3, 5), batch_of([7, 4])
    inputs.requires_grad_()
    for piece in in_pieces(reader, inputs, lengths, steps=3):
        inputs.grad = None
        piece.reading.outputs.sum().backward()
        touched = inputs.grad.abs().sum(2) > 0
        assert not touched[:, : piece.first].any()
        assert touched[piece.rows, piece.first].all()


def test_a_reader_that_needs_the_end_is_refused():
    with pytest.raises(SettingsError) as error:
        next(in_pieces(LSTM(3, 5, direction="both"), *batch_of([2]), steps=1))
    assert str(error.value) == (
        "reader reads 'both', but only a forward reader can leave off and go on. "
        "For exact gradients in less memory build it with recompute=256, say."
    )
