"""Products in few sizes: for each size of a bfloat16 product that it meets, a CPU keeps something, and never drops it.

Batches of real steps without padding have nearly all sizes there are. Rounded up by a sixteenth at most, there are some
dozens, and the memory of a training stays flat.
"""

import torch
from torch import Tensor
from torch.nn import functional


def rounded_rows(count: int) -> int:
    """Round a count of rows up, by at most a sixteenth, to one of sixteen sizes between a power of two and the next."""
    step = 1 << max(0, (count - 1).bit_length() - 5)
    return -(-count // step) * step


def spare_rows(rows: Tensor) -> int:
    """Count the rows that a product of rows (N, ...) is to have beyond N: none where sizes do not matter."""
    casts = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    if rows.device.type != "cpu" or not (casts or rows.dtype == torch.bfloat16):
        return 0
    return rounded_rows(len(rows)) - len(rows)


def linear_of_rows(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Give rows (N, F) @ weight (O, F)^T + bias, (N, O): `functional.linear`, in few sizes."""
    spare = spare_rows(rows)
    if not spare:
        return functional.linear(rows, weight, bias)
    return functional.linear(functional.pad(rows, (0, 0, 0, spare)), weight, bias)[: len(rows)]
