"""How settings are declared: a group of them is a dataclass whose fields say their name, type, default and help."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from inspect import get_annotations
from math import inf
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Self, Union, get_args, get_origin

from bothways.errors import SettingsError, check_choice, nearest


@dataclass(frozen=True)
class Setting:
    """One setting as its class declares it."""

    name: str
    annotation: Any  # the type without its help, such as `int` or `Literal["rnn", "lstm"] | None`
    default: Any
    help: str
    section: str  # what it is listed under: "text", "encoder", "training"

    @property
    def choices(self) -> tuple[Any, ...]:
        """The allowed values of a `Literal`, or an empty tuple."""
        return get_args(_without_none(self.annotation)) if _is_literal(self.annotation) else ()

    @property
    def plain_type(self) -> type:
        """`int`, `float`, `bool` or `str`, whatever is optional or a choice."""
        inner = _without_none(self.annotation)
        return str if _is_literal(inner) else inner

    @property
    def optional(self) -> bool:
        """Whether `None` is allowed."""
        return NoneType in get_args(self.annotation)


class Settings:
    """What all groups of settings can do; each group is a keyword-only dataclass of plain values."""

    section: ClassVar[str]  # what a group's settings are listed under

    @classmethod
    def declared(cls) -> tuple[Setting, ...]:
        """List the settings in the order of their declaration."""
        found = []
        for field in fields(cls):  # type: ignore[arg-type]
            owner: Any = next(base for base in reversed(cls.__mro__) if field.name in get_annotations(base))
            annotation, text = get_args(get_annotations(owner)[field.name])
            found.append(Setting(field.name, annotation, field.default, text, owner.section))
        return tuple(found)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build settings from saved values; refuse an unknown name with the nearest known one."""
        known = [setting.name for setting in cls.declared()]
        for name in values:
            if name not in known:
                raise SettingsError(f"{name!r} is not a setting of this task.{nearest(name, known)}")
        settings = cls(**values)
        settings.check()
        return settings

    def to_dict(self) -> dict[str, Any]:
        """Give every setting as a plain value for JSON."""
        values = asdict(self)  # type: ignore[call-overload]
        # Paths and NumPy's scalars become what their setting declares.
        return {
            setting.name: None if values[setting.name] is None else setting.plain_type(values[setting.name])
            for setting in self.declared()
        }

    def check(self) -> None:
        """Raise `SettingsError`, naming every bad value, unless all are good."""
        problems = [problem for setting in self.declared() if (problem := self._type_problem(setting))]
        if not problems:
            problems = self._problems()
        if problems:
            raise SettingsError(" ".join(problems))

    def _problems(self) -> list[str]:
        """What is wrong with values of the right type; each group adds its own."""
        return []

    def _type_problem(self, setting: Setting) -> str | None:
        value = getattr(self, setting.name)
        if value is None and setting.optional:
            return None
        if setting.choices:
            try:
                check_choice(setting.name, value, setting.choices)
            except SettingsError as error:
                return str(error)
            return None
        wanted = setting.plain_type
        good: tuple[type, ...] = {float: (float, int), str: (str, PurePath)}.get(wanted, (wanted,))
        # NumPy's scalars come from parameter grids; they say what they are through __index__ and __float__.
        is_number = wanted in (int, float) and not isinstance(value, (bool, str)) and hasattr(value, "__float__")
        if wanted is int and is_number:
            is_number = hasattr(value, "__index__")
        numpys = (str(getattr(value, "dtype", "")), getattr(value, "shape", None))
        is_numpys_bool = wanted is bool and numpys == ("bool", ())
        is_python_s = isinstance(value, good) and (wanted is bool or not isinstance(value, bool))
        if is_number or is_numpys_bool or is_python_s:
            return None
        return f"{setting.name} is {value!r}, but it must be {_spoken(wanted)}{' or None' if setting.optional else ''}."


def _is_literal(annotation: Any) -> bool:
    return get_origin(_without_none(annotation)) is Literal


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        return next(part for part in get_args(annotation) if part is not NoneType)
    return annotation


def _spoken(kind: type) -> str:
    return {int: "a whole number", float: "a number", bool: "True or False", str: "text"}[kind]


def at_least(settings: Settings, lowest: float, *names: str) -> list[str]:
    """Say which of some settings are below a bound, or not finite; what is None is left out."""
    problems = []
    for name in names:
        value = getattr(settings, name)
        if value is not None and not lowest <= value < inf:
            wanted = "finite" if value == inf else f"at least {lowest}"
            problems.append(f"{name} is {value}, but it must be {wanted}.")
    return problems


def in_share(settings: Settings, *names: str) -> list[str]:
    """Say which of some settings are outside [0, 1)."""
    values = {name: getattr(settings, name) for name in names}
    return [
        f"{name} is {value}, but it must be in [0, 1)."
        for name, value in values.items()
        if value is not None and not 0 <= value < 1
    ]
