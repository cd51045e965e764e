"""Run a command as the tests of the command line do."""

import subprocess
import sys

from typer.testing import CliRunner

from bothways.cli.commands import app

EXTRAS = [
    "torch", "lightning_fabric", "sklearn", "scipy", "matplotlib", "onnx", "pyarrow", "sacrebleu", "numba", "pandas"
]  # fmt: skip


def run(*arguments, code=0, text=None):
    """Run a command in this process; give standard output and standard error."""
    done = CliRunner().invoke(app, [str(part) for part in arguments], input=text)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.stderr
    return done.stdout, done.stderr


def run_bare(*arguments, besides=()):
    """Run a command where the base install is all there is, besides the packages named; give what it prints."""
    missing = sorted({*EXTRAS} - {*besides})
    code = f"import sys; sys.modules.update(dict.fromkeys({missing})); from bothways.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr
