"""Work on several things at the same time, each on a thread; what is found comes in the order of the things."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

Thing = TypeVar("Thing")
Found = TypeVar("Found")


def processors() -> int:
    """Give how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def work_ahead(work: Callable[[Thing], Found], things: Sequence[Thing], *, threads: int) -> Iterator[Found]:
    """Give what `work` finds of each thing, in order, while the next ones are worked on.

    At most twice as many results as threads wait to be taken, so that memory is bounded. What `work` raises is raised
    here, at its place.
    """
    threads = min(threads, len(things))
    if threads < 2:
        yield from map(work, things)
        return
    waiting: deque[Future[Found]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="bothways") as pool:
        try:
            for thing in things:
                waiting.append(pool.submit(work, thing))
                if len(waiting) == 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
