"""What is freed stays with the process."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import sys
import torch
from bothways.training.freed_memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
for _ in range(30):  # what is freed first may still go
    torch.ones(20_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.ones(20_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator than glibc's")
def test_pages_are_not_asked_for_again():
    faults = {
        how: int(subprocess.run([sys.executable, "-c", PROGRAM, how], stdout=subprocess.PIPE, check=True).stdout)
        for how in ("keep", "leave")
    }

    assert faults["keep"] < faults["leave"] / 10
