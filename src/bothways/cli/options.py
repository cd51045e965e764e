"""Options made from settings: one for each declared setting, with its type, default and help."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from bothways.declaring import Setting, Settings


def with_settings(kind: type[Settings]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each setting of `kind`; the command gets them as its parameter `settings`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        declared = kind.declared()
        own = [part for name, part in inspect.signature(command).parameters.items() if name != "settings"]

        def run(**options: Any) -> None:
            chosen = {setting.name: options.pop(setting.name) for setting in declared}
            settings = kind.from_dict({name: value for name, value in chosen.items() if value is not None})
            command(**options, settings=settings)

        added = [_parameter(setting) for setting in declared]
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        signature = inspect.Signature([*own, *added])
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {part.name: part.annotation for part in signature.parameters.values()}
        return run

    return decorate


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
