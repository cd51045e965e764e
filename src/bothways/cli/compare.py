"""bothways compare: train cells and directions under the same conditions, and see which is worth its cost."""

import sys
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bothways import require_training
from bothways.bundle import literal
from bothways.cli.options import with_options, with_settings
from bothways.cli.output import print_json, print_table
from bothways.cli.training import Columns, Encoding, Inputs, SeriesColumn, Target, TextColumn, TimeColumn
from bothways.errors import SettingsError
from bothways.settings import (
    COMPARED,
    IMAGE_PROBLEMS,
    LEAST_MINUTES,
    OF_TOKENS,
    ClassifierSettings,
    ForecasterSettings,
    ProblemSettings,
    TaggerSettings,
)

if TYPE_CHECKING:
    from bothways.declaring import Settings
    from bothways.lab.entries import Question

Validation = Annotated[
    Path | None, typer.Option("--validation", help="file that chooses the best epoch; without it some is held out")
]
Test = Annotated[Path | None, typer.Option("--test", help="file that every network is scored on once, at its end")]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What all comparisons are asked with."""

    cells: Annotated[str, typer.Option("--cells", help="cells to compare: rnn, lstm, gru, mingru, minlstm, sru")] = (
        "rnn,lstm,gru"
    )
    directions: Annotated[str, typer.Option("--directions", help="ways to read: forward, backward, both")] = "forward"
    seeds: Annotated[int, typer.Option("--seeds", help="trainings of each, whose spread tells luck from merit")] = 2
    budget: Annotated[
        float | None,
        typer.Option("--budget", help="minutes of training for each network; without it, --epochs for each"),
    ] = None
    out: Annotated[Path, typer.Option("--out", help="folder to write, or to go on with")] = Path("comparison")
    force: Annotated[bool, typer.Option("--force", help="replace a folder that holds another comparison")] = False
    as_json: Annotated[bool, typer.Option("--json", help="print every result as one JSON object")] = False


@with_settings(ClassifierSettings, without=(*COMPARED, "gradual_unfreezing", "layer_decay"))
@with_options(Asked, directions="forward,both")
def compare_classify(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="what 'bothways train classify' reads")],
    *,
    asked: Asked,
    validation: Validation = None,
    test: Test = None,
    text: TextColumn = None,
    label: Annotated[str | None, typer.Option("--label", help="column of labels; guessed if only one fits")] = None,
    encoding: Encoding = "auto",
    settings: ClassifierSettings,
) -> None:
    """Compare text classifiers, and write a report: scores with their spread, cost, curves, gradients.

    Example: bothways compare classify reviews.csv --cells rnn,lstm,gru --directions forward,both --budget 2
    """
    reading = {"text": text, "label": label, "encoding": encoding}
    question = _question("classify", settings, _given(context), asked, data, validation, test, reading)
    _compare(question, settings.seed, asked)


@with_settings(TaggerSettings, without=COMPARED)
@with_options(Asked, directions="forward,backward,both")
def compare_tag(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="what 'bothways train tag' reads")],
    *,
    asked: Asked,
    validation: Validation = None,
    test: Test = None,
    columns: Columns = None,
    encoding: Encoding = "auto",
    settings: TaggerSettings,
) -> None:
    """Compare taggers: what the left context tells, what the right one, and what both.

    Example: bothways compare tag train.conll --validation dev.conll --cells lstm --directions forward,backward,both
    """
    reading = {"columns": columns, "encoding": encoding}
    _compare(_question("tag", settings, _given(context), asked, data, validation, test, reading), settings.seed, asked)


@with_settings(ForecasterSettings, without=(*COMPARED, *OF_TOKENS))
@with_options(Asked)
def compare_forecast(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="what 'bothways train forecast' reads")],
    *,
    asked: Asked,
    target: Target = None,
    inputs: Inputs = None,
    time: TimeColumn = None,
    series: SeriesColumn = None,
    encoding: Encoding = "auto",
    settings: ForecasterSettings,
) -> None:
    """Compare forecasters by their mean squared error, beside the last value, the season and a linear model.

    Example: bothways compare forecast ETTh1.csv --target OT --horizon 24 --cells lstm,gru,mingru
    """
    reading = {"target": target, "inputs": inputs, "time": time, "by": series, "encoding": encoding}
    _compare(_question("forecast", settings, _given(context), asked, data, reading=reading), settings.seed, asked)


@with_settings(ProblemSettings, without=(*COMPARED, "problem"))
@with_options(Asked)
def compare_problem(
    context: typer.Context,
    *,
    problem: Annotated[
        str | None,
        typer.Option("--problem", help="first-token, adding, copy or teddy, all generated; rows or pixels"),
    ] = None,
    lengths: Annotated[
        str | None, typer.Option("--lengths", help="steps of the sequences; 50,100,200 if none; not of rows, pixels")
    ] = None,
    asked: Asked,
    data: Annotated[Path | None, typer.Option("--data", help="folder of MNIST's files, for rows and pixels")] = None,
    settings: ProblemSettings,
) -> None:
    """Train cells and directions under the same conditions, and write a report that shows which is worth its cost.

    Without a task it compares what networks remember, on generated sequences.

    Examples: bothways compare --problem adding --lengths 50,100,200 --cells rnn,lstm,gru
              bothways compare classify reviews.csv --cells lstm,gru --directions forward,both
    """
    given = _given(context)
    if context.invoked_subcommand is not None:
        for option in context.command.params:
            if option.name in given:
                raise SettingsError(
                    f"{option.opts[0]} stands before {context.invoked_subcommand!r}. Give it after the data."
                )
        return
    if problem is None:
        raise SettingsError(
            "Nothing to compare: name a task and data, as in 'bothways compare classify reviews.csv', or a --problem."
        )
    _refuse_two_ends(given, asked.budget)
    if problem == "teddy":
        if lengths is not None or data is not None:
            raise SettingsError("--lengths and --data are of no use to the problem 'teddy'. Leave them out.")
        with TemporaryDirectory() as folder:
            from bothways.lab.entries import ask_teddy

            question = ask_teddy(Path(folder), _changed(settings, given - {"problem"}))
            _compare(replace(question, minutes=asked.budget), settings.seed, asked)
        return
    numbers = None if lengths is None else [_whole(one) for one in lengths.split(",")]
    if problem in IMAGE_PROBLEMS and numbers is not None:
        raise SettingsError(
            f"--lengths is of no use to the problem {problem!r}, whose images have one size. Leave it out."
        )
    if problem not in IMAGE_PROBLEMS and numbers is None:
        numbers = [50, 100, 200]
    settings = type(settings).from_dict({**settings.to_dict(), "problem": problem})
    _refuse_unused(problem, given)
    _compare(_question("problem", settings, given, asked, data), settings.seed, asked, numbers)


def _refuse_unused(problem: str, given: Collection[str]) -> None:
    """Refuse settings of tokens, of sequences that are drawn where images are read, and the other way round."""
    unused = dict.fromkeys(OF_TOKENS, "whose networks have no token vectors")
    if problem in IMAGE_PROBLEMS:
        unused |= dict.fromkeys(("batches_per_epoch", "held_out"), "whose images are read from files")
    else:
        unused["validation_size"] = "whose sequences are drawn; --held-out says how many for validation"
    for name, reason in unused.items():
        if name in given:
            option = f"--{name.replace('_', '-')}"
            raise SettingsError(f"{option} is of no use to the problem {problem!r}, {reason}. Leave it out.")


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"lengths has {text!r}, but it must be whole numbers: --lengths 50,100,200.") from None


def _given(context: typer.Context) -> set[str]:
    """Names of the options that stand on the command line."""
    sources = {option.name: context.get_parameter_source(str(option.name)) for option in context.command.params}
    return {str(name) for name, source in sources.items() if source is not None and source.name != "DEFAULT"}


def _changed(settings: "Settings", given: Collection[str] = ()) -> dict[str, Any]:
    """The settings that are not the default, or were given all the same, and that a comparison does not choose itself.

    A default that is given makes another question only where a recipe or a budget has defaults of its own.
    """
    from bothways.lab.entries import CHOSEN

    values = [(one, getattr(settings, one.name)) for one in settings.declared() if one.name not in CHOSEN]
    return {one.name: value for one, value in values if value != one.default or one.name in given}


def _refuse_two_ends(given: Collection[str], budget: float | None) -> None:
    """Refuse a number of epochs beside a budget, which alone ends the trainings."""
    if budget is not None and "epochs" in given:
        raise SettingsError("--epochs and --budget cannot be given both: each says when trainings end. Leave one out.")


def _question(
    task: str,
    settings: "Settings",
    given: Collection[str],
    asked: Asked,
    data: Path | None,
    validation: Path | None = None,
    test: Path | None = None,
    reading: dict[str, Any] | None = None,
) -> "Question":
    require_training()
    from bothways.lab.entries import Question

    _refuse_two_ends(given, asked.budget)
    # Of all settings patience alone has another default where a clock ends the trainings.
    changed = _changed(settings, () if asked.budget is None else {"patience"} & set(given))
    return Question(task, changed, data, validation, test, reading or {}, asked.budget)


def _compare(question: "Question", first_seed: int, asked: Asked, lengths: list[int] | None = None) -> None:
    """Compare, with a progress bar; print the table and what it says."""
    require_training()
    from bothways.lab.comparing import compare, read_results
    from bothways.lab.entries import every
    from bothways.lab.grid_progress import GridProgress
    from bothways.lab.report import shown, write_report

    if asked.budget is not None and not asked.budget >= LEAST_MINUTES:  # nor is it NaN
        raise SettingsError(f"budget is {asked.budget} minutes, but it must be at least {LEAST_MINUTES}.")
    entries = every(_names(asked.cells), _names(asked.directions), range(first_seed, first_seed + asked.seeds), lengths)
    with GridProgress() as progress:
        try:
            comparison = compare(question, entries, asked.out, listener=progress, force=asked.force)
        except KeyboardInterrupt:
            if read_results(asked.out):
                write_report(asked.out)
            raise
    report = write_report(asked.out)
    if asked.as_json:
        print_json({"folder": str(asked.out), "results": [one.to_dict() for one in comparison.results]})
    else:
        _print(*shown(report))
        for line in report.verdict:
            print(literal(line))
        print(f"report: {literal(report.path)}")
    if not any(one.failed is None for one in comparison.results):
        print("bothways: Every network failed; the table says why.", file=sys.stderr)
        raise typer.Exit(1)


def _print(header: list[str], rows: list[list[str]]) -> None:
    from rich.table import Table

    table = Table(box=None)
    for place, name in enumerate(header):
        table.add_column(name, justify="left" if place < 2 or name == "failed" else "right")
    for row in rows:
        table.add_row(*map(literal, row))
    print_table(table)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
