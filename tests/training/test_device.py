"""What the device can do, whichever version of torch says so."""

from pathlib import Path

import pytest
import torch

from bothways.training.device import computes_bfloat16


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="needs Linux, which says what its processor can")
def test_an_older_torch_that_does_not_say_makes_no_difference(monkeypatch):
    found = computes_bfloat16("cpu")
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert computes_bfloat16("cpu") == found
