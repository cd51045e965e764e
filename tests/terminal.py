"""Run a command as the tests of the command line do."""

from typer.testing import CliRunner

from bothways.cli.commands import app


def run(*arguments, code=0, text=None):
    """Run a command in this process; give standard output and standard error."""
    done = CliRunner().invoke(app, [str(part) for part in arguments], input=text)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.stderr
    return done.stdout, done.stderr
