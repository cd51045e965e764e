"""Options: one for each declared setting, with its type, default and help; and which task has a use for which."""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any

import typer

from bothways.declaring import Setting, Settings
from bothways.errors import SettingsError


def with_settings(
    kind: type[Settings], *, without: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each setting of `kind`; the command gets them as its parameter `settings`.

    Args:
        kind: the settings.
        without: those that have no option.
    """
    added = [_parameter(setting) for setting in kind.declared() if setting.name not in without]

    def make(chosen: dict[str, Any]) -> Settings:
        return kind.from_dict({name: value for name, value in chosen.items() if value is not None})

    return lambda command: _take_apart(command, "settings", added, make)


def with_options(kind: type[Any], **defaults: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of a dataclass; the command gets them as its parameter `asked`.

    Args:
        kind: the dataclass; every field has a default and is annotated as an option.
        defaults: of this command, where they are not those of the fields.
    """
    added = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=defaults.get(field.name, field.default),
            annotation=field.type,
        )
        for field in fields(kind)
    ]
    return lambda command: _take_apart(command, "asked", added, lambda chosen: kind(**chosen))


def _take_apart(
    command: Callable[..., None], whole: str, added: Sequence[inspect.Parameter], make: Callable[[dict[str, Any]], Any]
) -> Callable[..., None]:
    """Put options in the place of one parameter of a command, which is made of them."""

    def run(**options: Any) -> None:
        chosen = {part.name: options.pop(part.name) for part in added}
        command(**options, **{whole: make(chosen)})

    parts = inspect.signature(command).parameters.values()
    signature = inspect.Signature([one for part in parts for one in (added if part.name == whole else [part])])
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {part.name: part.annotation for part in signature.parameters.values()}
    return run


def _parameter(setting: Setting) -> inspect.Parameter:
    name = setting.name.replace("_", "-")
    flags = f"--{name}/--no-{name}" if setting.plain_type is bool else f"--{name}"
    metavar = "|".join(setting.choices) if setting.choices else None
    option = typer.Option(flags, help=setting.help, metavar=metavar, rich_help_panel=f"Settings: {setting.section}")
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=setting.default,
        annotation=Annotated[setting.plain_type | None if setting.optional else setting.plain_type, option],
    )


def refuse_others(task: str, given: Mapping[str, object], known: Mapping[str, Collection[str]]) -> None:
    """Refuse options that a task has no use for.

    Args:
        task: of the model.
        given: options and their values; one that is None or False was not given.
        known: options, and the tasks that have a use for each.

    Raises:
        SettingsError: an option was given that the task does not know.
    """
    for name, value in given.items():
        if value and task not in known[name]:
            raise SettingsError(f"--{name} is of no use to a model of task {task!r}. Leave it out.")
