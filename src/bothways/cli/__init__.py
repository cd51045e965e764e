"""The command line: one file for each command, which parses, calls one library function and prints."""

import os
import sys


def main() -> None:
    """Run the command line. Exit 0: done; 1: refused, with one line that says why; 2: wrong usage; 130: Ctrl-C."""
    # OpenMP's threads spin for milliseconds while they wait, and keep our own from the processor, or another process.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    from bothways.cli.commands import app
    from bothways.cli.output import StandardError, StandardOutput
    from bothways.errors import OutputError

    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as by '2>&-': what is said there goes nowhere
            nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, nowhere)
            setattr(sys, f"__{name}__", nowhere)  # else it would be closed once nobody holds it any more
    sys.stderr = StandardError.like(sys.stderr)  # type: ignore[arg-type]
    sys.stdout = StandardOutput.like(sys.stdout)  # type: ignore[arg-type]
    try:
        try:
            app()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OutputError as error:
        print(f"bothways: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        # The reader of our output went away, as `head` does: that is no error of anyone's.
        sys.stdout = None
        sys.exit(0)
