"""bothways predict: one prediction for each text, in the order given."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from bothways.bundle import literal
from bothways.errors import SettingsError


def predict(
    model: Annotated[Path, typer.Argument(help="folder written by 'bothways train'")],
    texts: Annotated[list[str] | None, typer.Argument(help="texts; lines of standard input if there are none")] = None,
    *,
    file: Annotated[Path | None, typer.Option("--file", help="table whose rows are predicted")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="table to write: the rows of --file, with predictions")
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="column of texts in --file; guessed if only one makes sense")
    ] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="of --file; auto detects it")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="replace --out if it exists")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="one JSON object a line, with every label's probability")
    ] = False,
) -> None:
    """Predict the label of each text: label, probability, text, with tabs between.

    Examples: bothways predict reviews-model "I really enjoyed it."
              bothways predict reviews-model --file new.csv --out predictions.csv
    """
    from bothways.runtime import load  # here, so that --help does not wait for it

    if (file is None) != (out is None) or (file is not None and texts):
        raise SettingsError("--file and --out go together, and without texts: --file new.csv --out predictions.csv.")
    runner = load(model)
    if file is not None and out is not None:
        from bothways.runtime.files import predict_file

        for note in predict_file(runner, file, out, text=text, encoding=encoding, force=force):
            print(literal(note), file=sys.stderr)
        return
    given = texts or [line.rstrip("\r\n") for line in sys.stdin]
    for one, probabilities in zip(given, runner.predict_proba(given), strict=True):
        best = int(probabilities.argmax())
        if as_json:
            by_label = {str(name): round(float(p), 6) for name, p in zip(runner.classes, probabilities, strict=True)}
            print(
                json.dumps({"label": runner.classes[best], "probabilities": by_label, "text": one}, ensure_ascii=False)
            )
        else:
            print(f"{literal(runner.classes[best])}\t{probabilities[best]:.3f}\t{literal(one)}")
    if runner.cut:
        print(f"{runner.cut} texts were cut to their first {runner.max_length} steps.", file=sys.stderr)
