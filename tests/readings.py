"""What the tests of recurrent layers share: batches, states, gradients, and a reader that goes step by step."""

import torch

from bothways.nn import State

E, H = 3, 4


def batch_of(lengths, steps=None, dtype=torch.float64):
    return torch.randn(len(lengths), steps or max(lengths), E, dtype=dtype), torch.tensor(lengths)


def state_of(reader, size, dtype=torch.float64):
    def draw(width):
        return tuple(torch.randn(reader.num_layers, size, width, dtype=dtype) for _ in reader.parts) if width else None

    return State(draw(reader.forward_size), draw(reader.backward_size))


def row_of(state, row):
    """One sequence's state, (L, H) each."""
    return State(*(parts and tuple(part[:, row] for part in parts) for parts in state))


def tensors_of(reading):
    """Everything that a reading holds, in a fixed order."""
    return [reading.outputs, *(part for state in reading.final_state for part in state or ())]


def gradients(found, parameters, weights):
    """Gradients of a fixed mixture of all that was found."""
    total = sum((tensor * weight).sum() for tensor, weight in zip(found, weights, strict=True))
    return torch.autograd.grad(total, parameters)


def read_by_hand(reader, sequence, state, step_by_hand):
    """Read one unpadded sequence (length, E) a step at a time.

    `step_by_hand(reader, layer, way, step, state)` does one step: (F,) and (H,) each -> (H,) each, h the first.
    """
    ways = ["forward", "backward"] if reader.direction == "both" else [reader.direction]
    below, finals = dict.fromkeys(ways, sequence), {way: [] for way in ways}
    for layer in range(reader.num_layers):
        if layer and reader.stack == "joined" and len(ways) == 2:
            below = dict.fromkeys(ways, torch.cat(list(below.values()), dim=1))
        for way in ways:
            now, found = [part[layer] for part in getattr(state, way)], {}
            steps = range(len(sequence))
            for step in steps if way == "forward" else reversed(steps):
                now = step_by_hand(reader, layer, way, below[way][step], now)
                found[step] = now[0]
            below[way] = torch.stack([found[step] for step in steps])
            finals[way].append(now)
    merge = {
        "concatenate": lambda a, b: torch.cat([a, b], dim=1),
        "sum": lambda a, b: a + b,
        "average": lambda a, b: (a + b) / 2,
        "multiply": lambda a, b: a * b,
    }[reader.merge]
    outputs = merge(*below.values()) if len(ways) == 2 else below[ways[0]]
    return [outputs, *(torch.stack(part) for last in finals.values() for part in zip(*last, strict=True))]
