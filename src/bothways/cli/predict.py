"""bothways predict: one prediction for each text, in the order given."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bothways.bundle import literal, open_folder
from bothways.cli.forecast import show_forecasts
from bothways.cli.language import refuse_options, show_predictions
from bothways.cli.output import print_json
from bothways.cli.tag import show_intents, tag_whole_file
from bothways.cli.tag import show_predictions as show_tags
from bothways.cli.translate import show_translations, translate_whole_file
from bothways.errors import DataError, SettingsError
from bothways.settings import TooLong

if TYPE_CHECKING:
    from bothways.runtime.classifier import ClassifierRuntime


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
    n_best: Annotated[int, typer.Option("--n-best", help="translations of each text, with their scores")] = 1,
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
    from bothways.runtime import load  # here, so that --help does not wait for it
    from bothways.runtime.files import predict_file

    task = open_folder(model).task
    if task == "forecast":
        refuse_options(task, {"text": text, "condition": condition, "columns": columns})
        if file is None or texts:
            raise SettingsError("A forecaster reads the table of --file, and no texts. Name one: --file series.csv.")
        show_forecasts(model, file, out=out, plot=plot, encoding=encoding, force=force, as_json=as_json)
        return
    refuse_options(task, {"plot": plot})
    if (file is None) != (out is None) or (file is not None and texts):
        raise SettingsError("--file and --out go together, and without texts: --file new.csv --out predictions.csv.")
    refuse_half_characters(texts or [])
    if task == "translate":
        refuse_options(task, {"text": text, "columns": columns, "condition": condition})
        if file is not None and out is not None:
            refuse_options(task, {"attention": attention, "json": as_json, "n-best": n_best != 1})
            translate_whole_file(
                model,
                file,
                out,
                source=source,
                encoding=encoding,
                beam_size=beam,
                copy_unknown=copy_unknown,
                too_long=too_long,
                force=force,
            )
            return
        refuse_options(task, {"source": source})
        show_translations(
            model,
            texts,
            beam_size=beam,
            n_best=n_best,
            copy_unknown=copy_unknown,
            too_long=too_long,
            attention=attention,
            as_json=as_json,
        )
        return
    refuse_options(
        task,
        {
            "source": source,
            "beam": beam is not None,
            "n-best": n_best != 1,
            "copy-unknown": copy_unknown,
            "too-long": too_long,
            "attention": attention,
        },
    )
    if task in ("language", "fill"):
        refuse_options(
            task, {"file": file, "text": text, "columns": columns, "condition": condition if task == "fill" else None}
        )
        given = texts or _lines()
        show_predictions(model, given, condition=condition, as_json=as_json)
        return
    refuse_options(task, {"condition": condition})
    if task in ("tag", "intent"):
        refuse_options(task, {"text": text})
        if file is not None and out is not None:
            tag_whole_file(model, file, out, columns=columns, encoding=encoding, force=force)
            return
        if columns is not None:
            raise SettingsError("--columns names the columns of --file, but there is no file. Leave it out.")
        show = show_tags if task == "tag" else show_intents
        show(model, texts or _lines(), as_json=as_json)
        return
    refuse_options(task, {"columns": columns})
    runner = load(model)
    if file is not None and out is not None:
        for note in predict_file(runner, file, out, text=text, encoding=encoding, force=force):
            print(literal(note), file=sys.stderr)
        return
    _show_labels(runner, texts, as_json=as_json)


def _show_labels(runner: "ClassifierRuntime", texts: list[str] | None, *, as_json: bool) -> None:
    """Print the label of each text, or of each line of standard input."""
    from bothways.runtime.classifier import Tally

    given = texts or _lines()
    labels = runner.labels
    for one, probabilities in zip(given, runner.predict_proba(given), strict=True):
        best = int(probabilities.argmax())
        if as_json:
            by_label = {name: round(float(p), 6) for name, p in zip(labels, probabilities, strict=True)}
            print_json({"label": runner.classes[best], "probabilities": by_label, "text": one})
        else:
            print(f"{literal(labels[best])}\t{probabilities[best]:.3f}\t{literal(one)}")
    tally = Tally()
    tally.add(runner, len(given))
    for note in tally.notes(runner, lambda row: f"{'text' if texts else 'line'} {row + 1:,}"):
        print(note, file=sys.stderr)


def _lines() -> list[str]:
    """The texts of standard input, a line each."""
    from bothways.runtime.files import read_lines

    return read_lines([] if sys.stdin is None else sys.stdin.buffer)


def refuse_half_characters(texts: list[str]) -> None:
    """Refuse an argument with bytes that are no text, which Python hands on as halves of surrogate pairs."""
    for number, text in enumerate(texts, start=1):
        for char in text:
            if "\udc80" <= char <= "\udcff":
                raise DataError(f"Text {number}: the byte 0x{ord(char) - 0xDC00:02x} is not UTF-8. Give it as UTF-8.")
            if "\ud800" <= char <= "\udfff":
                raise DataError(f"Text {number} holds half a character, U+{ord(char):04X}. Leave it out.")
