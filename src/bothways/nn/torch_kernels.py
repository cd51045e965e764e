"""How torch's own kernels are fed, wherever the compiled loops (see `fused`) are not used.

A batch without padding is read in one call on a CPU, all layers and directions of it, as torch.nn reads it. Any other
is laid out as rows (see `layout`) and read with the forward kernel, layer by layer, a backward reader's on the mirrored
sequence: block by block on a CPU, which may be read again (see `recompute`); as packed rows in one call of cuDNN.

Shapes: B sequences, T steps, N rows of the layout, F width of a layer's inputs, D directions, H hidden width, L layers,
G gates.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.backends.cudnn import rnn as cudnn_rnn

from bothways.nn.layers import PARTS, Cell, Layers
from bothways.nn.layout import Layout, copy_rows, enter_rows, lay_out, leave_rows
from bothways.nn.reader import State, sequence_dropout
from bothways.nn.recompute import read_again

# Added to a gate before its sigmoid: far beyond what weights reach, so the gate is exactly 0 or 1, gradient 0.
SHUT = 1e4


def is_whole(layers: Layers, inputs: Tensor, lengths: Tensor) -> bool:
    """Whether `read_whole` can read this batch: on a CPU, and there is no padding to mind."""
    return (
        inputs.device.type == "cpu"
        and int(lengths.min()) == inputs.shape[1]
        and "forward" in layers.weights
        and (layers.depth == 1 or len(layers.weights) == 1 or not layers.apart)
        and not (layers.depth > 1 and layers.dropout)
        and (layers.recompute is None or not torch.is_grad_enabled())
    )


def read_whole(layers: Layers, inputs: Tensor) -> tuple[Tensor, State]:
    """Read a batch without padding (B, T, F) in one call -> the top states side by side, (B, T, D·H), and the last."""
    ways, depth = list(layers.weights), layers.depth
    # Layer by layer, and in each the directions one after the other.
    weights = [weight for layer in range(depth) for way in ways for weight in layers.weights[way][layer]]
    kind = weights[0]
    zeros = kind.new_zeros(depth, len(inputs), layers.width)
    given = [(zeros,) * PARTS[layers.cell] if state is None else state for state in layers.start.values()]
    state = tuple(torch.stack(part, dim=1).flatten(0, 1).to(kind.dtype) for part in zip(*given, strict=True))
    with _autocast_where_kernels_can(inputs.device):
        steps = inputs.to(kind.dtype).transpose(0, 1)
        outputs, last = _call(layers.cell, steps, state, weights, depth=depth, both=len(ways) == 2)
    apart = [part.reshape(depth, len(ways), *part.shape[1:]).unbind(1) for part in last]
    final = State(**{way: tuple(part[number] for part in apart) for number, way in enumerate(ways)})
    return outputs.transpose(0, 1), final


def read_rows(layers: Layers, inputs: Tensor, lengths: Tensor) -> tuple[dict[str, Tensor], State]:
    """Read any batch (B, T, F) -> each direction's top states, (B, T, H) and zero on padding, and the last."""
    size, steps, width = inputs.shape
    # Relu's states may grow without bound on zeros, and would spoil what they touch: it reads no padding at all.
    exact = _is_packed(inputs, layers.recompute) or layers.cell == "rnn_relu"
    layout = lay_out(lengths, steps, inputs.device, exact=exact)
    flat = inputs.reshape(size * steps, width)
    rows = {way: enter_rows(flat, layout, way) for way in layers.weights}
    final: dict[str, list[tuple[Tensor, ...]]] = {way: [] for way in layers.weights}

    for layer in range(layers.depth):
        if layer:
            rows = _between(layers, rows, layout)
        for way, states in layers.start.items():
            state = None if states is None else tuple(part[layer] for part in states)
            weights = layers.weights[way][layer]
            rows[way], last = _read_layer(layers.cell, rows[way], layout, weights, state, layers.recompute)
            final[way].append(last)

    final_state = State(**{way: tuple(map(torch.stack, zip(*last, strict=True))) for way, last in final.items()})
    return {way: leave_rows(states, layout, way).view(size, steps, -1) for way, states in rows.items()}, final_state


def casts_for_kernels() -> bool:
    """Whether autocast is on and torch's CPU kernels can follow: the LSTM's refuses bfloat16 without AVX512.

    Only bfloat16 is worth having on a CPU; float16 is left as well.
    """
    wanted = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    return wanted and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def flatten_weights(cell: Cell, weights: list[Tensor]) -> None:
    """Lay one layer's weights out in one piece for cuDNN, which would otherwise do, and warn of, that at each call."""
    if weights[0].is_cuda and torch._use_cudnn_rnn_flatten_weight():
        mode = cudnn_rnn.get_cudnn_mode(cell.upper())  # type: ignore[no-untyped-call]
        width, size = weights[0].shape[1], weights[1].shape[1]
        with torch.no_grad(), torch.cuda.device_of(weights[0]):  # type: ignore[no-untyped-call]
            torch._cudnn_rnn_flatten_weight(weights, len(weights), width, mode, size, 0, 1, False, False)


