"""The compiled loops in bfloat16: rounding, products, and that under autocast the layers keep their promises."""

import copy

import numpy as np
import pytest
import torch
from numba import njit

from bothways.nn import GRU, LSTM, RNN, State, fused, kernel_numbers, kernel_products, loops, torch_kernels
from readings import gradients, state_of, tensors_of

pytestmark = pytest.mark.skipif(
    not fused.computes_bfloat16(), reason="needs a processor that adds up bfloat16 pairs (AVX512-BF16)"
)

CELLS = {"tanh": RNN, "relu": RNN, "gru": GRU, "lstm": LSTM}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def reader_of(cell, *, hidden_size=9, layers=1, **options):
    more = {"nonlinearity": cell} if cell in ("tanh", "relu") else {}
    return CELLS[cell](5, hidden_size, layers, **more, **options)


def in_sixteenths(reader):
    """Round the weights so that W x + b of inputs -1, 0 and 1 is exact in bfloat16, in whatever order it is summed."""
    with torch.no_grad():
        for parameter in reader.parameters():
            parameter.mul_(16).round_().div_(16)
    return reader


def read(reader, *batch):
    with torch.autocast("cpu", torch.bfloat16):
        return reader(*batch)


def read_and_back(reader, inputs, lengths, initial=None):
    """What is found under autocast, and the gradients of a fixed mixture of it: of the inputs, states and weights."""
    inputs = inputs.detach().clone().requires_grad_()
    start = [part for parts in initial or () for part in parts or ()]
    found = tensors_of(read(reader, inputs, lengths, initial))
    mixture = [torch.linspace(-1, 1, tensor.numel()).view_as(tensor) for tensor in found]
    return found, gradients(found, [inputs, *start, *reader.parameters()], mixture)


def check_near(found, expected, *, near):
    """Compare tensors by what lies between them, as a part of their length: rounding errors add up like noise."""
    for one, other in zip(found, expected, strict=True):
        assert (one.double() - other.double()).norm() <= near * other.double().norm()


def floats_of(bits):
    return np.asarray(bits, np.uint32).view(np.float32)


def narrowed(values):
    """float32 -> bfloat16 as the loops round it, in uint16."""
    there = np.empty(len(values), np.uint16)
    kernel_numbers.copy(there, values)
    return there


# Every bfloat16 with some of what may follow it in a float32: nothing, a little, a tie, and what surrounds one.
ALL = floats_of(np.add.outer(np.arange(2**16) << 16, [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF]).ravel())
LEAST = 2.0**-126  # the least normal number


def test_a_number_is_rounded_to_the_nearest_and_from_between_two_to_the_even_one():
    values = ALL[np.abs(ALL) >= LEAST]  # infinity is one of them, NaN is none
    expected = torch.from_numpy(values).bfloat16().view(torch.uint16).numpy()

    np.testing.assert_array_equal(narrowed(values), expected)
    assert narrowed(floats_of([0x3F808000, 0x3F818000, 0x7F7FFFFF])).tolist() == [0x3F80, 0x3F82, 0x7F80]


def test_a_number_too_small_for_a_normal_one_becomes_a_zero_of_its_sign():
    """Unlike torch's: the processor takes such numbers for zeros, in rounding as in multiplying."""
    values = ALL[np.abs(ALL) < LEAST]

    np.testing.assert_array_equal(narrowed(values), np.where(np.signbit(values), 0x8000, 0))


def test_rounding_makes_nan_of_nan_alone():
    found = torch.from_numpy(narrowed(ALL)).view(torch.bfloat16)

    np.testing.assert_array_equal(found.isnan().numpy(), np.isnan(ALL))


def test_every_bfloat16_is_read_as_what_it_is():
    bits, found = np.arange(2**16).astype(np.uint16), np.empty(2**16, np.float32)
    kernel_numbers.copy(found, bits)

    np.testing.assert_array_equal(found.view(np.uint32), bits.astype(np.uint32) << 16)


@njit
def add_product(sums, rows, count, panels, halves):
    kernel_products.add_product(sums, rows, count, panels, halves)


def panels_of(matrix):
    return kernel_products.pack(matrix, torch.bfloat16).numpy()


def amid(values, bits=-1):
    """Put an array between two rows of other numbers, of NaN if no bits are given."""
    whole = np.full((len(values) + 2, *values.shape[1:]), bits, f"i{values.itemsize}").view(values.dtype)
    whole[1:-1] = values
    return whole


