"""Memory that a training step frees and the next one takes again.

glibc gives large arrays back to the system at once, which then hands out and clears new pages at every step: up to a
quarter of a step's time, where layers are wide. A process that trains rather keeps them; its peak is the same.
"""

import ctypes
import sys

# Of mallopt(3).
TRIM_THRESHOLD, MMAP_MAX = -1, -4


def keep_freed_memory() -> None:
    """Let this process keep what is freed for what is allocated next; of other allocators than glibc's nothing."""
    choose = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if choose is not None:
        choose(MMAP_MAX, 0)
        choose(TRIM_THRESHOLD, 2**31 - 1)
