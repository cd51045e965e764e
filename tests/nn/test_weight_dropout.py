"""Dropout on the recurrent weights: the numbers and gradients of a copy whose weights were masked by hand."""

import copy

import pytest
import torch
from torch.nn import functional

from bothways.errors import SettingsError
from bothways.nn import GRU, LSTM, RNN, fused, torch_kernels
from readings import E, H, batch_of, gradients, state_of, tensors_of

CELLS = ["tanh", "relu", "gru", "lstm"]
ROADS = [
    ("both", "joined", [4, 4]),
    ("both", "apart", [5, 1, 3]),
    ("forward", "joined", [6]),
    ("backward", "apart", [2]),
]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(params=[True, False], ids=["compiled", "torch"])
def _compiled(request, monkeypatch):
    monkeypatch.setattr(fused, "is_available", lambda: request.param)


def reader_of(cell, *, layers=1, weight_dropout=0.0, **options):
    more = {"nonlinearity": cell} if cell in ("tanh", "relu") else {}
    kind = {"gru": GRU, "lstm": LSTM}.get(cell, RNN)
    return kind(E, H, layers, weight_dropout=weight_dropout, **more, **options)


def masked_by_hand(reader, seed):
    """A copy in eval whose recurrent weights bear the mask that the next call in training draws, and the masks."""
    ways = ["forward", "backward"] if reader.direction == "both" else [reader.direction]
    masks, theirs = {}, copy.deepcopy(reader).eval()
    torch.manual_seed(seed)
    for way in ways:
        for layer in range(reader.num_layers):
            name = f"weight_hh_l{layer}" + ("_reverse" if way == "backward" and len(ways) == 2 else "")
            weight = theirs.get_parameter(name)
            masks[name] = functional.dropout(torch.ones_like(weight), reader.weight_dropout)
            with torch.no_grad():
                weight *= masks[name]
    return theirs, masks


def check_masked_by_hand(reader, inputs, lengths, initial):
    """Compare numbers and gradients."""
    theirs, masks = masked_by_hand(reader, seed=7)
    inputs.requires_grad_()

    def found(one):
        torch.manual_seed(7)
        tensors = tensors_of(one(inputs, lengths, initial))
        torch.manual_seed(1)
        weights = [torch.randn_like(tensor) for tensor in tensors]
        names = [name for name, _ in one.named_parameters()]
        return tensors, dict(
            zip(["inputs", *names], gradients(tensors, [inputs, *one.parameters()], weights), strict=True)
        )

    (ours, ours_back), (by_hand, by_hand_back) = found(reader), found(theirs)
    through_the_mask = {name: grad * masks.get(name, 1.0) for name, grad in by_hand_back.items()}

    assert all({0.0, 4.0} == set(mask.unique().tolist()) for mask in masks.values())
    torch.testing.assert_close(ours, by_hand, rtol=0, atol=1e-6)
    torch.testing.assert_close(ours_back, through_the_mask, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("_compiled")
@pytest.mark.parametrize("recompute", [None, 2])
@pytest.mark.parametrize(("direction", "stack", "lengths"), ROADS)
@pytest.mark.parametrize("cell", CELLS)
def test_it_is_reading_with_weights_masked_by_hand(cell, direction, stack, lengths, recompute):
    reader = reader_of(cell, layers=2, weight_dropout=0.75, direction=direction, stack=stack, recompute=recompute)
    initial = state_of(reader, len(lengths), torch.float32)

    check_masked_by_hand(reader, *batch_of(lengths, dtype=torch.float32), initial)


@pytest.mark.usefixtures("_compiled")
@pytest.mark.parametrize("cell", CELLS)
def test_the_mask_is_drawn_anew_at_each_call(cell):
    reader = reader_of(cell, weight_dropout=0.75, direction="both")
    inputs, lengths = batch_of([5, 3], dtype=torch.float32)

    once, twice = (reader(inputs, lengths).outputs for _ in range(2))

    torch.testing.assert_close(once[:, 0, :H], twice[:, 0, :H])  # the first step comes from a state of zeros
    assert (once[:, 1] != twice[:, 1]).any()


@pytest.mark.usefixtures("_compiled")
@pytest.mark.parametrize("cell", CELLS)
def test_it_is_off_in_eval_and_draws_nothing_there(cell):
    reader = reader_of(cell, layers=2, weight_dropout=0.75, direction="both").eval()
    plain = reader_of(cell, layers=2, direction="both").train()
    plain.load_state_dict(reader.state_dict())
    batch, before = batch_of([5, 3], dtype=torch.float32), torch.get_rng_state()

    torch.testing.assert_close(reader(*batch).outputs, plain(*batch).outputs, rtol=0, atol=0)
    assert (torch.get_rng_state() == before).all()


@pytest.mark.parametrize("cell", CELLS)
def test_a_probability_that_is_none_is_refused_and_another_is_said(cell):
    for wrong in (1.0, -0.1):
        with pytest.raises(SettingsError, match=rf"^weight_dropout is {wrong}, but it must be in \[0, 1\)\.$"):
            reader_of(cell, weight_dropout=wrong)
    assert "weight_dropout=0.25" in repr(reader_of(cell, weight_dropout=0.25))


@pytest.mark.parametrize("bias", [True, False])
def test_changed_weights_lie_in_one_piece_where_cudnn_wants_them(bias):
    leaves = [weight.clone() for weight in LSTM(E, H, bias=bias).weights(0, "forward")]
    found = torch_kernels._in_one_piece(leaves)

    first = found[0].untyped_storage()
    assert first.nbytes() == 4 * (4 * H) * (E + H + 2)
    assert [weight.storage_offset() for weight in found][:2] == [0, 4 * H * E]
    torch.testing.assert_close(found, leaves, rtol=0, atol=0)
    assert torch_kernels._in_one_piece(found) is found
    totals = torch.autograd.grad(sum((weight**2).sum() for weight in found), leaves)
    torch.testing.assert_close(list(totals), [2 * leaf for leaf in leaves])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("recompute", [None, 2])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_on_cuda_it_is_the_same_and_cudnn_need_not_gather_the_weights(cell, bias, recompute):
    """If it had to, it would warn, and a warning is an error here."""
    reader = reader_of(cell, layers=2, weight_dropout=0.75, direction="both", bias=bias, recompute=recompute).cuda()
    inputs, lengths = batch_of([5, 1, 3], dtype=torch.float32)

    check_masked_by_hand(reader, inputs.cuda(), lengths.cuda(), None)