def _between(layers: Layers, rows: dict[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """Turn one layer's states into the rows that each direction of the next layer reads."""
    if layers.apart or len(rows) == 1:
        return {way: _drop(states, layout, layers.dropout) for way, states in rows.items()}
    leftward = copy_rows(rows["backward"], layout.mirror, layout.mirror)
    below = _drop(torch.cat([rows["forward"], leftward], dim=1), layout, layers.dropout)
    return {"forward": below, "backward": copy_rows(below, layout.mirror, layout.mirror)}


def _drop(rows: Tensor, layout: Layout, dropout: float) -> Tensor:
    """Drop the same features at all steps of a sequence."""
    if not dropout:
        return rows
    return rows * sequence_dropout(rows, len(layout.order), dropout).index_select(0, layout.sequence)


def _read_layer(
    cell: Cell,
    rows: Tensor,
    layout: Layout,
    weights: list[Tensor],
    start: tuple[Tensor, ...] | None,
    recompute: int | None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run one layer in one direction over rows (N, F) -> states (N, H), and the final state (B, H) of each part."""
    kind = weights[0]
    # Autocast casts again where it wants to; without it the kernels need one dtype.
    rows = rows.to(kind.dtype)
    if start is None:
        state = tuple(kind.new_zeros(1, len(layout.order), weights[1].shape[1]) for _ in range(PARTS[cell]))
    else:
        state = tuple(part.to(kind.dtype).index_select(0, layout.order)[None] for part in start)
    if cell == "lstm" and layout.padding is not None:
        rows, weights = _held_on_padding(rows, layout.padding, weights)
    if rows.is_cuda:
        weights = _in_one_piece(weights)
    with _autocast_where_kernels_can(rows.device):
        if _is_packed(rows, recompute):
            states, state = _call(cell, rows, state, weights, layout.batch_sizes())
        else:
            states, state = _read_blocks(cell, rows, layout, weights, state, recompute)
    # At the end of a block h is whatever padding made of it; the other parts are held through the padding.
    others = (part[0].index_select(0, layout.rank) for part in state[1:])
    return states, (states.index_select(0, layout.last), *others)


def _read_blocks(
    cell: Cell,
    rows: Tensor,
    layout: Layout,
    weights: list[Tensor],
    state: tuple[Tensor, ...],
    recompute: int | None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run the kernel block by block; sequences that have ended leave with their state."""
    outputs, ended = list[Tensor](), list[tuple[Tensor, ...]]()
    again = recompute if torch.is_grad_enabled() else None
    for block in layout.blocks(rows, at_most=again):
        steps, count, _ = block.shape
        if count < state[0].shape[1]:
            ended.append(tuple(part[:, count:] for part in state))
            state = tuple(part[:, :count].contiguous() for part in state)
        if again is None:
            states, state = _call(cell, block, state, weights)
        else:
            states, state = read_again(_call, cell, block, state, weights, weights=weights)
        outputs.append(states.reshape(steps * count, -1))
    final = tuple(torch.cat(parts, dim=1) for parts in zip(state, *reversed(ended), strict=True))
    return torch.cat(outputs), final


def _held_on_padding(rows: Tensor, padding: Tensor, weights: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Add an input that is 1 on padding and there shuts the input gate and opens the forget gate: c' = c exactly.

    The LSTM's kernel gives c only at the end of a block, and c cannot be found from h.
    """
    size = weights[1].shape[1]
    hold = weights[0].new_zeros(4 * size, 1)
    hold[:size] = -SHUT
    hold[size : 2 * size] = SHUT
    rows = torch.cat([rows, padding[:, None].to(rows.dtype)], dim=1)
    return rows, [torch.cat([weights[0], hold], dim=1), *weights[1:]]


def _in_one_piece(weights: list[Tensor]) -> list[Tensor]:
    """Copy weights that were changed for one call beside each other, as `flatten_weights` lays parameters out."""
    if len({weight.untyped_storage().data_ptr() for weight in weights}) == 1:
        return weights
    # Where there are no biases cuDNN still has room for them, and wants zeros there.
    room = weights[0].new_zeros(0 if len(weights) == 4 else 2 * len(weights[0]))
    flat = torch.cat([*(weight.flatten() for weight in weights), room])
    parts = torch.split(flat, [*(weight.numel() for weight in weights), len(room)])
    return [part.view_as(weight) for part, weight in zip(parts, weights, strict=False)]


def _is_packed(rows: Tensor, recompute: int | None) -> bool:
    """Whether cuDNN reads all steps in one call."""
    return rows.is_cuda and recompute is None


def _call(
    cell: Cell,
    steps: Tensor,
    state: tuple[Tensor, ...],
    weights: list[Tensor],
    batch_sizes: Tensor | None = None,
    *,
    depth: int = 1,
    both: bool = False,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run torch's kernel on a block (steps, rows, F), or on packed rows (N, F) with batch_sizes.

    The kernel is told that it trains whenever gradients are wanted: it keeps what backward needs only then.
    """
    kernel, start = getattr(torch, cell), state if cell == "lstm" else state[0]
    has_bias, training = len(weights) == 4 * depth * (2 if both else 1), torch.is_grad_enabled()
    if batch_sizes is None:
        outputs, *last = kernel(steps, start, weights, has_bias, depth, 0.0, training, both, False)
    else:
        outputs, *last = kernel(steps, batch_sizes, start, weights, has_bias, depth, 0.0, training, both)
    return outputs, tuple(last)


def _autocast_where_kernels_can(device: torch.device) -> AbstractContextManager[object]:
    """Leave autocast on the CPU where its kernels cannot follow."""
    if device.type != "cpu" or not torch.is_autocast_enabled("cpu") or casts_for_kernels():
        return nullcontext()
    return torch.autocast("cpu", enabled=False)
