"""What the README's numbers come from; threads wait as under the command line and `make`."""

import os

if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
