"""The linear recurrence: every road to it, and the compiled cells, give the plain loop's numbers and gradients."""

from itertools import product

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from bothways.errors import SettingsError
from bothways.nn import plain_scan, scan
from bothways.nn.parallel_fused import read_fused, shares_of
from readings import gradients

ROADS = ["steps", "doubling"]
GATES = {"mingru": 2, "minlstm": 3, "sru": 3}

ways_of = st.lists(st.booleans(), min_size=1, max_size=2)
lengths_of = st.lists(st.integers(1, 9), min_size=1, max_size=6)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def _poisoned():
    """Memory that is not written is NaN."""
    torch.use_deterministic_algorithms(True)  # which fills it
    yield
    torch.use_deterministic_algorithms(False)


def counts_of(lengths):
    """How many sequences are read at each step, the longest standing first."""
    return [sum(length > step for length in lengths) for step in range(max(lengths))]


def rows_of(lengths, *shape, dtype=torch.float64):
    return torch.randn(sum(lengths), *shape, dtype=dtype, requires_grad=True)


def coefficients(lengths, ways, width):
    """Draw a, b and the start; a also beyond 1 and at 0."""
    decay, update = rows_of(lengths, ways, width), rows_of(lengths, ways, width)
    with torch.no_grad():
        decay[decay.abs() < 0.3] = 0.0
    return decay, update, torch.randn(ways, len(lengths), width, dtype=torch.float64, requires_grad=True)


def compare(found, expected, leaves, near=1e-10, near_gradients=1e-10):
    """Compare numbers, and gradients of a mixture of them, with those of float64 leaves."""
    mixture = [torch.randn_like(tensor) for tensor in expected]
    expected_gradients = gradients(expected, leaves[1], mixture)
    found_gradients = gradients(found, leaves[0], [weight.to(found[0].dtype) for weight in mixture])
    pairs = ((found, expected, near), (found_gradients, expected_gradients, near_gradients))
    for ours, theirs, distance in pairs:
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one.double(), other, rtol=distance, atol=distance)


@pytest.mark.usefixtures("_poisoned")
@pytest.mark.parametrize("road", ROADS)
@given(lengths=lengths_of, mirrored=ways_of, width=st.sampled_from([1, 3, 17]))
def test_every_road_is_the_plain_loop(road, lengths, mirrored, width):
    assert torch.empty(3).isnan().all()  # the poison works
    leaves, counts = coefficients(lengths, len(mirrored), width), counts_of(lengths)

    found = scan(*leaves, counts, mirrored, road=road)

    compare(found, plain_scan(*leaves, counts, mirrored), [leaves, leaves])


@pytest.mark.parametrize("lengths", [[1], [4], [1, 1, 1], [5, 1, 3]])
@pytest.mark.parametrize("road", ROADS)
def test_gradients_are_differences_of_values(road, lengths):
    leaves, counts = coefficients(lengths, 2, 2), counts_of(lengths)

    assert torch.autograd.gradcheck(lambda *leaves: scan(*leaves, counts, [False, True], road=road), leaves)


@pytest.mark.parametrize("road", ROADS)
def test_a_second_derivative_is_refused_also_where_other_roads_lead_on(road):
    """Without the road through the scan, a sum of both would be a wrong number."""
    (decay, update, start), counts = coefficients([4, 2], 1, 3), counts_of([4, 2])
    states, _ = scan(decay, update * decay, start, counts, [False], road=road)
    (gradient,) = torch.autograd.grad(states.sum(), decay, create_graph=True)

    with pytest.raises(RuntimeError, match="cannot differentiate twice through them"):
        torch.autograd.grad((gradient * decay).sum(), decay)


def test_a_sum_by_hand():
    """One sequence, a = 2 and b = 1 at each step: 3 -> 7 -> 15 -> 31, and backwards the same."""
    decay, update = torch.full((3, 2, 1), 2.0), torch.ones(3, 2, 1)
    states, final = scan(decay, update, torch.full((2, 1, 1), 3.0), [1, 1, 1], [False, True])

    assert states[:, :, 0].tolist() == [[7, 31], [15, 15], [31, 7]]
    assert final.flatten().tolist() == [31, 31]


def test_the_road_is_checked():
    with pytest.raises(SettingsError, match=r"^road is 'step', but it must be one of: doubling, steps\. Did you mean"):
        scan(torch.ones(1, 1, 1), torch.ones(1, 1, 1), torch.ones(1, 1, 1), [1], [False], road="step")


def cell_by_hand(cell, gates, skip, start, counts, mirrored):
    """A cell's equations, with the plain loop."""
    products = gates.chunk(GATES[cell], dim=2)
    if cell == "mingru":
        z, c = torch.sigmoid(products[0]), products[1]
        return plain_scan(1 - z, z * c, start, counts, mirrored)
    if cell == "minlstm":
        f, i, c = torch.sigmoid(products[0]), torch.sigmoid(products[1]), products[2]
        return plain_scan(f / (f + i), i / (f + i) * c, start, counts, mirrored)
    f, r, y = torch.sigmoid(products[0]), torch.sigmoid(products[1]), products[2]
    cells, last = plain_scan(f, (1 - f) * y, start, counts, mirrored)
    return r * torch.tanh(cells) + (1 - r) * skip, last


