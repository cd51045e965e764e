"""The command line: one file for each command, which parses, calls one library function and prints."""

import os
import sys


def main() -> None:
    """Run the command line. Exit 0: done; 1: refused, with one line that says why; 2: wrong usage; 130: Ctrl-C."""
    # OpenMP's threads spin while they wait; beside any other busy process that makes training ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets a stand-in for it, not a traceback.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    from bothways.cli.commands import app

    app()
