"""Memory that a training step frees and the next one takes again.

glibc gives large arrays back to the system at once, which then hands out and clears new pages at every step: up to a
quarter of a step's time, where layers are wide. A process that trains rather keeps them.
"""

import ctypes
import sys

# Of mallopt(3).
TRIM_THRESHOLD, MMAP_MAX = -1, -4


def keep_freed_memory() -> None:
    """Let this process keep what is freed for what is allocated next; other allocators than glibc's do as they did."""
    _call("mallopt", MMAP_MAX, 0)
    _call("mallopt", TRIM_THRESHOLD, 2**31 - 1)


def give_back_freed_memory() -> None:
    """Give back what is free now; what is freed later stays with the process all the same."""
    _call("malloc_trim", 0)


def _call(name: str, *numbers: int) -> None:
    function = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    if function is not None:
        function(*numbers)
