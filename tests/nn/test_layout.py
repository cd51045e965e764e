"""The layout that the kernels read: packed where exact, few shapes otherwise, and back without a trace."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch.nn.utils.rnn import pack_padded_sequence

from bothways.nn import GRU, LSTM, SRU, MinGRU
from bothways.nn.layout import ROWS_AT_A_TIME, STEPS_BETWEEN_CHANGES, _lay_out_unpadded, copy_rows, lay_out

CPU = torch.device("cpu")
lengths_of_batches = st.lists(st.integers(1, 80), min_size=1, max_size=20).map(torch.tensor)


def numbered(lengths, steps):
    """A batch (B·T, 2) in which no two rows are the same, with NaN on padding."""
    rows = torch.arange(len(lengths) * steps, dtype=torch.float64) + 1.0
    padding = torch.arange(steps) >= lengths[:, None]
    return torch.stack([rows, -rows], dim=1).masked_fill(padding.reshape(-1, 1), float("nan"))


@given(lengths=lengths_of_batches, extra=st.integers(0, 3))
def test_an_exact_layout_is_a_packed_sequence(lengths, extra):
    steps = int(lengths.max()) + extra
    batch = numbered(lengths, steps)
    layout = lay_out(lengths, steps, CPU, exact=True)
    packed = pack_padded_sequence(batch.view(len(lengths), steps, 2), lengths, batch_first=True, enforce_sorted=False)

    torch.testing.assert_close(copy_rows(batch, layout.enter, layout.leave), packed.data, rtol=0, atol=0)
    torch.testing.assert_close(layout.batch_sizes(), packed.batch_sizes)
    assert layout.padding is None


@given(lengths=lengths_of_batches, extra=st.integers(0, 3), exact=st.booleans())
def test_every_real_row_enters_once_and_leaves_to_its_own_place(lengths, extra, exact):
    steps = int(lengths.max()) + extra
    batch = numbered(lengths, steps)
    layout = lay_out(lengths, steps, CPU, exact=exact)

    rows = copy_rows(batch, layout.enter, layout.leave)
    mirrored = copy_rows(batch, layout.enter_mirrored, layout.leave_mirrored)

    torch.testing.assert_close(copy_rows(rows, layout.leave, layout.enter), batch.nan_to_num(0.0), rtol=0, atol=0)
    back = copy_rows(mirrored, layout.leave_mirrored, layout.enter_mirrored)
    torch.testing.assert_close(back, batch.nan_to_num(0.0), rtol=0, atol=0)
    torch.testing.assert_close(copy_rows(rows, layout.mirror, layout.mirror), mirrored, rtol=0, atol=0)
    ends = torch.arange(len(lengths)) * steps + lengths - 1
    torch.testing.assert_close(rows[layout.last], batch[ends], rtol=0, atol=0)
    torch.testing.assert_close(mirrored[layout.last], batch[torch.arange(len(lengths)) * steps], rtol=0, atol=0)


@given(lengths=lengths_of_batches)
def test_blocks_hold_few_shapes_and_little_padding(lengths):
    layout = lay_out(lengths, int(lengths.max()), CPU, exact=False)

    counts = [count for _, count in layout.rows_at]
    assert counts == sorted(set(counts), reverse=True)
    assert all(count % ROWS_AT_A_TIME == 0 or count == len(lengths) for count in counts)
    assert all(steps % STEPS_BETWEEN_CHANGES == 0 for steps, _ in layout.rows_at[:-1])
    assert sum(steps for steps, _ in layout.rows_at) == lengths.max()
    ended = 0
    for steps, count in layout.rows_at:
        alive = int((lengths > ended).sum())
        assert alive <= count < alive + max(ROWS_AT_A_TIME, len(lengths))
        ended += steps


def test_the_gradient_of_a_copy_is_that_of_plain_indexing():
    lengths = torch.tensor([2, 5, 1])
    layout = lay_out(lengths, 6, CPU, exact=False)
    rows = torch.randn(18, 2, dtype=torch.float64, requires_grad=True)

    def copy(values):
        return copy_rows(values, layout.enter, layout.leave)

    assert torch.autograd.gradcheck(copy, rows)
    assert torch.autograd.gradgradcheck(copy, rows)


@pytest.mark.parametrize("cell", [GRU, LSTM, MinGRU, SRU])
@pytest.mark.parametrize("lengths", [[5, 2, 3], [5, 5, 5]])
def test_a_default_device_changes_nothing(cell, lengths):
    """Of no road: float64 goes by torch's kernels, and parallel cells by the scan in torch."""
    torch.manual_seed(0)
    for kind, more in ((torch.float32, {}), (torch.float64, {}), (torch.float64, {"convolution": 2})):
        if more and not issubclass(cell, MinGRU | SRU):
            continue
        reader = cell(3, 4, direction="both", **more).to(kind)
        batch = torch.randn(3, 5, 3, dtype=kind), torch.tensor(lengths)
        expected = reader(*batch)
        _lay_out_unpadded.cache_clear()
        with torch.device("meta"):
            found = reader(*batch)
        torch.testing.assert_close(found.outputs, expected.outputs, rtol=0, atol=0)


def test_a_shape_met_first_in_inference_mode_can_be_trained_afterwards():
    torch.manual_seed(0)
    reader, inputs = LSTM(2, 3, 2, direction="both", dropout=0.5), torch.randn(7, 11, 2)
    with torch.inference_mode():
        expected = reader.eval()(inputs).outputs.clone()

    reading = reader.train()(inputs)
    (reading.outputs.sum() + reading.final_state.forward[0].sum()).backward()

    assert all(parameter.grad is not None for parameter in reader.parameters())
    torch.testing.assert_close(reader.eval()(inputs).outputs.detach(), expected)