def cell_leaves(cell, lengths, ways, width):
    """What a cell reads, twice: in float32 and the same in float64."""
    shapes = [(sum(lengths), ways, GATES[cell] * width), (ways, len(lengths), width)]
    if cell == "sru":
        shapes.append((sum(lengths), ways, width))
    single = [(2 * torch.randn(shape)).requires_grad_() for shape in shapes]
    return single, [leaf.detach().double().requires_grad_() for leaf in single]


def read_cell(cell, leaves, counts, mirrored, read=read_fused):
    gates, start, *skip = leaves
    return read(cell, gates, skip[0] if skip else None, start, counts, mirrored)


@pytest.mark.usefixtures("_poisoned")
@pytest.mark.parametrize("cell", GATES)
@given(
    lengths=lengths_of,
    mirrored=ways_of,
    width=st.sampled_from([1, 7, 16, 17, 50]),
    threads=st.sampled_from([1, 2, 3, 5, 16]),
)
def test_a_compiled_cell_is_its_equations(cell, lengths, mirrored, width, threads):
    (single, double), counts = cell_leaves(cell, lengths, len(mirrored), width), counts_of(lengths)
    expected = read_cell(cell, double, counts, mirrored, cell_by_hand)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "get_num_threads", lambda: threads)
        found = read_cell(cell, single, counts, mirrored)
        compare(found, expected, [single, double], 1e-5, 1e-4)


@given(directions=st.integers(1, 2), size=st.integers(1, 9), width=st.integers(1, 100), wanted=st.integers(1, 40))
def test_the_shares_of_the_work_are_the_whole_of_it_once(directions, size, width, wanted):
    shares = shares_of(directions, size, width, wanted)
    done = torch.zeros(directions, size, width)
    for way, share, of, first, last in shares:
        done[way, share::of, first:last] += 1

    assert (done == 1).all()
    assert len(shares) <= max(wanted, directions)
    assert all(share.first % 16 == 0 for share in shares)  # a thread's numbers begin a cache line


@pytest.mark.parametrize("cell", GATES)
def test_tensors_may_be_views_and_gradients_may_be_one_number(cell):
    single, _ = cell_leaves(cell, [4, 2], 2, 5)
    turned = [leaf.detach().mT.contiguous().mT.requires_grad_() for leaf in single]

    def found(leaves):
        outputs, final = read_cell(cell, leaves, [2, 2, 1, 1], [True, False])
        # The gradient of a sum is one number, seen as a whole tensor.
        return outputs, *torch.autograd.grad(outputs.sum() + final.mT.sum(), leaves)

    torch.testing.assert_close(found(turned), found(single), rtol=0, atol=0)


@pytest.mark.parametrize("cell", GATES)
def test_going_back_twice_gives_the_same_gradients(cell):
    single, _ = cell_leaves(cell, [3, 1], 2, 5)
    outputs, final = read_cell(cell, single, [2, 1, 1], [False, True])
    total = (outputs**2).sum() + (final**2).sum()

    once = torch.autograd.grad(total, single, retain_graph=True)

    torch.testing.assert_close(torch.autograd.grad(total, single), once, rtol=0, atol=0)


@pytest.mark.parametrize(("cell", "size"), list(product(GATES, [80.0, 1e4, 3e38])))
def test_gates_far_out_are_shut_or_open(cell, size):
    """The first gate decides: open keeps a MinLSTM's or an SRU's past, and takes a MinGRU's present."""
    sign = torch.tensor([1.0, -1.0])
    start, present = torch.tensor([[[3.0, 3.0]]]), torch.tensor([5.0, 5.0])
    products = {"mingru": [-sign * size, present], "minlstm": [sign * size, -sign * size, present]}
    products["sru"] = [sign * size, -sign.abs() * size, present]
    gates = torch.cat(products[cell])[None, None].requires_grad_()

    outputs, final = read_fused(cell, gates, torch.full((1, 1, 2), 7.0) if cell == "sru" else None, start, [1], [False])
    gradient = torch.autograd.grad(final.sum(), gates)[0]

    assert final.flatten().tolist() == [3, 5]
    assert outputs.flatten().tolist() == ([7, 7] if cell == "sru" else [3, 5])
    expected = torch.zeros_like(gradient)
    expected[..., -1] = 1  # of the one product that was let in
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-30)


@pytest.mark.parametrize("cell", GATES)
def test_a_sequence_of_nan_spoils_no_other(cell):
    single, _ = cell_leaves(cell, [4, 3, 1], 2, 5)
    spoiled = [leaf.detach().clone().requires_grad_() for leaf in single]
    with torch.no_grad():
        spoiled[0][[1, 4, 6]] = float("nan")  # the rows of the second sequence

    def found(leaves):
        outputs, _ = read_cell(cell, leaves, [3, 2, 2, 1], [True, False])
        return outputs, torch.autograd.grad((outputs**2).sum(), leaves)[0]

    clean, dirty = found(single), found(spoiled)

    assert dirty[0][[1, 4, 6]].isnan().all()
    for one, other in zip(clean, dirty, strict=True):
        torch.testing.assert_close(other[[0, 2, 3, 5, 7]], one[[0, 2, 3, 5, 7]], rtol=0, atol=0)
