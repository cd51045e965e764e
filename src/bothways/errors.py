"""Every exception a user can meet.

    BothwaysError
    ├── SettingsError        (ValueError)         a setting's name or value
    ├── DataError            (ValueError)         what a file or a list holds
    │   ├── MissingFileError (FileNotFoundError)  a file that is not there
    │   └── DivergedError                           a training whose numbers are no longer finite
    ├── ModelFolderError     (ValueError)         a model folder that is missing, cut, altered or newer
    ├── OutputError          (OSError)            a place that cannot be written, or holds something already
    ├── ResumeError          (ValueError)         a training that cannot be taken up again
    ├── NotFittedError       (ValueError, AttributeError)  a model that was asked before it was trained
    ├── MissingExtraError    (ImportError)        an optional part that is not installed
    └── Interrupted          (KeyboardInterrupt)  Ctrl-C; says what is kept and how to go on

Each message is one line: what is wrong, what would be right, what to do next.
"""

from collections.abc import Container, Iterable
from difflib import get_close_matches


class BothwaysError(Exception):
    """A problem that we can explain; its text is one line for a person to act on."""


class SettingsError(BothwaysError, ValueError):
    """A setting has an unknown name or a value outside what is allowed."""


class DataError(BothwaysError, ValueError):
    """A file, table or list holds something that cannot be used."""


class DivergedError(DataError):
    """A training ended in numbers that are not finite."""


class MissingFileError(DataError, FileNotFoundError):
    """A file or folder that should be read is not there."""


class ModelFolderError(BothwaysError, ValueError):
    """A model folder is missing, incomplete, altered, or written by a newer version."""


class OutputError(BothwaysError, OSError):
    """An output cannot be written, or something stands in its place."""


class ResumeError(BothwaysError, ValueError):
    """A training cannot be resumed with what was given."""


class NotFittedError(BothwaysError, ValueError, AttributeError):
    """A model was used before it was trained."""


class MissingExtraError(BothwaysError, ImportError):
    """An optional dependency is needed and is not installed."""


class Interrupted(BothwaysError, KeyboardInterrupt):  # noqa: N818  no error of anyone's
    """Training was stopped by Ctrl-C; what was reached is on disk."""


def nearest(value: str, options: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the option nearest to `value`, or nothing if none is near."""
    near = get_close_matches(value, list(options), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def counted(number: int, thing: str) -> str:
    """Say how many of a thing there are: "1 word", "2,000 words"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def check_choice(field: str, value: object, allowed: Iterable[str]) -> None:
    """Refuse a value outside `allowed`, suggesting the nearest one."""
    options = sorted(allowed)
    if value not in options:
        raise SettingsError(
            f"{field} is {value!r}, but it must be one of: {', '.join(options)}.{nearest(str(value), options)}"
        )


def check_given(**given: object) -> None:
    """Refuse what was left out: a list that is None, such as a function returns that forgot to return one."""
    for name, value in given.items():
        if value is None:
            raise DataError(f"{name} is None, but it must be given. Check what was meant to make it.")


def missing_extra(package: str, extra: str, purpose: str) -> MissingExtraError:
    """Say which package is missing, what it is for and how to install it."""
    return MissingExtraError(f'{purpose} needs {package}, which is not installed. Run: pip install "bothways[{extra}]"')


def refuse_newer(saved: Iterable[str], known: Container[str], what: str) -> None:
    """Refuse what a model folder says of something if it is of a newer version.

    Raises:
        ModelFolderError: there is a name that is not known.
    """
    unknown = next((name for name in saved if name not in known), None)
    if unknown is not None:
        raise ModelFolderError(
            f"The model's {what} have {unknown!r}, which this version of bothways does not know. "
            "Run: pip install --upgrade bothways"
        )


def diverged(where: str = "") -> DivergedError:
    """Make the error for a training whose numbers are no longer finite."""
    return DivergedError(f"The training diverged{where}: what it gives is no finite number. Try a lower lr.")
