"""The compiled loops: their arithmetic, and that threads, forks and repetition change nothing."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from numba import njit

from bothways.nn import GRU, LSTM, RNN, fused, kernel_activations, kernel_products, loops

CELLS = {"tanh": RNN, "relu": RNN, "gru": GRU, "lstm": LSTM}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def reader_of(cell, *, hidden_size=9, **options):
    more = {"nonlinearity": cell} if cell in ("tanh", "relu") else {}
    return CELLS[cell](5, hidden_size, direction="both", **more, **options)


def batch_of(lengths):
    return torch.randn(len(lengths), max(lengths), 5, requires_grad=True), torch.tensor(lengths)


def read(reader, inputs, lengths):
    """What it found, and the gradients of a fixed mixture of it."""
    reading = reader(inputs, lengths)
    found = [reading.outputs, *reading.final_state.forward, *reading.final_state.backward]
    total = sum((tensor * torch.linspace(-1, 1, tensor.numel()).view_as(tensor)).sum() for tensor in found)
    return found, torch.autograd.grad(total, [inputs, *reader.parameters()], retain_graph=True), total


@pytest.mark.parametrize("threads", [1, 3, 8])
@pytest.mark.parametrize("cell", CELLS)
def test_threads_change_nothing(cell, threads):
    reader, (inputs, lengths) = reader_of(cell), batch_of([7, 2, 9, 1, 4])
    expected = read(reader, inputs, lengths)[:2]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        found = read(reader, inputs, lengths)[:2]
    finally:
        torch.set_num_threads(before)

    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_wide_states_are_those_of_torchs_kernels(cell, monkeypatch):
    # Wider than a tile of the product, and not a whole number of tiles or panels.
    reader, (inputs, lengths) = reader_of(cell, hidden_size=261), batch_of([3, 1, 2])
    found = read(reader, inputs, lengths)[:2]
    monkeypatch.setattr(fused, "is_available", lambda: False)
    expected = read(reader, inputs, lengths)[:2]

    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_going_back_twice_gives_the_same_gradients(cell):
    reader, (inputs, lengths) = reader_of(cell), batch_of([3, 5])
    _, once, total = read(reader, inputs, lengths)

    torch.testing.assert_close(torch.autograd.grad(total, [inputs, *reader.parameters()]), once, rtol=0, atol=0)


@pytest.mark.parametrize("recompute", [None, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_each_gradient_may_be_changed_in_place_without_another(cell, recompute):
    reader, (inputs, lengths) = reader_of(cell, recompute=recompute), batch_of([3, 5])
    found = read(reader, inputs, lengths)[1]
    expected = [2 * gradient for gradient in found]

    for gradient in found:
        gradient.mul_(2)

    torch.testing.assert_close(list(found), expected, rtol=0, atol=0)


def test_a_forked_child_has_threads_of_its_own():
    assert loops.threads(1).submit(os.getpid).result(10) == os.getpid()
    child = os.fork()
    if not child:
        try:
            os._exit(7 if loops.threads(1).submit(os.getpid).result(10) == os.getpid() else 1)
        finally:
            os._exit(1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@njit
def _add_product(sums, rows, count, panels):
    kernel_products.add_product(sums, rows, count, panels, kernel_products.room_for(panels, len(rows)))


@pytest.mark.parametrize(
    ("rows", "terms", "width"),
    [(1, 1, 1), (2, 4, 8), (3, 5, 7), (4, 64, 1024), (5, 131, 1030), (6, 515, 64), (13, 1030, 65), (50, 9, 4)],
)
def test_product_is_the_matrix_product(rows, terms, width):
    draw = np.random.default_rng(0)
    left, right = (draw.standard_normal(shape).astype("f") for shape in ((rows + 1, terms), (terms, width)))
    panels = kernel_products.pack(torch.from_numpy(right).t(), torch.float32).numpy()
    sums = np.ones((rows + 1, len(panels) * kernel_products.COLUMNS), "f")

    _add_product(sums, left, rows, panels)

    expected = 1 + left[:rows].astype("d") @ right
    np.testing.assert_allclose(sums[:rows, :width], expected, atol=1e-4 * (1 + terms / 500))
    assert (sums[rows] == 1).all()
    assert (sums[:, width:] == 1).all()


@pytest.mark.parametrize(("rows", "terms", "width"), [(1, 1, 1), (7, 5, 64), (200, 515, 70), (385, 1030, 3)])
def test_many_rows_are_multiplied_as_matrices_are(rows, terms, width):
    draw = np.random.default_rng(0)
    left, right = (draw.standard_normal(shape).astype("f") for shape in ((rows + 2, terms), (terms, width)))
    bias, found = draw.standard_normal(width).astype("f"), np.full((rows + 2, width), 7, "f")

    panels = kernel_products.pack(torch.from_numpy(right).t(), torch.float32).numpy()
    for piece in ((1, rows // 2 + 1), (rows // 2 + 1, rows + 1)):
        kernel_products.multiply(found, left, panels, bias, *piece)

    expected = left.astype("d") @ right + bias
    np.testing.assert_allclose(found[1:-1], expected[1:-1], atol=1e-4 * (1 + terms / 500))
    assert (found[[0, -1]] == 7).all()


@pytest.mark.parametrize(("rows", "width", "columns"), [(1, 1, 1), (7, 5, 64), (300, 13, 70), (129, 70, 131)])
def test_gradients_of_weights_are_sums_of_outer_products(rows, width, columns):
    draw = np.random.default_rng(0)
    left, right = (draw.standard_normal(shape).astype("f") for shape in ((rows, 2, width), (rows, 3, columns + 4)))
    found = np.full((width, columns), np.nan, "f")

    half = min(columns, kernel_products.COLUMNS)
    for piece in ((0, half), (half, columns)):
        kernel_products.multiply_transposed(found, left, right, 1, 2, *piece)

    np.testing.assert_allclose(found, left[:, 1].T.astype("d") @ right[:, 2, :columns], atol=1e-4)


def test_squashing_is_exact_to_float32_and_keeps_nan():
    values = np.concatenate([np.linspace(-200, 200, 100_001), [-np.inf, np.inf]]).astype("f")
    exact = values.astype("d")
    with np.errstate(over="ignore"):
        expected = 1 / (1 + np.exp(-exact))
    sigmoids, tanhs, unknown = values.copy(), values.copy(), np.full(9, np.nan, "f")
    kernel_activations.squash(sigmoids)
    kernel_activations.squash_both_ways(tanhs)
    kernel_activations.squash(unknown)

    np.testing.assert_allclose(sigmoids, expected, rtol=0, atol=2e-7)
    np.testing.assert_allclose(tanhs, np.tanh(exact), rtol=0, atol=3e-7)
    assert np.isnan(unknown).all()


@pytest.mark.parametrize("recompute", [None, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_may_be_part_of_a_graph_whatever_the_threads(cell, recompute):
    reader, (inputs, lengths) = reader_of(cell, recompute=recompute), batch_of([3, 5])
    plain = torch.autograd.grad(reader(inputs, lengths).outputs.pow(2).sum(), inputs)[0]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        (found,) = torch.autograd.grad(reader(inputs, lengths).outputs.pow(2).sum(), inputs, create_graph=True)
    finally:
        torch.set_num_threads(before)

    torch.testing.assert_close(found, plain, rtol=0, atol=1e-6)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        torch.autograd.grad(found.sum() + inputs.sum(), inputs, retain_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        found.sum().backward()


@pytest.mark.parametrize("cell", CELLS)
def test_a_second_derivative_is_refused_of_a_sum_of_states_too(cell):
    """The gradient of a sum is a plain one, which has no road of its own back to what was read."""
    reader, (inputs, lengths) = reader_of(cell), batch_of([3, 5])
    found = torch.autograd.grad(
        reader(inputs, lengths).outputs.sum(), [inputs, *reader.parameters()], create_graph=True
    )
    for gradient in found:
        gradient.mul_(2)  # that they are part of a graph does not forbid it

    with pytest.raises(RuntimeError, match="differentiate twice"):
        torch.autograd.grad(found[0].sum() + inputs.sum(), inputs)


@pytest.mark.parametrize("recompute", [None, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_autocast_around_the_way_back_changes_nothing(cell, recompute):
    reader, (inputs, lengths) = reader_of(cell, recompute=recompute), batch_of([3, 5])
    parameters = [inputs, *reader.parameters()]
    expected = torch.autograd.grad(reader(inputs, lengths).outputs.pow(2).sum(), parameters)
    total = reader(inputs, lengths).outputs.pow(2).sum()
    with torch.autocast("cpu", dtype=torch.float16):
        found = torch.autograd.grad(total, parameters)

    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("lengths", [[4, 4], [4, 2]])
@pytest.mark.parametrize("cell", ["gru", "lstm"])  # a plain RNN's gradient is made of its states, as torch.nn's is
def test_what_was_read_may_be_changed_in_place(cell, lengths):
    reader, (inputs, lengths) = reader_of(cell), batch_of(lengths)
    expected = torch.autograd.grad((reader(inputs, lengths).outputs * 2).sum(), inputs)
    found = torch.autograd.grad(reader(inputs, lengths).outputs.mul_(2).sum(), inputs)

    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("recompute", [None, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_lengths_may_be_changed_once_they_were_read(cell, recompute):
    reader, (inputs, lengths) = reader_of(cell, recompute=recompute), batch_of([3, 5])
    expected = torch.autograd.grad(reader(inputs, lengths).outputs.pow(2).sum(), inputs)

    total = reader(inputs, lengths).outputs.pow(2).sum()
    lengths.fill_(1)  # as a loop does that counts down what is left
    found = torch.autograd.grad(total, inputs)

    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_neither_threads_nor_how_lengths_lie_in_memory_need_a_loop_compiled_again():
    plan = loops.make_plan(torch.tensor([[3, 0], [5, 0], [1, 0], [2, 0]])[:, 0], directions=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "get_num_threads", lambda: 2)
        shared = loops.make_plan(torch.tensor([3, 5, 1, 2]), directions=1)

    assert [members.tolist() for members in shared.shares] == [[1, 3], [0, 2]]
    for array in (plan.lengths, *plan.shares, *shared.shares):
        assert array.flags.c_contiguous


@pytest.mark.parametrize("recompute", [None, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_a_gradient_on_padding_reaches_nothing(cell, recompute):
    reader, (inputs, lengths) = reader_of(cell, num_layers=2, recompute=recompute), batch_of([3, 5, 1])
    outputs, padding = reader(inputs, lengths).outputs, torch.arange(5) >= lengths[:, None]
    leaves, gradient = [inputs, *reader.parameters()], torch.randn_like(outputs)

    expected = torch.autograd.grad(outputs, leaves, gradient, retain_graph=True)
    found = torch.autograd.grad(outputs, leaves, gradient.masked_fill(padding[..., None], float("nan")))

    assert padding.any()
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("cell", CELLS)
def test_reading_alone_keeps_nothing_for_a_way_back(cell, monkeypatch):
    kept, real = [], loops.read
    monkeypatch.setattr(loops, "read", lambda *args, **options: kept.append(real(*args, **options)) or kept[-1])
    reader, (inputs, lengths) = reader_of(cell), batch_of([3, 5])
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            reader(inputs, lengths)
    assert len(kept) == 2
    assert all(one.before.numel() == one.inner.numel() == 0 for one in kept)


def test_loops_that_cannot_be_compiled_are_done_without_and_said(monkeypatch, caplog):
    def refuse():
        raise RuntimeError("cannot cache function 'sigmoid': no locator available for file 'kernels.py'")

    monkeypatch.setattr(fused, "compiled_loops", refuse)
    fused.is_available.cache_clear()
    try:
        reader, (inputs, lengths) = reader_of("lstm"), batch_of([3, 5])
        reader(inputs, lengths)
        reader(inputs, lengths)
    finally:
        fused.is_available.cache_clear()

    assert [record.getMessage() for record in caplog.records] == [
        "The compiled loops are not used, training is slower: cannot cache function 'sigmoid': no locator available "
        "for file 'kernels.py'. If no place can be written, name one in NUMBA_CACHE_DIR."
    ]


def test_where_numba_is_told_to_compile_nothing_torchs_kernels_read():
    program = (
        "import torch; from bothways.nn import GRU, fused; torch.manual_seed(0); reader = GRU(5, 3)\n"
        "inputs = torch.randn(2, 4, 5); found = reader(inputs).outputs; expected = reader.to_torch()(inputs)[0]\n"
        "print(fused.is_available(), bool((found - expected).abs().max() < 1e-6))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["False", "True"]
