"""bothways predict: one prediction for each text, in the order given."""

from pathlib import Path
from typing import Annotated

import typer

from bothways.bundle import open_folder
from bothways.cli.classify import label_whole_file, show_labels
from bothways.cli.forecast import show_forecasts
from bothways.cli.language import show_predictions as show_scores
from bothways.cli.options import refuse_others
from bothways.cli.tag import show_intents, tag_whole_file
from bothways.cli.tag import show_predictions as show_tags
from bothways.cli.texts import lines, refuse_half_characters
from bothways.cli.translate import show_translations, translate_whole_file
from bothways.errors import ModelFolderError, SettingsError
from bothways.settings import TooLong

# Which tasks have a use for an option.
_KNOWN = {
    "text": {"classify"},
    "condition": {"language"},
    "columns": {"tag", "intent"},
    "source": {"translate"},
    "beam": {"translate"},
    "n-best": {"translate"},
    "copy-unknown": {"translate"},
    "too-long": {"translate"},
    "attention": {"translate"},
    "plot": {"forecast"},
    "file": {"classify", "tag", "intent", "translate", "forecast"},
    "out": {"classify", "tag", "intent", "translate", "forecast"},
}


def predict(
    model: Annotated[Path, typer.Argument(help="folder written by 'bothways train'")],
    texts: Annotated[list[str] | None, typer.Argument(help="texts; lines of standard input if there are none")] = None,
    *,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", help="table whose rows are predicted; for taggers CoNLL columns, too, for translators plain lines"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="file to write: the rows of --file, with predictions")
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="column of texts in --file; guessed if only one makes sense")
    ] = None,
    condition: Annotated[
        str | None,
        typer.Option("--condition", help="label or numbers that the texts are scored on, by a model with conditions"),
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", help="of words in --file, by number or name; for taggers")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="column of sources of a table in --file; for translators")
    ] = None,
    beam: Annotated[
        int | None, typer.Option("--beam", help="width of the search, 1 is greedy; as trained if none; for translators")
    ] = None,
    n_best: Annotated[int, typer.Option("--n-best", help="translations of each text, with number and scores")] = 1,
    copy_unknown: Annotated[
        bool, typer.Option("--copy-unknown", help="copy the source word for an unknown one; for translators")
    ] = False,
    too_long: Annotated[
        TooLong | None,
        typer.Option("--too-long", help="cut or refuse sources of more than max_length tokens; as trained if none"),
    ] = None,
    attention: Annotated[
        Path | None, typer.Option("--attention", help="draw in this PNG what the first translation looked at")
    ] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="of --file; auto detects it")] = "auto",
    plot: Annotated[Path | None, typer.Option("--plot", help="draw the forecast in this PNG; for forecasters")] = None,
    force: Annotated[bool, typer.Option("--force", help="replace --out if it exists")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="one JSON object a line, with every label's probability")
    ] = False,
) -> None:
    """Predict the label of each text.

    Prints label, probability and text, with tabs between.

    Of a language model: the log probability (nats) of each text and of each of its words. Of a model of missing words:
    of each word, given all others. Of a tagger: each word with its tag; with --json also the entities and their
    probabilities; of a model of intents also what a text asks for. A file for these holds words, in CoNLL columns, say,
    which stay as they are; --out gets them with their tags, and "# intent = NAME" before each sentence. Of a
    forecaster: what follows the last time of --file. Of a translator: a translation of each text, line by line.

    Examples: bothways predict reviews-model "I really enjoyed it."
              bothways predict reviews-model --file new.csv --out predictions.csv
              bothways predict names --file new.conll --out tagged.conll
              bothways predict oil --file ETTh1.csv --plot forecast.png
              bothways predict en-de "A man is riding a bicycle." --beam 5 --attention picture.png
    """
    task = open_folder(model).task
    given: dict[str, object] = {
        "text": text,
        "condition": condition,
        "columns": columns,
        "source": source,
        "beam": beam is not None,
        "n-best": n_best != 1,
        "copy-unknown": copy_unknown,
        "too-long": too_long,
        "attention": attention,
        "plot": plot,
        "file": file,
        "out": out,
    }
    refuse_others(task, given, _KNOWN)
    refuse_half_characters(texts or [])
    if task == "forecast":
        if file is None or texts:
            raise SettingsError("A forecaster reads the table of --file, and no texts. Name one: --file series.csv.")
        if out is not None and as_json:
            raise SettingsError("--json is for what is printed, but --out is given. Leave one of them out.")
        _refuse_force(force, out)
        show_forecasts(model, file, out=out, plot=plot, encoding=encoding, force=force, as_json=as_json)
        return
    if (file is None) != (out is None) or (file is not None and texts):
        raise SettingsError("--file and --out go together, and without texts: --file new.csv --out predictions.csv.")
    if file is not None and out is not None:
        _predict_file(
            model, task, file, out, text=text, columns=columns, source=source, beam=beam, copy_unknown=copy_unknown,
            too_long=too_long, encoding=encoding, force=force,
            refused={"attention": attention, "json": as_json, "n-best": n_best != 1},
        )  # fmt: skip
        return
    for name, what, value in (
        ("columns", "the columns", columns), ("source", "a column", source), ("text", "a column", text),
        ("encoding", "the encoding", None if encoding == "auto" else encoding),
    ):  # fmt: skip
        if value is not None:
            raise SettingsError(f"--{name} names {what} of --file, but there is no file. Leave it out.")
    _refuse_force(force, out)
    match task:
        case "classify":
            show_labels(model, texts, as_json=as_json)
        case "tag":
            show_tags(model, texts or lines(), as_json=as_json)
        case "intent":
            show_intents(model, texts or lines(), as_json=as_json)
        case "language" | "fill":
            show_scores(model, texts or lines(), condition=condition, as_json=as_json)
        case "translate":
            show_translations(
                model, texts, beam_size=beam, n_best=n_best, copy_unknown=copy_unknown, too_long=too_long,
                attention=attention, as_json=as_json,
            )  # fmt: skip
        case _:
            raise ModelFolderError(f"{model} was trained to {task!r}, which this version cannot run.")


def _refuse_force(force: bool, out: Path | None) -> None:
    if force and out is None:
        raise SettingsError("--force replaces the file of --out, but none is named. Leave it out, or name one.")


def _predict_file(
    model: Path,
    task: str,
    file: Path,
    out: Path,
    *,
    text: str | None,
    columns: str | None,
    source: str | None,
    beam: int | None,
    copy_unknown: bool,
    too_long: TooLong | None,
    encoding: str,
    force: bool,
    refused: dict[str, object],
) -> None:
    """Predict the rows of a file into another one."""
    for name, value in refused.items():
        if value:
            raise SettingsError(f"--{name} is for what is printed, but --out is given. Leave one of them out.")
    match task:
        case "tag" | "intent":
            tag_whole_file(model, file, out, columns=columns, encoding=encoding, force=force)
        case "translate":
            translate_whole_file(
                model, file, out, source=source, encoding=encoding, beam_size=beam, copy_unknown=copy_unknown,
                too_long=too_long, force=force,
            )  # fmt: skip
        case _:
            label_whole_file(model, file, out, text=text, encoding=encoding, force=force)
