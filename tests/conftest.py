"""Machines are shared and noisy: no test has a time limit, and hypothesis sets none."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from hypothesis import settings

settings.register_profile("bothways", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("bothways")
