"""What the README's numbers come from. Each module is one command: python -m benchmarks.NAME

Real data is read from the folder in the environment variable BOTHWAYS_DATA and never copied.
Every command prints its table and replaces its own part of benchmarks/results.md.
Threads wait as they do under the command line and `make`.
"""

import os

if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
