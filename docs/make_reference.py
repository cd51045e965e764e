"""Write docs/settings.md and docs/command-line.md from the declarations: python docs/make_reference.py

A test compares the files with what this gives, so that they cannot go out of date.
"""

import re
from pathlib import Path

import typer

from bothways.cli.commands import app
from bothways.declaring import Setting, Settings
from bothways.settings import (
    OF_TOKENS,
    WORD_UNITS,
    ClassifierSettings,
    FillSettings,
    ForecasterSettings,
    GenerationSettings,
    IntentSettings,
    LanguageSettings,
    ProblemSettings,
    TaggerSettings,
    TranslatorSettings,
)

HERE = Path(__file__).parent
PAGES: dict[str, tuple[type[Settings], str]] = {
    "classify": (ClassifierSettings, "In Python they are the parameters of `TextClassifier`."),
    "tag": (TaggerSettings, "In Python they are the parameters of `SequenceTagger`."),
    "intent": (IntentSettings, "In Python they are the parameters of `IntentParser`."),
    "language": (LanguageSettings, "In Python they are the parameters of `LanguageModel`."),
    "fill": (FillSettings, "In Python they are the parameters of `GapFiller`."),
    "forecast": (ForecasterSettings, "In Python they are the parameters of `Forecaster`."),
    "translate": (TranslatorSettings, "In Python they are the parameters of `Translator`."),
    "problem": (ProblemSettings, "In Python they are what `bothways.lab.problems.train_problem` takes."),
    "generate": (GenerationSettings, "In Python they are the options of `generate` and `stream`."),
}
WITHOUT_TOKENS = ("forecast", "problem")


def settings_page() -> str:
    """The settings of every task as tables."""
    lines = [
        "# Settings",
        "",
        "Made from `bothways.settings` by `docs/make_reference.py`. On the command line they are options with dashes",
        "(`--hidden-size`); in the model folder they stand in `settings.json`. `bothways compare` takes those of a",
        "task or a problem, but names what it compares in options of its own: `--cells`, `--directions`, `--lengths`.",
    ]
    for task, (kind, in_python) in PAGES.items():
        lines += ["", f"## Settings of `{task}`", "", in_python]
        section = ""
        for setting in kind.declared():
            if task in WITHOUT_TOKENS and setting.name in OF_TOKENS:
                continue
            if setting.section != section:
                section = setting.section
                lines += [
                    "",
                    f"### {section.capitalize()}",
                    "",
                    "| name | values | default | what it is |",
                    "|---|---|---|---|",
                ]
            lines.append(f"| `{setting.name}` | {values_of(setting, task)} | `{setting.default}` | {setting.help} |")
    return "\n".join(lines) + "\n"


def values_of(setting: Setting, task: str) -> str:
    """The allowed values in words."""
    kind = {int: "whole number", float: "number", bool: "True, False", str: "text"}[setting.plain_type]
    allowed = [one for one in setting.choices if (task, setting.name) != ("fill", "unit") or one in WORD_UNITS]
    words = ", ".join(f"`{choice}`" for choice in allowed) or kind
    return f"{words}, `None`" if setting.optional else words


def commands_page() -> str:
    """Every command with its arguments and options."""
    lines = ["# Command line", "", "Made from the commands themselves by `docs/make_reference.py`.", ""]
    lines += [
        "Results go to standard output, progress and notes to standard error. Exit 0: done; 1: refused or failed, with",
        "one line that says why and what to do; 2: arguments that cannot be parsed; 130: stopped by Ctrl-C, with the",
        "best so far kept.",
    ]
    for path, command in walk(typer.main.get_command(app), ()):
        lines += [
            "",
            f"## bothways {' '.join(path)}",
            "",
            *help_of(command),
            "",
            "| option | default | what it is |",
            "|---|---|---|",
        ]
        for parameter in command.params:
            if parameter.name == "help":
                continue
            names = ", ".join([*parameter.opts, *parameter.secondary_opts])
            name = parameter.name.upper() if parameter.param_type_name == "argument" else names
            lines.append(f"| `{name}` | {default_of(parameter)} | {parameter.help} |")
    return "\n".join(lines) + "\n"


def help_of(command):
    """What a command says of itself, in one line, and its examples, a line each."""
    text, *examples = re.split(r"\bExamples?: ", command.help)
    lines = [" ".join(text.split())]
    for one in examples:
        commands = " ".join(one.split()).replace(" bothways ", "\nbothways ").splitlines()
        lines += ["", *(f"    {command}" for command in commands)]
    return lines


def default_of(parameter):
    """What an option is when it is left out, in words; nothing where nothing is."""
    none = parameter.required or parameter.default is None or parameter.default is False or parameter.default == ""
    return "" if none else f"`{parameter.default}`"


def walk(group, path):
    """All commands below a group, with their paths; the group itself where it does something without any."""
    if path and group.invoke_without_command:
        yield path, group
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from walk(command, (*path, name))
        else:
            yield (*path, name), command


if __name__ == "__main__":
    (HERE / "settings.md").write_text(settings_page(), encoding="utf-8")
    (HERE / "command-line.md").write_text(commands_page(), encoding="utf-8")
