"""Stop trainings as users and systems do, at any batch, and take them up again."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import torch

from bothways.training.listening import Silence


class StopAt(Silence):
    """Press Ctrl-C after some batches."""

    number = signal.SIGINT

    def __init__(self, step):
        self._left = step

    def stepped(self, **_):
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), self.number)


class DieAt(StopAt):
    """End the process after some batches, with nothing left to say."""

    number = signal.SIGKILL


def in_a_child(action):
    """Run in a forked process, so that torch is imported once; give how it ended."""
    child = os.fork()
    if child == 0:
        action()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def was_killed(ended):
    """Whether a child ended by SIGKILL."""
    return os.WIFSIGNALED(ended) and os.WTERMSIG(ended) == signal.SIGKILL


def kill_and_resume(train, steps):
    """Train in children: one dies after each of some batches, the last one ends; give how many died.

    Args:
        train: trains in a folder, from where the last one was; called with a listener, or with none.
        steps: batches after which each dies.
    """
    killed = 0
    for step in steps:

        def die(step=step):
            torch.manual_seed(step)  # whatever the process did before must not matter
            train(DieAt(step))

        killed += was_killed(in_a_child(die))
    if in_a_child(lambda: train(None)) != 0:
        sys.exit("the training was not resumed")
    return killed


def count_in_a_process(test, call):
    """Call a function of a test's file in a new process, which may fork; give the whole number that it prints."""
    path = Path(test)
    places = [str(path.parent), str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", f"import {path.stem}; print({path.stem}.{call})"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@contextmanager
def one_thread():
    """Compute with one thread, as those that were killed do: other threads add up in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
