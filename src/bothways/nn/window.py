"""What a convolution over the last k steps sees, for the rows of a batch that stand without padding (see `layout`).

Behind the N rows stand k-1 more for each sequence, those after its end: what its last inputs will add to the gates of
steps that it has not read yet. Carried to the start of what follows, they make two pieces one sequence.

Shapes: N rows, B sequences, T steps, k the steps that are seen, M = N + B·(k-1).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from bothways.nn.layout import Layout, Selection, copy_rows


class Window(NamedTuple):
    """Where the rows of one direction find the k inputs that they see."""

    there: list[Selection]  # for each step back, 0 to k-1: which of the N rows each of the M sees
    back: list[Selection]  # the inverse: which of the M rows sees each of the N
    begun: Tensor  # int64 (B·(k-1),), the first k-1 of the M rows of each sequence

    def of(self, rows: Tensor) -> Tensor:
        """Put the inputs of the last k steps beside each other, the newest first: (N, F) -> (M, k·F)."""
        return torch.cat([copy_rows(rows, *way) for way in zip(self.there, self.back, strict=True)], dim=1)


def look_back(lengths: Tensor, layout: Layout, mirrored: bool, seen: int) -> Window:
    """Plan a window.

    Args:
        lengths: int64 (B,) on the CPU.
        layout: where their rows are; exact.
        mirrored: whether the direction reads from the last step to the first.
        seen: k.
    """
    device = layout.order.device
    counts = layout.batch_sizes()
    first, count = counts.cumsum(0) - counts, int(counts.sum())
    length = lengths[layout.order.cpu()]  # of each place, the longest first

    step = torch.repeat_interleave(counts)
    place = torch.arange(count, device="cpu") - first[step]
    read = length[place] - 1 - step if mirrored else step  # how many steps were read before
    after = torch.arange(seen - 1, device="cpu").repeat(len(length))
    places = torch.cat([place, torch.arange(len(length), device="cpu").repeat_interleave(seen - 1)])
    reads = torch.cat([read, length.repeat_interleave(seen - 1) + after])

    def row(place: Tensor, read: Tensor) -> Tensor:
        """Find which of the M rows is the one that a sequence reads after `read` others."""
        step = length[place] - 1 - read if mirrored else read
        inside = first[step.clamp(0, len(counts) - 1)] + place
        return torch.where(read < length[place], inside, count + place * (seen - 1) + read - length[place])

    there, back = list[Selection](), list[Selection]()
    for ahead in range(seen):
        source = row(places, reads - ahead)
        unseen = (reads < ahead) | (source >= count)
        there.append(Selection(source.masked_fill(unseen, 0).to(device), unseen.nonzero()[:, 0].to(device)))
        back.append(Selection(row(place, read + ahead).to(device), None))
    return Window(there, back, row(places[count:], after).to(device))