@pytest.mark.parametrize("width", [1, 30, 64, 130])
@pytest.mark.parametrize("terms", [1, 7, 64, 1030, 2050])
def test_product_is_that_of_the_rounded_terms_and_touches_no_row_beyond(terms, width):
    matrix = torch.randn(width, terms)
    exact, panels = matrix.bfloat16().double(), amid(panels_of(matrix))[1:-1]
    for count in range(1, 15):
        left = torch.randn(count, terms)
        sums = amid(np.ones((count, kernel_products.COLUMNS * len(panels)), np.float32), bits=7)
        # What was in the room before must not matter, even where a term has no partner.
        halves = amid(np.full((count, 2 * panels.shape[1]), 0xFFFF, np.uint16))

        add_product(sums[1:], amid(left.numpy())[1:], count, panels, halves[1:])

        expected = 1 + left.bfloat16().double() @ exact.t()
        np.testing.assert_allclose(sums[1:-1, :width], expected, rtol=0, atol=3e-6 * (1 + terms**0.5))
        for whole, bits in ((sums, 7), (halves, -1)):
            assert (whole[[0, -1]].view(f"i{whole.itemsize}") == bits).all()


ROADS = [
    ([1], 1, {}),
    ([3, 8, 1, 8, 2], 9, {"layers": 2, "direction": "both"}),
    ([4, 4], 9, {"layers": 2, "direction": "both", "stack": "apart", "merge": "sum"}),
    ([2, 7, 5], 6, {"direction": "backward", "bias": False}),
    ([2, 7, 5], 6, {"layers": 2, "direction": "both", "recompute": 3}),
    ([3, 1, *[2] * 11], 261, {"direction": "both"}),
]


@pytest.mark.parametrize(("lengths", "size", "options"), ROADS)
@pytest.mark.parametrize("cell", CELLS)
def test_numbers_and_gradients_are_near_those_of_float64(cell, lengths, size, options):
    """The other road: the same weights in float64, which torch's kernels read."""
    torch.manual_seed(1)  # with another one a relu's sum may fall on the other side of zero, where its slope jumps
    reader = reader_of(cell, hidden_size=size, **options)
    inputs, initial = torch.randn(len(lengths), max(lengths), 5), state_of(reader, len(lengths), torch.float32)
    exact = copy.deepcopy(reader).double()
    starts = [State(*(parts and tuple(part.to(kind).requires_grad_() for part in parts) for parts in initial))
              for kind in (torch.float32, torch.float64)]  # fmt: skip

    found, back = read_and_back(reader, inputs, torch.tensor(lengths), starts[0])
    with torch.autocast("cpu", enabled=False):
        steps = inputs.double().requires_grad_()
        expected = tensors_of(exact(steps, torch.tensor(lengths), starts[1]))
    mixture = [torch.linspace(-1, 1, tensor.numel()).view_as(tensor) for tensor in expected]
    leaves = [steps, *(part for parts in starts[1] for part in parts or ()), *exact.parameters()]
    expected_back = gradients(expected, leaves, mixture)

    check_near(found, expected, near=0.01)
    check_near(back, expected_back, near=0.05)
    assert [tensor.dtype for tensor in found] == [torch.bfloat16] + [torch.float32] * (len(found) - 1)
    assert {gradient.dtype for gradient in back} == {torch.float32}


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("lengths", [[4, 4], [4, 2]])
@pytest.mark.parametrize("cell", CELLS)
def test_it_is_the_loops_that_read_and_keep_half(cell, lengths, kind, monkeypatch):
    calls, real = [], loops.read
    monkeypatch.setattr(loops, "read", lambda *args, **options: calls.append(real(*args, **options)) or calls[-1])
    for name in ("read_whole", "read_rows"):
        monkeypatch.setattr(torch_kernels, name, None)
    reader, inputs = reader_of(cell, direction="both"), torch.randn(2, 4, 5).to(kind).requires_grad_()

    (gradient,) = torch.autograd.grad(read(reader, inputs, torch.tensor(lengths)).outputs.float().sum(), inputs)

    (kept,) = calls
    kinds = {"gates": torch.bfloat16, "outputs": torch.bfloat16, "before": torch.bfloat16}
    assert {name: getattr(kept, name).dtype for name in kinds} == kinds
    assert kept.inner.dtype == (torch.float32 if cell == "lstm" else torch.bfloat16)
    assert gradient.dtype == kind


@pytest.mark.parametrize("cell", CELLS)
def test_where_the_processor_cannot_torchs_kernels_read(cell, monkeypatch):
    monkeypatch.setattr(fused, "computes_bfloat16", lambda: False)
    monkeypatch.setattr(fused, "read", None)
    reader, inputs, lengths = reader_of(cell, direction="both"), torch.randn(3, 4, 5), torch.tensor([4, 1, 3])
    found, back = read_and_back(reader, inputs, lengths)
    monkeypatch.undo()

    expected, expected_back = read_and_back(reader, inputs, lengths)

    check_near(found, expected, near=0.02)
    check_near(back, expected_back, near=0.05)


