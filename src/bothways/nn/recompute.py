"""Reading again for the gradients what was read before, instead of keeping it (Chen et al., 2016)."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from torch import Tensor
from torch.utils.checkpoint import checkpoint

Read = TypeVar("Read")


def read_again(read: Callable[..., Read], *given: Any, weights: Sequence[Tensor]) -> Read:
    """Return read(*given), and have it read again on the way back.

    Raises:
        RuntimeError: on the way back, if one of the `weights` that it reads with was changed in place meanwhile; as
            autograd has it, where they are kept. torch's checkpoint would read with the changed ones.
    """
    versions = [weight._version for weight in weights]

    def read_unchanged(*given: Any) -> Read:
        if [weight._version for weight in weights] != versions:
            raise RuntimeError(
                "A weight needed for gradient computation has been modified by an inplace operation. "
                "With recompute, change weights (an optimizer's step) only after going back."
            )
        return read(*given)

    return checkpoint(read_unchanged, *given, use_reentrant=False)  # type: ignore[no-any-return]
