"""The tree of commands, and the one place where a problem becomes a line on standard error and an exit code."""

import errno
import functools
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bothways.cli.compare import compare_classify, compare_forecast, compare_problem, compare_tag
from bothways.cli.evaluate import evaluate
from bothways.cli.explain import explain
from bothways.cli.fill import fill
from bothways.cli.generate import generate
from bothways.cli.info import info
from bothways.cli.predict import predict
from bothways.cli.train import classify
from bothways.cli.train_fill import train_fill
from bothways.cli.train_forecast import train_forecast
from bothways.cli.train_intent import train_intent
from bothways.cli.train_language import language
from bothways.cli.train_tag import train_tag
from bothways.cli.train_translate import PairFiles, train_translate
from bothways.errors import BothwaysError, Interrupted

_BEHAVIOUR: dict[str, Any] = {"no_args_is_help": True, "pretty_exceptions_enable": False, "add_completion": False}


class QuickHelp(TyperGroup):
    """A group whose own help is plain, since loading what draws boxes takes longer than all the rest."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "rich_markup_mode": None})


app = typer.Typer(
    cls=QuickHelp, help="Train recurrent sequence models on your own data, and run them anywhere.", **_BEHAVIOUR
)
train_app = typer.Typer(help="Train a model from a file and save it as a folder.", **_BEHAVIOUR)

compare_app = typer.Typer(**{**_BEHAVIOUR, "no_args_is_help": False})


# Faults of a name that was given.
_OF_A_PLACE = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR, errno.EROFS)


def explained(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command end with one line and an exit code when a problem is ours to explain."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except Interrupted as error:
            _end(error, code=130)
        except KeyboardInterrupt:
            _end("Stopped by Ctrl-C.", code=130)
        except BothwaysError as error:
            _end(error, code=1)
        except BrokenPipeError:
            # The reader of our output went away, as `head` does: that is no error of anyone's.
            sys.stdout = None
            raise typer.Exit(0) from None
        except OSError as error:
            if error.errno not in _OF_A_PLACE or error.filename is None:
                raise
            _end(f"{error.filename} cannot be used: {error.strerror}. Name another place.", code=1)

    return run


def _end(problem: object, *, code: int) -> None:
    from bothways.bundle import literal

    print(f"bothways: {literal(problem)}", file=sys.stderr)
    raise typer.Exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        from bothways import __version__

        print(f"bothways {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


train_app.command("classify")(explained(classify))
train_app.command("language")(explained(language))
train_app.command("fill")(explained(train_fill))
train_app.command("tag")(explained(train_tag))
train_app.command("forecast")(explained(train_forecast))
train_app.command("intent")(explained(train_intent))
train_app.command("translate", cls=PairFiles)(explained(train_translate))
compare_app.callback(invoke_without_command=True)(explained(compare_problem))
compare_app.command("classify")(explained(compare_classify))
compare_app.command("tag")(explained(compare_tag))
compare_app.command("forecast")(explained(compare_forecast))
app.add_typer(train_app, name="train")
app.add_typer(compare_app, name="compare")
app.command("evaluate")(explained(evaluate))
app.command("predict")(explained(predict))
app.command("generate")(explained(generate))
app.command("fill")(explained(fill))
app.command("explain")(explained(explain))
app.command("info")(explained(info))


@train_app.callback()
def _train() -> None:
    pass