@pytest.mark.parametrize(("layers", "near"), [(1, 0), (3, 0.02)])
@pytest.mark.parametrize("cell", CELLS)
def test_step_by_step_with_the_carried_state_is_all_at_once(cell, layers, near):
    """Exactly, for one layer; above it a sum taken in another order may round a state of the layer below otherwise."""
    reader, inputs = in_sixteenths(reader_of(cell, layers=layers)), torch.randint(-1, 2, (2, 6, 5)).float()
    state = state_of(reader, 2, torch.float32)
    at_once, steps = read(reader, inputs, None, state), []

    for step in range(6):
        reading = read(reader, inputs[:, step : step + 1], None, state)
        steps.append(reading.outputs)
        state = reading.final_state

    found = [torch.cat(steps, dim=1), *state.forward]
    torch.testing.assert_close(found, [at_once.outputs, *at_once.final_state.forward], rtol=near, atol=near)


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize(("layers", "near"), [(1, 0), (2, 0.02)])
@pytest.mark.parametrize("cell", CELLS)
def test_alone_is_as_in_company_whatever_the_threads(cell, layers, near, threads):
    reader, lengths = in_sixteenths(reader_of(cell, layers=layers, direction="both")), [9, 1, 4, 4, *[7] * 5]
    inputs = torch.randint(-1, 2, (len(lengths), 9, 5)).float()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        together = tensors_of(read(reader, inputs, torch.tensor(lengths)))
    finally:
        torch.set_num_threads(before)

    for row, length in enumerate(lengths):
        alone = tensors_of(read(reader, inputs[row : row + 1, :length]))
        there = [together[0][row : row + 1, :length], *(part[:, row : row + 1] for part in together[1:])]
        torch.testing.assert_close(there, alone, rtol=near, atol=near)


@pytest.mark.parametrize("recompute", [None, 2])
@pytest.mark.parametrize("filling", [float("nan"), float("inf")])
@pytest.mark.parametrize("cell", CELLS)
def test_what_fills_the_padding_reaches_no_state_and_no_gradient(cell, filling, recompute):
    reader = reader_of(cell, layers=2, direction="both", recompute=recompute)
    inputs, lengths = torch.randn(3, 5, 5), torch.tensor([5, 2, 1])
    padding = torch.arange(5) >= lengths[:, None]

    filled = read_and_back(reader, inputs.masked_fill(padding[..., None], filling), lengths)

    torch.testing.assert_close(filled, read_and_back(reader, inputs, lengths), rtol=0, atol=0)
    assert (filled[0][0][padding] == 0).all()
    assert (filled[1][0][padding] == 0).all()


@pytest.mark.parametrize("cell", CELLS)
def test_nan_in_a_real_step_is_seen_from_there_on_and_in_no_other_sequence(cell):
    reader, inputs, lengths = reader_of(cell), torch.randn(3, 6, 5), torch.tensor([6, 5, 6])
    expected = read(reader, inputs, lengths).outputs
    inputs[1, 2, 0] = float("nan")

    found = read(reader, inputs, lengths).outputs

    assert found[1, 2:5].isnan().all()
    found[1, 2:5] = expected[1, 2:5]
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("stack", ["joined", "apart"])
@pytest.mark.parametrize("cell", CELLS)
def test_recomputing_finds_what_was_not_kept(cell, stack):
    reader = in_sixteenths(reader_of(cell, layers=2, direction="both", stack=stack))
    inputs, lengths = torch.randint(-1, 2, (4, 8, 5)).float(), torch.tensor([8, 1, 5, 4])
    found, back = read_and_back(reader, inputs, lengths)
    reader.recompute = 3
    again, again_back = read_and_back(reader, inputs, lengths)

    check_near(again, found, near=0.005)
    check_near(again_back, back, near=0.02)


@pytest.mark.parametrize("cell", CELLS)
def test_what_torch_makes_by_default_changes_nothing(cell):
    reader, inputs, lengths = reader_of(cell, direction="both"), torch.randn(3, 19, 5), torch.tensor([19, 9, 7])
    expected, found = tensors_of(read(reader, inputs, lengths)), []
    default = torch.get_default_dtype()
    for kind in (torch.float64, torch.bfloat16):
        torch.set_default_dtype(kind)
        try:
            found.append(read(reader, inputs, lengths))
        finally:
            torch.set_default_dtype(default)
    with torch.device("meta"):
        found.append(read(reader, inputs, lengths))

    for reading in found:
        torch.testing.assert_close(tensors_of(reading), expected, rtol=0, atol=0)
