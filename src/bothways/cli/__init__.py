"""The command line: one file for each command, which parses, calls one library function and prints."""

import os
import sys


def main() -> None:
    """Run the command line. Exit 0: done; 1: refused, with one line that says why; 2: wrong usage; 130: Ctrl-C."""
    # OpenMP's threads spin while they wait; beside any other busy process that makes training ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            # A terminal that cannot show a character gets a stand-in for it, not a traceback.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    from bothways.cli.commands import app
    from bothways.cli.output import output_fault

    try:
        app()
    except (OSError, SystemExit) as end:
        fault = output_fault()
        if fault is None:
            raise
        if isinstance(fault, BrokenPipeError):  # the reader went away, as `head` does: that is no error of anyone's
            sys.exit(end.code if isinstance(end, SystemExit) else 0)
        print(f"bothways: standard output cannot be written: {fault.strerror or fault}.", file=sys.stderr)
        sys.exit(1)
